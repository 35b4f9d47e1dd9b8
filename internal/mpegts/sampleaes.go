package mpegts

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"

	"darkroom/internal/cenc"
)

// What is left clear, in bytes: "MPEG-2 Stream Encryption Format for HTTP Live Streaming" 2.2 and 2.3.
const (
	clearUnit   = 32  // at the start of a NAL unit, its type included
	clearBlocks = 144 // behind each encrypted block of a NAL unit
	clearFrame  = 16  // at the start of an audio frame, behind an ADTS header
)

// sampleAES encrypts samples with AES-128-CBC. The chain begins anew, with the same initialization vector, in every NAL unit and audio frame.
type sampleAES struct {
	mode   chain
	iv     []byte
	blocks []byte // of a NAL unit, put together
}

// chain is what the standard library's CBC can do beside cipher.BlockMode.
type chain interface {
	cipher.BlockMode
	SetIV([]byte)
}

// newSampleAES takes a key that has a constant initialization vector.
func newSampleAES(key *cenc.Key) (*sampleAES, error) {
	if key.Value.Len() != cenc.KeySize {
		return nil, fmt.Errorf("SAMPLE-AES needs a key of %d bytes, not %d", cenc.KeySize, key.Value.Len())
	}
	if len(key.IV) != cenc.KeySize {
		return nil, fmt.Errorf("SAMPLE-AES needs an initialization vector of %d bytes, not %d", cenc.KeySize, len(key.IV))
	}
	block, err := aes.NewCipher(key.Value.Reveal())
	if err != nil {
		return nil, errors.New("SAMPLE-AES: the key is not usable")
	}
	mode, ok := cipher.NewCBCEncrypter(block, key.IV).(chain)
	if !ok {
		return nil, errors.New("SAMPLE-AES: this build's CBC cannot begin anew")
	}
	return &sampleAES{mode: mode, iv: bytes.Clone(key.IV)}, nil
}

// frame encrypts, in place, all whole blocks of an audio frame behind its clear beginning; the rest stays clear.
func (a *sampleAES) frame(p []byte) {
	if len(p) < clearFrame+aes.BlockSize {
		return
	}
	p = p[clearFrame:]
	p = p[:len(p)/aes.BlockSize*aes.BlockSize]
	a.mode.SetIV(a.iv)
	a.mode.CryptBlocks(p, p)
}

// unit encrypts, in place, one block in ten of a NAL unit of slices as it stands in the sample, emulation prevention included; a block that would
// be the end of the unit stays clear. It reports whether there was anything to encrypt.
func (a *sampleAES) unit(p []byte) bool {
	const step = aes.BlockSize + clearBlocks
	a.blocks = a.blocks[:0]
	for at := clearUnit; len(p)-at > aes.BlockSize; at += step {
		a.blocks = append(a.blocks, p[at:at+aes.BlockSize]...)
	}
	if len(a.blocks) == 0 {
		return false
	}
	a.mode.SetIV(a.iv)
	a.mode.CryptBlocks(a.blocks, a.blocks)
	for n, at := 0, clearUnit; n < len(a.blocks); n, at = n+aes.BlockSize, at+step {
		copy(p[at:], a.blocks[n:n+aes.BlockSize])
	}
	return true
}

// emulationPrevention is put in where the bytes of a unit would look like a start code, ISO/IEC 14496-10 7.4.1.1.
var emulationPrevention = []byte{3}

// appendEscaped appends the pieces of a NAL unit with emulation prevention. What the unit had of it before is prevented once more, so that a reader
// that takes out one layer has the encrypted unit.
func appendEscaped(parts [][]byte, p []byte) [][]byte {
	from, at := 0, 0
	for {
		zero := bytes.IndexByte(p[at:], 0)
		if zero < 0 {
			break
		}
		at += zero
		if at+2 >= len(p) {
			break
		}
		switch {
		case p[at+1] != 0:
			at += 2
		case p[at+2] > 3:
			at += 3
		default:
			at += 2
			parts = append(parts, p[from:at], emulationPrevention)
			from = at
		}
	}
	return append(parts, p[from:])
}

// setIV changes the vector of the samples that follow.
func (a *sampleAES) setIV(iv []byte) error {
	if len(iv) != len(a.iv) {
		return fmt.Errorf("SAMPLE-AES needs an initialization vector of %d bytes, not %d", len(a.iv), len(iv))
	}
	copy(a.iv, iv)
	return nil
}

// SetIV changes the initialization vector of all encrypted streams for the samples that follow: where keys have no constant one, it follows the number of
// the segment (RFC 8216 5.2), and so it is called between AppendFlush and AppendSegmentStart.
func (m *Muxer) SetIV(iv []byte) error {
	for i := range m.streams {
		st := &m.streams[i]
		for _, a := range []*sampleAES{st.aes, st.framer.cipher()} {
			if a == nil {
				continue
			}
			if err := a.setIV(iv); err != nil {
				return err
			}
		}
	}
	return nil
}

// SetIV changes the initialization vector of the samples that follow: see Muxer.SetIV. Without a key it does nothing.
func (p *Packed) SetIV(iv []byte) error {
	if p.framer.aes == nil {
		return nil
	}
	return p.framer.aes.setIV(iv)
}

// cipher is what encrypts its frames, nil for clear ones.
func (f *framer) cipher() *sampleAES {
	if f == nil {
		return nil
	}
	return f.aes
}
