package cpix

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/cenc"
	"darkroom/internal/media"
	"darkroom/internal/secret"
)

// recipientOf is a certificate with its key, made once for all tests.
var recipientOf = sync.OnceValues(func() ([]byte, *rsa.PrivateKey) {
	k, err := rsa.GenerateKey(rand.Reader, recipientBits)
	if err != nil {
		panic(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, certificateTemplate(), certificateTemplate(), k.Public(), k)
	if err != nil {
		panic(err)
	}
	return der, k
})

func certificateTemplate() *x509.Certificate {
	return &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "packager"}, NotAfter: time.Now().Add(time.Hour)}
}

func box(system cenc.UUID, data []byte, kids ...cenc.UUID) []byte {
	return cenc.PSSH{System: system, KeyIDs: kids, Data: data}.Append(nil)
}

// object is a PlayReady object with a header.
func object(header string) []byte {
	var h []byte
	for _, u := range utf16.Encode([]rune(header)) {
		h = binary.LittleEndian.AppendUint16(h, u)
	}
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(h)+10))
	b = binary.LittleEndian.AppendUint16(b, 1)
	b = binary.LittleEndian.AppendUint16(b, 1)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(h)))
	return append(b, h...)
}

// guid is a key identifier in base64, as PlayReady orders its bytes: the first three groups are little-endian.
func guid(k cenc.UUID) string {
	slices.Reverse(k[:4])
	slices.Reverse(k[4:6])
	slices.Reverse(k[6:8])
	return base64.StdEncoding.EncodeToString(k[:])
}

func header40(k cenc.UUID) string {
	return `<WRMHEADER xmlns="http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader" version="4.0.0.0"><DATA><PROTECTINFO><KEYLEN>16</KEYLEN><ALGID>AESCTR</ALGID></PROTECTINFO><KID>` + guid(k) +
		`</KID></DATA></WRMHEADER>`
}

func header43(k cenc.UUID) string {
	return `<WRMHEADER xmlns="http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader" version="4.3.0.0"><DATA><PROTECTINFO><KIDS><KID ALGID="AESCBC" VALUE="` + guid(k) +
		`"></KID></KIDS></PROTECTINFO></DATA></WRMHEADER>`
}

// key is a content key of a test: its bytes follow from its identifier.
func key(id cenc.UUID) cenc.Key {
	v := bytes.Clone(id[:])
	slices.Reverse(v)
	return cenc.Key{ID: id, Value: secret.New(v)}
}

// serve answers a request as a key server that knows every system.
func serve(t testing.TB, text []byte, version, method string) []byte {
	t.Helper()
	r, err := ParseRequest(text, version)
	if err != nil {
		t.Fatalf("ParseRequest: %v", err)
	}
	a := &Answer{Request: r}
	for _, k := range r.Keys {
		p := cenc.Protection{Key: key(k.ID)}
		for _, s := range r.Systems {
			if s.KeyID == k.ID {
				p.Signals = append(p.Signals, signalOf(r.ToldScheme(), s.ID, k.ID, method))
			}
		}
		a.Keys = append(a.Keys, p)
	}
	out, err := a.Encode(rand.Reader)
	if err != nil {
		t.Fatalf("Encode: %v", err)
	}
	return out
}

// signal is what a system is told under cbcs.
func signal(system, kid cenc.UUID, method string) cenc.Signal {
	return signalOf(cenc.CBCS, system, kid, method)
}

func signalOf(scheme cenc.Scheme, system, kid cenc.UUID, method string) cenc.Signal {
	pssh := func(b []byte) string {
		return `<pssh xmlns="urn:mpeg:cenc:2013">` + base64.StdEncoding.EncodeToString(b) + `</pssh>`
	}
	g := cenc.Signal{System: system}
	h := cenc.HLSKey{Method: method}
	switch system {
	case cenc.Widevine:
		g.PSSH = box(system, cenc.WidevineHeader{Scheme: scheme, KeyIDs: []cenc.UUID{kid}}.Append(nil))
		g.ContentProtection = []byte(pssh(g.PSSH))
		h.URI, h.KeyFormat = "data:text/plain;base64,"+base64.StdEncoding.EncodeToString(g.PSSH), "urn:uuid:"+system.String()
	case cenc.PlayReady:
		g.Smooth = object(header43(kid))
		if scheme == cenc.CENC {
			g.Smooth = object(header40(kid))
		}
		g.PSSH = box(system, g.Smooth)
		g.ContentProtection = []byte(pssh(g.PSSH) + `<pro xmlns="urn:microsoft:playready">` + base64.StdEncoding.EncodeToString(g.Smooth) + `</pro>`)
		h.URI, h.KeyFormat = "data:text/plain;charset=UTF-16;base64,"+base64.StdEncoding.EncodeToString(g.Smooth), "com.microsoft.playready"
	case cenc.FairPlay:
		h.URI, h.KeyFormat = "skd://"+kid.String(), "com.apple.streamingkeydelivery"
	default:
		h.URI, h.KeyFormat = "https://keys.example/"+kid.String(), "identity"
	}
	h.KeyFormatVersions = "1"
	media, master := h, h
	g.Media, g.Master = &media, &master
	return g
}

