package executeapi_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/cenc"
	"darkroom/internal/identity"
	"darkroom/internal/keyserver"
)

const (
	plays  = "arn:aws:execute-api:" + region + ":" + account + ":darkroom/player/"
	source = `"source":"s3://films/out/hls/film.m3u8"`
)

// film makes the keys of a content, and returns the KIDs.
func (b *bench) film(content string, number byte) []cenc.UUID {
	b.Helper()
	b.value(content, number)
	ids, err := b.keys.KeyIDs(b.Context(), account, content)
	if err != nil || len(ids) != 2 {
		b.Fatalf("%v, %v", ids, err)
	}
	return ids
}

// value returns the first key of a content as an encryptor gets it.
func (b *bench) value(content string, number byte) []byte {
	b.Helper()
	q := question{content: content, version: "2.3", scheme: "cbcs", tracks: []string{"VIDEO", "AUDIO"}, systems: []string{clearKey}, number: number}
	g := read(b.T, q, b.speke(q.xml(), &b.root))
	value, err := base64.StdEncoding.DecodeString(g.Keys[0].Keys[0].Plain[0])
	if err != nil {
		b.Fatal(err)
	}
	return value
}

// watcher makes a user who may play one film: what lies below out/hls/, with the keys of content film.
func (b *bench) watcher(name string) (*identity.Entity, caller) {
	b.Helper()
	return b.user(name, allow("execute-api:Invoke", plays+"POST/tokens", plays+"GET/keys/film")+","+allow("s3:GetObject", "arn:aws:s3:::films/out/hls/*"))
}

// get asks for something with a token.
func (b *bench) get(token, rest string, header map[string]string) answer {
	b.Helper()
	return b.send("GET", "/player/t/"+token+"/"+rest, header, "", nil)
}

// licence asks for a Clear Key licence.
func (b *bench) licence(token string, ids ...cenc.UUID) answer {
	b.Helper()
	var kids []string
	for _, id := range ids {
		kids = append(kids, base64.RawURLEncoding.EncodeToString(id[:]))
	}
	body, err := json.Marshal(map[string]any{"kids": kids, "type": "temporary"})
	if err != nil {
		b.Fatal(err)
	}
	return b.send("POST", "/player/t/"+token+"/clearkey", nil, string(body), nil)
}

