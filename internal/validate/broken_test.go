package validate

import (
	"bytes"
	"encoding/binary"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"darkroom/internal/secret"

	"github.com/google/go-cmp/cmp"
)

// bases are the good packages that are broken, each made once.
func bases(t *testing.T) map[string]func(testing.TB) files {
	t.Helper()
	made := map[string]func(testing.TB) files{
		"ts": transport, "aes": wholeEncrypted, "packed": packed, "demand": onDemand, "smooth": smooth, "images": pictured, "single": single, "tiles": tiled,
		"clear": func(t testing.TB) files { return segmented(t, "", "avc", "aac") },
		"cenc":  func(t testing.TB) files { return segmented(t, "cenc", "avc", "aac") },
		"ac3":   func(t testing.TB) files { return segmented(t, "cbcs", "avc", "ac3") },
	}
	for name, f := range made {
		var once sync.Once
		var got files
		made[name] = func(testing.TB) files {
			once.Do(func() { got = f(t) })
			return got.clone()
		}
	}
	return made
}

// add adds to a big-endian number in place.
func add(b []byte, n int) {
	v := 0
	for _, x := range b {
		v = v<<8 | int(x)
	}
	v += n
	for i := len(b) - 1; i >= 0; i-- {
		b[i], v = byte(v), v>>8
	}
}

// swap replaces what matches, once.
func (f files) swap(t testing.TB, name, pattern, to string) {
	t.Helper()
	re := regexp.MustCompile(pattern)
	loc := re.FindIndex(f[name])
	if loc == nil {
		t.Fatalf("%s has no %s:\n%.2000s", name, pattern, f[name])
	}
	f[name] = slices.Concat(f[name][:loc[0]], []byte(to), f[name][loc[1]:])
}

// packet finds the n-th packet of a PID, from 0, and returns it.
func (f files) packet(t testing.TB, name string, n int, is func(p []byte) bool) []byte {
	t.Helper()
	for b := f[name]; len(b) >= tsPacket; b = b[tsPacket:] {
		if is(b[:tsPacket]) {
			if n == 0 {
				return b[:tsPacket]
			}
			n--
		}
	}
	t.Fatalf("%s has no such packet", name)
	return nil
}

// packets changes every packet of a kind.
func (f files) packets(name string, is func(p []byte) bool, change func(p []byte)) {
	for b := f[name]; len(b) >= tsPacket; b = b[tsPacket:] {
		if is(b[:tsPacket]) {
			change(b[:tsPacket])
		}
	}
}

func pid(want int) func([]byte) bool {
	return func(p []byte) bool { return int(p[1]&0x1f)<<8|int(p[2]) == want }
}

// PIDs that ffmpeg gives.
const (
	pmtPID, videoPID, audioPID = 0x1000, 0x100, 0x101
)

func begins(want int) func([]byte) bool {
	return func(p []byte) bool { return pid(want)(p) && p[1]&0x40 != 0 }
}

// payload is what is behind the header and the adaptation field.
func payload(p []byte) []byte {
	if p[3]&0x20 != 0 {
		return p[5+int(p[4]):]
	}
	return p[4:]
}

