package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/media"
)

// TestCell: the cells that MediaConvert allows, and no other.
func TestCell(t *testing.T) {
	t.Parallel()
	kinds := []GroupKind{0, AppleHLS, CMAF, DASH, Smooth, 9}
	methods := []Method{0, AES128, SampleAES, CBCS, CENC, PIFFCTR, 9}
	videos := []media.Codec{"", media.AVC, media.HEVC, media.AV1, "VP9"}
	audios := []media.Codec{"", media.AAC, media.AC3, media.EAC3, "OPUS"}
	allowed := map[string]string{
		"Apple HLS clear": "AVC HEVC", "Apple HLS AES-128": "AVC HEVC", "Apple HLS SAMPLE-AES": "AVC",
		"CMAF clear": "AVC HEVC AV1", "CMAF cbcs": "AVC HEVC AV1", "CMAF cenc": "AVC HEVC AV1",
		"DASH ISO clear": "AVC HEVC AV1", "DASH ISO cenc": "AVC HEVC",
		"Microsoft Smooth Streaming clear": "AVC", "Microsoft Smooth Streaming PIFF AES-CTR": "AVC",
	}
	for _, k := range kinds {
		for _, m := range methods {
			pictures, some := allowed[fmt.Sprintf("%s %s", k, m)]
			for _, v := range videos {
				for _, a := range audios {
					want := some && (v == "" || slices.Contains(strings.Fields(pictures), string(v))) && a != "OPUS"
					ok, reason := Cell(k, m, v, a)
					if ok != want || ok != (reason == "") {
						t.Errorf("Cell(%s, %s, %q, %q) = %v %q, want %v", k, m, v, a, ok, reason, want)
					}
				}
			}
		}
	}
}

// streamOf is a job of one group with a picture and sound in outputs of their own.
func streamOf(kind GroupKind, group, video, audio string) string {
	types := map[GroupKind][2]string{AppleHLS: {"HLS_GROUP_SETTINGS", "M3U8"}, CMAF: {"CMAF_GROUP_SETTINGS", "CMFC"}, DASH: {"DASH_ISO_GROUP_SETTINGS", "MPD"}, Smooth: {"MS_SMOOTH_GROUP_SETTINGS", "ISMV"}}[kind]
	return `{"inputs":[{"fileInput":"s3://in/film.mov"}],"outputGroups":[{"outputGroupSettings":{"type":"` + types[0] + `","` + memberOf(kind) + `":{` + group + `}},"outputs":[
	  {"nameModifier":"_v","containerSettings":{"container":"` + types[1] + `"},"videoDescription":{"width":1280,"height":720,"codecSettings":` + video + `}},
	  {"nameModifier":"_a","containerSettings":{"container":"` + types[1] + `"},"audioDescriptions":[{"codecSettings":` + audio + `}]}]}]}`
}

var (
	videoSettings = map[media.Codec]string{
		media.AVC:  h264,
		media.HEVC: `{"codec":"H_265","h265Settings":{"rateControlMode":"QVBR","maxBitrate":2000000}}`,
		media.AV1:  `{"codec":"AV1","av1Settings":{"rateControlMode":"QVBR","maxBitrate":2000000}}`,
	}
	audioSettings = map[media.Codec]string{
		media.AAC:  `{"codec":"AAC","aacSettings":{"bitrate":96000,"codingMode":"CODING_MODE_2_0","sampleRate":48000}}`,
		media.AC3:  `{"codec":"AC3","ac3Settings":{"codingMode":"CODING_MODE_2_0"}}`,
		media.EAC3: `{"codec":"EAC3","eac3Settings":{"codingMode":"CODING_MODE_2_0"}}`,
	}
)

