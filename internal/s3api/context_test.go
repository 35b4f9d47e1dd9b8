package s3api

import (
	"encoding/base64"
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// FuzzParseContext: whatever a header holds is a map of strings or an error, and what is read means the same when it is written again.
func FuzzParseContext(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":"b"}`, `{"a":"b","a":"c"}`, `{"a":1}`, `[]`, `{"a":{"b":"c"}}`, `{"":"x"}`, `{} {}`, `{"a":"\ud800"}`, `{"a"`, `null`, "{\"a\":\"\xff\"}"} {
		f.Add(base64.StdEncoding.EncodeToString([]byte(s)))
	}
	f.Add("?")
	f.Fuzz(func(t *testing.T, header string) {
		c, err := parseContext(header)
		if err != nil {
			return
		}
		for name, value := range c {
			if name == "" || !utf8.ValidString(name) || !utf8.ValidString(value) {
				t.Errorf("%q: %q", name, value)
			}
		}
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseContext(base64.StdEncoding.EncodeToString(text))
		if err != nil || len(again) != len(c) {
			t.Errorf("%v became %v, %v", c, again, err)
		}
	})
}
