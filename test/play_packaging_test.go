package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The film that the browser plays: pictures of two sizes, sounds in two languages, captions.
const (
	playedSeconds = 4
	playedFrames  = playedSeconds * 25
	playedText    = "1\n00:00:00,200 --> 00:00:01,800\nA caption.\n\n2\n00:00:02,200 --> 00:00:03,500\nAnother.\n"
)

// players puts the builds of the players beside the program, where the page of the key server looks for them (as make player does).
func players(t *testing.T) {
	t.Helper()
	playersLock.Lock()
	defer playersLock.Unlock()
	dir := filepath.Join(filepath.Dir(binary), "player")
	if _, err := os.Stat(dir); err == nil {
		return
	}
	modules := filepath.Join("browser", "node_modules")
	builds := map[string][]byte{}
	for name, path := range map[string]string{"hls.min.js": "hls.js/dist/hls.min.js", "shaka-player.compiled.js": "shaka-player/dist/shaka-player.compiled.js"} {
		b, err := os.ReadFile(filepath.Join(modules, path))
		if err != nil {
			absent(t, "the players are not installed: make deps-test")
		}
		builds[name] = b
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, b := range builds {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var playersLock sync.Mutex // held while the players are put in their place

// systemAES128 asks for AES-128 of whole segments.
const systemAES128 = "81376844-f976-481e-a84e-cc25d39b0b33"

// playedGroup are the settings of a group that the browser plays. method is empty for a clear one.
func playedGroup(kind, name, method, server string) members {
	block := map[string]string{"HLS_GROUP_SETTINGS": "hlsGroupSettings", "CMAF_GROUP_SETTINGS": "cmafGroupSettings", "DASH_ISO_GROUP_SETTINGS": "dashIsoGroupSettings"}[kind]
	container := map[string]string{"HLS_GROUP_SETTINGS": "M3U8", "CMAF_GROUP_SETTINGS": "CMFC", "DASH_ISO_GROUP_SETTINGS": "MPD"}[kind]
	settings := members{"destination": "s3://films/" + name + "/film", "segmentLength": 1}
	if kind == "HLS_GROUP_SETTINGS" {
		settings["minSegmentLength"] = 0
	} else {
		settings["fragmentLength"] = 1
	}
	if method != "" {
		keys := members{
			"url": server + "/speke/v2.0/copyProtection", "resourceId": name,
			"encryptionContractConfiguration": members{"spekeVideoPreset": "PRESET_VIDEO_1", "spekeAudioPreset": "PRESET_AUDIO_1"},
		}
		encryption := members{"spekeKeyProvider": keys}
		switch kind {
		case "HLS_GROUP_SETTINGS":
			keys["systemIds"] = []string{map[string]string{"AES128": systemAES128, "SAMPLE_AES": systemClearKey}[method]}
			keys["encryptionContractConfiguration"] = members{"spekeVideoPreset": "SHARED", "spekeAudioPreset": "SHARED"}
		case "CMAF_GROUP_SETTINGS":
			keys["hlsSignaledSystemIds"], keys["dashSignaledSystemIds"] = []string{systemClearKey}, []string{systemClearKey, systemWidevine}
		default:
			keys["systemIds"] = []string{systemClearKey}
		}
		if kind != "DASH_ISO_GROUP_SETTINGS" {
			encryption["type"], encryption["encryptionMethod"] = "SPEKE", method
		}
		settings["encryption"] = encryption
	}
	output := func(modifier string, more members) members {
		return with(members{"containerSettings": members{"container": container}, "nameModifier": modifier}, more)
	}
	picture := func(modifier string, width, height, bitrate int) members {
		return output(modifier, members{"videoDescription": members{"width": width, "height": height, "codecSettings": members{
			"codec": "H_264", "h264Settings": members{"rateControlMode": "QVBR", "maxBitrate": bitrate, "gopSize": 1, "gopSizeUnits": "SECONDS", "numberBFramesBetweenReferenceFrames": 2},
		}}})
	}
	sound := func(modifier, source, language, title string) members {
		o := output(modifier, members{"audioDescriptions": []any{members{
			"audioSourceName": source, "languageCode": language, "languageCodeControl": "USE_CONFIGURED", "streamName": title,
			"codecSettings": members{"codec": "AAC", "aacSettings": members{"bitrate": 96_000, "codingMode": "CODING_MODE_2_0", "sampleRate": 48_000}},
		}}})
		kinds := members{"audioGroupId": "program_audio", "audioTrackType": map[bool]string{true: "ALTERNATE_AUDIO_AUTO_SELECT_DEFAULT", false: "ALTERNATE_AUDIO_AUTO_SELECT"}[source == "one"]}
		switch kind {
		case "HLS_GROUP_SETTINGS":
			if strings.HasPrefix(name, "ts-") {
				kinds["audioOnlyContainer"] = "M2TS"
			}
			o["outputSettings"] = members{"hlsSettings": kinds}
		case "CMAF_GROUP_SETTINGS":
			o["containerSettings"] = members{"container": container, "cmfcSettings": kinds}
		}
		return o
	}
	return members{
		"outputGroupSettings": members{"type": kind, block: settings},
		"outputs": []any{
			picture("_small", 160, 90, 150_000), picture("_large", 320, 180, 500_000),
			sound("_english", "one", "ENG", "English"), sound("_deutsch", "two", "DEU", "Deutsch"),
			output("_captions", members{"captionDescriptions": []any{members{
				"captionSelectorName": "said", "languageCode": "ENG", "languageDescription": "English", "destinationSettings": members{"destinationType": "WEBVTT"},
			}}}),
		},
	}
}

// seenPackage is what the driver of the browser saw.
type seenPackage struct {
	Player                 string
	Errors                 []string
	Frames, Dropped, Sound int
	Duration, Time, Sought float64
	Ended                  bool
	Widths                 []int
	Language               string
	Cues, Later, Requests  []string
	Levels                 []int
	Sounds, Captions       []string
	picture                []byte
}

// playPackage plays a package in Chromium by the page of its server. wrong has its keys spoilt.
func (s *server) playPackage(t *testing.T, manifest, query string, wrong bool) *seenPackage {
	t.Helper()
	chromium, node := need(t, "chromium"), need(t, "node")
	address := strings.TrimSpace(run(t, nil, binary, "play", manifest, "--data", s.data)) + query
	picture := filepath.Join(t.TempDir(), "picture.png")
	ask, err := json.Marshal(map[string]any{"url": address, "picture": picture, "wrong": wrong})
	if err != nil {
		t.Fatal(err)
	}
	out := run(t, nil, node, filepath.Join("browser", "package.mjs"), chromium, string(ask))
	seen := new(seenPackage)
	if err := json.Unmarshal([]byte(out), seen); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !wrong {
		if seen.picture, err = os.ReadFile(picture); err != nil {
			t.Fatalf("%v: %+v", err, seen)
		}
	}
	return seen
}

// TestPlaysPackages plays packages with keys that were fetched over SPEKE in a browser, as their users do: the address is what `darkroom play` prints, the page is the
// server's. go test ./test -run TestPlaysPackages -update writes the table.
func TestPlaysPackages(t *testing.T) {
	t.Parallel()
	players(t)
	s := serve(t, "--keyserver")
	s.upload("films", "in.mp4", film(t, "played.mp4", "-f", "lavfi", "-i", fmt.Sprintf("testsrc2=s=320x180:r=25:d=%d", playedSeconds),
		"-f", "lavfi", "-i", fmt.Sprintf("sine=f=440:r=48000:d=%d", playedSeconds), "-f", "lavfi", "-i", fmt.Sprintf("sine=f=880:r=48000:d=%d", playedSeconds),
		"-map", "0", "-map", "1", "-map", "2", "-c:v", "libx264", "-preset", "fast", "-c:a", "aac", "-ac", "2"))
	text := filepath.Join(t.TempDir(), "said.srt")
	if err := os.WriteFile(text, []byte(playedText), 0o600); err != nil {
		t.Fatal(err)
	}
	s.upload("films", "said.srt", text)
	var groups []any
	for _, g := range []struct{ kind, name, method string }{
		{"HLS_GROUP_SETTINGS", "hls-clear", ""},
		{"HLS_GROUP_SETTINGS", "hls-aes128", "AES128"},
		{"HLS_GROUP_SETTINGS", "ts-clear", ""},
		{"HLS_GROUP_SETTINGS", "ts-sampleaes", "SAMPLE_AES"},
		{"CMAF_GROUP_SETTINGS", "cmaf-clear", ""},
		{"CMAF_GROUP_SETTINGS", "cmaf-cenc", "AES_CTR"},
		{"CMAF_GROUP_SETTINGS", "cmaf-cbcs", "SAMPLE_AES"},
		{"DASH_ISO_GROUP_SETTINGS", "dash-clear", ""},
		{"DASH_ISO_GROUP_SETTINGS", "dash-cenc", "AES_CTR"},
	} {
		groups = append(groups, playedGroup(g.kind, g.name, g.method, s.url))
	}
	body, err := json.Marshal(members{"settings": members{"outputGroups": groups, "inputs": []any{members{
		"fileInput": "s3://films/in.mp4", "videoSelector": members{},
		"audioSelectors":   members{"one": members{"selectorType": "TRACK", "tracks": []int{1}}, "two": members{"selectorType": "TRACK", "tracks": []int{2}}},
		"captionSelectors": members{"said": members{"sourceSettings": members{"sourceType": "SRT", "fileSourceSettings": members{"sourceFile": "s3://films/said.srt"}}}},
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	s.finish(s.submit(string(body)))

	rows := []struct {
		title, group, manifest string
		players                []string
		methods                []string
	}{
		{"HLS TS", "hls", "film.m3u8", []string{"hls.js", "Shaka Player"}, []string{"clear", "aes128"}},
		{"HLS TS, sound in TS", "ts", "film.m3u8", []string{"hls.js"}, []string{"clear", "sampleaes"}},
		{"HLS fMP4 (CMAF)", "cmaf", "film.m3u8", []string{"hls.js", "Shaka Player"}, []string{"clear", "cenc", "cbcs"}},
		{"DASH", "dash", "film.mpd", []string{"Shaka Player"}, []string{"clear", "cenc"}},
		{"DASH (CMAF)", "cmaf", "film.mpd", []string{"Shaka Player"}, []string{"clear", "cenc", "cbcs"}},
	}
	var (
		mu       sync.Mutex            // guards pictures
		pictures = map[string][]byte{} // by row, player and method
	)
	t.Run("rows", func(t *testing.T) {
		for _, row := range rows {
			for _, player := range row.players {
				query := ""
				if player == "Shaka Player" {
					query = "&p=shaka"
				}
				for _, method := range row.methods {
					manifest := "s3://films/" + row.group + "-" + method + "/" + row.manifest
					name := row.title + " " + player + " " + method
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						seen := s.playPackage(t, manifest, query, false)
						checkPlayed(t, seen, player, method)
						mu.Lock()
						defer mu.Unlock()
						pictures[name] = seen.picture
					})
					if method == "clear" {
						continue
					}
					t.Run(name+" with a wrong key", func(t *testing.T) {
						t.Parallel()
						seen := s.playPackage(t, manifest, query, true)
						// A decoder may take noise for a picture before it gives up, and hls.js step over the delay of B-frames; nothing plays.
						if seen.Frames > 1 || seen.Time > 0.2 {
							t.Errorf("%d frames and %v s were played: %+v", seen.Frames, seen.Time, seen)
						}
						if !slices.ContainsFunc(seen.Requests, isKey) {
							t.Errorf("no key was asked for: %v", seen.Requests)
						}
					})
				}
			}
		}
	})
	s.cannotPlay(t)
	for _, row := range rows {
		for _, player := range row.players {
			clear := pictures[row.title+" "+player+" clear"]
			for _, method := range row.methods[1:] {
				if clear == nil || pictures[row.title+" "+player+" "+method] == nil {
					continue // it did not play, which has been said
				}
				if !bytes.Equal(clear, pictures[row.title+" "+player+" "+method]) {
					t.Errorf("%s, %s: the picture of %s is not that of the clear package", row.title, player, method)
				}
			}
		}
	}
	want := 0
	for _, row := range rows {
		want += len(row.players) * len(row.methods)
	}
	if t.Failed() || len(pictures) != want {
		return // some did not play, or did not run
	}
	var b strings.Builder
	b.WriteString("| | clear | AES-128 | SAMPLE-AES | cenc | cbcs |\n|---|---|---|---|---|---|\n")
	for _, row := range rows {
		b.WriteString("| **" + row.title + "** |")
		for _, method := range []string{"clear", "aes128", "sampleaes", "cenc", "cbcs"} {
			cell := "–"
			if slices.Contains(row.methods, method) {
				cell = strings.Join(row.players, ", ")
			}
			b.WriteString(" " + cell + " |")
		}
		b.WriteString("\n")
	}
	b.WriteString("\nNot played by Chromium:\n\n")
	for _, u := range unplayed {
		b.WriteString("- " + u.what + ": " + u.reason + "\n")
	}
	document(t, "players", b.String())
}

// unplayed is what Chromium does not play. types are what it must say that it does not know.
var unplayed = []struct {
	what, reason string
	types        []string
}{
	{"HEVC", "the browser has no decoder of it.", []string{`video/mp4; codecs="hvc1.1.6.L60.90"`, `video/mp2t; codecs="hvc1.1.6.L60.90"`}},
	{"AC-3 and E-AC-3", "the browser has no decoder of them.", []string{`audio/mp4; codecs="ac-3"`, `audio/mp4; codecs="ec-3"`}},
	{"SAMPLE-AES in transport streams by Shaka Player", "it leaves it to FairPlay, which the browser does not have; hls.js decrypts it itself, but for packed audio.", nil},
	{"Smooth Streaming", "PIFF is no byte stream format of its Media Source Extensions; Shaka Player asks for PlayReady for what is encrypted, which the browser does not have.", nil},
}

// cannotPlay holds the reasons to what the browser says.
func (s *server) cannotPlay(t *testing.T) {
	t.Helper()
	var types []string
	for _, u := range unplayed {
		types = append(types, u.types...)
	}
	known := []string{`video/mp4; codecs="avc1.4d400d"`, `audio/mp4; codecs="mp4a.40.2"`}
	ask, err := json.Marshal(map[string]any{"url": s.url + "/player/", "types": append(known, types...)})
	if err != nil {
		t.Fatal(err)
	}
	var answer []bool
	out := run(t, nil, need(t, "node"), filepath.Join("browser", "package.mjs"), need(t, "chromium"), string(ask))
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for i, plays := range answer {
		if plays != (i < len(known)) {
			t.Errorf("%s: %v", append(known, types...)[i], plays)
		}
	}
}

// isKey says whether a path is where keys are.
func isKey(path string) bool {
	return strings.HasSuffix(path, "/clearkey") || strings.Contains(path, "/keys/")
}

// checkPlayed holds what was seen of a package to what the film is.
func checkPlayed(t *testing.T, seen *seenPackage, player, method string) {
	t.Helper()
	if !strings.HasPrefix(seen.Player, player) {
		t.Errorf("%s played it", seen.Player)
	}
	// hls.js puts decode time 0 at 0, and says of the first segments of transport streams that they grew by less than their length, or that it steps over the delay of B-frames.
	seen.Errors = slices.DeleteFunc(seen.Errors, func(e string) bool {
		return regexp.MustCompile(`^(bufferSeekOverHole|bufferAppendNoProgress) .*_00001\.(ts|aac)$`).MatchString(e)
	})
	if len(seen.Errors) > 0 || !seen.Ended || seen.Frames < playedFrames || seen.Frames > playedFrames+10 || seen.Dropped > playedFrames/4 || seen.Sound == 0 ||
		seen.Duration < playedSeconds-0.1 || seen.Duration > playedSeconds+0.15 || seen.Time < playedSeconds-0.1 {
		t.Errorf("want %d frames of %d s with sound and no error; seen %+v", playedFrames, playedSeconds, seen)
	}
	if seen.Sought != 1.1 || !slices.Equal(seen.Widths, []int{160, 320}) {
		t.Errorf("sought 1.1, came to %v; pictures %v wide", seen.Sought, seen.Widths)
	}
	if !strings.HasPrefix(seen.Language, "de") || !slices.ContainsFunc(seen.Later, func(path string) bool { return strings.Contains(path, "film_deutsch") }) {
		t.Errorf("the other sound is %q; asked for %v", seen.Language, seen.Later)
	}
	if !slices.Contains(seen.Cues, "A caption.") {
		t.Errorf("captions: %q", seen.Cues)
	}
	if slices.ContainsFunc(seen.Requests, isKey) != (method != "clear") {
		t.Errorf("keys were asked for: %v", slices.ContainsFunc(seen.Requests, isKey))
	}
	if img, err := png.Decode(bytes.NewReader(seen.picture)); err != nil {
		t.Error(err)
	} else {
		colours := map[any]bool{}
		b := img.Bounds()
		for x := b.Min.X; x < b.Max.X; x += 3 {
			for y := b.Min.Y; y < b.Max.Y; y += 3 {
				colours[img.At(x, y)] = true
			}
		}
		if len(colours) < 100 {
			t.Errorf("the picture has %d colours: there is no film on it", len(colours))
		}
	}
}
