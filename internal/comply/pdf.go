package comply

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"time"

	"codeberg.org/go-pdf/fpdf"
	"github.com/go-fonts/dejavu/dejavusanscondensed"
	"github.com/go-fonts/dejavu/dejavusanscondensedbold"
	"golang.org/x/image/font/sfnt"

	"darkroom/internal/inspect"
)

// The page, in millimetres: A4 with margins.
const (
	pageWidth, pageHeight     = 210.0, 297.0
	margin, bottom            = 18.0, 20.0
	bodyWidth                 = pageWidth - 2*margin
	family                    = "dejavu"
	small, normal, large      = 8.0, 9.0, 20.0 // points
	smallLine, normalLine     = 3.9, 4.5       // millimetres
	labelWidth                = 26.0
	cellPadding               = 1.2
	pageAlias                 = "{pages}"
	statusWidth, statusHeight = 27.0, 5.2
)

type colour struct{ r, g, b int }

var (
	ink    = colour{27, 31, 36}
	grey   = colour{87, 96, 106}
	rule   = colour{201, 209, 217}
	shade  = colour{243, 245, 247}
	linked = colour{31, 79, 143}

	statusColours = map[string]colour{
		"met": {26, 127, 55}, "passed": {26, 127, 55}, "gap": {180, 35, 24}, "failed": {180, 35, 24},
		"not checked": {138, 90, 0}, "customer's duty": {47, 93, 155}, "not applicable": grey,
	}
)

// glyphs is the font, to ask what it can show.
var glyphs = sync.OnceValue(func() *sfnt.Font {
	f, err := sfnt.Parse(dejavusanscondensed.TTF)
	if err != nil {
		panic(err) // it is linked in
	}
	return f
})

