package test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"darkroom/test/vaulttest"
)

const (
	passphrase      = "correct horse battery staple"
	otherPassphrase = "incorrect horse battery staple"
	wrappedKey      = "installation-key.json"
)

// secretFile writes a file that its owner alone may read.
func secretFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// rooted writes a configuration.
func rooted(t *testing.T, format string, args ...any) string {
	t.Helper()
	return secretFile(t, "darkroom.yaml", fmt.Sprintf(format+"\n", args...))
}

// vaultRoot is a configuration whose root is a key of a transit engine, with the file of its token.
func vaultRoot(t *testing.T, v *vaulttest.Vault, key, token string) (config, tokenFile string) {
	t.Helper()
	u, err := url.Parse(v.Address)
	if err != nil {
		t.Fatal(err)
	}
	tokenFile = secretFile(t, "token", token+"\n")
	return rooted(t, "root: {kind: transit, transit: {address: '%s', key: %s, token_file: '%s'}}\n"+
		"egress: {allow: [{net: 127.0.0.1/32, ports: [%s], for: [kms]}], ca_file: '%s'}", v.Address, key, tokenFile, u.Port(), v.CAFile), tokenFile
}

// darkroom runs a command that must go well.
func darkroom(t *testing.T, args ...string) string {
	t.Helper()
	return run(t, nil, binary, args...)
}

