package cmaf_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Eyevinn/mp4ff/mp4"

	"darkroom/internal/cenc"
	"darkroom/internal/cmaf"
	"darkroom/internal/media"
)

type source struct {
	raw     []byte
	track   *media.Track
	samples []media.Sample
}

// smoothFile writes a file of the tracks, a fragment of each for every second.
func smoothFile(t *testing.T, sources []source, encrypted bool) []byte {
	t.Helper()
	var writers []*cmaf.Writer
	for i, s := range sources {
		o := cmaf.WriterOptions{Flavour: cmaf.PIFF, TrackID: uint32(i + 1)}
		if encrypted {
			o.Encryptor, o.Protection = encryptor(t, s.track, cenc.CENC), &cenc.Protection{Signals: []cenc.Signal{signal(1)}}
		}
		writers = append(writers, newWriter(t, s.track, o))
	}
	f, err := cmaf.NewSmoothFile(writers...)
	if err != nil {
		t.Fatal(err)
	}
	out := f.Init()
	next := make([]int, len(sources))
	for second := int64(1); ; second++ {
		wrote := false
		for i, s := range sources {
			for ; next[i] < len(s.samples) && s.samples[next[i]].DecodeTime < second*int64(s.track.Timescale); next[i]++ {
				if err := writers[i].Add(&s.samples[next[i]]); err != nil {
					t.Fatal(err)
				}
			}
			if n, _ := writers[i].Pending(); n == 0 {
				continue
			}
			at := int64(len(out))
			if out, err = writers[i].AppendFragment(out, cmaf.FragmentOptions{}); err != nil {
				t.Fatal(err)
			}
			f.Fragment(i, at)
			wrote = true
		}
		if !wrote {
			return f.AppendIndex(out)
		}
	}
}

// stream are the hashes of the frames of one stream of a file, as ffmpeg decodes them.
func stream(t *testing.T, path, which string) []string {
	t.Helper()
	out, err := exec.Command("ffmpeg", "-v", "error", "-i", path, "-map", "0:"+which, "-f", "framehash", "-hash", "md5", "-fps_mode", "passthrough", "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	var frames []string
	for _, line := range strings.Split(string(out), "\n") {
		if f := strings.Split(line, ","); !strings.HasPrefix(line, "#") && len(f) == 6 {
			frames = append(frames, strings.TrimSpace(f[5]))
		}
	}
	return frames
}

func TestSmoothFile(t *testing.T) {
	t.Parallel()
	need(t, "ffmpeg", "ffprobe")
	var sources []source
	for _, args := range []string{coded[0].args, strings.Replace(coded[0].args, "640x360", "320x180", 1), coded[6].args} {
		raw := encode(t, args)
		track, samples := readAll(t, bytes.NewReader(raw))
		sources = append(sources, source{raw, track, samples})
	}
	dir := t.TempDir()
	for _, encrypted := range []bool{false, true} {
		b := smoothFile(t, sources, encrypted)
		f := decodeFile(t, b)
		if !f.IsFragmented() || len(f.Init.Moov.Traks) != 3 || f.Init.Moov.Mvhd.Timescale != 10_000_000 || len(f.Init.Moov.Mvex.Trexs) != 3 {
			t.Fatalf("moov of %d tracks", len(f.Init.Moov.Traks))
		}
		// The index names every fragment: where it is, and whose, and when.
		if len(f.Mfra.Tfras) != 3 || int(f.Mfra.Mfro.ParentSize) != int(f.Mfra.Size()) {
			t.Fatalf("mfra %+v", f.Mfra)
		}
		named := 0
		for _, tfra := range f.Mfra.Tfras {
			for _, e := range tfra.Entries {
				named++
				box := b[e.MoofOffset:]
				part := traf(t, box)
				if part.Tfhd.TrackID != tfra.TrackID || part.Tfhd.DefaultBaseIfMoof() {
					t.Errorf("at %d: a fragment of track %d, want %d", e.MoofOffset, part.Tfhd.TrackID, tfra.TrackID)
				}
				for _, c := range part.Children {
					if u, ok := c.(*mp4.UUIDBox); ok && u.Tfxd != nil && u.Tfxd.FragmentAbsoluteTime != e.Time {
						t.Errorf("at %d: time %d, want %d", e.MoofOffset, u.Tfxd.FragmentAbsoluteTime, e.Time)
					}
				}
			}
		}
		if named != countFragments(f) || named == 0 {
			t.Errorf("%d fragments of %d are named", named, countFragments(f))
		}
		if encrypted {
			if !bytes.Contains(b, unhex("d08a4f1810f34a82b6c832d8aba183d3")) || bytes.Contains(b, []byte("pssh")) {
				t.Error("what DRM systems are told is not as PIFF has it")
			}
			b = decryptSmooth(t, f)
		}
		path := filepath.Join(dir, "x.ismv")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		for i, s := range sources {
			want := hashes(t, s.raw, false)
			got := stream(t, path, string(rune('0'+i)))
			if s.track.Kind == media.Audio {
				// The first sample is not there; its successor, which leans on it, decodes to something else.
				want, got = want[len(want)-len(got)+1:], got[1:]
			}
			diff(t, "stream "+string(rune('0'+i)), want, got)
		}
	}
}

func countFragments(f *mp4.File) int {
	n := 0
	for _, s := range f.Segments {
		n += len(s.Fragments)
	}
	return n
}

// decryptSmooth lets another reader of PIFF decrypt.
func decryptSmooth(t *testing.T, f *mp4.File) []byte {
	t.Helper()
	info, err := mp4.DecryptInit(f.Init)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := f.Init.Encode(&out); err != nil {
		t.Fatal(err)
	}
	for _, s := range f.Segments {
		if err := mp4.DecryptSegment(s, info, unhex(testKey)); err != nil {
			t.Fatal(err)
		}
		if err := s.Encode(&out); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func TestSmoothFileRefuses(t *testing.T) {
	t.Parallel()
	track := testTrack(t, true, 0)
	piff := newWriter(t, track, cmaf.WriterOptions{Flavour: cmaf.PIFF})
	for name, tracks := range map[string][]*cmaf.Writer{
		"none": nil, "not PIFF": {newWriter(t, track, cmaf.WriterOptions{Flavour: cmaf.CMAF})}, "twice": {piff, piff},
	} {
		if _, err := cmaf.NewSmoothFile(tracks...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
