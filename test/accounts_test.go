package test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// serveConfig starts a server with a configuration file.
func serveConfig(t *testing.T, text string) *server {
	t.Helper()
	file := filepath.Join(t.TempDir(), "darkroom.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return serve(t, "--config", file)
}

// house is an account with something of everything.
type house struct {
	id          string
	root, admin *person
	job, upload string // ids
	key         string // of the user
	message     string // an encoded authorization message
	token       string // of the second page of the queues
}

func (h *house) mc(name string) string  { return "arn:aws:mediaconvert:us-east-1:" + h.id + ":" + name }
func (h *house) iam(name string) string { return "arn:aws:iam::" + h.id + ":" + name }

// furnish fills an account; everything is called by the name, which is said in the contents too.
func furnish(s *server, id, profile, name string) *house {
	s.t.Helper()
	h := &house{id: id, root: s.profile("default", ""), admin: s.admin()}
	if id != account {
		h.root, h.admin = s.profile(id, ""), s.profile(profile, "")
	}
	h.root.arn, h.admin.arn = h.iam("root"), h.iam("user/admin")
	a := h.admin
	a.aws("s3", "mb", "s3://films")
	file := filepath.Join(s.t.TempDir(), "text")
	if err := os.WriteFile(file, []byte("of "+name), 0o600); err != nil {
		s.t.Fatal(err)
	}
	a.aws("s3", "cp", "--quiet", file, "s3://films/common")
	a.aws("s3", "cp", "--quiet", file, "s3://films/"+name)
	a.aws("s3", "cp", "--quiet", clip(s.t, 1), "s3://films/"+name+".mp4")
	a.aws("s3", "mb", "s3://"+name)
	h.upload = a.aws("s3api", "create-multipart-upload", "--bucket", "films", "--key", name+".part", "--query", "UploadId")
	a.aws("iam", "create-role", "--role-name", name, "--assume-role-policy-document", policy(
		`{"Effect":"Allow","Principal":{"Service":"mediaconvert.amazonaws.com","AWS":"*"},"Action":"sts:AssumeRole"}`))
	a.aws("iam", "attach-role-policy", "--role-name", name, "--policy-arn", "arn:aws:iam::aws:policy/AmazonS3FullAccess")
	a.aws("iam", "create-policy", "--policy-name", name, "--policy-document", policy(allow("mediaconvert:ListQueues", "*")))
	a.aws("iam", "create-group", "--group-name", name)
	a.aws("iam", "create-virtual-mfa-device", "--virtual-mfa-device-name", name, "--bootstrap-method", "Base32StringSeed", "--outfile", filepath.Join(s.t.TempDir(), "seed"))
	a.aws("iam", "create-open-id-connect-provider", "--url", "https://"+name+".example", "--client-id-list", "films", "--thumbprint-list", strings.Repeat("a", 40))
	a.aws("iam", "create-user", "--user-name", name)
	a.aws("iam", "attach-user-policy", "--user-name", name, "--policy-arn", h.iam("policy/"+name))
	key := strings.Fields(a.aws("iam", "create-access-key", "--user-name", name, "--query", "AccessKey.[AccessKeyId,SecretAccessKey]"))
	h.key = key[0]
	_, f := s.person(h.iam("user/"+name), key[0], key[1], "").try("--debug", "mediaconvert", "get-queue", "--name", "Default")
	if f != nil {
		if found := explanation.FindStringSubmatch(f.whole); found != nil {
			h.message = found[1]
		}
	}
	a.aws("mediaconvert", "create-queue", "--name", name, "--status", "PAUSED")
	a.aws("mediaconvert", "create-preset", "--name", name, "--settings", presetJSON(s.t))
	a.aws("mediaconvert", "create-job-template", "--name", name, "--settings", `{"OutputGroups":`+outputsOf(name)+`}`)
	h.job = a.aws(newJob(h.iam("role/"+name), "s3://films/"+name+".mp4", "s3://films/out/", "--queue", name)...)
	h.token = a.aws("mediaconvert", "list-queues", "--no-paginate", "--max-results", "1", "--query", "NextToken")
	return h
}

// TestAccounts: nobody in one account sees or touches what another account has, by any operation, not even its root.
func TestAccounts(t *testing.T) {
	t.Parallel()
	s := serveConfig(t, `accounts: [{id: "`+other+`"}]`)
	mine, theirs := furnish(s, account, "admin", "day"), furnish(s, other, other+"-admin", "night")
	if mine.message == "" || theirs.message == "" {
		t.Error("no encoded message in the header of a denial")
	}
	for _, tt := range []struct {
		name          string
		p             *person
		own, stranger *house
		has, hidden   string
	}{
		{"main root to other", mine.root, mine, theirs, "day", "night"},
		{"other admin to main", theirs.admin, theirs, mine, "night", "day"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			own, h, p := tt.own, tt.stranger, tt.p.in(t)
			trespass(t, p, own, h, tt.has, tt.hidden)
		})
	}

	t.Run("other root", func(t *testing.T) {
		t.Parallel()
		p := theirs.root.in(t)
		if got := p.aws("sts", "get-caller-identity", "--query", "[Account,Arn]"); got != other+"\tarn:aws:iam::"+other+":root" {
			t.Errorf("identity: %q", got)
		}
		p.denied("mediaconvert:GetQueue", mine.mc("queues/day"), bySilence, "mediaconvert", "get-queue", "--name", mine.mc("queues/day"))
		p.refused("NotFoundException", nil, "mediaconvert", "get-queue", "--name", "day")
		p.denied("iam:GetPolicy", mine.iam("policy/day"), bySilence, "iam", "get-policy", "--policy-arn", mine.iam("policy/day"))
	})

	t.Run("jobs", func(t *testing.T) {
		t.Parallel()
		p := theirs.admin.in(t)
		ask := func(input, destination string) *types.Job {
			t.Helper()
			id := p.aws(newJob(theirs.iam("role/night"), input, destination)...)
			c := mediaconvert.NewFromConfig(s.configOf(other + "-admin"))
			for {
				out, err := c.GetJob(t.Context(), &mediaconvert.GetJobInput{Id: &id})
				if err != nil {
					t.Fatal(err)
				}
				if final(out.Job) {
					return out.Job
				}
			}
		}
		if j := ask("s3://films/night.mp4", "s3://films/made/"); j.Status != types.JobStatusComplete {
			t.Errorf("own: %s %s", j.Status, aws.ToString(j.ErrorMessage))
		}
		if j := ask("s3://films/day.mp4", "s3://films/made/"); j.Status != types.JobStatusError || aws.ToInt32(j.ErrorCode) != 1404 {
			t.Errorf("the other's input: %s %d %s", j.Status, aws.ToInt32(j.ErrorCode), aws.ToString(j.ErrorMessage))
		}
		if j := ask("s3://night.mp4/none", "s3://films/made/"); j.Status != types.JobStatusError || aws.ToInt32(j.ErrorCode) != 1404 {
			t.Errorf("no bucket: %s %d %s", j.Status, aws.ToInt32(j.ErrorCode), aws.ToString(j.ErrorMessage))
		}
		if j := ask("s3://films/night.mp4", "s3://day/made/"); j.Status != types.JobStatusError {
			t.Errorf("the other's bucket: %s", j.Status)
		}
		for _, bucket := range []string{"films", "day"} {
			if left := files(t, s.in(t).download(bucket, "made/")); len(left) != 0 {
				t.Errorf("a job of the other account wrote %v", left)
			}
		}
		if got := p.aws("s3api", "list-objects-v2", "--bucket", "films", "--prefix", "made/", "--query", "length(Contents)"); got != "1" {
			t.Errorf("made: %s", got)
		}
	})
}

