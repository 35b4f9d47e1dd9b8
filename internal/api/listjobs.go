package api

import (
	"context"
	"strconv"

	mc "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/job"
	"darkroom/internal/mediaconvert"
)

// jobsPerPage is the size of a page where none is asked for, and the largest that can be.
const jobsPerPage = 20

// listJobs lists the newest jobs first, unless asked otherwise.
func (s *Service) listJobs(ctx context.Context, account string, in *mc.ListJobsInput) (*mc.ListJobsOutput, error) {
	q := job.Query{Account: account, Status: job.Status(in.Status), Ascending: in.Order == types.OrderAscending, Limit: jobsPerPage}
	if in.Queue != nil {
		queue, err := s.knownQueue(account, in.Queue)
		if err != nil {
			return nil, err
		}
		q.Queue = queue
	}
	if in.MaxResults != nil {
		q.Limit = int(*in.MaxResults)
	}
	list := listName(account, "ListJobs", q.Queue, string(q.Status), strconv.FormatBool(q.Ascending))
	if in.NextToken != nil {
		var ok bool
		if q.After, ok = s.tokens.open(*in.NextToken, list); !ok {
			return nil, badToken()
		}
	}
	page := q.Limit
	q.Limit++ // one more tells whether there is a next page
	jobs, err := s.queue.List(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &mc.ListJobsOutput{Jobs: []types.Job{}}
	if len(jobs) > page {
		jobs = jobs[:page]
		out.NextToken = ptr(s.tokens.seal(jobs[page-1].ID, list))
	}
	for _, j := range jobs {
		described, err := s.describeJob(j)
		if err != nil {
			return nil, err
		}
		out.Jobs = append(out.Jobs, *described)
	}
	return out, nil
}

func badToken() error {
	return mediaconvert.BadRequest("/nextToken: The token is not one that this list gave. Leave nextToken out to begin at the first page.")
}
