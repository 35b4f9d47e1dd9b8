package awsjson

import (
	"bytes"
	"encoding/base64"
	"errors"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"darkroom/internal/constraint"
)

// Decode reads a request body, or any structure of the API, into v: a pointer to a structure of the SDK's model. It returns everything that is
// wrong with it, up to MaxFaults: faults of shape (names, types) before faults of value; nil means that v holds the whole of data. With faults v
// holds the members that are of the right type. A member that is null is absent.
func (c *Codec) Decode(data []byte, v any) []Fault {
	root := reflect.ValueOf(v).Elem()
	d := decoder{scanner: scanner{data: data}}
	if d.value(c.shapeOf(root.Type()), nil, root) {
		d.end()
	}
	return d.finish()
}

type decoder struct {
	scanner
	path   []step
	faults []Fault
}

// step is one step of a path: a name, or an index where name is empty and index is not negative.
type step struct {
	name  string
	index int
}

// end checks that nothing stands after the value.
func (d *decoder) end() {
	d.peek()
	if d.pos < len(d.data) {
		d.fail(d.pos, "nothing may stand after the value")
	}
}

// finish returns the faults in the order that they are to be told.
func (d *decoder) finish() []Fault {
	if d.broken != nil {
		d.faults = append(d.faults, *d.broken)
	}
	slices.SortStableFunc(d.faults, func(a, b Fault) int { return a.Kind.class() - b.Kind.class() })
	return d.faults
}

// report keeps a fault at the current path.
func (d *decoder) report(f Fault) {
	if len(d.faults) < MaxFaults {
		f.Path = d.pointer()
		d.faults = append(d.faults, f)
	}
}

func (d *decoder) pointer() string {
	var b strings.Builder
	for _, s := range d.path {
		b.WriteByte('/')
		if s.name == "" && s.index >= 0 {
			b.WriteString(strconv.Itoa(s.index))
		} else {
			b.WriteString(Token(s.name))
		}
	}
	return b.String()
}

func (d *decoder) push(s step) { d.path = append(d.path, s) }
func (d *decoder) pop()        { d.path = d.path[:len(d.path)-1] }

// value reads a value of shape s into v. Like all that read, it returns false if the body cannot be read any further.
func (d *decoder) value(s *shape, l *constraint.Constraint, v reflect.Value) bool {
	c := d.peek()
	if !s.begins(c) {
		return d.wrongType(s)
	}
	if s.pointer {
		p := reflect.New(s.typ)
		v.Set(p)
		v = p.Elem()
	}
	switch s.form {
	case structureForm:
		return d.count() && d.structure(s, v)
	case listForm:
		return d.count() && d.items(s, l, v)
	case boolForm:
		yes := c == 't'
		v.SetBool(yes)
		return d.count() && d.literal(strconv.FormatBool(yes))
	case mapForm:
		return d.count() && d.entries(s, l, v)
	case stringForm, enumForm, blobForm:
		offset := d.pos
		b, ok := d.text()
		if !ok || !d.count() {
			return false
		}
		switch s.form {
		case enumForm:
			d.enum(s, b, offset, v)
		case blobForm:
			d.blob(l, b, offset, v)
		default:
			d.checkText(l, b, offset)
			v.SetString(string(b))
		}
		return true
	}
	offset := d.pos
	text, ok := d.number()
	if !ok || !d.count() {
		return false
	}
	d.numeric(s, l, string(text), offset, v)
	return true
}

// begins says whether a value of shape s can begin with c.
func (s *shape) begins(c byte) bool {
	switch s.form {
	case structureForm, mapForm:
		return c == '{'
	case listForm:
		return c == '['
	case stringForm, enumForm, blobForm:
		return c == '"'
	case boolForm:
		return c == 't' || c == 'f'
	}
	return c == '-' || '0' <= c && c <= '9'
}

// wrongType reports and passes over a value that is not of shape s.
func (d *decoder) wrongType(s *shape) bool {
	start := d.pos
	if !d.skip() {
		return false
	}
	text := d.data[start:d.pos]
	got := string(text)
	switch text[0] {
	case '{':
		got = "an object"
	case '[':
		got = "a list"
	case '"':
		got = "a string"
	}
	d.report(Fault{Kind: WrongType, Offset: start, Want: s.name, Got: short(got), Allowed: s.allowed})
	return true
}

// short cuts a number.
func short(s string) string {
	if len(s) > maxGot {
		return s[:maxGot] + "…"
	}
	return s
}

