package iam

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// truth is what is known of a part of a statement. What cannot be read neither holds nor fails: an Allow with it does not apply, a Deny does.
type truth int

const (
	unreadable truth = iota
	no
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// Condition is one line of a Condition block: an operator, a key, and the values of which one must hold (for a negated operator: none may).
type Condition struct {
	Operator string // as written, with ForAnyValue:, ForAllValues: and IfExists
	Key      string // as written
	Values   []string

	key      string
	compare  comparison
	negated  bool
	ifExists bool
	set      setOperator
	operands []operand
}

type setOperator int

const (
	noSet setOperator = iota
	forAllValues
	forAnyValue
)

// operand is one value of a condition in the form of its operator; which members are set is the operator's business.
type operand struct {
	text   template
	arn    [arnParts]template
	number *big.Rat
	time   time.Time
	truth  bool
	bytes  []byte
	prefix netip.Prefix
}

// comparison reads the values of an operator and compares one value of a request with one of them.
type comparison struct {
	read  func(text string, variables bool) (operand, error)
	holds func(value string, o *operand, s scope) truth
}

type operator struct {
	comparison
	negated bool
}

// nullOperator tests that a key is there; it has no comparison.
const nullOperator = "Null"

// operators are all but Null. Source: "IAM JSON policy elements: Condition operators".
var operators = map[string]operator{
	"StringEquals":              {comparison{readExact, holdsExact}, false},
	"StringNotEquals":           {comparison{readExact, holdsExact}, true},
	"StringEqualsIgnoreCase":    {comparison{readIgnoreCase, holdsIgnoreCase}, false},
	"StringNotEqualsIgnoreCase": {comparison{readIgnoreCase, holdsIgnoreCase}, true},
	"StringLike":                {comparison{readLike, holdsExact}, false},
	"StringNotLike":             {comparison{readLike, holdsExact}, true},
	"NumericEquals":             {comparison{readNumber, numeric(func(c int) bool { return c == 0 })}, false},
	"NumericNotEquals":          {comparison{readNumber, numeric(func(c int) bool { return c == 0 })}, true},
	"NumericLessThan":           {comparison{readNumber, numeric(func(c int) bool { return c < 0 })}, false},
	"NumericLessThanEquals":     {comparison{readNumber, numeric(func(c int) bool { return c <= 0 })}, false},
	"NumericGreaterThan":        {comparison{readNumber, numeric(func(c int) bool { return c > 0 })}, false},
	"NumericGreaterThanEquals":  {comparison{readNumber, numeric(func(c int) bool { return c >= 0 })}, false},
	"DateEquals":                {comparison{readDate, date(func(c int) bool { return c == 0 })}, false},
	"DateNotEquals":             {comparison{readDate, date(func(c int) bool { return c == 0 })}, true},
	"DateLessThan":              {comparison{readDate, date(func(c int) bool { return c < 0 })}, false},
	"DateLessThanEquals":        {comparison{readDate, date(func(c int) bool { return c <= 0 })}, false},
	"DateGreaterThan":           {comparison{readDate, date(func(c int) bool { return c > 0 })}, false},
	"DateGreaterThanEquals":     {comparison{readDate, date(func(c int) bool { return c >= 0 })}, false},
	"Bool":                      {comparison{readBool, holdsBool}, false},
	"BinaryEquals":              {comparison{readBinary, holdsBinary}, false},
	"IpAddress":                 {comparison{readPrefix, holdsPrefix}, false},
	"NotIpAddress":              {comparison{readPrefix, holdsPrefix}, true},
	"ArnEquals":                 {comparison{readARN, holdsARN}, false},
	"ArnLike":                   {comparison{readARN, holdsARN}, false},
	"ArnNotEquals":              {comparison{readARN, holdsARN}, true},
	"ArnNotLike":                {comparison{readARN, holdsARN}, true},
}

// newCondition compiles a line of a Condition block. Its errors name what is wrong, and not where.
func newCondition(name, key string, values []string, variables bool) (Condition, error) {
	c := Condition{Operator: name, Key: key, Values: values, key: lower(key)}
	base := name
	if rest, ok := strings.CutPrefix(base, "ForAllValues:"); ok {
		base, c.set = rest, forAllValues
	} else if rest, ok := strings.CutPrefix(base, "ForAnyValue:"); ok {
		base, c.set = rest, forAnyValue
	}
	if rest, ok := strings.CutSuffix(base, "IfExists"); ok {
		base, c.ifExists = rest, true
	}
	if base == nullOperator && (c.set != noSet || c.ifExists) {
		return c, fmt.Errorf("Invalid Condition type : %s. Null takes neither IfExists nor a set operator", shown(name))
	}
	if vendor, rest, ok := strings.Cut(key, ":"); !ok || vendor == "" || rest == "" {
		return c, fmt.Errorf("Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.: the key %s is not", shown(key))
	}
	if len(values) == 0 {
		return c, fmt.Errorf("the condition key %s has no value", shown(key))
	}
	op, ok := operators[base]
	if base == nullOperator {
		op.read = readBool
	} else if !ok {
		return c, fmt.Errorf("Invalid Condition type : %s", shown(name))
	}
	c.compare, c.negated = op.comparison, op.negated
	for _, v := range values {
		o, err := c.compare.read(v, variables)
		if err != nil {
			return c, fmt.Errorf("the value %s of %s: %w", shown(v), key, err)
		}
		c.operands = append(c.operands, o)
	}
	return c, nil
}

// holds says whether the condition is met. Source: "IAM JSON policy elements: Condition", "Creating a condition with multiple keys or values",
// "Multivalued context keys".
func (c *Condition) holds(s scope) truth {
	values := s.values(c.key)
	switch {
	case c.compare.holds == nil: // Null
		for _, o := range c.operands {
			if o.truth == (len(values) == 0) {
				return yes
			}
		}
		return no
	case len(values) == 0:
		return truthOf(c.ifExists || c.set == forAllValues || c.set == noSet && c.negated)
	case c.set != noSet && !slices.ContainsFunc(values, func(v string) bool { return v != "" }):
		return truthOf(c.set == forAllValues) // "the key values resolve to a null data set, such as an empty string"
	case c.set == noSet && len(values) > 1:
		return unreadable
	case c.set == noSet:
		return c.holdsFor(values[0], s)
	}
	// For all: the first that fails decides. For any: the first that holds does.
	decisive, verdict := no, yes
	if c.set == forAnyValue {
		decisive, verdict = yes, no
	}
	for _, v := range values {
		switch c.holdsFor(v, s) {
		case decisive:
			return decisive
		case unreadable:
			verdict = unreadable
		}
	}
	return verdict
}

// holdsFor compares one value of the request with all of the condition.
func (c *Condition) holdsFor(value string, s scope) truth {
	if !utf8.ValidString(value) {
		return unreadable
	}
	found := no
	for i := range c.operands {
		switch c.compare.holds(value, &c.operands[i], s) {
		case yes:
			return truthOf(!c.negated)
		case unreadable:
			found = unreadable
		}
	}
	if c.negated && found == no {
		return yes
	}
	return found
}

func readExact(text string, variables bool) (operand, error) {
	t, err := newTemplate(text, false, variables)
	return operand{text: t}, err
}

func readLike(text string, variables bool) (operand, error) {
	t, err := newTemplate(text, true, variables)
	return operand{text: t}, err
}

// readIgnoreCase keeps the template; what differs is how it is compared.
func readIgnoreCase(text string, variables bool) (operand, error) { return readExact(text, variables) }

// holdsExact compares strings. A variable without a value matches nothing.
func holdsExact(value string, o *operand, s scope) truth { return o.text.match(value, s) }

func holdsIgnoreCase(value string, o *operand, s scope) truth {
	return o.text.spells(value, s, true)
}

// maxNumber bounds the digits of a number.
const maxNumber = 64

var errNumber = errors.New("want a number such as 10 or 2.5")

func parseNumber(text string) (*big.Rat, error) {
	digits := strings.TrimPrefix(strings.TrimPrefix(text, "-"), "+")
	whole, fraction, dot := strings.Cut(digits, ".")
	if len(text) > maxNumber || len(text)-len(digits) > 1 || whole == "" || dot && fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return nil, errNumber
	}
	n, _ := new(big.Rat).SetString(text) // digits, a sign and a point are a number
	return n, nil
}

