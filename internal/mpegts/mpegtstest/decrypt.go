package mpegtstest

import (
	"crypto/aes"
	"errors"
	"fmt"
)

// Decrypt returns the elementary stream of a PES packet of one of the encrypted stream types in the clear, word for word after "MPEG-2 Stream Encryption
// Format for HTTP Live Streaming" 2.2 and 2.3.
func Decrypt(kind int, data, key, iv []byte) ([]byte, error) {
	switch kind {
	case EncryptedAVC:
		return decryptAVC(data, key, iv)
	case EncryptedADTS:
		return decryptFrames(data, key, iv, func(b []byte) (header, size int) {
			if len(b) < 7 || b[0] != 0xff || b[1]&0xf6 != 0xf0 {
				return 0, 0
			}
			header = 9
			if b[1]&1 == 1 { // protection_absent
				header = 7
			}
			return header, int(b[3]&3)<<11 | int(b[4])<<3 | int(b[5]>>5)
		})
	case EncryptedAC3, EncryptedEAC3:
		return decryptFrames(data, key, iv, func(b []byte) (header, size int) { return 0, syncframe(b) })
	}
	return nil, fmt.Errorf("stream type %#02x is not an encrypted one", kind)
}

// decryptBlock undoes one step of cipher block chaining, NIST SP 800-38A 6.2, and returns the vector of the next.
func decryptBlock(p, key, iv []byte) []byte {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	next := append([]byte(nil), p...)
	block.Decrypt(p, next)
	for i := range p {
		p[i] ^= iv[i]
	}
	return next
}

func decryptFrames(data, key, iv []byte, parse func([]byte) (header, size int)) ([]byte, error) {
	data = append([]byte(nil), data...)
	for rest := data; len(rest) > 0; {
		header, size := parse(rest)
		if size <= header || size > len(rest) {
			return nil, errors.New("no frame")
		}
		frame := rest[header:size]
		rest = rest[size:]
		if len(frame) < 16 {
			continue
		}
		frame = frame[16:] // unencrypted_leader
		chain := iv
		for len(frame) >= 16 {
			chain = decryptBlock(frame[:16], key, chain) // encrypted_block
			frame = frame[16:]
		}
		// unencrypted_trailer
	}
	return data, nil
}

func decryptAVC(data, key, iv []byte) ([]byte, error) {
	var clear []byte
	for len(data) > 0 {
		// The start code: zeros, then 1.
		n := 0
		for n < len(data) && data[n] == 0 {
			n++
		}
		if n < 2 || n == len(data) || data[n] != 1 {
			return nil, errors.New("no start code")
		}
		n++
		clear = append(clear, data[:n]...)
		data = data[n:]
		// The NAL unit: as far as the next three bytes 000000 or 000001.
		n = 0
		for n < len(data) && !(n+2 < len(data) && data[n] == 0 && data[n+1] == 0 && data[n+2] <= 1) {
			n++
		}
		unit := data[:n]
		data = data[n:]
		if len(unit) == 0 {
			return nil, errors.New("an empty NAL unit")
		}
		if kind := unit[0] & 31; kind == 1 || kind == 5 {
			unit = decryptUnit(unit, key, iv)
		}
		clear = append(clear, unit...)
	}
	return clear, nil
}

func decryptUnit(unit, key, iv []byte) []byte {
	if len(unit) <= 48 {
		return unit
	}
	// The emulation prevention that encryption put over that of the encoder.
	var nal []byte
	zeros := 0
	for _, b := range unit {
		if zeros == 2 && b == 3 {
			zeros = 0
			continue
		}
		if b == 0 {
			zeros++
		} else {
			zeros = 0
		}
		nal = append(nal, b)
	}
	rest := nal[32:] // nal_unit_type_byte, unencrypted_leader
	chain := iv
	for len(rest) > 0 {
		if len(rest) > 16 {
			chain = decryptBlock(rest[:16], key, chain) // encrypted_block
			rest = rest[16:]
		}
		rest = rest[min(144, len(rest)):] // unencrypted_block
	}
	return nal
}
