package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/cenc"
	"darkroom/internal/media"
	"darkroom/internal/plan"
	"darkroom/internal/secret"
)

func picture(height int, codec media.Codec) packageTrack {
	return packageTrack{Track: &media.Track{Kind: media.Video, Codec: codec, Width: height * 16 / 9, Height: height, FrameRate: media.Rational{Num: 25, Den: 1}}, from: fmt.Sprintf("%dp.mp4:video=1", height)}
}

func soundTrack(language string, codec media.Codec) packageTrack {
	return packageTrack{Track: &media.Track{Kind: media.Audio, Codec: codec, SampleRate: 48000, Channels: 2}, language: language, from: language + ".mp4:audio=1"}
}

// layout says of a plan where everything is, a line for each representation and manifest.
func layout(p *plan.Plan) []string {
	var out []string
	for _, g := range p.Streams {
		for _, r := range g.Representations {
			line := fmt.Sprintf("%s %s%s", strings.Join(append([]string{r.Video}, r.Audio...), "+"), r.Segments.Key, r.Extension)
			if r.Format == plan.PIFF {
				line = fmt.Sprintf("%s%s %s", r.Video, strings.Join(r.Audio, "+"), r.SmoothFile.Key)
			}
			for _, loc := range []plan.Location{r.Init, r.Playlist} {
				if loc.Key != "" {
					line += " " + loc.Key
				}
			}
			if f := r.IFrames; f != nil {
				line += fmt.Sprintf(" iframes(%s %s%s %s)", f.Playlist.Key, f.Segments.Key, f.Extension, f.Init.Key)
				if f.Trick {
					line += " trick"
				}
			}
			if r.Video != "" && r.AudioGroup != "" {
				line += " with " + r.AudioGroup
			}
			if r.Video == "" {
				line += fmt.Sprintf(" %s %q %s", r.GroupID, r.Name, r.Language)
				for what, is := range map[string]bool{" default": r.Default} {
					if is {
						line += what
					}
				}
			}
			if r.Key >= 0 {
				line += fmt.Sprintf(" key=%d", r.Key)
			}
			out = append(out, line)
		}
		for _, loc := range manifestsOf(&g)[:len(g.HLS)+len(g.DASH)+2*len(g.Smooth)] {
			out = append(out, loc.Key)
		}
	}
	return out
}

func key(label string, n byte) labelledKey {
	return labelledKey{label, cenc.Protection{Key: cenc.Key{ID: cenc.UUID{n}, Value: secret.New(bytes.Repeat([]byte{n}, cenc.KeySize))}}}
}

