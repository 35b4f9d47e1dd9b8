package eventbus_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/audit"
	"darkroom/internal/event"
	"darkroom/internal/eventbus"
	"darkroom/internal/store"
	"darkroom/internal/target"
)

const everything = `{"account":[{"exists":true}]}`

// bodies are those of messages.
func bodies(all []target.Message) []string {
	var out []string
	for _, m := range all {
		out = append(out, string(m.Body))
	}
	return out
}

// TestDispatch: an event goes to each target of each rule that it matches, once, as it is or as the target wants it.
func TestDispatch(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.rule(account, "all", everything, eventbus.Target{ID: "a", ARN: queue}, eventbus.Target{ID: "b", ARN: queue + "-input", Input: ptr(`{"fixed":1}`)},
		eventbus.Target{ID: "c", ARN: queue + "-path", InputPath: ptr("$.detail.n")},
		eventbus.Target{ID: "d", ARN: queue + "-text", Transformer: &eventbus.Transformer{Paths: map[string]string{"n": "$.detail.n", "none": "$.detail.other"}, Template: `{"n":<n>,"rule":"<aws.events.rule-name>","none":<none>}`}})
	b.rule(account, "none", `{"source":["others"]}`, eventbus.Target{ID: "a", ARN: queue + "-none"})
	b.rule(account, "off", everything, eventbus.Target{ID: "a", ARN: queue + "-off"})
	if err := b.EnableRule(t.Context(), account, "off", false); err != nil {
		t.Fatal(err)
	}
	b.rule(other, "theirs", everything, eventbus.Target{ID: "a", ARN: strings.Replace(queue, account, other, 1) + "-theirs"})
	b.run()
	id := b.put(account, 7)
	if d := cmp.Diff([]string{"delivered", "delivered", "delivered", "delivered"}, b.over(4)); d != "" {
		t.Errorf("deliveries (-want +got):\n%s", d)
	}
	whole := b.world.to("queue")
	if len(whole) != 1 || whole[0].ID != id || whole[0].Attempt != 1 || whole[0].Subject != "" || !strings.Contains(string(whole[0].Body), `"detail":{"n":7}`) || !strings.Contains(string(whole[0].Body), `"region":"us-east-1"`) {
		t.Errorf("the event: %+v", whole)
	}
	for to, want := range map[string]string{"queue-input": `{"fixed":1}`, "queue-path": `7`, "queue-text": `{"n":7,"rule":"all","none":""}`} {
		if d := cmp.Diff([]string{want}, bodies(b.world.to(to))); d != "" {
			t.Errorf("%s (-want +got):\n%s", to, d)
		}
	}
	for _, to := range []string{"queue-none", "queue-off", "queue-theirs"} {
		if got := b.world.to(to); len(got) != 0 {
			t.Errorf("%s was sent %v", to, bodies(got))
		}
	}
	b.halt()
	if n := b.Backlog(); n != 0 {
		t.Errorf("%d deliveries wait", n)
	}
}

// TestUnreadable: an event that cannot be read, as a broken worker might have made it, holds up none behind it, and that it is dropped is recorded.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.rule(account, "all", everything, eventbus.Target{ID: "a", ARN: queue})
	deep := json.RawMessage(strings.Repeat(`{"a":`, 700) + "1" + strings.Repeat("}", 700))
	if err := b.records.Emit(t.Context(), time.Now(), store.Event{Account: account, JobID: "j", Status: "COMPLETE", Time: time.Now(), Detail: deep}); err != nil {
		t.Fatal(err)
	}
	b.run()
	b.put(account, 7)
	b.over(1)
	if got := b.world.to("queue"); len(got) != 1 || !strings.Contains(string(got[0].Body), `{"n":7}`) {
		t.Errorf("sent: %v", bodies(got))
	}
	b.halt()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.told) != 1 || b.told[0].Action != "DropEvent" || b.told[0].Outcome != audit.Failed || len(b.told[0].Resources) != 1 || !strings.HasSuffix(b.told[0].Resources[0], ":jobs/j") {
		t.Errorf("told: %+v", b.told)
	}
}

