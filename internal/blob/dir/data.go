package dir

import (
	"context"
	"crypto/md5" //nolint:gosec // ETags of S3 are MD5
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"sync"

	"darkroom/internal/blob"
	"darkroom/internal/secret"
)

const (
	// batch is how much is read, hashed, sealed and written at a time.
	batch = 4 * secret.ChunkSize
	// readBatch is the sealed form of a batch: what is read from disk at a time.
	readBatch = batch / secret.ChunkSize
	// ring is how many batches one writer has: one is read while others are hashed.
	ring = 3
)

// batches lends the buffers of writers.
var batches = sync.Pool{New: func() any { b := make([]byte, batch); return &b }}

// written is a data file that is on disk under its own name, but in no record yet.
type written struct {
	data     []dataRef // one, or none for no bytes
	size     int64
	md5      []byte
	checksum blob.Checksum
}

// writeData reads a body to its end into a data file, and verifies it against what o says of it. Its key is wrapped. Nothing is left behind an error.
func (s *Store) writeData(ctx context.Context, body io.Reader, o blob.PutOptions, wrap *wrapping) (written, error) {
	limit := int64(blob.MaxPart)
	if o.Size > limit {
		return written{}, blob.ErrEntityTooLarge
	}
	d, err := newDigest(o.Metadata.Checksum.Algorithm)
	if err != nil {
		return written{}, err
	}
	var out written
	id, key, err := s.newFile()
	if err != nil {
		return written{}, err
	}
	f, err := os.CreateTemp(s.path(tempDir), "data-*")
	if err != nil {
		return written{}, storeError(err)
	}
	out.size, err = d.copy(ctx, f, key, id, body, limit)
	if err == nil {
		out.md5, out.checksum, err = d.verify(out.size, o)
	}
	if err == nil && out.size > 0 {
		err = storeError(f.Sync())
	}
	err = errors.Join(err, storeError(f.Close()))
	ref := dataRef{ID: id, Key: dataKey{key}, Size: out.size}
	if err == nil {
		err = wrap.seal(&ref)
	}
	if err != nil || out.size == 0 {
		key.Wipe()
		os.Remove(f.Name())
		return out, err
	}
	if done, err := moveFile(f.Name(), s.dataPath(id)); err != nil {
		if done {
			os.Remove(s.dataPath(id))
		}
		return written{}, err
	}
	out.data = []dataRef{ref}
	s.hold(out.data)
	return out, nil
}

func (s *Store) newFile() (id fileID, key secret.Bytes, err error) {
	if _, err := io.ReadFull(s.random, id[:]); err != nil {
		return id, key, fmt.Errorf("name a data file: %w", err)
	}
	key, err = secret.NewDataKey(s.random)
	return id, key, err
}

func (s *Store) dataPath(id fileID) string {
	name := id.String()
	return s.path(dataDir, name[:2], name)
}

// hold keeps data files from being deleted until they are released as often.
func (s *Store) hold(data []dataRef) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range data {
		s.used[d.ID]++
	}
}

// release lets go of data files; those that nobody else holds are deleted. A failure to delete one leaves it to the next Open.
func (s *Store) release(data []dataRef) {
	var unused []fileID
	s.mu.Lock()
	for _, d := range data {
		if s.used[d.ID]--; s.used[d.ID] <= 0 {
			delete(s.used, d.ID)
			unused = append(unused, d.ID)
		}
	}
	s.mu.Unlock()
	for _, id := range unused {
		s.discard(id)
	}
}

// digest hashes a body while it is sealed and written.
type digest struct {
	md5   hash.Hash
	extra hash.Hash // the additional checksum, nil for none
}

func newDigest(algorithm string) (*digest, error) {
	d := &digest{md5: md5.New()} //nolint:gosec // see above
	if algorithm != "" {
		var err error
		if d.extra, err = blob.NewHash(algorithm); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *digest) write(p []byte) {
	d.md5.Write(p)
	if d.extra != nil {
		d.extra.Write(p)
	}
}

// copy seals a body into f. Hashing, which takes longest, runs beside reading, sealing and writing.
func (d *digest) copy(ctx context.Context, f *os.File, key secret.Bytes, id fileID, body io.Reader, limit int64) (int64, error) {
	w, err := secret.NewStreamWriter(&writeBack{f: f}, key, id[:])
	if err != nil {
		return 0, err
	}
	free, full := make(chan *[]byte, ring), make(chan hashed, ring)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for h := range full {
			d.write((*h.buf)[:h.n])
			free <- h.buf
		}
	}()
	defer func() {
		close(full)
		<-done
		for len(free) > 0 {
			batches.Put(<-free)
		}
	}()
	lent := 0
	for {
		if err := live(ctx); err != nil {
			return 0, err
		}
		var buf *[]byte
		if lent < ring && len(free) == 0 {
			buf = batches.Get().(*[]byte)
			lent++
		} else {
			buf = <-free
		}
		n, err := fill(body, *buf)
		if w.Size()+int64(n) > limit {
			free <- buf
			return 0, blob.ErrEntityTooLarge
		}
		_, writeErr := w.Write((*buf)[:n])
		full <- hashed{buf, n}
		switch {
		case writeErr != nil:
			return 0, storeError(writeErr)
		case err == io.EOF:
			return w.Size(), storeError(w.Close())
		case err != nil:
			return 0, fmt.Errorf("read body: %w", err)
		}
	}
}

// maxEmptyReads is how often a body may give neither bytes nor an error.
const maxEmptyReads = 100

// fill reads until p is full or the body ends. Unlike io.ReadFull it tells the end of a body from one that was cut off.
func fill(body io.Reader, p []byte) (n int, err error) {
	empty := 0
	for n < len(p) && err == nil {
		var k int
		k, err = body.Read(p[n:])
		n += k
		if k > 0 {
			empty = 0
		} else if empty++; empty > maxEmptyReads && err == nil {
			err = io.ErrNoProgress
		}
	}
	return n, err
}

type hashed struct {
	buf *[]byte
	n   int
}

// verify compares a body with what was said of it.
func (d *digest) verify(size int64, o blob.PutOptions) (sum []byte, c blob.Checksum, err error) {
	sum = d.md5.Sum(nil)
	c = o.Metadata.Checksum
	if o.Size >= 0 && size != o.Size {
		return nil, c, fmt.Errorf("%w: %d bytes of %d", blob.ErrIncompleteBody, size, o.Size)
	}
	if o.ContentMD5 != nil && string(o.ContentMD5) != string(sum) {
		return nil, c, fmt.Errorf("%w: the Content-MD5 is not that of the body", blob.ErrBadDigest)
	}
	if d.extra == nil {
		return sum, blob.Checksum{}, nil
	}
	value := base64.StdEncoding.EncodeToString(d.extra.Sum(nil))
	said := c.Value
	if said == "" && o.Trailer != nil {
		said = o.Trailer()
	}
	if said != "" && said != value {
		return nil, c, fmt.Errorf("%w: the %s is not that of the body", blob.ErrBadDigest, c.Algorithm)
	}
	return sum, blob.Checksum{Algorithm: c.Algorithm, Value: value, Type: blob.FullObject}, nil
}
