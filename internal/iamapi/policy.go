package iamapi

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/queryapi"
)

// policies are the operations on managed policies and their versions.
func (s *server) policies() map[string]queryapi.Operation {
	return map[string]queryapi.Operation{
		"CreatePolicy": queryapi.Op(func(_ context.Context, caller iam.Principal, in *sdk.CreatePolicyInput) ([]iam.Check, error) {
			e := identity.Entity{Kind: identity.Policy, Name: value(in.PolicyName), Path: pathOf(in.Path)}
			return created("CreatePolicy", "TagPolicy", e.ARN(caller.Account), in.Tags), nil
		}, s.createPolicy),
		"GetPolicy":               queryapi.Op(onPolicy(s, "GetPolicy", func(in *sdk.GetPolicyInput) *string { return in.PolicyArn }), s.getPolicy),
		"ListPolicies":            queryapi.Op(all[sdk.ListPoliciesInput]("ListPolicies"), s.listPolicies),
		"DeletePolicy":            queryapi.Op(onPolicy(s, "DeletePolicy", func(in *sdk.DeletePolicyInput) *string { return in.PolicyArn }), s.deletePolicy),
		"CreatePolicyVersion":     queryapi.Op(onPolicy(s, "CreatePolicyVersion", func(in *sdk.CreatePolicyVersionInput) *string { return in.PolicyArn }), s.createPolicyVersion),
		"GetPolicyVersion":        queryapi.Op(onPolicy(s, "GetPolicyVersion", func(in *sdk.GetPolicyVersionInput) *string { return in.PolicyArn }), s.getPolicyVersion),
		"ListPolicyVersions":      queryapi.Op(onPolicy(s, "ListPolicyVersions", func(in *sdk.ListPolicyVersionsInput) *string { return in.PolicyArn }), s.listPolicyVersions),
		"SetDefaultPolicyVersion": queryapi.Op(onPolicy(s, "SetDefaultPolicyVersion", func(in *sdk.SetDefaultPolicyVersionInput) *string { return in.PolicyArn }), s.setDefaultPolicyVersion),
		"DeletePolicyVersion":     queryapi.Op(onPolicy(s, "DeletePolicyVersion", func(in *sdk.DeletePolicyVersionInput) *string { return in.PolicyArn }), s.deletePolicyVersion),
		"ListEntitiesForPolicy":   queryapi.Op(onPolicy(s, "ListEntitiesForPolicy", func(in *sdk.ListEntitiesForPolicyInput) *string { return in.PolicyArn }), s.listEntitiesForPolicy),
	}
}

// onARN asks for an action on what a request names by its ARN. What is no ARN is asked for on "*", and refused for that to those who may.
func onARN(v *identity.View, action, name string, keys ...func(*iam.Context)) []iam.Check {
	if parts := strings.SplitN(name, ":", 6); len(parts) != 6 || parts[0] != "arn" || parts[1] == "" || parts[2] == "" || parts[5] == "" {
		return []iam.Check{check(action, "*", nil, keys...)}
	}
	c := check(action, name, nil, keys...)
	if e := v.ByARN(name); e != nil {
		c.Tags = e.Tags
	}
	return []iam.Check{c}
}

// onPolicy asks for an action on the managed policy that a request names.
func onPolicy[I any](s *server, action string, name func(*I) *string) func(context.Context, iam.Principal, *I) ([]iam.Check, error) {
	return func(ctx context.Context, caller iam.Principal, in *I) ([]iam.Check, error) {
		v, err := s.people.View(ctx, caller.Account)
		if err != nil {
			return nil, err
		}
		return onARN(v, action, value(name(in))), nil
	}
}

// managedPolicy returns the managed policy that a request names.
func managedPolicy(v *identity.View, name string) (*identity.Entity, error) {
	if e := v.ManagedPolicy(name); e != nil {
		return e, nil
	}
	return nil, queryapi.Errorf(http.StatusNotFound, "NoSuchEntity", "Policy %s was not found.", name)
}

