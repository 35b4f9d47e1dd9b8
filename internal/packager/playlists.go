package packager

import (
	"errors"
	"slices"
	"strings"
	"time"

	"darkroom/internal/cenc"
	"darkroom/internal/hls"
	"darkroom/internal/media"
	"darkroom/internal/plan"
	"darkroom/internal/uri"
)

// subtitles is the GROUP-ID of captions that name none.
const subtitles = "subs"

// playlists makes a multivariant playlist and the media playlists that it names.
func (g *streamGroup) playlists(p *plan.HLSManifest, whole *plan.Plan) (inner []document, outer document, err error) {
	from := p.Key
	m := &hls.Multivariant{IntegerDurations: p.IntegerDurations, RFC4281: p.RFC4281, IndependentSegments: true}
	groups := map[string]*hls.AudioGroup{}
	var captions []captionGroup
	var alone []hls.Variant
	var leaders []*representation
	roles := rolesOf(g, p.Representations)
	reps := make([]*representation, len(p.Representations))
	for i, n := range p.Representations {
		reps[i] = g.reps[n]
	}
	add := func(loc plan.Location, m *hls.Media) {
		inner = append(inner, document{loc, contentTypePlaylist, m.Encode(), p.Gzip})
	}
	for _, r := range reps {
		if r.plan.Playlist.Key == "" {
			return nil, document{}, errors.New("a stream without a media playlist")
		}
		d, ref := r.plan, hlsOptions(p.HLSOptions).reference(from, r.plan.Playlist.Key)
		if d.Format == plan.Images {
			add(d.Playlist, r.imagePlaylist(&p.HLSOptions))
			m.Images = append(m.Images, hls.ImageStream{URI: ref, Bandwidth: r.load().peak, Width: d.Tiles.Width, Height: d.Tiles.Height})
			continue
		}
		playlist, err := r.playlist(&p.HLSOptions)
		if err != nil {
			return nil, document{}, err
		}
		add(d.Playlist, playlist)
		if e := g.plan.Encryption; e != nil && e.SessionKey {
			m.SessionKeys = append(m.SessionKeys, r.sessionKeys()...)
		}
		l := r.load()
		switch {
		case d.Text != "":
			id := d.GroupID
			if id == "" {
				id = subtitles
			}
			captions = join(captions, id, r)
			rendition := hls.Rendition{
				Type: hls.Subtitles, URI: ref, GroupID: id, Name: d.Name, Language: d.Language, Default: d.Default, AutoSelect: d.AutoSelect, Forced: d.Forced,
			}
			if d.Accessible {
				rendition.Characteristics = []string{hls.TranscribesSpokenDialog, hls.DescribesMusicAndSound}
			}
			m.Renditions = append(m.Renditions, rendition)
		case d.Video != "":
		case roles[r] == asVariant:
			alone = append(alone, hls.Variant{URI: ref, Bandwidth: l.peak, AverageBandwidth: l.average, Codecs: r.codecs(), NoClosedCaptions: p.NoClosedCaptions})
		default:
			if roles[r] == asLeader {
				leaders = append(leaders, r)
			}
			if groups[d.GroupID] == nil {
				groups[d.GroupID] = &hls.AudioGroup{ID: d.GroupID}
			}
			groups[d.GroupID].Add(l.peak, l.average, r.codecs()...)
			rendition := hls.Rendition{
				URI: ref, GroupID: d.GroupID, Name: d.Name, Language: d.Language, Default: d.Default, AutoSelect: d.AutoSelect, Channels: r.tracks[0].Channels,
			}
			if d.Described {
				rendition.Characteristics = []string{hls.DescribesVideo}
			}
			m.Renditions = append(m.Renditions, rendition)
		}
	}
	for _, r := range reps {
		d := r.plan
		if d.Video == "" {
			continue
		}
		l, picture := r.load(), r.picture()
		v := hls.Variant{
			URI: hlsOptions(p.HLSOptions).reference(from, d.Playlist.Key), Bandwidth: l.peak, AverageBandwidth: l.average, Codecs: r.codecs(), FrameRate: d.FrameRate,
			NoClosedCaptions: p.NoClosedCaptions,
		}
		if !p.NoResolution {
			v.Width, v.Height = picture.Width, picture.Height
		}
		var with []hls.AudioGroup
		for id := range strings.SplitSeq(d.AudioGroup, ",") {
			if a := groups[strings.TrimSpace(id)]; a != nil {
				with = append(with, *a)
			}
		}
		m.Variants = append(m.Variants, withCaptions(v.With(with...), captions)...)
		m.IndependentSegments = m.IndependentSegments && closed(whole, r)
		if d.IFrames != nil && d.IFrames.Playlist.Key != "" {
			playlist, load, err := r.iframePlaylist(&p.HLSOptions)
			if err != nil {
				return nil, document{}, err
			}
			add(d.IFrames.Playlist, playlist)
			m.IFrames = append(m.IFrames, hls.IFrameStream{
				URI: hlsOptions(p.HLSOptions).reference(from, d.IFrames.Playlist.Key), Bandwidth: load.peak, AverageBandwidth: load.average,
				Codecs: []string{picture.RFC6381}, Width: v.Width, Height: v.Height,
			})
		}
	}
	for _, r := range leaders {
		group := groups[r.plan.GroupID]
		m.Variants = append(m.Variants, hls.Variant{
			URI: hlsOptions(p.HLSOptions).reference(from, r.plan.Playlist.Key), Bandwidth: group.Bandwidth, AverageBandwidth: group.AverageBandwidth, Codecs: group.Codecs, Audio: group.ID,
			NoClosedCaptions: p.NoClosedCaptions,
		})
	}
	m.Variants = append(m.Variants, alone...)
	return inner, document{p.Location, contentTypePlaylist, m.Encode(), p.Gzip}, nil
}

