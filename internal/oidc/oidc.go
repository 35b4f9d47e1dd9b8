// Package oidc verifies the ID tokens of OpenID Connect providers, for STS AssumeRoleWithWebIdentity.
//
// It does what a relying party must do: OpenID Connect Core 1.0 section 3.1.3.7 and Discovery 1.0 section 4, on JSON Web Tokens (RFC 7519),
// Signatures (RFC 7515) and Keys (RFC 7517), as RFC 8725 advises. Signatures and the numbers of keys are read by go-jose; everything around
// them, which is where such verifiers fail, is here. It knows no flow, no access token, no encrypted token, and follows no address that a
// token names: keys come from the issuer that the caller has configured, and from nowhere else.
//
// The package is pure: time and fetching are handed in.
package oidc

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// The ways in which a token is refused. The text of an error never holds a part of the token. ErrKeyUnknown and ErrAudience are ErrInvalid too,
// so that a caller who does not tell them apart still refuses rightly.
var (
	// ErrInvalid is a token that proves nothing (InvalidIdentityToken).
	ErrInvalid = errors.New("the identity token is not valid")
	// ErrExpired is a token that was good once (ExpiredTokenException).
	ErrExpired = errors.New("the identity token is expired")
	// ErrAudience is a token for somebody else (InvalidIdentityToken, "Incorrect token audience").
	ErrAudience = fmt.Errorf("%w: its audience is not one of the provider's client ids", ErrInvalid)
	// ErrKeyUnknown is a token signed with a key that is not in the set: a newer set may have it.
	ErrKeyUnknown = fmt.Errorf("%w: the provider has no usable key of its key id", ErrInvalid)
	// ErrUnreachable is a provider whose documents cannot be had, or cannot be read (IDPCommunicationError). What it wraps is for the log: it
	// may name addresses of the inside.
	ErrUnreachable = errors.New("the identity provider's keys cannot be had")
)

// Limits.
const (
	// MinToken and MaxToken are the lengths of WebIdentityToken in characters.
	MinToken, MaxToken = 4, 20000
	// MaxIssuer, MaxSubject (Core section 2) and MaxAudience (ClientIDList) are in bytes.
	MaxIssuer, MaxSubject, MaxAudience = 255, 255, 255
	// MaxKeyID is the longest kid, in bytes.
	MaxKeyID = 1024
	// MaxList is the most members that aud, amr and the like may have.
	MaxList = 100
	// MaxKeySet and MaxKeys are the size of a JWK set.
	MaxKeySet, MaxKeys = 256 << 10, 100
	// MaxDiscovery is the size of a discovery document, MaxURI that of its jwks_uri.
	MaxDiscovery, MaxURI = 64 << 10, 2048
	// MinRSA is the least size of an RSA modulus in bits (RFC 7518 section 3.3). The most is go-jose's, 4096.
	MinRSA = 2048
	// MaxSkew is how far iat and nbf may lie in the future, for the provider's clock may be ahead. exp has no such leeway.
	MaxSkew = 5 * time.Minute
)

// algorithms are those that a token may be signed with (RFC 8725 section 3.1): asymmetric ones alone, so that no key that is public can be
// taken for a shared secret.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.ES256, jose.ES384, jose.ES512}

// Claims are what a verified token says.
type Claims struct {
	Issuer, Subject       string    // iss, sub
	Audience              []string  // aud, one at least
	AuthorizedParty       string    // azp, empty if there is none
	AuthenticationMethods []string  // amr
	Expiry, IssuedAt      time.Time // exp, iat
	NotBefore             time.Time // nbf, zero if there is none
	// PrincipalTags and TransitiveTagKeys are the session tags of the claim https://aws.amazon.com/tags.
	PrincipalTags     map[string]string
	TransitiveTagKeys []string
	SourceIdentity    string // https://aws.amazon.com/source_identity
}

// Expectation is what a token must be for. Its zero value accepts none.
type Expectation struct {
	Issuer    string   // exactly
	Audiences []string // the client ids of the provider
	Now       time.Time
}

// Peek reads who a token says it is from, so that the provider can be looked up, and with which key it says it is signed, if it does. Nothing of
// it is verified. The error is ErrInvalid.
func Peek(text string) (issuer, kid string, err error) {
	t, err := parse(text)
	if err != nil {
		return "", "", err
	}
	return t.issuer, t.kid, nil
}

// Verify says what a token claims, if it is signed with a key of the JWK set and is as wanted. The errors are those of this package.
func Verify(text string, set []byte, want Expectation) (Claims, error) {
	t, err := parse(text)
	if err != nil {
		return Claims{}, err
	}
	keys, err := parseKeys(set)
	if err != nil {
		return Claims{}, err
	}
	return t.verify(keys, want)
}

// invalid is ErrInvalid with a reason, which is a text of ours alone.
func invalid(reason string) error { return fmt.Errorf("%w: %s", ErrInvalid, reason) }
