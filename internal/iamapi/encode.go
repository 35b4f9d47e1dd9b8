package iamapi

import (
	"net/url"
	"strings"
)

// encoded is a policy document as answers have it: percent-encoded (RFC 3986), which the AWS CLI and SDKs decode.
func encoded(document string) *string {
	return ptr(strings.ReplaceAll(url.QueryEscape(document), "+", "%20"))
}
