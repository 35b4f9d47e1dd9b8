// Package provenance is what an installation states about a job, and signs: statements of in-toto (in-toto Attestation Framework, Statement v1) in envelopes of DSSE (Dead
// Simple Signing Envelope, protocol 1.0). docs/provenance.md describes the predicate.
package provenance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// PayloadType is the type of an in-toto statement in an envelope.
const PayloadType = "application/vnd.in-toto+json"

// maxSignatures bounds the signatures of an envelope that are looked at.
const maxSignatures = 16

// The errors of Verify.
var (
	// ErrEnvelope says that something is no envelope.
	ErrEnvelope = errors.New("this is no DSSE envelope")
	// ErrUnknownKey says that no signature is of a key that is trusted.
	ErrUnknownKey = errors.New("the envelope is signed with none of the keys that are trusted")
	// ErrSignature says that a signature of a trusted key is not that of the payload.
	ErrSignature = errors.New("the signature is not that of the payload: something was changed")
)

// Envelope is an envelope of DSSE.
type Envelope struct {
	Payload     string      `json:"payload"` // base64
	PayloadType string      `json:"payloadType"`
	Signatures  []Signature `json:"signatures"`
}

// Signature is one signature of an envelope.
type Signature struct {
	KeyID string `json:"keyid"`
	Sig   string `json:"sig"` // base64 of an ECDSA signature in ASN.1 DER
}

// PAE is the pre-authentication encoding, which is what is signed.
func PAE(payloadType string, payload []byte) []byte {
	out := append([]byte("DSSEv1 "), strconv.Itoa(len(payloadType))...)
	out = append(append(out, ' '), payloadType...)
	out = append(append(out, ' '), strconv.Itoa(len(payload))...)
	return append(append(out, ' '), payload...)
}

// KeyID is the id of a public key: the SHA-256, in hex, of its SubjectPublicKeyInfo in DER.
func KeyID(key *ecdsa.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:]), nil
}

// MarshalKey writes a public key as PEM.
func MarshalKey(key *ecdsa.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), nil
}

// ParseKeys reads public keys of ECDSA P-256 from PEM, one or more.
func ParseKeys(text []byte) ([]*ecdsa.PublicKey, error) {
	var out []*ecdsa.PublicKey
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "PUBLIC KEY" {
			return nil, fmt.Errorf("a PEM block is a %.40q, not a PUBLIC KEY", block.Type)
		}
		any, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read a public key: %w", err)
		}
		key, ok := any.(*ecdsa.PublicKey)
		if !ok || key.Curve != elliptic.P256() {
			return nil, errors.New("a public key is not of ECDSA P-256")
		}
		out = append(out, key)
	}
	if len(out) == 0 {
		return nil, errors.New("there is no public key in PEM")
	}
	return out, nil
}

// Sign puts a payload into an envelope, signed with ECDSA P-256 over SHA-256.
func Sign(random io.Reader, payloadType string, payload []byte, key *ecdsa.PrivateKey) (*Envelope, error) {
	id, err := KeyID(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(PAE(payloadType, payload))
	sig, err := ecdsa.SignASN1(random, key, sum[:])
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return &Envelope{
		Payload: base64.StdEncoding.EncodeToString(payload), PayloadType: payloadType,
		Signatures: []Signature{{id, base64.StdEncoding.EncodeToString(sig)}},
	}, nil
}

// ParseEnvelope reads an envelope.
func ParseEnvelope(text []byte) (*Envelope, error) {
	var e Envelope
	if err := json.Unmarshal(text, &e); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEnvelope, err)
	}
	if e.Payload == "" || e.PayloadType == "" || len(e.Signatures) == 0 || len(e.Signatures) > maxSignatures {
		return nil, fmt.Errorf("%w: it needs payload, payloadType, and 1 to %d signatures", ErrEnvelope, maxSignatures)
	}
	return &e, nil
}

// decode reads base64 of the standard or the URL-safe alphabet: DSSE allows both.
func decode(text string) ([]byte, error) {
	if b, err := base64.StdEncoding.DecodeString(text); err == nil {
		return b, nil
	}
	return base64.URLEncoding.DecodeString(text)
}

// Verify returns the payload of an envelope of a type, and the id of the trusted key that has signed it. One good signature of a trusted key is enough; the id that
// a signature gives is a hint and decides nothing.
func (e *Envelope) Verify(payloadType string, trusted []*ecdsa.PublicKey) (payload []byte, keyID string, err error) {
	if e.PayloadType != payloadType {
		return nil, "", fmt.Errorf("%w: its payload is a %.100q, not a %s", ErrEnvelope, e.PayloadType, payloadType)
	}
	if payload, err = decode(e.Payload); err != nil {
		return nil, "", fmt.Errorf("%w: payload: %w", ErrEnvelope, err)
	}
	sum := sha256.Sum256(PAE(e.PayloadType, payload))
	known := false
	for _, key := range trusted {
		id, err := KeyID(key)
		if err != nil {
			return nil, "", err
		}
		for _, s := range e.Signatures {
			sig, err := decode(s.Sig)
			if err == nil && ecdsa.VerifyASN1(key, sum[:], sig) {
				return payload, id, nil
			}
			known = known || s.KeyID == id
		}
	}
	if known {
		return nil, "", ErrSignature
	}
	return nil, "", ErrUnknownKey
}
