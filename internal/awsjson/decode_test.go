package awsjson_test

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	acmtypes "github.com/aws/aws-sdk-go-v2/service/acm/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/google/go-cmp/cmp"

	"darkroom/internal/awsjson"
)

func TestDecode(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		want       any
	}{
		{"an empty body", ``, &kms.EncryptInput{}},
		{"null is absent", `{"KeyId":null,"EncryptionContext":null}`, &kms.EncryptInput{}},
		{"a blob and a map", `{"Plaintext":"AP88","EncryptionContext":{"a":"b","A":""}}`, &kms.EncryptInput{Plaintext: []byte("\x00\xff<"), EncryptionContext: map[string]string{"a": "b", "A": ""}}},
		{"an empty list is not nil", `{"GrantTokens":[]}`, &kms.EncryptInput{GrantTokens: []string{}}},
		{"an enumeration and a boolean", `{"EncryptionAlgorithm":"SYMMETRIC_DEFAULT","DryRun":false}`, &kms.EncryptInput{EncryptionAlgorithm: kmstypes.EncryptionAlgorithmSpecSymmetricDefault, DryRun: aws.Bool(false)}},
		{"names in lower case where the model has them", `{"Includes":{"keyTypes":["EC_prime256v1"]}}`, &acm.ListCertificatesInput{Includes: &acmtypes.Filters{KeyTypes: []acmtypes.KeyAlgorithm{"EC_prime256v1"}}}},
		{"white space and escapes", " {\t\"Description\" :\r\n\"\\u00e9\\ud83c\\udfac\" } ", &kms.CreateKeyInput{Description: aws.String("é🎬")}},
	}
	for _, tt := range tests {
		got := reflect.New(reflect.TypeOf(tt.want).Elem()).Interface()
		var faults []awsjson.Fault
		for _, f := range awsjson.Decode([]byte(tt.body), got) {
			if f.Kind != awsjson.Missing {
				faults = append(faults, f)
			}
		}
		if diff := cmp.Diff(tt.want, got, ignoreSDK); diff != "" || faults != nil {
			t.Errorf("%s: %s %v", tt.name, diff, faults)
		}
	}
}

