package speke

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"darkroom/internal/cenc"
	"darkroom/internal/cpix"
	"darkroom/internal/egress"
)

// Kind is what an exchange failed of. The zero value is none.
type Kind int

// The kinds.
const (
	BadURL        Kind = iota + 1 // the address is none of a key server
	NotAllowed                    // the operator does not let connections go there
	NoCredentials                 // there is nothing to prove who asks with
	Untrusted                     // the certificate of the server is not trusted
	Unreachable                   // no connection, or no answer in time
	Busy                          // 429 or 5xx, to the last attempt
	Denied                        // 401 or 403
	Rejected                      // any other answer that is no success
	Redirected                    // 3xx
	BadAnswer                     // a success that is not the answer to what was asked
)

// Error is why there are no keys. Its text is for whoever submitted the job: it names the host of the server and what it said, and holds no secret.
type Error struct {
	Kind   Kind
	Host   string // HOST[:PORT], "" for BadURL
	Status int    // of the answer, 0 without one
	// Said is what is wrong with the URL or the answer, or the error of the specification that the answer has; nothing else of an answer is shown, whatever its status:
	// there may be keys in it. Words is that error without what it is about, "" for none.
	Said, Words string
	Err         error // the cause, for the log
}

func (e *Error) Unwrap() error { return e.Err }

func (e *Error) Error() string {
	said := ""
	if e.Said != "" {
		said = ": " + e.Said
	}
	switch e.Kind {
	case BadURL:
		return "the URL of the key server cannot be used" + said
	case NotAllowed:
		return fmt.Sprintf("connections to the key server %s are not allowed by this installation", e.Host)
	case NoCredentials:
		return fmt.Sprintf("there is nothing that proves to the key server %s who asks", e.Host)
	case Untrusted:
		return fmt.Sprintf("the certificate of the key server %s is not trusted", e.Host)
	case Unreachable:
		return fmt.Sprintf("the key server %s does not answer", e.Host)
	case Busy:
		return fmt.Sprintf("the key server %s failed with status %d each time it was asked%s", e.Host, e.Status, said)
	case Denied:
		if e.Status == 0 {
			return fmt.Sprintf("the key server %s ends the TLS handshake for the certificate that it is shown, or for want of one", e.Host)
		}
		return fmt.Sprintf("the key server %s denies access with status %d%s", e.Host, e.Status, said)
	case Redirected:
		return fmt.Sprintf("the key server %s redirects with status %d, which is not followed", e.Host, e.Status)
	case Rejected:
		return fmt.Sprintf("the key server %s refuses the request with status %d%s", e.Host, e.Status, said)
	case BadAnswer:
		return fmt.Sprintf("the answer of the key server %s cannot be used%s", e.Host, said)
	}
	return "the key server was not asked"
}

// again says whether the same request may succeed later.
func (e *Error) again() bool { return e.Kind == Unreachable || e.Kind == Busy }

// refused is the error of an answer that is no success.
func (e *exchange) refused(status int, body []byte) *Error {
	f := &Error{Kind: Rejected, Host: e.url.Host, Status: status}
	f.Words, f.Said = e.words(body)
	switch {
	case status >= 300 && status < 400:
		f.Kind, f.Words, f.Said = Redirected, "", ""
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		f.Kind = Denied
	case status == http.StatusTooManyRequests || status >= 500 && status <= 599 && status != http.StatusNotImplemented:
		f.Kind = Busy
	}
	return f
}

// words finds the error of the specification that stands in a body, and says it with the KID or the DRM system behind it where that is one of the request: what is
// returned is all ours.
func (e *exchange) words(body []byte) (words, said string) {
	for _, w := range cpix.Words {
		_, rest, found := bytes.Cut(body, []byte(w))
		if !found {
			continue
		}
		about := func(id cenc.UUID) bool {
			text := " " + id.String()
			return len(rest) >= len(text) && strings.EqualFold(string(rest[:len(text)]), text)
		}
		for _, k := range e.query.Request.Keys {
			if w == cpix.MissingScheme && about(k.ID) {
				return w, w + " " + k.ID.String()
			}
		}
		for _, s := range e.query.Request.Systems {
			if w == cpix.IncompatibleScheme && about(s.ID) {
				return w, w + " " + s.ID.String()
			}
		}
		return w, w
	}
	return "", ""
}

// unanswered is the error of a request without an answer.
func unanswered(host string, err error) *Error {
	e := &Error{Kind: Unreachable, Host: host, Err: err}
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var verify *tls.CertificateVerificationError
	var refused *egress.Refused
	var ours *noCertificate
	switch {
	case errors.As(err, &ours):
		e.Kind = NoCredentials
	case errors.As(err, &refused):
		e.Kind = NotAllowed
	case errors.As(err, &name), errors.As(err, &authority), errors.As(err, &invalid), errors.As(err, &verify):
		e.Kind = Untrusted
	case alert(err):
		// It does not take our certificate, or wants one.
		e.Kind = Denied
	}
	return e
}

// alert says whether the server itself ended a TLS handshake for who we are. (The alerts of RFC 8446 section 6.2 have no exported names in crypto/tls.)
func alert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error" && (strings.Contains(op.Err.Error(), "certificate") || strings.Contains(op.Err.Error(), "access denied"))
}
