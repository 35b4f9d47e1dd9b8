package cmaf

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"darkroom/internal/cenc"
	"darkroom/internal/isobmff"
	"darkroom/internal/media"
)

// Flavour is the family of files that a Writer makes. The zero value is none.
type Flavour int

// The flavours.
const (
	CMAF Flavour = iota + 1 // ISO/IEC 23000-19
	DASH                    // ISO/IEC 23009-1, ISO base media file format profiles: as CMAF, without its brands
	PIFF                    // PIFF 1.1 as Smooth Streaming uses it ([MS-SSTR] 2.2.4): ticks of 100 ns
)

// piffTimescale is that of Smooth Streaming, [MS-SSTR] 2.2.2.1.
const piffTimescale = 10_000_000

// WriterOptions say how a track is written. Flavour is required.
type WriterOptions struct {
	TrackID uint32 // 0 for 1
	Flavour Flavour
	// SignedOffsets writes composition offsets of pictures that may be negative (trun version 1), so that presentation begins at 0 without an edit list. PIFF has them always.
	SignedOffsets bool
	// KeepPTSOffset leaves the edit list of pictures out, so that presentation begins at the delay of their B-frames. With SignedOffsets there is no such delay, and in PIFF
	// there is none.
	KeepPTSOffset bool
	// Duration, in ticks of the track, is how long the whole film is shown, where that is known before: 0 leaves mehd out.
	Duration uint64

	// Encryptor encrypts the samples; nil for a clear track.
	Encryptor *cenc.Encryptor
	// Protection holds what DRM systems are told in pssh boxes; nil for nothing.
	Protection *cenc.Protection
	// ClearLead makes room for fragments that stay clear: a second sample entry, which those fragments name.
	ClearLead bool
}

// FragmentOptions change one fragment.
type FragmentOptions struct {
	// Clear leaves the samples as they are, in a track with ClearLead.
	Clear bool
}

// maxPayload bounds the data of a fragment: data offsets have 31 bits, and moof wants room.
const maxPayload = 1<<31 - 64<<20

// ErrTooLarge is wrapped by errors about a fragment that no box can describe.
var ErrTooLarge = errors.New("a fragment that is too large")

// Writer writes the init segment, the fragments and the boxes between them of one track. It is not safe for use by several goroutines.
//
// Times on the wire are those of the track, with three exceptions. A track that begins late is decoded later, for no edit list is empty. SignedOffsets takes the delay of
// B-frames out of the composition offsets. PIFF, which has no edit lists, does so too, and decodes sound when it is heard: of the priming, whole samples are left out, and
// the first one left is shorter.
type Writer struct {
	track *media.Track
	o     WriterOptions
	scale uint32 // of the times written
	// delay is added to decode times and lead taken from composition offsets, in ticks of the track; edit is media_time of the edit list, 0 for none, and offset what
	// TimeOffset returns, in ticks of scale.
	delay, lead, edit, offset int64

	samples  []media.Sample
	payload  int64
	last     int64 // decode time of the last sample added
	started  bool
	sequence *uint32 // of the last fragment in the file
	err      error   // of the encryptor, which is of no more use

	// open says that Begin has begun a fragment: where it starts, and whether it is encrypted. room is what was left for its moof, and what the last one took.
	open, encrypted bool
	start, room     int

	runs  []run    // of the fragment being written
	sizes []uint32 // of the samples that Copy appended
	clear int      // bytes of them that may not be encrypted yet
	boxes []byte   // moof, before it is put into place
	infos float64  // bytes that describe the encryption of one sample, as far as seen
	begin int64    // decode time of the last fragment, as written
}

// run is what trun says of a sample.
type run struct {
	duration, size, flags uint32
	offset                int32
}

