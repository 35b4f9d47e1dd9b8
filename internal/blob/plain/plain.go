// Package plain is a blob.Store whose buckets are directories of the caller's own and whose objects are plain files in them. It serves
// `darkroom run`, where the person at the keyboard says which directories may be touched; nothing is encrypted and nothing is indexed.
//
// Keys stay inside their directory, whatever they and the symbolic links in it say (os.Root).
package plain

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"syscall"
	"time"

	"darkroom/internal/blob"
)

// Store maps bucket names to directories. The methods of blob.Store that a job does not use answer ErrAccessDenied.
type Store struct {
	blob.Store // nil: the methods below are all that a job may use

	roots map[string]*os.Root

	mu      sync.Mutex // guards uploads
	uploads map[string]map[int]blob.Part
}

// Open opens the directories. They must exist.
func Open(buckets map[string]string) (*Store, error) {
	s := &Store{Store: denied{}, roots: map[string]*os.Root{}, uploads: map[string]map[int]blob.Part{}}
	for name, dir := range buckets {
		r, err := os.OpenRoot(dir)
		if err != nil {
			return nil, fmt.Errorf("open the directory of bucket %s: %w", name, err)
		}
		s.roots[name] = r
	}
	return s, nil
}

// temporary begins the names of files that are not objects yet. No object has such a name.
const temporary = ".darkroom-"

// maxName is the longest name of a file (NAME_MAX), in bytes.
const maxName = 255

// file returns the directory and the name of a key. Keys that no plain file can have are refused: what would have to be brought into another form would
// be another object.
func (s *Store) file(bucket, key string) (*os.Root, string, error) {
	r, ok := s.roots[bucket]
	if !ok {
		return nil, "", fmt.Errorf("bucket %s: %w", bucket, blob.ErrNoSuchBucket)
	}
	if err := blob.CheckKey(key); err != nil {
		return nil, "", err
	}
	if !fs.ValidPath(key) || key == "." || strings.HasPrefix(path.Base(key), temporary) {
		return nil, "", fmt.Errorf("key %q cannot be a file: %w", key, blob.ErrInvalidArgument)
	}
	for part := range strings.SplitSeq(key, "/") {
		if len(part) > maxName {
			return nil, "", fmt.Errorf("%w: a part of it is longer than %d bytes", blob.ErrKeyTooLong, maxName)
		}
	}
	return r, key, nil
}

func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %w", blob.ErrNoSuchKey, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: %w", blob.ErrNoSpace, err)
	case errors.Is(err, syscall.ENAMETOOLONG):
		return fmt.Errorf("%w: %w", blob.ErrKeyTooLong, err)
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ENOTEMPTY), errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%w: a file and a directory cannot have one name: %w", blob.ErrInvalidArgument, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %w", blob.ErrAccessDenied, err)
	}
	return err
}

func info(key string, st fs.FileInfo) blob.Info {
	// No hash of the content is kept; size and time tell one version from another.
	return blob.Info{Key: key, Size: st.Size(), LastModified: st.ModTime(), ETag: fmt.Sprintf("%x-%x", st.ModTime().UnixNano(), st.Size())}
}

// Head implements blob.Store.
func (s *Store) Head(_ context.Context, bucket, key string, c blob.Conditions) (blob.Info, error) {
	if c.Customer != nil {
		return blob.Info{}, blob.ErrKeyUnused
	}
	r, name, err := s.file(bucket, key)
	if err != nil {
		return blob.Info{}, err
	}
	st, err := r.Stat(name)
	if err != nil {
		return blob.Info{}, translate(err)
	}
	if !st.Mode().IsRegular() {
		return blob.Info{}, fmt.Errorf("%w: not a regular file", blob.ErrNoSuchKey)
	}
	return info(key, st), nil
}

// Get implements blob.Store. Of the conditions it knows IfMatch.
func (s *Store) Get(_ context.Context, bucket, key string, rg *blob.Range, c blob.Conditions) (*blob.Object, error) {
	if c.Customer != nil {
		return nil, blob.ErrKeyUnused
	}
	r, name, err := s.file(bucket, key)
	if err != nil {
		return nil, err
	}
	f, err := r.Open(name)
	if err != nil {
		return nil, translate(err)
	}
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		_ = f.Close()
		return nil, fmt.Errorf("%w: not a regular file", blob.ErrNoSuchKey)
	}
	o := &blob.Object{Info: info(key, st), Length: st.Size()}
	if c.IfMatch != "" && c.IfMatch != o.ETag {
		_ = f.Close()
		return nil, blob.ErrPreconditionFailed
	}
	if rg != nil {
		if rg.Start < 0 || rg.Start >= st.Size() {
			_ = f.Close()
			return nil, blob.ErrInvalidRange
		}
		o.Start, o.Length = rg.Start, st.Size()-rg.Start
		if rg.End >= 0 {
			o.Length = min(o.Length, rg.End-rg.Start+1)
		}
	}
	o.Body = struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(f, o.Start, o.Length), f}
	return o, nil
}

