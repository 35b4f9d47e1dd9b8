package root

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"darkroom/internal/egress"
	"darkroom/internal/secret"
)

// Bounds of a call of a transit engine.
const (
	transitAttempts = 5
	transitTimeout  = 10 * time.Second // of one attempt
	transitTotal    = time.Minute      // of all
	transitBackoff  = 500 * time.Millisecond
	// maxRetryAfter bounds what a server can make a start wait.
	maxRetryAfter    = 10 * time.Second
	maxTransitAnswer = 64 << 10
	maxToken         = 8 << 10
)

// Words of the protocol; OpenBao has kept them.
const (
	ciphertextPrefix = "vault:v"
	defaultMount     = "transit"
	defaultRoleMount = "approle"
	headerToken      = "X-Vault-Token"
	headerNamespace  = "X-Vault-Namespace"
	headerIsRequest  = "X-Vault-Request"
	encrypt          = "encrypt"
	decrypt          = "decrypt"
)

// TransitOptions are what Transit works with.
type TransitOptions struct {
	Address   string // https://HOST[:PORT]
	Namespace string
	Mount     string // empty: transit
	Key       string
	// TokenFile has a token, which is read at each use; or RoleIDFile and SecretIDFile have an AppRole's, mounted at AppRoleMount (empty: approle).
	TokenFile                string
	RoleIDFile, SecretIDFile string
	AppRoleMount             string
	Client                   *http.Client // which follows no redirect
}

// Transit is a key of a transit secrets engine: HashiCorp Vault's, or OpenBao's. It must be of a type with associated data (aes256-gcm96, the default). The
// key never leaves the engine.
//
// Source: Vault HTTP API, transit secrets engine, Encrypt Data and Decrypt Data; AppRole auth method, Login.
type Transit struct {
	o     TransitOptions
	pause func(context.Context, time.Duration) error
	// timeout is of one attempt.
	timeout time.Duration
}

// NewTransit returns the root that is a key of a transit engine. Nothing is sent yet.
func NewTransit(o TransitOptions) *Transit {
	o.Namespace = strings.Trim(o.Namespace, "/")
	if o.Mount == "" {
		o.Mount = defaultMount
	}
	if o.AppRoleMount == "" {
		o.AppRoleMount = defaultRoleMount
	}
	return &Transit{o: o, pause: pause, timeout: transitTimeout}
}

// Kind implements Root.
func (*Transit) Kind() Kind { return KindTransit }

// Close implements Root. The token is read for each use.
func (*Transit) Close() {}

func (*Transit) settle(wrapping) error { return nil }

// id identifies the key. The server's address is no part of it: a server may move.
func (t *Transit) id() string {
	if t.o.Namespace != "" {
		return t.o.Namespace + "/" + t.o.Mount + "/keys/" + t.o.Key
	}
	return t.o.Mount + "/keys/" + t.o.Key
}

func (t *Transit) wrap(ctx context.Context, installation string, key secret.Bytes) (wrapping, error) {
	var answer struct {
		Data struct {
			Ciphertext string `json:"ciphertext"`
		} `json:"data"`
	}
	// Built by hand: an encoder keeps a copy of what it wrote. All values are base64.
	body := make([]byte, 0, 512)
	body = append(body, `{"plaintext":"`...)
	body = base64.StdEncoding.AppendEncode(body, key.Reveal())
	body = append(body, `","associated_data":"`...)
	body = base64.StdEncoding.AppendEncode(body, binding(KindTransit, installation))
	body = append(body, `"}`...)
	defer clear(body)
	if err := t.call(ctx, encrypt, body, &answer); err != nil {
		return wrapping{}, err
	}
	if c := answer.Data.Ciphertext; !strings.HasPrefix(c, ciphertextPrefix) || len(c) > maxWrapped {
		return wrapping{}, t.fail(encrypt, errors.New("the answer has no ciphertext"), "see that root.transit.address is a Vault or OpenBao")
	}
	return wrapping{Kind: KindTransit, Key: t.id(), Wrapped: []byte(answer.Data.Ciphertext)}, nil
}

