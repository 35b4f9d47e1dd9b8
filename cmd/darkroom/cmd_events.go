package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/config"
	"darkroom/internal/event"
	"darkroom/internal/store"
	"darkroom/internal/target"
)

// The source and the detail type of a test event. No rule of MediaConvert's events matches it.
const (
	testSource = "darkroom"
	testDetail = "Darkroom Test Event"
)

// deliveryPage is how many deliveries are read at a time: each may have an event of 256 KiB.
const deliveryPage = 50

// testTime is how long a test may take.
const testTime = 6 * time.Minute

// eventsMain has the verbs about events.
func eventsMain(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	const verbs = "test, deliveries"
	if len(args) == 0 {
		return usagef("say what: %s", verbs)
	}
	switch args[0] {
	case "test":
		return eventsTest(ctx, args[1:], stdout, stderr)
	case "deliveries":
		return eventsDeliveries(ctx, args[1:], stdout, stderr)
	case "-h", "--help":
		fmt.Fprintln(stderr, "usage: darkroom events test NAME --config FILE\n       darkroom events deliveries [--data DIR] [--account ID] [--state STATE] [--limit N]")
		return flag.ErrHelp
	}
	return usagef("%q is none of: %s", args[0], verbs)
}

// finishedDelivery is a delivery that is over, as a line of JSON.
type finishedDelivery struct {
	Account  string              `json:"account"`
	Target   string              `json:"target"` // rule/ACCOUNT/RULE/ID, dead/ACCOUNT/ARN of a queue of dead letters, bucket/ACCOUNT
	Job      string              `json:"job,omitempty"`
	State    store.DeliveryState `json:"state"`
	Reason   string              `json:"reason,omitempty"`
	Attempts int                 `json:"attempts"`
	Enqueued time.Time           `json:"enqueued"`
	Finished time.Time           `json:"finished"`
	About    map[string]string   `json:"about,omitempty"` // of a dead letter
	Event    json.RawMessage     `json:"event,omitempty"`
	Input    string              `json:"input,omitempty"` // what the rule makes of the event
}

// eventsDeliveries lists what became of the events of an account, the newest first: those that were given up with their events, where nothing else has them.
func eventsDeliveries(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("events deliveries", "[--data DIR] [--account ID] [--state STATE] [--limit N]", stderr)
	data := fs.String("data", config.Default().Data, "data directory of the server, which may be running")
	account := fs.String("account", "", "`ID` of the account; empty is the main one")
	state := fs.String("state", "", "delivered, failed (given up, with the event), moved (to the dead letters) or dropped; empty is all")
	limit := fs.Int64("limit", 0, "how many at most; 0 is all")
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	s := store.DeliveryState(*state)
	switch {
	case len(rest) > 0:
		return usagef("unexpected argument %q", rest[0])
	case s != "" && !slices.Contains([]store.DeliveryState{store.Delivered, store.Failed, store.Moved, store.Dropped}, s):
		return usagef("--state %q: want delivered, failed, moved or dropped", *state)
	case *limit < 0:
		return usagef("--limit %d: want 0 or more", *limit)
	}
	records, where, err := openTrail(ctx, *data)
	if err != nil {
		return err
	}
	defer func() { _ = records.Close() }()
	leaveQueried(ctx, records, where, "DeliveriesQueried", *account, args, stderr)
	out := audit.Log(stdout)
	var last *store.Delivery
	for left := *limit; ; {
		size := int64(deliveryPage)
		if *limit > 0 {
			size = min(size, left)
		}
		page, err := records.FinishedDeliveries(ctx, cmp.Or(*account, where.Account), s, last, int(size))
		if err != nil {
			return err
		}
		for i := range page {
			d := &page[i]
			line, err := json.Marshal(finishedDelivery{
				d.Account, d.Target, d.Subject, d.State, d.Reason, d.Attempts, d.Enqueued, d.Finished, d.Header, d.Event, string(d.Input),
			})
			if err != nil {
				return err
			}
			if _, err := out.Write(append(line, '\n')); err != nil {
				return err
			}
			last = d
		}
		left -= int64(len(page))
		if int64(len(page)) < size || *limit > 0 && left <= 0 {
			return nil
		}
	}
}

// eventsTest sends one event to a configured target and says what came of it. It needs no server; a connection that it makes is in no audit trail.
func eventsTest(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("events test", "NAME --config FILE", stderr)
	name := fs.String("config", "", "YAML `FILE` of the server")
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(rest) != 1 || *name == "" {
		return usagef("one name of a target, and --config FILE")
	}
	cfg, err := config.ReadFile(*name)
	if err != nil {
		return &usageError{err.Error()}
	}
	i := slices.IndexFunc(cfg.Events.Targets, func(t config.EventTarget) bool { return t.Name == rest[0] })
	if i < 0 {
		var names []string
		for _, t := range cfg.Events.Targets {
			names = append(names, t.Name)
		}
		return usagef("%s has no target %q; it has: %s", *name, rest[0], strings.Join(names, ", "))
	}
	door, err := ownDoor(cfg)
	if err != nil {
		return err
	}
	cfg.Events.Targets = cfg.Events.Targets[i : i+1] // what is wrong with others is not asked
	all, err := openTargets(cfg, door)
	if err != nil {
		return err
	}
	defer all.Close()
	t := cfg.Events.Targets[0]
	s, err := all.open(t, "")
	if err != nil {
		return err
	}
	defer s.Close()
	e, err := testEvent(cfg)
	if err != nil {
		return err
	}
	m, err := target.Format(t.Format).Message(e, "", nil)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, testTime)
	defer cancel()
	begun := time.Now()
	if err := s.Send(ctx, m); err != nil {
		fmt.Fprintf(stdout, "%s (%s) did not take event %s after %s: %v\n", t.Name, t.Type, e.ID, time.Since(begun).Round(time.Millisecond), err)
		return errFailed
	}
	fmt.Fprintf(stdout, "%s (%s) took event %s after %s\n", t.Name, t.Type, e.ID, time.Since(begun).Round(time.Millisecond))
	return nil
}

func testEvent(cfg config.Config) (*event.Event, error) {
	id, err := uuid4(rand.Reader)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	detail, err := json.Marshal(map[string]string{"host": host, "message": "This event was sent to try the target out."})
	if err != nil {
		return nil, err
	}
	return &event.Event{
		Version: "0", ID: id, DetailType: testDetail, Source: testSource, Account: cfg.Account, Time: time.Now().UTC().Truncate(time.Second), Region: cfg.Region, Resources: []string{}, Detail: detail,
	}, nil
}

// uuid4 is a random UUID (RFC 9562 section 5.4).
func uuid4(random io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", err
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}
