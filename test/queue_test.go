package test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// TestQueuesAtWork has real jobs keep to the limits of their queues, in the order of their priority, and hop when they waited too long.
func TestQueuesAtWork(t *testing.T) {
	t.Parallel()
	s := serve(t, "--worker-concurrency", "3")
	s.upload("films", "in/clip.mp4", clip(t, 4))
	c, ctx := s.mediaconvert(), t.Context()
	queue := func(in *mediaconvert.CreateQueueInput) string {
		t.Helper()
		out, err := c.CreateQueue(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		return *out.Queue.Arn
	}
	reserved := queue(&mediaconvert.CreateQueueInput{Name: aws.String("reserved"), Status: types.QueueStatusPaused, PricingPlan: types.PricingPlanReserved, ReservationPlanSettings: &types.ReservationPlanSettings{
		Commitment: types.CommitmentOneYear, RenewalType: types.RenewalTypeExpire, ReservedSlots: aws.Int32(1),
	}})
	paused := queue(&mediaconvert.CreateQueueInput{Name: aws.String("paused"), Status: types.QueueStatusPaused})
	submit := func(queue string, priority int, destination, more string) string {
		t.Helper()
		var body map[string]any
		if err := json.Unmarshal([]byte(job(short("s3://films/in/clip.mp4", "s3://films/out/"+destination))), &body); err != nil {
			t.Fatal(err)
		}
		body["Queue"], body["Priority"] = queue, priority
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		return s.submit(strings.TrimSuffix(string(text), "}") + more + "}")
	}

	// The one that hops waits a minute meanwhile.
	hops := submit(paused, 0, "hops/", `,"HopDestinations":[{"WaitMinutes":1,"Queue":"reserved","Priority":7}]`)
	queue(&mediaconvert.CreateQueueInput{Name: aws.String("gone")})
	fails := submit(paused, 0, "fails/", `,"HopDestinations":[{"WaitMinutes":1,"Queue":"gone"}]`)
	if _, err := c.DeleteQueue(ctx, &mediaconvert.DeleteQueueInput{Name: aws.String("gone")}); err != nil {
		t.Fatal(err)
	}
	stays := submit(paused, 0, "stays/", "")

	// One slot: one job at a time, by priority, though the worker has room for three.
	low := submit(reserved, -3, "low/", "")
	middle := submit(reserved, 0, "middle/", "")
	high := submit(reserved, 3, "high/", "")
	free := submit("Default", 0, "free/", "")
	if got, err := c.GetQueue(ctx, &mediaconvert.GetQueueInput{Name: aws.String("reserved")}); err != nil || *got.Queue.SubmittedJobsCount != 3 || *got.Queue.ProgressingJobsCount != 0 {
		t.Errorf("a paused queue: %+v, %v", got, err)
	}
	s.finish(free) // a paused queue holds up nobody else
	if _, err := c.UpdateQueue(ctx, &mediaconvert.UpdateQueueInput{Name: aws.String("reserved"), Status: types.QueueStatusActive}); err != nil {
		t.Fatal(err)
	}
	var last *types.Job
	for _, id := range []string{high, middle, low} {
		j := s.finish(id)
		if last != nil && j.Timing.StartTime.Before(last.Timing.FinishTime.Truncate(time.Second)) {
			t.Errorf("%s began at %s, before %s ended at %s", id, j.Timing.StartTime, *last.Id, last.Timing.FinishTime)
		}
		last = j
	}

	j := s.finish(hops)
	if len(j.QueueTransitions) != 1 || aws.ToString(j.QueueTransitions[0].SourceQueue) != paused || aws.ToString(j.QueueTransitions[0].DestinationQueue) != reserved ||
		aws.ToString(j.Queue) != reserved || aws.ToInt32(j.Priority) != 7 || len(j.Warnings) != 0 {
		t.Errorf("the job that hopped: queue %s, priority %d, transitions %s, warnings %s", aws.ToString(j.Queue), aws.ToInt32(j.Priority), asJSON(t, j.QueueTransitions), asJSON(t, j.Warnings))
	}
	if waited := j.Timing.StartTime.Sub(*j.Timing.SubmitTime); waited < 59*time.Second {
		t.Errorf("it hopped after %s", waited)
	}

	// What still waits can be canceled, and never runs.
	if _, err := c.CancelJob(ctx, &mediaconvert.CancelJobInput{Id: &stays}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UpdateQueue(ctx, &mediaconvert.UpdateQueueInput{Name: aws.String("paused"), Status: types.QueueStatusActive}); err != nil {
		t.Fatal(err)
	}
	s.finish(submit(paused, 0, "after/", ""))
	if j := s.finish(fails); len(j.Warnings) != 1 || aws.ToInt32(j.Warnings[0].Code) != 100000 || len(j.QueueTransitions) != 0 || aws.ToString(j.Queue) != paused {
		t.Errorf("the job whose destination is gone: queue %s, transitions %s, warnings %s", aws.ToString(j.Queue), asJSON(t, j.QueueTransitions), asJSON(t, j.Warnings))
	}
	if got, err := c.GetJob(ctx, &mediaconvert.GetJobInput{Id: &stays}); err != nil || got.Job.Status != types.JobStatusCanceled || got.Job.Timing.StartTime != nil {
		t.Errorf("the canceled job: %+v, %v", got, err)
	}
	if left := files(t, s.download("films", "out/stays/")); len(left) != 0 {
		t.Errorf("the canceled job left %v", left)
	}
}
