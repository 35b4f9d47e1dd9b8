package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/media"
	"darkroom/internal/plan"
)

func TestFindings(t *testing.T) {
	t.Parallel()
	caps := plan.Capabilities{Encoders: []media.Codec{media.AVC, media.AAC}, StillPictures: true, Deinterlace: true}
	const job = `{
  "Role": "arn:aws:iam::000000000000:role/MediaConvert_Default_Role",
  "Settings": {
    "Inputs": [
      {"FileInput": "s3://b/k"}
    ],
    "OutputGroups": [
      {
        "OutputGroupSettings": {"Type": "FILE_GROUP_SETTINGS", "FileGroupSettings": {"Destination": "s3://b/o/"}},
        "Outputs": [
          {
            "ContainerSettings": {"Container": "MP4"},
            "VideoDescription": {
              "Width": 64, "Height": 36,
              "CodecSettings": {
                "Codec": "H_264",
                "H264Settings": {"RateControlMode": "QVBR",
                  MAX}
              }
            }
          }
        ]
      }
    ]
  }
}`
	where := func(list []finding) []finding {
		for i := range list {
			list[i].Text = ""
		}
		return list
	}
	const h = "/settings/outputGroups/0/outputs/0/videoDescription/codecSettings/h264Settings"
	for name, tt := range map[string]struct {
		body string
		want []finding
	}{
		"fine but unwise": {strings.ReplaceAll(job, "MAX", `"MaxBitrate": 5000000`), []finding{{18, levelWarning, h + "/maxBitrate", ""}}},
		"invalid":         {strings.ReplaceAll(job, "MAX", `"Softness": 0`), []finding{{17, levelError, h, ""}}},
		"not offered":     {strings.ReplaceAll(job, "MAX", `"MaxBitrate": 20000, "PerFrameMetrics": ["PSNR"]`), []finding{{18, levelNotOffered, h + "/perFrameMetrics", ""}}},
		"unknown member":  {strings.ReplaceAll(job, "MAX", `"MaxBitrat": 50000`), []finding{{18, levelError, h, ""}}},
		"all at once": {
			strings.NewReplacer("MAX", `"Softness": 0`, `"Width": 64,`, `"Width": 7,`, `"Role": `, `"Role": "me", "Bogus": `).Replace(job),
			[]finding{{2, levelError, "", ""}, {2, levelError, "/role", ""}, {14, levelError, "/settings/outputGroups/0/outputs/0/videoDescription/width", ""}, {17, levelError, h, ""}},
		},
		"outside the settings": {
			strings.NewReplacer("MAX", `"MaxBitrate": 20000`, `"Role": `, `"AccelerationSettings": {"Mode": "ENABLED"}, "Role": `).Replace(job),
			[]finding{{2, levelNotOffered, "/accelerationSettings/mode", ""}},
		},
		"a template of one's own": {
			`{"role": "arn:aws:iam::000000000000:role/r", "jobTemplate": "mine", "settings": {"inputs": [{"fileInput": "s3://b/k"}]}}`,
			[]finding{{1, levelWarning, "/jobTemplate", ""}},
		},
		"a template of the system": {
			`{"role": "arn:aws:iam::000000000000:role/r", "jobTemplate": "System-Generic_Mp4_Avc_Aac_Sdr_Qvbr",
 "settings": {"inputs": [{"fileInput": "s3://b/k"}]}}`,
			[]finding{},
		},
		"no JSON": {"{\n\n", []finding{{3, levelError, "", ""}}},
		"bare settings": {
			"{\n\"inputs\": [],\n\"outputGroups\": []}",
			[]finding{{1, levelError, "", ""}, {1, levelError, "", ""}},
		},
	} {
		if diff := cmp.Diff(tt.want, where(findings([]byte(tt.body), kindJob, caps))); diff != "" {
			t.Errorf("%s (-want +got): %s", name, diff)
		}
	}
}

// TestFindingsOfKinds: templates and presets are judged by what they are, and not for what a job lacks.
func TestFindingsOfKinds(t *testing.T) {
	t.Parallel()
	const video = `"videoDescription": {"codecSettings": {"codec": "H_264",
 "h264Settings": {"rateControlMode": "MODE"}}}`
	preset := `{"name": "p", "settings": {"containerSettings": {"container": "MP4"},
 ` + video + `}}`
	template := `{"name": "t", "settings": {"outputGroups": [{"outputGroupSettings": {"type": "FILE_GROUP_SETTINGS", "fileGroupSettings": {}}, "outputs": [{"containerSettings": {"container": "MP4"},
 ` + video + `}]}]}}`
	const h = "/videoDescription/codecSettings/h264Settings"
	for name, tt := range map[string]struct {
		kind, body string
		want       []finding
	}{
		"a preset":                   {kindPreset, strings.Replace(preset, `"MODE"`, `"QVBR", "maxBitrate": 200000`, 1), []finding{}},
		"a preset without a rate":    {kindPreset, strings.Replace(preset, "MODE", "CBR", 1), []finding{{3, levelError, "/settings" + h, ""}}},
		"a preset of a wrong word":   {kindPreset, strings.Replace(preset, "MODE", "XBR", 1), []finding{{3, levelError, "/settings" + h + "/rateControlMode", ""}}},
		"a template":                 {kindTemplate, strings.Replace(template, `"MODE"`, `"QVBR", "maxBitrate": 200000`, 1), []finding{}},
		"a template without a rate":  {kindTemplate, strings.Replace(template, "MODE", "CBR", 1), []finding{{3, levelError, "/settings/outputGroups/0/outputs/0" + h, ""}}},
		"the same as a preset's":     {kindPreset, template, []finding{{1, levelError, "/settings", ""}}},
		"bare settings of a preset":  {kindPreset, `{"containerSettings": {"container": "RAW"}, "videoDescription": {"codecSettings": {"codec": "FRAME_CAPTURE", "frameCaptureSettings": {}}}}`, []finding{}},
		"bare settings of no preset": {kindPreset, `{"inputs": []}`, []finding{{1, levelError, "", ""}}},
	} {
		got := findings([]byte(tt.body), tt.kind, plan.Capabilities{})
		for i := range got {
			got[i].Text = ""
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got): %s", name, diff)
		}
	}
}
