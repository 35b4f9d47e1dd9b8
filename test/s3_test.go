package test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// TestCopyUpAndDown copies files of the sizes at which the AWS CLI changes its ways, with each CLI that is here.
func TestCopyUpAndDown(t *testing.T) {
	t.Parallel()
	s := serve(t)
	dir := t.TempDir()
	clis := []string{filepath.Dir(need(t, "aws"))}
	if _, err := os.Stat(debianCLI); err == nil && clis[0] != filepath.Dir(debianCLI) {
		clis = append(clis, filepath.Dir(debianCLI))
	}
	s.aws("s3", "mb", "s3://copies")
	for _, size := range []int{0, 1, 65536, 8 << 20, 8<<20 + 1, 40<<20 + 12345} {
		body := make([]byte, size)
		if _, err := rand.Read(body); err != nil {
			t.Fatal(err)
		}
		up := filepath.Join(dir, "up")
		if err := os.WriteFile(up, body, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, cli := range clis {
			s.cli = cli
			down := filepath.Join(dir, "down")
			s.aws("s3", "cp", "--quiet", up, "s3://copies/a b/ü+%41.bin")
			s.aws("s3", "cp", "--quiet", "s3://copies/a b/ü+%41.bin", down)
			got, err := os.ReadFile(down)
			if err != nil || sha256.Sum256(got) != sha256.Sum256(body) {
				t.Errorf("%s: %d bytes went up, %d came down: %v", cli, size, len(got), err)
			}
		}
	}
	url := s.aws("s3", "presign", "s3://copies/a b/ü+%41.bin")
	s3c := s.s3()
	client := s3c.Options().HTTPClient
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != 40<<20+12345 || resp.StatusCode != http.StatusOK {
		t.Errorf("presigned: %d, %d bytes, %v", resp.StatusCode, n, err)
	}
}

// TestAtRest looks at the disk: neither what is stored nor its name stands there, and a changed byte is an error and never wrong bytes.
func TestAtRest(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c, bucket := s.s3(), aws.String("secrets")
	if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	const text = "the butler did it in the last reel "
	body := bytes.Repeat([]byte(text), 20000)
	put := func(key string) {
		t.Helper()
		_, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: bytes.NewReader(body), Metadata: map[string]string{"ending": "the-gardener-is-innocent"}})
		if err != nil {
			t.Fatal(err)
		}
	}
	put("unreleased-sequel.mov")
	s.submit(job(short("s3://secrets/unreleased-sequel.mov", "s3://secrets/watermarked-screener")))
	s.stop()
	var largest string
	var size int64
	err := filepath.WalkDir(s.data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, word := range []string{"butler did it", "unreleased-sequel", "gardener"} {
			// Settings of jobs are records and not media: they stand in the database, whose sealing has its own issue.
			if bytes.Contains(b, []byte(word)) && !strings.HasPrefix(filepath.Base(path), "darkroom.db") || strings.Contains(path, word) {
				t.Errorf("%s: %q stands in it", path, word)
			}
		}
		if int64(len(b)) > size && !strings.HasPrefix(filepath.Base(path), "darkroom.db") {
			largest, size = path, int64(len(b))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(largest)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-100] ^= 1
	if err := os.WriteFile(largest, b, 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	c = s.s3()
	got, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: aws.String("unreleased-sequel.mov")})
	if err == nil {
		var read []byte
		read, err = io.ReadAll(got.Body)
		_ = got.Body.Close()
		if !bytes.HasPrefix(body, read) {
			t.Error("wrong bytes came out")
		}
	}
	if err == nil {
		t.Error("an object with a changed byte was read to its end")
	}
}

// TestRefusedHeaders: what is asked for and not done is refused by its name.
func TestRefusedHeaders(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.aws("s3", "mb", "s3://films")
	c := s.s3()
	_, err := c.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String("films"), Key: aws.String("k"), Body: strings.NewReader("x"),
		ServerSideEncryption: types.ServerSideEncryptionAwsKmsDsse,
	})
	if err == nil || !strings.Contains(err.Error(), "x-amz-server-side-encryption: aws:kms:dsse") {
		t.Errorf("DSSE-KMS: %v", err)
	}
	if _, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("films"), Key: aws.String("k")}); err == nil {
		t.Error("a refused object is there")
	}
}
