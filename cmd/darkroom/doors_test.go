package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/google/go-cmp/cmp"

	"darkroom/internal/config"
	"darkroom/internal/executeapi"
	"darkroom/internal/identity"
	"darkroom/internal/mediaconvert"
	"darkroom/internal/s3api"
)

const (
	house   = "111122223333"
	strange = "999988887777"
	// marker stands in the name of everything that the house has.
	marker = "housemark"
)

// door is one request of one operation, with what must be allowed for it: "action resource", in order. A row without any is for an operation that
// everybody may call who has signed.
type door struct {
	service, operation   string
	method, target, body string
	header               map[string]string
	asks                 []string
}

// doors is the table of every operation of every service. An operation without a row fails TestDoors.
func doors() []door {
	var all []door
	for _, part := range [][]door{mediaconvertDoors(), s3Doors(), stsDoors(), iamDoors(), kmsDoors(), acmDoors(), cloudtrailDoors(), eventsDoors(), executeDoors()} {
		all = append(all, part...)
	}
	return all
}

// refusal is how a service words a situation: the code, and the status.
type refusal struct {
	code   string
	status int
}

// dialects are the names that each service gives to a request without a signature, with a wrong one, with a token that has ended, and to one that is
// not allowed.
var dialects = map[string]struct{ unsigned, wrong, expired, denied refusal }{
	"mediaconvert": {
		refusal{"MissingAuthenticationTokenException", 403}, refusal{"InvalidSignatureException", 403}, refusal{"ExpiredTokenException", 403}, refusal{"AccessDeniedException", 403},
	},
	"s3":  {refusal{"AccessDenied", 403}, refusal{"SignatureDoesNotMatch", 403}, refusal{"ExpiredToken", 400}, refusal{"AccessDenied", 403}},
	"iam": {refusal{"MissingAuthenticationToken", 403}, refusal{"SignatureDoesNotMatch", 403}, refusal{"ExpiredToken", 403}, refusal{"AccessDenied", 403}},
	"kms": {
		refusal{"MissingAuthenticationTokenException", 400}, refusal{"InvalidSignatureException", 400}, refusal{"ExpiredTokenException", 400}, refusal{"AccessDeniedException", 400},
	},
	"acm": {refusal{"MissingAuthenticationTokenException", 400}, refusal{"InvalidSignatureException", 400}, refusal{"ExpiredTokenException", 400}, refusal{"AccessDeniedException", 400}},
	"cloudtrail": {
		refusal{"MissingAuthenticationTokenException", 400}, refusal{"InvalidSignatureException", 400}, refusal{"ExpiredTokenException", 400}, refusal{"AccessDeniedException", 400},
	},
	"events": {
		refusal{"MissingAuthenticationTokenException", 400}, refusal{"InvalidSignatureException", 400}, refusal{"ExpiredTokenException", 400}, refusal{"AccessDeniedException", 400},
	},
	"execute-api": {
		refusal{"MissingAuthenticationTokenException", 403}, refusal{"InvalidSignatureException", 403}, refusal{"ExpiredTokenException", 403}, refusal{"AccessDeniedException", 403},
	},
	"sts": {refusal{"MissingAuthenticationToken", 403}, refusal{"SignatureDoesNotMatch", 403}, refusal{"ExpiredToken", 403}, refusal{"AccessDenied", 403}},
}

// installation is the whole server but for its listener and worker.
type installation struct {
	t *testing.T
	*server
	http *httptest.Server
}

func install(t *testing.T) *installation {
	t.Helper()
	cfg := config.Default()
	cfg.Data, cfg.Account, cfg.Accounts, cfg.KeyServer = t.TempDir(), house, []config.Account{{ID: strange}}, true
	s, err := open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	i := &installation{t: t, server: s, http: httptest.NewServer(s.gateway.Handler())}
	t.Cleanup(i.http.Close)
	return i
}

// caller is somebody who signs.
type caller struct{ id, secret, token string }

func (i *installation) profile(name string) caller {
	i.t.Helper()
	pair, _, err := identity.LoadProfile(i.cfg.Data, name, strings.NewReader(""))
	if err != nil {
		i.t.Fatal(err)
	}
	return caller{id: pair.AccessKeyID, secret: string(pair.SecretAccessKey.Reveal())}
}

// person makes a user of the house with an inline policy of some statements, and gives its key.
func (i *installation) person(name, statements string, edit func(*identity.Entity)) (*identity.Entity, caller) {
	i.t.Helper()
	e := &identity.Entity{Kind: identity.User, ID: identity.NewID(identity.User), Name: name, Path: "/"}
	if statements != "" {
		e.Inline = map[string]string{"p": `{"Version":"2012-10-17","Statement":[` + statements + `]}`}
	}
	k, plain, err := i.people.NewAccessKey(house, e)
	if err != nil {
		i.t.Fatal(err)
	}
	e.Keys = []identity.AccessKey{k}
	if edit != nil {
		edit(e)
	}
	i.put(e)
	return e, caller{id: k.ID, secret: string(plain.Reveal())}
}

