package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/audit"
	jobrecord "darkroom/internal/job"
	"darkroom/internal/store/sqlite"
)

// The run that is killed: how many jobs it has, of how many clients, and how often it is killed.
const (
	crashJobs    = 100
	crashClients = 4
	crashKills   = 10
	// crashDeadline bounds the run.
	crashDeadline = 4 * time.Minute
)

// life is the server between two starts.
type life struct {
	client *mediaconvert.Client
	over   chan struct{} // closed when the next life has begun
}

// crash is a run of many jobs on a server that is killed again and again.
type crash struct {
	s      *server
	ctx    context.Context
	random *rand.Rand

	mu       sync.Mutex // guards what follows
	now      *life
	answered int                        // calls
	kill     int                        // at how many answers the server is killed next
	killed   int                        // times
	told     chan struct{}              // it is time to kill
	jobs     map[string]bool            // that CreateJob has answered
	requests map[string]string          // answered calls, by request id
	ended    map[string]types.JobStatus // as GetJob has said
}

// call makes calls until one is answered, and counts the answer. A call that was cut off is not made again as it was: whether it has happened is for the records to say.
func (c *crash) call(what string, do func(m *mediaconvert.Client) (string, error)) bool {
	for c.ctx.Err() == nil {
		c.mu.Lock()
		life := c.now
		c.mu.Unlock()
		id, err := do(life.client)
		if err == nil {
			c.mu.Lock()
			c.requests[id] = what
			if c.answered++; c.answered == c.kill {
				close(c.told)
			}
			c.mu.Unlock()
			return true
		}
		if code(err) == "ConflictException" { // to cancel what has ended meanwhile
			return false
		}
		select {
		case <-life.over:
		case <-c.ctx.Done():
		}
	}
	return false
}

func (c *crash) next() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = &life{client: mediaconvert.NewFromConfig(c.s.config(), func(o *mediaconvert.Options) { o.RetryMaxAttempts = 1 }), over: make(chan struct{})}
	c.told, c.kill = make(chan struct{}), 0
	if c.killed < crashKills {
		// Most kills come while jobs are made, the others while they run.
		c.kill = c.answered + 1 + c.random.IntN(2*crashJobs/crashKills)
	}
}

// client makes its share of the jobs, cancels some, and waits for the others.
func (c *crash) client(n int) {
	for i := range crashJobs / crashClients {
		var id string
		if !c.call("CreateJob", func(m *mediaconvert.Client) (string, error) {
			out, err := m.CreateJob(c.ctx, request(c.s.t, job(short("s3://films/in/clip.mp4", fmt.Sprintf("s3://films/out/%d-%d/", n, i)))))
			if err != nil {
				return "", err
			}
			id = *out.Job.Id
			r, _ := awsmiddleware.GetRequestIDMetadata(out.ResultMetadata)
			return r, nil
		}) {
			return
		}
		c.mu.Lock()
		c.jobs[id] = true
		c.mu.Unlock()
		if i%10 != 0 {
			c.call("CancelJob", func(m *mediaconvert.Client) (string, error) {
				out, err := m.CancelJob(c.ctx, &mediaconvert.CancelJobInput{Id: &id})
				if err != nil {
					return "", err
				}
				r, _ := awsmiddleware.GetRequestIDMetadata(out.ResultMetadata)
				return r, nil
			})
		}
	}
}

// wait asks for all jobs until they have ended.
func (c *crash) wait() {
	tick := time.NewTicker(100 * time.Millisecond) // the API has no call that waits
	defer tick.Stop()
	for id := range c.jobs {
		for done := false; !done && c.ctx.Err() == nil; {
			c.call("GetJob", func(m *mediaconvert.Client) (string, error) {
				out, err := m.GetJob(c.ctx, &mediaconvert.GetJobInput{Id: &id})
				if err != nil {
					return "", err
				}
				if done = final(out.Job); done {
					c.ended[id] = out.Job.Status
				}
				r, _ := awsmiddleware.GetRequestIDMetadata(out.ResultMetadata)
				return r, nil
			})
			if !done {
				<-tick.C
			}
		}
	}
}

