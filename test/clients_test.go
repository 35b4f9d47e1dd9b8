package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// debianCLI is the AWS CLI of Debian 12, which knows no AWS_ENDPOINT_URL and sends the older forms of uploads.
const debianCLI = "/usr/bin/aws"

// TestCLI carries a job from upload to playing output with each AWS CLI that is here, in a shell that `darkroom env` set up.
func TestCLI(t *testing.T) {
	t.Parallel()
	source := clip(t, 4)
	paths := []string{need(t, "aws")}
	if _, err := os.Stat(debianCLI); err == nil && paths[0] != debianCLI {
		paths = append(paths, debianCLI)
	}
	for _, path := range paths {
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) {
			s := serve(t)
			s.cli = filepath.Dir(path)
			dir := t.TempDir()
			s.aws("s3", "mb", "s3://films")
			s.aws("s3", "cp", "--quiet", source, "s3://films/in dir/clip.mp4")
			if err := os.WriteFile(filepath.Join(dir, "job.json"), []byte(job(settings("s3://films/in dir/clip.mp4", "s3://films/out"))), 0o600); err != nil {
				t.Fatal(err)
			}
			id := s.aws("mediaconvert", "create-job", "--cli-input-json", "file://"+filepath.Join(dir, "job.json"), "--query", "Job.Id", "--output", "text")
			s.finish(id)
			if got := s.aws("mediaconvert", "get-job", "--id", id, "--query", "Job.[Status,JobPercentComplete,Queue]", "--output", "text"); got != "COMPLETE\t100\tarn:aws:mediaconvert:us-east-1:000000000000:queues/Default" {
				t.Errorf("get-job: %q", got)
			}
			if got := s.aws("mediaconvert", "list-jobs", "--status", "COMPLETE", "--query", "Jobs[].Id", "--output", "text"); got != id {
				t.Errorf("list-jobs: %q", got)
			}
			if got := s.aws("mediaconvert", "describe-endpoints", "--query", "Endpoints[0].Url", "--output", "text"); got != s.url {
				t.Errorf("describe-endpoints: %q, want %q", got, s.url)
			}
			s.aws("s3", "cp", "--quiet", "--recursive", "s3://films/out", filepath.Join(dir, "out"))
			checkOutputs(t, filepath.Join(dir, "out"), "clip", "100")

			for _, tt := range []struct {
				args []string
				says string
			}{
				{[]string{"mediaconvert", "get-job", "--id", "1700000000000-abcdef"}, "(NotFoundException)"},
				{[]string{"mediaconvert", "create-queue", "--name", "Default"}, "(ConflictException)"},
				{[]string{"s3", "cp", "s3://films/none", dir}, "(404)"},
				{[]string{"s3", "ls", "s3://none"}, "(NoSuchBucket)"},
			} {
				if _, stderr, err := s.tryAWS(tt.args...); err == nil || !strings.Contains(stderr, tt.says) {
					t.Errorf("aws %s: got %q, want %q in it", strings.Join(tt.args, " "), stderr, tt.says)
				}
			}
		})
	}
}

// TestBoto3 carries a job with boto3 as its users write it: with ClientRequestToken, tags, metadata, a waiter of their own, and exceptions by
// name.
func TestBoto3(t *testing.T) {
	t.Parallel()
	python := "/usr/bin/python3" // Debian's, which has Debian's python3-boto3
	if _, _, err := try(t, nil, python, "-c", "import boto3"); err != nil {
		absent(t, "boto3 is not installed")
	}
	s := serve(t)
	s.upload("films", "in/clip.mp4", clip(t, 4))
	dir := t.TempDir()
	script := `
import boto3, json, os, sys, time
from botocore.exceptions import ClientError
url, settings, out = os.environ["AWS_ENDPOINT_URL"], json.loads(sys.argv[1]), sys.argv[2]
s3 = boto3.client("s3", endpoint_url=url)
mc = boto3.client("mediaconvert", endpoint_url=url)
request = dict(Role=sys.argv[3], Settings=settings, ClientRequestToken="token-1", UserMetadata={"who": "boto3"}, Priority=5)
first = mc.create_job(**request)["Job"]
assert mc.create_job(**request)["Job"]["Id"] == first["Id"], "a repeated token made another job"
try:
    mc.create_job(**dict(request, Priority=6))
    sys.exit("a token was taken for another request")
except mc.exceptions.ConflictException as e:
    pass
while True:
    job = mc.get_job(Id=first["Id"])["Job"]
    if job["Status"] in ("COMPLETE", "ERROR", "CANCELED"):
        break
    time.sleep(0.1)
assert job["Status"] == "COMPLETE", job
assert job["UserMetadata"] == {"who": "boto3"} and job["Priority"] == 5 and job["Settings"]["Inputs"][0]["FileInput"] == settings["Inputs"][0]["FileInput"], job
groups = job["OutputGroupDetails"]
assert [len(g["OutputDetails"]) for g in groups] == [1, 2, 1], groups
assert groups[1]["OutputDetails"][1]["VideoDetails"] == {"WidthInPx": 640, "HeightInPx": 360}, groups
assert all(abs(o["DurationInMs"] - 4000) < 100 for g in groups[:2] for o in g["OutputDetails"]), groups
assert job["Timing"]["SubmitTime"] <= job["Timing"]["StartTime"] <= job["Timing"]["FinishTime"], job["Timing"]
assert [q["Name"] for q in mc.list_queues()["Queues"]] == ["Default"]
assert mc.get_queue(Name="Default")["Queue"]["Status"] == "ACTIVE"
try:
    mc.create_job(Role=sys.argv[3], Settings={"Inputs": [], "OutputGroups": []})
    sys.exit("an empty job was taken")
except mc.exceptions.BadRequestException as e:
    assert "inputs" in str(e).lower(), e
try:
    mc.cancel_job(Id=first["Id"])
    sys.exit("a finished job was canceled")
except mc.exceptions.ConflictException:
    pass
for page in s3.get_paginator("list_objects_v2").paginate(Bucket="films", Prefix="out/", PaginationConfig={"PageSize": 3}):
    for o in page["Contents"]:
        path = os.path.join(out, o["Key"][len("out/"):])
        os.makedirs(os.path.dirname(path), exist_ok=True)
        s3.download_file("films", o["Key"], path)
`
	run(t, s.env(), python, "-c", script, settings("s3://films/in/clip.mp4", "s3://films/out"), dir, role)
	checkOutputs(t, dir, "clip", "100")
}

