package packager

import (
	"bytes"
	"fmt"
	"math"
	"time"

	"darkroom/internal/cenc"
	"darkroom/internal/cmaf"
	"darkroom/internal/hls"
	"darkroom/internal/media"
	"darkroom/internal/plan"
)

// tailTolerance is how much sound there must be behind the last segment of pictures for segments of its own: less is the rest of the last one.
const tailTolerance = int64(time.Second)

// roundedLengths is by how much a frame may be before a multiple of the length and be at it: lengths are rounded to nanoseconds, and a film has many.
const roundedLengths = int64(10 * time.Microsecond)

// maxJoin is how many bytes of what may be joined to the segment before are held back; more is a segment of its own, however short.
const maxJoin = 16 << 20

// maxSegments bounds what a stream of absurd times can write: three days in segments of one second.
const maxSegments = 259_200

// segmenter cuts the tracks of one package into segments: a representation of an output group, or, in Smooth Streaming, those of one file.
//
// One track, the clock, decides: a segment begins at its first key frame shown at or after each multiple of the segment length; where lengths follow groups of
// pictures whose cadence the plan says, at the first one of the cadence that makes the segment before as long as asked. The clock is the
// picture of a package that has one; others follow the picture of the group's first representation that has one, of which they get only the times;
// sound without any picture cuts itself. Sound goes to the segment in which it is heard. When the clock has ended, what goes on is cut where the clock would have
// been, then at the multiples.
type segmenter struct {
	j       *job
	group   *streamGroup
	name    plan.Location // for errors
	reps    []*representation
	feed    *feed
	ids     []string // renditions of the tracks
	clock   int      // index of the track that decides
	timing  int      // index of the track that is not written, -1 for none
	cadence cadence  // of the clock
	out     *Output
	box     container
	written []int // for each track, its place among those that are written, -1 for none

	sparse   bool    // key frames alone are written
	file     *object // of a single file
	smooth   *cmaf.SmoothFile
	origin   int64 // ticks: when the first sample of the clock is shown
	boundary int64 // nanoseconds: where the next segment may begin
	fragment int64 // nanoseconds: where the next fragment may begin
	current  *segment
	held     *segment // complete, but perhaps to be joined by the last one
	done     []*segment
	clockEnd int64 // where the last sample of the clock ends, so far
	tailed   bool  // there are segments behind the end of the clock
	aside    []asideSample
	end      int64 // where the last written sample ends, so far
	events   int   // timed metadata that were written
	stamped  int   // segments up to the one that has the time of day
	stampAt  int64 // nanoseconds: when the time of day is due next
	head     int64 // of a single file: bytes before the first segment
	usual    int   // bytes of the largest segment
}

// maxUsual bounds the memory that is taken at once for a segment because others were large.
const maxUsual = 64 << 20

// container writes samples as the segments of one format.
type container interface {
	// begin is called once all tracks that are written are known, with the first sample of each, nil for one that has none.
	begin(tracks []*media.Track, first []*media.Sample) error
	// open appends what a segment begins with. number counts from 0; at is when it is shown, in nanoseconds.
	// clear leaves it unencrypted.
	open(dst []byte, number int, at int64, clear bool) ([]byte, error)
	// add appends a sample of a track. Its data may be overwritten afterwards. While holds is not 0, what is appended is not complete: nothing of it may be sent.
	add(dst []byte, track int, s *media.Sample) ([]byte, error)
	// flush completes what was appended, at the end of a fragment or segment, and tells of each fragment through wrote. The result may begin later in memory than dst.
	flush(dst []byte, wrote func(track int, from, to int)) ([]byte, error)
	// event appends timed metadata.
	event(dst []byte, m *plan.TimedMetadata, segmentAt int64) ([]byte, error)
	// holds is how many bytes of samples flush is needed for.
	holds() int64
	// opening is how many bytes at the start of a segment are needless when it is joined to the one before.
	opening() int
}

