package dir

import (
	"os"

	"golang.org/x/sys/unix"
)

// writeBackEvery is how much is written before the disk is told to begin.
const writeBackEvery = 16 << 20

// writeBack writes to a file and keeps the disk busy meanwhile, so that the sync at the end has little left to do. That is a hint
// alone; durability comes from the sync.
type writeBack struct {
	f              *os.File
	written, begun int64
}

func (w *writeBack) Write(p []byte) (int, error) {
	n, err := w.f.Write(p)
	w.written += int64(n)
	if w.written-w.begun >= writeBackEvery {
		_ = unix.SyncFileRange(int(w.f.Fd()), w.begun, w.written-w.begun, unix.SYNC_FILE_RANGE_WRITE)
		w.begun = w.written
	}
	return n, err
}
