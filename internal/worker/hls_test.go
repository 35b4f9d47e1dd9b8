package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"darkroom/internal/blob"
	"darkroom/internal/blob/plain"
	"darkroom/internal/job"
	"darkroom/internal/mpegts"
	"darkroom/internal/plan"
)

// shelf is a store of files, and a web that counts what is asked of it.
type shelf struct {
	t     *testing.T
	dir   string
	store *counting
	web   *web
}

// counting notes the keys that are asked for.
type counting struct {
	blob.Store
	mu   sync.Mutex // guards keys
	keys []string
}

func (c *counting) note(bucket, key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys = append(c.keys, bucket+"/"+key)
}

func (c *counting) Head(ctx context.Context, bucket, key string, o blob.Conditions) (blob.Info, error) {
	c.note(bucket, key)
	return c.Store.Head(ctx, bucket, key, o)
}

func (c *counting) Get(ctx context.Context, bucket, key string, r *blob.Range, o blob.Conditions) (*blob.Object, error) {
	c.note(bucket, key)
	return c.Store.Get(ctx, bucket, key, r, o)
}

// web dials like any other, and notes what it was asked for.
type web struct {
	mu   sync.Mutex // guards urls
	urls []string
}

func (w *web) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.urls = append(w.urls, r.URL.String())
	w.mu.Unlock()
	return http.DefaultTransport.RoundTrip(r)
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{t: t, dir: t.TempDir(), web: &web{}}
	store, err := plain.Open(map[string]string{"in": s.dir})
	if err != nil {
		t.Fatal(err)
	}
	s.store = &counting{Store: store}
	return s
}

func (s *shelf) put(name string, body []byte) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, body, 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// open opens an input as a job does, and reads its playlists.
func (s *shelf) open(uri string, schemes ...string) (*presentation, error) {
	s.t.Helper()
	in, err := plan.ParseInput(uri)
	if err != nil {
		s.t.Fatal(err)
	}
	src, err := openSource(s.t.Context(), s.store, s.web, in, schemes, "Input 1")
	if err != nil {
		return nil, err
	}
	s.store.mu.Lock()
	s.store.keys = nil
	s.store.mu.Unlock()
	p, err := openPresentation(s.t.Context(), &files{store: s.store, web: s.web, schemes: schemes, input: in}, src)
	if err != nil {
		return nil, inputError("Input 1", err)
	}
	return p, nil
}

// segment is a transport stream of one picture, whose time stamp is n seconds.
func segment(n int) []byte {
	var b []byte
	for i := range 8 {
		p := bytes.Repeat([]byte{0xff}, mpegts.PacketSize)
		p[0], p[1], p[2], p[3] = 0x47, 1, 0, byte(0x10|i)
		if i == 0 {
			t := uint64(n) * 90_000
			p[1] |= 0x40
			copy(p[4:], []byte{0, 0, 1, 0xe0, 0, 0, 0x84, 0x80, 5, 0x21 | byte(t>>29)&0x0e, byte(t >> 22), byte(t>>14) | 1, byte(t >> 7), byte(t<<1) | 1})
		}
		b = append(b, p...)
	}
	return b
}

func playlist(lines ...string) []byte {
	return []byte("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n" + strings.Join(lines, "\n") + "\n#EXT-X-ENDLIST\n")
}

func of(reference string) []byte { return playlist("#EXTINF:1,", reference) }

func wantCode(t *testing.T, err error, code int, text string) {
	t.Helper()
	var e *job.Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Message, text) {
		t.Errorf("got %v (%+v), want code %d and %q", err, e, code, text)
	}
}

