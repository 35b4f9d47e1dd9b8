package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"darkroom/internal/caption"
	"darkroom/internal/egress"
	"darkroom/internal/job"
	"darkroom/internal/plan"
)

// maxCaptionBytes bounds the files of captions of one job together: they are in memory from its beginning to its end.
const maxCaptionBytes = 64 << 20

// captions reads the files of captions of a plan, by the ids of its captions.
func (r *run) captions(ctx context.Context, p *plan.Plan) (map[string][]caption.Cue, error) {
	all := map[string][]caption.Cue{}
	left := int64(maxCaptionBytes)
	for i := range p.Captions {
		c := &p.Captions[i]
		subject := fmt.Sprintf("The caption file of selector %q (%s)", c.Selector, c.Input.Name())
		src, err := openSource(ctx, r.store, r.captionWeb, c.Input, r.lease.Credentials.Schemes, subject)
		if err != nil {
			return nil, captionError(subject, err)
		}
		switch {
		case src.size > caption.MaxSize:
			return nil, job.Errorf(1010, "%s cannot be read: it has %d bytes; allowed: %d.", subject, src.size, caption.MaxSize)
		case src.size > left:
			return nil, job.Errorf(1010, "%s cannot be read: the caption files of the job have more than %d bytes together.", subject, maxCaptionBytes)
		}
		left -= src.size
		text, err := src.head(ctx, src.size)
		if err != nil {
			return nil, captionError(subject, err)
		}
		cues, err := caption.Parse(text, c.Format)
		if err != nil {
			return nil, job.Errorf(1010, "%s cannot be read as %s: %v. Check the file, and the sourceType of the selector.", subject, c.Format, err)
		}
		all[c.ID] = caption.Shift(cues, c.Shift, 0)
	}
	return all, nil
}

// captionError gives a failure to read captions its code. It is that of an input, but for what the operator may open.
func captionError(subject string, err error) error {
	var made *job.Error
	if !errors.As(err, &made) {
		err = inputError(subject, err)
	}
	var refused *egress.Refused
	if errors.As(err, &refused) && errors.As(err, &made) {
		made.Message = strings.ReplaceAll(made.Message, "for inputs", "for captions")
	}
	return err
}
