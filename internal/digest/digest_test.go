package digest

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var aPlace = Place{Bucket: "logs", Prefix: "a/b", Account: "111122223333", Region: "us-east-1", Trail: "films_and-more"}

// memory is a bucket in memory. It is not changed while it is verified.
type memory struct {
	objects map[string][]byte
	meta    map[string]map[string]string
	bare    bool  // a copy without metadata
	err     error // of reading any log file
	page    int
}

func (m *memory) List(_ context.Context, _, prefix, after string) (keys []string, more bool, err error) {
	for k := range m.objects {
		if strings.HasPrefix(k, prefix) && k > after {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	if len(keys) > m.page {
		return keys[:m.page], true, nil
	}
	return keys, false, nil
}

func (m *memory) Open(_ context.Context, _, key string) (io.ReadCloser, map[string]string, error) {
	b, ok := m.objects[key]
	if !ok {
		return nil, nil, ErrNotFound
	}
	var r io.Reader = bytes.NewReader(b)
	if m.err != nil && strings.Contains(key, "/CloudTrail/") {
		r = io.MultiReader(bytes.NewReader(b[:len(b)/2]), &broken{m.err})
	}
	if m.bare {
		return io.NopCloser(r), nil, nil
	}
	meta := m.meta[key]
	if meta == nil {
		meta = map[string]string{}
	}
	return io.NopCloser(r), meta, nil
}

type broken struct{ err error }

func (b *broken) Read([]byte) (int, error) { return 0, b.err }

func pack(text []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(text) // into memory
	_ = z.Close()
	return b.Bytes()
}

var (
	aKey = sync.OnceValue(func() *rsa.PrivateKey { return generate() })
	bKey = sync.OnceValue(func() *rsa.PrivateKey { return generate() })
)

func generate() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, KeyBits)
	if err != nil {
		panic(err)
	}
	return k
}

// chain is a chain of digests with a log file each but for one, in a bucket.
type chain struct {
	*testing.T
	*memory
	start   time.Time
	files   []*File
	before  *Signed
	covered int64
}

func newChain(t *testing.T) *chain {
	t.Helper()
	c := &chain{T: t, memory: &memory{objects: map[string][]byte{}, meta: map[string]map[string]string{}, page: 2}, start: time.Date(2026, 3, 1, 22, 0, 0, 0, time.UTC)}
	for i := range 6 {
		logs := 2
		if i == 3 {
			logs = 0
		}
		c.add(logs, aKey())
	}
	return c
}

// log is the text of a log file with records at a time.
func logText(at time.Time, ids ...int64) []byte {
	var records []json.RawMessage
	for _, id := range ids {
		records = append(records, fmt.Appendf(nil, `{"eventTime":%q,"eventID":"%d"}`, at.Format(time.RFC3339), id))
	}
	return EncodeLog(records)
}

func (c *chain) add(logs int, key *rsa.PrivateKey) {
	c.Helper()
	end := c.start.Add(time.Hour)
	f := &File{
		Account: aPlace.Account, Start: At(c.start), End: At(end), Bucket: aPlace.Bucket, Object: aPlace.DigestKey(end), Fingerprint: NewKey(&key.PublicKey).Fingerprint, SignatureAlgorithm: SignatureAlgorithm,
	}
	for i := range logs {
		at := c.start.Add(time.Duration(i+1) * 10 * time.Minute)
		r := Range{c.covered + 1, c.covered + 3}
		c.covered += 3
		text := logText(at, r.First, r.First+1, r.Last)
		k := aPlace.LogKey(at, r, "abc")
		c.objects[k] = pack(text)
		f.Logs = append(f.Logs, Log{aPlace.Bucket, k, Hash(text), HashAlgorithm, At(at), At(at)})
	}
	f.Follow(c.before)
	c.before = c.sign(f, key)
	c.files = append(c.files, f)
	c.start = end
}

// sign puts a digest with its signature.
func (c *chain) sign(f *File, key *rsa.PrivateKey) *Signed {
	c.Helper()
	text, err := f.Encode()
	if err != nil {
		c.Fatal(err)
	}
	s, err := f.Sign(rand.Reader, key, text)
	if err != nil {
		c.Fatal(err)
	}
	c.objects[f.Object] = pack(text)
	c.meta[f.Object] = map[string]string{MetaSignature: s.Signature, MetaAlgorithm: SignatureAlgorithm}
	return &s
}

