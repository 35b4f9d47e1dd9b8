package plan

import (
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/job"
)

// The defaults of the model and of the service's console for Apple HLS.
const (
	defaultSegmentSeconds = 10
	defaultAudioGroup     = "program_audio"
	defaultPMTPID         = 480
	defaultVideoPID       = 481
	defaultAudioPID       = 482
	defaultProgram        = 1
	defaultFramesPerPES   = 4
)

func (b *builder) hlsGroup(index int, g *types.OutputGroup) error {
	s := g.OutputGroupSettings.HlsGroupSettings
	dest, err := resolveDestination(groupDestination(g), b.input, b.variables())
	if err != nil {
		return job.Errorf(1040, "/outputGroups/%d: destination: %v.", index, err)
	}
	if dest.storage, err = groupStorage(fmt.Sprintf("/outputGroups/%d", index), g); err != nil {
		return err
	}
	seconds := defaultSegmentSeconds
	if s.SegmentLength != nil {
		seconds = int(*s.SegmentLength)
	}
	h := HLSGroup{
		Master:             dest.location(dest.base + ".m3u8"),
		SegmentLength:      time.Duration(seconds) * time.Second,
		MinSegmentLength:   max(time.Duration(aws.ToInt32(s.MinSegmentLength))*time.Second, time.Duration(aws.ToFloat64(s.MinFinalSegmentLength)*float64(time.Second))),
		IntegerDurations:   s.ManifestDurationFormat == types.HlsManifestDurationFormatInteger,
		CodecsInMaster:     s.CodecSpecification != types.HlsCodecSpecificationRfc4281,
		ResolutionInMaster: s.StreamInfResolution != types.HlsStreamInfResolutionExclude,
		AllowCache:         s.ClientCache != types.HlsClientCacheDisabled,
		NoManifests:        s.OutputSelection == types.HlsOutputSelectionSegmentsOnly,
		Group:              index,
	}
	group := Group{Type: "HLS_GROUP", Playlists: []string{h.Master.URI()}}
	for i := range g.Outputs {
		o := &g.Outputs[i]
		path := fmt.Sprintf("/outputGroups/%d/outputs/%d", index, i)
		t, err := b.tracks(o, path, h.SegmentLength)
		if err != nil {
			return err
		}
		name, err := b.hlsNames(o, t, dest, path)
		if err != nil {
			return err
		}
		ts := transportStream(o.ContainerSettings.M3u8Settings, t.video != nil, len(t.audio))
		if t.video == nil {
			h.AudioGroups = append(h.AudioGroups, b.hlsAudio(o, t, name, ts, i, h.AudioGroups))
		} else {
			v := HLSVariant{
				Playlist: name.playlist, SegmentPrefix: name.segments, Video: t.videoID, Audio: t.audioIDs,
				TS: ts, Output: i, FrameRate: t.video.FrameRate,
			}
			if hs := hlsSettings(o); hs != nil {
				v.AudioGroup = aws.ToString(hs.AudioRenditionSets)
			}
			h.Variants = append(h.Variants, v)
		}
		group.Outputs = append(group.Outputs, t.output(name.playlist.URI()))
	}
	h.joinAudioGroups()
	if h.NoManifests {
		group.Playlists = nil
		for i := range group.Outputs {
			group.Outputs[i].Paths = nil
		}
	}
	b.plan.HLS = append(b.plan.HLS, h)
	b.plan.Groups = append(b.plan.Groups, group)
	return nil
}

func hlsSettings(o *types.Output) *types.HlsSettings {
	if o.OutputSettings == nil {
		return nil
	}
	return o.OutputSettings.HlsSettings
}

type hlsNames struct {
	playlist, segments Location
}

func (b *builder) hlsNames(o *types.Output, t *tracks, dest destination, path string) (hlsNames, error) {
	vars := b.names(t.video, nil, t.audio, "m3u8")
	modifier, err := vars.expand(aws.ToString(o.NameModifier), modifierNames)
	if err != nil {
		return hlsNames{}, job.Errorf(1040, "%s/nameModifier: %v.", path, err)
	}
	segment := ""
	if hs := hlsSettings(o); hs != nil {
		vars.segment = true
		if segment, err = vars.expand(aws.ToString(hs.SegmentModifier), modifierNames); err != nil {
			return hlsNames{}, job.Errorf(1040, "%s/outputSettings/hlsSettings/segmentModifier: %v.", path, err)
		}
	}
	ext := extension(o, "m3u8")
	return hlsNames{
		playlist: dest.location(dest.base + modifier + "." + ext),
		segments: dest.location(dest.base + modifier + segment),
	}, nil
}

