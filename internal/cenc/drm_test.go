package cenc

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/secret"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func unbase64(t testing.TB, text string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The key of PlayReady's test server for the key seed that Microsoft publishes; its checksum is known.
var playReadyKey = Key{ID: testID, Value: secret.New([]byte{0xDB, 0xFD, 0x69, 0x22, 0xC3, 0x21, 0xC4, 0xBB, 0x48, 0x6F, 0x4A, 0x1C, 0x44, 0x09, 0x7E, 0xD6})}

// What shaka-packager 3.4.2 writes for playReadyKey.
const (
	shakaWidevineCENC = "AAAAOHBzc2gAAAAA7e+LqXnWSs6jyCfc1R0h7QAAABgSEIupSt5uuUSdtE+lvu+vQ7BI49yVmwY="
	shakaWidevineCBCS = "AAAAOHBzc2gAAAAA7e+LqXnWSs6jyCfc1R0h7QAAABgSEIupSt5uuUSdtE+lvu+vQ7BI88aJmwY="
	shakaCommon       = "AAAANHBzc2gBAAAAEHfv7MCyTQKs4zweUuL7SwAAAAGLqUrebrlEnbRPpb7vr0OwAAAAAA=="
	shakaHeaderCENC   = `<WRMHEADER xmlns="http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader" version="4.0.0.0"><DATA><PROTECTINFO><KEYLEN>16</KEYLEN><ALGID>AESCTR</ALGID></PROTECTINFO><KID>3kqpi7lunUS0T6W+769DsA==</KID><CHECKSUM>Me48z71nuqY=</CHECKSUM></DATA></WRMHEADER>`
	shakaHeaderCBCS   = `<WRMHEADER xmlns="http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader" version="4.3.0.0"><DATA><PROTECTINFO><KIDS><KID ALGID="AESCBC" VALUE="3kqpi7lunUS0T6W+769DsA=="></KID></KIDS></PROTECTINFO></DATA></WRMHEADER>`
)

func TestPSSH(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		box  PSSH
		want string
	}{
		{
			"the example of W3C's initialization data format",
			PSSH{System: CommonPSSH, KeyIDs: []UUID{UUID([]byte("0123456789012345")), UUID([]byte("ABCDEFGHIJKLMNOP"))}},
			"00000044 70737368 01000000 1077efecc0b24d02ace33c1e52e2fb4b 00000002 30313233343536373839303132333435 4142434445464748494a4b4c4d4e4f50 00000000",
		},
		{
			"version 0",
			PSSH{System: Widevine, Data: []byte{1, 2, 3}},
			"00000023 70737368 00000000 edef8ba979d64acea3c827dcd51d21ed 00000003 010203",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := unhex(t, tt.want)
			if got := tt.box.Append([]byte("x"))[1:]; !bytes.Equal(got, want) {
				t.Fatalf("got %x, want %x", got, want)
			}
			got, err := ParsePSSH(want)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Append(nil), want) || got.System != tt.box.System || !slices.Equal(got.KeyIDs, tt.box.KeyIDs) || !bytes.Equal(got.Data, tt.box.Data) {
				t.Errorf("read back as %+v", got)
			}
		})
	}
}

func TestPSSHRefused(t *testing.T) {
	t.Parallel()
	good := PSSH{System: CommonPSSH, KeyIDs: []UUID{testID}, Data: []byte("data")}.Append(nil)
	change := func(at int, to byte) []byte {
		b := bytes.Clone(good)
		b[at] = to
		return b
	}
	huge := make([]byte, MaxPSSH+1)
	binary.BigEndian.PutUint32(huge, MaxPSSH+1)
	for _, tt := range []struct {
		name string
		box  []byte
	}{
		{"nothing", nil},
		{"a header alone", good[:psshHead-1]},
		{"cut", good[:len(good)-1]},
		{"something behind it", append(bytes.Clone(good), 0)},
		{"size 0, to the end of the file", change(3, 0)},
		{"size 1, of 64 bits", append([]byte{0, 0, 0, 1}, good[4:]...)},
		{"another type", change(4, 'x')},
		{"version 2", change(8, 2)},
		{"flags", change(11, 1)},
		{"version 0 with key identifiers", change(8, 0)},
		{"more key identifiers than bytes", change(31, 3)},
		{"very many key identifiers", change(28, 0xff)},
		{"data shorter than it says", change(51, 5)},
		{"data longer than it says", change(51, 3)},
		{"no data size", append([]byte{0, 0, 0, 28}, good[4:28]...)},
		{"version 1 without a count", append([]byte{0, 0, 0, 30}, good[4:30]...)},
		{"too long", huge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if p, err := ParsePSSH(tt.box); !errors.Is(err, ErrPSSH) {
				t.Errorf("%x was read as %+v, %v", tt.box, p, err)
			}
		})
	}
}

