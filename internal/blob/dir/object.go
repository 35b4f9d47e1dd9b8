package dir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"darkroom/internal/blob"
)

// etagHex is the ETag of bytes that were put at once.
func etagHex(md5 []byte) string { return fmt.Sprintf("%x", md5) }

// Put implements blob.Store.
func (s *Store) Put(ctx context.Context, bucket, key string, body io.Reader, o blob.PutOptions) (blob.Info, error) {
	b, err := s.writable(ctx, bucket, key)
	if err != nil {
		return blob.Info{}, err
	}
	if err := blob.CheckMetadata(o.Metadata); err != nil {
		return blob.Info{}, err
	}
	existing := s.existing(b, key)
	if err := o.Conditions.CheckWrite(existing); err != nil { // before the bytes are taken; it is decided at the commit
		return blob.Info{}, err
	}
	if existing != nil {
		if err := s.heldObject(bucket, key); err != nil {
			return blob.Info{}, err
		}
	}
	e, wrap, err := s.encrypt(ctx, b, key, o.Storage)
	if err != nil {
		return blob.Info{}, err
	}
	return s.put(ctx, b, key, body, o, e, wrap)
}

// put writes an object whose encryption is decided.
func (s *Store) put(ctx context.Context, b *bucket, key string, body io.Reader, o blob.PutOptions, e *encryption, wrap *wrapping) (blob.Info, error) {
	w, err := s.writeData(ctx, body, o, wrap)
	if err != nil {
		return blob.Info{}, err
	}
	defer wipe(w.data)
	o.Metadata.Checksum = w.checksum
	r := &objectRecord{Key: key, Size: w.size, Metadata: o.Metadata, Data: w.data, Encryption: e}
	tag, err := s.tag(e, w.md5)
	if err != nil {
		s.release(w.data)
		return blob.Info{}, err
	}
	r.ETag = etagHex(tag)
	return s.commit(ctx, b, r, o.Conditions)
}

// writable finds a bucket and checks a key for it.
func (s *Store) writable(ctx context.Context, bucket, key string) (*bucket, error) {
	if err := live(ctx); err != nil {
		return nil, err
	}
	b, err := s.bucket(bucket)
	if err != nil {
		return nil, err
	}
	return b, blob.CheckKey(key)
}

// existing is what the index has of an object, nil for nothing.
func (s *Store) existing(b *bucket, key string) *blob.Info {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, ok := b.index.Get(&entry{key: key})
	if !ok {
		return nil
	}
	i := e.info()
	return &i
}

func (s *Store) isDamaged(place string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.damaged[place]
}

// commit makes r the object, if the conditions hold. The data files of r are held by the caller: commit takes that hold over, and lets go
// of them if there is an error.
func (s *Store) commit(ctx context.Context, b *bucket, r *objectRecord, c blob.Conditions) (blob.Info, error) {
	r.Version, r.Bucket, r.Modified = recordVersion, b.name, s.now().UTC()
	file, stripe := s.objectFile(b.name, r.Key)
	place := filepath.Join(objectDir, b.file, file)
	old, done, err := s.replace(ctx, b, r, c, place, stripe)
	if !done {
		s.release(r.Data)
		return blob.Info{}, err
	}
	s.release(old)
	return r.info(), err
}

// replace puts a record in the place of the one before it, and returns what that one held. done says that it has happened, even with an error.
func (s *Store) replace(ctx context.Context, b *bucket, r *objectRecord, c blob.Conditions, place string, stripe int) (old []dataRef, done bool, err error) {
	s.barrier.RLock()
	defer s.barrier.RUnlock()
	b.gate.RLock()
	defer b.gate.RUnlock()
	s.stripe[stripe].Lock()
	defer s.stripe[stripe].Unlock()
	existing := s.existing(b, r.Key)
	switch {
	case b.gone:
		return nil, false, blob.ErrNoSuchBucket
	case live(ctx) != nil:
		return nil, false, live(ctx)
	}
	if existing == nil && c != (blob.Conditions{}) && s.isDamaged(place) {
		return nil, false, fmt.Errorf("object %s/%s: %w", b.name, r.Key, blob.ErrCorrupt) // what is there cannot be compared
	}
	if err := c.CheckWrite(existing); err != nil {
		return nil, false, err
	}
	if existing != nil || s.isDamaged(place) {
		if err := s.heldObject(b.name, r.Key); err != nil {
			return nil, false, err
		}
	}
	if existing != nil {
		var before objectRecord
		if err := s.readRecord(place, &before); err == nil {
			old = before.Data
			wipe(old)
		} // else its data files are found by the next Open
	}
	temp, err := s.prepareRecord(place, r)
	if err != nil {
		return nil, false, err
	}
	s.preserve(place)
	if done, err = moveFile(temp, s.path(place)); !done {
		return nil, false, err
	}
	s.mu.Lock()
	b.index.ReplaceOrInsert(&entry{key: r.Key, size: r.Size, etag: r.ETag, modified: r.Modified})
	delete(s.damaged, place)
	s.mu.Unlock()
	return old, true, err
}

// Head implements blob.Store. The value of the checksum of an object that is encrypted under a key of the key service is given by Get alone.
func (s *Store) Head(ctx context.Context, bucket, key string, c blob.Conditions) (blob.Info, error) {
	r, err := s.read(ctx, bucket, key, c, false)
	if err != nil {
		return blob.Info{}, err
	}
	defer wipe(r.Data)
	if e := r.Encryption; e != nil && e.KMS != nil {
		if c.Customer != nil {
			return blob.Info{}, blob.ErrKeyUnused
		}
		r.Metadata.Checksum.Value = "" // it says something of the bytes
		return r.info(), nil
	}
	if _, err := s.unwrap(ctx, r.Bucket, r.Key, r.Encryption, c.Customer); err != nil {
		return blob.Info{}, err
	}
	return r.info(), nil
}

