package audit_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	mctypes "github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"

	"darkroom/internal/audit"
	"darkroom/internal/audit/audittest"
)

// planter fills structures of the SDK with values that are found again.
type planter struct {
	model  audittest.Model
	n      int
	blobs  map[string]bool // planted in blobs
	secret map[string]bool // planted where the model says sensitive
	texts  map[string]bool // planted elsewhere
}

func (p *planter) plant(v reflect.Value, shape string, secret bool, within []reflect.Type) {
	t := v.Type()
	s := p.model.Shapes[shape]
	secret = secret || s.Sensitive
	switch {
	case t == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(1_700_000_000, 0)))
	case t.Kind() == reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		p.plant(v.Elem(), shape, secret, within)
	case t.Kind() == reflect.Struct:
		for _, outer := range within {
			if outer == t {
				return
			}
		}
		for i := range t.NumField() {
			f := t.Field(i)
			if !f.IsExported() || f.Name == "ResultMetadata" {
				continue
			}
			var member audittest.Member
			for name, m := range s.Members {
				if strings.EqualFold(name, f.Name) {
					member = m
				}
			}
			p.plant(v.Field(i), member.Shape, secret || member.Sensitive, append(within, t))
		}
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		value := p.value(secret)
		p.blobs[value] = true
		v.SetBytes([]byte(value))
	case t.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(t, 1, 1))
		p.plant(v.Index(0), item(s.Member), secret, within)
	case t.Kind() == reflect.Map:
		v.Set(reflect.MakeMap(t))
		e := reflect.New(t.Elem()).Elem()
		p.plant(e, item(s.Value), secret, within)
		v.SetMapIndex(reflect.ValueOf("key").Convert(t.Key()), e)
	case t == reflect.TypeFor[iamtypes.PolicyIdentifier]():
		v.Set(reflect.ValueOf(&iamtypes.PolicyIdentifierMemberPolicyArn{Value: p.value(secret)}))
	case t.Kind() == reflect.String:
		v.SetString(p.value(secret))
	case t.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		v.SetInt(1)
	case v.CanFloat():
		v.SetFloat(1)
	}
}

func item(m *audittest.Member) string {
	if m == nil {
		return ""
	}
	return m.Shape
}

func (p *planter) value(secret bool) string {
	p.n++
	v := fmt.Sprintf("planted-%06d-value", p.n)
	if secret {
		p.secret[v] = true
	} else {
		p.texts[v] = true
	}
	return v
}

// own are the members of the table beside the models' marks that this many texts of a service are hidden by. A change of the table shows here.
var own = map[string][]string{
	"mediaconvert": {"StaticKeyValue", "EncryptedDecryptionKey", "License", "CertificateSecret"},
	"kms":          {"GrantToken", "GrantTokens", "XksProxyAuthenticationCredential"},
	"iam":          {"AuthenticationCode1", "AuthenticationCode2", "ServiceCredentialSecret", "AddPrivateKey", "Base32StringSeed", "PrivateKey"},
	"sts":          {"SecretAccessKey", "SessionToken", "SAMLAssertion", "WebIdentityToken", "TokenCode", "ContextAssertion", "TradeInToken", "EncodedMessage", "DecodedMessage"},
	"acm":          {"MacKey", "PrivateKey"},
	"eventbridge":  {"ApiKeyValue", "ClientSecret", "Password", "HeaderParameters", "InvocationHttpParameters", "OAuthHttpParameters", "GraphQLOperation", "Sql", "Sqls"}, // Debian's model marks none
}

