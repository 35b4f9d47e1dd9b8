package main

import (
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

	"darkroom/internal/config"
	"darkroom/internal/event"
	"darkroom/internal/target"
)

// The source and the detail type of a test event. No rule of MediaConvert's events matches it.
const (
	testSource = "darkroom"
	testDetail = "Darkroom Test Event"
)

// testTime is how long a test may take.
const testTime = 6 * time.Minute

// eventsMain has the verbs about events.
func eventsMain(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	const verbs = "test"
	if len(args) == 0 {
		return usagef("say what: %s", verbs)
	}
	switch args[0] {
	case "test":
		return eventsTest(ctx, args[1:], stdout, stderr)
	case "-h", "--help":
		fmt.Fprintln(stderr, "usage: darkroom events test NAME --config FILE")
		return flag.ErrHelp
	}
	return usagef("%q is none of %s", args[0], verbs)
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
