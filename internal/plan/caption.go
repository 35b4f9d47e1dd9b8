package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/caption"
	"darkroom/internal/job"
	"darkroom/internal/mediaconvert"
)

// Captions are a file of captions beside the film.
type Captions struct {
	ID     string // c0: unique in the plan
	Input  Input
	Format caption.Format
	// Shift is added to all times of the file.
	Shift time.Duration
	// Selector is the caption selector that names the file, for messages.
	Selector string
}

// TextOptions are how captions are written.
type TextOptions struct {
	Format caption.Format
	// Styled keeps style and place of the source, as far as the format knows them.
	Styled bool
	// Merged makes one cue of those that are shown at the same times.
	Merged bool
	// Length of segments; 0 for those of the group's pictures.
	Length time.Duration
	// Whole makes one segment of all.
	Whole bool
}

// Sidecar is a file of captions in a file group.
type Sidecar struct {
	Location
	Text          string // id of captions
	Language      string // RFC 5646, "" when not known
	Captions      TextOptions
	Group, Output int
}

// largeCaptions is the length of segments for LARGE_SEGMENTS.
const largeCaptions = 300 * time.Second

// The group of captions of each format in HLS: what a player reads in one way.
var captionGroups = map[caption.Format]string{caption.WebVTT: "subs", caption.IMSC: "imsc"}

// captionSources are the types of sources that are read, and captionFormats those of destinations that are written.
var (
	captionSources = map[types.CaptionSourceType]caption.Format{
		types.CaptionSourceTypeSrt: caption.SubRip, types.CaptionSourceTypeWebvtt: caption.WebVTT, types.CaptionSourceTypeTtml: caption.TTML,
		types.CaptionSourceTypeSmpteTt: caption.TTML, types.CaptionSourceTypeImsc: caption.IMSC,
	}
	captionFormats = map[types.CaptionDestinationType]caption.Format{
		types.CaptionDestinationTypeSrt: caption.SubRip, types.CaptionDestinationTypeWebvtt: caption.WebVTT, types.CaptionDestinationTypeTtml: caption.TTML,
		types.CaptionDestinationTypeImsc: caption.IMSC,
	}
	// captionExtensions are those of files and of segments that are files of text.
	captionExtensions = map[caption.Format]string{caption.SubRip: ".srt", caption.WebVTT: ".vtt", caption.TTML: ".ttml", caption.IMSC: ".xml"}
)

// isCaptions says whether an output is one of captions, which holds nothing else.
func isCaptions(o *types.Output) bool {
	return o.VideoDescription == nil && len(o.AudioDescriptions) == 0 && len(o.CaptionDescriptions) > 0
}

// sourceFile is the file that a caption selector names, "" for none.
func sourceFile(sel *types.CaptionSelector) string {
	if sel.SourceSettings == nil || sel.SourceSettings.FileSourceSettings == nil {
		return ""
	}
	return aws.ToString(sel.SourceSettings.FileSourceSettings.SourceFile)
}

// captionInputs are the files of the caption selectors that outputs use, each once, in the order of the outputs.
func captionInputs(s *types.JobSettings) ([]Input, error) {
	var all []Input
	seen := map[string]bool{}
	for i := range s.OutputGroups {
		for j := range s.OutputGroups[i].Outputs {
			for _, d := range s.OutputGroups[i].Outputs[j].CaptionDescriptions {
				name := aws.ToString(d.CaptionSelectorName)
				for k := range s.Inputs {
					sel, there := s.Inputs[k].CaptionSelectors[name]
					if file := sourceFile(&sel); there && file != "" && !seen[file] {
						in, err := ParseInput(file)
						if err != nil {
							return nil, fmt.Errorf("/inputs/%d/captionSelectors/%s/sourceSettings/fileSourceSettings/sourceFile: %w", k, mediaconvert.Token(name), err)
						}
						seen[file] = true
						all = append(all, in)
					}
				}
			}
		}
	}
	return all, nil
}

