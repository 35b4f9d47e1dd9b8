// Package api is the face that speaks the MediaConvert API: it says what each request asks for and what must be allowed for it, judges the
// request, and turns records of jobs into answers. It decides nothing about media and keeps nothing: jobs are in a Queue, and what can be
// carried out is said by the plan.
package api

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	mc "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/audit"
	"darkroom/internal/gateway"
	"darkroom/internal/iam"
	"darkroom/internal/job"
	"darkroom/internal/mediaconvert"
	"darkroom/internal/plan"
	"darkroom/internal/secret"
)

// serviceName is the service in the credential scope and in the names of actions.
const serviceName = "mediaconvert"

// Queue keeps jobs durably and gives them to workers.
type Queue interface {
	// Submit records j durably before it returns, and returns the job as recorded. If j.ClientToken is not empty and the account used it
	// before, Submit records nothing: it returns that first job if its RequestHash is that of j, and job.ErrTokenReused if not.
	Submit(ctx context.Context, j *job.Job) (*job.Job, error)
	// Get returns a job, or job.ErrNotFound.
	Get(ctx context.Context, account, id string) (*job.Job, error)
	// ByToken returns the job that was submitted with a client token, or job.ErrNotFound.
	ByToken(ctx context.Context, account, token string) (*job.Job, error)
	// List returns a page of jobs; that there are none is no error.
	List(ctx context.Context, q job.Query) ([]*job.Job, error)
	// Cancel ends a job that waits, and asks the worker of one that runs to stop. It returns job.ErrNotFound or job.ErrFinished.
	Cancel(ctx context.Context, account, id string) error
	// Count counts the unfinished jobs of the queue with this ARN.
	Count(ctx context.Context, account, queue string) (job.Counts, error)
	// ChangeJob reads, changes and records a job in one transaction. It returns job.ErrNotFound, or the error of change.
	ChangeJob(ctx context.Context, account, id string, change func(*job.Job) error) (*job.Job, error)
	// Resources are queues, presets and the rest.
	Resources
}

// Roles are the roles of accounts.
type Roles interface {
	// CheckJobRole says whether MediaConvert may assume a role for jobs of the queue with this ARN: nil, or one of identity.ErrNoRole,
	// identity.ErrNotTrusting and identity.ErrMalformedRole.
	CheckJobRole(ctx context.Context, account, roleARN, queueARN string) error
	// RoleTags returns the tags of a role; none if it is not there.
	RoleTags(ctx context.Context, account, roleARN string) (map[string]string, error)
}

// Options are what a Service works with. Queue, Roles, Certificates, Check, Probe, Region and TokenKey are needed.
type Options struct {
	Queue Queue
	// Certificates are those of each account.
	Certificates Certificates
	// Check says what the service itself would refuse about settings, and what this installation does not offer. The settings have
	// passed mediaconvert.Decode.
	Check func(*types.JobSettings) (invalid, notOffered []plan.Refusal)
	// Engine says which version of the engine is installed; "" while none is known. nil is never known.
	Engine func() string
	// Probe looks into a file on behalf of a caller, who may read it; schemes are those of web servers that the caller's account allows. It
	// returns a *job.Error for what is wrong with the file, and job.ErrBusy where too many wait.
	Probe func(ctx context.Context, caller iam.Principal, in plan.Input, schemes []string) (*plan.Found, error)
	// Roles are the roles that jobs can have.
	Roles Roles
	// Throttle is how often each account may ask.
	Throttle Throttle
	// Region is the region in the ARNs of jobs and queues.
	Region string
	// TokenKey seals the tokens that lead to the next page: TokenKeySize bytes. Tokens made under another key are refused.
	TokenKey secret.Bytes
	// QueueCreated is when the queue Default was made, for its createdAt.
	QueueCreated time.Time
	// Now is the clock and Random the source of job ids; nil means time.Now and crypto/rand.
	Now    func() time.Time
	Random io.Reader
}

