// Package identity knows who an access key belongs to: the account root, whose key pair is kept in a file, and the role sessions that
// are made for leases, which live in memory alone.
//
// Sessions end with the process, on purpose: the leases of local workers are void when the control plane starts, and so is what they
// were given.
package identity

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"darkroom/internal/arn"
	"darkroom/internal/iam"
	"darkroom/internal/lease"
	"darkroom/internal/secret"
	"darkroom/internal/sigv4"
)

// DefaultRole is the name of the one role that exists.
const DefaultRole = "MediaConvert_Default_Role"

// defaultRoleID is the unique id of DefaultRole, as in aws:userid.
const defaultRoleID = "AROADARKROOMDEFAULT00"

// Limits of role sessions.
const (
	// MaxSessions is how many may be open at once.
	MaxSessions = 4096
	// MaxSessionLength is the longest that one may last.
	MaxSessionLength = 12 * time.Hour
	// maxSessionName is the longest session name (AWS STS, RoleSessionName).
	maxSessionName = 64
	// sweepEvery is how often ended sessions are dropped; until then their holders are told that the token has expired.
	sweepEvery = time.Minute
)

// ErrTooMany is returned by Issue when MaxSessions are open.
var ErrTooMany = errors.New("too many role sessions are open")

// RoleExists says whether roleARN is a role of account.
func RoleExists(account, roleARN string) bool {
	return account != "" && roleARN == arn.Role(account, DefaultRole)
}

// Directory finds the owner of an access key. It is safe for concurrent use.
type Directory struct {
	account string
	root    Root
	// Sessions are the role sessions of the account.
	Sessions *Sessions
}

// New returns the directory of account. now is the clock of session ends.
func New(account string, root Root, now func() time.Time) *Directory {
	return &Directory{account: account, root: root, Sessions: &Sessions{account: account, now: now, random: rand.Reader, open: make(map[string]session)}}
}

// Find returns the key and the owner of an access key id; false if there is none. Whether a temporary key has ended is for sigv4 to
// decide, by Key.Expiry.
func (d *Directory) Find(accessKeyID string) (sigv4.Key, iam.Principal, bool) {
	if accessKeyID != "" && accessKeyID == d.root.AccessKeyID {
		return sigv4.Key{Secret: d.root.SecretAccessKey}, iam.Principal{
			Type: iam.Root, Account: d.account, ARN: arn.Root(d.account), UserID: d.account, AccessKeyID: accessKeyID,
		}, true
	}
	return d.Sessions.find(accessKeyID)
}

// Sessions are the role sessions that were issued and have not ended. It is safe for concurrent use.
type Sessions struct {
	account string
	now     func() time.Time
	random  io.Reader

	mu    sync.Mutex // guards what follows; held for map operations and, once in sweepEvery, a walk over at most MaxSessions
	open  map[string]session
	swept time.Time
}

type session struct {
	key       sigv4.Key
	principal iam.Principal
}

// rolePolicy is what DefaultRole itself may do; the session policy of each lease narrows it.
var rolePolicy = []iam.Statement{{Sid: "Objects", Effect: iam.Allow, Actions: []string{"s3:*"}, Resources: []string{"arn:aws:s3:::*"}}}

// Issue opens a session of roleARN that may do what the role may and statements allow, until expiry. No statements allow nothing. It
// returns ErrTooMany when MaxSessions are open; other errors are mistakes of the caller.
func (s *Sessions) Issue(roleARN, sessionName string, statements []iam.Statement, expiry time.Time) (lease.Credentials, error) {
	now := s.now()
	switch {
	case !RoleExists(s.account, roleARN):
		return lease.Credentials{}, errors.New("the role does not exist")
	case !validSessionName(sessionName):
		return lease.Credentials{}, errors.New("a session name has 2 to 64 letters, digits and _=,.@-")
	case !expiry.After(now) || expiry.Sub(now) > MaxSessionLength:
		return lease.Credentials{}, errors.New("a session ends in the future, within MaxSessionLength")
	}
	return s.begin(iam.Principal{
		Type:     iam.AssumedRole,
		Account:  s.account,
		ARN:      "arn:aws:sts::" + s.account + ":assumed-role/" + DefaultRole + "/" + sessionName,
		UserID:   defaultRoleID + ":" + sessionName,
		Policies: rolePolicy,
	}, statements, expiry)
}

// Forward opens a session in which a service acts for p, who asked for it: it may do what p may and statements allow, until expiry. No
// statements allow nothing.
func (s *Sessions) Forward(p iam.Principal, statements []iam.Statement, expiry time.Time) (lease.Credentials, error) {
	now := s.now()
	switch {
	case p.Account != s.account || p.ARN == "" || p.Type == 0:
		return lease.Credentials{}, errors.New("a session is for a principal of the account")
	case p.Session != nil:
		// What is narrowed already would have to be narrowed twice.
		return lease.Credentials{}, errors.New("a session with a session policy cannot be forwarded")
	case !expiry.After(now) || expiry.Sub(now) > MaxSessionLength:
		return lease.Credentials{}, errors.New("a session ends in the future, within MaxSessionLength")
	}
	return s.begin(p, statements, expiry)
}

// begin opens a session of p that statements narrow.
func (s *Sessions) begin(p iam.Principal, statements []iam.Statement, expiry time.Time) (lease.Credentials, error) {
	now := s.now()
	var raw [10 + 30 + 96]byte
	if _, err := io.ReadFull(s.random, raw[:]); err != nil {
		return lease.Credentials{}, err
	}
	id := "ASIA" + base32.StdEncoding.EncodeToString(raw[:10])
	c := lease.Credentials{
		AccessKeyID:     id,
		SecretAccessKey: secret.New([]byte(base64.StdEncoding.EncodeToString(raw[10:40]))),
		SessionToken:    secret.New([]byte(base64.StdEncoding.EncodeToString(raw[40:]))),
		Expiry:          expiry,
	}
	p.AccessKeyID, p.Session = id, make([]iam.Statement, 0, len(statements)) // never nil: nil would be no session policy
	for _, st := range statements {
		st.Actions, st.Resources = slices.Clone(st.Actions), slices.Clone(st.Resources)
		p.Session = append(p.Session, st)
	}
	opened := session{key: sigv4.Key{Secret: c.SecretAccessKey, Token: c.SessionToken, Expiry: expiry}, principal: p}

	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) >= MaxSessions || now.Sub(s.swept) >= sweepEvery {
		maps.DeleteFunc(s.open, func(_ string, o session) bool { return !now.Before(o.key.Expiry) })
		s.swept = now
	}
	if len(s.open) >= MaxSessions {
		return lease.Credentials{}, ErrTooMany
	}
	s.open[id] = opened
	return c, nil
}

// Revoke ends a session at once. A session that is not there is no error.
func (s *Sessions) Revoke(accessKeyID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, accessKeyID)
}

func (s *Sessions) find(accessKeyID string) (sigv4.Key, iam.Principal, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.open[accessKeyID]
	return o.key, o.principal, ok
}

func validSessionName(name string) bool {
	if len(name) < 2 || len(name) > maxSessionName {
		return false
	}
	for i := range len(name) {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && !slices.Contains([]byte("_=,.@-+"), c) {
			return false
		}
	}
	return true
}
