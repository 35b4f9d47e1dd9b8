package trail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"darkroom/internal/audit"
	"darkroom/internal/blob"
	"darkroom/internal/digest"
	"darkroom/internal/registry"
)

var (
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	prefixText = regexp.MustCompile(`^[0-9A-Za-z!\-_.*'()+=,:@/]+$`)
)

// check says whether a trail can be as it is defined, but for what is in its bucket.
func (d *Definition) check() error {
	switch {
	case !bucketName.MatchString(d.Bucket) || strings.Contains(d.Bucket, ".."):
		return refuse(InvalidBucket, "Bucket name %.100q is not valid: it has 3 to 63 lower-case letters, digits, dots and hyphens.", d.Bucket)
	case len(d.Prefix) > maxPrefix:
		return refuse(InvalidPrefix, "S3KeyPrefix has %d characters; it can have at most %d.", len(d.Prefix), maxPrefix)
	case d.Prefix != "" && (!prefixText.MatchString(d.Prefix) || strings.HasPrefix(d.Prefix, "/") || strings.HasSuffix(d.Prefix, "/") || strings.Contains(d.Prefix, "//")):
		return refuse(InvalidPrefix, "S3KeyPrefix %.200q is not valid: it has letters, digits and !-_.*'()+=,:@, and single slashes inside.", d.Prefix)
	case d.AllRegions && !d.Global:
		return refuse(InvalidCombination, "Multi-Region trail must include global service events.")
	}
	return nil
}

// writable finds out whether the trail's bucket takes objects, by the empty one that AWS makes there too. What it does stands in the records before.
func (s *Service) writable(ctx context.Context, account, name string, d *Definition) error {
	if err := s.o.Records.Intend(ctx); err != nil {
		return err
	}
	b, err := s.o.Buckets(account)
	if err != nil {
		return err
	}
	ctx = s.o.As(ctx, account)
	key := digest.Place{Bucket: d.Bucket, Prefix: d.Prefix, Account: account, Region: s.o.Region, Trail: name}.Logs()
	key = strings.TrimSuffix(key, s.o.Region+"/")
	_, err = b.Put(ctx, d.Bucket, key, bytes.NewReader(nil), blob.PutOptions{Size: 0, Storage: d.storage(s.arn(account, name))})
	return refusalOf(d, err)
}

// storage is how the objects of a trail are kept.
func (d *Definition) storage(trailARN string) blob.Storage {
	if d.KMSKey == "" {
		return blob.Storage{}
	}
	return blob.Storage{Encryption: blob.Encryption{Method: blob.SSEKMS, KeyID: d.KMSKey, Context: map[string]string{"aws:cloudtrail:arn": trailARN}}}
}

// refusalOf words what a bucket answered in CloudTrail's terms. What it does not know stays as it is.
func refusalOf(d *Definition, err error) error {
	var key *blob.KeyError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &key):
		switch key.Code {
		case blob.KeyDenied:
			return refuse(KeyRefuses, "Insufficient permissions to access S3 bucket %s or KMS key %s: %s", d.Bucket, d.KMSKey, key.Message)
		case blob.KeyDisabled:
			return refuse(KeyDisabled, "KMS key %s is disabled.", d.KMSKey)
		case blob.KeyNotFound:
			return refuse(NoKey, "KMS key not found: %s", d.KMSKey)
		case blob.KeyInvalidState, blob.KeyInvalidUsage:
			return refuse(InvalidKey, "KMS key %s cannot be used: %s", d.KMSKey, key.Message)
		}
	case errors.Is(err, blob.ErrNoSuchBucket):
		return refuse(NoBucket, "S3 bucket %s does not exist!", d.Bucket)
	case errors.Is(err, blob.ErrInvalidBucketName):
		return refuse(InvalidBucket, "Bucket name %s is not valid.", d.Bucket)
	case errors.Is(err, blob.ErrKeyTooLong):
		return refuse(InvalidPrefix, "S3KeyPrefix %s is too long.", d.Prefix)
	case errors.Is(err, blob.ErrAccessDenied):
		return refuse(BucketRefuses, "Incorrect S3 bucket policy is detected for bucket: %s", d.Bucket)
	case errors.Is(err, blob.ErrNotOffered), errors.Is(err, blob.ErrInvalidArgument):
		return refuse(InvalidKey, "The object store does not take KmsKeyId %s.", d.KMSKey)
	}
	return err
}

