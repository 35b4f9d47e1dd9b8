package api_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/google/go-cmp/cmp"

	"darkroom/internal/api"
	"darkroom/internal/job"
	"darkroom/internal/secret"
)

// stock puts n jobs into the queue, oldest first, of which every third is complete, and returns their ids.
func (b *bench) stock(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("15153680%05d-aaaaaa", i)
		j := &job.Job{ID: ids[i], Account: account, Queue: queueARN, Role: roleARN, Status: job.Submitted, Submitted: start, Settings: []byte("{}")}
		if i%3 == 0 {
			j.Status = job.Complete
		}
		b.queue.jobs[j.ID] = j
	}
	return ids
}

func TestListJobs(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	ids := b.stock(45)
	reversed := make([]string, len(ids))
	var complete []string
	for i, id := range ids {
		reversed[len(ids)-1-i] = id
		if i%3 == 0 {
			complete = append(complete, id)
		}
	}
	tests := []struct {
		name  string
		in    sdk.ListJobsInput
		want  []string
		pages int
	}{
		{"newest first", sdk.ListJobsInput{}, reversed, 3},
		{"newest first, said", sdk.ListJobsInput{Order: types.OrderDescending}, reversed, 3},
		{"oldest first", sdk.ListJobsInput{Order: types.OrderAscending}, ids, 3},
		{"small pages", sdk.ListJobsInput{Order: types.OrderAscending, MaxResults: aws.Int32(1)}, ids, 45},
		{"pages that end with the list", sdk.ListJobsInput{Order: types.OrderAscending, MaxResults: aws.Int32(15)}, ids, 3},
		{"status", sdk.ListJobsInput{Order: types.OrderAscending, Status: types.JobStatusComplete, MaxResults: aws.Int32(7)}, complete, 3},
		{"status that none has", sdk.ListJobsInput{Status: types.JobStatusError}, nil, 1},
		{"queue by name", sdk.ListJobsInput{Order: types.OrderAscending, Queue: aws.String("Default")}, ids, 3},
		{"queue by ARN", sdk.ListJobsInput{Order: types.OrderAscending, Queue: aws.String(queueARN)}, ids, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			pages := 0
			for p := sdk.NewListJobsPaginator(b.client("ROOT"), &tt.in); p.HasMorePages(); pages++ {
				page, err := p.NextPage(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, j := range page.Jobs {
					got = append(got, *j.Id)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if pages != tt.pages {
				t.Errorf("%d pages, want %d", pages, tt.pages)
			}
		})
	}
	t.Run("another account", func(t *testing.T) {
		t.Parallel()
		out, err := b.client("OTHER").ListJobs(t.Context(), &sdk.ListJobsInput{})
		if err != nil || len(out.Jobs) != 0 || out.NextToken != nil {
			t.Errorf("got %v %v", out, err)
		}
		if _, body := b.send("OTHER", "GET", "/2017-08-29/jobs", ""); body != `{"jobs":[]}` {
			t.Errorf("got %s", body)
		}
	})
}

func TestListJobsRefuses(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.stock(10)
	first, err := b.client("ROOT").ListJobs(t.Context(), &sdk.ListJobsInput{MaxResults: aws.Int32(2)})
	if err != nil {
		t.Fatal(err)
	}
	token := *first.NextToken
	next := "nextToken=" + url.QueryEscape(token)
	if resp, body := b.send("ROOT", "GET", "/2017-08-29/jobs?maxResults=1&"+next, ""); resp.StatusCode != 200 || !strings.Contains(body, "1515368000007-aaaaaa") {
		t.Fatalf("the token itself: %d %s", resp.StatusCode, body)
	}
	sealed, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("1515368000008")) || strings.Contains(token, "1515368000008") {
		t.Error("the token shows where the page ends")
	}
	tests := []struct{ name, key, query string }{
		{"empty token", "ROOT", "nextToken="},
		{"no base64", "ROOT", "nextToken=%21%21"},
		{"padded", "ROOT", next + "%3D"},
		{"the id itself", "ROOT", "nextToken=1515368000008-aaaaaa"},
		{"too long", "ROOT", "nextToken=" + strings.Repeat("A", 600)},
		{"of another account", "OTHER", next},
		{"of another order", "ROOT", "order=ASCENDING&" + next},
		{"of another status", "ROOT", "status=ERROR&" + next},
		{"of another queue", "ROOT", "queue=Default&" + next},
		{"page of nothing", "ROOT", "maxResults=0"},
		{"page too large", "ROOT", "maxResults=21"},
		{"no number", "ROOT", "maxResults=many"},
		{"unknown order", "ROOT", "order=RANDOM"},
		{"unknown status", "ROOT", "status=DONE"},
		{"unknown member", "ROOT", "page=2"},
	}
	for i := range sealed {
		altered := bytes.Clone(sealed)
		altered[i] ^= 1
		tests = append(tests, struct{ name, key, query string }{
			fmt.Sprintf("byte %d altered", i), "ROOT", "nextToken=" + base64.RawURLEncoding.EncodeToString(altered),
		})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			resp, body := b.send(tt.key, "GET", "/2017-08-29/jobs?"+tt.query, "")
			if resp.StatusCode != 400 || resp.Header.Get("X-Amzn-ErrorType") != "BadRequestException" {
				t.Errorf("got %d %s", resp.StatusCode, body)
			}
		})
	}
	t.Run("of another key", func(t *testing.T) {
		t.Parallel()
		other := newBench(t, func(o *api.Options) { o.TokenKey = secret.New(bytes.Repeat([]byte{2}, api.TokenKeySize)) })
		if resp, body := other.send("ROOT", "GET", "/2017-08-29/jobs?"+next, ""); resp.StatusCode != 400 {
			t.Errorf("got %d %s", resp.StatusCode, body)
		}
	})
	t.Run("unknown queue", func(t *testing.T) {
		t.Parallel()
		var notFound *types.NotFoundException
		if _, err := b.client("ROOT").ListJobs(t.Context(), &sdk.ListJobsInput{Queue: aws.String("other")}); !errors.As(err, &notFound) {
			t.Error(err)
		}
	})
}

