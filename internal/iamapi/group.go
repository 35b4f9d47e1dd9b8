package iamapi

import (
	"context"
	"slices"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/queryapi"
)

// groups are the operations on groups and their members.
func (s *server) groups() map[string]queryapi.Operation {
	return map[string]queryapi.Operation{
		"CreateGroup": queryapi.Op(func(_ context.Context, caller iam.Principal, in *sdk.CreateGroupInput) ([]iam.Check, error) {
			e := identity.Entity{Kind: identity.Group, Name: value(in.GroupName), Path: pathOf(in.Path)}
			return []iam.Check{check("CreateGroup", e.ARN(caller.Account), nil)}, nil
		}, s.createGroup),
		"GetGroup":            queryapi.Op(named(s, "GetGroup", identity.Group, func(in *sdk.GetGroupInput) *string { return in.GroupName }), s.getGroup),
		"ListGroups":          queryapi.Op(all[sdk.ListGroupsInput]("ListGroups"), s.listGroups),
		"UpdateGroup":         queryapi.Op(s.updateGroupChecks, s.updateGroup),
		"DeleteGroup":         queryapi.Op(named(s, "DeleteGroup", identity.Group, func(in *sdk.DeleteGroupInput) *string { return in.GroupName }), s.deleteGroup),
		"AddUserToGroup":      queryapi.Op(named(s, "AddUserToGroup", identity.Group, func(in *sdk.AddUserToGroupInput) *string { return in.GroupName }), s.addUserToGroup),
		"RemoveUserFromGroup": queryapi.Op(named(s, "RemoveUserFromGroup", identity.Group, func(in *sdk.RemoveUserFromGroupInput) *string { return in.GroupName }), s.removeUserFromGroup),
		"ListGroupsForUser":   queryapi.Op(named(s, "ListGroupsForUser", identity.User, func(in *sdk.ListGroupsForUserInput) *string { return in.UserName }), s.listGroupsForUser),
	}
}

// named asks for an action on the one entity that a request names.
func named[I any](s *server, action string, kind identity.Kind, name func(*I) *string, keys ...func(*I) func(*iam.Context)) func(context.Context, iam.Principal, *I) ([]iam.Check, error) {
	return func(ctx context.Context, caller iam.Principal, in *I) ([]iam.Check, error) {
		var add []func(*iam.Context)
		for _, k := range keys {
			add = append(add, k(in))
		}
		return s.checks(ctx, caller, action, kind, value(name(in)), add...)
	}
}

// all asks for an action that names no resource.
func all[I any](action string) func(context.Context, iam.Principal, *I) ([]iam.Check, error) {
	return func(context.Context, iam.Principal, *I) ([]iam.Check, error) { return onAll(action), nil }
}

func describeGroup(v *identity.View, e *identity.Entity) *types.Group {
	return &types.Group{Arn: ptr(e.ARN(v.Account())), CreateDate: at(e.Created), GroupId: &e.ID, GroupName: &e.Name, Path: &e.Path}
}

func describeGroups(v *identity.View, all []*identity.Entity) []types.Group {
	out := []types.Group{}
	for _, e := range all {
		out = append(out, *describeGroup(v, e))
	}
	return out
}

func (s *server) createGroup(ctx context.Context, caller iam.Principal, in *sdk.CreateGroupInput) (any, error) {
	e := &identity.Entity{Kind: identity.Group, ID: identity.NewID(identity.Group), Name: *in.GroupName, Path: pathOf(in.Path), Created: s.now().UTC()}
	out := new(sdk.CreateGroupOutput)
	return out, s.people.Change(ctx, caller.Account, func(v *identity.View) error {
		if err := room(v, e, "Groups", maxGroups); err != nil {
			return err
		}
		v.Put(e)
		out.Group = describeGroup(v, e)
		return nil
	})
}

// room says whether an account can have one more entity: its name is free, and there are fewer of its kind than most. The kind's name in the plural is
// that of the quota.
func room(v *identity.View, e *identity.Entity, plural string, most int) error {
	switch {
	case v.Taken(e.Kind, e.Name):
		return exists(e.Kind, e.Name)
	case v.Count(e.Kind) >= most:
		return exceeded("Cannot exceed quota for %sPerAccount: %d", plural, most)
	}
	return nil
}

func (s *server) getGroup(ctx context.Context, caller iam.Principal, in *sdk.GetGroupInput) (any, error) {
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	e, err := find(v, identity.Group, *in.GroupName)
	if err != nil {
		return nil, err
	}
	members, next, more := page(v.Members(e), nameOf, in.Marker, in.MaxItems)
	out := &sdk.GetGroupOutput{Group: describeGroup(v, e), Users: []types.User{}, IsTruncated: more, Marker: next}
	for _, m := range members {
		u := s.describeUser(v, m)
		u.PermissionsBoundary, u.Tags = nil, nil // GetGroup does not tell
		out.Users = append(out.Users, *u)
	}
	return out, nil
}

func (s *server) listGroups(ctx context.Context, caller iam.Principal, in *sdk.ListGroupsInput) (any, error) {
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	found, next, more := page(v.All(identity.Group, value(in.PathPrefix)), nameOf, in.Marker, in.MaxItems)
	return &sdk.ListGroupsOutput{Groups: describeGroups(v, found), IsTruncated: more, Marker: next}, nil
}

