package dash_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/cenc"
	"darkroom/internal/dash"
	"darkroom/internal/media"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".mpd")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// encode writes the manifest and holds it to what must be true of every MPD.
func encode(t *testing.T, m *dash.Manifest) []byte {
	t.Helper()
	text, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	structure(t, text)
	schema(t, text)
	return text
}

// schema validates against the schema of ISO/IEC 23009-1, if DASH_SCHEMA names it: it is published by ISO, and not ours to give away.
func schema(t *testing.T, text []byte) {
	t.Helper()
	path := os.Getenv("DASH_SCHEMA")
	if path == "" {
		return
	}
	cmd := exec.CommandContext(t.Context(), "xmllint", "--noout", "--nonet", "--schema", path, "-")
	cmd.Stdin = bytes.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("not valid: %v\n%s\n%s", err, out, text)
	}
}

// children is the order of child elements in the schema, for those that are written.
var children = map[string][]string{
	"MPD":               {"BaseURL", "Period"},
	"Period":            {"AdaptationSet"},
	"AdaptationSet":     {"ContentProtection", "EssentialProperty", "SupplementalProperty", "InbandEventStream", "Label", "Accessibility", "Role", "SegmentTemplate", "Representation"},
	"Representation":    {"AudioChannelConfiguration", "EssentialProperty", "BaseURL", "SegmentBase", "SegmentTemplate"},
	"SegmentBase":       {"Initialization"},
	"SegmentTemplate":   {"SegmentTimeline"},
	"SegmentTimeline":   {"S"},
	"ContentProtection": nil,
}

// required attributes by the schema and the DASH-IF interoperability points.
var required = map[string][]string{
	"MPD":               {"xmlns", "type", "profiles", "mediaPresentationDuration", "minBufferTime"},
	"Period":            {"id", "start", "duration"},
	"AdaptationSet":     {"id", "mimeType", "contentType"},
	"Representation":    {"id", "bandwidth"},
	"SegmentBase":       {"timescale", "indexRange"},
	"Initialization":    {"range"},
	"S":                 {"d"},
	"ContentProtection": {"schemeIdUri"},
	"Role":              {"schemeIdUri", "value"},
}

// structure checks the order of elements, their attributes and that identifiers are unique.
func structure(t *testing.T, text []byte) {
	t.Helper()
	type level struct {
		name string
		at   int
	}
	var stack []level
	ids := map[string]bool{}
	for d := xml.NewDecoder(bytes.NewReader(text)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		switch e := token.(type) {
		case xml.StartElement:
			if e.Name.Space != "urn:mpeg:dash:schema:mpd:2011" {
				if err := d.Skip(); err != nil {
					t.Fatal(err)
				}
				continue
			}
			name := e.Name.Local
			if len(stack) > 0 {
				parent := &stack[len(stack)-1]
				order, at := children[parent.name], -1
				for i, c := range order {
					if c == name {
						at = i
					}
				}
				if at < parent.at {
					t.Errorf("%s in %s is not allowed there", name, parent.name)
				}
				parent.at = at
			}
			attributes := map[string]string{}
			for _, a := range e.Attr {
				attributes[a.Name.Local] = a.Value
			}
			for _, r := range required[name] {
				if attributes[r] == "" {
					t.Errorf("%s has no %s", name, r)
				}
			}
			if id := attributes["id"]; id != "" {
				if ids[name+id] {
					t.Errorf("two %s of id %q", name, id)
				}
				ids[name+id] = true
			}
			stack = append(stack, level{name: name})
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		}
	}
}

func repeat(d int64, n int, more ...int64) []int64 {
	out := make([]int64, n, n+len(more))
	for i := range out {
		out[i] = d
	}
	return append(out, more...)
}

// segments names them by number.
func segments(name string, t dash.Times) *dash.Segments {
	return &dash.Segments{Times: t, Init: name + "init.mp4", Before: name, After: ".mp4", Digits: 9, First: 1}
}

var (
	videoTimes = dash.Times{Timescale: 30000, Durations: repeat(120_120, 3, 45_045)} // 29.97 pictures a second
	audioTimes = dash.Times{Timescale: 48000, Durations: []int64{192_512, 191_488, 192_512, 72_704}}
)

