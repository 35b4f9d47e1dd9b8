package validate

import (
	"slices"
)

// protect reads how the samples of a fragment are encrypted.
func (f *fmp4) protect(list []box, inMoof int, base int64, t *mp4Track, entry *sampleEntry, samples []sampleRef) {
	c, where := f.c, f.where
	f.groups(list, samples)
	for i := range samples {
		s := &samples[i]
		if s.crypt == nil || !s.crypt.protected {
			s.part.unprotected++
			continue
		}
		s.part.protected++
		if id := s.crypt.id(); !slices.Contains(s.part.kids, id) {
			s.part.kids = append(s.part.kids, id)
		}
		if s.crypt.ivSize == 0 {
			s.part.constantIV = s.crypt.constant
		}
	}
	var senc box
	found, piff := false, false
	for _, b := range list {
		if b.kind == "senc" || b.kind == "uuid" && b.uuid == piffSenc {
			if found && b.kind == senc.kind {
				c.fail("cenc-senc", where, "track %d: two senc boxes", t.id)
			}
			senc, found, piff = b, true, b.kind == "uuid"
		}
	}
	needed := false
	for _, s := range samples {
		if s.crypt != nil && s.crypt.protected && (s.crypt.ivSize > 0 || s.entry.kind == video) {
			needed = true
		}
	}
	if !found {
		if needed {
			c.fail("cenc-senc", where, "track %d is encrypted, and its fragment has no senc", t.id)
		}
		return
	}
	if entry.tenc == nil {
		c.fail("cenc-senc", where, "track %d is not encrypted, and its fragment has a senc", t.id)
		return
	}
	r := &cursor{b: senc.body}
	_, flags := r.full()
	override := byte(0)
	if piff && flags&1 != 0 {
		r.skip(3)
		override = r.u8()
		r.skip(16)
	}
	n := int(r.u32())
	if n != len(samples) {
		c.fail("cenc-senc", where, "track %d: senc of %d samples, and the fragment has %d", t.id, n, len(samples))
		return
	}
	dataAt := int64(inMoof+senc.at+senc.head+r.at) + f.moofAt
	sizes := make([]int, n)
	for i := range samples {
		s := &samples[i]
		begin := r.at
		if s.crypt == nil {
			continue
		}
		size := s.crypt.ivSize
		if override > 0 {
			size = override
		}
		s.iv = r.take(int(size))
		if flags&2 != 0 {
			for range int(r.u16()) {
				s.ranges = append(s.ranges, subsample{int64(r.u16()), int64(r.u32())})
			}
		}
		if r.err != nil {
			c.fail("cenc-senc", where, "track %d: senc: %v", t.id, r.err)
			return
		}
		sizes[i] = r.at - begin
	}
	if r.left() > 0 {
		c.fail("cenc-senc", where, "track %d: senc has %d bytes too many", t.id, r.left())
	}
	f.auxiliary(list, base, t.id, dataAt, sizes, piff)
	for i := range samples {
		c.sampleMap(where, t.id, &samples[i], f.again)
	}
}

// sampleMap checks the ranges of a sample and takes note of its counter blocks.
func (c *checker) sampleMap(where string, id uint32, s *sampleRef, again bool) {
	if s.crypt == nil || !s.crypt.protected {
		return
	}
	protected := int64(s.size)
	if len(s.ranges) > 0 {
		var sum int64
		protected = 0
		for _, r := range s.ranges {
			sum += r.clear + r.protected
			protected += r.protected
			if s.entry.scheme != "cbcs" && s.entry.kind == video && r.protected%16 != 0 && s.entry.scheme != "piff" {
				c.fail("cenc-senc", where, "track %d: a range of %d encrypted bytes of a picture, not whole blocks", id, r.protected)
			}
		}
		if sum != int64(s.size) {
			s.broken = true
			c.fail("cenc-senc", where, "track %d: the ranges of sample %d are %d bytes together, and the sample %d", id, s.number, sum, s.size)
		}
	} else if s.entry.lengthSize > 0 {
		c.fail("cenc-clear-nal", where, "track %d: sample %d is encrypted whole, with the lengths of its NAL units", id, s.number)
	}
	if s.entry.scheme == "cbcs" || s.entry.scheme == "cbc1" || len(s.iv) == 0 || protected == 0 || again {
		return
	}
	if again, full := c.vectors.add(s.crypt.id(), s.iv, protected); again {
		c.fail("cenc-iv", where, "track %d: sample %d uses counter blocks under key %s (initialization vector %x) that were used before", id, s.number, s.crypt.id(), s.iv)
	} else if full {
		c.note("cenc-iv", where, "too many initialization vectors to remember; the rest is not compared")
	}
}