// TestGoSDK carries a job with the Go SDK, and lists many.
func TestGoSDK(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.upload("films", "in/clip.mp4", clip(t, 4))
	c, ctx := s.mediaconvert(), t.Context()
	id := s.submit(job(settings("s3://films/in/clip.mp4", "s3://films/out")))
	percents := []int32{}
	done := s.until(id, func(j *types.Job) bool {
		if p := aws.ToInt32(j.JobPercentComplete); j.JobPercentComplete != nil && (len(percents) == 0 || percents[len(percents)-1] != p) {
			percents = append(percents, p)
		}
		return final(j)
	})
	if done.Status != types.JobStatusComplete || !slices.IsSorted(percents) || percents[len(percents)-1] != 100 {
		t.Errorf("%s, percents seen: %v", done.Status, percents)
	}
	checkOutputs(t, s.download("films", "out/"), "clip", "100")

	// These stay, for their inputs are not there; they are many pages.
	want := []string{id}
	for i := range 7 {
		want = append(want, s.submit(job(short(fmt.Sprintf("s3://films/in/missing%d.mp4", i), "s3://films/none/"))))
	}
	for _, id := range want {
		s.until(id, final)
	}
	for order, turned := range map[types.Order]bool{types.OrderAscending: false, types.OrderDescending: true} {
		var got []string
		pages := mediaconvert.NewListJobsPaginator(c, &mediaconvert.ListJobsInput{MaxResults: aws.Int32(3), Order: order})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if len(page.Jobs) > 3 {
				t.Errorf("a page of %d", len(page.Jobs))
			}
			for _, j := range page.Jobs {
				got = append(got, *j.Id)
			}
		}
		if turned {
			slices.Reverse(got)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", order, got, want)
		}
	}
	failed, err := c.ListJobs(ctx, &mediaconvert.ListJobsInput{Status: types.JobStatusError})
	if err != nil || len(failed.Jobs) != 7 {
		t.Fatalf("errors: %d, %v", len(failed.Jobs), err)
	}
	if j := failed.Jobs[0]; aws.ToInt32(j.ErrorCode) != 1404 || aws.ToString(j.ErrorMessage) == "" {
		t.Errorf("a missing input: %d %s", aws.ToInt32(j.ErrorCode), aws.ToString(j.ErrorMessage))
	}

	// Refusals come as the SDK's own types, with a message that says which member.
	for _, tt := range []struct {
		name, body string
		want       any
		says       string
	}{
		{"no input", job(`{"OutputGroups": []}`), new(*types.BadRequestException), "inputs"},
		{"role of another name", `{"Role": "arn:aws:iam::000000000000:role/Other", "Settings": ` + short("s3://films/in/clip.mp4", "s3://films/x/") + `}`, new(*types.BadRequestException), "does not exist"},
		{"width out of range", job(strings.Replace(short("s3://films/in/clip.mp4", "s3://films/x/"), `"Width": 160`, `"Width": 7`, 1)), new(*types.BadRequestException), "width"},
		{"what is not carried out", job(strings.Replace(short("s3://films/in/clip.mp4", "s3://films/x/"), `"Container": "MP4"`, `"Container": "MXF"`, 1)), new(*types.BadRequestException), "container"},
	} {
		_, err := c.CreateJob(ctx, request(t, tt.body))
		if !errors.As(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v, want %T with %q", tt.name, err, tt.want, tt.says)
		}
	}
}

