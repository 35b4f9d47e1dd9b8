package identity

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"darkroom/internal/arn"
	"darkroom/internal/iam"
	"darkroom/internal/secret"
)

const account = "111122223333"

// clock is a clock that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newDirectory() (*Directory, *clock) {
	c := &clock{now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	return New(account, Root{AccessKeyID: "AKIAROOT", SecretAccessKey: secret.New([]byte("root secret"))}, c.time), c
}

var roleARN = arn.Role(account, DefaultRole)

func TestFindRoot(t *testing.T) {
	t.Parallel()
	d, _ := newDirectory()
	key, who, ok := d.Find("AKIAROOT")
	if !ok || string(key.Secret.Reveal()) != "root secret" || key.Token.Len() != 0 || !key.Expiry.IsZero() {
		t.Errorf("got %v %v", key, ok)
	}
	if who.Type != iam.Root || who.ARN != "arn:aws:iam::111122223333:root" || who.Account != account || who.AccessKeyID != "AKIAROOT" || who.UserID != account {
		t.Errorf("got %+v", who)
	}
	for _, id := range []string{"", "akiaroot", "AKIAROOT ", "AKIA", "ASIA"} {
		if _, who, ok := d.Find(id); ok || who.Type != 0 {
			t.Errorf("%q: got %+v", id, who)
		}
	}
	nobody := New(account, Root{}, time.Now)
	if _, _, ok := nobody.Find(""); ok {
		t.Error("a directory without root finds the empty key")
	}
}

func TestSessions(t *testing.T) {
	t.Parallel()
	d, c := newDirectory()
	statements := []iam.Statement{{Sid: "Read", Effect: iam.Allow, Actions: []string{"s3:GetObject"}, Resources: []string{"arn:aws:s3:::films/in.mov"}}}
	end := c.time().Add(time.Hour)
	got, err := d.Sessions.Issue(roleARN, "job-1", statements, end)
	if err != nil {
		t.Fatal(err)
	}
	statements[0].Actions[0], statements[0].Resources[0] = "*", "*" // what was issued does not change with it
	key, who, ok := d.Find(got.AccessKeyID)
	if !ok || !bytes.Equal(key.Secret.Reveal(), got.SecretAccessKey.Reveal()) || !bytes.Equal(key.Token.Reveal(), got.SessionToken.Reveal()) || !key.Expiry.Equal(end) || !got.Expiry.Equal(end) {
		t.Fatalf("got %v %v", key, ok)
	}
	if len(got.AccessKeyID) != 20 || got.SecretAccessKey.Len() != 40 || got.SessionToken.Len() != 128 || !strings.HasPrefix(got.AccessKeyID, "ASIA") {
		t.Errorf("got lengths %d %d %d", len(got.AccessKeyID), got.SecretAccessKey.Len(), got.SessionToken.Len())
	}
	if who.ARN != "arn:aws:sts::111122223333:assumed-role/MediaConvert_Default_Role/job-1" || who.Type != iam.AssumedRole || !strings.HasSuffix(who.UserID, ":job-1") {
		t.Errorf("got %+v", who)
	}
	for _, tt := range []struct {
		action, resource string
		want             bool
	}{
		{"s3:GetObject", "arn:aws:s3:::films/in.mov", true},
		{"s3:GetObject", "arn:aws:s3:::films/in.mov2", false},
		{"s3:PutObject", "arn:aws:s3:::films/in.mov", false},
		{"mediaconvert:CreateJob", "*", false},
		{"iam:PassRole", roleARN, false},
	} {
		if got := iam.Authorize(who, iam.Check{Action: tt.action, Resource: tt.resource}, nil).Allowed(); got != tt.want {
			t.Errorf("%s on %s: got %v", tt.action, tt.resource, got)
		}
	}
	d.Sessions.Revoke(got.AccessKeyID)
	d.Sessions.Revoke(got.AccessKeyID)
	if _, _, ok := d.Find(got.AccessKeyID); ok {
		t.Error("found after Revoke")
	}
}

