package worker

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"darkroom/internal/ffmpeg"
	"darkroom/internal/m3u8"
	"darkroom/internal/mpegts"
	"darkroom/internal/plan"
)

// The requirements that MediaConvert documents (user guide, "HLS input requirements").
const (
	// transportVersion is the highest EXT-X-VERSION of a package of transport streams; fragmentsVersion that of one of fragmented MP4, which
	// MediaConvert does not take at all.
	transportVersion = 4
	fragmentsVersion = 7
)

// presentation is an HLS package: the variant that is the input, and the renditions of sound that its multivariant playlist lists.
type presentation struct {
	files      *files
	variant    *sequence
	renditions []m3u8.Rendition
	audioGroup string
	duration   time.Duration
	// inexact is by how much the sum of the durations may be wrong: they may be written in whole seconds.
	inexact time.Duration
	// playlist is the one that the renditions' references are relative to.
	playlist plan.Input
	limit    int // of EXT-X-VERSION
}

// openPresentation reads the playlists of a package, down to the variant with the highest bandwidth. src is the input, which is a playlist.
func openPresentation(ctx context.Context, f *files, src *source) (*presentation, error) {
	if f.input.URL == "" {
		if _, ok := f.input.Package(); !ok {
			return nil, unmet("the name of a playlist in S3 must end in .m3u8")
		}
	}
	top, err := readPlaylist(ctx, src)
	if err != nil {
		return nil, err
	}
	p := &presentation{files: f, playlist: src.at}
	media, at, version := top.Media, src.at, top.Version
	if m := top.Multivariant; m != nil {
		best := highest(m.Variants)
		p.renditions, p.audioGroup = m.Renditions, best.Audio
		if err := p.checkGroup(); err != nil {
			return nil, err
		}
		in, err := f.resolve(src.at, best.URI)
		if err != nil {
			return nil, err
		}
		var child *m3u8.Playlist
		if child, at, err = p.child(ctx, in, "the variant playlist"); err != nil {
			return nil, err
		}
		media, version = child.Media, max(version, child.Version)
	}
	if p.variant, err = f.sequence(ctx, media, at); err != nil {
		return nil, err
	}
	p.limit = transportVersion
	if p.variant.wrapping == fragments {
		p.limit = fragmentsVersion
	}
	if version > p.limit {
		return nil, unmet("EXT-X-VERSION is %d; allowed: %d or lower", version, p.limit)
	}
	if p.variant.wrapping == transport && p.variant.spliced {
		p.variant.clock = newClock(p.variant)
	}
	p.duration = media.Duration
	if media.WholeSeconds {
		p.inexact = time.Duration(len(media.Segments)) * time.Second / 2
	}
	return p, nil
}

// highest is the variant with the highest bandwidth, the first of several.
func highest(variants []m3u8.Variant) m3u8.Variant {
	best := variants[0]
	for _, v := range variants[1:] {
		if v.Bandwidth > best.Bandwidth {
			best = v
		}
	}
	return best
}

// checkGroup refuses a variant whose sound is in a group that there is not.
func (p *presentation) checkGroup() error {
	if p.audioGroup == "" {
		return nil
	}
	for _, r := range p.renditions {
		if r.GroupID == p.audioGroup {
			return nil
		}
	}
	return unmet("EXT-X-STREAM-INF names an AUDIO group that no EXT-X-MEDIA has")
}

// child reads the media playlist that a multivariant one refers to.
func (p *presentation) child(ctx context.Context, in plan.Input, what string) (*m3u8.Playlist, plan.Input, error) {
	what = fmt.Sprintf("%s (%s)", what, shown(in))
	src, err := p.files.open(ctx, in)
	if err != nil {
		return nil, in, within(what, err)
	}
	list, err := readPlaylist(ctx, src)
	if err != nil {
		return nil, in, within(what, err)
	}
	if list.Media == nil {
		return nil, in, within(what, unmet("a multivariant playlist refers to a playlist that is multivariant too"))
	}
	return list, src.at, nil
}

// readPlaylist reads and judges one playlist.
func readPlaylist(ctx context.Context, src *source) (*m3u8.Playlist, error) {
	if src.size > m3u8.MaxSize {
		return nil, unmet("the playlist is longer than %d bytes", m3u8.MaxSize)
	}
	text, err := src.head(ctx, src.size)
	if err != nil {
		return nil, err
	}
	list, err := m3u8.Parse(text)
	var bad *m3u8.Error
	switch {
	case errors.As(err, &bad):
		return nil, unmet("the playlist cannot be read: %v", bad)
	case err != nil:
		return nil, err
	case list.Media != nil && !list.Media.Ended:
		return nil, unmet("the playlist has neither EXT-X-ENDLIST nor EXT-X-PLAYLIST-TYPE:VOD, so it may still change")
	case list.Media != nil && list.Media.Encrypted:
		return nil, unmet("EXT-X-KEY has another METHOD than NONE; encrypted segments are not supported")
	}
	return list, nil
}

