package test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// newJob is a command that asks for a job of one small MP4.
func newJob(role, input, destination string, more ...string) []string {
	return append([]string{"mediaconvert", "create-job", "--role", role, "--settings", short(input, destination), "--query", "Job.Id"}, more...)
}

// TestPassRole: a role is handed to a job by who may pass it, and who may not learns nothing about the role.
func TestPassRole(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.upload("films", "in/clip.mp4", clip(t, 1))
	film := s.role("FilmRole", trust(toMediaConvert), policy(allow("s3:*", "*")))
	s.role("DeafRole", trust(`"Service":"lambda.amazonaws.com"`), policy(allow("s3:*", "*")))
	ask := func(role string, more ...string) []string {
		return newJob(role, "s3://films/in/clip.mp4", "s3://films/out/", more...)
	}

	t.Run("nobody's", func(t *testing.T) {
		t.Parallel()
		p := s.user("submitter", policy(allow("mediaconvert:*", "*"))).in(t)
		answers := map[string]string{}
		for _, name := range []string{"FilmRole", "DeafRole", "GhostRole"} {
			_, f := p.try(ask(roleNamed(name))...)
			if f == nil || f.code != "AccessDeniedException" {
				t.Fatalf("%s: %+v", name, f)
			}
			answers[name] = strings.ReplaceAll(f.whole, name, "ROLE")
		}
		if answers["FilmRole"] != answers["GhostRole"] || answers["FilmRole"] != answers["DeafRole"] {
			t.Errorf("the answers differ: %q", answers)
		}
		_, want := denial(p.arn, "iam:PassRole", roleNamed("ROLE"), byNobody)
		if !strings.Contains(answers["FilmRole"], want) {
			t.Errorf("got %q, want %q", answers["FilmRole"], want)
		}
		// Nor does the order of what is wrong tell: the queue is not there either, and that is not said.
		p.denied("iam:PassRole", roleNamed("GhostRole"), byNobody, ask(roleNamed("GhostRole"), "--queue", "no-such")...)
		p.denied("iam:PassRole", film, byNobody, ask(film, "--queue", "no-such")...)
		p.denied("iam:PassRole", "arn:aws:iam::123456789012:role/FilmRole", bySilence, ask("arn:aws:iam::123456789012:role/FilmRole")...)
	})

	t.Run("to MediaConvert", func(t *testing.T) {
		t.Parallel()
		p := s.user("passer", policy(allow("mediaconvert:*", "*"), passing("arn:aws:iam::"+account+":role/*"))).in(t)
		s.in(t).finish(p.aws(ask(film)...))
		p.refused("BadRequestException", says("/role: The role "+roleNamed("GhostRole")+" does not exist."), ask(roleNamed("GhostRole"))...)
		p.refused("BadRequestException", says("/role: The role "+roleNamed("DeafRole")+" cannot be assumed."), ask(roleNamed("DeafRole"))...)
		p.refused("BadRequestException", says("/role: The role "+roleNamed("filmrole")+" does not exist."), ask(roleNamed("filmrole"))...)
		p.refused("BadRequestException", says("/role: The role "+roleNamed("films/FilmRole")+" does not exist."), ask(roleNamed("films/FilmRole"))...)
		p.refused("BadRequestException", says("/role"), ask("FilmRole")...)
		p.refused("BadRequestException", says("/role"), ask(userNamed("passer"))...)
	})

	t.Run("to others", func(t *testing.T) {
		t.Parallel()
		p := s.user("butler", policy(allow("mediaconvert:*", "*"), allow("iam:PassRole", "*", `"StringEquals":{"iam:PassedToService":"lambda.amazonaws.com"}`))).in(t)
		p.denied("iam:PassRole", film, byNobody, ask(film)...)
		p.denied("iam:PassRole", roleNamed("GhostRole"), byNobody, ask(roleNamed("GhostRole"))...)
	})

	t.Run("not to MediaConvert", func(t *testing.T) {
		t.Parallel()
		p := s.user("keeper", policy(allow("*", "*"), deny("iam:PassRole", "*", `"StringEquals":{"iam:PassedToService":"mediaconvert.amazonaws.com"}`))).in(t)
		p.denied("iam:PassRole", film, byIdentity, ask(film)...)
	})

	t.Run("by tag", func(t *testing.T) {
		t.Parallel()
		p := s.user("sorter", policy(allow("mediaconvert:*", "*"), allow("iam:PassRole", "*", `"StringEquals":{"aws:ResourceTag/for":"films"}`))).in(t)
		p.denied("iam:PassRole", roleNamed("DeafRole"), byNobody, ask(roleNamed("DeafRole"))...)
		s.admin().in(t).aws("iam", "tag-role", "--role-name", "DeafRole", "--tags", "Key=for,Value=films")
		p.refused("BadRequestException", says("cannot be assumed"), ask(roleNamed("DeafRole"))...)
	})

	t.Run("through a template", func(t *testing.T) {
		t.Parallel()
		p := s.user("templater", policy(allow("mediaconvert:*", "*"))).in(t)
		p.aws("mediaconvert", "create-job-template", "--name", "t", "--settings", `{"OutputGroups":[]}`)
		p.denied("iam:PassRole", film, byNobody, "mediaconvert", "create-job", "--role", film, "--job-template", "t", "--settings", `{"Inputs":[{"FileInput":"s3://films/in/clip.mp4"}]}`)
	})
}

