package test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"darkroom/internal/media"
	"darkroom/internal/mpegts/mpegtstest"
	"darkroom/internal/plan"
)

var update = flag.Bool("update", false, "write docs/packaging.md")

// A packaging is a row of the table of docs/packaging.md: a kind of output group, and which of its manifests is read.
type packaging struct {
	name, dir string
	kind      plan.GroupKind
	manifest  string // extension
	read      func(dir, name string) ([]stream, error)
}

var packagings = []packaging{
	{"HLS TS", "hls", plan.AppleHLS, ".m3u8", readHLS},
	{"HLS fMP4", "fmp4", plan.CMAF, ".m3u8", readHLS}, // one file with byte ranges for each track, and no MPD
	{"DASH", "dash", plan.DASH, ".mpd", readDASH},
	{"CMAF-HLS", "cmaf", plan.CMAF, ".m3u8", readHLS},
	{"CMAF-DASH", "cmaf", plan.CMAF, ".mpd", readDASH},
	{"MSS", "mss", plan.Smooth, ".ism", readSmooth},
}

// An encryption is a column.
type encryption struct {
	name, dir string
	method    plan.Method
	member    string // encryptionMethod of the settings
}

var encryptions = []encryption{
	{"clear", "clear", 0, ""},
	{"AES-128", "aes128", plan.AES128, "AES128"},
	{"SAMPLE-AES", "sampleaes", plan.SampleAES, "SAMPLE_AES"},
	{"cenc", "cenc", plan.CENC, "AES_CTR"},
	{"cbcs", "cbcs", plan.CBCS, "SAMPLE_AES"},
}

// methodOf is the method that a column is in a kind of group: Smooth Streaming writes AES-CTR as PIFF does.
func (e encryption) methodOf(kind plan.GroupKind) plan.Method {
	if kind == plan.Smooth && e.method == plan.CENC {
		return plan.PIFFCTR
	}
	return e.method
}

// A coding is a codec of a cell.
type coding struct {
	codec    media.Codec
	name     string // in names of files
	settings string
	entries  []string // sample entries
	codecs   []string // how CODECS or FourCC begin
}

var pictureCodings = []coding{
	{media.AVC, "avc", `{"codec": "H_264", "h264Settings": {"rateControlMode": "QVBR", "maxBitrate": 200000, "gopSize": 1, "gopSizeUnits": "SECONDS", "numberBFramesBetweenReferenceFrames": 2}}`, []string{"avc1"}, []string{"avc1.", "H264"}},
	{media.HEVC, "hevc", `{"codec": "H_265", "h265Settings": {"rateControlMode": "QVBR", "maxBitrate": 200000, "gopSize": 1, "gopSizeUnits": "SECONDS", "numberBFramesBetweenReferenceFrames": 2}}`, []string{"hvc1"}, []string{"hvc1."}},
	{media.AV1, "av1", `{"codec": "AV1", "av1Settings": {"rateControlMode": "QVBR", "maxBitrate": 200000, "gopSize": 25}}`, []string{"av01"}, []string{"av01."}},
}

var soundCodings = []coding{
	{media.AAC, "aac", `{"codec": "AAC", "aacSettings": {"bitrate": 96000, "codingMode": "CODING_MODE_2_0", "sampleRate": 48000}}`, []string{"mp4a"}, []string{"mp4a.40.2", "AACL"}},
	{media.AC3, "ac3", `{"codec": "AC3", "ac3Settings": {"bitrate": 192000, "codingMode": "CODING_MODE_2_0", "sampleRate": 48000}}`, []string{"ac-3"}, []string{"ac-3", "DAC3", "AC-3"}},
	{media.EAC3, "eac3", `{"codec": "EAC3", "eac3Settings": {"bitrate": 192000, "codingMode": "CODING_MODE_2_0", "sampleRate": 48000}}`, []string{"ec-3"}, []string{"ec-3", "EC-3"}},
}

const packagedFrames = 60 // of the source

// packagedFilm is the source: 2.4 s, with B-frames.
func packagedFilm(t *testing.T) string {
	return film(t, "packaged.mp4", "-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=2.4", "-f", "lavfi", "-i", "sine=f=440:r=48000:d=2.4",
		"-c:v", "libx264", "-preset", "fast", "-bf", "2", "-b_strategy", "0", "-c:a", "aac", "-ac", "2")
}

// The static key.
const (
	packagedKey    = "00112233445566778899aabbccddeeff"
	packagedKeyURL = "https://keys.example/film"
)

// The DRM systems that keys are asked for with.
const (
	systemWidevine  = "edef8ba9-79d6-4ace-a3c8-27dcd51d21ed"
	systemPlayReady = "9a04f079-9840-4286-ab92-e65be0885f95"
	systemClearKey  = "e2719d58-a985-b3c9-781a-b030af78d30e"
	systemFairPlay  = "94ce86fb-07ff-4f43-adb8-93d2fa968ca2"
)

