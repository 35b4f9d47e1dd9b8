package root

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"darkroom/internal/secret"
)

// nextSuffix marks the key file of a rotation that is not through.
const nextSuffix = ".new"

// File is a root key in a file of 32 bytes, which belongs to one installation alone.
//
// In the data directory it protects nothing against who copies the directory whole; elsewhere it protects a stolen disk or backup of that directory.
type File struct {
	path   string
	random io.Reader
	renew  bool
	at     func(point string) // tests: a point at which the process could be killed
}

// NewFile returns the root whose key is in a file. It is made when it is first to wrap something, and never to unwrap.
func NewFile(path string, random io.Reader) *File {
	return &File{path: path, random: random, at: func(string) {}}
}

// Renew returns the same root, but one that wraps under a new key, which takes the place of the old one in the file once the wrapped key is durable.
func (f *File) Renew() *File { return &File{path: f.path, random: f.random, renew: true, at: f.at} }

// Kind implements Root.
func (*File) Kind() Kind { return KindFile }

// Close implements Root. The key is read for each use.
func (*File) Close() {}

func (f *File) wrap(_ context.Context, installation string, key secret.Bytes) (wrapping, error) {
	path := f.path
	if f.renew {
		path += nextSuffix
		if err := remove(path); err != nil { // of a rotation that came to nothing: what came to something was settled
			return wrapping{}, err
		}
	}
	rootKey, _, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		if rootKey, err = secret.NewDataKey(f.random); err == nil {
			err = createKey(path, rootKey, f.at)
		}
	}
	if err != nil {
		return wrapping{}, err
	}
	defer rootKey.Wipe()
	w := wrapping{Kind: KindFile}
	if w.Key, err = fingerprint(rootKey); err != nil {
		return wrapping{}, err
	}
	w.Wrapped, err = sealKey(rootKey, KindFile, installation, key, f.random)
	return w, err
}

func (f *File) unwrap(_ context.Context, installation string, w wrapping) (secret.Bytes, error) {
	rootKey, err := f.find(w.Key)
	if err != nil {
		return secret.Bytes{}, err
	}
	defer rootKey.Wipe()
	key, err := openKey(rootKey, KindFile, installation, w.Wrapped)
	if err != nil {
		return secret.Bytes{}, fmt.Errorf("the root key in %s does not open the installation key, though it is the one: %s was changed; restore it from a backup", f.path, Name)
	}
	return key, nil
}

// find reads the root key with a fingerprint, which a rotation that was cut off has not yet given its name.
func (f *File) find(print string) (secret.Bytes, error) {
	other := ""
	for _, path := range []string{f.path, f.path + nextSuffix} {
		key, _, err := readKey(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return secret.Bytes{}, err
		}
		got, err := fingerprint(key)
		if err == nil && got == print {
			return key, nil
		}
		key.Wipe()
		if err != nil {
			return secret.Bytes{}, err
		}
		if other == "" {
			other = got
		}
	}
	if other == "" {
		return secret.Bytes{}, fmt.Errorf("the root key file %s is not there: put it back from where it is kept; without it nothing that is stored here can be read", f.path)
	}
	return secret.Bytes{}, fmt.Errorf("the root key in %s (%s) is not the one that wraps the installation key (%s): put that one there", f.path, other, print)
}

func (f *File) settle(w wrapping) error {
	next := f.path + nextSuffix
	for _, path := range []string{f.path, next} {
		if err := remove(keyTemp(path)); err != nil {
			return err
		}
	}
	key, _, err := readKey(next)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer key.Wipe()
	print, err := fingerprint(key)
	switch {
	case err != nil:
		return err
	case print != w.Key:
		return remove(next)
	}
	f.at("before the new root key has its place")
	if err := os.Rename(next, f.path); err != nil {
		return fmt.Errorf("put the new root key in its place: %w", err)
	}
	return syncDir(filepath.Dir(f.path))
}

// isFile says whether r is the key in the file at path.
func isFile(r Root, path string) bool {
	f, ok := r.(*File)
	if !ok {
		return false
	}
	a, err := filepath.Abs(f.path)
	if err != nil {
		return false
	}
	b, err := filepath.Abs(path)
	return err == nil && a == b
}

// fingerprint names a root key and tells nothing about it.
func fingerprint(key secret.Bytes) (string, error) {
	named, err := secret.Derive(key, "root key fingerprint")
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(named.Reveal()[:8]), nil
}
