package dash_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Eyevinn/mp4ff/mp4"

	"darkroom/internal/dash"
	"darkroom/internal/media"
)

// tool runs a program: at a desk without it the test is skipped, in CI it fails.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, &stderr)
	}
	return stdout.String()
}

// track is what ffmpeg made of a stream.
type track struct {
	init   []byte
	pieces [][]byte
	times  dash.Times
}

// tracks makes 6 s of pictures and sound in segments of about 2 s, and says what ffprobe reads of them by ffmpeg's own MPD.
func tracks(t *testing.T) (picture, sound track, read string) {
	t.Helper()
	dir := t.TempDir()
	tool(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=128x72:rate=30000/1001:duration=6", "-f", "lavfi", "-i", "sine=sample_rate=48000:duration=6",
		"-c:v", "libx264", "-preset", "ultrafast", "-g", "60", "-sc_threshold", "0", "-bf", "2", "-c:a", "aac",
		"-f", "dash", "-seg_duration", "2", filepath.Join(dir, "theirs.mpd"))
	return take(t, dir, 0), take(t, dir, 1), packets(t, filepath.Join(dir, "theirs.mpd"))
}

func take(t *testing.T, dir string, stream int) track {
	t.Helper()
	init, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("init-stream%d.m4s", stream)))
	if err != nil {
		t.Fatal(err)
	}
	out := track{init: init}
	whole, err := mp4.DecodeFile(bytes.NewReader(init))
	if err != nil {
		t.Fatal(err)
	}
	out.times.Timescale = whole.Moov.Trak.Mdia.Mdhd.Timescale
	for n := 1; ; n++ {
		piece, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("chunk-stream%d-%05d.m4s", stream, n)))
		if os.IsNotExist(err) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		f, err := mp4.DecodeFile(bytes.NewReader(piece))
		if err != nil {
			t.Fatal(err)
		}
		duration := int64(0)
		for _, s := range f.Segments {
			for _, fragment := range s.Fragments {
				samples, err := fragment.GetFullSamples(whole.Moov.Mvex.Trex)
				if err != nil {
					t.Fatal(err)
				}
				for _, sample := range samples {
					duration += int64(sample.Dur)
				}
			}
		}
		out.times.Durations = append(out.times.Durations, duration)
		out.pieces = append(out.pieces, piece)
	}
}

// packets lists the streams that ffprobe finds, and how many packets it reads of each.
func packets(t *testing.T, path string) string {
	t.Helper()
	out := tool(t, "ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=codec_type,nb_read_packets", "-of", "csv=p=0", path)
	streams, _, _ := strings.Cut(out, "\n\n") // they are shown again for the program that they are in
	return strings.TrimSpace(streams) + "\n"
}

// single puts the track into one file with an index behind the initialization segment.
func (tr *track) single(t *testing.T) ([]byte, *dash.File) {
	t.Helper()
	index := &mp4.SidxBox{ReferenceID: 1, Timescale: tr.times.Timescale}
	for i, p := range tr.pieces {
		index.SidxRefs = append(index.SidxRefs, mp4.SidxRef{ReferencedSize: uint32(len(p)), SubSegmentDuration: uint32(tr.times.Durations[i]), StartsWithSAP: 1, SAPType: 1})
	}
	var box bytes.Buffer
	if err := index.Encode(&box); err != nil {
		t.Fatal(err)
	}
	data := append(append([]byte(nil), tr.init...), box.Bytes()...)
	for _, p := range tr.pieces {
		data = append(data, p...)
	}
	return data, &dash.File{
		Times: tr.times, Init: dash.ByteRange{Length: int64(len(tr.init))}, Index: dash.ByteRange{Offset: int64(len(tr.init)), Length: int64(box.Len())},
	}
}

// TestFFprobe has another program read what is written: every way to name segments.
func TestFFprobe(t *testing.T) {
	t.Parallel()
	picture, sound, want := tracks(t)
	if !strings.HasPrefix(want, "video,180\naudio,28") {
		t.Fatalf("ffmpeg made %q", want)
	}
	if len(picture.pieces) < 3 || len(sound.pieces) < 3 {
		t.Fatalf("%d and %d segments: too few to tell", len(picture.pieces), len(sound.pieces))
	}
	for _, tt := range []struct {
		name     string
		manifest dash.Manifest
		byTime   bool
		single   bool
	}{
		{name: "by number with durations"},
		{name: "by number with timelines", manifest: dash.Manifest{Timelines: true}},
		{name: "by time", byTime: true},
		{name: "compact", manifest: dash.Manifest{Style: dash.Compact}},
		{name: "full", manifest: dash.Manifest{Style: dash.Full}},
		{name: "full by time", manifest: dash.Manifest{Style: dash.Full}, byTime: true},
		{name: "on demand", manifest: dash.Manifest{Profile: dash.OnDemand}, single: true},
		{name: "HbbTV", manifest: dash.Manifest{HbbTV: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			put := func(name string, data []byte) {
				if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			m := tt.manifest
			m.Representations = []dash.Representation{
				{
					ID: "v", Kind: media.Video, MIMEType: "video/mp4", Codecs: "avc1.42c00a", Bandwidth: 100_000, Width: 128, Height: 72,
					FrameRate: media.Rational{Num: 30000, Den: 1001}, StartsWithSAP: 1,
				},
				{ID: "a", Kind: media.Audio, MIMEType: "audio/mp4", Codecs: "mp4a.40.2", Bandwidth: 70_000, SampleRate: 48000, Channels: 1, Language: "en", StartsWithSAP: 1},
			}
			for i, tr := range []track{picture, sound} {
				r := &m.Representations[i]
				if tt.single {
					data, file := tr.single(t)
					file.URI = "film_" + r.ID + ".mp4"
					put(file.URI, data)
					r.File = file
					continue
				}
				r.Segments = &dash.Segments{Times: tr.times, Init: "film_" + r.ID + "_init.mp4", Before: "film_" + r.ID + "_", After: ".mp4", Digits: 9, First: 1, ByTime: tt.byTime}
				put(r.Segments.Init, tr.init)
				at := int64(0)
				for k, p := range tr.pieces {
					n := int64(k + 1)
					if tt.byTime {
						n = at
					}
					put(fmt.Sprintf("film_%s_%09d.mp4", r.ID, n), p)
					at += tr.times.Durations[k]
				}
			}
			put("film.mpd", encode(t, &m))
			if got := packets(t, filepath.Join(dir, "film.mpd")); got != want {
				t.Errorf("ffprobe reads\n%swant\n%s", got, want)
			}
		})
	}
}
