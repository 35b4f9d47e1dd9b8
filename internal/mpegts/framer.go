package mpegts

import (
	"errors"
	"fmt"

	"darkroom/internal/cenc"
	"darkroom/internal/media"
)

// framer writes the access units of a track as an elementary stream has them, in the clear or encrypted.
type framer struct {
	codec media.Codec
	adts  *adts      // AAC
	aes   *sampleAES // nil: clear
	setup []byte     // audio setup information without its setup_data_length and setup_data; nil: clear
	// data is the setup_data; nil where it is of the first syncframe.
	data []byte
}

// setupFrame is how much of the first syncframe of AC-3 is its setup_data.
const setupFrame = 10

// newFramer checks a track and, where there is one, its key.
func newFramer(t *media.Track, key *cenc.Key) (*framer, error) {
	f := &framer{codec: t.Codec}
	// "MPEG-2 Stream Encryption Format for HTTP Live Streaming" 2.3.2: audio_type, priming, version 1.
	name := ""
	switch t.Codec {
	case media.AAC:
		var err error
		if f.adts, err = newADTS(t.AudioConfig); err != nil {
			return nil, err
		}
		if key != nil && f.adts.profile != profileLC {
			return nil, fmt.Errorf("SAMPLE-AES has no name for AAC object type %d", f.adts.profile+1)
		}
		name, f.data = "zaac", t.AudioConfig
	case media.AC3:
		if len(t.Config) < 3 {
			return nil, errors.New("a track of AC-3 without the content of dac3")
		}
		name = "zac3"
	case media.EAC3:
		if len(t.Config) < 5 {
			return nil, errors.New("a track of E-AC-3 without the content of dec3")
		}
		name, f.data = "zec3", t.Config
	default:
		return nil, fmt.Errorf("%q is no sound of transport streams", t.Codec)
	}
	if key == nil {
		return f, nil
	}
	if len(f.data) > maxSetup {
		return nil, fmt.Errorf("a decoder configuration of %d bytes is more than SAMPLE-AES can tell", len(f.data))
	}
	f.setup = append([]byte(name), 0, 0, 1)
	var err error
	f.aes, err = newSampleAES(key)
	return f, err
}

// maxSetup is what fits behind the other fields into a descriptor that holds audio setup information.
const maxSetup = 255 - 4 - 8

// appendSetup appends the audio setup information. first is the first access unit, which AC-3 alone asks for.
func (f *framer) appendSetup(dst, first []byte) ([]byte, error) {
	data := f.data
	if f.codec == media.AC3 {
		n, err := syncframe(first, false)
		if err != nil || n < setupFrame {
			return dst, errors.New("SAMPLE-AES for AC-3 needs the first syncframe of the track")
		}
		data = first[:setupFrame]
	}
	dst = append(dst, f.setup...)
	dst = append(dst, byte(len(data)))
	return append(dst, data...), nil
}

// append appends an access unit. When it fails it appends nothing.
func (f *framer) append(dst, data []byte) ([]byte, error) {
	switch f.codec {
	case media.AAC:
		header, err := f.adts.header(len(data))
		if err != nil {
			return dst, err
		}
		dst = append(dst, header[:]...)
		at := len(dst)
		dst = append(dst, data...)
		if f.aes != nil {
			f.aes.frame(dst[at:])
		}
		return dst, nil
	default:
		at := len(dst)
		extended := f.codec == media.EAC3
		if f.aes == nil {
			if err := eachSyncframe(data, extended, func([]byte) {}); err != nil {
				return dst, err
			}
			return append(dst, data...), nil
		}
		dst = append(dst, data...)
		if err := eachSyncframe(dst[at:], extended, f.aes.frame); err != nil {
			return dst[:at], err
		}
		return dst, nil
	}
}

// ac3Version returns the bsid that dac3 or dec3 says, ETSI TS 102 366 F.4 and F.6.
func ac3Version(t *media.Track) byte {
	if t.Codec == media.AC3 {
		return t.Config[0] >> 1 & 0x1f // fscod 2, bsid 5
	}
	return t.Config[2] >> 1 & 0x1f // data_rate 13, num_ind_sub 3, fscod 2, bsid 5
}
