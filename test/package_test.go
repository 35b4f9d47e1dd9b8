package test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"darkroom/internal/cenc"
	"darkroom/internal/cpix"
	"darkroom/internal/secret"
)

const (
	packageKID = "00112233445566778899aabbccddeeff"
	packageKey = "0123456789abcdef"
)

// darkroomPackage runs darkroom package, which must succeed, and then darkroom validate, which must find nothing wrong.
func darkroomPackage(t *testing.T, out string, args ...string) {
	t.Helper()
	run(t, nil, binary, append([]string{"package", "--out", out}, args...)...)
	groups, err := os.ReadDir(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		if text, stderr, err := try(t, nil, binary, "validate", filepath.Join(out, g.Name())); err != nil {
			t.Errorf("validate %s: %v\n%s%s", g.Name(), err, text, stderr)
		}
	}
}

// decoded are hashes of the pictures that ffmpeg decodes an input to, with options before the input.
func decoded(t *testing.T, input string, options ...string) []string {
	t.Helper()
	args := slices.Concat([]string{"-v", "error"}, options, []string{"-i", input, "-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framemd5", "-"})
	var all []string
	for line := range strings.Lines(run(t, nil, "ffmpeg", args...)) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "#") && line != "" {
			all = append(all, line[strings.LastIndexByte(line, ',')+1:])
		}
	}
	return all
}

// packageFilm has pictures with B-frames, a key frame each second and scenes that begin in between, and two sounds.
func packageFilm(t *testing.T) string {
	return film(t, "package.mp4", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=30000/1001:d=10", "-f", "lavfi", "-i", "sine=f=440:r=48000:d=10", "-f", "lavfi", "-i", "sine=f=880:r=44100:d=10",
		"-map", "0", "-map", "1", "-map", "2", "-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-force_key_frames", "expr:gte(t,n_forced)", "-c:a", "aac", "-ac", "2",
		"-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu")
}

func keyOf(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "film.key")
	if err := os.WriteFile(path, []byte(packageKey), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Every group is decoded, by others, to the pictures of the film; encrypted ones with the key.
func TestPackage(t *testing.T) {
	t.Parallel()
	need(t, "ffmpeg")
	input := packageFilm(t)
	want := decoded(t, input)
	hexKey := fmt.Sprintf("%x", packageKey)
	for _, tt := range []struct {
		name     string
		args     []string
		manifest string
		encrypt  string
		by       string // who decrypts: shaka-packager, or ffmpeg with the key; "" for ffmpeg as it finds its way by the manifest
	}{
		{"hls", []string{"--hls"}, "hls/master.m3u8", "", ""},
		{"hls muxed", []string{"--hls", "--muxed", "--iframes"}, "hls/master.m3u8", "", ""},
		{"hls fmp4", []string{"--hls", "--segments", "fmp4", "--fragment-length", "1"}, "hls/master.m3u8", "", ""},
		{"hls in one file", []string{"--hls", "--single-file", "--min-final-length", "1.5"}, "hls/master.m3u8", "", ""},
		{"hls aes-128", []string{"--hls"}, "hls/master.m3u8", "aes-128", ""},
		{"hls aes-128 with a vector", []string{"--hls", "--muxed", "--iv", "00112233445566778899aabbccddeeff"}, "hls/master.m3u8", "aes-128", ""},
		{"hls fmp4 cbcs", []string{"--hls", "--segments", "fmp4"}, "hls/master.m3u8", "cbcs", "shaka"},
		{"cmaf", []string{"--cmaf", "--iframes"}, "cmaf/manifest.mpd", "", ""},
		{"cmaf, its playlists", []string{"--cmaf"}, "cmaf/master.m3u8", "", ""},
		{"cmaf cbcs", []string{"--cmaf"}, "cmaf/manifest.mpd", "cbcs", "shaka"},
		{"cmaf cenc with a clear lead", []string{"--cmaf", "--clear-lead"}, "cmaf/manifest.mpd", "cenc", "shaka"},
		{"dash", []string{"--dash", "--segment-length", "2.5"}, "dash/manifest.mpd", "", ""},
		{"dash cbcs", []string{"--dash"}, "dash/manifest.mpd", "cbcs", "shaka"},
		{"dash cenc", []string{"--dash"}, "dash/manifest.mpd", "cenc", "shaka"},
		{"dash, one file each", []string{"--dash", "--single-file", "--iframes"}, "dash/manifest.mpd", "", ""},
		{"dash cenc, one file each", []string{"--dash", "--single-file"}, "dash/video_180p.mp4", "cenc", "key"},
		{"mss", []string{"--mss"}, "mss/video_180p.ismv", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			args := append([]string{input, "--segment-length", "2"}, tt.args...)
			if tt.encrypt != "" {
				args = append(args, "--encrypt", tt.encrypt, "--key", packageKID+":"+keyOf(t, dir))
			}
			if tt.encrypt != "" && !strings.HasPrefix(tt.manifest, "dash") {
				args = append(args, "--key-url", "file://"+filepath.Join(dir, "film.key"))
			}
			out := filepath.Join(dir, "out")
			darkroomPackage(t, out, args...)
			var got []string
			switch manifest := filepath.Join(out, tt.manifest); {
			case tt.by == "shaka":
				video := filepath.Join(out, filepath.Dir(tt.manifest), "video_180p")
				whole := filepath.Join(dir, "whole.mp4")
				joinFiles(t, whole, filepath.Join(video, "init.mp4"), filepath.Join(video, "*.m4s"))
				packager(t, "in="+whole+",stream=video,output="+filepath.Join(dir, "clear.mp4"), "--enable_raw_key_decryption", "--keys", "key_id="+packageKID+":key="+hexKey)
				got = decoded(t, filepath.Join(dir, "clear.mp4"))
			case tt.by == "key":
				got = decoded(t, manifest, "-decryption_key", hexKey)
				if slices.Equal(decoded(t, manifest), want) {
					t.Error("it is decoded without the key, too")
				}
			case strings.HasSuffix(manifest, ".m3u8"):
				got = decoded(t, manifest, "-allowed_extensions", "ALL", "-protocol_whitelist", "file,crypto,data")
			default:
				got = decoded(t, manifest)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%d pictures are not the %d of the film", len(got), len(want))
			}
		})
	}
}

