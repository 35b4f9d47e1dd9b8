package uri_test

import (
	"net/url"
	"strings"
	"testing"

	"darkroom/internal/uri"
)

// FuzzRelative resolves the reference as a player does: it names the object that was meant.
func FuzzRelative(f *testing.F) {
	for _, seed := range [][2]string{
		{"a/b/m.m3u8", "a/b/s_00001.ts"},
		{"m.m3u8", "s.ts"},
		{"a/m.m3u8", "a/b/c/s.ts"},
		{"a/b/m.m3u8", "a/s.ts"},
		{"a/bc/m.m3u8", "a/b/s.ts"},
		{"a/m.m3u8", "a/s 100%?#.ts"},
		{"a/m.m3u8", "a/x:y.ts"},
		{"a/m.m3u8", "a//s.ts"},
		{"a/m.m3u8", "a/\n#EXT\"<>"},
		{"a/m.m3u8", "b//c"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, from, to string) {
		for _, key := range []string{from, to} {
			for segment := range strings.SplitSeq(key, "/") {
				if segment == "." || segment == ".." {
					return // the plan refuses such keys: no URL names them
				}
			}
		}
		if to == "" || strings.HasSuffix(to, "/") {
			return // a key of no object that is written
		}
		got := uri.Relative(from, to)
		for i := range len(got) {
			if c := got[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '#' || c == '?' {
				t.Fatalf("%q holds %q", got, c)
			}
		}
		base := &url.URL{Scheme: "https", Host: "store.example", Path: "/bucket/" + from}
		reference, err := url.Parse(got)
		if err != nil {
			t.Fatal(err)
		}
		// Resolution leaves empty segments as they are, and so the comparison is of whole paths.
		if named := base.ResolveReference(reference); named.Path != "/bucket/"+to {
			t.Errorf("%q from %q names %q, want %q", got, from, named.Path, "/bucket/"+to)
		}
	})
}

func TestRelativeURI(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, from, to, want string }{
		{"beside", "a/b/m.m3u8", "a/b/s_00001.ts", "s_00001.ts"},
		{"no directory", "m.m3u8", "s.ts", "s.ts"},
		{"below", "a/m.m3u8", "a/b/c/s.ts", "b/c/s.ts"},
		{"above", "a/b/m.m3u8", "a/s.ts", "../s.ts"},
		{"apart", "a/b/c/m.m3u8", "a/x/s.ts", "../../x/s.ts"},
		{"prefix that is no directory", "a/bc/m.m3u8", "a/b/s.ts", "../b/s.ts"},
		{"space, percent, question mark, hash", "a/m.m3u8", "a/s 100%?#.ts", "s%20100%25%3F%23.ts"},
		{"not ASCII", "a/m.m3u8", "a/Fuß.ts", "Fu%C3%9F.ts"},
		{"colon is no scheme", "a/m.m3u8", "a/x:y.ts", "./x:y.ts"},
		{"empty directory", "a/m.m3u8", "a//s.ts", ".//s.ts"},
		{"control characters", "a/m.m3u8", "a/s\n#EXT.ts", "s%0A%23EXT.ts"},
		{"quotes", "a/m.m3u8", `a/"s".ts`, "%22s%22.ts"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := uri.Relative(tt.from, tt.to); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
