package test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// hire makes a user with the AWS CLI alone, with one policy, and returns them with their access key.
func hire(admin *person, name, document string) *person {
	admin.t.Helper()
	admin.aws("iam", "create-user", "--user-name", name)
	admin.aws("iam", "put-user-policy", "--user-name", name, "--policy-name", "own", "--policy-document", document)
	key := strings.Fields(admin.aws("iam", "create-access-key", "--user-name", name, "--query", "AccessKey.[AccessKeyId,SecretAccessKey]"))
	if len(key) != 2 {
		admin.t.Fatalf("create-access-key: %d words", len(key))
	}
	return admin.s.person(userNamed(name), key[0], key[1], "").in(admin.t)
}

// outputsOf are the settings of one output in a file, for a job template or a job, with a preset.
func outputsOf(preset string) string {
	return `[{"OutputGroupSettings":{"Type":"FILE_GROUP_SETTINGS","FileGroupSettings":{"Destination":"s3://films/out/"}},"Outputs":[{"Preset":"` + preset + `","NameModifier":"_a"}]}]`
}

// presetJSON is a small MP4 as create-preset takes it.
func presetJSON(t *testing.T) string {
	t.Helper()
	b, err := json.Marshal(presetSettings())
	if err != nil {
		t.Fatal(err)
	}
	var any map[string]any
	if err := json.Unmarshal(b, &any); err != nil {
		t.Fatal(err)
	}
	b, err = json.Marshal(whole(any))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// whole leaves out what an SDK's structure does not set.
func whole(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, m := range v {
			if m = whole(m); m != nil && m != "" {
				out[k] = m
			}
		}
		return out
	case []any:
		for i := range v {
			v[i] = whole(v[i])
		}
	}
	return v
}

const missing = `{"Inputs":[{"FileInput":"s3://films/none.mp4","AudioSelectors":{"Audio Selector 1":{"DefaultSelection":"DEFAULT"}}}],"OutputGroups":GROUPS}`

// createJob is a command that asks for a job whose input is not there, with a preset.
func createJob(role, preset string, more ...string) []string {
	settings := strings.Replace(missing, "GROUPS", outputsOf(preset), 1)
	return append([]string{"mediaconvert", "create-job", "--role", role, "--settings", settings, "--query", "Job.Id"}, more...)
}

