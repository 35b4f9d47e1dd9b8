package awsquery

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"darkroom/internal/constraint"
)

// bounds are what a value is held against. Of nil bounds nothing is asked.
type bounds constraint.Constraint

// items are those of a list's items or a map's values.
func (c *bounds) items() *bounds {
	if c == nil {
		return nil
	}
	return (*bounds)(c.Items)
}

// keys are those of a map's keys.
func (c *bounds) keys() *bounds {
	if c == nil {
		return nil
	}
	return (*bounds)(c.Keys)
}

// hidden says whether the value is a secret, which no message repeats.
func (c *bounds) hidden() bool { return c != nil && c.Sensitive }

// text holds a string against the constraint. Characters are code points.
func (c *bounds) text(s string) []Fault {
	if c == nil {
		return nil
	}
	faults := c.length(int64(utf8.RuneCountInString(s)))
	if len(faults) > 0 && faults[0].Kind == TooLong {
		return faults // what is too long is not matched
	}
	if c.Matches != nil && !c.Matches.MatchString(s) {
		faults = append(faults, Fault{Kind: PatternMismatch, Want: c.Pattern})
	}
	return faults
}

// length holds the length of a string or list against the constraint.
func (c *bounds) length(n int64) []Fault {
	switch {
	case c == nil:
	case n < c.Minimum:
		return []Fault{{Kind: TooShort, Want: strconv.FormatInt(c.Minimum, 10)}}
	case n > c.Maximum:
		return []Fault{{Kind: TooLong, Want: strconv.FormatInt(c.Maximum, 10)}}
	}
	return nil
}

// number returns the bounds of an integer of so many bits.
func (c *bounds) number(bits int) (minimum, maximum int64) {
	minimum, maximum = math.MinInt64>>(64-bits), math.MaxInt64>>(64-bits)
	if c != nil {
		minimum, maximum = max(minimum, c.Minimum), min(maximum, c.Maximum)
	}
	return minimum, maximum
}

// all says everything that is asked of an item of a list of strings.
func (c *bounds) all(s *shape) string {
	var parts []string
	say := func(f Fault) { parts = append(parts, f.constraint()) }
	if s.form == enumForm {
		say(s.wrong())
	}
	if c != nil && c.Maximum != constraint.NoMaximum {
		say(Fault{Kind: TooLong, Want: strconv.FormatInt(c.Maximum, 10)})
	}
	if c != nil && c.Minimum != constraint.NoMinimum {
		say(Fault{Kind: TooShort, Want: strconv.FormatInt(c.Minimum, 10)})
	}
	if c != nil && c.Pattern != "" {
		say(Fault{Kind: PatternMismatch, Want: c.Pattern})
	}
	return strings.Join(parts, ", ")
}
