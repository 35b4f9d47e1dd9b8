package plan

// answer says of one member of the API model what Darkroom does with it.
type answer struct {
	// values are what is carried out or asks for what is done anyway; empty means every valid value.
	values []string
	// reason is why another value (or, with no values, any value) is refused; empty together with empty values means honoured.
	reason string
	// inert says that the member has no effect on the media: a name, a description, or a value that asks for what is done anyway.
	inert bool
	// refuseAll refuses the member whatever its value.
	refuseAll bool
}

var (
	honoured = answer{}
	inert    = answer{inert: true}
)

// only carries out the values named and refuses the rest.
func only(reason string, values ...string) answer { return answer{values: values, reason: reason} }

// neutral accepts the values named because they ask for what is done anyway.
func neutral(reason string, values ...string) answer {
	return answer{values: values, reason: reason, inert: true}
}

func refused(reason string) answer { return answer{reason: reason, refuseAll: true} }

const (
	noCaptions   = "captions are not carried out"
	noTimecode   = "timecode is not written"
	noAds        = "ad markers are not carried out"
	noMetadata   = "timed metadata is not carried out"
	noEncryption = "encryption of outputs is not carried out"
	noInterlaced = "interlaced output is not carried out"
	noMultipass  = "only single-pass encoding is carried out"
	noPreproc    = "this preprocessor is not carried out"
)