func mustContract(t testing.TB, video, audio string) []Use {
	t.Helper()
	u, err := Contract(video, audio)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func mustRequest(t testing.TB, o Options) *Request {
	t.Helper()
	r, err := NewRequest(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func compare(t *testing.T, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmp.AllowUnexported(secret.Bytes{})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

var iv = []byte("0123456789abcdef")

// TestExchange: what one side writes is what the other reads, in both directions, for every shape of request.
func TestExchange(t *testing.T) {
	t.Parallel()
	certificate, private := recipientOf()
	all := []Wanted{{ID: cenc.Widevine, DASH: true, HLS: true}, {ID: cenc.PlayReady, DASH: true, HLS: true}, {ID: cenc.FairPlay, HLS: true}}
	for _, c := range []struct {
		name    string
		version string
		o       Options
		key     crypto.Decrypter
	}{
		{"v2, all systems, many keys", "2.0", Options{
			ContentID: "film & co <1>", Version: V2, Uses: mustContract(t, "PRESET_VIDEO_8", "PRESET_AUDIO_3"), Scheme: cenc.CBCS, Method: "SAMPLE-AES", Systems: all, Boxes: true, IV: iv,
		}, nil},
		{"v2, encrypted", "2.0", Options{
			ContentID: "film", Version: V2, Uses: mustContract(t, "PRESET_VIDEO_1", "PRESET_AUDIO_1"), Scheme: cenc.CENC, Method: "SAMPLE-AES-CTR", Systems: all[:2], Boxes: true, Certificate: certificate,
		}, private},
		{"v2, DASH alone", "2.0", Options{
			ContentID: "film", Version: V2, Uses: Shared(), Scheme: cenc.CENC, Systems: []Wanted{{ID: cenc.Widevine, DASH: true}}, Boxes: true,
		}, nil},
		{"v2, Smooth", "2.0", Options{
			ContentID: "film", Version: V2, Uses: Shared(), Scheme: cenc.CENC, Systems: []Wanted{{ID: cenc.PlayReady, Smooth: true}},
		}, nil},
		{"v2, AES-128", "2.0", Options{
			ContentID: "film", Version: V2, Uses: Shared(), Scheme: cenc.CBCS, Method: "AES-128", Systems: []Wanted{{ID: cenc.ClearKeyAES128, HLS: true}},
		}, nil},
		{"v1, FairPlay in transport streams", "", Options{
			ContentID: "film", Version: V1, Uses: Shared(), Scheme: cenc.CBCS, Method: "SAMPLE-AES", Systems: []Wanted{{ID: cenc.FairPlay, HLS: true}},
		}, nil},
		{"v1, CMAF, encrypted", "", Options{
			ContentID: "film", Version: V1, Uses: Shared(), Scheme: cenc.CBCS, Method: "SAMPLE-AES", Boxes: true, IV: iv, Certificate: certificate,
			Systems: []Wanted{{ID: cenc.Widevine, DASH: true}, {ID: cenc.PlayReady, DASH: true}, {ID: cenc.FairPlay, HLS: true}},
		}, private},
		{"v1, Smooth", "", Options{
			ContentID: "film", Version: V1, Uses: Shared(), Scheme: cenc.CENC, Systems: []Wanted{{ID: cenc.PlayReady, Smooth: true}},
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := mustRequest(t, c.o)
			text := r.Encode()
			asked, err := ParseRequest(text, c.version)
			if err != nil {
				t.Fatalf("ParseRequest: %v\n%s", err, text)
			}
			same := *r
			same.Method, same.Encrypted = "", 0
			compare(t, &same, asked)
			got, err := Parse(r, serve(t, text, c.version, c.o.Method), c.key)
			if err != nil {
				t.Fatalf("Parse: %v", err)
			}
			var want []cenc.Protection
			for _, u := range c.o.Uses {
				k := key(KeyID(c.o.ContentID, u.Track))
				k.IV = c.o.IV
				p := cenc.Protection{Key: k}
				for _, w := range c.o.Systems {
					g := signalOf(c.o.Scheme, w.ID, k.ID, c.o.Method)
					if !w.HLS {
						g.Media, g.Master = nil, nil
					}
					if !w.DASH {
						g.ContentProtection = nil
					}
					if !w.Smooth {
						g.Smooth = nil
					}
					if !c.o.Boxes {
						g.PSSH = nil
					}
					p.Signals = append(p.Signals, g)
				}
				want = append(want, p)
			}
			compare(t, want, got)
		})
	}
}

// TestRequestText holds the documents to the letter: key servers match prefixes.
func TestRequestText(t *testing.T) {
	t.Parallel()
	v2 := mustRequest(t, Options{
		ContentID: "abc123", Version: V2, Uses: mustContract(t, "PRESET_VIDEO_7", "UNENCRYPTED")[:2], Scheme: cenc.CBCS, Method: "SAMPLE-AES", Boxes: true, IV: iv,
		Systems: []Wanted{{ID: cenc.Widevine, DASH: true, HLS: true}, {ID: cenc.FairPlay, HLS: true}},
	})
	sd, hd := KeyID("abc123", "SD+HD1"), KeyID("abc123", "HD2")
	lines := func(s string) string { return strings.NewReplacer("\n", "", "\t", "").Replace(s) }
	want := lines(`<?xml version="1.0" encoding="UTF-8"?>
<cpix:CPIX contentId="abc123" version="2.3" xmlns:cpix="urn:dashif:org:cpix" xmlns:pskc="urn:ietf:params:xml:ns:keyprov:pskc">
	<cpix:ContentKeyList>
		<cpix:ContentKey kid="` + sd.String() + `" explicitIV="MDEyMzQ1Njc4OWFiY2RlZg==" commonEncryptionScheme="cbcs"/>
		<cpix:ContentKey kid="` + hd.String() + `" explicitIV="MDEyMzQ1Njc4OWFiY2RlZg==" commonEncryptionScheme="cbcs"/>
	</cpix:ContentKeyList>
	<cpix:DRMSystemList>
		<cpix:DRMSystem kid="` + sd.String() + `" systemId="edef8ba9-79d6-4ace-a3c8-27dcd51d21ed">
			<cpix:PSSH/><cpix:ContentProtectionData/><cpix:HLSSignalingData playlist="media"/><cpix:HLSSignalingData playlist="master"/>
		</cpix:DRMSystem>
		<cpix:DRMSystem kid="` + hd.String() + `" systemId="edef8ba9-79d6-4ace-a3c8-27dcd51d21ed">
			<cpix:PSSH/><cpix:ContentProtectionData/><cpix:HLSSignalingData playlist="media"/><cpix:HLSSignalingData playlist="master"/>
		</cpix:DRMSystem>
		<cpix:DRMSystem kid="` + sd.String() + `" systemId="94ce86fb-07ff-4f43-adb8-93d2fa968ca2">
			<cpix:HLSSignalingData playlist="media"/><cpix:HLSSignalingData playlist="master"/>
		</cpix:DRMSystem>
		<cpix:DRMSystem kid="` + hd.String() + `" systemId="94ce86fb-07ff-4f43-adb8-93d2fa968ca2">
			<cpix:HLSSignalingData playlist="media"/><cpix:HLSSignalingData playlist="master"/>
		</cpix:DRMSystem>
	</cpix:DRMSystemList>
	<cpix:ContentKeyUsageRuleList>
		<cpix:ContentKeyUsageRule kid="` + sd.String() + `" intendedTrackType="SD+HD1">
			<cpix:VideoFilter maxPixels="589824"/><cpix:VideoFilter minPixels="589825" maxPixels="921600"/>
		</cpix:ContentKeyUsageRule>
		<cpix:ContentKeyUsageRule kid="` + hd.String() + `" intendedTrackType="HD2"><cpix:VideoFilter minPixels="921601" maxPixels="2073600"/></cpix:ContentKeyUsageRule>
	</cpix:ContentKeyUsageRuleList>
</cpix:CPIX>`)
	if got := lines(string(v2.Encode())); got != want {
		t.Errorf("v2.0\n got %s\nwant %s", got, want)
	}
	v1 := mustRequest(t, Options{
		ContentID: "abc123", Version: V1, Uses: Shared(), Scheme: cenc.CBCS, Method: "SAMPLE-AES", Boxes: true, Certificate: []byte("DER"),
		Systems: []Wanted{{ID: cenc.Widevine, DASH: true}, {ID: cenc.FairPlay, HLS: true}},
	})
	k := KeyID("abc123", All).String()
	want = lines(`<?xml version="1.0" encoding="UTF-8"?>
<cpix:CPIX id="abc123" xmlns:cpix="urn:dashif:org:cpix" xmlns:pskc="urn:ietf:params:xml:ns:keyprov:pskc" xmlns:speke="urn:aws:amazon:com:speke" `) + lines(`
xmlns:ds="http://www.w3.org/2000/09/xmldsig#" xmlns:enc="http://www.w3.org/2001/04/xmlenc#">
	<cpix:DeliveryDataList><cpix:DeliveryData id="darkroom"><cpix:DeliveryKey><ds:X509Data>
		<ds:X509Certificate>REVS</ds:X509Certificate>
	</ds:X509Data></cpix:DeliveryKey></cpix:DeliveryData></cpix:DeliveryDataList>
	<cpix:ContentKeyList><cpix:ContentKey kid="`+k+`"/></cpix:ContentKeyList>
	<cpix:DRMSystemList>
		<cpix:DRMSystem kid="`+k+`" systemId="edef8ba9-79d6-4ace-a3c8-27dcd51d21ed"><cpix:PSSH/><cpix:ContentProtectionData/></cpix:DRMSystem>
		<cpix:DRMSystem kid="`+k+`" systemId="94ce86fb-07ff-4f43-adb8-93d2fa968ca2"><cpix:URIExtXKey/><speke:KeyFormat/><speke:KeyFormatVersions/></cpix:DRMSystem>
	</cpix:DRMSystemList>
</cpix:CPIX>`)
	if got := lines(string(v1.Encode())); got != want {
		t.Errorf("v1.0\n got %s\nwant %s", got, want)
	}
}

func TestKeyID(t *testing.T) {
	t.Parallel()
	a := KeyID("film", "HD")
	if a != KeyID("film", "HD") {
		t.Error("the same content and track have two identifiers")
	}
	if a[6]>>4 != 8 || a[8]>>6 != 2 {
		t.Errorf("%s is not a UUID of version 8", a)
	}
	for _, other := range []cenc.UUID{KeyID("film", "SD"), KeyID("film2", "HD"), KeyID("filmH", "D"), KeyID("film1", "")} {
		if a == other {
			t.Error("two tracks or contents share an identifier")
		}
	}
}

func TestNoRequest(t *testing.T) {
	t.Parallel()
	good := Options{ContentID: "film", Version: V2, Uses: Shared(), Scheme: cenc.CBCS, Method: "SAMPLE-AES", Systems: []Wanted{{ID: cenc.FairPlay, HLS: true}}}
	if _, err := NewRequest(good); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		edit func(*Options)
	}{
		{"no version", func(o *Options) { o.Version = 0 }},
		{"a version to come", func(o *Options) { o.Version = 3 }},
		{"no content id", func(o *Options) { o.ContentID = "" }},
		{"a line in the content id", func(o *Options) { o.ContentID = "a\nb" }},
		{"a content id that is not UTF-8", func(o *Options) { o.ContentID = "a\xff" }},
		{"a content id without end", func(o *Options) { o.ContentID = strings.Repeat("a", maxID+1) }},
		{"no keys", func(o *Options) { o.Uses = nil }},
		{"several keys in v1", func(o *Options) { o.Version, o.Uses = V1, mustContract(t, "PRESET_VIDEO_1", "PRESET_AUDIO_1") }},
		{"no systems", func(o *Options) { o.Systems = nil }},
		{"no scheme", func(o *Options) { o.Scheme = 0 }},
		{"FairPlay under cenc", func(o *Options) { o.Scheme = cenc.CENC }},
		{"FairPlay in DASH", func(o *Options) { o.Systems = []Wanted{{ID: cenc.FairPlay, DASH: true}} }},
		{"Widevine in Smooth", func(o *Options) { o.Systems = []Wanted{{ID: cenc.Widevine, Smooth: true}} }},
		{"a system twice", func(o *Options) { o.Systems = append(o.Systems, o.Systems[0]) }},
		{"a system for nothing", func(o *Options) { o.Systems = []Wanted{{ID: cenc.Widevine}} }},
		{"half a vector", func(o *Options) { o.IV = iv[:8] }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := good
			o.Systems = slices.Clone(good.Systems)
			c.edit(&o)
			if _, err := NewRequest(o); err == nil {
				t.Error("no error")
			}
		})
	}
}

// answered is a request with its good answer, which tests spoil.
func answered(t testing.TB, o Options) (*Request, string) {
	t.Helper()
	r := mustRequest(t, o)
	version := "2.0"
	if o.Version == V1 {
		version = ""
	}
	return r, string(serve(t, r.Encode(), version, o.Method))
}

func b64(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// TestBadAnswers: every way in which an answer is not the one to the question is refused, with words that say which.
func TestBadAnswers(t *testing.T) {
	t.Parallel()
	r, good := answered(t, Options{
		ContentID: "film", Version: V2, Uses: mustContract(t, "PRESET_VIDEO_1", "PRESET_AUDIO_1"), Scheme: cenc.CBCS, Method: "SAMPLE-AES", Boxes: true, IV: iv,
		Systems: []Wanted{{ID: cenc.Widevine, DASH: true, HLS: true}, {ID: cenc.PlayReady, DASH: true, HLS: true}, {ID: cenc.FairPlay, HLS: true}},
	})
	if _, err := Parse(r, []byte(good), nil); err != nil {
		t.Fatal(err)
	}
	video, audio := r.Keys[0].ID, r.Keys[1].ID
	stranger := KeyID("another film", "VIDEO")
	value := base64.StdEncoding.EncodeToString(key(video).Value.Reveal())
	line := func(system cenc.UUID, tag string) string {
		return base64.StdEncoding.EncodeToString(hlsLine(tag, signal(system, video, "SAMPLE-AES").Media))
	}
	fairplay := func(edit string) [2]string { // the line of the media playlist, spoiled
		return [2]string{line(cenc.FairPlay, mediaTag), b64(edit)}
	}
	pssh := base64.StdEncoding.EncodeToString(signal(cenc.Widevine, video, "").PSSH)
	protection := base64.StdEncoding.EncodeToString(signal(cenc.Widevine, video, "").ContentProtection)
	ready := base64.StdEncoding.EncodeToString(signal(cenc.PlayReady, video, "").PSSH)
	element := func(name string) string { // the first element of that name, whole
		from := strings.Index(good, "<cpix:"+name)
		kind, _, _ := strings.Cut(name, " ")
		end := "</cpix:" + kind + ">"
		return good[from : from+strings.Index(good[from:], end)+len(end)]
	}
	for _, c := range []struct {
		name     string
		old, new string
		want     string
	}{
		{"another content", `contentId="film"`, `contentId="other"`, "another content"},
		{"no content id", ` contentId="film"`, ``, "another content"},
		{"another version", `version="2.3"`, `version="2.4"`, "CPIX@version"},
		{"another namespace", `urn:dashif:org:cpix"`, `urn:example:cpix"`, "not CPIX"},
		{"another root", `cpix:CPIX`, `cpix:Catalogue`, "not CPIX"},
		{"a missing key", element("ContentKey "), "", "no key of KID"},
		{"no key list", element("ContentKeyList"), "", "no ContentKeyList"},
		{"a key twice", element("ContentKey "), element("ContentKey ") + element("ContentKey "), "two keys"},
		{"a key of another film", element("ContentKey "), strings.ReplaceAll(element("ContentKey "), video.String(), stranger.String()), "not asked for"},
		{"one key more", element("ContentKey "), element("ContentKey ") + strings.ReplaceAll(element("ContentKey "), video.String(), stranger.String()), "not asked for"},
		{"a KID that is none", `kid="` + video.String(), `kid="` + video.String()[1:], "not a UUID"},
		{"another scheme", `commonEncryptionScheme="cbcs"`, `commonEncryptionScheme="cenc"`, "commonEncryptionScheme"},
		{"no scheme", ` commonEncryptionScheme="cbcs"`, ``, "commonEncryptionScheme"},
		{"a key too short", value, base64.StdEncoding.EncodeToString(iv[:15]), "15 bytes"},
		{"a key too long", value, base64.StdEncoding.EncodeToString(append(iv[:16:16], 0)), "17 bytes"},
		{"no value", value, "", "0 bytes"},
		{"a value that is not base64", value, strings.Replace(value, "=", "*", 1), "not base64"},
		{"two values", "<pskc:PlainValue>" + value + "</pskc:PlainValue>", "<pskc:PlainValue>" + value + "</pskc:PlainValue><pskc:PlainValue>" + value + "</pskc:PlainValue>", "2 elements PlainValue"},
		{"no vector", ` explicitIV="` + base64.StdEncoding.EncodeToString(iv) + `"`, "", "not the one that was given"},
		{"another vector", `explicitIV="` + base64.StdEncoding.EncodeToString(iv), `explicitIV="` + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 16)), "not the one that was given"},
		{"a short vector", `explicitIV="` + base64.StdEncoding.EncodeToString(iv), `explicitIV="` + base64.StdEncoding.EncodeToString(iv[:8]), "8 bytes"},
		{"a missing system", element("DRMSystem "), "", "is not there"},
		{"a system twice", element("DRMSystem "), element("DRMSystem ") + element("DRMSystem "), "stands twice"},
		{"no box", "<cpix:PSSH>" + pssh + "</cpix:PSSH>", "", "no PSSH"},
		{"an empty box", "<cpix:PSSH>" + pssh + "</cpix:PSSH>", "<cpix:PSSH/>", "PSSH is empty"},
		{"a box of another system", "<cpix:PSSH>" + pssh, "<cpix:PSSH>" + ready, "another DRM system"},
		{"a box cut short", "<cpix:PSSH>" + pssh, "<cpix:PSSH>" + base64.StdEncoding.EncodeToString(signal(cenc.Widevine, video, "").PSSH[:40]), "not a pssh box"},
		{"a box about another key", "<cpix:PSSH>" + pssh, "<cpix:PSSH>" + base64.StdEncoding.EncodeToString(box(cenc.Widevine, nil, stranger)), "other keys"},
		{"another box in the MPD", "<cpix:PSSH>" + pssh, "<cpix:PSSH>" + base64.StdEncoding.EncodeToString(box(cenc.Widevine, nil)), "is not its PSSH"},
		{"a PlayReady header about another key", "<cpix:PSSH>" + ready, "<cpix:PSSH>" + base64.StdEncoding.EncodeToString(box(cenc.PlayReady, object(header43(audio)))), "other keys"},
		{"no box in the MPD", protection, b64(`<a xmlns="urn:x"/>`), "no element pssh"},
		{"two boxes in the MPD", protection, base64.StdEncoding.EncodeToString(bytes.Repeat(signal(cenc.Widevine, video, "").ContentProtection, 2)), "2 elements pssh"},
		{"what is no XML in the MPD", protection, b64(`<pssh>`), "not well-formed"},
		{"an undeclared prefix in the MPD", protection, b64(`<cenc:pssh>` + pssh + `</cenc:pssh>`), "which nothing declares"},
		{"a declaration in the MPD", protection, b64(`<!DOCTYPE a><a/>`), "a declaration"},
		{"an instruction in the MPD", protection, b64(`<?xml-stylesheet href="x"?><a/>`), "an instruction"},
		{"no signalling for the master", element("HLSSignalingData playlist=\"media\""), "", "both playlists"},
		{"the same playlist twice", `playlist="master"`, `playlist="media"`, "twice"},
		{"a playlist that is none", `playlist="master"`, `playlist="trick"`, "trick"},
		{"a tag of another playlist", line(cenc.FairPlay, mediaTag), line(cenc.FairPlay, masterTag), "#EXT-X-KEY"},
		{"another method", fairplay("")[0], fairplay(`#EXT-X-KEY:METHOD=NONE,URI="skd://a"`)[1], "METHOD=NONE"},
		{"a method of other segments", fairplay("")[0], fairplay(`#EXT-X-KEY:METHOD=AES-128,URI="skd://a"`)[1], "METHOD=AES-128"},
		{"no method", fairplay("")[0], fairplay(`#EXT-X-KEY:URI="skd://a"`)[1], "no METHOD"},
		{"no URI", fairplay("")[0], fairplay(`#EXT-X-KEY:METHOD=SAMPLE-AES`)[1], "no URI"},
		{"a URI without quotes", fairplay("")[0], fairplay(`#EXT-X-KEY:METHOD=SAMPLE-AES,URI=skd://a`)[1], "wrong kind"},
		{"a line more", fairplay("")[0], fairplay("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://a\"\n#EXT-X-ENDLIST")[1], "not a list"},
		{"a line in the URI", fairplay("")[0], fairplay("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://a\n#EXT\"")[1], "control character"},
		{"an open quotation", fairplay("")[0], fairplay(`#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://a`)[1], "does not end"},
		{"an attribute twice", fairplay("")[0], fairplay(`#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://a",URI="skd://b"`)[1], "twice"},
		{"an attribute nobody knows", fairplay("")[0], fairplay(`#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://a",X-COLOUR=RED`)[1], "X-COLOUR"},
		{"a vector too short in the line", fairplay("")[0], fairplay(`#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://a",IV=0x00`)[1], "IV is not"},
		{"another vector in the line", fairplay("")[0], fairplay(`#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://a",IV=0x00000000000000000000000000000001`)[1], "two initialization vectors"},
		{"another KEYID in the line", fairplay("")[0], fairplay(`#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://a",KEYID=0x00000000000000000000000000000001`)[1], "another key"},
		{"versions that are none", fairplay("")[0], fairplay(`#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://a",KEYFORMATVERSIONS="1//2"`)[1], "KEYFORMATVERSIONS"},
		{"two formats of one URI", fairplay("")[0], fairplay(`#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://` + video.String() + `",KEYFORMAT="identity",KEYFORMATVERSIONS="1"`)[1], "two formats"},
		{"no contract", element("ContentKeyUsageRuleList"), "", "ContentKeyUsageRuleList"},
		{"a rule less", element("ContentKeyUsageRule "), "", "1 rules, not 2"},
		{"keys changed over", `intendedTrackType="VIDEO"`, `intendedTrackType="AUDIO"`, `is for "AUDIO"`},
		{"a rule twice", `<cpix:ContentKeyUsageRule kid="` + audio.String() + `" intendedTrackType="AUDIO"`, `<cpix:ContentKeyUsageRule kid="` + video.String() + `" intendedTrackType="VIDEO"`, "two rules"},
		{"an element out of place", "<cpix:ContentKeyList>", "<cpix:ContentKeyList><cpix:PSSH/>", "does not belong"},
		{"an element nobody knows", "<cpix:ContentKeyList>", "<cpix:Surprise/><cpix:ContentKeyList>", "does not belong"},
		{"an attribute of another namespace", ` kid="` + video.String(), ` xmlns:x="urn:x" x:kid="` + stranger.String() + `" kid="` + video.String(), "another namespace"},
		{"a prefix called like the content id", `contentId="film"`, `contentId="other" xmlns:contentId="film"`, "another namespace"},
		{"a prefix called like the version", `version="2.3"`, `version="2.0" xmlns:version="2.3"`, "another namespace"},
		{"a prefix called like the KID", ` kid="` + video.String(), ` xmlns:kid="` + video.String() + `" kid="` + stranger.String(), "another namespace"},
		{"a vector with a prefix", ` explicitIV="` + base64.StdEncoding.EncodeToString(iv) + `"`, ` explicitIV="AAAA" xml:explicitIV="` + base64.StdEncoding.EncodeToString(iv) + `"`, "another namespace"},
		{"a scheme with a prefix", `commonEncryptionScheme="cbcs"`, `commonEncryptionScheme="cenc" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:commonEncryptionScheme="cbcs"`, "another namespace"},
		{"a scheme as a declaration", `commonEncryptionScheme="cbcs"`, `commonEncryptionScheme="cenc" xmlns:commonEncryptionScheme="cbcs"`, "another namespace"},
		{"a system with a prefix", ` systemId="`, ` xml:systemId="x" systemId="`, "another namespace"},
		{"a type of track with a prefix", `intendedTrackType="VIDEO"`, `intendedTrackType="AUDIO" xml:intendedTrackType="VIDEO"`, "another namespace"},
		{"a playlist with a prefix", `playlist="media"`, `playlist="trick" xmlns:playlist="media"`, "another namespace"},
		{"a limit with a prefix", `<cpix:VideoFilter`, `<cpix:VideoFilter xml:minPixels="1"`, "another namespace"},
		{"an attribute twice", `version="2.3"`, `version="2.3" version="2.3"`, "twice"},
		{"an instruction", "<cpix:ContentKeyList>", "<?php exit ?><cpix:ContentKeyList>", "processing instruction"},
		{"a second root", "</cpix:CPIX>", "</cpix:CPIX><cpix:CPIX xmlns:cpix=\"urn:dashif:org:cpix\"/>", "two roots"},
		{"text behind", "</cpix:CPIX>", "</cpix:CPIX>keys", "outside its root"},
		{"cut short", "</cpix:CPIX>", "", "not well-formed"},
		{"encrypted unasked", "<pskc:PlainValue>" + value + "</pskc:PlainValue>", "<pskc:EncryptedValue/>", "no certificate"},
		{"a document type", "<cpix:CPIX ", `<!DOCTYPE x [<!ENTITY a "aa">]><cpix:CPIX `, "document type"},
		{"an entity in a comment's clothes", "<cpix:CPIX ", `<!-- --><!ENTITY a "aa"><cpix:CPIX `, "document type"},
		{"not UTF-8", `contentId="film"`, "contentId=\"film\xff\"", "not UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(good, c.old) {
				t.Fatalf("the answer does not hold what is to be spoiled: %s", c.old)
			}
			keys, err := Parse(r, []byte(strings.Replace(good, c.old, c.new, 1)), nil)
			if err == nil || keys != nil {
				t.Fatalf("got %d keys, error %v", len(keys), err)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, want words that contain %q", err, c.want)
			}
			if strings.Contains(err.Error(), value) {
				t.Error("the error shows a key")
			}
		})
	}
	for _, c := range []struct{ name, text string }{
		{"nothing", ""},
		{"no XML", "keys"},
		{"an error page", "<html><body>Not found</body></html>"},
		{"too long", good + strings.Repeat(" ", MaxDocument)},
		{"too deep", strings.Replace(good, "<cpix:ContentKeyList>", strings.Repeat(`<x xmlns="urn:x">`, 20)+strings.Repeat("</x>", 20)+"<cpix:ContentKeyList>", 1)},
		{"UTF-16", string([]byte{0xff, 0xfe, '<', 0, '!', 0})},
		{"a billion laughs", `<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;">]><cpix:CPIX>&lol2;</cpix:CPIX>`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if keys, err := Parse(r, []byte(c.text), nil); err == nil || keys != nil {
				t.Errorf("got %d keys, error %v", len(keys), err)
			}
		})
	}
}

