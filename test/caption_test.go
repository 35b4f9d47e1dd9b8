package test

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// sidecar are captions in SubRip of a film of 6 s: in italics, across the end of a segment, at the top.
const sidecar = "1\n00:00:00,500 --> 00:00:01,500\nHello <i>world</i>\n\n2\n00:00:01,800 --> 00:00:04,200\nAcross & on\n\n3\n00:00:05,000 --> 00:00:30,000\n{\\an8}Up <b>there</b>\n"

// captioned are the settings of a job of every group with captions, whose selector is as given.
func captioned(input, selector, destination string) string {
	output := func(modifier, container, what string) string {
		return strings.NewReplacer("MODIFIER", modifier, "CONTAINER", container, "WHAT", what).Replace(`{"NameModifier": "MODIFIER", "ContainerSettings": {CONTAINER}, WHAT}`)
	}
	text := func(kind, members string) string {
		return `"CaptionDescriptions": [{"CaptionSelectorName": "c", "LanguageCode": "ENG", "LanguageDescription": "` + kind + `", "DestinationSettings": {"DestinationType": "` + kind + `"` + members + `}}]`
	}
	group := func(kind, member, where, more string, outputs ...string) string {
		return `{"OutputGroupSettings": {"Type": "` + kind + `", "` + member + `": {"Destination": "` + destination + `/` + where + `/film"` + more + `}}, "Outputs": [` + strings.Join(outputs, ", ") + `]}`
	}
	const (
		video = `"VideoDescription": {"Width": 320, "Height": 180, "CodecSettings": {"Codec": "H_264", "H264Settings": {"RateControlMode": "QVBR", "MaxBitrate": 400000, "GopSize": 1, "GopSizeUnits": "SECONDS"}}}`
		sound = `"AudioDescriptions": [{"CodecSettings": {"Codec": "AAC", "AacSettings": {"Bitrate": 96000, "CodingMode": "CODING_MODE_2_0", "SampleRate": 48000}}}]`
		vtt   = `, "WebvttDestinationSettings": {"StylePassthrough": "ENABLED", "Accessibility": "ENABLED"}`
		ttml  = `, "TtmlDestinationSettings": {"StylePassthrough": "ENABLED"}`
		m3u8  = `"Container": "M3U8"`
		cmfc  = `"Container": "CMFC"`
		mpd   = `"Container": "MPD"`
		frag  = `"Container": "MPD", "MpdSettings": {"CaptionContainerType": "FRAGMENTED_MP4"}`
		ismv  = `"Container": "ISMV"`
		raw   = `"Container": "RAW"`
	)
	return `{"Inputs": [{"FileInput": "` + input + `", "AudioSelectors": {"Audio Selector 1": {"DefaultSelection": "DEFAULT"}}, "CaptionSelectors": {"c": {"SourceSettings": ` + selector + `}}}],
  "OutputGroups": [` + strings.Join([]string{
		group("HLS_GROUP_SETTINGS", "HlsGroupSettings", "hls", `, "SegmentLength": 2, "MinSegmentLength": 0, "CaptionSegmentLengthControl": "MATCH_VIDEO"`, output("_v", m3u8, video+", "+sound), output("_c", m3u8, text("WEBVTT", vtt))),
		group("CMAF_GROUP_SETTINGS", "CmafGroupSettings", "cmaf", `, "SegmentLength": 2, "FragmentLength": 2`, output("_v", cmfc, video), output("_a", cmfc, sound), output("_c", cmfc, text("WEBVTT", vtt)), output("_i", cmfc, text("IMSC", ""))),
		group("DASH_ISO_GROUP_SETTINGS", "DashIsoGroupSettings", "dash", `, "SegmentLength": 2, "FragmentLength": 2`, output("_v", mpd, video), output("_a", mpd, sound), output("_t", frag, text("TTML", ttml)), output("_r", mpd, text("IMSC", "")), output("_w", mpd, text("WEBVTT", ""))),
		group("MS_SMOOTH_GROUP_SETTINGS", "MsSmoothGroupSettings", "mss", `, "FragmentLength": 2`, output("_v", ismv, video+", "+sound), output("_c", ismv, text("TTML", ""))),
		group("FILE_GROUP_SETTINGS", "FileGroupSettings", "file", ``, output("_v", `"Container": "MP4"`, video), output("_c", raw, text("SRT", `, "SrtDestinationSettings": {"StylePassthrough": "ENABLED"}`))),
	}, ", ") + `]}`
}

