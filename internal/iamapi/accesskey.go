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

// notUsed is what GetAccessKeyLastUsed says of a key that was never used.
const notUsed = "N/A"

// accessKeys are the operations on the access keys of users. Those of the account root stand in the credentials file and are not managed here.
func (s *server) accessKeys() map[string]queryapi.Operation {
	return map[string]queryapi.Operation{
		"CreateAccessKey": queryapi.Op(func(ctx context.Context, caller iam.Principal, in *sdk.CreateAccessKeyInput) ([]iam.Check, error) {
			return s.checks(ctx, caller, "CreateAccessKey", identity.User, orSelf(caller, in.UserName))
		}, s.createAccessKey),
		"UpdateAccessKey": queryapi.Op(func(ctx context.Context, caller iam.Principal, in *sdk.UpdateAccessKeyInput) ([]iam.Check, error) {
			return s.checks(ctx, caller, "UpdateAccessKey", identity.User, orSelf(caller, in.UserName))
		}, s.updateAccessKey),
		"DeleteAccessKey": queryapi.Op(func(ctx context.Context, caller iam.Principal, in *sdk.DeleteAccessKeyInput) ([]iam.Check, error) {
			return s.checks(ctx, caller, "DeleteAccessKey", identity.User, orSelf(caller, in.UserName))
		}, s.deleteAccessKey),
		"ListAccessKeys": queryapi.Op(func(ctx context.Context, caller iam.Principal, in *sdk.ListAccessKeysInput) ([]iam.Check, error) {
			return s.checks(ctx, caller, "ListAccessKeys", identity.User, orSelf(caller, in.UserName))
		}, s.listAccessKeys),
		"GetAccessKeyLastUsed": queryapi.Op(func(ctx context.Context, caller iam.Principal, in *sdk.GetAccessKeyLastUsedInput) ([]iam.Check, error) {
			// It is asked of the user that has the key. A key of nobody in the account, which may be one of another account, is everybody's.
			v, err := s.people.View(ctx, caller.Account)
			if err != nil {
				return nil, err
			}
			if u := v.ByAccessKey(value(in.AccessKeyId)); u != nil {
				return []iam.Check{check("GetAccessKeyLastUsed", u.ARN(caller.Account), u.Tags)}, nil
			}
			return onAll("GetAccessKeyLastUsed"), nil
		}, s.getAccessKeyLastUsed),
	}
}

func noSuchKey(id string) error {
	return queryapi.Errorf(http.StatusNotFound, "NoSuchEntity", "The Access Key with id %s cannot be found.", id)
}

// keyOwner finds the user whose access keys a request is about: the one that it names, or who asks.
func keyOwner(v *identity.View, caller iam.Principal, name *string) (*identity.Entity, error) {
	switch {
	case name != nil || caller.Type == iam.User:
		return find(v, identity.User, orSelf(caller, name))
	case caller.Type == iam.Root:
		return nil, queryapi.Errorf(http.StatusNotImplemented, "NotImplemented",
			"Not offered by this installation: access keys of the account root. Its key stands in the credentials file; name a user.")
	}
	return nil, invalid("Must specify userName when calling with non-User credentials")
}

// keyOf finds an access key of a user.
func keyOf(u *identity.Entity, id string) (int, error) {
	if i := slices.IndexFunc(u.Keys, func(k identity.AccessKey) bool { return k.ID == id }); i >= 0 {
		return i, nil
	}
	return 0, noSuchKey(id)
}

