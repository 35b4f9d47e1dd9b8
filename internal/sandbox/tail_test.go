package sandbox

import (
	"strings"
	"testing"
)

func TestTail(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		writes []string
		want   string
	}{
		{"nothing", nil, ""},
		{"little", []string{"ab", "c"}, "abc"},
		{"exact", []string{"abcd", "efgh"}, "abcdefgh"},
		{"one more", []string{"abcdefgh", "i"}, "bcdefghi"},
		{"around", []string{"abcdef", "ghijkl"}, "efghijkl"},
		{"long", []string{"ab", strings.Repeat("x", 100) + "the end"}, "xthe end"},
		{"cut character", []string{"é1234567"}, "\uFFFD1234567"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tail := newTail(8)
			for _, text := range tt.writes {
				if n, err := tail.Write([]byte(text)); n != len(text) || err != nil {
					t.Errorf("Write(%q) = %d, %v", text, n, err)
				}
			}
			if got := tail.String(); got != tt.want {
				t.Errorf("tail %q, want %q", got, tt.want)
			}
		})
	}
}
