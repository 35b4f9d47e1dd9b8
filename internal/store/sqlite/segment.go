package sqlite

import (
	"container/heap"
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"

	"darkroom/internal/audit"
)

// Records are searched through segments, each of which tells what the terms of some thousand records are that were concluded one after another. A segment is written behind the commit of
// its last record, so that a record costs its row and nothing else when it is written, and again when some of its records are deleted. The records behind the last segment, fewer than one has, are read.

const (
	// segmentSize is how many positions a segment has.
	segmentSize = 1024
	// buckets is how many parts the terms of a segment have. The lowest bits of a term say which is its own.
	buckets = 64
	// memberSize is what a segment has for each of its records: sequence and time.
	memberSize = 16
	// entrySize is what a bucket has for each term of each record: the highest 32 bits of the term, and which record of the segment.
	entrySize = 6
)

var errSegment = errors.New("a segment of the audit trail is damaged")

// member is a record on its way into a segment.
type member struct {
	sequence, time int64
	terms          []byte
}

// bucketOf is where a term is in a segment, and as what.
func bucketOf(t term) (bucket int64, key uint32) { return int64(t % buckets), uint32(t >> 32) }

// entriesID is where the entries of a bucket of a segment are: beside those of the same bucket of its neighbours, so that a term is looked for in many segments by reading on.
func entriesID(bucket, segment int64) int64 { return bucket<<48 | segment }

// encodeSegment returns what is kept of a segment. It takes at most 1<<16 members, and at least one.
func encodeSegment(all []member) (earliest, latest int64, members []byte, entries [buckets][]byte) {
	earliest, latest = all[0].time, all[0].time
	members = make([]byte, 0, memberSize*len(all))
	var keys [buckets][]uint64 // key and member, so that their order is that of the entries
	for i, m := range all {
		earliest, latest = min(earliest, m.time), max(latest, m.time)
		members = binary.BigEndian.AppendUint64(members, uint64(m.sequence))
		members = binary.BigEndian.AppendUint64(members, uint64(m.time))
		for t := m.terms; len(t) >= 8; t = t[8:] {
			b, key := bucketOf(term(binary.BigEndian.Uint64(t)))
			keys[b] = append(keys[b], uint64(key)<<16|uint64(i))
		}
	}
	for b := range keys {
		slices.Sort(keys[b])
		for _, k := range slices.Compact(keys[b]) {
			entries[b] = binary.BigEndian.AppendUint32(entries[b], uint32(k>>16))
			entries[b] = binary.BigEndian.AppendUint16(entries[b], uint16(k))
		}
	}
	return earliest, latest, members, entries
}

// membersWith returns which records have a term, by a bucket's entries, ascending.
func membersWith(entries []byte, key uint32) (out []uint16) {
	n := len(entries) / entrySize
	at := sort.Search(n, func(i int) bool { return binary.BigEndian.Uint32(entries[i*entrySize:]) >= key })
	for ; at < n; at++ {
		e := entries[at*entrySize:]
		if binary.BigEndian.Uint32(e) != key {
			break
		}
		out = append(out, binary.BigEndian.Uint16(e[4:]))
	}
	return out
}

// both are the members of two lists that ascend.
func both(a, b []uint16) []uint16 {
	out := a[:0]
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			a = a[1:]
		case a[0] > b[0]:
			b = b[1:]
		default:
			out, a, b = append(out, a[0]), a[1:], b[1:]
		}
	}
	return out
}

// index writes the next segment if it is due. Where it fails nothing is lost: the records are read one by one, and it is tried again when there are some more.
func (s *Store) index(ctx context.Context) error {
	if s.position-s.indexed < s.segment || s.position < s.again {
		return nil
	}
	upTo, err := s.writeSegment(ctx)
	if err != nil {
		s.again = s.position + s.segment/8
		return fmt.Errorf("index the audit trail: %w", err)
	}
	s.indexed = upTo
	return nil
}