// TestNoSecretIsShown plants a value into every member of the input and output of every operation of every service, in the SDK's newest shape, and looks for those that the model of botocore calls
// sensitive, and for all blobs, in what a record would have.
func TestNoSecretIsShown(t *testing.T) {
	t.Parallel()
	clients := map[string]reflect.Type{
		"mediaconvert": reflect.TypeFor[*mediaconvert.Client](), "kms": reflect.TypeFor[*kms.Client](), "iam": reflect.TypeFor[*iam.Client](),
		"sts": reflect.TypeFor[*sts.Client](), "acm": reflect.TypeFor[*acm.Client](), "eventbridge": reflect.TypeFor[*eventbridge.Client](), "cloudtrail": reflect.TypeFor[*cloudtrail.Client](),
	}
	models := map[string]string{"eventbridge": "events"} // where botocore calls one another name than the SDK
	for name, client := range clients {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			model := audittest.LoadModel(t, cmp.Or(models[name], name))
			operations, secrets, shown := 0, 0, 0
			for i := range client.NumMethod() {
				m := client.Method(i)
				if m.Type.NumIn() != 4 || m.Type.In(1) != reflect.TypeFor[context.Context]() || m.Type.NumOut() != 2 {
					continue // no operation
				}
				operations++
				var in, out string
				if op := model.Operations[m.Name]; op.Input != nil {
					in = op.Input.Shape
				}
				if op := model.Operations[m.Name]; op.Output != nil {
					out = op.Output.Shape
				}
				for _, side := range []struct {
					typ   reflect.Type
					shape string
				}{{m.Type.In(2).Elem(), in}, {m.Type.Out(0).Elem(), out}} {
					p := &planter{model: model, blobs: map[string]bool{}, secret: map[string]bool{}, texts: map[string]bool{}}
					v := reflect.New(side.typ)
					p.plant(v.Elem(), side.shape, false, nil)
					text := audit.Elements(v.Interface())
					if len(text) > 0 && !json.Valid(text) {
						t.Fatalf("%s: not JSON: %s", side.typ, text)
					}
					found := func(value string) bool {
						return bytes.Contains(text, []byte(value)) || bytes.Contains(text, []byte(base64.StdEncoding.EncodeToString([]byte(value))))
					}
					for value := range p.secret {
						secrets++
						if found(value) {
							t.Errorf("%s: a sensitive member shows: %s", side.typ, text)
						}
					}
					for value := range p.blobs {
						if found(value) {
							t.Errorf("%s: a blob shows: %s", side.typ, text)
						}
					}
					lost := 0
					for value := range p.texts {
						switch {
						case found(value):
							shown++
						case !p.blobs[value]:
							lost++
						}
					}
					if hidden := hiddenByTable(v, own[name]); lost > hidden {
						t.Errorf("%s: %d texts are missing that are no secrets (%d are by the table): %s", side.typ, lost, hidden, text)
					}
				}
			}
			if operations < 8 || shown == 0 || secrets == 0 && name != "mediaconvert" && name != "sts" && name != "cloudtrail" && name != "eventbridge" { // Debian's models of these mark none
				t.Errorf("%d operations, %d secrets, %d texts: the test sees nothing", operations, secrets, shown)
			}
		})
	}
}

// hiddenByTable counts the texts in the members that a structure has of those names, however deep.
func hiddenByTable(v reflect.Value, names []string) int {
	n := 0
	var count func(v reflect.Value, hidden bool)
	count = func(v reflect.Value, hidden bool) {
		switch v.Kind() {
		case reflect.Pointer, reflect.Interface:
			if !v.IsNil() {
				count(v.Elem(), hidden)
			}
		case reflect.Struct:
			for i := range v.NumField() {
				f := v.Type().Field(i)
				if !f.IsExported() {
					continue
				}
				is := hidden
				for _, name := range names {
					is = is || f.Name == name
				}
				count(v.Field(i), is)
			}
		case reflect.Slice:
			for i := range v.Len() {
				count(v.Index(i), hidden)
			}
		case reflect.Map:
			for _, k := range v.MapKeys() {
				count(v.MapIndex(k), hidden)
			}
		case reflect.String:
			if hidden && v.Len() > 0 {
				n++
			}
		}
	}
	count(v, false)
	return n
}