func (s *server) updateGroupChecks(ctx context.Context, caller iam.Principal, in *sdk.UpdateGroupInput) ([]iam.Check, error) {
	return s.renameChecks(ctx, caller, "UpdateGroup", identity.Group, value(in.GroupName), in.NewGroupName, in.NewPath)
}

func (s *server) updateGroup(ctx context.Context, caller iam.Principal, in *sdk.UpdateGroupInput) (any, error) {
	return &sdk.UpdateGroupOutput{}, s.rename(ctx, caller, identity.Group, *in.GroupName, in.NewGroupName, in.NewPath)
}

func (s *server) deleteGroup(ctx context.Context, caller iam.Principal, in *sdk.DeleteGroupInput) (any, error) {
	return &sdk.DeleteGroupOutput{}, s.people.Change(ctx, caller.Account, func(v *identity.View) error {
		e, err := find(v, identity.Group, *in.GroupName)
		if err != nil {
			return err
		}
		if len(v.Members(e)) > 0 {
			return conflict("Cannot delete entity, must remove users from group first.")
		}
		if err := bare(e); err != nil {
			return err
		}
		v.Drop(e)
		return nil
	})
}

// bare refuses to delete what still has policies.
func bare(e *identity.Entity) error {
	switch {
	case len(e.Inline) > 0:
		return conflict("Cannot delete entity, must delete policies first.")
	case len(e.Attached) > 0:
		return conflict("Cannot delete entity, must detach all policies first.")
	}
	return nil
}

// membership changes whether a user is in a group.
func (s *server) membership(ctx context.Context, caller iam.Principal, user, group string, change func(u, g *identity.Entity) error) error {
	return s.people.Change(ctx, caller.Account, func(v *identity.View) error {
		g, err := find(v, identity.Group, group)
		if err != nil {
			return err
		}
		u, err := find(v, identity.User, user)
		if err != nil {
			return err
		}
		return change(v.Edit(u), g)
	})
}

func (s *server) addUserToGroup(ctx context.Context, caller iam.Principal, in *sdk.AddUserToGroupInput) (any, error) {
	return &sdk.AddUserToGroupOutput{}, s.membership(ctx, caller, *in.UserName, *in.GroupName, func(u, g *identity.Entity) error {
		switch {
		case slices.Contains(u.Groups, g.ID):
			return nil
		case len(u.Groups) >= maxGroupsOfUser:
			return exceeded("Cannot exceed quota for GroupsPerUser: %d", maxGroupsOfUser)
		}
		u.Groups = append(u.Groups, g.ID)
		return nil
	})
}

func (s *server) removeUserFromGroup(ctx context.Context, caller iam.Principal, in *sdk.RemoveUserFromGroupInput) (any, error) {
	return &sdk.RemoveUserFromGroupOutput{}, s.membership(ctx, caller, *in.UserName, *in.GroupName, func(u, g *identity.Entity) error {
		i := slices.Index(u.Groups, g.ID)
		if i < 0 {
			return noSuch(identity.User, u.Name)
		}
		u.Groups = slices.Delete(u.Groups, i, i+1)
		return nil
	})
}

func (s *server) listGroupsForUser(ctx context.Context, caller iam.Principal, in *sdk.ListGroupsForUserInput) (any, error) {
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	u, err := find(v, identity.User, *in.UserName)
	if err != nil {
		return nil, err
	}
	var groups []*identity.Entity
	for _, id := range u.Groups {
		if g := v.ByID(identity.Group, id); g != nil {
			groups = append(groups, g)
		}
	}
	slices.SortFunc(groups, func(a, b *identity.Entity) int { return order(a.Name, b.Name) })
	found, next, more := page(groups, nameOf, in.Marker, in.MaxItems)
	return &sdk.ListGroupsForUserOutput{Groups: describeGroups(v, found), IsTruncated: more, Marker: next}, nil
}

// renameChecks asks for an action on an entity as it is and, where it gets another name or path, as it will be: who renames must be allowed both.
func (s *server) renameChecks(ctx context.Context, caller iam.Principal, action string, kind identity.Kind, name string, newName, newPath *string) ([]iam.Check, error) {
	asks, err := s.checks(ctx, caller, action, kind, name)
	if err != nil || newName == nil && newPath == nil {
		return asks, err
	}
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	e := identity.Entity{Kind: kind, Name: name, Path: "/"}
	if old := v.Get(kind, name); old != nil {
		e.Path, e.Tags = old.Path, old.Tags
	}
	if newName != nil {
		e.Name = *newName
	}
	if newPath != nil {
		e.Path = *newPath
	}
	return append(asks, check(action, e.ARN(caller.Account), e.Tags)), nil
}

// rename gives an entity another name or path.
func (s *server) rename(ctx context.Context, caller iam.Principal, kind identity.Kind, name string, newName, newPath *string) error {
	return s.people.Change(ctx, caller.Account, func(v *identity.View) error {
		e, err := find(v, kind, name)
		if err != nil {
			return err
		}
		if newName != nil && v.Taken(kind, *newName) && !strings.EqualFold(*newName, e.Name) {
			return exists(kind, *newName)
		}
		e = v.Edit(e)
		if newName != nil {
			e.Name = *newName
		}
		if newPath != nil {
			e.Path = *newPath
		}
		return nil
	})
}
