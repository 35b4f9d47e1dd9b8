// Package rules judges what crosses members of the settings of jobs, job templates and presets: what the model cannot say of one member alone. What it
// reports is invalid, as MediaConvert itself refuses it; whether this installation carries a valid setting out is not its business (see plan).
//
// Each rule has a name and stands in the table of the part of the settings that it judges. It reports under the JSON pointer of the member at
// fault, relative to the settings. The settings have passed mediaconvert.Decode: types, enums, bounds and patterns hold.
package rules

import (
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/mediaconvert"
)

// Fault is one rule that is broken.
type Fault struct {
	Rule string // its name
	Path string // JSON pointer (RFC 6901) relative to the settings; empty for the whole
	Text string // what is wrong, and what is allowed, in the service's words where they are known
}

// maxFaults bounds what is told of one request.
const maxFaults = 100

// report collects the faults of one rule after the other; each is told once.
type report struct {
	rule   string
	faults []Fault
}

// say reports that the rule is broken at path.
func (r *report) say(path, format string, args ...any) {
	f := Fault{r.rule, path, fmt.Sprintf(format, args...)}
	if len(r.faults) < maxFaults && !slices.Contains(r.faults, f) {
		r.faults = append(r.faults, f)
	}
}

// missing reports members that are required in a structure and absent.
func (r *report) missing(n *node, members ...string) {
	for _, m := range members {
		if !n.has(m) {
			r.say(n.path(), "%s is a required property", m)
		}
	}
}

// depends reports that a member goes with another one having one value alone, in the service's form of two faults.
func (r *report) depends(n *node, member, on, want string) {
	r.say(n.path()+"/"+member, "Should match all dependencies: See other errors for more details")
	r.say(n.path()+"/"+on, "Must be %s", want)
}

// kind is what the settings belong to.
type kind int

const (
	job kind = iota + 1
	template
	preset
)

// document is the whole that is judged.
type document struct {
	kind    kind
	root    *node
	outputs []output
}

// output is an output of a job or template, or what a preset says of one; then group is empty.
type output struct {
	*node
	doc   *document
	group *node
	// fromPreset says that a preset is named: what is missing may come from it.
	fromPreset bool
}

// The tables: one for each part.
type (
	documentRule struct {
		name  string
		judge func(r *report, d *document)
	}
	inputRule struct {
		name  string
		judge func(r *report, d *document, in *node)
	}
	groupRule struct {
		name  string
		judge func(r *report, g *node)
	}
	outputRule struct {
		name  string
		judge func(r *report, o output)
	}
)

// Job judges the settings of a job.
func Job(s *types.JobSettings) []Fault { return judge(job, s) }

// JobTemplate judges the settings of a job template, whose inputs have no files.
func JobTemplate(s *types.JobTemplateSettings) []Fault { return judge(template, s) }

// Preset judges the settings of an output preset.
func Preset(s *types.PresetSettings) []Fault { return judge(preset, s) }

func judge(k kind, settings any) []Fault {
	root := &node{view: mediaconvert.ViewOf(settings)}
	if !root.there() {
		return []Fault{{"settings", "", "The settings cannot be read."}}
	}
	d := &document{kind: k, root: root}
	groups := root.list("outputGroups")
	for _, g := range groups {
		for _, o := range g.list("outputs") {
			d.outputs = append(d.outputs, output{o, d, g, o.has("preset")})
		}
	}
	if k == preset {
		d.outputs = []output{{node: root, doc: d}}
	}
	r := new(report)
	for _, x := range documentRules {
		r.rule = x.name
		x.judge(r, d)
	}
	for _, in := range root.list("inputs") {
		for _, x := range inputRules {
			r.rule = x.name
			x.judge(r, d, in)
		}
	}
	for _, g := range groups {
		for _, x := range groupRules {
			r.rule = x.name
			x.judge(r, g)
		}
	}
	for _, o := range d.outputs {
		for _, table := range [][]outputRule{outputRules, videoRules, audioRules, captionRules} {
			for _, x := range table {
				r.rule = x.name
				x.judge(r, o)
			}
		}
	}
	return r.faults
}