// TestRefusals: what is wrong is said in the words of the services, and all of it.
func TestRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		into       any
		readable   bool
		want       string
	}{
		{"required", `{}`, &kms.EncryptInput{}, true, "2 validation errors detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null; Value null at 'plaintext' failed to satisfy constraint: Member must not be null"},
		{"pattern", `{"AliasName":"alias/a b","TargetKeyId":"k"}`, &kms.CreateAliasInput{}, true, "1 validation error detected: Value 'alias/a b' at 'aliasName' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$"},
		{"too long", `{"KeyId":"k","Description":"` + strings.Repeat("é", 8193) + `"}`, &kms.UpdateKeyDescriptionInput{}, true, "' at 'description' failed to satisfy constraint: Member must have length less than or equal to 8192"},
		{"too short", `{"KeyId":""}`, &kms.DescribeKeyInput{}, true, "1 validation error detected: Value '' at 'keyId' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"an empty blob", `{"KeyId":"k","Plaintext":""}`, &kms.EncryptInput{}, true, "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"a number too small", `{"NumberOfBytes":0}`, &kms.GenerateRandomInput{}, true, "1 validation error detected: Value '0' at 'numberOfBytes' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		{"a number too large", `{"NumberOfBytes":99999999999}`, &kms.GenerateRandomInput{}, true, "Value '99999999999' at 'numberOfBytes' failed to satisfy constraint: Member must have value less than or equal to 1024"},
		{"no word", `{"KeySpec":"AES_512","KeyId":"k"}`, &kms.GenerateDataKeyInput{}, true, "1 validation error detected: Value 'AES_512' at 'keySpec' failed to satisfy constraint: Member must satisfy enum value set: [AES_256, AES_128]"},
		{"an item", `{"Tags":[{"TagKey":"a","TagValue":"b"},{"TagKey":"","TagValue":"b"}]}`, &kms.CreateKeyInput{}, true, "1 validation error detected: Value '' at 'tags.2.member.tagKey' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"too many items", `{"KeyId":"k","Plaintext":"AA==","GrantTokens":[` + strings.Repeat(`"t",`, 10) + `"t"]}`, &kms.EncryptInput{}, true, "Value at 'grantTokens' failed to satisfy constraint: Member must have length less than or equal to 10"},
		{"a secret is not repeated", `{"XksProxyAuthenticationCredential":{"AccessKeyId":"hush","RawSecretAccessKey":"hush"}}`, &kms.UpdateCustomKeyStoreInput{}, true, "Value at 'xksProxyAuthenticationCredential.accessKeyId' failed"},

		{"unknown", `{"KeyID":"k"}`, &kms.DescribeKeyInput{}, false, `"KeyID" is not a member of the request; allowed: KeyId`},
		{"another case", `{"keyId":"k"}`, &kms.DescribeKeyInput{}, false, `"keyId" is not a member of the request; allowed: KeyId`},
		{"a member of the SDK alone", `{"ResultMetadata":{}}`, &kms.DescribeKeyOutput{}, false, `"ResultMetadata" is not a member of the request`},
		{"twice", `{"KeyId":"a","KeyId":"b"}`, &kms.DescribeKeyInput{}, false, `'keyId' is given more than once`},
		{"a key of the context twice", `{"EncryptionContext":{"a":"1","\u0061":"2"}}`, &kms.EncryptInput{}, false, `'encryptionContext.a' is given more than once`},
		{"another type", `{"KeyId":7}`, &kms.DescribeKeyInput{}, false, `7 can not be converted to a string at 'keyId'`},
		{"a list for a text", `{"KeyId":["k"]}`, &kms.DescribeKeyInput{}, false, `a list can not be converted to a string at 'keyId'`},
		{"text for a boolean", `{"DryRun":"true"}`, &kms.EncryptInput{}, false, `a string can not be converted to a boolean at 'dryRun'`},
		{"null in a list", `{"GrantTokens":[null]}`, &kms.EncryptInput{}, false, `null can not be converted to a string at 'grantTokens.1.member'`},
		{"no base64", `{"Plaintext":"a"}`, &kms.EncryptInput{}, false, `a string can not be converted to a blob in base64 at 'plaintext'`},
		{"base64 without padding", `{"Plaintext":"AA"}`, &kms.EncryptInput{}, false, `blob in base64`},
		{"base64 of a URL", `{"Plaintext":"_-8="}`, &kms.EncryptInput{}, false, `blob in base64`},
		{"base64 with a line break", `{"Plaintext":"AAAA\nAAAA"}`, &kms.EncryptInput{}, false, `blob in base64`},
		{"base64 with bits left over", `{"Plaintext":"AB=="}`, &kms.EncryptInput{}, false, `blob in base64`},
		{"no object", `[]`, &kms.EncryptInput{}, false, `The body must be a JSON object`},
		{"a half word", `{"DryRun":tru}`, &kms.EncryptInput{}, false, `The body is not valid JSON: a value is expected (byte 10)`},
		{"trailing", `{} {}`, &kms.DescribeKeyInput{}, false, `The body is not valid JSON: nothing may stand after the value (byte 3)`},
		{"cut off", `{"KeyId":"k`, &kms.DescribeKeyInput{}, false, `The body is not valid JSON: it ends too early`},
		{"both", `{"KeySpec":"x","Zebra":1}`, &kms.GenerateDataKeyInput{}, false, `Member must satisfy enum value set`},
	}
	for _, tt := range tests {
		faults := awsjson.Decode([]byte(tt.body), tt.into)
		if got := awsjson.Message(faults); !strings.Contains(got, tt.want) || strings.Contains(got, "hush") {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
		if got := awsjson.Readable(faults); got != tt.readable {
			t.Errorf("%s: readable %t", tt.name, got)
		}
	}
}

// TestEncodeRefuses: what JSON has no form for is an error of ours, not a broken answer.
func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	for _, v := range []any{"a text", struct{ F float64 }{math.NaN()}, struct{ F *float64 }{aws.Float64(math.Inf(1))}} {
		if got, err := awsjson.Encode(v); err == nil {
			t.Errorf("%v: got %s", v, got)
		}
	}
}

func TestShapeOfOtherTypesPanics(t *testing.T) {
	t.Parallel()
	type kindOfText string
	for _, v := range []any{&struct{ F float32 }{}, &struct{ C chan int }{}, &struct{ M map[int]string }{}, &struct{ E kindOfText }{}, &struct{ U any }{}, &acm.SearchCertificatesInput{}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%T has a shape", v)
				}
			}()
			awsjson.Decode([]byte("{}"), v)
		}()
	}
}

// FuzzDecode: whatever comes in, nothing panics, what is said of it is bounded UTF-8, what is taken is what encoding/json calls JSON, and comes out
// as it was.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `{"KeyId":"k","Plaintext":"AP88","EncryptionContext":{"a":"b"},"GrantTokens":["t"],"DryRun":true}`, `{"Tags":[{"TagKey":"a","TagValue":"b"}]}`,
		`{"Certificate":"AA==","PrivateKey":"AA==","Tags":[{"Key":"k"}]}`, `{"Includes":{"keyTypes":["RSA_2048"]},"MaxItems":1e1}`, `{"Plaintext":"A=A="}`, `{"a/b~":[[{}]]}`, "{\"KeyId\":\"\\ud800\"}", `{"":0}`,
	} {
		f.Add([]byte(seed))
	}
	inputs := []reflect.Type{
		reflect.TypeFor[kms.EncryptInput](), reflect.TypeFor[kms.CreateKeyInput](), reflect.TypeFor[kms.CreateGrantInput](), reflect.TypeFor[acm.ImportCertificateInput](), reflect.TypeFor[acm.ListCertificatesInput](),
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, typ := range inputs {
			in := reflect.New(typ).Interface()
			faults := awsjson.Decode(body, in)
			if message := awsjson.Message(faults); len(faults) > awsjson.MaxFaults+1 || !utf8.ValidString(message) || len(message) > 1<<20 {
				t.Fatalf("%d faults: %q", len(faults), message)
			}
			if len(faults) > 0 {
				continue
			}
			if len(body) > 0 && !json.Valid(body) {
				t.Fatalf("%q is not JSON", body)
			}
			out, err := awsjson.Encode(in)
			if err != nil {
				t.Fatal(err)
			}
			again := reflect.New(typ).Interface()
			if faults := awsjson.Decode(out, again); faults != nil {
				t.Fatalf("%s: %s", out, awsjson.Message(faults))
			}
			if diff := cmp.Diff(in, again, ignoreSDK); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}
