// Package executeapi is the key server as encryptors reach it, SPEKE v1.0 and v2.0, and where tokens for its player are asked for. Where others have AWS's API Gateway
// before a key server, requests are signed for execute-api, and allowed or not as execute-api:Invoke on darkroom/STAGE/METHOD/PATH.
//
// Source: "Secure Packager and Encoder Key Exchange API Specification"; API Gateway Developer Guide, "Control access for invoking an API".
package executeapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"darkroom/internal/arn"
	"darkroom/internal/audit"
	"darkroom/internal/cenc"
	"darkroom/internal/cpix"
	"darkroom/internal/gateway"
	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/keyserver"
	"darkroom/internal/playerapi"
	"darkroom/internal/secret"
	"darkroom/internal/sigv4"
)

// API is what policies call this API, where AWS's has the id of one.
const API = "darkroom"

// spekeRoot begins the paths of SPEKE.
const spekeRoot = "/speke/"

// tokensPath is where tokens are made.
const tokensPath = playerapi.Root + "tokens"

// agent is what the server says that it is.
const agent = "Darkroom"

// contentKey is the condition key of the content that a request is about.
const contentKey = "speke:ContentId"

// KeyServer makes content keys.
type KeyServer interface {
	Answer(ctx context.Context, account string, r *cpix.Request, base string) ([]byte, error)
	KeyIDs(ctx context.Context, account, content string) ([]cenc.UUID, error)
	ContentOf(ctx context.Context, account string, id cenc.UUID) (string, error)
}

// Tokens makes tokens.
type Tokens interface {
	Issue(about keyserver.Token) (secret.Bytes, error)
}

// People says how somebody is found again.
type People interface {
	Standing(ctx context.Context, p iam.Principal, until time.Time) (identity.Standing, error)
}

// Options are what a Service works with. All but Operators and Now are needed.
type Options struct {
	Keys   KeyServer
	Tokens Tokens
	People People
	Region string
	// Base is the address of the server as players reach it, without a slash at its end.
	Base func() string
	// Operators lets in machines that cannot sign, by what stands in their Authorization header; nil for none. A nil error without a principal is none of them.
	Operators func(ctx context.Context, authorization string) (iam.Principal, error)
	Now       func() time.Time // nil means time.Now
}

// Service is the API. It implements gateway.Service and is safe for concurrent use.
type Service struct{ o Options }

var _ gateway.Admitter = (*Service)(nil)

