package eventbus

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"darkroom/internal/event"
	"darkroom/internal/eventpattern"
)

// Transformer makes a text of values of an event (EventBridge User Guide, "Amazon EventBridge input transformation").
type Transformer struct {
	Paths    map[string]string `json:"paths,omitempty"` // names of variables, and where their values are
	Template string            `json:"template"`        // JSON, or quoted texts in lines, with <name> for a variable
}

// variable is how a template names a value.
var variable = regexp.MustCompile(`<([A-Za-z0-9_.-]+)>`)

// The variables that every template has, and how their names begin.
const (
	reserved   = "aws."
	ruleARN    = "aws.events.rule-arn"
	ruleName   = "aws.events.rule-name"
	ingestion  = "aws.events.event.ingestion-time"
	wholeEvent = "aws.events.event.json"
	headEvent  = "aws.events.event" // without its detail
)

func (t *Transformer) check() error {
	for name, path := range t.Paths {
		if strings.HasPrefix(strings.ToLower(name), reserved) {
			return fmt.Errorf("the variable %s has a name that is reserved", name)
		}
		if _, err := parsePath(path); err != nil {
			return fmt.Errorf("InputPathsMap, %s: %w", name, err)
		}
	}
	for _, m := range variable.FindAllStringSubmatch(t.Template, -1) {
		switch m[1] {
		case ruleARN, ruleName, ingestion, wholeEvent, headEvent:
		default:
			if _, ok := t.Paths[m[1]]; !ok {
				return fmt.Errorf("InputTemplate has the variable <%s>, which InputPathsMap does not have", m[1])
			}
		}
	}
	if _, err := t.fill(func(string) any { return "" }); err != nil {
		return fmt.Errorf("InputTemplate: %w", err)
	}
	return nil
}

// errTemplate says what a template has to be.
var errTemplate = errors.New("the template is neither JSON nor lines of JSON")

// fill puts values in the place of variables: JSON where a value stands, and text inside of a quoted text. What there is no value for is an empty text.
func (t *Transformer) fill(value func(name string) any) ([]byte, error) {
	var b bytes.Buffer
	quoted, rest := false, t.Template
	for rest != "" {
		at := variable.FindStringSubmatchIndex(rest)
		plain := rest
		if at != nil {
			plain = rest[:at[0]]
		}
		for i := 0; i < len(plain); i++ {
			switch {
			case quoted && plain[i] == '\\':
				i++
			case plain[i] == '"':
				quoted = !quoted
			}
		}
		b.WriteString(plain)
		if at == nil {
			break
		}
		v := value(rest[at[2]:at[3]])
		if v == nil {
			v = ""
		}
		text, err := event.Encode(v)
		if err != nil {
			return nil, err
		}
		if quoted {
			if s, ok := v.(string); ok {
				text, _ = event.Encode(s)
			} else if text, err = event.Encode(string(text)); err != nil {
				return nil, err
			}
			text = text[1 : len(text)-1]
		}
		b.Write(text)
		rest = rest[at[1]:]
	}
	out := b.Bytes()
	if json.Valid(out) {
		return out, nil
	}
	for line := range bytes.Lines(out) {
		if line = bytes.TrimSpace(line); len(line) > 0 && !json.Valid(line) {
			return nil, errTemplate
		}
	}
	return out, nil
}

// input is what a target is sent of an event instead of the event itself; nil for that.
func (t *Target) input(e *event.Event, read *eventpattern.Event, r *Rule, arnOfRule string, ingested time.Time) ([]byte, error) {
	switch {
	case t.Input != nil:
		return []byte(*t.Input), nil
	case t.InputPath != nil:
		p, err := parsePath(*t.InputPath)
		if err != nil {
			return nil, err
		}
		if len(p) == 0 {
			return nil, nil
		}
		return event.Encode(p.value(read))
	case t.Transformer == nil:
		return nil, nil
	}
	return t.Transformer.fill(func(name string) any {
		switch name {
		case ruleARN:
			return arnOfRule
		case ruleName:
			return r.Name
		case ingestion:
			return ingested.UTC().Format(time.RFC3339)
		case wholeEvent:
			return e
		case headEvent:
			head := *e
			text, err := event.Encode(head)
			var members map[string]json.RawMessage
			if err != nil || json.Unmarshal(text, &members) != nil {
				return nil
			}
			delete(members, "detail")
			return members
		}
		p, err := parsePath(t.Transformer.Paths[name])
		if err != nil {
			return nil
		}
		return p.value(read)
	})
}

// path is a JSON path: names, and indexes of arrays.
type path []any

// maxPath is how many steps a path may have.
const maxPath = 64

// parsePath reads $, $.name.name, $['name'] and $.name[0]. Wildcards, filters and ranges are refused, as EventBridge does.
func parsePath(text string) (path, error) {
	bad := func(why string) (path, error) { return nil, fmt.Errorf("%q is not a JSON path: %s", text, why) }
	rest, ok := strings.CutPrefix(text, "$")
	if !ok {
		return bad("it does not begin with $")
	}
	var p path
	for rest != "" {
		if len(p) >= maxPath {
			return bad("it is too long")
		}
		switch rest[0] {
		case '.':
			end := strings.IndexAny(rest[1:], ".[")
			name := rest[1:]
			if end >= 0 {
				name = rest[1 : end+1]
			}
			if name == "" || name == "*" {
				return bad("a name is missing")
			}
			p, rest = append(p, name), rest[1+len(name):]
		case '[':
			end := strings.IndexByte(rest, ']')
			if end < 0 {
				return bad("a bracket is open")
			}
			in := rest[1:end]
			rest = rest[end+1:]
			if len(in) >= 2 && (in[0] == '\'' || in[0] == '"') && in[len(in)-1] == in[0] {
				p = append(p, in[1:len(in)-1])
				continue
			}
			n, err := strconv.ParseUint(in, 10, 31)
			if err != nil {
				return bad("a bracket holds a quoted name or an index")
			}
			p = append(p, int(n))
		default:
			return bad("a name or a bracket is missing")
		}
	}
	return p, nil
}

// value is what stands at the path; nil where nothing does.
func (p path) value(e *eventpattern.Event) any {
	v := e.Root()
	for _, step := range p {
		switch step := step.(type) {
		case string:
			o, _ := v.(map[string]any)
			v = o[step]
		case int:
			a, _ := v.([]any)
			if step >= len(a) {
				return nil
			}
			v = a[step]
		}
	}
	return v
}
