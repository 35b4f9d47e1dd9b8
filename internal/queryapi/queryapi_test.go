package queryapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"darkroom/internal/gateway"
	"darkroom/internal/iam"
	"darkroom/internal/sigv4"
)

// operations are a few of IAM's, carried out in the simplest way.
func operations() map[string]Operation {
	check := func(_ context.Context, _ iam.Principal, in *sdk.GetUserInput) ([]iam.Check, error) {
		name := "*"
		if in.UserName != nil {
			name = *in.UserName
		}
		if name == "broken" {
			return nil, errors.New("inside of the check")
		}
		return []iam.Check{{Action: "iam:GetUser", Resource: "arn:aws:iam::1:user/" + name}}, nil
	}
	return map[string]Operation{
		"GetUser": Op(check, func(_ context.Context, _ iam.Principal, in *sdk.GetUserInput) (any, error) {
			if in.UserName != nil && *in.UserName == "gone" {
				return nil, Errorf(http.StatusNotFound, "NoSuchEntity", "The user %s <&> cannot be found.", *in.UserName)
			}
			return &sdk.GetUserOutput{User: &types.User{UserName: in.UserName}}, nil
		}),
		"ListUsers": Open(func(context.Context, iam.Principal, *sdk.ListUsersInput) (any, error) {
			return &sdk.ListUsersOutput{}, nil
		}),
		"GetGroup": Vouched(func(_ context.Context, in *sdk.GetGroupInput) (iam.Principal, string, error) {
			return iam.Principal{Type: iam.WebIdentity, Name: *in.GroupName}, "says " + *in.GroupName, nil
		}, func(_ context.Context, p iam.Principal, proof string, _ *sdk.GetGroupInput) ([]iam.Check, error) {
			return []iam.Check{{Action: "iam:GetGroup", Resource: p.Name + proof}}, nil
		}, func(_ context.Context, _ iam.Principal, proof string, _ *sdk.GetGroupInput) (any, error) {
			return &sdk.GetGroupOutput{Group: &types.Group{GroupName: &proof}}, nil
		}),
	}
}

func newService() *Service {
	return New(API{Name: "iam", Version: "2010-05-08", Namespace: "urn:x", NotOffered: []string{"CreateSAMLProvider"}}, operations())
}

// carry resolves and serves a request as the gateway would for somebody who may, and returns the checks with the answer.
func carry(s *Service, method, target, body string) (checks []iam.Check, status int, answer string) {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	w := httptest.NewRecorder()
	op, err := s.Resolve(r)
	if err == nil {
		checks = op.Checks
		err = op.Serve(w, r)
	}
	if err != nil {
		s.Refuse(w, r, err)
	}
	return checks, w.Code, w.Body.String()
}