// auxiliary checks saiz and saio.
func (f *fmp4) auxiliary(list []box, base int64, id uint32, at int64, sizes []int, piff bool) {
	c, where := f.c, f.where
	saiz, ok := find(list, "saiz")
	saio, ok2 := find(list, "saio")
	if !ok || !ok2 {
		total := 0
		for _, s := range sizes {
			total += s
		}
		if !piff && total > 0 {
			c.fail("cenc-saio", where, "track %d: senc without saiz and saio", id)
		}
		return
	}
	r := &cursor{b: saiz.body}
	if _, flags := r.full(); flags&1 != 0 {
		r.skip(8)
	}
	usual := int(r.u8())
	n := int(r.u32())
	if n != len(sizes) {
		c.fail("cenc-saio", where, "track %d: saiz of %d samples, and senc of %d", id, n, len(sizes))
		return
	}
	for i, want := range sizes {
		size := usual
		if usual == 0 {
			size = int(r.u8())
		}
		if size != want {
			c.fail("cenc-saio", where, "track %d: saiz says %d bytes for sample %d, and senc has %d", id, size, i, want)
			break
		}
	}
	r = &cursor{b: saio.body}
	v, flags := r.full()
	if flags&1 != 0 {
		r.skip(8)
	}
	if count := r.u32(); count != 1 {
		return // one for each trun: they are not followed
	}
	offset := int64(0)
	if v == 0 {
		offset = int64(r.u32())
	} else {
		offset = int64(r.u64())
	}
	if r.err != nil {
		c.fail("cenc-saio", where, "track %d: saio: %v", id, r.err)
	} else if base+offset != at {
		c.fail("cenc-saio", where, "track %d: saio leads to byte %d, and the auxiliary information is at %d", id, base+offset, at)
	}
}

// groups applies seig sample groups.
func (f *fmp4) groups(list []box, samples []sampleRef) {
	var entries []*tenc
	for _, b := range list {
		if b.kind != "sgpd" || len(b.body) < 8 || string(b.body[4:8]) != "seig" {
			continue
		}
		r := &cursor{b: b.body}
		version, _ := r.full()
		r.skip(4)
		length := 0
		if version >= 1 {
			length = int(r.u32())
		}
		if version >= 2 {
			r.skip(4)
		}
		for range r.count(1) {
			l := length
			if version >= 1 && length == 0 {
				l = int(r.u32())
			}
			inner := r
			if l > 0 {
				inner = &cursor{b: r.take(l)}
			}
			e := parseSeig(inner)
			if inner.err != nil || r.err != nil {
				f.c.fail("cenc-tenc", f.where, "sgpd of seig: it is malformed")
				return
			}
			entries = append(entries, e)
		}
	}
	for _, b := range list {
		if b.kind != "sbgp" || len(b.body) < 8 || string(b.body[4:8]) != "seig" {
			continue
		}
		r := &cursor{b: b.body}
		version, _ := r.full()
		r.skip(4)
		if version == 1 {
			r.skip(4)
		}
		at := 0
		for range r.count(8) {
			n, group := int(r.u32()), int(r.u32())
			if n < 0 || n > len(samples)-at {
				f.c.fail("cenc-tenc", f.where, "sbgp names more samples than there are")
				return
			}
			if group > 0x10000 && group-0x10001 < len(entries) {
				for i := range n {
					samples[at+i].crypt = entries[group-0x10001]
				}
			} else if group != 0 {
				f.c.fail("cenc-tenc", f.where, "sbgp names group %#x, which is not there", group)
			}
			at += n
		}
	}
}
