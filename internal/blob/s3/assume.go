package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"darkroom/internal/blob"
	"darkroom/internal/egress"
	"darkroom/internal/secret"
)

// Bounds of sessions at an endpoint.
const (
	// roleDuration is how long credentials are asked for: the least that STS gives (AssumeRole, DurationSeconds). What a session that was ended
	// here may still do there, it may no longer.
	roleDuration = 15 * time.Minute
	// renewBefore is how long before their end credentials are renewed, and usableFor how long they must be good for to be used at all.
	renewBefore = 5 * time.Minute
	usableFor   = 30 * time.Second
	// assumeTimeout is the time for one set of credentials, with all attempts.
	assumeTimeout = 30 * time.Second
	// maxHeld is how many sessions have credentials at once; the one that was not used for longest goes first.
	maxHeld = 4096
	// maxAnswer bounds an answer of STS, in bytes, and maxField each of its credentials.
	maxAnswer = 64 << 10
	maxField  = 16 << 10
	// maxShownCode bounds the error code of a server in a message.
	maxShownCode = 64
)

// RoleOptions are what Roles works with. All but Now are needed.
type RoleOptions struct {
	Endpoint string // URL of STS
	Region   string
	// Credentials may assume the roles. They are asked for at every request.
	Credentials func(context.Context) (Credentials, error)
	// Client carries the requests. Redirects are not followed, whatever it does.
	Client *http.Client
	Now    func() time.Time // nil means time.Now
}

// Roles gives role sessions credentials at an endpoint that has the same roles: by AssumeRole of its STS, narrowed by the policy of the session. Each
// session has its own, which are kept until shortly before their end and renewed while they are used. It is safe for concurrent use.
type Roles struct {
	client *sts.Client
	host   string
	now    func() time.Time

	mu   sync.Mutex // guards what follows, and what is held; never held over a request
	held map[string]*held
}

// Session is a role session as the caller knows it.
type Session struct {
	AccessKeyID string // tells sessions apart
	RoleARN     string
	Name        string
	// Policies narrow the session; none are none. STS takes one.
	Policies []string
}

func (s Session) same(o Session) bool {
	return s.AccessKeyID == o.AccessKeyID && s.RoleARN == o.RoleARN && s.Name == o.Name && slices.Equal(s.Policies, o.Policies)
}

// held is what a session has.
type held struct {
	session     Session
	credentials Credentials
	expiry      time.Time
	used        time.Time
	attempt     *attempt // under way; nil for none
}

// attempt is a request that all who need its outcome wait for. What it came to is written before done is closed.
type attempt struct {
	done        chan struct{}
	credentials Credentials
	err         error
	abandoned   bool // by who made it, so that it says nothing
}

// NewRoles returns the source for an endpoint. Nothing is sent yet, and nothing is read from the environment.
func NewRoles(o RoleOptions) (*Roles, error) {
	if o.Endpoint == "" || o.Region == "" || o.Credentials == nil || o.Client == nil {
		return nil, errors.New("assuming roles needs Endpoint, Region, Credentials and Client")
	}
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Host == "" {
		return nil, errors.New("assuming roles needs an Endpoint with a host")
	}
	client := *o.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r := &Roles{
		client: sts.New(sts.Options{
			Region:       o.Region,
			BaseEndpoint: aws.String(strings.TrimSuffix(o.Endpoint, "/")),
			Credentials:  aws.CredentialsProviderFunc(Options{Credentials: o.Credentials}.retrieve),
			HTTPClient:   egress.Bounded{Client: &client, Answer: maxAnswer},
			Retryer: retry.NewStandard(func(r *retry.StandardOptions) {
				r.MaxAttempts, r.MaxBackoff = maxAttempts, maxBackoff
			}),
			Logger: logging.Nop{},
		}),
		host: u.Host, now: o.Now, held: make(map[string]*held),
	}
	if r.now == nil {
		r.now = time.Now
	}
	return r, nil
}

