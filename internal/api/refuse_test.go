package api_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/api"
	"darkroom/internal/gateway"
	"darkroom/internal/iam"
	"darkroom/internal/mediaconvert"
	"darkroom/internal/secret"
	"darkroom/internal/sigv4"
)

func TestRefuse(t *testing.T) {
	t.Parallel()
	s, err := api.New(api.Options{Queue: &fakeQueue{}, Roles: people{}, Check: check, Probe: noProbe, Region: region, TokenKey: secret.New(make([]byte, api.TokenKeySize))})
	if err != nil {
		t.Fatal(err)
	}
	signature := func(k sigv4.Kind) error { return &sigv4.Error{Kind: k, Message: "a \"text\""} }
	limit := func(k gateway.LimitKind) error { return &gateway.LimitError{Kind: k, Message: `a "text"`} }
	tests := []struct {
		err    error
		status int
		name   string
	}{
		{mediaconvert.BadRequest(`a "text"`), 400, "BadRequestException"},
		{fmt.Errorf("wrapped: %w", mediaconvert.Forbidden(`a "text"`)), 403, "ForbiddenException"},
		{mediaconvert.NotFound(`a "text"`), 404, "NotFoundException"},
		{mediaconvert.Conflict(`a "text"`), 409, "ConflictException"},
		{mediaconvert.TooManyRequests(`a "text"`), 429, "TooManyRequestsException"},
		{mediaconvert.InternalServerError(`a "text"`), 500, "InternalServerErrorException"},
		{mediaconvert.QuotaExceeded(`a "text"`), 402, "ServiceQuotaExceededException"},
		{signature(sigv4.MissingToken), 403, "MissingAuthenticationTokenException"},
		{signature(sigv4.Incomplete), 400, "IncompleteSignatureException"},
		{signature(sigv4.Unsupported), 400, "IncompleteSignatureException"},
		{signature(sigv4.UnknownKey), 403, "UnrecognizedClientException"},
		{signature(sigv4.BadSignature), 403, "InvalidSignatureException"},
		{signature(sigv4.Expired), 403, "InvalidSignatureException"},
		{signature(sigv4.NotYetCurrent), 403, "InvalidSignatureException"},
		{signature(sigv4.RequestExpired), 400, "RequestExpired"},
		{signature(sigv4.ExpiredToken), 403, "ExpiredTokenException"},
		{signature(sigv4.InvalidToken), 403, "UnrecognizedClientException"},
		{signature(sigv4.WrongRegion), 403, "InvalidSignatureException"},
		{signature(sigv4.WrongService), 403, "InvalidSignatureException"},
		{signature(sigv4.HeadersNotSigned), 403, "InvalidSignatureException"},
		{signature(sigv4.PayloadMismatch), 403, "InvalidSignatureException"},
		{signature(sigv4.MissingLength), 400, "IncompleteSignatureException"},
		{signature(sigv4.BadChunk), 400, "IncompleteSignatureException"},
		{signature(sigv4.BadTrailer), 400, "IncompleteSignatureException"},
		{signature(sigv4.IncompleteBody), 400, "IncompleteSignatureException"},
		{limit(gateway.BodyTooLarge), 413, "RequestEntityTooLargeException"},
		{limit(gateway.TooBusy), 503, "ServiceUnavailableException"},
		{limit(gateway.BodyTimedOut), 400, "RequestTimeoutException"},
		{limit(gateway.BodyBroken), 400, "IncompleteBodyException"},
	}
	for _, tt := range tests {
		w := httptest.NewRecorder()
		s.Refuse(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), tt.err)
		if w.Code != tt.status || w.Header().Get("X-Amzn-ErrorType") != tt.name || w.Body.String() != `{"message":"a \"text\""}` {
			t.Errorf("%v: got %d %s %s, want %d %s", tt.err, w.Code, w.Header().Get("X-Amzn-ErrorType"), w.Body, tt.status, tt.name)
		}
	}
	denied := &iam.Denied{Principal: iam.Principal{ARN: "arn:x"}, Check: iam.Check{Action: "mediaconvert:GetJob", Resource: "arn:y"}}
	for _, tt := range []struct {
		err          error
		status       int
		name, header string
		says         string
	}{
		{denied, 403, "AccessDeniedException", "", "User: arn:x is not authorized to perform: mediaconvert:GetJob on resource: arn:y"},
		{mediaconvert.ErrUnknownPath, 404, "UnknownOperationException", "", "No operation"},
		{&mediaconvert.MethodError{Allowed: []string{"GET", "PUT"}}, 405, "UnknownOperationException", "GET, PUT", "GET, PUT"},
		{errors.New("the inside"), 500, "InternalServerErrorException", "", "Internal error. The request id is "},
		{signature(sigv4.Kind(999)), 500, "InternalServerErrorException", "", "Internal error."},
		{limit(gateway.LimitKind(999)), 500, "InternalServerErrorException", "", "Internal error."},
	} {
		w := httptest.NewRecorder()
		s.Refuse(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), tt.err)
		body := w.Body.String()
		if w.Code != tt.status || w.Header().Get("X-Amzn-ErrorType") != tt.name || w.Header().Get("Allow") != tt.header ||
			!strings.Contains(body, tt.says) || strings.Contains(body, "the inside") {
			t.Errorf("%v: got %d %v %s", tt.err, w.Code, w.Header(), body)
		}
	}
}

func TestUnknownPath(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for _, tt := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/", 404},
		{"GET", "/2017-08-29/films", 404},
		{"POST", "/2018-01-01/jobs", 404},
		{"GET", "/2017-08-29/jobs/a/b", 404},
		{"PATCH", "/2017-08-29/jobs", 405},
		{"POST", "/2017-08-29/queues/Default", 405},
	} {
		resp, body := b.send("ROOT", tt.method, tt.path, "")
		if resp.StatusCode != tt.status || resp.Header.Get("X-Amzn-ErrorType") != "UnknownOperationException" {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, resp.StatusCode, body)
		}
	}
}

// TestSDKReadsRefusals: the SDK's client finds name and message where it looks for them.
func TestSDKReadsRefusals(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	in := newJob()
	in.SimulateReservedQueue = types.SimulateReservedQueueEnabled
	_, err := b.client("ROOT").CreateJob(t.Context(), in)
	name, message := exception(err)
	if name != "BadRequestException" || message != "Not offered by this installation: /simulateReservedQueue: ENABLED is not carried out; offered: DISABLED" {
		t.Errorf("got %q %q", name, message)
	}
	_, err = b.client("stranger").CreateJob(t.Context(), newJob())
	if name, _ := exception(err); name != "UnrecognizedClientException" {
		t.Errorf("unknown key: %v", err)
	}
}
