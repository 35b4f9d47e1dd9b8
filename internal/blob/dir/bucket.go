package dir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/btree"

	"darkroom/internal/blob"
)

// bucket is a bucket and the index of its objects.
type bucket struct {
	name    string
	file    string // name of its record, and of the directory of its objects
	created time.Time

	gate sync.RWMutex // held for reading by whoever puts an object in, for writing by who deletes the bucket
	gone bool         // guarded by gate

	index      *btree.BTreeG[*entry] // guarded by Store.mu
	encryption blob.BucketEncryption // guarded by Store.mu
}

// entry is what a listing tells of an object.
type entry struct {
	key      string
	size     int64
	etag     string
	modified time.Time
}

func (e *entry) info() blob.Info {
	return blob.Info{Key: e.key, Size: e.size, ETag: e.etag, LastModified: e.modified}
}

// indexDegree is the degree of the index trees: wide nodes keep the share of pointers small.
const indexDegree = 64

func newBucket(name, file string, created time.Time) *bucket {
	return &bucket{
		name: name, file: file, created: created,
		index: btree.NewG(indexDegree, func(a, b *entry) bool { return a.key < b.key }),
	}
}

// CreateBucket implements blob.Store.
func (s *Store) CreateBucket(ctx context.Context, name string) error {
	if err := errors.Join(live(ctx), blob.CheckBucket(name)); err != nil {
		return err
	}
	b := newBucket(name, s.bucketFile(name), s.now().UTC())
	s.barrier.RLock()
	defer s.barrier.RUnlock()
	b.gate.Lock() // nobody puts anything in before it is there
	defer b.gate.Unlock()
	s.mu.Lock()
	err := s.freeName(b)
	if err == nil {
		s.buckets[name] = b
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	err = os.Mkdir(s.path(objectDir, b.file), 0o700)
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if err == nil {
		err = syncDir(s.path(objectDir))
	}
	if err == nil {
		err = s.putRecord(filepath.Join(bucketDir, b.file), bucketRecord{Version: recordVersion, Name: name, Created: b.created})
	}
	if err != nil {
		b.gone = true
		os.Remove(s.path(bucketDir, b.file))
		os.Remove(s.path(objectDir, b.file))
		s.mu.Lock()
		delete(s.buckets, name)
		s.mu.Unlock()
		return storeError(err)
	}
	return nil
}

// freeName says why a new bucket cannot have its name. The caller holds s.mu.
func (s *Store) freeName(b *bucket) error {
	if s.closed {
		return errClosed
	}
	if s.buckets[b.name] != nil {
		return blob.ErrBucketExists
	}
	if s.damaged[filepath.Join(bucketDir, b.file)] || s.damagedIn(b) {
		return fmt.Errorf("record of bucket %s: %w", b.name, blob.ErrCorrupt)
	}
	return nil
}

// damagedIn says whether there are records in a bucket that do not open. The caller holds s.mu.
func (s *Store) damagedIn(b *bucket) bool {
	prefix := filepath.Join(objectDir, b.file) + string(filepath.Separator)
	for place := range s.damaged {
		if strings.HasPrefix(place, prefix) {
			return true
		}
	}
	return false
}

// DeleteBucket implements blob.Store. Uploads that are under way in the bucket are aborted.
func (s *Store) DeleteBucket(ctx context.Context, name string) error {
	if err := live(ctx); err != nil {
		return err
	}
	b, err := s.bucket(name)
	if err != nil {
		return err
	}
	for _, u := range s.uploadsIn(b) {
		if err := s.emptyCheck(b); err != nil {
			return err
		}
		if err := s.abort(u); err != nil && !errors.Is(err, blob.ErrNoSuchUpload) {
			return err
		}
	}
	s.barrier.RLock()
	defer s.barrier.RUnlock()
	b.gate.Lock()
	defer b.gate.Unlock()
	if b.gone {
		return blob.ErrNoSuchBucket
	}
	if err := s.emptyCheck(b); err != nil {
		return err
	}
	if s.holds != nil {
		if err := s.holds.Bucket(name); err != nil {
			return err
		}
	}
	s.preserve(filepath.Join(bucketDir, b.file))
	if err := removeFile(s.path(bucketDir, b.file)); err != nil {
		return storeError(err)
	}
	b.gone = true
	// While the name is still taken: one that is made anew has the same directory. What is left behind is tidied up when the store is opened.
	os.Remove(s.path(objectDir, b.file))
	s.mu.Lock()
	delete(s.buckets, name)
	s.mu.Unlock()
	return nil
}

func (s *Store) emptyCheck(b *bucket) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if b.index.Len() > 0 {
		return blob.ErrBucketNotEmpty
	}
	if s.damagedIn(b) {
		return fmt.Errorf("bucket %s has records that do not open: %w", b.name, blob.ErrCorrupt)
	}
	return nil
}

// HeadBucket implements blob.Store.
func (s *Store) HeadBucket(ctx context.Context, name string) (blob.Bucket, error) {
	if err := live(ctx); err != nil {
		return blob.Bucket{}, err
	}
	b, err := s.bucket(name)
	if err != nil {
		return blob.Bucket{}, err
	}
	return blob.Bucket{Name: b.name, Created: b.created}, nil
}

// ListBuckets implements blob.Store; the names are in order.
func (s *Store) ListBuckets(ctx context.Context) ([]blob.Bucket, error) {
	if err := live(ctx); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, errClosed
	}
	out := make([]blob.Bucket, 0, len(s.buckets))
	for _, b := range s.buckets {
		out = append(out, blob.Bucket{Name: b.name, Created: b.created})
	}
	slices.SortFunc(out, func(a, b blob.Bucket) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// BucketEncryption implements blob.Store.
func (s *Store) BucketEncryption(ctx context.Context, name string) (blob.BucketEncryption, error) {
	if err := live(ctx); err != nil {
		return blob.BucketEncryption{}, err
	}
	b, err := s.bucket(name)
	if err != nil {
		return blob.BucketEncryption{}, err
	}
	e := s.bucketDefault(b)
	if e.Method == "" {
		e.Method = blob.SSES3
	}
	return e, nil
}

// bucketDefault is what was set for a bucket.
func (s *Store) bucketDefault(b *bucket) blob.BucketEncryption {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return b.encryption
}

// SetBucketEncryption implements blob.Store.
func (s *Store) SetBucketEncryption(ctx context.Context, name string, e blob.BucketEncryption) error {
	if err := live(ctx); err != nil {
		return err
	}
	b, err := s.bucket(name)
	if err != nil {
		return err
	}
	if err := blob.CheckBucketEncryption(e); err != nil {
		return err
	}
	if e.Method == blob.SSEKMS && s.keys == nil {
		return errNoKeys
	}
	s.barrier.RLock()
	defer s.barrier.RUnlock()
	b.gate.Lock()
	defer b.gate.Unlock()
	if b.gone {
		return blob.ErrNoSuchBucket
	}
	s.preserve(filepath.Join(bucketDir, b.file))
	r := bucketRecord{Version: recordVersion, Name: b.name, Created: b.created}
	if e != (blob.BucketEncryption{}) {
		r.Encryption = &e
	}
	if err := s.putRecord(filepath.Join(bucketDir, b.file), r); err != nil {
		return storeError(err)
	}
	s.mu.Lock()
	b.encryption = e
	s.mu.Unlock()
	return nil
}
