package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"darkroom/internal/iam"
	"darkroom/internal/plan"
)

func TestUsage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		want string // in either output
	}{
		{"nothing", nil, exitUsage, "usage: darkroom COMMAND"},
		{"help", []string{"help"}, exitOK, "serve"},
		{"unknown command", []string{"explode"}, exitUsage, `unknown command "explode"`},
		{"version", []string{"version"}, exitOK, "darkroom " + release},
		{"version with more", []string{"version", "x"}, exitUsage, "unexpected"},
		{"help of a command", []string{"run", "--help"}, exitOK, "--bucket NAME=DIR"},
		{"run without a job", []string{"run"}, exitUsage, "one job file"},
		{"run of nothing", []string{"run", filepath.Join(dir, "none.json")}, exitUsage, "none.json"},
		{"run of no JSON", []string{"run", write("bad.json", "{")}, exitUsage, "not a JSON object"},
		{"run of an invalid job", []string{"run", write("unknown.json", `{"settings":{"inptus":[]}}`)}, exitUsage, "inptus"},
		{"run of a request with an unknown member", []string{"run", write("outer.json", `{"settings":{},"bogus":1}`)}, exitUsage, `unknown member "bogus"`},
		{"run of a job template of one's own", []string{"run", write("template.json", `{"settings":{},"jobTemplate":"mine"}`)}, exitUsage, "the job template mine does not exist"},
		{"bucket without a directory", []string{"run", write("x.json", "{}"), "--bucket", "films"}, exitUsage, "NAME=DIR"},
		{"unknown flag", []string{"probe", "--explode"}, exitUsage, "explode"},
		{"env before a server ran", []string{"env", "--data", dir}, exitFailed, "no server has run"},
		{"keys without a verb", []string{"keys"}, exitUsage, "status, rewrap"},
		{"keys with another verb", []string{"keys", "explode"}, exitUsage, `"explode"`},
		{"keys help", []string{"keys", "--help"}, exitOK, "status|rewrap"},
		{"status before a server ran", []string{"keys", "status", "--data", dir}, exitFailed, "no wrapped installation key"},
		{"rewrap before a server ran", []string{"keys", "rewrap", "--data", dir, "--rotate"}, exitFailed, "no wrapped installation key"},
		{"rewrap to nothing", []string{"keys", "rewrap", "--data", dir}, exitUsage, "--config"},
		{"rewrap from and to the same", []string{"keys", "rewrap", "--data", dir, "--rotate", "--from", "x"}, exitUsage, "--rotate stays"},
		{"rewrap with a secret in its arguments", []string{"keys", "rewrap", "--passphrase", "x"}, exitUsage, "not defined"},
		{"rewrap with a bad configuration", []string{"keys", "rewrap", "--data", dir, "--config", write("root.yaml", "root: {kind: hsm}")}, exitUsage, "file, passphrase, transit, kms"},
		{"serve with a root that is none", []string{"serve", "--data", dir, "--root-kind", "hsm"}, exitUsage, "root.kind"},
		{"serve with a bad address", []string{"serve", "--data", dir, "--listen", "nowhere"}, exitUsage, "listen"},
		{"plain HTTP off loopback", []string{"serve", "--data", dir, "--listen", "0.0.0.0:1", "--insecure-http"}, exitUsage, "loopback"},
		{"FIPS in a program without", []string{"serve", "--data", dir, "--fips", "require"}, exitFailed, "make build FIPS=1"},
		{"the worker is not started by hand", []string{"worker"}, exitFailed, "serve"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var out, err bytes.Buffer
			code := start(c.args, &out, &err)
			if code != c.code || !strings.Contains(out.String()+err.String(), c.want) {
				t.Errorf("code %d, output %q%q; want %d and %q", code, out.String(), err.String(), c.code, c.want)
			}
		})
	}
}

// TestShell evaluates what env prints in a real shell, from a directory whose name tries to be code.
func TestShell(t *testing.T) {
	t.Parallel()
	dir := "/tmp/it's $(touch pwned) \"quoted\""
	code := shell(endpoint{URL: "https://127.0.0.1:9443", Region: "eu-west-1"}, dir)
	for _, sh := range []string{"sh", "bash"} {
		for version, wrapped := range map[string]bool{
			"aws-cli/2.9.19 Python": true, "aws-cli/1.22.34 Python": true, "aws-cli/1.45.11 Python": false, "aws-cli/2.13.0 Python": false, "aws-cli/2.31.5 Python": false,
		} {
			bin := t.TempDir()
			script := "#!/bin/sh\n[ \"$1\" = --version ] && echo '" + version + "' && exit\necho \"called:$*\"\n"
			if err := os.WriteFile(filepath.Join(bin, "aws"), []byte(script), 0o700); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(sh, "-c", code+`printf '%s\n' "$AWS_SHARED_CREDENTIALS_FILE" "$AWS_REGION" "${AWS_PROFILE-unset}"; aws s3 ls`)
			cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin", "AWS_PROFILE=mine", "AWS_ACCESS_KEY_ID=AKIA"}
			cmd.Dir = bin
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v\n%s", sh, err, out)
			}
			want := dir + "/credentials\neu-west-1\nunset\ncalled:s3 ls\n"
			if wrapped {
				want = strings.Replace(want, "called:", "called:--endpoint-url https://127.0.0.1:9443 ", 1)
			}
			if string(out) != want {
				t.Errorf("%s, %s: got %q, want %q", sh, version, out, want)
			}
			if _, err := os.Stat(filepath.Join(bin, "pwned")); err == nil {
				t.Errorf("%s ran code from a directory's name", sh)
			}
		}
	}
}