func TestPlayer(t *testing.T) {
	t.Parallel()
	for _, mode := range []keyserver.Mode{keyserver.Random, keyserver.Deterministic} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, mode)
			ids := b.film("film", 1)
			b.put("films", "out/hls/film.m3u8", "text/html", "#EXTM3U")
			b.put("films", "out/hls/v/1 é.m4s", "", "0123456789")
			_, who := b.watcher("ann")
			a := b.send("POST", "/player/tokens", nil, `{`+source+`,"contentIds":["film"]}`, &who)
			var made struct {
				Token, URL, Notice string
				Expires            time.Time
				KeyIDs             []string
			}
			if err := json.Unmarshal([]byte(a.body), &made); err != nil || a.status != http.StatusCreated {
				t.Fatalf("got %d %s, %v", a.status, a.body, err)
			}
			if left := time.Until(made.Expires); left > time.Hour || left < 59*time.Minute || len(made.KeyIDs) != 2 || made.URL != base+"/player/#t="+made.Token+"&m=film.m3u8" || made.Notice != keyserver.Notice || a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("got %+v for %s, %v", made, left, a.header)
			}
			for _, tt := range []struct {
				name, rest, contentType, body string
				header                        map[string]string
				status                        int
			}{
				{"the manifest, whatever it was stored as", "media/film.m3u8", "application/vnd.apple.mpegurl", "#EXTM3U", nil, 200},
				{"a segment", "media/v/1%20%C3%A9.m4s", "video/iso.segment", "0123456789", nil, 200},
				{"a range", "media/v/1%20%C3%A9.m4s", "video/iso.segment", "234", map[string]string{"Range": "bytes=2-4"}, 206},
				{"the end", "media/v/1%20%C3%A9.m4s", "video/iso.segment", "89", map[string]string{"Range": "bytes=-2"}, 206},
				{"behind the end", "media/v/1%20%C3%A9.m4s", "application/xml", "", map[string]string{"Range": "bytes=10-"}, 416},
				{"what is not there", "media/v/2.m4s", "application/xml", "", nil, 404},
			} {
				a := b.get(made.Token, tt.rest, tt.header)
				if a.status != tt.status || tt.body != "" && a.body != tt.body || a.header.Get("Content-Type") != tt.contentType {
					t.Errorf("%s: got %d %s %q", tt.name, a.status, a.header.Get("Content-Type"), a.body)
				}
				if a.header.Get("Cache-Control") != "no-store" || a.header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(a.header.Get("Content-Security-Policy"), "sandbox") || a.header.Get("X-Amz-Meta-Private") != "" {
					t.Errorf("%s: %v", tt.name, a.header)
				}
				if strings.Contains(a.body, made.Token) {
					t.Errorf("%s: the answer repeats the token", tt.name)
				}
			}
			if a := b.send("HEAD", "/player/t/"+made.Token+"/media/film.m3u8", nil, "", nil); a.status != 200 || a.header.Get("Content-Length") != "7" || a.body != "" {
				t.Errorf("HEAD: %d %v", a.status, a.header)
			}
			if etag := b.get(made.Token, "media/film.m3u8", nil).header.Get("ETag"); b.get(made.Token, "media/film.m3u8", map[string]string{"If-None-Match": etag}).status != 304 {
				t.Error("an unchanged object is sent again")
			}
			key := b.value("film", 1)
			if ids[0] != (cenc.UUID{0: 0x0f, 1: 1, 15: 1}) {
				ids[0], ids[1] = ids[1], ids[0] // both were made at once
			}
			a = b.get(made.Token, "keys/"+ids[0].String(), nil)
			if a.status != 200 || a.body != string(key) || a.header.Get("Content-Type") != "application/octet-stream" || a.header.Get("Content-Length") != "16" {
				t.Errorf("an HLS key: %d, %d bytes, %v", a.status, len(a.body), a.header)
			}
			a = b.licence(made.Token, ids...)
			var set struct {
				Type string
				Keys []struct{ Kty, Kid, K string }
			}
			if err := json.Unmarshal([]byte(a.body), &set); err != nil || set.Type != "temporary" || len(set.Keys) != 2 {
				t.Fatalf("a licence: %d %s", a.status, a.body)
			}
			if k := set.Keys[0]; k.Kty != "oct" || k.Kid != base64.RawURLEncoding.EncodeToString(ids[0][:]) || k.K != base64.RawURLEncoding.EncodeToString(key) {
				t.Error("the licence has another key")
			}
			var last []string
			for _, r := range b.trail.Records() {
				if r.EventSource == audit.Source("player") {
					if r.UserIdentity.ARN != "arn:aws:iam::"+account+":user/ann" {
						t.Errorf("recorded for %q", r.UserIdentity.ARN)
					}
					last = append(last, r.EventName)
				}
			}
			if got := strings.Join(last, " "); !strings.HasPrefix(got, "GetObject ") || !strings.HasSuffix(got, "GetKey GetLicence") {
				t.Errorf("recorded %s", got)
			}
		})
	}
}

