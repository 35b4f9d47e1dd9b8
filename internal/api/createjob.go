package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"time"
	"unicode/utf8"

	mc "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/audit"
	"darkroom/internal/gateway"
	"darkroom/internal/identity"
	"darkroom/internal/job"
	"darkroom/internal/mediaconvert"
	"darkroom/internal/plan"
	"darkroom/internal/preset"
	"darkroom/internal/rules"
)

// Limits of the members of CreateJob that stand outside the settings.
const (
	maxUserMetadata    = 10
	maxHopDestinations = 10
	maxClientToken     = 256  // characters
	maxWaitMinutes     = 4320 // of a hop destination
)

var roleARN = regexp.MustCompile(`^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$`)

// createJob answers a repeat with the job that it made the first time, whatever has changed since. Else it judges a request in this order: what its template and presets are; what is invalid, all of it; whether the queue exists and the
// policy allows the inputs; what is not offered, all of it. Only then is anything recorded.
func (s *Service) createJob(ctx context.Context, account string, in *mc.CreateJobInput) (*mc.CreateJobOutput, error) {
	hash, err := s.requestHash(account, in)
	if err != nil {
		return nil, err
	}
	if token := value(in.ClientRequestToken); token != "" {
		switch first, err := s.queue.ByToken(ctx, account, token); {
		case err == nil:
			return s.repeated(first, hash)
		case !errors.Is(err, job.ErrNotFound):
			return nil, err
		}
	}
	merged, err := s.merge(ctx, account, in)
	if err != nil {
		return nil, err
	}
	invalid, unoffered := s.check(merged.Settings)
	if faults := append(s.memberFaults(account, merged), asFaults(invalid)...); len(faults) > 0 {
		return nil, mediaconvert.BadRequest(mediaconvert.Message(faults))
	}
	queue, err := s.knownQueue(ctx, account, merged.Queue)
	if err != nil {
		return nil, err
	}
	if err := s.roles.CheckJobRole(ctx, account, *merged.Role, queue); err != nil {
		return nil, roleFault(*merged.Role, queue, err)
	}
	switch ok, err := s.InputsAllowed(ctx, account, merged.Settings); {
	case err != nil:
		return nil, err
	case !ok:
		return nil, mediaconvert.BadRequest(Disallowed)
	}
	if faults := append(unofferedMembers(merged, s.engine()), asFaults(unoffered)...); len(faults) > 0 {
		return nil, mediaconvert.BadRequest(notOffered + mediaconvert.Message(faults))
	}
	j, err := s.record(account, queue, hash, merged)
	if err != nil {
		return nil, err
	}
	j.Principal, j.RequestID = gateway.Caller(ctx).ARN, gateway.RequestID(ctx)
	described, err := s.describeJob(j)
	if err != nil {
		return nil, err
	}
	if p := audit.From(ctx); p != nil { // that the job is on record is all that there is to do
		p.Final(elements(&mc.CreateJobOutput{Job: described}), audit.ResourceOf(*described.Arn, account))
	}
	recorded, err := s.queue.Submit(ctx, j)
	if errors.Is(err, job.ErrTokenReused) {
		return nil, tokenReused()
	}
	if err != nil {
		return nil, err
	}
	if recorded.ID != j.ID { // a repeat that came at the same time
		if described, err = s.describeJob(recorded); err != nil {
			return nil, err
		}
	}
	return &mc.CreateJobOutput{Job: described}, nil
}

// repeated answers a request whose token was used before.
func (s *Service) repeated(first *job.Job, hash string) (*mc.CreateJobOutput, error) {
	if first.RequestHash != hash {
		return nil, tokenReused()
	}
	described, err := s.describeJob(first)
	return &mc.CreateJobOutput{Job: described}, err
}

func tokenReused() error {
	return mediaconvert.Conflict("The client request token was used before, with another request. Use a new token for a new job.")
}

// roleFault says why a job cannot have a role. Who may pass it has been asked before: what is said here is no news to others.
func roleFault(role, queue string, err error) error {
	switch {
	case errors.Is(err, identity.ErrNoRole):
		return mediaconvert.BadRequest("/role: The role " + role + " does not exist. Name a role of the account, such as its " + identity.DefaultRole + ".")
	case errors.Is(err, identity.ErrNotTrusting):
		return mediaconvert.BadRequest("/role: The role " + role + " cannot be assumed. Its trust policy must allow sts:AssumeRole to the service " +
			passedTo + ", for aws:SourceArn " + queue + " where it asks for one.")
	case errors.Is(err, identity.ErrMalformedRole):
		return mediaconvert.BadRequest("/role: The role " + role + " cannot be assumed. Its trust policy cannot be read.")
	}
	return err
}

