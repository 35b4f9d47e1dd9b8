package eventpattern

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// operators are the names of the operators, and what stands inside of them.
var operators = []string{"exists", "equals-ignore-case", "prefix", "suffix", "anything-but", "numeric", "wildcard", "cidr", "=", "<", "<=", ">", ">="}

type kind int

const (
	exactly  kind = iota // a literal: text, true, false, null
	number               // a number of this value
	prefix               // texts
	suffix               //
	folded               // equals-ignore-case
	wildcard             //
	between              // numeric
	network              // cidr
	present              // exists: true
	missing              // exists: false
	except               // anything-but
)

// maxNumber bounds the numbers that operators compare.
const maxNumber = 5e9

// test is one thing that a value may be.
type test struct {
	kind  kind
	value any    // of exactly
	text  string // of texts
	fold  bool   // prefix and suffix without regard to case
	parts []string

	low, high           float64 // of between and number
	includeLow, include bool

	net  netip.Prefix
	none []test // of except: what it must not be
}

// parseTest reads a member of a leaf.
func parseTest(name string, v any) (test, error) {
	switch v := v.(type) {
	case nil, bool, string:
		return test{kind: exactly, value: v}, nil
	case json.Number:
		n, err := numberOf(v)
		return test{kind: number, low: n, text: v.String()}, err
	case map[string]any:
		return parseOperator(name, v)
	}
	return test{}, invalid("Match value of %q must be String, number, true, false, or null", name)
}

func numberOf(v json.Number) (float64, error) {
	n, err := v.Float64()
	if err != nil {
		return 0, invalid("%s is no number that can be matched", v)
	}
	return n, nil
}

func parseOperator(name string, o map[string]any) (test, error) {
	if len(o) != 1 {
		return test{}, invalid("Only one key allowed in match expression of %q", name)
	}
	op := sorted(o)[0]
	v := o[op]
	text, isText := v.(string)
	switch op {
	case "exists":
		b, ok := v.(bool)
		if !ok {
			return test{}, invalid("exists match pattern must be either true or false")
		}
		if b {
			return test{kind: present}, nil
		}
		return test{kind: missing}, nil
	case "prefix", "suffix":
		return parseEnd(op, v)
	case "equals-ignore-case":
		if !isText {
			return test{}, invalid("equals-ignore-case match pattern must be a string")
		}
		return test{kind: folded, text: strings.ToLower(text)}, nil
	case "wildcard":
		if !isText {
			return test{}, invalid("wildcard match pattern must be a string")
		}
		return parseWildcard(text)
	case "numeric":
		all, ok := v.([]any)
		if !ok {
			return test{}, invalid("Value of numeric must be an array.")
		}
		return parseNumeric(all)
	case "cidr":
		if !isText {
			return test{}, invalid("cidr match pattern must be a string")
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return test{}, invalid("Malformed CIDR, one '/' required: %q", text)
		}
		return test{kind: network, net: p.Masked()}, nil
	case "anything-but":
		return parseExcept(v)
	}
	return test{}, invalid("Unrecognized match type %s", op)
}

// parseEnd reads a prefix or suffix: a text, or one without regard to case.
func parseEnd(op string, v any) (test, error) {
	t := test{kind: prefix}
	if op == "suffix" {
		t.kind = suffix
	}
	if o, ok := v.(map[string]any); ok && len(o) == 1 {
		if text, ok := o["equals-ignore-case"].(string); ok {
			t.fold, t.text = true, strings.ToLower(text)
			return t, nil
		}
	}
	text, ok := v.(string)
	if !ok {
		return t, invalid("%s match pattern must be a string", op)
	}
	t.text = text
	return t, nil
}

// parseWildcard reads a text in which * stands for anything, \* for itself and \\ for a backslash.
func parseWildcard(text string) (test, error) {
	t := test{kind: wildcard}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '*':
			if i > 0 && text[i-1] == '*' && b.Len() == 0 && len(t.parts) > 0 {
				return t, invalid("Consecutive wildcard characters at pos %d", i-1)
			}
			t.parts = append(t.parts, b.String())
			b.Reset()
		case '\\':
			if i+1 == len(text) || text[i+1] != '*' && text[i+1] != '\\' {
				return t, invalid("Invalid escape character at pos %d", i)
			}
			i++
			b.WriteByte(text[i])
		default:
			b.WriteByte(text[i])
		}
	}
	t.parts = append(t.parts, b.String())
	return t, nil
}

