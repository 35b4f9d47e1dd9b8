package preset

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/google/go-cmp/cmp"

	"darkroom/internal/mediaconvert"
)

func read[T any](t testing.TB, text string) *T {
	t.Helper()
	v := new(T)
	// Parts of structures are read: what is required elsewhere is missing here.
	for _, f := range mediaconvert.Decode([]byte(text), v) {
		if f.Kind != mediaconvert.Missing {
			t.Fatalf("%v: %s", f, text)
		}
	}
	return v
}

func write(t testing.TB, v any) string {
	t.Helper()
	b, err := mediaconvert.Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// same compares two texts as JSON.
func same(t testing.TB, what, want, got string) {
	t.Helper()
	var a, b any
	if err := errors.Join(json.Unmarshal([]byte(want), &a), json.Unmarshal([]byte(got), &b)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("%s (-want +got): %s", what, diff)
	}
}

func TestMergeTemplate(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ job, template, want string }{
		"the job wins, member by member": {
			`{"adAvailOffset":1,"timecodeConfig":{"source":"ZEROBASED"}}`, `{"adAvailOffset":2,"followSource":1,"timecodeConfig":{"source":"EMBEDDED","anchor":"01:00:00:00"}}`,
			`{"adAvailOffset":1,"followSource":1,"timecodeConfig":{"source":"ZEROBASED","anchor":"01:00:00:00"}}`,
		},
		"nothing is said by either": {`{}`, `{}`, `{}`},
		"zero is something":         {`{"adAvailOffset":0}`, `{"adAvailOffset":2}`, `{"adAvailOffset":0}`},
		"one input serves all": {
			`{"inputs":[{"fileInput":"s3://b/1"},{"fileInput":"s3://b/2","filterStrength":1}]}`, `{"inputs":[{"filterStrength":3,"filterEnable":"FORCE"}]}`,
			`{"inputs":[{"fileInput":"s3://b/1","filterStrength":3,"filterEnable":"FORCE"},{"fileInput":"s3://b/2","filterStrength":1,"filterEnable":"FORCE"}]}`,
		},
		"inputs by their places": {
			`{"inputs":[{"fileInput":"s3://b/1"},{"fileInput":"s3://b/2"},{"fileInput":"s3://b/3"}]}`, `{"inputs":[{"filterStrength":1},{"filterStrength":2}]}`,
			`{"inputs":[{"fileInput":"s3://b/1","filterStrength":1},{"fileInput":"s3://b/2","filterStrength":2},{"fileInput":"s3://b/3"}]}`,
		},
		"groups are taken whole":              {`{"outputGroups":[{"name":"mine"}]}`, `{"outputGroups":[{"name":"a"},{"name":"b"}]}`, `{"outputGroups":[{"name":"mine"}]}`},
		"no groups are those of the template": {`{"outputGroups":[]}`, `{"outputGroups":[{"name":"a"}]}`, `{"outputGroups":[{"name":"a"}]}`},
		"maps are taken whole": {
			`{"inputs":[{"fileInput":"s3://b/1","audioSelectors":{"x":{"offset":1}}}]}`, `{"inputs":[{"audioSelectors":{"x":{"offset":2,"tracks":[1]},"y":{}}}]}`,
			`{"inputs":[{"fileInput":"s3://b/1","audioSelectors":{"x":{"offset":1}}}]}`,
		},
	} {
		job, template := read[types.JobSettings](t, tt.job), read[types.JobTemplateSettings](t, tt.template)
		got := MergeTemplate(job, template)
		same(t, name, tt.want, write(t, got))
		same(t, name+": the job was changed", tt.job, write(t, job))
		same(t, name+": the template was changed", tt.template, write(t, template))
		same(t, name+": twice", tt.want, write(t, MergeTemplate(got, template)))
	}
	if got := MergeTemplate(nil, nil); got == nil {
		t.Error("nothing from nothing")
	}
}

