package gateway

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"darkroom/internal/iam"
)

// voucher is a service with one operation that is not signed.
type voucher struct {
	service
	vouch func() (iam.Principal, any, error)
}

func (v *voucher) Speaks(_ *http.Request, body []byte) bool { return len(body) > 0 }

func (v *voucher) Vouches(_ *http.Request, body []byte) bool {
	return strings.HasPrefix(string(body), "proof")
}

func (v *voucher) Vouch(*http.Request, []byte) (iam.Principal, any, error) { return v.vouch() }

// TestVouched: a request without a signature is let in by the proof in it, and by nothing else.
func TestVouched(t *testing.T) {
	t.Parallel()
	known := iam.Principal{Type: iam.WebIdentity, Account: testAccount, Name: "arn:aws:iam::" + testAccount + ":oidc-provider/id", ARN: "web"}
	trust, err := iam.Parse(iam.TrustPolicy, "t", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Federated":"`+known.Name+`"},"Action":"sts:AssumeRoleWithWebIdentity"}}`)
	if err != nil {
		t.Fatal(err)
	}
	v := &voucher{service: service{name: "sts"}}
	seen := ""
	v.resolve = func(*http.Request) (*Operation, error) {
		return &Operation{
			Name: "AssumeRoleWithWebIdentity", Checks: []iam.Check{{Action: "sts:AssumeRoleWithWebIdentity", Resource: "arn:aws:iam::" + testAccount + ":role/R", Policy: trust}},
			Serve: func(w http.ResponseWriter, r *http.Request) error {
				body, err := io.ReadAll(r.Body)
				proof, _ := Proof(r.Context()).(string)
				seen = Caller(r.Context()).ARN + " " + proof + " " + string(body)
				return err
			},
		}, nil
	}
	b := newBench(t, func(o *Options) { o.Services = append(o.Services, v) })
	send := func(h http.Handler, method, path, body string) int {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	good := func() (iam.Principal, any, error) { return known, "claims", nil }
	tests := []struct {
		name, method, path, body string
		vouch                    func() (iam.Principal, any, error)
		inside                   bool
		want                     int
	}{
		{"a proof", "POST", "/", "proof", good, false, 200},
		{"no proof", "POST", "/", "other", good, false, 403},
		{"another method", "GET", "/", "proof", good, false, 403},
		{"another path", "POST", "/x", "proof", good, false, 403},
		{"from the worker's side", "POST", "/", "proof", good, true, 403},
		{"too large", "POST", "/", "proof" + strings.Repeat("x", SmallBody), good, false, 403},
		{"a proof that does not hold", "POST", "/", "proof", func() (iam.Principal, any, error) { return known, nil, &iam.Denied{} }, false, 403},
		{"a proof that names a user", "POST", "/", "proof", func() (iam.Principal, any, error) {
			p := known
			p.Type = iam.User
			return p, nil, nil
		}, false, 500},
		{"a proof that names nobody", "POST", "/", "proof", func() (iam.Principal, any, error) { return iam.Principal{}, nil, nil }, false, 500},
		{"somebody whom the role does not trust", "POST", "/", "proof", func() (iam.Principal, any, error) {
			p := known
			p.Name += "2"
			return p, nil, nil
		}, false, 403},
	}
	for _, tt := range tests {
		v.vouch, seen = tt.vouch, ""
		h := b.Handler()
		if tt.inside {
			h = b.InternalHandler()
		}
		if got := send(h, tt.method, tt.path, tt.body); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
		if tt.want == 200 && seen != "web claims proof" || tt.want != 200 && seen != "" {
			t.Errorf("%s: served %q", tt.name, seen)
		}
	}
	v.vouch, seen = good, ""
	r := httptest.NewRequest("POST", "/", strings.NewReader("proof"))
	r.Header.Set("X-Amz-Target", "TrentService.Encrypt")
	w := httptest.NewRecorder()
	if b.Handler().ServeHTTP(w, r); w.Code != 403 || seen != "" {
		t.Errorf("a proof in a request that names an operation in a header: got %d, served %q", w.Code, seen)
	}
	if len(b.large)+len(b.outside) != 0 {
		t.Error("places were not given back")
	}
}

// TestAnyCaller: an operation that needs nothing says so, and is then for those who have signed; one that says it and asks for something all the same
// is denied.
func TestAnyCaller(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	serve := func(http.ResponseWriter, *http.Request) error { return nil }
	check := []iam.Check{{Action: "mediaconvert:CreateJob", Resource: "*"}}
	_, user, _ := people{}.Find(t.Context(), userKey, "")
	for _, tt := range []struct {
		name string
		who  iam.Principal
		op   Operation
		want bool
	}{
		{"for everybody", user, Operation{AnyCaller: true, Serve: serve}, true},
		{"nobody", iam.Principal{}, Operation{AnyCaller: true, Serve: serve}, false},
		{"no checks and no word", user, Operation{Serve: serve}, false},
		{"both", user, Operation{AnyCaller: true, Checks: check, Serve: serve}, false},
		{"nothing to serve", user, Operation{AnyCaller: true}, false},
	} {
		err := b.authorize(httptest.NewRequest("GET", "/", nil), &exchange{service: b.media, principal: tt.who}, &tt.op)
		if (err == nil) != tt.want {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
}

// TestOwnerNotKnown: when nobody can say whose a key is, the request is refused, and nothing is shown of why.
func TestOwnerNotKnown(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	server := httptest.NewServer(b.Handler())
	t.Cleanup(server.Close)
	resp, body := do(t, server.Client(), call{key: brokenKey}.request(t, server.URL))
	if resp.StatusCode != http.StatusInternalServerError || strings.Contains(body, "hush") {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
}

// TestExplained: why a request was denied goes out with the refusal, as the explanation has it.
func TestExplained(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *Options) {
		o.Explain = func(ask *iam.Request, d iam.Decision) string {
			if d.Allowed() {
				t.Error("an explanation of what was allowed")
			}
			return "because-" + ask.Check.Action
		}
	})
	server := httptest.NewServer(b.Handler())
	t.Cleanup(server.Close)
	if resp, _ := do(t, server.Client(), call{key: userKey}.request(t, server.URL)); resp.Header.Get(explanationHeader) != "because-mediaconvert:CreateJob" {
		t.Errorf("got %q", resp.Header.Get(explanationHeader))
	}
	b.media.resolve = func(*http.Request) (*Operation, error) { return nil, errors.New("no such operation") }
	for _, k := range []string{rootKey, "AKIANOBODY"} {
		if resp, _ := do(t, server.Client(), call{key: k}.request(t, server.URL)); resp.Header.Get(explanationHeader) != "" {
			t.Errorf("%s: an explanation of nothing", k)
		}
	}
}