// joinFiles writes files behind each other; a pattern stands for those that fit, the init segment for itself.
func joinFiles(t *testing.T, to string, patterns ...string) {
	t.Helper()
	var all []byte
	for _, p := range patterns {
		names, err := filepath.Glob(p)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: no file, %v", p, err)
		}
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b...)
		}
	}
	if err := os.WriteFile(to, all, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Inputs of every shape become packages that keep the rules.
func TestPackageInputs(t *testing.T) {
	t.Parallel()
	need(t, "ffmpeg")
	x264 := []string{"-c:v", "libx264", "-preset", "ultrafast", "-g", "25"}
	called := func(name string, args ...string) string { return film(t, "package-"+name, args...) }
	source := []string{"-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=6", "-f", "lavfi", "-i", "sine=r=48000:d=6", "-map", "0", "-map", "1"}
	with := func(more ...string) []string { return slices.Concat(source, x264, []string{"-c:a", "aac"}, more) }
	for _, tt := range []struct {
		name   string
		inputs []string
		args   []string
		frames int
	}{
		{"a QuickTime film", []string{called("a.mov", with()...)}, []string{"--dash", "--hls", "--cmaf", "--mss"}, 150},
		{"moov before the media", []string{called("front.mp4", with("-movflags", "+faststart")...)}, []string{"--dash"}, 150},
		{"fragmented", []string{called("frag.mp4", with("-movflags", "frag_keyframe+empty_moov+default_base_moof")...)}, []string{"--dash", "--hls"}, 150},
		{"fragmented, with an index", []string{called("sidx.mp4", with("-movflags", "frag_keyframe+dash+delay_moov")...)}, []string{"--cmaf"}, 150},
		{"pictures alone", []string{called("a.mov", with()...) + ":video"}, []string{"--dash", "--hls"}, 150},
		{"sound alone", []string{called("a.mov", with()...) + ":audio"}, []string{"--dash", "--hls"}, 0},
		{"23.976 pictures a second", []string{called("odd.mp4", append([]string{"-f", "lavfi", "-i", "testsrc2=s=320x180:r=24000/1001:d=6"}, x264...)...)}, []string{"--dash", "--mss"}, 144},
		{"a rate that varies", []string{called("vfr.mp4", append([]string{"-f", "lavfi", "-i", "testsrc2=s=320x180:r=50:d=6,select='not(mod(n,3))+lt(mod(n,100),40)'"}, append(x264, "-fps_mode", "vfr")...)...)}, []string{"--dash", "--hls"}, -1},
		{"B-frames that are shown late", []string{called("b.mp4", with("-bf", "4", "-b_strategy", "0")...)}, []string{"--dash", "--cmaf", "--hls", "--mss"}, 150},
		{"pictures that begin before 0", []string{called("early.mp4", append([]string{"-ss", "0.5"}, with("-copyts")...)...)}, []string{"--dash", "--mss"}, -1},
		{"sound that begins late", []string{called("late.mp4", slices.Concat([]string{"-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=6", "-itsoffset", "1.3", "-f", "lavfi", "-i", "sine=r=48000:d=4"}, x264, []string{"-c:a", "aac"})...)}, []string{"--dash", "--mss"}, 150},
		{"HEVC and E-AC-3", []string{called("hevc.mp4", slices.Concat(source, []string{"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "keyint=25:log-level=none", "-c:a", "eac3"})...)}, []string{"--dash", "--hls", "--cmaf"}, 150},
		{"AV1 and AC-3", []string{called("av1.mp4", slices.Concat(source, []string{"-c:v", "libsvtav1", "-preset", "12", "-g", "25", "-c:a", "ac3"})...)}, []string{"--dash", "--cmaf"}, 150},
		{"two renditions", []string{called("a.mov", with()...), called("small.mp4", with("-s", "160x90")...) + ":video"}, []string{"--cmaf", "--dash", "--hls", "--mss"}, 150},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "out")
			darkroomPackage(t, out, slices.Concat(tt.inputs, tt.args, []string{"--segment-length", "2"})...)
			if tt.frames == 0 {
				return
			}
			path, _, _ := strings.Cut(tt.inputs[0], ":")
			if got, want := decoded(t, filepath.Join(out, strings.TrimPrefix(tt.args[0], "--"), "manifest.mpd")), decoded(t, path); !slices.Equal(got, want) || tt.frames > 0 && len(got) != tt.frames {
				t.Errorf("%d pictures are not the %d of the film", len(got), len(want))
			}
		})
	}
}

// What cannot be packaged is said, and nothing says that there is a package.
func TestPackageRefuses(t *testing.T) {
	t.Parallel()
	input := packageFilm(t)
	uneven := film(t, "package-uneven.mp4", "-f", "lavfi", "-i", "testsrc2=s=160x90:r=30000/1001:d=10", "-c:v", "libx264", "-preset", "ultrafast", "-g", "37", "-sc_threshold", "0")
	encrypted := filepath.Join(t.TempDir(), "encrypted.mp4")
	run(t, nil, "ffmpeg", "-v", "error", "-i", input, "-c", "copy", "-encryption_scheme", "cenc-aes-ctr", "-encryption_key", packageKID, "-encryption_kid", packageKID, encrypted)
	for _, tt := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"pictures that do not align", []string{input, uneven + ":video", "--dash", "--hls"}, 1, "do not align"},
		{"an encrypted film", []string{encrypted, "--dash"}, 2, "encrypted"},
		{"a track twice", []string{input, input + ":audio=1", "--dash"}, 2, "has been chosen by"},
		{"a track that is not there", []string{input + ":audio=3", "--dash"}, 2, "no track"},
		{"a language that is not there", []string{input + ":audio=fr", "--dash"}, 2, "no track"},
		{"cbcs in Smooth", []string{input, "--mss", "--encrypt", "cbcs", "--key", packageKID + ":" + keyOf(t, t.TempDir())}, 2, "cenc"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "out")
			_, stderr, err := try(t, nil, binary, append([]string{"package", "--out", out, "--segment-length", "2"}, tt.args...)...)
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != tt.code || !strings.Contains(stderr, tt.want) {
				t.Errorf("got %v: %s, want code %d and %q", err, stderr, tt.code, tt.want)
			}
			if strings.Contains(stderr, "s3://") {
				t.Errorf("it speaks of a store that there is none of: %s", stderr)
			}
			if got := manifests(t, out); len(got) > 0 {
				t.Errorf("written: %v", got)
			}
		})
	}
}

