package worker

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"darkroom/internal/blob"
	"darkroom/internal/job"
)

// TestStoreErrors gives what a store says its code, for inputs and outputs: the trouble with a role before that of the object.
func TestStoreErrors(t *testing.T) {
	t.Parallel()
	role := &blob.RoleError{Message: "The role has a problem."}
	denied := &blob.KeyError{Code: blob.KeyDenied, Message: "User: arn:r is not authorized to perform: kms:Decrypt on resource: arn:k"}
	disabled := &blob.KeyError{Code: blob.KeyDisabled, Message: "arn:k is disabled."}
	tests := []struct {
		err           error
		input, output int
	}{
		{role, 1432, 1432},
		{errors.Join(blob.ErrNoSuchKey, role), 1432, 1432},
		{denied, 1401, 1401},
		{disabled, 1401, 1401},
		{blob.ErrKeyNeeded, 1401, 1999},
		{blob.ErrNotHonoured, 1076, 1091},
		{blob.ErrNotOffered, 1076, 1091},
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
			} else if key := (*blob.KeyError)(nil); errors.As(tt.err, &key) && !strings.Contains(e.Message, strings.TrimSuffix(key.Message, ".")+". ") {
				t.Errorf("%s: got %q, want what the key service says", got.what, e.Message)
			}
		}
	}
}
