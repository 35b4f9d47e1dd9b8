package cloudtrailapi

import (
	"context"
	"slices"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"darkroom/internal/iam"
	"darkroom/internal/jsonapi"
	"darkroom/internal/trail"
)

// definitions are the operations that make, change, show and delete trails.
func (s *server) definitions() map[string]jsonapi.Operation {
	return map[string]jsonapi.Operation{
		"CreateTrail": jsonapi.Op(s.checkCreate, s.create),
		"UpdateTrail": onTrail(s, "UpdateTrail", func(in *sdk.UpdateTrailInput) *string { return in.Name }, s.update),
		"DeleteTrail": onTrail(s, "DeleteTrail", func(in *sdk.DeleteTrailInput) *string { return in.Name }, func(ctx context.Context, account string, in *sdk.DeleteTrailInput) (any, error) {
			return &sdk.DeleteTrailOutput{}, s.trails.Delete(ctx, account, *in.Name)
		}),
		"GetTrail": onTrail(s, "GetTrail", func(in *sdk.GetTrailInput) *string { return in.Name }, func(ctx context.Context, account string, in *sdk.GetTrailInput) (any, error) {
			t, err := s.trails.Find(ctx, account, *in.Name)
			if err != nil {
				return nil, err
			}
			return &sdk.GetTrailOutput{Trail: ptr(s.shown(t))}, nil
		}),
		"DescribeTrails": onAll("DescribeTrails", s.describe),
		"ListTrails":     onAll("ListTrails", s.list),
	}
}

// unoffered are members that name what this installation does not have.
type unoffered struct {
	name  string
	given *string
	why   string
}

// refuseUnoffered refuses members that name what there is not.
func refuseUnoffered(topic, group, role *string, organization *bool) error {
	for _, m := range []unoffered{
		{"SnsTopicName", topic, "there are no notifications of deliveries"},
		{"CloudWatchLogsLogGroupArn", group, "there is no CloudWatch Logs"},
		{"CloudWatchLogsRoleArn", role, "there is no CloudWatch Logs"},
	} {
		if value(m.given) != "" {
			return refusal("UnsupportedOperationException", "%s is not offered by this installation: %s. It was %.200q and must be left out.", m.name, m.why, *m.given)
		}
	}
	if value(organization) {
		return refusal("OrganizationsNotInUseException", "IsOrganizationTrail is true, but this installation has no organization; it must be false or left out.")
	}
	return nil
}

func (s *server) checkCreate(ctx context.Context, caller iam.Principal, in *sdk.CreateTrailInput) ([]iam.Check, error) {
	c, err := s.check(ctx, caller, "CreateTrail", in.Name)
	if err != nil {
		return nil, err
	}
	tagKeys(&c, in.TagsList)
	if len(in.TagsList) == 0 {
		return []iam.Check{c}, nil
	}
	tagging := c
	tagging.Action = "cloudtrail:AddTags"
	return []iam.Check{c, tagging}, nil
}

func (s *server) create(ctx context.Context, caller iam.Principal, in *sdk.CreateTrailInput) (any, error) {
	if err := refuseUnoffered(in.SnsTopicName, in.CloudWatchLogsLogGroupArn, in.CloudWatchLogsRoleArn, in.IsOrganizationTrail); err != nil {
		return nil, err
	}
	tags, err := tagsOf(in.TagsList)
	if err != nil {
		return nil, err
	}
	d := trail.Definition{
		Bucket: value(in.S3BucketName), Prefix: value(in.S3KeyPrefix), KMSKey: value(in.KmsKeyId), Validation: value(in.EnableLogFileValidation),
		Global: in.IncludeGlobalServiceEvents == nil || *in.IncludeGlobalServiceEvents, AllRegions: value(in.IsMultiRegionTrail),
	}
	t, err := s.trails.Create(ctx, caller.Account, value(in.Name), d, tags)
	if err != nil {
		return nil, refused(err)
	}
	w := s.shown(t)
	return &sdk.CreateTrailOutput{
		Name: w.Name, S3BucketName: w.S3BucketName, S3KeyPrefix: w.S3KeyPrefix, KmsKeyId: w.KmsKeyId, TrailARN: w.TrailARN, LogFileValidationEnabled: w.LogFileValidationEnabled,
		IncludeGlobalServiceEvents: w.IncludeGlobalServiceEvents, IsMultiRegionTrail: w.IsMultiRegionTrail, IsOrganizationTrail: w.IsOrganizationTrail,
	}, nil
}

