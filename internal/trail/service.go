package trail

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"darkroom/internal/arn"
	"darkroom/internal/registry"
	"darkroom/internal/store"
)

// The registries, and the kinds of their entries.
const (
	registryName = "trails"
	progressName = "trail-progress"
	keysName     = "trail-keys"

	entryTrail = "trail"
	entryKey   = "key"
)

// Service keeps trails and delivers them. It is safe for concurrent use; Run is called once.
type Service struct {
	o     Options
	views *registry.Views[*view]
	keys  *registry.Views[*keyring]

	mu       sync.Mutex         // guards what follows; held for assignments only
	changed  chan struct{}      // closed when a definition changes
	statuses map[string]*Status // by id of the trail, as far as they are running
}

// New returns a service. Nothing is read yet.
func New(o Options) (*Service, error) {
	if o.Region == "" || len(o.Accounts) == 0 || o.Records == nil || o.Buckets == nil || o.Sealer == nil || o.Random == nil || o.Log == nil {
		return nil, errors.New("trails need Region, Accounts, Records, Buckets, Sealer, Random and Log")
	}
	o.Period, o.DigestPeriod, o.KeyLife = cmp.Or(o.Period, DefaultPeriod), cmp.Or(o.DigestPeriod, DefaultDigestPeriod), cmp.Or(o.KeyLife, DefaultKeyLife)
	if o.Period < 0 || o.DigestPeriod < time.Second || o.KeyLife < o.DigestPeriod {
		return nil, errors.New("the digest period is at least a second, and trail keys live at least as long")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Wait == nil {
		o.Wait = func(d time.Duration) (<-chan time.Time, func()) {
			t := time.NewTimer(d)
			return t.C, func() { t.Stop() }
		}
	}
	if o.As == nil {
		o.As = func(ctx context.Context, _ string) context.Context { return ctx }
	}
	s := &Service{o: o, statuses: map[string]*Status{}, changed: make(chan struct{})}
	var err error
	if s.views, err = registry.New(registry.Options[*view]{Name: registryName, Accounts: o.Accounts, Store: o.Records, Read: s.read, Now: o.Now}); err != nil {
		return nil, err
	}
	s.keys, err = registry.New(registry.Options[*keyring]{Name: keysName, Accounts: o.Accounts[:1], Store: o.Records, Read: readKeys, Now: o.Now})
	return s, err
}

// view is what an account has. Those that are gone are in it until they are finished.
type view struct {
	byID map[string]*Trail
}

// record is a trail as it stands in the records.
type record struct {
	Name       string            `json:"name"`
	Bucket     string            `json:"bucket"`
	Prefix     string            `json:"prefix,omitempty"`
	KMSKey     string            `json:"kmsKey,omitempty"`
	Validation bool              `json:"validation"`
	Global     bool              `json:"global"`
	AllRegions bool              `json:"allRegions"`
	Selectors  Selectors         `json:"selectors"`
	Tags       map[string]string `json:"tags,omitempty"`
	Created    time.Time         `json:"created"`
	Logging    bool              `json:"logging"`
	Started    time.Time         `json:"started"`
	Stopped    time.Time         `json:"stopped"`
	Tag        string            `json:"tag"`
	Runs       []run             `json:"runs,omitempty"`
	Gone       bool              `json:"gone,omitempty"`
}

func (s *Service) read(account string, _ int64, entries []store.Entry) (*view, error) {
	v := &view{make(map[string]*Trail, len(entries))}
	for _, e := range entries {
		var r record
		if err := json.Unmarshal(e.Record, &r); err != nil {
			return nil, fmt.Errorf("read the record of trail %s: %w", e.ID, err)
		}
		v.byID[e.ID] = &Trail{
			Account: account, Name: r.Name, ARN: s.arn(account, r.Name),
			Definition: Definition{r.Bucket, r.Prefix, r.KMSKey, r.Validation, r.Global, r.AllRegions, r.Selectors},
			Tags:       r.Tags, Created: r.Created, Logging: r.Logging, Started: r.Started, Stopped: r.Stopped,
			id: e.ID, tag: r.Tag, runs: r.Runs, gone: r.Gone,
		}
	}
	return v, nil
}

func (t *Trail) entry() (store.Entry, error) {
	text, err := json.Marshal(record{
		t.Name, t.Bucket, t.Prefix, t.KMSKey, t.Validation, t.Global, t.AllRegions, t.Selectors, t.Tags, t.Created, t.Logging, t.Started, t.Stopped, t.tag, t.runs, t.gone,
	})
	return store.Entry{Kind: entryTrail, ID: t.id, Record: text}, err
}

func (s *Service) arn(account, name string) string {
	return arn.ARN{Partition: "aws", Service: "cloudtrail", Region: s.o.Region, Account: account, Resource: "trail/" + name}.String()
}

// ARN is that of a trail, given by its name or by an ARN, whether it is there or not.
func (s *Service) ARN(account, name string) string {
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	return s.arn(account, name)
}

// nameOf is the name in what a request gives: a name, or the ARN of a trail of the account in this Region.
func (s *Service) nameOf(account, given string) (string, error) {
	if !strings.HasPrefix(given, "arn:") {
		return given, checkName(given)
	}
	a, err := arn.Parse(given)
	name, ok := strings.CutPrefix(a.Resource, "trail/")
	if err != nil || a.Service != "cloudtrail" || !ok || checkName(name) != nil {
		return "", refuse(InvalidARN, "The ARN %.200q is not that of a trail.", given)
	}
	if a.Account != account || given != s.arn(account, name) {
		return "", refuse(NotFound, "Unknown trail: %s for the user: %s", given, account)
	}
	return name, nil
}

// The lengths of names.
const (
	minName   = 3
	maxName   = 128
	maxPrefix = 200
)

// checkName holds a name against "Naming requirements" of the user guide.
func checkName(name string) error {
	const marks = ".-_"
	alphanumeric := func(r byte) bool { return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }
	switch {
	case len(name) < minName:
		return refuse(InvalidName, "Trail name too short. Minimum allowed length: %d characters. Specified name length: %d characters.", minName, len(name))
	case len(name) > maxName:
		return refuse(InvalidName, "Trail name too long. Maximum allowed length: %d characters. Specified name length: %d characters.", maxName, len(name))
	case !alphanumeric(name[0]):
		return refuse(InvalidName, "Trail name must starts with a letter or number.")
	case !alphanumeric(name[len(name)-1]):
		return refuse(InvalidName, "Trail name must ends with a letter or number.")
	}
	dots, digits := 0, 0
	for i := range len(name) {
		switch c := name[i]; {
		case strings.IndexByte(marks, c) >= 0:
			if strings.IndexByte(marks, name[i-1]) >= 0 {
				return refuse(InvalidName, "Trail name cannot have adjacent periods, underscores or dashes: %s", name)
			}
			if c == '.' {
				dots++
			}
		case !alphanumeric(c):
			return refuse(InvalidName, "Trail name or ARN can only contain uppercase letters, lowercase letters, numbers, periods (.), hyphens (-), and underscores (_).")
		case c <= '9':
			digits++
		}
	}
	if dots == 3 && dots+digits == len(name) {
		return refuse(InvalidName, "Trail name must not be in IP address format: %s", name)
	}
	return nil
}

// named returns the trail of an account with a name; nil if there is none.
func (v *view) named(name string) *Trail {
	for _, t := range v.byID {
		if t.Name == name && !t.gone {
			return t
		}
	}
	return nil
}

// Find returns the trail of an account by its name or ARN. The error is an *Error, or says that it cannot be known now.
func (s *Service) Find(ctx context.Context, account, given string) (*Trail, error) {
	name, err := s.nameOf(account, given)
	if err != nil {
		return nil, err
	}
	v, err := s.views.View(ctx, account)
	if err != nil {
		return nil, err
	}
	if t := v.named(name); t != nil {
		return t, nil
	}
	return nil, refuse(NotFound, "Unknown trail: %s for the user: %s", given, account)
}

// All returns the trails of an account in the order of their names.
func (s *Service) All(ctx context.Context, account string) ([]*Trail, error) {
	v, err := s.views.View(ctx, account)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(v.sorted(), (*Trail).Gone), nil
}

// sorted are all trails of an account, in the order of their names.
func (v *view) sorted() []*Trail {
	return slices.SortedFunc(maps.Values(v.byID), func(a, b *Trail) int { return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.id, b.id)) })
}

