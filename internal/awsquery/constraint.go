package awsquery

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

//go:generate go run generate.go IAM_MODEL.json STS_MODEL.json constraint_table.go

// memberRow is what the model says of one member of a structure: the name of its shape, and whether it must be given.
type memberRow struct {
	member, shape string
	required      bool
}

// constraintRow is what the model says of a shape beyond its type. Minimum and maximum bound the value of a number, the characters of a string and the
// items of a list or map.
type constraintRow struct {
	minimum, maximum int64
	pattern          string // of the whole value, in the syntax of Java, as messages repeat it
	item             string // the shape of a list's items, or a map's values; empty for structures
	key              string // the shape of a map's keys
	sensitive        bool   // the value is a secret: no message repeats it
}

// No bound.
const (
	noMinimum = math.MinInt64
	noMaximum = math.MaxInt64
)

// constraint is what a value is held against. Of a nil constraint nothing is asked.
type constraint struct {
	constraintRow
	matches *regexp.Regexp // nil without a pattern
	items   *constraint    // of a list or map
	keys    *constraint    // of a map
}

// constraintOf finds what the model of service says of a member; the zero row and nil if there is no such model.
func constraintOf(service, structure, member string) (memberRow, *constraint) {
	members, shapes := iamMembers, iamShapes
	switch service {
	case "iam":
	case "sts":
		members, shapes = stsMembers, stsShapes
	default:
		return memberRow{}, nil
	}
	for _, rows := range [][]memberRow{members[structure], laterMembers[service][structure]} {
		for _, row := range rows {
			if row.member == member {
				return row, compile(shapes, row.shape)
			}
		}
	}
	return memberRow{}, nil
}

// compile makes the constraint of a shape. The patterns are in the table and are all tested: one that does not compile panics.
func compile(shapes map[string]constraintRow, shape string) *constraint {
	row, ok := shapes[shape]
	if !ok {
		if row, ok = laterShapes[shape]; !ok {
			return nil
		}
	}
	c := &constraint{constraintRow: row}
	if row.pattern != "" {
		c.matches = regexp.MustCompile(`\A(?:` + translate(row.pattern) + `)\z`)
	}
	if row.item != "" {
		c.items = compile(shapes, row.item)
	}
	if row.key != "" {
		c.keys = compile(shapes, row.key)
	}
	return c
}

// rewritten has the patterns that do not mean in Go what they mean, or are meant to mean, in the model.
var rewritten = map[string]string{
	// Go has no look-ahead. The bounds on the length are in the table too.
	`^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$`: `[a-z0-9](-?[a-z0-9])+`,
	// What Java reads as U+1000 and a zero is meant to be U+10000; surrogates are not characters.
	`[\u0009\u000A\u000D\u0020-\u007E\u0085\u00A0-\uD7FF\uE000-\uFFFD\u10000-\u10FFFF]+`: `[\x{9}\x{A}\x{D}\x{20}-\x{7E}\x{85}\x{A0}-\x{D7FF}\x{E000}-\x{FFFD}\x{10000}-\x{10FFFF}]+`,
}

var unicodeEscape = regexp.MustCompile(`\\u([0-9A-F]{4})`)

// translate turns a pattern of the model into the syntax of Go.
func translate(pattern string) string {
	if own, ok := rewritten[pattern]; ok {
		return own
	}
	return unicodeEscape.ReplaceAllString(pattern, `\x{$1}`)
}

// text holds a string against the constraint. Characters are code points.
func (c *constraint) text(s string) []Fault {
	if c == nil {
		return nil
	}
	faults := c.length(int64(utf8.RuneCountInString(s)))
	if len(faults) > 0 && faults[0].Kind == TooLong {
		return faults // what is too long is not matched
	}
	if c.matches != nil && !c.matches.MatchString(s) {
		faults = append(faults, Fault{Kind: PatternMismatch, Want: c.pattern})
	}
	return faults
}

// length holds the length of a string or list against the constraint.
func (c *constraint) length(n int64) []Fault {
	switch {
	case c == nil:
	case n < c.minimum:
		return []Fault{{Kind: TooShort, Want: strconv.FormatInt(c.minimum, 10)}}
	case n > c.maximum:
		return []Fault{{Kind: TooLong, Want: strconv.FormatInt(c.maximum, 10)}}
	}
	return nil
}

// number returns the bounds of an integer of so many bits.
func (c *constraint) number(bits int) (minimum, maximum int64) {
	minimum, maximum = math.MinInt64>>(64-bits), math.MaxInt64>>(64-bits)
	if c != nil {
		minimum, maximum = max(minimum, c.minimum), min(maximum, c.maximum)
	}
	return minimum, maximum
}

// all says everything that is asked of an item of a list of strings.
func (c *constraint) all(s *shape) string {
	var parts []string
	say := func(f Fault) { parts = append(parts, f.constraint()) }
	if s.form == enumForm {
		say(s.wrong())
	}
	if c != nil && c.maximum != noMaximum {
		say(Fault{Kind: TooLong, Want: strconv.FormatInt(c.maximum, 10)})
	}
	if c != nil && c.minimum != noMinimum {
		say(Fault{Kind: TooShort, Want: strconv.FormatInt(c.minimum, 10)})
	}
	if c != nil && c.pattern != "" {
		say(Fault{Kind: PatternMismatch, Want: c.pattern})
	}
	return strings.Join(parts, ", ")
}
