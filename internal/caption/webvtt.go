package caption

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// parseWebVTT reads a file of WebVTT, chapter 6 of its specification: where that leaves out a setting or tag that cannot be understood, so does this. A cue whose times cannot
// be read is an error here, for a caption would be missing and nobody would know.
func parseWebVTT(text string) ([]Cue, error) {
	in := &lines{rest: text}
	head, _ := in.next()
	if rest, ok := strings.CutPrefix(head, "WEBVTT"); !ok || rest != "" && rest[0] != ' ' && rest[0] != '\t' {
		return nil, errors.New("line 1 is not WEBVTT: this is not WebVTT")
	}
	for line, ok := in.next(); ok && line != ""; line, ok = in.next() {
		if strings.Contains(line, arrow) {
			return nil, fmt.Errorf("line %d: an empty line is missing between the header and the first caption", in.number)
		}
	}
	var cues []Cue
	for {
		line, ok := in.next()
		if !ok {
			return cues, nil
		}
		if line == "" {
			continue
		}
		if !strings.Contains(line, arrow) {
			if next, _ := in.peek(); !strings.Contains(next, arrow) {
				// A comment, a style sheet, a region, or an identifier of nothing.
				for ok && line != "" {
					if line, ok = in.next(); strings.Contains(line, arrow) {
						return nil, fmt.Errorf("line %d: an empty line is missing before the caption", in.number)
					}
				}
				continue
			}
			line, _ = in.next() // that was its identifier
		}
		if len(cues) == maxCues {
			return nil, fmt.Errorf("more than %d captions", maxCues)
		}
		c, err := webVTTTimes(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", in.number, err)
		}
		at := in.number
		var payload []string
		size := 0
		for {
			next, ok := in.peek()
			if !ok || next == "" || strings.Contains(next, arrow) {
				break
			}
			_, _ = in.next()
			payload = append(payload, next)
			if size += len(next) + 1; size > 4*maxText { // tags are more than text
				return nil, fmt.Errorf("line %d: a caption of more than %d bytes", at, maxText)
			}
		}
		if c.Lines, err = parsePayload(strings.Join(payload, "\n")); err != nil {
			return nil, fmt.Errorf("line %d: %w", at, err)
		}
		cues = append(cues, c)
	}
}

func webVTTTimes(line string) (Cue, error) {
	from, rest, _ := strings.Cut(line, arrow)
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return Cue{}, errors.New("the end of a caption is missing")
	}
	var c Cue
	var ok bool
	if c.Start, ok = stamp(strings.TrimSpace(from), true); !ok {
		return Cue{}, fmt.Errorf("%q is not a time, such as 00:00:01.000", shorten(from))
	}
	if c.End, ok = stamp(fields[0], true); !ok {
		return Cue{}, fmt.Errorf("%q is not a time, such as 00:00:01.000", shorten(fields[0]))
	}
	for _, f := range fields[1:] {
		c.Place.setting(f)
	}
	return c, nil
}

// setting reads a setting of a cue, WebVTT 6.3. What cannot be understood changes nothing.
func (p *Placement) setting(s string) {
	name, value, ok := strings.Cut(s, ":")
	if !ok || value == "" {
		return
	}
	switch name {
	case "vertical":
		if value == "rl" || value == "lr" {
			p.Vertical = value
		}
	case "line":
		value, align, _ := strings.Cut(value, ",")
		if align != "" && align != "start" && align != "center" && align != "end" {
			return
		}
		if n, ok := percentage(value); ok {
			p.HasLine, p.Lines, p.Line, p.LineAlign = true, false, n, Align(align)
		} else if n, err := strconv.ParseFloat(value, 64); err == nil && strings.Trim(value, "-0123456789.") == "" && math.Abs(n) <= 1000 {
			p.HasLine, p.Lines, p.Line, p.LineAlign = true, true, n, Align(align)
		}
	case "position":
		value, align, _ := strings.Cut(value, ",")
		if align != "" && align != "line-left" && align != "center" && align != "line-right" {
			return
		}
		if n, ok := percentage(value); ok {
			p.HasPosition, p.Position, p.PositionAlign = true, n, Align(align)
		}
	case "size":
		if n, ok := percentage(value); ok {
			p.Size = n
		}
	case "align":
		switch value {
		case "start", "end", "left", "right":
			p.Align = Align(value)
		case "center", "middle": // as older drafts had it
			p.Align = ""
		}
	}
}

