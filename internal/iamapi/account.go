package iamapi

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/queryapi"
)

// Quotas of what an installation does not have, and of what it counts for nobody else; GetAccountSummary shows them.
const (
	maxVersionsInUse  = 10000
	maxProfiles       = 1000
	maxCertificates   = 20
	maxSigningOfUser  = 2
	tokenVersionShown = 2 // of session tokens: valid in every region
)

// account are the operations on the account as a whole.
func (s *server) account() map[string]queryapi.Operation {
	return map[string]queryapi.Operation{
		"CreateAccountAlias":             queryapi.Op(all[sdk.CreateAccountAliasInput]("CreateAccountAlias"), s.createAlias),
		"DeleteAccountAlias":             queryapi.Op(all[sdk.DeleteAccountAliasInput]("DeleteAccountAlias"), s.deleteAlias),
		"ListAccountAliases":             queryapi.Op(all[sdk.ListAccountAliasesInput]("ListAccountAliases"), s.listAliases),
		"GetAccountSummary":              queryapi.Op(all[sdk.GetAccountSummaryInput]("GetAccountSummary"), s.summary),
		"GetAccountAuthorizationDetails": queryapi.Op(all[sdk.GetAccountAuthorizationDetailsInput]("GetAccountAuthorizationDetails"), s.authorizationDetails),
	}
}

// createAlias gives the account its alias, in place of the one that it has. Nobody signs in by an alias here, so that two accounts may have the
// same one: to refuse it would tell one account of the other.
func (s *server) createAlias(ctx context.Context, caller iam.Principal, in *sdk.CreateAccountAliasInput) (any, error) {
	return &sdk.CreateAccountAliasOutput{}, s.people.Change(ctx, caller.Account, func(v *identity.View) error {
		old := v.Settings()
		if old.Alias == *in.AccountAlias {
			return queryapi.Errorf(http.StatusConflict, "EntityAlreadyExists", "The account alias %s already exists.", *in.AccountAlias)
		}
		if old.ID == "" {
			v.Put(&identity.Entity{Kind: identity.Settings, ID: identity.NewID(identity.Settings), Path: "/", Created: s.now().UTC(), Alias: *in.AccountAlias})
			return nil
		}
		v.Edit(old).Alias = *in.AccountAlias
		return nil
	})
}

func (s *server) deleteAlias(ctx context.Context, caller iam.Principal, in *sdk.DeleteAccountAliasInput) (any, error) {
	return &sdk.DeleteAccountAliasOutput{}, s.people.Change(ctx, caller.Account, func(v *identity.View) error {
		old := v.Settings()
		if old.ID == "" || old.Alias != *in.AccountAlias {
			return queryapi.Errorf(http.StatusNotFound, "NoSuchEntity", "The account alias with name %s cannot be found.", *in.AccountAlias)
		}
		v.Edit(old).Alias = ""
		return nil
	})
}

// listAliases has one page: an account has one alias.
func (s *server) listAliases(ctx context.Context, caller iam.Principal, in *sdk.ListAccountAliasesInput) (any, error) {
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	out := &sdk.ListAccountAliasesOutput{AccountAliases: []string{}}
	if alias := v.Settings().Alias; alias != "" && in.Marker == nil {
		out.AccountAliases = append(out.AccountAliases, alias)
	}
	return out, nil
}

