package cpix

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// document is a CPIX document as it is read. Each element is a list, so that one that stands there twice is seen.
type document struct {
	XMLName   xml.Name
	ID        string         `xml:"id,attr"`
	ContentID string         `xml:"contentId,attr"`
	Version   string         `xml:"version,attr"`
	Delivery  []deliveryList `xml:"urn:dashif:org:cpix DeliveryDataList"`
	Keys      []keyList      `xml:"urn:dashif:org:cpix ContentKeyList"`
	Systems   []systemList   `xml:"urn:dashif:org:cpix DRMSystemList"`
	Periods   []periodList   `xml:"urn:dashif:org:cpix ContentKeyPeriodList"`
	Rules     []ruleList     `xml:"urn:dashif:org:cpix ContentKeyUsageRuleList"`
}

type (
	keyList struct {
		Keys []contentKey `xml:"urn:dashif:org:cpix ContentKey"`
	}
	contentKey struct {
		KID    string      `xml:"kid,attr"`
		IV     *string     `xml:"explicitIV,attr"`
		Scheme string      `xml:"commonEncryptionScheme,attr"`
		Data   []keyValues `xml:"urn:dashif:org:cpix Data"`
	}
	keyValues struct {
		Secrets []secretValue `xml:"urn:ietf:params:xml:ns:keyprov:pskc Secret"`
	}
	secretValue struct {
		Plain     []string         `xml:"urn:ietf:params:xml:ns:keyprov:pskc PlainValue"`
		Encrypted []encryptedValue `xml:"urn:ietf:params:xml:ns:keyprov:pskc EncryptedValue"`
		MAC       []string         `xml:"urn:ietf:params:xml:ns:keyprov:pskc ValueMAC"`
	}
	encryptedValue struct {
		Method []encryptionMethod `xml:"http://www.w3.org/2001/04/xmlenc# EncryptionMethod"`
		Cipher []cipherData       `xml:"http://www.w3.org/2001/04/xmlenc# CipherData"`
	}
	encryptionMethod struct {
		Algorithm string      `xml:"Algorithm,attr"`
		Digest    []algorithm `xml:"http://www.w3.org/2000/09/xmldsig# DigestMethod"`
	}
	algorithm struct {
		Algorithm string `xml:"Algorithm,attr"`
	}
	cipherData struct {
		Values []string `xml:"http://www.w3.org/2001/04/xmlenc# CipherValue"`
	}

	deliveryList struct {
		Data []deliveryData `xml:"urn:dashif:org:cpix DeliveryData"`
	}
	deliveryData struct {
		ID          string        `xml:"id,attr"`
		Key         []deliveryKey `xml:"urn:dashif:org:cpix DeliveryKey"`
		DocumentKey []documentKey `xml:"urn:dashif:org:cpix DocumentKey"`
		MAC         []macMethod   `xml:"urn:dashif:org:cpix MACMethod"`
	}
	deliveryKey struct {
		X509 []struct {
			Certificates []string `xml:"http://www.w3.org/2000/09/xmldsig# X509Certificate"`
		} `xml:"http://www.w3.org/2000/09/xmldsig# X509Data"`
	}
	documentKey struct {
		Algorithm string      `xml:"Algorithm,attr"`
		Data      []keyValues `xml:"urn:dashif:org:cpix Data"`
	}
	// macMethod holds its key as CPIX has it, as an EncryptedDataType, or as SPEKE shows it, in pskc:EncryptedValue.
	macMethod struct {
		Algorithm string `xml:"Algorithm,attr"`
		Keys      []struct {
			encryptedValue
			Encrypted []encryptedValue `xml:"urn:ietf:params:xml:ns:keyprov:pskc EncryptedValue"`
			MAC       []string         `xml:"urn:ietf:params:xml:ns:keyprov:pskc ValueMAC"`
		} `xml:"urn:dashif:org:cpix Key"`
	}

	systemList struct {
		Systems []drmSystem `xml:"urn:dashif:org:cpix DRMSystem"`
	}
	drmSystem struct {
		KID               string      `xml:"kid,attr"`
		SystemID          string      `xml:"systemId,attr"`
		PSSH              []string    `xml:"urn:dashif:org:cpix PSSH"`
		ContentProtection []string    `xml:"urn:dashif:org:cpix ContentProtectionData"`
		HLS               []signaling `xml:"urn:dashif:org:cpix HLSSignalingData"`
		Smooth            []string    `xml:"urn:dashif:org:cpix SmoothStreamingProtectionHeaderData"`
		URI               []string    `xml:"urn:dashif:org:cpix URIExtXKey"`
		KeyFormat         []string    `xml:"urn:aws:amazon:com:speke KeyFormat"`
		KeyFormatVersions []string    `xml:"urn:aws:amazon:com:speke KeyFormatVersions"`
		ProtectionHeader  []string    `xml:"urn:aws:amazon:com:speke ProtectionHeader"`
	}
	signaling struct {
		Playlist string `xml:"playlist,attr"`
		Text     string `xml:",chardata"`
	}

	periodList struct {
		Periods []contentKeyPeriod `xml:"urn:dashif:org:cpix ContentKeyPeriod"`
	}
	contentKeyPeriod struct {
		ID    string `xml:"id,attr"`
		Index string `xml:"index,attr"`
		Start string `xml:"start,attr"`
		End   string `xml:"end,attr"`
	}

	ruleList struct {
		Rules []usageRule `xml:"urn:dashif:org:cpix ContentKeyUsageRule"`
	}
	usageRule struct {
		KID     string         `xml:"kid,attr"`
		Track   string         `xml:"intendedTrackType,attr"`
		Periods []periodFilter `xml:"urn:dashif:org:cpix KeyPeriodFilter"`
		Labels  []struct{}     `xml:"urn:dashif:org:cpix LabelFilter"`
		Audio   []trackFilter  `xml:"urn:dashif:org:cpix AudioFilter"`
		Video   []trackFilter  `xml:"urn:dashif:org:cpix VideoFilter"`
	}
	periodFilter struct {
		ID string `xml:"periodId,attr"`
	}
	// trackFilter is an AudioFilter or a VideoFilter. The attributes of pictures that MediaConvert's presets do not use are read so that they are seen.
	trackFilter struct {
		MinPixels   *string `xml:"minPixels,attr"`
		MaxPixels   *string `xml:"maxPixels,attr"`
		HDR         *string `xml:"hdr,attr"`
		MinFPS      *string `xml:"minFps,attr"`
		MaxFPS      *string `xml:"maxFps,attr"`
		MinChannels *string `xml:"minChannels,attr"`
		MaxChannels *string `xml:"maxChannels,attr"`
	}
)

