package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"time"
)

// Expectation is what Verify holds a request against.
type Expectation struct {
	// Region is ours. The services in Global also take us-east-1, which is what their clients sign wherever they are.
	Region string
	// BodyHash is the lower-case hex SHA-256 of the whole body. It is needed for every service but s3, whose bodies are verified by
	// NewBody as they stream.
	BodyHash string
	Now      time.Time
}

// global are the services whose clients sign for us-east-1 in every region.
var global = map[string]bool{"iam": true, "sts": true}

// Signed is a request whose signature holds.
type Signed struct {
	Credential *Credential

	payload   string // the payload hash of the canonical request
	signature string
	key       []byte // signing key, for the chunks of the body
}

// dummySecret stands in for the secret of an unknown key, so that refusing it costs the same as refusing a wrong signature.
var dummySecret = []byte("this key belongs to nobody, at all, ever")

// Verify decides whether the signature holds. A nil key says that the access key id is unknown; it is refused after the same work. Every
// error is an *Error.
func (c *Credential) Verify(key *Key, want Expectation) (*Signed, error) {
	s, err := c.verify(key, want)
	if err != nil {
		err.Presigned = c.Presigned
		return nil, err
	}
	return s, nil
}

func (c *Credential) verify(key *Key, want Expectation) (*Signed, *Error) {
	if err := c.checkTime(want.Now); err != nil {
		return nil, err
	}
	if r := c.Scope.Region; r != want.Region && !(global[c.Scope.Service] && r == globalHome) {
		err := refuse(WrongRegion, "Credential should be scoped to a valid region: '%s'.", want.Region)
		err.Region = want.Region
		return nil, err
	}
	payload, err := c.payload(want.BodyHash)
	if err != nil {
		return nil, err
	}

	secretKey := dummySecret
	if key != nil {
		secretKey = key.Secret.Reveal()
	}
	signing := signingKey(secretKey, c.Scope)
	match := 0
	for _, path := range canonicalPaths(c.Scope.Service, c.request.RawPath) {
		sum := hex.EncodeToString(hmacSHA256(signing, c.stringToSign(path, payload)))
		match |= subtle.ConstantTimeCompare([]byte(sum), []byte(c.signature))
	}
	switch {
	case key == nil || len(secretKey) == 0:
		return nil, refuse(UnknownKey, textUnknownKey)
	case match != 1:
		return nil, refuse(BadSignature, textBadSignature)
	}
	if err := c.checkToken(key, want.Now); err != nil {
		return nil, err
	}
	return &Signed{Credential: c, payload: payload, signature: c.signature, key: signing}, nil
}

func (c *Credential) checkTime(now time.Time) *Error {
	now = now.UTC()
	stamp := func(t time.Time) string { return t.Format(timeFormat) }
	if late := now.Add(MaxSkew); c.Time.After(late) {
		return refuse(NotYetCurrent, "Signature not yet current: %s is still later than %s (%s + 15 min.)", stamp(c.Time), stamp(late), stamp(now))
	}
	if c.Presigned {
		if now.After(c.Time.Add(c.Expires)) {
			return refuse(RequestExpired, textRequestExpired)
		}
		return nil
	}
	if early := now.Add(-MaxSkew); c.Time.Before(early) {
		return refuse(Expired, "Signature expired: %s is now earlier than %s (%s - 15 min.)", stamp(c.Time), stamp(early), stamp(now))
	}
	return nil
}

// payload returns the payload hash of the canonical request.
func (c *Credential) payload(body string) (string, *Error) {
	if c.Scope.Service != serviceS3 {
		if len(body) != 64 {
			return "", refuse(PayloadMismatch, "The body of the request was not read.")
		}
		if c.sentHash != "" && c.sentHash != body {
			return "", refuse(PayloadMismatch, "The value of x-amz-content-sha256 is not the SHA-256 of the body.")
		}
		return body, nil
	}
	switch sent := c.sentHash; {
	case sent == "" && c.Presigned:
		return UnsignedPayload, nil
	case sent == "":
		return "", refuse(Incomplete, "Missing required header for this request: x-amz-content-sha256")
	case sent == UnsignedPayload, len(sent) == 64 && isLowerHex(sent):
		return sent, nil
	case sent == StreamingSigned, sent == StreamingSignedWithTrailer, sent == StreamingUnsignedTrailer:
		return sent, nil
	}
	return "", refuse(Incomplete, "x-amz-content-sha256 must be %s, %s, %s, %s or a valid sha256 value.",
		UnsignedPayload, StreamingUnsignedTrailer, StreamingSigned, StreamingSignedWithTrailer)
}

func (c *Credential) checkToken(key *Key, now time.Time) *Error {
	if subtle.ConstantTimeCompare(key.Token.Reveal(), []byte(c.token)) != 1 {
		return refuse(InvalidToken, textUnknownKey)
	}
	if !key.Expiry.IsZero() && !now.Before(key.Expiry) {
		return refuse(ExpiredToken, textExpiredToken)
	}
	return nil
}

func signingKey(secretKey []byte, s Scope) []byte {
	k := make([]byte, 0, 4+len(secretKey))
	k = append(append(k, "AWS4"...), secretKey...)
	k = hmacSHA256(k, s.Date)
	k = hmacSHA256(k, s.Region)
	k = hmacSHA256(k, s.Service)
	return hmacSHA256(k, terminator)
}

func hmacSHA256(key []byte, data string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(data))
	return m.Sum(nil)
}