// TestSessionPolicyOfPackage: the playlist of an HLS package opens its directory, never a bucket whose name only begins like that of its own.
func TestSessionPolicyOfPackage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, key        string
		allowed, refused []string
	}{
		{"in a directory", "film/*/main.m3u8", []string{"in/film/*/main.m3u8", "in/film/*/v/1.ts"}, []string{"in/film/x/1.ts", "in/film/1.ts", "in/1.ts", "in2/film/*/1.ts"}},
		{"at the top", "main.m3u8", []string{"in/main.m3u8", "in/v/1.ts"}, []string{"in2/main.m3u8", "in-secret/1.ts", "in"}},
		{"no playlist", "film/main.mp4", []string{"in/film/main.mp4"}, []string{"in/film/main.mp4.ts", "in/film/1.ts"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			text, err := sessionPolicy(plan.Access{
				Inputs:  []plan.Input{{Object: plan.Location{Bucket: "in", Key: c.key}}},
				Outputs: []plan.Location{{Bucket: "out", Key: "x/film"}},
			}, "us-east-1")
			if err != nil {
				t.Fatal(err)
			}
			session, err := iam.Parse(iam.IdentityPolicy, "session", text)
			if err != nil {
				t.Fatal(err)
			}
			who := iam.Principal{Type: iam.AssumedRole, Account: "000000000000", ARN: "arn:aws:sts::000000000000:assumed-role/MediaConvert_Default_Role/s", Policies: []*iam.Policy{session}}
			may := func(action, object string) bool {
				return iam.Authorize(&iam.Request{Principal: who, Check: iam.Check{Action: action, Resource: "arn:aws:s3:::" + object, Owner: "000000000000"}}).Allowed()
			}
			for _, object := range c.allowed {
				if !may("s3:GetObject", object) {
					t.Errorf("%s cannot be read", object)
				}
				for _, action := range []string{"s3:PutObject", "s3:DeleteObject"} {
					if may(action, object) {
						t.Errorf("%s of %s is allowed", action, object)
					}
				}
			}
			for _, object := range c.refused {
				if may("s3:GetObject", object) {
					t.Errorf("%s can be read", object)
				}
			}
			if may("s3:ListBucket", "in") {
				t.Error("the bucket can be listed")
			}
		})
	}
}

// TestSessionPolicy: the credentials of a lease read the one input and write below the destinations, and nothing else.
func TestSessionPolicy(t *testing.T) {
	t.Parallel()
	text, err := sessionPolicy(plan.Access{
		Inputs:  []plan.Input{{Object: plan.Location{Bucket: "in", Key: "a/*.mp4"}}, {URL: "https://host/film.mp4"}},
		Outputs: []plan.Location{{Bucket: "out", Key: "x/film"}},
	}, "us-east-1")
	if err != nil {
		t.Fatal(err)
	}
	session, err := iam.Parse(iam.IdentityPolicy, "session", text)
	if err != nil {
		t.Fatal(err)
	}
	who := iam.Principal{Type: iam.AssumedRole, Account: "000000000000", ARN: "arn:aws:sts::000000000000:assumed-role/MediaConvert_Default_Role/s", Policies: []*iam.Policy{session}}
	for _, c := range []struct {
		action, resource string
		allowed          bool
	}{
		{"s3:GetObject", "arn:aws:s3:::in/a/*.mp4", true},
		{"s3:PutObject", "arn:aws:s3:::out/x/film_720.mp4", true},
		{"s3:AbortMultipartUpload", "arn:aws:s3:::out/x/film.mp4", true},
		{"s3:GetObject", "arn:aws:s3:::in/a/other.mp4", false},
		{"s3:GetObject", "arn:aws:s3:::out/x/film.mp4", false},
		{"s3:PutObject", "arn:aws:s3:::in/a/*.mp4", false},
		{"s3:PutObject", "arn:aws:s3:::out/x/other.mp4", false},
		{"s3:PutObject", "arn:aws:s3:::out2/x/film.mp4", false},
		{"s3:DeleteObject", "arn:aws:s3:::out/x/film.mp4", false},
		{"s3:ListBucket", "arn:aws:s3:::in", false},
		{"s3:ListAllMyBuckets", "*", false},
		{"s3:CreateBucket", "arn:aws:s3:::new", false},
		{"mediaconvert:CreateJob", "arn:aws:mediaconvert:us-east-1:000000000000:queues/Default", false},
		{"iam:PassRole", "arn:aws:iam::000000000000:role/MediaConvert_Default_Role", false},
	} {
		d := iam.Authorize(&iam.Request{Principal: who, Check: iam.Check{Action: c.action, Resource: c.resource, Owner: "000000000000"}})
		if d.Allowed() != c.allowed {
			t.Errorf("%s on %s: allowed %v, want %v", c.action, c.resource, d.Allowed(), c.allowed)
		}
	}
}
