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

	"darkroom/internal/event"
	"darkroom/internal/eventbus"
	"darkroom/internal/secret"
	"darkroom/internal/store"
)

// TestPut: what is empty is filled in, and what does not belong on the bus of an account is refused.
func TestPut(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	ctx := t.Context()
	good := event.Event{Source: "s", DetailType: "t", Detail: json.RawMessage(`{}`)}
	with := func(change func(*event.Event)) []event.Event {
		e := good
		change(&e)
		return []event.Event{e}
	}
	for _, c := range []struct {
		name, says string
		account    string
		events     []event.Event
	}{
		{"another account", "cannot be put on the bus", account, with(func(e *event.Event) { e.Account = other })},
		{"another Region", "cannot be put on a bus of Region", account, with(func(e *event.Event) { e.Region = "eu-west-1" })},
		{"no source", "a source and a detail type", account, with(func(e *event.Event) { e.Source = "" })},
		{"no detail type", "a source and a detail type", account, with(func(e *event.Event) { e.DetailType = "" })},
		{"no JSON", "not JSON", account, with(func(e *event.Event) { e.Detail = json.RawMessage(`{`) })},
		{"too long", "longer than", account, with(func(e *event.Event) { e.Detail = json.RawMessage(`"` + strings.Repeat("x", eventbus.MaxEvent) + `"`) })},
		{"an account that is none", "no such account", "000000000001", with(func(*event.Event) {})},
		{"one of two", "not JSON", account, append(with(func(*event.Event) {}), with(func(e *event.Event) { e.Detail = json.RawMessage(`{`) })...)},
	} {
		if err := b.Put(ctx, c.account, c.events); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.says)
		}
	}
	if all, err := b.records.Events(ctx, 0, 10); err != nil || len(all) != 0 {
		t.Errorf("outbox: %+v, %v", all, err)
	}
	events := []event.Event{good}
	if err := b.Put(ctx, account, events); err != nil {
		t.Fatal(err)
	}
	if e := events[0]; e.ID == "" || e.Version != "0" || e.Account != account || e.Region != region || e.Time.IsZero() || e.Time.Nanosecond() != 0 {
		t.Errorf("filled in: %+v", e)
	}
}