// darkroomRefuses runs a command that must end with a code, say all of want, and show none of what is hidden.
func darkroomRefuses(t *testing.T, code int, want, hidden []string, args ...string) {
	t.Helper()
	out, stderr, err := try(t, nil, binary, args...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != code {
		t.Errorf("darkroom %s: %v, want code %d\n%s%s", strings.Join(args, " "), err, code, out, stderr)
	}
	for _, w := range want {
		if !strings.Contains(stderr, w) {
			t.Errorf("darkroom %s: %q lacks %q", strings.Join(args, " "), stderr, w)
		}
	}
	for _, h := range hidden {
		if strings.Contains(out+stderr, h) {
			t.Errorf("darkroom %s shows %q:\n%s%s", strings.Join(args, " "), h, out, stderr)
		}
	}
}

// restart stops a server and starts it with other arguments.
func (s *server) restart(args ...string) {
	s.t.Helper()
	s.stop()
	s.args = args
	s.start()
}

// read gets an object.
func (s *server) read(bucket, key string) []byte {
	s.t.Helper()
	out, err := s.s3().GetObject(s.t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = out.Body.Close() }()
	b, err := io.ReadAll(out.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

// TestRootOfTrust moves the installation key from root to root while a server runs, which notices nothing. After each restart, what its jobs wrote is
// there, who it knows may come in, and jobs run.
func TestRootOfTrust(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	v.Do("POST", "transit/keys/darkroom", "")
	token := v.Policy("darkroom", `path "transit/encrypt/darkroom" { capabilities = ["update"] } path "transit/decrypt/darkroom" { capabilities = ["update"] }`)
	byTransit, tokenFile := vaultRoot(t, v, "darkroom", token)
	passphraseFile := secretFile(t, "passphrase", passphrase+"\n")
	byPassphrase := rooted(t, "root: {kind: passphrase, passphrase_file: '%s'}", passphraseFile)
	away := filepath.Join(t.TempDir(), "root.key")
	byFile := rooted(t, "root: {file: '%s'}", away)
	hidden := []string{passphrase, otherPassphrase, token, v.Token}

	s := serve(t)
	for _, h := range hidden {
		s.secret("of a root of trust", []byte(h))
	}
	s.upload("films", "in/clip.mp4", clip(t, 1))
	s.finish(s.submit(job(short("s3://films/in/clip.mp4", "s3://films/out/first"))))
	film := s.read("films", "out/first.mp4")
	credentials, err := os.ReadFile(filepath.Join(s.data, "credentials"))
	if err != nil {
		t.Fatal(err)
	}
	step := 0
	works := func() {
		t.Helper()
		step++
		if !bytes.Equal(s.read("films", "out/first.mp4"), film) {
			t.Error("the object is another one")
		}
		name := fmt.Sprintf("s3://films/out/%d", step)
		s.finish(s.submit(job(short("s3://films/in/clip.mp4", name))))
	}
	rewrap := func(args ...string) string {
		t.Helper()
		out := darkroom(t, append([]string{"keys", "rewrap", "--data", s.data}, args...)...)
		for _, want := range []string{"not disturbed", "still opens with the former root", "Destroy"} {
			if !strings.Contains(out, want) {
				t.Errorf("rewrap does not say %q:\n%s", want, out)
			}
		}
		works() // the server that runs
		return out
	}
	status := func(want ...string) {
		t.Helper()
		out := darkroom(t, "keys", "status", "--data", s.data)
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("status lacks %q:\n%s", w, out)
			}
		}
	}
	status("file", "WARNING: root.key is in the data directory")
	if out := darkroom(t, "doctor", "--data", s.data); !strings.Contains(out, "root of trust\n  kind                 file") || !strings.Contains(out, "WARNING: root.key") {
		t.Errorf("doctor: %s", out)
	}

	rewrap("--config", byPassphrase)
	if _, err := os.Stat(filepath.Join(s.data, "root.key")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the former root key is left: %v", err)
	}
	status("passphrase", "pbkdf2-hmac-sha256")
	if out := darkroom(t, "doctor", "--data", s.data); !strings.Contains(out, "kind                 passphrase") || strings.Contains(out, "WARNING: root.key") || !regexp.MustCompile(`root\.outside +ok`).MatchString(out) {
		t.Errorf("doctor: %s", out)
	}
	s.stop()
	refuses := func(want []string, args ...string) {
		t.Helper()
		darkroomRefuses(t, 1, want, hidden, append([]string{"serve", "--data", s.data, "--listen", "127.0.0.1:0"}, args...)...)
	}
	refuses([]string{"of kind passphrase", "of kind file", "keys rewrap"})
	refuses([]string{"passphrase is not the one", "give the right one"}, "--config", rooted(t, "root: {kind: passphrase, passphrase_file: '%s'}", secretFile(t, "p", otherPassphrase)))
	refuses([]string{"no such file"}, "--config", rooted(t, "root: {kind: passphrase, passphrase_file: /nonexistent/passphrase}"))
	refuses([]string{"no terminal", "root.passphrase_file"}, "--config", rooted(t, "root: {kind: passphrase}"))
	refuses([]string{"no systemd credentials"}, "--config", rooted(t, "root: {kind: passphrase, passphrase_credential: darkroom}"))
	s.args = []string{"--config", byPassphrase}
	s.start()
	works()

	rewrap("--config", byTransit, "--from", byPassphrase)
	status("transit", "transit/keys/darkroom")
	s.restart("--config", byTransit)
	works()
	v.Do("POST", "transit/keys/darkroom/rotate", "")
	rewrap("--config", byTransit, "--rotate")
	v.Do("POST", "transit/keys/darkroom/config", `{"min_decryption_version":2}`)
	s.restart("--config", byTransit)
	works()
	s.stop()
	refuses([]string{"of kind transit", "of kind passphrase"}, "--config", byPassphrase)
	if err := os.Rename(tokenFile, tokenFile+".away"); err != nil {
		t.Fatal(err)
	}
	refuses([]string{"root.transit.token_file", "no such file"}, "--config", byTransit)
	if err := os.WriteFile(tokenFile, []byte("hvs.NoSuchToken"), 0o600); err != nil {
		t.Fatal(err)
	}
	hidden = append(hidden, "hvs.NoSuchToken")
	refuses([]string{"status 403", "token is valid"}, "--config", byTransit)
	if err := os.Rename(tokenFile+".away", tokenFile); err != nil {
		t.Fatal(err)
	}
	closed := rooted(t, "root: {kind: transit, transit: {address: '%s', key: darkroom, token_file: '%s'}}\negress: {ca_file: '%s'}", v.Address, tokenFile, v.CAFile)
	refuses([]string{"egress.allow"}, "--config", closed)
	darkroomRefuses(t, 2, []string{"--from"}, hidden, "keys", "rewrap", "--data", s.data, "--config", byFile)
	s.start()

	rewrap("--config", byFile, "--from", byTransit)
	status("file")
	s.restart("--config", byFile)
	works()
	old, err := os.ReadFile(away)
	if err != nil {
		t.Fatal(err)
	}
	rewrap("--config", byFile, "--rotate")
	s.restart("--config", byFile)
	works()
	if now, err := os.ReadFile(away); err != nil || bytes.Equal(now, old) {
		t.Errorf("the root key is the same: %v", err)
	}
	s.stop()
	if err := os.Rename(away, away+".away"); err != nil {
		t.Fatal(err)
	}
	refuses([]string{away, "is not there", "put it back"}, "--config", byFile)
	if err := os.WriteFile(away, old, 0o600); err != nil {
		t.Fatal(err)
	}
	refuses([]string{"is not the one"}, "--config", byFile)
	if err := os.Rename(away+".away", away); err != nil {
		t.Fatal(err)
	}
	document := filepath.Join(s.data, wrappedKey)
	if err := os.Rename(document, document+".away"); err != nil {
		t.Fatal(err)
	}
	refuses([]string{"no installation key", "restore", "no new key is made"}, "--config", byFile)
	if err := os.Rename(document+".away", document); err != nil {
		t.Fatal(err)
	}
	s.start()
	works()
	if again, err := os.ReadFile(filepath.Join(s.data, "credentials")); err != nil || !bytes.Equal(again, credentials) {
		t.Errorf("other credentials: %v", err)
	}
}

// TestOldMasterKey: an installation of an older version, whose key stands in the clear, is taken over.
func TestOldMasterKey(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	old := []byte("the master key of an old version")
	if err := os.WriteFile(filepath.Join(data, "master.key"), old, 0o600); err != nil {
		t.Fatal(err)
	}
	s := serveOn(t, binary, data)
	s.upload("films", "in/clip.mp4", clip(t, 1))
	if _, err := os.Stat(filepath.Join(data, "master.key")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the clear key is left: %v", err)
	}
	if !strings.Contains(s.log.String(), "destroy the copies of it in backups") {
		t.Errorf("the log does not say what was done:\n%s", s.log.String())
	}
	s.secret("the old key", old) // what searches the directory at the end
	s.restart()
	s.finish(s.submit(job(short("s3://films/in/clip.mp4", "s3://films/out/first"))))
}

// TestRewrapKilled kills rewraps at any moment: the installation key is wrapped by the one root or the other, whole, and nobody is locked out.
func TestRewrapKilled(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.upload("films", "in/clip.mp4", clip(t, 1))
	film := s.read("films", "in/clip.mp4")
	var roots [2]string
	for i := range roots {
		roots[i] = rooted(t, "root: {file: '%s'}", filepath.Join(t.TempDir(), "root.key"))
	}
	rewrap := func(ctx context.Context, from, to string) error {
		args := []string{"keys", "rewrap", "--data", s.data, "--config", to}
		if from != "" {
			args = append(args, "--from", from)
		}
		return exec.CommandContext(ctx, binary, args...).Run()
	}
	opens := func(config string) bool {
		out, _, err := try(t, nil, binary, "keys", "status", "--data", s.data, "--config", config)
		return err == nil && strings.Contains(out, "opens          yes")
	}
	if err := rewrap(t.Context(), "", roots[0]); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := rewrap(t.Context(), roots[0], roots[1]); err != nil {
		t.Fatal(err)
	}
	whole, now := time.Since(start), 1
	const rounds = 40
	killed, moved := 0, 0
	for i := range rounds {
		ctx, cancel := context.WithTimeout(t.Context(), whole*time.Duration(i+1)/rounds)
		start := time.Now()
		err := rewrap(ctx, roots[now], roots[1-now])
		cancel()
		switch {
		case err != nil && ctx.Err() == nil:
			t.Fatal(err)
		case err != nil:
			killed++
		default:
			whole = time.Since(start) // the machine may be busier or freer than before
		}
		a, b := opens(roots[0]), opens(roots[1])
		if a == b {
			t.Fatalf("round %d: the first root opens: %t, the second: %t", i, a, b)
		}
		if b != (now == 1) {
			moved++
			now = 1 - now
		} else if err == nil {
			t.Errorf("round %d: it went well, and nothing moved", i)
		}
	}
	if killed < rounds/8 {
		t.Errorf("only %d of %d were killed", killed, rounds)
	}
	t.Logf("%d of %d killed, %d moved", killed, rounds, moved)
	s.restart("--config", roots[now])
	if !bytes.Equal(s.read("films", "in/clip.mp4"), film) {
		t.Error("the object is another one")
	}
	entries, err := os.ReadDir(s.data)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".tmp") || strings.HasPrefix(e.Name(), "root.key") {
			t.Errorf("left behind: %s", e.Name())
		}
	}
}

