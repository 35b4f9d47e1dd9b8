package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	mc "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/api"
	"darkroom/internal/config"
	"darkroom/internal/mediaconvert"
	"darkroom/internal/plan"
	"darkroom/internal/preset"
	"darkroom/internal/rules"
)

// finding is what lint says of one place.
type finding struct {
	Line  int    `json:"line"`
	Level string `json:"level"` // error, not offered, warning
	Path  string `json:"path"`  // JSON pointer in the file
	Text  string `json:"text"`
}

// The levels, the gravest first.
const (
	levelError      = "error"
	levelNotOffered = "not offered"
	levelWarning    = "warning"
)

// lint judges a job, a job template or a preset without a server: what is invalid, what the ffmpeg of this machine or Darkroom cannot do, and what is unwise.
func lint(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("lint", "JOB.json", stderr)
	var ef engineFlags
	engineVars(fs, &ef)
	asJSON := fs.Bool("json", false, "print the findings as JSON")
	kind := fs.String("kind", kindJob, "what the file is: job, template or preset")
	region := fs.String("region", "us-east-1", "region of the server that the job is for")
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return usagef("one job file is needed, - for standard input; got %d", len(rest))
	}
	if !slices.Contains([]string{kindJob, kindTemplate, kindPreset}, *kind) {
		return usagef("--kind %q; allowed: job, template, preset", *kind)
	}
	body, err := readJob(rest[0])
	if err != nil {
		return err
	}
	e, err := newEngine(ctx, ef)
	if err != nil {
		return err
	}
	caps := e.capabilities
	caps.KeyRegion = *region // a server has a key service; this machine needs none to judge the job
	caps.Storage = storage(config.Config{Region: *region})
	found := findings(body, *kind, caps)
	if *asJSON {
		if err := json.NewEncoder(stdout).Encode(found); err != nil {
			return err
		}
	} else {
		for _, f := range found {
			where := ""
			if f.Path != "" {
				where = f.Path + ": "
			}
			fmt.Fprintf(stdout, "%s:%d: %s: %s%s\n", rest[0], f.Line, f.Level, where, f.Text)
		}
	}
	if slices.ContainsFunc(found, func(f finding) bool { return f.Level != levelWarning }) {
		return errFailed
	}
	return nil
}

// The kinds of file.
const (
	kindJob      = "job"
	kindTemplate = "template"
	kindPreset   = "preset"
)

// findings are in the order of the lines. Whether a template or a preset can be carried out is known only with the job that uses it.
func findings(body []byte, kind string, caps plan.Capabilities) []finding {
	found := []finding{}
	add := func(level, path, text string, offset int) {
		line := 1 + bytes.Count(body[:min(max(offset, 0), len(body))], []byte("\n"))
		if offset < 0 {
			line = lineOf(body, path)
		}
		found = append(found, finding{line, level, path, text})
	}
	var outer map[string]json.RawMessage
	_ = json.Unmarshal(body, &outer) // what is not JSON is said by Decode
	request, prefix := outer["settings"] != nil || outer["Settings"] != nil, ""
	if request {
		prefix = "/settings"
	}
	var shape, invalid, lacking []mediaconvert.Fault
	rule := func(to *[]mediaconvert.Fault, path, text string) {
		*to = append(*to, mediaconvert.Fault{Kind: mediaconvert.Rule, Path: path, Offset: -1, Want: text})
	}
	switch kind {
	case kindTemplate:
		var s *types.JobTemplateSettings
		if s, shape = decodeSettings(body, request, func(r *mc.CreateJobTemplateInput) *types.JobTemplateSettings { return r.Settings }); s != nil {
			for _, f := range rules.JobTemplate(s) {
				rule(&invalid, prefix+f.Path, f.Text)
			}
		}
	case kindPreset:
		var s *types.PresetSettings
		if s, shape = decodeSettings(body, request, func(r *mc.CreatePresetInput) *types.PresetSettings { return r.Settings }); s != nil {
			for _, f := range rules.Preset(s) {
				rule(&invalid, prefix+f.Path, f.Text)
			}
		}
	default:
		var in *mc.CreateJobInput
		in, shape = decodeJob(body, request)
		invalid, lacking = api.Members(in, caps.Engine)
		if in.Settings == nil {
			break
		}
		templated := mergeTemplate(in)
		whole, err := preset.Expand(in.Settings, systemPreset)
		if err != nil {
			whole = in.Settings // a preset of one's own: what it says is not known here
		}
		bad, lacks := plan.Check(whole, caps)
		for _, f := range bad {
			if templated || f.Path != "" { // what the whole lacks may come from the template
				rule(&invalid, prefix+f.Path, f.Reason)
			}
		}
		for _, f := range lacks {
			rule(&lacking, prefix+f.Path, f.Reason)
		}
		if !templated {
			add(levelWarning, "/jobTemplate", "what the job template "+*in.JobTemplate+" says is not known here and not judged", -1)
		}
		for _, f := range rules.Advise(in.Settings) {
			add(levelWarning, prefix+f.Path, f.Text, -1)
		}
	}
	for _, f := range append(shape, mediaconvert.Independent(shape, invalid)...) {
		add(levelError, f.Path, sentence(f), f.Offset)
	}
	for _, f := range mediaconvert.Independent(shape, lacking) {
		add(levelNotOffered, f.Path, sentence(f), f.Offset)
	}
	slices.SortStableFunc(found, func(a, b finding) int { return a.Line - b.Line })
	return found
}

