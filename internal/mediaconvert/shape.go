package mediaconvert

import (
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
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
	limit    *limit
	required bool
}

// maxMembers is how many members a structure of the model may have; the largest has 70.
const maxMembers = 128

var (
	shapes     sync.Map // reflect.Type → *shape
	buildShape sync.Mutex
)

var timeType = reflect.TypeFor[time.Time]()

// shapeOf returns the shape of t, which is a type of the SDK's model: anything else is a mistake of the caller's and panics.
func shapeOf(t reflect.Type) *shape {
	if s, ok := shapes.Load(t); ok {
		return s.(*shape)
	}
	buildShape.Lock()
	defer buildShape.Unlock()
	made := make(map[reflect.Type]*shape)
	s := build(t, made)
	// Stored only when all are whole, so that nobody reads one that is still being made.
	for t, s := range made {
		shapes.Store(t, s)
	}
	return s
}

func build(t reflect.Type, made map[reflect.Type]*shape) *shape {
	if s, ok := shapes.Load(t); ok {
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
		s.buildMembers(made)
	case t.Kind() == reflect.Slice:
		s.form, s.name, s.elem = listForm, "list", build(t.Elem(), made)
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		s.form, s.name, s.elem = mapForm, "map", build(t.Elem(), made)
	case t.Kind() == reflect.String && t.PkgPath() != "":
		s.form, s.name, s.allowed = enumForm, t.Name(), enumValues(t)
	case t.Kind() == reflect.String:
		s.form, s.name = stringForm, "string"
	case t.Kind() == reflect.Int32 || t.Kind() == reflect.Int64:
		s.form, s.name = integerForm, "integer"
	case t.Kind() == reflect.Float64:
		s.form, s.name = floatForm, "double"
	default:
		panic(fmt.Sprintf("mediaconvert: %v is no type of the API model", t))
	}
	return s
}

func (s *shape) buildMembers(made map[reflect.Type]*shape) {
	t := s.typ
	owner := t.Name()
	if base, ok := strings.CutSuffix(owner, "Input"); ok && t.PkgPath() == inputPackage {
		owner = base + "Request"
	}
	s.byName = make(map[string]*member)
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() || f.Name == "ResultMetadata" {
			continue // not of the model, but of the SDK
		}
		row := limitsOf(owner, f.Name)
		m := member{
			name: WireName(f.Name), bit: len(s.members), field: i, shape: build(f.Type, made), limit: row.compile(), required: row.required,
		}
		s.members = append(s.members, m)
		s.place[row.place] = append(s.place[row.place], m)
		if row.place != inBody {
			continue
		}
		s.byName[m.name], s.byName[f.Name] = &m, &m
		if m.required {
			s.required = append(s.required, m)
		}
	}
	if len(s.members) > maxMembers {
		panic(fmt.Sprintf("mediaconvert: %v has more than %d members", t, maxMembers))
	}
	for i := range s.members {
		s.sorted = append(s.sorted, i)
	}
	slices.SortFunc(s.sorted, func(a, b int) int { return strings.Compare(s.members[a].name, s.members[b].name) })
}

// names returns the wire names of the members in the body.
func (s *shape) names() []string {
	var n []string
	for _, m := range s.place[inBody] {
		n = append(n, m.name)
	}
	return n
}

// limitsOf finds the row of a member; the zero row, without bounds, if there is none.
func limitsOf(structure, member string) limitRow {
	i := sort.Search(len(limitTable), func(i int) bool {
		r := limitTable[i]
		return r.structure > structure || r.structure == structure && r.member >= member
	})
	if i < len(limitTable) && limitTable[i].structure == structure && limitTable[i].member == member {
		return limitTable[i]
	}
	return limitRow{minimum: noMinimum, maximum: noMaximum}
}

// enumValues returns the words of an enumeration of the SDK.
func enumValues(t reflect.Type) []string {
	values := reflect.Zero(t).MethodByName("Values")
	if !values.IsValid() {
		panic(fmt.Sprintf("mediaconvert: %v has no Values", t))
	}
	all := values.Call(nil)[0]
	words := make([]string, all.Len())
	for i := range words {
		words[i] = all.Index(i).String()
	}
	return words
}

// WireName returns how a member is called on the wire: its Go name with the first letter in lower case.
func WireName(goName string) string { return strings.ToLower(goName[:1]) + goName[1:] }
