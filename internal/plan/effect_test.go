package plan

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/google/go-cmp/cmp"
)

// effect is one honoured member in a job: the job with a hole, and two things to put there that differ in the member's value alone.
type effect struct{ job, one, other string }

// Jobs with a hole for members of one structure.
var (
	inH264   = fileJob(`{"containerSettings":` + mp4 + `,"videoDescription":{"codecSettings":{"codec":"H_264","h264Settings":{"rateControlMode":"QVBR","maxBitrate":2000000HOLE}}}}`)
	inRate   = fileJob(`{"containerSettings":` + mp4 + `,"videoDescription":{"codecSettings":{"codec":"H_264","h264Settings":{HOLE}}}}`)
	inVideo  = fileJob(`{"containerSettings":` + mp4 + `,"videoDescription":{"codecSettings":` + h264 + `HOLE}}`)
	inAAC    = fileJob(`{"containerSettings":` + mp4 + `,"audioDescriptions":[{"codecSettings":{"codec":"AAC","aacSettings":{HOLE}}}]}`)
	inAudio  = fileJob(`{"containerSettings":` + mp4 + `,"audioDescriptions":[{"codecSettings":{"codec":"AAC","aacSettings":{"codingMode":"CODING_MODE_2_0","sampleRate":48000,"bitrate":96000}}HOLE}]}`)
	inMP4    = fileJob(`{"containerSettings":{"container":"MP4","mp4Settings":{HOLE}},"videoDescription":` + video + `}`)
	inOutput = fileJob(`{"containerSettings":` + mp4 + `,"videoDescription":` + video + `HOLE}`)
	inHLS    = `{"inputs":[{"fileInput":"s3://in/film.mov"}],"outputGroups":[{"outputGroupSettings":{"type":"HLS_GROUP_SETTINGS","hlsGroupSettings":{HOLE}},"outputs":[
	  {"nameModifier":"_v","containerSettings":{"container":"M3U8"},"videoDescription":` + video + `}]}]}`
	inM3U8 = `{"inputs":[{"fileInput":"s3://in/film.mov"}],"outputGroups":[{"outputGroupSettings":{"type":"HLS_GROUP_SETTINGS","hlsGroupSettings":{"destination":"s3://out/x/","minSegmentLength":0}},"outputs":[
	  {"nameModifier":"_v","containerSettings":{"container":"M3U8","m3u8Settings":{HOLE}},"videoDescription":` + video + `,"audioDescriptions":[` + aac + `]}]}]}`
	inSound = `{"inputs":[{"fileInput":"s3://in/film.mov"}],"outputGroups":[{"outputGroupSettings":{"type":"HLS_GROUP_SETTINGS","hlsGroupSettings":{"destination":"s3://out/x/","minSegmentLength":0}},"outputs":[
	  {"nameModifier":"_v","containerSettings":{"container":"M3U8"},"outputSettings":{"hlsSettings":{"audioRenditionSets":"SOUNDS"}},"videoDescription":` + video + `},
	  {"nameModifier":"_a","containerSettings":{"container":"M3U8"},"outputSettings":{"hlsSettings":{HOLE}},"audioDescriptions":[` + aac + `]}]}]}`
	inCapture = fileJob(`{"nameModifier":"_a","containerSettings":`+mp4+`,"videoDescription":`+video+`}`,
		`{"nameModifier":"_t","containerSettings":{"container":"RAW"},"videoDescription":{"codecSettings":{"codec":"FRAME_CAPTURE","frameCaptureSettings":{HOLE}}}}`)
	inPackage = strings.Replace(inInput, "film.mov", "film.m3u8", 1)
	inInput   = `{"inputs":[{"fileInput":"s3://in/film.mov"HOLE}],"outputGroups":[{"outputGroupSettings":{"type":"FILE_GROUP_SETTINGS","fileGroupSettings":{"destination":"s3://out/x/"}},"outputs":[
	  {"containerSettings":` + mp4 + `,"videoDescription":` + video + `,"audioDescriptions":[` + aac + `]}]}]}`
)

// inStore is a job with a hole in what it says to the store of its outputs.
var inStore = strings.Replace(strings.Replace(inOutput, "HOLE", "", 1), `"s3://out/x/"`, `"s3://out/x/","destinationSettings":{"s3Settings":{HOLE}}`, 1)

const (
	keyOne = "arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	keyTwo = "arn:aws:kms:us-east-1:000000000000:key/2234abcd-12ab-34cd-56ef-1234567890ab"
)