// Create makes a trail, which does not log yet.
func (s *Service) Create(ctx context.Context, account, name string, d Definition, tags map[string]string) (*Trail, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if err := d.check(); err != nil {
		return nil, err
	}
	tagged, err := withTags(nil, tags)
	if err != nil {
		return nil, err
	}
	v, err := s.views.View(ctx, account)
	if err != nil {
		return nil, err
	}
	if err := v.takes(name, account, s.o.Region); err != nil {
		return nil, err
	}
	if err := s.writable(ctx, account, name, &d); err != nil {
		return nil, err
	}
	t := &Trail{Account: account, Name: name, ARN: s.arn(account, name), Definition: d, Tags: tagged, Created: s.o.Now().UTC()}
	err = s.views.Change(ctx, account, func(v *view) (registry.Change[*view], error) {
		if err := v.takes(name, account, s.o.Region); err != nil {
			return registry.Change[*view]{}, err
		}
		t.id, t.tag = v.newID(digest.TagDigits)
		return v.put(t)
	})
	if err != nil {
		return nil, err
	}
	s.wake()
	return t, nil
}

// takes says whether the account can have one more trail, of a name.
func (v *view) takes(name, account, region string) error {
	if v.named(name) != nil {
		return refuse(Exists, "Trail %s already exists for customer: %s", name, account)
	}
	n := 0
	for _, t := range v.byID {
		if !t.gone {
			n++
		}
	}
	if n >= MaxTrails {
		return refuse(TooMany, "User: %s already has %d trails in %s.", account, n, region)
	}
	return nil
}

// Update changes what a trail does. edit gets a copy of its definition.
func (s *Service) Update(ctx context.Context, account, given string, edit func(*Definition)) (*Trail, error) {
	t, err := s.Find(ctx, account, given)
	if err != nil {
		return nil, err
	}
	d := t.Definition
	edit(&d)
	if err := d.check(); err != nil {
		return nil, err
	}
	if d.Bucket != t.Bucket || d.Prefix != t.Prefix || d.KMSKey != t.KMSKey {
		if err := s.writable(ctx, account, t.Name, &d); err != nil {
			return nil, err
		}
	}
	return s.change(ctx, account, given, func(t *Trail) error {
		edit(&t.Definition)
		return t.check()
	})
}

// SetSelectors changes which records a trail delivers from now on.
func (s *Service) SetSelectors(ctx context.Context, account, given string, to Selectors) (*Trail, error) {
	if _, err := s.Find(ctx, account, given); err != nil {
		return nil, err
	}
	if err := to.Check(); err != nil {
		return nil, err
	}
	return s.change(ctx, account, given, func(t *Trail) error {
		t.Selectors = to
		return nil
	})
}

// maxRuns bounds how many runs wait for a bucket that refuses them. Beyond it a stop and the start after it are taken back: the records between are delivered
// too.
const maxRuns = 100