func video(id string, width, height int, bandwidth int64) dash.Representation {
	return dash.Representation{
		ID: id, Kind: media.Video, MIMEType: "video/mp4", Codecs: "avc1.64001f", Bandwidth: bandwidth, Width: width, Height: height,
		FrameRate: media.Rational{Num: 30000, Den: 1001}, StartsWithSAP: 1, Segments: segments("film_"+id+"_", videoTimes),
	}
}

func audio(id, language string, channels int, bandwidth int64) dash.Representation {
	return dash.Representation{
		ID: id, Kind: media.Audio, MIMEType: "audio/mp4", Codecs: "mp4a.40.2", Bandwidth: bandwidth, SampleRate: 48000, Channels: channels, Language: language,
		StartsWithSAP: 1, Segments: segments("film_"+id+"_", audioTimes),
	}
}

func film() *dash.Manifest {
	return &dash.Manifest{Timelines: true, MinBufferTime: 30 * time.Second, Representations: []dash.Representation{
		video("720", 1280, 720, 3_000_000), video("480", 854, 480, 1_200_000), audio("eng", "en", 2, 128_000), audio("deu", "de", 2, 128_000),
	}}
}

func file(r dash.Representation) dash.Representation {
	times := r.Segments.Times
	r.Segments = nil
	r.File = &dash.File{Times: times, URI: "film_" + r.ID + ".mp4", Init: dash.ByteRange{Length: 800}, Index: dash.ByteRange{Offset: 800, Length: 92}}
	return r
}

func uuid(text string) cenc.UUID {
	u, err := cenc.ParseUUID(text)
	if err != nil {
		panic(err)
	}
	return u
}

var (
	widevine  = uuid("edef8ba9-79d6-4ace-a3c8-27dcd51d21ed")
	playReady = uuid("9a04f079-9840-4286-ab92-e65be0885f95")
	fairPlay  = uuid("94ce86fb-07ff-4f43-adb8-93d2fa968ca2")
)

func protect(scheme cenc.Scheme, key string) *dash.Protection {
	return &dash.Protection{Scheme: scheme, KeyID: uuid(key), Signals: []cenc.Signal{
		{System: widevine, PSSH: []byte("pssh of Widevine")},
		{System: playReady, PSSH: []byte("x"), ContentProtection: []byte(`<cenc:pssh>cHNzaA==</cenc:pssh><mspr:pro xmlns:mspr="urn:microsoft:playready">cHJv</mspr:pro>`)},
		{System: fairPlay},
	}}
}

