package playerapi

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"time"
)

// own are the files of the page that are ours.
//
//go:embed page/index.html page/player.js page/player.css
var own embed.FS

// build is a file of somebody else that the page uses. It is served only if it is exactly the one that the page was made with.
type build struct {
	name, of string
	sum      string // SHA-256
}

// builds are the players: the minified builds of their npm packages (make player). Both are under the Apache License 2.0.
var builds = []build{
	{"hls.min.js", "hls.js 1.7.4", "cfc70cc9e9fc63d071919e087670abc760c8fd1bc889b88588026e4d22193bbe"},
	{"shaka-player.compiled.js", "shaka-player 5.2.12", "b22dfdba631104c48a654cb623b08b0f79e2d52c83c0e9b4b7cff54730b55894"},
}

// maxBuild bounds one of them, in bytes.
const maxBuild = 4 << 20

// contentTypes are those of the page's files.
var contentTypes = map[string]string{".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}

// Page is what everybody may see under /player/: it has no secret in it, and does nothing without a token. It is safe for concurrent use.
type Page struct {
	files map[string]pageFile // by path
	lacks []string
}

type pageFile struct {
	contentType string
	content     []byte
	etag        string
}

// NewPage returns the page with the players' builds in a directory. A build that is missing is one that the page lacks; one that is another file than it should be is an
// error: whoever could change it could read what the page plays.
func NewPage(dir fs.FS) (*Page, error) {
	p := &Page{files: make(map[string]pageFile)}
	for path, name := range map[string]string{"": "page/index.html", "player.js": "page/player.js", "player.css": "page/player.css"} {
		content, err := own.ReadFile(name)
		if err != nil {
			return nil, err
		}
		p.add(Root+path, name, content)
	}
	for _, b := range builds {
		content, err := readBuild(dir, b)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			p.lacks = append(p.lacks, b.name+" of "+b.of)
			continue
		case err != nil:
			return nil, err
		}
		p.add(Root+b.name, b.name, content)
	}
	return p, nil
}

func readBuild(dir fs.FS, b build) ([]byte, error) {
	f, err := dir.Open(b.name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxBuild+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", b.name, err)
	}
	if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != b.sum {
		return nil, fmt.Errorf("%s is not the one of %s: its SHA-256 must be %s", b.name, b.of, b.sum)
	}
	return content, nil
}

func (p *Page) add(path, name string, content []byte) {
	sum := sha256.Sum256(content)
	f := pageFile{content: content, etag: `"` + hex.EncodeToString(sum[:16]) + `"`}
	for ext, t := range contentTypes {
		if bytes.HasSuffix([]byte(name), []byte(ext)) {
			f.contentType = t
		}
	}
	p.files[path] = f
}

// Lacks returns which builds are missing: without them the page plays nothing.
func (p *Page) Lacks() []string { return slices.Clone(p.lacks) }

// policy is the Content-Security-Policy of the page: scripts and styles of this origin alone, nothing inline, nobody around it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' data:; media-src blob:; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Handler returns what answers a request for the page, or nil if it is for none of its files. The request has no credentials and no query.
func (p *Page) Handler(r *http.Request) http.Handler {
	path := r.URL.EscapedPath()
	if path+"/" == Root {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", Root)
			w.WriteHeader(http.StatusMovedPermanently)
		})
	}
	f, ok := p.files[path]
	if !ok {
		return nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", f.contentType)
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", f.etag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.content))
	})
}