// role is what a stream of sound is in a multivariant playlist.
type role int

const (
	asRendition role = iota // one of a group that pictures, or a leader, go with
	asLeader                // and that by which a group without pictures is chosen
	asVariant               // by itself
)

// rolesOf says what each stream of sound is in a playlist of some representations. Sound that no picture of the playlist goes with is a variant, or nobody would hear it.
// Where the playlist has no pictures at all, what is asked for as alternatives, or is each in another language, stays a group: a player chooses a variant by its rate, and
// must not choose the language by it.
func rolesOf(g *streamGroup, of []int) map[*representation]role {
	used, pictures := map[string]bool{}, false
	groups := map[string][]*representation{}
	for _, n := range of {
		switch r := g.reps[n]; {
		case r.plan.Video != "":
			pictures = true
			for id := range strings.SplitSeq(r.plan.AudioGroup, ",") {
				used[strings.TrimSpace(id)] = true
			}
		case len(r.plan.Audio) > 0 && !r.plan.Variant:
			groups[r.plan.GroupID] = append(groups[r.plan.GroupID], r)
		}
	}
	roles := map[*representation]role{}
	for _, n := range of {
		if r := g.reps[n]; len(r.plan.Audio) > 0 && (r.plan.Variant || !used[r.plan.GroupID]) {
			roles[r] = asVariant
		}
	}
	if pictures {
		return roles
	}
	for _, group := range groups {
		if len(group) < 2 || !alternatives(group) {
			continue
		}
		first := group[max(0, slices.IndexFunc(group, func(r *representation) bool { return r.plan.Default }))]
		for _, r := range group {
			roles[r] = asRendition
		}
		roles[first] = asLeader
	}
	return roles
}

// alternatives reports whether streams of sound are to be chosen by the listener, not by the rate of the network.
func alternatives(group []*representation) bool {
	languages := map[string]bool{}
	for _, r := range group {
		if r.plan.Alternate {
			return true
		}
		languages[r.plan.Language] = true
	}
	return len(languages) == len(group)
}

// captionGroup is a group of captions in a multivariant playlist.
type captionGroup struct {
	id     string
	codecs []string
	load   load // of the one that asks most
}

// join adds the captions of a representation to their group.
func join(groups []captionGroup, id string, r *representation) []captionGroup {
	var codecs []string
	if r.writer != nil {
		codecs = r.codecs() // segments of text are of no codec
	}
	l := r.load()
	for i := range groups {
		if g := &groups[i]; g.id == id {
			g.codecs, g.load = add(g.codecs, codecs...), load{max(g.load.peak, l.peak), max(g.load.average, l.average)}
			return groups
		}
	}
	return append(groups, captionGroup{id, codecs, l})
}

