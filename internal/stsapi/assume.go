package stsapi

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/queryapi"
)

// assumption is what a request asks of a role, however it proves who asks.
type assumption struct {
	role, name string
	duration   *int32
	policy     *string
	managed    []types.PolicyDescriptorType
	tags       map[string]string
	transitive []string
	source     string // source identity
	provider   string // ARN of who vouched
	chained    bool   // a role session asks
	mfa        time.Time
}

// assumeRoleChecks asks the trust policy of the role and, where that leaves it to the account, the caller's own: for the role, for its tags, and for
// the source identity. A role that is not there is refused like one that does not trust the caller.
func (s *server) assumeRoleChecks(ctx context.Context, caller iam.Principal, in *sdk.AssumeRoleInput) ([]iam.Check, error) {
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	var c iam.Check
	if in.ExternalId != nil {
		c.Context.Set("sts:ExternalId", *in.ExternalId)
	}
	if in.SerialNumber != nil && in.TokenCode != nil && caller.Type == iam.User {
		shown, err := s.people.PeekMFA(ctx, caller.Account, caller.UserID, *in.SerialNumber, *in.TokenCode)
		if err != nil {
			return nil, err
		}
		if shown {
			c.MFA = s.now().UTC()
		}
	}
	tags, transitive := s.sessionTags(caller, in)
	return trustChecks(v, c, "AssumeRole", value(in.RoleArn), value(in.RoleSessionName), in.DurationSeconds, tags, transitive, sourceOf(caller, in.SourceIdentity)), nil
}

// trustChecks asks what assuming a role needs.
func trustChecks(v *identity.View, c iam.Check, action, roleARN, name string, duration *int32, tags map[string]string, transitive []string, source string) []iam.Check {
	c.Action, c.Resource = "sts:"+action, roleARN
	if role := v.ByARN(roleARN); role != nil && role.Kind == identity.Role {
		c.Tags, c.Policy = role.Tags, v.TrustPolicy(role)
	}
	if !strings.HasPrefix(roleARN, "arn:") {
		c.Resource = "*" // what is no ARN is refused for that, to those who may
	}
	if name != "" {
		c.Context.Set("sts:RoleSessionName", name)
	}
	if duration != nil {
		c.Context.Set("sts:DurationSeconds", strconv.Itoa(int(*duration)))
	}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		c.Context.Set("aws:RequestTag/"+k, tags[k])
		c.Context.Set("aws:TagKeys", k)
	}
	c.Context.Set("sts:TransitiveTagKeys", transitive...)
	if source != "" {
		c.Context.Set("sts:SourceIdentity", source)
	}
	all := []iam.Check{c}
	if len(tags) > 0 || len(transitive) > 0 {
		c.Action = "sts:TagSession"
		all = append(all, c)
	}
	if source != "" {
		c.Action = "sts:SetSourceIdentity"
		all = append(all, c)
	}
	return all
}

// sessionTags are the tags of the session that a request asks for, with those that pass on from the caller's session.
func (s *server) sessionTags(caller iam.Principal, in *sdk.AssumeRoleInput) (tags map[string]string, transitive []string) {
	tags = make(map[string]string)
	for _, k := range caller.TransitiveTags {
		for name, v := range caller.Tags {
			if fold(name) == fold(k) {
				tags[name] = v
			}
		}
	}
	for _, t := range in.Tags {
		tags[value(t.Key)] = value(t.Value)
	}
	return tags, slices.Concat(caller.TransitiveTags, in.TransitiveTagKeys)
}

// sourceOf is the source identity of the new session: once set, it passes on.
func sourceOf(caller iam.Principal, asked *string) string {
	if caller.SourceIdentity != "" {
		return caller.SourceIdentity
	}
	return value(asked)
}

func (s *server) assumeRole(ctx context.Context, caller iam.Principal, in *sdk.AssumeRoleInput) (any, error) {
	if caller.SourceIdentity != "" && in.SourceIdentity != nil && *in.SourceIdentity != caller.SourceIdentity {
		return nil, refuse(http.StatusForbidden, "AccessDenied", "The source identity of a session cannot be changed.")
	}
	if err := checkTags(caller, in.Tags, in.TransitiveTagKeys); err != nil {
		return nil, err
	}
	if len(in.ProvidedContexts) > 0 {
		return nil, invalid("Not offered by this installation: ProvidedContexts.")
	}
	tags, transitive := s.sessionTags(caller, in)
	a := assumption{
		role: *in.RoleArn, name: *in.RoleSessionName, duration: in.DurationSeconds, policy: in.Policy, managed: in.PolicyArns, tags: tags,
		transitive: transitive, source: sourceOf(caller, in.SourceIdentity), chained: caller.Type == iam.AssumedRole,
	}
	if in.SerialNumber != nil || in.TokenCode != nil {
		if caller.Type != iam.User {
			return nil, refuse(http.StatusForbidden, "AccessDenied", "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.")
		}
		var err error
		if a.mfa, err = s.factor(ctx, caller.Account, caller.UserID, in.SerialNumber, in.TokenCode); err != nil {
			return nil, err
		}
	}
	c, user, packed, err := s.assume(ctx, caller.Account, a)
	if err != nil {
		return nil, err
	}
	out := &sdk.AssumeRoleOutput{
		Credentials: credentials(c), AssumedRoleUser: user, SessionTokenSize: tokenSize(c), SessionTokenUtilization: tokenUse(c),
		PackedPolicySize: packed, //lint:ignore SA1019 older clients read it
	}
	if a.source != "" {
		out.SourceIdentity = &a.source
	}
	return out, nil
}

