package trail

import (
	"testing"

	"darkroom/internal/audit"
)

func TestSelects(t *testing.T) {
	t.Parallel()
	records := map[string]audit.Record{
		"a write":         {EventCategory: audit.Management, EventSource: "mediaconvert.amazonaws.com", EventName: "CreateJob"},
		"a read":          {EventCategory: audit.Management, EventSource: "mediaconvert.amazonaws.com", EventName: "GetJob", ReadOnly: true},
		"a use of a key":  {EventCategory: audit.Management, EventSource: "kms.amazonaws.com", EventName: "Decrypt", ReadOnly: true},
		"a new user":      {EventCategory: audit.Management, EventSource: "iam.amazonaws.com", EventName: "CreateUser"},
		"an object in":    {EventCategory: audit.Data, EventSource: "s3.amazonaws.com", EventName: "PutObject", Resources: []audit.Resource{{Type: "AWS::S3::Object", ARN: "arn:aws:s3:::films/in/a"}}},
		"an object out":   {EventCategory: audit.Data, EventSource: "s3.amazonaws.com", EventName: "GetObject", ReadOnly: true, Resources: []audit.Resource{{Type: "AWS::S3::Object", ARN: "arn:aws:s3:::films/out/a"}}},
		"another's films": {EventCategory: audit.Data, EventSource: "s3.amazonaws.com", EventName: "GetObject", ReadOnly: true, Resources: []audit.Resource{{Type: "AWS::S3::Object", ARN: "arn:aws:s3:::films2/in/a"}}},
		"a connection":    {EventCategory: audit.Data, EventSource: "egress.amazonaws.com", EventName: "Dial", ReadOnly: true},
	}
	advanced := func(f ...Field) Definition {
		return Definition{Global: true, Selectors: Selectors{Advanced: []Advanced{{Fields: f}}}}
	}
	data := Field{Field: "eventCategory", Equals: []string{audit.Data}}
	for _, tt := range []struct {
		name string
		d    Definition
		want []string
	}{
		{"by itself", Definition{Global: true}, []string{"a write", "a read", "a use of a key", "a new user"}},
		{"without global events", Definition{}, []string{"a write", "a read", "a use of a key"}},
		{"writes", Definition{Global: true, Selectors: Selectors{Basic: []Basic{{ReadWrite: WriteOnly, Management: true}}}}, []string{"a write", "a new user"}},
		{"reads but of keys", Definition{Global: true, Selectors: Selectors{Basic: []Basic{{ReadWrite: ReadOnly, Management: true, Exclude: []string{"kms.amazonaws.com"}}}}}, []string{"a read"}},
		{"objects of a prefix", Definition{Global: true, Selectors: Selectors{Basic: []Basic{{ReadWrite: All, HasObjects: true, Objects: []string{"arn:aws:s3:::films/"}}}}}, []string{"an object in", "an object out"}},
		{"all objects", Definition{Global: true, Selectors: Selectors{Basic: []Basic{{ReadWrite: All, HasObjects: true, Objects: []string{"arn:aws:s3"}}}}}, []string{"an object in", "an object out", "another's films"}},
		{"two selectors", Definition{Global: true, Selectors: Selectors{Basic: []Basic{{ReadWrite: WriteOnly, Management: true}, {ReadWrite: ReadOnly, HasObjects: true, Objects: []string{"arn:aws:s3:::films2/in/"}}}}}, []string{"a write", "a new user", "another's films"}},
		{"all data", advanced(data), []string{"an object in", "an object out", "another's films", "a connection"}},
		{"data that is read", advanced(data, Field{Field: "readOnly", Equals: []string{"true"}}), []string{"an object out", "another's films", "a connection"}},
		{"data of a type", advanced(data, Field{Field: "resources.type", Equals: []string{"AWS::S3::Object"}}, Field{Field: "resources.ARN", StartsWith: []string{"arn:aws:s3:::films/"}, NotEndsWith: []string{"out/a"}}), []string{"an object in"}},
		{"data of other names", advanced(data, Field{Field: "eventName", NotStartsWith: []string{"Get"}, NotEquals: []string{"Dial"}}), []string{"an object in"}},
		{"either of two", advanced(data, Field{Field: "eventName", Equals: []string{"Dial"}, EndsWith: []string{"tObject"}, NotEquals: []string{"PutObject"}}), []string{"an object out", "another's films", "a connection"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := map[string]bool{}
			for _, name := range tt.want {
				want[name] = true
			}
			for name, r := range records {
				if got := tt.d.selects(&r); got != want[name] {
					t.Errorf("%s: %t", name, got)
				}
			}
		})
	}
}
