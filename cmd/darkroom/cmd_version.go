package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// release is the version of the release; the build sets it.
var release = "0.1.0-dev"

func version(_ context.Context, args []string, stdout, stderr io.Writer) error {
	rest, err := parse(flags("version", "", stderr), args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usagef("unexpected argument %q", rest[0])
	}
	fmt.Fprintf(stdout, "darkroom %s %s %s/%s\n", release, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				fmt.Fprintf(stdout, "commit %s\n", s.Value)
			}
		}
	}
	return nil
}
