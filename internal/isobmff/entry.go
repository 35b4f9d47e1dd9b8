package isobmff

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"

	"darkroom/internal/media"
)

const (
	boxHeader = 8
	// visualEntry and audioEntry are how many bytes of a sample entry stand before its boxes (ISO/IEC 14496-12 12.1.3 and 12.2.3); subtitleEntry are those of any entry.
	visualEntry   = 8 + 70
	audioEntry    = 8 + 20
	subtitleEntry = 8
	// The sound descriptions of QuickTime, versions 1 and 2, have this much more (QuickTime File Format, sound sample descriptions).
	soundVersion1 = 16
	soundVersion2 = 36
)

// describe says what a track is from its sample entry. version is that of the stsd box.
func describe(t *media.Track, entry []byte, version byte) error {
	kind, content := string(entry[4:8]), entry[boxHeader:]
	t.SampleEntry = bytes.Clone(entry)
	switch kind {
	case "avc1", "hvc1", "hev1", "av01":
		return describeVideo(t, kind, content)
	case "mp4a", "ac-3", "ec-3":
		return describeAudio(t, kind, content, version)
	case "wvtt", "stpp":
		return describeText(t, kind, content)
	case "encv", "enca", "enct", "encs":
		return Badf("an encrypted track")
	case "avc2", "avc3", "avc4":
		return Badf("AVC with parameter sets in its samples (%s)", kind)
	}
	return Badf("a codec that is not read: %q", kind)
}

// boxes are the boxes inside a sample entry, by name; the first of each.
func boxes(p []byte) (map[string][]byte, error) {
	// QuickTime ends lists of boxes with four zero bytes.
	if n := len(p); n >= 4 && binary.BigEndian.Uint32(p[n-4:]) == 0 && Children(p, ignore) != nil {
		p = p[:n-4]
	}
	found := map[string][]byte{}
	err := Children(p, func(kind string, content []byte) error {
		if _, ok := found[kind]; !ok {
			found[kind] = content
		}
		return nil
	})
	return found, err
}

func ignore(string, []byte) error { return nil }

func describeVideo(t *media.Track, kind string, p []byte) error {
	if len(p) < visualEntry {
		return Badf("a sample entry is cut off")
	}
	t.Kind = media.Video
	t.Width, t.Height = int(binary.BigEndian.Uint16(p[24:])), int(binary.BigEndian.Uint16(p[26:]))
	if t.Width == 0 || t.Height == 0 {
		return Badf("a picture of %d x %d", t.Width, t.Height)
	}
	inside, err := boxes(p[visualEntry:])
	if err != nil {
		return err
	}
	if _, ok := inside["sinf"]; ok {
		return Badf("an encrypted track")
	}
	t.SampleAspectRatio = media.Rational{Num: 1, Den: 1}
	if p := inside["pasp"]; len(p) >= 8 {
		if r := (media.Rational{Num: int64(binary.BigEndian.Uint32(p)), Den: int64(binary.BigEndian.Uint32(p[4:]))}); r.Known() {
			t.SampleAspectRatio = r
		}
	}
	switch kind {
	case "avc1":
		return describeAVC(t, inside["avcC"])
	case "av01":
		return describeAV1(t, inside["av1C"])
	}
	return describeHEVC(t, kind, inside["hvcC"])
}