func TestManifest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*dash.Manifest)
	}{
		{"basic-timelines", func(*dash.Manifest) {}},
		{"basic-durations", func(m *dash.Manifest) { m.Timelines = false }},
		{"basic-uneven", func(m *dash.Manifest) { // @duration would lead players astray
			m.Timelines = false
			m.Representations[0].Segments.Durations = []int64{120_120, 240_240, 15_015, 30_030}
		}},
		{"by-time", func(m *dash.Manifest) {
			m.Timelines = false
			for i := range m.Representations {
				s := m.Representations[i].Segments
				s.ByTime, s.Digits = true, 0
			}
		}},
		{"compact", func(m *dash.Manifest) {
			m.Style = dash.Compact
			m.Representations[1].Segments.Times = dash.Times{Timescale: 15000, Start: 7507, Offset: 0, Durations: repeat(60_060, 3, 22_522)}
			m.Representations[0].Segments.Offset, m.Representations[0].Segments.Start = 1001, 1001
		}},
		{"distinct", func(m *dash.Manifest) {
			m.Style = dash.Distinct
			slow := video("240", 426, 240, 300_000)
			slow.FrameRate = media.Rational{Num: 15000, Den: 1001}
			m.Representations = append(m.Representations, slow)
		}},
		{"full", func(m *dash.Manifest) { m.Style = dash.Full }},
		{"on-demand", func(m *dash.Manifest) {
			m.Profile, m.BaseURL, m.MinBufferTime = dash.OnDemand, "https://cdn.example/a&b/", 0
			for i := range m.Representations {
				m.Representations[i] = file(m.Representations[i])
			}
			m.Representations[0].File.Start, m.Representations[0].File.Offset = 2002, 2002
		}},
		{"main-single-file", func(m *dash.Manifest) {
			for i := range m.Representations {
				m.Representations[i] = file(m.Representations[i])
			}
		}},
		{"offset", func(m *dash.Manifest) {
			for _, r := range m.Representations[:2] {
				r.Segments.Start, r.Segments.Offset = 2002, 2002
			}
		}},
		{"cenc-shared", func(m *dash.Manifest) {
			for i := range m.Representations {
				m.Representations[i].Protection = protect(cenc.CENC, "00112233-4455-6677-8899-aabbccddeeff")
			}
		}},
		{"cbcs-keys", func(m *dash.Manifest) {
			m.Representations[0].Protection = protect(cenc.CBCS, "00000000-0000-0000-0000-000000000001")
			m.Representations[1].Protection = protect(cenc.CBCS, "00000000-0000-0000-0000-000000000002")
			m.Representations[2].Protection = protect(cenc.CBCS, "00000000-0000-0000-0000-000000000003")
			m.Representations[3].Protection = protect(cenc.CBCS, "00000000-0000-0000-0000-000000000003")
		}},
		{"accessible", func(m *dash.Manifest) {
			m.Representations[0].Captions608 = "CC1=eng"
			m.Representations[1].Captions608 = "CC1=eng"
			m.Representations[3].Default = true
			described := audio("dvs", "en", 2, 96_000)
			described.Described, described.Label = true, "English <described>"
			captions := dash.Representation{
				ID: "cc", Kind: media.Text, MIMEType: "application/mp4", Codecs: "wvtt", Bandwidth: 1000, Language: "en", Accessible: true, StartsWithSAP: 1,
				Segments: segments("film_cc_", dash.Times{Timescale: 1000, Durations: repeat(4004, 3, 1502)}),
			}
			forced := captions
			forced.ID, forced.Codecs, forced.Accessible, forced.Forced = "forced", "stpp.ttml.im1t", false, true
			sidecar := dash.Representation{ID: "vtt", Kind: media.Text, MIMEType: "text/vtt", Bandwidth: 256, Language: "de", Default: true, URI: "film deu.vtt"}
			m.Representations = append(m.Representations, described, captions, forced, sidecar)
		}},
		{"surround", func(m *dash.Manifest) {
			m.DolbyChannels = true
			for i, codec := range []string{"ac-3", "ec-3", "mp4a.40.2"} {
				a := audio("51-"+codec, "en", 6, 384_000-int64(i))
				a.Codecs = codec
				m.Representations = append(m.Representations, a)
			}
		}},
		{"events", func(m *dash.Manifest) {
			m.Representations[0].Events = []dash.EventStream{{"https://aomedia.org/emsg/ID3", ""}, {"urn:scte:scte35:2013:bin", "1"}}
			m.Representations[1].Events = m.Representations[0].Events
		}},
		{"trick", func(m *dash.Manifest) {
			fast := video("trick", 1280, 720, 400_000)
			fast.FrameRate, fast.TrickModeOf = media.Rational{Num: 1, Den: 2}, "720"
			m.Representations = append(m.Representations, fast, dash.Representation{
				ID: "tiles", MIMEType: "image/jpeg", Bandwidth: 12_000, Width: 3120, Height: 1760, Tiles: &dash.Tiles{Columns: 10, Rows: 10},
				Segments: &dash.Segments{Times: dash.Times{Timescale: 1000, Durations: []int64{13_514}}, Before: "film_tiles_", After: ".jpg", Digits: 9, First: 1},
			})
		}},
		{"hbbtv", func(m *dash.Manifest) { m.HbbTV = true }},
		{"anamorphic", func(m *dash.Manifest) {
			m.Representations = m.Representations[:1]
			r := &m.Representations[0]
			r.Width, r.Height, r.SampleAspectRatio, r.FrameRate, r.Interlaced = 720, 576, media.Rational{Num: 64, Den: 45}, media.Rational{Num: 50, Den: 2}, true
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := film()
			tt.change(m)
			text := encode(t, m)
			golden(t, tt.name, text)
			read(t, text, m)
		})
	}
}

