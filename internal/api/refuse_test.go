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
	s, err := api.New(api.Options{Queue: &fakeQueue{}, Roles: people{}, Certificates: shelf{}, Check: check, Probe: noProbe, Region: region, TokenKey: secret.New(make([]byte, api.TokenKeySize))})
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

// TestAllAtOnce: faults of shape, what crosses members and what stands outside the settings are told in one answer, and nothing that follows from
// another fault.
func TestAllAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *api.Options) { o.Check = planned })
	const preset = `{"containerSettings":{"container":"MP4"},"videoDescription":{"width":7,"codecSettings":{"codec":"H_264","h264Settings":{"rateControlMode":"CBR"}}}}`
	const width, rate = "/videoDescription/width: Should be greater than or equal to 32 (was 7)", "/h264Settings: You set Rate control mode to CBR"
	output := preset[:len(preset)-1] + `,"nameModifier":"_a"}`
	group := `{"outputGroupSettings":{"type":"FILE_GROUP_SETTINGS","fileGroupSettings":{"destination":"s3://b/o/"}},"outputs":[` + output + `]}`
	settings := `{"inputs":[{"fileInput":"s3://b/k"}],"outputGroups":[` + group + `]}`
	for _, tt := range []struct {
		name, method, path, body string
		says                     []string
	}{
		{"CreateJob", "POST", "jobs", `{"settings":` + settings + `,"hopDestinations":[{"queue":"other"}]}`, []string{"The 'role' field is required.", width, "/hopDestinations/0/waitMinutes: ", rate}},
		{"CreateJob with a role of another form", "POST", "jobs", `{"role":"me","priority":51,"settings":` + settings + `}`, []string{"/priority: ", width, "/role: ", rate}},
		{"CreateJob with a word that is none", "POST", "jobs", `{"role":"` + roleARN + `","settings":` + strings.Replace(settings, "CBR", "XBR", 1) + `}`, []string{"XBR", width}},
		{"CreateJob with an unknown member", "POST", "jobs", `{"role":"` + roleARN + `","settings":` + strings.Replace(settings, `"CBR"`, `"CBR","bitRate":1`, 1) + `}`, []string{`unknown member "bitRate"`, width}},
		{"CreateJob of a template that is none", "POST", "jobs", `{"jobTemplate":"none","settings":` + settings + `}`, []string{"The 'role' field is required.", width}},
		{"CreateJobTemplate", "POST", "jobTemplates", `{"settings":{"outputGroups":[` + group + `]}}`, []string{"The 'name' field is required.", width, rate}},
		{"UpdateJobTemplate", "PUT", "jobTemplates/t", `{"settings":{"outputGroups":[` + group + `]}}`, []string{width, rate}},
		{"CreatePreset", "POST", "presets", `{"settings":` + preset + `}`, []string{"The 'name' field is required.", width, rate}},
		{"UpdatePreset", "PUT", "presets/p", `{"settings":` + preset + `}`, []string{width, rate}},
		{"CreatePreset that cannot be read", "POST", "presets", `{"settings":` + preset, []string{"Could not parse request body into json", width}},
	} {
		resp, body := b.send("ROOT", tt.method, "/2017-08-29/"+tt.path, tt.body)
		if resp.StatusCode != 400 || strings.Count(body, " | ") != len(tt.says)-1 {
			t.Errorf("%s: want %d faults, got %d %s", tt.name, len(tt.says), resp.StatusCode, body)
		}
		for _, s := range tt.says {
			if !strings.Contains(strings.ReplaceAll(body, `\"`, `"`), s) {
				t.Errorf("%s: no %q in %s", tt.name, s, body)
			}
		}
	}
}
