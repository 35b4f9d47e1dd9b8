package dir

import (
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"darkroom/internal/blob"
)

// recover reads all records, and removes what a crash left: temporary files, directories without a record, and data files that no
// record names. While a record does not open, data files are kept: it may be the one that names them.
func (s *Store) recover() error {
	for _, step := range [...]func() error{s.emptyTemp, s.readBuckets, s.readObjects, s.readUploads, s.dropUnused} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) emptyTemp() error {
	return each(s.path(tempDir), func(e fs.DirEntry) error { return os.RemoveAll(s.path(tempDir, e.Name())) })
}

func (s *Store) readBuckets() error {
	return each(s.path(bucketDir), func(e fs.DirEntry) error {
		place := filepath.Join(bucketDir, e.Name())
		var r bucketRecord
		if err := s.readRecord(place, &r); err != nil || s.bucketFile(r.Name) != e.Name() {
			return s.damage(place, err)
		}
		b := newBucket(r.Name, e.Name(), r.Created)
		if r.Encryption != nil {
			b.encryption = *r.Encryption
		}
		s.buckets[r.Name] = b
		return nil
	})
}

// damage notes a record that does not open. Other errors are passed on: what cannot be read now is not damaged.
func (s *Store) damage(place string, err error) error {
	if err != nil && !errors.Is(err, blob.ErrCorrupt) {
		return err
	}
	s.damaged[place] = true
	return nil
}

func (s *Store) readObjects() error {
	byFile := make(map[string]*bucket, len(s.buckets))
	for _, b := range s.buckets {
		byFile[b.file] = b
		if err := os.MkdirAll(s.path(objectDir, b.file), 0o700); err != nil {
			return err
		}
	}
	return each(s.path(objectDir), func(d fs.DirEntry) error {
		b := byFile[d.Name()]
		if b == nil {
			// Of a bucket that was being made or deleted: then it is empty. Else its record is lost, and the objects are kept for who can mend it.
			if err := os.Remove(s.path(objectDir, d.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				s.damaged[filepath.Join(bucketDir, d.Name())] = true
			}
			return nil
		}
		return each(s.path(objectDir, d.Name()), func(e fs.DirEntry) error {
			place := filepath.Join(objectDir, d.Name(), e.Name())
			var r objectRecord
			if err := s.readRecord(place, &r); err != nil || r.Bucket != b.name {
				return s.damage(place, err)
			}
			b.index.ReplaceOrInsert(&entry{key: r.Key, size: r.Size, etag: r.ETag, modified: r.Modified})
			wipe(r.Data)
			s.hold(r.Data)
			return nil
		})
	})
}

func (s *Store) readUploads() error {
	return each(s.path(uploadDir), func(d fs.DirEntry) error {
		var r uploadRecord
		place := filepath.Join(uploadDir, d.Name(), uploadFile)
		err := s.readRecord(place, &r)
		if errors.Is(err, fs.ErrNotExist) {
			return os.RemoveAll(s.path(uploadDir, d.Name()))
		}
		if err != nil || r.ID != d.Name() {
			return s.damage(place, err)
		}
		b := s.buckets[r.Bucket]
		if b == nil {
			if s.damaged[filepath.Join(bucketDir, s.bucketFile(r.Bucket))] {
				s.damaged[place] = true // it cannot be reached, but its data files stay
				return nil
			}
			return os.RemoveAll(s.path(uploadDir, d.Name()))
		}
		u := &upload{
			bucket: b, key: r.Key, id: r.ID, initiated: r.Initiated, metadata: r.Metadata, encryption: r.Encryption,
			parts: make(map[int]*partRecord), damaged: make(map[int]bool),
		}
		s.uploads[u.id] = u
		return s.readParts(u)
	})
}

func (s *Store) readParts(u *upload) error {
	return each(s.path(uploadDir, u.id), func(e fs.DirEntry) error {
		number, err := strconv.Atoi(e.Name())
		if err != nil || partFile(number) != e.Name() {
			return nil // the record of the upload
		}
		place := u.place(e.Name())
		r := new(partRecord)
		if err := s.readRecord(place, r); err != nil || r.Number != number {
			u.damaged[number] = true
			return s.damage(place, err)
		}
		u.parts[number] = r
		s.hold(r.Data)
		return nil
	})
}

func (s *Store) dropUnused() error {
	if len(s.damaged) > 0 {
		return nil
	}
	return each(s.path(dataDir), func(d fs.DirEntry) error {
		return each(s.path(dataDir, d.Name()), func(e fs.DirEntry) error {
			var id fileID
			if err := id.UnmarshalText([]byte(e.Name())); err != nil || s.used[id] > 0 || hex.EncodeToString(id[:1]) != d.Name() {
				return nil
			}
			return os.Remove(s.path(dataDir, d.Name(), e.Name()))
		})
	})
}

// dirBatch is how many names of a directory are in memory at a time.
const dirBatch = 4096

// each calls f for every entry of a directory, in no order. f may remove the entry.
func each(dir string, f func(fs.DirEntry) error) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	for {
		entries, err := d.ReadDir(dirBatch)
		for _, e := range entries {
			if err := f(e); err != nil {
				return err
			}
		}
		if len(entries) == 0 {
			if err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			return nil
		}
	}
}
