package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// A demuxer goes to and fro: it reads the head, the index at the end, the head again. What it reads twice is kept.
const (
	// blockBytes is the unit of reading and of the cache.
	blockBytes = 64 << 10
	// headBytes and tailBytes are the parts of an input that are kept once they were read.
	headBytes = 1 << 20
	tailBytes = 4 << 20
)

// unsized is the size of a stream.
const unsized = -1

// An input is one Source with a cache of its head and tail.
type input struct {
	source Source
	size   int64

	mu sync.Mutex
	// blocks are whole blocks (the last one may be short) by their number. Guarded by mu, held for a look-up.
	blocks map[int64][]byte
	// err is the first failure of the source. Guarded by mu.
	err error
}

func newInput(source Source, size int64) *input {
	return &input{source: source, size: size, blocks: make(map[int64][]byte)}
}

func (in *input) fault() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.err
}

// copyRange writes length bytes from offset on. A failure of the source is remembered, one of w is not.
func (in *input) copyRange(ctx context.Context, w io.Writer, offset, length int64) error {
	var (
		body   io.ReadCloser
		buffer []byte
	)
	defer func() {
		if body != nil {
			_ = body.Close()
		}
	}()
	for position, end := offset, offset+length; position < end; {
		number := position / blockBytes
		start := number * blockBytes
		stop := min(start+blockBytes, in.size)
		if block := in.cached(number); block != nil && body == nil {
			n, err := w.Write(block[position-start : min(stop, end)-start])
			if err != nil {
				return err
			}
			position += int64(n)
			continue
		}
		if body == nil {
			from := position
			if in.isKept(number) {
				from = start
			}
			opened, err := in.open(ctx, from, end)
			if err != nil {
				return in.failed(ctx, err)
			}
			body, position = opened, from
			// The answer is abandoned often; a reader that is blocked then must not outlive it.
			defer context.AfterFunc(ctx, func() { _ = opened.Close() })()
			buffer = make([]byte, blockBytes)
		}
		want := min(stop, in.reach(end)) - position
		n, err := io.ReadFull(body, buffer[:want])
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = fmt.Errorf("ended at byte %d of %d", position+int64(n), in.size)
			}
			return in.failed(ctx, err)
		}
		read := buffer[:want]
		if in.isKept(number) && position == start {
			in.keep(number, read)
		}
		skip := max(0, offset-position)
		if _, err := w.Write(read[skip:min(int64(len(read)), end-position)]); err != nil {
			return err
		}
		position += want
	}
	return nil
}

// copyAll writes a stream from its beginning to its end; nothing of it is kept. A failure of the source is remembered, one of w is not.
func (in *input) copyAll(ctx context.Context, w io.Writer) error {
	body, err := in.source.ReadRange(ctx, 0, -1)
	if err != nil {
		return in.failed(ctx, err)
	}
	defer func() { _ = body.Close() }()
	// The answer is abandoned often; a reader that is blocked then must not outlive it.
	defer context.AfterFunc(ctx, func() { _ = body.Close() })()
	buffer := make([]byte, blockBytes)
	for {
		n, err := body.Read(buffer)
		if n > 0 {
			if _, err := w.Write(buffer[:n]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return in.failed(ctx, err)
		}
	}
}

// reach is how far a reader for a range that ends at end goes: to the end of its last block if that block is to be kept.
func (in *input) reach(end int64) int64 {
	last := (end - 1) / blockBytes
	if in.isKept(last) {
		return min((last+1)*blockBytes, in.size)
	}
	return end
}

func (in *input) open(ctx context.Context, from, end int64) (io.ReadCloser, error) {
	reach := in.reach(end)
	if reach == in.size {
		return in.source.ReadRange(ctx, from, -1)
	}
	return in.source.ReadRange(ctx, from, reach-from)
}

func (in *input) isKept(number int64) bool {
	start := number * blockBytes
	return start < headBytes || start >= in.size-tailBytes
}

func (in *input) cached(number int64) []byte {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.blocks[number]
}

func (in *input) keep(number int64, block []byte) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.blocks[number] == nil {
		in.blocks[number] = append([]byte(nil), block...)
	}
}

// failed remembers the first failure, unless the reader had gone away.
func (in *input) failed(ctx context.Context, err error) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.err == nil && ctx.Err() == nil {
		in.err = err
	}
	return err
}
