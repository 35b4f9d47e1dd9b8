// Package mp4 writes the boxes of a progressive MP4 file (ISO/IEC 14496-12, 14496-14 and 14496-15): ftyp, moov and the header of mdat; and reads MP4 and QuickTime files.
//
// Writing, it holds no media: the caller writes the samples, chunk by chunk, in any order that it likes, and records each in the Table of its track;
// Encode then gives what stands before and behind them. A Table takes a few bytes for each sample. The same input gives the same bytes: no
// clock is read and times of creation are 0.
package mp4

import (
	"encoding/binary"
	"fmt"
	"math"

	"darkroom/internal/media"
)

// Table gathers the sample tables (stts, ctts, stss, stsz, stsc, stco) of one track. It is not safe for use by several goroutines.
type Table struct {
	track *media.Track

	samples uint64
	first   int64 // decode time of the first sample
	last    media.Sample

	durations runs // stts without the last sample
	offsets   runs // ctts
	sizes     []byte
	equalSize uint32 // size of all samples so far, 0 when they differ
	syncs     []byte // distances between sync samples
	syncCount uint64
	lastSync  uint64

	chunks     []byte // zigzag distances between chunk offsets
	chunkCount uint64
	lastChunk  int64
	perChunk   runs
	pending    uint64 // samples since the last chunk
	minOffset  int32
	maxOffset  int32
	minShown   int64 // least composition time, decode time of the first sample being 0
	maxEnd     int64 // greatest composition time with duration
	bytes      int64
}

// NewTable returns an empty table of a track.
func NewTable(t *media.Track) *Table { return &Table{track: t} }

// maxSamples is what the 32-bit counts of the boxes can say.
const maxSamples = math.MaxUint32

// Sample records s as the next sample of the track; its bytes go to the chunk that the next call of Chunk closes. s.Data is not kept.
// Decode times must not go backwards.
func (t *Table) Sample(s *media.Sample) error {
	switch {
	case t.samples == maxSamples:
		return fmt.Errorf("a track of more than %d samples", uint64(maxSamples))
	case uint64(len(s.Data)) > math.MaxUint32:
		return fmt.Errorf("a sample of %d bytes", len(s.Data))
	}
	size := uint32(len(s.Data))
	if t.samples == 0 {
		t.first, t.equalSize, t.minShown, t.maxEnd = s.DecodeTime, size, math.MaxInt64, math.MinInt64
		t.minOffset, t.maxOffset = s.CompositionOffset, s.CompositionOffset
	} else {
		delta := s.DecodeTime - t.last.DecodeTime
		if delta < 0 || delta > math.MaxUint32 {
			return fmt.Errorf("a sample %d ticks after the one before", delta)
		}
		t.durations.add(delta)
		if size != t.equalSize {
			t.equalSize = 0
		}
	}
	t.samples++
	t.offsets.add(int64(s.CompositionOffset))
	t.sizes = binary.AppendUvarint(t.sizes, uint64(size))
	if s.Sync {
		t.syncs = binary.AppendUvarint(t.syncs, t.samples-t.lastSync)
		t.syncCount, t.lastSync = t.syncCount+1, t.samples
	}
	t.minOffset, t.maxOffset = min(t.minOffset, s.CompositionOffset), max(t.maxOffset, s.CompositionOffset)
	shown := s.DecodeTime - t.first + int64(s.CompositionOffset)
	t.minShown = min(t.minShown, shown)
	t.maxEnd = max(t.maxEnd, shown+int64(s.Duration))
	t.bytes += int64(size)
	t.last = *s
	t.last.Data = nil
	t.pending++
	return nil
}

// Chunk says that the samples recorded since the last call lie together at offset bytes from the first byte of the media data. Without
// samples it does nothing.
func (t *Table) Chunk(offset int64) {
	if t.pending == 0 {
		return
	}
	t.chunks = binary.AppendVarint(t.chunks, offset-t.lastChunk)
	t.lastChunk = offset
	t.chunkCount++
	t.perChunk.add(int64(t.pending))
	t.pending = 0
}

// decodeDuration is the sum of stts.
func (t *Table) decodeDuration() int64 {
	return t.last.DecodeTime - t.first + int64(t.last.Duration)
}

// edits gives the edit list in ticks of the track: how long nothing is shown, where in the media presentation begins, and for how long.
func (t *Table) edits() (empty, start, duration int64) {
	start = t.track.MediaTime - t.first
	if start < t.minShown {
		empty, start = t.minShown-start, t.minShown
	}
	if start < 0 {
		// A media_time below 0 cannot be written; what lies before composition time 0 is not shown.
		empty, start = empty-start, 0
	}
	// The duration counts from what is shown first to the end of what is shown last, which is not the sum of durations when decode and
	// presentation order differ.
	return empty, start, max(0, t.maxEnd-start)
}

// runs is a list of numbers of which equal neighbours are stored once: pairs of a count and a zigzag value, variable length.
type runs struct {
	p     []byte
	n     uint64 // runs
	value int64
	count uint64 // of value, not yet in p
}

func (r *runs) add(v int64) {
	if r.count > 0 && v == r.value && r.count < math.MaxUint32 {
		r.count++
		return
	}
	r.flush()
	r.value, r.count = v, 1
	r.n++
}

func (r *runs) flush() {
	if r.count > 0 {
		r.p = binary.AppendVarint(binary.AppendUvarint(r.p, r.count), r.value)
		r.count = 0
	}
}

// each calls f for every run, in order.
func (r *runs) each(f func(count uint64, value int64)) {
	p := r.p
	for len(p) > 0 {
		count, n := binary.Uvarint(p)
		value, m := binary.Varint(p[n:])
		p = p[n+m:]
		f(count, value)
	}
	if r.count > 0 {
		f(r.count, r.value)
	}
}
