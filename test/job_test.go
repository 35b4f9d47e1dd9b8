package test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// settings are those of a job with an MP4, an HLS ladder of two rungs and thumbnails, as a console would write them.
func settings(input, destination string) string {
	return strings.NewReplacer("INPUT", input, "DESTINATION", destination).Replace(`{
  "TimecodeConfig": {"Source": "ZEROBASED"},
  "Inputs": [{"FileInput": "INPUT", "AudioSelectors": {"Audio Selector 1": {"DefaultSelection": "DEFAULT"}}, "VideoSelector": {}, "TimecodeSource": "ZEROBASED"}],
  "OutputGroups": [
    {"Name": "File Group", "OutputGroupSettings": {"Type": "FILE_GROUP_SETTINGS", "FileGroupSettings": {"Destination": "DESTINATION/mp4/"}},
     "Outputs": [{"ContainerSettings": {"Container": "MP4", "Mp4Settings": {}},
       "VideoDescription": {"CodecSettings": {"Codec": "H_264", "H264Settings": {"RateControlMode": "QVBR", "MaxBitrate": 1000000}}},
       "AudioDescriptions": [{"AudioSourceName": "Audio Selector 1", "CodecSettings": {"Codec": "AAC", "AacSettings": {"Bitrate": 96000, "CodingMode": "CODING_MODE_2_0", "SampleRate": 48000}}}]}]},
    {"Name": "Apple HLS", "OutputGroupSettings": {"Type": "HLS_GROUP_SETTINGS", "HlsGroupSettings": {"Destination": "DESTINATION/hls/", "SegmentLength": 2, "MinSegmentLength": 0}},
     "Outputs": [
      {"NameModifier": "_180", "ContainerSettings": {"Container": "M3U8"},
       "VideoDescription": {"Width": 320, "Height": 180, "CodecSettings": {"Codec": "H_264", "H264Settings": {"RateControlMode": "QVBR", "MaxBitrate": 400000}}},
       "AudioDescriptions": [{"AudioSourceName": "Audio Selector 1", "CodecSettings": {"Codec": "AAC", "AacSettings": {"Bitrate": 96000, "CodingMode": "CODING_MODE_2_0", "SampleRate": 48000}}}]},
      {"NameModifier": "_360", "ContainerSettings": {"Container": "M3U8"},
       "VideoDescription": {"Width": 640, "Height": 360, "CodecSettings": {"Codec": "H_264", "H264Settings": {"RateControlMode": "QVBR", "MaxBitrate": 1000000}}},
       "AudioDescriptions": [{"AudioSourceName": "Audio Selector 1", "CodecSettings": {"Codec": "AAC", "AacSettings": {"Bitrate": 96000, "CodingMode": "CODING_MODE_2_0", "SampleRate": 48000}}}]}]},
    {"Name": "File Group", "OutputGroupSettings": {"Type": "FILE_GROUP_SETTINGS", "FileGroupSettings": {"Destination": "DESTINATION/thumbs/"}},
     "Outputs": [{"ContainerSettings": {"Container": "RAW"},
       "VideoDescription": {"Width": 160, "Height": 90, "CodecSettings": {"Codec": "FRAME_CAPTURE", "FrameCaptureSettings": {"FramerateNumerator": 1, "FramerateDenominator": 2, "MaxCaptures": 10, "Quality": 80}}}}]}
  ]}`)
}

// short are the settings of a job of one small MP4.
func short(input, destination string) string {
	return strings.NewReplacer("INPUT", input, "DESTINATION", destination).Replace(`{
  "Inputs": [{"FileInput": "INPUT", "AudioSelectors": {"Audio Selector 1": {"DefaultSelection": "DEFAULT"}}}],
  "OutputGroups": [{"OutputGroupSettings": {"Type": "FILE_GROUP_SETTINGS", "FileGroupSettings": {"Destination": "DESTINATION"}},
    "Outputs": [{"ContainerSettings": {"Container": "MP4"},
      "VideoDescription": {"Width": 160, "Height": 90, "CodecSettings": {"Codec": "H_264", "H264Settings": {"RateControlMode": "QVBR", "MaxBitrate": 200000}}},
      "AudioDescriptions": [{"CodecSettings": {"Codec": "AAC", "AacSettings": {"Bitrate": 96000, "CodingMode": "CODING_MODE_2_0", "SampleRate": 48000}}}]}]}]}`)
}

const role = "arn:aws:iam::000000000000:role/MediaConvert_Default_Role"

// job is the body of a CreateJob.
func job(settings string) string { return `{"Role": "` + role + `", "Settings": ` + settings + `}` }

// files are the names below a directory, each with its content's hash.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(b)
		name, err := filepath.Rel(dir, path)
		out[name] = hex.EncodeToString(sum[:])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// probed is what ffprobe says of a file.
type probed struct {
	Streams []struct {
		Type   string `json:"codec_type"`
		Codec  string `json:"codec_name"`
		Width  int    `json:"width"`
		Height int    `json:"height"`
		Frames string `json:"nb_read_frames"`
	} `json:"streams"`
	Format struct {
		Duration string `json:"duration"`
	} `json:"format"`
}

func probe(t *testing.T, path string) probed {
	t.Helper()
	need(t, "ffprobe")
	out := run(t, nil, "ffprobe", "-v", "error", "-count_frames", "-show_streams", "-show_format", "-of", "json", path)
	var p probed
	if err := json.Unmarshal([]byte(out), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// checkOutputs looks at everything that a job of settings makes of a clip of so many seconds at 25 frames a second.
func checkOutputs(t *testing.T, dir, name string, frames string) {
	t.Helper()
	for _, f := range []struct {
		path          string
		width, height int
	}{{"mp4/" + name + ".mp4", 640, 360}, {"hls/" + name + "_180.m3u8", 320, 180}, {"hls/" + name + "_360.m3u8", 640, 360}} {
		p := probe(t, filepath.Join(dir, f.path))
		if len(p.Streams) != 2 || p.Streams[0].Codec != "h264" || p.Streams[1].Codec != "aac" {
			t.Errorf("%s: %+v", f.path, p.Streams)
			continue
		}
		if v := p.Streams[0]; v.Width != f.width || v.Height != f.height || v.Frames != frames {
			t.Errorf("%s: %d x %d, %s frames, want %d x %d, %s frames", f.path, v.Width, v.Height, v.Frames, f.width, f.height, frames)
		}
	}
	if p := probe(t, filepath.Join(dir, "thumbs", name+".0000000.jpg")); len(p.Streams) != 1 || p.Streams[0].Codec != "mjpeg" || p.Streams[0].Width != 160 {
		t.Errorf("thumbnail: %+v", p.Streams)
	}
	if _, err := os.Stat(filepath.Join(dir, "hls", name+".m3u8")); err != nil {
		t.Error(err)
	}
}
