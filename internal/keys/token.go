package keys

import (
	"crypto/hmac"
	"encoding/base64"
	"strings"

	"darkroom/internal/secret"
)

// Grant tokens and the markers of lists are authenticated, so that nobody but this installation makes one, and bound to what they are for.

// encoding is strict: of each token there is one spelling.
var encoding = base64.RawURLEncoding.Strict()

// sign writes a text with the digest of it and of what it is for.
func (s *Service) sign(text string, scope ...string) string {
	digest := secret.Name(s.tokens, append(scope, text)...)
	return encoding.EncodeToString(append(digest[:], text...))
}

// verify gives back the text of sign; false if it was not signed for the same.
func (s *Service) verify(signed string, scope ...string) (string, bool) {
	raw, err := encoding.DecodeString(signed)
	if err != nil || len(signed) > maxToken {
		return "", false
	}
	var digest [32]byte
	if len(raw) < len(digest) {
		return "", false
	}
	text := string(raw[len(digest):])
	digest = secret.Name(s.tokens, append(scope, text)...)
	return text, hmac.Equal(digest[:], raw[:len(digest)])
}

// maxToken bounds a token or a marker (API Reference: GrantTokenType has 8192, MarkerType 1024 characters).
const maxToken = 1024

// grantToken is the token for a grant.
func (s *Service) grantToken(account string, g *Grant) string {
	return s.sign(g.KeyID+"/"+g.ID, "grant", account)
}

type openedToken struct{ keyID, grantID string }

func (s *Service) openToken(account, token string) (openedToken, error) {
	text, ok := s.verify(token, "grant", account)
	keyID, grantID, cut := strings.Cut(text, "/")
	if !ok || !cut {
		return openedToken{}, errorf("InvalidGrantTokenException", "The grant token is not valid.")
	}
	return openedToken{keyID, grantID}, nil
}

func (s *Service) validTokens(account string, tokens []string) error {
	if len(tokens) > MaxGrantTokens {
		return Invalidf("GrantTokens has %d tokens; allowed are %d", len(tokens), MaxGrantTokens)
	}
	for _, t := range tokens {
		if _, err := s.openToken(account, t); err != nil {
			return err
		}
	}
	return nil
}

// Page is which part of a list is wanted.
type Page struct {
	Marker string // of the page before; empty for the first
	Limit  int
	// Scope says of which list: its operation, and what it was narrowed by. A marker is good for the same list of the same account alone.
	Scope []string
}

// Cut cuts one page out of a list that is in the order of its items' names, which are unique. next is the marker of the page behind it; empty for the last.
func Cut[T any](s *Service, account string, all []T, name func(T) string, p Page) (items []T, next string, err error) {
	scope := append([]string{"marker", account}, p.Scope...)
	if p.Marker != "" {
		after, ok := s.verify(p.Marker, scope...)
		if !ok {
			return nil, "", errorf("InvalidMarkerException", "The marker is not one of this list.")
		}
		begin := len(all)
		for i := range all {
			if name(all[i]) > after {
				begin = i
				break
			}
		}
		all = all[begin:]
	}
	if len(all) <= p.Limit {
		return all, "", nil
	}
	return all[:p.Limit], s.sign(name(all[p.Limit-1]), scope...), nil
}
