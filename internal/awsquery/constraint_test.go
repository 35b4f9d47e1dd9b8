package awsquery_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"darkroom/internal/awsquery"
)

// TestEveryInputMemberHasConstraints walks the inputs of both clients: the table has each member, and no other.
func TestEveryInputMemberHasConstraints(t *testing.T) {
	t.Parallel()
	roots := make(map[string][]reflect.Type)
	for _, o := range newPeer(t).operations(t) {
		roots[o.service] = append(roots[o.service], o.input)
	}
	table := awsquery.Members()
	for service, types := range roots {
		all := structures(types...)
		for name, typ := range all {
			members := awsquery.WireNames(typ)
			if typ.Kind() == reflect.Struct {
				members = nil
				for i := range typ.NumField() {
					if f := typ.Field(i); f.IsExported() {
						members = append(members, f.Name)
					}
				}
			}
			for _, m := range members {
				if !awsquery.LimitOf(typ, m).Known {
					t.Errorf("%s: %s.%s is not in the table", service, name, m)
				}
			}
			got := slices.Sorted(slices.Values(table[service][name]))
			slices.Sort(members)
			if !slices.Equal(got, members) {
				t.Errorf("%s: %s: got %v, want %v", service, name, got, members)
			}
		}
		for name := range table[service] {
			if all[name] == nil {
				t.Errorf("%s: %s is in the table and no part of an input", service, name)
			}
		}
	}
}

// TestRequiredAsInTheSDK: the SDK's own validators refuse what the table requires, before it is sent.
func TestRequiredAsInTheSDK(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	for _, o := range p.operations(t) {
		for i := range o.input.NumField() {
			f := o.input.Field(i)
			if !f.IsExported() {
				continue
			}
			in := filled(t, o.input, 1)
			in.Elem().Field(i).SetZero()
			p.answer, _ = awsquery.Encode(o.name, o.namespace, requestID, reflect.New(o.output).Interface())
			_, err := o.call(in.Interface())
			got := err != nil && strings.Contains(err.Error(), "missing required field, "+o.input.Name()+"."+f.Name)
			if want := awsquery.LimitOf(o.input, f.Name).Required; got != want {
				t.Errorf("%s.%s: got %t (%v), want %t", o.input.Name(), f.Name, got, err, want)
			}
		}
	}
}