// shown is a text in characters that the font has; others are shown by their numbers.
func shown(s string) string {
	var b strings.Builder
	var buffer sfnt.Buffer
	for _, r := range clean(s) {
		if r < 0x7f {
			b.WriteRune(r)
			continue
		}
		if i, err := glyphs().GlyphIndex(&buffer, r); err != nil || i == 0 || r > 0xffff {
			fmt.Fprintf(&b, "\\u%04X", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// pdf writes one document.
type pdf struct {
	*fpdf.Fpdf
	controls []int // links, by the place of the verdict
	checks   map[string]int
}

// PDF writes a report as a PDF document of A4 pages with its fonts inside. The same report makes the same bytes.
func PDF(r Report) ([]byte, error) {
	p := &pdf{Fpdf: fpdf.New("P", "mm", "A4", ""), checks: map[string]int{}}
	p.SetCatalogSort(true)
	p.SetCreationDate(r.Time)
	p.SetModificationDate(r.Time)
	p.SetProducer("darkroom "+r.Subject.Release, true)
	p.SetTitle(r.Title(), true)
	p.SetLang("en")
	p.AddUTF8FontFromBytes(family, "", dejavusanscondensed.TTF)
	p.AddUTF8FontFromBytes(family, "B", dejavusanscondensedbold.TTF)
	p.SetMargins(margin, margin, margin)
	p.SetAutoPageBreak(false, bottom)
	p.AliasNbPages(pageAlias)
	p.SetFooterFunc(func() { p.footer(r) })
	for range r.Verdicts {
		p.controls = append(p.controls, p.AddLink())
	}
	for _, c := range r.Results {
		p.checks[c.Check] = p.AddLink()
	}
	p.title(r)
	p.overview(r)
	group := ""
	for i, v := range r.Verdicts {
		if v.Group != group {
			group = v.Group
			p.heading(v.Group + ": " + v.GroupTitle)
		}
		p.verdict(i, v)
	}
	p.need(60)
	p.heading("What was checked")
	for _, c := range r.Results {
		p.result(c)
	}
	var out bytes.Buffer
	if err := p.Output(&out); err != nil {
		return nil, fmt.Errorf("write the report as PDF: %w", err)
	}
	return out.Bytes(), nil
}

func (p *pdf) footer(r Report) {
	p.SetY(pageHeight - 13)
	p.ink(grey)
	p.SetFont(family, "", small)
	p.CellFormat(bodyWidth-30, 4, shown(r.Title()+", "+r.Time.Format(time.RFC3339)), "", 0, "L", false, 0, "")
	p.CellFormat(30, 4, fmt.Sprintf("%d / %s", p.PageNo(), pageAlias), "", 0, "R", false, 0, "")
	p.ink(ink)
}

func (p *pdf) ink(c colour)  { p.SetTextColor(c.r, c.g, c.b) }
func (p *pdf) fill(c colour) { p.SetFillColor(c.r, c.g, c.b) }

// need begins a new page where less than a height is left of this one.
func (p *pdf) need(height float64) {
	if p.GetY()+height > pageHeight-bottom {
		p.AddPage()
	}
}

// text writes wrapped lines at an indent, over pages as it must.
func (p *pdf) text(s, style string, size, line, indent float64, c colour) {
	p.SetFont(family, style, size)
	for _, l := range p.SplitText(shown(s), bodyWidth-indent-1) {
		p.need(line)
		p.SetFont(family, style, size) // a new page's footer has set its own
		p.ink(c)
		p.SetX(margin + indent)
		p.CellFormat(bodyWidth-indent, line, l, "", 1, "L", false, 0, "")
	}
	p.ink(ink)
}

func (p *pdf) heading(s string) {
	p.need(22)
	p.Ln(3)
	p.Bookmark(shown(s), 0, -1)
	p.text(s, "B", 13, 6.5, 0, ink)
	p.SetDrawColor(rule.r, rule.g, rule.b)
	p.Line(margin, p.GetY(), pageWidth-margin, p.GetY())
	p.Ln(2)
}

func (p *pdf) title(r Report) {
	p.AddPage()
	p.Bookmark("Title", 0, 0)
	p.SetY(46)
	p.text("Compliance report", "B", large, 10, 0, ink)
	p.text(r.Framework.Name, "", 15, 8, 0, ink)
	p.Ln(6)
	for _, f := range r.About() {
		p.row([]float64{38, bodyWidth - 38}, []string{f.Name, f.Value}, true)
	}
	p.Ln(7)
	p.summary(r)
	p.Ln(5)
	p.text(Caveat, "", normal, normalLine, 0, grey)
	p.Ln(2)
	p.text("Source: "+r.Framework.Source, "", small, smallLine, 0, grey)
	p.Ln(1)
	p.text(r.Framework.Note, "", small, smallLine, 0, grey)
}

func (p *pdf) summary(r Report) {
	p.text("Summary", "B", 13, 7, 0, ink)
	p.Ln(1)
	for i, s := range Statuses {
		p.need(9)
		y := p.GetY()
		p.badge(margin, y+0.4, s.String())
		p.SetXY(margin+statusWidth+2, y)
		p.SetFont(family, "B", 11)
		p.CellFormat(12, 6, fmt.Sprint(r.Summary[s.String()]), "", 0, "R", false, 0, "")
		p.SetFont(family, "", normal)
		p.ink(grey)
		x := margin + statusWidth + 18
		for _, l := range p.SplitText(Legend[i].Value, bodyWidth-statusWidth-19) {
			p.SetX(x)
			p.CellFormat(bodyWidth-statusWidth-18, 6, l, "", 1, "L", false, 0, "")
		}
		p.ink(ink)
		p.Ln(1)
	}
}

// badge is a status on its colour.
func (p *pdf) badge(x, y float64, status string) {
	p.fill(statusColours[status])
	p.RoundedRect(x, y, statusWidth, statusHeight, 1.4, "1234", "F")
	p.SetXY(x, y)
	p.SetFont(family, "B", small)
	p.SetTextColor(255, 255, 255)
	p.CellFormat(statusWidth, statusHeight, status, "", 0, "C", false, 0, "")
	p.ink(ink)
}

// overview is the table of all controls, each a link.
func (p *pdf) overview(r Report) {
	p.AddPage()
	p.heading("Controls")
	widths := []float64{40, bodyWidth - 40 - statusWidth - 4, statusWidth + 4}
	p.head(widths, []string{"control", "title", "status"})
	for i, v := range r.Verdicts {
		before := p.PageNo()
		p.SetFont(family, "", normal)
		height := float64(max(p.lines(v.ID, widths[0]), p.lines(v.Control.Title, widths[1])))*normalLine + 2*cellPadding
		p.need(height)
		if p.PageNo() != before {
			p.head(widths, []string{"control", "title", "status"})
		}
		y := p.GetY()
		p.cell(margin, y, widths[0], v.ID, linked)
		p.cell(margin+widths[0], y, widths[1], v.Control.Title, ink)
		p.badge(margin+widths[0]+widths[1]+2, y+(height-statusHeight)/2, v.Status.String())
		p.Link(margin, y, bodyWidth, height, p.controls[i])
		p.SetY(y + height)
		p.SetDrawColor(rule.r, rule.g, rule.b)
		p.Line(margin, p.GetY(), pageWidth-margin, p.GetY())
	}
}

func (p *pdf) lines(s string, width float64) int {
	return max(1, len(p.SplitText(shown(s), width-2*cellPadding-1)))
}

func (p *pdf) cell(x, y, width float64, s string, c colour) {
	p.SetFont(family, "", normal)
	p.ink(c)
	for i, l := range p.SplitText(shown(s), width-2*cellPadding-1) {
		p.SetXY(x+cellPadding, y+cellPadding+float64(i)*normalLine)
		p.CellFormat(width-2*cellPadding, normalLine, l, "", 0, "L", false, 0, "")
	}
	p.ink(ink)
}

func (p *pdf) head(widths []float64, names []string) {
	p.fill(shade)
	p.SetX(margin)
	p.SetFont(family, "B", normal)
	for i, n := range names {
		p.CellFormat(widths[i], 6, " "+n, "", 0, "L", true, 0, "")
	}
	p.Ln(6)
}

// row is a row of a table whose cells wrap; one that is longer than a page goes on over the next.
func (p *pdf) row(widths []float64, cells []string, label bool) {
	split := make([][]string, len(cells))
	longest := 0
	for i, c := range cells {
		style := ""
		if label && i == 0 {
			style = "B"
		}
		p.SetFont(family, style, normal)
		split[i] = p.SplitText(shown(c), widths[i]-2*cellPadding-1)
		longest = max(longest, len(split[i]))
	}
	for at := 0; at < longest; at++ {
		p.need(normalLine + 2*cellPadding)
		y := p.GetY()
		if at == 0 {
			p.SetDrawColor(rule.r, rule.g, rule.b)
			p.Line(margin, y, pageWidth-margin, y)
			y += cellPadding
		}
		x := margin
		for i := range cells {
			style := ""
			if label && i == 0 {
				style = "B"
			}
			if at < len(split[i]) {
				p.SetFont(family, style, normal)
				p.SetXY(x+cellPadding, y)
				p.CellFormat(widths[i]-2*cellPadding, normalLine, split[i][at], "", 0, "L", false, 0, "")
			}
			x += widths[i]
		}
		p.SetY(y + normalLine)
	}
	p.SetY(p.GetY() + cellPadding)
}

// labelled is a paragraph with its name before it.
func (p *pdf) labelled(label, s string) {
	p.SetFont(family, "", normal)
	for i, l := range p.SplitText(shown(s), bodyWidth-labelWidth-1) {
		p.need(normalLine)
		y := p.GetY()
		if i == 0 {
			p.SetFont(family, "", small)
			p.ink(grey)
			p.SetXY(margin, y)
			p.CellFormat(labelWidth, normalLine, label, "", 0, "L", false, 0, "")
		}
		p.SetFont(family, "", normal)
		p.ink(ink)
		p.SetXY(margin+labelWidth, y)
		p.CellFormat(bodyWidth-labelWidth, normalLine, l, "", 1, "L", false, 0, "")
	}
}

func (p *pdf) verdict(i int, v Verdict) {
	p.need(34)
	p.Ln(2.5)
	y := p.GetY()
	p.SetLink(p.controls[i], y, -1)
	p.Bookmark(shown(v.ID+" "+v.Control.Title), 1, y)
	p.badge(pageWidth-margin-statusWidth, y, v.Status.String())
	p.SetXY(margin, y)
	p.SetFont(family, "B", 10)
	for _, l := range p.SplitText(shown(v.ID+": "+v.Control.Title+own(v.Control)), bodyWidth-statusWidth-4) {
		p.SetX(margin)
		p.CellFormat(bodyWidth-statusWidth-3, 5.2, l, "", 1, "L", false, 0, "")
	}
	p.Ln(0.8)
	p.text(v.Why, "", normal, normalLine, 0, ink)
	p.Ln(0.8)
	p.labelled("asks", v.Asks)
	for _, d := range v.Does {
		p.labelled("Darkroom", d)
	}
	if len(v.Checks) > 0 {
		p.references(v.Checks)
	}
	for _, m := range v.Mend {
		p.labelled("mend", m)
	}
	if len(v.Evidence) > 0 {
		p.labelled("evidence", strings.Join(v.Evidence, ", "))
	}
	if v.Customer != "" {
		p.labelled("customer's duty", v.Customer)
	}
}

// references are the names of checks, each a link.
func (p *pdf) references(ids []string) {
	p.need(normalLine)
	y := p.GetY()
	p.SetFont(family, "", small)
	p.ink(grey)
	p.SetXY(margin, y)
	p.CellFormat(labelWidth, normalLine, "checked", "", 0, "L", false, 0, "")
	p.SetFont(family, "", normal)
	x := margin + labelWidth
	for i, id := range ids {
		word := shown(id)
		if i < len(ids)-1 {
			word += ","
		}
		width := p.GetStringWidth(word+" ") + 0.6
		if x+width > pageWidth-margin {
			p.SetY(y + normalLine)
			p.need(normalLine)
			x, y = margin+labelWidth, p.GetY()
			p.SetFont(family, "", normal)
		}
		p.ink(linked)
		p.SetXY(x, y)
		p.CellFormat(width, normalLine, word, "", 0, "L", false, p.checks[id], "")
		x += width
	}
	p.ink(ink)
	p.SetXY(margin, y+normalLine)
}

func (p *pdf) result(c inspect.Result) {
	p.need(24)
	p.Ln(2.5)
	y := p.GetY()
	p.SetLink(p.checks[c.Check], y, -1)
	p.badge(pageWidth-margin-statusWidth, y, c.State.String())
	p.SetXY(margin, y)
	p.SetFont(family, "B", 10)
	p.CellFormat(bodyWidth-statusWidth-3, 5.2, shown(c.Check), "", 1, "L", false, 0, "")
	p.Ln(0.6)
	p.text(c.Title+" ("+string(c.Kind)+", "+c.Time.Format(time.RFC3339)+")", "", small, smallLine, 0, grey)
	p.text(sentence(c.Found), "", normal, normalLine, 0, ink)
	if c.Mend != "" {
		p.labelled("mend", c.Mend)
	}
	if len(c.Facts) > 0 {
		p.Ln(1)
	}
	for _, f := range c.Facts {
		p.row([]float64{58, bodyWidth - 58}, []string{f.Name, f.Value}, false)
	}
}