// createAccessKey answers with the secret, which is shown here and never again.
func (s *server) createAccessKey(ctx context.Context, caller iam.Principal, in *sdk.CreateAccessKeyInput) (any, error) {
	out := new(sdk.CreateAccessKeyOutput)
	return out, s.people.Change(ctx, caller.Account, func(v *identity.View) error {
		u, err := keyOwner(v, caller, in.UserName)
		if err != nil {
			return err
		}
		if len(u.Keys) >= maxKeysOfUser {
			return exceeded("Cannot exceed quota for AccessKeysPerUser: %d", maxKeysOfUser)
		}
		k, plain, err := s.people.NewAccessKey(caller.Account, u)
		if err != nil {
			return err
		}
		u = v.Edit(u)
		u.Keys = append(u.Keys, k)
		out.AccessKey = &types.AccessKey{
			AccessKeyId: &k.ID, CreateDate: at(k.Created), SecretAccessKey: ptr(string(plain.Reveal())), Status: status(k), UserName: &u.Name,
		}
		return nil
	})
}

func status(k identity.AccessKey) types.StatusType {
	if k.Active {
		return types.StatusTypeActive
	}
	return types.StatusTypeInactive
}

func (s *server) updateAccessKey(ctx context.Context, caller iam.Principal, in *sdk.UpdateAccessKeyInput) (any, error) {
	if in.Status != types.StatusTypeActive && in.Status != types.StatusTypeInactive {
		return nil, queryapi.Errorf(http.StatusBadRequest, "InvalidInput", "The status of an access key is set to Active or Inactive, not to %s.", in.Status)
	}
	return &sdk.UpdateAccessKeyOutput{}, s.people.Change(ctx, caller.Account, func(v *identity.View) error {
		u, err := keyOwner(v, caller, in.UserName)
		if err != nil {
			return err
		}
		i, err := keyOf(u, *in.AccessKeyId)
		if err != nil {
			return err
		}
		v.Edit(u).Keys[i].Active = in.Status == types.StatusTypeActive
		return nil
	})
}

func (s *server) deleteAccessKey(ctx context.Context, caller iam.Principal, in *sdk.DeleteAccessKeyInput) (any, error) {
	return &sdk.DeleteAccessKeyOutput{}, s.people.Change(ctx, caller.Account, func(v *identity.View) error {
		u, err := keyOwner(v, caller, in.UserName)
		if err != nil {
			return err
		}
		i, err := keyOf(u, *in.AccessKeyId)
		if err != nil {
			return err
		}
		u = v.Edit(u)
		u.Keys = slices.Delete(u.Keys, i, i+1)
		return nil
	})
}

func (s *server) listAccessKeys(ctx context.Context, caller iam.Principal, in *sdk.ListAccessKeysInput) (any, error) {
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	u, err := keyOwner(v, caller, in.UserName)
	if err != nil {
		return nil, err
	}
	all := slices.SortedFunc(slices.Values(u.Keys), func(a, b identity.AccessKey) int { return strings.Compare(a.ID, b.ID) })
	found, next, more := page(all, func(k identity.AccessKey) string { return k.ID }, in.Marker, in.MaxItems)
	out := &sdk.ListAccessKeysOutput{AccessKeyMetadata: []types.AccessKeyMetadata{}, IsTruncated: more, Marker: next}
	for _, k := range found {
		out.AccessKeyMetadata = append(out.AccessKeyMetadata, types.AccessKeyMetadata{
			AccessKeyId: ptr(k.ID), CreateDate: at(k.Created), Status: status(k), UserName: &u.Name,
		})
	}
	return out, nil
}

func (s *server) getAccessKeyLastUsed(ctx context.Context, caller iam.Principal, in *sdk.GetAccessKeyLastUsedInput) (any, error) {
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	u := v.ByAccessKey(*in.AccessKeyId)
	if u == nil {
		return nil, noSuchKey(*in.AccessKeyId)
	}
	last := &types.AccessKeyLastUsed{Region: ptr(notUsed), ServiceName: ptr(notUsed)}
	if use, ok := s.people.LastUse(*in.AccessKeyId); ok {
		last = &types.AccessKeyLastUsed{LastUsedDate: at(use.Time), Region: &use.Region, ServiceName: &use.Service}
	}
	return &sdk.GetAccessKeyLastUsedOutput{AccessKeyLastUsed: last, UserName: &u.Name}, nil
}
