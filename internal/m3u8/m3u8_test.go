package m3u8

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// media is a media playlist around lines.
func media(lines string) string {
	return "#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-TARGETDURATION:10\n" + lines + "#EXT-X-ENDLIST\n"
}

func TestMedia(t *testing.T) {
	t.Parallel()
	vod := &Map{URI: "init.mp4", Range: &Range{0, 800}}
	for _, c := range []struct {
		name, text string
		want       Playlist
	}{
		{"plain", media("#EXTINF:9.009,\na.ts\n#EXTINF:3.003000001,title, with comma\nb/c.ts?x=1\n"), Playlist{Version: 4, Media: &Media{
			Segments: []Segment{{URI: "a.ts", Duration: 9009 * time.Millisecond}, {URI: "b/c.ts?x=1", Duration: 3003000001}}, Ended: true, Duration: 12012000001,
		}}},
		{"CRLF, no version, no comma", strings.ReplaceAll("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9\na.ts\n#EXT-X-ENDLIST", "\n", "\r\n"), Playlist{Version: 1, Media: &Media{
			Segments: []Segment{{URI: "a.ts", Duration: 9 * time.Second}}, Ended: true, WholeSeconds: true, Duration: 9 * time.Second,
		}}},
		{"of type VOD without an end", "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:9,\na.ts\n", Playlist{Version: 1, Media: &Media{
			Segments: []Segment{{URI: "a.ts", Duration: 9 * time.Second}}, Ended: true, WholeSeconds: true, Duration: 9 * time.Second,
		}}},
		{"live", "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-PLAYLIST-TYPE:EVENT\n#EXTINF:9.5,\na.ts\n", Playlist{Version: 1, Media: &Media{
			Segments: []Segment{{URI: "a.ts", Duration: 9500 * time.Millisecond}}, Duration: 9500 * time.Millisecond,
		}}},
		{"byte ranges", media("#EXTINF:1.5,\n#EXT-X-BYTERANGE:100@0\na.ts\n#EXTINF:1,\n#EXT-X-BYTERANGE:50\na.ts\n#EXT-X-BYTERANGE:7@9\n#EXTINF:1,\nb.ts\n"), Playlist{Version: 4, Media: &Media{
			Segments: []Segment{
				{URI: "a.ts", Range: &Range{0, 100}, Duration: 1500 * time.Millisecond},
				{URI: "a.ts", Range: &Range{100, 50}, Duration: time.Second},
				{URI: "b.ts", Range: &Range{9, 7}, Duration: time.Second},
			}, Ended: true, Duration: 3500 * time.Millisecond,
		}}},
		{"maps", media("#EXT-X-MAP:URI=\"init.mp4\",BYTERANGE=\"800@0\"\n#EXTINF:1.5,\na.m4s\n#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"init.mp4\",BYTERANGE=\"800@0\"\n#EXTINF:1,\nb.m4s\n#EXT-X-MAP:URI=\"other.mp4\"\n#EXTINF:1,\nc.m4s\n"), Playlist{Version: 4, Media: &Media{
			Segments: []Segment{
				{URI: "a.m4s", Duration: 1500 * time.Millisecond, Map: vod},
				{URI: "b.m4s", Duration: time.Second, Discontinuity: true, Map: vod},
				{URI: "c.m4s", Duration: time.Second, Map: &Map{URI: "other.mp4"}},
			}, Ended: true, Duration: 3500 * time.Millisecond,
		}}},
		{"keys", media("#EXT-X-KEY:METHOD=NONE\n#EXTINF:1.5,\na.ts\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x01\n#EXTINF:1,\nb.ts\n"), Playlist{Version: 4, Media: &Media{
			Segments: []Segment{{URI: "a.ts", Duration: 1500 * time.Millisecond}, {URI: "b.ts", Duration: time.Second}}, Ended: true, Encrypted: true, Duration: 2500 * time.Millisecond,
		}}},
		{"what is left aside", media("# a comment\n#EXT-X-PROGRAM-DATE-TIME:2020-01-01T00:00:00Z\n#EXT-X-DATERANGE:ID=\"x\"\n#EXT-X-I-FRAMES-ONLY\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-START:TIME-OFFSET=1\n#EXT-X-UNKNOWN:1\n\n#EXTINF:1.5,\n\na.ts\n"), Playlist{Version: 4, Media: &Media{
			Segments: []Segment{{URI: "a.ts", Duration: 1500 * time.Millisecond}}, Ended: true, Duration: 1500 * time.Millisecond,
		}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := Parse([]byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(&c.want, got); d != "" {
				t.Errorf("playlist (-want +got):\n%s", d)
			}
		})
	}
	got, err := Parse([]byte(media("#EXT-X-MAP:URI=\"i\"\n#EXTINF:1,\na\n#EXT-X-MAP:URI=\"i\"\n#EXTINF:1,\nb\n")))
	if err != nil || got.Media.Segments[0].Map != got.Media.Segments[1].Map {
		t.Errorf("a map that is repeated is another (%v)", err)
	}
}

func TestMultivariant(t *testing.T) {
	t.Parallel()
	text := "#EXTM3U\n#EXT-X-VERSION:4\n" +
		"#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aud\",NAME=\"English, main\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"en.m3u8\"\n" +
		"#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aud\", NAME=\"Deutsch\"\n" +
		"#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"sub\",NAME=\"x\",URI=\"s.m3u8\"\n" +
		"#EXT-X-STREAM-INF:BANDWIDTH=1280000,RESOLUTION=640x360,CODECS=\"avc1.4d401f,mp4a.40.2\",AUDIO=\"aud\"\n# between\nlow.m3u8\n" +
		"#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i.m3u8\"\n#EXT-X-SESSION-KEY:METHOD=AES-128,URI=\"k\"\n" +
		"#EXT-X-STREAM-INF:BANDWIDTH=9,FRAME-RATE=25.000\nhttps://host/high.m3u8\n"
	want := &Playlist{Version: 4, Multivariant: &Multivariant{
		Variants: []Variant{
			{URI: "low.m3u8", Bandwidth: 1280000, Codecs: "avc1.4d401f,mp4a.40.2", Width: 640, Height: 360, Audio: "aud"}, {URI: "https://host/high.m3u8", Bandwidth: 9},
		},
		Renditions: []Rendition{
			{URI: "en.m3u8", GroupID: "aud", Name: "English, main", Language: "en", Default: true, AutoSelect: true}, {GroupID: "aud", Name: "Deutsch"},
		},
	}}
	got, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("playlist (-want +got):\n%s", d)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	variant := "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n"
	for _, c := range []struct {
		name, text string
		line       int
		want       string
	}{
		{"empty", "", 0, "empty"},
		{"no header", "#EXTINF:1,\na.ts\n", 1, "not #EXTM3U"},
		{"header with more", "#EXTM3U8\n", 1, "not #EXTM3U"},
		{"byte order mark", "\ufeff" + media("#EXTINF:1,\na\n"), 0, "byte order mark"},
		{"not UTF-8", media("#EXTINF:1,\na\xff\n"), 0, "UTF-8"},
		{"NUL", media("#EXTINF:1,\na\x00\n"), 5, "control"},
		{"lone CR", media("#EXTINF:1,\ra\n"), 4, "control"},
		{"header alone", "#EXTM3U\n", 0, "TARGETDURATION"},
		{"header twice", media("#EXTM3U\n#EXTINF:1,\na\n"), 4, "middle"},
		{"no target duration", "#EXTM3U\n#EXTINF:1,\na\n", 0, "TARGETDURATION"},
		{"no segments", media(""), 0, "no segment"},
		{"target duration twice", media("#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na\n"), 4, "twice"},
		{"target duration", "#EXTM3U\n#EXT-X-TARGETDURATION:1.5\n", 2, "whole number"},
		{"version", "#EXTM3U\n#EXT-X-VERSION:x\n", 2, "VERSION"},
		{"version 0", "#EXTM3U\n#EXT-X-VERSION:0\n", 2, "VERSION"},
		{"version twice", "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-VERSION:3\n", 3, "twice"},
		{"playlist type", media("#EXT-X-PLAYLIST-TYPE:LIVE\n"), 4, "VOD"},
		{"media sequence", media("#EXT-X-MEDIA-SEQUENCE:-1\n"), 4, "MEDIA-SEQUENCE"},
		{"no EXTINF", media("a.ts\n"), 4, "EXTINF"},
		{"two EXTINF", media("#EXTINF:1,\n#EXTINF:1,\na\n"), 5, "two EXTINF"},
		{"EXTINF without a segment", media("#EXTINF:1,\n"), 0, "last segment"},
		{"range without a segment", media("#EXTINF:1,\na\n#EXT-X-BYTERANGE:1@0\n"), 0, "last segment"},
		{"negative duration", media("#EXTINF:-1,\na\n"), 4, "EXTINF"},
		{"exponent", media("#EXTINF:1e3,\na\n"), 4, "EXTINF"},
		{"fraction without digits", media("#EXTINF:1.,\na\n"), 4, "EXTINF"},
		{"duration without digits", media("#EXTINF:.5,\na\n"), 4, "EXTINF"},
		{"not a number", media("#EXTINF:NaN,\na\n"), 4, "EXTINF"},
		{"long duration", media("#EXTINF:86401,\na\n"), 4, "EXTINF"},
		{"EXTINF without a value", media("#EXTINF\na\n"), 4, "no value"},
		{"range", media("#EXTINF:1,\n#EXT-X-BYTERANGE:x@0\na\n"), 5, "BYTERANGE"},
		{"empty range", media("#EXTINF:1,\n#EXT-X-BYTERANGE:0@0\na\n"), 5, "BYTERANGE"},
		{"range beyond numbers", media("#EXTINF:1,\n#EXT-X-BYTERANGE:9223372036854775807@1\na\n"), 5, "BYTERANGE"},
		{"sum beyond numbers", media("#EXTINF:1,\n#EXT-X-BYTERANGE:9223372036854775806@1\na\n#EXTINF:1,\n#EXT-X-BYTERANGE:1\na\n"), 9, "too large"},
		{"range twice", media("#EXT-X-BYTERANGE:1@0\n#EXT-X-BYTERANGE:1\n"), 5, "two"},
		{"range without offset at first", media("#EXTINF:1,\n#EXT-X-BYTERANGE:1\na\n"), 6, "no offset"},
		{"range without offset of another file", media("#EXTINF:1,\n#EXT-X-BYTERANGE:1@0\na\n#EXTINF:1,\n#EXT-X-BYTERANGE:1\nb\n"), 9, "no offset"},
		{"range without offset behind a whole file", media("#EXTINF:1,\na\n#EXTINF:1,\n#EXT-X-BYTERANGE:1\na\n"), 8, "no offset"},
		{"map without URI", media("#EXT-X-MAP:BYTERANGE=\"1@0\"\n"), 4, "no URI"},
		{"map range without offset", media("#EXT-X-MAP:URI=\"a\",BYTERANGE=\"1\"\n"), 4, "LENGTH@OFFSET"},
		{"key without method", media("#EXT-X-KEY:URI=\"k\"\n"), 4, "METHOD"},
		{"variables", media("#EXT-X-DEFINE:NAME=\"a\",VALUE=\"b\"\n"), 4, "EXT-X-DEFINE is not supported"},
		{"gap", media("#EXT-X-GAP\n"), 4, "EXT-X-GAP"},
		{"skip", media("#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n"), 4, "EXT-X-SKIP"},
		{"part", media("#EXT-X-PART:DURATION=1,URI=\"a\"\n"), 4, "EXT-X-PART"},
		{"two kinds", media("#EXT-X-STREAM-INF:BANDWIDTH=1\n"), 4, "exclude"},
		{"two kinds, the other way", variant + "#EXTINF:1,\n", 4, "exclude"},
		{"a segment among variants", variant + "b.m3u8\n", 4, "exclude"},
		{"variant without a URI", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n", 0, "URI"},
		{"two variants, one URI", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n#EXT-X-STREAM-INF:BANDWIDTH=1\na\n", 3, "URI"},
		{"a segment where a URI must be", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n#EXTINF:1,\na\n", 3, "URI"},
		{"no variants", "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"b\"\n", 0, "no variant"},
		{"no bandwidth", "#EXTM3U\n#EXT-X-STREAM-INF:CODECS=\"x\"\na\n", 2, "BANDWIDTH"},
		{"quoted bandwidth", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=\"1\"\na\n", 2, "BANDWIDTH"},
		{"resolution", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=1x-1\na\n", 2, "RESOLUTION"},
		{"rendition without a group", "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,NAME=\"b\"\n", 2, "GROUP-ID"},
		{"rendition without a name", "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"b\"\n", 2, "NAME"},
		{"rendition with an empty URI", "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"b\",NAME=\"b\",URI=\"\"\n", 2, "empty URI"},
		{"attribute twice", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,BANDWIDTH=2\na\n", 2, "twice"},
		{"attribute quoted and not", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,BANDWIDTH=\"2\"\na\n", 2, "twice"},
		{"quotes that do not end", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"a\na\n", 2, "does not end"},
		{"attribute without value", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=\na\n", 2, "malformed"},
		{"attribute in lower case", "#EXTM3U\n#EXT-X-STREAM-INF:bandwidth=1\na\n", 2, "malformed"},
		{"text behind quotes", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"a\"b\na\n", 2, "malformed"},
		{"long line", media("#" + strings.Repeat("x", MaxLine) + "\n"), 4, "longer"},
		{"many lines", "#EXTM3U" + strings.Repeat("\n", 1_000_000), MaxLines + 1, "lines"},
		{"large", media(strings.Repeat("#"+strings.Repeat("x", 1000)+"\n", MaxSize/1001)), 0, "longer than 16777216 bytes"},
		{"many segments", media(strings.Repeat("#EXTINF:1,\na\n", MaxSegments+1)), 3 + 2*(MaxSegments+1), "segments"},
		{"many discontinuities", media(strings.Repeat("#EXT-X-DISCONTINUITY\n#EXTINF:1,\na\n", MaxDiscontinuity+1)), 3 + 3*(MaxDiscontinuity+1), "discontinuities"},
		{"many variants", "#EXTM3U\n" + strings.Repeat("#EXT-X-STREAM-INF:BANDWIDTH=1\na\n", MaxVariants+1), 2 + 2*MaxVariants, "variant"},
		{"many renditions", "#EXTM3U\n" + strings.Repeat("#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"b\"\n", MaxRenditions+1), 2 + MaxRenditions, "renditions"},
		{"many attributes", "#EXTM3U\n#EXT-X-STREAM-INF:" + manyAttributes(), 2, "attributes"},
		{"long film", media(strings.Repeat("#EXTINF:86400,\na\n", 101)), 3 + 2*101, "days"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := Parse([]byte(c.text))
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %+v, %v", got, err)
			}
			if e.Line != c.line || !strings.Contains(e.Reason, c.want) {
				t.Errorf("got line %d: %s; want line %d, %q", e.Line, e.Reason, c.line, c.want)
			}
		})
	}
}

func manyAttributes() string {
	var b strings.Builder
	for i := range maxAttributes + 1 {
		fmt.Fprintf(&b, "A%d=1,", i)
	}
	return b.String()
}

// TestErrorsQuoteNothing: a file that its reader may not see must not show in what is said of it.
func TestErrorsQuoteNothing(t *testing.T) {
	t.Parallel()
	const secret = "SESAM"
	for _, line := range []string{
		secret, "#EXTINF:" + secret, "#EXT-X-KEY:" + secret, "#EXT-X-MAP:URI=" + secret, "#EXT-X-VERSION:" + secret, "#EXT-X-BYTERANGE:" + secret,
		"#EXT-X-STREAM-INF:" + secret, "#EXT-X-MEDIA:TYPE=AUDIO,NAME=\"" + secret, "#EXT-X-PLAYLIST-TYPE:" + secret, "#EXT-X-STREAM-INF:" + secret + "=1," + secret + "=1",
	} {
		_, err := Parse([]byte("#EXTM3U\n" + line + "\n"))
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestIs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		head string
		want bool
	}{
		{"#EXTM3U\n", true}, {"#EXTM3U", true}, {"\ufeff#EXTM3U\n", true}, {"#EXTM3", false}, {"", false}, {" #EXTM3U", false}, {"G#EXTM3U", false},
	} {
		if got := Is([]byte(c.head)); got != c.want {
			t.Errorf("%q: got %v", c.head, got)
		}
	}
}

// FuzzParse: whatever is read keeps to its bounds, and means one kind of playlist.
func FuzzParse(f *testing.F) {
	f.Add([]byte(media("#EXT-X-MAP:URI=\"i\",BYTERANGE=\"800@0\"\n#EXTINF:9.009,\n#EXT-X-BYTERANGE:100@0\na.ts\n#EXT-X-DISCONTINUITY\n#EXTINF:3,t\n#EXT-X-BYTERANGE:50\na.ts\n")))
	f.Add([]byte("#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"b\",URI=\"c\"\n#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=1x1,AUDIO=\"a\"\nx\n"))
	f.Add([]byte("#EXTM3U\r\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\r\n"))
	f.Add([]byte("\ufeff#EXTM3U\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Parse(text)
		var e *Error
		switch {
		case err != nil && !errors.As(err, &e):
			t.Fatalf("error %T", err)
		case err != nil:
			return
		case !Is(text):
			t.Fatal("a playlist that Is does not know")
		case (p.Media == nil) == (p.Multivariant == nil):
			t.Fatal("neither kind, or both")
		case p.Multivariant != nil:
			if n := len(p.Multivariant.Variants); n == 0 || n > MaxVariants {
				t.Fatalf("%d variants", n)
			}
			for _, v := range p.Multivariant.Variants {
				if v.URI == "" || v.Bandwidth <= 0 || strings.HasPrefix(v.URI, "#") {
					t.Fatalf("variant %+v", v)
				}
			}
			return
		}
		sum := time.Duration(0)
		for _, s := range p.Media.Segments {
			if s.URI == "" || strings.ContainsAny(s.URI, "\r\n\x00") || s.Duration < 0 {
				t.Fatalf("segment %+v", s)
			}
			if s.Range != nil && (s.Range.Offset < 0 || s.Range.Length <= 0 || s.Range.End() <= s.Range.Offset) {
				t.Fatalf("range %+v", *s.Range)
			}
			sum += s.Duration
		}
		if sum != p.Media.Duration || len(p.Media.Segments) > MaxSegments {
			t.Fatalf("%v in %d segments, said to be %v", sum, len(p.Media.Segments), p.Media.Duration)
		}
	})
}
