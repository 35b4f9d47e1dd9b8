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
	"unicode/utf8"

	mc "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/job"
	"darkroom/internal/mediaconvert"
	"darkroom/internal/plan"
)

// Limits of the members of CreateJob that stand outside the settings.
const (
	maxUserMetadata    = 10
	maxHopDestinations = 10
	maxClientToken     = 256  // characters
	maxWaitMinutes     = 4320 // of a hop destination
)

var roleARN = regexp.MustCompile(`^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$`)

// createJob judges a request in this order: what is invalid, all of it; whether the queue exists; what is not offered, all of it. Only then
// is anything recorded.
func (s *Service) createJob(ctx context.Context, account string, in *mc.CreateJobInput) (*mc.CreateJobOutput, error) {
	invalid, unoffered := s.check(in.Settings)
	if faults := append(s.memberFaults(account, in), asFaults(invalid)...); len(faults) > 0 {
		return nil, mediaconvert.BadRequest(mediaconvert.Message(faults))
	}
	queue, err := s.knownQueue(account, in.Queue)
	if err != nil {
		return nil, err
	}
	if faults := append(unofferedMembers(in), asFaults(unoffered)...); len(faults) > 0 {
		return nil, mediaconvert.BadRequest(notOffered + mediaconvert.Message(faults))
	}
	j, err := s.record(account, queue, in)
	if err != nil {
		return nil, err
	}
	recorded, err := s.queue.Submit(ctx, j)
	if errors.Is(err, job.ErrTokenReused) {
		return nil, mediaconvert.Conflict("The client request token was used before, with another request. Use a new token for a new job.")
	}
	if err != nil {
		return nil, err
	}
	described, err := s.describeJob(recorded)
	if err != nil {
		return nil, err
	}
	return &mc.CreateJobOutput{Job: described}, nil
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
	if !roleARN.MatchString(*in.Role) {
		fail("/role", "Should match the pattern: /"+roleARN.String()+"/")
	}
	if n := utf8.RuneCountInString(value(in.ClientRequestToken)); in.ClientRequestToken != nil && (n == 0 || n > maxClientToken) {
		fail("/clientRequestToken", fmt.Sprintf("Should have 1 to %d characters (was %d)", maxClientToken, n))
	}
	if n := len(in.UserMetadata); n > maxUserMetadata {
		faults = append(faults, tooMany("/userMetadata", maxUserMetadata, n))
	}
	if n := len(in.HopDestinations); n > maxHopDestinations {
		fail("/hopDestinations", fmt.Sprintf("Should have at most %d items (was %d)", maxHopDestinations, n))
		return faults
	}
	own, byDefault := s.queueARN(account, in.Queue), s.queueARN(account, nil)
	for i, h := range in.HopDestinations {
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
func unofferedMembers(in *mc.CreateJobInput) []mediaconvert.Fault {
	var faults []mediaconvert.Fault
	fail := func(path, rule string) { faults = append(faults, ruleFault(path, rule)) }
	if a := in.AccelerationSettings; a != nil && a.Mode == types.AccelerationModeEnabled {
		fail("/accelerationSettings/mode", "ENABLED is not carried out; offered: DISABLED, PREFERRED")
	}
	if len(in.HopDestinations) > 0 {
		fail("/hopDestinations", "queue hopping is not carried out")
	}
	if in.JobEngineVersion != nil {
		fail("/jobEngineVersion", "there is one engine, which cannot be chosen")
	}
	if in.JobTemplate != nil {
		fail("/jobTemplate", "job templates are not carried out")
	}
	if in.SimulateReservedQueue == types.SimulateReservedQueueEnabled {
		fail("/simulateReservedQueue", "ENABLED is not carried out; offered: DISABLED")
	}
	return faults
}

// record makes the record of a new job. Members that are absent get their documented defaults; the hash is taken before, without the token,
// and of the queue as resolved, so that a repeat is known however it was written.
func (s *Service) record(account, queue string, in *mc.CreateJobInput) (*job.Job, error) {
	request := *in
	request.ClientRequestToken, request.Queue = nil, &queue
	hash, err := requestHash(&request)
	if err != nil {
		return nil, err
	}
	settings, err := mediaconvert.Encode(in.Settings)
	if err != nil {
		return nil, err
	}
	request.Settings, request.Role, request.Queue, request.Priority = nil, nil, nil, nil
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
	return &job.Job{
		ID: mediaconvert.JobID(now, random), Account: account, Queue: queue, Role: *in.Role, Priority: int(value(in.Priority)),
		Status: job.Submitted, ClientToken: value(in.ClientRequestToken), RequestHash: hash, Request: rest, Settings: settings,
		Submitted: now, LastStatusTime: now,
	}, nil
}

func requestHash(in *mc.CreateJobInput) (string, error) {
	canonical, err := mediaconvert.Canonical(in)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:]), nil
}