// groupOf are the settings of an output group: every picture with every sound, and for each pair a manifest of its own. server is the key server; without one the key
// is static.
func groupOf(p packaging, e encryption, pictures, sounds []coding, server string) string {
	type fields = map[string]any
	settings := fields{"destination": "s3://films/" + p.dir + "-" + e.dir + "/x"}
	var outputs, manifests []any
	container := map[plan.GroupKind]string{plan.AppleHLS: "M3U8", plan.CMAF: "CMFC", plan.DASH: "MPD", plan.Smooth: "ISMV"}[p.kind]
	add := func(name string, picture, sound *coding) {
		o := fields{"containerSettings": fields{"container": container}, "nameModifier": "_" + name}
		if picture != nil {
			o["videoDescription"] = fields{"codecSettings": json.RawMessage(picture.settings)}
		}
		if sound != nil {
			o["audioDescriptions"] = []any{fields{"codecSettings": json.RawMessage(sound.settings)}}
		}
		outputs = append(outputs, o)
	}
	together := p.kind == plan.AppleHLS || p.kind == plan.Smooth
	for i := range pictures {
		if !together {
			add(pictures[i].name, &pictures[i], nil)
		}
		for j := range sounds {
			pair := pictures[i].name + "_" + sounds[j].name
			selected := []string{"_" + pictures[i].name, "_" + sounds[j].name}
			if together {
				add(pair, &pictures[i], &sounds[j])
				selected = []string{"_" + pair}
			}
			manifests = append(manifests, fields{"manifestNameModifier": "-" + pair, "selectedOutputs": selected})
		}
	}
	if p.kind != plan.Smooth {
		for j := range sounds {
			add(sounds[j].name, nil, &sounds[j])
		}
	}
	settings["additionalManifests"] = manifests
	switch p.kind {
	case plan.AppleHLS:
		settings["segmentLength"], settings["minSegmentLength"] = 1, 0
	case plan.Smooth:
		settings["fragmentLength"] = 1
	default:
		settings["segmentLength"], settings["fragmentLength"] = 1, 1
	}
	if p.name == "HLS fMP4" {
		settings["writeDashManifest"], settings["segmentControl"] = "DISABLED", "SINGLE_FILE"
	}
	if e.method != 0 {
		keys := fields{"url": server + "/speke/v2.0/copyProtection", "resourceId": p.dir + "-" + e.dir}
		if p.kind != plan.Smooth {
			keys["encryptionContractConfiguration"] = fields{"spekeVideoPreset": "PRESET_VIDEO_1", "spekeAudioPreset": "PRESET_AUDIO_1"}
		} else {
			keys["url"] = server + "/speke/v1.0/copyProtection"
		}
		all := []string{systemWidevine, systemPlayReady, systemClearKey}
		encryption := fields{"spekeKeyProvider": keys}
		switch p.kind {
		case plan.AppleHLS, plan.CMAF:
			encryption["encryptionMethod"] = e.member
			if server == "" {
				delete(encryption, "spekeKeyProvider")
				encryption["type"] = "STATIC_KEY"
				encryption["staticKeyProvider"] = fields{"staticKeyValue": packagedKey, "url": packagedKeyURL, "keyFormat": "identity", "keyFormatVersions": "1"}
				break
			}
			encryption["type"] = "SPEKE"
			keys["dashSignaledSystemIds"] = all
			keys["hlsSignaledSystemIds"] = []string{systemWidevine, systemPlayReady}
			if e.method == plan.CBCS {
				keys["hlsSignaledSystemIds"] = []string{systemFairPlay}
			}
		case plan.DASH:
			keys["systemIds"] = all[:2]
		case plan.Smooth:
			keys["systemIds"] = []string{systemPlayReady}
		}
		settings["encryption"] = encryption
	}
	kind := map[plan.GroupKind][2]string{
		plan.AppleHLS: {"HLS_GROUP_SETTINGS", "hlsGroupSettings"}, plan.CMAF: {"CMAF_GROUP_SETTINGS", "cmafGroupSettings"},
		plan.DASH: {"DASH_ISO_GROUP_SETTINGS", "dashIsoGroupSettings"}, plan.Smooth: {"MS_SMOOTH_GROUP_SETTINGS", "msSmoothGroupSettings"},
	}[p.kind]
	text, err := json.Marshal(fields{"outputGroupSettings": fields{"type": kind[0], kind[1]: settings}, "outputs": outputs})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// packageJob is a job of output groups.
func packageJob(groups []string) string {
	return `{"role": "arn:aws:iam::000000000000:role/MediaConvert_Default_Role", "settings": {"inputs": [{"fileInput": "s3://films/in.mp4", "audioSelectors": {"Audio Selector 1": {"defaultSelection": "DEFAULT"}}, "videoSelector": {}}],
  "outputGroups": [` + strings.Join(groups, ",\n") + `]}}`
}

// packaged is what jobs made, and who has keys for it.
type packaged struct {
	dir      string            // of the bucket
	scratch  string            // of what the decryptors are given
	keys     map[string][]byte // by KID
	pictures sync.Map          // the hashes of the frames of each encoding, by its name
	once     sync.Map          // what was made of bytes, by what it is and their sum: a track that several cells share is decrypted and decoded once
}

// shared makes something once.
func (p *packaged) shared(what string, of []byte, do func() (any, error)) (any, error) {
	sum := sha256.Sum256(of)
	made, _ := p.once.LoadOrStore(what+hex.EncodeToString(sum[:]), sync.OnceValues(do))
	return made.(func() (any, error))()
}

// shakaPackager is the program that decrypts fragmented MP4.
func shakaPackager(t *testing.T) string {
	t.Helper()
	arch := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	path, err := filepath.Abs(filepath.Join("packager", "node_modules", "shaka-packager", "bin", "packager-linux-"+arch))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		absent(t, "shaka-packager is not installed: make deps-test")
	}
	return path
}