func TestSessionIsNotWiderThanTheRole(t *testing.T) {
	t.Parallel()
	d, c := newDirectory()
	all := []iam.Statement{{Effect: iam.Allow, Actions: []string{"*"}, Resources: []string{"*"}}}
	for name, statements := range map[string][]iam.Statement{"everything": all, "nothing": nil, "empty": {}} {
		got, err := d.Sessions.Issue(roleARN, "s1", statements, c.time().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		_, who, _ := d.Find(got.AccessKeyID)
		if iam.Authorize(who, iam.Check{Action: "mediaconvert:CreateJob", Resource: "*"}, nil).Allowed() {
			t.Errorf("%s: beyond the role", name)
		}
		if got := iam.Authorize(who, iam.Check{Action: "s3:GetObject", Resource: "arn:aws:s3:::a/b"}, nil).Allowed(); got != (name == "everything") {
			t.Errorf("%s: objects: got %v", name, got)
		}
	}
}

func TestIssueRefuses(t *testing.T) {
	t.Parallel()
	d, c := newDirectory()
	good := c.time().Add(time.Hour)
	for name, tt := range map[string]struct {
		role, session string
		expiry        time.Time
	}{
		"another role":    {arn.Role(account, "Other"), "s1", good},
		"another account": {arn.Role("999999999999", DefaultRole), "s1", good},
		"no role":         {"", "s1", good},
		"no name":         {roleARN, "", good},
		"short name":      {roleARN, "s", good},
		"long name":       {roleARN, strings.Repeat("s", 65), good},
		"slash in name":   {roleARN, "a/b", good},
		"colon in name":   {roleARN, "a:b", good},
		"space in name":   {roleARN, "a b", good},
		"ended":           {roleARN, "s1", c.time()},
		"no end":          {roleARN, "s1", time.Time{}},
		"too long":        {roleARN, "s1", c.time().Add(MaxSessionLength + 1)},
	} {
		if got, err := d.Sessions.Issue(tt.role, tt.session, nil, tt.expiry); err == nil || got.AccessKeyID != "" {
			t.Errorf("%s: got %v, %v", name, got.AccessKeyID, err)
		}
	}
	d.Sessions.random = iotest.ErrReader(io.ErrUnexpectedEOF)
	if _, err := d.Sessions.Issue(roleARN, "s1", nil, good); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("no randomness: got %v", err)
	}
	if len(d.Sessions.open) != 0 {
		t.Errorf("%d sessions open", len(d.Sessions.open))
	}
}

func TestSessionsAreBounded(t *testing.T) {
	t.Parallel()
	d, c := newDirectory()
	ids := make(map[string]bool)
	first := ""
	for i := range MaxSessions {
		got, err := d.Sessions.Issue(roleARN, fmt.Sprintf("job-%d", i), nil, c.time().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		ids[got.AccessKeyID] = true
		if i == 0 {
			first = got.AccessKeyID
		}
	}
	if len(ids) != MaxSessions {
		t.Errorf("got %d different keys", len(ids))
	}
	if _, err := d.Sessions.Issue(roleARN, "more", nil, c.time().Add(time.Hour)); !errors.Is(err, ErrTooMany) {
		t.Errorf("got %v, want ErrTooMany", err)
	}
	d.Sessions.Revoke(first)
	if _, err := d.Sessions.Issue(roleARN, "more", nil, c.time().Add(time.Hour)); err != nil {
		t.Errorf("after one was revoked: %v", err)
	}
	c.add(time.Hour)
	if len(d.Sessions.open) != MaxSessions {
		t.Error("ended sessions are gone before their holders can be told")
	}
	if _, err := d.Sessions.Issue(roleARN, "more", nil, c.time().Add(time.Hour)); err != nil {
		t.Errorf("after all ended: %v", err)
	}
	if len(d.Sessions.open) != 1 {
		t.Errorf("%d sessions left, want the new one", len(d.Sessions.open))
	}
}

func TestSessionsAtOnce(t *testing.T) {
	t.Parallel()
	d, c := newDirectory()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 50 {
				got, err := d.Sessions.Issue(roleARN, fmt.Sprintf("job-%d-%d", i, j), nil, c.time().Add(time.Hour))
				if err != nil {
					t.Error(err)
					return
				}
				if _, who, ok := d.Find(got.AccessKeyID); !ok || who.AccessKeyID != got.AccessKeyID {
					t.Errorf("got %+v", who)
				}
				d.Sessions.Revoke(got.AccessKeyID)
			}
		})
	}
	wg.Wait()
	if len(d.Sessions.open) != 0 {
		t.Errorf("%d sessions left", len(d.Sessions.open))
	}
}

