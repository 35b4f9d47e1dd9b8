package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"darkroom/internal/hold"
	"darkroom/internal/identity"
	"darkroom/internal/lifecycleapi"
)

// serverFlags are the flags of the commands that ask a running server.
type serverFlags struct{ data, profile *string }

func newServerFlags(fs *flag.FlagSet) serverFlags {
	return serverFlags{
		fs.String("data", "", "`DIR` of a server of this machine; empty is the server and the credentials of the environment (AWS_ENDPOINT_URL, AWS_CA_BUNDLE, AWS_ACCESS_KEY_ID, …)"),
		fs.String("profile", cmp.Or(os.Getenv("AWS_PROFILE"), identity.AdminUser), "`PROFILE` of the credentials file"),
	}
}

func (f serverFlags) visitor() (*visitor, error) { return newVisitor(*f.data, *f.profile) }

// holdMain puts things under a legal hold, lists holds, and releases them.
func holdMain(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	const verbs = "add, list, release"
	if len(args) == 0 {
		return usagef("say what: %s", verbs)
	}
	switch args[0] {
	case "add":
		return holdAdd(ctx, args[1:], stdout, stderr)
	case "list":
		return holdList(ctx, args[1:], stdout, stderr)
	case "release":
		return holdRelease(ctx, args[1:], stdout, stderr)
	case "-h", "--help":
		fmt.Fprintf(stderr, "usage: darkroom hold add s3://BUCKET/PREFIX|job ID|records --reason TEXT [--data DIR]\n       darkroom hold list [--data DIR]\n       darkroom hold release ID --reason TEXT [--data DIR]\n")
		return flag.ErrHelp
	}
	return usagef("%q is none of %s", args[0], verbs)
}

// holdTarget reads what is to be held.
func holdTarget(rest []string) (on hold.Kind, target string, err error) {
	switch {
	case len(rest) == 2 && rest[0] == "job":
		return hold.Job, rest[1], nil
	case len(rest) == 1 && rest[0] == "records":
		return hold.Records, "", nil
	case len(rest) == 1 && strings.HasPrefix(rest[0], "s3://"):
		target = strings.TrimPrefix(rest[0], "s3://")
		if !strings.Contains(target, "/") {
			target += "/"
		}
		return hold.Objects, target, nil
	}
	return "", "", usagef("say what: s3://BUCKET/PREFIX, job ID, or records")
}

func holdAdd(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("hold add", "s3://BUCKET/PREFIX|job ID|records --reason TEXT [--data DIR]", stderr)
	where, reason := newServerFlags(fs), fs.String("reason", "", "`TEXT` why; it is kept, and recorded")
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	on, target, err := holdTarget(rest)
	if err != nil {
		return err
	}
	if *reason == "" {
		return usagef("--reason is needed: who looks at the hold in years wants to know")
	}
	v, err := where.visitor()
	if err != nil {
		return err
	}
	var out lifecycleapi.HoldOutput
	if err := v.call(ctx, lifecycleAPI, "AddHold", map[string]string{"On": string(on), "Target": target, "Reason": *reason}, &out); err != nil {
		return err
	}
	if out.Hold == nil || out.Hold.HoldId == nil {
		return errors.New("the server answers without the hold")
	}
	fmt.Fprintln(stdout, *out.Hold.HoldId)
	return nil
}

func holdList(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("hold list", "[--data DIR] [--json]", stderr)
	where, asJSON := newServerFlags(fs), fs.Bool("json", false, "print JSON")
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usagef("unexpected argument %q", rest[0])
	}
	v, err := where.visitor()
	if err != nil {
		return err
	}
	var out lifecycleapi.ListHoldsOutput
	if err := v.call(ctx, lifecycleAPI, "ListHolds", struct{}{}, &out); err != nil {
		return err
	}
	if *asJSON {
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		return e.Encode(out.Holds)
	}
	w := tabwriter.NewWriter(stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tON\tSINCE\tBY\tREASON")
	for _, h := range out.Holds {
		fmt.Fprintf(w, "%s\t%s %s\t%s\t%s\t%q\n", said(h.HoldId), said(h.On), said(h.Target), said(h.Since), said(h.By), said(h.Reason))
	}
	return w.Flush()
}

func said(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

func holdRelease(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("hold release", "ID --reason TEXT [--data DIR]", stderr)
	where, reason := newServerFlags(fs), fs.String("reason", "", "`TEXT` why; it is recorded")
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return usagef("one hold is needed, by its ID; got %d", len(rest))
	}
	if *reason == "" {
		return usagef("--reason is needed: it is recorded")
	}
	v, err := where.visitor()
	if err != nil {
		return err
	}
	if err := v.call(ctx, lifecycleAPI, "ReleaseHold", map[string]string{"HoldId": rest[0], "Reason": *reason}, nil); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "released %s\n", rest[0])
	return nil
}

// shred destroys objects, or a job with its outputs, and writes the certificate.
func shred(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("shred", "s3://BUCKET/PREFIX|job ID --reason TEXT --certificate FILE [--data DIR]", stderr)
	where, reason := newServerFlags(fs), fs.String("reason", "", "`TEXT` why; it stands in the certificate, and is recorded")
	certificate := fs.String("certificate", "", "new `FILE` that the signed certificate of destruction is written to")
	dry := fs.Bool("dry-run", false, "only say what would be destroyed")
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	in := map[string]any{"Reason": *reason, "DryRun": *dry}
	switch on, target, err := holdTarget(rest); {
	case err != nil || on == hold.Records:
		return usagef("say what: s3://BUCKET/PREFIX or job ID")
	case on == hold.Job:
		in["JobId"] = target
	default:
		in["Bucket"], in["Prefix"], _ = strings.Cut(target, "/")
	}
	if *reason == "" || *certificate == "" && !*dry {
		return usagef("--reason and --certificate are needed")
	}
	v, err := where.visitor()
	if err != nil {
		return err
	}
	var file *os.File
	if !*dry { // before anything is destroyed there is a place for what certifies it
		if file, err = os.OpenFile(*certificate, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
			return err
		}
	}
	var out lifecycleapi.ShredOutput
	err = v.call(ctx, lifecycleAPI, "Shred", in, &out)
	if file != nil {
		if out.Certificate != nil {
			_, writeErr := file.WriteString(*out.Certificate + "\n")
			err = errors.Join(err, writeErr, file.Sync(), file.Close())
		} else {
			err = errors.Join(err, file.Close(), os.Remove(*certificate))
		}
	}
	if err != nil {
		return err
	}
	verb := "destroyed"
	if *dry {
		verb = "would destroy"
	}
	for _, o := range out.Objects {
		fmt.Fprintf(stdout, "%s %s\n", verb, o)
	}
	if out.Bytes != nil {
		fmt.Fprintf(stdout, "%s %d objects of %d bytes\n", verb, len(out.Objects), *out.Bytes)
	}
	if out.Failure != nil {
		return errors.New(*out.Failure)
	}
	return nil
}