func TestMergePreset(t *testing.T) {
	t.Parallel()
	const preset = `{"containerSettings":{"container":"MP4","mp4Settings":{"cslgAtom":"INCLUDE"}},
	  "videoDescription":{"width":640,"height":360,"codecSettings":{"codec":"H_264","h264Settings":{"maxBitrate":1000,"rateControlMode":"QVBR"}}},
	  "audioDescriptions":[{"codecSettings":{"codec":"AAC"}},{"codecSettings":{"codec":"AC3"}}]}`
	for name, tt := range map[string]struct{ output, want string }{
		"the preset alone": {`{"preset":"p"}`, `{"preset":"p",` + preset[1:]},
		"one member of the output": {
			`{"videoDescription":{"width":320,"codecSettings":{"h264Settings":{"maxBitrate":5000}}}}`,
			strings.NewReplacer(`"width":640`, `"width":320`, `"maxBitrate":1000`, `"maxBitrate":5000`).Replace(preset),
		},
		"descriptions one by one": {
			`{"audioDescriptions":[{"audioSourceName":"a"},{"audioSourceName":"b","codecSettings":{"codec":"EAC3"}},{"audioSourceName":"c"}]}`,
			strings.Replace(preset, `[{"codecSettings":{"codec":"AAC"}},{"codecSettings":{"codec":"AC3"}}]`,
				`[{"audioSourceName":"a","codecSettings":{"codec":"AAC"}},{"audioSourceName":"b","codecSettings":{"codec":"EAC3"}},{"audioSourceName":"c"}]`, 1),
		},
	} {
		out, p := read[types.Output](t, tt.output), read[types.PresetSettings](t, preset)
		got := MergePreset(out, p)
		same(t, name, tt.want, write(t, &got))
		same(t, name+": the output was changed", tt.output, write(t, out))
		same(t, name+": the preset was changed", preset, write(t, p))
	}
}

func TestExpand(t *testing.T) {
	t.Parallel()
	asked := 0
	s := read[types.JobSettings](t, `{"outputGroups":[{"outputs":[{"preset":"p"},{"preset":"p"},{}]}]}`)
	got, err := Expand(s, func(string) (*types.PresetSettings, error) {
		asked++
		return read[types.PresetSettings](t, `{"videoDescription":{"width":640}}`), nil
	})
	if err != nil || asked != 1 {
		t.Fatalf("asked %d times, %v", asked, err)
	}
	same(t, "expanded", `{"outputGroups":[{"outputs":[{"preset":"p","videoDescription":{"width":640}},{"preset":"p","videoDescription":{"width":640}},{}]}]}`, write(t, got))
	same(t, "the settings were changed", `{"outputGroups":[{"outputs":[{"preset":"p"},{"preset":"p"},{}]}]}`, write(t, s))
	failing := errors.New("none")
	if _, err := Expand(s, func(string) (*types.PresetSettings, error) { return nil, failing }); !errors.Is(err, failing) {
		t.Errorf("got %v", err)
	}
}

