package test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// step is a line of operations.json: what every client is asked to do.
type step struct {
	Call  string
	Input json.RawMessage
	Keep  map[string][]string // variables that are taken from the answer
	Until []string            // statuses of a job that the call is repeated for
	Error string              // the exception that is expected
}

// result is what a client got of a step; nil is a step that its model does not know.
type result struct {
	Error, Message string
	Output         map[string]any
}

// TestClientsAgree has every client do all operations that its model knows, one after another against one server, and compares what they got:
// where two of them know a member, they got the same value.
func TestClientsAgree(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("operations.json")
	if err != nil {
		t.Fatal(err)
	}
	var steps []step
	if err := json.Unmarshal(text, &steps); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join("node", "node_modules", "@aws-sdk")); err != nil {
		absent(t, "the SDK for JavaScript is not installed: make deps-test")
	}
	python := "/usr/bin/python3" // Debian's, which has Debian's python3-boto3
	if _, _, err := try(t, nil, python, "-c", "import boto3"); err != nil {
		absent(t, "boto3 is not installed")
	}
	s := serve(t)
	s.upload("films", "in/clip.mp4", clip(t, 2))
	variables := map[string]string{"$role": role, "$file": "s3://films/in/clip.mp4", "$certificate": *s.certificate("agree.example")}
	given, err := json.Marshal(variables)
	if err != nil {
		t.Fatal(err)
	}
	read := func(out string) (r []*result) {
		t.Helper()
		if err := json.Unmarshal([]byte(out), &r); err != nil || len(r) != len(steps) {
			t.Fatalf("%d results, %v: %s", len(r), err, out)
		}
		return r
	}
	got := map[string][]*result{
		"JavaScript": read(run(t, s.env(), need(t, "node"), filepath.Join("node", "client.mjs"), "operations.json", string(given))),
		"boto3":      read(run(t, s.env(), python, filepath.Join("python", "client.py"), "operations.json", string(given))),
		"AWS CLI":    s.script(steps, variables),
	}
	compared := 0
	known := map[string]int{}
	for i, step := range steps {
		newest := got["JavaScript"][i]
		for name, results := range got {
			r := results[i]
			if r == nil {
				continue
			}
			known[name]++
			if r.Error != step.Error {
				t.Errorf("%s, step %d %s: got %q, want %q: %s", name, i, step.Call, r.Error, step.Error, r.Message)
			}
			if masked(r.Message) != masked(newest.Message) {
				t.Errorf("%s, step %d %s: got the message\n%s\nand JavaScript\n%s", name, i, step.Call, r.Message, newest.Message)
			}
			compared += agree(t, fmt.Sprintf("%s, step %d %s", name, i, step.Call), r.Output, newest.Output)
		}
	}
	if known["JavaScript"] != len(steps) || known["boto3"] < 45 || known["AWS CLI"] < 45 || compared < 500 {
		t.Errorf("known steps: %v; %d values were compared", known, compared)
	}
	calls := map[string]bool{}
	for _, s := range steps {
		calls[s.Call] = true
	}
	if len(calls) != 34 {
		t.Errorf("the script has %d operations", len(calls))
	}
	complete := slices.IndexFunc(steps, func(s step) bool { return s.Until != nil })
	if job, _ := got["boto3"][complete].Output["Job"].(map[string]any); job["Status"] != "COMPLETE" || job["Priority"] != 3.0 || job["HopDestinations"] == nil {
		t.Errorf("the job: %v", job)
	}
	probe := slices.IndexFunc(steps, func(s step) bool { return s.Call == "Probe" })
	if files, _ := got["JavaScript"][probe].Output["ProbeResults"].([]any); len(files) != 1 {
		t.Errorf("Probe: %v", got["JavaScript"][probe].Output)
	}
}

// moments and names that differ from client to client, because each does it all again.
var own = regexp.MustCompile(`^(Id|CreatedAt|LastUpdated|SubmitTime|StartTime|FinishTime|Timing|NextToken|Url|LastModified|ETag|ClientRequestToken|PurchasedAt|ExpiresAt)$`)

// agree compares what both know, and says how many values that are.
func agree(t *testing.T, where string, a, b any) int {
	t.Helper()
	switch a := a.(type) {
	case map[string]any:
		other, ok := b.(map[string]any)
		if !ok {
			t.Errorf("%s: %v and %v", where, a, b)
			return 0
		}
		n := 0
		for k, v := range a {
			if w, ok := other[k]; ok && !own.MatchString(k) {
				n += agree(t, where+"."+k, v, w)
			} else if !ok && !own.MatchString(k) {
				t.Errorf("%s: the newest client has no %s", where, k)
			}
		}
		return n
	case []any:
		other, ok := b.([]any)
		if !ok || len(a) != len(other) {
			t.Errorf("%s: %v and %v", where, a, b)
			return 0
		}
		n := 0
		for i := range a {
			n += agree(t, fmt.Sprintf("%s[%d]", where, i), a[i], other[i])
		}
		return n
	case string:
		other, _ := b.(string)
		if masked(a) != masked(other) {
			t.Errorf("%s: %q and %q", where, a, b)
		}
		return 1
	}
	if a != b {
		t.Errorf("%s: %v and %v", where, a, b)
	}
	return 1
}

var jobID = regexp.MustCompile(`\d{13}-[a-z0-9]{6}`)

func masked(s string) string { return jobID.ReplaceAllString(s, "JOB") }

var failed = regexp.MustCompile(`(?s)An error occurred \((\w+)\) when calling the \w+ operation(?: \(reached max retries: \d\))?: (.*?)\s*$`)

// script does the steps with the AWS CLI.
func (s *server) script(steps []step, given map[string]string) []*result {
	s.t.Helper()
	var all []*result
	variables := map[string]string{}
	for k, v := range given {
		variables[k] = v
	}
	dir := s.t.TempDir()
	for i, step := range steps {
		text := string(step.Input)
		for k, v := range variables {
			text = strings.ReplaceAll(text, `"`+k+`"`, `"`+v+`"`)
		}
		file := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			s.t.Fatal(err)
		}
		name := regexp.MustCompile(`[A-Z]`).ReplaceAllStringFunc(step.Call, func(l string) string { return "-" + strings.ToLower(l) })[1:]
		r := &result{}
		for {
			out, stderr, err := s.tryAWS("mediaconvert", name, "--output", "json", "--no-paginate", "--cli-input-json", "file://"+file)
			if m := failed.FindStringSubmatch(stderr); m != nil {
				r.Error, r.Message = m[1], m[2]
			} else if strings.Contains(stderr, "nvalid choice") {
				r = nil
			} else if err != nil {
				s.t.Fatalf("step %d %s: %v\n%s", i, name, err, stderr)
			} else if out = strings.TrimSpace(out); out != "" {
				if err := json.Unmarshal([]byte(out), &r.Output); err != nil {
					s.t.Fatalf("step %d %s: %v\n%s", i, name, err, out)
				}
			}
			job, _ := func() (map[string]any, bool) { j, ok := r.output()["Job"].(map[string]any); return j, ok }()
			if step.Until == nil || slices.Contains(step.Until, fmt.Sprint(job["Status"])) {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		for k, path := range step.Keep {
			var v any = r.output()
			for _, p := range path {
				v, _ = v.(map[string]any)[p]
			}
			variables[k] = fmt.Sprint(v)
		}
		all = append(all, r)
	}
	return all
}

func (r *result) output() map[string]any {
	if r == nil {
		return nil
	}
	return r.Output
}
