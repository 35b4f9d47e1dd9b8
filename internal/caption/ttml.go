package caption

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// The limits of documents of TTML.
const (
	maxDepth  = 48     // of elements in each other
	maxNamed  = 20_000 // styles, and regions
	maxRuns   = 4096   // pieces of text in a paragraph
	maxChange = 512    // times at which what is shown of one paragraph changes
	maxChain  = 32     // styles that refer to each other
)

// The namespaces of TTML, and those of the drafts of 2006 that files still have. Behind them stand #styling (#style in a draft), #parameter and #metadata.
var ttmlNamespaces = []string{ttmlNamespace, "http://www.w3.org/2006/10/ttaf1", "http://www.w3.org/2006/04/ttaf1"}

// vocabulary is the part of TTML that a name is of: "" for elements and attributes without prefix, styling, parameter, metadata; not ok for another namespace.
func vocabulary(space string) (part string, ok bool) {
	for _, n := range ttmlNamespaces {
		if rest, found := strings.CutPrefix(space, n); found && (rest == "" || rest[0] == '#') {
			part = strings.TrimPrefix(rest, "#")
			if part == "style" {
				part = "styling"
			}
			return part, true
		}
	}
	return "", false
}

const xmlSpace = "http://www.w3.org/XML/1998/namespace"

// parseTTML reads a document of TTML 1 or 2, or of IMSC: the text of its paragraphs, their times and their styles. Regions give cues their place; what is animated is taken as
// it is without animation.
func parseTTML(text string) ([]Cue, error) {
	d := xml.NewDecoder(strings.NewReader(text))
	d.CharsetReader = func(charset string, _ io.Reader) (io.Reader, error) {
		return nil, fmt.Errorf("the text is declared to be %s; save it as UTF-8", shorten(charset))
	}
	r := &reader{clock: newClock(), styles: map[string]*look{}, regions: map[string]*look{}}
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = r.token(t)
		}
		if err != nil {
			line, _ := d.InputPos()
			return nil, fmt.Errorf("line %d: %w", line, plainError(err))
		}
	}
	if !r.rooted {
		return nil, errors.New("it is not TTML: there is no element tt of its namespace")
	}
	return r.cues, nil
}

// plainError is a syntax error without the words of the library.
func plainError(err error) error {
	var syntax *xml.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("not well-formed XML: %s", shorten(syntax.Msg))
	}
	return err
}

// look is what a style, a region or an element says of how it looks: what it refers to, and what it has itself.
type look struct {
	refs     []string
	own      map[string]string
	resolved map[string]string
	busy     bool
}

// element is one that is open.
type element struct {
	name       string
	foreign    bool
	look       *look
	region     string
	preserve   bool
	seq        bool
	begin, end time.Duration
	cursor     time.Duration // where the next child of a sequence begins
}

// run is a piece of text of a paragraph, or a line break.
type run struct {
	begin, end time.Duration
	text       string
	br         bool
	preserve   bool
	Style
}

type reader struct {
	clock           clock
	rooted          bool
	open            []element
	styles, regions map[string]*look
	inHead, inBody  bool
	region          *look // that is being read
	runs            []run // of the paragraph that is being read
	size            int   // of their text
	cues            []Cue
}

func (r *reader) token(t xml.Token) error {
	switch t := t.(type) {
	case xml.Directive:
		return errors.New("the document has a document type declaration, which is refused")
	case xml.StartElement:
		return r.start(t)
	case xml.EndElement:
		return r.ended()
	case xml.CharData:
		return r.text(string(t))
	}
	return nil
}

func (r *reader) top() *element {
	if len(r.open) == 0 {
		return nil
	}
	return &r.open[len(r.open)-1]
}

func (r *reader) start(t xml.StartElement) error {
	if len(r.open) >= maxDepth {
		return fmt.Errorf("elements are more than %d deep", maxDepth)
	}
	part, ok := vocabulary(t.Name.Space)
	if !r.rooted {
		if !ok || part != "" || t.Name.Local != "tt" {
			return fmt.Errorf("it is not TTML: the first element is %q", shorten(t.Name.Local))
		}
		r.rooted = true
		if err := r.root(t); err != nil {
			return err
		}
	}
	if t.Name.Local == "image" && (ok || strings.Contains(t.Name.Space, "smpte-tt")) {
		return errors.New("its captions are images, and text alone is read")
	}
	e := element{name: t.Name.Local, foreign: !ok || part != ""}
	if p := r.top(); p != nil {
		e.preserve, e.begin, e.end, e.region = p.preserve, p.begin, p.end, p.region
		e.foreign = e.foreign || p.foreign
	} else {
		e.end = maxTime
	}
	if !e.foreign {
		if err := r.enter(&e, t.Attr); err != nil {
			return err
		}
	}
	r.open = append(r.open, e)
	return nil
}

