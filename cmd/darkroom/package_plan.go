package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"darkroom/internal/cenc"
	"darkroom/internal/cpix"
	"darkroom/internal/media"
	"darkroom/internal/plan"
)

// packageBucket stands for the directory that a package is written to.
const packageBucket = "out"

// packageTrack is a track to be packaged, with what its user says of it.
type packageTrack struct {
	*media.Track
	stem                 string // of its files, "" for one that follows from the track
	name, language       string
	defaulted, described bool
	label                string // of its content key, "" for the one that fits
	from                 string // for errors
}

// packageOptions are what is made of tracks.
type packageOptions struct {
	groups            []plan.GroupKind
	fmp4              bool // HLS in fragmented MP4
	muxed             bool // HLS: sound in the transport streams of pictures
	segment, fragment time.Duration
	minimumFinal      time.Duration
	duration          time.Duration // of the longest input, 0 for not known
	singleFile        bool
	iframes           bool
	baseURL           string
	encryption        map[plan.GroupKind]*packageEncryption
}

// packageEncryption is how a group is encrypted.
type packageEncryption struct {
	method            plan.Method
	iv                []byte
	clearLead, hideIV bool
	sessionKey        bool
	keys              []labelledKey
	keyURL            string
	keyFormat         string
	keyFormatVersions string
	static            bool // HLS is told keyURL and nothing of DRM
	// request is of keys that come from a key server, uses what it is asked for: keys then have labels alone.
	request *plan.KeyRequest
	uses    []cpix.Use
}

// labelledKey is a content key for the tracks of a label, "" for all.
type labelledKey struct {
	label string
	cenc.Protection
}

// groupNames are the directories of groups, and what users call them.
var groupNames = map[plan.GroupKind]string{plan.AppleHLS: "hls", plan.CMAF: "cmaf", plan.DASH: "dash", plan.Smooth: "mss"}

// The layout of transport streams: the identifiers that MediaConvert uses.
const (
	packagePMT         = 480
	packageVideo       = 481
	packageAudio       = 482
	packageFramesOfPES = 4
)

const segmentDigits = 5

// packagePlan plans the packages of tracks. Renditions are named t0, t1 and so on, as the tracks are numbered. The keys are those of Options.Keys of the packager.
func packagePlan(tracks []packageTrack, o packageOptions) (*plan.Plan, map[int][]cenc.Protection, error) {
	if len(tracks) == 0 {
		return nil, nil, errors.New("there is no track to package")
	}
	if len(o.groups) == 0 {
		return nil, nil, errors.New("nothing to make: give --hls, --dash, --cmaf or --mss, or several of them")
	}
	p := &plan.Plan{Duration: o.duration}
	stems, err := stemsOf(tracks)
	if err != nil {
		return nil, nil, err
	}
	for i := range tracks {
		t := &tracks[i]
		d := plan.Rendition{ID: rendition(i)}
		switch t.Kind {
		case media.Video:
			d.Video = &plan.Video{Codec: t.Codec, Picture: plan.Picture{Width: t.Width, Height: t.Height, FrameRate: t.FrameRate}, ClosedGOP: true}
		case media.Audio:
			d.Audio = &plan.Audio{Codec: t.Codec, SampleRate: t.SampleRate, Channels: t.Channels, Language: t.Language}
		default:
			return nil, nil, fmt.Errorf("%s: a track of %v cannot be packaged", t.from, t.Kind)
		}
		p.Renditions = append(p.Renditions, d)
	}
	keys := map[int][]cenc.Protection{}
	for n, kind := range o.groups {
		g := &packageGroup{packageOptions: &o, kind: kind, tracks: tracks, stems: stems}
		if err := g.build(n); err != nil {
			return nil, nil, fmt.Errorf("--%s: %w", groupNames[kind], err)
		}
		p.Streams = append(p.Streams, g.out)
		if len(g.keys) > 0 {
			keys[n] = g.keys
		}
	}
	return p, keys, nil
}

func rendition(track int) string { return "t" + strconv.Itoa(track) }

// stemsOf names tracks: video_1080p, audio_en, and those that would have one name again with _2 and so on.
func stemsOf(tracks []packageTrack) ([]string, error) {
	stems, seen := make([]string, len(tracks)), map[string]bool{}
	for i := range tracks {
		if stem := tracks[i].stem; stem != "" {
			if seen[stem] {
				return nil, fmt.Errorf("%s: two tracks are called %s", tracks[i].from, stem)
			}
			stems[i], seen[stem] = stem, true
		}
	}
	for i := range tracks {
		t := &tracks[i]
		if stems[i] != "" {
			continue
		}
		stem := t.Kind.String()
		switch {
		case t.Kind == media.Video:
			stem += fmt.Sprintf("_%dp", t.Height)
		case t.language != "":
			stem += "_" + t.language
		}
		free := stem
		for n := 2; seen[free]; n++ {
			free = fmt.Sprintf("%s_%d", stem, n)
		}
		stems[i], seen[free] = free, true
	}
	return stems, nil
}

