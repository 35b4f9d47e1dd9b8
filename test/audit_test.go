package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	jobtypes "github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"darkroom/internal/audit"
	jobrecord "darkroom/internal/job"
	"darkroom/internal/store/sqlite"
)

// records opens the records of a server that has stopped.
func (s *server) records() *sqlite.Store {
	s.t.Helper()
	records, err := sqlite.Open(filepath.Join(s.data, "darkroom.db"))
	if err != nil {
		s.t.Fatal(err)
	}
	return records
}

// auditRecords returns all concluded records of a server that has stopped, in the order of conclusion.
func (s *server) auditRecords() []audit.Record {
	s.t.Helper()
	store := s.records()
	defer func() { _ = store.Close() }()
	ctx := context.WithoutCancel(s.t.Context()) // also when the test is over
	var out []audit.Record
	for after := int64(0); ; {
		page, err := store.Concluded(ctx, "", after, 1000)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, e := range page {
			r, err := e.Decode()
			if err != nil {
				s.t.Fatalf("%s: %v", e.Text, err)
			}
			out, after = append(out, r), e.Position
		}
		if len(page) == 0 {
			return out
		}
	}
}

// varying are the values that differ from run to run, by what stands for them.
var varying = []struct {
	is    *regexp.Regexp
	place string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "UUID"},
	{regexp.MustCompile(`\b(AKIA|ASIA|AIDA|AROA|ANPA|LTIA)[A-Z0-9]{8,}`), "${1}ID"},
	{regexp.MustCompile(`\b\d{13}-[a-z0-9]{6}\b`), "JOB"},
	{regexp.MustCompile(`"(eventTime|creationDate)":"[^"]*"`), `"$1":"TIME"`},
	{regexp.MustCompile(`"(createDate|creationDate|creationTime|lastModifiedTime|lastAuthorizedTime|created|createdAt|lastUpdated|expiration|submitTime|createdAt|submitTime)":1\d{9}`), `"$1":"SECONDS"`},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "HOST:PORT"},
	{regexp.MustCompile(`"currentKeyMaterialId":"[0-9a-f]{64}"`), `"currentKeyMaterialId":"MATERIAL"`},
	{regexp.MustCompile(`"userAgent":"(aws-cli)[^"]*"`), `"userAgent":"$1"`},
	{regexp.MustCompile(`"x-amz-id-2":"[^"]*"`), `"x-amz-id-2":"ID"`},
	{regexp.MustCompile(`"(bytesTransferred(?:In|Out))":\d+`), `"$1":"BYTES"`},
	{regexp.MustCompile(`"(sessionTokenSize|sessionTokenUtilization)":\d+`), `"$1":"N"`},
	{regexp.MustCompile(`"[cC]ipherSuite":"[^"]*"`), `"cipherSuite":"SUITE"`},
	// Which checksums a client sends is a matter of its version, and so is what S3 says of them.
	{regexp.MustCompile(`"x-amz-(sdk-)?checksum-[a-z0-9-]*":"[^"]*",?`), ""},
	{regexp.MustCompile(`,}`), "}"},
	{regexp.MustCompile(`"x-amz-checksum-mode":"[^"]*",?`), ""},
	{regexp.MustCompile(`"(durationSeconds)":\d+`), `"$1":"N"`},
	{regexp.MustCompile(`"(engineVersion|jobEngineVersionUsed|jobEngineVersionRequested)":"[^"]*"`), `"$1":"VERSION"`},
}

func normalised(t *testing.T, r audit.Record) string {
	t.Helper()
	text, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	out := string(text)
	for _, v := range varying {
		out = v.is.ReplaceAllString(out, v.place)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, []byte(out), "", " "); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return pretty.String()
}

