package iam

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// asks is a request of a user to get an object, with values of one key, and policies with one condition on that key.
func asks(tb testing.TB, statements ...string) *Request {
	tb.Helper()
	r := &Request{Principal: aUser(), Check: Check{Action: "s3:GetObject", Resource: object, Owner: account}, Now: start}
	if len(statements) > 0 {
		r.Principal.Policies = named(tb, "p", of(statements...))
	}
	return r
}

// verdict says what a condition does to a request, both ways: whether an Allow under the condition applies, and whether a Deny does. It is yes, no, or
// unreadable where the Allow does not apply and the Deny does.
func verdict(tb testing.TB, condition string, set func(r *Request)) string {
	tb.Helper()
	allows := asks(tb, allow("s3:*", "*", condition))
	denies := asks(tb, allow("s3:*", "*"), deny("s3:*", "*", condition))
	set(allows)
	set(denies)
	switch allowed, denied := Authorize(allows).Allowed(), Authorize(denies).Effect == Deny; {
	case allowed && denied:
		return "yes"
	case !allowed && !denied:
		return "no"
	case denied:
		return "unreadable"
	}
	return "an Allow applies and a Deny does not"
}

// TestOperators: each operator under the same circumstances.
func TestOperators(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name       string
		wanted     string // one value
		other      string // another one
		met, unmet string // values of a request for which wanted holds or, for a negated operator, does not
		unreadable string // a value that cannot be compared
		negated    bool
	}{
		{"StringEquals", "red", "blue", "red", "Red", "\xff", false},
		{"StringNotEquals", "red", "blue", "red", "Red", "\xff", true},
		{"StringEqualsIgnoreCase", "red", "blue", "RED", "green", "\xff", false},
		{"StringNotEqualsIgnoreCase", "red", "blue", "RED", "green", "\xff", true},
		{"StringLike", "r*d", "b?", "reed", "reeds", "\xff", false},
		{"StringNotLike", "r*d", "b?", "reed", "reeds", "\xff", true},
		{"NumericEquals", "10", "11", "10.0", "10.01", "ten", false},
		{"NumericNotEquals", "10", "11", "10.0", "10.01", "ten", true},
		{"NumericLessThan", "10", "9", "9.99", "10", "ten", false},
		{"NumericLessThanEquals", "10", "9", "10", "10.01", "ten", false},
		{"NumericGreaterThan", "10", "11", "10.01", "10", "ten", false},
		{"NumericGreaterThanEquals", "10", "11", "10", "9.99", "ten", false},
		{"DateEquals", "2026-01-01T00:00:00Z", "2027", "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:01Z", "today", false},
		{"DateNotEquals", "2026-01-01T00:00:00Z", "2027", "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:01Z", "today", true},
		{"DateLessThan", "2026", "2025", "2025-12-31T23:59:59Z", "2026-01-01", "today", false},
		{"DateLessThanEquals", "2026", "2025", "2026-01-01", "2026-01-01T00:00:01Z", "today", false},
		{"DateGreaterThan", "2026", "2027", "2026-01-01T00:00:01Z", "2026-01-01", "today", false},
		{"DateGreaterThanEquals", "2026", "2027", "1767225600", "1767225599", "today", false},
		{"Bool", "true", "true", "TRUE", "false", "1", false},
		{"BinaryEquals", "QQ==", "Qg==", "QQ==", "QUE=", "A", false},
		{"IpAddress", "203.0.113.0/24", "2001:db8::/32", "203.0.113.255", "203.0.114.0", "203.0.113", false},
		{"NotIpAddress", "203.0.113.0/24", "2001:db8::/32", "203.0.113.255", "203.0.114.0", "203.0.113", true},
		{"ArnEquals", "arn:aws:sns:*:111122223333:t*", "arn:aws:sqs:::q", "arn:aws:sns:eu:111122223333:t:x", "arn:aws:sns:eu:1:111122223333:t", "topic", false},
		{"ArnLike", "arn:aws:sns:*:111122223333:t*", "arn:aws:sqs:::q", "arn:aws:sns:eu:111122223333:t:x", "arn:aws:sns:eu:1:111122223333:t", "topic", false},
		{"ArnNotEquals", "arn:aws:sns:*:111122223333:t*", "arn:aws:sqs:::q", "arn:aws:sns:eu:111122223333:t:x", "arn:aws:sns:eu:1:111122223333:t", "arn:aws:sns", true},
		{"ArnNotLike", "arn:aws:sns:*:111122223333:t*", "arn:aws:sqs:::q", "arn:aws:sns:eu:111122223333:t:x", "arn:aws:sns:eu:1:111122223333:t", "arn:aws:sns", true},
	}
	// What the request has, in terms of the above: met, unmet and unreadable. The verdicts are those for an operator and for its negation; a
	// negated operator holds where none of its values is met.
	const met, unmet, odd = "met", "unmet", "odd"
	circumstances := []struct {
		name              string
		prefix, suffix    string
		several           bool // values in the policy
		values            []string
		positive, negated string
	}{
		{"met", "", "", false, []string{met}, "yes", "no"},
		{"not met", "", "", false, []string{unmet}, "no", "yes"},
		{"absent", "", "", false, nil, "no", "yes"},
		{"unreadable", "", "", false, []string{odd}, "unreadable", "unreadable"},
		{"empty and no text of this kind, or a text", "", "", false, []string{""}, "empty", "empty"},
		{"several in the request", "", "", false, []string{met, met}, "unreadable", "unreadable"},
		{"several in the request, none met", "", "", false, []string{unmet, unmet}, "unreadable", "unreadable"},

		{"several in the policy, one met", "", "", true, []string{met}, "yes", "no"},
		{"several in the policy, none met", "", "", true, []string{unmet}, "no", "yes"},
		{"several in the policy, absent", "", "", true, nil, "no", "yes"},
		{"several in the policy, unreadable", "", "", true, []string{odd}, "unreadable", "unreadable"},

		{"IfExists, met", "", "IfExists", false, []string{met}, "yes", "no"},
		{"IfExists, not met", "", "IfExists", false, []string{unmet}, "no", "yes"},
		{"IfExists, absent", "", "IfExists", false, nil, "yes", "yes"},
		{"IfExists, unreadable", "", "IfExists", false, []string{odd}, "unreadable", "unreadable"},
		{"IfExists, several in the request", "", "IfExists", false, []string{met, unmet}, "unreadable", "unreadable"},

		{"for all, all met", "ForAllValues:", "", false, []string{met, met}, "yes", "no"},
		{"for all, one not met", "ForAllValues:", "", false, []string{met, unmet}, "no", "no"},
		{"for all, none met", "ForAllValues:", "", false, []string{unmet, unmet}, "no", "yes"},
		{"for all, one unreadable", "ForAllValues:", "", false, []string{met, odd}, "unreadable", "no"},
		{"for all, one unreadable, one not met", "ForAllValues:", "", false, []string{odd, unmet}, "no", "unreadable"},
		{"for all, several in the policy", "ForAllValues:", "", true, []string{met, met}, "yes", "no"},
		{"for all, absent", "ForAllValues:", "", false, nil, "yes", "yes"},
		{"for all, a null data set", "ForAllValues:", "", false, []string{""}, "yes", "yes"},
		{"for all, several null values", "ForAllValues:", "", false, []string{"", ""}, "yes", "yes"},
		{"for all, IfExists, absent", "ForAllValues:", "IfExists", false, nil, "yes", "yes"},
		{"for all, IfExists, one not met", "ForAllValues:", "IfExists", false, []string{met, unmet}, "no", "no"},

		{"for any, one met", "ForAnyValue:", "", false, []string{unmet, met}, "yes", "yes"},
		{"for any, all met", "ForAnyValue:", "", false, []string{met, met}, "yes", "no"},
		{"for any, none met", "ForAnyValue:", "", false, []string{unmet, unmet}, "no", "yes"},
		{"for any, one unreadable, one met", "ForAnyValue:", "", false, []string{odd, met}, "yes", "unreadable"},
		{"for any, one unreadable, one not met", "ForAnyValue:", "", false, []string{unmet, odd}, "unreadable", "yes"},
		{"for any, several in the policy", "ForAnyValue:", "", true, []string{unmet, met}, "yes", "yes"},
		{"for any, absent", "ForAnyValue:", "", false, nil, "no", "no"},
		{"for any, a null data set", "ForAnyValue:", "", false, []string{""}, "no", "no"},
		{"for any, IfExists, absent", "ForAnyValue:", "IfExists", false, nil, "yes", "yes"},
		{"for any, IfExists, a null data set", "ForAnyValue:", "IfExists", false, []string{""}, "no", "no"},
		{"for any, IfExists, none met", "ForAnyValue:", "IfExists", false, []string{unmet, unmet}, "no", "yes"},
	}
	seen := make(map[string]bool)
	for _, op := range rows {
		seen[op.name] = true
		for _, c := range circumstances {
			t.Run(op.name+", "+c.name, func(t *testing.T) {
				t.Parallel()
				wanted := fmt.Sprintf("%q", op.wanted)
				if c.several {
					wanted = fmt.Sprintf("[%q,%q]", op.other, op.wanted)
				}
				var values []string
				for _, v := range c.values {
					values = append(values, map[string]string{met: op.met, unmet: op.unmet, odd: op.unreadable}[v])
				}
				want := c.positive
				if op.negated {
					want = c.negated
				}
				if want == "empty" {
					switch {
					case op.name == "BinaryEquals" || strings.HasPrefix(op.name, "String") && !op.negated:
						want = "no"
					case strings.HasPrefix(op.name, "String"):
						want = "yes"
					default:
						want = "unreadable"
					}
				}
				got := verdict(t, when(c.prefix+op.name+c.suffix, "x:y", wanted), func(r *Request) { r.Context.Set("X:Y", values...) })
				if got != want {
					t.Errorf("%q for %q: got %s, want %s", wanted, values, got, want)
				}
			})
		}
	}
	for name := range operators {
		if !seen[name] {
			t.Errorf("nothing tests %s", name)
		}
	}
}

