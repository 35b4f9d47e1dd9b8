package awsquery_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"

	"darkroom/internal/awsquery"
)

func ptr[T any](v T) *T { return &v }

// colour is an enumeration; everything has each form that a value can have.
type colour string

func (colour) Values() []colour { return []colour{"red", "green"} }

// word is no enumeration.
type word string

type everything struct {
	Text    *string
	Plain   string
	Colour  colour
	Flag    *bool
	Small   *int32
	Large   *int64
	Time    *time.Time
	Blob    []byte
	Inner   *inner
	Texts   []string
	Colours []colour
	Numbers []int32
	Inners  []inner
	Lists   [][]string
	Map     map[string]string
	Deep    map[string]inner

	Pointers []*string
	Mapped   map[string]*string
}

type inner struct {
	Name *string
	More []string
}

func decode(t *testing.T, body string, into any) []awsquery.Fault {
	t.Helper()
	f, err := awsquery.Parse("Action=A&" + body)
	if err != nil {
		t.Fatal(err)
	}
	return f.Decode(into)
}

func TestDecode(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 7, 1, 12, 30, 5, 0, time.UTC)
	for _, c := range []struct {
		name, body string
		want       everything
	}{
		{"nothing", "", everything{}},
		{"string", "Text=a%20b+c%26", everything{Text: ptr("a b c&")}},
		{"empty string is not nil", "Text=", everything{Text: ptr("")}},
		{"string without a pointer", "Plain=a", everything{Plain: "a"}},
		{"enumeration", "Colour=green", everything{Colour: "green"}},
		{"true", "Flag=true", everything{Flag: ptr(true)}},
		{"false is not nil", "Flag=false", everything{Flag: ptr(false)}},
		{"integer", "Small=-12", everything{Small: ptr(int32(-12))}},
		{"leading zeros", "Small=007", everything{Small: ptr(int32(7))}},
		{"smallest of 32 bits", "Small=-2147483648", everything{Small: ptr(int32(-2147483648))}},
		{"largest of 64 bits", "Large=9223372036854775807", everything{Large: ptr(int64(9223372036854775807))}},
		{"smallest of 64 bits", "Large=-9223372036854775808", everything{Large: ptr(int64(-9223372036854775808))}},
		{"largest with zeros", "Large=0009223372036854775807", everything{Large: ptr(int64(9223372036854775807))}},
		{"time", "Time=2026-07-01T12:30:05Z", everything{Time: &at}},
		{"time with offset", "Time=2026-07-01T14:30:05%2B02:00", everything{Time: &at}},
		{"time with fraction", "Time=2026-07-01T12:30:05.5Z", everything{Time: ptr(at.Add(time.Second / 2))}},
		{"seconds since the epoch", fmt.Sprintf("Time=%d", at.Unix()), everything{Time: &at}},
		{"blob", "Blob=AP8%3D", everything{Blob: []byte("\x00\xff")}},
		{"empty blob", "Blob=", everything{Blob: []byte{}}},
		{"structure", "Inner.Name=a", everything{Inner: &inner{Name: ptr("a")}}},
		{"list in a structure", "Inner.More.member.1=a", everything{Inner: &inner{More: []string{"a"}}}},
		{"empty list is not nil", "Texts=", everything{Texts: []string{}}},
		{"list", "Texts.member.1=a&Texts.member.2=b", everything{Texts: []string{"a", "b"}}},
		{"list out of order", "Texts.member.2=b&Texts.member.1=a", everything{Texts: []string{"a", "b"}}},
		{"items that are the same", "Texts.member.1=a&Texts.member.2=a", everything{Texts: []string{"a", "a"}}},
		{"ten items", "Texts.member.10=j&" + numbered("Texts.member.", 9), everything{Texts: []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "j"}}},
		{"enumerations", "Colours.member.1=red", everything{Colours: []colour{"red"}}},
		{"integers", "Numbers.member.1=1", everything{Numbers: []int32{1}}},
		{"structures", "Inners.member.1.Name=a&Inners.member.2.More.member.1=b", everything{Inners: []inner{{Name: ptr("a")}, {More: []string{"b"}}}}},
		{"lists in a list", "Lists.member.1.member.1=a&Lists.member.2=", everything{Lists: [][]string{{"a"}, {}}}},
		{"map", "Map.entry.1.key=a&Map.entry.1.value=b", everything{Map: map[string]string{"a": "b"}}},
		{"empty map is not nil", "Map=", everything{Map: map[string]string{}}},
		{"map of structures", "Deep.entry.1.key=a&Deep.entry.1.value.Name=b", everything{Deep: map[string]inner{"a": {Name: ptr("b")}}}},
		{"pointers in a list", "Pointers.member.1=a", everything{Pointers: []*string{ptr("a")}}},
		{"pointers in a map", "Mapped.entry.1.key=a&Mapped.entry.1.value=b", everything{Mapped: map[string]*string{"a": ptr("b")}}},
		{"longest list", numbered("Texts.member.", awsquery.MaxList), everything{Texts: numbers(awsquery.MaxList)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got everything
			if faults := decode(t, c.body, &got); faults != nil {
				t.Fatal(awsquery.Message(faults))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func numbers(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint(i + 1)
	}
	return all
}

func numbered(prefix string, n int) string {
	var parts []string
	for _, i := range numbers(n) {
		parts = append(parts, prefix+i+"="+i)
	}
	return strings.Join(parts, "&")
}

// TestDecodeRefuses has the whole message for each form that is refused.
func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	const all = "[Text, Plain, Colour, Flag, Small, Large, Time, Blob, Inner, Texts, Colours, Numbers, Inners, Lists, Map, Deep, Pointers, Mapped]"
	for _, c := range []struct{ name, body, want string }{
		// Names.
		{"unknown", "Foo=secret", "Value at 'Foo' failed to satisfy constraint: Member must be a parameter of the operation: " + all},
		{"other case", "text=a", "Value at 'text' failed to satisfy constraint: Member must be a parameter of the operation: [Text]"},
		{"space after the name", "Text+=a", "Value at 'Text ' failed to satisfy constraint: Member must be a parameter of the operation: " + all},
		{"empty name", "=a", "Value at '' failed to satisfy constraint: Member must be a parameter of the operation: " + all},
		{"dot alone", ".=a", "Value at '.' failed to satisfy constraint: Member must be a parameter of the operation: " + all},
		{"dot at the end", "Text.=a", "Value at 'Text.' failed to satisfy constraint: Member must be a parameter of the operation: [Text]"},
		{"dot at the begin", ".Text=a", "Value at '.Text' failed to satisfy constraint: Member must be a parameter of the operation: " + all},
		{"below a string", "Text.Foo=a", "Value at 'Text.Foo' failed to satisfy constraint: Member must be a parameter of the operation: [Text]"},
		{"a string and below it", "Text=a&Text.member.1=a", "Value at 'Text.member.1' failed to satisfy constraint: Member must be a parameter of the operation: [Text]"},
		{"unknown in a structure", "Inner.Foo=a", "Value at 'Inner.Foo' failed to satisfy constraint: Member must be a parameter of the operation: [Name, More]"},
		{"unknown in an item", "Inners.member.1.Foo=a", "Value at 'Inners.member.1.Foo' failed to satisfy constraint: Member must be a parameter of the operation: [Name, More]"},
		{"SDK's own member", "ResultMetadata=a", "Value at 'ResultMetadata' failed to satisfy constraint: Member must be a parameter of the operation: " + all},
		{"repeated", "Text=a&Text=a", "Value at 'Text' failed to satisfy constraint: Member must be given only once"},
		{"repeated thrice is said once", "Text=a&Text=b&Text=c", "Value at 'Text' failed to satisfy constraint: Member must be given only once"},
		{"repeated in another escape", "Text=a&%54ext=b", "Value at 'Text' failed to satisfy constraint: Member must be given only once"},
		{"repeated item", "Texts.member.1=a&Texts.member.1=b", "Value at 'Texts.member.1' failed to satisfy constraint: Member must be given only once"},
		{"list as a whole and by items", "Texts=&Texts.member.1=a", "Value at 'Texts' failed to satisfy constraint: Member must be given only once"},
		{"other word than member", "Texts.item.1=a", "Value at 'Texts.item.1' failed to satisfy constraint: Member must be a parameter of the operation: [Texts.member]"},
		{"flattened list", "Texts.1=a", "Value at 'Texts.1' failed to satisfy constraint: Member must be a parameter of the operation: [Texts.member]"},
		{"member in upper case", "Texts.Member.1=a", "Value at 'Texts.Member.1' failed to satisfy constraint: Member must be a parameter of the operation: [Texts.member]"},
		{"member without a number", "Texts.member=a", "Value at 'Texts.member' failed to satisfy constraint: Member must be a parameter of the operation: [Texts.member.1]"},
		{"member without a number and with one", "Texts.member=a&Texts.member.1=b", "Value at 'Texts.member' failed to satisfy constraint: Member must be a parameter of the operation: [Texts.member.1]"},
		{"structure's member on a list", "Inners.member.Name=a", "Value at 'Inners.member.Name' failed to satisfy constraint: Member must be numbered from 1 without a gap: expected a number without a sign or leading zeros"},
		{"zero", "Texts.member.0=a", "Value at 'Texts.member.0' failed to satisfy constraint: Member must be numbered from 1 without a gap: expected a number without a sign or leading zeros"},
		{"leading zero", "Texts.member.01=a", "Value at 'Texts.member.01' failed to satisfy constraint: Member must be numbered from 1 without a gap: expected a number without a sign or leading zeros"},
		{"leading zero beside the number", "Texts.member.1=a&Texts.member.01=b", "Value at 'Texts.member.01' failed to satisfy constraint: Member must be numbered from 1 without a gap: expected a number without a sign or leading zeros"},
		{"negative", "Texts.member.-1=a", "Value at 'Texts.member.-1' failed to satisfy constraint: Member must be numbered from 1 without a gap: expected a number without a sign or leading zeros"},
		{"sign", "Texts.member.%2B1=a", "Value at 'Texts.member.+1' failed to satisfy constraint: Member must be numbered from 1 without a gap: expected a number without a sign or leading zeros"},
		{"digits of another script", "Texts.member.%D9%A1=a", "Value at 'Texts.member.١' failed to satisfy constraint: Member must be numbered from 1 without a gap: expected a number without a sign or leading zeros"},
		{"number and more", "Texts.member.1x=a", "Value at 'Texts.member.1x' failed to satisfy constraint: Member must be numbered from 1 without a gap: expected a number without a sign or leading zeros"},
		{"no number", "Texts.member.=a", "Value at 'Texts.member.' failed to satisfy constraint: Member must be numbered from 1 without a gap: expected a number without a sign or leading zeros"},
		{"gap", "Texts.member.1=a&Texts.member.3=c", "Value at 'Texts.member' failed to satisfy constraint: Member must be numbered from 1 without a gap: expected Texts.member.2"},
		{"begins at two", "Texts.member.2=a", "Value at 'Texts.member' failed to satisfy constraint: Member must be numbered from 1 without a gap: expected Texts.member.1"},
		{"gap before the largest", "Texts.member.1000=a", "Value at 'Texts.member' failed to satisfy constraint: Member must be numbered from 1 without a gap: expected Texts.member.1"},
		{"gap in a map", "Map.entry.2.key=a&Map.entry.2.value=b", "Value at 'Map.entry' failed to satisfy constraint: Member must be numbered from 1 without a gap: expected Map.entry.1"},
		{"map by members", "Map.member.1.key=a", "Value at 'Map.member.1.key' failed to satisfy constraint: Member must be a parameter of the operation: [Map.entry]"},
		{"map by names", "Map.a=b", "Value at 'Map.a' failed to satisfy constraint: Member must be a parameter of the operation: [Map.entry]"},
		{"unknown in an entry", "Map.entry.1.key=a&Map.entry.1.value=b&Map.entry.1.name=c", "Value at 'Map.entry.1.name' failed to satisfy constraint: Member must be a parameter of the operation: [key, value]"},
		{"key twice", "Map.entry.1.key=a&Map.entry.1.value=b&Map.entry.2.key=a&Map.entry.2.value=c", "Value at 'Map.entry.2.key' failed to satisfy constraint: Member must be given only once"},

		// Lists, structures and maps as values.
		{"number beyond the longest list", numbered("Texts.member.", awsquery.MaxList+1), "Value at 'texts' failed to satisfy constraint: Member must have length less than or equal to 1000"},
		{"number beyond every integer", "Texts.member.99999999999999999999999=a", "Value at 'texts' failed to satisfy constraint: Member must have length less than or equal to 1000"},
		{"list as a value", "Texts=a", "Value at 'texts' failed to satisfy constraint: Member must be a list, whose parts are named Texts.member.1"},
		{"map as a value", "Map=a", "Value at 'map' failed to satisfy constraint: Member must be a map, whose parts are named Map.entry.1"},
		{"structure as a value", "Inner=a", "Value at 'inner' failed to satisfy constraint: Member must be a structure"},
		{"structure as an empty value", "Inner=", "Value at 'inner' failed to satisfy constraint: Member must be a structure"},
		{"item that is a structure as a value", "Inners.member.1=a", "Value at 'inners.1.member' failed to satisfy constraint: Member must be a structure"},
		{"entry as a value", "Map.entry.1=a&Map.entry.1.key=a&Map.entry.1.value=b", "Value at 'map.1.entry' failed to satisfy constraint: Member must be a structure"},
		{"entry without a value", "Map.entry.1.key=a", "Value null at 'map.1.entry.value' failed to satisfy constraint: Member must not be null"},
		{"entry without a key", "Map.entry.1.value=a", "Value null at 'map.1.entry.key' failed to satisfy constraint: Member must not be null"},

		// Scalars.
		{"enumeration", "Colour=blue", "Value 'blue' at 'colour' failed to satisfy constraint: Member must satisfy enum value set: [red, green]"},
		{"enumeration in another case", "Colour=Red", "Value 'Red' at 'colour' failed to satisfy constraint: Member must satisfy enum value set: [red, green]"},
		{"empty enumeration", "Colour=", "Value '' at 'colour' failed to satisfy constraint: Member must satisfy enum value set: [red, green]"},
		{"item of an enumeration", "Colours.member.1=red&Colours.member.2=blue", "Value '[red, blue]' at 'colours' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [red, green]]"},
		{"truth in upper case", "Flag=True", "Value 'True' at 'flag' failed to satisfy constraint: Member must be true or false"},
		{"truth as a number", "Flag=1", "Value '1' at 'flag' failed to satisfy constraint: Member must be true or false"},
		{"empty truth", "Flag=", "Value '' at 'flag' failed to satisfy constraint: Member must be true or false"},
		{"no integer", "Small=a", "Value 'a' at 'small' failed to satisfy constraint: Member must be an integer"},
		{"empty integer", "Small=", "Value '' at 'small' failed to satisfy constraint: Member must be an integer"},
		{"minus alone", "Small=-", "Value '-' at 'small' failed to satisfy constraint: Member must be an integer"},
		{"plus", "Small=%2B1", "Value '+1' at 'small' failed to satisfy constraint: Member must be an integer"},
		{"two minuses", "Small=--1", "Value '--1' at 'small' failed to satisfy constraint: Member must be an integer"},
		{"fraction", "Small=1.0", "Value '1.0' at 'small' failed to satisfy constraint: Member must be an integer"},
		{"exponent", "Small=1e3", "Value '1e3' at 'small' failed to satisfy constraint: Member must be an integer"},
		{"hexadecimal", "Small=0x10", "Value '0x10' at 'small' failed to satisfy constraint: Member must be an integer"},
		{"underscore", "Small=1_0", "Value '1_0' at 'small' failed to satisfy constraint: Member must be an integer"},
		{"space", "Small=+1", "Value ' 1' at 'small' failed to satisfy constraint: Member must be an integer"},
		{"item that is no integer", "Numbers.member.1=a", "Value 'a' at 'numbers.1.member' failed to satisfy constraint: Member must be an integer"},
		{"beyond 32 bits", "Small=2147483648", "Value '2147483648' at 'small' failed to satisfy constraint: Member must have value less than or equal to 2147483647"},
		{"below 32 bits", "Small=-2147483649", "Value '-2147483649' at 'small' failed to satisfy constraint: Member must have value greater than or equal to -2147483648"},
		{"beyond 64 bits", "Large=9223372036854775808", "Value '9223372036854775808' at 'large' failed to satisfy constraint: Member must have value less than or equal to 9223372036854775807"},
		{"below 64 bits", "Large=-9223372036854775809", "Value '-9223372036854775809' at 'large' failed to satisfy constraint: Member must have value greater than or equal to -9223372036854775808"},
		{"far beyond 64 bits", "Large=100000000000000000000000", "Value '100000000000000000000000' at 'large' failed to satisfy constraint: Member must have value less than or equal to 9223372036854775807"},
		{"far below 64 bits", "Large=-100000000000000000000000", "Value '-100000000000000000000000' at 'large' failed to satisfy constraint: Member must have value greater than or equal to -9223372036854775808"},
		{"date without a time", "Time=2026-07-01", "Value '2026-07-01' at 'time' failed to satisfy constraint: Member must be a time like 2006-01-02T15:04:05Z"},
		{"time without a zone", "Time=2026-07-01T12:30:05", "Value '2026-07-01T12:30:05' at 'time' failed to satisfy constraint: Member must be a time like 2006-01-02T15:04:05Z"},
		{"31st of June", "Time=2026-06-31T12:30:05Z", "Value '2026-06-31T12:30:05Z' at 'time' failed to satisfy constraint: Member must be a time like 2006-01-02T15:04:05Z"},
		{"year 10000", "Time=253402300800", "Value '253402300800' at 'time' failed to satisfy constraint: Member must be a time like 2006-01-02T15:04:05Z"},
		{"before the epoch", "Time=-1", "Value '-1' at 'time' failed to satisfy constraint: Member must be a time like 2006-01-02T15:04:05Z"},
		{"empty time", "Time=", "Value '' at 'time' failed to satisfy constraint: Member must be a time like 2006-01-02T15:04:05Z"},
		{"no base64", "Blob=*", "Value '*' at 'blob' failed to satisfy constraint: Member must be base64"},
		{"base64 without padding", "Blob=AP8", "Value 'AP8' at 'blob' failed to satisfy constraint: Member must be base64"},
		{"base64 with stray bits", "Blob=AP9%3D", "Value 'AP9=' at 'blob' failed to satisfy constraint: Member must be base64"},
		{"base64 with a line end", "Blob=AP8%3D%0A", "Value 'AP8=\n' at 'blob' failed to satisfy constraint: Member must be base64"},
		{"base64 of URLs", "Blob=_-__", "Value '_-__' at 'blob' failed to satisfy constraint: Member must be base64"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var into everything
			got := awsquery.Message(decode(t, c.body, &into))
			if want := "1 validation error detected: " + c.want; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// TestConstraints has requests of IAM and STS whose names are right and whose values are not; the texts are the services'.
func TestConstraints(t *testing.T) {
	t.Parallel()
	const name = `Member must satisfy regular expression pattern: [\w+=,.@-]+`
	long := strings.Repeat("a", 65)
	for _, c := range []struct {
		name, body string
		into       any
		want       string
	}{
		{"required", "", &iam.CreateUserInput{}, "1 validation error detected: Value null at 'userName' failed to satisfy constraint: Member must not be null"},
		{"two required", "", &iam.AddUserToGroupInput{}, "2 validation errors detected: Value null at 'groupName' failed to satisfy constraint: Member must not be null; Value null at 'userName' failed to satisfy constraint: Member must not be null"},
		{"pattern", "UserName=a/b", &iam.CreateUserInput{}, "1 validation error detected: Value 'a/b' at 'userName' failed to satisfy constraint: " + name},
		{"pattern is of the whole", "UserName=a%0A", &iam.CreateUserInput{}, "1 validation error detected: Value 'a\n' at 'userName' failed to satisfy constraint: " + name},
		{"letters are of ASCII", "UserName=%C3%A9", &iam.CreateUserInput{}, "1 validation error detected: Value 'é' at 'userName' failed to satisfy constraint: " + name},
		{"too long", "UserName=" + long, &iam.CreateUserInput{}, "1 validation error detected: Value '" + long + "' at 'userName' failed to satisfy constraint: Member must have length less than or equal to 64"},
		{"empty", "UserName=", &iam.CreateUserInput{}, "2 validation errors detected: Value '' at 'userName' failed to satisfy constraint: Member must have length greater than or equal to 1; Value '' at 'userName' failed to satisfy constraint: " + name},
		{"number too large", "MaxItems=1001", &iam.ListUsersInput{}, "1 validation error detected: Value '1001' at 'maxItems' failed to satisfy constraint: Member must have value less than or equal to 1000"},
		{"number too small", "MaxItems=0", &iam.ListUsersInput{}, "1 validation error detected: Value '0' at 'maxItems' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		{"number beyond 64 bits", "MaxItems=99999999999999999999", &iam.ListUsersInput{}, "1 validation error detected: Value '99999999999999999999' at 'maxItems' failed to satisfy constraint: Member must have value less than or equal to 1000"},
		{"enumeration", "Scope=Mine", &iam.ListPoliciesInput{}, "1 validation error detected: Value 'Mine' at 'scope' failed to satisfy constraint: Member must satisfy enum value set: [All, AWS, Local]"},
		{"first letter alone in lower case", "", &iam.GetSAMLProviderInput{}, "1 validation error detected: Value null at 'sAMLProviderArn' failed to satisfy constraint: Member must not be null"},
		{"tag", "UserName=a&Tags.member.1.Key=a&Tags.member.1.Value=R%26D", &iam.CreateUserInput{}, `1 validation error detected: Value 'R&D' at 'tags.1.member.value' failed to satisfy constraint: Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]*`},
		{"tag without a value", "UserName=a&Tags.member.1.Key=a", &iam.CreateUserInput{}, "1 validation error detected: Value null at 'tags.1.member.value' failed to satisfy constraint: Member must not be null"},
		{"tag without a key", "UserName=a&Tags.member.1.Key=&Tags.member.1.Value=", &iam.CreateUserInput{}, `2 validation errors detected: Value '' at 'tags.1.member.key' failed to satisfy constraint: Member must have length greater than or equal to 1; Value '' at 'tags.1.member.key' failed to satisfy constraint: Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+`},
		{"too many tags", "UserName=a&" + tags(51), &iam.CreateUserInput{}, "1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50"},
		{"far too many tags", "UserName=a&" + tags(50) + "&Tags.member.1001.Key=a", &iam.CreateUserInput{}, "1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50"},
		{"item of a list", "UserName=a&TagKeys.member.1=a&TagKeys.member.2=b%26", &iam.UntagUserInput{}, `1 validation error detected: Value '[a, b&]' at 'tagKeys' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 128, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+]`},
		{"two items of a list are said once", "UserName=a&TagKeys.member.1=&TagKeys.member.2=%26", &iam.UntagUserInput{}, `1 validation error detected: Value '[, &]' at 'tagKeys' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 128, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+]`},
		{"required list", "UserName=a", &iam.UntagUserInput{}, "1 validation error detected: Value null at 'tagKeys' failed to satisfy constraint: Member must not be null"},
		{"empty list", "Arn=arn:aws:iam::111122223333:role/R&ServiceNamespaces=", &iam.ListPoliciesGrantingServiceAccessInput{}, "1 validation error detected: Value at 'serviceNamespaces' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"secret too long", "OldPassword=old&NewPassword=" + strings.Repeat("x", 129), &iam.ChangePasswordInput{}, "1 validation error detected: Value at 'newPassword' failed to satisfy constraint: Member must have length less than or equal to 128"},
		{"secret of other characters", "OldPassword=%01&NewPassword=new", &iam.ChangePasswordInput{}, `1 validation error detected: Value at 'oldPassword' failed to satisfy constraint: Member must satisfy regular expression pattern: [\u0009\u000A\u000D\u0020-\u00FF]+`},
		{"secret under another name", "OldPassword=a&NewPassword=b&Password=hunter2", &iam.ChangePasswordInput{}, "1 validation error detected: Value at 'Password' failed to satisfy constraint: Member must be a parameter of the operation: [NewPassword, OldPassword]"},
		{"two hyphens in an alias", "AccountAlias=a--b", &iam.CreateAccountAliasInput{}, `1 validation error detected: Value 'a--b' at 'accountAlias' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$`},
		{"hyphen at the end of an alias", "AccountAlias=ab-", &iam.CreateAccountAliasInput{}, `1 validation error detected: Value 'ab-' at 'accountAlias' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$`},
		{"key of a map", "Properties.entry.1.key=1&Properties.entry.1.value=a", &iam.PutAccountPropertiesInput{}, "1 validation error detected: Value '1' at 'properties.1.entry.key' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[A-Za-z][A-Za-z0-9/_-]*$"},
		{"value of a map", "Properties.entry.1.key=a&Properties.entry.1.value=", &iam.PutAccountPropertiesInput{}, "1 validation error detected: Value '' at 'properties.1.entry.value' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"union with two members", "PolicySourceArn=arn:aws:iam::111122223333:role/R&ActionNames.member.1=s3:Get&PolicyExclusionList.member.1.PolicyArn=arn:aws:iam::111122223333:policy/P&PolicyExclusionList.member.1.PolicyType=scp", &iam.SimulatePrincipalPolicyInput{}, "1 validation error detected: Value at 'policyExclusionList.1.member' failed to satisfy constraint: Member must be only one of [InlinePolicyIdentifier, PolicyArn, PolicyType]"},
		{"union with an unknown member", "PolicySourceArn=arn:aws:iam::111122223333:role/R&ActionNames.member.1=s3:Get&PolicyExclusionList.member.1.Foo=a", &iam.SimulatePrincipalPolicyInput{}, "1 validation error detected: Value at 'PolicyExclusionList.member.1.Foo' failed to satisfy constraint: Member must be a parameter of the operation: [InlinePolicyIdentifier, PolicyArn, PolicyType]"},
		{"union as a value", "PolicySourceArn=arn:aws:iam::111122223333:role/R&ActionNames.member.1=s3:Get&PolicyExclusionList.member.1=a", &iam.SimulatePrincipalPolicyInput{}, "1 validation error detected: Value at 'policyExclusionList.1.member' failed to satisfy constraint: Member must be a structure"},
		{"names before values", "UserName=%20&Foo=a", &iam.CreateUserInput{}, "2 validation errors detected: Value at 'Foo' failed to satisfy constraint: Member must be a parameter of the operation: [UserName, Path, PermissionsBoundary, Tags]; Value ' ' at 'userName' failed to satisfy constraint: " + name},
		{"a required member given wrongly is not missing too", "UserName.member.1=a", &iam.CreateUserInput{}, "1 validation error detected: Value at 'UserName.member.1' failed to satisfy constraint: Member must be a parameter of the operation: [UserName]"},

		{"session of a role", "RoleArn=a&RoleSessionName=b%20c&DurationSeconds=899", &sts.AssumeRoleInput{}, `3 validation errors detected: Value 'a' at 'roleArn' failed to satisfy constraint: Member must have length greater than or equal to 20; Value 'b c' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*; Value '899' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900`},
		{"policy descriptor in upper case", "RoleArn=arn:aws:iam::111122223333:role/R&RoleSessionName=bc&PolicyArns.member.1.Arn=arn:aws:iam::111122223333:policy/P", &sts.AssumeRoleInput{}, "1 validation error detected: Value at 'PolicyArns.member.1.Arn' failed to satisfy constraint: Member must be a parameter of the operation: [arn]"},
		{"same type, other bounds", "Name=" + strings.Repeat("a", 33), &sts.GetFederationTokenInput{}, "1 validation error detected: Value '" + strings.Repeat("a", 33) + "' at 'name' failed to satisfy constraint: Member must have length less than or equal to 32"},
		{"nothing is asked", "Foo=a", &sts.GetCallerIdentityInput{}, "1 validation error detected: Value at 'Foo' failed to satisfy constraint: Member must be a parameter of the operation"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			into := reflect.New(reflect.TypeOf(c.into).Elem()).Interface()
			if got := awsquery.Message(decode(t, c.body, into)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func tags(n int) string {
	var parts []string
	for _, i := range numbers(n) {
		parts = append(parts, "Tags.member."+i+".Key=k"+i+"&Tags.member."+i+".Value=")
	}
	return strings.Join(parts, "&")
}

// TestWithinConstraints has values at the bounds.
func TestWithinConstraints(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body string
		into       any
	}{
		{"longest name", "UserName=" + strings.Repeat("a", 64), &iam.CreateUserInput{}},
		{"most tags", "UserName=a&" + tags(50), &iam.CreateUserInput{}},
		{"characters, not bytes", "UserName=a&Tags.member.1.Key=" + strings.Repeat("%C3%A9", 128) + "&Tags.member.1.Value=", &iam.CreateUserInput{}},
		{"largest number", "MaxItems=1000", &iam.ListUsersInput{}},
		{"smallest number", "MaxItems=1", &iam.ListUsersInput{}},
		{"shortest alias", "AccountAlias=a-b", &iam.CreateAccountAliasInput{}},
		{"root path", "UserName=a&Path=/", &iam.CreateUserInput{}},
		{"beyond the basic plane", "RoleArn=arn:aws:iam::111122223333:role/%F0%9F%8E%AC&RoleSessionName=bc", &sts.AssumeRoleInput{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if faults := decode(t, c.body, reflect.New(reflect.TypeOf(c.into).Elem()).Interface()); faults != nil {
				t.Error(awsquery.Message(faults))
			}
		})
	}
}

// TestUnionMembers reads each member of a union.
func TestUnionMembers(t *testing.T) {
	t.Parallel()
	var got iam.SimulatePrincipalPolicyInput
	if faults := decode(t, "PolicySourceArn=arn:aws:iam::111122223333:role/R&ActionNames.member.1=s3:Get"+
		"&PolicyExclusionList.member.1.PolicyArn=arn:aws:iam::111122223333:policy/P&PolicyExclusionList.member.2.PolicyType=scp"+
		"&PolicyExclusionList.member.3.InlinePolicyIdentifier.PolicyName=p&PolicyExclusionList.member.3.InlinePolicyIdentifier.AttachmentType=role"+
		"&PolicyExclusionList.member.3.InlinePolicyIdentifier.AttachmentName=r", &got); faults != nil {
		t.Fatal(awsquery.Message(faults))
	}
	want := []types.PolicyIdentifier{
		&types.PolicyIdentifierMemberPolicyArn{Value: "arn:aws:iam::111122223333:policy/P"},
		&types.PolicyIdentifierMemberPolicyType{Value: types.PolicyIdentifierPolicyTypeScp},
		&types.PolicyIdentifierMemberInlinePolicyIdentifier{Value: types.InlinePolicyIdentifierType{PolicyName: ptr("p"), AttachmentType: "role", AttachmentName: ptr("r")}},
	}
	if diff := cmp.Diff(want, got.PolicyExclusionList, ignoreSDK); diff != "" {
		t.Error(diff)
	}
}

// TestFaults has the fields of faults, for those who read more than the message.
func TestFaults(t *testing.T) {
	t.Parallel()
	got := decode(t, "UserName=a+b&Foo=x", &iam.CreateUserInput{})
	want := []awsquery.Fault{
		{Kind: awsquery.UnknownParameter, Path: "Foo", Hidden: true, Allowed: []string{"UserName", "Path", "PermissionsBoundary", "Tags"}},
		{Kind: awsquery.PatternMismatch, Path: "userName", Got: "a b", Want: `[\w+=,.@-]+`},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestFaultsAreBounded has forms that are wrong all over: what is kept and said of them stays short.
func TestFaultsAreBounded(t *testing.T) {
	t.Parallel()
	repeat := func(f func(i int) string, n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString("&" + f(i))
		}
		return b.String()
	}
	const most = awsquery.MaxParameters - 2
	for _, c := range []struct {
		name, body string
	}{
		{"unknown", repeat(func(i int) string { return fmt.Sprintf("A%d=x", i) }, most)},
		{"unknown below one", repeat(func(i int) string { return fmt.Sprintf("Text.A%d=x", i) }, most)},
		{"unknown below one that is unknown", repeat(func(i int) string { return fmt.Sprintf("A.B.C%d=x", i) }, most)},
		{"unknown below many", repeat(func(i int) string { return fmt.Sprintf("A%d.B.C.D.E.F.G.H=x", i) }, most)},
		{"repeated", repeat(func(i int) string { return fmt.Sprintf("A%d=x", i/2) }, most)},
		{"wrong numbers", repeat(func(i int) string { return fmt.Sprintf("Texts.member.0%d=x", i) }, most)},
		{"lists without a first", repeat(func(i int) string { return fmt.Sprintf("Lists.member.%d.member.1000=x", i+1) }, 1000)},
		{"wrong items", repeat(func(i int) string { return fmt.Sprintf("Numbers.member.%d=x", i+1) }, 1000)},
		{"long values", repeat(func(i int) string { return fmt.Sprintf("Numbers.member.%d=%s", i+1, strings.Repeat("é", 2000)) }, 1000)},
		{"long items", repeat(func(i int) string { return fmt.Sprintf("Colours.member.%d=%s", i+1, strings.Repeat("é", 2000)) }, 1000)},
		{"long names", repeat(func(i int) string { return fmt.Sprintf("A%d%s=x", i, strings.Repeat("a", 200)) }, most)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			faults := decode(t, "Foo=x"+c.body, &everything{})
			if n := len(faults); n < 2 || n > awsquery.MaxFaults {
				t.Errorf("got %d faults", n)
			}
			if n := len(awsquery.Message(faults)); n > 150_000 {
				t.Errorf("got a message of %d bytes", n)
			}
		})
	}
}

// TestDecodeIntoNoStructure: what cannot be read into is a mistake of the caller's.
func TestDecodeIntoNoStructure(t *testing.T) {
	t.Parallel()
	f, err := awsquery.Parse("Action=A")
	if err != nil {
		t.Fatal(err)
	}
	for name, into := range map[string]any{
		"nil": nil, "nil pointer": (*iam.CreateUserInput)(nil), "structure": iam.CreateUserInput{}, "string": ptr(""),
		"structure of a channel": &struct{ C chan int }{}, "enumeration without values": &struct{ E word }{},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if recover() == nil {
					t.Error("got no panic")
				}
			}()
			f.Decode(into)
		})
	}
}

// TestManyAreAllowed: of many parameters a message names some.
func TestManyAreAllowed(t *testing.T) {
	t.Parallel()
	var fields []reflect.StructField
	for i := range 50 {
		fields = append(fields, reflect.StructField{Name: fmt.Sprintf("F%d", i), Type: reflect.TypeFor[string]()})
	}
	got := awsquery.Message(decode(t, "Foo=a", reflect.New(reflect.StructOf(fields)).Interface()))
	if want := "F38, F39, and 10 more]"; !strings.HasSuffix(got, want) {
		t.Errorf("got %s, want the end %s", got, want)
	}
}
