package cenc

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
)

// The values of KEYFORMAT, and the version of each that is in use.
const (
	KeyFormatIdentity  = "identity"
	KeyFormatFairPlay  = "com.apple.streamingkeydelivery"
	KeyFormatPlayReady = "com.microsoft.playready"
	KeyFormatWidevine  = "urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed"
	keyFormatVersions  = "1"
)

// The values of METHOD, RFC 8216 4.3.2.4 and its successor's 4.4.4.4.
const (
	MethodAES128       = "AES-128"
	MethodSampleAES    = "SAMPLE-AES"
	MethodSampleAESCTR = "SAMPLE-AES-CTR"
)

// HLSMethod returns the METHOD that says of fMP4 that it is encrypted by s, "" for no scheme.
func (s Scheme) HLSMethod() string {
	switch s {
	case CENC:
		return MethodSampleAESCTR
	case CBCS:
		return MethodSampleAES
	}
	return ""
}

// Terms are what a key server knows of a key when it tells a DRM system of it.
type Terms struct {
	Scheme Scheme
	Key    Key
	// Provider and ContentID are told to Widevine; empty ones are not.
	Provider  string
	ContentID []byte
	// LicenseURL is where players get a licence; "" where they know. ClearKey and PlayReady write it down.
	LicenseURL string
	// KeyURL is where players of HLS get the key: of FairPlay, beginning with skd://.
	KeyURL string
}

func (t Terms) check() error {
	if t.Scheme.HLSMethod() == "" {
		return fmt.Errorf("signal a key: %v", t.Scheme)
	}
	if t.Key.ID.IsZero() {
		return errors.New("signal a key: it has no identifier")
	}
	if err := checkText("license URL", t.LicenseURL); err != nil {
		return err
	}
	return checkText("key URL", t.KeyURL)
}

// checkText refuses what cannot stand in an attribute of a playlist (RFC 8216 4.2) or in XML.
func checkText(what, text string) error {
	for _, r := range text {
		if r < ' ' || r == 0x7f || r == '"' || r == '\uFFFD' || r == '\uFFFE' || r == '\uFFFF' {
			return fmt.Errorf("%s %q has a character that manifests cannot hold", what, text)
		}
	}
	return nil
}

// hls returns the words of a media playlist and those of the multivariant playlist, which are the same.
func hls(k HLSKey) (media, master *HLSKey) {
	copied := k
	return &k, &copied
}

// SignalWidevine returns what Widevine is told.
func SignalWidevine(t Terms) (Signal, error) {
	if err := t.check(); err != nil {
		return Signal{}, err
	}
	data := WidevineHeader{Scheme: t.Scheme, KeyIDs: []UUID{t.Key.ID}, Provider: t.Provider, ContentID: t.ContentID}.Append(nil)
	s := Signal{System: Widevine, PSSH: PSSH{System: Widevine, Data: data}.Append(nil)}
	s.ContentProtection = psshElement(s.PSSH)
	s.Media, s.Master = hls(HLSKey{
		Method: t.Scheme.HLSMethod(), URI: "data:text/plain;base64," + base64.StdEncoding.EncodeToString(s.PSSH),
		KeyFormat: KeyFormatWidevine, KeyFormatVersions: keyFormatVersions, KeyID: "0x" + hex.EncodeToString(t.Key.ID[:]),
	})
	return s, nil
}