func manifests(t *testing.T, dir string) []string {
	t.Helper()
	return below(t, dir, regexp.MustCompile(`\.(m3u8|mpd|ismc?)$`))
}

// below are the files below a directory whose names fit.
func below(t *testing.T, dir string, name *regexp.Regexp) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && name.MatchString(path) {
			all = append(all, path)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return all
}

// A directory with a package in it is left as it is, unless it is to be replaced: then the manifests go before anything else.
func TestPackageReplace(t *testing.T) {
	t.Parallel()
	input, out := packageFilm(t), filepath.Join(t.TempDir(), "out")
	run(t, nil, binary, "package", input, "--out", out, "--dash")
	before, err := os.ReadFile(filepath.Join(out, "dash", "manifest.mpd"))
	if err != nil {
		t.Fatal(err)
	}
	_, stderr, err := try(t, nil, binary, "package", input, "--out", out, "--dash", "--segment-length", "2")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(stderr, "--replace") {
		t.Errorf("over a package: %v %s", err, stderr)
	}
	uneven := film(t, "package-uneven.mp4", "-f", "lavfi", "-i", "testsrc2=s=160x90:r=30000/1001:d=10", "-c:v", "libx264", "-preset", "ultrafast", "-g", "37", "-sc_threshold", "0")
	if _, _, err := try(t, nil, binary, "package", input, uneven+":video", "--out", out, "--dash", "--segment-length", "2", "--replace"); err == nil {
		t.Error("pictures that do not align: no error")
	}
	if got := manifests(t, out); len(got) > 0 {
		t.Errorf("half a package has %v", got)
	}
	darkroomPackage(t, out, input, "--dash", "--segment-length", "2", "--replace", "--sync")
	after, err := os.ReadFile(filepath.Join(out, "dash", "manifest.mpd"))
	if err != nil || string(after) == string(before) {
		t.Errorf("the manifest is the old one: %v", err)
	}
}

