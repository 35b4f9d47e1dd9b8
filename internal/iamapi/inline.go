package iamapi

import (
	"context"
	"maps"
	"net/http"
	"slices"

	sdk "github.com/aws/aws-sdk-go-v2/service/iam"

	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/queryapi"
)

// maxInline is how many characters all inline documents of an entity have together.
var maxInline = map[identity.Kind]int{identity.User: maxInlineOfUser, identity.Group: maxInlineOfGroup, identity.Role: maxInlineOfRole}

// inlines are the operations on inline policies of users, groups and roles.
func (s *server) inlines() map[string]queryapi.Operation {
	const user, group, role = identity.User, identity.Group, identity.Role
	return map[string]queryapi.Operation{
		"PutUserPolicy": putInline(s, "PutUserPolicy", user, &sdk.PutUserPolicyOutput{},
			func(in *sdk.PutUserPolicyInput) inline { return inline{in.UserName, in.PolicyName, in.PolicyDocument} }),
		"PutGroupPolicy": putInline(s, "PutGroupPolicy", group, &sdk.PutGroupPolicyOutput{},
			func(in *sdk.PutGroupPolicyInput) inline {
				return inline{in.GroupName, in.PolicyName, in.PolicyDocument}
			}),
		"PutRolePolicy": putInline(s, "PutRolePolicy", role, &sdk.PutRolePolicyOutput{},
			func(in *sdk.PutRolePolicyInput) inline { return inline{in.RoleName, in.PolicyName, in.PolicyDocument} }),
		"DeleteUserPolicy": deleteInline(s, "DeleteUserPolicy", user, &sdk.DeleteUserPolicyOutput{},
			func(in *sdk.DeleteUserPolicyInput) inline { return inline{in.UserName, in.PolicyName, nil} }),
		"DeleteGroupPolicy": deleteInline(s, "DeleteGroupPolicy", group, &sdk.DeleteGroupPolicyOutput{},
			func(in *sdk.DeleteGroupPolicyInput) inline { return inline{in.GroupName, in.PolicyName, nil} }),
		"DeleteRolePolicy": deleteInline(s, "DeleteRolePolicy", role, &sdk.DeleteRolePolicyOutput{},
			func(in *sdk.DeleteRolePolicyInput) inline { return inline{in.RoleName, in.PolicyName, nil} }),
		"GetUserPolicy": getInline(s, "GetUserPolicy", user, func(in *sdk.GetUserPolicyInput) inline { return inline{in.UserName, in.PolicyName, nil} },
			func(i inline) any {
				return &sdk.GetUserPolicyOutput{UserName: i.owner, PolicyName: i.name, PolicyDocument: i.document}
			}),
		"GetGroupPolicy": getInline(s, "GetGroupPolicy", group, func(in *sdk.GetGroupPolicyInput) inline { return inline{in.GroupName, in.PolicyName, nil} },
			func(i inline) any {
				return &sdk.GetGroupPolicyOutput{GroupName: i.owner, PolicyName: i.name, PolicyDocument: i.document}
			}),
		"GetRolePolicy": getInline(s, "GetRolePolicy", role, func(in *sdk.GetRolePolicyInput) inline { return inline{in.RoleName, in.PolicyName, nil} },
			func(i inline) any {
				return &sdk.GetRolePolicyOutput{RoleName: i.owner, PolicyName: i.name, PolicyDocument: i.document}
			}),
		"ListUserPolicies": queryapi.Op(named(s, "ListUserPolicies", user, func(in *sdk.ListUserPoliciesInput) *string { return in.UserName }),
			func(ctx context.Context, caller iam.Principal, in *sdk.ListUserPoliciesInput) (any, error) {
				names, next, more, err := s.inlineNames(ctx, caller, user, *in.UserName, in.Marker, in.MaxItems)
				return &sdk.ListUserPoliciesOutput{PolicyNames: names, Marker: next, IsTruncated: more}, err
			}),
		"ListGroupPolicies": queryapi.Op(named(s, "ListGroupPolicies", group, func(in *sdk.ListGroupPoliciesInput) *string { return in.GroupName }),
			func(ctx context.Context, caller iam.Principal, in *sdk.ListGroupPoliciesInput) (any, error) {
				names, next, more, err := s.inlineNames(ctx, caller, group, *in.GroupName, in.Marker, in.MaxItems)
				return &sdk.ListGroupPoliciesOutput{PolicyNames: names, Marker: next, IsTruncated: more}, err
			}),
		"ListRolePolicies": queryapi.Op(named(s, "ListRolePolicies", role, func(in *sdk.ListRolePoliciesInput) *string { return in.RoleName }),
			func(ctx context.Context, caller iam.Principal, in *sdk.ListRolePoliciesInput) (any, error) {
				names, next, more, err := s.inlineNames(ctx, caller, role, *in.RoleName, in.Marker, in.MaxItems)
				return &sdk.ListRolePoliciesOutput{PolicyNames: names, Marker: next, IsTruncated: more}, err
			}),
	}
}

