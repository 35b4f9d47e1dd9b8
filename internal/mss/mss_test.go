package mss_test

import (
	"bytes"
	"encoding/hex"
	"encoding/xml"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/cenc"
	"darkroom/internal/media"
	"darkroom/internal/mss"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func bin(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func playReady(t *testing.T) cenc.UUID {
	t.Helper()
	id, err := cenc.ParseUUID("9a04f079-9840-4286-ab92-e65be0885f95")
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// film has two qualities of pictures, two sounds, and captions.
func film(t *testing.T) mss.Presentation {
	t.Helper()
	level := func(tr media.Track, bitrate int64, file string, id uint32) mss.Level {
		l, err := mss.LevelOf(&tr, bitrate)
		if err != nil {
			t.Fatal(err)
		}
		l.File, l.TrackID = file, id
		return l
	}
	sps, pps := bin(t, "6764001facd9405005bb011000000300100000030320f183196000"), bin(t, "68ebecb22c")
	video := media.Track{Codec: media.AVC, Width: 1280, Height: 720, SPS: [][]byte{sps}, PPS: [][]byte{pps}}
	small := video
	small.Width, small.Height = 640, 360
	cut := []int64{20_000_000, 20_000_000, 10_000_000}
	return mss.Presentation{Streams: []mss.Stream{
		{Kind: media.Video, Name: "video", Levels: []mss.Level{level(video, 3_000_000, "film_720.ismv", 1), level(small, 800_000, "film_360.ismv", 1)}, Durations: cut},
		{
			Kind: media.Audio, Name: "audio_eng", Language: "eng", Title: "English", Durations: []int64{20_053_333, 19_840_000, 10_026_667},
			Levels: []mss.Level{level(media.Track{Codec: media.AAC, AudioConfig: []byte{0x11, 0x90}, SampleRate: 48000, Channels: 2}, 128_000, "film_720.ismv", 2)},
		},
		{
			Kind: media.Audio, Name: "audio_eng_51", Language: "eng", Title: "English 5.1", Durations: []int64{20_160_000, 19_840_000, 10_000_000},
			Levels: []mss.Level{level(media.Track{Codec: media.EAC3, Config: bin(t, "0700200f00"), SampleRate: 48000, Channels: 6}, 224_000, "film_51.isma", 1)},
		},
		{
			Kind: media.Text, Name: "captions_eng", Language: "eng", Subtype: "SUBT", Durations: cut,
			Levels: []mss.Level{level(media.Track{Codec: media.TTML}, 2_000, "film_text.ismt", 1)},
		},
	}}
}

func TestManifests(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*mss.Presentation)
	}{
		{"clear", func(*mss.Presentation) {}},
		{"protected", func(p *mss.Presentation) {
			p.Protection = &mss.Protection{System: playReady(t), Header: []byte("not a real PlayReady object")}
			p.Streams = p.Streams[:2]
		}},
		{"anamorphic", func(p *mss.Presentation) {
			p.Streams = p.Streams[:1]
			p.Streams[0].DisplayWidth, p.Streams[0].DisplayHeight, p.Streams[0].Start, p.Duration = 1706, 720, 800_000, 50_800_000
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := film(t)
			tt.change(&p)
			client, err := p.Client()
			if err != nil {
				t.Fatal(err)
			}
			golden(t, tt.name+".ismc", client)
			server, err := p.Server("film.ismc")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, tt.name+".ism", server)
			p.UTF16 = true
			wide, err := p.Client()
			if err != nil {
				t.Fatal(err)
			}
			if narrow := narrow(t, wide); narrow != strings.Replace(string(client), "utf-8", "utf-16", 1) {
				t.Errorf("UTF-16 says another thing:\n%s", narrow)
			}
		})
	}
}

func narrow(t *testing.T, b []byte) string {
	t.Helper()
	if !bytes.HasPrefix(b, []byte{0xff, 0xfe}) || len(b)%2 != 0 {
		t.Fatalf("begins with % x and has %d bytes: no UTF-16", b[:2], len(b))
	}
	var units []uint16
	for i := 2; i < len(b); i += 2 {
		units = append(units, uint16(b[i])|uint16(b[i+1])<<8)
	}
	return string(utf16.Decode(units))
}

