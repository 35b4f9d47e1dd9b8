// Package m3u8 reads the playlists of HTTP Live Streaming (RFC 8216) that are inputs of jobs. Package hls writes those of outputs.
//
// A playlist may be hostile, and what it says decides what is fetched next: every length is bounded, what the specification forbids is an error
// with its line, and no text of the playlist gets into an error, since a file that is none may hold what its reader must not see. References
// are returned as they are written; what they may lead to, the caller decides. Tags that the specification does not know are left out of account, as
// its section 4.1 demands; those that change what the known ones mean (EXT-X-DEFINE, EXT-X-SKIP, EXT-X-PART, EXT-X-GAP) are errors.
package m3u8

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of a playlist. A film of 24 hours in segments of two seconds has 43,200 of them.
const (
	MaxSize          = 16 << 20 // bytes
	MaxLines         = 400_000
	MaxLine          = 8 << 10 // bytes of one line
	MaxSegments      = 1 << 16
	MaxDiscontinuity = 1024
	MaxVariants      = 256
	MaxRenditions    = 256
	maxAttributes    = 64 // of one tag
	// maxSeconds is the longest segment, and maxTotal the longest film, that is believed.
	maxSeconds = 24 * 3600
	maxTotal   = 100 * 24 * time.Hour
	// maxVersion is above every version that there is.
	maxVersion = 99
)

// Error says what is wrong with a playlist.
type Error struct {
	Line   int // from 1; 0 for the whole
	Reason string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Reason
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Reason)
}

// Playlist is a playlist. One of Multivariant and Media is set.
type Playlist struct {
	Version      int // EXT-X-VERSION, 1 where the tag is missing
	Multivariant *Multivariant
	Media        *Media
}

// Multivariant is a multivariant playlist, called master playlist in RFC 8216.
type Multivariant struct {
	Variants   []Variant
	Renditions []Rendition
}

// Variant is a variant stream, EXT-X-STREAM-INF, RFC 8216 4.3.4.2.
type Variant struct {
	URI           string
	Bandwidth     int64 // bit/s
	Codecs        string
	Width, Height int    // 0 where the playlist does not say
	Audio         string // GROUP-ID of its renditions of sound, "" for none
}

// Rendition is an alternative sound, EXT-X-MEDIA of TYPE=AUDIO, RFC 8216 4.3.4.1.
type Rendition struct {
	URI                 string // "" where the sound is in the segments of the variant
	GroupID, Name       string
	Language            string // RFC 5646, "" where the playlist does not say
	Default, AutoSelect bool
}

// Media is a media playlist.
type Media struct {
	Segments []Segment
	// Ended says that the playlist does not change any more: EXT-X-ENDLIST, or EXT-X-PLAYLIST-TYPE of VOD.
	Ended bool
	// Encrypted says that a segment is: EXT-X-KEY with another METHOD than NONE, RFC 8216 4.3.2.4.
	Encrypted bool
	// WholeSeconds says that every duration is a whole number, as in playlists of version 2 and below: each may be off by half a second.
	WholeSeconds bool
	Duration     time.Duration // the sum
}

// Segment is a media segment.
type Segment struct {
	URI           string
	Range         *Range // nil for the whole resource
	Duration      time.Duration
	Discontinuity bool // EXT-X-DISCONTINUITY stands before it
	Map           *Map // EXT-X-MAP, nil for none; the segments that share one have the same pointer
}

// Range is a part of a resource: EXT-X-BYTERANGE, RFC 8216 4.3.2.2.
type Range struct {
	Offset, Length int64
}

// End is the offset behind the range.
func (r Range) End() int64 { return r.Offset + r.Length }

// Map is a media initialization section, RFC 8216 4.3.2.5.
type Map struct {
	URI   string
	Range *Range // nil for the whole resource
}

// magic is the first line of every playlist.
const magic = "#EXTM3U"

// byteOrderMark is what a playlist must not begin with, RFC 8216 4.1.
const byteOrderMark = "\xef\xbb\xbf"

