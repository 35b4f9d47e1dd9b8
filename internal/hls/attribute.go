package hls

import (
	"fmt"
	"strings"
)

// quote makes a quoted-string, RFC 8216 4.2, which holds neither quotes nor line ends.
func quote(s string) string {
	return `"` + strings.Map(func(r rune) rune {
		switch {
		case r == '"':
			return '\''
		case r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r == '\ufeff':
			return -1
		}
		return r
	}, s) + `"`
}

// enumerated makes an enumerated-string, RFC 8216 4.2: no quotes, commas or blanks.
func enumerated(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || r == '"' || r == ',' {
			return -1
		}
		return r
	}, s)
}

// reference makes a URI that stays on its line and inside quotes, and is not taken for a tag: what no URI holds (RFC 3986 section 2) is
// percent-encoded, and what is already encoded stays.
func reference(uri string) string {
	var b strings.Builder
	for i := range len(uri) {
		c := uri[i]
		switch {
		case c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0, c == '#' && i == 0:
			fmt.Fprintf(&b, "%%%02X", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func yes(v bool) string {
	if v {
		return "YES"
	}
	return "NO"
}
