package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"darkroom/internal/config"
)

// TestBackupUnapproved: what is not approved is refused where the server was started with approved algorithms alone, whether it runs or not, and whatever the configuration says that is given now.
func TestBackupUnapproved(t *testing.T) {
	t.Parallel()
	i := install(t)
	dir := t.TempDir()
	file := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	require, approved := file("require.yaml", "fips: require\n"), file("approved.yaml", "fips: approved\n")
	for _, c := range []struct {
		name, started, configuration string
		unapproved, refused          bool
	}{
		{"approved", config.FIPSApproved, "", false, true},
		{"approved, and said", config.FIPSApproved, "", true, false},
		{"approved, with another configuration", config.FIPSApproved, require, false, true},
		{"not yet started so", "", approved, false, true},
		{"required, and approved from now on", config.FIPSRequire, approved, false, true},
		{"required", config.FIPSRequire, require, false, false},
		{"none", "", "", false, false},
	} {
		cfg := i.cfg
		cfg.FIPS = c.started
		if err := writeEffective(cfg); err != nil {
			t.Fatal(err)
		}
		b := &backingUp{data: cfg.Data, configuration: c.configuration, unapproved: c.unapproved}
		if _, err := b.stopped(t.Context(), io.Discard); errors.Is(err, errUnapproved) != c.refused || !c.refused && err != nil {
			t.Errorf("%s: %v, want that it is refused: %t", c.name, err, c.refused)
		}
	}
}
