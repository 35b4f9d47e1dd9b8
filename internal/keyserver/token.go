package keyserver

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	"darkroom/internal/cenc"
	"darkroom/internal/identity"
	"darkroom/internal/secret"
)

// Limits of tokens.
const (
	// MaxToken is the longest token, in bytes of its text. It stands in the path of every request of a player.
	MaxToken = 8 << 10
	// DefaultTokenLife and MaxTokenLife are how long a token holds.
	DefaultTokenLife = time.Hour
	MaxTokenLife     = 12 * time.Hour
	// MaxTokenContents bounds the content ids of one token.
	MaxTokenContents = 8
	// MaxTokenKeys bounds the keys of one token.
	MaxTokenKeys = 64
)

// ErrToken is returned for a token that was not made here, was altered, or has ended. It does not say which.
var ErrToken = errors.New("the token does not open")

// Content is what a token says of a content id: which of its keys go out for it.
type Content struct {
	ID   string
	Keys []cenc.UUID
}

// Token is what a player may have, and for whom. It is an upper bound: what its principal may not do any more, the token does not open either.
type Token struct {
	Who identity.Standing
	// Bucket and Prefix are where the objects are. A prefix ends with a slash, or is empty for the whole bucket.
	Bucket, Prefix string
	Contents       []Content `json:",omitempty"`
	Expires        time.Time
}

// Tokens seals tokens into texts and opens them. It is safe for concurrent use.
type Tokens struct {
	sealer *secret.Sealer
	now    func() time.Time
}

// boundTo is the additional data of sealed tokens.
const boundTo = "player token"

// NewTokens returns the tokens of an installation. now is the clock; nil means time.Now.
func NewTokens(master secret.Bytes, random io.Reader, now func() time.Time) (*Tokens, error) {
	s, err := secret.NewSealer(master, "player tokens", random)
	if err != nil {
		return nil, err
	}
	if now == nil {
		now = time.Now
	}
	return &Tokens{s, now}, nil
}

// Issue seals a token: AES-256-GCM, so that a token also does not tell whose it is.
func (t *Tokens) Issue(about Token) (secret.Bytes, error) {
	now := t.now()
	keys := 0
	for _, c := range about.Contents {
		keys += len(c.Keys)
	}
	switch {
	case !about.Expires.After(now) || about.Expires.Sub(now) > MaxTokenLife:
		return secret.Bytes{}, refuse(Invalid, "A token holds for up to %s.", MaxTokenLife)
	case about.Bucket == "" || about.Prefix != "" && !strings.HasSuffix(about.Prefix, "/"):
		return secret.Bytes{}, refuse(Invalid, "A token is for a bucket and a prefix that ends with a slash.")
	case len(about.Contents) > MaxTokenContents || keys > MaxTokenKeys:
		return secret.Bytes{}, refuse(Invalid, "A token is for up to %d content ids with %d keys together.", MaxTokenContents, MaxTokenKeys)
	case about.Who.Account == "":
		return secret.Bytes{}, errors.New("a token is somebody's")
	}
	of := make(map[cenc.UUID]bool, keys)
	for _, c := range about.Contents {
		for _, id := range c.Keys {
			if of[id] {
				return secret.Bytes{}, refuse(Ambiguous, "The KID %s is that of keys of several of the contents: a player could not say which it means. Make a token for each content.", id)
			}
			of[id] = true
		}
	}
	about.Expires = about.Expires.UTC().Truncate(time.Second)
	text, err := json.Marshal(about)
	if err != nil {
		return secret.Bytes{}, err
	}
	raw, err := t.sealer.Seal([]byte(boundTo), text)
	if err != nil {
		return secret.Bytes{}, err
	}
	out := make([]byte, base64.RawURLEncoding.EncodedLen(len(raw)))
	base64.RawURLEncoding.Encode(out, raw)
	if len(out) > MaxToken {
		return secret.Bytes{}, refuse(Invalid, "The token would have more than %d bytes: content ids, tags or policies of the session are too many or too large.", MaxToken)
	}
	return secret.New(out), nil
}

// Open returns what a token allows now, or ErrToken.
func (t *Tokens) Open(text string) (Grant, error) {
	if len(text) > MaxToken {
		return Grant{}, ErrToken
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") { // which the decoder leaves out
		return Grant{}, ErrToken
	}
	plain, err := t.sealer.Open([]byte(boundTo), raw)
	if err != nil {
		return Grant{}, ErrToken
	}
	about := new(Token)
	if err := json.Unmarshal(plain, about); err != nil || !t.now().Before(about.Expires) {
		return Grant{}, ErrToken
	}
	return Grant{about}, nil
}

// Grant is an open token. The zero value allows nothing.
type Grant struct{ token *Token }

// Who is whom the grant is for; nobody for the zero value.
func (g Grant) Who() identity.Standing {
	if g.token == nil {
		return identity.Standing{}
	}
	return g.token.Who
}

// Ask is what a player asks for: an object, by its name below the prefix, or a key.
type Ask struct {
	Object string
	Key    cenc.UUID
}

// Given is what a grant says to an Ask: the object, or the key and the content that it is of.
type Given struct {
	Bucket, Object string
	Content        string
	Key            cenc.UUID
}

// Allow says whether a token is for what is asked for, and what that is: the one place where that is decided. It says nothing of what its principal may do.
func (g Grant) Allow(a Ask) (Given, bool) {
	switch {
	case g.token == nil || (a.Object == "") == a.Key.IsZero(): // for exactly one of both
		return Given{}, false
	case a.Object != "":
		if !PlainName(a.Object) || g.token.Bucket == "" {
			return Given{}, false
		}
		return Given{Bucket: g.token.Bucket, Object: g.token.Prefix + a.Object}, true
	}
	for _, c := range g.token.Contents { // one of them at most: Issue saw to that
		if slices.Contains(c.Keys, a.Key) {
			return Given{Content: c.ID, Key: a.Key}, true
		}
	}
	return Given{}, false
}

// PlainName says whether the name of an object means the same to everybody on its way: no step up, none that is empty, nothing that a path may be read
// another way by.
func PlainName(name string) bool {
	if strings.ContainsFunc(name, func(r rune) bool { return r == '\\' || unicode.IsControl(r) || r == unicode.ReplacementChar }) {
		return false
	}
	for step := range strings.SplitSeq(name, "/") {
		if step == "" || step == "." || step == ".." {
			return false
		}
	}
	return true
}
