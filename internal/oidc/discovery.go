package oidc

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// wellKnown is where a provider's configuration is (Discovery 1.0 section 4).
const wellKnown = "/.well-known/openid-configuration"

// ParseDiscovery reads where the keys of an issuer are from its configuration. The document must be of that issuer, exactly (Discovery 1.0
// section 4.3), and the address an https one. The error is ErrUnreachable.
func ParseDiscovery(doc []byte, issuer string) (jwksURI string, err error) {
	if len(doc) > MaxDiscovery {
		return "", fmt.Errorf("%w: the configuration is larger than %d bytes", ErrUnreachable, MaxDiscovery)
	}
	members, err := object(doc)
	if err != nil {
		return "", fmt.Errorf("%w: read the configuration: %w", ErrUnreachable, err)
	}
	if named, ok := text(members["issuer"], MaxIssuer); !ok || named != issuer {
		return "", fmt.Errorf("%w: the configuration is of another issuer", ErrUnreachable)
	}
	jwksURI, ok := text(members["jwks_uri"], MaxURI)
	if !ok {
		return "", fmt.Errorf("%w: the configuration has no jwks_uri of at most %d bytes", ErrUnreachable, MaxURI)
	}
	if err := secure(jwksURI); err != nil {
		return "", fmt.Errorf("%w: the jwks_uri %w", ErrUnreachable, err)
	}
	return jwksURI, nil
}

// discoveryURL is where an issuer's configuration is; a slash at the issuer's end is not doubled (Discovery 1.0 section 4.1).
func discoveryURL(issuer string) (string, error) {
	if len(issuer) > MaxIssuer {
		return "", fmt.Errorf("%w: the issuer is longer than %d bytes", ErrUnreachable, MaxIssuer)
	}
	if err := secure(issuer); err != nil {
		return "", fmt.Errorf("%w: the issuer %w", ErrUnreachable, err)
	}
	if strings.Contains(issuer, "?") {
		return "", fmt.Errorf("%w: the issuer has a query", ErrUnreachable)
	}
	return strings.TrimSuffix(issuer, "/") + wellKnown, nil
}

// secure says what is wrong with an address that is to be fetched.
func secure(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return errors.New("is malformed")
	case u.Scheme != "https" || u.Opaque != "":
		return errors.New("is not an https address")
	case u.Hostname() == "":
		return errors.New("names no host")
	case u.User != nil:
		return errors.New("holds credentials")
	case strings.Contains(address, "#"):
		return errors.New("has a fragment")
	}
	return nil
}
