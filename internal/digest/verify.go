package digest

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
)

// MaxDigest bounds a digest file, uncompressed.
const MaxDigest = 64 << 20

// ErrNotFound is what a Source returns for an object that is not there.
var ErrNotFound = errors.New("no such object")

// Source reads a bucket, or a copy of one. It is used from several goroutines at once.
type Source interface {
	// List returns keys that begin with a prefix and come after one, in the order of their bytes, and whether there are more.
	List(ctx context.Context, bucket, prefix, after string) (keys []string, more bool, err error)
	// Open returns the bytes of an object, which the caller closes, and its metadata by lower-case names; nil where a copy has none. ErrNotFound: it is not there.
	Open(ctx context.Context, bucket, key string) (body io.ReadCloser, metadata map[string]string, err error)
}

// Options are what is verified, and against what. Place, Source, Keys and Found are needed.
type Options struct {
	Place  Place
	Source Source
	Keys   []Key
	// From leaves out digests that end before; zero is the beginning, and then what the oldest digest follows must be there. Until leaves out those that end
	// after; zero is no end.
	From, Until time.Time
	// Newest is when the last digest ends that the installation knows to have delivered, if that is known. Else Now tells whether digests are missing at the end:
	// more than two of their periods after the last one, some are. With neither, the end is not looked at.
	Newest, Now time.Time
	Workers     int // log files that are read at once; 0 is 1
	// Found is called with each finding, one at a time, in no order of their places.
	Found func(Finding)
}

// Verify verifies a chain of digests, all log files that they name, and that there are no others. It returns an error only where it could not read on;
// what is wrong with what it read are findings. Its memory does not grow with the size of log files or the number of digests; of each log file it keeps
// eight bytes.
func Verify(ctx context.Context, o Options) (Report, error) {
	v := &verifier{o: o, keys: map[string]*rsa.PublicKey{}, seen: map[uint64]struct{}{}}
	for _, k := range o.Keys {
		p, err := k.Public()
		if err != nil {
			return Report{}, err
		}
		v.keys[k.Fingerprint] = p
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	logs := make(chan Log)
	var workers sync.WaitGroup
	for range max(1, o.Workers) {
		workers.Go(func() {
			buffer := make([]byte, logBuffer)
			for l := range logs {
				if err := v.log(ctx, l, buffer); err != nil {
					cancel(err)
				}
			}
		})
	}
	err := v.walk(ctx, logs)
	close(logs)
	workers.Wait()
	if err == nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		err = v.strays(ctx)
	}
	return v.report, err
}

// verifier is one verification on its way.
type verifier struct {
	o    Options
	keys map[string]*rsa.PublicKey

	mu     sync.Mutex // guards report, and is held while Found is called
	report Report

	// What follows belongs to the goroutine that walks the chain.
	seen    map[uint64]struct{} // the log files that digests name, by a hash of bucket and key
	many    bool                // there were more than maxSeen
	tag     string              // of the trail's log files
	covered int64               // the last position of the log file before; 0: not known
	batch   Range               // of the log file before
	object  string              // its key
	top     int64               // the last position that any log file covers
}

// found tells of a finding.
func (v *verifier) found(k Kind, bucket, object, format string, args ...any) {
	f := Finding{k, k.IsFault(), bucket, object, fmt.Sprintf(format, args...)}
	v.mu.Lock()
	defer v.mu.Unlock()
	if f.Fault {
		v.report.Faults++
	} else {
		v.report.Notices++
	}
	v.o.Found(f)
}

// link is a digest as it was read.
type link struct {
	key       string
	end       time.Time // as its name says
	file      *File     // nil if it cannot be read
	text      []byte
	hash      string
	signature string // as its metadata has it; empty if that is not known
	metadata  bool   // there are metadata
	flawed    bool   // a fault was told of it
}

// walk goes through the digests from the oldest on.
func (v *verifier) walk(ctx context.Context, logs chan<- Log) error {
	var before, current *link
	err := v.digests(ctx, func(key string, end time.Time) error {
		next, err := v.load(ctx, key, end)
		if err != nil {
			return err
		}
		if current != nil {
			if err := v.digest(ctx, before, current, next, logs); err != nil {
				return err
			}
			current.text = nil
		}
		before, current = current, next
		return nil
	})
	if err != nil {
		return err
	}
	if current == nil {
		v.found(NoTail, v.o.Place.Bucket, v.o.Place.Digests(), "There is no digest of the trail %s here.", v.o.Place.Trail)
		return nil
	}
	if err := v.digest(ctx, before, current, nil, logs); err != nil {
		return err
	}
	v.tail(current)
	return nil
}

