package executeapi_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"darkroom/internal/cenc"
	"darkroom/internal/cpix"
	"darkroom/internal/executeapi"
	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/keyserver"
)

func principal(t *testing.T, b *bench, who caller) iam.Principal {
	t.Helper()
	_, p, err := b.people.Find(t.Context(), who.id, who.token)
	if err != nil || p.Type == 0 {
		t.Fatalf("%v, %v", p, err)
	}
	return p
}

// TestClients: our own client accepts what the server answers, for both versions, for every system, in the clear and for a certificate.
func TestClients(t *testing.T) {
	t.Parallel()
	b := newBench(t, keyserver.Random)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "encryptor"}, NotAfter: time.Now().Add(time.Hour)},
		&x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "encryptor"}}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	contract, err := cpix.Contract("PRESET_VIDEO_8", "PRESET_AUDIO_3")
	if err != nil {
		t.Fatal(err)
	}
	iv := []byte("0123456789abcdef")
	for _, tt := range []struct {
		name string
		o    cpix.Options
		want func(cenc.Protection) bool
	}{
		{"CMAF cbcs", cpix.Options{Version: cpix.V2, Uses: contract, Scheme: cenc.CBCS, Method: "SAMPLE-AES", Boxes: true, Systems: []cpix.Wanted{
			{ID: cenc.Widevine, HLS: true, DASH: true}, {ID: cenc.PlayReady, HLS: true, DASH: true}, {ID: cenc.FairPlay, HLS: true}, {ID: cenc.ClearKey, HLS: true, DASH: true}, {ID: cenc.CommonPSSH, DASH: true},
		}}, func(p cenc.Protection) bool { return len(p.IV) == cenc.KeySize && len(p.Signals) == 5 }},
		{"CMAF cenc", cpix.Options{Version: cpix.V2, Uses: contract, Scheme: cenc.CENC, Method: "SAMPLE-AES-CTR", Boxes: true, Systems: []cpix.Wanted{
			{ID: cenc.Widevine, HLS: true, DASH: true}, {ID: cenc.PlayReady, HLS: true, DASH: true}, {ID: cenc.ClearKey, DASH: true},
		}}, func(p cenc.Protection) bool { return p.IV == nil && len(p.Signals) == 3 }},
		{
			"a vector of the encryptor",
			cpix.Options{Version: cpix.V2, Uses: contract, Scheme: cenc.CBCS, Method: "SAMPLE-AES", IV: iv, Systems: []cpix.Wanted{{ID: cenc.FairPlay, HLS: true}, {ID: cenc.ClearKey, HLS: true}}},
			func(p cenc.Protection) bool { return string(p.IV) == string(iv) },
		},
		{
			"AES-128",
			cpix.Options{Version: cpix.V2, Uses: cpix.Shared(), Scheme: cenc.CBCS, Method: "AES-128", Systems: []cpix.Wanted{{ID: cenc.ClearKeyAES128, HLS: true}}},
			func(p cenc.Protection) bool {
				return p.IV == nil && strings.HasPrefix(p.Signals[0].Media.URI, base+"/player/keys/")
			},
		},
		{
			"1.0, AES-128",
			cpix.Options{Version: cpix.V1, Uses: cpix.Shared(), Scheme: cenc.CBCS, Method: "AES-128", Systems: []cpix.Wanted{{ID: cenc.HLSAES128, HLS: true}}},
			func(p cenc.Protection) bool { return strings.HasPrefix(p.Signals[0].Media.URI, base+"/player/keys/") },
		},
		{
			"1.0, FairPlay",
			cpix.Options{Version: cpix.V1, Uses: cpix.Shared(), Scheme: cenc.CBCS, Method: "SAMPLE-AES", Systems: []cpix.Wanted{{ID: cenc.FairPlay, HLS: true}}},
			func(p cenc.Protection) bool {
				return len(p.IV) == cenc.KeySize && strings.HasPrefix(p.Signals[0].Media.URI, "skd://")
			},
		},
		{
			"1.0, DASH",
			cpix.Options{Version: cpix.V1, Uses: cpix.Shared(), Scheme: cenc.CENC, Method: "SAMPLE-AES-CTR", Boxes: true, Systems: []cpix.Wanted{{ID: cenc.Widevine, DASH: true}, {ID: cenc.PlayReady, DASH: true}}},
			func(p cenc.Protection) bool { return len(p.Signals) == 2 && len(p.Signals[1].PSSH) > 0 },
		},
		{
			"1.0, CMAF with FairPlay", // which says what all others are told
			cpix.Options{Version: cpix.V1, Uses: cpix.Shared(), Scheme: cenc.CBCS, Method: "SAMPLE-AES", Boxes: true, Systems: []cpix.Wanted{
				{ID: cenc.Widevine, DASH: true}, {ID: cenc.PlayReady, DASH: true}, {ID: cenc.FairPlay, HLS: true},
			}},
			func(p cenc.Protection) bool {
				if len(p.IV) != cenc.KeySize || len(p.Signals) != 3 {
					return false
				}
				w, err := cenc.ParsePSSH(p.Signals[0].PSSH)
				if err != nil {
					return false
				}
				about, err := cenc.ParseWidevineHeader(w.Data)
				if err != nil || !about.Is(cenc.CBCS) {
					return false
				}
				r, err := cenc.ParsePSSH(p.Signals[1].PSSH)
				if err != nil {
					return false
				}
				h, err := cenc.ParsePlayReadyObject(r.Data)
				return err == nil && h.Scheme == cenc.CBCS
			},
		},
		{
			"1.0, Smooth",
			cpix.Options{Version: cpix.V1, Uses: cpix.Shared(), Scheme: cenc.CENC, Method: "SAMPLE-AES-CTR", Systems: []cpix.Wanted{{ID: cenc.PlayReady, Smooth: true}}},
			func(p cenc.Protection) bool { return len(p.Signals[0].Smooth) > 0 },
		},
		{
			"Smooth",
			cpix.Options{Version: cpix.V2, Uses: cpix.Shared(), Scheme: cenc.CENC, Method: "SAMPLE-AES-CTR", Systems: []cpix.Wanted{{ID: cenc.PlayReady, Smooth: true}}},
			func(p cenc.Protection) bool { return len(p.Signals[0].Smooth) > 0 },
		},
	} {
		var first []cenc.Protection
		for _, certificate := range [][]byte{nil, der} {
			tt.o.ContentID, tt.o.Certificate = "content of "+tt.name, certificate
			ask, err := cpix.NewRequest(tt.o)
			if err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			path, header := "/speke/v2.0/copyProtection", map[string]string{"Content-Type": "application/xml", "X-Speke-Version": "2.0"}
			if tt.o.Version == cpix.V1 {
				path, header = "/speke/v1.0/copyProtection", map[string]string{"Content-Type": "application/xml"}
			}
			a := b.send("POST", path, header, string(ask.Encode()), &b.root)
			if a.status != 200 {
				t.Fatalf("%s: %d %s", tt.name, a.status, a.body)
			}
			if tt.o.Version == cpix.V1 && a.header.Get("Speke-User-Agent") == "" {
				t.Errorf("%s: %v", tt.name, a.header)
			}
			keys, err := cpix.Parse(ask, []byte(a.body), key)
			if err != nil || len(keys) != len(tt.o.Uses) {
				t.Fatalf("%s: our own client refuses the answer: %v\n%s", tt.name, err, a.body)
			}
			for _, k := range keys {
				if !tt.want(k) {
					t.Errorf("%s: got IV %x, %d signals: %+v", tt.name, k.IV, len(k.Signals), k.Signals)
				}
			}
			if certificate != nil && strings.Contains(a.body, "PlainValue") {
				t.Errorf("%s: keys in the clear beside a certificate", tt.name)
			}
			if first == nil {
				first = keys
			}
			for i := range keys {
				if string(keys[i].Value.Reveal()) != string(first[i].Value.Reveal()) {
					t.Errorf("%s: the certificate changes the key", tt.name)
				}
				if certificate != nil && strings.Contains(a.body, base64.StdEncoding.EncodeToString(keys[i].Value.Reveal())) {
					t.Errorf("%s: a key in the clear beside a certificate", tt.name)
				}
			}
		}
	}
}

