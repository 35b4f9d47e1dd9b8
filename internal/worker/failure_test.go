package worker

import (
	"errors"
	"fmt"
	"testing"

	"darkroom/internal/blob"
	"darkroom/internal/job"
)

// TestStoreErrors gives what a store says its code, for inputs and outputs: the trouble with a role before that of the object.
func TestStoreErrors(t *testing.T) {
	t.Parallel()
	role := &blob.RoleError{Message: "The role has a problem."}
	tests := []struct {
		err           error
		input, output int
	}{
		{role, 1432, 1432},
		{errors.Join(blob.ErrNoSuchKey, role), 1432, 1432},
		{blob.ErrAccessDenied, 1401, 1401},
		{blob.ErrNoSuchBucket, 1404, 1404},
		{blob.ErrNoSuchKey, 1404, 1999},
		{errors.New("unreachable"), 1076, 1999},
	}
	for _, tt := range tests {
		err := fmt.Errorf("do something: %w", tt.err)
		for _, got := range []struct {
			what string
			err  error
			want int
		}{{"input", inputError("Input 1", err), tt.input}, {"output", outputError(err), tt.output}} {
			var e *job.Error
			if !errors.As(got.err, &e) || e.Code != got.want {
				t.Errorf("%s: %v: got %v, want %d", got.what, tt.err, got.err, got.want)
			} else if e.Code == 1432 && e.Message != role.Message {
				t.Errorf("%s: got %q", got.what, e.Message)
			}
		}
	}
}
