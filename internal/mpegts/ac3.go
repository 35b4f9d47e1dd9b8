package mpegts

import (
	"errors"
	"fmt"
)

// syncframeHeader is how much of a syncframe says how long it is, ETSI TS 102 366 4.3 and E.1.3.
const syncframeHeader = 6

// maxAC3 is the greatest bit stream identification (bsid) of AC-3; those of E-AC-3 go on from there to maxEAC3.
const (
	maxAC3  = 10
	maxEAC3 = 16
)

// ac3Rates are the nominal bit rates in kbit/s by half of frmsizecod, ETSI TS 102 366 table 4.13.
var ac3Rates = [...]int{32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640}

var errSyncframe = errors.New("sound that is not whole syncframes")

// syncframe returns the size in bytes of the syncframe of AC-3, or with extended of E-AC-3 also, that b begins with.
func syncframe(b []byte, extended bool) (int, error) {
	if len(b) < syncframeHeader || b[0] != 0x0b || b[1] != 0x77 {
		return 0, errSyncframe
	}
	size := 0
	switch bsid := b[5] >> 3; {
	case bsid <= maxAC3:
		code, rate := b[4]>>6, int(b[4]&0x3f)
		if rate/2 >= len(ac3Rates) {
			return 0, errSyncframe
		}
		// A syncframe is 1536 samples; its size is counted in words of 16 bits.
		kbits := ac3Rates[rate/2]
		switch code {
		case 0: // 48 kHz
			size = 4 * kbits
		case 1: // 44.1 kHz: the odd codes are one word longer
			size = 2 * (kbits*1536*1000/44100/16 + rate&1)
		case 2: // 32 kHz
			size = 6 * kbits
		default:
			return 0, errSyncframe
		}
	case bsid <= maxEAC3 && extended:
		size = 2 * (int(b[2]&7)<<8 | int(b[3]) + 1)
	default:
		return 0, fmt.Errorf("a syncframe of bit stream identification %d", bsid)
	}
	if size < syncframeHeader || size > len(b) {
		return 0, errSyncframe
	}
	return size, nil
}

// eachSyncframe calls f with the syncframes that fill b.
func eachSyncframe(b []byte, extended bool, f func([]byte)) error {
	for first := true; first || len(b) > 0; first = false {
		n, err := syncframe(b, extended)
		if err != nil {
			return err
		}
		f(b[:n])
		b = b[n:]
	}
	return nil
}
