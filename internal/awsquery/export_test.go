package awsquery

import (
	"reflect"
	"regexp"
)

// Limit is what the model says of a member, for tests that make values.
type Limit struct {
	Known            bool // the table has the member
	Required         bool
	Minimum, Maximum int64
	Pattern          *regexp.Regexp
	Text             string
	Items, Keys      *Limit
}

// LimitOf returns what the table has of a member of the structure t.
func LimitOf(t reflect.Type, member string) Limit {
	row, c := constraintOf(serviceOf(t), t.Name(), member)
	l := limitOf(c)
	l.Known, l.Required = row.member != "", row.required
	return l
}

func limitOf(c *constraint) Limit {
	if c == nil {
		return Limit{Minimum: noMinimum, Maximum: noMaximum}
	}
	l := Limit{Minimum: c.minimum, Maximum: c.maximum, Pattern: c.matches, Text: c.pattern}
	if c.items != nil {
		i := limitOf(c.items)
		l.Items = &i
	}
	if c.keys != nil {
		k := limitOf(c.keys)
		l.Keys = &k
	}
	return l
}

// Members returns the table: for each service and structure, its members.
func Members() map[string]map[string][]string {
	all := make(map[string]map[string][]string)
	for service, table := range map[string]map[string][]memberRow{"iam": iamMembers, "sts": stsMembers} {
		all[service] = make(map[string][]string)
		for structure, rows := range table {
			for _, r := range rows {
				all[service][structure] = append(all[service][structure], r.member)
			}
		}
	}
	for service, table := range laterMembers {
		for structure, rows := range table {
			for _, r := range rows {
				all[service][structure] = append(all[service][structure], r.member)
			}
		}
	}
	return all
}

// Patterns returns every pattern of the table, compiled, by its text.
func Patterns() map[string]*regexp.Regexp {
	all := make(map[string]*regexp.Regexp)
	for _, table := range []map[string]constraintRow{iamShapes, stsShapes, laterShapes} {
		for name, row := range table {
			if row.pattern != "" {
				all[row.pattern] = compile(table, name).matches
			}
		}
	}
	return all
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
