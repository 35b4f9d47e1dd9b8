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
		p, err := sb.Start(ctx, sandbox.Spec{
			Program: path, Args: func([]string) []string { return args }, Stdout: true,
			Limits: sandbox.Limits{Deadline: askDeadline, CPUTime: askDeadline},
		})
		if err != nil {
			return plan.Capabilities{}, fmt.Errorf("start %s: %w", path, err)
		}
		exit, err := p.Wait()
		if err != nil {
			return plan.Capabilities{}, err
		}
		if !exit.Success() {
			return plan.Capabilities{}, fmt.Errorf("%s %v failed: %s", path, args, exit.Stderr)
		}
		out[i] = string(exit.Stdout)
	}
	return ffmpeg.Capabilities(out[0], out[1], out[2])
}
