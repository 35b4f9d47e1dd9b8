package hls

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"darkroom/internal/cenc"
)

// ByteRange is a piece of an object, in bytes.
type ByteRange struct {
	Length, Offset int64
}

func (r ByteRange) String() string { return fmt.Sprintf("%d@%d", r.Length, r.Offset) }

// Map is a media initialization section, EXT-X-MAP, RFC 8216 4.3.2.5.
type Map struct {
	URI   string
	Range ByteRange // of a single file; none for a whole object
	// Encrypted says that the section is encrypted, as a whole, with the AES-128 key of the segment. The key has an IV then: the section
	// has no number that one could follow from.
	Encrypted bool
}

// Segment is a media segment, a key frame of an I-frame playlist, or a tile of an image playlist.
type Segment struct {
	URI string // as written: see RelativeURI
	// Duration is rounded in the sum with those before, so that durations do not drift. Of a key frame, it lasts until the next one.
	Duration time.Duration
	// Range is where it is in a single file; none for a whole object.
	Range ByteRange
	// Map is the initialization section of the segment; nil for none. It is written where it differs from that of the segment before.
	Map *Map
	// Keys are those that the segment is encrypted with, one for each key format; empty for a clear one. They are written where they differ from
	// those of the segment before, so a clear lead is a segment without keys.
	Keys []cenc.HLSKey
}

// Tiles are the pictures in each image of an image playlist, EXT-X-TILES.
type Tiles struct {
	Columns, Rows int
	Width, Height int           // of one picture
	Interval      time.Duration // that one picture stands for
}

// Media is a media playlist of a complete presentation.
type Media struct {
	Segments []Segment
	// IntegerDurations writes EXTINF in whole seconds, which version 2 of the protocol asks for.
	IntegerDurations bool
	// NoCache writes EXT-X-ALLOW-CACHE:NO.
	NoCache bool
	// NearestTarget rounds EXT-X-TARGETDURATION to the nearest second, which RFC 8216 4.3.3.1 allows (targetDurationCompatibilityMode
	// SPEC_COMPLIANT), instead of up (LEGACY).
	NearestTarget bool
	// Target is the least that EXT-X-TARGETDURATION is, in whole seconds: the media playlists of variants have one, RFC 8216 6.2.4. 0 for what the segments ask for.
	Target time.Duration
	// IFramesOnly makes an I-frame playlist, EXT-X-I-FRAMES-ONLY: each segment is a key frame.
	IFramesOnly bool
	// ImagesOnly makes an image playlist, EXT-X-IMAGES-ONLY: each segment is a JPEG, with the Tiles; nil for one picture alone.
	ImagesOnly bool
	Tiles      *Tiles
	// ProgramDateTime is how often EXT-X-PROGRAM-DATE-TIME is written, at the beginning of a segment; 0 for never. Begin is when the first
	// segment begins.
	ProgramDateTime time.Duration
	Begin           time.Time
}

// FirstSequence is the media sequence number of the first segment, from which the initialization vector of an AES-128 segment follows where
// none is stated, RFC 8216 5.2.
const FirstSequence = 1

// Protocol versions by what a playlist needs, RFC 8216 section 7.
const (
	versionInteger   = 2 // and the IV of a key
	versionFloat     = 3
	versionAlternate = 4 // and byte ranges, I-frame playlists
	versionKeyFormat = 5 // and EXT-X-MAP in an I-frame playlist
	versionMap       = 6
	versionService   = 7 // and image playlists, as the Image Media Playlist specification has it
)

// programDateTime is the layout of EXT-X-PROGRAM-DATE-TIME, RFC 8216 4.3.2.6: ISO 8601 with a time zone and milliseconds.
const programDateTime = "2006-01-02T15:04:05.000Z07:00"

// Encode returns the text of the playlist.
func (m *Media) Encode() []byte {
	var b strings.Builder
	durations := m.durations()
	fmt.Fprintf(&b, "#EXTM3U\n#EXT-X-VERSION:%d\n#EXT-X-TARGETDURATION:%d\n#EXT-X-MEDIA-SEQUENCE:%d\n#EXT-X-PLAYLIST-TYPE:VOD\n",
		m.version(), m.target(durations), FirstSequence)
	if m.IFramesOnly {
		b.WriteString("#EXT-X-I-FRAMES-ONLY\n")
	}
	if m.ImagesOnly {
		b.WriteString("#EXT-X-IMAGES-ONLY\n")
	}
	if m.NoCache {
		b.WriteString("#EXT-X-ALLOW-CACHE:NO\n")
	}
	clock := clock{period: m.ProgramDateTime, begin: m.Begin}
	last := Segment{}
	for i, s := range m.Segments {
		s.changes(&b, &last)
		clock.tick(&b, s.Duration)
		fmt.Fprintf(&b, "#EXTINF:%s,\n", durations[i])
		if m.ImagesOnly && m.Tiles != nil {
			t := m.Tiles
			fmt.Fprintf(&b, "#EXT-X-TILES:RESOLUTION=%dx%d,LAYOUT=%dx%d,DURATION=%s\n", t.Width, t.Height, t.Columns, t.Rows, micro(t.Interval))
		}
		if s.Range.Length > 0 {
			fmt.Fprintf(&b, "#EXT-X-BYTERANGE:%s\n", s.Range)
		}
		b.WriteString(reference(s.URI) + "\n")
		last = s
	}
	b.WriteString("#EXT-X-ENDLIST\n")
	return []byte(b.String())
}