// locked refuses to change a managed policy of AWS's own, which nobody may whatever their policies say.
func locked(caller iam.Principal, action, name string) error {
	if !identity.IsAWSManaged(name) {
		return nil
	}
	return &iam.Denied{Principal: caller, Check: check(action, name, nil)}
}

// changePolicy changes a managed policy of the account.
func (s *server) changePolicy(ctx context.Context, caller iam.Principal, action, name string, change func(v *identity.View, e *identity.Entity) error) error {
	if err := locked(caller, action, name); err != nil {
		return err
	}
	return s.people.Change(ctx, caller.Account, func(v *identity.View) error {
		e, err := managedPolicy(v, name)
		if err != nil {
			return err
		}
		return change(v, v.Edit(e))
	})
}

// judged says whether a document can be that of a managed policy.
func judged(name, document string) error {
	if _, err := iam.Parse(iam.IdentityPolicy, name, document); err != nil {
		return malformed(err)
	}
	if iam.Size(document) > maxManagedDocument {
		return exceeded("Cannot exceed quota for PolicySize: %d", maxManagedDocument)
	}
	return nil
}

func (s *server) createPolicy(ctx context.Context, caller iam.Principal, in *sdk.CreatePolicyInput) (any, error) {
	now := s.now().UTC()
	e := &identity.Entity{
		Kind: identity.Policy, ID: identity.NewID(identity.Policy), Name: *in.PolicyName, Path: pathOf(in.Path), Created: now, Updated: now, Description: value(in.Description),
		Versions: []identity.Version{{ID: "v1", Document: *in.PolicyDocument, Created: now}}, Default: "v1", LastVersion: 1,
	}
	var err error
	if e.Tags, err = tagsOf(nil, in.Tags); err != nil {
		return nil, err
	}
	if err := judged(e.Name, *in.PolicyDocument); err != nil {
		return nil, err
	}
	out := new(sdk.CreatePolicyOutput)
	return out, s.people.Change(ctx, caller.Account, func(v *identity.View) error {
		if err := room(v, e, "Policies", maxPolicies); err != nil {
			return err
		}
		v.Put(e)
		out.Policy = describePolicy(v, e, nil)
		out.Policy.Description = nil // CreatePolicy does not tell
		return nil
	})
}

// describePolicy makes an entity into the Policy of the API.
func describePolicy(v *identity.View, e *identity.Entity, used map[string]identity.Usage) *types.Policy {
	name := v.ARN(e)
	p := &types.Policy{
		Arn: &name, AttachmentCount: ptr(int32(used[name].Attached)), CreateDate: at(e.Created), DefaultVersionId: &e.Default, IsAttachable: true, Path: &e.Path,
		PermissionsBoundaryUsageCount: ptr(int32(used[name].Boundaries)), PolicyId: &e.ID, PolicyName: &e.Name, Tags: shownTags(e.Tags), UpdateDate: at(e.Updated),
	}
	if e.Description != "" {
		p.Description = &e.Description
	}
	return p
}