// captions plans the one caption description of an output: the captions it takes, and how they are written.
func (b *builder) captions(o *types.Output, path string) (id, language string, opts TextOptions, err error) {
	d := &o.CaptionDescriptions[0]
	name := aws.ToString(d.CaptionSelectorName)
	sel, there := b.settings.Inputs[0].CaptionSelectors[name]
	if !there || d.DestinationSettings == nil {
		return "", "", opts, job.Errorf(1040, "%s/captionDescriptions/0: there is no caption selector %q.", path, name)
	}
	in, err := ParseInput(sourceFile(&sel))
	if err != nil {
		return "", "", opts, job.Errorf(1040, "Caption selector %q: the source file: %v.", name, err)
	}
	c := Captions{Input: in, Format: captionSources[sel.SourceSettings.SourceType], Shift: captionShift(sel.SourceSettings.FileSourceSettings), Selector: name}
	if id = b.shared(&c); id == "" {
		c.ID = fmt.Sprintf("c%d", len(b.plan.Captions))
		b.plan.Captions, id = append(b.plan.Captions, c), c.ID
	}
	if language = strings.ToLower(string(d.LanguageCode)); aws.ToString(d.CustomLanguageCode) != "" {
		language = *d.CustomLanguageCode
	}
	if language == "" {
		if language = strings.ToLower(string(sel.LanguageCode)); aws.ToString(sel.CustomLanguageCode) != "" {
			language = *sel.CustomLanguageCode
		}
	}
	to := d.DestinationSettings
	opts.Format = captionFormats[to.DestinationType]
	switch s := to; opts.Format {
	case caption.WebVTT:
		if w := s.WebvttDestinationSettings; w != nil {
			opts.Styled = w.StylePassthrough == types.WebvttStylePassthroughEnabled || w.StylePassthrough == types.WebvttStylePassthroughMerge
			opts.Merged = w.StylePassthrough == types.WebvttStylePassthroughMerge
		}
	case caption.IMSC:
		// "Keep this setting enabled" is what the model says.
		opts.Styled = s.ImscDestinationSettings == nil || s.ImscDestinationSettings.StylePassthrough != types.ImscStylePassthroughDisabled
	case caption.TTML:
		opts.Styled = s.TtmlDestinationSettings != nil && s.TtmlDestinationSettings.StylePassthrough == types.TtmlStylePassthroughEnabled
	case caption.SubRip:
		opts.Styled = s.SrtDestinationSettings != nil && s.SrtDestinationSettings.StylePassthrough == types.SrtStylePassthroughEnabled
	}
	return id, language, opts, nil
}

// shared is the id of captions that are the same, "" for none.
func (b *builder) shared(c *Captions) string {
	for i := range b.plan.Captions {
		if have := &b.plan.Captions[i]; have.Input == c.Input && have.Format == c.Format && have.Shift == c.Shift {
			return have.ID
		}
	}
	return ""
}

func captionShift(f *types.FileSourceSettings) time.Duration {
	unit := time.Second
	if f.TimeDeltaUnits == types.FileSourceTimeDeltaUnitsMilliseconds {
		unit = time.Millisecond
	}
	return time.Duration(aws.ToInt32(f.TimeDelta)) * unit
}

// sidecar plans a file of captions in a file group.
func (b *builder) sidecar(group, index int, o *types.Output, dest destination, path string) (Output, error) {
	id, language, opts, err := b.captions(o, path)
	if err != nil {
		return Output{}, err
	}
	ext := extension(o, strings.TrimPrefix(captionExtensions[opts.Format], "."))
	modifier, err := b.names(nil, nil, nil, ext).expand(aws.ToString(o.NameModifier), modifierNames)
	if err != nil {
		return Output{}, job.Errorf(1040, "%s/nameModifier: %v.", path, err)
	}
	s := Sidecar{
		Location: dest.location(dest.base + modifier + "." + strings.TrimPrefix(ext, ".")), Text: id, Language: language, Captions: opts, Group: group, Output: index,
	}
	b.plan.Sidecars = append(b.plan.Sidecars, s)
	return Output{Paths: []string{s.URI()}}, nil
}

