package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"darkroom/internal/uri"
)

// The values of KeyServer.Auth.
const (
	AuthSigV4  = "sigv4"
	AuthBearer = "bearer"
	AuthBasic  = "basic"
	AuthHeader = "header"
	AuthMTLS   = "mtls"
	AuthNone   = "none"
)

// Auths are how key servers can be told who asks.
var Auths = []string{AuthSigV4, AuthBearer, AuthBasic, AuthHeader, AuthMTLS, AuthNone}

// MaxKeyServers is how many key servers can be configured.
const MaxKeyServers = 256

// headerPattern is the name of a header (RFC 9110 5.6.2).
var headerPattern = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

func (s SPEKE) validate() error {
	if n := len(s.Servers); n > MaxKeyServers {
		return &Error{"speke.servers", strconv.Itoa(n), fmt.Sprintf("at most %d servers", MaxKeyServers)}
	}
	for i, k := range s.Servers {
		key := fmt.Sprintf("speke.servers[%d]", i)
		if err := k.validate(key); err != nil {
			return err
		}
		if slices.ContainsFunc(s.Servers[:i], func(o KeyServer) bool { return o.URL == k.URL }) {
			return &Error{key + ".url", k.URL, "each server once"}
		}
	}
	return nil
}

func (k KeyServer) validate(key string) error {
	u, err := uri.Parse(k.URL)
	switch {
	case err != nil:
		return &Error{key + ".url", "…", "https://HOST[:PORT][/PATH], without credentials"}
	case u.Scheme != "https" || u.RawQuery != "" || u.ForceQuery:
		return &Error{key + ".url", k.URL, "https://HOST[:PORT][/PATH]"}
	case !slices.Contains(Auths, k.Auth):
		return &Error{key + ".auth", k.Auth, "one of " + strings.Join(Auths, ", ")}
	}
	for _, m := range []struct {
		auth, name, value string
		needed            bool
	}{
		{AuthSigV4, "region", k.Region, false},
		{AuthSigV4, "credentials_file", k.CredentialsFile, false},
		{AuthBearer, "token_file", k.TokenFile, true},
		{AuthBasic, "user", k.User, true},
		{AuthBasic, "password_file", k.PasswordFile, true},
		{AuthHeader, "header", k.Header, true},
		{AuthHeader, "value_file", k.ValueFile, true},
		{AuthMTLS, "certificate_file", k.CertificateFile, true},
		{AuthMTLS, "key_file", k.KeyFile, true},
	} {
		at := key + "." + m.name
		switch {
		case m.value != "" && m.auth != k.Auth:
			return &Error{at, m.value, "nothing while " + key + ".auth is not " + m.auth}
		case m.value == "" && m.auth == k.Auth && m.needed:
			return &Error{at, "", "something, with " + key + ".auth " + m.auth}
		case strings.HasSuffix(m.name, "_file") && strings.Contains(m.value, "\x00"):
			return &Error{at, m.value, "a file"}
		}
	}
	switch {
	case k.Region != "" && !validRegion(k.Region):
		return &Error{key + ".region", k.Region, "an AWS Region such as us-east-1"}
	case strings.ContainsFunc(k.User, func(r rune) bool { return r == ':' || r < ' ' || r == 0x7f }):
		return &Error{key + ".user", k.User, "a name without a colon"}
	case k.Header != "" && !headerPattern.MatchString(k.Header):
		return &Error{key + ".header", k.Header, "the name of a header such as X-Api-Key"}
	}
	return nil
}