// captionSeen is what the page saw of captions.
type captionSeen struct {
	Shown []struct {
		Text     string
		From, To float64
		Italic   bool
	}
	Errors []string
}

// seeCaptions plays a package of dir in Chromium with captions on.
func seeCaptions(t *testing.T, dir, player, codec, manifest string) captionSeen {
	t.Helper()
	chromium, node := need(t, "chromium"), need(t, "node")
	scripts := map[string]string{"/hls.js": "hls.js/dist/hls.js", "/shaka.js": "shaka-player/dist/shaka-player.compiled.js"}
	mux := http.NewServeMux()
	for at, script := range scripts {
		path := filepath.Join("browser", "node_modules", filepath.FromSlash(script))
		if _, err := os.Stat(path); err != nil {
			absent(t, script+" is not installed: make deps-test")
		}
		mux.HandleFunc("GET "+at, func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, path) })
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, filepath.Join("browser", "captions.html"))
	})
	mux.Handle("GET /media/", http.StripPrefix("/media/", http.FileServer(http.Dir(dir))))
	server := httptest.NewServer(mux)
	defer server.Close()
	out := run(t, nil, node, filepath.Join("browser", "play.mjs"), chromium, server.URL+"/#"+player+"|"+url.PathEscape(codec)+"|"+manifest)
	var seen captionSeen
	if err := json.Unmarshal([]byte(out), &seen); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return seen
}

// TestCaptions makes captions of a file of SubRip in every kind of group: they pass our own validator, and browsers show them at their times. The credentials of the job cover
// the file, and nothing else of its bucket.
func TestCaptions(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.upload("films", "in/clip.mp4", clip(t, 6))
	srt := filepath.Join(t.TempDir(), "en.srt")
	if err := os.WriteFile(srt, []byte(sidecar), 0o600); err != nil {
		t.Fatal(err)
	}
	s.upload("words", "en.srt", srt)
	done := s.finish(s.submit(job(captioned("s3://films/in/clip.mp4", `{"SourceType": "SRT", "FileSourceSettings": {"SourceFile": "s3://words/en.srt"}}`, "s3://films/out"))))
	if n := len(done.OutputGroupDetails); n != 5 {
		t.Errorf("%d groups of outputs", n)
	}
	dir := filepath.Join(s.download("films", "out/"))
	for _, manifest := range []string{"hls/film.m3u8", "cmaf/film.m3u8", "cmaf/film.mpd", "dash/film.mpd", "mss/film.ismc"} {
		run(t, nil, binary, "validate", filepath.Join(dir, filepath.FromSlash(manifest)))
	}
	text, err := os.ReadFile(filepath.Join(dir, "file", "film_c.srt"))
	if want := strings.Replace(sidecar, "00:00:30,000", "00:00:06,000", 1); err != nil || string(text) != want {
		t.Errorf("SubRip of SubRip: %v\n%s", err, text)
	}
	// ffmpeg reads segments of text, and counts the samples of tracks, which it cannot read.
	if out := run(t, nil, "ffprobe", "-v", "error", "-show_entries", "packet=pts_time", "-of", "csv=p=0", filepath.Join(dir, "hls", "film_c_00001.vtt")); strings.Fields(out)[0] != "0.500000" {
		t.Errorf("ffprobe sees captions at %q", out)
	}
	for _, tt := range []struct {
		name, player, codec, manifest string
		late                          float64 // by how much the picture, and with it the captions, may come later
		italic                        bool    // whether the player shows italics of it
	}{
		{"HLS, WebVTT, hls.js", "hls", "-", "hls/film.m3u8", 0.12, true},
		{"HLS, WebVTT, Shaka Player", "shaka", "-", "hls/film.m3u8", 0.12, true},
		{"CMAF, WebVTT, hls.js", "hls", "-", "cmaf/film.m3u8", 0, true},
		{"CMAF, IMSC, hls.js", "hls", "stpp", "cmaf/film.m3u8", 0, false},
		{"CMAF, wvtt, Shaka Player", "shaka", "wvtt", "cmaf/film.mpd", 0, true},
		{"CMAF, IMSC, Shaka Player", "shaka", "stpp", "cmaf/film.mpd", 0, true},
		{"DASH, TTML, Shaka Player", "shaka", "stpp", "dash/film.mpd", 0, true},
		{"DASH, IMSC beside, Shaka Player", "shaka", "application/ttml+xml", "dash/film.mpd", 0, true},
		{"DASH, WebVTT beside, Shaka Player", "shaka", "text/vtt", "dash/film.mpd", 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			seen := seeCaptions(t, dir, tt.player, tt.codec, tt.manifest)
			if len(seen.Errors) > 0 || len(seen.Shown) != 3 {
				t.Fatalf("seen: %+v", seen)
			}
			for i, want := range []struct {
				text     string
				from, to float64
			}{{"Hello world", 0.5, 1.5}, {"Across & on", 1.8, 4.2}, {"Up there", 5, 6}} {
				got := seen.Shown[i]
				// What is shown is looked at with every picture that the browser paints; a loaded machine leaves some out.
				const slack = 0.3
				if got.Text != want.text || got.From < want.from-0.05 || got.From > want.from+tt.late+slack || math.Abs(got.To-want.to) > tt.late+slack {
					t.Errorf("caption %d: %q from %.3f to %.3f, want %q from %v to %v", i+1, got.Text, got.From, got.To, want.text, want.from, want.to)
				}
			}
			if seen.Shown[0].Italic != tt.italic || seen.Shown[1].Italic {
				t.Errorf("italics: %+v", seen.Shown)
			}
		})
	}
}