// captions adds the streams of an output of captions. In a CMAF group WebVTT is written twice: HLS has it as segments of text (RFC 8216 3.5), DASH in fragmented MP4.
func (s *streaming) captions(index int, o *types.Output, path string) error {
	id, language, text, err := s.b.captions(o, path)
	if err != nil {
		return err
	}
	opts := newOutputOptions(s.kind, o)
	n, err := s.names(o, &tracks{text: true}, &opts, path)
	if err != nil {
		return err
	}
	base := Representation{
		Output: index, Format: n.format, Segments: n.segments, Digits: n.digits, First: 1, Extension: n.extension, ByTime: n.byTime, Init: n.init,
		Playlist: n.playlist, SmoothFile: n.smooth, Key: -1, Text: id, Captions: text, Attributes: s.subtitles(&o.CaptionDescriptions[0], language, text.Format),
	}
	report := Output{}
	switch {
	case s.kind == AppleHLS:
		switch base.Captions.Whole = s.singleFile; {
		case s.singleFile:
		case s.largeCaptions:
			base.Captions.Length = largeCaptions
		}
		if s.writeHLS {
			report.Paths = []string{n.playlist.URI()}
		}
		s.add(base, nil, nil, o)
	case s.kind == CMAF && text.Format == caption.WebVTT:
		if s.writeHLS {
			r := base
			r.Format, r.Init, r.Captions.Whole = VTTSegments, Location{}, s.singleFile
			r.Extension = strings.TrimSuffix(r.Extension, ".cmft") + captionExtensions[text.Format]
			s.add(r, nil, nil, o)
		}
		if s.writeDASH {
			base.Playlist = Location{}
			s.add(base, nil, nil, o)
		}
	case s.kind == DASH && (o.ContainerSettings.MpdSettings == nil || o.ContainerSettings.MpdSettings.CaptionContainerType != types.MpdCaptionContainerTypeFragmentedMp4):
		base.Format, base.Init, base.ByTime, base.Segments, base.Extension = TextFile, Location{}, false, n.whole, captionExtensions[text.Format]
		s.add(base, nil, nil, o)
	default:
		if s.kind == Smooth {
			report.Paths = []string{n.smooth.URI()}
		}
		s.add(base, nil, nil, o)
	}
	s.report.Outputs = append(s.report.Outputs, report)
	return nil
}

// subtitles is what manifests say of a stream of captions. The one that the job names first is the default (MediaConvert User Guide, "IMSC, TTML, and WebVTT (sidecar) output
// captions"). A player chooses by language and accessibility, so that of two that are alike in these only the first is for it to choose (RFC 8216 4.3.4.1.1).
func (s *streaming) subtitles(d *types.CaptionDescription, language string, f caption.Format) Attributes {
	a := Attributes{Language: language, Name: aws.ToString(d.LanguageDescription), AutoSelect: true, Default: true}
	if s.kind == AppleHLS || s.kind == CMAF {
		a.GroupID = captionGroups[f]
	}
	if w := d.DestinationSettings.WebvttDestinationSettings; w != nil && f == caption.WebVTT {
		a.Accessible = w.Accessibility == types.WebvttAccessibilitySubsEnabled
	}
	if i := d.DestinationSettings.ImscDestinationSettings; i != nil && f == caption.IMSC {
		a.Accessible = i.Accessibility == types.ImscAccessibilitySubsEnabled
	}
	var names []string
	outputs := map[int]bool{}
	for i := range s.out.Representations {
		r := &s.out.Representations[i]
		if r.Text == "" {
			continue
		}
		outputs[r.Output] = true
		if r.GroupID != a.GroupID {
			continue
		}
		names, a.Default = append(names, r.Name), false
		a.AutoSelect = a.AutoSelect && (r.Language != a.Language || r.Accessible != a.Accessible)
	}
	if a.Name == "" {
		a.Name = language
	}
	if a.Name == "" || slices.Contains(names, a.Name) {
		a.Name = strings.TrimSpace(fmt.Sprintf("%s Captions %d", a.Name, len(outputs)+1))
	}
	return a
}

