package plan

import (
	"maps"
	"strconv"
	"strings"
)

// streamJob is a job of one segmented group: two pictures of different size, and sound.
func streamJob(kind, block, group, container, video, small, sound string) string {
	return `{"inputs":[{"fileInput":"s3://in/film.mov"}]JOB,"outputGroups":[{"outputGroupSettings":{"type":"` + kind + `","` + block + `":{` + group + `}},"outputs":[
	  {"nameModifier":"_v","containerSettings":{"container":"` + container + `"` + video + `},"videoDescription":` + videoOf(1280, 720) + `},
	  {"nameModifier":"_w","containerSettings":{"container":"` + container + `"` + small + `},"videoDescription":` + videoOf(640, 360) + `},
	  {"nameModifier":"_a","containerSettings":{"container":"` + container + `"` + sound + `},"audioDescriptions":[` + aac + `]}]}]}`
}

func videoOf(w, h int) string {
	return strings.NewReplacer("1280", strconv.Itoa(w), "720", strconv.Itoa(h)).Replace(video)
}

const (
	to      = `"destination":"s3://out/x/"`
	toHLS   = to + `,"minSegmentLength":0`
	spekeID = `"resourceId":"film","url":"https://keys.example/speke"`
	// contracts of SPEKE 2.0
	oneKey  = `"encryptionContractConfiguration":{"spekeVideoPreset":"SHARED","spekeAudioPreset":"SHARED"}`
	twoKeys = `"encryptionContractConfiguration":{"spekeVideoPreset":"PRESET_VIDEO_1","spekeAudioPreset":"PRESET_AUDIO_1"}`

	widevine    = `"edef8ba9-79d6-4ace-a3c8-27dcd51d21ed"`
	playReadyID = `"9a04f079-9840-4286-ab92-e65be0885f95"`
	fairPlayID  = `"94ce86fb-07ff-4f43-adb8-93d2fa968ca2"`
	oneStatic   = `"staticKeyProvider":{"staticKeyValue":"00112233445566778899aabbccddeeff","url":"https://keys.example/k"}`
)

// Jobs with a hole: in the settings of the group, of the container of a picture, of that of sound, and of the job.
var (
	plainJob  = func(s string) string { return strings.Replace(s, "JOB", "", 1) }
	cmafGroup = plainJob(streamJob("CMAF_GROUP_SETTINGS", "cmafGroupSettings", "HOLE", "CMFC", "", "", ""))
	dashGroup = plainJob(streamJob("DASH_ISO_GROUP_SETTINGS", "dashIsoGroupSettings", "HOLE", "MPD", "", "", ""))
	mssGroup  = plainJob(streamJob("MS_SMOOTH_GROUP_SETTINGS", "msSmoothGroupSettings", "HOLE", "ISMV", "", "", ""))
	hlsGroup  = plainJob(streamJob("HLS_GROUP_SETTINGS", "hlsGroupSettings", "HOLE", "M3U8", "", "", ""))
	cmfcVideo = plainJob(streamJob("CMAF_GROUP_SETTINGS", "cmafGroupSettings", to, "CMFC", `,"cmfcSettings":{HOLE}`, "", ""))
	cmfcSound = plainJob(streamJob("CMAF_GROUP_SETTINGS", "cmafGroupSettings", to, "CMFC", `,"cmfcSettings":{"audioRenditionSets":"a"}`, "", `,"cmfcSettings":{HOLE}`))
	mpdVideo  = plainJob(streamJob("DASH_ISO_GROUP_SETTINGS", "dashIsoGroupSettings", to, "MPD", `,"mpdSettings":{HOLE}`, "", ""))
	m3u8Video = plainJob(streamJob("HLS_GROUP_SETTINGS", "hlsGroupSettings", toHLS, "M3U8", `,"m3u8Settings":{HOLE}`, "", ""))
	// withID3 are HLS groups with a hole whose pictures take timed metadata.
	withID3    = plainJob(streamJob("HLS_GROUP_SETTINGS", "hlsGroupSettings", toHLS+"HOLE", "M3U8", `,"m3u8Settings":{"timedMetadata":"PASSTHROUGH"}`, "", ""))
	atTimeline = strings.Replace(streamJob("HLS_GROUP_SETTINGS", "hlsGroupSettings", toHLS+`,"programDateTime":"INCLUDE"`, "M3U8", `,"m3u8Settings":{"timedMetadata":"PASSTHROUGH"}`, "", ""), "JOB", "HOLE", 1)
	// inHLSVideo has the hole in what a picture says of its playlists.
	inHLSVideo = strings.Replace(strings.Replace(hlsGroup, "HOLE", toHLS, 1), `"containerSettings":{"container":"M3U8"}`, `"outputSettings":{"hlsSettings":{HOLE}},"containerSettings":{"container":"M3U8"}`, 1)
	inHEVC     = fileJob(`{"containerSettings":` + mp4 + `,"videoDescription":{"codecSettings":{"codec":"H_265","h265Settings":{"rateControlMode":"QVBR","maxBitrate":2000000HOLE}}}}`)
	inHEVCRate = fileJob(`{"containerSettings":` + mp4 + `,"videoDescription":{"codecSettings":{"codec":"H_265","h265Settings":{HOLE}}}}`)
	inAV1      = fileJob(`{"containerSettings":` + mp4 + `,"videoDescription":{"codecSettings":{"codec":"AV1","av1Settings":{"rateControlMode":"QVBR","maxBitrate":2000000HOLE}}}}`)
	inAV1Rate  = fileJob(`{"containerSettings":` + mp4 + `,"videoDescription":{"codecSettings":{"codec":"AV1","av1Settings":{HOLE}}}}`)
	inAC3      = fileJob(`{"containerSettings":` + mp4 + `,"audioDescriptions":[{"codecSettings":{"codec":"AC3","ac3Settings":{HOLE}}}]}`)
	inEAC3     = fileJob(`{"containerSettings":` + mp4 + `,"audioDescriptions":[{"codecSettings":{"codec":"EAC3","eac3Settings":{HOLE}}}]}`)
)

