package root

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"darkroom/internal/kms"
	"darkroom/internal/secret"
)

// keyService is enough of a key service for what goes wrong; that it goes well is tested against a real one.
func keyService(t *testing.T, key string, answer http.HandlerFunc) *KMS {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	client, err := kms.New(kms.Options{
		Endpoint: s.URL, Region: "us-east-1", Transport: s.Client().Transport,
		Credentials: func(context.Context) (kms.Credentials, error) {
			return kms.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: secret.New([]byte("CANARY"))}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return NewKMS(client, key)
}

func TestKMS(t *testing.T) {
	t.Parallel()
	const key = "alias/darkroom"
	type call struct {
		KeyID          string `json:"KeyId"`
		Plaintext      []byte
		CiphertextBlob []byte
		Context        map[string]string `json:"EncryptionContext"`
	}
	var encrypted call
	r := keyService(t, key, func(w http.ResponseWriter, r *http.Request) {
		var c call
		if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		switch r.Header.Get("X-Amz-Target") {
		case "TrentService.Encrypt":
			encrypted = c
			_, _ = fmt.Fprint(w, `{"CiphertextBlob":"AQID","KeyId":"k"}`)
		case "TrentService.Decrypt":
			if c.KeyID != key || !bytes.Equal(c.CiphertextBlob, []byte{1, 2, 3}) || fmt.Sprint(c.Context) != fmt.Sprint(encrypted.Context) {
				t.Errorf("decrypt %+v", c)
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"Plaintext": encrypted.Plaintext, "KeyId": "k"})
		default:
			t.Errorf("called %q", r.Header.Get("X-Amz-Target"))
		}
	})
	dir := t.TempDir()
	opened := mustOpen(t, dir, r)
	d, err := readDocument(dir)
	if err != nil || d.Root.Kind != KindKMS || d.Root.Key != key || !bytes.Equal(d.Root.Wrapped, []byte{1, 2, 3}) {
		t.Fatalf("%+v, %v", d.Root, err)
	}
	if encrypted.KeyID != key || !bytes.Equal(encrypted.Plaintext, opened) || encrypted.Context["darkroom"] != "installation-key" || encrypted.Context["installation"] != d.Installation || len(encrypted.Context) != 2 {
		t.Errorf("encrypt %+v", encrypted)
	}
	if !bytes.Equal(mustOpen(t, dir, r), opened) {
		t.Error("another key")
	}
	mustRefuse(t, dir, NewKMS(r.client, "alias/other"), key, "alias/other", "keys rewrap")
	encrypted.Plaintext = bytes.Repeat([]byte{1}, secret.KeySize)
	mustRefuse(t, dir, r, "was changed")
	encrypted.Plaintext = []byte("short")
	mustRefuse(t, dir, r, "was changed")
}

func TestKMSRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		code   string
		status int
		want   string
	}{
		{"AccessDeniedException", 400, "kms:Encrypt and kms:Decrypt"},
		{"NotFoundException", 400, "root.kms.key"},
		{"DisabledException", 400, "enable"},
		{"KMSInvalidStateException", 400, "enable"},
		{"InvalidCiphertextException", 400, "wrapped by"},
		{"IncorrectKeyException", 400, "alias"},
		{"ValidationException", 400, "root.kms"},
	} {
		t.Run(tt.code, func(t *testing.T) {
			t.Parallel()
			r := keyService(t, "k", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/x-amz-json-1.1")
				w.WriteHeader(tt.status)
				_, _ = fmt.Fprintf(w, `{"__type":%q,"message":"no"}`, tt.code)
			})
			check := func(err error) {
				t.Helper()
				if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "CANARY") {
					t.Errorf("got %v", err)
				}
			}
			_, err := r.wrap(t.Context(), "id", secret.New(make([]byte, 32)))
			check(err)
			_, err = r.unwrap(t.Context(), "id", wrapping{Kind: KindKMS, Key: "k", Wrapped: []byte("x")})
			check(err)
		})
	}
	r := keyService(t, "k", nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.wrap(ctx, "id", secret.New(make([]byte, 32))); err == nil {
		t.Error("a call that was given up")
	}
}
