package iam_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/iam"
)

// lintCase is a rule of Lint with documents in which it finds something, and others in which it does not.
type lintCase struct {
	code        string
	kind        iam.Kind // an identity policy if it is not said
	found, fine []string
}

// allowOn is a statement that allows an action on a resource, with further elements.
func allowOn(action, resource string, more ...string) string {
	return fmt.Sprintf(`{"Effect": "Allow", "Action": %q, "Resource": %q%s}`, action, resource, strings.Join(append([]string{""}, more...), ", "))
}

// given is a Condition of one line.
func given(operator, key, values string) string {
	return fmt.Sprintf(`"Condition": {%q: {%q: %s}}`, operator, key, values)
}

// trusting is a statement of a trust policy.
func trusting(principal, action string, more ...string) string {
	return fmt.Sprintf(`{"Effect": "Allow", "Principal": %s, "Action": "sts:%s"%s}`, principal, action, strings.Join(append([]string{""}, more...), ", "))
}

const (
	passed      = `"Condition": {"StringEquals": {"iam:PassedToService": "mediaconvert.amazonaws.com"}}`
	converter   = `{"Service": "mediaconvert.amazonaws.com"}`
	federated   = `{"Federated": "` + oidcARN + `"}`
	anyQueue    = "arn:aws:mediaconvert:*:*:queues/*"
	callerTags  = "aws:RequestTag/a"
	filmsBucket = "arn:aws:s3:::films"
)

