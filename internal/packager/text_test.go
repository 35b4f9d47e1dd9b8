package packager

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/caption"
	"darkroom/internal/cenc"
	"darkroom/internal/cmaf"
	"darkroom/internal/plan"
	"darkroom/internal/secret"
)

// said are captions from 0.5 s to 1.5 s, across the segment boundary at 2 s, in the last segment and beyond the end of a film of 7 s, in italics and at the top.
func said(t testing.TB) map[string][]caption.Cue {
	t.Helper()
	cues, err := caption.Parse([]byte("1\n00:00:00,500 --> 00:00:01,500\n<i>one</i>\n\n2\n00:00:01,800 --> 00:00:04,200\n{\\an8}two\n\n3\n00:00:06,500 --> 00:00:30,000\nthree\n\n4\n00:00:06,500 --> 00:00:30,000\nfour\n\n5\n00:00:31,000 --> 00:00:32,000\nfive\n"), caption.SubRip)
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]caption.Cue{"c0": cues}
}

// sevenSeconds is a film whose segments of 2 s begin at 0, 2, 4 and, joined to what is left, 6.
func sevenSeconds(t testing.TB) map[string][]byte {
	return encodeOnce(t, "-f lavfi -i testsrc2=s=160x90:r=25:d=7 -f lavfi -i sine=d=7:r=48000",
		stream{"v0", "-map 0:v " + videoArgs + keyEvery("2")}, stream{"a0", "-map 1:a " + audioArgs})
}

// subtitled is a plan of one group of pictures, sound and captions.
func subtitled(g plan.StreamGroup) *plan.Plan {
	return &plan.Plan{Renditions: []plan.Rendition{video("v0", true), audio("a0")}, Streams: []plan.StreamGroup{g}, Duration: 7 * time.Second}
}

func captions(name string, format plan.SegmentFormat, o plan.TextOptions) plan.Representation {
	r := plan.Representation{Output: 2, Format: format, Text: "c0", Captions: o, Segments: loc(name + "_"), Digits: 5, First: 1, Key: -1}
	r.Attributes = plan.Attributes{GroupID: "subs", Name: "English", Language: "eng", Default: true, AutoSelect: true}
	return r
}

// hlsCaptions is an HLS group with captions in segments of text.
func hlsCaptions(o plan.TextOptions) plan.StreamGroup {
	o.Format = caption.WebVTT
	c := captions("film_c", plan.VTTSegments, o)
	c.Playlist, c.Extension = loc("film_c.m3u8"), ".vtt"
	if o.Whole {
		c.Segments = loc("film_c")
	}
	return hlsGroup("film", 1, variant("film_v", 0, "", "v0", "a0"), c)
}

// starts are the texts of the captions of a segment of text, and when they begin.
func starts(t testing.TB, text []byte) string {
	t.Helper()
	cues, err := caption.Parse(text, caption.WebVTT)
	if err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	var all []string
	for _, c := range cues {
		all = append(all, fmt.Sprintf("%s %d-%d", c.Lines[0][0].Text, c.Start.Milliseconds(), c.End.Milliseconds()))
	}
	return strings.Join(all, ", ")
}

