package mpegts_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"darkroom/internal/cenc"
	"darkroom/internal/media"
	"darkroom/internal/mpegts"
	"darkroom/internal/mpegts/mpegtstest"
)

// packed makes segments of 40 access units.
func (e *encoded) packed(t testing.TB, key *cenc.Key, timing mpegts.Timing) [][]byte {
	t.Helper()
	p, err := mpegts.NewPacked(e.track, key, timing)
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	var b []byte
	for i := range e.samples {
		s := &e.samples[i]
		if i%40 == 0 {
			if i > 0 {
				all = append(all, b)
			}
			if b, err = p.AppendSegmentStart(nil, s); err != nil {
				t.Fatal(err)
			}
		}
		if b, err = p.AppendSample(b, s); err != nil {
			t.Fatal(err)
		}
	}
	return append(all, b)
}

// Packed audio is the elementary stream of the transport stream behind its time stamp, clear and encrypted; and ffmpeg plays it.
func TestPacked(t *testing.T) {
	t.Parallel()
	for _, f := range films {
		if f.kind != mpegtstest.ADTS && f.kind != mpegtstest.AC3 && f.kind != mpegtstest.EAC3 {
			continue
		}
		for _, key := range []*cenc.Key{nil, testKey()} {
			t.Run(fmt.Sprintf("%s, encrypted %v", f.name, key != nil), func(t *testing.T) {
				t.Parallel()
				e := f.encode(t)
				offset := 3 * time.Second
				timing := mpegts.Timing{PTSOffset: &offset, AudioPTSDelta: 20 * time.Millisecond}
				pr := e.program(key)
				pr.Timing = timing
				var transport mpegtstest.Parser
				for _, b := range e.segments(t, pr) {
					parse(t, &transport, b)
				}
				segments := e.packed(t, key, timing)
				var elementary []byte
				for i, b := range segments {
					pts, setup, frames, err := mpegtstest.Packed(b)
					if err != nil {
						t.Fatal(err)
					}
					s := &e.samples[i*40]
					scale := int64(e.track.Timescale)
					if want := 3*90000 + 1800 + (s.DecodeTime-e.track.MediaTime)*90000/scale; pts < want-1 || pts > want+1 {
						t.Errorf("segment %d begins at %d, want %d", i, pts, want)
					}
					if key == nil && setup != "" || key != nil && len(setup) < 8+2 {
						t.Errorf("audio setup information %q", setup)
					}
					if key != nil && i == 0 {
						// The same as in the program map.
						list := transport.Descriptors[481]
						if d := list[len(list)-1]; string(d[2:]) != "apad"+setup {
							t.Errorf("audio setup information %q, in the program map %q", setup, d)
						}
					}
					elementary = append(elementary, frames...)
				}
				if !bytes.Equal(elementary, transport.Elementary(481)) {
					t.Error("the elementary stream is another than in the transport stream")
				}
				extension := map[string]string{"adts": "aac", "ac3": "ac3", "eac3": "eac3"}[f.raw]
				path := playlist(t, segments, extension, key)
				if key != nil {
					path = rendition(t, path, key)
				}
				out, said := ffmpegSays(t, "-allowed_extensions", "ALL", "-i", path, "-map", "0:a", "-f", "framemd5", "-")
				got := hashes(out)
				right := len(e.hashes)
				if key != nil {
					right -= unflushed
				} else if said != "" {
					t.Error(said)
				}
				if len(got) < right {
					t.Fatalf("%d frames, want %d\n%s", len(got), len(e.hashes), said)
				}
				sameHashes(t, got[:right], e.hashes[:right])
			})
		}
	}
}

// rendition puts a playlist of sound beside one of pictures, where ffmpeg reads the audio setup information of it.
func rendition(t *testing.T, audio string, key *cenc.Key) string {
	t.Helper()
	e := films[0].encode(t)
	video := playlist(t, e.segments(t, e.program(key)), "ts", key)
	path := filepath.Join(t.TempDir(), "main.m3u8")
	write(t, path, []byte("#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"a\",DEFAULT=YES,URI=\""+audio+"\"\n"+
		"#EXT-X-STREAM-INF:BANDWIDTH=2000000,AUDIO=\"a\"\n"+video+"\n"))
	return path
}

func TestPackedRefusals(t *testing.T) {
	t.Parallel()
	day := 25 * time.Hour
	for _, tt := range []struct {
		name   string
		track  *media.Track
		timing mpegts.Timing
	}{
		{"video", avcTrack(0), mpegts.Timing{}},
		{"no codec", &media.Track{Timescale: 1}, mpegts.Timing{}},
		{"no timescale", &media.Track{Codec: media.AAC, AudioConfig: []byte{0x11, 0x90}}, mpegts.Timing{}},
		{"no configuration", &media.Track{Codec: media.AAC, Timescale: 48000}, mpegts.Timing{}},
		{"offset", aacTrack(48000, ""), mpegts.Timing{PTSOffset: &day}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := mpegts.NewPacked(tt.track, nil, tt.timing); err == nil {
				t.Error("no error")
			}
		})
	}
	p, err := mpegts.NewPacked(ac3Track(), nil, mpegts.Timing{})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := p.AppendSample([]byte("before"), &media.Sample{Data: ac3Frame()[:100]}); err == nil || string(b) != "before" {
		t.Errorf("half a frame: %q, %v", b, err)
	}
}
