package validate

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"darkroom/internal/egress"
)

// Source is where a package is.
type Source interface {
	// Resolve makes a reference absolute. base is an absolute reference, or "" for what the user named.
	Resolve(base, ref string) (string, error)
	// Open reads length bytes behind offset, or all of them for a length of -1. A file that is not there is fs.ErrNotExist, a range that the file does not have
	// io.ErrUnexpectedEOF, now or when it is read.
	Open(ctx context.Context, ref string, offset, length int64) (io.ReadCloser, error)
	// Name is how a reference is shown.
	Name(ref string) string
}

// Dir is a package in a directory. References out of it are refused, also those through symbolic links.
type Dir struct {
	root *os.Root
	// base stands in manifests for the directory, "" for nothing
	base string
}

// OpenDir opens a directory. base is a URL that manifests name it by, or "".
func OpenDir(dir, base string) (*Dir, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Dir{root, base}, nil
}

// Close releases the directory.
func (d *Dir) Close() error { return d.root.Close() }

// inside is the scheme of references into a directory, so that they resolve as URLs do.
const inside = "package"

// Resolve implements Source.
func (d *Dir) Resolve(base, ref string) (string, error) {
	if base == "" {
		return (&url.URL{Scheme: inside, Path: "/" + path.Clean(strings.TrimPrefix(ref, "/"))}).String(), nil
	}
	if rest, ok := strings.CutPrefix(ref, d.base); ok && d.base != "" {
		return d.Resolve((&url.URL{Scheme: inside, Path: "/"}).String(), strings.TrimPrefix(rest, "/"))
	}
	b, err := url.Parse(base)
	if err != nil {
		return "", errors.New("it is no reference")
	}
	u, err := b.Parse(ref)
	if err != nil {
		return "", errors.New("it is no reference")
	}
	if u.Scheme != inside || u.Host != "" {
		return "", errors.New("it leads out of the directory")
	}
	if !strings.HasPrefix(ref, "/") && escapes(b.Path, ref) {
		return "", errors.New("it leads out of the directory")
	}
	u.RawQuery, u.Fragment = "", ""
	return u.String(), nil
}

// escapes reports whether dot segments lead above the root, which resolving a URL hides.
func escapes(base, ref string) bool {
	depth := strings.Count(base, "/") - 1
	ref, _, _ = strings.Cut(ref, "?")
	for _, part := range strings.Split(ref, "/") {
		switch part {
		case "..":
			depth--
		case ".", "":
		default:
			depth++
		}
		if depth < 0 {
			return true
		}
	}
	return false
}

// Name implements Source.
func (d *Dir) Name(ref string) string {
	if u, err := url.Parse(ref); err == nil && u.Scheme == inside {
		return strings.TrimPrefix(u.Path, "/")
	}
	if rest, ok := strings.CutPrefix(ref, inside+":///"); ok { // with a line behind it
		if p, err := url.PathUnescape(rest); err == nil {
			return p
		}
	}
	return ref
}

// Open implements Source.
func (d *Dir) Open(_ context.Context, ref string, offset, length int64) (io.ReadCloser, error) {
	f, err := d.root.Open(d.Name(ref))
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = errors.New("it is no file")
	}
	if err == nil && (offset > st.Size() || length >= 0 && offset+length > st.Size()) {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		_, err = f.Seek(offset, io.SeekStart)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	if length < 0 {
		length = st.Size() - offset
	}
	return readCloser{io.LimitReader(f, length), f}, nil
}

type readCloser struct {
	io.Reader
	io.Closer
}

// maxFiles bounds what is looked at for manifests.
const maxFiles = 1_000_000