// hostileReferences lead where no reference of a playlist may.
var hostileReferences = []string{
	"file:///etc/passwd", "FILE:///etc/passwd", "file:/etc/passwd", "file:etc/passwd", "concat:a.ts|/etc/passwd", "concat:http://127.0.0.1/", "subfile,,start,0,end,9,,:/etc/passwd",
	"data:video/mp2t;base64,R0FB", "crypto:http://127.0.0.1/", "crypto+http://127.0.0.1/", "gopher://127.0.0.1:25/_x", "ftp://127.0.0.1/a.ts", "rtmp://127.0.0.1/a", "rtsp://127.0.0.1/a",
	"tcp://127.0.0.1:25", "udp://127.0.0.1:25", "unix:/run/x", "pipe:0", "fd:3", "async:file:/etc/passwd", "cache:http://127.0.0.1/", "hls+http://127.0.0.1/", "httpproxy://127.0.0.1/", "tee:/tmp/x",
	"tls://127.0.0.1:443", "javascript:alert(1)", "lavfi:testsrc", "c:\\windows\\win.ini", "ldap://127.0.0.1/", "dict://127.0.0.1/", "jar:http://127.0.0.1!/a",
	"http:///a.ts", "http:a.ts", "http:/a.ts", "http://me:secret@127.0.0.1/a.ts", "http://127.0.0.1/a.ts#b", "http://[::1/a.ts", "http://127.0.0.1:x/a.ts", "http://127.0.0.1\\@evil/a.ts",
	"//127.0.0.1/a.ts", "//other/a.ts", "///etc/passwd",
	"s3://other/a.ts", "s3://in/a.ts", "s3://in/film/../a.ts", "s3:///a.ts", "s3:a.ts", "s3://in@other/a.ts", "s3://in:80/film/a.ts", "s3://in/film/a.ts?versionId=1", "s3://in/film/", "s3://in",
	"../a.ts", "../film2/a.ts", "/a.ts", "/etc/passwd", "../../../../etc/passwd", "%2e%2e/a.ts", "x/%2e%2e/%2e%2e/a.ts", "%2E%2E%2Fa.ts", "./%2e/a.ts", "a.ts?x", "a.ts#x", "a%0ab.ts", "a%00.ts", "a%zz.ts", "", ".", "..", "x/",
}

// TestHostileReferences: as a variant, a rendition, a map and a segment, each is refused before anything is opened.
func TestHostileReferences(t *testing.T) {
	t.Parallel()
	for _, reference := range hostileReferences {
		for place, text := range map[string][]byte{
			"segment": of(reference),
			"second":  playlist("#EXTINF:1,", "a.ts", "#EXTINF:1,", reference),
			"map":     playlist(`#EXT-X-MAP:URI="`+reference+`"`, "#EXTINF:1,", "a.m4s"),
			"variant": []byte("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n" + reference + "\n"),
		} {
			if reference == "" {
				continue // an empty line, and no reference
			}
			t.Run(place+" "+reference, func(t *testing.T) {
				t.Parallel()
				s := newShelf(t)
				s.put("film/main.m3u8", text)
				s.put("film/a.ts", segment(1))
				s.put("a.ts", segment(1))
				s.put("film2/a.ts", segment(1))
				_, err := s.open("s3://in/film/main.m3u8", "http", "https")
				wantCode(t, err, 3400, "")
				if len(s.web.urls) > 0 {
					t.Errorf("dialled %v", s.web.urls)
				}
				for _, key := range s.store.keys {
					if key != "in/film/main.m3u8" {
						t.Errorf("asked for %s", key)
					}
				}
			})
		}
	}
}

func TestHostileRenditions(t *testing.T) {
	t.Parallel()
	for _, reference := range hostileReferences[:len(hostileReferences)-4] {
		t.Run(reference, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t)
			s.put("film/main.m3u8", []byte("#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"b\",URI=\""+reference+"\"\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\nv.m3u8\n"))
			s.put("film/v.m3u8", of("a.ts"))
			s.put("film/a.ts", segment(1))
			p, err := s.open("s3://in/film/main.m3u8", "http", "https")
			if err != nil {
				t.Fatal(err)
			}
			before := len(s.store.keys)
			_, err = p.sound(t.Context(), 0)
			wantCode(t, inputError("Input 1", err), 3400, "")
			if len(s.web.urls) > 0 || len(s.store.keys) != before {
				t.Errorf("dialled %v, asked for %v", s.web.urls, s.store.keys[before:])
			}
		})
	}
}

