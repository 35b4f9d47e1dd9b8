package iam

import "strings"

// matchAction matches service:Operation against a pattern; the case of letters does not matter, and * alone is everything.
func matchAction(pattern, action string) bool {
	return wildcard(lower(pattern), lower(action))
}

// matchResource matches an ARN against a pattern, case-sensitively. * alone is everything; otherwise a pattern is an ARN whose first five
// parts are matched one by one, so that a wildcard there does not reach over a colon, and whose resource part may reach over anything.
func matchResource(pattern, resource string) bool {
	if pattern == "*" {
		return true
	}
	if resource == "*" {
		return false // an action that names no resource is granted by * alone
	}
	p, r := strings.SplitN(pattern, ":", 6), strings.SplitN(resource, ":", 6)
	if len(p) != 6 || len(r) != 6 {
		return false
	}
	for i := range p {
		if !wildcard(p[i], r[i]) {
			return false
		}
	}
	return true
}

// wildcard matches the whole of s: * is any run of bytes, ? any one character of UTF-8. It goes back to the last * alone, never
// further, so there is no recursion and no blow-up: the time is linear in len(s) for each run of the pattern between two stars.
func wildcard(pattern, s string) bool {
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(s) {
		switch {
		case escaped(pattern[i:]):
			// ${*}, ${?} and ${$} are the characters themselves.
			if pattern[i+2] == s[j] {
				i += escapeLength
				j++
			} else if star >= 0 {
				mark += width(s[mark:])
				i, j = star+1, mark
			} else {
				return false
			}
		case i < len(pattern) && pattern[i] == '*':
			star, mark = i, j
			i++
		case i < len(pattern) && pattern[i] == '?':
			i++
			j += width(s[j:])
		case i < len(pattern) && pattern[i] == s[j]:
			i++
			j++
		case star >= 0:
			mark += width(s[mark:])
			i, j = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[i:], "*") == ""
}

// escapeLength is the length of ${*}.
const escapeLength = 4

// escaped reports whether a pattern begins with one of the language's literals.
func escaped(pattern string) bool {
	return strings.HasPrefix(pattern, "${*}") || strings.HasPrefix(pattern, "${?}") || strings.HasPrefix(pattern, "${$}")
}

// Literal returns the pattern that matches s and nothing else.
func Literal(s string) string {
	return strings.NewReplacer("*", "${*}", "?", "${?}", "$", "${$}").Replace(s)
}

// width returns the length of the first character of s, 1 where it is not UTF-8.
func width(s string) int {
	n := 1
	if s[0] >= 0xC0 {
		for n < len(s) && n < 4 && s[n]&0xC0 == 0x80 {
			n++
		}
	}
	return n
}

// lower maps ASCII letters alone: action names are ASCII, and Unicode folding would make two different names one.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
