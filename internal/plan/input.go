package plan

import (
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"darkroom/internal/uri"
)

// Input is where a source is: an object, or a file on a web server. One of the two is set. Beside it stands how it is decrypted.
type Input struct {
	Object Location
	URL    string // http or https
	// Decryption is how the file is decrypted; nil for one that is clear.
	Decryption *Decryption
}

// URI returns s3://BUCKET/KEY, or the URL.
func (i Input) URI() string {
	if i.URL != "" {
		return i.URL
	}
	return i.Object.URI()
}

// Name is URI without the query of a URL, which may be a secret: what a log, an event or a message shows.
func (i Input) Name() string {
	name, _, _ := strings.Cut(i.URI(), "?")
	if i.URL == "" {
		return i.URI() // a key may hold anything
	}
	return name
}

// ParseInput reads s3://BUCKET/KEY, http://HOST/PATH or https://HOST/PATH. Odd spellings of a host are refused here; whether
// a URL may be dialled is not said.
func ParseInput(text string) (Input, error) {
	scheme, _, _ := strings.Cut(text, ":")
	switch scheme {
	case "http", "https":
		u, err := uri.Parse(text)
		if err != nil {
			return Input{}, fmt.Errorf("not a URL of the form %s://HOST/PATH: %w", scheme, err)
		}
		// The name of the file becomes a part of keys.
		if !utf8.ValidString(u.Path) || strings.ContainsFunc(u.Path, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
			return Input{}, fmt.Errorf("the path of the URL holds an encoded control character, or is not UTF-8")
		}
		return Input{URL: text}, nil
	}
	loc, err := ParseLocation(text)
	switch {
	case err != nil:
		return Input{}, err
	case loc.Key == "" || strings.HasSuffix(loc.Key, "/"):
		return Input{}, fmt.Errorf("%q names no object", text)
	}
	return Input{Object: loc}, nil
}

// stem is the name of the file without its directory and extension: what $fn$ stands for.
func (i Input) stem() string {
	if i.URL == "" {
		return fileStem(i.Object.Key)
	}
	u, err := url.Parse(i.URL)
	if err != nil {
		return ""
	}
	return fileStem(u.Path)
}