// frameList decodes a file and returns a line for each frame: its stream, its times, and the hash of its pixels or samples. format is ffmpeg's name of the container, streams
// which of its streams count.
func (p *packaged) frameList(format, streams string, file []byte) ([]string, error) {
	made, err := p.shared("frames"+format+streams, file, func() (any, error) {
		cmd := exec.Command("ffmpeg", "-v", "error", "-nostdin", "-xerror", "-f", format, "-i", "pipe:0", "-map", streams, "-f", "framehash", "-hash", "md5", "-")
		cmd.Stdin = bytes.NewReader(file)
		var said bytes.Buffer
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil || said.Len() > 0 {
			return nil, fmt.Errorf("ffmpeg does not decode it: %v, %.300s", err, said.String())
		}
		var frames []string
		for line := range strings.Lines(string(out)) {
			if !strings.HasPrefix(line, "#") {
				frames = append(frames, strings.Join(strings.Fields(line), " "))
			}
		}
		slices.SortStableFunc(frames, func(a, b string) int { return strings.Compare(a[:2], b[:2]) })
		return frames, nil
	})
	if err != nil {
		return nil, err
	}
	return made.([]string), nil
}

// hashes are those of frames, without their times.
func hashes(frames []string) []string {
	out := make([]string, len(frames))
	for i, f := range frames {
		out[i] = f[strings.LastIndexByte(f, ' ')+1:]
	}
	return out
}

// clearCopy is what a decryptor made of streams.
type clearCopy struct {
	by     string // who
	format string // ffmpeg's name of its container
	file   []byte
	// exact says that the file has the times of the encrypted one, so that all of them are compared, and not the frames alone.
	exact bool
	times []int64 // of the packets, where the file has lost them
}

// open decrypts a stream of a cell in all ways that there are. It also says how it is encrypted, in the words of the specifications.
func (p *packaged) open(t *testing.T, s *stream, kind string) (copies []clearCopy, methods []string, err error) {
	if s.init != nil {
		return p.openMP4(t, s, kind)
	}
	var whole []byte
	var parser mpegtstest.Parser
	for i := range s.segments {
		x := &s.segments[i]
		data := x.data
		if x.method != "" && x.uri != packagedKeyURL {
			return nil, nil, fmt.Errorf("the key is at %s", x.uri)
		}
		if x.method == "AES-128" {
			if data, err = openAES128(data, p.keys[""], x.vectorOf()); err != nil {
				return nil, nil, fmt.Errorf("segment %d: %w", i, err)
			}
		}
		if !slices.Contains(methods, x.method) {
			methods = append(methods, x.method)
		}
		units := len(parser.Units)
		if err := parser.Segment(data); err != nil {
			return nil, nil, fmt.Errorf("segment %d: %w", i, err)
		}
		if x.method == "SAMPLE-AES" {
			for j := range parser.Units[units:] {
				u := &parser.Units[units+j]
				at := slices.IndexFunc(parser.Streams, func(e mpegtstest.Stream) bool { return e.PID == u.PID })
				if u.Data, err = mpegtstest.Decrypt(parser.Streams[at].Type, u.Data, p.keys[""], x.vectorOf()); err != nil {
					return nil, nil, fmt.Errorf("segment %d, PID %d: %w", i, u.PID, err)
				}
			}
		}
		whole = append(whole, data...)
	}
	if slices.Equal(methods, []string{"AES-128"}) {
		c, err := p.openWithFFmpeg(s)
		if err != nil {
			return nil, nil, err
		}
		copies = append(copies, *c)
	}
	if !slices.Contains(methods, "SAMPLE-AES") {
		copies = append(copies, clearCopy{by: "the test", format: "mpegts", file: whole, exact: true})
	}
	// What is in the packets: the same list of times and bytes, and an elementary stream for each PID.
	for _, e := range parser.Streams {
		format, ok := map[int]string{
			mpegtstest.AVC: "h264", mpegtstest.EncryptedAVC: "h264", mpegtstest.HEVC: "hevc", mpegtstest.ADTS: "aac", mpegtstest.EncryptedADTS: "aac",
			mpegtstest.AC3: "ac3", mpegtstest.EncryptedAC3: "ac3", mpegtstest.EAC3: "eac3", mpegtstest.EncryptedEAC3: "eac3",
		}[e.Type]
		if !ok {
			return nil, nil, fmt.Errorf("stream type %#02x", e.Type)
		}
		c := clearCopy{by: "the test", format: format, file: parser.Elementary(e.PID), exact: true}
		for _, u := range parser.Units {
			if u.PID == e.PID {
				c.times = append(c.times, u.PTS, u.DTS)
			}
		}
		copies = append(copies, c)
	}
	return copies, methods, nil
}

