package test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A command target runs in the sandbox of the program as it is built, which has no network to tell anybody what it read: its output is what the configuration says.
func TestCommandTarget(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "config.yaml")
	text := `
events:
  targets:
  - {name: run, type: command, program: /bin/cat, path: DIR/out.ndjson}
  - {name: refuses, type: command, program: /bin/false}
`
	if err := os.WriteFile(name, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := run(t, nil, binary, "events", "test", "run", "--config", name); !strings.Contains(out, "run (command) took event ") {
		t.Errorf("said %q", out)
	}
	content, err := os.ReadFile(filepath.Join(dir, "out.ndjson"))
	if err != nil || bytes.Count(content, []byte("\n")) != 1 || !bytes.Contains(content, []byte(`"detail-type":"Darkroom Test Event"`)) {
		t.Errorf("%v: %s", err, content)
	}
	if out, _, err := try(t, nil, binary, "events", "test", "refuses", "--config", name); err == nil || !strings.Contains(out, "it ended with status 1") {
		t.Errorf("%v: %s", err, out)
	}
}