// mpd is what another reader makes of the text, with the times as ISO/IEC 23009-1 has them inherited.
type mpd struct {
	Duration string `xml:"mediaPresentationDuration,attr"`
	Period   struct {
		Duration string `xml:"duration,attr"`
		Sets     []struct {
			Template template `xml:"SegmentTemplate"`
			Reps     []struct {
				ID       string   `xml:"id,attr"`
				Template template `xml:"SegmentTemplate"`
			} `xml:"Representation"`
		} `xml:"AdaptationSet"`
	} `xml:"Period"`
}

type template struct {
	Timescale *int64  `xml:"timescale,attr"`
	Offset    *int64  `xml:"presentationTimeOffset,attr"`
	Duration  int64   `xml:"duration,attr"`
	Number    *int    `xml:"startNumber,attr"`
	Media     string  `xml:"media,attr"`
	Init      string  `xml:"initialization,attr"`
	Timeline  *[]stag `xml:"SegmentTimeline>S"`
}

type stag struct {
	T *int64 `xml:"t,attr"`
	D int64  `xml:"d,attr"`
	R int    `xml:"r,attr"`
}

// read asks what a player would: which objects, when; and holds it to what was said.
func read(t *testing.T, text []byte, m *dash.Manifest) {
	t.Helper()
	var doc mpd
	if err := xml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Duration != doc.Period.Duration {
		t.Errorf("presentation %s, period %s", doc.Duration, doc.Period.Duration)
	}
	presentation := seconds(t, doc.Duration)
	said := map[string]*dash.Segments{}
	for i := range m.Representations {
		if s := m.Representations[i].Segments; s != nil {
			said[m.Representations[i].ID] = s
		}
	}
	for _, set := range doc.Period.Sets {
		for _, r := range set.Reps {
			want := said[r.ID]
			if want == nil {
				continue
			}
			delete(said, r.ID)
			own := r.Template
			if own.Timescale == nil {
				own.Timescale = set.Template.Timescale
			}
			if own.Offset == nil {
				own.Offset = set.Template.Offset
			}
			if own.Offset == nil {
				own.Offset = new(int64)
			}
			if own.Timeline == nil && own.Duration == 0 {
				own.Timeline = set.Template.Timeline
			}
			if *own.Timescale != int64(want.Timescale) || *own.Offset != want.Offset || own.Init != strings.ReplaceAll(want.Init, "$", "$$") {
				t.Errorf("%s: timescale %d, offset %d, init %s", r.ID, *own.Timescale, *own.Offset, own.Init)
			}
			var names, wantNames []string
			var at []int64
			if own.Timeline != nil {
				now := int64(0)
				for _, s := range *own.Timeline {
					if s.T != nil {
						now = *s.T
					}
					for range s.R + 1 {
						at = append(at, now)
						now += s.D
					}
				}
			} else {
				for i := int64(0); new(big.Rat).SetFrac64(i*own.Duration, *own.Timescale).Cmp(presentation) < 0; i++ {
					at = append(at, *own.Offset+i*own.Duration)
				}
			}
			for i := range at {
				number := 0
				if own.Number != nil {
					number = *own.Number + i
				}
				names = append(names, expand(own.Media, number, at[i]))
			}
			now := want.Start
			for i, d := range want.Durations {
				v := int64(want.First + i)
				if want.ByTime {
					v = now
				}
				wantNames = append(wantNames, fmt.Sprintf("%s%0*d%s", want.Before, max(1, want.Digits), v, want.After))
				if i < len(at) && (at[i]-now > d/2 || now-at[i] > d/2 || own.Timeline != nil && at[i] != now) {
					t.Errorf("%s: segment %d is said to begin at %d, and begins at %d", r.ID, i, at[i], now)
				}
				now += d
			}
			if diff := cmp.Diff(wantNames, names); diff != "" {
				t.Errorf("%s: objects (-want +got):\n%s", r.ID, diff)
			}
		}
	}
	for id := range said {
		t.Errorf("%s is not in the MPD", id)
	}
}

var variable = regexp.MustCompile(`\$(Number|Time)(?:%0(\d+)d)?\$|\$\$`)

func expand(media string, number int, at int64) string {
	return variable.ReplaceAllStringFunc(media, func(s string) string {
		if s == "$$" {
			return "$"
		}
		m := variable.FindStringSubmatch(s)
		v := int64(number)
		if m[1] == "Time" {
			v = at
		}
		width, _ := strconv.Atoi(m[2])
		return fmt.Sprintf("%0*d", width, v)
	})
}

