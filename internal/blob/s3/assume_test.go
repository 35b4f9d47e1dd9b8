package s3

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"darkroom/internal/blob"
	"darkroom/internal/secret"
	"darkroom/internal/sigv4"
)

// The credentials of the installation at the peer.
const (
	userID     = "AKIAINSTALLATION"
	userSecret = "only for the length of a test run"
	roleARN    = "arn:aws:iam::000000000000:role/jobs"
	stsRegion  = "eu-test-1"
)

// stsPeer answers as an STS does.
type stsPeer struct {
	*httptest.Server
	t      *testing.T
	skew   time.Duration // of its clock
	asked  atomic.Int32
	answer func(n int, form url.Values) (status int, body string) // n counts from 1
}

func newSTS(t *testing.T, answer func(n int, form url.Values) (int, string)) *stsPeer {
	t.Helper()
	p := &stsPeer{t: t, answer: answer}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *stsPeer) now() time.Time { return time.Now().Add(p.skew) }

func (p *stsPeer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := int(p.asked.Add(1))
	body, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Errorf("read the request: %v", err)
	}
	w.Header().Set("Date", p.now().UTC().Format(http.TimeFormat))
	w.Header().Set("Content-Type", "text/xml")
	if err := p.verify(r, body); err != nil {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, stsError("SignatureDoesNotMatch", err.Error()))
		return
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || form.Get("Action") != "AssumeRole" || form.Get("Version") != "2011-06-15" {
		p.t.Errorf("got %s, %v", body, err)
	}
	status, text := p.answer(n, form)
	if location, ok := strings.CutPrefix(text, "Location: "); ok {
		w.Header().Set("Location", location)
	}
	if strings.HasPrefix(text, "{") {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

// verify checks the signature, and that it is one for STS in the region.
func (p *stsPeer) verify(r *http.Request, body []byte) error {
	header := r.Header.Clone()
	header.Set("Content-Length", fmt.Sprint(r.ContentLength))
	c, err := sigv4.Parse(sigv4.Request{Method: r.Method, RawPath: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery, Host: r.Host, Header: header})
	if err != nil {
		return err
	}
	if c.AccessKeyID != userID || c.Scope.Service != "sts" || c.Scope.Region != stsRegion || c.Token() != "" {
		p.t.Errorf("signed by %s for %v, token %q", c.AccessKeyID, c.Scope, c.Token())
	}
	sum := sha256.Sum256(body)
	_, err = c.Verify(&sigv4.Key{Secret: secret.New([]byte(userSecret))}, sigv4.Expectation{Region: stsRegion, BodyHash: hex.EncodeToString(sum[:]), Now: p.now()})
	return err
}

// The forms of answers, as AWS STS gives them.
func stsAnswer(id, key, token string, expiry time.Time) string {
	return `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleResult>
    <AssumedRoleUser>
      <AssumedRoleId>AROA3XFRBF535PLBIFPI4:s</AssumedRoleId>
      <Arn>arn:aws:sts::000000000000:assumed-role/jobs/s</Arn>
    </AssumedRoleUser>
    <Credentials>
      <AccessKeyId>` + id + `</AccessKeyId>
      <SecretAccessKey>` + key + `</SecretAccessKey>
      <SessionToken>` + token + `</SessionToken>
      <Expiration>` + expiry.UTC().Format(time.RFC3339) + `</Expiration>
    </Credentials>
    <PackedPolicySize>6</PackedPolicySize>
  </AssumeRoleResult>
  <ResponseMetadata><RequestId>c6104cbe-af31-11e0-8154-cbc7ccf896c7</RequestId></ResponseMetadata>
</AssumeRoleResponse>`
}

func stsError(code, message string) string {
	return `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <Error><Type>Sender</Type><Code>` + code + `</Code><Message>` + message + `</Message></Error>
  <RequestId>c6104cbe-af31-11e0-8154-cbc7ccf896c7</RequestId>
</ErrorResponse>`
}

// newGoodSTS gives each request credentials of its own, with the number of the request.
func newGoodSTS(t *testing.T) *stsPeer {
	t.Helper()
	p := newSTS(t, nil)
	p.answer = func(n int, form url.Values) (int, string) {
		return http.StatusOK, stsAnswer(fmt.Sprintf("ASIA%d", n), "key-of-"+form.Get("RoleSessionName"), fmt.Sprintf("token%d", n), p.now().Add(15*time.Minute))
	}
	return p
}

// clock is a time that a test moves.
type clock struct{ past atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.past.Load())) }
func (c *clock) advance(d time.Duration) { c.past.Add(int64(d)) }

