package executeapi_test

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"darkroom/internal/cenc"
	"darkroom/internal/keyserver"
)

// The rules of the public suite that verifies key servers for SPEKE v2.0 (awslabs/speke-reference-server, spekev2_verification_testsuite), said again in our words and
// checked against our own requests, for requests of streams with a key period and of files without. The exact words of refusals are those of the specification.

const (
	widevine  = "edef8ba9-79d6-4ace-a3c8-27dcd51d21ed"
	playReady = "9a04f079-9840-4286-ab92-e65be0885f95"
	fairPlay  = "94ce86fb-07ff-4f43-adb8-93d2fa968ca2"
	clearKey  = "e2719d58-a985-b3c9-781a-b030af78d30e"
	common    = "1077efec-c0b2-4d02-ace3-3c1e52e2fb4b"
	aes128    = "3ea8778f-7742-4bf9-b18b-e834b2acbd47"
	aes128v1  = "81376844-f976-481e-a84e-cc25d39b0b33"
)

// filters are the attributes of the filter of each track type.
var filters = map[string]string{
	"VIDEO": "", "AUDIO": "", "SD": `maxPixels="589824"`, "HD": `minPixels="589825"`, "HD1": `minPixels="589825" maxPixels="921600"`, "HD2": `minPixels="921601" maxPixels="2073600"`,
	"SD+HD1": `maxPixels="921600"`, "UHD": `minPixels="2073601"`, "UHD1": `minPixels="2073601" maxPixels="8847360"`, "UHD2": `minPixels="8847361"`,
	"STEREO_AUDIO": `maxChannels="2"`, "MULTICHANNEL_AUDIO": `minChannels="3"`, "MULTICHANNEL_AUDIO_3_6": `minChannels="3" maxChannels="6"`, "MULTICHANNEL_AUDIO_7": `minChannels="7"`,
}

// question is a request that a test changes.
type question struct {
	content, version, scheme string
	tracks, systems          []string
	period                   bool
	certificate              string
	number                   byte // of the first KID
}

func (q question) kid(i int) string { return cenc.UUID{0: 0x0f, 1: q.number, 15: byte(i + 1)}.String() }

