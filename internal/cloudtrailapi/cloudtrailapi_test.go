package cloudtrailapi_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"darkroom/internal/audit"
	"darkroom/internal/blob"
	"darkroom/internal/blob/dir"
	"darkroom/internal/cloudtrailapi"
	"darkroom/internal/gateway"
	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/jsonapi"
	"darkroom/internal/secret"
	"darkroom/internal/store/sqlite"
	"darkroom/internal/trail"
)

const (
	account = "111122223333"
	other   = "999988887777"
	region  = "us-east-1"
	arnBase = "arn:aws:cloudtrail:us-east-1:" + account + ":trail/"
)

// bench is the API behind a gateway, over real records and an object store, with the SDK's own client.
type bench struct {
	*testing.T
	people  *identity.Directory
	records *sqlite.Store
	objects *dir.Store
	trails  *trail.Service
	api     *jsonapi.Service
	server  *httptest.Server
	root    *sdk.Client
	refusal error // what the object store answers to a write
}

// gate lets the gateway find people.
type gate struct{ *identity.Directory }

func (g gate) Used(string, iam.Principal, string) {}

// refusing is the object store, which can refuse writes.
type refusing struct {
	blob.Store
	b *bench
}

func (r *refusing) Put(ctx context.Context, bucket, key string, body io.Reader, o blob.PutOptions) (blob.Info, error) {
	if r.b.refusal != nil {
		return blob.Info{}, r.b.refusal
	}
	return r.Store.Put(ctx, bucket, key, body, o)
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{T: t}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	b.records, err = sqlite.Open(filepath.Join(t.TempDir(), "records.db"))
	must(err)
	t.Cleanup(func() { b.records.Close() })
	master := secret.New(make([]byte, secret.KeySize))
	root := func(id string) identity.Root {
		return identity.Root{AccessKeyID: id, SecretAccessKey: secret.New([]byte("secret of " + id))}
	}
	b.people, err = identity.New(identity.Options{
		Accounts: []identity.Account{{ID: account, Root: root("AKIAROOT")}, {ID: other, Root: root("AKIAOTHER")}}, Store: b.records, Master: master, Log: slog.New(slog.DiscardHandler),
	})
	must(err)
	b.objects, err = dir.Open(dir.Options{Dir: filepath.Join(t.TempDir(), "objects"), Key: master, Random: rand.Reader})
	must(err)
	t.Cleanup(func() { b.objects.Close() })
	must(b.objects.CreateBucket(t.Context(), "logs"))
	sealer, err := secret.NewSealer(master, "trail keys", rand.Reader)
	must(err)
	b.trails, err = trail.New(trail.Options{
		Region: region, Accounts: []string{account, other}, Records: b.records, Buckets: func(string) (blob.Store, error) { return &refusing{b.objects, b}, nil }, Sealer: sealer, Random: rand.Reader,
		Log: slog.New(slog.DiscardHandler),
	})
	must(err)
	b.api, err = cloudtrailapi.New(cloudtrailapi.Options{Trails: b.trails, Records: b.records, Region: region})
	must(err)
	g, err := gateway.New(gateway.Options{
		Services: []gateway.Service{b.api}, Default: "cloudtrail", Region: region, Identities: gate{b.people}, Log: slog.New(slog.DiscardHandler), Trail: b.records,
	})
	must(err)
	b.server = httptest.NewTLSServer(g.Handler())
	t.Cleanup(b.server.Close)
	b.root = b.as("AKIAROOT")
	return b
}

// as returns a client of a root.
func (b *bench) as(id string) *sdk.Client {
	return sdk.New(sdk.Options{
		Region: region, BaseEndpoint: aws.String(b.server.URL), HTTPClient: b.server.Client(), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(id, "secret of "+id, ""),
	})
}

// is passes a result on, for calls whose error is looked at.
func is[T any](_ T, err error) error { return err }

