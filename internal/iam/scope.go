package iam

import (
	"strconv"
	"strings"
	"time"
)

// scope is where the conditions of one request find the values of their keys. What is known of the principal and of the resource comes from
// there alone, so that nothing in a request can pretend to it.
type scope struct {
	*Request
	found *memo // nil where few keys are asked for
}

// memo remembers the values of the keys that a request was asked for first; policies ask for the same few again and again.
type memo struct {
	keys   [memoSize]string
	values [memoSize][]string
	used   int
}

const memoSize = 8

// Prefixes of keys that end in the name of a tag. The name is matched without regard to case, as the rest of a key is.
const (
	principalTag   = "aws:principaltag/"
	resourceTag    = "aws:resourcetag/"
	iamResourceTag = "iam:resourcetag/"
)

// values returns the values of a key, whose name is in lower case; none if it is absent.
// Source: IAM User Guide, "AWS global condition context keys".
func (s scope) values(key string) []string {
	if s.found == nil {
		return s.lookUp(key)
	}
	for i := range s.found.used {
		if s.found.keys[i] == key {
			return s.found.values[i]
		}
	}
	v := s.lookUp(key)
	if i := s.found.used; i < memoSize {
		s.found.keys[i], s.found.values[i] = key, v
		s.found.used++
	}
	return v
}

func (s scope) lookUp(key string) []string {
	if v, ok := s.Assumed.values[key]; ok {
		return v
	}
	if v, known := s.own(key); known {
		return v
	}
	if v, ok := s.Context.values[key]; ok {
		return v
	}
	return s.Check.Context.values[key]
}

// own returns what the principal, the resource and the clock say. known is true for a key that only they can say something of.
func (s scope) own(key string) (values []string, known bool) {
	p := &s.Principal
	if !strings.HasPrefix(key, "aws:") && !strings.HasPrefix(key, iamResourceTag) {
		return nil, false
	}
	switch key {
	case "aws:currenttime":
		if s.Now.IsZero() {
			return unknown, true
		}
		return stamp(s.Now), true
	case "aws:epochtime":
		if s.Now.IsZero() {
			return unknown, true
		}
		return []string{strconv.FormatInt(s.Now.Unix(), 10)}, true
	case "aws:principalarn":
		if p.Type == AssumedRole {
			return one(p.RoleARN), true
		}
		return one(p.ARN), true
	case "aws:principalaccount":
		return one(p.Account), true
	case "aws:principaltype":
		return one(p.Type.String()), true
	case "aws:principalisawsservice":
		return one(strconv.FormatBool(p.Type == Service)), true
	case "aws:principalservicename":
		if p.Type == Service {
			return one(p.Name), true
		}
		return nil, true
	case "aws:userid":
		return one(p.UserID), true
	case "aws:username":
		if p.Type == User {
			return one(p.Name), true
		}
		return nil, true
	case "aws:sourceidentity":
		return one(p.SourceIdentity), true
	case "aws:federatedprovider":
		return one(p.Provider), true
	case "aws:tokenissuetime":
		return stamp(p.Issued), true
	case "aws:multifactorauthpresent":
		// Long-term credentials alone do not have it: that is not the same as false.
		if p.Issued.IsZero() && s.Check.MFA.IsZero() {
			return nil, true
		}
		return one(strconv.FormatBool(!s.mfa().IsZero())), true
	case "aws:multifactorauthage":
		if s.mfa().IsZero() {
			return nil, true
		}
		if s.Now.IsZero() {
			return unknown, true
		}
		return one(strconv.FormatInt(int64(s.Now.Sub(s.mfa())/time.Second), 10)), true
	case "aws:resourceaccount":
		return one(s.Check.owner()), true
	}
	for _, prefix := range [...]string{resourceTag, iamResourceTag} {
		if name, ok := strings.CutPrefix(key, prefix); ok {
			return tagged(s.Check.Tags, name), true
		}
	}
	if name, ok := strings.CutPrefix(key, principalTag); ok {
		return tagged(p.Tags, name), true
	}
	return nil, false
}

// mfa is when a second factor was shown: with the request, or when the credentials were made.
func (s scope) mfa() time.Time {
	if !s.Check.MFA.IsZero() {
		return s.Check.MFA
	}
	return s.Principal.MFA
}

// tagged returns the values of the tags with a name that is given in lower case.
func tagged(tags map[string]string, name string) []string {
	var out []string
	for k, v := range tags {
		if equalFold(k, name) {
			out = append(out, v)
		}
	}
	return out
}

// unknown is the value of a key that a request must have, and whose value nobody knows. It is no text, so that no condition can read it.
var unknown = []string{"\xff"}

func one(v string) []string {
	if v == "" {
		return nil
	}
	return []string{v}
}

func stamp(t time.Time) []string {
	if t.IsZero() {
		return nil
	}
	return []string{t.UTC().Format(time.RFC3339)}
}