// TestGuide gives users the policies of MediaConvert's user guide, and they may do what it says of each and nothing else.
// Source: MediaConvert User Guide, "Identity-based policy examples" and "Troubleshooting identity and access".
func TestGuide(t *testing.T) {
	t.Parallel()
	s := serve(t)
	admin := s.admin()
	admin.aws("iam", "create-role", "--role-name", "FilmRole", "--assume-role-policy-document", trust(toMediaConvert))
	admin.aws("iam", "create-role", "--role-name", "OtherRole", "--assume-role-policy-document", trust(toMediaConvert))
	admin.aws("mediaconvert", "create-queue", "--name", "features")
	admin.aws("mediaconvert", "create-queue", "--name", "trailers")
	admin.aws("mediaconvert", "create-queue", "--name", "kept", "--tags", "access=denyall")
	for _, name := range []string{"open-small", "closed-small"} {
		admin.aws("mediaconvert", "create-preset", "--name", name, "--settings", presetJSON(t))
	}
	admin.aws("s3", "mb", "s3://films")

	t.Run("basic", func(t *testing.T) {
		t.Parallel()
		p := hire(admin.in(t), "editor", policy(
			allow("mediaconvert:*", "*"), allow("iam:ListRoles", "*"), allow("iam:PassRole", roleNamed("FilmRole")),
			allow("s3:ListBucket s3:GetBucketLocation s3:ListAllMyBuckets", "*")))
		id := p.aws(createJob(roleNamed("FilmRole"), "open-small")...)
		if got := p.aws("mediaconvert", "get-job", "--id", id, "--query", "Job.Role"); got != roleNamed("FilmRole") {
			t.Errorf("role: %q", got)
		}
		if got := p.aws("mediaconvert", "list-queues", "--query", "length(Queues)"); got != "4" {
			t.Errorf("queues: %s", got)
		}
		if got := p.aws("iam", "list-roles", "--query", "length(Roles)"); got != "3" {
			t.Errorf("roles: %s", got)
		}
		if got := p.aws("s3", "ls"); !strings.HasSuffix(got, " films") {
			t.Errorf("buckets: %q", got)
		}
		p.aws("s3api", "list-objects-v2", "--bucket", "films")
		p.aws("s3api", "get-bucket-location", "--bucket", "films")
		p.denied("iam:PassRole", roleNamed("OtherRole"), byNobody, createJob(roleNamed("OtherRole"), "open-small")...)
		p.denied("iam:CreateUser", userNamed("friend"), byNobody, "iam", "create-user", "--user-name", "friend")
		p.denied("iam:PutUserPolicy", userNamed("editor"), byNobody, "iam", "put-user-policy", "--user-name", "editor", "--policy-name", "more", "--policy-document", policy(allow("*", "*")))
		p.denied("iam:PutRolePolicy", roleNamed("FilmRole"), byNobody, "iam", "put-role-policy", "--role-name", "FilmRole", "--policy-name", "more", "--policy-document", policy(allow("*", "*")))
		p.denied("s3:GetObject", "arn:aws:s3:::films/none.mp4", byNobody, "s3api", "get-object", "--bucket", "films", "--key", "none.mp4", os.DevNull)
		p.denied("s3:PutObject", "arn:aws:s3:::films/new", byNobody, "s3api", "put-object", "--bucket", "films", "--key", "new")
		p.denied("s3:DeleteBucket", "arn:aws:s3:::films", byNobody, "s3api", "delete-bucket", "--bucket", "films")
	})

	t.Run("no policy", func(t *testing.T) {
		t.Parallel()
		a := admin.in(t)
		p := hire(a, "nobody", policy(deny("sts:*", "*")))
		p.denied("mediaconvert:GetQueue", mc("queues/Default"), byNobody, "mediaconvert", "get-queue", "--name", "Default")
		p.denied("mediaconvert:GetQueue", mc("queues/no-such"), byNobody, "mediaconvert", "get-queue", "--name", "no-such")
		p.denied("mediaconvert:ListQueues", "*", byNobody, "mediaconvert", "list-queues")
		p.denied("iam:ListRoles", "*", byNobody, "iam", "list-roles")
		// Everybody may ask who they are, whatever is denied.
		if got := p.aws("sts", "get-caller-identity", "--query", "[Account,Arn]"); got != account+"\t"+p.arn {
			t.Errorf("identity: %q", got)
		}
	})

	t.Run("own permissions", func(t *testing.T) {
		t.Parallel()
		a := admin.in(t)
		p := hire(a, "viewer", policy(
			allow("iam:GetUserPolicy iam:ListGroupsForUser iam:ListAttachedUserPolicies iam:ListUserPolicies iam:GetUser", "arn:aws:iam::*:user/${aws:username}"),
			allow("iam:GetGroupPolicy iam:GetPolicyVersion iam:GetPolicy iam:ListAttachedGroupPolicies iam:ListGroupPolicies iam:ListPolicyVersions iam:ListPolicies iam:ListUsers", "*")))
		a.aws("iam", "create-user", "--user-name", "viewer2")
		a.aws("iam", "create-group", "--group-name", "cutters")
		a.aws("iam", "add-user-to-group", "--group-name", "cutters", "--user-name", "viewer")
		a.aws("iam", "put-group-policy", "--group-name", "cutters", "--policy-name", "cut", "--policy-document", policy(allow("mediaconvert:ListQueues", "*")))
		for _, tt := range []struct{ query, want string }{
			{"iam get-user --query User.UserName", "viewer"},
			{"iam get-user --user-name viewer --query User.Arn", userNamed("viewer")},
			{"iam list-user-policies --user-name viewer --query PolicyNames", "own"},
			{"iam get-user-policy --user-name viewer --policy-name own --query PolicyDocument.Version", "2012-10-17"},
			{"iam list-groups-for-user --user-name viewer --query Groups[].GroupName", "cutters"},
			{"iam list-attached-user-policies --user-name viewer --query length(AttachedPolicies)", "0"},
			{"iam list-group-policies --group-name cutters --query PolicyNames", "cut"},
			{"iam get-group-policy --group-name cutters --policy-name cut --query PolicyDocument.Statement[0].Effect", "Allow"},
			{"iam get-policy --policy-arn arn:aws:iam::aws:policy/AWSElementalMediaConvertReadOnly --query Policy.PolicyName", "AWSElementalMediaConvertReadOnly"},
			{"mediaconvert list-queues --query length(Queues)", "4"}, // by the group
		} {
			if got := p.aws(strings.Fields(tt.query)...); got != tt.want {
				t.Errorf("%s: got %q, want %q", tt.query, got, tt.want)
			}
		}
		for _, name := range []string{"viewer2", "admin", "nobody-yet"} { // the first begins with the viewer's own name
			p.denied("iam:GetUser", userNamed(name), byNobody, "iam", "get-user", "--user-name", name)
			p.denied("iam:ListUserPolicies", userNamed(name), byNobody, "iam", "list-user-policies", "--user-name", name)
		}
		p.denied("iam:PutUserPolicy", userNamed("viewer"), byNobody, "iam", "put-user-policy", "--user-name", "viewer", "--policy-name", "own", "--policy-document", policy(allow("*", "*")))
		p.denied("iam:AddUserToGroup", "arn:aws:iam::"+account+":group/cutters", byNobody, "iam", "add-user-to-group", "--group-name", "cutters", "--user-name", "viewer2")
		p.denied("iam:DeleteUser", userNamed("viewer"), byNobody, "iam", "delete-user", "--user-name", "viewer")
	})

	t.Run("some resources", func(t *testing.T) {
		t.Parallel()
		in := "arn:*:mediaconvert:*:" + account + ":"
		p := hire(admin.in(t), "cutter", policy(
			allow("mediaconvert:ListQueues", "*"), allow("mediaconvert:ListJobs", in+"queues/features"),
			allow("mediaconvert:CreateJob mediaconvert:CreateJobTemplate", in+"queues/features "+in+"presets/open* "+in+"jobTemplates/*"),
			passing(roleNamed("FilmRole"))))
		film := roleNamed("FilmRole")
		p.aws("mediaconvert", "list-queues")
		id := p.aws(createJob(film, "open-small", "--queue", "features")...)
		p.aws(createJob(film, "open-small", "--queue", mc("queues/features"))...)
		if got := p.aws("mediaconvert", "list-jobs", "--queue", "features", "--query", "Jobs[].Id"); !strings.Contains(got, id) {
			t.Errorf("jobs: %s", got)
		}
		template := func(name, queue, preset string) []string {
			return []string{"mediaconvert", "create-job-template", "--name", name, "--queue", queue, "--settings", `{"OutputGroups":` + outputsOf(preset) + `}`, "--query", "JobTemplate.Name"}
		}
		p.aws(template("feature", "features", "open-small")...)
		p.aws("mediaconvert", "create-job", "--role", film, "--queue", "features", "--job-template", "feature", "--settings", `{"Inputs":[{"FileInput":"s3://films/none.mp4"}]}`)

		p.denied("mediaconvert:CreateJob", mc("queues/Default"), byNobody, createJob(film, "open-small")...)
		p.denied("mediaconvert:CreateJob", mc("queues/trailers"), byNobody, createJob(film, "open-small", "--queue", "trailers")...)
		p.denied("mediaconvert:CreateJob", mc("queues/features2"), byNobody, createJob(film, "open-small", "--queue", "features2")...)
		p.denied("mediaconvert:CreateJob", mc("presets/closed-small"), byNobody, createJob(film, "closed-small", "--queue", "features")...)
		p.denied("mediaconvert:CreateJob", mc("presets/no-such"), byNobody, createJob(film, "no-such", "--queue", "features")...)
		p.denied("mediaconvert:CreateJobTemplate", mc("queues/trailers"), byNobody, template("t1", "trailers", "open-small")...)
		p.denied("mediaconvert:CreateJobTemplate", mc("presets/closed-small"), byNobody, template("t1", "features", "closed-small")...)
		p.denied("mediaconvert:ListJobs", "*", byNobody, "mediaconvert", "list-jobs")
		p.denied("mediaconvert:ListJobs", mc("queues/trailers"), byNobody, "mediaconvert", "list-jobs", "--queue", "trailers")
		p.denied("mediaconvert:GetJob", mc("jobs/"+id), byNobody, "mediaconvert", "get-job", "--id", id)
		p.denied("mediaconvert:CancelJob", mc("jobs/"+id), byNobody, "mediaconvert", "cancel-job", "--id", id)
		p.denied("mediaconvert:GetQueue", mc("queues/features"), byNobody, "mediaconvert", "get-queue", "--name", "features")
		p.denied("mediaconvert:GetPreset", mc("presets/open-small"), byNobody, "mediaconvert", "get-preset", "--name", "open-small")
		p.denied("mediaconvert:DeleteJobTemplate", mc("jobTemplates/feature"), byNobody, "mediaconvert", "delete-job-template", "--name", "feature")
		p.denied("mediaconvert:TagResource", mc("jobs/*"), byNobody, createJob(film, "open-small", "--queue", "features", "--tags", "team=cut")...)
	})

	t.Run("a template's queue", func(t *testing.T) {
		t.Parallel()
		a := admin.in(t)
		a.aws("mediaconvert", "create-job-template", "--name", "into-trailers", "--queue", "trailers", "--settings", `{"OutputGroups":`+outputsOf("open-small")+`}`)
		a.aws("mediaconvert", "create-job-template", "--name", "with-closed", "--settings", `{"OutputGroups":`+outputsOf("closed-small")+`}`)
		p := hire(a, "templater", policy(
			allow("mediaconvert:CreateJob", mc("queues/features")+" "+mc("queues/Default")+" "+mc("presets/open*")+" "+mc("jobTemplates/*")), passing(roleNamed("FilmRole"))))
		from := func(template string, more ...string) []string {
			return append([]string{"mediaconvert", "create-job", "--role", roleNamed("FilmRole"), "--job-template", template, "--settings", `{"Inputs":[{"FileInput":"s3://films/none.mp4"}]}`}, more...)
		}
		p.aws(from("into-trailers", "--queue", "Default")...)
		p.denied("mediaconvert:CreateJob", mc("queues/trailers"), byNobody, from("into-trailers")...)
		p.denied("mediaconvert:CreateJob", mc("presets/closed-small"), byNobody, from("with-closed")...)
		p.denied("mediaconvert:CreateJob", mc("queues/trailers"), byNobody, createJob(roleNamed("FilmRole"), "open-small", "--hop-destinations", `[{"Queue":"`+mc("queues/trailers")+`","WaitMinutes":1}]`)...)
	})

	t.Run("tags that deny", func(t *testing.T) {
		t.Parallel()
		a := admin.in(t)
		const tagged = `"StringLike":{"aws:ResourceTag/access":["deny*","denied"]}`
		p := hire(a, "tagger", policy(allow("mediaconvert:*", "*"), deny(
			"mediaconvert:DeleteJobTemplate mediaconvert:GetQueue mediaconvert:UpdateQueue mediaconvert:DeleteQueue mediaconvert:GetPreset mediaconvert:ListTagsForResource "+
				"mediaconvert:GetJobTemplate mediaconvert:UntagResource mediaconvert:UpdateJobTemplate mediaconvert:DeletePreset mediaconvert:TagResource mediaconvert:UpdatePreset", "*", tagged)))
		a.aws("mediaconvert", "create-preset", "--name", "kept", "--settings", presetJSON(t), "--tags", "access=denied")
		a.aws("mediaconvert", "create-job-template", "--name", "kept", "--settings", `{"OutputGroups":`+outputsOf("open-small")+`}`, "--tags", "access=deny")
		p.aws("mediaconvert", "get-queue", "--name", "features")
		p.aws("mediaconvert", "get-preset", "--name", "open-small")
		p.aws("mediaconvert", "list-queues") // names no resource, and so has no tags
		for _, tt := range []struct{ action, resource, command string }{
			{"GetQueue", "queues/kept", "get-queue --name kept"},
			{"UpdateQueue", "queues/kept", "update-queue --name kept --status PAUSED"},
			{"DeleteQueue", "queues/kept", "delete-queue --name kept"},
			{"GetPreset", "presets/kept", "get-preset --name kept"},
			{"UpdatePreset", "presets/kept", "update-preset --name kept --description mine"},
			{"DeletePreset", "presets/kept", "delete-preset --name kept"},
			{"GetJobTemplate", "jobTemplates/kept", "get-job-template --name kept"},
			{"UpdateJobTemplate", "jobTemplates/kept", "update-job-template --name kept --description mine"},
			{"DeleteJobTemplate", "jobTemplates/kept", "delete-job-template --name kept"},
			{"ListTagsForResource", "queues/kept", "list-tags-for-resource --arn " + mc("queues/kept")},
			{"TagResource", "queues/kept", "tag-resource --tags access=open --arn " + mc("queues/kept")},
			{"UntagResource", "presets/kept", "untag-resource --tag-keys access --arn " + mc("presets/kept")},
		} {
			p.denied("mediaconvert:"+tt.action, mc(tt.resource), byIdentity, append([]string{"mediaconvert"}, strings.Fields(tt.command)...)...)
		}
		// Administration elsewhere does not outweigh the denial; it ends with the tag.
		a.aws("iam", "attach-user-policy", "--user-name", "tagger", "--policy-arn", "arn:aws:iam::aws:policy/AdministratorAccess")
		p.denied("mediaconvert:GetQueue", mc("queues/kept"), byIdentity, "mediaconvert", "get-queue", "--name", "kept")
		a.aws("mediaconvert", "tag-resource", "--arn", mc("queues/kept"), "--tags", "access=open")
		p.aws("mediaconvert", "get-queue", "--name", "kept")
		// Who tags something so loses it at once.
		p.aws("mediaconvert", "tag-resource", "--arn", mc("queues/kept"), "--tags", "access=denied")
		p.denied("mediaconvert:UntagResource", mc("queues/kept"), byIdentity, "mediaconvert", "untag-resource", "--arn", mc("queues/kept"), "--tag-keys", "access")
	})

	t.Run("managed policies", func(t *testing.T) {
		t.Parallel()
		a := admin.in(t)
		p := hire(a, "reader", policy(deny("s3:DeleteBucket", "*")))
		a.aws("iam", "attach-user-policy", "--user-name", "reader", "--policy-arn", "arn:aws:iam::aws:policy/AWSElementalMediaConvertReadOnly")
		p.aws("mediaconvert", "get-queue", "--name", "features")
		p.aws("mediaconvert", "list-jobs")
		p.denied("mediaconvert:CreateQueue", "*", byNobody, "mediaconvert", "create-queue", "--name", "mine")
		p.denied("mediaconvert:CreateJob", mc("queues/Default"), byNobody, createJob(roleNamed("FilmRole"), "open-small")...)
		a.aws("iam", "detach-user-policy", "--user-name", "reader", "--policy-arn", "arn:aws:iam::aws:policy/AWSElementalMediaConvertReadOnly")
		p.denied("mediaconvert:GetQueue", mc("queues/features"), byNobody, "mediaconvert", "get-queue", "--name", "features")
		a.aws("iam", "attach-user-policy", "--user-name", "reader", "--policy-arn", "arn:aws:iam::aws:policy/AWSElementalMediaConvertFullAccess")
		p.aws(createJob(roleNamed("FilmRole"), "open-small")...)
		p.denied("iam:ListRoles", "*", byNobody, "iam", "list-roles")
		a.aws("iam", "attach-user-policy", "--user-name", "reader", "--policy-arn", "arn:aws:iam::aws:policy/AWSElementalMediaConvertConsoleAccess")
		p.aws("iam", "list-roles")
	})
}