// inline is an inline policy as a request or an answer has it.
type inline struct{ owner, name, document *string }

// inlineChecks asks for a change of what an entity grants by itself; iam:PermissionsBoundary is the boundary that it has.
func inlineChecks[I any](s *server, action string, kind identity.Kind, read func(*I) inline) func(context.Context, iam.Principal, *I) ([]iam.Check, error) {
	return func(ctx context.Context, caller iam.Principal, in *I) ([]iam.Check, error) {
		v, err := s.people.View(ctx, caller.Account)
		if err != nil {
			return nil, err
		}
		name := value(read(in).owner)
		return s.checks(ctx, caller, action, kind, name, boundaryOf(boundOf(v, kind, name, nil)))
	}
}

func putInline[I any](s *server, action string, kind identity.Kind, out any, read func(*I) inline) queryapi.Operation {
	return queryapi.Op(inlineChecks(s, action, kind, read), func(ctx context.Context, caller iam.Principal, in *I) (any, error) {
		i := read(in)
		if _, err := iam.Parse(iam.IdentityPolicy, *i.name, *i.document); err != nil {
			return nil, malformed(err)
		}
		return out, s.people.Change(ctx, caller.Account, func(v *identity.View) error {
			e, err := find(v, kind, *i.owner)
			if err != nil {
				return err
			}
			e = v.Edit(e)
			if e.Inline == nil {
				e.Inline = make(map[string]string)
			}
			e.Inline[*i.name] = *i.document
			size := 0
			for _, d := range e.Inline {
				size += iam.Size(d)
			}
			if size > maxInline[kind] {
				return exceeded("Maximum policy size of %d bytes exceeded for %s %s", maxInline[kind], kind, e.Name)
			}
			return nil
		})
	})
}

// noInline is the refusal of an inline policy that is not there.
func noInline(kind identity.Kind, name string) error {
	return queryapi.Errorf(http.StatusNotFound, "NoSuchEntity", "The %s policy with name %s cannot be found.", kind, name)
}

func deleteInline[I any](s *server, action string, kind identity.Kind, out any, read func(*I) inline) queryapi.Operation {
	return queryapi.Op(inlineChecks(s, action, kind, read), func(ctx context.Context, caller iam.Principal, in *I) (any, error) {
		i := read(in)
		return out, s.people.Change(ctx, caller.Account, func(v *identity.View) error {
			e, err := find(v, kind, *i.owner)
			if err != nil {
				return err
			}
			if _, ok := e.Inline[*i.name]; !ok {
				return noInline(kind, *i.name)
			}
			delete(v.Edit(e).Inline, *i.name)
			return nil
		})
	})
}

func getInline[I any](s *server, action string, kind identity.Kind, read func(*I) inline, answer func(inline) any) queryapi.Operation {
	return queryapi.Op(named(s, action, kind, func(in *I) *string { return read(in).owner }), func(ctx context.Context, caller iam.Principal, in *I) (any, error) {
		i := read(in)
		v, err := s.people.View(ctx, caller.Account)
		if err != nil {
			return nil, err
		}
		e, err := find(v, kind, *i.owner)
		if err != nil {
			return nil, err
		}
		document, ok := e.Inline[*i.name]
		if !ok {
			return nil, noInline(kind, *i.name)
		}
		return answer(inline{&e.Name, i.name, encoded(document)}), nil
	})
}

// inlineNames returns a page of the names of an entity's inline policies.
func (s *server) inlineNames(ctx context.Context, caller iam.Principal, kind identity.Kind, name string, marker *string, maxItems *int32) (names []string, next *string, more bool, err error) {
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, nil, false, err
	}
	e, err := find(v, kind, name)
	if err != nil {
		return nil, nil, false, err
	}
	all := append([]string{}, slices.SortedFunc(maps.Keys(e.Inline), order)...)
	names, next, more = page(all, func(n string) string { return n }, marker, maxItems)
	return names, next, more, nil
}
