package digest

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"time"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
)

const (
	// logBuffer is how much of a log file is read at once.
	logBuffer = 256 << 10
	// maxSeen bounds the log files that are kept in mind, eight bytes each.
	maxSeen = 8 << 20
	// maxStray bounds how many log files without a digest are told of one by one.
	maxStray = 1000
)

// EncodeLog writes the uncompressed bytes of a log file of records, which are JSON each.
func EncodeLog(records []json.RawMessage) []byte {
	size := len(`{"Records":[]}`)
	for _, r := range records {
		size += len(r) + 1
	}
	out := append(make([]byte, 0, size), `{"Records":[`...)
	for i, r := range records {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, r...)
	}
	return append(out, `]}`...)
}

// readFailed says whether an error is of the reading itself, and not of what was read.
func readFailed(err error) bool {
	_, syntax := errors.AsType[flate.CorruptInputError](err)
	return !syntax && !errors.Is(err, gzip.ErrChecksum) && !errors.Is(err, gzip.ErrHeader) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF)
}

// failing keeps the error of a reader apart from those of who reads it.
type failing struct {
	io.Reader
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // the contract of io.Reader
		f.err = err
	}
	return n, err
}

// log verifies a log file.
func (v *verifier) log(ctx context.Context, l Log, buffer []byte) error {
	valid, size, err := v.compare(ctx, l, buffer)
	if err != nil {
		return fmt.Errorf("read log file %s: %w", l.Object, err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.report.Logs++
	v.report.Bytes += size
	if valid {
		v.report.ValidLogs++
	}
	return nil
}

func (v *verifier) compare(ctx context.Context, l Log, buffer []byte) (valid bool, size int64, err error) {
	if err := context.Cause(ctx); err != nil {
		return false, 0, err
	}
	body, _, err := v.o.Source.Open(ctx, l.Bucket, l.Object)
	if errors.Is(err, ErrNotFound) {
		v.found(Missing, l.Bucket, l.Object, "The log file is not there, though a digest names it: it was removed, with its records from %s to %s.", l.Oldest, l.Newest)
		return false, 0, nil
	}
	if err != nil {
		return false, 0, err
	}
	defer body.Close()
	source := &failing{Reader: body}
	sum, size, err := hashLog(source, buffer)
	if source.err != nil {
		return false, size, source.err
	}
	if err != nil {
		v.found(Changed, l.Bucket, l.Object, "The log file cannot be unpacked, so it was changed after it was signed for: %v.", err)
		return false, size, nil
	}
	if sum == l.HashValue && l.HashAlgorithm == HashAlgorithm {
		return true, size, nil
	}
	return false, size, v.explain(ctx, l)
}

// hashLog returns the hash of the uncompressed bytes of a log file, and how many there are. Bytes behind the compressed ones are an error.
func hashLog(r io.Reader, buffer []byte) (sum string, size int64, err error) {
	in := bufio.NewReader(r)
	z, err := gzip.NewReader(in)
	if err != nil {
		return "", 0, err
	}
	z.Multistream(false)
	h := sha256.New()
	size, err = io.CopyBuffer(h, z, buffer)
	if err != nil {
		return "", size, err
	}
	if _, err := in.ReadByte(); err == nil {
		return "", size, errors.New("there is more behind the end of the compressed bytes")
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}

// explain tells of a log file whose hash is wrong, after a look at its events.
func (v *verifier) explain(ctx context.Context, l Log) error {
	body, _, err := v.o.Source.Open(ctx, l.Bucket, l.Object)
	if err != nil {
		return err
	}
	defer body.Close()
	source := &failing{Reader: body}
	n, oldest, newest, err := span(source)
	switch {
	case source.err != nil:
		return source.err
	case err != nil:
		v.found(Changed, l.Bucket, l.Object, "The content of the log file is not what was signed for, and no list of records any more: it was changed.")
	case n > 0 && (!oldest.Equal(l.Oldest.Time) || !newest.Equal(l.Newest.Time)):
		v.found(Backdated, l.Bucket, l.Object, "The content of the log file is not what was signed for: its %d records are now from %s to %s, but were from %s to %s when they were signed for.", n, At(oldest), At(newest), l.Oldest, l.Newest)
	default:
		v.found(Changed, l.Bucket, l.Object, "The content of the log file is not what was signed for: one or more of its %d records were changed, added or removed.", n)
	}
	return nil
}

// span reads the records of a log file one by one: how many there are, and the times of the first and the last event.
func span(r io.Reader) (n int, oldest, newest time.Time, err error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return 0, oldest, newest, err
	}
	d := json.NewDecoder(z)
	for _, want := range []any{json.Delim('{'), "Records", json.Delim('[')} {
		t, err := d.Token()
		if err != nil {
			return 0, oldest, newest, err
		}
		if t != want {
			return 0, oldest, newest, errors.New("not a list of records")
		}
	}
	for d.More() {
		var event struct{ EventTime time.Time }
		if err := d.Decode(&event); err != nil {
			return n, oldest, newest, err
		}
		if n++; n == 1 || event.EventTime.Before(oldest) {
			oldest = event.EventTime
		}
		if n == 1 || event.EventTime.After(newest) {
			newest = event.EventTime
		}
	}
	return n, oldest, newest, nil
}

// place looks whether a log file, as a digest names it, stands where the log file before ends.
func (v *verifier) place(l Log) {
	if len(v.seen) < maxSeen {
		v.seen[number(l.Bucket, l.Object)] = struct{}{}
	} else {
		v.many = true
	}
	again := l.Object == v.object
	v.object = l.Object
	r, tag, ok := ParseLogKey(l.Object)
	if !ok {
		v.covered = 0
		return
	}
	v.tag = tag
	v.top = max(v.top, r.Last)
	switch {
	case again:
		v.found(Duplicate, l.Bucket, l.Object, "The log file stands twice in the digests.")
	case v.covered == 0 || r == v.batch || r.First == v.covered+1:
	case r.First > v.covered+1:
		v.found(Gap, l.Bucket, l.Object, "The log file begins at record %d of the installation, but the one before ends at record %d: what is between is in no log file.", r.First, v.covered)
	default:
		v.found(Duplicate, l.Bucket, l.Object, "The log file begins at record %d of the installation, but the one before goes up to record %d: records stand twice.", r.First, v.covered)
	}
	v.covered, v.batch = r.Last, r
}

func number(bucket, key string) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, bucket) // never fails
	_, _ = h.Write([]byte{0})
	_, _ = io.WriteString(h, key)
	return h.Sum64()
}

