package keyserver_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"darkroom/internal/cenc"
	"darkroom/internal/identity"
	"darkroom/internal/keyserver"
	"darkroom/internal/secret"
)

// clock is a clock that a test sets.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func newTokens(t testing.TB, master byte, c *clock) *keyserver.Tokens {
	t.Helper()
	key := make([]byte, secret.KeySize)
	key[0] = master
	tokens, err := keyserver.NewTokens(secret.New(key), rand.Reader, c.now)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// good is a token for one film with two keys.
func good(c *clock) keyserver.Token {
	return keyserver.Token{
		Who: identity.Standing{Session: identity.Session{Account: account, Kind: identity.User, ID: "AIDAEXAMPLE"}, AccessKeyID: "AKIAEXAMPLE"}, Bucket: "films", Prefix: "out/hls/",
		Contents: []keyserver.Content{{ID: "film", Keys: []cenc.UUID{id(1), id(2)}}, {ID: "trailer", Keys: []cenc.UUID{id(3)}}}, Expires: c.at.Add(time.Hour),
	}
}

func issue(t testing.TB, tokens *keyserver.Tokens, about keyserver.Token) string {
	t.Helper()
	text, err := tokens.Issue(about)
	if err != nil {
		t.Fatal(err)
	}
	return string(text.Reveal())
}

func TestToken(t *testing.T) {
	t.Parallel()
	c := &clock{time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)}
	tokens := newTokens(t, 1, c)
	text := issue(t, tokens, good(c))
	for _, word := range []string{"films", "out/hls", "film", "AIDAEXAMPLE"} {
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || strings.Contains(string(raw), word) {
			t.Errorf("the token shows %q, %v", word, err)
		}
	}
	g, err := tokens.Open(text)
	if err != nil {
		t.Fatal(err)
	}
	if g.Who().ID != "AIDAEXAMPLE" || g.Who().Account != account {
		t.Errorf("got %+v", g.Who())
	}
	for _, tt := range []struct {
		name string
		ask  keyserver.Ask
		want keyserver.Given
	}{
		{"the manifest", keyserver.Ask{Object: "film.m3u8"}, keyserver.Given{Bucket: "films", Object: "out/hls/film.m3u8"}},
		{"a segment below", keyserver.Ask{Object: "v/1 é.m4s"}, keyserver.Given{Bucket: "films", Object: "out/hls/v/1 é.m4s"}},
		{"a key", keyserver.Ask{Key: id(2)}, keyserver.Given{Content: "film", Key: id(2)}},
		{"a key of the other content", keyserver.Ask{Key: id(3)}, keyserver.Given{Content: "trailer", Key: id(3)}},
	} {
		if got, ok := g.Allow(tt.ask); !ok || got != tt.want {
			t.Errorf("%s: got %+v, %t", tt.name, got, ok)
		}
	}
	c.at = c.at.Add(time.Hour - time.Second)
	if _, err := tokens.Open(text); err != nil {
		t.Errorf("a second before its end: %v", err)
	}
	c.at = c.at.Add(time.Second)
	if _, err := tokens.Open(text); !errors.Is(err, keyserver.ErrToken) {
		t.Errorf("at its end: %v", err)
	}
}

