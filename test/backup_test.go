package test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"darkroom/internal/audit"
	lifejob "darkroom/internal/job"
	"darkroom/internal/store/sqlite"
)

// ageKey makes a key pair of age: the public key, and a file with the private one.
func ageKey(t *testing.T) (recipient, identity string) {
	t.Helper()
	who, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	identity = filepath.Join(t.TempDir(), "identity")
	if err := os.WriteFile(identity, []byte(who.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return who.Recipient().String(), identity
}

// recordsNamed returns the records of a name in the trail of a data directory that no server has open.
func recordsNamed(t *testing.T, data, name string) []audit.Record {
	t.Helper()
	records, err := sqlite.Open(filepath.Join(data, "darkroom.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = records.Close() }()
	found, err := records.Find(t.Context(), audit.Query{Account: account, Name: name, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	var out []audit.Record
	for _, f := range found {
		r, err := f.Decode()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

// completeJobs are the jobs that are complete in a data directory that no server has open.
func completeJobs(t *testing.T, data string) map[string]bool {
	t.Helper()
	records, err := sqlite.Open(filepath.Join(data, "darkroom.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = records.Close() }()
	all, err := records.List(t.Context(), lifejob.Query{Account: account, Status: lifejob.Complete, Limit: 20})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, j := range all {
		out[j.ID] = true
	}
	return out
}

// fails runs darkroom with arguments that it must refuse with a text.
func fails(t *testing.T, text string, args ...string) {
	t.Helper()
	out, stderr, err := try(t, nil, binary, args...)
	if err == nil || !strings.Contains(stderr, text) {
		t.Errorf("darkroom %s: %v, want %q\n%s%s", strings.Join(args, " "), err, text, out, stderr)
	}
}

// objects is what a bucket has, by key, with the SHA-256 of each object.
func objects(s *server, bucket string) map[string]string {
	s.t.Helper()
	out := map[string]string{}
	c := s.s3()
	pages := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		for _, o := range page.Contents {
			got, err := c.GetObject(s.t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: o.Key})
			if err != nil {
				s.t.Fatalf("%s: %v", *o.Key, err)
			}
			sum := sha256.New()
			if _, err := io.Copy(sum, got.Body); err != nil {
				s.t.Fatalf("%s: %v", *o.Key, err)
			}
			_ = got.Body.Close()
			out[*o.Key] = hex.EncodeToString(sum.Sum(nil))
		}
	}
	return out
}

// TestBackup backs an installation up while jobs run and objects are written, overwritten and deleted, and restores it: everything that was there before is there, every
// complete job has its outputs, and the server that runs on it works on.
func TestBackup(t *testing.T) {
	t.Parallel()
	need(t, "aws")
	s := serve(t)
	s.upload("films", "in/clip.mp4", clip(t, 4))
	first := s.submit(job(short("s3://films/in/clip.mp4", "s3://films/first/")))
	s.finish(first)
	p := s.admin()
	key := p.aws("kms", "create-key", "--query", "KeyMetadata.Arn")
	c := s.s3()
	put := func(key, content string, change func(*s3.PutObjectInput)) {
		in := &s3.PutObjectInput{Bucket: aws.String("films"), Key: &key, Body: strings.NewReader(content)}
		if change != nil {
			change(in)
		}
		if _, err := c.PutObject(t.Context(), in); err != nil {
			t.Error(err)
		}
	}
	put("sealed", "under a key of the key service", func(in *s3.PutObjectInput) {
		in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, &key
	})
	put("doomed", "there at the moment of the backup", nil)
	if _, err := c.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: aws.String("films"), Key: aws.String("copy"), CopySource: aws.String("films/in/clip.mp4")}); err != nil {
		t.Fatal(err)
	}
	if out := p.aws("mediaconvert", "create-queue", "--name", "backed-up", "--query", "Queue.Name"); out != "backed-up" {
		t.Fatal(out)
	}
	before := objects(s, "films")

	// The load: jobs, uploads, and objects that are overwritten with what tells their round.
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	rounds := make(chan struct{}, 100)
	for w := range 3 {
		load.Go(func() {
			for round := 0; ctx.Err() == nil; round++ {
				put(fmt.Sprintf("load/%d", w), fmt.Sprint(round, strings.Repeat("x", 20_000)), nil)
				put(fmt.Sprintf("load/%d-%d", w, round), strings.Repeat("y", 20_000), nil)
				if round > 3 {
					if _, err := c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("films"), Key: aws.String(fmt.Sprintf("load/%d-%d", w, round-3))}); err != nil {
						t.Error(err)
					}
				}
				select {
				case rounds <- struct{}{}:
				default:
				}
			}
		})
	}
	load.Go(func() {
		for n := 0; ctx.Err() == nil && n < 20; n++ {
			if _, err := s.mediaconvert().CreateJob(t.Context(), request(t, job(short("s3://films/in/clip.mp4", fmt.Sprintf("s3://films/jobs/%d/", n))))); err != nil {
				t.Error(err)
			}
		}
	})
	for range 12 {
		<-rounds
	}
	recipient, identity := ageKey(t)
	file := filepath.Join(t.TempDir(), "backup.age")
	out := run(t, nil, binary, "backup", "--data", s.data, "--out", file, "--recipient", recipient)
	if !strings.Contains(out, "NOT IN IT: The configuration file") {
		t.Errorf("the backup does not say what it lacks:\n%s", out)
	}
	stop()
	load.Wait()
	if _, err := c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("films"), Key: aws.String("doomed")}); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(s.data, "objects", "tmp", "kept-*")); err != nil || len(left) > 0 {
		t.Errorf("the backup left %v %v", left, err)
	}
	if out := run(t, nil, binary, "backup", "verify", file, "--identity", identity); !strings.Contains(out, "is whole") {
		t.Errorf("verify: %s", out)
	}

	// What is altered, cut off, for somebody else, or into what is not empty, is refused, and nothing is put in place.
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	altered, cut, nowhere := filepath.Join(t.TempDir(), "altered"), filepath.Join(t.TempDir(), "cut"), filepath.Join(t.TempDir(), "nowhere")
	flipped := bytes.Clone(content)
	flipped[len(flipped)/2] ^= 1
	if err := os.WriteFile(altered, flipped, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cut, content[:len(content)*2/3], 0o600); err != nil {
		t.Fatal(err)
	}
	_, stranger := ageKey(t)
	fails(t, "the backup is not whole", "restore", "--in", altered, "--data", nowhere, "--identity", identity)
	fails(t, "the backup is not whole", "backup", "verify", altered, "--identity", identity)
	fails(t, "the backup is not whole", "restore", "--in", cut, "--data", nowhere, "--identity", identity)
	fails(t, "none of the identities", "restore", "--in", file, "--data", nowhere, "--identity", stranger)
	fails(t, "is not empty", "restore", "--in", file, "--data", s.data, "--identity", identity)
	fails(t, "is there already", "backup", "--data", s.data, "--out", file, "--recipient", recipient)
	fails(t, "is in the data directory", "backup", "--data", s.data, "--out", filepath.Join(s.data, "x.age"), "--recipient", recipient)
	if left, err := os.ReadDir(filepath.Dir(nowhere)); err != nil || len(left) > 0 {
		t.Errorf("a refused restore left %v %v", left, err)
	}

	restored := filepath.Join(t.TempDir(), "restored")
	run(t, nil, binary, "restore", "--in", file, "--data", restored, "--identity", identity)
	if r := recordsNamed(t, restored, "RestoreBackup"); len(r) != 1 {
		t.Errorf("%d records of the restore", len(r))
	}
	complete := completeJobs(t, restored)
	s.stop()
	for _, name := range []string{"CreateBackup", "CompleteBackup"} {
		if r := recordsNamed(t, s.data, name); len(r) != 1 || r[0].ErrorCode != "" || r[0].UserIdentity.UserName != "admin" || !strings.Contains(string(r[0].AdditionalEventData["backup"]), "manifestSHA256") {
			t.Errorf("records of %s: %+v", name, r)
		}
	}
	r := serveOn(t, binary, restored)
	after := objects(r, "films")
	for key, sum := range before {
		if after[key] != sum {
			t.Errorf("%s: %q, and %q in the restored installation", key, sum, after[key])
		}
	}
	c = r.s3()
	r.finish(first)
	p = r.admin()
	if out := p.aws("mediaconvert", "list-queues", "--query", "Queues[].Name"); !strings.Contains(out, "backed-up") {
		t.Errorf("queues: %s", out)
	}
	if out := p.aws("s3", "ls", "s3://films/doomed"); !strings.Contains(out, "doomed") {
		t.Errorf("what was deleted after the backup: %q", out)
	}
	// Jobs that were complete have their outputs; those that were not go on.
	jobs, err := r.mediaconvert().ListJobs(t.Context(), &mediaconvert.ListJobsInput{MaxResults: aws.Int32(20)})
	if err != nil || len(jobs.Jobs) < 2 {
		t.Fatalf("%d jobs, %v", len(jobs.Jobs), err)
	}
	for _, j := range jobs.Jobs {
		if complete[*j.Id] && *j.Id != first {
			at := strings.TrimPrefix(*j.Settings.OutputGroups[0].OutputGroupSettings.FileGroupSettings.Destination, "s3://films/")
			if after[at+"clip.mp4"] == "" {
				t.Errorf("job %s is complete, and its output %sclip.mp4 is not there", *j.Id, at)
			}
		}
	}
	for _, j := range jobs.Jobs {
		r.finish(*j.Id)
	}
	if !complete[first] {
		t.Errorf("the first job is not complete in the backup: %v", complete)
	}
	if out := run(t, nil, binary, "doctor", "--data", restored); strings.Contains(out, "MISSING") {
		t.Errorf("doctor:\n%s", out)
	}

	// A server that is stopped is backed up from its directory; here with a passphrase.
	want := objects(r, "films")
	r.stop()
	passphrase := filepath.Join(t.TempDir(), "passphrase")
	if err := os.WriteFile(passphrase, []byte("correct horse battery staple\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	run(t, nil, binary, "backup", "--data", restored, "--out", dir, "--passphrase-file", passphrase)
	made, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(made) != 1 || !strings.HasSuffix(made[0], ".age") {
		t.Fatal(made, err)
	}
	again := filepath.Join(t.TempDir(), "again")
	run(t, nil, binary, "restore", "--in", made[0], "--data", again, "--passphrase-file", passphrase)
	s2 := serveOn(t, binary, again)
	for key, sum := range objects(s2, "films") {
		if want[key] != sum {
			t.Errorf("%s in the second restore", key)
		}
		delete(want, key)
	}
	if len(want) > 0 {
		t.Errorf("missing in the second restore: %v", want)
	}
}

// TestBackupKilled: a backup that is killed leaves nothing that looks whole, and the server goes on and can be backed up again.
func TestBackupKilled(t *testing.T) {
	t.Parallel()
	s := serve(t)
	big := filepath.Join(t.TempDir(), "big")
	content := make([]byte, 64<<20)
	noise := rand.NewChaCha8([32]byte{1})
	if _, err := noise.Read(content); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(big, content, 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		s.upload("films", fmt.Sprint("big", i), big)
	}
	recipient, identity := ageKey(t)
	dir := t.TempDir()
	cmd := exec.Command(binary, "backup", "--data", s.data, "--out", filepath.Join(dir, "killed.age"), "--recipient", recipient)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.eventually("the backup has written its first MiB", func() bool {
		all, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil || len(all) == 0 {
			return false
		}
		st, err := os.Stat(all[0])
		return err == nil && st.Size() > 1<<20
	})
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) != 1 || !strings.HasSuffix(left[0], ".partial") {
		t.Fatalf("left behind: %v %v", left, err)
	}
	fails(t, "the backup is not whole", "backup", "verify", left[0], "--identity", identity)
	// The server notices that nobody reads any more; until then it says that one is being made.
	file := filepath.Join(dir, "next.age")
	ctx, cancel := context.WithTimeout(t.Context(), maxJob)
	defer cancel()
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		_, stderr, err := try(t, nil, binary, "backup", "--data", s.data, "--out", file, "--recipient", recipient)
		if err == nil {
			break
		}
		if !strings.Contains(stderr, "ConflictException") {
			t.Fatal(stderr)
		}
		select {
		case <-ctx.Done():
			t.Fatal("the server never let go of the backup that was killed")
		case <-tick.C:
		}
	}
	run(t, nil, binary, "backup", "verify", file, "--identity", identity)
}