// segment is a media segment.
type segment struct {
	start   int64 // nanoseconds
	number  int   // from 0
	object  *object
	clear   bool
	samples int64
	opened  int // bytes of its opening
	// from is where it begins in the object, of a single file.
	from int64
	size int64 // bytes, once it is complete
	// pieces has an entry for each track that is written.
	pieces []piece
	events []int64 // where event messages begin in the object
	// keyFrames are the places of key frames, where an I-frame playlist wants them.
	keyFrames []keyFrame
}

// piece is what a segment has of one track.
type piece struct {
	samples    int64
	first, end int64 // presentation time of the earliest sample and of the end of the latest one, ticks
	bytes      int64
	from, size int64 // of its fragments in the object, where those of several tracks lie in one
	fragments  int
}

// keyFrame is where a key frame lies in its object.
type keyFrame struct {
	from, size int64
	at         int64 // nanoseconds
}

func (s *segmenter) run() error {
	if err := s.write(); err != nil {
		return fmt.Errorf("output %s: %w", s.name.URI(), err)
	}
	return nil
}

func (s *segmenter) cutting() *plan.Cut { return &s.group.plan.Cut }

func (s *segmenter) write() error {
	if s.cutting().Length <= 0 {
		return fmt.Errorf("a segment length of %v", s.cutting().Length)
	}
	if err := s.feed.fill(); err != nil {
		return err
	}
	if err := s.begin(); err != nil {
		return err
	}
	for {
		if err := s.feed.fill(); err != nil {
			return err
		}
		index := s.next()
		if index < 0 {
			if err := s.placeAside(); err != nil {
				return err
			}
			return s.finish()
		}
		if err := s.step(index); err != nil {
			return err
		}
		s.feed.advance(index)
	}
}

// begin sets up the container, once all tracks are known.
func (s *segmenter) begin() error {
	var tracks []*media.Track
	var first []*media.Sample
	s.written = make([]int, len(s.feed.heads))
	for i := range s.feed.heads {
		t := s.feed.heads[i].track
		if i == s.timing {
			s.written[i] = -1
			continue
		}
		if t.Kind == media.Video {
			s.out.Width, s.out.Height = t.Width, t.Height
		}
		s.written[i] = len(tracks)
		tracks, first = append(tracks, t), append(first, s.feed.heads[i].peek())
		s.out.Tracks = append(s.out.Tracks, Track{Rendition: s.ids[i]})
	}
	for i, r := range s.reps {
		r.tracks = tracks
		if len(s.reps) > 1 {
			r.tracks = tracks[i : i+1]
		}
	}
	if clock := &s.feed.heads[s.clock]; clock.peek() != nil {
		s.origin = clock.track.PresentationTime(clock.peek())
		s.bound(0, clock.track, clock.peek())
	}
	if err := s.box.begin(tracks, first); err != nil {
		return err
	}
	return s.openFile()
}

// bound settles where the segment and the fragment that begin at a time, with a sample, may end.
func (s *segmenter) bound(at int64, track *media.Track, sample *media.Sample) {
	length := int64(s.cutting().Length)
	s.boundary = ((at+roundedLengths)/length+1)*length - roundedLengths
	if s.cadence.known() && !s.feed.heads[s.clock].ended {
		s.boundary = behind(at, s.cutting().Length, track, sample)
	}
	s.boundFragment(at, track, sample)
}

func (s *segmenter) boundFragment(at int64, track *media.Track, sample *media.Sample) {
	if f := s.cutting().Fragment; f > 0 {
		s.fragment = behind(at, f, track, sample)
	}
}