// TestCancel ends a running job, which leaves nothing behind: no output, no upload, no encoder.
func TestCancel(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.upload("films", "in/long.mp4", clip(t, 60))
	running := s.submit(job(settings("s3://films/in/long.mp4", "s3://films/out")))
	waiting := s.submit(job(short("s3://films/in/long.mp4", "s3://films/waiting/")))
	s.until(running, func(j *types.Job) bool {
		return j.CurrentPhase == types.JobPhaseTranscoding && aws.ToInt32(j.JobPercentComplete) > 5
	})
	encoders := s.encoders()
	if len(encoders) == 0 {
		t.Fatal("no encoder runs")
	}
	for _, id := range []string{waiting, running} {
		if _, err := s.mediaconvert().CancelJob(t.Context(), &mediaconvert.CancelJobInput{Id: &id}); err != nil {
			t.Fatal(err)
		}
		if j := s.until(id, final); j.Status != types.JobStatusCanceled {
			t.Errorf("%s: %s", id, j.Status)
		}
	}
	s.eventually("the encoder is gone", func() bool { return len(s.encoders()) == 0 })
	s.eventually("no upload is open", func() bool { return s.uploads("films") == 0 })
	for name := range files(t, s.download("films", "out/")) {
		if filepath.Ext(name) != ".ts" && filepath.Ext(name) != ".jpg" {
			t.Errorf("left: %s", name)
		}
	}
	// The worker goes on with the next.
	s.upload("films", "in/clip.mp4", clip(t, 4))
	s.finish(s.submit(job(short("s3://films/in/clip.mp4", "s3://films/next/"))))
}

// TestRun is `darkroom run` and `darkroom probe`, which need no server.
func TestRun(t *testing.T) {
	t.Parallel()
	need(t, "ffmpeg")
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	for _, d := range []string{in, out} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(clip(t, 4))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(in, "clip.mp4"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "job.json")
	if err := os.WriteFile(file, []byte(job(settings("s3://in/clip.mp4", "s3://out"))), 0o600); err != nil {
		t.Fatal(err)
	}
	text := run(t, nil, binary, "run", file, "--bucket", "in="+in, "--bucket", "out="+out, "--json")
	var last struct {
		Status string `json:"status"`
	}
	if err := json.Unmarshal([]byte(text), &last); err != nil || last.Status != "COMPLETE" {
		t.Errorf("got %v: %s", err, text)
	}
	checkOutputs(t, out, "clip", "100")
	seen := run(t, nil, binary, "probe", filepath.Join(in, "clip.mp4"))
	if !strings.Contains(seen, "640") || !strings.Contains(strings.ToLower(seen), "aac") {
		t.Errorf("probe: %s", seen)
	}
	if err := os.WriteFile(file, []byte(job(settings("s3://in/none.mp4", "s3://out"))), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, err := try(t, nil, binary, "run", file, "--bucket", "in="+in, "--bucket", "out="+out)
	if err == nil || !strings.Contains(stdout+stderr, "1404") && !strings.Contains(stdout+stderr, "1401") {
		t.Errorf("a missing input: %v\n%s%s", err, stdout, stderr)
	}

	// What stands outside the settings is judged too, and a file is called by its own name.
	none := filepath.Join(in, "none.mp4")
	fast := strings.Replace(job(settings("s3://in/clip.mp4", "s3://out")), "{", `{"AccelerationSettings": {"Mode": "ENABLED"}, `, 1)
	odd := strings.Replace(job(settings("s3://in/clip.mp4", "s3://out")), "{", `{"Bogus": 1, `, 1)
	for _, tt := range []struct {
		name, body string
		args       []string
		says       string
	}{
		{"run", fast, []string{"run", file, "--bucket", "in=" + in, "--bucket", "out=" + out}, "not offered by this installation: /accelerationSettings/mode: ENABLED"},
		{"lint", fast, []string{"lint", file}, "not offered: /accelerationSettings/mode: ENABLED"},
		{"lint of an unknown member", odd, []string{"lint", file}, `job.json:1: error: unknown member "Bogus"`},
		{"probe of nothing", "", []string{"probe", none}, "The file " + none + " does not exist. Check its path."},
		{"probe of no film", "no film", []string{"probe", file}, "The file " + file + " is not in a container"},
	} {
		if err := os.WriteFile(file, []byte(tt.body), 0o600); err != nil {
			t.Fatal(err)
		}
		if stdout, stderr, err := try(t, nil, binary, tt.args...); err == nil || !strings.Contains(stdout+stderr, tt.says) {
			t.Errorf("%s: got %v %q%q, want %q", tt.name, err, stdout, stderr, tt.says)
		}
	}
}
