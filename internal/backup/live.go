package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"darkroom/internal/blob/dir"
	"darkroom/internal/store/sqlite"
)

// ErrUnderWay says that a backup is being made already.
var ErrUnderWay = errors.New("a backup is being made already")

// Live is what a running installation consists of, beside the files that the one who asks for the backup reads himself.
type Live struct {
	Records     *sqlite.Store
	RecordsPath string // of the database in the data directory
	// Objects are the embedded stores, by their paths in the data directory. There is at least one.
	Objects map[string]*dir.Store
}

// WriteTo writes an archive of one moment. Who uses the installation waits for nothing but that moment. Nothing is an archive before it has returned without an error.
func (l *Live) WriteTo(ctx context.Context, w io.Writer, h Header) (e End, err error) {
	var stores []*dir.Store
	var paths []string
	for path, s := range l.Objects {
		stores, paths = append(stores, s), append(paths, path)
	}
	var records *sqlite.Snapshot
	frozen, err := dir.Freeze(stores, func() (err error) {
		records, err = l.Records.Snapshot(ctx)
		return err
	})
	defer func() {
		for _, n := range frozen {
			err = errors.Join(err, n.Close())
		}
	}()
	if errors.Is(err, dir.ErrSnapshot) {
		return e, ErrUnderWay
	}
	closeRecords := func() error {
		if records == nil {
			return nil
		}
		closing := records
		records = nil
		return closing.Close()
	}
	defer func() { err = errors.Join(err, closeRecords()) }()
	if err != nil {
		return e, err
	}
	out, err := NewWriter(w, h)
	if err != nil {
		return e, err
	}
	// The records are copied first, so that their moment is let go of soon. The copy lies where a crash leaves nothing behind.
	copied := filepath.Join(frozen[0].Dir(), "records")
	err = records.WriteTo(ctx, copied)
	err = errors.Join(err, closeRecords())
	if err == nil {
		err = addFile(out, l.RecordsPath, copied)
	}
	lost, names := 0, []string(nil)
	for i, n := range frozen {
		if err != nil {
			break
		}
		err = n.Walk(ctx, func(f dir.File) error {
			r, err := f.Open()
			if err != nil {
				return err
			}
			return errors.Join(out.Add(paths[i]+"/"+f.Path, f.Size, r), r.Close())
		})
		count, first := n.Lost()
		lost += count
		for _, name := range first {
			if len(names) < maxLost {
				names = append(names, paths[i]+"/"+name)
			}
		}
	}
	if err != nil {
		return e, errors.Join(err, out.Abandon())
	}
	return out.Close(lost, names)
}

// maxLost is how many lost files an End names.
const maxLost = 100

// addFile adds a file of the machine.
func addFile(w *Writer, path, from string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file", from)
	}
	if err == nil {
		err = w.Add(path, st.Size(), f)
	}
	return errors.Join(err, f.Close())
}