func (q question) xml() string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><cpix:CPIX contentId="` + q.content + `" version="` + q.version + `" xmlns:cpix="urn:dashif:org:cpix" xmlns:pskc="urn:ietf:params:xml:ns:keyprov:pskc">`)
	if q.certificate != "" {
		b.WriteString(`<cpix:DeliveryDataList><cpix:DeliveryData id="us"><cpix:DeliveryKey><ds:X509Data xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Certificate>` +
			q.certificate + `</ds:X509Certificate></ds:X509Data></cpix:DeliveryKey></cpix:DeliveryData></cpix:DeliveryDataList>`)
	}
	b.WriteString("<cpix:ContentKeyList>")
	for i := range q.tracks {
		fmt.Fprintf(&b, `<cpix:ContentKey kid="%s" commonEncryptionScheme="%s"></cpix:ContentKey>`, q.kid(i), q.scheme)
	}
	b.WriteString("</cpix:ContentKeyList><cpix:DRMSystemList>")
	for _, s := range q.systems {
		for i := range q.tracks {
			fmt.Fprintf(&b, `<cpix:DRMSystem kid="%s" systemId="%s"><cpix:PSSH/>`, q.kid(i), s)
			if s != fairPlay {
				b.WriteString("<cpix:ContentProtectionData/>")
			}
			if s != common {
				b.WriteString(`<cpix:HLSSignalingData playlist="media"/><cpix:HLSSignalingData playlist="master"/>`)
			}
			b.WriteString("</cpix:DRMSystem>")
		}
	}
	b.WriteString("</cpix:DRMSystemList>")
	if q.period {
		b.WriteString(`<cpix:ContentKeyPeriodList><cpix:ContentKeyPeriod id="keyPeriod_1" index="0"/></cpix:ContentKeyPeriodList>`)
	}
	b.WriteString("<cpix:ContentKeyUsageRuleList>")
	for i, track := range q.tracks {
		fmt.Fprintf(&b, `<cpix:ContentKeyUsageRule kid="%s" intendedTrackType="%s">`, q.kid(i), track)
		if q.period {
			b.WriteString(`<cpix:KeyPeriodFilter periodId="keyPeriod_1"/>`)
		}
		switch {
		case track == "ALL":
			b.WriteString("<cpix:VideoFilter/><cpix:AudioFilter/>")
		case strings.Contains(track, "AUDIO"):
			b.WriteString("<cpix:AudioFilter " + filters[track] + "/>")
		default:
			b.WriteString("<cpix:VideoFilter " + filters[track] + "/>")
		}
		b.WriteString("</cpix:ContentKeyUsageRule>")
	}
	b.WriteString("</cpix:ContentKeyUsageRuleList></cpix:CPIX>")
	return b.String()
}

// got is an answer as another program reads it.
type got struct {
	XMLName   xml.Name `xml:"urn:dashif:org:cpix CPIX"`
	ContentID string   `xml:"contentId,attr"`
	Version   string   `xml:"version,attr"`
	ID        *string  `xml:"id,attr"`
	Keys      []struct {
		Keys []struct {
			KID    string   `xml:"kid,attr"`
			Scheme string   `xml:"commonEncryptionScheme,attr"`
			IV     string   `xml:"explicitIV,attr"`
			Plain  []string `xml:"Data>Secret>PlainValue"`
			Sealed []string `xml:"Data>Secret>EncryptedValue>CipherData>CipherValue"`
		} `xml:"urn:dashif:org:cpix ContentKey"`
	} `xml:"urn:dashif:org:cpix ContentKeyList"`
	Systems []struct {
		Systems []struct {
			KID     string   `xml:"kid,attr"`
			System  string   `xml:"systemId,attr"`
			PSSH    []string `xml:"urn:dashif:org:cpix PSSH"`
			Content []string `xml:"urn:dashif:org:cpix ContentProtectionData"`
			HLS     []struct {
				Playlist string `xml:"playlist,attr"`
				Text     string `xml:",chardata"`
			} `xml:"urn:dashif:org:cpix HLSSignalingData"`
		} `xml:"urn:dashif:org:cpix DRMSystem"`
	} `xml:"urn:dashif:org:cpix DRMSystemList"`
	Rules []struct {
		Rules []struct {
			KID   string `xml:"kid,attr"`
			Track string `xml:"intendedTrackType,attr"`
		} `xml:"urn:dashif:org:cpix ContentKeyUsageRule"`
	} `xml:"urn:dashif:org:cpix ContentKeyUsageRuleList"`
}

// read takes an answer that is a success apart, by the suite's rules for every answer.
func read(t *testing.T, q question, a answer) got {
	t.Helper()
	if a.status != http.StatusOK || a.header.Get("X-Speke-Version") != "2.0" || a.header.Get("X-Speke-User-Agent") == "" || a.header.Get("Content-Type") != "application/xml" {
		t.Fatalf("got %d %v: %s", a.status, a.header, a.body)
	}
	for _, space := range []string{`="urn:dashif:org:cpix"`, `="urn:ietf:params:xml:ns:keyprov:pskc"`} {
		if !strings.Contains(a.body, space) {
			t.Errorf("the namespace %s is not declared", space)
		}
	}
	var g got
	if err := xml.Unmarshal([]byte(a.body), &g); err != nil {
		t.Fatal(err)
	}
	if g.ContentID != q.content || g.Version != "2.3" || g.ID != nil {
		t.Errorf("the root says contentId %q, version %q, id %v", g.ContentID, g.Version, g.ID)
	}
	if len(g.Keys) != 1 || len(g.Systems) != 1 || len(g.Rules) != 1 {
		t.Fatalf("lists: %d, %d, %d", len(g.Keys), len(g.Systems), len(g.Rules))
	}
	seen := map[string]bool{}
	for i, k := range g.Keys[0].Keys {
		if k.KID != q.kid(i) || k.Scheme != q.scheme || len(k.Plain) != 1 || seen[k.Plain[0]] {
			t.Errorf("key %d: %+v", i, k)
			continue
		}
		seen[k.Plain[0]] = true
		if raw, err := base64.StdEncoding.DecodeString(k.Plain[0]); err != nil || len(raw) != 16 {
			t.Errorf("key %d has %d bytes, %v", i, len(raw), err)
		}
	}
	for i, r := range g.Rules[0].Rules {
		if r.KID != q.kid(i) || r.Track != q.tracks[i] {
			t.Errorf("rule %d: %+v", i, r)
		}
	}
	if len(g.Keys[0].Keys) != len(q.tracks) || len(g.Rules[0].Rules) != len(q.tracks) || len(g.Systems[0].Systems) != len(q.tracks)*len(q.systems) {
		t.Errorf("%d keys, %d rules, %d systems", len(g.Keys[0].Keys), len(g.Rules[0].Rules), len(g.Systems[0].Systems))
	}
	for i, s := range g.Systems[0].Systems {
		if s.System != q.systems[i/len(q.tracks)] || s.KID != q.kid(i%len(q.tracks)) {
			t.Errorf("system %d: %s for %s", i, s.System, s.KID)
		}
		checkSystem(t, s.System, s.PSSH, s.Content)
		lines := map[string]string{}
		for _, h := range s.HLS {
			line, err := base64.StdEncoding.DecodeString(h.Text)
			if err != nil || lines[h.Playlist] != "" {
				t.Errorf("%s: HLSSignalingData %s: %v", s.System, h.Playlist, err)
			}
			lines[h.Playlist] = string(line)
		}
		if s.System != common {
			checkLines(t, s.System, q.scheme, lines)
		}
	}
	return g
}

var inside = regexp.MustCompile(`<(?:\w+:)?pssh xmlns(?::\w+)?="urn:mpeg:cenc:2013">([^<]+)</(?:\w+:)?pssh>`)

// checkSystem: a box where there is one, and the same box in what an MPD says.
func checkSystem(t *testing.T, system string, pssh, content []string) {
	t.Helper()
	if system == fairPlay || system == aes128 {
		if len(content) != 0 || len(pssh) != 0 {
			t.Errorf("%s: a box or a descriptor, which it has none of", system)
		}
		return
	}
	if len(pssh) != 1 || pssh[0] == "" || len(content) != 1 {
		t.Fatalf("%s: %d boxes, %d descriptors", system, len(pssh), len(content))
	}
	text, err := base64.StdEncoding.DecodeString(content[0])
	if err != nil {
		t.Fatal(err)
	}
	if m := inside.FindSubmatch(text); m == nil || string(m[1]) != pssh[0] {
		t.Errorf("%s: the descriptor has another box: %s", system, text)
	}
	if system == playReady && !strings.Contains(string(text), "<mspr:pro ") {
		t.Errorf("%s: no PlayReady object: %s", system, text)
	}
}

// keyFormats are what each system is called in playlists.
var keyFormats = map[string]string{
	widevine: "urn:uuid:" + widevine, playReady: "com.microsoft.playready", fairPlay: "com.apple.streamingkeydelivery", clearKey: "identity", aes128: "identity",
}

// checkLines: both playlists are told of the key in the same way.
func checkLines(t *testing.T, system, scheme string, lines map[string]string) {
	t.Helper()
	media, ok := strings.CutPrefix(lines["media"], "#EXT-X-KEY:")
	master, too := strings.CutPrefix(lines["master"], "#EXT-X-SESSION-KEY:")
	if !ok || !too || media != master || len(lines) != 2 {
		t.Fatalf("%s: playlists are told %q", system, lines)
	}
	method := map[string]string{"cenc": "SAMPLE-AES-CTR", "cbcs": "SAMPLE-AES"}[scheme]
	if system == aes128 {
		method = "AES-128"
	}
	for _, want := range []string{"METHOD=" + method + ",", `KEYFORMAT="` + keyFormats[system] + `"`, `KEYFORMATVERSIONS="1"`, `URI="`} {
		if !strings.Contains(media, want) {
			t.Errorf("%s: %s is not in %s", system, want, media)
		}
	}
	switch system {
	case fairPlay:
		if !strings.Contains(media, `URI="skd://`) {
			t.Errorf("FairPlay: %s", media)
		}
	case clearKey, aes128:
		if !strings.Contains(media, `URI="`+base+`/player/keys/`) {
			t.Errorf("%s: %s", system, media)
		}
	}
}