// SignalPlayReady returns what PlayReady is told.
func SignalPlayReady(t Terms) (Signal, error) {
	if err := t.check(); err != nil {
		return Signal{}, err
	}
	h, err := NewPlayReadyHeader(t.Scheme, t.LicenseURL, t.Key)
	if err != nil {
		return Signal{}, err
	}
	object, err := h.Object()
	if err != nil {
		return Signal{}, err
	}
	s := Signal{System: PlayReady, PSSH: PSSH{System: PlayReady, Data: object}.Append(nil), Smooth: object}
	text := base64.StdEncoding.EncodeToString(object)
	s.ContentProtection = append(psshElement(s.PSSH), `<mspr:pro xmlns:mspr="urn:microsoft:playready">`+text+`</mspr:pro>`...)
	s.Media, s.Master = hls(HLSKey{
		Method: t.Scheme.HLSMethod(), URI: "data:text/plain;charset=UTF-16;base64," + text,
		KeyFormat: KeyFormatPlayReady, KeyFormatVersions: keyFormatVersions,
	})
	return s, nil
}

// SignalFairPlay returns what FairPlay is told: the URL that its key request names, which begins with skd://. FairPlay knows CBCS alone; it has no
// pssh box, and players get the initialization vector with the key.
func SignalFairPlay(t Terms) (Signal, error) {
	if err := t.check(); err != nil {
		return Signal{}, err
	}
	if t.Scheme != CBCS {
		return Signal{}, fmt.Errorf("FairPlay does not know %v", t.Scheme)
	}
	if !strings.HasPrefix(t.KeyURL, "skd://") {
		return Signal{}, fmt.Errorf("key URL %q does not begin with skd://", t.KeyURL)
	}
	s := Signal{System: FairPlay}
	s.Media, s.Master = hls(HLSKey{Method: MethodSampleAES, URI: t.KeyURL, KeyFormat: KeyFormatFairPlay, KeyFormatVersions: keyFormatVersions})
	return s, nil
}

// SignalClearKey returns what ClearKey is told: the key's identifier, in the box that all systems share, and where its licence is (DASH-IF
// Interoperability Points). With a KeyURL, players of HLS are told of the key itself.
func SignalClearKey(t Terms) (Signal, error) {
	s, err := SignalCommon(t)
	if err != nil {
		return Signal{}, err
	}
	s.System = ClearKey
	if t.LicenseURL != "" {
		s.ContentProtection = append(s.ContentProtection, `<dashif:Laurl xmlns:dashif="https://dashif.org/CPS">`+escape(t.LicenseURL)+`</dashif:Laurl>`...)
	}
	if t.KeyURL != "" {
		s.Media, s.Master = hls(HLSKey{
			Method: t.Scheme.HLSMethod(), URI: t.KeyURL, IV: t.Key.IV, KeyFormat: KeyFormatIdentity, KeyFormatVersions: keyFormatVersions,
		})
	}
	return s, nil
}

// SignalCommon returns the box of key identifiers that all systems share.
func SignalCommon(t Terms) (Signal, error) {
	if err := t.check(); err != nil {
		return Signal{}, err
	}
	s := Signal{System: CommonPSSH, PSSH: PSSH{System: CommonPSSH, KeyIDs: []UUID{t.Key.ID}}.Append(nil)}
	s.ContentProtection = psshElement(s.PSSH)
	return s, nil
}

// SignalAES128 returns what players of HLS are told of a key of whole segments, under the identifier by which the key was asked for.
func SignalAES128(system UUID, t Terms) (Signal, error) {
	if err := checkText("key URL", t.KeyURL); err != nil {
		return Signal{}, err
	}
	if t.KeyURL == "" {
		return Signal{}, errors.New("signal a key: no key URL")
	}
	s := Signal{System: system}
	s.Media, s.Master = hls(HLSKey{Method: MethodAES128, URI: t.KeyURL, IV: t.Key.IV, KeyFormat: KeyFormatIdentity, KeyFormatVersions: keyFormatVersions})
	return s, nil
}

// psshElement returns a pssh box as it stands in an MPD, ISO/IEC 23001-7 11.2.
func psshElement(box []byte) []byte {
	return []byte(`<cenc:pssh xmlns:cenc="urn:mpeg:cenc:2013">` + base64.StdEncoding.EncodeToString(box) + `</cenc:pssh>`)
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a strings.Builder does not fail
	return b.String()
}
