package sqlite

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"darkroom/internal/store"
)

// ReserveSize is how much room of the file system is kept for the audit trail, in bytes: some hundred commits. When the file system is full, changes are refused, and that they were is
// written there.
const ReserveSize = 16 << 20

// reserveSuffix is behind the name of the database in that of the reserve.
const reserveSuffix = ".reserve"

// reserve is a file that is there for its room alone. It belongs to the writer.
type reserve struct {
	path string
	// spent says that the file system was full, and the room is given to the audit trail until there is more.
	spent bool
}

// fill takes the room. An error means that there is not as much.
func (r *reserve) fill() (err error) {
	f, err := os.OpenFile(r.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("reserve room for the audit trail: %w", err)
	}
	defer func() {
		if err != nil {
			_ = f.Truncate(0) // what was had of it is of use elsewhere
			err = fmt.Errorf("reserve room for the audit trail: %w", err)
		}
		err = errors.Join(err, f.Close())
	}()
	if i, err := f.Stat(); err != nil || i.Size() == ReserveSize {
		return err
	}
	if err := syscall.Fallocate(int(f.Fd()), 0, 0, ReserveSize); !errors.Is(err, syscall.EOPNOTSUPP) {
		return err
	}
	zeros := make([]byte, 64<<10) // a file system that cannot promise room is given something to keep
	for at := int64(0); at < ReserveSize; at += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros, at); err != nil {
			return err
		}
	}
	return f.Sync()
}

// spend gives the room to the audit trail.
func (r *reserve) spend() error {
	r.spent = true
	if err := os.Truncate(r.path, 0); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("give the audit trail its reserved room: %w", err)
	}
	return nil
}

// room says whether changes can be made: always, or again, after the file system was full.
func (r *reserve) room() bool {
	if r.spent && r.fill() == nil {
		r.spent = false
	}
	return !r.spent
}

// full says whether an error is that the file system has no more room.
func full(err error) bool {
	e, ok := errors.AsType[*driver.Error](err)
	return ok && e.Code()&0xff == codes.SQLITE_FULL || errors.Is(err, syscall.ENOSPC)
}

// parted takes from a batch the changes that are records alone; the others are refused.
func parted(batch []change) []change {
	var kept []change
	for _, c := range batch {
		if c.records {
			kept = append(kept, c)
			continue
		}
		c.done <- store.ErrFull
	}
	return kept
}
