package dir

import (
	"context"
	"crypto/md5" //nolint:gosec // ETags of S3 are MD5
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"darkroom/internal/blob"
)

// uploadFile is the record of an upload in its directory.
const uploadFile = "upload"

// upload is a multipart upload under way.
type upload struct {
	bucket    *bucket
	key, id   string
	initiated time.Time
	metadata  blob.Metadata
	// encryption is that of all parts; nil for blob.SSES3. It does not change.
	encryption *encryption

	mu      sync.Mutex // held over the I/O of a commit, never over that of a body
	gone    bool
	parts   map[int]*partRecord
	damaged map[int]bool // parts whose record does not open
}

func (u *upload) describe() blob.Upload {
	return blob.Upload{Bucket: u.bucket.name, Key: u.key, ID: u.id, Initiated: u.initiated, Checksum: u.metadata.Checksum}
}

func (u *upload) place(file string) string { return filepath.Join(uploadDir, u.id, file) }

func partFile(number int) string { return fmt.Sprintf("%05d", number) }

// CreateUpload implements blob.Store.
func (s *Store) CreateUpload(ctx context.Context, bucket, key string, o blob.UploadOptions) (blob.Upload, error) {
	b, err := s.writable(ctx, bucket, key)
	if err != nil {
		return blob.Upload{}, err
	}
	m := o.Metadata
	if err := blob.CheckMetadata(m); err != nil {
		return blob.Upload{}, err
	}
	if m.Checksum, err = blob.UploadChecksum(m.Checksum); err != nil {
		return blob.Upload{}, err
	}
	e, _, err := s.encrypt(ctx, b, key, o.Storage)
	if err != nil {
		return blob.Upload{}, err
	}
	var id [24]byte
	if _, err := io.ReadFull(s.random, id[:]); err != nil {
		return blob.Upload{}, fmt.Errorf("name an upload: %w", err)
	}
	u := &upload{
		bucket: b, key: key, id: hex.EncodeToString(id[:]), initiated: s.now().UTC(), metadata: m, encryption: e, parts: make(map[int]*partRecord),
	}
	b.gate.RLock() // the bucket is not deleted meanwhile
	defer b.gate.RUnlock()
	if b.gone {
		return blob.Upload{}, blob.ErrNoSuchBucket
	}
	err = os.Mkdir(s.path(uploadDir, u.id), 0o700)
	if err == nil {
		err = syncDir(s.path(uploadDir))
	}
	if err == nil {
		err = s.putRecord(u.place(uploadFile), uploadRecord{
			Version: recordVersion, Bucket: bucket, Key: key, ID: u.id, Initiated: u.initiated, Metadata: m, Encryption: e,
		})
	}
	if err != nil {
		os.RemoveAll(s.path(uploadDir, u.id))
		return blob.Upload{}, storeError(err)
	}
	s.mu.Lock()
	s.uploads[u.id] = u
	s.mu.Unlock()
	out := u.describe()
	out.Encryption = e.info()
	return out, nil
}

// upload finds an upload by all that its caller says of it.
func (s *Store) upload(ctx context.Context, want blob.Upload) (*upload, error) {
	if err := live(ctx); err != nil {
		return nil, err
	}
	if _, err := s.bucket(want.Bucket); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	u := s.uploads[want.ID]
	if u == nil || u.bucket.name != want.Bucket || u.key != want.Key {
		return nil, blob.ErrNoSuchUpload
	}
	return u, nil
}

