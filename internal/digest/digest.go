// Package digest is the format of AWS CloudTrail's log files and digest files: their names, their JSON, what is signed of a digest, and the verification
// of a whole chain of them, with an explanation of every fault.
//
// Source: AWS CloudTrail User Guide, "CloudTrail log file examples", "CloudTrail digest file structure" and "Custom implementations of CloudTrail log file
// integrity validation". All hashes are of the uncompressed bytes. The package is pure: no I/O but what it is handed, no clock.
package digest

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// The names of algorithms as digests have them.
const (
	SignatureAlgorithm = "SHA256withRSA" // RSASSA-PKCS1-v1_5 with SHA-256
	HashAlgorithm      = "SHA-256"
)

// The metadata of a digest's object (x-amz-meta-…).
const (
	MetaSignature = "signature"
	MetaAlgorithm = "signature-algorithm"
)

// KeyBits is the size of the keys that digests are signed with.
const KeyBits = 2048

// timeFormat is how digests write times, and what the string to sign has.
const timeFormat = "2006-01-02T15:04:05Z"

// Time is a time in whole seconds of UTC, as digests write it.
type Time struct{ time.Time }

// At is a Time.
func At(t time.Time) Time { return Time{t.UTC().Truncate(time.Second)} }

// MarshalText implements encoding.TextMarshaler.
func (t Time) MarshalText() ([]byte, error) { return []byte(t.UTC().Format(timeFormat)), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Time) UnmarshalText(b []byte) error {
	parsed, err := time.Parse(timeFormat, string(b))
	t.Time = parsed
	return err
}

func (t Time) String() string { return t.UTC().Format(timeFormat) }

// Log is what a digest says of a log file.
type Log struct {
	Bucket        string `json:"s3Bucket"`
	Object        string `json:"s3Object"`
	HashValue     string `json:"hashValue"` // hex
	HashAlgorithm string `json:"hashAlgorithm"`
	Newest        Time   `json:"newestEventTime"`
	Oldest        Time   `json:"oldestEventTime"`
}

// File is a digest file. The members of the digest before are all nil in the first digest of a chain.
type File struct {
	Account            string  `json:"awsAccountId"`
	Start              Time    `json:"digestStartTime"`
	End                Time    `json:"digestEndTime"`
	Bucket             string  `json:"digestS3Bucket"`
	Object             string  `json:"digestS3Object"`
	Fingerprint        string  `json:"digestPublicKeyFingerprint"`
	SignatureAlgorithm string  `json:"digestSignatureAlgorithm"`
	Newest             *Time   `json:"newestEventTime"`
	Oldest             *Time   `json:"oldestEventTime"`
	PreviousBucket     *string `json:"previousDigestS3Bucket"`
	PreviousObject     *string `json:"previousDigestS3Object"`
	PreviousHash       *string `json:"previousDigestHashValue"`
	PreviousAlgorithm  *string `json:"previousDigestHashAlgorithm"`
	PreviousSignature  *string `json:"previousDigestSignature"`
	Logs               []Log   `json:"logFiles"`
}

// Signed is a digest with its signature, as the next one names it.
type Signed struct {
	Bucket    string `json:"bucket"`
	Object    string `json:"object"`
	Hash      string `json:"hash"`      // hex
	Signature string `json:"signature"` // hex
}

// Follow makes f the successor of a digest; nil makes it the first of a chain.
func (f *File) Follow(before *Signed) {
	f.PreviousBucket, f.PreviousObject, f.PreviousHash, f.PreviousAlgorithm, f.PreviousSignature = nil, nil, nil, nil, nil
	if before == nil {
		return
	}
	p, algorithm := *before, HashAlgorithm
	f.PreviousBucket, f.PreviousObject, f.PreviousHash, f.PreviousAlgorithm, f.PreviousSignature = &p.Bucket, &p.Object, &p.Hash, &algorithm, &p.Signature
}

// Encode writes the digest. The same digest has the same bytes.
func (f *File) Encode() ([]byte, error) {
	out := *f
	if out.Logs == nil {
		out.Logs = []Log{}
	}
	out.Newest, out.Oldest = nil, nil
	for i := range out.Logs {
		l := &out.Logs[i]
		if out.Newest == nil || l.Newest.After(out.Newest.Time) {
			out.Newest = &l.Newest
		}
		if out.Oldest == nil || l.Oldest.Before(out.Oldest.Time) {
			out.Oldest = &l.Oldest
		}
	}
	return json.Marshal(&out)
}

