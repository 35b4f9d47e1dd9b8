package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
)

// NewServer returns an HTTP/1.1 server with the limits of this package. It has no time-out for a whole request, because a body may take hours;
// the handlers of a Gateway move the deadlines of the connection while there is progress. A nil tls configuration means plain HTTP.
func NewServer(h http.Handler, t *tls.Config, log *slog.Logger) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true) // as AWS's own end points: docs/decisions/0021
	return &http.Server{
		Handler:           h,
		Protocols:         protocols,
		TLSConfig:         t,
		MaxHeaderBytes:    MaxHeaderBytes,
		ReadHeaderTimeout: HeaderTimeout,
		IdleTimeout:       IdleTimeout,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// Run serves requests from outside on l until ctx ends. Then it takes no more, answers "not ready", waits up to drain for those under way, and
// cuts off the rest. A nil tls configuration means plain HTTP, which CheckInsecure must have allowed.
func (g *Gateway) Run(ctx context.Context, l net.Listener, t *tls.Config, drain time.Duration) error {
	srv := NewServer(g.Handler(), t, g.log)
	l = netutil.LimitListener(l, MaxConnections)
	served := make(chan error, 1)
	go func() {
		if srv.TLSConfig != nil {
			served <- srv.ServeTLS(l, "", "")
		} else {
			served <- srv.Serve(l)
		}
	}()
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	g.draining.Store(true)
	// The context that has ended has said what it had to; draining has its own end.
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	err := srv.Shutdown(limit)
	if errors.Is(err, context.DeadlineExceeded) {
		err = srv.Close()
	}
	<-served
	if err != nil {
		return fmt.Errorf("stop serving: %w", err)
	}
	return nil
}

// CheckInsecure says whether plain HTTP may be served at addr (host:port): only on a loopback address that is written as one, because a name
// may come to mean another.
func CheckInsecure(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("listen address %q: %w", addr, err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("plain HTTP is served on loopback addresses only, such as 127.0.0.1 or ::1, not on %q", host)
	}
	return nil
}
