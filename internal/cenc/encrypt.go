package cenc

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"darkroom/internal/media"
)

// Options are how the samples of a track are encrypted.
type Options struct {
	Scheme Scheme
	// Key is the content key. For CBCS its IV is the constant vector; for CENC it is not used.
	Key Key
	// IVs are the vectors of the track, for CENC; nil for CBCS.
	IVs *TrackIVs
	// ClearSEI leaves the SEI units of AVC clear under CENC. Everywhere else they are clear in any case: since its third edition ISO/IEC 23001-7
	// encrypts slice data alone. Encrypted SEI is how the first edition was understood, and what MediaConvert calls CENC_V1.
	ClearSEI bool
	// DropAUD leaves access unit delimiters of AVC out of the samples, which MediaConvert does together with ClearSEI (UNENCRYPTED_SEI).
	DropAUD bool
}

// The pattern of CBCS for video, ISO/IEC 23001-7 10.4.2: one block of ten is encrypted.
const (
	cryptBlocks = 1
	skipBlocks  = 9
)

const (
	blockSize  = KeySize
	lengthSize = 4 // of a NAL unit's length
)

// Encryptor encrypts the samples of one track, in decoding order. Video is encrypted in subsamples: lengths, headers and parameter sets stay
// clear, as do headers of slices (AVC, HEVC) and of frames (AV1). Sound is encrypted as a whole.
//
// What it does not know it refuses and does not leave clear. It is not safe for use by several goroutines.
type Encryptor struct {
	track   TrackEncryption
	options Options
	codec   media.Codec
	block   cipher.Block
	counter [blockSize]byte
	infos   Infos
	spans   []span // to protect, of the sample at hand
	later   []span // of samples whose blocks Settle encrypts, in the caller's memory
	avc     avcParser
	hevc    hevcParser
	av1     av1Parser
}

// NewEncryptor returns an Encryptor for the samples of t. It refuses a codec that has no rule, a key or vector of the wrong size, and parameter
// sets that it cannot read.
func NewEncryptor(t *media.Track, o Options) (*Encryptor, error) {
	if o.Key.Value.Len() != KeySize {
		return nil, fmt.Errorf("a content key of %d bytes: it must have %d", o.Key.Value.Len(), KeySize)
	}
	block, err := aes.NewCipher(o.Key.Value.Reveal())
	if err != nil {
		return nil, fmt.Errorf("content key: %w", err)
	}
	e := &Encryptor{block: block, codec: t.Codec, options: o, track: TrackEncryption{Scheme: o.Scheme, KeyID: o.Key.ID}}
	e.infos.subsampled, err = e.takeParameters(t)
	if err != nil {
		return nil, fmt.Errorf("encrypt %s: %w", t.Codec, err)
	}
	switch o.Scheme {
	case CENC:
		if o.IVs == nil {
			return nil, errors.New("cenc needs initialization vectors")
		}
	case CBCS:
		if len(o.Key.IV) != KeySize {
			return nil, fmt.Errorf("a constant initialization vector of %d bytes: cbcs needs %d", len(o.Key.IV), KeySize)
		}
		e.track.ConstantIV = slices.Clone(o.Key.IV)
		e.infos.constant = true
		if e.infos.subsampled {
			e.track.Crypt, e.track.Skip = cryptBlocks, skipBlocks
		}
	default:
		return nil, fmt.Errorf("encrypt samples: %v", o.Scheme)
	}
	return e, nil
}

// takeParameters reads the parameter sets of t and reports whether its samples have subsamples.
func (e *Encryptor) takeParameters(t *media.Track) (bool, error) {
	switch t.Codec {
	case media.AVC, media.HEVC:
		for _, sets := range [][][]byte{t.SPS, t.PPS} {
			for _, nal := range sets {
				if err := e.parameterSet(nal); err != nil {
					return false, err
				}
			}
		}
		return true, nil
	case media.AV1:
		const configHead = 4 // before configOBUs, AV1 in ISOBMFF 2.3.3
		if len(t.Config) > configHead {
			if spans, err := e.av1.tiles(nil, t.Config[configHead:]); err != nil || len(spans) > 0 {
				return false, errors.Join(errors.New("its configuration is not one"), err)
			}
		}
		return true, nil
	case media.AAC, media.AC3, media.EAC3:
		return false, nil
	}
	return false, errors.New("no rule says how its samples are encrypted")
}

func (e *Encryptor) parameterSet(nal []byte) error {
	if len(nal) == 0 {
		return errEmptyNAL
	}
	if e.codec == media.AVC {
		return e.avc.parameterSet(nal)
	}
	return e.hevc.parameterSet(nal)
}

// Track returns what the sample entry says of the track.
func (e *Encryptor) Track() TrackEncryption { return e.track }

