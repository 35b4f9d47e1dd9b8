package audit

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"darkroom/internal/constraint"
)

// Hidden stands in a record where a secret stood, as in CloudTrail's.
const Hidden = "HIDDEN_DUE_TO_SECURITY_REASONS"

// Parameters are requestParameters: the members of an operation's input structure of the AWS SDK, called as in CloudTrail, without secrets. They are nil
// where none is there.
//
// It fails closed: a text that the service's model or the table of secrets calls one is Hidden; blobs, and whatever is of a type that no model has, are left out. Of URLs the user, and the
// values in the query, are hidden. Times are seconds since the epoch. What is larger than MaxMember is cut (see Cut).
func Parameters(input any) json.RawMessage { return show(input) }

// Elements are responseElements: the members of an output structure, as Parameters has those of an input.
func Elements(output any) json.RawMessage { return show(output) }

func show(v any) json.RawMessage {
	root := reflect.ValueOf(v)
	for root.Kind() == reflect.Pointer && !root.IsNil() {
		root = root.Elem()
	}
	if root.Kind() != reflect.Struct {
		return nil
	}
	out := appendValue(make([]byte, 0, 1024), shownOf(root.Type()), root)
	if string(out) == "{}" {
		return nil
	}
	return Cut(out, MaxMember)
}

// shownKind is how a type of the SDK is shown.
type shownKind int

const (
	leftOut shownKind = iota
	shownStruct
	shownUnion // an interface: one of the structures with a Value
	shownList
	shownMap
	shownText
	shownInt
	shownFloat
	shownBool
	shownTime
)

// shown is how one type is shown; it is made once for each and not changed afterwards.
type shown struct {
	kind    shownKind
	pointer bool
	elem    *shown // of a list or map
	members []shownMember
}

type shownMember struct {
	prefix string // "name":
	field  int
	hidden bool
	typ    *shown
}

var (
	shownTypes sync.Map   // reflect.Type → *shown
	shownBuild sync.Mutex // held while a type is made
)

var timeType = reflect.TypeFor[time.Time]()

func shownOf(t reflect.Type) *shown {
	if s, ok := shownTypes.Load(t); ok {
		return s.(*shown)
	}
	shownBuild.Lock()
	defer shownBuild.Unlock()
	made := map[reflect.Type]*shown{}
	s := buildShown(t, made)
	for t, s := range made { // all are whole now
		shownTypes.Store(t, s)
	}
	return s
}

func buildShown(t reflect.Type, made map[reflect.Type]*shown) *shown {
	if s, ok := shownTypes.Load(t); ok {
		return s.(*shown)
	}
	if s, ok := made[t]; ok {
		return s
	}
	s := new(shown)
	made[t] = s
	if t.Kind() == reflect.Pointer {
		s.pointer, t = true, t.Elem()
	}
	switch {
	case t == timeType:
		s.kind = shownTime
	case t.Kind() == reflect.Struct:
		s.kind = shownStruct
		for i := range t.NumField() {
			f := t.Field(i)
			if !f.IsExported() || f.Name == "ResultMetadata" {
				continue // not of the model, but of the SDK
			}
			m := shownMember{prefix: strconv.Quote(lowerFirst(f.Name)) + ":", field: i, hidden: secret(t, f.Name), typ: buildShown(f.Type, made)}
			if m.typ.kind != leftOut {
				s.members = append(s.members, m)
			}
		}
		slices.SortFunc(s.members, func(a, b shownMember) int { return strings.Compare(a.prefix, b.prefix) })
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		s.kind = leftOut
	case t.Kind() == reflect.Slice:
		s.kind = shownList // before its items, which may be of a type with such a list
		s.elem = buildShown(t.Elem(), made)
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		s.kind = shownMap
		s.elem = buildShown(t.Elem(), made)
	case t.Kind() == reflect.String:
		s.kind = shownText
	case t.Kind() == reflect.Int32, t.Kind() == reflect.Int64:
		s.kind = shownInt
	case t.Kind() == reflect.Float64, t.Kind() == reflect.Float32:
		s.kind = shownFloat
	case t.Kind() == reflect.Bool:
		s.kind = shownBool
	case t.Kind() == reflect.Interface && service(t) != "":
		s.kind = shownUnion
	}
	return s
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// service returns kms for the types of the SDK's packages service/kms and service/kms/types; empty for what is no type of a service.
func service(t reflect.Type) string {
	_, name, _ := strings.Cut(t.PkgPath(), "/aws-sdk-go-v2/service/")
	return strings.TrimSuffix(name, "/types")
}

// secret says whether a member of a structure is one: the model of its service says so, or the table does.
func secret(structure reflect.Type, member string) bool {
	if c, _ := constraint.Of(structure, member); c != nil && (c.Sensitive || c.Items != nil && c.Items.Sensitive) {
		return true
	}
	table := secretMembers[service(structure)]
	return table[member] || table[structure.Name()+"."+member]
}

// absent says whether a member is not there: nil, or an enumeration without a word.
func (s *shown) absent(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return v.IsNil()
	case reflect.String:
		return v.Len() == 0
	case reflect.Int32, reflect.Int64, reflect.Float64, reflect.Bool:
		return v.IsZero() // members that are no pointers have zero where they are not given
	}
	return false
}