func TestReferences(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, playlist, reference, want string }{
		{"beside", "s3://in/film/v/main.m3u8", "a.ts", "s3://in/film/v/a.ts"},
		{"below", "s3://in/film/v/main.m3u8", "x/y/a.ts", "s3://in/film/v/x/y/a.ts"},
		{"above, within the package", "s3://in/film/v/main.m3u8", "../audio/a.ts", "s3://in/film/audio/a.ts"},
		{"from the root", "s3://in/film/v/main.m3u8", "/film/a.ts", "s3://in/film/a.ts"},
		{"whole", "s3://in/film/v/main.m3u8", "s3://in/film/a%20b.ts", "s3://in/film/a b.ts"},
		{"escaped", "s3://in/film/v/main.m3u8", "Fu%C3%9F%20100%25%3F%23.ts", "s3://in/film/v/Fuß 100%?#.ts"},
		{"not escaped", "s3://in/film/v/main.m3u8", "Fuß a.ts", "s3://in/film/v/Fuß a.ts"},
		{"a colon", "s3://in/film/v/main.m3u8", "./x:y.ts", "s3://in/film/v/x:y.ts"},
		{"an empty directory", "s3://in/film//main.m3u8", "a.ts", "s3://in/film//a.ts"},
		{"a percent sign in the key of the playlist", "s3://in/film/100%/main.m3u8", "a.ts", "s3://in/film/100%/a.ts"},
		{"dot segments", "s3://in/film/v/main.m3u8", "./x/../a.ts", "s3://in/film/v/a.ts"},
		{"to a server", "s3://in/film/v/main.m3u8", "https://host:8443/a.ts?token=1", "https://host:8443/a.ts?token=1"},
		{"of a server", "https://host/film/main.m3u8?token=1", "../a.ts?b", "https://host/a.ts?b"},
		{"of a server, from the root", "https://host/film/main.m3u8", "/x/a.ts", "https://host/x/a.ts"},
		{"of a server, to another", "https://host/film/main.m3u8", "//other/a.ts", "https://other/a.ts"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			playlist, err := plan.ParseInput(c.playlist)
			if err != nil {
				t.Fatal(err)
			}
			f := &files{input: playlist}
			if playlist.URL == "" {
				f.input = plan.Input{Object: plan.Location{Bucket: "in", Key: "film/top.m3u8"}}
			}
			got, err := f.resolve(playlist, c.reference)
			if err != nil || got.URI() != c.want {
				t.Errorf("got %q, %v; want %q", got.URI(), err, c.want)
			}
		})
	}
	t.Run("a server does not lead into the store", func(t *testing.T) {
		t.Parallel()
		at := plan.Input{URL: "https://host/film/main.m3u8"}
		if got, err := (&files{input: at}).resolve(at, "s3://in/film/a.ts"); err == nil {
			t.Errorf("got %v", got)
		}
		// Nor does one that a playlist in the store leads to, outside the package.
		f := &files{input: plan.Input{Object: plan.Location{Bucket: "in", Key: "film/main.m3u8"}}}
		if got, err := f.resolve(at, "s3://in/other/a.ts"); err == nil {
			t.Errorf("got %v", got)
		}
	})
}