func TestTextSegments(t *testing.T) {
	t.Parallel()
	made := sevenSeconds(t)
	for _, tt := range []struct {
		name    string
		options plan.TextOptions
		final   time.Duration // the least length of the last segment
		names   []string
		lengths []time.Duration
		cues    []string
	}{
		{
			"as the pictures",
			plan.TextOptions{},
			0,
			[]string{"film_c_00001.vtt", "film_c_00002.vtt", "film_c_00003.vtt", "film_c_00004.vtt"},
			[]time.Duration{2, 2, 2, 1},
			[]string{"one 500-1500, two 1800-4200", "two 1800-4200", "two 1800-4200", "three 6500-7000, four 6500-7000"},
		},
		{
			"the last segment is joined",
			plan.TextOptions{},
			1500 * time.Millisecond,
			[]string{"film_c_00001.vtt", "film_c_00002.vtt", "film_c_00003.vtt"},
			[]time.Duration{2, 2, 3},
			[]string{"one 500-1500, two 1800-4200", "two 1800-4200", "two 1800-4200, three 6500-7000, four 6500-7000"},
		},
		{
			"long segments",
			plan.TextOptions{Length: 5 * time.Second},
			0,
			[]string{"film_c_00001.vtt", "film_c_00002.vtt"},
			[]time.Duration{5, 2},
			[]string{"one 500-1500, two 1800-4200", "three 6500-7000, four 6500-7000"},
		},
		{
			"one segment, merged",
			plan.TextOptions{Whole: true, Merged: true},
			0,
			[]string{"film_c.vtt"},
			[]time.Duration{7},
			[]string{"one 500-1500, two 1800-4200, three 6500-7000"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			p := subtitled(hlsCaptions(tt.options))
			p.Streams[0].Cut.MinimumFinal = tt.final
			rep, err := Run(t.Context(), p, readers(made), m, Options{Captions: said(t)})
			if err != nil {
				t.Fatal(err)
			}
			list := string(m.objects["s3://b/film_c.m3u8"])
			var got []string
			for l := range strings.Lines(list) {
				if !strings.HasPrefix(l, "#") {
					got = append(got, strings.TrimSpace(l))
				}
			}
			if d := cmp.Diff(tt.names, got); d != "" {
				t.Errorf("segments (-want +got):\n%s", d)
			}
			for i, name := range got {
				text := m.objects["s3://b/"+name]
				if !bytes.HasPrefix(text, []byte("WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:900000\n")) || m.types["s3://b/"+name] != "text/vtt" {
					t.Errorf("%s begins with %.80q and is %s", name, text, m.types["s3://b/"+name])
				}
				if got := starts(t, text); got != tt.cues[i] {
					t.Errorf("%s: got %s, want %s", name, got, tt.cues[i])
				}
			}
			o := rep.Outputs[slices.IndexFunc(rep.Outputs, func(o Output) bool { return o.Output == 2 })]
			if len(o.SegmentDurations) != len(tt.lengths) || o.Paths[0] != loc("film_c.m3u8") {
				t.Fatalf("output %+v", o)
			}
			for i, d := range o.SegmentDurations {
				if d = (d - tt.lengths[i]*time.Second).Abs(); d > 50*time.Millisecond { // sound goes on by a part of a frame
					t.Errorf("segment %d: %v, want %v s", i, o.SegmentDurations[i], tt.lengths[i])
				}
			}
			if all := string(m.objects["s3://b/film.m3u8"]); !strings.Contains(all, `#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="subs",NAME="English",LANGUAGE="eng",DEFAULT=YES,AUTOSELECT=YES,FORCED=NO,URI="film_c.m3u8"`) ||
				!strings.Contains(all, `,SUBTITLES="subs"`) || strings.Contains(all, "wvtt") {
				t.Errorf("the multivariant playlist:\n%s", all)
			}
		})
	}
}

// TestTextStaysClear: the text of captions is not encrypted, and their playlist names no key.
func TestTextStaysClear(t *testing.T) {
	t.Parallel()
	made := sevenSeconds(t)
	p := subtitled(hlsCaptions(plan.TextOptions{Styled: true}))
	g := &p.Streams[0]
	g.Encryption = &plan.ContentEncryption{Method: plan.AES128, Keys: []plan.KeyUse{{Track: "ALL"}}, Static: &plan.StaticSignal{URL: "https://keys.example/k"}}
	g.Representations[0].Key = 0
	m := newMemory()
	keys := map[int][]cenc.Protection{1: {{Key: cenc.Key{ID: cenc.UUID{1}, Value: secret.New(bytes.Repeat([]byte{7}, 16))}}}}
	if _, err := Run(t.Context(), p, readers(made), m, Options{Captions: said(t), Keys: keys}); err != nil {
		t.Fatal(err)
	}
	if list := string(m.objects["s3://b/film_v.m3u8"]); !strings.Contains(list, "#EXT-X-KEY:METHOD=AES-128") {
		t.Fatalf("the pictures are clear:\n%s", list)
	}
	if list := string(m.objects["s3://b/film_c.m3u8"]); strings.Contains(list, "EXT-X-KEY") {
		t.Errorf("a key for captions:\n%s", list)
	}
	if text := string(m.objects["s3://b/film_c_00001.vtt"]); !strings.Contains(text, "line:5%\ntwo\n") || !strings.Contains(text, "<i>one</i>") {
		t.Errorf("captions:\n%s", text)
	}
}

