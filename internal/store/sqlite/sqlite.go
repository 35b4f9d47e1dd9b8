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
	"sync/atomic"

	_ "modernc.org/sqlite" // the driver

	"darkroom/internal/audit"
	"darkroom/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	// maxBatch is how many changes share a transaction.
	maxBatch = 128
	// readers is how many queries run at the same time.
	readers = 4
	// writerCache is how many bytes of the database the writer keeps in memory, so that it does not read again what it writes to all the time: the ends of the indexes of jobs.
	writerCache = 64 << 20
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
	few         int   // fewJobs, unless a test says otherwise
	segment     int64 // segmentSize, unless a test says otherwise

	// These belong to the writer: up to where audit records are concluded, up to where they are in segments, and from where on it is tried again to write one.
	position, indexed, again int64

	statements                statements
	reserve                   reserve
	outcomes                  chan *audit.Pending // of records that are written, on their way to the writer
	recordsGrown, eventsGrown signal
	announced                 atomic.Int64 // the position up to which recordsGrown was announced
	watcher                   atomic.Pointer[func(store.Commit)]
}

var _ store.Store = (*Store)(nil)

type change struct {
	ctx  context.Context
	do   func(ctx context.Context, tx *sql.Tx) error
	done chan error
	// records says that it writes complete records, or nothing.
	records bool
}

// Open opens or makes the database at path and brings its schema up to date.
func Open(path string) (*Store, error) { return openWith("sqlite", path) }

func openWith(driver, path string) (*Store, error) {
	write, err := connect(driver, path, 1, "cache_size(-"+strconv.Itoa(writerCache>>10)+")")
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
	s := &Store{
		write: write, read: read, few: fewJobs, segment: segmentSize, changes: make(chan change), stop: make(chan struct{}), done: make(chan struct{}),
		outcomes: make(chan *audit.Pending, maxOutcomes),
	}
	if s.statements, err = prepare(write); err != nil {
		return nil, errors.Join(err, read.Close(), write.Close())
	}
	if err := write.QueryRow(readIndexed).Scan(&s.position, &s.indexed); err != nil {
		return nil, errors.Join(fmt.Errorf("read up to where the audit trail is indexed: %w", err), s.statements.close(), read.Close(), write.Close())
	}
	s.announced.Store(s.position)
	for s.position-s.indexed >= s.segment && s.index(context.Background()) == nil { // of what an earlier version wrote; what fails is tried again
	}
	s.reserve.path = path + reserveSuffix
	if err := s.reserve.fill(); err != nil {
		if !full(err) {
			return nil, errors.Join(err, read.Close(), write.Close())
		}
		s.reserve.spent = true // the first change finds out whether there is room again
	}
	go s.writer()
	return s, nil
}

func connect(driver, path string, connections int, pragmas ...string) (*sql.DB, error) {
	q := url.Values{"_txlock": {"immediate"}, "_pragma": append(pragmas,
		"busy_timeout("+strconv.Itoa(busyMilliseconds)+")", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)",
		"temp_store(MEMORY)", // what a savepoint takes back is kept in memory: no file beside the records, which nobody sealed and which may not be writable
		"secure_delete(ON)",  // what is deleted, such as a destroyed key, is overwritten and not left in free pages
	)}
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
		err = errors.Join(s.statements.close(), s.read.Close(), s.write.Close())
	})
	return err
}

// change runs do in a transaction and returns when it is durable.
func (s *Store) change(ctx context.Context, do func(ctx context.Context, tx *sql.Tx) error) error {
	return s.submit(change{ctx: ctx, do: do, done: make(chan error, 1)})
}