// sequence resolves every reference of a media playlist, before a segment is opened, and looks at the first segment.
func (f *files) sequence(ctx context.Context, media *m3u8.Media, at plan.Input) (*sequence, error) {
	s := &sequence{files: f}
	known := map[string]int{}
	add := func(reference string, part *m3u8.Range) (*piece, error) {
		n, ok := known[reference]
		if !ok {
			in, err := f.resolve(at, reference)
			if err != nil {
				return nil, err
			}
			n = len(s.resources)
			known[reference] = n
			s.resources = append(s.resources, resource{in: in})
		}
		p := piece{resource: n, whole: part == nil}
		if part != nil {
			p.part = *part
		}
		s.pieces = append(s.pieces, p)
		return &s.pieces[len(s.pieces)-1], nil
	}
	first := media.Segments[0].Map
	if first != nil {
		p, err := add(first.URI, first.Range)
		if err != nil {
			return nil, err
		}
		p.what = "the initialization section"
	}
	for i := range media.Segments {
		seg := &media.Segments[i]
		p, err := add(seg.URI, seg.Range)
		if err != nil {
			return nil, err
		}
		p.duration = seg.Duration
		p.discontinuity = seg.Discontinuity && i > 0
		s.spliced = s.spliced || p.discontinuity
		if seg.Map != first {
			return nil, unmet("the playlist has more than one EXT-X-MAP")
		}
	}
	if err := s.sniff(ctx, first != nil); err != nil {
		return nil, within(s.name(0), err)
	}
	switch s.wrapping {
	case fragments:
		if s.spliced {
			return nil, unmet("the playlist has EXT-X-DISCONTINUITY, which is not supported with fragmented MP4")
		}
	case transport:
		if err := continues(media); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// sniff decides how the segments are put together, by the beginning of the first.
func (s *sequence) sniff(ctx context.Context, hasMap bool) error {
	body, length, err := s.open(ctx, 0)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	r := bufio.NewReaderSize(io.LimitReader(body, length), ffmpeg.SniffLength)
	if head, _ := r.Peek(3); string(head) == "ID3" && !hasMap {
		timestamp, _, err := skipID3(r)
		if err != nil {
			return err
		}
		s.start = time.Duration(timestamp) * time.Second / ticks
	}
	head, err := r.Peek(ffmpeg.SniffLength)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	s.demuxer = ffmpeg.Sniff(head)
	switch {
	case hasMap && s.demuxer == "mov":
		s.wrapping = fragments
	case hasMap:
		return unmet("it is no initialization section of MP4")
	case s.demuxer == "mpegts" && head[0] == 0x47 && head[mpegts.PacketSize] == 0x47:
		s.wrapping = transport
	case s.demuxer == "aac" || s.demuxer == "mp3" && !bytes.HasPrefix(head, []byte("ID3")):
		s.wrapping = packed
	default:
		return unmet("the container of the segments is not supported; supported: MPEG-2 TS, fragmented MP4 with an EXT-X-MAP, and for sound AAC or MP3")
	}
	return nil
}

// continues judges the byte ranges of transport streams: the first of a file begins it, and each goes on where the one before ended; a discontinuity is at the
// beginning of a file.
func continues(media *m3u8.Media) error {
	ends := map[string]int64{}
	for i := range media.Segments {
		s := &media.Segments[i]
		if s.Range == nil {
			continue
		}
		if s.Range.Offset != ends[s.URI] {
			return unmet("EXT-X-BYTERANGE of segment %d does not begin at 0, or where the one before in its file ends", i+1)
		}
		if s.Discontinuity && i > 0 && s.Range.Offset > 0 {
			return unmet("EXT-X-DISCONTINUITY stands before segment %d, which is in the middle of its file", i+1)
		}
		ends[s.URI] = s.Range.End()
	}
	return nil
}

// sound opens a rendition of sound.
func (p *presentation) sound(ctx context.Context, i int) (*sequence, error) {
	in, err := p.files.resolve(p.playlist, p.renditions[i].URI)
	if err != nil {
		return nil, err
	}
	list, at, err := p.child(ctx, in, fmt.Sprintf("the audio rendition %d", i+1))
	if err != nil {
		return nil, err
	}
	what := "the audio rendition " + shown(in)
	s, err := p.files.sequence(ctx, list.Media, at)
	if err != nil {
		return nil, within(what, err)
	}
	limit := p.limit
	if s.wrapping == fragments {
		limit = fragmentsVersion
	}
	if list.Version > limit {
		return nil, within(what, unmet("EXT-X-VERSION is %d; allowed: %d or lower", list.Version, limit))
	}
	if s.wrapping == transport && s.spliced {
		if p.variant.clock == nil || len(newClock(s).behind) != len(p.variant.clock.behind) {
			return nil, within(what, unmet("its discontinuities are not those of the variant"))
		}
		s.clock = p.variant.clock
	}
	return s, nil
}

// offered describes the package to the plan.
func (p *presentation) offered() *plan.HLSProbe {
	h := &plan.HLSProbe{Spliced: p.variant.spliced, AudioGroup: p.audioGroup, Audio: make([]plan.HLSAudioProbe, len(p.renditions))}
	for i, r := range p.renditions {
		h.Audio[i] = plan.HLSAudioProbe{GroupID: r.GroupID, Name: strings.ToValidUTF8(r.Name, ""), Language: r.Language, Default: r.Default, Muxed: r.URI == ""}
	}
	return h
}
