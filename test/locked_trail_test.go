package test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"darkroom/internal/target/targettest"
)

// locking is another S3 server, whose buckets can hold objects against everybody.
type locking struct {
	*s3.Client
	endpoint, port string
	credentials    string // a file
}

func newLocking(t *testing.T) *locking {
	t.Helper()
	const id, key = "AKIAVERSITY", "only for the length of a test run"
	address := fmt.Sprintf("127.0.0.1:%d", targettest.Port(t))
	gateway := targettest.Find(t, "VERSITYGW", "versitygw")
	dir := t.TempDir()
	for _, name := range []string{"objects", "versions", "sidecar"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(gateway, "--port", address, "--region", "us-east-1", "posix", "--sidecar", filepath.Join(dir, "sidecar"), "--versioning-dir", filepath.Join(dir, "versions"), filepath.Join(dir, "objects"))
	cmd.Env = []string{"ROOT_ACCESS_KEY=" + id, "ROOT_SECRET_KEY=" + key, "PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the S3 server said:\n%s", said.String())
		}
	})
	targettest.Until(t, "the S3 server listens", func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	keys := filepath.Join(dir, "credentials")
	if err := os.WriteFile(keys, []byte("[default]\naws_access_key_id = "+id+"\naws_secret_access_key = "+key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(address)
	c := s3.New(s3.Options{Region: "us-east-1", BaseEndpoint: aws.String("http://" + address), UsePathStyle: true, Credentials: credentials.NewStaticCredentialsProvider(id, key, ""), HTTPClient: &http.Client{}})
	return &locking{c, "http://" + address, port, keys}
}

// TestLockedTrail: a trail delivers into a bucket of another S3 server whose object lock holds every file, against whoever has the server's own keys too; what it delivered verifies, and its files cannot be removed.
func TestLockedTrail(t *testing.T) {
	t.Parallel()
	c := newLocking(t)
	const bucket = "logs"
	if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucket), ObjectLockEnabledForBucket: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutObjectLockConfiguration(t.Context(), &s3.PutObjectLockConfigurationInput{Bucket: aws.String(bucket), ObjectLockConfiguration: &s3types.ObjectLockConfiguration{
		ObjectLockEnabled: s3types.ObjectLockEnabledEnabled,
		Rule:              &s3types.ObjectLockRule{DefaultRetention: &s3types.DefaultRetention{Mode: s3types.ObjectLockRetentionModeCompliance, Days: aws.Int32(1)}},
	}}); err != nil {
		t.Fatal(err)
	}

	s := serveConfig(t, fmt.Sprintf(`
s3: {endpoint: '%s', path_style: true, credentials_file: %s}
egress: {allow: [{net: 127.0.0.1/32, ports: [%s], for: [storage]}]}
audit: {delivery_period: 1s, digest_period: 2s}
`, c.endpoint, c.credentials, c.port))
	s.aws("cloudtrail", "create-trail", "--name", "main", "--s3-bucket-name", bucket, "--enable-log-file-validation")
	s.aws("cloudtrail", "start-logging", "--name", "main")
	for i := range 5 {
		s.aws("mediaconvert", "create-queue", "--name", fmt.Sprint("q", i))
	}
	list := func(prefix string) []s3types.ObjectVersion {
		t.Helper()
		out, err := c.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: aws.String(bucket), Prefix: &prefix})
		if err != nil {
			t.Fatal(err)
		}
		return slices.DeleteFunc(out.Versions, func(v s3types.ObjectVersion) bool { return strings.HasSuffix(*v.Key, "/") }) // directories of its own
	}
	const logs, digests = "AWSLogs/" + account + "/CloudTrail/", "AWSLogs/" + account + "/CloudTrail-Digest/"
	deadline := time.Now().Add(2 * time.Minute)
	for len(list(logs)) < 2 || len(list(digests)) < 2 {
		if time.Now().After(deadline) {
			t.Fatalf("%d log files, %d digests", len(list(logs)), len(list(digests)))
		}
		time.Sleep(100 * time.Millisecond)
	}
	remove := func(bucket string, v s3types.ObjectVersion) error {
		_, err := c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &bucket, Key: v.Key, VersionId: v.VersionId, BypassGovernanceRetention: aws.Bool(true)})
		return err
	}
	files := append(list(logs), list(digests)...)
	for _, v := range files {
		var refused smithy.APIError
		if err := remove(bucket, v); !errors.As(err, &refused) || refused.ErrorCode() != "AccessDenied" {
			t.Errorf("remove %s: %v", *v.Key, err)
		}
	}
	// It is the lock that refuses: the same keys remove the same file elsewhere.
	if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("other")}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: aws.String("other"), Key: files[0].Key, CopySource: aws.String(bucket + "/" + *files[0].Key)}); err != nil {
		t.Fatal(err)
	}
	if err := remove("other", s3types.ObjectVersion{Key: files[0].Key}); err != nil {
		t.Error(err)
	}
	run(t, nil, binary, "audit", "verify", "--data", s.data, "--trail", "main") // which fails unless all is whole
}

// TestLockedCopies: copies of digests at another S3 server are held there for as long as the configuration says.
func TestLockedCopies(t *testing.T) {
	t.Parallel()
	c := newLocking(t)
	if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("witness"), ObjectLockEnabledForBucket: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	s := serveConfig(t, fmt.Sprintf(`
egress: {allow: [{net: 127.0.0.1/32, ports: [%s], for: [anchor]}]}
audit:
  delivery_period: 1s
  digest_period: 2s
  copies: {endpoint: '%s', path_style: true, credentials_file: %s, bucket: witness, prefix: site-a/, lock_mode: COMPLIANCE, lock_days: 3}
`, c.port, c.endpoint, c.credentials))
	s.aws("s3", "mb", "s3://logs")
	s.aws("cloudtrail", "create-trail", "--name", "main", "--s3-bucket-name", "logs", "--enable-log-file-validation")
	s.aws("cloudtrail", "start-logging", "--name", "main")
	deadline := time.Now().Add(2 * time.Minute)
	for {
		out, err := c.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: aws.String("witness"), Prefix: aws.String("site-a/")})
		if err != nil {
			t.Fatal(err)
		}
		copies := slices.DeleteFunc(out.Versions, func(v s3types.ObjectVersion) bool { return strings.HasSuffix(*v.Key, "/") })
		if len(copies) >= 2 {
			for _, v := range copies {
				r, err := c.GetObjectRetention(t.Context(), &s3.GetObjectRetentionInput{Bucket: aws.String("witness"), Key: v.Key, VersionId: v.VersionId})
				if err != nil {
					t.Errorf("%s: %v", *v.Key, err)
					continue
				}
				if left := time.Until(aws.ToTime(r.Retention.RetainUntilDate)); r.Retention.Mode != s3types.ObjectLockRetentionModeCompliance || left < 71*time.Hour || left > 73*time.Hour {
					t.Errorf("%s is held as %s for %s", *v.Key, r.Retention.Mode, left)
				}
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d copies", len(copies))
		}
		time.Sleep(100 * time.Millisecond)
	}
}
