package identity

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"darkroom/internal/iam"
	"darkroom/internal/lease"
	"darkroom/internal/secret"
	"darkroom/internal/sigv4"
)

// Limits of sessions.
const (
	// MaxSessions is how many sessions of leases and probes may be open at once.
	MaxSessions = 4096
	// MaxSessionLength is the longest that one may last.
	MaxSessionLength = 36 * time.Hour
	// sweepEvery is how often ended sessions of leases are dropped; until then their holders are told that the token has expired.
	sweepEvery = time.Minute
	// MaxToken bounds the tokens of sessions, in bytes.
	MaxToken = 16 << 10
	// maxOpened is how many opened tokens are kept.
	maxOpened = 4096
)

// ErrTooMany is returned by Issue when MaxSessions are open.
var ErrTooMany = errors.New("too many sessions are open")

// ErrGone is returned by Issue for a role or user that is not there.
var ErrGone = errors.New("the owner of the session is not there")

// Session is who has temporary credentials. What its owner may do is looked up at each request; only what narrows it stands here.
type Session struct {
	Account string
	// Kind is Role or User; empty for the root of the account.
	Kind           Kind   `json:",omitempty"`
	ID             string `json:",omitempty"` // of the role or user
	Name           string `json:",omitempty"` // of a role session
	Issued         time.Time
	Expiry         time.Time
	MFA            time.Time         `json:",omitzero"` // when a second factor was shown
	Tags           map[string]string `json:",omitempty"`
	TransitiveTags []string          `json:",omitempty"`
	SourceIdentity string            `json:",omitempty"`
	Provider       string            `json:",omitempty"` // ARN of the identity provider that vouched
	// Policy narrows what the session may do: a document, and the ARNs of managed policies, of which one must allow. Narrowed says whether there
	// are any at all.
	Narrowed bool     `json:",omitempty"`
	Policy   string   `json:",omitempty"`
	Managed  []string `json:",omitempty"`
}

// session is a Session with its credentials.
type session struct {
	key    sigv4.Key
	id     string
	about  Session
	inline *iam.Policy
	acts   *iam.Principal // of a probe: who it acts for
}

// Credentials are temporary credentials.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey secret.Bytes
	SessionToken    secret.Bytes
	Expiry          time.Time
}

func newSecret() secret.Bytes {
	raw := make([]byte, 30)
	_, _ = rand.Read(raw) // never fails
	return secret.New([]byte(base64.StdEncoding.EncodeToString(raw)))
}

func newSealer(master secret.Bytes, purpose string) (*secret.Sealer, error) {
	return secret.NewSealer(master, purpose, rand.Reader)
}

// open begins a session: its policy is read.
func (s *session) open(about Session) {
	s.about = about
	if about.Policy != "" {
		s.inline = parse(iam.IdentityPolicy, "session policy", about.Policy)
	}
}

// IssueToken returns credentials for a session that stand in their token: nothing is kept here, and they hold until they end, across restarts, for
// as long as their owner is there.
func (d *Directory) IssueToken(about Session) (Credentials, error) {
	return d.tokens.issue(about)
}

// tokens seals sessions into their tokens.
type tokens struct {
	sealer *secret.Sealer

	mu     sync.Mutex // guards opened; held for map operations
	opened map[string]session
}

// sealed is what stands in a token.
type sealed struct {
	Secret []byte
	Session
}

func newTokens(master secret.Bytes) (*tokens, error) {
	s, err := newSealer(master, "session tokens")
	return &tokens{sealer: s, opened: make(map[string]session)}, err
}

func (t *tokens) issue(about Session) (Credentials, error) {
	id, key := temporary+randomID(16), newSecret()
	text, err := json.Marshal(sealed{key.Reveal(), about})
	if err != nil {
		return Credentials{}, err
	}
	raw, err := t.sealer.Seal([]byte(id), text)
	if err != nil {
		return Credentials{}, err
	}
	token := base64.StdEncoding.EncodeToString(raw)
	if len(token) > MaxToken {
		return Credentials{}, errors.New("the session has too much to say")
	}
	return Credentials{AccessKeyID: id, SecretAccessKey: key, SessionToken: secret.New([]byte(token)), Expiry: about.Expiry}, nil
}

