package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"darkroom/internal/cenc"
	"darkroom/internal/config"
	"darkroom/internal/cpix"
	"darkroom/internal/egress"
	"darkroom/internal/iam"
	"darkroom/internal/job"
	"darkroom/internal/lease"
	"darkroom/internal/plan"
	"darkroom/internal/speke"
)

// TestKeyServersOfTheConfiguration: every way to say who asks is read, and what is wrong with a file is said at the start, naming it.
func TestKeyServersOfTheConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, of, of, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	certificate, key := write("c.pem", encode("CERTIFICATE", der), 0o644), write("k.pem", encode("PRIVATE KEY", private), 0o600)
	token := write("token", "hunter2\n", 0o600)
	keys := write("keys", "[default]\naws_access_key_id = AKIAOWN\naws_secret_access_key = hush\n", 0o600)
	const url = "https://keys.example/speke"
	for _, c := range []struct {
		name   string
		server config.KeyServer
		auth   speke.Auth
		secret string
	}{
		{"the role's signature", config.KeyServer{URL: url, Auth: "sigv4", Region: "eu-west-1"}, speke.SigV4, ""},
		{"the operator's signature", config.KeyServer{URL: url, Auth: "sigv4", CredentialsFile: keys}, speke.SigV4, ""},
		{"bearer", config.KeyServer{URL: url, Auth: "bearer", TokenFile: token}, speke.Bearer, "hunter2"},
		{"basic", config.KeyServer{URL: url, Auth: "basic", User: "u", PasswordFile: token}, speke.Basic, "hunter2"},
		{"a header", config.KeyServer{URL: url, Auth: "header", Header: "X-Api-Key", ValueFile: token}, speke.Header, "hunter2"},
		{"mutual TLS", config.KeyServer{URL: url, Auth: "mtls", CertificateFile: certificate, KeyFile: key}, speke.MutualTLS, ""},
		{"nothing", config.KeyServer{URL: url, Auth: "none"}, speke.None, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := configuredServer(c.server)
			if err != nil {
				t.Fatal(err)
			}
			if got.Auth != c.auth || got.URL != url || got.Region != c.server.Region {
				t.Errorf("got %+v", got)
			}
			if (got.Secret != nil) != (c.secret != "") || (got.Credentials != nil) != (c.server.CredentialsFile != "") || (got.Certificate != nil) != (c.auth == speke.MutualTLS) {
				t.Error("what proves who asks is not what was configured")
			}
			if got.Secret != nil {
				if s, err := got.Secret(); err != nil || string(s.Reveal()) != c.secret {
					t.Errorf("the secret is %q, error %v", s.Reveal(), err)
				}
			}
			door, err := egress.New(egress.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := openKeyServers(config.Config{SPEKE: config.SPEKE{Servers: []config.KeyServer{c.server}}}, door); err != nil {
				t.Error(err)
			}
		})
	}
	open, empty, nonsense := write("open", "hunter2", 0o644), write("empty", "\n", 0o600), write("nonsense", "hunter2", 0o600)
	for _, c := range []struct {
		name   string
		server config.KeyServer
		file   string
	}{
		{"no file", config.KeyServer{URL: url, Auth: "bearer", TokenFile: filepath.Join(dir, "away")}, "away"},
		{"a file that others may read", config.KeyServer{URL: url, Auth: "bearer", TokenFile: open}, "open"},
		{"an empty file", config.KeyServer{URL: url, Auth: "basic", User: "u", PasswordFile: empty}, "empty"},
		{"a directory", config.KeyServer{URL: url, Auth: "header", Header: "X-Api-Key", ValueFile: dir}, dir},
		{"credentials that are none", config.KeyServer{URL: url, Auth: "sigv4", CredentialsFile: nonsense}, "credentials_file"},
		{"a private key that others may read", config.KeyServer{URL: url, Auth: "mtls", CertificateFile: certificate, KeyFile: certificate}, "key_file"},
		{"a private key that is none", config.KeyServer{URL: url, Auth: "mtls", CertificateFile: certificate, KeyFile: nonsense}, "key_file"},
		{"a certificate that is none", config.KeyServer{URL: url, Auth: "mtls", CertificateFile: nonsense, KeyFile: key}, "certificate_file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := configuredServer(c.server)
			if err == nil || !strings.Contains(err.Error(), c.file) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, want an error that names %s and shows no secret", err, c.file)
			}
		})
	}
}

