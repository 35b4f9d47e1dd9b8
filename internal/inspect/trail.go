package inspect

import (
	"context"
	"fmt"
	"sort"
	"time"

	"darkroom/internal/audit"
)

const (
	// deniedPeriod and deniedMany: so many refusals of one principal in the period are looked into.
	deniedPeriod = day
	deniedMany   = 100
	// deliveryLate is how old the last delivery and the last digest of a trail may be.
	deliveryLate = 3 * time.Hour
	// backupLate is how old the last backup may be.
	backupLate = 7 * day
)

// backups are the names of the events by which a finished backup is recorded, and restores those of a restore.
var (
	backups  = []string{"CompleteBackup"}
	restores = []string{"RestoreBackup"}
)

// last finds the newest granted record of some names in any account.
func (in *Installation) last(ctx context.Context, names []string) (r audit.Record, ok bool, err error) {
	for _, account := range in.Accounts {
		for _, name := range names {
			found, err := in.Trail.Find(ctx, audit.Query{Account: account, Name: name, Outcome: audit.Granted, Limit: 1})
			if err != nil {
				return r, false, err
			}
			for _, f := range found {
				record, err := f.Decode()
				if err != nil {
					return r, false, err
				}
				if !ok || record.EventTime.After(r.EventTime) {
					r, ok = record, true
				}
			}
		}
	}
	return r, ok, nil
}

