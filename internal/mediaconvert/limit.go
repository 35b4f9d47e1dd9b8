package mediaconvert

import (
	"math"
	"regexp"
)

//go:generate go run generate.go MODEL.json limit_table.go

// place is where a member of a request travels.
type place int

const (
	inBody place = iota
	inPath
	inQuery
)

// limitRow is a line of the table of what the model says about a member beyond its type. Minimum and maximum bound the value of a number
// and the characters of a string; for a list they, and the pattern, hold for each item.
type limitRow struct {
	structure, member string // the names in the model
	minimum, maximum  int64
	pattern           string
	required          bool
	place             place
}

// No bound.
const (
	noMinimum = math.MinInt64
	noMaximum = math.MaxInt64
)

// limit is what a value is held against. The zero value is not used: nil means no limit.
type limit struct {
	minimum, maximum int64
	pattern          *regexp.Regexp
	text             string // of the pattern
}

// compile makes the limit of a row, nil if it has none. The patterns are ours and are all tested: one that does not compile panics.
func (r limitRow) compile() *limit {
	if r.minimum == noMinimum && r.maximum == noMaximum && r.pattern == "" {
		return nil
	}
	l := &limit{minimum: r.minimum, maximum: r.maximum, text: r.pattern}
	if r.pattern != "" {
		l.pattern = regexp.MustCompile(r.pattern)
	}
	return l
}