// TestContentCondition: a policy can say whose keys a role gets.
func TestContentCondition(t *testing.T) {
	t.Parallel()
	b := newBench(t, keyserver.Random)
	_, who := b.user("encryptor", `{"Effect":"Allow","Action":"execute-api:Invoke","Resource":"arn:aws:execute-api:`+region+`:`+account+`:darkroom/speke/POST/v2.0/*","Condition":{"StringLike":{"speke:ContentId":"series/*"}}}`)
	for content, want := range map[string]int{"series/1": 200, "film": 403, "series": 403} {
		q := question{content: content, version: "2.3", scheme: "cenc", tracks: []string{"VIDEO"}, systems: []string{widevine}, number: byte(len(content))}
		if a := b.speke(q.xml(), &who); a.status != want {
			t.Errorf("%s: got %d %s", content, a.status, a.body)
		}
	}
	if a := b.speke("nonsense", &who); a.status != 403 {
		t.Errorf("a request without a content: got %d %s", a.status, a.body)
	}
}

func TestHeartbeat(t *testing.T) {
	t.Parallel()
	b := newBench(t, keyserver.Random)
	if a := b.send("GET", "/speke/v1.0/heartbeat", nil, "", &b.root); a.status != 200 || !strings.Contains(a.body, "statusMessage") || a.header.Get("X-Darkroom-Notice") != keyserver.Notice {
		t.Errorf("got %d %s", a.status, a.body)
	}
	if a := b.send("GET", "/speke/v1.0/heartbeat", nil, "", nil); a.status != 403 {
		t.Errorf("unsigned: %d", a.status)
	}
}