func TestPackagePlan(t *testing.T) {
	t.Parallel()
	ladder := []packageTrack{picture(1080, media.AVC), picture(720, media.AVC), soundTrack("en", media.AAC), soundTrack("de", media.AAC)}
	for _, tt := range []struct {
		name   string
		tracks []packageTrack
		o      packageOptions
		want   []string
	}{
		{"hls", ladder, packageOptions{groups: []plan.GroupKind{plan.AppleHLS}}, []string{
			"t0 hls/video_1080p/.ts hls/video_1080p.m3u8 with audio", "t1 hls/video_720p/.ts hls/video_720p.m3u8 with audio",
			`+t2 hls/audio_en/.ts hls/audio_en.m3u8 audio "en" en default`, `+t3 hls/audio_de/.ts hls/audio_de.m3u8 audio "de" de`, "hls/master.m3u8",
		}},
		{"hls with sound in the streams of pictures", ladder, packageOptions{groups: []plan.GroupKind{plan.AppleHLS}, muxed: true}, []string{
			"t0+t2+t3 hls/video_1080p/.ts hls/video_1080p.m3u8", "t1+t2+t3 hls/video_720p/.ts hls/video_720p.m3u8", "hls/master.m3u8",
		}},
		{"dash, a file each", ladder[1:3], packageOptions{groups: []plan.GroupKind{plan.DASH}, singleFile: true, iframes: true}, []string{
			"t0 dash/video_720p.mp4 iframes( dash/video_720p_iframes.mp4 ) trick with audio", `+t1 dash/audio_en.mp4 audio "en" en default`, "dash/manifest.mpd",
		}},
		{"cmaf with trick play", ladder[1:3], packageOptions{groups: []plan.GroupKind{plan.CMAF}, iframes: true}, []string{
			"t0 cmaf/video_720p/.m4s cmaf/video_720p/init.mp4 cmaf/video_720p.m3u8 iframes(cmaf/video_720p_iframes.m3u8 cmaf/video_720p_iframes/.m4s cmaf/video_720p_iframes/init.mp4) trick with audio",
			`+t1 cmaf/audio_en/.m4s cmaf/audio_en/init.mp4 cmaf/audio_en.m3u8 audio "en" en default`, "cmaf/master.m3u8", "cmaf/manifest.mpd",
		}},
		{"mss", ladder[1:3], packageOptions{groups: []plan.GroupKind{plan.Smooth}, singleFile: true}, []string{
			"t0 mss/video_720p.ismv with audio", `t1 mss/audio_en.isma audio "en" en default`, "mss/manifest.ism", "mss/manifest.ismc",
		}},
		{
			"two codecs of sound are two groups, equal names are told apart",
			[]packageTrack{picture(720, media.AVC), soundTrack("en", media.AAC), soundTrack("en", media.EAC3), soundTrack("", media.AAC), soundTrack("", media.AAC)},
			packageOptions{groups: []plan.GroupKind{plan.AppleHLS}, fmp4: true},
			[]string{
				"t0 hls/video_720p/.m4s hls/video_720p/init.mp4 hls/video_720p.m3u8 with audio-aac,audio-eac3",
				`+t1 hls/audio_en/.m4s hls/audio_en/init.mp4 hls/audio_en.m3u8 audio-aac "en" en default`,
				`+t2 hls/audio_en_2/.m4s hls/audio_en_2/init.mp4 hls/audio_en_2.m3u8 audio-eac3 "en" en default`,
				`+t3 hls/audio/.m4s hls/audio/init.mp4 hls/audio.m3u8 audio-aac "audio" `,
				`+t4 hls/audio_2/.m4s hls/audio_2/init.mp4 hls/audio_2.m3u8 audio-aac "audio 2" `, "hls/master.m3u8",
			},
		},
		{
			"what the user says of tracks",
			[]packageTrack{
				{Track: picture(720, media.AVC).Track, stem: "main"},
				soundTrack("en", media.AAC),
				{Track: soundTrack("", media.AAC).Track, language: "fr", name: "Français", defaulted: true},
			},
			packageOptions{groups: []plan.GroupKind{plan.DASH}},
			[]string{
				"t0 dash/main/.m4s dash/main/init.mp4 with audio", `+t1 dash/audio_en/.m4s dash/audio_en/init.mp4 audio "en" en`,
				`+t2 dash/audio_fr/.m4s dash/audio_fr/init.mp4 audio "Français" fr default`, "dash/manifest.mpd",
			},
		},
		{"sound alone", ladder[2:3], packageOptions{groups: []plan.GroupKind{plan.CMAF}}, []string{
			`+t0 cmaf/audio_en/.m4s cmaf/audio_en/init.mp4 cmaf/audio_en.m3u8 audio "en" en default`, "cmaf/master.m3u8", "cmaf/manifest.mpd",
		}},
		{
			"a key for each class, one for all the rest",
			[]packageTrack{picture(1080, media.AVC), picture(360, media.AVC), soundTrack("en", media.AAC), {Track: soundTrack("", media.AAC).Track, label: "Extra"}, {Track: soundTrack("", media.AAC).Track, label: "clear"}},
			packageOptions{groups: []plan.GroupKind{plan.DASH}, encryption: map[plan.GroupKind]*packageEncryption{
				plan.DASH: {method: plan.CENC, keys: []labelledKey{key("hd", 1), key("audio", 2), key("", 3), key("extra", 4)}},
			}},
			[]string{
				"t0 dash/video_1080p/.m4s dash/video_1080p/init.mp4 with audio key=0", "t1 dash/video_360p/.m4s dash/video_360p/init.mp4 with audio key=2",
				`+t2 dash/audio_en/.m4s dash/audio_en/init.mp4 audio "en" en default key=1`, `+t3 dash/audio/.m4s dash/audio/init.mp4 audio "audio"  key=3`,
				`+t4 dash/audio_2/.m4s dash/audio_2/init.mp4 audio "audio 2" `, "dash/manifest.mpd",
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.o.segment = 4 * time.Second
			p, keys, err := packagePlan(tt.tracks, tt.o)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, layout(p)); diff != "" {
				t.Errorf("layout (-want +got):\n%s", diff)
			}
			for n, g := range p.Streams {
				if e := g.Encryption; e != nil && len(keys[n]) != len(e.Keys) {
					t.Errorf("group %d: %d keys for %d uses", n, len(keys[n]), len(e.Keys))
				}
			}
		})
	}
}

