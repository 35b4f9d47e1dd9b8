package api

import (
	"context"
	"slices"
	"strconv"
	"strings"

	mc "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/arn"
	"darkroom/internal/iam"
	"darkroom/internal/mediaconvert"
	"darkroom/internal/plan"
)

// passedTo is the service that a job's role is handed to.
const passedTo = "mediaconvert.amazonaws.com"

// collections are the parts of a path whose variable names a resource, with the type of that resource in its ARN.
var collections = map[string]string{
	"/jobs/{Id}": "jobs", "/queues/{Name}": "queues", "/presets/{Name}": "presets", "/jobTemplates/{Name}": "jobTemplates",
}

// Limits of what a request can name, so that no request makes endless work or endless records.
const (
	maxChecks        = 200
	maxResourceBytes = 2048
)

// checks says what must be allowed for a request, as in the Service Authorization Reference: one action, on each resource that the request
// names, or on "*" where it names none. A request that names too much is refused.
func (s *Service) checks(q *request) ([]iam.Check, error) {
	action := serviceName + ":" + q.route.Name
	var checks []iam.Check
	on := func(action, resource string) {
		if c := (iam.Check{Action: action, Resource: resource}); len(checks) <= maxChecks && !slices.Contains(checks, c) {
			checks = append(checks, c)
		}
	}
	switch in := q.input.(type) {
	case *mc.CreateJobInput:
		on(action, s.queueARN(q.account, in.Queue))
		if in.JobTemplate != nil {
			on(action, s.resource(q.account, "jobTemplates", *in.JobTemplate))
		}
		for _, p := range presets(in.Settings) {
			on(action, s.resource(q.account, "presets", p))
		}
		if len(in.Tags) > 0 {
			on(serviceName+":TagResource", arn.MediaConvert(s.region, q.account, "jobs/*"))
		}
		if in.Role != nil && roleARN.MatchString(*in.Role) { // what is not a role's ARN is refused by createJob
			on("iam:PassRole", *in.Role)
		}
	case *mc.ListJobsInput:
		on(action, s.queueOrAll(q.account, in.Queue))
	case *mc.ProbeInput:
		on(action, "*")
		for _, f := range in.InputFiles {
			if at, err := plan.ParseInput(value(f.FileUrl)); err == nil && at.URL == "" { // what is no location is refused by probe
				on("s3:GetObject", arn.Object(at.Object.Bucket, at.Object.Key))
			}
		}
	case *mc.SearchJobsInput:
		on(action, s.queueOrAll(q.account, in.Queue))
	case *mc.CreateResourceShareInput:
		on(action, s.resource(q.account, "jobs", value(in.JobId)))
	case *mc.TagResourceInput:
		on(action, orAll(value(in.Arn)))
	case *mc.UntagResourceInput:
		on(action, orAll(value(in.Arn)))
	case *mc.ListTagsForResourceInput:
		on(action, orAll(value(in.Arn)))
	default:
		if c, ok := collections[q.route.Path]; ok {
			on(action, s.resource(q.account, c, q.route.Param))
		} else {
			on(action, "*")
		}
	}
	if len(checks) > maxChecks {
		return nil, mediaconvert.BadRequest("The request names more than " + strconv.Itoa(maxChecks) + " resources.")
	}
	for _, c := range checks {
		if len(c.Resource) > maxResourceBytes {
			return nil, mediaconvert.BadRequest("The request names a resource with more than " + strconv.Itoa(maxResourceBytes) + " bytes.")
		}
	}
	return checks, nil
}

// queueOrAll returns the ARN of a queue that a list is narrowed to, "*" where it is not.
func (s *Service) queueOrAll(account string, queue *string) string {
	if queue == nil {
		return "*"
	}
	return s.queueARN(account, queue)
}

func orAll(resource string) string {
	if resource == "" {
		return "*"
	}
	return resource
}

// resource names a resource of the service by its name or its ARN.
func (s *Service) resource(account, collection, name string) string {
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	return arn.MediaConvert(s.region, account, collection+"/"+name)
}

// presets returns the presets that outputs name.
func presets(settings *types.JobSettings) []string {
	var names []string
	if settings == nil {
		return nil
	}
	for _, g := range settings.OutputGroups {
		for _, o := range g.Outputs {
			if o.Preset != nil {
				names = append(names, *o.Preset)
			}
		}
	}
	return names
}

// conditions returns the condition keys that a request has of its own. Those of the input policy say what the policy is now, whatever the
// request's inputs are.
func (s *Service) conditions(ctx context.Context, q *request) (iam.Context, error) {
	c := iam.Context{}
	if tags := tagsOf(q.input); len(tags) > 0 {
		for k, v := range tags {
			c["aws:RequestTag/"+k] = []string{v}
			c["aws:TagKeys"] = append(c["aws:TagKeys"], k)
		}
		slices.Sort(c["aws:TagKeys"])
	}
	switch in := q.input.(type) {
	case *mc.CreateJobInput:
		c["iam:PassedToService"] = []string{passedTo}
		p, err := s.policy(ctx, q.account)
		if err != nil {
			return nil, err
		}
		for k, is := range map[string]types.InputPolicy{"Http": p.HttpInputs, "Https": p.HttpsInputs, "S3": p.S3Inputs} {
			c["mediaconvert:"+k+"InputsAllowed"] = []string{strconv.FormatBool(is == types.InputPolicyAllowed)}
		}
	case *mc.UntagResourceInput:
		c["aws:TagKeys"] = slices.Clone(in.TagKeys)
	}
	return c, nil
}

// value returns what p points to, or the zero value.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
