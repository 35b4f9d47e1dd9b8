package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/job"
	"darkroom/internal/media"
)

// locations are all objects that a group names, by where in it they stand.
func locations(g *StreamGroup) map[string]Location {
	found := map[string]Location{}
	var walk func(path string, v reflect.Value)
	walk = func(path string, v reflect.Value) {
		if l, ok := v.Interface().(Location); ok {
			if l.Key != "" {
				found[path] = l
			}
			return
		}
		switch v.Kind() {
		case reflect.Pointer:
			if !v.IsNil() {
				walk(path, v.Elem())
			}
		case reflect.Slice:
			for i := range v.Len() {
				walk(fmt.Sprintf("%s[%d]", path, i), v.Index(i))
			}
		case reflect.Struct:
			if _, ok := v.Interface().(time.Time); ok {
				return
			}
			for i := range v.NumField() {
				walk(path+"."+v.Type().Field(i).Name, v.Field(i))
			}
		}
	}
	walk("", reflect.ValueOf(g).Elem())
	return found
}

// rich are jobs that use much of what each kind of group offers.
var rich = map[string]string{
	"hls": `{"inputs":[{"fileInput":"s3://in/film.mov"}],"timecodeConfig":{"source":"SPECIFIEDSTART","start":"10:00:00:00","timestampOffset":"2024-02-29"},
	 "timedMetadataInsertion":{"id3Insertions":[{"id3":"` + id3Tag + `","timecode":"10:00:02:05"},{"id3":"` + id3Tag + `","timecode":"10:00:01:00"}]},
	 "outputGroups":[{"outputGroupSettings":{"type":"HLS_GROUP_SETTINGS","hlsGroupSettings":{"destination":"s3://out/$d$/show","minSegmentLength":0,"segmentLength":6,
	  "directoryStructure":"SUBDIRECTORY_PER_STREAM","segmentsPerSubdirectory":100,"programDateTime":"INCLUDE","programDateTimePeriod":60,"timedMetadataId3Frame":"TDRL",
	  "imageBasedTrickPlay":"THUMBNAIL_AND_FULLFRAME","manifestCompression":"GZIP","baseUrl":"https://cdn.example/","additionalManifests":[{"manifestNameModifier":"-sd","selectedOutputs":["_sd","_de"]}],
	  "encryption":{"type":"STATIC_KEY","encryptionMethod":"SAMPLE_AES","constantInitializationVector":"00112233445566778899aabbccddeeff","offlineEncrypted":"ENABLED","staticKeyProvider":{"staticKeyValue":"00112233445566778899aabbccddeeff","url":"https://keys.example/k","keyFormat":"identity","keyFormatVersions":"1"}}}},
	 "outputs":[
	  {"nameModifier":"_hd","containerSettings":{"container":"M3U8","m3u8Settings":{"timedMetadata":"PASSTHROUGH","timedMetadataPid":600}},"outputSettings":{"hlsSettings":{"audioRenditionSets":"stereo, surround","iFrameOnlyManifest":"INCLUDE_AS_TS","segmentModifier":"-$dt$"}},"videoDescription":{"width":1280,"height":720,"codecSettings":` + h264 + `}},
	  {"nameModifier":"_sd","containerSettings":{"container":"M3U8"},"outputSettings":{"hlsSettings":{"audioRenditionSets":"stereo","iFrameOnlyManifest":"INCLUDE"}},"videoDescription":{"width":640,"height":360,"codecSettings":` + h264 + `}},
	  {"nameModifier":"_de","containerSettings":{"container":"M3U8"},"outputSettings":{"hlsSettings":{"audioGroupId":"stereo","audioTrackType":"ALTERNATE_AUDIO_AUTO_SELECT"}},"audioDescriptions":[{"streamName":"Deutsch","customLanguageCode":"de","languageCodeControl":"USE_CONFIGURED","codecSettings":{"codec":"AAC","aacSettings":{"bitrate":96000,"codingMode":"CODING_MODE_2_0","sampleRate":48000}}}]},
	  {"nameModifier":"_ad","containerSettings":{"container":"M3U8"},"outputSettings":{"hlsSettings":{"audioGroupId":"stereo","descriptiveVideoServiceFlag":"FLAG","audioTrackType":"ALTERNATE_AUDIO_NOT_AUTO_SELECT","audioOnlyContainer":"M2TS"}},"audioDescriptions":[` + aac + `]},
	  {"nameModifier":"_51","containerSettings":{"container":"M3U8"},"outputSettings":{"hlsSettings":{"audioGroupId":"surround"}},"audioDescriptions":[{"codecSettings":{"codec":"AC3","ac3Settings":{"codingMode":"CODING_MODE_3_2_LFE"}}}]}]}]}`,
	"cmaf": `{"inputs":[{"fileInput":"s3://in/film.mov"}],"outputGroups":[{"outputGroupSettings":{"type":"CMAF_GROUP_SETTINGS","cmafGroupSettings":{"destination":"s3://out/c/","segmentLength":6,"fragmentLength":2,
	  "minFinalSegmentLength":2,"dashIFrameTrickPlayNameModifier":"_trick_$h$","dashManifestStyle":"DISTINCT","videoCompositionOffsets":"SIGNED","mpdManifestBandwidthType":"MAX","minBufferTime":4,
	  "imageBasedTrickPlay":"ADVANCED","imageBasedTrickPlaySettings":{"intervalCadence":"FOLLOW_CUSTOM","thumbnailInterval":5,"thumbnailWidth":160,"tileWidth":4,"tileHeight":4},
	  "additionalManifests":[{"manifestNameModifier":"-avc","selectedOutputs":["_avc","_aac"]}],
	  "encryption":{"type":"SPEKE","encryptionMethod":"SAMPLE_AES","clearLead":"DISABLED","spekeKeyProvider":{` + spekeID + `,"hlsSignaledSystemIds":[` + fairPlayID + `],"dashSignaledSystemIds":[` + widevine + `,` + playReadyID + `],"encryptionContractConfiguration":{"spekeVideoPreset":"PRESET_VIDEO_3","spekeAudioPreset":"PRESET_AUDIO_2"}}}}},
	 "outputs":[
	  {"nameModifier":"_avc","containerSettings":{"container":"CMFC","cmfcSettings":{"iFrameOnlyManifest":"INCLUDE"}},"videoDescription":{"width":640,"height":360,"codecSettings":` + h264 + `}},
	  {"nameModifier":"_hevc","containerSettings":{"container":"CMFC"},"videoDescription":{"width":1920,"height":1080,"codecSettings":{"codec":"H_265","h265Settings":{"rateControlMode":"VBR","bitrate":4000000,"maxBitrate":6000000,"codecProfile":"MAIN10_HIGH","codecLevel":"LEVEL_5"}}}},
	  {"nameModifier":"_av1","containerSettings":{"container":"CMFC"},"videoDescription":{"width":1280,"height":720,"codecSettings":{"codec":"AV1","av1Settings":{"rateControlMode":"QVBR","maxBitrate":2000000,"gopSize":47,"bitDepth":"BIT_10"}}}},
	  {"nameModifier":"_aac","containerSettings":{"container":"CMFC"},"audioDescriptions":[` + aac + `]},
	  {"nameModifier":"_ec3","containerSettings":{"container":"CMFC"},"audioDescriptions":[{"codecSettings":{"codec":"EAC3","eac3Settings":{"codingMode":"CODING_MODE_3_2"}}}]}]}]}`,
	"dash": `{"inputs":[{"fileInput":"s3://in/film.mov"}],"outputGroups":[{"outputGroupSettings":{"type":"DASH_ISO_GROUP_SETTINGS","dashIsoGroupSettings":{"destination":"s3://out/d/","segmentLength":4,"fragmentLength":2,
	  "segmentLengthControl":"GOP_MULTIPLE","hbbtvCompliance":"HBBTV_1_5","writeSegmentTimelineInRepresentation":"ENABLED","audioChannelConfigSchemeIdUri":"DOLBY_CHANNEL_CONFIGURATION","ptsOffsetHandlingForBFrames":"MATCH_INITIAL_PTS",
	  "encryption":{"playbackDeviceCompatibility":"UNENCRYPTED_SEI","spekeKeyProvider":{` + spekeID + `,"systemIds":[` + widevine + `,` + playReadyID + `]}}}},
	 "outputs":[
	  {"nameModifier":"_v_$Number$","containerSettings":{"container":"MPD","mpdSettings":{"timedMetadata":"PASSTHROUGH","manifestMetadataSignaling":"ENABLED","timedMetadataBoxVersion":"VERSION_1"}},"videoDescription":{"width":1280,"height":720,"codecSettings":` + h264 + `}},
	  {"nameModifier":"_a_$Bandwidth$_$Number%05$","containerSettings":{"container":"MPD"},"audioDescriptions":[{"codecSettings":{"codec":"EAC3","eac3Settings":{"codingMode":"CODING_MODE_2_0"}}}]}]}]}`,
	"smooth": `{"inputs":[{"fileInput":"s3://in/film.mov"}],"outputGroups":[{"outputGroupSettings":{"type":"MS_SMOOTH_GROUP_SETTINGS","msSmoothGroupSettings":{"destination":"s3://out/s/","fragmentLength":2,"manifestEncoding":"UTF16","audioDeduplication":"COMBINE_DUPLICATE_STREAMS",
	  "additionalManifests":[{"manifestNameModifier":"-low","selectedOutputs":["_low"]}],"encryption":{"spekeKeyProvider":{` + spekeID + `,"systemIds":[` + playReadyID + `]}}}},
	 "outputs":[
	  {"nameModifier":"_hi","containerSettings":{"container":"ISMV"},"videoDescription":{"width":1280,"height":720,"codecSettings":` + h264 + `},"audioDescriptions":[` + aac + `]},
	  {"nameModifier":"_low","containerSettings":{"container":"ISMV"},"videoDescription":{"width":640,"height":360,"codecSettings":` + h264 + `},"audioDescriptions":[` + aac + `]},
	  {"nameModifier":"_only","containerSettings":{"container":"ISMV"},"audioDescriptions":[{"codecSettings":{"codec":"AAC","aacSettings":{"bitrate":64000,"codingMode":"CODING_MODE_1_0","sampleRate":48000}}}]}]}]}`,
}