func percentage(s string) (float64, bool) {
	digits, ok := strings.CutSuffix(s, "%")
	if !ok || digits == "" || strings.Trim(digits, "0123456789.") != "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(digits, 64)
	return n, err == nil && n >= 0 && n <= 100
}

// payloadStyle is an open tag.
type payloadStyle struct {
	name string
	Style
}

// parsePayload reads the text of a cue, WebVTT 6.4.
func parsePayload(text string) ([]Line, error) {
	var b builder
	var open []payloadStyle
	style := func() Style {
		if n := len(open); n > 0 {
			return open[n-1].Style
		}
		return Style{}
	}
	var plain strings.Builder
	flush := func() error {
		t := plain.String()
		plain.Reset()
		for i := range open {
			if open[i].name == "rt" { // how what stands below it is read aloud
				return nil
			}
		}
		for i, l := range strings.Split(t, "\n") {
			if i > 0 {
				if err := b.brk(); err != nil {
					return err
				}
			}
			if err := b.add(l, style()); err != nil {
				return err
			}
		}
		return nil
	}
	for text != "" {
		switch text[0] {
		case '&':
			s, n := reference(text)
			plain.WriteString(s)
			text = text[n:]
		case '<':
			tag, rest, ok := strings.Cut(text[1:], ">")
			if !ok {
				rest = "" // a tag that does not end is one all the same
			}
			text = rest
			if err := flush(); err != nil {
				return nil, err
			}
			if name, closes := strings.CutPrefix(tag, "/"); closes {
				name = strings.TrimSpace(name)
				if n := len(open); n > 0 && (open[n-1].name == name || open[n-1].name == "rt" && name == "ruby") {
					open = open[:n-1]
				}
				continue
			}
			if name, s, ok := startTag(tag, style()); ok && len(open) < maxNesting {
				open = append(open, payloadStyle{name, s})
			}
		default:
			n := strings.IndexAny(text, "&<")
			if n < 0 {
				n = len(text)
			}
			plain.WriteString(text[:n])
			text = text[n:]
		}
	}
	if err := flush(); err != nil {
		return nil, err
	}
	return b.lines(), nil
}

// startTag reads a start tag, WebVTT 6.4 and 5.1: its name, and the style of what is inside. Tags that are not known, and time stamps, are none.
func startTag(tag string, s Style) (name string, inside Style, ok bool) {
	tag, _, _ = strings.Cut(tag, " ")
	tag, _, _ = strings.Cut(tag, "\t")
	tag, _, _ = strings.Cut(tag, "\n")
	name, classes, _ := strings.Cut(tag, ".")
	switch name {
	case "i":
		s.Italic = true
	case "b":
		s.Bold = true
	case "u":
		s.Underline = true
	case "c", "v", "lang", "ruby", "rt":
	default:
		return "", s, false
	}
	for class := range strings.SplitSeq(classes, ".") {
		background := false
		if class, background = strings.CutPrefix(class, "bg_"); class == "" {
			continue
		}
		for _, n := range named {
			if n.name == class && background {
				s.Background = n.Color
			} else if n.name == class {
				s.Color = n.Color
			}
		}
	}
	return name, s, true
}

// references are the characters that are written by name: those of WebVTT, and the few of HTML that are seen in captions.
var references = map[string]string{
	"amp": "&", "lt": "<", "gt": ">", "lrm": "\u200e", "rlm": "\u200f", "nbsp": "\u00a0", "quot": `"`, "apos": "'", "hellip": "\u2026", "ndash": "\u2013", "mdash": "\u2014",
}

// maxReference is the length of the longest reference, with & and the semicolon.
const maxReference = 12

