package worker

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"darkroom/internal/blob"
	"darkroom/internal/cse"
	"darkroom/internal/egress"
	"darkroom/internal/job"
	"darkroom/internal/origin"
	"darkroom/internal/plan"
	"darkroom/internal/sandbox"
)

// source is the input of a job: one file, read by ranges, always the same version of it.
type source struct {
	at      plan.Input // where it is: behind the redirect of a server
	uri     string     // as events show it
	subject string     // as messages show it
	size    int64
	// What the store or the server says of the file.
	etag, contentType string
	modified          time.Time
	// encrypted says that what is read is decrypted on the way, and doubtful that nothing tells whether it is so rightly.
	encrypted, doubtful bool
	// read gives the bytes from offset up to, not including, end.
	read func(ctx context.Context, offset, end int64) (io.ReadCloser, error)
}

// source opens an input of the job, decrypted where it is encrypted.
func (r *run) source(ctx context.Context, in plan.Input, schemes []string, subject string) (*source, error) {
	s, err := openSource(ctx, r.store, r.web, in, schemes, subject)
	if err != nil || in.Decryption == nil {
		return s, err
	}
	return r.decrypt(ctx, s, in.Decryption)
}

// openSource opens an input: an object of the store, or a file on a web server by one of the schemes.
func openSource(ctx context.Context, store blob.Store, web http.RoundTripper, in plan.Input, schemes []string, subject string) (*source, error) {
	open := openObject
	if in.URL != "" {
		open = func(ctx context.Context, _ blob.Store, in plan.Input) (*source, error) {
			return openURL(ctx, web, in, schemes)
		}
	}
	s, err := open(ctx, store, in)
	if err != nil {
		return nil, inputError(subject, err)
	}
	if s.size == 0 {
		return nil, job.Errorf(1010, "%s is empty.", subject)
	}
	s.subject = subject
	return s, nil
}

func lower(subject string) string { return strings.ToLower(subject[:1]) + subject[1:] }

func openObject(ctx context.Context, store blob.Store, in plan.Input) (*source, error) {
	loc := in.Object
	info, err := store.Head(ctx, loc.Bucket, loc.Key, blob.Conditions{})
	if err != nil {
		return nil, err
	}
	return &source{
		at: in, uri: in.Name(), size: info.Size, etag: info.ETag, contentType: info.Metadata.ContentType, modified: info.LastModified,
		read: func(ctx context.Context, offset, end int64) (io.ReadCloser, error) {
			o, err := store.Get(ctx, loc.Bucket, loc.Key, &blob.Range{Start: offset, End: end - 1}, blob.Conditions{IfMatch: info.ETag})
			if err != nil {
				return nil, err
			}
			return o.Body, nil
		},
	}, nil
}

func openURL(ctx context.Context, web http.RoundTripper, in plan.Input, schemes []string) (*source, error) {
	f, err := origin.Open(ctx, in.URL, origin.Options{Transport: web, Schemes: schemes})
	if err != nil {
		return nil, err
	}
	return &source{
		at: plan.Input{URL: f.URL().String()}, uri: in.Name(), size: f.Size(), etag: f.ETag(), contentType: f.ContentType(), modified: f.LastModified(),
		read: func(ctx context.Context, offset, end int64) (io.ReadCloser, error) {
			return f.ReadRange(ctx, offset, end-offset)
		},
	}, nil
}

// Size implements sandbox.Source.
func (s *source) Size() int64 { return s.size }