// everyJob returns all jobs on record.
func everyJob(t *testing.T, store *sqlite.Store) map[string]*jobrecord.Job {
	t.Helper()
	out := map[string]*jobrecord.Job{}
	for after := ""; ; {
		page, err := store.List(t.Context(), jobrecord.Query{Account: account, After: after, Ascending: true, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range page {
			out[j.ID], after = j, j.ID
		}
		if len(page) == 0 {
			return out
		}
	}
}

// check holds the records against the jobs and what was answered.
func (c *crash) check(when string) {
	t := c.s.t
	t.Helper()
	c.mu.Lock()
	requests, jobs := map[string]string{}, map[string]bool{}
	for k, v := range c.requests {
		requests[k] = v
	}
	for k := range c.jobs {
		jobs[k] = true
	}
	c.mu.Unlock()
	records := c.s.auditRecords()
	store := c.s.records()
	defer func() { _ = store.Close() }()
	onRecord := everyJob(t, store)
	perRequest, granted := map[string][]audit.Record{}, map[string]int{}
	events := map[string]bool{}
	for _, r := range records {
		if events[r.EventID] {
			t.Errorf("%s: the record %s is there twice", when, r.EventID)
		}
		events[r.EventID] = true
		if r.EventType == audit.APICall && r.EventSource == audit.Source("mediaconvert") {
			perRequest[r.RequestID] = append(perRequest[r.RequestID], r)
		}
		if r.EventName != "CreateJob" || r.Outcome() != audit.Granted {
			continue
		}
		var answer struct{ Job struct{ ID string } }
		if err := json.Unmarshal(r.ResponseElements, &answer); err != nil {
			t.Errorf("%s: a granted CreateJob without its answer: %v", when, err)
			continue
		}
		granted[answer.Job.ID]++
		j := onRecord[answer.Job.ID]
		if j == nil {
			t.Errorf("%s: a record speaks of the job %s, which is not there", when, answer.Job.ID)
		} else if j.RequestID != r.RequestID {
			t.Errorf("%s: the job %s is of the request %s, its record of %s", when, j.ID, j.RequestID, r.RequestID)
		}
	}
	for id := range onRecord {
		if granted[id] != 1 {
			t.Errorf("%s: the job %s has %d records of its CreateJob, want 1", when, id, granted[id])
		}
	}
	for id := range jobs {
		if onRecord[id] == nil {
			t.Errorf("%s: the job %s was answered and is not there", when, id)
		}
	}
	for id, what := range requests {
		if got := perRequest[id]; len(got) != 1 || got[0].EventName != what {
			t.Errorf("%s: the request %s was answered and has %d records, want one of %s", when, id, len(got), what)
		}
	}
}

// eventsOf reads what a file target was given: the states of each job, in the order in which they came first. An event that came again has the same id and the same bytes. STATUS_UPDATE and
// INPUT_INFORMATION are told again by who begins again, and left out.
func eventsOf(t *testing.T, path string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	states, seen := map[string][]string{}, map[string]string{}
	for line := range strings.Lines(string(text)) {
		if !strings.HasSuffix(line, "\n") {
			break // it is being written
		}
		var e struct {
			ID     string
			Detail struct{ JobID, Status string }
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if first, again := seen[e.ID]; again {
			if first != line {
				t.Errorf("event %s came again, and differs", e.ID)
			}
			continue
		}
		if seen[e.ID] = line; e.Detail.Status != "STATUS_UPDATE" && e.Detail.Status != "INPUT_INFORMATION" {
			states[e.Detail.JobID] = append(states[e.Detail.JobID], e.Detail.Status)
		}
	}
	return states
}

// checkEvents holds what came at the target against the jobs: each state once, in order; and nothing is left to be sent.
func (c *crash) checkEvents(path string) {
	t := c.s.t
	t.Helper()
	store := c.s.records()
	defer func() { _ = store.Close() }()
	states := eventsOf(t, path)
	if left, err := store.Events(t.Context(), 0, 10); err != nil || len(left) > 0 {
		t.Errorf("%d events are left in the outbox, %v", len(left), err)
	}
	if left, err := store.WaitingTargets(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("deliveries wait: %v, %v", left, err)
	}
	for id, j := range everyJob(t, store) {
		end := string(j.Status)
		want := [][]string{{"PROGRESSING", end}}
		if j.Status == jobrecord.Canceled {
			want = append(want, []string{end})
		}
		if j.Status == jobrecord.Errored && j.ErrorCode != 1999 { // begun three times, and killed each time
			t.Errorf("job %s: %d %s", id, j.ErrorCode, j.ErrorMessage)
		}
		if !slices.ContainsFunc(want, func(w []string) bool { return slices.Equal(w, states[id]) }) {
			t.Errorf("job %s: the target was told %v of a job that is %s", id, states[id], end)
		}
	}
}

// TestAuditKilled kills the server at random points of a run of many jobs. Nothing that was answered is without its one record, no record tells of what has not happened, and no event of a job
// is lost or told twice. SEED=N repeats a run's points.
func TestAuditKilled(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SEED=%d", seed)
	dir := t.TempDir()
	told := filepath.Join(dir, "events.ndjson")
	configuration := filepath.Join(dir, "darkroom.yaml")
	if err := os.WriteFile(configuration, []byte("events: {targets: [{name: log, type: file, path: '"+told+"'}]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, "--worker-concurrency", "2", "--config", configuration)
	s.aws("events", "put-rule", "--name", "jobs", "--event-pattern", `{"source":["aws.mediaconvert"]}`)
	s.aws("events", "put-targets", "--rule", "jobs", "--targets", "Id=log,Arn=arn:aws:events:us-east-1:"+account+":target/log")
	s.upload("films", "in/clip.mp4", film(t, "tiny.mp4", "-f", "lavfi", "-i", "testsrc2=s=64x48:r=5:d=0.4", "-f", "lavfi", "-i", "sine=f=440:r=48000:d=0.4", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-ac", "2"))
	ctx, cancel := context.WithTimeout(t.Context(), crashDeadline)
	defer cancel()
	c := &crash{s: s, ctx: ctx, random: rand.New(rand.NewPCG(seed, 1)), jobs: map[string]bool{}, requests: map[string]string{}, ended: map[string]types.JobStatus{}}
	c.next()
	killer := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(killer)
		for {
			c.mu.Lock()
			told, life := c.told, c.now
			c.mu.Unlock()
			select {
			case <-told:
			case <-done:
				return
			}
			s.kill()
			c.killed++
			c.check(fmt.Sprintf("after kill %d", c.killed))
			c.next()
			close(life.over)
		}
	}()
	var clients sync.WaitGroup
	for n := range crashClients {
		clients.Go(func() { c.client(n) })
	}
	clients.Wait()
	c.wait()
	close(done)
	<-killer
	if ctx.Err() != nil {
		t.Fatalf("the run has not ended in time, after %d kills", c.killed)
	}
	// Jobs that were made and not answered end too.
	for id := range everyJobOf(s) {
		s.until(id, final)
	}
	// The last events are on their way.
	for all := everyJobOf(s); ctx.Err() == nil; {
		states := eventsOf(t, told)
		if !slices.ContainsFunc(slices.Collect(maps.Keys(all)), func(id string) bool {
			n := len(states[id])
			return n == 0 || !final(&types.Job{Status: types.JobStatus(states[id][n-1])})
		}) {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.stop()
	c.check("at the end")
	c.checkEvents(told)
	counts := map[types.JobStatus]int{}
	for _, status := range c.ended {
		counts[status]++
	}
	t.Logf("%d kills, %d answered calls, jobs %v", c.killed, c.answered, counts)
	if len(c.jobs) != crashJobs || c.killed < crashKills/2 || counts[types.JobStatusComplete] == 0 {
		t.Errorf("%d jobs, %d kills, %v: the run was not what it is meant to be", len(c.jobs), c.killed, counts)
	}
}

// everyJobOf returns the jobs on record of a server that runs.
func everyJobOf(s *server) map[string]*jobrecord.Job {
	s.t.Helper()
	store := s.records()
	defer func() { _ = store.Close() }()
	return everyJob(s.t, store)
}
