// Package rules judges what crosses members of the settings of jobs, job templates and presets: what the model cannot say of one member alone. What it
// reports is invalid, as MediaConvert itself refuses it; whether this installation carries a valid setting out is not its business (see plan).
//
// Each rule has a name and stands in one of the tables. A rule sees a part of the settings with everything around it, and reports under the JSON
// pointer of the member at fault, relative to the settings. The settings have passed mediaconvert.Decode: types, enums, bounds and patterns hold.
package rules

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// Fault is one rule that is broken.
type Fault struct {
	Rule string // its name, for tests and for lint
	Path string // JSON pointer (RFC 6901) relative to the settings; empty for the whole
	Text string // what is wrong, and what is allowed, in the service's words where they are known
}

// maxFaults bounds what is told of one request.
const maxFaults = 100

// report collects faults; each is told once.
type report struct {
	faults []Fault
}

// say reports that a rule is broken at path.
func (r *report) say(rule, path, format string, args ...any) {
	f := Fault{rule, path, fmt.Sprintf(format, args...)}
	if len(r.faults) < maxFaults && !slices.Contains(r.faults, f) {
		r.faults = append(r.faults, f)
	}
}

// missing reports a member that is required here.
func (r *report) missing(rule, path, member string) {
	r.say(rule, path, "%s is a required property", member)
}

// kind is what the settings belong to.
type kind int

const (
	job kind = iota + 1
	template
	preset
)

// document is the whole that is judged. A template is seen as a job whose inputs have no files.
type document struct {
	kind   kind
	inputs []inputView
	groups []groupView
	// outputs are all outputs of all groups; of a preset the one that it describes.
	outputs []outputView
	// settings is nil for a preset.
	settings *types.JobSettings
}

// inputView is an input and where it stands.
type inputView struct {
	doc   *document
	path  string
	input *types.Input
}

// groupView is an output group and where it stands.
type groupView struct {
	doc     *document
	path    string
	group   *types.OutputGroup
	outputs []outputView
}

// outputView is an output, or what a preset says of one. output and group are nil for a preset. container, like every part, is nil where
// nothing is said; an output that names a preset takes from it what it does not say itself, so rules on what is missing leave it alone.
type outputView struct {
	doc       *document
	path      string
	group     *types.OutputGroup
	output    *types.Output
	container *types.ContainerSettings
	video     *types.VideoDescription
	audio     []types.AudioDescription
	captions  []captionView
	// fromPreset says that a preset is named.
	fromPreset bool
}

// captionView is what the caption descriptions of outputs and of presets have in common.
type captionView struct {
	selector    *string // nil in a preset
	destination *types.CaptionDestinationSettings
	language    types.LanguageCode
	custom      *string
}

// rule judges one kind of part.
type rule[T any] struct {
	name  string
	judge func(r *report, name string, v T)
}

// The tables, filled from the files of each subject.
var (
	documentRules = slices.Concat(documentTable)
	inputRules    = slices.Concat(inputTable)
	groupRules    = slices.Concat(groupTable, packagingTable)
	outputRules   = slices.Concat(outputTable, videoTable, audioTable, captionTable, containerTable)
)

// Job judges the settings of a job.
func Job(s *types.JobSettings) []Fault { return judge(view(job, s)) }

// JobTemplate judges the settings of a job template, whose inputs have no files.
func JobTemplate(s *types.JobTemplateSettings) []Fault { return judge(view(template, ofTemplate(s))) }

// Preset judges the settings of an output preset.
func Preset(s *types.PresetSettings) []Fault {
	d := &document{kind: preset}
	o := outputView{doc: d, container: s.ContainerSettings, video: s.VideoDescription, audio: s.AudioDescriptions}
	for i := range s.CaptionDescriptions {
		c := &s.CaptionDescriptions[i]
		o.captions = append(o.captions, captionView{destination: c.DestinationSettings, language: c.LanguageCode, custom: c.CustomLanguageCode})
	}
	d.outputs = []outputView{o}
	return judge(d)
}

// view lays out the settings of a job.
func view(k kind, s *types.JobSettings) *document {
	d := &document{kind: k, settings: s}
	for i := range s.Inputs {
		d.inputs = append(d.inputs, inputView{d, "/inputs/" + strconv.Itoa(i), &s.Inputs[i]})
	}
	for i := range s.OutputGroups {
		g := groupView{doc: d, path: "/outputGroups/" + strconv.Itoa(i), group: &s.OutputGroups[i]}
		for j := range g.group.Outputs {
			out := &g.group.Outputs[j]
			o := outputView{
				doc: d, path: g.path + "/outputs/" + strconv.Itoa(j), group: g.group, output: out, container: out.ContainerSettings,
				video: out.VideoDescription, audio: out.AudioDescriptions, fromPreset: out.Preset != nil,
			}
			for n := range out.CaptionDescriptions {
				c := &out.CaptionDescriptions[n]
				o.captions = append(o.captions, captionView{c.CaptionSelectorName, c.DestinationSettings, c.LanguageCode, c.CustomLanguageCode})
			}
			g.outputs = append(g.outputs, o)
		}
		d.groups = append(d.groups, g)
		d.outputs = append(d.outputs, g.outputs...)
	}
	return d
}

func judge(d *document) []Fault {
	r := new(report)
	for _, x := range documentRules {
		x.judge(r, x.name, d)
	}
	for _, in := range d.inputs {
		for _, x := range inputRules {
			x.judge(r, x.name, in)
		}
	}
	for _, g := range d.groups {
		for _, x := range groupRules {
			x.judge(r, x.name, g)
		}
	}
	for _, o := range d.outputs {
		for _, x := range outputRules {
			x.judge(r, x.name, o)
		}
	}
	return r.faults
}
