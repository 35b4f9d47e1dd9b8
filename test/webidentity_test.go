package test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// issuer is an OpenID Connect provider on the loopback, behind TLS of an authority of its own.
type issuer struct {
	t    *testing.T
	url  string
	name string // the address without https://
	port string
	ca   string // a file
	key  *ecdsa.PrivateKey
	asks atomic.Int64
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{t: t, key: key}
	mux := http.NewServeMux()
	answer := func(path string, v func() any) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			i.asks.Add(1)
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(v()) // who went away cannot be told
		})
	}
	answer("/realm/.well-known/openid-configuration", func() any { return map[string]string{"issuer": i.url, "jwks_uri": i.url + "/keys"} })
	answer("/realm/keys", func() any {
		return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{KeyID: "first", Key: &key.PublicKey, Use: "sig", Algorithm: "ES256"}}}
	})
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	i.url = server.URL + "/realm"
	i.name = strings.TrimPrefix(i.url, "https://")
	_, i.port, _ = strings.Cut(server.Listener.Addr().String(), ":")
	i.ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(i.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return i
}

// token signs claims; those that are given go over those of somebody who may.
func (i *issuer) token(claims map[string]any) string { return i.signed(i.key, "first", claims) }

func (i *issuer) signed(key *ecdsa.PrivateKey, kid string, claims map[string]any) string {
	i.t.Helper()
	now := time.Now()
	all := map[string]any{"iss": i.url, "sub": "repo:films/cutter", "aud": "darkroom", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	for k, v := range claims {
		if all[k] = v; v == nil {
			delete(all, k)
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		i.t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", kid))
	if err != nil {
		i.t.Fatal(err)
	}
	signed, err := signer.Sign(text)
	if err != nil {
		i.t.Fatal(err)
	}
	out, err := signed.CompactSerialize()
	if err != nil {
		i.t.Fatal(err)
	}
	return out
}

// TestWebIdentity lets whom a provider vouches for assume a role, without a key of this house; and nobody else.
func TestWebIdentity(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	s := serveConfig(t, fmt.Sprintf("accounts: [{id: %q}]\negress: {allow: [{net: 127.0.0.0/8, ports: [%s], for: [oidc]}], ca_file: %s}\n", other, i.port, i.ca))
	admin, p := s.admin(), s.stranger()
	vouched := trustFor("sts:AssumeRoleWithWebIdentity", `"Federated":"arn:aws:iam::`+account+`:oidc-provider/`+i.name+`"`,
		`"StringEquals":{"`+i.name+`:aud":"darkroom"}`, `"StringLike":{"`+i.name+`:sub":"repo:films/*"}`)
	ask := func(role, token string, more ...string) []string {
		return append([]string{"--output", "json", "sts", "assume-role-with-web-identity", "--role-arn", role, "--role-session-name", "build-1", "--web-identity-token", token}, more...)
	}
	// Before there is a provider, nobody is vouched for, and nobody is asked.
	p.refused("InvalidIdentityToken", says("No OpenIDConnect provider found in your account"), ask(roleNamed("Builder"), i.token(nil))...)
	if n := i.asks.Load(); n != 0 {
		t.Errorf("a stranger's token made %d requests", n)
	}
	provider := admin.aws("iam", "create-open-id-connect-provider", "--url", i.url, "--client-id-list", "darkroom", "studio", "--thumbprint-list", strings.Repeat("a", 40), "--query", "OpenIDConnectProviderArn")
	if want := "arn:aws:iam::" + account + ":oidc-provider/" + i.name; provider != want {
		t.Errorf("provider: %q, want %q", provider, want)
	}
	admin.aws("iam", "create-role", "--role-name", "Builder", "--assume-role-policy-document", vouched)
	admin.aws("iam", "put-role-policy", "--role-name", "Builder", "--policy-name", "own", "--policy-document", policy(allow("mediaconvert:Get* mediaconvert:ListQueues", "*")))
	builder := roleNamed("Builder")

	text := p.aws(ask(builder, i.token(nil))...)
	q := s.session(text)
	if q.arn != "arn:aws:sts::"+account+":assumed-role/Builder/build-1" || q.aws("sts", "get-caller-identity", "--query", "Arn") != q.arn {
		t.Errorf("session: %s", q.arn)
	}
	var answer struct{ SubjectFromWebIdentityToken, Audience, Provider string }
	if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.SubjectFromWebIdentityToken != "repo:films/cutter" || answer.Audience != "darkroom" || answer.Provider != provider {
		t.Errorf("got %+v, %v", answer, err)
	}
	q.aws("mediaconvert", "get-queue", "--name", "Default")
	q.denied("mediaconvert:CreateQueue", "*", byNobody, "mediaconvert", "create-queue", "--name", "mine")
	q.denied("iam:ListUsers", "*", byNobody, "iam", "list-users")
	narrow := s.session(p.aws(ask(builder, i.token(nil), "--policy", policy(allow("mediaconvert:ListQueues", "*")))...))
	narrow.denied("mediaconvert:GetQueue", mc("queues/Default"), bySession, "mediaconvert", "get-queue", "--name", "Default")

	another, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := i.token(nil)
	parts := strings.Split(good, ".")
	swapped := strings.Split(i.token(map[string]any{"sub": "repo:films/owner"}), ".")
	now := time.Now()
	const notAllowed = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
	for _, tt := range []struct {
		name, role, token, code, says string
	}{
		{"another subject", builder, i.token(map[string]any{"sub": "repo:music/cutter"}), "AccessDenied", notAllowed},
		{"a subject that begins like it", builder, i.token(map[string]any{"sub": "repo:filmsy/x"}), "AccessDenied", notAllowed},
		{"a subject in other letters", builder, i.token(map[string]any{"sub": "Repo:films/x"}), "AccessDenied", notAllowed},
		{"an audience of the provider that the role does not want", builder, i.token(map[string]any{"aud": "studio"}), "AccessDenied", notAllowed},
		{"an audience of nobody", builder, i.token(map[string]any{"aud": "elsewhere"}), "InvalidIdentityToken", "Incorrect token audience"},
		{"two audiences, one of them somebody else", builder, i.token(map[string]any{"aud": []string{"darkroom", "elsewhere"}}), "InvalidIdentityToken", "Incorrect token audience"},
		{"no audience", builder, i.token(map[string]any{"aud": nil}), "InvalidIdentityToken", ""},
		{"expired", builder, i.token(map[string]any{"exp": now.Add(-time.Minute).Unix()}), "ExpiredTokenException", "Token expired"},
		{"no end", builder, i.token(map[string]any{"exp": nil}), "InvalidIdentityToken", ""},
		{"of tomorrow", builder, i.token(map[string]any{"iat": now.Add(24 * time.Hour).Unix()}), "InvalidIdentityToken", ""},
		{"another key", builder, i.signed(another, "first", nil), "InvalidIdentityToken", ""},
		{"a key of another name", builder, i.signed(another, "second", nil), "InvalidIdentityToken", ""},
		{"other claims under the signature", builder, parts[0] + "." + swapped[1] + "." + parts[2], "InvalidIdentityToken", ""},
		{"no signature", builder, parts[0] + "." + parts[1] + ".", "InvalidIdentityToken", ""},
		{"algorithm none", builder, "eyJhbGciOiJub25lIiwia2lkIjoiZmlyc3QifQ." + parts[1] + ".", "InvalidIdentityToken", ""},
		{"another issuer", builder, i.token(map[string]any{"iss": "https://id.example.org"}), "InvalidIdentityToken", "No OpenIDConnect provider found"},
		{"the issuer with a slash", builder, i.token(map[string]any{"iss": i.url + "/"}), "InvalidIdentityToken", "No OpenIDConnect provider found"},
		{"no token", builder, "rubbish", "InvalidIdentityToken", ""},
		{"no role", roleNamed("Ghost"), good, "AccessDenied", notAllowed},
		{"a role that trusts a service", roleNamed("MediaConvert_Default_Role"), good, "AccessDenied", notAllowed},
		{"another account", "arn:aws:iam::" + other + ":role/MediaConvert_Default_Role", good, "InvalidIdentityToken", "No OpenIDConnect provider found"},
		{"an account that is not there", "arn:aws:iam::123456789012:role/Builder", good, "AccessDenied", notAllowed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.in(t).refused(tt.code, says(tt.says), ask(tt.role, tt.token)...)
		})
	}
	// A role for people is not for tokens.
	s.role("People", trust(`"AWS":"*"`), policy(allow("*", "*")))
	p.refused("AccessDenied", says(notAllowed), ask(roleNamed("People"), good)...)
	// Nothing else goes without a signature.
	p.refused("MissingAuthenticationToken", nil, "--no-sign-request", "sts", "get-caller-identity")
	p.refused("MissingAuthenticationToken", nil, "--no-sign-request", "sts", "assume-role", "--role-arn", builder, "--role-session-name", "x1")
	// What the role or the provider loses, takes effect at once.
	admin.aws("iam", "remove-client-id-from-open-id-connect-provider", "--open-id-connect-provider-arn", provider, "--client-id", "darkroom")
	p.refused("InvalidIdentityToken", says("Incorrect token audience"), ask(builder, good)...)
	q.aws("mediaconvert", "list-queues") // what was given holds until it ends
	admin.aws("iam", "delete-open-id-connect-provider", "--open-id-connect-provider-arn", provider)
	p.refused("InvalidIdentityToken", says("No OpenIDConnect provider found"), ask(builder, good)...)
	if strings.Contains(s.log.String(), good) || strings.Contains(s.log.String(), parts[2]) {
		t.Error("a token stands in the log")
	}
}

// TestWebIdentityUnreached: without a rule of the operator's no connection into the house is made, and it is not told why.
func TestWebIdentityUnreached(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	for name, config := range map[string]string{
		"no rule":             "",
		"for other purposes":  fmt.Sprintf("egress: {allow: [{net: 127.0.0.0/8, ports: [%s], for: [input, speke]}], ca_file: %s}\n", i.port, i.ca),
		"another port":        fmt.Sprintf("egress: {allow: [{net: 127.0.0.0/8, ports: [1], for: [oidc]}], ca_file: %s}\n", i.ca),
		"no authority for it": fmt.Sprintf("egress: {allow: [{net: 127.0.0.0/8, ports: [%s], for: [oidc]}]}\n", i.port),
	} {
		t.Run(name, func(t *testing.T) {
			s := serveConfig(t, config)
			admin, p := s.admin(), s.stranger()
			provider := admin.aws("iam", "create-open-id-connect-provider", "--url", i.url, "--client-id-list", "darkroom", "--thumbprint-list", strings.Repeat("a", 40), "--query", "OpenIDConnectProviderArn")
			admin.aws("iam", "create-role", "--role-name", "Builder", "--assume-role-policy-document", trustFor("sts:AssumeRoleWithWebIdentity", `"Federated":"`+provider+`"`, `"StringEquals":{"`+i.name+`:aud":"darkroom"}`))
			_, f := p.try("sts", "assume-role-with-web-identity", "--role-arn", roleNamed("Builder"), "--role-session-name", "build-1", "--web-identity-token", i.token(nil))
			const want = "Couldn't retrieve verification key from your identity provider, please try again."
			if f == nil || f.code != "IDPCommunicationError" || f.text != want {
				t.Errorf("got %+v, want IDPCommunicationError %s", f, want)
			}
		})
	}
	if n := i.asks.Load(); n != 0 {
		t.Errorf("%d requests reached the provider", n)
	}
}
