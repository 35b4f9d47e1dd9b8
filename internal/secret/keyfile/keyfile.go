// Package keyfile keeps the master key of an installation in a file: the root of trust where no other is configured.
//
// Whoever has the file and the data directory has the data. It is meant to be replaced by a key from outside the directory, for which only
// the bytes matter.
package keyfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"darkroom/internal/secret"
)

// Name is the name of the file in the data directory.
const Name = "master.key"

// Load reads the master key in dir. Without a file it makes one from random, which must be cryptographically strong, and writes it with mode
// 0600, whole or not at all; created says so. A file of another kind, of another size, of another owner or that others may read is an
// error, and is never replaced: what was sealed under it would be lost. Of two that start at once, both get the same key.
func Load(dir string, random io.Reader) (key secret.Bytes, created bool, err error) {
	path := filepath.Join(dir, Name)
	key, err = read(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, false, err
	}
	key, err = secret.NewDataKey(random)
	if err != nil {
		return secret.Bytes{}, false, err
	}
	switch err := create(path, key.Reveal()); {
	case errors.Is(err, fs.ErrExist): // another start was faster
		key, err = read(path)
		return key, false, err
	case err != nil:
		return secret.Bytes{}, false, err
	}
	return key, true, nil
}

func read(path string) (secret.Bytes, error) {
	// What is opened is what is looked at: a name could come to mean another file in between. O_NONBLOCK keeps a pipe from blocking the start.
	f, err := os.OpenFile(path, os.O_RDONLY|oNonblock|oNofollow, 0)
	if err != nil {
		return secret.Bytes{}, fmt.Errorf("read the master key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return secret.Bytes{}, fmt.Errorf("read the master key: %w", err)
	}
	switch {
	case !info.Mode().IsRegular():
		return secret.Bytes{}, fmt.Errorf("read the master key: %s is not a regular file", path)
	case info.Mode().Perm()&0o077 != 0:
		return secret.Bytes{}, fmt.Errorf("read the master key: %s has mode %04o, others must have no access: chmod 600 it", path, info.Mode().Perm())
	case !owned(info):
		return secret.Bytes{}, fmt.Errorf("read the master key: %s belongs to another user", path)
	case info.Size() != secret.KeySize:
		return secret.Bytes{}, fmt.Errorf("read the master key: %s has %d bytes, not %d", path, info.Size(), secret.KeySize)
	}
	key := make([]byte, secret.KeySize)
	if _, err := io.ReadFull(f, key); err != nil {
		return secret.Bytes{}, fmt.Errorf("read the master key: %w", err)
	}
	return secret.New(key), nil
}

// create writes a new file whole under a temporary name, and gives it its own only if nobody has it: link fails then with fs.ErrExist.
func create(path string, content []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+Name+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("write the master key: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Link(f.Name(), path)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("write the master key: %w", err)
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