// TestCaptionTrouble: what goes wrong with a file of captions is said with its code; the policy of the account and the door of captions are for it too.
func TestCaptionTrouble(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.upload("films", "in/clip.mp4", clip(t, 4))
	latin := filepath.Join(t.TempDir(), "latin.srt")
	if err := os.WriteFile(latin, []byte("1\n00:00:01,000 --> 00:00:02,000\nCaf\xe9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.upload("films", "in/latin.srt", latin)
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	from := func(kind, uri string) string {
		return `{"SourceType": "` + kind + `", "FileSourceSettings": {"SourceFile": "` + uri + `"}}`
	}
	for _, tt := range []struct {
		name, selector string
		code           int32
		says           string
	}{
		{"no object", from("SRT", "s3://films/in/none.srt"), 1404, `The caption file of selector "c" (s3://films/in/none.srt) does not exist`},
		{"another encoding", from("SRT", "s3://films/in/latin.srt"), 1010, "line 3 is not UTF-8; save the text as UTF-8"},
		{"another format", from("TTML", "s3://films/in/latin.srt"), 1010, "cannot be read as TTML"},
		{"an address of our own", from("SRT", server.URL+"/a.srt"), 3451, "does not open it for captions"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := s.until(s.submit(job(captioned("s3://films/in/clip.mp4", tt.selector, "s3://films/out"))), final)
			if j.Status != types.JobStatusError || aws.ToInt32(j.ErrorCode) != tt.code || !strings.Contains(aws.ToString(j.ErrorMessage), tt.says) {
				t.Errorf("%s %d %s, want %d with %q", j.Status, aws.ToInt32(j.ErrorCode), aws.ToString(j.ErrorMessage), tt.code, tt.says)
			}
		})
	}
	c := s.mediaconvert()
	if _, err := c.PutPolicy(t.Context(), &mediaconvert.PutPolicyInput{Policy: &types.Policy{HttpsInputs: types.InputPolicyDisallowed}}); err != nil {
		t.Fatal(err)
	}
	_, err := c.CreateJob(t.Context(), request(t, job(captioned("s3://films/in/clip.mp4", from("SRT", "https://captions.example/a.srt"), "s3://films/out"))))
	var bad *types.BadRequestException
	if !errors.As(err, &bad) || !strings.Contains(err.Error(), "your policy disallows") {
		t.Errorf("captions that the policy disallows: %v", err)
	}
}