// TestStreamGoldens: what is planned of a rich job of each kind, whole. go test ./internal/plan -run StreamGoldens -update writes it.
func TestStreamGoldens(t *testing.T) {
	t.Parallel()
	for name, text := range rich {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := mustPlan(t, text, film())
			got, err := json.MarshalIndent(struct {
				Renditions []Rendition
				Streams    []StreamGroup
				Groups     []Group
			}{p.Renditions, p.Streams, p.Groups}, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".plan.json")
			if *update {
				if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), string(got)+"\n"); d != "" {
				t.Errorf("plan (-want +got):\n%s", d)
			}
		})
	}
}

// TestAccessCoversStreams: every object of every kind of group begins with what the job's credentials are narrowed to.
func TestAccessCoversStreams(t *testing.T) {
	t.Parallel()
	for name, text := range rich {
		s := settings(t, text)
		a, err := NewAccess(s, start)
		if err != nil {
			t.Fatal(err)
		}
		p := mustPlan(t, text, film())
		n := 0
		for where, l := range locations(&p.Streams[0]) {
			n++
			if l.Bucket != a.Outputs[0].Bucket || !strings.HasPrefix(l.Key, a.Outputs[0].Key) {
				t.Errorf("%s: %s is %s, not under %s", name, where, l.URI(), a.Outputs[0].URI())
			}
		}
		if n < 5 {
			t.Errorf("%s: only %d objects", name, n)
		}
	}
}

