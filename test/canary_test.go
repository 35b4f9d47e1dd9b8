package test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Every server of these tests is searched at its end for the secrets that it has had in its hands: what it wrote, what it logged, and the arguments
// and environment of its processes.

// secrets are the values that are to stand nowhere in clear, by name.
type secrets struct {
	mu  sync.Mutex // guards all
	all map[string][]byte
}

// secret marks a value. Short ones would be found by chance.
func (s *server) secret(name string, value []byte) {
	if len(value) < 16 {
		return
	}
	s.secrets.mu.Lock()
	defer s.secrets.mu.Unlock()
	if s.secrets.all == nil {
		s.secrets.all = map[string][]byte{}
	}
	s.secrets.all[fmt.Sprintf("%s %d", name, len(s.secrets.all))] = value
}

// handedOut are the members by which the APIs hand secrets out, once.
var handedOut = regexp.MustCompile(`"(SecretAccessKey|SessionToken|Plaintext|Base32StringSeed|PrivateKey)": *"([^"]+)"`)

// overhear marks the secrets in an answer.
func (s *server) overhear(answer string) {
	for _, m := range handedOut.FindAllStringSubmatch(answer, -1) {
		s.secret(m[1], []byte(m[2]))
		if raw, err := base64.StdEncoding.DecodeString(m[2]); err == nil {
			s.secret(m[1]+", decoded", raw)
		}
	}
}

// keyFiles are those that hold a secret by their nature: the root of trust, and what the first start tells its owner.
var keyFiles = []string{"credentials", "master.key", "root.key"}

var secretLine = regexp.MustCompile(`(?m)^aws_secret_access_key *= *(\S+)`)

// searched is what a search for secrets goes over.
type searched struct {
	dir   string
	texts map[string]string // beside the files
}

// forms are the ways in which a secret may be written.
func forms(secret []byte) map[string][]byte {
	return map[string][]byte{
		"as it is":       secret,
		"in hex":         []byte(hex.EncodeToString(secret)),
		"in upper hex":   []byte(strings.ToUpper(hex.EncodeToString(secret))),
		"in base64":      []byte(strings.TrimRight(base64.StdEncoding.EncodeToString(secret), "=")),
		"in base64url":   []byte(strings.TrimRight(base64.URLEncoding.EncodeToString(secret), "=")),
		"as JSON writes": []byte(strings.Trim(fmt.Sprintf("%q", secret), `"`)),
	}
}

// find returns where secrets stand, by their names alone.
func (s searched) find(t *testing.T, secrets map[string][]byte) []string {
	t.Helper()
	var found []string
	look := func(where string, content []byte) {
		for name, secret := range secrets {
			for form, text := range forms(secret) {
				if bytes.Contains(content, text) {
					found = append(found, fmt.Sprintf("%s: %s, %s", where, name, form))
				}
			}
		}
	}
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(s.dir, path)
		if err != nil || slices.Contains(keyFiles, rel) {
			return err
		}
		content, err := os.ReadFile(path)
		look(rel, content)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	for where, text := range s.texts {
		look(where, []byte(text))
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// processes are the arguments and environments of the server's processes.
func (s *server) processes(texts map[string]string) {
	if s.cmd == nil {
		return
	}
	pids := []int{s.cmd.Process.Pid}
	for pid := range children(s.t, s.cmd.Process.Pid) {
		pids = append(pids, pid)
	}
	for _, pid := range pids {
		for _, what := range []string{"cmdline", "environ"} {
			if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, what)); err == nil {
				texts[fmt.Sprintf("%s of process %d", what, pid)] = string(b)
			}
		}
	}
}

// noSecrets fails the test for each secret that stands where it must not.
func (s *server) noSecrets(texts map[string]string) {
	s.t.Helper()
	if b, err := os.ReadFile(filepath.Join(s.data, "credentials")); err == nil {
		for _, m := range secretLine.FindAllSubmatch(b, -1) {
			s.secret("the credentials file", m[1])
		}
	}
	for _, name := range keyFiles[1:] {
		if b, err := os.ReadFile(filepath.Join(s.data, name)); err == nil {
			s.secret("the key of "+name, bytes.TrimSpace(b))
		}
	}
	texts["the log"] = s.log.String()
	if _, err := os.Stat(filepath.Join(s.data, "darkroom.db")); err == nil && s.cmd == nil {
		var trail strings.Builder
		for _, r := range s.auditRecords() {
			if text, err := json.Marshal(r); err == nil {
				trail.Write(text)
			}
		}
		texts["the audit trail"] = trail.String()
	}
	s.secrets.mu.Lock()
	defer s.secrets.mu.Unlock()
	for _, f := range (searched{s.data, texts}).find(s.t, s.secrets.all) {
		s.t.Errorf("a secret shows: %s", f)
	}
}

// TestCanary plants secrets, so that it is known that the search would find them.
func TestCanary(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	hidden := map[string][]byte{"key": []byte("wJalrXUtnFEMI/K7MDENG+bPx"), "raw": {1, 2, 3, 250, 251, 252, 4, 5, 6, 7, 8, 9, 10, 200, 201, 202}}
	write := func(name string, content []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("credentials", hidden["key"])
	write("clean", []byte("nothing here"))
	clean := searched{dir, map[string]string{"the log": "nothing"}}
	if found := clean.find(t, hidden); len(found) > 0 {
		t.Errorf("found in what is clean: %v", found)
	}
	for name, secret := range hidden {
		for form, text := range forms(secret) {
			if found := (searched{t.TempDir(), map[string]string{"the log": "x" + string(text) + "y"}}).find(t, hidden); !strings.Contains(strings.Join(found, ";"), "the log: "+name) {
				t.Errorf("%s, %s: planted in a log, found %v", name, form, found)
			}
			write("planted", slices.Concat(make([]byte, 5000), text, make([]byte, 77)))
			if found := clean.find(t, hidden); !strings.Contains(strings.Join(found, ";"), "planted: "+name) {
				t.Errorf("%s, %s: planted in a file, found %v", name, form, found)
			}
		}
	}
	s := &server{t: t, secrets: new(secrets)}
	s.overhear(`{"AccessKey": {"AccessKeyId": "AKIA0000000000000000", "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG+bPx"}, "Plaintext": "AQIDBAUGBwgJCgsMDQ4PEA=="}`)
	if len(s.secrets.all) != 3 {
		t.Errorf("%d secrets were overheard, want 3", len(s.secrets.all))
	}
}