// TestReadAttributes: the attributes that must not stand behind a prefix are all that are read.
func TestReadAttributes(t *testing.T) {
	t.Parallel()
	found := map[string]bool{}
	var walk func(of reflect.Type)
	walk = func(of reflect.Type) {
		switch of.Kind() {
		case reflect.Slice, reflect.Pointer:
			walk(of.Elem())
		case reflect.Struct:
			for i := range of.NumField() {
				f := of.Field(i)
				if name, ok := strings.CutSuffix(f.Tag.Get("xml"), ",attr"); ok {
					found[name] = true
				}
				walk(f.Type)
			}
		}
	}
	walk(reflect.TypeFor[document]())
	compare(t, readAttributes, found)
}

// TestGoodAnswers: what differs in nothing that matters is taken.
func TestGoodAnswers(t *testing.T) {
	t.Parallel()
	r, good := answered(t, Options{
		ContentID: "film", Version: V2, Uses: mustContract(t, "PRESET_VIDEO_1", "PRESET_AUDIO_1"), Scheme: cenc.CBCS, Method: "SAMPLE-AES", Boxes: true,
		Systems: []Wanted{{ID: cenc.Widevine, DASH: true, HLS: true}},
	})
	want, err := Parse(r, []byte(good), nil)
	if err != nil {
		t.Fatal(err)
	}
	value := base64.StdEncoding.EncodeToString(key(r.Keys[0].ID).Value.Reveal())
	for _, c := range []struct{ name, old, new string }{
		{"other prefixes", "cpix:", "c:"},
		{"upper case in identifiers", r.Keys[0].ID.String(), strings.ToUpper(r.Keys[0].ID.String())},
		{"white space in base64", value, "\n  " + value[:8] + "\r\n\t" + value[8:] + "\n"},
		{"a comment", "<cpix:ContentKeyList>", "<!-- keys --><cpix:ContentKeyList>"},
		{"an element of a vendor", "<cpix:ContentKeyList>", `<v:Trace xmlns:v="urn:vendor"><v:a kid="b"/></v:Trace><cpix:ContentKeyList>`},
		{"a history, which SPEKE passes over", "</cpix:CPIX>", "<cpix:UpdateHistoryItemList><cpix:UpdateHistoryItem/></cpix:UpdateHistoryItemList></cpix:CPIX>"},
		{"a root key, which SPEKE passes over", " kid=", ` dependsOnKey="x" kid=`},
		{"an end of line behind a tag", base64.StdEncoding.EncodeToString(hlsLine(mediaTag, signal(cenc.Widevine, r.Keys[0].ID, "SAMPLE-AES").Media)), base64.StdEncoding.EncodeToString(append(hlsLine(mediaTag, signal(cenc.Widevine, r.Keys[0].ID, "SAMPLE-AES").Media), '\r', '\n'))},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := 1
			if c.name == "other prefixes" {
				n = -1
			}
			text := strings.Replace(good, c.old, c.new, n)
			text = strings.Replace(text, "xmlns:cpix", "xmlns:"+strings.TrimSuffix(c.new, ":"), map[bool]int{true: 1, false: 0}[n < 0])
			if text == good {
				t.Fatal("nothing was changed")
			}
			got, err := Parse(r, []byte(text), nil)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, want, got)
		})
	}
}