// newID makes the id of a trail, and its tag, which no other of the account has.
func (v *view) newID(digits int) (id, tag string) {
	for {
		var b [16]byte
		_, _ = rand.Read(b[:]) // never fails
		h := fnv.New64a()
		_, _ = h.Write(b[:]) // never fails
		tag = strconv.FormatUint(h.Sum64()%pow36(digits), 36)
		tag = strings.Repeat("0", digits-len(tag)) + tag
		taken := false
		for _, t := range v.byID {
			taken = taken || t.tag == tag
		}
		if !taken {
			return hex.EncodeToString(b[:]), tag
		}
	}
}

func pow36(n int) uint64 {
	out := uint64(1)
	for range n {
		out *= 36
	}
	return out
}

// put is the change that keeps a trail.
func (v *view) put(t *Trail) (registry.Change[*view], error) {
	e, err := t.entry()
	return registry.Change[*view]{Put: []store.Entry{e}, Next: func(int64) *view {
		next := &view{maps.Clone(v.byID)}
		next.byID[t.id] = t
		return next
	}}, err
}

// change changes a copy of a trail, keeps it, and wakes who carries it out.
func (s *Service) change(ctx context.Context, account, given string, edit func(*Trail) error) (*Trail, error) {
	name, err := s.nameOf(account, given)
	if err != nil {
		return nil, err
	}
	var out *Trail
	err = s.views.Change(ctx, account, func(v *view) (registry.Change[*view], error) {
		t := v.named(name)
		if t == nil {
			return registry.Change[*view]{}, refuse(NotFound, "Unknown trail: %s for the user: %s", given, account)
		}
		next := *t
		next.Tags, next.runs = maps.Clone(t.Tags), slices.Clone(t.runs)
		if err := edit(&next); err != nil {
			return registry.Change[*view]{}, err
		}
		out = &next
		return v.put(&next)
	})
	if err != nil {
		return nil, err
	}
	s.wake()
	return out, nil
}

// wake wakes the runners, and who starts them.
func (s *Service) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
}

// waking returns what is closed at the next change.
func (s *Service) waking() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}