// verify returns the findings as "KIND object", in order.
func (c *chain) verify(edit func(*Options)) (Report, []string) {
	c.Helper()
	var out []string
	o := Options{Place: aPlace, Source: c.memory, Keys: []Key{NewKey(&aKey().PublicKey)}, Workers: 3, Newest: c.start, Found: func(f Finding) {
		if f.Text == "" || f.Bucket != aPlace.Bucket || f.Fault != f.Kind.IsFault() {
			c.Errorf("finding %+v", f)
		}
		out = append(out, string(f.Kind)+" "+f.Object)
	}}
	if edit != nil {
		edit(&o)
	}
	r, err := Verify(c.Context(), o)
	if err != nil {
		c.Fatal(err)
	}
	slices.Sort(out)
	return r, out
}

func (c *chain) swap(a, b string) {
	c.objects[a], c.objects[b] = c.objects[b], c.objects[a]
	c.meta[a], c.meta[b] = c.meta[b], c.meta[a]
}

// TestVerify: each thing that can be done to a chain, and what is said of it.
func TestVerify(t *testing.T) {
	t.Parallel()
	key := func(c *chain, i int) string { return c.files[i].Object }
	log := func(c *chain, i, j int) string { return c.files[i].Logs[j].Object }
	for _, tt := range []struct {
		name string
		do   func(c *chain)
		want func(c *chain) []string // beside that the chain begins
	}{
		{"nothing", func(*chain) {}, func(*chain) []string { return nil }},
		{"a log file changed", func(c *chain) {
			c.objects[log(c, 1, 0)] = pack(bytes.Replace(logText(c.files[1].Logs[0].Newest.Time, 7, 8, 9), []byte(`"8"`), []byte(`"6"`), 1))
		}, func(c *chain) []string { return []string{"CHANGED " + log(c, 1, 0)} }},
		{"a record taken out", func(c *chain) { c.objects[log(c, 1, 0)] = pack(logText(c.files[1].Logs[0].Newest.Time, 7, 9)) }, func(c *chain) []string { return []string{"CHANGED " + log(c, 1, 0)} }},
		{"all records taken out", func(c *chain) { c.objects[log(c, 1, 0)] = pack(EncodeLog(nil)) }, func(c *chain) []string { return []string{"CHANGED " + log(c, 1, 0)} }},
		{"a log file back-dated", func(c *chain) { c.objects[log(c, 1, 0)] = pack(logText(c.start.Add(-100*time.Hour), 7, 8, 9)) }, func(c *chain) []string { return []string{"BACK-DATED " + log(c, 1, 0)} }},
		{"a log file that is no gzip", func(c *chain) { c.objects[log(c, 1, 0)] = []byte("hello") }, func(c *chain) []string { return []string{"CHANGED " + log(c, 1, 0)} }},
		{"a log file cut off", func(c *chain) { c.objects[log(c, 1, 0)] = c.objects[log(c, 1, 0)][:30] }, func(c *chain) []string { return []string{"CHANGED " + log(c, 1, 0)} }},
		{"a log file with a flipped bit", func(c *chain) { c.objects[log(c, 1, 0)][20] ^= 4 }, func(c *chain) []string { return []string{"CHANGED " + log(c, 1, 0)} }},
		{"something behind a log file", func(c *chain) { c.objects[log(c, 1, 0)] = append(c.objects[log(c, 1, 0)], pack([]byte("more"))...) }, func(c *chain) []string {
			return []string{"CHANGED " + log(c, 1, 0)}
		}},
		{"a log file that is another kind of file", func(c *chain) { c.objects[log(c, 1, 0)] = pack([]byte("[1]")) }, func(c *chain) []string { return []string{"CHANGED " + log(c, 1, 0)} }},
		{"a log file removed", func(c *chain) { delete(c.objects, log(c, 1, 1)) }, func(c *chain) []string { return []string{"MISSING " + log(c, 1, 1)} }},
		{"two log files swapped", func(c *chain) { c.swap(log(c, 1, 0), log(c, 2, 0)) }, func(c *chain) []string {
			return []string{"BACK-DATED " + log(c, 1, 0), "BACK-DATED " + log(c, 2, 0)}
		}},
		{"a log file added", func(c *chain) { c.objects[aPlace.LogKey(c.start, Range{2, 4}, "abc")] = pack(logText(c.start, 1)) }, func(c *chain) []string {
			return []string{"STRAY " + aPlace.LogKey(c.start, Range{2, 4}, "abc")}
		}},
		{"a log file for the next digest", func(c *chain) {
			c.objects[aPlace.LogKey(c.start, Range{c.covered + 1, c.covered + 1}, "abc")] = pack(logText(c.start, 1))
		}, func(c *chain) []string {
			return []string{"not signed yet " + aPlace.LogKey(c.start, Range{c.covered + 1, c.covered + 1}, "abc")}
		}},
		{"a log file of another trail", func(c *chain) { c.objects[aPlace.LogKey(c.start, Range{1, 4}, "xyz")] = pack(logText(c.start, 1)) }, func(*chain) []string {
			return []string{"other trail " + aPlace.Logs()}
		}},
		{"a digest changed", func(c *chain) {
			f := *c.files[2]
			f.Logs = f.Logs[:1]
			text, _ := f.Encode()
			c.objects[key(c, 2)] = pack(text)
		}, func(c *chain) []string {
			return []string{"CHANGED " + key(c, 2), "STRAY " + log(c, 2, 0), "STRAY " + log(c, 2, 1)}
		}},
		{"a digest that is nothing", func(c *chain) { c.objects[key(c, 3)] = pack([]byte("{}")) }, func(c *chain) []string { return []string{"CHANGED " + key(c, 3)} }},
		{"a digest that is no gzip", func(c *chain) { c.objects[key(c, 3)] = nil }, func(c *chain) []string { return []string{"CHANGED " + key(c, 3)} }},
		{"a digest in the middle removed", func(c *chain) { delete(c.objects, key(c, 3)) }, func(c *chain) []string { return []string{"MISSING " + key(c, 3)} }},
		{"the first digest removed", func(c *chain) {
			delete(c.objects, key(c, 0))
			delete(c.objects, log(c, 0, 0))
			delete(c.objects, log(c, 0, 1))
		}, func(c *chain) []string {
			return []string{"MISSING " + key(c, 0)}
		}},
		{"the last digest removed", func(c *chain) { delete(c.objects, key(c, 5)) }, func(c *chain) []string {
			return []string{"NO TAIL " + key(c, 4), "not signed yet " + log(c, 5, 0), "not signed yet " + log(c, 5, 1)}
		}},
		{"all digests removed", func(c *chain) {
			for i := range c.files {
				delete(c.objects, key(c, i))
			}
		}, func(*chain) []string { return []string{"NO TAIL " + aPlace.Digests()} }},
		{"two digests swapped", func(c *chain) { c.swap(key(c, 2), key(c, 3)) }, func(c *chain) []string {
			return []string{"MOVED " + key(c, 2), "MOVED " + key(c, 3), "STRAY " + log(c, 2, 0), "STRAY " + log(c, 2, 1)}
		}},
		{"a digest signed with another key", func(c *chain) {
			c.files[3].Fingerprint = NewKey(&bKey().PublicKey).Fingerprint
			c.sign(c.files[3], bKey())
		}, func(c *chain) []string { return []string{"UNKNOWN KEY " + key(c, 3)} }},
		{"a digest signed with another key, under the name of the right one", func(c *chain) { c.sign(c.files[3], bKey()) }, func(c *chain) []string { return []string{"CHANGED " + key(c, 3)} }},
		{"a signature removed", func(c *chain) { c.meta[key(c, 3)] = nil }, func(c *chain) []string { return []string{"UNSIGNED " + key(c, 3)} }},
		{"a signature that is none", func(c *chain) { c.meta[key(c, 3)][MetaSignature] = "xyz" }, func(c *chain) []string { return []string{"CHANGED " + key(c, 3)} }},
		// These need the key.
		{"a digest made anew", func(c *chain) {
			c.files[3].Logs = c.files[2].Logs
			c.sign(c.files[3], aKey())
		}, func(c *chain) []string { return []string{"CHANGED " + key(c, 3), "DUPLICATE " + log(c, 2, 0)} }},
		{"a digest with time left out", func(c *chain) {
			c.start = c.start.Add(time.Hour)
			c.add(1, aKey())
		}, func(c *chain) []string { return []string{"GAP " + key(c, 6)} }},
		{"a log file left out", func(c *chain) {
			c.covered += 2
			c.add(1, aKey())
		}, func(c *chain) []string { return []string{"GAP " + log(c, 6, 0)} }},
		{"records twice", func(c *chain) {
			c.covered--
			c.add(1, aKey())
		}, func(c *chain) []string { return []string{"DUPLICATE " + log(c, 6, 0)} }},
		{"a log file named twice", func(c *chain) {
			c.add(0, aKey())
			c.files[6].Logs = append(c.files[6].Logs, c.files[5].Logs[1])
			c.sign(c.files[6], aKey())
		}, func(c *chain) []string { return []string{"DUPLICATE " + log(c, 5, 1)} }},
		{"a digest between", func(c *chain) {
			f := *c.files[3]
			f.End = At(f.End.Add(30 * time.Minute))
			f.Object = aPlace.DigestKey(f.End.Time)
			c.sign(&f, aKey())
		}, func(c *chain) []string {
			return []string{"FORK " + aPlace.DigestKey(c.files[3].End.Add(30*time.Minute))}
		}},
		{"a new chain", func(c *chain) {
			c.before, c.covered, c.start = nil, c.covered+100, c.start.Add(5*time.Hour)
			c.add(2, aKey())
		}, func(c *chain) []string { return []string{"chain begins " + key(c, 6)} }},
		{"the digest before in another bucket", func(c *chain) {
			c.before.Bucket = "elsewhere"
			c.add(1, aKey())
		}, func(c *chain) []string { return []string{"outside " + key(c, 6)} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newChain(t)
			tt.do(c)
			r, got := c.verify(nil)
			want := tt.want(c)
			if _, ok := c.objects[key(c, 0)]; ok {
				want = append(want, "chain begins "+key(c, 0))
			}
			slices.Sort(want)
			faults := 0
			for _, f := range want {
				if kind, _, _ := strings.Cut(f, " a/b"); Kind(kind).IsFault() {
					faults++
				}
			}
			if !slices.Equal(got, want) || r.Faults != faults || r.Valid() != (faults == 0) || r.Notices != len(want)-faults {
				t.Errorf("got\n%s\nwant\n%s\n%+v", strings.Join(got, "\n"), strings.Join(want, "\n"), r)
			}
		})
	}
}

