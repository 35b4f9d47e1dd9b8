package test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/audit"
)

// serveOver starts a server whose object store is another one, as which it may do what the person may.
func serveOver(t *testing.T, store *server, p *person) *server {
	t.Helper()
	dir := t.TempDir()
	var id, key string
	for _, v := range p.env {
		if s, ok := strings.CutPrefix(v, "AWS_ACCESS_KEY_ID="); ok {
			id = s
		}
		if s, ok := strings.CutPrefix(v, "AWS_SECRET_ACCESS_KEY="); ok {
			key = s
		}
	}
	u, err := url.Parse(store.url)
	if err != nil {
		t.Fatal(err)
	}
	credentials, file := filepath.Join(dir, "credentials"), filepath.Join(dir, "darkroom.yaml")
	for name, text := range map[string]string{
		credentials: fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", id, key),
		file: fmt.Sprintf("s3: {endpoint: '%s', path_style: true, credentials_file: '%s', assume_roles: true}\n"+
			"egress: {allow: [{net: 127.0.0.1/32, ports: [%s], for: [storage]}], ca_file: '%s'}\n",
			store.url, credentials, u.Port(), filepath.Join(store.data, "tls", "ca.pem")),
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return serve(t, "--config", file)
}

// TestExternalRoles has an installation whose object store is another Darkroom: its own key there may assume the roles of jobs and nothing else, and
// a job reads and writes there as a session of its role.
func TestExternalRoles(t *testing.T) {
	t.Parallel()
	store := serve(t)
	store.upload("films", "in/clip.mp4", clip(t, 1))
	installation := store.user("darkroom", policy(allow("sts:AssumeRole", roleNamed("Job*"))))
	s := serveOver(t, store, installation)
	host := strings.TrimPrefix(store.url, "https://")

	byInstallation := trust(`"AWS":"` + installation.arn + `"`)
	read, write := allow("s3:GetObject", "arn:aws:s3:::films/in/*"), allow("s3:PutObject s3:AbortMultipartUpload", "arn:aws:s3:::films/out/*")
	// The role that each case has there; here every role may do everything.
	cases := []struct {
		name, trust, document string // of the role there; without trust there is none
		input, destination    string
		code                  int32 // 0: the job completes
		says                  []string
	}{
		{name: "JobEnough", trust: byInstallation, document: policy(read, write)},
		{name: "JobAccount", trust: trust(`"AWS":"` + account + `"`), document: policy(read, write)},
		// What is narrowed to locations longer than a session policy is narrowed to something wider, which the store takes.
		{name: "JobLong", trust: byInstallation, document: policy(read, write), destination: "s3://films/out/" + strings.Repeat("directory/", 80)},
		{name: "JobUntrusting", trust: trust(toMediaConvert), document: policy(read, write), code: 1432, says: says(roleNamed("JobUntrusting"), host, "AccessDenied", "trust policy")},
		{name: "JobMissing", code: 1432, says: says(roleNamed("JobMissing"), host)},
		{name: "Forbidden", trust: trust(`"AWS":"` + account + `"`), document: policy(read, write), code: 1432, says: says(roleNamed("Forbidden"), host)},
		{name: "JobNoReading", trust: byInstallation, document: policy(write), code: 1401, says: says("in/clip.mp4", "s3:GetObject")},
		{name: "JobNoWriting", trust: byInstallation, document: policy(read), code: 1401, says: says("s3:PutObject")},
		{name: "JobNoFile", trust: byInstallation, document: policy(read, write), input: "s3://films/in/none.mp4", code: 1404, says: says("in/none.mp4")},
	}
	ids := map[string]string{}
	for _, tt := range cases {
		if tt.trust != "" {
			store.role(tt.name, tt.trust, tt.document)
		}
		role := s.role(tt.name, trust(toMediaConvert, `"StringEquals":{"aws:SourceAccount":"`+account+`"}`), policy(allow("*", "*")))
		settings := short
		if tt.destination != "" {
			settings = settingsOf
		}
		input, destination := tt.input, tt.destination
		if input == "" {
			input = "s3://films/in/clip.mp4"
		}
		if destination == "" {
			destination = "s3://films/out/" + tt.name + "/"
		}
		ids[tt.name] = s.submit(`{"Role":"` + role + `","Settings":` + settings(input, destination) + `}`)
	}
	for _, tt := range cases {
		j := s.until(ids[tt.name], final)
		code, message := aws.ToInt32(j.ErrorCode), aws.ToString(j.ErrorMessage)
		want := types.JobStatusError
		if tt.code == 0 {
			want = types.JobStatusComplete
		}
		if j.Status != want || code != tt.code {
			t.Errorf("%s: got %s %d %s, want %s %d", tt.name, j.Status, code, message, want, tt.code)
		}
		for _, part := range tt.says {
			if !strings.Contains(message, part) {
				t.Errorf("%s: got %q, want it to say %q", tt.name, message, part)
			}
		}
	}
	if left := files(t, store.download("films", "out/")); len(left) < 4 {
		t.Errorf("the store has %v", left)
	}
	if n := store.uploads("films"); n != 0 {
		t.Errorf("%d uploads are open", n)
	}

	// At the store, the installation itself has asked for sessions and for nothing else, and each session is that of a job.
	seen := map[string]int{}
	for _, a := range store.accesses() {
		switch {
		case a.Principal == installation.arn && (a.Service != "sts" || a.Operation != "AssumeRole"):
			t.Errorf("the installation asked for this itself: %+v", a)
		case a.Service == "s3" && strings.Contains(a.Principal, ":assumed-role/"):
			seen[strings.TrimPrefix(a.Principal, "arn:aws:sts::"+account+":assumed-role/")]++
		}
		if a.Operation == "AssumeRole" {
			seen["AssumeRole"]++
		}
	}
	for _, tt := range cases {
		if asked := seen[tt.name+"/"+ids[tt.name]+"-1"]; (asked > 0) != (tt.code != 1432) {
			t.Errorf("%s: %d requests at the store", tt.name, asked)
		}
	}
	if n := seen["AssumeRole"]; n != len(cases) {
		t.Errorf("%d sessions were asked for, want one for each of %d jobs", n, len(cases))
	}

	// Who is no job has the same two ways: a role session goes on as its role, and a user as the installation, which may nothing.
	if _, err := s.iam("admin").UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{
		RoleName: aws.String("JobEnough"), PolicyDocument: aws.String(trust(`"AWS":"` + account + `"`)),
	}); err != nil {
		t.Fatal(err)
	}
	get := []string{"s3api", "get-object", "--bucket", "films", "--key", "in/clip.mp4", os.DevNull}
	admin := s.admin()
	admin.refused("AccessDenied", nil, get...)
	admin.assume(roleNamed("JobEnough"), "visit").aws(get...)
	narrow := policy(allow("s3:GetObject", "arn:aws:s3:::films/in/other.mp4"))
	admin.assume(roleNamed("JobEnough"), "visit", "--policy", narrow).refused("AccessDenied", nil, get...)
	// A refusal of the store is told as such: where the store is, and what it said, is for the owner of a job.
	if _, f := admin.assume(roleNamed("JobEnough"), "visit", "--policy-arns", "arn=arn:aws:iam::aws:policy/AmazonS3FullAccess", "arn=arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess").try(get...); f == nil ||
		f.code != "AccessDenied" || strings.Contains(f.whole, host) {
		t.Errorf("two policies: got %+v", f)
	}

	// Each connection to the store is in the audit trail, under the request that it was made for.
	connections := s.trail()
	if len(connections) < 2 {
		t.Errorf("%d connections", len(connections))
	}
	for _, r := range connections {
		if d := r.Dial; d.Purpose != "storage" || d.Address != host || r.RequestID == "" || r.Principal == "" || r.Outcome == audit.Denied {
			t.Errorf("a connection: %s", asJSON(t, r))
		}
	}
}

// settingsOf are settings with a destination that ends with a slash.
func settingsOf(input, destination string) string {
	return settings(input, strings.TrimSuffix(destination, "/"))
}
