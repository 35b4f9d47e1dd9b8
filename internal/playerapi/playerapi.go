// Package playerapi is what a player reaches under /player/: a page, and with a token the segments, manifests, HLS keys and Clear Key licences that the token is
// for.
//
// A token stands in the path, /player/t/TOKEN/, so that whatever a manifest names by a relative reference carries it too. It says who asked for it, and each
// request is authorized as theirs at that moment: reads of objects as those of S3, keys as execute-api:Invoke. Nothing of what goes out may be stored by a cache.
package playerapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"darkroom/internal/arn"
	"darkroom/internal/audit"
	"darkroom/internal/cenc"
	"darkroom/internal/gateway"
	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/keyserver"
	"darkroom/internal/secret"
)

// The paths.
const (
	Root       = "/player/"
	tokenRoot  = Root + "t/"
	mediaPart  = "media/"
	keyPart    = "keys/"
	licence    = "clearkey"
	keyRoot    = keyserver.KeyPath // Root + keyPart: where playlists name HLS keys, and where nobody gets one without a token
	tokensPath = "POST/tokens"
)

// Resource names what execute-api:Invoke is asked on for the player: darkroom is the API, player the stage.
func Resource(region, account, rest string) string {
	return arn.ARN{Partition: "aws", Service: "execute-api", Region: region, Account: account, Resource: "darkroom/player/" + rest}.String()
}

// Use are the checks of who uses a token, or makes one: they may play at all, and have the keys of each content.
func Use(region, account string, contents ...string) []iam.Check {
	out := []iam.Check{{Action: "execute-api:Invoke", Resource: Resource(region, account, tokensPath)}}
	for _, c := range contents {
		out = append(out, iam.Check{Action: "execute-api:Invoke", Resource: Resource(region, account, "GET/keys/"+c)})
	}
	return out
}

// PageURL is the address of the page that plays an object below the prefix of a token. Token and name stand in the fragment, which browsers keep for themselves.
func PageURL(base string, token secret.Bytes, object string) string {
	return base + Root + "#t=" + string(token.Reveal()) + "&m=" + url.QueryEscape(object)
}

// Tokens opens tokens.
type Tokens interface {
	Open(text string) (keyserver.Grant, error)
}

// Keys gives out content keys.
type Keys interface {
	Key(ctx context.Context, account, content string, id cenc.UUID) (cenc.Key, error)
}

// People finds who a token is for.
type People interface {
	Again(ctx context.Context, s identity.Standing) (iam.Principal, bool, error)
}

// Options are what a Service works with. All are needed.
type Options struct {
	Tokens Tokens
	Keys   Keys
	People People
	// Objects is the S3 API: what it asks for and answers is what players get.
	Objects gateway.Service
	Region  string
}

// Service is the player's side. It implements gateway.Service and is safe for concurrent use.
type Service struct{ o Options }

var _ gateway.Admitter = (*Service)(nil)

// New returns the player's side.
func New(o Options) (*Service, error) {
	if o.Tokens == nil || o.Keys == nil || o.People == nil || o.Objects == nil || o.Region == "" {
		return nil, errors.New("the player needs Tokens, Keys, People, Objects and Region")
	}
	return &Service{o}, nil
}

// Name implements gateway.Service.
func (*Service) Name() string { return "player" }

// visit is a request with a token that opened: what Admit found.
type visit struct {
	grant keyserver.Grant
	rest  string // of the raw path, behind the token and its slash
}

// Admits implements gateway.Admitter.
func (*Service) Admits(r *http.Request) bool {
	path := r.URL.EscapedPath()
	return r.Header.Get("Authorization") == "" && (strings.HasPrefix(path, tokenRoot) || strings.HasPrefix(path, keyRoot))
}

