package awsquery_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"darkroom/internal/awsquery"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body      string
		action, version string
	}{
		{"action alone", "Action=ListUsers", "ListUsers", ""},
		{"version", "Action=ListUsers&Version=2010-05-08", "ListUsers", "2010-05-08"},
		{"version first", "Version=2010-05-08&Action=ListUsers", "ListUsers", "2010-05-08"},
		{"after the parameters", "UserName=a&Action=GetUser&Version=2010-05-08", "GetUser", "2010-05-08"},
		{"escaped name and value", "%41ction=Get%55ser", "GetUser", ""},
		{"empty pairs", "&&Action=ListUsers&&", "ListUsers", ""},
		{"parameter without equals", "Action=ListUsers&Marker", "ListUsers", ""},
		{"longest name", "Action=A&" + strings.Repeat("a", awsquery.MaxName) + "=1", "A", ""},
		{"deepest name", "Action=A&" + strings.Repeat("a.", awsquery.MaxDepth-1) + "a=1", "A", ""},
		{"most parameters", "Action=A" + strings.Repeat("&a=1", awsquery.MaxParameters-1), "A", ""},
		{"longest value", "Action=A&a=" + strings.Repeat("v", awsquery.MaxValue), "A", ""},
		{"longest value, escaped", "Action=A&a=" + strings.Repeat("%76", awsquery.MaxValue), "A", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f, err := awsquery.Parse(c.body)
			if err != nil {
				t.Fatal(err)
			}
			if f.Action != c.action || f.Version != c.version {
				t.Errorf("got %q of %q, want %q of %q", f.Action, f.Version, c.action, c.version)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, body, code, message string }{
		{"nothing", "", "MissingAction", "The request is missing an action or a required parameter: Action"},
		{"no action", "Version=2010-05-08&UserName=a", "MissingAction", ""},
		{"empty action", "Action=&Version=2010-05-08", "MissingAction", ""},
		{"action in lower case", "action=ListUsers", "MissingAction", ""},
		{"action within a name", "Action.member.1=ListUsers", "MissingAction", ""},
		{"two actions", "Action=ListUsers&Action=DeleteUser", "MalformedQueryString", "The query string is malformed: Action is given more than once"},
		{"an action and an empty one", "Action=ListUsers&Action=", "MalformedQueryString", "The query string is malformed: Action is given more than once"},
		{"the same action twice, once escaped", "Action=ListUsers&%41ction=ListUsers", "MalformedQueryString", ""},
		{"two versions", "Action=ListUsers&Version=1&Version=1", "MalformedQueryString", "The query string is malformed: Version is given more than once"},
		{"broken escape in a value", "Action=ListUsers&Marker=%4", "MalformedQueryString", `The query string is malformed: the value of "Marker" is not the percent-encoding of UTF-8`},
		{"no hexadecimal digits", "Action=ListUsers&Marker=%zz", "MalformedQueryString", ""},
		{"broken escape in a name", "Action=ListUsers&Mark%=a", "MalformedQueryString", "The query string is malformed: the name of a parameter is not the percent-encoding of UTF-8"},
		{"value that is not UTF-8", "Action=ListUsers&Marker=%ff", "MalformedQueryString", ""},
		{"value that is half a character", "Action=ListUsers&Marker=%c3", "MalformedQueryString", ""},
		{"surrogate", "Action=ListUsers&Marker=%ed%a0%80", "MalformedQueryString", ""},
		{"overlong zero", "Action=ListUsers&Marker=%c0%80", "MalformedQueryString", ""},
		{"name that is not UTF-8", "Action=ListUsers&%ff=a", "MalformedQueryString", ""},
		{"raw bytes that are not UTF-8", "Action=ListUsers&Marker=\xff", "MalformedQueryString", ""},
		{"semicolon as separator", "Action=ListUsers;Action=DeleteUser", "MalformedQueryString", ""},
		{"semicolon in a name", "Action=ListUsers&a;b=1", "MalformedQueryString", ""},
		{"name too long", "Action=A&" + strings.Repeat("a", awsquery.MaxName+1) + "=1", "MalformedQueryString", "The query string is malformed: the name of a parameter has more than 256 bytes"},
		{"escaped name too long", "Action=A&" + strings.Repeat("%61", awsquery.MaxName+1) + "=1", "MalformedQueryString", "The query string is malformed: the name of a parameter has more than 256 bytes"},
		{"name too deep", "Action=A&" + strings.Repeat("a.", awsquery.MaxDepth) + "a=1", "MalformedQueryString", "The query string is malformed: the name of a parameter has more than 16 words"},
		{"too many parameters", "Action=A" + strings.Repeat("&a=1", awsquery.MaxParameters), "MalformedQueryString", "The query string is malformed: the form has more than 5000 parameters"},
		{"too many empty pairs", "Action=A" + strings.Repeat("&", awsquery.MaxParameters+1), "MalformedQueryString", ""},
		{"value too long", "Action=A&a=" + strings.Repeat("v", awsquery.MaxValue+1), "MalformedQueryString", `The query string is malformed: the value of "a" has more than 10000000 bytes`},
		{"body too long", "Action=A&" + strings.Repeat("a", awsquery.MaxBody), "MalformedQueryString", ""},
		{"JSON", `{"UserName":"a"}`, "MissingAction", ""},
		{"XML", `<CreateUser/>`, "MissingAction", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := awsquery.Parse(c.body)
			var e *awsquery.ParseError
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want a ParseError", err)
			}
			if e.Code != c.code {
				t.Errorf("got %s, want %s", e.Code, c.code)
			}
			if c.message != "" && e.Message != c.message {
				t.Errorf("got  %s\nwant %s", e.Message, c.message)
			}
			if got, want := e.Error(), e.Code+": "+e.Message; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

// TestDecodeTwice reads one form into two structures.
func TestDecodeTwice(t *testing.T) {
	t.Parallel()
	f, err := awsquery.Parse("Action=CreateUser&UserName=a&Tags.member.1.Key=k&Tags.member.1.Value=v")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		var in iam.CreateUserInput
		if faults := f.Decode(&in); faults != nil {
			t.Fatal(awsquery.Message(faults))
		}
		if *in.UserName != "a" || len(in.Tags) != 1 {
			t.Errorf("got %+v", in)
		}
	}
}
