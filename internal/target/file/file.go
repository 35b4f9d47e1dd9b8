// Package file appends events to a file, one JSON value on each line (NDJSON), for a shipper of logs to read. A message is taken when it is on the disk.
//
// The file is the owner's alone. It grows to a size, then gets the name of an older one. Only an own, regular file with one name is written to; a symbolic link is not
// followed, neither as the file nor by the names that are rotated.
package file

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"darkroom/internal/target"
)

// Bounds.
const (
	// DefaultMaxBytes and DefaultKeep hold where nothing else is asked for: a gigabyte in all.
	DefaultMaxBytes = 64 << 20
	DefaultKeep     = 15
	// MinMaxBytes has room for one message.
	MinMaxBytes = target.MaxBody + 1
	MaxMaxBytes = 1 << 40
	MaxKeep     = 1000
	// tailBytes is how much of the end of a file is looked through for a line that a crash has broken off.
	tailBytes = target.MaxBody + 1
)

// Options say where to.
type Options struct {
	Path     string // absolute; its directory has to be there
	MaxBytes int64  // of one file; 0: DefaultMaxBytes
	// Keep is how many older files there are, Path.1 the youngest; the oldest is removed. 0: DefaultKeep.
	Keep int
}

// Sender appends to one file. It is safe for concurrent use, also by several processes.
type Sender struct {
	o      Options
	closed atomic.Bool
	turn   chan struct{} // holds one token: who has it writes
}

// New returns a sender. Nothing is written yet.
func New(o Options) (*Sender, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.Keep == 0 {
		o.Keep = DefaultKeep
	}
	switch {
	case !filepath.IsAbs(o.Path) || filepath.Clean(o.Path) != o.Path || filepath.Dir(o.Path) == o.Path:
		return nil, errors.New("a file target has an absolute path in its plain form")
	case o.MaxBytes < MinMaxBytes || o.MaxBytes > MaxMaxBytes:
		return nil, fmt.Errorf("a file target has files of %d to %d bytes", MinMaxBytes, MaxMaxBytes)
	case o.Keep < 0 || o.Keep > MaxKeep:
		return nil, fmt.Errorf("a file target keeps at most %d older files", MaxKeep)
	}
	s := &Sender{o: o, turn: make(chan struct{}, 1)}
	s.turn <- struct{}{}
	return s, nil
}

// Send implements target.Sender. A body that is no JSON is refused. It does not wait for another process that has the file: that is an error that another attempt mends.
func (s *Sender) Send(ctx context.Context, m target.Message) error {
	if len(m.Body) > target.MaxBody {
		return &target.Refused{Reason: fmt.Sprintf("the message has more than %d bytes", target.MaxBody)}
	}
	var line bytes.Buffer
	if err := json.Compact(&line, m.Body); err != nil { // no line end is left: in JSON there is none inside of strings
		return &target.Refused{Reason: "the message is no JSON, which is what the file has on each line"}
	}
	line.WriteByte('\n')
	select {
	case <-s.turn:
	case <-ctx.Done():
		return fmt.Errorf("event file %s: %w", s.o.Path, ctx.Err())
	}
	defer func() { s.turn <- struct{}{} }()
	if s.closed.Load() {
		return fmt.Errorf("event file %s: it is closed", s.o.Path)
	}
	if err := s.append(line.Bytes()); err != nil {
		return fmt.Errorf("event file %s: %w", s.o.Path, err)
	}
	return nil
}

// append writes one line in a directory that is opened once, so that nothing is exchanged on the way.
func (s *Sender) append(line []byte) error {
	dir, err := os.OpenRoot(filepath.Dir(s.o.Path))
	if err != nil {
		return plain(err)
	}
	defer dir.Close()
	f, size, err := s.open(dir)
	if err != nil {
		return err
	}
	defer func() { release(f) }()
	if size > 0 && size+int64(len(line)) > s.o.MaxBytes {
		// The next one is written before the lock of this is let go of: who waits for it finds that it has another name by then.
		if err := s.rotate(dir); err != nil {
			return err
		}
		old := f
		defer release(old)
		if f, size, err = s.open(dir); err != nil {
			return err
		}
	}
	_, err = f.WriteAt(line, size)
	if err == nil {
		err = f.Sync()
	}
	if err == nil && size == 0 {
		err = syncDir(dir)
	}
	if err != nil {
		// What was written of the line goes again: a reader gets whole lines, and the message comes again whole.
		return errors.Join(plain(err), plain(f.Truncate(size)))
	}
	return nil
}

