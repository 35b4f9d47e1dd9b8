package cenc

import (
	"encoding/binary"

	"darkroom/internal/media"
)

// TrackEncryption is what the sample entry of a protected track says, ISO/IEC 23001-7 8.2 and 4.2.
type TrackEncryption struct {
	Scheme Scheme
	KeyID  UUID
	// Crypt and Skip are the pattern in blocks of 16 bytes, both 0 for none.
	Crypt, Skip uint8
	// ConstantIV is the vector of every sample; nil for vectors of IVSize bytes with each sample.
	ConstantIV []byte
}

// Extended types of the boxes of PIFF 1.1 (Protected Interoperable File Format, section 5.3).
var (
	piffTrackEncryption  = UUID{0x89, 0x74, 0xdb, 0xce, 0x7b, 0xe7, 0x4c, 0x51, 0x84, 0xf9, 0x71, 0x48, 0xf9, 0x88, 0x25, 0x54}
	piffSampleEncryption = UUID{0xa2, 0x39, 0x4f, 0x52, 0x5a, 0x9b, 0x4f, 0x14, 0xa2, 0x44, 0x6c, 0x42, 0x7c, 0x64, 0x8d, 0xf4}
	piffSystemHeader     = UUID{0xd0, 0x8a, 0x4f, 0x18, 0x10, 0xf3, 0x4a, 0x82, 0xb6, 0xc8, 0x32, 0xd8, 0xab, 0xa1, 0x83, 0xd3}
)

const (
	schemeVersion     = 0x00010000 // ISO/IEC 23001-7 4.1
	piffSchemeVersion = 0x00010001 // PIFF 1.1
	// SencDataOffset is where in a senc box the description of the first sample stands.
	SencDataOffset = 8 + 4 + 4
	sencSubsamples = 2 // flag UseSubSampleEncryption
)

// openBox starts a box whose size closeBox writes.
func openBox(dst []byte, name string) ([]byte, int) {
	at := len(dst)
	return append(append(dst, 0, 0, 0, 0), name...), at
}

func closeBox(dst []byte, at int) []byte {
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at))
	return dst
}

func openFull(dst []byte, name string, version uint8, flags uint32) ([]byte, int) {
	dst, at := openBox(dst, name)
	return binary.BigEndian.AppendUint32(dst, uint32(version)<<24|flags), at
}

func openUUID(dst []byte, id UUID, version uint8, flags uint32) ([]byte, int) {
	dst, at := openBox(dst, "uuid")
	return binary.BigEndian.AppendUint32(append(dst, id[:]...), uint32(version)<<24|flags), at
}

// EncryptedFormat returns the name of the sample entry that takes the place of the clear one, encv or enca (ISO/IEC 14496-12 8.12); "" for what
// no Encryptor takes.
func EncryptedFormat(k media.Kind) string {
	switch k {
	case media.Video:
		return "encv"
	case media.Audio:
		return "enca"
	}
	return ""
}

// AppendSinf appends the sinf box (ISO/IEC 14496-12 8.12.2) of a sample entry whose clear format was original, such as avc1.
func AppendSinf(dst []byte, original string, t TrackEncryption) []byte {
	dst, sinf := openBox(dst, "sinf")
	dst = appendFrma(dst, original)
	dst = appendSchm(dst, t.Scheme.String(), schemeVersion)
	dst, schi := openBox(dst, "schi")
	dst = appendTenc(dst, t)
	return closeBox(closeBox(dst, schi), sinf)
}

// AppendPIFFSinf appends the sinf box as PIFF 1.1 has it. PIFF knows CENC alone.
func AppendPIFFSinf(dst []byte, original string, t TrackEncryption) []byte {
	const aesCTR = 1
	dst, sinf := openBox(dst, "sinf")
	dst = appendFrma(dst, original)
	dst = appendSchm(dst, "piff", piffSchemeVersion)
	dst, schi := openBox(dst, "schi")
	dst, tenc := openUUID(dst, piffTrackEncryption, 0, 0)
	dst = append(dst, 0, 0, aesCTR, IVSize)
	dst = append(dst, t.KeyID[:]...)
	return closeBox(closeBox(closeBox(dst, tenc), schi), sinf)
}