func lintCases() []lintCase {
	return []lintCase{
		{
			code:  "full-access",
			found: []string{doc(allowAll)},
			fine:  []string{doc(allowOn("*", anyQueue)), doc(allowOn("mediaconvert:*", "*")), doc(`{"Effect": "Deny", "Action": "*", "Resource": "*"}`), doc(`{"Effect": "Allow", "NotAction": "*", "Resource": "*"}`)},
		},
		{
			code:  "pass-role-by-wildcard",
			found: []string{doc(allowOn("iam:*", roleARN)), doc(`{"Effect": "Allow", "Action": ["s3:*", "iam:Pass*"], "Resource": "*"}`), doc(allowOn("*", "arn:aws:iam::*:role/*"))},
			fine:  []string{doc(allowOn("iam:PassRole", roleARN)), doc(allowOn("iam:*", "arn:aws:iam::111122223333:user/x")), doc(allowAll), doc(allowOn("iam:Get*", "*"))},
		},
		{
			code: "pass-role-any-role",
			found: []string{
				doc(allowOn("iam:PassRole", "*")), doc(allowOn("iam:PassRole", "arn:aws:iam::*:role/*", passed)), doc(allowOn("iam:PassRole", "arn:aws:iam::*:r*")),
				doc(allowOn("iam:PassRole", "arn:aws:iam")),
			},
			fine: []string{doc(allowOn("iam:PassRole", roleARN)), doc(allowOn("iam:PassRole", "arn:aws:iam::*:role/media-*")), doc(allowOn("iam:PassRole", "arn:aws:iam::*:user/*"))},
		},
		{
			code: "pass-role-any-service",
			found: []string{
				doc(allowOn("iam:PassRole", roleARN)), doc(allowOn("iam:PassRole", roleARN, given("StringNotEquals", "iam:PassedToService", `"ec2.amazonaws.com"`))),
				doc(allowOn("iam:PassRole", roleARN, given("StringLike", "iam:PassedToService", `"*"`))),
			},
			fine: []string{doc(allowOn("iam:PassRole", roleARN, passed)), doc(allowOn("s3:GetObject", "*"))},
		},
		{
			code:  "pass-role-with-create-job",
			found: []string{doc(allowOn("iam:PassRole", "*", passed), allowOn("mediaconvert:*", "*"))},
			fine:  []string{doc(allowOn("iam:PassRole", roleARN, passed), allowOn("mediaconvert:*", "*")), doc(allowOn("iam:PassRole", "*", passed)), doc(allowAll)},
		},
		{
			code: "privilege-escalation",
			found: []string{
				doc(allowOn("iam:PutUserPolicy", "*")), doc(allowOn("iam:*", "*")), doc(allowOn("iam:CreateAccessKey", "*")), doc(`{"Effect": "Allow", "Action": "iam:AddUserToGroup", "NotResource": "arn:aws:iam::*:group/x"}`),
				doc(`{"Effect": "Allow", "Action": "iam:CreateAccessKey", "NotResource": "arn:aws:iam::*:user/${aws:username}"}`),
			},
			fine: []string{
				doc(allowOn("iam:Get*", "*")), doc(allowOn("iam:CreateAccessKey", "arn:aws:iam::*:user/${aws:username}")), doc(allowAll),
				doc(allowOn("iam:PutUserPolicy", "*", given("StringEquals", "iam:PermissionsBoundary", `"arn:aws:iam::111122223333:policy/b"`))),
				doc(`{"Effect": "Deny", "Action": "iam:*", "Resource": "*"}`), doc(allowOn("*", filmsBucket)),
			},
		},
		{
			code:  "assume-any-role",
			found: []string{doc(allowOn("sts:AssumeRole", "*")), doc(allowOn("sts:*", "arn:aws:iam::111122223333:role/*"))},
			fine:  []string{doc(allowOn("sts:AssumeRole", roleARN)), doc(allowOn("sts:GetCallerIdentity", "*")), doc(allowAll)},
		},
		{
			code:  "not-action-allow",
			found: []string{doc(`{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}`)},
			fine:  []string{doc(`{"Effect": "Deny", "NotAction": "iam:*", "Resource": "*"}`), doc(allowAll)},
		},
		{
			code:  "not-resource-allow",
			found: []string{doc(`{"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::x/*"}`)},
			fine:  []string{doc(`{"Effect": "Deny", "Action": "s3:*", "NotResource": "arn:aws:s3:::x/*"}`), doc(allowAll)},
		},
		{
			code: "not-principal", kind: iam.ResourcePolicy,
			found: []string{doc(`{"Effect": "Deny", "NotPrincipal": {"AWS": "` + annARN + `"}, "Action": "kms:*", "Resource": "*"}`)},
			fine:  []string{doc(`{"Effect": "Deny", "Principal": {"AWS": "` + annARN + `"}, "Action": "kms:*", "Resource": "*"}`)},
		},

		{
			code: "trust-anyone", kind: iam.TrustPolicy,
			found: []string{doc(trusting(`"*"`, "AssumeRole")), doc(trusting(`{"AWS": "*"}`, "AssumeRole", given("StringEquals", "sts:ExternalId", `"x"`)))},
			fine: []string{
				doc(trusting(`{"AWS": "`+annARN+`"}`, "AssumeRole")), doc(`{"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"}`),
				doc(trusting(`"*"`, "AssumeRole", given("ArnLike", "aws:PrincipalArn", `"arn:aws:iam::111122223333:role/deploy-*"`))),
			},
		},
		{
			code: "trust-without-source", kind: iam.TrustPolicy,
			found: []string{doc(trusting(converter, "AssumeRole")), doc(trusting(converter, "AssumeRole", given("StringEqualsIfExists", "aws:SourceAccount", `"111122223333"`)))},
			fine: []string{
				doc(trusting(converter, "AssumeRole", given("StringEquals", "aws:SourceAccount", `"111122223333"`))), doc(trusting(converter, "AssumeRole", given("ArnLike", "aws:SourceArn", `"`+queueARN+`"`))),
				doc(trusting(`{"AWS": "`+annARN+`"}`, "AssumeRole")),
			},
		},
		{
			code: "source-arn-not-queue", kind: iam.TrustPolicy,
			found: []string{
				doc(trusting(converter, "AssumeRole", given("ArnLike", "aws:SourceArn", `"arn:aws:mediaconvert:eu-west-1:111122223333:jobs/*"`))), doc(trusting(converter, "AssumeRole", given("ArnLike", "aws:SourceArn", `["`+queueARN+`", "`+roleARN+`"]`))),
				doc(trusting(converter, "AssumeRole", given("StringEquals", "aws:SourceArn", `"queues"`))),
			},
			fine: []string{
				doc(trusting(converter, "AssumeRole", given("ArnLike", "aws:SourceArn", `"`+anyQueue+`"`))), doc(trusting(converter, "AssumeRole", given("ArnLike", "aws:SourceArn", `"arn:*:*:*:*:*"`))),
				doc(trusting(converter, "AssumeRole", given("StringLike", "aws:SourceArn", `"*queues*"`))), doc(trusting(`{"Service": "lambda.amazonaws.com"}`, "AssumeRole", given("ArnLike", "aws:SourceArn", `"`+roleARN+`"`))),
				doc(trusting(converter, "AssumeRole", given("ArnNotLike", "aws:SourceArn", `"`+roleARN+`"`))), doc(trusting(converter, "AssumeRole", given("ArnLike", "aws:SourceArn", `"arn:aws:mediaconvert:*:*:*"`))),
			},
		},
		{
			code: "source-arn-operator", kind: iam.TrustPolicy,
			found: []string{doc(trusting(converter, "AssumeRole", given("StringLike", "aws:SourceArn", `"`+anyQueue+`"`))), doc(trusting(converter, "AssumeRole", given("StringNotLike", "aws:SourceArn", `"x"`)))},
			fine:  []string{doc(trusting(converter, "AssumeRole", given("ArnLike", "aws:SourceArn", `"`+anyQueue+`"`)))},
		},
		{
			code: "oidc-without-audience", kind: iam.TrustPolicy,
			found: []string{doc(trusting(federated, "AssumeRoleWithWebIdentity"))},
			fine:  []string{doc(trusting(federated, "AssumeRoleWithWebIdentity", given("StringEquals", "id.example.org:aud", `"darkroom"`))), doc(trusting(converter, "AssumeRole"))},
		},
		{
			code: "oidc-without-subject", kind: iam.TrustPolicy,
			found: []string{doc(trusting(federated, "AssumeRoleWithWebIdentity", given("StringLike", "id.example.org:sub", `"*"`)))},
			fine:  []string{doc(trusting(federated, "AssumeRoleWithWebIdentity", given("StringLike", "id.example.org:sub", `"repo:media/*"`))), doc(trusting(converter, "AssumeRole"))},
		},
		{
			code: "other-account", kind: iam.ResourcePolicy,
			found: []string{
				doc(`{"Effect": "Allow", "Principal": {"AWS": ["111122223333", "arn:aws:iam::999988887777:root"]}, "Action": "kms:*", "Resource": "*"}`),
				doc(`{"Effect": "Deny", "NotPrincipal": {"AWS": ["` + annARN + `", "999988887777"]}, "Action": "kms:*", "Resource": "arn:aws:kms:*:111122223333:key/*"}`),
				doc(`{"Effect": "Allow", "Principal": {"AWS": "` + annARN + `"}, "Action": "kms:*", "Resource": "arn:aws:kms:eu-west-1:999988887777:key/k"}`),
			},
			fine: []string{doc(`{"Effect": "Allow", "Principal": {"AWS": ["111122223333", "` + annARN + `", "AIDAANNANNANNANNANNA", "*"], "Service": "s3.amazonaws.com"}, "Action": "kms:*", "Resource": ["*", "arn:aws:kms:*:*:key/*"]}`)},
		},

		{
			code:  "for-all-values-allow",
			found: []string{doc(allowOn("mediaconvert:CreateJob", "*", given("ForAllValues:StringEquals", "aws:TagKeys", `"a"`))), doc(allowOn("mediaconvert:CreateJob", "*", `"Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": "a"}, "Null": {"aws:TagKeys": "true"}}`))},
			fine: []string{
				doc(allowOn("mediaconvert:CreateJob", "*", `"Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": "a"}, "Null": {"aws:TagKeys": "false"}}`)),
				doc(`{"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": "a"}}}`), doc(allowOn("mediaconvert:CreateJob", "*", given("ForAnyValue:StringEquals", "aws:TagKeys", `"a"`))),
			},
		},
		{
			code:  "if-exists-allow",
			found: []string{doc(allowOn("mediaconvert:CreateJob", "*", given("StringEqualsIfExists", callerTags, `"b"`))), doc(allowOn("s3:*", "*", given("BoolIfExists", "aws:MultiFactorAuthPresent", "true")))},
			fine: []string{
				doc(allowOn("mediaconvert:CreateJob", "*", given("BoolIfExists", "mediaconvert:HttpInputsAllowed", "false"))), doc(allowOn("mediaconvert:CreateJob", "*", given("StringEquals", callerTags, `"b"`))),
				doc(`{"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"StringNotEqualsIfExists": {"aws:RequestTag/a": "b"}}}`),
			},
		},
		{
			code:  "mfa-deny-misses-keys",
			found: []string{doc(`{"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "false"}}}`)},
			fine: []string{
				doc(`{"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}}`), doc(`{"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}`),
				doc(allowOn("s3:*", "*", given("Bool", "aws:MultiFactorAuthPresent", "true"))), doc(`{"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}`),
			},
		},
		{
			code:  "like-without-wildcard",
			found: []string{doc(allowOn("s3:*", "*", given("StringLike", "aws:username", `["ann", "${*}"]`))), doc(allowOn("s3:*", "*", given("ForAnyValue:StringNotLikeIfExists", "aws:TagKeys", `"a"`)))},
			fine:  []string{doc(allowOn("s3:*", "*", given("StringLike", "aws:username", `["ann", "b?"]`))), doc(allowOn("s3:*", "*", given("StringEquals", "aws:username", `"ann"`)))},
		},
		{
			code:  "equals-with-wildcard",
			found: []string{doc(allowOn("s3:*", "*", given("StringEquals", "s3:prefix", `"home/*"`))), doc(allowOn("s3:*", "*", given("StringNotEqualsIgnoreCase", "s3:prefix", `"${aws:username}/?"`)))},
			fine:  []string{doc(allowOn("s3:*", "*", given("StringEquals", "s3:prefix", `"${*}${?}home"`))), doc(allowOn("s3:*", "*", given("StringLike", "s3:prefix", `"home/*"`))), doc(allowOn("s3:*", "*", given("Bool", "aws:SecureTransport", "true")))},
		},
		{
			code: "unknown-condition-key",
			found: []string{
				doc(allowOn("s3:*", "*", given("IpAddress", "aws:SourceIP4", `"203.0.113.0/24"`))), doc(allowOn("s3:*", "*", given("StringEquals", "aws:somethingwhollyother", `"x"`))),
				doc(allowOn("s3:*", "arn:aws:s3:::films/${aws:usernme}/*")), doc(allowOn("s3:*", "*", given("StringLike", "s3:prefix", `"${aws:user-id}/*"`))), doc(`{"Effect": "Deny", "Action": "s3:*", "NotResource": "arn:aws:s3:::films/${aws:usernme}/*"}`),
			},
			fine: []string{doc(allowOn("s3:*", "arn:aws:s3:::films/${aws:username}/*", given("StringEquals", "ec2:Whatever", `"x"`))), doc(allowOn("s3:*", "*", given("StringEquals", "aws:PrincipalTag/usernme", `"x"`)))},
		},
		{
			code: "key-not-of-action",
			found: []string{
				doc(allowOn("mediaconvert:GetJob", "*", given("StringEquals", callerTags, `"x"`))), doc(allowOn("mediaconvert:CreateQueue", "*", given("Bool", "mediaconvert:HttpInputsAllowed", "true"))),
				doc(`{"Effect": "Allow", "Action": ["mediaconvert:CreateJob", "iam:PassRole"], "Resource": "*", "Condition": {"StringEquals": {"iam:PassedToService": "mediaconvert.amazonaws.com"}}}`),
				doc(allowOn("s3:GetObject", "*", given("StringEquals", "kms:ViaService", `"x"`))), doc(`{"Effect": "Deny", "Action": "mediaconvert:ListPresets", "Resource": "*", "Condition": {"StringNotEquals": {"aws:ResourceTag/a": "b"}}}`),
			},
			fine: []string{
				doc(allowOn("mediaconvert:CreateJob", "*", given("StringEquals", callerTags, `"x"`))), doc(allowOn("mediaconvert:*", "*", given("StringEquals", callerTags, `"x"`))), doc(allowOn("*", "*", given("StringEquals", "iam:PassedToService", `"x"`))),
				doc(`{"Effect": "Deny", "Action": ["mediaconvert:CreateJob", "iam:PassRole"], "Resource": "*", "Condition": {"StringNotEquals": {"iam:PassedToService": "mediaconvert.amazonaws.com"}}}`),
				doc(allowOn("mediaconvert:GetJob", "*", given("Null", callerTags, "true"))), doc(allowOn("sts:AssumeRole", roleARN, given("StringEquals", "iam:ResourceTag/a", `"x"`))), doc(`{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*", "Condition": {"Bool": {"mediaconvert:HttpInputsAllowed": "true"}}}`),
				doc(allowOn("mediaconvert:Unknown", "*", given("StringEquals", callerTags, `"x"`))), doc(allowOn("s3:GetObject", "*", given("StringEquals", "s3:versionid", `"x"`))), doc(allowOn("s3:GetObject", "*", given("StringEquals", "ec2:Whatever", `"x"`))),
			},
		},
		{
			code: "operator-of-other-type",
			found: []string{
				doc(allowOn("s3:*", "*", given("StringEquals", "aws:SourceIp", `"203.0.113.7"`))), doc(allowOn("s3:*", "*", given("NumericEquals", "aws:CurrentTime", "1"))), doc(allowOn("s3:*", "*", given("NotIpAddress", "aws:username", `"203.0.113.7"`))),
				doc(allowOn("s3:*", "*", given("ForAnyValue:Bool", "aws:TagKeys", "true"))),
			},
			fine: []string{
				doc(allowOn("s3:*", "*", given("IpAddress", "aws:SourceIp", `"203.0.113.7"`))), doc(allowOn("s3:*", "*", given("NumericLessThan", "aws:EpochTime", "1"))), doc(allowOn("s3:*", "*", given("NumericEquals", "aws:PrincipalTag/level", "1"))),
				doc(allowOn("s3:*", "*", given("StringEquals", "aws:SecureTransport", `"true"`))), doc(allowOn("s3:*", "*", given("Bool", "x:y", `"true"`))), doc(allowOn("s3:*", "*", given("Null", "aws:SourceIp", `"true"`))),
			},
		},
		{
			code:  "set-operator-on-single-value",
			found: []string{doc(allowOn("s3:*", "*", given("ForAnyValue:StringEquals", "aws:username", `"ann"`)))},
			fine:  []string{doc(allowOn("s3:*", "*", given("ForAnyValue:StringEquals", "aws:TagKeys", `"a"`))), doc(allowOn("s3:*", "*", given("StringEquals", "aws:username", `"ann"`))), doc(allowOn("s3:*", "*", given("ForAnyValue:StringEquals", "x:y", `"a"`)))},
		},
		{
			code:  "several-values-without-set-operator",
			found: []string{doc(allowOn("s3:*", "*", given("StringEquals", "aws:TagKeys", `"a"`)))},
			fine:  []string{doc(allowOn("s3:*", "*", given("ForAnyValue:StringEquals", "aws:TagKeys", `"a"`))), doc(allowOn("s3:*", "*", given("Null", "aws:TagKeys", `"false"`))), doc(allowOn("s3:*", "*", given("StringEquals", "aws:username", `"ann"`)))},
		},
		{
			code:  "source-ip-of-service",
			found: []string{doc(`{"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}}`)},
			fine: []string{
				doc(`{"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}, "Bool": {"aws:ViaAWSService": "false"}}}`),
				doc(`{"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}, "Bool": {"aws:PrincipalIsAWSService": "false"}}}`),
				doc(allowOn("s3:*", "*", given("IpAddress", "aws:SourceIp", `"203.0.113.0/24"`))), doc(`{"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}`),
			},
		},
		{
			code: "source-ip-of-service", kind: iam.TrustPolicy,
			found: []string{doc(trusting(converter, "AssumeRole", given("IpAddress", "aws:SourceIp", `"203.0.113.0/24"`)))},
			fine:  []string{doc(trusting(`{"AWS": "`+annARN+`"}`, "AssumeRole", given("IpAddress", "aws:SourceIp", `"203.0.113.0/24"`)))},
		},
		{
			code: "variable-in-2008",
			found: []string{
				`{"Statement": ` + allowOn("s3:*", "arn:aws:s3:::films/${aws:username}/*") + `}`, `{"Version": "2008-10-17", "Statement": ` + allowOn("s3:*", "*", given("StringLike", "s3:prefix", `["x", "${aws:username}/*"]`)) + `}`,
				`{"Statement": {"Effect": "Deny", "Action": "s3:*", "NotResource": ["arn:aws:s3:::x", "arn:aws:s3:::films/${aws:username}/*"]}}`,
			},
			fine: []string{doc(allowOn("s3:*", "arn:aws:s3:::films/${aws:username}/*")), `{"Statement": ` + allowOn("s3:*", "*") + `}`},
		},

		{
			code:  "unknown-action",
			found: []string{doc(allowOn("mediaconvert:CreateJobs", "*")), doc(`{"Effect": "Deny", "NotAction": ["mediaconvert:*", "STS:GetCalerIdentity"], "Resource": "*"}`), doc(allowOn("mediaconvert:Remove*", "*")), doc(allowOn("mediaconvert:?", "*")), doc(allowOn("sts:"+strings.Repeat("x", 200), "*"))},
			fine:  []string{doc(allowOn("mediaconvert:createjob", "*")), doc(allowOn("mediaconvert:*Job*", "*")), doc(allowOn("s3:CreateJobs", "*")), doc(allowOn("ec2:Anything", "*")), doc(allowAll)},
		},
		{
			code:  "action-not-known",
			found: []string{doc(allowOn("s3:GetObjects", "*")), doc(allowOn("iam:PassRoles", "*")), doc(allowOn("kms:Decipher", "*"))},
			fine:  []string{doc(allowOn("s3:GetObject", "*")), doc(allowOn("mediaconvert:CreateJobs", "*")), doc(allowOn("iam:*", "*"))},
		},
		{
			code: "resource-never-matches",
			found: []string{
				doc(allowOn("mediaconvert:ListPresets", queueARN)), doc(allowOn("mediaconvert:GetJob", queueARN)), doc(allowOn("mediaconvert:CreateJob", "arn:aws:mediaconvert:*:*:jobs/*")), doc(allowOn("mediaconvert:CancelJob", filmsBucket)),
				doc(`{"Effect": "Allow", "Action": ["mediaconvert:GetQueue", "mediaconvert:Get*Results"], "Resource": ["` + queueARN + `", "arn:aws:mediaconvert:*:*:jobs/x"]}`),
			},
			fine: []string{
				doc(allowOn("mediaconvert:ListPresets", "*")), doc(allowOn("mediaconvert:GetJob", "*")), doc(allowOn("mediaconvert:Get*", queueARN)), doc(allowOn("mediaconvert:ListJobs", queueARN)), doc(allowOn("mediaconvert:CreateJob", "arn:aws:mediaconvert:*:*:*")),
				doc(allowOn("mediaconvert:CreateJob", "arn:aws:mediaconvert:*:*:q*/x")), doc(`{"Effect": "Deny", "Action": "mediaconvert:ListPresets", "NotResource": "` + queueARN + `"}`), doc(`{"Effect": "Deny", "NotAction": "mediaconvert:ListPresets", "Resource": "` + queueARN + `"}`), doc(allowOn("mediaconvert:Unknown", queueARN)),
			},
		},
		{
			code:  "object-action-on-bucket",
			found: []string{doc(allowOn("s3:GetObject", filmsBucket)), doc(`{"Effect": "Allow", "Action": ["s3:ListBucket", "s3:*Object"], "Resource": ["` + filmsBucket + `", "` + queueARN + `"]}`)},
			fine: []string{
				doc(allowOn("s3:GetObject", filmsBucket+"/*")), doc(allowOn("s3:GetObject", filmsBucket+"*")), doc(allowOn("s3:GetObject", "*")), doc(`{"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetObject"], "Resource": ["` + filmsBucket + `", "` + filmsBucket + `/*"]}`),
				doc(allowOn("s3:*", filmsBucket)), doc(allowOn("s3:GetObject", "arn:aws:s3:eu-west-1:111122223333:accesspoint/a")),
			},
		},
		{
			code:  "bucket-action-on-object",
			found: []string{doc(allowOn("s3:ListBucket", filmsBucket+"/*"))},
			fine:  []string{doc(allowOn("s3:ListBucket", filmsBucket)), doc(allowOn("s3:ListBucket", "*")), doc(allowOn("s3:ListAllMyBuckets", filmsBucket+"/*")), doc(allowOn("s3:ListBucket", "arn:aws:s3:::*"))},
		},
		{
			code:  "duplicate-statement",
			found: []string{doc(`{"Sid": "A", "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "*", "Condition": {"StringEquals": {"aws:username": ["a", "b"]}}}`, `{"Sid": "B", "Effect": "Allow", "Action": ["S3:putobject", "s3:GetObject"], "Resource": ["*"], "Condition": {"StringEquals": {"AWS:username": ["b", "a"]}}}`)},
			fine:  []string{doc(allowOn("s3:GetObject", "*"), allowOn("s3:GetObject", "arn:aws:s3:::x/*"), `{"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"}`)},
		},
		{
			code: "duplicate-statement", kind: iam.TrustPolicy,
			found: []string{doc(trusting(`{"AWS": ["111122223333", "`+annARN+`"]}`, "AssumeRole"), trusting(`{"AWS": ["`+annARN+`", "111122223333"]}`, "AssumeRole"))},
			fine:  []string{doc(trusting(`{"AWS": "`+annARN+`"}`, "AssumeRole"), trusting(`{"AWS": "111122223333"}`, "AssumeRole"))},
		},
		{
			code: "shadowed-allow",
			found: []string{
				doc(allowOn("s3:GetObject", "arn:aws:s3:::films/raw/*"), `{"Sid": "No", "Effect": "Deny", "Action": "s3:Get*", "Resource": ["arn:aws:s3:::logs/*", "arn:aws:s3:::films/*"]}`),
				doc(allowOn("s3:*", "*"), `{"Effect": "Deny", "Action": "*", "Resource": "*"}`),
			},
			fine: []string{
				doc(allowOn("s3:*", "*"), `{"Effect": "Deny", "Action": "s3:Get*", "Resource": "*"}`), doc(allowOn("s3:GetObject", "*"), `{"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::films/*"}`),
				doc(allowOn("s3:GetObject", "arn:aws:s3:::films/a*"), `{"Effect": "Deny", "Action": "s3:*", "Resource": ["arn:aws:s3:::films/a?", "arn:aws:s3:::films/a${*}", "arn:aws:s3:::films/${aws:username}"]}`),
				doc(allowOn("s3:GetObject", "*"), `{"Effect": "Deny", "Action": "s3:*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}`), doc(allowOn("s3:GetObject", "*"), `{"Effect": "Deny", "NotAction": "s3:Put*", "Resource": "*"}`),
				doc(allowAll, `{"Effect": "Deny", "Action": ["iam:*", "s3:*"], "Resource": "*"}`),
			},
		},
		{
			code: "shadowed-allow", kind: iam.ResourcePolicy,
			found: []string{doc(`{"Effect": "Allow", "Principal": {"AWS": "`+annARN+`"}, "Action": "kms:Decrypt", "Resource": "*"}`, `{"Effect": "Deny", "Principal": {"AWS": ["`+annARN+`", "111122223333"]}, "Action": "kms:*", "Resource": "*"}`)},
			fine:  []string{doc(`{"Effect": "Allow", "Principal": {"AWS": "`+annARN+`"}, "Action": "kms:Decrypt", "Resource": "*"}`, `{"Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::111122223333:user/bob"}, "Action": "kms:*", "Resource": "*"}`)},
		},
		{
			code: "no-effect",
			found: []string{
				doc(`{"Effect": "Deny", "NotAction": ["s3:*", "*"], "Resource": "*"}`), doc(`{"Effect": "Deny", "Action": "s3:*", "NotResource": "*"}`),
				doc(allowOn("s3:*", "*", `"Condition": {"Null": {"aws:TokenIssueTime": "true"}, "DateLessThan": {"aws:TokenIssueTime": "2026-01-01"}}`)),
			},
			fine: []string{
				doc(`{"Effect": "Deny", "NotAction": "s3:*", "Resource": "*"}`), doc(`{"Effect": "Deny", "Action": "s3:*", "NotResource": "arn:aws:s3:::x"}`),
				doc(allowOn("s3:*", "*", `"Condition": {"Null": {"aws:TokenIssueTime": "true"}, "DateLessThanIfExists": {"aws:TokenIssueTime": "2026-01-01"}}`)),
				doc(allowOn("s3:*", "*", `"Condition": {"Null": {"aws:TokenIssueTime": "false"}, "DateLessThan": {"aws:TokenIssueTime": "2026-01-01"}}`)),
			},
		},
	}
}

