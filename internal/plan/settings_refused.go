package plan

import "strings"

// refusedMembers are the members that are not carried out, by the reason. A name that ends in .* answers for every member of a structure whose own
// place is refused too; what a newer model adds inside it is refused as well.
var refusedMembers = map[string]string{
	"another video codec than H.264 is not carried out": `VideoCodecSettings.Av1Settings VideoCodecSettings.AvcIntraSettings VideoCodecSettings.GifSettings
		VideoCodecSettings.H265Settings VideoCodecSettings.Mpeg2Settings VideoCodecSettings.PassthroughSettings VideoCodecSettings.ProresSettings
		VideoCodecSettings.UncompressedSettings VideoCodecSettings.Vc3Settings VideoCodecSettings.Vp8Settings VideoCodecSettings.Vp9Settings
		VideoCodecSettings.XavcSettings Av1QvbrSettings.* Av1Settings.* AvcIntraUhdSettings.* AvcIntraSettings.* GifSettings.* H265QvbrSettings.*
		H265Settings.* Mpeg2Settings.* PassthroughSettings.* ProresSettings.* UncompressedSettings.* Vc3Settings.* Vp8Settings.* Vp9Settings.*
		Xavc4kIntraCbgProfileSettings.* Xavc4kIntraVbrProfileSettings.* Xavc4kProfileSettings.* XavcHdIntraCbgProfileSettings.* XavcHdProfileSettings.* XavcSettings.*`,
	"another audio codec than AAC is not carried out": `AudioCodecSettings.Ac3Settings AudioCodecSettings.Ac4Settings AudioCodecSettings.AiffSettings
		AudioCodecSettings.Eac3AtmosSettings AudioCodecSettings.Eac3Settings AudioCodecSettings.FlacSettings AudioCodecSettings.Mp2Settings
		AudioCodecSettings.Mp3Settings AudioCodecSettings.OpusSettings AudioCodecSettings.VorbisSettings AudioCodecSettings.WavSettings
		Ac3Settings.* Ac4Settings.* AiffSettings.* Eac3AtmosSettings.* Eac3Settings.* FlacSettings.* Mp2Settings.* Mp3Settings.* OpusSettings.*
		VorbisSettings.* WavSettings.*`,
	"CMAF output groups are not carried out": `OutputGroupSettings.CmafGroupSettings CmafGroupSettings.* CmafAdditionalManifest.* CmafEncryptionSettings.*
		CmafImageBasedTrickPlaySettings.* CmfcSettings.* ContainerSettings.CmfcSettings`,
	"DASH output groups are not carried out": `OutputGroupSettings.DashIsoGroupSettings DashIsoGroupSettings.* DashAdditionalManifest.*
		DashIsoEncryptionSettings.* DashIsoImageBasedTrickPlaySettings.* MpdSettings.* ContainerSettings.MpdSettings`,
	"Microsoft Smooth Streaming output groups are not carried out": `OutputGroupSettings.MsSmoothGroupSettings MsSmoothGroupSettings.*
		MsSmoothAdditionalManifest.* MsSmoothEncryptionSettings.*`,
	noEncryption: `HlsGroupSettings.Encryption HlsEncryptionSettings.* SpekeKeyProvider.* SpekeKeyProviderCmaf.* StaticKeyProvider.*
		EncryptionContractConfiguration.*`,
	"this container is not carried out": `ContainerSettings.F4vSettings ContainerSettings.M2tsSettings ContainerSettings.MovSettings ContainerSettings.MxfSettings
		F4vSettings.* M2tsSettings.* M2tsScte35Esam.* DvbNitSettings.* DvbSdtSettings.* DvbTdtSettings.* MovSettings.* MxfSettings.* MxfXavcProfileSettings.*`,
	noCaptions: `Output.CaptionDescriptions CaptionDescription.* CaptionDestinationSettings.* BurninDestinationSettings.* DvbSubDestinationSettings.*
		EmbeddedDestinationSettings.* ImscDestinationSettings.* SccDestinationSettings.* SrtDestinationSettings.* TeletextDestinationSettings.*
		TtmlDestinationSettings.* WebvttDestinationSettings.* HlsGroupSettings.CaptionLanguageMappings HlsCaptionLanguageMapping.*
		Input.CaptionSelectors CaptionSelector.* CaptionSourceSettings.* AncillarySourceSettings.* DvbSubSourceSettings.* EmbeddedSourceSettings.*
		CaptionSourceFramerate.* FileSourceSettings.* TeletextSourceSettings.* TrackSourceSettings.* WebvttHlsSourceSettings.*`,
	noAds: `JobSettings.AvailBlanking AvailBlanking.* JobSettings.Esam EsamSettings.* EsamManifestConfirmConditionNotification.*
		EsamSignalProcessingNotification.* HlsGroupSettings.AdMarkers`,
	noMetadata: `JobSettings.TimedMetadataInsertion TimedMetadataInsertion.* Id3Insertion.* JobSettings.ExtendedDataServices ExtendedDataServices.*`,
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
	noTimecode: `Input.TimecodeStart TimecodeConfig.Anchor TimecodeConfig.Start TimecodeConfig.TimestampOffset VideoPreprocessor.TimecodeBurnin TimecodeBurnin.*`,
	noPreproc:  `VideoPreprocessor.ColorCorrector ColorCorrector.* ClipLimits.* VideoPreprocessor.NoiseReducer NoiseReducer.* NoiseReducerFilterSettings.* NoiseReducerSpatialFilterSettings.* NoiseReducerTemporalFilterSettings.*`,
	"watermarks of partners are not carried out":        `VideoPreprocessor.PartnerWatermarking PartnerWatermarking.* NexGuardFileMarkerSettings.*`,
	"automated ABR is not carried out":                  `OutputGroup.AutomatedEncodingSettings AutomatedEncodingSettings.* AutomatedAbrSettings.* AutomatedAbrRule.* AllowedRenditionSize.* ForceIncludeRenditionSize.* MinBottomRenditionSize.* MinTopRenditionSize.*`,
	"metrics of frames are not carried out":             `OutputGroupSettings.PerFrameMetrics H264Settings.PerFrameMetrics`,
	"more manifests are not carried out":                `HlsGroupSettings.AdditionalManifests HlsAdditionalManifest.*`,
	"trick play is not carried out":                     `HlsGroupSettings.ImageBasedTrickPlaySettings HlsImageBasedTrickPlaySettings.*`,
	"this setting of playlists is not carried out":      `HlsGroupSettings.AudioOnlyHeader HlsGroupSettings.BaseUrl HlsGroupSettings.SegmentsPerSubdirectory M3u8Settings.PtsOffset`,
	"processing of sound is not carried out":            `AudioDescription.AudioChannelTaggingSettings AudioChannelTaggingSettings.* AudioDescription.AudioNormalizationSettings AudioNormalizationSettings.* AudioDescription.AudioPitchCorrectionSettings AudioPitchCorrectionSettings.* AacSettings.LoudnessMeasurementMode AacSettings.RapInterval AacSettings.TargetLoudnessRange`,
	"signing of files is not carried out":               `Mp4Settings.CertificateSecret Mp4Settings.SigningKmsKey`,
	"the bandwidth reduction filter is not carried out": `H264Settings.BandwidthReductionFilter BandwidthReductionFilter.*`,
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
