package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"darkroom/internal/blob"
	"darkroom/internal/lifecycleapi"
	"darkroom/internal/provenance"
)

// maxStatement bounds a statement: one of as many outputs as a job may write.
const maxStatement = 64 << 20

// verifyJob checks a statement of provenance, and files against it.
func verifyJob(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("verify-job", "STATEMENT|s3://BUCKET/KEY [--outputs DIR|s3] [--inputs DIR] [--key PEM | --data DIR]", stderr)
	outputs := fs.String("outputs", "", "`DIR` that the outputs were copied to, or s3 for where the statement says that they are")
	inputs := fs.String("inputs", "", "`DIR` with the inputs, by their base names")
	keyFile := fs.String("key", "", "`PEM` file with the public keys that are trusted; empty asks the server")
	printing := fs.Bool("print-keys", false, "print the public keys of the server as PEM, for --key, and check nothing")
	where := newServerFlags(fs)
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if *printing && len(rest) == 0 {
		return printKeys(ctx, where, stdout)
	}
	if *printing || len(rest) != 1 {
		return usagef("one statement is needed; got %d", len(rest))
	}
	c := &checker{stdout: stdout}
	remote := strings.HasPrefix(rest[0], "s3://")
	if remote || *outputs == "s3" || *keyFile == "" {
		v, err := where.visitor()
		if err != nil {
			return err
		}
		if c.store, err = v.store(); err != nil {
			return err
		}
		if *keyFile == "" {
			if c.trusted, err = v.signingKeys(ctx); err != nil {
				return err
			}
		}
	}
	if *keyFile != "" {
		text, err := readAtMost(*keyFile, maxSmallFile)
		if err != nil {
			return err
		}
		if c.trusted, err = provenance.ParseKeys(text); err != nil {
			return fmt.Errorf("%s: %w", *keyFile, err)
		}
	}
	var file io.ReadCloser
	if remote {
		file, err = c.open(ctx, rest[0])
	} else {
		file, err = os.Open(rest[0])
	}
	if err != nil {
		return err
	}
	s, job, err := c.statement(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("%s: %w", rest[0], err)
	}
	switch {
	case *outputs == "s3":
		for i := range s.Subject {
			c.check(&s.Subject[i], func() (io.ReadCloser, error) { return c.open(ctx, s.Subject[i].Name) })
		}
	case *outputs != "":
		if err := c.outputs(*outputs, s.Subject); err != nil {
			return err
		}
	}
	if *inputs != "" {
		c.inputs(*inputs, job.Definition.Inputs)
	}
	if c.wrong > 0 {
		fmt.Fprintf(stderr, "darkroom verify-job: %d files do not fit the statement\n", c.wrong)
		return errFailed
	}
	return nil
}

// printKeys prints the keys of a server.
func printKeys(ctx context.Context, where serverFlags, stdout io.Writer) error {
	v, err := where.visitor()
	if err != nil {
		return err
	}
	keys, err := v.signingKeys(ctx)
	if err != nil {
		return err
	}
	for _, k := range keys {
		text, err := provenance.MarshalKey(k)
		if err != nil {
			return err
		}
		fmt.Fprint(stdout, text)
	}
	return nil
}

// signingKeys asks a server for the keys that its statements are verified by.
func (v *visitor) signingKeys(ctx context.Context) (out []*ecdsa.PublicKey, err error) {
	var all lifecycleapi.ListSigningKeysOutput
	if err := v.call(ctx, lifecycleAPI, "ListSigningKeys", struct{}{}, &all); err != nil {
		return nil, err
	}
	for _, k := range all.Keys {
		keys, err := provenance.ParseKeys([]byte(said(k.PublicKey)))
		if err != nil {
			return nil, err
		}
		out = append(out, keys...)
	}
	return out, nil
}

// checker checks files against a statement.
type checker struct {
	stdout  io.Writer
	store   blob.Store
	trusted []*ecdsa.PublicKey
	wrong   int
}

// open opens an object by its URI.
func (c *checker) open(ctx context.Context, uri string) (io.ReadCloser, error) {
	bucket, key, ok := strings.Cut(strings.TrimPrefix(uri, "s3://"), "/")
	if !ok || !strings.HasPrefix(uri, "s3://") {
		return nil, fmt.Errorf("%.200q is not s3://BUCKET/KEY", uri)
	}
	o, err := c.store.Get(ctx, bucket, key, nil, blob.Conditions{})
	if err != nil {
		return nil, err
	}
	return o.Body, nil
}

