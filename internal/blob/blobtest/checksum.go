package blobtest

import (
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/blob"
)

// checksums are those of "123456789", from the catalogue of CRCs and FIPS 180-4 implementations.
var checksums = map[string]string{
	blob.CRC32: "y/Q5Jg==", blob.CRC32C: "4waSgw==", blob.CRC64NVME: "rosUhgp5mIg=",
	blob.SHA1: "98O8HYCOBHMq32eZZczDTKeuNEE=", blob.SHA256: "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
}

var checksumRequirements = []requirement{
	{"checksum: a wrong Content-MD5 is refused", driver, func(t *testing.T, s blob.Store) {
		b := newBucket(t, s)
		for _, size := range []int{9, 9 << 20} {
			body := content(1, size)
			sum := md5.Sum(body)
			if _, err := s.Put(t.Context(), b, "good", streamOf(body), blob.PutOptions{Size: int64(size), ContentMD5: sum[:]}); err != nil {
				t.Errorf("right MD5: %v", err)
			}
			sum[3] ^= 1
			_, err := s.Put(t.Context(), b, "bad", streamOf(body), blob.PutOptions{Size: int64(size), ContentMD5: sum[:]})
			wantError(t, "wrong MD5", err, blob.ErrBadDigest)
		}
		wantAbsent(t, s, b, "bad")
	}},
	{"checksum: each algorithm is verified and kept", server, func(t *testing.T, s blob.Store) {
		b := newBucket(t, s)
		for algorithm, value := range checksums {
			c := blob.Checksum{Algorithm: algorithm, Value: value}
			if _, err := s.Put(t.Context(), b, algorithm, streamOf([]byte("123456789")), blob.PutOptions{Size: 9, Metadata: blob.Metadata{Checksum: c}}); err != nil {
				t.Errorf("%s: %v", algorithm, err)
				continue
			}
			got, _ := get(t, s, b, algorithm)
			c.Type = blob.FullObject
			if diff := cmp.Diff(c, got.Metadata.Checksum); diff != "" {
				t.Errorf("%s (-want +got): %s", algorithm, diff)
			}
			raw, err := base64.StdEncoding.DecodeString(value)
			if err != nil {
				t.Fatal(err)
			}
			raw[0] ^= 1
			c.Value = base64.StdEncoding.EncodeToString(raw)
			_, err = s.Put(t.Context(), b, "bad", streamOf([]byte("123456789")), blob.PutOptions{Size: 9, Metadata: blob.Metadata{Checksum: c}})
			wantError(t, algorithm, err, blob.ErrBadDigest)
		}
		wantAbsent(t, s, b, "bad")
	}},
	{"checksum: comes behind the body", driver, func(t *testing.T, s blob.Store) {
		b := newBucket(t, s)
		for _, algorithm := range []string{blob.CRC32, blob.SHA256} {
			o := blob.PutOptions{Size: 9, Metadata: blob.Metadata{Checksum: blob.Checksum{Algorithm: algorithm}}, Trailer: func() string { return checksums[algorithm] }}
			if _, err := s.Put(t.Context(), b, algorithm, streamOf([]byte("123456789")), o); err != nil {
				t.Errorf("%s: %v", algorithm, err)
			}
			_, err := s.Put(t.Context(), b, "bad", streamOf([]byte("12345678X")), o)
			wantError(t, algorithm, err, blob.ErrBadDigest)
		}
		wantAbsent(t, s, b, "bad")
	}},
	{"checksum: of an algorithm that is none", driver, func(t *testing.T, s blob.Store) {
		b := newBucket(t, s)
		o := blob.PutOptions{Size: 1, Metadata: blob.Metadata{Checksum: blob.Checksum{Algorithm: "MD4"}}}
		_, err := s.Put(t.Context(), b, "k", streamOf([]byte("x")), o)
		wantError(t, "put", err, blob.ErrInvalidArgument)
		_, err = s.CreateUpload(t.Context(), b, "k", blob.UploadOptions{Metadata: o.Metadata})
		wantError(t, "create upload", err, blob.ErrInvalidArgument)
	}},
	{"checksum: of parts and of the whole", server, testPartChecksums},
}

func testPartChecksums(t *testing.T, s blob.Store) {
	b := newBucket(t, s)
	parts := [][]byte{content(1, 5<<20), content(2, 5<<20+3), content(3, 9)}
	var whole []byte
	for _, p := range parts {
		whole = append(whole, p...)
	}
	for _, tt := range []blob.Checksum{
		{Algorithm: blob.CRC32, Type: blob.FullObject},
		{Algorithm: blob.CRC32C, Type: blob.FullObject},
		{Algorithm: blob.CRC64NVME, Type: blob.FullObject},
		{Algorithm: blob.CRC32, Type: blob.Composite},
		{Algorithm: blob.SHA1, Type: blob.Composite},
		{Algorithm: blob.SHA256, Type: blob.Composite},
	} {
		name := tt.Algorithm + " " + tt.Type
		h, err := blob.NewHash(tt.Algorithm)
		if err != nil {
			t.Fatal(err)
		}
		sum := func(b []byte) []byte { h.Reset(); h.Write(b); return h.Sum(nil) }
		u, err := s.CreateUpload(t.Context(), b, name, blob.UploadOptions{Metadata: blob.Metadata{Checksum: tt}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var joined []byte
		var done []blob.Part
		for i, body := range parts {
			o := blob.PutOptions{Size: int64(len(body)), Metadata: blob.Metadata{Checksum: blob.Checksum{Algorithm: tt.Algorithm, Value: base64.StdEncoding.EncodeToString(sum(body))}}}
			p, err := s.UploadPart(t.Context(), u, i+1, streamOf(body), o)
			if err != nil {
				t.Fatalf("%s: part %d: %v", name, i+1, err)
			}
			joined = append(joined, sum(body)...)
			done = append(done, p)
			o.Metadata.Checksum.Value = base64.StdEncoding.EncodeToString(sum([]byte("other")))
			_, err = s.UploadPart(t.Context(), u, i+1, streamOf(body), o)
			wantError(t, name+" wrong part", err, blob.ErrBadDigest)
		}
		want := base64.StdEncoding.EncodeToString(sum(whole))
		if tt.Type == blob.Composite {
			want = base64.StdEncoding.EncodeToString(sum(joined)) + fmt.Sprintf("-%d", len(parts))
		}
		if _, err := s.CompleteUpload(t.Context(), u, done, blob.Conditions{}); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		info, err := s.Head(t.Context(), b, name, blob.Conditions{})
		tt.Value = want
		if diff := cmp.Diff(tt, info.Metadata.Checksum); err != nil || diff != "" {
			t.Errorf("%s (-want +got): %s %v", name, diff, err)
		}
	}
}
