package test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	endian "encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

// This file decrypts media word for word after the specifications, for the tests alone. It shares nothing with what encrypts.

// openAES128 decrypts a segment of METHOD=AES-128: AES-128-CBC with PKCS #7 padding over the whole of it (RFC 8216 4.3.2.4).
func openAES128(segment, key, iv []byte) ([]byte, error) {
	if len(segment) == 0 || len(segment)%aes.BlockSize != 0 {
		return nil, fmt.Errorf("%d bytes are no whole blocks", len(segment))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	out := make([]byte, len(segment))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, segment)
	n := int(out[len(out)-1])
	if n < 1 || n > aes.BlockSize || !bytes.Equal(out[len(out)-n:], bytes.Repeat([]byte{byte(n)}, n)) {
		return nil, errors.New("the padding is wrong: another key, or another vector")
	}
	return out[:len(out)-n], nil
}

// box is a box of ISO/IEC 14496-12 4.2.
type box struct {
	kind string // of a uuid box: its 32 hexadecimal digits
	all  []byte // with its header
	body []byte // behind it, and behind the extended type
}

// boxes reads boxes that fill b. What they hold are parts of b: to change them changes b.
func boxes(b []byte) ([]box, error) {
	var out []box
	for len(b) > 0 {
		if len(b) < 8 {
			return nil, errors.New("less than a box")
		}
		size, header := uint64(endian.BigEndian.Uint32(b)), uint64(8)
		if size == 1 && len(b) >= 16 {
			size, header = endian.BigEndian.Uint64(b[8:]), 16
		}
		kind := string(b[4:8])
		if kind == "uuid" && len(b) >= int(header)+16 {
			kind = hex.EncodeToString(b[header : header+16])
			header += 16
		}
		if size < header || size > uint64(len(b)) {
			return nil, fmt.Errorf("a box %q of %d bytes in %d", kind, size, len(b))
		}
		out = append(out, box{kind, b[:size:size], b[header:size:size]})
		b = b[size:]
	}
	return out, nil
}

// inside finds the boxes at a path below b.
func inside(b []byte, path ...string) ([]box, error) {
	all, err := boxes(b)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(x box) bool { return x.kind != path[0] })
	if len(path) == 1 {
		return all, nil
	}
	var out []box
	for _, x := range all {
		deeper, err := inside(x.body, path[1:]...)
		if err != nil {
			return nil, err
		}
		out = append(out, deeper...)
	}
	return out, nil
}

// one is inside for the one box that must be there.
func one(b []byte, path ...string) (box, error) {
	all, err := inside(b, path...)
	if err == nil && len(all) != 1 {
		err = fmt.Errorf("%d boxes %v", len(all), path)
	}
	if err != nil {
		return box{}, err
	}
	return all[0], nil
}

func free(b box) { copy(b.all[4:8], "free") }

// The boxes of PIFF 1.1 (5.3), whose names are UUIDs.
const (
	piffTrack  = "8974dbce7be74c5184f97148f9882554"
	piffSample = "a2394f525a9b4f14a2446c427c648df4"
)

// protected is how the samples of a track are encrypted: 'tenc' of ISO/IEC 23001-7 8.2, or that of PIFF 1.1 5.3.3.
type protected struct {
	scheme      string // cenc, cbcs, piff
	kid         string
	ivSize      int
	constant    []byte
	crypt, skip int // of the pattern, in blocks
}

// track is a track of an init segment.
type track struct {
	id        uint32
	handler   string // vide, soun
	entry     string // the sample entry, as if nothing were encrypted
	protected *protected
}

// openInit takes the protection of a fragmented MP4 away, in place: sample entries get their own names again, and what told of the encryption becomes free
// space, so that no offset changes.
func openInit(b []byte) (map[uint32]*track, error) {
	tracks := map[uint32]*track{}
	moov, err := one(b, "moov")
	if err != nil {
		return nil, err
	}
	systems, err := inside(moov.body, "pssh")
	if err != nil {
		return nil, err
	}
	for _, s := range systems {
		free(s)
	}
	traks, err := inside(moov.body, "trak")
	if err != nil {
		return nil, err
	}
	for _, trak := range traks {
		t := new(track)
		tkhd, err := one(trak.body, "tkhd")
		if err != nil {
			return nil, err
		}
		at := 12
		if tkhd.body[0] == 1 {
			at = 20
		}
		t.id = endian.BigEndian.Uint32(tkhd.body[at:])
		hdlr, err := one(trak.body, "mdia", "hdlr")
		if err != nil {
			return nil, err
		}
		t.handler = string(hdlr.body[8:12])
		stsd, err := one(trak.body, "mdia", "minf", "stbl", "stsd")
		if err != nil {
			return nil, err
		}
		entries, err := boxes(stsd.body[8:])
		if err != nil {
			return nil, err
		}
		if len(entries) != 1 {
			return nil, fmt.Errorf("%d sample entries", len(entries))
		}
		t.entry = entries[0].kind
		if fixed := map[string]int{"encv": 78, "enca": 28}[t.entry]; fixed > 0 { // ISO/IEC 14496-12 12.1.3 and 12.2.3
			if err := t.open(entries[0], fixed); err != nil {
				return nil, err
			}
		}
		if tracks[t.id] != nil {
			return nil, fmt.Errorf("track %d is there twice", t.id)
		}
		tracks[t.id] = t
	}
	return tracks, nil
}

