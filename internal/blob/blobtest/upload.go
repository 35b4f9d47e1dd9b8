package blobtest

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/blob"
)

var uploadRequirements = []requirement{
	{"upload: parts in any order become the object", driver, testUpload},
	{"upload: nothing is seen before it is complete", driver, func(t *testing.T, s blob.Store) {
		b := newBucket(t, s)
		u := newUpload(t, s, b, "k")
		putPart(t, s, u, 1, content(1, 10))
		_, err := s.Head(t.Context(), b, "k", blob.Conditions{})
		wantError(t, "head", err, blob.ErrNoSuchKey)
		page, err := s.List(t.Context(), b, blob.ListOptions{})
		if err != nil || len(page.Objects)+len(page.CommonPrefixes) > 0 {
			t.Errorf("list: %+v, %v", page, err)
		}
	}},
	{"upload: a part is replaced", driver, func(t *testing.T, s blob.Store) {
		b := newBucket(t, s)
		u := newUpload(t, s, b, "k")
		old := putPart(t, s, u, 1, content(1, 10))
		p := putPart(t, s, u, 1, content(2, 20))
		_, err := s.CompleteUpload(t.Context(), u, []blob.Part{old}, blob.Conditions{})
		wantError(t, "complete with the old part", err, blob.ErrInvalidPart)
		if _, err := s.CompleteUpload(t.Context(), u, []blob.Part{p}, blob.Conditions{}); err != nil {
			t.Fatal(err)
		}
		wantBody(t, s, b, "k", content(2, 20))
	}},
	{"upload: parts that are left out are gone", driver, func(t *testing.T, s blob.Store) {
		b := newBucket(t, s)
		u := newUpload(t, s, b, "k")
		putPart(t, s, u, 1, content(1, 10))
		p := putPart(t, s, u, 7, content(2, 20))
		if _, err := s.CompleteUpload(t.Context(), u, []blob.Part{p}, blob.Conditions{}); err != nil {
			t.Fatal(err)
		}
		wantBody(t, s, b, "k", content(2, 20))
	}},
	{"upload: what cannot be completed", driver, func(t *testing.T, s blob.Store) {
		b := newBucket(t, s)
		u := newUpload(t, s, b, "k")
		one, two := putPart(t, s, u, 1, content(1, 5<<20)), putPart(t, s, u, 2, content(2, 5<<20-1))
		three := putPart(t, s, u, 3, content(3, 1))
		wrong := one
		wrong.ETag = two.ETag
		for _, tt := range []struct {
			name  string
			parts []blob.Part
			want  error
		}{
			{"order", []blob.Part{two, one}, blob.ErrInvalidPartOrder},
			{"twice", []blob.Part{one, one}, blob.ErrInvalidPartOrder},
			{"small part inside", []blob.Part{one, two, three}, blob.ErrEntityTooSmall},
			{"no such part", []blob.Part{one, {Number: 9, ETag: two.ETag}}, blob.ErrInvalidPart},
			{"ETag of another", []blob.Part{wrong}, blob.ErrInvalidPart},
		} {
			_, err := s.CompleteUpload(t.Context(), u, tt.parts, blob.Conditions{})
			wantError(t, tt.name, err, tt.want)
		}
		if _, err := s.CompleteUpload(t.Context(), u, []blob.Part{one, two}, blob.Conditions{}); err != nil {
			t.Errorf("after the refusals: %v", err)
		}
		wantBody(t, s, b, "k", slices.Concat(content(1, 5<<20), content(2, 5<<20-1)))
	}},
	{"upload: conditions at completion", server, func(t *testing.T, s blob.Store) {
		b := newBucket(t, s)
		put(t, s, b, "k", []byte("old"))
		u := newUpload(t, s, b, "k")
		p := putPart(t, s, u, 1, content(1, 10))
		_, err := s.CompleteUpload(t.Context(), u, []blob.Part{p}, blob.Conditions{IfNoneMatch: "*"})
		wantError(t, "If-None-Match: *", err, blob.ErrPreconditionFailed)
		wantBody(t, s, b, "k", []byte("old"))
		if _, err := s.CompleteUpload(t.Context(), u, []blob.Part{p}, blob.Conditions{IfMatch: etag([]byte("old"))}); err != nil {
			t.Error(err)
		}
	}},
	{"upload: aborted", driver, func(t *testing.T, s blob.Store) {
		b := newBucket(t, s)
		u := newUpload(t, s, b, "k")
		p := putPart(t, s, u, 1, content(1, 10))
		if err := s.AbortUpload(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		wantError(t, "abort twice", s.AbortUpload(t.Context(), u), blob.ErrNoSuchUpload)
		_, err := s.UploadPart(t.Context(), u, 2, strings.NewReader("x"), blob.PutOptions{Size: 1})
		wantError(t, "part", err, blob.ErrNoSuchUpload)
		_, err = s.CompleteUpload(t.Context(), u, []blob.Part{p}, blob.Conditions{})
		wantError(t, "complete", err, blob.ErrNoSuchUpload)
		_, err = s.ListParts(t.Context(), u)
		wantError(t, "list parts", err, blob.ErrNoSuchUpload)
		wantAbsent(t, s, b, "k")
	}},
	{"upload: a part that breaks is not there", driver, func(t *testing.T, s blob.Store) {
		b, broken := newBucket(t, s), errors.New("the line went dead")
		u := newUpload(t, s, b, "k")
		for _, size := range []int64{-1, 1000} {
			_, err := s.UploadPart(t.Context(), u, 1, brokenBody(content(1, 100), broken), blob.PutOptions{Size: size})
			wantError(t, "part", err, broken)
		}
		_, err := s.UploadPart(t.Context(), u, 1, streamOf(content(1, 100)), blob.PutOptions{Size: 101})
		wantError(t, "short part", err, blob.ErrIncompleteBody)
		sum := md5.Sum([]byte("other"))
		_, err = s.UploadPart(t.Context(), u, 1, streamOf(content(1, 100)), blob.PutOptions{Size: 100, ContentMD5: sum[:]})
		wantError(t, "wrong MD5", err, blob.ErrBadDigest)
		for _, number := range []int{0, -1, blob.MaxParts + 1} {
			_, err := s.UploadPart(t.Context(), u, number, strings.NewReader("x"), blob.PutOptions{Size: 1})
			wantError(t, fmt.Sprint("part ", number), err, blob.ErrInvalidArgument)
		}
		if parts, err := s.ListParts(t.Context(), u); err != nil || len(parts) != 0 {
			t.Errorf("parts %+v, %v", parts, err)
		}
	}},
	{"upload: lists", driver, func(t *testing.T, s blob.Store) {
		b := newBucket(t, s)
		want := []blob.Upload{newUpload(t, s, b, "a/1"), newUpload(t, s, b, "a/1"), newUpload(t, s, b, "a/2"), newUpload(t, s, b, "b")}
		for prefix, count := range map[string]int{"": 4, "a/": 3, "b": 1, "c": 0} {
			got, err := s.ListUploads(t.Context(), b, prefix)
			if err != nil || len(got) != count {
				t.Errorf("prefix %q: %d uploads, %v", prefix, len(got), err)
			}
			if !slices.IsSortedFunc(got, func(a, b blob.Upload) int { return strings.Compare(a.Key, b.Key) }) {
				t.Errorf("prefix %q: out of order: %+v", prefix, got)
			}
			for _, u := range got {
				if !slices.ContainsFunc(want, func(w blob.Upload) bool { return w.ID == u.ID && w.Key == u.Key && u.Bucket == b }) {
					t.Errorf("prefix %q: unknown upload %+v", prefix, u)
				}
			}
		}
		var parts []blob.Part
		for _, n := range []int{3, 1, 2} {
			parts = append(parts, putPart(t, s, want[0], n, content(byte(n), n*10)))
		}
		slices.SortFunc(parts, func(a, b blob.Part) int { return a.Number - b.Number })
		got, err := s.ListParts(t.Context(), want[0])
		for i := range got {
			if got[i].LastModified.IsZero() {
				t.Errorf("part %d has no time", got[i].Number)
			}
			got[i].LastModified, got[i].Checksum = parts[i].LastModified, parts[i].Checksum
		}
		if diff := cmp.Diff(parts, got); err != nil || diff != "" {
			t.Errorf("parts (-put +listed): %s %v", diff, err)
		}
	}},
}

func testUpload(t *testing.T, s blob.Store) {
	b := newBucket(t, s)
	meta := blob.Metadata{ContentType: "video/mp4", User: map[string]string{"a": "1"}}
	u, err := s.CreateUpload(t.Context(), b, "dir/k", blob.UploadOptions{Metadata: meta})
	if err != nil {
		t.Fatal(err)
	}
	bodies := map[int][]byte{2: content(2, 6<<20+1), 5: content(5, 5<<20), 9: content(9, 77)}
	var parts []blob.Part
	for _, n := range []int{9, 2, 5} {
		parts = append(parts, putPart(t, s, u, n, bodies[n]))
	}
	slices.SortFunc(parts, func(a, b blob.Part) int { return a.Number - b.Number })
	info, err := s.CompleteUpload(t.Context(), u, parts, blob.Conditions{})
	if err != nil {
		t.Fatal(err)
	}
	whole := slices.Concat(bodies[2], bodies[5], bodies[9])
	sums := md5.New()
	for _, n := range []int{2, 5, 9} {
		sum := md5.Sum(bodies[n])
		sums.Write(sum[:])
	}
	if want := fmt.Sprintf("%x-3", sums.Sum(nil)); info.ETag != want {
		t.Errorf("ETag %s, want %s", info.ETag, want)
	}
	got, back := get(t, s, b, "dir/k")
	if !bytes.Equal(back, whole) || got.ETag != info.ETag || got.Size != int64(len(whole)) || got.Metadata.ContentType != "video/mp4" || got.Metadata.User["a"] != "1" {
		t.Errorf("got %+v", got)
	}
	for _, border := range []int64{6<<20 + 1, 11<<20 + 1} { // ranges over the borders of parts
		o, err := s.Get(t.Context(), b, "dir/k", &blob.Range{Start: border - 5, End: border + 4}, blob.Conditions{})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(readAll(t, o), whole[border-5:border+5]) {
			t.Errorf("range over %d: other bytes", border)
		}
	}
	wantAbsent(t, s, b, "other")
	if err := s.Delete(t.Context(), b, "dir/k"); err != nil {
		t.Fatal(err)
	}
	wantAbsent(t, s, b, "dir/k")
}

func newUpload(t *testing.T, s blob.Store, bucket, key string) blob.Upload {
	t.Helper()
	u, err := s.CreateUpload(t.Context(), bucket, key, blob.UploadOptions{})
	if err != nil {
		t.Fatalf("create upload: %v", err)
	}
	return u
}

func putPart(t *testing.T, s blob.Store, u blob.Upload, number int, body []byte) blob.Part {
	t.Helper()
	p, err := s.UploadPart(t.Context(), u, number, streamOf(body), blob.PutOptions{Size: int64(len(body))})
	if err != nil {
		t.Fatalf("part %d: %v", number, err)
	}
	p.Encryption = blob.Encryption{} // lists do not have it
	return p
}
