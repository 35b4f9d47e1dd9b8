package keyserver_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"darkroom/internal/cenc"
	"darkroom/internal/cpix"
	"darkroom/internal/keyserver"
	"darkroom/internal/registry"
	"darkroom/internal/store"
)

var modes = []keyserver.Mode{keyserver.Random, keyserver.Deterministic}

// TestOneKey: a KID has one key, whoever asks first, how often, in which order and after which restart.
func TestOneKey(t *testing.T) {
	t.Parallel()
	for _, mode := range modes {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			servers := []*keyserver.Service{b.open(mode), b.open(mode)} // two processes on the same records
			got := make([][]cenc.Key, 16)
			var all sync.WaitGroup
			start := make(chan struct{})
			for i := range got {
				all.Go(func() {
					<-start
					n := []byte{1, 2, 3}
					if i%2 == 1 {
						slices.Reverse(n)
					}
					keys, err := servers[i%len(servers)].Keys(t.Context(), account, "film", wants(n...))
					if err != nil {
						t.Error(err)
						return
					}
					if i%2 == 1 {
						slices.Reverse(keys)
					}
					got[i] = keys
				})
			}
			close(start)
			all.Wait()
			if t.Failed() {
				return
			}
			for i := range got {
				for n := range 3 {
					if !same(got[0][n], got[i][n]) {
						t.Errorf("key %d is another for client %d", n, i)
					}
				}
			}
			if same(got[0][0], got[0][1]) || bytes.Equal(got[0][0].Value.Reveal(), got[0][1].Value.Reveal()) || bytes.Equal(got[0][0].Value.Reveal(), got[0][0].IV) {
				t.Error("two keys are one, or a key is its own vector")
			}
			before := b.entries(account)
			for _, later := range modes { // also where the configuration says something else now
				again := b.keys(b.open(later), account, "film", 2, 1)
				if !same(again[0], got[0][1]) || !same(again[1], got[0][0]) {
					t.Errorf("after a restart with %s keys: another key", later)
				}
			}
			slices.SortFunc(before, byID)
			after := b.entries(account)
			slices.SortFunc(after, byID)
			if fmt.Sprint(before) != fmt.Sprint(after) {
				t.Error("a record was written a second time")
			}
		})
	}
}

func byID(a, b store.Entry) int { return strings.Compare(a.Kind+a.ID, b.Kind+b.ID) }

// TestKeysAreApart: the key of a KID says nothing of the same KID elsewhere.
func TestKeysAreApart(t *testing.T) {
	t.Parallel()
	for _, mode := range modes {
		b := newBench(t)
		s := b.open(mode)
		ours, theirs := b.keys(s, account, "film", 1)[0], b.keys(s, other, "film", 1)[0]
		if bytes.Equal(ours.Value.Reveal(), theirs.Value.Reveal()) {
			t.Errorf("%s: two accounts share a key", mode)
		}
		second := b.keys(s, account, "second film", 2)[0]
		if bytes.Equal(ours.Value.Reveal(), second.Value.Reveal()) {
			t.Errorf("%s: two contents share a key", mode)
		}
		if len(ours.Value.Reveal()) != cenc.KeySize || len(ours.IV) != cenc.KeySize {
			t.Errorf("%s: a key of %d bytes with a vector of %d", mode, ours.Value.Len(), len(ours.IV))
		}
		for _, e := range b.entries(account) {
			if bytes.Contains(e.Record, ours.Value.Reveal()) || strings.Contains(string(e.Record), fmt.Sprintf("%x", ours.Value.Reveal())) {
				t.Errorf("%s: the record shows the key", mode)
			}
		}
	}
}

