package test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

type members = map[string]any

// with adds members to others.
func with(m members, more members) members {
	out := members{}
	for k, v := range m {
		out[k] = v
	}
	for k, v := range more {
		out[k] = v
	}
	return out
}

// group is an output group of two pictures and one sound of their own; perPicture is added to the outputs of pictures.
func group(kind, container, destination string, settings, perPicture members) members {
	picture := func(modifier string, width, height int) members {
		return with(members{
			"containerSettings": members{"container": container}, "nameModifier": modifier,
			"videoDescription": members{"width": width, "height": height, "codecSettings": members{
				"codec": "H_264", "h264Settings": members{"rateControlMode": "QVBR", "maxBitrate": 400_000, "gopSize": 2, "gopSizeUnits": "SECONDS"},
			}},
		}, perPicture)
	}
	sound := members{
		"containerSettings": members{"container": container}, "nameModifier": "_s",
		"audioDescriptions": []any{members{"codecSettings": members{
			"codec": "AAC", "aacSettings": members{"bitrate": 96_000, "codingMode": "CODING_MODE_2_0", "sampleRate": 48_000},
		}}},
	}
	block := map[string]string{
		"HLS_GROUP_SETTINGS": "hlsGroupSettings", "CMAF_GROUP_SETTINGS": "cmafGroupSettings", "DASH_ISO_GROUP_SETTINGS": "dashIsoGroupSettings", "MS_SMOOTH_GROUP_SETTINGS": "msSmoothGroupSettings",
	}[kind]
	return members{
		"outputGroupSettings": members{"type": kind, block: with(settings, members{"destination": "s3://b/" + destination + "/film"})},
		"outputs":             []any{picture("_a", 320, 180), picture("_b", 160, 90), sound},
	}
}