// TestTokenDenies: what a token is not for, it does not open.
func TestTokenDenies(t *testing.T) {
	t.Parallel()
	c := &clock{time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)}
	tokens := newTokens(t, 1, c)
	g, err := tokens.Open(issue(t, tokens, good(c)))
	if err != nil {
		t.Fatal(err)
	}
	nothing := good(c)
	nothing.Contents = nil
	keyless, err := tokens.Open(issue(t, tokens, nothing))
	if err != nil {
		t.Fatal(err)
	}
	asks := []struct {
		name string
		ask  keyserver.Ask
	}{
		{"nothing", keyserver.Ask{}},
		{"both at once", keyserver.Ask{Object: "film.m3u8", Key: id(1)}},
		{"a step up", keyserver.Ask{Object: "../secret.mp4"}},
		{"a step up within", keyserver.Ask{Object: "v/../../secret.mp4"}},
		{"a step that stays", keyserver.Ask{Object: "./film.m3u8"}},
		{"the step alone", keyserver.Ask{Object: ".."}},
		{"at the end", keyserver.Ask{Object: "v/.."}},
		{"from the root", keyserver.Ask{Object: "/secret.mp4"}},
		{"an empty step", keyserver.Ask{Object: "v//1.m4s"}},
		{"the directory", keyserver.Ask{Object: "v/"}},
		{"the other slash", keyserver.Ask{Object: `..\secret.mp4`}},
		{"a zero byte", keyserver.Ask{Object: "film.m3u8\x00"}},
		{"a line end", keyserver.Ask{Object: "film.m3u8\r\nx"}},
		{"no text", keyserver.Ask{Object: "film\xff.m3u8"}},
		{"another KID", keyserver.Ask{Key: id(4)}},
		{"a KID in part", keyserver.Ask{Key: cenc.UUID{0: 0xaa}}},
	}
	for _, tt := range asks {
		if got, ok := g.Allow(tt.ask); ok || got != (keyserver.Given{}) {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
	// The zero value allows nothing at all, and one without contents no key.
	for _, ask := range []keyserver.Ask{{Object: "film.m3u8"}, {Key: id(1)}, {}} {
		if got, ok := (keyserver.Grant{}).Allow(ask); ok || got != (keyserver.Given{}) {
			t.Errorf("no grant: %+v for %+v", got, ask)
		}
		if _, ok := keyless.Allow(ask); ok != (ask.Object != "") {
			t.Errorf("no contents: %t for %+v", ok, ask)
		}
	}
	if (keyserver.Grant{}).Who().Account != "" {
		t.Error("no grant is somebody's")
	}
}

// TestTokenAltered: a token that was changed in any way is none.
func TestTokenAltered(t *testing.T) {
	t.Parallel()
	c := &clock{time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)}
	tokens := newTokens(t, 1, c)
	text := issue(t, tokens, good(c))
	bad := func(name, text string) {
		if g, err := tokens.Open(text); !errors.Is(err, keyserver.ErrToken) || g != (keyserver.Grant{}) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range text {
		flipped := []byte(text)
		if flipped[i] == 'A' {
			flipped[i] = 'B'
		} else {
			flipped[i] = 'A'
		}
		bad("a changed character", string(flipped))
		bad("the beginning", text[:i])
	}
	bad("longer", text+"A")
	bad("padded", text+"=")
	bad("with a line end", text[:20]+"\n"+text[20:])
	bad("with a carriage return", text[:20]+"\r"+text[20:])
	bad("nothing", "")
	bad("far too long", strings.Repeat("A", keyserver.MaxToken+1))
	bad("in the other alphabet", strings.NewReplacer("-", "+", "_", "/").Replace(text)+"+")
	if _, err := newTokens(t, 2, c).Open(text); !errors.Is(err, keyserver.ErrToken) {
		t.Errorf("of another installation: %v", err)
	}
	// A token opens for nothing else that is sealed, nor the other way round.
	other, err := secret.NewSealer(secret.New(append([]byte{1}, make([]byte, secret.KeySize-1)...)), "session tokens", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := other.Seal([]byte("player token"), []byte(`{"Bucket":"films","Expires":"2030-01-01T00:00:00Z"}`))
	if err != nil {
		t.Fatal(err)
	}
	bad("sealed for another purpose", base64.RawURLEncoding.EncodeToString(sealed))
}

func TestTokenNotIssued(t *testing.T) {
	t.Parallel()
	c := &clock{time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)}
	tokens := newTokens(t, 1, c)
	for _, tt := range []struct {
		name string
		edit func(*keyserver.Token)
	}{
		{"no end", func(a *keyserver.Token) { a.Expires = time.Time{} }},
		{"an end that has been", func(a *keyserver.Token) { a.Expires = c.at }},
		{"a late end", func(a *keyserver.Token) { a.Expires = c.at.Add(keyserver.MaxTokenLife + time.Second) }},
		{"no bucket", func(a *keyserver.Token) { a.Bucket = "" }},
		{"a prefix that other names begin with", func(a *keyserver.Token) { a.Prefix = "out/hls" }},
		{"nobody", func(a *keyserver.Token) { a.Who = identity.Standing{} }},
		{"too many contents", func(a *keyserver.Token) { a.Contents = make([]keyserver.Content, keyserver.MaxTokenContents+1) }},
		{"too many keys", func(a *keyserver.Token) { a.Contents[0].Keys = make([]cenc.UUID, keyserver.MaxTokenKeys+1) }},
		{"a KID of two contents", func(a *keyserver.Token) {
			a.Contents = append(a.Contents, keyserver.Content{ID: "twin", Keys: a.Contents[0].Keys[:1]})
		}},
		{"too long", func(a *keyserver.Token) { a.Who.Policy = strings.Repeat("x", keyserver.MaxToken) }},
	} {
		about := good(c)
		tt.edit(&about)
		if text, err := tokens.Issue(about); err == nil || text.Len() > 0 {
			t.Errorf("%s: it was made", tt.name)
		}
	}
	if _, err := keyserver.NewTokens(secret.Bytes{}, rand.Reader, nil); err == nil {
		t.Error("tokens without a key")
	}
}

func FuzzToken(f *testing.F) {
	c := &clock{time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)}
	key := make([]byte, secret.KeySize)
	tokens, err := keyserver.NewTokens(secret.New(key), bytes.NewReader(make([]byte, 12)), c.now) // the same token in every process of the fuzzer
	if err != nil {
		f.Fatal(err)
	}
	text := issue(f, tokens, good(c))
	f.Add(text, "film.m3u8")
	f.Add(text[:len(text)-1], "../x")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, token, object string) {
		g, err := tokens.Open(token)
		if (err == nil) != (token == text) {
			t.Fatalf("opened: %v", err)
		}
		given, ok := g.Allow(keyserver.Ask{Object: object})
		if ok && (err != nil || given.Bucket != "films" || !strings.HasPrefix(given.Object, "out/hls/") || strings.Contains("/"+given.Object+"/", "/../")) {
			t.Errorf("%q gives %+v", object, given)
		}
	})
}