// UploadPart implements blob.Store. A part that is there already is replaced.
func (s *Store) UploadPart(ctx context.Context, want blob.Upload, number int, body io.Reader, o blob.PutOptions) (blob.Part, error) {
	u, err := s.upload(ctx, want)
	if err != nil {
		return blob.Part{}, err
	}
	if number < 1 || number > blob.MaxParts {
		return blob.Part{}, fmt.Errorf("%w: part numbers are 1 to %d", blob.ErrInvalidArgument, blob.MaxParts)
	}
	switch c, asked := &o.Metadata.Checksum, u.metadata.Checksum; {
	case asked.Algorithm == "" || c.Algorithm == asked.Algorithm:
	case c.Algorithm == "":
		c.Algorithm = asked.Algorithm // computed, so that the whole can have one
	default:
		return blob.Part{}, fmt.Errorf("%w: the upload has %s checksums, the part %s", blob.ErrInvalidArgument, asked.Algorithm, c.Algorithm)
	}
	wrap, err := s.unwrapUpload(ctx, u, o.Storage)
	if err != nil {
		return blob.Part{}, err
	}
	w, err := s.writeData(ctx, body, o, wrap)
	if err != nil {
		return blob.Part{}, err
	}
	w.checksum.Type = ""
	r := &partRecord{Version: recordVersion, Number: number, Size: w.size, Modified: s.now().UTC(), Checksum: w.checksum, Data: w.data}
	var old *partRecord
	if r.Tag, err = s.tag(u.encryption, w.md5); err == nil {
		old, err = s.putPart(u, r)
	}
	if err != nil {
		wipe(r.Data)
		s.release(r.Data)
		return blob.Part{}, err
	}
	if old != nil {
		wipe(old.Data)
		s.release(old.Data)
	}
	p := r.part()
	p.Encryption = u.encryption.info()
	return p, nil
}

// putPart makes r a part of the upload, and returns the one that it replaces.
func (s *Store) putPart(u *upload, r *partRecord) (old *partRecord, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.gone {
		return nil, blob.ErrNoSuchUpload
	}
	if err := s.putRecord(u.place(partFile(r.Number)), r); err != nil {
		return nil, err
	}
	old = u.parts[r.Number]
	u.parts[r.Number] = r
	if u.damaged[r.Number] {
		delete(u.damaged, r.Number)
		s.mu.Lock()
		delete(s.damaged, u.place(partFile(r.Number)))
		s.mu.Unlock()
	}
	return old, nil
}

// CompleteUpload implements blob.Store. The object names the data files of its parts; no bytes are copied. A caller that did not hear the answer
// may ask again: the object is still there then.
func (s *Store) CompleteUpload(ctx context.Context, want blob.Upload, parts []blob.Part, c blob.Conditions) (blob.Info, error) {
	u, err := s.upload(ctx, want)
	if errors.Is(err, blob.ErrNoSuchUpload) {
		return s.completed(ctx, want)
	}
	if err != nil {
		return blob.Info{}, err
	}
	// Who completes an upload must have its key, as who reads the object must. That of blob.SSEC need not be given; if it is, it is the right one.
	if e := u.encryption; c.Customer != nil || e != nil && e.KMS != nil {
		if _, err := s.unwrapUpload(ctx, u, blob.Storage{Encryption: blob.Encryption{Customer: c.Customer}}); err != nil {
			return blob.Info{}, err
		}
		c.Customer = nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.gone {
		return s.completed(ctx, want)
	}
	r, err := u.join(parts, want.Checksum)
	if err != nil {
		return blob.Info{}, err
	}
	s.hold(r.Data)
	info, err := s.commit(ctx, u.bucket, r, c)
	if err != nil {
		return blob.Info{}, err
	}
	// The upload may be left behind by a crash here: it can be completed again or aborted, and the data files stay for the object.
	s.forget(u)
	return info, nil
}

// completed answers for an upload that is no more: with the object that it became, if that is still the one.
func (s *Store) completed(ctx context.Context, want blob.Upload) (blob.Info, error) {
	r, err := s.read(ctx, want.Bucket, want.Key, blob.Conditions{}, false)
	if err != nil || r.Upload == "" || r.Upload != want.ID {
		return blob.Info{}, blob.ErrNoSuchUpload
	}
	wipe(r.Data)
	return r.info(), nil
}

// join makes the record of an object from parts of the upload. The caller holds u.mu.
func (u *upload) join(list []blob.Part, want blob.Checksum) (*objectRecord, error) {
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: an upload is completed with at least one part", blob.ErrInvalidArgument)
	}
	r := &objectRecord{Key: u.key, Metadata: u.metadata, Upload: u.id, Encryption: u.encryption}
	sums := md5.New() //nolint:gosec // see above
	parts := make([]blob.Part, 0, len(list))
	for i := 1; i < len(list); i++ {
		if list[i].Number <= list[i-1].Number {
			return nil, blob.ErrInvalidPartOrder
		}
	}
	for i, p := range list {
		have := u.parts[p.Number]
		switch {
		case have == nil && u.damaged[p.Number]:
			return nil, fmt.Errorf("part %d: %w", p.Number, blob.ErrCorrupt)
		case have == nil || hex.EncodeToString(have.Tag) != p.ETag:
			return nil, fmt.Errorf("%w: part %d is not there with this ETag", blob.ErrInvalidPart, p.Number)
		case p.Checksum.Value != "" && p.Checksum.Value != have.Checksum.Value:
			return nil, fmt.Errorf("%w: part %d has another checksum", blob.ErrInvalidPart, p.Number)
		case have.Size < blob.MinPart && i < len(list)-1:
			return nil, fmt.Errorf("%w: part %d has %d bytes, and is not the last", blob.ErrEntityTooSmall, p.Number, have.Size)
		}
		sums.Write(have.Tag)
		parts = append(parts, have.part())
		r.Data = append(r.Data, have.Data...)
		r.Parts = append(r.Parts, have.Size)
		if r.Size += have.Size; r.Size > blob.MaxObject {
			return nil, blob.ErrEntityTooLarge
		}
	}
	r.ETag = fmt.Sprintf("%x-%d", sums.Sum(nil), len(list))
	checksum, err := blob.JoinChecksums(u.metadata.Checksum, parts)
	if err != nil {
		return nil, err
	}
	if want.Value != "" && (want.Value != checksum.Value || want.Algorithm != checksum.Algorithm) {
		return nil, fmt.Errorf("%w: the %s is not that of the parts", blob.ErrBadDigest, want.Algorithm)
	}
	r.Metadata.Checksum = checksum
	return r, nil
}

