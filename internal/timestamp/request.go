// Package timestamp asks for time stamps and verifies them: RFC 3161 with RFC 5816, over SHA-256. A time stamp is proof by somebody else, the time-stamping
// authority (TSA), that bytes existed at a time.
//
// It reads DER and nothing looser. It does not ask whether a certificate was revoked: the authorities that are trusted are few, and are configured.
package timestamp

import (
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// MaxResponse bounds a response, in bytes.
const MaxResponse = 64 << 10

// The media types of requests and responses over HTTP (RFC 3161 section 3.4).
const (
	QueryType = "application/timestamp-query"
	ReplyType = "application/timestamp-reply"
)

var (
	oidSHA256 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidSHA384 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}
	oidSHA512 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}
)

type messageImprint struct {
	HashAlgorithm pkix.AlgorithmIdentifier
	HashedMessage []byte
}

// request is TimeStampReq (RFC 3161 section 2.4.1).
type request struct {
	Version int
	Imprint messageImprint
	Nonce   *big.Int
	CertReq bool
}

// NewRequest returns a request for a time stamp of a SHA-256 digest. nonce is a random positive number of the caller's, by which the answer is known to be one
// to this request. The answer is asked to hold the certificate of its signer.
func NewRequest(digest [sha256.Size]byte, nonce *big.Int) ([]byte, error) {
	if nonce == nil || nonce.Sign() <= 0 {
		return nil, errors.New("a time stamp request needs a nonce")
	}
	return asn1.Marshal(request{
		Version: 1, Nonce: nonce, CertReq: true,
		Imprint: messageImprint{pkix.AlgorithmIdentifier{Algorithm: oidSHA256, Parameters: asn1.NullRawValue}, digest[:]},
	})
}

// response is TimeStampResp (RFC 3161 section 2.4.2).
type response struct {
	Status struct {
		Status   int
		Text     []asn1.RawValue `asn1:"optional"`
		FailInfo asn1.BitString  `asn1:"optional"`
	}
	Token asn1.RawValue `asn1:"optional"`
}

// failures are the bits of PKIFailureInfo that a TSA sets.
var failures = map[int]string{
	0: "it does not know the hash algorithm", 2: "it does not permit the request", 5: "it cannot read the request", 14: "its clock is not available",
	15: "it does not support the policy", 16: "it does not support an extension", 17: "it has not the additional information", 25: "it has failed",
}

// RefusedError is an answer with which a TSA gives no time stamp.
type RefusedError struct {
	Status  int    // PKIStatus
	Failure string // what PKIFailureInfo says, in words of our own; may be empty
}

func (e *RefusedError) Error() string {
	if e.Failure == "" {
		return fmt.Sprintf("the time-stamping authority refused: status %d", e.Status)
	}
	return fmt.Sprintf("the time-stamping authority refused: status %d: %s", e.Status, e.Failure)
}

// Token takes the time stamp out of a response. A response without one is a *RefusedError.
func Token(der []byte) ([]byte, error) {
	if len(der) > MaxResponse {
		return nil, fmt.Errorf("a time stamp response has more than %d bytes", MaxResponse)
	}
	var r response
	rest, err := asn1.Unmarshal(der, &r)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read a time stamp response: %w", err)
	case len(rest) > 0:
		return nil, errors.New("read a time stamp response: bytes stand behind it")
	}
	if r.Status.Status != 0 && r.Status.Status != 1 { // granted; granted with changes
		refused := &RefusedError{Status: r.Status.Status}
		var why []string
		for bit := range r.Status.FailInfo.BitLength {
			if r.Status.FailInfo.At(bit) == 1 && failures[bit] != "" {
				why = append(why, failures[bit])
			}
		}
		refused.Failure = strings.Join(why, ", ")
		return nil, refused
	}
	if len(r.Token.FullBytes) == 0 {
		return nil, errors.New("read a time stamp response: it grants and holds no time stamp")
	}
	return r.Token.FullBytes, nil
}