func (s *server) summary(ctx context.Context, caller iam.Principal, _ *sdk.GetAccountSummaryInput) (any, error) {
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	inUse, ofRoot, versions := 0, 0, 0
	for _, d := range v.All(identity.Device, "") {
		if d.Owner != "" {
			inUse++
		}
		if d.Owner == caller.Account {
			ofRoot = 1
		}
	}
	for _, p := range v.All(identity.Policy, "") {
		versions += len(p.Versions)
	}
	rootKeys := 0
	if s.people.HasRootKey(caller.Account) {
		rootKeys = 1
	}
	out := &sdk.GetAccountSummaryOutput{SummaryMap: make(map[string]int32)}
	for key, n := range map[types.SummaryKeyType]int{
		types.SummaryKeyTypeUsers: v.Count(identity.User), types.SummaryKeyTypeUsersQuota: maxUsers,
		types.SummaryKeyTypeGroups: v.Count(identity.Group), types.SummaryKeyTypeGroupsQuota: maxGroups,
		types.SummaryKeyTypeRoles: v.Count(identity.Role), types.SummaryKeyTypeRolesQuota: maxRoles,
		types.SummaryKeyTypePolicies: v.Count(identity.Policy), types.SummaryKeyTypePoliciesQuota: maxPolicies,
		types.SummaryKeyTypePolicyVersionsInUse: versions, types.SummaryKeyTypePolicyVersionsInUseQuota: maxVersionsInUse,
		types.SummaryKeyTypeProviders:  v.Count(identity.Provider),
		types.SummaryKeyTypeMFADevices: v.Count(identity.Device), types.SummaryKeyTypeMFADevicesInUse: inUse,
		types.SummaryKeyTypeAccountMFAEnabled: ofRoot, types.SummaryKeyTypeAccountAccessKeysPresent: rootKeys,
		types.SummaryKeyTypeAccountPasswordPresent: 0, types.SummaryKeyTypeAccountSigningCertificatesPresent: 0,
		types.SummaryKeyTypeInstanceProfiles: 0, types.SummaryKeyTypeInstanceProfilesQuota: maxProfiles,
		types.SummaryKeyTypeServerCertificates: 0, types.SummaryKeyTypeServerCertificatesQuota: maxCertificates,
		types.SummaryKeyTypeSigningCertificatesPerUserQuota: maxSigningOfUser,
		types.SummaryKeyTypeAccessKeysPerUserQuota:          maxKeysOfUser,
		types.SummaryKeyTypeGroupsPerUserQuota:              maxGroupsOfUser,
		types.SummaryKeyTypeAttachedPoliciesPerUserQuota:    maxAttached,
		types.SummaryKeyTypeAttachedPoliciesPerGroupQuota:   maxAttached,
		types.SummaryKeyTypeAttachedPoliciesPerRoleQuota:    maxAttached,
		types.SummaryKeyTypeVersionsPerPolicyQuota:          maxVersions,
		types.SummaryKeyTypePolicySizeQuota:                 maxManagedDocument,
		types.SummaryKeyTypeUserPolicySizeQuota:             maxInlineOfUser,
		types.SummaryKeyTypeGroupPolicySizeQuota:            maxInlineOfGroup,
		types.SummaryKeyTypeRolePolicySizeQuota:             maxInlineOfRole,
		types.SummaryKeyTypeAssumeRolePolicySizeQuota:       maxTrustDocument,
		types.SummaryKeyTypeGlobalEndpointTokenVersion:      tokenVersionShown,
	} {
		out.SummaryMap[string(key)] = int32(n)
	}
	return out, nil
}

// detailed is one thing that GetAccountAuthorizationDetails tells of, with what pages go by.
type detailed struct {
	order  string
	filter types.EntityType
	entity *identity.Entity
}