// writeSegment writes the next segment, if it is due, and returns the position up to which there are segments then. The positions are read in its transaction: another process may have written
// records since the last.
func (s *Store) writeSegment(ctx context.Context) (upTo int64, err error) {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	var position, indexed int64
	if err := tx.QueryRowContext(ctx, readIndexed).Scan(&position, &indexed); err != nil {
		return 0, err
	}
	if position-indexed < s.segment {
		return indexed, tx.Rollback()
	}
	rows, err := tx.QueryContext(ctx, `SELECT position, sequence, account, time, terms, CASE WHEN terms IS NULL THEN record END FROM records
		WHERE position > ? AND position <= ? ORDER BY position LIMIT ?`, indexed, position, s.segment)
	if err != nil {
		return 0, err
	}
	var all []member
	for rows.Next() {
		var m member
		var account string
		var record []byte
		if err := rows.Scan(&upTo, &m.sequence, &account, &m.time, &m.terms, &record); err != nil {
			return 0, errors.Join(err, rows.Close())
		}
		if m.terms == nil {
			m.terms = termsOfText(account, record)
		}
		all = append(all, m)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return 0, err
	}
	if int64(len(all)) < s.segment {
		upTo = position // what is missing was deleted
	}
	if len(all) > 0 {
		earliest, latest, members, entries := encodeSegment(all)
		if _, err := tx.ExecContext(ctx, "INSERT INTO segments (last, earliest, latest, members) VALUES (?, ?, ?, ?)", upTo, earliest, latest, members); err != nil {
			return 0, err
		}
		if err := insertEntries(ctx, tx, upTo, entries); err != nil {
			return 0, err
		}
	}
	if _, err := tx.ExecContext(ctx, writePosition, upTo, "indexed"); err != nil {
		return 0, err
	}
	return upTo, tx.Commit()
}

func insertEntries(ctx context.Context, tx *sql.Tx, segment int64, entries [buckets][]byte) (err error) {
	insert, err := tx.PrepareContext(ctx, "INSERT INTO segment_terms (id, entries) VALUES (?, ?)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, insert.Close()) }()
	for b, e := range entries {
		if len(e) == 0 {
			continue
		}
		if _, err := insert.ExecContext(ctx, entriesID(int64(b), segment), e); err != nil {
			return err
		}
	}
	return nil
}

// termsOfText are the terms of a record that an earlier version wrote without them. One that cannot be read is found by its account alone: it must not keep the others from being found.
func termsOfText(account string, text []byte) []byte {
	var r audit.Record
	if json.Unmarshal(text, &r) != nil {
		t := termer{account: account}
		t.always(ofAccount, "")
		return t.encode()
	}
	r.RecipientAccountID = account
	return termsOf(&r)
}

// rewriteSegment writes a segment of which records were deleted anew, of those that are left; without any it is deleted. Nothing of what is deleted stays.
func rewriteSegment(ctx context.Context, tx *sql.Tx, segment int64) (err error) {
	var members []byte
	if err := tx.QueryRowContext(ctx, "SELECT members FROM segments WHERE last = ?", segment).Scan(&members); err != nil {
		return err
	}
	read, err := tx.PrepareContext(ctx, "SELECT account, time, terms, CASE WHEN terms IS NULL THEN record END FROM records WHERE sequence = ?")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, read.Close()) }()
	var left []member
	for ; len(members) >= memberSize; members = members[memberSize:] {
		m := member{sequence: int64(binary.BigEndian.Uint64(members))}
		var account string
		var record []byte
		switch err := read.QueryRowContext(ctx, m.sequence).Scan(&account, &m.time, &m.terms, &record); {
		case errors.Is(err, sql.ErrNoRows):
			continue
		case err != nil:
			return err
		}
		if m.terms == nil {
			m.terms = termsOfText(account, record)
		}
		left = append(left, m)
	}
	for b := range int64(buckets) {
		if _, err := tx.ExecContext(ctx, "DELETE FROM segment_terms WHERE id = ?", entriesID(b, segment)); err != nil {
			return err
		}
	}
	if len(left) == 0 {
		_, err := tx.ExecContext(ctx, "DELETE FROM segments WHERE last = ?", segment)
		return err
	}
	earliest, latest, members, entries := encodeSegment(left)
	if _, err := tx.ExecContext(ctx, "UPDATE segments SET earliest = ?, latest = ?, members = ? WHERE last = ?", earliest, latest, members, segment); err != nil {
		return err
	}
	return insertEntries(ctx, tx, segment, entries)
}

