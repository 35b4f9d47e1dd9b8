package mediaconvert

import (
	"reflect"
	"regexp"
	"strings"
)

// LimitKey names a member for LimitOf.
func LimitKey(t reflect.Type, member string) string {
	name := t.Name()
	if base, ok := strings.CutSuffix(name, "Input"); ok && t.PkgPath() == inputPackage {
		name = base + "Request"
	}
	return name + "." + member
}

// LimitOf returns what the table says of a member.
func LimitOf(key string) (low, high int64, pattern *regexp.Regexp) {
	structure, member, _ := strings.Cut(key, ".")
	r := limitsOf(structure, member)
	if r.pattern != "" {
		pattern = regexp.MustCompile(r.pattern)
	}
	return r.minimum, r.maximum, pattern
}