func appendValue(out []byte, s *shown, v reflect.Value) []byte {
	if s.pointer {
		if v.IsNil() { // an item of a list
			return append(out, "null"...)
		}
		v = v.Elem()
	}
	switch s.kind {
	case shownStruct:
		return appendMembers(out, s, v)
	case shownUnion:
		return appendUnion(out, v)
	case shownList:
		out = append(out, '[')
		for i := range v.Len() {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendValue(out, s.elem, v.Index(i))
		}
		return append(out, ']')
	case shownMap:
		keys := make([]string, 0, v.Len())
		for _, k := range v.MapKeys() {
			keys = append(keys, k.String())
		}
		slices.Sort(keys)
		out = append(out, '{')
		for i, k := range keys {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(AppendText(out, k), ':')
			out = appendValue(out, s.elem, v.MapIndex(reflect.ValueOf(k).Convert(v.Type().Key())))
		}
		return append(out, '}')
	case shownText:
		return AppendText(out, WithoutCredentials(v.String()))
	case shownInt:
		return strconv.AppendInt(out, v.Int(), 10)
	case shownFloat:
		if f := v.Float(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return strconv.AppendFloat(out, f, 'g', -1, 64)
		}
	case shownBool:
		return strconv.AppendBool(out, v.Bool())
	case shownTime:
		return strconv.AppendInt(out, v.Interface().(time.Time).Unix(), 10)
	}
	return append(out, "null"...) // what has no form is not shown
}

func appendMembers(out []byte, s *shown, v reflect.Value) []byte {
	out = append(out, '{')
	first := true
	for i := range s.members {
		m := &s.members[i]
		f := v.Field(m.field)
		if m.typ.absent(f) {
			continue
		}
		if !first {
			out = append(out, ',')
		}
		first = false
		out = append(out, m.prefix...)
		if m.hidden {
			out = append(out, `"`+Hidden+`"`...)
			continue
		}
		out = appendValue(out, m.typ, f)
	}
	return append(out, '}')
}

// appendUnion shows a member of a union: PolicyIdentifierMemberPolicyArn as {"policyArn": …}.
func appendUnion(out []byte, v reflect.Value) []byte {
	variant := v.Elem()
	if !variant.IsValid() {
		return append(out, "null"...)
	}
	if variant.Kind() == reflect.Pointer && !variant.IsNil() {
		variant = variant.Elem()
	}
	name, ok := strings.CutPrefix(variant.Type().Name(), v.Type().Name()+"Member")
	if !ok || name == "" || variant.Kind() != reflect.Struct || secret(v.Type(), name) {
		return append(out, `"`+Hidden+`"`...)
	}
	value := variant.FieldByName("Value")
	if !value.IsValid() {
		return append(out, `"`+Hidden+`"`...)
	}
	out = append(AppendText(append(out, '{'), lowerFirst(name)), ':')
	return append(appendValue(out, shownOf(value.Type()), value), '}')
}
