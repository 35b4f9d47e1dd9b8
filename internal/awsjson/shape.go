package awsjson

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"darkroom/internal/constraint"
)

// form is what a value is on the wire.
type form int

const (
	structureForm form = iota
	listForm
	mapForm
	stringForm
	enumForm
	integerForm
	floatForm
	timeForm
	boolForm
	blobForm
)

// shape is how one Go type is read and written. It is made once for each type and not changed afterwards.
type shape struct {
	form    form
	typ     reflect.Type
	pointer bool   // the value stands behind a pointer; typ is what it points to
	name    string // as messages call the type

	elem    *shape   // of a list or map
	allowed []string // the words of an enumeration

	members  []member           // of a structure, in the order of the SDK
	sorted   []int              // indices into members, by wire name
	byName   map[string]*member // members in the body, in both spellings
	required []member           // among those in the body
	place    [3][]member        // the wire members by where they travel
}

// member is one member of a structure.
type member struct {
	name     string // on the wire
	bit      int    // its number among the members
	field    int    // its index in the Go structure
	shape    *shape
	limit    *constraint.Constraint
	required bool
}

// maxMembers is how many members a structure of the model may have; the largest has 70.
const maxMembers = 128

var timeType = reflect.TypeFor[time.Time]()

// shapeOf returns the shape of t, which is a type of the SDK's model: anything else is a mistake of the caller's and panics.
func (c *Codec) shapeOf(t reflect.Type) *shape {
	if s, ok := c.shapes.Load(t); ok {
		return s.(*shape)
	}
	c.build.Lock()
	defer c.build.Unlock()
	made := make(map[reflect.Type]*shape)
	s := c.buildShape(t, made)
	// Stored only when all are whole, so that nobody reads one that is still being made.
	for t, s := range made {
		c.shapes.Store(t, s)
	}
	return s
}

func (c *Codec) buildShape(t reflect.Type, made map[reflect.Type]*shape) *shape {
	if s, ok := c.shapes.Load(t); ok {
		return s.(*shape)
	}
	if s, ok := made[t]; ok {
		return s
	}
	s := &shape{typ: t}
	made[t] = s
	if t.Kind() == reflect.Pointer {
		s.pointer, s.typ = true, t.Elem()
	}
	switch t := s.typ; {
	case t == timeType:
		s.form, s.name = timeForm, "timestamp"
	case t.Kind() == reflect.Struct:
		s.form, s.name = structureForm, t.Name()
		c.buildMembers(s, made)
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		s.form, s.name = blobForm, "blob"
	case t.Kind() == reflect.Slice:
		s.form, s.name, s.elem = listForm, "list", c.buildShape(t.Elem(), made)
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		s.form, s.name, s.elem = mapForm, "map", c.buildShape(t.Elem(), made)
	case t.Kind() == reflect.String && t.PkgPath() != "":
		s.form, s.name, s.allowed = enumForm, t.Name(), enumValues(t)
	case t.Kind() == reflect.String:
		s.form, s.name = stringForm, "string"
	case t.Kind() == reflect.Int32 || t.Kind() == reflect.Int64:
		s.form, s.name = integerForm, "integer"
	case t.Kind() == reflect.Float64:
		s.form, s.name = floatForm, "double"
	case t.Kind() == reflect.Bool:
		s.form, s.name = boolForm, "boolean"
	default:
		panic(fmt.Sprintf("awsjson: %v is no type of an API model", t))
	}
	return s
}

func (c *Codec) buildMembers(s *shape, made map[reflect.Type]*shape) {
	t := s.typ
	s.byName = make(map[string]*member)
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() || f.Name == "ResultMetadata" {
			continue // not of the model, but of the SDK
		}
		rule := c.model.RuleOf(t, f.Name)
		m := member{
			name: c.model.WireName(t, f.Name), bit: len(s.members), field: i, shape: c.buildShape(f.Type, made), limit: rule.Constraint, required: rule.Required,
		}
		s.members = append(s.members, m)
		s.place[rule.Place] = append(s.place[rule.Place], m)
		if rule.Place != InBody {
			continue
		}
		s.byName[m.name] = &m
		if c.model.GoNames {
			s.byName[f.Name] = &m
		}
		if m.required {
			s.required = append(s.required, m)
		}
	}
	if len(s.members) > maxMembers {
		panic(fmt.Sprintf("awsjson: %v has more than %d members", t, maxMembers))
	}
	for i := range s.members {
		s.sorted = append(s.sorted, i)
	}
	slices.SortFunc(s.sorted, func(a, b int) int { return strings.Compare(s.members[a].name, s.members[b].name) })
}

// names returns the wire names of the members in the body.
func (s *shape) names() []string {
	var n []string
	for _, m := range s.place[InBody] {
		n = append(n, m.name)
	}
	return n
}

// enumValues returns the words of an enumeration of the SDK.
func enumValues(t reflect.Type) []string {
	values := reflect.Zero(t).MethodByName("Values")
	if !values.IsValid() {
		panic(fmt.Sprintf("awsjson: %v has no Values", t))
	}
	all := values.Call(nil)[0]
	words := make([]string, all.Len())
	for i := range words {
		words[i] = all.Index(i).String()
	}
	return words
}