func TestPackageJSON(t *testing.T) {
	t.Parallel()
	input, out := packageFilm(t), filepath.Join(t.TempDir(), "out")
	text, stderr, err := try(t, nil, binary, "package", input, "--out", out, "--cmaf", "--json")
	if err != nil || stderr != "" {
		t.Fatalf("%v: %s", err, stderr)
	}
	var got struct {
		Status    string
		Bytes     int64
		Manifests []string
		Outputs   []struct {
			Path                                    string
			Seconds                                 float64
			Segments, Width, Height, Bytes, Bitrate int64
		}
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if got.Status != "COMPLETE" || len(got.Outputs) != 3 || !slices.Equal(got.Manifests, []string{filepath.Join(out, "cmaf", "master.m3u8"), filepath.Join(out, "cmaf", "manifest.mpd")}) {
		t.Errorf("got %+v", got)
	}
	total := int64(0)
	for _, name := range below(t, out, regexp.MustCompile("")) {
		st, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		total += st.Size()
	}
	if got.Bytes != total {
		t.Errorf("it speaks of %d bytes, and there are %d", got.Bytes, total)
	}
	if o := got.Outputs[0]; o.Segments != 3 || o.Width != 320 || o.Height != 180 || o.Seconds < 9.9 || o.Bitrate < 1000 {
		t.Errorf("the picture: %+v", o)
	}
}

// Killed half-way, there is no manifest, and every file with a name of its own is whole.
func TestPackageKilled(t *testing.T) {
	t.Parallel()
	one := film(t, "package-heavy.mp4", "-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=4,noise=alls=60:allf=t", "-f", "lavfi", "-i", "sine=r=48000:d=4", "-c:v", "libx264", "-preset", "ultrafast",
		"-qp", "12", "-g", "50", "-c:a", "aac")
	long := film(t, "package-long.mp4", "-stream_loop", "39", "-i", one, "-c", "copy")
	for _, tt := range []struct {
		name   string
		signal syscall.Signal
		args   []string
		code   int // -1 for killed
	}{
		{"killed", syscall.SIGKILL, []string{"--dash", "--hls"}, -1},
		{"terminated", syscall.SIGTERM, []string{"--cmaf", "--mss"}, 130},
		{"interrupted, one file each", syscall.SIGINT, []string{"--dash", "--single-file"}, 130},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "out")
			cmd := exec.CommandContext(t.Context(), binary, append([]string{"package", long, "--out", out, "--segment-length", "2"}, tt.args...)...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for len(below(t, out, regexp.MustCompile(`(m4s|ts|\.darkroom-[0-9a-f]+)$`))) == 0 {
				select {
				case err := <-ended:
					t.Fatalf("it ended before anything was written: %v", err)
				case <-tick.C:
				}
			}
			if err := cmd.Process.Signal(tt.signal); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; cmd.ProcessState.ExitCode() != tt.code {
				t.Fatalf("it ended with %v, code %d", err, cmd.ProcessState.ExitCode())
			}
			if got := manifests(t, out); len(got) > 0 {
				t.Errorf("there are manifests: %v", got)
			}
			if got := below(t, out, regexp.MustCompile(`\.darkroom-`)); tt.code >= 0 && len(got) > 0 {
				t.Errorf("left behind: %v", got)
			}
			// The same package without an end half-way tells how each file has to be.
			whole := filepath.Join(t.TempDir(), "out")
			run(t, nil, binary, append([]string{"package", long, "--out", whole, "--segment-length", "2"}, tt.args...)...)
			for _, name := range below(t, out, regexp.MustCompile(`/[^./][^/]*$`)) {
				got, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				want, err := os.ReadFile(strings.Replace(name, out, whole, 1))
				if err != nil {
					t.Fatal(err)
				}
				if string(got) != string(want) {
					t.Errorf("%s has %d bytes and should have %d", name, len(got), len(want))
				}
			}
		})
	}
}

