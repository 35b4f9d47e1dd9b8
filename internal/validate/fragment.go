package validate

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
)

// fragment is a moof box with its media.
type fragment struct {
	offset, size int64 // in the file
	show, shown  int64 // presentation of its main track, without the edit list
	decode, end  int64
	scale        int64
	sync         bool // its first sample is a key frame
	track        uint32
	samples      int64
	tfxd         bool
}

// index is a sidx box.
type index struct {
	begin, end int64 // of the box, in the file
	anchor     int64 // where the first reference begins, in the file
	track      uint32
	timescale  int64
	earliest   int64
	references []reference
}

type reference struct {
	size, duration int64
	index          bool // it is to another sidx
	sap            bool // starts_with_SAP
}

// sampleRef is a sample that a fragment names.
type sampleRef struct {
	offset int64 // in the file
	size   uint32
	sync   bool
	number int // in its part, from 0
	part   *part
	entry  *sampleEntry
	crypt  *tenc
	iv     []byte
	ranges []subsample
	broken bool // its auxiliary information is not about it
}

type subsample struct {
	clear, protected int64
}

// fmp4 reads fragmented MP4: a segment, or a whole file. init is what came before it, or nil where it is inside.
type fmp4 struct {
	c        *checker
	where    string
	init     *initSegment
	indexes  []index
	out      *segment
	pending  []sampleRef
	sequence uint32
	moofAt   int64
	ref      string
	again    bool // the fragment was read before, as a part of another range
	trimmed  bool // the range ends inside the media, as those of I-frame playlists do
	moovEnd  int64
	tfxd     bool // of the fragment that is being read
}

func (c *checker) readFMP4(r io.Reader, part span, init *initSegment, trimmed bool) (*fmp4, error) {
	where := part.String()
	f := &fmp4{c: c, where: where, ref: part.ref, init: init, out: &segment{where: where}, trimmed: trimmed}
	counted := &counting{r: r}
	in := &boxReader{r: counted, at: part.offset}
	for {
		begin := in.at
		kind, _, _, left, err := in.header()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return f, f.ended(err)
		}
		if kind == "mdat" {
			if err := f.mdat(in, left); err != nil {
				return f, f.ended(err)
			}
			if n := len(f.out.fragments); n > 0 {
				f.out.fragments[n-1].size = in.at - f.out.fragments[n-1].offset
			}
			continue
		}
		switch kind {
		case "moov", "moof", "sidx", "ftyp", "styp", "emsg", "uuid", "prft", "mfra", "free", "skip", "meta", "ssix":
		default:
			c.warn("mp4-box", where, "a box %q that nobody needs", printable(kind))
		}
		if kind != "moov" && kind != "moof" && kind != "sidx" {
			if err := in.discard(left); err != nil {
				return f, f.ended(err)
			}
			continue
		}
		body, err := in.body(left)
		if err != nil {
			return f, f.ended(err)
		}
		switch kind {
		case "moov":
			if f.init != nil {
				c.fail("mp4-init", where, "a second moov")
				continue
			}
			f.moovEnd = in.at
			if f.init = c.moov(where, body); f.init == nil {
				return f, nil
			}
		case "moof":
			if len(f.pending) > 0 {
				c.fail("mp4-sample", where, "%d samples of a fragment lie in no media data", len(f.pending))
				f.pending = nil
			}
			f.moofAt = begin
			_, f.again = c.moofs[span{f.ref, begin, 0}]
			c.moofs[span{f.ref, begin, 0}] = true
			if f.init == nil {
				c.fail("mp4-init", where, "a fragment without an initialization segment")
				return f, nil
			}
			f.moof(body, int(in.at-begin)-len(body))
		case "sidx":
			f.sidx(body, begin, in.at)
		}
	}
	if len(f.pending) > 0 && !trimmed {
		c.fail("mp4-sample", where, "%d samples lie in no media data", len(f.pending))
	}
	f.out.bytes = counted.n
	return f, nil
}

// ended is nil where a range may end inside the media.
func (f *fmp4) ended(err error) error {
	if f.trimmed && len(f.out.fragments) > 0 && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) {
		return nil
	}
	f.c.fail("mp4-box", f.where, "%s", failure(err))
	return err
}

func (f *fmp4) sidx(body []byte, begin, end int64) {
	r := &cursor{b: body}
	v, _ := r.full()
	x := index{begin: begin, end: end, track: r.u32(), timescale: int64(r.u32())}
	if v == 0 {
		x.earliest, x.anchor = int64(r.u32()), end+int64(r.u32())
	} else {
		x.earliest, x.anchor = int64(r.u64()), end+int64(r.u64())
	}
	r.skip(2)
	n := int(r.u16())
	for range n {
		a, d, s := r.u32(), r.u32(), r.u32()
		x.references = append(x.references, reference{size: int64(a & 0x7fffffff), index: a>>31 == 1, duration: int64(d), sap: s>>31 == 1})
	}
	if r.err != nil || x.timescale == 0 {
		f.c.fail("sidx", f.where, "it is malformed")
		return
	}
	f.indexes = append(f.indexes, x)
}

