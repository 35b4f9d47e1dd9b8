package rules

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/mediaconvert"
	system "darkroom/internal/preset"
)

// Pieces that settings in the tests are made of.
const (
	h264  = `{"codec":"H_264","h264Settings":{"rateControlMode":"QVBR","maxBitrate":1000000}}`
	aac   = `{"codecSettings":{"codec":"AAC","aacSettings":{"codingMode":"CODING_MODE_2_0","sampleRate":48000,"bitrate":96000}}}`
	video = `"videoDescription":{"codecSettings":` + h264 + `}`
	mp4   = `"containerSettings":{"container":"MP4"}`
	file  = `"outputGroupSettings":{"type":"FILE_GROUP_SETTINGS","fileGroupSettings":{}}`
	input = `"inputs":[{"fileInput":"s3://b/k"}]`
)

func out(members string) string { return `{` + mp4 + `,` + members + `}` }

func group(settings, outputs string) string {
	return `{` + input + `,"outputGroups":[{` + settings + `,"outputs":[` + outputs + `]}]}`
}

func one(members string) string { return group(file, out(members)) }

// h puts members into the settings of H.264, v into the video description, a into a description of sound.
func h(members string) string {
	return one(`"videoDescription":{"codecSettings":{"codec":"H_264","h264Settings":{` + members + `}}}`)
}

func v(members string) string {
	return one(`"videoDescription":{"codecSettings":` + h264 + `,` + members + `}`)
}

func a(codec, block, members string) string {
	return one(video + `,"audioDescriptions":[{"codecSettings":{"codec":"` + codec + `","` + block + `":{` + members + `}}}]`)
}

func hlsGroup(members string) string {
	return `"outputGroupSettings":{"type":"HLS_GROUP_SETTINGS","hlsGroupSettings":{"minSegmentLength":0,` + members + `}}`
}

func dashGroup(members string) string {
	return `"outputGroupSettings":{"type":"DASH_ISO_GROUP_SETTINGS","dashIsoGroupSettings":{` + members + `}}`
}

func cmafGroup(members string) string {
	return `"outputGroupSettings":{"type":"CMAF_GROUP_SETTINGS","cmafGroupSettings":{` + members + `}}`
}

const (
	m3u8 = `{"containerSettings":{"container":"M3U8"},` + video + `}`
	mpd  = `{"containerSettings":{"container":"MPD"},` + video + `}`
	cmfc = `{"containerSettings":{"container":"CMFC"},` + video + `}`
)

func in(members string) string {
	return `{"inputs":[{"fileInput":"s3://b/k",` + members + `}],"outputGroups":[{` + file + `,"outputs":[` + out(video) + `]}]}`
}
func root(members string) string { return strings.Replace(one(video), `{`, `{`+members+`,`, 1) }
func cap(container, members string) string {
	return group(file, `{"containerSettings":{"container":"`+container+`"},`+video+`,"captionDescriptions":[{`+members+`}]}`)
}

// abr is an HLS group with automated ABR.
func abr(settings, codec string) string {
	return `{` + input + `,"outputGroups":[{"automatedEncodingSettings":{"abrSettings":{` + settings + `}},` + hlsGroup(`"segmentLength":6`) +
		`,"outputs":[{"containerSettings":{"container":"M3U8"},"videoDescription":{"codecSettings":` + codec + `}}]}]}`
}

const abrCodec = `{"codec":"H_264","h264Settings":{"rateControlMode":"QVBR","qualityTuningLevel":"MULTI_PASS_HQ"}}`