// packageGroup is a group that is being planned.
type packageGroup struct {
	*packageOptions
	kind   plan.GroupKind
	tracks []packageTrack
	stems  []string
	out    plan.StreamGroup
	keys   []cenc.Protection
}

func (g *packageGroup) at(name string) plan.Location {
	return plan.Location{Bucket: packageBucket, Key: groupNames[g.kind] + "/" + name}
}

func (g *packageGroup) build(number int) error {
	if g.kind == plan.Smooth && g.minimumFinal > 0 {
		return errors.New("--min-final-length does not go with Smooth Streaming: a chunk is one fragment, and none is joined to another")
	}
	g.out = plan.StreamGroup{
		Kind: g.kind, Group: number, SingleFile: g.singleFile && g.kind != plan.Smooth, SignedOffsets: true,
		Cut: plan.Cut{Length: g.segment, MinimumFinal: g.minimumFinal, Control: plan.GOPMultiple},
	}
	if g.fragmented() && g.kind != plan.Smooth {
		g.out.Cut.Fragment = g.fragment
	}
	if err := g.encrypt(); err != nil {
		return err
	}
	if g.kind == plan.AppleHLS && g.muxed && !g.fragmented() {
		if err := g.mux(); err != nil {
			return err
		}
	} else {
		for i := range g.tracks {
			if err := g.add(i, nil); err != nil {
				return err
			}
		}
	}
	g.group()
	all := make([]int, len(g.out.Representations))
	for i := range all {
		all[i] = i
	}
	if g.kind == plan.AppleHLS || g.kind == plan.CMAF {
		g.out.HLS = []plan.HLSManifest{{Location: g.at("master.m3u8"), Representations: all, HLSOptions: plan.HLSOptions{BaseURL: g.baseURL}}}
	}
	if g.kind == plan.DASH || g.kind == plan.CMAF {
		m := plan.DASHManifest{Location: g.at("manifest.mpd"), Representations: all, Style: plan.FullStyle, BaseURL: g.baseURL}
		if g.singleFile {
			m.Profile = plan.OnDemandProfile
		}
		g.out.DASH = []plan.DASHManifest{m}
	}
	if g.kind == plan.Smooth {
		g.out.Smooth = []plan.SmoothManifest{{Client: g.at("manifest.ismc"), Server: g.at("manifest.ism"), Representations: all}}
	}
	return nil
}

// fragmented reports whether the group's segments are fragmented MP4.
func (g *packageGroup) fragmented() bool { return g.kind != plan.AppleHLS || g.fmp4 }

// mux plans a transport stream of each picture with all sound.
func (g *packageGroup) mux() error {
	var sound, pictures []int
	for i := range g.tracks {
		if g.tracks[i].Kind == media.Video {
			pictures = append(pictures, i)
		} else {
			sound = append(sound, i)
		}
	}
	if len(pictures) == 0 || len(sound) == 0 {
		return errors.New("--muxed needs pictures and sound")
	}
	for _, i := range pictures {
		if err := g.add(i, sound); err != nil {
			return err
		}
	}
	return nil
}

// fits says whether the format of the group's segments carries a codec.
func (g *packageGroup) fits(t *packageTrack) error {
	switch {
	case !g.fragmented() && t.Codec == media.AV1:
		return fmt.Errorf("%s: transport streams do not carry %s; --segments fmp4 does", t.from, t.Codec)
	case t.Codec == media.HEVC && g.out.Encryption != nil && g.out.Encryption.Method == plan.SampleAES:
		return fmt.Errorf("%s: sample-aes in transport streams is not specified for %s; --segments fmp4 with cbcs is", t.from, t.Codec)
	case g.kind == plan.Smooth && t.Codec != media.AVC && t.Codec != media.AAC && t.Codec != media.AC3 && t.Codec != media.EAC3:
		return fmt.Errorf("%s: Smooth Streaming does not carry %s", t.from, t.Codec)
	}
	return nil
}

