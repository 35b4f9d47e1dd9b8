package plan

import (
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/job"
	"darkroom/internal/media"
)

// playlistExtension ends the name of a playlist.
const playlistExtension = ".m3u8"

// Package returns the directory that an HLS package lies in when an object is named as its playlist: the job reads that directory and what is below it, and
// of the store nothing else. What the playlist refers to is not known before it is read.
func (i Input) Package() (Location, bool) {
	if i.URL != "" || !strings.HasSuffix(strings.ToLower(i.Object.Key), playlistExtension) {
		return Location{}, false
	}
	return Location{Bucket: i.Object.Bucket, Key: i.Object.Key[:strings.LastIndexByte(i.Object.Key, '/')+1]}, true
}

// selectsRendition returns what a selector says of a rendition of sound; nil where it says nothing, or selects in another way. No type at all is the one
// that the settings speak of.
func selectsRendition(sel *types.AudioSelector) *types.HlsRenditionGroupSettings {
	if sel == nil || sel.SelectorType != types.AudioSelectorTypeHlsRenditionGroup && sel.SelectorType != "" {
		return nil
	}
	h := sel.HlsRenditionGroupSettings
	if h == nil || aws.ToString(h.RenditionGroupId) == "" && aws.ToString(h.RenditionName) == "" && h.RenditionLanguageCode == "" {
		return nil
	}
	return h
}

// Wanted returns the indexes in Audio of the renditions that have to be looked into for a job: those that its selectors select, and where the segments of
// the variant hold no sound, the default one. No settings are a job without selectors.
func (h *HLSProbe) Wanted(s *types.JobSettings, muxed bool) ([]int, error) {
	wanted := map[int]bool{}
	if i := h.preferred(); i >= 0 && !muxed {
		wanted[i] = true
	}
	if s != nil && len(s.Inputs) > 0 {
		for name := range s.Inputs[0].AudioSelectors {
			sel := s.Inputs[0].AudioSelectors[name]
			r := selectsRendition(&sel)
			if r == nil || !usesSelector(s, name) {
				continue
			}
			i, err := h.match(r, name)
			if err != nil {
				return nil, err
			}
			if !h.Audio[i].Muxed {
				wanted[i] = true
			}
		}
	}
	var list []int
	for i := range h.Audio {
		if wanted[i] {
			list = append(list, i)
		}
	}
	return list, nil
}

// usesSelector says whether an output may take its sound by a selector: it names it, or none.
func usesSelector(s *types.JobSettings, name string) bool {
	for i := range s.OutputGroups {
		for j := range s.OutputGroups[i].Outputs {
			for _, d := range s.OutputGroups[i].Outputs[j].AudioDescriptions {
				if _, named := s.Inputs[0].AudioSelectors[aws.ToString(d.AudioSourceName)]; !named || *d.AudioSourceName == name {
					return true
				}
			}
		}
	}
	return false
}

// preferred is the index of the rendition that is used when nothing is asked for: of the variant's group the default one, else its first; -1 for none.
func (h *HLSProbe) preferred() int {
	first := -1
	for i := range h.Audio {
		a := &h.Audio[i]
		if a.Muxed || h.AudioGroup != "" && a.GroupID != h.AudioGroup {
			continue
		}
		if a.Default {
			return i
		}
		if first < 0 {
			first = i
		}
	}
	return first
}

// match finds the one rendition that settings describe. None, and more than one, fail the job.
func (h *HLSProbe) match(s *types.HlsRenditionGroupSettings, name string) (int, error) {
	group, title, language := aws.ToString(s.RenditionGroupId), aws.ToString(s.RenditionName), strings.ToLower(string(s.RenditionLanguageCode))
	found := -1
	for i := range h.Audio {
		a := &h.Audio[i]
		if group != "" && a.GroupID != group || title != "" && a.Name != title ||
			language != "" && (a.Language == "" || media.Language(a.Language) != media.Language(language)) {
			continue
		}
		if found >= 0 {
			return 0, job.Errorf(3400, "Input 1: the audio selector %q describes more than one audio rendition of the HLS package. Give the renditionGroupId, renditionName and renditionLanguageCode that one EXT-X-MEDIA tag alone has.", name)
		}
		found = i
	}
	if found < 0 {
		return 0, job.Errorf(1021, "Input 1: the audio selector %q describes no audio rendition of the HLS package. Give the renditionGroupId, renditionName or renditionLanguageCode of an EXT-X-MEDIA tag of the input's own playlist, which must be a multivariant one.", name)
	}
	return found, nil
}

// rendition returns the audio streams that a selector selects from rendition groups.
func (p *Probe) rendition(s *types.HlsRenditionGroupSettings, name string) ([]*Stream, error) {
	switch {
	case p == &plainSource:
		return p.audio(), nil // any package will do
	case p.HLS == nil:
		return nil, job.Errorf(1021, "Input 1: the audio selector %q selects from the rendition groups of an HLS package, and the input is none. Use another selectorType.", name)
	}
	i, err := p.HLS.match(s, name)
	if err != nil {
		return nil, err
	}
	a := &p.HLS.Audio[i]
	if a.File == 0 && !a.Muxed {
		return nil, fmt.Errorf("rendition %d of the source was not looked into", i)
	}
	streams := p.audioOf(a.File)
	if len(streams) == 0 {
		return nil, job.Errorf(1021, "Input 1: the audio rendition that the audio selector %q describes holds no audio.", name)
	}
	return streams, nil
}

// file describes a file of the source.
func (p *Probe) file(number int) SourceFile {
	f := SourceFile{Number: number, Demuxer: p.Demuxer}
	if p.HLS == nil {
		return f
	}
	f.Spliced = p.HLS.Spliced
	if number > 0 {
		for i := range p.HLS.Audio {
			if a := &p.HLS.Audio[i]; a.File == number {
				f.Demuxer, f.Spliced = a.Demuxer, a.Spliced
			}
		}
	}
	return f
}

func (p *Probe) start(number int) time.Duration {
	if number > 0 && p.HLS != nil {
		for i := range p.HLS.Audio {
			if a := &p.HLS.Audio[i]; a.File == number {
				return a.Start
			}
		}
	}
	return p.Start
}

// sourceFile returns the place of a file in the plan, and has it read.
func (b *builder) sourceFile(number int) int {
	for i := range b.plan.Source.Files {
		if b.plan.Source.Files[i].Number == number {
			return i
		}
	}
	b.plan.Source.Files = append(b.plan.Source.Files, b.source.file(number))
	return len(b.plan.Source.Files) - 1
}

// clockWrap is when the time stamps of MPEG-TS begin again: 33 bits at 90 kHz (ISO/IEC 13818-1 2.4.3.7).
const clockWrap = time.Duration(1<<33) * time.Second / 90_000

// align keeps the files of a source apart as their time stamps are: each alone would begin at 0.
func (b *builder) align() {
	files := b.plan.Source.Files
	if len(files) < 2 {
		return
	}
	first := b.source.start(0)
	earliest := time.Duration(0)
	for i := range files {
		d := b.source.start(files[i].Number) - first
		switch {
		case d > clockWrap/2:
			d -= clockWrap
		case d < -clockWrap/2:
			d += clockWrap
		}
		files[i].Delay = d
		earliest = min(earliest, d)
	}
	for i := range files {
		files[i].Delay -= earliest
	}
}