// Is says whether a file that begins with head is a playlist, well-formed or not.
func Is(head []byte) bool {
	return bytes.HasPrefix(bytes.TrimPrefix(head, []byte(byteOrderMark)), []byte(magic))
}

// Parse reads a playlist. An error is an *Error.
func Parse(text []byte) (*Playlist, error) {
	p := &parser{version: 1}
	if len(text) > MaxSize {
		return nil, p.fail("it is longer than %d bytes", MaxSize)
	}
	if bytes.HasPrefix(text, []byte(byteOrderMark)) {
		return nil, p.fail("it begins with a byte order mark, which RFC 8216 does not allow")
	}
	if !utf8.Valid(text) {
		return nil, p.fail("it is not UTF-8")
	}
	for rest := string(text); rest != ""; {
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		p.line++
		if err := p.read(strings.TrimSuffix(line, "\r")); err != nil {
			return nil, err
		}
	}
	return p.end()
}

// parser is the state between two lines.
type parser struct {
	line    int
	version int
	seen    map[string]bool // of the tags that may stand once

	multivariant Multivariant
	media        Media
	// isMultivariant and isMedia hold the first tag that says so.
	isMultivariant, isMedia string

	variant  *Variant // the EXT-X-STREAM-INF whose URI comes next
	segment  Segment  // what is known of the segment whose URI comes next
	timed    bool     // EXTINF was there
	length   *int64   // of an EXT-X-BYTERANGE without an offset
	key      bool     // EXT-X-KEY says that segments from here on are encrypted
	fraction bool     // some duration is not whole

	discontinuities int
}

func (p *parser) fail(format string, args ...any) *Error {
	return &Error{p.line, fmt.Sprintf(format, args...)}
}

// read takes one line, without its end.
func (p *parser) read(line string) error {
	switch {
	case p.line > MaxLines:
		return p.fail("it has more than %d lines", MaxLines)
	case len(line) > MaxLine:
		return p.fail("it is longer than %d bytes", MaxLine)
	case strings.ContainsFunc(line, isControl):
		return p.fail("it holds a control character")
	case p.line == 1:
		if line != magic {
			return p.fail("it is not %s", magic)
		}
		return nil
	case line == "":
		return nil
	case !strings.HasPrefix(line, "#"):
		return p.uri(line)
	case !strings.HasPrefix(line, "#EXT"):
		return nil // a comment
	}
	name, value, colon := strings.Cut(line[1:], ":")
	return p.tag(name, value, colon)
}

// isControl says what RFC 8216 4.1 does not allow in a line.
func isControl(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }

// uri takes a line that is a reference.
func (p *parser) uri(line string) error {
	if p.variant != nil {
		p.variant.URI = line
		p.multivariant.Variants = append(p.multivariant.Variants, *p.variant)
		p.variant = nil
		return nil
	}
	if err := p.mediaTag("a segment"); err != nil {
		return err
	}
	if !p.timed {
		return p.fail("a segment has no EXTINF")
	}
	return p.addSegment(line)
}

// end judges the whole.
func (p *parser) end() (*Playlist, error) {
	switch {
	case p.line == 0:
		return nil, &Error{0, "it is empty"}
	case p.variant != nil:
		return nil, &Error{0, "it ends behind an EXT-X-STREAM-INF, without the URI that goes with it"}
	case p.timed || p.length != nil || p.segment.Range != nil:
		return nil, &Error{0, "it ends without the URI of its last segment"}
	case p.isMultivariant != "":
		if len(p.multivariant.Variants) == 0 {
			return nil, &Error{0, "it lists no variant stream"}
		}
		return &Playlist{Version: p.version, Multivariant: &p.multivariant}, nil
	case !p.seen["EXT-X-TARGETDURATION"]:
		return nil, &Error{0, "it has no EXT-X-TARGETDURATION"}
	case len(p.media.Segments) == 0:
		return nil, &Error{0, "it lists no segment"}
	}
	p.media.WholeSeconds = !p.fraction
	return &Playlist{Version: p.version, Media: &p.media}, nil
}
