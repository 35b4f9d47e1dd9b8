package eventpattern_test

import (
	"strings"
	"testing"

	"darkroom/internal/eventpattern"
)

const sample = `{
  "version": "0", "id": "6a7e8feb", "detail-type": "kind", "source": "aws.mediaconvert", "account": "111122223333", "time": "2030-01-02T03:04:05Z", "region": "us-east-1",
  "resources": ["arn:aws:mediaconvert:us-east-1:111122223333:jobs/1", "arn:aws:s3:::films"],
  "detail": {
    "status": "COMPLETE", "count": 300, "share": 3.5, "big": 6000000000, "empty": "", "nothing": null, "yes": true, "ip": "10.0.0.33", "ip6": "2001:db8::7",
    "path": "s3://films/out/a*b\\c.mp4", "list": [], "numbers": [1, 20],
    "groups": [{"type": "HLS_GROUP", "n": 1}, {"type": "FILE_GROUP", "n": 2, "only": 1}],
    "nested": [[{"deep": "x"}]], "object": {"in": 1}
  }
}`

func TestMatch(t *testing.T) {
	t.Parallel()
	e, err := eventpattern.ReadEvent([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, pattern string
		want          bool
	}{
		{"source and type", `{"source":["aws.mediaconvert"],"detail-type":["kind"]}`, true},
		{"one of two", `{"detail":{"status":["ERROR","COMPLETE"]}}`, true},
		{"none of two", `{"detail":{"status":["ERROR","CANCELED"]}}`, false},
		{"case matters", `{"detail":{"status":["complete"]}}`, false},
		{"one field of two", `{"source":["aws.mediaconvert"],"detail":{"status":["ERROR"]}}`, false},
		{"a field that is not there", `{"detail":{"other":["x"]}}`, false},
		{"of an array", `{"resources":["arn:aws:s3:::films"]}`, true},
		{"not of an array", `{"resources":["arn:aws:s3:::others"]}`, false},
		{"an empty text", `{"detail":{"empty":[""]}}`, true},
		{"null", `{"detail":{"nothing":[null]}}`, true},
		{"null is not empty", `{"detail":{"empty":[null]}}`, false},
		{"true", `{"detail":{"yes":[true]}}`, true},
		{"true is no text", `{"detail":{"yes":["true"]}}`, false},
		{"a number", `{"detail":{"count":[300]}}`, true},
		{"a number in another spelling", `{"detail":{"count":[3.0e2]}}`, true},
		{"a number is no text", `{"detail":{"count":["300"]}}`, false},
		{"a large number as it is", `{"detail":{"big":[6000000000]}}`, true},
		{"a number of an array", `{"detail":{"numbers":[20]}}`, true},

		{"prefix", `{"detail":{"path":[{"prefix":"s3://films/"}]}}`, true},
		{"not the prefix", `{"detail":{"path":[{"prefix":"S3://"}]}}`, false},
		{"prefix in any case", `{"detail":{"path":[{"prefix":{"equals-ignore-case":"S3://FILMS"}}]}}`, true},
		{"prefix of a number", `{"detail":{"count":[{"prefix":"3"}]}}`, false},
		{"prefix of an array", `{"resources":[{"prefix":"arn:aws:s3:"}]}`, true},
		{"suffix", `{"detail":{"path":[{"suffix":".mp4"}]}}`, true},
		{"not the suffix", `{"detail":{"path":[{"suffix":".mov"}]}}`, false},
		{"suffix in any case", `{"detail":{"path":[{"suffix":{"equals-ignore-case":".MP4"}}]}}`, true},
		{"equals in any case", `{"detail":{"status":[{"equals-ignore-case":"cOmPlEtE"}]}}`, true},
		{"differs in any case", `{"detail":{"status":[{"equals-ignore-case":"COMPLET"}]}}`, false},

		{"wildcard", `{"detail":{"path":[{"wildcard":"s3://*/out/*.mp4"}]}}`, true},
		{"wildcard at the end", `{"detail":{"status":[{"wildcard":"COMP*"}]}}`, true},
		{"wildcard for nothing", `{"detail":{"status":[{"wildcard":"COMPLETE*"}]}}`, true},
		{"wildcard does not overlap", `{"detail":{"status":[{"wildcard":"COMPLETE*E"}]}}`, false},
		{"wildcard in order", `{"detail":{"path":[{"wildcard":"*out*films*"}]}}`, false},
		{"escaped", `{"detail":{"path":[{"wildcard":"*a\\*b\\\\c*"}]}}`, true},
		{"escaped is no wildcard", `{"detail":{"status":[{"wildcard":"COMP\\*"}]}}`, false},

		{"numeric range", `{"detail":{"share":[{"numeric":[">",3,"<=",3.5]}]}}`, true},
		{"numeric below", `{"detail":{"share":[{"numeric":["<",3.5]}]}}`, false},
		{"numeric from", `{"detail":{"count":[{"numeric":[">=",300]}]}}`, true},
		{"numeric equal", `{"detail":{"count":[{"numeric":["=",3.0e2]}]}}`, true},
		{"numeric of a text", `{"detail":{"ip":[{"numeric":[">",0]}]}}`, false},
		{"numeric beyond its range", `{"detail":{"big":[{"numeric":[">",0]}]}}`, false},
		{"numeric of an array", `{"detail":{"numbers":[{"numeric":[">",10]}]}}`, true},

		{"cidr", `{"detail":{"ip":[{"cidr":"10.0.0.0/24"}]}}`, true},
		{"another cidr", `{"detail":{"ip":[{"cidr":"10.0.1.0/24"}]}}`, false},
		{"cidr of IPv6", `{"detail":{"ip6":[{"cidr":"2001:db8::/32"}]}}`, true},
		{"cidr of no address", `{"detail":{"status":[{"cidr":"10.0.0.0/8"}]}}`, false},

		{"exists", `{"detail":{"status":[{"exists":true}]}}`, true},
		{"exists of null", `{"detail":{"nothing":[{"exists":true}]}}`, true},
		{"exists of an object, which is no leaf", `{"detail":{"object":[{"exists":true}]}}`, false},
		{"exists of an empty array", `{"detail":{"list":[{"exists":true}]}}`, false},
		{"does not exist", `{"detail":{"other":[{"exists":false}]}}`, true},
		{"does not exist below what is not there", `{"detail":{"other":{"in":[{"exists":false}]}}}`, true},
		{"does not exist, but does", `{"detail":{"status":[{"exists":false}]}}`, false},
		{"an object does not exist as a leaf", `{"detail":{"object":[{"exists":false}]}}`, true},
		{"does not exist in any element", `{"detail":{"groups":{"only":[{"exists":false}]}}}`, false},
		{"is not there, or is this", `{"detail":{"status":[{"exists":false},"COMPLETE"]}}`, true},

		{"anything but", `{"detail":{"status":[{"anything-but":"ERROR"}]}}`, true},
		{"anything but this", `{"detail":{"status":[{"anything-but":"COMPLETE"}]}}`, false},
		{"anything but a list", `{"detail":{"status":[{"anything-but":["ERROR","COMPLETE"]}]}}`, false},
		{"anything but numbers", `{"detail":{"count":[{"anything-but":[100,200]}]}}`, true},
		{"anything but what is not there", `{"detail":{"other":[{"anything-but":"x"}]}}`, false},
		{"anything but a prefix", `{"detail":{"status":[{"anything-but":{"prefix":"COMP"}}]}}`, false},
		{"anything but prefixes", `{"detail":{"status":[{"anything-but":{"prefix":["A","B"]}}]}}`, true},
		{"anything but a suffix", `{"detail":{"path":[{"anything-but":{"suffix":".mp4"}}]}}`, false},
		{"anything but in any case", `{"detail":{"status":[{"anything-but":{"equals-ignore-case":["complete"]}}]}}`, false},
		{"anything but a wildcard", `{"detail":{"path":[{"anything-but":{"wildcard":"*films*"}}]}}`, false},
		{"anything but, one of an array", `{"detail":{"numbers":[{"anything-but":1}]}}`, true},

		{"in the same element", `{"detail":{"groups":{"type":["HLS_GROUP"],"n":[1]}}}`, true},
		{"in two elements", `{"detail":{"groups":{"type":["HLS_GROUP"],"n":[2]}}}`, false},
		{"in arrays of arrays", `{"detail":{"nested":{"deep":["x"]}}}`, true},

		{"or", `{"$or":[{"source":["other"]},{"detail":{"status":["COMPLETE"]}}]}`, true},
		{"or of neither", `{"$or":[{"source":["other"]},{"detail":{"status":["ERROR"]}}]}`, false},
		{"or and more", `{"source":["other"],"$or":[{"region":["us-east-1"]},{"region":["x"]}]}`, false},
		{"or inside", `{"detail":{"$or":[{"status":["ERROR"]},{"count":[{"numeric":[">",299]}]}]}}`, true},
		{"or in or", `{"$or":[{"source":["x"]},{"$or":[{"region":["y"]},{"account":["111122223333"]}]}]}`, true},
		{"or with one alternative is a field", `{"$or":["x"]}`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, err := eventpattern.Parse(c.pattern)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Match(e); got != c.want {
				t.Errorf("%s: got %t", c.pattern, got)
			}
		})
	}
	if new(eventpattern.Pattern).Match(e) || (*eventpattern.Pattern)(nil).Match(e) {
		t.Error("no pattern matches")
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, pattern, says string }{
		{"nothing", ``, "not JSON"},
		{"no JSON", `{"source":[`, "not JSON"},
		{"two values", `{"a":["b"]}{}`, "behind its end"},
		{"an array", `["a"]`, "not an object"},
		{"an empty object", `{}`, "Empty objects"},
		{"an empty object inside", `{"detail":{}}`, "Empty objects"},
		{"an empty array", `{"source":[]}`, "Empty arrays"},
		{"a text", `{"source":"a"}`, `"source" must be an object or an array`},
		{"a number", `{"detail":{"n":1}}`, `"n" must be an object or an array`},
		{"an array in an array", `{"source":[["a"]]}`, "must be String, number"},
		{"an unknown operator", `{"source":[{"like":"a"}]}`, "Unrecognized match type like"},
		{"two operators", `{"source":[{"prefix":"a","suffix":"b"}]}`, "Only one key"},
		{"no operator", `{"source":[{}]}`, "Only one key"},
		{"a prefix that is no text", `{"source":[{"prefix":1}]}`, "prefix match pattern must be a string"},
		{"a suffix of an operator", `{"source":[{"suffix":{"prefix":"a"}}]}`, "suffix match pattern must be a string"},
		{"exists of a text", `{"source":[{"exists":"yes"}]}`, "exists match pattern must be either true or false"},
		{"two wildcards", `{"source":[{"wildcard":"a**b"}]}`, "Consecutive wildcard"},
		{"a bad escape", `{"source":[{"wildcard":"a\\b"}]}`, "Invalid escape"},
		{"an escape at the end", `{"source":[{"wildcard":"a\\"}]}`, "Invalid escape"},
		{"a wildcard that is no text", `{"source":[{"wildcard":1}]}`, "wildcard match pattern"},
		{"numeric that is no array", `{"a":[{"numeric":1}]}`, "must be an array"},
		{"numeric without a number", `{"a":[{"numeric":[">"]}]}`, "an operator and a number"},
		{"numeric of a text", `{"a":[{"numeric":[">","1"]}]}`, "must be numeric"},
		{"numeric with an unknown operator", `{"a":[{"numeric":["!=",1]}]}`, "Unrecognized numeric range operator"},
		{"numeric with two of a side", `{"a":[{"numeric":[">",1,">=",2]}]}`, "Unrecognized numeric range operator"},
		{"numeric with an empty range", `{"a":[{"numeric":[">",2,"<",1]}]}`, "Bottom must be less than top"},
		{"numeric out of bounds", `{"a":[{"numeric":["<",6e9]}]}`, "between -5.0e9 and 5.0e9"},
		{"a number that is none", `{"a":[1e999]}`, "no number that can be matched"},
		{"cidr without a slash", `{"a":[{"cidr":"10.0.0.0"}]}`, "Malformed CIDR"},
		{"cidr of a number", `{"a":[{"cidr":10}]}`, "cidr match pattern"},
		{"equals-ignore-case of a list", `{"a":[{"equals-ignore-case":["b"]}]}`, "equals-ignore-case match pattern"},
		{"anything but nothing", `{"a":[{"anything-but":[]}]}`, "anything-but must be an array"},
		{"anything but null", `{"a":[{"anything-but":null}]}`, "not <nil>"},
		{"anything but a mixture", `{"a":[{"anything-but":["b",1]}]}`, "mixed type"},
		{"anything but a number's operator", `{"a":[{"anything-but":{"numeric":[">",1]}}]}`, "Unsupported anything-but pattern: numeric"},
		{"anything but two operators", `{"a":[{"anything-but":{"prefix":"a","suffix":"b"}}]}`, "Only one key"},
		{"anything but an empty prefix", `{"a":[{"anything-but":{"prefix":""}}]}`, "not allowed"},
		{"anything but no prefix", `{"a":[{"anything-but":{"prefix":[]}}]}`, "must not be empty"},
		{"too deep", strings.Repeat(`{"a":`, 70) + `["b"]` + strings.Repeat(`}`, 70), "nests deeper"},
		{"too long", `{"a":["` + strings.Repeat("b", eventpattern.MaxBytes) + `"]}`, "longer than 4096"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := eventpattern.Parse(c.pattern)
			if err == nil || !strings.HasPrefix(err.Error(), "Event pattern is not valid. Reason: ") || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
	for _, bad := range []string{``, `[]`, `{} {}`, `"a"`, strings.Repeat(`{"a":`, 600) + `1` + strings.Repeat(`}`, 600)} {
		if _, err := eventpattern.ReadEvent([]byte(bad)); err == nil {
			t.Errorf("event %.40q is taken", bad)
		}
	}
}

// FuzzParse: whatever a pattern and an event are, they are read or refused, in bounded time, and a pattern says the same twice.
func FuzzParse(f *testing.F) {
	f.Add(`{"source":["aws.mediaconvert"],"$or":[{"a":[{"prefix":"b"}]},{"c":[{"wildcard":"*d*"}]}]}`, sample)
	f.Add(`{"detail":{"n":[{"numeric":[">",1,"<=",3]}],"x":[{"anything-but":{"suffix":["a"]}},{"exists":false},{"cidr":"::/0"}]}}`, `{"detail":{"n":2}}`)
	f.Fuzz(func(t *testing.T, pattern, text string) {
		p, err := eventpattern.Parse(pattern)
		if err != nil {
			return
		}
		e, err := eventpattern.ReadEvent([]byte(text))
		if err != nil {
			return
		}
		again, err := eventpattern.Parse(pattern)
		if err != nil || p.Match(e) != again.Match(e) {
			t.Errorf("%s says two things of %s: %v", pattern, text, err)
		}
	})
}