// TestOrder: the events of a job stay in order though attempts fail, and wait for no other job.
func TestOrder(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.rule(account, "all", everything, eventbus.Target{ID: "a", ARN: queue})
	stuck := make(chan struct{})
	b.world.answers("queue", func(ctx context.Context, m target.Message) error {
		switch {
		case m.Subject == "stuck":
			select {
			case <-stuck:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		case m.Attempt == 1: // each fails once
			return errors.New("not now")
		}
		return nil
	})
	b.ofJob("stuck", event.Progressing)
	states := []event.Status{event.Progressing, event.InputInformation, event.StatusUpdate, event.Complete}
	for _, status := range states {
		for job := range 3 {
			b.ofJob(fmt.Sprint("job", job), status)
		}
	}
	b.run()
	b.over(12)
	for job := range 3 {
		var got []string
		for _, m := range b.world.to("queue") {
			if m.Subject == fmt.Sprint("job", job) {
				for _, status := range states {
					if strings.Contains(string(m.Body), `"`+string(status)+`"`) {
						got = append(got, fmt.Sprint(status, m.Attempt))
					}
				}
			}
		}
		want := []string{"PROGRESSING1", "PROGRESSING2", "INPUT_INFORMATION1", "INPUT_INFORMATION2", "STATUS_UPDATE1", "STATUS_UPDATE2", "COMPLETE1", "COMPLETE2"}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("job %d (-want +got):\n%s", job, d)
		}
	}
	close(stuck)
	b.over(13)
}

// TestUnbounded: how long an attempt may take is the sender's to say: a program may run for longer than a web server is waited for.
func TestUnbounded(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.rule(account, "all", everything, eventbus.Target{ID: "a", ARN: queue})
	b.world.answers("queue", func(ctx context.Context, _ target.Message) error {
		if deadline, bounded := ctx.Deadline(); bounded {
			return &target.Refused{Reason: "not after " + deadline.String()}
		}
		return nil
	})
	b.run()
	b.put(account, 1)
	if d := cmp.Diff([]string{"delivered"}, b.over(1)); d != "" {
		t.Errorf("deliveries (-want +got):\n%s", d)
	}
}

// TestSlow: a target that hangs holds up no other; a stop does not wait for it, and what was not taken is sent after the next start, with the same id and body.
func TestSlow(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.rule(account, "slow", everything, eventbus.Target{ID: "a", ARN: queue + "-slow"})
	b.rule(account, "fast", everything, eventbus.Target{ID: "a", ARN: queue})
	b.world.answers("queue-slow", func(ctx context.Context, _ target.Message) error {
		<-ctx.Done()
		return ctx.Err()
	})
	b.run()
	const n = 50
	for i := range n {
		b.put(account, i)
	}
	b.until("the fast one", "queue", atLeast(n))
	first := b.until("the slow one", "queue-slow", atLeast(8))
	b.over(n)
	if len(first) > 8 {
		t.Errorf("%d attempts at the same time", len(first))
	}
	b.again()
	b.world.answers("queue-slow", nil)
	b.run()
	b.over(2 * n)
	seen := map[string]string{}
	for _, m := range b.world.to("queue-slow") {
		if body, ok := seen[m.ID]; ok && body != string(m.Body) {
			t.Errorf("event %s has two bodies", m.ID)
		}
		if seen[m.ID] = string(m.Body); m.Attempt != 1 {
			t.Errorf("an attempt that was stopped counts: %d", m.Attempt)
		}
	}
	if len(seen) != n || len(b.world.to("queue")) != n {
		t.Errorf("%d events came to the slow target, and %d to the fast", len(seen), len(b.world.to("queue")))
	}
}

