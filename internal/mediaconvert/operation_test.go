package mediaconvert_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/google/go-cmp/cmp"

	"darkroom/internal/mediaconvert"
)

func TestOperations(t *testing.T) {
	t.Parallel()
	ops := mediaconvert.Operations()
	if len(ops) != 34 {
		t.Errorf("%d operations, want 34", len(ops))
	}
	if !slices.IsSortedFunc(ops, func(a, b mediaconvert.Operation) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("not in order")
	}
	created, accepted := 0, 0
	for _, op := range ops {
		path, param := op.Path, ""
		if i := strings.Index(path, "{"); i >= 0 {
			path, param = path[:i]+"a%20b", "a b"
		}
		got, err := mediaconvert.Match(op.Method, "/2017-08-29"+path)
		if err != nil || got.Name != op.Name || got.Param != param {
			t.Errorf("%s %s: got %v %v", op.Method, path, got, err)
		}
		switch op.Success {
		case 201:
			created++
		case 202:
			accepted++
		case 200:
		default:
			t.Errorf("%s answers %d", op.Name, op.Success)
		}
	}
	if created != 6 || accepted != 6 {
		t.Errorf("%d answer 201 and %d answer 202, want 6 each", created, accepted)
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	const tagged = "arn%3Aaws%3Amediaconvert%3Aus-east-1%3A111122223333%3Aqueues%2FDefault"
	tests := []struct {
		name, method, path string
		operation, param   string
		unknown            bool
		allowed            []string
	}{
		{"collection", "GET", "/2017-08-29/jobs", "ListJobs", "", false, nil},
		{"item", "DELETE", "/2017-08-29/jobs/1515368087458-qnoxtd", "CancelJob", "1515368087458-qnoxtd", false, nil},
		{"escaped ARN", "GET", "/2017-08-29/tags/" + tagged, "ListTagsForResource", "arn:aws:mediaconvert:us-east-1:111122223333:queues/Default", false, nil},
		{"escaped in lower case", "GET", "/2017-08-29/presets/%e2%82%ac%20x", "GetPreset", "€ x", false, nil},
		{"plus is a plus", "GET", "/2017-08-29/presets/a+b", "GetPreset", "a+b", false, nil},
		{"wrong method", "PATCH", "/2017-08-29/jobs", "", "", false, []string{"GET", "POST"}},
		{"wrong method for an item", "POST", "/2017-08-29/queues/a", "", "", false, []string{"DELETE", "GET", "PUT"}},
		{"method in lower case", "get", "/2017-08-29/versions", "", "", false, []string{"GET"}},
		{"root", "GET", "/", "", "", true, nil},
		{"version alone", "GET", "/2017-08-29", "", "", true, nil},
		{"another version", "GET", "/2017-08-30/jobs", "", "", true, nil},
		{"unknown collection", "GET", "/2017-08-29/films", "", "", true, nil},
		{"case of a collection", "GET", "/2017-08-29/Jobs", "", "", true, nil},
		{"escaped collection", "GET", "/2017-08-29/%6Aobs", "", "", true, nil},
		{"slash at the end", "GET", "/2017-08-29/jobs/", "", "", true, nil},
		{"two slashes", "GET", "/2017-08-29//jobs", "", "", true, nil},
		{"too many parts", "GET", "/2017-08-29/jobs/a/b", "", "", true, nil},
		{"item of what has none", "GET", "/2017-08-29/policy/a", "", "", true, nil},
		{"collection of what has items alone", "GET", "/2017-08-29/tags", "", "", false, []string{"POST"}},
		{"broken escape", "GET", "/2017-08-29/jobs/%zz", "", "", true, nil},
		{"not UTF-8", "GET", "/2017-08-29/jobs/%ff", "", "", true, nil},
		{"control character", "GET", "/2017-08-29/jobs/a%00", "", "", true, nil},
		{"too long", "GET", "/2017-08-29/jobs/" + strings.Repeat("a", 2049), "", "", true, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := mediaconvert.Match(tt.method, tt.path)
			var method *mediaconvert.MethodError
			switch {
			case tt.unknown:
				if !errors.Is(err, mediaconvert.ErrUnknownPath) {
					t.Errorf("got %v, %v", got, err)
				}
			case tt.allowed != nil:
				if !errors.As(err, &method) || !slices.Equal(method.Allowed, tt.allowed) {
					t.Errorf("got %v, want %v", err, tt.allowed)
				}
			case err != nil:
				t.Error(err)
			case got.Name != tt.operation || got.Param != tt.param:
				t.Errorf("got %s %q, want %s %q", got.Name, got.Param, tt.operation, tt.param)
			}
		})
	}
}