// cases break each rule once, beside settings that are mended and break none.
var cases = map[string][]struct{ bad, path, good string }{
	"job-inputs": {{`{"outputGroups":[{` + file + `,"outputs":[` + out(video) + `]}]}`, "", one(video)}},
	"grp-none":   {{`{` + input + `}`, "", one(video)}},
	"out-frame-capture-only": {{
		group(file, `{"containerSettings":{"container":"RAW"},"videoDescription":{"codecSettings":{"codec":"FRAME_CAPTURE"}}}`), "/outputGroups",
		group(file, out(video+`,"nameModifier":"_a"`)+`,{"nameModifier":"_t","containerSettings":{"container":"RAW"},"videoDescription":{"codecSettings":{"codec":"FRAME_CAPTURE"}}}`),
	}},
	"cap-sidecar-without-video": {{
		group(file, `{"containerSettings":{"container":"RAW"},"captionDescriptions":[{"captionSelectorName":"c","destinationSettings":{"destinationType":"SRT"}}]}`), "/outputGroups/0/outputs/0",
		group(file, out(video+`,"nameModifier":"_a"`)+`,{"nameModifier":"_c","containerSettings":{"container":"RAW"},"captionDescriptions":[{"captionSelectorName":"c","destinationSettings":{"destinationType":"SRT"}}]}`),
	}},
	"tc-specifiedstart-no-start": {{root(`"timecodeConfig":{"source":"SPECIFIEDSTART"}`), "/timecodeConfig", root(`"timecodeConfig":{"source":"SPECIFIEDSTART","start":"01:00:00:00"}`)}},
	"pp-id3-no-timecode":         {{root(`"timedMetadataInsertion":{"id3Insertions":[{"id3":"AAAA"}]}`), "/timedMetadataInsertion/id3Insertions/0", root(`"timedMetadataInsertion":{"id3Insertions":[{"id3":"AAAA","timecode":"00:00:01:00"}]}`)}},
	"pp-nielsen-no-sid": {
		{
			root(`"nielsenNonLinearWatermark":{"activeWatermarkProcess":"NAES2_AND_NW","assetId":"a","assetName":"n","ticServerUrl":"https://t","sourceWatermarkStatus":"CLEAN"}`), "/nielsenNonLinearWatermark",
			root(`"nielsenNonLinearWatermark":{"activeWatermarkProcess":"NAES2_AND_NW","sourceId":1,"assetId":"a","assetName":"n","ticServerUrl":"https://t","sourceWatermarkStatus":"CLEAN"}`),
		},
		{
			root(`"nielsenNonLinearWatermark":{"activeWatermarkProcess":"CBET","assetId":"a","assetName":"n","ticServerUrl":"https://t","sourceWatermarkStatus":"CLEAN"}`), "/nielsenNonLinearWatermark",
			root(`"nielsenNonLinearWatermark":{"activeWatermarkProcess":"CBET","cbetSourceId":"0x1","assetId":"a","assetName":"n","ticServerUrl":"https://t","sourceWatermarkStatus":"CLEAN"}`),
		},
	},
	"abr-all-automated": {{
		strings.Replace(abr(`"maxRenditions":5`, abrCodec), `"outputGroups":[`, `"outputGroups":[{`+hlsGroup(`"segmentLength":6`)+`,"outputs":[`+m3u8+`]},`, 1), "/outputGroups/0",
		abr(`"maxRenditions":5`, abrCodec),
	}},
	"in-no-fileinput": {
		{strings.Replace(one(video), `"fileInput":"s3://b/k"`, `"programNumber":1`, 1), "/inputs/0", one(video)},
		{in(`"videoGenerator":{}`), "/inputs/0", strings.Replace(in(`"videoGenerator":{}`), `"fileInput":"s3://b/k",`, ``, 1)},
	},
	"in-generator-pairs":          {{strings.Replace(in(`"videoGenerator":{"width":640}`), `"fileInput":"s3://b/k",`, ``, 1), "/inputs/0/videoGenerator", strings.Replace(in(`"videoGenerator":{"width":640,"height":360}`), `"fileInput":"s3://b/k",`, ``, 1)}},
	"in-tams-no-timerange":        {{in(`"tamsSettings":{"sourceId":"a"}`), "/inputs/0/tamsSettings", in(`"tamsSettings":{"sourceId":"a","timerange":"[0:0_1:0)"}`)}},
	"in-clip-empty":               {{in(`"inputClippings":[{}]`), "/inputs/0/inputClippings/0", in(`"inputClippings":[{"endTimecode":"00:00:01:00"}]`)}},
	"in-filter-force-no-strength": {{in(`"filterEnable":"FORCE"`), "/inputs/0", in(`"filterEnable":"FORCE","filterStrength":2`)}},
	"in-timecode-start": {
		{in(`"timecodeSource":"SPECIFIEDSTART"`), "/inputs/0", in(`"timecodeSource":"SPECIFIEDSTART","timecodeStart":"01:00:00:00"`)},
		{in(`"timecodeStart":"01:00:00:00"`), "/inputs/0/timecodeStart", in(`"timecodeSource":"ZEROBASED"`)},
	},
	"in-rectangles":            {{in(`"crop":{"x":0,"y":0,"width":2}`), "/inputs/0/crop", in(`"crop":{"x":0,"y":0,"width":2,"height":2}`)}},
	"in-audio-no-language":     {{in(`"audioSelectors":{"a/b":{"selectorType":"LANGUAGE_CODE"}}`), "/inputs/0/audioSelectors/a~1b", in(`"audioSelectors":{"a/b":{"selectorType":"LANGUAGE_CODE","languageCode":"ENG"}}`)}},
	"in-dyn-audio-no-language": {{in(`"dynamicAudioSelectors":{"d":{"selectorType":"LANGUAGE_CODE"}}`), "/inputs/0/dynamicAudioSelectors/d/selectorType", in(`"dynamicAudioSelectors":{"d":{"selectorType":"ALL_TRACKS"}}`)}},
	"in-audio-group":           {{in(`"audioSelectorGroups":{"g":{}}`), "/inputs/0/audioSelectorGroups/g", in(`"audioSelectorGroups":{"g":{"audioSelectorNames":["a"]}}`)}},
	"cap-source-no-type":       {{in(`"captionSelectors":{"c":{"sourceSettings":{}}}`), "/inputs/0/captionSelectors/c/sourceSettings", in(`"captionSelectors":{"c":{"sourceSettings":{"sourceType":"EMBEDDED"}}}`)}},
	"cap-file-no-source":       {{in(`"captionSelectors":{"c":{"sourceSettings":{"sourceType":"SRT"}}}`), "/inputs/0/captionSelectors/c/sourceSettings", in(`"captionSelectors":{"c":{"sourceSettings":{"sourceType":"SRT","fileSourceSettings":{"sourceFile":"s3://bucket/c.srt"}}}}`)}},
	"in-decryption": {
		{in(`"decryptionSettings":{"encryptedDecryptionKey":"AQICAHhMYmFzZTY0IG9mIGEgY2lwaGVydGV4dA==","initializationVector":"AAAAAAAAAAAAAAAAAAAAAA=="}`), "/inputs/0/decryptionSettings", in(`"decryptionSettings":{"decryptionMode":"AES_GCM","encryptedDecryptionKey":"AQICAHhMYmFzZTY0IG9mIGEgY2lwaGVydGV4dA==","initializationVector":"AAAAAAAAAAAAAAAA"}`)},
		{in(`"decryptionSettings":{"decryptionMode":"AES_CTR","initializationVector":"AAAAAAAAAAAAAAAAAAAAAA=="}`), "/inputs/0/decryptionSettings", in(`"decryptionSettings":{"decryptionMode":"AES_GCM","encryptedDecryptionKey":"AQICAHhMYmFzZTY0IG9mIGEgY2lwaGVydGV4dA==","initializationVector":"AAAAAAAAAAAAAAAA"}`)},
		{in(`"decryptionSettings":{"decryptionMode":"AES_CTR","encryptedDecryptionKey":"AQICAHhMYmFzZTY0IG9mIGEgY2lwaGVydGV4dA=="}`), "/inputs/0/decryptionSettings", in(`"decryptionSettings":{"decryptionMode":"AES_GCM","encryptedDecryptionKey":"AQICAHhMYmFzZTY0IG9mIGEgY2lwaGVydGV4dA==","initializationVector":"AAAAAAAAAAAAAAAA"}`)},
		{in(`"decryptionSettings":{}`), "/inputs/0/decryptionSettings", in(`"decryptionSettings":{"decryptionMode":"AES_GCM","encryptedDecryptionKey":"AQICAHhMYmFzZTY0IG9mIGEgY2lwaGVydGV4dA==","initializationVector":"AAAAAAAAAAAAAAAA"}`)},
		{in(`"decryptionSettings":{"decryptionMode":"AES_CTR","encryptedDecryptionKey":"AAAAAAAAAAAAAAAAAAAAAAAAA","initializationVector":"AAAAAAAAAAAAAAAAAAAAAA=="}`), "/inputs/0/decryptionSettings/encryptedDecryptionKey", in(`"decryptionSettings":{"decryptionMode":"AES_GCM","encryptedDecryptionKey":"AQICAHhMYmFzZTY0IG9mIGEgY2lwaGVydGV4dA==","initializationVector":"AAAAAAAAAAAAAAAA"}`)},
		{in(`"decryptionSettings":{"decryptionMode":"AES_CBC","encryptedDecryptionKey":"AQICAHhMYmFzZTY0IG9mIGEgY2lwaGVydGV4dA==","initializationVector":"AAAAAAAAAAAAAAAA"}`), "/inputs/0/decryptionSettings/initializationVector", in(`"decryptionSettings":{"decryptionMode":"AES_CBC","encryptedDecryptionKey":"AQICAHhMYmFzZTY0IG9mIGEgY2lwaGVydGV4dA==","initializationVector":"AAAAAAAAAAAAAAAAAAAAAA=="}`)},
	},
	"in-hdr10-color-space": {{in(`"videoSelector":{"hdr10Metadata":{}}`), "/inputs/0/videoSelector/hdr10Metadata", in(`"videoSelector":{"hdr10Metadata":{},"colorSpace":"HDR10"}`)}},
	"pp-image-no-y": {
		{in(`"imageInserter":{"insertableImages":[{"imageX":1}]}`), "/inputs/0/imageInserter/insertableImages/0", in(`"imageInserter":{"insertableImages":[{"imageX":1,"imageY":1}]}`)},
		{v(`"videoPreprocessors":{"imageInserter":{"insertableImages":[{"imageX":1}]}}`), "/outputGroups/0/outputs/0/videoDescription/videoPreprocessors/imageInserter/insertableImages/0", v(`"videoPreprocessors":{"imageInserter":{"insertableImages":[{"imageX":1,"imageY":1}]}}`)},
	},
	"grp-no-settings": {
		{group(`"name":"g"`, out(video)), "/outputGroups/0", one(video)},
		{group(`"outputGroupSettings":{}`, out(video)), "/outputGroups/0/outputGroupSettings", one(video)},
	},
	"grp-type-block-mismatch": {
		{group(`"outputGroupSettings":{"type":"FILE_GROUP_SETTINGS"}`, out(video)), "/outputGroups/0/outputGroupSettings", one(video)},
		{group(`"outputGroupSettings":{"type":"FILE_GROUP_SETTINGS","fileGroupSettings":{},"hlsGroupSettings":{"minSegmentLength":0}}`, out(video)), "/outputGroups/0/outputGroupSettings/hlsGroupSettings", one(video)},
	},
	"grp-no-outputs":      {{group(file, ``), "/outputGroups/0/outputs", one(video)}},
	"grp-hls-min-segment": {{group(`"outputGroupSettings":{"type":"HLS_GROUP_SETTINGS","hlsGroupSettings":{}}`, m3u8), "/outputGroups/0/outputGroupSettings/hlsGroupSettings", group(hlsGroup(`"segmentLength":6`), m3u8)}},
	"out-two-no-namemodifier": {
		{group(file, out(video+`,"nameModifier":"_a"`)+`,`+out(video)), "/outputGroups/0/outputs/1", group(file, out(video+`,"nameModifier":"_a"`)+`,`+out(video+`,"nameModifier":"_b"`))},
		{group(file, out(video+`,"nameModifier":"_a"`)+`,`+out(video+`,"nameModifier":"_a"`)), "/outputGroups/0/outputs/1/nameModifier", group(file, out(video+`,"nameModifier":"_a"`)+`,`+out(video+`,"nameModifier":"_a","extension":"m4v"`))},
	},
	"cmaf-segment-not-multiple-of-fragment": {{group(cmafGroup(`"segmentLength":5,"fragmentLength":2`), cmfc), "/outputGroups/0/outputGroupSettings/cmafGroupSettings/segmentLength", group(cmafGroup(`"segmentLength":6,"fragmentLength":2`), cmfc)}},
	"cmaf-ondemand-segmented":               {{group(cmafGroup(`"mpdProfile":"ON_DEMAND_PROFILE"`), cmfc), "/outputGroups/0/outputGroupSettings/cmafGroupSettings/mpdProfile", group(cmafGroup(`"mpdProfile":"ON_DEMAND_PROFILE","segmentControl":"SINGLE_FILE"`), cmfc)}},
	"trickplay-size":                        {{group(dashGroup(`"imageBasedTrickPlaySettings":{"thumbnailWidth":30}`), mpd), "/outputGroups/0/outputGroupSettings/dashIsoGroupSettings/imageBasedTrickPlaySettings/thumbnailWidth", group(dashGroup(`"imageBasedTrickPlaySettings":{"thumbnailWidth":32,"thumbnailHeight":18}`), mpd)}},
	"dash-fragment-gop-mismatch": {{
		group(dashGroup(`"fragmentLength":4`), strings.Replace(mpd, `"maxBitrate"`, `"gopSize":90,"gopSizeUnits":"FRAMES","framerateControl":"SPECIFIED","framerateNumerator":30,"framerateDenominator":1,"maxBitrate"`, 1)), "/outputGroups/0/outputGroupSettings/dashIsoGroupSettings/fragmentLength",
		group(dashGroup(`"fragmentLength":4`), strings.Replace(mpd, `"maxBitrate"`, `"gopSize":60,"gopSizeUnits":"FRAMES","framerateControl":"SPECIFIED","framerateNumerator":30,"framerateDenominator":1,"maxBitrate"`, 1)),
	}},
	"hls-match-follow-source": {{
		group(hlsGroup(`"segmentLengthControl":"MATCH"`), m3u8), "/outputGroups/0/outputs/0/videoDescription/codecSettings/h264Settings/framerateControl",
		group(hlsGroup(`"segmentLengthControl":"MATCH"`), strings.Replace(m3u8, `"maxBitrate"`, `"framerateControl":"SPECIFIED","framerateNumerator":30,"framerateDenominator":1,"maxBitrate"`, 1)),
	}},
	"enc-speke-systems": {{
		group(hlsGroup(`"encryption":{"type":"SPEKE","spekeKeyProvider":{"resourceId":"r","url":"https://k","systemIds":["edef8ba9-79d6-4ace-a3c8-27dcd51d21e1","edef8ba9-79d6-4ace-a3c8-27dcd51d21e2","edef8ba9-79d6-4ace-a3c8-27dcd51d21e3","edef8ba9-79d6-4ace-a3c8-27dcd51d21e4"]}}`), m3u8), "/outputGroups/0/outputGroupSettings/hlsGroupSettings/encryption/spekeKeyProvider/systemIds",
		group(hlsGroup(`"encryption":{"type":"SPEKE","spekeKeyProvider":{"resourceId":"r","url":"https://k","systemIds":["edef8ba9-79d6-4ace-a3c8-27dcd51d21e1","edef8ba9-79d6-4ace-a3c8-27dcd51d21e2","edef8ba9-79d6-4ace-a3c8-27dcd51d21e3"]}}`), m3u8),
	}},
	"enc-type": {
		{group(hlsGroup(`"encryption":{"encryptionMethod":"AES128"}`), m3u8), "/outputGroups/0/outputGroupSettings/hlsGroupSettings/encryption", group(hlsGroup(`"segmentLength":6`), m3u8)},
		{group(hlsGroup(`"encryption":{"type":"SPEKE"}`), m3u8), "/outputGroups/0/outputGroupSettings/hlsGroupSettings/encryption", group(hlsGroup(`"segmentLength":6`), m3u8)},
	},
	"enc-hls-static-no-url": {{
		group(hlsGroup(`"encryption":{"type":"STATIC_KEY","staticKeyProvider":{"staticKeyValue":"00112233445566778899aabbccddeeff"}}`), m3u8), "/outputGroups/0/outputGroupSettings/hlsGroupSettings/encryption/staticKeyProvider",
		group(hlsGroup(`"encryption":{"type":"STATIC_KEY","staticKeyProvider":{"url":"https://k","staticKeyValue":"00112233445566778899aabbccddeeff"}}`), m3u8),
	}},
	"enc-speke2-shared-one-side": {{
		group(dashGroup(`"encryption":{"spekeKeyProvider":{"resourceId":"r","url":"https://k","systemIds":["edef8ba9-79d6-4ace-a3c8-27dcd51d21e1"],"encryptionContractConfiguration":{"spekeAudioPreset":"SHARED","spekeVideoPreset":"PRESET_VIDEO_1"}}}`), mpd), "/outputGroups/0/outputGroupSettings/dashIsoGroupSettings/encryption/spekeKeyProvider/encryptionContractConfiguration/spekeAudioPreset",
		group(dashGroup(`"encryption":{"spekeKeyProvider":{"resourceId":"r","url":"https://k","systemIds":["edef8ba9-79d6-4ace-a3c8-27dcd51d21e1"],"encryptionContractConfiguration":{"spekeAudioPreset":"SHARED","spekeVideoPreset":"SHARED"}}}`), mpd),
	}},
	"enc-s3-kmskey-sse-s3": {{
		group(hlsGroup(`"destinationSettings":{"s3Settings":{"encryption":{"encryptionType":"SERVER_SIDE_ENCRYPTION_S3","kmsKeyArn":"arn:aws:kms:us-east-1:111122223333:key/01234567-89ab-cdef-0123-456789abcdef"}}}`), m3u8), "/outputGroups/0/outputGroupSettings/hlsGroupSettings/destinationSettings/s3Settings/encryption/kmsKeyArn",
		group(hlsGroup(`"destinationSettings":{"s3Settings":{"encryption":{"encryptionType":"SERVER_SIDE_ENCRYPTION_KMS","kmsKeyArn":"arn:aws:kms:us-east-1:111122223333:key/01234567-89ab-cdef-0123-456789abcdef"}}}`), m3u8),
	}},
	"abr-rules": {
		{abr(`"minAbrBitrate":900000,"maxAbrBitrate":800000`, abrCodec), "/outputGroups/0/automatedEncodingSettings/abrSettings/minAbrBitrate", abr(`"minAbrBitrate":700000,"maxAbrBitrate":800000`, abrCodec)},
		{abr(`"rules":[{"type":"ALLOWED_RENDITIONS"}]`, abrCodec), "/outputGroups/0/automatedEncodingSettings/abrSettings/rules/0/allowedRenditions", abr(`"rules":[{"type":"ALLOWED_RENDITIONS","allowedRenditions":[{"width":640,"height":360}]}]`, abrCodec)},
		{
			abr(`"rules":[{"type":"MIN_TOP_RENDITION_SIZE","minTopRenditionSize":{"width":640,"height":360}},{"type":"MIN_BOTTOM_RENDITION_SIZE","minBottomRenditionSize":{"width":1280,"height":720}}]`, abrCodec), "/outputGroups/0/automatedEncodingSettings/abrSettings/rules",
			abr(`"rules":[{"type":"MIN_TOP_RENDITION_SIZE","minTopRenditionSize":{"width":1280,"height":720}},{"type":"MIN_BOTTOM_RENDITION_SIZE","minBottomRenditionSize":{"width":640,"height":360}}]`, abrCodec),
		},
	},
	"abr-single-pass":                   {{abr(`"maxRenditions":5`, strings.Replace(abrCodec, "MULTI_PASS_HQ", "SINGLE_PASS", 1)), "/outputGroups/0/outputs/0/videoDescription/codecSettings/h264Settings/qualityTuningLevel", abr(`"maxRenditions":5`, abrCodec)}},
	"out-no-container-no-preset":        {{group(file, `{`+video+`}`), "/outputGroups/0/outputs/0", group(file, `{"preset":"p"}`)}},
	"grp-container":                     {{group(hlsGroup(`"segmentLength":6`), out(video)), "/outputGroups/0", group(hlsGroup(`"segmentLength":6`), m3u8)}, {group(file, m3u8), "/outputGroups/0", one(video)}},
	"cont-codec":                        {{one(`"videoDescription":{"codecSettings":{"codec":"PRORES","proresSettings":{}}}`), "/outputGroups/0/outputs/0", one(video)}, {a("VORBIS", "vorbisSettings", ``), "/outputGroups/0/outputs/0", one(video + `,"audioDescriptions":[` + aac + `]`)}},
	"out-nothing":                       {{one(`"nameModifier":"_a"`), "/outputGroups/0/outputs/0", one(video)}},
	"mxf-d10":                           {{group(file, `{"containerSettings":{"container":"MXF","mxfSettings":{"profile":"D_10"}},`+video+`}`), "", group(file, `{"containerSettings":{"container":"MXF","mxfSettings":{"profile":"D_10"}},"videoDescription":{"codecSettings":{"codec":"MPEG2","mpeg2Settings":{"syntax":"D_10"}}}}`)}},
	"mxf-profile-codec":                 {{group(file, `{"containerSettings":{"container":"MXF","mxfSettings":{"profile":"XDCAM"}},`+video+`}`), "/outputGroups/0/outputs/0/videoDescription/codecSettings/codec", group(file, `{"containerSettings":{"container":"MXF","mxfSettings":{"profile":"OP1A"}},`+video+`}`)}},
	"cmfc-id3":                          {{group(cmafGroup(`"segmentLength":6`), strings.Replace(cmfc, `"container":"CMFC"`, `"container":"CMFC","cmfcSettings":{"timedMetadataValue":"x"}`, 1)), "/outputGroups/0/outputs/0", group(cmafGroup(`"segmentLength":6`), strings.Replace(cmfc, `"container":"CMFC"`, `"container":"CMFC","cmfcSettings":{"timedMetadata":"PASSTHROUGH","timedMetadataValue":"x"}`, 1))}},
	"cmfc-manifest-signaling":           {{group(cmafGroup(`"segmentLength":6`), strings.Replace(cmfc, `"container":"CMFC"`, `"container":"CMFC","cmfcSettings":{"manifestMetadataSignaling":"ENABLED"}`, 1)), "/outputGroups/0/outputs/0/containerSettings/cmfcSettings/manifestMetadataSignaling", group(cmafGroup(`"segmentLength":6`), strings.Replace(cmfc, `"container":"CMFC"`, `"container":"CMFC","cmfcSettings":{"scte35Esam":"INSERT","manifestMetadataSignaling":"ENABLED"}`, 1))}, {group(dashGroup(`"segmentLength":6`), strings.Replace(mpd, `"container":"MPD"`, `"container":"MPD","mpdSettings":{"manifestMetadataSignaling":"ENABLED"}`, 1)), "/outputGroups/0/outputs/0/containerSettings/mpdSettings/manifestMetadataSignaling", group(dashGroup(`"segmentLength":6`), strings.Replace(mpd, `"container":"MPD"`, `"container":"MPD","mpdSettings":{"timedMetadata":"PASSTHROUGH","manifestMetadataSignaling":"ENABLED"}`, 1))}},
	"mp4-ctts-cslg":                     {{strings.Replace(one(video), `"container":"MP4"`, `"container":"MP4","mp4Settings":{"cttsVersion":1,"cslgAtom":"EXCLUDE"}`, 1), "/outputGroups/0/outputs/0/containerSettings/mp4Settings/cttsVersion", strings.Replace(one(video), `"container":"MP4"`, `"container":"MP4","mp4Settings":{"cttsVersion":1,"cslgAtom":"INCLUDE"}`, 1)}},
	"cap-audio-only-captions":           {{one(`"audioDescriptions":[` + aac + `],"captionDescriptions":[{"captionSelectorName":"c","destinationSettings":{"destinationType":"BURN_IN"}}]`), "/outputGroups/0/outputs/0/captionDescriptions", one(`"audioDescriptions":[` + aac + `]`)}},
	"codec-video-codecsettings-missing": {{one(`"videoDescription":{}`), "/outputGroups/0/outputs/0/videoDescription", one(video)}},
	"codec-block-video": {
		{one(`"videoDescription":{"codecSettings":{"codec":"H_265","h264Settings":{}}}`), "/outputGroups/0/outputs/0/videoDescription/codecSettings/h264Settings", one(video)},
		{one(`"videoDescription":{"codecSettings":{"codec":"AV1"}}`), "/outputGroups/0/outputs/0/videoDescription/codecSettings", one(`"videoDescription":{"codecSettings":{"codec":"AV1","av1Settings":{}}}`)},
	},
	"rc-bitrate": {
		{h(`"rateControlMode":"CBR"`), "/outputGroups/0/outputs/0/videoDescription/codecSettings/h264Settings", h(`"rateControlMode":"CBR","bitrate":1000`)},
		{h(`"rateControlMode":"CBR","bitrate":1000,"maxBitrate":2000`), "/outputGroups/0/outputs/0/videoDescription/codecSettings/h264Settings", h(`"rateControlMode":"VBR","bitrate":1000,"maxBitrate":2000`)},
		{h(`"rateControlMode":"VBR"`), "/outputGroups/0/outputs/0/videoDescription/codecSettings/h264Settings", h(`"rateControlMode":"VBR","bitrate":1000`)},
	},
	"rc-qvbr-no-maxbitrate": {{h(`"rateControlMode":"QVBR"`), "/outputGroups/0/outputs/0/videoDescription/codecSettings/h264Settings", h(`"rateControlMode":"QVBR","maxBitrate":1000`)}},
	"rc-qvbrsettings": {
		{h(`"rateControlMode":"CBR","bitrate":1000,"qvbrSettings":{"qvbrQualityLevel":7}`), "/outputGroups/0/outputs/0/videoDescription/codecSettings/h264Settings/qvbrSettings", h(`"rateControlMode":"QVBR","maxBitrate":1000,"qvbrSettings":{"qvbrQualityLevel":7}`)},
		{h(`"rateControlMode":"QVBR","maxBitrate":1000,"qvbrSettings":{"maxAverageBitrate":1000}`), "/outputGroups/0/outputs/0/videoDescription/codecSettings/h264Settings/qvbrSettings/maxAverageBitrate", h(`"qualityTuningLevel":"MULTI_PASS_HQ","rateControlMode":"QVBR","maxBitrate":1000,"qvbrSettings":{"maxAverageBitrate":1000}`)},
	},
	"rc-bitrate-over-max":   {{h(`"rateControlMode":"VBR","bitrate":2000,"maxBitrate":1000`), "/outputGroups/0/outputs/0/videoDescription/codecSettings/h264Settings/bitrate", h(`"rateControlMode":"VBR","bitrate":1000,"maxBitrate":1000`)}},
	"fs-interlace-optimize": {{h(`"scanTypeConversionMode":"INTERLACED_OPTIMIZE"`), "/outputGroups/0/outputs/0/videoDescription/codecSettings/h264Settings", h(`"scanTypeConversionMode":"INTERLACED_OPTIMIZE","interlaceMode":"TOP_FIELD"`)}},
	"fs-slowpal":            {{h(`"slowPal":"ENABLED"`), "/outputGroups/0/outputs/0/videoDescription/codecSettings/h264Settings/slowPal", h(`"slowPal":"ENABLED","framerateControl":"SPECIFIED","framerateNumerator":25,"framerateDenominator":1`)}},
	"fs-specified": {
		{h(`"framerateControl":"SPECIFIED","framerateNumerator":25`), "/outputGroups/0/outputs/0/videoDescription/codecSettings/h264Settings", h(`"framerateControl":"SPECIFIED","framerateNumerator":25,"framerateDenominator":1`)},
		{h(`"parControl":"SPECIFIED"`), "/outputGroups/0/outputs/0/videoDescription/codecSettings/h264Settings", h(`"parControl":"SPECIFIED","parNumerator":1,"parDenominator":1`)},
	},
	"fs-telecine-progressive": {{h(`"telecine":"HARD"`), "/outputGroups/0/outputs/0/videoDescription/codecSettings/h264Settings/telecine", h(`"telecine":"HARD","interlaceMode":"TOP_FIELD"`)}},
	"fs-cabac-baseline":       {{h(`"entropyEncoding":"CABAC","codecProfile":"BASELINE"`), "/outputGroups/0/outputs/0/videoDescription/codecSettings/h264Settings/entropyEncoding", h(`"entropyEncoding":"CAVLC","codecProfile":"BASELINE"`)}},
	"fs-gopsize-zero":         {{one(`"videoDescription":{"codecSettings":{"codec":"AV1","av1Settings":{"gopSize":0}}}`), "/outputGroups/0/outputs/0/videoDescription/codecSettings/av1Settings/gopSize", one(`"videoDescription":{"codecSettings":{"codec":"AV1","av1Settings":{"gopSize":60}}}`)}},
	"fs-h265-tiles": {
		{one(`"videoDescription":{"codecSettings":{"codec":"H_265","h265Settings":{"tileHeight":256}}}`), "/outputGroups/0/outputs/0/videoDescription/codecSettings/h265Settings", one(`"videoDescription":{"codecSettings":{"codec":"H_265","h265Settings":{}}}`)},
		{one(`"videoDescription":{"codecSettings":{"codec":"H_265","h265Settings":{"tileWidth":256}}}`), "/outputGroups/0/outputs/0/videoDescription/codecSettings/h265Settings/tilePadding", one(`"videoDescription":{"codecSettings":{"codec":"H_265","h265Settings":{"tileWidth":256,"tilePadding":"PADDED","treeBlockSize":"TREE_SIZE_32X32","mvOverPictureBoundaries":"DISABLED","mvTemporalPredictor":"DISABLED"}}}`)},
	},
	"res-even": {{v(`"width":641,"height":360`), "/outputGroups/0/outputs/0/videoDescription/width", v(`"width":640,"height":360`)}},
	"res-largest": {
		{v(`"width":4098,"height":2160`), "/outputGroups/0/outputs/0/videoDescription/width", v(`"width":2160,"height":4096`)},
		{v(`"width":2160,"height":4098`), "/outputGroups/0/outputs/0/videoDescription/height", v(`"width":4096,"height":2160`)},
	},
	"pp-noise": {{v(`"videoPreprocessors":{"noiseReducer":{}}`), "/outputGroups/0/outputs/0/videoDescription/videoPreprocessors/noiseReducer", v(`"videoPreprocessors":{"noiseReducer":{"filter":"MEAN"}}`)}, {v(`"videoPreprocessors":{"noiseReducer":{"filter":"MEAN","spatialFilterSettings":{}}}`), "/outputGroups/0/outputs/0/videoDescription/videoPreprocessors/noiseReducer/spatialFilterSettings", v(`"videoPreprocessors":{"noiseReducer":{"filter":"SPATIAL","spatialFilterSettings":{}}}`)}},
	"pp-color": {
		{v(`"videoPreprocessors":{"colorCorrector":{"clipLimits":{"minimumYUV":64}}}`), "/outputGroups/0/outputs/0/videoDescription/videoPreprocessors/colorCorrector", v(`"videoPreprocessors":{"colorCorrector":{"sampleRangeConversion":"LIMITED_RANGE_CLIP","clipLimits":{"minimumYUV":64}}}`)},
		{v(`"videoPreprocessors":{"colorCorrector":{"colorSpaceConversion":"FORCE_HDR10"}}`), "/outputGroups/0/outputs/0/videoDescription/videoPreprocessors/colorCorrector/colorSpaceConversion", v(`"videoPreprocessors":{"colorCorrector":{"colorSpaceConversion":"FORCE_HDR10","hdr10Metadata":{"maxContentLightLevel":1,"maxFrameAverageLightLevel":1}}}`)},
	},
	"pp-dolbyvision": {{
		one(`"videoDescription":{"videoPreprocessors":{"dolbyVision":{}},"codecSettings":{"codec":"H_265","h265Settings":{}}}`), "/outputGroups/0/outputs/0/videoDescription/videoPreprocessors/dolbyVision",
		one(`"videoDescription":{"videoPreprocessors":{"dolbyVision":{"profile":"PROFILE_5"}},"codecSettings":{"codec":"H_265","h265Settings":{}}}`),
	}},
	"pp-hdr10plus": {{
		v(`"videoPreprocessors":{"hdr10Plus":{}}`), "/outputGroups/0/outputs/0/videoDescription/codecSettings/codec",
		one(`"videoDescription":{"videoPreprocessors":{"hdr10Plus":{}},"codecSettings":{"codec":"H_265","h265Settings":{"codecProfile":"MAIN10_MAIN","qualityTuningLevel":"MULTI_PASS_HQ"}}}`),
	}},
	"pp-partner":                        {{v(`"videoPreprocessors":{"partnerWatermarking":{"nexguardFileMarkerSettings":{"payload":1,"preset":"p"}}}`), "/outputGroups/0/outputs/0/videoDescription/videoPreprocessors/partnerWatermarking/nexguardFileMarkerSettings", v(`"videoPreprocessors":{"partnerWatermarking":{"nexguardFileMarkerSettings":{"license":"l","payload":1,"preset":"p"}}}`)}},
	"pp-rectangles":                     {{v(`"crop":{"x":0}`), "/outputGroups/0/outputs/0/videoDescription/crop", v(`"crop":{"x":0,"y":0,"width":2,"height":2}`)}},
	"codec-audio-codecsettings-missing": {{one(video + `,"audioDescriptions":[{}]`), "/outputGroups/0/outputs/0/audioDescriptions/0", one(video + `,"audioDescriptions":[` + aac + `]`)}},
	"codec-block-audio":                 {{one(video + `,"audioDescriptions":[{"codecSettings":{"codec":"AC3"}}]`), "/outputGroups/0/outputs/0/audioDescriptions/0/codecSettings", a("AC3", "ac3Settings", ``)}},
	"aud-aac-required":                  {{a("AAC", "aacSettings", `"codingMode":"CODING_MODE_2_0"`), "/outputGroups/0/outputs/0/audioDescriptions/0/codecSettings/aacSettings", one(video + `,"audioDescriptions":[` + aac + `]`)}},
	"aud-aac-vbr":                       {{a("AAC", "aacSettings", `"codingMode":"CODING_MODE_2_0","sampleRate":48000,"rateControlMode":"VBR"`), "/outputGroups/0/outputs/0/audioDescriptions/0/codecSettings/aacSettings", a("AAC", "aacSettings", `"codingMode":"CODING_MODE_2_0","sampleRate":48000,"rateControlMode":"VBR","vbrQuality":"HIGH"`)}},
	"aud-aac-bitrate": {
		{a("AAC", "aacSettings", `"codingMode":"CODING_MODE_1_0","sampleRate":96000,"bitrate":96000`), "/outputGroups/0/outputs/0/audioDescriptions/0/codecSettings/aacSettings/bitrate", a("AAC", "aacSettings", `"codingMode":"CODING_MODE_1_0","sampleRate":96000,"bitrate":128000`)},
		{a("AAC", "aacSettings", `"codingMode":"CODING_MODE_5_1","sampleRate":24000,"bitrate":96000`), "/outputGroups/0/outputs/0/audioDescriptions/0/codecSettings/aacSettings/sampleRate", a("AAC", "aacSettings", `"codingMode":"CODING_MODE_5_1","sampleRate":48000,"bitrate":384000`)},
	},
	"aud-aac-latm":              {{a("AAC", "aacSettings", `"codingMode":"CODING_MODE_2_0","sampleRate":48000,"rawFormat":"LATM_LOAS"`), "/outputGroups/0/outputs/0/audioDescriptions/0/codecSettings/aacSettings/rawFormat", a("AAC", "aacSettings", `"codingMode":"CODING_MODE_2_0","sampleRate":48000,"rawFormat":"NONE"`)}},
	"aud-dolby-bitrate":         {{a("AC3", "ac3Settings", `"bitrate":100000`), "/outputGroups/0/outputs/0/audioDescriptions/0/codecSettings/ac3Settings/bitrate", a("AC3", "ac3Settings", `"bitrate":192000,"codingMode":"CODING_MODE_2_0"`)}, {a("AC3", "ac3Settings", `"bitrate":640000,"codingMode":"CODING_MODE_2_0"`), "/outputGroups/0/outputs/0/audioDescriptions/0/codecSettings/ac3Settings/bitrate", a("AC3", "ac3Settings", `"bitrate":640000,"codingMode":"CODING_MODE_3_2_LFE"`)}},
	"aud-dolby-lfe":             {{a("AC3", "ac3Settings", `"lfeFilter":"ENABLED","codingMode":"CODING_MODE_2_0"`), "/outputGroups/0/outputs/0/audioDescriptions/0/codecSettings/ac3Settings/lfeFilter", a("AC3", "ac3Settings", `"lfeFilter":"ENABLED","codingMode":"CODING_MODE_3_2_LFE"`)}},
	"aud-mp3-vbr-no-quality":    {{rawAudio("MP3", "mp3Settings", `"rateControlMode":"VBR"`), "/outputGroups/0/outputs/0/audioDescriptions/0/codecSettings/mp3Settings", rawAudio("MP3", "mp3Settings", `"rateControlMode":"VBR","vbrQuality":2`)}},
	"aud-opus-bitrate-multiple": {{webm("OPUS", "opusSettings", `"bitrate":96001`), "/outputGroups/0/outputs/0/audioDescriptions/0/codecSettings/opusSettings/bitrate", webm("OPUS", "opusSettings", `"bitrate":96000`)}},
	"aud-channels":              {{rawAudio("WAV", "wavSettings", `"channels":3`), "/outputGroups/0/outputs/0/audioDescriptions/0/codecSettings/wavSettings/channels", rawAudio("WAV", "wavSettings", `"channels":4`)}},
	"aud-remix": {
		{mixed(`"channelsOut":3`), "/outputGroups/0/outputs/0/audioDescriptions/0/remixSettings/channelsOut", mixed(`"channelsOut":2`)},
		{mixed(`"audioDescriptionAudioChannel":1`), "/outputGroups/0/outputs/0/audioDescriptions/0/remixSettings/audioDescriptionAudioChannel", mixed(`"audioDescriptionAudioChannel":1,"audioDescriptionDataChannel":2`)},
		{mixed(`"channelsOut":2,"channelMapping":{"outputChannels":[{"inputChannels":[0]}]}`), "/outputGroups/0/outputs/0/audioDescriptions/0/remixSettings/channelMapping/outputChannels", mixed(`"channelsOut":1,"channelMapping":{"outputChannels":[{"inputChannels":[0]}]}`)},
		{mixed(`"channelMapping":{"outputChannels":[{"inputChannels":[0],"inputChannelsFineTune":[0.0]}]}`), "/outputGroups/0/outputs/0/audioDescriptions/0/remixSettings/channelMapping/outputChannels/0", mixed(`"channelMapping":{"outputChannels":[{"inputChannelsFineTune":[0.0]}]}`)},
	},
	"aud-tagging": {{
		one(video + `,"audioDescriptions":[{"audioChannelTaggingSettings":{"channelTag":"L"},` + aac[1:] + `]`), "/outputGroups/0/outputs/0/audioDescriptions/0/audioChannelTaggingSettings",
		strings.Replace(one(video+`,"audioDescriptions":[{"audioChannelTaggingSettings":{"channelTag":"L"},`+aac[1:]+`]`), `"MP4"`, `"MOV"`, 1),
	}},
	"cap-no-destination":   {{cap("MP4", `"captionSelectorName":"c"`), "/outputGroups/0/outputs/0/captionDescriptions/0", cap("MP4", `"captionSelectorName":"c","destinationSettings":{"destinationType":"BURN_IN"}`)}},
	"cap-no-selector-name": {{cap("MP4", `"destinationSettings":{"destinationType":"BURN_IN"}`), "/outputGroups/0/outputs/0/captionDescriptions/0", cap("MP4", `"captionSelectorName":"c","destinationSettings":{"destinationType":"BURN_IN"}`)}},
	"cap-container":        {{cap("MP4", `"captionSelectorName":"c","destinationSettings":{"destinationType":"WEBVTT"}`), "/outputGroups/0/outputs/0/captionDescriptions/0/destinationSettings/destinationType", cap("MP4", `"captionSelectorName":"c","destinationSettings":{"destinationType":"EMBEDDED"}`)}},
	"cap-sidecar-bad-ext": {{
		group(file, out(video+`,"nameModifier":"_a"`)+`,{"nameModifier":"_c","extension":"txt","containerSettings":{"container":"RAW"},"captionDescriptions":[{"captionSelectorName":"c","destinationSettings":{"destinationType":"SRT"}}]}`), "/outputGroups/0/outputs/1/extension",
		group(file, out(video+`,"nameModifier":"_a"`)+`,{"nameModifier":"_c","extension":"srt","containerSettings":{"container":"RAW"},"captionDescriptions":[{"captionSelectorName":"c","destinationSettings":{"destinationType":"SRT"}}]}`),
	}},
	"cap-dvbsub-dds-none": {{
		cap("M2TS", `"captionSelectorName":"c","destinationSettings":{"destinationType":"DVB_SUB","dvbSubDestinationSettings":{"ddsXCoordinate":1}}`), "/outputGroups/0/outputs/0/captionDescriptions/0/destinationSettings/dvbSubDestinationSettings",
		cap("M2TS", `"captionSelectorName":"c","destinationSettings":{"destinationType":"DVB_SUB","dvbSubDestinationSettings":{"ddsHandling":"SPECIFIED","ddsXCoordinate":1}}`),
	}},
}

