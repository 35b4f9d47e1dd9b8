package api

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	mc "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/arn"
	"darkroom/internal/gateway"
	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/job"
	"darkroom/internal/mediaconvert"
	"darkroom/internal/plan"
	"darkroom/internal/store"
)

// passedTo is the service that a job's role is handed to.
const passedTo = identity.MediaConvert

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
func (s *Service) checks(ctx context.Context, q *request) ([]iam.Check, error) {
	own, err := s.conditions(ctx, q)
	if err != nil {
		return nil, err
	}
	c := checklist{action: serviceName + ":" + q.route.Name, context: own}
	switch in := q.input.(type) {
	case *mc.CreateJobInput:
		if err := s.onJob(ctx, q, &c, in); err != nil {
			return nil, err
		}
		c.tagging(in.Tags, arn.MediaConvert(s.region, q.account, "jobs/*"))
		if in.Role != nil && roleARN.MatchString(*in.Role) { // what is not a role's ARN is refused by createJob
			c.add(iam.Check{Action: "iam:PassRole", Resource: *in.Role, Context: passed})
		}
	case *mc.CreateJobTemplateInput:
		c.templateNames(s, q, in.Queue, in.Settings)
		c.tagging(in.Tags, s.resource(q.account, "jobTemplates", value(in.Name)))
	case *mc.UpdateJobTemplateInput:
		c.on(s.resource(q.account, "jobTemplates", q.route.Param))
		c.templateNames(s, q, in.Queue, in.Settings)
	case *mc.CreatePresetInput:
		c.on("*")
		c.tagging(in.Tags, s.resource(q.account, "presets", value(in.Name)))
	case *mc.CreateQueueInput:
		c.on("*")
		c.tagging(in.Tags, s.resource(q.account, "queues", value(in.Name)))
	case *mc.ListJobsInput:
		c.on(s.queueOrAll(q.account, in.Queue))
	case *mc.ProbeInput:
		c.on("*")
		for _, f := range in.InputFiles {
			if at, err := plan.ParseInput(value(f.FileUrl)); err == nil && at.URL == "" { // what is no location is refused by probe
				c.add(iam.Check{Action: "s3:GetObject", Resource: arn.Object(at.Object.Bucket, at.Object.Key), Owner: q.account})
			}
		}
	case *mc.SearchJobsInput:
		c.on(s.queueOrAll(q.account, in.Queue))
	case *mc.CreateResourceShareInput:
		c.on(s.resource(q.account, "jobs", value(in.JobId)))
	case *mc.TagResourceInput:
		c.on(orAll(value(in.Arn)))
	case *mc.UntagResourceInput:
		c.on(orAll(value(in.Arn)))
	case *mc.ListTagsForResourceInput:
		c.on(orAll(value(in.Arn)))
	default:
		if collection, ok := collections[q.route.Path]; ok {
			c.on(s.resource(q.account, collection, q.route.Param))
		} else {
			c.on("*")
		}
	}
	if len(c.checks) > maxChecks {
		return nil, mediaconvert.BadRequest("The request names more than " + strconv.Itoa(maxChecks) + " resources.")
	}
	for _, one := range c.checks {
		if len(one.Resource) > maxResourceBytes {
			return nil, mediaconvert.BadRequest("The request names a resource with more than " + strconv.Itoa(maxResourceBytes) + " bytes.")
		}
	}
	return c.checks, s.addTags(ctx, q.account, c.checks)
}

// passed is the context of iam:PassRole.
var passed = func() (c iam.Context) {
	c.Set("iam:PassedToService", passedTo)
	return c
}()

// checklist collects the checks of a request, each once.
type checklist struct {
	action  string
	context iam.Context // of the action
	checks  []iam.Check
}

func (c *checklist) add(check iam.Check) {
	known := func(o iam.Check) bool { return o.Action == check.Action && o.Resource == check.Resource }
	if len(c.checks) <= maxChecks && !slices.ContainsFunc(c.checks, known) {
		c.checks = append(c.checks, check)
	}
}

// on asks for the action of the request on a resource.
func (c *checklist) on(resource string) {
	c.add(iam.Check{Action: c.action, Resource: resource, Context: c.context})
}

// tagging asks whether tags may be given to what the request makes.
func (c *checklist) tagging(tags map[string]string, resource string) {
	if len(tags) > 0 {
		c.add(iam.Check{Action: serviceName + ":TagResource", Resource: resource, Context: c.context})
	}
}

func (c *checklist) template(s *Service, q *request, name *string) {
	if name != nil {
		c.on(s.resource(q.account, "jobTemplates", *name))
	}
}

func (c *checklist) presets(s *Service, q *request, names []string) {
	for _, p := range names {
		c.on(s.resource(q.account, "presets", p))
	}
}

