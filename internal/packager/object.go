package packager

import (
	"context"
	"fmt"
	"sync"

	"darkroom/internal/cenc"
	"darkroom/internal/plan"
)

const (
	maxParts = 10_000
	// partsOfOneSize is after how many parts the size of parts doubles: memory grows with the object's size only where it must, and 10,000
	// parts hold 7.8 TiB, more than the greatest object.
	partsOfOneSize = 1000
	// requestOverhead is counted for every request, however small its body.
	requestOverhead = 4 << 10
	// smallBuffer is up to where a buffer grows little by little.
	smallBuffer = 512 << 10
	// bufferSlack is room for what the last sample of a part has too much.
	bufferSlack = 512 << 10
)

// object is an object being written front to back: in one Put when it is small, else in parts. Of one that is deferred, the first part is
// held back until finish says what stands before it. It is used by one goroutine.
type object struct {
	j           *job
	loc         plan.Location
	contentType string
	deferred    bool
	unbounded   bool // grown sends nothing for now
	last        bool // nothing more is appended

	// buf is what was written and not sent. The owner appends to it and calls grown.
	buf     []byte
	counted int64  // what the meter knows of buf
	first   []byte // of a deferred object
	size    int64  // what was written, without buf

	// reserve is how many bytes finish is expected to put before a deferred object, 0 for not known. Where it is known, an expecter gets everything else as it comes.
	reserve int
	// seal encrypts what is written, as it is sent; nil for nothing.
	seal *cenc.SegmentCipher

	upload Upload
	parts  int
	wg     sync.WaitGroup // parts under way
}

// expecter is an Upload that is told, before anything else, when the first part comes last, and how large it will probably be: a file can then be written in its place.
type expecter interface {
	Expect(first int64)
}

// sealed returns what was written, encrypted, and takes it out of the object, of which nothing was sent.
func (o *object) sealed() []byte {
	body := o.buf
	if o.seal != nil {
		body = o.seal.Final(body)
	}
	o.buf = nil
	return body
}

// sealedSize is how many bytes were written in all once they are encrypted: a segment is filled up to whole blocks, by at least a byte.
func (o *object) sealedSize() int64 {
	n := o.written()
	if o.seal != nil {
		n += cenc.KeySize - n%cenc.KeySize
	}
	return n
}

func (j *job) newObject(loc plan.Location, contentType string, deferred bool) *object {
	return &object{j: j, loc: loc, contentType: contentType, deferred: deferred}
}

// written is how many bytes were appended in all.
func (o *object) written() int64 { return o.size + int64(len(o.buf)) }

// partSize is the size of the next part.
func (o *object) partSize() int { return o.j.o.PartSize << (o.parts / partsOfOneSize) }

// grown is called after bytes were appended to buf: it sends buf when it is a part.
func (o *object) grown() error {
	o.count()
	if o.unbounded {
		return nil
	}
	size := o.partSize()
	if len(o.buf) < size {
		if len(o.buf) > smallBuffer && cap(o.buf) < size {
			// It will probably become a part: take all the room at once.
			o.room(size+bufferSlack-len(o.buf), 0)
		}
		return nil
	}
	if !o.deferred || o.first != nil {
		return o.sendBuf()
	}
	o.parts = 1
	if o.reserve > 0 {
		if err := o.create(); err != nil {
			return err
		}
		if _, ok := o.upload.(expecter); ok { // part 1 is what stands before, and nothing of this needs to be held
			o.first = []byte{}
			return o.sendBuf()
		}
	}
	o.first = o.buf
	o.size += int64(len(o.buf))
	o.buf, o.counted = nil, 0
	return nil
}

// room makes room for n more bytes in buf, and for usual bytes in all.
func (o *object) room(n, usual int) {
	if cap(o.buf)-len(o.buf) >= n {
		return
	}
	before := o.buf
	o.buf = append(o.j.buffer(max(len(before)+n, 2*cap(before), usual+overheadLeast)), before...)
	if cap(before) <= smallBuffer { // a larger one would be too small the next time, too
		o.j.recycle(before)
	}
}

func (o *object) count() {
	if n := int64(len(o.buf)); n != o.counted {
		o.j.meter.hold(n - o.counted)
		o.counted = n
	}
}