// role makes a role that may do everything and that everybody in the house may assume.
func (i *installation) role() *identity.Entity {
	i.t.Helper()
	role := &identity.Entity{
		Kind: identity.Role, ID: identity.NewID(identity.Role), Name: "all", Path: "/", Inline: map[string]string{"p": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`},
		Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + house + `"},"Action":["sts:AssumeRole","sts:TagSession"]}]}`,
	}
	i.put(role)
	return role
}

func (i *installation) put(e *identity.Entity) {
	i.t.Helper()
	if err := i.people.Change(i.t.Context(), house, func(v *identity.View) error { v.Put(e); return nil }); err != nil {
		i.t.Fatal(err)
	}
}

// session gives credentials of a session.
func (i *installation) session(s identity.Session) caller {
	i.t.Helper()
	c, err := i.people.IssueToken(s)
	if err != nil {
		i.t.Fatal(err)
	}
	return caller{c.AccessKeyID, string(c.SecretAccessKey.Reveal()), string(c.SessionToken.Reveal())}
}

// send sends a request; who is nil for one without a signature.
func (i *installation) send(d door, who *caller) (code string, status int, body string) {
	code, status, body, _ = i.exchange(d, who)
	return code, status, body
}

// exchange is send with the encoded reason of a denial.
func (i *installation) exchange(d door, who *caller) (code string, status int, body, why string) {
	i.t.Helper()
	r, err := http.NewRequestWithContext(i.t.Context(), d.method, i.http.URL+d.target, strings.NewReader(d.body))
	if err != nil {
		i.t.Fatal(err)
	}
	for k, v := range d.header {
		r.Header.Set(k, v)
	}
	if d.service == "iam" || d.service == "sts" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	}
	if d.header["X-Amz-Target"] != "" {
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	}
	sum := sha256.Sum256([]byte(d.body))
	hash := hex.EncodeToString(sum[:])
	if d.service == "s3" {
		r.Header.Set("X-Amz-Content-Sha256", hash)
	}
	if who != nil {
		signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = d.service == "s3" })
		keys := aws.Credentials{AccessKeyID: who.id, SecretAccessKey: who.secret, SessionToken: who.token}
		if err := signer.SignHTTP(context.Background(), keys, r, hash, d.service, "us-east-1", time.Now()); err != nil {
			i.t.Fatal(err)
		}
	}
	resp, err := i.http.Client().Do(r)
	if err != nil {
		i.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		i.t.Fatal(err)
	}
	code = resp.Header.Get("X-Amzn-ErrorType")
	if _, rest, ok := bytes.Cut(raw, []byte(`"__type":"`)); ok {
		text, _, _ := bytes.Cut(rest, []byte(`"`))
		code = string(text)
	}
	if _, rest, ok := bytes.Cut(raw, []byte("<Code>")); ok {
		text, _, _ := bytes.Cut(rest, []byte("</Code>"))
		code = string(text)
	}
	if resp.Header.Get("Content-Type") == "application/x-amz-json-1.1" {
		var refusal struct {
			Type string `json:"__type"`
		}
		if err := json.Unmarshal(raw, &refusal); err == nil {
			code = refusal.Type
		}
	}
	return code, resp.StatusCode, string(raw), resp.Header.Get("x-amzn-encoded-authorization-message")
}