func transportStream(m *types.M3u8Settings, video bool, audio int) TransportStream {
	if m == nil {
		m = &types.M3u8Settings{}
	}
	or := func(p *int32, usual int) int {
		if p == nil {
			return usual
		}
		return int(*p)
	}
	ts := TransportStream{
		ProgramNumber:     or(m.ProgramNumber, defaultProgram),
		TransportStreamID: or(m.TransportStreamId, 1),
		PMTPID:            or(m.PmtPid, defaultPMTPID),
		VideoPID:          or(m.VideoPid, defaultVideoPID),
		PATInterval:       time.Duration(or(m.PatInterval, 0)) * time.Millisecond,
		PMTInterval:       time.Duration(or(m.PmtInterval, 0)) * time.Millisecond,
		AudioFramesPerPES: or(m.AudioFramesPerPes, defaultFramesPerPES),
	}
	if ts.AudioFramesPerPES == 0 {
		ts.AudioFramesPerPES = defaultFramesPerPES
	}
	for i := range audio {
		pid := defaultAudioPID + i
		if i < len(m.AudioPids) {
			pid = int(m.AudioPids[i])
		}
		ts.AudioPIDs = append(ts.AudioPIDs, pid)
	}
	switch {
	case m.PcrPid != nil:
		ts.PCRPID = int(*m.PcrPid)
	case video:
		ts.PCRPID = ts.VideoPID
	case audio > 0:
		ts.PCRPID = ts.AudioPIDs[0]
	}
	return ts
}

func (b *builder) hlsAudio(o *types.Output, t *tracks, name hlsNames, ts TransportStream, index int, before []HLSAudio) HLSAudio {
	a := HLSAudio{
		Playlist: name.playlist, SegmentPrefix: name.segments, Audio: t.audioIDs[0], GroupID: defaultAudioGroup,
		Language: t.audio[0].Language, TS: ts, Output: index,
	}
	kind := types.HlsAudioTrackType("")
	if hs := hlsSettings(o); hs != nil {
		if id := aws.ToString(hs.AudioGroupId); id != "" {
			a.GroupID = id
		}
		kind = hs.AudioTrackType
	}
	first := true
	names := map[string]bool{}
	for _, other := range before {
		if other.GroupID == a.GroupID {
			first = false
			names[other.Name] = true
		}
	}
	switch kind {
	case types.HlsAudioTrackTypeAlternateAudioAutoSelect:
		a.AutoSelect = true
	case types.HlsAudioTrackTypeAlternateAudioNotAutoSelect:
	case types.HlsAudioTrackTypeAudioOnlyVariantStream:
		a.Variant = true
	case types.HlsAudioTrackTypeAlternateAudioAutoSelectDefault:
		a.AutoSelect, a.Default = true, true
	default:
		a.AutoSelect, a.Default = true, first
	}
	a.Name = aws.ToString(o.AudioDescriptions[0].StreamName)
	if a.Name == "" {
		a.Name = a.Language
	}
	if a.Name == "" || names[a.Name] {
		a.Name = fmt.Sprintf("Audio %d", len(before)+1)
	}
	return a
}

// joinAudioGroups ties variants to the groups of sound. A variant that names a group which no output makes has none; one without sound of
// its own that names no group takes the first; and sound that no variant refers to is a variant itself, or nobody would hear it.
func (h *HLSGroup) joinAudioGroups() {
	first := ""
	have := map[string]bool{}
	for _, a := range h.AudioGroups {
		if a.Variant {
			continue
		}
		if first == "" {
			first = a.GroupID
		}
		have[a.GroupID] = true
	}
	used := map[string]bool{}
	for i := range h.Variants {
		v := &h.Variants[i]
		if v.AudioGroup == "" && len(v.Audio) == 0 {
			v.AudioGroup = first
		}
		if !have[v.AudioGroup] {
			v.AudioGroup = ""
		}
		used[v.AudioGroup] = true
	}
	for i := range h.AudioGroups {
		if a := &h.AudioGroups[i]; !used[a.GroupID] {
			a.Variant = true
		}
	}
}
