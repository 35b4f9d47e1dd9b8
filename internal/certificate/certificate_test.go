package certificate

import (
	"bytes"
	"context"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // SPEKE's RSA-OAEP
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/registry"
	"darkroom/internal/secret"
	"darkroom/internal/store"
	"darkroom/internal/store/sqlite"
)

const (
	account = "111122223333"
	other   = "999988887777"
)

// world is the records and a clock; services over them are replicas of one installation.
type world struct {
	t       *testing.T
	records *sqlite.Store
	now     atomic.Int64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	records, err := sqlite.Open(filepath.Join(t.TempDir(), "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { records.Close() })
	w := &world{t: t, records: records}
	w.now.Store(start.UnixNano())
	return w
}

func (w *world) time() time.Time     { return time.Unix(0, w.now.Load()).UTC() }
func (w *world) add(d time.Duration) { w.now.Add(int64(d)) }

func (w *world) replica(listener string) *Service {
	w.t.Helper()
	sealer, err := secret.NewSealer(secret.New(make([]byte, secret.KeySize)), "certificate keys", rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := New(Options{Accounts: []string{account, other}, Region: "us-east-1", Store: w.records, Sealer: sealer, Listener: listener, Now: w.time})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// entries are what stands in the records of an account.
func (w *world) entries(account string) []store.Entry {
	w.t.Helper()
	all, _, err := w.records.LoadRegistry(w.t.Context(), store.Registry{Name: registryName, Account: account})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// put writes an entry behind the service's back.
func (w *world) put(account string, e store.Entry) {
	w.t.Helper()
	r := store.Registry{Name: registryName, Account: account}
	n, err := w.records.Generation(w.t.Context(), r)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.records.ChangeRegistry(w.t.Context(), r, n, []store.Entry{e}, nil); err != nil {
		w.t.Fatal(err)
	}
	w.add(registry.VerifyEvery)
}

func (w *world) imported(s *Service, i issued, tags map[string]string) string {
	w.t.Helper()
	name, err := s.Import(w.t.Context(), account, Import{Certificate: i.pem(), Key: secret.New(i.keyPEM(w.t)), Tags: tags})
	if err != nil {
		w.t.Fatal(err)
	}
	return name
}

// refused fails unless err is a refusal of a kind.
func refused(t *testing.T, what string, err error, want Fault, says string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Fault != want || !strings.Contains(e.Message, says) {
		t.Errorf("%s: got %v, want fault %d: %s", what, err, want, says)
	}
}

func ok(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

func TestLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, second := w.replica(""), w.replica("")
	ctx := t.Context()
	root := authority(t, "Root", nil, nil)
	first := issue(t, "media.example", curveKey(t, elliptic.P256()), &root, func(c *x509.Certificate) { c.DNSNames = []string{"media.example", "www.media.example"} })
	name, err := s.Import(ctx, account, Import{Certificate: first.pem(), Chain: root.pem(), Key: secret.New(first.keyPEM(t)), Tags: map[string]string{"stage": "a"}})
	ok(t, "import", err)
	if prefix := "arn:aws:acm:us-east-1:" + account + ":certificate/"; !strings.HasPrefix(name, prefix) || !idPattern.MatchString(strings.TrimPrefix(name, prefix)) {
		t.Errorf("got the ARN %s", name)
	}
	c, err := second.Find(ctx, account, name)
	ok(t, "find in another process", err)
	if !c.Leaf.Equal(first.cert) || len(c.Chain) != 1 || !c.Chain[0].Equal(root.cert) || c.Algorithm != P256 || !c.Created.Equal(start) || c.Tags["stage"] != "a" || s.Expired(c) {
		t.Errorf("got %+v", c)
	}
	if diff := cmp.Diff([]string{"media.example", "www.media.example"}, Names(c.Leaf)); diff != "" {
		t.Error(diff)
	}
	w.add(time.Hour)
	later := issue(t, "media.example", curveKey(t, elliptic.P256()), &root, nil)
	ok(t, "renew", second.Renew(ctx, account, name, Import{Certificate: later.pem(), Chain: root.pem(), Key: secret.New(later.keyPEM(t))}))
	c, err = s.Find(ctx, account, name)
	ok(t, "find what another process renewed", err)
	if !c.Leaf.Equal(later.cert) || !c.Created.Equal(start) || !c.Imported.Equal(start.Add(time.Hour)) || c.Tags["stage"] != "a" {
		t.Errorf("after the renewal: %+v", c)
	}
	w.add(365 * 24 * time.Hour)
	if !s.Expired(c) {
		t.Error("a certificate does not end")
	}
	all, err := s.All(ctx, account)
	if err != nil || len(all) != 1 || all[0].ARN != name {
		t.Errorf("got %v, %v", all, err)
	}
	if all, err := s.All(ctx, other); err != nil || len(all) != 0 {
		t.Errorf("another account has %v, %v", all, err)
	}
	ok(t, "delete", s.Delete(ctx, account, name))
	_, err = s.Find(ctx, account, name)
	refused(t, "find what is deleted", err, NotFound, "Could not find certificate "+name)
	if entries := w.entries(account); len(entries) != 0 {
		t.Errorf("in the records: %d", len(entries))
	}
}

// TestNobodyElses: an ARN leads to a certificate of the account's own, and to nothing else.
func TestNobodyElses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica("")
	name := w.imported(s, issue(t, "media.example", rsaKey(t, 2048, 0), nil, nil), nil)
	id := name[strings.LastIndexByte(name, '/')+1:]
	do := map[string]func(account, name string) error{
		"find":         func(a, n string) error { _, err := s.Find(t.Context(), a, n); return err },
		"delete":       func(a, n string) error { return s.Delete(t.Context(), a, n) },
		"tag":          func(a, n string) error { return s.Tag(t.Context(), a, n, map[string]string{"a": "b"}) },
		"untag":        func(a, n string) error { return s.Untag(t.Context(), a, n, map[string]*string{"a": nil}) },
		"associate":    func(a, n string) error { return s.Associate(t.Context(), a, n) },
		"disassociate": func(a, n string) error { return s.Disassociate(t.Context(), a, n) },
		"recipient":    func(a, n string) error { _, err := s.Recipient(t.Context(), a, n); return err },
		"renew":        func(a, n string) error { return s.Renew(t.Context(), a, n, Import{}) },
	}
	for what, call := range do {
		for _, tt := range []struct {
			name, account, arn string
			want               Fault
		}{
			{"another account", other, name, NotFound},
			{"another account's ARN", account, strings.Replace(name, account, other, 1), NotFound},
			{"another region", account, strings.Replace(name, "us-east-1", "us-east-2", 1), NotFound},
			{"another partition", account, strings.Replace(name, "arn:aws:", "arn:aws-cn:", 1), NotFound},
			{"another id", account, strings.Replace(name, id, "00000000-0000-4000-8000-000000000000", 1), NotFound},
			{"in upper case", account, strings.Replace(name, id, strings.ToUpper(id), 1), NotFound},
			{"no id", account, strings.Replace(name, id, "", 1), NotFound},
			{"a part more", account, name + "/x", NotFound},
			{"another service", account, strings.Replace(name, ":acm:", ":iam:", 1), BadARN},
			{"another resource", account, strings.Replace(name, ":certificate/", ":key/", 1), BadARN},
			{"no ARN", account, "x", BadARN},
			{"nothing", account, "", BadARN},
		} {
			refused(t, what+", "+tt.name, call(tt.account, tt.arn), tt.want, "")
		}
		if err := call("000000000000", name); !errors.Is(err, registry.ErrNoAccount) {
			t.Errorf("%s, no account: %v", what, err)
		}
	}
	if c, err := s.Find(t.Context(), account, name); err != nil || c.MediaConvert || len(c.Tags) != 0 {
		t.Errorf("it was changed: %+v, %v", c, err)
	}
}

// TestSealed: the private key is nowhere in the records, and opens only where it belongs.
func TestSealed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica("")
	k := rsaKey(t, 2048, 0)
	name := w.imported(s, issue(t, "a.example", k, nil, nil), nil)
	second := w.imported(s, issue(t, "b.example", rsaKey(t, 2048, 1), nil, nil), nil)
	entries := w.entries(account)
	for _, e := range entries {
		for what, part := range map[string][]byte{"the exponent": k.D.Bytes(), "a prime": k.Primes[0].Bytes()} {
			text, err := json.Marshal(part) // base64, as a record would have it
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(e.Record, part) || bytes.Contains(e.Record, text[1:len(text)-4]) {
				t.Errorf("%s of the key stands in the records", what)
			}
		}
	}
	ok(t, "associate", s.Associate(t.Context(), account, name))
	ok(t, "associate", s.Associate(t.Context(), account, second))
	if _, err := s.Recipient(t.Context(), account, name); err != nil {
		t.Fatal(err)
	}
	entries = w.entries(account)
	byID := func(name string) (store.Entry, record) {
		i := slices.IndexFunc(entries, func(e store.Entry) bool { return strings.HasSuffix(name, e.ID) })
		var r record
		if err := json.Unmarshal(entries[i].Record, &r); err != nil {
			t.Fatal(err)
		}
		return entries[i], r
	}
	entry, mine := byID(name)
	_, theirs := byID(second)
	write := func(account string, r record) {
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		w.put(account, store.Entry{Kind: entry.Kind, ID: entry.ID, Record: text})
	}
	fails := func(what, account, name string) {
		t.Helper()
		r, err := s.Recipient(t.Context(), account, name)
		var e *Error
		if err == nil || errors.As(err, &e) || r != nil {
			t.Errorf("%s: got %v, %v", what, r, err)
		}
		if err != nil && strings.Contains(err.Error(), "PRIVATE") {
			t.Errorf("%s: %v", what, err)
		}
	}
	swapped := mine
	swapped.Key = theirs.Key
	write(account, swapped)
	fails("the key of another row", account, name)
	changed := mine
	changed.Key = slices.Clone(mine.Key)
	changed.Key[len(changed.Key)-1] ^= 1
	write(account, changed)
	fails("a changed key", account, name)
	write(other, mine)
	fails("the row of another account", other, strings.Replace(name, account, other, 1))
	exchanged := mine
	exchanged.Certificate = theirs.Certificate
	write(account, exchanged)
	fails("the certificate of another row", account, name)
	write(account, mine)
	if _, err := s.Recipient(t.Context(), account, name); err != nil {
		t.Errorf("as it was: %v", err)
	}
	w.put(account, store.Entry{Kind: entryKind, ID: entry.ID, Record: json.RawMessage(`{"certificate":"AAAA"}`)})
	if _, err := s.Find(t.Context(), account, name); err == nil {
		t.Error("a record that cannot be read is passed over")
	}
}

func TestRenewRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica("")
	usages := func(c *x509.Certificate) {
		c.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 2, 3}}
	}
	old := issue(t, "media.example", curveKey(t, elliptic.P256()), nil, usages)
	name := w.imported(s, old, nil)
	again := func(edit func(*x509.Certificate)) issued {
		return issue(t, "media.example", curveKey(t, elliptic.P256()), nil, func(c *x509.Certificate) {
			usages(c)
			if edit != nil {
				edit(c)
			}
		})
	}
	for _, tt := range []struct {
		name string
		by   issued
		tags map[string]string
		says string
	}{
		{"tags", again(nil), map[string]string{"a": "b"}, "Tagging is not permitted on re-import."},
		{"another curve", issue(t, "media.example", curveKey(t, elliptic.P384()), nil, usages), nil, "The key algorithm EC_secp384r1 of the certificate differs from EC_prime256v1"},
		{"no name", again(func(c *x509.Certificate) {
			c.Subject.CommonName, c.Subject.Organization, c.DNSNames = "", []string{"Media"}, nil
		}), nil, "must have a domain name"},
		{"a usage less", again(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }), nil, "must have the key usages"},
		{"an extended usage less", again(func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[:1] }), nil, "must have the extended key usages"},
		{"an own usage less", again(func(c *x509.Certificate) { c.UnknownExtKeyUsage = nil }), nil, "must have the extended key usages"},
		{"expired", again(func(c *x509.Certificate) { c.NotAfter = start.Add(-time.Second) }), nil, "The certificate has expired, is not valid."},
	} {
		err := s.Renew(t.Context(), account, name, Import{Certificate: tt.by.pem(), Key: secret.New(tt.by.keyPEM(t)), Tags: tt.tags})
		refused(t, tt.name, err, Invalid, tt.says)
	}
	if c, err := s.Find(t.Context(), account, name); err != nil || !c.Leaf.Equal(old.cert) {
		t.Errorf("it was replaced: %v", err)
	}
	more := again(func(c *x509.Certificate) {
		c.KeyUsage |= x509.KeyUsageDataEncipherment
		c.DNSNames = []string{"another.example"}
	})
	ok(t, "a usage more, another name", s.Renew(t.Context(), account, name, Import{Certificate: more.pem(), Key: secret.New(more.keyPEM(t))}))
}

