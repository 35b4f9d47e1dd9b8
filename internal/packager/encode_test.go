package packager

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"darkroom/internal/plan"
	"darkroom/internal/validate"
)

// need fails, or skips at the desk, when a tool is missing.
func need(t testing.TB, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is not installed", tool)
			}
			t.Skipf("%s is not installed", tool)
		}
	}
}

// Arguments that make each kind of rendition, as the encoder of a job does.
const (
	videoArgs = "-c:v libx264 -preset ultrafast -bf 3 -b_strategy 0 -sc_threshold 0 -movflags delay_moov+default_base_moof+frag_keyframe -frag_duration 1000000 -f mp4"
	audioArgs = "-c:a aac -movflags delay_moov+default_base_moof -frag_duration 1000000 -f mp4"
	stillArgs = "-c:v mjpeg -f image2pipe"
)

// keyEvery asks for a key frame at every multiple of so many seconds.
func keyEvery(seconds string) string {
	return " -force_key_frames expr:gte(t,n_forced*" + seconds + ")"
}

// stream is one rendition for the encoder.
type stream struct {
	id   string
	args string // maps and codec
}

// encoder runs ffmpeg with a pipe for each stream.
type encoder struct {
	cmd     *exec.Cmd
	stderr  bytes.Buffer
	readers map[string]io.Reader
}

func startEncoder(t testing.TB, ctx context.Context, input string, streams ...stream) *encoder {
	t.Helper()
	need(t, "ffmpeg")
	args := append([]string{"-hide_banner", "-nostdin", "-v", "error", "-xerror"}, strings.Fields(input)...)
	e := &encoder{readers: map[string]io.Reader{}}
	var files []*os.File
	for i, s := range streams {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		e.readers[s.id] = r
		files = append(files, w)
		args = append(args, strings.Fields(s.args)...)
		args = append(args, fmt.Sprintf("pipe:%d", 3+i))
	}
	e.cmd = exec.CommandContext(ctx, "ffmpeg", args...)
	e.cmd.ExtraFiles = files
	e.cmd.Stderr = &e.stderr
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		f.Close()
	}
	return e
}

// wait is for Options.Ended.
func (e *encoder) wait(context.Context) error {
	if err := e.cmd.Wait(); err != nil {
		return fmt.Errorf("ffmpeg: %w: %s", err, e.stderr.String())
	}
	return nil
}

// encode makes streams as files in memory, to be read in any order.
func encode(t testing.TB, input string, streams ...stream) map[string][]byte {
	t.Helper()
	need(t, "ffmpeg")
	dir := t.TempDir()
	args := append([]string{"-hide_banner", "-nostdin", "-v", "error", "-xerror"}, strings.Fields(input)...)
	for _, s := range streams {
		args = append(args, strings.Fields(s.args)...)
		args = append(args, filepath.Join(dir, s.id))
	}
	if out, err := exec.Command("ffmpeg", args...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v: %s", err, out)
	}
	made := map[string][]byte{}
	for _, s := range streams {
		b, err := os.ReadFile(filepath.Join(dir, s.id))
		if err != nil {
			t.Fatal(err)
		}
		made[s.id] = b
	}
	return made
}

// encoded remembers what encodeOnce made.
var encoded struct {
	sync.Mutex
	made map[string]map[string][]byte
}

// encodeOnce is encode for films that several tests want. The bytes are not to be changed.
func encodeOnce(t testing.TB, input string, streams ...stream) map[string][]byte {
	t.Helper()
	encoded.Lock()
	defer encoded.Unlock()
	key := fmt.Sprint(input, streams)
	if encoded.made == nil {
		encoded.made = map[string]map[string][]byte{}
	}
	if encoded.made[key] == nil {
		encoded.made[key] = encode(t, input, streams...)
	}
	return encoded.made[key]
}

// save writes all objects of a store below a directory, by their keys.
func save(t testing.TB, m *memory) string {
	t.Helper()
	dir := t.TempDir()
	for uri, body := range m.objects {
		path := filepath.Join(dir, filepath.FromSlash(strings.TrimPrefix(uri, "s3://b/")))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, body, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// output runs a tool and returns what it prints; anything on standard error fails the test.
func output(t testing.TB, name string, args ...string) string {
	t.Helper()
	need(t, name)
	cmd := exec.Command(name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil || stderr.Len() > 0 {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String()
}

// repeated is what ffmpeg 5.1 says of the first frame of sound that does not begin with the presentation, also in streams that it wrote
// itself. That times do not repeat is for mpegtstest to check.
var repeated = regexp.MustCompile(`\[null @ \w+\] Application provided invalid, non monotonically increasing dts to muxer in stream \d+: (\d+) >= (\d+)\n`)

// decode plays everything in a file or playlist and fails on the first complaint.
func decode(t testing.TB, path string) {
	t.Helper()
	need(t, "ffmpeg")
	cmd := exec.Command("ffmpeg", "-v", "error", "-xerror", "-i", path, "-map", "0:v?", "-map", "0:a?", "-f", "null", "-")
	out, err := cmd.CombinedOutput()
	said := string(out)
	if m := repeated.FindStringSubmatch(said); m != nil && m[1] == m[2] {
		said = strings.Replace(said, m[0], "", 1)
	}
	if err != nil || said != "" {
		t.Fatalf("ffmpeg %s: %v\n%s", path, err, said)
	}
}

// validated fails on what validate finds wrong in the packages of a store.
func validated(t testing.TB, m *memory, keys ...validate.Key) {
	t.Helper()
	for _, f := range findings(t, m, keys...) {
		t.Error(f)
	}
}

// findings are the errors that validate finds in the packages of a store.
func findings(t testing.TB, m *memory, keys ...validate.Key) []validate.Finding {
	t.Helper()
	src, err := validate.OpenDir(save(t, m), "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = src.Close() }()
	manifests, err := src.Manifests(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r, err := validate.Check(t.Context(), src, manifests, validate.Options{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(r.Findings, func(f validate.Finding) bool { return f.Level != validate.Error })
}

// Plans for the tests: everything goes to bucket b.

func video(id string, closed bool) plan.Rendition {
	return plan.Rendition{ID: id, Video: &plan.Video{ClosedGOP: closed}}
}

func audio(id string) plan.Rendition { return plan.Rendition{ID: id, Audio: &plan.Audio{}} }

func loc(key string) plan.Location { return plan.Location{Bucket: "b", Key: key} }

func transportStream(video bool, audio int) plan.TransportStream {
	ts := plan.TransportStream{ProgramNumber: 1, TransportStreamID: 1, PMTPID: 480, VideoPID: 481, PCRPID: 481, AudioFramesPerPES: 4}
	for i := range audio {
		ts.AudioPIDs = append(ts.AudioPIDs, 482+i)
	}
	if !video {
		ts.PCRPID = 482
	}
	return ts
}

// counter adds up what OnBytes is told.
type counter struct{ n atomic.Int64 }

func newCounter() *counter { return &counter{} }

func (c *counter) add(n int64) { c.n.Add(n) }
