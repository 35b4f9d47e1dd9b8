package gateway

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"darkroom/internal/iam"
)

// admitter is a service that lets requests in by a credential of its own.
type admitter struct {
	service
	admit func() (iam.Principal, any, error)
}

func (*admitter) Admits(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/ticket/") }

func (a *admitter) Admit(*http.Request) (iam.Principal, any, error) { return a.admit() }

// TestAdmitted: a request without a signature is let in by the credential in it, then authorized and recorded like others, and by nothing else.
func TestAdmitted(t *testing.T) {
	t.Parallel()
	_, user, _ := people{}.Find(t.Context(), userKey, "")
	may, err := iam.Parse(iam.IdentityPolicy, "p", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"player:Look","Resource":"*"}}`)
	if err != nil {
		t.Fatal(err)
	}
	user.Policies = []*iam.Policy{may}
	a := &admitter{service: service{name: "player"}}
	seen, action := "", "player:Look"
	a.resolve = func(r *http.Request) (*Operation, error) {
		proof, _ := Proof(r.Context()).(string)
		if proof == "" {
			return nil, errors.New("no ticket")
		}
		return &Operation{Name: "Look", Checks: []iam.Check{{Action: action, Resource: "*"}}, Serve: func(w http.ResponseWriter, r *http.Request) error {
			body, err := io.ReadAll(r.Body)
			seen = Caller(r.Context()).ARN + " " + proof + " " + string(body)
			return err
		}}, nil
	}
	b := newBench(t, func(o *Options) { o.Services = append(o.Services, a) })
	good := func() (iam.Principal, any, error) { return user, "ticket", nil }
	as := func(typ iam.PrincipalType) func() (iam.Principal, any, error) {
		return func() (iam.Principal, any, error) {
			p := user
			p.Type = typ
			return p, "ticket", nil
		}
	}
	denied := user
	denied.Policies = nil
	for _, tt := range []struct {
		name, path, body, authorization string
		admit                           func() (iam.Principal, any, error)
		inside                          bool
		want                            bool
	}{
		{"a ticket", "/ticket/1", "x", "", good, false, true},
		{"a password", "/ticket/1", "x", "Basic eDp5", good, false, true},
		{"another path", "/other/1", "x", "", good, false, false},
		{"a ticket that does not hold", "/ticket/1", "x", "", func() (iam.Principal, any, error) { return user, "ticket", errors.New("no") }, false, false},
		{"a ticket of nobody", "/ticket/1", "x", "", func() (iam.Principal, any, error) { return iam.Principal{}, "ticket", nil }, false, false},
		{"a ticket of a service", "/ticket/1", "x", "", as(iam.Service), false, false},
		{"a ticket of who is only trusted", "/ticket/1", "x", "", as(iam.WebIdentity), false, false},
		{"an owner who may not", "/ticket/1", "x", "", func() (iam.Principal, any, error) { return denied, "ticket", nil }, false, false},
		{"from the worker's side", "/ticket/1", "x", "", good, true, false},
		{"beside a broken signature", "/ticket/1", "x", "AWS4-HMAC-SHA256 Credential=x", good, false, false},
		{"beside presigned credentials", "/ticket/1?X-Amz-Algorithm=AWS4-HMAC-SHA256", "x", "", good, false, false},
		{"too large a body", "/ticket/1", strings.Repeat("x", MaxBody+1), "", good, false, false},
	} {
		a.admit, seen = tt.admit, ""
		h := b.Handler()
		if tt.inside {
			h = b.InternalHandler()
		}
		r := httptest.NewRequest("POST", tt.path, strings.NewReader(tt.body))
		if tt.authorization != "" {
			r.Header.Set("Authorization", tt.authorization)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Code == 200 && seen == user.ARN+" ticket x"; got != tt.want || !tt.want && (w.Code < 400 || seen != "") {
			t.Errorf("%s: got %d, served %q", tt.name, w.Code, seen)
		}
	}
	a.admit, seen = good, ""
	server := httptest.NewServer(b.Handler())
	t.Cleanup(server.Close)
	if resp, _ := do(t, server.Client(), call{key: rootKey, service: "player", path: "/ticket/1"}.request(t, server.URL)); resp.StatusCode == 200 || seen != "" {
		t.Errorf("a signature in place of a ticket: got %d", resp.StatusCode)
	}
	if len(b.large)+len(b.outside) != 0 {
		t.Error("places were not given back")
	}
}

// TestUntil: services hear when the credentials of a request end.
func TestUntil(t *testing.T) {
	t.Parallel()
	var until time.Time
	heard := false
	b := newBench(t, nil)
	b.media.resolve = func(*http.Request) (*Operation, error) {
		return &Operation{Name: "X", AnyCaller: true, Serve: func(_ http.ResponseWriter, r *http.Request) error {
			until, heard = Until(r.Context()), true
			return nil
		}}, nil
	}
	server := httptest.NewServer(b.Handler())
	t.Cleanup(server.Close)
	if do(t, server.Client(), call{key: userKey}.request(t, server.URL)); !heard || !until.IsZero() {
		t.Errorf("a key that does not end: %v, heard %t", until, heard)
	}
}

// TestPages: what everybody may see is shown to who shows no credentials, and counts as a request.
func TestPages(t *testing.T) {
	t.Parallel()
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("page")) })
	b := newBench(t, func(o *Options) {
		o.Pages = func(r *http.Request) http.Handler {
			if r.URL.EscapedPath() == "/page" {
				return page
			}
			return nil
		}
	})
	for _, tt := range []struct {
		name, method, path, authorization string
		full, inside                      bool
		want                              int
	}{
		{"the page", "GET", "/page", "", false, false, 200},
		{"its head", "HEAD", "/page", "", false, false, 200},
		{"another path", "GET", "/page2", "", false, false, 403},
		{"another method", "POST", "/page", "", false, false, 403},
		{"with a query", "GET", "/page?X-Amz-Signature=x", "", false, false, 400},
		{"with credentials", "GET", "/page", "Bearer x", false, false, 400},
		{"from the worker's side", "GET", "/page", "", false, true, 403},
		{"when too many are served", "GET", "/page", "", true, false, 503},
	} {
		r := httptest.NewRequest(tt.method, tt.path, nil)
		if tt.authorization != "" {
			r.Header.Set("Authorization", tt.authorization)
		}
		if tt.full {
			for b.outside.take() {
			}
		}
		h := b.Handler()
		if tt.inside {
			h = b.InternalHandler()
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tt.want && !(tt.want == 400 && w.Code == 403) || (w.Code == 200) != (w.Body.String() == "page") {
			t.Errorf("%s: got %d %q", tt.name, w.Code, w.Body)
		}
		if w.Header().Get("x-amzn-RequestId") == "" {
			t.Errorf("%s: no request id", tt.name)
		}
		if tt.full {
			for len(b.outside) > 0 {
				b.outside.give()
			}
		}
	}
	if len(b.outside) != 0 {
		t.Error("places were not given back")
	}
}