// add plans the representation of a track, and of sound in the same transport stream.
func (g *packageGroup) add(track int, sound []int) error {
	t, stem := &g.tracks[track], g.stems[track]
	r := plan.Representation{Output: len(g.out.Representations), Digits: segmentDigits, First: 1, Key: -1, Segments: g.at(stem + "/")}
	if g.singleFile {
		r.Segments = g.at(stem)
	}
	for _, i := range append([]int{track}, sound...) {
		if err := g.fits(&g.tracks[i]); err != nil {
			return err
		}
		if i != track || t.Kind == media.Audio {
			r.Audio = append(r.Audio, rendition(i))
		}
	}
	if t.Kind == media.Video {
		r.Video, r.FrameRate = rendition(track), t.FrameRate
	} else {
		r.Attributes = plan.Attributes{Name: t.name, Language: t.language, Default: t.defaulted, AutoSelect: true, Described: t.described}
	}
	switch {
	case g.kind == plan.Smooth:
		r.Format, r.Extension = plan.PIFF, ".isma"
		if t.Kind == media.Video {
			r.Extension = ".ismv"
		}
		r.SmoothFile = g.at(stem + r.Extension)
	case g.fragmented():
		r.Format, r.Extension = plan.FragmentedMP4, ".m4s"
		if g.singleFile {
			r.Extension = ".mp4"
		} else {
			r.Init = g.at(stem + "/init.mp4")
		}
	default:
		r.Format, r.Extension, r.TS = plan.TransportStreamSegments, ".ts", transportStream(t.Kind == media.Video, len(r.Audio))
	}
	if g.kind == plan.AppleHLS || g.kind == plan.CMAF {
		r.Playlist = g.at(stem + ".m3u8")
	}
	if t.Kind == media.Video && g.iframes && g.kind != plan.Smooth {
		r.IFrames = g.trickPlay(stem, r.Extension)
	}
	for _, i := range append([]int{track}, sound...) {
		key, err := g.key(&g.tracks[i])
		if err != nil {
			return err
		}
		if i != track && key != r.Key {
			return fmt.Errorf("%s and %s share a transport stream and do not have the same key", t.from, g.tracks[i].from)
		}
		r.Key = key
	}
	g.out.Representations = append(g.out.Representations, r)
	return nil
}

// trickPlay plans the key frames alone. In transport streams they are ranges of the segments.
func (g *packageGroup) trickPlay(stem, extension string) *plan.IFrames {
	f := &plan.IFrames{Trick: g.fragmented()}
	if g.kind != plan.DASH {
		f.Playlist = g.at(stem + "_iframes.m3u8")
	}
	if !g.fragmented() {
		return f
	}
	f.Extension = extension
	if f.Segments = g.at(stem + "_iframes"); !g.singleFile {
		f.Segments, f.Init = g.at(stem+"_iframes/"), g.at(stem+"_iframes/init.mp4")
	}
	return f
}

func transportStream(picture bool, sound int) plan.TransportStream {
	ts := plan.TransportStream{ProgramNumber: 1, TransportStreamID: 1, PMTPID: packagePMT, VideoPID: packageVideo, PCRPID: packageVideo, AudioFramesPerPES: packageFramesOfPES}
	for i := range sound {
		ts.AudioPIDs = append(ts.AudioPIDs, packageAudio+i)
	}
	if !picture {
		ts.PCRPID = packageAudio
	}
	return ts
}

// group sorts sound into groups, one for each codec, and says which pictures go with it.
func (g *packageGroup) group() {
	codecs := map[media.Codec]bool{}
	for i := range g.out.Representations {
		r := &g.out.Representations[i]
		if r.Video == "" {
			codecs[g.codec(r)] = true
		}
	}
	var groups []string
	defaulted, named := map[string]bool{}, map[string]bool{}
	for i := range g.out.Representations {
		r := &g.out.Representations[i]
		if r.Video != "" {
			continue
		}
		if r.GroupID = "audio"; len(codecs) > 1 {
			r.GroupID += "-" + strings.ToLower(string(g.codec(r)))
		}
		if _, known := defaulted[r.GroupID]; !known {
			groups = append(groups, r.GroupID)
			defaulted[r.GroupID] = false
		}
		defaulted[r.GroupID] = defaulted[r.GroupID] || r.Default
	}
	for i := range g.out.Representations {
		r := &g.out.Representations[i]
		if r.Video != "" {
			r.AudioGroup = strings.Join(groups, ",")
			continue
		}
		if !defaulted[r.GroupID] {
			r.Default, defaulted[r.GroupID] = true, true
		}
		if r.Name == "" {
			r.Name = r.Language
		}
		if r.Name == "" {
			r.Name = "audio"
		}
		for free, n := r.Name, 2; ; n++ {
			if !named[r.GroupID+"\n"+free] {
				r.Name = free
				break
			}
			free = fmt.Sprintf("%s %d", r.Name, n)
		}
		named[r.GroupID+"\n"+r.Name] = true
	}
}

