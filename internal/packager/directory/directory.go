// Package directory is a packager.Sink of plain files below one directory: what `darkroom package` writes to.
//
// A file has its name when all of it is there: until then it has a temporary one, which begins with a dot, in the same directory. Names stay inside of the directory, whatever
// they and the symbolic links in it say (os.Root). Buckets, content types and storage classes mean nothing to files and are not looked at.
package directory

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"sync"

	"darkroom/internal/packager"
	"darkroom/internal/plan"
)

// temporary begins the names of files that are not complete.
const temporary = ".darkroom-"

// Sink writes files. It is safe for concurrent use.
type Sink struct {
	root *os.Root

	mu   sync.Mutex      // guards made
	made map[string]bool // directories that are there
}

// Open returns a Sink of files below a directory, which must exist.
func Open(dir string) (*Sink, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Sink{root: root, made: map[string]bool{".": true}}, nil
}

// Close ends the use of the directory.
func (s *Sink) Close() error { return s.root.Close() }

// Remove takes a file away; that there is none is no error.
func (s *Sink) Remove(loc plan.Location) error {
	if err := s.root.Remove(loc.Key); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Empty reports whether there is nothing below a directory of this name.
func (s *Sink) Empty(name string) (bool, error) {
	f, err := s.root.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	if _, err = f.Readdirnames(1); err == io.EOF {
		return true, nil
	}
	return false, err
}

// create makes a file with a temporary name in the directory that name is in.
func (s *Sink) create(name string) (*os.File, string, error) {
	dir := path.Dir(name)
	if strings.HasPrefix(path.Base(name), temporary) {
		return nil, "", fmt.Errorf("the name %q is that of a file which is not complete", name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.made[dir] {
		if err := s.root.MkdirAll(dir, 0o755); err != nil {
			return nil, "", err
		}
		s.made[dir] = true
	}
	var random [8]byte
	_, _ = rand.Read(random[:])
	tmp := path.Join(dir, temporary+hex.EncodeToString(random[:]))
	f, err := s.root.OpenFile(tmp, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
	return f, tmp, err
}

// settle closes a complete file and gives it its name; one that failed is removed.
func (s *Sink) settle(f *os.File, tmp, name string, err error) error {
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = s.root.Rename(tmp, name)
	}
	if err != nil {
		_ = s.root.Remove(tmp)
	}
	return err
}

// Put implements packager.Sink.
func (s *Sink) Put(ctx context.Context, loc plan.Location, _ string, body []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, tmp, err := s.create(loc.Key)
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	return s.settle(f, tmp, loc.Key, err)
}

// Create implements packager.Sink.
func (s *Sink) Create(_ context.Context, loc plan.Location, _ string) (packager.Upload, error) {
	f, tmp, err := s.create(loc.Key)
	if err != nil {
		return nil, err
	}
	u := &upload{sink: s, name: loc.Key, tmp: tmp, file: f, next: 1}
	u.cond = sync.NewCond(&u.mu)
	return u, nil
}

// upload is a file that is written in parts, each at its place. Where a part begins is known when all before it have come; they may be written at the same time.
type upload struct {
	sink      *Sink
	name, tmp string
	file      *os.File

	mu   sync.Mutex // guards the fields below; held for no longer than it takes to count
	cond *sync.Cond
	next int   // number of the next part that gets a place
	end  int64 // where it begins
	last bool  // part 1 comes last
	room int64 // for it
	head []byte
}

// Expect says, before any part, that part 1 comes last, and how large it will be. Where it turns out otherwise, the file is copied.
func (u *upload) Expect(first int64) {
	u.last, u.room, u.end, u.next = true, first, first, 2
}

// Part implements packager.Upload.
func (u *upload) Part(ctx context.Context, number int, body []byte) error {
	if u.last && number == 1 {
		if int64(len(body)) == u.room {
			_, err := u.file.WriteAt(body, 0)
			return err
		}
		u.head = append(make([]byte, 0, len(body)), body...) // Complete comes when all parts have returned
		return nil
	}
	at, err := u.place(ctx, number, int64(len(body)))
	if err != nil {
		return err
	}
	_, err = u.file.WriteAt(body, at)
	return err
}

// place waits until all parts before this one have their places, and takes the next.
func (u *upload) place(ctx context.Context, number int, size int64) (int64, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.next != number {
		stop := context.AfterFunc(ctx, func() {
			u.mu.Lock()
			defer u.mu.Unlock()
			u.cond.Broadcast()
		})
		defer stop()
	}
	for u.next != number {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		u.cond.Wait()
	}
	at := u.end
	u.next, u.end = u.next+1, u.end+size
	u.cond.Broadcast()
	return at, nil
}

// Complete implements packager.Upload.
func (u *upload) Complete(context.Context) error {
	if u.head == nil {
		return u.sink.settle(u.file, u.tmp, u.name, nil)
	}
	// Part 1 is not as large as its place.
	f, tmp, err := u.sink.create(u.name)
	if err != nil {
		return err
	}
	if _, err = f.Write(u.head); err == nil {
		if _, err = u.file.Seek(u.room, io.SeekStart); err == nil {
			_, err = io.Copy(f, u.file)
		}
	}
	if err := u.sink.settle(f, tmp, u.name, err); err != nil {
		return err
	}
	return u.Abort(context.Background())
}

// Abort implements packager.Upload.
func (u *upload) Abort(context.Context) error {
	err := u.file.Close()
	if e := u.sink.root.Remove(u.tmp); e != nil && !errors.Is(e, os.ErrNotExist) {
		return e
	}
	if errors.Is(err, os.ErrClosed) { // Complete failed
		err = nil
	}
	return err
}
