package playerapi

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"darkroom/internal/keyserver"
)

func TestMediaType(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"out/film.m3u8": "application/vnd.apple.mpegurl", "film.MPD": "application/dash+xml", "v/1.m4s": "video/iso.segment", "1.ts": "video/mp2t", "en.vtt": "text/vtt; charset=utf-8",
		"page.html": "application/octet-stream", "x.svg": "application/octet-stream", "x.js": "application/octet-stream", "film": "application/octet-stream", "a.m3u8/film": "application/octet-stream", "": "application/octet-stream",
	} {
		if got := mediaType(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	for ext, typ := range mediaTypes { // nothing that a browser would run or show as a page
		for _, active := range []string{"html", "javascript", "svg", "xhtml", "pdf"} {
			if strings.Contains(typ, active) {
				t.Errorf("%s is served as %s", ext, typ)
			}
		}
	}
}

// TestBuilds: only the very files that the page was made with are served.
func TestBuilds(t *testing.T) {
	t.Parallel()
	empty, err := NewPage(fstest.MapFS{})
	if err != nil || len(empty.Lacks()) != len(builds) {
		t.Fatalf("without builds: %v, %v", empty, err)
	}
	for _, b := range builds {
		if h := empty.Handler(httptest.NewRequest("GET", Root+b.name, nil)); h != nil {
			t.Errorf("%s: served without being there", b.name)
		}
		for name, content := range map[string][]byte{"another script": []byte("alert(1)"), "an empty file": {}, "a huge file": make([]byte, maxBuild+1)} {
			if p, err := NewPage(fstest.MapFS{b.name: {Data: content}}); err == nil || p != nil || !strings.Contains(err.Error(), b.name) {
				t.Errorf("%s in place of %s: %v", name, b.name, err)
			}
		}
	}
	if _, err := NewPage(failing{}); !errors.Is(err, errFail) {
		t.Errorf("a directory that cannot be read: %v", err)
	}
	dir := filepath.Join("..", "..", "bin", "player") // make player
	if _, err := os.Stat(filepath.Join(dir, builds[0].name)); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("the players are not installed: make player")
		}
		t.Skip("the players are not installed: make player")
	}
	p, err := NewPage(os.DirFS(dir))
	if err != nil || len(p.Lacks()) != 0 {
		t.Fatalf("what make player installs: %v", err)
	}
	for _, b := range builds {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", Root+b.name, nil)
		p.Handler(r).ServeHTTP(w, r)
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/javascript; charset=utf-8" || w.Body.Len() < 1000 {
			t.Errorf("%s: %d %v", b.name, w.Code, w.Header())
		}
	}
}

var errFail = errors.New("no disk")

// failing is a directory that cannot be read.
type failing struct{ fstest.MapFS }

func (failing) Open(string) (fs.File, error) { return nil, errFail }

// TestPageScript: the page names no file that is not served, and loads nothing from elsewhere.
func TestPageScript(t *testing.T) {
	t.Parallel()
	p, err := NewPage(fstest.MapFS{})
	if err != nil {
		t.Fatal(err)
	}
	html, err := own.ReadFile("page/index.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range builds {
		if !strings.Contains(string(html), `src="`+b.name+`"`) {
			t.Errorf("the page does not use %s", b.name)
		}
	}
	for _, name := range []string{"player.js", "player.css"} {
		if !strings.Contains(string(html), `"`+name+`"`) || p.files[Root+name].content == nil {
			t.Errorf("the page does not use %s", name)
		}
	}
	if strings.Contains(string(html), "<script>") || strings.Contains(string(html), "style=") || strings.Contains(string(html), "onclick") {
		t.Error("the page has something inline, which its policy forbids")
	}
	if !strings.Contains(strings.Join(strings.Fields(string(html)), " "), "no licence server of Widevine, PlayReady or FairPlay") {
		t.Error("the page does not say what the key server is not")
	}
	if keyserver.KeyPath != Root+keyPart {
		t.Error("keys are named elsewhere than they are served")
	}
}

func TestParseLicence(t *testing.T) {
	t.Parallel()
	kid := base64.RawURLEncoding.EncodeToString([]byte("0123456789abcdef"))
	ids, err := parseLicence([]byte(`{"kids":["` + kid + `","` + kid + `"],"type":"temporary"}`))
	if err != nil || len(ids) != 1 || string(ids[0][:]) != "0123456789abcdef" {
		t.Errorf("got %v, %v", ids, err)
	}
	many, err := json.Marshal(map[string]any{"type": "temporary", "kids": slices.Repeat([]string{kid}, keyserver.MaxTokenKeys+1)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseLicence(many); err == nil {
		t.Error("more keys than a token has")
	}
}

func FuzzParseLicence(f *testing.F) {
	f.Add([]byte(`{"kids":["AAAAAAAAAAAAAAAAAAAAAA"],"type":"temporary"}`))
	f.Add([]byte(`{"kids":["AAAAAAAAAAAAAAAAAAAAAB"],"type":"temporary"}`)) // bits behind the last byte
	f.Add([]byte(`{"kids":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		ids, err := parseLicence(body)
		if err != nil {
			var refused *refusal
			if !errors.As(err, &refused) || refused.status != http.StatusBadRequest || ids != nil {
				t.Errorf("%v with %v", ids, err)
			}
			return
		}
		if len(ids) == 0 || len(ids) > keyserver.MaxTokenKeys {
			t.Errorf("%d keys", len(ids))
		}
	})
}
