package plan

import (
	"strings"
	"testing"
	"time"
)

var start = time.Date(2020, 6, 4, 15, 5, 28, 0, time.UTC)

func TestExpand(t *testing.T) {
	t.Parallel()
	v := variables{start: start.In(time.FixedZone("", 7200)), inputStem: "my-video", extension: "m2ts", videoBitrate: 5_000_000, audioBitrate: 96_000, width: 1280, height: 720, frameRate: 59.94}
	for _, c := range []struct{ name, in, want string }{
		{"nothing", "_hd", "_hd"},
		{"date and time", "$dt$", "20200604T150528"},
		{"date", "a$d$b", "a20200604b"},
		{"time", "$t$", "150528"},
		{"bitrates", "$rv$-$ra$-$rc$", "5000-96-5096"},
		{"size", "$w$x$h$", "1280x720"},
		{"rate is truncated", "$f$", "59"},
		{"input and extension", "$fn$.$ex$", "my-video.m2ts"},
		{"dollar", "my-video$$hi-res-", "my-video$hi-res-"},
		{"padding", "$h%04$", "0720"},
		{"padding narrower than the number", "$w%02$", "1280"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := v.expand(c.in, modifierNames)
			if err != nil || got != c.want {
				t.Errorf("expand(%q) = %q, %v; want %q", c.in, got, err, c.want)
			}
		})
	}
}

func TestExpandRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, allowed, want string }{
		{"unknown", "$x$", modifierNames, "unknown format identifier $x$"},
		{"alone", "a$b", modifierNames, "stands alone"},
		{"not in a destination", "$w$", destinationNames, "unknown format identifier $w$"},
		{"text padded", "$fn%03$", modifierNames, "unknown"},
		{"padding is no number", "$w%0x$", modifierNames, "pads to"},
		{"padding too wide", "$w%0100$", modifierNames, "pads to"},
		{"a space is no name", "$ $", modifierNames, "unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := variables{}.expand(c.in, c.allowed)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("expand(%q) = %q, %v; want an error with %q", c.in, got, err, c.want)
			}
		})
	}
}

// TestSegmentStamp: in a segment modifier the time is that of the segment, not of the job.
func TestSegmentStamp(t *testing.T) {
	t.Parallel()
	key, err := variables{start: start, segment: true}.expand("_$dt$_$d$_$t$_$w$", modifierNames)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := StampSegment("x"+key, start.Add(time.Hour)), "x_20200604T160528_20200604_160528_0"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := StampSegment("plain", start); got != "plain" {
		t.Errorf("got %q", got)
	}
}