// encrypted are the settings of a group for a method.
func encrypted(kind GroupKind, m Method) string {
	switch {
	case m == 0 && kind == AppleHLS:
		return toHLS
	case m == 0:
		return to
	case kind == AppleHLS && m == AES128:
		return strings.Replace(staticHLS(""), "SAMPLE_AES", "AES128", 1)
	case kind == AppleHLS:
		return staticHLS("")
	case kind == CMAF && m == CENC:
		return strings.Replace(staticCMAF(""), "SAMPLE_AES", "AES_CTR", 1)
	case kind == CMAF:
		return staticCMAF("")
	}
	return spekeDASH(spekeID+`,"systemIds":[`+playReadyID+`]`, "")
}

// TestCheckAgreesWithCell: a job is planned where the cell is allowed, with that method, and refused with the reason of the cell where it is not.
func TestCheckAgreesWithCell(t *testing.T) {
	t.Parallel()
	for kind, methods := range map[GroupKind][]Method{AppleHLS: {0, AES128, SampleAES}, CMAF: {0, CBCS, CENC}, DASH: {0, CENC}, Smooth: {0, PIFFCTR}} {
		for _, m := range methods {
			for video, v := range videoSettings {
				for audio, a := range audioSettings {
					name := fmt.Sprintf("%s %s %s %s", kind, m, video, audio)
					s := settings(t, streamOf(kind, encrypted(kind, m), v, a))
					invalid, lack := Check(s, everything)
					ok, reason := Cell(kind, m, video, audio)
					if !ok {
						if !slices.ContainsFunc(invalid, func(r Refusal) bool {
							return strings.Contains(r.Reason, reason) || strings.Contains(r.Reason, "isn't valid")
						}) {
							t.Errorf("%s: want %q, got %v %v", name, reason, invalid, lack)
						}
						continue
					}
					if len(invalid)+len(lack) > 0 {
						t.Errorf("%s: got %v %v", name, invalid, lack)
						continue
					}
					p, err := New(s, film(), Options{Start: start})
					if err != nil {
						t.Errorf("%s: %v", name, err)
						continue
					}
					g := &p.Streams[0]
					if (g.Encryption == nil) != (m == 0) || m != 0 && g.Encryption.Method != m {
						t.Errorf("%s: encryption %+v", name, g.Encryption)
					}
					for _, r := range g.Representations {
						if want := map[bool]int{true: -1, false: 0}[m == 0]; r.Key != want {
							t.Errorf("%s: key %d of output %d, want %d", name, r.Key, r.Output, want)
						}
					}
				}
			}
		}
	}
}

