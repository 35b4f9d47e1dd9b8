package awsquery

import (
	"reflect"
	"regexp"

	"darkroom/internal/constraint"
)

// Limit is what the model says of a member, for tests that make values.
type Limit struct {
	Required         bool
	Minimum, Maximum int64
	Pattern          *regexp.Regexp
	Text             string
	Items, Keys      *Limit
}

// LimitOf returns what the table has of a member of the structure t.
func LimitOf(t reflect.Type, member string) Limit {
	c, required := constraint.Of(t, member)
	l := limitOf(c)
	l.Required = required
	return l
}

func limitOf(c *constraint.Constraint) Limit {
	if c == nil {
		return Limit{Minimum: constraint.NoMinimum, Maximum: constraint.NoMaximum}
	}
	l := Limit{Minimum: c.Minimum, Maximum: c.Maximum, Pattern: c.Matches, Text: c.Pattern}
	if c.Items != nil {
		i := limitOf(c.Items)
		l.Items = &i
	}
	if c.Keys != nil {
		k := limitOf(c.Keys)
		l.Keys = &k
	}
	return l
}

// WireNames returns the names on the wire of the members of a structure.
func WireNames(t reflect.Type) []string {
	var names []string
	for _, m := range shapeOf(t).members {
		names = append(names, m.name)
	}
	return names
}

// Variants returns the structures that stand for the members of a union.
func Variants(t reflect.Type) []reflect.Type { return unions[t] }
