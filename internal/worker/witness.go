package worker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"darkroom/internal/blob"
	"darkroom/internal/job"
	"darkroom/internal/lease"
	"darkroom/internal/plan"
	"darkroom/internal/provenance"
)

const (
	// maxRanges is how many ranges of one input are named.
	maxRanges = 64
	// maxReread is how much is read of an input that nothing else had need of, so that its digest is of the whole.
	maxReread = 256 << 20
	// statementSuffix is behind the base name of the first output group.
	statementSuffix = ".intoto.jsonl"
)

// witness notes what a job reads and writes, for its statement of provenance. Reads are seen where they come in: at the store and at the web, encrypted as they
// are. It is safe for concurrent use.
type witness struct {
	mu       sync.Mutex // guards what follows, and what is in it
	inputs   map[string]*seen
	outputs  map[string]provenance.Resource
	overflow string // what there was too much of
}

// seen is what was read of one version of a file.
type seen struct {
	uri, etag string
	size      int64
	object    *plan.Location // nil for one of the web
	// frontier is how far from its beginning sum has it: bytes come in any order, and those that come where it stands move it on.
	frontier int64
	sum      hash.Hash
	ranges   [][2]int64 // first and behind the last, in order, apart from each other
	omitted  bool
}

func newWitness() *witness {
	return &witness{inputs: map[string]*seen{}, outputs: map[string]provenance.Resource{}}
}

// opened begins to note a file. Another version of it is another file.
func (w *witness) opened(uri, etag string, size int64, object *plan.Location) *seen {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := uri + "\x00" + etag
	s := w.inputs[key]
	if s == nil {
		if len(w.inputs) >= lease.MaxEvidenceInputs {
			w.overflow = "inputs"
			return &seen{sum: sha256.New()} // of which nothing is told
		}
		s = &seen{uri: uri, etag: etag, size: size, object: object, sum: sha256.New()}
		w.inputs[key] = s
	}
	return s
}

// got notes bytes of a file.
func (w *witness) got(s *seen, offset int64, p []byte) {
	if len(p) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	end := offset + int64(len(p))
	if offset <= s.frontier && end > s.frontier {
		s.sum.Write(p[s.frontier-offset:])
		s.frontier = end
	}
	s.cover(offset, end)
}

// cover adds a range to those that were read.
func (s *seen) cover(from, to int64) {
	i, _ := slices.BinarySearchFunc(s.ranges, from, func(r [2]int64, at int64) int {
		if r[1] < at {
			return -1
		}
		return 1
	})
	j := i
	for j < len(s.ranges) && s.ranges[j][0] <= to {
		from, to = min(from, s.ranges[j][0]), max(to, s.ranges[j][1])
		j++
	}
	if i == j && len(s.ranges) >= maxRanges {
		s.omitted = true
		return
	}
	s.ranges = slices.Replace(s.ranges, i, j, [2]int64{from, to})
}

// reading is a body whose bytes are noted.
type reading struct {
	io.ReadCloser
	witness *witness
	seen    *seen
	at      int64
}

func (r *reading) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.witness.got(r.seen, r.at, p[:n])
	r.at += int64(n)
	return n, err
}

// watched is a store whose reads are noted.
type watched struct {
	blob.Store
	witness *witness
}

// Get implements blob.Store.
func (s *watched) Get(ctx context.Context, bucket, key string, rng *blob.Range, c blob.Conditions) (*blob.Object, error) {
	o, err := s.Store.Get(ctx, bucket, key, rng, c)
	if err != nil {
		return nil, err
	}
	loc := plan.Location{Bucket: bucket, Key: key}
	o.Body = &reading{o.Body, s.witness, s.witness.opened(loc.URI(), o.ETag, o.Size, &loc), o.Start}
	return o, nil
}

// watchedWeb is a way to web servers whose reads are noted.
type watchedWeb struct {
	next    http.RoundTripper
	witness *witness
}

// RoundTrip implements http.RoundTripper.
func (t *watchedWeb) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusPartialContent || r.Method != http.MethodGet {
		return resp, err
	}
	start, size := int64(0), resp.ContentLength
	if resp.StatusCode == http.StatusPartialContent {
		var ok bool
		if start, size, ok = contentRange(resp.Header.Get("Content-Range")); !ok {
			return resp, nil // who asked finds it out
		}
	}
	tag := strings.Trim(resp.Header.Get("ETag"), `"`)
	if tag == "" {
		tag = resp.Header.Get("Last-Modified")
	}
	resp.Body = &reading{resp.Body, t.witness, t.witness.opened(bare(r.URL), tag, size, nil), start}
	return resp, nil
}

// contentRange reads "bytes FIRST-LAST/SIZE" (RFC 9110, section 14.4).
func contentRange(text string) (start, size int64, ok bool) {
	rest, ok := strings.CutPrefix(text, "bytes ")
	first, more, ok2 := strings.Cut(rest, "-")
	_, length, ok3 := strings.Cut(more, "/")
	start, err := strconv.ParseInt(first, 10, 64)
	size, err2 := strconv.ParseInt(length, 10, 64)
	return start, size, ok && ok2 && ok3 && errors.Join(err, err2) == nil && start >= 0 && start < size
}

// bare is a URL without what may be a secret in it: its query.
func bare(u *url.URL) string {
	out := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return out.String()
}