func staticHLS(members string) string {
	return toHLS + `,"encryption":{"type":"STATIC_KEY","encryptionMethod":"SAMPLE_AES",` + oneStatic + members + `}`
}

func spekeCMAF(provider string) string {
	return to + `,"encryption":{"type":"SPEKE","encryptionMethod":"SAMPLE_AES","spekeKeyProvider":{` + provider + `}}`
}

func staticCMAF(members string) string {
	return to + `,"encryption":{"type":"STATIC_KEY","encryptionMethod":"SAMPLE_AES",` + oneStatic + members + `}`
}

func spekeDASH(provider, members string) string {
	return to + `,"encryption":{"spekeKeyProvider":{` + provider + `}` + members + `}`
}

func staticWith(members string) string {
	return toHLS + `,"encryption":{"type":"STATIC_KEY","encryptionMethod":"AES128","staticKeyProvider":{"staticKeyValue":"00112233445566778899aabbccddeeff",` + members + `}}`
}

const id3Tag = "SUQzBAAAAAAAAA==" // a tag without frames

func insertion(id3, timecode string) string {
	return `,"timedMetadataInsertion":{"id3Insertions":[{"id3":"` + id3 + `","timecode":"` + timecode + `"}]}`
}

// streamEffects are the effects of the members of segmented groups, of encryption, and of the codecs besides H.264 and AAC.
var streamEffects = func() map[string]effect {
	all := map[string]effect{
		"TimecodeConfig.Source":          {atTimeline, `,"timecodeConfig":{"source":"ZEROBASED","start":"01:00:00:00"}`, `,"timecodeConfig":{"source":"SPECIFIEDSTART","start":"01:00:00:00"}`},
		"TimecodeConfig.Start":           {atTimeline, `,"timecodeConfig":{"source":"SPECIFIEDSTART","start":"01:00:00:00"}`, `,"timecodeConfig":{"source":"SPECIFIEDSTART","start":"01:00:00:01"}`},
		"TimecodeConfig.TimestampOffset": {atTimeline, `,"timecodeConfig":{"timestampOffset":"2024-02-29"}`, `,"timecodeConfig":{"timestampOffset":"2024-03-01"}`},
		"Id3Insertion.Id3":               {atTimeline, insertion(id3Tag, "00:00:01:00"), insertion("SUQzAwAAAAAAAA==", "00:00:01:00")},
		"Id3Insertion.Timecode":          {atTimeline, insertion(id3Tag, "00:00:01:00"), insertion(id3Tag, "00:00:01:01")},

		"HlsGroupSettings.BaseUrl":                         {hlsGroup, toHLS + `,"baseUrl":"https://a.example/"`, toHLS + `,"baseUrl":"https://b.example/"`},
		"HlsGroupSettings.CaptionLanguageSetting":          {hlsGroup, toHLS + `,"captionLanguageSetting":"OMIT"`, toHLS + `,"captionLanguageSetting":"NONE"`},
		"HlsGroupSettings.DirectoryStructure":              {hlsGroup, toHLS + `,"directoryStructure":"SINGLE_DIRECTORY"`, toHLS + `,"directoryStructure":"SUBDIRECTORY_PER_STREAM"`},
		"HlsGroupSettings.ImageBasedTrickPlay":             {hlsGroup, toHLS + `,"imageBasedTrickPlay":"THUMBNAIL"`, toHLS + `,"imageBasedTrickPlay":"THUMBNAIL_AND_FULLFRAME"`},
		"HlsGroupSettings.ManifestCompression":             {hlsGroup, toHLS + `,"manifestCompression":"NONE"`, toHLS + `,"manifestCompression":"GZIP"`},
		"HlsGroupSettings.ProgramDateTime":                 {hlsGroup, toHLS + `,"programDateTimePeriod":10,"programDateTime":"EXCLUDE"`, toHLS + `,"programDateTimePeriod":10,"programDateTime":"INCLUDE"`},
		"HlsGroupSettings.ProgramDateTimePeriod":           {hlsGroup, toHLS + `,"programDateTime":"INCLUDE","programDateTimePeriod":0`, toHLS + `,"programDateTime":"INCLUDE","programDateTimePeriod":600`},
		"HlsGroupSettings.SegmentControl":                  {hlsGroup, toHLS + `,"segmentControl":"SINGLE_FILE"`, toHLS + `,"segmentControl":"SEGMENTED_FILES"`},
		"HlsGroupSettings.SegmentLengthControl":            {hlsGroup, toHLS + `,"segmentLengthControl":"EXACT"`, toHLS + `,"segmentLengthControl":"GOP_MULTIPLE"`},
		"HlsGroupSettings.SegmentsPerSubdirectory":         {hlsGroup, toHLS + `,"directoryStructure":"SUBDIRECTORY_PER_STREAM","segmentsPerSubdirectory":10`, toHLS + `,"directoryStructure":"SUBDIRECTORY_PER_STREAM","segmentsPerSubdirectory":20`},
		"HlsGroupSettings.TargetDurationCompatibilityMode": {hlsGroup, toHLS + `,"targetDurationCompatibilityMode":"LEGACY"`, toHLS + `,"targetDurationCompatibilityMode":"SPEC_COMPLIANT"`},
		"HlsGroupSettings.TimedMetadataId3Frame":           {withID3, `,"timedMetadataId3Frame":"PRIV"`, `,"timedMetadataId3Frame":"TDRL"`},
		"HlsGroupSettings.TimedMetadataId3Period":          {withID3, `,"timedMetadataId3Frame":"PRIV","timedMetadataId3Period":5`, `,"timedMetadataId3Frame":"PRIV","timedMetadataId3Period":6`},
		"HlsSettings.AudioOnlyContainer":                   {strings.Replace(inSound, "SOUNDS", "g", 1), `"audioGroupId":"g","audioOnlyContainer":"AUTOMATIC"`, `"audioGroupId":"g","audioOnlyContainer":"M2TS"`},
		"HlsSettings.DescriptiveVideoServiceFlag":          {strings.Replace(inSound, "SOUNDS", "g", 1), `"audioGroupId":"g","descriptiveVideoServiceFlag":"DONT_FLAG"`, `"audioGroupId":"g","descriptiveVideoServiceFlag":"FLAG"`},
		"HlsSettings.IFrameOnlyManifest":                   {inHLSVideo, `"iFrameOnlyManifest":"INCLUDE"`, `"iFrameOnlyManifest":"INCLUDE_AS_TS"`},
		"M3u8Settings.TimedMetadata":                       {m3u8Video, `"timedMetadata":"NONE"`, `"timedMetadata":"PASSTHROUGH"`},
		"M3u8Settings.TimedMetadataPid":                    {m3u8Video, `"timedMetadata":"PASSTHROUGH","timedMetadataPid":600`, `"timedMetadata":"PASSTHROUGH","timedMetadataPid":601`},

		"HlsEncryptionSettings.ConstantInitializationVector":   {hlsGroup, staticHLS(`,"constantInitializationVector":"00112233445566778899aabbccddeeff"`), staticHLS(`,"constantInitializationVector":"10112233445566778899aabbccddeeff"`)},
		"HlsEncryptionSettings.EncryptionMethod":               {hlsGroup, staticHLS(""), strings.Replace(staticHLS(""), "SAMPLE_AES", "AES128", 1)},
		"HlsEncryptionSettings.InitializationVectorInManifest": {hlsGroup, staticHLS(`,"initializationVectorInManifest":"INCLUDE"`), staticHLS(`,"initializationVectorInManifest":"EXCLUDE"`)},
		"HlsEncryptionSettings.OfflineEncrypted":               {hlsGroup, staticHLS(`,"offlineEncrypted":"ENABLED"`), staticHLS(`,"offlineEncrypted":"DISABLED"`)},
		"HlsEncryptionSettings.Type":                           {hlsGroup, staticHLS(""), toHLS + `,"encryption":{"type":"SPEKE","encryptionMethod":"SAMPLE_AES","spekeKeyProvider":{` + spekeID + `,"systemIds":[` + fairPlayID + `]}}`},
		"StaticKeyProvider.KeyFormat":                          {hlsGroup, staticWith(`"url":"https://k.example/","keyFormat":"identity"`), staticWith(`"url":"https://k.example/","keyFormat":"com.example.drm"`)},
		"StaticKeyProvider.KeyFormatVersions":                  {hlsGroup, staticWith(`"url":"https://k.example/","keyFormatVersions":"1"`), staticWith(`"url":"https://k.example/","keyFormatVersions":"1/2"`)},
		"StaticKeyProvider.Url":                                {hlsGroup, staticWith(`"url":"https://k.example/"`), staticWith(`"url":"https://l.example/"`)},

		"CmafEncryptionSettings.ClearLead":                      {cmafGroup, staticCMAF(`,"clearLead":"ENABLED"`), staticCMAF(`,"clearLead":"DISABLED"`)},
		"CmafEncryptionSettings.ConstantInitializationVector":   {cmafGroup, staticCMAF(`,"constantInitializationVector":"00112233445566778899aabbccddeeff"`), staticCMAF(`,"constantInitializationVector":"10112233445566778899aabbccddeeff"`)},
		"CmafEncryptionSettings.EncryptionMethod":               {cmafGroup, staticCMAF(""), strings.Replace(staticCMAF(""), "SAMPLE_AES", "AES_CTR", 1)},
		"CmafEncryptionSettings.InitializationVectorInManifest": {cmafGroup, staticCMAF(`,"initializationVectorInManifest":"INCLUDE"`), staticCMAF(`,"initializationVectorInManifest":"EXCLUDE"`)},
		"CmafEncryptionSettings.Type":                           {cmafGroup, staticCMAF(""), spekeCMAF(spekeID + `,"hlsSignaledSystemIds":[` + fairPlayID + `]`)},
		"SpekeKeyProviderCmaf.CertificateArn":                   {cmafGroup, spekeCMAF(spekeID + `,"dashSignaledSystemIds":[` + widevine + `]`), spekeCMAF(spekeID + `,"dashSignaledSystemIds":[` + widevine + `],"certificateArn":"arn:aws:acm:us-east-1:000000000000:certificate/1"`)},
		"SpekeKeyProviderCmaf.DashSignaledSystemIds":            {cmafGroup, spekeCMAF(spekeID + `,"dashSignaledSystemIds":[` + widevine + `]`), spekeCMAF(spekeID + `,"dashSignaledSystemIds":[` + widevine + `,` + playReadyID + `]`)},
		"SpekeKeyProviderCmaf.HlsSignaledSystemIds":             {cmafGroup, spekeCMAF(spekeID + `,"hlsSignaledSystemIds":[` + fairPlayID + `]`), spekeCMAF(spekeID + `,"hlsSignaledSystemIds":[` + widevine + `]`)},
		"SpekeKeyProviderCmaf.ResourceId":                       {cmafGroup, spekeCMAF(spekeID + `,"dashSignaledSystemIds":[` + widevine + `]`), spekeCMAF(strings.Replace(spekeID, "film", "other", 1) + `,"dashSignaledSystemIds":[` + widevine + `]`)},
		"SpekeKeyProviderCmaf.Url":                              {cmafGroup, spekeCMAF(spekeID + `,"dashSignaledSystemIds":[` + widevine + `]`), spekeCMAF(strings.Replace(spekeID, "keys", "other", 1) + `,"dashSignaledSystemIds":[` + widevine + `]`)},
		"EncryptionContractConfiguration.SpekeVideoPreset":      {cmafGroup, spekeCMAF(spekeID + `,"dashSignaledSystemIds":[` + widevine + `],` + twoKeys), spekeCMAF(spekeID + `,"dashSignaledSystemIds":[` + widevine + `],` + strings.Replace(twoKeys, "VIDEO_1", "VIDEO_2", 1))},
		"EncryptionContractConfiguration.SpekeAudioPreset":      {cmafGroup, spekeCMAF(spekeID + `,"dashSignaledSystemIds":[` + widevine + `],` + twoKeys), spekeCMAF(spekeID + `,"dashSignaledSystemIds":[` + widevine + `],` + strings.Replace(twoKeys, "PRESET_AUDIO_1", "UNENCRYPTED", 1))},
		"DashIsoEncryptionSettings.PlaybackDeviceCompatibility": {dashGroup, spekeDASH(spekeID+`,"systemIds":[`+widevine+`]`, `,"playbackDeviceCompatibility":"CENC_V1"`), spekeDASH(spekeID+`,"systemIds":[`+widevine+`]`, `,"playbackDeviceCompatibility":"UNENCRYPTED_SEI"`)},
		"SpekeKeyProvider.CertificateArn":                       {dashGroup, spekeDASH(spekeID+`,"systemIds":[`+widevine+`]`, ""), spekeDASH(spekeID+`,"systemIds":[`+widevine+`],"certificateArn":"arn:aws:acm:us-east-1:000000000000:certificate/1"`, "")},
		"SpekeKeyProvider.ResourceId":                           {mssGroup, spekeDASH(spekeID+`,"systemIds":[`+playReadyID+`]`, ""), spekeDASH(strings.Replace(spekeID, "film", "other", 1)+`,"systemIds":[`+playReadyID+`]`, "")},
		"SpekeKeyProvider.SystemIds":                            {dashGroup, spekeDASH(spekeID+`,"systemIds":[`+widevine+`]`, ""), spekeDASH(spekeID+`,"systemIds":[`+playReadyID+`]`, "")},
		"SpekeKeyProvider.Url":                                  {dashGroup, spekeDASH(spekeID+`,"systemIds":[`+widevine+`]`, ""), spekeDASH(strings.Replace(spekeID, "keys", "other", 1)+`,"systemIds":[`+widevine+`]`, "")},

		"CmafGroupSettings.PtsOffsetHandlingForBFrames":      {cmafGroup, to + `,"writeHlsManifest":"DISABLED","ptsOffsetHandlingForBFrames":"ZERO_BASED"`, to + `,"writeHlsManifest":"DISABLED","ptsOffsetHandlingForBFrames":"MATCH_INITIAL_PTS"`},
		"DashIsoGroupSettings.PtsOffsetHandlingForBFrames":   {dashGroup, to + `,"ptsOffsetHandlingForBFrames":"ZERO_BASED"`, to + `,"ptsOffsetHandlingForBFrames":"MATCH_INITIAL_PTS"`},
		"CmafGroupSettings.WriteDashManifest":                {cmafGroup, to + `,"writeDashManifest":"ENABLED"`, to + `,"writeDashManifest":"DISABLED"`},
		"CmafGroupSettings.WriteHlsManifest":                 {cmafGroup, to + `,"writeHlsManifest":"ENABLED"`, to + `,"writeHlsManifest":"DISABLED"`},
		"CmafGroupSettings.ClientCache":                      {cmafGroup, to + `,"clientCache":"ENABLED"`, to + `,"clientCache":"DISABLED"`},
		"CmafGroupSettings.CodecSpecification":               {cmafGroup, to + `,"codecSpecification":"RFC_6381"`, to + `,"codecSpecification":"RFC_4281"`},
		"CmafGroupSettings.ManifestCompression":              {cmafGroup, to + `,"manifestCompression":"GZIP"`, to + `,"manifestCompression":"NONE"`},
		"CmafGroupSettings.ManifestDurationFormat":           {cmafGroup, to + `,"manifestDurationFormat":"INTEGER"`, to + `,"manifestDurationFormat":"FLOATING_POINT"`},
		"CmafGroupSettings.StreamInfResolution":              {cmafGroup, to + `,"streamInfResolution":"INCLUDE"`, to + `,"streamInfResolution":"EXCLUDE"`},
		"CmafGroupSettings.TargetDurationCompatibilityMode":  {cmafGroup, to + `,"targetDurationCompatibilityMode":"LEGACY"`, to + `,"targetDurationCompatibilityMode":"SPEC_COMPLIANT"`},
		"CmfcSettings.AudioGroupId":                          {cmfcSound, `"audioGroupId":"a"`, `"audioGroupId":"b"`},
		"CmfcSettings.AudioRenditionSets":                    {strings.Replace(strings.Replace(cmfcSound, "{HOLE}", `{"audioGroupId":"a"}`, 1), `"audioRenditionSets":"a"`, "HOLE", 1), `"audioRenditionSets":"a"`, `"audioRenditionSets":"b"`},
		"CmfcSettings.AudioTrackType":                        {cmfcSound, `"audioGroupId":"a","audioTrackType":"ALTERNATE_AUDIO_AUTO_SELECT"`, `"audioGroupId":"a","audioTrackType":"ALTERNATE_AUDIO_NOT_AUTO_SELECT"`},
		"CmfcSettings.DescriptiveVideoServiceFlag":           {cmfcSound, `"descriptiveVideoServiceFlag":"FLAG"`, `"descriptiveVideoServiceFlag":"DONT_FLAG"`},
		"CmfcSettings.IFrameOnlyManifest":                    {cmfcVideo, `"iFrameOnlyManifest":"INCLUDE"`, `"iFrameOnlyManifest":"EXCLUDE"`},
		"DashIsoGroupSettings.AudioChannelConfigSchemeIdUri": {dashGroup, to + `,"audioChannelConfigSchemeIdUri":"MPEG_CHANNEL_CONFIGURATION"`, to + `,"audioChannelConfigSchemeIdUri":"DOLBY_CHANNEL_CONFIGURATION"`},
		"DashIsoGroupSettings.HbbtvCompliance":               {dashGroup, to + `,"segmentLength":10,"hbbtvCompliance":"NONE"`, to + `,"segmentLength":10,"hbbtvCompliance":"HBBTV_1_5"`},
		"MsSmoothGroupSettings.AudioDeduplication":           {strings.Replace(mssGroup, `"nameModifier":"_a",`, `"nameModifier":"_b","containerSettings":{"container":"ISMV"},"audioDescriptions":[`+aac+`]},{"nameModifier":"_a",`, 1), to + `,"audioDeduplication":"NONE"`, to + `,"audioDeduplication":"COMBINE_DUPLICATE_STREAMS"`},
		"MsSmoothGroupSettings.Destination":                  {mssGroup, `"destination":"s3://out/a/"`, `"destination":"s3://out/b/"`},
		"MsSmoothGroupSettings.FragmentLength":               {mssGroup, to + `,"fragmentLength":2`, to + `,"fragmentLength":4`},
		"MsSmoothGroupSettings.FragmentLengthControl":        {mssGroup, to + `,"fragmentLengthControl":"EXACT"`, to + `,"fragmentLengthControl":"GOP_MULTIPLE"`},
		"MsSmoothGroupSettings.ManifestEncoding":             {mssGroup, to + `,"manifestEncoding":"UTF8"`, to + `,"manifestEncoding":"UTF16"`},
	}
	// What CMAF and DASH ISO groups share.
	for structure, job := range map[string]string{"CmafGroupSettings": cmafGroup, "DashIsoGroupSettings": dashGroup} {
		for member, pair := range map[string][2]string{
			"BaseUrl":                              {`"baseUrl":"https://a.example/"`, `"baseUrl":"https://b.example/"`},
			"DashIFrameTrickPlayNameModifier":      {`"dashIFrameTrickPlayNameModifier":"_i"`, `"dashIFrameTrickPlayNameModifier":"_j"`},
			"DashManifestStyle":                    {`"dashManifestStyle":"COMPACT"`, `"dashManifestStyle":"DISTINCT"`},
			"Destination":                          {`"baseUrl":""`, `"destination":"s3://out/y/"`},
			"FragmentLength":                       {`"fragmentLength":2`, `"fragmentLength":1`},
			"ImageBasedTrickPlay":                  {`"imageBasedTrickPlay":"THUMBNAIL"`, `"imageBasedTrickPlay":"NONE"`},
			"MinBufferTime":                        {`"minBufferTime":2`, `"minBufferTime":3`},
			"MinFinalSegmentLength":                {`"minFinalSegmentLength":1`, `"minFinalSegmentLength":1.5`},
			"MpdManifestBandwidthType":             {`"mpdManifestBandwidthType":"AVERAGE"`, `"mpdManifestBandwidthType":"MAX"`},
			"MpdProfile":                           {`"segmentControl":"SINGLE_FILE","mpdProfile":"MAIN_PROFILE"`, `"segmentControl":"SINGLE_FILE","mpdProfile":"ON_DEMAND_PROFILE"`},
			"SegmentControl":                       {`"segmentControl":"SINGLE_FILE"`, `"segmentControl":"SEGMENTED_FILES"`},
			"SegmentLength":                        {`"segmentLength":4`, `"segmentLength":6`},
			"SegmentLengthControl":                 {`"segmentLengthControl":"EXACT"`, `"segmentLengthControl":"GOP_MULTIPLE"`},
			"VideoCompositionOffsets":              {`"videoCompositionOffsets":"SIGNED"`, `"videoCompositionOffsets":"UNSIGNED"`},
			"WriteSegmentTimelineInRepresentation": {`"writeSegmentTimelineInRepresentation":"ENABLED"`, `"writeSegmentTimelineInRepresentation":"DISABLED"`},
		} {
			e := effect{job, to + "," + pair[0], to + "," + pair[1]}
			if member == "Destination" {
				e.other = pair[1]
			}
			all[structure+"."+member] = e
		}
	}
	for structure, job := range map[string]string{"CmfcSettings": cmfcVideo, "MpdSettings": mpdVideo} {
		for member, pair := range map[string][2]string{
			"ManifestMetadataSignaling": {`"manifestMetadataSignaling":"ENABLED"`, `"manifestMetadataSignaling":"DISABLED"`},
			"TimedMetadataBoxVersion":   {`"timedMetadataBoxVersion":"VERSION_0"`, `"timedMetadataBoxVersion":"VERSION_1"`},
			"TimedMetadataSchemeIdUri":  {`"timedMetadataSchemeIdUri":"urn:a"`, `"timedMetadataSchemeIdUri":"urn:b"`},
			"TimedMetadataValue":        {`"timedMetadataValue":"a"`, `"timedMetadataValue":"b"`},
		} {
			all[structure+"."+member] = effect{job, `"timedMetadata":"PASSTHROUGH",` + pair[0], `"timedMetadata":"PASSTHROUGH",` + pair[1]}
		}
		all[structure+".TimedMetadata"] = effect{job, `"timedMetadata":"PASSTHROUGH"`, `"timedMetadata":"NONE"`}
	}
	for prefix, group := range map[string]struct{ job, members string }{"Hls": {hlsGroup, toHLS}, "Cmaf": {cmafGroup, to}, "DashIso": {dashGroup, to}} {
		for member, pair := range map[string][2]string{
			"IntervalCadence":   {`"intervalCadence":"FOLLOW_IFRAME","tileWidth":1,"tileHeight":1`, `"intervalCadence":"FOLLOW_SEGMENTATION","tileWidth":1,"tileHeight":1`},
			"ThumbnailHeight":   {`"thumbnailHeight":90`, `"thumbnailHeight":100`},
			"ThumbnailInterval": {`"intervalCadence":"FOLLOW_CUSTOM","thumbnailInterval":1`, `"intervalCadence":"FOLLOW_CUSTOM","thumbnailInterval":1.5`},
			"ThumbnailWidth":    {`"thumbnailWidth":160`, `"thumbnailWidth":168`},
			"TileHeight":        {`"tileHeight":2`, `"tileHeight":4`},
			"TileWidth":         {`"tileWidth":2`, `"tileWidth":4`},
		} {
			in := func(s string) string {
				return group.members + `,"imageBasedTrickPlay":"ADVANCED","imageBasedTrickPlaySettings":{` + s + `}`
			}
			all[prefix+"ImageBasedTrickPlaySettings."+member] = effect{group.job, in(pair[0]), in(pair[1])}
		}
	}
	for prefix, group := range map[string]struct{ job, members string }{"Hls": {hlsGroup, toHLS}, "Cmaf": {cmafGroup, to}, "Dash": {dashGroup, to}, "MsSmooth": {mssGroup, to}} {
		in := func(name, output string) string {
			return group.members + `,"additionalManifests":[{"manifestNameModifier":"` + name + `","selectedOutputs":["` + output + `"]}]`
		}
		all[prefix+"AdditionalManifest.ManifestNameModifier"] = effect{group.job, in("-a", "_v"), in("-b", "_v")}
		all[prefix+"AdditionalManifest.SelectedOutputs"] = effect{group.job, in("-a", "_v"), in("-a", "_w")}
	}
	maps.Copy(all, codecEffects)
	return all
}()

