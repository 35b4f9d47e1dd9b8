package caption

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/cmaf"
	"darkroom/internal/media"
)

var update = flag.Bool("update", false, "write the goldens anew")

// sample are captions with everything that is kept of them.
const sample = "WEBVTT\n\n00:01.000 --> 00:04.500 line:10% position:20%,line-left size:60% align:left\n<i>One</i> &amp; <b>two</b>\n<u>--&gt; 3</u>\n\n" +
	"00:04.000 --> 00:05.000 vertical:rl\n<c.yellow.bg_blue>Four</c>\n\n00:07.000 --> 00:12.000\nFive\n&nbsp;\nsix\n\n00:07.000 --> 00:12.000 line:-1\nseven\n"

func parsed(t *testing.T, text string, f Format) []Cue {
	t.Helper()
	cues, err := Parse([]byte(text), f)
	if err != nil {
		t.Fatal(err)
	}
	return cues
}

func TestGoldens(t *testing.T) {
	t.Parallel()
	cues := parsed(t, sample, WebVTT)
	for name, got := range map[string][]byte{
		"styled.srt":  AppendFile(nil, SubRip, cues, "en"),
		"styled.vtt":  AppendFile(nil, WebVTT, cues, "en"),
		"styled.ttml": AppendFile(nil, TTML, cues, `en"<`),
		"styled.xml":  AppendFile(nil, IMSC, cues, "en"),
		"plain.vtt":   AppendFile(nil, WebVTT, Plain(cues), ""),
		"merged.vtt":  AppendFile(nil, WebVTT, Merge(cues), ""),
		"none.xml":    AppendFile(nil, IMSC, nil, ""),
		"segment.vtt": NewCutter(cues).AppendSegment(nil, 4*time.Second, 6*time.Second, 900_000),
		"gap.vtt":     NewCutter(cues).AppendSegment(nil, 5*time.Second, 7*time.Second, 0),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join("testdata", name)
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), string(got)); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

// TestRoundTrip reads what is written: text and times are the same in every format, styles in those that know them, and places as near as they come.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	cues := parsed(t, sample, WebVTT)
	if d := cmp.Diff(shown(cues), shown(parsed(t, string(AppendWebVTT(nil, cues)), WebVTT))); d != "" {
		t.Errorf("WebVTT: -want +got\n%s", d)
	}
	for _, f := range []Format{SubRip, TTML, IMSC} {
		again := parsed(t, string(AppendFile(nil, f, cues, "en")), f)
		want := strings.ReplaceAll(shown(Plain(cues)), "-->", "→")
		if f != SubRip {
			want = shown(Plain(cues))
		}
		if d := cmp.Diff(strings.ReplaceAll(want, " |\u00a0", " |"), strings.ReplaceAll(shown(Plain(again)), " |\u00a0", " |")); d != "" {
			t.Errorf("%v: -want +got\n%s", f, d)
		}
	}
	again := parsed(t, string(AppendFile(nil, IMSC, cues, "")), IMSC)
	if got, want := shown(again[:2]), "1000-4500 (line:10% position:20%,line-left size:60% align:left) |[/]One & [*]two |[_]--> 3\n4000-5000 (vertical:rl) |[#ffff00~#0000ff]Four\n"; got != want {
		t.Errorf("styles and places in IMSC: got\n%swant\n%s", got, want)
	}
}

// TestPlaces goes from the placement of each format to that of the other.
func TestPlaces(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		settings string
		area     string // x y width height display
		digit    int
	}{
		{"", "10 10 80 80 after", 2},
		{"line:0", "10 0 80 100 before", 8},
		{"line:2", "10 10.66 80 89.34 before", 8},
		{"line:-1", "10 0 80 100 after", 2},
		{"line:-3", "10 0 80 89.34 after", 2},
		{"line:50%,center", "10 0 80 100 center", 5},
		{"line:30%,center", "10 0 80 60 center", 8},
		{"line:80%,end", "10 0 80 80 after", 2},
		{"line:80% align:left", "10 80 80 20 before", 1},
		{"position:20% align:left", "20 10 80 80 after", 1},
		{"position:90% align:end size:40%", "50 10 40 80 after", 3},
		{"position:30% size:80%", "0 10 60 80 after", 2},
		{"position:60%,line-left size:80%", "60 10 40 80 after", 2},
		{"size:50%", "25 10 50 80 after", 2},
		{"size:50% align:right", "50 10 50 80 after", 3},
	} {
		t.Run(tc.settings, func(t *testing.T) {
			t.Parallel()
			var p Placement
			for _, s := range strings.Fields(tc.settings) {
				p.setting(s)
			}
			x, y, w, h, display := p.area()
			if got := fmt.Sprintf("%s %s %s %s %s", decimal(x), decimal(y), decimal(w), decimal(h), display); got != tc.area {
				t.Errorf("area: got %q, want %q", got, tc.area)
			}
			if got := p.digit(); got != tc.digit {
				t.Errorf("digit: got %d, want %d", got, tc.digit)
			}
		})
	}
	for n := 1; n <= 9; n++ {
		if p := keypad(n); p.digit() != n {
			t.Errorf("the place of %d is that of %d", n, p.digit())
		}
	}
}

