package cenc

import (
	"bytes"
	"crypto/aes"
	"encoding/base64"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
)

// PlayReadyHeader is a WRMHEADER, PlayReady Header Specification section 3.
type PlayReadyHeader struct {
	Version string // such as 4.0.0.0
	Scheme  Scheme
	Keys    []PlayReadyKey
	// LicenseURL is LA_URL, "" where the player knows it.
	LicenseURL string
}

// PlayReadyKey names a key.
type PlayReadyKey struct {
	ID UUID
	// Checksum is the first 8 bytes of the identifier, as PlayReady writes it, encrypted by the key with AES-ECB; nil where there is none.
	Checksum []byte
}

const (
	// MaxPlayReadyObject is the greatest size of a PlayReady object, section 2.
	MaxPlayReadyObject = 15 << 10
	playReadyObject    = 4 + 2 // length, number of records
	playReadyRecord    = 2 + 2 // type, length
	playReadyHeader    = 1     // type of record
	playReadyNamespace = "http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader"
	checksumSize       = 8
	// maxPlayReadyDepth bounds how deep elements nest; a header needs five.
	maxPlayReadyDepth = 16
)

// ErrPlayReady is returned for bytes that are not one well-formed PlayReady object.
var ErrPlayReady = errors.New("not a PlayReady object")

// NewPlayReadyHeader returns the header for keys: version 4.0 with a checksum for one key under CENC, which every client reads, and 4.3
// otherwise, the first to know several schemes.
func NewPlayReadyHeader(scheme Scheme, licenseURL string, keys ...Key) (PlayReadyHeader, error) {
	h := PlayReadyHeader{Version: "4.3.0.0", Scheme: scheme, LicenseURL: licenseURL}
	if scheme != CENC && scheme != CBCS {
		return PlayReadyHeader{}, fmt.Errorf("PlayReady header: %v", scheme)
	}
	if len(keys) == 0 {
		return PlayReadyHeader{}, errors.New("PlayReady header: no key")
	}
	if err := checkText("license URL", licenseURL); err != nil {
		return PlayReadyHeader{}, err
	}
	if scheme == CENC && len(keys) == 1 {
		h.Version = "4.0.0.0"
	}
	for _, k := range keys {
		key := PlayReadyKey{ID: k.ID}
		if scheme == CENC { // section 4: none is defined for AESCBC
			sum, err := playReadyChecksum(k)
			if err != nil {
				return PlayReadyHeader{}, err
			}
			key.Checksum = sum
		}
		h.Keys = append(h.Keys, key)
	}
	return h, nil
}

func playReadyChecksum(k Key) ([]byte, error) {
	if k.Value.Len() != KeySize {
		return nil, fmt.Errorf("a content key of %d bytes: it must have %d", k.Value.Len(), KeySize)
	}
	block, err := aes.NewCipher(k.Value.Reveal())
	if err != nil {
		return nil, fmt.Errorf("content key: %w", err)
	}
	b := k.ID.swapped()
	block.Encrypt(b[:], b[:])
	return b[:checksumSize], nil
}

// swapped returns u in the order in which Microsoft keeps a GUID in memory: its first three groups have their lowest byte first. It is its own
// inverse.
func (u UUID) swapped() UUID {
	u[0], u[1], u[2], u[3] = u[3], u[2], u[1], u[0]
	u[4], u[5] = u[5], u[4]
	u[6], u[7] = u[7], u[6]
	return u
}

func (s Scheme) playReady() string {
	if s == CBCS {
		return "AESCBC"
	}
	return "AESCTR"
}

