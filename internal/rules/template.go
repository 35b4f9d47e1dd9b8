package rules

import (
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// ofTemplate shows the settings of a job template as those of a job. The structures of the model that both have are shared, not copied.
func ofTemplate(s *types.JobTemplateSettings) *types.JobSettings {
	out := &types.JobSettings{
		AdAvailOffset: s.AdAvailOffset, AvailBlanking: s.AvailBlanking, ColorConversion3DLUTSettings: s.ColorConversion3DLUTSettings, Esam: s.Esam,
		ExtendedDataServices: s.ExtendedDataServices, FollowSource: s.FollowSource, KantarWatermark: s.KantarWatermark,
		MotionImageInserter: s.MotionImageInserter, NielsenConfiguration: s.NielsenConfiguration, NielsenNonLinearWatermark: s.NielsenNonLinearWatermark,
		OutputGroups: s.OutputGroups, TimecodeConfig: s.TimecodeConfig, TimedMetadataInsertion: s.TimedMetadataInsertion,
	}
	for i := range s.Inputs {
		in := &s.Inputs[i]
		out.Inputs = append(out.Inputs, types.Input{
			AdvancedInputFilter: in.AdvancedInputFilter, AdvancedInputFilterSettings: in.AdvancedInputFilterSettings,
			AudioSelectorGroups: in.AudioSelectorGroups, AudioSelectors: in.AudioSelectors, CaptionSelectors: in.CaptionSelectors, Crop: in.Crop,
			DeblockFilter: in.DeblockFilter, DenoiseFilter: in.DenoiseFilter, DolbyVisionMetadataXml: in.DolbyVisionMetadataXml,
			DynamicAudioSelectors: in.DynamicAudioSelectors, FilterEnable: in.FilterEnable, FilterStrength: in.FilterStrength,
			ImageInserter: in.ImageInserter, InputClippings: in.InputClippings, InputScanType: in.InputScanType, Position: in.Position,
			ProgramNumber: in.ProgramNumber, PsiControl: in.PsiControl, TimecodeSource: in.TimecodeSource, TimecodeStart: in.TimecodeStart,
			VideoOverlays: in.VideoOverlays, VideoSelector: in.VideoSelector,
		})
	}
	return out
}