func TestWidevine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		header WidevineHeader
		want   string
	}{
		{"cenc", WidevineHeader{Scheme: CENC, KeyIDs: []UUID{testID}}, "1210 8ba94ade6eb9449db44fa5beefaf43b0 48e3dc959b06"},
		{
			"all fields",
			WidevineHeader{Scheme: CBCS, KeyIDs: []UUID{testID, testID}, Provider: "acme", ContentID: []byte("film-1")},
			"1210 8ba94ade6eb9449db44fa5beefaf43b0 1210 8ba94ade6eb9449db44fa5beefaf43b0 1a04 61636d65 2206 66696c6d2d31 48f3c6899b06",
		},
		{"a long content id", WidevineHeader{ContentID: bytes.Repeat([]byte("a"), 200)}, "22c801" + strings.Repeat("61", 200)},
		{"nothing", WidevineHeader{}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, want := tt.header.Append(nil), unhex(t, tt.want); !bytes.Equal(got, want) {
				t.Errorf("got %x, want %x", got, want)
			}
		})
	}
}

func TestPlayReady(t *testing.T) {
	t.Parallel()
	const url = "https://test.playready.microsoft.com/service/rightsmanager.asmx"
	known := PlayReadyHeader{Version: "4.2.0.0", Scheme: CENC, Keys: []PlayReadyKey{{testID, unbase64(t, "Me48z71nuqY=")}}, LicenseURL: url}
	make := func(scheme Scheme, url string, keys ...Key) PlayReadyHeader {
		h, err := NewPlayReadyHeader(scheme, url, keys...)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	for _, tt := range []struct {
		name   string
		header PlayReadyHeader
		want   string
	}{
		{"cenc, as shaka-packager writes it", make(CENC, "", playReadyKey), shakaHeaderCENC},
		{"cbcs, as shaka-packager writes it", make(CBCS, "", playReadyKey), shakaHeaderCBCS},
		{
			"version 4.2, as pycpix's tests expect it", known,
			`<WRMHEADER xmlns="http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader" version="4.2.0.0"><DATA><PROTECTINFO><KIDS><KID ALGID="AESCTR" CHECKSUM="Me48z71nuqY=" VALUE="3kqpi7lunUS0T6W+769DsA=="></KID></KIDS></PROTECTINFO><LA_URL>` + url + `</LA_URL></DATA></WRMHEADER>`,
		},
		{
			"several keys and a URL that needs escapes", make(CENC, "https://l.example/?a=1&b=<2>", playReadyKey, playReadyKey),
			`<WRMHEADER xmlns="http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader" version="4.3.0.0"><DATA><PROTECTINFO><KIDS>` +
				strings.Repeat(`<KID ALGID="AESCTR" CHECKSUM="Me48z71nuqY=" VALUE="3kqpi7lunUS0T6W+769DsA=="></KID>`, 2) +
				`</KIDS></PROTECTINFO><LA_URL>https://l.example/?a=1&amp;b=&lt;2&gt;</LA_URL></DATA></WRMHEADER>`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.header.XML(); got != tt.want {
				t.Fatalf("got  %s\nwant %s", got, tt.want)
			}
			object, err := tt.header.Object()
			if err != nil {
				t.Fatal(err)
			}
			got, err := ParsePlayReadyObject(object)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.header, got); diff != "" {
				t.Errorf("read back (-want +got):\n%s", diff)
			}
		})
	}
	object, err := known.Object()
	if err != nil {
		t.Fatal(err)
	}
	if want := unhex(t, "8e02 0000 0100 0100 8402 3c00 5700"); !bytes.HasPrefix(object, want) || len(object) != 0x28e {
		t.Errorf("object begins with %x and has %d bytes, pycpix's begins with %x and has %d", object[:len(want)], len(object), want, 0x28e)
	}
}