// merge returns the request with what its job template and presets say where it says nothing itself.
func (s *Service) merge(ctx context.Context, account string, in *mc.CreateJobInput) (*mc.CreateJobInput, error) {
	out := *in
	if in.JobTemplate != nil {
		t, err := s.findTemplate(ctx, account, *in.JobTemplate)
		if err != nil {
			return nil, err
		}
		out.JobTemplate = t.Arn
		out.Settings = preset.MergeTemplate(in.Settings, t.Settings)
		if out.Queue == nil {
			out.Queue = t.Queue
		}
		if out.Priority == nil {
			out.Priority = t.Priority
		}
		if out.HopDestinations == nil {
			out.HopDestinations = t.HopDestinations
		}
		if out.AccelerationSettings == nil {
			out.AccelerationSettings = t.AccelerationSettings
		}
		if out.StatusUpdateInterval == "" {
			out.StatusUpdateInterval = t.StatusUpdateInterval
		}
	}
	settings, err := preset.Expand(out.Settings, func(name string) (*types.PresetSettings, error) {
		p, err := s.findPreset(ctx, account, name)
		if err != nil {
			return nil, err
		}
		return p.Settings, nil
	})
	out.Settings = settings
	return &out, err
}

// asFaults puts what the plan says of the settings under their place in the request.
func asFaults(refusals []plan.Refusal) []mediaconvert.Fault {
	var faults []mediaconvert.Fault
	for _, r := range refusals {
		faults = append(faults, ruleFault("/settings"+r.Path, r.Reason))
	}
	return faults
}

// memberFaults says what is invalid about the members outside the settings, beyond what the model says of each.
func (s *Service) memberFaults(account string, in *mc.CreateJobInput) []mediaconvert.Fault {
	var faults []mediaconvert.Fault
	fail := func(path, rule string) { faults = append(faults, ruleFault(path, rule)) }
	if in.Role != nil && !roleARN.MatchString(*in.Role) { // that it is required, the model says
		fail("/role", "Should match the pattern: /"+roleARN.String()+"/")
	}
	if n := utf8.RuneCountInString(value(in.ClientRequestToken)); in.ClientRequestToken != nil && (n == 0 || n > maxClientToken) {
		fail("/clientRequestToken", fmt.Sprintf("Should have 1 to %d characters (was %d)", maxClientToken, n))
	}
	if n := len(in.UserMetadata); n > maxUserMetadata {
		faults = append(faults, tooMany("/userMetadata", maxUserMetadata, n))
	}
	return append(faults, s.hopFaults(account, in.Queue, in.HopDestinations)...)
}

// hopFaults says what is invalid about hop destinations of a job or job template that is submitted to queue.
func (s *Service) hopFaults(account string, queue *string, hops []types.HopDestination) []mediaconvert.Fault {
	var faults []mediaconvert.Fault
	fail := func(path, rule string) { faults = append(faults, ruleFault(path, rule)) }
	if n := len(hops); n > maxHopDestinations {
		fail("/hopDestinations", fmt.Sprintf("Should have at most %d items (was %d)", maxHopDestinations, n))
		return faults
	}
	own, byDefault := s.queueARN(account, queue), s.queueARN(account, nil)
	for i, h := range hops {
		at := "/hopDestinations/" + strconv.Itoa(i)
		if w := value(h.WaitMinutes); h.WaitMinutes == nil || w < 1 || w > maxWaitMinutes {
			was := "null"
			if h.WaitMinutes != nil {
				was = strconv.Itoa(int(w))
			}
			fail(at+"/waitMinutes", fmt.Sprintf("You specified the following wait time for this job before queue hopping: '%s'. "+
				"Wait time must be between 1 and %d minutes. Update this value, and then resubmit your job.", was, maxWaitMinutes))
		}
		switch {
		case h.Queue == nil && own == byDefault:
			fail(at, "queue is a required property of a job that is submitted to the default queue")
		case s.queueARN(account, h.Queue) == own:
			fail(at+"/queue", "The destination must not be the queue that the job is submitted to")
		}
	}
	return faults
}

// unofferedMembers says which members outside the settings ask for what is not carried out. These are accepted without an effect:
// billingTagsSource, because nothing is billed; an acceleration mode of PREFERRED, which means to do without where there is none.
func unofferedMembers(in *mc.CreateJobInput, engine string) []mediaconvert.Fault {
	var faults []mediaconvert.Fault
	fail := func(path, rule string) { faults = append(faults, ruleFault(path, rule)) }
	if a := in.AccelerationSettings; a != nil && a.Mode == types.AccelerationModeEnabled {
		fail("/accelerationSettings/mode", "ENABLED is not carried out; offered: DISABLED, PREFERRED")
	}
	if v := in.JobEngineVersion; v != nil && (*v == "" || *v != engine) {
		fail("/jobEngineVersion", "there is one engine; offered: "+engine)
	}
	if in.SimulateReservedQueue == types.SimulateReservedQueueEnabled {
		fail("/simulateReservedQueue", "ENABLED is not carried out; offered: DISABLED")
	}
	return faults
}