// boxesOf are the boxes of a sample, kinds and payloads.
func boxesOf(t *testing.T, p []byte) string {
	t.Helper()
	var out []string
	for len(p) > 0 {
		size := binary.BigEndian.Uint32(p)
		if int(size) > len(p) || size < 8 {
			t.Fatalf("a box of %d of %d bytes", size, len(p))
		}
		kind, body := string(p[4:8]), p[8:size]
		switch kind {
		case "vttc":
			out = append(out, "{"+boxesOf(t, body)+"}")
		case "vsid":
			out = append(out, fmt.Sprint(binary.BigEndian.Uint32(body)))
		default:
			out = append(out, strings.TrimSuffix(kind+" "+string(body), " "))
		}
		p = p[size:]
	}
	return strings.Join(out, ", ")
}

func TestSamplesOfWebVTT(t *testing.T) {
	t.Parallel()
	cues := parsed(t, "WEBVTT\n\n00:01.000 --> 00:04.500\na\n\n00:03.000 --> 00:03.500 line:0\nb\n\n00:04.500 --> 00:05.000\nc\n", WebVTT)
	c := NewCutter(cues)
	var got []string
	end := int64(0)
	for i := range 3 {
		for _, s := range c.Samples(WebVTT, "", time.Duration(i)*2*time.Second, time.Duration(i+1)*2*time.Second) {
			if s.DecodeTime != end || !s.Sync {
				t.Errorf("a sample at %d behind one that ends at %d", s.DecodeTime, end)
			}
			end = s.DecodeTime + int64(s.Duration)
			got = append(got, fmt.Sprintf("%d+%d %s", s.DecodeTime, s.Duration, boxesOf(t, s.Data)))
		}
	}
	want := []string{
		"0+1000 vtte", "1000+1000 {1, payl a}",
		"2000+1000 {1, payl a}", "3000+500 {1, payl a}, {2, sttg line:0, payl b}", "3500+500 {1, payl a}",
		"4000+500 {1, payl a}", "4500+500 {3, payl c}", "5000+1000 vtte",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if s := NewCutter(cues).Samples(WebVTT, "", time.Second, time.Second); s != nil {
		t.Errorf("no time has samples: %v", s)
	}
}

func TestSamplesOfTTML(t *testing.T) {
	t.Parallel()
	cues := parsed(t, "WEBVTT\n\n00:01.000 --> 00:04.500\na\n", WebVTT)
	c := NewCutter(cues)
	for i, want := range []string{`begin="00:00:01.000" end="00:00:02.000"`, `begin="00:00:02.000" end="00:00:04.000"`, `begin="00:00:04.000" end="00:00:04.500"`, ""} {
		s := c.Samples(IMSC, "en", time.Duration(i)*2*time.Second, time.Duration(i+1)*2*time.Second)
		if len(s) != 1 || s[0].DecodeTime != int64(i)*2000 || s[0].Duration != 2000 {
			t.Fatalf("samples %v", s)
		}
		if n := strings.Count(string(s[0].Data), "<p "); !strings.Contains(string(s[0].Data), want) || n != min(1, len(want)) {
			t.Errorf("piece %d has %d captions, want one with %s:\n%s", i, n, want, s[0].Data)
		}
		if err := xml.Unmarshal(s[0].Data, new(struct {
			XMLName xml.Name `xml:"http://www.w3.org/ns/ttml tt"`
		})); err != nil {
			t.Errorf("piece %d: %v", i, err)
		}
	}
}

// TestTrack reads what fragmented MP4 has of the tracks.
func TestTrack(t *testing.T) {
	t.Parallel()
	for f, want := range map[Format]string{WebVTT: "WVTT wvtt", TTML: "STPP stpp", IMSC: "STPP stpp.ttml.im1t"} {
		track := NewTrack(f, "eng")
		w, err := cmaf.NewWriter(track, cmaf.WriterOptions{Flavour: cmaf.CMAF})
		if err != nil {
			t.Fatal(err)
		}
		sent := NewCutter(parsed(t, sample, WebVTT)).Samples(f, "en", 0, 2*time.Second)
		for i := range sent {
			if err := w.Add(&sent[i]); err != nil {
				t.Fatal(err)
			}
		}
		file, err := w.AppendFragment(w.Init(), cmaf.FragmentOptions{})
		if err != nil {
			t.Fatal(err)
		}
		r := cmaf.NewReader(bytes.NewReader(file))
		got, err := r.Track()
		if err != nil {
			t.Fatalf("%v: %v", f, err)
		}
		if s := string(got.Codec) + " " + got.RFC6381; s != want || got.Kind != media.Text || track.RFC6381 != got.RFC6381 || got.Language != "eng" {
			t.Errorf("%v: got %s %v, want %s", f, s, got.Kind, want)
		}
		if read, err := r.Next(); err != nil || !cmp.Equal(sent, read) {
			t.Errorf("%v: %v: got %v, want %v", f, err, read, sent)
		}
		if track.Timescale != Timescale || track.Language != "eng" {
			t.Errorf("%v: %+v", f, track)
		}
	}
}

func TestShift(t *testing.T) {
	t.Parallel()
	cues := parsed(t, "WEBVTT\n\n00:01.000 --> 00:02.000\na\n\n00:03.000 --> 00:05.000\nb\n\n00:08.000 --> 00:09.000\nc\n", WebVTT)
	before := shown(cues)
	for _, tc := range []struct {
		by, end time.Duration
		want    string
	}{
		{0, 0, before},
		{-4 * time.Second, 0, "0-1000 |b\n4000-5000 |c\n"},
		{time.Second, 5 * time.Second, "2000-3000 |a\n4000-5000 |b\n"},
		{1 << 31 * time.Second, 4 * time.Second, ""},
		{-1 << 31 * time.Second, 0, ""},
	} {
		if got := shown(Shift(cues, tc.by, tc.end)); got != tc.want {
			t.Errorf("by %v until %v: got\n%swant\n%s", tc.by, tc.end, got, tc.want)
		}
	}
	if got := shown(cues); got != before {
		t.Errorf("the cues given became\n%s", got)
	}
}

// fuzz reads anything, and what it could be read as is written in every format and read again.
func fuzz(f *testing.F, format Format, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cues, err := Parse(data, format)
		if err != nil {
			return
		}
		for i, c := range cues {
			if c.End <= c.Start || c.Start < 0 || c.End > maxTime || i > 0 && c.Start < cues[i-1].Start || len(c.Lines) == 0 {
				t.Fatalf("cue %d: %+v", i, c)
			}
		}
		for _, to := range []Format{SubRip, WebVTT, TTML, IMSC} {
			text := AppendFile(nil, to, cues, "en")
			if len(text) > 4<<20 {
				continue
			}
			again, err := Parse(text, to)
			if err != nil && len(cues) > 0 {
				t.Fatalf("%v of what was read cannot be read: %v\n%s", to, err, text)
			}
			var want []Cue // what lasts less than half a millisecond is gone
			for _, c := range cues {
				if c.End.Round(time.Millisecond) > c.Start.Round(time.Millisecond) {
					want = append(want, c)
				}
			}
			if len(again) != len(want) {
				t.Fatalf("%v has %d captions of %d\n%s", to, len(again), len(want), text)
			}
		}
		c := NewCutter(cues)
		end := int64(0)
		for i := range 4 {
			for _, s := range c.Samples(WebVTT, "", time.Duration(i)*3*time.Second, time.Duration(i+1)*3*time.Second) {
				if s.DecodeTime != end || s.Duration == 0 || len(s.Data) < 8 {
					t.Fatalf("a sample of %d ticks at %d, not at %d", s.Duration, s.DecodeTime, end)
				}
				end += int64(s.Duration)
			}
		}
		if end != 12_000 {
			t.Fatalf("the samples end at %d", end)
		}
	})
}