// NewWriter returns a writer of a track. It refuses what the flavour cannot carry.
func NewWriter(t *media.Track, o WriterOptions) (*Writer, error) {
	if o.TrackID == 0 {
		o.TrackID = 1
	}
	w := &Writer{track: t, o: o, scale: t.Timescale, sequence: new(uint32)}
	switch o.Flavour {
	case CMAF, DASH:
	case PIFF:
		w.scale = piffTimescale
		if t.Codec != media.AVC && t.Codec != media.AAC && t.Codec != media.AC3 && t.Codec != media.EAC3 && t.Codec != media.TTML {
			return nil, fmt.Errorf("smooth streaming cannot carry %s", t.Codec)
		}
	default:
		return nil, errors.New("segments of no flavour")
	}
	switch {
	case t.Timescale == 0:
		return nil, errors.New("a track without a timescale")
	case len(t.SampleEntry) < 16:
		return nil, errors.New("a track without a sample entry")
	case o.ClearLead && o.Encryptor == nil:
		return nil, errors.New("a clear lead of a track that is clear")
	case o.Encryptor != nil && t.Kind == media.Text:
		return nil, errors.New("text is not encrypted")
	case o.Encryptor != nil && o.Flavour == PIFF && o.Encryptor.Track().Scheme != cenc.CENC:
		return nil, fmt.Errorf("smooth streaming is encrypted by AES-CTR, not by %v", o.Encryptor.Track().Scheme)
	}
	if o.Protection != nil {
		for _, s := range o.Protection.Signals {
			if len(s.PSSH) == 0 {
				continue
			}
			if _, err := cenc.ParsePSSH(s.PSSH); err != nil {
				return nil, fmt.Errorf("what system %v is told: %w", s.System, err)
			}
		}
	}
	switch start := t.MediaTime; {
	case start <= 0:
		w.delay = -start
	case t.Kind == media.Video && (o.SignedOffsets || o.Flavour == PIFF):
		w.lead = start
	case o.Flavour == PIFF:
		w.delay = -start
	case t.Kind == media.Video && o.KeepPTSOffset:
		w.offset = start
	default:
		w.edit = start
	}
	return w, nil
}

// Track returns the track that w writes.
func (w *Writer) Track() *media.Track { return w.track }

// Timescale is that of all times written: the track's own, or 10,000,000 for PIFF.
func (w *Writer) Timescale() uint32 { return w.scale }

// TimeOffset is the presentation time, in ticks of Timescale, that the samples with Track.PresentationTime 0 have in the segments: 0 but for KeepPTSOffset.
func (w *Writer) TimeOffset() int64 { return w.offset }

// Ticks converts ticks of the track to ticks of Timescale, rounded to the nearest.
func (w *Writer) Ticks(t int64) int64 {
	if w.scale == w.track.Timescale {
		return t
	}
	negative := t < 0
	if negative {
		t = -t
	}
	hi, lo := bits.Mul64(uint64(t), uint64(w.scale))
	lo, carry := bits.Add64(lo, uint64(w.track.Timescale)/2, 0)
	if hi += carry; hi >= uint64(w.track.Timescale) {
		return math.MaxInt64 / 2 // refused by whoever writes it
	}
	q, _ := bits.Div64(hi, lo, uint64(w.track.Timescale))
	if negative {
		return -int64(q)
	}
	return int64(q)
}

// Add makes s the next sample of the next fragment. The sample is copied; its data must stay as they are until AppendFragment has returned.
func (w *Writer) Add(s *media.Sample) error {
	if w.open {
		return errOpen
	}
	_, err := w.add(s)
	return err
}

// add takes s in, and reports whether it is written.
func (w *Writer) add(s *media.Sample) (bool, error) {
	start := s.DecodeTime + w.delay
	switch {
	case start > isobmff.MaxTicks || start < -isobmff.MaxTicks:
		return false, fmt.Errorf("a decode time of %d ticks is out of range", s.DecodeTime)
	case len(s.Data) == 0 || int64(len(s.Data)) > isobmff.MaxSample:
		return false, fmt.Errorf("a sample of %d bytes", len(s.Data))
	case w.payload+int64(len(s.Data)) > maxPayload || len(w.samples) == isobmff.MaxFragmentSamples:
		return false, fmt.Errorf("%w: more than %d bytes or %d samples", ErrTooLarge, maxPayload, isobmff.MaxFragmentSamples)
	case w.started && s.DecodeTime < w.last:
		return false, fmt.Errorf("a sample decoded at %d ticks behind one at %d", s.DecodeTime, w.last)
	case start < 0 && w.o.Flavour != PIFF:
		return false, fmt.Errorf("a sample decoded at %d ticks, before time 0", start)
	}
	if start < 0 && start+int64(s.Duration) <= 0 {
		return false, nil // priming, which PIFF has no way to hide
	}
	w.last, w.started = s.DecodeTime, true
	w.samples = append(w.samples, *s)
	w.payload += int64(len(s.Data))
	return true, nil
}

