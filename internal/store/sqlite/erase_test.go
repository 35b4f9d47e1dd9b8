package sqlite_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"darkroom/internal/store"
	"darkroom/internal/store/sqlite"
)

// TestErased: what was dropped is not left in the free space of the files. Pages that were split or joined meanwhile can have kept a copy of it, which
// goes when they are written again; docs/threat-model.md says so.
func TestErased(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "records.db")
	s, err := sqlite.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	keys := store.Registry{Name: "keys", Account: "1"}
	var put []store.Entry
	for i := range 6 {
		put = append(put, store.Entry{Kind: "key", ID: fmt.Sprint(i), Record: json.RawMessage(fmt.Sprintf(`"sealed material %d%s"`, i, bytes.Repeat([]byte{'x'}, 5*i)))})
	}
	if _, err := s.ChangeRegistry(t.Context(), keys, 0, put, nil); err != nil {
		t.Fatal(err)
	}
	content := func() []byte {
		t.Helper()
		files, err := filepath.Glob(path + "*")
		if err != nil {
			t.Fatal(err)
		}
		var all []byte
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b...)
		}
		return all
	}
	if !bytes.Contains(content(), []byte("sealed material 5x")) {
		t.Fatal("what is to be erased was not there")
	}
	if _, err := s.ChangeRegistry(t.Context(), keys, 1, nil, put[2:]); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	left := content()
	for i := range put {
		if got := bytes.Contains(left, fmt.Appendf(nil, "sealed material %dx", i)); got != (i == 1) {
			t.Errorf("key %d: in the files: %t", i, got)
		}
	}
}