// TestPlayerDenies: a token opens what it is for, to who may have it at that moment, and nothing else.
func TestPlayerDenies(t *testing.T) {
	t.Parallel()
	b := newBench(t, keyserver.Random)
	ids, foreign := b.film("film", 1), b.film("other film", 2)
	b.put("films", "out/hls/film.m3u8", "", "#EXTM3U")
	b.put("films", "out/secret.mp4", "", "secret")
	b.put("films", "out/hls2/film.m3u8", "", "secret")
	b.put("others", "out/hls/film.m3u8", "", "secret")
	_, who := b.watcher("ann")
	token := b.token(&who, `{`+source+`,"contentIds":["film"]}`)
	for _, tt := range []struct {
		name, method, path string
		status             int
	}{
		{"no token", "GET", "/player/t/", 403},
		{"nothing behind it", "GET", "/player/t/" + token, 403},
		{"an altered token", "GET", "/player/t/" + token[:len(token)-2] + "AA/media/film.m3u8", 403},
		{"a token cut off", "GET", "/player/t/" + token[:40] + "/media/film.m3u8", 403},
		{"a key without a token", "GET", "/player/keys/" + ids[0].String(), 403},
		{"a segment without a token", "GET", "/player/t/media/film.m3u8", 403},
		{"a step up", "GET", "/player/t/" + token + "/media/../../secret.mp4", 404},
		{"a step up, encoded", "GET", "/player/t/" + token + "/media/%2e%2e/secret.mp4", 404},
		{"the slash too", "GET", "/player/t/" + token + "/media/..%2fsecret.mp4", 404},
		{"encoded twice", "GET", "/player/t/" + token + "/media/%252e%252e/secret.mp4", 404},
		{"from the root", "GET", "/player/t/" + token + "/media//secret.mp4", 404},
		{"the other slash", "GET", "/player/t/" + token + "/media/..%5csecret.mp4", 404},
		{"a zero byte", "GET", "/player/t/" + token + "/media/film.m3u8%00", 404},
		{"a name that begins like the prefix", "GET", "/player/t/" + token + "/media/2/film.m3u8", 404},
		{"the bucket", "GET", "/player/t/" + token + "/media/", 404},
		{"another part", "GET", "/player/t/" + token + "/secrets/film.m3u8", 404},
		{"a query", "GET", "/player/t/" + token + "/media/film.m3u8?versionId=1", 400},
		{"a write", "PUT", "/player/t/" + token + "/media/film.m3u8", 405},
		{"a removal", "DELETE", "/player/t/" + token + "/media/film.m3u8", 405},
		{"a key by POST", "POST", "/player/t/" + token + "/keys/" + ids[0].String(), 405},
		{"a licence by GET", "GET", "/player/t/" + token + "/clearkey", 405},
		{"a key of other content", "GET", "/player/t/" + token + "/keys/" + foreign[0].String(), 404},
		{"no KID", "GET", "/player/t/" + token + "/keys/film", 404},
		{"a KID with more behind", "GET", "/player/t/" + token + "/keys/" + ids[0].String() + "/x", 404},
	} {
		a := b.send(tt.method, tt.path, nil, "", nil)
		if a.status != tt.status || strings.Contains(a.body, "secret") && !strings.Contains(tt.path, "secret") || a.body == "secret" {
			t.Errorf("%s: got %d %s, want %d", tt.name, a.status, a.body, tt.status)
		}
	}
	if a := b.licence(token, ids[0], foreign[0]); a.status != 404 || strings.Contains(a.body, "keys") {
		t.Errorf("a licence for a key of ours and one of others: %d %s", a.status, a.body)
	}
	for name, body := range map[string]string{
		"no JSON": "x", "no kids": `{"kids":[],"type":"temporary"}`, "another type": `{"kids":["AAAAAAAAAAAAAAAAAAAAAA"],"type":"persistent-license"}`, "no base64": `{"kids":["*"],"type":"temporary"}`,
		"a short kid": `{"kids":["AAAA"],"type":"temporary"}`, "padded": `{"kids":["AAAAAAAAAAAAAAAAAAAAAA=="],"type":"temporary"}`, "more": `{"kids":["AAAAAAAAAAAAAAAAAAAAAA"],"type":"temporary","x":1}`,
		"more behind": `{"kids":["AAAAAAAAAAAAAAAAAAAAAA"],"type":"temporary"}{}`, "too large": strings.Repeat(" ", 17<<10),
	} {
		if a := b.send("POST", "/player/t/"+token+"/clearkey", nil, body, nil); a.status != 400 {
			t.Errorf("a licence request, %s: got %d %s", name, a.status, a.body)
		}
	}
	// A signature is none for the player, and its token none beside one.
	if a := b.send("GET", "/player/t/"+token+"/media/film.m3u8", map[string]string{"Authorization": "Bearer x"}, "", nil); a.status == 200 {
		t.Error("a token beside other credentials")
	}
	if a := b.send("GET", "/player/t/"+token+"/media/film.m3u8", nil, "", &b.root); a.status == 200 {
		t.Error("a token beside a signature")
	}
	b.mu.Lock()
	b.ahead = time.Hour
	b.mu.Unlock()
	if a := b.get(token, "media/film.m3u8", nil); a.status != 403 {
		t.Errorf("at its end: %d %s", a.status, a.body)
	}
	if a := b.get(token, "keys/"+ids[0].String(), nil); a.status != 403 {
		t.Errorf("a key at its end: %d %s", a.status, a.body)
	}
}