func TestTags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica("")
	i := issue(t, "a.example", curveKey(t, elliptic.P256()), nil, nil)
	name := w.imported(s, i, nil)
	tags := func(want map[string]string) {
		t.Helper()
		c, err := s.Find(t.Context(), account, name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, c.Tags); diff != "" {
			t.Error(diff)
		}
	}
	y := "y"
	ok(t, "tag", s.Tag(t.Context(), account, name, map[string]string{"a": "x", "A": "x", "b": "x"}))
	ok(t, "tag again", s.Tag(t.Context(), account, name, map[string]string{"b": "y"}))
	tags(map[string]string{"a": "x", "A": "x", "b": "y"})
	ok(t, "untag", s.Untag(t.Context(), account, name, map[string]*string{"a": nil, "A": &y, "b": &y, "c": nil}))
	tags(map[string]string{"A": "x"})
	refused(t, "a reserved key", s.Tag(t.Context(), account, name, map[string]string{"AWS:x": "y"}), BadTag, "reserved")
	refused(t, "a reserved value", s.Tag(t.Context(), account, name, map[string]string{"x": "aws:y"}), BadTag, "reserved")
	many := make(map[string]string)
	for n := range MaxTags {
		many[strconv.Itoa(n)] = ""
	}
	refused(t, "too many", s.Tag(t.Context(), account, name, many), TooManyTags, "at most 50")
	_, err := s.Import(t.Context(), account, Import{Certificate: i.pem(), Key: secret.New(i.keyPEM(t)), Tags: map[string]string{"aws:x": ""}})
	refused(t, "a reserved key with an import", err, BadTag, "reserved")
	tags(map[string]string{"A": "x"})
}

