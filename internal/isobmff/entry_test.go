package isobmff_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/Eyevinn/mp4ff/mp4"

	"darkroom/internal/isobmff"
	"darkroom/internal/media"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

func box(kind string, parts ...[]byte) []byte {
	content := bytes.Join(parts, nil)
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(8+len(content))), kind...), content...)
}

// visual is a sample entry of pictures.
func visual(kind string, inside ...[]byte) []byte {
	fixed := make([]byte, 78)
	binary.BigEndian.PutUint16(fixed[24:], 640)
	binary.BigEndian.PutUint16(fixed[26:], 360)
	return box(kind, append([][]byte{fixed}, inside...)...)
}

// audio is a sample entry of sound at 48 kHz. more stands behind the fixed fields.
func audio(kind string, version byte, channels byte, more ...[]byte) []byte {
	fixed := make([]byte, 28)
	fixed[9], fixed[17], fixed[19] = version, channels, 16
	binary.BigEndian.PutUint32(fixed[24:], 48000<<16)
	return box(kind, append([][]byte{fixed}, more...)...)
}

func esds(object byte, config string) []byte {
	info := append([]byte{5, byte(len(config) / 2)}, unhex(config)...)
	dc := append(append([]byte{4, byte(13 + len(info)), object, 0x15}, make([]byte, 11)...), info...)
	es := append([]byte{3, 0x80, 0x80, byte(3 + len(dc)), 0, 1, 0}, dc...) // a length in three bytes
	return box("esds", make([]byte, 4), es)
}

// trak is the content of a track whose stsd box, of a version, has an entry.
func trak(version byte, entry []byte) []byte {
	stsd := box("stsd", []byte{version, 0, 0, 0, 0, 0, 0, 1}, entry)
	mdhd := box("mdhd", make([]byte, 12), []byte{0, 0, 0x75, 0x30}, make([]byte, 4), []byte{0x15, 0xc7, 0, 0})
	return bytes.Join([][]byte{
		box("tkhd", make([]byte, 12), []byte{0, 0, 0, 1}, make([]byte, 68)),
		box("mdia", mdhd, box("hdlr", make([]byte, 8), []byte("vide"), make([]byte, 13)), box("minf", box("stbl", stsd))),
	}, nil)
}

func read(p []byte) (*media.Track, error) {
	var t isobmff.Trak
	if err := t.Walk(p); err != nil {
		return nil, err
	}
	return t.Track(1000)
}

const (
	avcC = "01 64 00 0d ff e1 0004 6764000d 01 0004 68ebe3cb"
	hvcC = "01 02 20000000 b00000000000 78 f000 fc fd fa fa 0000 0f 03 a0 0001 0003 400101 a1 0001 0003 420101 a2 0001 0003 440101"
	// Sequence headers of SVT-AV1, with 4:2:0 and no colour, and with BT.2020 and PQ.
	av1C = "81 00 0c 00"
)