// captionSelectors judges the caption selectors of an input.
func (c *checker) captionSelectors(path string, in *types.Input) {
	for name, sel := range in.CaptionSelectors {
		at := path + "/captionSelectors/" + mediaconvert.Token(name) + "/sourceSettings"
		s := sel.SourceSettings
		if s == nil || captionSources[s.SourceType] == 0 {
			continue // the rules of the service, and the table, speak of it
		}
		switch f := s.FileSourceSettings; {
		case f == nil && s.SourceType == types.CaptionSourceTypeImsc:
			c.lack(at+"/sourceType", "captions in an IMF package are not carried out; name a file in fileSourceSettings")
		case f == nil && s.WebvttHlsSourceSettings != nil: // the table speaks of it
		case f == nil:
			c.missing(at, "fileSourceSettings")
		case f.SourceFile == nil:
			c.missing(at+"/fileSourceSettings", "sourceFile")
		default:
			if _, err := ParseInput(*f.SourceFile); err != nil {
				c.bad(at+"/fileSourceSettings/sourceFile", "%v; allowed: s3://BUCKET/KEY, http://HOST/PATH, https://HOST/PATH", err)
			}
		}
	}
}

// captions judges the captions of an output.
func (c *checker) captions(path string, kind GroupKind, o *types.Output) {
	for i := range o.CaptionDescriptions {
		d := &o.CaptionDescriptions[i]
		at := fmt.Sprintf("%s/captionDescriptions/%d", path, i)
		to := d.DestinationSettings
		if to == nil || captionFormats[to.DestinationType] == 0 {
			continue // the rules of the service, and the table, speak of it
		}
		if !isCaptions(o) {
			c.bad(at, "captions of type %s are in an output of their own, without video and audio, in the same group", to.DestinationType)
		}
		if i > 0 {
			c.bad(at, "each track of captions of type %s is in an output of its own", to.DestinationType)
		}
		if kind == 0 && o.ContainerSettings.Container != types.ContainerTypeRaw {
			c.lack(at+"/destinationSettings/destinationType", "%s in the container %s is not carried out; offered: RAW, in an output of its own", to.DestinationType, o.ContainerSettings.Container)
		}
		if name := aws.ToString(d.CaptionSelectorName); name != "" && len(c.settings.Inputs) > 0 {
			if _, there := c.settings.Inputs[0].CaptionSelectors[name]; !there {
				c.bad(at+"/captionSelectorName", "%q is the name of no caption selector of input 1", name)
			}
		}
		for member, text := range map[string]*string{"customLanguageCode": d.CustomLanguageCode, "languageDescription": d.LanguageDescription} {
			if v := aws.ToString(text); !printable(v) || strings.ContainsAny(v, "\"\r\n") {
				c.bad(at+"/"+member, "%q holds a quotation mark or a control character", v)
			}
		}
		for member, other := range map[string]bool{
			"imscDestinationSettings":   to.ImscDestinationSettings != nil && to.DestinationType != types.CaptionDestinationTypeImsc,
			"srtDestinationSettings":    to.SrtDestinationSettings != nil && to.DestinationType != types.CaptionDestinationTypeSrt,
			"ttmlDestinationSettings":   to.TtmlDestinationSettings != nil && to.DestinationType != types.CaptionDestinationTypeTtml,
			"webvttDestinationSettings": to.WebvttDestinationSettings != nil && to.DestinationType != types.CaptionDestinationTypeWebvtt,
		} {
			if other {
				c.bad(at+"/destinationSettings/"+member, "does not go with destinationType %s", to.DestinationType)
			}
		}
	}
}
