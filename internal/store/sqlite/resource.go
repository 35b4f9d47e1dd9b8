package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"darkroom/internal/job"
	"darkroom/internal/store"
)

func readResource(row interface{ Scan(...any) error }) (*store.Resource, error) {
	var text []byte
	err := row.Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, store.ErrNoResource
	}
	if err != nil {
		return nil, err
	}
	r := new(store.Resource)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("read the record of a resource: %w", err)
	}
	return r, nil
}

const oneResource = "SELECT record FROM resources WHERE account = ? AND kind = ? AND name = ?"

// CreateResource implements store.Resources.
func (s *Store) CreateResource(ctx context.Context, r *store.Resource, most int) error {
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write the record of a resource: %w", err)
	}
	return s.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := readResource(tx.QueryRowContext(ctx, oneResource, r.Account, r.Kind, r.Name))
		if err == nil {
			return store.ErrExists
		}
		if !errors.Is(err, store.ErrNoResource) {
			return err
		}
		if most > 0 {
			var n int
			if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM resources WHERE account = ? AND kind = ?", r.Account, r.Kind).Scan(&n); err != nil {
				return err
			}
			if n >= most {
				return store.ErrQuota
			}
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO resources (account, kind, name, category, created, queue, paused, concurrent, record) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
			r.Account, r.Kind, r.Name, r.Category, r.Created.UnixMicro(), r.Queue.ARN, r.Queue.Paused, r.Queue.Concurrent, string(text))
		return err
	})
}

// GetResource implements store.Resources.
func (s *Store) GetResource(ctx context.Context, account string, kind store.Kind, name string) (*store.Resource, error) {
	return readResource(s.read.QueryRowContext(ctx, oneResource, account, kind, name))
}

// ChangeResource implements store.Resources.
func (s *Store) ChangeResource(ctx context.Context, account string, kind store.Kind, name string, change func(*store.Resource) error) (*store.Resource, error) {
	var changed *store.Resource
	err := s.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		changed = nil
		r, err := readResource(tx.QueryRowContext(ctx, oneResource, account, kind, name))
		if err != nil {
			return err
		}
		if err := change(r); err != nil {
			return err
		}
		text, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("write the record of a resource: %w", err)
		}
		changed = r
		_, err = tx.ExecContext(ctx, "UPDATE resources SET category = ?, queue = ?, paused = ?, concurrent = ?, record = ? WHERE account = ? AND kind = ? AND name = ?",
			r.Category, r.Queue.ARN, r.Queue.Paused, r.Queue.Concurrent, string(text), account, kind, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return changed, nil
}

// DeleteResource implements store.Resources.
func (s *Store) DeleteResource(ctx context.Context, account string, kind store.Kind, name string) error {
	return s.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		r, err := readResource(tx.QueryRowContext(ctx, oneResource, account, kind, name))
		if err != nil {
			return err
		}
		if kind == store.Queue {
			var n int
			if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM jobs WHERE account = ? AND queue = ? AND status IN (?, ?) LIMIT 1)",
				account, r.Queue.ARN, job.Submitted, job.Progressing).Scan(&n); err != nil {
				return err
			}
			if n > 0 {
				return store.ErrInUse
			}
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM resources WHERE account = ? AND kind = ? AND name = ?", account, kind, name)
		return err
	})
}

// ListResources implements store.Resources.
func (s *Store) ListResources(ctx context.Context, q store.ResourceQuery) ([]*store.Resource, error) {
	query, args := "SELECT record FROM resources WHERE account = ? AND kind = ?", []any{q.Account, q.Kind}
	if q.Category != "" {
		query, args = query+" AND category = ?", append(args, q.Category)
	}
	order, than := "ASC", ">"
	if q.Descending {
		order, than = "DESC", "<"
	}
	if q.Order == store.ByCreated {
		if q.After != "" {
			// The position was one of the page before; if it is gone since, the list begins again after nothing.
			var at int64
			err := s.read.QueryRowContext(ctx, "SELECT created FROM resources WHERE account = ? AND kind = ? AND name = ?", q.Account, q.Kind, q.After).Scan(&at)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return nil, err
			}
			if err == nil {
				query, args = query+" AND (created, name) "+than+" (?, ?)", append(args, at, q.After)
			}
		}
		query += " ORDER BY created " + order + ", name " + order
	} else {
		if q.After != "" {
			query, args = query+" AND name "+than+" ?", append(args, q.After)
		}
		query += " ORDER BY name " + order
	}
	rows, err := s.read.QueryContext(ctx, query+" LIMIT ?", append(args, q.Limit)...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var list []*store.Resource
	for rows.Next() {
		r, err := readResource(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, rows.Err()
}