func TestResolveDestination(t *testing.T) {
	t.Parallel()
	input := Input{Object: Location{Bucket: "in", Key: "dir/film.v1.mov"}}
	for _, c := range []struct{ name, dest, bucket, dir, base string }{
		{"slash: base from the input", "s3://out/a/b/", "out", "a/b/", "film.v1"},
		{"no slash: base from the destination", "s3://out/a/name", "out", "a/", "name"},
		{"bucket alone", "s3://out", "out", "", "film.v1"},
		{"none: beside the input", "", "in", "dir/", "film.v1"},
		{"double slashes stand", "s3://out//a//", "out", "/a//", "film.v1"},
		{"variables", "s3://out/$d$/$fn$/", "out", "20200604/film.v1/", "film.v1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := resolveDestination(c.dest, input, variables{start: start, inputStem: input.stem()})
			if err != nil || got != (destination{bucket: c.bucket, dir: c.dir, base: c.base}) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	for _, bad := range []string{"https://out/a/", "s3:///a/", "s3://b/\x01", "s3://b/$w$/"} {
		if got, err := resolveDestination(bad, input, variables{}); err == nil {
			t.Errorf("resolveDestination(%q) = %+v; want an error", bad, got)
		}
	}
	if got, err := resolveDestination("", Input{URL: "https://host/film.mov"}, variables{}); err == nil {
		t.Errorf("beside a file on a web server: %+v; want an error", got)
	}
}

func TestParseInput(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ uri, stem, name string }{
		{"s3://b/dir/film.v1.mov", "film.v1", "s3://b/dir/film.v1.mov"},
		{"s3://b/what?is.this", "what?is", "s3://b/what?is.this"},
		{"https://host/dir/film%20one.mp4", "film one", "https://host/dir/film%20one.mp4"},
		{"http://host:8080/film.mp4?X-Amz-Signature=secret", "film", "http://host:8080/film.mp4"},
		{"https://host", "", "https://host"},
	} {
		in, err := ParseInput(c.uri)
		if err != nil || in.URI() != c.uri || in.stem() != c.stem || in.Name() != c.name {
			t.Errorf("%s: %+v, stem %q, name %q, %v", c.uri, in, in.stem(), in.Name(), err)
		}
	}
	for _, uri := range []string{
		"", "film.mp4", "s3://b", "s3://b/", "s3://b/dir/", "s3:///k", "ftp://host/x", "file:///etc/passwd", "https://", "https:///path", "https:host/x",
		"https://user:pw@host/x", "https://host/x#f", "https://host/%zz", "http://host\r\nX: y/", "data:video/mp4,x", "concat:s3://b/k",
		"https://host/x%0ay.mp4", "https://host/%01dt%02.mp4", "https://host/%00", "https://host/%7f", "https://host/%ff", "https://host/%c0%af", "http://127.1/x", "http://0x7f000001/x",
		"http://127。0。0。1/x", "http://[fe80::1%25lo]/x", "http://host:0/x", "HTTP://host/x", "S3://b/k", "s3://b/k\n",
	} {
		if in, err := ParseInput(uri); err == nil {
			t.Errorf("%q was taken: %+v", uri, in)
		}
	}
}

// TestKeys: whatever stands in a destination, a name modifier, a segment modifier or the name of the input, the keys are exactly what was written, with
// the identifiers replaced, below the base name that the job's credentials are narrowed to; or the job is refused.
func TestKeys(t *testing.T) {
	t.Parallel()
	odd := []string{
		"..", "../x", "a/../../x", "./x", "a//x", "/x", "..\\x", "C:\\x", "%2e%2e/x", "%00", "x y", "x?y#z", "é", "..／x", "\u202ex", "-x", "*", "x'\"`|;&", "$$", "$$dt$$", "$dt", "$fn", "$x$", "$$$", "$w%0x$", "$../$",
		"$ $", "$dt$$dt$", "x\x00", "x\ny", "\x01dt\x02", "x\x7f", strings.Repeat("a", 2000), strings.Repeat("$fn$", 500), strings.Repeat("../", 400),
	}
	plain := func(s string) string {
		return strings.NewReplacer("$dt$", "20200604T150528", "$fn$", "film", "$$", "$").Replace(s)
	}
	control := func(s string) bool {
		return strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f })
	}
	input := Input{Object: Location{Bucket: "in", Key: "dir/film.mov"}}
	v := variables{start: start, inputStem: input.stem()}
	for _, s := range odd {
		if got, err := resolveDestination("s3://out/"+s, input, v); err == nil {
			want := plain(s)
			if strings.HasSuffix(want, "/") {
				want += "film"
			}
			if got.bucket != "out" || got.dir+got.base != want || control(got.dir+got.base) {
				t.Errorf("destination %q: got %+v, want the key %q", s, got, want)
			}
		} else if !control(s) && !strings.Contains(s, "$") {
			t.Errorf("destination %q: %v", s, err)
		}
		if got, err := v.expand(s, modifierNames); err == nil && got != plain(s) {
			t.Errorf("modifier %q: got %q, want %q", s, got, plain(s))
		} else if err != nil && !strings.Contains(s, "$") {
			t.Errorf("modifier %q: %v", s, err)
		}
		for _, uri := range []string{"s3://in/" + s, "s3://in/x/" + s + ".mov", "http://host/" + s + ".mov"} {
			if in, err := ParseInput(uri); err == nil && (strings.Contains(in.stem(), "/") || control(in.stem())) {
				t.Errorf("input %q: its name is %q", uri, in.stem())
			}
		}
	}
	for _, bad := range []string{"s3://", "s3:///x", "s3://out\x00/x", "s3://out\n/x", "out/x", "/x", "file:///x", "s3:out/x", "s3:/out/x", "S3://out/x", " s3://out/x"} {
		if got, err := resolveDestination(bad, input, v); err == nil {
			t.Errorf("destination %q: got %+v", bad, got)
		}
	}
}