// dashCaptions is a DASH group with captions of a format.
func dashCaptions(single, byTime bool, c plan.Representation) plan.StreamGroup {
	v := plan.Representation{Format: plan.FragmentedMP4, Video: "v0", Segments: loc("v_"), Init: loc("v_init.mp4"), Digits: 9, First: 1, Extension: ".mp4", Key: -1, FrameRate: ntsc}
	a := v
	a.Output, a.Video, a.Audio, a.Segments, a.Init = 1, "", []string{"a0"}, loc("a_"), loc("a_init.mp4")
	c.Digits, c.ByTime, v.ByTime, a.ByTime = 9, byTime, byTime, byTime
	if single {
		v.Segments, a.Segments = loc("v"), loc("a")
	}
	return plan.StreamGroup{
		Kind: plan.DASH, Group: 1, SingleFile: single, Cut: plan.Cut{Length: 2 * time.Second}, Representations: []plan.Representation{v, a, c},
		DASH: []plan.DASHManifest{{Location: loc("film.mpd"), Representations: []int{0, 1, 2}, Style: plan.FullStyle}},
	}
}

// track reads the samples of a track of captions, which have no gaps, and returns how long it is and the texts in it.
func track(t testing.TB, file []byte) (end int64, samples int) {
	t.Helper()
	r := cmaf.NewReader(bytes.NewReader(file))
	if _, err := r.Track(); err != nil {
		t.Fatal(err)
	}
	for {
		batch, err := r.Next()
		if err != nil {
			return end, samples
		}
		for _, s := range batch {
			if s.DecodeTime != end {
				t.Errorf("a sample at %d behind one that ends at %d", s.DecodeTime, end)
			}
			end, samples = s.DecodeTime+int64(s.Duration), samples+1
		}
	}
}