// withCaptions makes each variant one for every group of captions: a player reads from CODECS of which kind those of a group are (RFC 8216bis 3.1.5).
func withCaptions(variants []hls.Variant, groups []captionGroup) []hls.Variant {
	if len(groups) == 0 {
		return variants
	}
	var all []hls.Variant
	for _, g := range groups {
		for _, v := range variants {
			v.Subtitles, v.Codecs = g.id, add(slices.Clone(v.Codecs), g.codecs...)
			v.Bandwidth += g.load.peak
			if v.AverageBandwidth > 0 {
				v.AverageBandwidth += g.load.average
			}
			all = append(all, v)
		}
	}
	return all
}

// closed reports whether no picture of a representation refers to one of another segment.
func closed(p *plan.Plan, r *representation) bool {
	return !slices.ContainsFunc(p.Renditions, func(d plan.Rendition) bool { return d.ID == r.plan.Video && !d.Video.ClosedGOP })
}

// reference is that by which a playlist names an object: behind the base URL, where there is one.
func (o hlsOptions) reference(from, to string) string { return o.BaseURL + uri.Relative(from, to) }

// playlist is its media playlist.
func (r *representation) playlist(o *plan.HLSOptions) (*hls.Media, error) {
	m := newMedia(o)
	m.Target = r.target(o)
	durations := r.durations()
	for i, seg := range r.cutter.done {
		s, err := r.entry(o, r.plan.Playlist.Key, seg)
		if err != nil {
			return nil, err
		}
		s.Duration = durations[i]
		m.Segments = append(m.Segments, s)
	}
	return m, nil
}

// target is the target duration of its media playlist. All of a group have one, RFC 8216 6.2.4, but for captions.
func (r *representation) target(o *plan.HLSOptions) time.Duration {
	if r.plan.Text != "" {
		return targetOf(o, r.durations())
	}
	longest := time.Duration(0)
	for _, other := range r.group.reps {
		if other.cutter != nil && other.plan.Text == "" && other.plan.Playlist.Key != "" {
			longest = max(longest, targetOf(o, other.durations()))
		}
	}
	return longest
}

// targetOf is the target duration that segments ask for.
func targetOf(o *plan.HLSOptions, durations []time.Duration) time.Duration {
	m := newMedia(o)
	for _, d := range durations {
		m.Segments = append(m.Segments, hls.Segment{Duration: d})
	}
	return m.TargetDuration()
}

func newMedia(o *plan.HLSOptions) *hls.Media {
	return &hls.Media{
		IntegerDurations: o.IntegerDurations, NoCache: o.NoCache, NearestTarget: !o.LegacyTarget, ProgramDateTime: o.ProgramDateTime, Begin: o.Begin,
	}
}

// entry is a segment in the playlist at the key from.
func (r *representation) entry(o *plan.HLSOptions, from string, seg *segment) (hls.Segment, error) {
	options := hlsOptions(*o)
	var s hls.Segment
	if r.cutter.file != nil {
		s.URI = options.reference(from, r.cutter.file.loc.Key)
		s.Range = hls.ByteRange{Length: seg.size, Offset: r.cutter.head + seg.from}
	} else {
		s.URI = options.reference(from, seg.object.loc.Key)
	}
	if r.writer != nil {
		s.Map = &hls.Map{URI: s.URI, Range: hls.ByteRange{Length: r.initSize}}
		if r.cutter.file == nil {
			s.Map = &hls.Map{URI: options.reference(from, r.plan.Init.Key)}
		}
	}
	var err error
	s.Keys, err = r.keysOf(seg)
	return s, err
}

// keysOf are the keys of a segment, as playlists state them.
func (r *representation) keysOf(seg *segment) ([]cenc.HLSKey, error) {
	if r.protection == nil || seg.clear {
		return nil, nil
	}
	keys := r.signalled(func(s *cenc.Signal) *cenc.HLSKey { return s.Media })
	if len(keys) == 0 {
		return nil, errors.New("nothing that a player of HLS could be told of the key came with it")
	}
	e := r.group.plan.Encryption
	if e.HideIV || e.Method == plan.CENC {
		return keys, nil
	}
	iv := r.protection.Key.IV
	if iv == nil || e.Method == plan.AES128 && e.ConstantIV == nil {
		iv = cenc.SequenceIV(uint64(hls.FirstSequence + seg.number))
	}
	for i := range keys {
		keys[i].IV = iv
	}
	return keys, nil
}

