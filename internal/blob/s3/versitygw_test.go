package s3_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"darkroom/internal/blob"
	"darkroom/internal/blob/blobtest"
	"darkroom/internal/blob/s3"
	"darkroom/internal/secret"
)

// The keys of the server under test; it lives on loopback, for as long as the test.
const (
	gatewayID     = "AKIAVERSITY"
	gatewaySecret = "only for the length of a test run"
)

// findGateway finds the versitygw binary (v1.8.0): in $VERSITYGW, on PATH, or where go install puts it. It is built by
// go install github.com/versity/versitygw/cmd/versitygw@v1.8.0.
func findGateway(t *testing.T) string {
	t.Helper()
	candidates := []string{os.Getenv("VERSITYGW"), "versitygw"}
	if out, err := exec.CommandContext(t.Context(), "go", "env", "GOBIN", "GOPATH").Output(); err == nil {
		bin, path, _ := strings.Cut(string(out), "\n")
		candidates = append(candidates, filepath.Join(strings.TrimSpace(bin), "versitygw"), filepath.Join(strings.TrimSpace(path), "bin", "versitygw"))
	}
	for _, c := range candidates {
		if c == "" {
			continue
		}
		if path, err := exec.LookPath(c); err == nil {
			return path
		}
	}
	const absent = "versitygw is not here: go install github.com/versity/versitygw/cmd/versitygw@v1.8.0, or name it in VERSITYGW"
	if os.Getenv("CI") != "" {
		t.Fatal(absent)
	}
	t.Skip(absent)
	return ""
}

// startGateway starts the server over a directory and returns its URL once it listens.
func startGateway(t *testing.T) string {
	t.Helper()
	binary := findGateway(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil { // it is free again for the server
		t.Fatal(err)
	}
	root := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, binary, "--port", address, "--region", "us-east-1", "posix", "--sidecar", t.TempDir(), root)
	cmd.Env = []string{"ROOT_ACCESS_KEY=" + gatewayID, "ROOT_SECRET_KEY=" + gatewaySecret, "PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // it is killed
	}()
	t.Cleanup(func() {
		cancel()
		<-exited
	})
	// It gives no signal that it listens, so it is asked until it answers or ends.
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return "http://" + address
		}
		select {
		case <-exited:
			t.Fatalf("the server ended:\n%s", said.String())
		case <-again.C:
		}
	}
}

func newStore(t *testing.T, endpoint, id, key string) *s3.Store {
	t.Helper()
	s, err := s3.New(s3.Options{
		Endpoint: endpoint, Region: "us-east-1", PathStyle: true, Client: &http.Client{Transport: &http.Transport{DisableCompression: true}},
		Credentials: func(context.Context) (s3.Credentials, error) {
			return s3.Credentials{AccessKeyID: id, SecretAccessKey: secret.New([]byte(key))}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestClearStore: a server that takes the headers of encryption and stores in the clear says nothing back; no object of it stays, and no upload.
func TestClearStore(t *testing.T) {
	t.Parallel()
	s := newStore(t, startGateway(t), gatewayID, gatewaySecret)
	ctx := t.Context()
	if err := s.CreateBucket(ctx, "films"); err != nil {
		t.Fatal(err)
	}
	own := &blob.CustomerKey{Key: secret.New(bytes.Repeat([]byte{1}, blob.CustomerKeySize))}
	for _, e := range []blob.Encryption{{Method: blob.SSES3}, {Method: blob.SSEKMS}, {Method: blob.SSEKMS, KeyID: "arn:aws:kms:us-east-1:1:key/k"}, {Method: blob.SSEC, Customer: own}} {
		o := blob.Storage{Encryption: e}
		for _, size := range []int64{1, 9 << 20} { // at once, and in parts
			if _, err := s.Put(ctx, "films", "k", bytes.NewReader(make([]byte, size)), blob.PutOptions{Size: size, Storage: o}); !errors.Is(err, blob.ErrNotHonoured) {
				t.Errorf("%s: put of %d bytes: %v", e.Method, size, err)
			}
		}
		if _, err := s.CreateUpload(ctx, "films", "k", blob.UploadOptions{Storage: o}); !errors.Is(err, blob.ErrNotHonoured) {
			t.Errorf("%s: create upload: %v", e.Method, err)
		}
		if _, err := s.Put(ctx, "films", "src", strings.NewReader("x"), blob.PutOptions{Size: 1}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Copy(ctx, "films", "src", "films", "k", blob.CopyOptions{Storage: o}); !errors.Is(err, blob.ErrNotHonoured) {
			t.Errorf("%s: copy: %v", e.Method, err)
		}
		if _, err := s.Head(ctx, "films", "k", blob.Conditions{}); !errors.Is(err, blob.ErrNoSuchKey) {
			t.Errorf("%s: what is in the clear stays: %v", e.Method, err)
		}
	}
	if open, err := s.ListUploads(ctx, "films", ""); err != nil || len(open) > 0 {
		t.Errorf("uploads stay: %v, %v", open, err)
	}
}

func TestVersityGateway(t *testing.T) {
	t.Parallel()
	endpoint := startGateway(t)
	blobtest.Run(t, blobtest.Target{Store: newStore(t, endpoint, gatewayID, gatewaySecret), Differs: map[string]string{
		"condition: times are compared in whole seconds": "Last-Modified is given in seconds and compared with the file's time in nanoseconds",
		"object: hostile keys stay names":                "keys are paths of files: .., an empty name and a directory with content are refused",
		"list: a key may be the beginning of another":    "keys are paths of files: one cannot be a directory of another",
	}})
}
