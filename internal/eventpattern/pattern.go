// Package eventpattern reads event patterns and says which events they match ("Amazon EventBridge event patterns" of the Amazon EventBridge User Guide; where
// that leaves something open, as the library Event Ruler does, which EventBridge is built on).
//
// A pattern is an object with the shape of an event. Its leaves are arrays of what the value there may be: texts, numbers, true, false, null, and
// operators. All fields must match; of the members of an array one must. $or joins alternatives. The package is pure.
package eventpattern

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

const (
	// MaxBytes is how long a pattern may be (quota "Event pattern size").
	MaxBytes = 4096
	// maxDepth is how deep a pattern may nest.
	maxDepth = 64
	// maxEventDepth is how deep an event may nest.
	maxEventDepth = 512
)

// Error says what is wrong with a pattern.
type Error struct{ Reason string }

func (e *Error) Error() string { return "Event pattern is not valid. Reason: " + e.Reason }

func invalid(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// Pattern is a pattern that was read. It is not changed, and safe for concurrent use. The zero value matches nothing.
type Pattern struct{ root node }

// node is a part of a pattern: an object or a leaf.
type node interface {
	// match says whether a value fits. What must be missing is looked for in the whole event, from its root.
	match(e *Event, value any) bool
}

type field struct {
	name string
	path []string // from the root
	node node
}

// object is what a pattern asks of an object: all fields, and one of the alternatives of each $or.
type object struct {
	fields []field
	or     [][]node
}

// leaf is what a value may be.
type leaf []test

// Parse reads a pattern. The error is an *Error.
func Parse(text string) (*Pattern, error) {
	if len(text) > MaxBytes {
		return nil, invalid("Event pattern is longer than %d characters", MaxBytes)
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, invalid("Event pattern is not JSON: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, invalid("Event pattern has something behind its end")
	}
	root, ok := v.(map[string]any)
	if !ok {
		return nil, invalid("Filter is not an object")
	}
	n, err := parseObject(root, nil)
	if err != nil {
		return nil, err
	}
	return &Pattern{n}, nil
}

func parseObject(o map[string]any, path []string) (node, error) {
	if len(path) > maxDepth {
		return nil, invalid("Event pattern nests deeper than %d", maxDepth)
	}
	if len(o) == 0 {
		return nil, invalid("Empty objects are not allowed")
	}
	var out object
	for _, name := range sorted(o) {
		if name == "$or" && isOr(o[name]) {
			var choices []node
			for _, c := range o[name].([]any) {
				n, err := parseObject(c.(map[string]any), path)
				if err != nil {
					return nil, err
				}
				choices = append(choices, n)
			}
			out.or = append(out.or, choices)
			continue
		}
		at := append(slices.Clone(path), name)
		var n node
		var err error
		switch v := o[name].(type) {
		case map[string]any:
			n, err = parseObject(v, at)
		case []any:
			n, err = parseLeaf(name, v)
		default:
			err = invalid("%q must be an object or an array", name)
		}
		if err != nil {
			return nil, err
		}
		out.fields = append(out.fields, field{name, at, n})
	}
	return &out, nil
}

// isOr says whether the member $or joins alternatives: an array of two objects or more, none with the name of an operator. Otherwise it is a field.
func isOr(v any) bool {
	all, ok := v.([]any)
	if !ok || len(all) < 2 {
		return false
	}
	for _, a := range all {
		o, ok := a.(map[string]any)
		if !ok {
			return false
		}
		for name := range o {
			if slices.Contains(operators, name) {
				return false
			}
		}
	}
	return true
}

func parseLeaf(name string, all []any) (node, error) {
	if len(all) == 0 {
		return nil, invalid("Empty arrays are not allowed")
	}
	var out leaf
	for _, v := range all {
		t, err := parseTest(name, v)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

func sorted(o map[string]any) []string {
	names := make([]string, 0, len(o))
	for n := range o {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Event is an event that was read, for any number of patterns.
type Event struct{ root map[string]any }

// ReadEvent reads an event: a JSON object.
func ReadEvent(text []byte) (*Event, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("the event is not JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the event has something behind its end")
	}
	root, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("the event is not an object")
	}
	if deeper(v, maxEventDepth) {
		return nil, fmt.Errorf("the event nests deeper than %d", maxEventDepth)
	}
	return &Event{root}, nil
}

func deeper(v any, depth int) bool {
	if depth == 0 {
		return true
	}
	switch v := v.(type) {
	case map[string]any:
		for _, m := range v {
			if deeper(m, depth-1) {
				return true
			}
		}
	case []any:
		for _, m := range v {
			if deeper(m, depth-1) {
				return true
			}
		}
	}
	return false
}

// Root returns the whole of the event: objects are maps, numbers json.Number. It must not be changed.
func (e *Event) Root() any { return e.root }

// Match says whether an event fits.
func (p *Pattern) Match(e *Event) bool { return p != nil && p.root != nil && p.root.match(e, e.root) }

// match of an object: where the event has an array of objects, one of them must fit in all fields.
func (o *object) match(e *Event, value any) bool {
	if all, ok := value.([]any); ok {
		return slices.ContainsFunc(all, func(v any) bool { return o.match(e, v) })
	}
	// What is no object has none of the fields, which can be what is asked for.
	have, _ := value.(map[string]any)
	for _, f := range o.fields {
		if !f.match(e, have) {
			return false
		}
	}
	for _, choices := range o.or {
		if !slices.ContainsFunc(choices, func(n node) bool { return n.match(e, value) }) {
			return false
		}
	}
	return true
}

func (f *field) match(e *Event, have map[string]any) bool {
	v, there := have[f.name]
	if l, ok := f.node.(leaf); ok {
		return l.present(v, there) || l.missing() && !exists(e.root, f.path)
	}
	return f.node.match(e, v)
}

// present says whether a value, or one in its arrays, passes one of the tests.
func (l leaf) present(v any, there bool) bool {
	switch v := v.(type) {
	case []any:
		return slices.ContainsFunc(v, func(m any) bool { return l.present(m, there) })
	case map[string]any:
		return false // no leaf
	}
	return there && slices.ContainsFunc(l, func(t test) bool { return t.passes(v) })
}

func (l leaf) missing() bool {
	return slices.ContainsFunc(l, func(t test) bool { return t.kind == missing })
}

func (l leaf) match(_ *Event, v any) bool { return l.present(v, true) }

// exists says whether an event has a value at a path, in whatever arrays.
func exists(v any, path []string) bool {
	switch v := v.(type) {
	case []any:
		return slices.ContainsFunc(v, func(m any) bool { return exists(m, path) })
	case map[string]any:
		if len(path) == 0 {
			return false
		}
		m, ok := v[path[0]]
		return ok && exists(m, path[1:])
	}
	return len(path) == 0
}
