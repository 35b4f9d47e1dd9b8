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

// issuer gives each lease credentials of its job's role that may read the job's inputs and write its destinations, and nothing else.
type issuer struct {
	account  string
	sessions *identity.Sessions
	// allowed says whether the input policy allows the inputs of a job now; nil denies every job.
	allowed func(ctx context.Context, account string, settings *types.JobSettings) (bool, error)
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
	if i.allowed != nil {
		if ok, err = i.allowed(ctx, j.Account, settings); err != nil {
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
	return i.sessions.Issue(j.Role, fmt.Sprintf("%s-%d", j.ID, epoch), statements(access), time.Now().Add(sessionLength))
}

// Revoke implements queue.Credentials.
func (i *issuer) Revoke(accessKeyID string) { i.sessions.Revoke(accessKeyID) }

// statements narrow a session to what a job touches.
func statements(a plan.Access) []iam.Statement {
	read := iam.Statement{Sid: "Inputs", Effect: iam.Allow, Actions: []string{"s3:GetObject"}}
	for _, l := range a.Inputs {
		read.Resources = append(read.Resources, iam.Literal(arn.Object(l.Bucket, l.Key)))
	}
	write := iam.Statement{Sid: "Outputs", Effect: iam.Allow, Actions: []string{"s3:PutObject", "s3:AbortMultipartUpload"}}
	for _, l := range a.Outputs {
		write.Resources = append(write.Resources, iam.Literal(arn.Object(l.Bucket, l.Key))+"*")
	}
	return []iam.Statement{read, write}
}