// strays looks for log files that no digest names.
func (v *verifier) strays(ctx context.Context) error {
	p := v.o.Place
	if v.many || v.tag == "" {
		return nil // there are too many to keep in mind, or none that were made here
	}
	after, told, others := "", 0, 0
	if !v.o.From.IsZero() {
		after = p.Logs() + v.o.From.UTC().Format("2006/01/02/")
	}
	for {
		keys, more, err := v.o.Source.List(ctx, p.Bucket, p.Logs(), after)
		if err != nil {
			return fmt.Errorf("list the log files: %w", err)
		}
		for _, key := range keys {
			after = key
			r, tag, ok := ParseLogKey(key)
			if _, known := v.seen[number(p.Bucket, key)]; known || !ok && key[len(key)-1] == '/' {
				continue
			}
			switch {
			case ok && tag != v.tag:
				others++
			case ok && r.First > v.top && v.o.Until.IsZero():
				v.found(Pending, p.Bucket, key, "No digest names the log file yet; the next one will.")
			case ok && (!v.o.From.IsZero() || !v.o.Until.IsZero()):
				// It may be of a digest that was not asked for.
			default:
				if told++; told <= maxStray {
					v.found(Stray, p.Bucket, key, "No digest names the log file: somebody else put it here, or the digest that names it is not valid or not there.")
				}
			}
		}
		if !more || len(keys) == 0 {
			break
		}
	}
	if told > maxStray {
		v.found(Stray, p.Bucket, p.Logs(), "There are %d more log files that no digest names.", told-maxStray)
	}
	if others > 0 {
		v.found(Others, p.Bucket, p.Logs(), "%d log files are those of other trails, which have their own digests.", others)
	}
	return nil
}