func (t *Transit) unwrap(ctx context.Context, installation string, w wrapping) (secret.Bytes, error) {
	if w.Key != t.id() {
		return secret.Bytes{}, otherKey(w.Key, t.id())
	}
	body, err := json.Marshal(struct {
		Ciphertext     string `json:"ciphertext"`
		AssociatedData []byte `json:"associated_data"`
	}{string(w.Wrapped), binding(KindTransit, installation)})
	if err != nil {
		return secret.Bytes{}, err
	}
	var answer struct {
		Data struct {
			Plaintext []byte `json:"plaintext"`
		} `json:"data"`
	}
	if err := t.call(ctx, decrypt, body, &answer); err != nil {
		return secret.Bytes{}, err
	}
	key := secret.New(answer.Data.Plaintext)
	if key.Len() != secret.KeySize {
		key.Wipe()
		return secret.Bytes{}, t.fail(decrypt, fmt.Errorf("the answer has a plaintext of %d bytes, not %d", key.Len(), secret.KeySize), "restore "+Name+" from a backup")
	}
	return key, nil
}

// call makes one call of the engine with a token of this moment.
func (t *Transit) call(ctx context.Context, operation string, body []byte, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, transitTotal)
	defer cancel()
	token, done, err := t.token(ctx)
	if err != nil {
		return err
	}
	defer done()
	err = t.post(ctx, t.o.Mount+"/"+operation+"/"+url.PathEscape(t.o.Key), token, body, answer)
	if err != nil {
		return t.fail(operation, err, t.advice(err))
	}
	return nil
}

// token gives the token of the file, or one by AppRole, which done gives back.
func (t *Transit) token(ctx context.Context) (token secret.Bytes, done func(), err error) {
	if t.o.RoleIDFile == "" {
		token, err := readToken(ctx, "root.transit.token_file", t.o.TokenFile)
		return token, token.Wipe, err
	}
	role, err := readToken(ctx, "root.transit.role_id_file", t.o.RoleIDFile)
	if err != nil {
		return secret.Bytes{}, nil, err
	}
	defer role.Wipe()
	id, err := readToken(ctx, "root.transit.secret_id_file", t.o.SecretIDFile)
	if err != nil {
		return secret.Bytes{}, nil, err
	}
	defer id.Wipe()
	body := append(append(append(append([]byte(`{"role_id":"`), role.Reveal()...), `","secret_id":"`...), id.Reveal()...), `"}`...)
	defer clear(body)
	var answer struct {
		Auth struct {
			ClientToken string `json:"client_token"`
		} `json:"auth"`
	}
	err = t.post(ctx, "auth/"+t.o.AppRoleMount+"/login", secret.Bytes{}, body, &answer)
	if err == nil && (answer.Auth.ClientToken == "" || len(answer.Auth.ClientToken) > maxToken || !tokenText([]byte(answer.Auth.ClientToken))) {
		err = errors.New("the answer has no token")
	}
	if err != nil {
		return secret.Bytes{}, nil, t.fail("log in by AppRole", err, "see that the role id and secret id are those of a role, and not used up")
	}
	token = secret.New([]byte(answer.Auth.ClientToken))
	return token, func() {
		// One that cannot be given back ends with its time to live.
		_ = t.post(ctx, "auth/token/revoke-self", token, []byte("{}"), nil)
		token.Wipe()
	}, nil
}

// readToken reads a token or an id, whose characters stand as they are in a header and in JSON.
func readToken(ctx context.Context, key, path string) (secret.Bytes, error) {
	token, err := readSecret(ctx, path, maxToken)
	if err == nil && !tokenText(token.Reveal()) {
		token.Wipe()
		err = fmt.Errorf("%s has characters that no token has", path)
	}
	if err != nil {
		return secret.Bytes{}, fmt.Errorf("read %s: %w", key, err)
	}
	return token, nil
}