// open opens the file, locks it, and makes sure that it is what it has to be, with whole lines. It returns its size.
func (s *Sender) open(dir *os.Root) (*os.File, int64, error) {
	name := filepath.Base(s.o.Path)
	f, err := dir.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, 0, plain(err)
	}
	size, err := s.take(dir, name, f)
	if err != nil {
		release(f)
		return nil, 0, err
	}
	return f, size, nil
}

// release lets go of the lock and closes the file. To close it is not enough: a program that is being started has it open, too, until it is what it will be.
func release(f *os.File) {
	_ = unix.Flock(int(f.Fd()), unix.LOCK_UN)
	_ = f.Close()
}

func (s *Sender) take(dir *os.Root, name string, f *os.File) (int64, error) {
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return 0, errors.New("another process is writing to it")
	}
	info, err := f.Stat()
	if err != nil {
		return 0, plain(err)
	}
	now, err := dir.Lstat(name)
	if err != nil || !os.SameFile(info, now) {
		return 0, errors.New("another process has just given it another name")
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok || !info.Mode().IsRegular():
		return 0, errors.New("it is not a regular file")
	case info.Mode().Perm()&0o077 != 0:
		return 0, fmt.Errorf("it has mode %04o, others must have no access: chmod 600 it", info.Mode().Perm())
	case int(stat.Uid) != os.Geteuid():
		return 0, errors.New("it belongs to another user")
	case stat.Nlink != 1:
		return 0, errors.New("it has more than one name")
	}
	return mend(f, info.Size())
}

// mend cuts off what a crash has left of a last line. That message was not taken: it comes again.
func mend(f *os.File, size int64) (int64, error) {
	if size == 0 {
		return 0, nil
	}
	tail := make([]byte, min(size, tailBytes))
	if _, err := f.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return 0, plain(err)
	}
	end := bytes.LastIndexByte(tail, '\n') + 1
	if end == len(tail) {
		return size, nil
	}
	if end == 0 && size > int64(len(tail)) {
		return 0, errors.New("its last line is longer than any of ours")
	}
	size -= int64(len(tail) - end)
	return size, plain(f.Truncate(size))
}

// rotate gives each file the name of the next older one. The oldest is replaced. A step that was done before a crash is not done again.
func (s *Sender) rotate(dir *os.Root) error {
	name := filepath.Base(s.o.Path)
	last := 1
	for ; last < s.o.Keep; last++ {
		if _, err := dir.Lstat(older(name, last)); errors.Is(err, fs.ErrNotExist) {
			break // younger ones move up to the gap
		} else if err != nil {
			return plain(err)
		}
	}
	for i := last; i > 0; i-- {
		if err := dir.Rename(older(name, i-1), older(name, i)); err != nil {
			return plain(err)
		}
	}
	return syncDir(dir)
}

func older(name string, n int) string {
	if n == 0 {
		return name
	}
	return name + "." + strconv.Itoa(n)
}

func syncDir(dir *os.Root) error {
	d, err := dir.Open(".")
	if err != nil {
		return plain(err)
	}
	defer d.Close()
	return plain(d.Sync())
}

// plain is what the system says, without the name, which the caller gives.
func plain(err error) error {
	var number syscall.Errno
	var path *fs.PathError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &number):
		return number
	case errors.As(err, &path):
		return path.Err
	}
	return err
}

// Close implements target.Sender. It waits for a message that is being written.
func (s *Sender) Close() error {
	s.closed.Store(true)
	<-s.turn
	s.turn <- struct{}{}
	return nil
}