// Service is the MediaConvert API behind a gateway. It is safe for concurrent use.
type Service struct {
	queue        Queue
	check        func(*types.JobSettings) (invalid, notOffered []plan.Refusal)
	engine       func() string
	probe        func(ctx context.Context, caller iam.Principal, in plan.Input, schemes []string) (*plan.Found, error)
	roles        Roles
	certificates Certificates
	throttle     *throttle
	region       string
	tokens       *tokens
	queueCreated time.Time
	now          func() time.Time
	random       io.Reader
}

// New returns the API in front of a queue.
func New(o Options) (*Service, error) {
	if o.Queue == nil || o.Roles == nil || o.Certificates == nil || o.Check == nil || o.Probe == nil || o.Region == "" {
		return nil, errors.New("the API needs Queue, Roles, Certificates, Check, Probe and Region")
	}
	t, err := newTokens(o.TokenKey)
	if err != nil {
		return nil, err
	}
	s := &Service{
		queue: o.Queue, roles: o.Roles, certificates: o.Certificates, check: o.Check, probe: o.Probe, region: o.Region, tokens: t, queueCreated: o.QueueCreated, now: o.Now, random: o.Random,
	}
	if s.engine = o.Engine; s.engine == nil {
		s.engine = func() string { return "" }
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.throttle = newThrottle(o.Throttle, s.now)
	if s.random == nil {
		s.random = rand.Reader
	}
	return s, nil
}

// Name implements gateway.Service.
func (*Service) Name() string { return serviceName }

// request is one request on its way.
type request struct {
	http    *http.Request
	route   mediaconvert.Route
	account string // of the caller
	input   any    // the operation's input structure of the SDK
	faults  []mediaconvert.Fault
}

// Resolve implements gateway.Service. What is wrong inside a request is told only to those who may make it, so it waits for Serve; what must be
// allowed is taken from the members that can be read.
func (s *Service) Resolve(r *http.Request) (*gateway.Operation, error) {
	route, err := mediaconvert.Match(r.Method, r.URL.EscapedPath())
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, gateway.MaxBody))
	if err != nil {
		return nil, err
	}
	q := &request{http: r, route: route, account: gateway.Caller(r.Context()).Account}
	q.input, q.faults = route.DecodeRequest(r.URL.RawQuery, body)
	q.faults = append(q.faults, tagFaults(q.input)...)
	asked := audit.Parameters(q.input)
	op := &gateway.Operation{Name: route.Name, Version: mediaconvert.Version, Parameters: func() json.RawMessage { return asked }}
	checks, err := s.checks(r.Context(), q)
	if err != nil {
		return op, err
	}
	return &gateway.Operation{
		Name:       route.Name,
		Checks:     checks,
		Atomic:     true,
		Version:    op.Version,
		Parameters: op.Parameters,
		Serve: func(w http.ResponseWriter, served *http.Request) error {
			q.http = served
			return s.serve(w, q)
		},
	}, nil
}

// serve carries out a request that is allowed.
func (s *Service) serve(w http.ResponseWriter, q *request) error {
	if err := s.throttle.take(q.account); err != nil {
		return err
	}
	output, err := s.carryOut(q)
	if err != nil {
		return err
	}
	if audit.HasElements(serviceName, q.route.Name) {
		gateway.Answered(q.http.Context(), elements(output))
	}
	return write(w, q.route.Success, output)
}

// elements are what the record of a request has of its answer: that of CreateJob without the settings, which are among the parameters.
func elements(output any) json.RawMessage {
	if out, ok := output.(*mc.CreateJobOutput); ok {
		told := *out.Job
		told.Settings = nil
		return audit.Elements(&mc.CreateJobOutput{Job: &told})
	}
	return audit.Elements(output)
}