// New returns the API.
func New(o Options) (*Service, error) {
	if o.Keys == nil || o.Tokens == nil || o.People == nil || o.Region == "" || o.Base == nil {
		return nil, errors.New("the key server's API needs Keys, Tokens, People, Region and Base")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{o}, nil
}

// Name implements gateway.Service.
func (*Service) Name() string { return "execute-api" }

// Operations returns the names of the operations.
func Operations() []string {
	return []string{"CopyProtectionV1", "CopyProtectionV2", "CreatePlayerToken", "Heartbeat"}
}

// refusal is an answer that is not a success, in the words of API Gateway or, with plain, of SPEKE: the text alone.
type refusal struct {
	name    string
	status  int
	message string
	plain   bool
}

func (e *refusal) Error() string { return e.message }

// Resolve implements gateway.Service.
func (s *Service) Resolve(r *http.Request) (*gateway.Operation, error) {
	path := r.URL.EscapedPath()
	route := func(method string) error {
		if r.URL.RawQuery != "" {
			return &refusal{"BadRequestException", http.StatusBadRequest, "This path takes no query.", false}
		}
		if r.Method != method {
			return &refusal{"MissingAuthenticationTokenException", http.StatusForbidden, "Missing Authentication Token", false} // as API Gateway says it
		}
		return nil
	}
	switch path {
	case spekeRoot + "v1.0/copyProtection":
		return s.copyProtection(r, cpix.V1, route(http.MethodPost))
	case spekeRoot + "v2.0/copyProtection":
		return s.copyProtection(r, cpix.V2, route(http.MethodPost))
	case spekeRoot + "v1.0/heartbeat":
		return s.heartbeat(r, route(http.MethodGet))
	case tokensPath:
		return s.createToken(r, route(http.MethodPost))
	}
	return nil, &refusal{"MissingAuthenticationTokenException", http.StatusForbidden, "Missing Authentication Token", false}
}

// invoke is the check of SPEKE's paths.
func (s *Service) invoke(r *http.Request, rest string) iam.Check {
	return iam.Check{Action: "execute-api:Invoke", Resource: arn.ARN{
		Partition: "aws", Service: "execute-api", Region: s.o.Region, Account: gateway.Caller(r.Context()).Account, Resource: API + "/speke/" + rest,
	}.String()}
}

// versionHeader says which version of SPEKE is spoken. Version 1.0 has none.
const versionHeader = "X-Speke-Version"

// copyProtection answers a key request. What is wrong inside is told only to those who may make it.
func (s *Service) copyProtection(r *http.Request, version int, err error) (*gateway.Operation, error) {
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, gateway.MaxBody))
	if err != nil {
		return nil, err
	}
	name := "v" + strconv.Itoa(version) + ".0"
	check := s.invoke(r, "POST/"+name+"/copyProtection")
	asked, wrong := parse(r.Header, version, body)
	parameters := map[string]any{"version": name}
	if wrong == nil {
		check.Context.Set(contentKey, asked.ContentID)
		describe(asked, parameters)
	}
	return &gateway.Operation{Name: "CopyProtectionV" + strconv.Itoa(version), Checks: []iam.Check{check}, Parameters: shown(parameters), Serve: func(w http.ResponseWriter, served *http.Request) error {
		if wrong != nil {
			return s.unfit(w, version, wrong)
		}
		answer, err := s.o.Keys.Answer(served.Context(), gateway.Caller(served.Context()).Account, asked, s.o.Base())
		if err != nil {
			return s.unfit(w, version, err)
		}
		defer clear(answer)
		introduce(w.Header(), version)
		return write(w, http.StatusOK, "application/xml", answer)
	}}, nil
}

// parse reads a key request of the version that its path is for.
func parse(h http.Header, version int, body []byte) (*cpix.Request, error) {
	spoken := h.Values(versionHeader)
	switch {
	case version == cpix.V1 && (len(spoken) == 0 || len(spoken) == 1 && spoken[0] == "1.0"):
	case version == cpix.V2 && len(spoken) == 1 && spoken[0] == "2.0":
	default:
		return nil, &cpix.Refusal{Text: cpix.UnsupportedSPEKE}
	}
	if typ, _, err := mime.ParseMediaType(h.Get("Content-Type")); err != nil || typ != "application/xml" && typ != "text/xml" {
		return nil, &refusal{"UnsupportedMediaTypeException", http.StatusUnsupportedMediaType, "The Content-Type of a key request is application/xml.", true}
	}
	return cpix.ParseRequest(body, h.Get(versionHeader))
}

// introduce says in an answer what speaks, and what it is not.
func introduce(h http.Header, version int) {
	if version == cpix.V2 {
		h.Set(versionHeader, "2.0")
		h.Set("X-Speke-User-Agent", agent)
	} else {
		h.Set("Speke-User-Agent", agent)
	}
	h.Set("X-Darkroom-Notice", keyserver.Notice)
}

// unfit gives an error the headers of SPEKE, for Refuse.
func (s *Service) unfit(w http.ResponseWriter, version int, err error) error {
	introduce(w.Header(), version)
	return err
}

// heartbeat says that the server is there (SPEKE v1, "Heartbeat").
func (s *Service) heartbeat(r *http.Request, err error) (*gateway.Operation, error) {
	if err != nil {
		return nil, err
	}
	return &gateway.Operation{Name: "Heartbeat", Checks: []iam.Check{s.invoke(r, "GET/v1.0/heartbeat")}, Serve: func(w http.ResponseWriter, _ *http.Request) error {
		introduce(w.Header(), cpix.V1)
		return write(w, http.StatusOK, "application/json", []byte(`{"statusMessage":"ready"}`))
	}}, nil
}

// write answers with a body that nobody may keep.
func write(w http.ResponseWriter, status int, contentType string, body []byte) error {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, err := w.Write(body)
	return err
}

