package hls

import (
	"fmt"
	"slices"
	"strings"

	"darkroom/internal/cenc"
	"darkroom/internal/media"
)

// Variant is a variant stream, EXT-X-STREAM-INF, RFC 8216 4.3.4.2. Fields that are zero are not written.
type Variant struct {
	URI                         string
	Bandwidth, AverageBandwidth int64 // bit/s, with the sound of its audio group: see With
	Codecs                      []string
	Width, Height               int
	FrameRate                   media.Rational
	// VideoRange is SDR, HLG or PQ (rfc8216bis 4.4.6.2).
	VideoRange string
	// Audio, Subtitles and ClosedCaptions are the GROUP-ID of the groups that go with it.
	Audio, Subtitles, ClosedCaptions string
	// NoClosedCaptions writes CLOSED-CAPTIONS=NONE. All variants of a playlist have it, or none.
	NoClosedCaptions bool
}

// AudioGroup is what a group of sound adds to the pictures that it goes with.
type AudioGroup struct {
	ID                          string
	Bandwidth, AverageBandwidth int64
	Codecs                      []string
}

// Add takes a rendition in. One of a group plays at a time, so the group asks of the network what the greatest of them does.
func (g *AudioGroup) Add(bandwidth, average int64, codecs ...string) {
	g.Bandwidth, g.AverageBandwidth = max(g.Bandwidth, bandwidth), max(g.AverageBandwidth, average)
	g.Codecs = union(g.Codecs, codecs)
}

// With returns the variants of pictures v with each of the groups of sound, in order: RFC 8216 4.3.4.2.1 wants one for each. Without groups it
// is v alone.
func (v Variant) With(groups ...AudioGroup) []Variant {
	if len(groups) == 0 {
		return []Variant{v}
	}
	out := make([]Variant, len(groups))
	for i, g := range groups {
		with := v
		with.Audio = g.ID
		with.Bandwidth += g.Bandwidth
		if v.AverageBandwidth > 0 {
			with.AverageBandwidth += g.AverageBandwidth
		}
		with.Codecs = union(slices.Clone(v.Codecs), g.Codecs)
		out[i] = with
	}
	return out
}

// union appends what is not there yet.
func union(list, more []string) []string {
	for _, m := range more {
		if !slices.Contains(list, m) {
			list = append(list, m)
		}
	}
	return list
}

// RenditionType is the TYPE of EXT-X-MEDIA. The zero value is sound.
type RenditionType int

// The types of renditions.
const (
	Audio RenditionType = iota
	Subtitles
	ClosedCaptions // inside the pictures; no URI
)

func (t RenditionType) String() string {
	return [...]string{"AUDIO", "SUBTITLES", "CLOSED-CAPTIONS"}[t]
}

// Characteristics of renditions, RFC 8216 4.3.4.1.
const (
	DescribesVideo          = "public.accessibility.describes-video"
	TranscribesSpokenDialog = "public.accessibility.transcribes-spoken-dialog"
	DescribesMusicAndSound  = "public.accessibility.describes-music-and-sound"
)

// Rendition is an alternative track, EXT-X-MEDIA, RFC 8216 4.3.4.1. Fields that are zero are not written.
type Rendition struct {
	Type                RenditionType
	URI, GroupID, Name  string
	Language            string // RFC 5646
	Default, AutoSelect bool
	// Forced says of subtitles that they are to be shown even to those who did not ask for any.
	Forced bool
	// Characteristics are uniform type identifiers, such as DescribesVideo.
	Characteristics []string
	// Channels is the number of channels of sound, 0 when not known.
	Channels int
	// InstreamID is where closed captions are in the pictures: CC1 to CC4, or SERVICE1 to SERVICE63.
	InstreamID string
}

// IFrameStream names an I-frame playlist, EXT-X-I-FRAME-STREAM-INF, RFC 8216 4.3.4.3.
type IFrameStream struct {
	URI                         string
	Bandwidth, AverageBandwidth int64
	Codecs                      []string
	Width, Height               int
	VideoRange                  string
}

// ImageStream names an image playlist, EXT-X-IMAGE-STREAM-INF, Image Media Playlist specification.
type ImageStream struct {
	URI           string
	Bandwidth     int64
	Width, Height int // of one picture
}

// Multivariant is a multivariant playlist, called master playlist in RFC 8216.
type Multivariant struct {
	Variants   []Variant
	Renditions []Rendition
	IFrames    []IFrameStream
	Images     []ImageStream
	// SessionKeys let players fetch keys before a media playlist, EXT-X-SESSION-KEY. Repeated ones are written once.
	SessionKeys []cenc.HLSKey
	// IntegerDurations says that the media playlists state whole seconds.
	IntegerDurations bool
	// IndependentSegments says that every segment can be decoded alone.
	IndependentSegments bool
	// RFC4281 writes CODECS in the form before RFC 6381: see RFC4281.
	RFC4281 bool
}

