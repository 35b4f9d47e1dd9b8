package cpix

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"darkroom/internal/cenc"
	"darkroom/internal/media"
)

// Request is what is asked of a key server: a CPIX document without the keys. NewRequest makes one for the side that asks, ParseRequest for the one that answers.
type Request struct {
	ContentID string
	Version   int         // V1 or V2
	Scheme    cenc.Scheme // none in V1, which does not say it
	// Method is what EXT-X-KEY is to say: AES-128, SAMPLE-AES or SAMPLE-AES-CTR. Encrypted is what samples are encrypted by, in V1 too. Neither stands in the document;
	// an answer that says another is refused.
	Method    string
	Encrypted cenc.Scheme
	Keys      []Key
	Systems   []System
	// Certificate is whom content keys are encrypted for, DER; nil for keys in the clear. DeliveryID is its id in the document.
	Certificate []byte
	DeliveryID  string
	// Periods are of streams whose keys rotate. NewRequest makes none.
	Periods []Period
}

// Key is a content key that is asked for.
type Key struct {
	ID cenc.UUID
	IV []byte // explicitIV, cenc.KeySize bytes; nil for none
	// Use is none in V1, where one key is for every track.
	Use     Use
	Periods []string // ids of Periods
}

// System says what is asked of a DRM system about a key.
type System struct {
	ID, KeyID         cenc.UUID
	PSSH              bool // a box
	ContentProtection bool // what stands in an MPD
	// HLS asks for what playlists say: HLSSignalingData, and in V1 URIExtXKey, KeyFormat and KeyFormatVersions.
	HLS    bool
	Smooth bool // ProtectionHeader of a Smooth Streaming manifest
}

// Period is a key period of a live stream. What is empty is not said.
type Period struct {
	ID, Index, Start, End string
}

// Options say what NewRequest asks for.
type Options struct {
	ContentID string
	Version   int
	Uses      []Use // of Contract or Shared; V1 takes Shared alone
	Scheme    cenc.Scheme
	Method    string // see Request
	Systems   []Wanted
	// Boxes says that segments are fragmented MP4, which carries boxes of DRM systems.
	Boxes       bool
	IV          []byte // constant initialization vector that the answer has to keep; nil for none
	Certificate []byte // DER; nil for keys in the clear
}

// Wanted is a DRM system and where it is signalled.
type Wanted struct {
	ID                cenc.UUID
	HLS, DASH, Smooth bool
}

// deliveryID is the id of DeliveryData in our documents; its value means nothing to a key server.
const deliveryID = "darkroom"

// keyNamespace is that of the identifiers of keys.
var keyNamespace = cenc.UUID{0x5b, 0x07, 0x53, 0x6f, 0x6e, 0x2c, 0x4e, 0x31, 0x9f, 0x1d, 0x63, 0x0c, 0x28, 0x51, 0xe7, 0x4a}

// KeyID is the identifier of the key of a track, the same for the same content at any time ("The encryptor creates the key identifier, which remains the same for any given
// content ID", SPEKE v2.0, constraints). It is a UUID of version 8 made with SHA-256, as RFC 9562 appendix B.2 shows it: the SHA-1 of version 5 is none where only approved
// cryptography is wanted.
func KeyID(contentID, track string) cenc.UUID {
	h := sha256.New()
	h.Write(keyNamespace[:])
	h.Write([]byte(strconv.Itoa(len(contentID)) + ":" + contentID + track))
	var u cenc.UUID
	copy(u[:], h.Sum(nil))
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
	return u
}

