package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	mc "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"golang.org/x/term"

	"darkroom/internal/api"
	"darkroom/internal/blob/plain"
	"darkroom/internal/config"
	"darkroom/internal/event"
	"darkroom/internal/job"
	"darkroom/internal/lease"
	"darkroom/internal/mediaconvert"
	"darkroom/internal/plan"
	"darkroom/internal/preset"
)

// maxJobFile bounds the job that run reads.
const maxJobFile = 8 << 20

// buckets collects --bucket NAME=DIR.
type buckets map[string]string

func (b buckets) String() string { return "" }

func (b buckets) Set(s string) error {
	name, dir, ok := strings.Cut(s, "=")
	if !ok || name == "" || dir == "" {
		return fmt.Errorf("%q is not NAME=DIR", s)
	}
	b[name] = dir
	return nil
}

func runJob(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("run", "JOB.json --bucket NAME=DIR [--bucket NAME=DIR ...]", stderr)
	dirs := buckets{}
	fs.Var(dirs, "bucket", "`NAME=DIR`: what s3://NAME/ means; may be given again")
	asJSON := fs.Bool("json", false, "print the result as JSON, and no progress bar")
	verbose := fs.Bool("verbose", false, "log what is done")
	configFile := fs.String("config", "", "YAML `FILE` of a server, of which egress and speke count: where key servers are and how they are told who asks")
	var ef engineFlags
	engineVars(fs, &ef)
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return usagef("one job file is needed, - for standard input; got %d", len(rest))
	}
	cfg := config.Default()
	if *configFile != "" {
		if cfg, err = config.ReadFile(*configFile); err != nil {
			return &usageError{err.Error()}
		}
	}
	body, err := readJob(rest[0])
	if err != nil {
		return err
	}
	in, err := readRequest(body)
	if err != nil {
		return err
	}
	e, err := newEngine(ctx, ef)
	if err != nil {
		return err
	}
	invalid, notOffered := plan.Check(in.Settings, e.capabilities)
	badMembers, unoffered := api.Members(in, e.capabilities.Engine)
	if texts := append(messages(badMembers), messages(invalid)...); len(texts) > 0 {
		return usagef("the job is not valid: %s", strings.Join(texts, " | "))
	}
	if texts := append(messages(unoffered), messages(notOffered)...); len(texts) > 0 {
		return usagef("not offered by this installation: %s", strings.Join(texts, " | "))
	}
	store, err := plain.Open(dirs)
	if err != nil {
		return &usageError{err.Error()}
	}
	encoded, err := mediaconvert.Encode(in.Settings)
	if err != nil {
		return err
	}
	bar := newBar(stderr, !*asJSON)
	log := slog.New(slog.DiscardHandler)
	if *verbose {
		log = logger(stderr, slog.LevelDebug)
	}
	content, err := localContentKeys(cfg, log)
	if err != nil {
		return err
	}
	control := &oneJob{progress: bar.show, content: content, job: &job.Job{ID: "run", Settings: encoded}}
	started := time.Now()
	e.worker(control, store, log, barInterval).Do(ctx, &lease.Lease{
		TaskID: "run", JobID: "run", Attempt: 1, Settings: encoded, Started: started, Deadline: started.Add(oneJobLease),
		Credentials: lease.Credentials{Schemes: inputSchemes},
	})
	bar.end()
	return report(ctx, control.result, *asJSON, time.Since(started), stdout, stderr)
}

