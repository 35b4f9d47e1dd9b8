package validate

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"io"
)

// opened decrypts a sample with its key, where there is one, and checks what comes out: a NAL unit holds no start code, and a syncframe has a CRC.
func (c *checker) opened(where string, s *sampleRef, data []byte) {
	key, ok := c.key(s.crypt.id())
	if !ok {
		return
	}
	clear, err := decryptSample(key.Reveal(), s, data)
	if err == nil {
		err = wellFormed(s, clear)
	}
	if err != nil {
		c.fail("cenc-decrypt", where, "track %d: sample %d does not open with its key: %v", s.part.id, s.number, err)
	}
}

// decryptSample opens a sample as ISO/IEC 23001-7 9 and 10 say.
func decryptSample(key []byte, s *sampleRef, data []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, errors.New("the key has the wrong length")
	}
	iv := s.iv
	if len(iv) == 0 {
		iv = s.crypt.constant
	}
	full := make([]byte, aes.BlockSize)
	copy(full, iv)
	ranges := s.ranges
	if len(ranges) == 0 {
		ranges = []subsample{{0, int64(len(data))}}
	}
	out := bytes.Clone(data)
	at := int64(0)
	counter := cipher.NewCTR(block, full)
	for _, r := range ranges {
		at += r.clear
		if at+r.protected > int64(len(out)) {
			return nil, errors.New("its ranges are longer than it is")
		}
		part := out[at : at+r.protected]
		at += r.protected
		if s.entry.scheme != "cbcs" && s.entry.scheme != "cbc1" {
			counter.XORKeyStream(part, part)
			continue
		}
		chain := cipher.NewCBCDecrypter(block, full)
		crypt, skip := int(s.crypt.crypt), int(s.crypt.skip)
		for len(part) >= aes.BlockSize {
			n := len(part) &^ (aes.BlockSize - 1)
			if skip > 0 {
				n = min(n, crypt*aes.BlockSize)
			}
			chain.CryptBlocks(part[:n], part[:n])
			part = part[min(len(part), n+skip*aes.BlockSize):]
		}
	}
	return out, nil
}

// wellFormed checks a clear sample.
func wellFormed(s *sampleRef, data []byte) error {
	switch e := s.entry; {
	case e.lengthSize > 0:
		for at := 0; at < len(data); {
			if len(data)-at < e.lengthSize {
				return errors.New("the lengths of its NAL units do not fill it")
			}
			size := 0
			for range e.lengthSize {
				size = size<<8 | int(data[at])
				at++
			}
			if size < 1 || size > len(data)-at {
				return errors.New("the lengths of its NAL units do not fill it")
			}
			unit := data[at : at+size]
			at += size
			if i := startCode(unit); i >= 0 {
				return errors.New("there is a start code inside a NAL unit")
			}
			if unit[len(unit)-1] == 0 {
				return errors.New("a NAL unit ends with 0")
			}
		}
	case e.sampleEntry == "ac-3", e.sampleEntry == "ec-3":
		return dolbySample(data, e.sampleEntry == "ec-3")
	}
	return nil
}

// startCode finds what emulation prevention keeps out of NAL units (ISO/IEC 14496-10 7.4.1), -1 for nothing.
func startCode(b []byte) int {
	for i := 0; i+2 < len(b); i++ {
		if b[i] == 0 && b[i+1] == 0 && b[i+2] < 3 {
			return i
		}
	}
	return -1
}

// errPadding says that a segment does not open.
// errBlocks says that a segment cannot be what AES-128 makes.
var errBlocks = errors.New("it is not whole blocks")

var errPadding = errors.New("its padding is wrong: the key or the initialization vector is another one")

// cbcReader decrypts a whole segment, AES-128 in CBC mode with padding of PKCS #7 (RFC 8216 4.3.2.4).
type cbcReader struct {
	r    io.Reader
	mode cipher.BlockMode
	in   [32 << 10]byte
	have []byte // clear, given out next
	held []byte // the last block, which may be padding
	err  error
}

func newCBCReader(r io.Reader, key, iv []byte) (*cbcReader, error) {
	block, err := aes.NewCipher(key)
	if err != nil || len(iv) != aes.BlockSize {
		return nil, errors.New("the key or the initialization vector has the wrong length")
	}
	return &cbcReader{r: r, mode: cipher.NewCBCDecrypter(block, iv)}, nil
}

func (c *cbcReader) Read(p []byte) (int, error) {
	for len(c.have) == 0 {
		if c.err != nil {
			return 0, c.err
		}
		n, err := io.ReadFull(c.r, c.in[:])
		if n%aes.BlockSize != 0 {
			c.err = errBlocks
			continue
		}
		c.mode.CryptBlocks(c.in[:n], c.in[:n])
		c.have = append(bytes.Clone(c.held), c.in[:n]...)
		if err == nil {
			c.held = bytes.Clone(c.have[len(c.have)-aes.BlockSize:])
			c.have = c.have[:len(c.have)-aes.BlockSize]
			continue
		}
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			c.err, c.have = err, nil
			continue
		}
		if len(c.have) == 0 {
			c.err = errPadding
			continue
		}
		last := int(c.have[len(c.have)-1])
		if last < 1 || last > aes.BlockSize || !bytes.Equal(c.have[len(c.have)-last:], bytes.Repeat([]byte{byte(last)}, last)) {
			c.err, c.have = errPadding, nil
			continue
		}
		c.have, c.err = c.have[:len(c.have)-last], io.EOF
	}
	n := copy(p, c.have)
	c.have = c.have[n:]
	return n, nil
}