var isoDuration = regexp.MustCompile(`^PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?$`)

// seconds reads an xs:duration exactly.
func seconds(t *testing.T, text string) *big.Rat {
	t.Helper()
	m := isoDuration.FindStringSubmatch(text)
	if m == nil || text == "PT" {
		t.Fatalf("%q is no duration", text)
	}
	sum := new(big.Rat)
	for i, factor := range []int64{3600, 60, 1} {
		if m[i+1] == "" {
			continue
		}
		v, ok := new(big.Rat).SetString(m[i+1])
		if !ok {
			t.Fatalf("%q is no duration", text)
		}
		sum.Add(sum, v.Mul(v, new(big.Rat).SetInt64(factor)))
	}
	return sum
}

// TestDuration holds the duration stated to the ticks, to the nanosecond, up to a day of odd frame rates.
func TestDuration(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		timescale uint32
		frame     int64 // ticks
		frames    int64
	}{
		{"one frame of 25", 25, 1, 1},
		{"29.97, an hour", 30000, 1001, 107_892},
		{"23.976, a day", 24000, 1001, 2_071_528},
		{"59.94, a day in ticks of 90 kHz", 90000, 1501, 5_178_821},
		{"a day in ticks of 10 MHz", 10_000_000, 333_333, 2_592_003},
		{"a minute", 1000, 1000, 60},
		{"an hour", 1, 3600, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := film()
			m.Representations = m.Representations[:1]
			per := max(1, tt.frames/1000)
			cut := repeat(per*tt.frame, int(tt.frames/per))
			if rest := tt.frames % per; rest > 0 {
				cut = append(cut, rest*tt.frame)
			}
			m.Representations[0].Segments.Times = dash.Times{Timescale: tt.timescale, Durations: cut}
			text := encode(t, m)
			read(t, text, m)
			var doc mpd
			if err := xml.Unmarshal(text, &doc); err != nil {
				t.Fatal(err)
			}
			off := new(big.Rat).Sub(seconds(t, doc.Duration), new(big.Rat).SetFrac64(tt.frame*tt.frames, int64(tt.timescale)))
			if off.Abs(off).Cmp(new(big.Rat).SetFrac64(1, 2_000_000_000)) > 0 {
				t.Errorf("%s is off by %s s", doc.Duration, off.FloatString(12))
			}
		})
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	signal := func(inner string) func(*dash.Manifest) {
		return func(m *dash.Manifest) {
			m.Representations[0].Protection = &dash.Protection{
				Scheme: cenc.CENC, KeyID: uuid("00112233-4455-6677-8899-aabbccddeeff"),
				Signals: []cenc.Signal{{System: widevine, ContentProtection: []byte(inner)}},
			}
		}
	}
	for _, tt := range []struct {
		name   string
		change func(*dash.Manifest)
		err    string // part of it
	}{
		{"nothing", func(m *dash.Manifest) { m.Representations = nil }, "an MPD of nothing"},
		{"two of a name", func(m *dash.Manifest) { m.Representations[1].ID = "720" }, `"720": there are two of that name`},
		{"name with a space", func(m *dash.Manifest) { m.Representations[1].ID = "a b" }, "white space"},
		{"no name", func(m *dash.Manifest) { m.Representations[1].ID = "" }, "the name is empty"},
		{"no bandwidth", func(m *dash.Manifest) { m.Representations[0].Bandwidth = 0 }, "a bandwidth of 0 bit/s"},
		{"no language", func(m *dash.Manifest) { m.Representations[2].Language = `en" x="` }, "is no language of RFC 5646"},
		{"captions of nothing", func(m *dash.Manifest) { m.Representations[0].Captions608 = "CC9" }, "names no captions"},
		{"no segments", func(m *dash.Manifest) { m.Representations[0].Segments.Durations = nil }, "no segments"},
		{"a segment of no length", func(m *dash.Manifest) { m.Representations[0].Segments.Durations = []int64{1, 0} }, "segment 2 lasts 0 ticks"},
		{"no timescale", func(m *dash.Manifest) { m.Representations[0].Segments.Timescale = 0 }, "no timescale"},
		{"before the beginning", func(m *dash.Manifest) { m.Representations[0].Segments.Start = -5 }, "neither may be negative"},
		{"past the end of time", func(m *dash.Manifest) { m.Representations[0].Segments.Durations = []int64{1 << 62, 1 << 62} }, "too great"},
		{"nowhere", func(m *dash.Manifest) { m.Representations[0].Segments = nil }, "its media are in 0 places"},
		{"in two places", func(m *dash.Manifest) { m.Representations[0].URI = "x" }, "its media are in 2 places"},
		{"segments on demand", func(m *dash.Manifest) { m.Profile = dash.OnDemand }, "the on-demand profile has one file"},
		{"no kind", func(m *dash.Manifest) { m.Representations[0].Kind = 0 }, "images have tiles"},
		{"no MIME type", func(m *dash.Manifest) { m.Representations[0].MIMEType = "" }, "no MIME type"},
		{"protected by nothing", func(m *dash.Manifest) { m.Representations[0].Protection = &dash.Protection{} }, "protected by no scheme"},
		{"protected without key", func(m *dash.Manifest) { m.Representations[0].Protection = &dash.Protection{Scheme: cenc.CBCS} }, "protected by no key"},
		{"fast forward of nothing", func(m *dash.Manifest) { m.Representations[1].TrickModeOf = "x" }, `fast forward of "x"`},
		{"fast forward of itself", func(m *dash.Manifest) { m.Representations[1].TrickModeOf = "480" }, `fast forward of "480"`},
		{"fast forward of sound", func(m *dash.Manifest) { m.Representations[1].TrickModeOf = "eng" }, `fast forward of "eng"`},
		{"XML that ends the element", signal(`</ContentProtection><ContentProtection>`), "not well-formed"},
		{"XML that balances outside", signal(`</x><x xmlns="a:b">`), "it ends an element that it did not begin"},
		{"XML that does not end", signal(`<cenc:pssh>`), "not well-formed"},
		{"an open comment", signal(`<!-- `), "not well-formed"},
		{"an open CDATA", signal(`<![CDATA[ `), "not well-formed"},
		{"a document type", signal(`<!DOCTYPE x [<!ENTITY a "b">]>`), "a document type"},
		{"an entity", signal(`<cenc:pssh>&a;</cenc:pssh>`), "not well-formed"},
		{"a processing instruction", signal(`<?x y?>`), "processing instruction"},
		{"a prefix of nobody", signal(`<foo:pssh>AAAA</foo:pssh>`), `the prefix "foo" is not declared`},
		{"a prefix of nobody in an attribute", signal(`<cenc:pssh foo:a="b"/>`), `the prefix "foo" is not declared`},
		{"bytes that are no text", signal("<cenc:pssh>\xff</cenc:pssh>"), "not well-formed"},
		{"too much", signal(strings.Repeat(" ", 64<<10+1)), "it is longer than"},
		{"HbbTV without video", func(m *dash.Manifest) { m.HbbTV, m.Representations = true, m.Representations[2:] }, "HbbTV 1.5: no video"},
		{"HbbTV with HEVC", func(m *dash.Manifest) { m.HbbTV, m.Representations[0].Codecs = true, "hvc1.2.4.L120.B0" }, "only AVC is allowed"},
		{"HbbTV without size", func(m *dash.Manifest) { m.HbbTV, m.Representations[0].Width = true, 0 }, "no size or no frame rate"},
		{"HbbTV with open groups", func(m *dash.Manifest) { m.HbbTV, m.Representations[0].StartsWithSAP = true, 3 }, "type 1 or 2"},
		{"HbbTV with Opus", func(m *dash.Manifest) { m.HbbTV, m.Representations[2].Codecs = true, "opus" }, "only AAC, AC-3 and E-AC-3"},
		{"HbbTV, long segments", func(m *dash.Manifest) {
			m.HbbTV = true
			m.Representations[0].Segments.Durations = []int64{16 * 30000, 1}
		}, "segment 1 of representation \"720\" lasts 16s"},
		{"HbbTV, short segments", func(m *dash.Manifest) {
			m.HbbTV = true
			m.Representations[0].Segments.Durations = []int64{15000, 1}
		}, "lasts 500ms"},
		{"HbbTV, many sets", func(m *dash.Manifest) {
			m.HbbTV = true
			for i := range 17 {
				m.Representations = append(m.Representations, audio(fmt.Sprintf("a%d", i), fmt.Sprintf("x-%d", i), 2, 1000))
			}
		}, "at most 16 are allowed"},
		{"HbbTV, many qualities", func(m *dash.Manifest) {
			m.HbbTV = true
			for i := range 17 {
				m.Representations = append(m.Representations, video(fmt.Sprintf("v%d", i), 640, 360, 1000))
			}
		}, "at most 16 are allowed"},
		{"HbbTV, long", func(m *dash.Manifest) {
			m.HbbTV = true
			cut := repeat(60_000, 4000)
			for i := range cut {
				cut[i] += int64(i % 2)
			}
			m.Representations[0].Segments.Durations = cut
		}, "the MPD is of"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := film()
			tt.change(m)
			text, err := m.Encode()
			if err == nil || !strings.Contains(err.Error(), tt.err) || text != nil {
				t.Errorf("got %d bytes and %v, want %s", len(text), err, tt.err)
			}
		})
	}
}

