package feed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"time"

	"darkroom/internal/egress"
	"darkroom/internal/secret"
)

// Bounds of a delivery over HTTPS.
const (
	deliveryTimeout = 30 * time.Second
	maxAnswer       = 64 << 10 // bytes of an answer that are read, so that its connection can be used again
)

// Web is a Sink that posts lines to an address as newline-delimited JSON. Any status of 2xx takes them.
type Web struct {
	client *http.Client
	url    string
	token  func() (secret.Bytes, error) // nil: none
}

// NewWeb returns a sink. token is read for each delivery, and sent as a bearer token (RFC 6750); nil sends none. The client follows no redirects.
func NewWeb(client *http.Client, url string, token func() (secret.Bytes, error)) *Web {
	return &Web{client: client, url: url, token: token}
}

// Send implements Sink.
func (w *Web) Send(ctx context.Context, lines [][]byte) error {
	ctx, cancel := context.WithTimeout(ctx, deliveryTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(bytes.Join(lines, nil)))
	if err != nil {
		return errors.New("the address cannot be used")
	}
	r.Header.Set("Content-Type", "application/x-ndjson")
	r.Header.Set("User-Agent", "Darkroom")
	if w.token != nil {
		t, err := w.token()
		if err != nil {
			return fmt.Errorf("read the token: %w", reason(err))
		}
		r.Header.Set("Authorization", "Bearer "+string(t.Reveal()))
		t.Wipe()
	}
	resp, err := w.client.Do(r)
	if err != nil {
		return egress.NewFault("post to "+r.URL.Host, err) // the rest of the address may be what lets somebody in
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) // what it says is not needed
	if resp.StatusCode/100 == 2 {
		return nil
	}
	err = fmt.Errorf("the address answers with status %d", resp.StatusCode)
	if resp.StatusCode == http.StatusRequestEntityTooLarge {
		return &TooLarge{err}
	}
	if s, convErr := strconv.Atoi(resp.Header.Get("Retry-After")); convErr == nil && s > 0 && s < int(LastPause/time.Second) {
		return &Later{time.Duration(s) * time.Second, err}
	}
	return err
}

// Close implements Sink.
func (w *Web) Close() error {
	w.client.CloseIdleConnections()
	return nil
}

// reason leaves out the path of an error.
func reason(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
