package backup

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// AddTree adds the files of a directory but those that skip names; its paths have slashes, and one of a directory skips what is below it. What is no regular
// file is passed over: a data directory has none. A file that is gone when its turn comes is passed over too.
func AddTree(ctx context.Context, w *Writer, root string, skip func(path string) bool) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, fs.ErrNotExist) && path != root:
			return nil
		case err != nil:
			return err
		case path == root:
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if skip(rel) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		if err := addFile(w, rel, path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

// Passing says whether a path of an object store that no server has open is nothing to keep: its lock, what is being written, and uploads that were not completed.
func Passing(path string) bool {
	switch name, _, _ := strings.Cut(path, "/"); name {
	case "lock", "tmp", "uploads":
		return true
	}
	return false
}

// Private makes a new file that only its owner reads, beside the path that it is to have, under a name that nobody takes for whole.
func Private(path string) (*os.File, error) {
	return os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.partial")
}

// Publish syncs what Private made, and gives it its name; fs.ErrExist if something has that.
func Publish(f *os.File, path string) error {
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil { // unlike a rename it takes nobody's place
		return err
	}
	if err := os.Remove(f.Name()); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
