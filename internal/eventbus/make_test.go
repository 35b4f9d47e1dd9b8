package eventbus_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/event"
	"darkroom/internal/eventbus"
	"darkroom/internal/secret"
	"darkroom/internal/store"
	"darkroom/internal/store/sqlite"
	"darkroom/internal/target"
)

const (
	account = "111122223333"
	other   = "999988887777"
	region  = "us-east-1"
	queue   = "arn:aws:sqs:us-east-1:" + account + ":queue"
	dead    = "arn:aws:sqs:us-east-1:" + account + ":dead"
)

// sent is one attempt.
type sent struct {
	to string
	m  target.Message
}

// world is what events are sent to: by endpoint, what an attempt is answered; nil takes everything.
type world struct {
	mu      sync.Mutex // guards what follows
	all     []sent
	answer  map[string]func(ctx context.Context, m target.Message) error
	opened  map[string]int
	closed  int
	changed chan struct{}
}

type sender struct {
	w  *world
	to string
}

func (s sender) Send(ctx context.Context, m target.Message) error {
	s.w.mu.Lock()
	s.w.all = append(s.w.all, sent{s.to, m})
	answer := s.w.answer[s.to]
	close(s.w.changed)
	s.w.changed = make(chan struct{})
	s.w.mu.Unlock()
	if answer == nil {
		return nil
	}
	return answer(ctx, m)
}

func (s sender) Close() error {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.w.closed++
	return nil
}

// open opens a sender; endpoints are called by the last part of their ARN, or their URL.
func (w *world) open(_ string, to eventbus.Endpoint) (eventbus.Sender, error) {
	name := to.ARN[strings.LastIndexByte(to.ARN, ':')+1:]
	if r := to.Request; r != nil {
		name = fmt.Sprintf("%s %s %s %s:%s %v", r.Method, r.URL, r.Type, r.Key, r.Secret.Reveal(), r.Header)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.opened[name]++
	return eventbus.Sender{Sender: sender{w, name}, Message: target.EventBridge.Message}, nil
}

func (w *world) answers(to string, with func(ctx context.Context, m target.Message) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer[to] = with
}

// to returns the attempts at an endpoint.
func (w *world) to(name string) []target.Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []target.Message
	for _, s := range w.all {
		if s.to == name {
			out = append(out, s.m)
		}
	}
	return out
}

// bench is a bus over real records.
type bench struct {
	*testing.T
	*eventbus.Service
	world   *world
	records *sqlite.Store
	path    string
	options eventbus.Options

	mu       sync.Mutex // guards what follows
	told     []audit.ServiceEvent
	clock    time.Duration // ahead of the clock of the machine
	waits    []int         // attempts after which was waited
	stop     context.CancelFunc
	finished chan struct{}
}

func newBench(t *testing.T, change func(*eventbus.Options)) *bench {
	t.Helper()
	b := &bench{T: t, path: filepath.Join(t.TempDir(), "records.db"), world: &world{answer: map[string]func(context.Context, target.Message) error{}, opened: map[string]int{}, changed: make(chan struct{})}}
	sealer, err := secret.NewSealer(secret.New(make([]byte, secret.KeySize)), "test", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b.options = eventbus.Options{
		Accounts: []string{account, other}, Region: region, Sealer: sealer, Open: b.world.open,
		Known: func(_, name string) error {
			if !strings.Contains(name, ":sqs:") {
				return &eventbus.Error{Fault: eventbus.Invalid, Message: "targets of " + name + " are not carried out"}
			}
			if strings.HasSuffix(name, ":nowhere") {
				return &eventbus.Error{Fault: eventbus.NotFound, Message: "there is no " + name}
			}
			return nil
		},
		Record: func(_ context.Context, e audit.ServiceEvent) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.told = append(b.told, e)
			return nil
		},
		Now: func() time.Time {
			b.mu.Lock()
			defer b.mu.Unlock()
			return time.Now().Add(b.clock)
		},
		Backoff: func(attempts int) time.Duration {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.waits = append(b.waits, attempts)
			return time.Millisecond
		},
	}
	if change != nil {
		change(&b.options)
	}
	b.open()
	t.Cleanup(b.close)
	return b
}

