package hls

import (
	"fmt"
	"strings"

	"darkroom/internal/media"
)

// Variant is a variant stream, EXT-X-STREAM-INF, RFC 8216 4.3.4.2. Fields that are zero are not written.
type Variant struct {
	URI                         string
	Bandwidth, AverageBandwidth int64 // bit/s, with the sound of its audio group
	Codecs                      []string
	Width, Height               int
	FrameRate                   media.Rational
	Audio                       string // GROUP-ID of its audio group
}

// Rendition is an alternative sound track, EXT-X-MEDIA of TYPE=AUDIO, RFC 8216 4.3.4.1.
type Rendition struct {
	URI, GroupID, Name  string
	Language            string // RFC 5646
	Default, AutoSelect bool
}

// Multivariant is a multivariant playlist, called master playlist in RFC 8216.
type Multivariant struct {
	Variants   []Variant
	Renditions []Rendition
	// IntegerDurations says that the media playlists state whole seconds.
	IntegerDurations bool
	// IndependentSegments says that every segment can be decoded alone.
	IndependentSegments bool
}

// Encode returns the text of the playlist.
func (m *Multivariant) Encode() []byte {
	var b strings.Builder
	b.WriteString("#EXTM3U\n")
	v := versionFloat
	switch {
	case len(m.Renditions) > 0:
		v = versionAlternate
	case m.IntegerDurations:
		v = versionInteger
	}
	fmt.Fprintf(&b, "#EXT-X-VERSION:%d\n", v)
	if m.IndependentSegments {
		b.WriteString("#EXT-X-INDEPENDENT-SEGMENTS\n")
	}
	for _, r := range m.Renditions {
		r.encode(&b)
	}
	for _, s := range m.Variants {
		s.encode(&b)
	}
	return []byte(b.String())
}

func (r *Rendition) encode(b *strings.Builder) {
	fmt.Fprintf(b, "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=%s,NAME=%s", quote(r.GroupID), quote(r.Name))
	if r.Language != "" {
		fmt.Fprintf(b, ",LANGUAGE=%s", quote(r.Language))
	}
	// A default rendition is chosen automatically, or the tag would contradict itself.
	fmt.Fprintf(b, ",DEFAULT=%s,AUTOSELECT=%s,URI=%s\n", yes(r.Default), yes(r.AutoSelect || r.Default), quote(r.URI))
}

func (s *Variant) encode(b *strings.Builder) {
	fmt.Fprintf(b, "#EXT-X-STREAM-INF:BANDWIDTH=%d", s.Bandwidth)
	if s.AverageBandwidth > 0 {
		fmt.Fprintf(b, ",AVERAGE-BANDWIDTH=%d", s.AverageBandwidth)
	}
	if len(s.Codecs) > 0 {
		fmt.Fprintf(b, ",CODECS=%s", quote(strings.Join(s.Codecs, ",")))
	}
	if s.Width > 0 && s.Height > 0 {
		fmt.Fprintf(b, ",RESOLUTION=%dx%d", s.Width, s.Height)
	}
	if s.FrameRate.Known() {
		fmt.Fprintf(b, ",FRAME-RATE=%.3f", s.FrameRate.Float())
	}
	if s.Audio != "" {
		fmt.Fprintf(b, ",AUDIO=%s", quote(s.Audio))
	}
	b.WriteString("\n" + s.URI + "\n")
}

func yes(v bool) string {
	if v {
		return "YES"
	}
	return "NO"
}

// quote makes a quoted-string, RFC 8216 4.2, which holds neither quotes nor line ends.
func quote(s string) string {
	return `"` + strings.Map(func(r rune) rune {
		switch {
		case r == '"':
			return '\''
		case r < ' ' || r == 0x7f:
			return -1
		}
		return r
	}, s) + `"`
}
