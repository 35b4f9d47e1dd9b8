package packager

import (
	"fmt"
	"slices"

	"darkroom/internal/hls"
	"darkroom/internal/media"
	"darkroom/internal/plan"
)

const contentTypePlaylist = "application/vnd.apple.mpegurl"

// hlsGroup is an HLS output group: what its playlists are made of.
type hlsGroup struct {
	plan     *plan.HLSGroup
	variants []*segmenter // as in the plan
	audio    []*segmenter // as in the plan
}

func (r *runner) prepareHLS(p *plan.HLSGroup) (*hlsGroup, error) {
	g := &hlsGroup{plan: p}
	for i := range p.Variants {
		v := &p.Variants[i]
		s, err := r.segmenter(p, v.Playlist, v.SegmentPrefix, v.TS, v.Video, v.Audio, "", v.Output)
		if err != nil {
			return nil, fmt.Errorf("output %s: %w", v.Playlist.URI(), err)
		}
		g.variants = append(g.variants, s)
	}
	clock := ""
	if len(p.Variants) > 0 {
		clock = p.Variants[0].Video
	}
	for i := range p.AudioGroups {
		a := &p.AudioGroups[i]
		s, err := r.segmenter(p, a.Playlist, a.SegmentPrefix, a.TS, "", []string{a.Audio}, clock, a.Output)
		if err != nil {
			return nil, fmt.Errorf("output %s: %w", a.Playlist.URI(), err)
		}
		g.audio = append(g.audio, s)
	}
	return g, nil
}

func (r *runner) segmenter(p *plan.HLSGroup, name, prefix plan.Location, ts plan.TransportStream, video string, audio []string, clock string, output int) (*segmenter, error) {
	feed, ids, err := r.subscribe(video, audio, clock, true)
	if err != nil {
		return nil, err
	}
	s := &segmenter{
		j: r.job, group: p, name: name, prefix: prefix, ts: ts, feed: feed, ids: ids, timing: -1, out: r.output(p.Group, output),
	}
	if clock != "" {
		s.timing = 0 // as subscribe puts it; it is the clock, too
	}
	r.packages = append(r.packages, &pack{feed.q, s.run})
	return s, nil
}

// playlists writes the playlists of all groups, when all segments are there: the media playlists first, then those that name them.
func (r *runner) playlists() {
	type text struct {
		loc  plan.Location
		body []byte
	}
	var media, multivariant []text
	for _, g := range r.groups {
		if g.plan.NoManifests {
			continue
		}
		for _, s := range slices.Concat(g.variants, g.audio) {
			s.out.Paths = append(s.out.Paths, s.name)
			media = append(media, text{s.name, s.media().Encode()})
		}
		multivariant = append(multivariant, text{g.plan.Master, g.multivariant(r.plan).Encode()})
	}
	for _, texts := range [][]text{media, multivariant} {
		for _, t := range texts {
			o := r.newObject(t.loc, contentTypePlaylist, false)
			o.unbounded = true
			o.buf = t.body
			if o.finish(nil, nil, func(int64) {}) != nil {
				break // the job has failed
			}
		}
		r.wg.Wait()
		if r.err() != nil {
			return
		}
	}
}

// load is what a rendition asks of the network.
type load struct {
	peak, average int64
}

func (s *segmenter) load() load {
	loads := make([]hls.Load, len(s.done))
	for i, seg := range s.done {
		loads[i] = hls.Load{Duration: s.out.SegmentDurations[i], Bytes: seg.size}
	}
	peak, average := hls.Bandwidth(loads, s.media().TargetDuration())
	return load{peak, average}
}

// codecs are those of the tracks that the segments hold.
func (s *segmenter) codecs() []string {
	var c []string
	for i := range s.feed.heads {
		if i != s.timing {
			c = add(c, s.feed.heads[i].track.RFC6381)
		}
	}
	return c
}

// add appends what is not there yet.
func add(list []string, more ...string) []string {
next:
	for _, m := range more {
		for _, have := range list {
			if have == m {
				continue next
			}
		}
		list = append(list, m)
	}
	return list
}

// multivariant is the multivariant playlist. CODECS is written as RFC 6381 has it; for AVC and AAC what came before it, RFC 4281, reads
// the same.
func (g *hlsGroup) multivariant(p *plan.Plan) *hls.Multivariant {
	from := g.plan.Master.Key
	m := &hls.Multivariant{IntegerDurations: g.plan.IntegerDurations, IndependentSegments: g.independent(p)}
	type group struct {
		load
		codecs []string
	}
	groups := map[string]*group{}
	var alone []hls.Variant
	for i := range g.plan.AudioGroups {
		a, s := &g.plan.AudioGroups[i], g.audio[i]
		l, codecs := s.load(), s.codecs()
		uri := hls.RelativeURI(from, a.Playlist.Key)
		if a.Variant {
			alone = append(alone, hls.Variant{URI: uri, Bandwidth: l.peak, AverageBandwidth: l.average, Codecs: codecs})
			continue
		}
		if groups[a.GroupID] == nil {
			groups[a.GroupID] = &group{}
		}
		have := groups[a.GroupID]
		have.peak, have.average = max(have.peak, l.peak), max(have.average, l.average)
		have.codecs = add(have.codecs, codecs...)
		m.Renditions = append(m.Renditions, hls.Rendition{
			URI: uri, GroupID: a.GroupID, Name: a.Name, Language: a.Language, Default: a.Default, AutoSelect: a.AutoSelect,
		})
	}
	for i := range g.plan.Variants {
		v, s := &g.plan.Variants[i], g.variants[i]
		l, codecs := s.load(), s.codecs()
		out := hls.Variant{URI: hls.RelativeURI(from, v.Playlist.Key), FrameRate: v.FrameRate}
		if group := groups[v.AudioGroup]; group != nil {
			out.Audio = v.AudioGroup
			l.peak, l.average = l.peak+group.peak, l.average+group.average
			codecs = add(codecs, group.codecs...)
		}
		out.Bandwidth, out.AverageBandwidth, out.Codecs = l.peak, l.average, codecs
		if g.plan.ResolutionInMaster {
			out.Width, out.Height = s.out.Width, s.out.Height
		}
		m.Variants = append(m.Variants, out)
	}
	m.Variants = append(m.Variants, alone...)
	return m
}

// independent reports whether no picture refers to one of another segment.
func (g *hlsGroup) independent(p *plan.Plan) bool {
	for _, s := range g.variants {
		for i, id := range s.ids {
			for k := range p.Renditions {
				d := &p.Renditions[k]
				if d.ID == id && s.feed.heads[i].track.Kind == media.Video && !d.Video.ClosedGOP {
					return false
				}
			}
		}
	}
	return true
}
