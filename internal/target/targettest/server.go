package targettest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Find returns the path of a program that tests need: what a variable of the environment names, or what stands under that name in bin/tools of the repository. How it is
// installed is said where it is absent, which fails in CI.
func Find(t *testing.T, variable, name string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		if dir, err := filepath.Abs("."); err == nil {
			for ; dir != "/"; dir = filepath.Dir(dir) {
				if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
					path = filepath.Join(dir, "bin", "tools", name)
					break
				}
			}
		}
	}
	if _, err := os.Stat(path); err == nil {
		return path
	}
	const absent = "%s is not here: run make deps-test, or name it in %s"
	if os.Getenv("CI") != "" {
		t.Fatalf(absent, name, variable)
	}
	t.Skipf(absent, name, variable)
	return ""
}

// Start starts a server for the length of the test and returns what stops it before that. It is killed with the test's process.
func Start(t *testing.T, name string, args ...string) (stop func()) {
	t.Helper()
	c := exec.Command(name, args...)
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(name), said.Bytes())
		}
	})
	t.Cleanup(stop)
	return stop
}

// Until asks a server that has no other signal until it answers.
func Until(t *testing.T, what string, ready func() bool) {
	t.Helper()
	deadline := time.Now().Add(Wait)
	for !ready() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not in %s", what, Wait)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Port is a port of this machine that is free at the moment, for a server that cannot choose one.
func Port(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Certificate makes a certificate for 127.0.0.1 that signs itself, and returns it and its key in PEM, and the names of files with them.
func Certificate(t *testing.T) (certificate, key []byte, certificateFile, keyFile string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a server of the tests"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	dir := t.TempDir()
	certificateFile, keyFile = filepath.Join(dir, "certificate.pem"), filepath.Join(dir, "key.pem")
	for name, content := range map[string][]byte{certificateFile: certificate, keyFile: key} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key, certificateFile, keyFile
}