// Parse reads a digest and says whether it has what every digest has.
func Parse(text []byte) (*File, error) {
	f := new(File)
	if err := json.Unmarshal(text, f); err != nil {
		return nil, err
	}
	missing := func(name string) error { return fmt.Errorf("%s is missing", name) }
	switch {
	case f.Account == "":
		return nil, missing("awsAccountId")
	case f.Start.IsZero():
		return nil, missing("digestStartTime")
	case f.End.IsZero():
		return nil, missing("digestEndTime")
	case f.Bucket == "" || f.Object == "":
		return nil, missing("digestS3Bucket or digestS3Object")
	case f.Fingerprint == "":
		return nil, missing("digestPublicKeyFingerprint")
	case f.SignatureAlgorithm != SignatureAlgorithm:
		return nil, fmt.Errorf("digestSignatureAlgorithm is %.40q, not %s", f.SignatureAlgorithm, SignatureAlgorithm)
	case !f.End.After(f.Start.Time):
		return nil, errors.New("digestEndTime is not after digestStartTime")
	}
	some := f.PreviousBucket != nil || f.PreviousObject != nil || f.PreviousHash != nil || f.PreviousSignature != nil
	if some && !f.follows() {
		return nil, errors.New("the members of the digest before are not all there")
	}
	return f, nil
}

// follows says whether there is a digest before.
func (f *File) follows() bool {
	return f.PreviousBucket != nil && f.PreviousObject != nil && f.PreviousHash != nil && f.PreviousSignature != nil
}

// toSign is what the signature is of, with the digest as it stands in its file.
func (f *File) toSign(hash string) []byte {
	previous := "null"
	if f.PreviousSignature != nil {
		previous = *f.PreviousSignature
	}
	return fmt.Appendf(nil, "%s\n%s/%s\n%s\n%s", f.End, f.Bucket, f.Object, hash, previous)
}

// Hash is the hash of the bytes of a file, in hex.
func Hash(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Sign signs the digest whose bytes are text. random is not needed for the signature, which is the same every time; it blinds the key.
func (f *File) Sign(random io.Reader, key *rsa.PrivateKey, text []byte) (Signed, error) {
	out := Signed{Bucket: f.Bucket, Object: f.Object, Hash: Hash(text)}
	sum := sha256.Sum256(f.toSign(out.Hash))
	signature, err := rsa.SignPKCS1v15(random, key, crypto.SHA256, sum[:])
	if err != nil {
		return Signed{}, fmt.Errorf("sign a digest: %w", err)
	}
	out.Signature = hex.EncodeToString(signature)
	return out, nil
}

// check says whether a signature in hex is that of the digest whose bytes are text.
func (f *File) check(key *rsa.PublicKey, text []byte, signature string) bool {
	raw, err := hex.DecodeString(signature)
	if err != nil {
		return false
	}
	sum := sha256.Sum256(f.toSign(Hash(text)))
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], raw) == nil
}

// Key is a public key that digests are verified with, as ListPublicKeys answers it.
type Key struct {
	Fingerprint string    `json:"Fingerprint"`
	Value       []byte    `json:"Value"` // PKCS #1, DER
	From        time.Time `json:"ValidityStartTime"`
	Until       time.Time `json:"ValidityEndTime"`
}

// NewKey is the Key of a public key. The fingerprint is the first half of the SHA-256 of the DER, in hex: it has the length of AWS's, which does not say what
// its own is.
func NewKey(k *rsa.PublicKey) Key {
	der := x509.MarshalPKCS1PublicKey(k)
	sum := sha256.Sum256(der)
	return Key{Fingerprint: hex.EncodeToString(sum[:16]), Value: der}
}

// Public reads the key.
func (k Key) Public() (*rsa.PublicKey, error) {
	p, err := x509.ParsePKCS1PublicKey(k.Value)
	if err != nil {
		return nil, fmt.Errorf("read public key %.64q: %w", k.Fingerprint, err)
	}
	return p, nil
}

// maxKeys bounds the keys of a list.
const maxKeys = 10_000

// ParseKeys reads what `aws cloudtrail list-public-keys` prints: PublicKeyList, with values in base64, and times as text or numbers, which are not needed.
func ParseKeys(text []byte) ([]Key, error) {
	var list struct {
		PublicKeyList []struct{ Fingerprint, Value string }
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("read public keys: %w", err)
	}
	if n := len(list.PublicKeyList); n == 0 || n > maxKeys {
		return nil, fmt.Errorf("read public keys: PublicKeyList has %d keys, not 1 to %d", n, maxKeys)
	}
	var out []Key
	for _, k := range list.PublicKeyList {
		der, err := base64.StdEncoding.DecodeString(k.Value)
		if err != nil {
			return nil, fmt.Errorf("read public key %.64q: %w", k.Fingerprint, err)
		}
		out = append(out, Key{Fingerprint: k.Fingerprint, Value: der})
		if _, err := out[len(out)-1].Public(); err != nil {
			return nil, err
		}
	}
	return out, nil
}