// sentence is what a fault says, without the path that is said beside it.
func sentence(f mediaconvert.Fault) string {
	text := f.String()
	if _, after, ok := strings.Cut(text, ": "); ok && (text[0] == ':' || text[0] == '/') {
		return after
	}
	return text
}

// decodeJob reads a CreateJob request, or the settings of one alone.
func decodeJob(body []byte, request bool) (*mc.CreateJobInput, []mediaconvert.Fault) {
	in := new(mc.CreateJobInput)
	if request {
		return in, mediaconvert.Decode(body, in)
	}
	in.Settings = new(types.JobSettings)
	return in, mediaconvert.Decode(body, in.Settings)
}

// mergeTemplate puts into a job what its job template says, and reports whether that is known: without a server there are system templates alone.
func mergeTemplate(in *mc.CreateJobInput) bool {
	if in.JobTemplate == nil {
		return true
	}
	t, ok := preset.FindSystemTemplate(*in.JobTemplate)
	if ok {
		in.Settings = preset.MergeTemplate(in.Settings, t.Settings)
	}
	return ok
}

// decodeSettings reads settings, or a whole request around them.
func decodeSettings[S, R any](body []byte, request bool, of func(*R) *S) (*S, []mediaconvert.Fault) {
	if request {
		r := new(R)
		faults := mediaconvert.Decode(body, r)
		return of(r), faults
	}
	s := new(S)
	return s, mediaconvert.Decode(body, s)
}

// lineOf finds the line of a JSON pointer in a document whose names may begin with a capital; of what is missing, that of the structure that
// lacks it.
func lineOf(body []byte, pointer string) int {
	d := json.NewDecoder(bytes.NewReader(body))
	offset := 0
	for _, want := range strings.Split(pointer, "/")[1:] {
		want = strings.NewReplacer("~1", "/", "~0", "~").Replace(want)
		if !descend(d, want) {
			break
		}
		offset = int(d.InputOffset())
	}
	return 1 + bytes.Count(body[:offset], []byte("\n"))
}

// descend reads up to the member or item that a name leads to; false when there is none.
func descend(d *json.Decoder, want string) bool {
	open, err := d.Token()
	if err != nil {
		return false
	}
	skip := func() bool {
		var value json.RawMessage
		return d.Decode(&value) == nil
	}
	switch open {
	case json.Delim('['):
		n, err := strconv.Atoi(want)
		if err != nil {
			return false
		}
		for ; n > 0 && d.More(); n-- {
			if !skip() {
				return false
			}
		}
		return d.More()
	case json.Delim('{'):
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return false
			}
			if s, _ := name.(string); s == want || len(s) > 0 && strings.ToLower(s[:1])+s[1:] == want {
				return true
			}
			if !skip() {
				return false
			}
		}
	}
	return false
}