// Admit implements gateway.Admitter.
func (s *Service) Admit(r *http.Request) (iam.Principal, any, error) {
	behind, ok := strings.CutPrefix(r.URL.EscapedPath(), tokenRoot)
	text, rest, more := strings.Cut(behind, "/")
	if !ok || !more {
		return iam.Principal{}, nil, keyserver.ErrToken
	}
	grant, err := s.o.Tokens.Open(text)
	if err != nil {
		return iam.Principal{}, nil, err
	}
	p, there, err := s.o.People.Again(r.Context(), grant.Who())
	if err != nil {
		return iam.Principal{}, nil, err
	}
	if !there {
		return iam.Principal{}, nil, keyserver.ErrToken
	}
	return p, visit{grant, rest}, nil
}

// refusal is an answer that is not a success.
type refusal struct {
	status  int
	message string
}

func (e *refusal) Error() string { return e.message }

var (
	errNotHere = &refusal{http.StatusNotFound, "There is nothing of that name, or the token is not for it."}
	errMethod  = &refusal{http.StatusMethodNotAllowed, "This path is not for that method."}
	errQuery   = &refusal{http.StatusBadRequest, "A request with a token has no query."}
)

// Resolve implements gateway.Service.
func (s *Service) Resolve(r *http.Request) (*gateway.Operation, error) {
	v, ok := gateway.Proof(r.Context()).(visit)
	if !ok { // signed for a service of this name
		return nil, keyserver.ErrToken
	}
	if r.URL.RawQuery != "" {
		return nil, errQuery
	}
	reading := r.Method == http.MethodGet || r.Method == http.MethodHead
	if name, ok := strings.CutPrefix(v.rest, mediaPart); ok {
		if !reading {
			return nil, errMethod
		}
		return s.media(r, v.grant, name)
	}
	if name, ok := strings.CutPrefix(v.rest, keyPart); ok {
		if r.Method != http.MethodGet {
			return nil, errMethod
		}
		return s.key(r, v.grant, name)
	}
	if v.rest == licence {
		if r.Method != http.MethodPost {
			return nil, errMethod
		}
		return s.licence(r, v.grant)
	}
	return nil, errNotHere
}

// media reads an object as S3 does.
func (s *Service) media(r *http.Request, g keyserver.Grant, raw string) (*gateway.Operation, error) {
	name, err := url.PathUnescape(raw)
	if err != nil {
		return nil, errNotHere
	}
	given, ok := g.Allow(keyserver.Ask{Object: name})
	if !ok {
		return nil, errNotHere
	}
	asked := objectRequest(r, given)
	op, err := s.o.Objects.Resolve(asked)
	if err != nil {
		return known(op), &objectError{err, asked}
	}
	checks := append(Use(s.o.Region, gateway.Caller(r.Context()).Account), op.Checks...)
	if len(op.Checks) == 0 || op.AnyCaller { // an object that nobody need be allowed is none of ours
		return nil, errNotHere
	}
	return &gateway.Operation{Name: op.Name, Checks: checks, Parameters: op.Parameters, Serve: func(w http.ResponseWriter, served *http.Request) error {
		asked := asked.WithContext(served.Context())
		if err := op.Serve(&mediaWriter{ResponseWriter: w, name: given.Object}, asked); err != nil {
			return &objectError{err, asked}
		}
		return nil
	}}, nil
}

// passed are the headers of a player that a read of an object heeds (RFC 9110 sections 13 and 14).
var passed = []string{"Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"}

// objectRequest is the request to S3 for what a player asks for.
func objectRequest(r *http.Request, given keyserver.Given) *http.Request {
	asked := (&http.Request{
		Method: r.Method, Proto: r.Proto, ProtoMajor: r.ProtoMajor, ProtoMinor: r.ProtoMinor, Header: make(http.Header), Body: http.NoBody,
		URL: &url.URL{Path: "/" + given.Bucket + "/" + given.Object},
	}).WithContext(r.Context())
	for _, name := range passed {
		if v := r.Header.Values(name); len(v) > 0 {
			asked.Header[name] = v
		}
	}
	return asked
}