// TestPassphraseByDescriptor gives the passphrase as shells and service managers do: by an inherited pipe, the standard input, and a systemd credential.
func TestPassphraseByDescriptor(t *testing.T) {
	t.Parallel()
	need(t, "ffmpeg")
	words := secretFile(t, "darkroom", passphrase+"\n")
	s := serveOn(t, binary, filepath.Join(t.TempDir(), "data"), "--config", rooted(t, "root: {kind: passphrase, passphrase_file: '%s'}", words))
	s.secret("the passphrase", []byte(passphrase))
	s.stop()
	for _, tt := range []struct{ name, config, script string }{
		{"pipe", rooted(t, "root: {kind: passphrase, passphrase_file: /dev/fd/3}"), `exec 3< <(cat "$1"); shift; exec "$@"`},
		{"file", rooted(t, "root: {kind: passphrase, passphrase_file: /dev/fd/3}"), `exec 3< "$1"; shift; exec "$@"`},
		{"standard input", rooted(t, "root: {kind: passphrase, passphrase_file: /dev/stdin}"), `cat "$1" | (shift; exec "$@")`},
		{"credential", rooted(t, "root: {kind: passphrase, passphrase_credential: darkroom}"), `export CREDENTIALS_DIRECTORY="$(dirname "$1")"; shift; exec "$@"`},
	} {
		out, stderr, err := try(t, nil, "bash", "-c", tt.script, "bash", words, binary, "keys", "status", "--data", s.data, "--config", tt.config)
		if err != nil || !strings.Contains(out, "opens          yes") {
			t.Errorf("%s: %v\n%s%s", tt.name, err, out, stderr)
		}
	}
}

