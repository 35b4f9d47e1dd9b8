package audittest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// modelRoots are where Debian's python3-botocore keeps the models of the services.
var modelRoots = []string{"/usr/lib/python3/dist-packages/botocore/data"}

// Model is the model of a service, as botocore has it.
type Model struct {
	Operations map[string]struct {
		Input, Output *struct{ Shape string }
	}
	Shapes map[string]Shape
}

// Shape is one shape of a model.
type Shape struct {
	Type      string
	Sensitive bool
	Members   map[string]Member
	Member    *Member // of a list
	Value     *Member // of a map
}

// Member is a reference to a shape, and where it travels.
type Member struct {
	Shape                  string
	Sensitive              bool
	Location, LocationName string
}

// LoadModel reads the newest model of a service. Without the models the test is skipped at the desk, and fails in CI.
func LoadModel(t testing.TB, service string) Model {
	t.Helper()
	for _, root := range modelRoots {
		found, err := filepath.Glob(filepath.Join(root, service, "*", "service-2.json"))
		if err != nil || len(found) == 0 {
			continue
		}
		slices.Sort(found)
		text, err := os.ReadFile(found[len(found)-1])
		if err != nil {
			t.Fatal(err)
		}
		var m Model
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	if os.Getenv("CI") != "" {
		t.Fatal("the models of python3-botocore are not installed")
	}
	t.Skip("the models of python3-botocore are not installed")
	return Model{}
}

// Sensitive says whether a member, or what it is of, is marked as a secret.
func (m Model) Sensitive(r Member) bool {
	s := m.Shapes[r.Shape]
	switch {
	case r.Sensitive, s.Sensitive:
		return true
	case s.Member != nil:
		return m.Sensitive(*s.Member)
	case s.Value != nil:
		return m.Sensitive(*s.Value)
	}
	return false
}
