package awsjson

import (
	"encoding/base64"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// Encode writes a structure of the SDK's model, or a pointer to one, as the API does: times in seconds since the epoch, absent members left
// out, empty lists and maps kept, maps in the order of their keys. What Decode reads comes out as it was.
func (c *Codec) Encode(v any) ([]byte, error) { return c.encode(v, false) }

// Canonical writes v as Encode does, but with members in the order of their names, so that the same request has the same bytes however it
// was written and with whatever version of the SDK this was built.
func (c *Codec) Canonical(v any) ([]byte, error) { return c.encode(v, true) }

func (c *Codec) encode(v any, sorted bool) ([]byte, error) {
	root := reflect.ValueOf(v)
	if root.Kind() == reflect.Pointer {
		root = root.Elem()
	}
	if root.Kind() != reflect.Struct {
		return nil, fmt.Errorf("encode %T: not a structure", v)
	}
	e := encoder{sorted: sorted, out: make([]byte, 0, 1024)}
	e.value(c.shapeOf(root.Type()), root)
	if e.err != nil {
		return nil, e.err
	}
	return e.out, nil
}

// encoder writes to out; err is the first thing that cannot be written.
type encoder struct {
	out    []byte
	sorted bool
	err    error
}

func (e *encoder) value(s *shape, v reflect.Value) {
	if s.pointer {
		v = v.Elem()
	}
	switch s.form {
	case structureForm:
		e.structure(s, v)
	case listForm:
		e.out = append(e.out, '[')
		for i := range v.Len() {
			if i > 0 {
				e.out = append(e.out, ',')
			}
			e.value(s.elem, v.Index(i))
		}
		e.out = append(e.out, ']')
	case mapForm:
		e.entries(s, v)
	case stringForm, enumForm:
		e.text(v.String())
	case integerForm:
		e.out = strconv.AppendInt(e.out, v.Int(), 10)
	case floatForm:
		e.float(v.Float())
	case boolForm:
		e.out = strconv.AppendBool(e.out, v.Bool())
	case blobForm:
		e.out = append(base64.StdEncoding.AppendEncode(append(e.out, '"'), v.Bytes()), '"')
	case timeForm:
		e.out = strconv.AppendFloat(e.out, float64(v.Interface().(time.Time).UnixMilli())/1000, 'f', -1, 64)
	}
}

func (e *encoder) structure(s *shape, v reflect.Value) {
	e.out = append(e.out, '{')
	first := true
	for i := range s.members {
		m := s.members[i]
		if e.sorted {
			m = s.members[s.sorted[i]]
		}
		f := v.Field(m.field)
		if m.shape.absent(f) {
			continue
		}
		if !first {
			e.out = append(e.out, ',')
		}
		first = false
		e.text(m.name)
		e.out = append(e.out, ':')
		e.value(m.shape, f)
	}
	e.out = append(e.out, '}')
}

// absent says whether a member is not there: nil, or an enumeration without a word.
func (s *shape) absent(v reflect.Value) bool {
	switch {
	case s.pointer || s.form == listForm || s.form == mapForm || s.form == blobForm:
		return v.IsNil()
	case s.form == enumForm:
		return v.Len() == 0
	}
	return false
}

func (e *encoder) entries(s *shape, v reflect.Value) {
	keys := make([]string, 0, v.Len())
	for _, k := range v.MapKeys() {
		keys = append(keys, k.String())
	}
	slices.Sort(keys)
	e.out = append(e.out, '{')
	for i, k := range keys {
		if i > 0 {
			e.out = append(e.out, ',')
		}
		e.text(k)
		e.out = append(e.out, ':')
		e.value(s.elem, v.MapIndex(reflect.ValueOf(k).Convert(s.typ.Key())))
	}
	e.out = append(e.out, '}')
}

func (e *encoder) float(f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		if e.err == nil {
			e.err = fmt.Errorf("encode %v: not a JSON number", f)
		}
		return
	}
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	e.out = strconv.AppendFloat(e.out, f, format, -1, 64)
}

// text writes a string. What is not UTF-8 becomes U+FFFD, so that the whole is JSON whatever a message came from.
func (e *encoder) text(s string) {
	const hex = "0123456789abcdef"
	e.out = append(e.out, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n <= 1 {
				e.out = append(append(e.out, s[start:i]...), "\ufffd"...)
				start = i + n
			}
			i += n
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		e.out = append(e.out, s[start:i]...)
		switch c {
		case '"', '\\':
			e.out = append(e.out, '\\', c)
		case '\n':
			e.out = append(e.out, '\\', 'n')
		case '\r':
			e.out = append(e.out, '\\', 'r')
		case '\t':
			e.out = append(e.out, '\\', 't')
		default:
			e.out = append(e.out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	e.out = append(append(e.out, s[start:]...), '"')
}

// EncodeError writes the body of a refusal of the AWS JSON 1.1 protocol; message may hold any text.
func EncodeError(code, message string) []byte {
	e := encoder{out: make([]byte, 0, 64+len(message))}
	e.out = append(e.out, `{"__type":`...)
	e.text(code)
	e.out = append(e.out, `,"message":`...)
	e.text(message)
	e.out = append(e.out, '}')
	return e.out
}
