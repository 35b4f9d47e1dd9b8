package iamapi

import (
	"context"
	"net/http"
	"slices"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/queryapi"
)

// attachments are the operations that attach managed policies to users, groups and roles, and bound users and roles by one.
func (s *server) attachments() map[string]queryapi.Operation {
	const user, group, role = identity.User, identity.Group, identity.Role
	return map[string]queryapi.Operation{
		"AttachUserPolicy": onPrincipal(s, "AttachUserPolicy", user, s.attach, &sdk.AttachUserPolicyOutput{},
			func(in *sdk.AttachUserPolicyInput) grant { return grant{in.UserName, in.PolicyArn, nil} }),
		"AttachGroupPolicy": onPrincipal(s, "AttachGroupPolicy", group, s.attach, &sdk.AttachGroupPolicyOutput{},
			func(in *sdk.AttachGroupPolicyInput) grant { return grant{in.GroupName, in.PolicyArn, nil} }),
		"AttachRolePolicy": onPrincipal(s, "AttachRolePolicy", role, s.attach, &sdk.AttachRolePolicyOutput{},
			func(in *sdk.AttachRolePolicyInput) grant { return grant{in.RoleName, in.PolicyArn, nil} }),
		"DetachUserPolicy": onPrincipal(s, "DetachUserPolicy", user, s.detach, &sdk.DetachUserPolicyOutput{},
			func(in *sdk.DetachUserPolicyInput) grant { return grant{in.UserName, in.PolicyArn, nil} }),
		"DetachGroupPolicy": onPrincipal(s, "DetachGroupPolicy", group, s.detach, &sdk.DetachGroupPolicyOutput{},
			func(in *sdk.DetachGroupPolicyInput) grant { return grant{in.GroupName, in.PolicyArn, nil} }),
		"DetachRolePolicy": onPrincipal(s, "DetachRolePolicy", role, s.detach, &sdk.DetachRolePolicyOutput{},
			func(in *sdk.DetachRolePolicyInput) grant { return grant{in.RoleName, in.PolicyArn, nil} }),
		"PutUserPermissionsBoundary": onPrincipal(s, "PutUserPermissionsBoundary", user, s.bound, &sdk.PutUserPermissionsBoundaryOutput{},
			func(in *sdk.PutUserPermissionsBoundaryInput) grant {
				return grant{name: in.UserName, boundary: in.PermissionsBoundary}
			}),
		"PutRolePermissionsBoundary": onPrincipal(s, "PutRolePermissionsBoundary", role, s.bound, &sdk.PutRolePermissionsBoundaryOutput{},
			func(in *sdk.PutRolePermissionsBoundaryInput) grant {
				return grant{name: in.RoleName, boundary: in.PermissionsBoundary}
			}),
		"DeleteUserPermissionsBoundary": onPrincipal(s, "DeleteUserPermissionsBoundary", user, s.unbound, &sdk.DeleteUserPermissionsBoundaryOutput{},
			func(in *sdk.DeleteUserPermissionsBoundaryInput) grant { return grant{name: in.UserName} }),
		"DeleteRolePermissionsBoundary": onPrincipal(s, "DeleteRolePermissionsBoundary", role, s.unbound, &sdk.DeleteRolePermissionsBoundaryOutput{},
			func(in *sdk.DeleteRolePermissionsBoundaryInput) grant { return grant{name: in.RoleName} }),
		"ListAttachedUserPolicies": queryapi.Op(named(s, "ListAttachedUserPolicies", user, func(in *sdk.ListAttachedUserPoliciesInput) *string { return in.UserName }),
			func(ctx context.Context, caller iam.Principal, in *sdk.ListAttachedUserPoliciesInput) (any, error) {
				found, next, more, err := s.attached(ctx, caller, user, *in.UserName, in.PathPrefix, in.Marker, in.MaxItems)
				return &sdk.ListAttachedUserPoliciesOutput{AttachedPolicies: found, Marker: next, IsTruncated: more}, err
			}),
		"ListAttachedGroupPolicies": queryapi.Op(named(s, "ListAttachedGroupPolicies", group, func(in *sdk.ListAttachedGroupPoliciesInput) *string { return in.GroupName }),
			func(ctx context.Context, caller iam.Principal, in *sdk.ListAttachedGroupPoliciesInput) (any, error) {
				found, next, more, err := s.attached(ctx, caller, group, *in.GroupName, in.PathPrefix, in.Marker, in.MaxItems)
				return &sdk.ListAttachedGroupPoliciesOutput{AttachedPolicies: found, Marker: next, IsTruncated: more}, err
			}),
		"ListAttachedRolePolicies": queryapi.Op(named(s, "ListAttachedRolePolicies", role, func(in *sdk.ListAttachedRolePoliciesInput) *string { return in.RoleName }),
			func(ctx context.Context, caller iam.Principal, in *sdk.ListAttachedRolePoliciesInput) (any, error) {
				found, next, more, err := s.attached(ctx, caller, role, *in.RoleName, in.PathPrefix, in.Marker, in.MaxItems)
				return &sdk.ListAttachedRolePoliciesOutput{AttachedPolicies: found, Marker: next, IsTruncated: more}, err
			}),
	}
}