// refused fails unless a call was refused with a code and a text.
func refused(t *testing.T, what string, err error, code, says string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), says) {
		t.Errorf("%s: got %v, want %s: %s", what, err, code, says)
	}
}

var ignore = cmpopts.IgnoreUnexported(types.Trail{}, types.EventSelector{}, types.DataResource{}, types.AdvancedEventSelector{}, types.AdvancedFieldSelector{}, types.Event{}, types.Resource{}, types.Tag{}, types.ResourceTag{}, types.TrailInfo{})

// TestEveryOperation: each operation that the SDK's client knows is carried out, or told not to be, and nothing else is told.
func TestEveryOperation(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	done := b.api.Operations()
	var known []string
	for method := range reflect.TypeFor[*sdk.Client]().Methods() {
		if method.Type.NumIn() != 4 {
			continue
		}
		known = append(known, method.Name)
		if slices.Contains(done, method.Name) == slices.Contains(cloudtrailapi.NotOffered, method.Name) {
			t.Errorf("%s is in both or none of the lists of what is carried out and of what is not offered", method.Name)
		}
	}
	for _, name := range slices.Concat(done, cloudtrailapi.NotOffered) {
		if !slices.Contains(known, name) {
			t.Errorf("the SDK knows no operation %s", name)
		}
	}
	refused(t, "not offered", is(b.root.ListEventDataStores(t.Context(), &sdk.ListEventDataStoresInput{})), "UnsupportedOperationException", "Not offered by this installation: ListEventDataStores.")
	if _, err := cloudtrailapi.New(cloudtrailapi.Options{}); err == nil {
		t.Error("an API without trails")
	}
}

// make makes a trail.
func (b *bench) make(name string, edit func(*sdk.CreateTrailInput)) error {
	in := &sdk.CreateTrailInput{Name: &name, S3BucketName: aws.String("logs")}
	if edit != nil {
		edit(in)
	}
	_, err := b.root.CreateTrail(b.Context(), in)
	return err
}