// TestBadDelivery: an answer that was to come encrypted.
func TestBadDelivery(t *testing.T) {
	t.Parallel()
	certificate, private := recipientOf()
	r, good := answered(t, Options{
		ContentID: "film", Version: V2, Uses: Shared(), Scheme: cenc.CBCS, Method: "SAMPLE-AES", Certificate: certificate, Systems: []Wanted{{ID: cenc.FairPlay, HLS: true}},
	})
	if _, err := Parse(r, []byte(good), private); err != nil {
		t.Fatal(err)
	}
	other, err := rsa.GenerateKey(rand.Reader, recipientBits)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(r, []byte(good), other); err == nil || !strings.Contains(err.Error(), "does not open") {
		t.Errorf("with another private key: %v", err)
	}
	if _, err := Parse(r, []byte(good), nil); err == nil {
		t.Error("without a private key: no error")
	}
	macs := strings.Split(good, "<pskc:ValueMAC>")
	if len(macs) != 4 {
		t.Fatalf("%d MACs in the answer, want 3", len(macs)-1)
	}
	flip := func(after int, tag string) string { // flips a bit of the base64 behind the n-th tag
		parts := strings.Split(good, tag)
		b := []byte(parts[after])
		if b[4] == 'A' {
			b[4] = 'B'
		} else {
			b[4] = 'A'
		}
		parts[after] = string(b)
		return strings.Join(parts, tag)
	}
	contentMAC := macs[3][:strings.Index(macs[3], "<")]
	for _, c := range []struct{ name, text, want string }{
		{"an altered key", flip(3, "<enc:CipherValue>"), "MAC is wrong"},
		{"an altered MAC", flip(3, "<pskc:ValueMAC>"), "MAC is wrong"},
		{"no MAC", strings.Replace(good, "<pskc:ValueMAC>"+contentMAC+"</pskc:ValueMAC>", "", 1), "no ValueMAC"},
		{"a MAC cut short", strings.Replace(good, contentMAC, contentMAC[:44], 1), "MAC is wrong"},
		{"an empty MAC", strings.Replace(good, contentMAC, "", 1), "MAC is wrong"},
		{"an altered document key", flip(1, "<enc:CipherValue>"), "MAC is wrong"},
		{"an altered MAC key", flip(2, "<enc:CipherValue>"), "does not open"},
		{"a wrong MAC of the document key", flip(1, "<pskc:ValueMAC>"), "document key: its MAC is wrong"},
		{"another MAC algorithm", strings.Replace(good, "hmac-sha512", "hmac-sha1", 1), "MACMethod"},
		{"another cipher of the document", strings.Replace(good, "aes256-cbc", "aes128-cbc", 1), "algorithm"},
		{"another cipher of a key", replaceLast(good, "aes256-cbc", "tripledes-cbc"), "encrypted by"},
		{"RSA without OAEP", strings.Replace(good, "rsa-oaep-mgf1p", "rsa-1_5", 1), "encrypted by"},
		{"an algorithm with a prefix", strings.Replace(good, `Algorithm="http://www.w3.org/2001/04/xmlenc#aes256-cbc"`, `Algorithm="none" xmlns:Algorithm="http://www.w3.org/2001/04/xmlenc#aes256-cbc"`, 1), "another namespace"},
		{"another digest", strings.Replace(good, `rsa-oaep-mgf1p"/>`, `rsa-oaep-mgf1p"><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/></enc:EncryptionMethod>`, 1), "digest"},
		{"in the clear after all", replaceBetween(good, "<cpix:ContentKeyList>", "<pskc:Secret>", "</pskc:Secret>", "<pskc:PlainValue>"+base64.StdEncoding.EncodeToString(iv)+"</pskc:PlainValue>"), "in the clear"},
		{"no delivery data", good[:strings.Index(good, "<cpix:DeliveryDataList>")] + good[strings.Index(good, "<cpix:ContentKeyList>"):], "no DeliveryDataList"},
		{"for somebody else", strings.Replace(good, "<ds:X509Certificate>", "<ds:X509Certificate>AAAA", 1), "for our certificate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.text == good {
				t.Fatal("nothing was changed")
			}
			keys, err := Parse(r, []byte(c.text), private)
			if err == nil || keys != nil {
				t.Fatalf("got %d keys, error %v", len(keys), err)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, want words that contain %q", err, c.want)
			}
		})
	}
}

