package sandbox

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// maxConnections bounds what a hostile program can open at once; ffmpeg uses one or two for each input.
	maxConnections = 64
	// maxHeaderBytes bounds one request; ffmpeg's have some 200 bytes.
	maxHeaderBytes = 8 << 10
	// headerTimeout bounds the time that one request may take to arrive.
	headerTimeout = 30 * time.Second
	// socketBytes keeps small what is sent ahead of a program that is about to seek away.
	socketBytes = 256 << 10
)

// A server gives a program its inputs as HTTP resources that can be read by ranges (RFC 9110 section 14.2).
type server struct {
	inputs []*input
	// token makes the addresses unguessable, which matters only where the listener is not in a namespace of its own.
	token string
	// peer is the user that a connection must come from, where others can reach the listener; nil otherwise.
	peer *int

	http     *http.Server
	base     context.Context
	cancel   context.CancelFunc
	address  net.Addr
	serving  sync.WaitGroup
	handlers sync.WaitGroup

	mu sync.Mutex
	// closed is set before handlers is waited for. Guarded by mu, held to join or close handlers.
	closed bool
}

// newServer makes a server whose sources are read under the values of ctx, and until close.
func newServer(ctx context.Context, sources []Source) (*server, error) {
	s := &server{token: rand.Text()}
	for i, source := range sources {
		size := source.Size()
		if size < unsized {
			return nil, fmt.Errorf("input %d has size %d", i, size)
		}
		s.inputs = append(s.inputs, newInput(source, size))
	}
	s.base, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.http = &http.Server{
		Handler: http.HandlerFunc(s.read), ReadHeaderTimeout: headerTimeout, MaxHeaderBytes: maxHeaderBytes,
		BaseContext: func(net.Listener) context.Context { return s.base },
		ErrorLog:    log.New(io.Discard, "", 0),
	}
	return s, nil
}

// serve answers on listener until close.
func (s *server) serve(listener net.Listener) {
	s.address = listener.Addr()
	s.serving.Go(func() {
		_ = s.http.Serve(&limitListener{Listener: listener, slots: make(chan struct{}, maxConnections), done: s.base.Done()})
	})
}

// urls are the addresses of the inputs, in order.
func (s *server) urls() []string {
	urls := make([]string, len(s.inputs))
	for i := range s.inputs {
		urls[i] = fmt.Sprintf("http://%s/%s/%d", s.address, s.token, i)
	}
	return urls
}

// close ends all answers and returns when no Source is in use any more.
func (s *server) close() {
	s.cancel()
	_ = s.http.Close()
	s.serving.Wait()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.handlers.Wait()
}

// join counts a handler in, unless close has begun to wait for them.
func (s *server) join() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.handlers.Add(1)
	}
	return !s.closed
}

// fault is the first failure of a Source.
func (s *server) fault() error {
	for i, in := range s.inputs {
		if err := in.fault(); err != nil {
			return fmt.Errorf("read input %d: %w", i, err)
		}
	}
	return nil
}

// read answers one request.
func (s *server) read(w http.ResponseWriter, r *http.Request) {
	if !s.join() {
		panic(http.ErrAbortHandler)
	}
	defer s.handlers.Done()
	in := s.find(r.URL.Path)
	if in == nil || s.peer != nil && !isPeer(r.RemoteAddr, s.address, *s.peer) {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "application/octet-stream")
	if in.size == unsized {
		// Without a length the answer is chunked, and one that breaks off lacks its last chunk (RFC 9112 section 7.1).
		if r.Method == http.MethodHead {
			return
		}
		if err := in.copyAll(r.Context(), w); err != nil {
			panic(http.ErrAbortHandler)
		}
		return
	}
	header.Set("Accept-Ranges", "bytes")
	first, length, status := parseRange(r.Header.Get("Range"), in.size)
	switch status {
	case http.StatusRequestedRangeNotSatisfiable:
		header.Set("Content-Range", fmt.Sprintf("bytes */%d", in.size))
		http.Error(w, "range not satisfiable", status)
		return
	case http.StatusPartialContent:
		header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, first+length-1, in.size))
	}
	header.Set("Content-Length", strconv.FormatInt(length, 10))
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	if err := in.copyRange(r.Context(), w, first, length); err != nil {
		// The status is gone; a connection that breaks before the promised length is what the reader understands.
		panic(http.ErrAbortHandler)
	}
}

// find returns the input at a path, or nil.
func (s *server) find(path string) *input {
	token, index, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !ok || subtle.ConstantTimeCompare([]byte(token), []byte(s.token)) != 1 {
		return nil
	}
	i, err := strconv.Atoi(index)
	if err != nil || i < 0 || i >= len(s.inputs) || strconv.Itoa(i) != index {
		return nil
	}
	return s.inputs[i]
}

// parseRange reads a Range header (RFC 9110 section 14.1.2). A header with several ranges or in an unknown form asks for the whole, as
// the section allows.
func parseRange(header string, size int64) (first, length int64, status int) {
	spec, ok := strings.CutPrefix(header, "bytes=")
	from, to, dash := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok || !dash {
		return 0, size, http.StatusOK
	}
	if from == "" {
		suffix, err := parsePosition(to)
		switch {
		case err != nil:
			return 0, size, http.StatusOK
		case suffix == 0 || size == 0:
			return 0, 0, http.StatusRequestedRangeNotSatisfiable
		}
		suffix = min(suffix, size)
		return size - suffix, suffix, http.StatusPartialContent
	}
	first, err := parsePosition(from)
	if err != nil {
		return 0, size, http.StatusOK
	}
	last := size - 1
	if to != "" {
		asked, err := parsePosition(to)
		if err != nil || asked < first {
			return 0, size, http.StatusOK
		}
		last = min(last, asked)
	}
	if first >= size {
		return 0, 0, http.StatusRequestedRangeNotSatisfiable
	}
	return first, last - first + 1, http.StatusPartialContent
}

// parsePosition reads digits alone: no sign, no space.
func parsePosition(text string) (int64, error) {
	value, err := strconv.ParseUint(text, 10, 63)
	return int64(value), err
}

// A limitListener holds back connections beyond the number of its slots.
type limitListener struct {
	net.Listener
	slots chan struct{}
	done  <-chan struct{}
}

var errServerClosed = errors.New("server closed")

func (l *limitListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.done:
		return nil, errServerClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(socketBytes)
	}
	return &limitedConn{Conn: conn, release: sync.OnceFunc(func() { <-l.slots })}, nil
}

type limitedConn struct {
	net.Conn
	release func()
}

func (c *limitedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
