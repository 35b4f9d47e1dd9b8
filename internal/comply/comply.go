// Package comply says how an installation stands to the controls of a framework: what each asks, what Darkroom does about it, what was checked on this
// installation just now, what evidence there is, and what stays the duty of who runs it.
//
// Controls are tables in data, one file for each framework, and in our own words: what counts is the framework's own text. A control is met only by
// checks that passed; what nobody checked is not met. The package does no I/O of its own: results of checks are handed in, and what it writes is handed out.
package comply

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/goccy/go-yaml"

	"darkroom/internal/inspect"
)

//go:embed frameworks/*.yaml practices.yaml
var tables embed.FS

// Order is the order in which frameworks are listed.
var Order = []string{"mpa", "soc2", "iso27001", "pci", "hipaa", "nist"}

// Framework is a set of controls.
type Framework struct {
	ID      string `yaml:"-" json:"id"`
	Name    string `yaml:"name" json:"name"`
	Version string `yaml:"version" json:"version"`
	// Source says where the ids and titles were taken from; Note what could not be found, and what the reader must do about it.
	Source string  `yaml:"source" json:"source"`
	Note   string  `yaml:"note" json:"note"`
	Groups []Group `yaml:"groups" json:"-"`
}

// Group is a part of a framework.
type Group struct {
	ID       string    `yaml:"id"`
	Title    string    `yaml:"title"`
	Controls []Control `yaml:"controls"`
}

// Control is one thing that a framework asks for.
type Control struct {
	ID    string `yaml:"id" json:"id"`
	Title string `yaml:"title" json:"title"`
	// Unnumbered: the framework's own number could not be found in a public source, and ID is ours.
	Unnumbered bool   `yaml:"unnumbered" json:"unnumbered,omitempty"`
	Asks       string `yaml:"asks" json:"asks"` // in our own words
	// Practices are what Darkroom does about it, by their names in practices.yaml.
	Practices []string `yaml:"practices" json:"practices,omitempty"`
	// Customer is what stays the duty of who runs the installation.
	Customer string `yaml:"customer" json:"customer,omitempty"`
	// Not says why the control does not apply to a transcoder.
	Not string `yaml:"not" json:"notApplicable,omitempty"`
}

// Practice is something that Darkroom does, and how it is shown.
type Practice struct {
	Does     string   `yaml:"does"`
	Checks   []string `yaml:"checks"`
	Evidence []string `yaml:"evidence"` // files of the bundle
}

// Load returns a framework. A name that is not in Order is an error.
func Load(id string) (Framework, error) {
	if !slices.Contains(Order, id) {
		return Framework{}, fmt.Errorf("the framework %q is none of %s", id, strings.Join(Order, ", "))
	}
	all, err := load()
	if err != nil {
		return Framework{}, err
	}
	return all.frameworks[id], nil
}

type loaded struct {
	frameworks map[string]Framework
	practices  map[string]Practice
}

// load reads all tables once, and holds them together.
var load = sync.OnceValues(func() (loaded, error) {
	out := loaded{frameworks: map[string]Framework{}}
	text, err := tables.ReadFile("practices.yaml")
	if err != nil {
		return out, err
	}
	if err := yaml.UnmarshalWithOptions(text, &out.practices, yaml.Strict()); err != nil {
		return out, fmt.Errorf("practices.yaml: %w", err)
	}
	names, err := fs.Glob(tables, "frameworks/*.yaml")
	if err != nil {
		return out, err
	}
	for _, name := range names {
		text, err := tables.ReadFile(name)
		if err != nil {
			return out, err
		}
		f := Framework{ID: strings.TrimSuffix(path.Base(name), ".yaml")}
		if err := yaml.UnmarshalWithOptions(text, &f, yaml.Strict()); err != nil {
			return out, fmt.Errorf("%s: %w", name, err)
		}
		if err := f.validate(out.practices); err != nil {
			return out, fmt.Errorf("%s: %w", name, err)
		}
		out.frameworks[f.ID] = f
	}
	for _, id := range Order {
		if _, ok := out.frameworks[id]; !ok {
			return out, fmt.Errorf("the framework %s has no table", id)
		}
	}
	return out, nil
})

