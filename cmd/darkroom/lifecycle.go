package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/config"
	"darkroom/internal/root"
	"darkroom/internal/store"
	"darkroom/internal/store/sqlite"
)

// lastRun is what a start has to know of the run before it.
type lastRun struct {
	Started  time.Time         `json:"started"`
	Version  string            `json:"version"`
	Settings map[string]string `json:"settings"`
	Stopped  bool              `json:"stopped"` // in an orderly way
}

// The place of lastRun in the records.
const (
	runRegistry = "server"
	runKind     = "run"
	runID       = "last"
)

// maxChanges is how many changes of the configuration one record tells; more are told in further ones.
const maxChanges = 200

// maxRail bounds a file of guard rails that is told by its hash, in bytes.
const maxRail = 1 << 20

// begin records that the server starts, how the run before it ended where that was not by a stop, and what of the configuration is another than it was. It is called before the first request
// is served.
func (s *server) begin(ctx context.Context) error {
	registry := store.Registry{Name: runRegistry, Account: s.cfg.Account}
	entries, generation, err := s.records.LoadRegistry(ctx, registry)
	if err != nil {
		return fmt.Errorf("read how the last run ended: %w", err)
	}
	var before *lastRun
	for _, e := range entries {
		if e.Kind == runKind && e.ID == runID {
			before = new(lastRun)
			if err := json.Unmarshal(e.Record, before); err != nil {
				return fmt.Errorf("read how the last run ended: %w", err)
			}
		}
	}
	now := time.Now().UTC()
	run := lastRun{Started: now, Version: release, Settings: effective(s.cfg)}
	start := audit.ServiceEvent{Time: now, Service: "darkroom", Action: "ServerStart", Outcome: audit.Granted, Version: release}
	events := []audit.ServiceEvent{start}
	if before != nil {
		if !before.Stopped {
			events[0].Reason = "the run that began at " + before.Started.Format(time.RFC3339) + " ended without a stop"
		}
		for part := range slices.Chunk(changes(before, &run), maxChanges) {
			events = append(events, audit.ServiceEvent{Time: now, Service: "darkroom", Action: "ConfigurationChanged", Outcome: audit.Granted, Changes: part})
		}
	}
	if err := s.tell(ctx, events...); err != nil {
		return fmt.Errorf("record the start: %w", err)
	}
	return s.keepRun(ctx, registry, generation, run)
}

// end records that the server has stopped, and why where that was an error.
func (s *server) end(cause error) error {
	ctx := context.Background()
	stop := audit.ServiceEvent{Time: time.Now().UTC(), Service: "darkroom", Action: "ServerStop", Outcome: audit.Granted, Version: release}
	if cause != nil && !errors.Is(cause, context.Canceled) {
		stop.Outcome, stop.Reason = audit.Failed, "the server could not go on; the log says why"
	}
	if err := s.tell(ctx, stop); err != nil {
		return fmt.Errorf("record the stop: %w", err)
	}
	registry := store.Registry{Name: runRegistry, Account: s.cfg.Account}
	entries, generation, err := s.records.LoadRegistry(ctx, registry)
	if err != nil {
		return fmt.Errorf("record the stop: %w", err)
	}
	for _, e := range entries {
		var run lastRun
		if e.Kind != runKind || e.ID != runID || json.Unmarshal(e.Record, &run) != nil {
			continue
		}
		run.Stopped = true
		return s.keepRun(ctx, registry, generation, run)
	}
	return nil
}

func (s *server) keepRun(ctx context.Context, registry store.Registry, generation int64, run lastRun) error {
	text, err := json.Marshal(run)
	if err != nil {
		return err
	}
	if _, err := s.records.ChangeRegistry(ctx, registry, generation, []store.Entry{{Kind: runKind, ID: runID, Record: text}}, nil); err != nil {
		return fmt.Errorf("record the run: %w", err)
	}
	return nil
}

// tell writes down what the server did, as management events.
func (s *server) tell(ctx context.Context, events ...audit.ServiceEvent) error {
	var records []audit.Record
	for _, e := range events {
		records = append(records, managed(e.Record(s.cfg.Region, s.cfg.Account)))
	}
	return s.records.Audit(ctx, records...)
}

// managed makes the record of something that Darkroom did to the installation one of management.
func managed(r audit.Record) audit.Record {
	r.EventCategory, r.ManagementEvent, r.ReadOnly = audit.Management, true, false
	return r
}

// effective is the configuration as it works, with what it stands on beside the file: the root of trust, and the content of guard rails by its hash.
func effective(cfg config.Config) map[string]string {
	out := cfg.Settings()
	if st, err := root.Read(cfg.Data); err == nil {
		out["(installation).root"], out["(installation).key"], out["(installation).wrapped"] = string(st.Kind), st.Key, st.Wrapped.UTC().Format(time.RFC3339Nano)
	}
	for i, a := range cfg.Accounts {
		for j, file := range a.GuardRails {
			out[fmt.Sprintf("accounts[%d].guard_rails[%d].(sha256)", i, j)] = hashOf(file)
		}
	}
	return out
}

func hashOf(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(f, maxRail)); err != nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}

// changes are the keys whose values differ between two runs, in order.
func changes(before, now *lastRun) []audit.Change {
	var out []audit.Change
	if before.Version != now.Version {
		out = append(out, audit.Change{Key: "(version)", Old: before.Version, New: now.Version})
	}
	keys := maps.Clone(before.Settings)
	if keys == nil {
		keys = map[string]string{}
	}
	maps.Copy(keys, now.Settings)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if before.Settings[k] != now.Settings[k] {
			out = append(out, audit.Change{Key: k, Old: audit.WithoutCredentials(before.Settings[k]), New: audit.WithoutCredentials(now.Settings[k])})
		}
	}
	return out
}

// offline writes what a command does to an installation into its audit trail, whether a server runs on it or not. Where no server has ever kept records there is no trail, and nothing to write.
type offline struct {
	records *sqlite.Store // nil where there are none
	cfg     config.Config
	command string
}

// openOffline opens the trail of an installation for a command.
func openOffline(ctx context.Context, cfg config.Config, command string) (*offline, error) {
	o := &offline{cfg: cfg, command: command}
	path := filepath.Join(cfg.Data, databaseFile)
	switch current, err := sqlite.Current(ctx, path); {
	case errors.Is(err, fs.ErrNotExist):
		return o, nil
	case err != nil:
		return nil, fmt.Errorf("open the audit trail: %w", err)
	case !current:
		return nil, fmt.Errorf("the records of %s are of another version of the program: start its server with this version first, so that what this command does can be recorded", cfg.Data)
	}
	var err error
	o.records, err = sqlite.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the audit trail: %w", err)
	}
	return o, nil
}

// tell records an action of the command: intended before it, granted or failed after.
func (o *offline) tell(ctx context.Context, action string, outcome audit.Outcome, changes ...audit.Change) error {
	if o.records == nil {
		return nil
	}
	who := "uid " + strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil {
		who = u.Username + ", " + who
	}
	e := audit.ServiceEvent{
		Time: time.Now().UTC(), Service: "darkroom", Action: action, Outcome: outcome, Version: release, UserAgent: "darkroom " + o.command + " (" + who + ")", Changes: changes,
	}
	if err := o.records.Audit(context.WithoutCancel(ctx), managed(e.Record(o.cfg.Region, o.cfg.Account))); err != nil {
		return fmt.Errorf("record what is done: %w", err)
	}
	return nil
}

func (o *offline) Close() error {
	if o.records == nil {
		return nil
	}
	return o.records.Close()
}
