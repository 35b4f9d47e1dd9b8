package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// Fault is a failure of a connection or a request in fixed words, fit for logs and records. What a peer sent, certificates among it, and the paths and queries of URLs,
// which may be what lets somebody in, are in the errors of libraries and not in its text. Unwrap gives what a library said, which is for deciding and not for showing.
type Fault struct {
	What string // what failed, such as "webhook to example.com"
	Why  string
	Err  error
}

func (e *Fault) Error() string { return e.What + ": " + e.Why }

// Unwrap returns the error of a library.
func (e *Fault) Unwrap() error { return e.Err }

// NewFault says why what failed. nil has no fault.
func NewFault(what string, err error) error {
	if err == nil {
		return nil
	}
	return &Fault{what, Reason(err), err}
}

// Reason is why a connection or a request failed, in fixed words. Only a refusal of egress is repeated as it is: it names the address and the purpose, and nothing else.
func Reason(err error) string {
	var (
		refused     *Refused
		verify      *tls.CertificateVerificationError
		unknown     x509.UnknownAuthorityError
		host        x509.HostnameError
		invalid     x509.CertificateInvalidError
		record      tls.RecordHeaderError
		alert       tls.AlertError
		name        *net.DNSError
		timeout     net.Error
		ownDeadline = errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
	)
	switch {
	case errors.As(err, &refused):
		return refused.Error()
	case ownDeadline || errors.As(err, &timeout) && timeout.Timeout():
		return "it did not answer in time"
	case errors.Is(err, context.Canceled):
		return "it was given up"
	case errors.As(err, &verify) || errors.As(err, &unknown) || errors.As(err, &host) || errors.As(err, &invalid):
		return "its TLS certificate cannot be verified"
	case errors.As(err, &record) || errors.As(err, &alert):
		return "TLS with it failed"
	case errors.As(err, &name):
		return "its name cannot be resolved"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "it takes no connections"
	case errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH):
		return "it cannot be reached"
	case errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed):
		return "the connection broke"
	}
	return "it gave no answer that can be read"
}