// Pending returns how many samples wait for the end of their fragment, and how many bytes their data have.
func (w *Writer) Pending() (samples int, payload int64) { return len(w.samples), w.payload }

// FragmentSize is how many bytes the fragment of the samples added so far will take, at most.
func (w *Writer) FragmentSize() int {
	// mfhd, tfhd, tfdt, trun, tfxd and their containers take less than 256 bytes; a sample 16 in trun, one in saiz and at most 255 in senc.
	perSample := 16
	if w.o.Encryptor != nil {
		perSample += 1 + math.MaxUint8
	}
	return 256 + 128 + len(w.samples)*perSample + mdatHeader + int(w.payload)
}

const mdatHeader = 8

var errOpen = errors.New("a fragment has been begun and not ended")

// AppendFragment appends moof and mdat of the samples added since the last one, at least one, and forgets them. On an error dst is returned as it was, and the samples are
// lost.
func (w *Writer) AppendFragment(dst []byte, o FragmentOptions) ([]byte, error) {
	if w.open {
		return dst, errOpen
	}
	defer w.forget()
	if err := w.check(o); err != nil {
		return dst, err
	}
	if len(w.samples) == 0 {
		return dst, errors.New("a fragment without samples")
	}
	w.encrypted = w.o.Encryptor != nil && !o.Clear
	if err := w.plan(); err != nil {
		return dst, err
	}
	// How much moof says of the encryption is known when the samples are encrypted, and their copies stand behind it. So its size is guessed, from what the fragments before
	// had; where the guess is wrong, the copies are moved.
	w.start, w.room = len(dst), w.moofSize(w.encrypted)
	body := w.start + w.room + mdatHeader
	out, err := w.copySamples(slices.Grow(dst, body-w.start+int(w.payload)+256)[:body], w.encrypted)
	if err == nil {
		out, err = w.finish(out, false)
	}
	if err != nil {
		return dst, err
	}
	return out, nil
}

// check refuses a fragment that cannot be.
func (w *Writer) check(o FragmentOptions) error {
	switch {
	case w.err != nil:
		return w.err
	case o.Clear && w.o.Encryptor != nil && !w.o.ClearLead:
		return errors.New("a clear fragment of a track that is encrypted throughout")
	}
	return nil
}

// forget lets go of the samples.
func (w *Writer) forget() {
	clear(w.samples)
	w.clear = 0
	w.samples, w.runs, w.payload, w.open = w.samples[:0], w.runs[:0], 0, false
}

// firstMoof is how much room is left for moof where nothing is known of it.
const firstMoof = 1 << 10

// Begin begins a fragment behind dst. Copy appends its samples to what it returns, one by one, and End completes it: nothing else may be appended in between, and no sample is
// held. It is what a caller does who has the samples one after the other and no use for them afterwards.
func (w *Writer) Begin(dst []byte, o FragmentOptions) ([]byte, error) {
	if w.open || len(w.samples) > 0 {
		return dst, errOpen
	}
	if err := w.check(o); err != nil {
		return dst, err
	}
	if w.room == 0 {
		w.room = firstMoof
	}
	w.open, w.encrypted, w.start = true, w.o.Encryptor != nil && !o.Clear, len(dst)
	if w.encrypted {
		w.o.Encryptor.Reset()
	}
	n := w.room + mdatHeader
	return slices.Grow(dst, n)[:w.start+n], nil
}