func TestTrails(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	out, err := b.root.CreateTrail(t.Context(), &sdk.CreateTrailInput{
		Name: aws.String("films"), S3BucketName: aws.String("logs"), S3KeyPrefix: aws.String("a/b"), EnableLogFileValidation: aws.Bool(true), TagsList: []types.Tag{{Key: aws.String("team"), Value: aws.String("x")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if *out.TrailARN != arnBase+"films" || *out.S3KeyPrefix != "a/b" || !*out.LogFileValidationEnabled || !*out.IncludeGlobalServiceEvents || *out.IsMultiRegionTrail || *out.IsOrganizationTrail {
		t.Errorf("%+v", out)
	}
	if _, err := b.objects.Head(t.Context(), "logs", "a/b/AWSLogs/"+account+"/CloudTrail/", blob.Conditions{}); err != nil {
		t.Errorf("the bucket was not tried: %v", err)
	}
	want := types.Trail{
		Name: aws.String("films"), S3BucketName: aws.String("logs"), S3KeyPrefix: aws.String("a/b"), TrailARN: aws.String(arnBase + "films"), HomeRegion: aws.String(region), LogFileValidationEnabled: aws.Bool(true),
		IncludeGlobalServiceEvents: aws.Bool(true), IsMultiRegionTrail: aws.Bool(false), IsOrganizationTrail: aws.Bool(false), HasCustomEventSelectors: aws.Bool(false), HasInsightSelectors: aws.Bool(false),
	}
	for _, name := range []string{"films", arnBase + "films"} {
		got, err := b.root.GetTrail(t.Context(), &sdk.GetTrailInput{Name: &name})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&want, got.Trail, ignore); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
	if err := b.make("archive", nil); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ ask, want []string }{
		{nil, []string{"archive", "films"}}, {[]string{"films"}, []string{"films"}}, {[]string{arnBase + "archive", "nothing"}, []string{"archive"}}, {[]string{"nothing"}, nil},
	} {
		got, err := b.root.DescribeTrails(t.Context(), &sdk.DescribeTrailsInput{TrailNameList: tt.ask, IncludeShadowTrails: aws.Bool(false)})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, x := range got.TrailList {
			names = append(names, *x.Name)
		}
		if !slices.Equal(names, tt.want) {
			t.Errorf("describe %v: %v", tt.ask, names)
		}
	}
	list, err := b.root.ListTrails(t.Context(), &sdk.ListTrailsInput{})
	if err != nil || len(list.Trails) != 2 || *list.Trails[1].TrailARN != arnBase+"films" {
		t.Errorf("%+v, %v", list, err)
	}
	if got, err := b.as("AKIAOTHER").DescribeTrails(t.Context(), &sdk.DescribeTrailsInput{}); err != nil || len(got.TrailList) != 0 {
		t.Errorf("another account sees %+v, %v", got, err)
	}
	refused(t, "a trail of another account", is(b.as("AKIAOTHER").GetTrail(t.Context(), &sdk.GetTrailInput{Name: aws.String(arnBase + "films")})), "AccessDeniedException", "")

	if _, err := b.root.UpdateTrail(t.Context(), &sdk.UpdateTrailInput{Name: aws.String("films"), S3KeyPrefix: aws.String(""), IsMultiRegionTrail: aws.Bool(true), EnableLogFileValidation: aws.Bool(false)}); err != nil {
		t.Fatal(err)
	}
	got, err := b.root.GetTrail(t.Context(), &sdk.GetTrailInput{Name: aws.String("films")})
	if err != nil || got.Trail.S3KeyPrefix != nil || !*got.Trail.IsMultiRegionTrail || *got.Trail.LogFileValidationEnabled {
		t.Errorf("updated: %+v, %v", got, err)
	}
	refused(t, "without global events in all Regions", is(b.root.UpdateTrail(t.Context(), &sdk.UpdateTrailInput{Name: aws.String("films"), IncludeGlobalServiceEvents: aws.Bool(false)})), "InvalidParameterCombinationException", "global")

	status := func() *sdk.GetTrailStatusOutput {
		t.Helper()
		out, err := b.root.GetTrailStatus(t.Context(), &sdk.GetTrailStatusInput{Name: aws.String("films")})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if st := status(); *st.IsLogging || st.StartLoggingTime != nil || *st.TimeLoggingStarted != "" {
		t.Errorf("at first: %+v", st)
	}
	for range 2 {
		if _, err := b.root.StartLogging(t.Context(), &sdk.StartLoggingInput{Name: aws.String("films")}); err != nil {
			t.Fatal(err)
		}
	}
	if st := status(); !*st.IsLogging || st.StartLoggingTime == nil || st.StopLoggingTime != nil {
		t.Errorf("started: %+v", st)
	}
	for range 2 {
		if _, err := b.root.StopLogging(t.Context(), &sdk.StopLoggingInput{Name: aws.String(arnBase + "films")}); err != nil {
			t.Fatal(err)
		}
	}
	if st := status(); *st.IsLogging || st.StopLoggingTime == nil {
		t.Errorf("stopped: %+v", st)
	}
	if _, err := b.root.DeleteTrail(t.Context(), &sdk.DeleteTrailInput{Name: aws.String("films")}); err != nil {
		t.Fatal(err)
	}
	refused(t, "what was deleted", is(b.root.GetTrail(t.Context(), &sdk.GetTrailInput{Name: aws.String("films")})), "TrailNotFoundException", "films")
	if err := b.make("films", nil); err != nil {
		t.Errorf("its name again: %v", err)
	}
}

// TestRefused: what cannot be, with CloudTrail's own names for it.
func TestRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, tt := range []struct {
		what string
		name string
		edit func(*sdk.CreateTrailInput)
		code string
		says string
	}{
		{"a short name", "ab", nil, "InvalidTrailNameException", "Minimum allowed length: 3 characters. Specified name length: 2"},
		{"a long name", strings.Repeat("a", 129), nil, "InvalidTrailNameException", "Maximum allowed length: 128"},
		{"a name with a space", "a b c", nil, "InvalidTrailNameException", "can only contain"},
		{"a name that begins with a mark", "-abc", nil, "InvalidTrailNameException", "starts with"},
		{"a name that ends with a mark", "abc.", nil, "InvalidTrailNameException", "ends with"},
		{"a name with marks together", "a-_b", nil, "InvalidTrailNameException", "adjacent"},
		{"a name like an address", "192.168.1.1", nil, "InvalidTrailNameException", "IP address"},
		{"a name with other letters", "abcé", nil, "InvalidTrailNameException", "ends with"},
		{"no bucket of this name", "films", func(in *sdk.CreateTrailInput) { in.S3BucketName = aws.String("nothing") }, "S3BucketDoesNotExistException", "nothing"},
		{"no name of a bucket", "films", func(in *sdk.CreateTrailInput) { in.S3BucketName = aws.String("No Bucket") }, "InvalidS3BucketNameException", "No Bucket"},
		{"an empty name of a bucket", "films", func(in *sdk.CreateTrailInput) { in.S3BucketName = aws.String("") }, "InvalidS3BucketNameException", ""},
		{"a prefix with a slash at its end", "films", func(in *sdk.CreateTrailInput) { in.S3KeyPrefix = aws.String("a/") }, "InvalidS3PrefixException", "a/"},
		{"a long prefix", "films", func(in *sdk.CreateTrailInput) { in.S3KeyPrefix = aws.String(strings.Repeat("a", 201)) }, "InvalidS3PrefixException", "200"},
		{"a topic", "films", func(in *sdk.CreateTrailInput) { in.SnsTopicName = aws.String("topic") }, "UnsupportedOperationException", "SnsTopicName is not offered"},
		{"a log group", "films", func(in *sdk.CreateTrailInput) { in.CloudWatchLogsLogGroupArn = aws.String("g") }, "UnsupportedOperationException", "CloudWatchLogsLogGroupArn is not offered"},
		{"a role for it", "films", func(in *sdk.CreateTrailInput) { in.CloudWatchLogsRoleArn = aws.String("r") }, "UnsupportedOperationException", "CloudWatchLogsRoleArn is not offered"},
		{"an organization", "films", func(in *sdk.CreateTrailInput) { in.IsOrganizationTrail = aws.Bool(true) }, "OrganizationsNotInUseException", "IsOrganizationTrail"},
		{"all Regions without global events", "films", func(in *sdk.CreateTrailInput) {
			in.IsMultiRegionTrail, in.IncludeGlobalServiceEvents = aws.Bool(true), aws.Bool(false)
		}, "InvalidParameterCombinationException", "global"},
		{"a tag twice", "films", func(in *sdk.CreateTrailInput) {
			in.TagsList = []types.Tag{{Key: aws.String("a")}, {Key: aws.String("a")}}
		}, "InvalidTagParameterException", "more than once"},
		{"a reserved tag", "films", func(in *sdk.CreateTrailInput) { in.TagsList = []types.Tag{{Key: aws.String("AWS:a")}} }, "InvalidTagParameterException", "reserved"},
		{"many tags", "films", func(in *sdk.CreateTrailInput) {
			for i := range 51 {
				in.TagsList = append(in.TagsList, types.Tag{Key: aws.String(fmt.Sprint("k", i))})
			}
		}, "TagsLimitExceededException", "50"},
	} {
		refused(t, tt.what, b.make(tt.name, tt.edit), tt.code, tt.says)
	}
	for _, tt := range []struct {
		refusal error
		code    string
	}{
		{blob.ErrAccessDenied, "InsufficientS3BucketPolicyException"},
		{&blob.KeyError{Code: blob.KeyDenied, Message: "no"}, "InsufficientEncryptionPolicyException"},
		{&blob.KeyError{Code: blob.KeyNotFound, Message: "no"}, "KmsKeyNotFoundException"},
		{&blob.KeyError{Code: blob.KeyDisabled, Message: "no"}, "KmsKeyDisabledException"},
		{&blob.KeyError{Code: blob.KeyInvalidState, Message: "no"}, "InvalidKmsKeyIdException"},
		{blob.ErrNotOffered, "InvalidKmsKeyIdException"},
		{errors.New("a secret of the inside"), "InternalFailure"},
	} {
		b.refusal = tt.refusal
		err := b.make("films", func(in *sdk.CreateTrailInput) { in.KmsKeyId = aws.String("alias/a") })
		refused(t, fmt.Sprint(tt.refusal), err, tt.code, "")
		if strings.Contains(err.Error(), "inside") {
			t.Errorf("the inside is told: %v", err)
		}
	}
	b.refusal = nil
	refused(t, "no ARN of a trail", is(b.root.GetTrail(t.Context(), &sdk.GetTrailInput{Name: aws.String("arn:aws:s3:::b")})), "CloudTrailARNInvalidException", "")
	refused(t, "an empty name", is(b.root.GetTrail(t.Context(), &sdk.GetTrailInput{Name: aws.String("")})), "TrailNotProvidedException", "")
	for range 2 {
		refused(t, "nothing of this name", is(b.root.StartLogging(t.Context(), &sdk.StartLoggingInput{Name: aws.String("nothing")})), "TrailNotFoundException", "nothing")
	}
	for i := range trail.MaxTrails {
		if err := b.make(fmt.Sprint("trail", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, "one again", b.make("trail0", nil), "TrailAlreadyExistsException", "trail0")
	refused(t, "a sixth", b.make("films", nil), "MaximumNumberOfTrailsExceededException", "5 trails")
}

func TestTags(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if err := b.make("films", nil); err != nil {
		t.Fatal(err)
	}
	id := aws.String(arnBase + "films")
	tag := func(k, v string) types.Tag { return types.Tag{Key: &k, Value: &v} }
	if _, err := b.root.AddTags(t.Context(), &sdk.AddTagsInput{ResourceId: id, TagsList: []types.Tag{tag("b", "1"), tag("a", "2")}}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.root.RemoveTags(t.Context(), &sdk.RemoveTagsInput{ResourceId: id, TagsList: []types.Tag{{Key: aws.String("b")}, {Key: aws.String("none")}}}); err != nil {
		t.Fatal(err)
	}
	got, err := b.root.ListTags(t.Context(), &sdk.ListTagsInput{ResourceIdList: []string{*id}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]types.ResourceTag{{ResourceId: id, TagsList: []types.Tag{tag("a", "2")}}}, got.ResourceTagList, ignore); diff != "" {
		t.Error(diff)
	}
	for what, tt := range map[string]struct{ id, code string }{
		"no ARN":               {"films", "CloudTrailARNInvalidException"},
		"an event data store":  {"arn:aws:cloudtrail:us-east-1:" + account + ":eventdatastore/x", "ResourceTypeNotSupportedException"},
		"a trail that is none": {arnBase + "nothing", "TrailNotFoundException"},
	} {
		refused(t, what, is(b.root.AddTags(t.Context(), &sdk.AddTagsInput{ResourceId: &tt.id, TagsList: []types.Tag{tag("a", "1")}})), tt.code, "")
		refused(t, what, is(b.root.ListTags(t.Context(), &sdk.ListTagsInput{ResourceIdList: []string{tt.id}})), tt.code, "")
	}
}

func TestSelectors(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if err := b.make("films", nil); err != nil {
		t.Fatal(err)
	}
	name := aws.String("films")
	got, err := b.root.GetEventSelectors(t.Context(), &sdk.GetEventSelectorsInput{TrailName: name})
	if err != nil || len(got.EventSelectors) != 1 || got.EventSelectors[0].ReadWriteType != "All" || !*got.EventSelectors[0].IncludeManagementEvents || len(got.AdvancedEventSelectors) != 0 {
		t.Errorf("at first: %+v, %v", got, err)
	}
	basic := []types.EventSelector{{
		ReadWriteType: "WriteOnly", IncludeManagementEvents: aws.Bool(true), ExcludeManagementEventSources: []string{"kms.amazonaws.com"},
		DataResources: []types.DataResource{{Type: aws.String("AWS::S3::Object"), Values: []string{"arn:aws:s3:::films/in/"}}},
	}}
	put, err := b.root.PutEventSelectors(t.Context(), &sdk.PutEventSelectorsInput{TrailName: name, EventSelectors: basic})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(basic, put.EventSelectors, ignore); diff != "" {
		t.Error(diff)
	}
	advanced := []types.AdvancedEventSelector{{Name: aws.String("all data"), FieldSelectors: []types.AdvancedFieldSelector{
		{Field: aws.String("eventCategory"), Equals: []string{"Data"}}, {Field: aws.String("readOnly"), Equals: []string{"false"}}, {Field: aws.String("eventName"), NotStartsWith: []string{"Delete"}},
	}}}
	if _, err := b.root.PutEventSelectors(t.Context(), &sdk.PutEventSelectorsInput{TrailName: name, AdvancedEventSelectors: advanced}); err != nil {
		t.Fatal(err)
	}
	if got, err = b.root.GetEventSelectors(t.Context(), &sdk.GetEventSelectorsInput{TrailName: name}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(advanced, got.AdvancedEventSelectors, ignore); diff != "" || len(got.EventSelectors) > 0 {
		t.Error(diff)
	}
	if x, err := b.root.GetTrail(t.Context(), &sdk.GetTrailInput{Name: name}); err != nil || !*x.Trail.HasCustomEventSelectors {
		t.Errorf("%+v, %v", x, err)
	}
	field := func(name string, equals ...string) types.AdvancedFieldSelector {
		return types.AdvancedFieldSelector{Field: &name, Equals: equals}
	}
	of := func(f ...types.AdvancedFieldSelector) sdk.PutEventSelectorsInput {
		return sdk.PutEventSelectorsInput{AdvancedEventSelectors: []types.AdvancedEventSelector{{FieldSelectors: f}}}
	}
	management := field("eventCategory", "Management")
	for _, tt := range []struct {
		what string
		in   sdk.PutEventSelectorsInput
		code string
		says string
	}{
		{"nothing", sdk.PutEventSelectorsInput{}, "InvalidEventSelectorsException", "at least one"},
		{"both", sdk.PutEventSelectorsInput{EventSelectors: basic, AdvancedEventSelectors: advanced}, "InvalidEventSelectorsException", "not both"},
		{"six", sdk.PutEventSelectorsInput{EventSelectors: slices.Repeat(basic, 6)}, "InvalidEventSelectorsException", "at most 5"},
		{"functions", sdk.PutEventSelectorsInput{EventSelectors: []types.EventSelector{{DataResources: []types.DataResource{{Type: aws.String("AWS::Lambda::Function")}}}}}, "UnsupportedOperationException", "AWS::Lambda::Function"},
		{"no bucket", sdk.PutEventSelectorsInput{EventSelectors: []types.EventSelector{{DataResources: []types.DataResource{{Type: aws.String("AWS::S3::Object"), Values: []string{"films"}}}}}}, "InvalidEventSelectorsException", "films"},
		{"nothing selected", sdk.PutEventSelectorsInput{EventSelectors: []types.EventSelector{{IncludeManagementEvents: aws.Bool(false)}}}, "InvalidEventSelectorsException", "selects nothing"},
		{"a source that cannot be left out", sdk.PutEventSelectorsInput{EventSelectors: []types.EventSelector{{ExcludeManagementEventSources: []string{"iam.amazonaws.com"}}}}, "InvalidEventSelectorsException", "iam.amazonaws.com"},
		{"no category", of(field("readOnly", "true")), "InvalidEventSelectorsException", "eventCategory"},
		{"another category", of(field("eventCategory", "NetworkActivity")), "UnsupportedOperationException", "NetworkActivity"},
		{"two categories", of(field("eventCategory", "Management", "Data")), "InvalidEventSelectorsException", "one value"},
		{"a field twice", of(management, management), "InvalidEventSelectorsException", "twice"},
		{"another field", of(management, field("vpcEndpointId", "x")), "UnsupportedOperationException", "vpcEndpointId"},
		{"no operator", of(management, field("eventName")), "InvalidEventSelectorsException", "no operator"},
		{"neither true nor false", of(management, field("readOnly", "maybe")), "InvalidEventSelectorsException", "true or false"},
	} {
		tt.in.TrailName = name
		refused(t, tt.what, is(b.root.PutEventSelectors(t.Context(), &tt.in)), tt.code, tt.says)
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	start := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	for i := range 120 {
		r := audit.Record{
			EventVersion: audit.Version, EventTime: start.Add(time.Duration(i/2) * time.Minute), EventSource: "kms.amazonaws.com", EventName: "ListKeys", EventID: fmt.Sprintf("event-%03d", i), EventType: audit.APICall,
			RecipientAccountID: account, EventCategory: audit.Management, ManagementEvent: true, ReadOnly: true,
			UserIdentity: audit.Identity{Type: "IAMUser", UserName: "ann", ARN: "arn:aws:iam::" + account + ":user/ann", AccessKeyID: "AKIAANN", AccountID: account},
		}
		switch i {
		case 7:
			r.EventSource, r.EventName, r.ReadOnly = "mediaconvert.amazonaws.com", "CreateQueue", false
			r.Resources = []audit.Resource{audit.ResourceOf("arn:aws:mediaconvert:us-east-1:"+account+":queues/q", account)}
		case 8:
			r.UserIdentity = audit.Identity{Type: "Root", AccessKeyID: "AKIAROOT", AccountID: account}
		case 9:
			r.EventCategory, r.ManagementEvent = audit.Data, false // not for LookupEvents
		case 10:
			r.RecipientAccountID = other
		}
		if err := b.records.Audit(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	find := func(in *sdk.LookupEventsInput) (ids []string, pages int) {
		t.Helper()
		in.EndTime = aws.Time(start.Add(24 * time.Hour)) // the calls of the test itself are later
		p := sdk.NewLookupEventsPaginator(b.root, in)
		for p.HasMorePages() {
			page, err := p.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			pages++
			for _, e := range page.Events {
				ids = append(ids, *e.EventId)
			}
		}
		return ids, pages
	}
	all, pages := find(&sdk.LookupEventsInput{})
	if len(all) != 118 || pages != 3 || all[0] != "event-119" || all[117] != "event-000" || len(slices.Compact(slices.Sorted(slices.Values(all)))) != 118 {
		t.Errorf("%d events on %d pages: %v", len(all), pages, all)
	}
	if ids, pages := find(&sdk.LookupEventsInput{MaxResults: aws.Int32(7), StartTime: aws.Time(start.Add(40 * time.Minute))}); len(ids) != 40 || pages != 6 {
		t.Errorf("%d events on %d pages", len(ids), pages)
	}
	for _, tt := range []struct {
		key   types.LookupAttributeKey
		value string
		want  []string
	}{
		{"EventId", "event-005", []string{"event-005"}},
		{"EventId", "event-009", nil},
		{"EventId", "event-010", nil},
		{"EventName", "CreateQueue", []string{"event-007"}},
		{"ReadOnly", "false", []string{"event-007"}},
		{"Username", "root", []string{"event-008"}},
		{"AccessKeyId", "AKIAROOT", []string{"event-008"}},
		{"EventSource", "mediaconvert.amazonaws.com", []string{"event-007"}},
		{"ResourceName", "arn:aws:mediaconvert:us-east-1:" + account + ":queues/q", []string{"event-007"}},
		{"ResourceType", "AWS::MediaConvert::Queue", []string{"event-007"}},
		{"ResourceType", "AWS::KMS::Key", nil},
	} {
		if ids, _ := find(&sdk.LookupEventsInput{LookupAttributes: []types.LookupAttribute{{AttributeKey: tt.key, AttributeValue: &tt.value}}}); !slices.Equal(ids, tt.want) {
			t.Errorf("%s %s: %v", tt.key, tt.value, ids)
		}
	}
	got, err := b.root.LookupEvents(t.Context(), &sdk.LookupEventsInput{LookupAttributes: []types.LookupAttribute{{AttributeKey: "EventId", AttributeValue: aws.String("event-007")}}})
	if err != nil || len(got.Events) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	e := got.Events[0]
	if !strings.Contains(*e.CloudTrailEvent, `"eventID":"event-007"`) {
		t.Error(*e.CloudTrailEvent)
	}
	e.CloudTrailEvent = nil
	want := types.Event{
		EventId: aws.String("event-007"), EventName: aws.String("CreateQueue"), EventSource: aws.String("mediaconvert.amazonaws.com"), ReadOnly: aws.String("false"), Username: aws.String("ann"),
		AccessKeyId: aws.String("AKIAANN"), EventTime: aws.Time(start.Add(3 * time.Minute)),
		Resources: []types.Resource{{ResourceName: aws.String("arn:aws:mediaconvert:us-east-1:" + account + ":queues/q"), ResourceType: aws.String("AWS::MediaConvert::Queue")}},
	}
	if diff := cmp.Diff(want, e, ignore); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got, err := b.root.LookupEvents(t.Context(), &sdk.LookupEventsInput{EventCategory: "insight"}); err != nil || len(got.Events) != 0 {
		t.Errorf("insights: %+v, %v", got, err)
	}
	page, err := b.root.LookupEvents(t.Context(), &sdk.LookupEventsInput{MaxResults: aws.Int32(1)})
	if err != nil {
		t.Fatal(err)
	}
	attribute := func(k types.LookupAttributeKey, v string) types.LookupAttribute {
		return types.LookupAttribute{AttributeKey: k, AttributeValue: &v}
	}
	for _, tt := range []struct {
		what string
		in   sdk.LookupEventsInput
		code string
	}{
		{"times the wrong way round", sdk.LookupEventsInput{StartTime: aws.Time(start.Add(1)), EndTime: aws.Time(start.Add(-time.Hour))}, "InvalidTimeRangeException"},
		{"no events", sdk.LookupEventsInput{MaxResults: aws.Int32(0)}, "InvalidMaxResultsException"},
		{"too many events", sdk.LookupEventsInput{MaxResults: aws.Int32(51)}, "InvalidMaxResultsException"},
		{"two attributes", sdk.LookupEventsInput{LookupAttributes: []types.LookupAttribute{attribute("EventId", "a"), attribute("EventName", "b")}}, "InvalidLookupAttributesException"},
		{"neither true nor false", sdk.LookupEventsInput{LookupAttributes: []types.LookupAttribute{attribute("ReadOnly", "1")}}, "InvalidLookupAttributesException"},
		{"a token that is none", sdk.LookupEventsInput{NextToken: aws.String("x")}, "InvalidNextTokenException"},
		{"a token of another request", sdk.LookupEventsInput{NextToken: page.NextToken, LookupAttributes: []types.LookupAttribute{attribute("EventId", "a")}}, "InvalidNextTokenException"},
	} {
		refused(t, tt.what, is(b.root.LookupEvents(t.Context(), &tt.in)), tt.code, "")
	}
	keys, err := b.root.ListPublicKeys(t.Context(), &sdk.ListPublicKeysInput{})
	if err != nil || len(keys.PublicKeyList) != 0 {
		t.Errorf("keys before the first digest: %+v, %v", keys, err)
	}
	refused(t, "keys of times the wrong way round", is(b.root.ListPublicKeys(t.Context(), &sdk.ListPublicKeysInput{StartTime: aws.Time(start), EndTime: aws.Time(start.Add(-1 * time.Hour))})), "InvalidTimeRangeException", "")
}