// children are the elements that may stand in others, of the namespaces of CPIX, PSKC and SPEKE. One that stands elsewhere is refused rather than passed over, so that
// nobody means by a document what the other does not read. What UpdateHistoryItemList holds is passed over, as SPEKE says, and so is all of other namespaces.
var children = map[string]string{
	"":                             "cpix:CPIX",
	"cpix:CPIX":                    "cpix:DeliveryDataList cpix:ContentKeyList cpix:DRMSystemList cpix:ContentKeyPeriodList cpix:ContentKeyUsageRuleList cpix:UpdateHistoryItemList",
	"cpix:DeliveryDataList":        "cpix:DeliveryData",
	"cpix:DeliveryData":            "cpix:DeliveryKey cpix:DocumentKey cpix:MACMethod cpix:Description cpix:SendingEntity cpix:SenderPointOfContact cpix:ReceivingEntity",
	"cpix:DocumentKey":             "cpix:Data",
	"cpix:MACMethod":               "cpix:Key",
	"cpix:Key":                     "pskc:EncryptedValue pskc:ValueMAC",
	"cpix:ContentKeyList":          "cpix:ContentKey",
	"cpix:ContentKey":              "cpix:Data cpix:HDCPData",
	"cpix:Data":                    "pskc:Secret",
	"pskc:Secret":                  "pskc:PlainValue pskc:EncryptedValue pskc:ValueMAC",
	"cpix:DRMSystemList":           "cpix:DRMSystem",
	"cpix:DRMSystem":               "cpix:PSSH cpix:ContentProtectionData cpix:URIExtXKey cpix:HLSSignalingData cpix:HDSSignalingData cpix:SmoothStreamingProtectionHeaderData speke:KeyFormat speke:KeyFormatVersions speke:ProtectionHeader",
	"cpix:ContentKeyPeriodList":    "cpix:ContentKeyPeriod",
	"cpix:ContentKeyUsageRuleList": "cpix:ContentKeyUsageRule",
	"cpix:ContentKeyUsageRule":     "cpix:KeyPeriodFilter cpix:LabelFilter cpix:AudioFilter cpix:VideoFilter cpix:BitrateFilter",
	"cpix:UpdateHistoryItemList":   "*",
	"cpix:HDCPData":                "*",
}

// short is the name of an element with the prefix that this package uses, "" for one of another namespace.
func short(n xml.Name) string {
	switch n.Space {
	case nsCPIX:
		return "cpix:" + n.Local
	case nsPSKC:
		return "pskc:" + n.Local
	case nsSPEKE:
		return "speke:" + n.Local
	}
	return ""
}

// read reads a document. One with a document type declaration is refused before anything parses it: there are no entities here.
func read(text []byte) (*document, error) {
	switch {
	case len(text) > MaxDocument:
		return nil, fmt.Errorf("the document is longer than %d bytes", MaxDocument)
	case !utf8.Valid(text):
		return nil, errors.New("the document is not UTF-8")
	case bytes.Contains(text, []byte("<!")) && declares(text):
		return nil, errors.New("the document has a document type declaration")
	}
	if err := scan(text); err != nil {
		return nil, err
	}
	var d document
	if err := xml.Unmarshal(text, &d); err != nil {
		return nil, malformed(err)
	}
	return &d, nil
}

