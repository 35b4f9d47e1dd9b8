package main

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/api"
	"darkroom/internal/arn"
	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/job"
	"darkroom/internal/lease"
	"darkroom/internal/plan"
)

// sessionLength is how long the credentials of a lease are good for; the worker renews them before.
const sessionLength = time.Hour

// inputPolicy is what an account allows its inputs to be.
type inputPolicy interface {
	// InputsAllowed says whether the inputs of a job are allowed now.
	InputsAllowed(ctx context.Context, account string, settings *types.JobSettings) (bool, error)
	// Schemes are the schemes of web servers that inputs may be read from.
	Schemes(ctx context.Context, account string) ([]string, error)
}

// issuer gives each lease credentials of its job's role that may read the job's inputs and write its destinations, and nothing else.
type issuer struct {
	account  string
	sessions *identity.Sessions
	// policy is asked for each job; nil denies every job.
	policy inputPolicy
}

// Issue implements queue.Credentials.
func (i *issuer) Issue(ctx context.Context, j *job.Job, epoch int64) (lease.Credentials, error) {
	if !identity.RoleExists(i.account, j.Role) {
		return lease.Credentials{}, job.Errorf(1433, "The role %s does not exist. Submit the job with an existing role: %s.", j.Role, arn.Role(i.account, identity.DefaultRole))
	}
	settings, err := plan.ReadSettings(j.Settings)
	if err != nil {
		return lease.Credentials{}, err
	}
	ok := false
	var schemes []string
	if i.policy != nil {
		if ok, err = i.policy.InputsAllowed(ctx, j.Account, settings); err != nil {
			return lease.Credentials{}, err
		}
		if schemes, err = i.policy.Schemes(ctx, j.Account); err != nil {
			return lease.Credentials{}, err
		}
	}
	if !ok {
		return lease.Credentials{}, job.Errorf(3457, "%s", api.Disallowed)
	}
	access, err := plan.NewAccess(settings, j.Started)
	if err != nil {
		return lease.Credentials{}, job.Errorf(1040, "The locations of the job cannot be read: %v.", err)
	}
	c, err := i.sessions.Issue(j.Role, fmt.Sprintf("%s-%d", j.ID, epoch), statements(access), time.Now().Add(sessionLength))
	c.Schemes = schemes
	return c, err
}

// Revoke implements queue.Credentials.
func (i *issuer) Revoke(accessKeyID string) { i.sessions.Revoke(accessKeyID) }

// statements narrow a session to what a job touches.
func statements(a plan.Access) []iam.Statement {
	read := iam.Statement{Sid: "Inputs", Effect: iam.Allow, Actions: []string{"s3:GetObject"}}
	for _, in := range a.Inputs {
		if in.URL == "" {
			read.Resources = append(read.Resources, iam.Literal(arn.Object(in.Object.Bucket, in.Object.Key)))
		}
	}
	write := iam.Statement{Sid: "Outputs", Effect: iam.Allow, Actions: []string{"s3:PutObject", "s3:AbortMultipartUpload"}}
	for _, l := range a.Outputs {
		write.Resources = append(write.Resources, iam.Literal(arn.Object(l.Bucket, l.Key))+"*")
	}
	if len(read.Resources) == 0 {
		return []iam.Statement{write} // a statement on nothing is none, and a policy with one denies everything
	}
	return []iam.Statement{read, write}
}
