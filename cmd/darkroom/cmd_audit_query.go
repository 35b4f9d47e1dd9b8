package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/config"
	"darkroom/internal/siem"
	"darkroom/internal/store/sqlite"
)

// queryPage is how many records are read at a time: what is in memory does not grow with what is found.
const queryPage = 500

// queryFlags are what audit query is asked for.
type queryFlags struct {
	data, account, action, job, since, from, to, format, outcome string
	writes, reads, ascending                                     bool
	limit                                                        int64
	query                                                        audit.Query
}

func (f *queryFlags) add(fs *flag.FlagSet) {
	fs.StringVar(&f.data, "data", config.Default().Data, "data directory of the server, which may be running")
	fs.StringVar(&f.account, "account", "", "`ID` of the account; empty is the main one")
	fs.StringVar(&f.query.Principal, "principal", "", "`ARN` of who asked")
	fs.StringVar(&f.query.User, "user", "", "`NAME` of the user, of the role's session, or root")
	fs.StringVar(&f.query.AccessKeyID, "access-key", "", "`ID` of the access key")
	fs.StringVar(&f.action, "action", "", "`NAME` of the operation: CreateJob, or mediaconvert:CreateJob")
	fs.StringVar(&f.query.Source, "service", "", "`NAME` of the service: mediaconvert, s3, iam, egress")
	fs.StringVar(&f.query.Resource, "resource", "", "`ARN` of what it was about, or its name")
	fs.StringVar(&f.query.ResourceType, "resource-type", "", "`TYPE` of what it was about: AWS::KMS::Key")
	fs.StringVar(&f.job, "job", "", "`ID` of the job that it was about")
	fs.StringVar(&f.since, "since", "", "how long ago it was at most: 15m, 36h, 7d")
	fs.StringVar(&f.from, "from", "", "not before this `TIME`: 2026-01-31, or 2026-01-31T23:59:59Z")
	fs.StringVar(&f.to, "to", "", "not after this `TIME`; a date includes the day")
	fs.StringVar(&f.outcome, "outcome", "", "granted, denied, failed, interrupted; of connections also intended, connected")
	fs.StringVar(&f.query.RequestID, "request-id", "", "`ID` of the request")
	fs.StringVar(&f.query.EventID, "event-id", "", "`ID` of the record")
	fs.BoolVar(&f.writes, "writes", false, "what changes something")
	fs.BoolVar(&f.reads, "reads", false, "what changes nothing")
	fs.StringVar(&f.query.Category, "category", "", "Management or Data")
	fs.BoolVar(&f.ascending, "ascending", false, "the oldest first")
	fs.Int64Var(&f.limit, "limit", 0, "how many at most; 0 is all")
	fs.StringVar(&f.format, "format", "table", "table, json (one record a line), csv, cloudtrail (one document), ecs, ocsf (one event a line)")
}

// read makes the query of the flags.
func (f *queryFlags) read(now time.Time) error {
	q := &f.query
	q.Ascending = f.ascending
	if service, name, ok := strings.Cut(f.action, ":"); ok {
		if q.Source != "" && q.Source != service {
			return usagef("--action %s is of another service than --service %s", f.action, q.Source)
		}
		q.Source, q.Name = service, name
	} else {
		q.Name = f.action
	}
	if q.Source != "" && !strings.Contains(q.Source, ".") {
		q.Source = audit.Source(q.Source)
	}
	if f.job != "" {
		if q.Resource != "" {
			return usagef("--job and --resource are two names of one thing: give one")
		}
		q.Resource = f.job
	}
	switch q.Outcome = audit.Outcome(f.outcome); q.Outcome {
	case "", audit.Granted, audit.Denied, audit.Failed, audit.Interrupted, audit.Intended, audit.Connected:
	default:
		return usagef("--outcome %q: want granted, denied, failed, interrupted, intended or connected", f.outcome)
	}
	if q.Category != "" && q.Category != audit.Management && q.Category != audit.Data {
		return usagef("--category %q: want Management or Data", q.Category)
	}
	if f.writes && f.reads {
		return usagef("--writes and --reads exclude each other")
	}
	if f.writes || f.reads {
		q.ReadOnly = &f.reads
	}
	if f.limit < 0 {
		return usagef("--limit %d: want 0 or more", f.limit)
	}
	var err error
	if f.since != "" {
		if f.from != "" {
			return usagef("--since and --from exclude each other")
		}
		ago, err := duration(f.since)
		if err != nil {
			return err
		}
		q.From = now.Add(-ago)
	}
	if q.From, err = moment("--from", f.from, q.From, false); err != nil {
		return err
	}
	if q.To, err = moment("--to", f.to, q.To, true); err != nil {
		return err
	}
	if !q.To.IsZero() && q.To.Before(q.From) {
		return usagef("--to is before what the search begins with")
	}
	return nil
}

// duration reads a duration that may be in days.
func duration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n int
		if n, err = strconv.Atoi(days); err == nil && n <= 36525 {
			d = time.Duration(n) * 24 * time.Hour
		}
	}
	if err != nil || d <= 0 {
		return 0, usagef("--since %q: want a duration such as 15m, 36h or 7d", s)
	}
	return d, nil
}

