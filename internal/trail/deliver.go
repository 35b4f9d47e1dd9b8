package trail

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/blob"
	"darkroom/internal/digest"
	"darkroom/internal/store"
)

const (
	// page is how many records are read at once.
	page = 200
	// fileSize is how many bytes of records, uncompressed, end a delivery; the last record goes beyond it. Together with a page it bounds what is held in memory.
	fileSize = 8 << 20
	// ownSize is how many bytes of records of deliveries may wait for a record of something else.
	ownSize = 1 << 20
)

// Invoker is how records call the service whose deliveries made them.
const Invoker = "cloudtrail.amazonaws.com"

// own says whether a record tells of a delivery. Such records are delivered, but start no delivery: each would make others without end.
func own(r *audit.Record) bool {
	return r.UserIdentity.InvokedBy == Invoker || r.SourceIPAddress == Invoker || r.UserAgent == Invoker
}

// place is where the files of a trail go.
func (r *runner) place(t *Trail) digest.Place {
	return digest.Place{Bucket: t.Bucket, Prefix: t.Prefix, Account: t.Account, Region: r.o.Region, Trail: t.Name}
}

// step carries a run out as far as it can be now; finished says that it has come to its end.
func (r *runner) step(ctx context.Context, t *Trail, x run) (finished bool, err error) {
	if r.Current != x.Number {
		p := progress{
			Current: x.Number, Finished: x.Number - 1, Examined: x.From, Covered: x.From, Digests: r.Digests, LatestDelivery: r.LatestDelivery, LatestDigest: r.LatestDigest,
		}
		if err := r.note(ctx, t, p); err != nil {
			return false, err
		}
		r.logs, r.scanning, r.due, r.ownUpTo = nil, nil, time.Time{}, 0
	}
	if err := r.validate(ctx, t); err != nil {
		return false, err
	}
	for {
		if err := r.digests(ctx, t); err != nil {
			return false, err
		}
		now, err := r.isDue(ctx, x)
		if err != nil || !now {
			return false, err
		}
		b, err := r.scan(ctx, t, x)
		if err != nil {
			return false, err
		}
		if b.last || !b.ownOnly || b.size == 0 || b.size >= ownSize {
			if err := r.deliver(ctx, t, b); err != nil {
				return false, err
			}
		} else {
			r.scanning, r.ownUpTo = nil, b.upTo
		}
		if b.last {
			return true, r.end(ctx, t, x)
		}
		if !b.full {
			r.due = time.Time{}
			return false, nil
		}
	}
}

// isDue says whether something is to be delivered now.
func (r *runner) isDue(ctx context.Context, x run) (bool, error) {
	if x.Ended || r.Intent != 0 || r.scanning != nil {
		return true, nil
	}
	position, err := r.o.Records.Position(ctx)
	if err != nil {
		return false, fmt.Errorf("ask for the position of the records: %w", err)
	}
	now := r.o.Now()
	waiting := position - max(r.Examined, r.ownUpTo)
	switch {
	case waiting <= 0:
		return false, nil
	case waiting >= manyRecords:
		return true, nil
	case r.due.IsZero() || r.due.Sub(now) > r.o.Period: // or the clock was set back
		r.due = now.Add(r.o.Period)
	}
	return !r.due.After(now), nil
}

// next is after what time at the latest there is something to do.
func (r *runner) next() time.Duration {
	now := r.o.Now()
	d := idle
	if !r.due.IsZero() {
		d = min(d, r.due.Sub(now))
	}
	if r.Chain != nil {
		d = min(d, r.Chain.Start.Add(r.o.DigestPeriod).Sub(now))
	}
	return d
}

// batch is what one delivery delivers: the selected records up to a position, by the hour of their events.
type batch struct {
	upTo    int64
	hours   map[int64]*hour
	size    int  // of the records
	ownOnly bool // they all tell of deliveries
	full    bool // there may be more behind it
	last    bool // the run ends with it
}

// hour is the records of an hour.
type hour struct {
	records        []json.RawMessage
	oldest, newest time.Time
}

// scan collects the next batch. Of the same position it is always the same.
func (r *runner) scan(ctx context.Context, t *Trail, x run) (*batch, error) {
	if r.scanning != nil {
		return r.scanning, nil
	}
	end := x.Until
	if !x.Ended || x.Last != "" {
		position, err := r.o.Records.Position(ctx)
		if err != nil {
			return nil, fmt.Errorf("ask for the position of the records: %w", err)
		}
		end = position
	}
	if r.Intent != 0 {
		end = r.Intent
	}
	end = min(end, r.Examined+digest.MaxRange)
	b := &batch{hours: map[int64]*hour{}, ownOnly: true, upTo: r.Examined}
	for b.upTo < end && !b.full && !b.last {
		entries, err := r.o.Records.Concluded(ctx, t.Account, b.upTo, page)
		if err != nil {
			return nil, fmt.Errorf("read the records: %w", err)
		}
		for _, e := range entries {
			if e.Position > end || b.full || b.last {
				break
			}
			b.upTo = e.Position
			if err := b.add(t, e); err != nil {
				return nil, err
			}
			b.full = b.size >= fileSize
			b.last = x.Last != "" && bytes.Contains(e.Text, []byte(x.Last)) && eventID(e.Text) == x.Last
		}
		if !b.full && !b.last && (len(entries) < page || entries[len(entries)-1].Position > end) {
			b.upTo = end
		}
	}
	b.last = b.last || x.Ended && x.Last == "" && b.upTo >= x.Until
	b.full = b.full || r.Intent != 0 || x.Ended && !b.last && x.Last == ""
	r.scanning = b
	return b, nil
}

