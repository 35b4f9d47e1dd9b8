// Package fault says in fixed words why a target could not be reached. What a peer sent, certificates among it, and the paths of URLs are in the errors of
// libraries; they are in no text of this package, so that it is fit for logs and records.
package fault

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"darkroom/internal/egress"
)

// Error is a failure in fixed words. Unwrap gives what a library said, which is for deciding and not for showing.
type Error struct {
	What string // what failed, such as "webhook to example.com"
	Why  string
	Err  error
}

func (e *Error) Error() string { return e.What + ": " + e.Why }

// Unwrap returns the error of a library.
func (e *Error) Unwrap() error { return e.Err }

// New says why what failed. nil has no fault.
func New(what string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{what, Why(err), err}
}

// Why is the reason of an error, in fixed words. Only a refusal of egress is repeated as it is: it names the address and the purpose, and nothing else.
func Why(err error) string {
	var (
		refused     *egress.Refused
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