// TestRightsAtUse: what the owner of a token may not do any more, the token does not do either, from the next request on.
func TestRightsAtUse(t *testing.T) {
	t.Parallel()
	b := newBench(t, keyserver.Random)
	ids := b.film("film", 1)
	b.put("films", "out/hls/film.m3u8", "", "#EXTM3U")
	full := allow("execute-api:Invoke", plays+"*") + "," + allow("s3:GetObject", "arn:aws:s3:::films/out/*")
	type reach struct{ media, key, licence int }
	for _, tt := range []struct {
		name string
		do   func(u *identity.Entity)
		want reach
	}{
		{"nothing happens", func(*identity.Entity) {}, reach{200, 200, 200}},
		{"the user is gone", func(u *identity.Entity) { b.change(func(v *identity.View) { v.Drop(v.ByID(identity.User, u.ID)) }) }, reach{403, 403, 403}},
		{"the access key is gone", func(u *identity.Entity) {
			b.change(func(v *identity.View) { v.Edit(v.ByID(identity.User, u.ID)).Keys = nil })
		}, reach{403, 403, 403}},
		{"the access key is not active", func(u *identity.Entity) {
			b.change(func(v *identity.View) {
				e := v.Edit(v.ByID(identity.User, u.ID))
				e.Keys = append([]identity.AccessKey{}, e.Keys...)
				e.Keys[0].Active = false
			})
		}, reach{403, 403, 403}},
		{"no policy any more", func(u *identity.Entity) {
			b.change(func(v *identity.View) { v.Edit(v.ByID(identity.User, u.ID)).Inline = nil })
		}, reach{403, 403, 403}},
		{"no reading of objects", func(u *identity.Entity) {
			b.change(func(v *identity.View) {
				v.Edit(v.ByID(identity.User, u.ID)).Inline = map[string]string{"p": document(allow("execute-api:Invoke", plays+"*"))}
			})
		}, reach{403, 200, 200}},
		{"no reading of this object", func(u *identity.Entity) {
			b.change(func(v *identity.View) {
				v.Edit(v.ByID(identity.User, u.ID)).Inline = map[string]string{"p": document(full + `,{"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::films/out/hls/film.m3u8"}`)}
			})
		}, reach{403, 200, 200}},
		{"no keys of the film", func(u *identity.Entity) {
			b.change(func(v *identity.View) {
				v.Edit(v.ByID(identity.User, u.ID)).Inline = map[string]string{"p": document(full + `,{"Effect":"Deny","Action":"execute-api:Invoke","Resource":"` + plays + `GET/keys/film"}`)}
			})
		}, reach{200, 403, 403}},
		{"no playing", func(u *identity.Entity) {
			b.change(func(v *identity.View) {
				v.Edit(v.ByID(identity.User, u.ID)).Inline = map[string]string{"p": document(full + `,{"Effect":"Deny","Action":"execute-api:Invoke","Resource":"` + plays + `POST/tokens"}`)}
			})
		}, reach{403, 403, 403}},
		{"plain HTTP is denied, and this is none", func(u *identity.Entity) {
			b.change(func(v *identity.View) {
				v.Edit(v.ByID(identity.User, u.ID)).Inline = map[string]string{"p": document(full + `,{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}`)}
			})
		}, reach{200, 200, 200}},
	} {
		u, who := b.user("user"+strings.ReplaceAll(tt.name, " ", ""), full)
		token := b.token(&who, `{`+source+`,"contentIds":["film"]}`)
		tt.do(u)
		got := reach{b.get(token, "media/film.m3u8", nil).status, b.get(token, "keys/"+ids[0].String(), nil).status, b.licence(token, ids[0]).status}
		if got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
		if a := b.get(token, "media/film.m3u8", nil); a.status == 403 && (strings.Contains(a.body, "user") || strings.Contains(a.body, account)) {
			t.Errorf("%s: the refusal tells who the owner is: %s", tt.name, a.body)
		}
	}
	// A user of the same name is another one.
	u, who := b.user("twin", full)
	token := b.token(&who, `{`+source+`,"contentIds":["film"]}`)
	b.change(func(v *identity.View) { v.Drop(v.ByID(identity.User, u.ID)) })
	b.user("twin", full)
	if a := b.get(token, "media/film.m3u8", nil); a.status != 403 {
		t.Errorf("a new user of the old name: %d", a.status)
	}
}

