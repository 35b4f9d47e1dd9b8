package workerapi

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
)

// Windows of HTTP/2 flow control. The bytes of films flow through one connection; with the defaults each stream would wait for its
// peer every 64 KiB.
const (
	streamWindow     = 4 << 20
	connectionWindow = 64 << 20
	maxFrame         = 1 << 20
	maxStreams       = 1000
)

// ErrClosed is the error of a call after the one connection has ended: the other process is gone.
var ErrClosed = errors.New("the connection to the control plane is closed")

// Transport carries requests over conn as HTTP/2 without TLS, whatever host they name. It never dials: when conn ends, every call fails with
// ErrClosed (wrapped).
func Transport(conn net.Conn) *http.Transport {
	var mu sync.Mutex // guards used
	used := false
	t := &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			mu.Lock()
			defer mu.Unlock()
			if used {
				return nil, ErrClosed
			}
			used = true
			return conn, nil
		},
		DisableCompression: true,
		MaxConnsPerHost:    1,
		HTTP2:              http2Config(),
	}
	t.Protocols = new(http.Protocols)
	t.Protocols.SetUnencryptedHTTP2(true)
	return t
}

func http2Config() *http.HTTP2Config {
	return &http.HTTP2Config{
		MaxConcurrentStreams:          maxStreams,
		MaxReadFrameSize:              maxFrame,
		MaxReceiveBufferPerStream:     streamWindow,
		MaxReceiveBufferPerConnection: connectionWindow,
	}
}

// Serve answers the requests that come over conn until it ends or ctx does. It returns nil in both cases, after every handler has
// returned or was told by its context.
func Serve(ctx context.Context, conn net.Conn, handler http.Handler) error {
	l := &single{conn: conn, closed: make(chan struct{})}
	s := &http.Server{
		Handler:     handler,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				_ = l.Close()
			}
		},
		HTTP2: http2Config(),
	}
	s.Protocols = new(http.Protocols)
	s.Protocols.SetUnencryptedHTTP2(true)
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	err := s.Serve(l)
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// single is a listener that accepts one connection, then waits until it has ended.
type single struct {
	mu     sync.Mutex // guards conn
	conn   net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *single) Accept() (net.Conn, error) {
	l.mu.Lock()
	c := l.conn
	l.conn = nil
	l.mu.Unlock()
	if c != nil {
		return c, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *single) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *single) Addr() net.Addr { return addr{} }

type addr struct{}

func (addr) Network() string { return "socketpair" }
func (addr) String() string  { return "worker" }