// Infos describe the samples appended since the last Reset. The pointer is good for the life of e; what it says changes with Append and Reset.
func (e *Encryptor) Infos() *Infos { return &e.infos }

// Reset forgets the descriptions of samples, at the start of a fragment. Vectors go on: none comes again.
func (e *Encryptor) Reset() { e.infos.reset(); e.later = e.later[:0] }

// Append appends the encrypted copy of sample to dst, which must not overlap it, and describes it in Infos. The copy is as long as the sample,
// or shorter where DropAUD is set. Samples of AV1 must be given without a gap from a key frame on.
//
// A sample that is not well formed is an error: then dst is returned as it was, the sample is not described, and e is of no more use.
func (e *Encryptor) Append(dst, sample []byte) ([]byte, error) {
	return e.append(dst, sample, false)
}

// AppendLater is Append, but that under CBCS the copy may stay clear until Settle, which encrypts several samples side by side: a chain of blocks waits for each of them, and
// several chains wait together. Between the first AppendLater and Settle, what stands in dst keeps its place and is not changed.
func (e *Encryptor) AppendLater(dst, sample []byte) ([]byte, error) {
	return e.append(dst, sample, true)
}

func (e *Encryptor) append(dst, sample []byte, later bool) ([]byte, error) {
	if uint64(len(sample)) > math.MaxUint32 {
		return dst, fmt.Errorf("a sample of %d bytes is too long", len(sample))
	}
	start := len(dst)
	if e.options.DropAUD && e.codec == media.AVC {
		copied, err := appendWithoutAUD(dst, sample)
		if err != nil {
			return dst, err
		}
		dst = copied
	} else {
		dst = append(dst, sample...)
	}
	if err := e.describe(dst[start:]); err != nil {
		return dst[:start], err
	}
	switch {
	case e.options.Scheme == CENC:
		e.encryptCTR(dst[start:])
	case later:
		for _, s := range e.spans {
			e.later = append(e.later, span{start + s.start, start + s.end})
		}
	default:
		e.encryptCBC(dst[start:], e.spans)
	}
	return dst, nil
}

// Settle encrypts what AppendLater left clear in dst, which is what the last AppendLater returned.
func (e *Encryptor) Settle(dst []byte) {
	e.encryptCBC(dst, e.later)
	e.later = e.later[:0]
}

// describe decides what of sample is protected, and under which vector.
func (e *Encryptor) describe(sample []byte) error {
	var err error
	if e.spans, err = e.protect(e.spans[:0], sample); err != nil {
		return err
	}
	var iv uint64
	if e.options.Scheme == CENC {
		if iv, err = e.options.IVs.take(); err != nil {
			return err
		}
	}
	first := len(e.infos.subsamples)
	if e.infos.subsampled {
		done := 0
		for _, s := range e.spans {
			e.infos.put(s.start-done, s.end-s.start)
			done = s.end
		}
		if done < len(sample) {
			e.infos.put(len(sample)-done, 0)
		}
	}
	binary.BigEndian.PutUint64(e.counter[:], iv)
	return e.infos.end(iv, first)
}

// encryptCTR encrypts the protected bytes of sample as one stream, ISO/IEC 23001-7 9.5.1.
func (e *Encryptor) encryptCTR(sample []byte) {
	stream := cipher.NewCTR(e.block, e.counter[:]) // the one allocation of a sample: the standard library has no way to start a stream anew
	for _, s := range e.spans {
		stream.XORKeyStream(sample[s.start:s.end], sample[s.start:s.end])
	}
}

// lanes is how many chains of blocks are encrypted side by side. One alone keeps a processor waiting for more than half of the time.
const lanes = 4

// lane is a chain of blocks: where the next one is, how many are left, and what is added to it.
type lane struct {
	at, left int
	chain    []byte
}

// encryptCBC encrypts whole blocks of the protected bytes in data, those of the pattern; the vector is that of each subsample, ISO/IEC 23001-7
// 9.6 and 10.4.
func (e *Encryptor) encryptCBC(data []byte, spans []span) {
	step := blockSize
	if e.track.Skip > 0 {
		step = blockSize * (cryptBlocks + skipBlocks)
	}
	var all [lanes]lane
	for {
		// Each lane that is done takes the next span; those without one are left out.
		n, least := 0, math.MaxInt
		for i := range all {
			l := all[i]
			for l.left == 0 && len(spans) > 0 {
				s := spans[0]
				spans = spans[1:]
				l = lane{at: s.start, left: (s.end - s.start - blockSize + step) / step, chain: e.track.ConstantIV}
			}
			if l.left > 0 {
				all[n] = l
				n++
				least = min(least, l.left)
			}
		}
		if n == 0 {
			return
		}
		for i := n; i < lanes; i++ {
			all[i] = lane{}
		}
		for range least {
			for i := range all[:n] {
				l := &all[i]
				b := data[l.at : l.at+blockSize]
				subtle.XORBytes(b, b, l.chain)
				e.block.Encrypt(b, b)
				l.chain = b
				l.at += step
			}
		}
		for i := range all[:n] {
			all[i].left -= least
		}
	}
}

