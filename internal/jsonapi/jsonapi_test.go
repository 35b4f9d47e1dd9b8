package jsonapi

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

	sdk "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"darkroom/internal/gateway"
	"darkroom/internal/iam"
	"darkroom/internal/sigv4"
)

// operations are a few of KMS's, carried out in the simplest way.
func operations() map[string]Operation {
	check := func(_ context.Context, _ iam.Principal, in *sdk.DescribeKeyInput) ([]iam.Check, error) {
		id := "*"
		if in.KeyId != nil {
			id = *in.KeyId
		}
		if id == "broken" {
			return nil, errors.New("inside of the check")
		}
		return []iam.Check{{Action: "kms:DescribeKey", Resource: "arn:aws:kms:us-east-1:1:key/" + id}}, nil
	}
	return map[string]Operation{
		"DescribeKey": Op(check, func(_ context.Context, _ iam.Principal, in *sdk.DescribeKeyInput) (any, error) {
			if *in.KeyId == "gone" {
				return nil, Errorf(http.StatusBadRequest, "NotFoundException", "Key '%s' does not \"exist\"", *in.KeyId)
			}
			return &sdk.DescribeKeyOutput{KeyMetadata: &types.KeyMetadata{KeyId: in.KeyId}}, nil
		}),
		"DisableKey": Open(func(context.Context, iam.Principal, *sdk.DisableKeyInput) (any, error) { return nil, nil }),
	}
}

func newService() *Service {
	return New(API{Name: "kms", Target: "TrentService", NotOffered: []string{"Sign"}}, operations())
}

func request(method, target, path, body string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	if target != "" {
		r.Header.Set("X-Amz-Target", target)
	}
	return r
}

// carry resolves and serves a request as the gateway would for somebody who may, and returns the checks with the answer.
func carry(s *Service, r *http.Request) (checks []iam.Check, w *httptest.ResponseRecorder) {
	w = httptest.NewRecorder()
	op, err := s.Resolve(r)
	if err == nil {
		checks = op.Checks
		err = op.Serve(w, r)
	}
	if err != nil {
		s.Refuse(w, r, err)
	}
	return checks, w
}

func TestService(t *testing.T) {
	t.Parallel()
	s := newService()
	if s.Name() != "kms" || len(s.Targets()) != 1 || s.Targets()[0] != "TrentService" || !slices.Equal(s.Operations(), []string{"DescribeKey", "DisableKey"}) {
		t.Errorf("got %s %s %v", s.Name(), s.Targets(), s.Operations())
	}
	twice := request("POST", "TrentService.DescribeKey", "/", "{}")
	twice.Header.Add("X-Amz-Target", "TrentService.DisableKey")
	other := request("POST", "TrentService.DescribeKey", "/", "{}")
	other.Header.Set("Content-Type", "application/json")
	charset := request("POST", "TrentService.DescribeKey", "/", `{"KeyId":"k"}`)
	charset.Header.Set("Content-Type", "application/x-amz-json-1.1; charset=utf-8")
	tests := []struct {
		name   string
		r      *http.Request
		status int
		says   string
	}{
		{"an answer", request("POST", "TrentService.DescribeKey", "/", `{"KeyId":"k"}`), 200, `{"KeyMetadata":{"KeyId":"k","Enabled":false}}`},
		{"with a charset", charset, 200, `"KeyId":"k"`},
		{"without an output", request("POST", "TrentService.DisableKey", "/", `{"KeyId":"k"}`), 200, ""},
		{"a refusal of the operation", request("POST", "TrentService.DescribeKey", "/", `{"KeyId":"gone"}`), 400, `{"__type":"NotFoundException","message":"Key 'gone' does not \"exist\""}`},
		{"a fault of value", request("POST", "TrentService.DescribeKey", "/", `{"KeyId":""}`), 400, `{"__type":"ValidationException","message":"1 validation error detected: Value '' at 'keyId'`},
		{"a fault of shape", request("POST", "TrentService.DescribeKey", "/", `{"KeyId":"k","Colour":"red"}`), 400, `{"__type":"SerializationException","message":"\"Colour\" is not a member`},
		{"no JSON", request("POST", "TrentService.DescribeKey", "/", `KeyId=k`), 400, `{"__type":"SerializationException"`},
		{"no body", request("POST", "TrentService.DescribeKey", "/", ``), 400, `{"__type":"ValidationException"`},
		{"no such operation", request("POST", "TrentService.Sing", "/", `{}`), 400, `{"__type":"UnknownOperationException","message":"Could not find operation TrentService.Sing"}`},
		{"another case", request("POST", "TrentService.describeKey", "/", `{}`), 400, `{"__type":"UnknownOperationException"`},
		{"of another API", request("POST", "CertificateManager.DescribeKey", "/", `{}`), 400, `{"__type":"UnknownOperationException"`},
		{"an operation alone", request("POST", "DescribeKey", "/", `{}`), 400, `{"__type":"UnknownOperationException"`},
		{"not offered, of another API", request("POST", "Sign", "/", `{}`), 400, `{"__type":"UnknownOperationException"`},
		{"a long name", request("POST", strings.Repeat("x", 200), "/", `{}`), 400, strings.Repeat("x", maxShown) + `…"`},
		{"not offered", request("POST", "TrentService.Sign", "/", `{}`), 400, `{"__type":"UnsupportedOperationException","message":"Not offered by this installation: Sign."}`},
		{"no target", request("POST", "", "/", `{}`), 400, `{"__type":"UnknownOperationException"`},
		{"two targets", twice, 400, `{"__type":"UnknownOperationException"`},
		{"another type of content", other, 400, `{"__type":"UnknownOperationException","message":"The Content-Type`},
		{"another path", request("POST", "TrentService.DescribeKey", "/keys", `{}`), 400, `{"__type":"UnknownOperationException"`},
		{"another method", request("GET", "TrentService.DescribeKey", "/", ``), 400, `{"__type":"UnknownOperationException"`},
		{"an error of ours", request("POST", "TrentService.DescribeKey", "/", `{"KeyId":"broken"}`), 500, `{"__type":"InternalFailure"`},
	}
	for _, tt := range tests {
		checks, w := carry(s, tt.r)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.says) || strings.Contains(w.Body.String(), "inside of") || w.Header().Get("Content-Type") != "application/x-amz-json-1.1" {
			t.Errorf("%s: got %d %s", tt.name, w.Code, w.Body)
		}
		if tt.name == "an answer" && (len(checks) != 1 || checks[0].Resource != "arn:aws:kms:us-east-1:1:key/k") {
			t.Errorf("%s: checks %v", tt.name, checks)
		}
	}
	if op, err := s.Resolve(request("POST", "TrentService.DisableKey", "/", `{}`)); err != nil || !op.AnyCaller || op.Checks != nil || op.Name != "DisableKey" {
		t.Errorf("for everybody: %+v %v", op, err)
	}
	broken := request("POST", "TrentService.DescribeKey", "/", "")
	broken.Body = io.NopCloser(io.MultiReader(strings.NewReader("{"), errReader{}))
	if _, err := s.Resolve(broken); err == nil {
		t.Error("a body that breaks was taken")
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errors.New("broken") }