func TestTextInFragmentedMP4(t *testing.T) {
	t.Parallel()
	made := sevenSeconds(t)
	for _, tt := range []struct {
		name           string
		format         caption.Format
		single, byTime bool
		objects        []string
		samples        int
		mpd            string
	}{
		{"wvtt", caption.WebVTT, false, false, []string{"c_init.mp4", "c_000000001.mp4", "c_000000002.mp4", "c_000000003.mp4", "c_000000004.mp4"}, 9, `codecs="wvtt"`},
		{"stpp by time", caption.TTML, false, true, []string{"c_init.mp4", "c_0.mp4", "c_2000.mp4", "c_4000.mp4", "c_6000.mp4"}, 4, `media="c_$Time$.mp4"`},
		{"IMSC in a single file", caption.IMSC, true, false, []string{"c.mp4"}, 4, `codecs="stpp.ttml.im1t"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := captions("c", plan.FragmentedMP4, plan.TextOptions{Format: tt.format})
			c.Init, c.Extension = loc("c_init.mp4"), ".mp4"
			if tt.single {
				c.Segments, c.Init = loc("c"), plan.Location{}
			}
			m := newMemory()
			if _, err := Run(t.Context(), subtitled(dashCaptions(tt.single, tt.byTime, c)), readers(made), m, Options{Captions: said(t)}); err != nil {
				t.Fatal(err)
			}
			var file []byte
			for _, name := range tt.objects {
				o, there := m.objects["s3://b/"+name]
				if !there || m.types["s3://b/"+name] != "application/mp4" {
					t.Fatalf("%s is %q", name, m.types["s3://b/"+name])
				}
				file = append(file, o...)
			}
			if end, n := track(t, file); end != 7000 || n != tt.samples {
				t.Errorf("%d samples end at %d ms, want %d at 7000", n, end, tt.samples)
			}
			for name := range m.objects {
				if strings.HasPrefix(name, "s3://b/c") && !slices.Contains(tt.objects, strings.TrimPrefix(name, "s3://b/")) {
					t.Errorf("%s was written, too", name)
				}
			}
			mpd := string(m.objects["s3://b/film.mpd"])
			if !strings.Contains(mpd, tt.mpd) || !strings.Contains(mpd, `contentType="text" mimeType="application/mp4" lang="eng"`) {
				t.Errorf("the MPD lacks %s:\n%s", tt.mpd, mpd)
			}
			if !tt.single && !strings.Contains(mpd, `<S t="0" d="2000" r="2"></S>`) {
				t.Errorf("the timeline of captions:\n%s", mpd)
			}
		})
	}
}

// TestTextFiles: captions beside, in an MPD and in a file group.
func TestTextFiles(t *testing.T) {
	t.Parallel()
	made := sevenSeconds(t)
	c := captions("", plan.TextFile, plan.TextOptions{Format: caption.TTML})
	c.Segments, c.Extension = loc("film_c"), ".ttml"
	p := subtitled(dashCaptions(false, false, c))
	p.Sidecars = []plan.Sidecar{
		{Location: loc("file/c.srt"), Text: "c0", Captions: plan.TextOptions{Format: caption.SubRip, Styled: true}, Group: 2},
		{Location: loc("file/c.xml"), Text: "c0", Captions: plan.TextOptions{Format: caption.IMSC}, Language: "en", Group: 2, Output: 1},
	}
	m := newMemory()
	rep, err := Run(t.Context(), p, readers(made), m, Options{Captions: said(t)})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct {
		contentType string
		format      caption.Format
	}{"film_c.ttml": {"application/ttml+xml", caption.TTML}, "file/c.srt": {"application/x-subrip", caption.SubRip}, "file/c.xml": {"application/ttml+xml", caption.IMSC}} {
		cues, err := caption.Parse(m.objects["s3://b/"+name], want.format)
		if err != nil || len(cues) != 4 || cues[3].End != 7*time.Second || m.types["s3://b/"+name] != want.contentType {
			t.Errorf("%s is %s and holds %d captions: %v", name, m.types["s3://b/"+name], len(cues), err)
		}
	}
	if mpd := string(m.objects["s3://b/film.mpd"]); !strings.Contains(mpd, "<BaseURL>film_c.ttml</BaseURL>") || !strings.Contains(mpd, `mimeType="application/ttml+xml"`) {
		t.Errorf("the MPD:\n%s", mpd)
	}
	last := rep.Outputs[len(rep.Outputs)-1]
	if last.Group != 2 || last.Output != 1 || last.Duration != 7*time.Second || !slices.Equal(last.Paths, []plan.Location{loc("file/c.xml")}) {
		t.Errorf("report %+v", last)
	}
}

// TestSmoothText: captions of Smooth Streaming are a file of their own, and a stream of the manifests.
func TestSmoothText(t *testing.T) {
	t.Parallel()
	made := sevenSeconds(t)
	v := plan.Representation{Format: plan.PIFF, Video: "v0", SmoothFile: loc("film_v.ismv"), Key: -1, FrameRate: ntsc}
	c := captions("", plan.PIFF, plan.TextOptions{Format: caption.TTML})
	c.SmoothFile, c.Segments = loc("film_c.ismt"), plan.Location{}
	p := subtitled(plan.StreamGroup{
		Kind: plan.Smooth, Group: 1, Cut: plan.Cut{Length: 2 * time.Second}, Representations: []plan.Representation{v, c},
		Smooth: []plan.SmoothManifest{{Client: loc("film.ismc"), Server: loc("film.ism"), Representations: []int{0, 1}}},
	})
	p.Renditions = p.Renditions[:1]
	m := newMemory()
	if _, err := Run(t.Context(), p, readers(map[string][]byte{"v0": made["v0"]}), m, Options{Captions: said(t)}); err != nil {
		t.Fatal(err)
	}
	if end, n := track(t, m.objects["s3://b/film_c.ismt"]); end != 70_000_000 || n != 4 {
		t.Errorf("%d samples end at %d", n, end)
	}
	client := string(m.objects["s3://b/film.ismc"])
	for _, want := range []string{`Type="text" Subtype="SUBT" Name="text_eng" Language="eng"`, `FourCC="TTML"`, `<c t="0" d="20000000">`, `<c d="10000000">`} {
		if !strings.Contains(client, want) {
			t.Errorf("the client manifest lacks %s:\n%s", want, client)
		}
	}
	if server := string(m.objects["s3://b/film.ism"]); !strings.Contains(server, `<textstream src="film_c.ismt"`) {
		t.Errorf("the server manifest:\n%s", server)
	}
}

// TestTextGroups: captions of two formats are two groups of captions, and each variant is there for each, with what it asks of the network.
func TestTextGroups(t *testing.T) {
	t.Parallel()
	made := sevenSeconds(t)
	g := hlsCaptions(plan.TextOptions{})
	g.Kind = plan.CMAF
	i := captions("film_i", plan.FragmentedMP4, plan.TextOptions{Format: caption.IMSC})
	i.Playlist, i.Init, i.Extension, i.GroupID, i.Output, i.Accessible = loc("film_i.m3u8"), loc("film_i_init.cmft"), ".cmft", "imsc", 3, true
	v := &g.Representations[0]
	v.Format, v.Audio, v.Init, v.Extension = plan.FragmentedMP4, nil, loc("film_v_init.cmfv"), ".cmfv"
	g.Representations, g.HLS[0].Representations = append(g.Representations, i), append(g.HLS[0].Representations, 2)
	p := subtitled(g)
	p.Renditions = p.Renditions[:1]
	m := newMemory()
	if _, err := Run(t.Context(), p, readers(map[string][]byte{"v0": made["v0"]}), m, Options{Captions: said(t)}); err != nil {
		t.Fatal(err)
	}
	list := master(t, m, "s3://b/film.m3u8")
	if len(list.Variants) != 2 {
		t.Fatalf("%d variants:\n%s", len(list.Variants), m.objects["s3://b/film.m3u8"])
	}
	vtt, imsc := list.Variants[0], list.Variants[1]
	if vtt.Subtitles != "subs" || strings.Contains(vtt.Codecs, "stpp") || imsc.Subtitles != "imsc" || !strings.HasSuffix(imsc.Codecs, ",stpp.ttml.im1t") || vtt.URI != imsc.URI {
		t.Errorf("variants %+v and %+v", vtt, imsc)
	}
	peak, _ := rates(t, m, "", "film_v.m3u8")
	text, _ := rates(t, m, "", "film_i.m3u8")
	if float64(imsc.Bandwidth) < peak+text-2 || imsc.Bandwidth <= vtt.Bandwidth {
		t.Errorf("bandwidth %d with IMSC and %d with WebVTT, want at least %.0f", imsc.Bandwidth, vtt.Bandwidth, peak+text)
	}
	// In fragmented MP4 the presentation begins at 0.
	if text := m.objects["s3://b/film_c_00001.vtt"]; !bytes.Contains(text, []byte(",MPEGTS:0\n")) {
		t.Errorf("segment %s", text)
	}
	if !strings.Contains(string(m.objects["s3://b/film.m3u8"]), `CHARACTERISTICS="public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound",URI="film_i.m3u8"`) {
		t.Errorf("the multivariant playlist:\n%s", m.objects["s3://b/film.m3u8"])
	}
}

// TestTextThatIsNotThere: without its captions nothing of a plan is begun.
func TestTextThatIsNotThere(t *testing.T) {
	t.Parallel()
	made := sevenSeconds(t)
	files := &plan.Plan{Renditions: []plan.Rendition{video("v0", true), audio("a0")}, Files: []plan.File{{Location: loc("f.mp4"), Video: "v0", Audio: []string{"a0"}}}, Sidecars: []plan.Sidecar{{Location: loc("f.srt"), Text: "c0"}}}
	for name, p := range map[string]*plan.Plan{"segments": subtitled(hlsCaptions(plan.TextOptions{})), "file": files} {
		m := newMemory()
		_, err := Run(t.Context(), p, readers(made), m, Options{Captions: map[string][]caption.Cue{"c1": nil}})
		if !errors.Is(err, errNoCaptions) || len(m.objects) > 0 {
			t.Errorf("%s: %v, and %d objects", name, err, len(m.objects))
		}
	}
	// A file without captions is no fault.
	m := newMemory()
	if _, err := Run(t.Context(), subtitled(hlsCaptions(plan.TextOptions{})), readers(made), m, Options{Captions: map[string][]caption.Cue{"c0": nil}}); err != nil {
		t.Fatal(err)
	}
	if text := string(m.objects["s3://b/film_c_00004.vtt"]); text != "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:900000\n" {
		t.Errorf("a segment without captions: %q", text)
	}
}

// TestTextWaitsForTheEncoder: captions, too, are not written when the encoder fails.
func TestTextWaitsForTheEncoder(t *testing.T) {
	t.Parallel()
	made := sevenSeconds(t)
	m := newMemory()
	broken := errors.New("the encoder broke")
	_, err := Run(t.Context(), subtitled(hlsCaptions(plan.TextOptions{})), readers(made), m, Options{Captions: said(t), Ended: func(context.Context) error { return broken }})
	if !errors.Is(err, broken) {
		t.Fatal(err)
	}
	for name := range m.objects {
		if strings.Contains(name, "_c") || strings.HasSuffix(name, ".m3u8") {
			t.Errorf("%s was written", name)
		}
	}
}