func newTestRoles(t *testing.T, endpoint string) (*Roles, *clock) {
	t.Helper()
	c := new(clock)
	r, err := NewRoles(RoleOptions{
		Endpoint: endpoint, Region: stsRegion, Client: &http.Client{Transport: &http.Transport{DisableCompression: true}}, Now: c.now,
		Credentials: func(context.Context) (Credentials, error) {
			return Credentials{AccessKeyID: userID, SecretAccessKey: secret.New([]byte(userSecret))}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r, c
}

func session(id string) Session {
	return Session{AccessKeyID: id, RoleARN: roleARN, Name: "job-" + id, Policies: []string{`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::films/` + id + `"}}`}}
}

// keyOf asks for credentials and returns their access key.
func keyOf(t *testing.T, r *Roles, s Session) string {
	t.Helper()
	c, err := r.Credentials(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return c.AccessKeyID
}

func TestNewRolesNeeds(t *testing.T) {
	t.Parallel()
	client := &http.Client{}
	static := func(context.Context) (Credentials, error) { return Credentials{}, nil }
	for _, o := range []RoleOptions{
		{},
		{Region: "r", Credentials: static, Client: client},
		{Endpoint: "https://h", Credentials: static, Client: client},
		{Endpoint: "https://h", Region: "r", Client: client},
		{Endpoint: "https://h", Region: "r", Credentials: static},
		{Endpoint: "h", Region: "r", Credentials: static, Client: client},
		{Endpoint: "%", Region: "r", Credentials: static, Client: client},
	} {
		if _, err := NewRoles(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

func TestRolesAsk(t *testing.T) {
	t.Parallel()
	s := session("ASIALEASE1")
	p := newGoodSTS(t)
	good := p.answer
	p.answer = func(n int, form url.Values) (int, string) {
		want := url.Values{
			"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "RoleArn": {roleARN}, "RoleSessionName": {s.Name}, "DurationSeconds": {"900"}, "Policy": {s.Policies[0]},
		}
		if form.Encode() != want.Encode() {
			t.Errorf("got %v, want %v", form, want)
		}
		return good(n, form)
	}
	r, _ := newTestRoles(t, p.URL)
	c, err := r.Credentials(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if c.AccessKeyID != "ASIA1" || string(c.SecretAccessKey.Reveal()) != "key-of-"+s.Name || string(c.SessionToken.Reveal()) != "token1" {
		t.Errorf("got %+v", c)
	}
	for _, s := range []Session{{}, {AccessKeyID: "A", RoleARN: roleARN}, {AccessKeyID: "A", Name: "s"}, {RoleARN: roleARN, Name: "s"}} {
		if _, err := r.Credentials(t.Context(), s); err == nil {
			t.Errorf("%+v got credentials", s)
		}
	}
}

func TestRolesKeep(t *testing.T) {
	t.Parallel()
	p := newGoodSTS(t)
	r, clock := newTestRoles(t, p.URL)
	one, two := session("ASIALEASE1"), session("ASIALEASE2")
	wider, renamed, other := one, one, one
	wider.Policies = nil
	renamed.Name = "another"
	other.RoleARN += "2"
	steps := []struct {
		name    string
		advance time.Duration
		session Session
		want    string
	}{
		{"first", 0, one, "ASIA1"},
		{"kept", 0, one, "ASIA1"},
		{"another session has its own", 0, two, "ASIA2"},
		{"kept beside", 0, one, "ASIA1"},
		{"kept while good", 9 * time.Minute, one, "ASIA1"},
		{"renewed before its end", 2 * time.Minute, one, "ASIA3"},
		{"the other one too", 0, two, "ASIA4"},
		{"no session but the one it was for: policy", 0, wider, "ASIA5"},
		{"name", 0, renamed, "ASIA6"},
		{"role", 0, other, "ASIA7"},
		{"long ago", time.Hour, other, "ASIA8"},
	}
	for _, s := range steps {
		clock.advance(s.advance)
		// The peer's time does not move: to the clock here, it gives credentials for 15 minutes from when it was asked.
		if got := keyOf(t, r, s.session); got != s.want {
			t.Errorf("%s: got %s, want %s", s.name, got, s.want)
		}
	}
	r.Forget(other.AccessKeyID)
	r.Forget("unknown")
	if got := keyOf(t, r, other); got != "ASIA9" {
		t.Errorf("forgotten: got %s, want ASIA9", got)
	}
}

func TestRolesAreBounded(t *testing.T) {
	t.Parallel()
	r, _ := newTestRoles(t, "http://127.0.0.1:1")
	now := r.now()
	add := func(id string, used, expiry time.Duration, a *attempt) {
		r.held[id] = &held{session: Session{AccessKeyID: id}, used: now.Add(used), expiry: now.Add(expiry), attempt: a}
	}
	for i := range maxHeld - 3 {
		add(fmt.Sprint(i), 0, time.Minute, nil)
	}
	add("oldest", -time.Minute, time.Minute, nil)
	add("under way", -time.Hour, 0, new(attempt))
	add("ended", 0, -time.Minute, nil)
	for i, gone := range []string{"ended", "oldest"} {
		_, mine, _ := r.look(session(fmt.Sprintf("ASIA%d", i)))
		if mine == nil || r.held[gone] != nil || len(r.held) != maxHeld {
			t.Errorf("%s: still there: %t, %d held", gone, r.held[gone] != nil, len(r.held))
		}
	}
	if r.held["under way"] == nil {
		t.Error("an attempt under way was dropped")
	}
}

func TestRolesAskOnce(t *testing.T) {
	t.Parallel()
	p := newGoodSTS(t)
	good, arrived, release := p.answer, make(chan struct{}, 100), make(chan struct{})
	p.answer = func(n int, form url.Values) (int, string) {
		arrived <- struct{}{}
		<-release
		return good(n, form)
	}
	r, _ := newTestRoles(t, p.URL)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if c, err := r.Credentials(t.Context(), session("ASIALEASE1")); err != nil || c.AccessKeyID != "ASIA1" {
				t.Errorf("got %s, %v, want ASIA1", c.AccessKeyID, err)
			}
		})
	}
	<-arrived
	// Who gives up waiting does not wait, and takes nothing from the others.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Credentials(ctx, session("ASIALEASE1")); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: got %v", err)
	}
	close(release)
	all.Wait()
	if n := p.asked.Load(); n != 1 {
		t.Errorf("asked %d times, want once", n)
	}
}

// TestRolesAbandoned has the one who asks give up: who waits with them asks anew.
func TestRolesAbandoned(t *testing.T) {
	t.Parallel()
	p := newGoodSTS(t)
	good, arrived, release := p.answer, make(chan struct{}), make(chan struct{})
	p.answer = func(n int, form url.Values) (int, string) {
		if n == 1 {
			close(arrived)
			<-release
		}
		return good(n, form)
	}
	defer close(release)
	r, _ := newTestRoles(t, p.URL)
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() {
		_, err := r.Credentials(ctx, session("ASIALEASE1"))
		first <- err
	}()
	<-arrived
	second := make(chan string, 1)
	go func() {
		c, err := r.Credentials(t.Context(), session("ASIALEASE1"))
		if err != nil {
			t.Error(err)
		}
		second <- c.AccessKeyID
	}()
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("first: got %v, want context.Canceled", err)
	}
	if id := <-second; id != "ASIA2" {
		t.Errorf("second: got %s, want ASIA2", id)
	}
}

func TestRolesRenewal(t *testing.T) {
	t.Parallel()
	p := newGoodSTS(t)
	good := p.answer
	answer := good
	p.answer = func(n int, form url.Values) (int, string) { return answer(n, form) }
	r, clock := newTestRoles(t, p.URL)
	s := session("ASIALEASE1")
	if got := keyOf(t, r, s); got != "ASIA1" {
		t.Fatal(got)
	}
	clock.advance(11 * time.Minute)
	answer = func(int, url.Values) (int, string) { return http.StatusOK, "no answer" }
	if got := keyOf(t, r, s); got != "ASIA1" {
		t.Errorf("STS is away: got %s, want the ones that are still good", got)
	}
	answer = func(int, url.Values) (int, string) { return http.StatusForbidden, stsError("AccessDenied", "no") }
	var refused *blob.RoleError
	if c, err := r.Credentials(t.Context(), s); !errors.As(err, &refused) {
		t.Errorf("refused: got %s, %v", c.AccessKeyID, err)
	}
	answer = func(int, url.Values) (int, string) { return http.StatusOK, "no answer" }
	if c, err := r.Credentials(t.Context(), s); err == nil || errors.As(err, &refused) {
		t.Errorf("after a refusal: got %s, %v, want none", c.AccessKeyID, err)
	}
	answer = good
	before := keyOf(t, r, s)
	clock.advance(14*time.Minute + 40*time.Second)
	answer = func(int, url.Values) (int, string) { return http.StatusOK, "no answer" }
	if c, err := r.Credentials(t.Context(), s); err == nil {
		t.Errorf("almost ended: got %s like %s, want none", c.AccessKeyID, before)
	}
}

// TestRolesRefused has what STS decides: it is said once, with what to do, and never mistaken for an answer of the store.
func TestRolesRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		status int
		body   string
		want   string
	}{
		{"may not", 403, stsError("AccessDenied", "User: arn:aws:iam::000000000000:user/darkroom is not authorized to perform: sts:AssumeRole on resource: "+roleARN), "does not let the role be assumed (AccessDenied)"},
		{"no role", 404, stsError("NoSuchEntity", "The role with name jobs cannot be found."), "does not let the role be assumed (NoSuchEntity)"},
		{"invalid", 400, stsError("ValidationError", "no"), "(ValidationError)"},
		{"policy too large", 400, stsError("PackedPolicyTooLarge", "no"), "does not take the session policy of the job (PackedPolicyTooLarge)"},
		{"policy malformed", 400, stsError("MalformedPolicyDocument", "no"), "does not take the session policy of the job (MalformedPolicyDocument)"},
		{"region disabled", 403, stsError("RegionDisabledException", "no"), "(RegionDisabledException)"},
		{"unknown key", 403, stsError("InvalidClientTokenId", "The security token included in the request is invalid."), "does not know the credentials of this installation (InvalidClientTokenId)"},
		{"wrong key", 403, stsError("SignatureDoesNotMatch", "no"), "does not know the credentials of this installation (SignatureDoesNotMatch)"},
		{"ended credentials", 403, stsError("ExpiredToken", "The security token included in the request is expired"), "(ExpiredToken)"},
		{"hostile code", 403, stsError("Denied&#10;&lt;b&gt;"+strings.Repeat("x", 1000), "no"), "(Deniedb" + strings.Repeat("x", 57) + ")"},
		{"an S3 server without STS", 405, `<?xml version="1.0"?><Error><Code>MethodNotAllowed</Code><Message>no</Message></Error>`, "does not answer as an STS does (HTTP status 405)"},
		{"nothing there", 404, "", "does not answer as an STS does (HTTP status 404)"},
		{"a web page", 403, "<html><body><p>go away<br></body></html>", "does not answer as an STS does (HTTP status 403)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newSTS(t, func(int, url.Values) (int, string) { return tt.status, tt.body })
			r, _ := newTestRoles(t, p.URL)
			_, err := r.Credentials(t.Context(), session("ASIALEASE1"))
			var refused *blob.RoleError
			if !errors.As(err, &refused) || !errors.Is(err, blob.ErrAccessDenied) {
				t.Fatalf("got %v, want a *blob.RoleError", err)
			}
			host := strings.TrimPrefix(p.URL, "http://")
			for _, part := range []string{roleARN, host, tt.want} {
				if !strings.Contains(refused.Message, part) {
					t.Errorf("%q does not say %q", refused.Message, part)
				}
			}
			if strings.ContainsFunc(refused.Message, func(c rune) bool { return c < ' ' || c > '~' }) {
				t.Errorf("%q cannot stand in a header", refused.Message)
			}
			if n := p.asked.Load(); n != 1 {
				t.Errorf("asked %d times, want once", n)
			}
		})
	}
}