// Encode returns the text of the playlist.
func (m *Multivariant) Encode() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "#EXTM3U\n#EXT-X-VERSION:%d\n", m.version())
	if m.IndependentSegments {
		b.WriteString("#EXT-X-INDEPENDENT-SEGMENTS\n")
	}
	written := map[string]bool{}
	for i := range m.SessionKeys {
		if a := attributes(&m.SessionKeys[i]); !written[a] {
			written[a] = true
			fmt.Fprintf(&b, "#EXT-X-SESSION-KEY:%s\n", a)
		}
	}
	for i := range m.Renditions {
		m.Renditions[i].encode(&b)
	}
	for i := range m.Variants {
		m.variant(&b, &m.Variants[i])
	}
	for i := range m.IFrames {
		m.iframes(&b, &m.IFrames[i])
	}
	for _, s := range m.Images {
		fmt.Fprintf(&b, "#EXT-X-IMAGE-STREAM-INF:BANDWIDTH=%d", s.Bandwidth)
		if s.Width > 0 && s.Height > 0 {
			fmt.Fprintf(&b, ",RESOLUTION=%dx%d", s.Width, s.Height)
		}
		fmt.Fprintf(&b, ",CODECS=\"jpeg\",URI=\"%s\"\n", reference(s.URI))
	}
	return []byte(b.String())
}

// version is the least that what is written needs.
func (m *Multivariant) version() int {
	v := versionFloat
	switch {
	case len(m.Renditions) > 0 || len(m.IFrames) > 0:
		v = versionAlternate
	case m.IntegerDurations:
		v = versionInteger
	}
	for i := range m.SessionKeys {
		v = max(v, keyVersion(&m.SessionKeys[i]))
	}
	for i := range m.Renditions {
		if strings.HasPrefix(m.Renditions[i].InstreamID, "SERVICE") {
			v = max(v, versionService)
		}
	}
	if len(m.Images) > 0 {
		v = versionService
	}
	return v
}

func (r *Rendition) encode(b *strings.Builder) {
	fmt.Fprintf(b, "#EXT-X-MEDIA:TYPE=%s,GROUP-ID=%s,NAME=%s", r.Type, quote(r.GroupID), quote(r.Name))
	if r.Language != "" {
		fmt.Fprintf(b, ",LANGUAGE=%s", quote(r.Language))
	}
	// A default rendition is chosen automatically, or the tag would contradict itself.
	fmt.Fprintf(b, ",DEFAULT=%s,AUTOSELECT=%s", yes(r.Default), yes(r.AutoSelect || r.Default))
	if r.Type == Subtitles {
		fmt.Fprintf(b, ",FORCED=%s", yes(r.Forced))
	}
	if len(r.Characteristics) > 0 {
		fmt.Fprintf(b, ",CHARACTERISTICS=%s", quote(strings.Join(r.Characteristics, ",")))
	}
	if r.Type == Audio && r.Channels > 0 {
		fmt.Fprintf(b, ",CHANNELS=\"%d\"", r.Channels)
	}
	if r.Type == ClosedCaptions {
		fmt.Fprintf(b, ",INSTREAM-ID=%s", quote(r.InstreamID))
	} else if r.URI != "" { // sound without one is in the variants
		fmt.Fprintf(b, ",URI=\"%s\"", reference(r.URI))
	}
	b.WriteString("\n")
}

func (m *Multivariant) variant(b *strings.Builder, s *Variant) {
	b.WriteString("#EXT-X-STREAM-INF:")
	m.stream(b, s.Bandwidth, s.AverageBandwidth, s.Codecs, s.Width, s.Height)
	if s.FrameRate.Known() {
		fmt.Fprintf(b, ",FRAME-RATE=%.3f", s.FrameRate.Float())
	}
	if s.VideoRange != "" {
		fmt.Fprintf(b, ",VIDEO-RANGE=%s", enumerated(s.VideoRange))
	}
	if s.Audio != "" {
		fmt.Fprintf(b, ",AUDIO=%s", quote(s.Audio))
	}
	if s.Subtitles != "" {
		fmt.Fprintf(b, ",SUBTITLES=%s", quote(s.Subtitles))
	}
	switch {
	case s.ClosedCaptions != "":
		fmt.Fprintf(b, ",CLOSED-CAPTIONS=%s", quote(s.ClosedCaptions))
	case s.NoClosedCaptions:
		b.WriteString(",CLOSED-CAPTIONS=NONE")
	}
	b.WriteString("\n" + reference(s.URI) + "\n")
}

func (m *Multivariant) iframes(b *strings.Builder, s *IFrameStream) {
	b.WriteString("#EXT-X-I-FRAME-STREAM-INF:")
	m.stream(b, s.Bandwidth, s.AverageBandwidth, s.Codecs, s.Width, s.Height)
	if s.VideoRange != "" {
		fmt.Fprintf(b, ",VIDEO-RANGE=%s", enumerated(s.VideoRange))
	}
	fmt.Fprintf(b, ",URI=\"%s\"\n", reference(s.URI))
}

// stream writes the attributes that variants and I-frame playlists share.
func (m *Multivariant) stream(b *strings.Builder, bandwidth, average int64, codecs []string, width, height int) {
	fmt.Fprintf(b, "BANDWIDTH=%d", bandwidth)
	if average > 0 {
		fmt.Fprintf(b, ",AVERAGE-BANDWIDTH=%d", average)
	}
	if len(codecs) > 0 {
		list := codecs
		if m.RFC4281 {
			list = make([]string, len(codecs))
			for i, c := range codecs {
				list[i] = RFC4281(c)
			}
		}
		fmt.Fprintf(b, ",CODECS=%s", quote(strings.Join(list, ",")))
	}
	if width > 0 && height > 0 {
		fmt.Fprintf(b, ",RESOLUTION=%dx%d", width, height)
	}
}
