package cmaf_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"darkroom/internal/cenc"
	"darkroom/internal/cmaf"
	"darkroom/internal/media"
	"darkroom/internal/secret"
)

// shaka returns shaka-packager, an independent reader of what is written here.
func shaka(t *testing.T) string {
	t.Helper()
	arch := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	path, err := filepath.Abs(filepath.Join("..", "..", "test", "packager", "node_modules", "shaka-packager", "bin", "packager-linux-"+arch))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("shaka-packager is not installed")
		}
		t.Skip("shaka-packager is not installed")
	}
	return path
}

const fragmented = " -movflags delay_moov+default_base_moof+frag_keyframe -frag_duration 1000000 -f mp4 pipe:1"

// coded are one of each codec, as ffmpeg makes them.
var coded = []struct {
	name, args, codecs string
	kind               media.Kind
	codec              media.Codec
	frames             int // 0 where the decoder decides
}{
	{"AVC", "-f lavfi -i testsrc2=s=640x360:r=30000/1001:d=4 -c:v libx264 -preset ultrafast -bf 2 -b_strategy 0 -g 30 -x264-params slices=2 -video_track_timescale 30000", "avc1.4d401e", media.Video, media.AVC, 120},
	{"AVC without B-frames", "-f lavfi -i testsrc2=s=320x180:r=25:d=4 -c:v libx264 -preset ultrafast -bf 0 -g 50", "avc1.42c00c", media.Video, media.AVC, 100},
	{"HEVC", "-f lavfi -i testsrc2=s=320x180:r=25:d=4 -c:v libx265 -preset ultrafast -tag:v hvc1 -x265-params log-level=error:keyint=25:bframes=3", "hvc1.1.6.L60.90", media.Video, media.HEVC, 100},
	{"HEVC of 10 bit as hev1 in HDR10", "-f lavfi -i testsrc2=s=320x180:r=25:d=3 -pix_fmt yuv420p10le -c:v libx265 -preset ultrafast -color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc -x265-params log-level=error:keyint=25", "hev1.2.4.L60.90", media.Video, media.HEVC, 75},
	{"AV1", "-f lavfi -i testsrc2=s=320x180:r=25:d=3 -c:v libsvtav1 -preset 12 -g 25", "av01.0.00M.08", media.Video, media.AV1, 75},
	{"AV1 of 10 bit", "-f lavfi -i testsrc2=s=320x180:r=25:d=2 -pix_fmt yuv420p10le -c:v libsvtav1 -preset 12 -g 25 -color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc", "av01.0.00M.10.0.110.09.16.09.0", media.Video, media.AV1, 50},
	{"AAC", "-f lavfi -i sine=d=4:r=48000 -ac 2 -c:a aac -aac_pns 0", "mp4a.40.2", media.Audio, media.AAC, 0},
	{"AC-3", "-f lavfi -i sine=d=4:r=48000 -ac 6 -c:a ac3", "ac-3", media.Audio, media.AC3, 0},
	{"E-AC-3", "-f lavfi -i sine=d=4:r=44100 -ac 6 -c:a eac3", "ec-3", media.Audio, media.EAC3, 0},
}