// TestStreamNames: objects have the names that MediaConvert gives them.
func TestStreamNames(t *testing.T) {
	t.Parallel()
	first := func(r *Representation) string {
		return fmt.Sprintf("%s%0*d%s", r.Segments.Key, r.Digits, r.First, r.Extension)
	}
	for _, c := range []struct {
		name, text string
		want       []string // segment, init, playlist of the first two representations, then manifests
	}{
		{"HLS", streamOf(AppleHLS, toHLS, h264, audioSettings[media.AAC]), []string{"x/film_v_00001.ts", "", "x/film_v.m3u8", "x/film_a_00001.aac", "", "x/film_a.m3u8", "x/film.m3u8"}},
		{"HLS with AC-3", streamOf(AppleHLS, toHLS, h264, audioSettings[media.AC3]), []string{"x/film_v_00001.ts", "", "x/film_v.m3u8", "x/film_a_00001.ac3", "", "x/film_a.m3u8", "x/film.m3u8"}},
		{"HLS with E-AC-3", streamOf(AppleHLS, toHLS, h264, audioSettings[media.EAC3]), []string{"x/film_v_00001.ts", "", "x/film_v.m3u8", "x/film_a_00001.ec3", "", "x/film_a.m3u8", "x/film.m3u8"}},
		{"directories", streamOf(AppleHLS, toHLS+`,"directoryStructure":"SUBDIRECTORY_PER_STREAM"`, h264, audioSettings[media.AAC]), []string{"x/film_v/film_v_00001.ts", "", "x/film_v/film_v.m3u8", "x/film_a/film_a_00001.aac", "", "x/film_a/film_a.m3u8", "x/film.m3u8"}},
		{"CMAF", streamOf(CMAF, to, h264, audioSettings[media.AAC]), []string{"x/film_v_000000001.cmfv", "x/film_vinit.cmfv", "x/film_v.m3u8", "x/film_a_000000001.cmfa", "x/film_ainit.cmfa", "x/film_a.m3u8", "x/film.m3u8", "x/film.mpd"}},
		{"DASH", streamOf(DASH, to, h264, audioSettings[media.AAC]), []string{"x/film_v_000000001.mp4", "x/film_vinit.mp4", "", "x/film_a_000000001.mp4", "x/film_ainit.mp4", "", "x/film.mpd"}},
		{"DASH by number", strings.NewReplacer(`"_v"`, `"_v_$Number$"`, `"_a"`, `"_a_$Number$_x"`).Replace(streamOf(DASH, to, h264, audioSettings[media.AAC])), []string{"x/film_v_1.mp4", "x/film_v_init.mp4", "", "x/film_a_1_x.mp4", "x/film_a__xinit.mp4", "", "x/film.mpd"}},
		{"DASH by bandwidth", strings.NewReplacer(`"_v"`, `"_v_$Bandwidth$"`).Replace(streamOf(DASH, to, h264, audioSettings[media.AAC])), []string{"x/film_v_2000000_000000001.mp4", "x/film_v_2000000init.mp4", "", "x/film_a_000000001.mp4", "x/film_ainit.mp4", "", "x/film.mpd"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := &mustPlan(t, c.text, film()).Streams[0]
			var got []string
			for i := range 2 {
				r := &g.Representations[i]
				got = append(got, first(r), r.Init.Key, r.Playlist.Key)
			}
			for _, m := range g.HLS {
				got = append(got, m.Key)
			}
			for _, m := range g.DASH {
				got = append(got, m.Key)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
	g := &mustPlan(t, strings.NewReplacer(`"_v"`, `"_v_$Time$"`, `"_a"`, `"_a_$Time$"`).Replace(streamOf(DASH, to, h264, audioSettings[media.AAC])), film()).Streams[0]
	if r := g.Representations[0]; !r.ByTime || r.Segments.Key != "x/film_v_" || r.Extension != ".mp4" {
		t.Errorf("by time: %+v", r)
	}
	single := &mustPlan(t, streamOf(CMAF, to+`,"segmentControl":"SINGLE_FILE"`, h264, audioSettings[media.AAC]), film()).Streams[0]
	if r := single.Representations[1]; !single.SingleFile || r.Segments.Key != "x/film_a" || r.Extension != ".cmfa" || r.Init.Key != "" {
		t.Errorf("a single file: %+v", r)
	}
}

// TestGroupReports: what events call groups, their playlists, and the paths of their outputs. (MediaConvert User Guide, "Output file names and paths".)
func TestGroupReports(t *testing.T) {
	t.Parallel()
	for kind, want := range map[GroupKind]Group{
		AppleHLS: {Type: "HLS_GROUP", Playlists: []string{"s3://out/x/film.m3u8"}, Outputs: []Output{{Paths: []string{"s3://out/x/film_v.m3u8"}, Width: 1280, Height: 720, Video: "v0"}, {Paths: []string{"s3://out/x/film_a.m3u8"}}}},
		CMAF:     {Type: "CMAF_GROUP", Playlists: []string{"s3://out/x/film.mpd", "s3://out/x/film.m3u8"}, Outputs: []Output{{Width: 1280, Height: 720, Video: "v0"}, {}}},
		DASH:     {Type: "DASH_ISO_GROUP", Playlists: []string{"s3://out/x/film.mpd"}, Outputs: []Output{{Width: 1280, Height: 720, Video: "v0"}, {}}},
		Smooth:   {Type: "MS_SMOOTH_GROUP", Playlists: []string{"s3://out/x/film.ism"}, Outputs: []Output{{Paths: []string{"s3://out/x/film_v.ismv"}, Width: 1280, Height: 720, Video: "v0"}, {Paths: []string{"s3://out/x/film_a.isma"}}}},
	} {
		group := to
		if kind == AppleHLS {
			group = toHLS
		}
		if d := cmp.Diff(want, mustPlan(t, streamOf(kind, group, h264, audioSettings[media.AAC]), film()).Groups[0]); d != "" {
			t.Errorf("%s (-want +got):\n%s", kind, d)
		}
	}
}

func rate(num, den int64) *Probe {
	p := film()
	p.Streams[0].FrameRate = media.Rational{Num: num, Den: den}
	return p
}

// TestSegmentLengths: what the controls make of the length, and of key frames.
func TestSegmentLengths(t *testing.T) {
	t.Parallel()
	avc, av1, sound := videoSettings[media.AVC], videoSettings[media.AV1], audioSettings[media.AAC]
	specified := strings.Replace(avc, `"maxBitrate"`, `"framerateControl":"SPECIFIED","framerateNumerator":30000,"framerateDenominator":1001,"maxBitrate"`, 1)
	specified25 := strings.Replace(avc, `"maxBitrate"`, `"framerateControl":"SPECIFIED","framerateNumerator":25,"framerateDenominator":1,"maxBitrate"`, 1)
	for _, c := range []struct {
		name, text   string
		source       *Probe
		length, keys time.Duration // of segments, and Video.SegmentLength
		distance     int           // of key frames
	}{
		{"exact", streamOf(CMAF, to+`,"segmentLength":6`, avc, sound), rate(30000, 1001), 6 * time.Second, 6 * time.Second, 60},
		{"by groups of pictures", streamOf(CMAF, to+`,"segmentLength":6,"segmentLengthControl":"GOP_MULTIPLE"`, avc, sound), rate(25, 1), 6 * time.Second, 0, 50},
		{"odd fragments", streamOf(CMAF, to+`,"segmentLength":6,"fragmentLength":3,"segmentLengthControl":"GOP_MULTIPLE"`, avc, sound), rate(25, 1), 6 * time.Second, 0, 25},
		{"odd segments of HLS by groups of pictures", streamOf(AppleHLS, toHLS+`,"segmentLength":5,"segmentLengthControl":"GOP_MULTIPLE"`, avc, sound), rate(25, 1), 5 * time.Second, 0, 25},
		{"Smooth Streaming", streamOf(Smooth, to+`,"fragmentLength":3`, avc, sound), rate(25, 1), 3 * time.Second, 3 * time.Second, 25},
		// 8 frames at 25/s are 15 frames of 1024 samples at 48 kHz: 0.32 s.
		{"matched at 25", streamOf(DASH, to+`,"segmentLength":6,"segmentLengthControl":"MATCH"`, specified25, sound), rate(50, 1), 6080 * time.Millisecond, 6080 * time.Millisecond, 50},
		// 640 frames at 30000/1001 are 1001 frames of sound.
		{"matched at 29.97", streamOf(DASH, to+`,"segmentLength":20,"segmentLengthControl":"MATCH"`, specified, sound), rate(50, 1), 21354666667, 21354666667, 60},
		{"AV1 has whole frames", streamOf(CMAF, to+`,"segmentLength":6`, av1, sound), rate(30000, 1001), 6006 * time.Millisecond, 6006 * time.Millisecond, 60},
		{"AV1 divides its segments", streamOf(CMAF, to+`,"segmentLength":6`, strings.Replace(av1, `"maxBitrate"`, `"gopSize":49,"maxBitrate"`, 1), sound), rate(25, 1), 6 * time.Second, 6 * time.Second, 30},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := mustPlan(t, c.text, c.source)
			v := p.Renditions[0].Video
			if got := p.Streams[0].Cut.Length; got != c.length || v.SegmentLength != c.keys || v.KeyFrameInterval != c.distance {
				t.Errorf("segments of %v, key frames at %v and every %d frames; want %v, %v, %d", got, v.SegmentLength, v.KeyFrameInterval, c.length, c.keys, c.distance)
			}
		})
	}
	two := strings.Replace(streamOf(CMAF, to, av1, sound), `{"nameModifier":"_a"`, `{"nameModifier":"_w","containerSettings":{"container":"CMFC"},"videoDescription":{"codecSettings":`+specified+`}},{"nameModifier":"_a"`, 1)
	var failed *job.Error
	if _, err := New(settings(t, two), rate(25, 1), Options{Start: start}); !errors.As(err, &failed) || failed.Code != 1040 {
		t.Errorf("AV1 at 25 with AVC at 29.97: got %v, want 1040", err)
	}
}

// TestImages: how often images are taken, and what of them does not go.
func TestImages(t *testing.T) {
	t.Parallel()
	avc, sound := videoSettings[media.AVC], audioSettings[media.AAC]
	specified := strings.Replace(avc, `"maxBitrate"`, `"framerateControl":"SPECIFIED","framerateNumerator":30000,"framerateDenominator":1001,"maxBitrate"`, 1)
	follow := `,"imageBasedTrickPlay":"ADVANCED","imageBasedTrickPlaySettings":{"intervalCadence":"FOLLOW_SEGMENTATION","tileWidth":1,"tileHeight":1`
	custom := `,"imageBasedTrickPlay":"ADVANCED","imageBasedTrickPlaySettings":{`
	for _, c := range []struct {
		name, text string
		source     *Probe
		rate       media.Rational // zero for a refusal
	}{
		{"key frames", streamOf(CMAF, to+custom+`"tileHeight":4}`, avc, sound), rate(30000, 1001), media.Rational{Num: 500, Den: 1001}},
		{"an interval", streamOf(CMAF, to+custom+`"intervalCadence":"FOLLOW_CUSTOM","thumbnailInterval":5}`, avc, sound), rate(30000, 1001), media.Rational{Num: 200, Den: 1001}},
		{"segments of whole frames", streamOf(CMAF, to+`,"segmentLength":6`+follow+"}", avc, sound), rate(25, 1), media.Rational{Num: 1, Den: 6}},
		{"segments of frames that do not fit", streamOf(CMAF, to+`,"segmentLength":6`+follow+"}", avc, sound), rate(30000, 1001), media.Rational{Num: 1, Den: 6}},
		{"matched segments", streamOf(CMAF, to+`,"segmentLength":20,"segmentLengthControl":"MATCH"`+follow+"}", specified, sound), rate(50, 1), media.Rational{Num: 375, Den: 8008}},
		{"multiples of the GOP", streamOf(CMAF, to+`,"segmentLength":5,"fragmentLength":2,"segmentLengthControl":"GOP_MULTIPLE"`+follow+"}", avc, sound), rate(25, 1), media.Rational{Num: 1, Den: 6}},
		{"multiples of a GOP that does not fit", streamOf(CMAF, to+`,"segmentLength":6,"fragmentLength":2,"segmentLengthControl":"GOP_MULTIPLE"`+follow+"}", avc, sound), rate(30000, 1001), media.Rational{Num: 500, Den: 3003}},
		{"a least length of multiples of the GOP", streamOf(AppleHLS, strings.Replace(toHLS, `"minSegmentLength":0`, `"minSegmentLength":9`, 1)+`,"segmentLength":6,"segmentLengthControl":"GOP_MULTIPLE"`+follow+"}", avc, sound), rate(25, 1), media.Rational{Num: 1, Den: 10}},
		{"a least length that is longer", streamOf(AppleHLS, strings.Replace(toHLS, `"minSegmentLength":0`, `"minSegmentLength":9`, 1)+`,"segmentLength":6`+follow+"}", avc, sound), rate(25, 1), media.Rational{}},
		{"rows that do not fit", streamOf(CMAF, to+custom+`"tileHeight":24}`, avc, sound), rate(25, 1), media.Rational{}},
		{"a height of thumbnails that leaves no room", streamOf(CMAF, to+custom+`"thumbnailHeight":500}`, avc, sound), rate(25, 1), media.Rational{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, err := New(settings(t, c.text), c.source, Options{Start: start})
			if !c.rate.Known() {
				var failed *job.Error
				if !errors.As(err, &failed) || failed.Code != 1040 || !strings.Contains(failed.Message, "imageBasedTrickPlaySettings") {
					t.Errorf("got %v, want 1040 that names imageBasedTrickPlaySettings", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range p.Streams[0].Representations {
				if r.Format != Images {
					continue
				}
				if r.FrameRate != c.rate || r.Tiles.Segments != strings.Contains(c.text, "FOLLOW_SEGMENTATION") {
					t.Errorf("images at %v a second, of segments: %v; want %v", r.FrameRate, r.Tiles.Segments, c.rate)
				}
				return
			}
			t.Error("no images")
		})
	}
}

// TestEncodeOnceForSegments: groups whose segments have different lengths share an encoding where its key frames can serve both.
func TestEncodeOnceForSegments(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		hls, dash, renditions int
		length                time.Duration
	}{{10, 30, 1, 10 * time.Second}, {6, 10, 1, 2 * time.Second}, {6, 6, 1, 6 * time.Second}, {7, 10, 2, 7 * time.Second}} {
		a := strings.TrimSuffix(streamOf(AppleHLS, fmt.Sprintf(`%s,"segmentLength":%d`, toHLS, c.hls), h264, audioSettings[media.AAC]), "]}")
		b := streamOf(DASH, fmt.Sprintf(`"destination":"s3://out/y/","segmentLength":%d`, c.dash), h264, audioSettings[media.AAC])
		b = b[strings.Index(b, `"outputGroups":[`)+len(`"outputGroups":[`):]
		p := mustPlan(t, a+","+b, film())
		videos := 0
		for _, r := range p.Renditions {
			if r.Video != nil {
				videos++
			}
		}
		if videos != c.renditions || p.Renditions[0].Video.SegmentLength != c.length {
			t.Errorf("%d and %d s: %d encodings with key frames at %v, want %d and %v", c.hls, c.dash, videos, p.Renditions[0].Video.SegmentLength, c.renditions, c.length)
		}
	}
}

// TestCMAFAudioGroups: sound of a CMAF group is in a group of its own where the job names none, and goes with every picture.
func TestCMAFAudioGroups(t *testing.T) {
	t.Parallel()
	text := strings.Replace(streamOf(CMAF, to, h264, audioSettings[media.AAC]), `{"nameModifier":"_a"`, `{"nameModifier":"_b","containerSettings":{"container":"CMFC"},"audioDescriptions":[{"codecSettings":`+audioSettings[media.AC3]+`}]},{"nameModifier":"_a"`, 1)
	r := mustPlan(t, text, film()).Streams[0].Representations
	if r[0].AudioGroup != "program_audio_0,program_audio_1" || r[1].GroupID != "program_audio_0" || r[2].GroupID != "program_audio_1" || !r[1].Default || !r[2].Default {
		t.Errorf("got %+v", r)
	}
}

// TestStreamsAreRefused: what crosses members of groups and is refused, at which member.
func TestStreamsAreRefused(t *testing.T) {
	t.Parallel()
	avc, av1, sound := videoSettings[media.AVC], videoSettings[media.AV1], audioSettings[media.AAC]
	const (
		group = "/outputGroups/0"
		hls   = group + "/outputGroupSettings/hlsGroupSettings"
		cmaf  = group + "/outputGroupSettings/cmafGroupSettings"
		dash  = group + "/outputGroupSettings/dashIsoGroupSettings"
		v, a  = group + "/outputs/0", group + "/outputs/1"
	)
	more := func(s string) string { return to + `,"additionalManifests":[` + s + `]` }
	tiles := func(s string) string {
		return to + `,"imageBasedTrickPlay":"ADVANCED","imageBasedTrickPlaySettings":{` + s + `}`
	}
	withSound := func(kind GroupKind, g string) string {
		return strings.Replace(streamOf(kind, g, avc, sound), `{"nameModifier":"_v",`, `{"nameModifier":"_v","audioDescriptions":[`+aac+`],`, 1)
	}
	inSound := func(g, container string) string {
		return strings.Replace(streamOf(AppleHLS, g, avc, sound), `"M3U8"},"audio`, container+`},"audio`, 1)
	}
	inPictures := func(m3u8 string) string {
		return strings.Replace(withSound(AppleHLS, toHLS), `"M3U8"},"video`, `"M3U8","m3u8Settings":{`+m3u8+`}},"video`, 1)
	}
	for _, c := range []struct {
		name, text, path string
		lacks            bool
	}{
		{"final segment too long", streamOf(CMAF, to+`,"segmentLength":4,"minFinalSegmentLength":4`, avc, sound), cmaf + "/minFinalSegmentLength", false},
		{"no manifest", streamOf(CMAF, to+`,"writeHlsManifest":"DISABLED","writeDashManifest":"DISABLED"`, avc, sound), cmaf, false},
		{"quote in the base URL", streamOf(DASH, to+`,"baseUrl":"a\"b"`, avc, sound), dash + "/baseUrl", false},
		{"directories of a single file", streamOf(AppleHLS, toHLS+`,"directoryStructure":"SUBDIRECTORY_PER_STREAM","segmentsPerSubdirectory":3,"segmentControl":"SINGLE_FILE"`, avc, sound), hls + "/segmentsPerSubdirectory", false},
		{"manifest without a name", streamOf(CMAF, more(`{"selectedOutputs":["_v"]}`), avc, sound), cmaf + "/additionalManifests/0", false},
		{"manifest of no output", streamOf(CMAF, more(`{"manifestNameModifier":"-a"}`), avc, sound), cmaf + "/additionalManifests/0", false},
		{"manifest of another output", streamOf(CMAF, more(`{"manifestNameModifier":"-a","selectedOutputs":["_v","_z"]}`), avc, sound), cmaf + "/additionalManifests/0/selectedOutputs/1", false},
		{"manifests of one name", streamOf(CMAF, more(`{"manifestNameModifier":"-a","selectedOutputs":["_v"]},{"manifestNameModifier":"-a","selectedOutputs":["_v"]}`), avc, sound), cmaf + "/additionalManifests/1/manifestNameModifier", false},
		{"too many manifests", streamOf(CMAF, more(strings.TrimSuffix(strings.Repeat(`{"manifestNameModifier":"-a","selectedOutputs":["_v"]},`, 11), ",")), avc, sound), cmaf + "/additionalManifests", false},
		{"a manifest over a playlist", streamOf(AppleHLS, toHLS+`,"additionalManifests":[{"manifestNameModifier":"_v","selectedOutputs":["_v"]}]`, avc, sound), v, false},
		{"tiles with segments", streamOf(CMAF, tiles(`"intervalCadence":"FOLLOW_SEGMENTATION","tileWidth":2,"tileHeight":2`), avc, sound), cmaf + "/imageBasedTrickPlaySettings", false},
		{"odd rows", streamOf(CMAF, tiles(`"tileHeight":3`), avc, sound), cmaf + "/imageBasedTrickPlaySettings/tileHeight", false},
		{"high tiles", streamOf(CMAF, tiles(`"tileHeight":100,"thumbnailHeight":100`), avc, sound), cmaf + "/imageBasedTrickPlaySettings/tileHeight", false},
		{"wide tiles", streamOf(CMAF, tiles(`"tileWidth":512,"thumbnailWidth":312`), avc, sound), cmaf + "/imageBasedTrickPlaySettings/tileWidth", true},
		{"custom without an interval", streamOf(CMAF, tiles(`"intervalCadence":"FOLLOW_CUSTOM"`), avc, sound), cmaf + "/imageBasedTrickPlaySettings/thumbnailInterval", false},
		{"a custom interval of key frames", streamOf(CMAF, tiles(`"intervalCadence":"FOLLOW_IFRAME","thumbnailInterval":5`), avc, sound), cmaf + "/imageBasedTrickPlaySettings/thumbnailInterval", true},
		{"a custom interval of nothing", streamOf(CMAF, tiles(`"thumbnailInterval":5`), avc, sound), cmaf + "/imageBasedTrickPlaySettings/thumbnailInterval", true},
		{"settings of thumbnails that are not ADVANCED", streamOf(CMAF, strings.Replace(tiles(`"tileWidth":2`), "ADVANCED", "THUMBNAIL", 1), avc, sound), cmaf + "/imageBasedTrickPlaySettings", true},
		{"settings of thumbnails that are not made", streamOf(DASH, strings.Replace(tiles(`"thumbnailWidth":160`), `"imageBasedTrickPlay":"ADVANCED",`, "", 1), avc, sound), dash + "/imageBasedTrickPlaySettings", true},
		{"an unknown identifier", streamOf(CMAF, to+`,"dashIFrameTrickPlayNameModifier":"$x$"`, avc, sound), cmaf + "/dashIFrameTrickPlayNameModifier", false},
		{"$Number$ in one output", strings.Replace(streamOf(DASH, to, avc, sound), `"_v"`, `"_v$Number$"`, 1), group, false},
		{"$Number$ twice", strings.NewReplacer(`"_v"`, `"_v$Number$$Time$"`, `"_a"`, `"_a$Number$$Time$"`).Replace(streamOf(DASH, to, avc, sound)), v + "/nameModifier", false},
		{"$Number$ in CMAF", strings.Replace(streamOf(CMAF, to, avc, sound), `"_v"`, `"_v$Number$"`, 1), v + "/nameModifier", false},
		{"$Time$ in a single file", strings.NewReplacer(`"_v"`, `"_v$Time$"`, `"_a"`, `"_a$Time$"`).Replace(streamOf(DASH, to+`,"segmentControl":"SINGLE_FILE"`, avc, sound)), group, false},
		{"sound with a picture in CMAF", withSound(CMAF, to), v + "/audioDescriptions", true},
		{"sound with a picture in DASH", withSound(DASH, to), v + "/audioDescriptions", true},
		{"matched with another rate of sound", streamOf(DASH, to+`,"segmentLengthControl":"MATCH"`, avc, strings.Replace(sound, "48000", "44100", 1)), a + "/audioDescriptions/0/codecSettings", false},
		{"I-frames of sound", strings.Replace(streamOf(CMAF, to, avc, sound), `"CMFC"},"audio`, `"CMFC","cmfcSettings":{"iFrameOnlyManifest":"INCLUDE"}},"audio`, 1), a + "/containerSettings/cmfcSettings/iFrameOnlyManifest", false},
		{"a described picture", strings.Replace(streamOf(CMAF, to, avc, sound), `"CMFC"},"video`, `"CMFC","cmfcSettings":{"descriptiveVideoServiceFlag":"FLAG"}},"video`, 1), v + "/containerSettings/cmfcSettings/descriptiveVideoServiceFlag", false},
		{"long segments of HbbTV", streamOf(DASH, to+`,"hbbtvCompliance":"HBBTV_1_5"`, avc, sound), dash + "/hbbtvCompliance", true},
		{"AV1 in HbbTV", streamOf(DASH, to+`,"segmentLength":10,"hbbtvCompliance":"HBBTV_1_5"`, av1, sound), v + "/videoDescription/codecSettings/codec", true},
		{"AC-3 in HbbTV", streamOf(DASH, to+`,"segmentLength":10,"hbbtvCompliance":"HBBTV_1_5"`, avc, audioSettings[media.AC3]), a + "/audioDescriptions/0/codecSettings/codec", true},
		{"an extension of a segment", strings.Replace(streamOf(DASH, to, avc, sound), `{"nameModifier":"_v"`, `{"extension":"m4s","nameModifier":"_v"`, 1), v + "/extension", true},
		{"input metadata of keys and values", strings.Replace(streamOf(DASH, to, avc, sound), `"MPD"},"video`, `"MPD","mpdSettings":{"klvMetadata":"PASSTHROUGH"}},"video`, 1), v + "/containerSettings/mpdSettings/klvMetadata", true},
		{"pictures late in HLS", streamOf(CMAF, to+`,"ptsOffsetHandlingForBFrames":"MATCH_INITIAL_PTS"`, avc, sound), cmaf + "/ptsOffsetHandlingForBFrames", true},
		{"metadata in sound without a container", inSound(toHLS+`,"timedMetadataId3Frame":"PRIV"`, `"M3U8","m3u8Settings":{"timedMetadata":"PASSTHROUGH"}`), a + "/containerSettings/m3u8Settings/timedMetadata", true},
		{"two defaults of a group", twoSounds(AppleHLS, `"outputSettings":{"hlsSettings":{"audioGroupId":"g","audioTrackType":"ALTERNATE_AUDIO_AUTO_SELECT_DEFAULT"}},`), group + "/outputs/2/outputSettings/hlsSettings/audioTrackType", false},
		{"two defaults of no group", twoSounds(AppleHLS, `"outputSettings":{"hlsSettings":{"audioTrackType":"ALTERNATE_AUDIO_AUTO_SELECT_DEFAULT"}},`), group + "/outputs/2/outputSettings/hlsSettings/audioTrackType", false},
		{"pictures where sound is", inPictures(`"videoPid":482`), v + "/containerSettings/m3u8Settings/videoPid", false},
		{"sound where pictures are", inPictures(`"audioPids":[481]`), v + "/containerSettings/m3u8Settings/audioPids/0", false},
		{"the program map where pictures are", inPictures(`"pmtPid":481`), v + "/containerSettings/m3u8Settings/pmtPid", false},
		{"the clock in the program map", inPictures(`"pcrPid":480`), v + "/containerSettings/m3u8Settings/pcrPid", false},
		{"metadata where sound is", inPictures(`"timedMetadata":"PASSTHROUGH","timedMetadataPid":482`), v + "/containerSettings/m3u8Settings/timedMetadataPid", false},
		{"the program of the network", inPictures(`"programNumber":0`), v + "/containerSettings/m3u8Settings/programNumber", false},
		{"another container", strings.Replace(streamOf(CMAF, to, avc, sound), `"CMFC"},"video`, `"MP4"},"video`, 1), v + "/containerSettings/container", false},
		{"a tag that is none", strings.Replace(atTimeline, "HOLE", insertion("AAAA", "00:00:01:00"), 1), "/timedMetadataInsertion/id3Insertions/0/id3", true},
		{"a tag that is longer than it says", strings.Replace(atTimeline, "HOLE", insertion("SUQzBAAAAAAAAAAA", "00:00:01:00"), 1), "/timedMetadataInsertion/id3Insertions/0/id3", true},
		{"no date", strings.Replace(atTimeline, "HOLE", `,"timecodeConfig":{"timestampOffset":"2024-02-30"}`, 1), "/timecodeConfig/timestampOffset", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			invalid, lack := Check(settings(t, c.text), everything)
			found := invalid
			if c.lacks {
				found = lack
			}
			if !slices.ContainsFunc(found, func(r Refusal) bool { return r.Path == c.path }) {
				t.Errorf("want %s, got invalid %v, not offered %v", c.path, invalid, lack)
			}
		})
	}
}

// twoSounds is a group of one picture and two sounds with the same members.
func twoSounds(kind GroupKind, members string) string {
	text := streamOf(kind, toHLS, videoSettings[media.AVC], audioSettings[media.AAC])
	first := text[strings.Index(text, `{"nameModifier":"_a"`):strings.LastIndex(text, "]}]}")]
	first = strings.Replace(first, "{", "{"+members, 1)
	return text[:strings.Index(text, `{"nameModifier":"_a"`)] + first + "," + strings.Replace(first, `"_a"`, `"_b"`, 1) + "]}]}"
}

// TestSharedPackets: what may be in one packet identifier, and what is not in the output, is not refused.
func TestSharedPackets(t *testing.T) {
	t.Parallel()
	pictures := streamOf(AppleHLS, toHLS, videoSettings[media.AVC], audioSettings[media.AAC])
	both := strings.Replace(pictures, `{"nameModifier":"_v",`, `{"nameModifier":"_v","audioDescriptions":[`+aac+`],`, 1)
	for _, c := range []struct{ text, m3u8 string }{
		{both, `"videoPid":300,"pcrPid":300`},
		{both, `"pcrPid":482`},
		{both, `"audioPids":[482,483]`},
		{both, `"programNumber":1,"timedMetadataPid":482`},
		{pictures, `"videoPid":482`},
	} {
		text := strings.Replace(c.text, `"M3U8"},"video`, `"M3U8","m3u8Settings":{`+c.m3u8+`}},"video`, 1)
		if invalid, lack := Check(settings(t, text), everything); len(invalid)+len(lack) > 0 {
			t.Errorf("%s: %v %v", c.m3u8, invalid, lack)
		}
	}
}

// TestDefaultSound: one of a group is the default: that which the job names, else the first.
func TestDefaultSound(t *testing.T) {
	t.Parallel()
	open := twoSounds(AppleHLS, `"outputSettings":{"hlsSettings":{"audioGroupId":"g"}},`)
	named := strings.Replace(open, `"audioGroupId":"g"}},"nameModifier":"_b"`, `"audioGroupId":"g","audioTrackType":"ALTERNATE_AUDIO_AUTO_SELECT_DEFAULT"}},"nameModifier":"_b"`, 1)
	for text, want := range map[string][2]bool{open: {true, false}, named: {false, true}} {
		r := mustPlan(t, text, film()).Streams[0].Representations
		if got := [2]bool{r[1].Default, r[2].Default}; got != want {
			t.Errorf("default: %v, want %v", got, want)
		}
		if !r[1].AutoSelect || !r[2].AutoSelect || r[1].Alternate || r[2].Alternate != want[1] {
			t.Errorf("got %+v", r[1:])
		}
	}
}

// TestRatesOfSound: in DASH, sounds that differ in nothing but the rate have one name, so that they are one set; in HLS each has its own (RFC 8216 4.3.4.1.1).
func TestRatesOfSound(t *testing.T) {
	t.Parallel()
	for kind, same := range map[GroupKind]bool{DASH: true, AppleHLS: false} {
		text := streamOf(kind, map[GroupKind]string{DASH: to, AppleHLS: toHLS}[kind], videoSettings[media.AVC], audioSettings[media.AAC])
		at := strings.Index(text, `{"nameModifier":"_a"`)
		second := strings.NewReplacer(`"_a"`, `"_b"`, "96000", "64000").Replace(text[at:strings.LastIndex(text, "]}]}")])
		r := mustPlan(t, text[:strings.LastIndex(text, "]}]}")]+","+second+"]}]}", film()).Streams[0].Representations
		if (r[1].Name == r[2].Name) != same || r[1].Audio[0] == r[2].Audio[0] {
			t.Errorf("kind %v: %q and %q", kind, r[1].Name, r[2].Name)
		}
	}
}

func TestTimecode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text     string
		num, den int64
		want     time.Duration
	}{
		{"00:00:00:00", 25, 1, 0},
		{"01:00:00:00", 25, 1, time.Hour},
		{"00:00:01:05", 25, 1, 1200 * time.Millisecond},
		// Ten minutes of drop frame are 17982 frames, which last 599.9994 s; without dropping they are 18000, and 600.6 s.
		{"00:10:00;00", 30000, 1001, 17982 * 1001 * time.Second / 30000},
		{"00:10:00:00", 30000, 1001, 600_600 * time.Millisecond},
		{"00:01:00;02", 30000, 1001, 1800 * 1001 * time.Second / 30000},
		{"00:01:00;04", 60000, 1001, 3600 * 1001 * time.Second / 60000},
	} {
		tc, err := parseTimecode(c.text)
		r := media.Rational{Num: c.num, Den: c.den}
		if got := after(tc.count(r), r); err != nil || got != c.want {
			t.Errorf("%s at %v: got %v, %v; want %v", c.text, r, got, err, c.want)
		}
	}
	for _, bad := range []string{"", "1:00:00:00", "00:60:00:00", "00:00:60:00", "25:00:00:00", "00:00:00.00", "00-00-00-00", "aa:00:00:00"} {
		if _, err := parseTimecode(bad); err == nil {
			t.Errorf("%q: want an error", bad)
		}
	}
}

// TestBeginning: the date and time of the first picture.
func TestBeginning(t *testing.T) {
	t.Parallel()
	text := strings.Replace(atTimeline, "HOLE", `,"timecodeConfig":{"timestampOffset":"2024-02-29"}`, 1)
	source := film()
	source.Timecode = "10:00:00:12"
	if got, want := mustPlan(t, text, source).Streams[0].HLS[0].Begin, time.Date(2024, 2, 29, 10, 0, 0, 480_000_000, time.UTC); !got.Equal(want) {
		t.Errorf("embedded: got %v, want %v", got, want)
	}
	zero := strings.Replace(atTimeline, "HOLE", `,"timecodeConfig":{"source":"ZEROBASED"}`, 1)
	if got, want := mustPlan(t, zero, source).Streams[0].HLS[0].Begin, start.UTC().Truncate(24*time.Hour); !got.Equal(want) {
		t.Errorf("zero based: got %v, want %v", got, want)
	}
	early := strings.Replace(atTimeline, "HOLE", `,"timecodeConfig":{"source":"SPECIFIEDSTART","start":"01:00:00:00"}`+insertion(id3Tag, "00:59:59:24"), 1)
	var failed *job.Error
	if _, err := New(settings(t, early), source, Options{Start: start}); !errors.As(err, &failed) || failed.Code != 1040 {
		t.Errorf("metadata before the first picture: got %v, want 1040", err)
	}
}

// FuzzParseID3: what is taken for a tag is one, whole.
func FuzzParseID3(f *testing.F) {
	for _, s := range []string{id3Tag, "SUQzBAAAAAAACgAAAAAAAAAAAAAA", "SUQz", "", "!", "SUQzBAAQAAAAAAAAAAAAAAAAAAA="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tag, err := parseID3(text)
		if err == nil && (len(tag) < 10 || string(tag[:3]) != "ID3" || len(tag) > maxID3) {
			t.Errorf("took %q", tag)
		}
	})
}

// FuzzParseTimecode: what is read counts up to a day and no further than its digits say.
func FuzzParseTimecode(f *testing.F) {
	for _, s := range []string{"00:00:00:00", "23:59:59;29", "24:00:00:00", "::::", "00:00:00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tc, err := parseTimecode(text)
		if err == nil && tc.count(media.Rational{Num: 30000, Den: 1001}) < 0 {
			t.Errorf("%q counts below zero", text)
		}
	})
}

// TestNoReservedNames: control characters, which stand for numbers and times inside the plan, come from no job.
func TestNoReservedNames(t *testing.T) {
	t.Parallel()
	for _, mark := range []string{`\u0001`, `\u0003`, `\u0004`, `\u0005`} {
		invalid, _ := Check(settings(t, strings.Replace(streamOf(DASH, to, h264, audioSettings[media.AAC]), `"_v"`, `"_v`+mark+`"`, 1)), everything)
		if len(invalid) == 0 {
			t.Errorf("%s in a name modifier: want a refusal", mark)
		}
	}
}