// Manifests finds the manifests of a directory: MPDs, client manifests of Smooth Streaming, and the playlists of HLS that no other one names.
func (d *Dir) Manifests(ctx context.Context) ([]string, error) {
	var out, playlists []string
	named := map[string]bool{}
	n := 0
	err := fs.WalkDir(d.root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if n++; n > maxFiles {
			return fmt.Errorf("more than %d files", maxFiles)
		}
		if !e.Type().IsRegular() {
			return ctx.Err()
		}
		switch ext := path.Ext(name); {
		case ext == ".mpd" || ext == ".ismc" || path.Base(name) == "Manifest":
			out = append(out, name)
		case ext == ".m3u8":
			playlists = append(playlists, name)
			abs, err := d.Resolve("", name)
			if err != nil {
				return err
			}
			text, err := read(ctx, d, span{abs, 0, -1}, maxManifest)
			if err == nil {
				text, err = inflate(text)
			}
			if err != nil {
				return fmt.Errorf("read %s: %w", name, err)
			}
			p := parsePlaylist(text, func(string, int, string, ...any) {})
			for _, v := range p.media() {
				if to, err := d.Resolve(abs, v); err == nil {
					named[to] = true
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, p := range playlists {
		if abs, err := d.Resolve("", p); err == nil && !named[abs] {
			out = append(out, p)
		}
	}
	for i, name := range out {
		if out[i], err = d.Resolve("", name); err != nil {
			return nil, err
		}
	}
	slices.Sort(out)
	return out, nil
}

// Web is a package on a server.
type Web struct {
	// Transport dials.
	Transport http.RoundTripper
}

// Resolve implements Source.
func (w *Web) Resolve(base, ref string) (string, error) {
	u, err := url.Parse(ref)
	if err != nil {
		return "", errors.New("it is no reference")
	}
	if base != "" {
		b, err := url.Parse(base)
		if err != nil {
			return "", errors.New("it is no reference")
		}
		u = b.ResolveReference(u)
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return "", errors.New("it is no address of a web server")
	}
	u.Fragment = ""
	return u.String(), nil
}

// Name implements Source. The query may be a secret.
func (w *Web) Name(ref string) string {
	before, after, ok := strings.Cut(ref, "?")
	if !ok {
		return ref
	}
	if _, line, ok := strings.Cut(after, ":"); ok {
		return before + ":" + line
	}
	return before
}

// Open implements Source.
func (w *Web) Open(ctx context.Context, ref string, offset, length int64) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, ref, nil)
	if err != nil {
		return nil, errors.New("the address cannot be used")
	}
	ranged := offset > 0 || length >= 0
	switch {
	case length == 0:
		return readCloser{strings.NewReader(""), io.NopCloser(nil)}, nil
	case length > 0:
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, offset+length-1))
	case offset > 0:
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	resp, _, err := egress.Follow(w.Transport, r, func(*url.URL) error { return nil })
	if err != nil {
		return nil, withoutURL(err)
	}
	switch {
	case resp.StatusCode == http.StatusPartialContent && ranged:
		if length > 0 && resp.ContentLength >= 0 && resp.ContentLength < length {
			_ = resp.Body.Close()
			return nil, io.ErrUnexpectedEOF
		}
		if from, _, ok := strings.Cut(strings.TrimPrefix(resp.Header.Get("Content-Range"), "bytes "), "-"); !ok || from != strconv.FormatInt(offset, 10) {
			_ = resp.Body.Close()
			return nil, errors.New("the server answered with another range")
		}
		return resp.Body, nil
	case resp.StatusCode == http.StatusOK && !ranged:
		return resp.Body, nil
	}
	_ = resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusNotFound, http.StatusGone:
		return nil, fs.ErrNotExist
	case http.StatusRequestedRangeNotSatisfiable:
		return nil, io.ErrUnexpectedEOF
	case http.StatusOK:
		return nil, errors.New("the server answers no range requests")
	}
	return nil, fmt.Errorf("the server answered %d", resp.StatusCode)
}

// withoutURL keeps addresses, whose query may be a secret, out of errors.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// read reads a part of a file into memory.
func read(ctx context.Context, src Source, s span, limit int64) ([]byte, error) {
	if s.length > limit {
		return nil, fmt.Errorf("it is longer than %d bytes", limit)
	}
	r, err := src.Open(ctx, s.ref, s.offset, s.length)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("it is longer than %d bytes", limit)
	}
	if s.length >= 0 && int64(len(b)) < s.length {
		return nil, io.ErrUnexpectedEOF
	}
	return b, nil
}

// text reads a manifest, once. A compressed one is as long as it is when it is not.
func (c *checker) text(ref string) ([]byte, error) {
	if t, ok := c.texts[ref]; ok {
		return t, nil
	}
	t, err := read(c.ctx, c.src, span{ref, 0, -1}, maxManifest)
	if err == nil {
		t, err = inflate(t)
	}
	if err != nil {
		return nil, err
	}
	c.texts[ref] = t
	return t, nil
}

// rootElement is the local name of the outermost element of an XML document, "" for none.
func rootElement(text []byte) string {
	d := newXML(text)
	for {
		t, err := d.Token()
		if err != nil {
			return ""
		}
		if s, ok := t.(xml.StartElement); ok {
			return s.Name.Local
		}
	}
}