// TestDeadLetters: what a target does not take goes, by its policy, to its queue, then to the bucket, and is else kept and told.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		target   eventbus.Target
		bucket   bool
		answer   func(ctx context.Context, m target.Message) error
		letters  error // what the queue of dead letters answers
		attempts int
		over     []string
		queue    map[string]string // header of the dead letter in the queue, without the ARNs
		inBucket int
	}{
		{
			"refused, to the queue",
			eventbus.Target{DeadLetterARN: dead},
			true, func(context.Context, target.Message) error { return &target.Refused{Reason: "HTTP 400"} }, nil, 1,
			[]string{"delivered", "moved TARGET_REFUSED: HTTP 400"},
			map[string]string{"ERROR_CODE": "TARGET_REFUSED", "ERROR_MESSAGE": "the target does not take the event: HTTP 400", "RETRY_ATTEMPTS": "0"},
			0,
		},
		{
			"refused, to the bucket",
			eventbus.Target{},
			true, func(context.Context, target.Message) error { return &target.Refused{Reason: "HTTP 400"} }, nil, 1,
			[]string{"delivered", "moved TARGET_REFUSED: HTTP 400"},
			nil, 1,
		},
		{
			"refused, and nowhere to go",
			eventbus.Target{},
			false, func(context.Context, target.Message) error { return &target.Refused{Reason: "HTTP 400"} }, nil, 1,
			[]string{"failed TARGET_REFUSED: HTTP 400"},
			nil, 0,
		},
		{
			"no retries",
			eventbus.Target{Retries: ptr(0), DeadLetterARN: dead},
			false, func(context.Context, target.Message) error { return errors.New("not now") }, nil, 1,
			[]string{"delivered", "moved TARGET_FAILED: not now"},
			map[string]string{"ERROR_CODE": "TARGET_FAILED", "ERROR_MESSAGE": "the target could not be reached, or answered that it cannot take the event now", "RETRY_ATTEMPTS": "0", "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts"},
			0,
		},
		{
			"three retries",
			eventbus.Target{Retries: ptr(3), DeadLetterARN: dead},
			false, func(context.Context, target.Message) error { return errors.New("not now") }, nil, 4,
			[]string{"delivered", "moved TARGET_FAILED: not now"},
			map[string]string{"ERROR_CODE": "TARGET_FAILED", "ERROR_MESSAGE": "the target could not be reached, or answered that it cannot take the event now", "RETRY_ATTEMPTS": "3", "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts"},
			0,
		},
		{
			"the queue refuses, to the bucket",
			eventbus.Target{DeadLetterARN: dead},
			true, func(context.Context, target.Message) error { return &target.Refused{Reason: "HTTP 400"} }, &target.Refused{Reason: "no such queue"}, 1,
			[]string{"delivered", "moved TARGET_REFUSED: HTTP 400", "moved TARGET_REFUSED: no such queue"},
			map[string]string{"ERROR_CODE": "TARGET_REFUSED", "ERROR_MESSAGE": "the target does not take the event: HTTP 400", "RETRY_ATTEMPTS": "0"},
			1,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, func(o *eventbus.Options) { o.DeadLetterBucket = c.bucket })
			c.target.ID, c.target.ARN = "a", queue
			b.rule(account, "all", everything, c.target)
			b.world.answers("queue", c.answer)
			b.world.answers("dead", func(context.Context, target.Message) error { return c.letters })
			b.run()
			id := b.put(account, 1)
			if d := cmp.Diff(c.over, b.over(len(c.over))); d != "" {
				t.Errorf("deliveries (-want +got):\n%s", d)
			}
			attempts := b.world.to("queue")
			if len(attempts) != c.attempts {
				t.Errorf("%d attempts, want %d", len(attempts), c.attempts)
			}
			letters := b.world.to("dead")
			if len(letters) > 0 {
				h := letters[0].Header
				if letters[0].ID != id || string(letters[0].Body) != string(attempts[0].Body) || h["RULE_ARN"] != "arn:aws:events:us-east-1:"+account+":rule/all" || h["TARGET_ARN"] != queue {
					t.Errorf("dead letter: %+v", letters[0])
				}
				delete(h, "RULE_ARN")
				delete(h, "TARGET_ARN")
				if d := cmp.Diff(c.queue, h); d != "" {
					t.Errorf("header (-want +got):\n%s", d)
				}
			} else if c.queue != nil {
				t.Error("no dead letter")
			}
			if got := b.world.to(eventbus.DeadLetterBucket); len(got) != c.inBucket {
				t.Errorf("%d in the bucket, want %d", len(got), c.inBucket)
			}
			b.halt()
			if len(b.told) == 0 || b.told[0].Service != "events" || b.told[0].Action != "GiveUpDelivery" || len(b.told[0].Resources) == 0 {
				t.Errorf("records: %+v", b.told)
			}
		})
	}
}