// TestConfusedDeputy is a role that trusts MediaConvert for the jobs of one queue of one account.
// Source: MediaConvert User Guide, "Cross-service confused deputy prevention".
func TestConfusedDeputy(t *testing.T) {
	t.Parallel()
	s := serve(t)
	admin := s.admin()
	s.upload("films", "in/clip.mp4", clip(t, 1))
	admin.aws("mediaconvert", "create-queue", "--name", "features")
	const mine, foreign = `"StringEquals":{"aws:SourceAccount":"` + account + `"}`, `"StringEquals":{"aws:SourceAccount":"123456789012"}`
	queue := func(pattern string) string { return `"ArnLike":{"aws:SourceArn":"` + pattern + `"}` }
	file := filepath.Join(t.TempDir(), "job.json")
	for _, tt := range []struct {
		role, trust string
		works       []string // queues
	}{
		{"OneQueue", trust(toMediaConvert, queue("arn:aws:mediaconvert:*:"+account+":queues/Default"), mine), []string{"Default"}},
		{"OtherQueue", trust(toMediaConvert, queue(mc("queues/features")), mine), []string{"features"}},
		{"AnyQueue", trust(toMediaConvert, queue("arn:aws:mediaconvert:*:"+account+":*")), []string{"Default", "features"}},
		{"NoQueue", trust(toMediaConvert, queue(mc("jobTemplates/*")), mine), nil},
		{"OtherAccount", trust(toMediaConvert, foreign), nil},
		{"OtherRegion", trust(toMediaConvert, queue("arn:aws:mediaconvert:eu-west-1:"+account+":queues/*")), nil},
		{"Disagreeing", trust(toMediaConvert, queue(mc("queues/Default")), foreign), nil},
		{"OtherService", trust(`"Service":"lambda.amazonaws.com"`), nil},
		{"People", trust(`"AWS":"` + account + `"`), nil},
		{"Everybody", trust(`"AWS":"*"`), []string{"Default", "features"}}, // services too
	} {
		t.Run(tt.role, func(t *testing.T) {
			a := admin.in(t)
			a.aws("iam", "create-role", "--role-name", tt.role, "--assume-role-policy-document", tt.trust)
			a.aws("iam", "put-role-policy", "--role-name", tt.role, "--policy-name", "own", "--policy-document", policy(allow("s3:GetObject s3:PutObject", "arn:aws:s3:::films/*")))
			for _, queue := range []string{"Default", "features"} {
				body := strings.Replace(job(short("s3://films/in/clip.mp4", "s3://films/"+tt.role+"/"+queue+"/")), role, roleNamed(tt.role), 1)
				if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
					t.Fatal(err)
				}
				command := []string{"mediaconvert", "create-job", "--cli-input-json", "file://" + file, "--queue", queue, "--query", "Job.Id"}
				if strings.Contains(strings.Join(tt.works, " "), queue) {
					if j := s.until(a.aws(command...), final); j.Status != types.JobStatusComplete {
						t.Errorf("%s: %s %d %s", queue, j.Status, *j.ErrorCode, *j.ErrorMessage)
					}
					continue
				}
				a.refused("BadRequestException", says("/role: The role "+roleNamed(tt.role)+" cannot be assumed.", "mediaconvert.amazonaws.com", mc("queues/"+queue)), command...)
			}
		})
	}
}