func TestQueues(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.stock(6)
	b.queue.jobs["1515368000001-aaaaaa"].Status = job.Progressing
	created := start.Add(-time.Hour)
	want := types.Queue{
		Arn: aws.String(queueARN), Name: aws.String("Default"), Type: types.TypeSystem, Status: types.QueueStatusActive, PricingPlan: types.PricingPlanOnDemand,
		SubmittedJobsCount: aws.Int32(3), ProgressingJobsCount: aws.Int32(1), CreatedAt: &created, LastUpdated: &created,
	}
	same := func(got types.Queue) string {
		return cmp.Diff(want, got, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".noSmithyDocumentSerde" }, cmp.Ignore()))
	}
	c := b.client("ROOT")
	for _, name := range []string{"Default", queueARN} {
		got, err := c.GetQueue(t.Context(), &sdk.GetQueueInput{Name: &name})
		if err != nil {
			t.Fatal(err)
		}
		if diff := same(*got.Queue); diff != "" {
			t.Error(diff)
		}
	}
	list, err := c.ListQueues(t.Context(), &sdk.ListQueuesInput{ListBy: types.QueueListByName, Order: types.OrderAscending, MaxResults: aws.Int32(1)})
	if err != nil || len(list.Queues) != 1 || list.NextToken != nil {
		t.Fatalf("got %v %v", list, err)
	}
	if diff := same(list.Queues[0]); diff != "" {
		t.Error(diff)
	}
	var notFound *types.NotFoundException
	for _, name := range []string{"other", "default", "arn:aws:mediaconvert:us-east-1:111122223333:queues/Default", "a/b"} {
		if _, err := c.GetQueue(t.Context(), &sdk.GetQueueInput{Name: &name}); !errors.As(err, &notFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var bad *types.BadRequestException
	if _, err := c.ListQueues(t.Context(), &sdk.ListQueuesInput{NextToken: aws.String("x")}); !errors.As(err, &bad) {
		t.Errorf("token: %v", err)
	}
	// The default queue of an account that never had a job is there too.
	other, err := b.client("OTHER").GetQueue(t.Context(), &sdk.GetQueueInput{Name: aws.String("Default")})
	if err != nil || *other.Queue.Arn != "arn:aws:mediaconvert:eu-west-1:999988887777:queues/Default" || *other.Queue.SubmittedJobsCount != 0 {
		t.Errorf("got %v %v", other, err)
	}
}

func TestDescribeEndpoints(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	out, err := b.client("ROOT").DescribeEndpoints(t.Context(), &sdk.DescribeEndpointsInput{Mode: types.DescribeEndpointsModeGetOnly})
	if err != nil || len(out.Endpoints) != 1 || *out.Endpoints[0].Url != b.server.URL || out.NextToken != nil {
		t.Errorf("got %+v %v, want %s", out, err, b.server.URL)
	}
	var bad *types.BadRequestException
	if _, err := b.client("ROOT").DescribeEndpoints(t.Context(), &sdk.DescribeEndpointsInput{NextToken: aws.String("x")}); !errors.As(err, &bad) {
		t.Errorf("token: %v", err)
	}
	plain := httptest.NewServer(b.server.Config.Handler)
	t.Cleanup(plain.Close)
	secure := b.server
	b.server = plain
	if _, body := b.send("ROOT", "POST", "/2017-08-29/endpoints", "{}"); body != `{"endpoints":[{"url":"`+plain.URL+`"}]}` {
		t.Errorf("without TLS: %s", body)
	}
	b.server = secure
	if _, body := b.send("ROOT", "POST", "/2017-08-29/endpoints", ""); body != `{"endpoints":[{"url":"`+b.server.URL+`"}]}` {
		t.Errorf("without a body: %s", body)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	whole := api.Options{Queue: &fakeQueue{}, Roles: people{}, Certificates: shelf{}, Check: check, Probe: noProbe, Region: region, TokenKey: secret.New(make([]byte, api.TokenKeySize))}
	if _, err := api.New(whole); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*api.Options){
		"no queue": func(o *api.Options) { o.Queue = nil }, "no roles": func(o *api.Options) { o.Roles = nil }, "no certificates": func(o *api.Options) { o.Certificates = nil }, "no check": func(o *api.Options) { o.Check = nil }, "no probe": func(o *api.Options) { o.Probe = nil }, "no region": func(o *api.Options) { o.Region = "" },
		"no key": func(o *api.Options) { o.TokenKey = secret.Bytes{} }, "short key": func(o *api.Options) { o.TokenKey = secret.New(make([]byte, 16)) },
	} {
		o := whole
		edit(&o)
		if _, err := api.New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
