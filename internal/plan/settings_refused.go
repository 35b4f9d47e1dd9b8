package plan

import "strings"

// refusedMembers are the members that are not carried out, by the reason. A name that ends in .* answers for every member of a structure whose own
// place is refused too; what a newer model adds inside it is refused as well.
var refusedMembers = map[string]string{
	"this video codec is not carried out": `VideoCodecSettings.AvcIntraSettings VideoCodecSettings.GifSettings
		VideoCodecSettings.Mpeg2Settings VideoCodecSettings.PassthroughSettings VideoCodecSettings.ProresSettings
		VideoCodecSettings.UncompressedSettings VideoCodecSettings.Vc3Settings VideoCodecSettings.Vp8Settings VideoCodecSettings.Vp9Settings
		VideoCodecSettings.XavcSettings AvcIntraUhdSettings.* AvcIntraSettings.* GifSettings.*
		Mpeg2Settings.* PassthroughSettings.* ProresSettings.* UncompressedSettings.* Vc3Settings.* Vp8Settings.* Vp9Settings.*
		Xavc4kIntraCbgProfileSettings.* Xavc4kIntraVbrProfileSettings.* Xavc4kProfileSettings.* XavcHdIntraCbgProfileSettings.* XavcHdProfileSettings.* XavcSettings.*`,
	"this audio codec is not carried out": `AudioCodecSettings.Ac4Settings AudioCodecSettings.AiffSettings
		AudioCodecSettings.Eac3AtmosSettings AudioCodecSettings.FlacSettings AudioCodecSettings.Mp2Settings
		AudioCodecSettings.Mp3Settings AudioCodecSettings.OpusSettings AudioCodecSettings.VorbisSettings AudioCodecSettings.WavSettings
		Ac4Settings.* AiffSettings.* Eac3AtmosSettings.* FlacSettings.* Mp2Settings.* Mp3Settings.* OpusSettings.*
		VorbisSettings.* WavSettings.*`,
	"this container is not carried out": `ContainerSettings.F4vSettings ContainerSettings.M2tsSettings ContainerSettings.MovSettings ContainerSettings.MxfSettings
		F4vSettings.* M2tsSettings.* M2tsScte35Esam.* DvbNitSettings.* DvbSdtSettings.* DvbTdtSettings.* MovSettings.* MxfSettings.* MxfXavcProfileSettings.*`,
	noCaptions: `CaptionDestinationSettings.BurninDestinationSettings CaptionDestinationSettings.DvbSubDestinationSettings
		CaptionDestinationSettings.EmbeddedDestinationSettings CaptionDestinationSettings.SccDestinationSettings CaptionDestinationSettings.TeletextDestinationSettings
		BurninDestinationSettings.* DvbSubDestinationSettings.* EmbeddedDestinationSettings.* SccDestinationSettings.* TeletextDestinationSettings.*
		HlsGroupSettings.CaptionLanguageMappings HlsCaptionLanguageMapping.*`,
	noSource: `CaptionSourceSettings.AncillarySourceSettings CaptionSourceSettings.DvbSubSourceSettings CaptionSourceSettings.EmbeddedSourceSettings
		CaptionSourceSettings.TeletextSourceSettings CaptionSourceSettings.TrackSourceSettings CaptionSourceSettings.WebvttHlsSourceSettings
		AncillarySourceSettings.* DvbSubSourceSettings.* EmbeddedSourceSettings.* TeletextSourceSettings.* TrackSourceSettings.* WebvttHlsSourceSettings.*`,
	noAds: `JobSettings.AvailBlanking AvailBlanking.* JobSettings.Esam EsamSettings.* EsamManifestConfirmConditionNotification.*
		EsamSignalProcessingNotification.* HlsGroupSettings.AdMarkers`,
	noMetadata: `JobSettings.ExtendedDataServices ExtendedDataServices.*`,
	"audio watermarks are not carried out": `JobSettings.KantarWatermark KantarWatermarkSettings.* JobSettings.NielsenConfiguration NielsenConfiguration.*
		JobSettings.NielsenNonLinearWatermark NielsenNonLinearWatermarkSettings.*`,
	"lookup tables for color are not carried out": `JobSettings.ColorConversion3DLUTSettings ColorConversion3DLUTSetting.*`,
	"overlays are not carried out": `JobSettings.MotionImageInserter MotionImageInserter.* MotionImageInsertionFramerate.* MotionImageInsertionOffset.*
		Input.ImageInserter ImageInserter.* InsertableImage.* Input.VideoOverlays VideoOverlay.* VideoOverlayCrop.* VideoOverlayPosition.*
		VideoOverlayInput.* VideoOverlayInputClipping.* VideoOverlayTransition.*`,
	"clipping of inputs is not carried out":         `Input.InputClippings InputClipping.*`,
	"cropping and placing is not carried out":       `Input.Crop Input.Position VideoDescription.Crop VideoDescription.Position Rectangle.*`,
	"remixing of channels is not carried out":       `AudioSelector.RemixSettings AudioDescription.RemixSettings RemixSettings.* ChannelMapping.* OutputChannelMapping.*`,
	"sound from another file is not carried out":    `AudioSelector.ExternalAudioFileInput`,
	"streams cannot be selected this way":           `AudioSelector.Pids AudioSelector.Streams VideoSelector.Pid VideoSelector.ProgramNumber VideoSelector.Streams Input.ProgramNumber`,
	"groups of audio selectors are not carried out": `Input.AudioSelectorGroups AudioSelectorGroup.*`,
	"dynamic audio selectors are not carried out":   `Input.DynamicAudioSelectors DynamicAudioSelector.*`,
	"HDR is not carried out":                        `VideoSelector.Hdr10Metadata VideoSelector.MaxLuminance Hdr10Metadata.* Input.DolbyVisionMetadataXml VideoPreprocessor.DolbyVision VideoPreprocessor.Hdr10Plus DolbyVision.* DolbyVisionLevel6Metadata.* Hdr10Plus.*`,
	"the advanced input filter is not carried out":  `Input.AdvancedInputFilterSettings AdvancedInputFilterSettings.*`,
	"inputs of this kind are not carried out":       `Input.MultiViewSettings MultiViewSettings.* MultiViewInput.* Input.SupplementalImps Input.TamsSettings InputTamsSettings.* Input.VideoGenerator InputVideoGenerator.*`,
	noTimecode: `Input.TimecodeStart TimecodeConfig.Anchor VideoPreprocessor.TimecodeBurnin TimecodeBurnin.*`,
	noPreproc:  `VideoPreprocessor.ColorCorrector ColorCorrector.* ClipLimits.* VideoPreprocessor.NoiseReducer NoiseReducer.* NoiseReducerFilterSettings.* NoiseReducerSpatialFilterSettings.* NoiseReducerTemporalFilterSettings.*`,
	"watermarks of partners are not carried out":        `VideoPreprocessor.PartnerWatermarking PartnerWatermarking.* NexGuardFileMarkerSettings.*`,
	"automated ABR is not carried out":                  `OutputGroup.AutomatedEncodingSettings AutomatedEncodingSettings.* AutomatedAbrSettings.* AutomatedAbrRule.* AllowedRenditionSize.* ForceIncludeRenditionSize.* MinBottomRenditionSize.* MinTopRenditionSize.*`,
	"metrics of frames are not carried out":             `OutputGroupSettings.PerFrameMetrics H264Settings.PerFrameMetrics H265Settings.PerFrameMetrics Av1Settings.PerFrameMetrics`,
	"the time stamps' offset is automatic":              `M3u8Settings.PtsOffset`,
	noTiles:                                             `H265Settings.TileHeight H265Settings.TileWidth`,
	"processing of sound is not carried out":            `AudioDescription.AudioChannelTaggingSettings AudioChannelTaggingSettings.* AudioDescription.AudioNormalizationSettings AudioNormalizationSettings.* AudioDescription.AudioPitchCorrectionSettings AudioPitchCorrectionSettings.* AacSettings.LoudnessMeasurementMode AacSettings.RapInterval AacSettings.TargetLoudnessRange`,
	"signing of files is not carried out":               `Mp4Settings.CertificateSecret Mp4Settings.SigningKmsKey CmfcSettings.CertificateSecret CmfcSettings.SigningKmsKey MpdSettings.CertificateSecret MpdSettings.SigningKmsKey`,
	"the bandwidth reduction filter is not carried out": `H264Settings.BandwidthReductionFilter H265Settings.BandwidthReductionFilter BandwidthReductionFilter.*`,
	"an active format description is not carried out":   `VideoDescription.FixedAfd`,
}

// answerOf answers for a member by its structure and Go name; false where nobody has.
func answerOf(structure, member string) (answer, bool) {
	if a, ok := members[structure+"."+member]; ok {
		return a, true
	}
	for _, name := range [...]string{structure + "." + member, structure + ".*"} {
		if reason, ok := refusals[name]; ok {
			return refused(reason), true
		}
	}
	return answer{}, false
}

// refusals are refusedMembers by name.
var refusals = func() map[string]string {
	byName := map[string]string{}
	for reason, names := range refusedMembers {
		for _, name := range strings.Fields(names) {
			byName[name] = reason
		}
	}
	return byName
}()