// parseNumeric reads an operator and a number, or two of them for a range.
func parseNumeric(all []any) (test, error) {
	if len(all) != 2 && len(all) != 4 {
		return test{}, invalid("numeric match pattern must be an operator and a number, or two of them for a range")
	}
	t := test{kind: between, low: -maxNumber, high: maxNumber, includeLow: true, include: true}
	var low, high bool
	for i := 0; i < len(all); i += 2 {
		op, ok := all[i].(string)
		if !ok {
			return t, invalid("Invalid member in numeric match: %v", all[i])
		}
		literal, ok := all[i+1].(json.Number)
		if !ok {
			return t, invalid("Value of %s must be numeric", op)
		}
		n, err := numberOf(literal)
		if err != nil {
			return t, err
		}
		if n < -maxNumber || n > maxNumber {
			return t, invalid("Value must be between -5.0e9 and 5.0e9, inclusive: %s", literal)
		}
		switch {
		case op == "=" && len(all) == 2:
			t.low, t.high = n, n
		case (op == "<" || op == "<=") && !high:
			t.high, t.include, high = n, op == "<=", true
		case (op == ">" || op == ">=") && !low:
			t.low, t.includeLow, low = n, op == ">=", true
		default:
			return t, invalid("Unrecognized numeric range operator: %s", op)
		}
	}
	if low && high && (t.low > t.high || t.low == t.high) {
		return t, invalid("Bottom must be less than top")
	}
	return t, nil
}

// parseExcept reads what a value must not be: a text or number, a list of either, or an operator over texts.
func parseExcept(v any) (test, error) {
	t := test{kind: except}
	if o, ok := v.(map[string]any); ok {
		return parseExceptOperator(o)
	}
	all, ok := v.([]any)
	if !ok {
		all = []any{v}
	}
	if len(all) == 0 {
		return t, invalid("Value of anything-but must be an array or single string/number value.")
	}
	texts, numbers := 0, 0
	for _, m := range all {
		switch m := m.(type) {
		case string:
			texts++
		case json.Number:
			numbers++
		default:
			return t, invalid("Value of anything-but must be an array or single string/number value, not %v", m)
		}
		one, err := parseTest("anything-but", m)
		if err != nil {
			return t, err
		}
		t.none = append(t.none, one)
	}
	if texts > 0 && numbers > 0 {
		return t, invalid("Inside anything but list, either all values are number or string, mixed type is not supported")
	}
	return t, nil
}

func parseExceptOperator(o map[string]any) (test, error) {
	t := test{kind: except}
	if len(o) != 1 {
		return t, invalid("Only one key allowed in match expression of anything-but")
	}
	op := sorted(o)[0]
	if !slices.Contains([]string{"prefix", "suffix", "equals-ignore-case", "wildcard"}, op) {
		return t, invalid("Unsupported anything-but pattern: %s", op)
	}
	all, ok := o[op].([]any)
	if !ok {
		all = []any{o[op]}
	}
	if len(all) == 0 {
		return t, invalid("Value of anything-but %s must not be empty", op)
	}
	for _, m := range all {
		one, err := parseOperator("anything-but", map[string]any{op: m})
		if err != nil {
			return t, err
		}
		if one.text == "" && (one.kind == prefix || one.kind == suffix) {
			return t, invalid("Null prefix/suffix not allowed")
		}
		t.none = append(t.none, one)
	}
	return t, nil
}

// passes says whether a value that is there is what the test asks for. It is no array and no object.
func (t *test) passes(v any) bool {
	text, isText := v.(string)
	switch t.kind {
	case exactly:
		return v == t.value
	case number:
		n, ok := v.(json.Number)
		if !ok {
			return false
		}
		if n.String() == t.text {
			return true
		}
		f, err := n.Float64()
		return err == nil && f == t.low && f >= -maxNumber && f <= maxNumber
	case between:
		n, ok := v.(json.Number)
		if !ok {
			return false
		}
		f, err := strconv.ParseFloat(n.String(), 64)
		return err == nil && (f > t.low || t.includeLow && f == t.low) && (f < t.high || t.include && f == t.high)
	case prefix, suffix:
		if !isText {
			return false
		}
		if t.fold {
			text = strings.ToLower(text)
		}
		if t.kind == prefix {
			return strings.HasPrefix(text, t.text)
		}
		return strings.HasSuffix(text, t.text)
	case folded:
		return isText && strings.ToLower(text) == t.text
	case wildcard:
		return isText && t.fits(text)
	case network:
		a, err := netip.ParseAddr(text)
		return isText && err == nil && t.net.Contains(a)
	case present:
		return true
	case except:
		return !slices.ContainsFunc(t.none, func(n test) bool { return n.passes(v) })
	}
	return false // missing: what is there is not missing
}

// fits finds the parts between the wildcards one behind the other.
func (t *test) fits(text string) bool {
	first, last := t.parts[0], t.parts[len(t.parts)-1]
	if len(t.parts) == 1 {
		return text == first
	}
	rest, ok := strings.CutPrefix(text, first)
	if !ok {
		return false
	}
	if rest, ok = strings.CutSuffix(rest, last); !ok {
		return false
	}
	for _, p := range t.parts[1 : len(t.parts)-1] {
		if _, rest, ok = strings.Cut(rest, p); !ok {
			return false
		}
	}
	return true
}