// TestKIDOfAnotherContent: whoever asks with a KID that another content has, or is to have, gets a key of their own, and bars nothing.
func TestKIDOfAnotherContent(t *testing.T) {
	t.Parallel()
	for _, mode := range modes {
		b := newBench(t)
		s := b.open(mode)
		film := keyserver.Want{ID: cpix.KeyID("film", cpix.All)}
		ask := func(s *keyserver.Service, content string, wanted ...keyserver.Want) []cenc.Key {
			t.Helper()
			keys, err := s.Keys(t.Context(), account, content, wanted)
			if err != nil {
				t.Fatalf("%s: %s: %v", mode, content, err)
			}
			return keys
		}
		evil := ask(s, "evil", film)[0] // first
		ours := ask(s, "film", film)[0]
		if bytes.Equal(evil.Value.Reveal(), ours.Value.Reveal()) {
			t.Errorf("%s: two contents share a key", mode)
		}
		again := b.open(mode)
		for content, want := range map[string]cenc.Key{"evil": evil, "film": ours} {
			if got := ask(again, content, film)[0]; !same(got, want) {
				t.Errorf("%s: %s has another key after a restart", mode, content)
			}
			if got, err := again.Key(t.Context(), account, content, film.ID); err != nil || !same(got, want) {
				t.Errorf("%s: %s has another key for players: %v", mode, content, err)
			}
			if ids, err := again.KeyIDs(t.Context(), account, content); err != nil || len(ids) != 1 {
				t.Errorf("%s: the keys of %s: %v, %v", mode, content, ids, err)
			}
		}
		if c, err := again.ContentOf(t.Context(), account, film.ID); err != nil || c != "film" {
			t.Errorf("%s: the content whose KID it is by its rule: %q, %v", mode, c, err)
		}
		ask(s, "one", wants(7)...)
		ask(s, "two", wants(7)...)
		_, err := s.ContentOf(t.Context(), account, id(7))
		refused(t, "the content of a KID of nobody's rule", err, keyserver.Ambiguous)
	}
}

// TestOlderRecords: keys that were recorded under their KID alone are found, and are not made a second time.
func TestOlderRecords(t *testing.T) {
	t.Parallel()
	for _, mode := range modes {
		b := newBench(t)
		want := b.keys(b.open(mode), account, "film", 1)[0]
		var older []store.Entry
		var gone []store.Entry
		for _, e := range b.entries(account) {
			if e.Kind == "key" {
				gone = append(gone, e)
				e.ID = id(1).String()
				older = append(older, e)
			}
		}
		reg := store.Registry{Name: "content-keys", Account: account}
		_, n, err := b.records.LoadRegistry(t.Context(), reg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.records.ChangeRegistry(t.Context(), reg, n, older, gone); err != nil {
			t.Fatal(err)
		}
		s := b.open(mode)
		before := len(b.entries(account))
		if got := b.keys(s, account, "film", 1)[0]; !same(got, want) {
			t.Errorf("%s: another key", mode)
		}
		if len(b.entries(account)) != before {
			t.Errorf("%s: the key was recorded a second time", mode)
		}
		if other := b.keys(s, account, "second film", 1)[0]; same(other, want) {
			t.Errorf("%s: two contents share a key", mode)
		}
	}
}

func TestKeysRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := b.open(keyserver.Random)
	b.keys(s, account, "film", 1, 2)
	before := len(b.entries(account))
	for _, tt := range []struct {
		name, content string
		wants         []keyserver.Want
		want          keyserver.Kind
	}{
		{"no content", "", wants(3), keyserver.Invalid},
		{"a long content id", strings.Repeat("x", keyserver.MaxContentID+1), wants(3), keyserver.Invalid},
		{"a line end in it", "film\n", wants(3), keyserver.Invalid},
		{"no text", "film\xff", wants(3), keyserver.Invalid},
		{"no keys", "film", nil, keyserver.Invalid},
		{"too many keys", "film", make([]keyserver.Want, keyserver.MaxKeysOfContent+1), keyserver.Invalid},
		{"the KID of nothing", "film", []keyserver.Want{{}}, keyserver.Invalid},
		{"a KID twice", "film", wants(3, 3), keyserver.Invalid},
	} {
		_, err := s.Keys(t.Context(), account, tt.content, tt.wants)
		refused(t, tt.name, err, tt.want)
	}
	if _, err := s.Keys(t.Context(), "123456789012", "film", wants(1)); !errors.Is(err, registry.ErrNoAccount) {
		t.Errorf("no account: %v", err)
	}
	b.vault.fails = errors.New("denied")
	if _, err := s.Keys(t.Context(), account, "film", wants(1, 3)); err == nil {
		t.Error("a key was made that could not be sealed")
	}
	if got := len(b.entries(account)); got != before {
		t.Errorf("refusals left %d records", got-before)
	}
	// What is there is found by its own content alone.
	if k, err := s.Key(t.Context(), account, "film", id(1)); err != nil || k.ID != id(1) {
		t.Errorf("a key that is there: %v", err)
	}
	for _, tt := range []struct{ name, account, content string }{{"other content", account, "second film"}, {"another account", other, "film"}, {"no content", account, ""}} {
		_, err := s.Key(t.Context(), tt.account, tt.content, id(1))
		refused(t, tt.name, err, keyserver.Unknown)
	}
	_, err := s.Key(t.Context(), account, "film", id(9))
	refused(t, "no such key", err, keyserver.Unknown)
	_, err = s.ContentOf(t.Context(), other, id(1))
	refused(t, "the content of a key of another account", err, keyserver.Unknown)
	if c, err := s.ContentOf(t.Context(), account, id(1)); err != nil || c != "film" {
		t.Errorf("the content of a key: %q, %v", c, err)
	}
	if ids, err := s.KeyIDs(t.Context(), account, "film"); err != nil || len(ids) != 2 {
		t.Errorf("the keys of a content: %v, %v", ids, err)
	}
	if ids, err := s.KeyIDs(t.Context(), other, "film"); err != nil || len(ids) != 0 {
		t.Errorf("the keys of a content of another account: %v, %v", ids, err)
	}
}

