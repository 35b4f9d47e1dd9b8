// Package anchor keeps witnesses of the digests of the audit trail outside of what the machine's owner can change: time stamps of an authority (RFC 3161), and
// copies in a second object store, locked there. Both are of the digest, which names the one before it and every log file by hash: one witness vouches for
// everything up to it.
package anchor

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"sync"
	"time"

	"darkroom/internal/timestamp"
)

// Bounds of time stamps.
const (
	// Tolerance is how far the time of a new time stamp may be from the clock.
	Tolerance = 5 * time.Minute
	// nonceBits is the size of nonces.
	nonceBits = 128
)

// The parts of keys of objects.
const (
	digestFolder = "/CloudTrail-Digest/"
	stampFolder  = "/CloudTrail-TimeStamp/"
	stampSuffix  = ".tsr"
)

// Digest is a digest that was delivered.
type Digest struct {
	Account        string
	Bucket, Object string // where it is
	Text           []byte // its JSON, uncompressed, which the time stamp is of
	Signature      string // hex
}

// StampKey is the key of the time stamp of a digest: beside the folder of digests, so that who lists digests sees them alone. It holds the whole response
// (RFC 3161 section 2.4.2), as OpenSSL reads it: `openssl ts -verify -data DIGEST.json -in DIGEST.tsr -CAfile CA.pem`.
func StampKey(object string) string {
	return strings.TrimSuffix(strings.Replace(object, digestFolder, stampFolder, 1), ".json.gz") + stampSuffix
}

// Post sends a request over HTTPS and returns the body of an answer of status 200 with at most limit bytes.
type Post func(ctx context.Context, url, contentType string, body []byte, limit int64) ([]byte, error)

// Stamper asks an authority for time stamps. It is safe for concurrent use.
type Stamper struct {
	url   string
	roots *x509.CertPool
	post  Post
	now   func() time.Time
}

// NewStamper returns a stamper. now is the clock; nil means time.Now.
func NewStamper(url string, roots *x509.CertPool, post Post, now func() time.Time) (*Stamper, error) {
	if url == "" || roots == nil || post == nil {
		return nil, errors.New("time stamps need the address of an authority, whom to trust, and a way there")
	}
	if now == nil {
		now = time.Now
	}
	return &Stamper{url, roots, post, now}, nil
}

// Stamp gets a time stamp of text and verifies it. The response is returned whole.
func (s *Stamper) Stamp(ctx context.Context, text []byte) (response []byte, stamp *timestamp.Stamp, err error) {
	nonce, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), nonceBits))
	if err != nil {
		return nil, nil, err
	}
	nonce.SetBit(nonce, nonceBits-1, 1) // never 0, and always of one length
	sum := sha256.Sum256(text)
	request, err := timestamp.NewRequest(sum, nonce)
	if err != nil {
		return nil, nil, err
	}
	if response, err = s.post(ctx, s.url, timestamp.QueryType, request, timestamp.MaxResponse); err != nil {
		return nil, nil, fmt.Errorf("ask for a time stamp: %w", err)
	}
	token, err := timestamp.Token(response)
	if err != nil {
		return nil, nil, err
	}
	if stamp, err = timestamp.Verify(token, sum, nonce, s.roots); err != nil {
		return nil, nil, err
	}
	if d := s.now().Sub(stamp.Time); d > Tolerance+stamp.Accuracy || d < -Tolerance-stamp.Accuracy {
		return nil, nil, fmt.Errorf("the time of a time stamp is %s away from the clock of this machine", d.Round(time.Second))
	}
	return response, stamp, nil
}

// Check verifies a response that was kept, as one of text.
func Check(response, text []byte, roots *x509.CertPool) (*timestamp.Stamp, error) {
	token, err := timestamp.Token(response)
	if err != nil {
		return nil, err
	}
	return timestamp.Verify(token, sha256.Sum256(text), nil, roots)
}

// Put keeps an object, for good: again with the same content it is a success without effect, and over another content it is an error.
type Put func(ctx context.Context, key string, body []byte, metadata map[string]string) error

// Options are what an Anchor works with; at least one of Stamper and Copy is needed.
type Options struct {
	Stamper *Stamper
	// Keep puts a time stamp into the bucket of the digest; needed with Stamper.
	Keep func(ctx context.Context, account, bucket, key string, body []byte) error
	// Copy puts a copy of the digest, and of its time stamp, into the second store; nil makes no copies. Keys begin with Prefix.
	Copy   Put
	Prefix string
}

// Anchor keeps witnesses. It is safe for concurrent use.
type Anchor struct {
	o Options

	mu   sync.Mutex // guards what follows; held for assignments only
	last map[string]kept
}

// kept is the last time stamp of an account: when the rest of anchoring a digest fails, the authority is not asked again.
type kept struct {
	hash     [sha256.Size]byte
	response []byte
}

// New returns an anchor.
func New(o Options) (*Anchor, error) {
	if o.Stamper == nil && o.Copy == nil || o.Stamper != nil && o.Keep == nil {
		return nil, errors.New("an anchor needs an authority and a place for its time stamps, or a second store")
	}
	return &Anchor{o: o, last: map[string]kept{}}, nil
}

// Anchor keeps the witnesses of a digest. After an error it is to be called again, with the same digest.
func (a *Anchor) Anchor(ctx context.Context, d Digest) error {
	var response []byte
	if a.o.Stamper != nil {
		hash, slot := sha256.Sum256(d.Text), d.Account+"/"+d.Bucket
		a.mu.Lock()
		k := a.last[slot]
		a.mu.Unlock()
		if k.hash == hash && k.response != nil {
			response = k.response
		} else {
			var err error
			if response, _, err = a.o.Stamper.Stamp(ctx, d.Text); err != nil {
				return err
			}
			a.mu.Lock()
			if len(a.last) >= maxKept {
				clear(a.last)
			}
			a.last[slot] = kept{hash, response}
			a.mu.Unlock()
		}
		if err := a.o.Keep(ctx, d.Account, d.Bucket, StampKey(d.Object), response); err != nil {
			return fmt.Errorf("keep a time stamp: %w", err)
		}
	}
	if a.o.Copy == nil {
		return nil
	}
	zipped, err := compress(d.Text)
	if err != nil {
		return err
	}
	metadata := map[string]string{"signature": d.Signature, "signature-algorithm": "SHA256withRSA"}
	if err := a.o.Copy(ctx, a.o.Prefix+d.Object, zipped, metadata); err != nil {
		return fmt.Errorf("copy a digest: %w", err)
	}
	if response == nil {
		return nil
	}
	// A time stamp that was made anew after a restart is another one, and as good as the first: it has a name of its own.
	sum := sha256.Sum256(response)
	key := strings.TrimSuffix(StampKey(d.Object), stampSuffix) + fmt.Sprintf("-%x", sum[:4]) + stampSuffix
	if err := a.o.Copy(ctx, a.o.Prefix+key, response, nil); err != nil {
		return fmt.Errorf("copy a time stamp: %w", err)
	}
	return nil
}

// maxKept bounds the time stamps in memory.
const maxKept = 1024

// compress writes text as gzip; the same text has the same bytes.
func compress(text []byte) ([]byte, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Expand reads gzip of at most limit bytes of content.
func Expand(zipped []byte, limit int64) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		return nil, fmt.Errorf("read gzip: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read gzip: %w", err)
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("read gzip: it holds more than %d bytes", limit)
	}
	return text, nil
}