func eventID(text []byte) string {
	var r struct{ EventID string }
	if json.Unmarshal(text, &r) != nil {
		return ""
	}
	return r.EventID
}

// add adds an entry, if the trail selects it.
func (b *batch) add(t *Trail, e audit.Entry) error {
	rec, err := e.Decode()
	if err != nil {
		return fmt.Errorf("read record %d: %w", e.Position, err)
	}
	if !t.selects(&rec) {
		return nil
	}
	b.ownOnly = b.ownOnly && own(&rec)
	b.size += len(e.Text)
	at := rec.EventTime.UTC()
	key := at.Truncate(time.Hour).Unix()
	h := b.hours[key]
	if h == nil {
		h = &hour{oldest: at, newest: at}
		b.hours[key] = h
	}
	h.records = append(h.records, e.Text)
	h.oldest, h.newest = minTime(h.oldest, at), maxTime(h.newest, at)
	return nil
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// deliver puts the log files of a batch. That it is about to is noted before, what it did after.
func (r *runner) deliver(ctx context.Context, t *Trail, b *batch) error {
	p := r.progress
	if len(b.hours) > 0 && p.Intent != b.upTo {
		p.Intent = b.upTo
		if err := r.note(ctx, t, p); err != nil {
			return err
		}
	}
	var entries []store.Entry
	var logs []digest.Log
	span := digest.Range{First: max(p.Covered+1, b.upTo-digest.MaxRange+1), Last: b.upTo}
	keys := make([]int64, 0, len(b.hours))
	for k := range b.hours {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		l, err := r.putLog(ctx, t, b.hours[k], span)
		r.report(func(s *Status) {
			s.LatestAttempt, s.DeliveryError = r.o.Now().UTC(), codeOf(err)
		})
		if err != nil {
			return fmt.Errorf("deliver a log file: %w", err)
		}
		logs = append(logs, l)
		if p.Chain != nil {
			e, err := entryOf(entryLog, t.numbered(int64(len(r.logs)+len(logs)-1)), l)
			if err != nil {
				return err
			}
			entries = append(entries, e)
		}
	}
	p.Examined, p.Intent = b.upTo, 0
	if len(logs) > 0 {
		p.Covered, p.LatestDelivery = b.upTo, r.o.Now().UTC()
	}
	if p.Chain != nil {
		c := *p.Chain
		c.Logs += len(logs)
		p.Chain = &c
	}
	if err := r.note(ctx, t, p, entries...); err != nil {
		return err
	}
	if p.Chain != nil {
		r.logs = append(r.logs, logs...)
	}
	r.scanning, r.ownUpTo = nil, 0
	return nil
}

// putLog puts the log file of an hour.
func (r *runner) putLog(ctx context.Context, t *Trail, h *hour, span digest.Range) (digest.Log, error) {
	text := digest.EncodeLog(h.records)
	key := r.place(t).LogKey(h.newest, span, t.tag)
	if err := r.put(ctx, t, key, text, nil); err != nil {
		return digest.Log{}, err
	}
	return digest.Log{
		Bucket: t.Bucket, Object: key, HashValue: digest.Hash(text), HashAlgorithm: digest.HashAlgorithm, Newest: digest.At(h.newest), Oldest: digest.At(h.oldest),
	}, nil
}

// put compresses a file and puts it into the bucket of a trail.
func (r *runner) put(ctx context.Context, t *Trail, key string, text []byte, metadata map[string]string) error {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(text); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	b, err := r.o.Buckets(t.Account)
	if err != nil {
		return err
	}
	_, err = b.Put(r.o.As(ctx, t.Account), t.Bucket, key, &packed, blob.PutOptions{
		Metadata: blob.Metadata{ContentType: "application/json", ContentEncoding: "gzip", User: metadata}, Size: int64(packed.Len()), Storage: t.storage(t.ARN),
	})
	return err
}

// codeOf is the code of S3 for why an object cannot be put; empty for no error.
func codeOf(err error) string {
	var key *blob.KeyError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &key):
		return key.Code
	}
	for _, known := range []error{blob.ErrNoSuchBucket, blob.ErrAccessDenied, blob.ErrKeyTooLong, blob.ErrEntityTooLarge, blob.ErrInvalidArgument, blob.ErrNotOffered} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return "ServiceUnavailable"
}