func (f Framework) validate(practices map[string]Practice) error {
	if f.Name == "" || f.Version == "" || f.Source == "" || len(f.Groups) == 0 {
		return errors.New("a framework needs name, version, source and groups")
	}
	seen := map[string]bool{}
	for _, g := range f.Groups {
		if g.ID == "" || g.Title == "" || len(g.Controls) == 0 {
			return fmt.Errorf("the group %q needs id, title and controls", g.ID)
		}
		for _, c := range g.Controls {
			switch {
			case c.ID == "" || c.Title == "" || c.Asks == "":
				return fmt.Errorf("the control %q of %s needs id, title and asks", c.ID, g.ID)
			case seen[c.ID]:
				return fmt.Errorf("the control %s is there twice", c.ID)
			case len(c.Practices) == 0 && c.Customer == "" && c.Not == "":
				return fmt.Errorf("of the control %s it is not said who does something about it", c.ID)
			case c.Not != "" && len(c.Practices) > 0:
				return fmt.Errorf("the control %s does not apply, and has practices", c.ID)
			}
			seen[c.ID] = true
			for _, p := range c.Practices {
				if _, ok := practices[p]; !ok {
					return fmt.Errorf("the control %s names the practice %q, which is not there", c.ID, p)
				}
			}
		}
	}
	return nil
}

// Status is how an installation stands to a control. The zero value is a gap.
type Status uint8

// The statuses.
const (
	Gap Status = iota // a check has failed
	// Met: every check of what Darkroom does has passed. What stays the customer's duty is not judged.
	Met
	// Unchecked: not everything that Darkroom does could be shown on this installation; the reasons are said.
	Unchecked
	// Customer: there is nothing that Darkroom could do about it.
	Customer
	// Inapplicable: the control is about something that is not here.
	Inapplicable
)

// Statuses are all of them, in the order of summaries.
var Statuses = []Status{Met, Gap, Unchecked, Customer, Inapplicable}

var statusNames = map[Status]string{Gap: "gap", Met: "met", Unchecked: "not checked", Customer: "customer's duty", Inapplicable: "not applicable"}

func (s Status) String() string { return statusNames[s] }

// MarshalText implements encoding.TextMarshaler.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; what is not known is an error.
func (s *Status) UnmarshalText(text []byte) error {
	for k, name := range statusNames {
		if name == string(text) {
			*s = k
			return nil
		}
	}
	return fmt.Errorf("%q is not a status", text)
}

// Subject is the installation that a report is about.
type Subject struct {
	Installation string   `json:"installation"` // its id; empty where it has none yet
	Release      string   `json:"release"`
	Region       string   `json:"region"`
	Accounts     []string `json:"accounts"`
	Settings     string   `json:"settings"` // where the settings were read
	URL          string   `json:"url,omitempty"`
}

// Report is how an installation stands to a framework at one time.
type Report struct {
	Framework Framework        `json:"framework"`
	Subject   Subject          `json:"subject"`
	Time      time.Time        `json:"time"`
	Summary   map[string]int   `json:"summary"` // controls by status
	Verdicts  []Verdict        `json:"controls"`
	Results   []inspect.Result `json:"checks"` // of all checks that a control asks for, once each
}

// Verdict is how an installation stands to a control.
type Verdict struct {
	Group      string `json:"group"`
	GroupTitle string `json:"groupTitle"`
	Control
	Status   Status   `json:"status"`
	Why      string   `json:"why"`
	Does     []string `json:"does,omitempty"`
	Checks   []string `json:"checks,omitempty"`  // by their ids in Results
	Unshown  []string `json:"unshown,omitempty"` // practices that no check has shown
	Mend     []string `json:"mend,omitempty"`
	Evidence []string `json:"evidence,omitempty"`
}