func TestRoleExists(t *testing.T) {
	t.Parallel()
	for role, want := range map[string]bool{
		roleARN: true, "": false, DefaultRole: false, roleARN + "2": false, strings.ToLower(roleARN): false, "*": false,
		arn.Role("999999999999", DefaultRole):                                      false,
		"arn:aws:iam::" + account + ":role/service-role/MediaConvert_Default_Role": false,
		"arn:aws-cn:iam::" + account + ":role/MediaConvert_Default_Role":           false,
	} {
		if got := RoleExists(account, role); got != want {
			t.Errorf("%q: got %v", role, got)
		}
	}
	if RoleExists("", arn.Role("", DefaultRole)) {
		t.Error("a role of no account")
	}
}

func TestLoadRoot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	made, created, err := LoadRoot(dir, rand.Reader)
	if err != nil || !created {
		t.Fatal(created, err)
	}
	if len(made.AccessKeyID) != 20 || !strings.HasPrefix(made.AccessKeyID, "AKIA") || made.SecretAccessKey.Len() != 40 {
		t.Errorf("got %q and %d bytes", made.AccessKeyID, made.SecretAccessKey.Len())
	}
	path := filepath.Join(dir, CredentialsFile)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, %v", info.Mode(), err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("got files %v, %v", entries, err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	again, created, err := LoadRoot(dir, iotest.ErrReader(io.ErrUnexpectedEOF))
	if err != nil || created || again.AccessKeyID != made.AccessKeyID || !bytes.Equal(again.SecretAccessKey.Reveal(), made.SecretAccessKey.Reveal()) {
		t.Errorf("again: got %v %v %v", again, created, err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file changed: %v", err)
	}
	if shown := fmt.Sprintf("%v %+v %#v", made, made, made); strings.Contains(shown, string(made.SecretAccessKey.Reveal())) {
		t.Error("the secret prints")
	}
}

func TestLoadRootFails(t *testing.T) {
	t.Parallel()
	if _, created, err := LoadRoot(filepath.Join(t.TempDir(), "absent"), rand.Reader); !errors.Is(err, fs.ErrNotExist) || created {
		t.Errorf("no directory: got %v", err)
	}
	dir := t.TempDir()
	if _, _, err := LoadRoot(dir, iotest.ErrReader(io.ErrUnexpectedEOF)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("no randomness: got %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v %v", entries, err)
	}
}

// TestLoadRootRace lets many first starts meet: all end with one pair.
func TestLoadRootRace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ids := make([]string, 16)
	makers := make([]bool, len(ids))
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			root, created, err := LoadRoot(dir, rand.Reader)
			if err != nil {
				t.Error(err)
			}
			ids[i], makers[i] = root.AccessKeyID, created
		})
	}
	wg.Wait()
	made := 0
	for i := range ids {
		if ids[i] != ids[0] {
			t.Errorf("got %q and %q", ids[i], ids[0])
		}
		if makers[i] {
			made++
		}
	}
	if made != 1 {
		t.Errorf("%d starts say that they made the pair", made)
	}
}

