package plan

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/job"
	"darkroom/internal/media"
)

// packaged is an HLS package whose variant has pictures alone, and four renditions of sound, all looked into.
func packaged() *Probe {
	p := film()
	p.Demuxer, p.Streams, p.Start = "mpegts", p.Streams[:1], 10*time.Second
	p.HLS = &HLSProbe{AudioGroup: "lo", Audio: []HLSAudioProbe{
		{GroupID: "lo", Name: "Kommentar", Language: "fr", File: 3, Demuxer: "mpegts", Start: 10*time.Second - 80*time.Millisecond},
		{GroupID: "lo", Name: "English", Language: "en", Default: true, File: 1, Demuxer: "aac", Start: 10*time.Second + 20*time.Millisecond},
		{GroupID: "hi", Name: "Deutsch", Language: "ger", File: 2, Demuxer: "mpegts", Start: 10 * time.Second},
		{GroupID: "top", Name: "Deutsch, laut", Language: "de-AT", File: 4, Demuxer: "mov", Start: 10 * time.Second},
	}}
	for _, file := range []int{1, 2, 3, 4} {
		p.Streams = append(p.Streams, Stream{File: file, Kind: media.Audio, Codec: "aac", Decodable: true, SampleRate: 48000, Channels: 2})
	}
	return p
}

func withSelectors(selectors string) string {
	return strings.Replace(strings.Replace(inPackage, "HOLE", `,"audioSelectors":{`+selectors+`}`, 1), `"audioDescriptions":[{`, `"audioDescriptions":[{"audioSourceName":"a",`, 1)
}

func TestRenditions(t *testing.T) {
	t.Parallel()
	rendition := func(members string) string {
		return `"a":{"selectorType":"HLS_RENDITION_GROUP","hlsRenditionGroupSettings":{` + members + `}}`
	}
	for _, c := range []struct {
		name, selectors string
		muxed           bool
		wanted          []int
		file            int // that the sound is from
		code            int
	}{
		{"nothing is the default of the variant's group", `"a":{}`, false, []int{1}, 1, 0},
		{"nothing is the sound in the segments", `"a":{}`, true, nil, 0, 0},
		{"no settings are as nothing", rendition(``), false, []int{1}, 1, 0},
		{"no settings are the sound in the segments", rendition(``), true, nil, 0, 0},
		{"group", rendition(`"renditionGroupId":"hi"`), true, []int{2}, 2, 0},
		{"name", rendition(`"renditionName":"Kommentar"`), true, []int{0}, 3, 0},
		{"language of two letters", rendition(`"renditionLanguageCode":"ENG"`), true, []int{1}, 1, 0},
		{"bibliographic language", rendition(`"renditionGroupId":"hi","renditionLanguageCode":"DEU"`), true, []int{2}, 2, 0},
		{"no type", `"a":{"hlsRenditionGroupSettings":{"renditionName":"Deutsch"}}`, true, []int{2}, 2, 0},
		{"all three", rendition(`"renditionGroupId":"lo","renditionName":"English","renditionLanguageCode":"ENG"`), true, []int{1}, 1, 0},
		{"beside the default", rendition(`"renditionGroupId":"hi"`), false, []int{1, 2}, 2, 0},
		{"two of the language", rendition(`"renditionLanguageCode":"DEU"`), true, nil, 0, 3400},
		{"two in the group", rendition(`"renditionGroupId":"lo"`), true, nil, 0, 3400},
		{"none of the name", rendition(`"renditionName":"english"`), true, nil, 0, 1021},
		{"group and name apart", rendition(`"renditionGroupId":"hi","renditionName":"English"`), true, nil, 0, 1021},
		{"a default selection does not help", `"a":{"selectorType":"HLS_RENDITION_GROUP","defaultSelection":"DEFAULT","hlsRenditionGroupSettings":{"renditionName":"x"}}`, true, nil, 0, 1021},
		{"a selector that no output uses", `"a":{},"b":{"selectorType":"HLS_RENDITION_GROUP","hlsRenditionGroupSettings":{"renditionName":"x"}}`, true, nil, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := settings(t, withSelectors(c.selectors))
			if bad, lack := Check(s, everything); len(bad)+len(lack) > 0 {
				t.Fatalf("refused: %v %v", bad, lack)
			}
			p := packaged()
			if c.muxed {
				p.Streams = append(p.Streams, Stream{Index: 1, Kind: media.Audio, Codec: "aac", Decodable: true, SampleRate: 48000, Channels: 2})
			}
			wanted, err := p.HLS.Wanted(s, c.muxed)
			var failed *job.Error
			if errors.As(err, &failed) && c.code > 0 {
				_, again := New(s, p, Options{Start: start})
				if failed.Code != c.code || again == nil || again.Error() != err.Error() {
					t.Errorf("got %v, and then %v; want %d", err, again, c.code)
				}
				return
			}
			if err != nil || c.code > 0 || !slices.Equal(wanted, c.wanted) {
				t.Fatalf("wanted: got %v, %v; want %v, code %d", wanted, err, c.wanted, c.code)
			}
			got, err := New(s, p, Options{Start: start})
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(got.Renditions, func(r Rendition) bool { return r.Audio != nil })
			a := got.Renditions[i].Audio.Sources[0]
			if n := got.Source.Files[a.File].Number; n != c.file {
				t.Errorf("the sound is from file %d, want %d", n, c.file)
			}
			if len(got.Source.Files) > 2 {
				t.Errorf("files that nobody needs: %+v", got.Source.Files)
			}
		})
	}
	t.Run("not looked into", func(t *testing.T) {
		t.Parallel()
		p := packaged()
		p.HLS.Audio[2].File = 0
		if _, err := New(settings(t, withSelectors(rendition(`"renditionGroupId":"hi"`))), p, Options{Start: start}); err == nil {
			t.Error("no error")
		}
	})
	t.Run("no package", func(t *testing.T) {
		t.Parallel()
		_, err := New(settings(t, withSelectors(rendition(`"renditionGroupId":"hi"`))), film(), Options{Start: start})
		if e := (*job.Error)(nil); !errors.As(err, &e) || e.Code != 1021 {
			t.Errorf("got %v", err)
		}
	})
}