// forget ends an upload and lets go of its parts. The caller holds u.mu. What cannot be removed is found by the next Open, as an upload that
// can be aborted.
func (s *Store) forget(u *upload) {
	u.gone = true
	s.mu.Lock()
	delete(s.uploads, u.id)
	for number := range u.damaged {
		delete(s.damaged, u.place(partFile(number)))
	}
	s.mu.Unlock()
	// The record goes first: without it the rest is tidied up by the next Open.
	removeFile(s.path(u.place(uploadFile)))
	os.RemoveAll(s.path(uploadDir, u.id))
	for _, p := range u.parts {
		wipe(p.Data)
		s.release(p.Data)
	}
}

// AbortUpload implements blob.Store.
func (s *Store) AbortUpload(ctx context.Context, want blob.Upload) error {
	u, err := s.upload(ctx, want)
	if err != nil {
		return err
	}
	return s.abort(u)
}

func (s *Store) abort(u *upload) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.gone {
		return blob.ErrNoSuchUpload
	}
	if err := removeFile(s.path(u.place(uploadFile))); err != nil {
		return storeError(err)
	}
	s.forget(u)
	return nil
}

// uploadsIn lists the uploads into a bucket.
func (s *Store) uploadsIn(b *bucket) []*upload {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []*upload
	for _, u := range s.uploads {
		if u.bucket == b {
			out = append(out, u)
		}
	}
	return out
}

// ListUploads implements blob.Store, in the order of key, then beginning, then id.
func (s *Store) ListUploads(ctx context.Context, bucket, prefix string) ([]blob.Upload, error) {
	if err := live(ctx); err != nil {
		return nil, err
	}
	b, err := s.bucket(bucket)
	if err != nil {
		return nil, err
	}
	var out []blob.Upload
	for _, u := range s.uploadsIn(b) {
		if strings.HasPrefix(u.key, prefix) {
			out = append(out, u.describe())
		}
	}
	slices.SortFunc(out, func(a, b blob.Upload) int {
		if c := strings.Compare(a.Key, b.Key); c != 0 {
			return c
		}
		if c := a.Initiated.Compare(b.Initiated); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out, nil
}

// ListParts implements blob.Store, in the order of their numbers.
func (s *Store) ListParts(ctx context.Context, want blob.Upload) ([]blob.Part, error) {
	u, err := s.upload(ctx, want)
	if err != nil {
		return nil, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.gone {
		return nil, blob.ErrNoSuchUpload
	}
	out := make([]blob.Part, 0, len(u.parts))
	for _, p := range u.parts {
		out = append(out, p.part())
	}
	slices.SortFunc(out, func(a, b blob.Part) int { return a.Number - b.Number })
	return out, nil
}