// digests calls do with the key of each digest of the trail, in order.
func (v *verifier) digests(ctx context.Context, do func(key string, end time.Time) error) error {
	p := v.o.Place
	after := ""
	if !v.o.From.IsZero() {
		after = p.DigestKey(v.o.From.Add(-time.Second))
	}
	for {
		keys, more, err := v.o.Source.List(ctx, p.Bucket, p.Digests(), after)
		if err != nil {
			return fmt.Errorf("list the digests: %w", err)
		}
		for _, key := range keys {
			after = key
			end, ok := p.IsDigest(key)
			if !ok || !v.o.Until.IsZero() && end.After(v.o.Until) {
				continue
			}
			if err := do(key, end); err != nil {
				return err
			}
		}
		if !more || len(keys) == 0 {
			return context.Cause(ctx)
		}
	}
}

// load reads a digest. What is wrong with it is told later, but for what can be told of its bytes alone.
func (v *verifier) load(ctx context.Context, key string, end time.Time) (*link, error) {
	l := &link{key: key, end: end}
	body, metadata, err := v.o.Source.Open(ctx, v.o.Place.Bucket, key)
	if err != nil {
		return nil, fmt.Errorf("read digest %s: %w", key, err)
	}
	defer body.Close()
	l.metadata, l.signature = metadata != nil, metadata[MetaSignature]
	if l.text, err = inflate(body, MaxDigest); err == nil {
		l.hash = Hash(l.text)
		l.file, err = Parse(l.text)
	} else if readFailed(err) {
		return nil, fmt.Errorf("read digest %s: %w", key, err)
	}
	if err != nil {
		l.flawed = true
		v.found(Changed, v.o.Place.Bucket, key, "The digest cannot be read, so it was changed after it was delivered: %v.", err)
	}
	return l, nil
}

