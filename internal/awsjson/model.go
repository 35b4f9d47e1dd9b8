package awsjson

import (
	"reflect"
	"strings"
	"sync"

	acm "github.com/aws/aws-sdk-go-v2/service/acm/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"

	"darkroom/internal/constraint"
)

// Place is where a member of a request travels.
type Place int

// The places. In APIs other than REST-JSON everything is in the body.
const (
	InBody Place = iota
	InPath
	InQuery
)

// Rule is what an API asks of a member beyond its type.
type Rule struct {
	Required   bool
	Place      Place
	Constraint *constraint.Constraint // nil: nothing
}

// Model is what the structures of the SDK do not say of an API.
type Model struct {
	// WireName returns how a member of a structure is called on the wire, by its name in Go.
	WireName func(structure reflect.Type, goName string) string
	// GoNames says that bodies may also spell members as in Go.
	GoNames bool
	// RuleOf returns what is asked of a member of a structure.
	RuleOf func(structure reflect.Type, goName string) Rule
}

// Codec reads and writes the structures of a Model. It is safe for concurrent use; what it learns of a type it keeps.
type Codec struct {
	model  Model
	shapes sync.Map // reflect.Type → *shape
	build  sync.Mutex
}

// New returns the codec of a model.
func New(m Model) *Codec { return &Codec{model: m} }

// lowerCase are the structures whose members begin in lower case, among those of the APIs with AWS JSON 1.1.
var lowerCase = map[reflect.Type]bool{
	reflect.TypeFor[acm.Filters](): true, reflect.TypeFor[cloudtrail.DescribeTrailsInput](): true, reflect.TypeFor[cloudtrail.DescribeTrailsOutput](): true,
}

// protocol is AWS JSON 1.1: members are called as in Go.
var protocol = New(Model{
	WireName: func(structure reflect.Type, goName string) string {
		if lowerCase[structure] {
			return strings.ToLower(goName[:1]) + goName[1:]
		}
		return goName
	},
	RuleOf: func(structure reflect.Type, goName string) Rule {
		c, required := constraint.Of(structure, goName)
		return Rule{Required: required, Constraint: c}
	},
})

// Decode reads the body of a request of the AWS JSON 1.1 protocol into the input structure of its operation, as Codec.Decode does. An empty body is
// an object without members.
func Decode(body []byte, input any) []Fault {
	if len(body) == 0 {
		body = []byte("{}")
	}
	return protocol.Decode(body, input)
}

// Encode writes the answer of an operation of the AWS JSON 1.1 protocol, as Codec.Encode does.
func Encode(output any) ([]byte, error) { return protocol.Encode(output) }
