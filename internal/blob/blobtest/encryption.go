package blobtest

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"darkroom/internal/blob"
	"darkroom/internal/secret"
)

// customerKey gives a key of the caller's own.
func customerKey(seed byte) *blob.CustomerKey {
	return &blob.CustomerKey{Key: secret.New(content(seed, blob.CustomerKeySize))}
}

// methods are the ways to encrypt; a store does each or refuses it.
func methods() map[string]blob.Encryption {
	return map[string]blob.Encryption{
		"SSE-S3":             {Method: blob.SSES3},
		"SSE-KMS":            {Method: blob.SSEKMS},
		"SSE-KMS with extra": {Method: blob.SSEKMS, Context: map[string]string{"film": "première"}},
		"SSE-KMS for bucket": {Method: blob.SSEKMS, BucketKey: new(true)},
		"SSE-C":              {Method: blob.SSEC, Customer: customerKey(9)},
	}
}

// read are the conditions of a read of what was encrypted so.
func read(e blob.Encryption) blob.Conditions { return blob.Conditions{Customer: e.Customer} }

// offers writes an object encrypted so. Where the store refuses that, by name and with nothing left, it says false.
func offers(t *testing.T, s blob.Store, bucket, key string, body []byte, e blob.Encryption) (blob.Info, bool) {
	t.Helper()
	info, err := s.Put(t.Context(), bucket, key, streamOf(body), blob.PutOptions{Size: int64(len(body)), Storage: blob.Storage{Encryption: e}})
	if errors.Is(err, blob.ErrNotOffered) || errors.Is(err, blob.ErrNotHonoured) {
		wantAbsent(t, s, bucket, key)
		return info, false
	}
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
	return info, true
}

func wantEncryption(t *testing.T, what string, got, want blob.Encryption) {
	t.Helper()
	if got.Method != want.Method || (got.KeyID != "") != (want.Method == blob.SSEKMS) || got.Customer != nil || got.Context != nil {
		t.Errorf("%s: got %+v, want %s", what, got, want.Method)
	}
	if want.BucketKey != nil && (got.BucketKey == nil || *got.BucketKey != *want.BucketKey) {
		t.Errorf("%s: the bucket key is not told", what)
	}
}

// wantBodyAs reads an object with the key that it needs.
func wantBodyAs(t *testing.T, s blob.Store, bucket, key string, want []byte, e blob.Encryption) {
	t.Helper()
	o, err := s.Get(t.Context(), bucket, key, nil, read(e))
	if err != nil {
		t.Errorf("get %q: %v", key, err)
		return
	}
	wantEncryption(t, "get "+key, o.Encryption, e)
	if got := readAll(t, o); !bytes.Equal(got, want) {
		t.Errorf("get %q: %d bytes that differ from the %d put", key, len(got), len(want))
	}
}

