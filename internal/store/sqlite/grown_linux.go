package sqlite

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Watch calls changed each time that the files of the records have changed, whoever has changed them, until ctx ends. It waits on the kernel's notice (inotify(7))
// and returns nil when ctx ends.
func (r *Reader) Watch(ctx context.Context, changed func()) error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return fmt.Errorf("wait for records: %w", err)
	}
	notices := os.NewFile(uintptr(fd), "inotify")
	defer func() { _ = notices.Close() }()
	if _, err := unix.InotifyAddWatch(fd, filepath.Dir(r.path), unix.IN_MODIFY|unix.IN_CREATE|unix.IN_MOVED_TO); err != nil {
		return fmt.Errorf("wait for records: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = notices.Close() }) // which ends the reading
	defer stop()
	changed() // what has changed before
	files := logFiles(r.path)
	buf := make([]byte, 64<<10)
	for {
		n, err := notices.Read(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("wait for records: %w", err)
		}
		ours := false
		for b := buf[:n]; len(b) >= unix.SizeofInotifyEvent; {
			size := int(binary.NativeEndian.Uint32(b[12:16]))
			end := min(len(b), unix.SizeofInotifyEvent+size)
			name := string(bytes.TrimRight(b[unix.SizeofInotifyEvent:end], "\x00"))
			ours = ours || slices.Contains(files, name) || binary.NativeEndian.Uint32(b[4:8])&unix.IN_Q_OVERFLOW != 0
			b = b[end:]
		}
		if ours {
			changed()
		}
	}
}