// root reads the attributes of tt.
func (r *reader) root(t xml.StartElement) error {
	for _, a := range t.Attr {
		switch part, ok := vocabulary(a.Name.Space); {
		case ok && part == "parameter":
			if err := r.clock.parameter(a.Name.Local, a.Value); err != nil {
				return err
			}
		case ok && part == "styling" && a.Name.Local == "extent":
			f := strings.Fields(a.Value)
			if len(f) == 2 {
				r.clock.widthPx, r.clock.heightPx = pixels(f[0]), pixels(f[1])
			}
		}
	}
	r.clock.settle()
	return nil
}

func pixels(s string) float64 {
	n, ok := strings.CutSuffix(s, "px")
	v, err := decimalNumber(n)
	if !ok || err != nil {
		return 0
	}
	return v
}

// enter reads what an element says.
func (r *reader) enter(e *element, attributes []xml.Attr) error {
	e.look = &look{}
	var id string
	var begin, end, dur *time.Duration
	for _, a := range attributes {
		part, ok := vocabulary(a.Name.Space)
		switch {
		case a.Name.Space == xmlSpace || a.Name.Space == "xml":
			switch a.Name.Local {
			case "id":
				id = a.Value
			case "space":
				e.preserve = a.Value == "preserve"
			}
		case ok && part == "styling":
			if a.Name.Local == "backgroundImage" {
				return errors.New("its captions are images, and text alone is read")
			}
			if slices.Contains(properties, a.Name.Local) {
				if e.look.own == nil {
					e.look.own = map[string]string{}
				}
				e.look.own[a.Name.Local] = strings.TrimSpace(a.Value)
			}
		case a.Name.Space != "":
			if a.Name.Local == "backgroundImage" && strings.Contains(a.Name.Space, "smpte-tt") {
				return errors.New("its captions are images, and text alone is read")
			}
		default:
			switch a.Name.Local {
			case "id":
				id = a.Value
			case "style":
				if e.look.refs = strings.Fields(a.Value); len(e.look.refs) > maxChain {
					return fmt.Errorf("an element refers to more than %d styles", maxChain)
				}
			case "region":
				e.region = a.Value
			case "timeContainer":
				e.seq = a.Value == "seq"
			case "begin", "end", "dur":
				if e.name == "region" || r.inHead {
					continue
				}
				v, err := r.clock.parse(a.Value)
				if err != nil {
					return err
				}
				switch a.Name.Local {
				case "begin":
					begin = &v
				case "end":
					end = &v
				default:
					dur = &v
				}
			}
		}
	}
	switch e.name {
	case "head":
		r.inHead = true
	case "body":
		r.inBody = true
	case "style":
		return r.define(e, id)
	case "region":
		if len(r.regions) >= maxNamed {
			return fmt.Errorf("more than %d regions", maxNamed)
		}
		r.region = e.look
		if id != "" {
			r.regions[id] = e.look
		}
	case "br":
		if r.paragraph() {
			return r.add(run{begin: e.begin, end: e.end, br: true})
		}
	case "p":
		if r.paragraph() {
			return errors.New("a paragraph in a paragraph")
		}
		r.runs, r.size = nil, 0
	}
	if r.inBody {
		return r.time(e, begin, end, dur)
	}
	return nil
}

// time settles when an element is shown, TTML 2 section 12.2: times are relative to the parent, or in a sequence to the end of what came before.
func (r *reader) time(e *element, begin, end, dur *time.Duration) error {
	from, until := e.begin, e.end // of the parent
	p := r.top()
	if p != nil && p.seq {
		from = p.cursor
	}
	e.begin = from
	if begin != nil {
		e.begin = from + *begin
	}
	e.end = until
	if end != nil {
		e.end = min(e.end, from+*end)
	}
	if dur != nil {
		e.end = min(e.end, e.begin+*dur)
	}
	if e.begin > maxTime {
		return fmt.Errorf("a time beyond %v", maxTime)
	}
	e.end = max(e.end, e.begin)
	e.cursor = e.begin
	if p != nil && p.seq {
		p.cursor = e.end
	}
	return nil
}