// end ends a run, with a last digest where there is a chain.
func (r *runner) end(ctx context.Context, t *Trail, x run) error {
	if err := r.closeChain(ctx, t); err != nil {
		return err
	}
	p := r.progress
	p.Finished = x.Number
	return r.note(ctx, t, p)
}

// validate begins a chain of digests, or ends it, as the trail is defined.
func (r *runner) validate(ctx context.Context, t *Trail) error {
	switch {
	case t.Validation && r.Chain == nil:
		p := r.progress
		p.Chain = &chain{Start: maxTime(r.o.Now().UTC().Truncate(time.Second), p.LatestDigest)}
		if _, _, err := r.signer(ctx, p.Chain.Start); err != nil { // so that a key is valid before the first digest
			return err
		}
		return r.note(ctx, t, p)
	case !t.Validation && r.Chain != nil:
		return r.closeChain(ctx, t)
	}
	return nil
}

// closeChain delivers the last digest of the chain, if there is one with something to say.
func (r *runner) closeChain(ctx context.Context, t *Trail) error {
	if r.Chain == nil {
		return nil
	}
	if err := r.digests(ctx, t); err != nil {
		return err
	}
	now := r.o.Now().UTC().Truncate(time.Second)
	if now.After(r.Chain.Start) || r.Chain.Logs > 0 || !r.Chain.Intent.IsZero() {
		if err := r.digest(ctx, t, maxTime(now, r.Chain.Start.Add(time.Second))); err != nil {
			return err
		}
	}
	p := r.progress
	p.Chain = nil
	return r.note(ctx, t, p)
}

// maxMissed is how many periods that were missed have a digest of their own; the first of more covers all before.
const maxMissed = 24 * 366

// digests delivers the digests of all periods that are over.
func (r *runner) digests(ctx context.Context, t *Trail) error {
	for r.Chain != nil {
		now, end := r.o.Now().UTC(), r.Chain.Start.Add(r.o.DigestPeriod)
		if missed := now.Sub(end) / r.o.DigestPeriod; missed > maxMissed {
			end = end.Add((missed - maxMissed) * r.o.DigestPeriod)
		}
		if len(r.logs) >= maxLogs && now.Truncate(time.Second).After(r.Chain.Start) {
			end = minTime(end, now.Truncate(time.Second))
		}
		if r.Chain.Intent.IsZero() && end.After(now) {
			return nil
		}
		if err := r.digest(ctx, t, end); err != nil {
			return err
		}
	}
	return nil
}

// digest delivers the digest of the period that ends at a time, or of the one that is being delivered. That it is about to is noted before, with the end, so
// that it is the same digest when it is tried again.
func (r *runner) digest(ctx context.Context, t *Trail, end time.Time) error {
	p := r.progress
	c := *p.Chain
	p.Chain = &c
	if c.Intent.IsZero() {
		c.Intent = end.UTC()
		if err := r.note(ctx, t, p); err != nil {
			return err
		}
	}
	end = c.Intent
	private, public, err := r.signer(ctx, end)
	if err != nil {
		return err
	}
	f := digest.File{
		Account: t.Account, Start: digest.At(c.Start), End: digest.At(end), Bucket: t.Bucket, Object: r.place(t).DigestKey(end),
		Fingerprint: public.Fingerprint, SignatureAlgorithm: digest.SignatureAlgorithm, Logs: r.logs,
	}
	f.Follow(c.Before)
	text, err := f.Encode()
	if err != nil {
		return err
	}
	signed, err := f.Sign(r.o.Random, private, text)
	if err != nil {
		return err
	}
	err = r.put(ctx, t, f.Object, text, map[string]string{digest.MetaSignature: signed.Signature, digest.MetaAlgorithm: digest.SignatureAlgorithm})
	r.report(func(s *Status) { s.DigestError = codeOf(err) })
	if err != nil {
		return fmt.Errorf("deliver a digest: %w", err)
	}
	e, err := entryOf(entryAnchor, t.numbered(p.Digests%maxUnanchored), anchor{signed, c.Start, end})
	if err != nil {
		return err
	}
	p.Chain = &chain{Start: end, Before: &signed}
	p.LatestDigest = end
	p.Digests++
	if err := r.note(ctx, t, p, e); err != nil {
		return err
	}
	r.logs = nil
	r.delivered(p.Digests-1, anchor{signed, c.Start, end})
	return nil
}

// delivered hands a digest to who anchors.
func (r *runner) delivered(n int64, a anchor) {
	r.report(func(s *Status) {
		if !s.Anchoring {
			return
		}
		r.witness.total, r.witness.anchors[n%maxUnanchored] = n+1, a
		s.Unanchored = n + 1 - r.witness.anchored.Digests
	})
	select {
	case r.anchoring <- struct{}{}:
	default:
	}
}
