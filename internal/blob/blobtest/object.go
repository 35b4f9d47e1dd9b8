package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/blob"
)

// sizes are around the borders that stores have inside: chunks of 64 KiB, batches of 256 KiB, parts of 5 and 8 MiB.
var sizes = []int{0, 1, 15, 64<<10 - 1, 64 << 10, 64<<10 + 1, 256 << 10, 256<<10 + 1, 5<<20 + 7, 8 << 20, 8<<20 + 1, 17<<20 + 3}

// hostileKeys must stay names, whatever a file system or a URL makes of them.
var hostileKeys = []string{
	"k", "a/b/c", "a/", "a//b", "..", "../x", "../../../../etc/passwd", "./.", "/", "//", "/abs", "a/../b", "~", "-rf", "con", "nul.txt",
	"a b+c", "a%2Fb", "%", "%00", "a?b#c&d=e", "ключ/鍵/🎬", "e\u0301", "\u00e9", "a\nb", "a\tb", "\x01\x1f\x7f", "<&>\"'", "*", "a:b|c", `a\b`,
	"lock", "tmp/x", "\u202e", "\ufeff", "\U0010ffff", "aux/" + strings.Repeat("x", 1020), strings.Repeat("é", 512),
}

var objectRequirements = []requirement{
	{"object: comes back as it was put", driver, func(t *testing.T, s blob.Store) {
		b := newBucket(t, s)
		for _, size := range sizes {
			for _, known := range []bool{true, false} {
				key := fmt.Sprintf("%d-%t", size, known)
				body := content(byte(size), size)
				o := blob.PutOptions{Size: -1}
				if known {
					o.Size = int64(size)
				}
				info, err := s.Put(t.Context(), b, key, streamOf(body), o)
				if err != nil {
					t.Fatalf("put %s: %v", key, err)
				}
				got, back := get(t, s, b, key)
				if !bytes.Equal(back, body) {
					t.Errorf("%s: other bytes", key)
				}
				if got.Size != int64(size) || got.ETag != info.ETag || got.Key != key || got.LastModified.IsZero() {
					t.Errorf("%s: got %+v, put %+v", key, got, info)
				}
				if !strings.Contains(got.ETag, "-") && got.ETag != etag(body) {
					t.Errorf("%s: ETag %s is not the MD5", key, got.ETag)
				}
				head, err := s.Head(t.Context(), b, key, blob.Conditions{})
				if diff := cmp.Diff(got, head); err != nil || diff != "" {
					t.Errorf("%s: head differs from get (-get +head): %s %v", key, diff, err)
				}
			}
		}
	}},
	{"object: that is not there", driver, func(t *testing.T, s blob.Store) {
		ctx, b := t.Context(), newBucket(t, s)
		_, err := s.Get(ctx, b, "k", nil, blob.Conditions{})
		wantError(t, "get", err, blob.ErrNoSuchKey)
		_, err = s.Head(ctx, b, "k", blob.Conditions{})
		wantError(t, "head", err, blob.ErrNoSuchKey)
		_, err = s.Copy(ctx, b, "k", b, "l", blob.CopyOptions{})
		wantError(t, "copy", err, blob.ErrNoSuchKey)
		if err := s.Delete(ctx, b, "k"); err != nil {
			t.Errorf("delete: %v", err)
		}
	}},
	{"object: replaced and deleted", driver, func(t *testing.T, s blob.Store) {
		b := newBucket(t, s)
		put(t, s, b, "k", content(1, 100000))
		put(t, s, b, "k", content(2, 70))
		wantBody(t, s, b, "k", content(2, 70))
		if err := s.Delete(t.Context(), b, "k"); err != nil {
			t.Fatal(err)
		}
		wantAbsent(t, s, b, "k")
	}},
	{"object: a reader has the old one or the new one, whole", server, func(t *testing.T, s blob.Store) {
		b := newBucket(t, s)
		first, second := content(1, 3<<20), content(2, 3<<20)
		put(t, s, b, "k", first)
		open, err := s.Get(t.Context(), b, "k", nil, blob.Conditions{})
		if err != nil {
			t.Fatal(err)
		}
		put(t, s, b, "k", second)
		wantBody(t, s, b, "k", second)
		if err := s.Delete(t.Context(), b, "k"); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(readAll(t, open), first) {
			t.Error("the open object changed")
		}
	}},
	{"object: metadata comes back", driver, func(t *testing.T, s blob.Store) {
		b := newBucket(t, s)
		want := blob.Metadata{
			ContentType: "video/mp4", CacheControl: "max-age=5, public", ContentDisposition: `attachment; filename="a b.mp4"`, ContentEncoding: "identity",
			ContentLanguage: "de, en", Expires: "Thu, 01 Dec 2033 16:00:00 GMT", User: map[string]string{"a": "1", "long-name": "with spaces, and commas"},
		}
		if _, err := s.Put(t.Context(), b, "k", strings.NewReader("x"), blob.PutOptions{Size: 1, Metadata: want}); err != nil {
			t.Fatal(err)
		}
		got, _ := get(t, s, b, "k")
		got.Metadata.Checksum = blob.Checksum{}
		if diff := cmp.Diff(want, got.Metadata); diff != "" {
			t.Errorf("metadata (-put +got): %s", diff)
		}
	}},
	{"object: ranges", driver, testRanges},
	{"object: hostile keys stay names", server, func(t *testing.T, s blob.Store) {
		b := newBucket(t, s)
		for i, key := range hostileKeys {
			put(t, s, b, key, fmt.Appendf(nil, "%d", i))
		}
		got := map[string]bool{}
		page, err := s.List(t.Context(), b, blob.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Objects {
			got[o.Key] = true
		}
		for i, key := range hostileKeys {
			if !got[key] {
				t.Errorf("%q is not listed", key)
			}
			wantBody(t, s, b, key, fmt.Appendf(nil, "%d", i))
			if err := s.Delete(t.Context(), b, key); err != nil {
				t.Errorf("delete %q: %v", key, err)
			}
		}
		if len(page.Objects) != len(hostileKeys) {
			t.Errorf("%d keys are listed, %d were put", len(page.Objects), len(hostileKeys))
		}
	}},
	{"object: keys are checked", driver, func(t *testing.T, s blob.Store) {
		b := newBucket(t, s)
		for key, want := range map[string]error{
			"": blob.ErrInvalidArgument, "a\x00b": blob.ErrInvalidArgument, "\xff": blob.ErrInvalidArgument, strings.Repeat("k", 1025): blob.ErrKeyTooLong,
		} {
			_, err := s.Put(t.Context(), b, key, strings.NewReader("x"), blob.PutOptions{Size: 1})
			wantError(t, fmt.Sprintf("put %.10q", key), err, want)
			_, err = s.CreateUpload(t.Context(), b, key, blob.UploadOptions{})
			wantError(t, fmt.Sprintf("create upload %.10q", key), err, want)
		}
	}},
	{"object: a body that breaks leaves what was there", driver, func(t *testing.T, s blob.Store) {
		b, broken := newBucket(t, s), errors.New("the line went dead")
		for _, size := range []int{0, 10, 300 << 10, 9 << 20} {
			for _, length := range []int64{-1, int64(size) + 1} {
				_, err := s.Put(t.Context(), b, "new", brokenBody(content(1, size), broken), blob.PutOptions{Size: length})
				wantError(t, fmt.Sprintf("put %d of %d", size, length), err, broken)
			}
		}
		wantAbsent(t, s, b, "new")
		put(t, s, b, "old", content(3, 99))
		_, err := s.Put(t.Context(), b, "old", brokenBody(content(1, 10), broken), blob.PutOptions{Size: 99})
		wantError(t, "put over", err, broken)
		wantBody(t, s, b, "old", content(3, 99))
	}},
	{"object: a body of another length is refused", driver, func(t *testing.T, s blob.Store) {
		b := newBucket(t, s)
		for _, size := range []int64{0, 9, 11, 9 << 20} {
			_, err := s.Put(t.Context(), b, "k", streamOf(content(1, 10)), blob.PutOptions{Size: size})
			wantError(t, fmt.Sprintf("10 bytes as %d", size), err, blob.ErrIncompleteBody)
		}
		wantAbsent(t, s, b, "k")
	}},
	{"object: a caller who left is not served", driver, func(t *testing.T, s blob.Store) {
		b := newBucket(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		body := io.MultiReader(streamOf(content(1, 1000)), readerFunc(func([]byte) (int, error) { cancel(); return 0, nil }), streamOf(content(1, 9<<20)))
		_, err := s.Put(ctx, b, "k", body, blob.PutOptions{Size: -1})
		wantError(t, "put", err, context.Canceled)
		wantAbsent(t, s, b, "k")
	}},
	{"object: copies", driver, testCopy},
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) {
	n, err := f(p)
	if n == 0 && err == nil {
		err = io.EOF // once is enough
	}
	return n, err
}

func testRanges(t *testing.T, s blob.Store) {
	b := newBucket(t, s)
	body := content(1, 200000)
	put(t, s, b, "k", body)
	put(t, s, b, "empty", nil)
	tests := []struct {
		name       string
		key        string
		r          blob.Range
		start, end int // of body; start < 0: ErrInvalidRange
	}{
		{"first byte", "k", blob.Range{Start: 0, End: 0}, 0, 1},
		{"inner", "k", blob.Range{Start: 10, End: 19}, 10, 20},
		{"over a chunk border", "k", blob.Range{Start: 65530, End: 65545}, 65530, 65546},
		{"a whole chunk", "k", blob.Range{Start: 65536, End: 131071}, 65536, 131072},
		{"to the end", "k", blob.Range{Start: 199999, End: -1}, 199999, 200000},
		{"beyond the end", "k", blob.Range{Start: 150000, End: 999999}, 150000, 200000},
		{"all", "k", blob.Range{Start: 0, End: -1}, 0, 200000},
		{"suffix", "k", blob.Range{Start: -1, Length: 7}, 199993, 200000},
		{"long suffix", "k", blob.Range{Start: -1, Length: 300000}, 0, 200000},
		{"begins at the end", "k", blob.Range{Start: 200000, End: -1}, -1, 0},
		{"begins beyond", "k", blob.Range{Start: 200001, End: 200002}, -1, 0},
		{"of an empty object", "empty", blob.Range{Start: 0, End: 0}, -1, 0},
	}
	for _, tt := range tests {
		o, err := s.Get(t.Context(), b, tt.key, &tt.r, blob.Conditions{})
		if tt.start < 0 {
			wantError(t, tt.name, err, blob.ErrInvalidRange)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if o.Start != int64(tt.start) || o.Length != int64(tt.end-tt.start) || o.Size != int64(len(body)) {
			t.Errorf("%s: start %d, length %d, size %d", tt.name, o.Start, o.Length, o.Size)
		}
		if got := readAll(t, o); !bytes.Equal(got, body[tt.start:tt.end]) {
			t.Errorf("%s: other bytes", tt.name)
		}
	}
}

func testCopy(t *testing.T, s blob.Store) {
	ctx, a, b := t.Context(), newBucket(t, s), newBucket(t, s)
	body := content(1, 100000)
	meta := blob.Metadata{ContentType: "text/plain", User: map[string]string{"a": "1"}}
	if _, err := s.Put(ctx, a, "src key+", streamOf(body), blob.PutOptions{Size: int64(len(body)), Metadata: meta}); err != nil {
		t.Fatal(err)
	}
	info, err := s.Copy(ctx, a, "src key+", b, "dst", blob.CopyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got, back := get(t, s, b, "dst")
	if !bytes.Equal(back, body) || got.ETag != info.ETag || got.Metadata.ContentType != "text/plain" || got.Metadata.User["a"] != "1" {
		t.Errorf("copy: %+v", got)
	}
	replaced := &blob.Metadata{ContentType: "video/mp4", User: map[string]string{"b": "2"}}
	if _, err := s.Copy(ctx, a, "src key+", a, "src key+", blob.CopyOptions{Metadata: replaced, Conditions: blob.Conditions{IfMatch: info.ETag}}); err != nil {
		t.Fatal(err)
	}
	got, back = get(t, s, a, "src key+")
	if !bytes.Equal(back, body) || got.Metadata.ContentType != "video/mp4" || got.Metadata.User["a"] != "" || got.Metadata.User["b"] != "2" {
		t.Errorf("copy over itself: %+v", got)
	}
	_, err = s.Copy(ctx, a, "src key+", b, "dst", blob.CopyOptions{Conditions: blob.Conditions{IfMatch: "0123"}})
	wantError(t, "copy with a condition that fails", err, blob.ErrPreconditionFailed)
	for _, key := range []string{"src key+", "dst"} { // the copy does not need its source
		if err := s.Delete(ctx, a, key); err != nil {
			t.Fatal(err)
		}
	}
	wantBody(t, s, b, "dst", body)
	_, err = s.Copy(ctx, b, "dst", newName(), "k", blob.CopyOptions{})
	wantError(t, "copy into no bucket", err, blob.ErrNoSuchBucket)
}