// TestDurations holds the times that a player adds up to those of the segments.
func TestDurations(t *testing.T) {
	t.Parallel()
	p := film(t)
	text, err := p.Client()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Duration int64 `xml:",attr"`
		Streams  []struct {
			Chunks int `xml:",attr"`
			C      []struct {
				T int64 `xml:"t,attr"`
				D int64 `xml:"d,attr"`
			} `xml:"c"`
		} `xml:"StreamIndex"`
	}
	if err := xml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	longest := int64(0)
	for i, s := range doc.Streams {
		if s.Chunks != len(p.Streams[i].Durations) || len(s.C) != s.Chunks {
			t.Fatalf("stream %d: %d chunks said, %d there, want %d", i, s.Chunks, len(s.C), len(p.Streams[i].Durations))
		}
		at := s.C[0].T
		for k, c := range s.C {
			if c.D != p.Streams[i].Durations[k] {
				t.Errorf("stream %d, chunk %d: %d ticks, want %d", i, k, c.D, p.Streams[i].Durations[k])
			}
			at += c.D
		}
		longest = max(longest, at)
	}
	if doc.Duration != longest {
		t.Errorf("duration %d, want %d", doc.Duration, longest)
	}
}

func TestLevelOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		track         media.Track
		fourCC, codec string // hexadecimal
		tag, packet   int
		err           string
	}{
		{name: "AVC", track: media.Track{Codec: media.AVC, SPS: [][]byte{{0x67, 1}}, PPS: [][]byte{{0x68, 2}, {0x68, 3}}}, fourCC: "H264", codec: "000000016701000000016802000000016803"},
		{name: "AAC", track: media.Track{Codec: media.AAC, AudioConfig: []byte{0x12, 0x10}, SampleRate: 44100, Channels: 2}, fourCC: "AACL", codec: "1210", tag: 255, packet: 4},
		// The private data are those that public Smooth Streaming manifests have.
		{
			name: "E-AC-3, 5.1", track: media.Track{Codec: media.EAC3, Config: bin(t, "0700200f00"), SampleRate: 48000, Channels: 6},
			fourCC: "EC-3", codec: "00063f000000af87fba7022dfb42a4d405cd93843bdd0700200f00", tag: 65534, packet: 896,
		},
		{
			name: "E-AC-3, stereo", track: media.Track{Codec: media.EAC3, Config: bin(t, "0600200400"), SampleRate: 48000, Channels: 2},
			fourCC: "EC-3", codec: "000603000000af87fba7022dfb42a4d405cd93843bdd0600200400", tag: 65534, packet: 768,
		},
		{
			name: "AC-3", track: media.Track{Codec: media.AC3, Config: bin(t, "103d40"), SampleRate: 48000, Channels: 2},
			fourCC: "AC-3", codec: "0006030000002c806de046dbcf11b4d100805f6cbbea103d40", tag: 65534, packet: 768,
		},
		{name: "HEVC", track: media.Track{Codec: media.HEVC}, err: "HEVC is not carried in Smooth Streaming"},
		{name: "no parameter sets", track: media.Track{Codec: media.AVC}, err: "video without parameter sets"},
		{name: "no configuration", track: media.Track{Codec: media.AAC}, err: "AAC without AudioSpecificConfig"},
		{name: "no box", track: media.Track{Codec: media.AC3, Channels: 2}, err: "AC3 without its configuration box"},
		{name: "no layout", track: media.Track{Codec: media.EAC3, Config: []byte{1}, Channels: 7}, err: "7 channels of EAC3 have no layout in Smooth Streaming"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bitrate := int64(203_000) // as it was measured, with what is around the syncframes
			l, err := mss.LevelOf(&tt.track, bitrate)
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Fatalf("got %v, want %s", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if l.FourCC != tt.fourCC || hex.EncodeToString(l.CodecPrivateData) != tt.codec || l.AudioTag != tt.tag || l.PacketSize != tt.packet {
				t.Errorf("got %s %x, tag %d, packets of %d; want %s %s, tag %d, packets of %d",
					l.FourCC, l.CodecPrivateData, l.AudioTag, l.PacketSize, tt.fourCC, tt.codec, tt.tag, tt.packet)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*mss.Presentation)
		err    string
	}{
		{"nothing", func(p *mss.Presentation) { p.Streams = nil }, "a presentation of nothing"},
		{"name with a bracket", func(p *mss.Presentation) { p.Streams[0].Name = "video)/x" }, `stream "video)/x": a name has letters, digits, '_' and '-'`},
		{"two of a name", func(p *mss.Presentation) { p.Streams[1].Name = "video" }, `stream "video": there are two of that name`},
		{"two of a bit rate", func(p *mss.Presentation) { p.Streams[0].Levels[1].Bitrate = 3_000_000 }, `stream "video": two quality levels of 3000000 bit/s: players tell them apart by it`},
		{"no bit rate", func(p *mss.Presentation) { p.Streams[1].Levels[0].Bitrate = 0 }, `stream "audio_eng": a bit rate of 0 bit/s`},
		{"no fragments", func(p *mss.Presentation) { p.Streams[0].Durations = nil }, `stream "video": no quality levels or no fragments`},
		{"a fragment of no length", func(p *mss.Presentation) { p.Streams[0].Durations[1] = 0 }, `stream "video": fragment 2 lasts 0 ticks`},
		{"before the beginning", func(p *mss.Presentation) { p.Streams[0].Start = -1 }, `stream "video": it begins at -1`},
		{"past the end of time", func(p *mss.Presentation) { p.Streams[0].Start = 1<<63 - 1 }, `stream "video": the times of its fragments are too great`},
		{"no kind", func(p *mss.Presentation) { p.Streams[0].Kind = 0 }, `stream "video": it is of no kind`},
		{"no codec", func(p *mss.Presentation) { p.Streams[0].Levels[0].FourCC = "" }, `stream "video": the level of 3000000 bit/s has no codec`},
		{"protection of nothing", func(p *mss.Presentation) { p.Protection = &mss.Protection{} }, "a protection that says nothing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := film(t)
			tt.change(&p)
			for _, write := range []func() ([]byte, error){p.Client, func() ([]byte, error) { return p.Server("film.ismc") }} {
				if text, err := write(); err == nil || err.Error() != tt.err || text != nil {
					t.Errorf("got %d bytes and %v, want %s", len(text), err, tt.err)
				}
			}
		})
	}
	p := film(t)
	if _, err := p.Server(""); err == nil {
		t.Error("a server manifest that names no client manifest")
	}
	p.Streams[0].Levels[0].File = ""
	if _, err := p.Server("film.ismc"); err == nil {
		t.Error("a server manifest with a level in no file")
	}
}

