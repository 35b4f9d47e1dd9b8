package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"darkroom/internal/config"
	"darkroom/internal/egress"
	"darkroom/internal/iam"
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
		api = "arn:aws:execute-api:us-east-1:000000000000:darkroom/speke/POST/v2.0/copyProtection"
		key = "arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	)
	about := func(id string) map[string]string { return map[string]string{"speke:ContentId": id} }
	via := func(service string) map[string]string {
		return map[string]string{"kms:ViaService": service + ".us-east-1.amazonaws.com"}
	}
	for _, c := range []struct {
		name, content, action, resource string
		context                         map[string]string
		allowed                         bool
	}{
		{"its own content", "film", "execute-api:Invoke", api, about("film"), true},
		{"a content with odd characters", "f*l?m ${aws:username}", "execute-api:Invoke", api, about("f*l?m ${aws:username}"), true},
		{"what odd characters would match", "f*m", "execute-api:Invoke", api, about("film"), false},
		{"another content", "film", "execute-api:Invoke", api, about("film2"), false},
		{"no content", "film", "execute-api:Invoke", api, nil, false},
		{"another account", "film", "execute-api:Invoke", strings.Replace(api, "000000000000", "111122223333", 1), about("film"), false},
		{"another Region", "film", "execute-api:Invoke", strings.Replace(api, "us-east-1", "eu-west-1", 1), about("film"), false},
		{"another action", "film", "execute-api:ManageConnections", api, about("film"), false},
		{"the key service through the key server", "film", "kms:Decrypt", key, via("execute-api"), true},
		{"the key service itself", "film", "kms:Decrypt", key, nil, false},
		{"the key service through the store", "film", "kms:Decrypt", key, via("s3"), false},
		{"a grant through the key server", "film", "kms:CreateGrant", key, via("execute-api"), false},
		{"an object", "film", "s3:GetObject", "arn:aws:s3:::films/in", nil, false},
		{"a job", "film", "mediaconvert:CreateJob", "arn:aws:mediaconvert:us-east-1:000000000000:queues/Default", nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			text, err := keyPolicy("us-east-1", "000000000000", c.content)
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
