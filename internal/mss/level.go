package mss

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"darkroom/internal/media"
)

// Values of AudioTag, the wFormatTag of a WAVEFORMATEX.
const (
	tagAAC        = 0xff   // raw AAC
	tagExtensible = 0xfffe // a WAVEFORMATEXTENSIBLE
)

// samplesPerSyncframe are the samples of sound in a syncframe of AC-3, and in the access unit of E-AC-3 (ETSI TS 102 366).
const samplesPerSyncframe = 1536

// subformats are the GUIDs of Dolby's formats in a WAVEFORMATEXTENSIBLE, as they are stored: the first three groups little-endian.
var subformats = map[media.Codec]string{
	media.AC3:  "2c806de046dbcf11b4d100805f6cbbea", // e06d802c-db46-11cf-b4d1-00805f6cbbea
	media.EAC3: "af87fba7022dfb42a4d405cd93843bdd", // a7fb87af-2d02-42fb-a4d4-05cd93843bdd
}

// LevelOf is a quality level as the track and its bit rate (bit/s) make it. It refuses codecs that Smooth Streaming does not have.
func LevelOf(t *media.Track, bitrate int64) (Level, error) {
	l := Level{Bitrate: bitrate}
	switch t.Codec {
	case media.AVC:
		if len(t.SPS) == 0 || len(t.PPS) == 0 {
			return Level{}, errors.New("video without parameter sets")
		}
		// [MS-SSTR] 2.2.2.5: sequence and picture parameter sets, each behind a start code.
		l.FourCC, l.Width, l.Height = "H264", t.Width, t.Height
		for _, set := range append(append([][]byte(nil), t.SPS...), t.PPS...) {
			l.CodecPrivateData = append(append(l.CodecPrivateData, 0, 0, 0, 1), set...)
		}
	case media.AAC:
		if len(t.AudioConfig) < 2 {
			return Level{}, errors.New("AAC without AudioSpecificConfig")
		}
		l.FourCC, l.AudioTag, l.BitsPerSample, l.PacketSize = "AACL", tagAAC, 16, 4
		l.CodecPrivateData = t.AudioConfig
		l.SampleRate, l.Channels = t.SampleRate, t.Channels
	case media.AC3, media.EAC3:
		if len(t.Config) == 0 {
			return Level{}, fmt.Errorf("%s without its configuration box", t.Codec)
		}
		private, err := extensible(t)
		if err != nil {
			return Level{}, err
		}
		l.FourCC, l.AudioTag, l.BitsPerSample, l.CodecPrivateData = map[media.Codec]string{media.AC3: "AC-3", media.EAC3: "EC-3"}[t.Codec], tagExtensible, 16, private
		l.SampleRate, l.Channels = t.SampleRate, t.Channels
		if t.SampleRate > 0 {
			l.PacketSize = int(dolbyRate(t, bitrate) * samplesPerSyncframe / 8 / int64(t.SampleRate)) // a syncframe
		}
	case media.TTML:
		l.FourCC = "TTML"
	default:
		return Level{}, fmt.Errorf("%s is not carried in Smooth Streaming", t.Codec)
	}
	return l, nil
}

// rates are those of AC-3 by bit_rate_code, in kbit/s (ETSI TS 102 366 table F.4.1).
var rates = [...]int64{32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640}

// dolbyRate is the rate that the configuration box of Dolby's sound states, bit/s: what is measured has the boxes around it, too. Where it states none it is what was measured.
func dolbyRate(t *media.Track, measured int64) int64 {
	if len(t.Config) < 3 {
		return measured
	}
	var k int64
	if t.Codec == media.EAC3 {
		k = int64(binary.BigEndian.Uint16(t.Config) >> 3) // data_rate, 13 bits
	} else if code := int(t.Config[1]&0x03)<<3 | int(t.Config[2]>>5); code < len(rates) {
		k = rates[code]
	}
	if k == 0 {
		return measured
	}
	return k * 1000
}

// extensible is what follows the WAVEFORMATEX in a WAVEFORMATEXTENSIBLE of Dolby's sound: samples of a block, channel mask, sub-format, and the content of
// the configuration box.
func extensible(t *media.Track) ([]byte, error) {
	// Speakers of mmreg.h: front left, front right, front centre, low frequencies, back left, back right, side left, side right.
	mask, ok := map[int]uint32{1: 0x4, 2: 0x3, 3: 0x7, 5: 0x37, 6: 0x3f, 8: 0x63f}[t.Channels]
	if !ok {
		return nil, fmt.Errorf("%d channels of %s have no layout in Smooth Streaming", t.Channels, t.Codec)
	}
	b := binary.LittleEndian.AppendUint16(nil, samplesPerSyncframe)
	b = binary.LittleEndian.AppendUint32(b, mask)
	guid, err := hex.DecodeString(subformats[t.Codec])
	if err != nil {
		return nil, err
	}
	return append(append(b, guid...), t.Config...), nil
}