// TestSessions: the token of a session is narrowed as the session is, and does not outlive it.
func TestSessions(t *testing.T) {
	t.Parallel()
	b := newBench(t, keyserver.Random)
	ids := b.film("film", 1)
	b.put("films", "out/hls/film.m3u8", "", "#EXTM3U")
	b.put("films", "out/hls/v.mp4", "", "0123")
	role := &identity.Entity{
		Kind: identity.Role, ID: identity.NewID(identity.Role), Name: "viewer", Path: "/", Inline: map[string]string{"p": document(allow("*", "*"))},
		Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"sts:AssumeRole"}]}`,
	}
	b.change(func(v *identity.View) { v.Put(role) })
	session := func(s identity.Session) caller {
		t.Helper()
		s.Account, s.Kind, s.ID, s.Name, s.Issued = account, identity.Role, role.ID, "s1", time.Now()
		c, err := b.people.IssueToken(s)
		if err != nil {
			t.Fatal(err)
		}
		return caller{c.AccessKeyID, string(c.SecretAccessKey.Reveal()), string(c.SessionToken.Reveal())}
	}
	end := time.Now().Add(20 * time.Minute)
	plain := session(identity.Session{Expiry: end, Tags: map[string]string{"team": "a"}})
	a := b.send("POST", "/player/tokens", nil, `{`+source+`,"contentIds":["film"]}`, &plain)
	var made struct {
		Token   string
		Expires time.Time
	}
	if err := json.Unmarshal([]byte(a.body), &made); err != nil || made.Expires.After(end) || made.Token == "" {
		t.Fatalf("the token holds to %s, the session to %s: %d %s", made.Expires, end, a.status, a.body)
	}
	if got := b.get(made.Token, "media/film.m3u8", nil).status; got != 200 {
		t.Errorf("a session's token: %d", got)
	}
	narrow := session(identity.Session{Expiry: end, Narrowed: true, Policy: document(allow("execute-api:Invoke", plays+"*") + "," + allow("s3:GetObject", "arn:aws:s3:::films/out/hls/*") +
		`,{"Effect":"Deny","Action":"s3:GetObject","Resource":"arn:aws:s3:::films/out/hls/v.mp4"}`)})
	token := b.token(&narrow, `{`+source+`,"contentIds":["film"]}`)
	if got := [3]int{b.get(token, "media/film.m3u8", nil).status, b.get(token, "media/v.mp4", nil).status, b.get(token, "keys/"+ids[0].String(), nil).status}; got != [3]int{200, 403, 200} {
		t.Errorf("a narrowed session's token: %v", got)
	}
	// Sessions that were begun before some time are ended by a policy, as the console does it.
	b.change(func(v *identity.View) {
		v.Edit(v.ByID(identity.Role, role.ID)).Inline = map[string]string{"p": document(allow("*", "*")), "revoked": document(
			`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:TokenIssueTime":"` + time.Now().Add(time.Minute).UTC().Format(time.RFC3339) + `"}}}`)}
	})
	if got := b.get(made.Token, "media/film.m3u8", nil).status; got != 403 {
		t.Errorf("a session that was revoked: %d", got)
	}
	b.change(func(v *identity.View) { v.Drop(v.ByID(identity.Role, role.ID)) })
	if got := b.get(token, "media/film.m3u8", nil).status; got != 403 {
		t.Errorf("a role that is gone: %d", got)
	}
	// The session of a lease or probe lends its rights to nobody else.
	lent, err := b.people.Sessions.Forward(principal(t, b, b.root), document(allow("*", "*")), end)
	if err != nil {
		t.Fatal(err)
	}
	forward := caller{lent.AccessKeyID, string(lent.SecretAccessKey.Reveal()), string(lent.SessionToken.Reveal())}
	if a := b.send("POST", "/player/tokens", nil, `{`+source+`}`, &forward); a.status != 403 {
		t.Errorf("a lent session gets a token: %d %s", a.status, a.body)
	}
}

func TestTokenRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, keyserver.Random)
	ids := b.film("film", 1)
	other := b.film("other film", 2)
	twin := b.film("a twin", 3)
	b.film("its twin", 3)
	_, who := b.watcher("ann")
	for _, tt := range []struct {
		name, ask string
		status    int
	}{
		{"another content", `{` + source + `,"contentIds":["other film"]}`, 403},
		{"another content beside ours", `{` + source + `,"contentIds":["film","other film"]}`, 403},
		{"a key of another content", `{` + source + `,"keyIds":["` + other[0].String() + `"]}`, 403},
		{"another prefix", `{"source":"s3://films/out/secret.mp4","contentIds":["film"]}`, 403},
		{"a wider prefix", `{` + source + `,"prefix":"out/","contentIds":["film"]}`, 403},
		{"another bucket", `{"source":"s3://others/out/hls/film.m3u8","contentIds":["film"]}`, 403},
	} {
		if a := b.send("POST", "/player/tokens", nil, tt.ask, &who); a.status != tt.status || !strings.Contains(a.body, "is not authorized to perform") {
			t.Errorf("%s: got %d %s", tt.name, a.status, a.body)
		}
	}
	for _, tt := range []struct {
		name, ask string
		status    int
		want      string
	}{
		{"no JSON", `x`, 400, "JSON"},
		{"an unknown member", `{` + source + `,"forever":true}`, 400, "JSON"},
		{"more behind it", `{` + source + `}{}`, 400, "behind"},
		{"no source", `{}`, 400, "source"},
		{"a URL", `{"source":"https://films/x"}`, 400, "source"},
		{"a bucket alone", `{"source":"s3://films/"}`, 400, "source"},
		{"a step up", `{"source":"s3://films/out/../film.m3u8"}`, 400, "steps"},
		{"a prefix of another", `{` + source + `,"prefix":"in/"}`, 400, "prefix"},
		{"half a prefix", `{` + source + `,"prefix":"out/hl"}`, 400, "prefix"},
		{"a content id that is none", `{` + source + `,"contentIds":[""]}`, 400, "contentIds[0]"},
		{"too many", `{` + source + `,"contentIds":["1","2","3","4","5","6","7","8","9"]}`, 400, "contentIds"},
		{"a key id that is none", `{` + source + `,"keyIds":["film"]}`, 400, "keyIds[0]"},
		{"a key that is not there", `{` + source + `,"keyIds":["00000000-0000-0000-0000-00000000000a"]}`, 404, "There is no content key"},
		{"a key of two contents", `{` + source + `,"keyIds":["` + twin[0].String() + `"]}`, 409, "Name the content instead"},
		{"two contents with one KID", `{` + source + `,"contentIds":["a twin","its twin"]}`, 409, "a token for each content"},
		{"a content without keys", `{` + source + `,"contentIds":["no film"]}`, 404, "no film"},
		{"a life without end", `{` + source + `,"lifetimeSeconds":43201}`, 400, "lifetimeSeconds"},
		{"a life before it", `{` + source + `,"lifetimeSeconds":-1}`, 400, "lifetimeSeconds"},
		{"too large", strings.Repeat(" ", 65<<10), 400, "bytes"},
	} {
		a := b.send("POST", "/player/tokens", nil, tt.ask, &b.root)
		if a.status != tt.status || !strings.Contains(a.body, tt.want) {
			t.Errorf("%s: got %d %s, want %d with %q", tt.name, a.status, a.body, tt.status, tt.want)
		}
		// What is wrong is told to nobody who may not ask at all.
		_, nobody := b.user("nobody"+url.QueryEscape(tt.name), "")
		if a := b.send("POST", "/player/tokens", nil, tt.ask, &nobody); a.status != 403 {
			t.Errorf("%s, by nobody: got %d %s", tt.name, a.status, a.body)
		}
	}
	if a := b.send("POST", "/player/tokens", nil, `{`+source+`,"keyIds":["`+ids[1].String()+`"],"lifetimeSeconds":60}`, &who); a.status != 201 || !strings.Contains(a.body, ids[0].String()) {
		t.Errorf("by a KID: got %d %s", a.status, a.body)
	}
	if a := b.send("POST", "/player/tokens", nil, `{`+source+`}`, nil); a.status != 403 {
		t.Errorf("unsigned: got %d %s", a.status, a.body)
	}
	if a := b.send("GET", "/player/tokens", nil, "", &b.root); a.status != 403 {
		t.Errorf("GET: got %d %s", a.status, a.body)
	}
}