// TestSuite goes over the contracts and systems of the suite.
func TestSuite(t *testing.T) {
	t.Parallel()
	b := newBench(t, keyserver.Random)
	contracts := [][]string{
		{"VIDEO", "AUDIO"},
		{"SD", "HD", "UHD", "STEREO_AUDIO", "MULTICHANNEL_AUDIO"},
		{"SD", "HD1", "HD2", "UHD1", "UHD2", "STEREO_AUDIO", "MULTICHANNEL_AUDIO_3_6", "MULTICHANNEL_AUDIO_7"},
		{"SD+HD1", "HD2", "UHD1", "UHD2", "STEREO_AUDIO", "MULTICHANNEL_AUDIO"},
		{"SD", "HD"},
		{"STEREO_AUDIO", "MULTICHANNEL_AUDIO"},
		{"ALL"},
	}
	systems := [][]string{
		{widevine}, {playReady}, {fairPlay}, {widevine, playReady}, {widevine, fairPlay}, {playReady, fairPlay}, {widevine, playReady, fairPlay}, {clearKey}, {common, clearKey}, {aes128},
	}
	number := byte(0)
	for _, period := range []bool{false, true} {
		for _, tracks := range contracts {
			for _, list := range systems {
				number++
				q := question{content: fmt.Sprint("suite ", number), version: "2.3", scheme: "cenc", tracks: tracks, systems: list, period: period, number: number}
				if slices.Contains(list, fairPlay) {
					q.scheme = "cbcs"
				}
				first := read(t, q, b.speke(q.xml(), &b.root))
				if number%7 != 0 {
					continue
				}
				// "Keys returned for duplicate responses must be the same."
				again := read(t, q, b.speke(q.xml(), &b.root))
				if fmt.Sprint(first.Keys) != fmt.Sprint(again.Keys) {
					t.Errorf("%s: other keys the second time", q.content)
				}
			}
		}
	}
}