// Copy appends the data of s, encrypted where they are to be, as the next sample of the fragment that Begin began. On an error dst is returned as it was.
func (w *Writer) Copy(dst []byte, s *media.Sample) ([]byte, error) {
	switch {
	case w.err != nil:
		return dst, w.err
	case !w.open:
		return dst, errors.New("a sample of no fragment")
	}
	written, err := w.add(s)
	if err != nil || !written {
		return dst, err
	}
	w.samples[len(w.samples)-1].Data = nil
	before := len(dst)
	if !w.encrypted {
		dst = append(dst, s.Data...)
	} else if dst, err = w.o.Encryptor.AppendLater(dst, s.Data); err != nil {
		w.err = fmt.Errorf("encrypt a sample: %w", err)
		return dst, w.err
	}
	w.sizes = append(w.sizes, uint32(len(dst)-before))
	if w.clear += len(dst) - before; w.encrypted && w.clear >= settleBytes {
		w.settle(dst)
	}
	return dst, nil
}

// settleBytes is of how many bytes samples are encrypted together: enough to have several, and few enough to be in the processor's cache still.
const settleBytes = 512 << 10

func (w *Writer) settle(dst []byte) {
	w.o.Encryptor.Settle(dst)
	w.clear = 0
}

// End completes the fragment. One without samples is taken away again. Where moof is not as long as the room that was left for it, what stands before the fragment or in it is moved:
// the result may begin some bytes behind the beginning of dst, with the same content. On an error the fragment is taken away.
func (w *Writer) End(dst []byte) ([]byte, error) {
	if !w.open {
		return dst, errors.New("the end of no fragment")
	}
	defer func() {
		w.forget()
		w.sizes = w.sizes[:0]
	}()
	if w.err != nil || len(w.samples) == 0 {
		return dst[:w.start], w.err
	}
	if w.encrypted {
		w.settle(dst)
	}
	if err := w.plan(); err != nil {
		return dst[:w.start], err
	}
	for i, n := range w.sizes {
		w.runs[i].size = n
	}
	out, err := w.finish(dst, true)
	if err != nil {
		return dst[:w.start], err
	}
	return out, nil
}

// finish puts moof and the header of mdat into the room before the payload, which ends dst. What is in the way is moved; with front, what stands before the fragment, where that is
// less.
func (w *Writer) finish(dst []byte, front bool) ([]byte, error) {
	*w.sequence++
	moof, err := w.moof(w.encrypted)
	if err != nil {
		return nil, err
	}
	body := w.start + w.room + mdatHeader
	payload := len(dst) - body
	switch shift := len(moof) - w.room; {
	case shift < 0 && front && w.start < payload:
		copy(dst[-shift:], dst[:w.start])
		dst = dst[-shift:]
	case shift < 0:
		copy(dst[body+shift:], dst[body:])
		dst = dst[:len(dst)+shift]
	case shift > 0:
		dst = slices.Grow(dst, shift)[:len(dst)+shift]
		copy(dst[body+shift:], dst[body:body+payload])
	}
	copy(dst[w.start:], moof)
	header := isobmff.Builder{Bytes: dst[:w.start+len(moof)]}
	header.U32(uint32(mdatHeader + payload))
	header.Text("mdat")
	w.room = len(moof)
	return dst, nil
}

func (w *Writer) copySamples(dst []byte, encrypted bool) ([]byte, error) {
	if !encrypted {
		for i := range w.samples {
			dst = append(dst, w.samples[i].Data...)
		}
		return dst, nil
	}
	e := w.o.Encryptor
	e.Reset()
	for i := range w.samples {
		before := len(dst)
		var err error
		if dst, err = e.Append(dst, w.samples[i].Data); err != nil {
			w.err = fmt.Errorf("encrypt a sample: %w", err)
			return dst, w.err
		}
		w.runs[i].size = uint32(len(dst) - before)
	}
	return dst, nil
}

