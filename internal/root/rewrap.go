package root

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// ErrSame is returned by Rewrap where the new root is the very key file that wraps already.
var ErrSame = errors.New("this key file wraps the installation key already: --rotate gives it a new key")

// Moved is what Rewrap did.
type Moved struct {
	Before, After Status
	// Retired says that the root key in the data directory was the former root, and that its file is removed.
	Retired bool
}

// Rewrap moves the installation key from a root to that of o. Servers that run are not disturbed: they hold the key, and need the file at their next
// start, for which it is there at every moment. The new root has opened what it wrapped before the file is replaced; a process that is killed leaves the
// old file or the new one, whole. ErrBusy says that another process has the lock.
func Rewrap(ctx context.Context, o Options, from Root) (Moved, error) {
	unlock, err := lock(ctx, o.Dir, false)
	if err != nil {
		return Moved{}, err
	}
	defer unlock()
	before, err := readDocument(o.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return Moved{}, fmt.Errorf("%s has no wrapped installation key yet: start the server on it once", o.Dir)
	}
	if err != nil {
		return Moved{}, err
	}
	key, err := o.reopen(ctx, from, before)
	if err != nil {
		return Moved{}, err
	}
	defer key.Wipe()
	after := before
	after.WrappedAt, after.Retired = o.Now().UTC().Round(0), ""
	inside := filepath.Join(o.Dir, KeyName)
	retire := isFile(from, inside) && !isFile(o.Root, inside)
	if retire {
		after.Retired = before.Root.Key
	}
	o.point("before the root wraps")
	after, text, err := after.seal(ctx, o.Root, key)
	if err != nil {
		return Moved{}, err
	}
	if after.Root.Kind == KindFile && before.Root.Kind == KindFile && after.Root.Key == before.Root.Key {
		return Moved{}, ErrSame
	}
	if err := writeDocument(o.Dir, text, o.point); err != nil {
		return Moved{}, err
	}
	if err := o.finish(o.Root, after, key); err != nil {
		return Moved{}, fmt.Errorf("the installation key is moved, but not all of the former root is removed: %w", err)
	}
	return Moved{Before: before.status(), After: after.status(), Retired: retire}, nil
}
