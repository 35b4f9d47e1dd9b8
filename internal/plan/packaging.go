package plan

import (
	"cmp"
	"math"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// The defaults of the model for segments and fragments.
const (
	defaultHLSSegment      = 10 * time.Second
	defaultCMAFSegment     = 10 * time.Second
	defaultDASHSegment     = 30 * time.Second
	defaultFragment        = 2 * time.Second
	defaultDateTimePeriod  = 600 * time.Second
	defaultID3Period       = 10 * time.Second
	defaultThumbnailWidth  = 312
	hlsDigits, fmp4Digits  = 5, 9
	maxTilesHeight         = 4096 // pixels of a whole image, by the API
	defaultTileColumns     = 10
	defaultTileRows        = 10
	defaultEventScheme     = "https://aomedia.org/emsg/ID3"
	defaultMetadataPID     = 502
	maxAdditionalManifests = 10 // MediaConvert User Guide, "Creating additional manifests"
)

// packaging is what the settings of a segmented output group ask for: the four structures of the API as one.
type packaging struct {
	kind                GroupKind
	member              string // hlsGroupSettings and so on
	destination         string
	cut                 Cut
	singleFile          bool
	signed, keepPTS     bool
	writeHLS, writeDASH bool
	hls                 HLSOptions
	programDateTime     bool
	dash                DASHManifest // without what depends on outputs
	utf16               bool
	combineAudio        bool // identical sound of several outputs is one stream
	subdirectories      bool
	largeCaptions       bool // segments of captions are longer than those of pictures
	iFrameModifier      string
	images              *imageSettings
	idleImages          bool // there are settings of image-based trick play that nothing asks for
	manifests           []additionalManifest
	id3Period           time.Duration
	id3Frame            string
}

// additionalManifest is a manifest of some of the outputs, which are named by their name modifiers.
type additionalManifest struct {
	modifier string
	outputs  []string
}

// imageSettings are those of image-based trick play.
type imageSettings struct {
	fullFrame     bool // pictures in full size besides the tiles
	cadence       string
	interval      float64 // seconds, of FOLLOW_CUSTOM
	width, height int
	columns, rows int
	// What the job says itself, though cadence or rows would do without.
	intervalGiven, rowsGiven bool
}

// kindOf is the kind of a streaming group, zero for others.
func kindOf(s *types.OutputGroupSettings) GroupKind {
	if s == nil {
		return 0
	}
	return map[types.OutputGroupType]GroupKind{
		types.OutputGroupTypeHlsGroupSettings: AppleHLS, types.OutputGroupTypeCmafGroupSettings: CMAF,
		types.OutputGroupTypeDashIsoGroupSettings: DASH, types.OutputGroupTypeMsSmoothGroupSettings: Smooth,
	}[s.Type]
}

// memberOf is the member of the API that has the settings of a kind of group.
func memberOf(k GroupKind) string {
	return map[GroupKind]string{AppleHLS: "hlsGroupSettings", CMAF: "cmafGroupSettings", DASH: "dashIsoGroupSettings", Smooth: "msSmoothGroupSettings"}[k]
}

// newPackaging reads the settings of a group; nil where it is none of segments, or has no settings of its type.
func newPackaging(s *types.OutputGroupSettings) *packaging {
	kind := kindOf(s)
	p := &packaging{kind: kind, member: memberOf(kind)}
	switch {
	case kind == AppleHLS && s.HlsGroupSettings != nil:
		p.readHLS(s.HlsGroupSettings)
	case kind == CMAF && s.CmafGroupSettings != nil:
		p.readCMAF(s.CmafGroupSettings)
	case kind == DASH && s.DashIsoGroupSettings != nil:
		p.readDASH(s.DashIsoGroupSettings)
	case kind == Smooth && s.MsSmoothGroupSettings != nil:
		p.readSmooth(s.MsSmoothGroupSettings)
	default:
		return nil
	}
	return p
}

func (p *packaging) readHLS(s *types.HlsGroupSettings) {
	p.destination = aws.ToString(s.Destination)
	p.cut = Cut{
		Length: seconds(s.SegmentLength, defaultHLSSegment), Control: control(string(s.SegmentLengthControl)),
		Minimum: seconds(s.MinSegmentLength, 0), MinimumFinal: fraction(s.MinFinalSegmentLength),
	}
	p.subdirectories = s.DirectoryStructure == types.HlsDirectoryStructureSubdirectoryPerStream
	if p.subdirectories { // "to have an effect"
		p.cut.PerDirectory = int(aws.ToInt32(s.SegmentsPerSubdirectory))
	}
	p.singleFile = s.SegmentControl == types.HlsSegmentControlSingleFile
	p.largeCaptions = s.CaptionSegmentLengthControl != types.HlsCaptionSegmentLengthControlMatchVideo
	p.writeHLS = s.OutputSelection != types.HlsOutputSelectionSegmentsOnly
	p.hls = HLSOptions{
		IntegerDurations: s.ManifestDurationFormat == types.HlsManifestDurationFormatInteger,
		RFC4281:          s.CodecSpecification == types.HlsCodecSpecificationRfc4281,
		NoResolution:     s.StreamInfResolution == types.HlsStreamInfResolutionExclude,
		NoCache:          s.ClientCache == types.HlsClientCacheDisabled,
		Gzip:             s.ManifestCompression == types.HlsManifestCompressionGzip,
		LegacyTarget:     s.TargetDurationCompatibilityMode == types.HlsTargetDurationCompatibilityModeLegacy,
		BaseURL:          aws.ToString(s.BaseUrl),
		NoClosedCaptions: s.CaptionLanguageSetting == types.HlsCaptionLanguageSettingNone,
	}
	p.programDateTime = s.ProgramDateTime == types.HlsProgramDateTimeInclude
	if p.programDateTime {
		p.hls.ProgramDateTime = seconds(s.ProgramDateTimePeriod, defaultDateTimePeriod)
		if p.hls.ProgramDateTime == 0 { // each segment
			p.hls.ProgramDateTime = time.Nanosecond
		}
	}
	if s.TimedMetadataId3Frame == types.HlsTimedMetadataId3FramePriv || s.TimedMetadataId3Frame == types.HlsTimedMetadataId3FrameTdrl {
		p.id3Frame, p.id3Period = string(s.TimedMetadataId3Frame), seconds(s.TimedMetadataId3Period, defaultID3Period)
	}
	i := cmp.Or(s.ImageBasedTrickPlaySettings, &types.HlsImageBasedTrickPlaySettings{})
	p.image(string(s.ImageBasedTrickPlay), string(i.IntervalCadence), i.ThumbnailInterval, i.ThumbnailWidth, i.ThumbnailHeight, i.TileWidth, i.TileHeight)
	for _, m := range s.AdditionalManifests {
		p.manifests = append(p.manifests, additionalManifest{aws.ToString(m.ManifestNameModifier), m.SelectedOutputs})
	}
}

func (p *packaging) readCMAF(s *types.CmafGroupSettings) {
	p.destination = aws.ToString(s.Destination)
	p.cut = Cut{
		Length: seconds(s.SegmentLength, defaultCMAFSegment), Fragment: seconds(s.FragmentLength, defaultFragment),
		Control: control(string(s.SegmentLengthControl)), MinimumFinal: fraction(s.MinFinalSegmentLength),
	}
	p.singleFile = s.SegmentControl == types.CmafSegmentControlSingleFile
	p.signed = s.VideoCompositionOffsets == types.CmafVideoCompositionOffsetsSigned
	p.keepPTS = s.PtsOffsetHandlingForBFrames == types.CmafPtsOffsetHandlingForBFramesMatchInitialPts
	p.writeHLS = s.WriteHlsManifest != types.CmafWriteHLSManifestDisabled
	p.writeDASH = s.WriteDashManifest != types.CmafWriteDASHManifestDisabled
	p.hls = HLSOptions{
		IntegerDurations: s.ManifestDurationFormat == types.CmafManifestDurationFormatInteger,
		RFC4281:          s.CodecSpecification == types.CmafCodecSpecificationRfc4281,
		NoResolution:     s.StreamInfResolution == types.CmafStreamInfResolutionExclude,
		NoCache:          s.ClientCache == types.CmafClientCacheDisabled,
		Gzip:             s.ManifestCompression == types.CmafManifestCompressionGzip,
		LegacyTarget:     s.TargetDurationCompatibilityMode == types.CmafTargetDurationCompatibilityModeLegacy,
		BaseURL:          aws.ToString(s.BaseUrl),
	}
	p.dash = DASHManifest{
		MinBufferTime: seconds(s.MinBufferTime, 0), Style: style(s.DashManifestStyle), BaseURL: aws.ToString(s.BaseUrl),
		Precise:      s.WriteSegmentTimelineInRepresentation == types.CmafWriteSegmentTimelineInRepresentationEnabled,
		MaxBandwidth: s.MpdManifestBandwidthType == types.CmafMpdManifestBandwidthTypeMax,
	}
	if s.MpdProfile == types.CmafMpdProfileOnDemandProfile {
		p.dash.Profile = OnDemandProfile
	}
	p.iFrameModifier = aws.ToString(s.DashIFrameTrickPlayNameModifier)
	i := cmp.Or(s.ImageBasedTrickPlaySettings, &types.CmafImageBasedTrickPlaySettings{})
	p.image(string(s.ImageBasedTrickPlay), string(i.IntervalCadence), i.ThumbnailInterval, i.ThumbnailWidth, i.ThumbnailHeight, i.TileWidth, i.TileHeight)
	for _, m := range s.AdditionalManifests {
		p.manifests = append(p.manifests, additionalManifest{aws.ToString(m.ManifestNameModifier), m.SelectedOutputs})
	}
}

func (p *packaging) readDASH(s *types.DashIsoGroupSettings) {
	p.destination = aws.ToString(s.Destination)
	p.cut = Cut{
		Length: seconds(s.SegmentLength, defaultDASHSegment), Fragment: seconds(s.FragmentLength, defaultFragment),
		Control: control(string(s.SegmentLengthControl)), MinimumFinal: fraction(s.MinFinalSegmentLength),
	}
	p.singleFile = s.SegmentControl == types.DashIsoSegmentControlSingleFile
	p.signed = s.VideoCompositionOffsets == types.DashIsoVideoCompositionOffsetsSigned
	p.keepPTS = s.PtsOffsetHandlingForBFrames == types.DashIsoPtsOffsetHandlingForBFramesMatchInitialPts
	p.writeDASH = true
	p.dash = DASHManifest{
		MinBufferTime: seconds(s.MinBufferTime, 0), Style: style(s.DashManifestStyle), BaseURL: aws.ToString(s.BaseUrl),
		Precise:       s.WriteSegmentTimelineInRepresentation == types.DashIsoWriteSegmentTimelineInRepresentationEnabled,
		MaxBandwidth:  s.MpdManifestBandwidthType == types.DashIsoMpdManifestBandwidthTypeMax,
		HbbTV:         s.HbbtvCompliance == types.DashIsoHbbtvComplianceHbbtv15,
		DolbyChannels: s.AudioChannelConfigSchemeIdUri == types.DashIsoGroupAudioChannelConfigSchemeIdUriDolbyChannelConfiguration,
	}
	if s.MpdProfile == types.DashIsoMpdProfileOnDemandProfile {
		p.dash.Profile = OnDemandProfile
	}
	p.iFrameModifier = aws.ToString(s.DashIFrameTrickPlayNameModifier)
	i := cmp.Or(s.ImageBasedTrickPlaySettings, &types.DashIsoImageBasedTrickPlaySettings{})
	p.image(string(s.ImageBasedTrickPlay), string(i.IntervalCadence), i.ThumbnailInterval, i.ThumbnailWidth, i.ThumbnailHeight, i.TileWidth, i.TileHeight)
	for _, m := range s.AdditionalManifests {
		p.manifests = append(p.manifests, additionalManifest{aws.ToString(m.ManifestNameModifier), m.SelectedOutputs})
	}
}

func (p *packaging) readSmooth(s *types.MsSmoothGroupSettings) {
	p.destination = aws.ToString(s.Destination)
	length := seconds(s.FragmentLength, defaultFragment)
	p.cut = Cut{Length: length, Control: control(string(s.FragmentLengthControl))}
	p.utf16 = s.ManifestEncoding == types.MsSmoothManifestEncodingUtf16
	p.combineAudio = s.AudioDeduplication == types.MsSmoothAudioDeduplicationCombineDuplicateStreams
	for _, m := range s.AdditionalManifests {
		p.manifests = append(p.manifests, additionalManifest{aws.ToString(m.ManifestNameModifier), m.SelectedOutputs})
	}
}

// image reads image-based trick play. Its settings speak of ADVANCED alone.
func (p *packaging) image(kind, cadence string, interval *float64, width, height, columns, rows *int32) {
	i := &imageSettings{width: defaultThumbnailWidth, columns: defaultTileColumns, rows: defaultTileRows, cadence: "FOLLOW_IFRAME"}
	p.idleImages = kind != "ADVANCED" && (cadence != "" || interval != nil || width != nil || height != nil || columns != nil || rows != nil)
	switch kind {
	case "THUMBNAIL":
	case "THUMBNAIL_AND_FULLFRAME":
		i.fullFrame = true
	case "ADVANCED":
		if cadence != "" {
			i.cadence = cadence
		}
		i.interval, i.intervalGiven, i.rowsGiven = aws.ToFloat64(interval), interval != nil, rows != nil
		set := func(to *int, from *int32) {
			if from != nil {
				*to = int(*from)
			}
		}
		set(&i.width, width)
		set(&i.height, height)
		if i.cadence == "FOLLOW_SEGMENTATION" {
			i.columns, i.rows = 1, 1
		}
		set(&i.columns, columns)
		set(&i.rows, rows)
	default:
		return
	}
	p.images = i
}

func seconds(n *int32, usual time.Duration) time.Duration {
	if n == nil {
		return usual
	}
	return time.Duration(*n) * time.Second
}

// fraction reads seconds that have no bound in the model.
func fraction(n *float64) time.Duration {
	return time.Duration(min(max(0, aws.ToFloat64(n)), math.MaxInt32) * float64(time.Second))
}

func control(word string) LengthControl {
	switch word {
	case "GOP_MULTIPLE":
		return GOPMultiple
	case "MATCH":
		return MatchAudio
	}
	return Exact
}

func style(s types.DashManifestStyle) DASHStyle {
	switch s {
	case types.DashManifestStyleCompact:
		return CompactStyle
	case types.DashManifestStyleDistinct:
		return DistinctStyle
	case types.DashManifestStyleFull:
		return FullStyle
	}
	return BasicStyle
}

// outputOptions is what an output of a streaming group says of its streams.
type outputOptions struct {
	audioGroup, audioSets string
	trackType             string
	described             bool
	iFrames               string // INCLUDE, INCLUDE_AS_TS
	segmentModifier       string
	packed                bool // sound alone without a container
	metadata, signal      bool
	metadataPID           int
	scheme, value         string
	version               int
	ts                    *types.M3u8Settings
}

func newOutputOptions(kind GroupKind, o *types.Output) outputOptions {
	out := outputOptions{packed: true}
	c := o.ContainerSettings
	if c == nil {
		c = &types.ContainerSettings{}
	}
	switch kind {
	case AppleHLS:
		if o.OutputSettings != nil && o.OutputSettings.HlsSettings != nil {
			h := o.OutputSettings.HlsSettings
			out.audioGroup, out.audioSets, out.trackType = aws.ToString(h.AudioGroupId), aws.ToString(h.AudioRenditionSets), string(h.AudioTrackType)
			out.described = h.DescriptiveVideoServiceFlag == types.HlsDescriptiveVideoServiceFlagFlag
			out.iFrames, out.segmentModifier = string(h.IFrameOnlyManifest), aws.ToString(h.SegmentModifier)
			out.packed = h.AudioOnlyContainer != types.HlsAudioOnlyContainerM2ts
		}
		if out.ts = c.M3u8Settings; out.ts != nil {
			out.metadata = out.ts.TimedMetadata == types.TimedMetadataPassthrough
			out.metadataPID = defaultMetadataPID
			if out.ts.TimedMetadataPid != nil {
				out.metadataPID = int(*out.ts.TimedMetadataPid)
			}
		}
	case CMAF:
		if s := c.CmfcSettings; s != nil {
			out.audioGroup, out.audioSets, out.trackType = aws.ToString(s.AudioGroupId), aws.ToString(s.AudioRenditionSets), string(s.AudioTrackType)
			out.described = s.DescriptiveVideoServiceFlag == types.CmfcDescriptiveVideoServiceFlagFlag
			out.iFrames = string(s.IFrameOnlyManifest)
			out.metadata = s.TimedMetadata == types.CmfcTimedMetadataPassthrough
			out.signal = s.ManifestMetadataSignaling == types.CmfcManifestMetadataSignalingEnabled
			out.scheme, out.value = aws.ToString(s.TimedMetadataSchemeIdUri), aws.ToString(s.TimedMetadataValue)
			out.version = version(s.TimedMetadataBoxVersion == types.CmfcTimedMetadataBoxVersionVersion1)
		}
	case DASH:
		if s := c.MpdSettings; s != nil {
			out.metadata = s.TimedMetadata == types.MpdTimedMetadataPassthrough
			out.signal = s.ManifestMetadataSignaling == types.MpdManifestMetadataSignalingEnabled
			out.scheme, out.value = aws.ToString(s.TimedMetadataSchemeIdUri), aws.ToString(s.TimedMetadataValue)
			out.version = version(s.TimedMetadataBoxVersion == types.MpdTimedMetadataBoxVersionVersion1)
		}
	}
	if out.iFrames == "EXCLUDE" {
		out.iFrames = ""
	}
	return out
}

func version(one bool) int {
	if one {
		return 1
	}
	return 0
}
