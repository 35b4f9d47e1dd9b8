package packager

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"darkroom/internal/cenc"
	"darkroom/internal/cmaf"
	"darkroom/internal/media"
	"darkroom/internal/plan"
)

// streamGroup is a group of segments: what its manifests are made of.
type streamGroup struct {
	plan *plan.StreamGroup
	reps []*representation // as in the plan
	// keys are those of the plan's Encryption.Keys, in its order.
	keys []cenc.Protection
}

// representation is what a manifest names: the segments of one track, or of a transport stream.
type representation struct {
	plan  *plan.Representation
	group *streamGroup
	// segments are cut by cutter; of several representations in one file, place says which piece of each segment is this one's. cutter is nil for images.
	cutter *segmenter
	place  int
	tracks []*media.Track
	// iframes are its key frames alone, where these have segments of their own.
	iframes *representation
	// writer is of fragmented MP4.
	writer     *cmaf.Writer
	protection *cenc.Protection // nil for clear segments
	initSize   int64
	index      byteRange // of a single file
	out        *Output
	images     []plan.Location // of image-based trick play
	imageBytes []int64
}

// wholeSegments says that segments are encrypted as a whole.
func (g *streamGroup) wholeSegments() bool {
	return g.plan.Encryption != nil && g.plan.Encryption.Method == plan.AES128
}

func (g *streamGroup) flavour() cmaf.Flavour {
	switch g.plan.Kind {
	case plan.DASH:
		return cmaf.DASH
	case plan.Smooth:
		return cmaf.PIFF
	}
	return cmaf.CMAF
}

// errKeys is wrapped where a group is to be encrypted and the keys that came with it are not what it asks for: nothing is written then.
var errKeys = errors.New("the content keys are not those of the group")

// checkKeys refuses to begin without every key, each of the right size, with the vectors that the method needs.
func (g *streamGroup) checkKeys() error {
	e := g.plan.Encryption
	if e == nil {
		if len(g.keys) > 0 {
			return fmt.Errorf("%w: it is not encrypted", errKeys)
		}
		return nil
	}
	if e.Method < plan.AES128 || e.Method > plan.PIFFCTR {
		return fmt.Errorf("%w: method %d", errKeys, e.Method)
	}
	if len(e.Keys) == 0 || len(g.keys) != len(e.Keys) {
		return fmt.Errorf("%w: %d of %d", errKeys, len(g.keys), len(e.Keys))
	}
	if e.ConstantIV != nil && len(e.ConstantIV) != cenc.KeySize {
		return fmt.Errorf("%w: a constant initialization vector of %d bytes", errKeys, len(e.ConstantIV))
	}
	for i := range g.keys {
		k := &g.keys[i]
		if k.Value.Len() != cenc.KeySize {
			return fmt.Errorf("%w: one of %d bytes", errKeys, k.Value.Len())
		}
		if k.IV != nil && len(k.IV) != cenc.KeySize {
			return fmt.Errorf("%w: an initialization vector of %d bytes", errKeys, len(k.IV))
		}
	}
	for _, r := range g.reps {
		if r.plan.Key >= len(g.keys) {
			return fmt.Errorf("%w: key %d of %d", errKeys, r.plan.Key, len(g.keys))
		}
	}
	return nil
}

// protect gives each representation its key. The vector of a key that is constant is the one of the settings, else the one that came with the key.
func (g *streamGroup) protect(random func() ([]byte, error)) error {
	if err := g.checkKeys(); err != nil || g.plan.Encryption == nil {
		return err
	}
	e := g.plan.Encryption
	keys := make([]*cenc.Protection, len(g.keys))
	keyFrames := slices.ContainsFunc(g.reps, func(r *representation) bool { return r.plan.IFrames != nil && r.plan.IFrames.Playlist.Key != "" })
	for i := range g.keys {
		k := g.keys[i]
		if e.ConstantIV != nil {
			k.IV = e.ConstantIV
		}
		if k.IV == nil && e.Method == plan.SampleAES && e.HideIV && keyFrames {
			return fmt.Errorf("%w: no vector is told, and key frames in their playlist have other numbers than segments", errKeys)
		}
		if k.IV == nil && (e.Method == plan.CBCS || e.Method == plan.SampleAES && g.plan.Cut.MinimumFinal > 0) {
			// cbcs has one vector for a whole track; it stands in tenc, so that a player needs no other word of it. And a last segment that may be joined to the one
			// before was encrypted by a vector of its own number, if that follows it.
			if e.Method == plan.SampleAES && e.HideIV {
				return fmt.Errorf("%w: no vector is told, and the last segment may be joined to the one before", errKeys)
			}
			var err error
			if k.IV, err = random(); err != nil {
				return err
			}
		}
		keys[i] = &k
	}
	for _, r := range g.reps {
		if r.plan.Key >= 0 && r.plan.Format != plan.Images && r.plan.Text == "" {
			r.protection = keys[r.plan.Key]
		}
	}
	return nil
}

// contentType is that of its media.
func (r *representation) contentType() string {
	switch r.plan.Format {
	case plan.TransportStreamSegments:
		return contentTypeTS
	case plan.PackedAudio:
		switch {
		case len(r.tracks) > 0 && r.tracks[0].Codec == media.AC3:
			return "audio/ac3"
		case len(r.tracks) > 0 && r.tracks[0].Codec == media.EAC3:
			return "audio/eac3"
		}
		return "audio/aac"
	case plan.VTTSegments, plan.TextFile:
		return contentTypes[r.plan.Captions.Format]
	case plan.Images:
		return contentTypeJPEG
	}
	switch {
	case r.plan.Video != "":
		return contentTypeMP4
	case len(r.plan.Audio) > 0:
		return "audio/mp4"
	}
	return "application/mp4"
}