// Keys that come from a key server over SPEKE encrypt what they decrypt, and what it says of them stands in the manifests.
func TestPackageSPEKE(t *testing.T) {
	t.Parallel()
	input, dir := packageFilm(t), t.TempDir()
	secretOf := func(kid cenc.UUID) []byte { h := sha256.Sum256(kid[:]); return h[:cenc.KeySize] }
	var asked []cenc.UUID
	var lock sync.Mutex // guards asked
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		version := r.Header.Get("X-Speke-Version")
		request, err := cpix.ParseRequest(body, version)
		if err != nil || r.Header.Get("Authorization") != "Bearer hunter2" {
			http.Error(w, fmt.Sprint("not for you: ", err), http.StatusForbidden)
			return
		}
		answer := cpix.Answer{Request: request}
		for _, k := range request.Keys {
			p := cenc.Protection{Key: cenc.Key{ID: k.ID, Value: secret.New(secretOf(k.ID))}}
			for _, s := range request.Systems {
				if s.KeyID != k.ID {
					continue
				}
				sign := cenc.SignalWidevine
				if s.ID == cenc.PlayReady {
					sign = cenc.SignalPlayReady
				}
				signal, err := sign(cenc.Terms{Scheme: request.Scheme, Key: p.Key})
				if err != nil {
					t.Error(err)
				}
				if signal.System != s.ID {
					t.Errorf("asked for %s", s.ID)
				}
				p.Signals = append(p.Signals, signal)
			}
			lock.Lock()
			asked = append(asked, k.ID)
			lock.Unlock()
			answer.Keys = append(answer.Keys, p)
		}
		text, err := answer.Encode(rand.Reader)
		if err != nil {
			t.Error(err)
		}
		if version != "" {
			w.Header().Set("X-Speke-Version", version)
			w.Header().Set("X-Speke-User-Agent", "test")
		}
		w.Header().Set("Content-Type", "application/xml")
		_, _ = w.Write(text)
	}))
	t.Cleanup(server.Close)
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	port := server.URL[strings.LastIndexByte(server.URL, ':')+1:]
	token := write("token", "hunter2")
	authority := write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	configuration := write("config.yaml", fmt.Sprintf("egress:\n  allow:\n    - {net: 127.0.0.1/32, ports: [%s], for: [speke]}\n  ca_file: %s\nspeke:\n  servers:\n    - {url: %q, auth: bearer, token_file: %s}\n",
		port, authority, server.URL, token))
	out := filepath.Join(dir, "out")
	args := []string{
		input, "--segment-length", "2", "--cmaf", "--encrypt", "cenc", "--speke", server.URL + "/copyProtection", "--resource-id", "film", "--drm", "widevine,playready",
		"--speke-video", "PRESET_VIDEO_1", "--speke-audio", "PRESET_AUDIO_1",
	}
	darkroomPackage(t, out, append(args, "--config", configuration)...)
	if len(asked) != 2 || asked[0] == asked[1] {
		t.Fatalf("it was asked for the keys %v", asked)
	}
	playlists, err := os.ReadFile(filepath.Join(out, "cmaf", "video_180p.m3u8"))
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{cenc.KeyFormatWidevine, cenc.KeyFormatPlayReady} {
		if !strings.Contains(string(playlists), format) {
			t.Errorf("nothing in the playlist for %s", format)
		}
	}
	whole := filepath.Join(dir, "whole.mp4")
	joinFiles(t, whole, filepath.Join(out, "cmaf", "video_180p", "init.mp4"), filepath.Join(out, "cmaf", "video_180p", "*.m4s"))
	var keys []string
	for i, id := range asked {
		keys = append(keys, fmt.Sprintf("label=%d:key_id=%s:key=%x", i, strings.ReplaceAll(id.String(), "-", ""), secretOf(id)))
	}
	packager(t, "in="+whole+",stream=video,output="+filepath.Join(dir, "clear.mp4"), "--enable_raw_key_decryption", "--keys", strings.Join(keys, ","))
	if got, want := decoded(t, filepath.Join(dir, "clear.mp4")), decoded(t, input); !slices.Equal(got, want) {
		t.Errorf("%d pictures are not the %d of the film", len(got), len(want))
	}
	// Without leave to ask, nothing is written.
	nothing := filepath.Join(dir, "nothing")
	_, stderr, err := try(t, nil, binary, append([]string{"package", "--out", nothing}, args...)...)
	if err == nil || strings.Contains(stderr, "hunter2") {
		t.Errorf("a key server that is not allowed: %v, %s", err, stderr)
	}
	if _, err := os.Stat(nothing); err == nil {
		t.Error("a directory was made")
	}
}

