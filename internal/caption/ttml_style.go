package caption

import (
	"fmt"
	"maps"
	"strings"
)

// properties are those of TTML's style properties that are understood.
var properties = []string{
	"fontStyle", "fontWeight", "textDecoration", "color", "backgroundColor", "textAlign", "displayAlign", "origin", "extent", "writingMode", "display", "visibility",
}

// inherited are those that an element has from the one around it, TTML 2 section 10.4.
var inherited = map[string]bool{"fontStyle": true, "fontWeight": true, "textDecoration": true, "color": true, "textAlign": true, "visibility": true}

// resolve gives all that a look has, with that of the styles that it refers to: the later goes before the earlier, what it has itself before all.
func (r *reader) resolve(l *look, depth int) (map[string]string, error) {
	switch {
	case l == nil:
		return nil, nil //nolint:nilnil // nothing is said
	case l.resolved != nil:
		return l.resolved, nil
	case l.busy || depth > maxChain:
		return nil, fmt.Errorf("styles refer to each other in a circle, or through more than %d", maxChain)
	}
	l.busy = true
	defer func() { l.busy = false }()
	all := map[string]string{}
	for _, ref := range l.refs {
		of, err := r.resolve(r.styles[ref], depth+1)
		if err != nil {
			return nil, err
		}
		maps.Copy(all, of)
	}
	maps.Copy(all, l.own)
	l.resolved = all
	return all, nil
}

// style is that of text in the innermost element.
func (r *reader) style() (s Style, hidden bool, err error) {
	computed := map[string]string{}
	take := func(l *look) error {
		own, err := r.resolve(l, 0)
		for k, v := range own {
			if inherited[k] {
				computed[k] = v
			}
		}
		// What is not inherited is seen behind the text all the same.
		if v := own["backgroundColor"]; v != "" {
			computed["backgroundColor"] = v
		}
		if own["display"] == "none" {
			hidden = true
		}
		return err
	}
	region := r.regions[r.top().region]
	if region != nil {
		own, err := r.resolve(region, 0)
		if err != nil {
			return s, false, err
		}
		for k, v := range own {
			if inherited[k] {
				computed[k] = v
			}
		}
		hidden = own["display"] == "none"
	}
	for i := range r.open {
		if err := take(r.open[i].look); err != nil {
			return s, false, err
		}
	}
	s.Italic = computed["fontStyle"] == "italic" || computed["fontStyle"] == "oblique"
	s.Bold = computed["fontWeight"] == "bold"
	for _, word := range strings.Fields(computed["textDecoration"]) {
		s.Underline = word == "underline" || s.Underline && word != "noUnderline" && word != "none"
	}
	if s.Color, _ = parseColor(computed["color"]); s.Color == named[0].Color {
		s.Color = Color{} // white is what players have anyway
	}
	s.Background, _ = parseColor(computed["backgroundColor"])
	return s, hidden || computed["visibility"] == "hidden", nil
}

// place is where a paragraph stands: in its region, aligned as it says itself.
func (r *reader) place(region string) (Placement, error) {
	var p Placement
	all := map[string]string{}
	own, err := r.resolve(r.regions[region], 0)
	if err != nil {
		return p, err
	}
	maps.Copy(all, own)
	for i := range r.open {
		own, err := r.resolve(r.open[i].look, 0)
		if err != nil {
			return p, err
		}
		if v := own["textAlign"]; v != "" {
			all["textAlign"] = v
		}
	}
	switch v := all["textAlign"]; v {
	case "left", "right", "end":
		p.Align = Align(v)
	case "start", "justify":
		p.Align = "start"
	case "":
		if region != "" {
			p.Align = "start" // the initial value of TTML
		}
	}
	switch all["writingMode"] {
	case "tbrl", "tb":
		p.Vertical = "rl"
		return p, nil
	case "tblr":
		p.Vertical = "lr"
		return p, nil
	}
	if all["origin"] == "" && all["extent"] == "" {
		return p, nil
	}
	x, y, ok1 := r.lengths(all["origin"], 0, 0)
	w, h, ok2 := r.lengths(all["extent"], 100-x, 100-y)
	if !ok1 || !ok2 {
		return p, nil
	}
	p.within(x, y, min(w, 100-x), min(h, 100-y), all["displayAlign"])
	return p, nil
}

