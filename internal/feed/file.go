package feed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// tail is how much of the end of a file is looked at for a line that was cut.
const tail = 64 << 10

// File is a Sink that appends to a file, and makes every batch durable. When the file would grow beyond a size it is renamed to NAME.1, what was NAME.1 to
// NAME.2 and so on, and the last is removed.
type File struct {
	path string
	most int64 // bytes
	keep int
	file *os.File
	size int64
}

// NewFile returns a file of at most most bytes with keep files before it; at least one line is in each.
func NewFile(path string, most int64, keep int) *File {
	return &File{path: path, most: most, keep: keep}
}

// Send implements Sink. After an error the file ends where it ended before, as far as it can be brought there.
func (f *File) Send(_ context.Context, lines [][]byte) error {
	text := bytes.Join(lines, nil)
	if err := f.open(); err != nil {
		return err
	}
	if f.size > 0 && f.size+int64(len(text)) > f.most {
		if err := f.rotate(); err != nil {
			return err
		}
	}
	if _, err := f.file.Write(text); err != nil {
		return errors.Join(fmt.Errorf("write the file: %w", reason(err)), f.back())
	}
	if err := f.file.Sync(); err != nil {
		return errors.Join(fmt.Errorf("write the file: %w", reason(err)), f.back())
	}
	f.size += int64(len(text))
	return nil
}

// reason leaves out the path of an error.
func reason(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}

// back cuts off what was written of a batch that failed.
func (f *File) back() error {
	err := f.file.Truncate(f.size)
	return errors.Join(reason(err), f.Close())
}

// open opens the file anew when it is not open, or when another stands in its place.
func (f *File) open() error {
	if f.file != nil {
		there, err := os.Lstat(f.path)
		own, ownErr := f.file.Stat()
		if err == nil && ownErr == nil && os.SameFile(there, own) && own.Size() == f.size {
			return nil
		}
		_ = f.Close() // renamed or cut by another: what it had is durable
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return fmt.Errorf("make the directory of the file: %w", reason(err))
	}
	file, err := os.OpenFile(f.path, os.O_CREATE|os.O_RDWR|os.O_APPEND|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return fmt.Errorf("open the file: %w", reason(err))
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	if err == nil {
		f.size, err = uncut(file, info.Size())
	}
	if err != nil {
		return errors.Join(fmt.Errorf("open the file: %w", reason(err)), file.Close())
	}
	f.file = file
	return syncDir(f.path)
}

// uncut removes a last line that was not written whole, and returns the size. What was cut is sent again: its position was not noted.
func uncut(file *os.File, size int64) (int64, error) {
	b := make([]byte, tail)
	for end := size; end > 0; {
		from := max(0, end-tail)
		n, err := file.ReadAt(b[:end-from], from)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if i := bytes.LastIndexByte(b[:n], '\n'); i >= 0 {
			whole := from + int64(i) + 1
			if whole == size {
				return size, nil
			}
			return whole, file.Truncate(whole)
		}
		end = from
	}
	if size == 0 {
		return 0, nil
	}
	return 0, file.Truncate(0)
}

func (f *File) rotate() error {
	if err := f.Close(); err != nil {
		return err
	}
	name := func(n int) string {
		if n == 0 {
			return f.path
		}
		return f.path + "." + strconv.Itoa(n)
	}
	for n := f.keep; n >= 0; n-- {
		var err error
		if n == f.keep {
			err = os.Remove(name(n))
		} else {
			err = os.Rename(name(n), name(n+1))
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("rotate the file: %w", reason(err))
		}
	}
	return f.open()
}

func syncDir(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("open the file: %w", reason(err))
	}
	return errors.Join(d.Sync(), d.Close())
}

// Close implements Sink.
func (f *File) Close() error {
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}
