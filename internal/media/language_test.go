package media

import (
	"strings"
	"testing"
)

func TestLanguage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ tag, want string }{
		{"en", "eng"},
		{"EN-us", "eng"},
		{"eng", "eng"},
		{"ger", "deu"},
		{"deu", "deu"},
		{"de-AT", "deu"},
		{"zh-Hant-TW", "zho"},
		{"fre", "fra"},
		{"ice", "isl"},
		{"und", "und"},
		{"", ""},
		{"xx", "xx"},
		{"gsw", "gsw"},
		{"x-klingon", "x"},
	} {
		if got := Language(c.tag); got != c.want {
			t.Errorf("%q: got %q, want %q", c.tag, got, c.want)
		}
	}
}

// TestLanguageTables: every word has the lengths that Language counts on, and no code is there twice.
func TestLanguageTables(t *testing.T) {
	t.Parallel()
	for table, code := range map[string]int{twoLetters: 2, bibliographic: 3} {
		seen := map[string]bool{}
		for _, word := range strings.Fields(table) {
			if len(word) != code+3 || seen[word[:code]] {
				t.Errorf("%q", word)
			}
			seen[word[:code]] = true
		}
	}
}