// next chooses the track whose next sample comes first, -1 when nothing is left to write.
func (s *segmenter) next() int {
	best, at, open := -1, int64(math.MaxInt64), false
	for i := range s.feed.heads {
		h := &s.feed.heads[i]
		sample := h.peek()
		if sample == nil {
			continue
		}
		open = open || i != s.timing
		t := decodedAt(h.track, sample)
		if s.cuts(i, sample) {
			// What is heard before it is shown belongs to the segment before, though it is decoded later.
			t = shownAt(h.track, sample)
		}
		if t < at || t == at && i == s.clock {
			best, at = i, t
		}
	}
	if !open {
		return -1
	}
	return best
}

// cuts reports whether a segment begins with a sample of the clock.
func (s *segmenter) cuts(index int, sample *media.Sample) bool {
	if s.sparse && s.group.wholeSegments() {
		// What is encrypted as a whole has no ranges to name key frames by: each is a segment.
		return index == s.clock && sample.Sync && s.current != nil && s.current.samples > 0
	}
	if index != s.clock || !sample.Sync {
		return false
	}
	track := s.feed.heads[index].track
	return shownAt(track, sample) >= s.boundary && s.longEnough(sample) && s.cadence.has(track.PresentationTime(sample)-s.origin, track.Timescale)
}

// longEnough reports whether the segment being written has the least length that is asked for.
func (s *segmenter) longEnough(sample *media.Sample) bool {
	if s.cutting().Minimum <= 0 || s.current == nil {
		return true
	}
	return shownAt(s.feed.heads[s.clock].track, sample)-s.current.start >= int64(s.cutting().Minimum)
}

// asideSample is one behind the end of the clock that waits for what follows it: a segment of its own, or nothing.
type asideSample struct {
	index  int
	sample media.Sample
}

// step writes a sample, or puts it aside. What is put aside is less than tailTolerance, of sound.
func (s *segmenter) step(index int) error {
	h := &s.feed.heads[index]
	sample := h.peek()
	from := max(s.boundary, s.clockEnd)
	if !s.feed.heads[s.clock].ended || s.tailed || shownAt(h.track, sample) < from {
		return s.place(index, sample)
	}
	kept := *sample
	kept.Data = bytes.Clone(sample.Data)
	s.aside = append(s.aside, asideSample{index, kept})
	if shownAt(h.track, sample) < from+tailTolerance {
		return nil
	}
	s.tailed, s.boundary = true, from
	return s.placeAside()
}

// placeAside writes what was put aside.
func (s *segmenter) placeAside() error {
	for i := range s.aside {
		if err := s.place(s.aside[i].index, &s.aside[i].sample); err != nil {
			return err
		}
	}
	s.aside = nil
	return nil
}

// place writes a sample, behind what must end before it.
func (s *segmenter) place(index int, sample *media.Sample) error {
	h := &s.feed.heads[index]
	shown := shownAt(h.track, sample)
	switch {
	case s.cuts(index, sample) || s.tailed && shown >= s.boundary:
		if err := s.cut(shown, h.track, sample); err != nil {
			return err
		}
	case s.cutsFragment(index, sample, shown):
		if err := s.flush(); err != nil {
			return err
		}
		s.boundFragment(shown, h.track, sample)
	}
	end := nanoseconds(h.track.PresentationTime(sample)+int64(sample.Duration), h.track.Timescale)
	if index == s.clock {
		s.clockEnd = max(s.clockEnd, end)
	}
	if index != s.timing {
		if err := s.append(index, sample); err != nil {
			return err
		}
		s.end = max(s.end, end)
	}
	if s.held != nil && (s.length() >= int64(s.cutting().MinimumFinal) || s.current != nil && len(s.current.object.buf) > maxJoin) {
		return s.release()
	}
	return nil
}

// cutsFragment reports whether a fragment, not a segment, begins with a sample: of the clock where it is written, else of any track.
func (s *segmenter) cutsFragment(index int, sample *media.Sample, shown int64) bool {
	if s.fragment <= 0 || s.current == nil || s.current.samples == 0 || !sample.Sync || shown < s.fragment {
		return false
	}
	return index == s.clock && s.timing < 0 || s.timing >= 0 && index != s.timing
}

