package egress

import (
	"errors"
	"io"
	"time"
)

// ErrSlow is the error of a body that comes too slowly, or not at all.
var ErrSlow = errors.New("the answer comes too slowly")

// Pace is how fast a body has to come. Only the time in which it is waited for counts: who reads slowly is not the server's fault.
type Pace struct {
	Stall  time.Duration // how long nothing may come
	Window time.Duration // what Floor is measured over
	Floor  int64         // bytes a second
}

// InputPace is the pace of what is read from web servers: at less than 4 KiB a second, no film is ever read to its end.
var InputPace = Pace{Stall: 30 * time.Second, Window: time.Minute, Floor: 4 << 10}

// Body returns a body that is held to the pace: one that is too slow is closed, and reading it gives ErrSlow. The body must not be read by two at once.
func (p Pace) Body(body io.ReadCloser) io.ReadCloser {
	return &paced{ReadCloser: body, pace: p}
}

type paced struct {
	io.ReadCloser
	pace   Pace
	waited time.Duration // in this window
	got    int64
}

func (b *paced) Read(p []byte) (int, error) {
	begun := time.Now()
	timer := time.AfterFunc(b.pace.Stall, func() { _ = b.ReadCloser.Close() })
	n, err := b.ReadCloser.Read(p)
	if !timer.Stop() && err != nil && !errors.Is(err, io.EOF) {
		return n, errors.Join(ErrSlow, err)
	}
	b.waited += time.Since(begun)
	b.got += int64(n)
	if b.waited >= b.pace.Window {
		if float64(b.got) < float64(b.pace.Floor)*b.waited.Seconds() && err == nil {
			_ = b.ReadCloser.Close()
			return n, ErrSlow
		}
		b.waited, b.got = 0, 0
	}
	return n, err
}