// declares says whether a document may hold a declaration: <! that begins neither a comment nor a CDATA section.
func declares(text []byte) bool {
	for {
		at := bytes.Index(text, []byte("<!"))
		if at < 0 {
			return false
		}
		text = text[at+2:]
		if !bytes.HasPrefix(text, []byte("--")) && !bytes.HasPrefix(text, []byte("[CDATA[")) {
			return true
		}
	}
}

// malformed says where a document is no XML, without a word of the document.
func malformed(err error) error {
	if s, ok := errors.AsType[*xml.SyntaxError](err); ok {
		return fmt.Errorf("the document is not well-formed XML at line %d", s.Line)
	}
	return errors.New("the document is not well-formed XML")
}

// scan checks the shape of a document: its depth, one root, no declaration or instruction, elements in their places, attributes once and without prefix.
func scan(text []byte) error {
	d := xml.NewDecoder(bytes.NewReader(text))
	type level struct {
		name    string
		skipped bool
	}
	var path []level
	rooted := false
	for first := true; ; first = false {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return malformed(err)
		}
		switch token := token.(type) {
		case xml.Directive:
			return errors.New("the document has a declaration")
		case xml.ProcInst:
			if token.Target != "xml" || !first {
				return errors.New("the document has a processing instruction")
			}
		case xml.StartElement:
			if len(path) >= maxDepth {
				return fmt.Errorf("the document is deeper than %d elements", maxDepth)
			}
			if len(path) == 0 && rooted {
				return errors.New("the document has two roots")
			}
			rooted = true
			in := level{}
			if len(path) > 0 {
				in = path[len(path)-1]
			}
			next := level{name: short(token.Name), skipped: in.skipped}
			if next.name == "" && len(path) == 0 {
				return errors.New("the document is not CPIX")
			}
			if allowed := children[in.name]; !in.skipped && allowed != "*" {
				switch {
				case next.name == "":
				case slices.Contains(strings.Fields(allowed), next.name):
				case len(path) == 0:
					return errors.New("the document is not CPIX")
				default:
					return fmt.Errorf("the element %.60q does not belong in %s", next.name, in.name)
				}
			} else {
				next.skipped = true
			}
			switch {
			case next.name != "":
			case token.Name.Space == nsENC || token.Name.Space == nsDS:
				next.name = "an element of encryption"
			default:
				next.skipped = true
			}
			if !next.skipped {
				if err := plain(token.Attr); err != nil {
					return fmt.Errorf("the element %.60q %w", token.Name.Local, err)
				}
			}
			path = append(path, next)
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.CharData:
			if len(path) == 0 && len(bytes.TrimSpace(token)) > 0 {
				return errors.New("the document has text outside its root")
			}
		}
	}
	if !rooted {
		return errors.New("the document is empty")
	}
	return nil
}

// readAttributes are the names of all attributes that are read. encoding/xml finds them by what stands behind the prefix, also in a declaration of a namespace, and takes
// the last.
var readAttributes = map[string]bool{
	"id": true, "contentId": true, "version": true, "kid": true, "explicitIV": true, "commonEncryptionScheme": true, "Algorithm": true, "systemId": true, "playlist": true,
	"index": true, "start": true, "end": true, "intendedTrackType": true, "periodId": true, "minPixels": true, "maxPixels": true, "hdr": true, "minFps": true, "maxFps": true,
	"minChannels": true, "maxChannels": true,
}

// plain checks that attributes stand once and that none of another namespace could be taken for one of ours.
func plain(attributes []xml.Attr) error {
	for i, a := range attributes {
		if slices.ContainsFunc(attributes[:i], func(b xml.Attr) bool { return a.Name == b.Name }) {
			return errors.New("has an attribute twice")
		}
		switch a.Name.Space {
		case "", "xmlns", "xml", "http://www.w3.org/XML/1998/namespace", nsXSI:
		default:
			return errors.New("has an attribute of another namespace")
		}
		if a.Name.Space != "" && readAttributes[a.Name.Local] {
			return errors.New("has an attribute of another namespace")
		}
	}
	return nil
}

// decode reads base64 as XML has it: white space does not count.
func decode(text string) ([]byte, error) {
	text = strings.Map(func(r rune) rune {
		if r == ' ' || r == '\t' || r == '\r' || r == '\n' {
			return -1
		}
		return r
	}, text)
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, errors.New("is not base64")
	}
	return b, nil
}

// one returns the only element of a list.
func one[T any](list []T, what string) (T, error) {
	if len(list) != 1 {
		var none T
		if len(list) == 0 {
			return none, fmt.Errorf("there is no %s", what)
		}
		return none, fmt.Errorf("there are %d elements %s, not one", len(list), what)
	}
	return list[0], nil
}