// TestRolesRefusedHere has sessions that cannot be said to STS: it is not asked.
func TestRolesRefusedHere(t *testing.T) {
	t.Parallel()
	p := newGoodSTS(t)
	r, _ := newTestRoles(t, p.URL)
	for name, policies := range map[string][]string{
		"two policies": {session("A").Policies[0], session("B").Policies[0]},
		"unreadable":   {""},
		"too long":     {`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"arn:aws:s3:::` + strings.Repeat("x", 2048) + `"}}`},
	} {
		s := session("ASIALEASE1")
		s.Policies = policies
		var refused *blob.RoleError
		if c, err := r.Credentials(t.Context(), s); !errors.As(err, &refused) {
			t.Errorf("%s: got %s, %v, want a *blob.RoleError", name, c.AccessKeyID, err)
		}
	}
	if n := p.asked.Load(); n != 0 {
		t.Errorf("asked %d times", n)
	}
}

// TestRolesNoAnswer has what may pass: it is no refusal, and nothing of the answer is used.
func TestRolesNoAnswer(t *testing.T) {
	t.Parallel()
	later := time.Now().Add(15 * time.Minute)
	tests := []struct {
		name   string
		status int
		body   string
		asked  int32
	}{
		{"garbage", 200, "\x00\xff\x01", 1},
		{"nothing", 200, "", 1},
		{"cut short", 200, stsAnswer("ASIA", "key", "token", later)[:400], 1},
		{"another form", 200, `{"Credentials": {"AccessKeyId": "ASIA", "SecretAccessKey": "key", "SessionToken": "token"}}`, 1},
		{"a web page", 200, "<html><head><title>Sign in</title></head></html>", 1},
		{"too long", 200, strings.Repeat(" ", maxAnswer) + stsAnswer("ASIA", "key", "token", later), 1},
		{"too long a refusal", 500, strings.Repeat(" ", maxAnswer) + stsError("AccessDenied", "no"), maxAttempts},
		{"no credentials", 200, `<AssumeRoleResponse><AssumeRoleResult></AssumeRoleResult></AssumeRoleResponse>`, 1},
		{"no key", 200, stsAnswer("ASIA", "", "token", later), 1},
		{"no token", 200, stsAnswer("ASIA", "key", "", later), 1},
		{"a header in a token", 200, stsAnswer("ASIA", "key", "token\r\nX-Admin: true", later), 1},
		{"a long token", 200, stsAnswer("ASIA", "key", strings.Repeat("x", maxField+1), later), 1},
		{"ended", 200, stsAnswer("ASIA", "key", "token", time.Now().Add(-time.Hour)), 1},
		{"about to end", 200, stsAnswer("ASIA", "key", "token", time.Now().Add(usableFor-2*time.Second)), 1},
		{"a redirect", 307, "Location: http://127.0.0.1:1/", 1},
		{"failure", 500, stsError("InternalFailure", "no"), maxAttempts},
		{"too many", 400, stsError("Throttling", "Rate exceeded"), maxAttempts},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newSTS(t, func(int, url.Values) (int, string) { return tt.status, tt.body })
			r, _ := newTestRoles(t, p.URL)
			c, err := r.Credentials(t.Context(), session("ASIALEASE1"))
			if err == nil || errors.Is(err, blob.ErrAccessDenied) {
				t.Errorf("got %s, %v", c.AccessKeyID, err)
			}
			if n := p.asked.Load(); n != tt.asked {
				t.Errorf("asked %d times, want %d: %v", n, tt.asked, err)
			}
		})
	}
}

