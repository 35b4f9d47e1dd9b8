package awsquery

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"darkroom/internal/constraint"
)

// form is what a value is on the wire.
type form int

const (
	structureForm form = iota
	unionForm          // a structure of which one member is set
	listForm
	mapForm
	stringForm
	enumForm
	integerForm
	boolForm
	timeForm
	blobForm
)

// The words of the wire for what is inside lists and maps.
const (
	memberWord = "member"
	entryWord  = "entry"
	keyWord    = "key"
	valueWord  = "value"
)

// shape is how one Go type is read and written. It is made once for each type and not changed afterwards.
type shape struct {
	form    form
	typ     reflect.Type
	pointer bool // the value stands behind a pointer; typ is what it points to

	elem    *shape            // of a list or map
	key     *shape            // of a map
	allowed []string          // the words of an enumeration
	members []member          // of a structure or union, in the order of the SDK
	byName  map[string]member // by the name on the wire
}

// member is one member of a structure.
type member struct {
	name     string // on the wire
	path     string // as messages call it
	field    int    // its index in the Go structure, or that of its type among those of a union
	shape    *shape
	required bool
	limit    *bounds
}

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
		s.form = timeForm
	case t.Kind() == reflect.Struct:
		s.form = structureForm
		s.buildMembers(made)
	case unions[t] != nil:
		s.form = unionForm
		s.buildVariants(made)
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		s.form = blobForm
	case t.Kind() == reflect.Slice:
		s.form, s.elem = listForm, build(t.Elem(), made)
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		s.form, s.elem, s.key = mapForm, build(t.Elem(), made), &shape{form: stringForm, typ: t.Key()}
	case t.Kind() == reflect.String && t.PkgPath() != "":
		s.form, s.allowed = enumForm, enumValues(t)
	case t.Kind() == reflect.String:
		s.form = stringForm
	case t.Kind() == reflect.Int32 || t.Kind() == reflect.Int64:
		s.form = integerForm
	case t.Kind() == reflect.Bool:
		s.form = boolForm
	default:
		panic(fmt.Sprintf("awsquery: %v is no type of the API models", t))
	}
	return s
}

func (s *shape) buildMembers(made map[reflect.Type]*shape) {
	t := s.typ
	service := serviceOf(t)
	s.byName = make(map[string]member)
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() || f.Name == "ResultMetadata" {
			continue // not of the model, but of the SDK
		}
		limit, required := constraint.Of(t, f.Name)
		m := member{name: wireName(service, t.Name(), f.Name), path: lowerFirst(f.Name), field: i, shape: build(f.Type, made), required: required, limit: (*bounds)(limit)}
		s.members = append(s.members, m)
		s.byName[m.name] = m
	}
}

// unions has the types of the SDK that are interfaces, and which structures with a Value stand for their members.
var unions = map[reflect.Type][]reflect.Type{
	reflect.TypeFor[types.PolicyIdentifier](): {
		reflect.TypeFor[types.PolicyIdentifierMemberInlinePolicyIdentifier](),
		reflect.TypeFor[types.PolicyIdentifierMemberPolicyArn](),
		reflect.TypeFor[types.PolicyIdentifierMemberPolicyType](),
	},
}

func (s *shape) buildVariants(made map[reflect.Type]*shape) {
	t := s.typ
	s.byName = make(map[string]member)
	for i, variant := range unions[t] {
		name := strings.TrimPrefix(variant.Name(), t.Name()+"Member")
		value, _ := variant.FieldByName("Value")
		limit, _ := constraint.Of(t, name)
		m := member{name: name, path: lowerFirst(name), field: i, shape: build(value.Type, made), limit: (*bounds)(limit)}
		s.members = append(s.members, m)
		s.byName[m.name] = m
	}
}

// serviceOf returns iam for the types of the SDK's packages service/iam and service/iam/types; empty for what is no type of a service.
func serviceOf(t reflect.Type) string {
	_, service, _ := strings.Cut(t.PkgPath(), "/aws-sdk-go-v2/service/")
	return strings.TrimSuffix(service, "/types")
}

// oddNames has the members whose name on the wire is not their Go name.
var oddNames = map[[3]string]string{
	{"iam", "ListDelegationRequestsOutput", "IsTruncated"}: "isTruncated",
	{"sts", "PolicyDescriptorType", "Arn"}:                 "arn",
}

func wireName(service, structure, goName string) string {
	if odd, ok := oddNames[[3]string{service, structure, goName}]; ok {
		return odd
	}
	return goName
}

// enumValues returns the words of an enumeration of the SDK.
func enumValues(t reflect.Type) []string {
	values := reflect.Zero(t).MethodByName("Values")
	if !values.IsValid() {
		panic(fmt.Sprintf("awsquery: %v has no Values", t))
	}
	all := values.Call(nil)[0]
	words := make([]string, all.Len())
	for i := range words {
		words[i] = all.Index(i).String()
	}
	return words
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }
