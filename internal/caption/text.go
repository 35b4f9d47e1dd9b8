package caption

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// decode returns the text of a file in UTF-8, with or without a byte order mark. Other encodings are refused by name.
func decode(data []byte) (string, error) {
	for _, e := range []struct{ mark, name string }{
		{"\xff\xfe\x00\x00", "UTF-32"}, {"\x00\x00\xfe\xff", "UTF-32"}, {"\xff\xfe", "UTF-16"}, {"\xfe\xff", "UTF-16"},
	} {
		if bytes.HasPrefix(data, []byte(e.mark)) {
			return "", fmt.Errorf("the text is %s; save it as UTF-8", e.name)
		}
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	for line, rest := 1, data; len(rest) > 0; line++ {
		var l []byte
		l, rest, _ = bytes.Cut(rest, []byte("\n"))
		if !utf8.Valid(l) {
			return "", fmt.Errorf("line %d is not UTF-8; save the text as UTF-8", line)
		}
		if bytes.IndexByte(l, 0) >= 0 {
			return "", fmt.Errorf("line %d holds a zero byte: this is no text in UTF-8", line)
		}
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return "", errors.New("the file is empty")
	}
	return string(data), nil
}

// clean leaves out of a text what no caption may hold: control characters, line breaks and what XML 1.0 (section 2.2) does not allow.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r' || r == 0x85 || r == 0x2028 || r == 0x2029:
			return ' '
		case r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0xfffe || r == 0xffff:
			return -1
		}
		return r
	}, s)
}

// lines gives the lines of a text, whatever ends them.
type lines struct {
	rest   string
	number int // of the line that next returned last, from 1
}

func (l *lines) next() (string, bool) {
	if l.rest == "" {
		return "", false
	}
	l.number++
	i := strings.IndexAny(l.rest, "\r\n")
	if i < 0 {
		line := l.rest
		l.rest = ""
		return line, true
	}
	line, end := l.rest[:i], 1
	if strings.HasPrefix(l.rest[i:], "\r\n") {
		end = 2
	}
	l.rest = l.rest[i+end:]
	return line, true
}

// peek is the next line, which next will return.
func (l *lines) peek() (string, bool) {
	ahead := *l
	return ahead.next()
}

// builder puts lines together of spans.
type builder struct {
	done []Line
	line Line
	size int
}

// add appends text in a style.
func (b *builder) add(text string, s Style) error {
	text = clean(text)
	if text == "" {
		return nil
	}
	if b.size += len(text); b.size > maxText {
		return fmt.Errorf("a caption of more than %d bytes", maxText)
	}
	if n := len(b.line); n > 0 && b.line[n-1].Style == s {
		b.line[n-1].Text += text
		return nil
	}
	b.line = append(b.line, Span{text, s})
	return nil
}

// brk ends a line.
func (b *builder) brk() error {
	if b.size++; b.size > maxText {
		return fmt.Errorf("a caption of more than %d bytes", maxText)
	}
	b.done = append(b.done, b.line)
	b.line = nil
	return nil
}

// lines are those that were added, without empty ones at the beginning and the end, and without space around each.
func (b *builder) lines() []Line {
	all := append(b.done, b.line)
	for i, l := range all {
		for len(l) > 0 {
			if l[0].Text = strings.TrimLeft(l[0].Text, " "); l[0].Text != "" {
				break
			}
			l = l[1:]
		}
		for n := len(l); n > 0; n = len(l) {
			if l[n-1].Text = strings.TrimRight(l[n-1].Text, " "); l[n-1].Text != "" {
				break
			}
			l = l[:n-1]
		}
		all[i] = l
	}
	for len(all) > 0 && len(all[0]) == 0 {
		all = all[1:]
	}
	for len(all) > 0 && len(all[len(all)-1]) == 0 {
		all = all[:len(all)-1]
	}
	return all
}

// named are the colors that WebVTT has classes for (5.1, default text colors), in the order in which they are looked for.
var named = []struct {
	name string
	Color
}{
	{"white", Color{255, 255, 255, 255}},
	{"lime", Color{0, 255, 0, 255}},
	{"cyan", Color{0, 255, 255, 255}},
	{"red", Color{255, 0, 0, 255}},
	{"yellow", Color{255, 255, 0, 255}},
	{"magenta", Color{255, 0, 255, 255}},
	{"blue", Color{0, 0, 255, 255}},
	{"black", Color{0, 0, 0, 255}},
}

// more are the other colors that TTML names (TTML 2, 10.3.5).
var more = map[string]Color{
	"transparent": {}, "silver": {192, 192, 192, 255}, "gray": {128, 128, 128, 255}, "maroon": {128, 0, 0, 255}, "purple": {128, 0, 128, 255},
	"fuchsia": {255, 0, 255, 255}, "green": {0, 128, 0, 255}, "olive": {128, 128, 0, 255}, "navy": {0, 0, 128, 255}, "teal": {0, 128, 128, 255},
	"aqua": {0, 255, 255, 255},
}

// parseColor reads #RRGGBB, #RRGGBBAA, rgb(r,g,b), rgba(r,g,b,a) (a from 0 to 255, as TTML has it) and names.
func parseColor(s string) (Color, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	for _, n := range named {
		if n.name == s {
			return n.Color, true
		}
	}
	if c, ok := more[s]; ok {
		return c, true
	}
	var c Color
	if hex, ok := strings.CutPrefix(s, "#"); ok {
		v, ok := hexBytes(hex)
		switch {
		case ok && len(v) == 3:
			return Color{v[0], v[1], v[2], 255}, true
		case ok && len(v) == 4:
			return Color{v[0], v[1], v[2], v[3]}, true
		}
		return c, false
	}
	name, args, ok := strings.Cut(strings.TrimSuffix(s, ")"), "(")
	parts := strings.Split(args, ",")
	if !ok || name != "rgb" && name != "rgba" || len(parts) != len(name) {
		return c, false
	}
	v := [4]uint8{3: 255}
	for i, p := range parts {
		n, ok := number(strings.TrimSpace(p), 255)
		if !ok {
			return c, false
		}
		v[i] = uint8(n)
	}
	return Color{v[0], v[1], v[2], v[3]}, true
}

func hexBytes(s string) ([]byte, bool) {
	if len(s)%2 != 0 || len(s) > 8 {
		return nil, false
	}
	var out []byte
	for i := 0; i < len(s); i += 2 {
		hi, lo := strings.IndexByte("0123456789abcdef", s[i]), strings.IndexByte("0123456789abcdef", s[i+1])
		if hi < 0 || lo < 0 {
			return nil, false
		}
		out = append(out, byte(hi<<4|lo))
	}
	return out, true
}

// number reads digits alone, up to most.
func number(s string, most int64) (int64, bool) {
	if s == "" {
		return 0, false
	}
	var n int64
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		if n = n*10 + int64(s[i]-'0'); n > most {
			return 0, false
		}
	}
	return n, true
}

// name of a color in WebVTT, "" for none.
func (c Color) name() string {
	for _, n := range named {
		if n.Color == c {
			return n.name
		}
	}
	return ""
}

// hex is #RRGGBB, with the opacity where it is not full.
func (c Color) hex() string {
	if c.A == 255 {
		return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B)
	}
	return fmt.Sprintf("#%02x%02x%02x%02x", c.R, c.G, c.B, c.A)
}
