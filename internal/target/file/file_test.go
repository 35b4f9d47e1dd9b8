package file

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"darkroom/internal/target"
	"darkroom/internal/target/targettest"
)

func open(t *testing.T, change func(*Options)) (*Sender, string) {
	t.Helper()
	o := Options{Path: filepath.Join(t.TempDir(), "events.ndjson")}
	if change != nil {
		change(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s, o.Path
}

// lines are those of a file.
func lines(t *testing.T, path string) (out [][]byte) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(content) {
		if line[len(line)-1] != '\n' || !json.Valid(line) {
			t.Errorf("%s has a line that is none: %q", path, line)
		}
		out = append(out, bytes.TrimSuffix(line, []byte("\n")))
	}
	return out
}

func TestSuite(t *testing.T) {
	t.Parallel()
	targettest.Run(t, func(t *testing.T) targettest.Peer {
		s, path := open(t, nil)
		read := 0
		return targettest.Peer{Sender: s, Local: true, Received: func(t *testing.T, n int) (out []targettest.Got) {
			t.Helper()
			all := lines(t, path)[read:]
			if len(all) != n {
				t.Fatalf("%d lines, want %d", len(all), n)
			}
			read += n
			for _, line := range all {
				out = append(out, targettest.Got{Body: line})
			}
			return out
		}}
	})
}

func send(s *Sender, body string) error {
	return s.Send(context.Background(), target.Message{ID: "a", Body: []byte(body)})
}

func TestLines(t *testing.T) {
	t.Parallel()
	s, path := open(t, nil)
	for _, body := range []string{"{\n \"a\": 1\r\n}", `"text"`, `["\n"]`} {
		if err := send(s, body); err != nil {
			t.Fatal(err)
		}
	}
	for _, body := range []string{"", "text", "{}\n{}", "{", "\x00"} {
		var no *target.Refused
		if err := send(s, body); !errors.As(err, &no) {
			t.Errorf("Send(%q) = %v, want a refusal", body, err)
		}
	}
	var no *target.Refused
	if err := send(s, `"`+strings.Repeat("x", target.MaxBody)+`"`); !errors.As(err, &no) {
		t.Errorf("Send of too much = %v, want a refusal", err)
	}
	if got := fmt.Sprintf("%s", lines(t, path)); got != `[{"a":1} "text" ["\n"]]` {
		t.Errorf("lines %s", got)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %04o", info.Mode().Perm())
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"no path": {}, "relative path": {Path: "events"}, "path with dots": {Path: "/a/../b"}, "root": {Path: "/"},
		"small files": {Path: "/a/b", MaxBytes: 1000}, "huge files": {Path: "/a/b", MaxBytes: 1 << 50}, "too many files": {Path: "/a/b", Keep: MaxKeep + 1}, "fewer than none": {Path: "/a/b", Keep: -1},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: New succeeded", name)
		}
	}
}
