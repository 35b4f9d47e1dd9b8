package inspect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/sbom"
)

var (
	noon      = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	errBroken = errors.New("broken")
)

const account = "000000000000"

// records are an audit trail in memory, newest first.
type records []audit.Record

func (r records) Find(_ context.Context, q audit.Query) (out []audit.Found, err error) {
	for _, e := range r {
		if q.Account != e.RecipientAccountID || q.Principal != "" && q.Principal != e.UserIdentity.ARN || q.Name != "" && q.Name != e.EventName ||
			q.Outcome != "" && q.Outcome != e.Outcome() || !q.From.IsZero() && e.EventTime.Before(q.From) || len(out) == q.Limit {
			continue
		}
		text, err := json.Marshal(e)
		if err != nil {
			return nil, err
		}
		out = append(out, audit.Found{Entry: audit.Entry{Text: text}})
	}
	return out, nil
}

func (r records) Position(context.Context) (int64, error) { return int64(len(r)), nil }

type brokenTrail struct{}

func (brokenTrail) Find(context.Context, audit.Query) ([]audit.Found, error) { return nil, errBroken }
func (brokenTrail) Position(context.Context) (int64, error)                  { return 0, errBroken }

func call(ago time.Duration, name, who, code string) audit.Record {
	typ := "IAMUser"
	if strings.HasSuffix(who, ":root") {
		typ = "Root"
	}
	return audit.Record{
		EventTime: noon.Add(-ago), EventName: name, RecipientAccountID: account, ErrorCode: code, EventType: audit.APICall,
		UserIdentity: audit.Identity{Type: typ, ARN: who},
	}
}

const (
	rootARN = "arn:aws:iam::" + account + ":root"
	userARN = "arn:aws:iam::" + account + ":user/u"
)

// sound is an installation of which every check passes.
func sound() *Installation {
	good := Listener{
		URL: "https://x", TLS: true, NotAfter: noon.Add(60 * day), Subject: "CN=x", PlainHTTP: 400,
		Versions:  []Offered{{"TLS 1.0", false}, {"TLS 1.1", false}, {"TLS 1.2", true}, {"TLS 1.3", true}},
		Suites:    []Offered{{"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", true}, {"TLS_RSA_WITH_RC4_128_SHA", false}},
		Anonymous: Answer{403, "MissingAuthenticationTokenException"}, Forged: Answer{403, "InvalidSignatureException"},
	}
	return &Installation{
		Now: func() time.Time { return noon }, SettingsFrom: "a test", Accounts: []string{account},
		Settings: map[string]any{
			"require_sandbox": true, "insecure_http": false, "retention_days": uint64(90), "throttle": map[string]any{"rate": 10.0, "burst": uint64(5)},
			"egress": map[string]any{"restrict": []any{map[string]any{}}}, "audit": map[string]any{"retention_days": uint64(400)},
		},
		Files: func(_ context.Context, see func(File)) (bool, error) {
			see(File{Path: ".", Mode: fs.ModeDir | 0o700, Owned: true})
			see(File{Path: "ca.pem", Mode: 0o644, Owned: true, Public: true})
			return false, nil
		},
		Root:     func(context.Context) (Root, error) { return Root{Kind: "kms"}, nil },
		Listener: func(context.Context) (Listener, error) { return good, nil },
		Layers:   func(context.Context) ([]Layer, error) { return []Layer{{"seccomp", true, ""}}, nil },
		Dial:     func(context.Context, string) (bool, error) { return true, nil },
		FIPS:     func() FIPS { return FIPS{Enabled: true, Version: "v1.0.0"} },
		Trail:    records{call(time.Minute, "CreateJob", userARN, ""), call(time.Hour, "CompleteBackup", userARN, ""), call(time.Hour, "RestoreBackup", userARN, "")},
		People: func(context.Context, string) (People, error) {
			return People{[]User{{Name: "u", ARN: userARN, Granted: true, MFA: true, Keys: []AccessKey{{ID: "AKIA1", Created: noon.Add(-day), Active: true}}}}}, nil
		},
		Keys: func(context.Context, string) ([]Key, error) {
			return []Key{{ARN: "k", State: "Enabled", RotationDays: 90}}, nil
		},
		Objects: func(context.Context) (Objects, error) {
			return Objects{Files: []Sample{{"data/x", []byte("\x91\x22\x8a\xff")}}}, nil
		},
		Digests: func(context.Context) ([]Chain, error) {
			return []Chain{{Trail: "t", Account: account, Logging: true, Delivered: noon, Digest: noon, Verified: 1}}, nil
		},
		Build: func() (*debug.BuildInfo, error) {
			return &debug.BuildInfo{GoVersion: "go1.26", Deps: []*debug.Module{{Path: "m", Sum: "h1:x"}}, Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}}}, nil
		},
		FFmpeg: func(context.Context) (sbom.Program, error) {
			return sbom.Program{Version: "99.0", Path: "/usr/bin/ffmpeg", Configuration: []string{"-x"}}, nil
		},
	}
}

