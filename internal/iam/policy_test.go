package iam

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestParseRefuses: each mistake is told with its place.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	one := func(s string) string { return `{"Version":"2012-10-17","Statement":` + s + `}` }
	with := func(elements string) string { return one(`{"Effect":"Allow",` + elements + `}`) }
	condition := func(c string) string { return with(`"Action":"*","Resource":"*","Condition":` + c) }
	const column = len(`{"Version":"2012-10-17","Statement":`)
	const conditionColumn = column + len(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":`)
	tests := []struct {
		name     string
		kind     Kind
		document string
		want     string
	}{
		// JSON
		{"nothing", IdentityPolicy, "", `line 1, column 1, the document: Syntax errors in policy: the document is no JSON here`},
		{"white space", IdentityPolicy, " \n\t", `line 2, column 2, the document: Syntax errors in policy: the document is no JSON here`},
		{"no JSON", IdentityPolicy, "{\n  Version}", `line 2, column 3, the document: Syntax errors in policy: the document is no JSON here`},
		{"not closed", IdentityPolicy, `{"Version":"2012-10-17"`, `line 1, column 24, the document: Syntax errors in policy: the document is no JSON here`},
		{"closed wrongly", IdentityPolicy, `{"Statement":[}`, `line 1, column 15, the document: Syntax errors in policy: the document is no JSON here`},
		{"a list not closed", IdentityPolicy, `{"Statement":[{}`, `line 1, column 17, the document: Syntax errors in policy: the document is no JSON here`},
		{"no value", IdentityPolicy, `{"Version":}`, `line 1, column 12, the document: Syntax errors in policy: the document is no JSON here`},
		{"no comma", IdentityPolicy, `{"Version":"2012-10-17" "Statement":[]}`, `line 1, column 25, the document: Syntax errors in policy: the document is no JSON here`},
		{"a comma too many", IdentityPolicy, `{"Statement":[],}`, `line 1, column 17, the document: Syntax errors in policy: the document is no JSON here`},
		{"a number as a name", IdentityPolicy, `{1:2}`, `line 1, column 2, the document: Syntax errors in policy: the document is no JSON here`},
		{"a comment", IdentityPolicy, "{// comment\n}", `line 1, column 2, the document: Syntax errors in policy: the document is no JSON here`},
		{"a line in a string", IdentityPolicy, "{\"Id\":\"a\nb\"}", `line 1, column 7, the document: Syntax errors in policy: the document is no JSON here`},
		{"a NUL", IdentityPolicy, "{\"Id\":\"a\x00b\"}", `line 1, column 7, the document: Syntax errors in policy: the document is no JSON here`},
		{"not UTF-8", IdentityPolicy, "{\"Id\":\"\xff\"}", `line 1, column 1, the document: the document is not UTF-8`},
		{"a surrogate in UTF-8", IdentityPolicy, "{\"Id\":\"\xed\xa0\x80\"}", `line 1, column 1, the document: the document is not UTF-8`},
		{"half a surrogate pair", IdentityPolicy, `{"Id":"a\ud83d"}`, `line 1, column 7, /Id: Syntax errors in policy: half of a surrogate pair is no character`},
		{"the other half", IdentityPolicy, `{"Id":"\ude00"}`, `line 1, column 7, /Id: Syntax errors in policy: half of a surrogate pair is no character`},
		{"halves in the wrong order", IdentityPolicy, `{"Id":"\ude00\ud83d"}`, `line 1, column 7, /Id: Syntax errors in policy: half of a surrogate pair is no character`},
		{"half a pair and a letter", IdentityPolicy, `{"Id":"\ud83d\u0041"}`, `line 1, column 7, /Id: Syntax errors in policy: half of a surrogate pair is no character`},
		{"half a pair in a name", IdentityPolicy, `{"\ud83d":1}`, `line 1, column 2, the document: Syntax errors in policy: half of a surrogate pair is no character`},
		{"something behind", IdentityPolicy, one(`{"Effect":"Allow","Action":"*","Resource":"*"}`) + "\n{}", `line 2, column 1, the document: something stands behind the policy`},
		{"a member twice", IdentityPolicy, "{\n\"Version\":\"2012-10-17\",\n\"Version\":\"2008-10-17\"}", `line 3, column 1, /Version: Syntax errors in policy: "Version" is given twice`},
		{"a member twice, once escaped", IdentityPolicy, one(`{"Effect":"Deny","Action":"*","\u0041ction":"s3:*","Resource":"*"}`), `line 1, column 67, /Statement/Action: Syntax errors in policy: "Action" is given twice`},
		{"a name too long", IdentityPolicy, `{"` + strings.Repeat("k", 1025) + `":1}`, `line 1, column 2, the document: Syntax errors in policy: the name "` + strings.Repeat("k", 100) + `…" has more than 1024 bytes`},
		{"nested too deep", IdentityPolicy, `{"Id":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, `line 1, column 15, /Id/0/0/0/0/0/0/0/0: the document is nested more than 8 deep`},
		{"too long", IdentityPolicy, strings.Repeat(" ", MaxDocument-1) + "{}", `line 1, column 1, the document: the document has 131073 bytes, more than 131072`},
		{"columns are characters", IdentityPolicy, `{"é日😀":1,"Statement":[]}`, `line 1, column 2, /é日😀: Syntax errors in policy: no element is called "é日😀"; allowed are Version, Id and Statement; line 1, column 22, /Statement: Syntax errors in policy: Statement is empty`},
		{"a path with escapes", IdentityPolicy, `{"a/b~c":1,"Statement":[]}`, `line 1, column 2, /a~1b~0c: Syntax errors in policy: no element is called "a/b~c"; allowed are Version, Id and Statement; line 1, column 24, /Statement: Syntax errors in policy: Statement is empty`},

		// The policy
		{"no object", IdentityPolicy, `[]`, `line 1, column 1, the document: Syntax errors in policy: a policy is an object`},
		{"null", IdentityPolicy, `null`, `line 1, column 1, the document: Syntax errors in policy: a policy is an object`},
		{"no statement", IdentityPolicy, `{"Version":"2012-10-17"}`, `line 1, column 1, the document: Syntax errors in policy: the element Statement is missing`},
		{"empty", IdentityPolicy, `{"Statement":[]}`, `line 1, column 14, /Statement: Syntax errors in policy: Statement is empty`},
		{"a version of its own", IdentityPolicy, "{\"Version\":\n\"2012-10-18\",\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}}", `line 2, column 1, /Version: The policy must contain a valid version string: 2012-10-17 or 2008-10-17`},
		{"a version that is a date", IdentityPolicy, `{"Version":20121017,"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, `line 1, column 12, /Version: The policy must contain a valid version string: 2012-10-17 or 2008-10-17`},
		{"an Id that is no string", IdentityPolicy, `{"Id":1,"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, `line 1, column 7, /Id: Syntax errors in policy: Id is a string`},
		{"an element in lower case", IdentityPolicy, `{"version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, `line 1, column 2, /version: Syntax errors in policy: no element is called "version"; allowed are Version, Id and Statement`},
		{"a statement that is a string", IdentityPolicy, one(`"Allow"`), fmt.Sprintf(`line 1, column %d, /Statement: Syntax errors in policy: a statement is an object`, column+1)},
		{"a statement in a list in a list", IdentityPolicy, one(`[[]]`), fmt.Sprintf(`line 1, column %d, /Statement/0: Syntax errors in policy: a statement is an object`, column+2)},
		{"a Sid twice", IdentityPolicy, of(`{"Sid":"A","Effect":"Allow","Action":"*","Resource":"*"}`, "\n"+`{"Sid":"A","Effect":"Allow","Action":"*","Resource":"*"}`), `line 2, column 8, /Statement/1/Sid: Statement IDs (SID) in a single policy must be unique: "A" is used twice`},

		// Statements
		{"an empty statement", IdentityPolicy, one(`{}`), fmt.Sprintf(`line 1, column %[1]d, /Statement: Syntax errors in policy: the element Effect is missing; line 1, column %[1]d, /Statement: Policy statement must contain actions.; line 1, column %[1]d, /Statement: Policy statement must contain resources.`, column+1)},
		{"an unknown element", IdentityPolicy, with(`"Actions":"*","Action":"*","Resource":"*"`), `line 1, column 55, /Statement/Actions: Syntax errors in policy: no element of a statement is called "Actions"`},
		{"an effect in lower case", IdentityPolicy, one(`{"Effect":"allow","Action":"*","Resource":"*"}`), `line 1, column 47, /Statement/Effect: Syntax errors in policy: Effect is Allow or Deny (was "allow")`},
		{"an effect that is a list", IdentityPolicy, one(`{"Effect":["Deny"],"Action":"*","Resource":"*"}`), `line 1, column 47, /Statement/Effect: Syntax errors in policy: Effect is Allow or Deny (was "")`},
		{"an effect that is true", IdentityPolicy, one(`{"Effect":true,"Action":"*","Resource":"*"}`), `line 1, column 47, /Statement/Effect: Syntax errors in policy: Effect is Allow or Deny (was "true")`},
		{"a Sid with a space", IdentityPolicy, with(`"Sid":"a b","Action":"*","Resource":"*"`), `line 1, column 61, /Statement/Sid: Statement IDs (SID) must be alpha-numeric: "a b" is not`},
		{"a Sid with a dash", ResourcePolicy, with(`"Sid":"a-b","Principal":"*","Action":"*","Resource":"*"`), `line 1, column 61, /Statement/Sid: Statement IDs (SID) must be alpha-numeric: "a-b" is not`},
		{"a Sid of a look-alike", IdentityPolicy, with(`"Sid":"Аllow","Action":"*","Resource":"*"`), `line 1, column 61, /Statement/Sid: Statement IDs (SID) must be alpha-numeric: "Аllow" is not`},
		{"a Sid that is a number", IdentityPolicy, with(`"Sid":1,"Action":"*","Resource":"*"`), `line 1, column 61, /Statement/Sid: Statement IDs (SID) must be alpha-numeric: "1" is not`},
		{"both Action and NotAction", IdentityPolicy, with(`"Action":"*","NotAction":"s3:*","Resource":"*"`), `line 1, column 68, /Statement/NotAction: Syntax errors in policy: Action and NotAction exclude each other`},
		{"both Resource and NotResource", IdentityPolicy, with(`"Action":"*","NotResource":"*","Resource":"*"`), `line 1, column 68, /Statement/NotResource: Syntax errors in policy: Resource and NotResource exclude each other`},
		{"both Principal and NotPrincipal", ResourcePolicy, one(`{"Effect":"Deny","NotPrincipal":"*","Principal":"*","Action":"*","Resource":"*"}`), `line 1, column 54, /Statement/NotPrincipal: Syntax errors in policy: Principal and NotPrincipal exclude each other`},

		// Actions
		{"no action", IdentityPolicy, with(`"Resource":"*"`), `line 1, column 37, /Statement: Policy statement must contain actions.`},
		{"an empty list of actions", IdentityPolicy, with(`"Action":[],"Resource":"*"`), `line 1, column 64, /Statement/Action: Syntax errors in policy: Action is empty`},
		{"an empty action", IdentityPolicy, with(`"Action":"","Resource":"*"`), `line 1, column 64, /Statement/Action: Syntax errors in policy: Action takes strings that are not empty`},
		{"an action that is an object", IdentityPolicy, with(`"NotAction":{},"Resource":"*"`), `line 1, column 67, /Statement/NotAction: Syntax errors in policy: NotAction takes strings that are not empty`},
		{"an action that is null", IdentityPolicy, with(`"Action":["*",null],"Resource":"*"`), `line 1, column 69, /Statement/Action/1: Syntax errors in policy: Action takes strings that are not empty`},
		{"an action without a service", IdentityPolicy, with(`"Action":"GetObject","Resource":"*"`), `line 1, column 64, /Statement/Action: Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.: "GetObject" is not`},
		{"an action of no service", IdentityPolicy, with(`"Action":":GetObject","Resource":"*"`), `line 1, column 64, /Statement/Action: Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.: ":GetObject" is not`},
		{"an action of every service", IdentityPolicy, with(`"Action":"*:GetObject","Resource":"*"`), `line 1, column 64, /Statement/Action: Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.: "*:GetObject" is not`},
		{"an action with a wildcard in its service", IdentityPolicy, with(`"Action":"s*:GetObject","Resource":"*"`), `line 1, column 64, /Statement/Action: Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.: "s*:GetObject" is not`},
		{"an action of a look-alike", IdentityPolicy, with(`"Action":"ſ3:GetObject","Resource":"*"`), `line 1, column 64, /Statement/Action: Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.: "ſ3:GetObject" is not`},
		{"an action without operation", IdentityPolicy, with(`"Action":"s3:","Resource":"*"`), `line 1, column 64, /Statement/Action: an action is a service, a colon and the name of an operation, in which * and ? are wildcards: "s3:" is not`},
		{"an action with two colons", IdentityPolicy, with(`"Action":"s3:Get:Object","Resource":"*"`), `line 1, column 64, /Statement/Action: an action is a service, a colon and the name of an operation, in which * and ? are wildcards: "s3:Get:Object" is not`},
		{"an action with a variable", IdentityPolicy, with(`"Action":"s3:${aws:username}","Resource":"*"`), `line 1, column 64, /Statement/Action: an action is a service, a colon and the name of an operation, in which * and ? are wildcards: "s3:${aws:username}" is not`},
		{"a trust policy of another service", TrustPolicy, with(`"Principal":"*","Action":["sts:AssumeRole","s3:*"]`), `line 1, column 98, /Statement/Action/1: AssumeRole policy may only specify STS AssumeRole actions.`},
		{"a trust policy of another operation", TrustPolicy, with(`"Principal":"*","Action":"sts:GetSessionToken"`), `line 1, column 80, /Statement/Action: AssumeRole policy may only specify STS AssumeRole actions.`},

		// Resources
		{"no resource", IdentityPolicy, with(`"Action":"*"`), `line 1, column 37, /Statement: Policy statement must contain resources.`},
		{"a resource policy without", ResourcePolicy, with(`"Principal":"*","Action":"*"`), `line 1, column 37, /Statement: Policy statement must contain resources.`},
		{"a resource in a trust policy", TrustPolicy, with(`"Principal":"*","Action":"sts:AssumeRole","Resource":"*"`), `line 1, column 108, /Statement/Resource: Has prohibited field Resource`},
		{"NotResource in a trust policy", TrustPolicy, with(`"Principal":"*","Action":"sts:AssumeRole","NotResource":"*"`), `line 1, column 111, /Statement/NotResource: Has prohibited field NotResource`},
		{"an empty list of resources", IdentityPolicy, with(`"Action":"*","NotResource":[]`), `line 1, column 82, /Statement/NotResource: Syntax errors in policy: NotResource is empty`},
		{"no ARN", IdentityPolicy, with(`"Action":"*","Resource":"films/*"`), `line 1, column 79, /Statement/Resource: Resource "films/*" must be in ARN format or "*".`},
		{"a bare scheme", IdentityPolicy, with(`"Action":"*","Resource":"arn"`), `line 1, column 79, /Statement/Resource: Resource "arn" must be in ARN format or "*".`},
		{"another scheme", IdentityPolicy, with(`"Action":"*","Resource":"ARN:aws:s3:::*"`), `line 1, column 79, /Statement/Resource: Resource "ARN:aws:s3:::*" must be in ARN format or "*".`},
		{"two stars", IdentityPolicy, with(`"Action":"*","Resource":"**"`), `line 1, column 79, /Statement/Resource: Resource "**" must be in ARN format or "*".`},
		{"no partition", IdentityPolicy, with(`"Action":"*","Resource":"arn::s3:::x"`), `line 1, column 79, /Statement/Resource: Resource "arn::s3:::x" must be in ARN format or "*".`},
		{"no last part", IdentityPolicy, with(`"Action":"*","Resource":"arn:aws:s3:::"`), `line 1, column 79, /Statement/Resource: Resource "arn:aws:s3:::" must be in ARN format or "*".`},
		{"no service", IdentityPolicy, with(`"Action":"*","Resource":"arn:aws::::x"`), `line 1, column 79, /Statement/Resource: Resource vendor must be fully qualified and cannot contain regexes: "arn:aws::::x"`},
		{"a partition alone", IdentityPolicy, with(`"Action":"*","Resource":"arn:aws"`), `line 1, column 79, /Statement/Resource: Resource vendor must be fully qualified and cannot contain regexes: "arn:aws"`},
		{"a wildcard for the service", IdentityPolicy, with(`"Action":"*","Resource":"arn:aws:s?:::x"`), `line 1, column 79, /Statement/Resource: Resource vendor must be fully qualified and cannot contain regexes: "arn:aws:s?:::x"`},
		{"a variable for the account", IdentityPolicy, with(`"Action":"*","Resource":"arn:aws:s3::${aws:PrincipalAccount}:x"`), `line 1, column 79, /Statement/Resource: a policy variable in an ARN stands behind its fifth colon: "arn:aws:s3::${aws:PrincipalAccount}:x"`},
		{"a variable not closed", IdentityPolicy, with(`"Action":"*","Resource":"arn:aws:s3:::x/${aws:username"`), `line 1, column 79, /Statement/Resource: the policy variable "${aws:username" is not closed by a brace`},
		{"a variable not closed before the fifth colon", IdentityPolicy, with(`"Action":"*","Resource":"arn:aws:s3:${aws:username"`), `line 1, column 79, /Statement/Resource: the policy variable "${aws" is not closed by a brace`},
		{"an empty variable", IdentityPolicy, with(`"Action":"*","Resource":"arn:aws:s3:::x/${}"`), `line 1, column 79, /Statement/Resource: the policy variable "${}" names no condition key such as aws:username`},
		{"a variable without a service", IdentityPolicy, with(`"Action":"*","Resource":"arn:aws:s3:::x/${username}"`), `line 1, column 79, /Statement/Resource: the policy variable "${username}" names no condition key such as aws:username`},
		{"a variable with a space", IdentityPolicy, with(`"Action":"*","Resource":"arn:aws:s3:::x/${ aws:username}"`), `line 1, column 79, /Statement/Resource: the policy variable "${ aws:username}" names no condition key such as aws:username`},
		{"a default without quotes", IdentityPolicy, with(`"Action":"*","Resource":"arn:aws:s3:::x/${aws:username, ann}"`), `line 1, column 79, /Statement/Resource: the default value of the policy variable "${aws:username, ann}" must stand in single quotes`},
		{"a default with half a quote", IdentityPolicy, with(`"Action":"*","Resource":"arn:aws:s3:::x/${aws:username, '}"`), `line 1, column 79, /Statement/Resource: the default value of the policy variable "${aws:username, '}" must stand in single quotes`},

		// Principals
		{"a principal in an identity policy", IdentityPolicy, with(`"Principal":"*","Action":"*","Resource":"*"`), `line 1, column 67, /Statement/Principal: Policy document should not specify a principal.`},
		{"NotPrincipal in an identity policy", IdentityPolicy, with(`"NotPrincipal":"*","Action":"*","Resource":"*"`), `line 1, column 70, /Statement/NotPrincipal: Policy document should not specify a principal.`},
		{"a trust policy without principal", TrustPolicy, with(`"Action":"sts:AssumeRole"`), `line 1, column 37, /Statement: Policy statement must contain principals.`},
		{"NotPrincipal in a trust policy", TrustPolicy, one(`{"Effect":"Deny","NotPrincipal":"*","Action":"sts:AssumeRole"}`), `line 1, column 69, /Statement/NotPrincipal: Has prohibited field NotPrincipal`},
		{"NotPrincipal with Allow", ResourcePolicy, with(`"NotPrincipal":"*","Action":"*","Resource":"*"`), `line 1, column 70, /Statement/NotPrincipal: NotPrincipal goes with Deny alone: with Allow it would let in everybody else, also those whom nobody knows yet.`},
		{"a bare ARN", TrustPolicy, with(`"Principal":"` + ann + `","Action":"sts:AssumeRole"`), `line 1, column 67, /Statement/Principal: Syntax errors in policy: Principal is "*", or an object with AWS, Service or Federated`},
		{"an empty principal", TrustPolicy, with(`"Principal":{},"Action":"sts:AssumeRole"`), `line 1, column 67, /Statement/Principal: Syntax errors in policy: Principal is "*", or an object with AWS, Service or Federated`},
		{"a list of principals", ResourcePolicy, one(`{"Effect":"Deny","NotPrincipal":["*"],"Action":"*","Resource":"*"}`), `line 1, column 69, /Statement/NotPrincipal: Syntax errors in policy: NotPrincipal is "*", or an object with AWS, Service or Federated`},
		{"an empty list of principals", TrustPolicy, with(`"Principal":{"AWS":[]},"Action":"sts:AssumeRole"`), `line 1, column 74, /Statement/Principal/AWS: Syntax errors in policy: Principal is empty`},
		{"a kind of principal that is unknown", TrustPolicy, with(`"Principal":{"aws":"*"},"Action":"sts:AssumeRole"`), `line 1, column 68, /Statement/Principal/aws: Invalid principal in policy: no kind of principal is called "aws"; allowed are AWS, Service and Federated`},
		{"a wildcard in an account", TrustPolicy, with(`"Principal":{"AWS":"11112222333?"},"Action":"sts:AssumeRole"`), `line 1, column 74, /Statement/Principal/AWS: Invalid principal in policy: "AWS":"11112222333?"`},

		// Conditions
		{"a condition that is a list", IdentityPolicy, condition(`[]`), fmt.Sprintf(`line 1, column %d, /Statement/Condition: Syntax errors in policy: Condition is an object of operators`, conditionColumn+1)},
		{"an operator without keys", IdentityPolicy, condition(`{"Bool":{}}`), fmt.Sprintf(`line 1, column %d, /Statement/Condition/Bool: Syntax errors in policy: "Bool" is an object of condition keys with their values`, conditionColumn+9)},
		{"an operator with a value", IdentityPolicy, condition(`{"Bool":true}`), fmt.Sprintf(`line 1, column %d, /Statement/Condition/Bool: Syntax errors in policy: "Bool" is an object of condition keys with their values`, conditionColumn+9)},
		{"a key twice in two cases", IdentityPolicy, condition(`{"StringEquals":{"aws:userid":"a","aws:UserId":"b"}}`), fmt.Sprintf(`line 1, column %d, /Statement/Condition/StringEquals/aws:UserId: Syntax errors in policy: the condition key "aws:UserId" is given twice`, conditionColumn+35)},
		{"a value that is null", IdentityPolicy, condition(`{"StringEquals":{"aws:userid":null}}`), fmt.Sprintf(`line 1, column %d, /Statement/Condition/StringEquals/aws:userid: Syntax errors in policy: the value of a condition is a string, a number or a boolean`, conditionColumn+31)},
		{"a value that is an object", IdentityPolicy, condition(`{"StringEquals":{"aws:userid":["a",{}]}}`), fmt.Sprintf(`line 1, column %d, /Statement/Condition/StringEquals/aws:userid/1: Syntax errors in policy: the value of a condition is a string, a number or a boolean`, conditionColumn+36)},
		{"no value", IdentityPolicy, condition(`{"StringEquals":{"aws:userid":[]}}`), fmt.Sprintf(`line 1, column %d, /Statement/Condition/StringEquals/aws:userid: the condition key "aws:userid" has no value`, conditionColumn+31)},
		{"no such operator", IdentityPolicy, condition(`{"StringMatches":{"aws:userid":"a"}}`), fmt.Sprintf(`line 1, column %d, /Statement/Condition/StringMatches/aws:userid: Invalid Condition type : "StringMatches"`, conditionColumn+32)},
		{"an operator in lower case", IdentityPolicy, condition(`{"stringequals":{"aws:userid":"a"}}`), fmt.Sprintf(`line 1, column %d, /Statement/Condition/stringequals/aws:userid: Invalid Condition type : "stringequals"`, conditionColumn+31)},
		{"IfExists twice", IdentityPolicy, condition(`{"BoolIfExistsIfExists":{"aws:x":"true"}}`), fmt.Sprintf(`line 1, column %d, /Statement/Condition/BoolIfExistsIfExists/aws:x: Invalid Condition type : "BoolIfExistsIfExists"`, conditionColumn+34)},
		{"a set operator twice", IdentityPolicy, condition(`{"ForAllValues:ForAnyValue:Bool":{"aws:x":"true"}}`), fmt.Sprintf(`line 1, column %d, /Statement/Condition/ForAllValues:ForAnyValue:Bool/aws:x: Invalid Condition type : "ForAllValues:ForAnyValue:Bool"`, conditionColumn+43)},
		{"Null with IfExists", IdentityPolicy, condition(`{"NullIfExists":{"aws:x":"true"}}`), fmt.Sprintf(`line 1, column %d, /Statement/Condition/NullIfExists/aws:x: Invalid Condition type : "NullIfExists". Null takes neither IfExists nor a set operator`, conditionColumn+26)},
		{"Null of a set", IdentityPolicy, condition(`{"ForAnyValue:Null":{"aws:x":"true"}}`), fmt.Sprintf(`line 1, column %d, /Statement/Condition/ForAnyValue:Null/aws:x: Invalid Condition type : "ForAnyValue:Null". Null takes neither IfExists nor a set operator`, conditionColumn+30)},
		{"a key without a service", IdentityPolicy, condition(`{"Bool":{"SecureTransport":"true"}}`), fmt.Sprintf(`line 1, column %d, /Statement/Condition/Bool/SecureTransport: Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.: the key "SecureTransport" is not`, conditionColumn+28)},
		{"a key of a service alone", IdentityPolicy, condition(`{"Bool":{"aws:":"true"}}`), fmt.Sprintf(`line 1, column %d, /Statement/Condition/Bool/aws:: Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.: the key "aws:" is not`, conditionColumn+17)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := Parse(tt.kind, "p", tt.document)
			var mistakes *DocumentError
			if p != nil || !errors.As(err, &mistakes) {
				t.Fatalf("got %+v, %v", p, err)
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Errorf("%s: want, got:\n%s", tt.document, diff)
			}
		})
	}
}

// TestParseRefusesValues: a value that its operator cannot compare with anything is a mistake, and not a condition that never holds.
func TestParseRefusesValues(t *testing.T) {
	t.Parallel()
	number, date, address := "want a number such as 10 or 2.5", "want a date such as 2026-01-31T23:59:00Z, or seconds since 1970", "want an address or a prefix such as 203.0.113.0/24"
	arn := "want an ARN of six parts, which may have wildcards"
	tests := []struct{ operator, value, want string }{
		{"NumericEquals", `"ten"`, number},
		{"NumericEquals", `""`, number},
		{"NumericEquals", `"1e3"`, number},
		{"NumericEquals", `1e3`, number},
		{"NumericEquals", `"1."`, number},
		{"NumericEquals", `".5"`, number},
		{"NumericEquals", `"+-1"`, number},
		{"NumericEquals", `"-+1"`, number},
		{"NumericEquals", `"0x10"`, number},
		{"NumericEquals", `"1/2"`, number},
		{"NumericEquals", `"1_000"`, number},
		{"NumericEquals", `" 1"`, number},
		{"NumericEquals", `"١"`, number},
		{"NumericEquals", `"NaN"`, number},
		{"NumericEquals", `true`, number},
		{"NumericLessThan", `"${aws:EpochTime}"`, number},
		{"NumericGreaterThan", `"*"`, number},
		{"NumericEquals", `"` + strings.Repeat("1", 65) + `"`, number},
		{"DateEquals", `"yesterday"`, date},
		{"DateEquals", `""`, date},
		{"DateEquals", `"2026-1-1"`, date},
		{"DateEquals", `"2026-02-30"`, date},
		{"DateEquals", `"2026-13"`, date},
		{"DateEquals", `"2026-01-01T00:00:00"`, date},
		{"DateEquals", `"2026-01-01T1:00:00Z"`, date},
		{"DateEquals", `"2026-01-01T24:00:00Z"`, date},
		{"DateEquals", `"2026-01-01T00:00:60Z"`, date},
		{"DateEquals", `"2026-01-01T00:00:00,5Z"`, date},
		{"DateEquals", `"2026-01-01 00:00:00Z"`, date},
		{"DateEquals", `"-1"`, date},
		{"DateEquals", `"+17672256000"`, date},
		{"DateEquals", `"253402300800"`, date},
		{"DateEquals", `"99999999999999999999"`, date},
		{"DateEquals", `"1767225600.5"`, date},
		{"DateEquals", `"2026-01-01T00:00:00.` + strings.Repeat("0", 30) + `Z"`, date},
		{"DateLessThan", `"${aws:CurrentTime}"`, date},
		{"Bool", `"yes"`, "want true or false"},
		{"Bool", `1`, "want true or false"},
		{"Bool", `""`, "want true or false"},
		{"Bool", `"${aws:SecureTransport}"`, "want true or false"},
		{"Null", `"maybe"`, "want true or false"},
		{"Null", `"*"`, "want true or false"},
		{"BinaryEquals", `"?"`, "want base64"},
		{"BinaryEquals", `"QQ"`, "want base64"},
		{"BinaryEquals", `"QR=="`, "want base64"}, // bits behind the end
		{"BinaryEquals", `"QQ-_"`, "want base64"},
		{"IpAddress", `"203.0.113.0/33"`, address},
		{"IpAddress", `"203.0.113"`, address},
		{"IpAddress", `"203.0.113.007"`, address},
		{"IpAddress", `"203.0.113.*"`, address},
		{"IpAddress", `"example.com"`, address},
		{"IpAddress", `"0x7f.1"`, address},
		{"IpAddress", `"fe80::1%eth0"`, address},
		{"IpAddress", `"::ffff:203.0.113.0/120"`, address},
		{"NotIpAddress", `""`, address},
		{"ArnEquals", `"*"`, arn},
		{"ArnEquals", `""`, arn},
		{"ArnLike", `"arn:aws:sns:*"`, arn},
		{"ArnLike", `"*:aws:sns:::t"`, arn},
		{"ArnNotLike", `"Arn:aws:sns:::t"`, arn},
		{"ArnLike", `"arn:aws:sns:::${aws:username"`, `the policy variable "${aws:username" is not closed by a brace`},
		{"StringEquals", `"${aws:username"`, `the policy variable "${aws:username" is not closed by a brace`},
		{"StringLike", `"${}"`, `the policy variable "${}" names no condition key such as aws:username`},
		{"StringEqualsIgnoreCase", `"${aws:username,''x}"`, `the default value of the policy variable "${aws:username,''x}" must stand in single quotes`},
	}
	for _, tt := range tests {
		t.Run(tt.operator+" "+tt.value, func(t *testing.T) {
			t.Parallel()
			_, err := Parse(IdentityPolicy, "p", of(allow("*", "*", when(tt.operator, "x:y", tt.value))))
			var mistakes *DocumentError
			if !errors.As(err, &mistakes) {
				t.Fatalf("got %v", err)
			}
			got, _ := strings.CutPrefix(mistakes.Faults[0].Message, "the value "+shown(strings.Trim(tt.value, `"`))+" of x:y: ")
			if got != tt.want || mistakes.Faults[0].Path != "/Statement/0/Condition/"+tt.operator+"/x:y" {
				t.Errorf("got %q at %s, want %q", got, mistakes.Faults[0].Path, tt.want)
			}
		})
	}
}

// TestMistakesInOrder: all of them are told, in the order of the document and not in that of reading, and not without end.
func TestMistakesInOrder(t *testing.T) {
	t.Parallel()
	_, err := Parse(IdentityPolicy, "p", `{
  "Statement": [
    {"Condition": {"Bool": {"x:y": "maybe"}}, "Resource": "films", "Action": "Get", "Effect": "No", "Sid": "-"},
    {"Sid": "A", "Effect": "Allow", "Action": "*", "Resource": "*"},
    {"Resource": 1, "Extra": 2, "Sid": "A"}
  ],
  "Version": "1"
}`)
	want := []string{
		"line 3, column 36, /Statement/0/Condition/Bool/x:y",
		"line 3, column 59, /Statement/0/Resource",
		"line 3, column 78, /Statement/0/Action",
		"line 3, column 95, /Statement/0/Effect",
		"line 3, column 108, /Statement/0/Sid",
		"line 5, column 5, /Statement/2", // Effect is missing
		"line 5, column 5, /Statement/2", // Action is missing
		"line 5, column 18, /Statement/2/Resource",
		"line 5, column 21, /Statement/2/Extra",
		"line 5, column 40, /Statement/2/Sid",
		"line 7, column 14, /Version",
	}
	var mistakes *DocumentError
	if !errors.As(err, &mistakes) {
		t.Fatal(err)
	}
	var got []string
	for _, f := range mistakes.Faults {
		place, _, _ := strings.Cut(f.String(), ": ")
		got = append(got, place)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want, got:\n%s", diff)
	}

	_, err = Parse(IdentityPolicy, "p", `{"Statement":[`+strings.Repeat(`{"Effect":"No"},`, 5000)+`{}],"Version":1}`)
	if !errors.As(err, &mistakes) || len(mistakes.Faults) != maxFaults || mistakes.Faults[19].Path != "/Statement/6" {
		t.Errorf("got %v", err)
	}
}

// TestParseTakes: every form that the language has.
func TestParseTakes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		kind     Kind
		document string
		want     Policy
	}{
		{"one statement, scalars", IdentityPolicy, `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, Policy{
			Version:    "2008-10-17",
			Statements: []Statement{{Effect: Allow, Actions: []string{"*"}, Resources: []string{"*"}, Path: "/Statement", Line: 1}},
		}},
		{"lists and negations", IdentityPolicy, "\n{\"Id\":\"an id\",\"Version\":\"2008-10-17\",\"Statement\":[\n{\"Sid\":\"\",\"Effect\":\"Deny\",\"NotAction\":[\"s3:*\",\"IAM:Get-_?\"],\"NotResource\":[\"arn:aws:s3\"]},\n\n{\"Sid\":\"Two\",\"Effect\":\"Allow\",\"Action\":[\"*\"],\"Resource\":[\"*\"],\"Condition\":{}}]}", Policy{
			Version: "2008-10-17", ID: "an id",
			Statements: []Statement{
				{Effect: Deny, NotActions: []string{"s3:*", "IAM:Get-_?"}, NotResources: []string{"arn:aws:s3"}, Path: "/Statement/0", Line: 3},
				{Sid: "Two", Effect: Allow, Actions: []string{"*"}, Resources: []string{"*"}, Path: "/Statement/1", Line: 5},
			},
		}},
		{"unquoted values", IdentityPolicy, of(allow("*", "*", when("NumericLessThan", "s3:max-keys", "[10,-2.5]"), `"Sid":"A"`)), Policy{
			Version: "2012-10-17",
			Statements: []Statement{{
				Sid: "A", Effect: Allow, Actions: []string{"*"}, Resources: []string{"*"}, Path: "/Statement/0", Line: 1,
				Conditions: []Condition{{Operator: "NumericLessThan", Key: "s3:max-keys", Values: []string{"10", "-2.5"}}},
			}},
		}},
		{"escapes", IdentityPolicy, `{"Version":"2012-10-17","Statement":[{"\u0045ffect":"\u0041llow","Action":"s3:\u002a","Resource":"arn:aws:s3:::films\/\ud83d\ude00\u0000\\ud83d\ufffd�"}]}`, Policy{
			Version:    "2012-10-17",
			Statements: []Statement{{Effect: Allow, Actions: []string{"s3:*"}, Resources: []string{"arn:aws:s3:::films/😀\x00\\ud83d��"}, Path: "/Statement/0", Line: 1}},
		}},
		{"a trust policy", TrustPolicy, `{"Statement":{"Effect":"Allow","Principal":{"AWS":["*","111122223333"],"Service":"ec2.amazonaws.com","Federated":"` + issuer + `"},"Action":["sts:AssumeRole","sts:Tag*"]}}`, Policy{
			Version: "2008-10-17",
			Statements: []Statement{{
				Effect: Allow, Actions: []string{"sts:AssumeRole", "sts:Tag*"}, Path: "/Statement", Line: 1,
				Principals: []PrincipalPattern{{Type: "AWS", Value: "*"}, {Type: "AWS", Value: account}, {Type: "Service", Value: "ec2.amazonaws.com"}, {Type: "Federated", Value: issuer}},
			}},
		}},
		{"the policy of a resource", ResourcePolicy, `{"Statement":{"Sid":"Enable IAM User Permissions","Effect":"Deny","NotPrincipal":"*","Action":"kms:*","Resource":"*"}}`, Policy{
			Version: "2008-10-17",
			Statements: []Statement{{
				Sid: "Enable IAM User Permissions", Effect: Deny, Actions: []string{"kms:*"}, Resources: []string{"*"}, Path: "/Statement", Line: 1,
				NotPrincipals: []PrincipalPattern{{Value: "*"}},
			}},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := *parsed(t, tt.kind, "p", tt.document)
			// What is compiled is shown by what it decides.
			got.readable, got.document, got.byAction, got.byVendor, got.others = false, "", nil, nil, nil
			for i := range got.Statements {
				s := &got.Statements[i]
				s.index, s.actions, s.resources = 0, nil, nil
				for j, c := range s.Conditions {
					s.Conditions[j] = Condition{Operator: c.Operator, Key: c.Key, Values: c.Values}
				}
			}
			tt.want.Name, tt.want.Kind = "p", tt.kind
			if diff := cmp.Diff(fmt.Sprintf("%+v", tt.want), fmt.Sprintf("%+v", got)); diff != "" {
				t.Errorf("want, got:\n%s", diff)
			}
		})
	}
}

func TestStatementName(t *testing.T) {
	t.Parallel()
	p := parsed(t, IdentityPolicy, "p", of(allow("*", "*"), allow("*", "*", `"Sid":""`), allow("*", "*", `"Sid":"Mine"`)))
	var got []string
	for i := range p.Statements {
		got = append(got, p.Statements[i].Name())
	}
	if diff := cmp.Diff([]string{"#0", "#1", "Mine"}, got); diff != "" {
		t.Errorf("want, got:\n%s", diff)
	}
}

// TestCandidates: a statement is looked at for its actions once, in its place, and for others not at all.
func TestCandidates(t *testing.T) {
	t.Parallel()
	p := parsed(t, IdentityPolicy, "p", of(
		`{"Effect":"Allow","Action":["s3:GetObject","s3:getobject","iam:Get*"],"Resource":"*"}`,
		allow("*", "*"),
		`{"Effect":"Allow","Action":["s3:*","s3:GetObject"],"Resource":"*"}`,
		`{"Effect":"Allow","NotAction":"s3:GetObject","Resource":"*"}`,
		`{"Effect":"Allow","Action":["s3:PutObject","s3:GetObject"],"Resource":"*"}`,
		allow("s3:Get?bject", "*"),
		`{"Effect":"Allow","Action":["iam:GetUser","*"],"Resource":"*"}`,
	))
	for _, tt := range []struct{ vendor, action, want string }{
		{"s3", "s3:getobject", "#0 #1 #2 #3 #4 #5 #6"},
		{"s3", "s3:putobject", "#1 #2 #3 #4 #5 #6"},
		{"s3", "s3:deleteobject", "#1 #2 #3 #5 #6"},
		{"iam", "iam:getuser", "#0 #1 #3 #6"},
		{"kms", "kms:decrypt", "#1 #3 #6"},
	} {
		c := p.concerning(tt.vendor, tt.action)
		var got []string
		for s := c.next(); s != nil; s = c.next() {
			got = append(got, s.Name())
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: got %q, want %q", tt.action, got, tt.want)
		}
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, document string
		want           int
	}{
		{"nothing", "", 0},
		{"white space between the parts", "{ \"Id\" :\n\t\"é\" }", len(`{"Id":"e"}`)},
		{"white space in a string", `{"Id":" "}`, len(`{"Id":" "}`)},
		{"no JSON counts as it is", "{ ", 2},
	} {
		if got := Size(tt.document); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}

// TestHostileDocuments: whatever the document, reading it takes little time and memory. There is no clock here: each of these would take minutes, or
// more memory than there is, if reading were not linear.
func TestHostileDocuments(t *testing.T) {
	t.Parallel()
	fill := func(before, unit, after string) string {
		return before + strings.Repeat(unit, (MaxDocument-len(before)-len(after))/len(unit)) + after
	}
	const statements, end = `{"Version":"2012-10-17","Statement":[`, `]}`
	last := allow("*", "*")
	tests := []struct {
		name, document string
		read           bool
	}{
		{"10,000 statements that are none", statements + strings.Repeat("{},", 10000) + last + end, false},
		{"10,000 statements", statements + strings.Repeat(allow("s3:*", "*")+",\n", 10000) + last + end, false}, // longer than a document may be
		{"as many statements as there is room for", fill(statements, allow("a:b", "*")+",\n", last+end), true},
		{"each about every action", fill(statements, allow("*", "*")+",", last+end), true},
		{"a list of actions", fill(statements+`{"Effect":"Allow","Resource":"*","Action":[`, `"a:b",`, `"*"]}`+end), true},
		{"a list of resources", fill(statements+`{"Effect":"Allow","Action":"*","Resource":[`, `"arn:a:b",`, `"*"]}`+end), true},
		{"a list of values", fill(statements+`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringLike":{"`+strings.Repeat("k:", 500)+`":[`, `"*",`, `"*"]}}}`+end), true},
		{"a list under a long name", fill(`{"`+strings.Repeat("k", 60000)+`":[`, `0,`, `0]}`), false},
		{"mistakes under long names", fill(`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"`+strings.Repeat("k", 1000)+`":{"`+strings.Repeat("k", 1000)+`":[`, `{},`, `0]}}}}`), false},
		{"brackets", fill("", "[", ""), false},
		{"braces", fill("", `{"a":`, ""), false},
		{"names", fill(`{`, `"a":0,`, `"b":0}`), false},
		{"stars", fill(statements+`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::`, "*", `"}`+end), true},
		{"question marks", fill(statements+`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::*`, "?", `*"}`+end), true},
		{"a*a*a*", fill(statements+`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::`, "a*", `b"}`+end), true},
		{"?a*?a*", fill(statements+`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::`, "*?a", `*b"}`+end), true},
		{"dollar signs", fill(statements+`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::`, "$", `"}`+end), true},
		{"variables", fill(statements+`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::`, "${aws:UserAgent}", `"}`+end), true},
		{"variables that are not closed", fill(statements+`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::`, "${", `"}`+end), false},
		{"values of variables", fill(statements+`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringLike":{"aws:UserAgent":"*`, "${aws:UserAgent}", `"}}}`+end), true},
		{"colons", fill(statements+`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::`, ":", `"}`+end), true},
		{"white space", fill("", "\n", `{"Statement":`+last+`}`), true},
		{"lines", fill(statements, "\n"+allow("a:b", "*")+",\n\n", last+end), true},
		{"half surrogates", fill(`{"Id":"`, `\ud83d`, `"}`), false},
		{"escapes", fill(`{"Statement":`+last+`,"Id":"`, `\u0041`, `"}`), true},
		{"a long number", fill(statements+`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"NumericEquals":{"a:b":`, "9", `}}}`+end), false},
		{"a large exponent", statements + allow("*", "*", when("NumericEquals", "a:b", "1e999999999")) + end, false},
	}
	request := Request{Principal: aUser(), Check: Check{Action: "s3:GetObject", Resource: "arn:aws:s3:::" + strings.Repeat("a", 10000), Owner: account}, Now: start}
	request.Context.Set("aws:UserAgent", strings.Repeat("a", 10000))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := Parse(IdentityPolicy, "p", tt.document)
			if (err == nil) != tt.read {
				t.Fatalf("%.300s", fmt.Sprint(err))
			}
			if err != nil && len(err.Error()) > 100000 {
				t.Errorf("a message of %d bytes", len(err.Error()))
			}
			r := request
			r.Principal.Policies = []*Policy{p}
			if p != nil {
				Authorize(&r)
			}
		})
	}

	t.Run("10,000 statements in many policies", func(t *testing.T) {
		t.Parallel()
		r := request
		part := make([]string, 500)
		for i := range part {
			part[i] = allow("s3:GetObject", fmt.Sprintf("arn:aws:s3:::b%d/*", i))
		}
		for range 20 {
			r.Principal.Policies = append(r.Principal.Policies, parsed(t, IdentityPolicy, "p", of(part...)))
		}
		if d := Authorize(&r); d.Allowed() {
			t.Error(d)
		}
		r.Principal.Policies[19] = parsed(t, IdentityPolicy, "p", of(append(part, allow("s3:*", "arn:aws:s3:::a*"))...))
		if d := Authorize(&r); d.Sid != "#500" || !d.Allowed() {
			t.Error(d)
		}
	})
}

func TestDocument(t *testing.T) {
	t.Parallel()
	const text = "{\"Version\": \"2012-10-17\",\n \"Statement\": {\"Effect\": \"Allow\", \"Action\": \"*\", \"Resource\": \"*\"}}"
	for _, tt := range []struct {
		p    *Policy
		want string
	}{{parsed(t, IdentityPolicy, "p", text), text}, {Unreadable("p"), ""}, {nil, ""}, {parsed(t, IdentityPolicy, "p", text).Bind(nil), text}} {
		if got := tt.p.Document(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