// count is how many elements a text has, and whether it has anything else that a reader would act on.
func count(t *testing.T, text []byte) int {
	t.Helper()
	n := 0
	for d := xml.NewDecoder(bytes.NewReader(text)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		switch token.(type) {
		case xml.StartElement:
			n++
		case xml.Comment, xml.Directive:
			t.Errorf("%T in\n%s", token, text)
		}
	}
}

// FuzzText says that no text of users makes or hides elements, and that references stay references.
func FuzzText(f *testing.F) {
	f.Add("English", "film_", "https://cdn.example/", "id")
	f.Add(`"/><Period/>`, "a$Number$b", "<!--", "$Bandwidth$")
	f.Add("]]>", "$", "\x00\n#", "\xff")
	f.Fuzz(func(t *testing.T, label, name, base, id string) {
		m := film()
		plain, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		label, base = label+"x", base+"x" // empty ones have no element
		m.Representations[0].Label, m.Representations[1].Label = label, label
		m.Representations[0].Segments.Before, m.Representations[0].ID, m.BaseURL = name, id, base
		text, err := m.Encode()
		if err != nil {
			return // only the identifier can be refused
		}
		// A Label and a BaseURL, and sets of their own for representations that are no kin any more.
		if got, want := count(t, text), count(t, plain)+2; got != want {
			t.Errorf("%d elements, want %d in\n%s", got, want, text)
		}
		var doc mpd
		if err := xml.Unmarshal(text, &doc); err != nil {
			t.Fatal(err)
		}
		media := doc.Period.Sets[0].Reps[0].Template.Media
		if strings.Count(media, "$")%2 != 0 || !strings.HasSuffix(expand(media, 7, 0), "000000007.mp4") {
			t.Errorf("the template is %q", media)
		}
	})
}

