package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/google/go-cmp/cmp"

	"darkroom/internal/job"
	"darkroom/internal/media"
)

// everything is an encoder that lacks nothing.
var everything = Capabilities{Encoders: []media.Codec{media.AVC, media.HEVC, media.AV1, media.AAC, media.AC3, media.EAC3}, StillPictures: true, Deinterlace: true, KeyRegion: "us-east-1", Storage: StorageCapabilities{
	Encryptions: []Encryption{StoreKeys, ServiceKey}, ACLs: types.S3ObjectCannedAcl("").Values(), Classes: types.S3StorageClass("").Values(), Region: "us-east-1",
}}

// settings reads Go-cased JSON: encoding/json ignores the case of names.
func settings(t *testing.T, text string) *types.JobSettings {
	t.Helper()
	s := new(types.JobSettings)
	if err := json.Unmarshal([]byte(text), s); err != nil {
		t.Fatal(err)
	}
	return s
}

const (
	h264  = `{"codec":"H_264","h264Settings":{"rateControlMode":"QVBR","maxBitrate":2000000}}`
	aac   = `{"codecSettings":{"codec":"AAC","aacSettings":{"bitrate":96000,"codingMode":"CODING_MODE_2_0","sampleRate":48000}}}`
	mp4   = `{"container":"MP4"}`
	video = `{"width":1280,"height":720,"codecSettings":` + h264 + `}`
)

func fileJob(outputs ...string) string {
	return `{"inputs":[{"fileInput":"s3://in/film.mov","audioSelectors":{"Audio Selector 1":{"defaultSelection":"DEFAULT"}}}],"outputGroups":[{"outputGroupSettings":{"type":"FILE_GROUP_SETTINGS","fileGroupSettings":{"destination":"s3://out/x/"}},"outputs":[` + strings.Join(outputs, ",") + `]}]}`
}

func hlsJob(group string, outputs ...string) string {
	return `{"inputs":[{"fileInput":"s3://in/film.mov"}],"outputGroups":[{"outputGroupSettings":{"type":"HLS_GROUP_SETTINGS","hlsGroupSettings":{"destination":"s3://out/h/","minSegmentLength":0` + group + `}},"outputs":[` + strings.Join(outputs, ",") + `]}]}`
}

func film() *Probe {
	return &Probe{Demuxer: "mov", Duration: 10 * time.Second, Streams: []Stream{
		{Index: 0, Kind: media.Video, Codec: "h264", Decodable: true, Width: 1920, Height: 1080, FrameRate: media.Rational{Num: 25, Den: 1}},
		{Index: 1, Kind: media.Audio, Codec: "aac", Decodable: true, SampleRate: 48000, Channels: 2, Language: "eng"},
		{Index: 2, Kind: media.Audio, Codec: "aac", Decodable: true, SampleRate: 48000, Channels: 6, Language: "deu"},
	}}
}