// TestPatterns holds every pattern of the table against texts that it takes and does not.
func TestPatterns(t *testing.T) {
	t.Parallel()
	untested := awsquery.Patterns()
	text := "\t\n\r ~\u00ff"
	for _, c := range []struct {
		pattern string
		yes, no []string
	}{
		{`[\w+=,.@-]+`, []string{"a", "A_1+=,.@-"}, []string{"", "a b", "a/b", "é", "a\n", "\na", "a:b"}},
		{`[\w+=,.@-]*`, []string{"", "a"}, []string{"a b", "a\n"}},
		{`[\w._-]+`, []string{"a._-1"}, []string{"", "a+b", "a=b"}},
		{`[\w+=/:,.@-]+`, []string{"arn:aws:iam::1:mfa/a"}, []string{"", "a b", "a;b"}},
		{`[\w+=/:,.@-]*`, []string{"", "arn:aws:iam::1:mfa/a"}, []string{"a b"}},
		{`[\w+=,.@:\/-]*`, []string{"", "a:/b"}, []string{"a b", `a\b`}},
		{`[\w]+`, []string{"AKIA_1"}, []string{"", "a-b"}},
		{`[\w]*`, []string{"", "AKIA_1"}, []string{"a-b"}},
		{`[\w-]*`, []string{"", "s3-a"}, []string{"a.b"}},
		{`[\w-]+`, []string{"s3-a"}, []string{"", "a.b"}},
		{`[\d]+`, []string{"123456"}, []string{"", "12a", "١"}},
		{`[\d]*`, []string{"", "123456"}, []string{"12a", "-1"}},
		{`\d{12}`, []string{"111122223333"}, []string{"11112222333", "1111222233334", "11112222333a"}},
		{`[A-Z0-9]+`, []string{"AB12"}, []string{"", "ab", "A-B"}},
		{`[ -~]+`, []string{" ~"}, []string{"", "\t", "é"}},
		{`v[1-9][0-9]*(\.[A-Za-z0-9-]*)?`, []string{"v1", "v12", "v1.", "v1.a-b"}, []string{"", "1", "v0", "v01", "v", "V1", "v1.a.b"}},
		{`(\u002F)|(\u002F[\u0021-\u007E]+\u002F)`, []string{"/", "/a/", "/a/b/", "//a//"}, []string{"", "a", "/a", "a/", "/a b/", "/é/", "/\n", "//"}},
		{`((/[A-Za-z0-9\.,\+@=_-]+)*)/`, []string{"/", "/a/", "/a/b+c/"}, []string{"", "a", "/a", "//", "/a b/", "/a!/"}},
		{`\u002F[\u0021-\u007F]*`, []string{"/", "/a", "/a/b"}, []string{"", "a", "/a b", "/é"}},
		{`[\u0020-\u00FF]+`, []string{" ~\u00ff"}, []string{"", "\t", "\u0100"}},
		{`[\u0009\u000A\u000D\u0020-\u00FF]+`, []string{text, "{}"}, []string{"", "\x00", "\x0b", "\u0100", "🎬"}},
		{`[\u0009\u000A\u000D\u0020-\u007E\u00A1-\u00FF]+`, []string{text}, []string{"", "\x7f", "\u00a0", "\u0100"}},
		{`[\u0009\u000A\u000D\u0020-\u007E\u00A1-\u00FF]*`, []string{"", text}, []string{"\x7f", "\u00a0", "\u0100"}},
		{
			`[\u0009\u000A\u000D\u0020-\u007E\u0085\u00A0-\uD7FF\uE000-\uFFFD\u10000-\u10FFFF]+`,
			[]string{text, "\u0085\ud7ff\ue000\ufffd\U00010000\U0010ffff"},
			[]string{"", "\x00", "\x7f", "\u0084", "\ufffe"},
		},
		{`[\p{L}\p{Z}\p{N}_.:/=+\-@]+`, []string{"é 1_.:/=+-@", "\u00a0", "字"}, []string{"", "a&b", "a,b", "a\tb", "(a)", "🎬"}},
		{`[\p{L}\p{Z}\p{N}_.:/=+\-@]*`, []string{"", "é 1"}, []string{"a&b", "a\nb"}},
		{`^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$`, []string{"abc", "a-b", "1-2-3"}, []string{"", "a", "-ab", "ab-", "a--b", "Abc", "a_b", "a-b\n"}},
		{`^[a-zA-Z0-9:_.-]+$`, []string{"a:B_.-"}, []string{"", "a/b", "a\n"}},
		{`^[a-zA-Z0-9:/+=,.@_-]+$`, []string{"arn:aws:iam::1:user/a"}, []string{"", "a b"}},
		{`^http(s?)://[a-zA-Z0-9._/-]*(\?[a-zA-Z0-9._=&-]*)?(#[a-zA-Z0-9._/-]*)?$`, []string{"http://a", "https://a/b?c=d&e#f"}, []string{"", "ftp://a", "https://a:1", "https://a b", "x https://a", "https://a\n"}},
		{`^o-[0-9a-z]{10,32}\/r-[0-9a-z]{4,32}[0-9a-z-\/]*`, []string{"o-a1b2c3d4e5/r-f6g7", "o-a1b2c3d4e5/r-f6g7/ou-1/"}, []string{"", "o-a1b2c3d4e/r-f6g7", "xo-a1b2c3d4e5/r-f6g7", "o-a1b2c3d4e5/r-f6g7/A"}},
		{`^p-[0-9a-zA-Z_]{8,128}$`, []string{"p-01234567"}, []string{"", "p-0123456", "x-01234567", "p-01234567\n"}},
		{"^[A-Za-z][A-Za-z0-9/_-]*$", []string{"a", "RoleManager/Enabled"}, []string{"", "1a", "/a", "a.b"}},
	} {
		t.Run(c.pattern, func(t *testing.T) {
			compiled := untested[c.pattern]
			if compiled == nil {
				t.Fatal("is not in the table")
			}
			delete(untested, c.pattern)
			for _, s := range c.yes {
				if !compiled.MatchString(s) {
					t.Errorf("%q is not taken", s)
				}
			}
			for _, s := range c.no {
				if compiled.MatchString(s) {
					t.Errorf("%q is taken", s)
				}
			}
		})
	}
	for pattern := range untested {
		t.Errorf("%s is not tested", pattern)
	}
}
