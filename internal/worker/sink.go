package worker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"sync"

	"darkroom/internal/blob"
	"darkroom/internal/lease"
	"darkroom/internal/packager"
	"darkroom/internal/plan"
)

// sink writes outputs to the store and keeps the list of open uploads, so that the next attempt can abort what this one leaves.
type sink struct {
	run *run
}

// Put implements packager.Sink.
func (s *sink) Put(ctx context.Context, loc plan.Location, contentType string, body []byte) error {
	end := s.run.meter.beginWith(lease.StepUpload)
	_, err := s.run.store.Put(ctx, loc.Bucket, loc.Key, bytes.NewReader(body), blob.PutOptions{
		Metadata: blob.Metadata{ContentType: contentType, ContentEncoding: loc.ContentEncoding}, Size: int64(len(body)), Storage: storage(loc.Storage),
	})
	step := lease.Step{Bucket: loc.Bucket, Key: loc.Key}
	if err == nil {
		step.Bytes = int64(len(body))
		s.run.meter.written.Add(step.Bytes)
		s.run.witness.wrote(loc, body)
	}
	end(step, err)
	return err
}

// storage is how the plan wants an output to be kept, in the words of a store.
func storage(s *plan.Storage) (out blob.Storage) {
	if s == nil {
		return out
	}
	out.Class, out.ACL = s.Class, s.ACL
	switch s.Encryption {
	case plan.StoreKeys:
		out.Encryption.Method = blob.SSES3
	case plan.ServiceKey:
		out.Encryption = blob.Encryption{Method: blob.SSEKMS, KeyID: s.KeyARN, Context: s.Context}
	}
	return out
}

// Create implements packager.Sink.
func (s *sink) Create(ctx context.Context, loc plan.Location, contentType string) (packager.Upload, error) {
	end := s.run.meter.beginWith(lease.StepUpload)
	u, err := s.run.store.CreateUpload(ctx, loc.Bucket, loc.Key, blob.UploadOptions{
		Metadata: blob.Metadata{ContentType: contentType, ContentEncoding: loc.ContentEncoding}, Storage: storage(loc.Storage),
	})
	if err != nil {
		end(lease.Step{Bucket: loc.Bucket, Key: loc.Key}, err)
		return nil, err
	}
	up := &upload{run: s.run, upload: u, loc: loc, parts: map[int]blob.Part{}, sums: map[int]partSum{}, end: end}
	s.run.track(up.name(), true)
	return up, nil
}

// track notes an upload as open or closed and has it reported at once: a crash right after must not lose it.
func (r *run) track(u lease.Upload, open bool) {
	r.mu.Lock()
	if r.uploads == nil {
		r.uploads = map[lease.Upload]struct{}{}
	}
	if open {
		r.uploads[u] = struct{}{}
	} else {
		delete(r.uploads, u)
	}
	r.mu.Unlock()
	r.set(func(*lease.Progress) {}, true)
}

type upload struct {
	run    *run
	upload blob.Upload
	loc    plan.Location
	end    func(lease.Step, error) // of the step; nil when it was called

	mu    sync.Mutex // guards what follows; held for assignments only
	parts map[int]blob.Part
	bytes int64
	sums  map[int]partSum // of what a statement of provenance is to tell
}

// ended ends the step of the upload, once.
func (u *upload) ended(err error) {
	u.mu.Lock()
	end, bytes := u.end, u.bytes
	u.end = nil
	u.mu.Unlock()
	if end != nil {
		end(lease.Step{Bucket: u.upload.Bucket, Key: u.upload.Key, Bytes: bytes}, err)
	}
}

// errAborted ends the step of an upload that was given up.
var errAborted = errors.New("the upload was given up")

func (u *upload) name() lease.Upload {
	return lease.Upload{Bucket: u.upload.Bucket, Key: u.upload.Key, ID: u.upload.ID}
}

// Part implements packager.Upload.
func (u *upload) Part(ctx context.Context, number int, body []byte) error {
	p, err := u.run.store.UploadPart(ctx, u.upload, number, bytes.NewReader(body), blob.PutOptions{Size: int64(len(body))})
	if err != nil {
		return err
	}
	var sum partSum
	if u.run.witness != nil {
		sum = partSum{int64(len(body)), sha256.Sum256(body)}
	}
	u.mu.Lock()
	u.bytes += int64(len(body))
	u.parts[number], u.sums[number] = p, sum
	u.mu.Unlock()
	u.run.meter.written.Add(int64(len(body)))
	return nil
}

// Complete implements packager.Upload.
func (u *upload) Complete(ctx context.Context) error {
	u.mu.Lock()
	parts := make([]blob.Part, 0, len(u.parts))
	sums := make([]partSum, 0, len(u.parts))
	for n := 1; len(parts) < len(u.parts); n++ {
		if p, ok := u.parts[n]; ok {
			parts, sums = append(parts, p), append(sums, u.sums[n])
		}
	}
	u.mu.Unlock()
	if _, err := u.run.store.CompleteUpload(ctx, u.upload, parts, blob.Conditions{}); err != nil {
		u.ended(err)
		return err
	}
	u.ended(nil)
	u.run.witness.wroteParts(u.loc, sums)
	u.run.track(u.name(), false)
	return nil
}

// Abort implements packager.Upload.
func (u *upload) Abort(ctx context.Context) error {
	u.ended(errAborted)
	if err := u.run.store.AbortUpload(ctx, u.upload); err != nil {
		return err
	}
	u.run.track(u.name(), false)
	return nil
}
