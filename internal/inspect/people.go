package inspect

import (
	"context"
	"fmt"
	"time"

	"darkroom/internal/audit"
)

const day = 24 * time.Hour

// Periods that assessors ask about.
const (
	rootQuiet = 30 * day // the root must not have been used for as long
	keyAge    = 90 * day // an access key is not used longer
	keyIdle   = 90 * day // an access key that nobody uses is taken away after this
)

// maxCount bounds how many records a check counts.
const maxCount = 1000

// forPeople judges every user of every account.
func (in *Installation) forPeople(ctx context.Context, judge func(account string, u User) []Fact, good, bad string) Result {
	if in.People == nil {
		return unseen(missing("the identities"))
	}
	users := 0
	var faults []Fact
	for _, account := range in.Accounts {
		p, err := in.People(ctx, account)
		if err != nil {
			return unseen(err)
		}
		for _, u := range p.Users {
			users++
			faults = append(faults, judge(account, u)...)
		}
	}
	if len(faults) > 0 {
		return failed(bad, len(faults)).with(faults...)
	}
	if users == 0 {
		return notApplicable("there are no users")
	}
	return passed(good, users)
}

var peopleChecks = []Check{
	{
		ID: "people.root-unused", Title: "The account root is not used for daily work", Kind: Query, Standing: true,
		Mend: "Work as a user or a role; keep the root's access key (profile default of DIR/credentials) off the machine, and set it aside for what only the root can do.",
		look: func(ctx context.Context, in *Installation) Result {
			if in.Trail == nil {
				return unseen(missing("the audit trail"))
			}
			var facts []Fact
			calls, more := 0, false
			for _, account := range in.Accounts {
				found, err := in.Trail.Find(ctx, audit.Query{Account: account, Principal: "arn:aws:iam::" + account + ":root", From: in.Now().Add(-rootQuiet), Limit: maxCount})
				if err != nil {
					return unseen(err)
				}
				more = more || len(found) == maxCount
				for _, f := range found {
					record, err := f.Decode()
					if err != nil {
						return unseen(err)
					}
					if record.UserIdentity.Type != "Root" || record.EventType != audit.APICall {
						continue
					}
					if calls++; calls <= 5 {
						facts = append(facts, Fact{record.EventTime.UTC().Format(time.RFC3339), fmt.Sprintf("%s by the root of %s, from %s", record.EventName, account, record.SourceIPAddress)})
					}
				}
			}
			if calls > 0 {
				count := fmt.Sprint(calls)
				if more {
					count += " or more"
				}
				return failed("calls by the root's access key in the last %[2]d days: %[1]s", count, rootQuiet/day).with(facts...)
			}
			return passed("the root's access key made no call in the last %d days", rootQuiet/day)
		},
	},
	{
		ID: "people.mfa", Title: "Every user who may do something has an MFA device", Kind: Query,
		Mend: "Give each user a device: `aws iam create-virtual-mfa-device`, `aws iam enable-mfa-device`; deny calls without one by `aws:MultiFactorAuthPresent`. Programs take roles in place of users.",
		look: func(ctx context.Context, in *Installation) Result {
			return in.forPeople(ctx, func(account string, u User) []Fact {
				if !u.Granted || u.MFA {
					return nil
				}
				return []Fact{{u.ARN, "has policies, and no MFA device"}}
			}, "every user who has policies has an MFA device (users: %d)", "users with policies and no MFA device: %d")
		},
	},
	{
		ID: "people.key-age", Title: "No access key is older than 90 days", Kind: Query,
		Mend: "Rotate: `aws iam create-access-key`, change the client over, `aws iam update-access-key --status Inactive`, then `aws iam delete-access-key`.",
		look: func(ctx context.Context, in *Installation) Result {
			return in.forPeople(ctx, func(_ string, u User) (facts []Fact) {
				for _, k := range u.Keys {
					if age := in.Now().Sub(k.Created); k.Active && age > keyAge {
						facts = append(facts, Fact{u.ARN, fmt.Sprintf("%s is %d days old", k.ID, age/day)})
					}
				}
				return facts
			}, "no access key is older than 90 days (users: %d)", "access keys older than 90 days: %d")
		},
	},
	{
		ID: "people.key-unused", Title: "No access key lies unused for 90 days", Kind: Query,
		Mend: "Take the key away: `aws iam update-access-key --status Inactive`, then `aws iam delete-access-key`.",
		look: func(ctx context.Context, in *Installation) Result {
			return in.forPeople(ctx, func(_ string, u User) (facts []Fact) {
				for _, k := range u.Keys {
					last := k.LastUsed
					if last.IsZero() {
						last = k.Created
					}
					if idle := in.Now().Sub(last); k.Active && idle > keyIdle {
						facts = append(facts, Fact{u.ARN, fmt.Sprintf("%s was not used for %d days", k.ID, idle/day)})
					}
				}
				return facts
			}, "every access key is in use (users: %d)", "access keys that nobody uses: %d")
		},
	},
}
