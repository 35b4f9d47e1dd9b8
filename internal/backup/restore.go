package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrNotEmpty says that the directory to restore to has something in it.
var ErrNotEmpty = errors.New("the directory is not empty")

// Restore reads an archive into a directory that is not there, or is empty. Nothing is in its place before all of the archive has been verified: it is
// written beside the directory first, and prepare, which may be nil, has done its work there. What an earlier restore left that was interrupted does not matter.
func Restore(ctx context.Context, in io.Reader, to string, prepare func(staging string, h Header, e End) error) (h Header, e End, err error) {
	to, err = filepath.Abs(to)
	if err != nil {
		return h, e, err
	}
	if err := empty(to); err != nil {
		return h, e, err
	}
	staging, err := os.MkdirTemp(filepath.Dir(to), "."+filepath.Base(to)+".restoring-")
	if err != nil {
		return h, e, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(staging))
		}
	}()
	h, e, err = Read(ctx, in, Visitor{File: func(path string, size int64, body io.Reader) error {
		return place(filepath.Join(staging, filepath.FromSlash(path)), size, body)
	}})
	if err != nil {
		return h, e, err
	}
	if prepare != nil {
		if err := prepare(staging, h, e); err != nil {
			return h, e, err
		}
	}
	if err := syncAll(staging); err != nil {
		return h, e, err
	}
	if err := empty(to); err != nil {
		return h, e, err
	}
	if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return h, e, err
	}
	if err := os.Rename(staging, to); err != nil {
		return h, e, err
	}
	return h, e, syncDir(filepath.Dir(to))
}

// empty says that a directory is not there, or has nothing in it.
func empty(path string) error {
	d, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = d.ReadDir(1)
	if errors.Is(err, io.EOF) {
		err = nil
	} else if err == nil {
		err = fmt.Errorf("%s: %w", path, ErrNotEmpty)
	}
	return errors.Join(err, d.Close())
}

// place writes a file. One that is there already, as the data files that objects share may be, must be of the same size; that both are what was written, the
// manifest says.
func place(path string, size int64, body io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return same(path, size, body)
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(f, body)
	return errors.Join(err, f.Close())
}

// same says whether a file has the bytes of a body.
func same(path string, size int64, body io.Reader) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	differs := fmt.Errorf("%w: %s is in it twice, with different bytes", ErrDamaged, filepath.Base(path))
	if st, err := f.Stat(); err != nil || st.Size() != size {
		return errors.Join(differs, err)
	}
	a, b := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, err := io.ReadFull(body, a)
		m, errFile := io.ReadFull(f, b)
		if n != m || string(a[:n]) != string(b[:m]) {
			return differs
		}
		if err != nil || errFile != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = nil
			}
			return err
		}
	}
}

// syncAll makes everything durable that was written to the file system of a directory: one call instead of one for each of many small files.
func syncAll(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(d.Fd())), d.Close())
}
