package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"darkroom/internal/secret"
	"darkroom/internal/target"
)

// The header fields of Standard Webhooks ("Webhook metadata"), as net/http writes them: names of fields have no case.
const (
	fieldID        = "Webhook-Id"
	fieldTimestamp = "Webhook-Timestamp"
	fieldSignature = "Webhook-Signature"
)

// Bounds of secrets (Standard Webhooks, "Signature scheme").
const (
	// MaxSecrets is how many a request is signed with at once: the new one and the old.
	MaxSecrets = 2
	secretSign = "whsec_"
	minKey     = 24
	maxKey     = 64
	maxID      = 256
)

// Key reads a secret, whsec_ and 24 to 64 bytes in base64. Its errors hold nothing of it.
func Key(text secret.Bytes) (secret.Bytes, error) {
	encoded, ok := strings.CutPrefix(string(text.Reveal()), secretSign)
	if !ok {
		return secret.Bytes{}, fmt.Errorf("a secret of a webhook begins with %s", secretSign)
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return secret.Bytes{}, fmt.Errorf("a secret of a webhook is %s and base64", secretSign)
	}
	if len(key) < minKey || len(key) > maxKey {
		clear(key)
		return secret.Bytes{}, fmt.Errorf("a secret of a webhook has %d to %d bytes behind %s", minKey, maxKey, secretSign)
	}
	return secret.New(key), nil
}

// Secrets reads one secret or two, each on a line: the new one first. Errors hold nothing of them.
func Secrets(text secret.Bytes) ([]secret.Bytes, error) {
	var out []secret.Bytes
	for line := range strings.Lines(string(text.Reveal())) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if len(out) == MaxSecrets {
			return nil, fmt.Errorf("more than %d secrets", MaxSecrets)
		}
		one := secret.New([]byte(line))
		key, err := Key(one)
		if err != nil {
			return nil, err
		}
		key.Wipe()
		out = append(out, one)
	}
	if len(out) == 0 {
		return nil, errors.New("no secret")
	}
	return out, nil
}

// validID says whether an id can be signed: a dot would make it run into the time.
func validID(id string) bool {
	return id != "" && len(id) <= maxID && !strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '.' })
}

// sign adds the time and a signature for each secret: HMAC-SHA256 of id, time and body, joined by dots. The time is that of the attempt, so that receivers can refuse old ones.
func (s *Sender) sign(r *http.Request, m target.Message) error {
	at := strconv.FormatInt(s.o.Now().Unix(), 10)
	r.Header.Set(fieldTimestamp, at)
	if s.o.Secrets == nil {
		return nil
	}
	secrets, err := s.o.Secrets()
	if err != nil {
		return fmt.Errorf("read its secrets: %w", err)
	}
	defer func() {
		for _, one := range secrets {
			one.Wipe()
		}
	}()
	if n := len(secrets); n == 0 || n > MaxSecrets {
		return fmt.Errorf("it has %d secrets; allowed: 1 to %d", n, MaxSecrets)
	}
	content := slices.Concat([]byte(m.ID+"."+at+"."), m.Body)
	var signatures []string
	for _, one := range secrets {
		key, err := Key(one)
		if err != nil {
			return err
		}
		mac := hmac.New(sha256.New, key.Reveal())
		mac.Write(content)
		key.Wipe()
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	r.Header.Set(fieldSignature, strings.Join(signatures, " "))
	return nil
}

// APIKey is a credential in a header field of one's own choice (an API_KEY connection of EventBridge).
func APIKey(name string, value func() (secret.Bytes, error)) Credential {
	return func() (string, secret.Bytes, error) {
		v, err := value()
		return name, v, err
	}
}

// Basic is a user and a password (RFC 7617; a BASIC connection of EventBridge). A user has no colon.
func Basic(user string, password func() (secret.Bytes, error)) Credential {
	return func() (string, secret.Bytes, error) {
		if strings.ContainsRune(user, ':') {
			return "", secret.Bytes{}, errors.New("a user of basic authentication has no colon")
		}
		p, err := password()
		if err != nil {
			return "", secret.Bytes{}, err
		}
		defer p.Wipe()
		plain := slices.Concat([]byte(user), []byte(":"), p.Reveal())
		defer clear(plain)
		return "Authorization", secret.New(append([]byte("Basic "), base64.StdEncoding.AppendEncode(nil, plain)...)), nil
	}
}