func (t *track) open(entry box, fixed int) error {
	sinf, err := one(entry.body[fixed:], "sinf")
	if err != nil {
		return err
	}
	frma, err := one(sinf.body, "frma")
	if err != nil {
		return err
	}
	schm, err := one(sinf.body, "schm")
	if err != nil {
		return err
	}
	schi, err := one(sinf.body, "schi")
	if err != nil {
		return err
	}
	inner, err := boxes(schi.body)
	if err != nil {
		return err
	}
	p := &protected{scheme: string(schm.body[4:8])}
	for _, x := range inner {
		switch {
		case x.kind == "tenc" && (p.scheme == "cenc" || p.scheme == "cbcs"):
			version, b := x.body[0], x.body[4:]
			if version > 0 {
				p.crypt, p.skip = int(b[1]>>4), int(b[1]&15)
			}
			if b[2] != 1 {
				return errors.New("default_isProtected is not 1")
			}
			p.ivSize, p.kid = int(b[3]), hex.EncodeToString(b[4:20])
			if p.ivSize == 0 {
				p.constant = b[21 : 21+int(b[20])]
			}
		case x.kind == piffTrack && p.scheme == "piff":
			b := x.body[4:]
			if algorithm := int(b[0])<<16 | int(b[1])<<8 | int(b[2]); algorithm != 1 {
				return fmt.Errorf("algorithm %d of PIFF is not AES-CTR", algorithm)
			}
			p.ivSize, p.kid = int(b[3]), hex.EncodeToString(b[4:20])
		}
	}
	if p.kid == "" {
		return fmt.Errorf("a track of the scheme %q without its tenc", p.scheme)
	}
	t.protected, t.entry = p, string(frma.body[:4])
	copy(entry.all[4:8], t.entry)
	free(sinf)
	return nil
}

// vector is what a sample is decrypted by.
type vector struct {
	iv         []byte
	subsamples [][2]int // bytes in the clear and bytes encrypted; nil for the whole sample
}

// vectors reads 'senc' (ISO/IEC 23001-7 7.2) or that of PIFF (5.3.2).
func vectors(x box, p *protected) ([]vector, error) {
	flags, b := x.body[3], x.body[4:]
	size := p.ivSize
	if flags&1 != 0 {
		if x.kind != piffSample {
			return nil, errors.New("senc overrides the track's parameters, which ISO/IEC 23001-7 does not know")
		}
		return nil, errors.New("the parameters of the track are overridden")
	}
	var out []vector
	count := int(endian.BigEndian.Uint32(b))
	b = b[4:]
	for range count {
		v := vector{iv: p.constant}
		if size > 0 {
			v.iv, b = append(bytes.Clone(b[:size]), make([]byte, 16-size)...), b[size:]
		}
		if flags&2 != 0 {
			n := int(endian.BigEndian.Uint16(b))
			b = b[2:]
			v.subsamples = [][2]int{}
			for range n {
				v.subsamples = append(v.subsamples, [2]int{int(endian.BigEndian.Uint16(b)), int(endian.BigEndian.Uint32(b[2:]))})
				b = b[6:]
			}
		}
		out = append(out, v)
	}
	if len(b) != 0 {
		return nil, fmt.Errorf("%d bytes behind the vectors", len(b))
	}
	return out, nil
}

// openSample decrypts a sample in place (ISO/IEC 23001-7 9 and 10; PIFF 1.1 6 is its cenc).
func openSample(sample []byte, p *protected, v vector, key []byte) error {
	block, err := aes.NewCipher(key)
	if err != nil {
		return err
	}
	spans := v.subsamples
	if spans == nil {
		spans = [][2]int{{0, len(sample)}}
	}
	// In CTR the encrypted bytes of a sample are one chain of blocks, wherever they stand (9.5.1).
	stream := cipher.NewCTR(block, v.iv)
	for _, s := range spans {
		if s[0]+s[1] > len(sample) {
			return fmt.Errorf("subsamples of %d and %d bytes in %d", s[0], s[1], len(sample))
		}
		data := sample[s[0] : s[0]+s[1]]
		sample = sample[s[0]+s[1]:]
		if p.scheme != "cbcs" {
			stream.XORKeyStream(data, data)
			continue
		}
		// Each subsample begins with the vector again (10.4); a block that is not whole stays clear.
		chain := cipher.NewCBCDecrypter(block, v.iv)
		crypt, skip := p.crypt, p.skip
		if crypt == 0 {
			crypt, skip = len(data)/16, 0 // whole blocks, without a pattern
		}
		for len(data) >= 16 {
			for n := 0; n < crypt && len(data) >= 16; n++ {
				chain.CryptBlocks(data[:16], data[:16])
				data = data[16:]
			}
			data = data[min(len(data), 16*skip):]
		}
	}
	if len(sample) > 0 {
		return fmt.Errorf("%d bytes of a sample are in no subsample", len(sample))
	}
	return nil
}