// onJob asks for the queue of a job, its template, its presets and the queues that it may hop to. What the template names where the request names
// nothing is asked for like what the request names, but after the template: who may not use the template does not learn what is in it.
func (s *Service) onJob(ctx context.Context, q *request, c *checklist, in *mc.CreateJobInput) error {
	queue, hops, settings := in.Queue, in.HopDestinations, in.Settings
	if in.JobTemplate != nil {
		t, err := s.findTemplate(ctx, q.account, *in.JobTemplate)
		if refusal, ok := errors.AsType[*mediaconvert.APIError](err); ok && refusal.Status == http.StatusNotFound {
			t, err = new(types.JobTemplate), nil // which createJob says
		}
		if err != nil {
			return err
		}
		if queue == nil && t.Queue != nil {
			c.template(s, q, in.JobTemplate)
			queue = t.Queue
		}
		if hops == nil {
			hops = t.HopDestinations
		}
		if t.Settings != nil && (settings == nil || len(settings.OutputGroups) == 0) {
			settings = &types.JobSettings{OutputGroups: t.Settings.OutputGroups} // as preset.MergeTemplate takes them
		}
	}
	c.on(s.queueARN(q.account, queue))
	c.template(s, q, in.JobTemplate)
	if settings != nil {
		c.presets(s, q, presets(settings.OutputGroups))
	}
	for _, h := range hops {
		c.on(s.queueARN(q.account, h.Queue))
	}
	return nil
}

// templateNames asks for the queue and the presets that a job template names; one that names none is made on "*".
func (c *checklist) templateNames(s *Service, q *request, queue *string, settings *types.JobTemplateSettings) {
	if queue != nil {
		c.on(s.queueARN(q.account, queue))
	}
	if settings != nil {
		c.presets(s, q, presets(settings.OutputGroups))
	}
	if len(c.checks) == 0 {
		c.on("*")
	}
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
func presets(groups []types.OutputGroup) []string {
	var names []string
	for _, g := range groups {
		for _, o := range g.Outputs {
			if o.Preset != nil {
				names = append(names, *o.Preset)
			}
		}
	}
	return names
}

// conditions returns the condition keys that the action of a request has of its own. Those of the input policy say what the policy is now, whatever
// the request's inputs are.
func (s *Service) conditions(ctx context.Context, q *request) (iam.Context, error) {
	var c iam.Context
	tags := tagsOf(q.input)
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		c.Set("aws:RequestTag/"+k, tags[k])
		c.Set("aws:TagKeys", k)
	}
	switch in := q.input.(type) {
	case *mc.CreateJobInput:
		p, err := s.policy(ctx, q.account)
		if err != nil {
			return c, err
		}
		c.Set("mediaconvert:HttpInputsAllowed", strconv.FormatBool(p.HttpInputs == types.InputPolicyAllowed))
		c.Set("mediaconvert:HttpsInputsAllowed", strconv.FormatBool(p.HttpsInputs == types.InputPolicyAllowed))
		c.Set("mediaconvert:S3InputsAllowed", strconv.FormatBool(p.S3Inputs == types.InputPolicyAllowed))
	case *mc.UntagResourceInput:
		c.Set("aws:TagKeys", in.TagKeys...)
	}
	return c, nil
}

// addTags gives each check the tags of its resource, if a decision about the caller can depend on them. A resource that is not there has none: who
// may not see it is not told so.
func (s *Service) addTags(ctx context.Context, account string, checks []iam.Check) error {
	if caller := gateway.Caller(ctx); !caller.UsesResourceTags() {
		return nil
	}
	for i := range checks {
		c := &checks[i]
		if c.Action == "iam:PassRole" {
			tags, err := s.roles.RoleTags(ctx, account, c.Resource)
			if err != nil {
				return err
			}
			c.Tags = tags
			continue
		}
		rest, ok := strings.CutPrefix(c.Resource, arn.MediaConvert(s.region, account, ""))
		collection, name, named := strings.Cut(rest, "/")
		if !ok || !named || name == "*" {
			continue
		}
		var err error
		if c.Tags, err = s.currentTags(ctx, account, collection, name); err != nil {
			return err
		}
	}
	return nil
}

// currentTags returns the tags of a job, queue, preset or job template; none for what is not there.
func (s *Service) currentTags(ctx context.Context, account, collection, name string) (map[string]string, error) {
	if collection == "jobs" {
		j, err := s.queue.Get(ctx, account, name)
		if errors.Is(err, job.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return j.Tags, nil
	}
	for _, k := range []sort{queueSort, presetSort, templateSort} {
		if k.collection != collection {
			continue
		}
		r, err := s.queue.GetResource(ctx, account, k.kind, name)
		if errors.Is(err, store.ErrNoResource) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return r.Tags, nil
	}
	return nil, nil
}

// value returns what p points to, or the zero value.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
