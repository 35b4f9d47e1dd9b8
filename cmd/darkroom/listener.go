package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"darkroom/internal/acmapi"
	"darkroom/internal/certificate"
	"darkroom/internal/gateway"
	"darkroom/internal/pki"
	"darkroom/internal/secret"
)

const (
	// trustFile has, in PEM, the authority of the listener's certificate where that is not our own.
	trustFile = "listener-ca.pem"
	// expiryNotice is how long before its end a certificate that nobody renews by itself is warned of.
	expiryNotice = 21 * 24 * time.Hour
	// systemAuthorities says that clients know the authority of the listener by themselves.
	systemAuthorities = "system"
)

// openCertificates opens the certificates of the accounts and their API.
func (s *server) openCertificates(master secret.Bytes) error {
	sealer, err := secret.NewSealer(master, "certificate keys", rand.Reader)
	if err != nil {
		return err
	}
	s.certificates, err = certificate.New(certificate.Options{
		Accounts: accountIDs(s.cfg), Region: s.cfg.Region, Store: s.records, Sealer: sealer, Listener: s.cfg.TLS.CertificateARN,
	})
	if err != nil {
		return err
	}
	s.acm, err = acmapi.New(acmapi.Options{Certificates: s.certificates})
	return err
}

// openListener prepares what the listener shows to clients: the certificate that the configuration names, or one of our own authority.
func (s *server) openListener(master secret.Bytes) error {
	var source pki.Source
	switch t := s.cfg.TLS; {
	case s.cfg.InsecureHTTP:
		return nil
	case t.CertificateARN != "":
		var err error
		if source, err = s.certificates.Server(s.cfg.Account); err != nil {
			return err
		}
	case t.CertificateFile != "":
		source = pki.NewFiles(t.CertificateFile, t.KeyFile)
	default:
		sealer, err := secret.NewSealer(master, "certificate authority", rand.Reader)
		if err != nil {
			return err
		}
		host, _, err := net.SplitHostPort(s.cfg.Listen)
		if err != nil {
			return err
		}
		authority, _, err := pki.Open(filepath.Join(s.cfg.Data, tlsDir), append([]string{host}, s.cfg.Hosts...), sealer, time.Now)
		if err != nil {
			return err
		}
		s.tls = authority.TLS()
		return nil
	}
	listener, err := pki.NewListener(context.Background(), source, s.showing)
	if err != nil {
		return err
	}
	s.tls = listener.TLS()
	return nil
}

// showing hears of the certificates that the listener shows, and of why it goes on with one. c is nil where there is none.
func (s *server) showing(c *tls.Certificate, err error) {
	if err != nil {
		s.log.Error("the certificate of the listener could not be read; the one of before is shown", "err", err)
		return
	}
	s.shown.Store(c)
	s.log.Info("the listener shows a certificate", "subject", c.Leaf.Subject.String(), "serial", c.Leaf.SerialNumber.Text(16), "notAfter", c.Leaf.NotAfter)
	for _, p := range s.certificateProblems() {
		s.log.Warn(p.Message)
	}
	if err := s.publishAuthority(c); err != nil {
		s.log.Error("the authority of the listener's certificate could not be written for clients", "err", err)
	}
}

// publishAuthority writes the authority of a certificate for clients, where it came with the certificate: env names it to them.
func (s *server) publishAuthority(c *tls.Certificate) error {
	path := filepath.Join(s.cfg.Data, tlsDir, trustFile)
	last, err := x509.ParseCertificate(c.Certificate[len(c.Certificate)-1])
	if err != nil {
		return err
	}
	if !bytes.Equal(last.RawIssuer, last.RawSubject) {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			return err
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(path+".tmp", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: last.Raw}), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

// certificateProblems says that the listener's certificate has ended, or will soon. Our own authority renews its certificates by itself.
func (s *server) certificateProblems() []gateway.Problem {
	c := s.shown.Load()
	if c == nil {
		return nil
	}
	message := "the certificate of the listener ends at " + c.Leaf.NotAfter.UTC().Format(time.RFC3339) + ": import it again, or replace its files"
	switch left := pki.Left(c, time.Now()); {
	case left < 0:
		message = "the certificate of the listener has expired at " + c.Leaf.NotAfter.UTC().Format(time.RFC3339) + ": import it again, or replace its files"
	case left > expiryNotice:
		return nil
	}
	return []gateway.Problem{{Name: "certificate", Message: message, Warning: true}}
}

// reachable is the address at which clients reach the listener: that on which it listens or, where its certificate does not name that, the first of the
// configured hosts that it names.
func (s *server) reachable(address net.Addr) string {
	c := s.shown.Load()
	host, port, err := net.SplitHostPort(address.String())
	if c == nil || err != nil || c.Leaf.VerifyHostname(host) == nil {
		return address.String()
	}
	for _, h := range s.cfg.Hosts {
		if c.Leaf.VerifyHostname(h) == nil {
			return net.JoinHostPort(h, port)
		}
	}
	s.log.Warn(fmt.Sprintf("the certificate of the listener names neither %s nor one of hosts: clients will refuse it", host))
	return address.String()
}

// authorities says, for env, which authority clients need for the listener: a file in the data directory, or systemAuthorities.
func (s *server) authorities() string {
	switch c := s.shown.Load(); {
	case c == nil:
		return filepath.Join(tlsDir, pki.CertificateFile)
	default:
		if _, err := os.Stat(filepath.Join(s.cfg.Data, tlsDir, trustFile)); err != nil {
			return systemAuthorities
		}
		return filepath.Join(tlsDir, trustFile)
	}
}
