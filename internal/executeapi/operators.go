package executeapi

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"darkroom/internal/iam"
)

// Limits of the file of operators' credentials.
const (
	maxOperators = 64
	minOperator  = 20 // characters of a secret
	maxOperator  = 1024
)

// Operators are the credentials of machines that cannot sign. Each stands for a user of the main account, whose policies decide.
type Operators struct {
	users map[[sha256.Size]byte]string // by the digest of the Authorization header
}

// ParseOperators reads the file of operators' credentials: on each line the name of an IAM user, then
//
//	bearer TOKEN
//	basic NAME:PASSWORD
//
// Empty lines and those that begin with # are left out. Errors name lines, and nothing of what stands in them.
func ParseOperators(text []byte) (*Operators, error) {
	o := &Operators{users: make(map[[sha256.Size]byte]string)}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		words := strings.Fields(line)
		bad := func(why string) error { return fmt.Errorf("line %d: %s", n, why) }
		if len(words) != 3 {
			return nil, bad("want USER bearer TOKEN, or USER basic NAME:PASSWORD")
		}
		var header, secret string
		switch words[1] {
		case "bearer":
			header, secret = "Bearer "+words[2], words[2]
		case "basic":
			name, password, ok := strings.Cut(words[2], ":")
			if !ok || name == "" {
				return nil, bad("want NAME:PASSWORD behind basic")
			}
			header, secret = "Basic "+base64.StdEncoding.EncodeToString([]byte(words[2])), password
		default:
			return nil, bad("the kind is neither bearer nor basic")
		}
		if len(secret) < minOperator || len(words[2]) > maxOperator {
			return nil, bad(fmt.Sprintf("a token or password has %d characters at least, and the whole %d at most", minOperator, maxOperator))
		}
		digest := sha256.Sum256([]byte(header))
		if _, ok := o.users[digest]; ok {
			return nil, bad("the credential stands in the file twice")
		}
		if len(o.users) == maxOperators {
			return nil, bad(fmt.Sprintf("there are more than %d credentials", maxOperators))
		}
		o.users[digest] = words[0]
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return o, nil
}

// Find returns the user that an Authorization header stands for, and false for none. Headers are looked up by their digests, so that the time it takes tells nothing
// of a credential.
func (o *Operators) Find(authorization string) (user string, ok bool) {
	scheme, rest, ok := strings.Cut(authorization, " ")
	if o == nil || !ok {
		return "", false
	}
	switch strings.ToLower(scheme) { // RFC 9110 section 11.1
	case "bearer":
		authorization = "Bearer " + rest
	case "basic":
		authorization = "Basic " + rest
	default:
		return "", false
	}
	user, ok = o.users[sha256.Sum256([]byte(authorization))]
	return user, ok
}

// Users finds a user by name.
type Users interface {
	NamedUser(ctx context.Context, account, name string) (iam.Principal, bool, error)
}

// LetIn returns the function of Options.Operators: the credential's user, as they are now.
func (o *Operators) LetIn(people Users, account string) func(ctx context.Context, authorization string) (iam.Principal, error) {
	return func(ctx context.Context, authorization string) (iam.Principal, error) {
		name, ok := o.Find(authorization)
		if !ok {
			return iam.Principal{}, nil
		}
		p, _, err := people.NamedUser(ctx, account, name)
		return p, err
	}
}