// openWithFFmpeg has ffmpeg decrypt the segments of METHOD=AES-128, as its reader of playlists does.
func (p *packaged) openWithFFmpeg(s *stream) (*clearCopy, error) {
	made, err := p.shared("ffmpeg", s.all(), func() (any, error) {
		dir, err := os.MkdirTemp(p.scratch, "ffmpeg-")
		if err != nil {
			return nil, err
		}
		var list strings.Builder
		fmt.Fprintf(&list, "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:%d\n", s.segments[0].number)
		files := map[string][]byte{"key": p.keys[""]}
		for i, x := range s.segments {
			iv := ""
			if x.iv != nil {
				iv = fmt.Sprintf(",IV=0x%x", x.iv)
			}
			fmt.Fprintf(&list, "#EXT-X-KEY:METHOD=%s,URI=\"key\"%s\n#EXTINF:1,\n%d.ts\n", x.method, iv, i)
			files[fmt.Sprintf("%d.ts", i)] = x.data
		}
		files["x.m3u8"] = []byte(list.String() + "#EXT-X-ENDLIST\n")
		for name, b := range files {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				return nil, err
			}
		}
		cmd := exec.Command("ffmpeg", "-v", "error", "-nostdin", "-allowed_extensions", "ALL", "-i", filepath.Join(dir, "x.m3u8"), "-map", "0", "-c", "copy", "-f", "mpegts", "pipe:1")
		return cmd.Output()
	})
	if err != nil {
		return nil, fmt.Errorf("ffmpeg: %w", err)
	}
	return &clearCopy{by: "ffmpeg", format: "mpegts", file: made.([]byte)}, nil
}

// openMP4 decrypts the fragmented MP4 of one track by the test's own words, and with shaka-packager.
func (p *packaged) openMP4(t *testing.T, s *stream, kind string) (copies []clearCopy, methods []string, err error) {
	stored := s.all()
	file := bytes.Clone(stored)
	n := len(s.init)
	tracks, err := openInit(file[:n])
	if err != nil {
		return nil, nil, err
	}
	if _, err := openFragments(file[n:], tracks, p.keys); err != nil {
		return nil, nil, err
	}
	scheme := ""
	for _, k := range tracks {
		if map[string]string{"vide": "video", "soun": "audio"}[k.handler] == kind && k.protected != nil {
			scheme = k.protected.scheme
		}
	}
	copies = []clearCopy{{by: "the test", format: "mp4", file: file, exact: true}}
	if scheme != "cenc" && scheme != "cbcs" {
		return copies, []string{scheme}, nil
	}
	made, err := p.shared("shaka-packager", stored, func() (any, error) {
		dir, err := os.MkdirTemp(p.scratch, "shaka-")
		if err != nil {
			return nil, err
		}
		in, out := filepath.Join(dir, "in.mp4"), filepath.Join(dir, "out.mp4")
		if err := os.WriteFile(in, stored, 0o600); err != nil {
			return nil, err
		}
		var keys []string
		for kid, key := range p.keys {
			if kid != "" {
				keys = append(keys, fmt.Sprintf("label=%d:key_id=%s:key=%x", len(keys), kid, key))
			}
		}
		cmd := exec.Command(shakaPackager(t), "in="+in+",stream="+kind+",output="+out, "--enable_raw_key_decryption", "--keys", strings.Join(keys, ","))
		if said, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("shaka-packager: %w, %s", err, said)
		}
		return os.ReadFile(out)
	})
	if err != nil {
		return nil, nil, err
	}
	return append(copies, clearCopy{by: "shaka-packager", format: "mp4", file: made.([]byte)}), []string{scheme}, nil
}