// unsigned names the refusals of the gateway's signature check as API Gateway does.
var unsigned = map[sigv4.Kind]string{
	sigv4.MissingToken: "MissingAuthenticationTokenException", sigv4.Incomplete: "IncompleteSignatureException", sigv4.Unsupported: "IncompleteSignatureException",
	sigv4.UnknownKey: "UnrecognizedClientException", sigv4.InvalidToken: "UnrecognizedClientException", sigv4.ExpiredToken: "ExpiredTokenException",
}

// spekeStatus is the status of every refusal of a key request ("SPEKE API v2 - Customizations": 422 where nothing else says more).
const spekeStatus = http.StatusUnprocessableEntity

// explain turns any error into a refusal. What it does not know is an error of ours, of which nothing is shown but where to find it in the log.
func explain(r *http.Request, err error) *refusal {
	var (
		own    *refusal
		sig    *sigv4.Error
		denied *iam.Denied
		limit  *gateway.LimitError
		server *keyserver.Error
		asked  *cpix.Refusal
	)
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &denied):
		return &refusal{"AccessDeniedException", http.StatusForbidden, denied.Error(), false}
	case errors.As(err, &sig):
		name, ok := unsigned[sig.Kind]
		if !ok {
			name = "InvalidSignatureException"
		}
		return &refusal{name, http.StatusForbidden, sig.Message, false}
	case errors.As(err, &limit):
		return &refusal{"LimitExceededException", limit.Status(), limit.Message, false}
	case errors.As(err, &asked):
		return &refusal{"BadRequestException", spekeStatus, asked.Error(), true}
	case errors.As(err, &server):
		status := map[keyserver.Kind]int{
			keyserver.Invalid: http.StatusBadRequest, keyserver.Ambiguous: http.StatusConflict, keyserver.Full: http.StatusServiceUnavailable, keyserver.Unknown: http.StatusNotFound,
		}[server.Kind]
		if strings.HasPrefix(r.URL.EscapedPath(), spekeRoot) && server.Kind != keyserver.Full {
			status = spekeStatus
		}
		return &refusal{"BadRequestException", status, server.Message, strings.HasPrefix(r.URL.EscapedPath(), spekeRoot)}
	}
	return &refusal{"InternalServerErrorException", http.StatusInternalServerError, "Internal error. The request id is " + gateway.RequestID(r.Context()) + ".", false}
}

// Explain implements gateway.Service.
func (s *Service) Explain(r *http.Request, err error) (code, message string) {
	e := explain(r, err)
	return e.name, e.message
}

// Refuse implements gateway.Service.
func (s *Service) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	e := explain(r, err)
	w.Header().Set("X-Amzn-ErrorType", e.name)
	if e.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	if e.plain {
		_ = write(w, e.status, "text/plain; charset=utf-8", []byte(e.message)) // who went away cannot be told
		return
	}
	body, err := json.Marshal(struct {
		Message string `json:"message"`
	}{e.message})
	if err != nil {
		body = []byte("{}")
	}
	_ = write(w, e.status, "application/json", body)
}

// Admits implements gateway.Admitter: SPEKE's paths are for machines that cannot sign too. Tokens are made for who signs alone, and others are told so.
func (s *Service) Admits(r *http.Request) bool {
	path := r.URL.EscapedPath()
	return strings.HasPrefix(path, spekeRoot) || path == tokensPath
}

// Admit implements gateway.Admitter.
func (s *Service) Admit(r *http.Request) (iam.Principal, any, error) {
	refused := &sigv4.Error{Kind: sigv4.MissingToken, Message: "Missing Authentication Token"}
	given := r.Header.Values("Authorization")
	if s.o.Operators == nil || len(given) != 1 || given[0] == "" || !strings.HasPrefix(r.URL.EscapedPath(), spekeRoot) {
		return iam.Principal{}, nil, refused
	}
	p, err := s.o.Operators(r.Context(), given[0])
	if err != nil {
		return iam.Principal{}, nil, err
	}
	if p.Type == 0 {
		return iam.Principal{}, nil, &sigv4.Error{Kind: sigv4.UnknownKey, Message: "The credentials in the request are invalid."}
	}
	return p, nil, nil
}

