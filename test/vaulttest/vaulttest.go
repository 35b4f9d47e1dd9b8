// Package vaulttest starts a real transit engine for tests: HashiCorp Vault's own core, as test/vault builds it.
package vaulttest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Vault is a running server with a transit engine at transit/ and AppRole at approle/. It ends with the test.
type Vault struct {
	t       testing.TB
	Address string
	Token   string // of its root
	CAFile  string
	Client  *http.Client
}

// Start starts a server. Without the program, which $VAULT names and `make deps-test` builds, the test is skipped, and fails in CI.
func Start(t testing.TB) *Vault {
	t.Helper()
	program := os.Getenv("VAULT")
	if program == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("VAULT names no program; make deps-test builds it")
		}
		t.Skip("VAULT names no program; make deps-test builds it")
	}
	v := &Vault{t: t, CAFile: filepath.Join(t.TempDir(), "ca.pem")}
	cmd := exec.Command(program, v.CAFile)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // it ends with it
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("vault: %s", stderr.String())
		}
	})
	var told struct{ Address, Token string }
	if err := json.NewDecoder(out).Decode(&told); err != nil {
		_ = in.Close()
		_ = cmd.Wait()
		t.Fatalf("vault does not start: %v\n%s", err, stderr.String())
	}
	v.Address, v.Token = told.Address, told.Token
	pem, err := os.ReadFile(v.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	v.Client = &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(v.Client.CloseIdleConnections)
	v.Do(http.MethodPost, "sys/mounts/transit", `{"type":"transit"}`)
	v.Do(http.MethodPost, "sys/auth/approle", `{"type":"approle"}`)
	return v
}

// Do makes a call as the root and returns its answer; a refusal fails the test.
func (v *Vault) Do(method, path, body string) map[string]any {
	v.t.Helper()
	status, answer := v.Try(v.Token, method, path, body)
	if status/100 != 2 {
		v.t.Fatalf("vault: %s %s: status %d: %v", method, path, status, answer)
	}
	return answer
}

// Try makes a call with a token.
func (v *Vault) Try(token, method, path, body string) (int, map[string]any) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.Address+"/v1/"+path, bytes.NewReader([]byte(body)))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("X-Vault-Token", token)
	resp, err := v.Client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	var answer map[string]any
	if len(text) > 0 {
		if err := json.Unmarshal(text, &answer); err != nil {
			v.t.Fatalf("vault: %s %s: %v", method, path, err)
		}
	}
	return resp.StatusCode, answer
}

// Policy makes a token that may do what the lines of a policy say.
func (v *Vault) Policy(name, policy string) (token string) {
	v.t.Helper()
	v.Write(name, policy)
	return v.Do(http.MethodPost, "auth/token/create", `{"policies":["`+name+`"],"ttl":"1h"}`)["auth"].(map[string]any)["client_token"].(string)
}

// Write writes a policy.
func (v *Vault) Write(name, policy string) {
	v.t.Helper()
	body, err := json.Marshal(map[string]string{"policy": policy})
	if err != nil {
		v.t.Fatal(err)
	}
	v.Do(http.MethodPut, "sys/policies/acl/"+name, string(body))
}

// AppRole makes a role with a policy, and returns its two ids.
func (v *Vault) AppRole(name, policy string) (roleID, secretID string) {
	v.t.Helper()
	v.Do(http.MethodPost, "auth/approle/role/"+name, `{"token_policies":"`+policy+`","token_ttl":"5m"}`)
	data := func(method, path string) map[string]any { return v.Do(method, path, "")["data"].(map[string]any) }
	return data(http.MethodGet, "auth/approle/role/"+name+"/role-id")["role_id"].(string), data(http.MethodPost, "auth/approle/role/"+name+"/secret-id")["secret_id"].(string)
}
