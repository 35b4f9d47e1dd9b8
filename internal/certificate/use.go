package certificate

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
)

// Associate lets MediaConvert use a certificate for content keys; again is as once. It must be of RSA with 2048 bits, as SPEKE has it ("Content key
// encryption", restrictions), and must not have expired: Unsuitable.
func (s *Service) Associate(ctx context.Context, account, name string) error {
	return s.change(ctx, account, name, func(c *Certificate) error {
		switch {
		case c.Algorithm != RSA2048:
			return fault(Unsuitable, "The certificate %s has a key of %s: content keys are encrypted for RSA_2048 alone.", name, c.Algorithm)
		case s.Expired(c):
			return fault(Unsuitable, "The certificate %s has expired.", name)
		}
		c.MediaConvert = true
		return nil
	})
}

// Disassociate takes that back; NotFound where the certificate is not there or is not associated.
func (s *Service) Disassociate(ctx context.Context, account, name string) error {
	return s.change(ctx, account, name, func(c *Certificate) error {
		if !c.MediaConvert {
			return fault(NotFound, "The certificate %s is not associated with MediaConvert.", name)
		}
		c.MediaConvert = false
		return nil
	})
}

// Recipient is whom a key server encrypts content keys for: the certificate that goes out, and the key that opens what comes back.
type Recipient struct {
	Certificate *x509.Certificate
	Key         crypto.Decrypter // *rsa.PrivateKey, 2048 bits
}

// Recipient gives a certificate that is associated with MediaConvert together with its private key, for the one that asks a key server on behalf of a
// job of the account. An *Error says why there is none. The key must not be kept longer than the exchange with the key server lasts.
func (s *Service) Recipient(ctx context.Context, account, name string) (*Recipient, error) {
	c, err := s.Find(ctx, account, name)
	if err != nil {
		return nil, err
	}
	if !c.MediaConvert {
		return nil, fault(Unsuitable, "The certificate %s is not associated with MediaConvert: associate it with AssociateCertificate.", name)
	}
	if s.Expired(c) {
		return nil, fault(Unsuitable, "The certificate %s has expired: import it again.", name)
	}
	k, err := s.key(account, c)
	if err != nil {
		return nil, err
	}
	r, ok := k.(*rsa.PrivateKey)
	if !ok {
		return nil, fault(Unsuitable, "The certificate %s has a key of %s: content keys are encrypted for RSA_2048 alone.", name, c.Algorithm)
	}
	return &Recipient{c.Leaf, r}, nil
}

// Server shows a certificate to the clients of the listener.
type Server struct {
	service       *Service
	account, name string
	current       *Certificate
	shown         *tls.Certificate
}

// errNoListener says that the configuration names no certificate.
var errNoListener = errors.New("no certificate is configured for the listener")

// Server returns what shows the listener's certificate, which must be one of the account's. It is used by one goroutine at a time.
func (s *Service) Server(account string) (*Server, error) {
	if s.listener == "" {
		return nil, errNoListener
	}
	return &Server{service: s, account: account, name: s.listener}, nil
}

// Certificate returns the certificate as it was last imported, by whatever process, and whether it is another than the time before. With an error
// it returns that of the time before, nil if there was none.
func (l *Server) Certificate(ctx context.Context) (c *tls.Certificate, changed bool, err error) {
	found, err := l.service.Find(ctx, l.account, l.name)
	if err != nil {
		return l.shown, false, err
	}
	if l.current != nil && (found == l.current || found.Leaf.Equal(l.current.Leaf) && equalChains(found.Chain, l.current.Chain)) {
		l.current = found
		return l.shown, false, nil
	}
	k, err := l.service.key(l.account, found)
	if err != nil {
		return l.shown, false, err
	}
	next := &tls.Certificate{Certificate: [][]byte{found.Leaf.Raw}, PrivateKey: k, Leaf: found.Leaf}
	for _, above := range found.Chain {
		next.Certificate = append(next.Certificate, above.Raw)
	}
	l.current, l.shown = found, next
	return next, true, nil
}

func equalChains(a, b []*x509.Certificate) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !a[i].Equal(b[i]) {
			return false
		}
	}
	return true
}
