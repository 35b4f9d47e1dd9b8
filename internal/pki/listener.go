package pki

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Source has the certificate of the listener where that is not of the installation's own authority. It is used by one goroutine at a time.
type Source interface {
	// Certificate returns the certificate of the moment, and whether it is another than the last time. With an error it returns that of the last
	// time, nil if there was none.
	Certificate(ctx context.Context) (c *tls.Certificate, changed bool, err error)
}

// suites are those of TLS 1.2: forward-secret AEAD suites alone.
var suites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// Listener shows the certificate of a Source to clients. Each handshake asks the source, so that another certificate is shown from the next handshake on,
// without a restart and without waiting. Where the source fails, the certificate of before is shown: whoever can break the source must not be able to
// turn clients away. It is shown too when it has expired, so that clients say what is wrong. It is safe for concurrent use.
type Listener struct {
	source Source
	report func(*tls.Certificate, error)

	mu    sync.Mutex // held while the source is asked
	fault string     // what was reported last
}

// NewListener asks the source for a first certificate, and fails where there is none. report, which may be nil, hears of every other certificate, and once
// of each way in which the source fails.
func NewListener(ctx context.Context, source Source, report func(*tls.Certificate, error)) (*Listener, error) {
	if report == nil {
		report = func(*tls.Certificate, error) {}
	}
	l := &Listener{source: source, report: report}
	c, _, err := source.Certificate(ctx)
	if err == nil && c == nil {
		err = errors.New("the source has no certificate")
	}
	if err != nil {
		return nil, fmt.Errorf("the certificate of the listener: %w", err)
	}
	report(c, nil)
	return l, nil
}

// Current returns the certificate that a handshake shows now.
func (l *Listener) Current(ctx context.Context) (*tls.Certificate, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c, changed, err := l.source.Certificate(ctx)
	switch {
	case err != nil:
		if text := err.Error(); text != l.fault {
			l.fault = text
			l.report(c, err)
		}
	case changed || l.fault != "":
		l.fault = ""
		l.report(c, nil)
	}
	if c == nil {
		return nil, fmt.Errorf("the certificate of the listener: %w", err)
	}
	return c, nil
}

// TLS returns the configuration of the listener: TLS 1.2 and newer, forward-secret AEAD suites alone, HTTP/1.1.
func (l *Listener) TLS() *tls.Config {
	return serverConfig(func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) { return l.Current(hello.Context()) })
}

func serverConfig(get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, CipherSuites: suites, NextProtos: []string{"http/1.1"}, GetCertificate: get}
}

// Files are a certificate with its chain, and its private key, in two PEM files, as tools for certificates keep them up to date. They are read anew when
// one of them is another file than before or was written since.
type Files struct {
	certificate, key string
	seen             [2]os.FileInfo
	shown            *tls.Certificate
}

// NewFiles returns the source that two files are. Nothing is read yet.
func NewFiles(certificate, key string) *Files { return &Files{certificate: certificate, key: key} }

// Certificate implements Source. Files that do not fit together, as in the moment between the replacement of the one and of the other, are tried again with
// the next handshake.
func (f *Files) Certificate(context.Context) (*tls.Certificate, bool, error) {
	var now [2]os.FileInfo
	for i, path := range []string{f.certificate, f.key} {
		info, err := os.Stat(path)
		if err != nil {
			return f.shown, false, fmt.Errorf("read the certificate: %w", err)
		}
		if !info.Mode().IsRegular() || info.Size() > maxFile {
			return f.shown, false, fmt.Errorf("read the certificate: %s is not a file of at most %d bytes", path, maxFile)
		}
		now[i] = info
	}
	if f.shown != nil && same(f.seen[0], now[0]) && same(f.seen[1], now[1]) {
		return f.shown, false, nil
	}
	if now[1].Mode().Perm()&0o007 != 0 {
		return f.shown, false, fmt.Errorf("read the certificate: %s can be read by everybody: a private key must not be", f.key)
	}
	next, err := f.load()
	if err != nil {
		return f.shown, false, fmt.Errorf("read the certificate: %w", err)
	}
	f.seen, f.shown = now, next
	return next, true, nil
}

// same says whether a file is the one that it was, unchanged.
func same(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && a.Mode() == b.Mode()
}

func (f *Files) load() (*tls.Certificate, error) {
	certificate, err := readFile(f.certificate)
	if err != nil {
		return nil, err
	}
	key, err := readFile(f.key)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	c, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("%s and %s: %w", f.certificate, f.key, err)
	}
	return &c, nil
}

// Left is how long a certificate is good for yet; below 0 where it has ended.
func Left(c *tls.Certificate, now time.Time) time.Duration { return c.Leaf.NotAfter.Sub(now) }