func mixed(members string) string {
	return one(video + `,"audioDescriptions":[{"remixSettings":{` + members + `},` + aac[1:] + `]`)
}

func rawAudio(codec, block, members string) string {
	return group(file, `{"containerSettings":{"container":"RAW"},"audioDescriptions":[{"codecSettings":{"codec":"`+codec+`","`+block+`":{`+members+`}}}]}`)
}

func webm(codec, block, members string) string {
	return group(file, `{"containerSettings":{"container":"WEBM"},"audioDescriptions":[{"codecSettings":{"codec":"`+codec+`","`+block+`":{`+members+`}}}]}`)
}

func read[T any](t *testing.T, text string) *T {
	t.Helper()
	s := new(T)
	if faults := mediaconvert.Decode([]byte(text), s); len(faults) > 0 {
		t.Errorf("the case is not well formed: %v\n%s", faults, text)
	}
	return s
}

func TestRules(t *testing.T) {
	t.Parallel()
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		for i, c := range cases[name] {
			got := Job(read[types.JobSettings](t, c.bad))
			if !slices.ContainsFunc(got, func(f Fault) bool { return f.Rule == name && f.Path == c.path }) {
				t.Errorf("%s %d: got %+v, want a fault at %q", name, i, got, c.path)
			}
			for _, f := range got {
				if f.Rule != name {
					t.Logf("%s %d also breaks %+v", name, i, f)
				}
			}
			if got := Job(read[types.JobSettings](t, c.good)); len(got) != 0 {
				t.Errorf("%s %d, mended: %+v", name, i, got)
			}
		}
	}
}