// XML returns the header as it stands in a record, before it is encoded. Elements are closed by tags and attributes are in alphabetical order, as
// section 5 of the specification wants it.
func (h PlayReadyHeader) XML() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<WRMHEADER xmlns="%s" version="%s"><DATA><PROTECTINFO>`, playReadyNamespace, h.Version)
	if h.Version == "4.0.0.0" {
		fmt.Fprintf(&b, `<KEYLEN>%d</KEYLEN><ALGID>%s</ALGID></PROTECTINFO>`, KeySize, h.Scheme.playReady())
		for _, k := range h.Keys {
			fmt.Fprintf(&b, `<KID>%s</KID>`, k.encoded())
			if k.Checksum != nil {
				fmt.Fprintf(&b, `<CHECKSUM>%s</CHECKSUM>`, base64.StdEncoding.EncodeToString(k.Checksum))
			}
		}
	} else {
		b.WriteString(`<KIDS>`)
		for _, k := range h.Keys {
			fmt.Fprintf(&b, `<KID ALGID="%s"`, h.Scheme.playReady())
			if k.Checksum != nil {
				fmt.Fprintf(&b, ` CHECKSUM="%s"`, base64.StdEncoding.EncodeToString(k.Checksum))
			}
			fmt.Fprintf(&b, ` VALUE="%s"></KID>`, k.encoded())
		}
		b.WriteString(`</KIDS></PROTECTINFO>`)
	}
	if h.LicenseURL != "" {
		b.WriteString(`<LA_URL>`)
		b.WriteString(escape(h.LicenseURL))
		b.WriteString(`</LA_URL>`)
	}
	b.WriteString(`</DATA></WRMHEADER>`)
	return b.String()
}

func (k PlayReadyKey) encoded() string {
	id := k.ID.swapped()
	return base64.StdEncoding.EncodeToString(id[:])
}

// Object returns the header as the only record of a PlayReady object.
func (h PlayReadyHeader) Object() ([]byte, error) {
	words := utf16.Encode([]rune(h.XML()))
	size := 2 * len(words)
	total := playReadyObject + playReadyRecord + size
	if total > MaxPlayReadyObject {
		return nil, fmt.Errorf("a PlayReady object of %d bytes: it may have %d", total, MaxPlayReadyObject)
	}
	b := binary.LittleEndian.AppendUint32(nil, uint32(total))
	for _, n := range []int{1, playReadyHeader, size} {
		b = binary.LittleEndian.AppendUint16(b, uint16(n))
	}
	for _, w := range words {
		b = binary.LittleEndian.AppendUint16(b, w)
	}
	return b, nil
}

// ParsePlayReadyObject reads object, which must be one PlayReady object and nothing else, with exactly one header of version 4.0 to 4.3 whose
// keys are all of one scheme. Other records are passed over. The error is ErrPlayReady with its reason.
func ParsePlayReadyObject(object []byte) (PlayReadyHeader, error) {
	text, err := playReadyRecordText(object)
	if err != nil {
		return PlayReadyHeader{}, fmt.Errorf("%w: %w", ErrPlayReady, err)
	}
	h, err := parsePlayReadyHeader(text)
	if err != nil {
		return PlayReadyHeader{}, fmt.Errorf("%w: %w", ErrPlayReady, err)
	}
	return h, nil
}

func playReadyRecordText(object []byte) (string, error) {
	if len(object) < playReadyObject || len(object) > MaxPlayReadyObject {
		return "", fmt.Errorf("it has %d bytes, which must be %d to %d", len(object), playReadyObject, MaxPlayReadyObject)
	}
	if uint64(binary.LittleEndian.Uint32(object)) != uint64(len(object)) {
		return "", errors.New("its length is not that of the bytes given")
	}
	var header []byte
	rest := object[playReadyObject:]
	for range binary.LittleEndian.Uint16(object[4:]) {
		if len(rest) < playReadyRecord {
			return "", errors.New("it is shorter than its records")
		}
		kind, size := binary.LittleEndian.Uint16(rest), int(binary.LittleEndian.Uint16(rest[2:]))
		rest = rest[playReadyRecord:]
		if size > len(rest) {
			return "", errors.New("it is shorter than its records")
		}
		if kind == playReadyHeader {
			if header != nil {
				return "", errors.New("it has two headers")
			}
			header = rest[:size]
		}
		rest = rest[size:]
	}
	if len(rest) > 0 {
		return "", errors.New("it is longer than its records")
	}
	if len(header) == 0 || len(header)%2 != 0 {
		return "", errors.New("it has no header in UTF-16")
	}
	words := make([]uint16, len(header)/2)
	for i := range words {
		words[i] = binary.LittleEndian.Uint16(header[2*i:])
	}
	text := string(utf16.Decode(words))
	if strings.ContainsRune(text, '\uFFFD') {
		return "", errors.New("its header is not UTF-16")
	}
	return text, nil
}

type wrmKID struct {
	Algorithm string `xml:"ALGID,attr"`
	Checksum  string `xml:"CHECKSUM,attr"`
	Value     string `xml:"VALUE,attr"`
	Text      string `xml:",chardata"`
}

type wrmHeader struct {
	XMLName xml.Name `xml:"WRMHEADER"`
	Version string   `xml:"version,attr"`
	Data    []struct {
		Info []struct {
			KeyLength []string `xml:"KEYLEN"`
			Algorithm []string `xml:"ALGID"`
			KID       []wrmKID `xml:"KID"`
			KIDs      []struct {
				KID []wrmKID `xml:"KID"`
			} `xml:"KIDS"`
		} `xml:"PROTECTINFO"`
		KID        []wrmKID `xml:"KID"`
		Checksum   []string `xml:"CHECKSUM"`
		LicenseURL []string `xml:"LA_URL"`
	} `xml:"DATA"`
}

func parsePlayReadyHeader(text string) (PlayReadyHeader, error) {
	if err := checkXML(text, maxPlayReadyDepth); err != nil {
		return PlayReadyHeader{}, err
	}
	var x wrmHeader
	if err := xml.Unmarshal([]byte(text), &x); err != nil {
		return PlayReadyHeader{}, fmt.Errorf("its header: %w", err)
	}
	if x.XMLName.Space != playReadyNamespace || len(x.Data) != 1 || len(x.Data[0].Info) > 1 || len(x.Data[0].LicenseURL) > 1 {
		return PlayReadyHeader{}, errors.New("its header is not a WRMHEADER of one DATA")
	}
	data := x.Data[0]
	if len(data.Info) == 0 {
		return PlayReadyHeader{}, errors.New("its header has no PROTECTINFO")
	}
	info := data.Info[0]
	h := PlayReadyHeader{Version: x.Version}
	if len(data.LicenseURL) == 1 {
		h.LicenseURL = strings.TrimSpace(data.LicenseURL[0])
	}
	var kids []wrmKID
	switch x.Version {
	case "4.0.0.0":
		if len(info.KeyLength) != 1 || info.KeyLength[0] != "16" || len(info.Algorithm) != 1 || len(data.KID) != 1 || len(data.Checksum) > 1 {
			return PlayReadyHeader{}, errors.New("its header lacks KEYLEN 16, ALGID or KID, or has one twice")
		}
		kid := wrmKID{Algorithm: info.Algorithm[0], Value: strings.TrimSpace(data.KID[0].Text)}
		if len(data.Checksum) == 1 {
			kid.Checksum = strings.TrimSpace(data.Checksum[0])
		}
		kids = append(kids, kid)
	case "4.1.0.0":
		kids = info.KID
	case "4.2.0.0", "4.3.0.0":
		if len(info.KIDs) == 1 {
			kids = info.KIDs[0].KID
		}
	default:
		return PlayReadyHeader{}, fmt.Errorf("version %q of its header is not known", x.Version)
	}
	for _, kid := range kids {
		scheme, key, err := kid.key(x.Version)
		if err != nil {
			return PlayReadyHeader{}, err
		}
		if h.Scheme != 0 && h.Scheme != scheme {
			return PlayReadyHeader{}, errors.New("its keys are of several schemes")
		}
		h.Scheme = scheme
		h.Keys = append(h.Keys, key)
	}
	if len(h.Keys) == 0 {
		return PlayReadyHeader{}, errors.New("its header names no key")
	}
	return h, nil
}

func (k wrmKID) key(version string) (Scheme, PlayReadyKey, error) {
	var scheme Scheme
	switch {
	case k.Algorithm == "AESCTR":
		scheme = CENC
	case k.Algorithm == "AESCBC" && version == "4.3.0.0":
		scheme = CBCS
	default:
		return 0, PlayReadyKey{}, fmt.Errorf("ALGID %q is not one of version %s", k.Algorithm, version)
	}
	id, err := base64.StdEncoding.Strict().DecodeString(k.Value)
	if err != nil || len(id) != len(UUID{}) {
		return 0, PlayReadyKey{}, errors.New("a KID is not 16 bytes in base64")
	}
	key := PlayReadyKey{ID: UUID(id).swapped()}
	if k.Checksum != "" {
		key.Checksum, err = base64.StdEncoding.Strict().DecodeString(k.Checksum)
		if err != nil || len(key.Checksum) != checksumSize {
			return 0, PlayReadyKey{}, errors.New("a CHECKSUM is not 8 bytes in base64")
		}
	}
	return scheme, key, nil
}

// checkXML refuses what a small document has no need of: directives (and with them entities), deep nesting, a second root, an unknown encoding.
func checkXML(text string, maxDepth int) error {
	d := xml.NewDecoder(strings.NewReader(text))
	depth, roots := 0, 0
	for {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("its XML: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth == 0 {
				roots++
			}
			if depth++; depth > maxDepth {
				return errors.New("its XML nests too deep")
			}
		case xml.EndElement:
			depth--
		case xml.Directive:
			return errors.New("its XML has a directive")
		case xml.ProcInst:
			return errors.New("its XML has a processing instruction")
		case xml.CharData:
			if depth == 0 && len(bytes.TrimSpace(t)) > 0 {
				return errors.New("its XML has text outside the root")
			}
		}
	}
	if depth != 0 || roots != 1 {
		return errors.New("its XML has not one root")
	}
	return nil
}