// plan says what trun will say of the samples. Times are rounded, not durations, so that they do not drift.
func (w *Writer) plan() error {
	w.runs = w.runs[:0]
	w.begin = max(0, w.Ticks(w.samples[0].DecodeTime+w.delay))
	at := w.begin
	for i := range w.samples {
		s := &w.samples[i]
		end := s.DecodeTime + int64(s.Duration)
		if i+1 < len(w.samples) {
			end = w.samples[i+1].DecodeTime
		}
		next := max(at, w.Ticks(end+w.delay))
		composed := w.Ticks(s.DecodeTime + w.delay + int64(s.CompositionOffset) - w.lead)
		offset := composed - at
		if w.track.Kind != media.Video && s.CompositionOffset == 0 {
			offset = 0
		}
		if next-at > math.MaxUint32 || offset > math.MaxInt32 || offset < math.MinInt32 {
			return fmt.Errorf("a sample of %d ticks, shown %d ticks after it is decoded", next-at, offset)
		}
		r := run{duration: uint32(next - at), size: uint32(len(s.Data)), flags: isobmff.SyncFlags, offset: int32(offset)}
		if !s.Sync {
			r.flags = isobmff.NonSyncFlags
		}
		w.runs = append(w.runs, r)
		at = next
	}
	return nil
}

// shape is which fields of trun are the same for all samples, and therefore stand in tfhd.
type shape struct {
	duration, size, flags, firstFlags, offsets, signed bool
}

func (w *Writer) shape() shape {
	first := w.runs[0]
	s := shape{duration: true, size: true, flags: true, firstFlags: true}
	for i, r := range w.runs {
		s.duration = s.duration && r.duration == first.duration
		s.size = s.size && r.size == first.size
		s.flags = s.flags && r.flags == first.flags
		s.firstFlags = s.firstFlags && (i == 0 || r.flags == w.runs[1].flags)
		s.offsets = s.offsets || r.offset != 0
		s.signed = s.signed || r.offset < 0
	}
	s.firstFlags = s.firstFlags && !s.flags
	return s
}

// moofSize is how long moof will be, exactly where it says nothing of encryption.
func (w *Writer) moofSize(encrypted bool) int {
	s := w.shape()
	const container, fullBox = 8, 12
	size := container + fullBox + 4 // moof, mfhd
	size += container + fullBox + 4 // traf, tfhd
	for _, field := range []bool{s.duration, s.size, true, encryptedLead(w.o, encrypted)} {
		if field {
			size += 4
		}
	}
	if w.o.Flavour == PIFF {
		size += fullBox + 16 + 16 // tfxd
	} else {
		size += fullBox + 8 // tfdt
	}
	size += fullBox + 4 + 4 // trun
	if s.firstFlags {
		size += 4
	}
	perSample := 0
	for _, field := range []bool{!s.duration, !s.size, !s.flags && !s.firstFlags, s.offsets} {
		if field {
			perSample += 4
		}
	}
	size += len(w.runs) * perSample
	if encrypted {
		size += int(math.Round(w.infos * float64(len(w.runs))))
	}
	return size
}

// encryptedLead reports whether a fragment has to name its sample description: a clear one in an encrypted track.
func encryptedLead(o WriterOptions, encrypted bool) bool { return o.Encryptor != nil && !encrypted }

// tfxd is the extended type of the box that says when a fragment is, [MS-SSTR] 2.2.4.4.
var tfxd = cenc.UUID{0x6d, 0x1d, 0x9b, 0x05, 0x42, 0xd5, 0x44, 0xe6, 0x80, 0xe2, 0x14, 0x1d, 0xaf, 0xf7, 0x57, 0xb2}