// TestAuditOfEveryService makes calls to every service with the AWS CLI, granted, refused and failed: each leaves exactly one record, as the golden has it, which names the request that the
// log and the job name.
func TestAuditOfEveryService(t *testing.T) {
	t.Parallel()
	s := serve(t)
	dir := t.TempDir()
	file := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	film := file("film.txt", "not much of a film")
	key := s.aws("kms", "create-key", "--query", "KeyMetadata.KeyId", "--output", "text")
	role := s.role("Reader", trust(`"AWS":"arn:aws:iam::`+account+`:root"`), "")
	bob := s.user("bob", "")
	o := newStudio(t)
	o.issue("one", "30")
	s.keepSecret(o.read("one.key"))
	planted := []string{"planted+Passw0rd+of+ann", "plantedplaintextoftestsplanted", "aGVsbG8sIHNlYWxlZCB3b3JsZCE=", "plantedsignature", "plantedkeyofconnection"}
	for i, p := range planted {
		s.secret(fmt.Sprintf("planted %d", i), []byte(p))
	}
	settings := `{"Inputs":[{"FileInput":"https://user:plantedsignature@films.example.com/in.mp4?X-Amz-Signature=plantedsignature","AudioSelectors":{"Audio Selector 1":{"DefaultSelection":"DEFAULT"}}}],"OutputGroups":[{"OutputGroupSettings":{"Type":"FILE_GROUP_SETTINGS","FileGroupSettings":{"Destination":"s3://films/out/"}},"Outputs":[{"ContainerSettings":{"Container":"MP4"},"VideoDescription":{"CodecSettings":{"Codec":"H_264","H264Settings":{"RateControlMode":"QVBR","MaxBitrate":200000}}}}]}]}`
	plain := strings.Replace(settings, "https://user:plantedsignature@films.example.com/in.mp4?X-Amz-Signature=plantedsignature", "s3://films/in.mp4", 1)
	stopped := s.aws("mediaconvert", "create-queue", "--name", "waiting", "--status", "PAUSED", "--query", "Queue.Arn", "--output", "text")
	submitted := ""
	calls := []struct {
		name, code string // of the refusal
		who        *person
		args       []string
	}{
		{"s3 create bucket", "", nil, []string{"s3api", "create-bucket", "--bucket", "films"}},
		{"s3 put", "", nil, []string{"s3api", "put-object", "--bucket", "films", "--key", "in/a b\n\u202e.txt", "--body", film, "--metadata", "note=hand\x1bmade"[:9], "--server-side-encryption", "AES256"}},
		{"s3 get", "", nil, []string{"s3api", "get-object", "--bucket", "films", "--key", "in/a b\n\u202e.txt", "--range", "bytes=0-2", filepath.Join(dir, "got")}},
		{"s3 get none", "NoSuchKey", nil, []string{"s3api", "get-object", "--bucket", "films", "--key", "none", filepath.Join(dir, "none")}},
		{"s3 get denied", "AccessDenied", bob, []string{"s3api", "get-object", "--bucket", "films", "--key", "secret.txt", filepath.Join(dir, "denied")}},
		{"s3 head", "", nil, []string{"s3api", "head-bucket", "--bucket", "films"}},
		{"s3 list", "", nil, []string{"s3api", "list-objects-v2", "--bucket", "films", "--prefix", "in/", "--no-paginate"}},
		{"s3 delete", "", nil, []string{"s3api", "delete-object", "--bucket", "films", "--key", "in/a b\n\u202e.txt"}},
		{"s3 not offered", "NotImplemented", nil, []string{"s3api", "put-bucket-versioning", "--bucket", "films", "--versioning-configuration", "Status=Enabled"}},
		{"iam create user", "", nil, []string{"iam", "create-user", "--user-name", "ann", "--tags", "Key=team,Value=a b"}},
		{"iam create user again", "EntityAlreadyExists", nil, []string{"iam", "create-user", "--user-name", "ann"}},
		{"iam create user denied", "AccessDenied", bob, []string{"iam", "create-user", "--user-name", "eve"}},
		{"iam password, not offered", "NotImplemented", nil, []string{"iam", "create-login-profile", "--user-name", "ann", "--password", planted[0]}},
		{"iam access key", "", nil, []string{"iam", "create-access-key", "--user-name", "ann"}},
		{"iam get user", "", nil, []string{"iam", "get-user", "--user-name", "ann"}},
		{"iam not offered", "NotImplemented", nil, []string{"iam", "list-signing-certificates"}},
		{"sts who", "", bob, []string{"sts", "get-caller-identity"}},
		{"sts assume", "", s.admin(), []string{"sts", "assume-role", "--role-arn", role, "--role-session-name", "daily"}},
		{"sts assume denied", "AccessDenied", bob, []string{"sts", "assume-role", "--role-arn", role, "--role-session-name", "daily"}},
		{"kms create", "", nil, []string{"kms", "create-key", "--description", "of tests"}},
		{"kms encrypt", "", nil, []string{"kms", "encrypt", "--key-id", key, "--plaintext", "fileb://" + file("plain", planted[1]), "--encryption-context", "film=one"}},
		{"kms data key", "", nil, []string{"kms", "generate-data-key", "--key-id", key, "--key-spec", "AES_256"}},
		{"kms none", "NotFoundException", nil, []string{"kms", "describe-key", "--key-id", "alias/none"}},
		{"kms denied", "AccessDeniedException", bob, []string{"kms", "describe-key", "--key-id", key}},
		{"acm import", "", nil, []string{"acm", "import-certificate", "--certificate", "fileb://" + o.path("one.pem"), "--private-key", "fileb://" + o.path("one.key"), "--certificate-chain", "fileb://" + o.path("ca.pem")}},
		{"acm list", "", nil, []string{"acm", "list-certificates", "--no-paginate"}},
		{"acm none", "ResourceNotFoundException", nil, []string{"acm", "delete-certificate", "--certificate-arn", "arn:aws:acm:us-east-1:" + account + ":certificate/00000000-0000-0000-0000-000000000000"}},
		{"mediaconvert create queue", "", nil, []string{"mediaconvert", "create-queue", "--name", "night", "--description", "after hours", "--tags", "cost=low"}},
		{"mediaconvert create queue denied", "AccessDeniedException", bob, []string{"mediaconvert", "create-queue", "--name", "day"}},
		{"mediaconvert create job", "", nil, []string{"mediaconvert", "create-job", "--role", roleNamed("MediaConvert_Default_Role"), "--queue", stopped, "--settings", plain, "--user-metadata", "reel=1"}},
		{"mediaconvert create job refused", "BadRequestException", nil, []string{"mediaconvert", "create-job", "--role", roleNamed("none"), "--settings", settings}},
		{"mediaconvert tag", "", nil, []string{"mediaconvert", "tag-resource", "--arn", stopped, "--tags", "a=b"}},
		{"mediaconvert get queue", "", nil, []string{"mediaconvert", "get-queue", "--name", "night"}},
		{"mediaconvert delete queue", "", nil, []string{"mediaconvert", "delete-queue", "--name", "night"}},
		{"mediaconvert get none", "NotFoundException", nil, []string{"mediaconvert", "get-queue", "--name", "night"}},
		{"cloudtrail create trail", "", nil, []string{"cloudtrail", "create-trail", "--name", "audit", "--s3-bucket-name", "films", "--enable-log-file-validation"}},
		{"cloudtrail none", "TrailNotFoundException", nil, []string{"cloudtrail", "get-trail-status", "--name", "none"}},
		{"cloudtrail denied", "AccessDeniedException", bob, []string{"cloudtrail", "delete-trail", "--name", "audit"}},
		{"events connection", "", nil, []string{"events", "create-connection", "--name", "site", "--authorization-type", "API_KEY", "--auth-parameters", `{"ApiKeyAuthParameters":{"ApiKeyName":"X-Key","ApiKeyValue":"` + planted[4] + `"}}`}},
		{"events rule", "", nil, []string{"events", "put-rule", "--name", "all", "--event-pattern", jobEvents}},
		{"events rule denied", "AccessDeniedException", bob, []string{"events", "delete-rule", "--name", "all"}},
		{"events put", "", nil, []string{"events", "put-events", "--entries", `[{"Source":"mine","DetailType":"kind","Detail":"{\"a\":1}"}]`}},
	}
	const before = 2 // calls of the AWS CLI above
	for _, c := range calls {
		args := c.args
		var out, stderr string
		var err error
		if c.who != nil {
			var f *failure
			out, f = c.who.try(args...)
			if f != nil {
				stderr, err = "("+f.code+")"+f.whole, fmt.Errorf("%s", f.code)
			}
		} else {
			out, stderr, err = s.tryAWS(args...)
		}
		s.overhear(out)
		if (err != nil) != (c.code != "") || c.code != "" && !strings.Contains(stderr, "("+c.code+")") && c.name != "s3 get none" {
			t.Errorf("%s: %v, %s%s", c.name, err, out, stderr)
		}
		if c.name == "mediaconvert create job" {
			var answer struct{ Job struct{ Id string } }
			if err := json.Unmarshal([]byte(out), &answer); err != nil {
				t.Fatal(err)
			}
			submitted = answer.Job.Id
		}
	}
	s.stop()
	log := s.log.String()
	var of []audit.Record
	ids := map[string]bool{}
	for _, r := range s.auditRecords() {
		if ids[r.EventID] {
			t.Errorf("two records have the id %s", r.EventID)
		}
		ids[r.EventID] = true
		if r.EventType == audit.APICall && strings.HasPrefix(r.UserAgent, "aws-cli") {
			of = append(of, r)
		}
	}
	// Calls follow each other, so that the order of conclusion is theirs.
	if of = of[min(before, len(of)):]; len(of) != len(calls) {
		for _, r := range of {
			t.Log(r.EventSource, r.EventName, r.ErrorCode)
		}
		t.Fatalf("%d records of %d calls", len(of), len(calls))
	}
	var got strings.Builder
	requests := map[string]bool{}
	for i, r := range of {
		if requests[r.RequestID] {
			t.Errorf("%s: its request has two records", calls[i].name)
		}
		requests[r.RequestID] = true
		if want := calls[i].code; r.ErrorCode != want {
			t.Errorf("%s: the record has the code %q, want %q", calls[i].name, r.ErrorCode, want)
		}
		if !strings.Contains(log, `"requestId":"`+r.RequestID+`"`) {
			t.Errorf("%s: the log does not know the request %s", calls[i].name, r.RequestID)
		}
		if r.EventName == "CreateJob" && r.ErrorCode == "" {
			s.sameRequest(submitted, r.RequestID)
		}
		fmt.Fprintf(&got, "-- %s --\n%s\n", calls[i].name, normalised(t, r))
	}
	golden := filepath.Join("testdata", "audit.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("the records differ (-golden +got):\n%s", diff)
	}
}