// digest verifies a digest, with the one before and the one behind.
func (v *verifier) digest(ctx context.Context, before, l, next *link, logs chan<- Log) error {
	v.mu.Lock()
	v.report.Digests++
	v.mu.Unlock()
	if l.file == nil || !v.signed(l, next) {
		v.covered = 0
		return v.count(l)
	}
	if err := v.follows(ctx, before, l, next); err != nil {
		return err
	}
	for _, log := range l.file.Logs {
		v.place(log)
		select {
		case logs <- log:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return v.count(l)
}

// count counts a digest that was verified.
func (v *verifier) count(l *link) error {
	if l.flawed {
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.report.ValidDigests++
	if v.report.First == nil {
		v.report.First = &l.file.Start
	}
	v.report.Last = &l.file.End
	return nil
}

// signed says whether a digest is in its place and as it was signed.
func (v *verifier) signed(l, next *link) bool {
	f, bucket := l.file, v.o.Place.Bucket
	fault := func(k Kind, format string, args ...any) bool {
		l.flawed = true
		v.found(k, bucket, l.key, format, args...)
		return false
	}
	if f.Bucket != bucket || f.Object != l.key {
		return fault(Moved, "The digest says that its place is s3://%.1100s/%.1100s: it was moved here, swapped with another, or changed.", f.Bucket, f.Object)
	}
	key := v.keys[f.Fingerprint]
	if key == nil {
		return fault(Unknown, "The digest is signed with the key %.64q, which is none of the %d public keys of the trail: it was made, or made anew, by somebody else, or its key was replaced.", f.Fingerprint, len(v.keys))
	}
	named := next != nil && next.file != nil && next.file.follows() && *next.file.PreviousObject == l.key
	signature := l.signature
	if signature == "" && named && !l.metadata {
		signature = *next.file.PreviousSignature // a copy without metadata: the digest behind, which is verified itself, has it
	}
	switch {
	case signature == "" && l.metadata:
		return fault(Unsigned, "The digest has no signature in its metadata: it was put there by somebody else, or copied without them.")
	case signature == "":
		return fault(Unsigned, "The signature of the digest is not in this copy, and no digest behind it has it: nothing proves it. `darkroom audit verify --save` makes copies with signatures.")
	case f.check(key, l.text, signature):
		return true
	case named && *next.file.PreviousHash == l.hash:
		return fault(Changed, "The signature does not fit the digest, whose content is as the digest behind it says: the signature was changed, or the public key is not the one that it was made with.")
	}
	return fault(Changed, "The signature does not fit the digest: the digest was changed after it was signed, or the public key was replaced.")
}

// follows verifies that a digest, whose signature is right, follows the one before.
func (v *verifier) follows(ctx context.Context, before, l, next *link) error {
	f, bucket := l.file, v.o.Place.Bucket
	if !f.follows() {
		v.covered = 0
		switch {
		case before == nil:
			v.found(Begins, bucket, l.key, "The chain begins here, at %s.", f.Start)
		case before.file != nil:
			v.found(Begins, bucket, l.key, "A new chain begins here: logging was stopped or validation switched off at %s and begun again at %s. Nothing proves what happened between.", before.file.End, f.Start)
		default:
			v.found(Begins, bucket, l.key, "A new chain begins here, at %s.", f.Start)
		}
		return nil
	}
	if *f.PreviousBucket != bucket {
		v.covered = 0
		v.found(Outside, bucket, l.key, "The digest before is in another bucket, s3://%s/%s.", *f.PreviousBucket, *f.PreviousObject)
		return nil
	}
	if before != nil && before.key == *f.PreviousObject {
		v.succeeds(before, l)
		return nil
	}
	v.covered = 0
	if before == nil && !v.o.From.IsZero() {
		v.found(Outside, bucket, l.key, "The chain goes on before the time that was asked for, with %s.", *f.PreviousObject)
		return nil
	}
	body, _, err := v.o.Source.Open(ctx, bucket, *f.PreviousObject)
	switch {
	case err == nil:
		_ = body.Close() // nothing was read of it
		switch {
		case before == nil:
		case next != nil && next.file != nil && next.file.follows() && *next.file.PreviousObject == before.key:
			l.flawed = true
			v.found(Fork, bucket, l.key, "The digest is signed, but the one behind it, %s, follows another: %s.", next.key, before.key)
		default:
			v.flaw(before, Fork, "The digest is signed, but the one behind it, %s, follows another: %s.", l.key, *f.PreviousObject)
		}
		return nil
	case errors.Is(err, ErrNotFound):
		v.found(Missing, bucket, *f.PreviousObject, "The digest is not there, though %s follows it: it was removed, and with it the proof of what was delivered from %s to %s.", l.key, since(before), f.Start)
		return nil
	}
	return fmt.Errorf("look for digest %s: %w", *f.PreviousObject, err)
}

func since(before *link) string {
	if before == nil || before.file == nil {
		return "some time"
	}
	return before.file.End.String()
}

// flaw tells of a fault of a digest that has none yet.
func (v *verifier) flaw(l *link, k Kind, format string, args ...any) {
	if l.flawed {
		return
	}
	l.flawed = true
	v.found(k, v.o.Place.Bucket, l.key, format, args...)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.report.ValidDigests-- // it was counted before its successor was known
}

// succeeds verifies that a digest names the one before as it is.
func (v *verifier) succeeds(before, l *link) {
	f := l.file
	if *f.PreviousHash != before.hash {
		v.flaw(before, Changed, "The content of the digest is not what the digest behind it, %s, has the hash of: it was changed, and signed again by who has the key.", l.key)
	} else if before.signature != "" && *f.PreviousSignature != before.signature {
		v.flaw(before, Changed, "The signature of the digest is not the one that the digest behind it, %s, has: it was replaced.", l.key)
	}
	if before.file == nil || before.flawed {
		v.covered = 0
		return
	}
	if !f.Start.Equal(before.file.End.Time) {
		l.flawed = true
		v.found(Gap, v.o.Place.Bucket, l.key, "The digest begins at %s, but the one before ends at %s.", f.Start, before.file.End)
	}
}

// tail looks whether digests are missing behind the last one.
func (v *verifier) tail(last *link) {
	bucket := v.o.Place.Bucket
	switch {
	case !v.o.Newest.IsZero():
		if last.end.Before(v.o.Newest) {
			v.found(NoTail, bucket, last.key, "This is the newest digest here, and ends at %s; the installation has delivered digests up to %s: those between were removed.", At(last.end), At(v.o.Newest))
		} else if last.end.After(v.o.Newest) && v.o.Until.IsZero() {
			v.found(Outside, bucket, last.key, "The installation knows of no digest after %s, but this one ends at %s: its records may have been put back to an older state.", At(v.o.Newest), At(last.end))
		}
	case !v.o.Now.IsZero() && last.file != nil:
		period := last.file.End.Sub(last.file.Start.Time)
		if late := v.o.Now.Sub(last.end); late > 2*period {
			v.found(NoTail, bucket, last.key, "This is the newest digest here, and ends at %s; the next was due at %s: those behind it were removed, or logging has stopped. If it has, say --until %s.",
				At(last.end), At(last.end.Add(period)), At(last.end))
		}
	}
}

// inflate reads a gzip file that has one member and at most max bytes.
func inflate(r io.Reader, max int64) ([]byte, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	z.Multistream(false)
	text, err := io.ReadAll(io.LimitReader(z, max+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > max {
		return nil, fmt.Errorf("it has more than %d bytes", max)
	}
	return text, nil
}
