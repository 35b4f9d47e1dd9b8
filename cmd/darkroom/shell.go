package main

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"

	"darkroom/internal/identity"
	"darkroom/internal/pki"
)

// outranking are the variables that would win over the credentials file and the endpoint.
var outranking = []string{
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ROLE_ARN",
	"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
	"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_MEDIACONVERT", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_IAM", "AWS_ENDPOINT_URL_KMS", "AWS_ENDPOINT_URL_ACM",
	"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
}

// oldCLIs are the versions of the AWS CLI that do not know AWS_ENDPOINT_URL: before 1.29 and before 2.13.
const oldCLIs = `aws-cli/1.[0-9].*|aws-cli/1.1[0-9].*|aws-cli/1.2[0-8].*|aws-cli/2.[0-9].*|aws-cli/2.1[0-2].*`

// shell returns POSIX shell code that points AWS clients at the server.
func shell(e endpoint, dir string) string {
	var b strings.Builder
	export := func(name, value string) { fmt.Fprintf(&b, "export %s=%s\n", name, quote(value)) }
	fmt.Fprintf(&b, "unset %s\n", strings.Join(outranking, " "))
	export("AWS_ENDPOINT_URL", e.URL)
	if strings.HasPrefix(e.URL, "https://") && e.Authorities != systemAuthorities {
		ca := filepath.Join(dir, cmp.Or(e.Authorities, filepath.Join(tlsDir, pki.CertificateFile)))
		export("AWS_CA_BUNDLE", ca)
		export("NODE_EXTRA_CA_CERTS", ca)
	}
	if e.Authorities == systemAuthorities {
		fmt.Fprintln(&b, "unset AWS_CA_BUNDLE NODE_EXTRA_CA_CERTS")
	}
	export("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, identity.CredentialsFile))
	export("AWS_CONFIG_FILE", "/dev/null")
	export("AWS_REGION", e.Region)
	export("AWS_DEFAULT_REGION", e.Region)
	export("AWS_EC2_METADATA_DISABLED", "true")
	fmt.Fprintf(&b, "unset -f aws 2>/dev/null || :\ncase \"$(command aws --version 2>&1)\" in\n%s) aws() { command aws --endpoint-url \"$AWS_ENDPOINT_URL\" \"$@\"; } ;;\nesac\n", oldCLIs)
	return b.String()
}

// quote makes s one word of a POSIX shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