// sameRequest requires that a job names the request that made it.
func (s *server) sameRequest(id, request string) {
	s.t.Helper()
	store := s.records()
	defer func() { _ = store.Close() }()
	j, err := store.Get(s.t.Context(), account, id)
	if err != nil {
		s.t.Fatal(err)
	}
	if j.RequestID != request || j.Status != jobrecord.Submitted {
		s.t.Errorf("job %s is of the request %s, and %s; the record of its CreateJob says %s", id, j.RequestID, j.Status, request)
	}
}

// TestAuditOfJobs: each read of a job's input and each write of its outputs is a data event of its role's session, by MediaConvert.
func TestAuditOfJobs(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.upload("films", "in/short.mp4", clip(t, 1))
	id := s.submit(job(settings("s3://films/in/short.mp4", "s3://films/out")))
	if j := s.until(id, final); j.Status != jobtypes.JobStatusComplete {
		t.Fatalf("the job is %s: %s", j.Status, aws.ToString(j.ErrorMessage))
	}
	listed, err := s.s3().ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("films"), Prefix: aws.String("out")})
	if err != nil || len(listed.Contents) < 3 {
		t.Fatalf("%d outputs: %v", len(listed.Contents), err)
	}
	s.stop()
	read, written := map[string]bool{}, map[string]bool{}
	for _, r := range s.auditRecords() {
		if r.UserIdentity.InvokedBy != "mediaconvert.amazonaws.com" || r.EventSource != "s3.amazonaws.com" || len(r.Resources) == 0 {
			continue
		}
		if r.EventCategory != audit.Data || r.ManagementEvent || r.SourceIPAddress != "mediaconvert.amazonaws.com" || r.UserIdentity.Type != "AssumedRole" || r.ErrorCode != "" ||
			r.UserIdentity.SessionContext == nil || r.UserIdentity.SessionContext.SessionIssuer.ARN != role {
			t.Errorf("a data event of a job: %+v", r)
		}
		switch object := r.Resources[0].ARN; r.EventName {
		case "GetObject":
			read[object] = true
		case "PutObject", "CompleteMultipartUpload":
			written[object] = true
		}
	}
	if !read["arn:aws:s3:::films/in/short.mp4"] {
		t.Errorf("read: %v", read)
	}
	for _, o := range listed.Contents {
		if !written["arn:aws:s3:::films/"+*o.Key] {
			t.Errorf("no record of how %s was written", *o.Key)
		}
	}
}