// lengths reads two lengths as percentages of the picture; x and y are what auto and nothing stand for.
func (r *reader) lengths(s string, x, y float64) (float64, float64, bool) {
	f := strings.Fields(s)
	if len(f) == 0 || len(f) == 1 && f[0] == "auto" {
		return x, y, true
	}
	if len(f) != 2 {
		return 0, 0, false
	}
	a, ok1 := percent(f[0], float64(r.clock.cellsWide), r.clock.widthPx, "vw", "rw")
	b, ok2 := percent(f[1], float64(r.clock.cells), r.clock.heightPx, "vh", "rh")
	return a, b, ok1 && ok2
}

func percent(s string, cells, px float64, of ...string) (float64, bool) {
	scale := 0.
	var digits string
	for _, u := range append([]string{"%"}, of...) {
		if d, ok := strings.CutSuffix(s, u); ok {
			digits, scale = d, 1
		}
	}
	if d, ok := strings.CutSuffix(s, "px"); ok && px > 0 {
		digits, scale = d, 100/px
	} else if d, ok := strings.CutSuffix(s, "c"); ok {
		digits, scale = d, 100/cells
	}
	n, err := decimalNumber(strings.TrimPrefix(digits, "+"))
	if scale == 0 || err != nil || n*scale > 100 {
		return 0, false
	}
	return n * scale, true
}

// within places text in a box, in percent of the picture, at its top, middle or bottom.
func (p *Placement) within(x, y, w, h float64, displayAlign string) {
	p.HasLine, p.HasPosition = true, true
	switch displayAlign {
	case "after":
		p.Line, p.LineAlign = y+h, "end"
	case "center":
		p.Line, p.LineAlign = y+h/2, "center"
	default:
		p.Line = y
	}
	p.Size = w
	switch p.Align {
	case "left", "start":
		p.Position, p.PositionAlign = x, "line-left"
	case "right", "end":
		p.Position, p.PositionAlign = x+w, "line-right"
	default:
		p.Position, p.PositionAlign = x+w/2, "center"
	}
}

// lineHeight is the height of a line of WebVTT's default font in percent of the picture (WebVTT 7.4: 5vh, and line spacing as is usual).
const lineHeight = 5.33

// percent is where the box stands from the top, in percent.
func (p *Placement) percent() float64 {
	v := p.Line
	if p.Lines {
		if v *= lineHeight; p.Line < 0 {
			v += 100
		}
	}
	return max(0, min(v, 100))
}

// area is the inverse of within: the box, in percent of the picture, and where in it the text stands. Where nothing is said it is the lower part of what is safe to see.
func (p *Placement) area() (x, y, w, h float64, displayAlign string) {
	const margin = 10
	x, y, w, h, displayAlign = margin, margin, 100-2*margin, 100-2*margin, "after"
	if p.Vertical != "" {
		return x, y, w, h, "before"
	}
	if p.HasLine {
		switch at := p.percent(); {
		case p.LineAlign == "center":
			half := min(at, 100-at)
			y, h, displayAlign = at-half, 2*half, "center"
		case p.LineAlign == "end", p.Lines && p.Line < 0:
			if p.Lines && p.LineAlign != "end" {
				at = min(100, at+lineHeight)
			}
			y, h = 0, at
		default:
			y, h, displayAlign = at, 100-at, "before"
		}
	}
	if !p.HasPosition && p.Size == 0 {
		return x, y, w, h, displayAlign
	}
	w = 100
	if p.Size > 0 {
		w = p.Size
	}
	at, align := 50., p.PositionAlign
	switch p.Align {
	case "left", "start":
		if at = 0; align == "" {
			align = "line-left"
		}
	case "right", "end":
		if at = 100; align == "" {
			align = "line-right"
		}
	}
	if p.HasPosition {
		at = p.Position
	}
	switch align {
	case "line-left":
		w = min(w, 100-at)
		x = at
	case "line-right":
		w = min(w, at)
		x = at - w
	default:
		w = min(w, 2*min(at, 100-at))
		x = at - w/2
	}
	return x, y, w, h, displayAlign
}