// TestQuota: an account has no more than so many, and another account's do not count.
func TestQuota(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica("")
	i := issue(t, "a.example", curveKey(t, elliptic.P256()), nil, nil)
	w.imported(s, i, nil)
	model := w.entries(account)[0]
	r := store.Registry{Name: registryName, Account: account}
	var more []store.Entry
	for n := range MaxCertificates - 1 {
		e := model
		e.ID = "00000000-0000-4000-8000-" + strings.Repeat("0", 8) + strconv.Itoa(1000+n)
		more = append(more, e)
	}
	if _, err := w.records.ChangeRegistry(t.Context(), r, 1, more, nil); err != nil {
		t.Fatal(err)
	}
	w.add(registry.VerifyEvery)
	in := Import{Certificate: i.pem(), Key: secret.New(i.keyPEM(t))}
	_, err := s.Import(t.Context(), account, in)
	refused(t, "one more", err, Exceeded, "maximum number of certificates")
	if _, err := s.Import(t.Context(), other, in); err != nil {
		t.Errorf("another account: %v", err)
	}
}

// TestInUse: what is in use stays.
func TestInUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica("")
	first := issue(t, "speke.example", rsaKey(t, 2048, 0), nil, nil)
	name := w.imported(s, first, nil)
	users := func(s *Service) []string {
		t.Helper()
		c, err := s.Find(t.Context(), account, name)
		if err != nil {
			t.Fatal(err)
		}
		return s.Users(c)
	}
	if got := users(s); len(got) != 0 {
		t.Errorf("at first: %v", got)
	}
	refused(t, "not associated", s.Disassociate(t.Context(), account, name), NotFound, "is not associated with MediaConvert")
	for range 2 {
		ok(t, "associate", s.Associate(t.Context(), account, name))
	}
	mediaconvert := "arn:aws:mediaconvert:us-east-1:" + account + ":certificates/" + name
	if diff := cmp.Diff([]string{mediaconvert}, users(s)); diff != "" {
		t.Error(diff)
	}
	refused(t, "delete", s.Delete(t.Context(), account, name), InUse, "Certificate "+name+" in account "+account+" is in use.")
	refused(t, "delete in another process", w.replica("").Delete(t.Context(), account, name), InUse, "")
	renewed := issue(t, "speke.example", rsaKey(t, 2048, 1), nil, nil)
	ok(t, "renew", s.Renew(t.Context(), account, name, Import{Certificate: renewed.pem(), Key: secret.New(renewed.keyPEM(t))}))
	if diff := cmp.Diff([]string{mediaconvert}, users(s)); diff != "" {
		t.Errorf("a renewal takes it out of use: %s", diff)
	}
	listens := w.replica(name)
	if got := users(listens); len(got) != 2 || got[1] != "arn:aws:darkroom:us-east-1:"+account+":listener" {
		t.Errorf("with a listener: %v", got)
	}
	ok(t, "disassociate", s.Disassociate(t.Context(), account, name))
	refused(t, "delete what the listener shows", listens.Delete(t.Context(), account, name), InUse, "")
	refused(t, "disassociate again", s.Disassociate(t.Context(), account, name), NotFound, "")
	ok(t, "delete", s.Delete(t.Context(), account, name))

	curve := w.imported(s, issue(t, "curve.example", curveKey(t, elliptic.P256()), nil, nil), nil)
	refused(t, "a curve for content keys", s.Associate(t.Context(), account, curve), Unsuitable, "RSA_2048 alone")
	long := w.imported(s, issue(t, "long.example", rsaKey(t, 4096, 0), nil, nil), nil)
	refused(t, "a long key for content keys", s.Associate(t.Context(), account, long), Unsuitable, "RSA_2048 alone")
	again := w.imported(s, first, nil)
	w.add(365 * 24 * time.Hour)
	refused(t, "an expired one for content keys", s.Associate(t.Context(), account, again), Unsuitable, "has expired")
}

