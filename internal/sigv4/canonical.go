package sigv4

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

const upperHex = "0123456789ABCDEF"

// unreserved says whether UriEncode leaves b as it is (RFC 3986, 2.3).
func unreserved(b byte) bool {
	return b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || b == '-' || b == '.' || b == '_' || b == '~'
}

// uriEncode is the UriEncode function of the specification; slashes stay when keepSlash is set.
func uriEncode(s string, keepSlash bool) string {
	var b strings.Builder
	b.Grow(len(s) + len(s)/4)
	for i := range len(s) {
		if c := s[i]; unreserved(c) || keepSlash && c == '/' {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(upperHex[c>>4])
			b.WriteByte(upperHex[c&15])
		}
	}
	return b.String()
}

// uriDecode undoes percent-encoding; plusIsSpace is for queries. It reports whether s was well-formed.
func uriDecode(s string, plusIsSpace bool) (string, bool) {
	if !strings.ContainsAny(s, "%+") {
		return s, true
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+' && plusIsSpace:
			b.WriteByte(' ')
		case c == '%':
			if i+2 >= len(s) {
				return "", false
			}
			hi, ok1 := unhex(s[i+1])
			lo, ok2 := unhex(s[i+2])
			if !ok1 || !ok2 {
				return "", false
			}
			b.WriteByte(hi<<4 | lo)
			i += 2
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), true
}

func unhex(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// canonicalPaths returns the canonical URIs that clients make of the wire path. There are two where clients are known to differ:
// some sign an S3 path as they send it, others encode it anew; some remove dot segments for other services, others do not. Both
// readings of one wire path name the same resource to whoever routes on the wire path, so accepting either adds no request.
func canonicalPaths(service, raw string) []string {
	if raw == "" {
		raw = "/"
	}
	var a, b string
	if service == serviceS3 {
		a, b = raw, raw
		if d, ok := uriDecode(raw, false); ok {
			b = uriEncode(d, true)
		}
	} else {
		a, b = uriEncode(normalize(raw), true), uriEncode(raw, true)
	}
	if a == b {
		return []string{a}
	}
	return []string{a, b}
}

// normalize removes dot segments and empty segments (RFC 3986, 5.2.4, with redundant slashes taken out as well).
func normalize(path string) string {
	var out []string
	for segment := range strings.SplitSeq(path, "/") {
		switch segment {
		case "", ".":
		case "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
		default:
			out = append(out, segment)
		}
	}
	clean := "/" + strings.Join(out, "/")
	if strings.HasSuffix(path, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}

// parseQuery splits a query as the services behind us do: at ampersands and first equals signs, plus meaning space. What they would
// read differently (a bad escape, a semicolon) is refused.
func parseQuery(raw string) ([]parameter, *Error) {
	var out []parameter
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		k, v, _ := strings.Cut(pair, "=")
		name, ok1 := uriDecode(k, true)
		value, ok2 := uriDecode(v, true)
		if !ok1 || !ok2 || strings.Contains(pair, ";") {
			return nil, refuse(Incomplete, "The query string is malformed.")
		}
		out = append(out, parameter{name, value})
	}
	return out, nil
}

func canonicalQuery(query []parameter) string {
	encoded := make([]parameter, len(query))
	for i, p := range query {
		encoded[i] = parameter{uriEncode(p.name, false), uriEncode(p.value, false)}
	}
	slices.SortFunc(encoded, func(a, b parameter) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.value, b.value))
	})
	var b strings.Builder
	for i, p := range encoded {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.name)
		b.WriteByte('=')
		b.WriteString(p.value)
	}
	return b.String()
}

func (c *Credential) canonicalHeaders() string {
	var b strings.Builder
	for _, name := range c.SignedHeaders {
		b.WriteString(name)
		b.WriteByte(':')
		for i, v := range c.header[name] {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(squeeze(v))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// squeeze trims a header value and makes runs of spaces one space.
func squeeze(v string) string {
	v = strings.TrimSpace(v)
	if !strings.Contains(v, "  ") {
		return v
	}
	var b strings.Builder
	for i := range len(v) {
		if v[i] != ' ' || v[i-1] != ' ' {
			b.WriteByte(v[i])
		}
	}
	return b.String()
}

// stringToSign hashes the canonical request made with path and payload hash.
func (c *Credential) stringToSign(path, payload string) string {
	request := strings.Join([]string{
		c.request.Method,
		path,
		canonicalQuery(c.query),
		c.canonicalHeaders(),
		strings.Join(c.SignedHeaders, ";"),
		payload,
	}, "\n")
	sum := sha256.Sum256([]byte(request))
	return strings.Join([]string{Algorithm, c.Time.Format(timeFormat), c.Scope.String(), hex.EncodeToString(sum[:])}, "\n")
}