func TestFindSystem(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		container     types.ContainerType
		codec         types.VideoCodec
		width, height int32
		sound         int32
	}{
		"System-Ott_Hls_Ts_Avc_Aac_16x9_1280x720p_30Hz_5.0Mbps":                 {types.ContainerTypeM3u8, types.VideoCodecH264, 1280, 720, 96000},
		"System-Ott_Hls_Ts_Avc_Aac_16x9_480x270p_15Hz_0.4Mbps":                  {types.ContainerTypeM3u8, types.VideoCodecH264, 480, 270, 64000},
		"System-Generic_Hd_Mp4_Avc_Aac_16x9_1280x720p_24Hz_4.5Mbps":             {types.ContainerTypeMp4, types.VideoCodecH264, 1280, 720, 96000},
		"System-Generic_Sd_Mp4_Avc_Aac_4x3_640x480p_24Hz_1.5Mbps":               {types.ContainerTypeMp4, types.VideoCodecH264, 640, 480, 96000},
		"System-Generic_Hd_Mp4_Hevc_Aac_16x9_1920x1080p_24Hz_4.5Mbps":           {types.ContainerTypeMp4, types.VideoCodecH265, 1920, 1080, 96000},
		"System-Generic_Sd_Mp4_Avc_Aac_16x9_Sdr_640x360p_30Hz_0.8Mbps_Qvbr_Vq7": {types.ContainerTypeMp4, types.VideoCodecH264, 640, 360, 64000},
		"System-Generic_Hd_Mp4_Hev1_Aac_16x9_Sdr_1280x720p_30Hz_4Mbps_Qvbr_Vq9": {types.ContainerTypeMp4, types.VideoCodecH265, 1280, 720, 96000},
		"System-Generic_Uhd_Mp4_Hevc_Aac_16x9_3840x2160p_24Hz_8Mbps":            {types.ContainerTypeMp4, types.VideoCodecH265, 3840, 2160, 128000},
		"System-Generic_Hd_Mp4_Av1_Aac_16x9_1920x1080p_30Hz_5Mbps_Qvbr_Vq7":     {types.ContainerTypeMp4, types.VideoCodecAv1, 1920, 1080, 96000},
		"System-Ott_Dash_Mp4_Aac_He_96Kbps":                                     {types.ContainerTypeMpd, "", 0, 0, 96000},
	} {
		p, ok := FindSystem(name)
		if !ok || p.Name != name || p.Category == "" || p.Description == "" {
			t.Errorf("%s: %t %+v", name, ok, p)
			continue
		}
		s := p.Settings
		if s.ContainerSettings.Container != want.container || *s.AudioDescriptions[0].CodecSettings.AacSettings.Bitrate != want.sound {
			t.Errorf("%s: %s, sound of %d", name, s.ContainerSettings.Container, *s.AudioDescriptions[0].CodecSettings.AacSettings.Bitrate)
		}
		if v := s.VideoDescription; want.codec != "" && (v.CodecSettings.Codec != want.codec || aws.ToInt32(v.Width) != want.width || aws.ToInt32(v.Height) != want.height) || want.codec == "" && v != nil {
			t.Errorf("%s: %+v", name, v)
		}
	}
	for _, name := range []string{
		"", "System-", "small", "System-Ott_Hls_Ts_Avc_Aac_16x9_1280x720p_30Hz_5.0Mbps ", "System-Ott_Hls_Ts_Avc_Aac_16x9_1281x720p_30Hz_5.0Mbps",
		"System-Ott_Hls_Ts_Avc_Aac_16x9_1280x720p_31Hz_5.0Mbps", "System-Ott_Hls_Ts_Avc_Aac_16x9_1280x720p_30Hz_0Mbps", "System-Ott_Hls_Ts_Avc_Aac_16x9_1280x720p_30Hz_101Mbps",
		"System-Generic_Hd_Mp4_Avc_Aac_16x9_1280x720p_30Hz_5Mbps_Qvbr_Vq11", "System-Generic_Hd_Mp4_Prores_16x9_1280x720p_30Hz_5Mbps",
		"System-Ott_Hls_Ts_Av1_Aac_16x9_1280x720p_30Hz_5.0Mbps", "System-Ott_Dash_Mp4_Aac_He_97Kbps",
	} {
		if p, ok := FindSystem(name); ok {
			t.Errorf("%q is %+v", name, p)
		}
	}
}

// TestSystem: the lists are in order, without repeats, and every template names presets that are there.
func TestSystem(t *testing.T) {
	t.Parallel()
	all := System()
	if len(all) < 100 || !slices.IsSortedFunc(all, func(a, b Preset) int { return strings.Compare(a.Name, b.Name) }) {
		t.Errorf("%d presets, or not in order", len(all))
	}
	for i, p := range all {
		if i > 0 && all[i-1].Name == p.Name {
			t.Errorf("%s twice", p.Name)
		}
	}
	for _, x := range SystemTemplates() {
		found, ok := FindSystemTemplate(x.Name)
		if !ok || found.Name != x.Name {
			t.Errorf("%s is not found", x.Name)
		}
		names := map[string]bool{}
		for _, o := range x.Settings.OutputGroups[0].Outputs {
			if _, ok := FindSystem(*o.Preset); !ok {
				t.Errorf("%s names %s", x.Name, *o.Preset)
			}
			if names[*o.NameModifier] {
				t.Errorf("%s: %s twice", x.Name, *o.NameModifier)
			}
			names[*o.NameModifier] = true
		}
	}
	if _, ok := FindSystemTemplate("none"); ok {
		t.Error("a template of no name")
	}
}

// FuzzMerge: to merge with nothing changes nothing, and to merge twice is to merge once.
func FuzzMerge(f *testing.F) {
	f.Add([]byte(`{"adAvailOffset":1,"inputs":[{"fileInput":"s3://b/1"}]}`), []byte(`{"inputs":[{"filterStrength":3}],"outputGroups":[{}]}`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		job, template := new(types.JobSettings), new(types.JobTemplateSettings)
		mediaconvert.Decode(a, job)
		mediaconvert.Decode(b, template)
		before, err := mediaconvert.Encode(job)
		if err != nil {
			return // what cannot be written is not recorded either
		}
		if got := write(t, MergeTemplate(job, new(types.JobTemplateSettings))); got != string(before) {
			t.Errorf("with nothing: %s from %s", got, before)
		}
		once := MergeTemplate(job, template)
		text, err := mediaconvert.Encode(once)
		if err != nil {
			return
		}
		if got := write(t, MergeTemplate(once, template)); got != string(text) {
			t.Errorf("twice: %s, once: %s", got, text)
		}
	})
}