// besideShape says what else is invalid about a request with faults of shape, as far as it could be read, so that all is told at once.
func (s *Service) besideShape(ctx context.Context, q *request) []mediaconvert.Fault {
	var faults []mediaconvert.Fault
	switch in := q.input.(type) {
	case *mc.CreateJobInput:
		if in.Settings == nil {
			return nil
		}
		merged, err := s.merge(ctx, q.account, in)
		if err != nil {
			return nil // what the template or a preset says is not known: the next request will hear it
		}
		invalid, _ := s.check(merged.Settings)
		faults = append(s.memberFaults(q.account, merged), asFaults(invalid)...)
	case *mc.CreateJobTemplateInput:
		if in.Settings != nil {
			faults = ruleFaults(rules.JobTemplate(in.Settings))
		}
		faults = append(faults, s.hopFaults(q.account, in.Queue, in.HopDestinations)...)
	case *mc.UpdateJobTemplateInput:
		if in.Settings != nil {
			faults = ruleFaults(rules.JobTemplate(in.Settings))
		}
	case *mc.CreatePresetInput:
		if in.Settings != nil {
			faults = ruleFaults(rules.Preset(in.Settings))
		}
	case *mc.UpdatePresetInput:
		if in.Settings != nil {
			faults = ruleFaults(rules.Preset(in.Settings))
		}
	}
	return mediaconvert.Independent(q.faults, faults)
}

// Members judges the members of a job outside its settings for who has no server: what is invalid, and what an installation with this engine
// does not offer. Whether the queue, the template and the role exist is not known.
func Members(in *mc.CreateJobInput, engine string) (invalid, notOffered []mediaconvert.Fault) {
	const nobody = "000000000000"
	return append(tagFaults(in), (&Service{}).memberFaults(nobody, in)...), unofferedMembers(in, engine)
}

// record makes the record of a new job. Members that are absent get their documented defaults.
func (s *Service) record(account, queue, hash string, in *mc.CreateJobInput) (*job.Job, error) {
	request := *in
	request.ClientRequestToken = nil
	settings, err := mediaconvert.Encode(in.Settings)
	if err != nil {
		return nil, err
	}
	request.Settings, request.Role, request.Queue, request.Priority, request.Tags = nil, nil, nil, nil, nil
	if request.AccelerationSettings == nil {
		request.AccelerationSettings = &types.AccelerationSettings{Mode: types.AccelerationModeDisabled}
	}
	if request.BillingTagsSource == "" {
		request.BillingTagsSource = types.BillingTagsSourceJob
	}
	if request.SimulateReservedQueue == "" {
		request.SimulateReservedQueue = types.SimulateReservedQueueDisabled
	}
	if request.StatusUpdateInterval == "" {
		request.StatusUpdateInterval = types.StatusUpdateIntervalSeconds60
	}
	rest, err := mediaconvert.Encode(&request)
	if err != nil {
		return nil, err
	}
	var random [8]byte
	if _, err := io.ReadFull(s.random, random[:]); err != nil {
		return nil, fmt.Errorf("make a job id: %w", err)
	}
	now := s.now().UTC()
	var hops []job.Hop
	for _, h := range in.HopDestinations {
		hop := job.Hop{Queue: s.queueARN(account, h.Queue), Wait: time.Duration(value(h.WaitMinutes)) * time.Minute}
		if h.Priority != nil {
			hop.Priority = ptr(int(*h.Priority))
		}
		hops = append(hops, hop)
	}
	return &job.Job{
		ID: mediaconvert.JobID(now, random), Account: account, Queue: queue, Role: *in.Role, Priority: int(value(in.Priority)),
		Status: job.Submitted, ClientToken: value(in.ClientRequestToken), RequestHash: hash, Request: rest, Settings: settings,
		Submitted: now, LastStatusTime: now, Tags: in.Tags, Hops: hops, Facets: facetsOf(in.Settings, value(in.JobEngineVersion)),
	}, nil
}

// requestHash is taken of the request as it came, without its token and with its queue as resolved, so that a repeat is known however it
// was written.
func (s *Service) requestHash(account string, in *mc.CreateJobInput) (string, error) {
	request := *in
	request.ClientRequestToken, request.Queue = nil, ptr(s.queueARN(account, in.Queue))
	canonical, err := mediaconvert.Canonical(&request)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:]), nil
}
