package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"darkroom/internal/config"
	"darkroom/internal/inspect"
	"darkroom/internal/sandbox"
)

func doctor(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("doctor", "[--data DIR] [--config FILE] [--strict]", stderr)
	var ef engineFlags
	data := fs.String("data", "", "`DIR` of the server, which is looked at; empty is that of the configuration")
	file := fs.String("config", "", "YAML `FILE` of the server; empty: the settings of its last start")
	strict := fs.Bool("strict", false, "exit with 1 where a check of the installation has failed")
	engineVars(fs, &ef)
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usagef("unexpected argument %q", rest[0])
	}
	cfg, from, err := inspectedConfig(*file, *data)
	if err != nil {
		return err
	}
	report, err := sandbox.Probe()
	if err != nil {
		return err
	}
	healthy := true
	fmt.Fprintf(stdout, "sandbox (programs run as user id %d)\n", report.UID)
	for _, l := range report.Layers {
		state := "ok"
		if !l.Present {
			state = "MISSING: " + l.Detail
			healthy = healthy && !ef.require
		}
		fmt.Fprintf(stdout, "  %-20s %s\n", l.Layer, state)
	}
	fmt.Fprintf(stdout, "  %-20s %d\n", "landlock version", report.LandlockABI)
	fmt.Fprintf(stdout, "cryptography\n  %-20s %s\n", "FIPS 140-3", fipsMode())
	if err := reportRoot(stdout, cfg.Data); err != nil {
		healthy = false
	}
	if failed, err := reportChecks(ctx, stdout, cfg, from); err != nil {
		return err
	} else if failed && *strict {
		healthy = false
	}
	ef.require = false
	e, err := newEngine(ctx, ef)
	if err != nil {
		fmt.Fprintf(stdout, "encoder\n  MISSING: %v\n", err)
		return errFailed
	}
	fmt.Fprintf(stdout, "encoder\n  %-20s %s\n  %-20s %s\n", "program", e.ffmpeg, "version", e.capabilities.Engine)
	for _, c := range e.capabilities.Encoders {
		fmt.Fprintf(stdout, "  %-20s ok\n", c)
	}
	if len(e.capabilities.Missing) > 0 {
		fmt.Fprintf(stdout, "  MISSING: %s; settings that need them are refused\n", strings.Join(e.capabilities.Missing, ", "))
	}
	if !healthy {
		return errFailed
	}
	return nil
}

// maxShownFacts is how many facts of a failed check doctor shows.
const maxShownFacts = 5

// reportChecks runs every check of the installation, and says what it came to; failed says that one has failed.
func reportChecks(ctx context.Context, w io.Writer, cfg config.Config, from string) (failed bool, err error) {
	if _, err := os.Stat(cfg.Data); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(w, "checks\n  %-28s none: no server has started on %s\n", "installation", cfg.Data)
		return false, nil
	}
	i, err := openInspection(ctx, cfg, from, false)
	if err != nil {
		return false, err
	}
	defer i.close()
	in, err := i.installation()
	if err != nil {
		return false, err
	}
	fmt.Fprintf(w, "checks (settings of %s)\n", from)
	for _, c := range inspect.All() {
		r := c.Run(ctx, in)
		switch r.State {
		case inspect.Passed:
			fmt.Fprintf(w, "  %-28s ok\n", c.ID)
		case inspect.Failed:
			failed = true
			fmt.Fprintf(w, "  %-28s WARNING: %s\n", c.ID, r.Found)
			for _, f := range r.Facts[:min(len(r.Facts), maxShownFacts)] {
				fmt.Fprintf(w, "  %-28s   %s: %s\n", "", f.Name, f.Value)
			}
			if more := len(r.Facts) - maxShownFacts; more > 0 {
				fmt.Fprintf(w, "  %-28s   and %d more, which `darkroom comply` lists\n", "", more)
			}
			if r.Mend != "" {
				fmt.Fprintf(w, "  %-28s   mend: %s\n", "", r.Mend)
			}
		default:
			fmt.Fprintf(w, "  %-28s %s: %s\n", c.ID, r.State, r.Found)
		}
	}
	return failed, ctx.Err()
}