// NewRequest returns the request for the keys of uses, each for every system. Keys are in the order of uses.
func NewRequest(o Options) (*Request, error) {
	r := &Request{ContentID: o.ContentID, Version: o.Version, Scheme: o.Scheme, Method: o.Method, Encrypted: o.Scheme, Certificate: o.Certificate}
	switch {
	case o.Version != V1 && o.Version != V2:
		return nil, fmt.Errorf("there is no SPEKE version %d", o.Version)
	case !identifier(o.ContentID):
		return nil, fmt.Errorf("a content id is 1 to %d printable bytes", maxID)
	case o.Version == V1 && (len(o.Uses) != 1 || o.Uses[0].Track != All):
		return nil, errors.New("SPEKE v1.0 has one key for every track")
	case len(o.Uses) == 0 || len(o.Uses) > maxKeys:
		return nil, fmt.Errorf("a request is for 1 to %d keys", maxKeys)
	case len(o.Systems) == 0:
		return nil, errors.New("a request names a DRM system")
	case o.Scheme != cenc.CENC && o.Scheme != cenc.CBCS:
		return nil, errors.New("a request names an encryption scheme")
	case o.IV != nil && len(o.IV) != cenc.KeySize:
		return nil, fmt.Errorf("an initialization vector has %d bytes, not %d", cenc.KeySize, len(o.IV))
	}
	if o.Version == V1 {
		r.Scheme = 0
	}
	if o.Certificate != nil {
		r.DeliveryID = deliveryID
	}
	for _, u := range o.Uses {
		k := Key{ID: KeyID(o.ContentID, u.Track), IV: o.IV}
		if o.Version == V2 {
			k.Use = u
		}
		r.Keys = append(r.Keys, k)
	}
	for i, w := range o.Systems {
		switch {
		case slices.ContainsFunc(o.Systems[:i], func(v Wanted) bool { return v.ID == w.ID }):
			return nil, fmt.Errorf("the DRM system %s is asked for twice", w.ID)
		case hlsOnly(w.ID) && (w.DASH || w.Smooth):
			return nil, fmt.Errorf("the DRM system %s is for HLS alone", w.ID)
		case w.Smooth && w.ID != cenc.PlayReady:
			return nil, fmt.Errorf("the DRM system of Smooth Streaming is PlayReady, %s, not %s", cenc.PlayReady, w.ID)
		case w.ID == cenc.FairPlay && o.Scheme == cenc.CENC:
			return nil, fmt.Errorf("the DRM system %s (FairPlay) does not know the scheme cenc", w.ID)
		case !w.HLS && !w.DASH && !w.Smooth:
			return nil, fmt.Errorf("the DRM system %s is signalled nowhere", w.ID)
		}
		for _, k := range r.Keys {
			r.Systems = append(r.Systems, System{
				ID: w.ID, KeyID: k.ID, HLS: w.HLS, ContentProtection: w.DASH, Smooth: w.Smooth, PSSH: o.Boxes && !hlsOnly(w.ID),
			})
		}
	}
	return r, nil
}

// identifier says whether a text can be an id in a document.
func identifier(text string) bool {
	if text == "" || len(text) > maxID || !utf8.ValidString(text) {
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 })
}

// Encode writes the document.
func (r *Request) Encode() []byte {
	var w writer
	w.root(r)
	r.delivery(&w, nil)
	w.open("cpix:ContentKeyList")
	for _, k := range r.Keys {
		w.empty("cpix:ContentKey", r.keyAttributes(k)...)
	}
	w.close()
	w.open("cpix:DRMSystemList")
	for _, s := range r.Systems {
		r.system(&w, s, nil)
	}
	w.close()
	r.rules(&w)
	w.close()
	return w.bytes()
}

func (r *Request) keyAttributes(k Key) []string {
	a := []string{"kid", k.ID.String()}
	if k.IV != nil {
		a = append(a, "explicitIV", base64.StdEncoding.EncodeToString(k.IV))
	}
	if r.Scheme != 0 {
		a = append(a, "commonEncryptionScheme", r.Scheme.String())
	}
	return a
}