func byID(t *testing.T, id string) Check {
	t.Helper()
	for _, c := range All() {
		if c.ID == id {
			return c
		}
	}
	t.Fatalf("no check %s", id)
	return Check{}
}

// TestSound: on an installation of which nothing is wrong every check passes, but that of what ffmpeg's table does not know.
func TestSound(t *testing.T) {
	t.Parallel()
	for _, r := range Run(t.Context(), sound(), All()) {
		if r.State != Passed && r.Check != "version.ffmpeg" {
			t.Errorf("%s: %s: %s", r.Check, r.State, r.Found)
		}
		if r.Title == "" || r.Kind == "" || !r.Time.Equal(noon) || r.Found == "" || (r.State == Failed) != (r.Mend != "") {
			t.Errorf("%+v", r)
		}
	}
}

// TestNothing: without anything to look at no check passes, and none claims more than that it has not looked.
func TestNothing(t *testing.T) {
	t.Parallel()
	in := &Installation{Now: func() time.Time { return noon }}
	for _, r := range Run(t.Context(), in, All()) {
		if r.State != NotChecked || r.Found == "" {
			t.Errorf("%s: %s: %s", r.Check, r.State, r.Found)
		}
	}
}

// TestBroken: a source that answers with an error makes its checks fail; one that says that it cannot be asked leaves them not checked.
func TestBroken(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		err  error
		want State
	}{{"an error", errBroken, Failed}, {"an Unknown", &Unknown{"it cannot be asked"}, NotChecked}} {
		in := sound()
		in.Files = func(context.Context, func(File)) (bool, error) { return false, tt.err }
		in.Root = func(context.Context) (Root, error) { return Root{}, tt.err }
		in.Listener = func(context.Context) (Listener, error) { return Listener{}, tt.err }
		in.Layers = func(context.Context) ([]Layer, error) { return nil, tt.err }
		in.People = func(context.Context, string) (People, error) { return People{}, tt.err }
		in.Keys = func(context.Context, string) ([]Key, error) { return nil, tt.err }
		in.Objects = func(context.Context) (Objects, error) { return Objects{}, tt.err }
		in.Digests = func(context.Context) ([]Chain, error) { return nil, tt.err }
		in.Build = func() (*debug.BuildInfo, error) { return nil, tt.err }
		in.FFmpeg = func(context.Context) (sbom.Program, error) { return sbom.Program{}, tt.err }
		in.Trail = brokenTrail{}
		for _, r := range Run(t.Context(), in, All()) {
			switch {
			case strings.HasPrefix(r.Check, "config."), r.Check == "host.fips", r.Check == "host.egress-metadata":
				continue // they ask no such source
			case r.Check == "host.clock", r.Check == "people.root-unused", strings.HasPrefix(r.Check, "life."), r.Check == "trail.records", r.Check == "trail.denials":
				if r.State != Failed {
					t.Errorf("%s, with a broken trail: %s: %s", tt.name, r.Check, r.State)
				}
				continue
			}
			if r.State != tt.want {
				t.Errorf("%s: %s: got %s (%s), want %s", tt.name, r.Check, r.State, r.Found, tt.want)
			}
		}
	}
}