func (s *Store) submit(c change) error {
	select {
	case s.changes <- c:
	case <-s.stop:
		return errClosed
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
	// Once the writer has it, the change may be made: the answer has to say whether it was.
	return <-c.done
}

func (s *Store) writer() {
	defer close(s.done)
	var ended []*audit.Pending // what a commit that failed has left waits for the next
	for {
		var batch []change
		select {
		case c := <-s.changes:
			batch = append(batch, c)
		case p := <-s.outcomes:
			ended = append(ended, p)
		case <-s.stop:
			s.commit(nil, s.ended(ended))
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
		ended = s.ended(ended)
		if s.commit(batch, ended) {
			ended = nil
			if !s.reserve.spent {
				s.unindexed(s.index(context.Background()))
			}
		}
	}
}

// commit makes a batch durable and answers each change; where the file system is full, what of it is the audit trail's alone, into the room that is reserved for that.
func (s *Store) commit(batch []change, ended []*audit.Pending) bool {
	if s.reserve.room() {
		results, err := s.transact(batch, ended)
		if err == nil || !full(err) {
			return answer(batch, results, err)
		}
		if err := s.reserve.spend(); err != nil {
			return answer(batch, nil, err)
		}
	}
	batch = parted(batch)
	if len(batch)+len(ended) == 0 {
		return true
	}
	results, err := s.transact(batch, ended)
	return answer(batch, results, err)
}

// answer tells each change what became of it.
func answer(batch []change, results []error, err error) bool {
	for i, c := range batch {
		switch {
		case full(err):
			c.done <- store.ErrFull
		case err != nil:
			c.done <- fmt.Errorf("write the records: %w", err)
		default:
			c.done <- results[i]
		}
	}
	return err == nil
}

// ended adds the outcomes that wait, up to a bound.
func (s *Store) ended(to []*audit.Pending) []*audit.Pending {
	for len(to) < maxOutcomes {
		select {
		case p := <-s.outcomes:
			to = append(to, p)
		default:
			return to
		}
	}
	return to
}

// effects are what a transaction did that others wait for.
type effects struct {
	events    bool
	concluded bool                     // records
	written   map[*audit.Pending]place // records of requests, and where
	records   int                      // that were written or concluded

	statements statements
	positions  positions
}

// place is where a record is written, and whether it is complete.
type place struct {
	sequence  int64
	concluded bool
}

type effectsKey struct{}

// transact makes a batch durable, with the records that their contexts carry and the outcomes of others. The context of one caller does not
// end the transaction of the others.
func (s *Store) transact(batch []change, ended []*audit.Pending) ([]error, error) {
	results := make([]error, len(batch))
	var did effects
	watched := s.watch(len(batch))
	err := func() error {
		did = effects{written: map[*audit.Pending]place{}, statements: s.statements}
		ctx := context.WithValue(context.Background(), effectsKey{}, &did)
		tx, err := s.write.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		for i, c := range batch {
			if results[i] = c.ctx.Err(); results[i] != nil {
				continue
			}
			before := did
			if err := exec(ctx, tx, savepoint); err != nil {
				return errors.Join(err, tx.Rollback())
			}
			if results[i] = did.do(ctx, tx, c); results[i] != nil {
				if full(results[i]) { // which ends the whole transaction
					return errors.Join(results[i], tx.Rollback())
				}
				if _, err := tx.ExecContext(ctx, "ROLLBACK TO one"); err != nil {
					return errors.Join(err, tx.Rollback())
				}
				did = before // its numbers are free again
			}
			if err := exec(ctx, tx, release); err != nil {
				return errors.Join(err, tx.Rollback())
			}
		}
		if err := s.conclude(ctx, tx, ended); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		if err := did.positions.keep(ctx, tx); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		return tx.Commit()
	}()
	watched(did.records, err != nil)
	if err == nil {
		if did.positions.read {
			s.position = did.positions.records
		}
		for p, w := range did.written {
			p.Written(w.sequence)
			if w.concluded {
				p.Conclude()
			}
		}
		if did.events {
			s.eventsGrown.announce()
		}
		if did.concluded || len(ended) > 0 {
			s.announced.Store(s.position)
			s.recordsGrown.announce()
		}
	}
	return results, err
}

// do makes a change, and writes the record that its context carries where that is not written yet.
func (e *effects) do(ctx context.Context, tx *sql.Tx, c change) error {
	if err := c.do(ctx, tx); err != nil {
		return err
	}
	p := audit.From(c.ctx)
	if p == nil || p.Sequence() != 0 || e.written[p].sequence != 0 {
		return nil
	}
	r, w, position := p.Record(), place{concluded: p.IsFinal()}, any(nil)
	if w.concluded {
		n, err := next(ctx, tx, "records")
		if err != nil {
			return err
		}
		position, e.concluded = n, true
	}
	var err error
	if w.sequence, err = appendRecord(ctx, tx, &r, position); err != nil {
		return err
	}
	e.written[p] = w
	return nil
}

// effectsOf are those of the transaction of ctx.
func effectsOf(ctx context.Context) *effects {
	e, ok := ctx.Value(effectsKey{}).(*effects)
	if !ok {
		return new(effects) // of a transaction that nobody waits for
	}
	return e
}
