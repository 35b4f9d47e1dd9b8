package validate

import (
	"errors"
	"fmt"

	"github.com/Eyevinn/mp4ff/av1"
)

// NAL unit types of key frames: ISO/IEC 14496-10 table 7-1, ISO/IEC 23008-2 table 7-1.
const (
	avcIDR      = 5
	hevcIRAP    = 16
	hevcIRAPEnd = 23
)

// sample checks a sample by what is clear of it, and with a key all of it.
func (c *checker) sample(where string, s *sampleRef, data []byte) {
	e := s.entry
	protected := s.crypt != nil && s.crypt.protected
	switch {
	case e.lengthSize > 0:
		key, err := c.nals(where, s, data)
		if err != nil {
			c.fail("mp4-nal", where, "track %d: sample %d: %v", s.part.id, s.number, err)
			return
		}
		c.sync(where, s, key)
	case e.sampleEntry == "av01":
		c.obus(where, s, data)
	case (e.sampleEntry == "ac-3" || e.sampleEntry == "ec-3") && !protected:
		if err := dolbySample(data, e.sampleEntry == "ec-3"); err != nil {
			c.fail("mp4-sample", where, "track %d: sample %d: %v", s.part.id, s.number, err)
		}
	case e.sampleEntry == "mp4a" && !protected:
		if len(data) > 2 && data[0] == 0xff && data[1]&0xf6 == 0xf0 {
			c.fail("mp4-sample", where, "track %d: sample %d begins as an ADTS frame, which does not belong into MP4", s.part.id, s.number)
		}
	}
	if protected && !s.broken {
		c.opened(where, s, data)
	}
}

// sync compares what a fragment says of a sample with what it is.
func (c *checker) sync(where string, s *sampleRef, key bool) {
	if s.sync && !key {
		c.fail("mp4-sync", where, "track %d: sample %d is marked as a key frame, and is none", s.part.id, s.number)
		if s.number == 0 {
			s.part.key = false
		}
	}
	if key && !s.sync {
		c.warn("mp4-sync", where, "track %d: sample %d is a key frame, and is not marked as one", s.part.id, s.number)
	}
}

// isKey reports whether a NAL unit is a slice of a key frame; slice whether it is one at all.
func isKey(entry string, head byte) (key, slice bool) {
	if entry == "avc1" || entry == "avc3" {
		t := head & 31
		return t == avcIDR, t >= 1 && t <= 5
	}
	t := head >> 1 & 63
	return t >= hevcIRAP && t <= hevcIRAPEnd, t < 32
}

// nals walks the NAL units of a sample, whose lengths and headers must be clear.
func (c *checker) nals(where string, s *sampleRef, data []byte) (key bool, err error) {
	protected := s.crypt != nil && s.crypt.protected
	slices := 0
	for at := 0; at < len(data); {
		if len(data)-at < s.entry.lengthSize {
			return false, errors.New("a few bytes behind its last NAL unit")
		}
		size := 0
		for range s.entry.lengthSize {
			size = size<<8 | int(data[at])
			at++
		}
		if size == 0 || size > len(data)-at {
			return false, fmt.Errorf("a NAL unit of %d bytes where %d are left", size, len(data)-at)
		}
		k, slice := isKey(s.entry.sampleEntry, data[at])
		if slice {
			slices++
			key = key || k
		}
		if protected && len(s.ranges) > 0 {
			head := 1
			if s.entry.sampleEntry == "hvc1" || s.entry.sampleEntry == "hev1" {
				head = 2
			}
			if covered(s.ranges, int64(at-s.entry.lengthSize), int64(at+head)) {
				c.fail("cenc-clear-nal", where, "track %d: sample %d: the length or the header of a NAL unit is encrypted", s.part.id, s.number)
			}
		}
		at += size
	}
	if slices == 0 {
		return false, errors.New("no picture in it")
	}
	return key, nil
}

// covered reports whether a part of [from, to) is protected.
func covered(ranges []subsample, from, to int64) bool {
	at := int64(0)
	for _, r := range ranges {
		at += r.clear
		if r.protected > 0 && at < to && at+r.protected > from {
			return true
		}
		if at += r.protected; at >= to {
			return false
		}
	}
	return false
}

// obus walks the OBUs of a temporal unit, AV1 in ISOBMFF 2.4. Their headers and those of frames are clear.
func (c *checker) obus(where string, s *sampleRef, data []byte) {
	bad := func(err error) { c.fail("mp4-nal", where, "track %d: sample %d: %v", s.part.id, s.number, err) }
	list, err := av1.SplitOBUs(data)
	if err != nil {
		bad(err)
		return
	}
	frames := false
	for _, o := range list {
		switch o.Header.Type {
		case av1.OBUTemporalDelimiter:
			bad(errors.New("a temporal delimiter, which does not belong into MP4"))
		case av1.OBUFrame, av1.OBUFrameHeader:
			frames = true
		case av1.OBUSequenceHeader:
			if seq, err := av1.ParseSequenceHeader(o.Payload); err != nil {
				bad(fmt.Errorf("sequence header: %w", err))
			} else if s.entry.av1 == nil {
				s.entry.av1 = seq
			}
		}
	}
	if !frames {
		bad(errors.New("no frame in it"))
		return
	}
	if s.entry.av1 == nil {
		return
	}
	key, err := av1.IsRAPSample(data, s.entry.av1)
	if err != nil {
		bad(err)
		return
	}
	c.sync(where, s, key)
}
