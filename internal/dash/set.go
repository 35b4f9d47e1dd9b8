package dash

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"darkroom/internal/media"
)

// kin is what representations have in common that a player may switch between without a seam: those with the same one make an AdaptationSet.
type kin struct {
	kind                          media.Kind
	mime, codec                   string
	language, label, captions     string
	described, accessible, forced bool
	interlaced, tile              bool
	place                         int // segments, a file, or whole
	channels, sap                 int
	events                        string
	// trick is the kin of the representation that this is the fast forward of, "" for none.
	trick string
	// What follows sets apart sets that a player may still switch between: urn:mpeg:dash:adaptation-set-switching:2016.
	protection string
	frameRate  media.Rational
}

// switchable is what sets have in common that a player may switch between.
func (k kin) switchable() kin {
	k.protection, k.frameRate = "", media.Rational{}
	return k
}

func (m *Manifest) kinOf(r *Representation) kin {
	k := kin{
		kind: r.Kind, mime: r.MIMEType, codec: r.Codecs,
		language: r.Language, label: r.Label, captions: r.Captions608, described: r.Described, accessible: r.Accessible, forced: r.Forced,
		interlaced: r.Interlaced, tile: r.Tiles != nil,
		channels: r.Channels, sap: r.StartsWithSAP, events: fmt.Sprintf("%q", r.Events),
	}
	if r.Kind == media.Video {
		// Profiles and levels of a codec are switched between, and so is where the parameter sets are.
		k.codec, _, _ = strings.Cut(r.Codecs, ".")
		if m.Style == Distinct {
			k.frameRate = r.FrameRate
		}
	}
	if p := r.Protection; p != nil {
		k.protection = p.Scheme.String() + p.KeyID.String()
	}
	switch {
	case r.File != nil:
		k.place = 1
	case r.URI != "":
		k.place = 2
	}
	for i := range m.Representations {
		if o := &m.Representations[i]; r.TrickModeOf != "" && o.ID == r.TrickModeOf {
			k.trick = fmt.Sprintf("%v", m.kinOf(o))
		}
	}
	return k
}

// set is an AdaptationSet.
type set struct {
	kin
	id              int
	main            bool
	representations []*Representation
}

// sets groups the representations.
func (m *Manifest) sets() []*set {
	var out []*set
	byKin := map[kin]*set{}
	for i := range m.Representations {
		r := &m.Representations[i]
		k := m.kinOf(r)
		s := byKin[k]
		if s == nil || s.tile || !s.rangesOf(r) {
			s = &set{kin: k, id: len(out) + 1}
			byKin[k] = s
			out = append(out, s)
		}
		s.representations = append(s.representations, r)
		s.main = s.main || r.Default
	}
	m.mains(out)
	return out
}

// rangesOf reports whether r may join the set: representations beside each other have unlike bandwidths or sizes; captions that are otherwise
// the same are different texts.
func (s *set) rangesOf(r *Representation) bool {
	return r.Kind == media.Video || r.Kind == media.Audio && !slices.ContainsFunc(s.representations, func(o *Representation) bool {
		return o.Bandwidth == r.Bandwidth && o.Codecs == r.Codecs
	})
}

// mains leaves one of the sets of sound, and one of captions, the main one: what DASH-IF IOP 3.9 and HbbTV ask for. All sets of the same pictures are main, but in
// HbbTV, which wants exactly one.
func (m *Manifest) mains(sets []*set) {
	choose := func(kind media.Kind, must bool) {
		of := slices.DeleteFunc(slices.Clone(sets), func(s *set) bool { return s.kind != kind || s.trick != "" })
		at := slices.IndexFunc(of, func(s *set) bool { return s.main })
		if at < 0 && must {
			at = slices.IndexFunc(of, func(s *set) bool { return !s.described })
		}
		for i, s := range of {
			s.main = i == at || at >= 0 && kind == media.Video && !m.HbbTV && s.switchable() == of[at].switchable()
		}
	}
	choose(media.Video, true)
	choose(media.Audio, true)
	choose(media.Text, false)
}

const (
	schemeRole      = "urn:mpeg:dash:role:2011"
	schemePurpose   = "urn:tva:metadata:cs:AudioPurposeCS:2007" // 1: for those who see badly
	schemeTrick     = "http://dashif.org/guidelines/trickmode"
	schemeTile      = "http://dashif.org/guidelines/thumbnail_tile"
	schemeSwitching = "urn:mpeg:dash:adaptation-set-switching:2016"
	schemeCaptions  = "urn:scte:dash:cc:cea-608:2015"
	schemeCICP      = "urn:mpeg:mpegB:cicp:ChannelConfiguration" // ISO/IEC 23091-3
	schemeDolby     = "tag:dolby.com,2014:dash:audio_channel_configuration:2011"
)

