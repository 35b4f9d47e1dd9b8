package keyserver

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"darkroom/internal/cenc"
	"darkroom/internal/cpix"
	"darkroom/internal/registry"
	"darkroom/internal/secret"
	"darkroom/internal/store"
)

// registryName is what the registry is called, and what sealed values are bound to.
const registryName = "content-keys"

// The kinds of its entries.
const (
	keyKind    = "key"
	secretKind = "secret"
	secretID   = "1"
)

// name is what names a key in an account. Whoever asks chooses the KID, and those of our own jobs follow from the content: so a KID alone would belong to whoever
// thinks of it first, and bar the content that it is meant for.
type name struct {
	content string
	id      cenc.UUID
}

// entry is a content key as it is known without its value.
type entry struct {
	id     cenc.UUID
	record record
}

func (k *entry) name() name { return name{k.record.Content, k.id} }

// entryID is where the record of a key stands: its KID, and what is as good as its content, whose ids may be long.
func (n name) entryID() string {
	sum := sha256.Sum256([]byte(n.content))
	return n.id.String() + "." + hex.EncodeToString(sum[:])
}

// record is a key as it stands in the records. It is never written a second time.
type record struct {
	Content string    `json:"content"`
	Track   string    `json:"track,omitempty"`
	Created time.Time `json:"created"`
	// Sealed has the value and the vector of a random key; Derived says that they are derived.
	Sealed  []byte `json:"sealed,omitempty"`
	Derived bool   `json:"derived,omitempty"`
}

// secretRecord is the secret that keys of an account are derived from.
type secretRecord struct {
	Created time.Time `json:"created"`
	Sealed  []byte    `json:"sealed"`
}

// view is the keys of an account at one moment. It is not changed: a change makes another.
type view struct {
	byName    map[name]*entry
	byID      map[cenc.UUID][]*entry // of each content that has one of the KID
	byContent map[string][]*entry    // in the order in which they were made
	secret    []byte                 // sealed; nil before the first key is derived
}

func read(_ string, _ int64, entries []store.Entry) (*view, error) {
	v := &view{byName: make(map[name]*entry, len(entries)), byID: make(map[cenc.UUID][]*entry, len(entries)), byContent: make(map[string][]*entry)}
	for _, e := range entries {
		switch e.Kind {
		case secretKind:
			var r secretRecord
			if err := json.Unmarshal(e.Record, &r); err != nil {
				return nil, fmt.Errorf("read the secret of content keys: %w", err)
			}
			v.secret = r.Sealed
		case keyKind:
			kid, _, _ := strings.Cut(e.ID, ".") // the KID alone in older records
			id, err := cenc.ParseUUID(kid)
			k := &entry{id: id}
			if err == nil {
				err = json.Unmarshal(e.Record, &k.record)
			}
			if err != nil {
				return nil, fmt.Errorf("read the record of content key %s: %w", e.ID, err)
			}
			v.add(k)
		default:
			return nil, fmt.Errorf("content keys have no records of kind %q", e.Kind)
		}
	}
	for _, all := range v.byContent {
		slices.SortFunc(all, func(a, b *entry) int {
			if c := a.record.Created.Compare(b.record.Created); c != 0 {
				return c
			}
			return strings.Compare(a.id.String(), b.id.String())
		})
	}
	return v, nil
}

// add puts a key into a view that nobody sees yet.
func (v *view) add(k *entry) {
	v.byName[k.name()] = k
	v.byID[k.id] = append(slices.Clip(v.byID[k.id]), k)
	v.byContent[k.record.Content] = append(slices.Clip(v.byContent[k.record.Content]), k)
}

// with returns the view with more in it.
func (v *view) with(keys []*entry, sealed []byte) *view {
	next := &view{byName: maps.Clone(v.byName), byID: maps.Clone(v.byID), byContent: maps.Clone(v.byContent), secret: v.secret}
	if sealed != nil {
		next.secret = sealed
	}
	for _, k := range keys {
		next.add(k)
	}
	return next
}

// Want is a key that is asked for.
type Want struct {
	ID    cenc.UUID
	Track string // the intended track type of the contract, "" where there is none
}

