package worker

import (
	"context"
	"fmt"
	"time"

	"darkroom/internal/ffmpeg"
	"darkroom/internal/plan"
	"darkroom/internal/sandbox"
)

// askDeadline bounds a question to ffmpeg about itself.
const askDeadline = 20 * time.Second

// Capabilities asks the ffmpeg at path, in the sandbox, what it can do.
func Capabilities(ctx context.Context, sb *sandbox.Sandbox, path string) (plan.Capabilities, error) {
	var out [3]string
	for i, args := range [][]string{ffmpeg.VersionArgs(), ffmpeg.EncodersArgs(), ffmpeg.FiltersArgs()} {
		var err error
		if out[i], err = ask(ctx, sb, path, args); err != nil {
			return plan.Capabilities{}, err
		}
	}
	return ffmpeg.Capabilities(out[0], out[1], out[2])
}

// Version returns what the ffmpeg at path, an absolute path, prints of its version, its build and its libraries.
func Version(ctx context.Context, sb *sandbox.Sandbox, path string) (string, error) {
	return ask(ctx, sb, path, ffmpeg.VersionArgs())
}

// ask runs ffmpeg with arguments, and returns what it prints.
func ask(ctx context.Context, sb *sandbox.Sandbox, path string, args []string) (string, error) {
	p, err := sb.Start(ctx, sandbox.Spec{
		Program: path, Args: func([]string) []string { return args }, Stdout: true,
		Limits: sandbox.Limits{Deadline: askDeadline, CPUTime: askDeadline},
	})
	if err != nil {
		return "", fmt.Errorf("start %s: %w", path, err)
	}
	exit, err := p.Wait()
	if err != nil {
		return "", err
	}
	if !exit.Success() {
		return "", fmt.Errorf("%s %v failed: %s", path, args, exit.Stderr)
	}
	return string(exit.Stdout), nil
}