// inKMS is the encryption of an output with a key of the key service.
func inKMS(members string) string {
	return `"encryption":{"encryptionType":"SERVER_SIDE_ENCRYPTION_KMS",` + members + `}`
}

// sel is an audio selector with members.
func sel(members string) string { return `,"audioSelectors":{"a":{` + members + `}}` }

// ofRendition is an audio selector of a rendition of an HLS package.
func ofRendition(members string) string {
	return sel(`"selectorType":"HLS_RENDITION_GROUP","hlsRenditionGroupSettings":{` + members + `}`)
}

const hlsBase = `"destination":"s3://out/x/","minSegmentLength":0`

// effects has an entry for each honoured member that is not a structure.
var effects = map[string]effect{
	"Input.FileInput":                                  {strings.Replace(inInput, "s3://in/film.mov\"HOLE", "HOLE", 1), `s3://in/a.mov"`, `s3://in/b.mov"`},
	"VideoSelector.Rotate":                             {inInput, `,"videoSelector":{"rotate":"DEGREE_0"}`, `,"videoSelector":{"rotate":"DEGREES_90"}`},
	"AudioSelector.Tracks":                             {inInput, sel(`"selectorType":"TRACK","tracks":[1]`), sel(`"selectorType":"TRACK","tracks":[2]`)},
	"AudioSelector.SelectorType":                       {inInput, sel(`"tracks":[2],"languageCode":"ENG","selectorType":"TRACK"`), sel(`"tracks":[2],"languageCode":"ENG","selectorType":"LANGUAGE_CODE"`)},
	"AudioSelector.LanguageCode":                       {inInput, sel(`"selectorType":"LANGUAGE_CODE","languageCode":"ENG"`), sel(`"selectorType":"LANGUAGE_CODE","languageCode":"DEU"`)},
	"HlsRenditionGroupSettings.RenditionGroupId":       {inPackage, ofRendition(`"renditionGroupId":"top"`), ofRendition(`"renditionGroupId":"hi"`)},
	"HlsRenditionGroupSettings.RenditionLanguageCode":  {inPackage, ofRendition(`"renditionLanguageCode":"ENG"`), ofRendition(`"renditionLanguageCode":"FRA"`)},
	"HlsRenditionGroupSettings.RenditionName":          {inPackage, ofRendition(`"renditionName":"English"`), ofRendition(`"renditionName":"Deutsch"`)},
	"AudioSelector.CustomLanguageCode":                 {inInput, sel(`"selectorType":"LANGUAGE_CODE","customLanguageCode":"eng"`), sel(`"selectorType":"LANGUAGE_CODE","customLanguageCode":"deu"`)},
	"AudioSelector.Offset":                             {inInput, sel(`"offset":0`), sel(`"offset":100`)},
	"FileGroupSettings.Destination":                    {strings.Replace(strings.Replace(inOutput, "HOLE", "", 1), "s3://out/x/", "HOLE", 1), "s3://out/a/", "s3://out/b/"},
	"HlsGroupSettings.Destination":                     {inHLS, `"minSegmentLength":0,"destination":"s3://out/x/"`, `"minSegmentLength":0,"destination":"s3://out/y/"`},
	"HlsGroupSettings.ClientCache":                     {inHLS, hlsBase + `,"clientCache":"ENABLED"`, hlsBase + `,"clientCache":"DISABLED"`},
	"HlsGroupSettings.CodecSpecification":              {inHLS, hlsBase + `,"codecSpecification":"RFC_6381"`, hlsBase + `,"codecSpecification":"RFC_4281"`},
	"HlsGroupSettings.ManifestDurationFormat":          {inHLS, hlsBase + `,"manifestDurationFormat":"INTEGER"`, hlsBase + `,"manifestDurationFormat":"FLOATING_POINT"`},
	"HlsGroupSettings.MinFinalSegmentLength":           {inHLS, hlsBase + `,"minFinalSegmentLength":0`, hlsBase + `,"minFinalSegmentLength":2`},
	"HlsGroupSettings.MinSegmentLength":                {inHLS, `"destination":"s3://out/x/","minSegmentLength":0`, `"destination":"s3://out/x/","minSegmentLength":2`},
	"HlsGroupSettings.OutputSelection":                 {inHLS, hlsBase + `,"outputSelection":"MANIFESTS_AND_SEGMENTS"`, hlsBase + `,"outputSelection":"SEGMENTS_ONLY"`},
	"HlsGroupSettings.SegmentLength":                   {inHLS, hlsBase + `,"segmentLength":4`, hlsBase + `,"segmentLength":6`},
	"HlsGroupSettings.StreamInfResolution":             {inHLS, hlsBase + `,"streamInfResolution":"INCLUDE"`, hlsBase + `,"streamInfResolution":"EXCLUDE"`},
	"S3DestinationSettings.StorageClass":               {inStore, `"storageClass":"GLACIER"`, `"storageClass":"STANDARD_IA"`},
	"S3DestinationAccessControl.CannedAcl":             {inStore, `"accessControl":{"cannedAcl":"BUCKET_OWNER_READ"}`, `"accessControl":{"cannedAcl":"PUBLIC_READ"}`},
	"S3EncryptionSettings.EncryptionType":              {inStore, `"encryption":{"encryptionType":"SERVER_SIDE_ENCRYPTION_S3"}`, `"encryption":{"encryptionType":"SERVER_SIDE_ENCRYPTION_KMS"}`},
	"S3EncryptionSettings.KmsKeyArn":                   {inStore, inKMS(`"kmsKeyArn":"` + keyOne + `"`), inKMS(`"kmsKeyArn":"` + keyTwo + `"`)},
	"S3EncryptionSettings.KmsEncryptionContext":        {inStore, inKMS(`"kmsEncryptionContext":"eyJhIjoiYiJ9"`), inKMS(`"kmsEncryptionContext":"eyJhIjoiYyJ9"`)},
	"Output.Extension":                                 {inOutput, `,"extension":"mp4"`, `,"extension":"m4v"`},
	"Output.NameModifier":                              {inOutput, `,"nameModifier":"_a"`, `,"nameModifier":"_b"`},
	"HlsSettings.AudioTrackType":                       {strings.Replace(inSound, "SOUNDS", "g", 1), `"audioGroupId":"g","audioTrackType":"ALTERNATE_AUDIO_AUTO_SELECT_DEFAULT"`, `"audioGroupId":"g","audioTrackType":"ALTERNATE_AUDIO_NOT_AUTO_SELECT"`},
	"HlsSettings.SegmentModifier":                      {strings.Replace(inSound, "SOUNDS", "g", 1), `"audioGroupId":"g","segmentModifier":"-a"`, `"audioGroupId":"g","segmentModifier":"-b"`},
	"Mp4Settings.CslgAtom":                             {inMP4, `"cslgAtom":"INCLUDE"`, `"cslgAtom":"EXCLUDE"`},
	"Mp4Settings.MoovPlacement":                        {inMP4, `"moovPlacement":"PROGRESSIVE_DOWNLOAD"`, `"moovPlacement":"NORMAL"`},
	"Mp4Settings.Mp4MajorBrand":                        {inMP4, `"mp4MajorBrand":"isom"`, `"mp4MajorBrand":"mp42"`},
	"M3u8Settings.AudioFramesPerPes":                   {inM3U8, `"audioFramesPerPes":1`, `"audioFramesPerPes":4`},
	"M3u8Settings.AudioPids":                           {inM3U8, `"audioPids":[500]`, `"audioPids":[501]`},
	"M3u8Settings.PatInterval":                         {inM3U8, `"patInterval":0`, `"patInterval":100`},
	"M3u8Settings.PcrPid":                              {inM3U8, `"pcrPid":500`, `"pcrPid":501`},
	"M3u8Settings.PmtInterval":                         {inM3U8, `"pmtInterval":0`, `"pmtInterval":100`},
	"M3u8Settings.PmtPid":                              {inM3U8, `"pmtPid":500`, `"pmtPid":501`},
	"M3u8Settings.ProgramNumber":                       {inM3U8, `"programNumber":1`, `"programNumber":2`},
	"M3u8Settings.TransportStreamId":                   {inM3U8, `"transportStreamId":1`, `"transportStreamId":2`},
	"M3u8Settings.VideoPid":                            {inM3U8, `"videoPid":500`, `"videoPid":501`},
	"VideoDescription.ColorMetadata":                   {inVideo, `,"colorMetadata":"INSERT"`, `,"colorMetadata":"IGNORE"`},
	"VideoDescription.Width":                           {inVideo, `,"width":640`, `,"width":320`},
	"VideoDescription.Height":                          {inVideo, `,"height":360`, `,"height":180`},
	"VideoDescription.ScalingBehavior":                 {inVideo, `,"width":640,"height":480,"scalingBehavior":"DEFAULT"`, `,"width":640,"height":480,"scalingBehavior":"STRETCH_TO_OUTPUT"`},
	"VideoDescription.Sharpness":                       {inVideo, `,"sharpness":50`, `,"sharpness":100`},
	"Deinterlacer.Control":                             {inVideo, `,"videoPreprocessors":{"deinterlacer":{"control":"NORMAL"}}`, `,"videoPreprocessors":{"deinterlacer":{"control":"FORCE_ALL_FRAMES"}}`},
	"FrameCaptureSettings.FramerateDenominator":        {inCapture, `"framerateNumerator":1,"framerateDenominator":5`, `"framerateNumerator":1,"framerateDenominator":6`},
	"FrameCaptureSettings.FramerateNumerator":          {inCapture, `"framerateNumerator":1,"framerateDenominator":5`, `"framerateNumerator":2,"framerateDenominator":5`},
	"FrameCaptureSettings.MaxCaptures":                 {inCapture, `"maxCaptures":5`, `"maxCaptures":6`},
	"FrameCaptureSettings.Quality":                     {inCapture, `"quality":50`, `"quality":60`},
	"H264Settings.AdaptiveQuantization":                {inH264, `,"adaptiveQuantization":"LOW"`, `,"adaptiveQuantization":"MAX"`},
	"H264Settings.Bitrate":                             {inRate, `"rateControlMode":"CBR","bitrate":1000000`, `"rateControlMode":"CBR","bitrate":2000000`},
	"H264Settings.CodecLevel":                          {inH264, `,"codecLevel":"LEVEL_4"`, `,"codecLevel":"LEVEL_4_1"`},
	"H264Settings.CodecProfile":                        {inH264, `,"codecProfile":"MAIN"`, `,"codecProfile":"HIGH"`},
	"H264Settings.DynamicSubGop":                       {inH264, `,"dynamicSubGop":"ADAPTIVE"`, `,"dynamicSubGop":"STATIC"`},
	"H264Settings.EntropyEncoding":                     {inH264, `,"entropyEncoding":"CABAC"`, `,"entropyEncoding":"CAVLC"`},
	"H264Settings.FlickerAdaptiveQuantization":         {inH264, `,"adaptiveQuantization":"HIGH","flickerAdaptiveQuantization":"DISABLED"`, `,"adaptiveQuantization":"HIGH","flickerAdaptiveQuantization":"ENABLED"`},
	"H264Settings.FramerateControl":                    {inH264, `,"framerateNumerator":30,"framerateDenominator":1,"framerateControl":"INITIALIZE_FROM_SOURCE"`, `,"framerateNumerator":30,"framerateDenominator":1,"framerateControl":"SPECIFIED"`},
	"H264Settings.FramerateDenominator":                {inH264, `,"framerateControl":"SPECIFIED","framerateNumerator":50,"framerateDenominator":1`, `,"framerateControl":"SPECIFIED","framerateNumerator":50,"framerateDenominator":2`},
	"H264Settings.FramerateNumerator":                  {inH264, `,"framerateControl":"SPECIFIED","framerateNumerator":50,"framerateDenominator":1`, `,"framerateControl":"SPECIFIED","framerateNumerator":25,"framerateDenominator":1`},
	"H264Settings.GopBReference":                       {inH264, `,"numberBFramesBetweenReferenceFrames":3,"gopBReference":"ENABLED"`, `,"numberBFramesBetweenReferenceFrames":3,"gopBReference":"DISABLED"`},
	"H264Settings.GopClosedCadence":                    {inH264, `,"gopClosedCadence":1`, `,"gopClosedCadence":0`},
	"H264Settings.GopSize":                             {inH264, `,"gopSizeUnits":"FRAMES","gopSize":48`, `,"gopSizeUnits":"FRAMES","gopSize":60`},
	"H264Settings.GopSizeUnits":                        {inH264, `,"gopSize":2,"gopSizeUnits":"SECONDS"`, `,"gopSize":2,"gopSizeUnits":"FRAMES"`},
	"H264Settings.HrdBufferInitialFillPercentage":      {inH264, `,"hrdBufferSize":1000000,"hrdBufferInitialFillPercentage":50`, `,"hrdBufferSize":1000000,"hrdBufferInitialFillPercentage":60`},
	"H264Settings.HrdBufferSize":                       {inH264, `,"hrdBufferSize":1000000`, `,"hrdBufferSize":2000000`},
	"H264Settings.MaxBitrate":                          {inRate, `"rateControlMode":"QVBR","maxBitrate":1000000`, `"rateControlMode":"QVBR","maxBitrate":2000000`},
	"H264Settings.MinIInterval":                        {inH264, `,"minIInterval":0`, `,"minIInterval":10`},
	"H264Settings.NumberBFramesBetweenReferenceFrames": {inH264, `,"numberBFramesBetweenReferenceFrames":1`, `,"numberBFramesBetweenReferenceFrames":3`},
	"H264Settings.NumberReferenceFrames":               {inH264, `,"numberReferenceFrames":2`, `,"numberReferenceFrames":4`},
	"H264Settings.ParControl":                          {inH264, `,"parNumerator":2,"parDenominator":1,"parControl":"INITIALIZE_FROM_SOURCE"`, `,"parNumerator":2,"parDenominator":1,"parControl":"SPECIFIED"`},
	"H264Settings.ParDenominator":                      {inH264, `,"parControl":"SPECIFIED","parNumerator":2,"parDenominator":1`, `,"parControl":"SPECIFIED","parNumerator":2,"parDenominator":3`},
	"H264Settings.ParNumerator":                        {inH264, `,"parControl":"SPECIFIED","parNumerator":4,"parDenominator":3`, `,"parControl":"SPECIFIED","parNumerator":2,"parDenominator":3`},
	"H264Settings.QualityTuningLevel":                  {inH264, `,"qualityTuningLevel":"SINGLE_PASS"`, `,"qualityTuningLevel":"SINGLE_PASS_HQ"`},
	"H264Settings.RateControlMode":                     {inRate, `"bitrate":1000000,"rateControlMode":"CBR"`, `"bitrate":1000000,"rateControlMode":"VBR"`},
	"H264Settings.SceneChangeDetect":                   {inH264, `,"sceneChangeDetect":"DISABLED"`, `,"sceneChangeDetect":"ENABLED"`},
	"H264Settings.Slices":                              {inH264, `,"slices":1`, `,"slices":4`},
	"H264Settings.Softness":                            {inH264, `,"softness":0`, `,"softness":16`},
	"H264Settings.SpatialAdaptiveQuantization":         {inH264, `,"adaptiveQuantization":"HIGH","spatialAdaptiveQuantization":"ENABLED"`, `,"adaptiveQuantization":"HIGH","spatialAdaptiveQuantization":"DISABLED"`},
	"H264Settings.TemporalAdaptiveQuantization":        {inH264, `,"adaptiveQuantization":"HIGH","temporalAdaptiveQuantization":"ENABLED"`, `,"adaptiveQuantization":"HIGH","temporalAdaptiveQuantization":"DISABLED"`},
	"H264QvbrSettings.QvbrQualityLevel":                {inH264, `,"qvbrSettings":{"qvbrQualityLevel":7}`, `,"qvbrSettings":{"qvbrQualityLevel":8}`},
	"H264QvbrSettings.QvbrQualityLevelFineTune":        {inH264, `,"qvbrSettings":{"qvbrQualityLevel":7,"qvbrQualityLevelFineTune":0}`, `,"qvbrSettings":{"qvbrQualityLevel":7,"qvbrQualityLevelFineTune":0.33}`},
	"AudioDescription.CustomLanguageCode":              {inAudio, `,"languageCodeControl":"USE_CONFIGURED","customLanguageCode":"eng"`, `,"languageCodeControl":"USE_CONFIGURED","customLanguageCode":"deu"`},
	"AudioDescription.LanguageCode":                    {inAudio, `,"languageCodeControl":"USE_CONFIGURED","languageCode":"FRA"`, `,"languageCodeControl":"USE_CONFIGURED","languageCode":"DEU"`},
	"AudioDescription.LanguageCodeControl":             {inAudio, `,"languageCode":"FRA","languageCodeControl":"USE_CONFIGURED"`, `,"languageCode":"FRA","languageCodeControl":"FOLLOW_INPUT"`},
	"AacSettings.Bitrate":                              {inAAC, `"codingMode":"CODING_MODE_2_0","sampleRate":48000,"bitrate":96000`, `"codingMode":"CODING_MODE_2_0","sampleRate":48000,"bitrate":128000`},
	"AacSettings.CodingMode":                           {inAAC, `"sampleRate":48000,"bitrate":96000,"codingMode":"CODING_MODE_2_0"`, `"sampleRate":48000,"bitrate":96000,"codingMode":"CODING_MODE_1_0"`},
	"AacSettings.RateControlMode":                      {inAAC, `"codingMode":"CODING_MODE_2_0","sampleRate":48000,"vbrQuality":"HIGH","rateControlMode":"CBR"`, `"codingMode":"CODING_MODE_2_0","sampleRate":48000,"vbrQuality":"HIGH","rateControlMode":"VBR"`},
	"AacSettings.SampleRate":                           {inAAC, `"codingMode":"CODING_MODE_2_0","sampleRate":48000`, `"codingMode":"CODING_MODE_2_0","sampleRate":44100`},
	"AacSettings.VbrQuality":                           {inAAC, `"codingMode":"CODING_MODE_2_0","sampleRate":48000,"rateControlMode":"VBR","vbrQuality":"HIGH"`, `"codingMode":"CODING_MODE_2_0","sampleRate":48000,"rateControlMode":"VBR","vbrQuality":"LOW"`},
}