// grant is what a request says of a user, group or role and a managed policy.
type grant struct {
	name     *string // of the user, group or role
	policy   *string // ARN of a policy to attach or detach
	boundary *string // ARN of a policy to be bounded by
}

// onPrincipal makes an operation that changes what grants or bounds a user, group or role. Its checks have the policy that is attached as
// iam:PolicyARN, and as iam:PermissionsBoundary the boundary that is set or, where none is, that the entity has: who may only make bounded users can be
// held to that.
func onPrincipal[I any](s *server, action string, kind identity.Kind, change func(v *identity.View, e *identity.Entity, g grant) error, out any, read func(*I) grant) queryapi.Operation {
	return queryapi.Op(func(ctx context.Context, caller iam.Principal, in *I) ([]iam.Check, error) {
		g := read(in)
		v, err := s.people.View(ctx, caller.Account)
		if err != nil {
			return nil, err
		}
		return s.checks(ctx, caller, action, kind, value(g.name), policyARN(g.policy), boundaryOf(boundOf(v, kind, value(g.name), g.boundary)))
	}, func(ctx context.Context, caller iam.Principal, in *I) (any, error) {
		g := read(in)
		return out, s.people.Change(ctx, caller.Account, func(v *identity.View) error {
			e, err := find(v, kind, *g.name)
			if err != nil {
				return err
			}
			return change(v, v.Edit(e), g)
		})
	})
}

// boundOf is the permissions boundary that a request sets or, where it sets none, that an entity has.
func boundOf(v *identity.View, kind identity.Kind, name string, set *string) string {
	if set != nil {
		return *set
	}
	if e := v.Get(kind, name); e != nil {
		return e.Boundary
	}
	return ""
}

func (s *server) attach(v *identity.View, e *identity.Entity, g grant) error {
	switch {
	case v.ManagedPolicy(*g.policy) == nil:
		return queryapi.Errorf(http.StatusNotFound, "NoSuchEntity", "Policy %s does not exist or is not attachable.", *g.policy)
	case slices.Contains(e.Attached, *g.policy):
		return nil
	case len(e.Attached) >= maxAttached:
		return exceeded("Cannot exceed quota for PoliciesPer%s: %d", title(e.Kind), maxAttached)
	}
	e.Attached = append(e.Attached, *g.policy)
	return nil
}

func (s *server) detach(_ *identity.View, e *identity.Entity, g grant) error {
	i := slices.Index(e.Attached, *g.policy)
	if i < 0 {
		return queryapi.Errorf(http.StatusNotFound, "NoSuchEntity", "Policy %s was not found.", *g.policy)
	}
	e.Attached = slices.Delete(e.Attached, i, i+1)
	return nil
}

func (s *server) bound(v *identity.View, e *identity.Entity, g grant) error {
	e.Boundary = *g.boundary
	return bounds(v, *g.boundary)
}

// bounds refuses a permissions boundary that is not there; none is one.
func bounds(v *identity.View, policy string) error {
	if policy != "" && v.ManagedPolicy(policy) == nil {
		return queryapi.Errorf(http.StatusNotFound, "NoSuchEntity", "Scope ARN: %s does not exist or is not attachable.", policy)
	}
	return nil
}

func (s *server) unbound(_ *identity.View, e *identity.Entity, _ grant) error {
	if e.Boundary == "" {
		return queryapi.Errorf(http.StatusNotFound, "NoSuchEntity", "%s %s does not have a permissions boundary.", title(e.Kind), e.Name)
	}
	e.Boundary = ""
	return nil
}

// title is the name of a kind at the beginning of a word.
func title(kind identity.Kind) string { return strings.ToUpper(string(kind[:1])) + string(kind[1:]) }

// attached returns a page of the managed policies that are attached to an entity.
func (s *server) attached(ctx context.Context, caller iam.Principal, kind identity.Kind, name string, prefix, marker *string, maxItems *int32) (found []types.AttachedPolicy, next *string, more bool, err error) {
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, nil, false, err
	}
	e, err := find(v, kind, name)
	if err != nil {
		return nil, nil, false, err
	}
	found, next, more = page(attachedTo(v, e, value(prefix)), func(p types.AttachedPolicy) string { return policyKey(*p.PolicyName, *p.PolicyArn) }, marker, maxItems)
	return found, next, more, nil
}

// attachedTo are the managed policies of an entity whose path begins with a prefix, in the order of policyKey. It is not nil.
func attachedTo(v *identity.View, e *identity.Entity, prefix string) []types.AttachedPolicy {
	out := []types.AttachedPolicy{}
	for _, arn := range e.Attached {
		if p := v.ManagedPolicy(arn); p != nil && strings.HasPrefix(p.Path, prefix) {
			out = append(out, types.AttachedPolicy{PolicyArn: ptr(arn), PolicyName: &p.Name})
		}
	}
	slices.SortFunc(out, func(a, b types.AttachedPolicy) int {
		return order(policyKey(*a.PolicyName, *a.PolicyArn), policyKey(*b.PolicyName, *b.PolicyArn))
	})
	return out
}
