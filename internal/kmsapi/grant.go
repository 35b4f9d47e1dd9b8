package kmsapi

import (
	"context"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"darkroom/internal/iam"
	"darkroom/internal/jsonapi"
	"darkroom/internal/keys"
)

// grants are the operations on grants.
func (s *server) grants() map[string]jsonapi.Operation {
	return map[string]jsonapi.Operation{
		"CreateGrant": op(s, s.checkCreateGrant, s.createGrant),
		"ListGrants":  keyOp(s, "ListGrants", func(in *sdk.ListGrantsInput) **string { return &in.KeyId }, s.listGrants, forNobodyElse[sdk.ListGrantsInput]),
		"ListRetirableGrants": op(s, func(_ context.Context, caller *iam.Principal, in *sdk.ListRetirableGrantsInput) ([]iam.Check, error) {
			c := onAll("ListRetirableGrants")
			if name := value(in.RetiringPrincipal); strings.HasPrefix(name, "arn:aws:") && strings.Count(name, ":") >= 5 {
				c[0].Resource = name // the resource is the principal (API Reference, ListRetirableGrants)
			}
			return c, nil
		}, s.listRetirableGrants),
		"RevokeGrant": keyOp(s, "RevokeGrant", func(in *sdk.RevokeGrantInput) **string { return &in.KeyId }, func(ctx context.Context, c call, in *sdk.RevokeGrantInput) (any, error) {
			return nil, c.RevokeGrant(ctx, *in.KeyId, *in.GrantId, value(in.DryRun))
		}, forNobodyElse[sdk.RevokeGrantInput]),
		"RetireGrant": op(s, func(ctx context.Context, caller *iam.Principal, in *sdk.RetireGrantInput) ([]iam.Check, error) {
			c, err := s.keys.RetireCheck(ctx, caller, retirement(in))
			return []iam.Check{c}, err
		}, func(ctx context.Context, c call, in *sdk.RetireGrantInput) (any, error) {
			return nil, c.RetireGrant(ctx, retirement(in))
		}),
	}
}

// forNobodyElse says that the caller asks for themselves, and not a service for one of its resources.
func forNobodyElse[I any](_ *I, c *iam.Context) { c.Set("kms:GrantIsForAWSResource", "false") }

func retirement(in *sdk.RetireGrantInput) *keys.RetireRequest {
	return &keys.RetireRequest{Token: value(in.GrantToken), Key: value(in.KeyId), GrantID: value(in.GrantId), DryRun: value(in.DryRun)}
}

// requested is the grant that a request asks for.
func requested(in *sdk.CreateGrantInput) *keys.GrantRequest {
	r := &keys.GrantRequest{Key: value(in.KeyId), Name: value(in.Name), Grantee: value(in.GranteePrincipal), Retiring: value(in.RetiringPrincipal), DryRun: value(in.DryRun)}
	for _, o := range in.Operations {
		r.Operations = append(r.Operations, string(o))
	}
	if c := in.Constraints; c != nil {
		r.Constraints = keys.Constraints{Equals: c.EncryptionContextEquals, Subset: c.EncryptionContextSubset}
	}
	return r
}

func (s *server) checkCreateGrant(ctx context.Context, caller *iam.Principal, in *sdk.CreateGrantInput) ([]iam.Check, error) {
	r := requested(in)
	pairs := r.Constraints.Equals
	if pairs == nil {
		pairs = r.Constraints.Subset
	}
	return s.onKey(ctx, caller, &in.KeyId, keys.Question{Action: "CreateGrant", Tokens: in.GrantTokens, Grant: r, Context: pairs, Keys: func(c *iam.Context) {
		forNobodyElse(in, c)
		c.Set("kms:GrantOperations", r.Operations...)
		if r.Grantee != "" {
			c.Set("kms:GranteePrincipal", r.Grantee)
		}
		if r.Retiring != "" {
			c.Set("kms:RetiringPrincipal", r.Retiring)
		}
		if r.Constraints.Equals != nil {
			c.Set("kms:GrantConstraintType", "EncryptionContextEquals")
		}
		if r.Constraints.Subset != nil {
			c.Set("kms:GrantConstraintType", "EncryptionContextSubset")
		}
	}})
}