// TestDeleteOrAssociate: of one who deletes and one who associates at the same time, in two processes, one is refused.
func TestDeleteOrAssociate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.replica(""), w.replica("")
	i := issue(t, "speke.example", rsaKey(t, 2048, 0), nil, nil)
	for range 20 {
		name := w.imported(a, i, nil)
		var deleted, associated error
		var both sync.WaitGroup
		both.Go(func() { deleted = a.Delete(t.Context(), account, name) })
		both.Go(func() { associated = b.Associate(t.Context(), account, name) })
		both.Wait()
		w.add(registry.VerifyEvery)
		_, err := a.Find(t.Context(), account, name)
		if gone := err != nil; gone != (deleted == nil) || gone != (associated != nil) {
			t.Fatalf("deleted: %v, associated: %v, then %v", deleted, associated, err)
		}
	}
}

// TestRecipient: the key opens what is encrypted for the certificate, as a key server of SPEKE does it.
func TestRecipient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica("")
	name := w.imported(s, issue(t, "speke.example", rsaKey(t, 2048, 0), nil, nil), nil)
	_, err := s.Recipient(t.Context(), account, name)
	refused(t, "not associated", err, Unsuitable, "AssociateCertificate")
	ok(t, "associate", s.Associate(t.Context(), account, name))
	r, err := s.Recipient(t.Context(), account, name)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, r.Certificate.PublicKey.(*rsa.PublicKey), []byte("content key"), nil) //nolint:gosec // as SPEKE
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := r.Key.Decrypt(rand.Reader, sealed, &rsa.OAEPOptions{Hash: crypto.SHA1}); err != nil || string(plain) != "content key" {
		t.Errorf("got %q, %v", plain, err)
	}
	w.add(365 * 24 * time.Hour)
	_, err = s.Recipient(t.Context(), account, name)
	refused(t, "expired", err, Unsuitable, "has expired")
}

