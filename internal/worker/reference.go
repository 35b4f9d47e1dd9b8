package worker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"darkroom/internal/blob"
	"darkroom/internal/plan"
)

// requirement is a requirement of HLS inputs that is not met.
type requirement struct {
	text string // without a period; it holds nothing of a file
}

func (e *requirement) Error() string { return "requirement of HLS inputs: " + e.text }

func unmet(format string, args ...any) error { return &requirement{fmt.Sprintf(format, args...)} }

// nested is trouble with a file that a playlist refers to.
type nested struct {
	what string // such as "segment 3 (s3://bucket/a.ts)"
	err  error
}

func (e *nested) Error() string { return e.what + ": " + e.err.Error() }

func (e *nested) Unwrap() error { return e.err }

// within wraps an error with the file that it is about, unless it says so already.
func within(what string, err error) error {
	var inside *nested
	if err == nil || errors.As(err, &inside) {
		return err
	}
	return &nested{what, err}
}

// files opens the files of one HLS package, and decides which may be opened. A playlist in the store leads to objects of its own directory and below it, where the
// credentials of the job end too, and to web servers; one on a web server leads to web servers alone, so that who runs a server cannot have
// objects read that only the job's role may read. Which web servers may be dialled is said by the schemes, at each reference and each redirect
// anew, and by the door that dials.
type files struct {
	store   blob.Store
	web     http.RoundTripper
	schemes []string
	input   plan.Input // the playlist that the job names
}

// resolve returns where a reference of a playlist leads (RFC 3986 section 5); an error where it may not.
func (f *files) resolve(playlist plan.Input, reference string) (plan.Input, error) {
	ref, err := url.Parse(reference)
	if err != nil {
		return plan.Input{}, unmet("a reference in a playlist is no URI")
	}
	base, err := address(playlist)
	if err != nil {
		return plan.Input{}, err
	}
	to := base.ResolveReference(ref)
	switch {
	case to.Opaque != "":
		return plan.Input{}, unmet("a reference in a playlist leads neither to S3 nor to a web server")
	case to.User != nil:
		return plan.Input{}, unmet("a reference in a playlist holds credentials")
	case strings.Contains(reference, "#"):
		return plan.Input{}, unmet("a reference in a playlist has a fragment")
	}
	switch to.Scheme {
	case "http", "https":
		in, err := plan.ParseInput(to.String())
		if err != nil {
			return plan.Input{}, unmet("a reference in a playlist is no URL of a web server")
		}
		return in, nil
	case "s3":
		return f.object(to)
	}
	return plan.Input{}, unmet("a reference in a playlist leads neither to S3 nor to a web server")
}

// object returns the object of an s3 reference.
func (f *files) object(to *url.URL) (plan.Input, error) {
	dir, ok := f.input.Package()
	switch {
	case f.input.URL != "":
		return plan.Input{}, unmet("a playlist on a web server may not refer to objects in S3")
	case !ok:
		return plan.Input{}, unmet("the name of a playlist in S3 must end in .m3u8")
	case to.RawQuery != "" || to.ForceQuery:
		return plan.Input{}, unmet("a reference to S3 in a playlist has a query")
	}
	key, _ := strings.CutPrefix(to.Path, "/")
	if strings.ContainsFunc(key, func(r rune) bool { return r < 0x20 || r == 0x7f }) ||
		slices.ContainsFunc(strings.Split(key, "/"), func(s string) bool { return s == "." || s == ".." }) {
		return plan.Input{}, unmet("a reference to S3 in a playlist names no object")
	}
	in, err := plan.ParseInput("s3://" + to.Host + "/" + key)
	switch {
	case err != nil || in.Object.Key != key:
		return plan.Input{}, unmet("a reference to S3 in a playlist names no object")
	case in.Object.Bucket != dir.Bucket || !strings.HasPrefix(key, dir.Key):
		return plan.Input{}, unmet("a playlist refers to an object outside %s, the directory of the input; move the package into one directory", dir.URI())
	}
	return in, nil
}

// address is the URL that references of a playlist are relative to.
func address(playlist plan.Input) (*url.URL, error) {
	if playlist.URL != "" {
		u, err := url.Parse(playlist.URL)
		if err != nil {
			return nil, unmet("a playlist is at no URL")
		}
		return u, nil
	}
	return &url.URL{Scheme: "s3", Host: playlist.Object.Bucket, Path: "/" + playlist.Object.Key}, nil
}

// open opens a file that resolve let pass.
func (f *files) open(ctx context.Context, in plan.Input) (*source, error) {
	var s *source
	var err error
	if in.URL != "" {
		s, err = openURL(ctx, f.web, in, f.schemes)
	} else {
		s, err = openObject(ctx, f.store, in)
	}
	if err == nil && s.size == 0 {
		return nil, unmet("it is empty")
	}
	return s, err
}

// shown is the name of a file in messages: the last part of it tells it from the others of its package. Who may see the job need not be one who may
// read the playlist, so that hosts and directories are left out.
func shown(in plan.Input) string {
	name := in.Object.Key
	if in.URL != "" {
		u, err := url.Parse(in.URL)
		if err != nil {
			return "?"
		}
		name = u.Path
	}
	return path.Base(name)
}
