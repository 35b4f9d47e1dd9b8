package main

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"darkroom/internal/digest"
)

// signatureSuffix is what the file with the signature of a digest has behind the digest's name, in a copy.
const signatureSuffix = ".signature"

// maxSignature bounds such a file.
const maxSignature = 4096

// bucketCopy is a copy of a bucket.
type bucketCopy string

// path is where an object is; false for a key that leads out of the copy.
func (d bucketCopy) path(key string) (string, bool) {
	name := filepath.FromSlash(key)
	return filepath.Join(string(d), name), filepath.IsLocal(name)
}

// List implements digest.Source: all keys at once, a day's directory at a time, so that memory does not grow with the copy.
func (d bucketCopy) List(_ context.Context, _, prefix, after string) (keys []string, more bool, err error) {
	top, ok := d.path(strings.TrimSuffix(prefix, "/"))
	if !ok {
		return nil, false, nil
	}
	err = filepath.WalkDir(top, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(string(d), path)
		if err != nil {
			return err
		}
		key := filepath.ToSlash(rel)
		if e.IsDir() {
			if key+"/" < after && !strings.HasPrefix(after, key+"/") {
				return fs.SkipDir // everything in it is before
			}
			if len(keys) > 0 {
				more = true // the rest at the next call
				return fs.SkipAll
			}
			return nil
		}
		if key > after && !strings.HasSuffix(key, signatureSuffix) {
			keys = append(keys, key)
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	slices.Sort(keys)
	return keys, more, err
}

// Open implements digest.Source.
func (d bucketCopy) Open(_ context.Context, _, key string) (io.ReadCloser, map[string]string, error) {
	path, ok := d.path(key)
	if !ok {
		return nil, nil, fmt.Errorf("%w: %s leads out of the copy", digest.ErrNotFound, key)
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("%w: %w", digest.ErrNotFound, err)
	}
	if err != nil {
		return nil, nil, err
	}
	s, err := os.Open(path + signatureSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil, nil
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	defer s.Close()
	text, err := io.ReadAll(io.LimitReader(s, maxSignature))
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, map[string]string{digest.MetaSignature: strings.TrimSpace(string(text))}, nil
}

// digestName is the name of a digest, in a copy: prefix, account, Region, trail.
var digestName = regexp.MustCompile(`^(?:(.*)/)?AWSLogs/(\d{12})/CloudTrail-Digest/([a-z0-9-]+)/\d{4}/\d{2}/\d{2}/\d{12}_CloudTrail-Digest_[a-z0-9-]+_(.+)_[a-z0-9-]+_\d{8}T\d{6}Z\.json\.gz$`)

// maxTrails bounds the trails of a copy.
const maxTrails = 1000

// trailsOf finds the trails that a copy has digests of, with the bucket that their first readable digest names.
func trailsOf(dir string) ([]digest.Place, error) {
	found := map[digest.Place]string{}
	var out []digest.Place
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		key := filepath.ToSlash(rel)
		if e.IsDir() {
			if strings.HasSuffix(key, "/CloudTrail") {
				return fs.SkipDir
			}
			return nil
		}
		m := digestName.FindStringSubmatch(key)
		if m == nil {
			return nil
		}
		p := digest.Place{Prefix: m[1], Account: m[2], Region: m[3], Trail: m[4]}
		if found[p] != "" {
			return nil
		}
		if len(found) >= maxTrails {
			return fmt.Errorf("%s has digests of more than %d trails", dir, maxTrails)
		}
		found[p] = bucketIn(path)
		return nil
	})
	for p, bucket := range found {
		p.Bucket = bucket
		out = append(out, p)
	}
	return out, err
}

// bucketIn is the bucket that a digest names; empty if it cannot be read, which is told when it is verified.
func bucketIn(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return ""
	}
	var d struct {
		Bucket string `json:"digestS3Bucket"`
	}
	if json.NewDecoder(io.LimitReader(z, digest.MaxDigest)).Decode(&d) != nil {
		return ""
	}
	return d.Bucket
}

// saving is a source that copies what is read of it.
type saving struct {
	digest.Source
	to bucketCopy

	mu sync.Mutex // held while one file is made
}

// newSaving makes the directory of a copy, with the public keys.
func newSaving(from digest.Source, dir string, keys []byte) (*saving, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of the copy: %w", err)
	}
	return &saving{Source: from, to: bucketCopy(dir)}, os.WriteFile(filepath.Join(dir, publicKeysFile), append(keys, '\n'), 0o600)
}

// Open implements digest.Source: what it returns is the copy.
func (s *saving) Open(ctx context.Context, bucket, key string) (io.ReadCloser, map[string]string, error) {
	path, ok := s.to.path(key)
	if !ok {
		return nil, nil, fmt.Errorf("%w: %q cannot be copied under its name", digest.ErrNotFound, key)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := os.Lstat(path); err == nil {
		return s.to.Open(ctx, bucket, key)
	}
	body, metadata, err := s.Source.Open(ctx, bucket, key)
	if err != nil {
		return nil, nil, err
	}
	defer body.Close()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, nil, err
	}
	if signature := metadata[digest.MetaSignature]; signature != "" {
		if err := os.WriteFile(path+signatureSuffix, []byte(signature+"\n"), 0o600); err != nil {
			return nil, nil, err
		}
	}
	f, err := os.OpenFile(path+".part", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, err
	}
	_, err = io.Copy(f, body)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, nil, err
	}
	if err := os.Rename(path+".part", path); err != nil {
		return nil, nil, err
	}
	copied, _, err := s.to.Open(ctx, bucket, key)
	return copied, metadata, err
}