// TestShown: what a record has of requests and answers, and how.
func TestShown(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		v    any
		want string
	}{
		{"nothing", nil, ``},
		{"a nil pointer", (*iam.CreateUserInput)(nil), ``},
		{"no structure", "text", ``},
		{"no member", &iam.CreateUserInput{}, ``},
		{"camel case", &iam.CreateUserInput{UserName: aws.String("ann"), Tags: []iamtypes.Tag{{Key: aws.String("k"), Value: aws.String("")}}}, `{"tags":[{"key":"k","value":""}],"userName":"ann"}`},
		{"abbreviations", &iam.CreateSAMLProviderInput{SAMLMetadataDocument: aws.String("x")}, `{"sAMLMetadataDocument":"x"}`},
		{"a password", &iam.CreateLoginProfileInput{Password: aws.String("hush"), UserName: aws.String("ann"), PasswordResetRequired: true}, `{"password":"HIDDEN_DUE_TO_SECURITY_REASONS","passwordResetRequired":true,"userName":"ann"}`},
		{
			"times are seconds", &sts.AssumeRoleOutput{Credentials: &ststypes.Credentials{AccessKeyId: aws.String("ASIA"), Expiration: aws.Time(time.Unix(1_700_000_000, 5)), SessionToken: aws.String("hush"), SecretAccessKey: aws.String("hush")}},
			`{"credentials":{"accessKeyId":"ASIA","expiration":1700000000,"secretAccessKey":"HIDDEN_DUE_TO_SECURITY_REASONS","sessionToken":"HIDDEN_DUE_TO_SECURITY_REASONS"}}`,
		},
		{"blobs are left out", &kms.DecryptInput{CiphertextBlob: []byte("hush"), KeyId: aws.String("k"), EncryptionContext: map[string]string{"b": "2", "a": "1"}}, `{"encryptionContext":{"a":"1","b":"2"},"keyId":"k"}`},
		{
			"a connection of events", &eventbridge.CreateConnectionInput{Name: aws.String("c"), AuthParameters: &ebtypes.CreateConnectionAuthRequestParameters{
				ApiKeyAuthParameters: &ebtypes.CreateConnectionApiKeyAuthRequestParameters{ApiKeyName: aws.String("X-Key"), ApiKeyValue: aws.String("hush")},
				BasicAuthParameters:  &ebtypes.CreateConnectionBasicAuthRequestParameters{Username: aws.String("u"), Password: aws.String("hush")},
			}},
			`{"authParameters":{"apiKeyAuthParameters":{"apiKeyName":"X-Key","apiKeyValue":"HIDDEN_DUE_TO_SECURITY_REASONS"},"basicAuthParameters":{"password":"HIDDEN_DUE_TO_SECURITY_REASONS","username":"u"}},"name":"c"}`,
		},
		{
			"a target's header fields", &eventbridge.PutTargetsInput{Rule: aws.String("r"), Targets: []ebtypes.Target{{Id: aws.String("t"), Arn: aws.String("arn"), HttpParameters: &ebtypes.HttpParameters{HeaderParameters: map[string]string{"Authorization": "hush"}, QueryStringParameters: map[string]string{"a": "b"}}}}},
			`{"rule":"r","targets":[{"arn":"arn","httpParameters":{"headerParameters":"HIDDEN_DUE_TO_SECURITY_REASONS","queryStringParameters":{"a":"b"}},"id":"t"}]}`,
		},
		{"an empty list", &kms.CreateGrantInput{GrantTokens: []string{}, RetiringPrincipal: aws.String("p")}, `{"grantTokens":"HIDDEN_DUE_TO_SECURITY_REASONS","retiringPrincipal":"p"}`},
		{
			"a static key", &mctypes.StaticKeyProvider{StaticKeyValue: aws.String("hush"), Url: aws.String("https://u:hush@keys.example.com:8443/a@b?token=hush&x#hush")},
			`{"staticKeyValue":"HIDDEN_DUE_TO_SECURITY_REASONS","url":"https://HIDDEN_DUE_TO_SECURITY_REASONS@keys.example.com:8443/a@b?token=HIDDEN_DUE_TO_SECURITY_REASONS&HIDDEN_DUE_TO_SECURITY_REASONS#HIDDEN_DUE_TO_SECURITY_REASONS"}`,
		},
		{"a presigned input", &mctypes.Input{FileInput: aws.String("https://b.example.com/k?X-Amz-Signature=hush&X-Amz-Security-Token=hush")}, `{"fileInput":"https://b.example.com/k?X-Amz-Signature=HIDDEN_DUE_TO_SECURITY_REASONS&X-Amz-Security-Token=HIDDEN_DUE_TO_SECURITY_REASONS"}`},
		{"a URL that is none", &mctypes.Input{FileInput: aws.String("https://u:hu/sh@h?x")}, `{"fileInput":"https://HIDDEN_DUE_TO_SECURITY_REASONS"}`},
		{"a key of S3", &mctypes.Input{FileInput: aws.String("s3://b/a@b?c#d")}, `{"fileInput":"s3://b/a@b?c#d"}`},
		{"what is not printed", &iam.CreateUserInput{UserName: aws.String("a\r\n\x1b[31m\u202eb\x00\xffé🎬\U000e0001")}, `{"userName":"a\u000d\u000a\u001b[31m\u202eb\u0000\ufffdé🎬\udb40\udc01"}`},
	} {
		if got := string(audit.Parameters(tt.v)); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

func TestUnion(t *testing.T) {
	t.Parallel()
	type holder struct{ Of iamtypes.PolicyIdentifier }
	got := string(audit.Parameters(&holder{&iamtypes.PolicyIdentifierMemberPolicyArn{Value: "arn:x"}}))
	if want := `{"of":{"policyArn":"arn:x"}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
