package iamapi

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"darkroom/internal/arn"
	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/queryapi"
)

// roles are the operations on roles themselves.
func (s *server) roles() map[string]queryapi.Operation {
	return map[string]queryapi.Operation{
		"CreateRole": queryapi.Op(func(_ context.Context, caller iam.Principal, in *sdk.CreateRoleInput) ([]iam.Check, error) {
			e := identity.Entity{Kind: identity.Role, Name: value(in.RoleName), Path: pathOf(in.Path)}
			return created("CreateRole", "TagRole", e.ARN(caller.Account), in.Tags, boundaryOf(value(in.PermissionsBoundary))), nil
		}, s.createRole),
		"GetRole":                queryapi.Op(named(s, "GetRole", identity.Role, func(in *sdk.GetRoleInput) *string { return in.RoleName }), s.getRole),
		"ListRoles":              queryapi.Op(all[sdk.ListRolesInput]("ListRoles"), s.listRoles),
		"UpdateRole":             queryapi.Op(named(s, "UpdateRole", identity.Role, func(in *sdk.UpdateRoleInput) *string { return in.RoleName }), s.updateRole),
		"UpdateRoleDescription":  queryapi.Op(named(s, "UpdateRoleDescription", identity.Role, func(in *sdk.UpdateRoleDescriptionInput) *string { return in.RoleName }), s.updateRoleDescription),
		"UpdateAssumeRolePolicy": queryapi.Op(named(s, "UpdateAssumeRolePolicy", identity.Role, func(in *sdk.UpdateAssumeRolePolicyInput) *string { return in.RoleName }), s.updateAssumeRolePolicy),
		"DeleteRole":             queryapi.Op(named(s, "DeleteRole", identity.Role, func(in *sdk.DeleteRoleInput) *string { return in.RoleName }), s.deleteRole),
		"ListInstanceProfilesForRole": queryapi.Op(named(s, "ListInstanceProfilesForRole", identity.Role, func(in *sdk.ListInstanceProfilesForRoleInput) *string { return in.RoleName }),
			s.listInstanceProfilesForRole),
	}
}

// created asks whether something may be made and, where it gets tags, tagged.
func created(action, tagAction, resource string, tags []types.Tag, keys ...func(*iam.Context)) []iam.Check {
	asks := []iam.Check{check(action, resource, nil, append(keys, requestTags(tags))...)}
	if len(tags) > 0 {
		asks = append(asks, check(tagAction, resource, nil, requestTags(tags)))
	}
	return asks
}

// malformed is the refusal of a document, with every mistake in it.
func malformed(err error) error {
	if faults, ok := errors.AsType[*iam.DocumentError](err); ok {
		return queryapi.Errorf(http.StatusBadRequest, "MalformedPolicyDocument", "%s", faults.Error())
	}
	return err
}

// trust puts a trust policy into a role. Users and roles that it names are kept by their unique ids.
func trust(v *identity.View, role *identity.Entity, document string) error {
	p, err := iam.Parse(iam.TrustPolicy, role.Name, document)
	if err != nil {
		return malformed(err)
	}
	if iam.Size(document) > maxTrustDocument {
		return exceeded("Cannot exceed quota for ACLSizePerRole: %d", maxTrustDocument)
	}
	for _, statement := range p.Statements {
		for _, x := range statement.Principals {
			if err := known(v, x); err != nil {
				return err
			}
		}
	}
	ids, missing := v.TrustedIDs(p)
	if len(missing) > 0 {
		return stranger(iam.PrincipalPattern{Type: "AWS", Value: missing[0]}, "")
	}
	role.Trust, role.TrustedIDs = document, ids
	return nil
}

// known refuses a principal that can never be anybody: of another account, or the unique id or the identity provider of nobody. ARNs of users and roles
// are for View.TrustedIDs.
func known(v *identity.View, x iam.PrincipalPattern) error {
	if x.Type != "AWS" && x.Type != "Federated" || x.Value == "*" {
		return nil
	}
	account := x.Value
	if a, err := arn.Parse(x.Value); err == nil {
		account = a.Account
	} else if len(account) != len(v.Account()) { // a unique id
		if v.ByID(identity.User, x.Value) == nil && v.ByID(identity.Role, x.Value) == nil {
			return stranger(x, "")
		}
		return nil
	}
	if account != v.Account() {
		return stranger(x, ". Not offered by this installation: trust in another account.")
	}
	if x.Type == "Federated" && v.ByARN(x.Value) == nil {
		return stranger(x, "")
	}
	return nil
}

// stranger is the refusal of a principal in a trust policy; note says more of the reason than IAM does.
func stranger(x iam.PrincipalPattern, note string) error {
	return queryapi.Errorf(http.StatusBadRequest, "MalformedPolicyDocument", "Invalid principal in policy: %q:%q%s", x.Type, x.Value, note)
}

// durationOf reads the longest duration of a role's sessions.
func durationOf(seconds *int32) time.Duration {
	if seconds == nil {
		return identity.DefaultMaxDuration
	}
	return time.Duration(*seconds) * time.Second
}

