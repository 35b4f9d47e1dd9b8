package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"darkroom/internal/arn"
	"darkroom/internal/audit"
	"darkroom/internal/identity"
	"darkroom/internal/job"
)

// assumed records that the service takes a job's role on for one lease, or may not, as CloudTrail has AssumeRole by a service. Credentials that are not recorded do not go out.
func (s *server) assumed(ctx context.Context, j *job.Job, session, accessKeyID string, until time.Time, cause error) error {
	request := map[string]any{"roleArn": j.Role, "roleSessionName": session, "durationSeconds": int(sessionLength / time.Second)}
	r := audit.Record{
		EventVersion: audit.Version, UserIdentity: audit.Identity{Type: "AWSService", InvokedBy: identity.MediaConvert}, EventTime: time.Now().UTC().Truncate(time.Second),
		EventSource: audit.Source("sts"), EventName: "AssumeRole", AWSRegion: s.cfg.Region, SourceIPAddress: identity.MediaConvert, UserAgent: identity.MediaConvert,
		RequestID: audit.NewID(), EventID: audit.NewID(), ReadOnly: true, EventType: audit.APICall, APIVersion: "2011-06-15", ManagementEvent: true, RecipientAccountID: j.Account,
		EventCategory: audit.Management,
		Resources:     []audit.Resource{audit.ResourceOf(j.Role, j.Account), audit.ResourceOf(arn.MediaConvert(s.cfg.Region, j.Account, "jobs/"+j.ID), j.Account)},
	}
	var err error
	if r.RequestParameters, err = json.Marshal(request); err != nil {
		return err
	}
	if cause != nil {
		r.ErrorCode, r.ErrorMessage = "AccessDenied", "The role cannot be assumed for the job."
		if _, ours := errors.AsType[*job.Error](cause); !ours {
			r.ErrorCode, r.ErrorMessage = "InternalFailure", ""
		}
	} else {
		name := j.Role[strings.LastIndexByte(j.Role, '/')+1:]
		if r.ResponseElements, err = json.Marshal(map[string]any{
			"credentials":     map[string]any{"accessKeyId": accessKeyID, "expiration": until.Unix(), "sessionToken": audit.Hidden},
			"assumedRoleUser": map[string]any{"arn": "arn:aws:sts::" + j.Account + ":assumed-role/" + name + "/" + session},
		}); err != nil {
			return err
		}
	}
	p := audit.NewPending(r)
	p.Annotate("jobId", j.ID)
	if j.RequestID != "" {
		p.Annotate("jobRequestId", j.RequestID)
	}
	if err := s.records.Audit(ctx, p.Record()); err != nil {
		return fmt.Errorf("record the session of a job: %w", err)
	}
	return nil
}