// FuzzInner says that what is taken in of a key server does not break out.
func FuzzInner(f *testing.F) {
	f.Add([]byte(`<cenc:pssh>AAAA</cenc:pssh>`))
	f.Add([]byte(`</x><x>`))
	f.Add([]byte(`<pssh xmlns="urn:mpeg:cenc:2013">AAAA</pssh><!-- -->`))
	f.Add([]byte(`<a:b xmlns:a="x:y" a:c="d"/>`))
	f.Fuzz(func(t *testing.T, inner []byte) {
		m := film()
		m.Representations = m.Representations[:1]
		m.Representations[0].Protection = &dash.Protection{
			Scheme: cenc.CENC, KeyID: uuid("00112233-4455-6677-8899-aabbccddeeff"), Signals: []cenc.Signal{{System: widevine, ContentProtection: inner}},
		}
		text, err := m.Encode()
		if err != nil {
			return
		}
		var doc struct {
			Period struct {
				Sets []struct {
					Protection []struct {
						Scheme string `xml:"schemeIdUri,attr"`
					} `xml:"ContentProtection"`
					Reps []struct{} `xml:"Representation"`
				} `xml:"AdaptationSet"`
			} `xml:"Period"`
		}
		if err := xml.Unmarshal(text, &doc); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if len(doc.Period.Sets) != 1 || len(doc.Period.Sets[0].Reps) != 1 || len(doc.Period.Sets[0].Protection) > 2 {
			t.Errorf("%+v in\n%s", doc, text)
		}
	})
}