// TestPackagesKeepTheRules makes packages of every shape that settings ask for, and holds each against the specifications.
func TestPackagesKeepTheRules(t *testing.T) {
	t.Parallel()
	hls := members{"segmentLength": 2, "minSegmentLength": 0}
	mp4 := members{"segmentLength": 2, "fragmentLength": 2}
	key := members{"staticKeyValue": "000102030405060708090a0b0c0d0e0f", "url": "https://keys.example/1", "keyFormat": "identity", "keyFormatVersions": "1"}
	encrypted := func(method string, more members) members {
		return members{"encryption": with(members{"type": "STATIC_KEY", "encryptionMethod": method, "staticKeyProvider": key}, more)}
	}
	tiles := members{"imageBasedTrickPlay": "ADVANCED", "imageBasedTrickPlaySettings": members{
		"intervalCadence": "FOLLOW_CUSTOM", "thumbnailInterval": 1.0, "thumbnailWidth": 80, "thumbnailHeight": 46, "tileWidth": 3, "tileHeight": 2,
	}}
	iframes := func(value string) members {
		return members{"outputSettings": members{"hlsSettings": members{"iFrameOnlyManifest": value}}}
	}
	cmafIFrames := members{"containerSettings": members{"container": "CMFC", "cmfcSettings": members{"iFrameOnlyManifest": "INCLUDE"}}}
	groups := map[string]members{
		"hls-directories": group("HLS_GROUP_SETTINGS", "M3U8", "hls-directories", with(with(hls, tiles), members{
			"directoryStructure": "SUBDIRECTORY_PER_STREAM", "segmentsPerSubdirectory": 2, "programDateTime": "INCLUDE", "programDateTimePeriod": 4,
		}), iframes("INCLUDE")),
		"hls-aes":      group("HLS_GROUP_SETTINGS", "M3U8", "hls-aes", with(hls, encrypted("AES128", nil)), iframes("INCLUDE_AS_TS")),
		"hls-aes-hide": group("HLS_GROUP_SETTINGS", "M3U8", "hls-aes-hide", with(hls, encrypted("AES128", members{"initializationVectorInManifest": "EXCLUDE"})), iframes("INCLUDE")),
		"hls-aes-file": group("HLS_GROUP_SETTINGS", "M3U8", "hls-aes-file", with(with(hls, encrypted("AES128", nil)), members{"segmentControl": "SINGLE_FILE", "minFinalSegmentLength": 1.0}), nil),
		"hls-samples":  group("HLS_GROUP_SETTINGS", "M3U8", "hls-samples", with(hls, encrypted("SAMPLE_AES", nil)), nil),
		"hls-joined":   group("HLS_GROUP_SETTINGS", "M3U8", "hls-joined", with(with(hls, encrypted("SAMPLE_AES", nil)), members{"minFinalSegmentLength": 1.0}), nil),
		"hls-file":     group("HLS_GROUP_SETTINGS", "M3U8", "hls-file", with(hls, members{"segmentControl": "SINGLE_FILE", "manifestDurationFormat": "INTEGER", "minFinalSegmentLength": 1.0}), iframes("INCLUDE")),
		"cmaf-cbcs": group("CMAF_GROUP_SETTINGS", "CMFC", "cmaf-cbcs", with(with(with(mp4, tiles), encrypted("SAMPLE_AES", nil)), members{
			"dashIFrameTrickPlayNameModifier": "_trick", "additionalManifests": []any{members{"manifestNameModifier": "_small", "selectedOutputs": []string{"_b", "_s"}}},
		}), cmafIFrames),
		"cmaf-clear-lead": group("CMAF_GROUP_SETTINGS", "CMFC", "cmaf-clear-lead", with(with(mp4, encrypted("SAMPLE_AES", members{"clearLead": "ENABLED"})), members{"minFinalSegmentLength": 1.0}), nil),
		"cmaf-cenc":       group("CMAF_GROUP_SETTINGS", "CMFC", "cmaf-cenc", with(mp4, encrypted("AES_CTR", nil)), nil),
		"cmaf-file": group("CMAF_GROUP_SETTINGS", "CMFC", "cmaf-file", with(mp4, members{
			"segmentControl": "SINGLE_FILE", "mpdProfile": "ON_DEMAND_PROFILE", "dashIFrameTrickPlayNameModifier": "_trick",
		}), cmafIFrames),
		"cmaf-fragments": group("CMAF_GROUP_SETTINGS", "CMFC", "cmaf-fragments", members{
			"segmentLength": 4, "fragmentLength": 2, "manifestDurationFormat": "INTEGER",
		}, nil),
		"cmaf-late":   group("CMAF_GROUP_SETTINGS", "CMFC", "cmaf-late", with(mp4, members{"ptsOffsetHandlingForBFrames": "MATCH_INITIAL_PTS", "writeHlsManifest": "DISABLED"}), nil),
		"cmaf-signed": group("CMAF_GROUP_SETTINGS", "CMFC", "cmaf-signed", with(mp4, members{"videoCompositionOffsets": "SIGNED", "mpdManifestBandwidthType": "MAX"}), nil),
		"dash": group("DASH_ISO_GROUP_SETTINGS", "MPD", "dash", with(mp4, members{
			"writeSegmentTimelineInRepresentation": "ENABLED", "dashManifestStyle": "COMPACT", "minFinalSegmentLength": 1.0,
		}), nil),
		"dash-hbbtv": group("DASH_ISO_GROUP_SETTINGS", "MPD", "dash-hbbtv", with(mp4, members{"hbbtvCompliance": "HBBTV_1_5", "minFinalSegmentLength": 1.0}), nil),
		"smooth":     group("MS_SMOOTH_GROUP_SETTINGS", "ISMV", "smooth", members{"fragmentLength": 2, "manifestEncoding": "UTF16"}, nil),
	}
	var all []any
	for _, g := range groups {
		all = append(all, g)
	}
	body, err := json.Marshal(members{"role": role, "settings": members{
		"inputs": []any{members{"fileInput": "s3://b/in.mp4", "audioSelectors": members{"Audio Selector 1": members{"defaultSelection": "DEFAULT"}}}}, "outputGroups": all,
	}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	bucket := filepath.Join(dir, "bucket")
	write := func(path string, b []byte) string {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	source, err := os.ReadFile(film(t, "packages.mp4", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=6.2", "-f", "lavfi", "-i", "sine=d=6.2:r=48000", "-c:v", "libx264", "-c:a", "aac"))
	if err != nil {
		t.Fatal(err)
	}
	write(filepath.Join(bucket, "in.mp4"), source)
	keyFile := write(filepath.Join(dir, "key"), []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
	run(t, nil, binary, "run", write(filepath.Join(dir, "job.json"), body), "--bucket", "b="+bucket, "--json")
	for name := range groups {
		t.Run(name, func(t *testing.T) {
			out, said, err := try(t, nil, binary, "validate", filepath.Join(bucket, name), "--key", "https://keys.example/1:"+keyFile)
			if err != nil {
				t.Errorf("%v\n%s%s", err, out, said)
			}
		})
	}
}
