package awsquery_test

import (
	"encoding/xml"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"

	"darkroom/internal/awsquery"
)

// FuzzDecode: whatever comes in, nothing panics, what is said of it is bounded text, and the same form is read the same way again. A form that is
// taken has as many parameters as it sets members.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"", "Action=A", "Action=CreateUser&Version=2010-05-08&UserName=a&Path=/&Tags.member.1.Key=k&Tags.member.1.Value=v",
		"Action=A&Text=a&Plain=b&Colour=red&Flag=true&Small=1&Large=-1&Time=2026-07-01T12:30:05Z&Blob=AP8%3D&Inner.Name=a&Inner.More.member.1=b",
		"Action=A&Texts.member.1=a&Texts.member.2=b&Colours.member.1=blue&Numbers.member.1=x&Inners.member.1.More.member.1=a&Lists.member.1.member.1=a",
		"Action=A&Map.entry.1.key=a&Map.entry.1.value=b&Map.entry.2.key=a&Deep.entry.1.key=a&Deep.entry.1.value.Name=b",
		"Action=A&Texts=&Texts.member.1=a&Texts.member.0=a&Texts.member.01=a&Texts.member.3=a&Texts.member.99999999999=a&Texts.member=x",
		"Action=A&PolicyExclusionList.member.1.PolicyArn=a&PolicyExclusionList.member.1.PolicyType=scp&PolicyExclusionList.member.2.Foo=x",
		"Action=A&.=&..=&=&a..b=%00&Text.=%ff&Time=99999999999&Small=-&Large=9223372036854775808",
		"Action=AssumeRole&RoleArn=arn:aws:iam::1:role/R&RoleSessionName=s&PolicyArns.member.1.arn=a&Tags.member.1=&DurationSeconds=0",
	} {
		f.Add(seed)
	}
	inputs := []reflect.Type{
		reflect.TypeFor[everything](), reflect.TypeFor[iam.CreateUserInput](), reflect.TypeFor[iam.SimulatePrincipalPolicyInput](), reflect.TypeFor[iam.AcquireRoleInput](),
		reflect.TypeFor[iam.CreateDelegationRequestInput](), reflect.TypeFor[sts.AssumeRoleInput](), reflect.TypeFor[sts.GetCallerIdentityInput](),
	}
	f.Fuzz(func(t *testing.T, body string) {
		form, err := awsquery.Parse(body)
		if err != nil {
			if !utf8.ValidString(err.Error()) {
				t.Errorf("%q is not UTF-8", err)
			}
			return
		}
		for _, typ := range inputs {
			first, second := reflect.New(typ).Interface(), reflect.New(typ).Interface()
			faults := form.Decode(first)
			again := form.Decode(second)
			if diff := cmp.Diff(faults, again); diff != "" {
				t.Fatal(diff)
			}
			if diff := cmp.Diff(first, second, ignoreSDK); diff != "" {
				t.Fatal(diff)
			}
			if len(faults) > awsquery.MaxFaults {
				t.Fatalf("got %d faults", len(faults))
			}
			message := awsquery.Message(faults)
			if !utf8.ValidString(message) {
				t.Fatalf("%q is not UTF-8", message)
			}
			if err := readXML(awsquery.EncodeError(iamNamespace, awsquery.Sender, "ValidationError", message, requestID)); err != nil {
				t.Fatal(err)
			}
			if faults == nil {
				if _, err := awsquery.Encode("A", iamNamespace, requestID, first); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// FuzzEncode: whatever texts an answer holds, it is XML, and says what they were but for what XML cannot carry.
func FuzzEncode(f *testing.F) {
	for _, seed := range []string{"", "a", "<&>\"'", "]]>", "\r\n\t", "\x00\x1f\x7f", "\ufffe\uffff", "\xff\xc3", "\xed\xa0\x80", "🎬", "<!-- -->", "<?xml?>", "&#0;"} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		var e errorBody
		document := awsquery.EncodeError(first, awsquery.Receiver, second, first, second)
		if err := xml.Unmarshal(document, &e); err != nil {
			t.Fatalf("%v: %s", err, document)
		}
		got := []string{e.Type, e.Code, e.Message, e.RequestID}
		if diff := cmp.Diff([]string{"Receiver", carried(second), carried(first), carried(second)}, got); diff != "" {
			t.Fatal(diff)
		}
		out := &iam.GetUserOutput{User: &types.User{UserName: &first, Path: &second, Tags: []types.Tag{{Key: &second, Value: &first}}}}
		document, err := awsquery.Encode("GetUser", iamNamespace, first, out)
		if err != nil {
			t.Fatal(err)
		}
		var u struct {
			Name  string `xml:"GetUserResult>User>UserName"`
			Path  string `xml:"GetUserResult>User>Path"`
			Key   string `xml:"GetUserResult>User>Tags>member>Key"`
			Value string `xml:"GetUserResult>User>Tags>member>Value"`
			ID    string `xml:"ResponseMetadata>RequestId"`
		}
		if err := xml.Unmarshal(document, &u); err != nil {
			t.Fatalf("%v: %s", err, document)
		}
		got = []string{u.Name, u.Path, u.Key, u.Value, u.ID}
		if diff := cmp.Diff([]string{carried(first), carried(second), carried(second), carried(first), carried(first)}, got); diff != "" {
			t.Fatal(diff)
		}
		summary := &iam.GetAccountPropertiesOutput{Properties: map[string]string{first: second, second: first}}
		if document, err = awsquery.Encode("GetAccountProperties", second, first, summary); err != nil {
			t.Fatal(err)
		}
		if err := readXML(document); err != nil {
			t.Fatalf("%v: %s", err, document)
		}
	})
}

// carried returns a text as XML 1.0 section 2.2 lets it through.
func carried(s string) string {
	var b strings.Builder
	for _, r := range s { // what is not UTF-8 is U+FFFD, byte by byte
		if r == '\t' || r == '\n' || r == '\r' || r >= ' ' && r <= 0xd7ff || r >= 0xe000 && r <= 0xfffd || r >= 0x10000 {
			b.WriteRune(r)
		} else {
			b.WriteRune(utf8.RuneError)
		}
	}
	return b.String()
}
