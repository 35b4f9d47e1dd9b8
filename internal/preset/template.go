package preset

import (
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// Template is a job template that every account has. Its outputs name system presets; its destinations are the job's to say.
type Template struct {
	Name, Description, Category string
	Settings                    *types.JobTemplateSettings
	Priority                    int
}

// SystemTemplates returns them in the order of their names. The caller must not change what it points to.
func SystemTemplates() []Template { return templates() }

// FindSystemTemplate returns one by its name.
func FindSystemTemplate(name string) (Template, bool) {
	for _, t := range templates() {
		if t.Name == name {
			return t, true
		}
	}
	return Template{}, false
}

var templates = sync.OnceValue(func() []Template {
	hls := &types.OutputGroupSettings{Type: types.OutputGroupTypeHlsGroupSettings, HlsGroupSettings: &types.HlsGroupSettings{SegmentLength: aws.Int32(9), MinSegmentLength: aws.Int32(0)}}
	dash := &types.OutputGroupSettings{Type: types.OutputGroupTypeDashIsoGroupSettings, DashIsoGroupSettings: &types.DashIsoGroupSettings{SegmentLength: aws.Int32(30), FragmentLength: aws.Int32(3)}}
	file := &types.OutputGroupSettings{Type: types.OutputGroupTypeFileGroupSettings, FileGroupSettings: &types.FileGroupSettings{}}
	ott := []string{"480x270p_15Hz_0.4Mbps", "640x360p_30Hz_0.6Mbps", "640x360p_30Hz_1.2Mbps", "960x540p_30Hz_3.5Mbps", "1280x720p_30Hz_5.0Mbps", "1280x720p_30Hz_6.5Mbps", "1920x1080p_30Hz_8.5Mbps"}
	all := []Template{
		template("System-Ott_Hls_Ts_Avc_Aac", "OTT-HLS", "Apple HLS", hls, prefixed("System-Ott_Hls_Ts_Avc_Aac_16x9_", ott)),
		template("System-Ott_Dash_Mp4_Avc_Aac", "OTT-DASH", "DASH ISO", dash,
			append(prefixed("System-Ott_Dash_Mp4_Avc_16x9_", ott), "System-Ott_Dash_Mp4_Aac_96Kbps")),
		template("System-Generic_Mp4_Avc_Aac_Sdr_Qvbr", "Generic", "File Group", file, []string{
			"System-Generic_Sd_Mp4_Avc_Aac_16x9_Sdr_640x360p_30Hz_0.8Mbps_Qvbr_Vq7", "System-Generic_Hd_Mp4_Avc_Aac_16x9_Sdr_1280x720p_30Hz_4Mbps_Qvbr_Vq7",
			"System-Generic_Hd_Mp4_Avc_Aac_16x9_Sdr_1920x1080p_30Hz_6Mbps_Qvbr_Vq7",
		}),
	}
	slices.SortFunc(all, func(a, b Template) int { return strings.Compare(a.Name, b.Name) })
	return all
})

func prefixed(prefix string, names []string) []string {
	var out []string
	for _, n := range names {
		out = append(out, prefix+n)
	}
	return out
}

// template makes a template of one group, an output for each preset; the name of the output is what the preset's name ends with.
func template(name, category, group string, settings *types.OutputGroupSettings, presets []string) Template {
	g := types.OutputGroup{Name: &group, OutputGroupSettings: settings}
	for _, p := range presets {
		short := p
		if i := strings.LastIndex(p, "_16x9_"); i >= 0 {
			short = strings.TrimPrefix(p[i+len("_16x9_"):], "Sdr_")
		} else if i := strings.LastIndex(p, "_Aac_"); i >= 0 {
			short = p[i+1:]
		}
		g.Outputs = append(g.Outputs, types.Output{Preset: &p, NameModifier: aws.String("_" + short)})
	}
	return Template{
		Name: name, Category: category, Description: "one output for each of the family's presets",
		Settings: &types.JobTemplateSettings{
			OutputGroups: []types.OutputGroup{g},
			Inputs: []types.InputTemplate{{
				AudioSelectors: map[string]types.AudioSelector{"Audio Selector 1": {DefaultSelection: types.AudioDefaultSelectionDefault}},
				VideoSelector:  &types.VideoSelector{},
			}},
		},
	}
}
