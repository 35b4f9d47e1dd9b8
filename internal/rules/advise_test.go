package rules

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

func TestAdvise(t *testing.T) {
	t.Parallel()
	gop := func(n, segment string) string {
		return group(hlsGroup(`"segmentLength":`+segment), strings.Replace(m3u8, `"maxBitrate"`, `"gopSizeUnits":"SECONDS","gopSize":`+n+`,"maxBitrate"`, 1))
	}
	two := func(a, b string) string {
		o := func(n, name string) string {
			return `{"nameModifier":"` + name + `",` + strings.Replace(m3u8, `"maxBitrate"`, `"gopSize":`+n+`,"maxBitrate"`, 1)[1:]
		}
		return group(hlsGroup(`"segmentLength":6`), o(a, "_a")+`,`+o(b, "_b"))
	}
	tested := map[string]bool{}
	for _, tt := range []struct{ name, unwise, wise string }{
		{"advise-last-segment", group(hlsGroup(`"segmentLength":6`), m3u8), strings.Replace(group(hlsGroup(`"segmentLength":6`), m3u8), `"minSegmentLength":0`, `"minSegmentLength":1`, 1)},
		{"advise-segment-gop", gop("4", "6"), gop("2", "6")},
		{"advise-open-gop", strings.Replace(gop("2", "6"), `"gopSize"`, `"gopClosedCadence":2,"gopSize"`, 1), gop("2", "6")},
		{"advise-bitrate", v(`"width":4096,"height":2160`), v(`"width":640,"height":360`)},
		{"advise-bitrate", v(`"width":64,"height":36`), v(`"width":640,"height":360`)},
		{"advise-unequal-gop", two("60", "90"), two("60", "60")},
		{"advise-no-sound", one(video + `,"audioDescriptions":[` + aac + `]`), one(video)},
	} {
		tested[tt.name] = true
		has := func(text string) bool {
			for _, f := range Advise(read[types.JobSettings](t, text)) {
				if f.Rule == tt.name {
					return true
				}
			}
			return false
		}
		if !has(tt.unwise) || has(tt.wise) {
			t.Errorf("%s: unwise %t, wise %t", tt.name, has(tt.unwise), has(tt.wise))
		}
	}
	for _, x := range advice {
		if !tested[x.name] {
			t.Errorf("%s is not tested", x.name)
		}
	}
}