// length is how long the segment being written is, by the clock as long as it runs, so that all tracks of a group judge alike.
func (s *segmenter) length() int64 {
	if s.current == nil {
		return 0
	}
	if s.clockEnd > s.current.start {
		return s.clockEnd - s.current.start
	}
	return s.end - s.current.start
}

// cut ends the segment being written; the next one begins at a time, with a sample.
func (s *segmenter) cut(at int64, track *media.Track, sample *media.Sample) error {
	if s.current == nil {
		// Nothing came before: the presentation begins at 0 all the same.
		if err := s.start(0); err != nil {
			return err
		}
	}
	// What is between the last picture and the next segment is of the one that ends.
	if err := s.due(at - 1); err != nil {
		return err
	}
	if err := s.closeCurrent(); err != nil {
		return err
	}
	s.bound(at, track, sample)
	return s.start(at)
}

func (s *segmenter) start(at int64) error {
	n := len(s.done)
	if s.held != nil {
		n++
	}
	if n >= maxSegments {
		return fmt.Errorf("more than %d segments", maxSegments)
	}
	e := s.group.plan.Encryption
	seg := &segment{start: at, number: n, pieces: make([]piece, len(s.out.Tracks)), clear: e != nil && e.ClearLead && n == 0}
	switch {
	case s.file != nil && !s.apart():
		seg.object = s.file
	case s.file != nil:
		// It is put behind the others when it is complete.
		seg.object = &object{j: s.j, unbounded: true}
	default:
		seg.object = s.j.newObject(plan.Location{}, s.reps[0].contentType(), false)
		seg.object.unbounded = s.held != nil || s.reps[0].plan.ByTime
		if !s.reps[0].plan.ByTime {
			seg.object.loc = s.reps[0].location(n, 0, s.j.o.Now())
		}
	}
	seg.from = seg.object.written()
	if s.group.wholeSegments() && !seg.clear && s.reps[0].protection != nil {
		var err error
		if seg.object.seal, err = s.reps[0].segmentCipher(n); err != nil {
			return err
		}
	}
	s.current = seg
	var err error
	before := len(seg.object.buf)
	if seg.object.buf, err = s.box.open(seg.object.buf, n, at, seg.clear); err != nil {
		return err
	}
	seg.opened = len(seg.object.buf) - before
	return nil
}

func (s *segmenter) append(index int, sample *media.Sample) error {
	if s.current == nil {
		if err := s.start(0); err != nil {
			return err
		}
	}
	seg, track := s.current, s.feed.heads[index].track
	w := s.written[index]
	p := &seg.pieces[w]
	shown := track.PresentationTime(sample)
	if p.samples == 0 || shown < p.first {
		p.first = shown
	}
	if p.samples == 0 && s.reps[0].plan.ByTime && s.file == nil {
		seg.object.loc = s.reps[0].location(seg.number, max(0, shown), s.j.o.Now())
		seg.object.unbounded = s.held != nil
	}
	p.samples++
	p.end = max(p.end, shown+int64(sample.Duration))
	p.bytes += int64(len(sample.Data))
	o := seg.object
	if err := s.metadata(index, track, sample); err != nil {
		return err
	}
	before, err := s.beginKeyFrame(track, sample)
	if err != nil {
		return err
	}
	o.room(len(sample.Data)+len(sample.Data)/overheadShare+overheadLeast, s.expected(nanoseconds(shown, track.Timescale)))
	if o.buf, err = s.box.add(o.buf, w, sample); err != nil {
		return fmt.Errorf("rendition %s: %w", s.ids[index], err)
	}
	if n := o.written() - before; before >= 0 {
		seg.keyFrames = append(seg.keyFrames, keyFrame{from: before, size: n, at: nanoseconds(shown, track.Timescale)})
	}
	s.takeKeyFrames()
	seg.samples++
	s.out.Tracks[w].add(track, sample)
	if s.box.holds() > s.j.o.fragmentLimit {
		return fmt.Errorf("rendition %s: %w: at most %d", s.ids[index], errNoKeyFrame, s.j.o.fragmentLimit)
	}
	if s.box.holds() > 0 {
		o.count()
		return nil
	}
	return o.grown()
}

