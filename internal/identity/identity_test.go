package identity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"darkroom/internal/arn"
	"darkroom/internal/iam"
	"darkroom/internal/registry"
	"darkroom/internal/secret"
	"darkroom/internal/store"
	"darkroom/internal/store/sqlite"
)

const (
	account = "111122223333"
	other   = "999988887777"
)

var roleARN = arn.Role(account, DefaultRole)

// clock is a clock that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// flaky is a store that can be made to fail, and counts how often it is read.
type flaky struct {
	store.Registries
	mu    sync.Mutex
	err   error
	reads int
}

func (f *flaky) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *flaky) read() (err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	return f.err
}

func (f *flaky) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reads
}

func (f *flaky) Generation(ctx context.Context, a store.Registry) (int64, error) {
	if err := f.read(); err != nil {
		return 0, err
	}
	return f.Registries.Generation(ctx, a)
}

func (f *flaky) LoadRegistry(ctx context.Context, a store.Registry) ([]store.Entry, int64, error) {
	if err := f.read(); err != nil {
		return nil, 0, err
	}
	return f.Registries.LoadRegistry(ctx, a)
}

// world is the records, and a clock; directories over them are replicas of one installation.
type world struct {
	t       *testing.T
	records *sqlite.Store
	clock   *clock
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s, err := sqlite.Open(filepath.Join(t.TempDir(), "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &world{t, s, &clock{now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}}
}

// people is the registry of an account's identities.
func people(account string) store.Registry {
	return store.Registry{Name: "identities", Account: account}
}

func (w *world) generation(account string) int64 {
	w.t.Helper()
	n, err := w.records.Generation(w.t.Context(), people(account))
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// replica opens a directory of two accounts.
func (w *world) replica(edit func(*Options)) *Directory {
	w.t.Helper()
	o := Options{
		Accounts: []Account{
			{ID: account, Root: Root{AccessKeyID: "AKIAROOT", SecretAccessKey: secret.New([]byte("root secret"))}},
			{ID: other, Root: Root{AccessKeyID: "AKIAOTHER", SecretAccessKey: secret.New([]byte("other secret"))}},
		},
		Store: w.records, Master: secret.New(make([]byte, secret.KeySize)), Log: slog.New(slog.DiscardHandler), Now: w.clock.time,
	}
	if edit != nil {
		edit(&o)
	}
	d, err := New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

// addUser makes a user with a key and one inline policy of statements.
func addUser(t *testing.T, d *Directory, account, name, statements string) (*Entity, AccessKey, secret.Bytes) {
	t.Helper()
	u := &Entity{Kind: User, ID: NewID(User), Name: name, Path: "/"}
	if statements != "" {
		u.Inline = map[string]string{"p": `{"Version":"2012-10-17","Statement":[` + statements + `]}`}
	}
	k, plain, err := d.NewAccessKey(account, u)
	if err != nil {
		t.Fatal(err)
	}
	u.Keys = []AccessKey{k}
	if err := d.Change(t.Context(), account, func(v *View) error { v.Put(u); return nil }); err != nil {
		t.Fatal(err)
	}
	return u, k, plain
}

const allowAll = `{"Effect":"Allow","Action":"*","Resource":"*"}`

// may asks whether whoever has an access key may do something.
func may(t *testing.T, d *Directory, key, token, action, resource string) (known, allowed bool) {
	t.Helper()
	found, who, err := d.Find(t.Context(), key, token)
	if err != nil || found == nil {
		if who.Type != 0 {
			t.Errorf("nobody has a name: %+v", who)
		}
		return false, false
	}
	owner := account
	if strings.HasPrefix(resource, "arn:aws:s3:") {
		owner = who.Account
	}
	return true, iam.Authorize(&iam.Request{Principal: who, Check: iam.Check{Action: action, Resource: resource, Owner: owner}, Now: d.now()}).Allowed()
}

func TestFindRoot(t *testing.T) {
	t.Parallel()
	d := newWorld(t).replica(nil)
	key, who, err := d.Find(t.Context(), "AKIAROOT", "")
	if err != nil || key == nil || string(key.Secret.Reveal()) != "root secret" || key.Token.Len() != 0 || !key.Expiry.IsZero() {
		t.Errorf("got %v %v", key, err)
	}
	if who.Type != iam.Root || who.ARN != "arn:aws:iam::111122223333:root" || who.Account != account || who.AccessKeyID != "AKIAROOT" || who.UserID != account {
		t.Errorf("got %+v", who)
	}
	for _, id := range []string{"", "akiaroot", "AKIAROOT ", "AKIA", "ASIA", "AKIA0123456789ABCDEF", "ASIA0123456789ABCDEF"} {
		if key, who, err := d.Find(t.Context(), id, "token"); key != nil || who.Type != 0 || err != nil {
			t.Errorf("%q: got %+v %v", id, who, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := Options{Accounts: []Account{{ID: account}}, Store: w.records, Master: secret.New(make([]byte, secret.KeySize)), Log: slog.New(slog.DiscardHandler)}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
	root := Root{AccessKeyID: "AKIAROOT", SecretAccessKey: secret.New([]byte("s"))}
	for name, edit := range map[string]func(*Options){
		"no accounts":        func(o *Options) { o.Accounts = nil },
		"no store":           func(o *Options) { o.Store = nil },
		"no log":             func(o *Options) { o.Log = nil },
		"no key":             func(o *Options) { o.Master = secret.Bytes{} },
		"account twice":      func(o *Options) { o.Accounts = []Account{{ID: account}, {ID: account}} },
		"account of letters": func(o *Options) { o.Accounts = []Account{{ID: "11112222333a"}} },
		"one root for two":   func(o *Options) { o.Accounts = []Account{{ID: account, Root: root}, {ID: other, Root: root}} },
	} {
		o := good
		edit(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestPrepare(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.replica(nil)
	first, err := d.Prepare(t.Context())
	if err != nil || len(first) != 2 || first[0].Account != account || first[1].Account != other {
		t.Fatal(first, err)
	}
	for _, k := range first {
		if known, allowed := may(t, d, k.AccessKeyID, "", "mediaconvert:ListQueues", "*"); !known || !allowed {
			t.Errorf("the first user of %s: known %t, allowed %t", k.Account, known, allowed)
		}
	}
	if known, allowed := may(t, d, first[1].AccessKeyID, "", "iam:GetRole", roleARN); !known || allowed {
		t.Errorf("an administrator of another account: known %t, allowed %t", known, allowed)
	}
	if err := d.CheckJobRole(t.Context(), account, roleARN, "arn:aws:mediaconvert:us-east-1:"+account+":queues/Default"); err != nil {
		t.Error(err)
	}
	for _, again := range []*Directory{d, w.replica(nil)} {
		if more, err := again.Prepare(t.Context()); err != nil || len(more) != 0 {
			t.Errorf("again: made %v, %v", more, err)
		}
	}
	// What was deleted stays so.
	if err := d.Change(t.Context(), account, func(v *View) error { v.Drop(v.Get(User, AdminUser)); return nil }); err != nil {
		t.Fatal(err)
	}
	if more, err := w.replica(nil).Prepare(t.Context()); err != nil || len(more) != 0 {
		t.Errorf("a deleted user came back: %v, %v", more, err)
	}
}

// TestUserKeys: a key works while it is active and its user is there, and says what the user's policies say.
func TestUserKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.replica(nil)
	u, k, plain := addUser(t, d, account, "ann", `{"Effect":"Allow","Action":"mediaconvert:Get*","Resource":"*"}`)
	key, who, err := d.Find(t.Context(), k.ID, "")
	if err != nil || key == nil || string(key.Secret.Reveal()) != string(plain.Reveal()) || plain.Len() != 40 || len(k.ID) != 20 {
		t.Fatal(key, err)
	}
	if who.Type != iam.User || who.ARN != "arn:aws:iam::111122223333:user/ann" || who.UserID != u.ID || who.Name != "ann" || who.AccessKeyID != k.ID {
		t.Errorf("got %+v", who)
	}
	if known, allowed := may(t, d, k.ID, "", "mediaconvert:GetPolicy", "*"); !known || !allowed {
		t.Error(known, allowed)
	}
	if known, allowed := may(t, d, k.ID, "", "mediaconvert:PutPolicy", "*"); !known || allowed {
		t.Error(known, allowed)
	}
	set := func(change func(*Entity)) {
		t.Helper()
		if err := d.Change(t.Context(), account, func(v *View) error { change(v.Edit(v.Get(User, "ann"))); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	set(func(e *Entity) { e.Keys[0].Active = false })
	if known, _ := may(t, d, k.ID, "", "mediaconvert:GetPolicy", "*"); known {
		t.Error("an inactive key is known")
	}
	set(func(e *Entity) { e.Keys[0].Active = true })
	set(func(e *Entity) { e.Inline = map[string]string{"broken": "{"} })
	if known, allowed := may(t, d, k.ID, "", "mediaconvert:GetPolicy", "*"); !known || allowed {
		t.Error("a policy that cannot be read allows", known, allowed)
	}
	set(func(e *Entity) { e.Inline, e.Attached = nil, []string{managedPrefix + "AdministratorAccess"} })
	if _, allowed := may(t, d, k.ID, "", "mediaconvert:PutPolicy", "*"); !allowed {
		t.Error("an attached policy does not allow")
	}
	set(func(e *Entity) { e.Attached = append(e.Attached, "arn:aws:iam::"+account+":policy/gone") })
	if _, allowed := may(t, d, k.ID, "", "mediaconvert:PutPolicy", "*"); allowed {
		t.Error("an attached policy that is gone allows")
	}
	set(func(e *Entity) {
		e.Attached, e.Boundary = []string{managedPrefix + "AdministratorAccess"}, managedPrefix+"AWSElementalMediaConvertReadOnly"
	})
	if _, allowed := may(t, d, k.ID, "", "mediaconvert:PutPolicy", "*"); allowed {
		t.Error("beyond the permissions boundary")
	}
	if err := d.Change(t.Context(), account, func(v *View) error { v.Drop(v.Get(User, "ann")); return nil }); err != nil {
		t.Fatal(err)
	}
	if known, _ := may(t, d, k.ID, "", "mediaconvert:GetPolicy", "*"); known {
		t.Error("the key of a user who is gone is known")
	}
}

// TestGroups: a user may do what the groups may.
func TestGroups(t *testing.T) {
	t.Parallel()
	d := newWorld(t).replica(nil)
	_, k, _ := addUser(t, d, account, "ann", "")
	g := &Entity{Kind: Group, ID: NewID(Group), Name: "films", Path: "/", Inline: map[string]string{"p": `{"Version":"2012-10-17","Statement":` + allowAll + `}`}}
	if err := d.Change(t.Context(), account, func(v *View) error {
		v.Put(g)
		u := v.Edit(v.Get(User, "ann"))
		u.Groups = []string{g.ID}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, allowed := may(t, d, k.ID, "", "mediaconvert:GetPolicy", "*"); !allowed {
		t.Error("the group's policy does not allow")
	}
	v, err := d.View(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	if m := v.Members(v.Get(Group, "films")); len(m) != 1 || m[0].Name != "ann" {
		t.Errorf("members %v", m)
	}
	// A group that is gone while its name stands in a user's record: nobody knows what it would have denied.
	if err := d.Change(t.Context(), account, func(v *View) error { v.Drop(v.Get(Group, "films")); return nil }); err != nil {
		t.Fatal(err)
	}
	if _, allowed := may(t, d, k.ID, "", "mediaconvert:GetPolicy", "*"); allowed {
		t.Error("allowed by a group that is gone")
	}
}

// TestReplicas: what one replica changes, another obeys within a second, and asks the records no more than twice a second.
func TestReplicas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := w.replica(nil)
	f := &flaky{Registries: w.records}
	two := w.replica(func(o *Options) { o.Store = f })
	_, k, _ := addUser(t, one, account, "ann", allowAll)
	if known, allowed := may(t, two, k.ID, "", "mediaconvert:GetPolicy", "*"); !known || !allowed {
		t.Fatal(known, allowed)
	}
	before := f.count()
	for range 1000 {
		may(t, two, k.ID, "", "mediaconvert:GetPolicy", "*")
	}
	if n := f.count() - before; n != 0 {
		t.Errorf("%d reads for identities that have not changed", n)
	}
	if err := one.Change(t.Context(), account, func(v *View) error { v.Edit(v.Get(User, "ann")).Inline = nil; return nil }); err != nil {
		t.Fatal(err)
	}
	if _, allowed := may(t, one, k.ID, "", "mediaconvert:GetPolicy", "*"); allowed {
		t.Error("the replica that made the change does not obey it")
	}
	w.clock.add(registry.VerifyEvery)
	if known, allowed := may(t, two, k.ID, "", "mediaconvert:GetPolicy", "*"); !known || allowed {
		t.Error("a policy that was taken away still allows", known, allowed)
	}
	if err := one.Change(t.Context(), account, func(v *View) error { v.Edit(v.Get(User, "ann")).Keys = nil; return nil }); err != nil {
		t.Fatal(err)
	}
	w.clock.add(registry.VerifyEvery)
	if known, _ := may(t, two, k.ID, "", "mediaconvert:GetPolicy", "*"); known {
		t.Error("a key that was deleted is known")
	}
	// The clock is set back: what is held is verified anew all the same.
	_, k, _ = addUser(t, one, account, "bob", allowAll)
	w.clock.add(-time.Hour)
	if known, _ := may(t, two, k.ID, "", "mediaconvert:GetPolicy", "*"); !known {
		t.Error("a new key is not known after the clock was set back")
	}
}

// TestRecordsThatDoNotAnswer: nobody is let in on what may be out of date.
func TestRecordsThatDoNotAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := &flaky{Registries: w.records}
	d := w.replica(func(o *Options) { o.Store = f })
	_, k, _ := addUser(t, d, account, "ann", allowAll)
	f.fail(errors.New("no answer"))
	w.clock.add(registry.VerifyEvery)
	if key, who, err := d.Find(t.Context(), k.ID, ""); err == nil || key != nil || who.Type != 0 {
		t.Errorf("got %v %+v %v", key, who, err)
	}
	if err := d.Change(t.Context(), account, func(*View) error { return nil }); err == nil {
		t.Error("changed")
	}
	if key, _, err := d.Find(t.Context(), "AKIAROOT", ""); err != nil || key == nil {
		t.Errorf("the root: %v", err)
	}
	f.fail(nil)
	if known, _ := may(t, d, k.ID, "", "a:B", "*"); !known {
		t.Error("not known after the records answer again")
	}
}

// TestTamperedRecords: a secret that was moved to another key, or a record that cannot be read, lets nobody in.
func TestTamperedRecords(t *testing.T) {
	t.Parallel()
	for name, tamper := range map[string]func(v *View){
		"another user's secret": func(v *View) {
			a, b := v.Get(User, "ann"), v.Get(User, "bob")
			a.Keys[0].Sealed = b.Keys[0].Sealed
		},
		"a secret cut short": func(v *View) { v.Get(User, "ann").Keys[0].Sealed = nil },
	} {
		w := newWorld(t)
		d := w.replica(nil)
		_, k, _ := addUser(t, d, account, "ann", allowAll)
		addUser(t, d, account, "bob", allowAll)
		v, err := d.View(t.Context(), account)
		if err != nil {
			t.Fatal(err)
		}
		tamper(v)
		c := v.begin()
		c.changed[v.Get(User, "ann")] = true
		put, _, err := c.records()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.records.ChangeRegistry(t.Context(), people(account), w.generation(account), put, nil); err != nil {
			t.Fatal(err)
		}
		if key, _, err := w.replica(nil).Find(t.Context(), k.ID, ""); err == nil || key != nil || strings.Contains(err.Error(), "secret cut") {
			t.Errorf("%s: got %v %v", name, key, err)
		}
	}
	w := newWorld(t)
	if _, err := w.records.ChangeRegistry(t.Context(), people(account), 0, []store.Entry{{Kind: "user", ID: "x", Record: []byte("{")}}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := w.replica(nil).View(t.Context(), account); err == nil {
		t.Error("a record that is no JSON was read")
	}
}

// TestSecretsAtRest: no secret stands in the records.
func TestSecretsAtRest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.replica(nil)
	_, k, plain := addUser(t, d, account, "ann", allowAll)
	all, _, err := w.records.LoadRegistry(t.Context(), people(account))
	if err != nil || len(all) == 0 {
		t.Fatal(all, err)
	}
	for _, r := range all {
		if strings.Contains(string(r.Record), string(plain.Reveal())) {
			t.Error("the secret stands in the records")
		}
	}
	v, err := d.View(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	if shown := fmt.Sprintf("%v %+v %#v", v.ByAccessKey(k.ID), *v.ByAccessKey(k.ID), v.ByAccessKey(k.ID).Keys); strings.Contains(shown, string(plain.Reveal())) {
		t.Error("the secret prints")
	}
}

// TestChange: a change is whole or not at all, and nothing that was read changes with it.
func TestChange(t *testing.T) {
	t.Parallel()
	d := newWorld(t).replica(nil)
	addUser(t, d, account, "ann", "")
	before, err := d.View(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	wrong := errors.New("wrong")
	err = d.Change(t.Context(), account, func(v *View) error {
		v.Edit(v.Get(User, "ann")).Path = "/x/"
		v.Put(&Entity{Kind: User, ID: NewID(User), Name: "bob"})
		return wrong
	})
	if !errors.Is(err, wrong) {
		t.Fatal(err)
	}
	now, err := d.View(t.Context(), account)
	if err != nil || now.Get(User, "ann").Path != "/" || now.Get(User, "bob") != nil {
		t.Errorf("half a change: %v %v", now.All(User, ""), err)
	}
	err = d.Change(t.Context(), account, func(v *View) error {
		e := v.Edit(v.Get(User, "ann"))
		if v.Edit(e) != e {
			t.Error("a copy of a copy")
		}
		e.Name, e.Tags = "Anna", map[string]string{"a": "b"}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if before.Get(User, "ann") == nil || before.Get(User, "ann").Tags != nil {
		t.Error("a view that was read has changed")
	}
	now, err = d.View(t.Context(), account)
	if err != nil || now.Get(User, "ann") != nil || now.Get(User, "Anna") == nil || now.Get(User, "anna") != nil || !now.Taken(User, "ANNA") || now.Count(User) != 1 {
		t.Errorf("after the new name: %v %v", now.All(User, ""), err)
	}
	if err := d.Change(t.Context(), "123", nil); !errors.Is(err, ErrNoAccount) {
		t.Errorf("no account: %v", err)
	}
	if _, err := d.View(t.Context(), "123"); !errors.Is(err, ErrNoAccount) {
		t.Errorf("no account: %v", err)
	}
}

// TestChangesAtOnce: two replicas change the same account, and nothing is lost.
func TestChangesAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var wg sync.WaitGroup
	replicas := []*Directory{w.replica(nil), w.replica(nil)}
	for i, d := range replicas {
		wg.Go(func() {
			for j := range 20 {
				for {
					err := d.Change(t.Context(), account, func(v *View) error {
						v.Put(&Entity{Kind: User, ID: NewID(User), Name: fmt.Sprintf("u%d-%d", i, j), Path: "/"})
						return nil
					})
					if err == nil {
						break
					}
					if !errors.Is(err, store.ErrStale) {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	w.clock.add(registry.VerifyEvery)
	for _, d := range replicas {
		if v, err := d.View(t.Context(), account); err != nil || v.Count(User) != 40 {
			t.Errorf("%d users, %v", v.Count(User), err)
		}
	}
}

func TestLeaseSessions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.replica(nil)
	if _, err := d.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	const document = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::films/in.mov"},{"Effect":"Allow","Action":"mediaconvert:*","Resource":"*"}]}`
	end := w.clock.time().Add(time.Hour)
	got, err := d.Sessions.Issue(t.Context(), account, roleARN, "job-1", document, end)
	if err != nil {
		t.Fatal(err)
	}
	token := string(got.SessionToken.Reveal())
	key, who, err := d.Find(t.Context(), got.AccessKeyID, token)
	if err != nil || key == nil || !key.Expiry.Equal(end) || string(key.Token.Reveal()) != token || string(key.Secret.Reveal()) != string(got.SecretAccessKey.Reveal()) {
		t.Fatalf("got %v %v", key, err)
	}
	if len(got.AccessKeyID) != 20 || got.SecretAccessKey.Len() != 40 || got.SessionToken.Len() != 128 || !strings.HasPrefix(got.AccessKeyID, "ASIA") {
		t.Errorf("got lengths %d %d %d", len(got.AccessKeyID), got.SecretAccessKey.Len(), got.SessionToken.Len())
	}
	if who.ARN != "arn:aws:sts::111122223333:assumed-role/MediaConvert_Default_Role/job-1" || who.Type != iam.AssumedRole || !strings.HasSuffix(who.UserID, ":job-1") || who.RoleARN != roleARN {
		t.Errorf("got %+v", who)
	}
	for _, tt := range []struct {
		action, resource string
		want             bool
	}{
		{"s3:GetObject", "arn:aws:s3:::films/in.mov", true},
		{"s3:GetObject", "arn:aws:s3:::films/in.mov2", false},
		{"s3:PutObject", "arn:aws:s3:::films/in.mov", false},
		{"mediaconvert:CreateJob", "*", false}, // the session policy says so, the role does not
		{"iam:PassRole", roleARN, false},
	} {
		if _, got := may(t, d, got.AccessKeyID, token, tt.action, tt.resource); got != tt.want {
			t.Errorf("%s on %s: got %v", tt.action, tt.resource, got)
		}
	}
	// What the role may is looked up at each request.
	if err := d.Change(t.Context(), account, func(v *View) error { v.Edit(v.Get(Role, DefaultRole)).Attached = nil; return nil }); err != nil {
		t.Fatal(err)
	}
	if _, allowed := may(t, d, got.AccessKeyID, token, "s3:GetObject", "arn:aws:s3:::films/in.mov"); allowed {
		t.Error("more than the role may now")
	}
	d.Sessions.Revoke(got.AccessKeyID)
	d.Sessions.Revoke(got.AccessKeyID)
	if known, _ := may(t, d, got.AccessKeyID, token, "s3:GetObject", "*"); known {
		t.Error("found after Revoke")
	}
	got, err = d.Sessions.Issue(t.Context(), account, roleARN, "job-1", document, end)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Change(t.Context(), account, func(v *View) error { v.Drop(v.Get(Role, DefaultRole)); return nil }); err != nil {
		t.Fatal(err)
	}
	if known, _ := may(t, d, got.AccessKeyID, string(got.SessionToken.Reveal()), "s3:GetObject", "*"); known {
		t.Error("the session of a role that is gone is known")
	}
}

func TestIssueRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.replica(nil)
	if _, err := d.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	now := w.clock.time()
	good := now.Add(time.Hour)
	for name, tt := range map[string]struct {
		role, session, document string
		expiry                  time.Time
	}{
		"another role":    {arn.Role(account, "Other"), "s1", "{}", good},
		"another account": {arn.Role(other, DefaultRole), "s1", "{}", good},
		"no role":         {"", "s1", "{}", good},
		"a user":          {"arn:aws:iam::" + account + ":user/admin", "s1", "{}", good},
		"no name":         {roleARN, "", "{}", good},
		"short name":      {roleARN, "s", "{}", good},
		"long name":       {roleARN, strings.Repeat("s", 65), "{}", good},
		"slash in name":   {roleARN, "a/b", "{}", good},
		"colon in name":   {roleARN, "a:b", "{}", good},
		"space in name":   {roleARN, "a b", "{}", good},
		"no document":     {roleARN, "s1", "", good},
		"ended":           {roleARN, "s1", "{}", now},
		"no end":          {roleARN, "s1", "{}", time.Time{}},
		"too long":        {roleARN, "s1", "{}", now.Add(MaxSessionLength + 1)},
	} {
		if got, err := d.Sessions.Issue(t.Context(), account, tt.role, tt.session, tt.document, tt.expiry); err == nil || got.AccessKeyID != "" {
			t.Errorf("%s: got %v, %v", name, got.AccessKeyID, err)
		}
	}
	if len(d.Sessions.open) != 0 {
		t.Errorf("%d sessions open", len(d.Sessions.open))
	}
	got, err := d.Sessions.Issue(t.Context(), account, roleARN, "s1", "{", good)
	if err != nil {
		t.Fatal(err)
	}
	if known, allowed := may(t, d, got.AccessKeyID, string(got.SessionToken.Reveal()), "s3:GetObject", "arn:aws:s3:::a/b"); !known || allowed {
		t.Error("a session policy that cannot be read allows", known, allowed)
	}
}

func TestSessionsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.replica(nil)
	_, root, err := d.Find(t.Context(), "AKIAROOT", "")
	if err != nil {
		t.Fatal(err)
	}
	end := w.clock.time().Add(time.Hour)
	first := ""
	for i := range MaxSessions {
		got, err := d.Sessions.Forward(root, "{}", end)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = got.AccessKeyID
		}
	}
	if _, err := d.Sessions.Forward(root, "{}", end); !errors.Is(err, ErrTooMany) {
		t.Errorf("got %v, want ErrTooMany", err)
	}
	d.Sessions.Revoke(first)
	if _, err := d.Sessions.Forward(root, "{}", end); err != nil {
		t.Errorf("after one was revoked: %v", err)
	}
	w.clock.add(time.Hour)
	if _, err := d.Sessions.Forward(root, "{}", end.Add(time.Hour)); err != nil || len(d.Sessions.open) != 1 {
		t.Errorf("after all ended: %d, %v", len(d.Sessions.open), err)
	}
}

// TestForward: a service that acts for somebody may do what it was opened for, and nothing else.
func TestForward(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.replica(nil)
	end := w.clock.time().Add(time.Minute)
	const document = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::films/in.mov"}}`
	_, who, _ := d.Find(t.Context(), "AKIAROOT", "")
	got, err := d.Sessions.Forward(who, document, end)
	if err != nil {
		t.Fatal(err)
	}
	token := string(got.SessionToken.Reveal())
	for resource, want := range map[string]bool{"arn:aws:s3:::films/in.mov": true, "arn:aws:s3:::films/other.mov": false} {
		if known, allowed := may(t, d, got.AccessKeyID, token, "s3:GetObject", resource); !known || allowed != want {
			t.Errorf("%s: %t %t", resource, known, allowed)
		}
	}
	stranger := who
	stranger.Account = "123456789012"
	for name, p := range map[string]iam.Principal{"nobody": {}, "an account that is not here": stranger} {
		if _, err := d.Sessions.Forward(p, document, end); err == nil {
			t.Errorf("%s was forwarded", name)
		}
	}
	if _, err := d.Sessions.Forward(who, "", end); err == nil {
		t.Error("forwarded without bounds")
	}
	if _, err := d.Sessions.Forward(who, document, w.clock.time()); err == nil {
		t.Error("a session that has ended")
	}
	d.Sessions.Revoke(got.AccessKeyID)
	if known, _ := may(t, d, got.AccessKeyID, token, "s3:GetObject", "*"); known {
		t.Error("a revoked session is found")
	}
}

// TestTokens: sessions whose token carries them hold across restarts and replicas, and only with the token they came with.
func TestTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.replica(nil)
	u, _, _ := addUser(t, d, account, "ann", allowAll)
	now := w.clock.time()
	about := Session{Account: account, Kind: User, ID: u.ID, Issued: now, Expiry: now.Add(time.Hour), MFA: now, Tags: map[string]string{"Team": "x"}}
	got, err := d.IssueToken(about)
	if err != nil {
		t.Fatal(err)
	}
	token := string(got.SessionToken.Reveal())
	for i, replica := range []*Directory{d, w.replica(nil)} {
		for range 2 { // opened, and kept
			key, who, err := replica.Find(t.Context(), got.AccessKeyID, token)
			if err != nil || key == nil || string(key.Secret.Reveal()) != string(got.SecretAccessKey.Reveal()) || string(key.Token.Reveal()) != token || !key.Expiry.Equal(about.Expiry) {
				t.Fatalf("replica %d: %v %v", i, key, err)
			}
			if who.Type != iam.User || who.ARN != u.ARN(account) || !who.Issued.Equal(now) || !who.MFA.Equal(now) || who.Tags["Team"] != "x" || who.Session != nil {
				t.Errorf("replica %d: %+v", i, who)
			}
		}
	}
	second, err := d.IssueToken(about)
	if err != nil {
		t.Fatal(err)
	}
	flipped := []byte(token)
	flipped[40] ^= 1
	for name, pair := range map[string][2]string{
		"no token":          {got.AccessKeyID, ""},
		"another's token":   {got.AccessKeyID, string(second.SessionToken.Reveal())},
		"another's key":     {second.AccessKeyID, token},
		"a byte is another": {got.AccessKeyID, string(flipped)},
		"cut short":         {got.AccessKeyID, token[:len(token)-8]},
		"longer":            {got.AccessKeyID, token + "AAAA"},
		"not base64":        {got.AccessKeyID, "***"},
		"endless":           {got.AccessKeyID, strings.Repeat("A", MaxToken+4)},
	} {
		for _, replica := range []*Directory{d, w.replica(nil)} {
			if key, who, err := replica.Find(t.Context(), pair[0], pair[1]); key != nil || who.Type != 0 || err != nil {
				t.Errorf("%s: got %v %+v %v", name, key, who, err)
			}
		}
	}
	foreign := w.replica(func(o *Options) {
		o.Master = secret.New([]byte(strings.Repeat("k", secret.KeySize)))
		o.Accounts = o.Accounts[1:]
	})
	if key, _, _ := foreign.Find(t.Context(), got.AccessKeyID, token); key != nil {
		t.Error("another installation takes the token")
	}
	if err := d.Change(t.Context(), account, func(v *View) error { v.Drop(v.Get(User, "ann")); return nil }); err != nil {
		t.Fatal(err)
	}
	if key, _, _ := d.Find(t.Context(), got.AccessKeyID, token); key != nil {
		t.Error("the session of a user who is gone")
	}
}

// TestRoleTokens: a session of a role has the role's policies, its own tags over the role's, and what narrows it.
func TestRoleTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.replica(nil)
	r := &Entity{
		Kind: Role, ID: NewID(Role), Name: "Editor", Path: "/films/", Tags: map[string]string{"team": "role", "Floor": "3"},
		Inline: map[string]string{"p": `{"Version":"2012-10-17","Statement":` + allowAll + `}`}, Trust: "{",
	}
	if err := d.Change(t.Context(), account, func(v *View) error { v.Put(r); return nil }); err != nil {
		t.Fatal(err)
	}
	now := w.clock.time()
	about := Session{Account: account, Kind: Role, ID: r.ID, Name: "ann", Issued: now, Expiry: now.Add(time.Hour), Tags: map[string]string{"Team": "session"}, SourceIdentity: "ann", Provider: "p"}
	find := func(s Session) (iam.Principal, Credentials) {
		t.Helper()
		c, err := d.IssueToken(s)
		if err != nil {
			t.Fatal(err)
		}
		_, who, err := d.Find(t.Context(), c.AccessKeyID, string(c.SessionToken.Reveal()))
		if err != nil {
			t.Fatal(err)
		}
		return who, c
	}
	who, _ := find(about)
	if who.ARN != "arn:aws:sts::111122223333:assumed-role/Editor/ann" || who.RoleARN != "arn:aws:iam::111122223333:role/films/Editor" || who.UserID != r.ID+":ann" ||
		who.SourceIdentity != "ann" || who.Provider != "p" || !maps.Equal(who.Tags, map[string]string{"Team": "session", "Floor": "3"}) || who.Session != nil {
		t.Errorf("got %+v", who)
	}
	about.Narrowed = true
	who, c := find(about)
	if who.Session == nil || len(who.Session) != 0 {
		t.Errorf("narrowed to nothing: %v", who.Session)
	}
	if _, allowed := may(t, d, c.AccessKeyID, string(c.SessionToken.Reveal()), "mediaconvert:GetPolicy", "*"); allowed {
		t.Error("a session that is narrowed to nothing is allowed something")
	}
	about.Managed = []string{managedPrefix + "AWSElementalMediaConvertReadOnly"}
	_, c = find(about)
	for action, want := range map[string]bool{"mediaconvert:GetPolicy": true, "mediaconvert:PutPolicy": false} {
		if _, allowed := may(t, d, c.AccessKeyID, string(c.SessionToken.Reveal()), action, "*"); allowed != want {
			t.Errorf("%s: %t", action, allowed)
		}
	}
	about.Managed = []string{"arn:aws:iam::" + account + ":policy/gone"}
	_, c = find(about)
	if _, allowed := may(t, d, c.AccessKeyID, string(c.SessionToken.Reveal()), "mediaconvert:GetPolicy", "*"); allowed {
		t.Error("a managed session policy that is gone allows")
	}
	if _, err := d.IssueToken(Session{Policy: strings.Repeat("x", MaxToken)}); err == nil {
		t.Error("a token without end")
	}
}

// TestTokensAreBounded: opened tokens do not fill the memory.
func TestTokensAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.replica(nil)
	for range maxOpened + 10 {
		c, err := d.IssueToken(Session{Account: account, Expiry: w.clock.time().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		if key, who, err := d.Find(t.Context(), c.AccessKeyID, string(c.SessionToken.Reveal())); key == nil || who.Type != iam.Root || err != nil {
			t.Fatal(who, err)
		}
	}
	if n := len(d.tokens.opened); n != maxOpened {
		t.Errorf("%d tokens are kept open", n)
	}
}

func TestCheckJobRole(t *testing.T) {
	t.Parallel()
	d := newWorld(t).replica(nil)
	const queue = "arn:aws:mediaconvert:us-east-1:" + account + ":queues/films"
	trust := func(condition string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"mediaconvert.amazonaws.com"},"Action":"sts:AssumeRole"` + condition + `}]}`
	}
	tests := []struct {
		name, document string
		want           error
	}{
		{"plain", trust(""), nil},
		{"this queue", trust(`,"Condition":{"ArnLike":{"aws:SourceArn":"` + queue + `"},"StringEquals":{"aws:SourceAccount":"` + account + `"}}`), nil},
		{"queues of the account", trust(`,"Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:mediaconvert:*:` + account + `:queues/*"}}`), nil},
		{"another queue", trust(`,"Condition":{"ArnLike":{"aws:SourceArn":"` + queue + `2"}}`), ErrNotTrusting},
		{"another account", trust(`,"Condition":{"StringEquals":{"aws:SourceAccount":"` + other + `"}}`), ErrNotTrusting},
		{"another service", strings.Replace(trust(""), "mediaconvert", "lambda", 1), ErrNotTrusting},
		{"another action", strings.Replace(trust(""), "sts:AssumeRole", "sts:TagSession", 1), ErrNotTrusting},
		{"the account alone", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"sts:AssumeRole"}]}`, ErrNotTrusting},
		{"denied", trust("")[:len(trust(""))-2] + `,{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole"}]}`, ErrNotTrusting},
		{"unreadable", "{", ErrMalformedRole},
		{"empty", "", ErrMalformedRole},
	}
	for i, tt := range tests {
		r := &Entity{Kind: Role, ID: NewID(Role), Name: fmt.Sprint("r", i), Path: "/", Trust: tt.document}
		if err := d.Change(t.Context(), account, func(v *View) error { v.Put(r); return nil }); err != nil {
			t.Fatal(err)
		}
		if err := d.CheckJobRole(t.Context(), account, r.ARN(account), queue); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
		if err := d.CheckJobRole(t.Context(), other, r.ARN(account), queue); !errors.Is(err, ErrNoRole) {
			t.Errorf("%s, from another account: %v", tt.name, err)
		}
	}
	for _, name := range []string{"", "r0", arn.Role(account, "gone"), arn.Role(account, "R0"), "arn:aws:iam::" + account + ":role/x/r0", "arn:aws:iam::" + account + ":user/r0"} {
		if err := d.CheckJobRole(t.Context(), account, name, queue); !errors.Is(err, ErrNoRole) {
			t.Errorf("%q: %v", name, err)
		}
		if tags, err := d.RoleTags(t.Context(), account, name); tags != nil || err != nil {
			t.Errorf("%q: %v %v", name, tags, err)
		}
	}
	if _, err := d.RoleTags(t.Context(), "1", ""); !errors.Is(err, ErrNoAccount) {
		t.Error(err)
	}
	if err := d.CheckJobRole(t.Context(), "1", "", ""); !errors.Is(err, ErrNoAccount) {
		t.Error(err)
	}
}

// TestTrustNamesIDs: a user made anew under the name that a trust policy has does not inherit what the old one had.
func TestTrustNamesIDs(t *testing.T) {
	t.Parallel()
	d := newWorld(t).replica(nil)
	ann, k, _ := addUser(t, d, account, "ann", "")
	document := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + ann.ARN(account) + `"},"Action":"sts:AssumeRole"}]}`
	err := d.Change(t.Context(), account, func(v *View) error {
		p, err := iam.Parse(iam.TrustPolicy, "t", document)
		if err != nil {
			return err
		}
		ids, missing := v.TrustedIDs(p)
		if len(missing) != 0 || ids[ann.ARN(account)] != ann.ID {
			t.Errorf("got %v %v", ids, missing)
		}
		v.Put(&Entity{Kind: Role, ID: NewID(Role), Name: "R", Path: "/", Trust: document, TrustedIDs: ids})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	assume := func(key string) bool {
		t.Helper()
		_, who, err := d.Find(t.Context(), key, "")
		if err != nil {
			t.Fatal(err)
		}
		v, err := d.View(t.Context(), account)
		if err != nil {
			t.Fatal(err)
		}
		r := v.Get(Role, "R")
		return iam.Authorize(&iam.Request{Principal: who, Check: iam.Check{Action: "sts:AssumeRole", Resource: r.ARN(account), Policy: v.TrustPolicy(r)}}).Allowed()
	}
	if !assume(k.ID) {
		t.Error("who is named may not")
	}
	if err := d.Change(t.Context(), account, func(v *View) error { v.Drop(v.Get(User, "ann")); return nil }); err != nil {
		t.Fatal(err)
	}
	again, k2, _ := addUser(t, d, account, "ann", "")
	if again.ID == ann.ID || assume(k2.ID) {
		t.Error("a new user of the old name inherits")
	}
	v, err := d.View(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	if shown := v.TrustDocument(v.Get(Role, "R")); strings.Contains(shown, "user/ann") || !strings.Contains(shown, `"`+ann.ID+`"`) {
		t.Errorf("the trust policy shows %s", shown)
	}
	if v.TrustPolicy(nil) != nil || v.TrustPolicy(v.Get(User, "ann")) != nil {
		t.Error("what is no role has a trust policy")
	}
}

func TestLookups(t *testing.T) {
	t.Parallel()
	d := newWorld(t).replica(nil)
	err := d.Change(t.Context(), account, func(v *View) error {
		v.Put(&Entity{Kind: User, ID: "AIDA1", Name: "ann", Path: "/films/", Attached: []string{managedPrefix + "IAMFullAccess", "arn:aws:iam::" + account + ":policy/p"}})
		v.Put(&Entity{Kind: User, ID: "AIDA2", Name: "Bob", Path: "/", Boundary: "arn:aws:iam::" + account + ":policy/p"})
		v.Put(&Entity{Kind: Policy, ID: "ANPA1", Name: "p", Path: "/", Default: "v1", Versions: []Version{{ID: "v1", Document: "{}"}}})
		v.Put(&Entity{Kind: Provider, ID: "AOIP1", Name: "id.example.org/realm", Path: "/"})
		v.Put(&Entity{Kind: Device, ID: "AMFA1", Name: "phone", Path: "/dev/"})
		v.Put(&Entity{Kind: Settings, ID: "AACC1", Alias: "studio"})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	v, err := d.View(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"arn:aws:iam::111122223333:user/films/ann":                     "AIDA1",
		"arn:aws:iam::111122223333:user/ann":                           "",
		"arn:aws:iam::111122223333:user/Bob":                           "AIDA2",
		"arn:aws:iam::111122223333:user/bob":                           "",
		"arn:aws:iam::999988887777:user/Bob":                           "",
		"arn:aws:iam::111122223333:role/Bob":                           "",
		"arn:aws:iam::111122223333:oidc-provider/id.example.org/realm": "AOIP1",
		"arn:aws:iam::111122223333:mfa/dev/phone":                      "AMFA1",
		"arn:aws:iam::111122223333:mfa/phone":                          "",
		"arn:aws:iam::111122223333:account/":                           "",
		"arn:aws:iam::111122223333:root":                               "",
		"":                                                             "",
	} {
		got := ""
		if e := v.ByARN(name); e != nil {
			got = e.ID
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if got, want := v.Usage(), (map[string]Usage{"arn:aws:iam::" + account + ":policy/p": {1, 1}, managedPrefix + "IAMFullAccess": {1, 0}}); !maps.Equal(got, want) {
		t.Errorf("used: got %v, want %v", got, want)
	}
	names := func(path string) (out []string) {
		for _, e := range v.All(User, path) {
			out = append(out, e.Name)
		}
		return out
	}
	if got := names(""); !slices.Equal(got, []string{"ann", "Bob"}) {
		t.Errorf("all: %v", got)
	}
	if got := names("/films"); !slices.Equal(got, []string{"ann"}) {
		t.Errorf("below a path: %v", got)
	}
	full := v.ManagedPolicy(managedPrefix + "IAMFullAccess")
	if full == nil || v.ARN(full) != managedPrefix+"IAMFullAccess" || v.ARN(v.Get(Policy, "p")) != "arn:aws:iam::111122223333:policy/p" {
		t.Errorf("names of policies: %v", full)
	}
	if v.ManagedPolicy("arn:aws:iam::111122223333:user/films/ann") != nil || v.ManagedPolicy(managedPrefix+"Nothing") != nil || !IsAWSManaged(managedPrefix+"Nothing") {
		t.Error("what is no policy was found")
	}
	if v.Settings().Alias != "studio" || v.Settings().ARN(account) != "arn:aws:iam::111122223333:root" {
		t.Errorf("settings: %+v", v.Settings())
	}
	for _, e := range AWSManaged() {
		if _, err := iam.Parse(iam.IdentityPolicy, e.Name, e.Versions[0].Document); err != nil || len(e.ID) != 21 {
			t.Errorf("%s: %v, id %q", e.Name, err, e.ID)
		}
	}
}

// TestUse: when a key was last used is known at once, and to the next start after it was recorded.
func TestUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.replica(nil)
	if _, ok := d.LastUse("AKIA1"); ok {
		t.Error("used before it was")
	}
	use := Use{ID: "AKIA1", Account: account, Time: w.clock.time(), Service: "s3", Region: "us-east-1"}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- d.Run(ctx) }()
	d.Used(use)
	if got, ok := d.LastUse("AKIA1"); !ok || got != use {
		t.Errorf("got %+v %t", got, ok)
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	again := w.replica(nil)
	if _, err := again.View(t.Context(), account); err != nil {
		t.Fatal(err)
	}
	if got, ok := again.LastUse("AKIA1"); !ok || !got.Time.Equal(use.Time) || got.Service != "s3" {
		t.Errorf("after a restart: got %+v %t", got, ok)
	}
}
