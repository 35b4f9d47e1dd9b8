package iamapi

import (
	"context"
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

// providers are the operations on OpenID Connect identity providers.
//
// Thumbprints are kept and shown, and nothing is decided by them: the keys of a provider are fetched from whoever shows a certificate of the
// system's authorities, or of those in the configuration. AWS does the same where it knows the authority. It finds the thumbprint of a provider
// that is made without; here there is then none.
func (s *server) providers() map[string]queryapi.Operation {
	return map[string]queryapi.Operation{
		"CreateOpenIDConnectProvider": queryapi.Op(func(_ context.Context, caller iam.Principal, in *sdk.CreateOpenIDConnectProviderInput) ([]iam.Check, error) {
			name, ok := strings.CutPrefix(value(in.Url), "https://")
			if !ok || !validIssuer(name) {
				name = "invalid" // it is refused below, whoever asks
			}
			resource := (&identity.Entity{Kind: identity.Provider, Name: name}).ARN(caller.Account)
			return created("CreateOpenIDConnectProvider", "TagOpenIDConnectProvider", resource, in.Tags), nil
		}, s.createProvider),
		"GetOpenIDConnectProvider": queryapi.Op(func(ctx context.Context, caller iam.Principal, in *sdk.GetOpenIDConnectProviderInput) ([]iam.Check, error) {
			return s.providerChecks(ctx, caller, "GetOpenIDConnectProvider", in.OpenIDConnectProviderArn)
		}, s.getProvider),
		"ListOpenIDConnectProviders": queryapi.Op(all[sdk.ListOpenIDConnectProvidersInput]("ListOpenIDConnectProviders"), s.listProviders),
		"DeleteOpenIDConnectProvider": queryapi.Op(func(ctx context.Context, caller iam.Principal, in *sdk.DeleteOpenIDConnectProviderInput) ([]iam.Check, error) {
			return s.providerChecks(ctx, caller, "DeleteOpenIDConnectProvider", in.OpenIDConnectProviderArn)
		}, s.deleteProvider),
		"UpdateOpenIDConnectProviderThumbprint": queryapi.Op(func(ctx context.Context, caller iam.Principal, in *sdk.UpdateOpenIDConnectProviderThumbprintInput) ([]iam.Check, error) {
			return s.providerChecks(ctx, caller, "UpdateOpenIDConnectProviderThumbprint", in.OpenIDConnectProviderArn)
		}, s.updateThumbprints),
		"AddClientIDToOpenIDConnectProvider": queryapi.Op(func(ctx context.Context, caller iam.Principal, in *sdk.AddClientIDToOpenIDConnectProviderInput) ([]iam.Check, error) {
			return s.providerChecks(ctx, caller, "AddClientIDToOpenIDConnectProvider", in.OpenIDConnectProviderArn)
		}, s.addAudience),
		"RemoveClientIDFromOpenIDConnectProvider": queryapi.Op(func(ctx context.Context, caller iam.Principal, in *sdk.RemoveClientIDFromOpenIDConnectProviderInput) ([]iam.Check, error) {
			return s.providerChecks(ctx, caller, "RemoveClientIDFromOpenIDConnectProvider", in.OpenIDConnectProviderArn)
		}, s.removeAudience),
	}
}

// providerChecks asks for an action on the provider that a request names.
func (s *server) providerChecks(ctx context.Context, caller iam.Principal, action string, name *string) ([]iam.Check, error) {
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	return onARN(v, action, value(name)), nil
}

// provider finds a provider by its ARN.
func provider(v *identity.View, name string) (*identity.Entity, error) {
	if p := v.ByARN(name); p != nil && p.Kind == identity.Provider {
		return p, nil
	}
	return nil, queryapi.Errorf(http.StatusNotFound, "NoSuchEntity", "OpenIDConnect Provider not found for arn %s", name)
}

// Characters of an issuer's URL. What means something in policies is not among them.
const (
	hostCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-."
	pathCharacters = hostCharacters + "_~/!&'()+,;=:@%"
)

// validIssuer says whether the address of a provider, without its https://, is one: a host, maybe a port, and maybe a path. Neither user, query nor
// fragment can be in it (CreateOpenIDConnectProvider, Url). AWS takes no port; providers of one's own often have one.
func validIssuer(name string) bool {
	host, path, _ := strings.Cut(name, "/")
	host, port, hasPort := strings.Cut(host, ":")
	if n, err := strconv.ParseUint(port, 10, 16); hasPort && (err != nil || n == 0 || port != strconv.FormatUint(n, 10)) {
		return false
	}
	outside := func(set string) func(rune) bool { return func(c rune) bool { return !strings.ContainsRune(set, c) } }
	return host != "" && !strings.ContainsFunc(host, outside(hostCharacters)) && !strings.ContainsFunc(path, outside(pathCharacters)) &&
		!slices.Contains(strings.Split(host, "."), "") && !slices.ContainsFunc(strings.Split(path, "/"), func(p string) bool { return p == "." || p == ".." })
}

// thumbprintsOf reads the thumbprints of a request: SHA-1 of certificates, in hexadecimal.
func thumbprintsOf(all []string) ([]string, error) {
	if len(all) > maxThumbprints {
		return nil, invalidInput("Thumbprint list must contain fewer than %d entries.", maxThumbprints)
	}
	for _, t := range all {
		if strings.Trim(t, "0123456789abcdefABCDEF") != "" {
			return nil, invalidInput("Invalid thumbprint: %s is not hexadecimal.", t)
		}
	}
	return all, nil
}

func invalidInput(format string, args ...any) error {
	return queryapi.Errorf(http.StatusBadRequest, "InvalidInput", format, args...)
}

func tooManyAudiences() error {
	return exceeded("Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: %d", maxAudiences)
}

func (s *server) createProvider(ctx context.Context, caller iam.Principal, in *sdk.CreateOpenIDConnectProviderInput) (any, error) {
	name, ok := strings.CutPrefix(*in.Url, "https://")
	if !ok || !validIssuer(name) {
		return nil, invalid("Invalid Open ID Connect Provider URL")
	}
	e := &identity.Entity{Kind: identity.Provider, ID: identity.NewID(identity.Provider), Name: name, Path: "/", Created: s.now().UTC()}
	var err error
	if e.Thumbprints, err = thumbprintsOf(in.ThumbprintList); err != nil {
		return nil, err
	}
	for _, a := range in.ClientIDList {
		if !slices.Contains(e.Audiences, a) {
			e.Audiences = append(e.Audiences, a)
		}
	}
	if len(e.Audiences) > maxAudiences {
		return nil, tooManyAudiences()
	}
	if e.Tags, err = tagsOf(nil, in.Tags); err != nil {
		return nil, err
	}
	return &sdk.CreateOpenIDConnectProviderOutput{OpenIDConnectProviderArn: ptr(e.ARN(caller.Account)), Tags: shownTags(e.Tags)},
		s.people.Change(ctx, caller.Account, func(v *identity.View) error {
			switch {
			case v.Taken(identity.Provider, e.Name):
				return queryapi.Errorf(http.StatusConflict, "EntityAlreadyExists", "Provider with url %s already exists.", *in.Url)
			case v.Count(identity.Provider) >= maxProviders:
				return exceeded("Cannot exceed quota for OpenIdConnectProvidersPerAccount: %d", maxProviders)
			}
			v.Put(e)
			return nil
		})
}

// getProvider answers with the address of the provider without https://, as IAM does.
func (s *server) getProvider(ctx context.Context, caller iam.Principal, in *sdk.GetOpenIDConnectProviderInput) (any, error) {
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	p, err := provider(v, *in.OpenIDConnectProviderArn)
	if err != nil {
		return nil, err
	}
	return &sdk.GetOpenIDConnectProviderOutput{
		Url: &p.Name, ClientIDList: p.Audiences, ThumbprintList: p.Thumbprints, CreateDate: at(p.Created), Tags: shownTags(p.Tags),
	}, nil
}

func (s *server) listProviders(ctx context.Context, caller iam.Principal, _ *sdk.ListOpenIDConnectProvidersInput) (any, error) {
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	out := &sdk.ListOpenIDConnectProvidersOutput{OpenIDConnectProviderList: []types.OpenIDConnectProviderListEntry{}}
	for _, p := range v.All(identity.Provider, "") {
		out.OpenIDConnectProviderList = append(out.OpenIDConnectProviderList, types.OpenIDConnectProviderListEntry{Arn: ptr(p.ARN(caller.Account))})
	}
	return out, nil
}

// deleteProvider leaves the trust policies that name the provider as they are: they then let nobody in. A provider that is not there is no error.
func (s *server) deleteProvider(ctx context.Context, caller iam.Principal, in *sdk.DeleteOpenIDConnectProviderInput) (any, error) {
	return &sdk.DeleteOpenIDConnectProviderOutput{}, s.people.Change(ctx, caller.Account, func(v *identity.View) error {
		if p, err := provider(v, *in.OpenIDConnectProviderArn); err == nil {
			v.Drop(p)
		}
		return nil
	})
}

// changeProvider changes one provider.
func (s *server) changeProvider(ctx context.Context, caller iam.Principal, name string, change func(*identity.Entity) error) error {
	return s.people.Change(ctx, caller.Account, func(v *identity.View) error {
		p, err := provider(v, name)
		if err != nil {
			return err
		}
		return change(v.Edit(p))
	})
}

func (s *server) updateThumbprints(ctx context.Context, caller iam.Principal, in *sdk.UpdateOpenIDConnectProviderThumbprintInput) (any, error) {
	all, err := thumbprintsOf(in.ThumbprintList)
	if err != nil {
		return nil, err
	}
	return &sdk.UpdateOpenIDConnectProviderThumbprintOutput{}, s.changeProvider(ctx, caller, *in.OpenIDConnectProviderArn, func(p *identity.Entity) error {
		p.Thumbprints = all
		return nil
	})
}

// addAudience adds a client id. One that is there is no error.
func (s *server) addAudience(ctx context.Context, caller iam.Principal, in *sdk.AddClientIDToOpenIDConnectProviderInput) (any, error) {
	return &sdk.AddClientIDToOpenIDConnectProviderOutput{}, s.changeProvider(ctx, caller, *in.OpenIDConnectProviderArn, func(p *identity.Entity) error {
		switch {
		case slices.Contains(p.Audiences, *in.ClientID):
			return nil
		case len(p.Audiences) >= maxAudiences:
			return tooManyAudiences()
		}
		p.Audiences = append(p.Audiences, *in.ClientID)
		return nil
	})
}

// removeAudience takes a client id away. One that is not there is no error.
func (s *server) removeAudience(ctx context.Context, caller iam.Principal, in *sdk.RemoveClientIDFromOpenIDConnectProviderInput) (any, error) {
	return &sdk.RemoveClientIDFromOpenIDConnectProviderOutput{}, s.changeProvider(ctx, caller, *in.OpenIDConnectProviderArn, func(p *identity.Entity) error {
		p.Audiences = slices.DeleteFunc(p.Audiences, func(a string) bool { return a == *in.ClientID })
		return nil
	})
}
