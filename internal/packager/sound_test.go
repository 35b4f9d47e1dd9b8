package packager

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/plan"
)

// TestSoundOfPlaylists: what each stream of sound is depends on what else is in a multivariant playlist.
func TestSoundOfPlaylists(t *testing.T) {
	t.Parallel()
	stream1 := func(name, group, language string, alternate bool) plan.Representation {
		r := sound("film_"+name, len(name), group, "a0")
		r.Language, r.Name, r.Alternate, r.Default = language, name, alternate, name == "de" || name == "x"
		return r
	}
	p := hlsOnly("v0", "a0")
	g := &p.Streams[0]
	*g = hlsGroup("film", 1,
		variant("film_v", 0, "main", "v0"),
		stream1("de", "main", "deu", false), stream1("en", "main", "eng", false), // by languages
		stream1("low", "rates", "eng", false), stream1("high", "rates", "eng", false), // by rates
		stream1("x", "asked", "eng", true), stream1("y", "asked", "eng", true), // by what the job says
	)
	g.HLS[0].NoClosedCaptions = true
	for name, of := range map[string][]int{"languages": {2, 1}, "rates": {3, 4}, "asked": {5, 6}, "one": {2}} {
		g.HLS = append(g.HLS, plan.HLSManifest{Location: loc(name + ".m3u8"), Representations: of})
	}
	e := startEncoder(t, t.Context(), "-f lavfi -i testsrc2=s=320x180:r=25:d=2 -f lavfi -i sine=d=2:r=44100", stream{"v0", "-map 0:v " + videoArgs + keyEvery("2")}, stream{"a0", "-map 1:a " + audioArgs})
	m := newMemory()
	if _, err := Run(t.Context(), p, e.readers, m, Options{Ended: e.wait}); err != nil {
		t.Fatal(err)
	}
	numbers := regexp.MustCompile(`(AVERAGE-BANDWIDTH|BANDWIDTH|FRAME-RATE|RESOLUTION|CHANNELS)="?[0-9.x]+"?,?|CODECS="[^"]*",?`)
	for name, want := range map[string][]string{
		"film": {
			`#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="main",NAME="de",LANGUAGE="deu",DEFAULT=YES,AUTOSELECT=YES,URI="film_de.m3u8"`,
			`#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="main",NAME="en",LANGUAGE="eng",DEFAULT=NO,AUTOSELECT=YES,URI="film_en.m3u8"`,
			`#EXT-X-STREAM-INF:AUDIO="main",CLOSED-CAPTIONS=NONE`, `film_v.m3u8`,
			`#EXT-X-STREAM-INF:CLOSED-CAPTIONS=NONE`, `film_low.m3u8`,
			`#EXT-X-STREAM-INF:CLOSED-CAPTIONS=NONE`, `film_high.m3u8`,
			`#EXT-X-STREAM-INF:CLOSED-CAPTIONS=NONE`, `film_x.m3u8`,
			`#EXT-X-STREAM-INF:CLOSED-CAPTIONS=NONE`, `film_y.m3u8`,
		},
		"languages": {
			`#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="main",NAME="en",LANGUAGE="eng",DEFAULT=NO,AUTOSELECT=YES,URI="film_en.m3u8"`,
			`#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="main",NAME="de",LANGUAGE="deu",DEFAULT=YES,AUTOSELECT=YES,URI="film_de.m3u8"`,
			`#EXT-X-STREAM-INF:AUDIO="main"`, `film_de.m3u8`,
		},
		"rates": {`#EXT-X-STREAM-INF:`, `film_low.m3u8`, `#EXT-X-STREAM-INF:`, `film_high.m3u8`},
		"asked": {
			`#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="asked",NAME="x",LANGUAGE="eng",DEFAULT=YES,AUTOSELECT=YES,URI="film_x.m3u8"`,
			`#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="asked",NAME="y",LANGUAGE="eng",DEFAULT=NO,AUTOSELECT=YES,URI="film_y.m3u8"`,
			`#EXT-X-STREAM-INF:AUDIO="asked"`, `film_x.m3u8`,
		},
		"one": {`#EXT-X-STREAM-INF:`, `film_en.m3u8`},
	} {
		var got []string
		for line := range strings.Lines(string(m.objects["s3://b/"+name+".m3u8"])) {
			if line = strings.TrimSpace(line); !strings.HasPrefix(line, "#") || strings.Contains(line, "MEDIA:") || strings.Contains(line, "INF:") {
				got = append(got, strings.TrimSuffix(numbers.ReplaceAllString(line, ""), ","))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
