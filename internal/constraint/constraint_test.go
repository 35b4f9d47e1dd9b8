package constraint

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// newer are the operations and members of the SDK that are newer than the models: none of the operations is offered.
var newer = regexp.MustCompile(`^acm\.(.*Acme.*|ListCertificateDomainValidations|(ListTagsFor|Tag|Untag)Resource)Input|^kms\.(De|En)capsulateInput` +
	`|^acm\.(ListCertificatesInput|AcmCertificateMetadataFilter)\.CertificateKeyPairOrigins?$|^acm\.RequestCertificateInput\.|^acm\.(PrevalidationOptions|CertificateAuthority|PublicCertificateAuthority|Dns.*Options)`)

// unread are structures of the tables that stand below unions of the SDK, in inputs of operations that are not offered.
var unread = regexp.MustCompile(`^acm\.(CertificateFilter.*|.*AttributeFilter|.*MetadataFilter|Subject.*Filter|CommonNameFilter|DnsNameFilter|TimestampRange)$`)

// unions have the structures that stand behind the members of the unions of inputs.
var unions = map[reflect.Type][]reflect.Type{
	reflect.TypeFor[iamtypes.PolicyIdentifier](): {reflect.TypeFor[iamtypes.InlinePolicyIdentifierType]()},
}

// TestUnion: the members of a union are in the table too.
func TestUnion(t *testing.T) {
	t.Parallel()
	for _, member := range []string{"InlinePolicyIdentifier", "PolicyArn", "PolicyType"} {
		if !slices.ContainsFunc(models["iam"].members["PolicyIdentifier"], func(r memberRow) bool { return r.member == member }) {
			t.Errorf("PolicyIdentifier.%s is not in the table", member)
		}
	}
	if c, _ := Of(reflect.TypeFor[iamtypes.PolicyIdentifier](), "PolicyArn"); c == nil || c.Maximum != 2048 {
		t.Errorf("PolicyArn: %+v", c)
	}
}