// trespass tries, as somebody who may do everything in their own account, everything on what stranger has.
func trespass(t *testing.T, p *person, own, stranger *house, has, hidden string) {
	h := stranger
	// What is listed is one's own.
	for _, list := range []string{
		"mediaconvert list-queues --query Queues[].Name", "mediaconvert list-presets --query Presets[].Name", "mediaconvert list-job-templates --query JobTemplates[].Name",
		"mediaconvert list-jobs --query Jobs[].[Id,Role,Queue]", "iam list-users --query Users[].Arn", "iam list-roles --query Roles[].Arn", "iam list-groups --query Groups[].Arn",
		"iam list-policies --scope Local --query Policies[].Arn", "iam list-virtual-mfa-devices --query VirtualMFADevices[].SerialNumber",
		"iam list-open-id-connect-providers --query OpenIDConnectProviderList[].Arn", "iam get-account-authorization-details", "iam get-account-summary",
		"iam list-entities-for-policy --policy-arn arn:aws:iam::aws:policy/AmazonS3FullAccess", "s3 ls", "s3 ls --recursive s3://films",
		"s3api list-multipart-uploads --bucket films", "mediaconvert list-tags-for-resource --arn " + own.mc("queues/"+has),
	} {
		got := p.aws(strings.Fields(list)...)
		if strings.Contains(got, hidden) || strings.Contains(got, h.id) || strings.Contains(got, h.job) {
			t.Errorf("%s shows what another account has:\n%s", list, got)
		}
	}
	if got := p.aws("mediaconvert", "list-queues", "--query", "Queues[].Name"); !strings.Contains(got, has) {
		t.Errorf("queues: %q", got)
	}
	// A bucket of the same name is another bucket.
	if got := p.aws("s3", "cp", "--quiet", "s3://films/common", "-"); got != "of "+has {
		t.Errorf("films/common: %q", got)
	}
	for _, tt := range []struct{ code, command string }{
		{"NoSuchKey", "s3api get-object --bucket films --key " + hidden + " " + os.DevNull},
		{"NoSuchKey", "s3api copy-object --bucket films --key stolen --copy-source films/" + hidden},
		{"NoSuchBucket", "s3api list-objects-v2 --bucket " + hidden},
		{"NoSuchBucket", "s3api put-object --bucket " + hidden + " --key mine"},
		{"NoSuchBucket", "s3api delete-bucket --bucket " + hidden},
		{"NoSuchUpload", "s3api list-parts --bucket films --key " + hidden + ".part --upload-id " + h.upload},
		{"NoSuchUpload", "s3api upload-part --part-number 1 --bucket films --key " + hidden + ".part --upload-id " + h.upload},
		{"NoSuchUpload", "s3api abort-multipart-upload --bucket films --key " + hidden + ".part --upload-id " + h.upload},
		{"NotFoundException", "mediaconvert get-job --id " + h.job},
		{"NotFoundException", "mediaconvert cancel-job --id " + h.job},
		{"NotFoundException", "mediaconvert get-queue --name " + hidden},
		{"NotFoundException", "mediaconvert update-queue --status ACTIVE --name " + hidden},
		{"NotFoundException", "mediaconvert get-preset --name " + hidden},
		{"NotFoundException", "mediaconvert get-job-template --name " + hidden},
		{"NotFoundException", "mediaconvert list-jobs --queue " + hidden},
		{"NotFoundException", "mediaconvert tag-resource --tags a=b --arn " + own.mc("jobs/"+h.job)},
		{"NotFoundException", "mediaconvert list-tags-for-resource --arn " + own.mc("queues/"+hidden)},
		{"BadRequestException", "mediaconvert list-queues --no-paginate --max-results 1 --next-token " + h.token},
		{"BadRequestException", "mediaconvert create-job --role " + own.iam("role/"+hidden) + " --settings " + strings.ReplaceAll(strings.ReplaceAll(short("s3://films/common", "s3://films/out/"), " ", ""), "\n", "")},
		{"NoSuchEntity", "iam get-user --user-name " + hidden},
		{"NoSuchEntity", "iam create-access-key --user-name " + hidden},
		{"NoSuchEntity", "iam list-access-keys --user-name " + hidden},
		{"NoSuchEntity", "iam delete-access-key --user-name " + has + " --access-key-id " + h.key},
		{"NoSuchEntity", "iam update-access-key --status Inactive --user-name " + has + " --access-key-id " + h.key},
		{"NoSuchEntity", "iam get-role --role-name " + hidden},
		{"NoSuchEntity", "iam delete-group --group-name " + hidden},
		{"NoSuchEntity", "iam add-user-to-group --group-name " + hidden + " --user-name " + has},
		{"NoSuchEntity", "iam enable-mfa-device --user-name " + has + " --serial-number " + h.iam("mfa/"+hidden) + " --authentication-code1 123456 --authentication-code2 654321"},
		{"InvalidAuthorizationMessageException", "sts decode-authorization-message --encoded-message " + h.message},
		{"ValidationError", "sts get-access-key-info --access-key-id " + h.key},
	} {
		p.refused(tt.code, nil, strings.Fields(tt.command)...)
	}
	// A name of the other account is not taken, wherever one is given.
	job := func(more ...string) []string {
		return append([]string{"mediaconvert", "create-job", "--settings", short("s3://films/"+has+".mp4", "s3://films/out/")}, more...)
	}
	queue, preset, template, role := h.mc("queues/"+hidden), h.mc("presets/"+hidden), h.mc("jobTemplates/"+hidden), h.iam("role/"+hidden)
	ownRole := own.iam("role/" + has)
	for _, tt := range []struct {
		action, resource string
		command          []string
	}{
		{"mediaconvert:CreateJob", queue, job("--role", ownRole, "--queue", queue)},
		{"mediaconvert:CreateJob", template, job("--role", ownRole, "--job-template", template)},
		{"mediaconvert:CreateJob", preset, createJob(ownRole, preset)},
		{"mediaconvert:CreateJob", queue, job("--role", ownRole, "--hop-destinations", `[{"WaitMinutes":1,"Queue":"`+queue+`"}]`)},
		{"iam:PassRole", role, job("--role", role)},
		{"iam:PassRole", h.iam("role/no-such"), job("--role", h.iam("role/no-such"))},
		{"mediaconvert:CreateJobTemplate", queue, []string{"mediaconvert", "create-job-template", "--name", "x", "--queue", queue, "--settings", `{"OutputGroups":[]}`}},
		{"mediaconvert:CreateJobTemplate", preset, []string{"mediaconvert", "create-job-template", "--name", "x", "--settings", `{"OutputGroups":` + outputsOf(preset) + `}`}},
		{"mediaconvert:UpdateJobTemplate", queue, []string{"mediaconvert", "update-job-template", "--name", has, "--queue", queue}},
		{"mediaconvert:GetQueue", queue, []string{"mediaconvert", "get-queue", "--name", queue}},
		{"mediaconvert:UpdateQueue", queue, []string{"mediaconvert", "update-queue", "--name", queue, "--status", "ACTIVE"}},
		{"mediaconvert:DeleteQueue", queue, []string{"mediaconvert", "delete-queue", "--name", queue}},
		{"mediaconvert:ListJobs", queue, []string{"mediaconvert", "list-jobs", "--queue", queue}},
		{"mediaconvert:GetPreset", preset, []string{"mediaconvert", "get-preset", "--name", preset}},
		{"mediaconvert:DeletePreset", preset, []string{"mediaconvert", "delete-preset", "--name", preset}},
		{"mediaconvert:GetJobTemplate", template, []string{"mediaconvert", "get-job-template", "--name", template}},
		{"mediaconvert:DeleteJobTemplate", template, []string{"mediaconvert", "delete-job-template", "--name", template}},
		{"mediaconvert:TagResource", h.mc("jobs/" + h.job), []string{"mediaconvert", "tag-resource", "--arn", h.mc("jobs/" + h.job), "--tags", "a=b"}},
		{"mediaconvert:UntagResource", queue, []string{"mediaconvert", "untag-resource", "--arn", queue, "--tag-keys", "a"}},
		{"mediaconvert:ListTagsForResource", preset, []string{"mediaconvert", "list-tags-for-resource", "--arn", preset}},
		{"sts:AssumeRole", role, assumeRole(role, "cut")},
		{"iam:GetPolicy", h.iam("policy/" + hidden), []string{"iam", "get-policy", "--policy-arn", h.iam("policy/" + hidden)}},
		{"iam:DeletePolicy", h.iam("policy/" + hidden), []string{"iam", "delete-policy", "--policy-arn", h.iam("policy/" + hidden)}},
		{"iam:CreatePolicyVersion", h.iam("policy/" + hidden), []string{"iam", "create-policy-version", "--policy-arn", h.iam("policy/" + hidden), "--policy-document", policy(allow("*", "*")), "--set-as-default"}},
		{"iam:GetOpenIDConnectProvider", h.iam("oidc-provider/" + hidden + ".example"), []string{"iam", "get-open-id-connect-provider", "--open-id-connect-provider-arn", h.iam("oidc-provider/" + hidden + ".example")}},
		{"iam:DeleteOpenIDConnectProvider", h.iam("oidc-provider/" + hidden + ".example"), []string{"iam", "delete-open-id-connect-provider", "--open-id-connect-provider-arn", h.iam("oidc-provider/" + hidden + ".example")}},
		{"iam:DeleteVirtualMFADevice", h.iam("mfa/" + hidden), []string{"iam", "delete-virtual-mfa-device", "--serial-number", h.iam("mfa/" + hidden)}},
		{"iam:SimulatePrincipalPolicy", h.iam("user/" + hidden), []string{"iam", "simulate-principal-policy", "--policy-source-arn", h.iam("user/" + hidden), "--action-names", "s3:GetObject"}},
	} {
		p.denied(tt.action, tt.resource, bySilence, tt.command...)
	}
	// No role trusts the other account, by whatever name, and the one here that trusts everybody is not meant.
	for _, trusted := range []string{h.id, h.iam("root"), h.iam("user/" + hidden), h.iam("role/" + hidden), "arn:aws:sts::" + h.id + ":assumed-role/" + hidden + "/cut"} {
		p.refused("MalformedPolicyDocument", says("Invalid principal in policy"), "iam", "create-role", "--role-name", "x", "--assume-role-policy-document", trust(`"AWS":"`+trusted+`"`))
	}
	// Policies of the other account grant and bound nothing here.
	for _, command := range [][]string{
		{"iam", "attach-user-policy", "--user-name", has, "--policy-arn", h.iam("policy/" + hidden)},
		{"iam", "attach-role-policy", "--role-name", has, "--policy-arn", h.iam("policy/" + hidden)},
		{"iam", "attach-group-policy", "--group-name", has, "--policy-arn", h.iam("policy/" + hidden)},
		{"iam", "put-user-permissions-boundary", "--user-name", has, "--permissions-boundary", h.iam("policy/" + hidden)},
		{"iam", "create-user", "--user-name", "x", "--permissions-boundary", h.iam("policy/" + hidden)},
	} {
		if out, f := p.try(command...); f == nil || f.code != "NoSuchEntity" && f.code != "AccessDenied" {
			t.Errorf("%v: %s %+v", command, out, f)
		}
	}
	// Nobody changes what belongs to everybody.
	if out, f := p.try("iam", "create-policy-version", "--policy-arn", "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess", "--policy-document", policy(allow("*", "*")), "--set-as-default"); f == nil || f.code != "AccessDenied" {
		t.Errorf("a policy of AWS's own was changed: %s %+v", out, f)
	}
	// A presigned URL of one's own leads into one's own bucket.
	url := p.aws("s3", "presign", "s3://films/"+hidden)
	resp, err := p.s.s3().Options().HTTPClient.Do(getting(t, url))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 404 {
		t.Errorf("presigned: %d", resp.StatusCode)
	}
}

