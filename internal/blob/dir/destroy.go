package dir

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"darkroom/internal/blob"
)

// Destroyed is what Destroy says of an object that is no more.
type Destroyed struct {
	Info blob.Info
	// Shared says that its bytes belong to another object too, or are being read: then they can still be read by way of that.
	Shared bool
}

// Destroy deletes an object as Delete does, and first overwrites the record that has the keys of its bytes: what is left on disk cannot be opened with the master key. It
// says what was there; blob.ErrNoSuchKey if nothing was. ErrSnapshot: not while a snapshot needs the record.
func (s *Store) Destroy(ctx context.Context, bucket, key string) (Destroyed, error) {
	b, err := s.writable(ctx, bucket, key)
	if err != nil {
		return Destroyed{}, err
	}
	file, stripe := s.objectFile(b.name, key)
	place := filepath.Join(objectDir, b.file, file)
	s.barrier.RLock()
	defer s.barrier.RUnlock()
	s.stripe[stripe].Lock()
	defer s.stripe[stripe].Unlock()
	s.mu.RLock()
	snapshot := s.snapshot != nil
	s.mu.RUnlock()
	if snapshot {
		return Destroyed{}, ErrSnapshot
	}
	if s.existing(b, key) == nil && !s.isDamaged(place) {
		return Destroyed{}, blob.ErrNoSuchKey
	}
	if err := s.heldObject(b.name, key); err != nil {
		return Destroyed{}, err
	}
	var r objectRecord
	if err := s.readRecord(place, &r); err != nil {
		r.Data = nil // its data files are found by the next Open
		r.Key = key
	}
	wipe(r.Data)
	// The record leaves its place first: if the machine stops now, it is deleted as any temporary file is, and never damaged.
	away, err := os.CreateTemp(s.path(tempDir), "destroyed-*")
	if err != nil {
		return Destroyed{}, storeError(err)
	}
	if err := away.Close(); err != nil {
		return Destroyed{}, err
	}
	if err := os.Rename(s.path(place), away.Name()); err != nil {
		os.Remove(away.Name())
		return Destroyed{}, storeError(err)
	}
	if err := syncDir(filepath.Dir(s.path(place))); err != nil {
		return Destroyed{}, storeError(err)
	}
	s.mu.Lock()
	b.index.Delete(&entry{key: key})
	delete(s.damaged, place)
	s.mu.Unlock()
	out := Destroyed{Info: r.info()}
	s.release(r.Data)
	for _, d := range r.Data {
		out.Shared = out.Shared || s.uses(d.ID) > 0
	}
	return out, erase(away.Name())
}

// erase overwrites a file in its place and deletes it.
func erase(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err == nil {
		_, err = io.Copy(f, io.LimitReader(zeros{}, st.Size()))
	}
	return errors.Join(storeError(err), f.Sync(), f.Close(), removeFile(path))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// heldObject says why an object may not be deleted or overwritten.
func (s *Store) heldObject(bucket, key string) error {
	if s.holds == nil {
		return nil
	}
	return s.holds.Object(bucket, key)
}

// ErasesKeys says that what is deleted from the store is erased: the keys of its bytes are deleted with its record, and stand nowhere else.
func (s *Store) ErasesKeys() bool { return true }