func TestCodecs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		version byte // of stsd
		entry   []byte
		want    media.Track // of which some fields are compared
	}{
		{"AVC", 0, visual("avc1", box("avcC", unhex(avcC))), media.Track{Codec: media.AVC, RFC6381: "avc1.64000d"}},
		{"AVC that ends like QuickTime", 0, visual("avc1", box("avcC", unhex(avcC)), make([]byte, 4)), media.Track{Codec: media.AVC, RFC6381: "avc1.64000d"}},
		{"HEVC, 10 bit", 0, visual("hvc1", box("hvcC", unhex(hvcC))), media.Track{Codec: media.HEVC, RFC6381: "hvc1.2.4.L120.B0"}},
		{"HEVC of the high tier, profile space 1", 0, visual("hev1", box("hvcC", bytes.Replace(unhex(hvcC), unhex("0102"), unhex("0162"), 1))), media.Track{Codec: media.HEVC, RFC6381: "hev1.A2.4.H120.B0"}},
		{"HEVC without constraints", 0, visual("hvc1", box("hvcC", bytes.Replace(unhex(hvcC), unhex("b0"), unhex("00"), 1))), media.Track{Codec: media.HEVC, RFC6381: "hvc1.2.4.L120"}},
		{"AV1", 0, visual("av01", box("av1C", unhex(av1C))), media.Track{Codec: media.AV1, RFC6381: "av01.0.00M.08"}},
		{"AV1 of the high tier, level 5.1, 10 bit", 0, visual("av01", box("av1C", unhex("81 0d cc 00"))), media.Track{Codec: media.AV1, RFC6381: "av01.0.13H.10"}},
		{"AV1, monochrome", 0, visual("av01", box("av1C", unhex("81 00 1c 00"))), media.Track{Codec: media.AV1, RFC6381: "av01.0.00M.08.1.110.01.01.01.0"}},
		{"AV1, 4:2:0, vertical", 0, visual("av01", box("av1C", unhex("81 00 0d 00"))), media.Track{Codec: media.AV1, RFC6381: "av01.0.00M.08.0.111.01.01.01.0"}},
		{"AV1, 4:4:4", 0, visual("av01", box("av1C", unhex("81 20 00 00"))), media.Track{Codec: media.AV1, RFC6381: "av01.1.00M.08.0.000.01.01.01.0"}},
		{"AV1, 4:2:2, 12 bit", 0, visual("av01", box("av1C", unhex("81 40 68 00"))), media.Track{Codec: media.AV1, RFC6381: "av01.2.00M.12.0.100.01.01.01.0"}},
		{"AAC", 0, audio("mp4a", 0, 2, esds(0x40, "1190")), media.Track{Codec: media.AAC, RFC6381: "mp4a.40.2", SampleRate: 48000, Channels: 2}},
		{"HE-AAC", 0, audio("mp4a", 0, 2, esds(0x40, "2b098800")), media.Track{Codec: media.AAC, RFC6381: "mp4a.40.5", SampleRate: 24000, Channels: 1}},
		{"AAC of eight channels", 0, audio("mp4a", 0, 2, esds(0x40, "11b8")), media.Track{Codec: media.AAC, RFC6381: "mp4a.40.2", SampleRate: 48000, Channels: 8}},
		{"AAC in QuickTime", 0, audio("mp4a", 1, 2, make([]byte, 16), box("wave", box("frma", []byte("mp4a")), box("mp4a", make([]byte, 4)), esds(0x40, "1190"), unhex("0000000800000000"))), media.Track{Codec: media.AAC, RFC6381: "mp4a.40.2", SampleRate: 48000, Channels: 2}},
		{"AAC in QuickTime, version 2", 0, audio("mp4a", 2, 3, make([]byte, 36), esds(0x40, "1190")), media.Track{Codec: media.AAC, RFC6381: "mp4a.40.2", SampleRate: 48000, Channels: 2}},
		{"AAC in an entry of version 1", 1, audio("mp4a", 1, 2, esds(0x40, "1190")), media.Track{Codec: media.AAC, RFC6381: "mp4a.40.2", SampleRate: 48000, Channels: 2}},
		{"AC-3, 5.1", 0, audio("ac-3", 0, 2, box("dac3", unhex("103d80"))), media.Track{Codec: media.AC3, RFC6381: "ac-3", SampleRate: 48000, Channels: 6}},
		{"AC-3, stereo at 44,100", 0, audio("ac-3", 0, 2, box("dac3", unhex("501100"))), media.Track{Codec: media.AC3, RFC6381: "ac-3", SampleRate: 44100, Channels: 2}},
		{"E-AC-3, 5.1", 0, audio("ec-3", 0, 2, box("dec3", unhex("0e00 200f00"))), media.Track{Codec: media.EAC3, RFC6381: "ec-3", SampleRate: 48000, Channels: 6}},
		{"E-AC-3, 7.1", 0, audio("ec-3", 0, 2, box("dec3", unhex("0e00 200f02 02"))), media.Track{Codec: media.EAC3, RFC6381: "ec-3", SampleRate: 48000, Channels: 8}},
		{"E-AC-3 at a reduced rate", 0, audio("ec-3", 0, 2, box("dec3", unhex("0e00 e00400"))), media.Track{Codec: media.EAC3, RFC6381: "ec-3", SampleRate: 48000, Channels: 2}},
		{"WebVTT", 0, box("wvtt", make([]byte, 8), box("vttC", []byte("WEBVTT"))), media.Track{Codec: media.WebVTT, RFC6381: "wvtt"}},
		{"TTML", 0, box("stpp", make([]byte, 8), []byte("http://www.w3.org/ns/ttml\x00\x00\x00")), media.Track{Codec: media.TTML, RFC6381: "stpp"}},
		{"IMSC", 0, box("stpp", make([]byte, 8), []byte("http://www.w3.org/ns/ttml\x00\x00\x00"), box("mime", make([]byte, 4), []byte("application/ttml+xml;codecs=im1t|etd1\x00"))), media.Track{Codec: media.TTML, RFC6381: "stpp.ttml.im1t|etd1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := read(trak(tt.version, tt.entry))
			if err != nil {
				t.Fatal(err)
			}
			if got.Codec != tt.want.Codec || got.RFC6381 != tt.want.RFC6381 || got.SampleRate != tt.want.SampleRate || got.Channels != tt.want.Channels || got.Language != "eng" {
				t.Errorf("got %+v", got)
			}
			if got.Kind == media.Video && (got.Width != 640 || got.Height != 360) {
				t.Errorf("a picture of %d x %d", got.Width, got.Height)
			}
			// What QuickTime has is given on as ISO has it; all else as it stands.
			if strings.Contains(tt.name, "in QuickTime") {
				e, err := mp4.DecodeBox(0, bytes.NewReader(got.SampleEntry))
				if err != nil {
					t.Fatal(err)
				}
				if a, ok := e.(*mp4.AudioSampleEntryBox); !ok || a.QuickTimeVersion != 0 || a.Esds == nil || a.ChannelCount != 2 || a.SampleRate != 48000 {
					t.Errorf("sample entry %x", got.SampleEntry)
				}
			} else if !bytes.Equal(got.SampleEntry, tt.entry) {
				t.Errorf("sample entry %x", got.SampleEntry)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	good := trak(0, visual("avc1", box("avcC", unhex(avcC))))
	for _, tt := range []struct {
		name  string
		trak  []byte
		wants string
	}{
		{"nothing", nil, "lacks"},
		{"no description", bytes.Replace(good, []byte("stsd"), []byte("free"), 1), "lacks"},
		{"two descriptions", bytes.Replace(good, []byte("stsd\x00\x00\x00\x00\x00\x00\x00\x01"), []byte("stsd\x00\x00\x00\x00\x00\x00\x00\x02"), 1), "not exactly one"},
		{"two description boxes", append(bytes.Clone(good), good...), "two sample description boxes"},
		{"encrypted", trak(0, visual("encv", box("avcC", unhex(avcC)))), "encrypted"},
		{"encrypted under its own name", trak(0, visual("avc1", box("avcC", unhex(avcC)), box("sinf"))), "encrypted"},
		{"encrypted sound", trak(0, audio("mp4a", 0, 2, esds(0x40, "1190"), box("sinf"))), "encrypted"},
		{"parameter sets within", trak(0, visual("avc3", box("avcC", unhex(avcC)))), "avc3"},
		{"unknown", trak(0, visual("vp09")), "vp09"},
		{"entry of nothing", trak(0, box("avc1")), "cut off"},
		{"sound of nothing", trak(0, box("mp4a")), "cut off"},
		{"text of nothing", trak(0, box("stpp")), "cut off"},
		{"no picture", trak(0, box("avc1", make([]byte, 78), box("avcC", unhex(avcC)))), "0 x 0"},
		{"no avcC", trak(0, visual("avc1")), "without its configuration"},
		{"avcC cut off", trak(0, visual("avc1", box("avcC", unhex(avcC)[:15]))), "cut off"},
		{"avcC without PPS", trak(0, visual("avc1", box("avcC", unhex("01 64 00 0d ff e1 0004 6764000d 00")))), "without parameter sets"},
		{"avcC with an empty SPS", trak(0, visual("avc1", box("avcC", unhex("01 64 00 0d ff e1 0000 01 0004 68ebe3cb")))), "empty"},
		{"NAL unit lengths of two bytes", trak(0, visual("avc1", box("avcC", unhex("01 64 00 0d fd e1 0004 6764000d 01 0004 68ebe3cb")))), "four bytes"},
		{"no hvcC", trak(0, visual("hvc1")), "without its configuration"},
		{"hvcC cut off", trak(0, visual("hvc1", box("hvcC", unhex(hvcC)[:30]))), "cut off"},
		{"hvcC without arrays", trak(0, visual("hev1", box("hvcC", append(unhex(hvcC)[:22], 0)))), "without parameter sets"},
		{"no av1C", trak(0, visual("av01")), "AV1 configuration"},
		{"av1C of version 2", trak(0, visual("av01", box("av1C", unhex("82000c00")))), "AV1 configuration"},
		{"MP3", trak(0, audio("mp4a", 0, 2, esds(0x6b, "1190"))), "0x6b"},
		{"no esds", trak(0, audio("mp4a", 0, 2)), "without its configuration"},
		{"esds of nothing", trak(0, audio("mp4a", 0, 2, box("esds"))), "without its configuration"},
		{"AudioSpecificConfig cut off", trak(0, audio("mp4a", 0, 2, esds(0x40, "11"))), "AudioSpecificConfig"},
		{"sound description of version 3", trak(0, audio("mp4a", 3, 2, esds(0x40, "1190"))), "version 3"},
		{"no dac3", trak(0, audio("ac-3", 0, 2)), "without its configuration"},
		{"no dec3", trak(0, audio("ec-3", 0, 2)), "without its configuration"},
		{"dec3 without chan_loc", trak(0, audio("ec-3", 0, 2, box("dec3", unhex("0e00200f02")))), "without its configuration"},
		{"WebVTT without configuration", trak(0, box("wvtt", make([]byte, 8))), "without its configuration"},
		{"namespace without end", trak(0, box("stpp", make([]byte, 8), []byte("http"))), "cut off"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := read(tt.trak)
			if !errors.Is(err, isobmff.ErrFormat) || !strings.Contains(err.Error(), tt.wants) {
				t.Errorf("got %v, want ErrFormat that says %q", err, tt.wants)
			}
		})
	}
}

// A track that says its media lie in another file is not read from this one.
func TestMediaElsewhere(t *testing.T) {
	t.Parallel()
	for flags, ok := range map[byte]bool{1: true, 0: false} {
		dref := box("dref", make([]byte, 7), []byte{1}, box("url ", []byte{0, 0, 0, flags}))
		_, err := read(append(box("mdia", box("minf", box("dinf", dref))), trak(0, visual("avc1", box("avcC", unhex(avcC))))...))
		if (err == nil) != ok {
			t.Errorf("flags %d: %v", flags, err)
		}
	}
}

// Whatever the bytes, reading ends, does not panic, and gives tracks that say what they are.
func FuzzTrak(f *testing.F) {
	for _, e := range [][]byte{
		visual("avc1", box("avcC", unhex(avcC)), box("pasp", make([]byte, 8))), visual("hvc1", box("hvcC", unhex(hvcC))), visual("av01", box("av1C", unhex(av1C+"0a0b00000000043c ffbc ff 2f ff"))),
		audio("mp4a", 0, 2, esds(0x40, "1190")), audio("mp4a", 1, 2, make([]byte, 16), box("wave", esds(0x40, "2b098800"))), audio("ac-3", 0, 2, box("dac3", unhex("103d80"))),
		audio("ec-3", 0, 2, box("dec3", unhex("0e00 200f02 02"))), box("wvtt", make([]byte, 8), box("vttC")), box("stpp", make([]byte, 11), box("mime", make([]byte, 4), []byte("a;codecs=im1t"))),
	} {
		f.Add(trak(0, e))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		track, err := read(p)
		if err != nil {
			if !errors.Is(err, isobmff.ErrFormat) {
				t.Fatal(err)
			}
			return
		}
		if track.Kind == 0 || track.Codec == "" || track.RFC6381 == "" || track.Timescale == 0 || len(track.SampleEntry) < 16 {
			t.Fatalf("%+v", track)
		}
		if strings.ContainsAny(track.RFC6381, "\"\n,\x00") {
			t.Fatalf("codecs %q", track.RFC6381)
		}
	})
}
