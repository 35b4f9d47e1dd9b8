// Package sigv4 verifies AWS Signature Version 4 on requests, and on request bodies as they are read.
//
// It follows "AWS Signature Version 4 for API requests" (IAM user guide) and, for S3, "Authenticating Requests: Using Query
// Parameters" and "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks" (S3 API
// reference). Signature Version 2 and the asymmetric Version 4A are refused as unsupported.
//
// The package is pure: the request, the secret and the time are arguments. Parse reads what the request claims; Verify decides
// whether the claim holds; NewBody gives a reader that verifies an S3 body while it streams. Nothing that Parse returns may be
// trusted before Verify has returned without an error.
package sigv4

import (
	"strings"
	"time"

	"darkroom/internal/secret"
)

// Algorithm is the only signing algorithm that is accepted.
const Algorithm = "AWS4-HMAC-SHA256"

// Limits and times of the specification.
const (
	// MaxSkew is how far the time of a request may be from ours, both ways.
	MaxSkew = 15 * time.Minute
	// MaxExpires is the longest that a presigned request may be valid.
	MaxExpires = 7 * 24 * time.Hour
	// maxSignedHeaders bounds the SignedHeaders list.
	maxSignedHeaders = 256
)

const (
	timeFormat = "20060102T150405Z"
	dateFormat = "20060102"
	terminator = "aws4_request"
	serviceS3  = "s3"
	globalHome = "us-east-1"
)

// Values of x-amz-content-sha256 that are not a hash.
const (
	UnsignedPayload            = "UNSIGNED-PAYLOAD"
	StreamingUnsignedTrailer   = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	StreamingSigned            = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	StreamingSignedWithTrailer = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
)

// Request is the part of an HTTP request that a signature covers, as it was on the wire.
type Request struct {
	Method   string
	RawPath  string // the escaped path, never a decoded one
	RawQuery string // without the question mark
	Host     string // Host header or :authority
	// Header has the other headers, in any case of letters. It is not changed. A server that takes Content-Length or
	// Transfer-Encoding out of the headers must put them back here.
	Header map[string][]string
}

// Scope is the credential scope: DATE/REGION/SERVICE/aws4_request.
type Scope struct {
	Date    string // YYYYMMDD
	Region  string
	Service string // signing name, such as mediaconvert
}

func (s Scope) String() string {
	return strings.Join([]string{s.Date, s.Region, s.Service, terminator}, "/")
}

// Credential is what a request claims about its signature. Nothing in it is to be trusted before Verify.
type Credential struct {
	AccessKeyID   string
	Scope         Scope
	Time          time.Time
	SignedHeaders []string // lower-case, sorted
	Presigned     bool     // the query form
	Expires       time.Duration

	token     string // security token as sent, "" if none
	sentHash  string // x-amz-content-sha256 as sent, "" if none
	signature string // lower-case hex
	request   Request
	header    map[string][]string // by lower-case name, with host
	query     []parameter         // decoded, without the signature
}

// parameter is one query parameter, decoded.
type parameter struct{ name, value string }

// Key is what an access key id stands for.
type Key struct {
	Secret secret.Bytes
	// Token is the session token that must come with the key, empty for a long-term key.
	Token secret.Bytes
	// Expiry is when a temporary key ends; zero for never.
	Expiry time.Time
}

// Token returns the session token as it was sent; empty if none was.
func (c *Credential) Token() string { return c.token }