// TestAdmits: who is not admitted is refused before anything of the request is looked at.
func TestAdmits(t *testing.T) {
	t.Parallel()
	s := New(API{Name: "kms", Target: "TrentService", Admits: func(_ iam.Principal, operation string) error {
		return Errorf(http.StatusBadRequest, "AccessDeniedException", "not you, for %s", operation)
	}}, operations())
	if _, w := carry(s, request("POST", "TrentService.DisableKey", "/", `{"Colour":1}`)); w.Code != 400 || !strings.Contains(w.Body.String(), "not you, for DisableKey") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// TestRefuse: each refusal of the gateway has its name in the dialect.
func TestRefuse(t *testing.T) {
	t.Parallel()
	s := newService()
	denied := &iam.Denied{Principal: iam.Principal{ARN: "arn:x"}, Check: iam.Check{Action: "kms:DescribeKey", Resource: "arn:y"}}
	type refusal struct {
		err    error
		status int
		says   string
	}
	tests := []refusal{
		{denied, 400, `{"__type":"AccessDeniedException","message":"User: arn:x is not authorized to perform: kms:DescribeKey on resource: arn:y`},
		{fmt.Errorf("wrapped: %w", denied), 400, `{"__type":"AccessDeniedException"`},
		{&sigv4.Error{Kind: sigv4.Kind(99), Message: "hush"}, 500, `{"__type":"InternalFailure"`},
		{&gateway.LimitError{Kind: gateway.LimitKind(99), Message: "hush"}, 500, `{"__type":"InternalFailure"`},
		{&gateway.LimitError{Kind: gateway.TooBusy, Message: "slower"}, 503, `{"__type":"ServiceUnavailableException","message":"slower"}`},
		{errors.New("hush"), 500, `{"__type":"InternalFailure","message":"Internal error.`},
	}
	for kind, code := range unsigned {
		tests = append(tests, refusal{&sigv4.Error{Kind: kind, Message: "a text"}, 400, `{"__type":"` + code + `","message":"a text"}`})
	}
	for kind, code := range limited {
		l := &gateway.LimitError{Kind: kind, Message: "a text"}
		tests = append(tests, refusal{l, l.Status(), `{"__type":"` + code + `","message":"a text"}`})
	}
	for _, tt := range tests {
		w := httptest.NewRecorder()
		s.Refuse(w, httptest.NewRequest("POST", "/", nil), tt.err)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.says) || strings.Contains(w.Body.String(), "hush") || w.Header().Get("Content-Type") != "application/x-amz-json-1.1" {
			t.Errorf("%v: got %d %s", tt.err, w.Code, w.Body)
		}
		if (w.Header().Get("Retry-After") != "") != (tt.status == 503) {
			t.Errorf("%v: Retry-After %q", tt.err, w.Header().Get("Retry-After"))
		}
	}
}

// keeping is a writer that keeps what it is given, and not a copy of it.
type keeping struct {
	http.ResponseWriter
	given []byte
	err   error
}

func (k *keeping) Write(b []byte) (int, error) {
	k.given = b
	if k.err != nil {
		return 0, k.err
	}
	return k.ResponseWriter.Write(b)
}

// TestSecret: key material is overwritten once it is written, or could not be, and so is the text that it stood in.
func TestSecret(t *testing.T) {
	t.Parallel()
	for _, broken := range []error{nil, errors.New("the client went away")} {
		plain := []byte("the plaintext")
		s := New(API{Name: "kms", Target: "TrentService"}, map[string]Operation{
			"Decrypt": Open(func(context.Context, iam.Principal, *sdk.DecryptInput) (any, error) {
				return Secret{Output: &sdk.DecryptOutput{Plaintext: plain}, Wipe: func() { clear(plain) }}, nil
			}),
		})
		r := request("POST", "TrentService.Decrypt", "/", "{}")
		op, err := s.Resolve(r)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		k := &keeping{ResponseWriter: w, err: broken}
		if err := op.Serve(k, r); !errors.Is(err, broken) {
			t.Errorf("served: %v", err)
		}
		if broken == nil && w.Body.String() != `{"Plaintext":"dGhlIHBsYWludGV4dA=="}` {
			t.Errorf("answered %s", w.Body)
		}
		if len(k.given) == 0 || strings.Trim(string(k.given), "\x00") != "" || strings.Trim(string(plain), "\x00") != "" {
			t.Errorf("left %q of the answer and %q of the plaintext", k.given, plain)
		}
	}
}
