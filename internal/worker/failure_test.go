package worker

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"testing"

	"darkroom/internal/blob"
	"darkroom/internal/egress"
	"darkroom/internal/job"
	"darkroom/internal/origin"
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
		{blob.ErrInvalidArgument, 1404, 1040},
		{blob.ErrKeyTooLong, 1404, 1040},
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

// TestWebErrors gives what happens with a web server its code, and says what to do.
func TestWebErrors(t *testing.T) {
	t.Parallel()
	refused := func(why egress.Why) error {
		return fmt.Errorf("%w: %w", origin.ErrConnection, &egress.Refused{Purpose: egress.Input, Host: "h", Why: why})
	}
	tests := []struct {
		err  error
		code int
		says string
	}{
		{fmt.Errorf("%w: its port is no number", origin.ErrURL), 1010, "its port is no number"},
		{origin.ErrDisallowed, 3457, "You specified an input location that your policy disallows. Specify an allowed input location and resubmit your job."},
		{fmt.Errorf("%w: %w", origin.ErrConnection, origin.ErrDisallowed), 3457, "your policy disallows"},
		{fmt.Errorf("%w: status 401", origin.ErrUnauthorized), 3401, "upload it to S3"},
		{fmt.Errorf("%w: status 403", origin.ErrForbidden), 3403, "Check the URL"},
		{fmt.Errorf("%w: status 404", origin.ErrNotFound), 3404, "Check the URL"},
		{fmt.Errorf("%w: status 500", origin.ErrServer), 3450, "Try again"},
		{fmt.Errorf("%w: it redirects without a Location", origin.ErrUnsupported), 3408, "it redirects without a Location"},
		{fmt.Errorf("%w: %w", origin.ErrSlow, egress.ErrSlow), 3408, "too slowly"},
		{origin.ErrProtocol, 3999, "by hand"},
		{origin.ErrConnection, 3451, "cannot be reached"},
		{fmt.Errorf("%w: %w", origin.ErrConnection, &tls.CertificateVerificationError{Err: errors.New("unknown authority")}), 3451, "egress.ca_file"},
		{refused(egress.NotPublic), 3451, "not public"},
		{refused(egress.PortClosed), 3451, "80, 443, and those from 1024"},
		{refused(egress.Restricted), 3451, "none of those"},
		{refused(egress.NoPurpose), 3451, "cannot be reached"},
		{origin.ErrChanged, 1076, "replaced"},
	}
	for _, tt := range tests {
		var e *job.Error
		if err := inputError("Input 1 (http://h/x)", fmt.Errorf("read input 0: %w", tt.err)); !errors.As(err, &e) || e.Code != tt.code || !strings.Contains(e.Message, tt.says) {
			t.Errorf("%v: got %v, want %d with %q", tt.err, err, tt.code, tt.says)
		}
	}
}