func (d *decoder) structure(s *shape, v reflect.Value) bool {
	start := d.pos
	var seen, present [maxMembers / 64]uint64
	ok := d.object(func(name []byte, offset int) bool {
		m, known := s.byName[string(name)]
		if !known {
			if len(d.faults) < MaxFaults {
				d.report(Fault{Kind: UnknownMember, Offset: offset, Name: string(name), Allowed: s.similar(string(name))})
			}
			return d.skip()
		}
		d.push(step{name: m.name})
		defer d.pop()
		word, bit := m.bit/64, uint64(1)<<(m.bit%64)
		if seen[word]&bit != 0 {
			d.report(Fault{Kind: Repeated, Offset: offset})
			return d.skip()
		}
		seen[word] |= bit
		if d.peek() == 'n' {
			return d.count() && d.literal("null")
		}
		present[word] |= bit
		return d.value(m.shape, m.limit, v.Field(m.field))
	})
	if !ok {
		return false
	}
	for _, m := range s.required {
		if present[m.bit/64]&(1<<(m.bit%64)) == 0 {
			d.report(Fault{Kind: Missing, Offset: start, Name: m.name})
		}
	}
	return true
}

// similar returns the member that name differs from only in the case of letters, or else all members.
func (s *shape) similar(name string) []string {
	all := s.names()
	for _, n := range all {
		if strings.EqualFold(n, name) {
			return []string{n}
		}
	}
	return all
}

func (d *decoder) items(s *shape, l *constraint.Constraint, v reflect.Value) bool {
	v.Set(reflect.MakeSlice(s.typ, 0, 0))
	start := d.pos
	var items *constraint.Constraint
	if l != nil {
		items = l.Items
	}
	ok := d.list(func(i int) bool {
		d.push(step{index: i})
		defer d.pop()
		if d.peek() == 'n' {
			return d.wrongType(s.elem)
		}
		if i == v.Cap() {
			v.Grow(1)
		}
		v.SetLen(i + 1)
		return d.value(s.elem, items, v.Index(i))
	})
	if ok {
		d.checkLength(l, v.Len(), start)
	}
	return ok
}

func (d *decoder) entries(s *shape, l *constraint.Constraint, v reflect.Value) bool {
	v.Set(reflect.MakeMap(s.typ))
	seen := make(map[string]bool)
	start := d.pos
	var keys, items *constraint.Constraint
	if l != nil {
		keys, items = l.Keys, l.Items
	}
	ok := d.object(func(name []byte, offset int) bool {
		key := string(name)
		d.push(step{name: key, index: -1})
		defer d.pop()
		if seen[key] {
			d.report(Fault{Kind: Repeated, Offset: offset})
			return d.skip()
		}
		seen[key] = true
		if d.peek() == 'n' {
			return d.wrongType(s.elem)
		}
		e := reflect.New(s.typ.Elem()).Elem()
		d.checkText(keys, name, offset)
		if !d.value(s.elem, items, e) {
			return false
		}
		v.SetMapIndex(reflect.ValueOf(key).Convert(s.typ.Key()), e)
		return true
	})
	if ok {
		d.checkLength(l, len(seen), start)
	}
	return ok
}

func (d *decoder) enum(s *shape, b []byte, offset int, v reflect.Value) {
	for _, w := range s.allowed {
		if w == string(b) {
			v.SetString(w)
			return
		}
	}
	d.report(Fault{Kind: NotInEnum, Offset: offset, Want: s.name, Got: quote(string(b)), Value: cut(string(b), maxValue), Shown: true, Allowed: s.allowed})
}

// blob keeps bytes that are written in base64 (RFC 4648 section 4, with padding).
func (d *decoder) blob(l *constraint.Constraint, b []byte, offset int, v reflect.Value) {
	if bytes.ContainsAny(b, "\r\n") { // the decoder would pass over them
		d.report(Fault{Kind: WrongType, Offset: offset, Want: "blob in base64", Got: "a string"})
		return
	}
	raw := make([]byte, base64.StdEncoding.DecodedLen(len(b)))
	n, err := base64.StdEncoding.Strict().Decode(raw, b)
	if err != nil {
		d.report(Fault{Kind: WrongType, Offset: offset, Want: "blob in base64", Got: "a string"})
		return
	}
	d.checkLength(l, n, offset)
	v.SetBytes(raw[:n])
}

// checkLength holds a count of bytes or items against its limit.
func (d *decoder) checkLength(l *constraint.Constraint, length, offset int) {
	n := int64(length)
	switch {
	case l == nil:
	case n < l.Minimum:
		d.report(Fault{Kind: TooShort, Offset: offset, Want: strconv.FormatInt(l.Minimum, 10), Got: strconv.FormatInt(n, 10)})
	case n > l.Maximum:
		d.report(Fault{Kind: TooLong, Offset: offset, Want: strconv.FormatInt(l.Maximum, 10), Got: strconv.FormatInt(n, 10)})
	}
}