// openFragments decrypts the movie fragments of b in place, and frees the boxes that told of the encryption. It returns the samples of each track, in the clear.
func openFragments(b []byte, tracks map[uint32]*track, keys map[string][]byte) (map[uint32][][]byte, error) {
	all, err := boxes(b)
	if err != nil {
		return nil, err
	}
	samples := map[uint32][][]byte{}
	for at, x := 0, 0; x < len(all); at, x = at+len(all[x].all), x+1 {
		if all[x].kind != "moof" {
			continue
		}
		trafs, err := inside(all[x].body, "traf")
		if err != nil {
			return nil, err
		}
		for _, traf := range trafs {
			id, found, err := openTrack(b[at:], traf, tracks, keys)
			if err != nil {
				return nil, err
			}
			samples[id] = append(samples[id], found...)
		}
	}
	return samples, nil
}

// openTrack decrypts a track fragment. from begins with its moof.
func openTrack(from []byte, traf box, tracks map[uint32]*track, keys map[string][]byte) (uint32, [][]byte, error) {
	tfhd, err := one(traf.body, "tfhd")
	if err != nil {
		return 0, nil, err
	}
	flags, b := endian.BigEndian.Uint32(tfhd.body)&0xffffff, tfhd.body[8:]
	id := endian.BigEndian.Uint32(tfhd.body[4:])
	t := tracks[id]
	if t == nil {
		return 0, nil, fmt.Errorf("a fragment of track %d, which is not there", id)
	}
	if flags&1 != 0 {
		return 0, nil, errors.New("base_data_offset, which segments must not have")
	}
	for _, skip := range []struct{ flag, size uint32 }{{2, 4}, {8, 4}} {
		if flags&skip.flag != 0 {
			b = b[skip.size:]
		}
	}
	size := uint32(0)
	if flags&0x10 != 0 {
		size = endian.BigEndian.Uint32(b)
	}
	trun, err := one(traf.body, "trun")
	if err != nil {
		return 0, nil, err
	}
	flags, b = endian.BigEndian.Uint32(trun.body)&0xffffff, trun.body[4:]
	count := int(endian.BigEndian.Uint32(b))
	b = b[4:]
	if flags&1 == 0 {
		return 0, nil, errors.New("no data_offset")
	}
	at := int(int32(endian.BigEndian.Uint32(b)))
	b = b[4:]
	if flags&4 != 0 {
		b = b[4:]
	}
	var samples [][]byte
	for range count {
		n := size
		for _, field := range []uint32{0x100, 0x200, 0x400, 0x800} {
			if flags&field == 0 {
				continue
			}
			if field == 0x200 {
				n = endian.BigEndian.Uint32(b)
			}
			b = b[4:]
		}
		if n == 0 || at < 0 || at+int(n) > len(from) {
			return 0, nil, fmt.Errorf("a sample of %d bytes at %d of %d", n, at, len(from))
		}
		samples = append(samples, from[at:at+int(n)])
		at += int(n)
	}
	inner, err := boxes(traf.body)
	if err != nil {
		return 0, nil, err
	}
	seen := false
	for _, x := range inner {
		switch x.kind {
		case "sgpd", "sbgp":
			if string(x.body[4:8]) == "seig" {
				return 0, nil, errors.New("samples that are protected otherwise than their track")
			}
		case "saiz", "saio":
			free(x)
		case "senc", piffSample:
			if t.protected == nil || seen || (x.kind == piffSample) != (t.protected.scheme == "piff") {
				return 0, nil, fmt.Errorf("a box %s that does not belong here", x.kind)
			}
			seen = true
			key := keys[t.protected.kid]
			if key == nil {
				return 0, nil, fmt.Errorf("no key %s", t.protected.kid)
			}
			all, err := vectors(x, t.protected)
			if err != nil {
				return 0, nil, err
			}
			if len(all) != len(samples) {
				return 0, nil, fmt.Errorf("%d vectors for %d samples", len(all), len(samples))
			}
			for i, s := range samples {
				if err := openSample(s, t.protected, all[i], key); err != nil {
					return 0, nil, fmt.Errorf("sample %d: %w", i, err)
				}
			}
			free(x)
		}
	}
	if t.protected != nil && !seen {
		// Samples that are wholly encrypted with a constant vector need no box of their own (ISO/IEC 23001-7 10.4.3).
		if t.protected.scheme != "cbcs" || t.protected.constant == nil || t.handler != "soun" {
			return 0, nil, errors.New("an encrypted fragment without senc")
		}
		key := keys[t.protected.kid]
		if key == nil {
			return 0, nil, fmt.Errorf("no key %s", t.protected.kid)
		}
		for i, s := range samples {
			if err := openSample(s, t.protected, vector{iv: t.protected.constant}, key); err != nil {
				return 0, nil, fmt.Errorf("sample %d: %w", i, err)
			}
		}
	}
	return id, samples, nil
}