func TestPackagePlanRefuses(t *testing.T) {
	t.Parallel()
	one := map[plan.GroupKind]func(m plan.Method, change func(*packageEncryption)) map[plan.GroupKind]*packageEncryption{}
	for kind := range groupNames {
		one[kind] = func(m plan.Method, change func(*packageEncryption)) map[plan.GroupKind]*packageEncryption {
			e := &packageEncryption{method: m, keys: []labelledKey{key("", 1)}}
			if change != nil {
				change(e)
			}
			return map[plan.GroupKind]*packageEncryption{kind: e}
		}
	}
	film := []packageTrack{picture(720, media.AVC), soundTrack("en", media.AAC)}
	for _, tt := range []struct {
		name   string
		tracks []packageTrack
		kind   plan.GroupKind
		o      packageOptions
		want   string
	}{
		{"nothing", nil, plan.DASH, packageOptions{}, "no track"},
		{"AV1 in TS", []packageTrack{picture(720, media.AV1)}, plan.AppleHLS, packageOptions{}, "do not carry AV1"},
		{"HEVC in Smooth", []packageTrack{picture(720, media.HEVC)}, plan.Smooth, packageOptions{}, "does not carry HEVC"},
		{"one stem twice", []packageTrack{{Track: film[0].Track, stem: "a"}, {Track: film[1].Track, stem: "a"}}, plan.DASH, packageOptions{}, "two tracks are called a"},
		{"muxed without sound", film[:1], plan.AppleHLS, packageOptions{muxed: true}, "pictures and sound"},
		{"cenc in TS", film, plan.AppleHLS, packageOptions{encryption: one[plan.AppleHLS](plan.CENC, nil)}, "by cenc; what they can be encrypted by: aes-128, sample-aes"},
		{"aes-128 in DASH", film, plan.DASH, packageOptions{encryption: one[plan.DASH](plan.AES128, nil)}, "by aes-128; what they can be encrypted by: cbcs, cenc"},
		{"aes-128 in CMAF", film, plan.CMAF, packageOptions{encryption: one[plan.CMAF](plan.AES128, nil)}, "what they can be encrypted by: cbcs, cenc"},
		{"cbcs in Smooth", film, plan.Smooth, packageOptions{encryption: one[plan.Smooth](plan.CBCS, nil)}, "what they can be encrypted by: cenc"},
		{"aes-128 in fMP4", film, plan.AppleHLS, packageOptions{fmp4: true, encryption: one[plan.AppleHLS](plan.AES128, nil)}, "by aes-128; what they can be encrypted by: cbcs, cenc"},
		{"sample-aes of HEVC", []packageTrack{picture(720, media.HEVC)}, plan.AppleHLS, packageOptions{encryption: one[plan.AppleHLS](plan.SampleAES, nil)}, "not specified for HEVC"},
		{"a vector for cenc", film, plan.DASH, packageOptions{encryption: one[plan.DASH](plan.CENC, func(e *packageEncryption) { e.iv = make([]byte, 16) })}, "--iv does not go with cenc"},
		{"a hidden vector that nobody knows", film, plan.CMAF, packageOptions{encryption: one[plan.CMAF](plan.CBCS, func(e *packageEncryption) { e.hideIV = true })}, "--hide-iv needs --iv"},
		{"two keys in Smooth", film, plan.Smooth, packageOptions{encryption: one[plan.Smooth](plan.PIFFCTR, func(e *packageEncryption) { e.keys = append(e.keys, key("audio", 2)) })}, "one key"},
		{"a joined chunk of Smooth", film, plan.Smooth, packageOptions{minimumFinal: time.Second}, "--min-final-length does not go with Smooth Streaming"},
		{"a clear lead of Smooth", film, plan.Smooth, packageOptions{encryption: one[plan.Smooth](plan.PIFFCTR, func(e *packageEncryption) { e.clearLead = true })}, "--clear-lead does not go with Smooth Streaming"},
		{"a clear lead of sample-aes", film, plan.AppleHLS, packageOptions{encryption: one[plan.AppleHLS](plan.SampleAES, func(e *packageEncryption) { e.clearLead = true })}, "--clear-lead does not go with sample-aes"},
		{"no key for sound", film, plan.DASH, packageOptions{encryption: one[plan.DASH](plan.CENC, func(e *packageEncryption) { e.keys = []labelledKey{key("HD", 1)} })}, "no key is for it"},
		{"no key of that label", []packageTrack{{Track: film[0].Track, label: "gold"}}, plan.DASH, packageOptions{encryption: one[plan.DASH](plan.CENC, nil)}, "no key is labelled gold"},
		{"two keys in one transport stream", film, plan.AppleHLS, packageOptions{muxed: true, encryption: one[plan.AppleHLS](plan.AES128, func(e *packageEncryption) { e.keys = append(e.keys, key("audio", 2)) })}, "do not have the same key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.o.groups, tt.o.segment = []plan.GroupKind{tt.kind}, time.Second
			if _, _, err := packagePlan(tt.tracks, tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
	if _, _, err := packagePlan(film, packageOptions{}); err == nil {
		t.Error("no group: no error")
	}
}

func TestParseInput(t *testing.T) {
	t.Parallel()
	there := func(path string) bool { return path == "odd:video" }
	for _, tt := range []struct {
		text string
		want packageInput
		bad  string
	}{
		{text: "film.mp4", want: packageInput{path: "film.mp4"}},
		{text: "C:film.mp4", want: packageInput{path: "C:film.mp4"}},
		{text: "odd:video", want: packageInput{path: "odd:video"}},
		{text: "a:b.mp4:video", want: packageInput{path: "a:b.mp4", kind: media.Video}},
		{text: "f:audio=2", want: packageInput{path: "f", kind: media.Audio, number: 2}},
		{text: "f:audio=de,name=Deutsch,default,described", want: packageInput{path: "f", kind: media.Audio, language: "deu", track: packageTrack{name: "Deutsch", defaulted: true, described: true}}},
		{text: "f:video=1,stem=main_1.a,key=HD", want: packageInput{path: "f", kind: media.Video, number: 1, track: packageTrack{stem: "main_1.a", label: "HD"}}},
		{text: "f:audio,language=pt-BR", want: packageInput{path: "f", kind: media.Audio, track: packageTrack{language: "pt-BR"}}},
		{text: "f:all,key=clear", want: packageInput{path: "f", track: packageTrack{label: "clear"}}},
		{text: "f:video=0", bad: "counted from 1"},
		{text: "f:all=1", bad: "not followed"},
		{text: "f:audio=x", bad: "neither a number nor a language"},
		{text: "f:audio,loud", bad: `"loud" is not known`},
		{text: "f:audio,default=yes", bad: "is not known"},
		{text: "f:audio,name=", bad: "name is empty"},
		{text: "f:audio,name=a\"b", bad: "manifests cannot hold"},
		{text: "f:audio,language=d e", bad: "not a language tag"},
		{text: "f:video,stem=../up", bad: "the stem"},
		{text: "f:video,stem=.hidden", bad: "the stem"},
	} {
		got, err := parseInput(tt.text, there)
		if tt.bad != "" {
			if err == nil || !strings.Contains(err.Error(), tt.bad) {
				t.Errorf("%s: got %v, want %q in it", tt.text, err, tt.bad)
			}
			continue
		}
		tt.want.text = tt.text
		if err != nil || !cmp.Equal(got, tt.want, cmp.AllowUnexported(packageInput{}, packageTrack{})) {
			t.Errorf("%s: got %+v, %v, want %+v", tt.text, got, err, tt.want)
		}
	}
}

const testKID = "00112233-4455-6677-8899-aabbccddeeff"

func TestReadKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	raw, hexed, short := write("raw", "0123456789abcdef"), write("hex", "30313233343536373839616263646566\n"), write("short", "secret123")
	list := write("list", "# ours\n"+testKID+" 30313233343536373839616263646566\n\nFFEEDDCCBBAA99887766554433221100 30313233343536373839616263646566 AUDIO\n")
	value := []byte("0123456789abcdef")
	for _, tt := range []struct {
		name        string
		keys, files []string
		labels      []string
		bad         string
	}{
		{name: "bytes, for all", keys: []string{testKID + ":" + raw}, labels: []string{""}},
		{name: "hexadecimal, for a label", keys: []string{"HD=" + testKID + ":" + hexed, "AUDIO=" + strings.ReplaceAll(testKID, "-", "") + ":" + raw}, labels: []string{"HD", "AUDIO"}},
		{name: "without an id", keys: []string{raw}, labels: []string{""}},
		{name: "a list", files: []string{list}, labels: []string{"", "AUDIO"}},
		{name: "one label twice", keys: []string{"hd=" + raw, "HD=" + raw}, bad: "same tracks"},
		{name: "the label of what stays clear", keys: []string{"clear=" + raw}, bad: "stay clear"},
		{name: "no file", keys: []string{testKID + ":" + raw + "x"}, bad: "no such file"},
		{name: "too short", keys: []string{testKID + ":" + short}, bad: "16 bytes or 32 hexadecimal"},
		{name: "a bad id", keys: []string{"0011:" + raw}, bad: "key id"},
		{name: "a bad line", files: []string{write("bad", testKID+"\n")}, bad: "line 1"},
		{name: "a bad key in a line", files: []string{write("bad2", "\n"+testKID+" secretsecretsecret\n")}, bad: "line 2"},
		{name: "a large file", files: []string{write("large", strings.Repeat("#\n", maxContentKeyFile))}, bad: "more than"},
	} {
		f := keyFlags{keys: tt.keys, keyFiles: tt.files}
		got, err := f.readKeys()
		if tt.bad != "" {
			if err == nil || !strings.Contains(err.Error(), tt.bad) {
				t.Errorf("%s: got %v, want %q in it", tt.name, err, tt.bad)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: the error shows the key: %v", tt.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		var labels []string
		for _, k := range got {
			labels = append(labels, k.label)
			if !bytes.Equal(k.Value.Reveal(), value) {
				t.Errorf("%s: another key", tt.name)
			}
		}
		if len(f.warnings) > 0 {
			t.Errorf("%s: %v", tt.name, f.warnings)
		}
		if !cmp.Equal(labels, tt.labels) {
			t.Errorf("%s: got the labels %q, want %q", tt.name, labels, tt.labels)
		}
	}
}

// A key that others may read is used, and its user is told.
func TestOpenKeyFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	f := keyFlags{keys: []string{path}}
	if keys, err := f.readKeys(); err != nil || len(keys) != 1 || len(f.warnings) != 1 || !strings.Contains(f.warnings[0], path) {
		t.Errorf("got %d keys, %v, warnings %v", len(keys), err, f.warnings)
	}
}

func TestEncryptionFlags(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	with := testKID + ":" + path
	all := []plan.GroupKind{plan.AppleHLS, plan.CMAF, plan.DASH, plan.Smooth}
	for _, tt := range []struct {
		name   string
		f      keyFlags
		groups []plan.GroupKind
		fmp4   bool
		want   string // each group with its method, whether it is static, and the systems
		bad    string
	}{
		{name: "clear", groups: all},
		{name: "aes-128", f: keyFlags{encrypt: []string{"aes-128"}, keys: []string{path}, keyURL: "k"}, groups: all[:1], want: "hls aes-128 static"},
		{name: "cbcs is sample-aes in TS", f: keyFlags{encrypt: []string{"cbcs"}, keys: []string{with}, keyURL: "k"}, groups: all[:1], want: "hls sample-aes static"},
		{name: "sample-aes is cbcs in fMP4", f: keyFlags{encrypt: []string{"sample-aes"}, keys: []string{with}, keyURL: "k"}, groups: all[:1], fmp4: true, want: "hls cbcs static W3C Common PSSH"},
		{name: "cenc", f: keyFlags{encrypt: []string{"cenc"}, keys: []string{with}}, groups: all[2:], want: "dash cenc W3C Common PSSH; mss cenc PlayReady"},
		{name: "a group that stays clear", f: keyFlags{encrypt: []string{"cenc", "mss=none"}, keys: []string{with}}, groups: all[2:], want: "dash cenc W3C Common PSSH"},
		{name: "each its own", f: keyFlags{encrypt: []string{"dash=cbcs", "mss=cenc"}, keys: []string{with}}, groups: all[2:], want: "dash cbcs W3C Common PSSH; mss cenc PlayReady"},
		{name: "DRM", f: keyFlags{encrypt: []string{"cbcs"}, keys: []string{with}, drm: "widevine, playready,fairplay", licences: []string{"fairplay=skd://film"}}, groups: all[1:3], want: "cmaf cbcs Widevine PlayReady FairPlay; dash cbcs Widevine PlayReady"},
		{name: "ClearKey", f: keyFlags{encrypt: []string{"cenc"}, keys: []string{with}, drm: "clearkey", licences: []string{"clearkey=https://x"}}, groups: all[2:3], want: "dash cenc ClearKey"},

		{name: "a key and nothing to encrypt", f: keyFlags{keys: []string{with}}, groups: all, bad: "give --encrypt"},
		{name: "nothing to encrypt by", f: keyFlags{encrypt: []string{"cenc"}}, groups: all[2:], bad: "needs a key"},
		{name: "an unknown method", f: keyFlags{encrypt: []string{"rot13"}}, groups: all, bad: "allowed: none, aes-128"},
		{name: "an unknown group", f: keyFlags{encrypt: []string{"rtmp=cenc"}}, groups: all, bad: `"rtmp" is no group`},
		{name: "a group not asked for", f: keyFlags{encrypt: []string{"mss=cenc"}}, groups: all[:1], bad: "--mss is not asked for"},
		{name: "cenc without an id", f: keyFlags{encrypt: []string{"cenc"}, keys: []string{path}}, groups: all[2:3], bad: "needs the id"},
		{name: "aes-128 without a URL", f: keyFlags{encrypt: []string{"aes-128"}, keys: []string{path}}, groups: all[:1], bad: "needs --key-url"},
		{name: "aes-128 with DRM", f: keyFlags{encrypt: []string{"aes-128"}, keys: []string{path}, keyURL: "k", drm: "widevine"}, groups: all[:1], bad: "--drm does not go"},
		{name: "HLS that is told nothing", f: keyFlags{encrypt: []string{"cbcs"}, keys: []string{with}}, groups: all[1:2], bad: "must be told of the key"},
		{name: "HLS that is told two things", f: keyFlags{encrypt: []string{"cbcs"}, keys: []string{with}, drm: "widevine", keyURL: "k"}, groups: all[1:2], bad: "--key-url does not go"},
		{name: "an unknown system", f: keyFlags{encrypt: []string{"cenc"}, keys: []string{with}, drm: "nuts"}, groups: all[2:3], bad: "--drm nuts"},
		{name: "FairPlay that is told nothing", f: keyFlags{encrypt: []string{"cbcs"}, keys: []string{with}, drm: "fairplay"}, groups: all[1:2], bad: "skd://"},
		{name: "a key server and a key", f: keyFlags{encrypt: []string{"cenc"}, keys: []string{with}, speke: spekeFlags{url: "https://x", resource: "film", version: 2, video: "SHARED", audio: "SHARED"}}, groups: all[2:3], bad: "where do the keys come from"},
		{name: "a key server and nothing to ask for", f: keyFlags{encrypt: []string{"cenc"}, speke: spekeFlags{url: "https://x", version: 2, video: "SHARED", audio: "SHARED"}}, groups: all[2:3], bad: "--resource-id"},
		{name: "SPEKE version 3", f: keyFlags{encrypt: []string{"cenc"}, speke: spekeFlags{url: "https://x", resource: "film", version: 3, video: "SHARED", audio: "SHARED"}}, groups: all[2:3], bad: "allowed: 1, 2"},
		{name: "a contract in version 1", f: keyFlags{encrypt: []string{"cenc"}, speke: spekeFlags{url: "https://x", resource: "film", version: 1, video: "PRESET_VIDEO_1", audio: "SHARED"}}, groups: all[2:3], bad: "are of version 2"},
		{name: "no such preset", f: keyFlags{encrypt: []string{"cenc"}, drm: "widevine", speke: spekeFlags{url: "https://x", resource: "film", version: 2, video: "PRESET_VIDEO_99", audio: "PRESET_AUDIO_1"}}, groups: all[2:3], bad: "PRESET_VIDEO_99"},
		{name: "a key server and no system", f: keyFlags{encrypt: []string{"cenc"}, speke: spekeFlags{url: "https://x", resource: "film", version: 2, video: "SHARED", audio: "SHARED"}}, groups: all[2:3], bad: "needs --drm"},
		{name: "a key server and a system that HLS does not know", f: keyFlags{encrypt: []string{"cenc"}, drm: "common", speke: spekeFlags{url: "https://x", resource: "film", version: 2, video: "SHARED", audio: "SHARED"}}, groups: all[1:2], bad: "players of HLS"},
		{name: "a key server and a system that DASH does not know", f: keyFlags{encrypt: []string{"cbcs"}, drm: "fairplay", speke: spekeFlags{url: "https://x", resource: "film", version: 2, video: "SHARED", audio: "SHARED"}}, groups: all[1:2], bad: "players of DASH"},
		{name: "a resource and no key server", f: keyFlags{speke: spekeFlags{resource: "film"}}, groups: all, bad: "are of --speke"},
		{name: "a bad vector", f: keyFlags{encrypt: []string{"cbcs"}, keys: []string{with}, iv: "12"}, groups: all[2:3], bad: "--iv 12"},
		{name: "a bad licence", f: keyFlags{encrypt: []string{"cenc"}, keys: []string{with}, licences: []string{"x"}}, groups: all[2:3], bad: "SYSTEM=URL"},
	} {
		got, err := tt.f.plan(tt.groups, tt.fmp4)
		if tt.bad != "" {
			if err == nil || !strings.Contains(err.Error(), tt.bad) {
				t.Errorf("%s: got %v, want %q in it", tt.name, err, tt.bad)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		var words []string
		for _, g := range tt.groups {
			e := got[g]
			if e == nil {
				continue
			}
			line := groupNames[g] + " " + methodNames[e.method]
			if e.static {
				line += " static"
			}
			for _, s := range e.keys[0].Signals {
				line += " " + cenc.SystemName(s.System)
			}
			words = append(words, line)
		}
		if text := strings.Join(words, "; "); text != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, text, tt.want)
		}
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	nal := func(units ...[]byte) []byte {
		var out []byte
		for _, u := range units {
			out = append(append(out, 0, 0, 0, byte(len(u))), u...)
		}
		return out
	}
	for _, tt := range []struct {
		name   string
		codec  media.Codec
		sample []byte
		want   bool
	}{
		{"an IDR picture behind SEI", media.AVC, nal([]byte{6, 1}, []byte{0x65, 1}), true},
		{"a recovery point", media.AVC, nal([]byte{6, 1}, []byte{0x41, 1}), false},
		{"IDR_N_LP", media.HEVC, nal([]byte{32 << 1, 1}, []byte{20 << 1, 1}), true},
		{"CRA", media.HEVC, nal([]byte{21 << 1, 1}), false},
		{"AV1", media.AV1, []byte{1, 2, 3}, true},
		{"nothing", media.AVC, nil, false},
		{"cut off", media.AVC, []byte{0, 0, 0, 9, 0x65}, false},
	} {
		if got := closed(tt.codec, tt.sample); got != tt.want {
			t.Errorf("%s: got %v", tt.name, got)
		}
	}
}

// What is wrong with the command line is said by name, with exit code 2, and nothing is made.
func TestPackageUsage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "text.mp4")
	if err := os.WriteFile(text, []byte("not a film at all, whatever its name says"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"no directory", []string{"f.mp4", "--dash"}, "--out"},
		{"nothing to make", []string{"f.mp4", "--out", out}, "--hls, --dash, --cmaf or --mss"},
		{"no input", []string{"--out", out, "--dash"}, "INPUT"},
		{"no file", []string{filepath.Join(dir, "none.mp4"), "--out", out, "--dash"}, "no such file"},
		{"a directory", []string{dir, "--out", out, "--dash"}, "cannot"},
		{"not a film", []string{text, "--out", out, "--dash"}, "text.mp4: "},
		{"no time at all", []string{text, "--out", out, "--dash", "--segment-length", "0"}, "--segment-length 0"},
		{"not a number", []string{text, "--out", out, "--dash", "--segment-length", "NaN"}, "--segment-length NaN"},
		{"fragments longer than segments", []string{text, "--out", out, "--dash", "--fragment-length", "5"}, "--fragment-length 5"},
		{"a last segment", []string{text, "--out", out, "--dash", "--min-final-length", "4"}, "--min-final-length 4"},
		{"segments of no format", []string{text, "--out", out, "--hls", "--segments", "avi"}, "--segments avi"},
		{"segments without HLS", []string{text, "--out", out, "--dash", "--segments", "fmp4"}, "--segments is of --hls"},
		{"muxed fMP4", []string{text, "--out", out, "--hls", "--segments", "fmp4", "--muxed"}, "--muxed"},
		{"a bad base URL", []string{text, "--out", out, "--hls", "--base-url", "http://x/<"}, "--base-url"},
		{"a bad key URL", []string{text, "--out", out, "--hls", "--encrypt", "aes-128", "--key-url", "a\"b"}, "--key-url"},
		{"an empty flag", []string{text, "--out", out, "--hls", "--encrypt", ""}, "empty"},
	} {
		var stdout, stderr bytes.Buffer
		err := packageMain(context.Background(), tt.args, &stdout, &stderr)
		var wrong *usageError
		if !errors.As(err, &wrong) || !strings.Contains(wrong.Error()+stderr.String(), tt.want) {
			t.Errorf("%s: got %v, want %q in it", tt.name, err, tt.want)
		}
		if stdout.Len() > 0 {
			t.Errorf("%s: printed %q", tt.name, stdout.String())
		}
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a directory was made")
	}
}