func TestRenditionsAtSubmit(t *testing.T) {
	t.Parallel()
	const member = "/inputs/0/audioSelectors/a/hlsRenditionGroupSettings"
	settingsOf := `"hlsRenditionGroupSettings":{"renditionName":"x"}`
	for _, c := range []struct{ name, file, selector, want string }{
		{"of a package", "s3://in/film.M3U8", `{"selectorType":"HLS_RENDITION_GROUP",` + settingsOf + `}`, ""},
		{"of what a server answers", "https://host/film", `{"selectorType":"HLS_RENDITION_GROUP",` + settingsOf + `}`, ""},
		{"of a film", "s3://in/film.mov", `{"selectorType":"HLS_RENDITION_GROUP",` + settingsOf + `}`, member},
		{"with another type", "s3://in/film.m3u8", `{"selectorType":"TRACK",` + settingsOf + `}`, member},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			bad, lack := Check(settings(t, strings.Replace(withSelectors(`"a":`+c.selector), "s3://in/film.m3u8", c.file, 1)), everything)
			got := ""
			if len(bad) > 0 {
				got = bad[0].Path
			}
			if got != c.want || len(lack) > 0 {
				t.Errorf("got %v, %v; want %q", bad, lack, c.want)
			}
		})
	}
}

// TestFilesKeepTheirDistance: each file would begin at 0 by itself.
func TestFilesKeepTheirDistance(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for _, c := range []struct {
		name         string
		video, sound time.Duration
		want         []time.Duration
	}{
		{"alike", time.Second, time.Second, []time.Duration{0, 0}},
		{"sound before", 1080 * ms, time.Second, []time.Duration{80 * ms, 0}},
		{"sound behind", time.Second, 1020 * ms, []time.Duration{0, 20 * ms}},
		{"over the end of the clock", clockWrap - 10*ms, 30 * ms, []time.Duration{0, 40 * ms}},
		{"before the end of the clock", 30 * ms, clockWrap - 10*ms, []time.Duration{40 * ms, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := packaged()
			p.Start, p.HLS.Audio[1].Start = c.video, c.sound
			got := mustPlan(t, withSelectors(`"a":{}`), p)
			var delays []time.Duration
			for _, f := range got.Source.Files {
				delays = append(delays, f.Delay)
			}
			if d := cmp.Diff(c.want, delays); d != "" {
				t.Errorf("delays (-want +got):\n%s", d)
			}
		})
	}
}

func TestPackage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, uri, want string
	}{
		{"in a directory", "s3://in/a/b/film.m3u8", "s3://in/a/b/"},
		{"at the top", "s3://in/film.m3u8", "s3://in/"},
		{"in capitals", "s3://in/a/FILM.M3U8", "s3://in/a/"},
		{"a film", "s3://in/a/film.mov", ""},
		{"on a server", "https://host/a/film.m3u8", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in, err := ParseInput(c.uri)
			if err != nil {
				t.Fatal(err)
			}
			dir, ok := in.Package()
			if ok != (c.want != "") || ok && dir.URI() != c.want {
				t.Errorf("got %q, %v; want %q", dir.URI(), ok, c.want)
			}
		})
	}
}