// checkText holds a string against its limit. Characters are code points.
func (d *decoder) checkText(l *constraint.Constraint, b []byte, offset int) {
	if l == nil {
		return
	}
	n := int64(utf8.RuneCount(b))
	switch {
	case n < l.Minimum:
		d.reportText(Fault{Kind: TooShort, Offset: offset, Want: strconv.FormatInt(l.Minimum, 10), Got: strconv.FormatInt(n, 10)}, l, b)
	case n > l.Maximum:
		d.reportText(Fault{Kind: TooLong, Offset: offset, Want: strconv.FormatInt(l.Maximum, 10), Got: strconv.FormatInt(n, 10)}, l, b)
		return // what is too long is not matched
	}
	if l.Matches != nil && !l.Matches.Match(b) {
		d.reportText(Fault{Kind: PatternMismatch, Offset: offset, Want: l.Pattern}, l, b)
	}
}

// reportText keeps a fault of a text, with the text if it is no secret.
func (d *decoder) reportText(f Fault, l *constraint.Constraint, b []byte) {
	if len(d.faults) < MaxFaults && !l.Sensitive {
		f.Value, f.Shown = cut(string(b), maxValue), true
	}
	d.report(f)
}

// numeric keeps a number in v. Only the value counts, not how it is written: 48000, 48000.0 and 48e3 are the same integer.
func (d *decoder) numeric(s *shape, l *constraint.Constraint, text string, offset int, v reflect.Value) {
	switch s.form {
	case integerForm:
		n, err := integer(text)
		switch {
		case errors.Is(err, errNotInteger):
			d.report(Fault{Kind: WrongType, Offset: offset, Want: s.name, Got: short(text)})
		case err != nil: // beyond 64 bits
			d.outside(l, strings.HasPrefix(text, "-"), text, offset, v)
		case v.OverflowInt(n) || l != nil && (n < l.Minimum || n > l.Maximum):
			d.outside(l, n < 0 || l != nil && n < l.Minimum, text, offset, v)
			if !v.OverflowInt(n) {
				v.SetInt(n)
			}
		default:
			v.SetInt(n)
		}
	case floatForm:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil { // the grammar is right: it is out of range
			d.report(Fault{Kind: WrongType, Offset: offset, Want: s.name, Got: short(text)})
			return
		}
		v.SetFloat(f)
	case timeForm:
		t, ok := epoch(text)
		if !ok {
			d.report(Fault{Kind: WrongType, Offset: offset, Want: s.name, Got: short(text)})
			return
		}
		v.Set(reflect.ValueOf(t))
	}
}

// outside reports an integer that is below or above its limit, or that of its type.
func (d *decoder) outside(l *constraint.Constraint, below bool, text string, offset int, v reflect.Value) {
	minimum, maximum := int64(math.MinInt64), int64(math.MaxInt64)
	if v.Kind() == reflect.Int32 {
		minimum, maximum = math.MinInt32, math.MaxInt32
	}
	if l != nil {
		minimum, maximum = max(minimum, l.Minimum), min(maximum, l.Maximum)
	}
	if below {
		d.report(Fault{Kind: BelowMinimum, Offset: offset, Want: strconv.FormatInt(minimum, 10), Got: short(text), Value: short(text), Shown: true})
		return
	}
	d.report(Fault{Kind: AboveMaximum, Offset: offset, Want: strconv.FormatInt(maximum, 10), Got: short(text), Value: short(text), Shown: true})
}

var errNotInteger = errors.New("not an integer")

// integer reads a JSON number whose value is an integer, exactly. It returns errNotInteger, or another error if it is beyond 64 bits.
func integer(text string) (int64, error) {
	if !strings.ContainsAny(text, ".eE") {
		return strconv.ParseInt(text, 10, 64)
	}
	sign, text := "", text
	if text[0] == '-' {
		sign, text = "-", text[1:]
	}
	mantissa, exponent, _ := strings.Cut(strings.Replace(text, "E", "e", 1), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		return 0, nil
	}
	significant := strings.TrimRight(digits, "0")
	shift := 0
	if exponent != "" {
		var err error
		if shift, err = strconv.Atoi(exponent); err != nil {
			if strings.HasPrefix(exponent, "-") {
				return 0, errNotInteger
			}
			return 0, strconv.ErrRange
		}
	}
	// The value is significant × 10^zeros. No body is long enough to overflow the sum, once an exponent beyond it is cut off.
	const far = 1 << 40
	zeros := max(-far, min(far, shift)) + len(digits) - len(significant) - len(fraction)
	switch {
	case zeros < 0:
		return 0, errNotInteger
	case len(significant)+zeros > 19:
		return 0, strconv.ErrRange
	}
	return strconv.ParseInt(sign+significant+strings.Repeat("0", zeros), 10, 64)
}

// lastSecond is the end of the year 9999, beyond which times have no common form.
const lastSecond = 253402300799

// epoch reads seconds since the epoch, to the millisecond.
func epoch(text string) (time.Time, bool) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.Abs(f) > lastSecond {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(math.Round(f * 1000))).UTC(), true
}