// members answers for the members of the API model by structure and Go name. A member that is not here is refused by name; so a member
// that a newer model adds is refused until somebody answers for it.
var members = map[string]answer{
	"JobSettings.Inputs":         honoured,
	"JobSettings.OutputGroups":   honoured,
	"JobSettings.AdAvailOffset":  neutral(noAds, "0"),
	"JobSettings.FollowSource":   neutral("only the first input can be followed", "1"),
	"JobSettings.TimecodeConfig": honoured,

	"TimecodeConfig.Source": neutral("a start timecode is not carried out", "ZEROBASED", "EMBEDDED"),

	"Input.AudioSelectors":      honoured,
	"Input.DecryptionSettings":  honoured,
	"Input.DeblockFilter":       neutral("the deblocking filter is not carried out", "DISABLED"),
	"Input.DenoiseFilter":       neutral("the denoising filter is not carried out", "DISABLED"),
	"Input.FileInput":           honoured,
	"Input.FilterEnable":        neutral("input filters are not carried out", "AUTO", "DISABLE"),
	"Input.FilterStrength":      neutral("input filters are not carried out", "0"),
	"Input.InputScanType":       neutral("segmented frames are not carried out", "AUTO"),
	"Input.PsiControl":          neutral("program tables cannot be left aside", "USE_PSI"),
	"Input.TimecodeSource":      neutral("a start timecode is not carried out", "ZEROBASED", "EMBEDDED"),
	"Input.VideoSelector":       honoured,
	"Input.AdvancedInputFilter": neutral("the advanced input filter is not carried out", "DISABLED"),

	"InputDecryptionSettings.DecryptionMode":         honoured,
	"InputDecryptionSettings.EncryptedDecryptionKey": honoured,
	"InputDecryptionSettings.InitializationVector":   honoured,
	"InputDecryptionSettings.KmsKeyRegion":           honoured, // the installation's own; see (*checker).decryption

	"VideoSelector.AlphaBehavior":            neutral("an alpha channel cannot be kept", "DISCARD"),
	"VideoSelector.ColorSpace":               neutral("the color space of the input cannot be replaced", "FOLLOW"),
	"VideoSelector.ColorSpaceUsage":          neutral("the color space of the input cannot be replaced", "FALLBACK"),
	"VideoSelector.EmbeddedTimecodeOverride": neutral(noTimecode, "NONE"),
	"VideoSelector.PadVideo":                 neutral("video cannot be padded in time", "DISABLED"),
	"VideoSelector.Rotate":                   honoured,
	"VideoSelector.SampleRange":              neutral("the sample range of the input cannot be replaced", "FOLLOW"),
	"VideoSelector.SelectorType":             neutral("streams cannot be selected by number", "AUTO"),

	"AudioSelector.AudioDurationCorrection": neutral("audio duration correction is not carried out", "DISABLED"),
	"AudioSelector.CustomLanguageCode":      honoured,
	"AudioSelector.DefaultSelection":        honoured,
	"AudioSelector.LanguageCode":            honoured,
	"AudioSelector.Offset":                  honoured,
	"AudioSelector.ProgramSelection":        neutral("programs inside a Dolby E track are not carried out", "0", "1"),
	"AudioSelector.SelectorType":            only("audio is selected by track, language or rendition of an HLS input", "TRACK", "LANGUAGE_CODE", "HLS_RENDITION_GROUP"),
	"AudioSelector.Tracks":                  honoured,

	"AudioSelector.HlsRenditionGroupSettings":         honoured,
	"HlsRenditionGroupSettings.RenditionGroupId":      honoured,
	"HlsRenditionGroupSettings.RenditionLanguageCode": honoured,
	"HlsRenditionGroupSettings.RenditionName":         honoured,

	"OutputGroup.CustomName":          inert,
	"OutputGroup.Name":                inert,
	"OutputGroup.OutputGroupSettings": honoured,
	"OutputGroup.Outputs":             honoured,

	"OutputGroupSettings.Type":              only("the groups carried out are FILE_GROUP_SETTINGS and HLS_GROUP_SETTINGS", "FILE_GROUP_SETTINGS", "HLS_GROUP_SETTINGS"),
	"OutputGroupSettings.FileGroupSettings": honoured,
	"OutputGroupSettings.HlsGroupSettings":  honoured,

	"FileGroupSettings.Destination":         honoured,
	"FileGroupSettings.DestinationSettings": honoured,
	"DestinationSettings.S3Settings":        honoured,
	// What the store of the outputs can do of these is judged by its capabilities: see checker.storage.
	"S3DestinationSettings.AccessControl":       honoured,
	"S3DestinationSettings.Encryption":          honoured,
	"S3DestinationSettings.StorageClass":        honoured,
	"S3DestinationAccessControl.CannedAcl":      honoured,
	"S3EncryptionSettings.EncryptionType":       honoured,
	"S3EncryptionSettings.KmsEncryptionContext": honoured,
	"S3EncryptionSettings.KmsKeyArn":            honoured,

	"HlsGroupSettings.CaptionLanguageSetting":          neutral(noCaptions, "OMIT"),
	"HlsGroupSettings.CaptionSegmentLengthControl":     neutral(noCaptions, "LARGE_SEGMENTS", "MATCH_VIDEO"),
	"HlsGroupSettings.ClientCache":                     honoured,
	"HlsGroupSettings.CodecSpecification":              honoured,
	"HlsGroupSettings.Destination":                     honoured,
	"HlsGroupSettings.DestinationSettings":             honoured,
	"HlsGroupSettings.DirectoryStructure":              neutral("directories for each stream are not carried out", "SINGLE_DIRECTORY"),
	"HlsGroupSettings.ImageBasedTrickPlay":             neutral("trick play is not carried out", "NONE"),
	"HlsGroupSettings.ManifestCompression":             neutral("compressed manifests are not carried out", "NONE"),
	"HlsGroupSettings.ManifestDurationFormat":          honoured,
	"HlsGroupSettings.MinFinalSegmentLength":           honoured,
	"HlsGroupSettings.MinSegmentLength":                honoured,
	"HlsGroupSettings.OutputSelection":                 honoured,
	"HlsGroupSettings.ProgramDateTime":                 neutral("program date time is not written", "EXCLUDE"),
	"HlsGroupSettings.ProgramDateTimePeriod":           inert,
	"HlsGroupSettings.ProgressiveWriteHlsManifest":     inert,
	"HlsGroupSettings.SegmentControl":                  neutral("a single file with byte ranges is not carried out", "SEGMENTED_FILES"),
	"HlsGroupSettings.SegmentLength":                   honoured,
	"HlsGroupSettings.SegmentLengthControl":            neutral("segments are cut at exact lengths", "EXACT"),
	"HlsGroupSettings.StreamInfResolution":             honoured,
	"HlsGroupSettings.TargetDurationCompatibilityMode": neutral("the target duration is that of the longest segment, as RFC 8216 says", "SPEC_COMPLIANT"),
	"HlsGroupSettings.TimedMetadataId3Frame":           inert,
	"HlsGroupSettings.TimedMetadataId3Period":          inert,
	"HlsGroupSettings.TimestampDeltaMilliseconds":      neutral(noMetadata, "0"),

	"Output.AudioDescriptions": honoured,
	"Output.ContainerSettings": honoured,
	"Output.Extension":         honoured,
	"Output.NameModifier":      honoured,
	"Output.OutputSettings":    honoured,
	"Output.VideoDescription":  honoured,
	"Output.Preset":            inert, // what it says is in the output by then; see package preset

	"OutputSettings.HlsSettings":              honoured,
	"HlsSettings.AudioGroupId":                honoured,
	"HlsSettings.AudioOnlyContainer":          neutral("sound is packaged in MPEG-TS", "AUTOMATIC", "M2TS"),
	"HlsSettings.AudioRenditionSets":          honoured,
	"HlsSettings.AudioTrackType":              honoured,
	"HlsSettings.DescriptiveVideoServiceFlag": neutral("described video is not flagged", "DONT_FLAG"),
	"HlsSettings.IFrameOnlyManifest":          neutral("I-frame playlists are not written", "EXCLUDE"),
	"HlsSettings.SegmentModifier":             honoured,

	"ContainerSettings.Container":    only("the containers carried out are MP4, M3U8, and RAW for frame capture", "MP4", "M3U8", "RAW"),
	"ContainerSettings.M3u8Settings": honoured,
	"ContainerSettings.Mp4Settings":  honoured,

	"Mp4Settings.AudioDuration": neutral("sound is not padded to the length of the video", "DEFAULT_CODEC_DURATION"),
	"Mp4Settings.C2paManifest":  neutral("C2PA manifests are not written", "EXCLUDE"),
	"Mp4Settings.CslgAtom":      honoured,
	"Mp4Settings.CttsVersion":   neutral("composition offsets are written unsigned", "0"),
	"Mp4Settings.FreeSpaceBox":  neutral("a free space box is not written", "EXCLUDE"),
	"Mp4Settings.MoovPlacement": honoured,
	"Mp4Settings.Mp4MajorBrand": honoured,

	"M3u8Settings.AudioDuration":       neutral("sound is not padded to the length of the video", "DEFAULT_CODEC_DURATION"),
	"M3u8Settings.AudioFramesPerPes":   honoured,
	"M3u8Settings.AudioPids":           honoured,
	"M3u8Settings.AudioPtsOffsetDelta": neutral("the sound's time stamps are not moved", "0"),
	"M3u8Settings.DataPTSControl":      neutral(noMetadata, "AUTO"),
	"M3u8Settings.MaxPcrInterval":      neutral("a clock reference goes with every PES packet", "0"),
	"M3u8Settings.NielsenId3":          neutral(noMetadata, "NONE"),
	"M3u8Settings.PatInterval":         honoured,
	"M3u8Settings.PcrControl":          neutral("a clock reference goes with every PES packet", "PCR_EVERY_PES_PACKET"),
	"M3u8Settings.PcrPid":              honoured,
	"M3u8Settings.PmtInterval":         honoured,
	"M3u8Settings.PmtPid":              honoured,
	"M3u8Settings.PrivateMetadataPid":  inert,
	"M3u8Settings.ProgramNumber":       honoured,
	"M3u8Settings.PtsOffsetMode":       neutral("the time stamps' offset is automatic", "AUTO"),
	"M3u8Settings.Scte35Pid":           inert,
	"M3u8Settings.Scte35Source":        neutral(noAds, "NONE"),
	"M3u8Settings.TimedMetadata":       neutral(noMetadata, "NONE"),
	"M3u8Settings.TimedMetadataPid":    inert,
	"M3u8Settings.TransportStreamId":   honoured,
	"M3u8Settings.VideoPid":            honoured,

	"VideoDescription.AfdSignaling":       neutral("active format descriptions are not written", "NONE"),
	"VideoDescription.AntiAlias":          inert, // the service applies the filter always, whatever is asked
	"VideoDescription.ChromaPositionMode": neutral("chroma positions are not forced", "AUTO"),
	"VideoDescription.CodecSettings":      honoured,
	"VideoDescription.ColorMetadata":      honoured,
	"VideoDescription.DropFrameTimecode":  inert, // speaks of timecode that is not written
	"VideoDescription.Height":             honoured,
	"VideoDescription.RespondToAfd":       neutral("active format descriptions are not read", "NONE"),
	"VideoDescription.ScalingBehavior":    only("smart cropping is not carried out", "DEFAULT", "STRETCH_TO_OUTPUT", "FIT", "FIT_NO_UPSCALE", "FILL"),
	"VideoDescription.Sharpness":          honoured,
	"VideoDescription.TimecodeInsertion":  neutral(noTimecode, "DISABLED"),
	"VideoDescription.TimecodeTrack":      neutral(noTimecode, "DISABLED"),
	"VideoDescription.VideoPreprocessors": honoured,
	"VideoDescription.Width":              honoured,

	"VideoPreprocessor.Deinterlacer":  honoured,
	"VideoPreprocessor.ImageInserter": refused(noPreproc),
	"Deinterlacer.Algorithm":          only("this deinterlacing algorithm is not carried out", "INTERPOLATE"),
	"Deinterlacer.Control":            honoured,
	"Deinterlacer.Mode":               only("inverse telecine is not carried out", "DEINTERLACE"),

	"VideoCodecSettings.Codec":                only("the video codecs carried out are H_264 and FRAME_CAPTURE", "H_264", "FRAME_CAPTURE"),
	"VideoCodecSettings.H264Settings":         honoured,
	"VideoCodecSettings.FrameCaptureSettings": honoured,

	"FrameCaptureSettings.FramerateDenominator": honoured,
	"FrameCaptureSettings.FramerateNumerator":   honoured,
	"FrameCaptureSettings.MaxCaptures":          honoured,
	"FrameCaptureSettings.Quality":              honoured,

	"H264Settings.AdaptiveQuantization":                honoured,
	"H264Settings.Bitrate":                             honoured,
	"H264Settings.CodecLevel":                          honoured,
	"H264Settings.CodecProfile":                        honoured,
	"H264Settings.DynamicSubGop":                       honoured,
	"H264Settings.EndOfStreamMarkers":                  neutral("end of stream markers are not written", "SUPPRESS"),
	"H264Settings.EntropyEncoding":                     honoured,
	"H264Settings.FieldEncoding":                       inert, // speaks of interlaced output alone
	"H264Settings.FlickerAdaptiveQuantization":         honoured,
	"H264Settings.FramerateControl":                    honoured,
	"H264Settings.FramerateConversionAlgorithm":        neutral("frames are dropped or repeated to change the rate", "DUPLICATE_DROP"),
	"H264Settings.FramerateDenominator":                honoured,
	"H264Settings.FramerateNumerator":                  honoured,
	"H264Settings.GopBReference":                       honoured,
	"H264Settings.GopClosedCadence":                    only("groups of pictures are all closed or all open", "0", "1"),
	"H264Settings.GopSize":                             honoured,
	"H264Settings.GopSizeUnits":                        honoured,
	"H264Settings.HrdBufferFinalFillPercentage":        neutral("the final fill of the buffer is not controlled", "0"),
	"H264Settings.HrdBufferInitialFillPercentage":      honoured,
	"H264Settings.HrdBufferSize":                       honoured,
	"H264Settings.InterlaceMode":                       neutral(noInterlaced, "PROGRESSIVE"),
	"H264Settings.MaxBitrate":                          honoured,
	"H264Settings.MinIInterval":                        honoured,
	"H264Settings.NumberBFramesBetweenReferenceFrames": honoured,
	"H264Settings.NumberReferenceFrames":               honoured,
	"H264Settings.ParControl":                          honoured,
	"H264Settings.ParDenominator":                      honoured,
	"H264Settings.ParNumerator":                        honoured,
	"H264Settings.QualityTuningLevel":                  only(noMultipass, "SINGLE_PASS", "SINGLE_PASS_HQ"),
	"H264Settings.QvbrSettings":                        honoured,
	"H264Settings.RateControlMode":                     honoured,
	"H264Settings.RepeatPps":                           neutral("a PPS goes before key frames alone", "DISABLED"),
	"H264Settings.SaliencyAwareEncoding":               neutral("saliency aware encoding is not carried out", "DISABLED"),
	"H264Settings.ScanTypeConversionMode":              neutral(noInterlaced, "INTERLACED"),
	"H264Settings.SceneChangeDetect":                   honoured,
	"H264Settings.Slices":                              honoured,
	"H264Settings.SlowPal":                             neutral("slow PAL is not carried out", "DISABLED"),
	"H264Settings.Softness":                            only("softening matrices other than JVT are not carried out", "0", "1", "16"),
	"H264Settings.SpatialAdaptiveQuantization":         honoured,
	"H264Settings.Syntax":                              neutral("SMPTE RP 2027 syntax is not carried out", "DEFAULT"),
	"H264Settings.Telecine":                            neutral("telecine is not carried out", "NONE"),
	"H264Settings.TemporalAdaptiveQuantization":        honoured,
	"H264Settings.UnregisteredSeiTimecode":             neutral(noTimecode, "DISABLED"),
	"H264Settings.WriteMp4PackagingType":               neutral("parameter sets go into the sample description", "AVC1"),

	"H264QvbrSettings.MaxAverageBitrate":        refused("an average limit needs multi-pass encoding, which is not carried out"),
	"H264QvbrSettings.QvbrQualityLevel":         honoured,
	"H264QvbrSettings.QvbrQualityLevelFineTune": honoured,

	"AudioDescription.AudioSourceName":     honoured,
	"AudioDescription.AudioType":           neutral("audio types are not signalled", "0"),
	"AudioDescription.AudioTypeControl":    inert, // with AudioType 0 both ways give undefined
	"AudioDescription.CodecSettings":       honoured,
	"AudioDescription.CustomLanguageCode":  honoured,
	"AudioDescription.LanguageCode":        honoured,
	"AudioDescription.LanguageCodeControl": honoured,
	"AudioDescription.StreamName":          honoured,

	"AudioCodecSettings.Codec":       only("the audio codec carried out is AAC", "AAC"),
	"AudioCodecSettings.AacSettings": honoured,

	"AacSettings.AudioDescriptionBroadcasterMix": neutral("audio description mixes are not signalled", "NORMAL"),
	"AacSettings.Bitrate":                        honoured,
	"AacSettings.CodecProfile":                   only("the AAC profile carried out is LC", "LC"),
	"AacSettings.CodingMode":                     only("this coding mode is not carried out", "CODING_MODE_1_0", "CODING_MODE_2_0", "CODING_MODE_5_1", "CODING_MODE_AUTO"),
	"AacSettings.RateControlMode":                honoured,
	"AacSettings.RawFormat":                      neutral("LATM is not carried out", "NONE"),
	"AacSettings.SampleRate":                     honoured,
	"AacSettings.Specification":                  neutral("MPEG-2 AAC is not carried out", "MPEG4"),
	"AacSettings.VbrQuality":                     honoured,
}
