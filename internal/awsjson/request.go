package awsjson

import (
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// DecodeRequest reads a whole request of a REST-JSON API into input, a pointer to the input structure of its operation: the variable of the path,
// the query as it was sent, and the body. It returns everything that is wrong with the request, as Decode does. An empty body is an object
// without members. Of the query, what belongs to a presigned URL is left to who verified it.
func (c *Codec) DecodeRequest(param, rawQuery string, body []byte, input any) []Fault {
	v := reflect.ValueOf(input).Elem()
	s := c.shapeOf(v.Type())
	for _, m := range s.place[InPath] {
		p := param
		v.Field(m.field).Set(reflect.ValueOf(&p))
	}
	d := decoder{}
	d.query(s, rawQuery, v)
	if len(body) == 0 {
		body = []byte("{}")
	}
	d.data = body
	if d.value(s, nil, v) {
		d.end()
	}
	return d.finish()
}

// query reads the members of s that travel in the query. They are strings, words of an enumeration, and integers.
func (d *decoder) query(s *shape, raw string, v reflect.Value) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		d.report(Fault{Kind: BadQuery, Offset: -1, Want: "the query cannot be parsed"})
		return
	}
	members := make(map[string]member)
	var names []string
	for _, m := range s.place[InQuery] {
		members[m.name] = m
		names = append(names, m.name)
	}
	keys := make([]string, 0, len(values))
	for k := range values {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		m, known := members[k]
		if !known {
			if !strings.HasPrefix(k, "X-Amz-") {
				d.report(Fault{Kind: UnknownMember, Offset: -1, Name: k, Allowed: names})
			}
			continue
		}
		d.push(step{name: k})
		if len(values[k]) > 1 {
			d.report(Fault{Kind: Repeated, Offset: -1})
		} else {
			d.queryValue(m, values[k][0], v.Field(m.field))
		}
		d.pop()
	}
}

func (d *decoder) queryValue(m member, text string, v reflect.Value) {
	if m.shape.pointer {
		p := reflect.New(m.shape.typ)
		v.Set(p)
		v = p.Elem()
	}
	switch m.shape.form {
	case enumForm:
		d.enum(m.shape, []byte(text), -1, v)
	case integerForm:
		n := scanner{data: []byte(text)}
		if _, ok := n.number(); !ok || n.pos != len(text) {
			d.report(Fault{Kind: WrongType, Offset: -1, Want: m.shape.name, Got: quote(text)})
			return
		}
		d.numeric(m.shape, m.limit, text, -1, v)
	default:
		d.checkText(m.limit, []byte(text), -1)
		v.SetString(text)
	}
}
