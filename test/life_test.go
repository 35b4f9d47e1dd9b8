package test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	ita "github.com/in-toto/attestation/go/v1"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"google.golang.org/protobuf/encoding/protojson"

	"darkroom/internal/provenance"
)

// TestHold puts things under a legal hold: by no call of any API are they deleted or overwritten, nor is the key that opens them, also after a crash; and they are when
// the hold is released.
func TestHold(t *testing.T) {
	t.Parallel()
	s := serve(t)
	film := clip(t, 4)
	s.upload("films", "in/clip.mp4", film)
	s.upload("films", "held/film.mp4", film)
	s.upload("empty", "x", film)
	p := s.admin()
	p.aws("s3api", "delete-object", "--bucket", "empty", "--key", "x")
	key := p.aws("kms", "create-key", "--query", "KeyMetadata.KeyId")
	other := p.aws("kms", "create-key", "--query", "KeyMetadata.KeyId")
	p.aws("s3api", "put-object", "--bucket", "films", "--key", "held/sealed", "--body", film, "--server-side-encryption", "aws:kms", "--ssekms-key-id", key)
	job1 := s.submit(job(short("s3://films/in/clip.mp4", "s3://films/out/")))
	s.finish(job1)

	hold := func(what ...string) string {
		t.Helper()
		return strings.TrimSpace(run(t, nil, binary, append(append([]string{"hold", "add"}, what...), "--reason", "case 7", "--data", s.data)...))
	}
	id := hold("s3://films/held/")
	onEmpty := hold("s3://empty")
	onJob := hold("job", job1)
	hold("records")
	const protected = "object protected by object lock"
	check := func() {
		t.Helper()
		p := s.admin()
		p.refused("AccessDenied", says(protected, id), "s3api", "delete-object", "--bucket", "films", "--key", "held/film.mp4")
		p.refused("AccessDenied", says(protected, id), "s3api", "put-object", "--bucket", "films", "--key", "held/film.mp4", "--body", film)
		p.refused("AccessDenied", says(protected, id), "s3api", "copy-object", "--bucket", "films", "--key", "held/film.mp4", "--copy-source", "films/in/clip.mp4")
		p.refused("AccessDenied", says(protected, onEmpty), "s3api", "delete-bucket", "--bucket", "empty")
		if out := p.aws("s3api", "delete-objects", "--bucket", "films", "--delete", `{"Objects":[{"Key":"held/film.mp4"}]}`, "--query", "Errors[].Code"); !strings.Contains(out, "AccessDenied") {
			t.Errorf("delete-objects: %s", out)
		}
		p.refused("AccessDeniedException", says("under the legal hold "+id), "kms", "schedule-key-deletion", "--key-id", key, "--pending-window-in-days", "7")
		fails(t, protected, "shred", "s3://films/held/film.mp4", "--reason", "r", "--certificate", filepath.Join(t.TempDir(), "c"), "--data", s.data)
		fails(t, protected, "shred", "s3://films/", "--reason", "r", "--certificate", filepath.Join(t.TempDir(), "c"), "--data", s.data)
		fails(t, protected, "shred", "job", job1, "--reason", "r", "--certificate", filepath.Join(t.TempDir(), "c"), "--data", s.data)
	}
	check()
	// A job that would overwrite what is held fails, and says so.
	failed := s.until(s.submit(job(strings.Replace(short("s3://films/in/clip.mp4", "s3://films/held/film"), `"Container": "MP4"`, `"Container": "MP4"`, 1))), final)
	if failed.Status != "ERROR" || failed.ErrorMessage == nil || !strings.Contains(*failed.ErrorMessage, protected) {
		t.Errorf("a job over what is held: %s %v", failed.Status, failed.ErrorMessage)
	}
	s.kill()
	check()
	list := run(t, nil, binary, "hold", "list", "--data", s.data)
	if strings.Count(list, "hold-") != 4 || !strings.Contains(list, "case 7") || !strings.Contains(list, "user/admin") {
		t.Errorf("list:\n%s", list)
	}
	s.admin().aws("kms", "schedule-key-deletion", "--key-id", other, "--pending-window-in-days", "7") // it opens nothing that is held
	fails(t, "ResourceNotFoundException", "hold", "release", "hold-0000", "--reason", "r", "--data", s.data)
	fails(t, "ValidationException", "hold", "add", "s3:///x", "--reason", "r", "--data", s.data)
	fails(t, "there is no such profile", "hold", "list", "--profile", "nobody", "--data", s.data)
	for _, h := range []string{id, onEmpty, onJob} {
		run(t, nil, binary, "hold", "release", h, "--reason", "case 7 is closed", "--data", s.data)
	}
	p = s.admin()
	p.aws("s3api", "delete-object", "--bucket", "films", "--key", "held/film.mp4")
	p.aws("s3api", "delete-bucket", "--bucket", "empty")
	p.aws("kms", "schedule-key-deletion", "--key-id", key, "--pending-window-in-days", "7")
	s.stop()
	for name, want := range map[string]int{"AddHold": 5, "ReleaseHold": 4} {
		if r := recordsNamed(t, s.data, name); len(r) != want {
			t.Errorf("%d records of %s, want %d", len(r), name, want)
		}
	}
}