func (s *server) createGrant(ctx context.Context, c call, in *sdk.CreateGrantInput) (any, error) {
	switch {
	case in.GranteeServicePrincipal != nil:
		return nil, keys.NotOfferedf("GranteeServicePrincipal; services act for their callers here")
	case in.RetiringServicePrincipal != nil:
		return nil, keys.NotOfferedf("RetiringServicePrincipal; services act for their callers here")
	case in.Constraints != nil && in.Constraints.SourceArn != nil:
		return nil, keys.NotOfferedf("Constraints.SourceArn; services act for their callers here")
	}
	id, token, err := c.CreateGrant(ctx, requested(in))
	if err != nil {
		return nil, err
	}
	return &sdk.CreateGrantOutput{GrantId: &id, GrantToken: &token}, nil
}

func (s *server) listGrants(ctx context.Context, c call, in *sdk.ListGrantsInput) (any, error) {
	if in.GranteeServicePrincipal != nil {
		return nil, keys.NotOfferedf("GranteeServicePrincipal; services act for their callers here")
	}
	p, err := page(in.Marker, in.Limit, 50, 100, "ListGrants", *in.KeyId, value(in.GrantId), value(in.GranteePrincipal))
	if err != nil {
		return nil, err
	}
	k, v, err := c.Describe(ctx, *in.KeyId, keys.KeysOnly)
	if err != nil {
		return nil, err
	}
	name, err := s.keys.Names(ctx, c.caller.Account)
	if err != nil {
		return nil, err
	}
	var all []*keys.Grant
	for _, g := range v.Grants(k.ID) {
		if (in.GrantId == nil || g.ID == *in.GrantId) && (in.GranteePrincipal == nil || name(g.Grantee, g.GranteeID) == *in.GranteePrincipal) {
			all = append(all, g)
		}
	}
	if in.GrantId != nil && len(all) == 0 {
		return nil, &keys.Error{Code: "InvalidGrantIdException", Status: 400, Message: "The key has no grant with the id and the grantee that were given."}
	}
	items, next, err := s.shownGrants(c, v, name, all, p)
	if err != nil {
		return nil, err
	}
	out := &sdk.ListGrantsOutput{Grants: items}
	out.NextMarker, out.Truncated = truncated(next)
	return out, nil
}

func (s *server) listRetirableGrants(ctx context.Context, c call, in *sdk.ListRetirableGrantsInput) (any, error) {
	if in.RetiringServicePrincipal != nil {
		return nil, keys.NotOfferedf("RetiringServicePrincipal; services act for their callers here")
	}
	p, err := page(in.Marker, in.Limit, 50, 100, "ListRetirableGrants", *in.RetiringPrincipal)
	if err != nil {
		return nil, err
	}
	v, err := s.keys.View(ctx, c.caller.Account)
	if err != nil {
		return nil, err
	}
	name, err := s.keys.Names(ctx, c.caller.Account)
	if err != nil {
		return nil, err
	}
	var all []*keys.Grant
	for _, g := range v.AllGrants() {
		if g.Retiring != "" && name(g.Retiring, g.RetiringID) == *in.RetiringPrincipal {
			all = append(all, g)
		}
	}
	items, next, err := s.shownGrants(c, v, name, all, p)
	if err != nil {
		return nil, err
	}
	out := &sdk.ListRetirableGrantsOutput{Grants: items}
	out.NextMarker, out.Truncated = truncated(next)
	return out, nil
}

// shownGrants are a page of grants as answers have them.
func (s *server) shownGrants(c call, v *keys.View, name func(arn, id string) string, all []*keys.Grant, p keys.Page) (items []types.GrantListEntry, next string, err error) {
	all, next, err = keys.Cut(s.keys, c.caller.Account, all, func(g *keys.Grant) string { return g.ID }, p)
	if err != nil {
		return nil, "", err
	}
	items = make([]types.GrantListEntry, 0, len(all))
	for _, g := range all {
		e := types.GrantListEntry{
			KeyId: ptr(v.ARN(v.Key(g.KeyID))), GrantId: ptr(g.ID), CreationDate: at(g.Created), IssuingAccount: ptr("arn:aws:iam::" + v.Account() + ":root"),
			GranteePrincipal: ptr(name(g.Grantee, g.GranteeID)),
		}
		if g.Name != "" {
			e.Name = ptr(g.Name)
		}
		if g.Retiring != "" {
			e.RetiringPrincipal = ptr(name(g.Retiring, g.RetiringID))
		}
		for _, o := range g.Operations {
			e.Operations = append(e.Operations, types.GrantOperation(o))
		}
		if g.Constraints.Equals != nil || g.Constraints.Subset != nil {
			e.Constraints = &types.GrantConstraints{EncryptionContextEquals: g.Constraints.Equals, EncryptionContextSubset: g.Constraints.Subset}
		}
		items = append(items, e)
	}
	return items, next, nil
}