// open returns the session in a token; false for a token that was not made here for this access key.
func (t *tokens) open(accessKeyID, token string) (session, bool) {
	if token == "" || len(token) > MaxToken {
		return session{}, false
	}
	t.mu.Lock()
	s, ok := t.opened[accessKeyID]
	t.mu.Unlock()
	if ok && bytes.Equal(s.key.Token.Reveal(), []byte(token)) {
		return s, true
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(token)
	if err != nil {
		return session{}, false
	}
	text, err := t.sealer.Open([]byte(accessKeyID), raw)
	if err != nil {
		return session{}, false
	}
	var inside sealed
	if err := json.Unmarshal(text, &inside); err != nil {
		return session{}, false
	}
	s = session{id: accessKeyID, key: sigv4.Key{Secret: secret.New(inside.Secret), Token: secret.New([]byte(token)), Expiry: inside.Expiry}}
	s.open(inside.Session)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.opened) >= maxOpened {
		for id := range t.opened { // any
			delete(t.opened, id)
			break
		}
	}
	t.opened[accessKeyID] = s
	return s, true
}

// resume finds who has a session now. A session whose owner is gone has nobody.
func (d *Directory) resume(ctx context.Context, s session) (*sigv4.Key, iam.Principal, error) {
	if s.acts != nil {
		return &s.key, *s.acts, nil
	}
	a := d.accounts[s.about.Account]
	if a == nil {
		return nil, iam.Principal{}, nil
	}
	v, err := d.View(ctx, s.about.Account)
	if err != nil {
		return nil, iam.Principal{}, err
	}
	p, ok := v.session(d, a, &s)
	if !ok {
		return nil, iam.Principal{}, nil
	}
	return &s.key, p, nil
}

// session returns the principal of a session.
func (v *View) session(d *Directory, a *Account, s *session) (iam.Principal, bool) {
	about := &s.about
	var p iam.Principal
	if about.Kind == "" {
		p = d.root(a, s.id)
	} else {
		e := v.ByID(about.Kind, about.ID)
		if e == nil {
			return iam.Principal{}, false
		}
		p = v.principal(e)
		if e.Kind == Role {
			p.ARN = "arn:aws:sts::" + v.account + ":assumed-role/" + e.Name + "/" + about.Name
			p.UserID = e.ID + ":" + about.Name
		}
	}
	p.AccessKeyID, p.GuardRails = s.id, a.GuardRails
	p.Issued, p.MFA, p.SourceIdentity, p.Provider, p.TransitiveTags = about.Issued, about.MFA, about.SourceIdentity, about.Provider, about.TransitiveTags
	if len(about.Tags) > 0 {
		p.Tags = merge(p.Tags, about.Tags)
	}
	if about.Narrowed {
		p.Session = make([]*iam.Policy, 0, 1+len(about.Managed)) // never nil: nil would be no session policy
		if s.inline != nil {
			p.Session = append(p.Session, s.inline)
		}
		for _, name := range about.Managed {
			p.Session = append(p.Session, v.managed(name))
		}
	}
	return p, true
}

// merge returns the tags of a session over those of its role; keys are the same whatever their case.
func merge(role, session map[string]string) map[string]string {
	out := make(map[string]string, len(role)+len(session))
	for k, v := range role {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(session)), func(s string) bool { return fold(s) == fold(k) }) {
			out[k] = v
		}
	}
	maps.Copy(out, session)
	return out
}

