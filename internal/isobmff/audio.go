package isobmff

import (
	"bytes"
	"fmt"

	"github.com/Eyevinn/mp4ff/aac"

	"darkroom/internal/media"
)

// Tags of descriptors, ISO/IEC 14496-1 7.2.2.1, and the objectTypeIndications of AAC, 7.2.6.6.2.
const (
	tagES            = 3
	tagDecoderConfig = 4
	tagDecoderInfo   = 5
	objectMPEG4Audio = 0x40
	objectMPEG2AACLC = 0x67
)

// describeAAC reads an esds box.
func describeAAC(t *media.Track, esds []byte) error {
	config, err := decoderInfo(esds)
	if err != nil {
		return err
	}
	c, err := audioConfig(config)
	if err != nil {
		return Badf("AudioSpecificConfig: %v", err)
	}
	if c.ObjectType == 0 || c.ObjectType > 31 || c.SamplingFrequency <= 0 {
		return Badf("AAC of object type %d at %d Hz", c.ObjectType, c.SamplingFrequency)
	}
	t.Codec, t.AudioConfig, t.SampleRate = media.AAC, bytes.Clone(config), c.SamplingFrequency
	switch c.ChannelConfiguration {
	case 0: // the stream says it
	case 7:
		t.Channels = 8 // ISO/IEC 14496-3 table 1.19
	default:
		t.Channels = int(c.ChannelConfiguration)
	}
	t.RFC6381 = fmt.Sprintf("mp4a.40.%d", c.ObjectType)
	return nil
}

// audioConfig reads an AudioSpecificConfig (ISO/IEC 14496-3 1.6.2.1). A panic of the library, which was not made for bytes from an enemy, is an error.
func audioConfig(p []byte) (c *aac.AudioSpecificConfig, err error) {
	defer func() {
		if v := recover(); v != nil {
			c, err = nil, fmt.Errorf("%v", v)
		}
	}()
	return aac.DecodeAudioSpecificConfig(bytes.NewReader(p))
}

// decoderInfo finds the DecoderSpecificInfo in an esds box.
func decoderInfo(esds []byte) ([]byte, error) {
	c := Cursor{P: esds}
	c.FullBox()
	es := descriptor(&c, tagES)
	es.Skip(2)
	flags := es.U8()
	if flags&0x80 != 0 {
		es.Skip(2) // dependsOn_ES_ID
	}
	if flags&0x40 != 0 {
		es.Skip(int(es.U8())) // URL
	}
	if flags&0x20 != 0 {
		es.Skip(2) // OCR_ES_Id
	}
	config := descriptor(&es, tagDecoderConfig)
	object := config.U8()
	if !config.Bad && object != objectMPEG4Audio && object != objectMPEG2AACLC {
		return nil, Badf("sound of object type %#x, which is not AAC", object)
	}
	config.Skip(12) // streamType, buffer, rates
	info := descriptor(&config, tagDecoderInfo)
	if info.Bad || len(info.P) == 0 {
		return nil, Badf("AAC without its configuration")
	}
	return info.P, nil
}

// descriptor returns the content of the first descriptor with a tag in what is left of c, ISO/IEC 14496-1 8.3.3.
func descriptor(c *Cursor, tag byte) Cursor {
	for !c.Bad && len(c.P) > 0 {
		got, size := c.U8(), 0
		for range 4 {
			b := c.U8()
			size = size<<7 | int(b&0x7f)
			if b&0x80 == 0 {
				break
			}
		}
		content := c.P
		if c.Skip(size); c.Bad {
			break
		}
		if got == tag {
			return Cursor{P: content[:size]}
		}
	}
	return Cursor{Bad: true}
}

// acmodChannels are the channels of acmod, ETSI TS 102 366 4.4.2.3, and dolbyRates the rates of fscod, 4.4.1.3.
var (
	acmodChannels = [8]int{2, 1, 2, 3, 3, 4, 4, 5}
	dolbyRates    = [3]int{48000, 44100, 32000}
)

// describeAC3 reads a dac3 box, ETSI TS 102 366 F.4.
func describeAC3(t *media.Track, config []byte) error {
	if len(config) < 3 {
		return Badf("AC-3 without its configuration")
	}
	v := uint32(config[0])<<16 | uint32(config[1])<<8 | uint32(config[2])
	t.Codec, t.RFC6381, t.Config = media.AC3, "ac-3", bytes.Clone(config)
	t.Channels = acmodChannels[v>>11&7] + int(v>>10&1)
	return dolbyRate(t, v>>22)
}

// describeEAC3 reads a dec3 box, ETSI TS 102 366 F.6. The channels are those of the first programme: of its independent substream and what its dependent ones add.
func describeEAC3(t *media.Track, config []byte) error {
	if len(config) < 5 {
		return Badf("E-AC-3 without its configuration")
	}
	v := uint32(config[2])<<16 | uint32(config[3])<<8 | uint32(config[4])
	t.Codec, t.RFC6381, t.Config = media.EAC3, "ec-3", bytes.Clone(config)
	t.Channels = acmodChannels[v>>9&7] + int(v>>8&1)
	if dependent := v >> 1 & 15; dependent > 0 {
		if len(config) < 6 {
			return Badf("E-AC-3 without its configuration")
		}
		// chan_loc: bits 0, 1, 4, 5 and 6 are pairs (table F.6.1).
		location := v&1<<8 | uint32(config[5])
		for bit := range 9 {
			if location>>bit&1 == 0 {
				continue
			}
			t.Channels++
			if 0b001110011>>bit&1 == 1 {
				t.Channels++
			}
		}
	}
	return dolbyRate(t, v>>22)
}

// dolbyRate takes the rate from fscod; a reduced rate of E-AC-3 (3) stands in the sample entry alone.
func dolbyRate(t *media.Track, fscod uint32) error {
	if fscod < 3 {
		t.SampleRate = dolbyRates[fscod]
	}
	if t.SampleRate <= 0 {
		return Badf("sound without a sample rate")
	}
	return nil
}
