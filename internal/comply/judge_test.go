package comply

import (
	"testing"

	"darkroom/internal/inspect"
)

// TestJudge: there is no pass without a check that has passed.
func TestJudge(t *testing.T) {
	t.Parallel()
	practices := map[string]Practice{"one": {Does: "one.", Checks: []string{"a", "b"}}, "two": {Does: "two.", Checks: []string{"c"}}, "made": {Does: "made."}}
	result := func(id string, s inspect.State) inspect.Result {
		r := inspect.Result{Check: id, Title: id, State: s, Found: "saw " + id}
		if s == inspect.Failed {
			r.Mend = "mend " + id
		}
		return r
	}
	for _, tt := range []struct {
		name    string
		control Control
		results []inspect.Result
		want    Status
		mends   int
	}{
		{"all passed", Control{Practices: []string{"one"}}, []inspect.Result{result("a", inspect.Passed), result("b", inspect.Passed)}, Met, 0},
		{"one failed", Control{Practices: []string{"one"}}, []inspect.Result{result("a", inspect.Passed), result("b", inspect.Failed)}, Gap, 1},
		{"one not checked", Control{Practices: []string{"one"}}, []inspect.Result{result("a", inspect.Passed), result("b", inspect.NotChecked)}, Unchecked, 0},
		{"failed and not checked", Control{Practices: []string{"one"}}, []inspect.Result{result("a", inspect.NotChecked), result("b", inspect.Failed)}, Gap, 1},
		{"one not applicable", Control{Practices: []string{"one"}}, []inspect.Result{result("a", inspect.Passed), result("b", inspect.NotApplicable)}, Met, 0},
		{"of one practice nothing applicable", Control{Practices: []string{"one", "two"}}, []inspect.Result{result("a", inspect.Passed), result("b", inspect.Passed), result("c", inspect.NotApplicable)}, Unchecked, 0},
		{"none applicable", Control{Practices: []string{"one"}}, []inspect.Result{result("a", inspect.NotApplicable), result("b", inspect.NotApplicable)}, Inapplicable, 0},
		{"a check that was not carried out", Control{Practices: []string{"one"}}, []inspect.Result{result("a", inspect.Passed)}, Gap, 1},
		{"no checks carried out", Control{Practices: []string{"one", "two"}}, nil, Gap, 1},
		{"the zero result", Control{Practices: []string{"two"}}, []inspect.Result{{Check: "c"}}, Gap, 0},
		{"two practices, one failed", Control{Practices: []string{"one", "two"}}, []inspect.Result{result("a", inspect.Passed), result("b", inspect.Passed), result("c", inspect.Failed)}, Gap, 1},
		{"what no check shows", Control{Practices: []string{"made"}}, nil, Unchecked, 0},
		{"what no check shows beside what one does", Control{Practices: []string{"made", "two"}}, []inspect.Result{result("c", inspect.Passed)}, Met, 0},
		{"nothing that Darkroom does", Control{Customer: "all"}, nil, Customer, 0},
		{"not applicable", Control{Not: "none here"}, nil, Inapplicable, 0},
	} {
		byID := map[string]inspect.Result{}
		for _, r := range tt.results {
			byID[r.Check] = r
		}
		v := judge(Group{}, tt.control, practices, byID)
		if v.Status != tt.want || v.Why == "" || len(v.Mend) != tt.mends {
			t.Errorf("%s: got %s (%s), %d ways to mend; want %s, %d", tt.name, v.Status, v.Why, len(v.Mend), tt.want, tt.mends)
		}
	}
	if (Verdict{}).Status != Gap {
		t.Error("the zero verdict is no gap")
	}
}
