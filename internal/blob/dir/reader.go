package dir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"darkroom/internal/blob"
	"darkroom/internal/secret"
)

// reader reads a range of an object through its data files, one after the other. It holds them until it is closed.
type reader struct {
	store *Store
	wrap  *wrapping // of the keys of the data files
	data  []dataRef // all that are held
	next  int       // the data file that is opened next
	skip  int64     // bytes of the next data file before the range
	left  int64     // bytes of the range that are not opened yet

	file   *os.File
	stream *secret.StreamReader
	chunk  int64 // next to be read

	buf    []byte // behind plain
	plain  []byte // opened, not given out
	err    error
	closed bool
}

func newReader(s *Store, r *objectRecord, wrap *wrapping, start, length int64) *reader {
	d := &reader{store: s, wrap: wrap, data: r.Data, left: length, skip: start}
	for d.next < len(d.data) && d.skip >= d.data[d.next].Size {
		d.skip -= d.data[d.next].Size
		d.next++
	}
	return d
}

// prefetch opens the first bytes, so that an object that is damaged there is refused before any answer has begun.
func (d *reader) prefetch() error {
	d.fetch()
	if d.err == io.EOF {
		return nil
	}
	return d.err
}

// fetch opens the next bytes, or sets err.
func (d *reader) fetch() {
	if d.left == 0 && d.err == nil {
		d.err = io.EOF
	}
	for d.err == nil && len(d.plain) == 0 {
		if d.err = d.open(); d.err != nil {
			return
		}
		plain, err := d.stream.ReadChunks(d.buf, d.chunk, readBatch)
		if err == io.EOF { // this file is at its end
			d.err = d.closeFile()
			continue
		}
		if err != nil {
			d.err = damage(err)
			return
		}
		d.chunk += readBatch
		d.buf = plain[:0]
		plain = plain[min(d.skip, int64(len(plain))):]
		d.skip = 0
		d.plain = plain[:min(int64(len(plain)), d.left)]
		d.left -= int64(len(d.plain))
	}
}

// open opens the data file that the next bytes are in.
func (d *reader) open() error {
	if d.file != nil {
		return nil
	}
	if d.next == len(d.data) {
		return fmt.Errorf("%w: data files end early", blob.ErrCorrupt)
	}
	ref := d.data[d.next]
	d.next++
	key, err := d.wrap.open(ref)
	if err != nil {
		return err
	}
	defer key.Wipe() // it is opened once
	f, err := os.Open(d.store.dataPath(ref.ID))
	if err != nil {
		return damage(err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	stream, err := secret.NewStreamReader(f, info.Size(), key, ref.ID[:])
	if err != nil || stream.Size() != ref.Size {
		f.Close()
		return fmt.Errorf("%w: a data file has another length", blob.ErrCorrupt)
	}
	d.file, d.stream = f, stream
	d.chunk = d.skip / secret.ChunkSize
	d.skip %= secret.ChunkSize
	return nil
}

func (d *reader) closeFile() error {
	if d.file == nil {
		return nil
	}
	err := d.file.Close()
	d.file, d.stream = nil, nil
	return err
}

// damage tells what is not there, or not what was written, from other errors.
func damage(err error) error {
	if errors.Is(err, secret.ErrOpen) || errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", blob.ErrCorrupt, err)
	}
	return err
}

// Read implements io.Reader.
func (d *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(d.plain) == 0 {
		if d.fetch(); len(d.plain) == 0 {
			return 0, d.err
		}
	}
	n := copy(p, d.plain)
	d.plain = d.plain[n:]
	return n, nil
}

// WriteTo implements io.WriterTo without copying.
func (d *reader) WriteTo(w io.Writer) (total int64, err error) {
	for {
		if len(d.plain) == 0 {
			if d.fetch(); len(d.plain) == 0 {
				if d.err == io.EOF {
					return total, nil
				}
				return total, d.err
			}
		}
		n, err := w.Write(d.plain)
		total += int64(n)
		d.plain = d.plain[n:]
		if err != nil {
			return total, err
		}
	}
}

// Close lets go of the data files. A second Close does nothing.
func (d *reader) Close() error {
	if d.closed {
		return nil
	}
	d.closed = true
	d.plain, d.buf, d.err = nil, nil, os.ErrClosed
	err := d.closeFile()
	wipe(d.data)
	d.store.release(d.data)
	return err
}