func encode(t *testing.T, args string) []byte {
	t.Helper()
	raw, err := exec.Command("ffmpeg", strings.Fields("-v error "+args+fragmented)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// hashes are the hashes of the decoded frames in presentation order, and with times their times in seconds.
func hashes(t *testing.T, file []byte, times bool) []string {
	t.Helper()
	cmd := exec.Command("ffmpeg", "-v", "error", "-i", "pipe:0", "-f", "framehash", "-hash", "md5", "-fps_mode", "passthrough", "-enc_time_base", "1/90000", "-")
	cmd.Stdin = bytes.NewReader(file)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("ffmpeg: %v, %s", err, stderr.Bytes())
	}
	var frames []string
	for _, line := range strings.Split(string(out), "\n") {
		f := strings.Split(line, ",")
		if strings.HasPrefix(line, "#") || len(f) < 6 {
			continue
		}
		frame := strings.TrimSpace(f[5])
		if times {
			frame = strings.TrimSpace(f[2]) + " " + frame
		}
		frames = append(frames, frame)
	}
	if len(frames) == 0 {
		t.Fatalf("no frames in %q", out)
	}
	return frames
}

// rewrite puts the samples through a writer, a fragment for each key frame or second.
func rewrite(t testing.TB, w *cmaf.Writer, samples []media.Sample, clear func(fragment int) bool) []byte {
	t.Helper()
	out := w.Init()
	n := 0
	flush := func() {
		if pending, _ := w.Pending(); pending == 0 {
			return
		}
		out = w.AppendSegmentStart(out)
		before, most := len(out), w.FragmentSize()
		var err error
		if out, err = w.AppendFragment(out, cmaf.FragmentOptions{Clear: clear != nil && clear(n)}); err != nil {
			t.Fatal(err)
		}
		if got := len(out) - before; got > most {
			t.Errorf("a fragment of %d bytes, %d at most were told", got, most)
		}
		n++
	}
	begin := int64(0)
	for i := range samples {
		s := &samples[i]
		if i > 0 && s.Sync && s.DecodeTime-begin >= int64(w.Track().Timescale) {
			flush()
			begin = s.DecodeTime
		}
		if err := w.Add(s); err != nil {
			t.Fatal(err)
		}
	}
	flush()
	return out
}

func newWriter(t testing.TB, track *media.Track, o cmaf.WriterOptions) *cmaf.Writer {
	t.Helper()
	w, err := cmaf.NewWriter(track, o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func diff(t *testing.T, what string, want, got []string) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("%s: %d frames, want %d", what, len(got), len(want))
	}
	for i := range want {
		if want[i] != got[i] {
			t.Fatalf("%s: frame %d is %s, want %s", what, i, got[i], want[i])
		}
	}
}

const (
	testKeyID = "0102030405060708090a0b0c0d0e0f10"
	testKey   = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
)

func encryptor(t testing.TB, track *media.Track, scheme cenc.Scheme) *cenc.Encryptor {
	t.Helper()
	key := cenc.Key{ID: cenc.UUID(unhex(testKeyID)), Value: secret.New(unhex(testKey)), IV: unhex("a0a1a2a3a4a5a6a7a8a9aaabacadaeaf")}
	o := cenc.Options{Scheme: scheme, Key: key}
	if scheme == cenc.CENC {
		ivs, err := cenc.NewIVs(bytes.NewReader(unhex("1112131415161718")))
		if err != nil {
			t.Fatal(err)
		}
		if o.IVs, err = ivs.Track(); err != nil {
			t.Fatal(err)
		}
	}
	e, err := cenc.NewEncryptor(track, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Every codec is read, written clear and encrypted, read by others, and decodes to the pictures and sounds that went in.
func TestEveryCodec(t *testing.T) {
	t.Parallel()
	need(t, "ffmpeg", "ffprobe")
	packager := shaka(t)
	for _, tt := range coded {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			raw := encode(t, tt.args)
			track, samples := readAll(t, bytes.NewReader(raw))
			if track.RFC6381 != tt.codecs || track.Kind != tt.kind || track.Codec != tt.codec {
				t.Errorf("a track of %s, %s, %s", track.Kind, track.Codec, track.RFC6381)
			}
			if tt.codec != media.AAC && len(track.Config) == 0 {
				t.Error("no decoder configuration")
			}
			want, bare := hashes(t, raw, true), hashes(t, raw, false)
			if tt.frames != 0 && len(want) != tt.frames {
				t.Errorf("%d frames, want %d", len(want), tt.frames)
			}
			for _, o := range []cmaf.WriterOptions{
				{Flavour: cmaf.CMAF}, {Flavour: cmaf.CMAF, SignedOffsets: true}, {Flavour: cmaf.DASH, TrackID: 3}, {Flavour: cmaf.DASH, KeepPTSOffset: true},
			} {
				what := fmt.Sprintf("%+v", o)
				out := rewrite(t, newWriter(t, track, o), samples, nil)
				expected, times := want, true
				if o.KeepPTSOffset && track.MediaTime != 0 {
					expected, times = bare, false
				}
				diff(t, what, expected, hashes(t, out, times))
				again, back := readAll(t, bytes.NewReader(out))
				if len(back) != len(samples) || again.RFC6381 != track.RFC6381 || !bytes.Equal(again.SampleEntry, track.SampleEntry) {
					t.Fatalf("%s: read back as %d samples of %s", what, len(back), again.RFC6381)
				}
				for i := range back {
					a, b := &samples[i], &back[i]
					offset := int64(0)
					if o.KeepPTSOffset && tt.kind == media.Video {
						offset = track.MediaTime
					}
					if !bytes.Equal(a.Data, b.Data) || a.Sync != b.Sync || a.DecodeTime != b.DecodeTime || track.PresentationTime(a)+offset != again.PresentationTime(b) {
						t.Fatalf("%s: sample %d is %v, was %v", what, i, b, a)
					}
				}
			}
			// shaka-packager takes the clear file for what it is, and decrypts the others.
			for _, scheme := range []cenc.Scheme{0, cenc.CENC, cenc.CBCS} {
				for _, lead := range []bool{false, true} {
					if scheme == 0 && lead {
						continue
					}
					o := cmaf.WriterOptions{Flavour: cmaf.CMAF, ClearLead: lead}
					if scheme != 0 {
						o.Encryptor = encryptor(t, track, scheme)
					}
					what := fmt.Sprintf("%v, clear lead %v", scheme, lead)
					out := rewrite(t, newWriter(t, track, o), samples, func(n int) bool { return lead && n == 0 })
					if scheme != 0 && !lead && !strings.Contains(string(out), "sinf") {
						t.Errorf("%s: no sinf", what)
					}
					diff(t, what, bare, hashes(t, repackage(t, packager, out, tt.kind), false))
				}
			}
		})
	}
}

// repackage lets shaka-packager read a file and write it without encryption.
func repackage(t *testing.T, packager string, file []byte, kind media.Kind) []byte {
	t.Helper()
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.mp4"), filepath.Join(dir, "out.mp4")
	if err := os.WriteFile(in, file, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{fmt.Sprintf("in=%s,stream=%v,output=%s", in, kind, out)}
	args = append(args, "--enable_raw_key_decryption", "--keys", "label=:key_id="+testKeyID+":key="+testKey)
	if said, err := exec.Command(packager, args...).CombinedOutput(); err != nil {
		t.Fatalf("shaka-packager: %v, %s", err, said)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