var encryptionRequirements = []requirement{
	{"encryption: is done and told, or refused", driver, func(t *testing.T, s blob.Store) {
		for name, e := range methods() {
			b := newBucket(t, s)
			for _, size := range []int{0, 1, 64<<10 + 1, 9 << 20} {
				body := content(byte(size), size)
				info, ok := offers(t, s, b, "k", body, e)
				if !ok {
					t.Logf("%s is refused", name)
					break
				}
				wantEncryption(t, name+": put", info.Encryption, e)
				opaque := e.Method == blob.SSEKMS || e.Method == blob.SSEC
				if opaque && strings.Contains(info.ETag, etag(body)) {
					t.Errorf("%s: the ETag is the MD5", name)
				}
				head, err := s.Head(t.Context(), b, "k", read(e))
				if err != nil || head.ETag != info.ETag || head.Size != int64(size) {
					t.Errorf("%s: head: %+v, %v", name, head, err)
				}
				wantEncryption(t, name+": head", head.Encryption, e)
				wantBodyAs(t, s, b, "k", body, e)
				if size < 100 {
					continue
				}
				c := read(e)
				c.IfMatch = info.ETag
				o, err := s.Get(t.Context(), b, "k", &blob.Range{Start: 65530, End: 65536}, c)
				if err != nil {
					t.Errorf("%s: range: %v", name, err)
				} else if got := readAll(t, o); !bytes.Equal(got, body[65530:65537]) {
					t.Errorf("%s: a range has other bytes", name)
				}
			}
			if err := s.Delete(t.Context(), b, "k"); err != nil {
				t.Errorf("%s: delete: %v", name, err)
			}
		}
	}},
	{"encryption: without its key nothing is read", driver, func(t *testing.T, s blob.Store) {
		ctx, b, e := t.Context(), newBucket(t, s), methods()["SSE-C"]
		body := content(1, 70000)
		if _, ok := offers(t, s, b, "k", body, e); !ok {
			return
		}
		put(t, s, b, "clear", body)
		for _, tt := range []struct {
			name, key string
			given     *blob.CustomerKey
			get, head error
		}{
			{"none", "k", nil, blob.ErrKeyNeeded, blob.ErrKeyNeeded},
			{"another", "k", customerKey(8), blob.ErrWrongKey, blob.ErrAccessDenied}, // an answer to HEAD has no text
			{"one too many", "clear", customerKey(9), blob.ErrKeyUnused, blob.ErrKeyUnused},
		} {
			c := blob.Conditions{Customer: tt.given}
			if o, err := s.Get(ctx, b, tt.key, nil, c); !errors.Is(err, tt.get) {
				t.Errorf("%s: get: %v, %v, want %v", tt.name, o, err, tt.get)
			}
			_, err := s.Head(ctx, b, tt.key, c)
			wantError(t, tt.name+": head", err, tt.head)
			_, err = s.Copy(ctx, b, tt.key, b, "copy", blob.CopyOptions{Conditions: c})
			wantError(t, tt.name+": copy", err, tt.get)
		}
		wantAbsent(t, s, b, "copy")
	}},
	{"encryption: a copy is encrypted as its own writer says", driver, func(t *testing.T, s blob.Store) {
		ctx, b := t.Context(), newBucket(t, s)
		body := content(1, 300000)
		m := blob.Metadata{ContentType: "film/x"}
		for from, src := range methods() {
			if _, ok := offers(t, s, b, "src", body, src); !ok {
				continue
			}
			for to, dst := range methods() {
				info, err := s.Copy(ctx, b, "src", b, "dst", blob.CopyOptions{Conditions: read(src), Storage: blob.Storage{Encryption: dst}, Metadata: &m})
				if errors.Is(err, blob.ErrNotOffered) || errors.Is(err, blob.ErrNotHonoured) {
					continue
				}
				if err != nil {
					t.Errorf("%s to %s: %v", from, to, err)
					continue
				}
				wantEncryption(t, from+" to "+to, info.Encryption, dst)
				if info.Metadata.ContentType != m.ContentType {
					t.Errorf("%s to %s: metadata %+v", from, to, info.Metadata)
				}
				if dst.Method == blob.SSES3 && info.ETag != etag(body) {
					t.Errorf("%s to %s: ETag %s is not the MD5", from, to, info.ETag)
				}
				wantBodyAs(t, s, b, "dst", body, dst)
			}
			wantBodyAs(t, s, b, "src", body, src)
			if err := s.Delete(ctx, b, "src"); err != nil { // the next one is not a write over this
				t.Error(err)
			}
		}
	}},
	{"encryption: of an upload is that of its parts", driver, func(t *testing.T, s blob.Store) {
		ctx, b := t.Context(), newBucket(t, s)
		for name, e := range methods() {
			u, err := s.CreateUpload(ctx, b, "k", blob.UploadOptions{Storage: blob.Storage{Encryption: e}})
			if errors.Is(err, blob.ErrNotOffered) || errors.Is(err, blob.ErrNotHonoured) {
				wantAbsent(t, s, b, "k")
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			wantEncryption(t, name+": upload", u.Encryption, e)
			var parts []blob.Part
			var whole []byte
			for n, size := range []int{5 << 20, 100} {
				body := content(byte(n), size)
				whole = append(whole, body...)
				o := blob.PutOptions{Size: int64(size)}
				if e.Customer != nil {
					_, err := s.UploadPart(ctx, u, n+1, streamOf(body), o)
					wantError(t, name+": part without key", err, blob.ErrUploadKey)
					o.Storage.Encryption = blob.Encryption{Method: blob.SSEC, Customer: customerKey(8)}
					_, err = s.UploadPart(ctx, u, n+1, streamOf(body), o)
					wantError(t, name+": part with another key", err, blob.ErrWrongUploadKey)
					o.Storage.Encryption.Customer = e.Customer
				}
				p, err := s.UploadPart(ctx, u, n+1, streamOf(body), o)
				if err != nil {
					t.Fatalf("%s: part: %v", name, err)
				}
				wantEncryption(t, name+": part", p.Encryption, e)
				if (p.ETag == etag(body)) != (e.Method == blob.SSES3) {
					t.Errorf("%s: ETag %s of a part", name, p.ETag)
				}
				parts = append(parts, p)
			}
			if e.Customer == nil {
				o := blob.PutOptions{Size: 1, Storage: blob.Storage{Encryption: blob.Encryption{Method: blob.SSEC, Customer: customerKey(9)}}}
				_, err := s.UploadPart(ctx, u, 3, strings.NewReader("x"), o)
				wantError(t, name+": part with a key", err, blob.ErrUploadKey)
			}
			info, err := s.CompleteUpload(ctx, u, parts, blob.Conditions{})
			if err != nil {
				t.Fatalf("%s: complete: %v", name, err)
			}
			if !strings.HasSuffix(info.ETag, "-2") {
				t.Errorf("%s: ETag %s", name, info.ETag)
			}
			wantBodyAs(t, s, b, "k", whole, e)
			if err := s.Delete(ctx, b, "k"); err != nil {
				t.Error(err)
			}
		}
	}},
	{"encryption: a bucket has a default", driver, func(t *testing.T, s blob.Store) {
		ctx, b := t.Context(), newBucket(t, s)
		before, err := s.BucketEncryption(ctx, b)
		if errors.Is(err, blob.ErrNotOffered) {
			wantError(t, "set", s.SetBucketEncryption(ctx, b, blob.BucketEncryption{Method: blob.SSES3}), blob.ErrNotOffered)
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range []blob.BucketEncryption{{Method: blob.SSEKMS, BucketKey: true}, {Method: blob.SSEKMS}, {Method: blob.SSES3}} {
			err := s.SetBucketEncryption(ctx, b, d)
			if errors.Is(err, blob.ErrNotOffered) {
				continue
			}
			if err != nil {
				t.Errorf("set %+v: %v", d, err)
				continue
			}
			if got, err := s.BucketEncryption(ctx, b); err != nil || got != d {
				t.Errorf("get: %+v, %v, want %+v", got, err, d)
			}
			want := blob.Encryption{Method: d.Method}
			if d.BucketKey {
				want.BucketKey = &d.BucketKey
			}
			body := content(3, 1000)
			wantEncryption(t, "by default", put(t, s, b, "k", body).Encryption, want)
			wantBodyAs(t, s, b, "k", body, want)
			for name, e := range methods() { // what the writer says counts
				if info, ok := offers(t, s, b, "said "+name, body, e); ok {
					wantEncryption(t, name, info.Encryption, e)
				}
			}
		}
		if err := s.SetBucketEncryption(ctx, b, blob.BucketEncryption{}); err != nil {
			t.Error(err)
		}
		if after, err := s.BucketEncryption(ctx, b); err != nil || after != before {
			t.Errorf("after: %+v, %v, before: %+v", after, err, before)
		}
		_, err = s.BucketEncryption(ctx, newName())
		wantError(t, "of no bucket", err, blob.ErrNoSuchBucket)
	}},
	{"encryption: what nobody can mean is refused", driver, func(t *testing.T, s blob.Store) {
		ctx, b := t.Context(), newBucket(t, s)
		short := &blob.CustomerKey{Key: secret.New(content(1, 16))}
		for name, e := range map[string]blob.Encryption{
			"method":               {Method: "AES512"},
			"key id for SSE-S3":    {Method: blob.SSES3, KeyID: "k"},
			"context for SSE-S3":   {Method: blob.SSES3, Context: map[string]string{"a": "b"}},
			"key id for default":   {KeyID: "k"},
			"SSE-C without key":    {Method: blob.SSEC},
			"SSE-C with short key": {Method: blob.SSEC, Customer: short},
			"SSE-KMS and a key":    {Method: blob.SSEKMS, Customer: customerKey(1)},
			"large context":        {Method: blob.SSEKMS, Context: map[string]string{"a": strings.Repeat("x", blob.MaxContext)}},
			"key id with a line":   {Method: blob.SSEKMS, KeyID: "k\r\nx: y"},
		} {
			o := blob.Storage{Encryption: e}
			_, err := s.Put(ctx, b, "k", strings.NewReader("x"), blob.PutOptions{Size: 1, Storage: o})
			wantError(t, name+": put", err, blob.ErrInvalidArgument)
			_, err = s.CreateUpload(ctx, b, "k", blob.UploadOptions{Storage: o})
			wantError(t, name+": create upload", err, blob.ErrInvalidArgument)
		}
		double := blob.Storage{Encryption: blob.Encryption{Method: blob.SSEDSSE}}
		_, err := s.Put(ctx, b, "k", strings.NewReader("x"), blob.PutOptions{Size: 1, Storage: double})
		wantError(t, "double", err, blob.ErrNotOffered)
		wantError(t, "SSE-C as a default", s.SetBucketEncryption(ctx, b, blob.BucketEncryption{Method: blob.SSEC}), blob.ErrInvalidArgument)
		wantAbsent(t, s, b, "k")
	}},
	{"encryption: lists say the same", server, func(t *testing.T, s blob.Store) {
		b := newBucket(t, s)
		var want []string
		for name, e := range methods() {
			if _, ok := offers(t, s, b, name, content(1, 77), e); ok {
				want = append(want, name)
			}
		}
		page, err := s.List(t.Context(), b, blob.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, o := range page.Objects {
			got = append(got, o.Key)
			if o.Size != 77 || o.ETag == "" {
				t.Errorf("%s: %+v", o.Key, o)
			}
		}
		if slices.Sort(want); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}},
}
