package stsapi

import (
	"context"
	"errors"
	"net/http"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/sts"

	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/oidc"
)

// vouch finds who a web identity token is about. The account is that of the role; whose token it is says the provider that the account has configured.
// Source: "AssumeRoleWithWebIdentity".
func (s *server) vouch(ctx context.Context, in *sdk.AssumeRoleWithWebIdentityInput) (iam.Principal, oidc.Claims, error) {
	fail := func(err error) (iam.Principal, oidc.Claims, error) { return iam.Principal{}, oidc.Claims{}, err }
	if in.ProviderId != nil {
		return fail(invalid("Not offered by this installation: ProviderId, which is for OAuth 2.0 access tokens. Identity providers are OpenID Connect ones."))
	}
	account := ""
	if parts := strings.SplitN(value(in.RoleArn), ":", 6); len(parts) == 6 && parts[2] == "iam" && strings.HasPrefix(parts[5], "role/") {
		account = parts[4]
	}
	v, err := s.people.View(ctx, account)
	if errors.Is(err, identity.ErrNoAccount) {
		return fail(notAuthorized())
	}
	if err != nil {
		return fail(err)
	}
	issuer, _, err := oidc.Peek(value(in.WebIdentityToken))
	if err != nil {
		return fail(refuse(http.StatusBadRequest, "InvalidIdentityToken", "The ID Token provided is not a valid JWT. (%s)", err))
	}
	provider := v.Get(identity.Provider, strings.TrimPrefix(issuer, "https://"))
	if provider == nil || !strings.HasPrefix(issuer, "https://") {
		return fail(refuse(http.StatusBadRequest, "InvalidIdentityToken", "No OpenIDConnect provider found in your account for the issuer of the token."))
	}
	claims, err := s.verify(ctx, issuer, provider.Audiences, value(in.WebIdentityToken))
	switch {
	case errors.Is(err, oidc.ErrUnreachable):
		return fail(refuse(http.StatusBadRequest, "IDPCommunicationError", "Couldn't retrieve verification key from your identity provider, please try again."))
	case errors.Is(err, oidc.ErrExpired):
		return fail(refuse(http.StatusBadRequest, "ExpiredTokenException", "Token expired: the token of the identity provider is no longer good."))
	case errors.Is(err, oidc.ErrAudience):
		return fail(refuse(http.StatusBadRequest, "InvalidIdentityToken", "Incorrect token audience"))
	case errors.Is(err, oidc.ErrInvalid):
		return fail(refuse(http.StatusBadRequest, "InvalidIdentityToken", "The token cannot be taken: %s", err))
	case err != nil:
		return fail(err)
	}
	arn := provider.ARN(account)
	return iam.Principal{
		Type: iam.WebIdentity, Account: account, Name: arn, Provider: arn, UserID: provider.ID + ":" + claims.Subject, ARN: arn + "/" + claims.Subject,
	}, claims, nil
}

func notAuthorized() error {
	return refuse(http.StatusForbidden, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
}

// webIdentityChecks asks the trust policy of the role, with what the token says.
func (s *server) webIdentityChecks(ctx context.Context, caller iam.Principal, claims oidc.Claims, in *sdk.AssumeRoleWithWebIdentityInput) ([]iam.Check, error) {
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	var c iam.Check
	host := strings.TrimPrefix(claims.Issuer, "https://")
	c.Context.Set(host+":aud", audience(claims))
	c.Context.Set(host+":sub", claims.Subject)
	c.Context.Set(host+":amr", claims.AuthenticationMethods...)
	return trustChecks(v, c, "AssumeRoleWithWebIdentity", value(in.RoleArn), value(in.RoleSessionName), in.DurationSeconds,
		claims.PrincipalTags, claims.TransitiveTagKeys, claims.SourceIdentity), nil
}

// audience is the client that a token is for: the authorized party where there is one.
func audience(c oidc.Claims) string {
	if c.AuthorizedParty != "" {
		return c.AuthorizedParty
	}
	return c.Audience[0]
}

func (s *server) assumeRoleWithWebIdentity(ctx context.Context, caller iam.Principal, claims oidc.Claims, in *sdk.AssumeRoleWithWebIdentityInput) (any, error) {
	c, user, packed, err := s.assume(ctx, caller.Account, assumption{
		role: *in.RoleArn, name: *in.RoleSessionName, duration: in.DurationSeconds, policy: in.Policy, managed: in.PolicyArns,
		tags: claims.PrincipalTags, transitive: claims.TransitiveTagKeys, source: claims.SourceIdentity, provider: caller.Provider,
	})
	if err != nil {
		return nil, err
	}
	out := &sdk.AssumeRoleWithWebIdentityOutput{
		Credentials: credentials(c), AssumedRoleUser: user, Provider: &caller.Provider, Audience: ptr(audience(claims)),
		SubjectFromWebIdentityToken: &claims.Subject, SessionTokenSize: tokenSize(c), SessionTokenUtilization: tokenUse(c),
		PackedPolicySize: packed, //lint:ignore SA1019 older clients read it
	}
	if claims.SourceIdentity != "" {
		out.SourceIdentity = &claims.SourceIdentity
	}
	return out, nil
}
