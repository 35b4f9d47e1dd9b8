package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"

	"darkroom/internal/store"
)

// people and counted are registries.
var (
	people  = store.Registry{Name: "identities", Account: "111122223333"}
	counted = store.Registry{Name: "identities", Account: "1"}
)

func entries(t *testing.T, s store.Store, r store.Registry) (map[string]string, int64) {
	t.Helper()
	all, n, err := s.LoadRegistry(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for _, i := range all {
		out[i.Kind+" "+i.ID] = string(i.Record)
	}
	if len(out) != len(all) {
		t.Errorf("an entry is there twice: %v", all)
	}
	return out, n
}

func registryChanges(t *testing.T, s store.Store) {
	ctx := t.Context()
	ann := store.Entry{Kind: "user", ID: "AIDA1", Record: json.RawMessage(`{"Name":"ann"}`)}
	if all, n := entries(t, s, people); len(all) != 0 || n != 0 {
		t.Fatalf("a new account has %v at %d", all, n)
	}
	n, err := s.ChangeRegistry(ctx, people, 0, []store.Entry{ann, {Kind: "role", ID: "AIDA1", Record: json.RawMessage(`{}`)}}, nil)
	if err != nil || n != 1 {
		t.Fatal(n, err)
	}
	if all, n := entries(t, s, people); n != 1 || len(all) != 2 || all["user AIDA1"] != `{"Name":"ann"}` {
		t.Errorf("got %v at %d", all, n)
	}
	if all, n := entries(t, s, store.Registry{Name: people.Name, Account: "999999999999"}); len(all) != 0 || n != 0 {
		t.Errorf("another account has %v at %d", all, n)
	}
	if all, n := entries(t, s, store.Registry{Name: "keys", Account: people.Account}); len(all) != 0 || n != 0 {
		t.Errorf("another registry has %v at %d", all, n)
	}
	ann.Record = json.RawMessage(`{"Name":"anna"}`)
	for _, from := range []int64{0, 2, -1} {
		if _, err := s.ChangeRegistry(ctx, people, from, []store.Entry{ann}, nil); !errors.Is(err, store.ErrStale) {
			t.Errorf("a change from %d: %v, want ErrStale", from, err)
		}
	}
	if all, _ := entries(t, s, people); all["user AIDA1"] != `{"Name":"ann"}` {
		t.Errorf("a stale change was made: %v", all)
	}
	if n, err = s.ChangeRegistry(ctx, people, 1, []store.Entry{ann}, []store.Entry{{Kind: "role", ID: "AIDA1"}, {Kind: "role", ID: "not there"}}); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	if all, n := entries(t, s, people); n != 2 || len(all) != 1 || all["user AIDA1"] != `{"Name":"anna"}` {
		t.Errorf("got %v at %d", all, n)
	}
	if err := s.NoteRegistry(ctx, people, []store.Entry{{Kind: "use", ID: "AKIA1", Record: json.RawMessage(`{}`)}}); err != nil {
		t.Fatal(err)
	}
	if all, n := entries(t, s, people); n != 2 || len(all) != 2 {
		t.Errorf("a note: got %v at %d", all, n)
	}
	if n, err := s.Generation(ctx, people); n != 2 || err != nil {
		t.Errorf("got generation %d, %v", n, err)
	}
}

// registryAtOnce has many writers: each change is made from what it saw, and none is lost.
func registryAtOnce(t *testing.T, s store.Store) {
	var wg sync.WaitGroup
	const writers, changes = 8, 10
	for w := range writers {
		wg.Go(func() {
			for c := 0; c < changes; {
				err := count(t.Context(), s, w)
				switch {
				case err == nil:
					c++
				case !errors.Is(err, store.ErrStale):
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	all, n := entries(t, s, counted)
	if got := all["count of"]; n != writers*changes || len(got) != writers*changes+2 {
		t.Errorf("%d generations, %d entries", n, len(got)-2)
	}
}

// count adds a letter to a record.
func count(ctx context.Context, s store.Store, w int) error {
	all, n, err := s.LoadRegistry(ctx, counted)
	if err != nil {
		return err
	}
	text := `""`
	if i := slices.IndexFunc(all, func(i store.Entry) bool { return i.Kind == "count" }); i >= 0 {
		text = string(all[i].Record)
	}
	text = text[:len(text)-1] + string(rune('a'+w)) + `"`
	_, err = s.ChangeRegistry(ctx, counted, n, []store.Entry{{Kind: "count", ID: "of", Record: json.RawMessage(text)}}, nil)
	return err
}
