package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// renewEvery is how old a deadline may be before progress renews it: often enough to matter, seldom enough to cost nothing.
const renewEvery = StallTimeout / 8

// response counts what is written, remembers the status, and moves the write deadline while there is progress.
type response struct {
	http.ResponseWriter
	controller *http.ResponseController
	status     int // 0 until the header is written
	count      int64
	renewed    time.Time
	// before is called before the first byte of an answer; when it fails, nothing is written, and unrecorded says why.
	before     func() error
	unrecorded error
}

func newResponse(w http.ResponseWriter) *response {
	return &response{ResponseWriter: w, controller: http.NewResponseController(w)}
}

// Unwrap lets http.ResponseController reach the connection.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *response) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		if !w.recorded() {
			return
		}
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// recorded reports whether the answer may be written.
func (w *response) recorded() bool {
	if w.before != nil && w.unrecorded == nil {
		w.unrecorded = w.before()
		w.before = nil
	}
	return w.unrecorded == nil
}

// forget takes back what a service has put into the header of an answer that was not written, so that a refusal does not have it.
func (w *response) forget() {
	if w.unrecorded == nil || w.status != 0 {
		return
	}
	h := w.Header()
	for name := range h {
		switch name {
		case "X-Amzn-Requestid", "Date":
		default:
			h.Del(name)
		}
	}
	w.unrecorded = nil
}

func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		if !w.recorded() {
			return 0, w.unrecorded
		}
		w.status = http.StatusOK
	}
	w.extend()
	n, err := w.ResponseWriter.Write(p)
	w.count += int64(n)
	if err != nil {
		err = &lostError{err}
	}
	return n, err
}

// lostError says that the peer did not take an answer that had begun.
type lostError struct{ err error }

func (e *lostError) Error() string { return e.err.Error() }
func (e *lostError) Unwrap() error { return e.err }

// lost reports whether err is no more than that the peer went away, or stood still, while an answer that granted what it asked was on its way to it.
func (w *response) lost(ctx context.Context, err error) bool {
	if w.status == 0 || w.status >= http.StatusBadRequest {
		return false
	}
	_, ok := errors.AsType[*lostError](err)
	return ok || errors.Is(err, context.Canceled) && ctx.Err() != nil
}

// extend gives the peer StallTimeout to take what is written next. Deadlines are those of the connection, so they are in real time; a
// connection without deadlines has none to move.
func (w *response) extend() {
	if now := time.Now(); now.Sub(w.renewed) > renewEvery {
		_ = w.controller.SetWriteDeadline(now.Add(StallTimeout))
		w.renewed = now
	}
}

// statusSent is the status as the client sees it.
func (w *response) statusSent() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}

// nameS3 sets the request ids that S3 clients look for.
func (w *response) nameS3(id string) {
	h := w.Header()
	h.Set("x-amz-request-id", id)
	if h.Get("x-amz-id-2") == "" {
		h.Set("x-amz-id-2", newExtendedID())
	}
}

// finish leaves deadlines behind for what the server itself still does: flush the answer, and drain a body that was not read whole.
func (w *response) finish(b *progressBody) {
	now := time.Now()
	_ = w.controller.SetWriteDeadline(now.Add(StallTimeout))
	if !b.ended {
		_ = w.controller.SetReadDeadline(now.Add(HeaderTimeout))
	}
}

// linger takes in what is left of a body that nobody read, so that a client that still sends it finds the answer: a connection that is closed with unread bytes
// is reset, and what the client had not read yet is lost (RFC 9112 section 9.6). It takes no more than MaxLinger, nor longer than HeaderTimeout. A client
// that asks before it sends (RFC 9110 section 10.1.1) and waits has the answer, and goes.
func (w *response) linger(r *http.Request, b *progressBody) {
	if b.ended || r.ProtoMajor != 1 || w.controller.Flush() != nil {
		return
	}
	b.limitTotal(HeaderTimeout)
	_, _ = io.CopyN(io.Discard, b, MaxLinger) // whatever comes of it: the answer is sent
}

// progressBody counts what is read, and moves the read deadline while there is progress.
type progressBody struct {
	body       io.ReadCloser
	controller *http.ResponseController
	count      int64
	renewed    time.Time
	until      time.Time // when set, no deadline goes beyond it
	ended      bool
}

func newProgressBody(body io.ReadCloser, c *http.ResponseController) *progressBody {
	if body == nil {
		body = http.NoBody
	}
	return &progressBody{body: body, controller: c, ended: body == http.NoBody}
}

// limitTotal bounds the time for all that is still to be read.
func (b *progressBody) limitTotal(d time.Duration) { b.until = time.Now().Add(d) }

func (b *progressBody) Read(p []byte) (int, error) {
	if b.ended {
		return 0, io.EOF
	}
	if now := time.Now(); now.Sub(b.renewed) > renewEvery {
		deadline := now.Add(StallTimeout)
		if !b.until.IsZero() && b.until.Before(deadline) {
			deadline = b.until
		}
		_ = b.controller.SetReadDeadline(deadline)
		b.renewed = now
	}
	n, err := b.body.Read(p)
	b.count += int64(n)
	if err == io.EOF {
		// The server goes on reading, to notice that the client left; a deadline would look like that.
		b.ended = true
		_ = b.controller.SetReadDeadline(time.Time{})
	}
	return n, err
}

func (b *progressBody) Close() error { return b.body.Close() }