// Judge holds the results of checks against a framework. A check that a control asks for and that has no result counts as failed.
func Judge(f Framework, subject Subject, results []inspect.Result, at time.Time) (Report, error) {
	all, err := load()
	if err != nil {
		return Report{}, err
	}
	byID := map[string]inspect.Result{}
	for _, r := range results {
		byID[r.Check] = r
	}
	out := Report{Framework: f, Subject: subject, Time: at.UTC().Truncate(time.Second), Summary: map[string]int{}}
	for _, s := range Statuses {
		out.Summary[s.String()] = 0
	}
	asked := map[string]bool{}
	for _, g := range f.Groups {
		for _, c := range g.Controls {
			v := judge(g, c, all.practices, byID)
			for _, id := range v.Checks {
				asked[id] = true
			}
			out.Summary[v.Status.String()]++
			out.Verdicts = append(out.Verdicts, v)
		}
	}
	for _, r := range results {
		if asked[r.Check] {
			out.Results = append(out.Results, r)
		}
	}
	return out, nil
}

func judge(g Group, c Control, practices map[string]Practice, results map[string]inspect.Result) Verdict {
	v := Verdict{Group: g.ID, GroupTitle: g.Title, Control: c}
	switch {
	case c.Not != "":
		v.Status, v.Why = Inapplicable, c.Not
		return v
	case len(c.Practices) == 0:
		v.Status, v.Why = Customer, "There is nothing that Darkroom can do about it."
		return v
	}
	for _, name := range c.Practices {
		p := practices[name]
		v.Does = append(v.Does, p.Does)
		if !slices.ContainsFunc(p.Checks, func(id string) bool { return results[id].State == inspect.Passed }) {
			v.Unshown = append(v.Unshown, name)
		}
		for _, id := range p.Checks {
			if !slices.Contains(v.Checks, id) {
				v.Checks = append(v.Checks, id)
			}
		}
		for _, e := range p.Evidence {
			if !slices.Contains(v.Evidence, e) {
				v.Evidence = append(v.Evidence, e)
			}
		}
	}
	var passed, failed, unchecked, nothing []string
	for _, id := range v.Checks {
		r, ok := results[id]
		if !ok {
			failed = append(failed, "the check "+id+" was not carried out")
			v.mends("Run the report with all checks.")
			continue
		}
		switch r.State {
		case inspect.Passed:
			passed = append(passed, r.Found)
		case inspect.NotChecked:
			unchecked = append(unchecked, r.Title+": "+r.Found)
		case inspect.NotApplicable:
			nothing = append(nothing, r.Title+": "+r.Found)
		default:
			if r.Found == "" {
				r.Found = "the check " + id + " saw nothing"
			}
			failed = append(failed, r.Found)
			v.mends(r.Mend)
		}
	}
	say := func(list []string) string { return sentence(strings.Join(list, "; ")) }
	switch {
	case len(failed) > 0:
		v.Status, v.Why = Gap, say(failed)
	case len(unchecked) > 0:
		v.Status, v.Why = Unchecked, say(unchecked)
	case len(passed) > 0 && len(nothing) > 0 && idle(v.Unshown, practices):
		v.Status, v.Why = Unchecked, say(nothing)
	case len(passed) > 0:
		v.Status, v.Why = Met, say(passed)
	case len(nothing) > 0:
		v.Status, v.Why = Inapplicable, say(nothing)
	default:
		v.Status, v.Why = Unchecked, "Darkroom does this by how it is made; its tests show it, and nothing on this installation was looked at."
	}
	return v
}

// idle says whether a practice that checks could have shown was shown by none.
func idle(unshown []string, practices map[string]Practice) bool {
	return slices.ContainsFunc(unshown, func(name string) bool { return len(practices[name].Checks) > 0 })
}

// mends adds what to do, once.
func (v *Verdict) mends(what string) {
	if what != "" && !slices.Contains(v.Mend, what) {
		v.Mend = append(v.Mend, what)
	}
}

// sentence gives a text a capital letter and a full stop.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}