// Credentials returns what requests of a session are signed with at the endpoint. A *blob.RoleError says that the endpoint gives it none; after any
// other error it may give some later.
func (r *Roles) Credentials(ctx context.Context, s Session) (Credentials, error) {
	if s.AccessKeyID == "" || s.RoleARN == "" || s.Name == "" {
		return Credentials{}, errors.New("assume role: not a role session")
	}
	for {
		h, mine, other := r.look(s)
		switch {
		case mine != nil:
			return r.renew(ctx, h, mine)
		case other == nil:
			return h.credentials, nil
		}
		select {
		case <-other.done:
		case <-ctx.Done():
			return Credentials{}, context.Cause(ctx)
		}
		if !other.abandoned {
			return other.credentials, other.err
		}
	}
}

// Forget drops the credentials of a session that has ended. The endpoint itself takes them until their end.
func (r *Roles) Forget(accessKeyID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.held, accessKeyID)
}

// look returns a copy of what a session has, if it is good; else an attempt to get it, that the caller is to make or that another makes.
func (r *Roles) look(s Session) (h held, mine, other *attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	have := r.held[s.AccessKeyID]
	if have == nil || !have.session.same(s) {
		r.makeRoom(now)
		have = &held{session: s}
		r.held[s.AccessKeyID] = have
	}
	have.used = now
	left := have.expiry.Sub(now)
	switch {
	case left > renewBefore:
	case have.attempt == nil:
		have.attempt = &attempt{done: make(chan struct{})}
		mine = have.attempt
	case left <= usableFor:
		other = have.attempt
	}
	return *have, mine, other
}

// makeRoom drops what has ended and, if that is not enough, what was not used for longest. r.mu is held.
func (r *Roles) makeRoom(now time.Time) {
	if len(r.held) < maxHeld {
		return
	}
	var oldest *held
	for id, h := range r.held {
		switch {
		case h.attempt != nil:
		case !now.Before(h.expiry):
			delete(r.held, id)
		case oldest == nil || h.used.Before(oldest.used):
			oldest = h
		}
	}
	if len(r.held) >= maxHeld && oldest != nil {
		delete(r.held, oldest.session.AccessKeyID)
	}
}

// renew makes an attempt. Where it came to nothing, what the session still has is used; where it was refused, no more.
func (r *Roles) renew(ctx context.Context, h held, a *attempt) (Credentials, error) {
	c, expiry, err := r.assume(ctx, h.session)
	var refused *blob.RoleError
	switch {
	case err == nil:
		h.credentials, h.expiry = c, expiry
	case !errors.As(err, &refused) && h.expiry.Sub(r.now()) > usableFor:
		err = nil
	default:
		h.credentials, h.expiry = Credentials{}, time.Time{}
	}
	r.mu.Lock()
	if have := r.held[h.session.AccessKeyID]; have != nil && have.attempt == a { // else it was forgotten meanwhile
		have.credentials, have.expiry, have.attempt = h.credentials, h.expiry, nil
		if err != nil {
			delete(r.held, h.session.AccessKeyID)
		}
	}
	r.mu.Unlock()
	a.credentials, a.err, a.abandoned = h.credentials, err, err != nil && ctx.Err() != nil
	close(a.done)
	return h.credentials, err
}

