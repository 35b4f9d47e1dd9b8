// Package constraint has what the models of AWS's APIs ask of the members of a request beyond their types: which must be given, how long a text or
// list may be, how large a number, and what a text must look like. The structures are those of the AWS SDK for Go v2; the tables are made from the
// models that the SDKs are made from. Reading values and wording what is wrong with them is for the codecs. The package is pure.
package constraint

import (
	"math"
	"reflect"
	"regexp"
	"strings"
)

//go:generate go run generate.go acm ACM_MODEL.json acm_table.go
//go:generate go run generate.go cloudtrail CLOUDTRAIL_MODEL.json cloudtrail_table.go
//go:generate go run generate.go eventbridge EVENTBRIDGE_MODEL.json eventbridge_table.go
//go:generate go run generate.go iam IAM_MODEL.json iam_table.go
//go:generate go run generate.go kms KMS_MODEL.json kms_table.go
//go:generate go run generate.go sts STS_MODEL.json sts_table.go

// No bound.
const (
	NoMinimum = math.MinInt64
	NoMaximum = math.MaxInt64
)

// Constraint is what a value is held against. Minimum and Maximum bound the value of a number, the characters of a text, the bytes of a blob and the
// items of a list or map. Of a nil Constraint nothing is asked. It is not changed once it is made.
type Constraint struct {
	Minimum, Maximum int64
	Pattern          string         // of the whole value, as the model has it and messages repeat it
	Matches          *regexp.Regexp // Pattern; nil without one
	Sensitive        bool           // the value is a secret: no message repeats it
	Items            *Constraint    // of a list's items or a map's values
	Keys             *Constraint    // of a map's keys
}

// memberRow is what a model says of one member of a structure: the name of its shape, and whether it must be given.
type memberRow struct {
	member, shape string
	required      bool
}

// shapeRow is what a model says of a shape beyond its type.
type shapeRow struct {
	minimum, maximum int64
	pattern          string // in the syntax of Java
	item             string // the shape of a list's items, or a map's values; empty for structures
	key              string // the shape of a map's keys
	sensitive        bool
}

// model has the rows of an API: the members by structure, and the shapes by name.
type model struct {
	members map[string][]memberRow
	shapes  map[string]shapeRow
}

// models are the APIs by the name of the SDK's package.
var models = map[string]model{
	"acm":         {acmMembers, acmShapes},
	"cloudtrail":  {cloudtrailMembers, cloudtrailShapes},
	"eventbridge": {eventbridgeMembers, eventbridgeShapes},
	"iam":         {iamMembers, iamShapes},
	"kms":         {kmsMembers, kmsShapes},
	"sts":         {stsMembers, stsShapes},
}

// Of returns what the model asks of a member of a structure or union of the SDK, and whether it must be given: nil and false where it asks nothing.
func Of(structure reflect.Type, member string) (c *Constraint, required bool) {
	name := service(structure)
	for _, m := range []model{later[name], models[name]} {
		for _, row := range m.members[structure.Name()] {
			if row.member == member {
				return compile(name, row.shape), row.required
			}
		}
	}
	return nil, false
}

// service returns kms for the types of the SDK's packages service/kms and service/kms/types; empty for what is no type of a service.
func service(t reflect.Type) string {
	_, name, _ := strings.Cut(t.PkgPath(), "/aws-sdk-go-v2/service/")
	return strings.TrimSuffix(name, "/types")
}

// compile makes the constraint of a shape of a service; nil if nothing is asked of it. The patterns are in the tables and are all tested: one that
// does not compile panics.
func compile(service, shape string) *Constraint {
	row, ok := models[service].shapes[shape]
	if !ok {
		if row, ok = later[service].shapes[shape]; !ok {
			return nil
		}
	}
	c := &Constraint{Minimum: row.minimum, Maximum: row.maximum, Pattern: row.pattern, Sensitive: row.sensitive}
	if row.pattern != "" {
		c.Matches = regexp.MustCompile(`\A(?:` + translate(row.pattern) + `)\z`)
	}
	if row.item != "" {
		c.Items = compile(service, row.item)
	}
	if row.key != "" {
		c.Keys = compile(service, row.key)
	}
	return c
}

var unicodeEscape = regexp.MustCompile(`\\u([0-9A-F]{4})`)

// rewritten has the patterns that do not mean in Go what they mean, or are meant to mean, in the model. Go has no look-ahead.
var rewritten = map[string]string{
	`(\*\.)?(((?!-)[A-Za-z0-9-]{0,62}[A-Za-z0-9])\.)+((?!-)[A-Za-z0-9-]{1,62}[A-Za-z0-9])`: `(\*\.)?([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9][A-Za-z0-9-]{0,61}[A-Za-z0-9]`,
	`^(?!\s*$).+`: `.*\S.*`,
	// The bounds on the length are in the table too.
	`^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$`: `[a-z0-9](-?[a-z0-9])+`,
	// What Java reads as U+1000 and a zero is meant to be U+10000; surrogates are not characters.
	`[\u0009\u000A\u000D\u0020-\u007E\u0085\u00A0-\uD7FF\uE000-\uFFFD\u10000-\u10FFFF]+`: `[\x{9}\x{A}\x{D}\x{20}-\x{7E}\x{85}\x{A0}-\x{D7FF}\x{E000}-\x{FFFD}\x{10000}-\x{10FFFF}]+`,
}

// translate turns a pattern of a model into the syntax of Go.
func translate(pattern string) string {
	if own, ok := rewritten[pattern]; ok {
		return own
	}
	return unicodeEscape.ReplaceAllString(pattern, `\x{$1}`)
}