func (b *bench) open() {
	b.Helper()
	var err error
	if b.records, err = sqlite.Open(b.path); err != nil {
		b.Fatal(err)
	}
	b.options.Store = b.records
	if b.Service, err = eventbus.New(b.options); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) run() {
	ctx, stop := context.WithCancel(context.Background())
	b.stop, b.finished = stop, make(chan struct{})
	go func() {
		defer close(b.finished)
		if err := b.Service.Run(ctx); err != nil {
			b.Error(err)
		}
	}()
}

func (b *bench) halt() {
	if b.stop != nil {
		b.stop()
		<-b.finished
		b.stop = nil
	}
}

func (b *bench) close() {
	b.halt()
	_ = b.records.Close()
}

// again opens everything anew on the same records, as after a crash.
func (b *bench) again() {
	b.Helper()
	b.close()
	b.open()
}

// rule puts a rule with targets.
func (b *bench) rule(account, name, pattern string, targets ...eventbus.Target) {
	b.Helper()
	if err := b.PutRule(b.Context(), account, eventbus.Rule{Name: name, Pattern: pattern}); err != nil {
		b.Fatal(err)
	}
	if len(targets) == 0 {
		return
	}
	if failed, err := b.PutTargets(b.Context(), account, name, targets); err != nil || len(failed) > 0 {
		b.Fatalf("put targets: %+v, %v", failed, err)
	}
}

// put puts an event on the bus.
func (b *bench) put(account string, n int) string {
	b.Helper()
	events := []event.Event{{Source: "mine", DetailType: "kind", Detail: json.RawMessage(fmt.Sprintf(`{"n":%d}`, n))}}
	if err := b.Put(b.Context(), account, events); err != nil {
		b.Fatal(err)
	}
	return events[0].ID
}

// ofJob puts an event of a job on the bus, as the records do.
func (b *bench) ofJob(job string, status event.Status) {
	b.Helper()
	detail, err := event.Encode(event.Detail{JobID: job, Status: status, UserMetadata: map[string]string{}})
	if err != nil {
		b.Fatal(err)
	}
	if err := b.records.Emit(b.Context(), time.Now(), store.Event{Account: account, JobID: job, Status: string(status), Time: time.Now(), Detail: detail}); err != nil {
		b.Fatal(err)
	}
}

// patience bounds how long a test waits for what must happen.
const patience = time.Minute

// until waits for the attempts at an endpoint to be enough.
func (b *bench) until(what, to string, enough func([]target.Message) bool) []target.Message {
	b.Helper()
	deadline := time.After(patience)
	for {
		b.world.mu.Lock()
		changed := b.world.changed
		b.world.mu.Unlock()
		got := b.world.to(to)
		if enough(got) {
			return got
		}
		select {
		case <-changed:
		case <-deadline:
			b.Fatalf("%s: %d attempts: %+v", what, len(got), got)
		}
	}
}

func atLeast(n int) func([]target.Message) bool {
	return func(m []target.Message) bool { return len(m) >= n }
}

// over waits until the deliveries of an account are over, and returns their states and reasons. Nothing signals that; it is asked for.
func (b *bench) over(n int) []string {
	b.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		all, err := b.records.FinishedDeliveries(b.Context(), account, 1000)
		if err != nil {
			b.Fatal(err)
		}
		if len(all) >= n {
			var out []string
			for _, d := range all {
				out = append(out, strings.TrimSpace(string(d.State)+" "+d.Reason))
			}
			slices.Sort(out)
			return out
		}
		select {
		case <-tick.C:
		case <-deadline:
			b.Fatalf("%d deliveries are over, want %d", len(all), n)
		}
	}
}

func ptr[T any](v T) *T { return &v }