// moment reads a time in UTC; a date is its first moment, or its last.
func moment(name, s string, otherwise time.Time, last bool) (time.Time, error) {
	if s == "" {
		return otherwise, nil
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		if last {
			t = t.Add(24*time.Hour - time.Microsecond)
		}
		return t, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, usagef("%s %q: want a time such as 2026-01-31 or 2026-01-31T23:59:59Z", name, s)
}

func auditQuery(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("audit query", "[--data DIR] [filters] [--format FORMAT]", stderr)
	var f queryFlags
	f.add(fs)
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usagef("unexpected argument %q", rest[0])
	}
	if err := f.read(time.Now()); err != nil {
		return err
	}
	out := bufio.NewWriter(stdout)
	p, err := newPrinter(f.format, out)
	if err != nil {
		return err
	}
	records, where, err := openTrail(ctx, f.data)
	if err != nil {
		return err
	}
	defer func() { _ = records.Close() }()
	f.query.Account = cmp.Or(f.account, where.Account)
	leaveQueried(ctx, records, where, "AuditQueried", f.account, args, stderr)
	if err := f.each(ctx, records, p.entry); err != nil {
		return err
	}
	if err := p.end(); err != nil {
		return err
	}
	return out.Flush()
}

// openTrail opens the records of a data directory to read, and says whose they are.
func openTrail(ctx context.Context, data string) (*sqlite.Reader, endpoint, error) {
	where, dir, err := readEndpoint(data)
	if err != nil {
		return nil, endpoint{}, err
	}
	records, err := sqlite.OpenReader(ctx, filepath.Join(dir, databaseFile))
	return records, where, err
}

// finder finds records. A sqlite.Reader is one.
type finder interface {
	Find(ctx context.Context, q audit.Query) ([]audit.Found, error)
}

// each calls do with everything that is found, page by page.
func (f *queryFlags) each(ctx context.Context, records finder, do func(audit.Entry) error) error {
	q := f.query
	for left := f.limit; ; {
		q.Limit = queryPage
		if f.limit > 0 {
			q.Limit = int(min(queryPage, left))
		}
		page, err := records.Find(ctx, q)
		if err != nil {
			return err
		}
		for _, found := range page {
			if err := do(found.Entry); err != nil {
				return err
			}
		}
		left -= int64(len(page))
		if len(page) < q.Limit || f.limit > 0 && left <= 0 {
			return nil
		}
		q.After = page[len(page)-1].Cursor
	}
}

// leaveQueried records that somebody on this machine reads the trail, or what became of events. Where it cannot be recorded, as from a copy that nobody may write to, that is said.
func leaveQueried(ctx context.Context, records *sqlite.Reader, where endpoint, action, account string, args []string, stderr io.Writer) {
	e := audit.ServiceEvent{Time: time.Now(), Service: "darkroom", Action: action, Outcome: audit.Granted}
	r := e.Record(where.Region, cmp.Or(account, where.Account))
	r.EventCategory, r.ManagementEvent = audit.Management, true
	who := "uid " + strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil {
		who += " (" + u.Username + ")"
	}
	r.AdditionalEventData = map[string]json.RawMessage{}
	for name, value := range map[string]any{"systemUser": who, "arguments": visibleArgs(args)} {
		text, err := json.Marshal(value)
		if err != nil {
			continue // texts always are JSON
		}
		r.AdditionalEventData[name] = text
	}
	if err := records.Audit(ctx, r); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintf(stderr, "darkroom: that the records were read cannot be recorded: %v\n", err)
	}
}

// maxArgs bounds what a record has of the arguments.
const maxArgs = 100

// visibleArgs are the arguments as a record shows them; none of them is a secret.
func visibleArgs(args []string) []string {
	out := []string{}
	for _, a := range args[:min(len(args), maxArgs)] {
		if len(a) > 1024 {
			a = a[:1024] + "…"
		}
		out = append(out, siem.Visible(a))
	}
	return out
}

// printer writes entries in a format.
type printer struct {
	entry func(audit.Entry) error
	end   func() error
}

func newPrinter(format string, w io.Writer) (*printer, error) {
	nothing := func() error { return nil }
	lines := func(f siem.Format) *printer {
		return &printer{func(e audit.Entry) error { _, err := w.Write(append(siem.Line(f, e), '\n')); return err }, nothing}
	}
	switch format {
	case "table":
		begun := false
		return &printer{func(e audit.Entry) error {
			if !begun {
				begun = true
				if _, err := io.WriteString(w, siem.TableHeader); err != nil {
					return err
				}
			}
			_, err := io.WriteString(w, siem.TableRow(e))
			return err
		}, nothing}, nil
	case "json":
		return lines(siem.CloudTrail), nil
	case "ecs", "ocsf":
		return lines(siem.Format(format)), nil
	case "csv":
		sheet, err := siem.NewSheet(w)
		if err != nil {
			return nil, err
		}
		return &printer{sheet.Write, sheet.Flush}, nil
	case "cloudtrail":
		before := `{"Records":[`
		write := func(text []byte) error {
			_, err := w.Write(append([]byte(before), text...))
			return err
		}
		return &printer{func(e audit.Entry) error {
			err := write(siem.Line(siem.CloudTrail, e))
			before = ","
			return err
		}, func() error {
			if before == "," {
				before = ""
			}
			return write([]byte("]}\n"))
		}}, nil
	}
	return nil, usagef("--format %q: want table, json, csv, cloudtrail, ecs or ocsf", format)
}