// delivery writes whom content keys are encrypted for, and with sealed also the keys that do it.
func (r *Request) delivery(w *writer, sealed func(*writer)) {
	if r.Certificate == nil {
		return
	}
	w.open("cpix:DeliveryDataList")
	if r.DeliveryID == "" {
		w.open("cpix:DeliveryData")
	} else {
		w.open("cpix:DeliveryData", "id", r.DeliveryID)
	}
	w.open("cpix:DeliveryKey")
	w.open("ds:X509Data")
	w.text("ds:X509Certificate", base64.StdEncoding.EncodeToString(r.Certificate))
	w.close()
	w.close()
	if sealed != nil {
		sealed(w)
	}
	w.close()
	w.close()
}

// system writes a DRMSystem: what is asked for, empty without a signal, else what the signal has of it.
func (r *Request) system(w *writer, s System, signal *cenc.Signal) {
	value := func(name string, asked bool, of func(*cenc.Signal) []byte, attributes ...string) {
		switch {
		case !asked:
		case signal == nil:
			w.empty(name, attributes...)
		default:
			if b := of(signal); len(b) > 0 {
				w.text(name, base64.StdEncoding.EncodeToString(b), attributes...)
			}
		}
	}
	w.open("cpix:DRMSystem", "kid", s.KeyID.String(), "systemId", s.ID.String())
	value("cpix:PSSH", s.PSSH, func(g *cenc.Signal) []byte { return g.PSSH })
	value("cpix:ContentProtectionData", s.ContentProtection, func(g *cenc.Signal) []byte { return g.ContentProtection })
	smooth := func(g *cenc.Signal) []byte { return g.Smooth }
	if r.Version == V1 {
		value("cpix:URIExtXKey", s.HLS, func(g *cenc.Signal) []byte { return hlsURI(g.Media) })
		value("speke:KeyFormat", s.HLS, func(g *cenc.Signal) []byte { return hlsFormat(g.Media) })
		value("speke:KeyFormatVersions", s.HLS, func(g *cenc.Signal) []byte { return hlsVersions(g.Media) })
		value("speke:ProtectionHeader", s.Smooth, smooth)
	} else {
		value("cpix:HLSSignalingData", s.HLS, func(g *cenc.Signal) []byte { return hlsLine(mediaTag, g.Media) }, "playlist", "media")
		value("cpix:HLSSignalingData", s.HLS, func(g *cenc.Signal) []byte { return hlsLine(masterTag, g.Master) }, "playlist", "master")
		value("cpix:SmoothStreamingProtectionHeaderData", s.Smooth, smooth)
	}
	w.close()
}

// rules writes the periods and the encryption contract.
func (r *Request) rules(w *writer) {
	if len(r.Periods) > 0 {
		w.open("cpix:ContentKeyPeriodList")
		for _, p := range r.Periods {
			a := []string{"id", p.ID}
			for _, v := range [][2]string{{"index", p.Index}, {"start", p.Start}, {"end", p.End}} {
				if v[1] != "" {
					a = append(a, v[0], v[1])
				}
			}
			w.empty("cpix:ContentKeyPeriod", a...)
		}
		w.close()
	}
	if r.Version == V1 && !slices.ContainsFunc(r.Keys, func(k Key) bool { return len(k.Periods) > 0 }) {
		return
	}
	w.open("cpix:ContentKeyUsageRuleList")
	for _, k := range r.Keys {
		a := []string{"kid", k.ID.String()}
		if k.Use.Track != "" {
			a = append(a, "intendedTrackType", k.Use.Track)
		}
		w.open("cpix:ContentKeyUsageRule", a...)
		for _, p := range k.Periods {
			w.empty("cpix:KeyPeriodFilter", "periodId", p)
		}
		for _, f := range k.Use.Filters {
			name, least, most := "cpix:VideoFilter", "minPixels", "maxPixels"
			if f.Kind == media.Audio {
				name, least, most = "cpix:AudioFilter", "minChannels", "maxChannels"
			}
			var limits []string
			if f.Min > 0 {
				limits = append(limits, least, strconv.Itoa(f.Min))
			}
			if f.Max > 0 {
				limits = append(limits, most, strconv.Itoa(f.Max))
			}
			w.empty(name, limits...)
		}
		w.close()
	}
	w.close()
}
