package dir

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/google/btree"
)

// ErrSnapshot is returned while a snapshot is open, by what cannot be done meanwhile.
var ErrSnapshot = errors.New("a snapshot of the object store is open")

// maxLost is how many of the files that a snapshot could not read are named.
const maxLost = 100

// Snapshot is a store as it was at one moment. While it is open the store is used as always: records that are replaced or deleted are kept aside first, and data
// files that nobody needs any more are moved aside instead of deleted. Multipart uploads under way are no part of it.
type Snapshot struct {
	store   *Store
	kept    string // where files are put aside
	buckets []frozen
	damaged []string

	users sync.WaitGroup // what puts something aside now; added to under store.mu, while this is the store's snapshot

	lost   []string
	losses int
	broken error // guarded by store.mu: a record could not be kept aside
}

// frozen is a bucket at the moment of a snapshot.
type frozen struct {
	bucket *bucket
	index  *btree.BTreeG[*entry]
}

// File is one file of a snapshot.
type File struct {
	Path string // in the store, with slashes
	Size int64
	Open func() (io.ReadCloser, error)
}

// Freeze makes a snapshot of stores at the same moment, in which it calls at: nothing is written to any of them meanwhile. ErrSnapshot: one of them has an
// open snapshot.
func Freeze(stores []*Store, at func() error) (out []*Snapshot, err error) {
	defer func() {
		if err != nil {
			for _, n := range out {
				err = errors.Join(err, n.Close())
			}
			out = nil
		}
	}()
	for _, s := range stores {
		kept, err := os.MkdirTemp(s.path(tempDir), "kept-*")
		if err != nil {
			return out, storeError(err)
		}
		out = append(out, &Snapshot{store: s, kept: kept})
	}
	for _, s := range stores {
		s.barrier.Lock()
		defer s.barrier.Unlock()
	}
	for _, s := range stores {
		if s.snapshot != nil {
			return out, ErrSnapshot
		}
	}
	if err := at(); err != nil {
		return out, err
	}
	for _, n := range out {
		s := n.store
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return out, errClosed
		}
		s.snapshot = n
		for _, b := range s.buckets {
			n.buckets = append(n.buckets, frozen{b, b.index.Clone()})
		}
		for place := range s.damaged {
			if !strings.HasPrefix(place, uploadDir+string(filepath.Separator)) {
				n.damaged = append(n.damaged, place)
			}
		}
		s.mu.Unlock()
	}
	return out, nil
}

// Close ends the snapshot and lets go of what was kept for it.
func (n *Snapshot) Close() error {
	n.store.mu.Lock()
	if n.store.snapshot == n {
		n.store.snapshot = nil
	}
	n.store.mu.Unlock()
	n.users.Wait() // or it would put files into the directory that is being removed
	return os.RemoveAll(n.kept)
}

// using returns the open snapshot, which is not removed before the caller says users.Done; nil where there is none.
func (s *Store) using() *Snapshot {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.snapshot != nil {
		s.snapshot.users.Add(1)
	}
	return s.snapshot
}

// Dir is a directory for what goes with the snapshot. It is deleted with it, or when the store is opened after a crash.
func (n *Snapshot) Dir() string { return n.kept }

// Lost says how many files could not be read, or did not open, and names the first of them.
func (n *Snapshot) Lost() (count int, first []string) { return n.losses, n.lost }

func (n *Snapshot) lose(path string) {
	if n.losses++; len(n.lost) < maxLost {
		n.lost = append(n.lost, filepath.ToSlash(path))
	}
}

// aside is where a record is kept for the snapshot.
func (n *Snapshot) aside(place string) string {
	return filepath.Join(n.kept, strings.ReplaceAll(filepath.ToSlash(place), "/", "-"))
}

// preserve keeps the record in a place aside, before it is replaced or deleted, if there is a snapshot that has it. The caller holds s.barrier for reading, and the lock
// of the place. A record that cannot be kept breaks the snapshot, not the change.
func (s *Store) preserve(place string) {
	n := s.using()
	if n == nil {
		return
	}
	defer n.users.Done()
	to := n.aside(place)
	if _, err := os.Lstat(to); err == nil {
		return // as it was at the moment of the snapshot
	}
	content, err := os.ReadFile(s.path(place))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		if err = os.WriteFile(to+".new", content, 0o600); err == nil {
			err = os.Rename(to+".new", to)
		}
	}
	if err != nil {
		s.mu.Lock()
		n.broken = fmt.Errorf("keep a record for the snapshot: %w", storeError(err))
		s.mu.Unlock()
	}
}

