package mpegts

import (
	"errors"
	"fmt"
)

const (
	adtsHeaderSize = 7
	maxADTSFrame   = 1<<13 - 1
	profileLC      = 1 // low complexity, ISO/IEC 14496-3 table 1.A.7
)

// adts makes headers of Audio Data Transport Stream frames, ISO/IEC 14496-3 1.A.2.
type adts struct {
	profile, frequencyIndex, channels byte
}

// newADTS reads an AudioSpecificConfig, ISO/IEC 14496-3 1.6.2.1.
func newADTS(config []byte) (*adts, error) {
	if len(config) < 2 {
		return nil, errors.New("an AudioSpecificConfig that is too short")
	}
	object := config[0] >> 3
	frequency := config[0]&7<<1 | config[1]>>7
	channels := config[1] >> 3 & 15
	if object < 1 || object > 4 {
		return nil, fmt.Errorf("ADTS cannot say AAC object type %d", object)
	}
	if frequency > 12 {
		return nil, errors.New("ADTS cannot say this sampling frequency")
	}
	if channels < 1 || channels > 7 {
		return nil, fmt.Errorf("ADTS cannot say channel configuration %d", channels)
	}
	return &adts{profile: object - 1, frequencyIndex: frequency, channels: channels}, nil
}

// header returns the header of an access unit of n bytes.
func (a *adts) header(n int) ([adtsHeaderSize]byte, error) {
	size := n + adtsHeaderSize
	if n == 0 || size > maxADTSFrame {
		return [adtsHeaderSize]byte{}, fmt.Errorf("an AAC access unit of %d bytes", n)
	}
	return [adtsHeaderSize]byte{
		0xff, 0xf1, // syncword, MPEG-4, no CRC
		a.profile<<6 | a.frequencyIndex<<2 | a.channels>>2,
		a.channels<<6 | byte(size>>11),
		byte(size >> 3),
		byte(size<<5) | 0x1f, // buffer fullness: variable rate
		0xfc,
	}, nil
}
