package caption

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// shown is a cue in one line: times in milliseconds, the place, and the lines with marks of style.
func shown(cues []Cue) string {
	var b strings.Builder
	for _, c := range cues {
		fmt.Fprintf(&b, "%d-%d", c.Start.Milliseconds(), c.End.Milliseconds())
		if s := c.Place.settings(); s != "" {
			fmt.Fprintf(&b, " (%s)", s)
		}
		for _, l := range c.Lines {
			b.WriteString(" |")
			for _, s := range l {
				mark := ""
				for _, m := range []struct {
					on   bool
					mark string
				}{{s.Italic, "/"}, {s.Bold, "*"}, {s.Underline, "_"}, {s.Color.A > 0, s.Color.hex()}, {s.Background.A > 0, "~" + s.Background.hex()}} {
					if m.on {
						mark += m.mark
					}
				}
				if mark != "" {
					mark = "[" + mark + "]"
				}
				b.WriteString(mark + s.Text)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// tt is a document of TTML with a head and a body.
func tt(attributes, head, body string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><tt xmlns="http://www.w3.org/ns/ttml" xmlns:tts="http://www.w3.org/ns/ttml#styling" xmlns:ttp="http://www.w3.org/ns/ttml#parameter" ` +
		attributes + `><head>` + head + `</head><body><div>` + body + `</div></body></tt>`
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		format Format
		text   string
		want   string
	}{
		{"SubRip", SubRip, "1\n00:00:01,000 --> 00:00:02,500\nOne\nTwo\n\n2\n01:02:03,4 --> 01:02:04,05\nThree\n", "1000-2500 |One |Two\n3723400-3724050 |Three\n"},
		{"a byte order mark and line ends of all kinds", SubRip, "\ufeff1\r\n00:00:01,000 --> 00:00:02,000\rOne\r\n\r\n2\n00:00:03,000 --> 00:00:04,000\nTwo", "1000-2000 |One\n3000-4000 |Two\n"},
		{"a dot for the comma, no number, no hours, coordinates", SubRip, "00:01.5 --> 00:02 X1:10 X2:20\nOne", "1500-2000 |One\n"},
		{"an empty line inside", SubRip, "1\n00:00:01,000 --> 00:00:02,000\nOne\n\nTwo\n\n\n7\n00:00:03,000 --> 00:00:04,000\nThree", "1000-2000 |One | |Two\n3000-4000 |Three\n"},
		{"a number as text", SubRip, "1\n00:00:01,000 --> 00:00:02,000\n42\n\n43\n\n2\n00:00:03,000 --> 00:00:04,000\n44", "1000-2000 |42 | |43\n3000-4000 |44\n"},
		{"tags", SubRip, "1\n00:00:01,000 --> 00:00:02,000\n<i>a<b>b</i>c</b>d<U>e</u> <font color=\"#ff8000\" size=3>f</font><font color='red'>g</font>", "1000-2000 |[/]a[/*]b[*]cd[_]e [#ff8000]f[#ff0000]g\n"},
		{"what is no tag is text", SubRip, "1\n00:00:01,000 --> 00:00:02,000\nI <3 you & <you> {me}", "1000-2000 |I <3 you & <you> {me}\n"},
		{"a style goes on in the next line, and ends with the caption", SubRip, "1\n00:00:01,000 --> 00:00:02,000\n<i>a\nb\n\n2\n00:00:03,000 --> 00:00:04,000\nc", "1000-2000 |[/]a |[/]b\n3000-4000 |c\n"},
		{"places", SubRip, "1\n00:00:01,000 --> 00:00:02,000\n{\\an7}a{\\b1}b\n\n2\n00:00:03,000 --> 00:00:04,000\n{\\an6\\fad(1,2)}c", "1000-2000 (line:5% align:left) |ab\n3000-4000 (line:50%,center align:right) |c\n"},
		{"the order of time, and none that lasts no time", SubRip, "1\n00:00:03,000 --> 00:00:04,000\nb\n\n2\n00:00:01,000 --> 00:00:02,000\na\n\n3\n00:00:05,000 --> 00:00:05,000\nc\n\n4\n00:00:07,000 --> 00:00:06,000\nd\n\n5\n00:00:08,000 --> 00:00:09,000\n \n", "1000-2000 |a\n3000-4000 |b\n"},
		{"control characters are left out", SubRip, "1\n00:00:01,000 --> 00:00:02,000\na\x01\x1b\u0085b\uffff\u2028c\td", "1000-2000 |a b c d\n"},

		{"WebVTT", WebVTT, "WEBVTT\n\n00:01.000 --> 00:02.500\nOne\nTwo\n\nid\n01:02:03.400 --> 01:02:04.050 line:0 position:10%,line-left size:35% align:start\nThree", "1000-2500 |One |Two\n3723400-3724050 (line:0 position:10%,line-left size:35% align:start) |Three\n"},
		{"comments, styles and regions are left out", WebVTT, "WEBVTT - title\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:900000\n\nNOTE\ncomment\n\nSTYLE\n::cue { color: red }\n\nREGION\nid:fred\n\n00:01.000 --> 00:02.000 region:fred\na", "1000-2000 |a\n"},
		{"tags and classes", WebVTT, "WEBVTT\n\n00:01.000 --> 00:02.000\n<v.loud Mary>a</v> <i.x>b<b>c</b></i><u>d</u> <c.yellow.bg_blue>e</c><lang en>f</lang><00:01.500>g", "1000-2000 |a [/]b[/*]c[_]d [#ffff00~#0000ff]efg\n"},
		{"how ruby is read aloud is left out", WebVTT, "WEBVTT\n\n00:01.000 --> 00:02.000\n<ruby>漢<rt>kan</rt>字<rt>ji</ruby>!", "1000-2000 |漢字!\n"},
		{"references", WebVTT, "WEBVTT\n\n00:01.000 --> 00:02.000\n&lt;i&gt; &amp;amp; &nbsp;&#65;&#x42; &bogus; & &#0; &#xd800;", "1000-2000 |<i> &amp; \u00a0AB &bogus; & \ufffd \ufffd\n"},
		{"settings that cannot be understood change nothing", WebVTT, "WEBVTT\n\n00:01.000 --> 00:02.000 line:101% position:-1% size:nan% align:up vertical:up line:1e3 x:y line:\na", "1000-2000 |a\n"},
		{"vertical text and lines from the bottom", WebVTT, "WEBVTT\n\n00:01.000 --> 00:02.000 vertical:rl line:-2,end\na", "1000-2000 (vertical:rl line:-2,end) |a\n"},
		{"a tag that does not end", WebVTT, "WEBVTT\n\n00:01.000 --> 00:02.000\na<b\nc", "1000-2000 |a\n"},
		{"an empty file of WebVTT", WebVTT, "WEBVTT", ""},
		{"an identifier that nothing follows", WebVTT, "WEBVTT\n\nlost\nlines\n\n00:01.000 --> 00:02.000\na", "1000-2000 |a\n"},

		{"TTML", TTML, tt("", "", `<p begin="1s" end="2.5s">One<br/>Two</p><p begin="01:02:03.400" dur="650ms">Three</p>`), "1000-2500 |One |Two\n3723400-3724050 |Three\n"},
		{"IMSC", IMSC, tt(`ttp:contentProfiles="http://www.w3.org/ns/ttml/profile/imsc1.1/text"`, "", `<p begin="1s" end="2s">a</p>`), "1000-2000 |a\n"},
		{"a namespace of the drafts", TTML, strings.ReplaceAll(strings.ReplaceAll(tt("", "", `<p begin="1s" end="2s" tts:color="red">a</p>`), "ns/ttml", "2006/10/ttaf1"), "ttaf1#styling", "ttaf1#style"), "1000-2000 |[#ff0000]a\n"},
		{"frames", TTML, tt(`ttp:frameRate="30" ttp:frameRateMultiplier="1000 1001"`, "", `<p begin="00:00:01:15" end="60f">a</p>`), "1500-2002 |a\n"},
		{"ticks", TTML, tt(`ttp:tickRate="10000000"`, "", `<p begin="15000000t" end="20000000t">a</p>`), "1500-2000 |a\n"},
		{"ticks by the rate of frames", TTML, tt(`ttp:frameRate="25" ttp:subFrameRate="2"`, "", `<p begin="50t" end="00:00:01:05.1">a</p>`), "1000-1220 |a\n"},
		{"SMPTE time", TTML, tt(`ttp:timeBase="smpte" ttp:frameRate="30" ttp:frameRateMultiplier="1000 1001" ttp:dropMode="nonDrop"`, "", `<p begin="00:01:40:00" end="00:01:41:00">a</p>`), "100100-101101 |a\n"},
		{"SMPTE drop-frame time", TTML, tt(`ttp:timeBase="smpte" ttp:frameRate="30" ttp:frameRateMultiplier="1000 1001" ttp:dropMode="dropNTSC"`, "", `<p begin="01:00:00:00" end="01:00:01:00">a</p>`), "3599996-3600997 |a\n"},
		{"times of those around", TTML, strings.Replace(tt("", "", `<p begin="1s" end="9s">a</p><p>b</p>`), "<div>", `<div begin="10s" dur="5s">`, 1), "10000-15000 |b\n11000-15000 |a\n"},
		{"a sequence", TTML, strings.Replace(tt("", "", `<p dur="2s">a</p><p begin="1s" dur="2s">b</p>`), "<div>", `<div begin="10s" timeContainer="seq">`, 1), "10000-12000 |a\n13000-15000 |b\n"},
		{"a paragraph that builds up", TTML, tt("", "", `<p begin="1s" end="4s">a <span begin="1s">b </span><span begin="2s" end="2.5s">c</span></p>`), "1000-2000 |a\n2000-3000 |a b\n3000-3500 |a b c\n3500-4000 |a b\n"},
		{"styles by reference, and inherited", TTML, tt("", `<styling><style xml:id="a" tts:color="#00ff00" tts:fontStyle="italic"/><style xml:id="b" style="a" tts:fontWeight="bold"/></styling>`,
			`<p style="b" begin="1s" end="2s">a<span tts:fontStyle="normal" tts:textDecoration="underline">b<span tts:color="rgb(1,2,3)">c</span></span></p>`), "1000-2000 |[/*#00ff00]a[*_#00ff00]b[*_#010203]c\n"},
		{"regions", TTML, tt(`ttp:cellResolution="50 30" tts:extent="1280px 720px"`, `<layout><region xml:id="top" tts:origin="10% 10%" tts:extent="80% 20%" tts:textAlign="center"/>
			<region xml:id="low"><style tts:origin="128px 360px"/><style tts:extent="40c 12c"/><style tts:displayAlign="after"/></region></layout>`,
			`<p region="top" begin="1s" end="2s">a</p><p region="low" begin="3s" end="4s">b</p>`), "1000-2000 (line:10% position:50%,center size:80%) |a\n3000-4000 (line:90%,end position:10%,line-left size:80% align:start) |b\n"},
		{"white space", TTML, tt("", "", "<p begin=\"1s\" end=\"2s\">\n  a\n  <span> b</span>  <br/>\n  c  \n</p><p begin=\"3s\" end=\"4s\" xml:space=\"preserve\">d  e\nf</p>"), "1000-2000 |a b |c\n3000-4000 |d  e |f\n"},
		{"no-break space is kept", TTML, tt("", "", "<p begin=\"1s\" end=\"2s\">a\u00a0:</p>"), "1000-2000 |a\u00a0:\n"},
		{"what is hidden", TTML, tt("", "", `<p begin="1s" end="2s">a<span tts:visibility="hidden">b</span></p><p begin="3s" end="4s" tts:display="none">c</p>`), "1000-2000 |a\n"},
		{"metadata and other namespaces are left out", TTML, tt(`xmlns:ttm="http://www.w3.org/ns/ttml#metadata" xmlns:x="urn:x"`, "", `<ttm:desc>no</ttm:desc><p begin="1s" end="2s" x:begin="9s">a<x:y>no</x:y><ttm:title>no</ttm:title></p>`), "1000-2000 |a\n"},
		{"CDATA and characters by number", TTML, tt("", "", `<p begin="1s" end="2s"><![CDATA[<a>]]>&amp;&#66;</p>`), "1000-2000 |<a>&B\n"},
		{"a film without end", TTML, tt("", "", `<p begin="1s">a</p>`), "1000-3600000000 |a\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cues, err := Parse([]byte(tc.text), tc.format)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.want, shown(cues)); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	one := func(text string) string { return tt("", "", `<p begin="1s" end="2s">`+text+`</p>`) }
	deep := strings.Repeat("<span>", 60) + "a" + strings.Repeat("</span>", 60)
	for _, tc := range []struct {
		name   string
		format Format
		text   string
		want   string
	}{
		{"no format", 0, "x", "captions of no format"},
		{"nothing", SubRip, " \n", "empty"},
		{"UTF-16", SubRip, "\xff\xfe1\x00", "UTF-16; save it as UTF-8"},
		{"UTF-16, big-endian", WebVTT, "\xfe\xff\x001", "UTF-16"},
		{"UTF-32", TTML, "\xff\xfe\x00\x001", "UTF-32"},
		{"Latin-1", SubRip, "1\n00:00:01,000 --> 00:00:02,000\nCaf\xe9\n", "line 3 is not UTF-8"},
		{"zero bytes", SubRip, "1\n\x00", "line 2 holds a zero byte"},
		{"no SubRip", SubRip, "Hello\n", "line 1 is not SubRip"},
		{"a number alone", SubRip, "1\n", "line 1 is not SubRip"},
		{"a time that is none", SubRip, "1\n00:00:01,000 --> 00:61:02,000\na\n", `line 2: "00:61:02,000" is not a time`},
		{"a time that is too far", SubRip, "1\n1000:00:01,000 --> 1000:00:02,000\na\n", "is not a time"},
		{"an end that is missing", SubRip, "1\n00:00:01,000 -->\na\n", `line 2: "" is not a time`},
		{"a long text", SubRip, "1\n00:00:01,000 --> 00:00:02,000\n" + strings.Repeat("a", maxText+1), "line 3: a caption of more than"},
		{"many empty lines in a text", SubRip, "1\n00:00:01,000 --> 00:00:02,000\na" + strings.Repeat("\n", maxText+2), "a caption of more than"},
		{"many at the same time", SubRip, strings.Repeat("00:00:01,000 --> 00:00:02,000\na\n\n", maxOverlap+1), "more than 64 captions are shown at the same time"},
		{"SubRip for WebVTT", WebVTT, "1\n00:00:01,000 --> 00:00:02,000\na\n", "line 1 is not WEBVTT"},
		{"WEBVTTX", WebVTT, "WEBVTTX\n", "line 1 is not WEBVTT"},
		{"a comma in WebVTT", WebVTT, "WEBVTT\n\n00:00:01,000 --> 00:00:02.000\na", `line 3: "00:00:01,000" is not a time`},
		{"two digits of milliseconds", WebVTT, "WEBVTT\n\n00:01.00 --> 00:02.000\na", "is not a time"},
		{"a caption in the header", WebVTT, "WEBVTT\n00:01.000 --> 00:02.000\na", "line 2: an empty line is missing"},
		{"a caption in a comment", WebVTT, "WEBVTT\n\nNOTE\nx\n00:01.000 --> 00:02.000\na", "line 5: an empty line is missing"},
		{"a long payload", WebVTT, "WEBVTT\n\n00:01.000 --> 00:02.000\n" + strings.Repeat("<b></b>", maxText), "line 3: a caption of more than"},
		{"no XML", TTML, "WEBVTT", "not TTML"},
		{"another document", TTML, `<html xmlns="http://www.w3.org/1999/xhtml"/>`, `line 1: it is not TTML: the first element is "html"`},
		{"tt of no namespace", TTML, `<tt/>`, "it is not TTML"},
		{"a document type", TTML, `<!DOCTYPE tt [<!ENTITY a "b">]>` + one("&a;"), "document type declaration"},
		{"an entity", TTML, one("&nbsp;"), "not well-formed XML: invalid character entity"},
		{"cut off", TTML, strings.TrimSuffix(one("a"), "</tt>"), "not well-formed XML: unexpected EOF"},
		{"another encoding", TTML, strings.Replace(one("a"), "UTF-8", "ISO-8859-1", 1), "the text is declared to be ISO-8859-1; save it as UTF-8"},
		{"deep elements", TTML, one(deep), "elements are more than 48 deep"},
		{"a time", TTML, tt("", "", `<p begin="soon">a</p>`), `"soon" is not a time of TTML`},
		{"a unit", TTML, tt("", "", `<p begin="1y">a</p>`), "not a time of TTML"},
		{"a negative time", TTML, tt("", "", `<p begin="-1s">a</p>`), "not a time of TTML"},
		{"more frames than there are", TTML, tt(`ttp:frameRate="25"`, "", `<p begin="00:00:01:26">a</p>`), "not a time of TTML"},
		{"a rate of none", TTML, tt(`ttp:frameRate="0"`, "", ``), "ttp:frameRate"},
		{"wall-clock time", TTML, tt(`ttp:timeBase="clock"`, "", ``), `ttp:timeBase is "clock"`},
		{"dropPAL", TTML, tt(`ttp:timeBase="smpte" ttp:dropMode="dropPAL"`, "", ``), "ttp:dropMode"},
		{"an image", TTML, tt(`xmlns:smpte="http://www.smpte-ra.org/schemas/2052-1/2010/smpte-tt"`, "", `<p smpte:backgroundImage="#i"/>`), "captions are images"},
		{"an image inside", TTML, tt(`xmlns:smpte="http://www.smpte-ra.org/schemas/2052-1/2010/smpte-tt"`, `<metadata><smpte:image>aGk=</smpte:image></metadata>`, ""), "captions are images"},
		{"an image of TTML 2", TTML, one(`<image src="a.png"/>`), "captions are images"},
		{"styles in a circle", TTML, tt("", `<styling><style xml:id="a" style="b"/><style xml:id="b" style="a"/></styling>`, `<p style="a" begin="1s" end="2s">a</p>`), "circle"},
		{"a paragraph in a paragraph", TTML, one("<p>a</p>"), "a paragraph in a paragraph"},
		{"many pieces", TTML, one(strings.Repeat("<br/>", maxRuns+1)), "more than 4096 pieces"},
		{"text of a paragraph", TTML, one(strings.Repeat("ab ", 4*maxText)), "a caption of more than"},
		{"changes of a paragraph", TTML, one(many(maxChange, func(i int) string { return fmt.Sprintf(`<span begin="%dms">a</span>`, i+1) })), "changes more than 512 times"},
		{"too many styles", TTML, tt("", "<styling>"+many(maxNamed+1, func(i int) string { return fmt.Sprintf(`<style xml:id="s%d"/>`, i) })+"</styling>", ""), "more than 20000 styles"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cues, err := Parse([]byte(tc.text), tc.format)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, %v; want %q in an error", shown(cues), err, tc.want)
			}
		})
	}
}

func many(n int, of func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(of(i))
	}
	return b.String()
}

func TestParseBounds(t *testing.T) {
	t.Parallel()
	if _, err := Parse(make([]byte, MaxSize+1), SubRip); err == nil || !strings.Contains(err.Error(), "more than 16777216 bytes") {
		t.Errorf("a file of more than MaxSize: %v", err)
	}
	line := "0:0,1 --> 0:1,0\na\n\n"
	if _, err := Parse([]byte(strings.Repeat(line, maxCues+1)), SubRip); err == nil || !strings.Contains(err.Error(), "more than 200000 captions") {
		t.Errorf("more than maxCues: %v", err)
	}
	// One long caption under many short ones would be in as many samples.
	text := "WEBVTT\n\n00:00.000 --> 99:00:00.000\n" + strings.Repeat("a", maxText-1) + "\n" + many(100_000, func(i int) string {
		s := time.Duration(i) * time.Second
		return "\n" + string(appendStamp(nil, s, '.')) + " --> " + string(appendStamp(nil, s+time.Millisecond, '.')) + "\nb\n"
	})
	if _, err := Parse([]byte(text), WebVTT); err == nil || !strings.Contains(err.Error(), "overlap each other too often") {
		t.Errorf("captions that are repeated without end: %v", err)
	}
}
