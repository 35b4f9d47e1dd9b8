package hls

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// RFC4281 is the codecs parameter of AVC as it was written before RFC 6381: the profile and the level in decimal, such as avc1.77.30 for
// avc1.4d401e, as the first Apple players read it. That of other codecs has no other form.
func RFC4281(codec string) string {
	name, profile, ok := strings.Cut(codec, ".")
	if !ok || name != "avc1" && name != "avc3" || len(profile) != 6 {
		return codec
	}
	b, err := hex.DecodeString(profile)
	if err != nil {
		return codec
	}
	return fmt.Sprintf("%s.%d.%d", name, b[0], b[2])
}
