package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestFIPS builds the program with the certified module, and has it carry out a job.
func TestFIPS(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "darkroom")
	build := exec.Command("make", "build", "FIPS=1", "OUT="+path)
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("make build FIPS=1: %v\n%s", err, out)
	}
	if out, stderr, _ := try(t, nil, path, "doctor"); !strings.Contains(out, "on: Go Cryptographic Module v1.0.0") {
		t.Errorf("doctor says\n%s%s", out, stderr)
	}
	if out, _, _ := try(t, nil, binary, "doctor"); !strings.Contains(out, "FIPS 140-3           off") {
		t.Errorf("doctor of a program without says\n%s", out)
	}
	s := serveBinary(t, path, "--fips", "approved")
	s.upload("films", "in/clip.mp4", clip(t, 1))
	s.finish(s.submit(job(short("s3://films/in/clip.mp4", "s3://films/out/"))))
	if got := s.download("films", "out/"); len(files(t, got)) != 1 {
		t.Errorf("the outputs are %v", files(t, got))
	}
	gcm := strings.Replace(short("s3://films/in/clip.mp4", "s3://films/out/"), `"FileInput"`, `"DecryptionSettings": {"DecryptionMode": "AES_GCM", `+
		`"EncryptedDecryptionKey": "AQICAHhMYmFzZTY0IG9mIGEgY2lwaGVydGV4dA==", "InitializationVector": "AAECAwQFBgcICQoL"}, "FileInput"`, 1)
	_, err := s.mediaconvert().CreateJob(t.Context(), request(t, job(gcm)))
	if err == nil || !strings.Contains(err.Error(), "Not offered by this installation: /inputs/0/decryptionSettings/decryptionMode") {
		t.Errorf("an AES_GCM input with fips: approved: %v", err)
	}
	if !strings.Contains(s.log.String(), "Go Cryptographic Module v1.0.0") {
		t.Errorf("the log does not say the mode:\n%s", s.log.String())
	}
	if out, stderr, err := try(t, append(os.Environ(), "GODEBUG=fips140=only"), path, "serve", "--data", t.TempDir()); err == nil || !strings.Contains(stderr, "fips140=only cannot be used") {
		t.Errorf("fips140=only: %v\n%s%s", err, out, stderr)
	}
}