// tokenRequest is what CreatePlayerToken is asked for.
type tokenRequest struct {
	// Source is the manifest, s3://BUCKET/KEY.
	Source string `json:"source"`
	// Prefix is below which objects are read, such as films/out/; empty for the directory of the manifest.
	Prefix string `json:"prefix"`
	// ContentIDs are the contents whose keys go out, and KeyIDs stand for the contents of these keys: manifests name those.
	ContentIDs      []string `json:"contentIds"`
	KeyIDs          []string `json:"keyIds"`
	LifetimeSeconds int      `json:"lifetimeSeconds"` // 0 for DefaultTokenLife
}

// tokenAnswer is the token, and where it plays.
type tokenAnswer struct {
	Token   string    `json:"token"`
	URL     string    `json:"url"`
	Expires time.Time `json:"expires"`
	KeyIDs  []string  `json:"keyIds"`
	Notice  string    `json:"notice"`
}

// maxTokenRequest bounds the body, in bytes.
const maxTokenRequest = 64 << 10

// wish is a request for a token that was read.
type wish struct {
	bucket, prefix, object string
	contents               []string
	keys                   []cenc.UUID // whose contents are wanted too
	life                   time.Duration
}

// readWish reads the body of CreatePlayerToken.
func readWish(body []byte) (*wish, error) {
	bad := func(format string, args ...any) error {
		return &refusal{"BadRequestException", http.StatusBadRequest, fmt.Sprintf(format, args...), false}
	}
	if len(body) > maxTokenRequest {
		return nil, bad("The request has more than %d bytes.", maxTokenRequest)
	}
	var in tokenRequest
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return nil, bad("The body must be a JSON object with source, prefix, contentIds, keyIds and lifetimeSeconds alone.")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, bad("There is more behind the JSON object.")
	}
	rest, ok := strings.CutPrefix(in.Source, "s3://")
	bucket, key, more := strings.Cut(rest, "/")
	if !ok || !more || bucket == "" || key == "" {
		return nil, bad("source must be s3://BUCKET/KEY of a manifest (is %.200q).", in.Source)
	}
	q := &wish{bucket: bucket, prefix: in.Prefix, contents: in.ContentIDs, life: keyserver.DefaultTokenLife}
	if q.prefix == "" {
		q.prefix = key[:strings.LastIndexByte(key, '/')+1]
	}
	if q.object, ok = strings.CutPrefix(key, q.prefix); !ok || q.object == "" || q.prefix != "" && !strings.HasSuffix(q.prefix, "/") {
		return nil, bad("prefix must end with a slash and be the beginning of the manifest's key (is %.200q).", in.Prefix)
	}
	if !keyserver.PlainName(q.prefix + q.object) {
		return nil, bad("The key of the manifest has steps that are empty, . or .., or characters that cannot stand in an address.")
	}
	if len(q.contents) > keyserver.MaxTokenContents {
		return nil, bad("contentIds may have up to %d (has %d).", keyserver.MaxTokenContents, len(q.contents))
	}
	for i, c := range q.contents {
		if err := keyserver.CheckContent(c); err != nil {
			return nil, bad("contentIds[%d]: %s", i, err)
		}
	}
	if len(in.KeyIDs) > keyserver.MaxTokenKeys {
		return nil, bad("keyIds may have up to %d (has %d).", keyserver.MaxTokenKeys, len(in.KeyIDs))
	}
	for i, text := range in.KeyIDs {
		id, err := cenc.ParseUUID(text)
		if err != nil {
			return nil, bad("keyIds[%d] is not a UUID.", i)
		}
		q.keys = append(q.keys, id)
	}
	if in.LifetimeSeconds != 0 {
		if in.LifetimeSeconds < 1 || in.LifetimeSeconds > int(keyserver.MaxTokenLife/time.Second) {
			return nil, bad("lifetimeSeconds must be from 1 to %d (is %d).", int(keyserver.MaxTokenLife/time.Second), in.LifetimeSeconds)
		}
		q.life = time.Duration(in.LifetimeSeconds) * time.Second
	}
	return q, nil
}