// discard deletes a data file that nobody needs, or moves it aside for a snapshot.
func (s *Store) discard(id fileID) {
	if n := s.using(); n != nil {
		defer n.users.Done()
		if os.Rename(s.dataPath(id), filepath.Join(n.kept, id.String())) == nil {
			return
		}
	}
	os.Remove(s.dataPath(id))
}

// record returns what stood in a place at the moment of the snapshot. What is read from the place itself is that only if nothing has been kept aside afterwards.
func (n *Snapshot) record(place string) ([]byte, error) {
	if b, err := os.ReadFile(n.aside(place)); err == nil {
		return b, nil
	}
	b, err := os.ReadFile(n.store.path(place))
	if kept, keptErr := os.ReadFile(n.aside(place)); keptErr == nil {
		return kept, nil
	}
	return b, err
}

// openData opens a data file, wherever it is now.
func (n *Snapshot) openData(id fileID) (*os.File, error) {
	f, err := os.Open(n.store.dataPath(id))
	if errors.Is(err, fs.ErrNotExist) {
		f, err = os.Open(filepath.Join(n.kept, id.String()))
	}
	return f, err
}

// Walk calls f for every file of the snapshot: records of buckets, records of objects, and the data files that they name, each data file of an object before its record.
// A data file that several objects share may come twice. What cannot be read is left out and counted by Lost. It returns the first error of f.
func (n *Snapshot) Walk(ctx context.Context, f func(File) error) error {
	shared := map[fileID]bool{} // those that came and may come again
	for _, b := range n.buckets {
		if err := n.give(filepath.Join(bucketDir, b.bucket.file), f); err != nil {
			return err
		}
		var failed error
		b.index.Ascend(func(e *entry) bool {
			failed = errors.Join(live(ctx), n.intact())
			if failed == nil {
				failed = n.object(b.bucket, e.key, shared, f)
			}
			return failed == nil
		})
		if failed != nil {
			return failed
		}
	}
	for _, place := range n.damaged {
		n.lose(place)
		if err := n.give(place, f); err != nil {
			return err
		}
	}
	return n.intact()
}

func (n *Snapshot) intact() error {
	n.store.mu.RLock()
	defer n.store.mu.RUnlock()
	return n.broken
}

// give gives a record to f.
func (n *Snapshot) give(place string, f func(File) error) error {
	content, err := n.record(place)
	if err != nil {
		n.lose(place)
		return nil
	}
	return f(bytesFile(place, content))
}

func bytesFile(place string, content []byte) File {
	return File{
		Path: filepath.ToSlash(place), Size: int64(len(content)),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(string(content))), nil },
	}
}

// object gives the record of an object to f, and its data files before.
func (n *Snapshot) object(b *bucket, key string, shared map[fileID]bool, f func(File) error) error {
	name, _ := n.store.objectFile(b.name, key)
	place := filepath.Join(objectDir, b.file, name)
	content, err := n.record(place)
	if err != nil {
		n.lose(place)
		return nil
	}
	var r objectRecord
	text, err := n.store.sealer.Open([]byte(filepath.ToSlash(place)), content)
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	clear(text)
	if err != nil {
		n.lose(place)
		return f(bytesFile(place, content))
	}
	wipe(r.Data)
	for _, d := range r.Data {
		if shared[d.ID] {
			continue
		}
		if n.store.uses(d.ID) > 1 {
			shared[d.ID] = true
		}
		file, err := n.openData(d.ID)
		if err != nil {
			n.lose(place)
			continue
		}
		err = n.data(d.ID, file, f)
		_ = file.Close()
		if err != nil {
			return err
		}
	}
	return f(bytesFile(place, content))
}

func (n *Snapshot) data(id fileID, file *os.File, f func(File) error) error {
	st, err := file.Stat()
	if err != nil {
		return err
	}
	return f(File{Path: dataDir + "/" + id.String()[:2] + "/" + id.String(), Size: st.Size(), Open: func() (io.ReadCloser, error) { return io.NopCloser(file), nil }})
}

// uses is how many records and readers need a data file.
func (s *Store) uses(id fileID) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.used[id]
}

// Settle returns when every change that was begun before is made or refused: those that are begun later obey the holds of now.
func (s *Store) Settle() {
	s.barrier.Lock()
	defer s.barrier.Unlock() // nothing is done under it: who held it is done
}
