// Package preset holds the presets and job templates that every account has, and says how the settings of a job, its template and its presets
// become one.
//
// What a job says wins over its template, what an output says over its preset: member by member through all structures. Lists and maps are taken
// whole.
package preset

import (
	"reflect"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// MergeTemplate returns the settings of a job with what its template says where it says nothing itself. Input i of the job goes over input i of the
// template; a template with one input serves every input of the job. The files of inputs are the job's alone. Neither argument is changed; what
// the result has of them is shared and must not be changed either. Either may be nil.
func MergeTemplate(job *types.JobSettings, template *types.JobTemplateSettings) *types.JobSettings {
	out := new(types.JobSettings)
	if job != nil {
		*out = *job
	}
	if template == nil {
		return out
	}
	over(reflect.ValueOf(out).Elem(), reflect.ValueOf(template).Elem(), "Inputs")
	if len(out.OutputGroups) == 0 {
		out.OutputGroups = template.OutputGroups
	}
	if len(template.Inputs) == 0 || job == nil {
		return out
	}
	out.Inputs = make([]types.Input, len(job.Inputs))
	for i := range job.Inputs {
		out.Inputs[i] = job.Inputs[i]
		from := i
		if len(template.Inputs) == 1 {
			from = 0
		}
		if from < len(template.Inputs) {
			over(reflect.ValueOf(&out.Inputs[i]).Elem(), reflect.ValueOf(&template.Inputs[from]).Elem())
		}
	}
	return out
}

// MergePreset returns an output with what its preset says where it says nothing itself. Its audio and caption descriptions go over those of the
// preset one by one: the preset says how, the output of what. Descriptions that only the preset has are kept. The arguments are not changed.
func MergePreset(out *types.Output, p *types.PresetSettings) types.Output {
	merged := *out
	if p == nil {
		return merged
	}
	over(reflect.ValueOf(&merged).Elem(), reflect.ValueOf(p).Elem(), "AudioDescriptions", "CaptionDescriptions")
	merged.AudioDescriptions = nil
	for i := range max(len(out.AudioDescriptions), len(p.AudioDescriptions)) {
		var d types.AudioDescription
		if i < len(out.AudioDescriptions) {
			d = out.AudioDescriptions[i]
		}
		if i < len(p.AudioDescriptions) {
			over(reflect.ValueOf(&d).Elem(), reflect.ValueOf(&p.AudioDescriptions[i]).Elem())
		}
		merged.AudioDescriptions = append(merged.AudioDescriptions, d)
	}
	merged.CaptionDescriptions = nil
	for i := range max(len(out.CaptionDescriptions), len(p.CaptionDescriptions)) {
		var d types.CaptionDescription
		if i < len(out.CaptionDescriptions) {
			d = out.CaptionDescriptions[i]
		}
		if i < len(p.CaptionDescriptions) {
			over(reflect.ValueOf(&d).Elem(), reflect.ValueOf(&p.CaptionDescriptions[i]).Elem())
		}
		merged.CaptionDescriptions = append(merged.CaptionDescriptions, d)
	}
	return merged
}

// Expand returns settings whose outputs have what their presets say. find is asked once for each name; its error is returned. The name of the
// preset stays in the output, for whoever reads it.
func Expand(s *types.JobSettings, find func(name string) (*types.PresetSettings, error)) (*types.JobSettings, error) {
	known := map[string]*types.PresetSettings{}
	out := *s
	out.OutputGroups = slices.Clone(s.OutputGroups)
	for i := range out.OutputGroups {
		g := &out.OutputGroups[i]
		g.Outputs = slices.Clone(g.Outputs)
		for j := range g.Outputs {
			name := g.Outputs[j].Preset
			if name == nil {
				continue
			}
			if _, ok := known[*name]; !ok {
				p, err := find(*name)
				if err != nil {
					return nil, err
				}
				known[*name] = p
			}
			g.Outputs[j] = MergePreset(&g.Outputs[j], known[*name])
		}
	}
	return &out, nil
}

// over fills what a structure does not say from another one, by the names of their members; but for except. Members of the same name that
// have other types are left alone.
func over(to, from reflect.Value, except ...string) {
	for i := range to.NumField() {
		f := to.Type().Field(i)
		if !f.IsExported() || slices.Contains(except, f.Name) {
			continue
		}
		theirs := from.FieldByName(f.Name)
		if !theirs.IsValid() || theirs.Type() != f.Type {
			continue
		}
		to.Field(i).Set(merged(to.Field(i), theirs))
	}
}

// merged is a value, or what stands in for it where it says nothing.
func merged(value, fallback reflect.Value) reflect.Value {
	switch {
	case value.IsZero():
		return fallback
	case value.Kind() == reflect.Pointer && value.Elem().Kind() == reflect.Struct && !fallback.IsNil():
		both := reflect.New(value.Type().Elem())
		both.Elem().Set(value.Elem())
		over(both.Elem(), fallback.Elem())
		return both
	}
	return value
}
