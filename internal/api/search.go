package api

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	mc "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/job"
	"darkroom/internal/mediaconvert"
)

// Limits of what is searched for.
const (
	maxInputFile    = 300 // characters, of SearchJobs
	maxFilters      = 10
	maxFilterValues = 20
	// queryLife is how long the results of a jobs query can be asked for.
	queryLife = 24 * time.Hour
)

// facetsOf is what a job is found by. An input is found by its whole location, its file name, and its name without extension.
func facetsOf(settings *types.JobSettings, engine string) []job.Facet {
	values := map[string][]string{}
	add := func(name, v string) {
		if v != "" && !slices.Contains(values[name], v) {
			values[name] = append(values[name], v)
		}
	}
	for _, in := range settings.Inputs {
		uri := value(in.FileInput)
		if uri == "" {
			continue
		}
		base := path.Base(uri)
		add(job.FacetInput, uri)
		add(job.FacetInput, base)
		add(job.FacetInput, strings.TrimSuffix(base, path.Ext(base)))
	}
	for _, g := range settings.OutputGroups {
		for _, o := range g.Outputs {
			if o.VideoDescription != nil && o.VideoDescription.CodecSettings != nil {
				add(job.FacetVideoCodec, string(o.VideoDescription.CodecSettings.Codec))
			}
			for _, a := range o.AudioDescriptions {
				if a.CodecSettings != nil {
					add(job.FacetAudioCodec, string(a.CodecSettings.Codec))
				}
			}
		}
	}
	add(job.FacetEngine, engine)
	var out []job.Facet
	for _, name := range []string{job.FacetInput, job.FacetVideoCodec, job.FacetAudioCodec, job.FacetEngine} {
		if len(values[name]) > 0 {
			out = append(out, job.Facet{Name: name, Values: values[name]})
		}
	}
	return out
}

// jobPage reads a page of jobs; list names what selects and orders it.
func (s *Service) jobPage(ctx context.Context, q job.Query, list string, most *int32, token *string) ([]types.Job, *string, error) {
	if token != nil {
		var ok bool
		if q.After, ok = s.tokens.open(*token, list); !ok {
			return nil, nil, badToken()
		}
	}
	size := jobsPerPage
	if most != nil {
		size = int(*most)
	}
	q.Limit = size + 1 // one more tells whether there is a next page
	jobs, err := s.queue.List(ctx, q)
	if err != nil {
		return nil, nil, err
	}
	var next *string
	if len(jobs) > size {
		jobs = jobs[:size]
		next = ptr(s.tokens.seal(jobs[size-1].ID, list))
	}
	out := []types.Job{}
	for _, j := range jobs {
		described, err := s.describeJob(j)
		if err != nil {
			return nil, nil, err
		}
		out = append(out, *described)
	}
	return out, next, nil
}

// listOf names a list of jobs by everything that selects and orders it.
func listOf(operation string, q job.Query) string {
	parts := []string{q.Queue, string(q.Status), strconv.FormatBool(q.Ascending)}
	for _, f := range q.Facets {
		parts = append(parts, f.Name, strconv.Itoa(len(f.Values)))
		parts = append(parts, f.Values...)
	}
	return listName(q.Account, operation, parts...)
}

// listJobs lists the newest jobs first, unless asked otherwise.
func (s *Service) listJobs(ctx context.Context, account string, in *mc.ListJobsInput) (*mc.ListJobsOutput, error) {
	q := job.Query{Account: account, Status: job.Status(in.Status), Ascending: in.Order == types.OrderAscending}
	if err := s.narrow(ctx, &q, in.Queue); err != nil {
		return nil, err
	}
	jobs, next, err := s.jobPage(ctx, q, listOf("ListJobs", q), in.MaxResults, in.NextToken)
	return &mc.ListJobsOutput{Jobs: jobs, NextToken: next}, err
}

// narrow selects a queue, which must exist.
func (s *Service) narrow(ctx context.Context, q *job.Query, queue *string) error {
	if queue == nil {
		return nil
	}
	name, err := s.knownQueue(ctx, q.Account, queue)
	q.Queue = name
	return err
}

func (s *Service) searchJobs(ctx context.Context, account string, in *mc.SearchJobsInput) (*mc.SearchJobsOutput, error) {
	q := job.Query{Account: account, Status: job.Status(in.Status), Ascending: in.Order == types.OrderAscending}
	if err := s.narrow(ctx, &q, in.Queue); err != nil {
		return nil, err
	}
	if in.InputFile != nil {
		if n := len(*in.InputFile); n == 0 || n > maxInputFile || strings.ContainsRune(*in.InputFile, 0) {
			return nil, mediaconvert.BadRequest(fmt.Sprintf("/inputFile: Should have 1 to %d characters", maxInputFile))
		}
		q.Facets = []job.Facet{{Name: job.FacetInput, Values: []string{*in.InputFile}}}
	}
	jobs, next, err := s.jobPage(ctx, q, listOf("SearchJobs", q), in.MaxResults, in.NextToken)
	return &mc.SearchJobsOutput{Jobs: jobs, NextToken: next}, err
}