// in is the same server in a subtest.
func (s *server) in(t *testing.T) *server {
	q := *s
	q.t = t
	return &q
}

// TestJobRole changes what a role may do while jobs wait: what holds is what the role may do when the job starts.
func TestJobRole(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.upload("films", "in/clip.mp4", clip(t, 1))
	s.upload("films", "in/secret.mp4", clip(t, 1))
	admin := s.admin()
	admin.aws("mediaconvert", "create-queue", "--name", "waiting", "--status", "PAUSED")
	c, ctx := s.iam("admin"), t.Context()
	const clipARN, secretARN, outARN = "arn:aws:s3:::films/in/clip.mp4", "arn:aws:s3:::films/in/secret.mp4", "arn:aws:s3:::films/out/*"
	read, write := allow("s3:GetObject", clipARN), allow("s3:PutObject s3:AbortMultipartUpload", outARN)
	both := policy(read, write)
	name := func(role string) *string { return aws.String(role) }
	cases := []struct {
		name, document string // of the role when the job is submitted
		input          string
		change         func(ctx context.Context, role string) error
		code           int32 // 0: the job completes
		says           string
	}{
		{name: "Enough", document: both},
		{name: "NoPolicy", code: 1401},
		{name: "NoReading", document: policy(write), code: 1401, says: "in/clip.mp4"},
		{name: "OtherReading", document: policy(allow("s3:GetObject", secretARN), write), code: 1401},
		{name: "NoFile", document: policy(allow("s3:GetObject", "arn:aws:s3:::films/in/*"), write), input: "s3://films/in/none.mp4", code: 1404, says: "in/none.mp4"},
		{name: "NoFileUnread", document: both, input: "s3://films/in/none.mp4", code: 1401},
		{name: "NoBucket", document: policy(allow("s3:*", "*")), input: "s3://no-such-bucket/in/clip.mp4", code: 1404},
		{name: "NoWriting", document: policy(read), code: 1401},
		{name: "OtherWriting", document: policy(read, allow("s3:PutObject", "arn:aws:s3:::films/out2/*")), code: 1401},
		{name: "DeniedReading", document: policy(allow("s3:*", "*"), deny("s3:GetObject", clipARN)), code: 1401},
		{name: "DeniedWriting", document: policy(allow("s3:*", "*"), deny("s3:PutObject", outARN)), code: 1401},
		{name: "Starred", document: policy(allow("s3:GetObject", secretARN), write), input: "s3://films/in/secre?.mp4", code: 1401},
		{name: "StarredMissing", document: policy(allow("s3:*", "*")), input: "s3://films/in/*.mp4", code: 1404},
		{name: "TrustGone", document: both, code: 1434, says: "mediaconvert.amazonaws.com", change: func(ctx context.Context, role string) error {
			_, err := c.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: name(role), PolicyDocument: aws.String(trust(`"AWS":"` + account + `"`))})
			return err
		}},
		{name: "TrustMoved", document: both, code: 1434, change: func(ctx context.Context, role string) error {
			_, err := c.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{
				RoleName: name(role), PolicyDocument: aws.String(trust(toMediaConvert, `"ArnLike":{"aws:SourceArn":"`+mc("queues/Default")+`"}`)),
			})
			return err
		}},
		{name: "Deleted", document: both, code: 1433, change: func(ctx context.Context, role string) error {
			if _, err := c.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: name(role), PolicyName: aws.String("own")}); err != nil {
				return err
			}
			_, err := c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name(role)})
			return err
		}},
		{name: "Narrowed", document: both, code: 1401, change: func(ctx context.Context, role string) error {
			s.allowRole(role, policy(allow("s3:GetObject", secretARN), write))
			return nil
		}},
		{name: "Stripped", document: both, code: 1401, change: func(ctx context.Context, role string) error {
			_, err := c.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: name(role), PolicyName: aws.String("own")})
			return err
		}},
		{name: "Bounded", document: both, code: 1401, change: func(ctx context.Context, role string) error {
			_, err := c.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: name(role), PermissionsBoundary: aws.String("arn:aws:iam::aws:policy/AWSElementalMediaConvertReadOnly")})
			return err
		}},
		{name: "Widened", change: func(ctx context.Context, role string) error {
			s.allowRole(role, both)
			return nil
		}},
		{name: "Managed", change: func(ctx context.Context, role string) error {
			_, err := c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: name(role), PolicyArn: aws.String("arn:aws:iam::aws:policy/AmazonS3FullAccess")})
			return err
		}},
	}
	ids := map[string]string{}
	for _, tt := range cases {
		role, input := s.role(tt.name, trust(toMediaConvert), tt.document), tt.input
		if input == "" {
			input = "s3://films/in/clip.mp4"
		}
		in := request(t, `{"Role":"`+role+`","Queue":"waiting","Settings":`+short(input, "s3://films/out/"+tt.name+"/")+`}`)
		out, err := s.mediaconvert().CreateJob(ctx, in)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		ids[tt.name] = *out.Job.Id
	}
	for _, tt := range cases {
		if tt.change != nil {
			if err := tt.change(ctx, tt.name); err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
		}
	}
	if got := admin.aws("mediaconvert", "list-jobs", "--queue", "waiting", "--status", "SUBMITTED", "--max-results", "20", "--no-paginate", "--query", "length(Jobs)"); got != "20" {
		t.Errorf("waiting: %s", got)
	}
	admin.aws("mediaconvert", "update-queue", "--name", "waiting", "--status", "ACTIVE")
	for _, tt := range cases {
		j := s.until(ids[tt.name], final)
		code, message := aws.ToInt32(j.ErrorCode), aws.ToString(j.ErrorMessage)
		want := types.JobStatusError
		if tt.code == 0 {
			want = types.JobStatusComplete
		}
		if j.Status != want || code != tt.code || !strings.Contains(message, tt.says) {
			t.Errorf("%s: got %s %d %s, want %s %d %s", tt.name, j.Status, code, message, want, tt.code, tt.says)
		}
		if left := len(files(t, s.download("films", "out/"+tt.name+"/"))); (left > 0) != (tt.code == 0) {
			t.Errorf("%s: %d files", tt.name, left)
		}
	}
	if n := s.uploads("films"); n != 0 {
		t.Errorf("%d uploads are open", n)
	}
}

