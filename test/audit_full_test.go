package test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"darkroom/internal/audit"
	"darkroom/internal/store/sqlite"
)

// TestAuditFull fills the file system of a server: what cannot be recorded does not happen and is refused in AWS's terms, refusals are recorded all the same, and when there is room again the
// server goes on by itself.
func TestAuditFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0755", sqlite.ReserveSize+24<<20)); err != nil {
		absent(t, "a small file system cannot be mounted, which root may: "+err.Error())
	}
	t.Cleanup(func() { // after the server has stopped
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s := serveOn(t, binary, filepath.Join(dir, "data"))
	ctx := t.Context()
	if _, err := s.s3().CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("films")}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.iam("admin").CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("bob")}); err != nil {
		t.Fatal(err)
	}
	key, err := s.iam("admin").CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: aws.String("bob")})
	if err != nil {
		t.Fatal(err)
	}
	cfg := s.config()
	cfg.Credentials = credentials.NewStaticCredentialsProvider(*key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey, "")
	once := func(o *mediaconvert.Options) { o.RetryMaxAttempts = 1 }
	jobs, denied := mediaconvert.NewFromConfig(s.config(), once), mediaconvert.NewFromConfig(cfg, once)

	glut := filepath.Join(dir, "glut")
	f, err := os.Create(glut)
	if err != nil {
		t.Fatal(err)
	}
	for size := 1 << 20; size > 0; size /= 16 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	// The log of the database may still have some room of its own.
	n, refused := 0, error(nil)
	for ; refused == nil && n < 2000; n++ {
		_, refused = jobs.CreateQueue(ctx, &mediaconvert.CreateQueueInput{Name: aws.String(fmt.Sprintf("queue-%d", n)), Description: aws.String(strings.Repeat("d", 500))})
	}
	if code(refused) != "InternalServerErrorException" {
		t.Fatalf("queue %d on a full file system: %v", n, refused)
	}
	_, err = s.s3().PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("films"), Key: aws.String("refused"), Body: strings.NewReader("x")}, func(o *s3.Options) { o.RetryMaxAttempts = 1 })
	if code(err) != "InternalError" {
		t.Errorf("PutObject: %v", err)
	}
	if _, err := kms.NewFromConfig(s.config()).CreateKey(ctx, &kms.CreateKeyInput{}, func(o *kms.Options) { o.RetryMaxAttempts = 1 }); code(err) != "InternalFailure" {
		t.Errorf("CreateKey: %v", err)
	}
	_, err = denied.CreateQueue(ctx, &mediaconvert.CreateQueueInput{Name: aws.String("not-bobs")})
	if code(err) != "AccessDeniedException" {
		t.Errorf("who may not is told so: %v", err)
	}
	if _, err := jobs.GetQueue(ctx, &mediaconvert.GetQueueInput{Name: aws.String("Default")}); code(err) != "InternalServerErrorException" {
		t.Errorf("a read that cannot be recorded was answered: %v", err)
	}

	if err := os.Remove(glut); err != nil {
		t.Fatal(err)
	}
	if _, err := jobs.CreateQueue(ctx, &mediaconvert.CreateQueueInput{Name: aws.String("after")}); err != nil {
		t.Errorf("there is room again: %v", err)
	}
	if _, err := jobs.GetQueue(ctx, &mediaconvert.GetQueueInput{Name: aws.String(fmt.Sprintf("queue-%d", n-1))}); code(err) != "NotFoundException" {
		t.Errorf("the queue that was refused: %v", err)
	}
	if _, err := s.s3().HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String("films"), Key: aws.String("refused")}); code(err) != "NotFound" {
		t.Errorf("the object that was refused: %v", err)
	}
	s.stop()
	saw := map[string]int{}
	for _, r := range s.auditRecords() {
		saw[r.EventName+" "+string(r.Outcome())]++
	}
	if saw["CreateQueue denied"] != 1 || saw["CreateQueue granted"] != n || saw["CreateKey granted"] != 0 || saw["PutObject granted"] != 0 {
		t.Errorf("%d queues were made before, and one after: %v", n-1, saw)
	}
	if saw["ServerStop "+string(audit.Granted)] != 1 {
		t.Errorf("the stop is not recorded: %v", saw)
	}
}
