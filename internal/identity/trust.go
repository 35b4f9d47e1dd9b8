package identity

import (
	"context"
	"errors"

	"darkroom/internal/iam"
)

// MediaConvert is the service that a job's role must trust.
const MediaConvert = "mediaconvert.amazonaws.com"

// Why a job's role cannot be assumed.
var (
	// ErrNoRole says that there is no such role in the account.
	ErrNoRole = errors.New("the role does not exist")
	// ErrNotTrusting says that the trust policy of the role does not let MediaConvert assume it for jobs of the queue.
	ErrNotTrusting = errors.New("the role does not trust " + MediaConvert)
	// ErrMalformedRole says that the trust policy of the role cannot be read.
	ErrMalformedRole = errors.New("the trust policy of the role cannot be read")
)

// CheckJobRole says whether MediaConvert may assume a role for the jobs of a queue, which stands for aws:SourceArn.
// Source: MediaConvert User Guide, "Cross-service confused deputy prevention".
func (d *Directory) CheckJobRole(ctx context.Context, account, roleARN, queueARN string) error {
	v, err := d.View(ctx, account)
	if err != nil {
		return err
	}
	role := v.ByARN(roleARN)
	if role == nil || role.Kind != Role {
		return ErrNoRole
	}
	r := iam.Request{
		Principal: iam.Principal{Type: iam.Service, Name: MediaConvert},
		Check:     iam.Check{Action: "sts:AssumeRole", Resource: roleARN, Tags: role.Tags, Policy: v.TrustPolicy(role)},
		Now:       d.now(),
	}
	r.Context.Set("aws:SourceArn", queueARN)
	r.Context.Set("aws:SourceAccount", account)
	switch decision := iam.Authorize(&r); {
	case decision.Allowed():
		return nil
	case decision.Source == iam.Unread:
		return ErrMalformedRole
	}
	return ErrNotTrusting
}

// RoleTags returns the tags of a role; none if it is not there.
func (d *Directory) RoleTags(ctx context.Context, account, roleARN string) (map[string]string, error) {
	v, err := d.View(ctx, account)
	if err != nil {
		return nil, err
	}
	if role := v.ByARN(roleARN); role != nil && role.Kind == Role {
		return role.Tags, nil
	}
	return nil, nil
}