// TestOperators: a machine that cannot sign is let in by its credential, as the user that it stands for, to SPEKE alone.
func TestOperators(t *testing.T) {
	t.Parallel()
	b := newBench(t, keyserver.Random)
	u, _ := b.user("encryptor", allow("execute-api:Invoke", "arn:aws:execute-api:"+region+":"+account+":darkroom/speke/POST/*"))
	q := question{content: "film", version: "2.3", scheme: "cenc", tracks: []string{"VIDEO"}, systems: []string{widevine}, number: 1}
	send := func(authorization string) answer {
		return b.send("POST", "/speke/v2.0/copyProtection", map[string]string{"Content-Type": "application/xml", "X-Speke-Version": "2.0", "Authorization": authorization}, q.xml(), nil)
	}
	basic := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
	for _, tt := range []struct {
		name, authorization string
		want                int
	}{
		{"a token", "Bearer 0123456789abcdefghijKLMN", 200},
		{"the scheme in another case", "bearer 0123456789abcdefghijKLMN", 200},
		{"a password", basic("packager:correct-horse-battery"), 200},
		{"another token", "Bearer 0123456789abcdefghijKLMM", 403},
		{"a token cut off", "Bearer 0123456789abcdefghijKLM", 403},
		{"nothing behind it", "Bearer ", 403},
		{"a token as a password", basic("packager:0123456789abcdefghijKLMN"), 403},
		{"a password as a token", "Bearer packager:correct-horse-battery", 403},
		{"another name", basic("encryptor:correct-horse-battery"), 403},
		{"a token whose user is not there", "Bearer 9876543210abcdefghijKLMN", 403},
		{"another scheme", "Digest 0123456789abcdefghijKLMN", 403},
		{"AWS's scheme", "AWS4-HMAC-SHA256 0123456789abcdefghijKLMN", 400},
	} {
		a := send(tt.authorization)
		if a.status != tt.want && !(tt.want == 400 && a.status == 403) || a.status != 200 && strings.Contains(a.body, "0123456789") {
			t.Errorf("%s: got %d %s", tt.name, a.status, a.body)
		}
	}
	for _, path := range []string{"/player/tokens", "/", "/films/film.mp4"} {
		if a := b.send("POST", path, map[string]string{"Authorization": "Bearer 0123456789abcdefghijKLMN"}, `{`+source+`}`, nil); a.status < 400 {
			t.Errorf("%s: got %d", path, a.status)
		}
	}
	if a := b.send("GET", "/speke/v1.0/heartbeat", map[string]string{"Authorization": "Bearer 0123456789abcdefghijKLMN"}, "", nil); a.status != http.StatusForbidden {
		t.Errorf("what the user may not do: got %d", a.status)
	}
	b.change(func(v *identity.View) { v.Drop(v.ByID(identity.User, u.ID)) })
	if a := send("Bearer 0123456789abcdefghijKLMN"); a.status != 403 {
		t.Errorf("the user is gone: got %d", a.status)
	}
}

func TestParseOperators(t *testing.T) {
	t.Parallel()
	const secret = "0123456789abcdefghijKLMN"
	for name, text := range map[string]string{
		"a word missing": "ann bearer", "a word too many": "ann bearer " + secret + " x", "another kind": "ann digest " + secret, "a short token": "ann bearer short",
		"no name": "ann basic :" + secret, "no password": "ann basic " + secret, "a short password": "ann basic " + secret + ":x", "twice": "ann bearer " + secret + "\nbob bearer " + secret,
		"too long": "ann bearer " + strings.Repeat("x", 2000), "a line without end": "ann bearer " + strings.Repeat("x", 100_000),
	} {
		o, err := executeapi.ParseOperators([]byte(text))
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v, %v", name, o, err)
		}
	}
	o, err := executeapi.ParseOperators([]byte("\n# nobody\n  ann   bearer " + secret + "  \n"))
	if err != nil {
		t.Fatal(err)
	}
	if u, ok := o.Find("Bearer " + secret); !ok || u != "ann" {
		t.Errorf("got %q, %t", u, ok)
	}
	if _, ok := (*executeapi.Operators)(nil).Find("Bearer " + secret); ok {
		t.Error("no credentials let somebody in")
	}
}

func FuzzParseOperators(f *testing.F) {
	f.Add([]byte(operators), "Bearer x")
	f.Fuzz(func(t *testing.T, text []byte, header string) {
		o, err := executeapi.ParseOperators(text)
		if err != nil {
			return
		}
		if u, ok := o.Find(header); ok && (u == "" || !strings.Contains(header, " ")) {
			t.Errorf("%q is %q", header, u)
		}
	})
}