func describeAudio(t *media.Track, kind string, p []byte, version byte) error {
	if len(p) < audioEntry {
		return Badf("a sample entry is cut off")
	}
	t.Kind = media.Audio
	t.Channels = int(binary.BigEndian.Uint16(p[16:]))
	t.SampleRate = int(binary.BigEndian.Uint32(p[24:]) >> 16)
	skip := audioEntry
	// The field is reserved, or that of AudioSampleEntryV1 in a box of version 1, unless this is QuickTime's.
	quickTime := version == 0 && p[9] != 0
	if quickTime {
		switch binary.BigEndian.Uint16(p[8:]) {
		case 1:
			skip += soundVersion1
		case 2:
			skip += soundVersion2
		default:
			return Badf("a sound description of version %d", binary.BigEndian.Uint16(p[8:]))
		}
		if len(p) < skip {
			return Badf("a sample entry is cut off")
		}
	}
	inside, err := boxes(p[skip:])
	if err != nil {
		return err
	}
	if _, ok := inside["sinf"]; ok {
		return Badf("an encrypted track")
	}
	name := map[string]string{"mp4a": "esds", "ac-3": "dac3", "ec-3": "dec3"}[kind]
	config := inside[name]
	if wave, ok := inside["wave"]; ok && config == nil {
		deeper, err := boxes(wave)
		if err != nil {
			return err
		}
		config = deeper[name]
	}
	switch kind {
	case "ac-3":
		err = describeAC3(t, config)
	case "ec-3":
		err = describeEAC3(t, config)
	default:
		err = describeAAC(t, config)
	}
	if err == nil && quickTime {
		t.SampleEntry = audioSampleEntry(t, kind, name, config)
	}
	return err
}

// audioSampleEntry writes what QuickTime says of a sound as ISO/IEC 14496-12 12.2.3 has it, so that other files can have it.
func audioSampleEntry(t *media.Track, kind, name string, config []byte) []byte {
	var b Builder
	at := b.Open(kind)
	b.Zeros(6)
	b.U16(1) // data_reference_index
	b.Zeros(8)
	b.U16(uint16(min(t.Channels, 1<<16-1)))
	b.U16(16)
	b.Zeros(4)
	rate := uint32(0)
	if t.SampleRate < 1<<16 {
		rate = uint32(t.SampleRate) << 16
	}
	b.U32(rate)
	box := b.Open(name)
	b.Raw(config)
	b.Close(box)
	b.Close(at)
	return b.Bytes
}

// maxText is the length of the longest text that is taken from a sample entry.
const maxText = 1 << 10

func describeText(t *media.Track, kind string, p []byte) error {
	if len(p) < subtitleEntry {
		return Badf("a sample entry is cut off")
	}
	p = p[subtitleEntry:]
	t.Kind = media.Text
	if kind == "wvtt" {
		inside, err := boxes(p)
		if err != nil {
			return err
		}
		if inside["vttC"] == nil {
			return Badf("WebVTT without its configuration")
		}
		t.Codec, t.RFC6381 = media.WebVTT, "wvtt"
		return nil
	}
	t.Codec, t.RFC6381 = media.TTML, "stpp"
	// Three strings, each with a zero byte at its end: namespace, schema_location, auxiliary_mime_types (ISO/IEC 14496-12 12.6.3.2).
	for range 3 {
		end := bytes.IndexByte(p, 0)
		if end < 0 {
			return Badf("a sample entry is cut off")
		}
		p = p[end+1:]
	}
	inside, err := boxes(p)
	if err != nil {
		return err
	}
	if mime := inside["mime"]; len(mime) > 4 && len(mime) < maxText {
		t.RFC6381 += processorProfile(string(bytes.TrimRight(mime[4:], "\x00")))
	}
	return nil
}

// processorProfile turns the codecs parameter of a media type of TTML into what follows stpp in that of its track (W3C, TTML Media Type Definition and Profile Registry).
func processorProfile(mime string) string {
	_, codecs, ok := strings.Cut(mime, "codecs=")
	if !ok {
		return ""
	}
	codecs = strings.Trim(codecs, `"`)
	if codecs == "" || strings.Trim(codecs, "abcdefghijklmnopqrstuvwxyz0123456789|+") != "" {
		return ""
	}
	return ".ttml." + codecs
}

// parameterSets reads count NAL units, each behind its length, and copies them.
func parameterSets(c *Cursor, count int) ([][]byte, error) {
	var sets [][]byte
	for range count {
		n := c.Take(int(c.U16()))
		if c.Bad {
			return nil, Badf("a decoder configuration is cut off")
		}
		if len(n) < 2 {
			return nil, Badf("an empty parameter set")
		}
		sets = append(sets, slices.Clone(n))
	}
	return sets, nil
}
