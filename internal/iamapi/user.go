package iamapi

import (
	"context"

	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/queryapi"
)

// users are the operations on users themselves.
func (s *server) users() map[string]queryapi.Operation {
	return map[string]queryapi.Operation{
		"CreateUser": queryapi.Op(func(ctx context.Context, caller iam.Principal, in *sdk.CreateUserInput) ([]iam.Check, error) {
			e := identity.Entity{Kind: identity.User, Name: value(in.UserName), Path: pathOf(in.Path)}
			return created("CreateUser", "TagUser", e.ARN(caller.Account), in.Tags, boundaryOf(value(in.PermissionsBoundary))), nil
		}, s.createUser),
		"GetUser": queryapi.Op(func(ctx context.Context, caller iam.Principal, in *sdk.GetUserInput) ([]iam.Check, error) {
			return s.checks(ctx, caller, "GetUser", identity.User, orSelf(caller, in.UserName))
		}, s.getUser),
		"ListUsers": queryapi.Op(all[sdk.ListUsersInput]("ListUsers"), s.listUsers),
		"UpdateUser": queryapi.Op(func(ctx context.Context, caller iam.Principal, in *sdk.UpdateUserInput) ([]iam.Check, error) {
			return s.renameChecks(ctx, caller, "UpdateUser", identity.User, value(in.UserName), in.NewUserName, in.NewPath)
		}, s.updateUser),
		"DeleteUser": queryapi.Op(named(s, "DeleteUser", identity.User, func(in *sdk.DeleteUserInput) *string { return in.UserName }), s.deleteUser),
	}
}

// pathOf is the path that a request gives, "/" where it gives none.
func pathOf(path *string) string {
	if path == nil {
		return "/"
	}
	return *path
}

// orSelf is the user that a request names, or who asks where it names nobody.
func orSelf(caller iam.Principal, name *string) string {
	if name == nil && caller.Type == iam.User {
		return caller.Name
	}
	return value(name)
}

// find returns the entity of a kind with a name in a change or a view.
func find(v *identity.View, kind identity.Kind, name string) (*identity.Entity, error) {
	if e := v.Get(kind, name); e != nil {
		return e, nil
	}
	return nil, noSuch(kind, name)
}

func (s *server) createUser(ctx context.Context, caller iam.Principal, in *sdk.CreateUserInput) (any, error) {
	e := &identity.Entity{
		Kind: identity.User, ID: identity.NewID(identity.User), Name: *in.UserName, Path: pathOf(in.Path), Created: s.now().UTC(), Boundary: value(in.PermissionsBoundary),
	}
	var err error
	if e.Tags, err = tagsOf(nil, in.Tags); err != nil {
		return nil, err
	}
	out := new(sdk.CreateUserOutput)
	return out, s.people.Change(ctx, caller.Account, func(v *identity.View) error {
		if err := room(v, e, "Users", maxUsers); err != nil {
			return err
		}
		if err := bounds(v, e.Boundary); err != nil {
			return err
		}
		v.Put(e)
		out.User = s.describeUser(v, e)
		return nil
	})
}

// describeUser makes an entity into the User of the API.
func (s *server) describeUser(v *identity.View, e *identity.Entity) *types.User {
	return &types.User{
		Arn: ptr(e.ARN(v.Account())), CreateDate: at(e.Created), Path: &e.Path, UserId: &e.ID, UserName: &e.Name,
		PermissionsBoundary: boundary(e), Tags: shownTags(e.Tags),
	}
}

// boundary describes the permissions boundary of an entity; nil if it has none.
func boundary(e *identity.Entity) *types.AttachedPermissionsBoundary {
	if e.Boundary == "" {
		return nil
	}
	return &types.AttachedPermissionsBoundary{PermissionsBoundaryArn: &e.Boundary, PermissionsBoundaryType: types.PermissionsBoundaryAttachmentTypePolicy}
}

func (s *server) getUser(ctx context.Context, caller iam.Principal, in *sdk.GetUserInput) (any, error) {
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	if in.UserName == nil && caller.Type == iam.Root {
		return &sdk.GetUserOutput{User: &types.User{Arn: &caller.ARN, UserId: &caller.Account, CreateDate: at(s.now())}}, nil
	}
	if in.UserName == nil && caller.Type != iam.User {
		return nil, invalid("Must specify userName when calling with non-User credentials")
	}
	e, err := find(v, identity.User, orSelf(caller, in.UserName))
	if err != nil {
		return nil, err
	}
	return &sdk.GetUserOutput{User: s.describeUser(v, e)}, nil
}

func (s *server) listUsers(ctx context.Context, caller iam.Principal, in *sdk.ListUsersInput) (any, error) {
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	found, next, more := page(v.All(identity.User, value(in.PathPrefix)), nameOf, in.Marker, in.MaxItems)
	out := &sdk.ListUsersOutput{Users: []types.User{}, IsTruncated: more, Marker: next}
	for _, e := range found {
		u := s.describeUser(v, e)
		u.PermissionsBoundary, u.Tags = nil, nil // ListUsers does not tell
		out.Users = append(out.Users, *u)
	}
	return out, nil
}

func nameOf(e *identity.Entity) string { return e.Name }

func (s *server) updateUser(ctx context.Context, caller iam.Principal, in *sdk.UpdateUserInput) (any, error) {
	return &sdk.UpdateUserOutput{}, s.rename(ctx, caller, identity.User, *in.UserName, in.NewUserName, in.NewPath)
}

// deleteUser refuses while the user has anything, as IAM does.
func (s *server) deleteUser(ctx context.Context, caller iam.Principal, in *sdk.DeleteUserInput) (any, error) {
	return &sdk.DeleteUserOutput{}, s.people.Change(ctx, caller.Account, func(v *identity.View) error {
		e, err := find(v, identity.User, *in.UserName)
		if err != nil {
			return err
		}
		switch {
		case len(e.Keys) > 0:
			return conflict("Cannot delete entity, must delete access keys first.")
		case len(e.Groups) > 0:
			return conflict("Cannot delete entity, must remove users from group first.")
		}
		if err := bare(e); err != nil {
			return err
		}
		for _, d := range v.All(identity.Device, "") {
			if d.Owner == e.ID {
				return conflict("Cannot delete entity, must delete MFA device first.")
			}
		}
		v.Drop(e)
		return nil
	})
}