func TestStaticKey(t *testing.T) {
	t.Parallel()
	const value = "00112233445566778899aAbBcCdDeEfF"
	s := settings(t, streamOf(AppleHLS, strings.Replace(staticHLS(""), "00112233445566778899aabbccddeeff", value, 1), videoSettings[media.AVC], audioSettings[media.AAC]))
	key, err := StaticKey(s, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%x", key.Reveal()); got != strings.ToLower(value) {
		t.Errorf("got %s", got)
	}
	p, err := New(s, film(), Options{Start: start})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(strings.ToLower(string(text)), strings.ToLower(value[:16])) {
		t.Error("the key is in the plan")
	}
	for _, c := range []struct {
		name  string
		group int
		value string
	}{
		{"no such group", 1, value}, {"before the first", -1, value}, {"not hexadecimal", 0, "zz112233445566778899aabbccddeeff"}, {"short", 0, value[2:]}, {"long", 0, value + "00"}, {"none", 0, ""},
	} {
		s.OutputGroups[0].OutputGroupSettings.HlsGroupSettings.Encryption.StaticKeyProvider.StaticKeyValue = &c.value
		_, err := StaticKey(s, c.group)
		if err == nil || c.value != "" && strings.Contains(err.Error(), c.value) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
	clear := settings(t, streamOf(AppleHLS, toHLS, videoSettings[media.AVC], audioSettings[media.AAC]))
	if _, err := StaticKey(clear, 0); err == nil {
		t.Error("a clear group: want an error")
	}
	asked := settings(t, streamOf(DASH, encrypted(DASH, CENC), videoSettings[media.AVC], audioSettings[media.AAC]))
	if _, err := StaticKey(asked, 0); err == nil {
		t.Error("a group with a key server: want an error")
	}
}

func TestKeyRequests(t *testing.T) {
	t.Parallel()
	s := settings(t, streamOf(CMAF, spekeCMAF(spekeID+`,"hlsSignaledSystemIds":[`+fairPlayID+`],"dashSignaledSystemIds":[`+widevine+`,`+playReadyID+`],`+twoKeys), videoSettings[media.HEVC], audioSettings[media.EAC3]))
	got, err := KeyRequests(s)
	if err != nil {
		t.Fatal(err)
	}
	want := []GroupKeys{{Group: 0, Method: CBCS, KeyRequest: KeyRequest{
		URL: "https://keys.example/speke", ResourceID: "film", Version: 2, VideoPreset: "PRESET_VIDEO_1", AudioPreset: "PRESET_AUDIO_1",
		HLSSystems: []string{strings.Trim(fairPlayID, `"`)}, DASHSystems: []string{strings.Trim(widevine, `"`), strings.Trim(playReadyID, `"`)},
	}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	p, err := New(s, film(), Options{Start: start})
	if err != nil {
		t.Fatal(err)
	}
	g := p.Streams[0]
	if d := cmp.Diff([]KeyUse{{"VIDEO"}, {"AUDIO"}}, g.Encryption.Keys); d != "" || g.Representations[0].Key != 0 || g.Representations[1].Key != 1 {
		t.Errorf("keys %v, of the picture %d, of sound %d", g.Encryption.Keys, g.Representations[0].Key, g.Representations[1].Key)
	}
	if got, err := KeyRequests(settings(t, streamOf(AppleHLS, staticHLS(""), h264, audioSettings[media.AAC]))); err != nil || len(got) != 0 {
		t.Errorf("a static key: got %v, %v", got, err)
	}
	// Settings that no Check has seen ask for nothing.
	if _, err := KeyRequests(settings(t, streamOf(CMAF, to+`,"encryption":{"type":"SPEKE","encryptionMethod":"SAMPLE_AES"}`, h264, audioSettings[media.AAC]))); err == nil {
		t.Error("no provider: want an error")
	}
}

// TestEncryptionIsRefused: what does not go together is refused at the member, and without the value of a key.
func TestEncryptionIsRefused(t *testing.T) {
	t.Parallel()
	const (
		hls  = "/outputGroups/0/outputGroupSettings/hlsGroupSettings/encryption"
		cmaf = "/outputGroups/0/outputGroupSettings/cmafGroupSettings/encryption"
		dash = "/outputGroups/0/outputGroupSettings/dashIsoGroupSettings/encryption"
		mss  = "/outputGroups/0/outputGroupSettings/msSmoothGroupSettings/encryption"
	)
	avc, hevc, sound := videoSettings[media.AVC], videoSettings[media.HEVC], audioSettings[media.AAC]
	dashSystem := `,"dashSignaledSystemIds":[` + widevine + `]`
	for _, c := range []struct {
		name, text, path string
		lacks            bool
	}{
		{"no method", streamOf(AppleHLS, strings.Replace(staticHLS(""), `"encryptionMethod":"SAMPLE_AES",`, "", 1), avc, sound), hls, false},
		{"no method of CMAF", streamOf(CMAF, strings.Replace(staticCMAF(""), `"encryptionMethod":"SAMPLE_AES",`, "", 1), avc, sound), cmaf, false},
		{"no provider of DASH", streamOf(DASH, to+`,"encryption":{"playbackDeviceCompatibility":"CENC_V1"}`, avc, sound), dash, false},
		{"no provider of Smooth", streamOf(Smooth, to+`,"encryption":{}`, avc, sound), mss, false},
		{"key not hexadecimal", streamOf(AppleHLS, strings.Replace(staticHLS(""), "aabbccddeeff", "secretsecret", 1), avc, sound), hls + "/staticKeyProvider/staticKeyValue", false},
		{"two providers", streamOf(AppleHLS, staticHLS(`,"spekeKeyProvider":{`+spekeID+`,"systemIds":[`+fairPlayID+`]}`), avc, sound), hls + "/spekeKeyProvider", false},
		{"two providers of CMAF", streamOf(CMAF, staticCMAF(`,"spekeKeyProvider":{`+spekeID+dashSystem+`}`), avc, sound), cmaf + "/spekeKeyProvider", false},
		{"quote in the URL", streamOf(AppleHLS, strings.Replace(staticHLS(""), "keys.example", `a\"b`, 1), avc, sound), hls + "/staticKeyProvider/url", false},
		{"HEVC with SAMPLE-AES", streamOf(AppleHLS, staticHLS(""), hevc, sound), "/outputGroups/0/outputs/0/videoDescription/codecSettings/codec", false},
		{"AV1 encrypted in DASH", streamOf(DASH, encrypted(DASH, CENC), videoSettings[media.AV1], sound), "/outputGroups/0/outputs/0/videoDescription/codecSettings/codec", false},
		{"constant vector with CTR", streamOf(CMAF, strings.Replace(staticCMAF(`,"constantInitializationVector":"00112233445566778899aabbccddeeff"`), "SAMPLE_AES", "AES_CTR", 1), avc, sound), cmaf + "/constantInitializationVector", true},
		{"clear lead without HLS", streamOf(CMAF, staticCMAF(`,"clearLead":"ENABLED"`)+`,"writeHlsManifest":"DISABLED"`, avc, sound), cmaf + "/clearLead", false},
		{"clear lead with AC-3", streamOf(CMAF, staticCMAF(`,"clearLead":"ENABLED"`), avc, audioSettings[media.AC3]), "/outputGroups/0/outputs/1/audioDescriptions/0/codecSettings/codec", false},
		{"a vector that key frames could not be opened by", strings.Replace(streamOf(AppleHLS, staticHLS(`,"initializationVectorInManifest":"EXCLUDE"`), avc, sound),
			`{"nameModifier":"_v",`, `{"nameModifier":"_v","outputSettings":{"hlsSettings":{"iFrameOnlyManifest":"INCLUDE"}},`, 1), hls + "/initializationVectorInManifest", true},
		{"a vector that a joined segment could not be opened by", streamOf(AppleHLS, staticHLS(`,"initializationVectorInManifest":"EXCLUDE"`)+`,"minFinalSegmentLength":1`, avc, sound), hls + "/initializationVectorInManifest", true},
		{"half a contract", streamOf(CMAF, spekeCMAF(spekeID+dashSystem+`,"encryptionContractConfiguration":{"spekeVideoPreset":"PRESET_VIDEO_1"}`), avc, sound), cmaf + "/spekeKeyProvider/encryptionContractConfiguration", false},
		{"an empty contract", streamOf(CMAF, spekeCMAF(spekeID+dashSystem+`,"encryptionContractConfiguration":{}`), avc, sound), cmaf + "/spekeKeyProvider/encryptionContractConfiguration", false},
		{"nothing encrypted", streamOf(CMAF, spekeCMAF(spekeID+dashSystem+`,"encryptionContractConfiguration":{"spekeVideoPreset":"UNENCRYPTED","spekeAudioPreset":"UNENCRYPTED"}`), avc, sound), cmaf + "/spekeKeyProvider/encryptionContractConfiguration", false},
		{"no system", streamOf(CMAF, spekeCMAF(spekeID), avc, sound), cmaf + "/spekeKeyProvider", false},
		{"a system twice", streamOf(DASH, spekeDASH(spekeID+`,"systemIds":[`+widevine+`,`+strings.ToUpper(widevine)+`]`, ""), avc, sound), dash + "/spekeKeyProvider/systemIds/1", false},
		{"FairPlay in DASH", streamOf(DASH, spekeDASH(spekeID+`,"systemIds":[`+fairPlayID+`]`, ""), avc, sound), dash + "/spekeKeyProvider/systemIds/0", false},
		{"FairPlay with CTR", streamOf(CMAF, strings.Replace(spekeCMAF(spekeID+`,"hlsSignaledSystemIds":[`+fairPlayID+`]`), "SAMPLE_AES", "AES_CTR", 1), avc, sound), cmaf + "/spekeKeyProvider/hlsSignaledSystemIds/0", false},
		{"Widevine in Smooth", streamOf(Smooth, spekeDASH(spekeID+`,"systemIds":[`+widevine+`]`, ""), avc, sound), mss + "/spekeKeyProvider/systemIds/0", false},
		{"two keys in one transport stream", strings.Replace(streamOf(AppleHLS, toHLS+`,"encryption":{"type":"SPEKE","encryptionMethod":"SAMPLE_AES","spekeKeyProvider":{`+spekeID+`,"systemIds":[`+fairPlayID+`],`+twoKeys+`}}`, avc, sound),
			`{"nameModifier":"_v",`, `{"nameModifier":"_v","audioDescriptions":[`+aac+`],`, 1), "/outputGroups/0/outputs/0/audioDescriptions", false},
		{"two keys in Smooth", streamOf(Smooth, spekeDASH(spekeID+`,"systemIds":["9a04f079-9840-4286-ab92-e65be0885f95"],`+twoKeys, ""), avc, sound), mss + "/spekeKeyProvider/encryptionContractConfiguration", false},
		{"a control character in the resource id", streamOf(DASH, spekeDASH(strings.Replace(spekeID, "film", `fi\u0007lm`, 1)+`,"systemIds":[`+widevine+`]`, ""), avc, sound), dash + "/spekeKeyProvider/resourceId", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			invalid, lack := Check(settings(t, c.text), everything)
			found := invalid
			if c.lacks {
				found = lack
			}
			if !slices.ContainsFunc(found, func(r Refusal) bool { return r.Path == c.path }) {
				t.Errorf("want %s, got invalid %v, not offered %v", c.path, invalid, lack)
			}
			if text := fmt.Sprint(invalid, lack); strings.Contains(text, "secretsecret") || strings.Contains(text, "8899aabb") {
				t.Errorf("the key is told: %s", text)
			}
		})
	}
}

// TestContractWithoutAKey: a track for which the contract has no key fails the job; nothing of it is written.
func TestContractWithoutAKey(t *testing.T) {
	t.Parallel()
	s := settings(t, strings.Replace(streamOf(AppleHLS, toHLS+`,"encryption":{"type":"SPEKE","encryptionMethod":"SAMPLE_AES","spekeKeyProvider":{`+spekeID+`,"systemIds":[`+fairPlayID+`],`+twoKeys+`}}`, h264, audioSettings[media.AAC]),
		`{"nameModifier":"_v",`, `{"nameModifier":"_v","audioDescriptions":[`+aac+`],`, 1))
	if p, err := New(s, film(), Options{Start: start}); err == nil {
		t.Errorf("a picture and sound under two keys in one stream: got %+v", p.Streams[0].Encryption)
	}
	unencrypted := strings.Replace(twoKeys, "PRESET_AUDIO_1", "UNENCRYPTED", 1)
	s = settings(t, streamOf(CMAF, spekeCMAF(spekeID+`,"dashSignaledSystemIds":[`+widevine+`],`+unencrypted), h264, audioSettings[media.AAC]))
	p, err := New(s, film(), Options{Start: start})
	if err != nil {
		t.Fatal(err)
	}
	if r := p.Streams[0].Representations; r[0].Key != 0 || r[1].Key != -1 {
		t.Errorf("UNENCRYPTED sound: keys %d %d, want 0 -1", r[0].Key, r[1].Key)
	}
}