// statement reads and verifies a statement, which is one line, and says what it is about.
func (c *checker) statement(file io.Reader) (*provenance.Statement, *provenance.Job, error) {
	lines := bufio.NewReader(io.LimitReader(file, maxStatement+1))
	text, err := io.ReadAll(lines)
	if err != nil {
		return nil, nil, err
	}
	if len(text) > maxStatement {
		return nil, nil, fmt.Errorf("it is longer than %d bytes", maxStatement)
	}
	e, err := provenance.ParseEnvelope(text)
	if err != nil {
		return nil, nil, err
	}
	payload, id, err := e.Verify(provenance.PayloadType, c.trusted)
	if err != nil {
		return nil, nil, err
	}
	s, err := provenance.ParseStatement(payload, provenance.JobPredicate)
	if err != nil {
		return nil, nil, err
	}
	job := new(provenance.Job)
	if err := json.Unmarshal(s.Predicate, job); err != nil {
		return nil, nil, fmt.Errorf("read the predicate: %w", err)
	}
	m := job.Run.Metadata
	fmt.Fprintf(c.stdout, "signed by key %s\njob %s, asked for by %s (request %s), finished %s\n", id, m.InvocationID, m.Principal, m.RequestID, m.Finished.Format(time.RFC3339))
	for _, in := range job.Definition.Inputs {
		what := "in part: its digest is not known"
		if in.Annotations != nil && in.Annotations.Whole {
			what = "sha256 " + in.Digest[provenance.SHA256]
		}
		fmt.Fprintf(c.stdout, "read %s, %s\n", in.URI, what)
	}
	fmt.Fprintf(c.stdout, "%d outputs are stated\n", len(s.Subject))
	return s, job, nil
}

// check checks one file, and says what does not fit.
func (c *checker) check(r *provenance.Resource, open func() (io.ReadCloser, error)) {
	name := r.Name
	if name == "" {
		name = r.URI
	}
	file, err := open()
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, blob.ErrNoSuchKey), errors.Is(err, blob.ErrNoSuchBucket):
		c.say("MISSING %s", name)
		return
	case err != nil:
		c.say("UNREADABLE %s: %v", name, err)
		return
	}
	err = r.Check(file)
	if err = errors.Join(err, file.Close()); err != nil {
		c.say("WRONG %s: %v", name, err)
		return
	}
	fmt.Fprintf(c.stdout, "fits %s\n", name)
}

func (c *checker) say(format string, args ...any) {
	c.wrong++
	fmt.Fprintf(c.stdout, format+"\n", args...)
}

// outputs checks the files of a directory that the outputs were copied to, under what their keys have below the directory that they share. A file of it that the
// statement does not speak of does not fit either.
func (c *checker) outputs(dir string, subjects []provenance.Resource) error {
	shared := sharedDirectory(subjects)
	stated := map[string]bool{}
	for i := range subjects {
		rel := filepath.FromSlash(strings.TrimPrefix(subjects[i].Name, shared))
		if !filepath.IsLocal(rel) {
			c.say("UNREADABLE %s: its name leads out of the directory", subjects[i].Name)
			continue
		}
		stated[rel] = true
		c.check(&subjects[i], func() (io.ReadCloser, error) { return os.Open(filepath.Join(dir, rel)) })
	}
	return filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, at)
		if err == nil && !stated[rel] && !strings.HasSuffix(rel, ".intoto.jsonl") {
			c.say("NOT STATED %s", rel)
		}
		return err
	})
}

// sharedDirectory is how all names begin, up to a slash.
func sharedDirectory(all []provenance.Resource) string {
	if len(all) == 0 {
		return ""
	}
	shared := all[0].Name[:strings.LastIndexByte(all[0].Name, '/')+1]
	for _, r := range all[1:] {
		for !strings.HasPrefix(r.Name, shared) {
			i := strings.LastIndexByte(strings.TrimSuffix(shared, "/"), '/')
			if i < 0 {
				return ""
			}
			shared = shared[:i+1]
		}
	}
	return shared
}

// inputs checks the files of a directory that have the base name of an input whose digest is stated.
func (c *checker) inputs(dir string, inputs []provenance.Resource) {
	for i := range inputs {
		base := path.Base(inputs[i].URI)
		if base == "." || base == "/" || base == ".." {
			continue
		}
		c.check(&inputs[i], func() (io.ReadCloser, error) { return os.Open(filepath.Join(dir, base)) })
	}
}
