package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/job"
	"darkroom/internal/lease"
	"darkroom/internal/plan"
	"darkroom/internal/queue"
)

// prober has files looked into by a worker that acts for the caller, and may read the one file only, or the directory of an HLS package.
type prober struct {
	sessions *identity.Sessions
	probes   *queue.Probes
	region   string // where the object store uses keys
	revoke   func(accessKeyID string)
}

// probe implements api.Options.Probe.
func (p *prober) probe(ctx context.Context, caller iam.Principal, in plan.Input, schemes []string) (*plan.Found, error) {
	// What is read from a web server needs nothing of the object store.
	allowed := []statement{{Sid: "File", Effect: "Deny", Action: []string{"*"}, Resource: []string{"*"}}}
	if in.URL == "" {
		allowed = []statement{
			{Sid: "File", Effect: "Allow", Action: []string{"s3:GetObject"}, Resource: []string{readable(in)}},
			keysOf("FileKey", readKey, p.region, []string{in.Object.Bucket}),
		}
	}
	policy, err := document(allowed...)
	if err != nil {
		return nil, err
	}
	c, err := p.sessions.Forward(caller, policy, time.Now().Add(2*queue.ProbeDeadline))
	if err != nil {
		return nil, err
	}
	defer p.revoke(c.AccessKeyID)
	c.Schemes = schemes
	answer, err := p.probes.Do(ctx, lease.Probe{URI: in.URI(), Caller: caller.ARN, Credentials: c})
	switch {
	case err != nil:
		return nil, err
	case answer.Error != nil:
		return nil, job.Errorf(answer.Error.Code, "%s", answer.Error.Message)
	}
	var found plan.Found
	if err := json.Unmarshal(answer.Found, &found); err != nil {
		return nil, fmt.Errorf("read what the worker found: %w", err)
	}
	if found.Probe == nil {
		return nil, errors.New("the worker found nothing and gave no reason")
	}
	return &found, nil
}
