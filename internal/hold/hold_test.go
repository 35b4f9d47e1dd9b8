package hold

import (
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, says string
		h          Hold
	}{
		{"a job", "", Hold{On: Job, Target: "1700000000000-abcdef", Reason: "case 7"}},
		{"a prefix", "", Hold{On: Objects, Target: "films/reel/", Reason: "case 7"}},
		{"a whole bucket", "", Hold{On: Objects, Target: "films/", Reason: "case 7"}},
		{"records", "", Hold{On: Records, Reason: "case 7"}},
		{"nothing", "on:", Hold{Reason: "case 7"}},
		{"another kind", "on:", Hold{On: "queue", Target: "q", Reason: "case 7"}},
		{"no job", "target:", Hold{On: Job, Reason: "case 7"}},
		{"a path for a job", "target:", Hold{On: Job, Target: "films/x", Reason: "case 7"}},
		{"a bucket without a slash", "target:", Hold{On: Objects, Target: "films", Reason: "case 7"}},
		{"no bucket", "target:", Hold{On: Objects, Target: "/x", Reason: "case 7"}},
		{"records with a target", "target:", Hold{On: Records, Target: "x", Reason: "case 7"}},
		{"a long target", "target:", Hold{On: Objects, Target: "films/" + strings.Repeat("x", maxTarget), Reason: "case 7"}},
		{"a target that is no text", "target:", Hold{On: Objects, Target: "films/\xff", Reason: "case 7"}},
		{"no reason", "reason:", Hold{On: Records}},
		{"a blank reason", "reason:", Hold{On: Records, Reason: " \n"}},
		{"a long reason", "reason:", Hold{On: Records, Reason: strings.Repeat("x", MaxReason+1)}},
	} {
		err := tt.h.Check()
		if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.says)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.says)
		}
	}
}

func TestSet(t *testing.T) {
	t.Parallel()
	s := NewSet([]Hold{
		{ID: "1", On: Objects, Target: "films/reel/1"},
		{ID: "2", On: Objects, Target: "films/reel/"},
		{ID: "3", On: Objects, Target: "all/"},
		{ID: "4", On: Job, Target: "j"},
		{ID: "5", On: Objects, Target: "films/reel/"},
	})
	for _, tt := range []struct {
		bucket, key string
		held        bool
	}{
		{"films", "reel/1", true},
		{"films", "reel/10.mp4", true},
		{"films", "reel/2", true},
		{"films", "reel", false},
		{"films", "ree", false},
		{"films", "Reel/1", false},
		{"films", "other/reel/1", false},
		{"all", "x", true},
		{"none", "reel/1", false},
		{"", "", false},
	} {
		if _, got := s.Object(tt.bucket, tt.key); got != tt.held {
			t.Errorf("%s/%s: held %v", tt.bucket, tt.key, got)
		}
	}
	for _, tt := range []struct {
		bucket, prefix string
		held           bool
	}{
		{"films", "", true},
		{"films", "re", true},
		{"films", "reel/1/2", true},
		{"films", "other", false},
		{"all", "anything", true},
		{"none", "", false},
	} {
		if _, got := s.Under(tt.bucket, tt.prefix); got != tt.held {
			t.Errorf("under %s/%s: held %v", tt.bucket, tt.prefix, got)
		}
	}
	if _, held := new(Set).Object("films", "x"); held || len(s.All()) != 5 {
		t.Error("the zero set holds something, or a set forgot one")
	}
}