func FuzzSubRip(f *testing.F) {
	fuzz(f, SubRip, "1\n00:00:01,000 --> 00:00:02,500\n{\\an8}<i>a</i><font color=\"#ff0000\">b</font>\n\n2\n00:00:02,0 --> 00:00:03\nc\n\nd\n")
}

func FuzzWebVTT(f *testing.F) {
	fuzz(f, WebVTT, sample, "WEBVTT\n\nNOTE\n\nSTYLE\n\n00:00.001 --> 00:00.002 line:1,end\n<v a>&#1;<rt>")
}

func FuzzTTML(f *testing.F) {
	cues, err := Parse([]byte(sample), WebVTT)
	if err != nil {
		f.Fatal(err)
	}
	fuzz(f, TTML, string(AppendTTML(nil, IMSC, cues, "en")), tt(`ttp:frameRate="25" ttp:timeBase="smpte"`, `<styling><style xml:id="a" tts:color="red"/></styling>`, `<p style="a" begin="1s" dur="00:00:01:01">a<span begin="5f">b</span></p>`))
}

// TestEscapes: nothing that stands in a caption becomes markup.
func TestEscapes(t *testing.T) {
	t.Parallel()
	const hostile = `</p></div></body></tt><script>alert(1)</script> --> 00:00:01.000 ]]> " ' & {\an8}`
	cues := []Cue{{Start: time.Second, End: 2 * time.Second, Lines: []Line{{{Text: hostile}}}}}
	for _, f := range []Format{WebVTT, TTML, IMSC} {
		text := AppendFile(nil, f, cues, hostile)
		if bytes.Contains(text, []byte("<script")) {
			t.Errorf("%v: %s", f, text)
		}
		again := parsed(t, string(text), f)
		if len(again) != 1 || again[0].Lines[0].text() != hostile {
			t.Errorf("%v: got %s of\n%s", f, shown(again), text)
		}
	}
	again := parsed(t, string(AppendSubRip(nil, cues)), SubRip)
	if got, want := strings.ReplaceAll(again[0].Lines[0].text(), "\u2060", ""), strings.ReplaceAll(hostile, "-->", "\u2192"); got != want || again[0].Place != (Placement{}) {
		t.Errorf("SubRip: got %q at %+v, want %q", got, again[0].Place, want)
	}
}
