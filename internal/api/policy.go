package api

import (
	"context"
	"errors"
	"slices"
	"strings"

	mc "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/mediaconvert"
	"darkroom/internal/store"
)

// Disallowed is what MediaConvert says of an input location that the policy of the account does not allow: to who submits the job, and as
// the message of error 3457 where it shows later.
const Disallowed = "You specified an input location that your policy disallows. Specify an allowed input location and resubmit your job."

// policy returns the input policy of an account with every member said; without one, everything is allowed.
func (s *Service) policy(ctx context.Context, account string) (*types.Policy, error) {
	p := new(types.Policy)
	r, err := s.queue.GetResource(ctx, account, store.Policy, "")
	if err == nil {
		err = recall(r.Document, p)
	}
	if err != nil && !errors.Is(err, store.ErrNoResource) {
		return nil, err
	}
	return complete(p), nil
}

// complete says ALLOWED where nothing is said.
func complete(p *types.Policy) *types.Policy {
	for _, m := range []*types.InputPolicy{&p.HttpInputs, &p.HttpsInputs, &p.S3Inputs} {
		if *m == "" {
			*m = types.InputPolicyAllowed
		}
	}
	return p
}

// allowed says whether a policy allows an input location. What is no location of the three kinds is not allowed.
func allowed(p *types.Policy, uri string) bool {
	scheme, _, _ := strings.Cut(uri, ":")
	switch strings.ToLower(scheme) {
	case "s3":
		return p.S3Inputs == types.InputPolicyAllowed
	case "http":
		return p.HttpInputs == types.InputPolicyAllowed
	case "https":
		return p.HttpsInputs == types.InputPolicyAllowed
	}
	return false
}

// Schemes returns those of "s3", "http" and "https" that the policy of an account allows inputs to have: also after a redirect, and where one input names
// another.
func (s *Service) Schemes(ctx context.Context, account string) ([]string, error) {
	p, err := s.policy(ctx, account)
	if err != nil {
		return nil, err
	}
	return schemes(p), nil
}

func schemes(p *types.Policy) []string {
	return slices.DeleteFunc([]string{"s3", "http", "https"}, func(s string) bool { return !allowed(p, s+":") })
}

// InputsAllowed says whether the policy of an account allows the inputs of a job now. It is asked when a job is submitted, and again when it
// begins: the policy may be another by then.
func (s *Service) InputsAllowed(ctx context.Context, account string, settings *types.JobSettings) (bool, error) {
	p, err := s.policy(ctx, account)
	if err != nil {
		return false, err
	}
	for i := range settings.Inputs {
		in := &settings.Inputs[i]
		if in.FileInput != nil && !allowed(p, *in.FileInput) {
			return false, nil
		}
		for _, sel := range in.CaptionSelectors {
			if s := sel.SourceSettings; s != nil && s.FileSourceSettings != nil && s.FileSourceSettings.SourceFile != nil && !allowed(p, *s.FileSourceSettings.SourceFile) {
				return false, nil
			}
		}
		for _, l := range in.SupplementalImps {
			if !allowed(p, l) {
				return false, nil
			}
		}
	}
	return true, nil
}

func (s *Service) getPolicy(ctx context.Context, account string) (*mc.GetPolicyOutput, error) {
	p, err := s.policy(ctx, account)
	return &mc.GetPolicyOutput{Policy: p}, err
}

// putPolicy replaces the whole policy.
func (s *Service) putPolicy(ctx context.Context, account string, in *mc.PutPolicyInput) (*mc.PutPolicyOutput, error) {
	p := complete(in.Policy)
	doc, err := mediaconvert.Encode(p)
	if err != nil {
		return nil, err
	}
	now := s.now().UTC()
	r := &store.Resource{Account: account, Kind: store.Policy, Document: doc, Created: now, Updated: now}
	err = s.queue.CreateResource(ctx, r, 0)
	if errors.Is(err, store.ErrExists) {
		_, err = s.queue.ChangeResource(ctx, account, store.Policy, "", func(r *store.Resource) error {
			r.Document, r.Updated = doc, now
			return nil
		})
	}
	return &mc.PutPolicyOutput{Policy: p}, err
}

func (s *Service) deletePolicy(ctx context.Context, account string) (*mc.DeletePolicyOutput, error) {
	err := s.queue.DeleteResource(ctx, account, store.Policy, "")
	if errors.Is(err, store.ErrNoResource) {
		err = nil // there is none, as was asked for
	}
	return &mc.DeletePolicyOutput{}, err
}
