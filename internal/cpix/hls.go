package cpix

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"darkroom/internal/cenc"
)

// The tags that key servers give, RFC 8216 4.3.2.4 and 4.3.4.5.
const (
	mediaTag  = "#EXT-X-KEY:"
	masterTag = "#EXT-X-SESSION-KEY:"
)

// maxAttribute bounds a value: the data URI of a PlayReady object is the longest there is.
const maxAttribute = 128 << 10

// quotable says whether a text can stand as a quoted string in a playlist.
func quotable(text string) error {
	switch {
	case len(text) > maxAttribute:
		return fmt.Errorf("is longer than %d bytes", maxAttribute)
	case !utf8.ValidString(text):
		return errors.New("is not UTF-8")
	case strings.ContainsFunc(text, func(r rune) bool { return r == '"' || unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }):
		return errors.New("holds a quotation mark or a control character")
	}
	return nil
}

// parseHLS reads the line of a playlist that HLSSignalingData holds. Every attribute is known, or the line is refused: what is not understood cannot be passed on.
func parseHLS(tag string, line []byte) (*cenc.HLSKey, error) {
	text, ok := strings.CutPrefix(string(bytes.TrimRight(line, "\r\n")), tag)
	if !ok {
		return nil, fmt.Errorf("it does not begin with %s", strings.TrimSuffix(tag, ":"))
	}
	k := &cenc.HLSKey{}
	seen := map[string]bool{}
	for more := true; more; {
		var name, value string
		var quoted bool
		var err error
		if name, value, quoted, text, more, err = attribute(text); err != nil {
			return nil, err
		}
		if seen[name] {
			return nil, fmt.Errorf("it has %s twice", name)
		}
		seen[name] = true
		if err := setHLS(k, name, value, quoted); err != nil {
			return nil, err
		}
	}
	switch {
	case k.Method == "":
		return nil, errors.New("it has no METHOD")
	case k.URI == "":
		return nil, errors.New("it has no URI")
	}
	return k, nil
}

// attribute takes the first attribute off a list (RFC 8216 4.2).
func attribute(text string) (name, value string, quoted bool, rest string, more bool, err error) {
	name, rest, ok := strings.Cut(text, "=")
	if !ok || name == "" || strings.ContainsFunc(name, func(r rune) bool { return r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') }) {
		return "", "", false, "", false, errors.New("it is not a list of attributes")
	}
	if strings.HasPrefix(rest, `"`) {
		if value, rest, ok = strings.Cut(rest[1:], `"`); !ok {
			return "", "", false, "", false, fmt.Errorf("its %s does not end", name)
		}
		if err := quotable(value); err != nil {
			return "", "", false, "", false, fmt.Errorf("its %s %w", name, err)
		}
		if rest == "" {
			return name, value, true, "", false, nil
		}
		if rest, ok = strings.CutPrefix(rest, ","); !ok {
			return "", "", false, "", false, errors.New("it is not a list of attributes")
		}
		return name, value, true, rest, true, nil
	}
	value, rest, more = strings.Cut(rest, ",")
	if value == "" || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r == '"' || r >= 0x7f }) {
		return "", "", false, "", false, fmt.Errorf("its %s has no value", name)
	}
	return name, value, false, rest, more, nil
}

func setHLS(k *cenc.HLSKey, name, value string, quoted bool) error {
	if text := name == "URI" || name == "KEYFORMAT" || name == "KEYFORMATVERSIONS"; text != quoted {
		switch name {
		case "METHOD", "IV", "KEYID", "URI", "KEYFORMAT", "KEYFORMATVERSIONS":
			return fmt.Errorf("its %s is of the wrong kind", name)
		}
	}
	switch name {
	case "METHOD":
		k.Method = value
	case "URI":
		k.URI = value
	case "KEYFORMAT":
		k.KeyFormat = value
	case "KEYFORMATVERSIONS":
		for v := range strings.SplitSeq(value, "/") {
			if v == "" || strings.Trim(v, "0123456789") != "" {
				return errors.New("its KEYFORMATVERSIONS are not numbers separated by slashes")
			}
		}
		k.KeyFormatVersions = value
	case "IV":
		b, err := hexadecimal(value)
		if err != nil {
			return fmt.Errorf("its IV is not 0x and %d bytes in hexadecimal", cenc.KeySize)
		}
		k.IV = b
	case "KEYID":
		if _, err := hexadecimal(value); err != nil {
			return fmt.Errorf("its KEYID is not 0x and %d bytes in hexadecimal", cenc.KeySize)
		}
		k.KeyID = value
	default:
		return fmt.Errorf("its attribute %.40s is not one of METHOD, URI, IV, KEYFORMAT, KEYFORMATVERSIONS and KEYID", name)
	}
	return nil
}

func hexadecimal(value string) ([]byte, error) {
	digits, ok := strings.CutPrefix(value, "0x")
	if !ok {
		digits, ok = strings.CutPrefix(value, "0X")
	}
	b, err := hex.DecodeString(digits)
	if !ok || err != nil || len(b) != cenc.KeySize {
		return nil, errors.New("not hexadecimal")
	}
	return b, nil
}

// hlsLine writes a tag.
func hlsLine(tag string, k *cenc.HLSKey) []byte {
	if k == nil {
		return nil
	}
	var b bytes.Buffer
	b.WriteString(tag + "METHOD=" + k.Method)
	quoted := func(name, value string) {
		if value != "" {
			b.WriteString("," + name + `="` + value + `"`)
		}
	}
	quoted("URI", k.URI)
	if k.IV != nil {
		fmt.Fprintf(&b, ",IV=0x%X", k.IV)
	}
	if k.KeyID != "" {
		b.WriteString(",KEYID=" + k.KeyID)
	}
	quoted("KEYFORMAT", k.KeyFormat)
	quoted("KEYFORMATVERSIONS", k.KeyFormatVersions)
	return b.Bytes()
}

// What SPEKE v1.0 has in place of the tag.
func hlsURI(k *cenc.HLSKey) []byte {
	if k == nil {
		return nil
	}
	return []byte(k.URI)
}

func hlsFormat(k *cenc.HLSKey) []byte {
	if k == nil {
		return nil
	}
	return []byte(k.KeyFormat)
}

func hlsVersions(k *cenc.HLSKey) []byte {
	if k == nil {
		return nil
	}
	return []byte(k.KeyFormatVersions)
}