func replaceLast(s, old, replacement string) string {
	i := strings.LastIndex(s, old)
	return s[:i] + replacement + s[i+len(old):]
}

// replaceBetween puts text between two marks behind a third.
func replaceBetween(s, behind, from, to, text string) string {
	at := strings.Index(s, behind)
	a := at + strings.Index(s[at:], from) + len(from)
	b := a + strings.Index(s[a:], to)
	return s[:a] + text + s[b:]
}

// TestMACFirst: nothing is decrypted of a value whose MAC is wrong, whatever its length.
func TestMACFirst(t *testing.T) {
	t.Parallel()
	o := &opener{document: make([]byte, documentKeySize), mac: make([]byte, macKeySize)}
	for n := range 80 {
		v := make([]byte, n)
		s := secretValue{
			Encrypted: []encryptedValue{{Method: []encryptionMethod{{Algorithm: algorithmAES}}, Cipher: []cipherData{{Values: []string{base64.StdEncoding.EncodeToString(v)}}}}},
			MAC:       []string{base64.StdEncoding.EncodeToString(make([]byte, 64))},
		}
		if _, err := o.open(s); err == nil || err.Error() != "its MAC is wrong" {
			t.Fatalf("%d bytes: %v", n, err)
		}
		s.MAC[0] = base64.StdEncoding.EncodeToString(macOf(o.mac, v))
		if _, err := o.open(s); err == nil || !strings.Contains(err.Error(), "no key of 16 bytes") {
			t.Fatalf("%d bytes of zeros under a right MAC: %v", n, err)
		}
	}
}

// TestV1Servers: what servers for v1.0 leave empty.
func TestV1Servers(t *testing.T) {
	t.Parallel()
	r, good := answered(t, Options{
		ContentID: "film", Version: V1, Uses: Shared(), Scheme: cenc.CBCS, Method: "SAMPLE-AES", Boxes: true,
		Systems: []Wanted{{ID: cenc.Widevine, DASH: true}, {ID: cenc.FairPlay, HLS: true}},
	})
	g := signal(cenc.Widevine, r.Keys[0].ID, "")
	protection := base64.StdEncoding.EncodeToString(g.ContentProtection)
	bare := strings.NewReplacer(protection, "", b64("com.apple.streamingkeydelivery"), "").Replace(good)
	got, err := Parse(r, []byte(bare), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got[0].Signals[0].ContentProtection, g.ContentProtection) {
		t.Errorf("the descriptor is %s, want the box alone", got[0].Signals[0].ContentProtection)
	}
	if f := got[0].Signals[1].Media; f.KeyFormat != "" || f.Method != "SAMPLE-AES" {
		t.Errorf("EXT-X-KEY is %+v", f)
	}
	for _, c := range []struct{ name, old, new string }{
		{"another content", `id="film"`, `id="other"`},
		{"no URI", b64("skd://" + r.Keys[0].ID.String()), ""},
		{"a quotation in the URI", b64("skd://" + r.Keys[0].ID.String()), b64(`skd://a",IV="`)},
		{"a line in the format", b64("com.apple.streamingkeydelivery"), b64("a\n#EXT")},
	} {
		if _, err := Parse(r, []byte(strings.Replace(good, c.old, c.new, 1)), nil); err == nil {
			t.Errorf("%s: no error", c.name)
		}
	}
}