func (g *packageGroup) codec(r *plan.Representation) media.Codec {
	n, _ := strconv.Atoi(strings.TrimPrefix(r.Audio[0], "t"))
	return g.tracks[n].Codec
}

// methodsOf are the ways to encrypt the segments of each kind, by the names that users give them.
func (g *packageGroup) methodsOf() map[plan.Method]string {
	switch {
	case g.kind == plan.Smooth:
		return map[plan.Method]string{plan.PIFFCTR: "cenc"}
	case g.kind == plan.AppleHLS && !g.fmp4:
		return map[plan.Method]string{plan.AES128: "aes-128", plan.SampleAES: "sample-aes"}
	}
	return map[plan.Method]string{plan.CBCS: "cbcs", plan.CENC: "cenc"}
}

func (g *packageGroup) encrypt() error {
	e := g.encryption[g.kind]
	if e == nil {
		return nil
	}
	if g.methodsOf()[e.method] == "" {
		return fmt.Errorf("its segments are not encrypted by %s; what they can be encrypted by: %s", methodNames[e.method], listed(g.methodsOf()))
	}
	switch {
	case e.iv != nil && (e.method == plan.CENC || e.method == plan.PIFFCTR):
		return errors.New("--iv does not go with cenc: every sample has a vector of its own, and one that came again would give both away")
	case g.kind == plan.Smooth && len(e.keys) > 1:
		return errors.New("all streams of Smooth Streaming have one key")
	case e.clearLead && g.kind == plan.Smooth:
		return errors.New("--clear-lead does not go with Smooth Streaming")
	case e.clearLead && e.method == plan.SampleAES:
		return errors.New("--clear-lead does not go with sample-aes: a transport stream or packed audio is encrypted from its beginning; --encrypt aes-128 or --segments fmp4 have a clear lead")
	case e.hideIV && e.iv == nil:
		return errors.New("--hide-iv needs --iv: players could not know the vector")
	}
	out := &plan.ContentEncryption{Method: e.method, ConstantIV: e.iv, HideIV: e.hideIV, SessionKey: e.sessionKey, ClearLead: e.clearLead}
	for _, k := range e.keys {
		out.Keys = append(out.Keys, plan.KeyUse{Track: k.label})
		if e.request == nil {
			g.keys = append(g.keys, k.Protection)
		}
	}
	out.SPEKE = e.request
	if e.static {
		out.Static = &plan.StaticSignal{URL: e.keyURL, KeyFormat: e.keyFormat, KeyFormatVersions: e.keyFormatVersions}
	}
	g.out.Encryption = out
	return nil
}

// clearLabel is the label of tracks that stay clear.
const clearLabel = "clear"

// The most pixels of the labels by which shaka-packager tells pictures apart.
const (
	maxSD   = 768 * 576
	maxHD   = 1920 * 1080
	maxUHD1 = 4096 * 2160
)

// classOf is the label that shaka-packager would choose.
func classOf(t *media.Track) string {
	pixels := t.Width * t.Height
	switch {
	case t.Kind == media.Audio:
		return "AUDIO"
	case pixels <= maxSD:
		return "SD"
	case pixels <= maxHD:
		return "HD"
	case pixels <= maxUHD1:
		return "UHD1"
	}
	return "UHD2"
}

// key is the place of a track's key in the group's, -1 for none. A track without a label takes the key of its class (SD, HD, UHD1, UHD2, AUDIO), else that of its kind, else the
// one for all.
func (g *packageGroup) key(t *packageTrack) (int, error) {
	e := g.encryption[g.kind]
	if e == nil || strings.EqualFold(t.label, clearLabel) {
		return -1, nil
	}
	if e.uses != nil {
		if t.label != "" {
			return 0, fmt.Errorf("%s: key=%s: the presets of the contract say which key a track has; key=%s leaves one clear", t.from, t.label, clearLabel)
		}
		key, open := cpix.Match(e.uses, t.Kind, t.Width, t.Height, t.Channels)
		if key < 0 && !open {
			return 0, fmt.Errorf("%s: the contract with the key server has no key for it", t.from)
		}
		return key, nil
	}
	labels := []string{t.label}
	if t.label == "" {
		labels = []string{classOf(t.Track), t.Kind.String(), ""}
	}
	for _, l := range labels {
		for i := range e.keys {
			if strings.EqualFold(e.keys[i].label, l) {
				return i, nil
			}
		}
	}
	if t.label != "" {
		return 0, fmt.Errorf("%s: no key is labelled %s", t.from, t.label)
	}
	return 0, fmt.Errorf("%s: no key is for it: none is labelled %s or %s, and none is for all tracks. key=%s leaves a track clear", t.from, labels[0], labels[1], clearLabel)
}