// otherwise says of honoured members why no pair of one value is in effects.
var otherwise = map[string]string{
	"AudioSelector.DefaultSelection":                 "needs two selectors: TestAudioSelection",
	"AudioDescription.AudioSourceName":               "needs two selectors: TestAudioSelection",
	"HlsSettings.AudioGroupId":                       "goes with AudioRenditionSets: TestHLSAudioGroups",
	"HlsSettings.AudioRenditionSets":                 "goes with AudioGroupId: TestHLSAudioGroups",
	"AudioDescription.StreamName":                    "names an alternate rendition: TestHLSAudioGroups",
	"InputDecryptionSettings.DecryptionMode":         "opens the file, of which the plan is made: TestDecryptionSettings",
	"InputDecryptionSettings.EncryptedDecryptionKey": "opens the file, of which the plan is made: TestDecryptionSettings",
	"InputDecryptionSettings.InitializationVector":   "opens the file, of which the plan is made: TestDecryptionSettings",
	"InputDecryptionSettings.KmsKeyRegion":           "one value is carried out: TestDecryptionSettings",
	"OutputGroupSettings.Type":                       "goes with its structure",
	"StaticKeyProvider.StaticKeyValue":               "is read when the job runs, and in no plan: TestStaticKey",
	"ContainerSettings.Container":                    "goes with the group",
	"VideoCodecSettings.Codec":                       "goes with its structure",
	"AudioCodecSettings.Codec":                       "one value is carried out",
	"AacSettings.CodecProfile":                       "one value is carried out",
	"Deinterlacer.Algorithm":                         "one value is carried out",
	"Deinterlacer.Mode":                              "one value is carried out",
}