// write puts what produce writes under name, atomically.
func write(r *os.Root, name string, produce func(io.Writer) error) error {
	if dir := path.Dir(name); dir != "." {
		if err := r.MkdirAll(dir, 0o755); err != nil {
			return translate(err)
		}
	}
	tmp := path.Join(path.Dir(name), temporary+token())
	f, err := r.OpenFile(tmp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return translate(err)
	}
	err = produce(f)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = r.Rename(tmp, name)
	}
	if err != nil {
		_ = r.Remove(tmp)
	}
	return translate(err)
}

func token() string {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// keeps says whether objects can be kept as they are to be: a plain file is a plain file.
func keeps(o blob.Storage) error {
	if !o.IsZero() {
		return fmt.Errorf("%w: encryption, storage classes and access control lists of plain files", blob.ErrNotOffered)
	}
	return nil
}

// Put implements blob.Store.
func (s *Store) Put(ctx context.Context, bucket, key string, body io.Reader, o blob.PutOptions) (blob.Info, error) {
	if err := keeps(o.Storage); err != nil {
		return blob.Info{}, err
	}
	r, name, err := s.file(bucket, key)
	if err != nil {
		return blob.Info{}, err
	}
	if err := write(r, name, func(w io.Writer) error { _, err := io.Copy(w, body); return err }); err != nil {
		return blob.Info{}, err
	}
	return s.Head(ctx, bucket, key, blob.Conditions{})
}

func partName(name, id string, n int) string {
	return path.Join(path.Dir(name), fmt.Sprintf("%s%s.%05d", temporary, id, n))
}

// CreateUpload implements blob.Store. Parts wait in files beside the object until it is complete.
func (s *Store) CreateUpload(_ context.Context, bucket, key string, o blob.UploadOptions) (blob.Upload, error) {
	if err := keeps(o.Storage); err != nil {
		return blob.Upload{}, err
	}
	r, name, err := s.file(bucket, key)
	if err != nil {
		return blob.Upload{}, err
	}
	if dir := path.Dir(name); dir != "." {
		if err := r.MkdirAll(dir, 0o755); err != nil {
			return blob.Upload{}, translate(err)
		}
	}
	u := blob.Upload{Bucket: bucket, Key: key, ID: token(), Initiated: time.Now()}
	s.mu.Lock()
	s.uploads[u.ID] = map[int]blob.Part{}
	s.mu.Unlock()
	return u, nil
}

// UploadPart implements blob.Store.
func (s *Store) UploadPart(_ context.Context, u blob.Upload, number int, body io.Reader, o blob.PutOptions) (blob.Part, error) {
	if err := keeps(o.Storage); err != nil {
		return blob.Part{}, err
	}
	r, name, err := s.file(u.Bucket, u.Key)
	if err != nil {
		return blob.Part{}, err
	}
	p := blob.Part{Number: number, ETag: token()}
	err = write(r, partName(name, u.ID, number), func(w io.Writer) error { p.Size, err = io.Copy(w, body); return err })
	if err != nil {
		return blob.Part{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	parts, ok := s.uploads[u.ID]
	if !ok {
		return blob.Part{}, blob.ErrNoSuchUpload
	}
	parts[number] = p
	return p, nil
}

// CompleteUpload implements blob.Store.
func (s *Store) CompleteUpload(ctx context.Context, u blob.Upload, parts []blob.Part, _ blob.Conditions) (blob.Info, error) {
	r, name, err := s.file(u.Bucket, u.Key)
	if err != nil {
		return blob.Info{}, err
	}
	err = write(r, name, func(w io.Writer) error {
		for _, p := range parts {
			f, err := r.Open(partName(name, u.ID, p.Number))
			if err != nil {
				return fmt.Errorf("%w: %w", blob.ErrInvalidPart, err)
			}
			_, err = io.Copy(w, f)
			_ = f.Close()
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return blob.Info{}, err
	}
	if err := s.AbortUpload(ctx, u); err != nil {
		return blob.Info{}, err
	}
	return s.Head(ctx, u.Bucket, u.Key, blob.Conditions{})
}

// AbortUpload implements blob.Store.
func (s *Store) AbortUpload(_ context.Context, u blob.Upload) error {
	r, name, err := s.file(u.Bucket, u.Key)
	if err != nil {
		return err
	}
	s.mu.Lock()
	parts, ok := s.uploads[u.ID]
	delete(s.uploads, u.ID)
	s.mu.Unlock()
	if !ok {
		return blob.ErrNoSuchUpload
	}
	for n := range parts {
		if err := r.Remove(partName(name, u.ID, n)); err != nil {
			return translate(err)
		}
	}
	return nil
}