// getting is a request for a URL.
func getting(t *testing.T, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestGuardRails: what an account's guard rails do not let through nobody in it may do: not its root, not its roles' sessions, not its jobs.
func TestGuardRails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rail := func(name, document string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(document), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	full := rail("full.json", policy(allow("*", "*"), deny("mediaconvert:CreateQueue", "*"), deny("s3:PutObject", "arn:aws:s3:::films/locked/*")))
	some := rail("some.json", policy(allow("mediaconvert:* iam:* sts:*", "*")))
	s := serveConfig(t, fmt.Sprintf(`accounts: [{id: %q, guard_rails: [%s]}, {id: %q, guard_rails: [%s]}]`, account, full, other, some))
	queue := []string{"mediaconvert", "create-queue", "--name", "x"}
	s.upload("films", "in/clip.mp4", clip(t, 1))
	root, admin := s.root(), s.admin()
	for _, p := range []*person{root, admin} {
		p.denied("mediaconvert:CreateQueue", "*", byRailDeny, queue...)
		p.aws("mediaconvert", "list-queues")
		p.denied("s3:PutObject", "arn:aws:s3:::films/locked/x", byRailDeny, "s3api", "put-object", "--bucket", "films", "--key", "locked/x")
	}
	// Nobody can take a rail away from inside, or pass it by with a session or a job.
	admin.aws("iam", "create-user", "--user-name", "mara")
	admin.aws("iam", "attach-user-policy", "--user-name", "mara", "--policy-arn", "arn:aws:iam::aws:policy/AdministratorAccess")
	_, mara := keyPair(admin, "mara")
	mara.denied("mediaconvert:CreateQueue", "*", byRailDeny, queue...)
	r := s.role("Everything", policy(`{"Effect":"Allow","Principal":{"AWS":"`+account+`",`+toMediaConvert+`},"Action":"sts:AssumeRole"}`), policy(allow("*", "*")))
	mara.assume(r, "cut").denied("mediaconvert:CreateQueue", "*", byRailDeny, queue...)
	session := s.session(root.aws("--output", "json", "sts", "get-session-token"))
	session.arn = root.arn
	session.denied("mediaconvert:CreateQueue", "*", byRailDeny, queue...)
	s.finish(mara.aws(newJob(r, "s3://films/in/clip.mp4", "s3://films/open/")...))
	if j := s.until(mara.aws(newJob(r, "s3://films/in/clip.mp4", "s3://films/locked/")...), final); j.Status != types.JobStatusError || aws.ToInt32(j.ErrorCode) != 1401 {
		t.Errorf("a job wrote where the rail is: %s %d %s", j.Status, aws.ToInt32(j.ErrorCode), aws.ToString(j.ErrorMessage))
	}
	for _, p := range []*person{s.profile(other, "arn:aws:iam::"+other+":root"), s.profile(other+"-admin", "arn:aws:iam::"+other+":user/admin")} {
		p.denied("s3:ListAllMyBuckets", "*", byRail, "s3api", "list-buckets")
		p.denied("s3:CreateBucket", "arn:aws:s3:::films", byRail, "s3api", "create-bucket", "--bucket", "films")
		p.aws("mediaconvert", "list-queues")
		p.aws("sts", "get-caller-identity")
	}
}