func TestLint(t *testing.T) {
	t.Parallel()
	g := newGolden(t, "lint")
	var tested []string
	for _, c := range lintCases() {
		tested = append(tested, c.code)
		if c.kind == 0 {
			c.kind = iam.IdentityPolicy
		}
		of := func(document string) []iam.Finding {
			return slices.DeleteFunc(iam.Lint(read(t, c.kind, "", document), ""), func(f iam.Finding) bool { return f.Code != c.code })
		}
		for i, document := range c.found {
			found := of(document)
			var lines []string
			for _, f := range found {
				lines = append(lines, fmt.Sprintf("%d %s: %s: %s\n  %s", f.Line, f.Path, f.Severity, f.Message, f.Fix))
			}
			if len(found) == 0 {
				t.Errorf("%s: nothing found in %s", c.code, document)
			}
			g.check(t, fmt.Sprintf("%s %d", c.code, c.kind*100+iam.Kind(i)), document+"\n"+strings.Join(lines, "\n"))
		}
		for _, document := range c.fine {
			if found := of(document); len(found) > 0 {
				t.Errorf("%s: found in %s: %+v", c.code, document, found)
			}
		}
	}
	codes := iam.LintCodes()
	slices.Sort(codes)
	slices.Sort(tested)
	if diff := cmp.Diff(slices.Compact(tested), codes); diff != "" {
		t.Errorf("rules that are tested and rules there are (-tested +there): %s", diff)
	}
}