// TestDoors tries every operation of every service in each of the situations that must not let anybody in, and wants AWS's own refusal.
func TestDoors(t *testing.T) {
	t.Parallel()
	i := install(t)
	root, stranger := i.profile("default"), i.profile(strange)
	_, nobody := i.person("nobody", "", nil)
	const everything = `{"Effect":"Allow","Action":"*","Resource":"*"}`
	_, elsewhere := i.person("elsewhere", `{"Effect":"Allow","NotAction":["mediaconvert:*","s3:*","iam:*","sts:*","kms:*","acm:*","cloudtrail:*","events:*","execute-api:*"],"Resource":"*"},{"Effect":"Allow","Action":"*","Resource":"arn:aws:sqs:us-east-1:`+house+`:queue"}`, nil)
	_, barred := i.person("barred", everything+`,{"Effect":"Deny","Action":"*","Resource":"*"}`, nil)
	narrow := &identity.Entity{
		Kind: identity.Policy, ID: identity.NewID(identity.Policy), Name: "narrow", Path: "/", Default: "v1",
		Versions: []identity.Version{{ID: "v1", Document: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:*","Resource":"*"}]}`}},
	}
	i.put(narrow)
	_, bounded := i.person("bounded", everything, func(e *identity.Entity) { e.Boundary = narrow.ARN(house) })
	role := i.role()
	now := time.Now()
	about := identity.Session{Account: house, Kind: identity.Role, ID: role.ID, Name: "s1", Issued: now, Expiry: now.Add(time.Hour), Narrowed: true, Managed: []string{narrow.ARN(house)}}
	narrowed := i.session(about)
	about.Narrowed, about.Managed, about.Issued, about.Expiry = false, nil, now.Add(-2*time.Hour), now.Add(-time.Hour)
	ended := i.session(about)
	wrong := root
	wrong.secret += "x"
	forged := i.session(identity.Session{Account: house, Issued: now, Expiry: now.Add(time.Hour)})
	forged.token = forged.token[:len(forged.token)-8] + "AAAAAAA="

	seen := make(map[string][]string)
	for _, d := range doors() {
		seen[d.service] = append(seen[d.service], d.operation)
		t.Run(d.service+"/"+d.operation, func(t *testing.T) {
			words := dialects[d.service]
			vouched := d.operation == "AssumeRoleWithWebIdentity"
			open := len(d.asks) == 0
			for _, tt := range []struct {
				name string
				who  *caller
				want refusal
				skip bool
			}{
				{"no signature", nil, words.unsigned, vouched},
				{"a wrong signature", &wrong, words.wrong, false},
				{"a session that has ended", &ended, words.expired, false},
				{"no policy", &nobody, words.denied, open},
				{"allowed elsewhere", &elsewhere, words.denied, open},
				{"an explicit deny", &barred, words.denied, open},
				{"a permissions boundary", &bounded, words.denied, open},
				{"a session policy", &narrowed, words.denied, open},
			} {
				if tt.skip {
					continue
				}
				code, status, body := i.send(d, tt.who)
				if d.method == http.MethodHead {
					code = tt.want.code // there is no body to say it in
				}
				if code != tt.want.code || status != tt.want.status {
					t.Errorf("%s: got %d %s, want %d %s: %s", tt.name, status, code, tt.want.status, tt.want.code, body)
				}
				if strings.Contains(body, marker) && !strings.Contains(d.target+d.body, marker) {
					t.Errorf("%s: the refusal tells of what is there: %s", tt.name, body)
				}
			}
			if code, status, body := i.send(d, &forged); status < 400 {
				t.Errorf("a forged token: got %d %s %s", status, code, body)
			}
			// Another account's root sees nothing of the house and changes nothing in it.
			_, _, body := i.send(d, &stranger)
			if strings.Contains(body, marker) && !strings.Contains(d.target+d.body, marker) {
				t.Errorf("another account: %s", body)
			}
		})
	}
	all := map[string][]string{"mediaconvert": nil, "s3": s3api.Operations(), "iam": i.iam.Operations(), "sts": i.sts.Operations(), "kms": i.kms.Operations(), "acm": i.acm.Operations(), "cloudtrail": i.cloudtrail.Operations(), "events": i.events.Operations(), "execute-api": executeapi.Operations()}
	for _, op := range mediaconvert.Operations() {
		all["mediaconvert"] = append(all["mediaconvert"], op.Name)
	}
	for service, want := range all {
		slices.Sort(want)
		slices.Sort(seen[service])
		if diff := cmp.Diff(slices.Compact(want), slices.Compact(seen[service])); diff != "" {
			t.Errorf("%s: operations without a row, or rows without an operation (-operations +rows):\n%s", service, diff)
		}
	}
}

// TestDoorsAsk: each operation asks for its own action, on every resource that it touches.
func TestDoorsAsk(t *testing.T) {
	t.Parallel()
	i := install(t)
	i.role()
	i.person("ann", "", func(e *identity.Entity) { e.Path = "/x/" })
	for _, d := range doors() {
		if d.operation == "AssumeRoleWithWebIdentity" {
			continue // nobody is let in without a provider; its checks are tested where there is one
		}
		// Who is denied everything is told what was asked first; who may do that is told the next.
		var asked []string
		allowed := `{"Effect":"Allow","Action":"none:None","Resource":"*"}`
		e, who := i.person("asker", allowed, nil)
		for len(asked) <= len(d.asks) {
			_, _, _, why := i.exchange(d, &who)
			if why == "" { // nothing was denied any more
				break
			}
			action, resource := i.reason(why)
			asked = append(asked, action+" "+resource)
			allowed += `,{"Effect":"Allow","Action":"` + action + `","Resource":"` + resource + `"}`
			e = i.allow(e, allowed)
		}
		if diff := cmp.Diff(d.asks, asked); diff != "" {
			t.Errorf("%s %s asks for other things (-want +got):\n%s", d.service, d.operation, diff)
		}
		if err := i.people.Change(t.Context(), house, func(v *identity.View) error { v.Drop(v.ByID(identity.User, e.ID)); return nil }); err != nil {
			t.Fatal(err)
		}
	}
}

// reason reads what was denied.
func (i *installation) reason(why string) (action, resource string) {
	i.t.Helper()
	text, ok := i.denials.open(house, why)
	var d denial
	if err := json.Unmarshal([]byte(text), &d); err != nil || !ok {
		i.t.Fatalf("the reason %q cannot be read: %v", why, err)
	}
	return d.Context.Action, d.Context.Resource
}

// allow gives a user other statements.
func (i *installation) allow(e *identity.Entity, statements string) (changed *identity.Entity) {
	i.t.Helper()
	if err := i.people.Change(i.t.Context(), house, func(v *identity.View) error {
		changed = v.Edit(v.ByID(identity.User, e.ID))
		changed.Inline = map[string]string{"p": `{"Version":"2012-10-17","Statement":[` + statements + `]}`}
		return nil
	}); err != nil {
		i.t.Fatal(err)
	}
	return changed
}
