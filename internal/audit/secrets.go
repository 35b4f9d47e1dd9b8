package audit

import (
	"net/url"
	"strings"
)

// secretMembers are the members of the SDK's structures that hold a secret, or stand for one, by service, as the SDK's package is called: a name alone is one in every structure. What is a blob is left out without being here.
// Beside what the models call sensitive there are: one-time codes, tokens that stand for a permission, wrapped keys of inputs, the licence of a watermark, and header fields that a target of events is sent, which may be of its authorization.
var secretMembers = map[string]map[string]bool{
	"mediaconvert": {"StaticKeyValue": true, "EncryptedDecryptionKey": true, "License": true, "CertificateSecret": true},
	"kms": {
		"KeyStorePassword": true, "RawSecretAccessKey": true, "XksProxyAuthenticationCredential": true, "XksProxyConfigurationType.AccessKeyId": true, "XksProxyAuthenticationCredentialType.AccessKeyId": true,
		"GrantToken": true, "GrantTokens": true, "Plaintext": true, "PrivateKeyPlaintext": true, "Message": true, "PublicKey": true, "ImportToken": true, "SharedSecret": true,
	},
	"iam": {
		"SecretAccessKey": true, "OldPassword": true, "NewPassword": true, "Password": true, "ServicePassword": true, "ServiceCredentialSecret": true, "PrivateKey": true, "AddPrivateKey": true,
		"Base32StringSeed": true, "QRCodePNG": true, "AuthenticationCode1": true, "AuthenticationCode2": true,
	},
	"sts": {
		"SecretAccessKey": true, "SessionToken": true, "SAMLAssertion": true, "WebIdentityToken": true, "TokenCode": true, "ContextAssertion": true, "TradeInToken": true, "EncodedMessage": true, "DecodedMessage": true,
	},
	"acm":         {"PrivateKey": true, "Passphrase": true, "MacKey": true},
	"eventbridge": {"ApiKeyValue": true, "ClientSecret": true, "Password": true, "HttpParameters.HeaderParameters": true},
}

// secretHeaders are the headers and parameters of S3 that hold a secret, or that the model calls sensitive, in lower case. Wrapped data keys of client-side encryption are among them.
var secretHeaders = map[string]bool{
	"authorization": true, "x-amz-security-token": true, "x-amz-signature": true, "x-amz-server-side-encryption-customer-key": true, "x-amz-server-side-encryption-customer-key-md5": true,
	"x-amz-copy-source-server-side-encryption-customer-key": true, "x-amz-copy-source-server-side-encryption-customer-key-md5": true,
	"x-amz-server-side-encryption-aws-kms-key-id": true, "x-amz-server-side-encryption-context": true, "x-amz-meta-x-amz-key": true, "x-amz-meta-x-amz-key-v2": true,
}

// Secret says whether the value of a header or a parameter of a query is not to be in a record.
func Secret(name string) bool { return secretHeaders[strings.ToLower(name)] }

// WithoutCredentials is a text as it is, or a URL without what may let somebody in: the user, and the values in the query, such as the signature of a presigned URL.
func WithoutCredentials(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || !strings.ContainsAny(rest, "@?#") || strings.ContainsAny(scheme, " \t\r\n\"{") || len(scheme) > maxScheme {
		return text
	}
	u, err := url.Parse(text)
	if err != nil {
		return scheme + "://" + Hidden
	}
	if strings.EqualFold(scheme, "s3") { // no part of it lets anybody in, and any of these can be in a key
		return text
	}
	rest, fragment, fragmented := strings.Cut(rest, "#")
	rest, query, queried := strings.Cut(rest, "?")
	if u.User != nil {
		authority, path, more := strings.Cut(rest, "/")
		rest = Hidden + authority[strings.LastIndexByte(authority, '@'):]
		if more {
			rest += "/" + path
		}
	}
	out := scheme + "://" + rest
	if queried {
		pairs := strings.FieldsFunc(query, func(r rune) bool { return r == '&' || r == ';' })
		for i, p := range pairs {
			if name, _, valued := strings.Cut(p, "="); valued {
				pairs[i] = name + "=" + Hidden
			} else {
				pairs[i] = Hidden
			}
		}
		out += "?" + strings.Join(pairs, "&")
	}
	if fragmented && fragment != "" {
		out += "#" + Hidden
	}
	return out
}

// maxScheme bounds the scheme of a URL.
const maxScheme = 32