// TestEveryRuleIsTested walks the tables.
func TestEveryRuleIsTested(t *testing.T) {
	t.Parallel()
	var names []string
	for _, r := range documentRules {
		names = append(names, r.name)
	}
	for _, r := range inputRules {
		names = append(names, r.name)
	}
	for _, r := range groupRules {
		names = append(names, r.name)
	}
	for _, table := range [][]outputRule{outputRules, videoRules, audioRules, captionRules} {
		for _, r := range table {
			names = append(names, r.name)
		}
	}
	for _, name := range names {
		if name == "preset-empty-settings" {
			continue // TestPreset
		}
		if len(cases[name]) == 0 || cases[name][0].bad == "" {
			t.Errorf("%s is not tested", name)
		}
	}
	for name := range cases {
		if !slices.Contains(names, name) {
			t.Errorf("%s is no rule", name)
		}
	}
}

func TestPreset(t *testing.T) {
	t.Parallel()
	if got := Preset(new(types.PresetSettings)); len(got) != 4 || got[0].Rule != "preset-empty-settings" {
		t.Errorf("empty: %+v", got)
	}
	got := Preset(read[types.PresetSettings](t, `{`+mp4+`,"videoDescription":{"codecSettings":{"codec":"PRORES","proresSettings":{}}}}`))
	if len(got) != 1 || got[0].Path != "" || got[0].Text != badPair {
		t.Errorf("a bad pair: %+v", got)
	}
}

