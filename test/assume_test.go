package test

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// assumeRole is a command that assumes a role.
func assumeRole(role, name string, more ...string) []string {
	return append([]string{"sts", "assume-role", "--role-arn", role, "--role-session-name", name}, more...)
}

// TestAssumeRole lets users assume roles as their trust policies say, and not otherwise.
func TestAssumeRole(t *testing.T) {
	t.Parallel()
	s := serve(t)
	p := s.user("mara", policy(allow("sts:*", roleNamed("*")), allow("mediaconvert:ListQueues", "*")))
	outsider := s.user("olaf", policy(allow("mediaconvert:ListQueues", "*")))
	const ours = `"AWS":"` + account + `"`
	queues := policy(allow("mediaconvert:*", "*"))

	t.Run("trust", func(t *testing.T) {
		t.Parallel()
		p, outsider := p.in(t), outsider.in(t)
		byAccount := s.role("ByAccount", trust(ours), queues)
		byName := s.role("ByName", trust(`"AWS":"`+outsider.arn+`"`), queues)
		onlyMC := s.role("OnlyService", trust(toMediaConvert), queues)
		q := p.assume(byAccount, "cut-1")
		if q.arn != "arn:aws:sts::"+account+":assumed-role/ByAccount/cut-1" || q.aws("sts", "get-caller-identity", "--query", "Arn") != q.arn {
			t.Errorf("session: %s", q.arn)
		}
		q.aws("mediaconvert", "get-queue", "--name", "Default")
		q.denied("s3:ListAllMyBuckets", "*", byNobody, "s3api", "list-buckets")
		q.denied("iam:ListUsers", "*", byNobody, "iam", "list-users")
		// The account's trust needs the user's own permission; a trust that names the user does not.
		outsider.denied("sts:AssumeRole", byAccount, byNobody, assumeRole(byAccount, "cut-1")...)
		outsider.assume(byName, "cut-1").aws("mediaconvert", "get-queue", "--name", "Default")
		p.denied("sts:AssumeRole", byName, bySilence, assumeRole(byName, "cut-1")...)
		p.denied("sts:AssumeRole", onlyMC, bySilence, assumeRole(onlyMC, "cut-1")...)
		// A role that is not there is refused like one that trusts somebody else.
		p.denied("sts:AssumeRole", roleNamed("Ghost"), bySilence, assumeRole(roleNamed("Ghost"), "cut-1")...)
		p.denied("sts:AssumeRole", "arn:aws:iam::123456789012:role/ByAccount", bySilence, assumeRole("arn:aws:iam::123456789012:role/ByAccount", "cut-1")...)
		s.root().in(t).denied("sts:AssumeRole", byAccount, bySilence, assumeRole(byAccount, "cut-1")...)
		p.refused("ValidationError", nil, assumeRole(byAccount, "two words")...)
		// A user made anew under the name that a trust policy names is somebody else.
		c := s.iam("admin")
		anew := s.user("nomad", "")
		toNomad := s.role("ToNomad", trust(`"AWS":"`+anew.arn+`"`), queues)
		anew.in(t).assume(toNomad, "first")
		keys, err := c.ListAccessKeys(t.Context(), &iam.ListAccessKeysInput{UserName: aws.String("nomad")})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.DeleteAccessKey(t.Context(), &iam.DeleteAccessKeyInput{UserName: aws.String("nomad"), AccessKeyId: keys.AccessKeyMetadata[0].AccessKeyId}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.DeleteUser(t.Context(), &iam.DeleteUserInput{UserName: aws.String("nomad")}); err != nil {
			t.Fatal(err)
		}
		again := s.user("nomad", "").in(t)
		again.denied("sts:AssumeRole", toNomad, bySilence, assumeRole(toNomad, "second")...)
	})

	t.Run("external id", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		r := s.role("External", trust(ours, `"StringEquals":{"sts:ExternalId":"reel-7F3"}`), queues)
		p.assume(r, "cut", "--external-id", "reel-7F3").aws("mediaconvert", "list-queues")
		p.denied("sts:AssumeRole", r, bySilence, assumeRole(r, "cut")...)
		p.denied("sts:AssumeRole", r, bySilence, assumeRole(r, "cut", "--external-id", "reel-7f3")...)
	})

	t.Run("session name", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		r := s.role("Named", trust(ours, `"StringEquals":{"sts:RoleSessionName":"${aws:username}"}`), queues)
		p.assume(r, "mara")
		p.denied("sts:AssumeRole", r, bySilence, assumeRole(r, "olaf")...)
	})

	t.Run("session policy", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		r := s.role("Narrow", trust(ours), policy(allow("mediaconvert:GetQueue mediaconvert:ListQueues", "*")))
		q := p.assume(r, "cut", "--policy", policy(allow("mediaconvert:GetQueue mediaconvert:CreateQueue s3:*", "*")))
		q.aws("mediaconvert", "get-queue", "--name", "Default")
		q.denied("mediaconvert:ListQueues", "*", bySession, "mediaconvert", "list-queues")
		q.denied("mediaconvert:CreateQueue", "*", byNobody, "mediaconvert", "create-queue", "--name", "mine") // it never widens
		q.denied("s3:ListAllMyBuckets", "*", byNobody, "s3api", "list-buckets")
		q = p.assume(r, "cut", "--policy-arns", "arn=arn:aws:iam::aws:policy/AmazonS3FullAccess")
		q.denied("mediaconvert:GetQueue", mc("queues/Default"), bySession, "mediaconvert", "get-queue", "--name", "Default")
		q = p.assume(r, "cut", "--policy", policy(allow("*", "*"), deny("mediaconvert:GetQueue", mc("queues/Default"))))
		q.aws("mediaconvert", "list-queues")
		q.denied("mediaconvert:GetQueue", mc("queues/Default"), "with an explicit deny in a session policy", "mediaconvert", "get-queue", "--name", "Default")
		p.refused("MalformedPolicyDocument", nil, assumeRole(r, "cut", "--policy", `{"Version":"2012-10-17","Statement":[{"Effect":"Perhaps","Action":"*","Resource":"*"}]}`)...)
		p.refused("PackedPolicyTooLarge", nil, assumeRole(r, "cut", "--policy", policy(allow("mediaconvert:"+strings.Repeat("a", 2040), "*")))...)
		p.refused("ValidationError", says("NoSuch"), assumeRole(r, "cut", "--policy-arns", "arn=arn:aws:iam::aws:policy/NoSuch")...)
	})

	t.Run("session tags", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		own := policy(allow("mediaconvert:GetQueue", mc("queues/${aws:PrincipalTag/team}")), allow("sts:*", "*"))
		r := s.role("Tagged", trustFor("sts:AssumeRole sts:TagSession", ours), own)
		untaggable := s.role("Untaggable", trust(ours), own)
		p.denied("sts:TagSession", untaggable, bySilence, assumeRole(untaggable, "cut", "--tags", "Key=team,Value=Default")...)
		get := []string{"mediaconvert", "get-queue", "--name", "Default"}
		q := p.assume(r, "cut", "--tags", "Key=team,Value=Default", "--transitive-tag-keys", "team")
		q.aws(get...)
		q.denied("mediaconvert:GetQueue", mc("queues/other"), byNobody, "mediaconvert", "get-queue", "--name", "other")
		p.assume(r, "cut", "--tags", "Key=team,Value=other").denied("mediaconvert:GetQueue", mc("queues/Default"), byNobody, get...)
		p.assume(r, "cut").denied("mediaconvert:GetQueue", mc("queues/Default"), byNobody, get...)
		// The tag passes on to the next session, and cannot be given again.
		next := s.role("Next", trustFor("sts:AssumeRole sts:TagSession", ours), own)
		q.assume(next, "cut").aws(get...)
		q.refused("ValidationError", says("team"), assumeRole(next, "cut", "--tags", "Key=team,Value=other")...)
		p.refused("ValidationError", nil, assumeRole(r, "cut", "--tags", "Key=team,Value=a", "Key=TEAM,Value=b")...)
		p.refused("ValidationError", nil, assumeRole(r, "cut", "--tags", "Key=aws:team,Value=a")...)
		// What a role asks of its sessions' tags.
		asked := s.role("Asked", trustFor("sts:AssumeRole sts:TagSession", ours, `"StringEquals":{"aws:RequestTag/team":["Default","other"]}`), own)
		p.assume(asked, "cut", "--tags", "Key=team,Value=Default").aws(get...)
		p.denied("sts:AssumeRole", asked, bySilence, assumeRole(asked, "cut", "--tags", "Key=team,Value=*")...)
		p.denied("sts:AssumeRole", asked, bySilence, assumeRole(asked, "cut")...)
	})

	t.Run("source identity", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		both := trustFor("sts:AssumeRole sts:SetSourceIdentity", ours)
		own := policy(allow("sts:*", "*"), allow("mediaconvert:ListQueues", "*", `"StringEquals":{"aws:SourceIdentity":"mara"}`))
		r, next := s.role("Sourced", both, own), s.role("SourcedNext", both, own)
		plain := s.role("Unsourced", trust(ours), own)
		q := p.assume(r, "cut", "--source-identity", "mara")
		q.aws("mediaconvert", "list-queues")
		q.assume(next, "cut").aws("mediaconvert", "list-queues")
		q.refused("AccessDenied", nil, assumeRole(next, "cut", "--source-identity", "olaf")...)
		q.denied("sts:SetSourceIdentity", plain, bySilence, assumeRole(plain, "cut")...)
		p.denied("sts:SetSourceIdentity", plain, bySilence, assumeRole(plain, "cut", "--source-identity", "mara")...)
		p.assume(r, "cut").denied("mediaconvert:ListQueues", "*", byNobody, "mediaconvert", "list-queues")
	})

	t.Run("duration", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		r := s.role("Hourly", trust(ours), policy(allow("sts:*", "*")))
		long := s.role("Daily", trust(ours), policy(allow("sts:*", "*")))
		s.admin().in(t).aws("iam", "update-role", "--role-name", "Daily", "--max-session-duration", "7200")
		lasts := func(p *person, role, seconds string) time.Duration {
			t.Helper()
			begin := time.Now()
			end, err := time.Parse(time.RFC3339, p.aws(assumeRole(role, "cut", "--duration-seconds", seconds, "--query", "Credentials.Expiration")...))
			if err != nil {
				t.Fatal(err)
			}
			return end.Sub(begin)
		}
		if d := lasts(p, r, "900"); d < 14*time.Minute || d > 15*time.Minute+maxJob {
			t.Errorf("900: %v", d)
		}
		if d := lasts(p, long, "7200"); d < 2*time.Hour-time.Minute || d > 2*time.Hour+maxJob {
			t.Errorf("7200: %v", d)
		}
		p.refused("ValidationError", says("The requested DurationSeconds exceeds the MaxSessionDuration set for this role."), assumeRole(r, "cut", "--duration-seconds", "3601")...)
		p.refused("ValidationError", says("The requested DurationSeconds exceeds the MaxSessionDuration set for this role."), assumeRole(long, "cut", "--duration-seconds", "7201")...)
		// A session that a session opens lasts an hour at most, whatever the role allows.
		q := p.assume(r, "cut")
		lasts(q, long, "3600")
		q.refused("ValidationError", says("1 hour session limit for roles assumed by role chaining"), assumeRole(long, "cut", "--duration-seconds", "3601")...)
	})

	t.Run("deleted", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		r := s.role("Shortlived", trust(ours), queues)
		q := p.assume(r, "cut")
		q.aws("mediaconvert", "list-queues")
		a := s.admin().in(t)
		a.aws("iam", "delete-role-policy", "--role-name", "Shortlived", "--policy-name", "own")
		q.denied("mediaconvert:ListQueues", "*", byNobody, "mediaconvert", "list-queues")
		a.aws("iam", "delete-role", "--role-name", "Shortlived")
		q.refused("UnrecognizedClientException", nil, "mediaconvert", "list-queues")
		s.role("Shortlived", trust(ours), queues) // another one, with other sessions
		q.refused("UnrecognizedClientException", nil, "mediaconvert", "list-queues")
		q.refused("InvalidClientTokenId", nil, "sts", "get-caller-identity")
	})
}

