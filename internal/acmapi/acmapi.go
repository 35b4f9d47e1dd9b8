// Package acmapi speaks the API of AWS Certificate Manager (version 2015-12-08) for certificates that were imported, over a certificate.Service: it says
// what must be allowed for each operation, and turns certificates into answers.
//
// Sources: ACM API Reference; Service Authorization Reference, "Actions, resources, and condition keys for AWS Certificate Manager".
package acmapi

import (
	"context"
	"errors"
	"net/http"

	sdk "github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"

	"darkroom/internal/arn"
	"darkroom/internal/certificate"
	"darkroom/internal/iam"
	"darkroom/internal/jsonapi"
	"darkroom/internal/secret"
)

// Options are what the API works with. Certificates is needed.
type Options struct {
	Certificates *certificate.Service
}

// server carries the operations out.
type server struct {
	certificates *certificate.Service
}

// New returns the API.
func New(o Options) (*jsonapi.Service, error) {
	if o.Certificates == nil {
		return nil, errors.New("the ACM API needs Certificates")
	}
	s := &server{o.Certificates}
	return jsonapi.New(jsonapi.API{Name: "acm", Target: "CertificateManager", Version: "2015-12-08", NotOffered: notOffered}, map[string]jsonapi.Operation{
		"ImportCertificate": jsonapi.Op(s.checkImport, s.importCertificate),
		"ListCertificates": jsonapi.Op(func(context.Context, iam.Principal, *sdk.ListCertificatesInput) ([]iam.Check, error) {
			return []iam.Check{{Action: "acm:ListCertificates", Resource: "*"}}, nil
		}, s.list),
		"DescribeCertificate": jsonapi.Op(func(ctx context.Context, caller iam.Principal, in *sdk.DescribeCertificateInput) ([]iam.Check, error) {
			return s.checks(ctx, caller, "DescribeCertificate", in.CertificateArn)
		}, s.describe),
		"GetCertificate": jsonapi.Op(func(ctx context.Context, caller iam.Principal, in *sdk.GetCertificateInput) ([]iam.Check, error) {
			return s.checks(ctx, caller, "GetCertificate", in.CertificateArn)
		}, s.get),
		"DeleteCertificate": jsonapi.Op(func(ctx context.Context, caller iam.Principal, in *sdk.DeleteCertificateInput) ([]iam.Check, error) {
			return s.checks(ctx, caller, "DeleteCertificate", in.CertificateArn)
		}, s.delete),
		"ExportCertificate": jsonapi.Op(func(ctx context.Context, caller iam.Principal, in *sdk.ExportCertificateInput) ([]iam.Check, error) {
			return s.checks(ctx, caller, "ExportCertificate", in.CertificateArn)
		}, s.export),
		"AddTagsToCertificate": jsonapi.Op(func(ctx context.Context, caller iam.Principal, in *sdk.AddTagsToCertificateInput) ([]iam.Check, error) {
			return s.checks(ctx, caller, "AddTagsToCertificate", in.CertificateArn, in.Tags...)
		}, s.tag),
		"ListTagsForCertificate": jsonapi.Op(func(ctx context.Context, caller iam.Principal, in *sdk.ListTagsForCertificateInput) ([]iam.Check, error) {
			return s.checks(ctx, caller, "ListTagsForCertificate", in.CertificateArn)
		}, s.listTags),
		"RemoveTagsFromCertificate": jsonapi.Op(func(ctx context.Context, caller iam.Principal, in *sdk.RemoveTagsFromCertificateInput) ([]iam.Check, error) {
			return s.checks(ctx, caller, "RemoveTagsFromCertificate", in.CertificateArn, in.Tags...)
		}, s.untag),
	}), nil
}

// codes are the exceptions for what the engine refuses.
var codes = map[certificate.Fault]string{
	certificate.Invalid:     "ValidationException",
	certificate.BadARN:      "InvalidArnException",
	certificate.NotFound:    "ResourceNotFoundException",
	certificate.InUse:       "ResourceInUseException",
	certificate.Exceeded:    "LimitExceededException",
	certificate.BadTag:      "InvalidTagException",
	certificate.TooManyTags: "TooManyTagsException",
}

// refusal words an error of the engine in ACM's terms. What it does not know stays as it is.
func refusal(err error) error {
	if e, ok := errors.AsType[*certificate.Error](err); ok && codes[e.Fault] != "" {
		return jsonapi.Errorf(http.StatusBadRequest, codes[e.Fault], "%s", e.Message)
	}
	return err
}

func invalid(format string, args ...any) error {
	return jsonapi.Errorf(http.StatusBadRequest, "ValidationException", format, args...)
}