// TestKeyPolicy: the session that asks for the keys of one content can do nothing else.
func TestKeyPolicy(t *testing.T) {
	t.Parallel()
	const (
		api      = "arn:aws:execute-api:us-east-1:000000000000:darkroom/speke/POST/v2.0/copyProtection"
		player   = "arn:aws:execute-api:us-east-1:000000000000:darkroom/player/GET/keys/film"
		customer = "arn:aws:execute-api:us-east-1:000000000000:a1b2c3d4e5/speke/POST/copyProtection"
		key      = "arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	)
	about := func(id string) map[string]string { return map[string]string{"speke:ContentId": id} }
	via := func(service string) map[string]string {
		return map[string]string{"kms:ViaService": service + ".us-east-1.amazonaws.com"}
	}
	for _, c := range []struct {
		name, content, action, resource string
		context                         map[string]string
		allowed                         bool
		other                           bool // the session signs for another key server than our own
	}{
		{"its own content", "film", "execute-api:Invoke", api, about("film"), true, false},
		{"a content with odd characters", "f*l?m ${aws:username}", "execute-api:Invoke", api, about("f*l?m ${aws:username}"), true, false},
		{"what odd characters would match", "f*m", "execute-api:Invoke", api, about("film"), false, false},
		{"another content", "film", "execute-api:Invoke", api, about("film2"), false, false},
		{"no content", "film", "execute-api:Invoke", api, nil, false, false},
		{"another account", "film", "execute-api:Invoke", strings.Replace(api, "000000000000", "111122223333", 1), about("film"), false, false},
		{"another Region", "film", "execute-api:Invoke", strings.Replace(api, "us-east-1", "eu-west-1", 1), about("film"), false, false},
		{"another action", "film", "execute-api:ManageConnections", api, about("film"), false, false},
		{"the key service through the key server", "film", "kms:Decrypt", key, via("execute-api"), true, false},
		{"the key service itself", "film", "kms:Decrypt", key, nil, false, false},
		{"the key service through the store", "film", "kms:Decrypt", key, via("s3"), false, false},
		{"a grant through the key server", "film", "kms:CreateGrant", key, via("execute-api"), false, false},
		{"an object", "film", "s3:GetObject", "arn:aws:s3:::films/in", nil, false, false},
		{"the API of a customer", "film", "execute-api:Invoke", customer, about("film"), false, false},
		{"another key server: its API", "film", "execute-api:Invoke", customer, about("film"), true, true},
		{"another key server: its API about another content", "film", "execute-api:Invoke", customer, about("film2"), false, true},
		{"another key server: our key server", "film", "execute-api:Invoke", api, about("film"), false, true},
		{"another key server: our player", "film", "execute-api:Invoke", player, about("film"), false, true},
		{"another key server: the key service through ours", "film", "kms:Decrypt", key, via("execute-api"), false, true},
		{"a job", "film", "mediaconvert:CreateJob", "arn:aws:mediaconvert:us-east-1:000000000000:queues/Default", nil, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			text, err := keyPolicy("us-east-1", "000000000000", c.content, !c.other)
			if err != nil {
				t.Fatal(err)
			}
			all, err := iam.Parse(iam.IdentityPolicy, "role", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)
			if err != nil {
				t.Fatal(err)
			}
			session, err := iam.Parse(iam.IdentityPolicy, "session", text)
			if err != nil {
				t.Fatal(err)
			}
			who := iam.Principal{
				Type: iam.AssumedRole, Account: "000000000000", ARN: "arn:aws:sts::000000000000:assumed-role/r/s", Policies: []*iam.Policy{all}, Session: []*iam.Policy{session},
			}
			check := iam.Check{Action: c.action, Resource: c.resource, Owner: "000000000000"}
			for name, value := range c.context {
				check.Context.Set(name, value)
			}
			if d := iam.Authorize(&iam.Request{Principal: who, Check: check}); d.Allowed() != c.allowed {
				t.Errorf("allowed %v, want %v", d.Allowed(), c.allowed)
			}
		})
	}
	// The worker's own session may ask no key server, whatever its role may.
	text, err := sessionPolicy(plan.Access{Inputs: []plan.Input{{Object: plan.Location{Bucket: "in", Key: "film"}}}, Outputs: []plan.Location{{Bucket: "out", Key: "film"}}}, "us-east-1")
	if err != nil || strings.Contains(text, "execute-api") {
		t.Errorf("the worker's session: %s, %v", text, err)
	}
}

