// Package targettest is the suite that every kind of target passes, against a real peer.
package targettest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"darkroom/internal/egress"
	"darkroom/internal/event"
	"darkroom/internal/target"
)

// Got is what a target was sent.
type Got struct {
	ID   string // empty where the target keeps none
	Body []byte
}

// Peer is a target and what it was sent.
type Peer struct {
	Sender target.Sender
	// Received waits for n messages since the last call and returns them in the order in which the target has them. It fails the test if they do not come.
	Received func(t *testing.T, n int) []Got
	// Deduplicates says that a message with the same id is kept once.
	Deduplicates bool
	// Local says that nothing is dialled: a context that has ended may still see the message taken.
	Local bool
}

// Wait is how long a test waits for a peer at most.
const Wait = 30 * time.Second

// Event is the n-th event of a job.
func Event(job string, n int) *event.Event {
	return &event.Event{
		Version: "0", ID: fmt.Sprintf("%08x-0000-4000-8000-000000000000", n), DetailType: event.JobStateChange, Source: event.Source, Account: "111122223333",
		Time: time.Date(2026, 11, 26, 12, 0, n%60, 0, time.UTC), Region: "us-east-1", Resources: []string{"arn:aws:mediaconvert:us-east-1:111122223333:jobs/" + job},
		Detail: json.RawMessage(fmt.Sprintf(`{"jobId":%q,"status":"STATUS_UPDATE","userMetadata":{"title":"Größe & <Maß> \u2028"},"n":%d}`, job, n)),
	}
}

// Message is that of Event in a format.
func Message(t *testing.T, f target.Format, job string, n int) target.Message {
	t.Helper()
	m, err := f.Message(Event(job, n), job, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Run runs the suite. open makes a target that has nothing yet; it may be called for several tests at a time.
func Run(t *testing.T, open func(t *testing.T) Peer) {
	send := func(t *testing.T, p Peer, m target.Message) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), Wait)
		defer cancel()
		if err := p.Sender.Send(ctx, m); err != nil {
			t.Fatalf("Send(%s) = %v", m.ID, err)
		}
	}
	same := func(t *testing.T, got Got, want target.Message) {
		t.Helper()
		if got.ID != "" && got.ID != want.ID {
			t.Errorf("id %q, want %q", got.ID, want.ID)
		}
		if !bytes.Equal(got.Body, want.Body) {
			t.Errorf("body\n%s\nwant\n%s", got.Body, want.Body)
		}
	}
	t.Run("in order, each format as it is", func(t *testing.T) {
		p := open(t)
		var want []target.Message
		for i := range 6 {
			m := Message(t, target.Formats[i%2], "job-1", i)
			send(t, p, m)
			want = append(want, m)
		}
		for i, got := range p.Received(t, len(want)) {
			same(t, got, want[i])
		}
	})
	t.Run("the same at every attempt", func(t *testing.T) {
		p := open(t)
		m := Message(t, target.EventBridge, "job-1", 1)
		send(t, p, m)
		again := Message(t, target.EventBridge, "job-1", 1)
		again.Attempt = 2
		send(t, p, again)
		n := 2
		if p.Deduplicates {
			n = 1
			last := Message(t, target.EventBridge, "job-1", 2)
			send(t, p, last)
			got := p.Received(t, 2)
			same(t, got[0], m)
			same(t, got[1], last)
			return
		}
		for _, got := range p.Received(t, n) {
			same(t, got, m)
		}
	})
	t.Run("a large event", func(t *testing.T) {
		p := open(t)
		e := Event("job-1", 1)
		e.Detail = json.RawMessage(`{"jobId":"job-1","text":"` + strings.Repeat("x", 200<<10) + `"}`)
		m, err := target.EventBridge.Message(e, "job-1", nil)
		if err != nil {
			t.Fatal(err)
		}
		send(t, p, m)
		same(t, p.Received(t, 1)[0], m)
	})
	t.Run("many at once", func(t *testing.T) {
		p := open(t)
		const jobs, each = 4, 5
		var sending sync.WaitGroup
		for j := range jobs {
			sending.Go(func() {
				for i := range each {
					m := Message(t, target.EventBridge, fmt.Sprintf("job-%d", j), j*each+i)
					if err := p.Sender.Send(t.Context(), m); err != nil {
						t.Errorf("Send: %v", err)
					}
				}
			})
		}
		sending.Wait()
		if t.Failed() {
			return
		}
		last := map[string]int{}
		for _, got := range p.Received(t, jobs*each) {
			var e struct {
				Detail struct {
					JobID string `json:"jobId"`
					N     int    `json:"n"`
				} `json:"detail"`
			}
			if err := json.Unmarshal(got.Body, &e); err != nil {
				t.Fatal(err)
			}
			if before, ok := last[e.Detail.JobID]; ok && before >= e.Detail.N {
				t.Errorf("%s: event %d came behind %d", e.Detail.JobID, e.Detail.N, before)
			}
			last[e.Detail.JobID] = e.Detail.N
		}
		if len(last) != jobs {
			t.Errorf("events of %d jobs, want %d", len(last), jobs)
		}
	})
	t.Run("given up", func(t *testing.T) {
		p := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.Sender.Send(ctx, Message(t, target.EventBridge, "job-1", 1)); err == nil && !p.Local {
			t.Error("Send with a context that has ended succeeded")
		}
	})
	t.Run("closed", func(t *testing.T) {
		p := open(t)
		if err := p.Sender.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
		if err := p.Sender.Send(t.Context(), Message(t, target.EventBridge, "job-1", 1)); err == nil {
			t.Error("Send behind Close succeeded")
		}
		if err := p.Sender.Close(); err != nil {
			t.Errorf("Close again: %v", err)
		}
	})
}

// Door is a way out that opens some ports of this machine for events, and trusts the authorities in PEM beside those of the system.
func Door(t *testing.T, authorities []byte, ports ...int) *egress.Door {
	t.Helper()
	d, err := egress.New(egress.Options{
		Rules: []egress.Rule{
			{Net: netip.MustParsePrefix("127.0.0.1/32"), Ports: ports, For: []egress.Purpose{egress.Webhook}},
			{Net: netip.MustParsePrefix("::1/128"), Ports: ports, For: []egress.Purpose{egress.Webhook}},
		},
		Authorities: authorities,
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}
