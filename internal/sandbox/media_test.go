package sandbox

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tool finds a program that the tests need: at a desk without it they are skipped, in CI they fail.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return path
}

// outside runs a program without a sandbox.
func outside(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), tool(t, name), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// clipFrames is how many pictures a clip holds: four seconds of them.
const clipFrames = 100

// clips makes films of clipFrames pictures with sound, one for each name, too large to fit into the cache of head and tail. Pictures of
// noise are large.
func clips(t *testing.T, names ...string) []string {
	t.Helper()
	dir := t.TempDir()
	args := []string{
		"-nostdin", "-loglevel", "error", "-f", "lavfi", "-i", "color=gray:s=640x360:r=25:d=4,noise=alls=100:allf=t",
		"-f", "lavfi", "-i", "sine=d=4", "-c:v", "mpeg2video", "-qscale:v", "2", "-c:a", "aac",
	}
	first := filepath.Join(dir, "first.mkv")
	outside(t, "ffmpeg", append(args, first)...)
	paths := make([]string, len(names))
	for i, name := range names {
		paths[i] = filepath.Join(dir, name)
		outside(t, "ffmpeg", "-nostdin", "-loglevel", "error", "-i", first, "-c", "copy", paths[i])
		info, err := os.Stat(paths[i])
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() < headBytes+tailBytes+blockBytes {
			t.Fatalf("clip of %d bytes fits into the cache", info.Size())
		}
	}
	readable(t, first)
	return paths
}