// signalled are the keys as each DRM system wants them told, or the static one.
func (r *representation) signalled(of func(*cenc.Signal) *cenc.HLSKey) []cenc.HLSKey {
	e := r.group.plan.Encryption
	method := map[plan.Method]string{plan.AES128: "AES-128", plan.SampleAES: "SAMPLE-AES", plan.CBCS: "SAMPLE-AES", plan.CENC: "SAMPLE-AES-CTR"}[e.Method]
	if e.Static != nil {
		return []cenc.HLSKey{{Method: method, URI: e.Static.URL, KeyFormat: e.Static.KeyFormat, KeyFormatVersions: e.Static.KeyFormatVersions}}
	}
	var keys []cenc.HLSKey
	for i := range r.protection.Signals {
		if k := of(&r.protection.Signals[i]); k != nil {
			key := *k
			key.Method, key.IV = method, nil
			keys = append(keys, key)
		}
	}
	return keys
}

// sessionKeys are those of its segments, for the multivariant playlist.
func (r *representation) sessionKeys() []cenc.HLSKey {
	if r.protection == nil {
		return nil
	}
	keys := r.signalled(func(s *cenc.Signal) *cenc.HLSKey {
		if s.Master != nil {
			return s.Master
		}
		return s.Media
	})
	e := r.group.plan.Encryption
	if !e.HideIV && e.Method != plan.CENC && e.ConstantIV != nil {
		for i := range keys {
			keys[i].IV = e.ConstantIV
		}
	}
	return keys
}

// iframePlaylist is the playlist of its key frames: of segments of their own, or ranges of its segments.
func (r *representation) iframePlaylist(o *plan.HLSOptions) (*hls.Media, load, error) {
	from := r
	if r.iframes != nil {
		from = r.iframes
	}
	m := newMedia(o)
	m.IFramesOnly = true
	var at, sizes []int64
	for _, seg := range from.cutter.done {
		for _, k := range seg.keyFrames {
			s, err := from.entry(o, r.plan.IFrames.Playlist.Key, seg)
			if err != nil {
				return nil, load{}, err
			}
			if !from.group.wholeSegments() {
				s.Range = hls.ByteRange{Length: k.size, Offset: k.from}
				if from.cutter.file != nil {
					s.Range.Offset += from.cutter.head
				}
			}
			sizes = append(sizes, k.size)
			m.Segments = append(m.Segments, s)
			at = append(at, k.at)
		}
	}
	var loads []hls.Load
	var durations []time.Duration
	for i := range m.Segments {
		end := r.cutter.end
		if i+1 < len(at) {
			end = at[i+1]
		}
		start := at[i]
		if i == 0 {
			start = 0
		}
		m.Segments[i].Duration = time.Duration(max(0, end-start))
		durations = append(durations, m.Segments[i].Duration)
	}
	if o.IntegerDurations {
		durations = whole(durations)
	}
	for i, d := range durations {
		loads = append(loads, hls.Load{Duration: d, Bytes: sizes[i]})
	}
	peak, average := hls.Bandwidth(loads, m.TargetDuration())
	return m, load{peak, average}, nil
}

// imagePlaylist is the playlist of images for trick play.
func (r *representation) imagePlaylist(o *plan.HLSOptions) *hls.Media {
	m := newMedia(o)
	t := r.plan.Tiles
	m.ImagesOnly = true
	if t.Columns*t.Rows > 1 {
		m.Tiles = &hls.Tiles{Columns: t.Columns, Rows: t.Rows, Width: t.Width, Height: t.Height, Interval: t.Interval}
	}
	for i, d := range r.imageDurations() {
		m.Segments = append(m.Segments, hls.Segment{URI: hlsOptions(*o).reference(r.plan.Playlist.Key, r.images[i].Key), Duration: d})
	}
	return m
}

// hlsOptions has methods of this package.
type hlsOptions plan.HLSOptions

func kindOfRepresentation(r *representation) media.Kind {
	switch {
	case r.plan.Video != "":
		return media.Video
	case len(r.plan.Audio) > 0:
		return media.Audio
	case r.plan.Text != "":
		return media.Text
	}
	return 0
}