// TestGone: a target that is gone is sent nothing more, until it is put anew.
func TestGone(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.rule(account, "all", everything, eventbus.Target{ID: "a", ARN: queue, DeadLetterARN: dead})
	b.world.answers("queue", func(context.Context, target.Message) error { return &target.Refused{Gone: true, Reason: "HTTP 410"} })
	b.run()
	b.put(account, 1)
	b.over(2)
	for n := range 5 {
		b.put(account, n)
	}
	b.over(12)
	if got := b.world.to("queue"); len(got) != 1 {
		t.Errorf("%d attempts at a target that is gone", len(got))
	}
	if got := b.world.to("dead"); len(got) != 6 || got[5].Header["ERROR_CODE"] != "TARGET_GONE" {
		t.Errorf("%d dead letters: %+v", len(got), got)
	}
	b.again() // it stays so
	b.run()
	b.put(account, 10)
	b.over(14)
	if got := b.world.to("queue"); len(got) != 1 {
		t.Errorf("%d attempts after a start", len(got))
	}
	b.world.answers("queue", nil)
	b.rule(account, "all", everything, eventbus.Target{ID: "a", ARN: queue, DeadLetterARN: dead})
	b.put(account, 11)
	b.until("put anew", "queue", atLeast(2))
}

// TestExpiry: an event that is too old is not sent any more, and one that asks for later is tried before its time is over.
func TestExpiry(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.rule(account, "all", everything, eventbus.Target{ID: "a", ARN: queue, DeadLetterARN: dead, MaxAge: ptr(60)})
	b.put(account, 1)
	failed := make(chan struct{}, 1)
	b.world.answers("queue", func(context.Context, target.Message) error {
		failed <- struct{}{}
		return &target.Later{After: time.Hour, Err: errors.New("HTTP 503")}
	})
	b.run()
	<-failed
	for waiting := true; waiting; { // until it is written down
		first, err := b.records.FirstDeliveries(t.Context(), "rule/"+account+"/all/a", 1)
		if err != nil {
			t.Fatal(err)
		}
		waiting = len(first) == 0 || first[0].Attempts == 0
		if !waiting && first[0].Due.Sub(first[0].Enqueued) > time.Minute+time.Second {
			t.Errorf("due %v after it came", first[0].Due.Sub(first[0].Enqueued))
		}
	}
	b.again()
	b.mu.Lock()
	b.clock = 2 * time.Minute
	b.mu.Unlock()
	b.run()
	if d := cmp.Diff([]string{"delivered", "moved EVENT_EXPIRED: HTTP 503"}, b.over(2)); d != "" {
		t.Errorf("deliveries (-want +got):\n%s", d)
	}
	if got := b.world.to("dead"); len(got) != 1 || got[0].Header["EXHAUSTED_RETRY_CONDITION"] != "MaximumEventAgeInSeconds" || strings.Contains(got[0].Header["ERROR_MESSAGE"], "503") {
		t.Errorf("dead letters: %+v", got)
	}
}

// TestRemoved: what waits for a target that is taken away is dropped, and said to be.
func TestRemoved(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.rule(account, "all", everything, eventbus.Target{ID: "a", ARN: queue})
	b.world.answers("queue", func(ctx context.Context, _ target.Message) error {
		<-ctx.Done()
		return ctx.Err()
	})
	b.run()
	b.ofJob("job", event.Progressing)
	b.ofJob("job", event.Complete)
	b.until("the first", "queue", atLeast(1))
	b.halt()
	if failed, err := b.RemoveTargets(t.Context(), account, "all", []string{"a", "b"}); err != nil || len(failed) != 1 || failed[0].ID != "b" {
		t.Errorf("removed: %+v, %v", failed, err)
	}
	b.again()
	b.run()
	if d := cmp.Diff([]string{"dropped the target was taken away", "dropped the target was taken away"}, b.over(2)); d != "" {
		t.Errorf("deliveries (-want +got):\n%s", d)
	}
}

// TestInterrupted: whenever the dispatcher stops, each event is delivered to each target, and moved to it once.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.rule(account, "all", everything, eventbus.Target{ID: "a", ARN: queue}, eventbus.Target{ID: "b", ARN: queue + "-b"})
	const n = 60
	for i := range n {
		b.ofJob(fmt.Sprint("job", i%3), event.StatusUpdate)
	}
	for i := range 10 {
		b.run()
		b.until("some", "queue", atLeast(5*(i+1)))
		b.again()
	}
	b.run()
	over := b.over(2 * n)
	if len(over) != 2*n {
		t.Errorf("%d deliveries, want %d", len(over), 2*n)
	}
	for _, to := range []string{"queue", "queue-b"} {
		ids := map[string]bool{}
		for _, m := range b.world.to(to) {
			ids[m.ID] = true
		}
		if len(ids) != n {
			t.Errorf("%s was sent %d events, want %d", to, len(ids), n)
		}
	}
}