func TestRolesUnreachable(t *testing.T) {
	t.Parallel()
	p := newGoodSTS(t)
	p.Close()
	r, _ := newTestRoles(t, p.URL)
	if c, err := r.Credentials(t.Context(), session("ASIALEASE1")); err == nil || errors.Is(err, blob.ErrAccessDenied) {
		t.Errorf("got %s, %v", c.AccessKeyID, err)
	}
}

func TestRolesRecover(t *testing.T) {
	t.Parallel()
	p := newGoodSTS(t)
	good := p.answer
	p.answer = func(n int, form url.Values) (int, string) {
		if n < 3 {
			return http.StatusServiceUnavailable, stsError("ServiceUnavailable", "no")
		}
		return good(n, form)
	}
	r, _ := newTestRoles(t, p.URL)
	if got := keyOf(t, r, session("ASIALEASE1")); got != "ASIA3" {
		t.Errorf("got %s, want ASIA3", got)
	}
}

func TestRolesSlow(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan struct{}), make(chan struct{})
	p := newSTS(t, func(int, url.Values) (int, string) {
		close(arrived)
		<-release
		return http.StatusOK, ""
	})
	defer close(release)
	r, _ := newTestRoles(t, p.URL)
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	go func() {
		<-arrived
		cancel(enough)
	}()
	if _, err := r.Credentials(ctx, session("ASIALEASE1")); !errors.Is(err, enough) {
		t.Errorf("got %v, want the caller's reason", err)
	}
	if len(r.held) != 0 {
		t.Errorf("%d held after nothing came", len(r.held))
	}
}