// ReadRange implements sandbox.Source. A file that was replaced meanwhile is an error: two halves of different films are no film.
func (s *source) ReadRange(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	if length == 0 || offset >= s.size {
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	end := s.size
	if length > 0 && length < s.size-offset {
		end = offset + length
	}
	return s.read(ctx, offset, end)
}

func (s *source) head(ctx context.Context, n int64) ([]byte, error) {
	r, err := s.ReadRange(ctx, 0, min(n, s.size))
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	return io.ReadAll(io.LimitReader(r, n))
}

// maxProbeRead bounds what a probe reads of a file: an index and the beginning of the media are a small part of it. What is no film may be read on
// and on without anything being found.
const maxProbeRead = 1 << 30

// errNothingFound ends a probe that has read as much as it may.
var errNothingFound = errors.New("the probe has read as much as it may")

// bounded is a source of which no more than left is read.
type bounded struct {
	sandbox.Source
	left atomic.Int64
}

func newBounded(s sandbox.Source, most int64) *bounded {
	b := &bounded{Source: s}
	b.left.Store(most)
	return b
}

// ReadRange implements sandbox.Source.
func (b *bounded) ReadRange(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	r, err := b.Source.ReadRange(ctx, offset, length)
	if err != nil {
		return nil, err
	}
	return &boundedReader{r, &b.left}, nil
}

type boundedReader struct {
	io.ReadCloser
	left *atomic.Int64
}

func (r *boundedReader) Read(p []byte) (int, error) {
	if r.left.Load() <= 0 {
		return 0, errNothingFound
	}
	n, err := r.ReadCloser.Read(p)
	r.left.Add(-int64(n))
	return n, err
}

// inputError gives a failure to read an input its code. subject is the input as it may be shown.
func inputError(subject string, err error) error {
	if errors.Is(err, cse.ErrChanged) {
		return decryptionError(subject, err)
	}
	e := &job.Error{Code: 1076, Message: subject + " could not be read. Try again; if it fails again, check the object.", Err: err}
	var refused *egress.Refused
	var unverified *tls.CertificateVerificationError
	var role *blob.RoleError
	var key *blob.KeyError
	var inside *nested
	var unmet *requirement
	if errors.As(err, &inside) {
		return inputError(subject+", "+inside.what, inside.err)
	}
	switch {
	case errors.As(err, &unmet):
		e.Code, e.Message = 3400, subject+" does not meet the requirements for HLS inputs: "+unmet.text+"."
	case errors.As(err, &role):
		e.Code, e.Message = roleTrouble, role.Message
	case errors.As(err, &key):
		e.Code, e.Message = 1401, subject+" is encrypted, and its key cannot be used. "+keyTrouble(key, "kms:Decrypt")
	case errors.Is(err, blob.ErrKeyNeeded):
		e.Code, e.Message = 1401, subject+" is encrypted with a key that its writer has (SSE-C), which a job cannot give. Copy it to an object with another encryption."
	case errors.Is(err, errNothingFound):
		e.Code, e.Message = 1010, subject+" cannot be opened: no film was found in all that was read of it. Check the file."
	case errors.Is(err, blob.ErrNoSuchKey), errors.Is(err, blob.ErrNoSuchBucket):
		e.Code, e.Message = 1404, subject+" does not exist. Check the bucket and the key."
	case errors.Is(err, blob.ErrInvalidArgument), errors.Is(err, blob.ErrKeyTooLong):
		e.Code, e.Message = 1404, subject+" cannot exist: its key cannot be that of an object in its bucket. Check the key."
	case errors.Is(err, blob.ErrAccessDenied):
		e.Code, e.Message = 1401, "The role of the job may not read "+lower(subject)+". Allow it s3:GetObject on the object."
	case errors.Is(err, blob.ErrPreconditionFailed), errors.Is(err, origin.ErrChanged):
		e.Message = subject + " was replaced while it was read. Try again."
	case errors.Is(err, blob.ErrCorrupt):
		e.Message = subject + " is damaged in the store. Upload it again."
	case errors.Is(err, origin.ErrURL):
		e.Code, e.Message = 1010, subject+": the URL cannot be used: "+reason(err)+". Allowed: http or https, a host by its name or in the plain spelling of its address, no credentials and no fragment."
	case errors.Is(err, origin.ErrDisallowed):
		e.Code, e.Message = 3457, disallowed
	case errors.Is(err, origin.ErrUnauthorized):
		e.Code, e.Message = 3401, "The server of "+lower(subject)+" asks for authentication, and no credentials are sent to servers. Make the file readable, or upload it to S3."
	case errors.Is(err, origin.ErrForbidden):
		e.Code, e.Message = 3403, "The server of "+lower(subject)+" refuses the request. Check the URL, or ask those who run the server."
	case errors.Is(err, origin.ErrNotFound):
		e.Code, e.Message = 3404, "The server of "+lower(subject)+" does not have the file. Check the URL."
	case errors.Is(err, origin.ErrServer):
		e.Code, e.Message = 3450, "The server of "+lower(subject)+" failed. Try again; if it fails again, ask those who run the server."
	case errors.As(err, &refused):
		e.Code, e.Message = 3451, "The server of "+lower(subject)+" "+closed[refused.Why]+". Ask the operator of this installation for an egress rule, or upload the file to S3."
	case errors.As(err, &unverified):
		e.Code, e.Message = 3451, "The server of "+lower(subject)+" has a certificate that cannot be verified. Check the URL; if the server has an authority of its own, ask the operator of this installation to trust it (egress.ca_file)."
	case errors.Is(err, origin.ErrSlow):
		e.Code, e.Message = 3408, "The server of "+lower(subject)+" answers too slowly, or not at all. Try again; if it fails again, ask those who run the server, or upload the file to S3."
	case errors.Is(err, origin.ErrProtocol):
		e.Code, e.Message = 3999, "The server of "+lower(subject)+" gives answers that cannot be understood. Check that the file can be downloaded by hand; if it cannot, ask those who run the server, else upload it to S3."
	case errors.Is(err, origin.ErrConnection):
		e.Code, e.Message = 3451, "The server of "+lower(subject)+" cannot be reached. Check the URL and submit the job again."
	case errors.Is(err, origin.ErrUnsupported):
		e.Code, e.Message = 3408, subject+" cannot be read from its server: "+reason(err)+". It must answer range requests, say how long the file is, and redirect once at most, by 301 or 302 and not from https to http."
	}
	return e
}

// closed says why a server may not be reached.
var closed = map[egress.Why]string{
	egress.NotPublic:  "has an address that is not public, and this installation does not open it for inputs",
	egress.PortClosed: "has a port that this installation does not open for inputs: open are 80, 443, and those from 1024",
	egress.Restricted: "is none of those that this installation opens for inputs",
	egress.NoPurpose:  "cannot be reached by this installation",
}

// reason is what an origin's error says behind its kind.
func reason(err error) string {
	_, text, ok := strings.Cut(err.Error(), ": ")
	if !ok {
		return err.Error()
	}
	return text
}

// roleTrouble is the code of a role that does not do at the object store.
const roleTrouble = 1432

// disallowed is the text of 3457, as MediaConvert words it.
const disallowed = "You specified an input location that your policy disallows. Specify an allowed input location and resubmit your job."