func TestRequirements(t *testing.T) {
	t.Parallel()
	variant := func(lines string) []byte { return []byte("#EXTM3U\n" + lines) }
	for _, c := range []struct {
		name, text string
		files      map[string][]byte
	}{
		{"live", "may still change", map[string][]byte{"main.m3u8": []byte("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.ts\n")}},
		{"encrypted", "METHOD", map[string][]byte{"main.m3u8": playlist(`#EXT-X-KEY:METHOD=AES-128,URI="http://127.0.0.1/key"`, "#EXTINF:1,", "a.ts")}},
		{"encrypted samples", "METHOD", map[string][]byte{"main.m3u8": playlist("#EXTINF:1,", "a.ts", `#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://x"`, "#EXTINF:1,", "a.ts")}},
		{"malformed", "line 4", map[string][]byte{"main.m3u8": playlist("#EXTINF:x,", "a.ts")}},
		{"byte order mark", "byte order mark", map[string][]byte{"main.m3u8": append([]byte("\ufeff"), of("a.ts")...)}},
		{"version", "EXT-X-VERSION is 6; allowed: 4", map[string][]byte{"main.m3u8": bytes.Replace(of("a.ts"), []byte("VERSION:3"), []byte("VERSION:6"), 1)}},
		{"version of the parent", "EXT-X-VERSION is 5", map[string][]byte{"main.m3u8": variant("#EXT-X-VERSION:5\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n"), "v.m3u8": of("a.ts")}},
		{"a parent of a parent", "multivariant too", map[string][]byte{"main.m3u8": variant("#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n"), "v.m3u8": variant("#EXT-X-STREAM-INF:BANDWIDTH=1\nw.m3u8\n"), "w.m3u8": of("a.ts")}},
		{"its own parent", "multivariant too", map[string][]byte{"main.m3u8": variant("#EXT-X-STREAM-INF:BANDWIDTH=1\nmain.m3u8\n")}},
		{"its own segment", "container", map[string][]byte{"main.m3u8": of("main.m3u8")}},
		{"a segment that is text", "container", map[string][]byte{"main.m3u8": of("t.txt"), "t.txt": []byte("root:x:0:0")}},
		{"a segment that is a film", "container", map[string][]byte{"main.m3u8": of("f.mp4"), "f.mp4": []byte("\x00\x00\x00\x18ftypisom............")}},
		{"a map that is none", "initialization section", map[string][]byte{"main.m3u8": playlist(`#EXT-X-MAP:URI="a.ts"`, "#EXTINF:1,", "a.ts")}},
		{"two maps", "more than one EXT-X-MAP", map[string][]byte{"main.m3u8": playlist(`#EXT-X-MAP:URI="i.mp4"`, "#EXTINF:1,", "a.m4s", `#EXT-X-MAP:URI="a.ts"`, "#EXTINF:1,", "a.m4s"), "i.mp4": []byte("\x00\x00\x00\x18ftypisom............")}},
		{"fragments behind a discontinuity", "fragmented MP4", map[string][]byte{"main.m3u8": playlist(`#EXT-X-MAP:URI="i.mp4"`, "#EXTINF:1,", "a.m4s", "#EXT-X-DISCONTINUITY", "#EXTINF:1,", "a.m4s"), "i.mp4": []byte("\x00\x00\x00\x18ftypisom............")}},
		{"a range that does not begin the file", "BYTERANGE", map[string][]byte{"main.m3u8": playlist("#EXTINF:1,", "#EXT-X-BYTERANGE:1504@188", "long.ts"), "long.ts": append(segment(1), segment(2)...)}},
		{"a range that leaves something out", "BYTERANGE", map[string][]byte{"main.m3u8": playlist("#EXTINF:1,", "#EXT-X-BYTERANGE:1316@0", "long.ts", "#EXTINF:1,", "#EXT-X-BYTERANGE:1504@1504", "long.ts"), "long.ts": append(segment(1), segment(2)...)}},
		{"a range behind the end", "behind the end", map[string][]byte{"main.m3u8": playlist("#EXTINF:1,", "#EXT-X-BYTERANGE:9999@0", "a.ts")}},
		{"a discontinuity inside a file", "in the middle of its file", map[string][]byte{"main.m3u8": playlist("#EXTINF:1,", "#EXT-X-BYTERANGE:1504@0", "long.ts", "#EXT-X-DISCONTINUITY", "#EXTINF:1,", "#EXT-X-BYTERANGE:1504@1504", "long.ts"), "long.ts": append(segment(1), segment(2)...)}},
		{"an empty segment", "empty", map[string][]byte{"main.m3u8": of("e.ts"), "e.ts": {}}},
		{"a group that is not there", "AUDIO group", map[string][]byte{"main.m3u8": variant("#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\nv.m3u8\n"), "v.m3u8": of("a.ts")}},
		{"a million lines", "lines", map[string][]byte{"main.m3u8": []byte("#EXTM3U" + strings.Repeat("\n", 1_000_000))}},
		{"twenty megabytes", "longer", map[string][]byte{"main.m3u8": append([]byte("#EXTM3U\n"), make([]byte, 20<<20)...)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t)
			s.put("film/a.ts", segment(1))
			for name, body := range c.files {
				s.put("film/"+name, body)
			}
			_, err := s.open("s3://in/film/main.m3u8", "http", "https")
			wantCode(t, err, 3400, c.text)
			if len(s.web.urls) > 0 {
				t.Errorf("dialled %v", s.web.urls)
			}
		})
	}
	t.Run("the name of a playlist", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t)
		s.put("film/main.txt", of("a.ts"))
		_, err := s.open("s3://in/film/main.txt")
		wantCode(t, err, 3400, "must end in .m3u8")
	})
}

// TestNestedTrouble: what goes wrong with a file that a playlist refers to has the code of that, and names the file.
func TestNestedTrouble(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/forbidden.ts":
			w.WriteHeader(http.StatusForbidden)
		case "/secure":
			http.Redirect(w, r, "https://127.0.0.1:1/a.ts", http.StatusFound)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(server.Close)
	for _, c := range []struct {
		name      string
		reference string
		schemes   []string
		code      int
		text      string
		dials     int
	}{
		{"no object", "b.ts", nil, 1404, "segment 1 (b.ts) does not exist", 0},
		{"nothing on the server", server.URL + "/x.ts?token=SESAM", []string{"http"}, 3404, "segment 1 (x.ts)", 1},
		{"refused by the server", server.URL + "/forbidden.ts", []string{"http"}, 3403, "forbidden.ts", 1},
		{"a scheme that the policy disallows", server.URL + "/x.ts", []string{"https"}, 3457, disallowed, 0},
		{"no scheme at all", "https://127.0.0.1:1/x.ts", nil, 3457, disallowed, 0},
		{"a redirect to a scheme that the policy disallows", server.URL + "/secure", []string{"http"}, 3457, disallowed, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t)
			s.put("film/main.m3u8", of(c.reference))
			_, err := s.open("s3://in/film/main.m3u8", c.schemes...)
			wantCode(t, err, c.code, c.text)
			if strings.Contains(fmt.Sprint(err), "SESAM") {
				t.Errorf("the query of a URL shows: %v", err)
			}
			if len(s.web.urls) != c.dials {
				t.Errorf("dialled %v, want %d", s.web.urls, c.dials)
			}
		})
	}
}