// TestRelayedQuestion: a key server that a job names passes the job's signed question on to the listener here. It is told nothing, unless it is where the operator
// has the key server reached.
func TestRelayedQuestion(t *testing.T) {
	t.Parallel()
	i := install(t)
	role := i.role()
	var mu sync.Mutex
	var status int
	var told string
	relay := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		on, err := http.NewRequestWithContext(r.Context(), r.Method, i.http.URL+r.URL.RequestURI(), r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		on.Header, on.Host, on.ContentLength = r.Header, r.Host, r.ContentLength
		answer, err := i.http.Client().Do(on)
		if err != nil {
			t.Error(err)
			return
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		status, told = answer.StatusCode, string(text)
		mu.Unlock()
		maps.Copy(w.Header(), answer.Header)
		w.WriteHeader(answer.StatusCode)
		_, _ = w.Write(text)
	}))
	t.Cleanup(relay.Close)
	door, err := egress.New(egress.Options{
		Rules:       []egress.Rule{{Net: netip.MustParsePrefix("127.0.0.0/8"), Ports: []int{relay.Listener.Addr().(*net.TCPAddr).Port}, For: []egress.Purpose{egress.SPEKE}}},
		Authorities: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: relay.Certificate().Raw}),
	})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := i.openContentKeys(door)
	if err != nil {
		t.Fatal(err)
	}
	fetch := func(id string) error {
		got, err := keys.Fetch(t.Context(), &job.Job{ID: id, Account: house, Role: role.ARN(house), Settings: json.RawMessage(`{"outputGroups":[{"outputGroupSettings":{"type":"HLS_GROUP_SETTINGS",
			"hlsGroupSettings":{"destination":"s3://b/","encryption":{"type":"SPEKE","encryptionMethod":"SAMPLE_AES","spekeKeyProvider":{"url":"` + relay.URL + `/speke/v1.0/copyProtection",
			"resourceId":"film","systemIds":["94ce86fb-07ff-4f43-adb8-93d2fa968ca2"]}}}}}]}`)}, "task", 1, 0)
		for _, k := range got {
			k.Value.Wipe()
		}
		return err
	}
	heard := func() (int, string) {
		mu.Lock()
		defer mu.Unlock()
		return status, told
	}
	own := "https://192.0.2.1:9443"
	i.listening.Store(&own)
	if err := fetch("job-1"); err == nil || !strings.Contains(err.Error(), "denies access with status 403") {
		t.Errorf("the job: %v", err)
	}
	if code, text := heard(); code != http.StatusForbidden || !strings.Contains(text, "is not authorized to perform: execute-api:Invoke") || strings.Contains(text, "PlainValue") {
		t.Errorf("the relay was told %d %s", code, text)
	}
	// The same relay, where the operator says that it is in front of the key server: what was refused was refused for the address alone.
	i.cfg.KeyServerURL = relay.URL
	err = fetch("job-1")
	if code, _ := heard(); err != nil || code != http.StatusOK {
		t.Errorf("the operator's own relay: %d, %v", code, err)
	}
}