// changes writes the keys and the initialization section where they differ from those of the segment before. A section that is clear stands
// before the keys, because those of AES-128 would hold for it; it is written anew where keys begin or end only if it differs.
func (s *Segment) changes(b *strings.Builder, before *Segment) {
	section := s.Map != nil && (before.Map == nil || *s.Map != *before.Map)
	keys := func() {
		if sameKeys(s.Keys, before.Keys) {
			return
		}
		if len(s.Keys) == 0 {
			b.WriteString("#EXT-X-KEY:METHOD=NONE\n")
		}
		for i := range s.Keys {
			fmt.Fprintf(b, "#EXT-X-KEY:%s\n", attributes(&s.Keys[i]))
		}
	}
	if !section {
		keys()
		return
	}
	if s.Map.Encrypted {
		keys()
	}
	fmt.Fprintf(b, "#EXT-X-MAP:URI=\"%s\"", reference(s.Map.URI))
	if s.Map.Range.Length > 0 {
		fmt.Fprintf(b, ",BYTERANGE=\"%s\"", s.Map.Range)
	}
	b.WriteString("\n")
	if !s.Map.Encrypted {
		keys()
	}
}

// clock writes EXT-X-PROGRAM-DATE-TIME.
type clock struct {
	period time.Duration
	begin  time.Time
	at     time.Duration // where the segment begins
	due    time.Duration
}

func (c *clock) tick(b *strings.Builder, d time.Duration) {
	if c.period > 0 && c.at >= c.due {
		fmt.Fprintf(b, "#EXT-X-PROGRAM-DATE-TIME:%s\n", c.begin.Add(c.at).Format(programDateTime))
		c.due = (c.at/c.period + 1) * c.period
	}
	c.at += d
}

// version is the least that what is written needs.
func (m *Media) version() int {
	v := versionFloat
	if m.IntegerDurations {
		v = versionInteger
	}
	if m.IFramesOnly {
		v = max(v, versionAlternate)
	}
	if m.ImagesOnly {
		v = versionService
	}
	for i := range m.Segments {
		s := &m.Segments[i]
		if s.Range.Length > 0 {
			v = max(v, versionAlternate)
		}
		if s.Map != nil {
			if m.IFramesOnly {
				v = max(v, versionKeyFormat)
			} else {
				v = max(v, versionMap)
			}
		}
		for k := range s.Keys {
			v = max(v, keyVersion(&s.Keys[k]))
		}
	}
	return v
}

// microDuration is a duration in microseconds, as EXTINF states it.
type microDuration int64

func micro(d time.Duration) microDuration {
	return microDuration(d.Round(time.Microsecond) / time.Microsecond)
}

func (d microDuration) String() string {
	s := strconv.FormatInt(int64(d)/1e6, 10)
	if f := int64(d) % 1e6; f != 0 {
		s += strings.TrimRight(fmt.Sprintf(".%06d", f), "0")
	}
	return s
}

// durations rounds the boundaries between segments, not the segments.
func (m *Media) durations() []microDuration {
	unit := time.Microsecond
	if m.IntegerDurations {
		unit = time.Second
	}
	out := make([]microDuration, len(m.Segments))
	var sum, before time.Duration
	for i, s := range m.Segments {
		sum += s.Duration
		boundary := sum.Round(unit)
		out[i] = microDuration((boundary - before) / time.Microsecond)
		before = boundary
	}
	return out
}

// target is, of the longest segment and the longest stated duration, the whole number of seconds: up, or the nearest. RFC 8216 4.3.3.1 wants
// that no stated duration, rounded to the nearest, is greater.
func (m *Media) target(durations []microDuration) int64 {
	longest := microDuration(0)
	for i, s := range m.Segments {
		longest = max(longest, durations[i], microDuration(s.Duration/time.Microsecond))
	}
	seconds, least := float64(longest)/1e6, max(1, int64(m.Target/time.Second))
	if m.NearestTarget {
		return max(least, int64(math.Round(seconds)))
	}
	return max(least, int64(math.Ceil(seconds)))
}

// TargetDuration is what the playlist says in EXT-X-TARGETDURATION.
func (m *Media) TargetDuration() time.Duration {
	return time.Duration(m.target(m.durations())) * time.Second
}