func TestPlayReady(t *testing.T) {
	t.Parallel()
	k, other := KeyID("a", "b"), KeyID("a", "c")
	head := `<WRMHEADER xmlns="http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader" version="`
	for _, c := range []struct {
		name   string
		object []byte
		want   string // "" is good
	}{
		{"4.0, CTR", object(head + `4.0.0.0"><DATA><PROTECTINFO><KEYLEN>16</KEYLEN><ALGID>AESCTR</ALGID></PROTECTINFO><KID>` + guid(k) + `</KID></DATA></WRMHEADER>`), ""},
		{"4.1, CTR", object(head + `4.1.0.0"><DATA><PROTECTINFO><KID ALGID="AESCTR" VALUE="` + guid(k) + `"/></PROTECTINFO></DATA></WRMHEADER>`), ""},
		{"4.3", object(header43(k)), ""},
		{"4.0 for samples of cbcs", object(header40(k)), "for another scheme than cbcs"},
		{"4.3 for samples of CTR", object(header43(k)), "for another scheme than cenc"},
		{"of several keys", object(strings.Replace(header43(k), "<KIDS>", `<KIDS><KID ALGID="AESCBC" VALUE="`+guid(other)+`"/>`, 1)), ""},
		{"of another key", object(header43(other)), "other keys"},
		{"in the order of a UUID", object(strings.Replace(header43(k), guid(k), base64.StdEncoding.EncodeToString(k[:]), 1)), "other keys"},
		{"of no key", object(head + `4.3.0.0"><DATA/></WRMHEADER>`), "not a PlayReady object"},
		{"cut short", object(header43(k))[:100], "not a PlayReady object"},
		{"with something behind", append(object(header43(k)), 0), "not a PlayReady object"},
		{"empty", nil, "not a PlayReady object"},
		{"without a header", []byte{6, 0, 0, 0, 0, 0}, "not a PlayReady object"},
		{"a header that is no XML", object("<WRMHEADER"), "not a PlayReady object"},
		{"a header with entities", object(`<!DOCTYPE a>` + header43(k)), "not a PlayReady object"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			scheme := cenc.CBCS
			if strings.HasSuffix(c.name, "CTR") {
				scheme = cenc.CENC
			}
			err := (&Request{Encrypted: scheme}).checkPlayReady(c.object, k)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestWidevine(t *testing.T) {
	t.Parallel()
	k, other := KeyID("a", "b"), KeyID("a", "c")
	about := func(scheme cenc.Scheme, kids ...cenc.UUID) []byte {
		return cenc.WidevineHeader{Scheme: scheme, KeyIDs: kids, Provider: "acme", ContentID: []byte("film")}.Append(nil)
	}
	for _, c := range []struct {
		name string
		data []byte
		want string // "" is good
	}{
		{"key and scheme", about(cenc.CBCS, k), ""},
		{"several keys", about(cenc.CBCS, other, k), ""},
		{"no scheme", about(0, k), ""},
		{"no key", about(cenc.CBCS), ""},
		{"the content alone", about(0), ""},
		{"nothing", nil, ""},
		{"the algorithm of old and a policy", append([]byte{0x08, 0x01}, append(about(cenc.CBCS, k), 0x32, 0x02, 'h', 'd')...), ""},
		{"another key", about(cenc.CBCS, other), "other keys"},
		{"a key that is no UUID", []byte{0x12, 0x01, 'k'}, "other keys"},
		{"another scheme", about(cenc.CENC, k), "another scheme than cbcs"},
		{"a scheme that is none of ours", append(about(0, k), 0x48, 0x01), "another scheme than cbcs"},
		{"a scheme that has more bits", append(about(0, k), 0x48, 0xf3, 0xc6, 0x89, 0x9b, 0x16), "another scheme than cbcs"},
		{"cut short", about(cenc.CBCS, k)[:10], "no header of Widevine"},
		{"no protocol buffer", []byte("nonsense"), "no header of Widevine"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := (&Request{Encrypted: cenc.CBCS}).checkPSSH(box(cenc.Widevine, c.data), cenc.Widevine, k)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestSchemes: a server that tells DRM systems of another scheme than samples are encrypted by is refused, in both versions; what says none is taken.
func TestSchemes(t *testing.T) {
	t.Parallel()
	for _, version := range []int{V1, V2} {
		r, good := answered(t, Options{
			ContentID: "film", Version: version, Uses: Shared(), Scheme: cenc.CBCS, Method: "SAMPLE-AES", Boxes: true,
			Systems: []Wanted{{ID: cenc.Widevine, DASH: true}, {ID: cenc.PlayReady, DASH: true}, {ID: cenc.FairPlay, HLS: true}},
		})
		if _, err := Parse(r, []byte(good), nil); err != nil {
			t.Fatalf("v%d: %v", version, err)
		}
		of := func(scheme cenc.Scheme, system cenc.UUID) (pssh, protection string) {
			g := signalOf(scheme, system, r.Keys[0].ID, "SAMPLE-AES")
			return base64.StdEncoding.EncodeToString(g.PSSH), base64.StdEncoding.EncodeToString(g.ContentProtection)
		}
		for name, system := range map[string]cenc.UUID{"Widevine": cenc.Widevine, "PlayReady": cenc.PlayReady} {
			pssh, protection := of(cenc.CBCS, system)
			wrongPSSH, wrongProtection := of(cenc.CENC, system)
			for part, text := range map[string]string{
				"both":    strings.NewReplacer(pssh, wrongPSSH, protection, wrongProtection).Replace(good),
				"the box": strings.Replace(good, "<cpix:PSSH>"+pssh+"</cpix:PSSH>", "<cpix:PSSH>"+wrongPSSH+"</cpix:PSSH>", 1),
			} {
				_, err := Parse(r, []byte(text), nil)
				if text == good || err == nil || !strings.Contains(err.Error(), "for another scheme than cbcs") || strings.Contains(err.Error(), "v2.0") != (version == V1) {
					t.Errorf("v%d, %s, %s: %v", version, name, part, err)
				}
			}
		}
		pssh, protection := of(cenc.CBCS, cenc.Widevine)
		quiet, quietProtection := of(0, cenc.Widevine)
		text := strings.NewReplacer(pssh, quiet, protection, quietProtection).Replace(good)
		if _, err := Parse(r, []byte(text), nil); err != nil || text == good {
			t.Errorf("v%d, a box that says no scheme: %v", version, err)
		}
	}
	r, good := answered(t, Options{ContentID: "film", Version: V1, Uses: Shared(), Scheme: cenc.CBCS, Method: "SAMPLE-AES", Systems: []Wanted{{ID: cenc.FairPlay, HLS: true}}})
	for scheme, taken := range map[string]bool{"cbcs": true, "cenc": false} { // which v1.0 does not have, and a server may send
		_, err := Parse(r, []byte(strings.Replace(good, "<cpix:ContentKey ", `<cpix:ContentKey commonEncryptionScheme="`+scheme+`" `, 1)), nil)
		if taken != (err == nil) {
			t.Errorf("v1 with commonEncryptionScheme %s: %v", scheme, err)
		}
	}
}

func TestAnswerNeedsKeys(t *testing.T) {
	t.Parallel()
	r := mustRequest(t, Options{ContentID: "film", Version: V2, Uses: Shared(), Scheme: cenc.CBCS, Systems: []Wanted{{ID: cenc.FairPlay, HLS: true}}})
	for name, keys := range map[string][]cenc.Protection{
		"none":      nil,
		"of others": {{Key: key(KeyID("a", "b"))}},
		"too short": {{Key: cenc.Key{ID: r.Keys[0].ID, Value: secret.New(make([]byte, 15))}}},
	} {
		if out, err := (&Answer{Request: r, Keys: keys}).Encode(rand.Reader); err == nil {
			t.Errorf("keys %s: an answer of %d bytes", name, len(out))
		}
	}
}

// suite is a request of the shape that the public verification suite for SPEKE v2.0 sends (awslabs/speke-reference-server), written anew.
const suite = `<?xml version='1.0' encoding='utf-8'?>
<cpix:CPIX xmlns:cpix="urn:dashif:org:cpix" contentId="test_case_1" version="2.3" xmlns:pskc="urn:ietf:params:xml:ns:keyprov:pskc">
	<cpix:ContentKeyList>
		<cpix:ContentKey kid="0f083e4e-b831-4a3d-917e-ce78076e54aa" commonEncryptionScheme="cbcs" />
		<cpix:ContentKey kid="041fdd3a-7f5e-4848-a7cb-65e97758e9a0" commonEncryptionScheme="cbcs"></cpix:ContentKey>
	</cpix:ContentKeyList>
	<cpix:DRMSystemList>
		<cpix:DRMSystem kid="0f083e4e-b831-4a3d-917e-ce78076e54aa" systemId="edef8ba9-79d6-4ace-a3c8-27dcd51d21ed">
			<cpix:PSSH />
			<cpix:ContentProtectionData />
			<cpix:HLSSignalingData playlist="media" />
			<cpix:HLSSignalingData playlist="master" />
		</cpix:DRMSystem>
		<cpix:DRMSystem kid="041fdd3a-7f5e-4848-a7cb-65e97758e9a0" systemId="94ce86fb-07ff-4f43-adb8-93d2fa968ca2">
			<cpix:PSSH />
			<cpix:HLSSignalingData playlist="media" />
			<cpix:HLSSignalingData playlist="master" />
		</cpix:DRMSystem>
	</cpix:DRMSystemList>
	<cpix:ContentKeyPeriodList>
		<cpix:ContentKeyPeriod id="keyPeriod_1" index="0" />
	</cpix:ContentKeyPeriodList>
	<cpix:ContentKeyUsageRuleList>
		<cpix:ContentKeyUsageRule kid="0f083e4e-b831-4a3d-917e-ce78076e54aa" intendedTrackType="SD+HD1">
			<cpix:KeyPeriodFilter periodId="keyPeriod_1" />
			<cpix:VideoFilter maxPixels="921600" />
		</cpix:ContentKeyUsageRule>
		<cpix:ContentKeyUsageRule kid="041fdd3a-7f5e-4848-a7cb-65e97758e9a0" intendedTrackType="STEREO_AUDIO">
			<cpix:KeyPeriodFilter periodId="keyPeriod_1" />
			<cpix:AudioFilter maxChannels="2" />
		</cpix:ContentKeyUsageRule>
	</cpix:ContentKeyUsageRuleList>
</cpix:CPIX>`

func TestParseRequest(t *testing.T) {
	t.Parallel()
	video := cenc.UUID{0x0f, 0x08, 0x3e, 0x4e, 0xb8, 0x31, 0x4a, 0x3d, 0x91, 0x7e, 0xce, 0x78, 0x07, 0x6e, 0x54, 0xaa}
	audio := cenc.UUID{0x04, 0x1f, 0xdd, 0x3a, 0x7f, 0x5e, 0x48, 0x48, 0xa7, 0xcb, 0x65, 0xe9, 0x77, 0x58, 0xe9, 0xa0}
	got, err := ParseRequest([]byte(suite), "2.0")
	if err != nil {
		t.Fatal(err)
	}
	compare(t, &Request{
		ContentID: "test_case_1", Version: V2, Scheme: cenc.CBCS,
		Keys: []Key{
			{ID: video, Use: Use{"SD+HD1", []Filter{{media.Video, 0, 921600}}}, Periods: []string{"keyPeriod_1"}},
			{ID: audio, Use: Use{"STEREO_AUDIO", []Filter{{media.Audio, 0, 2}}}, Periods: []string{"keyPeriod_1"}},
		},
		Systems: []System{
			{ID: cenc.Widevine, KeyID: video, PSSH: true, ContentProtection: true, HLS: true},
			{ID: cenc.FairPlay, KeyID: audio, PSSH: true, HLS: true},
		},
		Periods: []Period{{ID: "keyPeriod_1", Index: "0"}},
	}, got)
	// What is asked of FairPlay and is not there is left out of the answer, and the rest of the document comes back.
	answer := string(serve(t, []byte(suite), "2.0", "SAMPLE-AES"))
	for _, part := range []string{`intendedTrackType="SD+HD1"><cpix:KeyPeriodFilter periodId="keyPeriod_1"/><cpix:VideoFilter maxPixels="921600"/>`, `<cpix:ContentKeyPeriod id="keyPeriod_1" index="0"/>`} {
		if !strings.Contains(answer, part) {
			t.Errorf("the answer has no %s:\n%s", part, answer)
		}
	}
	if n := strings.Count(answer, "<cpix:PSSH"); n != 1 {
		t.Errorf("the answer has %d boxes, want the one of Widevine", n)
	}
}

// TestRefusals: what the public verification suite and the specification want refused, in the words of the specification.
func TestRefusals(t *testing.T) {
	t.Parallel()
	part := func(from, to string) string {
		a := strings.Index(suite, from)
		return suite[a : a+strings.Index(suite[a:], to)+len(to)]
	}
	rules := part("<cpix:ContentKeyUsageRuleList>", "</cpix:ContentKeyUsageRuleList>")
	for _, c := range []struct{ name, version, old, new, want string }{
		{"a version to come", "2.1", "", "", UnsupportedSPEKE},
		{"a version that is none", "two", "", "", UnsupportedSPEKE},
		{"no content id", "2.0", ` contentId="test_case_1"`, "", MissingContentID},
		{"the content id of v1", "2.0", "contentId=", "id=", MissingContentID},
		{"no version of CPIX", "2.0", ` version="2.3"`, "", MissingVersion},
		{"another version of CPIX", "2.0", `version="2.3"`, `version="2.0"`, UnsupportedVersion},
		{"no scheme", "2.0", ` commonEncryptionScheme="cbcs"`, "", MissingScheme + " 0f083e4e-b831-4a3d-917e-ce78076e54aa"},
		{"two schemes", "2.0", `commonEncryptionScheme="cbcs"`, `commonEncryptionScheme="cenc"`, NonCompliantScheme},
		{"a scheme that is none", "2.0", `commonEncryptionScheme="cbcs"`, `commonEncryptionScheme="rot13"`, NonCompliantScheme},
		{"FairPlay under cenc", "2.0", `"cbcs"`, `"cenc"`, IncompatibleScheme + " 94ce86fb-07ff-4f43-adb8-93d2fa968ca2"},
		{"no contract", "2.0", rules, "", MissingContract},
		{"an empty contract", "2.0", rules, "<cpix:ContentKeyUsageRuleList/>", MalformedContract},
		{"a rule less", "2.0", part(`<cpix:ContentKeyUsageRule kid="041`, "</cpix:ContentKeyUsageRule>"), "", MalformedContract},
		{"a rule for no key", "2.0", `<cpix:ContentKeyUsageRule kid="0f`, `<cpix:ContentKeyUsageRule kid="1f`, MalformedContract},
		{"two rules for a key", "2.0", `<cpix:ContentKeyUsageRule kid="041fdd3a-7f5e-4848-a7cb-65e97758e9a0"`, `<cpix:ContentKeyUsageRule kid="0f083e4e-b831-4a3d-917e-ce78076e54aa"`, MalformedContract},
		{"no type of track", "2.0", ` intendedTrackType="SD+HD1"`, "", MalformedContract},
		{"an empty component", "2.0", `"SD+HD1"`, `"SD+"`, MalformedContract},
		{"a type of track twice", "2.0", `"STEREO_AUDIO"`, `"SD+HD1"`, MalformedContract},
		{"ALL beside others", "2.0", `"SD+HD1">`, `"ALL"><cpix:AudioFilter/>`, MalformedContract},
		{"ALL with a limit", "2.0", `"SD+HD1"`, `"ALL"`, MalformedContract},
		{"no filter", "2.0", `<cpix:VideoFilter maxPixels="921600" />`, "", MalformedContract},
		{"a filter too many", "2.0", `<cpix:AudioFilter maxChannels="2" />`, `<cpix:AudioFilter maxChannels="2" /><cpix:AudioFilter />`, MalformedContract},
		{"channels of a picture", "2.0", "maxPixels", "maxChannels", MalformedContract},
		{"a limit that is no number", "2.0", `"921600"`, `"many"`, MalformedContract},
		{"a limit below nothing", "2.0", `"921600"`, `"-1"`, MalformedContract},
		{"limits the wrong way round", "2.0", `maxPixels="921600"`, `minPixels="2" maxPixels="1"`, MalformedContract},
		{"a period that is not listed", "2.0", `periodId="keyPeriod_1"`, `periodId="keyPeriod_2"`, MalformedContract},
		{"high dynamic range", "2.0", `maxPixels="921600"`, `hdr="true"`, UnsupportedContract},
		{"a label", "2.0", `<cpix:VideoFilter maxPixels="921600" />`, `<cpix:LabelFilter label="x"/>`, UnsupportedContract},
		{"no keys", "2.0", part("<cpix:ContentKeyList>", "</cpix:ContentKeyList>"), "", "there is no ContentKeyList"},
		{"an empty list of keys", "2.0", part("<cpix:ContentKeyList>", "</cpix:ContentKeyList>"), "<cpix:ContentKeyList/>", "there are 0 elements ContentKey, not 1 to 64"},
		{"no KID", "2.0", ` kid="0f083e4e-b831-4a3d-917e-ce78076e54aa"`, "", "ContentKey@kid is missing or not a UUID"},
		{"a KID twice", "2.0", `kid="041fdd3a-7f5e-4848-a7cb-65e97758e9a0" common`, `kid="0f083e4e-b831-4a3d-917e-ce78076e54aa" common`, "there are two elements ContentKey of KID 0f083e4e-b831-4a3d-917e-ce78076e54aa"},
		{"a key in the question", "2.0", `"cbcs"></cpix:ContentKey>`, `"cbcs"><cpix:Data/></cpix:ContentKey>`, "the ContentKey of KID 041fdd3a-7f5e-4848-a7cb-65e97758e9a0 has a key already"},
		{"a vector that is none", "2.0", `"cbcs" />`, `"cbcs" explicitIV="AAAA" />`, "ContentKey@explicitIV of KID 0f083e4e-b831-4a3d-917e-ce78076e54aa is not 16 bytes in base64"},
		{"no systems", "2.0", part("<cpix:DRMSystemList>", "</cpix:DRMSystemList>"), "", "there is no DRMSystemList"},
		{"no system id", "2.0", ` systemId="94ce86fb-07ff-4f43-adb8-93d2fa968ca2"`, "", "DRMSystem@systemId is missing or not a UUID"},
		{"a system for no key", "2.0", `<cpix:DRMSystem kid="0f`, `<cpix:DRMSystem kid="1f`, "DRMSystem@kid is missing or names no ContentKey"},
		{"a certificate that is none", "2.0", "<cpix:ContentKeyList>", `<cpix:DeliveryDataList><cpix:DeliveryData><cpix:DeliveryKey><X509Data xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Certificate>AAAA</X509Certificate></X509Data></cpix:DeliveryKey></cpix:DeliveryData></cpix:DeliveryDataList><cpix:ContentKeyList>`, "the certificate of DeliveryKey cannot be read"},
		{"no content id in v1", "", "", "", "Missing CPIX@id"},
		{"a prefix called like the content id", "2.0", ` contentId="test_case_1"`, ` contentId="other" xmlns:contentId="test_case_1"`, `the element "CPIX" has an attribute of another namespace`},
		{"a KID with a prefix", "2.0", `<cpix:ContentKey kid="0f`, `<cpix:ContentKey xml:kid="1f" kid="0f`, `the element "ContentKey" has an attribute of another namespace`},
		{"a vector with a prefix", "2.0", `"cbcs" />`, `"cbcs" xml:explicitIV="MDEyMzQ1Njc4OWFiY2RlZg==" />`, `the element "ContentKey" has an attribute of another namespace`},
		{"a scheme as a declaration", "2.0", `<cpix:ContentKey kid`, `<cpix:ContentKey xmlns:commonEncryptionScheme="cenc" kid`, `the element "ContentKey" has an attribute of another namespace`},
		{"a type of track with a prefix", "2.0", `intendedTrackType="SD+HD1"`, `intendedTrackType="SD+HD1" xml:intendedTrackType="HD"`, `the element "ContentKeyUsageRule" has an attribute of another namespace`},
		{"a period with a prefix", "2.0", `periodId="keyPeriod_1"`, `periodId="x" xmlns:periodId="keyPeriod_1"`, `the element "KeyPeriodFilter" has an attribute of another namespace`},
		{"the id of a period with a prefix", "2.0", `<cpix:ContentKeyPeriod id`, `<cpix:ContentKeyPeriod xml:start="x" id`, `the element "ContentKeyPeriod" has an attribute of another namespace`},
		{"a limit with a prefix", "2.0", `maxPixels="921600"`, `maxPixels="921600" xmlns:maxPixels="1"`, `the element "VideoFilter" has an attribute of another namespace`},
		{"a limit of channels with a prefix", "2.0", `maxChannels="2"`, `maxChannels="2" xml:maxChannels="1"`, `the element "AudioFilter" has an attribute of another namespace`},
		{"a document type", "2.0", "<cpix:CPIX ", "<!DOCTYPE cpix><cpix:CPIX ", "the document has a document type declaration"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := 1
			if c.old == `"cbcs"` {
				n = -1
			}
			if !strings.Contains(suite, c.old) {
				t.Fatalf("the request does not hold %s", c.old)
			}
			_, err := ParseRequest([]byte(strings.Replace(suite, c.old, c.new, n)), c.version)
			r, ok := errors.AsType[*Refusal](err)
			if !ok {
				t.Fatalf("got %v, want a Refusal", err)
			}
			if r.Text != c.want {
				t.Errorf("got %q, want %q", r.Text, c.want)
			}
		})
	}
	for _, c := range []struct{ name, text string }{{"nothing", ""}, {"no XML", "keys"}, {"another document", "<a/>"}} {
		if _, err := ParseRequest([]byte(c.text), "2.0"); err == nil {
			t.Errorf("%s: no error", c.name)
		}
	}
}

// TestReferenceServer: an answer encrypted as the public reference server does it, with other people's cryptography.
func TestReferenceServer(t *testing.T) {
	t.Parallel()
	const python = "/usr/bin/python3" // Debian's, which has Debian's python3-cryptography
	if exec.Command(python, "-c", "import cryptography").Run() != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("the package cryptography of Python is not there")
		}
		t.Skip("the package cryptography of Python is not there")
	}
	certificate, private := recipientOf()
	r := mustRequest(t, Options{
		ContentID: "film", Version: V2, Uses: Shared(), Scheme: cenc.CBCS, Method: "SAMPLE-AES", Certificate: certificate, Systems: []Wanted{{ID: cenc.FairPlay, HLS: true}},
	})
	const program = `
import base64, os, sys
import xml.etree.ElementTree as ET
from cryptography import x509
from cryptography.hazmat.primitives import hashes, hmac, padding
from cryptography.hazmat.primitives.asymmetric.padding import OAEP, MGF1
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
cpix, pskc, ds, enc = ("{%s}" % n for n in ("urn:dashif:org:cpix", "urn:ietf:params:xml:ns:keyprov:pskc", "http://www.w3.org/2000/09/xmldsig#", "http://www.w3.org/2001/04/xmlenc#"))
b64 = lambda b: base64.b64encode(b).decode()
root = ET.fromstring(sys.stdin.buffer.read())
document, mac = os.urandom(32), os.urandom(64)
delivery = root.find(f"{cpix}DeliveryDataList/{cpix}DeliveryData")
public = x509.load_der_x509_certificate(base64.b64decode(delivery.find(f".//{ds}X509Certificate").text)).public_key()
def value(parent, algorithm, data):
    e = ET.SubElement(parent, pskc + "EncryptedValue")
    ET.SubElement(e, enc + "EncryptionMethod", Algorithm="http://www.w3.org/2001/04/xmlenc#" + algorithm)
    ET.SubElement(ET.SubElement(e, enc + "CipherData"), enc + "CipherValue").text = b64(data)
    h = hmac.HMAC(mac, hashes.SHA512()); h.update(data)
    ET.SubElement(parent, pskc + "ValueMAC").text = b64(h.finalize())
wrap = lambda b: public.encrypt(b, OAEP(mgf=MGF1(algorithm=hashes.SHA1()), algorithm=hashes.SHA1(), label=None))
k = ET.SubElement(delivery, cpix + "DocumentKey", Algorithm="http://www.w3.org/2001/04/xmlenc#aes256-cbc")
value(ET.SubElement(ET.SubElement(k, cpix + "Data"), pskc + "Secret"), "rsa-oaep-mgf1p", wrap(document))
m = ET.SubElement(delivery, cpix + "MACMethod", Algorithm="http://www.w3.org/2001/04/xmldsig-more#hmac-sha512")
value(ET.SubElement(m, cpix + "Key"), "rsa-oaep-mgf1p", wrap(mac))
for key in root.iter(cpix + "ContentKey"):
    p = padding.PKCS7(128).padder(); padded = p.update(bytes(range(16))) + p.finalize()
    iv = os.urandom(16); e = Cipher(algorithms.AES(document), modes.CBC(iv)).encryptor()
    value(ET.SubElement(ET.SubElement(key, cpix + "Data"), pskc + "Secret"), "aes256-cbc", iv + e.update(padded) + e.finalize())
for h in root.iter(cpix + "HLSSignalingData"):
    tag = {"media": "KEY", "master": "SESSION-KEY"}[h.get("playlist")]
    h.text = b64(f'#EXT-X-{tag}:METHOD=SAMPLE-AES,URI="skd://a",KEYFORMAT="com.apple.streamingkeydelivery",KEYFORMATVERSIONS="1"'.encode())
sys.stdout.buffer.write(ET.tostring(root))
`
	cmd := exec.Command(python, "-c", program)
	cmd.Stdin = bytes.NewReader(r.Encode())
	answer, err := cmd.Output()
	if err != nil {
		t.Fatalf("python3: %v", err)
	}
	keys, err := Parse(r, answer, private)
	if err != nil {
		t.Fatalf("Parse: %v\n%s", err, answer)
	}
	if got := keys[0].Value.Reveal(); len(keys) != 1 || !bytes.Equal(got, []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}) {
		t.Errorf("the key is %x", got)
	}
}

// FuzzParse: whatever is answered, what is taken is what was asked for.
func FuzzParse(f *testing.F) {
	certificate, private := recipientOf()
	plain, good := answered(f, Options{
		ContentID: "film", Version: V2, Uses: mustContract(f, "PRESET_VIDEO_1", "PRESET_AUDIO_1"), Scheme: cenc.CBCS, Method: "SAMPLE-AES", Boxes: true,
		Systems: []Wanted{{ID: cenc.Widevine, DASH: true, HLS: true}, {ID: cenc.PlayReady, DASH: true, HLS: true}},
	})
	f.Add([]byte(good))
	old, v1 := answered(f, Options{
		ContentID: "film", Version: V1, Uses: Shared(), Scheme: cenc.CBCS, Method: "SAMPLE-AES", Systems: []Wanted{{ID: cenc.FairPlay, HLS: true}},
	})
	f.Add([]byte(v1))
	sealed, encrypted := answered(f, Options{
		ContentID: "film", Version: V2, Uses: Shared(), Scheme: cenc.CENC, Certificate: certificate, Systems: []Wanted{{ID: cenc.PlayReady, Smooth: true}},
	})
	f.Add([]byte(encrypted))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, r := range []*Request{plain, old, sealed} {
			keys, err := Parse(r, text, private)
			if err != nil {
				if keys != nil {
					t.Error("keys beside an error")
				}
				continue
			}
			if len(keys) != len(r.Keys) {
				t.Fatalf("%d keys, want %d", len(keys), len(r.Keys))
			}
			for i, k := range keys {
				if k.ID != r.Keys[i].ID || k.Value.Len() != cenc.KeySize || k.IV != nil && len(k.IV) != cenc.KeySize {
					t.Errorf("key %d is not what was asked for", i)
				}
				for _, g := range k.Signals {
					for _, h := range []*cenc.HLSKey{g.Media, g.Master} {
						if h == nil {
							continue
						}
						for _, v := range []string{h.URI, h.KeyFormat, h.KeyFormatVersions, h.KeyID} {
							if quotable(v) != nil {
								t.Errorf("a playlist would say %q", v)
							}
						}
					}
					if _, err := parseFragment(g.ContentProtection); g.ContentProtection != nil && err != nil {
						t.Errorf("an MPD would hold what %v", err)
					}
				}
			}
		}
	})
}

// FuzzParseRequest: whatever is asked, what is understood is written back so that it is understood again.
func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(suite), "2.0")
	f.Add(mustRequest(f, Options{ContentID: "film", Version: V1, Uses: Shared(), Scheme: cenc.CBCS, Systems: []Wanted{{ID: cenc.FairPlay, HLS: true}}}).Encode(), "")
	f.Fuzz(func(t *testing.T, text []byte, version string) {
		r, err := ParseRequest(text, version)
		if err != nil {
			return
		}
		again, err := ParseRequest(r.Encode(), version)
		if err != nil {
			t.Fatalf("%v\n%s", err, r.Encode())
		}
		compare(t, r, again)
	})
}