func (s *server) createRole(ctx context.Context, caller iam.Principal, in *sdk.CreateRoleInput) (any, error) {
	if strings.HasPrefix(value(in.Path), reservedPathService) {
		return nil, queryapi.Errorf(http.StatusForbidden, "AccessDenied", "Cannot create a role below the path %s, which is reserved.", reservedPathService)
	}
	e := &identity.Entity{
		Kind: identity.Role, ID: identity.NewID(identity.Role), Name: *in.RoleName, Path: pathOf(in.Path), Created: s.now().UTC(), Description: value(in.Description),
		Boundary: value(in.PermissionsBoundary), MaxDuration: durationOf(in.MaxSessionDuration),
	}
	var err error
	if e.Tags, err = tagsOf(nil, in.Tags); err != nil {
		return nil, err
	}
	out := new(sdk.CreateRoleOutput)
	return out, s.people.Change(ctx, caller.Account, func(v *identity.View) error {
		if err := room(v, e, "Roles", maxRoles); err != nil {
			return err
		}
		if err := bounds(v, e.Boundary); err != nil {
			return err
		}
		if err := trust(v, e, *in.AssumeRolePolicyDocument); err != nil {
			return err
		}
		v.Put(e)
		out.Role = s.describeRole(v, e)
		out.Role.RoleLastUsed = nil // CreateRole does not tell
		return nil
	})
}

// describeRole makes an entity into the Role of the API.
func (s *server) describeRole(v *identity.View, e *identity.Entity) *types.Role {
	r := &types.Role{
		Arn: ptr(e.ARN(v.Account())), CreateDate: at(e.Created), Path: &e.Path, RoleId: &e.ID, RoleName: &e.Name, AssumeRolePolicyDocument: encoded(v.TrustDocument(e)),
		MaxSessionDuration: ptr(int32(e.MaxDuration / time.Second)), PermissionsBoundary: boundary(e), Tags: shownTags(e.Tags), RoleLastUsed: &types.RoleLastUsed{},
	}
	if e.Description != "" {
		r.Description = &e.Description
	}
	if use, ok := s.people.LastUse(e.ID); ok {
		r.RoleLastUsed.LastUsedDate, r.RoleLastUsed.Region = at(use.Time), &use.Region
	}
	return r
}

func (s *server) getRole(ctx context.Context, caller iam.Principal, in *sdk.GetRoleInput) (any, error) {
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	e, err := find(v, identity.Role, *in.RoleName)
	if err != nil {
		return nil, err
	}
	return &sdk.GetRoleOutput{Role: s.describeRole(v, e)}, nil
}

func (s *server) listRoles(ctx context.Context, caller iam.Principal, in *sdk.ListRolesInput) (any, error) {
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	found, next, more := page(v.All(identity.Role, value(in.PathPrefix)), nameOf, in.Marker, in.MaxItems)
	out := &sdk.ListRolesOutput{Roles: []types.Role{}, IsTruncated: more, Marker: next}
	for _, e := range found {
		r := s.describeRole(v, e)
		r.PermissionsBoundary, r.Tags, r.RoleLastUsed = nil, nil, nil // ListRoles does not tell
		out.Roles = append(out.Roles, *r)
	}
	return out, nil
}

// changeRole changes a role that a request names.
func (s *server) changeRole(ctx context.Context, caller iam.Principal, name string, change func(v *identity.View, e *identity.Entity) error) error {
	return s.people.Change(ctx, caller.Account, func(v *identity.View) error {
		e, err := find(v, identity.Role, name)
		if err != nil {
			return err
		}
		return change(v, v.Edit(e))
	})
}

// updateRole gives a role whose longest session nobody states the default of an hour, as the API Reference says.
func (s *server) updateRole(ctx context.Context, caller iam.Principal, in *sdk.UpdateRoleInput) (any, error) {
	return &sdk.UpdateRoleOutput{}, s.changeRole(ctx, caller, *in.RoleName, func(_ *identity.View, e *identity.Entity) error {
		if in.Description != nil {
			e.Description = *in.Description
		}
		e.MaxDuration = durationOf(in.MaxSessionDuration)
		return nil
	})
}

func (s *server) updateRoleDescription(ctx context.Context, caller iam.Principal, in *sdk.UpdateRoleDescriptionInput) (any, error) {
	out := new(sdk.UpdateRoleDescriptionOutput)
	return out, s.changeRole(ctx, caller, *in.RoleName, func(v *identity.View, e *identity.Entity) error {
		e.Description = *in.Description
		out.Role = s.describeRole(v, e)
		return nil
	})
}

func (s *server) updateAssumeRolePolicy(ctx context.Context, caller iam.Principal, in *sdk.UpdateAssumeRolePolicyInput) (any, error) {
	return &sdk.UpdateAssumeRolePolicyOutput{}, s.changeRole(ctx, caller, *in.RoleName, func(v *identity.View, e *identity.Entity) error {
		return trust(v, e, *in.PolicyDocument)
	})
}

func (s *server) deleteRole(ctx context.Context, caller iam.Principal, in *sdk.DeleteRoleInput) (any, error) {
	return &sdk.DeleteRoleOutput{}, s.people.Change(ctx, caller.Account, func(v *identity.View) error {
		e, err := find(v, identity.Role, *in.RoleName)
		if err != nil {
			return err
		}
		if err := bare(e); err != nil {
			return err
		}
		v.Drop(e)
		return nil
	})
}

// listInstanceProfilesForRole answers that a role is in none: there are no instance profiles here, and clients ask before they delete a role.
func (s *server) listInstanceProfilesForRole(ctx context.Context, caller iam.Principal, in *sdk.ListInstanceProfilesForRoleInput) (any, error) {
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	if _, err := find(v, identity.Role, *in.RoleName); err != nil {
		return nil, err
	}
	return &sdk.ListInstanceProfilesForRoleOutput{InstanceProfiles: []types.InstanceProfile{}}, nil
}
