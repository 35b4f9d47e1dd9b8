package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// The statements of the write path that every request takes: they are prepared once.
const (
	insertRecord  = "INSERT INTO records (sequence, position, account, time, terms, record) VALUES (?, ?, ?, ?, ?, ?)"
	updateRecord  = "UPDATE records SET position = ?, account = ?, terms = ?, record = ? WHERE sequence = ? AND position IS NULL"
	readPositions = "SELECT (SELECT value FROM positions WHERE name = 'sequence'), (SELECT value FROM positions WHERE name = 'records')"
	readIndexed   = "SELECT (SELECT value FROM positions WHERE name = 'records'), (SELECT value FROM positions WHERE name = 'indexed')"
	writePosition = "UPDATE positions SET value = ? WHERE name = ?"
	insertJob     = "INSERT INTO jobs (account, id, queue, status, token, record) VALUES (?, ?, ?, ?, ?, ?)"
	insertTask    = "INSERT INTO tasks (id, account, job, queue, state, priority, created, hop) VALUES (?, ?, ?, ?, 'waiting', ?, ?, ?)"
	insertFacet   = "INSERT OR IGNORE INTO facets (account, name, value, job) VALUES (?, ?, ?, ?)"
	insertEvent   = "INSERT INTO events (id, account, job, status, time, detail, source, type, resources) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
	updateJob     = "UPDATE jobs SET queue = ?, status = ?, record = ?, started = ?, finished = ? WHERE account = ? AND id = ?"
	savepoint     = "SAVEPOINT one"
	release       = "RELEASE one"
)

// statements are those, by their texts. They belong to the one connection that writes.
type statements map[string]*sql.Stmt

func prepare(db *sql.DB) (statements, error) {
	out := statements{}
	for _, text := range []string{
		insertRecord, updateRecord, writePosition, insertJob, insertTask, insertFacet, insertEvent, updateJob, savepoint, release,
	} {
		s, err := db.Prepare(text)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("prepare %q: %w", text, err), out.close())
		}
		out[text] = s
	}
	return out, nil
}

func (s statements) close() error {
	var all error
	for _, one := range s {
		all = errors.Join(all, one.Close())
	}
	return all
}

// exec carries out one of the prepared statements in a transaction of the writer.
func exec(ctx context.Context, tx *sql.Tx, text string, args ...any) error {
	var err error
	if s := effectsOf(ctx).statements[text]; s != nil {
		_, err = tx.StmtContext(ctx, s).ExecContext(ctx, args...)
	} else {
		_, err = tx.ExecContext(ctx, text, args...)
	}
	return err
}

// positions are the numbers that were last given: in the order in which records are written, and in which they are concluded. They are read once in a transaction and written once, and
// are never given again though what had them is forgotten.
type positions struct {
	read               bool
	sequence, records  int64
	sequence0, record0 int64 // as they were read
}

// errUnkept is a mistake of the program: what a transaction gives is kept by who commits it.
var errUnkept = errors.New("number an audit record: nobody keeps the numbers of this transaction")

// next gives the next number.
func next(ctx context.Context, tx *sql.Tx, name string) (int64, error) {
	if ctx.Value(effectsKey{}) == nil {
		return 0, errUnkept
	}
	p := &effectsOf(ctx).positions
	if !p.read {
		if err := tx.QueryRowContext(ctx, readPositions).Scan(&p.sequence, &p.records); err != nil {
			return 0, fmt.Errorf("number an audit record: %w", err)
		}
		p.read, p.sequence0, p.record0 = true, p.sequence, p.records
	}
	if name == "sequence" {
		p.sequence++
		return p.sequence, nil
	}
	p.records++
	return p.records, nil
}

// keep writes what was given.
func (p *positions) keep(ctx context.Context, tx *sql.Tx) error {
	if p.sequence != p.sequence0 {
		if err := exec(ctx, tx, writePosition, p.sequence, "sequence"); err != nil {
			return err
		}
	}
	if p.records != p.record0 {
		return exec(ctx, tx, writePosition, p.records, "records")
	}
	return nil
}
