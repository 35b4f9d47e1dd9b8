package packager

import (
	"context"
	"errors"
	"io"

	"darkroom/internal/plan"
)

func run(ctx context.Context, p *plan.Plan, renditions map[string]io.Reader, out Sink, o Options) (*Report, error) {
	return &Report{}, errors.New("package: nothing to read")
}