// moof reads a movie fragment. head is the size of its header.
func (f *fmp4) moof(body []byte, head int) {
	c := f.c
	list, err := boxes(body)
	if err != nil {
		c.fail("mp4-box", f.where, "moof: %v", err)
		return
	}
	if b, ok := find(list, "mfhd"); ok {
		r := &cursor{b: b.body}
		r.full()
		n := r.u32()
		if f.sequence != 0 && n <= f.sequence {
			c.fail("mp4-fragment", f.where, "fragment %d behind fragment %d", n, f.sequence)
		}
		f.sequence = n
	} else {
		c.fail("mp4-fragment", f.where, "moof has no mfhd")
	}
	fr := fragment{offset: f.moofAt}
	next := f.moofAt // where data begins that has no base: behind that of the track before
	trafs := 0
	f.tfxd = false
	for _, b := range list {
		switch b.kind {
		case "traf":
			p, end := f.traf(b, head, next, trafs == 0)
			trafs++
			next = end
			if p != nil && fr.scale == 0 {
				fr.decode, fr.end, fr.show, fr.shown, fr.scale, fr.sync, fr.track, fr.samples, fr.tfxd = p.decode, p.end, p.show, p.shown, p.scale, p.key, p.id, p.samples, f.tfxd
			}
		case "pssh":
			if _, err := parsePSSH(b.body); err != nil {
				c.fail("cenc-pssh", f.where, "pssh: %v", err)
			}
		}
	}
	if trafs == 0 {
		c.fail("mp4-fragment", f.where, "moof has no track")
	}
	f.out.fragments = append(f.out.fragments, fr)
	slices.SortStableFunc(f.pending, func(a, b sampleRef) int { return cmp.Compare(a.offset, b.offset) })
}

