package timestamp

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"darkroom/internal/timestamp/timestamptest"
)

var text = []byte("a digest")

func ask(t *testing.T, a *timestamptest.Authority, of []byte, nonce int64) (response, token []byte) {
	t.Helper()
	request, err := NewRequest(sha256.Sum256(of), big.NewInt(nonce))
	if err != nil {
		t.Fatal(err)
	}
	response = a.Reply(request)
	if token, err = Token(response); err != nil {
		t.Fatal(err)
	}
	return response, token
}

// TestVerify: the time stamps of a real authority hold, for us and for OpenSSL.
func TestVerify(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]timestamptest.Options{"RSA": {RSA: true}, "ECDSA": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := timestamptest.New(t, o)
			response, token := ask(t, a, text, 77)
			if err := a.Check(response, text); err != nil {
				t.Errorf("OpenSSL: %v", err)
			}
			for _, nonce := range []*big.Int{big.NewInt(77), nil} {
				s, err := Verify(token, sha256.Sum256(text), nonce, a.Roots)
				if err != nil {
					t.Fatal(err)
				}
				if d := time.Since(s.Time); d < -time.Minute || d > time.Minute || s.Policy != "1.2.3.4.1" || s.Accuracy != 1500*time.Millisecond || s.Authority.Subject.CommonName != "Clock of the test" || s.Nonce.Int64() != 77 {
					t.Errorf("got %+v", s)
				}
			}
		})
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	good := timestamptest.New(t, timestamptest.Options{})
	_, token := ask(t, good, text, 77)
	parsed, err := parse(token)
	if err != nil {
		t.Fatal(err)
	}
	foreign := timestamptest.New(t, timestamptest.Options{})
	expired := timestamptest.New(t, timestamptest.Options{Expired: true})
	server := timestamptest.New(t, timestamptest.Options{Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	both := timestamptest.New(t, timestamptest.Options{Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping, x509.ExtKeyUsageServerAuth}})
	loose := timestamptest.New(t, timestamptest.Options{NotCritical: true})
	none := timestamptest.New(t, timestamptest.Options{Usage: []x509.ExtKeyUsage{}})
	_, late := ask(t, expired, text, 77)
	_, other := ask(t, good, []byte("another digest"), 77)

	// Signed by hand, the same information is as good: what the cases below refuse is the certificate alone.
	if _, err := Verify(good.Sign(parsed.content), sha256.Sum256(text), big.NewInt(77), good.Roots); err != nil {
		t.Errorf("signed by hand: %v", err)
	}
	for _, c := range []struct {
		name  string
		token []byte
		nonce int64
		roots *x509.CertPool
		want  string
	}{
		{"another nonce", token, 78, good.Roots, "answers another request"},
		{"another digest", other, 77, good.Roots, "of other bytes"},
		{"a foreign authority", token, 77, foreign.Roots, "not trusted"},
		{"nobody is trusted", token, 77, x509.NewCertPool(), "not trusted"},
		{"no roots", token, 77, nil, "no authority is trusted"},
		{"a certificate that has ended", late, 77, expired.Roots, "expired"},
		{"a certificate for servers", server.Sign(parsed.content), 77, server.Roots, "not for time stamps alone"},
		{"a certificate for servers too", both.Sign(parsed.content), 77, both.Roots, "not for time stamps alone"},
		{"a purpose that is not critical", loose.Sign(parsed.content), 77, loose.Roots, "critical"},
		{"a certificate without purpose", none.Sign(parsed.content), 77, none.Roots, "not for time stamps alone"},
		{"nothing", nil, 77, good.Roots, "read a time stamp"},
		{"a cut one", token[:len(token)-1], 77, good.Roots, "read a time stamp"},
		{"a longer one", append(bytes.Clone(token), 0), 77, good.Roots, "bytes stand behind"},
		{"a huge one", make([]byte, MaxResponse+1), 77, good.Roots, "more than"},
		{"signed text that is none", good.Sign([]byte("hello")), 77, good.Roots, "read a time stamp"},
	} {
		_, err := Verify(c.token, sha256.Sum256(text), big.NewInt(c.nonce), c.roots)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

// TestChanged changes every byte of a time stamp: none that changes what it says is taken.
func TestChanged(t *testing.T) {
	t.Parallel()
	a := timestamptest.New(t, timestamptest.Options{})
	_, token := ask(t, a, text, 77)
	want, err := Verify(token, sha256.Sum256(text), big.NewInt(77), a.Roots)
	if err != nil {
		t.Fatal(err)
	}
	taken := 0
	for i := range token {
		for _, bit := range []byte{1, 0x80} {
			changed := bytes.Clone(token)
			changed[i] ^= bit
			got, err := Verify(changed, sha256.Sum256(text), big.NewInt(77), a.Roots)
			if err != nil {
				continue
			}
			taken++ // of what nobody signs: the version of a structure, certificates that are not needed
			if !got.Time.Equal(want.Time) || got.Serial.Cmp(want.Serial) != 0 || got.Policy != want.Policy || got.Accuracy != want.Accuracy || !bytes.Equal(got.Authority.Raw, want.Authority.Raw) {
				t.Errorf("with bit %#x of byte %d changed it says %+v", bit, i, got)
			}
		}
	}
	if taken > len(token)/2 {
		t.Errorf("%d of %d changes were taken", taken, 2*len(token))
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	a := timestamptest.New(t, timestamptest.Options{})
	request, err := NewRequest(sha256.Sum256(text), big.NewInt(1))
	if err != nil {
		t.Fatal(err)
	}
	// A hash algorithm that the authority does not take.
	at := bytes.Index(request, []byte{0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1})
	sha224 := bytes.Clone(request)
	sha224[at+8] = 4
	_, err = Token(a.Reply(sha224))
	if refused, ok := errors.AsType[*RefusedError](err); !ok || refused.Status != 2 || refused.Failure == "" {
		t.Errorf("a request that is refused: %v", err)
	}
	for name, der := range map[string][]byte{
		"nothing":      nil,
		"text":         []byte("<html>"),
		"no token":     {0x30, 5, 0x30, 3, 2, 1, 0},
		"bytes behind": {0x30, 5, 0x30, 3, 2, 1, 2, 0},
		"a huge one":   make([]byte, MaxResponse+1),
	} {
		if token, err := Token(der); err == nil {
			t.Errorf("%s: got a token of %d bytes", name, len(token))
		}
	}
	for _, nonce := range []*big.Int{nil, big.NewInt(0), big.NewInt(-1)} {
		if _, err := NewRequest(sha256.Sum256(text), nonce); err == nil {
			t.Errorf("a request with the nonce %v", nonce)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte{0x30, 0})
	f.Add([]byte{0x30, 5, 0x30, 3, 2, 1, 0})
	roots := x509.NewCertPool()
	f.Fuzz(func(t *testing.T, der []byte) {
		if token, err := Token(der); err == nil {
			der = token
		}
		if s, err := Verify(der, sha256.Sum256(text), nil, roots); err == nil {
			t.Errorf("verified by nobody: %+v", s)
		}
	})
}
