package awsquery

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// emptyResults has the operations whose result has no member and is written all the same: clients look for it.
var emptyResults = map[string]bool{"PutAccountProperties": true, "UpdateRole": true}

// Encode writes the answer of an operation: output is a pointer to its output structure, namespace that of the API's XML. Members that are nil, and
// enumerations without a word, are absent; lists and maps that are empty and not nil are written as empty elements. Times are written
// to the second. An output without members has no result element.
func Encode(operation, namespace, requestID string, output any) ([]byte, error) {
	root := reflect.ValueOf(output)
	if root.Kind() != reflect.Pointer || root.IsNil() || root.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("encode %T: no pointer to a structure", output)
	}
	if operation == "" || strings.Trim(operation, letters) != "" {
		return nil, fmt.Errorf("encode %q: no name of an operation", operation)
	}
	s := shapeOf(root.Type().Elem())
	var e encoder
	e.open(operation+"Response", namespace)
	if len(s.members) > 0 || emptyResults[operation] {
		e.open(operation+"Result", "")
		e.structure(s, root.Elem())
		e.close(operation + "Result")
	}
	e.open("ResponseMetadata", "")
	e.leaf("RequestId", requestID)
	e.close("ResponseMetadata")
	e.close(operation + "Response")
	if e.err != nil {
		return nil, fmt.Errorf("encode %s: %w", operation, e.err)
	}
	return e.out.Bytes(), nil
}

// Senders of errors.
const (
	Sender   = "Sender"   // the fault is the client's
	Receiver = "Receiver" // the fault is the service's
)

// EncodeError writes the answer of an operation that failed. Typ is Sender or Receiver; code and message may hold any text: what XML cannot carry
// becomes U+FFFD.
func EncodeError(namespace, typ, code, message, requestID string) []byte {
	var e encoder
	e.open("ErrorResponse", namespace)
	e.open("Error", "")
	e.leaf("Type", typ)
	e.leaf("Code", code)
	e.leaf("Message", message)
	e.close("Error")
	e.leaf("RequestId", requestID)
	e.close("ErrorResponse")
	return e.out.Bytes()
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// encoder writes to out; err is the first thing that cannot be written.
type encoder struct {
	out bytes.Buffer
	err error
}

func (e *encoder) open(name, namespace string) {
	e.out.WriteString("<" + name)
	if namespace != "" {
		e.out.WriteString(` xmlns="`)
		e.text(namespace)
		e.out.WriteByte('"')
	}
	e.out.WriteByte('>')
}

func (e *encoder) close(name string) { e.out.WriteString("</" + name + ">") }

// text writes characters. What is not UTF-8, and what XML 1.0 cannot carry (section 2.2), becomes U+FFFD.
func (e *encoder) text(s string) {
	_ = xml.EscapeText(&e.out, []byte(s)) // a bytes.Buffer does not fail
}

func (e *encoder) leaf(name, text string) {
	e.open(name, "")
	e.text(text)
	e.close(name)
}

func (e *encoder) structure(s *shape, v reflect.Value) {
	for _, m := range s.members {
		if f := v.Field(m.field); !m.shape.absent(f) {
			e.element(m.name, m.shape, f)
		}
	}
}

// absent says whether a member is not there: nil, or an enumeration without a word.
func (s *shape) absent(v reflect.Value) bool {
	switch {
	case s.pointer || s.form == listForm || s.form == mapForm || s.form == blobForm || s.form == unionForm:
		return v.IsNil()
	case s.form == enumForm:
		return v.Len() == 0
	}
	return false
}

func (e *encoder) element(name string, s *shape, v reflect.Value) {
	if s.pointer {
		if v.IsNil() { // an item of a list
			e.leaf(name, "")
			return
		}
		v = v.Elem()
	}
	switch s.form {
	case structureForm:
		e.open(name, "")
		e.structure(s, v)
		e.close(name)
	case unionForm:
		e.open(name, "")
		for _, m := range s.members {
			if !v.IsNil() && v.Elem().Type().Elem() == unions[s.typ][m.field] {
				e.element(m.name, m.shape, v.Elem().Elem().FieldByName("Value"))
			}
		}
		e.close(name)
	case listForm:
		e.open(name, "")
		for i := range v.Len() {
			e.element(memberWord, s.elem, v.Index(i))
		}
		e.close(name)
	case mapForm:
		e.open(name, "")
		e.entries(s, v)
		e.close(name)
	default:
		e.leaf(name, e.scalar(s, v))
	}
}

// entries writes a map in the order of its keys, so that the same answer has the same bytes.
func (e *encoder) entries(s *shape, v reflect.Value) {
	entries := make(map[string]reflect.Value, v.Len())
	for k, value := range v.Seq2() {
		entries[k.String()] = value
	}
	for _, k := range slices.Sorted(maps.Keys(entries)) {
		e.open(entryWord, "")
		e.leaf(keyWord, k)
		e.element(valueWord, s.elem, entries[k])
		e.close(entryWord)
	}
}

func (e *encoder) scalar(s *shape, v reflect.Value) string {
	switch s.form {
	case integerForm:
		return strconv.FormatInt(v.Int(), 10)
	case boolForm:
		return strconv.FormatBool(v.Bool())
	case blobForm:
		return base64.StdEncoding.EncodeToString(v.Bytes())
	case timeForm:
		t := v.Interface().(time.Time).UTC()
		if y := t.Year(); (y < 0 || y > 9999) && e.err == nil {
			e.err = fmt.Errorf("time of the year %d: ISO 8601 has four digits", y)
		}
		return t.Format("2006-01-02T15:04:05Z")
	}
	return v.String()
}