// jobsQuery is what the id of a jobs query holds, sealed: nothing is kept for it, and nobody can make one.
type jobsQuery struct {
	Facets    []job.Facet `json:"f,omitempty"`
	Queue     string      `json:"q,omitempty"`
	Status    job.Status  `json:"s,omitempty"`
	Ascending bool        `json:"a,omitempty"`
	Most      *int32      `json:"m,omitempty"`
	Token     *string     `json:"t,omitempty"`
	Until     int64       `json:"u"` // seconds since the epoch
}

const jobsQueryList = "StartJobsQuery"

// startJobsQuery judges the filters; the records are read when the results are asked for.
func (s *Service) startJobsQuery(ctx context.Context, account string, in *mc.StartJobsQueryInput) (*mc.StartJobsQueryOutput, error) {
	q := jobsQuery{Ascending: in.Order == types.OrderAscending, Most: in.MaxResults, Token: in.NextToken, Until: s.now().Add(queryLife).Unix()}
	var faults []mediaconvert.Fault
	fail := func(path, rule string) { faults = append(faults, ruleFault(path, rule)) }
	if len(in.FilterList) > maxFilters {
		fail("/filterList", fmt.Sprintf("Should have at most %d items (was %d)", maxFilters, len(in.FilterList)))
		in.FilterList = nil
	}
	seen := map[types.JobsQueryFilterKey]bool{}
	for i, f := range in.FilterList {
		at := "/filterList/" + strconv.Itoa(i)
		switch {
		case f.Key == "":
			fail(at, "key is a required property")
			continue
		case seen[f.Key]:
			fail(at+"/key", "Each key can be given once")
			continue
		case len(f.Values) == 0 || len(f.Values) > maxFilterValues:
			fail(at+"/values", fmt.Sprintf("Should have 1 to %d items (was %d)", maxFilterValues, len(f.Values)))
			continue
		case slices.ContainsFunc(f.Values, func(v string) bool { return v == "" || len(v) > maxInputFile || strings.ContainsRune(v, 0) }):
			fail(at+"/values", fmt.Sprintf("Each should have 1 to %d characters", maxInputFile))
			continue
		}
		seen[f.Key] = true
		switch f.Key {
		case types.JobsQueryFilterKeyQueue, types.JobsQueryFilterKeyStatus:
			if len(f.Values) != 1 {
				fail(at+"/values", "Should have 1 item for this key")
				continue
			}
			if f.Key == types.JobsQueryFilterKeyStatus {
				if !slices.Contains(types.JobStatus("").Values(), types.JobStatus(f.Values[0])) {
					fail(at+"/values/0", "Should be one of the statuses of jobs")
				}
				q.Status = job.Status(f.Values[0])
				continue
			}
			name, err := s.knownQueue(ctx, account, &f.Values[0])
			if err != nil {
				return nil, err
			}
			q.Queue = name
		default:
			q.Facets = append(q.Facets, job.Facet{Name: string(f.Key), Values: f.Values})
		}
	}
	if len(faults) > 0 {
		return nil, mediaconvert.BadRequest(mediaconvert.Message(faults))
	}
	text, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	id := s.tokens.seal(string(text), listName(account, jobsQueryList))
	if len(id) > maxQueryID {
		return nil, mediaconvert.BadRequest("/filterList: The filters are too long together.")
	}
	return &mc.StartJobsQueryOutput{Id: &id}, nil
}

// maxQueryID is how many characters the id of a query may have, which travels in a path.
const maxQueryID = 2000

func (s *Service) getJobsQueryResults(ctx context.Context, account string, in *mc.GetJobsQueryResultsInput) (*mc.GetJobsQueryResultsOutput, error) {
	gone := mediaconvert.NotFound("The jobs query does not exist, or was started more than " + strconv.Itoa(int(queryLife.Hours())) + " hours ago. Start another.")
	text, ok := s.tokens.openLong(*in.Id, listName(account, jobsQueryList), maxQueryID)
	var stored jobsQuery
	if !ok || json.Unmarshal([]byte(text), &stored) != nil || s.now().Unix() > stored.Until {
		return nil, gone
	}
	q := job.Query{Account: account, Queue: stored.Queue, Status: stored.Status, Ascending: stored.Ascending, Facets: stored.Facets}
	jobs, next, err := s.jobPage(ctx, q, listOf(jobsQueryList, q), stored.Most, stored.Token)
	if err != nil {
		return nil, err
	}
	return &mc.GetJobsQueryResultsOutput{Jobs: jobs, NextToken: next, Status: types.JobsQueryStatusComplete}, nil
}