// moof builds the movie fragment box (ISO/IEC 14496-12 8.8.4). It is memory of w.
func (w *Writer) moof(encrypted bool) ([]byte, error) {
	s := w.shape()
	b := isobmff.Builder{Bytes: w.boxes[:0]}
	moof := b.Open("moof")
	at := b.OpenFull("mfhd", 0, 0)
	b.U32(*w.sequence)
	b.Close(at)
	traf := b.Open("traf")
	w.tfhd(&b, s, encrypted)
	if w.o.Flavour != PIFF {
		at = b.OpenFull("tfdt", 1, 0)
		b.U64(uint64(w.begin))
		b.Close(at)
	}
	dataOffset := w.trun(&b, s)
	if w.o.Flavour == PIFF {
		duration := uint64(0)
		for i := range w.runs {
			duration += uint64(w.runs[i].duration)
		}
		at = b.Open("uuid")
		b.Raw(tfxd[:])
		b.U32(1 << 24)
		b.U64(uint64(w.begin))
		b.U64(duration)
		b.Close(at)
	}
	if encrypted {
		before := len(b.Bytes)
		w.encryption(&b, moof)
		w.infos = float64(len(b.Bytes)-before) / float64(len(w.runs))
	}
	b.Close(traf)
	b.Close(moof)
	w.boxes = b.Bytes
	offset := isobmff.Builder{Bytes: b.Bytes[:dataOffset]}
	offset.U32(uint32(len(b.Bytes) + mdatHeader))
	if len(b.Bytes)+mdatHeader+int(w.payload) > math.MaxInt32 {
		return nil, fmt.Errorf("%w: %d bytes of moof", ErrTooLarge, len(b.Bytes))
	}
	return b.Bytes, nil
}

func (w *Writer) tfhd(b *isobmff.Builder, s shape, encrypted bool) {
	// A player of Smooth Streaming has no trex, and one of cmf2 need not look for it: all defaults stand here.
	flags := uint32(isobmff.TfhdFlags)
	if w.o.Flavour != PIFF {
		flags |= isobmff.TfhdDefaultBaseIsMoof
	}
	if encryptedLead(w.o, encrypted) {
		flags |= isobmff.TfhdDescription
	}
	if s.duration {
		flags |= isobmff.TfhdDuration
	}
	if s.size {
		flags |= isobmff.TfhdSize
	}
	at := b.OpenFull("tfhd", 0, flags)
	b.U32(w.o.TrackID)
	if flags&isobmff.TfhdDescription != 0 {
		b.U32(clearDescription)
	}
	if s.duration {
		b.U32(w.runs[0].duration)
	}
	if s.size {
		b.U32(w.runs[0].size)
	}
	switch {
	case s.firstFlags:
		b.U32(w.runs[1].flags)
	default:
		b.U32(w.runs[0].flags)
	}
	b.Close(at)
}

// trun writes the track run and returns where its data offset stands.
func (w *Writer) trun(b *isobmff.Builder, s shape) (dataOffset int) {
	version, flags := byte(0), uint32(isobmff.TrunDataOffset)
	if s.signed || w.o.SignedOffsets && w.track.Kind == media.Video {
		version = 1
	}
	perSampleFlags := !s.flags && !s.firstFlags
	if s.firstFlags {
		flags |= isobmff.TrunFirstFlags
	}
	if !s.duration {
		flags |= isobmff.TrunDuration
	}
	if !s.size {
		flags |= isobmff.TrunSize
	}
	if perSampleFlags {
		flags |= isobmff.TrunFlags
	}
	if s.offsets {
		flags |= isobmff.TrunOffset
	}
	at := b.OpenFull("trun", version, flags)
	b.U32(uint32(len(w.runs)))
	dataOffset = len(b.Bytes)
	b.U32(0)
	if s.firstFlags {
		b.U32(w.runs[0].flags)
	}
	for i := range w.runs {
		r := &w.runs[i]
		if !s.duration {
			b.U32(r.duration)
		}
		if !s.size {
			b.U32(r.size)
		}
		if perSampleFlags {
			b.U32(r.flags)
		}
		if s.offsets {
			b.U32(uint32(r.offset))
		}
	}
	b.Close(at)
	return dataOffset
}

// encryption writes what a reader needs to decrypt the samples. moof is where moof begins.
func (w *Writer) encryption(b *isobmff.Builder, moof int) {
	infos := w.o.Encryptor.Infos()
	switch {
	case infos.Empty():
	case w.o.Flavour == PIFF:
		b.Bytes = infos.AppendPIFFSenc(b.Bytes)
	default:
		b.Bytes = infos.AppendSaiz(b.Bytes)
		b.Bytes = cenc.AppendSaio(b.Bytes, uint32(len(b.Bytes)-moof+cenc.SaioSize+cenc.SencDataOffset))
		b.Bytes = infos.AppendSenc(b.Bytes)
	}
}