// TestPresigned follows URLs that a session has signed: they may do what the session may at that moment.
func TestPresigned(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.upload("films", "in/clip.mp4", clip(t, 1))
	r := s.role("Viewer", trust(`"AWS":"`+account+`"`), policy(allow("s3:GetObject", "arn:aws:s3:::films/in/*")))
	q := s.user("mara", policy(allow("sts:AssumeRole", r))).assume(r, "watching")
	get := func(url string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := s.s3().Options().HTTPClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	presigned := q.aws("s3", "presign", "s3://films/in/clip.mp4")
	want, err := os.ReadFile(clip(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	if status, body := get(presigned); status != http.StatusOK || body != string(want) {
		t.Errorf("%d, %d bytes", status, len(body))
	}
	if status, body := get(q.aws("s3", "presign", "s3://films/out/clip.mp4")); status != http.StatusForbidden || !strings.Contains(body, "is not authorized to perform: s3:GetObject on resource: arn:aws:s3:::films/out/clip.mp4") {
		t.Errorf("another key: %d %.500q", status, body)
	}
	if status, body := get(strings.Replace(presigned, "/in/clip", "/in/clap", 1)); status != http.StatusForbidden || !strings.Contains(body, "SignatureDoesNotMatch") {
		t.Errorf("changed: %d %.500q", status, body)
	}
	parts, err := url.Parse(presigned)
	if err != nil {
		t.Fatal(err)
	}
	query := parts.Query()
	token := []byte(query.Get("X-Amz-Security-Token"))
	token[len(token)/2] ^= 1
	query.Set("X-Amz-Security-Token", string(token))
	parts.RawQuery = query.Encode()
	if status, body := get(parts.String()); status != http.StatusForbidden && status != http.StatusBadRequest {
		t.Errorf("another token: %d %.500q", status, body)
	}
	s.allowRole("Viewer", policy(allow("s3:PutObject", "*")))
	if status, body := get(presigned); status != http.StatusForbidden || !strings.Contains(body, "no identity-based policy allows the s3:GetObject action") {
		t.Errorf("not allowed any more: %d %.500q", status, body)
	}
}