// checks asks for an action on the certificate that a request names, with the tags that it gives or takes away. One that is not there is asked for by
// the name that the request gives, so that a refusal tells nothing about it, and what is no ARN as any certificate.
func (s *server) checks(ctx context.Context, caller iam.Principal, action string, name *string, tags ...types.Tag) ([]iam.Check, error) {
	c := iam.Check{Action: "acm:" + action, Resource: "*"}
	if name != nil {
		c.Resource = *name
		if _, err := arn.Parse(*name); err != nil {
			c.Resource = s.certificates.AnyOf(caller.Account)
		}
		found, err := s.certificates.Find(ctx, caller.Account, *name)
		if _, known := errors.AsType[*certificate.Error](err); err != nil && !known {
			return nil, err
		}
		if found != nil {
			c.Tags = found.Tags
		}
	}
	tagKeys(&c, tags)
	return []iam.Check{c}, nil
}

// tagKeys sets the condition keys of the tags that a request has.
func tagKeys(c *iam.Check, tags []types.Tag) {
	for _, t := range tags {
		if t.Key == nil {
			continue
		}
		c.Context.Set("aws:TagKeys", *t.Key)
		if t.Value != nil {
			c.Context.Set("aws:RequestTag/"+*t.Key, *t.Value)
		}
	}
}

// checkImport asks for the import on the certificate that is replaced, or on any where a new one is made, and for its tags.
func (s *server) checkImport(ctx context.Context, caller iam.Principal, in *sdk.ImportCertificateInput) ([]iam.Check, error) {
	name := in.CertificateArn
	if name == nil {
		anyOf := s.certificates.AnyOf(caller.Account)
		name = &anyOf
	}
	all, err := s.checks(ctx, caller, "ImportCertificate", name, in.Tags...)
	if err != nil || len(in.Tags) == 0 {
		return all, err
	}
	tagging := all[0]
	tagging.Action = "acm:AddTagsToCertificate"
	return append(all, tagging), nil
}

func (s *server) importCertificate(ctx context.Context, caller iam.Principal, in *sdk.ImportCertificateInput) (any, error) {
	defer clear(in.PrivateKey)
	what := certificate.Import{Certificate: in.Certificate, Chain: in.CertificateChain, Key: secret.New(in.PrivateKey)}
	var err error
	if what.Tags, err = tagsOf(in.Tags); err != nil {
		return nil, err
	}
	if in.CertificateArn != nil {
		return &sdk.ImportCertificateOutput{CertificateArn: in.CertificateArn}, refusal(s.certificates.Renew(ctx, caller.Account, *in.CertificateArn, what))
	}
	name, err := s.certificates.Import(ctx, caller.Account, what)
	return &sdk.ImportCertificateOutput{CertificateArn: &name}, refusal(err)
}

// tagsOf reads the tags of a request: each key once.
func tagsOf(tags []types.Tag) (map[string]string, error) {
	out := make(map[string]string, len(tags))
	for _, t := range tags {
		if _, twice := out[*t.Key]; twice {
			return nil, jsonapi.Errorf(http.StatusBadRequest, "InvalidTagException", "The tag key %s is given more than once.", *t.Key)
		}
		out[*t.Key] = value(t.Value)
	}
	return out, nil
}

func (s *server) delete(ctx context.Context, caller iam.Principal, in *sdk.DeleteCertificateInput) (any, error) {
	return nil, refusal(s.certificates.Delete(ctx, caller.Account, *in.CertificateArn))
}

// export gives no key away: ACM exports certificates that it has issued, and none that was imported.
func (s *server) export(ctx context.Context, caller iam.Principal, in *sdk.ExportCertificateInput) (any, error) {
	defer clear(in.Passphrase)
	if _, err := s.certificates.Find(ctx, caller.Account, *in.CertificateArn); err != nil {
		return nil, refusal(err)
	}
	return nil, invalid("The certificate %s was imported. Imported certificates cannot be exported.", *in.CertificateArn)
}

func (s *server) tag(ctx context.Context, caller iam.Principal, in *sdk.AddTagsToCertificateInput) (any, error) {
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	return nil, refusal(s.certificates.Tag(ctx, caller.Account, *in.CertificateArn, tags))
}

func (s *server) untag(ctx context.Context, caller iam.Principal, in *sdk.RemoveTagsFromCertificateInput) (any, error) {
	if _, err := tagsOf(in.Tags); err != nil {
		return nil, err
	}
	tags := make(map[string]*string, len(in.Tags))
	for _, t := range in.Tags {
		tags[*t.Key] = t.Value
	}
	return nil, refusal(s.certificates.Untag(ctx, caller.Account, *in.CertificateArn, tags))
}

func (s *server) listTags(ctx context.Context, caller iam.Principal, in *sdk.ListTagsForCertificateInput) (any, error) {
	c, err := s.certificates.Find(ctx, caller.Account, *in.CertificateArn)
	if err != nil {
		return nil, refusal(err)
	}
	return &sdk.ListTagsForCertificateOutput{Tags: shownTags(c.Tags)}, nil
}

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func ptr[T any](v T) *T { return &v }
