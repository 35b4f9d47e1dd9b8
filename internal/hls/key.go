package hls

import (
	"fmt"
	"slices"
	"strings"

	"darkroom/internal/cenc"
)

// attributes are those of EXT-X-KEY and EXT-X-SESSION-KEY, RFC 8216 4.3.2.4 and 4.3.4.5.
func attributes(k *cenc.HLSKey) string {
	var b strings.Builder
	fmt.Fprintf(&b, "METHOD=%s", enumerated(k.Method))
	if k.URI != "" {
		fmt.Fprintf(&b, ",URI=\"%s\"", reference(k.URI))
	}
	if len(k.IV) > 0 {
		fmt.Fprintf(&b, ",IV=0x%X", k.IV)
	}
	if k.KeyID != "" {
		fmt.Fprintf(&b, ",KEYID=%s", enumerated(k.KeyID))
	}
	if k.KeyFormat != "" {
		fmt.Fprintf(&b, ",KEYFORMAT=%s", quote(k.KeyFormat))
	}
	if k.KeyFormatVersions != "" {
		fmt.Fprintf(&b, ",KEYFORMATVERSIONS=%s", quote(k.KeyFormatVersions))
	}
	return b.String()
}

// keyVersion is the protocol version that a key needs, RFC 8216 section 7; SAMPLE-AES came with version 5.
func keyVersion(k *cenc.HLSKey) int {
	switch {
	case k.KeyFormat != "" || k.KeyFormatVersions != "" || strings.HasPrefix(k.Method, "SAMPLE-AES"):
		return versionKeyFormat
	case len(k.IV) > 0:
		return versionInteger
	}
	return 1
}

func sameKey(a, b cenc.HLSKey) bool { return attributes(&a) == attributes(&b) }

func sameKeys(a, b []cenc.HLSKey) bool { return slices.EqualFunc(a, b, sameKey) }