// TestPages: what everybody may see has no secret in it, and is no door.
func TestPages(t *testing.T) {
	t.Parallel()
	b := newBench(t, keyserver.Random)
	for _, path := range []string{"/player/", "/player/player.js", "/player/player.css"} {
		a := b.send("GET", path, nil, "", nil)
		csp := a.header.Get("Content-Security-Policy")
		if a.status != 200 || !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "http") || a.header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %d %v", path, a.status, a.header)
		}
		for _, outside := range []string{"https://", "http://"} {
			if strings.Contains(a.body, outside) {
				t.Errorf("%s names something outside", path)
			}
		}
	}
	if a := b.send("GET", "/player", nil, "", nil); a.status != 301 || a.header.Get("Location") != "/player/" {
		t.Errorf("/player: %d %v", a.status, a.header)
	}
	for _, tt := range []struct{ method, path string }{
		{"GET", "/player/hls.min.js"}, {"GET", "/player/../player/"}, {"GET", "/player/page/index.html"}, {"GET", "/player/?x=y"}, {"POST", "/player/"}, {"GET", "/Player/"},
	} {
		if a := b.send(tt.method, tt.path, nil, "", nil); a.status < 400 {
			t.Errorf("%s %s: got %d", tt.method, tt.path, a.status)
		}
	}
	if a := b.send("GET", "/player/", map[string]string{"Authorization": "Bearer x"}, "", nil); a.status < 400 {
		t.Errorf("with credentials: got %d", a.status)
	}
}