// authorizationDetails tells everything that is decided by, one kind after the other. Policies of AWS's own are told where somebody has them.
func (s *server) authorizationDetails(ctx context.Context, caller iam.Principal, in *sdk.GetAccountAuthorizationDetailsInput) (any, error) {
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	attached, boundaries := make(map[string]int32), make(map[string]int32)
	for _, kind := range []identity.Kind{identity.User, identity.Group, identity.Role} {
		for _, e := range v.All(kind, "") {
			for _, a := range e.Attached {
				attached[a]++
			}
			if e.Boundary != "" {
				boundaries[e.Boundary]++
			}
		}
	}
	used := slices.DeleteFunc(identity.AWSManaged(), func(p *identity.Entity) bool { return attached[v.ARN(p)] == 0 && boundaries[v.ARN(p)] == 0 })
	slices.SortFunc(used, func(a, b *identity.Entity) int {
		return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	var told []detailed
	for _, part := range []struct {
		order    string
		filter   types.EntityType
		entities []*identity.Entity
	}{
		{"1/", types.EntityTypeUser, v.All(identity.User, "")},
		{"2/", types.EntityTypeGroup, v.All(identity.Group, "")},
		{"3/", types.EntityTypeRole, v.All(identity.Role, "")},
		{"4/", types.EntityTypeLocalManagedPolicy, v.All(identity.Policy, "")},
		{"5/", types.EntityTypeAWSManagedPolicy, used},
	} {
		if len(in.Filter) > 0 && !slices.Contains(in.Filter, part.filter) {
			continue
		}
		for _, e := range part.entities {
			told = append(told, detailed{part.order + e.Name, part.filter, e})
		}
	}
	found, next, more := page(told, func(d detailed) string { return d.order }, in.Marker, in.MaxItems)
	out := &sdk.GetAccountAuthorizationDetailsOutput{
		UserDetailList: []types.UserDetail{}, GroupDetailList: []types.GroupDetail{}, RoleDetailList: []types.RoleDetail{}, Policies: []types.ManagedPolicyDetail{},
		IsTruncated: more, Marker: next,
	}
	for _, d := range found {
		e := d.entity
		switch d.filter {
		case types.EntityTypeUser:
			out.UserDetailList = append(out.UserDetailList, types.UserDetail{
				Arn: ptr(v.ARN(e)), UserId: &e.ID, UserName: &e.Name, Path: &e.Path, CreateDate: at(e.Created), GroupList: groupNames(v, e),
				UserPolicyList: inlineDetails(e), AttachedManagedPolicies: attachedTo(v, e, ""), PermissionsBoundary: boundary(e), Tags: shownTags(e.Tags),
			})
		case types.EntityTypeGroup:
			out.GroupDetailList = append(out.GroupDetailList, types.GroupDetail{
				Arn: ptr(v.ARN(e)), GroupId: &e.ID, GroupName: &e.Name, Path: &e.Path, CreateDate: at(e.Created),
				GroupPolicyList: inlineDetails(e), AttachedManagedPolicies: attachedTo(v, e, ""),
			})
		case types.EntityTypeRole:
			out.RoleDetailList = append(out.RoleDetailList, types.RoleDetail{
				Arn: ptr(v.ARN(e)), RoleId: &e.ID, RoleName: &e.Name, Path: &e.Path, CreateDate: at(e.Created),
				AssumeRolePolicyDocument: encoded(v.TrustDocument(e)), InstanceProfileList: []types.InstanceProfile{}, RoleLastUsed: s.describeRole(v, e).RoleLastUsed,
				RolePolicyList: inlineDetails(e), AttachedManagedPolicies: attachedTo(v, e, ""), PermissionsBoundary: boundary(e), Tags: shownTags(e.Tags),
			})
		default:
			name := v.ARN(e)
			p := types.ManagedPolicyDetail{
				Arn: &name, PolicyId: &e.ID, PolicyName: &e.Name, Path: &e.Path, CreateDate: at(e.Created), UpdateDate: at(e.Updated),
				DefaultVersionId: &e.Default, IsAttachable: true, AttachmentCount: ptr(attached[name]), PermissionsBoundaryUsageCount: ptr(boundaries[name]),
				PolicyVersionList: versionDetails(e),
			}
			if e.Description != "" {
				p.Description = &e.Description
			}
			out.Policies = append(out.Policies, p)
		}
	}
	return out, nil
}

// groupNames are the names of a user's groups, in order.
func groupNames(v *identity.View, user *identity.Entity) []string {
	out := []string{}
	for _, id := range user.Groups {
		if g := v.ByID(identity.Group, id); g != nil {
			out = append(out, g.Name)
		}
	}
	slices.Sort(out)
	return out
}

func inlineDetails(e *identity.Entity) []types.PolicyDetail {
	out := []types.PolicyDetail{}
	for _, name := range slices.Sorted(maps.Keys(e.Inline)) {
		out = append(out, types.PolicyDetail{PolicyName: ptr(name), PolicyDocument: encoded(e.Inline[name])})
	}
	return out
}

// versionDetails are the versions of a managed policy, the newest first.
func versionDetails(e *identity.Entity) []types.PolicyVersion {
	out := []types.PolicyVersion{}
	for _, one := range slices.Backward(e.Versions) {
		out = append(out, *describeVersion(e, one, true))
	}
	return out
}
