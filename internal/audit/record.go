// Package audit is the record of what was asked for and done: records in the shape of AWS CloudTrail, and the one that a request carries with it until it has ended.
//
// The shape is that of "CloudTrail record contents" of the AWS CloudTrail User Guide, version 1.11.
package audit

import (
	"encoding/json"
	"time"

	"darkroom/internal/iam"
)

// Version is the eventVersion of the records that are made here.
const Version = "1.11"

// The event types.
const (
	// APICall: somebody called an API.
	APICall = "AwsApiCall"
	// ByService: Darkroom did something that nobody called an API for, or for somebody who did.
	ByService = "AwsServiceEvent"
)

// The categories.
const (
	Management = "Management"
	Data       = "Data"
)

// Record is one record. It holds no secret: who makes it leaves secrets out.
type Record struct {
	EventVersion    string    `json:"eventVersion"`
	UserIdentity    Identity  `json:"userIdentity"`
	EventTime       time.Time `json:"eventTime"` // UTC, in whole seconds
	EventSource     string    `json:"eventSource"`
	EventName       string    `json:"eventName"`
	AWSRegion       string    `json:"awsRegion"`
	SourceIPAddress string    `json:"sourceIPAddress"` // of the peer; or the name of the service that asked
	UserAgent       string    `json:"userAgent"`
	// ErrorCode is that of the answer, such as AccessDenied; empty when the call succeeded. ErrorMessage is the text of the refusal.
	ErrorCode    string `json:"errorCode,omitempty"`
	ErrorMessage string `json:"errorMessage,omitempty"`
	// RequestParameters and ResponseElements are objects, or nil for null. ResponseElements are those of changes alone.
	RequestParameters   json.RawMessage            `json:"requestParameters"`
	ResponseElements    json.RawMessage            `json:"responseElements"`
	AdditionalEventData map[string]json.RawMessage `json:"additionalEventData,omitempty"`
	RequestID           string                     `json:"requestID"`
	EventID             string                     `json:"eventID"` // a UUID
	ReadOnly            bool                       `json:"readOnly"`
	Resources           []Resource                 `json:"resources,omitempty"`
	EventType           string                     `json:"eventType"`
	APIVersion          string                     `json:"apiVersion,omitempty"`
	ManagementEvent     bool                       `json:"managementEvent"`
	RecipientAccountID  string                     `json:"recipientAccountId"`
	SharedEventID       string                     `json:"sharedEventID,omitempty"`
	ServiceEventDetails *ServiceEvent              `json:"serviceEventDetails,omitempty"`
	EventCategory       string                     `json:"eventCategory"`
	TLSDetails          *TLSDetails                `json:"tlsDetails,omitempty"`
}

// Resource is something that a call is about.
type Resource struct {
	AccountID string `json:"accountId,omitempty"`
	Type      string `json:"type,omitempty"` // as of AWS CloudFormation: AWS::S3::Object
	ARN       string `json:"ARN"`
}

// TLSDetails are of the connection that a call came over.
type TLSDetails struct {
	TLSVersion               string `json:"tlsVersion"`
	CipherSuite              string `json:"cipherSuite"`
	ClientProvidedHostHeader string `json:"clientProvidedHostHeader,omitempty"`
}

// Identity is who asked ("CloudTrail userIdentity element").
type Identity struct {
	Type             string          `json:"type"` // Root, IAMUser, AssumedRole, WebIdentityUser, AWSService, Unknown
	PrincipalID      string          `json:"principalId,omitempty"`
	ARN              string          `json:"arn,omitempty"`
	AccountID        string          `json:"accountId,omitempty"`
	AccessKeyID      string          `json:"accessKeyId,omitempty"`
	UserName         string          `json:"userName,omitempty"`
	SessionContext   *SessionContext `json:"sessionContext,omitempty"`
	InvokedBy        string          `json:"invokedBy,omitempty"`
	IdentityProvider string          `json:"identityProvider,omitempty"`
}

// SessionContext is of temporary credentials.
type SessionContext struct {
	SessionIssuer  *SessionIssuer    `json:"sessionIssuer,omitempty"`
	Attributes     SessionAttributes `json:"attributes"`
	SourceIdentity string            `json:"sourceIdentity,omitempty"`
}

// SessionIssuer is what the temporary credentials are of.
type SessionIssuer struct {
	Type        string `json:"type"` // Role
	PrincipalID string `json:"principalId"`
	ARN         string `json:"arn"`
	AccountID   string `json:"accountId"`
	UserName    string `json:"userName"`
}

