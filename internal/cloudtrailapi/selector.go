package cloudtrailapi

import (
	"context"

	sdk "github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"darkroom/internal/jsonapi"
	"darkroom/internal/trail"
)

// selections are the operations on event selectors.
func (s *server) selections() map[string]jsonapi.Operation {
	return map[string]jsonapi.Operation{
		"GetEventSelectors": onTrail(s, "GetEventSelectors", func(in *sdk.GetEventSelectorsInput) *string { return in.TrailName }, func(ctx context.Context, account string, in *sdk.GetEventSelectorsInput) (any, error) {
			t, err := s.trails.Find(ctx, account, *in.TrailName)
			if err != nil {
				return nil, err
			}
			out := &sdk.GetEventSelectorsOutput{TrailARN: &t.ARN}
			out.EventSelectors, out.AdvancedEventSelectors = shownSelectors(t.Selectors)
			return out, nil
		}),
		"PutEventSelectors": onTrail(s, "PutEventSelectors", func(in *sdk.PutEventSelectorsInput) *string { return in.TrailName }, func(ctx context.Context, account string, in *sdk.PutEventSelectorsInput) (any, error) {
			to, err := selectorsOf(in)
			if err != nil {
				return nil, err
			}
			t, err := s.trails.SetSelectors(ctx, account, *in.TrailName, to)
			if err != nil {
				return nil, err
			}
			out := &sdk.PutEventSelectorsOutput{TrailARN: &t.ARN}
			out.EventSelectors, out.AdvancedEventSelectors = shownSelectors(t.Selectors)
			return out, nil
		}),
	}
}

// objectType is the type of data resource that basic selectors can select.
const objectType = "AWS::S3::Object"

// selectorsOf reads the selectors of a request.
func selectorsOf(in *sdk.PutEventSelectorsInput) (trail.Selectors, error) {
	var out trail.Selectors
	for _, e := range in.EventSelectors {
		b := trail.Basic{
			ReadWrite: string(e.ReadWriteType), Management: e.IncludeManagementEvents == nil || *e.IncludeManagementEvents, Exclude: e.ExcludeManagementEventSources,
		}
		if b.ReadWrite == "" {
			b.ReadWrite = trail.All
		}
		for _, d := range e.DataResources {
			if value(d.Type) != objectType {
				return out, refusal("UnsupportedOperationException", "The data resource type %.100q is not offered by this installation; it can be %s.", value(d.Type), objectType)
			}
			b.HasObjects = true
			b.Objects = append(b.Objects, d.Values...)
		}
		out.Basic = append(out.Basic, b)
	}
	for _, e := range in.AdvancedEventSelectors {
		a := trail.Advanced{Name: value(e.Name)}
		for _, f := range e.FieldSelectors {
			a.Fields = append(a.Fields, trail.Field{
				Field: value(f.Field), Equals: f.Equals, StartsWith: f.StartsWith, EndsWith: f.EndsWith, NotEquals: f.NotEquals, NotStartsWith: f.NotStartsWith, NotEndsWith: f.NotEndsWith,
			})
		}
		out.Advanced = append(out.Advanced, a)
	}
	return out, nil
}

// shownSelectors are selectors as answers have them. A trail without any has one that selects all management events.
func shownSelectors(s trail.Selectors) ([]types.EventSelector, []types.AdvancedEventSelector) {
	if len(s.Advanced) > 0 {
		var out []types.AdvancedEventSelector
		for _, a := range s.Advanced {
			e := types.AdvancedEventSelector{}
			if a.Name != "" {
				e.Name = ptr(a.Name)
			}
			for _, f := range a.Fields {
				e.FieldSelectors = append(e.FieldSelectors, types.AdvancedFieldSelector{
					Field: ptr(f.Field), Equals: f.Equals, StartsWith: f.StartsWith, EndsWith: f.EndsWith, NotEquals: f.NotEquals, NotStartsWith: f.NotStartsWith, NotEndsWith: f.NotEndsWith,
				})
			}
			out = append(out, e)
		}
		return nil, out
	}
	basic := s.Basic
	if len(basic) == 0 {
		basic = []trail.Basic{{ReadWrite: trail.All, Management: true}}
	}
	var out []types.EventSelector
	for _, b := range basic {
		e := types.EventSelector{
			ReadWriteType: types.ReadWriteType(b.ReadWrite), IncludeManagementEvents: ptr(b.Management), DataResources: []types.DataResource{}, ExcludeManagementEventSources: append([]string{}, b.Exclude...),
		}
		if b.HasObjects {
			e.DataResources = append(e.DataResources, types.DataResource{Type: ptr(objectType), Values: append([]string{}, b.Objects...)})
		}
		out = append(out, e)
	}
	return out, nil
}