// TestOwnKeyServerAgain: that the way to the own key server could not be made for one job is not held against the next.
func TestOwnKeyServerAgain(t *testing.T) {
	t.Parallel()
	i := install(t)
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	t.Cleanup(s.Close)
	i.listening.Store(&s.URL)
	trusted := filepath.Join(i.cfg.Data, i.authorities())
	if err := os.Remove(trusted); err != nil {
		t.Fatal(err)
	}
	r, err := cpix.NewRequest(cpix.Options{
		ContentID: "film", Version: cpix.V1, Uses: cpix.Shared(), Scheme: cenc.CBCS, Method: cenc.MethodSampleAES, Systems: []cpix.Wanted{{ID: cenc.FairPlay, HLS: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	b := &boxed{s: i.server}
	ask := func() error {
		_, err := b.Keys(t.Context(), speke.Query{URL: s.URL + "/speke", Request: r})
		return err
	}
	if err := ask(); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("without the authority: %v", err)
	}
	if err := os.WriteFile(trusted, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if e, ok := errors.AsType[*speke.Error](ask()); !ok || e.Status != http.StatusTeapot {
			t.Errorf("with it: %v", e)
		}
	}
}

// TestOwnKeyServer: which addresses are the key server's in the box.
func TestOwnKeyServer(t *testing.T) {
	t.Parallel()
	at := "https://127.0.0.1:9443"
	s := &server{cfg: config.Config{KeyServer: true, KeyServerURL: "https://keys.example", Hosts: []string{"media.example", "2001:db8::1"}}}
	if s.ownKeyServer(at + "/speke") {
		t.Error("there is no listener yet")
	}
	s.listening.Store(&at)
	for _, c := range []struct {
		url string
		own bool
	}{
		{"https://127.0.0.1:9443/speke/v2.0/copyProtection", true},
		{"https://keys.example/speke", true},
		{"https://KEYS.example:443/speke", true},
		{"https://media.example:9443/speke", true},
		{"https://[2001:db8:0::1]:9443/speke", true},
		{"https://127.0.0.1:9444/speke", false},
		{"https://127.0.0.1:9443.evil.example/speke", false},
		{"https://evil.example/127.0.0.1:9443/", false},
		{"https://127.0.0.1:9443@evil.example/", false},
		{"https://evil.example:9443/speke", false},
		{"https://keys.example:9443/speke", false},
		{"https://media.example/speke", false},
		{"https://sub.keys.example/speke", false},
		{"http://127.0.0.1:9443/speke", false},
		{"", false},
	} {
		if got := s.ownKeyServer(c.url); got != c.own {
			t.Errorf("%q: %v, want %v", c.url, got, c.own)
		}
	}
	s.cfg.KeyServer = false
	if s.ownKeyServer(at + "/speke") {
		t.Error("there is no key server")
	}
}

// TestResourceIDsAfterARestart: what a job uses that an earlier run left in progress is known before any job is claimed again.
func TestResourceIDsAfterARestart(t *testing.T) {
	t.Parallel()
	cfg := config.Default()
	cfg.Data, cfg.Account = t.TempDir(), house
	start := func() *server {
		s, err := open(t.Context(), cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	settings := json.RawMessage(`{"inputs":[{"fileInput":"s3://films/in.mp4"}],"outputGroups":[{"outputGroupSettings":{"type":"HLS_GROUP_SETTINGS","hlsGroupSettings":{"destination":"s3://films/out/",
		"encryption":{"type":"SPEKE","encryptionMethod":"SAMPLE_AES","spekeKeyProvider":{"url":"https://127.0.0.1:1/","resourceId":"film","systemIds":["94ce86fb-07ff-4f43-adb8-93d2fa968ca2"]}}}}}]}`)
	first := start()
	for _, id := range []string{"1700000000000-aaaaaa", "1700000000001-bbbbbb"} {
		if _, err := first.queue.Submit(t.Context(), &job.Job{
			ID: id, Account: house, Status: job.Submitted, Queue: "arn:aws:mediaconvert:us-east-1:" + house + ":queues/Default", Role: "arn:aws:iam::" + house + ":role/MediaConvert_Default_Role",
			Settings: settings, Submitted: time.Now(),
		}); err != nil {
			t.Fatal(err)
		}
	}
	claim := func(s *server) map[string]*lease.Lease {
		held := map[string]*lease.Lease{}
		for range 2 {
			l, err := s.queue.Claim(t.Context(), "worker")
			if err != nil {
				t.Fatal(err)
			}
			held[l.JobID] = l
		}
		return held
	}
	// The second asks first: there is no key server, but the resource ID is its own from then on.
	second := claim(first)["1700000000001-bbbbbb"]
	if _, err := first.queue.ContentKeys(t.Context(), second, 0); err == nil || !strings.Contains(err.Error(), "not allowed by this installation") {
		t.Fatalf("the job that asks first: %v", err)
	}
	if _, err := first.queue.Report(t.Context(), second, lease.Progress{Phase: job.Transcoding}); err != nil {
		t.Fatal(err)
	}
	first.close()
	again := start()
	t.Cleanup(again.close)
	held := claim(again)
	for _, c := range []struct{ id, want string }{
		{"1700000000000-aaaaaa", "in use by the job 1700000000001-bbbbbb"}, {"1700000000001-bbbbbb", "not allowed by this installation"},
	} {
		if _, err := again.queue.ContentKeys(t.Context(), held[c.id], 0); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.id, err, c.want)
		}
	}
}
