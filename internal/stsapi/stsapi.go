// Package stsapi speaks the API of AWS Security Token Service (version 2011-06-15) over an identity.Directory: temporary credentials for roles, for
// users with a second factor, and for those whom an identity provider vouches for.
//
// Source: STS API Reference; IAM User Guide, "Temporary security credentials in IAM".
package stsapi

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/oidc"
	"darkroom/internal/queryapi"
)

// Bounds of sessions.
const (
	minDuration         = 15 * time.Minute
	defaultRoleDuration = time.Hour
	maxChained          = time.Hour // of a role that a role session assumes
	defaultUserDuration = 12 * time.Hour
	maxUserDuration     = 36 * time.Hour
	maxRootDuration     = time.Hour
	maxSessionPolicy    = 2048 // characters of an inline session policy
	maxSessionPolicies  = 10   // managed ones
	maxSessionTags      = 50
	maxPacked           = 6144 // bytes of policies and tags that are 100 percent of the packed size
)

// Options are what the API works with. Directory is needed.
type Options struct {
	Directory *identity.Directory
	// Verify verifies the token of an identity provider; its errors are those of oidc.Keys.Verify. Nil vouches for nobody.
	Verify func(ctx context.Context, issuer string, audiences []string, token string) (oidc.Claims, error)
	// Explain opens an encoded authorization message of an account; false if it is none. Nil opens none.
	Explain func(account, encoded string) (string, bool)
	Now     func() time.Time // nil means time.Now
}

type server struct {
	people  *identity.Directory
	verify  func(ctx context.Context, issuer string, audiences []string, token string) (oidc.Claims, error)
	explain func(account, encoded string) (string, bool)
	now     func() time.Time
}

// New returns the API.
func New(o Options) (*queryapi.Service, error) {
	if o.Directory == nil {
		return nil, errors.New("the STS API needs a Directory")
	}
	s := &server{o.Directory, o.Verify, o.Explain, o.Now}
	if s.now == nil {
		s.now = time.Now
	}
	if s.verify == nil {
		s.verify = func(context.Context, string, []string, string) (oidc.Claims, error) {
			return oidc.Claims{}, oidc.ErrInvalid
		}
	}
	if s.explain == nil {
		s.explain = func(string, string) (string, bool) { return "", false }
	}
	return queryapi.New(queryapi.API{
		Name: "sts", Version: "2011-06-15", Namespace: "https://sts.amazonaws.com/doc/2011-06-15/", NotOffered: notOffered, Admits: admits,
	}, map[string]queryapi.Operation{
		"AssumeRole":                 queryapi.Op(s.assumeRoleChecks, s.assumeRole),
		"AssumeRoleWithWebIdentity":  queryapi.Vouched(s.vouch, s.webIdentityChecks, s.assumeRoleWithWebIdentity),
		"GetSessionToken":            queryapi.Open(s.getSessionToken),
		"GetCallerIdentity":          queryapi.Open(s.getCallerIdentity),
		"GetAccessKeyInfo":           queryapi.Op(onAll[sdk.GetAccessKeyInfoInput]("GetAccessKeyInfo"), s.getAccessKeyInfo),
		"DecodeAuthorizationMessage": queryapi.Op(onAll[sdk.DecodeAuthorizationMessageInput]("DecodeAuthorizationMessage"), s.decodeAuthorizationMessage),
	}), nil
}

// admits lets the session of a user or of the root do no more here than assume a role and ask who it is. Source: IAM User Guide, "Compare AWS STS
// credentials".
func admits(caller iam.Principal, operation string) error {
	if caller.Type == iam.AssumedRole || caller.Issued.IsZero() || operation == "AssumeRole" || operation == "GetCallerIdentity" {
		return nil
	}
	return refuse(http.StatusForbidden, "AccessDenied", "Cannot call %s with session credentials", operation)
}

// notOffered are the operations of the API that are not carried out.
var notOffered = []string{"AssumeRoleWithSAML", "AssumeRoot", "GetDelegatedAccessToken", "GetFederationToken", "GetWebIdentityToken"}

// onAll asks for an action that names no resource.
func onAll[I any](action string) func(context.Context, iam.Principal, *I) ([]iam.Check, error) {
	return func(context.Context, iam.Principal, *I) ([]iam.Check, error) {
		return []iam.Check{{Action: "sts:" + action, Resource: "*"}}, nil
	}
}

func refuse(status int, code, format string, args ...any) error {
	return queryapi.Errorf(status, code, format, args...)
}