// verdict is what a cell came to.
type verdict struct {
	by     []string // who decrypted it
	reason string   // why there is no such package
}

// cell opens the package of a cell and compares it with the clear one.
func (p *packaged) cell(t *testing.T, pk packaging, e encryption, picture, sound coding) verdict {
	t.Helper()
	manifest := "x-" + picture.name + "_" + sound.name + pk.manifest
	read := func(e encryption) []stream {
		t.Helper()
		got, err := pk.read(filepath.Join(p.dir, pk.dir+"-"+e.dir), manifest)
		if err != nil {
			t.Fatalf("%s: %v", e.name, err)
		}
		return got
	}
	stored, original := read(e), read(encryptions[0])
	muxed := pk.kind == plan.AppleHLS
	if want := map[bool]int{true: 1, false: 2}[muxed]; len(stored) != want || len(original) != want {
		t.Fatalf("%d streams, %d in the clear; want %d", len(stored), len(original), want)
	}
	// What the manifest says of codecs, and of encryption.
	wantMethod := map[plan.Method]string{plan.AES128: "AES-128", plan.SampleAES: "SAMPLE-AES", plan.CENC: "cenc", plan.CBCS: "cbcs", plan.PIFFCTR: "piff"}[e.methodOf(pk.kind)]
	var v verdict
	for i := range stored {
		codings := []coding{picture, sound}
		if !muxed {
			codings = codings[i : i+1]
		}
		for j, codec := range strings.Split(stored[i].codecs, ",") {
			if !slices.ContainsFunc(codings[j].codecs, func(begin string) bool { return strings.HasPrefix(codec, begin) }) {
				t.Errorf("the manifest says %q of %s", stored[i].codecs, codings[j].codec)
			}
		}
		kind := []string{"video", "audio"}[i]
		copies, methods, err := p.open(t, &stored[i], kind)
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if len(methods) != 1 || methods[0] != wantMethod {
			t.Errorf("%s is encrypted as %q, want %q", kind, methods, wantMethod)
		}
		if e.method != 0 && bytes.Equal(stored[i].all(), original[i].all()) {
			t.Errorf("%s is not encrypted", kind)
		}
		clear, _, err := p.open(t, &original[i], kind)
		if err != nil {
			t.Fatalf("%s in the clear: %v", kind, err)
		}
		streams := "0:" + kind[:1] // a file of Smooth Streaming has both
		if muxed {
			streams = "0"
		}
		for _, c := range copies {
			at := slices.IndexFunc(clear, func(o clearCopy) bool { return o.format == c.format })
			if at < 0 {
				t.Fatalf("%s has no %s in the clear", kind, c.format)
			}
			got, err := p.frameList(c.format, streams, c.file)
			if err != nil {
				t.Errorf("%s by %s: %v", kind, c.by, err)
				continue
			}
			want, err := p.frameList(clear[at].format, streams, clear[at].file)
			if err != nil {
				t.Errorf("%s in the clear: %v", kind, err)
				continue
			}
			if !c.exact {
				got, want = hashes(got), hashes(want)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s by %s: the frames are not those of the clear rendition (%d and %d, %d alike)", kind, c.by, len(got), len(want), same(got, want))
			}
			// All packages of a job hold one encoding.
			if all := want; kind == "video" && c.exact && (c.format == "mp4" || c.format == "mpegts") {
				all = hashes(slices.DeleteFunc(slices.Clone(all), func(line string) bool { return !strings.HasPrefix(line, "0,") }))
				first, _ := p.pictures.LoadOrStore(picture.name, all)
				if len(all) != packagedFrames || !slices.Equal(all, first.([]string)) {
					t.Errorf("%d frames, want %d; %d of them are those of the other packages", len(all), packagedFrames, same(all, first.([]string)))
				}
			}
			if !slices.Equal(c.times, clear[at].times) {
				t.Errorf("%s: the packets of %s have other times than in the clear", kind, c.format)
			}
			if !slices.Contains(v.by, c.by) {
				v.by = append(v.by, c.by)
			}
		}
	}
	return v
}

