package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"darkroom/internal/arn"
	"darkroom/internal/digest"
	"darkroom/internal/identity"
	"darkroom/internal/trail"
)

// exitUnknown is the exit code of audit verify where something could not be read, so that nothing is known of the trail.
const exitUnknown = 3

// auditFlags are those of audit verify.
type auditFlags struct {
	data, profile, trail string
	dir, keys, bucket    string
	from, until, save    string
	asJSON               bool
}

const auditVerifyText = `Verifies every digest of a trail, its signature and its place in the chain, and every log file that the digests name; finds what was changed, removed,
added, moved, doubled or back-dated, gaps, and digests that are missing at the end, and explains each. Memory does not grow with the log files.

  darkroom audit verify --data DIR --trail NAME           the bucket of a trail, with the server running
  darkroom audit verify --dir COPY --keys FILE            a copy of the bucket, offline; FILE is what
                                                          aws cloudtrail list-public-keys --start-time T prints

A copy that was made by --save has the signatures of the digests beside them; in any other, each digest is proven by the one behind it, and the newest by nothing.

Exit code 0: whole. 1: there are faults. 2: the command is wrong. 3: something could not be read.
`

// auditVerify is darkroom audit verify.
func auditVerify(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("audit verify", "--data DIR --trail NAME | --dir COPY --keys FILE", stderr)
	usage := fs.Usage
	fs.Usage = func() {
		usage()
		fmt.Fprint(stderr, "\n"+auditVerifyText)
	}
	var f auditFlags
	fs.StringVar(&f.data, "data", "", "data `DIR` of the server; without it, the server of the environment (AWS_ENDPOINT_URL)")
	fs.StringVar(&f.profile, "profile", cmp.Or(os.Getenv("AWS_PROFILE"), identity.AdminUser), "`PROFILE` of its credentials file to ask as")
	fs.StringVar(&f.trail, "trail", "", "`NAME` or ARN of the trail; with --dir only where the copy has several")
	fs.StringVar(&f.dir, "dir", "", "`COPY` of the bucket; what stood at the top of the bucket stands at its top")
	fs.StringVar(&f.keys, "keys", "", "`FILE` with the public keys; with --dir, public-keys.json in it if not given")
	fs.StringVar(&f.bucket, "bucket", "", "`NAME` of the bucket that the copy is of; what the digests say if not given")
	fs.StringVar(&f.from, "from", "", "leave out digests that end before a `TIME`, such as 2026-03-01T00:00:00Z")
	fs.StringVar(&f.until, "until", "", "leave out digests that end after a `TIME`, and do not look for any")
	fs.StringVar(&f.save, "save", "", "copy what is verified, with signatures and public keys, to a new `DIR`, to be verified offline later")
	fs.BoolVar(&f.asJSON, "json", false, "print findings and the sum as JSON, one a line")
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usagef("unexpected argument %q", rest[0])
	}
	o := digest.Options{Workers: runtime.GOMAXPROCS(0)}
	for _, t := range []struct {
		name, text string
		to         *time.Time
	}{{"from", f.from, &o.From}, {"until", f.until, &o.Until}} {
		if t.text == "" {
			continue
		}
		if *t.to, err = time.Parse(time.RFC3339, t.text); err != nil {
			return usagef("--%s: %q is not a time such as 2026-03-01T00:00:00Z", t.name, t.text)
		}
	}
	if f.dir != "" {
		if f.data != "" || f.save != "" {
			return usagef("--dir goes without --data and --save")
		}
		err = f.offline(&o)
	} else {
		if f.trail == "" || f.keys != "" || f.bucket != "" {
			return usagef("a server's trail is named by --trail; --keys and --bucket go with --dir")
		}
		err = f.online(ctx, &o)
	}
	if wrong, ok := errors.AsType[*usageError](err); ok {
		return wrong
	}
	if err != nil {
		return &exitError{exitUnknown, err}
	}
	return verified(ctx, o, f.asJSON, stdout)
}