// TestValues: what the operators make of single values.
func TestValues(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("1", 64)
	tests := []struct {
		name, operator, wanted, value, want string
	}{
		{"an empty text is a text", "StringEquals", "", "", "yes"},
		{"StringEquals has no wildcards", "StringEquals", "r*", "red", "no"},
		{"StringEquals has a star for a star", "StringEquals", "r*", "r*", "yes"},
		{"StringEqualsIgnoreCase has no wildcards", "StringEqualsIgnoreCase", "R*", "red", "no"},
		{"StringLike is about case", "StringLike", "R*", "red", "no"},
		{"StringLike is about the whole", "StringLike", "ed", "red", "no"},
		{"what the request has is no pattern", "StringLike", "red", "r*", "no"},
		{"case of ASCII alone: the Kelvin sign", "StringEqualsIgnoreCase", "k", "\u212a", "no"},
		{"case of ASCII alone: the long s", "StringEqualsIgnoreCase", "s", "\u017f", "no"},
		{"case of ASCII alone: umlauts", "StringEqualsIgnoreCase", "ä", "Ä", "no"},
		{"a look-alike", "StringEquals", "a", "а", "no"},
		{"another form of the same character", "StringEquals", "é", "e\u0301", "no"},
		{"white space", "StringEquals", "red", "red ", "no"},
		{"NUL", "StringEquals", "red", "red\x00", "no"},

		{"zeros in front", "NumericEquals", "10", "0010", "yes"},
		{"a plus", "NumericEquals", "10", "+10", "yes"},
		{"minus zero", "NumericEquals", "0", "-0.0", "yes"},
		{"less than nothing", "NumericLessThan", "-1", "-1.5", "yes"},
		{"numbers and not texts", "NumericLessThan", "10", "9", "yes"},
		{"more digits than a float has", "NumericEquals", "9007199254740993", "9007199254740992", "no"},
		{"as many digits as are read", "NumericEquals", long, long, "yes"},
		{"more digits than are read", "NumericEquals", "1", long + "1", "unreadable"},
		{"an exponent", "NumericEquals", "1000", "1e3", "unreadable"},
		{"a comma", "NumericEquals", "1", "1,0", "unreadable"},
		{"a space", "NumericEquals", "1", " 1", "unreadable"},
		{"infinity", "NumericGreaterThan", "1", "Inf", "unreadable"},

		{"a year", "DateEquals", "2026", "2026-01-01T00:00Z", "yes"},
		{"a month", "DateEquals", "2026-02", "2026-02-01", "yes"},
		{"four digits are a year", "DateEquals", "2026", "1767225600", "yes"},
		{"five are seconds", "DateEquals", "1970-01-01T00:33:46Z", "02026", "yes"},
		{"a fraction of a second", "DateGreaterThan", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.001Z", "yes"},
		{"the end of time", "DateLessThan", "253402300799", "9999-12-31T23:59:58Z", "yes"},
		{"behind the end of time", "DateGreaterThan", "2026", "253402300800", "unreadable"},
		{"no zone", "DateGreaterThan", "2026", "2026-01-01T00:00:01", "unreadable"},
		{"a day that is none", "DateGreaterThan", "2026", "2026-02-29", "unreadable"},

		{"True", "Bool", "True", "true", "yes"},
		{"a long s in false", "Bool", "false", "fal\u017fe", "unreadable"},
		{"0", "Bool", "false", "0", "unreadable"},

		{"nothing", "BinaryEquals", "", "", "yes"},
		{"base64 for URLs", "BinaryEquals", "+/8=", "-_8=", "unreadable"},
		{"base64 of the same bytes", "BinaryEquals", "+/8=", "+/8=", "yes"},

		{"an address", "IpAddress", "203.0.113.7", "203.0.113.7", "yes"},
		{"another address", "IpAddress", "203.0.113.7", "203.0.113.70", "no"},
		{"a prefix that is not masked", "IpAddress", "203.0.113.7/24", "203.0.113.200", "yes"},
		{"an IPv4-mapped address in the request", "IpAddress", "203.0.113.0/24", "::ffff:203.0.113.7", "yes"},
		{"an IPv4-mapped address in hexadecimal", "IpAddress", "203.0.113.0/24", "::ffff:cb00:7107", "yes"},
		{"an IPv4-mapped address outside", "IpAddress", "203.0.113.0/24", "::ffff:198.51.100.7", "no"},
		{"an IPv4-mapped address in the policy", "IpAddress", "::ffff:203.0.113.7", "203.0.113.7", "yes"},
		{"an IPv4-compatible address", "IpAddress", "203.0.113.0/24", "::203.0.113.7", "no"},
		{"all of IPv4 is not IPv6", "IpAddress", "0.0.0.0/0", "2001:db8::1", "no"},
		{"all of IPv6 is not IPv4", "IpAddress", "::/0", "203.0.113.7", "no"},
		{"nor what is mapped", "IpAddress", "::/0", "::ffff:203.0.113.7", "no"},
		{"IPv6 in capitals", "IpAddress", "2001:DB8:1234:5678::/64", "2001:db8:1234:5678::9", "yes"},
		{"a zone", "IpAddress", "fe80::/10", "fe80::1%eth0", "yes"},
		{"an address with a port", "NotIpAddress", "203.0.113.0/24", "203.0.113.7:80", "unreadable"},
		{"a list of addresses", "NotIpAddress", "203.0.113.0/24", "198.51.100.7, 203.0.113.7", "unreadable"},
		{"zeros in an address", "NotIpAddress", "203.0.113.0/24", "203.0.113.007", "unreadable"},

		{"a star does not cross a colon", "ArnLike", "arn:aws:someservice:*:111122223333:finance/*", "arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt", "no"},
		{"though with StringLike it does", "StringLike", "arn:aws:someservice:*:111122223333:finance/*", "arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt", "yes"},
		{"in the last part it does", "ArnLike", "arn:aws:sns:::*", "arn:aws:sns:::a:b:c", "yes"},
		{"ArnEquals has wildcards", "ArnEquals", "arn:aws:iam::*:user/?nn", ann, "yes"},
		{"case", "ArnEquals", strings.ToUpper(ann[:3]) + ann[3:], ann, "refused"},
		{"case of a name", "ArnEquals", "arn:aws:iam::111122223333:user/Ann", ann, "no"},
		{"six parts", "ArnNotEquals", ann, "arn:aws:iam::111122223333", "unreadable"},
		{"another scheme", "ArnNotEquals", ann, "urn:aws:iam::111122223333:user/ann", "unreadable"},
	}
	for _, tt := range tests {
		t.Run(tt.operator+", "+tt.name, func(t *testing.T) {
			t.Parallel()
			condition := when(tt.operator, "x:y", fmt.Sprintf("%q", tt.wanted))
			if tt.want == "refused" {
				if _, err := Parse(IdentityPolicy, "p", of(allow("*", "*", condition))); err == nil {
					t.Error("not refused")
				}
				return
			}
			if got := verdict(t, condition, func(r *Request) { r.Context.Set("x:y", tt.value) }); got != tt.want {
				t.Errorf("%q for %q: got %s, want %s", tt.wanted, tt.value, got, tt.want)
			}
		})
	}
}

func TestNull(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		wanted string
		values []string
		want   string
	}{
		{"must be absent, is", `"true"`, nil, "yes"},
		{"must be absent, is there", `"true"`, []string{"x"}, "no"},
		{"must be absent, is there and empty", `"true"`, []string{""}, "no"},
		{"must be absent, is there twice", `true`, []string{"x", "y"}, "no"},
		{"must be there, is", `"false"`, []string{"x"}, "yes"},
		{"must be there, is absent", `false`, nil, "no"},
		{"must be there, is empty", `"false"`, []string{""}, "yes"},
		{"must be there, cannot be read", `"false"`, []string{"\xff"}, "yes"},
		{"either, is there", `["true","false"]`, []string{"x"}, "yes"},
		{"either, is absent", `["true","false"]`, nil, "yes"},
	}
	for _, tt := range tests {
		if got := verdict(t, when("Null", "x:y", tt.wanted), func(r *Request) { r.Context.Set("x:y", tt.values...) }); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestBlocks: operators and keys are joined by and; what is known to fail outweighs what cannot be read.
func TestBlocks(t *testing.T) {
	t.Parallel()
	const good, bad, odd = `"x:good":"true"`, `"x:bad":"true"`, `"x:odd":"true"`
	tests := []struct{ name, block, want string }{
		{"an empty block", `{}`, "yes"},
		{"two keys that hold", `{"Bool":{` + good + `,"x:also":"true"}}`, "yes"},
		{"two keys, one fails", `{"Bool":{` + good + `,` + bad + `}}`, "no"},
		{"two operators, one fails", `{"Bool":{` + good + `},"StringEquals":{"x:bad":"x"}}`, "no"},
		{"two operators that hold", `{"Bool":{` + good + `},"StringEquals":{"x:bad":"false"}}`, "yes"},
		{"one cannot be read", `{"Bool":{` + good + `,` + odd + `}}`, "unreadable"},
		{"one cannot be read, one fails", `{"Bool":{` + odd + `,` + bad + `}}`, "no"},
		{"one fails, one cannot be read", `{"Bool":{` + bad + `,` + odd + `}}`, "no"},
		{"two cannot be read", `{"Bool":{` + odd + `},"BoolIfExists":{` + odd + `}}`, "unreadable"},
	}
	for _, tt := range tests {
		got := verdict(t, `"Condition":`+tt.block, func(r *Request) {
			for _, k := range []string{"x:good", "x:also"} {
				r.Context.Set(k, "true")
			}
			r.Context.Set("x:bad", "false")
			r.Context.Set("x:odd", "neither")
		})
		// An Allow stops at what cannot be read, so that a Deny alone tells the last two apart.
		if got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestVariables: policy variables in conditions.
func TestVariables(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		operator string
		wanted   string
		value    string
		want     string
	}{
		{"the value of a key", "StringEquals", "${aws:username}", "ann", "yes"},
		{"another value", "StringEquals", "${aws:username}", "bob", "no"},
		{"a part of the value", "StringEquals", "${aws:username}", "an", "no"},
		{"more than the value", "StringEquals", "${aws:username}", "anna", "no"},
		{"in the midst", "StringEquals", "home/${aws:username}/x", "home/ann/x", "yes"},
		{"in the midst, too short", "StringEquals", "home/${aws:username}/x", "home/ann", "no"},
		{"in the midst, another end", "StringEquals", "home/${aws:username}/x", "home/ann/y", "no"},
		{"in the midst, another beginning", "StringEquals", "home/${aws:username}/x", "hope/ann/x", "no"},
		{"in other case", "StringEquals", "${AWS:UserName}", "ann", "yes"},
		{"a value in other case", "StringEquals", "${aws:username}", "Ann", "no"},
		{"a value in other case, ignored", "StringEqualsIgnoreCase", "${aws:username}", "ANN", "yes"},
		{"two of them", "StringEquals", "${aws:username}-${aws:PrincipalTag/team}", "ann-red", "yes"},
		{"with wildcards", "StringLike", "${aws:username}*", "anna", "yes"},
		{"with wildcards, not met", "StringLike", "${aws:username}?", "ann", "no"},
		{"with wildcards, longer than the text", "StringLike", "${aws:username}${aws:username}*", "ann", "no"},
		{"the value is no pattern", "StringLike", "${x:star}", "anything", "no"},
		{"the value is a star", "StringLike", "${x:star}", "*", "yes"},
		{"the value is no pattern beside one", "StringLike", "a${x:star}?", "abc", "no"},
		{"the value is no variable", "StringEquals", "${x:variable}", "ann", "no"},

		{"negated, the value", "StringNotEquals", "${aws:username}", "ann", "no"},
		{"negated, another value", "StringNotEquals", "${aws:username}", "bob", "yes"},
		{"negated, ignoring case", "StringNotEqualsIgnoreCase", "${aws:username}", "ANN", "no"},

		{"no value", "StringEquals", "${x:absent}", "", "no"},
		{"no value, like anything", "StringLike", "${x:absent}*", "x", "no"},
		{"no value, ignoring case", "StringEqualsIgnoreCase", "${x:absent}", "x", "no"},
		{"no value, negated", "StringNotEquals", "${x:absent}", "x", "yes"},
		{"no value, negated, like", "StringNotLike", "${x:absent}*", "x", "yes"},
		{"no value in an ARN", "ArnLike", "arn:aws:iam::111122223333:user/${x:absent}", ann, "no"},
		{"no value in an ARN, negated", "ArnNotLike", "arn:aws:iam::111122223333:user/${x:absent}", ann, "yes"},
		{"an empty value is none", "StringLike", "${x:empty}*", "x", "no"},
		{"an empty value is none, alone", "StringEquals", "${x:empty}", "", "no"},
		{"an empty value is none, negated", "StringNotLike", "${x:empty}*", "x", "yes"},

		{"several values", "StringEquals", "${x:several}", "a", "unreadable"},
		{"several values, negated", "StringNotEquals", "${x:several}", "c", "unreadable"},
		{"several values, like", "StringLike", "${x:several}*", "a", "unreadable"},
		{"several values, negated, like", "StringNotLike", "${x:several}*", "c", "unreadable"},
		{"several values, ignoring case", "StringEqualsIgnoreCase", "${x:several}", "a", "unreadable"},
		{"several values in an ARN", "ArnLike", "arn:aws:iam::111122223333:user/${x:several}", ann, "unreadable"},
		{"several values in an ARN, negated", "ArnNotLike", "arn:aws:iam::111122223333:user/${x:several}", ann, "unreadable"},
		{"several values in an ARN that fails elsewhere", "ArnLike", "arn:aws:iam::999999999999:user/${x:several}", ann, "no"},
		{"several values and none", "StringEquals", "${x:several}${x:absent}", "a", "no"},
		{"a value that is no text", "StringEquals", "${x:binary}", "a", "unreadable"},
		{"a value that is no text, negated, like", "StringNotLike", "${x:binary}*", "a", "unreadable"},
		{"several values with a default", "StringEquals", "${x:several, 'a'}", "a", "unreadable"},

		{"a default for nothing", "StringEquals", "${x:absent, 'red'}", "red", "yes"},
		{"a default for nothing, not met", "StringEquals", "${x:absent, 'red'}", "blue", "no"},
		{"a default for an empty value", "StringEquals", "${x:empty, 'red'}", "red", "yes"},
		{"a default beside a value", "StringEquals", "${aws:username, 'red'}", "red", "no"},
		{"a default beside a value, the value", "StringEquals", "${aws:username, 'red'}", "ann", "yes"},
		{"a default with a comma and quotes", "StringEquals", "${x:absent,'it's, so'}", "it's, so", "yes"},
		{"an empty default", "StringEquals", "a${x:absent, ''}b", "ab", "yes"},
		{"a default is no pattern", "StringLike", "${x:absent, '*'}", "red", "no"},
		{"a default, ignoring case", "StringEqualsIgnoreCase", "${x:absent, 'Red'}", "rED", "yes"},
		{"a default, negated", "StringNotEquals", "${x:absent, 'red'}", "red", "no"},

		{"a star", "StringLike", "a${*}", "a*", "yes"},
		{"a star is no wildcard", "StringLike", "a${*}", "abc", "no"},
		{"a question mark", "StringLike", "a${?}", "a?", "yes"},
		{"a question mark is no wildcard", "StringLike", "a${?}", "ab", "no"},
		{"a dollar sign", "StringEquals", "${$}{aws:username}", "${aws:username}", "yes"},
		{"a dollar sign begins no variable", "StringEquals", "${$}{aws:username}", "ann", "no"},
		{"a dollar sign alone", "StringEquals", "$aws:username$", "$aws:username$", "yes"},
		{"in an ARN before the fifth colon", "ArnLike", "arn:aws:iam::${aws:PrincipalAccount}:user/${aws:username}", ann, "yes"},
		{"in an ARN, met by another", "ArnLike", "arn:aws:iam::${aws:PrincipalAccount}:user/${aws:username}", ann + "a", "no"},
		{"in an ARN, a value with colons stays in its part", "ArnLike", "arn:aws:${x:colons}:user/ann", ann, "refused"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			condition := when(tt.operator, "x:y", fmt.Sprintf("%q", tt.wanted))
			if tt.want == "refused" {
				if _, err := Parse(IdentityPolicy, "p", of(allow("*", "*", condition))); err == nil {
					t.Error("not refused")
				}
				return
			}
			got := verdict(t, condition, func(r *Request) {
				r.Context.Set("x:y", tt.value)
				r.Context.Set("x:star", "*")
				r.Context.Set("x:variable", "${aws:username}")
				r.Context.Set("x:empty", "")
				r.Context.Set("x:several", "a", "b")
				r.Context.Set("x:binary", "\xff")
				r.Context.Set("x:colons", "iam::111122223333")
				r.Principal.Tags = map[string]string{"Team": "red"}
			})
			if got != tt.want {
				t.Errorf("%q for %q: got %s, want %s", tt.wanted, tt.value, got, tt.want)
			}
		})
	}
}

// TestFirstVersion: in version 2008-10-17, and without a version, variables are the characters that they are made of.
func TestFirstVersion(t *testing.T) {
	t.Parallel()
	tests := []struct {
		version, operator, wanted, value string
		allowed                          bool
	}{
		{`"2012-10-17"`, "StringEquals", "${aws:username}", "ann", true},
		{`"2008-10-17"`, "StringEquals", "${aws:username}", "ann", false},
		{`"2008-10-17"`, "StringEquals", "${aws:username}", "${aws:username}", true},
		{`"2008-10-17"`, "StringLike", "${*}", "${anything}", true},
		{`"2008-10-17"`, "StringLike", "${*}", "*", false},
		{`"2008-10-17"`, "StringEquals", "${aws:username", "${aws:username", true},
		{`"2008-10-17"`, "ArnEquals", "arn:aws:iam::1:${a:b}", "arn:aws:iam::1:${a:b}", true},
		{"", "StringEquals", "${aws:username}", "ann", false},
		{"", "StringEquals", "${aws:username}", "${aws:username}", true},
	}
	for _, tt := range tests {
		version := ""
		if tt.version != "" {
			version = `"Version":` + tt.version + `,`
		}
		r := asks(t)
		r.Principal.Policies = named(t, "p", `{`+version+`"Statement":`+allow("*", "*", when(tt.operator, "x:y", fmt.Sprintf("%q", tt.wanted)))+`}`)
		r.Context.Set("x:y", tt.value)
		if got := Authorize(r).Allowed(); got != tt.allowed {
			t.Errorf("version %s, %s %q for %q: got %v, want %v", tt.version, tt.operator, tt.wanted, tt.value, got, tt.allowed)
		}
	}
	for _, tt := range []struct {
		version, resource string
		allowed           bool
	}{
		{"2012-10-17", "arn:aws:s3:::films/${aws:username}", false},
		{"2008-10-17", "arn:aws:s3:::films/${aws:username}", true},
	} {
		r := asks(t)
		r.Check.Resource = "arn:aws:s3:::films/${aws:username}"
		r.Principal.Policies = named(t, "p", `{"Version":"`+tt.version+`","Statement":`+allow("*", tt.resource)+`}`)
		if got := Authorize(r).Allowed(); got != tt.allowed {
			t.Errorf("version %s, %s: got %v, want %v", tt.version, tt.resource, got, tt.allowed)
		}
	}
}

// TestKeys: where the values of condition keys come from, and that a request cannot pretend to those of the principal and the resource.
func TestKeys(t *testing.T) {
	t.Parallel()
	session := aSession()
	session.Tags = map[string]string{"team": "red", "Cost": "7", "empty": "", "two": "1", "TWO": "2"}
	session.SourceIdentity, session.Provider, session.MFA = "ann@example", issuer, start.Add(-90*time.Second)
	plain := aUser()
	resource := Check{Action: "s3:GetObject", Resource: object, Owner: account, Tags: map[string]string{"Team": "blue"}}
	const absent = "absent"
	tests := []struct {
		name      string
		principal Principal
		key, want string
	}{
		{"the clock", plain, "aws:CurrentTime", "2026-01-01T00:00:00Z"},
		{"the clock in seconds", plain, "aws:EpochTime", "1767225600"},
		{"a user's ARN", plain, "aws:PrincipalArn", ann},
		{"a session's ARN is that of its role", session, "aws:PrincipalArn", role},
		{"a service has no ARN", aService(), "aws:PrincipalArn", absent},
		{"the account", plain, "aws:PrincipalAccount", account},
		{"a service has no account", aService(), "aws:PrincipalAccount", absent},
		{"the type of a user", plain, "aws:PrincipalType", "User"},
		{"the type of the root", aRoot(), "aws:PrincipalType", "Account"},
		{"a user is no service", plain, "aws:PrincipalIsAWSService", "false"},
		{"a service is one", aService(), "aws:PrincipalIsAWSService", "true"},
		{"a service's name", aService(), "aws:PrincipalServiceName", service},
		{"a user is no service of that name", plain, "aws:PrincipalServiceName", absent},
		{"the unique id", session, "aws:userid", "AROAEXAMPLEROLEID123:s"},
		{"a service has no id", aService(), "aws:userid", absent},
		{"a user's name", plain, "aws:username", "ann"},
		{"a session has no user's name", session, "aws:username", absent},
		{"the root has no user's name", aRoot(), "aws:username", absent},
		{"the source identity", session, "aws:SourceIdentity", "ann@example"},
		{"no source identity", plain, "aws:SourceIdentity", absent},
		{"who vouched", session, "aws:FederatedProvider", issuer},
		{"nobody vouched", plain, "aws:FederatedProvider", absent},
		{"when credentials were made", session, "aws:TokenIssueTime", "2025-12-31T23:00:00Z"},
		{"long-term credentials were never made", plain, "aws:TokenIssueTime", absent},
		{"a second factor", session, "aws:MultiFactorAuthPresent", "true"},
		{"no second factor", aSession(), "aws:MultiFactorAuthPresent", "false"},
		{"long-term credentials say nothing of a second factor", plain, "aws:MultiFactorAuthPresent", absent},
		{"the age of the second factor", session, "aws:MultiFactorAuthAge", "90"},
		{"no age of no second factor", aSession(), "aws:MultiFactorAuthAge", absent},
		{"the resource's account", plain, "aws:ResourceAccount", account},
		{"a tag of the principal", session, "aws:PrincipalTag/team", "red"},
		{"a tag in other case", session, "AWS:principaltag/COST", "7"},
		{"a tag without a value", session, "aws:PrincipalTag/empty", ""},
		{"a tag that is not there", session, "aws:PrincipalTag/none", absent},
		{"a tag by a longer name", session, "aws:PrincipalTag/teams", absent},
		{"no name of a tag", session, "aws:PrincipalTag/", absent},
		{"two tags that differ in case", session, "aws:PrincipalTag/Two", "2 values"},
		{"a tag of the resource", plain, "aws:ResourceTag/team", "blue"},
		{"a tag of an IAM resource", plain, "iam:ResourceTag/Team", "blue"},
		{"another's tag of the resource", plain, "s3:ExistingObjectTag/team", absent},
		{"what the request says", plain, "aws:SourceIp", "203.0.113.7"},
		{"what the check says", plain, "iam:PassedToService", service},
		{"what both say is the request's, which the gateway knows itself", plain, "x:both", "request"},
		{"what nobody says", plain, "x:nothing", absent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := &Request{Principal: tt.principal, Check: resource, Now: start}
			r.Context.Set("aws:SourceIp", "203.0.113.7")
			r.Context.Set("x:both", "request")
			r.Check.Context.Set("iam:PassedToService", service)
			r.Check.Context.Set("x:both", "check")
			// Whatever else the request pretends to is not believed.
			if tt.key != "aws:SourceIp" && tt.key != "iam:PassedToService" && !strings.HasPrefix(tt.key, "x:") && !strings.HasPrefix(tt.key, "s3:") {
				r.Context.Set(tt.key, "pretended")
				r.Check.Context.Set(tt.key, "pretended")
			}
			got := absent
			switch values := (scope{Request: r}).values(lower(tt.key)); len(values) {
			case 0:
			case 1:
				got = values[0]
			default:
				got = fmt.Sprint(len(values), " values")
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			r.Assumed.Set(tt.key, "assumed")
			if got := (scope{Request: r}).values(lower(tt.key)); len(got) != 1 || got[0] != "assumed" {
				t.Errorf("assumed: got %q", got)
			}
		})
	}
}

// TestNoClock: without a clock nothing about time can be read.
func TestNoClock(t *testing.T) {
	t.Parallel()
	for _, condition := range []string{
		when("DateLessThan", "aws:CurrentTime", `"2030"`),
		when("DateNotEquals", "aws:CurrentTime", `"2030"`),
		when("NumericGreaterThan", "aws:EpochTime", `"0"`),
		when("NumericLessThan", "aws:MultiFactorAuthAge", `"3600"`),
		when("NumericGreaterThan", "aws:MultiFactorAuthAge", `"3600"`),
		when("StringNotLike", "aws:CurrentTime", `"2026*"`),
		when("StringNotEquals", "x:y", `"${aws:CurrentTime}"`),
	} {
		got := verdict(t, condition, func(r *Request) {
			p := aSession()
			p.Policies, p.MFA = r.Principal.Policies, start
			r.Principal, r.Now = p, time.Time{}
			r.Context.Set("x:y", "z")
		})
		if got != "unreadable" {
			t.Errorf("%s: got %s, want unreadable", condition, got)
		}
	}
}

// TestManyKeys: a request that is asked for more keys than are remembered finds the others as well.
func TestManyKeys(t *testing.T) {
	t.Parallel()
	var keys []string
	for i := range 3 * memoSize {
		keys = append(keys, fmt.Sprintf(`"x:k%d":"%d"`, i, i))
	}
	condition := `"Condition":{"StringEquals":{` + strings.Join(keys, ",") + `},"StringLike":{` + strings.Join(keys, ",") + `}}`
	for _, wrong := range []int{-1, 0, memoSize - 1, memoSize, 3*memoSize - 1} {
		want := "no"
		if wrong < 0 {
			want = "yes"
		}
		got := verdict(t, condition, func(r *Request) {
			for i := range 3 * memoSize {
				v := fmt.Sprint(i)
				if i == wrong {
					v = "other"
				}
				r.Context.Set(fmt.Sprintf("x:k%d", i), v)
			}
		})
		if got != want {
			t.Errorf("key %d: got %s, want %s", wrong, got, want)
		}
	}
}