// access is a line of the server's log on a request.
type access struct {
	Message, Service, Operation, Principal, Reason string
	Internal                                       bool
	Status                                         int
}

func (s *server) accesses() []access {
	s.t.Helper()
	var out []access
	for line := range strings.Lines(s.log.String()) {
		var a struct {
			access
			Msg string
		}
		if err := json.Unmarshal([]byte(line), &a); err == nil && a.Msg == "request" {
			out = append(out, a.access)
		}
	}
	return out
}

// TestJobCredentials: a job reads its input and writes its outputs as a session of its role under its own name, and asks for nothing else, whatever
// the role may do.
func TestJobCredentials(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.upload("films", "in/clip.mp4", clip(t, 1))
	wide := s.role("WideRole", trust(toMediaConvert), policy(allow("*", "*")))
	admin := s.admin()
	id := admin.aws(newJob(wide, "s3://films/in/clip.mp4", "s3://films/out/")...)
	s.finish(id)
	owner := "arn:aws:sts::" + account + ":assumed-role/WideRole/" + id + "-1"
	operations := []string{"GetObject", "HeadObject", "PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "AbortMultipartUpload"}
	n := 0
	for _, a := range s.accesses() {
		if !a.Internal {
			if strings.Contains(a.Principal, "WideRole") {
				t.Errorf("the session of the job was used from outside: %+v", a)
			}
			continue
		}
		if n++; a.Principal != owner || a.Service != "s3" || !slices.Contains(operations, a.Operation) || a.Status >= 400 {
			t.Errorf("a job asked for this: %+v", a)
		}
	}
	if n < 2 {
		t.Errorf("%d requests of a job in the log", n)
	}
	// A job that is taken back ends with its credentials: nothing is asked in its name any more.
	s.upload("films", "in/long.mp4", clip(t, 60))
	id = admin.aws(newJob(wide, "s3://films/in/long.mp4", "s3://films/long/")...)
	s.until(id, phase(types.JobPhaseTranscoding))
	if _, err := s.mediaconvert().CancelJob(t.Context(), &mediaconvert.CancelJobInput{Id: &id}); err != nil {
		t.Fatal(err)
	}
	s.until(id, final)
	s.eventually("the encoder is gone", func() bool { return len(s.encoders()) == 0 })
	if left := files(t, s.download("films", "long/")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}