// wrote notes an object that was written whole.
func (w *witness) wrote(loc plan.Location, body []byte) {
	if w == nil {
		return
	}
	sum := sha256.Sum256(body)
	w.output(loc, provenance.SHA256, sum[:], provenance.Annotations{Size: int64(len(body)), Whole: true})
}

// wroteParts notes an object that was written in parts, in their order.
func (w *witness) wroteParts(loc plan.Location, parts []partSum) {
	if w == nil {
		return
	}
	if len(parts) == 1 {
		w.output(loc, provenance.SHA256, parts[0].sum[:], provenance.Annotations{Size: parts[0].size, Whole: true})
		return
	}
	sum := sha256.New()
	a := provenance.Annotations{Whole: true}
	for _, p := range parts {
		sum.Write(p.sum[:])
		a.Size += p.size
		a.PartSizes = append(a.PartSizes, p.size)
	}
	w.output(loc, provenance.SHA256Parts, sum.Sum(nil), a)
}

type partSum struct {
	size int64
	sum  [sha256.Size]byte
}

func (w *witness) output(loc plan.Location, algorithm string, sum []byte, a provenance.Annotations) {
	w.mu.Lock()
	defer w.mu.Unlock()
	uri := loc.URI()
	if _, again := w.outputs[uri]; !again && len(w.outputs) >= lease.MaxEvidenceOutputs {
		w.overflow = "outputs"
		return
	}
	w.outputs[uri] = provenance.Resource{Name: uri, Digest: map[string]string{algorithm: hex.EncodeToString(sum)}, Annotations: &a}
}

// finish reads what is missing of inputs that were read almost whole, so that their digests are of the whole. It reads the same version, or none.
func (w *witness) finish(ctx context.Context, store blob.Store) {
	w.mu.Lock()
	all := slices.Collect(maps.Values(w.inputs))
	w.mu.Unlock()
	for _, s := range all {
		w.mu.Lock()
		from, size := s.frontier, s.size
		w.mu.Unlock()
		if s.object == nil || s.etag == "" || size <= 0 || from >= size || size-from > maxReread {
			continue
		}
		o, err := store.Get(ctx, s.object.Bucket, s.object.Key, &blob.Range{Start: from, End: size - 1}, blob.Conditions{IfMatch: s.etag})
		if err != nil {
			continue // then it is not known whole, and the statement says so
		}
		buf := make([]byte, 256<<10)
		for at := from; ; {
			n, err := o.Body.Read(buf)
			w.mu.Lock()
			if n > 0 && at == s.frontier { // these bytes are no part of what the job had need of: they make no range
				s.sum.Write(buf[:n])
				s.frontier += int64(n)
			}
			w.mu.Unlock()
			at += int64(n)
			if err != nil {
				break
			}
		}
		_ = o.Body.Close()
	}
}

// evidence is what was noted.
func (w *witness) evidence() (in, out []provenance.Resource, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.overflow != "" {
		return nil, nil, job.Errorf(1040, "The job has more %s than a statement of provenance can name. Submit it to a queue that does not ask for one, or in parts.", w.overflow)
	}
	for _, s := range w.inputs {
		r := provenance.Resource{URI: s.uri, Annotations: &provenance.Annotations{Size: s.size, ETag: s.etag, RangesOmitted: s.omitted}}
		for _, span := range s.ranges {
			r.Annotations.Ranges = append(r.Annotations.Ranges, [2]int64{span[0], span[1] - 1})
		}
		if s.frontier == s.size {
			r.Annotations.Whole = true
			r.Digest = map[string]string{provenance.SHA256: hex.EncodeToString(s.sum.Sum(nil))}
		}
		in = append(in, r)
	}
	for _, r := range w.outputs {
		out = append(out, r)
	}
	slices.SortFunc(in, func(a, b provenance.Resource) int {
		if c := strings.Compare(a.URI, b.URI); c != 0 {
			return c
		}
		return strings.Compare(a.Annotations.ETag, b.Annotations.ETag)
	})
	slices.SortFunc(out, func(a, b provenance.Resource) int { return strings.Compare(a.Name, b.Name) })
	return in, out, nil
}

// attest has the job's statement made, and writes it beside the outputs, as the last of them.
func (r *run) attest(ctx context.Context, p *plan.Plan, access plan.Access) error {
	if r.witness == nil {
		return nil
	}
	control, ok := r.worker.o.Control.(lease.Attester)
	if !ok || len(access.Outputs) == 0 {
		return job.Errorf(1999, "The job is to write a statement of provenance, and nothing here makes one.")
	}
	r.witness.finish(ctx, r.store)
	e := lease.Evidence{Versions: map[string]string{"ffmpeg": r.worker.o.Engine}}
	var err error
	if e.Inputs, e.Outputs, err = r.witness.evidence(); err != nil {
		return err
	}
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	e.PlanSHA256 = hex.EncodeToString(sum[:])
	statement, err := control.Attest(ctx, r.lease, e)
	if err != nil {
		return err
	}
	loc := access.Outputs[0]
	loc.Key += statementSuffix
	// It is written past the witness: a statement does not speak of itself.
	_, err = r.store.Put(ctx, loc.Bucket, loc.Key, strings.NewReader(string(statement)+"\n"), blob.PutOptions{
		Metadata: blob.Metadata{ContentType: "application/jsonl"}, Size: int64(len(statement) + 1), Storage: storage(loc.Storage),
	})
	return err
}