// SessionAttributes are of temporary credentials; MFAAuthenticated is "true" or "false".
type SessionAttributes struct {
	CreationDate     string `json:"creationDate"`
	MFAAuthenticated string `json:"mfaAuthenticated"`
}

// IdentityOf says who a principal is. The zero principal is Unknown.
func IdentityOf(p iam.Principal) Identity {
	out := Identity{PrincipalID: p.UserID, ARN: p.ARN, AccountID: p.Account, AccessKeyID: p.AccessKeyID}
	session := func() *SessionContext {
		mfa := "false"
		if !p.MFA.IsZero() {
			mfa = "true"
		}
		return &SessionContext{
			Attributes:     SessionAttributes{CreationDate: p.Issued.UTC().Truncate(time.Second).Format(time.RFC3339), MFAAuthenticated: mfa},
			SourceIdentity: p.SourceIdentity,
		}
	}
	switch p.Type {
	case iam.Root:
		out.Type = "Root"
	case iam.User:
		out.Type, out.UserName = "IAMUser", p.Name
	case iam.AssumedRole:
		out.Type = "AssumedRole"
		out.SessionContext = session()
		out.SessionContext.SessionIssuer = &SessionIssuer{Type: "Role", PrincipalID: p.RoleID, ARN: p.RoleARN, AccountID: p.Account, UserName: afterLast(p.RoleARN, '/')}
		return out
	case iam.Service:
		return Identity{Type: "AWSService", InvokedBy: p.Name}
	case iam.WebIdentity:
		out.Type, out.UserName, out.IdentityProvider = "WebIdentityUser", p.UserID, p.Name
	default:
		return Identity{Type: "Unknown"}
	}
	if !p.Issued.IsZero() {
		out.SessionContext = session()
	}
	return out
}

// User is the user name as LookupEvents knows it: that of a user, "root", or the name of a role's session.
func (i Identity) User() string {
	switch {
	case i.Type == "Root":
		return "root"
	case i.UserName != "":
		return i.UserName
	case i.Type == "AssumedRole":
		return afterLast(i.ARN, '/')
	}
	return i.InvokedBy
}

func afterLast(s string, sep byte) string {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == sep {
			return s[i+1:]
		}
	}
	return s
}

// Outcome is what became of what a record tells. The zero value is none.
type Outcome string

// The outcomes.
const (
	Granted Outcome = "granted" // it was allowed, and done
	Denied  Outcome = "denied"  // it was not allowed, and not done
	Failed  Outcome = "failed"  // it was allowed, or would have been, and ended with an error
	// Interrupted: it was allowed and begun, and the server stopped before it could say how it ended.
	Interrupted Outcome = "interrupted"

	// Of a connection and a question to a key server: it is about to be made; of a connection: it was made.
	Intended  Outcome = "intended"
	Connected Outcome = "connected"
)

// CodeInterrupted is the error code of a record whose call was begun and whose end nobody saw.
const CodeInterrupted = "Interrupted"

// Outcome is what became of it.
func (r *Record) Outcome() Outcome {
	switch {
	case r.ServiceEventDetails != nil && r.ServiceEventDetails.Outcome != "":
		return r.ServiceEventDetails.Outcome
	case r.ErrorCode == "":
		return Granted
	case r.ErrorCode == CodeInterrupted:
		return Interrupted
	case denials[r.ErrorCode]:
		return Denied
	}
	return Failed
}

// denials are the error codes with which services say that somebody may not, or is not who they say.
var denials = map[string]bool{
	"AccessDenied": true, "AccessDeniedException": true, "Client.UnauthorizedOperation": true, "UnauthorizedOperation": true, "ForbiddenException": true, "Forbidden": true,
	"ExpiredToken": true, "ExpiredTokenException": true, "InvalidToken": true, "InvalidClientTokenId": true, "UnrecognizedClientException": true, "InvalidAccessKeyId": true,
	"SignatureDoesNotMatch": true, "InvalidSignatureException": true, "IncompleteSignature": true, "IncompleteSignatureException": true,
	"MissingAuthenticationToken": true, "MissingAuthenticationTokenException": true, "RequestExpired": true, "RequestTimeTooSkewed": true,
	"AuthorizationHeaderMalformed": true, "AuthorizationQueryParametersError": true,
}