func TestReadCredentials(t *testing.T) {
	t.Parallel()
	const good = "# root\n; keep\n\n[default]\naws_access_key_id = AKIA1\naws_secret_access_key=hush=/+\nregion = x\n\n[other]\naws_access_key_id = no\naws_secret_access_key = no\n"
	tests := []struct {
		name, text string
		mode       fs.FileMode
		want       string // in the error; empty: none
	}{
		{"good", good, 0o600, ""},
		{"read-only", good, 0o400, ""},
		{"spaces in the profile", strings.Replace(good, "[default]", "[ default ]", 1), 0o600, ""},
		{"windows lines", strings.ReplaceAll(good, "\n", "\r\n"), 0o600, ""},
		{"group may read", good, 0o640, "mode 0640"},
		{"others may read", good, 0o604, "mode 0604"},
		{"others may write", good, 0o602, "mode 0602"},
		{"empty", "", 0o600, "needs"},
		{"no secret", "[default]\naws_access_key_id = hush\n", 0o600, "needs"},
		{"empty secret", "[default]\naws_access_key_id = a\naws_secret_access_key =\n", 0o600, "needs"},
		{"no key", "[default]\naws_secret_access_key = hush\n", 0o600, "needs"},
		{"another profile", strings.Replace(good, "[default]", "[second]", 1), 0o600, "needs"},
		{"no profile", strings.Replace(good, "[default]", "", 1), 0o600, "needs"},
		{"key twice", "[default]\naws_access_key_id = a\naws_access_key_id = b\n", 0o600, "line 3"},
		{"secret twice", "[default]\naws_secret_access_key = hush\naws_secret_access_key = hush\n", 0o600, "line 3"},
		{"profile broken", "[default\n", 0o600, "line 1"},
		{"line broken", "[default]\nhush\n", 0o600, "line 2"},
		{"too long", good + strings.Repeat("#", maxCredentialsFile), 0o600, "longer than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, CredentialsFile)
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			got, err := ReadCredentials(path)
			if tt.want == "" {
				if err != nil || got.AccessKeyID != "AKIA1" || string(got.SecretAccessKey.Reveal()) != "hush=/+" {
					t.Errorf("got %q, %v", got.AccessKeyID, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want an error with %q and the path", err, tt.want)
			}
			if strings.Contains(err.Error(), "hush") {
				t.Errorf("the error shows what may be a secret: %v", err)
			}
			if _, created, err := LoadRoot(dir, rand.Reader); err == nil || created {
				t.Error("LoadRoot replaced or took it")
			}
			if text, err := os.ReadFile(path); err != nil || string(text) != tt.text {
				t.Error("the file changed")
			}
		})
	}
	if _, err := ReadCredentials(t.TempDir()); err == nil || !strings.Contains(err.Error(), "regular") {
		t.Errorf("a directory: got %v", err)
	}
}

func FuzzCredentials(f *testing.F) {
	f.Add("[default]\naws_access_key_id = a\naws_secret_access_key = b\n")
	f.Add("[\n=\n;")
	f.Fuzz(func(t *testing.T, text string) {
		root, err := parseCredentials([]byte(text))
		if (err == nil) != (root.AccessKeyID != "" && root.SecretAccessKey.Len() > 0) {
			t.Errorf("half a pair: %q %v", root.AccessKeyID, err)
		}
	})
}

// TestForward: a service that acts for somebody may do what they may and what it was opened for, and nothing else.
func TestForward(t *testing.T) {
	t.Parallel()
	d, c := newDirectory()
	end := c.time().Add(time.Minute)
	statements := []iam.Statement{{Effect: iam.Allow, Actions: []string{"s3:GetObject"}, Resources: []string{"arn:aws:s3:::films/in.mov"}}}
	_, who, _ := d.Find("AKIAROOT")
	got, err := d.Sessions.Forward(who, statements, end)
	if err != nil {
		t.Fatal(err)
	}
	key, session, ok := d.Find(got.AccessKeyID)
	if !ok || !key.Expiry.Equal(end) || session.ARN != who.ARN || session.AccessKeyID != got.AccessKeyID {
		t.Errorf("got %+v, %+v, %t", key.Expiry, session, ok)
	}
	for resource, want := range map[string]bool{"arn:aws:s3:::films/in.mov": true, "arn:aws:s3:::films/other.mov": false} {
		if d := iam.Authorize(session, iam.Check{Action: "s3:GetObject", Resource: resource}, nil); d.Allowed() != want {
			t.Errorf("%s: %v", resource, d)
		}
	}
	if _, err := d.Sessions.Forward(session, statements, end); err == nil {
		t.Error("a narrowed session was forwarded")
	}
	stranger := who
	stranger.Account = "999999999999"
	for name, p := range map[string]iam.Principal{"nobody": {}, "another account": stranger} {
		if _, err := d.Sessions.Forward(p, statements, end); err == nil {
			t.Errorf("%s was forwarded", name)
		}
	}
	for _, expiry := range []time.Time{c.time(), c.time().Add(MaxSessionLength + time.Second)} {
		if _, err := d.Sessions.Forward(who, statements, expiry); err == nil {
			t.Errorf("a session until %s", expiry)
		}
	}
	d.Sessions.Revoke(got.AccessKeyID)
	if _, _, ok := d.Find(got.AccessKeyID); ok {
		t.Error("a revoked session is found")
	}
}