// FuzzText says that whatever a name holds, the manifests have the same elements, and hold it.
func FuzzText(f *testing.F) {
	f.Add("English", "eng", "film.ismv")
	f.Add(`"/><StreamIndex Type="video"/>`, "<!--", "&#0;\x00\n")
	f.Add("]]>", "\xff\xfe", "<![CDATA[")
	f.Fuzz(func(t *testing.T, title, language, file string) {
		p := mss.Presentation{Streams: []mss.Stream{{
			Kind: media.Audio, Name: "audio", Title: title, Language: language, Durations: []int64{1},
			Levels: []mss.Level{{Bitrate: 1, FourCC: "AACL", File: file + "x", TrackID: 1}},
		}}}
		for _, write := range []func() ([]byte, error){p.Client, func() ([]byte, error) { return p.Server(file + "x") }} {
			text, err := write()
			if err != nil {
				t.Fatal(err)
			}
			elements := 0
			for d := xml.NewDecoder(bytes.NewReader(text)); ; {
				token, err := d.Token()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatalf("%v in\n%s", err, text)
				}
				switch token.(type) {
				case xml.StartElement:
					elements++
				case xml.Comment, xml.Directive:
					t.Errorf("%T in\n%s", token, text)
				}
			}
			// SmoothStreamingMedia, StreamIndex, QualityLevel, c; or smil, head, meta, body, switch, audio, two param.
			if elements != 4 && elements != 8 {
				t.Errorf("%d elements in\n%s", elements, text)
			}
		}
	})
}