// TestRootInAnotherDarkroom has the key service of one installation as the root of trust of another.
func TestRootInAnotherDarkroom(t *testing.T) {
	t.Parallel()
	house := serve(t)
	key := strings.TrimSpace(house.aws("kms", "create-key", "--query", "KeyMetadata.Arn", "--output", "text"))
	house.aws("kms", "create-alias", "--alias-name", "alias/darkroom", "--target-key-id", key)
	// The second installation may use the key for this and nothing else.
	guest := house.user("guest", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["kms:Encrypt","kms:Decrypt"],"Resource":"*",
		"Condition":{"StringEquals":{"kms:EncryptionContext:darkroom":"installation-key"}}}]}`)
	id, secret := variable(guest.env, "AWS_ACCESS_KEY_ID"), variable(guest.env, "AWS_SECRET_ACCESS_KEY")
	u, err := url.Parse(house.url)
	if err != nil {
		t.Fatal(err)
	}
	credentials := secretFile(t, "credentials", fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", id, secret))
	byKMS := rooted(t, "root: {kind: kms, kms: {key: '%s', endpoint: '%s', credentials_file: '%s'}}\n"+
		"egress: {allow: [{net: 127.0.0.1/32, ports: [%s], for: [kms]}], ca_file: '%s'}", key, house.url, credentials, u.Port(), filepath.Join(house.data, "tls", "ca.pem"))

	s := serve(t)
	s.upload("films", "in/clip.mp4", clip(t, 1))
	film := s.read("films", "in/clip.mp4")
	darkroom(t, "keys", "rewrap", "--data", s.data, "--config", byKMS)
	s.restart("--config", byKMS)
	if !bytes.Equal(s.read("films", "in/clip.mp4"), film) {
		t.Error("the object is another one")
	}
	s.finish(s.submit(job(short("s3://films/in/clip.mp4", "s3://films/out/first"))))
	house.aws("kms", "enable-key-rotation", "--key-id", key)
	house.aws("kms", "rotate-key-on-demand", "--key-id", key)
	s.restart("--config", byKMS)
	darkroom(t, "keys", "rewrap", "--data", s.data, "--config", byKMS, "--rotate")
	s.restart("--config", byKMS)
	if out := darkroom(t, "doctor", "--data", s.data); !strings.Contains(out, "kind                 kms") || !strings.Contains(out, key) || strings.Contains(out, "WARNING: root.key") {
		t.Errorf("doctor: %s", out)
	}
	s.stop()
	refuses := func(want ...string) {
		t.Helper()
		darkroomRefuses(t, 1, want, []string{secret}, "serve", "--data", s.data, "--listen", "127.0.0.1:0", "--config", byKMS)
	}
	house.aws("kms", "disable-key", "--key-id", key)
	refuses("cannot be used in its state", "enable the key")
	house.aws("kms", "enable-key", "--key-id", key)
	house.grant("guest", policy(allow("kms:ListKeys", "*")))
	house.eventually("the policy is gone everywhere", func() bool {
		_, stderr, err := try(t, nil, binary, "keys", "status", "--data", s.data, "--config", byKMS)
		return err != nil && strings.Contains(stderr, "access denied")
	})
	refuses("access denied", "kms:Encrypt and kms:Decrypt")
	house.stop()
	refuses("does not answer", "start again when the key service answers")
}

// variable is the value of a variable of an environment.
func variable(env []string, name string) string {
	for _, v := range env {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}