// CheckContent says whether a text can be a content id.
func CheckContent(content string) error {
	if content == "" || len(content) > MaxContentID || !utf8.ValidString(content) || strings.ContainsFunc(content, unicode.IsControl) {
		return refuse(Invalid, "A content id has 1 to %d bytes of text.", MaxContentID)
	}
	return nil
}

// Keys returns the keys of a content in the order in which they are asked for, and makes those that are not there yet: all of them or none. Each has a constant
// initialization vector of its own, for who needs one. Whatever comes between, the same KID of the same content has the same key, and what is asked of another content
// changes nothing of it.
func (s *Service) Keys(ctx context.Context, account, content string, wanted []Want) ([]cenc.Key, error) {
	if err := CheckContent(content); err != nil {
		return nil, err
	}
	if len(wanted) == 0 || len(wanted) > MaxKeysOfContent {
		return nil, refuse(Invalid, "A request is for 1 to %d keys.", MaxKeysOfContent)
	}
	for i, w := range wanted {
		if w.ID.IsZero() {
			return nil, refuse(Invalid, "The KID %s names no key.", w.ID)
		}
		if slices.ContainsFunc(wanted[:i], func(o Want) bool { return o.ID == w.ID }) {
			return nil, refuse(Invalid, "The KID %s is asked for twice.", w.ID)
		}
	}
	// What is missing is sealed before the records are held, and once more if somebody was faster.
	v, err := s.views.View(ctx, account)
	if err != nil {
		return nil, err
	}
	if missing := v.missing(content, wanted); len(missing) > 0 {
		if err := s.add(ctx, account, content, missing); err != nil {
			return nil, err
		}
		if v, err = s.views.View(ctx, account); err != nil {
			return nil, err
		}
	}
	out := make([]cenc.Key, 0, len(wanted))
	for _, w := range wanted {
		k, err := s.open(ctx, account, v, name{content, w.ID})
		if err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	return out, nil
}

// missing returns which of the wanted keys are not there.
func (v *view) missing(content string, wanted []Want) []Want {
	var out []Want
	for _, w := range wanted {
		if v.byName[name{content, w.ID}] == nil {
			out = append(out, w)
		}
	}
	return out
}

// add makes keys and records them. Those that somebody else has made meanwhile stay as they are.
func (s *Service) add(ctx context.Context, account, content string, wanted []Want) error {
	made := make(map[cenc.UUID]*entry, len(wanted))
	for _, w := range wanted {
		k := &entry{w.ID, record{Content: content, Track: w.Track, Created: s.now().UTC(), Derived: s.mode == Deterministic}}
		if s.mode == Random {
			var err error
			if k.record.Sealed, err = s.seal(ctx, pairsOf(account, content, w.ID), 2*cenc.KeySize); err != nil {
				return fmt.Errorf("seal a content key: %w", err)
			}
		}
		made[w.ID] = k
	}
	var fresh []byte // a secret for an account that has none
	if v, err := s.views.View(ctx, account); err != nil {
		return err
	} else if s.mode == Deterministic && v.secret == nil {
		if fresh, err = s.seal(ctx, pairsOf(account, "", cenc.UUID{}), secret.KeySize); err != nil {
			return fmt.Errorf("seal the secret of content keys: %w", err)
		}
	}
	return s.views.Change(ctx, account, func(v *view) (registry.Change[*view], error) {
		missing := v.missing(content, wanted)
		switch {
		case len(v.byName)+len(missing) > MaxKeys:
			return registry.Change[*view]{}, refuse(Full, "The account has %d content keys, and no more are kept.", MaxKeys)
		case len(v.byContent[content])+len(missing) > MaxKeysOfContent:
			return registry.Change[*view]{}, refuse(Full, "The content has %d keys, and no more are kept.", MaxKeysOfContent)
		}
		var c registry.Change[*view]
		put := func(kind, id string, r any) error {
			text, err := json.Marshal(r)
			c.Put = append(c.Put, store.Entry{Kind: kind, ID: id, Record: text})
			return err
		}
		var added []*entry
		for _, w := range missing {
			k := made[w.ID]
			if err := put(keyKind, k.name().entryID(), k.record); err != nil {
				return registry.Change[*view]{}, err
			}
			added = append(added, k)
		}
		sealed := fresh
		if v.secret != nil || len(added) == 0 {
			sealed = nil
		}
		if sealed != nil {
			if err := put(secretKind, secretID, secretRecord{Created: s.now().UTC(), Sealed: sealed}); err != nil {
				return registry.Change[*view]{}, err
			}
		}
		c.Next = func(int64) *view { return v.with(added, sealed) }
		return c, nil
	})
}

// seal makes a random value and seals it.
func (s *Service) seal(ctx context.Context, pairs map[string]string, size int) ([]byte, error) {
	plain := make([]byte, size)
	if _, err := io.ReadFull(s.random, plain); err != nil {
		return nil, fmt.Errorf("make a random key: %w", err)
	}
	value := secret.New(plain)
	defer value.Wipe()
	return s.sealer.Seal(ctx, pairs, value)
}

// open returns a key with its value.
func (s *Service) open(ctx context.Context, account string, v *view, n name) (cenc.Key, error) {
	k, id := v.byName[n], n.id
	if k == nil {
		return cenc.Key{}, refuse(Unknown, "There is no content key %s.", id)
	}
	var plain secret.Bytes
	if k.record.Derived {
		from, err := s.sealer.Open(ctx, pairsOf(account, "", cenc.UUID{}), v.secret)
		if err != nil {
			return cenc.Key{}, fmt.Errorf("open the secret of content keys: %w", err)
		}
		defer from.Wipe()
		if plain, err = derive(from, account, k.record.Content, id); err != nil {
			return cenc.Key{}, err
		}
	} else {
		var err error
		if plain, err = s.sealer.Open(ctx, pairsOf(account, k.record.Content, id), k.record.Sealed); err != nil {
			return cenc.Key{}, fmt.Errorf("open content key %s: %w", id, err)
		}
	}
	if plain.Len() != 2*cenc.KeySize {
		return cenc.Key{}, fmt.Errorf("content key %s: sealed are %d bytes", id, plain.Len())
	}
	both := plain.Reveal()
	return cenc.Key{ID: id, Value: secret.New(both[:cenc.KeySize:cenc.KeySize]), IV: both[cenc.KeySize:]}, nil
}

// pairsOf binds what is sealed to its place: the record of a key, or for the zero UUID the secret of the account.
func pairsOf(account, content string, id cenc.UUID) map[string]string {
	if id.IsZero() {
		return map[string]string{"darkroom:account": account, "darkroom:purpose": "content key secret"}
	}
	return map[string]string{"darkroom:account": account, "darkroom:purpose": "content key", "darkroom:content": content, "darkroom:kid": id.String()}
}

// Key returns a key that is there. Who asks must have been allowed it: Unknown is the error also for a KID of other content.
func (s *Service) Key(ctx context.Context, account, content string, id cenc.UUID) (cenc.Key, error) {
	v, err := s.views.View(ctx, account)
	if err != nil {
		return cenc.Key{}, err
	}
	return s.open(ctx, account, v, name{content, id})
}

// KeyIDs returns the KIDs of a content, in the order in which they were made; none where the content has no keys.
func (s *Service) KeyIDs(ctx context.Context, account, content string) ([]cenc.UUID, error) {
	v, err := s.views.View(ctx, account)
	if err != nil {
		return nil, err
	}
	var out []cenc.UUID
	for _, k := range v.byContent[content] {
		out = append(out, k.id)
	}
	return out, nil
}

// ContentOf returns which content a KID is of: where several have a key of it, the one whose KIDs it is by the rule of cpix.KeyID, which no other can meet. Unknown
// where there is no such key, Ambiguous where several contents could be meant.
func (s *Service) ContentOf(ctx context.Context, account string, id cenc.UUID) (string, error) {
	v, err := s.views.View(ctx, account)
	if err != nil {
		return "", err
	}
	all := v.byID[id]
	switch len(all) {
	case 0:
		return "", refuse(Unknown, "There is no content key %s.", id)
	case 1:
		return all[0].record.Content, nil
	}
	for _, k := range all {
		if cpix.KeyID(k.record.Content, cmp.Or(k.record.Track, cpix.All)) == id {
			return k.record.Content, nil
		}
	}
	return "", refuse(Ambiguous, "The KID %s is that of keys of several contents. Name the content instead.", id)
}
