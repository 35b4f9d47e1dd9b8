package sigv4

import "fmt"

// Kind is why a request or its body was refused. Each API dialect has its own name and HTTP status for it.
type Kind int

// The kinds of refusal, with the names that AWS services give them.
const (
	// MissingToken: the request carries no credentials. MissingAuthenticationToken.
	MissingToken Kind = iota + 1
	// Incomplete: the credentials are malformed, doubled or lack a part. IncompleteSignature; S3: AuthorizationHeaderMalformed,
	// or AuthorizationQueryParametersError where Error.Presigned is set.
	Incomplete
	// Unsupported: another signing algorithm. S3: InvalidRequest.
	Unsupported
	// UnknownKey: no such access key. UnrecognizedClient, InvalidClientTokenId; S3: InvalidAccessKeyId.
	UnknownKey
	// BadSignature: the signature is not the one of the request. InvalidSignature; S3: SignatureDoesNotMatch.
	BadSignature
	// Expired: the time of the request is too long ago. InvalidSignature; S3: RequestTimeTooSkewed.
	Expired
	// NotYetCurrent: the time of the request is too far in the future. InvalidSignature; S3: RequestTimeTooSkewed.
	NotYetCurrent
	// RequestExpired: a presigned request is used after its end. RequestExpired; S3: AccessDenied.
	RequestExpired
	// ExpiredToken: the temporary credentials have ended. ExpiredToken.
	ExpiredToken
	// InvalidToken: the session token is missing, or not the one of the key. UnrecognizedClient; S3: InvalidToken.
	InvalidToken
	// WrongRegion: the scope names another region; Error.Region has ours. InvalidSignature; S3: AuthorizationHeaderMalformed.
	WrongRegion
	// WrongService: the scope names a service that is not offered. InvalidSignature; S3: AuthorizationHeaderMalformed.
	WrongService
	// HeadersNotSigned: a header that must be signed is not. InvalidSignature; S3: AccessDenied.
	HeadersNotSigned
	// PayloadMismatch: the body is not the one that x-amz-content-sha256 names. InvalidSignature; S3: XAmzContentSHA256Mismatch.
	PayloadMismatch
	// MissingLength: a chunked body without x-amz-decoded-content-length. S3: MissingContentLength.
	MissingLength
	// BadChunk: the framing of a chunked body is malformed. S3: InvalidRequest.
	BadChunk
	// BadTrailer: a trailer is malformed, not announced, or missing. S3: MalformedTrailerError.
	BadTrailer
	// IncompleteBody: the body is shorter or longer than announced. S3: IncompleteBody.
	IncompleteBody
)

var kindNames = [...]string{
	MissingToken: "MissingToken", Incomplete: "Incomplete", Unsupported: "Unsupported", UnknownKey: "UnknownKey",
	BadSignature: "BadSignature", Expired: "Expired", NotYetCurrent: "NotYetCurrent", RequestExpired: "RequestExpired",
	ExpiredToken: "ExpiredToken", InvalidToken: "InvalidToken", WrongRegion: "WrongRegion", WrongService: "WrongService",
	HeadersNotSigned: "HeadersNotSigned", PayloadMismatch: "PayloadMismatch", MissingLength: "MissingLength",
	BadChunk: "BadChunk", BadTrailer: "BadTrailer", IncompleteBody: "IncompleteBody",
}

// String returns the name of the constant, for logs.
func (k Kind) String() string {
	if k > 0 && int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", int(k))
}

// Error is a refusal. Message can be shown to the caller: it repeats nothing secret.
type Error struct {
	Kind      Kind
	Message   string
	Region    string // with WrongRegion, the region that is right
	Presigned bool   // the credentials were in the query
}

func (e *Error) Error() string { return e.Kind.String() + ": " + e.Message }

func refuse(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Message: fmt.Sprintf(format, args...)}
}

// Texts that AWS services use, so that clients and people recognise them.
const (
	textMissing      = "Missing Authentication Token"
	textUnknownKey   = "The security token included in the request is invalid."
	textBadSignature = "The request signature we calculated does not match the signature you provided. " +
		"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
	textExpiredToken   = "The security token included in the request is expired"
	textRequestExpired = "Request has expired"
	textUnsupported    = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
)