// tokenSize is how long the token of a session is, and tokenUse how much of what a token may have that is, in percent.
func tokenSize(c identity.Credentials) *int32 { return ptr(int32(c.SessionToken.Len())) }

func tokenUse(c identity.Credentials) *int32 {
	return ptr(int32((100*c.SessionToken.Len() + identity.MaxToken - 1) / identity.MaxToken))
}

// checkTags says what is wrong with the tags of a request.
func checkTags(caller iam.Principal, tags []types.Tag, transitive []string) error {
	if len(tags) > maxSessionTags {
		return invalid("A session has at most %d tags (was %d).", maxSessionTags, len(tags))
	}
	seen := make(map[string]bool)
	for _, t := range tags {
		key := fold(value(t.Key))
		switch {
		case strings.HasPrefix(key, "aws:"):
			return invalid("Tag keys must not begin with aws:, which is reserved: %s.", value(t.Key))
		case seen[key]:
			return invalid("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		case slices.ContainsFunc(caller.TransitiveTags, func(k string) bool { return fold(k) == key }):
			return invalid("The tag %s passes on from the session that asks and cannot be given again.", value(t.Key))
		}
		seen[key] = true
	}
	for _, k := range transitive {
		if !seen[fold(k)] {
			return invalid("The transitive tag key %s is not among the tags of the request.", k)
		}
	}
	return nil
}

// assume opens a session of a role for somebody who may.
func (s *server) assume(ctx context.Context, account string, a assumption) (c identity.Credentials, user *types.AssumedRoleUser, packed *int32, err error) {
	v, err := s.people.View(ctx, account)
	if err != nil {
		return c, nil, nil, err
	}
	role := v.ByARN(a.role)
	if role == nil || role.Kind != identity.Role {
		return c, nil, nil, refuse(http.StatusForbidden, "AccessDenied", "The role cannot be assumed.")
	}
	duration := defaultRoleDuration
	if a.duration != nil {
		duration = time.Duration(*a.duration) * time.Second
	}
	switch {
	case duration < minDuration:
		return c, nil, nil, invalid("The requested DurationSeconds must be at least %d.", int(minDuration/time.Second))
	case a.chained && duration > maxChained:
		return c, nil, nil, invalid("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	case duration > max(role.MaxDuration, defaultRoleDuration):
		return c, nil, nil, invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	now := s.now().UTC()
	about := identity.Session{
		Account: account, Kind: identity.Role, ID: role.ID, Name: a.name, Issued: now, Expiry: now.Add(duration), MFA: a.mfa, Tags: a.tags,
		TransitiveTags: a.transitive, SourceIdentity: a.source, Provider: a.provider,
	}
	size, err := narrow(v, &about, a.policy, a.managed)
	if err != nil {
		return c, nil, nil, err
	}
	for k, t := range a.tags {
		size += len(k) + len(t)
	}
	if size > maxPacked {
		return c, nil, nil, refuse(http.StatusBadRequest, "PackedPolicyTooLarge", "The session policies and tags have %d bytes; together they may have %d.", size, maxPacked)
	}
	if size > 0 {
		packed = ptr(int32((100*size + maxPacked - 1) / maxPacked))
	}
	if c, err = s.people.IssueToken(about); err != nil {
		return c, nil, nil, err
	}
	return c, &types.AssumedRoleUser{
		Arn: ptr("arn:aws:sts::" + account + ":assumed-role/" + role.Name + "/" + a.name), AssumedRoleId: ptr(role.ID + ":" + a.name),
	}, packed, nil
}

// narrow puts session policies into a session and returns their size.
func narrow(v *identity.View, about *identity.Session, document *string, managed []types.PolicyDescriptorType) (size int, err error) {
	if document != nil {
		if n := iam.Size(*document); n > maxSessionPolicy {
			return 0, refuse(http.StatusBadRequest, "PackedPolicyTooLarge", "The session policy has %d characters; it may have %d.", n, maxSessionPolicy)
		}
		if _, err := iam.Parse(iam.IdentityPolicy, "session policy", *document); err != nil {
			return 0, malformed(err)
		}
		about.Narrowed, about.Policy = true, *document
		size += len(*document)
	}
	if len(managed) > maxSessionPolicies {
		return 0, invalid("A session has at most %d managed policies (was %d).", maxSessionPolicies, len(managed))
	}
	for _, m := range managed {
		name := value(m.Arn)
		if v.ManagedPolicy(name) == nil {
			return 0, invalid("The managed policy %s does not exist.", name)
		}
		about.Narrowed, about.Managed = true, append(about.Managed, name)
		size += len(name)
	}
	return size, nil
}

// malformed is the refusal of a document, with every mistake in it.
func malformed(err error) error {
	var faults *iam.DocumentError
	if errors.As(err, &faults) {
		return queryapi.Errorf(http.StatusBadRequest, "MalformedPolicyDocument", "%s", faults.Error())
	}
	return err
}