// TestMovedRecords: a record opens where it was written and nowhere else.
func TestMovedRecords(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.keys(b.open(keyserver.Random), account, "film", 1, 2)
	all := b.entries(account)
	type record map[string]any
	parse := func(e store.Entry) record {
		var r record
		if err := json.Unmarshal(e.Record, &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	write := func(account string, e store.Entry, r record) {
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		e.Record = text
		reg := store.Registry{Name: "content-keys", Account: account}
		_, n, err := b.records.LoadRegistry(t.Context(), reg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.records.ChangeRegistry(t.Context(), reg, n, []store.Entry{e}, nil); err != nil {
			t.Fatal(err)
		}
	}
	first, second := parse(all[0]), parse(all[1])
	swapped := parse(all[0])
	swapped["sealed"] = second["sealed"]
	write(account, all[0], swapped)
	renamed := parse(all[1])
	renamed["content"] = "cheaper film"
	write(account, all[1], renamed)
	write(other, all[0], first)
	s := b.open(keyserver.Random)
	for _, tt := range []struct {
		name, account, content string
		entry                  store.Entry
	}{{"the value of another key", account, "film", all[0]}, {"another content", account, "cheaper film", all[1]}, {"another account", other, "film", all[0]}} {
		kid, err := cenc.ParseUUID(tt.entry.ID[:36])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Key(t.Context(), tt.account, tt.content, kid); err == nil {
			t.Errorf("%s: it opens", tt.name)
		}
	}
}

func TestUnreadableRecords(t *testing.T) {
	t.Parallel()
	for _, e := range []store.Entry{
		{Kind: "key", ID: "no uuid", Record: json.RawMessage(`{}`)},
		{Kind: "key", ID: id(1).String(), Record: json.RawMessage(`[]`)},
		{Kind: "secret", ID: "1", Record: json.RawMessage(`[]`)},
		{Kind: "else", ID: "1", Record: json.RawMessage(`{}`)},
	} {
		b := newBench(t)
		if _, err := b.records.ChangeRegistry(t.Context(), store.Registry{Name: "content-keys", Account: account}, 0, []store.Entry{e}, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := b.open(keyserver.Random).Keys(t.Context(), account, "film", wants(1)); err == nil {
			t.Errorf("%s %s: read all the same", e.Kind, e.ID)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, o := range []keyserver.Options{
		{}, {Mode: "sometimes", Store: b.records, Sealer: b.vault}, {Mode: keyserver.Random, Sealer: b.vault}, {Mode: keyserver.Random, Store: b.records},
	} {
		if _, err := keyserver.New(o); err == nil {
			t.Errorf("%+v makes a key server", o)
		}
	}
}