func invalid(format string, args ...any) error {
	return refuse(http.StatusBadRequest, "ValidationError", format, args...)
}

func (s *server) getCallerIdentity(_ context.Context, caller iam.Principal, _ *sdk.GetCallerIdentityInput) (any, error) {
	return &sdk.GetCallerIdentityOutput{Account: &caller.Account, Arn: &caller.ARN, UserId: &caller.UserID}, nil
}

// getAccessKeyInfo tells of keys of the caller's own account alone: of others, nobody here is told that they exist.
func (s *server) getAccessKeyInfo(ctx context.Context, caller iam.Principal, in *sdk.GetAccessKeyInfoInput) (any, error) {
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	if *in.AccessKeyId != caller.AccessKeyID && v.ByAccessKey(*in.AccessKeyId) == nil {
		return nil, invalid("The access key does not belong to the account.")
	}
	return &sdk.GetAccessKeyInfoOutput{Account: &caller.Account}, nil
}

func (s *server) decodeAuthorizationMessage(_ context.Context, caller iam.Principal, in *sdk.DecodeAuthorizationMessageInput) (any, error) {
	text, ok := s.explain(caller.Account, *in.EncodedMessage)
	if !ok {
		return nil, refuse(http.StatusBadRequest, "InvalidAuthorizationMessageException", "The message that was passed is not an encoded authorization message of this account.")
	}
	return &sdk.DecodeAuthorizationMessageOutput{DecodedMessage: &text}, nil
}

// getSessionToken gives a user, or the root, temporary credentials for what they may do anyway, with a second factor if one is shown.
// Source: "GetSessionToken—temporary credentials for users in untrusted environments".
func (s *server) getSessionToken(ctx context.Context, caller iam.Principal, in *sdk.GetSessionTokenInput) (any, error) {
	if caller.Type != iam.User && caller.Type != iam.Root || !caller.Issued.IsZero() || caller.Session != nil {
		return nil, refuse(http.StatusForbidden, "AccessDenied", "Cannot call GetSessionToken with session credentials")
	}
	duration, longest := defaultUserDuration, maxUserDuration
	if caller.Type == iam.Root {
		duration, longest = maxRootDuration, maxRootDuration
	}
	if in.DurationSeconds != nil {
		duration = time.Duration(*in.DurationSeconds) * time.Second
	}
	// The root's longer wishes are cut to an hour, as AWS does.
	duration = min(duration, longest)
	if duration < minDuration {
		return nil, invalid("The requested DurationSeconds must be at least %d.", int(minDuration/time.Second))
	}
	now := s.now().UTC()
	about := identity.Session{Account: caller.Account, Issued: now, Expiry: now.Add(duration)}
	owner := caller.Account
	if caller.Type == iam.User {
		about.Kind, about.ID, owner = identity.User, caller.UserID, caller.UserID
	}
	shown, err := s.factor(ctx, caller.Account, owner, in.SerialNumber, in.TokenCode)
	if err != nil {
		return nil, err
	}
	about.MFA = shown
	c, err := s.people.IssueToken(about)
	if err != nil {
		return nil, err
	}
	return &sdk.GetSessionTokenOutput{Credentials: credentials(c)}, nil
}

// factor takes a second factor that is shown with a request; the zero time if none is. A code is taken once.
func (s *server) factor(ctx context.Context, account, owner string, serial, code *string) (time.Time, error) {
	switch {
	case serial == nil && code == nil:
		return time.Time{}, nil
	case serial == nil || code == nil:
		return time.Time{}, invalid("MFA devices need both SerialNumber and TokenCode.")
	}
	switch err := s.people.VerifyMFA(ctx, account, owner, *serial, *code); {
	case errors.Is(err, identity.ErrWrongCode):
		return time.Time{}, refuse(http.StatusForbidden, "AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code. ")
	case err != nil:
		return time.Time{}, err
	}
	return s.now().UTC(), nil
}

func credentials(c identity.Credentials) *types.Credentials {
	id, key, token := c.AccessKeyID, string(c.SecretAccessKey.Reveal()), string(c.SessionToken.Reveal())
	end := c.Expiry.UTC().Truncate(time.Second)
	return &types.Credentials{AccessKeyId: &id, SecretAccessKey: &key, SessionToken: &token, Expiration: &end}
}

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func ptr[T any](v T) *T { return &v }

// fold is what tag keys are the same by.
func fold(key string) string { return strings.ToLower(key) }