// createToken makes a token for a player. Who asks must be allowed to play, to have the keys of each content, and to read everything below the prefix.
func (s *Service) createToken(r *http.Request, err error) (*gateway.Operation, error) {
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxTokenRequest+1))
	if err != nil {
		return nil, err
	}
	caller := gateway.Caller(r.Context())
	q, wrong := readWish(body)
	if wrong == nil {
		wrong = s.contents(r.Context(), caller.Account, q)
	}
	checks := playerapi.Use(s.o.Region, caller.Account)
	if wrong == nil {
		checks = append(playerapi.Use(s.o.Region, caller.Account, q.contents...),
			iam.Check{Action: "s3:GetObject", Resource: arn.Object(q.bucket, q.prefix+"*"), Owner: caller.Account})
	}
	parameters := map[string]any{}
	if q != nil {
		parameters["bucketName"], parameters["prefix"], parameters["key"], parameters["lifetimeSeconds"] = q.bucket, q.prefix, q.prefix+q.object, int(q.life/time.Second)
		parameters["contentIds"] = q.contents
	}
	return &gateway.Operation{Name: "CreatePlayerToken", Checks: checks, Parameters: shown(parameters), Serve: func(w http.ResponseWriter, served *http.Request) error {
		if wrong != nil {
			return wrong
		}
		answer, token, err := s.token(served.Context(), caller, q)
		if err != nil {
			return err
		}
		defer token.Wipe()
		text, err := json.Marshal(answer)
		if err != nil {
			return err
		}
		defer clear(text)
		gateway.Answered(served.Context(), shown(map[string]any{"token": audit.Hidden, "expires": answer.Expires.Unix(), "keyIds": answer.KeyIDs})())
		return write(w, http.StatusCreated, "application/json", text)
	}}, nil
}

// contents finds the contents of the keys that a wish names.
func (s *Service) contents(ctx context.Context, account string, q *wish) error {
	for _, id := range q.keys {
		c, err := s.o.Keys.ContentOf(ctx, account, id)
		if err != nil {
			return err
		}
		if !slices.Contains(q.contents, c) {
			q.contents = append(q.contents, c)
		}
	}
	if len(q.contents) > keyserver.MaxTokenContents {
		return &refusal{"BadRequestException", http.StatusBadRequest, fmt.Sprintf("The keys are of more than %d contents.", keyserver.MaxTokenContents), false}
	}
	return nil
}

func (s *Service) token(ctx context.Context, caller iam.Principal, q *wish) (tokenAnswer, secret.Bytes, error) {
	fail := func(err error) (tokenAnswer, secret.Bytes, error) { return tokenAnswer{}, secret.Bytes{}, err }
	until := gateway.Until(ctx)
	about := keyserver.Token{Bucket: q.bucket, Prefix: q.prefix, Expires: s.o.Now().Add(q.life)}
	if !until.IsZero() && until.Before(about.Expires) {
		about.Expires = until // nobody gets more time than they have
	}
	answer := tokenAnswer{KeyIDs: []string{}, Notice: keyserver.Notice}
	for _, c := range q.contents {
		ids, err := s.o.Keys.KeyIDs(ctx, caller.Account, c)
		if err != nil {
			return fail(err)
		}
		if len(ids) == 0 {
			return fail(&refusal{"NotFoundException", http.StatusNotFound, fmt.Sprintf("There are no keys of content %.200q.", c), false})
		}
		about.Contents = append(about.Contents, keyserver.Content{ID: c, Keys: ids})
		for _, id := range ids {
			answer.KeyIDs = append(answer.KeyIDs, id.String())
		}
	}
	var err error
	if about.Who, err = s.o.People.Standing(ctx, caller, until); err != nil {
		if errors.Is(err, identity.ErrNoStanding) {
			return fail(&refusal{"AccessDeniedException", http.StatusForbidden, "A token is for users, roles and their sessions: " + err.Error() + ".", false})
		}
		return fail(err)
	}
	token, err := s.o.Tokens.Issue(about)
	if err != nil {
		return fail(err)
	}
	answer.Token, answer.URL, answer.Expires = string(token.Reveal()), playerapi.PageURL(s.o.Base(), token, q.object), about.Expires.UTC().Truncate(time.Second)
	return answer, token, nil
}
