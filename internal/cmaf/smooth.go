package cmaf

import (
	"encoding/binary"
	"errors"
	"fmt"

	"darkroom/internal/isobmff"
)

// SmoothFile is a file of Smooth Streaming (.ismv, .isma): ftyp and moov of one or several tracks, their fragments in any order, and an index of them (mfra), by which a
// server finds the fragment of a request. It holds 16 bytes for each fragment. It is not safe for use by several goroutines.
type SmoothFile struct {
	tracks    []*Writer
	fragments [][]fragmentPlace // of each track
}

type fragmentPlace struct{ time, offset int64 }

// NewSmoothFile returns the file of tracks that are written as PIFF and whose identifiers differ. It is made before their first fragments, which it numbers together
// (ISO/IEC 14496-12 8.8.5).
func NewSmoothFile(tracks ...*Writer) (*SmoothFile, error) {
	if len(tracks) == 0 {
		return nil, errors.New("a file without a track")
	}
	seen := map[uint32]bool{}
	for _, w := range tracks {
		if w.o.Flavour != PIFF || seen[w.o.TrackID] {
			return nil, fmt.Errorf("track %d is not PIFF, or there twice", w.o.TrackID)
		}
		seen[w.o.TrackID] = true
		w.sequence = tracks[0].sequence
	}
	return &SmoothFile{tracks: tracks, fragments: make([][]fragmentPlace, len(tracks))}, nil
}

// Init returns what the file begins with: ftyp and moov.
func (f *SmoothFile) Init() []byte {
	var b isobmff.Builder
	appendBrands(&b, PIFF, f.tracks[0])
	appendMoov(&b, f.tracks)
	return b.Bytes
}

// Fragment records that the fragment which the track's writer made last begins at offset bytes from the start of the file.
func (f *SmoothFile) Fragment(track int, offset int64) {
	f.fragments[track] = append(f.fragments[track], fragmentPlace{f.tracks[track].begin, offset})
}

// AppendIndex appends what the file ends with: mfra with a tfra for each track (ISO/IEC 14496-12 8.8.9 to 8.8.11).
func (f *SmoothFile) AppendIndex(dst []byte) []byte {
	b := isobmff.Builder{Bytes: dst}
	mfra := b.Open("mfra")
	for i, places := range f.fragments {
		at := b.OpenFull("tfra", 1, 0)
		b.U32(f.tracks[i].o.TrackID)
		b.U32(0) // the numbers of traf, trun and sample have one byte
		b.U32(uint32(len(places)))
		for _, p := range places {
			b.U64(uint64(p.time))
			b.U64(uint64(p.offset))
			b.Raw([]byte{1, 1, 1})
		}
		b.Close(at)
	}
	at := b.OpenFull("mfro", 0, 0)
	b.U32(0)
	b.Close(at)
	b.Close(mfra)
	binary.BigEndian.PutUint32(b.Bytes[len(b.Bytes)-4:], uint32(len(b.Bytes)-mfra))
	return b.Bytes
}
