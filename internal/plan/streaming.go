package plan

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/job"
	"darkroom/internal/media"
)

// groupTypes are what events call the kinds of groups.
var groupTypes = map[GroupKind]string{AppleHLS: "HLS_GROUP", CMAF: "CMAF_GROUP", DASH: "DASH_ISO_GROUP", Smooth: "MS_SMOOTH_GROUP"}

// streaming is a segmented group that is being planned.
type streaming struct {
	*packaging
	b    *builder
	path string // of the group in the settings
	dest destination
	out  StreamGroup
	// video and audio are the encodings of each representation of out; modifiers are the name modifiers, as the job writes them, of the outputs that have it.
	video     []*Video
	audio     [][]*Audio
	modifiers [][]string
	report    Group
	// groupless are representations of sound for which the job names no group, undecided those of which it does not say whether they are the default of theirs.
	groupless, undecided map[int]bool
	encrypted            Method // 0 for clear segments
}

func (b *builder) streamGroup(index int, g *types.OutputGroup) error {
	p := newPackaging(g.OutputGroupSettings)
	path := fmt.Sprintf("/outputGroups/%d", index)
	if p == nil {
		return job.Errorf(1040, "%s: %s is not carried out.", path, g.OutputGroupSettings.Type)
	}
	dest, err := resolveDestination(p.destination, b.input, b.variables())
	if err != nil {
		return job.Errorf(1040, "%s: destination: %v.", path, err)
	}
	if dest.storage, err = groupStorage(path, g); err != nil {
		return err
	}
	s := &streaming{
		packaging: p, b: b, path: path, dest: dest, groupless: map[int]bool{}, undecided: map[int]bool{}, report: Group{Type: groupTypes[p.kind]},
		out: StreamGroup{Kind: p.kind, Group: index, SingleFile: p.singleFile, SignedOffsets: p.signed, KeepPTSOffset: p.keepPTS},
	}
	if err := s.measure(g.Outputs); err != nil {
		return err
	}
	s.out.Cut = p.cut
	c := newCipher(g.OutputGroupSettings)
	if c != nil {
		s.encrypted = c.method
	}
	for i := range g.Outputs {
		if err := s.output(i, &g.Outputs[i]); err != nil {
			return err
		}
	}
	s.joinAudioGroups()
	if err := s.trickPlay(); err != nil {
		return err
	}
	if err := s.pictures(); err != nil {
		return err
	}
	if err := s.metadata(); err != nil {
		return err
	}
	if err := s.encrypt(c, path); err != nil {
		return err
	}
	if err := s.writeManifests(); err != nil {
		return err
	}
	b.plan.Streams = append(b.plan.Streams, s.out)
	b.plan.Groups = append(b.plan.Groups, s.report)
	return nil
}

// aacFrame is how many samples an AAC frame holds, matchRate the one rate of sound that segment lengths can be matched to.
const (
	aacFrame  = 1024
	matchRate = 48000
)

// measure settles the length of segments. MATCH makes it a multiple of the frames of sound and of every picture, the nearest to the length that is asked for. Where
// AV1 is in the group, whose encoder has key frames at even distances alone, EXACT makes it a whole number of frames of every picture: at 30000/1001
// frames a second, 6 s are 6.006 s.
func (s *streaming) measure(outputs []types.Output) error {
	av1 := slices.ContainsFunc(outputs, func(o types.Output) bool { return videoCodec(&o) == types.VideoCodecAv1 })
	match := s.cut.Control == MatchAudio
	if !match && (!av1 || s.cut.Control != Exact) {
		return nil
	}
	var unit media.Rational
	if match {
		unit = reduce(media.Rational{Num: aacFrame, Den: matchRate})
	}
	for i := range outputs {
		d := outputs[i].VideoDescription
		if d == nil {
			continue
		}
		rate, specified := specifiedRate(d)
		if !specified {
			if match {
				return job.Errorf(1040, "%s/outputs/%d: segmentLengthControl MATCH needs a specified frame rate.", s.path, i)
			}
			if err := s.b.needVideo(fmt.Sprintf("%s/outputs/%d", s.path, i)); err != nil {
				return err
			}
			rate = s.b.followRate()
		}
		frame := reduce(media.Rational{Num: rate.Den, Den: rate.Num})
		if !unit.Known() {
			unit = frame
			continue
		}
		if unit = common(unit, frame); !unit.Known() {
			break
		}
	}
	if !unit.Known() || unit.Float() > maxUnit*max(1, s.cut.Length.Seconds()) {
		return job.Errorf(1040, "%s: the frame rates of the outputs have no common multiple that a segment of %v could be. Use frame rates that are multiples of each other.", s.path, s.cut.Length)
	}
	n := s.cut.Length.Seconds() / unit.Float()
	if match {
		n = math.Round(n)
	} else {
		n = math.Ceil(n - 1e-6)
	}
	s.cut.Length = time.Duration(math.Round(max(1, n) * unit.Float() * float64(time.Second)))
	return nil
}

