package packager

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"darkroom/internal/cenc"
	"darkroom/internal/dash"
	"darkroom/internal/media"
	"darkroom/internal/mss"
	"darkroom/internal/plan"
	"darkroom/internal/uri"
)

const contentTypeMPD = "application/dash+xml"

// mpd makes a media presentation description.
func (g *streamGroup) mpd(p *plan.DASHManifest) (document, error) {
	m := &dash.Manifest{
		Style: dash.Style(p.Style), Timelines: p.Precise, HbbTV: p.HbbTV, MinBufferTime: p.MinBufferTime, BaseURL: p.BaseURL, DolbyChannels: p.DolbyChannels,
	}
	if p.Profile == plan.OnDemandProfile {
		m.Profile = dash.OnDemand
	}
	for _, n := range p.Representations {
		r := g.reps[n]
		id := strconv.Itoa(n + 1)
		d, err := r.describe(p, id)
		if err != nil {
			return document{}, err
		}
		m.Representations = append(m.Representations, d)
		if r.iframes != nil && r.plan.IFrames.Trick {
			t, err := r.iframes.describe(p, id+"-trick")
			if err != nil {
				return document{}, err
			}
			t.TrickModeOf = id
			m.Representations = append(m.Representations, t)
		}
	}
	body, err := m.Encode()
	return document{loc: p.Location, contentType: contentTypeMPD, body: body}, err
}

// describe says of a representation what an MPD does.
func (r *representation) describe(p *plan.DASHManifest, id string) (dash.Representation, error) {
	l := r.load()
	d := dash.Representation{
		ID: id, Kind: kindOfRepresentation(r), MIMEType: r.contentType(), Bandwidth: max(1, l.average), Language: r.plan.Language, Label: r.plan.Name,
		Default: r.plan.Default, Described: r.plan.Described, Accessible: r.plan.Accessible, Forced: r.plan.Forced,
	}
	if p.MaxBandwidth && r.plan.Video != "" && !r.cutter.sparse {
		if d.Bandwidth = int64(r.plan.MaxBitrate); d.Bandwidth == 0 {
			d.Bandwidth = max(1, l.peak)
		}
	}
	if r.plan.Format == plan.Images {
		return r.describeImages(p, d)
	}
	if r.plan.Format == plan.TextFile {
		d.URI = uri.Relative(p.Key, r.cutter.done[0].object.loc.Key)
		return d, nil
	}
	if r.writer == nil {
		return d, errors.New("an MPD names fragmented MP4 alone")
	}
	t := r.tracks[0]
	d.Codecs, d.StartsWithSAP = t.RFC6381, 1
	switch t.Kind {
	case media.Video:
		d.Width, d.Height, d.SampleAspectRatio, d.FrameRate = t.Width, t.Height, t.SampleAspectRatio, r.plan.FrameRate
		if r.cutter.sparse {
			d.FrameRate = media.Rational{}
		}
		d.Label = ""
	case media.Audio:
		d.SampleRate, d.Channels = t.SampleRate, t.Channels
	}
	if r.protection != nil {
		d.Protection = &dash.Protection{Scheme: cenc.CENC, KeyID: r.protection.Key.ID, Signals: r.protection.Signals}
		if r.group.plan.Encryption.Method == plan.CBCS {
			d.Protection.Scheme = cenc.CBCS
		}
	}
	if r.plan.SignalEvents {
		d.Events = []dash.EventStream{{Scheme: r.plan.EventScheme, Value: r.plan.EventValue}}
	}
	times := dash.Times{Timescale: r.writer.Timescale(), Offset: r.writer.TimeOffset()}
	for i := range r.cutter.done {
		start, duration := r.span(i)
		if i == 0 {
			times.Start = start + r.writer.TimeOffset()
		}
		times.Durations = append(times.Durations, duration)
	}
	if r.cutter.file != nil {
		d.File = &dash.File{
			Times: times, URI: uri.Relative(p.Key, r.cutter.file.loc.Key), Init: dash.ByteRange{Length: r.initSize},
			Index: dash.ByteRange{Offset: r.index.from, Length: r.index.size},
		}
		return d, nil
	}
	if r.group.plan.Cut.PerDirectory > 0 {
		return d, errors.New("segments in directories cannot be named by a template")
	}
	d.Segments = &dash.Segments{
		Times: times, Init: uri.Relative(p.Key, r.plan.Init.Key), Before: uri.Relative(p.Key, r.plan.Segments.Key), After: uri.Relative("", r.plan.Extension),
		Digits: r.plan.Digits, First: r.plan.First, ByTime: r.plan.ByTime,
	}
	if r.plan.ByTime {
		d.Segments.Digits = 0
	}
	return d, nil
}

func (r *representation) describeImages(p *plan.DASHManifest, d dash.Representation) (dash.Representation, error) {
	t := r.plan.Tiles
	d.Kind, d.Width, d.Height = 0, t.Width*t.Columns, t.Height*t.Rows
	d.Tiles = &dash.Tiles{Columns: t.Columns, Rows: t.Rows}
	times, err := r.imageTimes()
	if err != nil {
		return d, err
	}
	d.Segments = &dash.Segments{
		Times: times, Before: uri.Relative(p.Key, r.plan.Segments.Key), After: uri.Relative("", r.plan.Extension), Digits: r.plan.Digits, First: r.plan.First,
	}
	return d, nil
}

