package hls

import (
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Segment is a media segment.
type Segment struct {
	URI string // as written: see RelativeURI
	// Duration is rounded in the sum with those before, so that durations do not drift.
	Duration time.Duration
}

// Media is a media playlist of a complete presentation.
type Media struct {
	Segments []Segment
	// IntegerDurations writes EXTINF in whole seconds, which version 2 of the protocol asks for.
	IntegerDurations bool
	// NoCache writes EXT-X-ALLOW-CACHE:NO.
	NoCache bool
}

// Protocol versions by what a playlist needs, RFC 8216 section 7.
const (
	versionInteger   = 2
	versionFloat     = 3
	versionAlternate = 4
)

// Encode returns the text of the playlist.
func (m *Media) Encode() []byte {
	var b strings.Builder
	b.WriteString("#EXTM3U\n")
	v := versionFloat
	if m.IntegerDurations {
		v = versionInteger
	}
	fmt.Fprintf(&b, "#EXT-X-VERSION:%d\n", v)
	durations := m.durations()
	fmt.Fprintf(&b, "#EXT-X-TARGETDURATION:%d\n", m.target(durations))
	b.WriteString("#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD\n")
	if m.NoCache {
		b.WriteString("#EXT-X-ALLOW-CACHE:NO\n")
	}
	for i, s := range m.Segments {
		fmt.Fprintf(&b, "#EXTINF:%s,\n%s\n", durations[i], s.URI)
	}
	b.WriteString("#EXT-X-ENDLIST\n")
	return []byte(b.String())
}

// microDuration is a duration in microseconds, as EXTINF states it.
type microDuration int64

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

// target is the least whole number of seconds that no segment, and no stated duration, is longer than, RFC 8216 4.3.3.1.
func (m *Media) target(durations []microDuration) int64 {
	longest := microDuration(0)
	for i, s := range m.Segments {
		longest = max(longest, durations[i], microDuration(s.Duration/time.Microsecond))
	}
	return max(1, int64(math.Ceil(float64(longest)/1e6)))
}

// TargetDuration is what the playlist says in EXT-X-TARGETDURATION.
func (m *Media) TargetDuration() time.Duration {
	return time.Duration(m.target(m.durations())) * time.Second
}

// RelativeURI is the reference by which a playlist at the key from names the object at the key to of the same bucket, percent-encoded as in
// RFC 3986. Keys are slash-separated.
func RelativeURI(from, to string) string {
	dir := from[:strings.LastIndexByte(from, '/')+1]
	common := 0
	for i := 0; i < len(dir) && i < len(to) && dir[i] == to[i]; i++ {
		if dir[i] == '/' {
			common = i + 1
		}
	}
	path := strings.Repeat("../", strings.Count(dir[common:], "/")) + to[common:]
	if strings.HasPrefix(path, "/") {
		// An empty first segment would be taken for the root.
		path = "./" + path
	}
	return (&url.URL{Path: path}).String()
}