func TestService(t *testing.T) {
	t.Parallel()
	s := newService()
	if s.Name() != "iam" || !slices.Equal(s.Operations(), []string{"GetGroup", "GetUser", "ListUsers"}) {
		t.Errorf("got %s %v", s.Name(), s.Operations())
	}
	const version = "&Version=2010-05-08"
	tests := []struct {
		name, method, target, body string
		status                     int
		says                       string
	}{
		{"post", "POST", "/", "Action=GetUser&UserName=ann" + version, 200, "<UserName>ann</UserName>"},
		{"get", "GET", "/?Action=GetUser&UserName=ann" + version, "", 200, "<UserName>ann</UserName>"},
		{"presigned", "GET", "/?Action=GetUser&UserName=ann&X-Amz-Signature=00&X-Amz-Date=1" + version, "", 200, "<UserName>ann</UserName>"},
		{"no version", "POST", "/", "Action=GetUser&UserName=ann", 200, "<GetUserResult>"},
		{"for everybody", "POST", "/", "Action=ListUsers", 200, "<ListUsersResponse"},
		{"a refusal of the operation", "POST", "/", "Action=GetUser&UserName=gone", 404, "<Type>Sender</Type><Code>NoSuchEntity</Code><Message>The user gone &lt;&amp;&gt; cannot be found.</Message>"},
		{"a fault", "POST", "/", "Action=GetUser&UserName=" + strings.Repeat("x", 129), 400, "<Code>ValidationError</Code><Message>1 validation error detected"},
		{"an unknown member", "POST", "/", "Action=GetUser&Colour=red", 400, "<Code>ValidationError</Code>"},
		{"no such operation", "POST", "/", "Action=Sing", 400, "<Code>InvalidAction</Code><Message>Could not find operation Sing for version 2010-05-08</Message>"},
		{"a long name", "POST", "/", "Action=" + strings.Repeat("x", 200), 400, "Could not find operation " + strings.Repeat("x", maxShown) + "… for"},
		{"another version", "POST", "/", "Action=GetUser&Version=1999-01-01", 400, "<Code>InvalidAction</Code>"},
		{"not offered", "POST", "/", "Action=CreateSAMLProvider", 501, "Not offered by this installation: CreateSAMLProvider."},
		{"no action", "POST", "/", "", 400, "<Code>MissingAction</Code>"},
		{"a broken form", "POST", "/", "Action=GetUser&UserName=%zz", 400, "<Code>MalformedQueryString</Code>"},
		{"another path", "POST", "/users", "Action=GetUser", 404, "<Code>InvalidAction</Code>"},
		{"another method", "DELETE", "/", "", 405, "<Code>MalformedHttpRequest</Code>"},
		{"an operation that is not signed, without its proof", "POST", "/", "Action=GetGroup&GroupName=g", 403, "<Code>AccessDenied</Code>"},
		{"an error of ours", "POST", "/", "Action=GetUser&UserName=broken", 500, "<Type>Receiver</Type><Code>InternalFailure</Code>"},
	}
	for _, tt := range tests {
		checks, status, answer := carry(s, tt.method, tt.target, tt.body)
		if status != tt.status || !strings.Contains(answer, tt.says) || strings.Contains(answer, "inside of") {
			t.Errorf("%s: got %d %s", tt.name, status, answer)
		}
		if status == 200 && tt.name != "for everybody" && (len(checks) != 1 || checks[0].Resource != "arn:aws:iam::1:user/ann") {
			t.Errorf("%s: checks %v", tt.name, checks)
		}
	}
	if op, err := s.Resolve(httptest.NewRequest("POST", "/", strings.NewReader("Action=ListUsers"))); err != nil || !op.AnyCaller || op.Checks != nil {
		t.Errorf("for everybody: %+v %v", op, err)
	}
	broken := httptest.NewRequest("POST", "/", io.NopCloser(io.MultiReader(strings.NewReader("Action="), errReader{})))
	if _, err := s.Resolve(broken); err == nil {
		t.Error("a body that breaks was taken")
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errors.New("broken") }

// TestVouch: the proof of an operation that is not signed is asked for it alone.
func TestVouch(t *testing.T) {
	t.Parallel()
	s := newService()
	for form, want := range map[string]bool{
		"Action=GetGroup&GroupName=g": true, "Action=GetGroup": true, "Action=GetUser": false, "Action=CreateSAMLProvider": false, "": false, "Action=GetGroup&Version=1": false,
	} {
		r := httptest.NewRequest("POST", "/", nil)
		if got := s.Speaks(r, []byte(form)); got != (form != "" && form != "Action=GetGroup&Version=1") {
			t.Errorf("%q: speaks %t", form, got)
		}
		if got := s.Vouches(r, []byte(form)); got != want {
			t.Errorf("%q: got %t", form, got)
		}
		p, proof, err := s.Vouch(r, []byte(form))
		if good := form == "Action=GetGroup&GroupName=g"; good != (err == nil) || good && (p.Name != "g" || proof != "says g") || !good && p.Type != 0 {
			t.Errorf("%q: got %+v %v %v", form, p, proof, err)
		}
	}
}

// TestRefuse: each refusal of the gateway has its name in the Query dialect.
func TestRefuse(t *testing.T) {
	t.Parallel()
	s := newService()
	denied := &iam.Denied{Principal: iam.Principal{ARN: "arn:x"}, Check: iam.Check{Action: "iam:GetUser", Resource: "arn:y"}}
	type refusal struct {
		err    error
		status int
		says   string
	}
	tests := []refusal{
		{denied, 403, "<Code>AccessDenied</Code><Message>User: arn:x is not authorized to perform: iam:GetUser on resource: arn:y"},
		{fmt.Errorf("wrapped: %w", denied), 403, "<Code>AccessDenied</Code>"},
		{&sigv4.Error{Kind: sigv4.Kind(99), Message: "hush"}, 500, "<Code>InternalFailure</Code>"},
		{&gateway.LimitError{Kind: gateway.LimitKind(99), Message: "hush"}, 500, "<Code>InternalFailure</Code>"},
		{&gateway.LimitError{Kind: gateway.TooBusy, Message: "slower"}, 503, "<Code>ServiceUnavailable</Code><Message>slower"},
		{errors.New("hush"), 500, "<Code>InternalFailure</Code><Message>Internal error."},
	}
	for kind, e := range unsigned {
		tests = append(tests, refusal{&sigv4.Error{Kind: kind, Message: "a text"}, e.Status, "<Code>" + e.Code + "</Code><Message>a text"})
	}
	for kind, code := range limited {
		l := &gateway.LimitError{Kind: kind, Message: "a text"}
		tests = append(tests, refusal{l, l.Status(), "<Code>" + code + "</Code><Message>a text"})
	}
	for _, tt := range tests {
		w := httptest.NewRecorder()
		s.Refuse(w, httptest.NewRequest("POST", "/", nil), tt.err)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.says) || strings.Contains(w.Body.String(), "hush") || w.Header().Get("Content-Type") != "text/xml" {
			t.Errorf("%v: got %d %s", tt.err, w.Code, w.Body)
		}
		if (w.Header().Get("Retry-After") != "") != (tt.status == 503) {
			t.Errorf("%v: Retry-After %q", tt.err, w.Header().Get("Retry-After"))
		}
	}
}
