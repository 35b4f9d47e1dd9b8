package caption

import (
	"fmt"
	"strings"
)

// The profiles that documents of IMSC state: they are of the Text Profiles of IMSC 1.1 and, since they use nothing else, of IMSC 1.0.1 (ttp:profile is for processors of that).
const (
	profile11 = "http://www.w3.org/ns/ttml/profile/imsc1.1/text"
	profile10 = "http://www.w3.org/ns/ttml/profile/imsc1/text"
)

var xmlEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

// AppendTTML appends a document of TTML or IMSC. language is RFC 5646, "" when not known.
func AppendTTML(dst []byte, f Format, cues []Cue, language string) []byte {
	dst = append(dst, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+
		`<tt xmlns="`+ttmlNamespace+`" xmlns:ttp="`+ttmlNamespace+`#parameter" xmlns:tts="`+ttmlNamespace+`#styling" ttp:timeBase="media"`...)
	if f == IMSC {
		dst = append(dst, ` ttp:profile="`+profile10+`" ttp:contentProfiles="`+profile11+`"`...)
	}
	dst = append(dst, ` xml:lang="`+xmlEscaper.Replace(clean(language))+`">`+"\n"...)
	regions := map[Placement]int{}
	var order []Placement
	for i := range cues {
		p := cues[i].Place
		if _, there := regions[p]; !there {
			regions[p] = len(order)
			order = append(order, p)
		}
	}
	dst = append(dst, "  <head>\n    <styling>\n"+
		`      <style xml:id="s" tts:color="white" tts:fontFamily="proportionalSansSerif" tts:fontSize="100%"/>`+"\n    </styling>\n    <layout>\n"...)
	for i := range order {
		dst = appendRegion(dst, i, &order[i])
	}
	dst = append(dst, "    </layout>\n  </head>\n  <body style=\"s\">\n    <div>\n"...)
	for i := range cues {
		c := &cues[i]
		dst = fmt.Appendf(dst, `      <p region="r%d" begin="`, regions[c.Place])
		dst = appendStamp(dst, c.Start, '.')
		dst = append(dst, `" end="`...)
		dst = appendStamp(dst, c.End, '.')
		dst = append(dst, `">`...)
		for j, l := range c.Lines {
			if j > 0 {
				dst = append(dst, "<br/>"...)
			}
			for _, s := range l {
				dst = appendTTMLSpan(dst, s)
			}
		}
		dst = append(dst, "</p>\n"...)
	}
	return append(dst, "    </div>\n  </body>\n</tt>\n"...)
}

func appendRegion(dst []byte, number int, p *Placement) []byte {
	x, y, w, h, display := p.area()
	align := string(p.Align)
	if align == "" {
		align = "center"
	}
	dst = fmt.Appendf(dst, `      <region xml:id="r%d" tts:origin="%s%% %s%%" tts:extent="%s%% %s%%" tts:displayAlign="%s" tts:textAlign="%s"`,
		number, decimal(x), decimal(y), decimal(w), decimal(h), display, align)
	if p.Vertical != "" {
		dst = append(dst, ` tts:writingMode="tb`+p.Vertical+`"`...)
	}
	return append(dst, "/>\n"...)
}

func appendTTMLSpan(dst []byte, s Span) []byte {
	text := xmlEscaper.Replace(s.Text)
	if s.Style == (Style{}) {
		return append(dst, text...)
	}
	dst = append(dst, "<span"...)
	for _, a := range []struct {
		on         bool
		name, word string
	}{
		{s.Italic, "fontStyle", "italic"},
		{s.Bold, "fontWeight", "bold"},
		{s.Underline, "textDecoration", "underline"},
		{s.Color.A > 0, "color", s.Color.hex()},
		{s.Background.A > 0, "backgroundColor", s.Background.hex()},
	} {
		if a.on {
			dst = append(dst, ` tts:`+a.name+`="`+a.word+`"`...)
		}
	}
	return append(append(append(dst, '>'), text...), "</span>"...)
}