// carryOut returns the operation's output structure of the SDK.
func (s *Service) carryOut(q *request) (any, error) {
	ctx := q.http.Context()
	if len(q.faults) > 0 {
		return nil, mediaconvert.BadRequest(mediaconvert.Message(append(q.faults, s.besideShape(ctx, q)...)))
	}
	switch in := q.input.(type) {
	case *mc.CreateJobInput:
		return s.createJob(ctx, q.account, in)
	case *mc.GetJobInput:
		return s.getJob(ctx, q.account, in)
	case *mc.ListJobsInput:
		return s.listJobs(ctx, q.account, in)
	case *mc.CancelJobInput:
		return s.cancelJob(ctx, q.account, in)
	case *mc.GetQueueInput:
		return s.getQueue(ctx, q.account, in)
	case *mc.ListQueuesInput:
		return s.listQueues(ctx, q.account, in)
	case *mc.DescribeEndpointsInput:
		return describeEndpoints(q.http, in)
	case *mc.CreateQueueInput:
		return s.createQueue(ctx, q.account, in)
	case *mc.UpdateQueueInput:
		return s.updateQueue(ctx, q.account, in)
	case *mc.DeleteQueueInput:
		return s.deleteQueue(ctx, q.account, in)
	case *mc.CreatePresetInput:
		return s.createPreset(ctx, q.account, in)
	case *mc.GetPresetInput:
		return s.getPreset(ctx, q.account, in)
	case *mc.UpdatePresetInput:
		return s.updatePreset(ctx, q.account, in)
	case *mc.DeletePresetInput:
		return s.deletePreset(ctx, q.account, in)
	case *mc.ListPresetsInput:
		return s.listPresets(ctx, q.account, in)
	case *mc.CreateJobTemplateInput:
		return s.createJobTemplate(ctx, q.account, in)
	case *mc.GetJobTemplateInput:
		return s.getJobTemplate(ctx, q.account, in)
	case *mc.UpdateJobTemplateInput:
		return s.updateJobTemplate(ctx, q.account, in)
	case *mc.DeleteJobTemplateInput:
		return s.deleteJobTemplate(ctx, q.account, in)
	case *mc.ListJobTemplatesInput:
		return s.listJobTemplates(ctx, q.account, in)
	case *mc.SearchJobsInput:
		return s.searchJobs(ctx, q.account, in)
	case *mc.StartJobsQueryInput:
		return s.startJobsQuery(ctx, q.account, in)
	case *mc.GetJobsQueryResultsInput:
		return s.getJobsQueryResults(ctx, q.account, in)
	case *mc.TagResourceInput:
		return s.tagResource(ctx, q.account, in)
	case *mc.UntagResourceInput:
		return s.untagResource(ctx, q.account, in)
	case *mc.ListTagsForResourceInput:
		return s.listTags(ctx, q.account, in)
	case *mc.GetPolicyInput:
		return s.getPolicy(ctx, q.account)
	case *mc.PutPolicyInput:
		return s.putPolicy(ctx, q.account, in)
	case *mc.DeletePolicyInput:
		return s.deletePolicy(ctx, q.account)
	case *mc.AssociateCertificateInput:
		return s.associateCertificate(ctx, q.account, in)
	case *mc.DisassociateCertificateInput:
		return s.disassociateCertificate(ctx, q.account, in)
	case *mc.CreateResourceShareInput:
		return s.createResourceShare(ctx, q.account, in)
	case *mc.ListVersionsInput:
		return s.listVersions(in)
	case *mc.ProbeInput:
		return s.probeFiles(ctx, q.account, in)
	}
	return nil, errors.New("an operation that nothing carries out: " + q.route.Name)
}

// notOffered begins the message of what MediaConvert would take but this installation does not carry out.
const notOffered = "Not offered by this installation: "

// write answers with output.
func write(w http.ResponseWriter, status int, output any) error {
	body, err := mediaconvert.Encode(output)
	if err != nil {
		return err
	}
	return writeBody(w, status, body)
}

var _ gateway.Service = (*Service)(nil)
