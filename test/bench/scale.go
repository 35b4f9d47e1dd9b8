package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"

	jobs "darkroom/internal/job"
	"darkroom/internal/store/sqlite"
)

// records: lists and searches among a million jobs, against the same among a thousand.
func (b *bench) records() error {
	sizes := []int{1_000, 1_000_000}
	if b.quick {
		sizes = []int{1_000, 10_000}
	}
	var p99 [2]map[string]time.Duration
	for i, n := range sizes {
		path := filepath.Join(b.dir, fmt.Sprintf("records%d.db", n))
		if err := fill(b.ctx, path, n); err != nil {
			return err
		}
		var err error
		if p99[i], err = ask(b.ctx, path, n); err != nil {
			return err
		}
	}
	for _, what := range []string{"get", "list", "list by status", "list by queue", "search by input", "query by codec", "query by a rare codec"} {
		few, many := p99[0][what], p99[1][what]
		row(fmt.Sprintf("%s among %d jobs, p99", what, sizes[1]), fmt.Sprintf("%.2f ms", many.Seconds()*1000),
			fmt.Sprintf("%.2f ms: among %d", few.Seconds()*1000, sizes[0]), fmt.Sprintf("%.2f", many.Seconds()/few.Seconds()))
	}
	return nil
}

const (
	recordsAccount = "000000000000"
	recordsQueues  = 10
)

func recordID(n int) string { return fmt.Sprintf("%013d-aaaaaa", 1_700_000_000_000+n) }

func recordQueue(n int) string { return fmt.Sprintf("queue%d", n%recordsQueues) }

// fill writes jobs past the store, which would make each durable by itself.
func fill(ctx context.Context, path string, n int) error {
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
	defer func() { _ = db.Close() }()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	insert, err := tx.Prepare("INSERT INTO jobs (account, id, queue, status, record, finished) VALUES (?, ?, ?, ?, ?, 1)")
	if err != nil {
		return err
	}
	facets, err := tx.Prepare("INSERT INTO facets (account, name, value, job) VALUES (?, ?, ?, ?)")
	if err != nil {
		return err
	}
	statuses := []jobs.Status{jobs.Complete, jobs.Errored, jobs.Canceled}
	for i := range n {
		j := &jobs.Job{ID: recordID(i), Account: recordsAccount, Queue: recordQueue(i), Status: statuses[i%len(statuses)], Settings: json.RawMessage(`{"inputs":[{"fileInput":"s3://films/in.mp4"}]}`)}
		text, err := json.Marshal(j)
		if err != nil {
			return err
		}
		if _, err := insert.Exec(j.Account, j.ID, j.Queue, j.Status, string(text)); err != nil {
			return err
		}
		codec := []string{"H_264", "H_265"}[i%2]
		if i == 0 {
			codec = "AV1" // the oldest job is the only one
		}
		for _, f := range [][2]string{{jobs.FacetInput, fmt.Sprintf("film%d.mp4", i/3)}, {jobs.FacetVideoCodec, codec}} {
			if _, err := facets.Exec(j.Account, f[0], f[1], j.ID); err != nil {
				return err
			}
		}
	}
	return tx.Commit()
}

// ask asks each kind of question many times, of places that are chosen at random.
func ask(ctx context.Context, path string, n int) (map[string]time.Duration, error) {
	s, err := sqlite.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Close() }()
	page := func(q jobs.Query) func() error {
		return func() error {
			q := q
			q.Account, q.Limit, q.After = recordsAccount, 21, recordID(rand.IntN(n))
			_, err := s.List(ctx, q)
			return err
		}
	}
	out := map[string]time.Duration{}
	for what, f := range map[string]func() error{
		"get": func() error {
			_, err := s.Get(ctx, recordsAccount, recordID(rand.IntN(n)))
			return err
		},
		"list":           page(jobs.Query{}),
		"list by status": page(jobs.Query{Status: jobs.Errored}),
		"list by queue":  page(jobs.Query{Queue: recordQueue(3), Status: jobs.Complete}),
		"search by input": func() error {
			_, err := s.List(ctx, jobs.Query{Account: recordsAccount, Limit: 21, Facets: []jobs.Facet{{Name: jobs.FacetInput, Values: []string{fmt.Sprintf("film%d.mp4", rand.IntN(n/3))}}}})
			return err
		},
		"query by a rare codec": func() error {
			_, err := s.List(ctx, jobs.Query{Account: recordsAccount, Limit: 21, Facets: []jobs.Facet{{Name: jobs.FacetVideoCodec, Values: []string{"AV1"}}}})
			return err
		},
		"query by codec": page(jobs.Query{Facets: []jobs.Facet{{Name: jobs.FacetVideoCodec, Values: []string{"H_265"}}}}),
	} {
		var each []time.Duration
		for range 1000 {
			start := time.Now()
			if err := f(); err != nil {
				return nil, fmt.Errorf("%s: %w", what, err)
			}
			each = append(each, time.Since(start))
		}
		out[what] = percentile(each, 99)
	}
	return out, nil
}