// TestShred destroys objects and a job: they are gone, what certifies it is signed, and it is recorded.
func TestShred(t *testing.T) {
	t.Parallel()
	s := serve(t)
	film := clip(t, 4)
	s.upload("films", "in/clip.mp4", film)
	s.upload("films", "secret/one", film)
	s.upload("films", "secret/two", film)
	s.upload("films", "out/clip-of-another", film)
	id := s.submit(job(short("s3://films/in/clip.mp4", "s3://films/out/")))
	s.finish(id)
	p := s.admin()
	keys := func(prefix string) string {
		t.Helper()
		return p.aws("s3api", "list-objects-v2", "--bucket", "films", "--prefix", prefix, "--query", "length(not_null(Contents, `[]`))")
	}
	dry := run(t, nil, binary, "shred", "s3://films/secret/", "--reason", "r", "--dry-run", "--data", s.data)
	if strings.Count(dry, "would destroy s3://films/secret/") != 2 || keys("secret/") != "2" {
		t.Errorf("dry run:\n%s", dry)
	}
	fails(t, "ResourceNotFoundException", "shred", "s3://films/none/", "--reason", "r", "--certificate", filepath.Join(t.TempDir(), "c"), "--data", s.data)
	fails(t, "--reason and --certificate are needed", "shred", "s3://films/secret/", "--data", s.data)
	dir := t.TempDir()
	objectsFile, jobFile := filepath.Join(dir, "objects.json"), filepath.Join(dir, "job.json")
	run(t, nil, binary, "shred", "s3://films/secret/", "--reason", "the contract ended", "--certificate", objectsFile, "--data", s.data)
	out := run(t, nil, binary, "shred", "job", id, "--reason", "the contract ended", "--certificate", jobFile, "--data", s.data)
	if keys("secret/") != "0" || keys("out/") != "1" || !strings.Contains(out, "destroyed s3://films/out/clip.mp4") {
		t.Errorf("left %s and %s:\n%s", keys("secret/"), keys("out/"), out)
	}
	p.refused("NotFoundException", nil, "mediaconvert", "get-job", "--id", id)
	fails(t, "file exists", "shred", "s3://films/in/", "--reason", "r", "--certificate", jobFile, "--data", s.data)
	trusted := trustedKeys(t, s)
	for _, file := range []string{objectsFile, jobFile} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		e, err := provenance.ParseEnvelope(text)
		if err != nil {
			t.Fatal(err)
		}
		payload, _, err := e.Verify(provenance.PayloadType, trusted)
		if err != nil {
			t.Fatal(err)
		}
		st, err := provenance.ParseStatement(payload, provenance.DestructionPredicate)
		if err != nil || !strings.Contains(string(st.Predicate), "the contract ended") || !strings.Contains(string(st.Predicate), `"complete":true`) || len(st.Subject) == 0 {
			t.Errorf("%s: %s %v", file, payload, err)
		}
	}
	s.stop()
	if r := recordsNamed(t, s.data, "Shred"); len(r) < 3 {
		t.Errorf("%d records of destruction", len(r))
	}
}

