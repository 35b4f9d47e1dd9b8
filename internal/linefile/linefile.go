// Package linefile appends lines to a file that is its owner's alone, for a shipper of logs to read. What was appended is on the disk.
//
// The file grows to a size, then gets the name of an older one. Only an own, regular file with one name is written to; a symbolic link is not followed, neither as
// the file nor by the names that are rotated. A line that a crash has broken off is removed: what it was of was not taken, and comes again.
package linefile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// File is where lines go. It keeps nothing open. Several goroutines and processes may append to one file: who finds it taken gets an error that another attempt mends.
type File struct {
	Path     string // absolute; its directory has to be there
	MaxBytes int64  // of one file, before it gets another name; at least what is appended at once is in each
	Keep     int    // how many older files there are, Path.1 the youngest; the oldest is removed
	MaxLine  int    // no line of ours has more bytes: a file whose last line is longer is another's, and left as it is
}

// Append appends whole lines, each with its end, at once or not at all. It works in a directory that is opened once, so that nothing is exchanged on the way.
func (l File) Append(lines []byte) error {
	dir, err := os.OpenRoot(filepath.Dir(l.Path))
	if err != nil {
		return Plain(err)
	}
	defer dir.Close()
	f, size, err := l.open(dir)
	if err != nil {
		return err
	}
	defer func() { release(f) }()
	if size > 0 && size+int64(len(lines)) > l.MaxBytes {
		// The next one is written before the lock of this is let go of: who waits for it finds that it has another name by then.
		if err := l.rotate(dir); err != nil {
			return err
		}
		old := f
		defer release(old)
		if f, size, err = l.open(dir); err != nil {
			return err
		}
	}
	_, err = f.WriteAt(lines, size)
	if err == nil {
		err = f.Sync()
	}
	if err == nil && size == 0 {
		err = syncDir(dir)
	}
	if err != nil {
		// What was written of them goes again: a reader gets whole lines, and they come again whole.
		return errors.Join(Plain(err), Plain(f.Truncate(size)))
	}
	return nil
}

// open opens the file, locks it, and makes sure that it is what it has to be, with whole lines. It returns its size.
func (l File) open(dir *os.Root) (*os.File, int64, error) {
	name := filepath.Base(l.Path)
	f, err := dir.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, 0, Plain(err)
	}
	size, err := l.take(dir, name, f)
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

func (l File) take(dir *os.Root, name string, f *os.File) (int64, error) {
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return 0, errors.New("another process is writing to it")
	}
	info, err := f.Stat()
	if err != nil {
		return 0, Plain(err)
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
	return l.mend(f, info.Size())
}

// mend cuts off what a crash has left of a last line.
func (l File) mend(f *os.File, size int64) (int64, error) {
	if size == 0 {
		return 0, nil
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], size-1); err != nil {
		return 0, Plain(err)
	}
	if last[0] == '\n' {
		return size, nil
	}
	tail := make([]byte, min(size, int64(l.MaxLine)+1))
	if _, err := f.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return 0, Plain(err)
	}
	end := bytes.LastIndexByte(tail, '\n') + 1
	if end == 0 && size > int64(len(tail)) {
		return 0, errors.New("its last line is longer than any of ours")
	}
	size -= int64(len(tail) - end)
	return size, Plain(f.Truncate(size))
}

// rotate gives each file the name of the next older one. The oldest is replaced. A step that was done before a crash is not done again.
func (l File) rotate(dir *os.Root) error {
	name := filepath.Base(l.Path)
	last := 1
	for ; last < l.Keep; last++ {
		if _, err := dir.Lstat(older(name, last)); errors.Is(err, fs.ErrNotExist) {
			break // younger ones move up to the gap
		} else if err != nil {
			return Plain(err)
		}
	}
	for i := last; i > 0; i-- {
		if err := dir.Rename(older(name, i-1), older(name, i)); err != nil {
			return Plain(err)
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
		return Plain(err)
	}
	defer d.Close()
	return Plain(d.Sync())
}

// Plain is what the system says, without the name, which the caller gives.
func Plain(err error) error {
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
