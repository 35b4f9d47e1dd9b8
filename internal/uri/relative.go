package uri

import (
	"net/url"
	"strings"
)

// Relative is the reference by which a document at the key from names the object at the key to of the same bucket, percent-encoded as in
// RFC 3986. Keys are slash-separated.
func Relative(from, to string) string {
	dir := from[:strings.LastIndexByte(from, '/')+1]
	common := 0
	for i := 0; i < len(dir) && i < len(to) && dir[i] == to[i]; i++ {
		if dir[i] == '/' {
			common = i + 1
		}
	}
	path := strings.Repeat("../", strings.Count(dir[common:], "/")) + to[common:]
	if strings.HasPrefix(path, "/") {
		// An empty first segment would be taken for the root.
		path = "./" + path
	}
	return (&url.URL{Path: path}).String()
}