// reference reads what text begins with, and says how many bytes that are. What is no reference is an ampersand.
func reference(text string) (string, int) {
	end := strings.IndexByte(text[:min(len(text), maxReference)], ';')
	if end < 0 {
		return "&", 1
	}
	name := text[1:end]
	if s, ok := references[name]; ok {
		return s, end + 1
	}
	var n uint64
	var err error
	if hex, ok := strings.CutPrefix(strings.ToLower(name), "#x"); ok {
		n, err = strconv.ParseUint(hex, 16, 32)
	} else if decimal, ok := strings.CutPrefix(name, "#"); ok {
		n, err = strconv.ParseUint(decimal, 10, 32)
	} else {
		return "&", 1
	}
	if err != nil || n == 0 || n > utf8.MaxRune || !utf8.ValidRune(rune(n)) {
		return "\ufffd", end + 1
	}
	return string(rune(n)), end + 1
}

// AppendWebVTT appends cues as a file of WebVTT.
func AppendWebVTT(dst []byte, cues []Cue) []byte {
	dst = append(dst, "WEBVTT\n"...)
	for i := range cues {
		dst = appendCue(dst, &cues[i])
	}
	return dst
}

// AppendSegment appends the cues that are shown from start until end as a segment of WebVTT, RFC 8216 3.5: whole, with their own times, so that one that goes on is in both
// segments, and a player that knows it shows it once. mpegts is the time stamp, in ticks of 90 kHz, that pictures and sound have at the time 0 of cues. start is not before that
// of an earlier call.
func (c *Cutter) AppendSegment(dst []byte, start, end time.Duration, mpegts int64) []byte {
	dst = fmt.Appendf(dst, "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:%d\n", mpegts)
	for _, n := range c.until(start, end) {
		dst = appendCue(dst, n.Cue)
	}
	return dst
}

// appendCue appends a cue behind an empty line.
func appendCue(dst []byte, c *Cue) []byte {
	dst = append(dst, '\n')
	dst = appendStamp(dst, c.Start, '.')
	dst = append(dst, " --> "...)
	dst = appendStamp(dst, c.End, '.')
	if s := c.Place.settings(); s != "" {
		dst = append(append(dst, ' '), s...)
	}
	dst = append(dst, '\n')
	dst = appendPayload(dst, c.Lines)
	return append(dst, '\n')
}

// appendPayload appends the lines of a cue, with line breaks between them.
func appendPayload(dst []byte, all []Line) []byte {
	for i, l := range all {
		if i > 0 {
			dst = append(dst, '\n')
		}
		if len(l) == 0 {
			dst = append(dst, "\u00a0"...) // an empty line would end the cue
		}
		for _, s := range l {
			dst = appendSpan(dst, s)
		}
	}
	return dst
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func appendSpan(dst []byte, s Span) []byte {
	class := ""
	if n := s.Color.name(); n != "" {
		class += "." + n
	}
	if n := s.Background.name(); n != "" {
		class += ".bg_" + n
	}
	var tags []string
	if class != "" {
		tags = append(tags, "c"+class)
	}
	for _, t := range []struct {
		on   bool
		name string
	}{{s.Bold, "b"}, {s.Italic, "i"}, {s.Underline, "u"}} {
		if t.on {
			tags = append(tags, t.name)
		}
	}
	for _, t := range tags {
		dst = append(append(append(dst, '<'), t...), '>')
	}
	dst = append(dst, escaper.Replace(s.Text)...)
	for i := len(tags) - 1; i >= 0; i-- {
		name, _, _ := strings.Cut(tags[i], ".")
		dst = append(append(append(dst, "</"...), name...), '>')
	}
	return dst
}

// settings are those of a cue as WebVTT writes them, "" for none.
func (p *Placement) settings() string {
	var all []string
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if p.Vertical != "" {
		add("vertical:%s", p.Vertical)
	}
	aligned := func(a Align) string {
		if a == "" {
			return ""
		}
		return "," + string(a)
	}
	if p.HasLine {
		unit := "%"
		if p.Lines {
			unit = ""
		}
		add("line:%s%s%s", decimal(p.Line), unit, aligned(p.LineAlign))
	}
	if p.HasPosition {
		add("position:%s%%%s", decimal(p.Position), aligned(p.PositionAlign))
	}
	if p.Size > 0 {
		add("size:%s%%", decimal(p.Size))
	}
	if p.Align != "" {
		add("align:%s", p.Align)
	}
	return strings.Join(all, " ")
}

// decimal writes a number with two digits behind the point at most.
func decimal(v float64) string {
	return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64)
}