// traf reads a track fragment; it returns what it holds, and where its data ends.
func (f *fmp4) traf(b box, moofHead int, next int64, firstTrack bool) (*part, int64) {
	c, where := f.c, f.where
	list, err := boxes(b.body)
	if err != nil {
		c.fail("mp4-box", where, "traf: %v", err)
		return nil, next
	}
	inMoof := moofHead + b.at + b.head // where the body begins in the moof box
	h, ok := find(list, "tfhd")
	if !ok {
		c.fail("mp4-fragment", where, "traf has no tfhd")
		return nil, next
	}
	r := &cursor{b: h.body}
	_, flags := r.full()
	id := r.u32()
	t := f.init.track(id)
	if t == nil {
		c.fail("mp4-fragment", where, "a fragment of track %d, which the initialization segment does not have", id)
		return nil, next
	}
	base := next
	description, duration, size, sampleFlags := t.description, t.duration, t.size, t.flags
	if flags&1 != 0 {
		base = int64(r.u64())
	} else if flags&0x20000 != 0 || firstTrack {
		base = f.moofAt
	}
	if flags&2 != 0 {
		description = r.u32()
	}
	if flags&8 != 0 {
		duration = r.u32()
	}
	if flags&16 != 0 {
		size = r.u32()
	}
	if flags&32 != 0 {
		sampleFlags = r.u32()
	}
	if r.err != nil {
		c.fail("mp4-fragment", where, "tfhd: %v", r.err)
		return nil, next
	}
	if description < 1 || int(description) > len(t.entries) {
		c.fail("mp4-fragment", where, "track %d: sample description %d of %d", id, description, len(t.entries))
		return nil, next
	}
	entry := &t.entries[description-1]
	decode, timed := int64(0), false
	tfxdTime, tfxdLength := int64(-1), int64(0)
	for _, x := range list {
		switch {
		case x.kind == "tfdt":
			r := &cursor{b: x.body}
			if v, _ := r.full(); v == 1 {
				decode = int64(r.u64())
			} else {
				decode = int64(r.u32())
			}
			timed = r.err == nil
		case x.kind == "uuid" && x.uuid == tfxdUUID:
			r := &cursor{b: x.body}
			if v, _ := r.full(); v == 1 {
				tfxdTime, tfxdLength = int64(r.u64()), int64(r.u64())
			} else {
				tfxdTime, tfxdLength = int64(r.u32()), int64(r.u32())
			}
			if r.err != nil {
				c.fail("mss-chunk", where, "track %d: tfxd: %v", id, r.err)
			}
			f.tfxd, f.out.tfxd = true, true
		}
	}
	if timed && tfxdTime >= 0 && tfxdTime != decode {
		c.fail("mss-chunk", where, "tfxd says that track %d begins at %d, and tfdt at %d", id, tfxdTime, decode)
	}
	if !timed && tfxdTime >= 0 {
		decode, timed = tfxdTime, true
	}
	if !timed {
		c.fail("mp4-fragment", where, "track %d: traf has no tfdt", id)
	}
	var samples []sampleRef
	now := &part{id: id, facts: &entry.facts, scale: int64(t.timescale), decode: decode, end: decode, scheme: entry.scheme}
	firstShown := true
	data := base
	for _, x := range list {
		if x.kind != "trun" {
			continue
		}
		r := &cursor{b: x.body}
		version, flags := r.full()
		n := int(r.u32())
		if flags&1 != 0 {
			data = base + int64(int32(r.u32()))
		}
		first, hasFirst := uint32(0), flags&4 != 0
		if hasFirst {
			first = r.u32()
		}
		each := 0
		for _, bit := range []uint32{0x100, 0x200, 0x400, 0x800} {
			if flags&bit != 0 {
				each += 4
			}
		}
		if r.err != nil || each > 0 && n > r.left()/each || n > maxFragment-len(samples)-len(f.pending) {
			c.fail("mp4-fragment", where, "trun of %d samples: it is too short, or they are more than %d", n, maxFragment)
			return nil, next
		}
		for i := range n {
			d, s, fl, offset := duration, size, sampleFlags, int64(0)
			if i == 0 && hasFirst {
				fl = first
			}
			if flags&0x100 != 0 {
				d = r.u32()
			}
			if flags&0x200 != 0 {
				s = r.u32()
			}
			if flags&0x400 != 0 {
				fl = r.u32()
			}
			if flags&0x800 != 0 {
				if offset = int64(r.u32()); version != 0 {
					offset = int64(int32(offset))
				}
			}
			show := now.end + offset - t.shift
			sync := fl&0x10000 == 0
			if firstShown || show < now.show {
				now.show = show
			}
			now.shown = max(now.shown, show+int64(d))
			if firstShown {
				now.shown, now.key = show+int64(d), sync
			}
			firstShown = false
			now.end += int64(d)
			now.last, now.longest = int64(d), max(now.longest, int64(d))
			if sync {
				now.keys++
			}
			samples = append(samples, sampleRef{offset: data, size: s, sync: sync, number: int(now.samples), entry: entry, crypt: entry.tenc})
			now.samples++
			now.bytes += int64(s)
			data += int64(s)
			if d == 0 && n > 1 {
				c.fail("mp4-fragment", where, "track %d: a sample without a duration", id)
			}
		}
	}
	if now.samples == 0 {
		c.fail("mp4-fragment", where, "track %d: a fragment without samples", id)
		return nil, data
	}
	if d := now.end - now.decode; tfxdTime >= 0 && (tfxdLength-d >= max(now.longest, 1) || d-tfxdLength >= max(now.longest, 1)) {
		c.fail("mss-chunk", where, "tfxd says that track %d lasts %d, and its samples %d", id, tfxdLength, d)
	}
	total := f.out.of(id)
	if total == nil {
		copied := *now
		total = &copied
		f.out.parts = append(f.out.parts, total)
	} else {
		if gap := now.decode - total.end; gap >= max(total.last, 1) || -gap >= max(total.last, 1) {
			c.fail("time-gap", where, "track %d: a fragment begins at %d inside the segment, and the one before ended at %d", id, now.decode, total.end)
		}
		for i := range samples {
			samples[i].number += int(total.samples)
		}
		total.end, total.samples, total.bytes, total.keys = now.end, total.samples+now.samples, total.bytes+now.bytes, total.keys+now.keys
		total.show, total.shown = min(total.show, now.show), max(total.shown, now.shown)
		total.last, total.longest = now.last, max(total.longest, now.longest)
		if entry.scheme != "" {
			total.scheme = entry.scheme
		}
	}
	for i := range samples {
		samples[i].part = total
	}
	f.protect(list, inMoof, base, t, entry, samples)
	f.pending = append(f.pending, samples...)
	return now, data
}

// mdat reads the samples that lie in media data.
func (f *fmp4) mdat(in *boxReader, left int64) error {
	end := in.at + left
	if left < 0 {
		end = 1 << 62
	}
	var buffer bytes.Buffer
	for len(f.pending) > 0 {
		s := f.pending[0]
		if s.offset+int64(s.size) > end {
			break
		}
		if s.offset < in.at {
			f.c.fail("mp4-sample", f.where, "track %d: sample %d lies before its media data, or in another sample", s.part.id, s.number)
			f.pending = f.pending[1:]
			continue
		}
		if s.size > maxSample {
			return fmt.Errorf("a sample of %d bytes", s.size)
		}
		if err := in.discard(s.offset - in.at); err != nil {
			return err
		}
		buffer.Reset()
		n, err := io.CopyN(&buffer, in.r, int64(s.size))
		in.at += n
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		f.pending = f.pending[1:]
		f.c.report.Samples++
		f.c.sample(f.where, &s, buffer.Bytes())
	}
	if left < 0 {
		return in.discard(-1)
	}
	if n := len(f.pending); n > 0 && f.pending[0].offset < end {
		f.c.fail("mp4-sample", f.where, "track %d: sample %d goes beyond its media data", f.pending[0].part.id, f.pending[0].number)
		f.pending = nil
	}
	return in.discard(end - in.at)
}