func report(ctx context.Context, r *lease.Result, asJSON bool, took time.Duration, stdout, stderr io.Writer) error {
	switch {
	case ctx.Err() != nil && (r == nil || r.Error != nil):
		fmt.Fprintln(stderr, "canceled")
		return context.Canceled
	case r == nil:
		return errors.New("the job ended without a result")
	}
	if asJSON {
		out, err := json.MarshalIndent(struct {
			Status  string              `json:"status"`
			Error   *lease.Failure      `json:"error,omitempty"`
			Seconds float64             `json:"seconds"`
			Outputs []event.OutputGroup `json:"outputGroupDetails,omitempty"`
		}{map[bool]string{true: "COMPLETE", false: "ERROR"}[r.Error == nil], r.Error, took.Seconds(), r.EventDetails}, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintln(stdout, string(out))
	}
	if r.Error != nil {
		if !asJSON {
			fmt.Fprintf(stderr, "error %d: %s\n", r.Error.Code, r.Error.Message)
		}
		return errFailed
	}
	if asJSON {
		return nil
	}
	for _, g := range r.EventDetails {
		for _, p := range g.PlaylistFilePaths {
			fmt.Fprintln(stdout, p)
		}
		for _, o := range g.OutputDetails {
			for _, p := range o.OutputFilePaths {
				fmt.Fprintf(stdout, "%s  %.3f s", p, float64(o.DurationInMs)/1000)
				if o.VideoDetails != nil {
					fmt.Fprintf(stdout, "  %dx%d", o.VideoDetails.WidthInPx, o.VideoDetails.HeightInPx)
				}
				fmt.Fprintln(stdout)
			}
		}
	}
	fmt.Fprintf(stdout, "complete in %.1f s\n", took.Seconds())
	return nil
}

func readJob(name string) ([]byte, error) {
	f := os.Stdin
	if name != "-" {
		var err error
		if f, err = os.Open(name); err != nil {
			return nil, &usageError{err.Error()}
		}
		defer func() { _ = f.Close() }()
	}
	body, err := io.ReadAll(io.LimitReader(f, maxJobFile+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxJobFile {
		return nil, usagef("the job is longer than %d bytes", maxJobFile)
	}
	return body, nil
}

// readRequest reads a CreateJob request, camelCase or PascalCase, with what its system template says. A body without settings is taken for
// settings itself. A role and a queue there are none of here, so none is needed.
func readRequest(body []byte) (*mc.CreateJobInput, error) {
	var outer map[string]json.RawMessage
	if err := json.Unmarshal(body, &outer); err != nil {
		return nil, usagef("the job is not a JSON object: %v", err)
	}
	in, faults := decodeJob(body, outer["settings"] != nil || outer["Settings"] != nil)
	faults = slices.DeleteFunc(faults, func(f mediaconvert.Fault) bool {
		return f.Kind == mediaconvert.Missing && f.Path == "" && f.Name == "role"
	})
	if len(faults) > 0 {
		return nil, usagef("the job is not valid: %s", mediaconvert.Message(faults))
	}
	if !mergeTemplate(in) {
		return nil, usagef("the job template %s does not exist; without a server there are system templates alone", *in.JobTemplate)
	}
	settings, err := preset.Expand(in.Settings, systemPreset)
	in.Settings = settings
	return in, err
}

func messages[F fmt.Stringer](faults []F) []string {
	texts := make([]string, len(faults))
	for i, f := range faults {
		texts[i] = f.String()
	}
	return texts
}

// barInterval is how often a progress bar moves.
const barInterval = 250 * time.Millisecond

// bar draws the progress of one job on a terminal, and a line for each phase elsewhere.
type bar struct {
	w        io.Writer
	show     func(lease.Progress)
	terminal bool
	drawn    bool
}

func newBar(w io.Writer, enabled bool) *bar {
	b := &bar{w: w}
	f, isFile := w.(*os.File)
	b.terminal = isFile && term.IsTerminal(int(f.Fd()))
	phase := ""
	b.show = func(p lease.Progress) {
		switch {
		case !enabled:
		case b.terminal:
			const width = 40
			full := p.Percent * width / 100
			fmt.Fprintf(w, "\r%-11s [%s%s] %3d%%", p.Phase, strings.Repeat("#", full), strings.Repeat(".", width-full), p.Percent)
			b.drawn = true
		case string(p.Phase) != phase:
			phase = string(p.Phase)
			fmt.Fprintf(w, "%s\n", phase)
		}
	}
	return b
}

func (b *bar) end() {
	if b.drawn {
		fmt.Fprint(b.w, "\r\033[K")
	}
}

// systemPreset finds what a job without a server can name.
func systemPreset(name string) (*types.PresetSettings, error) {
	p, ok := preset.FindSystem(name)
	if !ok {
		return nil, usagef("the preset %s does not exist; without a server there are system presets alone", name)
	}
	return p.Settings, nil
}
