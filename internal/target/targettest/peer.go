package targettest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"darkroom/internal/secret"
	"darkroom/internal/sigv4"
)

// The key that requests to the emulator have to be signed with.
const (
	Region    = "us-east-1"
	AccessKey = "AKIADARKROOM"
	SecretKey = "s3cret-key-of-the-tests"
)

// Emulator starts fauxqs, an emulator of SQS and SNS in a process of its own, and returns two URLs of it: front lets nothing through but what is rightly signed, for the emulator looks at no
// signature; back is for the test itself.
func Emulator(t *testing.T) (front, back string) {
	t.Helper()
	dir := Find(t, "FAUXQS", "fauxqs")
	node := filepath.Join(dir, "node") // of the version that it needs
	port := Port(t)
	script := fmt.Sprintf(`import {startFauxqs} from %q; await startFauxqs({port: %d, logger: false});`, filepath.Join(dir, "node_modules", "fauxqs", "dist", "app.js"), port)
	Start(t, node, "--input-type=module", "--disable-warning=ExperimentalWarning", "-e", script)
	back = fmt.Sprintf("http://127.0.0.1:%d", port)
	asking := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	Until(t, "the emulator answers", func() bool {
		r, err := asking.Get(back)
		if err == nil {
			_ = r.Body.Close()
		}
		return err == nil
	})
	to, err := url.Parse(back)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = verify(r, body)
		}
		if err != nil {
			w.Header().Set("Content-Type", "application/x-amz-json-1.0")
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"__type":"com.amazonaws.sqs#SignatureDoesNotMatch","message":"you said s3cret-things"}`)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, back
}

// verify checks a signature by our own verifier, which the published suite of Signature Version 4 is tested against.
func verify(r *http.Request, body []byte) error {
	header := r.Header.Clone()
	header.Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
	c, err := sigv4.Parse(sigv4.Request{Method: r.Method, RawPath: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery, Host: r.Host, Header: header})
	if err != nil {
		return err
	}
	if c.AccessKeyID != AccessKey || c.Scope.Service != "sqs" && c.Scope.Service != "sns" {
		return errors.New("another key or service")
	}
	sum := sha256.Sum256(body)
	_, err = c.Verify(&sigv4.Key{Secret: secret.New([]byte(SecretKey))}, sigv4.Expectation{Region: Region, BodyHash: hex.EncodeToString(sum[:]), Now: time.Now()})
	return err
}

// NATS starts a NATS server of its own process with the lines of its configuration, in which DIR is a directory of its own, and returns its address and what stops it.
func NATS(t *testing.T, lines string) (address string, stop func()) {
	t.Helper()
	program := Find(t, "NATS_SERVER", "nats-server")
	dir := t.TempDir()
	config := filepath.Join(dir, "nats.conf")
	// The port is chosen by the server, which writes it into a file.
	text := fmt.Sprintf("host: 127.0.0.1\nport: -1\nports_file_dir: %q\n", dir) + strings.ReplaceAll(lines, "DIR", strconv.Quote(dir))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	stop = Start(t, program, "-c", config)
	Until(t, "the NATS server's port", func() bool {
		names, _ := filepath.Glob(filepath.Join(dir, "*.ports"))
		if len(names) != 1 {
			return false
		}
		content, err := os.ReadFile(names[0])
		var ports struct{ NATS []string }
		if err != nil || json.Unmarshal(content, &ports) != nil || len(ports.NATS) == 0 {
			return false
		}
		address = ports.NATS[0][strings.LastIndex(ports.NATS[0], "/")+1:]
		return true
	})
	return address, stop
}