// assume asks STS.
func (r *Roles) assume(ctx context.Context, s Session) (Credentials, time.Time, error) {
	none := func(err error) (Credentials, time.Time, error) { return Credentials{}, time.Time{}, err }
	in := &sts.AssumeRoleInput{RoleArn: &s.RoleARN, RoleSessionName: &s.Name, DurationSeconds: aws.Int32(int32(roleDuration / time.Second))}
	switch len(s.Policies) {
	case 0:
	case 1:
		policy, err := sessionPolicy(s.Policies[0])
		if err != nil || policy == "" {
			return none(r.refuse(s, "what the session is narrowed to is more than a session policy there can say. Use fewer buckets or shorter names."))
		}
		in.Policy = &policy
	default:
		return none(r.refuse(s, "the session is narrowed by several policies, and only one can be handed on. Use a session with one policy."))
	}
	limited, cancel := context.WithTimeout(ctx, assumeTimeout)
	defer cancel()
	asked := r.now()
	out, err := r.client.AssumeRole(limited, in)
	if err != nil {
		return none(r.fail(ctx, s, err))
	}
	if out.Credentials == nil {
		return none(fmt.Errorf("assume role at %s: the answer has no credentials", r.host))
	}
	id, key, token := aws.ToString(out.Credentials.AccessKeyId), aws.ToString(out.Credentials.SecretAccessKey), aws.ToString(out.Credentials.SessionToken)
	for _, v := range [...]string{id, key, token} {
		if !printable(v) {
			return none(fmt.Errorf("assume role at %s: the answer has no credentials that can be used", r.host))
		}
	}
	// By the clock of the server, which may differ from the one here.
	began := asked
	if t, ok := awsmiddleware.GetServerTime(out.ResultMetadata); ok {
		began = t
	}
	lasts := min(aws.ToTime(out.Credentials.Expiration).Sub(began), roleDuration)
	if lasts <= usableFor {
		return none(fmt.Errorf("assume role at %s: the credentials in the answer have ended", r.host))
	}
	return Credentials{AccessKeyID: id, SecretAccessKey: secret.New([]byte(key)), SessionToken: secret.New([]byte(token))}, asked.Add(lasts), nil
}

// printable says whether a credential can stand in a header.
func printable(v string) bool {
	return v != "" && len(v) <= maxField && !strings.ContainsFunc(v, func(c rune) bool { return c <= ' ' || c > '~' })
}

// refuse says what the trouble with a role is.
func (r *Roles) refuse(s Session, format string, args ...any) error {
	return &blob.RoleError{Message: fmt.Sprintf("The role %s has a problem at the object store's endpoint %s: ", s.RoleARN, r.host) + fmt.Sprintf(format, args...)}
}

// What answers of STS are about. Codes that are not listed are about the role.
var (
	ownTrouble = []string{
		"AuthFailure", "ExpiredToken", "ExpiredTokenException", "IncompleteSignature", "InvalidAccessKeyId", "InvalidClientTokenId", "InvalidSignatureException",
		"MissingAuthenticationToken", "OptInRequired", "RequestExpired", "RequestTimeTooSkewed", "SignatureDoesNotMatch", "UnrecognizedClientException",
	}
	policyTrouble = []string{"MalformedPolicyDocument", "MalformedPolicyDocumentException", "PackedPolicyTooLarge", "PackedPolicyTooLargeException"}
)

// fail makes of the client's error a *blob.RoleError, where STS has decided, or one that may pass. Neither wraps the client's: what STS answered is
// not what the store answered.
func (r *Roles) fail(ctx context.Context, s Session, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("assume role at %s: %w", r.host, context.Cause(ctx))
	}
	var answer *smithyhttp.ResponseError
	if !errors.As(err, &answer) {
		return fmt.Errorf("assume role at %s: %v", r.host, err) //nolint:errorlint // see above
	}
	status, code := answer.HTTPStatusCode(), "UnknownError"
	var api smithy.APIError
	if errors.As(err, &api) {
		code = api.ErrorCode()
	}
	_, throttled := retry.DefaultThrottleErrorCodes[code]
	switch {
	case status < 400 || status >= 500 || status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || throttled:
		return fmt.Errorf("assume role at %s: %v", r.host, err) //nolint:errorlint // see above
	case code == "UnknownError":
		return r.refuse(s, "it does not answer as an STS does (HTTP status %d). Ask the operator of this installation to set s3.sts_endpoint.", status)
	case slices.Contains(ownTrouble, code):
		return r.refuse(s, "its STS does not know the credentials of this installation (%s). Ask the operator to correct s3.credentials_file, and the clock.", shown(code))
	case slices.Contains(policyTrouble, code):
		return r.refuse(s, "its STS does not take the session policy of the job (%s). Use fewer or shorter locations.", shown(code))
	}
	return r.refuse(s, "its STS does not let the role be assumed (%s). Check there that the role exists, that its trust policy lets the user of this installation assume it, "+
		"and that this user may sts:AssumeRole on it; then submit the job again.", shown(code))
}

// shown is an error code as it may stand in a message.
func shown(code string) string {
	code = strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' {
			return c
		}
		return -1
	}, code)
	return code[:min(len(code), maxShownCode)]
}
