package main

import (
	"bufio"
	"context"
	"io"
	"slices"
	"strconv"

	"darkroom/internal/config"
	"darkroom/internal/siem"
)

func auditFollow(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("audit follow", "[--data DIR] [--format FORMAT] [--after now|start|POSITION]", stderr)
	var f queryFlags
	fs.StringVar(&f.data, "data", config.Default().Data, "data directory of the server, which may be running")
	fs.StringVar(&f.account, "account", "", "`ID` of an account; empty is all of them")
	after := fs.String("after", "now", "now; start, which is everything that is kept; or the `POSITION` behind which it begins")
	fs.StringVar(&f.format, "format", "cloudtrail", "cloudtrail, ecs or ocsf; one record a line")
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usagef("unexpected argument %q", rest[0])
	}
	if !slices.Contains(siem.Formats, siem.Format(f.format)) {
		return usagef("--format %q: want cloudtrail, ecs or ocsf", f.format)
	}
	var position int64
	if *after != "now" && *after != "start" {
		if position, err = strconv.ParseInt(*after, 10, 64); err != nil || position < 0 {
			return usagef("--after %q: want now, start, or a position", *after)
		}
	}
	records, where, err := openTrail(ctx, f.data)
	if err != nil {
		return err
	}
	defer func() { _ = records.Close() }()
	if *after == "now" {
		if position, err = records.Position(ctx); err != nil {
			return err
		}
	}
	leaveQueried(ctx, records, where, "AuditQueried", f.account, append([]string{"follow"}, args...), stderr)
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	out := bufio.NewWriter(stdout)
	// pump prints what is new.
	pump := func() error {
		for {
			entries, err := records.Concluded(ctx, f.account, position, queryPage)
			if err != nil || len(entries) == 0 {
				return err
			}
			for _, e := range entries {
				if _, err := out.Write(append(siem.Line(siem.Format(f.format), e), '\n')); err != nil {
					return err
				}
				position = e.Position
			}
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
	err = records.Watch(ctx, func() {
		if err := pump(); err != nil {
			stop(err)
		}
	})
	if cause := context.Cause(ctx); err == nil && cause != nil {
		err = cause
	}
	return err
}