// trustedKeys are the keys of an installation as another program reads them.
func trustedKeys(t *testing.T, s *server) []*ecdsa.PublicKey {
	t.Helper()
	keys, err := provenance.ParseKeys([]byte(run(t, nil, binary, "verify-job", "--print-keys", "--data", s.data)))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// dsseKey is a key as the library of DSSE wants it.
type dsseKey struct{ key *ecdsa.PublicKey }

func (v dsseKey) Verify(_ context.Context, data, sig []byte) error {
	sum := sha256.Sum256(data)
	if !ecdsa.VerifyASN1(v.key, sum[:], sig) {
		return os.ErrInvalid
	}
	return nil
}

func (v dsseKey) KeyID() (string, error) { return provenance.KeyID(v.key) }

func (v dsseKey) Public() crypto.PublicKey { return v.key }

// TestProvenance: a job that asks writes a statement beside its outputs, which the libraries of in-toto and DSSE read and verify, and darkroom verify-job too; whatever
// is tampered with is found.
func TestProvenance(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(config, []byte("provenance: {for: [stated]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, "--config", config)
	film := clip(t, 4)
	s.upload("films", "in/clip.mp4", film)
	p := s.admin()
	p.aws("mediaconvert", "create-queue", "--name", "stated")
	ask := func(more, destination string) string {
		return strings.Replace(job(settings("s3://films/in/clip.mp4", "s3://films/"+destination)), `{"Role"`, "{"+more+`"Role"`, 1)
	}
	s.finish(s.submit(ask("", "silent")))
	s.finish(s.submit(ask(`"Queue": "stated", `, "queue")))
	s.finish(s.submit(ask(`"Tags": {"darkroom:provenance": "enabled"}, `, "tag")))
	id := s.submit(ask(`"UserMetadata": {"darkroom-provenance": "enabled"}, `, "asked"))
	s.finish(id)
	at := func(prefix string) string { return prefix + "/mp4/clip.intoto.jsonl" }
	all := objects(s, "films")
	for prefix, want := range map[string]bool{"silent": false, "queue": true, "tag": true, "asked": true} {
		if _, got := all[at(prefix)]; got != want {
			t.Errorf("%s: a statement is there: %v", prefix, got)
		}
	}
	dir := s.download("films", "asked/")
	statement := filepath.Join(dir, "mp4", "clip.intoto.jsonl")
	text, err := os.ReadFile(statement)
	if err != nil {
		t.Fatal(err)
	}

	// With the libraries of those who specify the formats.
	pemText := run(t, nil, binary, "verify-job", "--print-keys", "--data", s.data)
	block, _ := pem.Decode([]byte(pemText))
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	var envelope dsse.Envelope
	if err := json.Unmarshal(text, &envelope); err != nil {
		t.Fatal(err)
	}
	check, err := dsse.NewEnvelopeVerifier(dsseKey{parsed.(*ecdsa.PublicKey)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := check.Verify(t.Context(), &envelope); err != nil {
		t.Errorf("the library of DSSE: %v", err)
	}
	payload, err := envelope.DecodeB64Payload()
	if err != nil {
		t.Fatal(err)
	}
	var st ita.Statement
	if err := protojson.Unmarshal(payload, &st); err != nil {
		t.Fatalf("the library of in-toto: %v", err)
	}
	if err := st.Validate(); err != nil {
		t.Errorf("the library of in-toto: %v", err)
	}
	want := 0
	for key := range all {
		if strings.HasPrefix(key, "asked/") && key != at("asked") {
			want++
			found := false
			for _, sub := range st.Subject {
				if sub.Name == "s3://films/"+key {
					found = sub.Digest["sha256"] == all[key]
				}
			}
			if !found {
				t.Errorf("%s is not stated with its digest", key)
			}
		}
	}
	if len(st.Subject) != want {
		t.Errorf("%d subjects of %d outputs", len(st.Subject), want)
	}
	content, err := os.ReadFile(film)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	for _, w := range []string{hex.EncodeToString(sum[:]), id, "user/", "ffmpeg", "planSHA256", `"role":"` + role, "darkroom-provenance"} {
		if w == "user/" {
			w = "arn:aws:iam::" + account + ":root" // who has submitted it here
		}
		if !strings.Contains(string(payload), w) {
			t.Errorf("%q is not in the statement: %s", w, payload)
		}
	}

	// With our own command: of files, of objects, and with the input.
	keys := filepath.Join(t.TempDir(), "keys.pem")
	if err := os.WriteFile(keys, []byte(pemText), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, nil, binary, "verify-job", statement, "--key", keys, "--outputs", dir)
	run(t, nil, binary, "verify-job", "s3://films/"+at("asked"), "--data", s.data, "--outputs", "s3")
	run(t, nil, binary, "verify-job", statement, "--key", keys, "--inputs", filepath.Dir(inputCopy(t, content)))

	// Whatever is tampered with is found.
	refuse := func(what, says string, args ...string) {
		t.Helper()
		out, stderr, err := try(t, nil, binary, append([]string{"verify-job"}, args...)...)
		if err == nil || !strings.Contains(out+stderr, says) {
			t.Errorf("%s: %v, want %q\n%s%s", what, err, says, out, stderr)
		}
	}
	write := func(path string, b []byte) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	output := filepath.Join(dir, "mp4", "clip.mp4")
	good, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	bad := append([]byte{}, good...)
	bad[len(bad)/2] ^= 1
	write(output, bad)
	refuse("a byte of an output", "WRONG s3://films/asked/mp4/clip.mp4", statement, "--key", keys, "--outputs", dir)
	write(output, good[:len(good)-1])
	refuse("an output that is shorter", "it is shorter", statement, "--key", keys, "--outputs", dir)
	write(output, append(append([]byte{}, good...), 0))
	refuse("an output that is longer", "it is longer", statement, "--key", keys, "--outputs", dir)
	if err := os.Remove(output); err != nil {
		t.Fatal(err)
	}
	refuse("an output that is gone", "MISSING s3://films/asked/mp4/clip.mp4", statement, "--key", keys, "--outputs", dir)
	write(output, good)
	write(filepath.Join(dir, "mp4", "extra"), nil)
	refuse("a file that is not stated", "NOT STATED mp4/extra", statement, "--key", keys, "--outputs", dir)
	refuse("another input", "WRONG s3://films/in/clip.mp4", statement, "--key", keys, "--inputs", filepath.Dir(inputCopy(t, bad)))
	altered := filepath.Join(t.TempDir(), "altered")
	envelope.Payload = strings.Replace(envelope.Payload, "A", "B", 1)
	b, err := json.Marshal(envelope)
	if err != nil {
		t.Fatal(err)
	}
	write(altered, b)
	refuse("another payload", "something was changed", altered, "--key", keys)
	write(altered, text[:len(text)/2])
	refuse("half a statement", "no DSSE envelope", altered, "--key", keys)
	other := serve(t)
	refuse("the keys of another installation", "none of the keys that are trusted", statement, "--data", other.data)
}

// inputCopy writes an input under its own name.
func inputCopy(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "clip.mp4")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