// TestSuiteRefuses: what the suite wants to be refused, each with the words of the specification where it has any.
func TestSuiteRefuses(t *testing.T) {
	t.Parallel()
	b := newBench(t, keyserver.Random)
	good := question{content: "refused", version: "2.3", scheme: "cenc", tracks: []string{"VIDEO", "AUDIO"}, systems: []string{widevine}, number: 200}
	with := func(edit func(*question)) string {
		q := good
		edit(&q)
		return q.xml()
	}
	without := func(pattern string) string {
		text := regexp.MustCompile(pattern).ReplaceAllString(good.xml(), "")
		if text == good.xml() {
			t.Fatalf("%s is not in the request", pattern)
		}
		return text
	}
	replace := func(old, new string) string {
		text := strings.Replace(good.xml(), old, new, 1)
		if text == good.xml() {
			t.Fatalf("%s is not in the request", old)
		}
		return text
	}
	kid := good.kid(0)
	for _, tt := range []struct{ name, body, want string }{
		{"an empty request", "", ""},
		{"no XML", "keys, please", ""},
		{"cut off", good.xml()[:300], ""},
		{"entities", strings.Replace(good.xml(), "<cpix:CPIX", `<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><cpix:CPIX`, 1), ""},
		{"an external entity", strings.Replace(good.xml(), "<cpix:CPIX", `<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><cpix:CPIX`, 1), ""},
		{"no contentId", without(`contentId="refused" `), "Missing CPIX@contentId"},
		{"an empty contentId", replace(`contentId="refused"`, `contentId=""`), "Missing CPIX@contentId"},
		{"id in place of contentId", replace("contentId", "id"), "Missing CPIX@contentId"},
		{"no version", without(`version="2.3" `), "Missing CPIX@version"},
		{"a version of the future", with(func(q *question) { q.version = "4.0" }), "Unsupported CPIX@version"},
		{"a version of the past", with(func(q *question) { q.version = "2.0" }), "Unsupported CPIX@version"},
		{"no ContentKeyList", without(`<cpix:ContentKeyList>.*</cpix:ContentKeyList>`), ""},
		{"no ContentKey", without(`<cpix:ContentKey .*?</cpix:ContentKey><cpix:ContentKey .*?</cpix:ContentKey>`), ""},
		{"no DRMSystemList", without(`<cpix:DRMSystemList>.*</cpix:DRMSystemList>`), ""},
		{"no DRMSystem", without(`<cpix:DRMSystem .*</cpix:DRMSystem>`), ""},
		{"no ContentKeyUsageRuleList", without(`<cpix:ContentKeyUsageRuleList>.*</cpix:ContentKeyUsageRuleList>`), "Missing CPIX encryption contract"},
		{"no ContentKeyUsageRule", without(`<cpix:ContentKeyUsageRule .*</cpix:ContentKeyUsageRule>`), "Malformed encryption contract"},
		{"no filters", without(`<cpix:(Video|Audio)Filter */>`), "Malformed encryption contract"},
		{"ContentKey without kid", replace(`<cpix:ContentKey kid="`+kid+`"`, `<cpix:ContentKey`), ""},
		{"ContentKey without commonEncryptionScheme", replace(` commonEncryptionScheme="cenc"`, ""), "Missing ContentKey@commonEncryptionScheme for KID " + kid},
		{"DRMSystem without kid", replace(`<cpix:DRMSystem kid="`+kid+`"`, `<cpix:DRMSystem`), ""},
		{"DRMSystem without systemId", replace(` systemId="`+widevine+`"`, ""), ""},
		{"ContentKeyUsageRule without kid", replace(`<cpix:ContentKeyUsageRule kid="`+kid+`"`, `<cpix:ContentKeyUsageRule`), "Malformed encryption contract"},
		{"ContentKeyUsageRule without intendedTrackType", replace(` intendedTrackType="VIDEO"`, ""), "Malformed encryption contract"},
		{"two schemes", replace(`commonEncryptionScheme="cenc"`, `commonEncryptionScheme="cbcs"`), "Non compliant ContentKey@commonEncryptionScheme combination"},
		{"a scheme that nobody knows", with(func(q *question) { q.scheme = "rot13" }), "Non compliant ContentKey@commonEncryptionScheme combination"},
		{"FairPlay by cenc", with(func(q *question) { q.systems = []string{fairPlay} }), "ContentKey@commonEncryptionScheme non compatible with DRMSystem " + fairPlay},
		{"ALL beside others", with(func(q *question) { q.tracks = []string{"SD", "ALL", "STEREO_AUDIO", "MULTICHANNEL_AUDIO"} }), "Malformed encryption contract"},
		{"ALL for several keys", with(func(q *question) { q.tracks = []string{"ALL", "ALL"} }), "Malformed encryption contract"},
		{"one track twice", with(func(q *question) { q.tracks = []string{"SD", "SD"} }), "Malformed encryption contract"},
		{"a period that is nowhere", replace(`<cpix:VideoFilter`, `<cpix:KeyPeriodFilter periodId="gone"/><cpix:VideoFilter`), "Malformed encryption contract"},
		{"a system that is not signalled", with(func(q *question) { q.systems = []string{"80a6be7e-1448-4c37-9e70-d5aebe04c8d2"} }), ""},
		{"HLS of a system that has none", replace(widevine, common), ""},
		{"a key of the caller's", replace(`commonEncryptionScheme="cenc">`, `commonEncryptionScheme="cenc"><cpix:Data/>`), ""},
		{"two keys of one KID", strings.ReplaceAll(good.xml(), good.kid(1), kid), ""},
	} {
		a := b.speke(tt.body, &b.root)
		if a.status != http.StatusUnprocessableEntity || tt.want != "" && a.body != tt.want || a.header.Get("X-Speke-Version") != "2.0" || a.header.Get("X-Speke-User-Agent") == "" {
			t.Errorf("%s: got %d %q, want 422 %q", tt.name, a.status, a.body, tt.want)
		}
		if strings.Contains(a.body, "PlainValue") || strings.Contains(a.body, "root:") {
			t.Errorf("%s: the refusal has something in it: %s", tt.name, a.body)
		}
	}
	if ids, err := b.keys.KeyIDs(t.Context(), account, good.content); err != nil || len(ids) != 0 {
		t.Errorf("refusals made keys: %v, %v", ids, err)
	}
	// A KID of another content is that content's no less, and its key another.
	first, another := read(t, good, b.speke(good.xml(), &b.root)), good
	another.content = "another film"
	if g := read(t, another, b.speke(another.xml(), &b.root)); g.Keys[0].Keys[0].Plain[0] == first.Keys[0].Keys[0].Plain[0] {
		t.Error("two contents share a key")
	}
	for _, tt := range []struct {
		name, path string
		header     map[string]string
		status     int
		want       string
	}{
		{"another version", "/speke/v2.0/copyProtection", map[string]string{"X-Speke-Version": "3.0"}, 422, "Unsupported SPEKE version"},
		{"version 2.1", "/speke/v2.0/copyProtection", map[string]string{"X-Speke-Version": "2.1"}, 422, "Unsupported SPEKE version"},
		{"no version, which is 1.0", "/speke/v2.0/copyProtection", nil, 422, "Unsupported SPEKE version"},
		{"2.0 at the door of 1.0", "/speke/v1.0/copyProtection", map[string]string{"X-Speke-Version": "2.0"}, 422, "Unsupported SPEKE version"},
		{"another type", "/speke/v2.0/copyProtection", map[string]string{"X-Speke-Version": "2.0", "Content-Type": "application/json"}, 415, ""},
		{"a query", "/speke/v2.0/copyProtection?a=b", map[string]string{"X-Speke-Version": "2.0"}, 400, ""},
		{"another path", "/speke/v3.0/copyProtection", nil, 403, ""},
	} {
		if tt.header["Content-Type"] == "" {
			tt.header = map[string]string{"X-Speke-Version": tt.header["X-Speke-Version"], "Content-Type": "application/xml"}
		}
		if tt.header["X-Speke-Version"] == "" {
			delete(tt.header, "X-Speke-Version")
		}
		if a := b.send("POST", tt.path, tt.header, good.xml(), &b.root); a.status != tt.status || tt.want != "" && a.body != tt.want {
			t.Errorf("%s: got %d %q, want %d %q", tt.name, a.status, a.body, tt.status, tt.want)
		}
	}
}