// TestServer: the listener shows what was imported last, whoever imported it, and goes on with what it has where that cannot be read.
func TestServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	elsewhere := w.replica("")
	if _, err := elsewhere.Server(account); err == nil {
		t.Error("a listener without a certificate")
	}
	root := authority(t, "Root", nil, nil)
	first := issue(t, "media.example", curveKey(t, elliptic.P256()), &root, nil)
	name, err := elsewhere.Import(t.Context(), account, Import{Certificate: first.pem(), Chain: root.pem(), Key: secret.New(first.keyPEM(t))})
	ok(t, "import", err)
	s := w.replica(name)
	server, err := s.Server(account)
	if err != nil {
		t.Fatal(err)
	}
	show := func(what string, want issued, changed bool) {
		t.Helper()
		c, got, err := server.Certificate(t.Context())
		if err != nil || got != changed || !c.Leaf.Equal(want.cert) || len(c.Certificate) != 2 {
			t.Errorf("%s: got %v, changed %t, %v", what, c, got, err)
		}
	}
	show("at first", first, true)
	show("again", first, false)
	ok(t, "tag", elsewhere.Tag(t.Context(), account, name, map[string]string{"a": "b"}))
	w.add(registry.VerifyEvery)
	show("after another change of the record", first, false)
	second := issue(t, "media.example", curveKey(t, elliptic.P256()), &root, nil)
	ok(t, "renew", elsewhere.Renew(t.Context(), account, name, Import{Certificate: second.pem(), Chain: root.pem(), Key: secret.New(second.keyPEM(t))}))
	w.add(registry.VerifyEvery)
	show("after another process imported it again", second, true)
	ok(t, "delete behind its back", elsewhere.Delete(t.Context(), account, name))
	w.add(registry.VerifyEvery)
	for range 2 {
		c, changed, err := server.Certificate(t.Context())
		refused(t, "deleted", err, NotFound, "")
		if changed || !c.Leaf.Equal(second.cert) {
			t.Error("what is deleted is not shown any more")
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	nothing, err := w.replica(name).Server(account)
	ok(t, "a listener", err)
	if c, _, err := nothing.Certificate(ctx); err == nil || c != nil {
		t.Errorf("a certificate that is not there: %v, %v", c, err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{{}, {Region: "us-east-1"}, {Region: "us-east-1", Store: newWorld(t).records}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
}