// objectError is what S3 answers to a read that is not a success.
type objectError struct {
	error
	asked *http.Request
}

func (e *objectError) Unwrap() error { return e.error }

// key gives out the 16 bytes of a key, as EXT-X-KEY wants them (RFC 8216 section 4.3.2.4).
func (s *Service) key(r *http.Request, g keyserver.Grant, raw string) (*gateway.Operation, error) {
	id, err := cenc.ParseUUID(raw)
	if err != nil {
		return nil, errNotHere
	}
	given, ok := g.Allow(keyserver.Ask{Key: id})
	if !ok {
		return nil, errNotHere
	}
	account := gateway.Caller(r.Context()).Account
	return &gateway.Operation{Name: "GetKey", Checks: Use(s.o.Region, account, given.Content), Parameters: asked(given), Serve: func(w http.ResponseWriter, served *http.Request) error {
		k, err := s.o.Keys.Key(served.Context(), account, given.Content, given.Key)
		if err != nil {
			return err
		}
		defer k.Value.Wipe()
		return write(w, http.StatusOK, "application/octet-stream", k.Value.Reveal())
	}}, nil
}

// known is what a record has of a read of an object that is refused.
func known(op *gateway.Operation) *gateway.Operation {
	if op == nil {
		return nil
	}
	return &gateway.Operation{Name: op.Name, Parameters: op.Parameters}
}

// asked are the parameters of the record of keys that go out.
func asked(given ...keyserver.Given) func() json.RawMessage {
	return func() json.RawMessage {
		var keys, contents []string
		for _, g := range given {
			keys = append(keys, g.Key.String())
			if !slices.Contains(contents, g.Content) {
				contents = append(contents, g.Content)
			}
		}
		text, err := json.Marshal(map[string][]string{"keyIds": keys, "contentIds": contents})
		if err != nil { // never: lists of texts
			return nil
		}
		return audit.Cut(text, audit.MaxMember)
	}
}

// write answers with a body that nobody may keep.
func write(w http.ResponseWriter, status int, contentType string, body []byte) error {
	h := w.Header()
	guard(h)
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, err := w.Write(body)
	return err
}

// guard sets what every answer to a token has.
func guard(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// Explain implements gateway.Service.
func (s *Service) Explain(r *http.Request, err error) (code, message string) {
	if object, ok := errors.AsType[*objectError](err); ok {
		return s.o.Objects.Explain(object.asked, object.error)
	}
	status, message := status(r, err)
	return strings.ReplaceAll(http.StatusText(status), " ", ""), message
}

// status is how an error is answered.
func status(r *http.Request, err error) (status int, message string) {
	var (
		own    *refusal
		denied *iam.Denied
		limit  *gateway.LimitError
		server *keyserver.Error
	)
	switch {
	case errors.As(err, &denied):
		return http.StatusForbidden, "The owner of the token may not do this."
	case errors.As(err, &own):
		return own.status, own.message
	case errors.Is(err, keyserver.ErrToken):
		return http.StatusForbidden, "Only who shows a token that holds is let in: ask for one with darkroom play, or POST " + Root + "tokens."
	case errors.As(err, &server) && server.Kind == keyserver.Unknown:
		return errNotHere.status, errNotHere.message
	case errors.As(err, &limit):
		return limit.Status(), limit.Message
	}
	return http.StatusInternalServerError, "Internal error. The request id is " + gateway.RequestID(r.Context()) + "."
}

// Refuse implements gateway.Service. Whoever has a token is not told whose it is, nor what its owner may not do.
func (s *Service) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	if object, ok := errors.AsType[*objectError](err); ok {
		s.o.Objects.Refuse(&mediaWriter{ResponseWriter: w}, object.asked, object.error)
		return
	}
	status, message := status(r, err)
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	body, err := json.Marshal(struct {
		Message string `json:"message"`
	}{message})
	if err != nil {
		body = []byte("{}")
	}
	_ = write(w, status, "application/json", body) // who went away cannot be told
}