// search selects concluded records.
type search struct {
	terms     []term // that a record must have; none: every record of every account
	from, to  int64  // of its time, both inclusive
	after     *spot  // behind which it begins
	ascending bool
}

// spot is where a record is: its place in the order of a search, and its segment, 0 where it has none yet.
type spot struct {
	time, sequence, segment int64
}

// before says whether a spot comes before another in the order of the search.
func (q *search) before(a, b spot) bool {
	if !q.ascending {
		a, b = b, a
	}
	return a.time < b.time || a.time == b.time && a.sequence < b.sequence
}

// fits says whether a spot is within the times, and behind where the search begins.
func (q *search) fits(s spot) bool {
	return s.time >= q.from && s.time <= q.to && (q.after == nil || q.before(*q.after, s))
}

// spots are found and not given yet, the first on top.
type spots struct {
	all []spot
	q   *search
}

func (s *spots) Len() int           { return len(s.all) }
func (s *spots) Less(i, j int) bool { return s.q.before(s.all[i], s.all[j]) }
func (s *spots) Swap(i, j int)      { s.all[i], s.all[j] = s.all[j], s.all[i] }
func (s *spots) Push(x any)         { s.all = append(s.all, x.(spot)) }
func (s *spots) Pop() any {
	last := s.all[len(s.all)-1]
	s.all = s.all[:len(s.all)-1]
	return last
}