// structures returns the structures that the inputs of a client reach.
func structures(client any) []reflect.Type {
	var all []reflect.Type
	var walk func(t reflect.Type)
	walk = func(t reflect.Type) {
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			walk(t.Elem())
		case reflect.Interface:
			for _, member := range unions[t] {
				walk(member)
			}
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
	for name, client := range map[string]any{"acm": &acm.Client{}, "cloudtrail": &cloudtrail.Client{}, "eventbridge": &eventbridge.Client{}, "iam": &iam.Client{}, "kms": &kms.Client{}, "sts": &sts.Client{}} {
		members := 0
		all := structures(client)
		for structure := range models[name].members {
			if structure != "PolicyIdentifier" && !slices.ContainsFunc(all, func(t reflect.Type) bool { return t.Name() == structure }) && !unread.MatchString(name+"."+structure) {
				t.Errorf("%s: %s is in the table and no part of an input", name, structure)
			}
		}
		for _, typ := range all {
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

// TestPatterns holds every pattern of the tables against texts that it takes and does not.
func TestPatterns(t *testing.T) {
	t.Parallel()
	untested := make(map[string]*regexp.Regexp)
	for name, m := range models {
		for _, shapes := range []map[string]shapeRow{m.shapes, later[name].shapes} {
			for shape, row := range shapes {
				if row.pattern != "" {
					untested[row.pattern] = compile(name, shape).Matches
				}
			}
		}
	}
	text := "\t\n\r ~\u00ff"
	events := "arn:aws:events:us-east-1:111122223333:"
	certificate := "arn:aws:acm:us-east-1:111122223333:certificate/12345678-1234-1234-1234-123456789012"
	for _, c := range []struct {
		pattern string
		yes, no []string
	}{
		{`[\w+=,.@-]+`, []string{"a", "A_1+=,.@-"}, []string{"", "a b", "a/b", "é", "a\n", "\na", "a:b"}},
		{`[\w+=,.@-]*`, []string{"", "a"}, []string{"a b", "a\n"}},
		{`[\w._-]+`, []string{"a._-1"}, []string{"", "a+b", "a=b"}},
		{`[\w+=/:,.@-]+`, []string{"arn:aws:iam::1:mfa/a"}, []string{"", "a b", "a;b"}},
		{`[\w+=/:,.@-]*`, []string{"", "arn:aws:iam::1:mfa/a"}, []string{"a b"}},
		{`[\w+=,.@:\/-]*`, []string{"", "a:/b"}, []string{"a b", `a\b`}},
		{`[\w]+`, []string{"AKIA_1"}, []string{"", "a-b"}},
		{`[\w]*`, []string{"", "AKIA_1"}, []string{"a-b"}},
		{`[\w-]*`, []string{"", "s3-a"}, []string{"a.b"}},
		{`[\w-]+`, []string{"s3-a"}, []string{"", "a.b"}},
		{`[\d]+`, []string{"123456"}, []string{"", "12a", "١"}},
		{`[\d]*`, []string{"", "123456"}, []string{"12a", "-1"}},
		{`\d{12}`, []string{"111122223333"}, []string{"11112222333", "1111222233334", "11112222333a"}},
		{`[A-Z0-9]+`, []string{"AB12"}, []string{"", "ab", "A-B"}},
		{`[ -~]+`, []string{" ~"}, []string{"", "\t", "é"}},
		{`v[1-9][0-9]*(\.[A-Za-z0-9-]*)?`, []string{"v1", "v12", "v1.", "v1.a-b"}, []string{"", "1", "v0", "v01", "v", "V1", "v1.a.b"}},
		{`(\u002F)|(\u002F[\u0021-\u007E]+\u002F)`, []string{"/", "/a/", "/a/b/", "//a//"}, []string{"", "a", "/a", "a/", "/a b/", "/é/", "/\n", "//"}},
		{`((/[A-Za-z0-9\.,\+@=_-]+)*)/`, []string{"/", "/a/", "/a/b+c/"}, []string{"", "a", "/a", "//", "/a b/", "/a!/"}},
		{`\u002F[\u0021-\u007F]*`, []string{"/", "/a", "/a/b"}, []string{"", "a", "/a b", "/é"}},
		{`[\u0020-\u00FF]+`, []string{" ~\u00ff"}, []string{"", "\t", "\u0100"}},
		{`[\u0009\u000A\u000D\u0020-\u00FF]+`, []string{text, "{}"}, []string{"", "\x00", "\x0b", "\u0100", "🎬"}},
		{`[\u0009\u000A\u000D\u0020-\u007E\u00A1-\u00FF]+`, []string{text}, []string{"", "\x7f", "\u00a0", "\u0100"}},
		{`[\u0009\u000A\u000D\u0020-\u007E\u00A1-\u00FF]*`, []string{"", text}, []string{"\x7f", "\u00a0", "\u0100"}},
		{
			`[\u0009\u000A\u000D\u0020-\u007E\u0085\u00A0-\uD7FF\uE000-\uFFFD\u10000-\u10FFFF]+`,
			[]string{text, "\u0085\ud7ff\ue000\ufffd\U00010000\U0010ffff"},
			[]string{"", "\x00", "\x7f", "\u0084", "\ufffe"},
		},
		{`[\p{L}\p{Z}\p{N}_.:/=+\-@]+`, []string{"é 1_.:/=+-@", "\u00a0", "字"}, []string{"", "a&b", "a,b", "a\tb", "(a)", "🎬"}},
		{`[\p{L}\p{Z}\p{N}_.:/=+\-@]*`, []string{"", "é 1"}, []string{"a&b", "a\nb"}},
		{`^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$`, []string{"abc", "a-b", "1-2-3"}, []string{"", "a", "-ab", "ab-", "a--b", "Abc", "a_b", "a-b\n"}},
		{`^[a-zA-Z0-9:_.-]+$`, []string{"a:B_.-"}, []string{"", "a/b", "a\n"}},
		{`^[a-zA-Z0-9:/+=,.@_-]+$`, []string{"arn:aws:iam::1:user/a"}, []string{"", "a b"}},
		{`^http(s?)://[a-zA-Z0-9._/-]*(\?[a-zA-Z0-9._=&-]*)?(#[a-zA-Z0-9._/-]*)?$`, []string{"http://a", "https://a/b?c=d&e#f"}, []string{"", "ftp://a", "https://a:1", "https://a b", "x https://a", "https://a\n"}},
		{`^o-[0-9a-z]{10,32}\/r-[0-9a-z]{4,32}[0-9a-z-\/]*`, []string{"o-a1b2c3d4e5/r-f6g7", "o-a1b2c3d4e5/r-f6g7/ou-1/"}, []string{"", "o-a1b2c3d4e/r-f6g7", "xo-a1b2c3d4e5/r-f6g7", "o-a1b2c3d4e5/r-f6g7/A"}},
		{`^[a-zA-Z0-9._/\-:$]+$`, []string{"a/$b:c"}, []string{"", "a b"}},
		{`^[a-zA-Z0-9._\-]+$`, []string{"a.b_c-d"}, []string{"", "a/b", "a\n"}},
		{`^[a-zA-Z0-9._/\-:]+$`, []string{"a/b:c"}, []string{"", "a*b"}},
		{`^[a-zA-Z][a-zA-Z0-9._\-]*$`, []string{"a", "a1._-"}, []string{"", "1a", "a b"}},
		{`^[\w\d\s_.,\-:\[\]]+$`, []string{"a 1_.,-:[]"}, []string{"", "a;", "é"}},
		{`^[0-9]{2}:[0-9]{2}`, []string{"06:30"}, []string{"", "6:30", "06:3a", "06:300"}},
		{`^[a-zA-Z0-9_\-]+$`, []string{"a_B-1"}, []string{"", "a.b", "a\n"}},
		{`[\w|\d|\.|_]+`, []string{"userIdentity.arn", "a|b"}, []string{"", "a-b", "a b"}},
		{`^[a-z0-9_-]+\.amazonaws\.com$`, []string{"s3.amazonaws.com"}, []string{"", ".amazonaws.com", "s3.amazonaws.org", "S3.amazonaws.com"}},
		{`(?s).*`, []string{"", "a\nb"}, nil},
		{`.*`, []string{"", "a b"}, []string{"a\nb"}},
		{`.+`, []string{"a b"}, []string{"", "a\nb"}},
		{`^[a-zA-Z0-9._\- ]+$`, []string{"a B._-"}, []string{"", "a/b", "a\n"}},
		{`^[a-zA-Z0-9._/\-:@=\+,\.]+$`, []string{"a/b:c@d=e+f,g"}, []string{"", "a b"}},
		{`\d+`, []string{"12"}, []string{"", "1a"}},
		{`s3://[a-z0-9][\.\-a-z0-9]{1,61}[a-z0-9](/.*)?`, []string{"s3://abc", "s3://a.b-c/d e"}, []string{"", "s3://a", "s3://Abc", "x s3://abc"}},
		{`^[a-zA-Z0-9._/\-:*]+$`, []string{"arn:aws:s3:::b/*"}, []string{"", "a b"}},
		{`^[A-Za-z0-9_]+$`, []string{"a_B1"}, []string{"", "a-b"}},
		{`^[a-f0-9\-]+$`, []string{"0a-f"}, []string{"", "g", "A"}},
		{`^[ -~\n]*$`, []string{"", "a\n~"}, []string{"\t", "é"}},
		{`^p-[0-9a-zA-Z_]{8,128}$`, []string{"p-01234567"}, []string{"", "p-0123456", "x-01234567", "p-01234567\n"}},
		{"^[A-Za-z][A-Za-z0-9/_-]*$", []string{"a", "RoleManager/Enabled"}, []string{"", "1a", "/a", "a.b"}},
		// ACM
		{`arn:[\w+=/,.@-]+:acm:[\w+=/,.@-]*:[0-9]+:[\w+=,.@-]+(/[\w+=,.@-]+)*`, []string{certificate}, []string{"", "arn:aws:acm:us-east-1:x:certificate/a", "arn:aws:iam::111122223333:role/r", certificate + "\n", "x" + certificate}},
		{`arn:[\w+=/,.@-]+:acm-pca:[\w+=/,.@-]*:[0-9]+:[\w+=,.@-]+(/[\w+=,.@-]+)*`, []string{"arn:aws:acm-pca:us-east-1:111122223333:certificate-authority/a"}, []string{"", certificate}},
		{
			`(\*\.)?(((?!-)[A-Za-z0-9-]{0,62}[A-Za-z0-9])\.)+((?!-)[A-Za-z0-9-]{1,62}[A-Za-z0-9])`,
			[]string{"example.com", "*.example.com", "a-b.example", "x.co", strings.Repeat("a", 63) + ".com"},
			[]string{"", "com", "-a.com", "a-.com", "a..com", "a.c", "*.*.com", "a_b.com", strings.Repeat("a", 64) + ".com", "a.-com", "a.com\n"},
		},
		{`\w+`, []string{"token_1"}, []string{"", "a-b"}},
		{`[\u0009\u000A\u000D\u0020-\u00FF]*`, []string{"", text}, []string{"\x00", "\u0100"}},
		{"[0-9a-f]{2}(:[0-9a-f]{2}){1,19}", []string{"0f:ab", "00:11:22"}, []string{"", "0f", "0F:AB", "0f:ab:", strings.Repeat("00:", 20) + "00"}},
		{`[\p{L}\p{Z}\p{N}_.:\/=+\-@]*`, []string{"", "é 1_.:/=+-@"}, []string{"a&b", "a\tb"}},
		// EventBridge
		{`^(?!\s*$).+`, []string{"a", " a ", "é"}, []string{"", " ", "\t \n", "a\nb"}},
		{`events:[a-zA-Z]+`, []string{"events:PutEvents"}, []string{"", "events:", "s3:PutObject", "events:Put-Events"}},
		{`[\.\-_A-Za-z0-9]+`, []string{"a.b-c_D9"}, []string{"", "a/b", "a b", "é"}},
		{`^arn:aws([a-z]|\-)*:events:([a-z]|\d|\-)*:([0-9]{12})?:.+\/.+$`, []string{events + "archive/a"}, []string{"", events + "archive", events + "/", "arn:aws:s3:us-east-1:111122223333:a/b"}},
		{`^[ \t]*[^\x00-\x1F:\x7F]+([ \t]+[^\x00-\x1F:\x7F]+)*[ \t]*$`, []string{"X-Key", " a\tb "}, []string{"", "a:b", "a\nb", "\x7f"}},
		{`^arn:aws([a-z]|\-)*:events:([a-z]|\d|\-)*:([0-9]{12})?:connection\/[\.\-_A-Za-z0-9]+\/[\-A-Za-z0-9]+$`, []string{events + "connection/a/0-f"}, []string{"", events + "connection/a", events + "api-destination/a/b"}},
		{`^[A-Za-z0-9\-]+[\.][A-Za-z0-9\-]+$`, []string{"abcde.veo"}, []string{"", "abc", "a.b.c", ".a"}},
		{`[/\.\-_A-Za-z0-9]+`, []string{"default", "aws.partner/a"}, []string{"", "a b", "a:b"}},
		{`(arn:aws[\w-]*:events:[a-z]+-[a-z]+-[\w-]+:[0-9]{12}:event-bus\/)?[/\.\-_A-Za-z0-9]+`, []string{"default", "aws.partner/a", events + "event-bus/default"}, []string{"", events + "rule/a", "a b"}},
		{`aws\.partner(/[\.\-_A-Za-z0-9]+){2,}`, []string{"aws.partner/a/b"}, []string{"", "aws.partner/a", "aws.partner//"}},
		{"^[!#$%&'*+-.^_`|~0-9a-zA-Z]+$", []string{"X-Key", "a|b"}, []string{"", "a b", "a:b", "é"}},
		{`^[ \t]*[\x20-\x7E]+([ \t]+[\x20-\x7E]+)*[ \t]*$`, []string{"a", "a b:c"}, []string{"", "é", "a\nb"}},
		{`^arn:aws([a-z]|\-)*:route53:::healthcheck/[\-a-z0-9]+$`, []string{"arn:aws:route53:::healthcheck/0-f"}, []string{"", "arn:aws:route53:::healthcheck/"}},
		{`^[\-a-z0-9]+$`, []string{"us-east-1"}, []string{"", "US", "a b"}},
		{`^((%[0-9A-Fa-f]{2}|[-()_.!~*';/?:@\x26=+$,A-Za-z0-9])+)([).!';/?:,])?$`, []string{"https://a.example/b?c=d&e=%20", "https://a/*"}, []string{"", "https://a b", "https://a/#f", "https://a/%2"}},
		{`^arn:aws[a-z-]*:iam::\d{12}:role\/[\w+=,.@/-]+$`, []string{"arn:aws:iam::111122223333:role/a/b"}, []string{"", "arn:aws:iam::111122223333:user/a", "arn:aws:iam::1:role/a"}},
		{`[A-Za-z0-9\_\-]+`, []string{"a_b-C"}, []string{"", "a.b", "<a>"}},
		{`^[a-zA-Z0-9_\-/:]*$`, []string{"", "alias/a"}, []string{"a b"}},
		{`^arn:aws[a-z-]*:events:[a-z]+-[a-z-]+-\d+:\d{12}:event-bus/[\w.-]+$`, []string{events + "event-bus/default"}, []string{"", events + "event-bus/a/b", "default"}},
		{`(arn:aws[\w-]*:events:[a-z]+-[a-z]+-[\w-]+:[0-9]{12}:event-bus\/)?[\.\-_A-Za-z0-9]+`, []string{"default", events + "event-bus/default"}, []string{"", "a/b"}},
		{`aws\.partner/[\.\-_A-Za-z0-9]+/[/\.\-_A-Za-z0-9]*`, []string{"aws.partner/a/", "aws.partner/a/b/c"}, []string{"", "aws.partner/a"}},
		{`(\d{12}|\*)`, []string{"*", "111122223333"}, []string{"", "**", "1"}},
		{`[^\x00-\x1F\x7F]+`, []string{"a b", "é"}, []string{"", "a\n", "\x7f"}},
		{`[^\x00-\x09\x0B\x0C\x0E-\x1F\x7F]+`, []string{"a", "a\r\nb"}, []string{"", "\t", "\x7f"}},
		{`(^arn:aws([a-z]|\-)*:secretsmanager:[a-z0-9-.]+:.*)|(\$(\.[\w_-]+(\[(\d+|\*)\])*)*)`, []string{"$", "$.a[0].b[*]", "arn:aws:secretsmanager:us-east-1:a"}, []string{"", "a", "$a"}},
		{
			`^(?:^arn:[a-z0-9\-]+:vpc-lattice:[a-zA-Z0-9\-]+:\d{12}:resourceconfiguration/rcfg-[0-9a-z]{17}$|^$)`,
			[]string{"", "arn:aws:vpc-lattice:us-east-1:111122223333:resourceconfiguration/rcfg-" + strings.Repeat("0", 17)},
			[]string{"a", "arn:aws:vpc-lattice:us-east-1:111122223333:resourceconfiguration/rcfg-0"},
		},
		{`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`, []string{"", "é 1_.:/=+-@"}, []string{"a&b"}},
		{`^[a-zA-Z0-9](-*[a-zA-Z0-9])*$`, []string{"a--b"}, []string{"", "-a", "a-"}},
		{`[a-zA-Z0-9-_]+`, []string{"a-b_c"}, []string{"", "a.b"}},
		// KMS
		{"[0-9]{12}", []string{"111122223333"}, []string{"11112222333", "1111222233334"}},
		{"^[a-zA-Z0-9:/_-]+$", []string{"alias/a:_-"}, []string{"", "alias/a b", "alias/a\n", "alias/é"}},
		{"^[a-f0-9]+$", []string{"0af"}, []string{"", "0AF", "g"}},
		{"cluster-[2-7a-zA-Z]{11,16}", []string{"cluster-abcdefghijk"}, []string{"cluster-abcdefghij", "cluster-abcdefghij1", "x"}},
		{`^[a-zA-Z0-9:/_\s.-]+$`, []string{"a b/c\n"}, []string{"", "a;b"}},
		{`[\u0020-\u00FF]*`, []string{"", "a\u00ff"}, []string{"\t", "\u0100"}},
		{`^[\w+=,.@:/-]+$`, []string{"arn:aws:iam::111122223333:user/ann"}, []string{"", "a b", "a*"}},
		{`^([a-z]+-){2,3}\d+$`, []string{"us-east-1", "us-gov-west-1"}, []string{"", "useast1", "us-east-1a", "a-b-c-d-1"}},
		{"^[a-zA-Z0-9-_.]+$", []string{"a-b_c.d"}, []string{"", "a/b"}},
		{"^[A-Z2-7]+$", []string{"ABC234"}, []string{"", "abc", "1"}},
		{`^[a-zA-Z0-9\/+=]+$`, []string{"aA0/+="}, []string{"", "a-b"}},
		{"^https://[a-zA-Z0-9.-]+$", []string{"https://a.example"}, []string{"", "http://a", "https://a:1", "https://a/b"}},
		{`^(/[a-zA-Z0-9\/_-]+/kms/xks/v\d{1,2})$|^(/kms/xks/v\d{1,2})$`, []string{"/kms/xks/v1", "/a/b/kms/xks/v12"}, []string{"", "/kms/xks/v", "/kms/xks/v123", "kms/xks/v1"}},
		{`^(com|eu)\.amazonaws\.vpce\.([a-z]+-){2,3}\d+\.vpce-svc-[0-9a-z]+$`, []string{"com.amazonaws.vpce.us-east-1.vpce-svc-0a"}, []string{"", "com.amazonaws.vpce.us-east-1.vpce-svc-", "org.amazonaws.vpce.us-east-1.vpce-svc-0a"}},
	} {
		t.Run(c.pattern, func(t *testing.T) {
			compiled := untested[c.pattern]
			if compiled == nil {
				t.Fatal("is not in the tables")
			}
			delete(untested, c.pattern)
			for _, s := range c.yes {
				if !compiled.MatchString(s) {
					t.Errorf("%q is not taken", s)
				}
			}
			for _, s := range c.no {
				if compiled.MatchString(s) {
					t.Errorf("%q is taken", s)
				}
			}
		})
	}
	for pattern := range untested {
		t.Errorf("%s is not tested", pattern)
	}
}