func tokenText(b []byte) bool {
	return !bytes.ContainsFunc(b, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' })
}

// refused is an answer that is not a success. What the server says is not repeated: it may repeat what it was told.
type refused struct {
	status     int
	retryAfter time.Duration
}

func (r *refused) Error() string {
	return fmt.Sprintf("the server answers with status %d %s", r.status, http.StatusText(r.status))
}

func (r *refused) passing() bool {
	return r.status == http.StatusTooManyRequests || r.status >= 500 || r.status == 412 // 412: a replica that is behind
}

// post sends a request until it is answered or refused for good.
func (t *Transit) post(ctx context.Context, path string, token secret.Bytes, body []byte, answer any) error {
	backoff := transitBackoff
	for attempt := 1; ; attempt++ {
		err := t.once(ctx, path, token, body, answer)
		var status *refused
		var closed *egress.Refused
		switch {
		case err == nil, ctx.Err() != nil, attempt == transitAttempts, errors.As(err, &closed), errors.Is(err, errAnswer):
			return err
		case errors.As(err, &status) && !status.passing():
			return err
		}
		wait := backoff/2 + rand.N(backoff/2) // so that many that were cut off together do not return together
		if status != nil {
			wait = max(wait, min(status.retryAfter, maxRetryAfter))
		}
		backoff *= 2
		if t.pause(ctx, wait) != nil {
			return err // what the server said last
		}
	}
}

// errAnswer is wrapped by the error of an answer that is none of the protocol.
var errAnswer = errors.New("the answer is not that of a transit engine")

func (t *Transit) once(ctx context.Context, path string, token secret.Bytes, body []byte, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(t.o.Address, "/")+"/v1/"+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: %w", errAnswer, err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Darkroom")
	r.Header.Set(headerIsRequest, "true")
	if token.Len() > 0 {
		r.Header.Set(headerToken, string(token.Reveal()))
	}
	if t.o.Namespace != "" {
		r.Header.Set(headerNamespace, t.o.Namespace)
	}
	resp, err := t.o.Client.Do(r)
	if err != nil {
		return err // of the transport: it names the URL, which has no secret
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		e := &refused{status: resp.StatusCode}
		if seconds, err := time.ParseDuration(resp.Header.Get("Retry-After") + "s"); err == nil && seconds > 0 {
			e.retryAfter = seconds
		}
		return e
	}
	// An answer of usual length is not copied while it is read, so that what is wiped is all there is of it here.
	buffer := bytes.NewBuffer(make([]byte, 0, 8<<10))
	n, err := io.Copy(buffer, io.LimitReader(resp.Body, maxTransitAnswer+1))
	text := buffer.Bytes()
	defer clear(text)
	switch {
	case err != nil:
		return fmt.Errorf("read the answer: %w", err)
	case n > maxTransitAnswer:
		return fmt.Errorf("%w: it has more than %d bytes", errAnswer, maxTransitAnswer)
	case answer != nil && json.Unmarshal(text, answer) != nil: // whose error may repeat a part of the text
		return fmt.Errorf("%w: it is not the JSON that is expected", errAnswer)
	}
	return nil
}

// advice says what can be done about an error of the engine.
func (t *Transit) advice(err error) string {
	var status *refused
	var closed *egress.Refused
	switch {
	case errors.As(err, &closed):
		return "open the address for the purpose kms in egress.allow"
	case errors.Is(err, errAnswer):
		return "see that root.transit.address is a Vault or OpenBao"
	case !errors.As(err, &status):
		return "start again when the server answers; egress.ca_file adds authorities that its certificate may be of"
	}
	switch {
	case status.status == http.StatusBadRequest:
		return "the key does not open it: see that root.transit.key is the key that wrapped it, of a type with associated data such as aes256-gcm96, and that its versions are not trimmed"
	case status.status == http.StatusForbidden, status.status == http.StatusUnauthorized:
		return "see that the token is valid, and that its policy has update on " + t.o.Mount + "/encrypt/" + t.o.Key + " and " + t.o.Mount + "/decrypt/" + t.o.Key
	case status.status == http.StatusNotFound:
		return "see that root.transit.mount, root.transit.namespace and root.transit.key are right"
	case status.status == http.StatusServiceUnavailable:
		return "the server is sealed or in maintenance: start again when it is unsealed"
	case status.status/100 == 3:
		return "redirects are not followed: root.transit.address must be that of the active server"
	}
	return "start again when the server works"
}

func (t *Transit) fail(what string, err error, do string) error {
	return fmt.Errorf("%s by the transit key %s at %s: %w: %s", what, t.id(), t.o.Address, err, do)
}

// pause waits, or returns ctx's error.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