// TestRedirectedPlaylist: references are relative to where a playlist was found.
func TestRedirectedPlaylist(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("/old/main.m3u8", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/new/v/main.m3u8", http.StatusFound)
	})
	serve := func(path string, body []byte) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
		})
	}
	serve("/new/v/main.m3u8", of("../a.ts"))
	serve("/new/a.ts", segment(1))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s := newShelf(t)
	p, err := s.open(server.URL+"/old/main.m3u8", "http")
	if err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, p.variant); !bytes.Equal(got, segment(1)) {
		t.Errorf("got %d bytes", len(got))
	}
}

func readAll(t *testing.T, s *sequence) []byte {
	t.Helper()
	r, err := s.ReadRange(t.Context(), 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestHighestVariant(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.put("film/main.m3u8", []byte("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=5\nlow.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=50\nhigh.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=50\nsame.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=6\nlow.m3u8\n"))
	s.put("film/high.m3u8", playlist("#EXTINF:1.5,", "a.ts", "#EXTINF:2,", "b.ts"))
	s.put("film/a.ts", segment(1))
	s.put("film/b.ts", segment(2))
	p, err := s.open("s3://in/film/main.m3u8")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := readAll(t, p.variant), append(segment(1), segment(2)...); len(got) != len(want) || p.duration != 3500*time.Millisecond || p.inexact != 0 {
		t.Errorf("got %d bytes, %v ± %v; want %d", len(got), p.duration, p.inexact, len(want))
	}
	s.put("film/high.m3u8", playlist("#EXTINF:2,", "a.ts", "#EXTINF:2,", "b.ts"))
	if p, err = s.open("s3://in/film/main.m3u8"); err != nil || p.inexact != time.Second {
		t.Errorf("whole seconds: got ± %v, %v", p.inexact, err)
	}
}

// TestSequence reads segments behind one another, more than the read-ahead holds, and the same bytes again.
func TestSequence(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	var lines []string
	var want []byte
	long := bytes.Repeat(segment(1), 300) // 440 KiB
	const segments = 40                   // 18 MB
	for i := range segments {
		name := fmt.Sprintf("%d.ts", i)
		s.put("film/"+name, long)
		lines = append(lines, "#EXTINF:1.5,", name)
		want = append(want, long...)
	}
	s.put("film/main.m3u8", playlist(lines...))
	p, err := s.open("s3://in/film/main.m3u8")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got := readAll(t, p.variant)
		if len(got) != len(want) {
			t.Fatalf("got %d bytes, want %d", len(got), len(want))
		}
	}
	t.Run("given up early", func(t *testing.T) {
		r, err := p.variant.ReadRange(t.Context(), 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(r, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("a range", func(t *testing.T) {
		if _, err := p.variant.ReadRange(t.Context(), 10, 20); err == nil {
			t.Error("a range was read")
		}
	})
	t.Run("replaced meanwhile", func(t *testing.T) {
		s.put("film/7.ts", append(long, segment(1)...))
		r, err := p.variant.ReadRange(t.Context(), 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Close() }()
		_, err = io.Copy(io.Discard, r)
		wantCode(t, inputError("Input 1", err), 1076, "segment 8 (7.ts) was replaced")
	})
}

func TestCutSegment(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.put("film/main.m3u8", playlist("#EXTINF:1,", "a.ts", "#EXTINF:1,", "b.ts", "#EXTINF:1,", "a.ts"))
	s.put("film/a.ts", segment(1))
	s.put("film/b.ts", segment(2)[:1000])
	p, err := s.open("s3://in/film/main.m3u8")
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.variant.ReadRange(t.Context(), 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	_, err = io.Copy(io.Discard, r)
	wantCode(t, inputError("Input 1", err), 3400, "segment 2 (b.ts)")
}

// TestClock: parts that were made apart follow one another.
func TestClock(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.put("film/main.m3u8", playlist("#EXTINF:1,", "a.ts", "#EXT-X-DISCONTINUITY", "#EXTINF:2.5,", "b.ts", "#EXT-X-DISCONTINUITY", "#EXTINF:1,", "a.ts"))
	s.put("film/a.ts", segment(100))
	s.put("film/b.ts", segment(7))
	p, err := s.open("s3://in/film/main.m3u8")
	if err != nil {
		t.Fatal(err)
	}
	got := readAll(t, p.variant)
	var at []float64
	for i := 0; i < len(got); i += mpegts.PacketSize {
		if got[i+1]&0x40 != 0 {
			var span mpegts.Span
			if err := span.Read(got[i : i+mpegts.PacketSize]); err != nil {
				t.Fatal(err)
			}
			start, _, _ := span.Result(0)
			at = append(at, float64(start)/ticks)
		}
		if want := byte(i / mpegts.PacketSize & 0x0f); got[i+3]&0x0f != want {
			t.Fatalf("packet %d has counter %d, want %d", i/mpegts.PacketSize, got[i+3]&0x0f, want)
		}
	}
	if want := []float64{100, 101, 103.5}; fmt.Sprint(at) != fmt.Sprint(want) {
		t.Errorf("pictures at %v, want %v", at, want)
	}
}

func TestPackedAudio(t *testing.T) {
	t.Parallel()
	owner := timestampOwner
	frame := append(append([]byte("PRIV\x00\x00\x00\x35\x00\x00"), owner...), 0, 0, 0, 0, 0, 1, 0x5f, 0x90) // one second
	tag := append([]byte{'I', 'D', '3', 4, 0, 0, 0, 0, 0, byte(len(frame))}, frame...)
	adts := bytes.Repeat([]byte{0xff, 0xf1, 0x4c, 0x80, 1, 0x1f, 0xfc, 0}, 20)
	s := newShelf(t)
	s.put("film/a.m3u8", playlist("#EXTINF:1.5,", "a.aac", "#EXT-X-DISCONTINUITY", "#EXTINF:1,", "a.aac"))
	s.put("film/a.aac", append(bytes.Clone(tag), adts...))
	p, err := s.open("s3://in/film/a.m3u8")
	if err != nil {
		t.Fatal(err)
	}
	if p.variant.start != time.Second || p.variant.demuxer != "aac" {
		t.Errorf("begins at %v, read as %s", p.variant.start, p.variant.demuxer)
	}
	if got := readAll(t, p.variant); !bytes.Equal(got, append(bytes.Clone(adts), adts...)) {
		t.Errorf("got %d bytes, want the frames without tags", len(got))
	}
	s.put("film/a.aac", append([]byte{'I', 'D', '3', 4, 0, 0, 0x7f, 0x7f, 0x7f, 0x7f}, adts...))
	_, err = s.open("s3://in/film/a.m3u8")
	wantCode(t, err, 3400, "ID3")
}

// FuzzResolve: whatever a playlist says, it leads to a web server, or to an object of the package.
func FuzzResolve(f *testing.F) {
	for _, reference := range hostileReferences {
		f.Add(reference)
	}
	f.Add("v/a%20b.ts")
	inStore := &files{input: plan.Input{Object: plan.Location{Bucket: "in", Key: "film/main.m3u8"}}}
	f.Fuzz(func(t *testing.T, reference string) {
		if in, err := inStore.resolve(inStore.input, reference); err == nil && in.URL == "" {
			key := in.Object.Key
			if in.Object.Bucket != "in" || !strings.HasPrefix(key, "film/") || strings.HasSuffix(key, "/") || strings.Contains("/"+key+"/", "/../") || strings.Contains("/"+key+"/", "/./") {
				t.Errorf("%q leads to %q", reference, in.URI())
			}
		} else if err == nil && !strings.HasPrefix(in.URL, "http://") && !strings.HasPrefix(in.URL, "https://") {
			t.Errorf("%q leads to %q", reference, in.URL)
		}
		onServer := &files{input: plan.Input{URL: "https://host/film/main.m3u8"}}
		if in, err := onServer.resolve(onServer.input, reference); err == nil && in.URL == "" {
			t.Errorf("%q leads from a server to %q", reference, in.URI())
		}
	})
}
