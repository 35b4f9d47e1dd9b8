package keys

import (
	"regexp"
	"strings"
)

// aliasPrefix begins the name of every alias, reservedPrefix that of the aliases of AWS managed keys.
const (
	aliasPrefix    = "alias/"
	reservedPrefix = "alias/aws/"
)

// aliasName is what may stand in the name of an alias (API Reference, CreateAlias).
var aliasName = regexp.MustCompile(`^alias/[a-zA-Z0-9/_-]+$`)

const maxAliasName = 256

// reference is how a request names a key.
type reference struct {
	text    string
	account string // of the ARN, or the caller's
	keyID   string // empty for an alias
	alias   string // with alias/ before it; empty for a key
}

// Forms says in which forms an operation takes the name of a key, beside its id and its ARN.
type Forms int

// The forms.
const (
	KeysOnly   Forms = iota // the id of a key or its ARN
	AliasesToo              // and the name of an alias or its ARN
	ARNOnly                 // the ARN of a key, and nothing else
)

// parse reads the name of a key in a request.
func (s *Service) parse(account, text string, forms Forms) (reference, error) {
	ref := reference{text: text, account: account}
	name := text
	if strings.HasPrefix(text, "arn:") {
		parts := strings.SplitN(text, ":", 6)
		if len(parts) != 6 || parts[1] != "aws" || parts[2] != "kms" || len(parts[4]) != 12 || strings.Trim(parts[4], "0123456789") != "" {
			return ref, errorf("InvalidArnException", "Invalid arn %s", shown(text))
		}
		if parts[3] != s.region {
			return ref, notFound("Invalid arn %s", shown(parts[3]))
		}
		ref.account, name = parts[4], parts[5]
		if id, ok := strings.CutPrefix(name, "key/"); ok {
			name = id
		} else if !strings.HasPrefix(name, aliasPrefix) {
			return ref, errorf("InvalidArnException", "Invalid arn %s", shown(text))
		}
	} else if forms == ARNOnly {
		return ref, errorf("InvalidArnException", "KeyId must be the ARN of a key (was %s)", shown(text))
	}
	if strings.HasPrefix(name, aliasPrefix) {
		switch {
		case forms != AliasesToo && name != text:
			return ref, errorf("InvalidArnException", "%s is not a valid key ARN: the operation takes no alias", shown(text))
		case forms != AliasesToo, !validAlias(name):
			return ref, notFound("Invalid keyId %s", shown(text))
		}
		ref.alias = name
		return ref, nil
	}
	if _, ok := parseUUID(name); !ok {
		return ref, notFound("Invalid keyId '%s'", shown(name))
	}
	ref.keyID = name
	return ref, nil
}

func validAlias(name string) bool { return len(name) <= maxAliasName && aliasName.MatchString(name) }

// maxShown bounds what a message repeats of a request.
const maxShown = 300

func shown(text string) string {
	if len(text) > maxShown {
		text = text[:maxShown] + "…"
	}
	return strings.ToValidUTF8(text, "\ufffd")
}