// A film of a whole day becomes a package of a whole day.
func TestPackageDay(t *testing.T) {
	t.Parallel()
	minutes := film(t, "package-minutes.mp4", "-f", "lavfi", "-i", "testsrc2=s=64x36:r=1:d=600", "-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono:d=600", "-c:v", "libx264", "-preset", "ultrafast", "-g", "4", "-c:a", "aac", "-b:a", "8k",
		"-t", "600")
	day := film(t, "package-day.mp4", "-stream_loop", "143", "-i", minutes, "-c", "copy")
	out := filepath.Join(t.TempDir(), "out")
	text := run(t, nil, binary, "package", day, "--out", out, "--cmaf", "--single-file", "--json")
	var got struct {
		Outputs []struct {
			Seconds  float64
			Segments int
		}
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	const seconds = 24 * 60 * 60
	if len(got.Outputs) != 2 {
		t.Fatalf("got %s", text)
	}
	for _, o := range got.Outputs {
		if o.Seconds < seconds-1 || o.Seconds > seconds+10 || o.Segments < seconds/4-1 || o.Segments > seconds/4+2 {
			t.Errorf("got %v s in %d segments", o.Seconds, o.Segments)
		}
	}
	if d := strings.TrimSpace(run(t, nil, "ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", filepath.Join(out, "cmaf", "video_36p.mp4"))); !strings.HasPrefix(d, "8640") {
		t.Errorf("ffprobe reads %s s", d)
	}
}