// walk gives what the search selects in the order of time, then of sequence, until visit wants no more. A record that it gives must be asked whether it has the terms: a segment keeps 38 bits of
// them. It must be called in a transaction, so that what it reads is of one moment.
//
// A spot is given when no segment that is still to be read has one before it; so there are in memory those of the segments that are of the same time.
func (q *search) walk(ctx context.Context, tx *sql.Tx, visit func(spot) (more bool, err error)) (err error) {
	if q.after != nil { // what it may still give begins there
		if q.ascending {
			q.from = max(q.from, q.after.time)
		} else {
			q.to = min(q.to, q.after.time)
		}
	}
	waiting := &spots{q: q}
	if err := q.tail(ctx, tx, waiting); err != nil {
		return err
	}
	text := "SELECT last, latest FROM segments WHERE latest >= ? AND earliest <= ? ORDER BY latest DESC"
	if q.ascending {
		text = "SELECT last, earliest FROM segments WHERE latest >= ? AND earliest <= ? ORDER BY earliest"
	}
	rows, err := tx.QueryContext(ctx, text, q.from, q.to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	read := reading{tx: tx}
	defer func() { err = errors.Join(err, read.close()) }()
	if err := read.prepare(ctx); err != nil {
		return err
	}
	var ahead []*candidate
	most := fewAhead
	for done := false; !done; most = min(2*most, manyAhead) {
		ahead = ahead[:0]
		for len(ahead) < most && !done {
			if done = !rows.Next(); done {
				break
			}
			c := new(candidate)
			if err := rows.Scan(&c.segment, &c.begin); err != nil {
				return err
			}
			ahead = append(ahead, c)
		}
		if err := q.look(ctx, &read, ahead); err != nil {
			return err
		}
		for _, c := range ahead {
			for waiting.Len() > 0 && (q.ascending && waiting.all[0].time < c.begin || !q.ascending && waiting.all[0].time > c.begin) {
				if more, err := visit(heap.Pop(waiting).(spot)); err != nil || !more {
					return err
				}
			}
			if err := q.add(ctx, &read, c, waiting); err != nil {
				return err
			}
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for waiting.Len() > 0 {
		if more, err := visit(heap.Pop(waiting).(spot)); err != nil || !more {
			return err
		}
	}
	return nil
}

// How many segments are looked into at once: few first, for what is asked for is mostly the latest.
const (
	fewAhead  = 4
	manyAhead = 512
)

// candidate is a segment that may have something.
type candidate struct {
	segment, begin int64    // begin is the time of its first record in the order of the search
	which          []uint16 // of its records
}

// reading is the statements of a walk.
type reading struct {
	tx               *sql.Tx
	one, on, members *sql.Stmt
}

func (r *reading) prepare(ctx context.Context) (err error) {
	for _, p := range []struct {
		to   **sql.Stmt
		text string
	}{
		{&r.one, "SELECT id, entries FROM segment_terms WHERE id = ?"},
		{&r.on, "SELECT id, entries FROM segment_terms WHERE id BETWEEN ? AND ?"},
		{&r.members, "SELECT members FROM segments WHERE last = ?"},
	} {
		if *p.to, err = r.tx.PrepareContext(ctx, p.text); err != nil {
			return err
		}
	}
	return nil
}

func (r *reading) close() (err error) {
	for _, s := range []*sql.Stmt{r.one, r.on, r.members} {
		if s != nil {
			err = errors.Join(err, s.Close())
		}
	}
	return err
}

// entries gives the entries of a bucket: of a segment, or of all from one to another.
func entries(ctx context.Context, s *sql.Stmt, give func(segment int64, entries []byte), ids ...any) (err error) {
	rows, err := s.QueryContext(ctx, ids...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var id int64
		var raw sql.RawBytes
		if err := rows.Scan(&id, &raw); err != nil {
			return err
		}
		give(id&(1<<48-1), raw)
	}
	return rows.Err()
}

// look finds which records of some segments have all terms. A term that few of them can still have is looked for in these alone.
func (q *search) look(ctx context.Context, r *reading, all []*candidate) error {
	left := map[int64]*candidate{}
	for _, c := range all {
		left[c.segment] = c
	}
	for i, t := range q.terms {
		bucket, key := bucketOf(t)
		found := map[int64]*candidate{}
		give := func(segment int64, entries []byte) {
			c := left[segment]
			if c == nil {
				return
			}
			which := membersWith(entries, key)
			if i > 0 {
				which = both(c.which, which)
			}
			if len(which) > 0 {
				c.which, found[segment] = which, c
			}
		}
		if 4*len(left) < len(all) {
			for segment := range left {
				if err := entries(ctx, r.one, give, entriesID(bucket, segment)); err != nil {
					return err
				}
			}
		} else {
			lo, hi := int64(math.MaxInt64), int64(0)
			for segment := range left {
				lo, hi = min(lo, segment), max(hi, segment)
			}
			if err := entries(ctx, r.on, give, entriesID(bucket, lo), entriesID(bucket, hi)); err != nil {
				return err
			}
		}
		for segment, c := range left {
			if found[segment] == nil {
				c.which = nil
			}
		}
		if left = found; len(left) == 0 {
			return nil
		}
	}
	return nil
}

// add adds what was found in a segment.
func (q *search) add(ctx context.Context, r *reading, c *candidate, to *spots) error {
	if len(c.which) == 0 && len(q.terms) > 0 {
		return nil
	}
	var members []byte
	if err := r.members.QueryRowContext(ctx, c.segment).Scan(&members); err != nil {
		return err
	}
	n := len(members) / memberSize
	if len(q.terms) == 0 {
		for i := range n {
			c.which = append(c.which, uint16(i))
		}
	}
	for _, i := range c.which {
		if int(i) >= n {
			return errSegment
		}
		m := members[int(i)*memberSize:]
		s := spot{sequence: int64(binary.BigEndian.Uint64(m)), time: int64(binary.BigEndian.Uint64(m[8:])), segment: c.segment}
		if q.fits(s) {
			heap.Push(to, s)
		}
	}
	return nil
}

// tail adds what is selected of the records behind the last segment.
func (q *search) tail(ctx context.Context, tx *sql.Tx, to *spots) (err error) {
	rows, err := tx.QueryContext(ctx, `SELECT time, sequence, account, terms, CASE WHEN terms IS NULL THEN record END FROM records
		WHERE position > (SELECT value FROM positions WHERE name = 'indexed')`)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var s spot
		var account string
		var terms, record sql.RawBytes
		if err := rows.Scan(&s.time, &s.sequence, &account, &terms, &record); err != nil {
			return err
		}
		if !q.fits(s) {
			continue
		}
		kept := []byte(terms)
		if kept == nil && len(q.terms) > 0 {
			kept = termsOfText(account, record)
		}
		if have(kept, q.terms) {
			heap.Push(to, s)
		}
	}
	return rows.Err()
}