// TestAuditOfRuns: each start and stop has its record; a start says what is configured otherwise, and that the run before it did not stop.
func TestAuditOfRuns(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.kill()
	s.stop()
	s.args = append(s.args, "--log-level", "debug")
	s.start()
	s.stop()
	run(t, nil, s.bin, "keys", "rewrap", "--data", s.data, "--rotate")
	s.start()
	s.stop()
	var got []string
	for _, r := range s.auditRecords() {
		if r.EventSource != "darkroom.amazonaws.com" {
			continue
		}
		e := r.ServiceEventDetails
		line := r.EventName + " " + string(e.Outcome)
		if e.Reason != "" {
			line += " (" + regexp.MustCompile(`\d{4}-\S+`).ReplaceAllString(e.Reason, "TIME") + ")"
		}
		for _, c := range e.Changes {
			if slices.Contains([]string{"log_level"}, c.Key) {
				c.Key += "=" + c.New
			}
			line += " " + c.Key
		}
		got = append(got, line)
		if r.EventCategory != audit.Management || r.ReadOnly || !r.ManagementEvent || r.EventType != audit.ByService || r.EventName == "ServerStart" && e.Version == "" {
			t.Errorf("%+v", r)
		}
	}
	want := []string{
		"ServerStart granted",
		"ServerStart granted (the run that began at TIME ended without a stop)",
		"ServerStop granted",
		"ServerStart granted",
		"ConfigurationChanged granted log_level=debug",
		"ServerStop granted",
		"RewrapInstallationKey intended (installation).root",
		"RewrapInstallationKey granted (installation).root",
		"ServerStart granted",
		"ConfigurationChanged granted (installation).key (installation).wrapped",
		"ServerStop granted",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