// codecEffects are those of H.265, AV1, AC-3 and E-AC-3. Many members of H.265 are those of H.264.
var codecEffects = func() map[string]effect {
	all := map[string]effect{
		"H265Settings.CodecProfile":                   {inHEVC, `,"codecProfile":"MAIN_MAIN"`, `,"codecProfile":"MAIN10_HIGH"`},
		"H265Settings.Deblocking":                     {inHEVC, `,"deblocking":"ENABLED"`, `,"deblocking":"DISABLED"`},
		"H265Settings.MvTemporalPredictor":            {inHEVC, `,"mvTemporalPredictor":"ENABLED"`, `,"mvTemporalPredictor":"DISABLED"`},
		"H265Settings.SampleAdaptiveOffsetFilterMode": {inHEVC, `,"sampleAdaptiveOffsetFilterMode":"DEFAULT"`, `,"sampleAdaptiveOffsetFilterMode":"OFF"`},
		"H265Settings.TemporalIds":                    {inHEVC, `,"temporalIds":"ENABLED"`, `,"temporalIds":"DISABLED"`},
		"H265Settings.TreeBlockSize":                  {inHEVC, `,"treeBlockSize":"AUTO"`, `,"treeBlockSize":"TREE_SIZE_32X32"`},

		"Av1Settings.AdaptiveQuantization":                {inAV1, `,"adaptiveQuantization":"OFF"`, `,"adaptiveQuantization":"HIGH"`},
		"Av1Settings.BitDepth":                            {inAV1, `,"bitDepth":"BIT_8"`, `,"bitDepth":"BIT_10"`},
		"Av1Settings.FilmGrainSynthesis":                  {inAV1, `,"filmGrainSynthesis":"DISABLED"`, `,"filmGrainSynthesis":"ENABLED"`},
		"Av1Settings.FramerateControl":                    {inAV1, `,"framerateNumerator":30,"framerateDenominator":1,"framerateControl":"INITIALIZE_FROM_SOURCE"`, `,"framerateNumerator":30,"framerateDenominator":1,"framerateControl":"SPECIFIED"`},
		"Av1Settings.FramerateDenominator":                {inAV1, `,"framerateControl":"SPECIFIED","framerateNumerator":50,"framerateDenominator":1`, `,"framerateControl":"SPECIFIED","framerateNumerator":50,"framerateDenominator":2`},
		"Av1Settings.FramerateNumerator":                  {inAV1, `,"framerateControl":"SPECIFIED","framerateNumerator":50,"framerateDenominator":1`, `,"framerateControl":"SPECIFIED","framerateNumerator":25,"framerateDenominator":1`},
		"Av1Settings.GopSize":                             {inAV1, `,"gopSize":48`, `,"gopSize":60`},
		"Av1Settings.MaxBitrate":                          {inAV1Rate, `"rateControlMode":"QVBR","maxBitrate":1000000`, `"rateControlMode":"QVBR","maxBitrate":2000000`},
		"Av1Settings.NumberBFramesBetweenReferenceFrames": {inAV1, `,"numberBFramesBetweenReferenceFrames":3`, `,"numberBFramesBetweenReferenceFrames":15`},
		"Av1Settings.Slices":                              {inAV1, `,"slices":1`, `,"slices":8`},
		"Av1Settings.SpatialAdaptiveQuantization":         {inAV1, `,"spatialAdaptiveQuantization":"ENABLED"`, `,"spatialAdaptiveQuantization":"DISABLED"`},
		"Av1QvbrSettings.QvbrQualityLevel":                {inAV1, `,"qvbrSettings":{"qvbrQualityLevel":5}`, `,"qvbrSettings":{"qvbrQualityLevel":6}`},
		"Av1QvbrSettings.QvbrQualityLevelFineTune":        {inAV1, `,"qvbrSettings":{"qvbrQualityLevel":5}`, `,"qvbrSettings":{"qvbrQualityLevel":5,"qvbrQualityLevelFineTune":0.33}`},

		"Ac3Settings.Bitrate":       {inAC3, `"codingMode":"CODING_MODE_2_0","bitrate":192000`, `"codingMode":"CODING_MODE_2_0","bitrate":256000`},
		"Ac3Settings.BitstreamMode": {inAC3, `"codingMode":"CODING_MODE_1_0","bitstreamMode":"COMPLETE_MAIN"`, `"codingMode":"CODING_MODE_1_0","bitstreamMode":"COMMENTARY"`},
		"Ac3Settings.CodingMode":    {inAC3, `"codingMode":"CODING_MODE_1_0"`, `"codingMode":"CODING_MODE_2_0"`},
		"Ac3Settings.Dialnorm":      {inAC3, `"dialnorm":20`, `"dialnorm":21`},
		"Ac3Settings.LfeFilter":     {inAC3, `"codingMode":"CODING_MODE_3_2_LFE","lfeFilter":"ENABLED"`, `"codingMode":"CODING_MODE_3_2_LFE","lfeFilter":"DISABLED"`},
	}
	in := func(s string) string { return `"codingMode":"CODING_MODE_3_2"` + s }
	for member, pair := range map[string][2]string{
		"AttenuationControl":   {in(`,"attenuationControl":"ATTENUATE_3_DB"`), in(`,"attenuationControl":"NONE"`)},
		"Bitrate":              {in(`,"bitrate":384000`), in(`,"bitrate":448000`)},
		"BitstreamMode":        {in(""), in(`,"bitstreamMode":"HEARING_IMPAIRED"`)},
		"CodingMode":           {in(""), `"codingMode":"CODING_MODE_2_0"`},
		"DcFilter":             {in(`,"dcFilter":"ENABLED"`), in(`,"dcFilter":"DISABLED"`)},
		"Dialnorm":             {in(`,"dialnorm":20`), in(`,"dialnorm":21`)},
		"LfeControl":           {in(`,"lfeControl":"LFE"`), in(`,"lfeControl":"NO_LFE"`)},
		"LfeFilter":            {in(`,"lfeFilter":"ENABLED"`), in(`,"lfeFilter":"DISABLED"`)},
		"LoRoCenterMixLevel":   {in(`,"loRoCenterMixLevel":3`), in(`,"loRoCenterMixLevel":-60`)},
		"LoRoSurroundMixLevel": {in(`,"loRoSurroundMixLevel":-3`), in(`,"loRoSurroundMixLevel":-6`)},
		"LtRtCenterMixLevel":   {in(`,"ltRtCenterMixLevel":-3`), in(`,"ltRtCenterMixLevel":-6`)},
		"LtRtSurroundMixLevel": {in(`,"ltRtSurroundMixLevel":-3`), in(`,"ltRtSurroundMixLevel":-6`)},
		"StereoDownmix":        {in(`,"stereoDownmix":"LO_RO"`), in(`,"stereoDownmix":"LT_RT"`)},
		"SurroundExMode":       {in(`,"surroundExMode":"ENABLED"`), in(`,"surroundExMode":"DISABLED"`)},
		"SurroundMode":         {`"codingMode":"CODING_MODE_2_0","surroundMode":"ENABLED"`, `"codingMode":"CODING_MODE_2_0","surroundMode":"DISABLED"`},
	} {
		all["Eac3Settings."+member] = effect{inEAC3, pair[0], pair[1]}
	}
	for name, e := range effects {
		structure, member, _ := strings.Cut(name, ".")
		hevc := strings.Replace(structure, "H264", "H265", 1) + "." + member
		if hevc == name || !strings.HasPrefix(structure, "H264") {
			continue
		}
		if _, own := all[hevc]; own || members[hevc].reason != "" && len(members[hevc].values) == 0 {
			continue
		}
		if _, known := members[hevc]; known {
			job := inHEVC
			if e.job == inRate {
				job = inHEVCRate
			}
			all[hevc] = effect{job, e.one, e.other}
		}
	}
	return all
}()
