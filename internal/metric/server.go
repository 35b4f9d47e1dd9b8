package metric

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"

	"darkroom/internal/secret"
)

// Bounds of the listener.
const (
	maxConnections = 32
	maxScrapes     = 4 // at once
	maxHeader      = 16 << 10
	headerTimeout  = 10 * time.Second
	idleTimeout    = 2 * time.Minute
	scrapeTimeout  = 15 * time.Second
	writeTimeout   = 30 * time.Second
	stopTimeout    = 5 * time.Second
)

// Path is where the metrics are.
const Path = "/metrics"

// Server answers scrapes.
type Server struct {
	Set *Set
	// Token is what a scraper shows as a bearer token (RFC 6750 section 2.1). It is read for each scrape, so that it can be replaced; nil where everybody
	// who reaches the listener may read.
	Token func() (secret.Bytes, error)
	TLS   *tls.Config // nil is plain HTTP
	Log   *slog.Logger
}

// Run serves on l until ctx ends, and returns when nothing is served any more.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler: s.Handler(), TLSConfig: s.TLS, ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	limited := netutil.LimitListener(l, maxConnections)
	go func() {
		if s.TLS != nil {
			served <- srv.ServeTLS(limited, "", "")
		} else {
			served <- srv.Serve(limited)
		}
	}()
	select {
	case err := <-served:
		return fmt.Errorf("serve metrics: %w", err)
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	err := srv.Shutdown(limit)
	if errors.Is(err, context.DeadlineExceeded) {
		err = srv.Close()
	}
	<-served
	return err
}

// Handler answers GET and HEAD of Path, and nothing else.
func (s *Server) Handler() http.Handler {
	metrics := promhttp.HandlerFor(s.Set.registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelError), ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: maxScrapes, Timeout: scrapeTimeout, EnableOpenMetrics: true,
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		switch {
		case r.URL.Path != Path:
			http.NotFound(w, r)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		case s.Token == nil && !addressed(r.Host):
			// A page in a browser can reach a loopback listener under a name of its own; it cannot choose another Host.
			http.Error(w, "the host must be an address, or localhost", http.StatusMisdirectedRequest)
		case s.Token != nil && !s.admitted(r):
			w.Header().Set("WWW-Authenticate", `Bearer realm="darkroom metrics"`)
			http.Error(w, "unauthorized", http.StatusUnauthorized)
		default:
			metrics.ServeHTTP(w, r)
		}
	})
}

// admitted says whether a request shows the token. A token that cannot be read, or is empty, admits nobody.
func (s *Server) admitted(r *http.Request) bool {
	want, err := s.Token()
	if err != nil {
		s.Log.Error("read the token of the metrics", "err", err)
		return false
	}
	defer want.Wipe()
	scheme, shown, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if want.Len() == 0 || !strings.EqualFold(scheme, "Bearer") {
		return false
	}
	a, b := sha256.Sum256([]byte(shown)), sha256.Sum256(want.Reveal()) // so that the length does not tell either
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// addressed says whether a Host is an address or localhost.
func addressed(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	if strings.EqualFold(name, "localhost") {
		return true
	}
	_, err = netip.ParseAddr(name)
	return err == nil
}
