package worker

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"darkroom/internal/blob"
	"darkroom/internal/blob/plain"
	"darkroom/internal/lease"
	"darkroom/internal/plan"
	"darkroom/internal/provenance"
)

func digestOf(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// TestWitnessReads: whatever the order in which the bytes of a file are read, its digest is that of the whole, or there is none and the ranges say what was read.
func TestWitnessReads(t *testing.T) {
	t.Parallel()
	content := make([]byte, 10_000)
	if _, err := rand.NewChaCha8([32]byte{2}).Read(content); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		reads  [][2]int
		whole  bool
		ranges string
	}{
		{"from its beginning to its end", [][2]int{{0, 10_000}}, true, "[[0 9999]]"},
		{"in pieces", [][2]int{{0, 3000}, {3000, 7000}, {7000, 10_000}}, true, "[[0 9999]]"},
		{"with overlaps", [][2]int{{0, 5000}, {2000, 7000}, {1000, 10_000}}, true, "[[0 9999]]"},
		{"twice", [][2]int{{0, 10_000}, {0, 10_000}}, true, "[[0 9999]]"},
		{"its end first, and read again", [][2]int{{9000, 10_000}, {0, 9000}, {9000, 10_000}}, true, "[[0 9999]]"},
		{"its end first", [][2]int{{9000, 10_000}, {0, 9000}}, false, "[[0 9999]]"},
		{"without its middle", [][2]int{{0, 100}, {9000, 10_000}}, false, "[[0 99] [9000 9999]]"},
		{"nothing", nil, false, "[]"},
	} {
		w := newWitness()
		s := w.opened("s3://b/k", "tag", 10_000, nil)
		for _, r := range tt.reads {
			for at := r[0]; at < r[1]; at += 700 {
				w.got(s, int64(at), content[at:min(at+700, r[1])])
			}
		}
		in, _, err := w.evidence()
		if err != nil || len(in) != 1 {
			t.Fatal(in, err)
		}
		if in[0].Annotations.Whole != tt.whole || (in[0].Digest[provenance.SHA256] == digestOf(content)) != tt.whole || fmt.Sprint(in[0].Annotations.Ranges) != tt.ranges {
			t.Errorf("%s: %+v %v", tt.name, in[0].Annotations, in[0].Digest)
		}
	}
}

// TestWitnessRanges: random ranges are joined as a set of bytes is, up to the bound.
func TestWitnessRanges(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		s, set := &seen{}, make([]bool, 300)
		for range 20 {
			from := random.IntN(290)
			to := from + 1 + random.IntN(10)
			s.cover(int64(from), int64(to))
			for i := from; i < to; i++ {
				set[i] = true
			}
		}
		got := make([]bool, 300)
		last := int64(-1)
		for _, r := range s.ranges {
			if r[0] <= last {
				t.Fatalf("ranges are not apart: %v", s.ranges)
			}
			last = r[1]
			for i := r[0]; i < r[1]; i++ {
				got[i] = true
			}
		}
		if !slices.Equal(got, set) {
			t.Fatalf("ranges %v are not what was read", s.ranges)
		}
	}
	s := &seen{}
	for i := range maxRanges + 5 {
		s.cover(int64(2*i), int64(2*i+1))
	}
	if len(s.ranges) != maxRanges || !s.omitted {
		t.Errorf("%d ranges, omitted %v", len(s.ranges), s.omitted)
	}
}

// TestWitnessFinish: what a job had no need of is read to complete the digest, of the same version or not at all.
func TestWitnessFinish(t *testing.T) {
	t.Parallel()
	store, err := plain.Open(map[string]string{"films": t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte("film"), 1000)
	put := func(content []byte) {
		t.Helper()
		if _, err := store.Put(t.Context(), "films", "k", bytes.NewReader(content), blob.PutOptions{Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name     string
		replaced bool
	}{{"the same version", false}, {"another version", true}} {
		put(content)
		w := newWitness()
		watching := &watched{store, w}
		o, err := watching.Get(t.Context(), "films", "k", &blob.Range{Start: 0, End: 99}, blob.Conditions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, o.Body); err != nil {
			t.Fatal(err)
		}
		_ = o.Body.Close()
		if tt.replaced {
			put(bytes.Repeat([]byte("FILM!"), 1000))
		}
		w.finish(t.Context(), store)
		in, _, err := w.evidence()
		if err != nil || len(in) != 1 || in[0].Annotations.Whole == tt.replaced || fmt.Sprint(in[0].Annotations.Ranges) != "[[0 99]]" {
			t.Errorf("%s: %+v %v", tt.name, in, err)
		}
		if !tt.replaced && in[0].Digest[provenance.SHA256] != digestOf(content) {
			t.Errorf("%s: %v", tt.name, in[0].Digest)
		}
	}
}

// TestWitnessWeb: reads from web servers are noted, without what may be secret in a URL.
func TestWitnessWeb(t *testing.T) {
	t.Parallel()
	content := bytes.Repeat([]byte("film"), 1000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		http.ServeContent(w, r, "film.mp4", time.Time{}, bytes.NewReader(content))
	}))
	defer server.Close()
	w := newWitness()
	web := &watchedWeb{http.DefaultTransport, w}
	for _, span := range []string{"bytes=0-999", "bytes=1000-"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/film.mp4?signature=secret", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Range", span)
		resp, err := web.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	in, _, err := w.evidence()
	if err != nil || len(in) != 1 || in[0].URI != server.URL+"/film.mp4" || in[0].Annotations.ETag != "v1" || in[0].Digest[provenance.SHA256] != digestOf(content) {
		t.Errorf("%+v %v", in, err)
	}
	for _, text := range []string{"", "bytes", "bytes 0-1", "bytes 0-1/*", "bytes x-1/2", "bytes 5-6/3", "bytes -1-2/3", "items 0-1/2"} {
		if _, _, ok := contentRange(text); ok {
			t.Errorf("Content-Range %q was read", text)
		}
	}
}

// TestWitnessWrites: one part is a whole; several have the digest of their digests, in the order of their numbers.
func TestWitnessWrites(t *testing.T) {
	t.Parallel()
	w := newWitness()
	part := func(text string) partSum { return partSum{int64(len(text)), sha256.Sum256([]byte(text))} }
	w.wrote(plan.Location{Bucket: "b", Key: "whole"}, []byte("old"))
	w.wrote(plan.Location{Bucket: "b", Key: "whole"}, []byte("hello world"))
	w.wroteParts(plan.Location{Bucket: "b", Key: "one"}, []partSum{part("hello world")})
	w.wroteParts(plan.Location{Bucket: "b", Key: "two"}, []partSum{part("hello "), part("world")})
	_, out, err := w.evidence()
	if err != nil || len(out) != 3 {
		t.Fatal(out, err)
	}
	for _, r := range out {
		if err := r.Check(strings.NewReader("hello world")); err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
	}
	for i := range lease.MaxEvidenceOutputs + 1 {
		w.wrote(plan.Location{Bucket: "b", Key: fmt.Sprint(i)}, nil)
	}
	if _, _, err := w.evidence(); err == nil || !strings.Contains(err.Error(), "more outputs") {
		t.Errorf("too many outputs: %v", err)
	}
	var none *witness
	none.wrote(plan.Location{}, nil)
	none.wroteParts(plan.Location{}, nil)
}
