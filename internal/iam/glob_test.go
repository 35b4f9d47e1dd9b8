package iam

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// wildcard matches a pattern of * and ? by the package.
func wildcard(tb testing.TB, pattern, text string) bool {
	tb.Helper()
	g, err := newTemplate(pattern, true, false)
	if err != nil {
		tb.Fatal(err)
	}
	return g.fits(text)
}

// naive is the definition of wildcards, with no thought for time.
func naive(pattern, text []rune) bool {
	switch {
	case len(pattern) == 0:
		return len(text) == 0
	case pattern[0] == '*':
		return naive(pattern[1:], text) || len(text) > 0 && naive(pattern, text[1:])
	case len(text) == 0:
		return false
	}
	return (pattern[0] == '?' || pattern[0] == text[0]) && naive(pattern[1:], text[1:])
}

func TestWildcards(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true},
		{"", "a", false},
		{"a", "", false},
		{"*", "", true},
		{"*", "anything at all", true},
		{"**", "", true},
		{"?", "", false},
		{"?", "ab", false},
		{"?*", "", false},
		{"*?", "a", true},
		{"a*", "b", false},
		{"a*", "a", true},
		{"*a", "ab", false},
		{"*a", "ba", true},
		{"a*a", "a", false}, // one letter is not both
		{"a*a", "aa", true},
		{"ab*bc", "abc", false},
		{"a*b*c", "acb", false},
		{"a*b*c", "a-b-c", true},
		{"a**b", "ab", true},
		{"a***b", "axb", true},
		{"*a*a*", "a", false},
		{"*a*a*", "xaxax", true},
		{"*ab*", "aab", true},
		{"*a?b*", "aab", true},
		{"*a?b*", "ab", false},
		{"*a?b*", "aaxb", true},
		{"*a?b?*", "aab", false},
		{"*a?b?*", "aabaxb", true},
		{"*?a?*", "a", false},
		{"*?a?*", "xay", true},
		{"a?c", "abc", true},
		{"a?c", "ac", false},
		{"a?c*", "abd", false},
		{"*a?c", "xabc", true},
		{"*a?c", "xabd", false},
		{"??", "é", false}, // a question mark is a character and not a byte
		{"?", "é", true},
		{"*?", "日", true},
		{"*??", "é", false},
		{"*?é?*", "日é😀", true},
		{"*?é?*", "日e😀", false},
		{"[a]", "a", false},
		{`\*`, "*", false},
		{"a", "A", false},
		{"*" + strings.Repeat("?", 70) + "a*", strings.Repeat("b", 70) + "a", true}, // a piece of two words
		{"*" + strings.Repeat("?", 70) + "a*", strings.Repeat("b", 69) + "a", false},
		{"*?" + strings.Repeat("abc", 50) + "?*", "x" + strings.Repeat("abc", 50) + "y", true},
		{"*?" + strings.Repeat("abc", 50) + "?*", "x" + strings.Repeat("abc", 49) + "abd" + "y", false},
		{"*x?" + strings.Repeat("abcdefghijklm", 20) + "*", "x" + strings.Repeat("abcdefghijklm", 20), false},
		{"*x?" + strings.Repeat("abcdefghijklm", 20) + "*", "xxx" + strings.Repeat("abcdefghijklm", 20), true},
	}
	for _, tt := range tests {
		if got := wildcard(t, tt.pattern, tt.text); got != tt.want {
			t.Errorf("%q on %q: got %v, want %v", tt.pattern, tt.text, got, tt.want)
		}
	}
	if glob(nil).match("") {
		t.Error("a nil glob matches")
	}
}

func TestWildcardsAgainstDefinition(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 1))
	pick := func(from string, most int) string {
		runes := []rune(from)
		b := make([]rune, random.IntN(most+1))
		for i := range b {
			b[i] = runes[random.IntN(len(runes))]
		}
		return string(b)
	}
	matched := 0
	for range 50000 {
		pattern, text := pick("aé**??", 9), pick("aé", 10)
		want := naive([]rune(pattern), []rune(text))
		if got := wildcard(t, pattern, text); got != want {
			t.Fatalf("%q on %q: got %v, want %v", pattern, text, got, want)
		}
		if want {
			matched++
		}
	}
	if matched < 2500 {
		t.Errorf("only %d of the patterns matched", matched)
	}
}

// TestWildcardsDoNotBlowUp would take longer than the universe with a matcher that goes back to every star.
func TestWildcardsDoNotBlowUp(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 100000)
	for _, pattern := range []string{
		strings.Repeat("a*", 1000) + "b",
		strings.Repeat("a*", 50000) + "b*",
		strings.Repeat("*a", 1000) + "*b*",
		strings.Repeat("*a?", 1000) + "*b*",
		strings.Repeat("*", 100000) + "b",
		strings.Repeat("?*", 1000) + "b",
		"*" + strings.Repeat("?", 1000) + "b*",
		"*" + strings.Repeat("a", 1000) + "?b*",
	} {
		if wildcard(t, pattern, long) {
			t.Errorf("%.20s… matched", pattern)
		}
	}
	if !wildcard(t, strings.Repeat("a*", 1000), long) {
		t.Error("did not match")
	}
}

// TestSearchIsNoLargerThanThePiece: a search for many different characters keeps no set of places for each.
func TestSearchIsNoLargerThanThePiece(t *testing.T) {
	t.Parallel()
	var pattern strings.Builder
	pattern.WriteString("*?")
	for r := rune(0x4e00); r < 0x4e00+20000; r++ {
		pattern.WriteRune(r)
	}
	pattern.WriteString(strings.Repeat("一", 1000) + "*")
	g, err := newTemplate(pattern.String(), true, false)
	if err != nil {
		t.Fatal(err)
	}
	runes, kept := 0, 0
	for _, p := range g.fixed {
		if p.search == nil {
			continue
		}
		runes = len(p.runes)
		kept = len(p.search.wild)
		for _, m := range p.search.masks {
			kept += len(m)
		}
		for _, l := range p.search.lists {
			kept += len(l)
		}
	}
	if runes != 21001 || kept > 2*runes {
		t.Errorf("a piece of %d characters keeps %d words", runes, kept)
	}
	text := strings.ReplaceAll(strings.Trim(pattern.String(), "*"), "?", "x")
	if !g.fits("before " + text + " behind") {
		t.Error("does not match")
	}
	if g.fits("before " + strings.Replace(text, "丂", "丄", 1) + " behind") {
		t.Error("matches something else")
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("a*b?c", "axxbyc")
	f.Add("*", "")
	f.Add("*?é?*", "日é😀")
	f.Add("a*a*a*b", "aaaaaaaaaaaaaaa")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if !utf8.ValidString(pattern) || !utf8.ValidString(text) || strings.Count(pattern, "*") > 4 || len(pattern) > 60 || len(text) > 40 {
			return // documents and requests are UTF-8; the definition takes its time
		}
		if got, want := wildcard(t, pattern, text), naive([]rune(pattern), []rune(text)); got != want {
			t.Errorf("%q on %q: got %v, want %v", pattern, text, got, want)
		}
	})
}