// encode makes the element. presentation is the duration of the whole.
func (s *set) encode(m *Manifest, sets []*set, presentation time.Duration) *xmlAdaptationSet {
	first := s.representations[0]
	a := &xmlAdaptationSet{
		ID: s.id, ContentType: s.contentType(), MIMEType: s.mime, Lang: s.language, Label: s.label,
	}
	if first.Protection != nil {
		a.ContentProtection = first.Protection.protections()
	}
	for _, e := range first.Events {
		a.InbandEventStream = append(a.InbandEventStream, xmlDescriptor(e))
	}
	s.describe(a, sets)
	if s.kind == media.Video {
		s.picture(a)
	}
	if first.times() != nil {
		if aligned := s.allTimes((*Times).aligned); first.File != nil {
			a.SubsegmentAlignment, a.SubsegmentStartsWithSAP = aligned, s.sap
		} else {
			a.SegmentAlignment, a.StartWithSAP = aligned, s.sap
		}
	}
	common := s.common(m)
	if common != nil {
		a.SegmentTemplate = &xmlSegmentTemplate{}
		a.SegmentTemplate.time(common, 0, false)
	}
	for _, r := range s.representations {
		a.Representations = append(a.Representations, r.encode(m, common, presentation))
	}
	return a
}

func (s *set) contentType() string {
	if s.tile {
		return "image"
	}
	return s.kind.String()
}

// allTimes reports whether the times of all representations compare with those of the first.
func (s *set) allTimes(compare func(a, b *Times) bool) bool {
	first := s.representations[0].times()
	return !slices.ContainsFunc(s.representations[1:], func(r *Representation) bool { return !compare(first, r.times()) })
}

// common are the times that are written once for the set; nil where each representation has its own. In Full and Distinct that is whatever the
// first has, so that there is one timeline in every set; a representation that differs writes its own over it.
func (s *set) common(m *Manifest) *Times {
	first := s.representations[0]
	if first.Segments == nil {
		return nil
	}
	switch m.Style {
	case Distinct, Full:
		return &first.Segments.Times
	case Compact:
		if s.kind == media.Video {
			return &first.Segments.Times
		}
	}
	return nil
}

// describe adds what the set is for.
func (s *set) describe(a *xmlAdaptationSet, sets []*set) {
	role := func(v string) { a.Role = append(a.Role, xmlDescriptor{schemeRole, v}) }
	switch {
	case s.tile:
		return
	case s.trick != "":
		for _, o := range sets {
			if slices.ContainsFunc(o.representations, func(r *Representation) bool { return r.ID == s.representations[0].TrickModeOf }) {
				a.EssentialProperty = append(a.EssentialProperty, xmlDescriptor{schemeTrick, strconv.Itoa(o.id)})
			}
		}
		return
	case s.kind == media.Text:
		switch {
		case s.forced:
			role("forced-subtitle")
		case s.accessible:
			role("caption")
			a.Accessibility = append(a.Accessibility, xmlDescriptor{schemeRole, "caption"})
		default:
			role("subtitle")
		}
		if s.main {
			role("main")
		}
	case s.main:
		role("main")
	default:
		role("alternate")
	}
	if s.described {
		a.Accessibility = append(a.Accessibility, xmlDescriptor{schemePurpose, "1"})
	}
	if s.captions != "" {
		a.Accessibility = append(a.Accessibility, xmlDescriptor{schemeCaptions, s.captions})
	}
	var others []string
	for _, o := range sets {
		if o != s && s.kind == media.Video && o.switchable() == s.switchable() {
			others = append(others, strconv.Itoa(o.id))
		}
	}
	if len(others) > 0 {
		a.SupplementalProperty = append(a.SupplementalProperty, xmlDescriptor{schemeSwitching, strings.Join(others, ",")})
	}
}

