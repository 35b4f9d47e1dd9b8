// Package sqlite keeps records in one SQLite database: write-ahead log, synchronous FULL, so that what was answered survives a power cut.
//
// There is one writer. Changes that wait for it are written in one transaction, each in a savepoint of its own: under load many requests share
// one fsync, and one that fails takes back its own change alone.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"sync"

	_ "modernc.org/sqlite" // the driver

	"darkroom/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	// maxBatch is how many changes share a transaction.
	maxBatch = 128
	// readers is how many queries run at the same time.
	readers = 4
	// busyMilliseconds is how long a connection waits for another process that has the file, such as a backup.
	busyMilliseconds = 10_000
)

// errClosed is returned by changes after Close.
var errClosed = errors.New("the records are closed")

// Store implements store.Store.
type Store struct {
	write, read *sql.DB
	changes     chan change
	stop        chan struct{}
	done        chan struct{}
	close       sync.Once
	few         int // fewJobs, unless a test says otherwise
}

var _ store.Store = (*Store)(nil)

type change struct {
	ctx  context.Context
	do   func(ctx context.Context, tx *sql.Tx) error
	done chan error
}

// Open opens or makes the database at path and brings its schema up to date.
func Open(path string) (*Store, error) { return openWith("sqlite", path) }

func openWith(driver, path string) (*Store, error) {
	write, err := connect(driver, path, 1)
	if err != nil {
		return nil, err
	}
	if err := migrate(write); err != nil {
		return nil, errors.Join(fmt.Errorf("bring the schema of the records up to date: %w", err), write.Close())
	}
	read, err := connect(driver, path, readers)
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	s := &Store{write: write, read: read, few: fewJobs, changes: make(chan change), stop: make(chan struct{}), done: make(chan struct{})}
	go s.writer()
	return s, nil
}

func connect(driver, path string, connections int) (*sql.DB, error) {
	q := url.Values{"_txlock": {"immediate"}, "_pragma": {
		"busy_timeout(" + strconv.Itoa(busyMilliseconds) + ")", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)",
		"secure_delete(ON)", // what is deleted, such as a destroyed key, is overwritten and not left in free pages
	}}
	db, err := sql.Open(driver, "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	if err := db.Ping(); err != nil {
		return nil, errors.Join(fmt.Errorf("open the records: %w", err), db.Close())
	}
	return db, nil
}

// migrate applies the numbered files that the database has not seen, each in a transaction.
func migrate(db *sql.DB) error {
	var version int
	if err := db.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	sort.Strings(names)
	if version > len(names) {
		return fmt.Errorf("schema %d, known: %d: %w", version, len(names), store.ErrNewerSchema)
	}
	for i, name := range names[version:] {
		text, err := migrations.ReadFile(name)
		if err != nil {
			return err
		}
		tx, err := db.Begin()
		if err != nil {
			return err
		}
		for _, statement := range strings.Split(string(text), ";\n") {
			if _, err := tx.Exec(statement); err != nil {
				return errors.Join(fmt.Errorf("%s: %w", name, err), tx.Rollback())
			}
		}
		if _, err := tx.Exec("PRAGMA user_version = " + strconv.Itoa(version+i+1)); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		if err := tx.Commit(); err != nil {
			return err
		}
	}
	return nil
}

// Close waits for the change under way and closes the database. Changes after it fail.
func (s *Store) Close() error {
	var err error
	s.close.Do(func() {
		close(s.stop)
		<-s.done
		err = errors.Join(s.read.Close(), s.write.Close())
	})
	return err
}

// change runs do in a transaction and returns when it is durable.
func (s *Store) change(ctx context.Context, do func(ctx context.Context, tx *sql.Tx) error) error {
	c := change{ctx, do, make(chan error, 1)}
	select {
	case s.changes <- c:
	case <-s.stop:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	// Once the writer has it, the change may be made: the answer has to say whether it was.
	return <-c.done
}

func (s *Store) writer() {
	defer close(s.done)
	for {
		var batch []change
		select {
		case c := <-s.changes:
			batch = append(batch, c)
		case <-s.stop:
			return
		}
		for full := false; !full && len(batch) < maxBatch; {
			select {
			case c := <-s.changes:
				batch = append(batch, c)
			default:
				full = true
			}
		}
		s.commit(batch)
	}
}

// commit makes a batch durable and answers each change. The context of one caller does not end the transaction of the others.
func (s *Store) commit(batch []change) {
	results := make([]error, len(batch))
	err := func() error {
		ctx := context.Background()
		tx, err := s.write.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		for i, c := range batch {
			if results[i] = c.ctx.Err(); results[i] != nil {
				continue
			}
			if _, err := tx.ExecContext(ctx, "SAVEPOINT one"); err != nil {
				return errors.Join(err, tx.Rollback())
			}
			if results[i] = c.do(ctx, tx); results[i] != nil {
				if _, err := tx.ExecContext(ctx, "ROLLBACK TO one"); err != nil {
					return errors.Join(err, tx.Rollback())
				}
			}
			if _, err := tx.ExecContext(ctx, "RELEASE one"); err != nil {
				return errors.Join(err, tx.Rollback())
			}
		}
		return tx.Commit()
	}()
	for i, c := range batch {
		if err != nil {
			c.done <- fmt.Errorf("write the records: %w", err)
			continue
		}
		c.done <- results[i]
	}
}