// TestRolesClocks has a peer whose clock is hours from the one here, either way: it is asked again by its own time, and what it gives is good for as long
// as it says.
func TestRolesClocks(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{-3 * time.Hour, 3 * time.Hour} {
		t.Run(skew.String(), func(t *testing.T) {
			t.Parallel()
			p := newGoodSTS(t)
			p.skew = skew
			r, clock := newTestRoles(t, p.URL)
			if got := keyOf(t, r, session("ASIALEASE1")); got != "ASIA2" { // the first request taught it the time
				t.Errorf("got %s, want ASIA2", got)
			}
			clock.advance(9 * time.Minute)
			if got := keyOf(t, r, session("ASIALEASE1")); got != "ASIA2" {
				t.Errorf("kept: got %s, want ASIA2", got)
			}
			clock.advance(3 * time.Minute)
			if got := keyOf(t, r, session("ASIALEASE1")); got != "ASIA3" {
				t.Errorf("renewed: got %s, want ASIA3", got)
			}
		})
	}
}

// TestStoreOfRole has a store that signs as a role: its requests carry the role's credentials, and the trouble with the role is not the object's.
func TestStoreOfRole(t *testing.T) {
	t.Parallel()
	store := func(t *testing.T, roles *Roles, role bool) *Store {
		t.Helper()
		peer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if token := r.Header.Get("X-Amz-Security-Token"); token != "token1" || !strings.Contains(r.Header.Get("Authorization"), "Credential=ASIA1/") {
				t.Errorf("got token %q, %s", token, r.Header.Get("Authorization"))
			}
			if role {
				w.Header().Set(blob.RoleErrorHeader, "the role is no good")
			}
			w.WriteHeader(http.StatusForbidden)
		}))
		t.Cleanup(peer.Close)
		s, err := New(Options{
			Endpoint: peer.URL, Region: stsRegion, PathStyle: true, Client: peer.Client(), RoleErrors: role,
			Credentials: func(ctx context.Context) (Credentials, error) { return roles.Credentials(ctx, session("ASIALEASE1")) },
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	good, _ := newTestRoles(t, newGoodSTS(t).URL)
	gone, _ := newTestRoles(t, newSTS(t, func(int, url.Values) (int, string) { return http.StatusNotFound, stsError("NoSuchEntity", "no") }).URL)
	away, _ := newTestRoles(t, newSTS(t, func(int, url.Values) (int, string) { return http.StatusOK, "" }).URL)
	var role *blob.RoleError
	for _, head := range []bool{true, false} {
		do := func(s *Store) (err error) {
			if head {
				_, err = s.Head(t.Context(), "films", "k", blob.Conditions{})
				return err
			}
			_, err = s.Get(t.Context(), "films", "k", nil, blob.Conditions{})
			return err
		}
		if err := do(store(t, good, false)); !errors.Is(err, blob.ErrAccessDenied) || errors.As(err, &role) {
			t.Errorf("the object is denied: got %v", err)
		}
		if err := do(store(t, good, true)); !errors.Is(err, blob.ErrAccessDenied) || !errors.As(err, &role) || role.Message != "the role is no good" {
			t.Errorf("the control plane denies: got %v", err)
		}
		if err := do(store(t, gone, false)); !errors.Is(err, blob.ErrAccessDenied) || !errors.As(err, &role) || errors.Is(err, blob.ErrNoSuchKey) {
			t.Errorf("the role is denied: got %v", err)
		}
		if err := do(store(t, away, false)); err == nil || errors.Is(err, blob.ErrAccessDenied) || errors.Is(err, blob.ErrNoSuchKey) {
			t.Errorf("STS is away: got %v", err)
		}
	}
}
