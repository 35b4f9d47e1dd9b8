package api

import (
	"context"
	"fmt"

	mc "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/mediaconvert"
	"darkroom/internal/preset"
	"darkroom/internal/rules"
	"darkroom/internal/store"
)

func (s *Service) createJobTemplate(ctx context.Context, account string, in *mc.CreateJobTemplateInput) (*mc.CreateJobTemplateOutput, error) {
	faults := append(nameFaults(in.Name, in.Description), ruleFaults(rules.JobTemplate(in.Settings))...)
	if faults = append(faults, s.hopFaults(account, in.Queue, in.HopDestinations)...); len(faults) > 0 {
		return nil, mediaconvert.BadRequest(mediaconvert.Message(faults))
	}
	if _, ok := preset.FindSystemTemplate(*in.Name); ok {
		return nil, templateSort.fault(*in.Name, store.ErrExists)
	}
	doc := &types.JobTemplate{
		Description: in.Description, Category: in.Category, Settings: in.Settings, AccelerationSettings: in.AccelerationSettings,
		HopDestinations: in.HopDestinations, Priority: in.Priority, Queue: in.Queue, StatusUpdateInterval: in.StatusUpdateInterval,
	}
	if err := s.templateQueue(ctx, account, doc); err != nil {
		return nil, err
	}
	if doc.Priority == nil {
		doc.Priority = ptr(int32(0))
	}
	if doc.StatusUpdateInterval == "" {
		doc.StatusUpdateInterval = types.StatusUpdateIntervalSeconds60
	}
	r, err := s.create(ctx, account, templateSort, *in.Name, in.Category, in.Tags, doc, store.QueueRules{})
	if err != nil {
		return nil, err
	}
	t, err := s.describeTemplate(r)
	return &mc.CreateJobTemplateOutput{JobTemplate: t}, err
}

// templateQueue writes the queue of a template as its ARN.
func (s *Service) templateQueue(ctx context.Context, account string, t *types.JobTemplate) error {
	if t.Queue == nil {
		return nil
	}
	name, err := s.knownQueue(ctx, account, t.Queue)
	t.Queue = &name
	return err
}

func (s *Service) updateJobTemplate(ctx context.Context, account string, in *mc.UpdateJobTemplateInput) (*mc.UpdateJobTemplateOutput, error) {
	if _, ok := preset.FindSystemTemplate(*in.Name); ok {
		return nil, readOnly("job template", *in.Name)
	}
	faults := nameFaults(in.Name, in.Description)
	if in.Settings != nil {
		faults = append(faults, ruleFaults(rules.JobTemplate(in.Settings))...)
	}
	given := &types.JobTemplate{Queue: in.Queue}
	if err := s.templateQueue(ctx, account, given); err != nil {
		return nil, err
	}
	r, err := change(ctx, s, account, templateSort, *in.Name, func(t *types.JobTemplate, r *store.Resource) error {
		set(&t.Description, in.Description)
		set(&t.Category, in.Category)
		set(&t.Settings, in.Settings)
		set(&t.AccelerationSettings, in.AccelerationSettings)
		set(&t.Priority, in.Priority)
		set(&t.Queue, given.Queue)
		if in.HopDestinations != nil {
			t.HopDestinations = in.HopDestinations
		}
		if in.StatusUpdateInterval != "" {
			t.StatusUpdateInterval = in.StatusUpdateInterval
		}
		// The queue and the hops may come one from the request and one from the record.
		if faults := append(faults, s.hopFaults(account, t.Queue, t.HopDestinations)...); len(faults) > 0 {
			return mediaconvert.BadRequest(mediaconvert.Message(faults))
		}
		r.Category = value(t.Category)
		return nil
	})
	if err != nil {
		return nil, err
	}
	t, err := s.describeTemplate(r)
	return &mc.UpdateJobTemplateOutput{JobTemplate: t}, err
}

