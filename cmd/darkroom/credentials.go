package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/api"
	"darkroom/internal/arn"
	"darkroom/internal/blob"
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
	people *identity.Directory
	// policy is asked for each job; nil denies every job.
	policy inputPolicy
	// ended is told of each session that ends before its time.
	ended func(accessKeyID string)
	// region is where the object store uses keys.
	region string
	// record writes down each session, or why there is none, before its credentials go out; nil where there is no trail.
	record func(ctx context.Context, j *job.Job, session, accessKeyID string, until time.Time, cause error) error
}

// Issue implements queue.Credentials.
func (i *issuer) Issue(ctx context.Context, j *job.Job, epoch int64) (lease.Credentials, error) {
	session, until := fmt.Sprintf("%s-%d", j.ID, epoch), time.Now().Add(sessionLength)
	c, err := i.issue(ctx, j, session, until)
	if i.record == nil {
		return c, err
	}
	if told := i.record(context.WithoutCancel(ctx), j, session, c.AccessKeyID, until, err); told != nil {
		if err == nil {
			i.Revoke(c.AccessKeyID)
		}
		return lease.Credentials{}, errors.Join(told, err)
	}
	return c, err
}

// issue makes a session of the job's role. The role is looked at anew: it may be another than when the job was submitted.
func (i *issuer) issue(ctx context.Context, j *job.Job, session string, until time.Time) (lease.Credentials, error) {
	switch err := i.people.CheckJobRole(ctx, j.Account, j.Role, j.Queue); {
	case errors.Is(err, identity.ErrNoRole):
		return lease.Credentials{}, job.Errorf(1433, "The role %s does not exist. Submit the job again with an existing role.", j.Role)
	case errors.Is(err, identity.ErrNotTrusting):
		return lease.Credentials{}, job.Errorf(1434, "The role %s cannot be assumed: its trust policy does not let %s assume it for the queue %s. "+
			"Change the trust policy and submit the job again.", j.Role, identity.MediaConvert, j.Queue)
	case errors.Is(err, identity.ErrMalformedRole):
		return lease.Credentials{}, job.Errorf(1515, "The role %s is malformed: its trust policy cannot be read. Change the trust policy and submit the job again.", j.Role)
	case err != nil:
		return lease.Credentials{}, err
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
	document, err := sessionPolicy(access, i.region)
	if err != nil {
		return lease.Credentials{}, err
	}
	c, err := i.people.Sessions.Issue(ctx, j.Account, j.Role, session, document, until)
	if errors.Is(err, identity.ErrGone) {
		return lease.Credentials{}, job.Errorf(1433, "The role %s does not exist. Submit the job again with an existing role.", j.Role)
	}
	c.Schemes = schemes
	return c, err
}

// Revoke implements queue.Credentials.
func (i *issuer) Revoke(accessKeyID string) {
	i.people.Sessions.Revoke(accessKeyID)
	i.ended(accessKeyID)
}

// statement is a statement of a session policy.
type statement struct {
	Sid      string
	Effect   string
	Action   []string
	Resource []string
	// Condition has the values by operator and key.
	Condition map[string]map[string][]string `json:",omitempty"`
}

// document is a policy of some statements.
func document(statements ...statement) (string, error) {
	text, err := json.Marshal(struct {
		Version   string
		Statement []statement
	}{"2012-10-17", statements})
	return string(text), err
}

// sessionPolicy narrows a session to what a job touches: the objects, and through the object store of a region the keys that they are encrypted
// with.
func sessionPolicy(a plan.Access, region string) (string, error) {
	read := statement{Sid: "Inputs", Effect: "Allow", Action: []string{"s3:GetObject"}}
	var sources []string // buckets
	for _, in := range a.Inputs {
		if in.URL == "" {
			read.Resource = append(read.Resource, readable(in))
			sources = append(sources, in.Object.Bucket)
		}
	}
	write := statement{Sid: "Outputs", Effect: "Allow", Action: []string{"s3:PutObject", "s3:AbortMultipartUpload"}}
	list := statement{Sid: "OutputLists", Effect: "Allow", Action: []string{"s3:PutObjectAcl"}}
	for _, l := range a.Outputs {
		place := iam.Literal(arn.Object(l.Bucket, l.Key)) + "*"
		write.Resource = append(write.Resource, place)
		if l.Storage != nil && l.Storage.ACL != "" {
			list.Resource = append(list.Resource, place)
		}
	}
	var all []statement
	statements := []statement{read, write, list}
	if a.Encrypted() {
		// Which key a ciphertext is of is not known before it is opened; the role's own policies and that of the key name keys.
		statements = append(statements, statement{
			Sid: dataKeys, Effect: "Allow", Action: []string{"kms:Decrypt"}, Resource: []string{"*"},
			Condition: map[string]map[string][]string{"StringEquals": {"kms:EncryptionContext:service": {identity.MediaConvert}}},
		})
	}
	for _, s := range append(statements, keyStatements(sources, a.Outputs, region)...) {
		if len(s.Resource) > 0 {
			all = append(all, s)
		}
	}
	return document(all...)
}

// dataKeys names the statement of a session policy that lets a job have the data keys of its inputs decrypted.
const dataKeys = "DarkroomDataKeys"

// forObjects is a session policy without what it allows at our key service: another object store has nothing to do with that, and may not take it. What
// cannot be read is left as it is.
func forObjects(policy string) string {
	var whole struct {
		Version   string
		Statement []json.RawMessage
	}
	if json.Unmarshal([]byte(policy), &whole) != nil {
		return policy
	}
	kept := slices.DeleteFunc(slices.Clone(whole.Statement), func(raw json.RawMessage) bool {
		var s struct{ Sid, Effect string }
		return json.Unmarshal(raw, &s) == nil && s.Sid == dataKeys && s.Effect == "Allow"
	})
	if len(kept) == len(whole.Statement) {
		return policy
	}
	whole.Statement = kept
	text, err := json.Marshal(whole)
	if err != nil {
		return policy
	}
	return string(text)
}

// The permissions on keys that a read and a write of objects need. A multipart upload opens its data key again for each part.
var (
	readKey  = []string{"kms:Decrypt"}
	writeKey = []string{"kms:GenerateDataKey", "kms:Decrypt"}
)

// keyStatements allow the use of keys through the object store, and no other way: those that the inputs are encrypted with, whichever they are, those
// that outputs name, and for the others those that their buckets have by default.
func keyStatements(sources []string, outputs []plan.Location, region string) []statement {
	var named, usual, buckets []string
	for _, l := range outputs {
		switch s := l.Storage; {
		case s == nil || s.Encryption == 0:
			buckets = append(buckets, l.Bucket)
		case s.Encryption == plan.ServiceKey && s.KeyARN == "":
			usual = []string{"*"}
		case s.Encryption == plan.ServiceKey:
			named = append(named, iam.Literal(s.KeyARN))
		}
	}
	keys := throughS3("OutputKeys", writeKey, region)
	keys.Resource = compact(named)
	s3Key := throughS3("OutputDefaultKey", writeKey, region)
	s3Key.Resource = usual
	s3Key.Condition["ForAnyValue:StringEquals"] = map[string][]string{"kms:ResourceAliases": {defaultS3Key}}
	return []statement{keysOf("InputKeys", readKey, region, sources), keys, s3Key, keysOf("BucketKeys", writeKey, region, buckets)}
}

// throughS3 is a statement that allows the use of keys through the object store; its resources are missing.
func throughS3(sid string, actions []string, region string) statement {
	return statement{Sid: sid, Effect: "Allow", Action: actions, Condition: map[string]map[string][]string{
		"StringEquals": {"kms:ViaService": {viaS3(region)}},
	}}
}

// keysOf allows the use of any key for the objects of buckets: S3 says in the encryption context which object it is, or with a bucket key which bucket.
func keysOf(sid string, actions []string, region string, buckets []string) statement {
	s := throughS3(sid, actions, region)
	var objects []string
	for _, b := range compact(buckets) {
		objects = append(objects, iam.Literal(arn.Object(b, "")), iam.Literal(arn.Object(b, ""))+"/*")
	}
	if len(objects) > 0 {
		s.Resource = []string{"*"}
		s.Condition["StringLike"] = map[string][]string{"kms:EncryptionContext:" + blob.ObjectContext: objects}
	}
	return s
}

func compact(all []string) []string { return slices.Compact(slices.Sorted(slices.Values(all))) }

// readable is the pattern of the objects that reading an input takes: the object, or for the playlist of an HLS package all in its directory and below.
func readable(in plan.Input) string {
	if dir, ok := in.Package(); ok {
		// The slash behind the bucket is there also where the directory is the bucket: no other bucket's name goes on where this one ends.
		return iam.Literal(arn.Object(dir.Bucket, "")+"/"+dir.Key) + "*"
	}
	return iam.Literal(arn.Object(in.Object.Bucket, in.Object.Key))
}
