package caption

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// arrow stands between the times of a cue, in SubRip as in WebVTT.
const arrow = "-->"

// parseSubRip reads SubRip, which has no specification: blocks of a number, the times, and text until an empty line. The number may be missing, a dot may stand for the comma, and
// what stands behind an empty line belongs to the text where neither number nor times follow.
func parseSubRip(text string) ([]Cue, error) {
	var cues []Cue
	var c *Cue
	var b builder
	bare := subRipStyle{}
	in := &lines{rest: text}
	end := func() {
		if c != nil {
			c.Lines = b.lines()
			cues = append(cues, *c)
		}
	}
	afterBlank := true
	for {
		line, ok := in.next()
		if !ok {
			break
		}
		trimmed := strings.TrimSpace(line)
		if afterBlank {
			if _, ok := number(trimmed, 1<<40); ok {
				if next, _ := in.peek(); strings.Contains(next, arrow) {
					continue
				}
			}
		}
		switch {
		case strings.Contains(line, arrow):
			start, stop, err := subRipTimes(trimmed)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", in.number, err)
			}
			end()
			if len(cues) == maxCues {
				return nil, fmt.Errorf("more than %d captions", maxCues)
			}
			c, b, bare = &Cue{Start: start, End: stop}, builder{}, subRipStyle{}
		case trimmed == "":
			if c != nil {
				if err := b.brk(); err != nil {
					return nil, fmt.Errorf("line %d: %w", in.number, err)
				}
			}
		case c == nil:
			return nil, fmt.Errorf("line %d is not SubRip: the times of a caption are expected, such as 00:00:01,000 --> 00:00:02,500", in.number)
		default:
			if len(b.done) > 0 || len(b.line) > 0 {
				if err := b.brk(); err != nil {
					return nil, fmt.Errorf("line %d: %w", in.number, err)
				}
			}
			if err := bare.read(&b, line, &c.Place); err != nil {
				return nil, fmt.Errorf("line %d: %w", in.number, err)
			}
		}
		afterBlank = trimmed == ""
	}
	end()
	if len(cues) == 0 {
		return nil, fmt.Errorf("no captions are in it: it is not SubRip")
	}
	return cues, nil
}

func subRipTimes(line string) (start, end time.Duration, err error) {
	from, to, _ := strings.Cut(line, arrow)
	// Behind the times, some write where the text stands in pixels of a picture that is not known.
	to, _, _ = strings.Cut(strings.TrimSpace(to), " ")
	to, _, _ = strings.Cut(to, "\t")
	var ok bool
	if start, ok = stamp(strings.TrimSpace(from), false); !ok {
		return 0, 0, fmt.Errorf("%q is not a time, such as 00:00:01,000", shorten(from))
	}
	if end, ok = stamp(to, false); !ok {
		return 0, 0, fmt.Errorf("%q is not a time, such as 00:00:01,000", shorten(to))
	}
	return start, end, nil
}