// TestVerifyParts: of a part of a chain, and of copies without metadata.
func TestVerifyParts(t *testing.T) {
	t.Parallel()
	c := newChain(t)
	end := func(i int) time.Time { return c.files[i].End.Time }
	r, got := c.verify(func(o *Options) { o.From, o.Until, o.Newest = end(2), end(4), time.Time{} })
	if !slices.Equal(got, []string{"outside " + c.files[2].Object}) || r.Digests != 3 || r.Logs != 4 || !r.Valid() {
		t.Errorf("a part: %+v, %v", r, got)
	}
	for name, tt := range map[string]struct {
		newest, now time.Time
		want        string
	}{
		"nothing is known":             {time.Time{}, time.Time{}, ""},
		"the next is not due":          {time.Time{}, end(5).Add(2 * time.Hour), ""},
		"the next is overdue":          {time.Time{}, end(5).Add(2*time.Hour + time.Second), "NO TAIL " + c.files[5].Object},
		"the installation knows more":  {end(5).Add(time.Hour), time.Time{}, "NO TAIL " + c.files[5].Object},
		"the installation knows fewer": {end(4), time.Time{}, "outside " + c.files[5].Object},
	} {
		_, got := c.verify(func(o *Options) { o.Newest, o.Now = tt.newest, tt.now })
		got = slices.DeleteFunc(got, func(s string) bool { return strings.HasPrefix(s, string(Begins)) })
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: got %v, want %s", name, got, tt.want)
		}
	}
	c.bare = true
	if r, got := c.verify(nil); !slices.Contains(got, "UNSIGNED "+c.files[5].Object) || r.Faults != 1 || r.ValidDigests != 5 {
		t.Errorf("a copy without metadata: %+v, %v", r, got)
	}
	c.bare = false
	c.err = errors.New("a cable")
	_, err := Verify(t.Context(), Options{Place: aPlace, Source: c.memory, Keys: []Key{NewKey(&aKey().PublicKey)}, Workers: 2, Found: func(f Finding) {
		if f.Fault {
			t.Errorf("what cannot be read is no fault: %+v", f)
		}
	}})
	if !errors.Is(err, c.err) {
		t.Errorf("a source that fails: %v", err)
	}
	if _, err := Verify(t.Context(), Options{Place: aPlace, Source: c.memory, Keys: []Key{{Fingerprint: "x", Value: []byte("y")}}}); err == nil {
		t.Error("a key that is none")
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 9, 5, 59, 0, time.FixedZone("", 3600))
	key := aPlace.LogKey(at, Range{36, 71}, "0zz")
	if key != "a/b/AWSLogs/111122223333/CloudTrail/us-east-1/2026/03/01/111122223333_CloudTrail_us-east-1_20260301T0805Z_00000100000100zz.json.gz" {
		t.Error(key)
	}
	if r, tag, ok := ParseLogKey(key); r != (Range{36, 71}) || tag != "0zz" || !ok {
		t.Errorf("%v %s %t", r, tag, ok)
	}
	key = aPlace.DigestKey(at)
	if key != "a/b/AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2026/03/01/111122223333_CloudTrail-Digest_us-east-1_films_and-more_us-east-1_20260301T080559Z.json.gz" {
		t.Error(key)
	}
	if end, ok := aPlace.IsDigest(key); !ok || !end.Equal(at) {
		t.Errorf("%s %t", end, ok)
	}
	for _, other := range []string{
		"", "a", key + "x", strings.Replace(key, "2026/03/01", "2026/03/02", 1), strings.Replace(key, "films", "film", 1), strings.TrimPrefix(key, "a/"),
		strings.Replace(key, "080559Z", "080559Z_backfill", 1),
	} {
		if _, ok := aPlace.IsDigest(other); ok {
			t.Errorf("%q is taken for a digest of the trail", other)
		}
	}
	for _, other := range []string{"", "x.json.gz", "a_CloudTrail_r_t_short.json.gz", "a_CloudTrail_r_t_------------abcd.json.gz", "a_CloudTrail_r_t_0000001000000abc.json.gz", "a_CloudTrail_r_t_0000000000001abc.json.gz"} {
		if _, _, ok := ParseLogKey(other); ok {
			t.Errorf("%q has a range", other)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	c := newChain(t)
	text, err := c.files[1].Encode()
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := f.Encode(); err != nil || !bytes.Equal(again, text) {
		t.Errorf("%v\n%s\n%s", err, again, text)
	}
	for _, member := range []string{"awsAccountId", "digestStartTime", "digestEndTime", "digestS3Bucket", "digestS3Object", "digestPublicKeyFingerprint", "digestSignatureAlgorithm", "previousDigestSignature", "previousDigestS3Object"} {
		if _, err := Parse(bytes.Replace(text, []byte(`"`+member+`"`), []byte(`"other"`), 1)); err == nil {
			t.Errorf("a digest without %s", member)
		}
	}
	f.End = f.Start
	if text, err = f.Encode(); err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(text); err == nil {
		t.Error("a digest of no time")
	}
}

func TestParseKeys(t *testing.T) {
	t.Parallel()
	k := NewKey(&aKey().PublicKey)
	// As the AWS CLI prints them.
	text := fmt.Sprintf(`{"PublicKeyList":[{"Value":%q,"ValidityStartTime":"2026-03-01T00:00:00+00:00","ValidityEndTime":1.5e9,"Fingerprint":%q}]}`, base64.StdEncoding.EncodeToString(k.Value), k.Fingerprint)
	got, err := ParseKeys([]byte(text))
	if err != nil || len(got) != 1 || got[0].Fingerprint != k.Fingerprint || !bytes.Equal(got[0].Value, k.Value) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"", "[]", "{}", `{"PublicKeyList":[]}`, `{"PublicKeyList":[{"Value":"!","Fingerprint":"a"}]}`, `{"PublicKeyList":[{"Value":"AAAA","Fingerprint":"a"}]}`} {
		if _, err := ParseKeys([]byte(bad)); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"awsAccountId":"1","digestStartTime":"2015-08-17T14:01:31Z","digestEndTime":"2015-08-17T15:01:31Z","digestS3Bucket":"b","digestS3Object":"o","digestPublicKeyFingerprint":"31e8","digestSignatureAlgorithm":"SHA256withRSA","previousDigestS3Bucket":null,"logFiles":[]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := Parse(text)
		if err != nil {
			return
		}
		again, err := d.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(again); err != nil {
			t.Errorf("%s: %v", again, err)
		}
	})
}

func FuzzLog(f *testing.F) {
	f.Add(pack(logText(time.Unix(0, 0), 1, 2)))
	f.Add([]byte("\x1f\x8b\x08\x00"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _, _ = hashLog(bytes.NewReader(b), make([]byte, 1024))
		_, _, _, _ = span(bytes.NewReader(b))
	})
}