// TestChecks: each check, on what is wrong, and on what only looks so.
func TestChecks(t *testing.T) {
	t.Parallel()
	listener := func(change func(*Listener)) func(*Installation) {
		return func(in *Installation) {
			l, _ := in.Listener(context.Background())
			change(&l)
			in.Listener = func(context.Context) (Listener, error) { return l, nil }
		}
	}
	setting := func(value any, path ...string) func(*Installation) {
		return func(in *Installation) {
			m := in.Settings
			for _, key := range path[:len(path)-1] {
				m = m[key].(map[string]any)
			}
			m[path[len(path)-1]] = value
		}
	}
	files := func(all ...File) func(*Installation) {
		return func(in *Installation) {
			in.Files = func(_ context.Context, see func(File)) (bool, error) {
				for _, f := range all {
					see(f)
				}
				return len(all) > 1, nil
			}
		}
	}
	user := func(u User) func(*Installation) {
		return func(in *Installation) {
			in.People = func(context.Context, string) (People, error) { return People{[]User{u}}, nil }
		}
	}
	chains := func(all ...Chain) func(*Installation) {
		return func(in *Installation) {
			in.Digests = func(context.Context) ([]Chain, error) { return all, nil }
		}
	}
	trail := func(all ...audit.Record) func(*Installation) {
		return func(in *Installation) { in.Trail = records(all) }
	}
	head := func(text string) func(*Installation) {
		return func(in *Installation) {
			in.Objects = func(context.Context) (Objects, error) { return Objects{Files: []Sample{{"data/x", []byte(text)}}}, nil }
		}
	}
	build := func(change func(*debug.BuildInfo)) func(*Installation) {
		return func(in *Installation) {
			b, _ := in.Build()
			change(b)
			in.Build = func() (*debug.BuildInfo, error) { return b, nil }
		}
	}
	many := make([]audit.Record, deniedMany)
	for i := range many {
		many[i] = call(time.Minute, "GetJob", userARN, "AccessDenied")
	}
	packets := make([]byte, 3*packet)
	packets[0], packets[packet], packets[2*packet] = syncByte, syncByte, syncByte
	for _, tt := range []struct {
		check, name string
		change      func(*Installation)
		want        State
		found       string
	}{
		{"config.sandbox-required", "not required", setting(false, "require_sandbox"), Failed, "layer"},
		{"config.encrypted-listener", "plain", setting(true, "insecure_http"), Failed, "plain HTTP"},
		{"config.egress-narrowed", "nothing", setting([]any{}, "egress", "restrict"), Failed, "every public address"},
		{"config.audit-retention", "too short", setting(uint64(364), "audit", "retention_days"), Failed, "364"},
		{"config.audit-retention", "just enough", setting(uint64(365), "audit", "retention_days"), Passed, ""},
		{"config.audit-retention", "for ever", setting(uint64(0), "audit", "retention_days"), Passed, "for ever"},
		{"config.audit-retention", "a version without the setting", func(in *Installation) { delete(in.Settings, "audit") }, Passed, "no setting"},
		{"config.job-retention", "for ever", setting(uint64(0), "retention_days"), Failed, "for ever"},
		{"config.job-retention", "no such setting", func(in *Installation) { delete(in.Settings, "retention_days") }, NotChecked, ""},
		{"config.throttle", "none", setting(0.0, "throttle", "rate"), Failed, "limited"},

		{"listener.tls-version", "plain HTTP", listener(func(l *Listener) { l.TLS = false }), Failed, "plain HTTP"},
		{"listener.tls-version", "TLS 1.1", listener(func(l *Listener) { l.Versions = []Offered{{"TLS 1.1", true}, {"TLS 1.2", true}} }), Failed, "TLS 1.1"},
		{"listener.tls-version", "no handshake", listener(func(l *Listener) { l.Versions = nil }), Failed, "no handshake"},
		{"listener.tls-suites", "plain HTTP", listener(func(l *Listener) { l.TLS = false }), Failed, "plain HTTP"},
		{"listener.tls-suites", "a weak one", listener(func(l *Listener) { l.Weak = []string{"TLS_RSA_WITH_RC4_128_SHA"} }), Failed, "RC4"},
		{"listener.tls-suites", "none was tried", listener(func(l *Listener) { l.Suites = nil }), Failed, "tried"},
		{"listener.certificate", "ended", listener(func(l *Listener) { l.NotAfter = noon.Add(-day) }), Failed, "ended"},
		{"listener.certificate", "ends soon", listener(func(l *Listener) { l.NotAfter = noon.Add(day) }), Failed, "24 hours"},
		{"listener.certificate", "none", listener(func(l *Listener) { l.NotAfter = time.Time{} }), Failed, "no certificate"},
		{"listener.certificate", "plain HTTP", listener(func(l *Listener) { l.TLS = false }), NotApplicable, ""},
		{"listener.plain-http", "answered", listener(func(l *Listener) { l.PlainHTTP = 200 }), Failed, "answered"},
		{"listener.plain-http", "cut off", listener(func(l *Listener) { l.PlainHTTP = 0 }), Passed, ""},
		{"listener.plain-http", "served", listener(func(l *Listener) { l.TLS = false }), Failed, "plain HTTP"},
		{"listener.anonymous", "served", listener(func(l *Listener) { l.Anonymous = Answer{200, ""} }), Failed, "200"},
		{"listener.anonymous", "another refusal", listener(func(l *Listener) { l.Anonymous = Answer{500, "InternalServerError"} }), Failed, "500"},
		{"listener.forged", "served", listener(func(l *Listener) { l.Forged = Answer{200, ""} }), Failed, "200"},
		{"listener.forged", "an unknown key", listener(func(l *Listener) { l.Forged = Answer{403, "UnrecognizedClientException"} }), Passed, ""},

		{"host.sandbox", "a layer is missing", func(in *Installation) {
			in.Layers = func(context.Context) ([]Layer, error) { return []Layer{{"seccomp", false, "no kernel"}}, nil }
		}, Failed, "1 of 1"},
		{"host.sandbox", "no layers", func(in *Installation) { in.Layers = func(context.Context) ([]Layer, error) { return nil, nil } }, Failed, "no layers"},
		{"host.egress-metadata", "connected", func(in *Installation) { in.Dial = func(context.Context, string) (bool, error) { return false, nil } }, Failed, "connected"},
		{"host.egress-metadata", "let through", func(in *Installation) {
			in.Dial = func(context.Context, string) (bool, error) { return false, errBroken }
		}, Failed, "let"},
		{"host.fips", "off", func(in *Installation) { in.FIPS = func() FIPS { return FIPS{} } }, Failed, "no FIPS"},
		{"host.clock", "behind", trail(call(-time.Hour, "X", userARN, "")), Failed, "ahead of the clock"},
		{"host.clock", "a moment", trail(call(-time.Second, "X", userARN, "")), Passed, ""},
		{"host.clock", "no records", trail(), NotApplicable, ""},

		{"file.modes", "the group can read", files(File{Path: "root.key", Mode: 0o640, Owned: true}), Failed, "1 of 1"},
		{"file.modes", "another's", files(File{Path: "root.key", Mode: 0o600}), Failed, "1 of 1"},
		{"file.modes", "a public one that others write", files(File{Path: "ca.pem", Mode: 0o666, Owned: true, Public: true}), Failed, "1 of 1"},
		{"file.modes", "no files", files(), Failed, "no files"},
		{"file.modes", "more than can be looked at", files(File{Mode: 0o600, Owned: true}, File{Mode: 0o600, Owned: true}), NotChecked, "first 2"},
		{"root.outside", "inside", func(in *Installation) {
			in.Root = func(context.Context) (Root, error) { return Root{Kind: "file", Inside: true}, nil }
		}, Failed, "data directory"},

		{"people.root-unused", "used", trail(call(day, "ListJobs", rootARN, "")), Failed, "30 days: 1"},
		{"people.root-unused", "long ago", trail(call(31*day, "ListJobs", rootARN, "")), Passed, ""},
		{"people.root-unused", "by Darkroom for the root", trail(func() audit.Record {
			r := call(day, "Connect", rootARN, "")
			r.EventType = audit.ByService
			return r
		}()), Passed, ""},
		{"people.mfa", "no device", user(User{ARN: userARN, Granted: true}), Failed, "no MFA device: 1"},
		{"people.mfa", "no device, no policies", user(User{ARN: userARN}), Passed, ""},
		{"people.mfa", "nobody", func(in *Installation) {
			in.People = func(context.Context, string) (People, error) { return People{}, nil }
		}, NotApplicable, ""},
		{"people.key-age", "old", user(User{Keys: []AccessKey{{ID: "A", Active: true, Created: noon.Add(-91 * day)}}}), Failed, "90 days: 1"},
		{"people.key-age", "old and inactive", user(User{Keys: []AccessKey{{ID: "A", Created: noon.Add(-91 * day)}}}), Passed, ""},
		{"people.key-unused", "never used", user(User{Keys: []AccessKey{{ID: "A", Active: true, Created: noon.Add(-91 * day)}}}), Failed, "nobody uses: 1"},
		{"people.key-unused", "used once", user(User{Keys: []AccessKey{{ID: "A", Active: true, Created: noon.Add(-200 * day), LastUsed: noon.Add(-91 * day)}}}), Failed, ""},
		{"people.key-unused", "in use", user(User{Keys: []AccessKey{{ID: "A", Active: true, Created: noon.Add(-200 * day), LastUsed: noon}}}), Passed, ""},

		{"trail.records", "none", trail(), NotApplicable, ""},
		{"trail.denials", "many", trail(many...), Failed, "1 principals"},
		{"trail.denials", "just not as many", trail(many[1:]...), Passed, "99"},
		{"trail.delivered", "no trail", chains(), Failed, "no trail"},
		{"trail.delivered", "stopped", chains(Chain{Trail: "t", Account: account}), Failed, "no trail"},
		{"trail.delivered", "of another account", chains(Chain{Trail: "t", Account: "111111111111", Logging: true}), Failed, "no trail"},
		{"trail.delivered", "fails", chains(Chain{Trail: "t", Account: account, Logging: true, Error: "AccessDenied"}), Failed, "cannot deliver"},
		{"trail.chain", "no trail", chains(), Failed, "no trail"},
		{"trail.chain", "broken", chains(Chain{Trail: "t", Account: account, Digest: noon, Verified: 1, Faults: []string{"x is missing"}}), Failed, "broken"},
		{"trail.chain", "late", chains(Chain{Trail: "t", Account: account, Logging: true, Digest: noon.Add(-day), Verified: 1}), Failed, "late"},
		{"trail.chain", "cannot be read, and late", chains(Chain{Trail: "t", Account: account, Logging: true, Digest: noon.Add(-day), Unread: "no server"}), Failed, "late"},
		{"trail.chain", "cannot be read", chains(Chain{Trail: "t", Account: account, Logging: true, Digest: noon, Unread: "no server"}), NotChecked, "no server"},
		{"trail.chain", "nothing to verify", chains(Chain{Trail: "t", Account: account, Logging: true, Digest: noon}), Failed, "was found"},
		{"life.backup", "none", trail(call(day, "X", userARN, "")), Failed, "no record"},
		{"life.backup", "old", trail(call(8*day, "CompleteBackup", userARN, "")), Failed, "8 days"},
		{"life.backup", "failed", trail(call(day, "CompleteBackup", userARN, "InternalFailure")), Failed, "no record"},
		{"life.restore-test", "none", trail(), Failed, "no record"},
		{"life.restore-test", "old", trail(call(366*day, "RestoreBackup", userARN, "")), Failed, "366 days"},

		{"encryption.objects", "a film", head("\x00\x00\x00\x20ftypisom"), Failed, "MP4"},
		{"encryption.objects", "a transport stream", head(string(packets)), Failed, "transport stream"},
		{"encryption.objects", "a playlist", head("#EXTM3U\n"), Failed, "playlist"},
		{"encryption.objects", "nothing", head(""), Passed, ""},
		{"encryption.objects", "no objects", func(in *Installation) { in.Objects = func(context.Context) (Objects, error) { return Objects{}, nil } }, NotApplicable, ""},
		{"encryption.objects", "elsewhere", func(in *Installation) {
			in.Objects = func(context.Context) (Objects, error) { return Objects{External: "https://s3.example.com"}, nil }
		}, NotChecked, "s3.example.com"},
		{"encryption.key-rotation", "none", func(in *Installation) {
			in.Keys = func(context.Context, string) ([]Key, error) {
				return []Key{{ARN: "k", State: "Enabled", Newest: noon}}, nil
			}
		}, Failed, "1 of 1"},
		{"encryption.key-rotation", "none of a disabled key", func(in *Installation) {
			in.Keys = func(context.Context, string) ([]Key, error) { return []Key{{ARN: "k", State: "Disabled"}}, nil }
		}, NotApplicable, ""},

		{"version.ffmpeg", "an old one", func(in *Installation) {
			in.FFmpeg = func(context.Context) (sbom.Program, error) { return sbom.Program{Version: "5.1.9-0+deb12u1"}, nil }
		}, Failed, "distribution"},
		{"version.build", "changes", build(func(b *debug.BuildInfo) {
			b.Settings = append(b.Settings, debug.BuildSetting{Key: "vcs.modified", Value: "true"})
		}), Failed, "changes"},
		{"version.build", "no commit", build(func(b *debug.BuildInfo) { b.Settings = nil }), Failed, "commit"},
		{"version.build", "a replaced module", build(func(b *debug.BuildInfo) { b.Deps[0].Replace = &debug.Module{Path: "y"} }), Failed, "replaced"},
		{"version.build", "a module without its checksum", build(func(b *debug.BuildInfo) { b.Deps[0].Sum = "" }), Failed, "checksum"},
	} {
		in := sound()
		tt.change(in)
		r := byID(t, tt.check).Run(t.Context(), in)
		if r.State != tt.want || !strings.Contains(r.Found, tt.found) {
			t.Errorf("%s, %s: got %s: %s; want %s: …%s…", tt.check, tt.name, r.State, r.Found, tt.want, tt.found)
		}
		if r.State == Failed && r.Mend == "" {
			t.Errorf("%s, %s: it is not said how to mend it", tt.check, tt.name)
		}
	}
}

