package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"darkroom/internal/config"
	"darkroom/internal/sandbox"
)

func doctor(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("doctor", "[--data DIR]", stderr)
	var ef engineFlags
	data := fs.String("data", config.Default().Data, "`DIR` of the server, whose root of trust is told")
	engineVars(fs, &ef)
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usagef("unexpected argument %q", rest[0])
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
	if err := reportRoot(stdout, *data); err != nil {
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