// maxUnit is how many times as long as asked for a segment may be made.
const maxUnit = 4

// reduce brings a fraction to lowest terms.
func reduce(r media.Rational) media.Rational {
	d := gcd(r.Num, r.Den)
	return media.Rational{Num: r.Num / d, Den: r.Den / d}
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// common is the least common multiple of two reduced fractions, unknown where it does not fit.
func common(a, b media.Rational) media.Rational {
	n := a.Num / gcd(a.Num, b.Num)
	if n > math.MaxInt32*1000/b.Num {
		return media.Rational{}
	}
	return media.Rational{Num: n * b.Num, Den: gcd(a.Den, b.Den)}
}

// timing is what the group asks of key frames.
func (s *streaming) timing() timing {
	t := timing{fragment: s.cut.Fragment, streaming: true}
	switch s.cut.Control {
	case Exact, MatchAudio:
		t.segment = s.cut.Length
	case GOPMultiple:
		if t.fragment == 0 {
			t.fragment = s.cut.Length
		}
	}
	if s.kind == Smooth && t.fragment == 0 {
		t.fragment = s.cut.Length
	}
	return t
}

// output adds the streams of an output.
func (s *streaming) output(index int, o *types.Output) error {
	path := fmt.Sprintf("%s/outputs/%d", s.path, index)
	if isCaptions(o) {
		return s.captions(index, o, path)
	}
	t, err := s.b.tracks(o, path, s.timing())
	if err != nil {
		return err
	}
	opts := newOutputOptions(s.kind, o)
	n, err := s.names(o, t, &opts, path)
	if err != nil {
		return err
	}
	report := t.output()
	base := Representation{
		Output: index, Format: n.format, Segments: n.segments, Digits: n.digits, First: 1, Extension: n.extension, ByTime: n.byTime, Init: n.init,
		Playlist: n.playlist, SmoothFile: n.smooth, Key: -1,
		EventScheme: opts.scheme, EventValue: opts.value, EventVersion: opts.version, PassMetadata: opts.metadata, SignalEvents: opts.signal, MetadataPID: opts.metadataPID,
	}
	if opts.metadata && (s.kind == CMAF || s.kind == DASH) && base.EventScheme == "" {
		base.EventScheme = defaultEventScheme
	}
	if s.kind == AppleHLS && n.format == TransportStreamSegments {
		base.TS = transportStream(opts.ts, t.video != nil, len(t.audio))
	}
	if t.video != nil {
		base.FrameRate, base.MaxBitrate = t.video.FrameRate, t.video.MaxBitrate
	}
	switch {
	case s.kind == Smooth: // the tracks of an output share its file
		if t.video != nil {
			r := base
			r.Video = t.videoID
			s.add(r, t.video, nil, o)
		}
		for i, a := range t.audio {
			if s.combineAudio && s.duplicate(t.audioIDs[i:i+1], o) {
				continue
			}
			r := base
			r.Audio, r.FrameRate = t.audioIDs[i:i+1], media.Rational{}
			r.Attributes = s.sound(&o.AudioDescriptions[i], a, &opts)
			s.add(r, nil, []*Audio{a}, o)
		}
		if slices.ContainsFunc(s.out.Representations, func(r Representation) bool { return r.Output == index }) {
			report.Paths = []string{n.smooth.URI()}
		}
	case t.video != nil:
		r := base
		r.Video, r.Audio = t.videoID, t.audioIDs
		r.AudioGroup = opts.audioSets
		if opts.iFrames != "" && s.writeHLS {
			r.IFrames = &IFrames{Playlist: n.iFrames}
			switch {
			case s.kind == CMAF: // what a fragment begins with says of all its samples, so key frames stand in fragments of their own
				r.IFrames.Segments, r.IFrames.Init, r.IFrames.Extension = n.iFrameSegments, n.iFrameInit, n.extension
			case opts.iFrames == "INCLUDE_AS_TS" || s.encrypted == AES128: // no range of a segment that is encrypted whole can be read
				r.IFrames.Segments, r.IFrames.Extension = n.iFrameSegments, ".ts"
			}
		}
		s.add(r, t.video, t.audio, o)
	default:
		r := base
		r.Audio = t.audioIDs
		r.Attributes = s.sound(&o.AudioDescriptions[0], t.audio[0], &opts)
		if opts.audioGroup == "" {
			s.groupless[len(s.out.Representations)] = true
		}
		s.add(r, nil, t.audio, o)
	}
	if s.kind == AppleHLS && s.writeHLS {
		report.Paths = []string{n.playlist.URI()}
	}
	s.report.Outputs = append(s.report.Outputs, report)
	return nil
}

func (s *streaming) add(r Representation, v *Video, a []*Audio, o *types.Output) {
	s.out.Representations = append(s.out.Representations, r)
	s.video, s.audio = append(s.video, v), append(s.audio, a)
	s.modifiers = append(s.modifiers, []string{aws.ToString(o.NameModifier)})
}

// duplicate says whether a stream of the group has this sound alone, and if so lets the output have it too.
func (s *streaming) duplicate(ids []string, o *types.Output) bool {
	i := slices.IndexFunc(s.out.Representations, func(r Representation) bool { return r.Video == "" && slices.Equal(r.Audio, ids) })
	if i >= 0 {
		s.modifiers[i] = append(s.modifiers[i], aws.ToString(o.NameModifier))
	}
	return i >= 0
}

// streamNames are the objects of one output.
type streamNames struct {
	format                             SegmentFormat
	segments, init, playlist, iFrames  Location
	iFrameSegments, iFrameInit, smooth Location
	whole                              Location // of one object, without its extension
	digits                             int
	extension                          string
	byTime                             bool
}

// packedExtensions are those of elementary streams of sound.
var packedExtensions = map[media.Codec]string{media.AAC: ".aac", media.AC3: ".ac3", media.EAC3: ".ec3"}

func (s *streaming) names(o *types.Output, t *tracks, opts *outputOptions, path string) (streamNames, error) {
	manifest := map[GroupKind]string{AppleHLS: "m3u8", CMAF: "m3u8", DASH: "mpd", Smooth: "ism"}[s.kind]
	vars := s.b.names(t.video, nil, t.audio, manifest)
	allowed := modifierNames
	if s.kind == DASH {
		allowed = dashModifierNames
	}
	modifier, err := vars.expand(aws.ToString(o.NameModifier), allowed)
	if err != nil {
		return streamNames{}, job.Errorf(1040, "%s/nameModifier: %v.", path, err)
	}
	name := splitName(s.dest.base + modifier)
	stem := name.before + name.after
	at := func(key string) Location { return s.dest.location(key) }
	var n streamNames
	switch s.kind {
	case AppleHLS:
		vars.segment = true
		segment, err := vars.expand(opts.segmentModifier, modifierNames)
		if err != nil {
			return streamNames{}, job.Errorf(1040, "%s/outputSettings/hlsSettings/segmentModifier: %v.", path, err)
		}
		if s.subdirectories {
			stem += "/" + stem[strings.LastIndexByte(stem, '/')+1:]
		}
		n = streamNames{
			format: TransportStreamSegments, extension: ".ts", digits: hlsDigits,
			playlist: at(stem + "." + extension(o, "m3u8")), iFrames: at(stem + "_I-Frame.m3u8"),
			segments: at(stem + segment + "_"), iFrameSegments: at(stem + segment + "_I-Frame_"),
		}
		if s.singleFile {
			n.segments = at(stem + segment)
		}
		switch {
		case t.text:
			n.format, n.extension = VTTSegments, ".vtt"
		case t.video == nil && opts.packed:
			n.format, n.extension = PackedAudio, packedExtensions[t.audio[0].Codec]
		}
	case CMAF, DASH:
		n = streamNames{format: FragmentedMP4, extension: ".mp4", digits: fmp4Digits, byTime: name.time}
		if s.kind == CMAF {
			switch n.extension = ".cmfa"; {
			case t.video != nil:
				n.extension = ".cmfv"
			case t.text:
				n.extension = ".cmft"
			}
			if s.writeHLS {
				n.playlist, n.iFrames = at(stem+".m3u8"), at(stem+"_I-Frame.m3u8")
				n.iFrameSegments, n.iFrameInit = at(stem+"_I-Frame_"), at(stem+"_I-Frameinit"+n.extension)
				if s.singleFile {
					n.iFrameSegments, n.iFrameInit = at(stem+"_I-Frame"), Location{}
				}
			}
		}
		switch {
		case s.singleFile:
			n.segments = at(stem)
		case name.number:
			n.digits, n.segments = name.digits, at(name.before)
			n.init, n.extension = at(stem+"init"+n.extension), name.after+n.extension
		case name.time:
			n.segments = at(name.before)
			n.init, n.extension = at(stem+"init"+n.extension), name.after+n.extension
		default:
			n.segments, n.init = at(stem+"_"), at(stem+"init"+n.extension)
		}
	case Smooth:
		n = streamNames{format: PIFF, extension: ".isma"}
		switch {
		case t.video != nil:
			n.extension = ".ismv"
		case t.text:
			n.extension = ".ismt"
		}
		n.smooth = at(stem + n.extension)
	}
	n.whole = at(stem)
	return n, nil
}

// defaultTrack is the type of sound that plays where nobody chooses.
const defaultTrack = "ALTERNATE_AUDIO_AUTO_SELECT_DEFAULT"

// sound is what manifests say of a stream of sound.
func (s *streaming) sound(d *types.AudioDescription, a *Audio, opts *outputOptions) Attributes {
	out := Attributes{GroupID: opts.audioGroup, Language: a.Language, Described: opts.described}
	others := 0 // streams of sound so far
	if out.GroupID == "" {
		out.GroupID = defaultAudioGroup
		if s.kind == CMAF { // each in a group of its own
			for _, v := range s.video {
				if v == nil {
					others++
				}
			}
			out.GroupID = fmt.Sprintf("%s_%d", defaultAudioGroup, others)
		}
	}
	first, count := true, 0
	names := map[string]bool{}
	for i := range s.out.Representations {
		r := &s.out.Representations[i]
		if r.Video != "" || len(r.Audio) == 0 {
			continue
		}
		count++
		if r.GroupID == out.GroupID {
			first = false
			names[r.Name] = true
		}
	}
	switch opts.trackType {
	case "ALTERNATE_AUDIO_AUTO_SELECT":
		out.AutoSelect = true
	case "ALTERNATE_AUDIO_NOT_AUTO_SELECT":
	case "AUDIO_ONLY_VARIANT_STREAM":
		out.Variant = true
	case defaultTrack:
		out.AutoSelect, out.Default = true, true
	default:
		out.AutoSelect, out.Default = true, first
		s.undecided[len(s.out.Representations)] = true
	}
	out.Alternate = strings.HasPrefix(opts.trackType, "ALTERNATE_")
	out.Name = aws.ToString(d.StreamName)
	if out.Name == "" {
		out.Name = out.Language
	}
	if s.kind == DASH { // where sounds that differ in nothing but the rate are one set, to be switched between
		return out
	}
	if out.Name == "" || names[out.Name] {
		out.Name = fmt.Sprintf("Audio %d", count+1)
	}
	return out
}

// joinAudioGroups ties pictures to the groups of sound. One that names a group which no output makes has none; in an Apple HLS group, one without sound of its
// own that names no group takes the first; in a CMAF group it goes with every stream of sound that names none, each being a group.
func (s *streaming) joinAudioGroups() {
	if s.kind != AppleHLS && s.kind != CMAF {
		return
	}
	var have, own []string
	reps := s.out.Representations
	for i := range reps {
		r := &reps[i]
		if r.Video != "" || r.Variant || slices.Contains(have, r.GroupID) {
			continue
		}
		have = append(have, r.GroupID)
		if s.groupless[i] {
			own = append(own, r.GroupID)
		}
	}
	decided := map[string]bool{} // groups whose default the job names
	for i := range reps {
		if r := &reps[i]; r.Text == "" && r.Default && !s.undecided[i] {
			decided[r.GroupID] = true
		}
	}
	for i := range reps {
		if s.undecided[i] && decided[reps[i].GroupID] {
			reps[i].Default = false
		}
	}
	for i := range reps {
		r := &reps[i]
		if r.Video == "" {
			continue
		}
		var sets []string
		for name := range strings.SplitSeq(r.AudioGroup, ",") {
			if name = strings.TrimSpace(name); slices.Contains(have, name) && !slices.Contains(sets, name) {
				sets = append(sets, name)
			}
		}
		if r.AudioGroup == "" && len(r.Audio) == 0 && len(have) > 0 {
			if sets = own; s.kind == AppleHLS || len(own) == 0 {
				sets = have[:1]
			}
		}
		r.AudioGroup = strings.Join(sets, ",")
	}
}

// writeManifests names the manifests: the main one of each kind, then the additional ones.
func (s *streaming) writeManifests() error {
	all := make([]int, len(s.out.Representations))
	for i := range all {
		all[i] = i
	}
	if err := s.manifest("", all); err != nil {
		return err
	}
	for i, m := range s.manifests {
		path := fmt.Sprintf("%s/outputGroupSettings/%s/additionalManifests/%d", s.path, s.member, i)
		modifier, err := s.b.variables().expand(m.modifier, destinationNames)
		if err != nil {
			return job.Errorf(1040, "%s/manifestNameModifier: %v.", path, err)
		}
		var some []int
		pictures := false
		for j := range s.out.Representations {
			r := &s.out.Representations[j]
			if slices.ContainsFunc(s.modifiers[j], func(name string) bool { return slices.Contains(m.outputs, name) }) || pictures && r.Format == Images {
				some = append(some, j)
				pictures = pictures || r.Video != ""
			}
		}
		if err := s.manifest(modifier, some); err != nil {
			return err
		}
	}
	return nil
}

func (s *streaming) manifest(modifier string, of []int) error {
	at := func(ext string) Location { return s.dest.location(s.dest.base + modifier + ext) }
	named := func(keep func(r *Representation) bool) (in []int) {
		for _, i := range of {
			if r := &s.out.Representations[i]; r.Text == "" || keep(r) {
				in = append(in, i)
			}
		}
		return in
	}
	if s.writeDASH {
		m := s.dash
		m.Location, m.Representations = at(".mpd"), named(func(r *Representation) bool { return r.Format != VTTSegments })
		s.out.DASH = append(s.out.DASH, m)
		s.report.Playlists = append(s.report.Playlists, m.URI())
	}
	if s.writeHLS {
		m := HLSManifest{Location: at(".m3u8"), HLSOptions: s.hls}
		m.Representations = named(func(r *Representation) bool { return r.Playlist.Key != "" })
		if s.programDateTime {
			var err error
			if m.Begin, err = s.b.begin(); err != nil {
				return err
			}
		}
		s.out.HLS = append(s.out.HLS, m)
		s.report.Playlists = append(s.report.Playlists, m.URI())
	}
	if s.kind == Smooth {
		m := SmoothManifest{Client: at(".ismc"), Server: at(".ism"), Representations: of, UTF16: s.utf16}
		s.out.Smooth = append(s.out.Smooth, m)
		s.report.Playlists = append(s.report.Playlists, m.Server.URI())
	}
	return nil
}
