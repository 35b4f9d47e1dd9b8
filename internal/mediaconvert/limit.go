package mediaconvert

import (
	"math"
	"reflect"
	"regexp"
	"sort"
	"strings"

	"darkroom/internal/awsjson"
	"darkroom/internal/constraint"
)

//go:generate go run generate.go MODEL.json limit_table.go

// limitRow is a line of the table of what the model says about a member beyond its type. Minimum and maximum bound the value of a number
// and the characters of a string; for a list they, and the pattern, hold for each item.
type limitRow struct {
	structure, member string // the names in the model
	minimum, maximum  int64
	pattern           string
	required          bool
	place             awsjson.Place
}

// What the table says briefly.
const (
	noMinimum = math.MinInt64
	noMaximum = math.MaxInt64

	inBody  = awsjson.InBody
	inPath  = awsjson.InPath
	inQuery = awsjson.InQuery
)

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

// ruleOf says what is asked of a member of a structure of the SDK. The patterns are ours and are all tested: one that does not compile panics.
func ruleOf(structure reflect.Type, goName string) awsjson.Rule {
	owner := structure.Name()
	if base, ok := strings.CutSuffix(owner, "Input"); ok && structure.PkgPath() == inputPackage {
		owner = base + "Request"
	}
	r := limitsOf(owner, goName)
	rule := awsjson.Rule{Required: r.required, Place: r.place}
	if r.minimum == noMinimum && r.maximum == noMaximum && r.pattern == "" {
		return rule
	}
	rule.Constraint = &constraint.Constraint{Minimum: r.minimum, Maximum: r.maximum, Pattern: r.pattern}
	if r.pattern != "" {
		rule.Constraint.Matches = regexp.MustCompile(r.pattern)
	}
	f, _ := structure.FieldByName(goName)
	for t := f.Type; t.Kind() == reflect.Slice || t.Kind() == reflect.Map; t = t.Elem() {
		rule.Constraint = &constraint.Constraint{Minimum: noMinimum, Maximum: noMaximum, Items: rule.Constraint}
	}
	return rule
}