func TestDecodeRequest(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, method, path, query, body string
		want                            any
		faults                          string
	}{
		{"path", "GET", "/2017-08-29/jobs/a%2Fb", "", "", &sdk.GetJobInput{Id: ptr("a/b")}, ""},
		{
			"query", "GET", "/2017-08-29/jobs", "maxResults=5&order=ASCENDING&queue=a%2Fb+c&status=ERROR&nextToken=", "",
			&sdk.ListJobsInput{MaxResults: ptr(int32(5)), Order: types.OrderAscending, Queue: ptr("a/b c"), Status: types.JobStatusError, NextToken: ptr("")}, "",
		},
		{"presigned", "GET", "/2017-08-29/jobs", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0", "", &sdk.ListJobsInput{}, ""},
		{"path and body", "PUT", "/2017-08-29/queues/q", "", `{"status":"PAUSED"}`, &sdk.UpdateQueueInput{Name: ptr("q"), Status: types.QueueStatusPaused}, ""},
		{"no body where all is optional", "POST", "/2017-08-29/endpoints", "", "", &sdk.DescribeEndpointsInput{}, ""},
		{"empty object where nothing is wanted", "DELETE", "/2017-08-29/jobs/x", "", "{}", &sdk.CancelJobInput{Id: ptr("x")}, ""},
		{
			"no body where something is required", "POST", "/2017-08-29/jobs", "", "", &sdk.CreateJobInput{},
			"The 'role' field is required. | The 'settings' field is required.",
		},
		{"member of the query in the body", "GET", "/2017-08-29/jobs", "", `{"maxResults":1}`, &sdk.ListJobsInput{}, `: unknown member "maxResults"`},
		{"member of the body in the query", "POST", "/2017-08-29/endpoints", "mode=DEFAULT", "", &sdk.DescribeEndpointsInput{}, `: unknown member "mode"`},
		{
			"out of range", "GET", "/2017-08-29/jobs", "maxResults=21", "", &sdk.ListJobsInput{MaxResults: ptr(int32(21))},
			"/maxResults: Should be less than or equal to 20 (was 21)",
		},
		{
			"no number", "GET", "/2017-08-29/jobs", "maxResults=1%2B", "", &sdk.ListJobsInput{MaxResults: ptr(int32(0))},
			"You specified an invalid type for 'maxResults'. Replace the value with a integer, or remove 'maxResults' (if optional), then resubmit your request." +
				reference + ` (was "1+")`,
		},
		{
			"no word", "GET", "/2017-08-29/jobs", "order=UP", "", &sdk.ListJobsInput{},
			"You specified an invalid type for 'order'. Replace the value with a Order (Valid values: 'ASCENDING', 'DESCENDING'), " +
				"or remove 'order' (if optional), then resubmit your request." + reference + ` (was "UP")`,
		},
		{"twice", "GET", "/2017-08-29/jobs", "queue=a&queue=b", "", &sdk.ListJobsInput{}, "/queue: is given more than once"},
		{
			"PascalCase in the query", "GET", "/2017-08-29/jobs", "Queue=a", "", &sdk.ListJobsInput{},
			`: unknown member "Queue"; allowed: maxResults, nextToken, order, queue, status`,
		},
		{"broken query", "GET", "/2017-08-29/jobs", "queue=%zz", "", &sdk.ListJobsInput{}, ": the query cannot be parsed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			route, err := mediaconvert.Match(tt.method, tt.path)
			if err != nil {
				t.Fatal(err)
			}
			got, faults := route.DecodeRequest(tt.query, []byte(tt.body))
			if diff := cmp.Diff(tt.faults, mediaconvert.Message(faults)); diff != "" {
				t.Errorf("faults: %s", diff)
			}
			if diff := cmp.Diff(tt.want, got, ignoreSDK); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// captured is a request as a client sent it.
type captured struct {
	method, path, query string
	body                []byte
}

// TestDecodesWhatTheSDKSends lets the SDK's own client write a request of every operation, and reads it back.
func TestDecodesWhatTheSDKSends(t *testing.T) {
	t.Parallel()
	f := newFiller()
	client := reflect.ValueOf(sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("https://localhost"), Credentials: aws.AnonymousCredentials{},
		HTTPClient: doer(func(r *http.Request) (*http.Response, error) { return nil, &sent{capture(t, r)} }), RetryMaxAttempts: 1,
	}))
	for _, op := range mediaconvert.Operations() {
		t.Run(op.Name, func(t *testing.T) {
			call := client.MethodByName(op.Name)
			input := reflect.New(call.Type().In(1).Elem())
			f.fill(t, input.Elem(), "")
			out := call.Call([]reflect.Value{reflect.ValueOf(context.Background()), input})
			var s *sent
			if err, _ := out[1].Interface().(error); !errors.As(err, &s) {
				t.Fatalf("the client sent nothing: %v", err)
			}
			route, err := mediaconvert.Match(s.method, s.path)
			if err != nil || route.Name != op.Name {
				t.Fatalf("%s %s: got %v %v", s.method, s.path, route, err)
			}
			got, faults := route.DecodeRequest(s.query, s.body)
			if faults != nil {
				t.Fatal(mediaconvert.Message(faults))
			}
			if diff := cmp.Diff(input.Interface(), got, ignoreSDK); diff != "" {
				t.Error(diff)
			}
		})
	}
}

type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

// sent carries a request out of a client that must not send it anywhere.
type sent struct{ captured }

func (*sent) Error() string { return "captured" }

func capture(t *testing.T, r *http.Request) captured {
	t.Helper()
	c := captured{method: r.Method, path: r.URL.EscapedPath(), query: r.URL.RawQuery}
	if r.Body != nil {
		var b strings.Builder
		if _, err := copyBody(&b, r); err != nil {
			t.Error(err)
		}
		c.body = []byte(b.String())
	}
	if _, err := url.ParseQuery(c.query); err != nil {
		t.Error(err)
	}
	return c
}