// location is that of a segment, counted from 0, that begins at a tick.
func (r *representation) location(number int, tick int64, now time.Time) plan.Location {
	p := r.plan
	loc := p.Segments
	name := loc.Key
	if per := r.group.plan.Cut.PerDirectory; per > 0 && p.Format != plan.Images {
		// The directories of a stream are numbered.
		cut := strings.LastIndexByte(name, '/') + 1
		name = fmt.Sprintf("%s%05d/%s", name[:cut], number/per+1, name[cut:])
	}
	if p.ByTime {
		loc.Key = plan.StampSegment(fmt.Sprintf("%s%d%s", name, tick, p.Extension), now)
	} else {
		loc.Key = plan.StampSegment(fmt.Sprintf("%s%0*d%s", name, p.Digits, p.First+number, p.Extension), now)
	}
	return loc
}

// whole is the location of what is one object: a single file, or captions without segments.
func (r *representation) whole(now time.Time) plan.Location {
	loc := r.plan.Segments
	loc.Key = plan.StampSegment(loc.Key+r.plan.Extension, now)
	return loc
}

// timescale is that of the times in manifests.
func (r *representation) timescale() int64 {
	if r.writer != nil {
		return int64(r.writer.Timescale())
	}
	if len(r.tracks) > 0 {
		return int64(r.tracks[0].Timescale)
	}
	return 1000
}

// tick is a time in ticks of its timescale.
func (r *representation) tick(at int64) int64 { return ticksOf(time.Duration(at), r.timescale()) }

// writeInit writes the init segment as an object of its own.
func (r *representation) writeInit() error {
	o := r.cutter.j.newObject(r.plan.Init, r.contentType(), false)
	o.unbounded = true
	o.buf = r.writer.Init()
	r.initSize = int64(len(o.buf))
	return o.finish(nil, nil, func(int64) {})
}

// openFile begins the object that all segments of a single file lie in.
func (s *segmenter) openFile() error {
	if !s.group.plan.SingleFile && s.reps[0].plan.Format != plan.PIFF {
		return nil
	}
	r := s.reps[0]
	loc := r.whole(s.j.o.Now())
	if r.plan.Format == plan.PIFF {
		loc = r.plan.SmoothFile
	}
	deferred := r.plan.Format == plan.FragmentedMP4
	s.file = s.j.newObject(loc, r.contentType(), deferred)
	if r.plan.Format == plan.PIFF {
		var err error
		if s.smooth, err = cmaf.NewSmoothFile(s.box.(*fragmented).writers...); err != nil {
			return err
		}
		s.file.buf = append(s.file.buf, s.smooth.Init()...)
	}
	if deferred {
		s.file.reserve = s.reserve()
	}
	return nil
}

// indexSlack is how many segments more than expected an index has room for.
const indexSlack = 16

// reserve guesses how many bytes stand before the first segment: the init segment and the index. What a guess has too much is filled up. It is 0 where the
// length of the film is not known.
func (s *segmenter) reserve() int {
	if s.j.duration <= 0 {
		return 0
	}
	n := int(s.j.duration/s.cutting().Length) + indexSlack
	w := s.reps[0].writer
	return len(w.Init()) + w.IndexSize(min(n+n/8, cmaf.MaxReferences))
}

// closeFile completes a single file: of fragmented MP4, the init segment and the index go before the segments.
func (s *segmenter) closeFile() error {
	r := s.reps[0]
	select {
	case <-s.j.ended: // a file appears when all of it is there
	case <-s.j.ctx.Done():
		return s.j.err()
	}
	switch r.plan.Format {
	case plan.PIFF:
		return s.file.finish(nil, s.smooth.AppendIndex(nil), func(int64) {})
	case plan.FragmentedMP4:
	default:
		return s.file.finish(nil, nil, func(int64) {})
	}
	head := r.writer.Init()
	r.initSize = int64(len(head))
	earliest := int64(0)
	var refs []cmaf.Reference
	for i, seg := range s.done {
		p := &seg.pieces[0]
		if i == 0 {
			earliest = max(0, p.first)
		}
		_, d := r.span(i)
		refs = append(refs, cmaf.Reference{Size: seg.size, Duration: d, SAPType: 1})
	}
	if len(refs) > cmaf.MaxReferences {
		return fmt.Errorf("%d segments: an index has at most %d", len(refs), cmaf.MaxReferences)
	}
	indexAt := len(head)
	var err error
	if pad := s.file.reserve - len(head) - r.writer.IndexSize(len(refs)); pad >= freeHeader && s.file.upload != nil {
		// The index refers to what follows it directly, so what is too much stands before it.
		head = appendFree(head, pad)
		indexAt = len(head)
	}
	if head, err = r.writer.AppendIndex(head, earliest, refs); err != nil {
		return err
	}
	s.head = int64(len(head))
	r.index = byteRange{from: int64(indexAt), size: int64(len(head) - indexAt)}
	return s.file.finish(head, nil, func(int64) {})
}

// byteRange is a piece of an object.
type byteRange struct{ from, size int64 }

// freeHeader is the least size of a box that fills room, ISO/IEC 14496-12 8.1.2.
const freeHeader = 8

func appendFree(b []byte, size int) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(size))
	b = append(b, "free"...)
	return append(b, make([]byte, size-freeHeader)...)
}