// TestTransform: what is sent instead of an event.
func TestTransform(t *testing.T) {
	t.Parallel()
	for i, c := range []struct {
		name   string
		target eventbus.Target
		want   string // %s is the event's id
	}{
		{"all of it", eventbus.Target{InputPath: ptr("$")}, ""},
		{"an object", eventbus.Target{InputPath: ptr("$.detail")}, `{"list":[1,{"a":"b"}],"n":7,"text":"say \"hi\"\n<b>"}`},
		{"an element", eventbus.Target{InputPath: ptr("$.detail.list[1]['a']")}, `"b"`},
		{"nothing there", eventbus.Target{InputPath: ptr("$.detail.list[9].x")}, `null`},
		{"a constant", eventbus.Target{Input: ptr(`[1, 2]`)}, `[1, 2]`},
		{
			"in JSON",
			eventbus.Target{Transformer: &eventbus.Transformer{Paths: map[string]string{"n": "$.detail.n", "t": "$.detail.text", "l": "$.detail.list", "none": "$.x"}, Template: `{"n":<n>,"t":<t>,"l":<l>,"q":"<t> and <l> and <none>","e":<none>}`}},
			`{"n":7,"t":"say \"hi\"\n<b>","l":[1,{"a":"b"}],"q":"say \"hi\"\n<b> and [1,{\"a\":\"b\"}] and ","e":""}`,
		},
		{"in lines", eventbus.Target{Transformer: &eventbus.Transformer{Paths: map[string]string{"n": "$.detail.n"}, Template: "\"one <n>\"\n\"two \\\"<n>\\\"\""}}, "\"one 7\"\n\"two \\\"7\\\"\""},
		{"names of the rule", eventbus.Target{Transformer: &eventbus.Transformer{Template: `"<aws.events.rule-name> <aws.events.rule-arn>"`}}, `"all arn:aws:events:us-east-1:` + account + `:rule/all"`},
		{"the event without its detail", eventbus.Target{Transformer: &eventbus.Transformer{Template: `<aws.events.event>`}}, `{"account":"` + account + `","detail-type":"kind","id":"%s","region":"us-east-1","resources":[],"source":"mine","time":"2030-01-02T03:04:05Z","version":"0"}`},
		{"the event as a text", eventbus.Target{Transformer: &eventbus.Transformer{Template: `{"id":"<aws.events.event.json>"}`}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			c.target.ID, c.target.ARN = "a", queue
			b.rule(account, "all", everything, c.target)
			b.run()
			events := []event.Event{{Source: "mine", DetailType: "kind", Time: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), Detail: json.RawMessage(`{"n":7,"text":"say \"hi\"\n<b>","list":[1,{"a":"b"}]}`)}}
			if err := b.Put(t.Context(), account, events); err != nil {
				t.Fatal(err)
			}
			got := string(b.until("the event", "queue", atLeast(1))[0].Body)
			if strings.Contains(c.want, "%s") {
				c.want = fmt.Sprintf(c.want, events[0].ID)
			}
			if c.want == "" {
				if !json.Valid([]byte(got)) || !strings.Contains(got, events[0].ID) {
					t.Errorf("%d: got %s", i, got)
				}
				return
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// TestDestination: requests of an API destination are as its connection, itself and the target say, and as they say now.
func TestDestination(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	ctx := t.Context()
	if _, err := b.CreateConnection(ctx, account, eventbus.Connection{Name: "c", Type: eventbus.APIKey, Key: "X-Key", Header: map[string]string{"H": "of the connection"}, Query: map[string]string{"q": "1"}}, secret.New([]byte("k1"))); err != nil {
		t.Fatal(err)
	}
	d, err := b.PutDestination(ctx, account, "d", true, func(d *eventbus.Destination) error {
		d.Connection, d.URL, d.Method, d.Rate = "c", "https://a.example/*/x?z=0", "POST", 1000
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	b.rule(account, "all", everything, eventbus.Target{ID: "a", ARN: b.DestinationARN(account, d), DeadLetterARN: dead, HTTP: &eventbus.HTTP{Path: []string{"a/b"}, Header: map[string]string{"H": "of the target", "I": "2"}, Query: map[string]string{"q": "2", "r": "3"}}})
	b.run()
	b.put(account, 1)
	b.until("the first", "POST https://a.example/a%2Fb/x?q=1&r=3&z=0 API_KEY X-Key:k1 map[H:of the connection I:2]", atLeast(1))
	if _, err := b.ChangeConnection(ctx, account, "c", func(c *eventbus.Connection, s *secret.Bytes) error {
		c.Type, c.Key, *s = eventbus.Basic, "ann", secret.New([]byte("k2"))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	b.put(account, 2)
	b.until("after a change", "POST https://a.example/a%2Fb/x?q=1&r=3&z=0 BASIC ann:k2 map[H:of the connection I:2]", atLeast(1))
	b.over(2)
	if n := b.Limiters(); n != 1 {
		t.Errorf("%d limiters, want one", n)
	}
	if err := b.DeleteDestination(ctx, account, "d"); err != nil {
		t.Fatal(err)
	}
	if n := b.Limiters(); n != 0 {
		t.Errorf("%d limiters of what is deleted", n)
	}
	b.put(account, 3)
	letters := b.until("without it", "dead", atLeast(1))
	if letters[0].Header["ERROR_CODE"] != "NO_RESOURCE" {
		t.Errorf("dead letter: %+v", letters[0].Header)
	}
}

// TestFaults: what the records refuse for a while is tried again, and nothing is lost by it.
func TestFaults(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.rule(account, "all", everything, eventbus.Target{ID: "a", ARN: queue})
	broken := &faulty{Store: b.records, left: 2}
	b.options.Store = broken
	var err error
	if b.Service, err = eventbus.New(b.options); err != nil {
		t.Fatal(err)
	}
	b.put(account, 1)
	b.run()
	b.until("the event", "queue", atLeast(1))
	b.over(1)
	if got := b.world.to("queue"); len(got) != 1 || broken.left != 0 {
		t.Errorf("%d attempts, %d faults left", len(got), broken.left)
	}
}

// faulty is a store that does not take some changes.
type faulty struct {
	eventbus.Store
	left int
}

func (f *faulty) Dispatch(ctx context.Context, upTo int64, now time.Time, add []store.Delivery) error {
	if f.left > 0 {
		f.left--
		return errors.New("the disk is full")
	}
	return f.Store.Dispatch(ctx, upTo, now, add)
}

// TestRetention: what is over is forgotten after its time, and not before.
func TestRetention(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *eventbus.Options) { o.Retention = time.Hour })
	b.rule(account, "all", everything, eventbus.Target{ID: "a", ARN: queue})
	b.run()
	b.put(account, 1)
	b.over(1)
	b.again()
	b.run()
	b.put(account, 2)
	b.over(2)
	b.halt()
	b.again()
	b.mu.Lock()
	b.clock = 2 * time.Hour
	b.mu.Unlock()
	b.run()
	b.put(account, 3)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); ; {
		all, err := b.records.FinishedDeliveries(t.Context(), account, 10)
		if err != nil {
			t.Fatal(err)
		}
		if len(all) == 1 && all[0].State == store.Delivered && len(b.world.to("queue")) == 3 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("kept: %+v", all)
		}
	}
}
