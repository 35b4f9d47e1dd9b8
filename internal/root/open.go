package root

import (
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"darkroom/internal/secret"
)

// Options are what Open and Rewrap work with. Dir, Root, Random and Now are needed.
type Options struct {
	Dir    string    // the data directory, which is there
	Root   Root      // what the key is to be wrapped by
	Random io.Reader // cryptographically strong
	Now    func() time.Time
	// Data are the names in Dir of what is sealed under the installation key. While one of them is there, no new key is made.
	Data []string

	at func(point string) // tests: a point at which the process could be killed
}

func (o *Options) point(name string) {
	if o.at != nil {
		o.at(name)
	}
}

// Status says what an installation key is wrapped by.
type Status struct {
	Installation string // its id
	Kind         Kind
	Key          string // identifies the root key
	Created      time.Time
	Wrapped      time.Time
}

func (d document) status() Status {
	return Status{Installation: d.Installation, Kind: d.Root.Kind, Key: d.Root.Key, Created: d.Created, Wrapped: d.WrappedAt}
}

// Opened is an installation key in the open.
type Opened struct {
	Status
	// Secret is the installation key. The caller owns it.
	Secret secret.Bytes
	// Made says that the installation is new, Adopted that its key was in OldName before, from where it is gone now.
	Made, Adopted bool
}

// Open opens the installation key. In a directory without a key and without data it makes one; where an older version kept it in the clear, it is
// wrapped, and the clear file removed once the wrapped one is durable. A process that is killed at any point leaves a directory that opens. Of two that open
// at once, one waits for the other.
func Open(ctx context.Context, o Options) (*Opened, error) {
	unlock, err := lock(ctx, o.Dir, true)
	if err != nil {
		return nil, err
	}
	defer unlock()
	d, err := readDocument(o.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return o.first(ctx)
	case err != nil:
		return nil, err
	}
	key, err := o.reopen(ctx, o.Root, d)
	if err != nil {
		return nil, err
	}
	return &Opened{Status: d.status(), Secret: key}, nil
}

// Read says what the installation key in a data directory is wrapped by. It opens nothing, so that what it says is not verified. fs.ErrNotExist says that
// there is no wrapped key.
func Read(dir string) (Status, error) {
	d, err := readDocument(dir)
	return d.status(), err
}

func readDocument(dir string) (document, error) {
	path := filepath.Join(dir, Name)
	text, _, err := readPrivate(path, maxDocument)
	if err != nil {
		return document{}, fmt.Errorf("read the wrapped installation key: %w", err)
	}
	d, err := parse(text)
	if err != nil {
		return document{}, fmt.Errorf("read the wrapped installation key: %s: %w; restore the file from a backup", path, err)
	}
	return d, nil
}

// first wraps a key where none is wrapped yet: that of an older version, or a new one.
func (o *Options) first(ctx context.Context) (*Opened, error) {
	out := &Opened{}
	created := o.Now()
	old := filepath.Join(o.Dir, OldName)
	key, info, err := readKey(old)
	switch {
	case err == nil:
		out.Adopted, created = true, info.ModTime()
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	default:
		for _, name := range o.Data {
			if _, err := os.Lstat(filepath.Join(o.Dir, name)); !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("%s holds %s but no installation key: restore %s from a backup; no new key is made where data is sealed under another", o.Dir, name, Name)
			}
		}
		if key, err = secret.NewDataKey(o.Random); err != nil {
			return nil, err
		}
		out.Made = true
	}
	d := document{Version: version, Created: created.UTC().Round(0), WrappedAt: o.Now().UTC().Round(0)}
	if d.Installation, err = newID(o.Random); err != nil {
		return nil, err
	}
	o.point("before the root wraps")
	d, text, err := d.seal(ctx, o.Root, key)
	if err != nil {
		key.Wipe()
		return nil, err
	}
	if err := writeDocument(o.Dir, text, o.point); err != nil {
		key.Wipe()
		return nil, err
	}
	if err := o.finish(o.Root, d, key); err != nil {
		key.Wipe()
		return nil, err
	}
	out.Status, out.Secret = d.status(), key
	return out, nil
}

// reopen opens a document, and finishes what a killed process left.
func (o *Options) reopen(ctx context.Context, r Root, d document) (secret.Bytes, error) {
	key, err := d.open(ctx, r)
	if err != nil {
		return secret.Bytes{}, err
	}
	if err := o.finish(r, d, key); err != nil {
		key.Wipe()
		return secret.Bytes{}, err
	}
	return key, nil
}

// finish removes what the durable document replaces: the clear key of an older version, a retired root key in the data directory, and what a killed
// process left.
func (o *Options) finish(r Root, d document, key secret.Bytes) error {
	o.point("before the root settles")
	if err := r.settle(d.Root); err != nil {
		return err
	}
	if err := remove(filepath.Join(o.Dir, Name+".tmp")); err != nil {
		return err
	}
	old := filepath.Join(o.Dir, OldName)
	switch clear, _, err := readKey(old); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case !hmac.Equal(clear.Reveal(), key.Reveal()):
		clear.Wipe()
		return fmt.Errorf("%s holds another key than %s: move away the one that does not belong here", old, Name)
	default:
		clear.Wipe()
		o.point("before the clear key is removed")
		if err := remove(old); err != nil {
			return fmt.Errorf("remove the clear installation key: %w", err)
		}
	}
	if d.Retired == "" {
		return nil
	}
	path := filepath.Join(o.Dir, KeyName)
	retired, _, err := readKey(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	defer retired.Wipe()
	if print, err := fingerprint(retired); err != nil || print != d.Retired {
		return err // a key of another time
	}
	o.point("before the retired root key is removed")
	if err := remove(path); err != nil {
		return fmt.Errorf("remove the root key that is no longer used: %w", err)
	}
	return nil
}
