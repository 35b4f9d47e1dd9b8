// Package cloudtrailapi speaks the API of AWS CloudTrail (version 2013-11-01, AWS JSON 1.1) over a trail.Service and the audit trail: it says what must be
// allowed for each operation, keeps the rules about members, and turns trails and records into answers.
//
// Sources: AWS CloudTrail API Reference; Service Authorization Reference, "Actions, resources, and condition keys for AWS CloudTrail".
package cloudtrailapi

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/cloudtrail"

	"darkroom/internal/audit"
	"darkroom/internal/iam"
	"darkroom/internal/jsonapi"
	"darkroom/internal/trail"
)

// Records are searched. A store.Trail is one.
type Records interface {
	Find(ctx context.Context, q audit.Query) ([]audit.Found, error)
}

// Options are what the API works with. All but Now are needed.
type Options struct {
	Trails  *trail.Service
	Records Records
	Region  string
	Now     func() time.Time // nil means time.Now
}

// server carries the operations out.
type server struct {
	trails  *trail.Service
	records Records
	region  string
	now     func() time.Time
}

// The names of the API in X-Amz-Target: as older clients say it, the AWS CLI among them, and as those made from Smithy models do.
const (
	target = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101"
	short  = "CloudTrail_20131101"
)

// New returns the API.
func New(o Options) (*jsonapi.Service, error) {
	if o.Trails == nil || o.Records == nil || o.Region == "" {
		return nil, errors.New("the CloudTrail API needs Trails, Records and Region")
	}
	s := &server{o.Trails, o.Records, o.Region, o.Now}
	if s.now == nil {
		s.now = time.Now
	}
	operations := make(map[string]jsonapi.Operation)
	for _, part := range []map[string]jsonapi.Operation{s.definitions(), s.logging(), s.selections(), s.tags(), s.searches()} {
		maps.Copy(operations, part)
	}
	return jsonapi.New(jsonapi.API{Name: "cloudtrail", Target: target, Alias: short, NotOffered: notOffered}, operations), nil
}

// refused words a refusal of the engine. What is not known stays as it is.
func refused(err error) error {
	if e, ok := errors.AsType[*trail.Error](err); ok {
		return jsonapi.Errorf(http.StatusBadRequest, string(e.Fault), "%s", e.Message)
	}
	return err
}

func refusal(code, format string, args ...any) error {
	return jsonapi.Errorf(http.StatusBadRequest, code, format, args...)
}

// onTrail makes an operation that is asked for by its action on one trail, which a member names by its name or ARN.
func onTrail[I any](s *server, action string, member func(in *I) *string, serve func(ctx context.Context, account string, in *I) (any, error)) jsonapi.Operation {
	return jsonapi.Op(func(ctx context.Context, caller iam.Principal, in *I) ([]iam.Check, error) {
		c, err := s.check(ctx, caller, action, member(in))
		return []iam.Check{c}, err
	}, func(ctx context.Context, caller iam.Principal, in *I) (any, error) {
		if value(member(in)) == "" {
			return nil, refusal("TrailNotProvidedException", "A trail name or ARN must be given.")
		}
		out, err := serve(ctx, caller.Account, in)
		if err != nil {
			return nil, refused(err)
		}
		return out, nil
	})
}

// onAll makes an operation that is asked for by its action alone.
func onAll[I any](action string, serve func(ctx context.Context, account string, in *I) (any, error)) jsonapi.Operation {
	return jsonapi.Op(func(context.Context, iam.Principal, *I) ([]iam.Check, error) {
		return []iam.Check{{Action: "cloudtrail:" + action, Resource: "*"}}, nil
	}, func(ctx context.Context, caller iam.Principal, in *I) (any, error) {
		out, err := serve(ctx, caller.Account, in)
		if err != nil {
			return nil, refused(err)
		}
		return out, nil
	})
}

// check asks for an action on the trail that a request names. One that is not there is asked for by the name that the request gives, so that a refusal tells
// nothing about it, and what is no ARN of a trail as any trail.
func (s *server) check(ctx context.Context, caller iam.Principal, action string, name *string) (iam.Check, error) {
	c := iam.Check{Action: "cloudtrail:" + action, Resource: "*"}
	if value(name) == "" {
		return c, nil
	}
	c.Resource = s.trails.ARN(caller.Account, *name)
	t, err := s.trails.Find(ctx, caller.Account, *name)
	e, known := errors.AsType[*trail.Error](err)
	if err != nil && !known {
		return c, err
	}
	if known && e.Fault == trail.InvalidARN {
		c.Resource = s.trails.ARN(caller.Account, "*")
	}
	if t != nil {
		c.Tags = t.Tags
	}
	return c, nil
}

// logging are the operations that start and stop it, and tell of it.
func (s *server) logging() map[string]jsonapi.Operation {
	return map[string]jsonapi.Operation{
		"StartLogging": onTrail(s, "StartLogging", func(in *sdk.StartLoggingInput) *string { return in.Name }, func(ctx context.Context, account string, in *sdk.StartLoggingInput) (any, error) {
			return &sdk.StartLoggingOutput{}, s.trails.Start(ctx, account, *in.Name)
		}),
		"StopLogging": onTrail(s, "StopLogging", func(in *sdk.StopLoggingInput) *string { return in.Name }, func(ctx context.Context, account string, in *sdk.StopLoggingInput) (any, error) {
			return &sdk.StopLoggingOutput{}, s.trails.Stop(ctx, account, *in.Name)
		}),
		"GetTrailStatus": onTrail(s, "GetTrailStatus", func(in *sdk.GetTrailStatusInput) *string { return in.Name }, s.status),
	}
}

func (s *server) status(ctx context.Context, account string, in *sdk.GetTrailStatusInput) (any, error) {
	t, err := s.trails.Find(ctx, account, *in.Name)
	if err != nil {
		return nil, err
	}
	st, err := s.trails.Status(ctx, t)
	if err != nil {
		return nil, err
	}
	out := &sdk.GetTrailStatusOutput{
		IsLogging: &t.Logging, LatestDeliveryTime: at(st.LatestDelivery), LatestDigestDeliveryTime: at(st.LatestDigest), StartLoggingTime: at(t.Started), StopLoggingTime: at(t.Stopped),
		LatestDeliveryAttemptTime: ptr(written(st.LatestAttempt)), LatestDeliveryAttemptSucceeded: ptr(""), LatestNotificationAttemptTime: ptr(""), LatestNotificationAttemptSucceeded: ptr(""),
		TimeLoggingStarted: ptr(written(t.Started)), TimeLoggingStopped: ptr(written(t.Stopped)),
	}
	if st.DeliveryError != "" {
		out.LatestDeliveryError = &st.DeliveryError
	} else {
		out.LatestDeliveryAttemptSucceeded = ptr(written(st.LatestAttempt))
	}
	if st.DigestError != "" {
		out.LatestDigestDeliveryError = &st.DigestError
	}
	return out, nil
}

// written is a time as the members of the status have it that are texts; empty for none.
func written(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

// at is a time in an answer; none as none.
func at(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return ptr(t.UTC().Truncate(time.Second))
}

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func ptr[T any](v T) *T { return &v }