// TestBroken breaks good packages, one rule each, and wants exactly that rule named; what must break with it is listed too. No rule is left out.
func TestBroken(t *testing.T) {
	t.Parallel()
	moof := func(f files, name string, path ...string) []byte {
		return f.at(t, name, append([]string{"moof", "traf"}, path...)...)
	}
	cases := []struct {
		rule, base string
		also       []string
		breaks     func(t *testing.T, f files)
	}{
		{"reference", "clear", nil, func(_ *testing.T, f files) { delete(f, "l/2.m4s") }},
		{"reference", "ts", nil, func(t *testing.T, f files) { f.edit(t, "large.m3u8", "large1.ts", "../../etc/passwd") }},
		{"reference", "clear", nil, func(t *testing.T, f files) { f.edit(t, "m.mpd", "a/init.mp4", "https://example.com/a/init.mp4") }},
		{"reference-twice", "clear", nil, func(t *testing.T, f files) { f.edit(t, "m.mpd", "l/init.mp4", "v/init.mp4") }},
		{"reference-twice", "packed", []string{"time-gap"}, func(t *testing.T, f files) { f.edit(t, "a.m3u8", "a1.aac", "a0.aac") }},
		{"segment-key-frame", "clear", nil, func(t *testing.T, f files) {
			trun := moof(f, "l/1.m4s", "trun")
			if trun[3]&4 != 0 {
				trun[12+1] |= 1 // sample_is_non_sync_sample of first_sample_flags
			} else {
				at := 12 // of the flags of the first sample
				for _, bit := range []byte{1, 2} {
					if trun[2]&bit != 0 { // its duration and its size stand before them
						at += 4
					}
				}
				trun[at+1] |= 1
			}
		}},
		{"segment-alignment", "ts", []string{"hls-same-target"}, func(t *testing.T, f files) {
			f["large0.ts"] = append(f["large0.ts"], f["large1.ts"]...)
			f.swap(t, "large.m3u8", `(?s)#EXT-X-TARGETDURATION:2.*`, "#EXT-X-TARGETDURATION:4\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:4.000000,\nlarge0.ts\n#EXT-X-ENDLIST\n")
		}},
		{"stream-end", "clear", nil, func(t *testing.T, f files) { f.swap(t, "a.m3u8", `#EXTINF:1.*\na/2.m4s\n`, "") }},
		{"time-gap", "packed", nil, func(_ *testing.T, f files) { add(f["a1.aac"][65:73], 90_000) }},
		{"encryption-declared", "cenc", nil, func(t *testing.T, f files) { f.swap(t, "l.m3u8", `#EXT-X-KEY:.*\n`, "") }},
		{"encryption-declared", "clear", nil, func(t *testing.T, f files) {
			f.edit(t, "l.m3u8", "#EXT-X-MAP", "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"https://keys.example/1\"\n#EXT-X-MAP")
		}},
		{"encryption-declared", "cenc", nil, func(t *testing.T, f files) {
			f.swap(t, "m.mpd", `(?s)<ContentProtection.*</ContentProtection>\s*<Representation`, "<Representation")
		}},
		{"encryption-declared", "cenc", nil, func(t *testing.T, f files) { f.edit(t, "m.mpd", `value="cenc"`, `value="cbcs"`) }},
		{"encryption-padding", "aes", nil, func(_ *testing.T, f files) { b := f["large1.ts"]; b[len(b)-1] ^= 1 }},
		{"encryption-padding", "aes", nil, func(_ *testing.T, f files) { f["large1.ts"] = f["large1.ts"][:len(f["large1.ts"])-5] }},
		{"ts-sync", "ts", nil, func(_ *testing.T, f files) { f["large1.ts"] = append(f["large1.ts"], "0123456789"...) }},
		{"ts-tables", "ts", nil, func(_ *testing.T, f files) {
			f.packets("large1.ts", pid(0), func(p []byte) { p[1], p[2] = 0x1f, 0xff })
		}},
		{"ts-crc", "ts", []string{"ts-tables"}, func(_ *testing.T, f files) { f.packets("large1.ts", pid(pmtPID), func(p []byte) { p[20] ^= 1 }) }},
		{"ts-continuity", "ts", nil, func(t *testing.T, f files) {
			p := f.packet(t, "large1.ts", 30, pid(videoPID))
			p[3] = p[3]&0xf0 | (p[3]+5)&15
		}},
		{"ts-pcr", "ts", nil, func(t *testing.T, f files) {
			p := f.packet(t, "large1.ts", 3, func(p []byte) bool { return pid(videoPID)(p) && p[3]&0x20 != 0 && p[4] > 6 && p[5]&0x10 != 0 })
			add(p[6:10], 1<<20)
		}},
		{"ts-pes", "ts", nil, func(t *testing.T, f files) { payload(f.packet(t, "large1.ts", 10, begins(videoPID)))[7] &= 0x3f }},
		{"ts-stream", "ts", nil, func(t *testing.T, f files) {
			b := f["large1.ts"]
			last := 0
			for at := 0; at < len(b); at += tsPacket {
				if begins(audioPID)(b[at:]) {
					last = at
				}
			}
			p := payload(b[last : last+tsPacket])
			p[9+int(p[8])] = 0
		}},
		{"packed-audio", "packed", nil, func(_ *testing.T, f files) { b := f["a0.aac"]; f["a0.aac"] = b[10+int(b[9]):] }},
		{"webvtt", "packed", nil, func(t *testing.T, f files) { f.edit(t, "t0.vtt", "00:00:02.000", "00:00:04.000") }},
		{"webvtt", "packed", nil, func(t *testing.T, f files) { f.edit(t, "t0.vtt", "WEBVTT", "WEBVTTX") }},
		{"image", "images", nil, func(t *testing.T, f files) { f.edit(t, "i.m3u8", "LAYOUT=2x2", "LAYOUT=2x3") }},
		{"image", "images", nil, func(t *testing.T, f files) { f.edit(t, "m.m3u8", "RESOLUTION=80x44", "RESOLUTION=160x90") }},
		{"image", "single", nil, func(t *testing.T, f files) { f.edit(t, "m.m3u8", "RESOLUTION=160x88", "RESOLUTION=80x44") }},
		{"image", "images", nil, func(_ *testing.T, f files) { f["i0.jpg"] = f["i0.jpg"][2:] }},
		{"image", "tiles", nil, func(t *testing.T, f files) { f.edit(t, "m.mpd", `width="160" height="88"`, `width="160" height="90"`) }},
		{"image", "tiles", nil, func(t *testing.T, f files) { f.edit(t, "m.mpd", `value="2x2"`, `value="2"`) }},
		{"mp4-box", "clear", nil, func(_ *testing.T, f files) { f["l/2.m4s"] = append(f["l/2.m4s"], 0, 0, 0, 3, 'f', 'r', 'e', 'e') }},
		{"mp4-init", "clear", nil, func(_ *testing.T, f files) { copy(f["l/init.mp4"][4:], "free") }},
		{"mp4-fragment", "clear", nil, func(_ *testing.T, f files) { b := f["l/1.m4s"]; copy(b[bytes.Index(b, []byte("tfdt")):], "free") }},
		{"mp4-sample", "clear", nil, func(_ *testing.T, f files) { add(moof(f, "a/2.m4s", "trun")[8:12], 4) }},
		{"mp4-sync", "clear", []string{"segment-key-frame"}, func(t *testing.T, f files) {
			for b := f.at(t, "l/1.m4s", "mdat"); ; b = b[4+binary.BigEndian.Uint32(b):] {
				if b[4]&31 == 5 {
					b[4] = b[4]&^31 | 1
					return
				}
			}
		}},
		{"mp4-nal", "clear", nil, func(t *testing.T, f files) { f.at(t, "l/1.m4s", "mdat")[1] = 0xff }},
		{"mp4-parameter", "clear", nil, func(_ *testing.T, f files) { b := f["l/init.mp4"]; b[bytes.Index(b, []byte("avcC"))+7]++ }},
		{"sidx", "demand", nil, func(t *testing.T, f files) { add(f.at(t, "v.mp4", "sidx")[24:28], 8) }},
		{"cenc-tenc", "cenc", nil, func(_ *testing.T, f files) {
			b := f["l/init.mp4"]
			i := bytes.Index(b, []byte("tenc"))
			b[i+4], b[i+9] = 1, 0x19
		}},
		{"cenc-senc", "cenc", nil, func(_ *testing.T, f files) { add(moof(f, "l/1.m4s", "senc")[18:20], 1) }},
		{"cenc-saio", "cenc", nil, func(_ *testing.T, f files) { add(moof(f, "l/1.m4s", "saio")[8:12], 1) }},
		{"cenc-clear-nal", "cenc", []string{"cenc-decrypt", "cenc-senc"}, func(_ *testing.T, f files) {
			s := moof(f, "l/1.m4s", "senc")[18:] // behind the vector and the count of ranges of the first sample
			n := binary.BigEndian.Uint16(s)
			binary.BigEndian.PutUint16(s, 0)
			add(s[2:6], int(n))
		}},
		{"cenc-iv", "cenc", nil, func(_ *testing.T, f files) { s := moof(f, "a/1.m4s", "senc")[8:]; copy(s[8:16], s[:8]) }},
		{"cenc-pssh", "cenc", nil, func(t *testing.T, f files) { f.edit(t, "m.mpd", "AAAANHBzc2g", "AAAANHBzc2k") }},
		{"cenc-decrypt", "ac3", nil, func(t *testing.T, f files) { f.at(t, "a/1.m4s", "mdat")[100] ^= 1 }},
		{"hls-syntax", "clear", nil, func(t *testing.T, f files) { f.edit(t, "l.m3u8", "#EXTINF:2.000,", "#EXTINF:2.000") }},
		{"hls-tag", "clear", nil, func(t *testing.T, f files) {
			f.edit(t, "l.m3u8", "#EXT-X-TARGETDURATION:3\n", "#EXT-X-TARGETDURATION:3\n#EXT-X-TARGETDURATION:3\n")
		}},
		{"hls-version", "clear", nil, func(t *testing.T, f files) { f.edit(t, "l.m3u8", "#EXT-X-VERSION:6", "#EXT-X-VERSION:3") }},
		{"hls-extinf", "clear", nil, func(t *testing.T, f files) { f.edit(t, "l.m3u8", "#EXTINF:2.000", "#EXTINF:2.100") }},
		{"hls-target-duration", "clear", []string{"hls-same-target"}, func(t *testing.T, f files) {
			f.edit(t, "l.m3u8", "#EXT-X-TARGETDURATION:3", "#EXT-X-TARGETDURATION:1")
		}},
		{"hls-same-target", "clear", nil, func(t *testing.T, f files) { f.edit(t, "a.m3u8", "#EXT-X-TARGETDURATION:3", "#EXT-X-TARGETDURATION:4") }},
		{"hls-same-target", "packed", nil, func(t *testing.T, f files) { f.edit(t, "t.m3u8", "#EXT-X-PLAYLIST-TYPE:VOD\n", "") }},
		{"hls-end", "clear", nil, func(t *testing.T, f files) { f.edit(t, "l.m3u8", "#EXT-X-ENDLIST", "") }},
		{"hls-map", "clear", nil, func(t *testing.T, f files) { f.swap(t, "l.m3u8", `#EXT-X-MAP:.*\n`, "") }},
		{"hls-key", "cenc", nil, func(t *testing.T, f files) {
			f.edit(t, "l.m3u8", `KEYFORMAT="identity"`, `KEYFORMAT="identity",IV=0x12`)
		}},
		{"hls-session-key", "cenc", nil, func(t *testing.T, f files) {
			f.edit(t, "m.m3u8", "#EXTM3U", "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES-CTR,URI=\"https://keys.example/2\"")
		}},
		{"hls-group", "clear", nil, func(t *testing.T, f files) {
			f.swap(t, "m.m3u8", `(#EXT-X-MEDIA:.*\n)`, string(regexp.MustCompile(`#EXT-X-MEDIA:.*\n`).Find(f["m.m3u8"]))+string(regexp.MustCompile(`#EXT-X-MEDIA:.*\n`).Find(f["m.m3u8"])))
		}},
		{"hls-group", "clear", []string{"hls-average-bandwidth", "hls-codecs"}, func(t *testing.T, f files) { f.edit(t, "m.m3u8", `AUDIO="aud"`, `AUDIO="dub"`) }},
		{"hls-bandwidth", "ts", nil, func(t *testing.T, f files) {
			f.swap(t, "m.m3u8", `BANDWIDTH=\d+,AVERAGE-BANDWIDTH=\d+`, "BANDWIDTH=1000")
		}},
		{"hls-average-bandwidth", "ts", nil, func(t *testing.T, f files) { f.edit(t, "m.m3u8", "AVERAGE-BANDWIDTH=", "AVERAGE-BANDWIDTH=1") }},
		{"hls-codecs", "ts", nil, func(t *testing.T, f files) { f.edit(t, "m.m3u8", "mp4a.40.2", "mp4a.40.5") }},
		{"hls-codecs", "ts", nil, func(t *testing.T, f files) { f.edit(t, "m.m3u8", "avc1.", "avc1.64") }},
		{"hls-resolution", "ts", nil, func(t *testing.T, f files) { f.edit(t, "m.m3u8", "160x90", "160x92") }},
		{"hls-frame-rate", "ts", nil, func(t *testing.T, f files) { f.edit(t, "m.m3u8", "25.000", "29.970") }},
		{"hls-iframe", "clear", nil, func(t *testing.T, f files) { f.edit(t, "i.m3u8", "#EXTINF:2.000", "#EXTINF:2.200") }},
		{"hls-date-time", "clear", nil, func(t *testing.T, f files) {
			f.edit(t, "l.m3u8", "l/1.m4s\n", "l/1.m4s\n#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:09.000Z\n")
			f.edit(t, "l.m3u8", "#EXTINF", "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000Z\n#EXTINF")
		}},
		{"dash-syntax", "clear", nil, func(t *testing.T, f files) { f.edit(t, "m.mpd", " profiles=", " other=") }},
		{"dash-syntax", "clear", nil, func(_ *testing.T, f files) { f["m.mpd"] = bytes.Replace(f["m.mpd"], []byte("</Period>"), nil, 1) }},
		{"dash-id", "clear", nil, func(t *testing.T, f files) { f.edit(t, "m.mpd", `<Representation id="1"`, `<Representation id="0"`) }},
		{"dash-role", "clear", nil, func(t *testing.T, f files) {
			f.edit(t, "m.mpd", "<Representation", `<Role schemeIdUri="urn:mpeg:dash:role:2011" value="nonsense"/><Representation`)
		}},
		{"dash-duration", "clear", nil, func(t *testing.T, f files) {
			f.edit(t, "m.mpd", `mediaPresentationDuration="PT4S"`, `mediaPresentationDuration="PT6S"`)
		}},
		{"dash-timeline", "clear", nil, func(t *testing.T, f files) { f.edit(t, "m.mpd", `<S t="0" d="25600"`, `<S t="5000" d="25600"`) }},
		{"dash-bandwidth", "clear", nil, func(t *testing.T, f files) { f.swap(t, "m.mpd", `bandwidth="\d+"`, `bandwidth="1000"`) }},
		{"dash-codecs", "clear", nil, func(t *testing.T, f files) { f.edit(t, "m.mpd", "mp4a.40.2", "mp4a.40.5") }},
		{"dash-picture", "clear", nil, func(t *testing.T, f files) { f.edit(t, "m.mpd", `width="160"`, `width="162"`) }},
		{"dash-picture", "clear", nil, func(t *testing.T, f files) { f.swap(t, "m.mpd", `frameRate="12800/512"`, `frameRate="30"`) }},
		{"dash-audio", "clear", nil, func(t *testing.T, f files) {
			f.edit(t, "m.mpd", `audioSamplingRate="48000"`, `audioSamplingRate="44100"`)
		}},
		{"dash-audio", "clear", nil, func(t *testing.T, f files) { f.edit(t, "m.mpd", `2011" value="2"`, `2011" value="6"`) }},
		{"dash-kid", "cenc", nil, func(t *testing.T, f files) { f.edit(t, "m.mpd", `default_KID="0011`, `default_KID="1011`) }},
		{"dash-protection", "cenc", nil, func(t *testing.T, f files) {
			f.edit(t, "m.mpd", schemeMP4Protection, "urn:mpeg:dash:mp4protection:2012")
		}},
		{"dash-on-demand", "demand", nil, func(t *testing.T, f files) { f.swap(t, "m.mpd", `indexRange="[^"]*"`, "") }},
		{"mss-syntax", "smooth", nil, func(t *testing.T, f files) { f.edit(t, "x.ismc", `MajorVersion="2"`, `MajorVersion="1"`) }},
		{"mss-duration", "smooth", nil, func(t *testing.T, f files) { f.edit(t, "x.ismc", `Duration="40000000"`, `Duration="60000000"`) }},
		{"mss-chunk", "smooth", nil, func(t *testing.T, f files) { f.swap(t, "x.ismc", `<c t="0" d="\d+"/>`, `<c t="0" d="900000"/>`) }},
		{"mss-chunk", "smooth", nil, func(_ *testing.T, f files) {
			b := f["x.ismv"]
			add(b[bytes.LastIndex(b, tfxdUUID[:])+28:][:8], 9_000_000)
		}},
		{"mss-codec", "smooth", nil, func(t *testing.T, f files) { f.edit(t, "x.ismc", "00000001", "00000002") }},
		{"mss-codec", "smooth", nil, func(t *testing.T, f files) { f.edit(t, "x.ismc", `FourCC="H264"`, `FourCC="HVC1"`) }},
		{"mss-picture", "smooth", nil, func(t *testing.T, f files) { f.edit(t, "x.ismc", `MaxWidth="160"`, `MaxWidth="320"`) }},
		{"mss-bitrate", "smooth", nil, func(t *testing.T, f files) {
			f.edit(t, "x.ismc", `Bitrate="300000"`, `Bitrate="30000"`)
			f.edit(t, "x.ism", `systemBitrate="300000"`, `systemBitrate="30000"`)
		}},
		{"mss-protection", "smooth", []string{"encryption-declared"}, func(t *testing.T, f files) {
			f.edit(t, "x.ismc", "</SmoothStreamingMedia>", `<Protection><ProtectionHeader SystemID="9A04F079-9840-4286-AB92-E65BE0885F95">AAAA</ProtectionHeader></Protection></SmoothStreamingMedia>`)
		}},
		{"mss-server", "smooth", nil, func(t *testing.T, f files) { f.edit(t, "x.ism", `value="1"`, `value="7"`) }},
	}
	covered := map[string]bool{}
	made := bases(t)
	for name, f := range made { // before anything runs beside it
		if len(f(t)) == 0 {
			t.Fatalf("no %s", name)
		}
	}
	key := Key{ID: testKID, Value: secret.New([]byte("\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef"))}
	t.Run("cases", func(t *testing.T) {
		for _, c := range cases {
			covered[c.rule] = true
			t.Run(c.rule, func(t *testing.T) {
				t.Parallel()
				f := made[c.base](t)
				c.breaks(t, f)
				r := f.check(t, key, wholeKey)
				want := append(slices.Clone(c.also), c.rule)
				slices.Sort(want)
				if d := cmp.Diff(want, errorsOf(r)); d != "" {
					var all strings.Builder
					for _, f := range r.Findings {
						all.WriteString(f.String() + "\n")
					}
					t.Errorf("-want +got\n%s%s", d, all.String())
				}
				if !r.Failed() {
					t.Error("it does not fail")
				}
			})
		}
	})
	for _, r := range Rules() {
		if !covered[r.ID] {
			t.Errorf("no package breaks %s", r.ID)
		}
	}
}
