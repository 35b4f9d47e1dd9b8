package root

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"darkroom/internal/secret"
)

// lockWait is how long a start waits for a rewrap that is under way.
const lockWait = time.Minute

// ErrBusy is returned where another process is changing or opening the wrapped key.
var ErrBusy = errors.New("another darkroom is opening or rewrapping the installation key: try again when it is done")

// lock takes the lock of the wrapped key in a data directory. With wait it waits for who has it, up to lockWait.
func lock(ctx context.Context, dir string, wait bool) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE|oNofollow, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the installation key: %w", err)
	}
	var end <-chan time.Time
	var tick *time.Ticker
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return func() {
				// A process that is being started at this moment has the descriptor too, until it runs its program: closing ours would leave it locked.
				_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
				_ = f.Close()
			}, nil
		case !errors.Is(err, syscall.EWOULDBLOCK):
			_ = f.Close() // nothing was written
			return nil, fmt.Errorf("lock the installation key: %w", err)
		case !wait:
			_ = f.Close()
			return nil, ErrBusy
		}
		if tick == nil {
			tick = time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			end = time.After(lockWait)
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, ctx.Err()
		case <-end:
			_ = f.Close()
			return nil, ErrBusy
		case <-tick.C:
		}
	}
}

// readPrivate reads a regular file that belongs to this user and that others have no access to. What is opened is what is looked at: a name could come
// to mean another file in between. A pipe does not keep it waiting.
func readPrivate(path string, limit int64) ([]byte, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|oNonblock|oNofollow, 0)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, nil, fmt.Errorf("%s is not a regular file", path)
	case info.Mode().Perm()&0o077 != 0:
		return nil, nil, fmt.Errorf("%s has mode %04o, others must have no access: chmod 600 it", path, info.Mode().Perm())
	case !owned(info):
		return nil, nil, fmt.Errorf("%s belongs to another user", path)
	case info.Size() > limit:
		return nil, nil, fmt.Errorf("%s has %d bytes, more than %d", path, info.Size(), limit)
	}
	content := make([]byte, info.Size())
	if _, err := io.ReadFull(f, content); err != nil {
		return nil, nil, err
	}
	return content, info, nil
}

// ReadPrivate reads a secret from a file that belongs to this user and that others have no access to, at most limit bytes, without the line end behind it.
func ReadPrivate(path string, limit int64) (secret.Bytes, error) {
	content, _, err := readPrivate(path, limit)
	if err != nil {
		return secret.Bytes{}, err
	}
	return secret.New(bytes.TrimRight(content, "\r\n")), nil
}

// readKey reads a file with a key and nothing else. fs.ErrNotExist says that there is none.
func readKey(path string) (secret.Bytes, fs.FileInfo, error) {
	content, info, err := readPrivate(path, 1<<10)
	if err != nil {
		return secret.Bytes{}, nil, fmt.Errorf("read the key file: %w", err)
	}
	if len(content) != secret.KeySize {
		clear(content)
		return secret.Bytes{}, nil, fmt.Errorf("read the key file: %s has %d bytes, not %d", path, len(content), secret.KeySize)
	}
	return secret.New(content), info, nil
}

// createKey writes a new key file whole, and gives it its name only if nobody has it: fs.ErrExist says that somebody has. What a killed process leaves has
// the name of keyTemp.
func createKey(path string, key secret.Bytes, at func(string)) error {
	temp := keyTemp(path)
	if err := remove(temp); err != nil {
		return err
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL|oNofollow, 0o600)
	if err != nil {
		return fmt.Errorf("write the key file: %w", err)
	}
	_, err = f.Write(key.Reveal())
	err = errors.Join(err, f.Sync(), f.Close())
	at("before the root key has its name")
	if err == nil {
		err = os.Link(temp, path)
	}
	at("before the root key has one name alone")
	if err = errors.Join(err, os.Remove(temp)); err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("write the key file: %w", err)
	}
	return nil
}

func keyTemp(path string) string { return path + ".tmp" }

// writeDocument puts text in the place of the document in dir, durably: whoever reads it sees the old one or the new one, also after a crash. The caller
// has the lock.
func writeDocument(dir string, text []byte, at func(string)) error {
	name := filepath.Join(dir, Name)
	temp := name + ".tmp"
	if err := remove(temp); err != nil { // of a process that was killed
		return err
	}
	at("before the new file")
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL|oNofollow, 0o600)
	if err != nil {
		return fmt.Errorf("write the wrapped key: %w", err)
	}
	half := len(text) / 2
	_, err = f.Write(text[:half])
	at("half-way through the new file")
	if err == nil {
		_, err = f.Write(text[half:])
	}
	err = errors.Join(err, f.Sync(), f.Close())
	at("before the new file has its name")
	if err == nil {
		err = os.Rename(temp, name)
	}
	at("before the name is durable")
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("write the wrapped key: %w", err)
	}
	return nil
}

// remove removes a file, if it is there, durably.
func remove(path string) error {
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
