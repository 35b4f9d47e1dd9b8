package constraint

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// newer are the operations and members of the SDK that are newer than the models: none of the operations is offered.
var newer = regexp.MustCompile(`^acm\.(.*Acme.*|ListCertificateDomainValidations|(ListTagsFor|Tag|Untag)Resource)Input|^kms\.(De|En)capsulateInput` +
	`|^acm\.(ListCertificatesInput|AcmCertificateMetadataFilter)\.CertificateKeyPairOrigins?$|^acm\.RequestCertificateInput\.|^acm\.(PrevalidationOptions|CertificateAuthority|PublicCertificateAuthority|Dns.*Options)`)

// structures returns the structures that the inputs of a client reach, without unions.
func structures(client any) []reflect.Type {
	var all []reflect.Type
	var walk func(t reflect.Type)
	walk = func(t reflect.Type) {
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			walk(t.Elem())
		case reflect.Struct:
			if service(t) == "" || slices.Contains(all, t) {
				return
			}
			all = append(all, t)
			for i := range t.NumField() {
				if f := t.Field(i); f.IsExported() {
					walk(f.Type)
				}
			}
		}
	}
	v := reflect.TypeOf(client)
	for i := range v.NumMethod() {
		if m := v.Method(i).Type; m.NumIn() == 4 && m.NumOut() == 2 && !newer.MatchString(m.In(2).Elem().String()) {
			walk(m.In(2))
		}
	}
	return all
}

// TestEveryMember walks the inputs of the SDK's clients: the table has each member, and each of the table is one of the SDK.
func TestEveryMember(t *testing.T) {
	t.Parallel()
	for name, client := range map[string]any{"acm": &acm.Client{}, "kms": &kms.Client{}} {
		members := 0
		for _, typ := range structures(client) {
			var known []string
			for _, row := range slices.Concat(models[name].members[typ.Name()], later[name].members[typ.Name()]) {
				known = append(known, row.member)
				if f, ok := typ.FieldByName(row.member); !ok || !f.IsExported() {
					t.Errorf("%s: %s.%s is no member", name, typ.Name(), row.member)
				}
			}
			for i := range typ.NumField() {
				f := typ.Field(i)
				if !f.IsExported() {
					continue
				}
				members++
				if at := name + "." + typ.Name() + "." + f.Name; !slices.Contains(known, f.Name) && !newer.MatchString(at) {
					t.Errorf("%s is not in the table", at)
				}
			}
		}
		if members < 50 {
			t.Errorf("%s: got %d members", name, members)
		}
	}
}

// TestOf: what the API references say.
func TestOf(t *testing.T) {
	t.Parallel()
	c, required := Of(reflect.TypeFor[acm.ImportCertificateInput](), "PrivateKey")
	if c == nil || !required || !c.Sensitive || c.Minimum != 1 || c.Maximum != 5120 {
		t.Errorf("PrivateKey: %+v %t", c, required)
	}
	c, required = Of(reflect.TypeFor[kms.EncryptInput](), "GrantTokens")
	if c == nil || required || c.Maximum != 10 || c.Items == nil || c.Items.Maximum != 8192 {
		t.Errorf("GrantTokens: %+v %t", c, required)
	}
	if c, required := Of(reflect.TypeFor[strings.Builder](), "buf"); c != nil || required {
		t.Errorf("a type of no API: %+v %t", c, required)
	}
}

// TestPatterns holds the patterns that are more than a set of characters against texts that they take and do not; every pattern compiles.
func TestPatterns(t *testing.T) {
	t.Parallel()
	for name, m := range models {
		for shape := range m.shapes {
			compile(name, shape) // panics
		}
	}
	for _, c := range []struct {
		model, shape string
		yes, no      []string
	}{
		{"acm", "Arn", []string{"arn:aws:acm:us-east-1:111122223333:certificate/12345678-1234-1234-1234-123456789012"}, []string{"", "arn:aws:acm:us-east-1:x:certificate/a", "arn:aws:iam::111122223333:role/r", "arn:aws:acm:us-east-1:1:certificate/a\n"}},
		{"acm", "DomainNameString", []string{"example.com", "*.example.com", "a-b.example", "x.co"}, []string{"", "com", "-a.com", "a-.com", "a..com", "a.c", "*.*.com", "a_b.com", strings.Repeat("a", 64) + ".com", "a.-com"}},
		{"acm", "TagKey", []string{"é 1_.:/=+-@"}, []string{"a&b", "a\tb"}},
		{"kms", "AliasNameType", []string{"alias/a:_-"}, []string{"", "alias/a b", "alias/a\n"}},
		{"kms", "PolicyType", []string{"{\"a\":\"é\"}\n\t"}, []string{"", "\x00", "\u0100"}},
		{"kms", "KeyMaterialDescriptionType", []string{"a b/c"}, []string{"a;b"}},
	} {
		compiled := compile(c.model, c.shape)
		if compiled == nil || compiled.Matches == nil {
			t.Errorf("%s: no pattern", c.shape)
			continue
		}
		for _, s := range c.yes {
			if !compiled.Matches.MatchString(s) {
				t.Errorf("%s: %q is not taken", c.shape, s)
			}
		}
		for _, s := range c.no {
			if compiled.Matches.MatchString(s) {
				t.Errorf("%s: %q is taken", c.shape, s)
			}
		}
	}
}