func (o *object) sendBuf() error {
	if err := o.create(); err != nil {
		return err
	}
	if o.parts == maxParts {
		return fmt.Errorf("write %s: more than %d parts", o.loc.URI(), maxParts)
	}
	o.parts++
	body := o.buf
	o.buf, o.counted = nil, 0
	if o.seal != nil && !o.last {
		// What is not a whole block waits for what comes.
		n := o.seal.Encrypt(body)
		o.seal.Discard(n)
		o.buf = append(o.j.buffer(o.partSize()+bufferSlack), body[n:]...)
		body = body[:n]
		o.counted = int64(len(o.buf))
	}
	o.size += int64(len(body))
	return o.send(o.parts, body)
}

func (o *object) create() error {
	if o.upload != nil {
		return nil
	}
	u, err := o.j.sink.Create(o.j.ctx, o.loc, o.contentType)
	if err != nil {
		return fmt.Errorf("begin to write %s: %w", o.loc.URI(), err)
	}
	o.upload = u
	if e, ok := u.(expecter); ok && o.deferred {
		e.Expect(int64(o.reserve + len(o.first)))
	}
	o.j.setOpen(o, true)
	return nil
}

// send uploads a part, which the meter knows, in the background.
func (o *object) send(number int, body []byte) error {
	n := int64(len(body))
	o.wg.Add(1)
	return o.j.request(int64(cap(body)), func() error {
		if err := o.upload.Part(o.j.ctx, number, body); err != nil {
			return fmt.Errorf("write part %d of %s: %w", number, o.loc.URI(), err)
		}
		o.j.sent(n)
		return nil
	}, func() {
		o.j.meter.drop(n)
		o.j.recycle(body)
		o.wg.Done()
	})
}

// finish puts head before and tail behind everything and makes the object visible, in the background; then done is called, unless the job
// has failed. head is for deferred objects alone.
func (o *object) finish(head, tail []byte, done func(size int64)) error {
	o.buf = append(o.buf, tail...)
	if o.last = true; o.seal != nil {
		o.buf = o.seal.Final(o.buf)
	}
	o.count()
	if o.upload == nil && o.first == nil {
		return o.put(head, done)
	}
	if len(o.buf) > 0 {
		if err := o.sendBuf(); err != nil {
			return err
		}
	}
	size := o.size
	if o.first != nil {
		if err := o.create(); err != nil {
			return err
		}
		size += int64(len(head))
		o.j.meter.hold(int64(len(head)))
		body := append(head, o.first...)
		o.j.recycle(o.first)
		o.first = nil
		if err := o.send(1, body); err != nil {
			return err
		}
	}
	return o.j.request(requestOverhead, func() error {
		o.wg.Wait()
		if err := o.j.err(); err != nil {
			return err
		}
		if err := o.upload.Complete(o.j.ctx); err != nil {
			return fmt.Errorf("complete %s: %w", o.loc.URI(), err)
		}
		o.j.setOpen(o, false)
		o.j.wrote(Object{o.loc, size})
		done(size)
		return nil
	}, func() {})
}

// put writes the object whole.
func (o *object) put(head []byte, done func(size int64)) error {
	body, held := o.buf, o.counted
	if len(head) > 0 {
		o.j.meter.hold(int64(len(head)))
		held += int64(len(head))
		body = append(head, o.buf...)
	}
	o.buf, o.counted = nil, 0
	n := int64(len(body))
	return o.j.request(int64(cap(body))+requestOverhead, func() error {
		if err := o.j.sink.Put(o.j.ctx, o.loc, o.contentType, body); err != nil {
			return fmt.Errorf("write %s: %w", o.loc.URI(), err)
		}
		o.j.sent(n)
		o.j.wrote(Object{o.loc, n})
		done(n)
		return nil
	}, func() {
		o.j.meter.drop(held)
		o.j.recycle(body)
	})
}

// abort gives up the upload, after all parts have returned.
func (o *object) abort(ctx context.Context) error {
	if err := o.upload.Abort(ctx); err != nil {
		return fmt.Errorf("abort the upload of %s: %w", o.loc.URI(), err)
	}
	return nil
}