// imageTimes are those of images, of which each lasts a whole number of ticks: as the pictures that it is of, or as its segment.
func (r *representation) imageTimes() (dash.Times, error) {
	durations := r.imageDurations()
	if clock := r.group.clock(); clock != nil && r.plan.Tiles.Segments {
		like := clock.reps[0]
		times := dash.Times{Timescale: uint32(like.timescale())}
		before := int64(0)
		for i := range durations {
			start, ticks := like.span(i)
			times.Durations = append(times.Durations, start+ticks-before)
			before = start + ticks
		}
		return times, nil
	}
	rate := r.plan.FrameRate
	if !rate.Known() || rate.Num > math.MaxUint32 {
		return dash.Times{}, fmt.Errorf("images at %v a second", rate)
	}
	each := rate.Den * int64(r.plan.Tiles.Columns*r.plan.Tiles.Rows)
	return dash.Times{Timescale: uint32(rate.Num), Durations: slices.Repeat([]int64{each}, len(durations))}, nil
}

// smooth makes the client and the server manifest.
func (g *streamGroup) smooth(p *plan.SmoothManifest) (client, server document, err error) {
	out := &mss.Presentation{UTF16: p.UTF16}
	pictures := -1
	var streams []mss.Stream
	for _, n := range p.Representations {
		r := g.reps[n]
		if r.plan.Format != plan.PIFF || r.writer == nil {
			return client, server, errors.New("a client manifest names PIFF alone")
		}
		l, err := mss.LevelOf(r.tracks[0], max(1, r.load().average))
		if err != nil {
			return client, server, err
		}
		l.File = strings.TrimPrefix(r.plan.SmoothFile.Key, p.Server.Key[:strings.LastIndexByte(p.Server.Key, '/')+1])
		l.TrackID = uint32(r.place + 1)
		if r.protection != nil {
			if err := protectSmooth(out, r.protection); err != nil {
				return client, server, err
			}
		}
		s := mss.Stream{Kind: kindOfRepresentation(r), Language: media.Language(r.plan.Language), Title: r.plan.Name, Levels: []mss.Level{l}}
		for i := range r.cutter.done {
			start, duration := r.span(i)
			if duration == 0 {
				continue
			}
			if len(s.Durations) == 0 {
				s.Start = start
			}
			s.Durations = append(s.Durations, duration)
		}
		if s.Kind == media.Text {
			s.Subtype = "SUBT"
		}
		if s.Kind == media.Video {
			s.Title, s.Language = "", ""
			s.DisplayWidth, s.DisplayHeight = displayed(r.tracks[0])
			if pictures >= 0 {
				first := &streams[pictures]
				first.Levels = append(first.Levels, l)
				if s.DisplayWidth*s.DisplayHeight > first.DisplayWidth*first.DisplayHeight {
					first.DisplayWidth, first.DisplayHeight = s.DisplayWidth, s.DisplayHeight
				}
				continue
			}
			pictures = len(streams)
		}
		streams = append(streams, s)
	}
	names := map[string]int{}
	for i := range streams {
		s := &streams[i]
		s.Name = s.Kind.String()
		if s.Kind != media.Video && s.Language != "" {
			s.Name += "_" + s.Language
		}
		if names[s.Name]++; names[s.Name] > 1 {
			s.Name += "_" + strconv.Itoa(names[s.Name]-1)
		}
	}
	distinctRates(streams)
	out.Streams = streams
	text, err := out.Client()
	if err != nil {
		return client, server, err
	}
	client = document{loc: p.Client, contentType: "text/xml", body: text}
	if text, err = out.Server(strings.TrimPrefix(p.Client.Key, p.Server.Key[:strings.LastIndexByte(p.Server.Key, '/')+1])); err != nil {
		return client, server, err
	}
	return client, document{loc: p.Server, contentType: "application/xml", body: text}, nil
}

// distinctRates makes the rates of quality levels differ: fragments are asked for by them.
func distinctRates(streams []mss.Stream) {
	for i := range streams {
		seen := map[int64]bool{}
		for k := range streams[i].Levels {
			l := &streams[i].Levels[k]
			for seen[l.Bitrate] {
				l.Bitrate++
			}
			seen[l.Bitrate] = true
		}
	}
}

// displayed is the size of a picture as it is shown: as high as it is, and as wide as its pixels make it.
func displayed(t *media.Track) (width, height int) {
	if sar := t.SampleAspectRatio; sar.Known() {
		return int((int64(t.Width)*sar.Num + sar.Den/2) / sar.Den), t.Height
	}
	return t.Width, t.Height
}

// protectSmooth says of the presentation how it is protected: all streams have one key.
func protectSmooth(p *mss.Presentation, key *cenc.Protection) error {
	for _, s := range key.Signals {
		if len(s.Smooth) == 0 {
			continue
		}
		if p.Protection != nil && (p.Protection.System != s.System || string(p.Protection.Header) != string(s.Smooth)) {
			return fmt.Errorf("two protection headers of %s: Smooth Streaming has one for all streams", s.System)
		}
		p.Protection = &mss.Protection{System: s.System, Header: s.Smooth}
	}
	if p.Protection == nil {
		return errors.New("no protection header for Smooth Streaming came with the key")
	}
	return nil
}
