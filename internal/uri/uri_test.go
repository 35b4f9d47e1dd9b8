package uri

import (
	"errors"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"plain", "http://example.com/film.mp4", "http://example.com/film.mp4"},
		{"query", "https://example.com/film.mp4?a=b&c=%20", "https://example.com/film.mp4?a=b&c=%20"},
		{"port", "https://example.com:8443/x", "https://example.com:8443/x"},
		{"scheme in capitals", "HtTpS://example.com/x", "https://example.com/x"},
		{"name in capitals", "http://EXAMPLE.Com/X", "http://example.com/X"},
		{"dot at the end", "http://example.com./x", "http://example.com/x"},
		{"dot at the end, and a port", "http://example.com.:81/x", "http://example.com:81/x"},
		{"no path", "http://example.com", "http://example.com"},
		{"single label", "http://media/x", "http://media/x"},
		{"xn--", "http://xn--bcher-kva.example/x", "http://xn--bcher-kva.example/x"},
		{"underscore", "http://my_bucket.example.com/x", "http://my_bucket.example.com/x"},
		{"name with a number first", "http://1and1.example/x", "http://1and1.example/x"},
		{"name of hexadecimal digits", "http://cafe.babe/x", "http://cafe.babe/x"},
		{"IPv4", "http://192.0.2.1:80/x", "http://192.0.2.1:80/x"},
		{"IPv6", "http://[2001:DB8:0::1]:80/x", "http://[2001:db8::1]:80/x"},
		{"IPv6 with IPv4", "http://[::ffff:192.0.2.1]/x", "http://[::ffff:192.0.2.1]/x"},
		{"a space in the path", "http://example.com/my film.mp4", "http://example.com/my%20film.mp4"},
		{"another script in the path", "http://example.com/Фильм.mp4", "http://example.com/%D0%A4%D0%B8%D0%BB%D1%8C%D0%BC.mp4"},
		{"an address in the query", "http://example.com/?u=http://me:pw@127.1/", "http://example.com/?u=http://me:pw@127.1/"},
	} {
		u, err := Parse(tt.text)
		if err != nil || u.String() != tt.want {
			t.Errorf("%s: got %v, %v; want %s", tt.name, u, err, tt.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 63) + "."
	for _, text := range []string{
		"", "film.mp4", "/film.mp4", "//host/x", "http:", "http:/host/x", "http:host/x", "http://", "http:///x", "http://?x", "http://:80/x", "http://./x", "http://../x",
		"file:///etc/passwd", "ftp://host/x", "gopher://host/x", "data:video/mp4,x", "concat:a|b", "subfile:,,:x", "pipe:0", "rtmp://host/x", "tcp://host:1", "unix:/run/x", "s3://bucket/key",
		"http://user@host/x", "http://user:hush@host/x", "http://:hush@host/x", "http://@host/x", "http://good@127.0.0.1/", "http://127.0.0.1#@good/", "http://host/x#y", "http://host/#",
		"http://127.0.0.1\\@good/", "http://good\\.example/x", "http:\\\\host\\x",
		"http://host\r\nHost: other/", "http://host/x\r\nA: b", "http://host/x\ty", "http://ho\tst/x", "http://host/\x00", "http://host/\x7f", " http://host/x", "\thttp://host/x",
		"http://ho st/x", "http://host%20/x", "http://127%2e0%2e0%2e1/x", "http://%31%32%37.0.0.1/x", "http://host%00/x", "http://host%0d%0a/x", "http://%zz/x",
		"http://2130706433/", "http://0177.0.0.1/", "http://0x7f.0.0.1/", "http://0x7f000001/", "http://0X7F.1/", "http://127.1/", "http://127.0.1/", "http://017700000001/",
		"http://0x7f.1/", "http://0/", "http://0x/", "http://1.2.3.4.5/", "http://256.0.0.1/", "http://127.0.0.01/", "http://127.0.0.1./", "http://host.127/", "http://a.b.0x7f/", "http://00000127.0.0.1/",
		"http://127.0.0.1:/x", "http://host:/x", "http://host:0/x", "http://host:65536/x", "http://host:080/x", "http://host:-1/x", "http://host:80:80/x", "http://host:http/x", "http://host:８０/x",
		"http://[::1/x", "http://::1/x", "http://[::1]x/", "http://[127.0.0.1]/x", "http://[localhost]/x", "http://[]/x", "http://[fe80::1%25eth0]/x", "http://[fe80::1%eth0]/x", "http://[::1%25]/x",
		"http://[::ffff:0x7f.1]/x", "http://[[::1]]/x", "http://[v1.x]/x",
		"http://１２７.０.０.１/x", "http://127。0。0。1/x", "http://①②⑦.0.0.1/x", "http://ｌｏｃａｌｈｏｓｔ/x", "http://bücher.example/x", "http://lo\u00adcalhost/x", "http://ex\u200bample.com/x",
		"http://a..b/x", "http://.a/x", "http://a../x", "http://-a.example/x", "http://a-.example/x", "http://a,b/x", "http://a*b/x", "http://a;b/x", "http://a=b/x", "http://a'b/x", "http://a!b/x", "http://a~b/x",
		"http://" + strings.Repeat("a", 64) + ".example/x", "http://" + strings.Repeat(long, 4) + "a/x", "http://host/" + strings.Repeat("a", MaxLength),
	} {
		u, err := Parse(text)
		var e *Error
		if !errors.As(err, &e) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%.80q: got %v, %v; want an *Error", text, u, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"http://example.com:81/a?b", "https://[::1]/", "http://127.0.0.1/", "http://127.1", "http://a@b/", "HTTP://A.B./%41", "http://h/\u2028"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := Parse(text)
		if err != nil {
			return
		}
		if u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.Fragment != "" || u.Host == "" {
			t.Errorf("%q: got %#v", text, u)
		}
		for _, c := range []byte(u.Host) {
			if c <= ' ' || c >= 0x7f || strings.ContainsRune(`\@/?#%`, rune(c)) {
				t.Errorf("%q: the host is %q", text, u.Host)
			}
		}
		again, err := Parse(u.String())
		if len(u.String()) <= MaxLength && (err != nil || again.String() != u.String() || again.Host != u.Host) {
			t.Errorf("%q: read again, %q became %v, %v", text, u, again, err)
		}
	})
}