// What a container may add to a sample: a share of its size, and at least something.
const (
	overheadShare = 32
	overheadLeast = 4 << 10
)

// beginKeyFrame readies a transport stream for a key frame that an I-frame playlist names in place, with the tables before it, and returns where it will
// begin; else -1.
func (s *segmenter) beginKeyFrame(track *media.Track, sample *media.Sample) (int64, error) {
	f := s.reps[0].plan.IFrames
	box, ok := s.box.(*transport)
	if f == nil || f.Playlist.Key == "" || f.Segments.Key != "" || !ok || !sample.Sync || track.Kind != media.Video {
		return -1, nil
	}
	if o := s.current.object; len(s.current.keyFrames) > 0 || s.current.samples > 0 {
		o.buf = box.muxer.AppendFlush(o.buf)
		at := o.written()
		o.buf = box.muxer.AppendSegmentStart(o.buf)
		return at, nil
	}
	return s.current.from, nil
}

// takeKeyFrames takes over where key frames that stand alone were written.
func (s *segmenter) takeKeyFrames() {
	if box, ok := s.box.(*sparse); ok {
		for _, k := range box.frames {
			k.from += s.current.object.size
			s.current.keyFrames = append(s.current.keyFrames, k)
		}
		box.frames = box.frames[:0]
	}
}

// expected is how many bytes the segment being written is likely to have: as many as the largest before it, and the first one a little more than what there is of it lets
// expect. Else its buffer would grow by copies of itself, and all of them would stand in memory.
func (s *segmenter) expected(shown int64) int { // nanoseconds
	const slack = 1.15
	seg, length := s.current, int64(s.cutting().Length)
	if gone := shown - seg.start; s.usual == 0 && gone >= length/8 && gone < length {
		return int(min(slack*float64(seg.object.written()-seg.from)*float64(length)/float64(gone), maxUsual))
	}
	return s.usual
}

// closeCurrent completes the segment being written. It is held when it might have to take in the last one.
func (s *segmenter) closeCurrent() error {
	if err := s.release(); err != nil {
		return err
	}
	if err := s.flush(); err != nil {
		return err
	}
	s.current.size = s.current.object.written() - s.current.from
	s.usual = max(s.usual, int(min(s.current.size, maxUsual)))
	s.held, s.current = s.current, nil
	if s.cutting().MinimumFinal <= 0 {
		return s.release()
	}
	return nil
}

// release sends the held segment.
func (s *segmenter) release() error {
	held := s.held
	if held == nil {
		return nil
	}
	s.held = nil
	if s.current != nil && s.current.object != s.file && s.file == nil {
		s.current.object.unbounded = s.reps[0].plan.ByTime && s.current.samples == 0
	}
	s.done = append(s.done, held)
	if s.file == nil {
		if held.samples == 0 && s.reps[0].plan.ByTime {
			held.object.loc = s.reps[0].location(held.number, s.reps[0].tick(held.start), s.j.o.Now())
		}
		held.size = held.object.sealedSize()
		return held.object.finish(nil, nil, func(int64) {})
	}
	if held.object == s.file {
		return nil
	}
	body := held.object.sealed()
	s.j.meter.drop(held.object.counted)
	held.from, held.size = s.file.written(), int64(len(body))
	s.file.buf = append(s.file.buf, body...)
	return s.file.grown()
}

