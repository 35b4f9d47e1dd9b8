package main

import (
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/store/sqlite"
)

const (
	trailAccount    = "111122223333"
	trailPrincipals = 200
	trailHours      = 7 * 24
	trailBatch      = 1000
	trailAsks       = 50
)

// fillTrail writes n records of a week past the store, which would make each durable by itself. They have no terms, as those of an earlier version: the store makes them, and the segments, when it is opened.
func fillTrail(ctx context.Context, path string, n int, begin time.Time) (err error) {
	s, err := sqlite.Open(path) // makes the schema
	if err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=synchronous(OFF)&_pragma=journal_mode(WAL)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	text, err := json.Marshal(trailRecord("%s", "%s", "%s", "%s", "%s", "%s"))
	if err != nil {
		return err
	}
	for _, statement := range []string{
		fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %d), r AS (
		SELECT i, 'user' || (i * 7919 %% %d) AS user, lower(hex(randomblob(16))) AS id, %d + i * %d / %d * 1000000 AS at, %d + i * %d / %d AS second,
			CASE i %% 4 WHEN 0 THEN 'GetObject' WHEN 1 THEN 'PutObject' WHEN 2 THEN 'HeadObject' ELSE 'ListObjectsV2' END AS name FROM n)
		INSERT INTO records (sequence, position, account, time, record)
		SELECT i + 1, i + 1, '%[9]s', at,
			printf('%[10]s', user, user, name, CASE WHEN i %% 997 = 0 THEN 'AccessDenied' ELSE '' END, id, 'reel' || (i %% 5000) || '.mp4') FROM r`,
			n-1, trailPrincipals, begin.UnixMicro(), trailHours*3600, n, begin.Unix(), trailHours*3600, n, trailAccount, text),
		fmt.Sprintf("UPDATE positions SET value = %d WHERE name <> 'indexed'", n),
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%.60s: %w", statement, err)
		}
	}
	return nil
}

// trailRecord is a record with places for who, what and which.
func trailRecord(principal, user, name, code, id, reel string) audit.Record {
	return audit.Record{
		EventVersion: audit.Version, EventTime: time.Unix(0, 0).UTC(), EventSource: "s3.amazonaws.com", AWSRegion: "us-east-1", SourceIPAddress: "192.0.2.7", UserAgent: "aws-cli/2.15.0 Python/3.11",
		UserIdentity: audit.Identity{Type: "IAMUser", ARN: "arn:aws:iam::" + trailAccount + ":user/" + principal, AccountID: trailAccount, UserName: user}, EventName: name, EventID: id, ErrorCode: code,
		EventType: audit.APICall, RecipientAccountID: trailAccount, EventCategory: audit.Data, ReadOnly: true,
		Resources:           []audit.Resource{audit.ResourceOf("arn:aws:s3:::films/"+reel, trailAccount)},
		AdditionalEventData: map[string]json.RawMessage{"bytesTransferredOut": json.RawMessage("4194304"), "bytesTransferredIn": json.RawMessage("0")},
	}
}

// trail asks a million records what somebody did in an hour, and other things, against searching through the log file of that hour.
func (b *bench) trail() error {
	n := 1_000_000
	if b.quick {
		n = 20_000
	}
	path, begin := filepath.Join(b.dir, "trail.db"), time.Now().Add(-trailHours*time.Hour).Truncate(time.Hour)
	if err := fillTrail(b.ctx, path, n, begin); err != nil {
		return err
	}
	s, err := sqlite.Open(path)
	if err != nil {
		return err
	}
	defer s.Close()
	hour := begin.Add(trailHours / 2 * time.Hour)
	log := filepath.Join(b.dir, "hour.json.gz")
	if err := writeHour(b.ctx, s, log, hour); err != nil {
		return err
	}
	user := func(i int) string {
		return fmt.Sprintf("arn:aws:iam::%s:user/user%d", trailAccount, i%trailPrincipals)
	}
	var peer []time.Duration
	for i := range max(b.rounds, 3) {
		start := time.Now()
		_ = exec.CommandContext(b.ctx, "zgrep", "-c", user(i), log).Run() // it fails where it finds nothing
		peer = append(peer, time.Since(start))
	}
	for _, what := range []struct {
		name  string
		query func(i int) audit.Query
	}{
		{"by principal and hour", func(i int) audit.Query {
			return audit.Query{Principal: user(i), From: hour, To: hour.Add(time.Hour)}
		}},
		{"what was denied to a principal", func(i int) audit.Query { return audit.Query{Principal: user(i), Outcome: audit.Denied} }},
		{"by resource, the last 500", func(i int) audit.Query {
			return audit.Query{Resource: fmt.Sprintf("arn:aws:s3:::films/reel%d.mp4", i*31%5000)}
		}},
		{"by principal, action and outcome, the last 500", func(i int) audit.Query {
			return audit.Query{Principal: user(i), Name: "GetObject", Outcome: audit.Granted}
		}},
	} {
		var took []time.Duration
		found := 0
		for i := range trailAsks {
			q := what.query(i)
			q.Account, q.Limit = trailAccount, 500
			start := time.Now()
			got, err := s.Find(b.ctx, q)
			if err != nil {
				return err
			}
			took, found = append(took, time.Since(start)), found+len(got)
		}
		row(fmt.Sprintf("audit query among %d records: %s (%d found by %d), median; p99", n, what.name, found, trailAsks),
			fmt.Sprintf("%.2f ms; %.2f ms", median(took).Seconds()*1000, percentile(took, 99).Seconds()*1000),
			fmt.Sprintf("%.1f ms: zgrep through the log file of the hour", median(peer).Seconds()*1000), fmt.Sprintf("%.3f", median(took).Seconds()/median(peer).Seconds()))
	}
	return nil
}

// writeHour writes the log file of an hour, as a trail delivers it.
func writeHour(ctx context.Context, s *sqlite.Store, log string, hour time.Time) error {
	file, err := os.Create(log)
	if err != nil {
		return err
	}
	zipped := gzip.NewWriter(file)
	for q := (audit.Query{Account: trailAccount, From: hour, To: hour.Add(time.Hour), Ascending: true, Limit: trailBatch}); ; {
		page, err := s.Find(ctx, q)
		if err != nil {
			return errors.Join(err, file.Close())
		}
		for _, f := range page {
			if _, err := zipped.Write(append(f.Text, '\n')); err != nil {
				return errors.Join(err, file.Close())
			}
		}
		if len(page) < q.Limit {
			return errors.Join(zipped.Close(), file.Close())
		}
		q.After = page[len(page)-1].Cursor
	}
}
