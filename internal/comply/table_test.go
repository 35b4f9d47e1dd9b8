package comply

import (
	"slices"
	"testing"

	"darkroom/internal/inspect"
)

// TestTables: every table can be read, every check that a practice names is there, and every check is asked for by a practice.
func TestTables(t *testing.T) {
	t.Parallel()
	all, err := load()
	if err != nil {
		t.Fatal(err)
	}
	var known []string
	for _, c := range inspect.All() {
		if slices.Contains(known, c.ID) {
			t.Errorf("the check %s is there twice", c.ID)
		}
		known = append(known, c.ID)
	}
	asked := map[string]bool{}
	for name, p := range all.practices {
		if p.Does == "" {
			t.Errorf("the practice %s does nothing", name)
		}
		for _, id := range p.Checks {
			asked[id] = true
			if !slices.Contains(known, id) {
				t.Errorf("the practice %s names the check %s, which is not there", name, id)
			}
		}
	}
	for _, id := range known {
		if !asked[id] {
			t.Errorf("the check %s shows no practice", id)
		}
	}
	used := map[string]bool{}
	for _, id := range Order {
		f, err := Load(id)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range f.Groups {
			for _, c := range g.Controls {
				for _, p := range c.Practices {
					used[p] = true
				}
			}
		}
	}
	for name := range all.practices {
		if !used[name] {
			t.Errorf("no control asks for the practice %s", name)
		}
	}
	if _, err := Load("sox"); err == nil {
		t.Error("a framework that is not there was loaded")
	}
}