func mustPlan(t *testing.T, text string, p *Probe) *Plan {
	t.Helper()
	s := settings(t, text)
	if bad, lack := Check(s, everything); len(bad)+len(lack) > 0 {
		t.Fatalf("Check: invalid %v, not offered %v", bad, lack)
	}
	got, err := New(s, p, Options{Start: start})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestEncodeOnce: what is the same is encoded once, whichever groups ask for it.
func TestEncodeOnce(t *testing.T) {
	t.Parallel()
	text := `{"inputs":[{"fileInput":"s3://in/film.mov"}],"outputGroups":[
	 {"outputGroupSettings":{"type":"FILE_GROUP_SETTINGS","fileGroupSettings":{"destination":"s3://out/"}},"outputs":[
	   {"containerSettings":{"container":"MP4"},"videoDescription":` + video + `,"audioDescriptions":[` + aac + `]}]},
	 {"outputGroupSettings":{"type":"HLS_GROUP_SETTINGS","hlsGroupSettings":{"destination":"s3://out/h/","minSegmentLength":0,"segmentLength":6}},"outputs":[
	   {"nameModifier":"_1","containerSettings":{"container":"M3U8"},"videoDescription":` + video + `,"audioDescriptions":[` + aac + `]},
	   {"nameModifier":"_2","containerSettings":{"container":"M3U8"},"videoDescription":{"width":640,"height":360,"codecSettings":` + h264 + `},"audioDescriptions":[` + aac + `]}]}]}`
	p := mustPlan(t, text, film())
	var ids []string
	for _, r := range p.Renditions {
		ids = append(ids, r.ID)
	}
	if d := cmp.Diff([]string{"v0", "a0", "v1"}, ids); d != "" {
		t.Errorf("renditions (-want +got):\n%s", d)
	}
	if got := p.Renditions[0].Video.SegmentLength; got != 6*time.Second {
		t.Errorf("the shared encoding has key frames each %v, want 6s", got)
	}
	if r := p.Streams[0].Representations; p.Files[0].Video != "v0" || r[0].Video != "v0" || r[1].Video != "v1" || r[1].Audio[0] != "a0" {
		t.Errorf("packages: %+v %+v", p.Files, p.Streams)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	p := mustPlan(t, `{"inputs":[{"fileInput":"s3://in/film.mov"}],"outputGroups":[
	 {"outputGroupSettings":{"type":"FILE_GROUP_SETTINGS","fileGroupSettings":{"destination":"s3://out/a/"}},"outputs":[
	   {"nameModifier":"_$w$","containerSettings":{"container":"MP4"},"videoDescription":`+video+`},
	   {"nameModifier":"_a","extension":"m4a","containerSettings":{"container":"MP4"},"audioDescriptions":[`+aac+`]},
	   {"nameModifier":"_t","containerSettings":{"container":"RAW"},"videoDescription":{"codecSettings":{"codec":"FRAME_CAPTURE","frameCaptureSettings":{"framerateNumerator":1,"framerateDenominator":5}}}}]},
	 {"outputGroupSettings":{"type":"HLS_GROUP_SETTINGS","hlsGroupSettings":{"destination":"s3://out/h/main","minSegmentLength":0}},"outputs":[
	   {"nameModifier":"_v","outputSettings":{"hlsSettings":{"segmentModifier":"-s"}},"containerSettings":{"container":"M3U8"},"videoDescription":`+video+`}]}]}`, film())
	got := []string{p.Files[0].Key, p.Files[1].Key, p.Captures[0].Prefix, p.Captures[0].Extension, p.Streams[0].HLS[0].Key, p.Streams[0].Representations[0].Playlist.Key, p.Streams[0].Representations[0].Segments.Key}
	want := []string{"a/film_1280.mp4", "a/film_a.m4a", "a/film_t.", ".jpg", "h/main.m3u8", "h/main_v.m3u8", "h/main_v-s_"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("keys (-want +got):\n%s", d)
	}
}

func TestGeometry(t *testing.T) {
	t.Parallel()
	type size struct{ W, H, SW, SH int }
	wide := media.Rational{Num: 64, Den: 45}
	for _, c := range []struct {
		name, members string
		w, h          int
		sar           media.Rational
		want          size
	}{
		{"the source's", ``, 1920, 1080, media.Rational{}, size{1920, 1080, 1920, 1080}},
		{"odd source", ``, 853, 481, media.Rational{}, size{854, 482, 854, 482}},
		{"both", `"width":1280,"height":720,`, 1920, 1080, media.Rational{}, size{1280, 720, 1280, 720}},
		{"height alone", `"height":720,`, 1920, 1080, media.Rational{}, size{1280, 720, 1280, 720}},
		{"width alone", `"width":640,`, 1920, 1080, media.Rational{}, size{640, 360, 640, 360}},
		{"pillars", `"width":1280,"height":720,`, 1440, 1080, media.Rational{}, size{1280, 720, 960, 720}},
		{"letterbox", `"width":640,"height":480,`, 1920, 1080, media.Rational{}, size{640, 480, 640, 360}},
		{"stretch", `"width":640,"height":480,"scalingBehavior":"STRETCH_TO_OUTPUT",`, 1920, 1080, media.Rational{}, size{640, 480, 640, 480}},
		{"fill crops", `"width":640,"height":480,"scalingBehavior":"FILL",`, 1920, 1080, media.Rational{}, size{640, 480, 854, 480}},
		{"fit", `"width":640,"height":480,"scalingBehavior":"FIT",`, 1920, 1080, media.Rational{}, size{640, 360, 640, 360}},
		{"fit does not enlarge", `"width":1280,"height":720,"scalingBehavior":"FIT_NO_UPSCALE",`, 320, 180, media.Rational{}, size{320, 180, 320, 180}},
		{"anamorphic keeps its shape", ``, 720, 576, wide, size{720, 576, 720, 576}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := film()
			f.Streams[0].Width, f.Streams[0].Height, f.Streams[0].SampleAspectRatio = c.w, c.h, c.sar
			p := mustPlan(t, fileJob(`{"containerSettings":`+mp4+`,"videoDescription":{`+c.members+`"codecSettings":`+h264+`}}`), f)
			v := p.Renditions[0].Video
			if got := (size{v.Width, v.Height, v.ScaledWidth, v.ScaledHeight}); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestSquarePixelsFromAnamorphic(t *testing.T) {
	t.Parallel()
	f := film()
	f.Streams[0].Width, f.Streams[0].Height, f.Streams[0].SampleAspectRatio = 720, 576, media.Rational{Num: 64, Den: 45}
	p := mustPlan(t, fileJob(`{"containerSettings":`+mp4+`,"videoDescription":{"codecSettings":{"codec":"H_264","h264Settings":{"rateControlMode":"CBR","bitrate":1000000,"parControl":"SPECIFIED","parNumerator":1,"parDenominator":1}}}}`), f)
	if v := p.Renditions[0].Video; v.Width != 1024 || v.Height != 576 {
		t.Errorf("got %dx%d, want 1024x576", v.Width, v.Height)
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	f := film()
	f.Streams[0].Rotation = 90
	text := strings.Replace(fileJob(`{"containerSettings":`+mp4+`,"videoDescription":{"codecSettings":`+h264+`}}`), `"audioSelectors"`, `"videoSelector":{"rotate":"AUTO"},"audioSelectors"`, 1)
	p := mustPlan(t, text, f)
	if v := p.Renditions[0].Video; p.Source.Rotation != 90 || v.Width != 1080 || v.Height != 1920 {
		t.Errorf("got rotation %d, %dx%d", p.Source.Rotation, v.Width, v.Height)
	}
}

func TestAudioSelection(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, selector string
		streams        []int
		code           int
	}{
		{"no selector asks for the first", `{}`, []int{1}, 0},
		{"track", `{"tracks":[2]}`, []int{2}, 0},
		{"tracks are joined in order", `{"tracks":[2,1]}`, []int{2, 1}, 0},
		{"language", `{"selectorType":"LANGUAGE_CODE","languageCode":"DEU"}`, []int{2}, 0},
		{"missing track, default", `{"tracks":[9],"defaultSelection":"DEFAULT"}`, []int{1}, 0},
		{"missing track", `{"tracks":[9]}`, nil, 1021},
		{"missing language", `{"selectorType":"LANGUAGE_CODE","languageCode":"FRA"}`, nil, 1021},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(fileJob(`{"containerSettings":`+mp4+`,"audioDescriptions":[`+aac+`]}`), `{"defaultSelection":"DEFAULT"}`, c.selector, 1)
			p, err := New(settings(t, text), film(), Options{Start: start})
			var failed *job.Error
			if errors.As(err, &failed) && failed.Code == c.code && c.code != 0 {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []int
			for _, s := range p.Renditions[0].Audio.Sources {
				got = append(got, s.Stream)
			}
			if !slices.Equal(got, c.streams) {
				t.Errorf("streams: got %v, want %v", got, c.streams)
			}
		})
	}
}

func TestSourceTrouble(t *testing.T) {
	t.Parallel()
	full := fileJob(`{"containerSettings":` + mp4 + `,"videoDescription":` + video + `,"audioDescriptions":[` + aac + `]}`)
	sound := fileJob(`{"containerSettings":` + mp4 + `,"audioDescriptions":[` + aac + `]}`)
	for _, c := range []struct {
		name, text string
		change     func(*Probe)
		code       int
	}{
		{"no video", full, func(p *Probe) { p.Streams = p.Streams[1:] }, 1020},
		{"a cover is no video", full, func(p *Probe) { p.Streams[0].Attached = true }, 1020},
		{"video codec", full, func(p *Probe) { p.Streams[0].Decodable = false }, 1030},
		{"audio codec", full, func(p *Probe) { p.Streams[1].Decodable = false }, 1030},
		{"sound alone without sound", sound, func(p *Probe) { p.Streams = p.Streams[:1] }, 1021},
		{"picture without sound is fine", full, func(p *Probe) { p.Streams = p.Streams[:1] }, 0},
		{"no size", full, func(p *Probe) { p.Streams[0].Width = 0 }, 1020},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := film()
			c.change(f)
			_, err := New(settings(t, c.text), f, Options{Start: start})
			var failed *job.Error
			switch {
			case c.code == 0 && err != nil:
				t.Errorf("got %v", err)
			case c.code != 0 && (!errors.As(err, &failed) || failed.Code != c.code):
				t.Errorf("got %v, want code %d", err, c.code)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	out := func(v string) string { return `{"containerSettings":` + mp4 + `,"videoDescription":` + v + `}` }
	h := func(members string) string {
		return fileJob(out(`{"codecSettings":{"codec":"H_264","h264Settings":{` + members + `}}}`))
	}
	const v0 = "/outputGroups/0/outputs/0/videoDescription"
	for _, c := range []struct {
		name, text       string
		invalid, lacking string // the path of the first, "" for none
	}{
		{"fine", fileJob(out(video)), "", ""},
		{"no inputs", `{"outputGroups":[]}`, "", ""},
		{"captures alone", fileJob(`{"containerSettings":{"container":"RAW"},"videoDescription":{"codecSettings":{"codec":"FRAME_CAPTURE","frameCaptureSettings":{}}}}`), "/outputGroups", ""},
		{"CBR without bitrate", h(`"rateControlMode":"CBR"`), v0 + "/codecSettings/h264Settings", ""},
		{"CBR with max bitrate", h(`"rateControlMode":"CBR","bitrate":1,"maxBitrate":2`), v0 + "/codecSettings/h264Settings", ""},
		{"VBR without bitrate", h(`"rateControlMode":"VBR"`), v0 + "/codecSettings/h264Settings", ""},
		{"QVBR without max bitrate", h(`"rateControlMode":"QVBR"`), v0 + "/codecSettings/h264Settings", ""},
		{"no rate control", h(``), v0 + "/codecSettings/h264Settings", ""},
		{"rate without denominator", h(`"bitrate":1000,"framerateControl":"SPECIFIED","framerateNumerator":25`), v0 + "/codecSettings/h264Settings", ""},
		{"odd width", fileJob(out(`{"width":641,"codecSettings":` + h264 + `}`)), v0 + "/width", ""},
		{"M3U8 in a file group", fileJob(`{"containerSettings":{"container":"M3U8"},"videoDescription":` + video + `}`), "/outputGroups/0", ""},
		{"HLS without minSegmentLength", `{"inputs":[{"fileInput":"s3://a/b"}],"outputGroups":[{"outputGroupSettings":{"type":"HLS_GROUP_SETTINGS","hlsGroupSettings":{}},"outputs":[{"containerSettings":{"container":"M3U8"},"videoDescription":` + video + `}]}]}`, "/outputGroups/0/outputGroupSettings/hlsGroupSettings", ""},
		{"sample rate", fileJob(`{"containerSettings":` + mp4 + `,"audioDescriptions":[{"codecSettings":{"codec":"AAC","aacSettings":{"codingMode":"CODING_MODE_2_0","sampleRate":47000}}}]}`), "/outputGroups/0/outputs/0/audioDescriptions/0/codecSettings/aacSettings/sampleRate", ""},
		{"unknown selector", fileJob(`{"containerSettings":` + mp4 + `,"audioDescriptions":[{"audioSourceName":"nobody",` + aac[1:] + `]}`), "", "/outputGroups/0/outputs/0/audioDescriptions/0/audioSourceName"},
		{"the same name twice", fileJob(`{"nameModifier":"_a",`+out(video)[1:], `{"nameModifier":"_a",`+out(video)[1:]), "/outputGroups/0/outputs/1/nameModifier", ""},
		{"HLS names collide with the master", hlsJob(``, `{"containerSettings":{"container":"M3U8"},"videoDescription":`+video+`}`), "/outputGroups/0/outputs/0", ""},
		{"destination", strings.Replace(fileJob(out(video)), "s3://out/x/", "s3:///x/", 1), "/outputGroups/0/outputGroupSettings/fileGroupSettings/destination", ""},

		{"multi-pass", h(`"rateControlMode":"QVBR","maxBitrate":1000,"qualityTuningLevel":"MULTI_PASS_HQ"`), "", v0 + "/codecSettings/h264Settings/qualityTuningLevel"},
		{"interlaced", h(`"bitrate":1000,"interlaceMode":"TOP_FIELD"`), "", v0 + "/codecSettings/h264Settings/interlaceMode"},
		{"HEVC without a rate", fileJob(out(`{"codecSettings":{"codec":"H_265"}}`)), v0 + "/codecSettings/h265Settings", ""},
		{"an input with credentials", strings.Replace(fileJob(out(video)), "s3://in/film.mov", "https://me:pw@host/film.mov", 1), "/inputs/0/fileInput", ""},
		{"an input of another scheme", strings.Replace(fileJob(out(video)), "s3://in/film.mov", "ftp://host/film.mov", 1), "/inputs/0/fileInput", ""},
		{"nowhere to write", strings.Replace(strings.Replace(fileJob(out(video)), "s3://in/film.mov", "https://host/film.mov", 1), `"destination":"s3://out/x/"`, "", 1), "/outputGroups/0/outputGroupSettings/fileGroupSettings", ""},
		{"HE-AAC", fileJob(`{"containerSettings":` + mp4 + `,"audioDescriptions":[` + strings.Replace(aac, `"bitrate"`, `"codecProfile":"HEV1","bitrate"`, 1) + `]}`), "", "/outputGroups/0/outputs/0/audioDescriptions/0/codecSettings/aacSettings/codecProfile"},
		{"a preset that nobody looked up", fileJob(`{"preset":"System-X"}`), "/outputGroups/0/outputs/0", ""},
		{"crop is not in the table", fileJob(out(`{"crop":{"x":0,"y":0,"width":10,"height":10},"codecSettings":` + h264 + `}`)), "", v0 + "/crop"},
		{"encryption", hlsJob(`,"encryption":{"type":"STATIC_KEY","staticKeyProvider":{"staticKeyValue":"00112233445566778899aabbccddeeff","url":"https://k"}}`, `{"containerSettings":{"container":"M3U8"},"nameModifier":"_v","videoDescription":`+video+`}`), "/outputGroups/0/outputGroupSettings/hlsGroupSettings/encryption", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			bad, lack := Check(settings(t, c.text), everything)
			first := func(r []Refusal) string {
				if len(r) == 0 {
					return ""
				}
				return r[0].Path
			}
			if c.name == "no inputs" {
				if len(bad) != 2 {
					t.Errorf("got %v, want both members named", bad)
				}
				return
			}
			if first(bad) != c.invalid || first(lack) != c.lacking {
				t.Errorf("got invalid %v, not offered %v; want %q, %q", bad, lack, c.invalid, c.lacking)
			}
		})
	}
}

func TestCheckNamesWhatTheEncoderLacks(t *testing.T) {
	t.Parallel()
	s := settings(t, fileJob(`{"containerSettings":`+mp4+`,"videoDescription":`+video+`,"audioDescriptions":[`+aac+`]}`))
	_, lack := Check(s, Capabilities{})
	if len(lack) != 2 || !strings.Contains(lack[0].Reason, "H.264") || !strings.Contains(lack[1].Reason, "AAC") {
		t.Errorf("got %v", lack)
	}
}

// TestEveryAnswerHasAMember: an answer for a member that the model does not have would be dead.
func TestEveryAnswerHasAMember(t *testing.T) {
	t.Parallel()
	have := map[string]bool{}
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(rt reflect.Type) {
		switch rt.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			walk(rt.Elem())
		case reflect.Struct:
			if seen[rt] {
				return
			}
			seen[rt] = true
			for i := range rt.NumField() {
				have[rt.Name()+"."+rt.Field(i).Name] = true
				walk(rt.Field(i).Type)
			}
		}
	}
	walk(reflect.TypeFor[types.JobSettings]())
	for name := range members {
		if !have[name] {
			t.Errorf("%s is not a member of the model", name)
		}
	}
}

// TestNothingIgnored sets each enum member of the structures that are carried out to each of its values, one at a time: every value is
// either refused by its path or one that the table names.
func TestNothingIgnored(t *testing.T) {
	t.Parallel()
	s := settings(t, fileJob(`{"containerSettings":`+mp4+`,"videoDescription":`+video+`}`))
	h := s.OutputGroups[0].Outputs[0].VideoDescription.CodecSettings.H264Settings
	v := reflect.ValueOf(h).Elem()
	tried := 0
	for i := range v.NumField() {
		f := v.Type().Field(i)
		values := v.Field(i).MethodByName("Values")
		if !values.IsValid() || f.Name == "RateControlMode" {
			continue
		}
		list := values.Call(nil)[0]
		before := reflect.New(f.Type).Elem()
		before.Set(v.Field(i))
		for j := range list.Len() {
			v.Field(i).Set(list.Index(j))
			_, lack := Check(s, everything)
			a := members["H264Settings."+f.Name]
			named := len(a.values) == 0 && !a.refuseAll || slices.Contains(a.values, list.Index(j).String())
			refused := slices.ContainsFunc(lack, func(r Refusal) bool { return strings.HasSuffix(r.Path, "/"+wireName(f.Name)) })
			if named == refused {
				t.Errorf("%s = %s: named in the table %v, refused %v (%v)", f.Name, list.Index(j), named, refused, lack)
			}
			tried++
		}
		v.Field(i).Set(before)
	}
	if tried < 50 {
		t.Errorf("only %d values were tried", tried)
	}
}

func TestHLSAudioGroups(t *testing.T) {
	t.Parallel()
	variant := `{"nameModifier":"_v","containerSettings":{"container":"M3U8"},"videoDescription":` + video + `%s}`
	sound := func(modifier, settings string) string {
		return `{"nameModifier":"` + modifier + `","containerSettings":{"container":"M3U8"},"audioDescriptions":[` + aac + `],"outputSettings":{"hlsSettings":{` + settings + `}}}`
	}
	t.Run("the silent variant takes the first group", func(t *testing.T) {
		t.Parallel()
		p := mustPlan(t, hlsJob(``, fmt.Sprintf(variant, ``), sound("_a", `"audioGroupId":"g"`)), film())
		if r := p.Streams[0].Representations; r[0].AudioGroup != "g" || r[1].Variant || !r[1].Default || r[1].Name != "eng" {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("a group that no output makes is none", func(t *testing.T) {
		t.Parallel()
		p := mustPlan(t, hlsJob(``, fmt.Sprintf(variant, `,"audioDescriptions":[`+aac+`],"outputSettings":{"hlsSettings":{"audioRenditionSets":"program_audio"}}`)), film())
		if g := p.Streams[0].Representations[0].AudioGroup; g != "" {
			t.Errorf("got %q", g)
		}
	})
	t.Run("names differ in a group", func(t *testing.T) {
		t.Parallel()
		p := mustPlan(t, hlsJob(``, fmt.Sprintf(variant, ``), sound("_a", ``), sound("_b", `"audioTrackType":"ALTERNATE_AUDIO_NOT_AUTO_SELECT"`)), film())
		a, b := p.Streams[0].Representations[1], p.Streams[0].Representations[2]
		if a.Name == b.Name || b.Default || b.AutoSelect {
			t.Errorf("got %+v, %+v", a, b)
		}
	})
}

func TestAccess(t *testing.T) {
	t.Parallel()
	s := settings(t, strings.Replace(fileJob(`{"containerSettings":`+mp4+`,"videoDescription":`+video+`}`), "s3://out/x/", "s3://out/$d$/", 1))
	a, err := NewAccess(s, start)
	if err != nil {
		t.Fatal(err)
	}
	want := Access{Inputs: []Input{{Object: Location{Bucket: "in", Key: "film.mov"}}}, Outputs: []Location{{Bucket: "out", Key: "20200604/film"}}}
	if d := cmp.Diff(want, a); d != "" {
		t.Errorf("access (-want +got):\n%s", d)
	}
	// Every key of the plan begins with what is granted.
	p := mustPlan(t, fileJob(`{"nameModifier":"_x","containerSettings":`+mp4+`,"videoDescription":`+video+`}`), film())
	granted, err := NewAccess(settings(t, fileJob(`{"containerSettings":`+mp4+`,"videoDescription":`+video+`}`)), start)
	if err != nil || !strings.HasPrefix(p.Files[0].Key, granted.Outputs[0].Key) {
		t.Errorf("%q is not under %q (%v)", p.Files[0].Key, granted.Outputs[0].Key, err)
	}
	if _, err := NewAccess(&types.JobSettings{}, start); err == nil {
		t.Error("no input: want an error")
	}
}