// picture adds the greatest sizes, and the picture aspect ratio if all have about the same.
func (s *set) picture(a *xmlAdaptationSet) {
	var fastest, ratio media.Rational
	same := true
	for _, r := range s.representations {
		a.MaxWidth, a.MaxHeight = max(a.MaxWidth, r.Width), max(a.MaxHeight, r.Height)
		if r.FrameRate.Float() > fastest.Float() {
			fastest = r.FrameRate
		}
		p := r.par()
		switch {
		case !p.Known():
			same = false
		case !ratio.Known():
			ratio = p
		default:
			// Sizes are whole pixels, so ratios of one ladder are not quite the same.
			same = same && p.Float() < ratio.Float()*1.02 && p.Float() > ratio.Float()*0.98
			if p.Den < ratio.Den {
				ratio = p
			}
		}
	}
	if fastest.Known() {
		a.MaxFrameRate = rate(fastest)
	}
	if same && ratio.Known() {
		a.Par = fmt.Sprintf("%d:%d", ratio.Num, ratio.Den)
	}
}

// par is the aspect ratio of the picture as it is shown.
func (r *Representation) par() media.Rational {
	sar := r.sar()
	n, d := int64(r.Width)*sar.Num, int64(r.Height)*sar.Den
	if n <= 0 || d <= 0 {
		return media.Rational{}
	}
	g := gcd(n, d)
	return media.Rational{Num: n / g, Den: d / g}
}

func (r *Representation) sar() media.Rational {
	if !r.SampleAspectRatio.Known() {
		return media.Rational{Num: 1, Den: 1}
	}
	return r.SampleAspectRatio
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// rate is a frame rate as FrameRateType has it.
func rate(r media.Rational) string {
	g := gcd(r.Num, r.Den)
	if r.Den == g {
		return strconv.FormatInt(r.Num/g, 10)
	}
	return fmt.Sprintf("%d/%d", r.Num/g, r.Den/g)
}

// encode makes the element. common are the times of its set, nil for none.
func (r *Representation) encode(m *Manifest, common *Times, presentation time.Duration) *xmlRepresentation {
	x := &xmlRepresentation{ID: r.ID, Bandwidth: r.Bandwidth, Codecs: r.Codecs}
	switch {
	case r.Tiles != nil:
		x.Width, x.Height = r.Width, r.Height
		x.EssentialProperty = []xmlDescriptor{{schemeTile, fmt.Sprintf("%dx%d", r.Tiles.Columns, r.Tiles.Rows)}}
	case r.Kind == media.Video:
		x.Width, x.Height = r.Width, r.Height
		if r.FrameRate.Known() {
			x.FrameRate = rate(r.FrameRate)
		}
		sar := r.sar()
		x.Sar = fmt.Sprintf("%d:%d", sar.Num, sar.Den)
		x.ScanType = "progressive"
		if r.Interlaced {
			x.ScanType = "interlaced"
		}
		if r.TrickModeOf != "" {
			x.CodingDependency = "false"
		}
	case r.Kind == media.Audio:
		x.AudioSamplingRate = r.SampleRate
		if c := r.channels(m.DolbyChannels); c != nil {
			x.AudioChannelConfiguration = []xmlDescriptor{*c}
		}
	}
	switch {
	case r.URI != "":
		x.BaseURL = reference(r.URI)
	case r.File != nil:
		f := r.File
		x.BaseURL = reference(f.URI)
		x.SegmentBase = &xmlSegmentBase{
			Timescale: f.Timescale, PresentationTimeOffset: f.Offset, IndexRange: f.Index.String(), Initialization: xmlRange{f.Init.String()},
		}
	default:
		x.SegmentTemplate = r.Segments.template()
		if common == nil || !common.same(&r.Segments.Times) {
			nominal, ok := r.Segments.nominal(presentation)
			if !ok || r.Segments.ByTime || m.Timelines || common != nil {
				nominal = 0
			}
			x.SegmentTemplate.time(&r.Segments.Times, nominal, common != nil)
		}
	}
	return x
}

// channels is the AudioChannelConfiguration; nil when the number of channels says nothing.
func (r *Representation) channels(dolby bool) *xmlDescriptor {
	if dolby && (r.Codecs == "ac-3" || r.Codecs == "ec-3") {
		// The channels as bits, ETSI TS 102 366 table E.1.4 and clause I.1.2.1: left, centre, right, left and right surround, rear pair, low frequencies.
		if v := map[int]string{1: "4000", 2: "A000", 3: "E000", 5: "F800", 6: "F801", 8: "FA01"}[r.Channels]; v != "" {
			return &xmlDescriptor{schemeDolby, v}
		}
	}
	// ISO/IEC 23091-3 table 1; 8 channels are those with a pair behind.
	if v := map[int]string{1: "1", 2: "2", 3: "3", 4: "4", 5: "5", 6: "6", 7: "11", 8: "12"}[r.Channels]; v != "" {
		return &xmlDescriptor{schemeCICP, v}
	}
	return nil
}