func TestJobTemplate(t *testing.T) {
	t.Parallel()
	if got := JobTemplate(new(types.JobTemplateSettings)); len(got) != 0 {
		t.Errorf("empty: %+v", got)
	}
	got := JobTemplate(read[types.JobTemplateSettings](t, `{"inputs":[{"filterEnable":"FORCE"}],"outputGroups":[{`+file+`,"outputs":[`+out(video)+`]}]}`))
	if len(got) != 1 || got[0].Rule != "in-filter-force-no-strength" {
		t.Errorf("got %+v", got)
	}
}

// TestSystemPresets: what every account has breaks no rule.
func TestSystemPresets(t *testing.T) {
	t.Parallel()
	for _, p := range system.System() {
		if got := Preset(p.Settings); len(got) != 0 {
			t.Errorf("%s: %+v", p.Name, got)
		}
	}
	for _, x := range system.SystemTemplates() {
		if got := JobTemplate(x.Settings); len(got) != 0 {
			t.Errorf("%s: %+v", x.Name, got)
		}
	}
}

// FuzzJob judges whatever settings can be read: it ends, and says the same again.
func FuzzJob(f *testing.F) {
	for _, list := range cases {
		for _, c := range list {
			f.Add([]byte(c.bad))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s := new(types.JobSettings)
		mediaconvert.Decode(text, s)
		first, again := Job(s), Job(s)
		a, err := json.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(again)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(a)
		slices.Sort(b)
		if string(a) != string(b) {
			t.Errorf("told twice, and not the same:\n%+v\n%+v", first, again)
		}
	})
}
