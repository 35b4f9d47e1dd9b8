// Package arn reads and writes Amazon Resource Names: arn:partition:service:region:account:resource.
package arn

import (
	"errors"
	"strings"
)

// ARN is a name in its six parts. Resource keeps its colons and slashes.
type ARN struct {
	Partition, Service, Region, Account, Resource string
}

// ErrMalformed is returned by Parse for anything that is not six colon-separated parts beginning with arn.
var ErrMalformed = errors.New("malformed ARN")

// Parse splits s; Partition, Service and Resource must not be empty.
func Parse(s string) (ARN, error) {
	p := strings.SplitN(s, ":", 6)
	if len(p) != 6 || p[0] != "arn" || p[1] == "" || p[2] == "" || p[5] == "" {
		return ARN{}, ErrMalformed
	}
	return ARN{Partition: p[1], Service: p[2], Region: p[3], Account: p[4], Resource: p[5]}, nil
}

func (a ARN) String() string {
	return strings.Join([]string{"arn", a.Partition, a.Service, a.Region, a.Account, a.Resource}, ":")
}

// MediaConvert names a resource of the service, such as queues/Default.
func MediaConvert(region, account, resource string) string {
	return ARN{"aws", "mediaconvert", region, account, resource}.String()
}

// Object names an S3 object (or, with an empty key, a bucket).
func Object(bucket, key string) string {
	if key == "" {
		return "arn:aws:s3:::" + bucket
	}
	return "arn:aws:s3:::" + bucket + "/" + key
}

// Root names the root principal of an account.
func Root(account string) string { return "arn:aws:iam::" + account + ":root" }

// Role names an IAM role of an account.
func Role(account, name string) string { return "arn:aws:iam::" + account + ":role/" + name }