// packed opens sound that has no container (RFC 8216 3.4), which outputs of sound alone are in HLS groups, and compares it with the clear one.
func (p *packaged) packed(t *testing.T, e encryption, sound coding) {
	t.Helper()
	kind, name, format := mpegtstest.EncryptedADTS, "zaac", "aac"
	switch sound.codec {
	case media.AC3:
		kind, name, format = mpegtstest.EncryptedAC3, "zac3", "ac3"
	case media.EAC3:
		kind, name, format = mpegtstest.EncryptedEAC3, "zec3", "eac3"
	}
	open := func(e encryption) (file []byte, times []int64) {
		t.Helper()
		s := must(readPlaylist(filepath.Join(p.dir, "hls-"+e.dir), "x_"+sound.name+".m3u8"))(t)
		for i := range s.segments {
			x := &s.segments[i]
			if want := map[plan.Method]string{plan.AES128: "AES-128", plan.SampleAES: "SAMPLE-AES"}[e.method]; x.method != want {
				t.Errorf("METHOD=%s, want %s", x.method, want)
			}
			data := x.data
			if e.method == plan.AES128 {
				data = must(openAES128(data, p.keys[""], x.vectorOf()))(t)
			}
			time, setup, frames, err := mpegtstest.Packed(data)
			if err != nil {
				t.Fatal(err)
			}
			if (e.method == plan.SampleAES) != strings.HasPrefix(setup, name) {
				t.Errorf("audio setup information %q", setup)
			}
			if e.method == plan.SampleAES {
				clear := must(mpegtstest.Decrypt(kind, frames, p.keys[""], x.vectorOf()))(t)
				if bytes.Equal(clear, frames) {
					t.Error("it is not encrypted")
				}
				frames = clear
			}
			file, times = append(file, frames...), append(times, time)
		}
		return file, times
	}
	got, times := open(e)
	original, want := open(encryptions[0])
	if !bytes.Equal(got, original) || !slices.Equal(times, want) {
		t.Errorf("%d bytes at %v, in the clear %d at %v, or others", len(got), times, len(original), want)
	}
	if frames := must(p.frameList(format, "0", got))(t); len(frames) < 70 {
		t.Errorf("%d frames", len(frames))
	}
}

func same(a, b []string) (n int) {
	for i := range min(len(a), len(b)) {
		if a[i] == b[i] {
			n++
		}
	}
	return n
}

// licences asks the key server for the keys of contents, as a player does that has a token.
func (s *server) licences(source string, contents ...string) map[string][]byte {
	s.t.Helper()
	args := []string{"play", source, "--data", s.data, "--json"}
	for _, c := range contents {
		args = append(args, "--content", c)
	}
	var token struct {
		Token  string
		KeyIDs []string
	}
	answer := run(s.t, nil, binary, args...)
	if err := json.Unmarshal([]byte(answer), &token); err != nil || token.Token == "" {
		s.t.Fatalf("%v: %s", err, answer)
	}
	ask := map[string]any{"type": "temporary"}
	var ids []string
	for _, id := range token.KeyIDs {
		raw, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
		if err != nil {
			s.t.Fatal(err)
		}
		ids = append(ids, base64.RawURLEncoding.EncodeToString(raw))
	}
	ask["kids"] = ids
	body, err := json.Marshal(ask)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := s.config().HTTPClient.(interface {
		Do(*http.Request) (*http.Response, error)
	}).Do(must(http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+"/player/t/"+token.Token+"/clearkey", bytes.NewReader(body)))(s.t))
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	var set struct{ Keys []struct{ KID, K string } }
	if err := json.Unmarshal(text, &set); err != nil || len(set.Keys) != len(ids) {
		s.t.Fatalf("%d, %v: %s", resp.StatusCode, err, text)
	}
	out := map[string][]byte{}
	for _, k := range set.Keys {
		id, key := must(base64.RawURLEncoding.DecodeString(k.KID))(s.t), must(base64.RawURLEncoding.DecodeString(k.K))(s.t)
		out[hex.EncodeToString(id)] = key
	}
	return out
}