func appendFrma(dst []byte, original string) []byte {
	dst, at := openBox(dst, "frma")
	return closeBox(append(dst, original...), at)
}

func appendSchm(dst []byte, scheme string, version uint32) []byte {
	dst, at := openFull(dst, "schm", 0, 0)
	return closeBox(binary.BigEndian.AppendUint32(append(dst, scheme...), version), at)
}

// appendTenc writes version 1 where there is a pattern, which version 0 cannot say.
func appendTenc(dst []byte, t TrackEncryption) []byte {
	var version, pattern, ivSize uint8
	if t.Crypt != 0 || t.Skip != 0 {
		version, pattern = 1, t.Crypt<<4|t.Skip
	}
	if t.ConstantIV == nil {
		ivSize = IVSize
	}
	dst, at := openFull(dst, "tenc", version, 0)
	dst = append(dst, 0, pattern, 1, ivSize)
	dst = append(dst, t.KeyID[:]...)
	if ivSize == 0 {
		dst = append(append(dst, byte(len(t.ConstantIV))), t.ConstantIV...)
	}
	return closeBox(dst, at)
}

// AppendSenc appends the senc box (ISO/IEC 23001-7 7.2) of a fragment. The caller leaves it out where i is Empty.
func (i *Infos) AppendSenc(dst []byte) []byte {
	dst, at := openFull(dst, "senc", 0, i.sencFlags())
	return closeBox(i.appendSamples(dst), at)
}

// AppendPIFFSenc appends the sample encryption box of PIFF 1.1 of a fragment.
func (i *Infos) AppendPIFFSenc(dst []byte) []byte {
	dst, at := openUUID(dst, piffSampleEncryption, 0, i.sencFlags())
	return closeBox(i.appendSamples(dst), at)
}

func (i *Infos) sencFlags() uint32 {
	if i.subsampled {
		return sencSubsamples
	}
	return 0
}

func (i *Infos) appendSamples(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(i.Len()))
	for n := range i.ends {
		if !i.constant {
			dst = binary.BigEndian.AppendUint64(dst, i.ivs[n])
		}
		if !i.subsampled {
			continue
		}
		subsamples := i.of(n)
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(subsamples)))
		for _, s := range subsamples {
			dst = binary.BigEndian.AppendUint16(dst, s.Clear)
			dst = binary.BigEndian.AppendUint32(dst, s.Protected)
		}
	}
	return dst
}

// AppendSaiz appends the saiz box (ISO/IEC 14496-12 8.7.8) that gives the size of each sample's description in senc.
func (i *Infos) AppendSaiz(dst []byte) []byte {
	dst, at := openFull(dst, "saiz", 0, 0)
	first, equal := 0, true
	for n := range i.ends {
		size := i.size(len(i.of(n)))
		if n == 0 {
			first = size
		}
		equal = equal && size == first
	}
	if equal {
		dst = binary.BigEndian.AppendUint32(append(dst, byte(first)), uint32(i.Len()))
		return closeBox(dst, at)
	}
	dst = binary.BigEndian.AppendUint32(append(dst, 0), uint32(i.Len()))
	for n := range i.ends {
		dst = append(dst, byte(i.size(len(i.of(n)))))
	}
	return closeBox(dst, at)
}

// SaioSize is the size of the saio box that AppendSaio appends.
const SaioSize = 8 + 4 + 4 + 4

// AppendSaio appends the saio box (ISO/IEC 14496-12 8.7.9) with one offset: where the description of the first sample in senc stands, counted
// from the first byte of moof where tfhd says default-base-is-moof.
func AppendSaio(dst []byte, offset uint32) []byte {
	dst, at := openFull(dst, "saio", 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, 1)
	return closeBox(binary.BigEndian.AppendUint32(dst, offset), at)
}