func (s *Service) deleteJobTemplate(ctx context.Context, account string, in *mc.DeleteJobTemplateInput) (*mc.DeleteJobTemplateOutput, error) {
	if _, ok := preset.FindSystemTemplate(*in.Name); ok {
		return nil, readOnly("job template", *in.Name)
	}
	return &mc.DeleteJobTemplateOutput{}, s.remove(ctx, account, templateSort, *in.Name)
}

func (s *Service) getJobTemplate(ctx context.Context, account string, in *mc.GetJobTemplateInput) (*mc.GetJobTemplateOutput, error) {
	t, err := s.findTemplate(ctx, account, *in.Name)
	if err != nil {
		return nil, err
	}
	return &mc.GetJobTemplateOutput{JobTemplate: t}, nil
}

// findTemplate returns a job template of the account, or one that every account has, by its name or ARN.
func (s *Service) findTemplate(ctx context.Context, account, name string) (*types.JobTemplate, error) {
	if own, ok := s.own(account, templateSort, name); ok {
		if t, ok := preset.FindSystemTemplate(own); ok {
			return s.systemTemplate(account, t), nil
		}
	}
	r, err := s.find(ctx, account, templateSort, name)
	if err != nil {
		return nil, err
	}
	return s.describeTemplate(r)
}

func (s *Service) listJobTemplates(ctx context.Context, account string, in *mc.ListJobTemplatesInput) (*mc.ListJobTemplatesOutput, error) {
	out := &mc.ListJobTemplatesOutput{JobTemplates: []types.JobTemplate{}}
	if in.ListBy == types.JobTemplateListBySystem {
		var all []preset.Template
		for _, t := range preset.SystemTemplates() {
			if in.Category == nil || t.Category == *in.Category {
				all = append(all, t)
			}
		}
		found, next, err := builtinPage(s, account, "ListJobTemplates", value(in.Category), all, func(t preset.Template) string { return t.Name },
			descending(in.Order, store.ByName), in.MaxResults, in.NextToken)
		if err != nil {
			return nil, err
		}
		for _, t := range found {
			out.JobTemplates = append(out.JobTemplates, *s.systemTemplate(account, t))
		}
		out.NextToken = next
		return out, nil
	}
	q := store.ResourceQuery{Account: account, Kind: store.JobTemplate, Category: value(in.Category), Order: store.ByName}
	if in.ListBy == types.JobTemplateListByCreationDate {
		q.Order = store.ByCreated
	}
	q.Descending = descending(in.Order, q.Order)
	found, next, err := s.page(ctx, "ListJobTemplates", q, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	for _, r := range found {
		t, err := s.describeTemplate(r)
		if err != nil {
			return nil, err
		}
		out.JobTemplates = append(out.JobTemplates, *t)
	}
	out.NextToken = next
	return out, nil
}

func (s *Service) describeTemplate(r *store.Resource) (*types.JobTemplate, error) {
	t := new(types.JobTemplate)
	if err := recall(r.Document, t); err != nil {
		return nil, fmt.Errorf("record of job template %q: %w", r.Name, err)
	}
	t.Name, t.Arn, t.Type = &r.Name, ptr(s.resource(r.Account, "jobTemplates", r.Name)), types.TypeCustom
	t.CreatedAt, t.LastUpdated = times(r)
	return t, nil
}

func (s *Service) systemTemplate(account string, t preset.Template) *types.JobTemplate {
	return &types.JobTemplate{
		Name: &t.Name, Arn: ptr(s.resource(account, "jobTemplates", t.Name)), Type: types.TypeSystem, Category: &t.Category, Description: &t.Description,
		Settings: t.Settings, Priority: ptr(int32(t.Priority)), StatusUpdateInterval: types.StatusUpdateIntervalSeconds60,
		CreatedAt: timeOf(s.queueCreated), LastUpdated: timeOf(s.queueCreated),
	}
}
