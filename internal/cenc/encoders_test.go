package cenc

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"darkroom/internal/media"
)

// encodings are settings of encoders that change what slice and frame headers hold.
var encodings = []struct {
	name string
	kind media.Kind
	args []string
}{
	{"AVC main", media.Video, []string{"-c:v", "libx264", "-g", "12"}},
	{"AVC baseline, CAVLC", media.Video, []string{"-c:v", "libx264", "-profile:v", "baseline", "-g", "12"}},
	{"AVC weighted prediction, eight references", media.Video, []string{"-c:v", "libx264", "-preset", "veryslow", "-x264-params", "weightp=2:weightb=1:ref=8:bframes=5:b-pyramid=normal", "-vf", "fade=t=in:d=1"}},
	{"AVC interlaced", media.Video, []string{"-c:v", "libx264", "-flags", "+ildct+ilme", "-x264-params", "tff=1"}},
	{"AVC slices", media.Video, []string{"-c:v", "libx264", "-x264-params", "slices=8:aud=1:no-deblock=1"}},
	{"AVC intra 4:2:2 10 bits", media.Video, []string{"-c:v", "libx264", "-pix_fmt", "yuv422p10le", "-x264-params", "keyint=1:cqm=jvt"}},
	{"AVC 4:4:4", media.Video, []string{"-c:v", "libx264", "-pix_fmt", "yuv444p", "-x264-params", "weightp=2:cqm=jvt", "-vf", "fade=t=in:d=1"}},
	{"AVC gray", media.Video, []string{"-c:v", "libx264", "-pix_fmt", "gray", "-x264-params", "weightp=2", "-vf", "fade=t=in:d=1"}},
	{"AVC closed captions and HRD", media.Video, []string{"-c:v", "libx264", "-x264-params", "nal-hrd=cbr:vbv-bufsize=800:vbv-maxrate=800:bitrate=800:pic-struct=1"}},
	{"HEVC main", media.Video, []string{"-c:v", "libx265", "-tag:v", "hvc1", "-x265-params", "log-level=none:keyint=12"}},
	{"HEVC wavefronts and slices", media.Video, []string{"-c:v", "libx265", "-x265-params", "log-level=none:wpp=1:slices=4:keyint=12"}},
	{"HEVC weights", media.Video, []string{"-c:v", "libx265", "-preset", "slower", "-x265-params", "log-level=none:weightp=1:weightb=1:ref=6:bframes=6:b-pyramid=1", "-vf", "fade=t=in:d=1"}},
	{"HEVC open GOP without SAO or loop filter", media.Video, []string{"-c:v", "libx265", "-x265-params", "log-level=none:open-gop=1:keyint=10:min-keyint=10:no-sao=1:deblock=false:temporal-layers=1:no-wpp=1"}},
	{"HEVC 10 bits 4:2:2", media.Video, []string{"-c:v", "libx265", "-pix_fmt", "yuv422p10le", "-x265-params", "log-level=none:deblock=2,2:cbqpoffs=2:crqpoffs=-2"}},
	{"HEVC 4:0:0", media.Video, []string{"-c:v", "libx265", "-pix_fmt", "gray", "-x265-params", "log-level=none:weightp=1", "-vf", "fade=t=in:d=1"}},
	{"HEVC interlaced fields, AUD, HRD", media.Video, []string{"-c:v", "libx265", "-x265-params", "log-level=none:aud=1:hrd=1:vbv-bufsize=800:vbv-maxrate=800:bitrate=500:interlace=tff:repeat-headers=1"}},
	{"HEVC lossless, scaling lists", media.Video, []string{"-c:v", "libx265", "-x265-params", "log-level=none:lossless=1:scaling-list=default:rect=1:amp=1"}},
	{"AV1 SVT", media.Video, []string{"-c:v", "libsvtav1", "-preset", "8", "-g", "13"}},
	{"AV1 SVT tiles and film grain", media.Video, []string{"-c:v", "libsvtav1", "-preset", "8", "-vf", "scale=1280:720", "-svtav1-params", "tile-columns=1:tile-rows=1:film-grain=20"}},
	{"AV1 SVT superres", media.Video, []string{"-c:v", "libsvtav1", "-preset", "8", "-svtav1-params", "superres-mode=1:superres-denom=12"}},
	{"AV1 aom", media.Video, []string{"-c:v", "libaom-av1", "-t", "0.4", "-cpu-used", "8", "-g", "6"}},
	{"AV1 aom tiles", media.Video, []string{"-c:v", "libaom-av1", "-t", "0.2", "-cpu-used", "8", "-vf", "scale=512:256", "-tiles", "4x2", "-g", "13"}},
	{"AV1 aom lossless", media.Video, []string{"-c:v", "libaom-av1", "-t", "0.4", "-cpu-used", "8", "-aom-params", "lossless=1"}},
	{"AV1 aom error resilient, segments", media.Video, []string{"-c:v", "libaom-av1", "-t", "0.4", "-cpu-used", "8", "-aom-params", "error-resilient=1:aq-mode=3:deltaq-mode=0"}},
	{"AV1 aom without order hints", media.Video, []string{"-c:v", "libaom-av1", "-t", "0.4", "-cpu-used", "8", "-aom-params", "enable-order-hint=0"}},
	{"AV1 aom 4:4:4", media.Video, []string{"-c:v", "libaom-av1", "-t", "0.4", "-cpu-used", "8", "-pix_fmt", "yuv444p"}},
	{"AV1 aom 4:2:2 10 bits", media.Video, []string{"-c:v", "libaom-av1", "-t", "0.4", "-cpu-used", "8", "-pix_fmt", "yuv422p10le"}},
	{"AV1 aom large superblocks, delta quantizers", media.Video, []string{"-c:v", "libaom-av1", "-t", "0.4", "-cpu-used", "8", "-aom-params", "sb-size=128:deltaq-mode=1:delta-lf-mode=1:enable-qm=1"}},
	{"AV1 rav1e", media.Video, []string{"-c:v", "librav1e", "-speed", "10", "-g", "13"}},
	{"AAC", media.Audio, []string{"-c:a", "aac"}},
	{"AC-3", media.Audio, []string{"-c:a", "ac3"}},
	{"E-AC-3", media.Audio, []string{"-c:a", "eac3"}},
}