// finish writes the last segment, or joins it to the one before.
func (s *segmenter) finish() error {
	last := s.current
	if last != nil && last.samples == 0 {
		// It began with the clock, but nothing came.
		if last.object == s.file {
			last.object.buf = last.object.buf[:len(last.object.buf)-last.opened]
		}
		last = nil
	}
	if last != nil {
		if err := s.flush(); err != nil {
			return err
		}
		last.size = last.object.written() - last.from
		if s.held != nil && s.held.clear == last.clear && s.length() < int64(s.cutting().MinimumFinal) && last.object.parts == 0 {
			if err := s.join(last); err != nil {
				return err
			}
			last = nil
		}
	}
	s.current = nil
	if err := s.release(); err != nil {
		return err
	}
	if last != nil {
		s.held = last
		if err := s.release(); err != nil {
			return err
		}
	}
	if s.file != nil {
		if err := s.closeFile(); err != nil {
			return err
		}
	}
	s.report()
	return nil
}

// join puts the last segment behind the held one.
func (s *segmenter) join(last *segment) error {
	held := s.held
	if err := s.delayEvents(held, last); err != nil {
		return err
	}
	if last.object != held.object {
		shift := held.object.written() - int64(s.box.opening()) - last.from
		o := held.object
		o.buf = append(o.buf, last.object.buf[s.box.opening():]...)
		s.j.meter.drop(last.object.counted)
		for i := range last.keyFrames {
			last.keyFrames[i].from += shift
		}
		for i := range last.pieces {
			last.pieces[i].from += shift
		}
	}
	held.samples += last.samples
	held.size = held.object.written() - held.from
	held.keyFrames = append(held.keyFrames, last.keyFrames...)
	for i := range held.pieces {
		p, more := &held.pieces[i], &last.pieces[i]
		if more.samples == 0 {
			continue
		}
		if p.samples == 0 {
			*p = *more
			continue
		}
		p.samples, p.bytes, p.fragments = p.samples+more.samples, p.bytes+more.bytes, p.fragments+more.fragments
		p.first, p.end = min(p.first, more.first), max(p.end, more.end)
		p.size = more.from + more.size - p.from
	}
	return held.object.grown()
}

// delayEvents tells the times of events in the last segment from the one that it is joined to. Nothing of it was sent.
func (s *segmenter) delayEvents(held, last *segment) error {
	for _, at := range last.events {
		r := s.reps[0]
		if err := cmaf.DelayEvent(last.object.buf[at:], r.tick(last.start)-r.tick(held.start)); err != nil {
			return err
		}
	}
	return nil
}

// report sets durations: each segment lasts until the next begins, the last until its last sample ends.
func (s *segmenter) report() {
	o := s.out
	for i, seg := range s.done {
		end := s.end
		if i+1 < len(s.done) {
			end = s.done[i+1].start
		}
		o.SegmentDurations = append(o.SegmentDurations, time.Duration(max(0, end-seg.start)))
		o.Bytes += seg.size
	}
	o.Segments = len(s.done)
	o.Duration = time.Duration(max(0, s.end))
	o.Bitrate = bitrate(o.Bytes, o.Duration)
	if len(s.group.plan.HLS)+len(s.group.plan.DASH)+len(s.group.plan.Smooth) == 0 {
		if s.file != nil {
			o.Paths = append(o.Paths, s.file.loc)
			return
		}
		for _, seg := range s.done {
			o.Paths = append(o.Paths, seg.object.loc)
		}
	}
}

// apart says that a segment of a single file is made by itself: it is encrypted as a whole, or begins with a tag that a longer one must not have inside.
func (s *segmenter) apart() bool {
	return s.group.wholeSegments() || s.reps[0].plan.Format == plan.PackedAudio
}

// segmentCipher is the cipher of a segment that is encrypted whole.
func (r *representation) segmentCipher(number int) (*cenc.SegmentCipher, error) {
	iv := r.group.plan.Encryption.ConstantIV
	if iv == nil {
		iv = cenc.SequenceIV(uint64(hls.FirstSequence + number))
	}
	return cenc.NewSegmentCipher(r.protection.Key.Value, iv)
}