// verified verifies, and prints what is found as it is.
func verified(ctx context.Context, o digest.Options, asJSON bool, stdout io.Writer) error {
	lines := json.NewEncoder(stdout)
	lines.SetEscapeHTML(false)
	var printing error
	o.Found = func(f digest.Finding) {
		var err error
		if asJSON {
			err = lines.Encode(f)
		} else {
			word := "note"
			if f.Fault {
				word = "FAULT"
			}
			_, err = fmt.Fprintf(stdout, "%-6s%s: s3://%s/%s\n      %s\n", word, f.Kind, f.Bucket, f.Object, f.Text)
		}
		printing = cmp.Or(printing, err)
	}
	r, err := digest.Verify(ctx, o)
	if err != nil {
		return &exitError{exitUnknown, err}
	}
	if asJSON {
		printing = cmp.Or(printing, lines.Encode(map[string]any{"report": r, "valid": r.Valid()}))
	} else {
		verdict := "WHOLE: nothing was changed, removed or added."
		if !r.Valid() {
			verdict = fmt.Sprintf("NOT WHOLE: %d faults.", r.Faults)
		}
		span := ""
		if r.First != nil {
			span = fmt.Sprintf(", from %s to %s", r.First, r.Last)
		}
		_, err := fmt.Fprintf(stdout, "%d of %d digests valid%s; %d of %d log files valid, %d bytes\n%s\n", r.ValidDigests, r.Digests, span, r.ValidLogs, r.Logs, r.Bytes, verdict)
		printing = cmp.Or(printing, err)
	}
	if printing != nil {
		return &exitError{exitUnknown, fmt.Errorf("print the findings: %w", printing)}
	}
	if !r.Valid() {
		return errFailed
	}
	return nil
}

// online prepares the verification of a trail of a server: what the bucket has, against what the server knows.
func (f *auditFlags) online(ctx context.Context, o *digest.Options) error {
	v, err := newVisitor(f.data, f.profile)
	if err != nil {
		return err
	}
	var described struct {
		Trail struct{ Name, TrailARN, S3BucketName, S3KeyPrefix, HomeRegion string }
	}
	if err := v.call(ctx, cloudtrailAPI, "GetTrail", map[string]string{"Name": f.trail}, &described); err != nil {
		return err
	}
	a, err := arn.Parse(described.Trail.TrailARN)
	if err != nil {
		return fmt.Errorf("read the answer of the server: %w", err)
	}
	o.Place = digest.Place{Bucket: described.Trail.S3BucketName, Prefix: described.Trail.S3KeyPrefix, Account: a.Account, Region: described.Trail.HomeRegion, Trail: described.Trail.Name}
	var status struct{ LatestDigestDeliveryTime float64 }
	if err := v.call(ctx, cloudtrailAPI, "GetTrailStatus", map[string]string{"Name": f.trail}, &status); err != nil {
		return err
	}
	if o.Until.IsZero() {
		o.Newest = time.Unix(int64(status.LatestDigestDeliveryTime), 0)
		if status.LatestDigestDeliveryTime == 0 {
			o.Newest = time.Time{}
		}
	}
	var keys json.RawMessage
	if err := v.call(ctx, cloudtrailAPI, "ListPublicKeys", map[string]int64{"StartTime": 0}, &keys); err != nil {
		return err
	}
	if bytes.Contains(keys, []byte("Fingerprint")) { // there is none before the first digest
		if o.Keys, err = digest.ParseKeys(keys); err != nil {
			return err
		}
	}
	store, err := v.store()
	if err != nil {
		return err
	}
	o.Source = trail.Source(store)
	if f.save == "" {
		return nil
	}
	o.Source, err = newSaving(o.Source, f.save, keys)
	return err
}

// publicKeysFile is the file in a copy that was saved with the public keys.
const publicKeysFile = "public-keys.json"

// offline prepares the verification of a copy.
func (f *auditFlags) offline(o *digest.Options) error {
	found, err := trailsOf(f.dir)
	if err != nil {
		return err
	}
	var places []digest.Place
	for _, p := range found {
		name := arn.ARN{Partition: "aws", Service: "cloudtrail", Region: p.Region, Account: p.Account, Resource: "trail/" + p.Trail}.String()
		if f.trail == "" || f.trail == p.Trail || f.trail == name {
			places = append(places, p)
		}
	}
	switch {
	case len(places) == 0 && f.trail != "":
		return fmt.Errorf("%s has no digest of the trail %s", f.dir, f.trail)
	case len(places) == 0:
		return fmt.Errorf("%s has no digests: it must have AWSLogs/, or the prefix of the trail, at its top", f.dir)
	case len(places) > 1:
		return usagef("the copy has digests of %d trails: say which by --trail, with its ARN", len(places))
	}
	keys, err := os.ReadFile(cmp.Or(f.keys, filepath.Join(f.dir, publicKeysFile)))
	if errors.Is(err, os.ErrNotExist) && f.keys == "" {
		return usagef("there are no public keys: give --keys FILE, with what aws cloudtrail list-public-keys --start-time T prints")
	}
	if err != nil {
		return err
	}
	if o.Keys, err = digest.ParseKeys(keys); err != nil {
		return err
	}
	o.Place, o.Source = places[0], bucketCopy(f.dir)
	if f.bucket != "" {
		o.Place.Bucket = f.bucket
	}
	if o.Until.IsZero() {
		o.Now = time.Now()
	}
	return nil
}