// Get implements blob.Store. The beginning of what is asked for has been verified when it returns.
func (s *Store) Get(ctx context.Context, bucket, key string, rng *blob.Range, c blob.Conditions) (*blob.Object, error) {
	r, err := s.read(ctx, bucket, key, c, true)
	if err != nil {
		return nil, err
	}
	wrap, err := s.unwrap(ctx, bucket, key, r.Encryption, c.Customer)
	var start, length int64
	if err == nil {
		start, length, err = rng.Resolve(r.Size)
	}
	if err != nil {
		wipe(r.Data)
		s.release(r.Data)
		return nil, err
	}
	body := newReader(s, r, wrap, start, length)
	if err := body.prefetch(); err != nil {
		body.Close()
		return nil, fmt.Errorf("object %s/%s: %w", bucket, key, err)
	}
	return &blob.Object{Info: r.info(), Body: body, Start: start, Length: length}, nil
}

// read reads the record of an object whose conditions hold; whether the caller has its key is for unwrap. With hold its data files stay until they are released.
func (s *Store) read(ctx context.Context, bucket, key string, c blob.Conditions, hold bool) (*objectRecord, error) {
	b, err := s.writable(ctx, bucket, key)
	if err != nil {
		return nil, err
	}
	file, stripe := s.objectFile(b.name, key)
	place := filepath.Join(objectDir, b.file, file)
	s.stripe[stripe].RLock()
	defer s.stripe[stripe].RUnlock()
	existing := s.existing(b, key)
	if existing == nil {
		if s.isDamaged(place) {
			return nil, fmt.Errorf("object %s/%s: %w", bucket, key, blob.ErrCorrupt)
		}
		return nil, blob.ErrNoSuchKey
	}
	if err := c.CheckRead(*existing); err != nil {
		return nil, err
	}
	r := new(objectRecord)
	err = s.readRecord(place, r)
	if errors.Is(err, fs.ErrNotExist) || err == nil && (r.Bucket != bucket || r.Key != key || r.ETag != existing.ETag || r.Size != existing.Size) {
		err = blob.ErrCorrupt // taken away, or put back to an older state
	}
	if err != nil {
		return nil, fmt.Errorf("object %s/%s: %w", bucket, key, err)
	}
	if hold {
		s.hold(r.Data)
	}
	return r, nil
}

// Delete implements blob.Store.
func (s *Store) Delete(ctx context.Context, bucket, key string) error {
	b, err := s.writable(ctx, bucket, key)
	if err != nil {
		return err
	}
	file, stripe := s.objectFile(b.name, key)
	place := filepath.Join(objectDir, b.file, file)
	s.barrier.RLock()
	defer s.barrier.RUnlock()
	s.stripe[stripe].Lock()
	defer s.stripe[stripe].Unlock()
	existing := s.existing(b, key)
	if existing == nil && !s.isDamaged(place) {
		return nil
	}
	if err := s.heldObject(bucket, key); err != nil {
		return err
	}
	var r objectRecord
	if err := s.readRecord(place, &r); err != nil {
		r.Data = nil // its data files are found by the next Open
	}
	wipe(r.Data)
	s.preserve(place)
	if err := removeFile(s.path(place)); err != nil {
		return storeError(err)
	}
	s.mu.Lock()
	b.index.Delete(&entry{key: key})
	delete(s.damaged, place)
	s.mu.Unlock()
	s.release(r.Data)
	return nil
}

// Copy implements blob.Store. Where both objects are encrypted with the store's own keys, no bytes are copied: both name the same data files, which
// stay until neither does. Else the bytes are encrypted anew, under keys that the source never had.
func (s *Store) Copy(ctx context.Context, srcBucket, srcKey, bucket, key string, o blob.CopyOptions) (blob.Info, error) {
	b, err := s.writable(ctx, bucket, key)
	if err != nil {
		return blob.Info{}, err
	}
	if o.Metadata != nil {
		if err := blob.CheckMetadata(*o.Metadata); err != nil {
			return blob.Info{}, err
		}
	}
	src, err := s.read(ctx, srcBucket, srcKey, o.Conditions, true)
	if err != nil {
		return blob.Info{}, err
	}
	defer wipe(src.Data)
	from, err := s.unwrap(ctx, srcBucket, srcKey, src.Encryption, o.Conditions.Customer)
	var e *encryption
	var to *wrapping
	if err == nil {
		e, to, err = s.encrypt(ctx, b, key, o.Storage)
	}
	if err != nil {
		s.release(src.Data)
		return blob.Info{}, err
	}
	m := src.Metadata
	if o.Metadata != nil {
		m = *o.Metadata
		m.Checksum = src.Metadata.Checksum // the bytes are the same
	}
	if e == nil && src.Encryption == nil {
		return s.commit(ctx, b, &objectRecord{Key: key, Size: src.Size, ETag: src.ETag, Metadata: m, Parts: src.Parts, Data: src.Data}, blob.Conditions{})
	}
	body := newReader(s, src, from, 0, src.Size)
	defer body.Close()
	m.Checksum = blob.Checksum{Algorithm: m.Checksum.Algorithm}
	return s.put(ctx, b, key, body, blob.PutOptions{Size: src.Size, Metadata: m}, e, to)
}