func TestEncodings(t *testing.T) {
	t.Parallel()
	for _, c := range encodings {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := encode(t, c.kind, c.args...)
			other := newPeer(t, &e.track)
			cbcs, cenc := newEncryptor(t, &e.track, CBCS), newEncryptor(t, &e.track, CENC)
			var units []traced
			if e.track.Codec == media.AV1 {
				if units = trace(t, e.path); len(units) < len(e.samples)/3 {
					t.Fatalf("ffmpeg found %d frames in %d samples", len(units), len(e.samples))
				}
			}
			total := 0
			for n, sample := range e.samples {
				for _, encryptor := range []*Encryptor{cenc, cbcs} {
					out, err := encryptor.Append([]byte("head"), sample)
					if err != nil {
						t.Fatalf("%v, sample %d: %v", encryptor.Track().Scheme, n, err)
					}
					check(t, encryptor, n, sample, out[4:])
					if got := decrypt(t, encryptor, n, out[4:]); !bytes.Equal(got, sample) {
						t.Fatalf("%v, sample %d does not decrypt", encryptor.Track().Scheme, n)
					}
				}
				if c.kind == media.Audio {
					continue
				}
				var spans []string
				for _, s := range cbcs.spans {
					spans = append(spans, fmt.Sprintf("%d-%d", s.start, s.end))
					total += s.end - s.start
				}
				if e.track.Codec == media.AV1 {
					checkTrace(t, n, cbcs.spans, units)
					continue
				}
				want, err := other.spans(e.track.Codec, sample)
				if err != nil {
					t.Fatalf("sample %d: mp4ff: %v", n, err)
				}
				if !slices.Equal(spans, want) {
					t.Fatalf("sample %d: protected %v, mp4ff has %v", n, spans, want)
				}
			}
			t.Logf("%d samples, %d bytes in slices", len(e.samples), total)
		})
	}
}

// check holds what every sample must keep.
func check(t *testing.T, e *Encryptor, n int, sample, out []byte) {
	t.Helper()
	if len(out) != len(sample) {
		t.Fatalf("sample %d: %d bytes of %d", n, len(out), len(sample))
	}
	info := e.Infos().Sample(n)
	at := 0
	for _, s := range info.Subsamples {
		clear := at + int(s.Clear)
		if clear > len(out) || !bytes.Equal(out[at:clear], sample[at:clear]) {
			t.Fatalf("sample %d: clear bytes from %d on are changed", n, at)
		}
		if s.Clear == 0 && s.Protected == 0 {
			t.Fatalf("sample %d: an empty subsample", n)
		}
		if e.Track().Scheme == CENC && s.Protected%16 != 0 {
			t.Fatalf("sample %d: %d protected bytes", n, s.Protected)
		}
		at = clear + int(s.Protected)
	}
	if info.Subsamples != nil && at != len(sample) {
		t.Fatalf("sample %d: subsamples of %d bytes, the sample has %d", n, at, len(sample))
	}
}