// Start starts logging with the records that are concluded from now on, the one of the start among them. A trail that logs goes on.
func (s *Service) Start(ctx context.Context, account, given string) error {
	t, err := s.Find(ctx, account, given)
	if err != nil {
		return err
	}
	position, err := s.o.Records.Position(ctx)
	if err != nil {
		return fmt.Errorf("ask for the position of the records: %w", err)
	}
	p, err := s.load(ctx, t)
	if err != nil {
		return err
	}
	_, err = s.change(ctx, account, given, func(t *Trail) error {
		if t.Logging {
			return nil
		}
		t.Logging, t.Started = true, s.o.Now().UTC()
		last := int64(0)
		if n := len(t.runs); n > 0 {
			last = t.runs[n-1].Number
		}
		t.runs = slices.DeleteFunc(t.runs, func(r run) bool { return r.Number <= p.Finished })
		if n := len(t.runs); n >= maxRuns {
			t.runs[n-1].Ended, t.runs[n-1].Last, t.runs[n-1].Until = false, "", 0
			return nil
		}
		t.runs = append(t.runs, run{Number: max(last, p.Finished) + 1, From: position})
		return nil
	})
	return err
}

// Stop stops logging. What was recorded up to the stop is still delivered, with a last digest.
func (s *Service) Stop(ctx context.Context, account, given string) error {
	end, err := s.ending(ctx)
	if err != nil {
		return err
	}
	_, err = s.change(ctx, account, given, func(t *Trail) error {
		s.stop(t, end)
		return nil
	})
	return err
}

// ending is how a run ends that ends now: with the record of the request in ctx, or, without one, with the last that there is.
func (s *Service) ending(ctx context.Context) (run, error) {
	if p := audit.From(ctx); p != nil {
		return run{Ended: true, Last: p.Record().EventID}, nil
	}
	position, err := s.o.Records.Position(ctx)
	if err != nil {
		return run{}, fmt.Errorf("ask for the position of the records: %w", err)
	}
	return run{Ended: true, Until: position}, nil
}

func (s *Service) stop(t *Trail, end run) {
	if n := len(t.runs); t.Logging && n > 0 {
		t.runs[n-1].Ended, t.runs[n-1].Last, t.runs[n-1].Until = true, end.Last, end.Until
	}
	if t.Logging {
		t.Logging, t.Stopped = false, s.o.Now().UTC()
	}
}

// Delete forgets a trail. What was recorded up to now is still delivered, with a last digest; nothing is removed from the bucket.
func (s *Service) Delete(ctx context.Context, account, given string) error {
	end, err := s.ending(ctx)
	if err != nil {
		return err
	}
	_, err = s.change(ctx, account, given, func(t *Trail) error {
		s.stop(t, end)
		t.gone = true
		return nil
	})
	return err
}

// Tag adds tags to a trail, or changes them.
func (s *Service) Tag(ctx context.Context, account, given string, tags map[string]string) error {
	_, err := s.change(ctx, account, given, func(t *Trail) (err error) {
		t.Tags, err = withTags(t.Tags, tags)
		return err
	})
	return err
}

// Untag takes tags away. What is not there is no error.
func (s *Service) Untag(ctx context.Context, account, given string, keys []string) error {
	_, err := s.change(ctx, account, given, func(t *Trail) error {
		for _, k := range keys {
			delete(t.Tags, k)
		}
		return nil
	})
	return err
}

// The lengths of tags.
const (
	maxTagKey   = 128
	maxTagValue = 256
)

func withTags(old, tags map[string]string) (map[string]string, error) {
	out := make(map[string]string, len(old)+len(tags))
	maps.Copy(out, old)
	for k, v := range tags {
		switch {
		case k == "" || len([]rune(k)) > maxTagKey:
			return nil, refuse(InvalidTag, "The tag key %.200q is not valid: it has 1 to %d characters.", k, maxTagKey)
		case len([]rune(v)) > maxTagValue:
			return nil, refuse(InvalidTag, "The value of tag %s has more than %d characters.", k, maxTagValue)
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			return nil, refuse(InvalidTag, "The tag key %s begins with aws:, which is reserved.", k)
		}
		out[k] = v
	}
	if len(out) > MaxTags {
		return nil, refuse(TooManyTags, "A trail can have at most %d tags.", MaxTags)
	}
	return out, nil
}