// TestRun: a result that says nothing has failed, facts are bounded, and what did not fail has nothing to mend.
func TestRun(t *testing.T) {
	t.Parallel()
	in := sound()
	for _, tt := range []struct {
		name  string
		look  func(context.Context, *Installation) Result
		state State
		facts int
	}{
		{"the zero result", func(context.Context, *Installation) Result { return Result{} }, Failed, 0},
		{"a pass that says nothing", func(context.Context, *Installation) Result { return Result{State: Passed} }, Failed, 0},
		{"a pass", func(context.Context, *Installation) Result { return passed("it is so").mend("x") }, Passed, 0},
		{"many facts", func(context.Context, *Installation) Result {
			r := passed("it is so")
			for i := range 3 * MaxFacts {
				r = r.with(Fact{"f", fmt.Sprint(i)})
			}
			return r
		}, Passed, MaxFacts},
	} {
		r := Check{ID: "x", Mend: "mend it", look: tt.look}.Run(t.Context(), in)
		if r.State != tt.state || len(r.Facts) != tt.facts || (r.State == Failed) != (r.Mend != "") {
			t.Errorf("%s: %+v", tt.name, r)
		}
	}
	if State(99).String() != "failed" {
		t.Error("a state that is not known has not failed")
	}
	var s State
	if err := s.UnmarshalText([]byte("fine")); err == nil {
		t.Error("a state that is not known was read")
	}
	if len(Standing()) == 0 || len(Standing()) >= len(All()) {
		t.Errorf("%d of %d checks are standing", len(Standing()), len(All()))
	}
}