// readable lets every user read a file below a temporary directory.
func readable(t *testing.T, path string) {
	t.Helper()
	for dir := filepath.Dir(path); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTranscode reads by ranges what plain ffmpeg reads from a file.
func TestTranscode(t *testing.T) {
	t.Parallel()
	ffmpeg := tool(t, "ffmpeg")
	for n, film := range clips(t, "moov-at-end.mp4", "clip.mkv", "clip.ts") {
		t.Run(filepath.Base(film), func(t *testing.T) {
			t.Parallel()
			args := func(input, frames, encoded, progress string) []string {
				return []string{
					"-nostdin", "-loglevel", "error", "-y", "-progress", progress, "-i", input,
					"-map", "0:v", "-map", "0:a", "-f", "framecrc", frames,
					"-map", "0:v", "-map", "0:a", "-s", "160x90", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-f", "matroska", encoded,
				}
			}
			plain := filepath.Join(t.TempDir(), "plain.framecrc")
			outside(t, "ffmpeg", args(film, plain, os.DevNull, os.DevNull)...)
			want, err := os.ReadFile(plain)
			if err != nil {
				t.Fatal(err)
			}
			everybody := parents()
			if n > 0 {
				everybody = everybody[:1]
			}
			for _, p := range everybody {
				got := p.run(t, request{
					Program: ffmpeg, Inputs: []string{film}, Outputs: 3, Args: args("$0", "pipe:3", "pipe:4", "pipe:5"),
				})
				if got.Error != "" || !got.Exit.Success() {
					t.Fatalf("%s: %s, %+v", p.name, got.Error, got.Exit)
				}
				if string(got.Outputs[0]) != string(want) {
					t.Errorf("%s: frames differ from plain ffmpeg's:\n%.300s\nwant\n%.300s", p.name, got.Outputs[0], want)
				}
				if frames := countFrames(t, got.Outputs[1]); frames != clipFrames {
					t.Errorf("%s: %d frames encoded, want %d", p.name, frames, clipFrames)
				}
				if progress := string(got.Outputs[2]); !strings.Contains(progress, "frame=100\n") || !strings.Contains(progress, "progress=end\n") {
					t.Errorf("%s: progress %q", p.name, progress)
				}
			}
		})
	}
}

// countFrames has plain ffprobe count the pictures of a film.
func countFrames(t *testing.T, film []byte) int {
	t.Helper()
	path := filepath.Join(t.TempDir(), "film")
	if err := os.WriteFile(path, film, 0o600); err != nil {
		t.Fatal(err)
	}
	out := outside(t, "ffprobe", "-loglevel", "error", "-count_packets", "-select_streams", "v:0", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", path)
	var frames int
	if _, err := fmt.Sscan(out, &frames); err != nil {
		t.Fatalf("ffprobe: %v in %q", err, out)
	}
	return frames
}

func TestProbeProgram(t *testing.T) {
	t.Parallel()
	ffprobe := tool(t, "ffprobe")
	film := clips(t, "film.mp4")[0]
	for _, p := range parents() {
		got := p.run(t, request{
			Program: ffprobe, Inputs: []string{film}, Stdout: true,
			Args: []string{"-loglevel", "error", "-of", "json", "-show_format", "-show_streams", "$0"},
		})
		if got.Error != "" || !got.Exit.Success() {
			t.Fatalf("%s: %s, %+v", p.name, got.Error, got.Exit)
		}
		var probe struct {
			Streams []struct {
				Kind string `json:"codec_type"`
			}
			Format struct {
				Duration string
				Size     string
			}
		}
		if err := json.Unmarshal(got.Exit.Stdout, &probe); err != nil {
			t.Fatal(err)
		}
		if len(probe.Streams) != 2 || !strings.HasPrefix(probe.Format.Duration, "4.") {
			t.Errorf("%s: probe %+v", p.name, probe)
		}
	}
}

// TestHostileMedia: each input makes plain ffmpeg do what it should not, and is then tried inside.
func TestHostileMedia(t *testing.T) {
	t.Parallel()
	ffmpeg := tool(t, "ffmpeg")
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret.mkv")
	outside(t, "ffmpeg", "-nostdin", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=s=64x64:r=25:d=1", "-c:v", "mpeg4", secret)
	readable(t, secret)
	fetch := fetched(t)
	open := filepath.Join(dir, "open")
	if err := os.Mkdir(open, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	written := filepath.Join(open, "written.mkv")
	wide := []string{"-protocol_whitelist", "file,crypto,data,http,tcp,udp,unix,subfile,concat"}
	source := []string{"-f", "lavfi", "-i", "color=s=64x64:r=25:d=1"}
	tests := []struct {
		name string
		// body is the input, if there is one.
		body string
		args []string
		// did reports whether it had the effect.
		did func(frames string) bool
	}{
		{
			name: "playlist fetches from loopback", body: "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://" + fetch.address + "/segment.ts\n#EXT-X-ENDLIST\n",
			args: append(wide, "-f", "hls", "-i", "$0"),
			did:  func(string) bool { return fetch.happened() },
		},
		{
			name: "playlist reads a file", body: "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://" + secret + "\n#EXT-X-ENDLIST\n",
			args: append(wide, "-allowed_extensions", "ALL", "-f", "hls", "-i", "$0"), did: sawFrames,
		},
		{
			name: "ffconcat reads another file", body: "ffconcat version 1.0\nfile " + secret + "\n",
			args: append(wide, "-f", "concat", "-safe", "0", "-i", "$0"), did: sawFrames,
		},
		{name: "input is another file", args: []string{"-i", secret}, did: sawFrames},
		{name: "filter opens a film", args: append(source, "-vf", "movie="+secret+"[m];[in][m]overlay"), did: sawFrames},
		{name: "filter prints a file", args: append(source, "-vf", "drawtext=fontcolor=white:textfile=/etc/passwd"), did: sawFrames},
		{name: "connects by TCP", args: append(wide, "-f", "mpegts", "-i", "tcp://"+fetch.address), did: func(string) bool { return fetch.happened() }},
		{
			name: "writes elsewhere", args: append(source, "-c:v", "mpeg4", "-y", written),
			did: func(string) bool { return os.Remove(written) == nil },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var inputs []string
			args := append([]string{"-nostdin", "-loglevel", "error"}, tt.args...)
			plain := append([]string(nil), args...)
			if tt.body != "" {
				name := filepath.Join(dir, "input")
				if err := os.WriteFile(name, []byte(tt.body), 0o644); err != nil {
					t.Fatal(err)
				}
				inputs = []string{name}
				for i := range plain {
					plain[i] = strings.ReplaceAll(plain[i], "$0", name)
				}
			}
			frames := []string{"-map", "0:v", "-f", "framecrc"}
			if strings.Contains(strings.Join(args, " "), written) {
				frames = []string{"-f", "framecrc"}
			}
			// Its status is not asked: what it reached is.
			out, _ := exec.CommandContext(t.Context(), ffmpeg, append(append(plain, frames...), "-")...).Output()
			if !tt.did(string(out)) {
				t.Fatalf("plain ffmpeg did not do it either, which proves nothing: %q", out)
			}
			// What holds for somebody else and without namespaces holds for root, whose programs are somebody else's.
			for _, p := range slices.DeleteFunc(parents(), func(p parent) bool { return strings.HasPrefix(p.name, "root ") }) {
				got := p.run(t, request{Program: ffmpeg, Inputs: inputs, Outputs: 1, Args: append(append(args, frames...), "pipe:3")})
				if got.Error != "" {
					t.Fatalf("%s: %s", p.name, got.Error)
				}
				if got.Exit.Success() || tt.did(string(got.Outputs[0])) {
					t.Errorf("%s: it worked: %+v, %q", p.name, got.Exit, got.Outputs[0])
				}
			}
		})
	}
}

// sawFrames reports whether a framecrc listing has pictures.
func sawFrames(listing string) bool {
	return strings.Contains(listing, "\n0, ")
}

// A fetchLog is a listener that notes who reached it.
type fetchLog struct {
	address string
	log     chan struct{}
}

func fetched(t *testing.T) fetchLog {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	f := fetchLog{address: listener.Addr().String(), log: make(chan struct{}, 64)}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			// Noted before the answer, so that it is known when the other side has ended.
			f.log <- struct{}{}
			_ = conn.Close()
		}
	}()
	return f
}

// happened reports whether anybody came since it was last asked. A connection of a program that has ended is already waiting to be
// accepted, so one of our own behind it shows when all before it have been noted.
func (f fetchLog) happened() bool {
	conn, err := net.Dial("tcp4", f.address)
	if err != nil {
		return true
	}
	_, _ = conn.Read(make([]byte, 1))
	_ = conn.Close()
	came := 0
	for {
		select {
		case <-f.log:
			came++
		default:
			return came > 1
		}
	}
}
