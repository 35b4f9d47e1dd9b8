package caption

import (
	"encoding/binary"
	"slices"
	"time"

	"darkroom/internal/media"
)

// Timescale is the ticks per second of the tracks of captions: milliseconds, which is what files of captions count in.
const Timescale = 1000

// The names of TTML in sample entries.
const (
	ttmlNamespace = "http://www.w3.org/ns/ttml"
	ttmlType      = "application/ttml+xml"
	// imsc1Text is the processor profile of IMSC 1 Text in the codecs parameter (W3C, TTML Media Type Definition and Profile Registry): documents are written so that they
	// are of it too, as HLS demands (RFC 8216bis 3.1.5).
	imsc1Text = "im1t"
)

// NewTrack is the track of captions in ISO base media files: wvtt for WebVTT, stpp for TTML and IMSC (ISO/IEC 14496-30). language is ISO 639-2, "" when not known.
func NewTrack(f Format, language string) *media.Track {
	t := &media.Track{Kind: media.Text, Timescale: Timescale, Language: language}
	if f == WebVTT {
		t.Codec, t.RFC6381 = media.WebVTT, "wvtt"
		t.SampleEntry = box("wvtt", make([]byte, 6), []byte{0, 1}, box("vttC", []byte("WEBVTT")))
		return t
	}
	t.Codec, t.RFC6381 = media.TTML, "stpp"
	// SampleEntry, then namespace, schema_location and auxiliary_mime_types, each with a zero byte behind it (ISO/IEC 14496-12 12.6.3).
	inside := [][]byte{make([]byte, 6), {0, 1}, []byte(ttmlNamespace + "\x00\x00\x00")}
	if f == IMSC {
		t.RFC6381 = "stpp.ttml." + imsc1Text
		inside = append(inside, box("mime", make([]byte, 4), []byte(ttmlType+";codecs="+imsc1Text+"\x00")))
	}
	t.SampleEntry = box("stpp", inside...)
	return t
}

// Samples are those of a track from start until end, without gaps: in WebVTT a sample for each set of cues that are shown together, or for none; in TTML one document.
// Times are milliseconds. Captions do not go before start or beyond end; what does is in the samples of the pieces beside. start is not before that of an earlier call.
func (c *Cutter) Samples(f Format, language string, start, end time.Duration) []media.Sample {
	from, to := ticks(start), ticks(end)
	if to <= from {
		return nil
	}
	shown := c.until(start, end)
	if f != WebVTT {
		cut := make([]Cue, 0, len(shown))
		for _, n := range shown {
			part := *n.Cue
			if part.Start, part.End = max(part.Start, start), min(part.End, end); ticks(part.End) > ticks(part.Start) {
				cut = append(cut, part)
			}
		}
		return []media.Sample{{DecodeTime: from, Duration: uint32(to - from), Sync: true, Data: AppendTTML(nil, f, cut, language)}}
	}
	var all []media.Sample
	var active []numbered
	for at, until := from, to; at < to; at, until = until, to {
		for len(shown) > 0 && ticks(shown[0].Start) <= at {
			active = append(active, shown[0])
			shown = shown[1:]
		}
		active = slices.DeleteFunc(active, func(n numbered) bool { return ticks(n.End) <= at })
		if len(shown) > 0 {
			until = min(until, ticks(shown[0].Start))
		}
		var data []byte
		for _, n := range active {
			until = min(until, ticks(n.End))
			data = append(data, n.box()...)
		}
		if data == nil {
			data = box("vtte")
		}
		all = append(all, media.Sample{DecodeTime: at, Duration: uint32(until - at), Sync: true, Data: data})
	}
	return all
}

// box is a VTTCueBox, ISO/IEC 14496-30 7.6. Its source id tells a player which pieces are of one cue.
func (n numbered) box() []byte {
	inside := [][]byte{box("vsid", binary.BigEndian.AppendUint32(nil, uint32(n.number+1)))}
	if s := n.Place.settings(); s != "" {
		inside = append(inside, box("sttg", []byte(s)))
	}
	return box("vttc", append(inside, box("payl", appendPayload(nil, n.Lines)))...)
}

func box(kind string, content ...[]byte) []byte {
	size := 8
	for _, c := range content {
		size += len(c)
	}
	b := make([]byte, 0, size)
	b = append(binary.BigEndian.AppendUint32(b, uint32(size)), kind...)
	for _, c := range content {
		b = append(b, c...)
	}
	return b
}

func ticks(t time.Duration) int64 { return t.Round(time.Millisecond).Milliseconds() }
