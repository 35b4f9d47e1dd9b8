package validate

import (
	"errors"
	"fmt"
)

// audioConfig is an AudioSpecificConfig.
type audioConfig struct {
	object, rate, channels int
}

var aacRates = []int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}

// bitReader reads bits, the highest first.
type bitReader struct {
	b   []byte
	at  int
	bad bool
}

func (r *bitReader) read(n int) (v int) {
	for range n {
		if r.at/8 >= len(r.b) {
			r.bad = true
			return 0
		}
		v = v<<1 | int(r.b[r.at/8]>>(7-r.at%8)&1)
		r.at++
	}
	return v
}

// parseAudioConfig reads ISO/IEC 14496-3 1.6.2.1. Of what SBR and PS signal, the object type is kept.
func parseAudioConfig(b []byte) (audioConfig, error) {
	r := &bitReader{b: b}
	object := func() int {
		o := r.read(5)
		if o == 31 {
			o = 32 + r.read(6)
		}
		return o
	}
	rate := func() int {
		i := r.read(4)
		if i == 15 {
			return r.read(24)
		}
		if i >= len(aacRates) {
			r.bad = true
			return 0
		}
		return aacRates[i]
	}
	a := audioConfig{object: object(), rate: rate()}
	a.channels = []int{0, 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 7, 8, 24, 8, 0}[r.read(4)]
	if a.object == 5 || a.object == 29 {
		a.rate = rate() // of the extension
	}
	if r.bad {
		return a, errors.New("a bad AudioSpecificConfig")
	}
	return a, nil
}

// adtsFrame is a frame of ISO/IEC 14496-3 1.A.2.
type adtsFrame struct {
	audioConfig
	size   int
	header int
}

func parseADTS(b []byte) (adtsFrame, error) {
	if len(b) < 7 || b[0] != 0xff || b[1]&0xf6 != 0xf0 {
		return adtsFrame{}, errors.New("no ADTS frame")
	}
	f := adtsFrame{header: 7}
	if b[1]&1 == 0 {
		f.header = 9
	}
	f.object = int(b[2]>>6) + 1
	if i := int(b[2] >> 2 & 15); i < len(aacRates) {
		f.rate = aacRates[i]
	} else {
		return f, errors.New("ADTS with a sampling frequency that is none")
	}
	f.channels = []int{0, 1, 2, 3, 4, 5, 6, 8}[b[2]&1<<2|b[3]>>6]
	f.size = int(b[3]&3)<<11 | int(b[4])<<3 | int(b[5]>>5)
	if f.size < f.header {
		return f, errors.New("an ADTS frame that is shorter than its header")
	}
	if b[6]&3 != 0 {
		return f, errors.New("ADTS with several raw data blocks in a frame")
	}
	return f, nil
}

// ac3Channels by acmod, without the low frequency channel.
var ac3Channels = []int{2, 1, 2, 3, 3, 4, 4, 5}

func ac3Rate(fscod byte) int { return []int{48000, 44100, 32000, 0}[fscod&3] }

// ac3Rates are the bit rates of AC-3 by frmsizecod/2, in kbit/s.
var ac3Rates = []int{32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640}

// dolbyFrame is a syncframe of ETSI TS 102 366.
type dolbyFrame struct {
	enhanced       bool
	dependent      bool // of E-AC-3: it belongs to the frame before
	size           int
	rate, channels int
	samples        int
}

func parseDolby(b []byte) (dolbyFrame, error) {
	if len(b) < 8 || b[0] != 0x0b || b[1] != 0x77 {
		return dolbyFrame{}, errors.New("no AC-3 syncframe")
	}
	bsid := b[5] >> 3
	switch {
	case bsid <= 10:
		f := dolbyFrame{rate: ac3Rate(b[4] >> 6), samples: 1536}
		code := int(b[4] & 63)
		if f.rate == 0 || code/2 >= len(ac3Rates) {
			return f, errors.New("an AC-3 syncframe of no known size")
		}
		f.size = ac3Rates[code/2] * 1000 / 8 * 1536 / f.rate
		if f.rate == 44100 {
			f.size = 2 * (ac3Rates[code/2]*1000*1536/(16*44100) + code&1)
		}
		r := &bitReader{b: b[6:]}
		acmod := r.read(3)
		f.channels = ac3Channels[acmod]
		if acmod&1 != 0 && acmod != 1 {
			r.read(2)
		}
		if acmod&4 != 0 {
			r.read(2)
		}
		if acmod == 2 {
			r.read(2)
		}
		f.channels += r.read(1)
		return f, nil
	case bsid <= 16:
		r := &bitReader{b: b[2:]}
		f := dolbyFrame{enhanced: true}
		f.dependent = r.read(2) == 1
		r.read(3)
		f.size = 2 * (r.read(11) + 1)
		fscod := r.read(2)
		blocks := 6
		if fscod == 3 {
			f.rate = ac3Rate(byte(r.read(2))) / 2
		} else {
			f.rate = ac3Rate(byte(fscod))
			blocks = []int{1, 2, 3, 6}[r.read(2)]
		}
		f.samples = 256 * blocks
		f.channels = ac3Channels[r.read(3)] + r.read(1)
		if f.rate == 0 {
			return f, errors.New("an E-AC-3 syncframe with a sampling frequency that is none")
		}
		return f, nil
	}
	return dolbyFrame{}, fmt.Errorf("a syncframe with bsid %d", bsid)
}

// dolbySample checks a sample of AC-3 or E-AC-3: whole syncframes. Of E-AC-3, those of one access unit.
func dolbySample(b []byte, enhanced bool) error {
	for n := 0; len(b) > 0; n++ {
		f, err := parseDolby(b)
		if err != nil {
			return err
		}
		if f.enhanced != enhanced {
			return errors.New("AC-3 in the place of E-AC-3, or the other way round")
		}
		if f.size > len(b) {
			return errors.New("a syncframe that is longer than its sample")
		}
		if !dolbyCRC(b[:f.size]) {
			return errors.New("a syncframe whose CRC is wrong")
		}
		if n > 0 && !enhanced {
			return errors.New("several syncframes in a sample")
		}
		b = b[f.size:]
	}
	return nil
}

// dolbyCRC checks crc2, which covers a syncframe behind its syncword (ETSI TS 102 366 6.1.7); also of E-AC-3.
func dolbyCRC(frame []byte) bool {
	var crc uint16
	for _, b := range frame[2:] {
		crc ^= uint16(b) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x8005
			} else {
				crc <<= 1
			}
		}
	}
	return crc == 0
}