// TestLintIsQuiet: the policies that the user guide recommends have no findings.
func TestLintIsQuiet(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]*iam.Policy{
		"who submits jobs": read(t, iam.IdentityPolicy, "", doc(
			`{"Effect": "Allow", "Action": "mediaconvert:CreateJob", "Resource": ["`+queueARN+`", "arn:aws:mediaconvert:*:111122223333:presets/allow*", "arn:aws:mediaconvert:*:111122223333:jobTemplates/*"]}`,
			allowOn("iam:PassRole", roleARN, passed), allowOn("mediaconvert:List*", "*"))),
		"the role of jobs": read(t, iam.IdentityPolicy, "", doc(
			allowOn("s3:GetObject", "arn:aws:s3:::films/in/*"), allowOn("s3:PutObject", "arn:aws:s3:::films/out/*"), allowOn("s3:ListBucket", filmsBucket, given("StringLike", "s3:prefix", `"in/*"`)))),
		"its trust": read(t, iam.TrustPolicy, "", doc(
			trusting(converter, "AssumeRole", `"Condition": {"StringEquals": {"aws:SourceAccount": "111122223333"}, "ArnLike": {"aws:SourceArn": "`+queueARN+`"}}`))),
		"deployment by web identity": read(t, iam.TrustPolicy, "", doc(
			trusting(federated, "AssumeRoleWithWebIdentity", `"Condition": {"StringEquals": {"id.example.org:aud": "darkroom", "id.example.org:sub": "repo:media"}}`))),
	} {
		if found := iam.Lint(p, "111122223333"); len(found) > 0 {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

// TestLintAccount: an account that is known is not guessed.
func TestLintAccount(t *testing.T) {
	t.Parallel()
	p := read(t, iam.TrustPolicy, "", doc(trusting(`{"AWS": "`+annARN+`"}`, "AssumeRole")))
	if found := iam.Lint(p, "111122223333"); len(found) > 0 {
		t.Errorf("of the same account: %+v", found)
	}
	if found := iam.Lint(p, "999988887777"); len(found) != 1 || found[0].Code != "other-account" {
		t.Errorf("of another account: %+v", found)
	}
}

func TestLintOfWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	if found := iam.Lint(nil, ""); found != nil {
		t.Errorf("no policy: %v", found)
	}
	if found := iam.Lint(iam.Unreadable("x"), ""); found != nil {
		t.Errorf("an unreadable policy: %v", found)
	}
}

// TestLintOrder: findings are in the order of the lines.
func TestLintOrder(t *testing.T) {
	t.Parallel()
	found := iam.Lint(read(t, iam.IdentityPolicy, "", doc(allowOn("mediaconvert:CreateJobs", "*"), allowAll, allowOn("s3:GetObject", filmsBucket))), "")
	var got []string
	for _, f := range found {
		got = append(got, fmt.Sprintf("%d %s", f.Line, f.Code))
	}
	if diff := cmp.Diff([]string{"2 unknown-action", "3 full-access", "4 object-action-on-bucket"}, got); diff != "" {
		t.Errorf("(-want +got): %s", diff)
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	candidates := []string{"CreateJob", "CreateQueue", "GetJob"}
	for name, want := range map[string]string{"createjbo": "CreateJob", "GetJobs": "GetJob", "Get": "", "Anything": "", "": "", strings.Repeat("CreateJob", 100): ""} {
		if got := iam.Nearest(name, candidates); got != want {
			t.Errorf("%.20q: %q, want %q", name, got, want)
		}
	}
}

// TestLine: what is not in the document is where it should be.
func TestLine(t *testing.T) {
	t.Parallel()
	p := read(t, iam.IdentityPolicy, "", "{\"Statement\": [\n{\"Effect\": \"Allow\",\n\"Action\": [\"s3:*\"], \"Resource\": \"*\",\n\"Condition\": {\"StringEquals\": {\n\"aws:RequestTag/a~b\": \"x\"}}}]}")
	for path, want := range map[string]int{
		"": 1, "/Statement": 1, "/Statement/0": 2, "/Statement/0/Action/0": 3, "/Statement/0/Action/1": 3, "/Statement/0/Sid": 2, "/Statement/7/Sid": 1,
		"/Statement/0/Condition/StringEquals/aws:RequestTag~1a~0b": 5, "/Statement/-1": 1,
	} {
		if got := iam.LineOf(p, path); got != want {
			t.Errorf("%q: line %d, want %d", path, got, want)
		}
	}
}

// TestLintIsBounded: a hostile document has a bounded list of findings.
func TestLintIsBounded(t *testing.T) {
	t.Parallel()
	actions := strings.TrimSuffix(strings.Repeat(`"mediaconvert:CreateJobb", `, 600), ", ")
	p := read(t, iam.IdentityPolicy, "", doc(`{"Effect": "Allow", "Action": [`+actions+`], "Resource": "*"}`))
	if n := len(iam.Lint(p, "")); n != 500 {
		t.Errorf("%d findings", n)
	}
	statements := make([]string, 600)
	for i := range statements {
		statements[i] = allowOn("s3:GetObject", "arn:aws:s3:::x/*")
	}
	if n := len(iam.Lint(read(t, iam.IdentityPolicy, "", doc(statements...)), "")); n != 500 {
		t.Errorf("%d findings of statements", n)
	}
}