// object wraps a header in a PlayReady object of one record.
func object(header string) []byte {
	words := utf16.Encode([]rune(header))
	b := binary.LittleEndian.AppendUint32(nil, uint32(10+2*len(words)))
	b = append(b, 1, 0, 1, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(2*len(words)))
	for _, w := range words {
		b = binary.LittleEndian.AppendUint16(b, w)
	}
	return b
}

func TestPlayReadyRead(t *testing.T) {
	t.Parallel()
	key := []PlayReadyKey{{ID: testID}}
	wrm := func(version, data string) string {
		return `<WRMHEADER xmlns="` + playReadyNamespace + `" version="` + version + `"><DATA>` + data + `</DATA></WRMHEADER>`
	}
	for _, tt := range []struct {
		name, header string
		want         PlayReadyHeader
	}{
		{
			"4.1", wrm("4.1.0.0", `<PROTECTINFO><KID ALGID="AESCTR" VALUE="3kqpi7lunUS0T6W+769DsA=="></KID></PROTECTINFO>`),
			PlayReadyHeader{Version: "4.1.0.0", Scheme: CENC, Keys: key},
		},
		{
			"other elements", wrm("4.0.0.0", `<PROTECTINFO><KEYLEN>16</KEYLEN><ALGID>AESCTR</ALGID></PROTECTINFO><KID> 3kqpi7lunUS0T6W+769DsA== </KID><LA_URL> https://a </LA_URL><CUSTOMATTRIBUTES><A>1</A></CUSTOMATTRIBUTES>`),
			PlayReadyHeader{Version: "4.0.0.0", Scheme: CENC, Keys: key, LicenseURL: "https://a"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParsePlayReadyObject(object(tt.header))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	two := object(shakaHeaderCBCS)
	store := append([]byte{3, 0, 2, 0}, 'x', 'x') // an embedded license store
	two = append(two[:6:6], append(store, two[6:]...)...)
	two[0] += byte(len(store))
	two[4] = 2
	if h, err := ParsePlayReadyObject(two); err != nil || h.Scheme != CBCS {
		t.Errorf("with another record: %+v, %v", h, err)
	}
}

func TestPlayReadyRefused(t *testing.T) {
	t.Parallel()
	good := object(shakaHeaderCENC)
	change := func(at int, to byte) []byte {
		b := bytes.Clone(good)
		b[at] = to
		return b
	}
	header := func(old, with string) []byte {
		for _, h := range []string{shakaHeaderCENC, shakaHeaderCBCS} {
			if strings.Contains(h, old) {
				return object(strings.Replace(h, old, with, 1))
			}
		}
		t.Fatalf("no header has %q", old)
		return nil
	}
	twice := append(bytes.Clone(good), good[6:]...)
	binary.LittleEndian.PutUint32(twice, uint32(len(twice)))
	twice[4] = 2
	for _, tt := range []struct {
		name   string
		object []byte
	}{
		{"nothing", nil},
		{"too long", make([]byte, MaxPlayReadyObject+1)},
		{"cut", good[:len(good)-2]},
		{"something behind it", append(bytes.Clone(good), 0)},
		{"a record that reaches past the end", change(9, 0x7f)},
		{"a record that ends before the object", change(8, good[8]-2)},
		{"more records than there are", change(4, 2)},
		{"no record", []byte{6, 0, 0, 0, 0, 0}},
		{"another record alone", change(6, 3)},
		{"two headers", twice},
		{"an odd number of bytes", append([]byte{11, 0, 0, 0, 1, 0, 1, 0, 1, 0}, '<')},
		{"what is not text", object("\ufffd" + shakaHeaderCENC)},
		{"no XML", object("hello")},
		{"a cut tag", header("</WRMHEADER>", "</WRM")},
		{"an open element", header("</DATA>", "")},
		{"another namespace", header("2007/03", "2007/04")},
		{"another root", object(strings.ReplaceAll(shakaHeaderCENC, "WRMHEADER", "HEADER"))},
		{"two roots", object(shakaHeaderCENC + shakaHeaderCENC)},
		{"text behind the root", object(shakaHeaderCENC + "x")},
		{"a document type", object(`<!DOCTYPE a [<!ENTITY b "c">]>` + shakaHeaderCENC)},
		{"a processing instruction", object(`<?xml version="1.0"?>` + shakaHeaderCENC)},
		{"deep nesting", header("</DATA>", strings.Repeat("<A>", 20)+strings.Repeat("</A>", 20)+"</DATA>")},
		{"version 4.4", header("4.3.0.0", "4.4.0.0")},
		{"no version", header(` version="4.0.0.0"`, "")},
		{"two DATA", header("</DATA>", "</DATA><DATA></DATA>")},
		{"no PROTECTINFO", header("<PROTECTINFO><KEYLEN>16</KEYLEN><ALGID>AESCTR</ALGID></PROTECTINFO>", "")},
		{"two PROTECTINFO", header("</PROTECTINFO>", "</PROTECTINFO><PROTECTINFO></PROTECTINFO>")},
		{"a key of 8 bytes", header("<KEYLEN>16", "<KEYLEN>8")},
		{"COCKTAIL", header("AESCTR", "COCKTAIL")},
		{"AESCBC before 4.3", header("AESCTR", "AESCBC")},
		{"no algorithm", header(`ALGID="AESCBC" `, "")},
		{"no KID", header("<KID>3kqpi7lunUS0T6W+769DsA==</KID>", "")},
		{"two KID", header("<KID>", "<KID>3kqpi7lunUS0T6W+769DsA==</KID><KID>")},
		{"no KIDS", header(`<KIDS><KID ALGID="AESCBC" VALUE="3kqpi7lunUS0T6W+769DsA=="></KID></KIDS>`, "")},
		{"a KID of 15 bytes", header("3kqpi7lunUS0T6W+769DsA==", "3kqpi7lunUS0T6W+769D")},
		{"a KID that is not base64", header("3kqpi7lunUS0T6W+769DsA==", "3kqpi7lunUS0T6W+769DsB==")},
		{"a CHECKSUM of 6 bytes", header("Me48z71nuqY=", "Me48z71n")},
		{"two CHECKSUM", header("<CHECKSUM>", "<CHECKSUM></CHECKSUM><CHECKSUM>")},
		{"two LA_URL", header("</DATA>", "<LA_URL>a</LA_URL><LA_URL>b</LA_URL></DATA>")},
		{"keys of two schemes", header("<KIDS>", `<KIDS><KID ALGID="AESCTR" VALUE="3kqpi7lunUS0T6W+769DsA=="></KID>`)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if h, err := ParsePlayReadyObject(tt.object); !errors.Is(err, ErrPlayReady) {
				t.Errorf("was read as %+v, %v", h, err)
			}
		})
	}
	for _, tt := range []struct {
		name   string
		scheme Scheme
		url    string
		keys   []Key
	}{
		{"no scheme", 0, "", []Key{playReadyKey}},
		{"no key", CENC, "", nil},
		{"a key of 15 bytes", CENC, "", []Key{{ID: testID, Value: secret.New(make([]byte, 15))}}},
		{"a line end in the URL", CENC, "https://a\n", []Key{playReadyKey}},
	} {
		if h, err := NewPlayReadyHeader(tt.scheme, tt.url, tt.keys...); err == nil {
			t.Errorf("%s: made %+v", tt.name, h)
		}
	}
	long, err := NewPlayReadyHeader(CENC, "https://"+strings.Repeat("a", MaxPlayReadyObject/2), playReadyKey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := long.Object(); err == nil {
		t.Error("made an object of more than 15 KiB")
	}
}

func TestSignals(t *testing.T) {
	t.Parallel()
	terms := Terms{Scheme: CENC, Key: playReadyKey}
	cbcs := Terms{Scheme: CBCS, Key: playReadyKey, KeyURL: "skd://key-1", LicenseURL: "https://l.example/?a&b"}
	cbcs.Key.IV = testIV
	proCENC := base64.StdEncoding.EncodeToString(object(shakaHeaderCENC))
	pssh := func(text string) string { return `<cenc:pssh xmlns:cenc="urn:mpeg:cenc:2013">` + text + `</cenc:pssh>` }
	psshCENC := base64.StdEncoding.EncodeToString(PSSH{System: PlayReady, Data: object(shakaHeaderCENC)}.Append(nil))
	for _, tt := range []struct {
		name   string
		signal func(Terms) (Signal, error)
		terms  Terms
		want   Signal
		hls    *HLSKey
	}{
		{
			"Widevine, cenc", SignalWidevine, terms,
			Signal{System: Widevine, PSSH: unbase64(t, shakaWidevineCENC), ContentProtection: []byte(pssh(shakaWidevineCENC))},
			&HLSKey{
				Method: "SAMPLE-AES-CTR", URI: "data:text/plain;base64," + shakaWidevineCENC, KeyFormat: "urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed",
				KeyFormatVersions: "1", KeyID: "0x8ba94ade6eb9449db44fa5beefaf43b0",
			},
		},
		{
			"Widevine, cbcs", SignalWidevine, cbcs,
			Signal{System: Widevine, PSSH: unbase64(t, shakaWidevineCBCS), ContentProtection: []byte(pssh(shakaWidevineCBCS))},
			&HLSKey{
				Method: "SAMPLE-AES", URI: "data:text/plain;base64," + shakaWidevineCBCS, KeyFormat: "urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed",
				KeyFormatVersions: "1", KeyID: "0x8ba94ade6eb9449db44fa5beefaf43b0",
			},
		},
		{
			"PlayReady, cenc", SignalPlayReady, terms,
			Signal{
				System: PlayReady, PSSH: unbase64(t, psshCENC), Smooth: object(shakaHeaderCENC),
				ContentProtection: []byte(pssh(psshCENC) + `<mspr:pro xmlns:mspr="urn:microsoft:playready">` + proCENC + `</mspr:pro>`),
			},
			&HLSKey{
				Method: "SAMPLE-AES-CTR", URI: "data:text/plain;charset=UTF-16;base64," + proCENC, KeyFormat: "com.microsoft.playready", KeyFormatVersions: "1",
			},
		},
		{
			"FairPlay", SignalFairPlay, cbcs,
			Signal{System: FairPlay},
			&HLSKey{Method: "SAMPLE-AES", URI: "skd://key-1", KeyFormat: "com.apple.streamingkeydelivery", KeyFormatVersions: "1"},
		},
		{
			"ClearKey", SignalClearKey, cbcs,
			Signal{
				System: ClearKey, PSSH: unbase64(t, shakaCommon),
				ContentProtection: []byte(pssh(shakaCommon) + `<dashif:Laurl xmlns:dashif="https://dashif.org/CPS">https://l.example/?a&amp;b</dashif:Laurl>`),
			},
			&HLSKey{Method: "SAMPLE-AES", URI: "skd://key-1", IV: testIV, KeyFormat: "identity", KeyFormatVersions: "1"},
		},
		{"ClearKey without URLs", SignalClearKey, terms, Signal{System: ClearKey, PSSH: unbase64(t, shakaCommon), ContentProtection: []byte(pssh(shakaCommon))}, nil},
		{"common", SignalCommon, terms, Signal{System: CommonPSSH, PSSH: unbase64(t, shakaCommon), ContentProtection: []byte(pssh(shakaCommon))}, nil},
		{
			"AES-128", func(t Terms) (Signal, error) { return SignalAES128(HLSAES128, t) }, cbcs,
			Signal{System: HLSAES128},
			&HLSKey{Method: "AES-128", URI: "skd://key-1", IV: testIV, KeyFormat: "identity", KeyFormatVersions: "1"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := tt.signal(tt.terms)
			if err != nil {
				t.Fatal(err)
			}
			tt.want.Media, tt.want.Master = tt.hls, tt.hls
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for d := xml.NewDecoder(bytes.NewReader(got.ContentProtection)); ; {
				if _, err := d.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatalf("its XML is not well-formed: %v", err)
				}
			}
		})
	}
}

func TestSignalsRefused(t *testing.T) {
	t.Parallel()
	good := Terms{Scheme: CBCS, Key: playReadyKey, KeyURL: "skd://a", LicenseURL: "https://a"}
	signals := map[string]func(Terms) (Signal, error){
		"Widevine": SignalWidevine, "PlayReady": SignalPlayReady, "FairPlay": SignalFairPlay, "ClearKey": SignalClearKey, "common": SignalCommon,
	}
	for _, tt := range []struct {
		name   string
		change func(*Terms)
	}{
		{"no scheme", func(t *Terms) { t.Scheme = 0 }},
		{"no key identifier", func(t *Terms) { t.Key.ID = UUID{} }},
		{"a quotation mark in the license URL", func(t *Terms) { t.LicenseURL = `https://a"` }},
		{"a line end in the license URL", func(t *Terms) { t.LicenseURL = "https://a\nb" }},
		{"a quotation mark in the key URL", func(t *Terms) { t.KeyURL = `skd://a",IV=0x0` }},
		{"a line end in the key URL", func(t *Terms) { t.KeyURL = "skd://a\r\n#EXT-X-ENDLIST" }},
		{"a key URL that is not text", func(t *Terms) { t.KeyURL = "skd://\xff" }},
	} {
		for system, signal := range signals {
			terms := good
			tt.change(&terms)
			if s, err := signal(terms); err == nil {
				t.Errorf("%s, %s: made %+v", system, tt.name, s)
			}
		}
	}
	for name, terms := range map[string]Terms{
		"cenc":             {Scheme: CENC, Key: playReadyKey, KeyURL: "skd://a"},
		"another protocol": {Scheme: CBCS, Key: playReadyKey, KeyURL: "https://a"},
		"no key URL":       {Scheme: CBCS, Key: playReadyKey},
	} {
		if s, err := SignalFairPlay(terms); err == nil {
			t.Errorf("FairPlay, %s: made %+v", name, s)
		}
	}
	for name, url := range map[string]string{"no key URL": "", "a quotation mark": `https://a"`} {
		if s, err := SignalAES128(HLSAES128, Terms{KeyURL: url}); err == nil {
			t.Errorf("AES-128, %s: made %+v", name, s)
		}
	}
	if s, err := SignalPlayReady(Terms{Scheme: CENC, Key: Key{ID: testID}}); err == nil {
		t.Errorf("PlayReady without a key: made %+v", s)
	}
	if s, err := SignalPlayReady(Terms{Scheme: CBCS, Key: playReadyKey, LicenseURL: strings.Repeat("a", MaxPlayReadyObject)}); err == nil {
		t.Errorf("PlayReady with a URL of 15 KiB: made %d bytes", len(s.PSSH))
	}
}

func TestSystemNames(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"edef8ba9-79d6-4ace-a3c8-27dcd51d21ed": "Widevine",
		"9A04F079-9840-4286-AB92-E65BE0885F95": "PlayReady",
		"94ce86fb-07ff-4f43-adb8-93d2fa968ca2": "FairPlay",
		"e2719d58-a985-b3c9-781a-b030af78d30e": "ClearKey",
		"1077efec-c0b2-4d02-ace3-3c1e52e2fb4b": "W3C Common PSSH",
		"3ea8778f-7742-4bf9-b18b-e834b2acbd47": "HLS AES-128",
		"81376844-f976-481e-a84e-cc25d39b0b33": "HLS AES-128",
		"80a6be7e-1448-4c37-9e70-d5aebe04c8d2": "",
	} {
		id, err := ParseUUID(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := SystemName(id); got != want || id.String() != strings.ToLower(text) {
			t.Errorf("%s is %q, want %q; written as %s", text, got, want, id)
		}
	}
	for _, text := range []string{"", "edef8ba979d64acea3c827dcd51d21ed", "edef8ba9-79d6-4ace-a3c8-27dcd51d21e", "edef8ba9-79d6-4ace-a3c8-27dcd51d21eg", "edef8ba9-79d6-4ace-a3c8-27dc-51d21ed"} {
		if id, err := ParseUUID(text); err == nil {
			t.Errorf("%q was read as %v", text, id)
		}
	}
}

func FuzzParsePSSH(f *testing.F) {
	f.Add(PSSH{System: CommonPSSH, KeyIDs: []UUID{testID}, Data: []byte("data")}.Append(nil))
	f.Add(PSSH{System: Widevine, Data: []byte("data")}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePSSH(b)
		if err != nil {
			return
		}
		// A box of version 1 without identifiers is written as version 0.
		if again := p.Append(nil); len(p.KeyIDs) > 0 != (b[8] == 1) && b[8] == 0 || (b[8] == 0 || len(p.KeyIDs) > 0) && !bytes.Equal(again, b) {
			t.Fatalf("%x is written as %x", b, again)
		}
	})
}

func TestWidevineRead(t *testing.T) {
	t.Parallel()
	id := "8ba94ade6eb9449db44fa5beefaf43b0"
	for _, tt := range []struct {
		name, data string
		keys       int
		scheme     uint64
		refused    bool
	}{
		{"nothing", "", 0, 0, false},
		{"shaka-packager, cenc", "1210" + id + "48e3dc959b06", 1, 0x63656e63, false},
		{"shaka-packager, cbcs", "1210" + id + "48f3c6899b06", 1, 0x63626373, false},
		{"all kinds of fields", "0801 0d00000000 090000000000000000 1210" + id + " 1210" + id + " 1a0161", 2, 0, false},
		{"the last scheme counts", "48e3dc959b06 48f3c6899b06", 0, 0x63626373, false},
		{"a scheme as text", "4a0463626373", 0, 0, false},
		{"a key cut short", "1210" + id[:30], 0, 0, true},
		{"no value", "12", 0, 0, true},
		{"a number without end", "48ffffffffffffffffffff01", 0, 0, true},
		{"a length beyond all", "12ffffffffffffffffff01", 0, 0, true},
		{"a fixed field cut short", "0d0000", 0, 0, true},
		{"the field 0", "0201", 0, 0, true},
		{"a group", "0b0c", 0, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseWidevineHeader(unhex(t, tt.data))
			if tt.refused != (err != nil) || len(got.KeyIDs) != tt.keys || got.Scheme != tt.scheme {
				t.Errorf("got %+v, %v", got, err)
			}
			for _, k := range got.KeyIDs {
				if !bytes.Equal(k, testID[:]) {
					t.Errorf("got the key %x", k)
				}
			}
		})
	}
}

func FuzzParseWidevineHeader(f *testing.F) {
	f.Add(WidevineHeader{Scheme: CBCS, KeyIDs: []UUID{testID}, Provider: "acme", ContentID: []byte("film")}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		about, err := ParseWidevineHeader(b)
		if err != nil {
			return
		}
		for _, k := range about.KeyIDs {
			if !bytes.Contains(b, k) {
				t.Fatalf("%x is read out of %x", k, b)
			}
		}
	})
}

func FuzzParsePlayReadyObject(f *testing.F) {
	f.Add(object(shakaHeaderCENC))
	f.Add(object(shakaHeaderCBCS))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParsePlayReadyObject(b)
		if err != nil {
			return
		}
		if len(h.Keys) == 0 || h.Scheme == 0 {
			t.Fatalf("%x was read as %+v", b, h)
		}
	})
}
