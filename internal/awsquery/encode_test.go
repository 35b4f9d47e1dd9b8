package awsquery_test

import (
	"encoding/xml"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"

	"darkroom/internal/awsquery"
)

func TestEncode(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 7, 1, 14, 30, 5, 999_999_999, time.FixedZone("", 2*60*60))
	const (
		iamBegin = ` xmlns="https://iam.amazonaws.com/doc/2010-05-08/">`
		metadata = `<ResponseMetadata><RequestId>` + requestID + `</RequestId></ResponseMetadata>`
	)
	for _, c := range []struct {
		name, operation, namespace string
		output                     any
		want                       string
	}{
		{
			"user", "CreateUser", iamNamespace,
			&iam.CreateUserOutput{User: &types.User{Path: ptr("/"), UserName: ptr("a"), CreateDate: &at, Tags: []types.Tag{{Key: ptr("k"), Value: ptr("")}}}},
			`<CreateUserResponse` + iamBegin + `<CreateUserResult><User><CreateDate>2026-07-01T12:30:05Z</CreateDate><Path>/</Path><UserName>a</UserName>` +
				`<Tags><member><Key>k</Key><Value></Value></member></Tags></User></CreateUserResult>` + metadata + `</CreateUserResponse>`,
		},
		{"no output", "DeleteUser", iamNamespace, &iam.DeleteUserOutput{}, `<DeleteUserResponse` + iamBegin + metadata + `</DeleteUserResponse>`},
		{
			"a result without members", "UpdateRole", iamNamespace, &iam.UpdateRoleOutput{},
			`<UpdateRoleResponse` + iamBegin + `<UpdateRoleResult></UpdateRoleResult>` + metadata + `</UpdateRoleResponse>`,
		},
		{
			"nil list", "ListUsers", iamNamespace, &iam.ListUsersOutput{},
			`<ListUsersResponse` + iamBegin + `<ListUsersResult><IsTruncated>false</IsTruncated></ListUsersResult>` + metadata + `</ListUsersResponse>`,
		},
		{
			"empty list", "ListUsers", iamNamespace, &iam.ListUsersOutput{Users: []types.User{}, IsTruncated: true, Marker: ptr("m")},
			`<ListUsersResponse` + iamBegin + `<ListUsersResult><Users></Users><IsTruncated>true</IsTruncated><Marker>m</Marker></ListUsersResult>` + metadata + `</ListUsersResponse>`,
		},
		{
			"map in the order of its keys", "GetAccountSummary", iamNamespace, &iam.GetAccountSummaryOutput{SummaryMap: map[string]int32{"Users": 2, "Groups": -1, "UsersQuota": 0}},
			`<GetAccountSummaryResponse` + iamBegin + `<GetAccountSummaryResult><SummaryMap><entry><key>Groups</key><value>-1</value></entry><entry><key>Users</key><value>2</value></entry>` +
				`<entry><key>UsersQuota</key><value>0</value></entry></SummaryMap></GetAccountSummaryResult>` + metadata + `</GetAccountSummaryResponse>`,
		},
		{
			"blob and enumeration", "GetCredentialReport", iamNamespace, &iam.GetCredentialReportOutput{Content: []byte("\x00\xff"), ReportFormat: types.ReportFormatTypeTextCsv},
			`<GetCredentialReportResponse` + iamBegin + `<GetCredentialReportResult><Content>AP8=</Content><ReportFormat>text/csv</ReportFormat></GetCredentialReportResult>` + metadata + `</GetCredentialReportResponse>`,
		},
		{
			"name that is not as in Go", "ListDelegationRequests", iamNamespace, &iam.ListDelegationRequestsOutput{},
			`<ListDelegationRequestsResponse` + iamBegin + `<ListDelegationRequestsResult><isTruncated>false</isTruncated></ListDelegationRequestsResult>` + metadata + `</ListDelegationRequestsResponse>`,
		},
		{
			"STS", "GetCallerIdentity", stsNamespace, &sts.GetCallerIdentityOutput{Account: ptr("111122223333"), Arn: ptr("arn:aws:iam::111122223333:user/a<b>&c")},
			`<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Account>111122223333</Account>` +
				`<Arn>arn:aws:iam::111122223333:user/a&lt;b&gt;&amp;c</Arn></GetCallerIdentityResult>` + metadata + `</GetCallerIdentityResponse>`,
		},
		{
			"credentials", "AssumeRole", stsNamespace, &sts.AssumeRoleOutput{Credentials: &ststypes.Credentials{AccessKeyId: ptr("A"), Expiration: &at}, SessionTokenUtilization: ptr(int32(0))},
			`<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>A</AccessKeyId><Expiration>2026-07-01T12:30:05Z</Expiration>` +
				`</Credentials><SessionTokenUtilization>0</SessionTokenUtilization></AssumeRoleResult>` + metadata + `</AssumeRoleResponse>`,
		},
		{
			"nil in a list, and a union", "A", "", &struct {
				L []*string
				U []types.PolicyIdentifier
			}{[]*string{nil, ptr("a")}, []types.PolicyIdentifier{nil, &types.PolicyIdentifierMemberPolicyArn{Value: "b"}}},
			`<AResponse><AResult><L><member></member><member>a</member></L><U><member></member><member><PolicyArn>b</PolicyArn></member></U></AResult>` + metadata + `</AResponse>`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := awsquery.Encode(c.operation, c.namespace, requestID, c.output)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	far := time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	before := time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name, operation string
		output          any
		want            string
	}{
		{"nil", "GetUser", nil, "encode <nil>: no pointer to a structure"},
		{"nil pointer", "GetUser", (*iam.GetUserOutput)(nil), "encode *iam.GetUserOutput: no pointer to a structure"},
		{"no pointer", "GetUser", iam.GetUserOutput{}, "encode iam.GetUserOutput: no pointer to a structure"},
		{"no structure", "GetUser", ptr(""), "encode *string: no pointer to a structure"},
		{"no operation", "", &iam.GetUserOutput{}, `encode "": no name of an operation`},
		{"operation that is no name", "Get><User", &iam.GetUserOutput{}, `encode "Get><User": no name of an operation`},
		{"year 10000", "GetUser", &iam.GetUserOutput{User: &types.User{CreateDate: &far, PasswordLastUsed: &before}}, "encode GetUser: time of the year 10000: ISO 8601 has four digits"},
		{"before the year 0", "GetUser", &iam.GetUserOutput{User: &types.User{CreateDate: &before}}, "encode GetUser: time of the year -1: ISO 8601 has four digits"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := awsquery.Encode(c.operation, iamNamespace, requestID, c.output)
			if err == nil {
				t.Fatalf("got %s", got)
			}
			if err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestEncodeError(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, message, want string }{
		{"plain", "The user with name a cannot be found.", "The user with name a cannot be found."},
		{"markup", `<a href="x">&amp;</a>]]>`, "&lt;a href=&#34;x&#34;&gt;&amp;amp;&lt;/a&gt;]]&gt;"},
		{"line ends that a reader would change", "a\r\nb\tc", "a&#xD;&#xA;b&#x9;c"},
		{"control characters", "a\x00b\x1bc\x7f", "a\ufffdb\ufffdc\x7f"},
		{"no characters", "a\ufffe\uffffb", "a\ufffd\ufffdb"},
		{"not UTF-8", "a\xff\xc3b", "a\ufffd\ufffdb"},
		{"surrogate", "a\xed\xa0\x80b", "a\ufffd\ufffd\ufffdb"},
		{"beyond the basic plane", "🎬", "🎬"},
		{"nothing", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := awsquery.EncodeError(iamNamespace, awsquery.Sender, "NoSuchEntity", c.message, requestID)
			want := `<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>` + c.want +
				`</Message></Error><RequestId>` + requestID + `</RequestId></ErrorResponse>`
			if string(got) != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			wellFormed(t, got)
		})
	}
}

// TestErrorsReachTheSDK has the SDK read errors, known and unknown.
func TestErrorsReachTheSDK(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, typ, code string
		status          int
		fault           smithy.ErrorFault
	}{
		{"of the model", awsquery.Sender, "NoSuchEntity", http.StatusNotFound, smithy.FaultClient},
		{"common to all", awsquery.Sender, "ValidationError", http.StatusBadRequest, smithy.FaultUnknown},
		{"the service's", awsquery.Receiver, "ServiceFailure", http.StatusInternalServerError, smithy.FaultServer},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t)
			const message = "1 validation error detected: Value '<&\r\n' at 'userName'"
			p.status, p.answer = c.status, awsquery.EncodeError(iamNamespace, c.typ, c.code, message, requestID)
			_, err := p.iam.GetUser(t.Context(), &iam.GetUserInput{UserName: ptr("a")})
			var e smithy.APIError
			if !errors.As(err, &e) {
				t.Fatalf("got %v", err)
			}
			if e.ErrorCode() != c.code || e.ErrorMessage() != message || e.ErrorFault() != c.fault {
				t.Errorf("got %s %q %v, want %s %q %v", e.ErrorCode(), e.ErrorMessage(), e.ErrorFault(), c.code, message, c.fault)
			}
			var known *types.NoSuchEntityException
			if got, want := errors.As(err, &known), c.code == "NoSuchEntity"; got != want {
				t.Errorf("got %t, want %t", got, want)
			}
			if !strings.Contains(err.Error(), requestID) {
				t.Errorf("%v is without the request id", err)
			}
		})
	}
}

// errorBody is what a reader sees of an error.
type errorBody struct {
	XMLName   xml.Name `xml:"ErrorResponse"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}