func readNumber(text string, _ bool) (operand, error) {
	n, err := parseNumber(text)
	return operand{number: n}, err
}

func numeric(ok func(c int) bool) func(string, *operand, scope) truth {
	return func(value string, o *operand, _ scope) truth {
		n, err := parseNumber(value)
		if err != nil {
			return unreadable
		}
		return truthOf(ok(n.Cmp(o.number)))
	}
}

// dateForms are those of the W3C's profile of ISO 8601; seconds may have a fraction.
var dateForms = []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04Z07:00", "2006-01-02", "2006-01", "2006"}

// maxEpoch is the last second of the year 9999.
const maxEpoch = 253402300799

var errDate = errors.New("want a date such as 2026-01-31T23:59:00Z, or seconds since 1970")

// parseDate reads a date. Four digits are a year, other whole numbers are seconds since 1970.
func parseDate(text string) (time.Time, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && len(text) != 4 && only(text, "0123456789") && n <= maxEpoch {
		return time.Unix(n, 0), nil
	}
	const longest = "2006-01-02T15:04:05.999999999+07:00"
	if len(text) > len(longest) || strings.Contains(text, ",") || len(text) > 13 && text[13] != ':' {
		return time.Time{}, errDate // package time is content with a comma, and with one digit of an hour
	}
	for _, form := range dateForms {
		if t, err := time.Parse(form, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errDate
}

func readDate(text string, _ bool) (operand, error) {
	t, err := parseDate(text)
	return operand{time: t}, err
}

func date(ok func(c int) bool) func(string, *operand, scope) truth {
	return func(value string, o *operand, _ scope) truth {
		t, err := parseDate(value)
		if err != nil {
			return unreadable
		}
		return truthOf(ok(t.Compare(o.time)))
	}
}

func parseBool(text string) (bool, error) {
	switch lower(text) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, errors.New("want true or false")
}

func readBool(text string, _ bool) (operand, error) {
	b, err := parseBool(text)
	return operand{truth: b}, err
}

func holdsBool(value string, o *operand, _ scope) truth {
	b, err := parseBool(value)
	if err != nil {
		return unreadable
	}
	return truthOf(b == o.truth)
}

func readBinary(text string, _ bool) (operand, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return operand{}, errors.New("want base64")
	}
	return operand{bytes: b}, nil
}

func holdsBinary(value string, o *operand, _ scope) truth {
	b, err := base64.StdEncoding.Strict().DecodeString(value)
	if err != nil {
		return unreadable
	}
	return truthOf(bytes.Equal(b, o.bytes))
}

// readPrefix reads an address, which stands for itself alone, or a prefix.
func readPrefix(text string, _ bool) (operand, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return operand{prefix: netip.PrefixFrom(a, a.BitLen())}, nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Is4In6() {
		return operand{}, errors.New("want an address or a prefix such as 203.0.113.0/24")
	}
	return operand{prefix: p.Masked()}, nil
}

func holdsPrefix(value string, o *operand, _ scope) truth {
	a, err := netip.ParseAddr(value)
	if err != nil {
		return unreadable
	}
	return truthOf(o.prefix.Contains(a.Unmap().WithZone("")))
}

// arnParts is how many parts an ARN has; the last may have colons.
const arnParts = 6

func readARN(text string, variables bool) (operand, error) {
	var o operand
	parts := splitARN(text, variables)
	if len(parts) != arnParts || parts[0] != "arn" {
		return o, errors.New("want an ARN of six parts, which may have wildcards")
	}
	for i, p := range parts {
		var err error
		if o.arn[i], err = newTemplate(p, true, variables); err != nil {
			return o, err
		}
	}
	return o, nil
}

// splitARN splits a pattern at its first five colons, not counting those inside of variables.
func splitARN(text string, variables bool) []string {
	var parts []string
	begin := 0
	for i := 0; i < len(text) && len(parts) < arnParts-1; i++ {
		if variables && strings.HasPrefix(text[i:], "${") {
			if n := strings.IndexByte(text[i:], '}'); n > 0 {
				i += n
			} else {
				variables = false // there is none, nor behind
			}
		} else if text[i] == ':' {
			parts = append(parts, text[begin:i])
			begin = i + 1
		}
	}
	return append(parts, text[begin:])
}

func holdsARN(value string, o *operand, s scope) truth {
	parts, ok := cutARN(value)
	if !ok || parts[0] != "arn" {
		return unreadable
	}
	all := yes
	for i := range o.arn {
		switch o.arn[i].match(parts[i], s) {
		case no:
			return no
		case unreadable:
			all = unreadable
		}
	}
	return all
}

// cutARN is the six parts of an ARN; ok is false if there are fewer.
func cutARN(s string) (parts [arnParts]string, ok bool) {
	for i := range arnParts - 1 {
		if parts[i], s, ok = strings.Cut(s, ":"); !ok {
			return parts, false
		}
	}
	parts[arnParts-1] = s
	return parts, true
}
