// Package dir is an object store in a directory, everything in it encrypted.
//
// An object is a sealed record, which names one or more immutable data files, each sealed in chunks under a key of its own that stands in
// the record. The rename of a record is the one moment at which a write happens:
//
//	buckets/B               record of a bucket, with the default encryption of its objects; B is a keyed digest of its name
//	objects/B/K             record of an object; K is a keyed digest of bucket and key
//	uploads/U/upload        record of a multipart upload; U is its id
//	uploads/U/NNNNN         record of a part
//	data/XX/XXYYYY…         sealed bytes, under a random name
//	tmp/                    files being written
//	lock                    locked while a store is open
//
// No name of a bucket or object is on disk in clear, and none can lead out of the directory. What is not what was written, wherever it was
// changed, cut off or exchanged, is blob.ErrCorrupt. That a record and its data are put back to an older state together is not noticed.
//
// Where an object is encrypted under a key of the key service, or under one that its writer gives (SSE-KMS, SSE-C), the keys of its data files
// are sealed under that key in the record: who has the directory and the master key cannot open them.
//
// Names, sizes and tags of all objects are kept in memory, some hundred bytes each, and read from the records when the store is opened.
package dir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"darkroom/internal/blob"
	"darkroom/internal/secret"
)

// The directories of a store.
const (
	bucketDir = "buckets"
	objectDir = "objects"
	uploadDir = "uploads"
	dataDir   = "data"
	tempDir   = "tmp"
	lockFile  = "lock"
)

// stripes is how many locks the names of objects share.
const stripes = 256

// ErrInUse is returned by Open for a directory that another store has open.
var ErrInUse = errors.New("the object store is in use by another process")

// errClosed is returned for what is asked of a store after Close.
var errClosed = errors.New("the object store is closed")

// Options are what a store works with. Dir, Key and Random are needed.
type Options struct {
	Dir    string       // made if it is not there
	Key    secret.Bytes // master key
	Random io.Reader    // cryptographically strong, safe for concurrent use
	Now    func() time.Time
	// Keys is the key service; without one blob.SSEKMS is not offered.
	Keys Keys
	// Holds says what is under a legal hold; nil for nothing.
	Holds blob.Holds
}

// Store is an object store in a directory. It implements blob.Store.
//
// Locks, in the order in which they nest: upload.mu, Store.barrier, bucket.gate, a stripe, Store.mu. Store.mu is held for memory alone, never over I/O.
type Store struct {
	dir    string
	sealer *secret.Sealer
	names  secret.Bytes // key of the digests that name files
	random io.Reader
	now    func() time.Time
	keys   Keys       // nil for none
	holds  blob.Holds // nil for none
	lock   *os.File

	// barrier is held for reading over every change of a bucket or an object, once its bytes are there: who has it for writing sees a moment at which nothing changes.
	barrier sync.RWMutex

	stripe [stripes]sync.RWMutex // guards the record of an object against change

	mu      sync.RWMutex // guards what follows, and the index of every bucket
	closed  bool
	buckets map[string]*bucket
	uploads map[string]*upload
	used    map[fileID]int  // how many records and readers need a data file
	damaged map[string]bool // records, by path in the store, that did not open; to be seen, not lost
	// snapshot is the open one, or nil. It is set with barrier held, too.
	snapshot *Snapshot
}

var _ blob.Store = (*Store)(nil)

// Open opens or makes the store in a directory, and tidies up after a crash. ErrInUse says that another store has it open.
func Open(o Options) (*Store, error) {
	sealer, err := secret.NewSealer(o.Key, "blob/dir record", o.Random)
	if err != nil {
		return nil, err
	}
	names, err := secret.Derive(o.Key, "blob/dir name")
	if err != nil {
		return nil, err
	}
	s := &Store{
		dir: o.Dir, sealer: sealer, names: names, random: o.Random, now: o.Now, keys: o.Keys, holds: o.Holds,
		buckets: make(map[string]*bucket), uploads: make(map[string]*upload), used: make(map[fileID]int), damaged: make(map[string]bool),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if err := s.prepare(); err != nil {
		return nil, fmt.Errorf("open object store: %w", err)
	}
	if err := s.recover(); err != nil {
		s.lock.Close()
		return nil, fmt.Errorf("open object store: %w", err)
	}
	return s, nil
}

// prepare makes the directories and takes the lock.
func (s *Store) prepare() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(s.dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return ErrInUse
		}
		return err
	}
	for _, d := range [...]string{bucketDir, objectDir, uploadDir, dataDir, tempDir} {
		err = errors.Join(err, os.MkdirAll(filepath.Join(s.dir, d), 0o700))
	}
	for i := range 256 {
		err = errors.Join(err, os.MkdirAll(filepath.Join(s.dir, dataDir, fmt.Sprintf("%02x", i)), 0o700))
	}
	err = errors.Join(err, syncDir(filepath.Join(s.dir, dataDir)), syncDir(s.dir))
	if err != nil {
		lock.Close()
		return err
	}
	s.lock = lock
	return nil
}

// Close lets go of the directory. Objects that are open can be read to their end.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return s.lock.Close()
}

// Damaged returns the records that do not open, by their path in the store. What they describe is ErrCorrupt to readers, until it is
// overwritten or deleted.
func (s *Store) Damaged() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]string, 0, len(s.damaged))
	for path := range s.damaged {
		out = append(out, path)
	}
	return out
}

func (s *Store) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// bucket finds a bucket, or says why there is none.
func (s *Store) bucket(name string) (*bucket, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, errClosed
	}
	if b := s.buckets[name]; b != nil {
		return b, nil
	}
	if s.damaged[filepath.Join(bucketDir, s.bucketFile(name))] {
		return nil, fmt.Errorf("record of bucket %s: %w", name, blob.ErrCorrupt)
	}
	return nil, blob.ErrNoSuchBucket
}

// storeError gives an error of the file system its meaning for a store.
func storeError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", blob.ErrNoSpace, err)
	}
	return err
}

// writeFile writes a whole new file under a temporary name and syncs it. The caller renames or removes it.
func (s *Store) writeFile(content []byte) (string, error) {
	f, err := os.CreateTemp(s.path(tempDir), "record-*")
	if err != nil {
		return "", storeError(err)
	}
	_, err = io.Copy(f, bytes.NewReader(content))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		os.Remove(f.Name())
		return "", storeError(err)
	}
	return f.Name(), nil
}

// moveFile gives a file its name and makes that durable. done says that the name is in place even though err is not nil.
func moveFile(from, to string) (done bool, err error) {
	if err := os.Rename(from, to); err != nil {
		os.Remove(from)
		return false, storeError(err)
	}
	return true, storeError(syncDir(filepath.Dir(to)))
}

// removeFile removes a file, which may be gone already, and makes that durable.
func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// live says that a caller still waits.
func live(ctx context.Context) error { return context.Cause(ctx) }
