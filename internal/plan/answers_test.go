package plan

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// member is one member of the model.
type member struct{ structure, name string }

// model walks every member that the settings of a job have, in the order in which they are met.
func model() []member {
	var all []member
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(t reflect.Type) {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || seen[t] {
			return
		}
		seen[t] = true
		for i := range t.NumField() {
			if t.Field(i).IsExported() {
				all = append(all, member{t.Name(), t.Field(i).Name})
			}
		}
		for i := range t.NumField() {
			walk(t.Field(i).Type)
		}
	}
	walk(reflect.TypeFor[types.JobSettings]())
	return all
}

// TestEveryMemberHasAnAnswer: a member that a newer model adds fails here until somebody answers for it, except inside a structure that is
// refused as a whole.
func TestEveryMemberHasAnAnswer(t *testing.T) {
	t.Parallel()
	for _, m := range model() {
		if _, ok := answerOf(m.structure, m.name); !ok {
			t.Errorf("%s.%s has no answer", m.structure, m.name)
		}
	}
}

// TestEveryRefusalHasAMember: a refusal of what the model does not have, or of what is answered otherwise, would be dead.
func TestEveryRefusalHasAMember(t *testing.T) {
	t.Parallel()
	all := model()
	for name := range refusals {
		structure, m, _ := strings.Cut(name, ".")
		if !slices.ContainsFunc(all, func(x member) bool { return x.structure == structure && (m == "*" || x.name == m) }) {
			t.Errorf("%s is not in the model", name)
		}
		if _, both := members[name]; both {
			t.Errorf("%s is refused and answered", name)
		}
		for other := range members {
			if m == "*" && strings.HasPrefix(other, structure+".") {
				t.Errorf("%s is refused as a whole, and %s is answered", structure, other)
			}
		}
	}
}

var update = flag.Bool("update", false, "write docs/settings.md")

// TestSettingsDocument: docs/settings.md says what the table says. go test ./internal/plan -run SettingsDocument -update writes it.
func TestSettingsDocument(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "docs", "settings.md")
	want := settingsDocument()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/settings.md is not what the table says: run go test ./internal/plan -run SettingsDocument -update")
	}
}

func settingsDocument() string {
	var body strings.Builder
	count := map[string]int{}
	last := ""
	all := model()
	slices.SortStableFunc(all, func(a, b member) int { return strings.Compare(a.structure, b.structure) })
	for _, m := range all {
		a, _ := answerOf(m.structure, m.name)
		kind, says := "honoured", "honoured"
		switch {
		case a.refuseAll:
			kind, says = "refused", "refused: "+a.reason
		case a.inert && len(a.values) > 0:
			kind, says = "accepted", "accepted at "+strings.Join(a.values, ", ")+", which asks for what is done anyway; otherwise refused: "+a.reason
		case a.inert:
			kind, says = "accepted", "accepted; has no effect on the media"
		case len(a.values) > 0:
			says = "honoured at " + strings.Join(a.values, ", ") + "; otherwise refused: " + a.reason
		}
		count[kind]++
		_, whole := refusals[m.structure+".*"]
		if m.structure != last {
			last = m.structure
			fmt.Fprintf(&body, "\n## %s\n\n", m.structure)
			if whole {
				fmt.Fprintf(&body, "Refused as a whole: %s.\n", a.reason)
			} else {
				body.WriteString("| member | answer |\n|---|---|\n")
			}
		}
		if !whole {
			fmt.Fprintf(&body, "| %s | %s |\n", wireName(m.name), says)
		}
	}
	share := func(kind string) string {
		return fmt.Sprintf("%d %s (%.1f %%)", count[kind], kind, 100*float64(count[kind])/float64(len(all)))
	}
	return "# Every setting and what becomes of it\n\n" +
		"Made from the table in `internal/plan`, which is what judges a job; a test fails when this page is not what the table says. Of the\n" +
		fmt.Sprintf("%d members that the settings of a job have in the model: %s, %s, %s.\n\n", len(all), share("honoured"), share("accepted"), share("refused")) +
		"A refused member fails CreateJob with `Not offered by this installation:`, its path and the reason. Nothing is ignored in silence.\n" + body.String()
}