func (s *server) update(ctx context.Context, account string, in *sdk.UpdateTrailInput) (any, error) {
	if err := refuseUnoffered(in.SnsTopicName, in.CloudWatchLogsLogGroupArn, in.CloudWatchLogsRoleArn, in.IsOrganizationTrail); err != nil {
		return nil, err
	}
	t, err := s.trails.Update(ctx, account, *in.Name, func(d *trail.Definition) {
		set(&d.Bucket, in.S3BucketName)
		set(&d.Prefix, in.S3KeyPrefix)
		set(&d.KMSKey, in.KmsKeyId)
		set(&d.Validation, in.EnableLogFileValidation)
		set(&d.Global, in.IncludeGlobalServiceEvents)
		set(&d.AllRegions, in.IsMultiRegionTrail)
	})
	if err != nil {
		return nil, err
	}
	w := s.shown(t)
	return &sdk.UpdateTrailOutput{
		Name: w.Name, S3BucketName: w.S3BucketName, S3KeyPrefix: w.S3KeyPrefix, KmsKeyId: w.KmsKeyId, TrailARN: w.TrailARN, LogFileValidationEnabled: w.LogFileValidationEnabled,
		IncludeGlobalServiceEvents: w.IncludeGlobalServiceEvents, IsMultiRegionTrail: w.IsMultiRegionTrail, IsOrganizationTrail: w.IsOrganizationTrail,
	}, nil
}

// set takes a member that is given.
func set[T any](to, given *T) {
	if given != nil {
		*to = *given
	}
}

// shown is a trail as answers have it.
func (s *server) shown(t *trail.Trail) types.Trail {
	out := types.Trail{
		Name: &t.Name, S3BucketName: &t.Bucket, TrailARN: &t.ARN, HomeRegion: &s.region, LogFileValidationEnabled: &t.Validation, IncludeGlobalServiceEvents: &t.Global,
		IsMultiRegionTrail: &t.AllRegions, IsOrganizationTrail: ptr(false), HasCustomEventSelectors: ptr(t.Selectors.Custom()), HasInsightSelectors: ptr(false),
	}
	if t.Prefix != "" {
		out.S3KeyPrefix = &t.Prefix
	}
	if t.KMSKey != "" {
		out.KmsKeyId = &t.KMSKey
	}
	return out
}

// describe shows all trails, or those that are named. A name that is none of the account's is passed over, as by AWS.
func (s *server) describe(ctx context.Context, account string, in *sdk.DescribeTrailsInput) (any, error) {
	all, err := s.trails.All(ctx, account)
	if err != nil {
		return nil, err
	}
	out := &sdk.DescribeTrailsOutput{TrailList: []types.Trail{}}
	for _, t := range all {
		if len(in.TrailNameList) == 0 || slices.Contains(in.TrailNameList, t.Name) || slices.Contains(in.TrailNameList, t.ARN) {
			out.TrailList = append(out.TrailList, s.shown(t))
		}
	}
	for _, name := range in.TrailNameList {
		// What can be no trail's name is told.
		if _, err := s.trails.Find(ctx, account, name); err != nil {
			if r := refused(err); !strings.HasPrefix(r.Error(), string(trail.NotFound)) {
				return nil, r
			}
		}
	}
	return out, nil
}

func (s *server) list(ctx context.Context, account string, in *sdk.ListTrailsInput) (any, error) {
	if value(in.NextToken) != "" {
		return nil, refusal("InvalidNextTokenException", "NextToken is none that was given: all trails stand on one page.")
	}
	all, err := s.trails.All(ctx, account)
	if err != nil {
		return nil, err
	}
	out := &sdk.ListTrailsOutput{Trails: []types.TrailInfo{}}
	for _, t := range all {
		out.Trails = append(out.Trails, types.TrailInfo{Name: &t.Name, TrailARN: &t.ARN, HomeRegion: &s.region})
	}
	return out, nil
}