// protect decides which bytes of sample are encrypted: it appends their spans, in order, none empty. All others stay clear.
func (e *Encryptor) protect(spans []span, sample []byte) ([]span, error) {
	if len(sample) == 0 {
		return spans, errors.New("a sample of no bytes")
	}
	switch e.codec {
	case media.AVC, media.HEVC:
		for rest := sample; len(rest) > 0; {
			nal, behind, err := cutNAL(rest)
			if err != nil {
				return spans, err
			}
			end := len(sample) - len(behind)
			head, err := e.clearHead(nal)
			if err != nil {
				return spans, err
			}
			spans = e.add(spans, span{end - len(nal) + head, end})
			rest = behind
		}
		return spans, nil
	case media.AV1:
		first := len(spans)
		spans, err := e.av1.tiles(spans, sample)
		if err != nil {
			return spans, err
		}
		tiles := spans[first:]
		spans = spans[:first]
		for _, t := range tiles {
			spans = e.add(spans, t)
		}
		return spans, nil
	}
	return append(spans, span{0, len(sample)}), nil
}

// add appends s as far as it can be encrypted: under CENC the whole blocks at its end (ISO/IEC 23001-7 9.5.2, ISO/IEC 23000-19 8.2.3), under CBCS
// all of it, of which whole blocks of the pattern are encrypted.
func (e *Encryptor) add(spans []span, s span) []span {
	if e.options.Scheme == CENC {
		s.start += (s.end - s.start) % blockSize
	}
	if s.start == s.end {
		return spans
	}
	return append(spans, s)
}

var (
	errEmptyNAL  = errors.New("a NAL unit of no bytes")
	errNALLength = errors.New("a NAL unit reaches past the end of its sample")
)

// cutNAL returns the first NAL unit of a sample and what is behind it.
func cutNAL(sample []byte) (nal, behind []byte, err error) {
	if len(sample) < lengthSize {
		return nil, nil, errNALLength
	}
	n := uint64(binary.BigEndian.Uint32(sample))
	switch sample = sample[lengthSize:]; {
	case n == 0:
		return nil, nil, errEmptyNAL
	case n > uint64(len(sample)):
		return nil, nil, errNALLength
	}
	return sample[:n], sample[n:], nil
}

// clearHead returns how many bytes of nal stay clear from its start on; all of them for what is not encrypted. It takes parameter sets.
func (e *Encryptor) clearHead(nal []byte) (int, error) {
	if e.codec == media.AVC {
		return e.avcHead(nal)
	}
	return e.hevcHead(nal)
}

func (e *Encryptor) avcHead(nal []byte) (int, error) {
	switch kind := nal[0] & 31; kind {
	case avcSlice, avcIDRSlice, avcAuxSlice:
		return e.avc.sliceHeader(nal)
	case avcSEI:
		if e.options.Scheme == CENC && !e.options.ClearSEI {
			return 1, nil
		}
		return len(nal), nil
	case avcSPSUnit, avcPPSUnit:
		return len(nal), e.avc.parameterSet(nal)
	case avcAUD, avcEndSequence, avcEndStream, avcFiller, avcSPSExt, avcPrefix, avcSubsetSPS:
		return len(nal), nil
	default:
		return 0, fmt.Errorf("NAL unit of type %d is not offered", kind)
	}
}

func (e *Encryptor) hevcHead(nal []byte) (int, error) {
	if len(nal) < 2 {
		return 0, fmt.Errorf("NAL unit header: %w", errSyntax)
	}
	kind := nal[0] >> 1 & 63
	slice := kind <= hevcLastTrailing || kind >= hevcFirstIRAP && kind <= hevcCRA
	layered := nal[0]&1 != 0 || nal[1]>>3 != 0
	switch {
	case slice && layered:
		return 0, errHEVCLayers
	case slice:
		return e.hevc.sliceHeader(nal)
	case kind >= hevcFirstNonVCL && kind <= hevcLastNonVCL:
		return len(nal), e.hevc.parameterSet(nal)
	case kind == hevcDolbyRPU:
		return len(nal), nil
	}
	return 0, fmt.Errorf("NAL unit of type %d is not offered", kind)
}

func appendWithoutAUD(dst, sample []byte) ([]byte, error) {
	for rest := sample; len(rest) > 0; {
		nal, behind, err := cutNAL(rest)
		if err != nil {
			return dst, err
		}
		if nal[0]&31 != avcAUD {
			dst = append(dst, rest[:lengthSize+len(nal)]...)
		}
		rest = behind
	}
	return dst, nil
}
