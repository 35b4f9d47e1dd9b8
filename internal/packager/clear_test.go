package packager

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"darkroom/internal/cenc"
	"darkroom/internal/media"
	"darkroom/internal/plan"
	"darkroom/internal/secret"
	"darkroom/internal/validate"
)

const keyURL = "https://keys.example/k"

// encrypted encrypts all of a group by one key, and returns the key for Options.Keys and for validate.
func encrypted(g *plan.StreamGroup, method plan.Method) (map[int][]cenc.Protection, validate.Key) {
	g.Encryption = &plan.ContentEncryption{Method: method, Keys: []plan.KeyUse{{Track: "ALL"}}, Static: &plan.StaticSignal{URL: keyURL}}
	for i := range g.Representations {
		g.Representations[i].Key = 0
	}
	value, id := bytes.Repeat([]byte{7}, cenc.KeySize), cenc.UUID{1}
	key := validate.Key{ID: keyURL, Value: secret.New(bytes.Clone(value))}
	if method == plan.CBCS || method == plan.CENC {
		key.ID = fmt.Sprintf("%x", id[:])
	}
	return map[int][]cenc.Protection{g.Group: {{Key: cenc.Key{ID: id, Value: secret.New(value)}}}}, key
}

// trickGroup is a group of a picture with its I-frame playlist.
func trickGroup(kind plan.GroupKind, single bool) plan.StreamGroup {
	r := variant("film_v", 0, "", "v0")
	r.FrameRate = media.Rational{Num: 25, Den: 1}
	g := hlsGroup("film", 1)
	g.Kind, g.SingleFile, g.Cut.MinimumFinal, g.HLS[0].Representations = kind, single, 0, []int{0}
	r.IFrames = &plan.IFrames{Playlist: loc("film_i.m3u8"), Segments: loc("film_i_"), Extension: ".ts"}
	if kind == plan.CMAF {
		r.Format, r.TS, r.Extension, r.IFrames.Extension = plan.FragmentedMP4, plan.TransportStream{}, ".cmfv", ".cmfv"
		if !single {
			r.Init, r.IFrames.Init = loc("film_init.cmfv"), loc("film_i_init.cmfv")
		}
	}
	if single {
		r.Segments, r.IFrames.Segments = loc("film_v"), loc("film_i")
	}
	g.Representations = []plan.Representation{r}
	return g
}

var beforeKey = regexp.MustCompile(`(?s)^(.*?)#EXT-X-KEY`)

// TestClearLead: what a playlist says of the first segment, and of the key frames of the first segment, is how they were written.
func TestClearLead(t *testing.T) {
	t.Parallel()
	made := encodeOnce(t, "-f lavfi -i testsrc2=s=160x90:r=25:d=6", stream{"v0", "-map 0:v " + videoArgs + keyEvery("1")})
	for _, tt := range []struct {
		name          string
		kind          plan.GroupKind
		method        plan.Method
		single        bool
		clear, iClear int // segments and key frames before the first key
	}{
		{"CMAF", plan.CMAF, plan.CBCS, false, 1, 2},
		{"CMAF, a file each", plan.CMAF, plan.CBCS, true, 1, 2},
		{"AES-128", plan.AppleHLS, plan.AES128, false, 1, 1}, // each key frame is a segment
		{"AES-128, a file each", plan.AppleHLS, plan.AES128, true, 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := &plan.Plan{Renditions: []plan.Rendition{video("v0", true)}, Streams: []plan.StreamGroup{trickGroup(tt.kind, tt.single)}}
			keys, key := encrypted(&p.Streams[0], tt.method)
			p.Streams[0].Encryption.ClearLead = true
			m := newMemory()
			if _, err := Run(t.Context(), p, readers(made), m, Options{Keys: keys}); err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string]int{"film_v.m3u8": tt.clear, "film_i.m3u8": tt.iClear} {
				before := beforeKey.FindString(string(m.objects["s3://b/"+name]))
				if got := strings.Count(before, "#EXTINF"); got != want {
					t.Errorf("%s: %d entries before the first key, want %d:\n%s", name, got, want, m.objects["s3://b/"+name])
				}
			}
			validated(t, m, key)
		})
	}
	t.Run("SAMPLE-AES", func(t *testing.T) {
		t.Parallel()
		p := &plan.Plan{Renditions: []plan.Rendition{video("v0", true)}, Streams: []plan.StreamGroup{trickGroup(plan.AppleHLS, false)}}
		keys, _ := encrypted(&p.Streams[0], plan.SampleAES)
		p.Streams[0].Encryption.ClearLead = true
		m := newMemory()
		if _, err := Run(t.Context(), p, readers(made), m, Options{Keys: keys}); err == nil || !strings.Contains(err.Error(), "a clear lead does not go with SAMPLE-AES") {
			t.Errorf("got %v", err)
		}
		if len(m.objects) > 0 {
			t.Errorf("written: %v", m.order)
		}
	})
}

// TestKeyFramesOfHiddenVectors: key frames that a playlist of their own numbers are not encrypted by vectors that follow from the numbers of segments, where it does
// not state them.
func TestKeyFramesOfHiddenVectors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name           string
		hidden, iframe bool
		iv             []byte
		refused        bool
	}{
		{"hidden", true, true, nil, true},
		{"stated", false, true, nil, false},
		{"constant", true, true, bytes.Repeat([]byte{9}, cenc.KeySize), false},
		{"without key frames", true, false, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := &plan.Plan{Renditions: []plan.Rendition{video("v0", true)}, Streams: []plan.StreamGroup{trickGroup(plan.AppleHLS, false)}}
			g := &p.Streams[0]
			keys, _ := encrypted(g, plan.SampleAES)
			g.Encryption.HideIV, g.Encryption.ConstantIV = tt.hidden, tt.iv
			if !tt.iframe {
				g.Representations[0].IFrames = nil
			}
			m := newMemory()
			_, err := Run(t.Context(), p, readers(shortFilm(t)), m, Options{Keys: keys})
			if refused := errors.Is(err, errKeys); refused != tt.refused || !refused && err != nil {
				t.Errorf("got %v, refused: want %v", err, tt.refused)
			}
			if tt.refused && len(m.objects) > 0 {
				t.Errorf("written: %v", m.order)
			}
		})
	}
}