// shorten is what a message shows of a text from outside.
func shorten(s string) string {
	const most = 40
	s = strings.TrimSpace(s)
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// stamp reads [hours:]minutes:seconds.fraction. Strict is WebVTT: a dot and three digits; SubRip has a comma or a dot, and one to three digits or none.
func stamp(s string, strict bool) (time.Duration, bool) {
	parts := strings.Split(s, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return 0, false
	}
	if len(parts) == 2 {
		parts = append([]string{"0"}, parts...)
	}
	sec, frac := parts[2], ""
	if i := strings.IndexAny(sec, ",."); i >= 0 {
		if strict && sec[i] == ',' {
			return 0, false
		}
		sec, frac = sec[:i], sec[i+1:]
		if frac == "" {
			return 0, false
		}
	}
	if strict && (len(frac) != 3 || len(sec) != 2 || len(parts[1]) != 2) || len(frac) > 3 {
		return 0, false
	}
	h, ok1 := number(parts[0], int64(maxTime/time.Hour)-1)
	m, ok2 := number(parts[1], 59)
	n, ok3 := number(sec, 59)
	ms, ok4 := int64(0), true
	if frac != "" {
		ms, ok4 = number((frac + "00")[:3], 999)
	}
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(n)*time.Second + time.Duration(ms)*time.Millisecond, ok1 && ok2 && ok3 && ok4
}

// subRipStyle are the tags that are open; <font color> nests.
type subRipStyle struct {
	i, b, u int
	colors  []Color
}

// maxNesting bounds how deep tags nest.
const maxNesting = 32

func (s *subRipStyle) style() Style {
	st := Style{Italic: s.i > 0, Bold: s.b > 0, Underline: s.u > 0}
	if n := len(s.colors); n > 0 {
		st.Color = s.colors[n-1]
	}
	return st
}

// read adds the text of a line. Tags that are not known are text: many write <3 or angle brackets around words.
func (s *subRipStyle) read(b *builder, line string, place *Placement) error {
	for line != "" {
		i := strings.IndexAny(line, "<{")
		if i < 0 {
			return b.add(line, s.style())
		}
		if err := b.add(line[:i], s.style()); err != nil {
			return err
		}
		line = line[i:]
		if line[0] == '{' {
			if override, rest, ok := strings.Cut(line, "}"); ok && strings.HasPrefix(line, `{\`) {
				s.override(override[1:], place)
				line = rest
				continue
			}
		} else if tag, rest, ok := strings.Cut(line[1:], ">"); ok && s.tag(strings.TrimSpace(tag)) {
			line = rest
			continue
		}
		if err := b.add(line[:1], s.style()); err != nil {
			return err
		}
		line = line[1:]
	}
	return nil
}

// override reads \an1 to \an9, where the text stands as on a keypad; the rest of what players of SubStation Alpha know is left out.
func (s *subRipStyle) override(text string, place *Placement) {
	for code := range strings.SplitSeq(text, `\`) {
		if n, ok := strings.CutPrefix(code, "an"); ok && len(n) == 1 && n[0] >= '1' && n[0] <= '9' {
			*place = keypad(int(n[0] - '0'))
		}
	}
}

// keypad is the place that a digit has on a keypad: 1 below left, 9 above right.
func keypad(n int) Placement {
	p := Placement{Align: [...]Align{"left", "", "right"}[(n-1)%3]}
	switch (n - 1) / 3 {
	case 1:
		p.HasLine, p.Line, p.LineAlign = true, 50, "center"
	case 2:
		p.HasLine, p.Line = true, 5
	}
	return p
}

// digit is the inverse of keypad, as near as it comes.
func (p *Placement) digit() int {
	n := 2
	switch p.Align {
	case "left", "start":
		n = 1
	case "right", "end":
		n = 3
	}
	if p.HasLine && p.Vertical == "" {
		switch y := p.percent(); {
		case y < 100./3:
			n += 6
		case y < 200./3:
			n += 3
		}
	}
	return n
}

// tag opens or closes a tag, and reports whether it is one.
func (s *subRipStyle) tag(tag string) bool {
	name, closes := strings.CutPrefix(tag, "/")
	name, attributes, _ := strings.Cut(strings.ToLower(strings.TrimSpace(name)), " ")
	count := map[string]*int{"i": &s.i, "em": &s.i, "b": &s.b, "strong": &s.b, "u": &s.u}[name]
	switch {
	case count != nil && closes:
		*count = max(0, *count-1)
	case count != nil:
		*count = min(*count+1, maxNesting)
	case name == "font" && closes:
		s.colors = s.colors[:max(0, len(s.colors)-1)]
	case name == "font":
		var c Color
		if n := len(s.colors); n > 0 {
			c = s.colors[n-1]
		}
		if _, value, ok := strings.Cut(attributes, "color="); ok {
			value = strings.TrimLeft(value, `"'`)
			if i := strings.IndexAny(value, `"' `); i >= 0 {
				value = value[:i]
			}
			if found, ok := parseColor(value); ok {
				c = found
			} else if found, ok := parseColor("#" + value); ok {
				c = found
			}
		}
		if len(s.colors) < maxNesting {
			s.colors = append(s.colors, c)
		}
	case name == "br" || name == "br/":
	default:
		return false
	}
	return true
}

// AppendSubRip appends cues as a file of SubRip.
func AppendSubRip(dst []byte, cues []Cue) []byte {
	for i := range cues {
		c := &cues[i]
		if i > 0 {
			dst = append(dst, '\n')
		}
		dst = strconv.AppendInt(dst, int64(i+1), 10)
		dst = append(dst, '\n')
		dst = appendStamp(dst, c.Start, ',')
		dst = append(dst, " --> "...)
		dst = appendStamp(dst, c.End, ',')
		dst = append(dst, '\n')
		if n := c.Place.digit(); n != 2 {
			dst = fmt.Appendf(dst, `{\an%d}`, n)
		}
		for _, l := range c.Lines {
			if len(l) == 0 {
				dst = append(dst, "\u00a0"...) // an empty line would end the caption
			}
			for _, s := range l {
				dst = appendSubRipSpan(dst, s)
			}
			dst = append(dst, '\n')
		}
	}
	return dst
}

// subRipEscaper keeps text from being read as times, tags and overrides. SubRip has no way to write these as text: a word joiner, which is not seen, breaks them.
var subRipEscaper = strings.NewReplacer(arrow, "\u2192", "<", "<\u2060", `{\`, "{\u2060\\")

func appendSubRipSpan(dst []byte, s Span) []byte {
	var ends []string
	open := func(tag, end string) {
		dst = append(dst, tag...)
		ends = append(ends, end)
	}
	if s.Color.A > 0 {
		c := s.Color
		c.A = 255
		open(`<font color="`+c.hex()+`">`, "</font>")
	}
	if s.Bold {
		open("<b>", "</b>")
	}
	if s.Italic {
		open("<i>", "</i>")
	}
	if s.Underline {
		open("<u>", "</u>")
	}
	dst = append(dst, subRipEscaper.Replace(s.Text)...)
	for i := len(ends) - 1; i >= 0; i-- {
		dst = append(dst, ends[i]...)
	}
	return dst
}

// appendStamp appends hours:minutes:seconds and milliseconds behind a mark, rounded to the nearest.
func appendStamp(dst []byte, t time.Duration, mark byte) []byte {
	ms := t.Round(time.Millisecond).Milliseconds()
	dst = fmt.Appendf(dst, "%02d:%02d:%02d", ms/3_600_000, ms/60_000%60, ms/1000%60)
	return fmt.Appendf(append(dst, mark), "%03d", ms%1000)
}
