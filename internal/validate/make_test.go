package validate

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"darkroom/internal/secret"
)

// files are a package in memory.
type files map[string][]byte

// check writes a package to disk and checks all of it.
func (f files) check(t *testing.T, keys ...Key) *Report {
	t.Helper()
	dir := t.TempDir()
	for name, b := range f {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	src, err := OpenDir(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = src.Close() }()
	manifests, err := src.Manifests(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r, err := Check(t.Context(), src, manifests, Options{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// load reads what a packager has written.
func load(t testing.TB, dir string) files {
	t.Helper()
	out := files{}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		out[filepath.ToSlash(name)] = b
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func run(t testing.TB, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// absent skips at the desk, and fails in CI.
func absent(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// shaka is shaka-packager: a packager that has nothing of ours.
func shaka(t testing.TB) string {
	t.Helper()
	arch := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	path, err := filepath.Abs(filepath.Join("..", "..", "test", "packager", "node_modules", "shaka-packager", "bin", "packager-linux-"+arch))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		absent(t, "shaka-packager is not installed: make deps-test")
	}
	return path
}

// sources are films that the packages are made of, encoded once: 4 s with a key frame each second.
var sources struct {
	sync.Mutex // held while they are made
	dir        string
}

func TestMain(m *testing.M) {
	code := m.Run()
	if sources.dir != "" {
		_ = os.RemoveAll(sources.dir)
	}
	os.Exit(code)
}

var pictures = map[string][]string{
	"avc":   {"-s", "160x90", "-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "25", "-keyint_min", "25", "-sc_threshold", "0"},
	"large": {"-s", "320x180", "-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "25", "-keyint_min", "25", "-sc_threshold", "0"},
	"hevc":  {"-s", "160x90", "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "keyint=25:min-keyint=25:scenecut=0:log-level=none", "-tag:v", "hvc1"},
	"av1":   {"-s", "160x90", "-c:v", "libsvtav1", "-preset", "12", "-g", "25"},
}

// source makes a film of one track.
func source(t testing.TB, name string) string {
	t.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		absent(t, "ffmpeg is not installed")
	}
	sources.Lock()
	defer sources.Unlock()
	if sources.dir == "" {
		dir, err := os.MkdirTemp("", "validate-")
		if err != nil {
			t.Fatal(err)
		}
		sources.dir = dir
	}
	path := filepath.Join(sources.dir, name+".mp4")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	args := []string{"-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=4", "-pix_fmt", "yuv420p"}
	if p, ok := pictures[name]; ok {
		args = append(args, p...)
	} else {
		args = []string{"-v", "error", "-y", "-f", "lavfi", "-i", "sine=f=440:r=48000:d=4", "-ac", "2", "-c:a", name}
	}
	run(t, sources.dir, "ffmpeg", append(args, path)...)
	return path
}

const (
	testKID = "00112233445566778899aabbccddeeff"
	testKey = "0123456789abcdef0123456789abcdef"
)

// segmented is CMAF of shaka-packager with both manifests. scheme is cenc, cbcs or "" for clear.
func segmented(t testing.TB, scheme, picture, sound string) files {
	t.Helper()
	dir := t.TempDir()
	args := []string{
		"--quiet", "in=" + source(t, picture) + ",stream=video,init_segment=v/init.mp4,segment_template=v/$Number$.m4s,playlist_name=v.m3u8,iframe_playlist_name=i.m3u8",
		"in=" + source(t, sound) + ",stream=audio,init_segment=a/init.mp4,segment_template=a/$Number$.m4s,playlist_name=a.m3u8,hls_group_id=aud",
	}
	if picture == "avc" {
		args = append(args, "in="+source(t, "large")+",stream=video,init_segment=l/init.mp4,segment_template=l/$Number$.m4s,playlist_name=l.m3u8")
	}
	args = append(args, "--segment_duration", "2", "--hls_master_playlist_output", "m.m3u8", "--mpd_output", "m.mpd", "--generate_static_live_mpd")
	if scheme != "" {
		args = append(args, "--enable_raw_key_encryption", "--keys", "label=:key_id="+testKID+":key="+testKey, "--protection_systems", "Common", "--clear_lead", "0", "--protection_scheme", scheme)
	}
	run(t, dir, shaka(t), args...)
	return load(t, dir)
}

// onDemand is DASH of whole files with an index.
func onDemand(t testing.TB) files {
	t.Helper()
	dir := t.TempDir()
	run(t, dir, shaka(t), "--quiet", "in="+source(t, "avc")+",stream=video,out=v.mp4", "in="+source(t, "aac")+",stream=audio,out=a.mp4", "--segment_duration", "2", "--mpd_output", "m.mpd",
		"--generate_static_live_mpd=false")
	return load(t, dir)
}

// transport is HLS in transport streams of ffmpeg, in two sizes, with a multivariant playlist that says all that it may.
func transport(t testing.TB) files {
	t.Helper()
	dir := t.TempDir()
	for _, p := range []string{"avc", "large"} {
		run(t, dir, "ffmpeg", "-v", "error", "-y", "-i", source(t, p), "-i", source(t, "aac"), "-c", "copy", "-f", "hls", "-hls_time", "2", "-hls_playlist_type", "vod", "-hls_segment_filename", p+"%d.ts", p+".m3u8")
	}
	f := load(t, dir)
	variant := func(name, size string) string {
		a, b := len(f[name+"0.ts"]), len(f[name+"1.ts"])
		return fmt.Sprintf("#EXT-X-STREAM-INF:BANDWIDTH=%d,AVERAGE-BANDWIDTH=%d,CODECS=\"%s,mp4a.40.2\",RESOLUTION=%s,FRAME-RATE=25.000\n%s.m3u8\n", max(a, b)*4+100, (a+b)*2+100, codecOf(t, name), size, name)
	}
	f["m.m3u8"] = []byte("#EXTM3U\n#EXT-X-VERSION:4\n" + variant("avc", "160x90") + variant("large", "320x180"))
	return f
}

// codecOf asks ffprobe, by way of the level and the profile in the parameter sets.
func codecOf(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(source(t, name))
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(b, []byte("avcC"))
	if i < 0 {
		t.Fatal("no avcC")
	}
	return fmt.Sprintf("avc1.%02x%02x%02x", b[i+5], b[i+6], b[i+7])
}

// wholeEncrypted is HLS with AES-128, made here from the clear transport streams: RFC 8216 5.2.
func wholeEncrypted(t testing.TB) files {
	t.Helper()
	f := transport(t)
	for name, b := range f {
		if !strings.HasSuffix(name, ".ts") {
			continue
		}
		var number int64
		if strings.HasSuffix(name, "1.ts") {
			number = 1
		}
		f[name] = encryptCBC(t, b, number)
	}
	for _, name := range []string{"avc.m3u8", "large.m3u8"} {
		f[name] = bytes.Replace(f[name], []byte("#EXTINF"), []byte("#EXT-X-KEY:METHOD=AES-128,URI=\"https://keys.example/1\"\n#EXTINF"), 1)
	}
	return f
}

func encryptCBC(t testing.TB, b []byte, number int64) []byte {
	t.Helper()
	block, err := aes.NewCipher([]byte("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	iv := make([]byte, 16)
	binary.BigEndian.PutUint64(iv[8:], uint64(number))
	n := 16 - len(b)%16
	out := append(slices.Clone(b), bytes.Repeat([]byte{byte(n)}, n)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, out)
	return out
}

// wholeKey opens it.
var wholeKey = Key{ID: "https://keys.example/1", Value: secret.New([]byte("0123456789abcdef"))}

// smooth is Smooth Streaming: the file is ffmpeg's, and its manifests are written here.
func smooth(t testing.TB) files {
	t.Helper()
	dir := t.TempDir()
	run(t, dir, "ffmpeg", "-v", "error", "-y", "-i", source(t, "avc"), "-ignore_editlist", "1", "-i", source(t, "aac"), "-c", "copy", "-f", "ismv", "-frag_duration", "2000000", "x.ismv")
	f := load(t, dir)
	b := f["x.ismv"]
	i := bytes.Index(b, []byte("avcC"))
	sps := b[i+4+8 : i+4+8+int(b[i+4+7])]
	pps := b[i+4+8+len(sps)+3:]
	pps = pps[:int(b[i+4+8+len(sps)+2])]
	private := fmt.Sprintf("00000001%x00000001%x", sps, pps)
	chunks := map[uint32]string{1: "", 2: ""}
	for at := 0; ; { // tfxd of each fragment: version, time, duration; the traf around it begins with tfhd, whose track follows its flags
		j := bytes.Index(b[at:], tfxdUUID[:])
		if j < 0 {
			break
		}
		j += at
		h := bytes.LastIndex(b[:j], []byte("tfhd"))
		id := binary.BigEndian.Uint32(b[h+8:])
		chunks[id] += fmt.Sprintf("<c t=\"%d\" d=\"%d\"/>\n", binary.BigEndian.Uint64(b[j+20:]), binary.BigEndian.Uint64(b[j+28:]))
		at = j + 16
	}
	f["x.ismc"] = []byte(fmt.Sprintf(`<?xml version="1.0" encoding="utf-8"?>
<SmoothStreamingMedia MajorVersion="2" MinorVersion="2" TimeScale="10000000" Duration="40000000">
<StreamIndex Type="video" Name="video" Chunks="%d" QualityLevels="1" Url="QualityLevels({bitrate})/Fragments(video={start time})">
<QualityLevel Index="0" Bitrate="300000" FourCC="H264" MaxWidth="160" MaxHeight="90" CodecPrivateData="%s"/>
%s</StreamIndex>
<StreamIndex Type="audio" Name="audio" Chunks="%d" QualityLevels="1" Url="QualityLevels({bitrate})/Fragments(audio={start time})">
<QualityLevel Index="0" Bitrate="128000" FourCC="AACL" SamplingRate="48000" Channels="2" BitsPerSample="16" PacketSize="4" AudioTag="255" CodecPrivateData="%x"/>
%s</StreamIndex>
</SmoothStreamingMedia>
`, strings.Count(chunks[1], "<c"), private, chunks[1], strings.Count(chunks[2], "<c"), aacConfig(b), chunks[2]))
	f["x.ism"] = []byte(`<?xml version="1.0" encoding="utf-8"?>
<smil xmlns="http://www.w3.org/2001/SMIL20/Language"><head><meta name="clientManifestRelativePath" content="x.ismc"/></head><body><switch>
<video src="x.ismv" systemBitrate="300000"><param name="trackID" value="1" valuetype="data"/></video>
<audio src="x.ismv" systemBitrate="128000"><param name="trackID" value="2" valuetype="data"/></audio>
</switch></body></smil>
`)
	return f
}

// aacConfig finds the AudioSpecificConfig behind its descriptor.
func aacConfig(b []byte) []byte {
	i := bytes.Index(b, []byte("esds"))
	j := bytes.IndexByte(b[i+30:], 5) + i + 30
	for b[j+1]&0x80 != 0 {
		j++
	}
	return b[j+2 : j+2+int(b[j+1])]
}

// packed is HLS of packed audio, RFC 8216 3.4, with captions in WebVTT beside it.
func packed(t testing.TB) files {
	t.Helper()
	dir := t.TempDir()
	run(t, dir, "ffmpeg", "-v", "error", "-y", "-i", source(t, "aac"), "-c", "copy", "-f", "adts", "x.aac")
	b := load(t, dir)["x.aac"]
	f := files{}
	var starts []int
	for at := 0; at < len(b); {
		starts = append(starts, at)
		at += int(b[at+3]&3)<<11 | int(b[at+4])<<3 | int(b[at+5]>>5)
	}
	half := len(starts) / 2
	tag := func(frames int) []byte {
		owner := "com.apple.streaming.transportStreamTimestamp\x00"
		out := append([]byte("ID3\x04\x00\x00\x00\x00\x00"), byte(10+len(owner)+8), 'P', 'R', 'I', 'V', 0, 0, 0, byte(len(owner)+8), 0, 0)
		out = append(out, owner...)
		return binary.BigEndian.AppendUint64(out, uint64(frames)*1024*90_000/48_000)
	}
	f["a0.aac"] = append(tag(0), b[:starts[half]]...)
	f["a1.aac"] = append(tag(half), b[starts[half]:]...)
	d := func(frames int) float64 { return float64(frames) * 1024 / 48_000 }
	f["a.m3u8"] = []byte(fmt.Sprintf("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:3\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:%.6f,\na0.aac\n#EXTINF:%.6f,\na1.aac\n#EXT-X-ENDLIST\n", d(half), d(len(starts)-half)))
	f["t.m3u8"] = []byte("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:5\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:4.0,\nt0.vtt\n#EXT-X-ENDLIST\n")
	f["t0.vtt"] = []byte("WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0\n\n00:00:00.500 --> 00:00:01.500\none\n\n00:00:02.000 --> 00:00:03.000\ntwo\n")
	f["m.m3u8"] = []byte("#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"sub\",NAME=\"English\",LANGUAGE=\"en\",URI=\"t.m3u8\"\n#EXT-X-STREAM-INF:BANDWIDTH=200000,CODECS=\"mp4a.40.2\",SUBTITLES=\"sub\"\na.m3u8\n")
	return f
}

// tile is a JPEG of 160x88: 2x2 pictures of 80x44.
func tile(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 160, 88)), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// pictured is packed audio with an image playlist.
func pictured(t testing.TB) files {
	t.Helper()
	f := packed(t)
	f["i0.jpg"] = tile(t)
	f["i.m3u8"] = []byte("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-IMAGES-ONLY\n#EXTINF:4,\n#EXT-X-TILES:RESOLUTION=80x44,LAYOUT=2x2,DURATION=1\ni0.jpg\n#EXT-X-ENDLIST\n")
	delete(f, "t.m3u8")
	delete(f, "t0.vtt")
	f["m.m3u8"] = []byte("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-STREAM-INF:BANDWIDTH=200000,CODECS=\"mp4a.40.2\"\na.m3u8\n" +
		"#EXT-X-IMAGE-STREAM-INF:BANDWIDTH=5000,RESOLUTION=80x44,CODECS=\"jpeg\",URI=\"i.m3u8\"\n")
	return f
}

// single is packed audio with an image playlist of a picture alone, which has no tiles to tell of.
func single(t testing.TB) files {
	t.Helper()
	f := pictured(t)
	f.swap(t, "i.m3u8", `#EXT-X-TILES:.*\n`, "")
	f.edit(t, "m.m3u8", "RESOLUTION=80x44", "RESOLUTION=160x88")
	return f
}

// tiled is DASH with thumbnails.
func tiled(t testing.TB) files {
	t.Helper()
	f := onDemand(t)
	f["i1.jpg"] = tile(t)
	f.edit(t, "m.mpd", "</Period>", `<AdaptationSet id="7" contentType="image" mimeType="image/jpeg"><Representation id="7" bandwidth="5000" width="160" height="88">`+
		`<EssentialProperty schemeIdUri="http://dashif.org/guidelines/thumbnail_tile" value="2x2"/><SegmentTemplate duration="4" startNumber="1" media="i$Number$.jpg"/>`+
		`</Representation></AdaptationSet></Period>`)
	return f
}

// clone copies a package, so that it can be broken.
func (f files) clone() files {
	out := maps.Clone(f)
	for name, b := range out {
		out[name] = bytes.Clone(b)
	}
	return out
}

// edit replaces text in a file, and fails where it is not there.
func (f files) edit(t testing.TB, name, from, to string) {
	t.Helper()
	b, ok := f[name]
	if !ok || !bytes.Contains(b, []byte(from)) {
		t.Fatalf("%s has no %q:\n%.2000s", name, from, b)
	}
	f[name] = bytes.Replace(b, []byte(from), []byte(to), 1)
}

// at finds a box in a file and returns its content, which may be changed in place.
func (f files) at(t testing.TB, name string, path ...string) []byte {
	t.Helper()
	b, ok := f[name]
	if !ok {
		t.Fatalf("there is no %s", name)
	}
	for _, kind := range path {
		if kind == "stsd/" { // into the first sample entry
			b = b[8:]
			continue
		}
		list, err := boxes(b)
		x, ok := find(list, kind)
		if !ok {
			t.Fatalf("%s has no box %s (%v): %v", name, kind, path, err)
		}
		b = x.body
	}
	return b
}

// errorsOf are the rules that are broken, each once.
func errorsOf(r *Report) (out []string) {
	for _, f := range r.Findings {
		if f.Level == Error && !slices.Contains(out, f.Rule) {
			out = append(out, f.Rule)
		}
	}
	slices.Sort(out)
	return out
}