var trailChecks = []Check{
	{
		ID: "trail.records", Title: "Calls are recorded", Kind: Query,
		Mend: "Take the server off the network and look into this: a server that answers without records is broken.",
		look: func(ctx context.Context, in *Installation) Result {
			newest, ok, r := in.newest(ctx)
			if !ok {
				return r
			}
			position, err := in.Trail.Position(ctx)
			if err != nil {
				return unseen(err)
			}
			facts := []Fact{{"records concluded", fmt.Sprint(position)}, {"newest record", newest.Format(time.RFC3339)}}
			if position == 0 {
				return failed("no record was ever concluded").with(facts...)
			}
			return passed("%d records were concluded, the newest of %s", position, newest.Format(time.RFC3339)).with(facts...)
		},
	},
	{
		ID: "trail.denials", Title: "No principal is refused over and over", Kind: Query,
		Mend: "Look at what was refused with `darkroom audit query --outcome denied --since 24h`: a client that lacks a permission, or somebody who tries doors.",
		look: func(ctx context.Context, in *Installation) Result {
			if in.Trail == nil {
				return unseen(missing("the audit trail"))
			}
			by := map[string]int{}
			all := 0
			for _, account := range in.Accounts {
				q := audit.Query{Account: account, Outcome: audit.Denied, From: in.Now().Add(-deniedPeriod), Limit: maxCount}
				found, err := in.Trail.Find(ctx, q)
				if err != nil {
					return unseen(err)
				}
				for _, f := range found {
					record, err := f.Decode()
					if err != nil {
						return unseen(err)
					}
					by[record.UserIdentity.ARN]++
					all++
				}
			}
			var names []string
			for name, n := range by {
				if n >= deniedMany {
					names = append(names, name)
				}
			}
			sort.Strings(names)
			r := passed("refused calls in the last 24 hours: %d; no principal was refused %d times or more", all, deniedMany)
			for _, name := range names {
				r = r.with(Fact{name, fmt.Sprint(by[name], " refusals in 24 hours")})
			}
			if len(names) > 0 {
				r.State, r.Found = Failed, fmt.Sprintf("%d principals were refused %d times or more in the last 24 hours", len(names), deniedMany)
			}
			return r
		},
	},
	{
		ID: "trail.delivered", Title: "A trail delivers the records of every account", Kind: Query, Standing: true,
		Mend: "Make a trail and start it: `aws cloudtrail create-trail --name audit --s3-bucket-name BUCKET`, `aws cloudtrail start-logging --name audit`.",
		look: func(ctx context.Context, in *Installation) Result {
			chains, r, ok := in.chains(ctx)
			if !ok {
				return r
			}
			logging := map[string]bool{}
			for _, c := range chains {
				if c.Logging {
					logging[c.Account] = true
				}
			}
			r = passed("every account has a trail that delivers")
			for _, c := range chains {
				state := "stopped"
				switch {
				case c.Logging && c.Error != "":
					state = "fails: " + c.Error
				case c.Logging && c.Delivered.IsZero():
					state = "logs, and has delivered nothing yet"
				case c.Logging:
					state = "delivered last at " + c.Delivered.UTC().Format(time.RFC3339)
				}
				r = r.with(Fact{c.Trail, state})
				if c.Logging && c.Error != "" {
					r.State, r.Found = Failed, "the trail "+c.Trail+" cannot deliver"
					r.Mend = "See LatestDeliveryError of `aws cloudtrail get-trail-status --name " + c.Trail + "`, and mend the bucket; nothing is lost meanwhile."
				}
			}
			for _, account := range in.Accounts {
				if !logging[account] {
					r.State, r.Found, r.Mend = Failed, "no trail delivers the records of account "+account, ""
				}
			}
			return r
		},
	},
	{
		ID: "trail.chain", Title: "The chain of digests is whole", Kind: Query,
		Mend: "Run `aws cloudtrail validate-logs` and `darkroom audit verify`, which name the files; compare with the copies outside of this machine.",
		look: func(ctx context.Context, in *Installation) Result {
			chains, r, ok := in.chains(ctx)
			if !ok {
				return r
			}
			r = passed("the chains of digests of all trails are whole")
			digests := 0
			for _, c := range chains {
				if c.Digest.IsZero() {
					continue
				}
				digests++
				r = r.with(Fact{c.Trail, fmt.Sprintf("newest digest of %s; %d verified just now", c.Digest.UTC().Format(time.RFC3339), c.Verified)})
				if c.Unread != "" && r.State == Passed {
					r.State, r.Found = NotChecked, "the digests of "+c.Trail+" cannot be read from here: "+c.Unread
				} else if c.Verified == 0 && r.State == Passed {
					r.State, r.Found = Failed, "no digest of "+c.Trail+" was found where it must be"
				}
				for _, fault := range c.Faults {
					r.State, r.Found = Failed, "the chain of digests of "+c.Trail+" is broken"
					r = r.with(Fact{c.Trail, fault})
				}
				if c.Logging && in.Now().Sub(c.Digest) > deliveryLate && r.State != Failed {
					r.State, r.Found = Failed, "the newest digest of "+c.Trail+" is late"
					r.Mend = "See LatestDigestDeliveryError of `aws cloudtrail get-trail-status --name " + c.Trail + "`."
				}
			}
			if digests == 0 {
				return failed("no trail has written a digest").mend("Make a trail with `--enable-log-file-validation` and start it; the first digest comes after the first digest period.")
			}
			return r
		},
	},
	{
		ID: "life.backup", Title: "A backup was made in the last seven days", Kind: Query,
		Mend: "Make one: `darkroom backup --data DIR --out FILE --recipient …`, and have a timer do it daily.",
		look: func(ctx context.Context, in *Installation) Result {
			if in.Trail == nil {
				return unseen(missing("the audit trail"))
			}
			record, ok, err := in.last(ctx, backups)
			switch {
			case err != nil:
				return unseen(err)
			case !ok:
				return failed("the trail has no record of a backup")
			}
			f := Fact{"last backup", record.EventTime.UTC().Format(time.RFC3339)}
			if age := in.Now().Sub(record.EventTime); age > backupLate {
				return failed("the last backup is %d days old", age/day).with(f)
			}
			return passed("the last backup was made at %s", f.Value).with(f)
		},
	},
	{
		ID: "life.restore-test", Title: "The installation was restored from a backup in the last year", Kind: Query,
		Mend: "Follow the drill of docs/backup.md; the restored directory has the record of it. Keep that with this report where the drill is done on another machine.",
		look: func(ctx context.Context, in *Installation) Result {
			if in.Trail == nil {
				return unseen(missing("the audit trail"))
			}
			record, ok, err := in.last(ctx, restores)
			switch {
			case err != nil:
				return unseen(err)
			case !ok:
				return failed("the trail has no record of a restore: this directory was never restored from a backup, and drills on other machines leave no record here")
			}
			f := Fact{record.EventName, record.EventTime.UTC().Format(time.RFC3339)}
			if age := in.Now().Sub(record.EventTime); age > 365*day {
				return failed("the last restore is %d days old", age/day).with(f)
			}
			return passed("the installation was restored from a backup at %s", f.Value).with(f)
		},
	},
}

func (in *Installation) chains(ctx context.Context) ([]Chain, Result, bool) {
	if in.Digests == nil {
		return nil, unseen(missing("the trails")), false
	}
	chains, err := in.Digests(ctx)
	if err != nil {
		return nil, unseen(err), false
	}
	return chains, Result{}, true
}