// define keeps a style of the head, or gives a region what a style inside it says.
func (r *reader) define(e *element, id string) error {
	if r.region != nil {
		if r.region.own == nil {
			r.region.own = map[string]string{}
		}
		r.region.refs = append(r.region.refs, e.look.refs...)
		for k, v := range e.look.own {
			if _, there := r.region.own[k]; !there {
				r.region.own[k] = v
			}
		}
		if len(r.region.refs) > maxChain {
			return fmt.Errorf("a region refers to more than %d styles", maxChain)
		}
		return nil
	}
	if len(r.styles) >= maxNamed {
		return fmt.Errorf("more than %d styles", maxNamed)
	}
	if id != "" {
		r.styles[id] = e.look
	}
	return nil
}

// paragraph reports whether a paragraph is open.
func (r *reader) paragraph() bool {
	return slices.ContainsFunc(r.open, func(e element) bool { return e.name == "p" && !e.foreign })
}

func (r *reader) ended() error {
	e := r.open[len(r.open)-1]
	r.open = r.open[:len(r.open)-1]
	if e.foreign {
		return nil
	}
	switch e.name {
	case "head":
		r.inHead = false
	case "region":
		r.region = nil
	case "p":
		if r.inBody {
			r.open = append(r.open, e) // its style counts
			err := r.emit(&e)
			r.open = r.open[:len(r.open)-1]
			return err
		}
	}
	return nil
}

func (r *reader) text(s string) error {
	e := r.top()
	if e == nil || e.foreign || !r.inBody || !r.paragraph() || e.name != "p" && e.name != "span" {
		return nil
	}
	style, hidden, err := r.style()
	if err != nil || hidden {
		return err
	}
	return r.add(run{begin: e.begin, end: e.end, text: s, preserve: e.preserve, Style: style})
}

func (r *reader) add(t run) error {
	if r.size += len(t.text) + 1; r.size > 8*maxText { // of which much may be white space
		return fmt.Errorf("a caption of more than %d bytes", maxText)
	}
	if len(r.runs) == maxRuns {
		return fmt.Errorf("a paragraph of more than %d pieces", maxRuns)
	}
	r.runs = append(r.runs, t)
	return nil
}

// emit makes cues of a paragraph: one, or where parts of it have times of their own, one for each time at which they change.
func (r *reader) emit(e *element) error {
	at := []time.Duration{e.begin, e.end}
	for i := range r.runs {
		for _, t := range [...]time.Duration{r.runs[i].begin, r.runs[i].end} {
			if !slices.Contains(at, t) {
				if at = append(at, t); len(at) > maxChange {
					return fmt.Errorf("a paragraph that changes more than %d times", maxChange)
				}
			}
		}
	}
	slices.Sort(at)
	place, err := r.place(e.region)
	if err != nil {
		return err
	}
	for i := range len(at) - 1 {
		var b builder
		for j := range r.runs {
			t := &r.runs[j]
			if t.begin > at[i] || t.end < at[i+1] {
				continue
			}
			if err := t.write(&b); err != nil {
				return err
			}
		}
		if len(r.cues) == maxCues {
			return fmt.Errorf("more than %d captions", maxCues)
		}
		c := Cue{Start: at[i], End: at[i+1], Lines: b.lines(), Place: place}
		if n := len(r.cues); n == 0 || c.End > c.Start && !c.empty() {
			r.cues = append(r.cues, c)
		}
	}
	r.runs = nil
	return nil
}

// isSpace is white space of XML 1.0, section 2.3.
func isSpace(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' }

// write puts text into lines, its white space as xml:space has it.
func (t *run) write(b *builder) error {
	switch {
	case t.br:
		return b.brk()
	case !t.preserve:
		words := strings.Join(strings.FieldsFunc(t.text, isSpace), " ")
		if t.text == "" {
			return nil
		}
		if words == "" {
			words = " "
		} else {
			if isSpace(rune(t.text[0])) {
				words = " " + words
			}
			if isSpace(rune(t.text[len(t.text)-1])) {
				words += " "
			}
		}
		if n := len(b.line); n == 0 || strings.HasSuffix(b.line[n-1].Text, " ") {
			words = strings.TrimLeft(words, " ")
		}
		return b.add(words, t.Style)
	}
	for i, l := range strings.Split(strings.ReplaceAll(t.text, "\r\n", "\n"), "\n") {
		if i > 0 {
			if err := b.brk(); err != nil {
				return err
			}
		}
		if err := b.add(l, t.Style); err != nil {
			return err
		}
	}
	return nil
}
