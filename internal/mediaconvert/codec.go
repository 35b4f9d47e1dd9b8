package mediaconvert

import (
	"reflect"
	"strings"

	"darkroom/internal/awsjson"
)

// codec is the JSON of the API.
var codec = awsjson.New(awsjson.Model{WireName: func(_ reflect.Type, goName string) string { return WireName(goName) }, GoNames: true, RuleOf: ruleOf})

// Limits of a request body, whatever its members are. MaxValues bounds what a small body can make of memory: {} is three bytes on the
// wire and hundreds as a structure.
const (
	// MaxDepth is how deep lists and objects may be nested.
	MaxDepth = awsjson.MaxDepth
	// MaxValues is how many JSON values, of every kind and depth, a body may hold.
	MaxValues = awsjson.MaxValues
)

// Decode reads a request body, or any structure of the API, into v: a pointer to a structure of the SDK's model. It returns everything that is
// wrong with it, faults of shape (names, types) before faults of value; nil means that v holds the whole of data. With faults v holds the
// members that are of the right type. A member that is null is absent.
func Decode(data []byte, v any) []Fault { return told(codec.Decode(data, v)) }

// Encode writes a structure of the SDK's model, or a pointer to one, as the API does: members in camelCase, times in seconds since the
// epoch, absent members left out, empty lists and maps kept, maps in the order of their keys. What Decode reads comes out as it was.
func Encode(v any) ([]byte, error) { return codec.Encode(v) }

// Canonical writes v as Encode does, but with members in the order of their names, so that the same request has the same bytes however it
// was written and with whatever version of the SDK this was built.
func Canonical(v any) ([]byte, error) { return codec.Canonical(v) }

// View reads a value of the model as it stands on the wire, without writing it.
type View = awsjson.View

// ViewOf shows a structure of the SDK's model; v is a pointer to one, and nil is absent.
func ViewOf(v any) View { return codec.View(v) }

// DecodeRequest reads a whole request of the route's operation: the variable of the path, the query as it was sent, and the body. It returns
// a pointer to the SDK's input structure of the operation, such as *mediaconvert.CreateJobInput, and everything that is wrong with the
// request. An empty body is an object without members. Of the query, what belongs to a presigned URL is left to who verified it.
func (r Route) DecodeRequest(rawQuery string, body []byte) (input any, faults []Fault) {
	input = r.input()
	return input, told(codec.DecodeRequest(r.Param, rawQuery, body, input))
}

// WireName returns how a member is called on the wire: its Go name with the first letter in lower case.
func WireName(goName string) string { return strings.ToLower(goName[:1]) + goName[1:] }
