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

// ruleFaults puts broken rules under their place in the request.
func ruleFaults(broken []rules.Fault) []mediaconvert.Fault {
	var faults []mediaconvert.Fault
	for _, b := range broken {
		faults = append(faults, ruleFault("/settings"+b.Path, b.Text))
	}
	return faults
}

// readOnly refuses to change what every account has.
func readOnly(word, name string) error {
	return mediaconvert.BadRequest("The " + word + " " + shown(name) + " is a system " + word + ", which is read-only. Make one of your own from its settings.")
}

func (s *Service) createPreset(ctx context.Context, account string, in *mc.CreatePresetInput) (*mc.CreatePresetOutput, error) {
	if faults := append(nameFaults(in.Name, in.Description), ruleFaults(rules.Preset(in.Settings))...); len(faults) > 0 {
		return nil, mediaconvert.BadRequest(mediaconvert.Message(faults))
	}
	if _, ok := preset.FindSystem(*in.Name); ok {
		return nil, presetSort.fault(*in.Name, store.ErrExists)
	}
	doc := &types.Preset{Description: in.Description, Category: in.Category, Settings: in.Settings}
	r, err := s.create(ctx, account, presetSort, *in.Name, in.Category, in.Tags, doc, store.QueueRules{})
	if err != nil {
		return nil, err
	}
	p, err := s.describePreset(r)
	return &mc.CreatePresetOutput{Preset: p}, err
}

func (s *Service) updatePreset(ctx context.Context, account string, in *mc.UpdatePresetInput) (*mc.UpdatePresetOutput, error) {
	if _, ok := preset.FindSystem(*in.Name); ok {
		return nil, readOnly("preset", *in.Name)
	}
	var faults []mediaconvert.Fault
	if in.Settings != nil {
		faults = ruleFaults(rules.Preset(in.Settings))
	}
	if faults = append(nameFaults(in.Name, in.Description), faults...); len(faults) > 0 {
		return nil, mediaconvert.BadRequest(mediaconvert.Message(faults))
	}
	r, err := change(ctx, s, account, presetSort, *in.Name, func(p *types.Preset, r *store.Resource) error {
		set(&p.Description, in.Description)
		set(&p.Category, in.Category)
		set(&p.Settings, in.Settings)
		r.Category = value(p.Category)
		return nil
	})
	if err != nil {
		return nil, err
	}
	p, err := s.describePreset(r)
	return &mc.UpdatePresetOutput{Preset: p}, err
}

// set replaces what is given.
func set[T any](to **T, from *T) {
	if from != nil {
		*to = from
	}
}

func (s *Service) deletePreset(ctx context.Context, account string, in *mc.DeletePresetInput) (*mc.DeletePresetOutput, error) {
	if _, ok := preset.FindSystem(*in.Name); ok {
		return nil, readOnly("preset", *in.Name)
	}
	return &mc.DeletePresetOutput{}, s.remove(ctx, account, presetSort, *in.Name)
}

func (s *Service) getPreset(ctx context.Context, account string, in *mc.GetPresetInput) (*mc.GetPresetOutput, error) {
	p, err := s.findPreset(ctx, account, *in.Name)
	if err != nil {
		return nil, err
	}
	return &mc.GetPresetOutput{Preset: p}, nil
}

// findPreset returns a preset of the account, or one that every account has, by its name or ARN.
func (s *Service) findPreset(ctx context.Context, account, name string) (*types.Preset, error) {
	if own, ok := s.own(account, presetSort, name); ok {
		if p, ok := preset.FindSystem(own); ok {
			return s.systemPreset(account, p), nil
		}
	}
	r, err := s.find(ctx, account, presetSort, name)
	if err != nil {
		return nil, err
	}
	return s.describePreset(r)
}

func (s *Service) listPresets(ctx context.Context, account string, in *mc.ListPresetsInput) (*mc.ListPresetsOutput, error) {
	out := &mc.ListPresetsOutput{Presets: []types.Preset{}}
	if in.ListBy == types.PresetListBySystem {
		var all []preset.Preset
		for _, p := range preset.System() {
			if in.Category == nil || p.Category == *in.Category {
				all = append(all, p)
			}
		}
		found, next, err := builtinPage(s, account, "ListPresets", value(in.Category), all, func(p preset.Preset) string { return p.Name },
			descending(in.Order, store.ByName), in.MaxResults, in.NextToken)
		if err != nil {
			return nil, err
		}
		for _, p := range found {
			out.Presets = append(out.Presets, *s.systemPreset(account, p))
		}
		out.NextToken = next
		return out, nil
	}
	q := store.ResourceQuery{Account: account, Kind: store.Preset, Category: value(in.Category), Order: store.ByName}
	if in.ListBy == types.PresetListByCreationDate {
		q.Order = store.ByCreated
	}
	q.Descending = descending(in.Order, q.Order)
	found, next, err := s.page(ctx, "ListPresets", q, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	for _, r := range found {
		p, err := s.describePreset(r)
		if err != nil {
			return nil, err
		}
		out.Presets = append(out.Presets, *p)
	}
	out.NextToken = next
	return out, nil
}

func (s *Service) describePreset(r *store.Resource) (*types.Preset, error) {
	p := new(types.Preset)
	if err := recall(r.Document, p); err != nil {
		return nil, fmt.Errorf("record of preset %q: %w", r.Name, err)
	}
	p.Name, p.Arn, p.Type = &r.Name, ptr(s.resource(r.Account, "presets", r.Name)), types.TypeCustom
	p.CreatedAt, p.LastUpdated = times(r)
	return p, nil
}

func (s *Service) systemPreset(account string, p preset.Preset) *types.Preset {
	return &types.Preset{
		Name: &p.Name, Arn: ptr(s.resource(account, "presets", p.Name)), Type: types.TypeSystem, Category: &p.Category, Description: &p.Description,
		Settings: p.Settings, CreatedAt: timeOf(s.queueCreated), LastUpdated: timeOf(s.queueCreated),
	}
}
