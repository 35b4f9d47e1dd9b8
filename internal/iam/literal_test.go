package iam

import (
	"strings"
	"testing"
)

// TestLiteral: a key that looks like a pattern grants itself alone.
func TestLiteral(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"a*b", "a?b", "*", "${*}", "$", "a$b{", "${aws:username}", "plain"} {
		pattern := Literal(key)
		if !wildcard(pattern, key) {
			t.Errorf("%q does not match itself (%q)", key, pattern)
		}
		for _, other := range []string{"axb", "aab", "ab", "x", "", key + "x", "x" + key, strings.ReplaceAll(key, "*", "zz")} {
			if other != key && wildcard(pattern, other) {
				t.Errorf("%q also matches %q", key, other)
			}
		}
		if !wildcard(pattern+"*", key+"/behind") || !wildcard("*"+pattern, "before/"+key) {
			t.Errorf("%q does not stand beside a wildcard", key)
		}
		if wildcard("*"+pattern, "before/"+key+"/behind") {
			t.Errorf("%q ends too early", key)
		}
	}
}