func (s *server) getPolicy(ctx context.Context, caller iam.Principal, in *sdk.GetPolicyInput) (any, error) {
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	e, err := managedPolicy(v, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	return &sdk.GetPolicyOutput{Policy: describePolicy(v, e, v.Usage())}, nil
}

// policyKey is what managed policies are listed by: their names, where one of the account's own may have that of one of AWS's own. ARNs would not do,
// as a long path makes one too long for a marker.
func policyKey(name, arn string) string {
	if identity.IsAWSManaged(arn) {
		return name + " AWS"
	}
	return name
}

func (s *server) listPolicies(ctx context.Context, caller iam.Principal, in *sdk.ListPoliciesInput) (any, error) {
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	var found []*identity.Entity
	if in.Scope != types.PolicyScopeTypeAws {
		found = v.All(identity.Policy, "")
	}
	if in.Scope != types.PolicyScopeTypeLocal {
		found = append(found, identity.AWSManaged()...)
	}
	used := v.Usage()
	found = slices.DeleteFunc(found, func(e *identity.Entity) bool {
		u := used[v.ARN(e)]
		return !strings.HasPrefix(e.Path, value(in.PathPrefix)) || in.OnlyAttached && u.Attached == 0 ||
			in.PolicyUsageFilter == types.PolicyUsageTypePermissionsPolicy && u.Attached == 0 || in.PolicyUsageFilter == types.PolicyUsageTypePermissionsBoundary && u.Boundaries == 0
	})
	key := func(e *identity.Entity) string { return policyKey(e.Name, v.ARN(e)) }
	slices.SortFunc(found, func(a, b *identity.Entity) int { return order(key(a), key(b)) })
	cut, next, more := page(found, key, in.Marker, in.MaxItems)
	out := &sdk.ListPoliciesOutput{Policies: []types.Policy{}, IsTruncated: more, Marker: next}
	for _, e := range cut {
		p := describePolicy(v, e, used)
		p.Description, p.Tags = nil, nil // ListPolicies does not tell
		out.Policies = append(out.Policies, *p)
	}
	return out, nil
}

func (s *server) deletePolicy(ctx context.Context, caller iam.Principal, in *sdk.DeletePolicyInput) (any, error) {
	return &sdk.DeletePolicyOutput{}, s.changePolicy(ctx, caller, "DeletePolicy", *in.PolicyArn, func(v *identity.View, e *identity.Entity) error {
		used := v.Usage()[*in.PolicyArn]
		switch {
		case used.Attached > 0:
			return conflict("Cannot delete a policy attached to entities.")
		case used.Boundaries > 0:
			return conflict("Cannot delete a policy that is a permissions boundary of entities.")
		case len(e.Versions) > 1:
			return conflict("This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
		}
		v.Drop(e)
		return nil
	})
}

func describeVersion(e *identity.Entity, v identity.Version, document bool) *types.PolicyVersion {
	out := &types.PolicyVersion{CreateDate: at(v.Created), IsDefaultVersion: v.ID == e.Default, VersionId: &v.ID}
	if document {
		out.Document = encoded(v.Document)
	}
	return out
}

func (s *server) createPolicyVersion(ctx context.Context, caller iam.Principal, in *sdk.CreatePolicyVersionInput) (any, error) {
	if err := judged("policy", *in.PolicyDocument); err != nil {
		return nil, err
	}
	out := new(sdk.CreatePolicyVersionOutput)
	return out, s.changePolicy(ctx, caller, "CreatePolicyVersion", *in.PolicyArn, func(_ *identity.View, e *identity.Entity) error {
		if len(e.Versions) >= maxVersions {
			return exceeded("A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", maxVersions)
		}
		now := s.now().UTC()
		e.LastVersion++
		version := identity.Version{ID: "v" + strconv.Itoa(e.LastVersion), Document: *in.PolicyDocument, Created: now}
		e.Versions, e.Updated = append(e.Versions, version), now
		if in.SetAsDefault {
			e.Default = version.ID
		}
		out.PolicyVersion = describeVersion(e, version, false)
		return nil
	})
}

// version returns a version of a managed policy.
func version(e *identity.Entity, id string) (identity.Version, error) {
	if v, ok := e.Document(id); ok {
		return v, nil
	}
	return identity.Version{}, queryapi.Errorf(http.StatusNotFound, "NoSuchEntity", "Policy version %s was not found.", id)
}

func (s *server) getPolicyVersion(ctx context.Context, caller iam.Principal, in *sdk.GetPolicyVersionInput) (any, error) {
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	e, err := managedPolicy(v, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	found, err := version(e, *in.VersionId)
	if err != nil {
		return nil, err
	}
	return &sdk.GetPolicyVersionOutput{PolicyVersion: describeVersion(e, found, true)}, nil
}

// listPolicyVersions shows the newest first.
func (s *server) listPolicyVersions(ctx context.Context, caller iam.Principal, in *sdk.ListPolicyVersionsInput) (any, error) {
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	e, err := managedPolicy(v, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	all := slices.Clone(e.Versions)
	slices.Reverse(all)
	age := func(one identity.Version) string {
		n, _ := strconv.Atoi(strings.TrimPrefix(one.ID, "v")) // we number them
		return fmt.Sprintf("%010d", math.MaxInt32-n)
	}
	found, next, more := page(all, age, in.Marker, in.MaxItems)
	out := &sdk.ListPolicyVersionsOutput{Versions: []types.PolicyVersion{}, IsTruncated: more, Marker: next}
	for _, one := range found {
		out.Versions = append(out.Versions, *describeVersion(e, one, false))
	}
	return out, nil
}

func (s *server) setDefaultPolicyVersion(ctx context.Context, caller iam.Principal, in *sdk.SetDefaultPolicyVersionInput) (any, error) {
	return &sdk.SetDefaultPolicyVersionOutput{}, s.changePolicy(ctx, caller, "SetDefaultPolicyVersion", *in.PolicyArn, func(_ *identity.View, e *identity.Entity) error {
		found, err := version(e, *in.VersionId)
		if err == nil {
			e.Default = found.ID // UpdateDate is when the newest version was made
		}
		return err
	})
}

func (s *server) deletePolicyVersion(ctx context.Context, caller iam.Principal, in *sdk.DeletePolicyVersionInput) (any, error) {
	return &sdk.DeletePolicyVersionOutput{}, s.changePolicy(ctx, caller, "DeletePolicyVersion", *in.PolicyArn, func(_ *identity.View, e *identity.Entity) error {
		found, err := version(e, *in.VersionId)
		switch {
		case err != nil:
			return err
		case found.ID == e.Default:
			return conflict("Cannot delete the default version of a policy.")
		}
		e.Versions = slices.DeleteFunc(e.Versions, func(v identity.Version) bool { return v.ID == found.ID })
		return nil
	})
}

// listEntitiesForPolicy shows users, groups and roles in the order of their kinds and names.
func (s *server) listEntitiesForPolicy(ctx context.Context, caller iam.Principal, in *sdk.ListEntitiesForPolicyInput) (any, error) {
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	if _, err := managedPolicy(v, *in.PolicyArn); err != nil {
		return nil, err
	}
	filter := map[types.EntityType]identity.Kind{types.EntityTypeUser: identity.User, types.EntityTypeGroup: identity.Group, types.EntityTypeRole: identity.Role}
	only, filtered := filter[in.EntityFilter]
	if in.EntityFilter != "" && !filtered {
		return nil, invalid("Entities of the type %s do not have managed policies.", in.EntityFilter)
	}
	var found []*identity.Entity
	for _, kind := range []identity.Kind{identity.Group, identity.Role, identity.User} {
		if filtered && kind != only {
			continue
		}
		for _, e := range v.All(kind, value(in.PathPrefix)) {
			if in.PolicyUsageFilter != types.PolicyUsageTypePermissionsBoundary && slices.Contains(e.Attached, *in.PolicyArn) ||
				in.PolicyUsageFilter != types.PolicyUsageTypePermissionsPolicy && e.Boundary == *in.PolicyArn {
				found = append(found, e)
			}
		}
	}
	cut, next, more := page(found, func(e *identity.Entity) string { return string(e.Kind) + "/" + e.Name }, in.Marker, in.MaxItems)
	out := &sdk.ListEntitiesForPolicyOutput{
		PolicyGroups: []types.PolicyGroup{}, PolicyRoles: []types.PolicyRole{}, PolicyUsers: []types.PolicyUser{}, IsTruncated: more, Marker: next,
	}
	for _, e := range cut {
		switch e.Kind {
		case identity.Group:
			out.PolicyGroups = append(out.PolicyGroups, types.PolicyGroup{GroupId: &e.ID, GroupName: &e.Name})
		case identity.Role:
			out.PolicyRoles = append(out.PolicyRoles, types.PolicyRole{RoleId: &e.ID, RoleName: &e.Name})
		default:
			out.PolicyUsers = append(out.PolicyUsers, types.PolicyUser{UserId: &e.ID, UserName: &e.Name})
		}
	}
	return out, nil
}