func must[V any](v V, err error) func(*testing.T) V {
	return func(t *testing.T) V {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// allowedCodings are the codecs that a group may hold with an encryption.
func allowedCodings(p packaging, e encryption) (pictures []coding) {
	for _, v := range pictureCodings {
		if ok, _ := plan.Cell(p.kind, e.methodOf(p.kind), v.codec, ""); ok {
			pictures = append(pictures, v)
		}
	}
	return pictures
}

// packagedByRun has `darkroom run` make the groups with static keys.
func packagedByRun(t *testing.T) *packaged {
	t.Helper()
	p := &packaged{dir: t.TempDir(), scratch: t.TempDir(), keys: map[string][]byte{}}
	p.keys[""] = must(hex.DecodeString(packagedKey))(t)
	source := must(os.ReadFile(packagedFilm(t)))(t)
	if err := os.WriteFile(filepath.Join(p.dir, "in.mp4"), source, 0o600); err != nil {
		t.Fatal(err)
	}
	var groups []string
	for _, pk := range packagings[:2] {
		for _, e := range encryptions {
			if pictures := allowedCodings(pk, e); len(pictures) > 0 {
				groups = append(groups, groupOf(pk, e, pictures, soundCodings, ""))
			}
		}
	}
	file := filepath.Join(t.TempDir(), "job.json")
	if err := os.WriteFile(file, []byte(packageJob(groups)), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, nil, binary, "run", file, "--bucket", "films="+p.dir)
	// A static key has no identifier of its own: the packages say which it was given.
	for _, name := range must(filepath.Glob(filepath.Join(p.dir, "fmp4-*", "*.cmf?")))(t) {
		init := must(smoothInit(must(os.ReadFile(name))(t)))(t)
		for _, k := range must(openInit(init))(t) {
			if k.protected != nil {
				p.keys[k.protected.kid] = p.keys[""]
			}
		}
	}
	return p
}

// packagedByServer has a server make the others, with keys from its own key server.
func packagedByServer(t *testing.T, s *server) *packaged {
	t.Helper()
	s.upload("films", "in.mp4", packagedFilm(t))
	var groups, contents, done []string
	for _, pk := range packagings[2:] {
		for _, e := range encryptions {
			pictures := allowedCodings(pk, e)
			if name := pk.dir + "-" + e.dir; len(pictures) > 0 && !slices.Contains(done, name) {
				groups = append(groups, groupOf(pk, e, pictures, soundCodings, s.url))
				if done = append(done, name); e.method != 0 {
					contents = append(contents, name)
				}
			}
		}
	}
	s.finish(s.submit(packageJob(groups)))
	return &packaged{dir: s.download("films", ""), scratch: t.TempDir(), keys: s.licences("s3://films/cmaf-cenc/x.mpd", contents...)}
}

// valid holds the packages to the specifications by `darkroom validate`.
func (p *packaged) valid(t *testing.T) {
	dir := t.TempDir()
	var args []string
	n := 0
	for kid, key := range p.keys {
		file := filepath.Join(dir, fmt.Sprint(n))
		if n++; kid == "" {
			kid = packagedKeyURL
		}
		if err := os.WriteFile(file, key, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--key", kid+":"+file)
	}
	for _, group := range must(filepath.Glob(filepath.Join(p.dir, "*-*")))(t) {
		if out, said, err := try(t, nil, binary, append(append([]string{"validate"}, args...), group)...); err != nil || strings.Contains(out, "warning:") {
			t.Errorf("darkroom validate %s: %v\n%s%s", filepath.Base(group), err, out, said)
		}
	}
}

// TestPackaging packages every cell of the table in docs/packaging.md, or is told why not; others than the packager decrypt what is encrypted, and ffmpeg decodes it to
// the frames of the clear rendition. go test ./test -run TestPackaging -update writes the table.
func TestPackaging(t *testing.T) {
	t.Parallel()
	shakaPackager(t)
	s := serve(t, "--keyserver")
	var (
		mu    sync.Mutex                        // guards table
		table = map[string]map[string]verdict{} // by packaging and encryption, by codecs
	)
	t.Run("cells", func(t *testing.T) {
		byRun, byServer := packagedByRun(t), packagedByServer(t, s)
		t.Run("validate", func(t *testing.T) {
			t.Parallel()
			byRun.valid(t)
			byServer.valid(t)
		})
		for _, e := range encryptions[:3] {
			for _, sound := range soundCodings {
				t.Run("packed audio "+e.name+" "+sound.name, func(t *testing.T) {
					t.Parallel()
					byRun.packed(t, e, sound)
				})
			}
		}
		for i, pk := range packagings {
			p := byServer
			if i < 2 {
				p = byRun
			}
			for _, e := range encryptions {
				for _, picture := range pictureCodings {
					for _, sound := range soundCodings {
						t.Run(strings.Join([]string{pk.name, e.name, picture.name, sound.name}, " "), func(t *testing.T) {
							t.Parallel()
							record := func(v verdict) {
								mu.Lock()
								defer mu.Unlock()
								if table[pk.name+" "+e.name] == nil {
									table[pk.name+" "+e.name] = map[string]verdict{}
								}
								table[pk.name+" "+e.name][picture.name+" "+sound.name] = v
							}
							if e.method == plan.SampleAES && pk.kind == plan.CMAF {
								record(verdict{reason: "SAMPLE-AES of fragmented MP4 is cbcs"})
								return
							}
							ok, reason := plan.Cell(pk.kind, e.methodOf(pk.kind), picture.codec, sound.codec)
							if encrypted, all := plan.Cell(pk.kind, e.methodOf(pk.kind), "", ""); !encrypted {
								reason = all
							}
							var v verdict
							if ok {
								v = p.cell(t, pk, e, picture, sound)
							} else {
								v.reason = reason
								s.refuses(t, pk, e, picture, sound, reason)
							}
							record(v)
						})
					}
				}
			}
		}
	})
	if !t.Failed() {
		document(t, "packaging", packagingTable(t, table))
	}
}

// packagingTable is the table of what is packaged, and decrypted by others.
func packagingTable(t *testing.T, table map[string]map[string]verdict) string {
	t.Helper()
	var b strings.Builder
	var reasons []string
	note := func(reason string) string {
		at := slices.Index(reasons, reason)
		if at < 0 {
			at = len(reasons)
			reasons = append(reasons, reason)
		}
		return fmt.Sprintf("<sup>%d</sup>", at+1)
	}
	b.WriteString("| |")
	for _, e := range encryptions {
		b.WriteString(" " + e.name + " |")
	}
	b.WriteString("\n|" + strings.Repeat("---|", len(encryptions)+1) + "\n")
	for _, pk := range packagings {
		b.WriteString("| **" + pk.name + "** |")
		for _, e := range encryptions {
			row := table[pk.name+" "+e.name]
			if len(row) != len(pictureCodings)*len(soundCodings) {
				t.Fatalf("%s %s: %d cells", pk.name, e.name, len(row))
			}
			var made, refused []string
			by := map[string]bool{}
			for _, picture := range pictureCodings {
				// Sounds differ in no cell: where one did, the table would have to say it.
				v := row[picture.name+" "+soundCodings[0].name]
				for _, sound := range soundCodings[1:] {
					if o := row[picture.name+" "+sound.name]; o.reason != v.reason || !slices.Equal(o.by, v.by) {
						t.Fatalf("%s %s: %s with %s is another than with %s", pk.name, e.name, picture.codec, soundCodings[0].codec, sound.codec)
					}
				}
				if v.reason != "" {
					refused = append(refused, string(picture.codec)+note(v.reason))
					continue
				}
				made = append(made, string(picture.codec))
				for _, who := range v.by {
					by[map[string]string{"the test": "T", "shaka-packager": "S", "ffmpeg": "F"}[who]] = true
				}
			}
			cell := strings.Join(made, ", ")
			if len(by) > 0 && e.method != 0 {
				cell += " (" + strings.Join(slices.Sorted(maps.Keys(by)), "") + ")"
			}
			if len(made) == 0 && len(refused) > 0 && slices.IndexFunc(refused, func(r string) bool {
				return r[strings.IndexByte(r, '<'):] != refused[0][strings.IndexByte(refused[0], '<'):]
			}) < 0 {
				cell = "–" + refused[0][strings.IndexByte(refused[0], '<'):]
			} else if len(refused) > 0 {
				cell = strings.TrimPrefix(cell+"; not "+strings.Join(refused, ", "), "; ")
			}
			b.WriteString(" " + cell + " |")
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
	for i, r := range reasons {
		r = strings.ToUpper(r[:1]) + strings.TrimSuffix(r[1:], ".") + "."
		fmt.Fprintf(&b, "%d. %s\n", i+1, r)
	}
	return b.String()
}

// document holds a part of docs/packaging.md to what a test has seen; with -update it writes the part.
func document(t *testing.T, part, text string) {
	t.Helper()
	documentLock.Lock()
	defer documentLock.Unlock()
	name := filepath.Join("..", "docs", "packaging.md")
	page := string(must(os.ReadFile(name))(t))
	begin, end := "<!-- "+part+": written by a test -->\n", "<!-- end of "+part+" -->"
	before, rest, ok := strings.Cut(page, begin)
	old, after, closed := strings.Cut(rest, end)
	switch {
	case !ok || !closed:
		t.Fatalf("docs/packaging.md has no part %s", part)
	case old == text:
	case *update:
		if err := os.WriteFile(name, []byte(before+begin+text+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("docs/packaging.md is stale: go test ./test -run '^%s$' -update writes it. Now:\n%s", t.Name(), text)
	}
}

var documentLock sync.Mutex // held while docs/packaging.md is read or written

// refuses requires that the server refuses the job of a cell with its reason, or, where the settings have no words for it, the member that would have to say so.
func (s *server) refuses(t *testing.T, pk packaging, e encryption, picture, sound coding, reason string) {
	t.Helper()
	// Is the encryption one of the group, and the codec what it is refused for?
	encrypted, _ := plan.Cell(pk.kind, e.methodOf(pk.kind), "", "")
	if e.method == plan.CBCS && pk.kind == plan.AppleHLS {
		e.member = "CBCS" // SAMPLE_AES would be that of transport streams
	}
	group := groupOf(pk, e, []coding{picture}, []coding{sound}, s.url)
	if !encrypted {
		if reason = "encryptionMethod"; pk.kind == plan.DASH || pk.kind == plan.Smooth {
			group = strings.Replace(group, `"encryption":{`, `"encryption":{"encryptionMethod":"`+e.member+`",`, 1)
		}
	}
	status, answer := s.raw(t, http.MethodPost, "/2017-08-29/jobs", packageJob([]string{group}))
	if status != http.StatusBadRequest || !strings.Contains(answer, reason) {
		t.Errorf("want %q, got %d %s", reason, status, answer)
	}
}