// TestHonouredMembersChangeThePlan: what is said to be honoured makes another plan. Members that are structures are honoured by their own.
func TestHonouredMembersChangeThePlan(t *testing.T) {
	t.Parallel()
	structures := map[string]bool{}
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(rt reflect.Type) {
		for rt.Kind() == reflect.Pointer || rt.Kind() == reflect.Slice || rt.Kind() == reflect.Map {
			rt = rt.Elem()
		}
		if rt.Kind() != reflect.Struct || seen[rt] {
			return
		}
		seen[rt] = true
		for i := range rt.NumField() {
			f := rt.Field(i)
			inner := f.Type
			for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice || inner.Kind() == reflect.Map {
				inner = inner.Elem()
			}
			structures[rt.Name()+"."+f.Name] = inner.Kind() == reflect.Struct
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[types.JobSettings]())
	effects := maps.Clone(effects)
	maps.Copy(effects, streamEffects)
	maps.Copy(effects, captionEffects)
	for _, m := range model() {
		name := m.structure + "." + m.name
		a, _ := answerOf(m.structure, m.name)
		if a.refuseAll || a.inert || structures[name] {
			continue
		}
		e, ok := effects[name]
		if !ok {
			if otherwise[name] == "" {
				t.Errorf("%s is honoured, and no pair shows it", name)
			}
			continue
		}
		plans := [2]*Plan{}
		for i, part := range []string{e.one, e.other} {
			source := film()
			if e.job == inPackage {
				source = packaged()
			}
			plans[i] = mustPlan(t, strings.Replace(e.job, "HOLE", part, 1), source)
		}
		if cmp.Equal(plans[0], plans[1]) {
			t.Errorf("%s is said to be honoured, and changes nothing", name)
		}
	}
	all := model()
	for name := range effects {
		structure, m, _ := strings.Cut(name, ".")
		if a, ok := answerOf(structure, m); !slices.Contains(all, member{structure, m}) || !ok || a.inert || a.refuseAll {
			t.Errorf("%s has a pair, and is not honoured", name)
		}
	}
}
