package test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/google/go-cmp/cmp"
)

// phase says whether a job has come to a phase.
func phase(p types.JobPhase) func(*types.Job) bool {
	return func(j *types.Job) bool { return j.CurrentPhase == p || final(j) }
}

// TestKilled kills the server in each phase of a job: after its restart the job ends with the outputs of an undisturbed one, and nothing
// else is left of what was cut off.
func TestKilled(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.upload("films", "in/clip.mp4", clip(t, 12))
	// reach submits jobs until one is seen where it is to be killed: a phase may pass between two looks.
	reach := func(name string, seen func(*types.Job) bool) (id, prefix string) {
		for i := range 20 {
			prefix = fmt.Sprintf("%s-%d/", name, i)
			id = s.submit(job(settings("s3://films/in/clip.mp4", "s3://films/"+strings.TrimSuffix(prefix, "/"))))
			if j := s.until(id, func(j *types.Job) bool { return final(j) || seen(j) }); !final(j) {
				t.Logf("%s: seen at job %d", name, i+1)
				return id, prefix
			}
		}
		t.Fatalf("%s: never seen", name)
		return "", ""
	}
	run := func(name string, seen func(*types.Job) bool) map[string]string {
		id, prefix := reach(name, seen)
		if name != "undisturbed" {
			children := children(t, s.cmd.Process.Pid)
			s.kill()
			for pid, line := range children {
				s.eventually(fmt.Sprintf("process %d is gone: %s", pid, line), func() bool { return gone(pid) })
			}
		}
		if j := s.finish(id); aws.ToInt32(j.RetryCount) > 1 {
			t.Errorf("%s: %d retries", name, aws.ToInt32(j.RetryCount))
		}
		s.eventually("no upload is open", func() bool { return s.uploads("films") == 0 })
		return shapes(t, s.download("films", prefix))
	}
	want := run("undisturbed", func(*types.Job) bool { return true })
	if len(want) < 15 {
		t.Fatalf("only %d outputs", len(want))
	}
	for name, seen := range map[string]func(*types.Job) bool{
		"submitted":   func(*types.Job) bool { return true },
		"probing":     phase(types.JobPhaseProbing),
		"transcoding": phase(types.JobPhaseTranscoding),
		"half": func(j *types.Job) bool {
			return j.CurrentPhase == types.JobPhaseTranscoding && aws.ToInt32(j.JobPercentComplete) >= 40
		},
		"uploading": phase(types.JobPhaseUploading),
	} {
		if diff := cmp.Diff(want, run(name, seen)); diff != "" {
			t.Errorf("%s: the outputs differ (-undisturbed +killed): %s", name, diff)
		}
	}
}

// shapes are the names below a directory, each with what two encodings of one film have in common. Their bytes are not: with several threads
// and a buffer to respect, x264 chooses a macroblock's quantizer by how far the other threads happen to be.
func shapes(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := files(t, dir)
	for name := range out {
		path := filepath.Join(dir, name)
		switch filepath.Ext(name) {
		case ".mp4", ".ts":
			packets := strings.Fields(run(t, nil, "ffprobe", "-v", "error", "-show_entries", "packet=codec_type,pts,duration", "-of", "csv=p=0", path))
			slices.Sort(packets)
			out[name] = strings.Join(packets, " ")
		case ".m3u8":
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			out[name] = bandwidth.ReplaceAllString(string(b), "BANDWIDTH=")
		}
	}
	return out
}

var bandwidth = regexp.MustCompile(`BANDWIDTH=\d+`)

// gone says whether a process has ended; one that its parent has not yet asked after counts.
func gone(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.HasPrefix(string(b[bytes.LastIndexByte(b, ')')+1:]), " Z")
}

// TestWorkerKilled kills the worker alone: the server starts another, which takes the job up.
func TestWorkerKilled(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.upload("films", "in/clip.mp4", clip(t, 12))
	id := s.submit(job(settings("s3://films/in/clip.mp4", "s3://films/out")))
	s.until(id, phase(types.JobPhaseTranscoding))
	worker := 0
	for pid, line := range children(t, s.cmd.Process.Pid) {
		if strings.Contains(line, " worker") {
			worker = pid
		}
	}
	if worker == 0 {
		t.Fatalf("no worker among %v", children(t, s.cmd.Process.Pid))
	}
	encoders := s.encoders()
	if err := syscall.Kill(worker, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for _, pid := range encoders {
		s.eventually("the worker's encoder is gone", func() bool { return gone(pid) })
	}
	if j := s.finish(id); aws.ToInt32(j.RetryCount) != 1 {
		t.Errorf("retries: %d, want 1", aws.ToInt32(j.RetryCount))
	}
	checkOutputs(t, s.download("films", "out/"), "clip", "300")
	s.eventually("no upload is open", func() bool { return s.uploads("films") == 0 })
}

// TestBurst: every job that was accepted before a kill is there after it, and ends.
func TestBurst(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.upload("films", "in/clip.mp4", clip(t, 1))
	const clients, each = 4, 5
	answers := make(chan string, clients*each)
	errs := make(chan error, clients)
	c := s.mediaconvert()
	for n := range clients {
		go func() {
			for i := range each {
				out, err := c.CreateJob(t.Context(), request(t, job(short("s3://films/in/clip.mp4", fmt.Sprintf("s3://films/out/%d-%d/", n, i)))))
				if err != nil {
					errs <- err
					return
				}
				answers <- *out.Job.Id
			}
			errs <- nil
		}()
	}
	for range clients {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	s.kill()
	close(answers)
	for id := range answers {
		s.finish(id)
	}
	if got := len(files(t, s.download("films", "out/"))); got != clients*each {
		t.Errorf("%d outputs, want %d", got, clients*each)
	}
}

// TestDrain: on SIGTERM the server lets its job end while --drain lasts, and gives it back when it does not.
func TestDrain(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		drain   string
		seconds int
		ends    bool
	}{"ample": {"2m", 12, true}, "short": {"100ms", 60, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, "--drain", tt.drain)
			s.upload("films", "in/clip.mp4", clip(t, tt.seconds))
			id := s.submit(job(settings("s3://films/in/clip.mp4", "s3://films/out")))
			s.until(id, phase(types.JobPhaseTranscoding))
			s.stop()
			s.start()
			out, err := s.mediaconvert().GetJob(t.Context(), &mediaconvert.GetJobInput{Id: &id})
			if err != nil {
				t.Fatal(err)
			}
			if ended := out.Job.Status == types.JobStatusComplete; ended != tt.ends {
				t.Errorf("after the restart: %s", out.Job.Status)
			}
			j := s.finish(id)
			if aws.ToInt32(j.RetryCount) != 0 {
				t.Errorf("%d retries: a drain is nobody's failure", aws.ToInt32(j.RetryCount))
			}
			checkOutputs(t, s.download("films", "out/"), "clip", fmt.Sprint(25*tt.seconds))
		})
	}
}

// TestOneServer: a second server on the same directory refuses to start and disturbs nothing.
func TestOneServer(t *testing.T) {
	t.Parallel()
	s := serve(t)
	out, err := exec.Command(binary, "serve", "--data", s.data, "--listen", "127.0.0.1:0").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "another") {
		t.Errorf("got %v: %s", err, out)
	}
	s.upload("films", "in/clip.mp4", clip(t, 1))
	s.finish(s.submit(job(short("s3://films/in/clip.mp4", "s3://films/out/"))))
}