// Sessions are the sessions of leases and probes that were issued and have not ended. They live in memory alone and can be revoked. It is safe for
// concurrent use.
//
// They end with the process, on purpose: the leases of local workers are void when the control plane starts, and so is what they were given.
type Sessions struct {
	directory *Directory

	mu    sync.Mutex // guards what follows; held for map operations and, once in sweepEvery, a walk over at most MaxSessions
	open  map[string]session
	swept time.Time
}

// Issue opens a session of a role that may do what the role may and the document allows, until expiry. It returns ErrGone if there is no such
// role, ErrTooMany when MaxSessions are open; other errors are mistakes of the caller.
func (s *Sessions) Issue(ctx context.Context, account, roleARN, sessionName, document string, expiry time.Time) (lease.Credentials, error) {
	v, err := s.directory.View(ctx, account)
	if err != nil {
		return lease.Credentials{}, err
	}
	role := v.ByARN(roleARN)
	switch {
	case role == nil || role.Kind != Role:
		return lease.Credentials{}, ErrGone
	case !ValidSessionName(sessionName):
		return lease.Credentials{}, errors.New("a session name has 2 to 64 letters, digits and _=,.@-")
	case document == "":
		return lease.Credentials{}, errors.New("a session of a lease is narrowed by a document")
	}
	var opened session
	opened.open(Session{Account: account, Kind: Role, ID: role.ID, Name: sessionName, Issued: s.directory.now().UTC(), Expiry: expiry, Narrowed: true, Policy: document})
	return s.begin(opened, expiry)
}

// Forward opens a session in which a service acts for p, who asked for it and was allowed what document says at that moment: it may do that until
// expiry, and nothing else.
func (s *Sessions) Forward(p iam.Principal, document string, expiry time.Time) (lease.Credentials, error) {
	if s.directory.accounts[p.Account] == nil || p.ARN == "" || p.Type == 0 {
		return lease.Credentials{}, errors.New("a session is for a principal of the installation")
	}
	if document == "" {
		return lease.Credentials{}, errors.New("a session that acts for somebody is narrowed by a document")
	}
	policy := []*iam.Policy{parse(iam.IdentityPolicy, "session policy", document)}
	p.Policies, p.Session = policy, policy
	return s.begin(session{acts: &p}, expiry)
}

// begin opens a session.
func (s *Sessions) begin(opened session, expiry time.Time) (lease.Credentials, error) {
	now := s.directory.now()
	if !expiry.After(now) || expiry.Sub(now) > MaxSessionLength {
		return lease.Credentials{}, errors.New("a session ends in the future, within MaxSessionLength")
	}
	raw := make([]byte, 96)
	if _, err := io.ReadFull(rand.Reader, raw); err != nil {
		return lease.Credentials{}, err
	}
	opened.id = temporary + randomID(16)
	opened.key = sigv4.Key{Secret: newSecret(), Token: secret.New([]byte(base64.StdEncoding.EncodeToString(raw))), Expiry: expiry}
	if opened.acts != nil {
		opened.acts.AccessKeyID = opened.id
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) >= MaxSessions || now.Sub(s.swept) >= sweepEvery {
		maps.DeleteFunc(s.open, func(_ string, o session) bool { return !now.Before(o.key.Expiry) })
		s.swept = now
	}
	if len(s.open) >= MaxSessions {
		return lease.Credentials{}, ErrTooMany
	}
	s.open[opened.id] = opened
	return lease.Credentials{AccessKeyID: opened.id, SecretAccessKey: opened.key.Secret, SessionToken: opened.key.Token, Expiry: expiry}, nil
}

// Revoke ends a session at once. A session that is not there is no error.
func (s *Sessions) Revoke(accessKeyID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, accessKeyID)
}

func (s *Sessions) find(accessKeyID string) (session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.open[accessKeyID]
	return o, ok
}

// maxSessionName is the longest session name (AWS STS, RoleSessionName).
const maxSessionName = 64

// ValidSessionName says whether a role session may have a name.
func ValidSessionName(name string) bool {
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
