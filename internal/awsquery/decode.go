package awsquery

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Decode reads the form into input, a pointer to the input structure of the operation. It returns everything that is wrong with the request, up
// to MaxFaults: faults of name before faults of value, each in a fixed order. nil means that input holds the whole of the form; with faults,
// input holds what could be read and is of no use. A list that is given as an empty value is empty and not nil.
//
// The form is not changed and can be read by several at once.
func (f *Form) Decode(input any) []Fault {
	root := reflect.ValueOf(input)
	if root.Kind() != reflect.Pointer || root.IsNil() || root.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("awsquery: decode into %T, which is no pointer to a structure", input))
	}
	s := shapeOf(root.Type().Elem())
	params, repeated := tree(f.parameters)
	var d decoder
	for _, name := range repeated {
		d.name(Fault{Kind: Repeated, Path: name})
	}
	d.structure(s, params, root.Elem())
	slices.SortStableFunc(d.faults, func(a, b Fault) int { return a.Kind.class() - b.Kind.class() })
	return d.faults
}

// class is 0 for faults of name, 1 for faults of value.
func (k Kind) class() int {
	switch k {
	case UnknownParameter, Repeated, Misnumbered:
		return 0
	}
	return 1
}

type decoder struct {
	path   []string // of the member that is read, as messages call it
	faults []Fault
}

func (d *decoder) push(words ...string) { d.path = append(d.path, words...) }
func (d *decoder) pop(n int)            { d.path = d.path[:len(d.path)-n] }

// name reports a fault of name. The value of such a parameter may be a secret that was meant for another.
func (d *decoder) name(f Fault) {
	if len(d.faults) < MaxFaults {
		f.Path, f.Hidden = cut(f.Path), true
		d.faults = append(d.faults, f)
	}
}

// value reports a fault of the value at the current path.
func (d *decoder) value(f Fault) {
	if len(d.faults) < MaxFaults {
		f.Path = strings.Join(d.path, ".")
		d.faults = append(d.faults, f)
	}
}

// unknown reports every parameter at and below n.
func (d *decoder) unknown(n *node, allowed []string) {
	if n.given {
		d.name(Fault{Kind: UnknownParameter, Path: n.name, Allowed: allowed})
	}
	for _, c := range n.children {
		if len(d.faults) >= MaxFaults {
			return
		}
		d.unknown(c, allowed)
	}
}

func (d *decoder) structure(s *shape, n *node, v reflect.Value) {
	d.strangers(s, n)
	for _, m := range s.members {
		d.push(m.path)
		if c, given := n.byWord[m.name]; given {
			d.member(m.shape, m.limit, c, v.Field(m.field))
		} else if m.required {
			d.value(Fault{Kind: Missing})
		}
		d.pop(1)
	}
}

// union reads the one member that is given.
func (d *decoder) union(s *shape, n *node, v reflect.Value) {
	d.strangers(s, n)
	for _, m := range s.members {
		c, given := n.byWord[m.name]
		if !given {
			continue
		}
		if !v.IsNil() {
			d.value(Fault{Kind: WrongType, Want: "only one of [" + list(s.similar("")) + "]", Hidden: true})
			return
		}
		p := reflect.New(unions[s.typ][m.field])
		v.Set(p)
		d.push(m.path)
		d.member(m.shape, m.limit, c, p.Elem().FieldByName("Value"))
		d.pop(1)
	}
}

// strangers reports what is no member of a structure.
func (d *decoder) strangers(s *shape, n *node) {
	for _, c := range n.children {
		if _, known := s.byName[c.word]; !known && len(d.faults) < MaxFaults {
			d.unknown(c, s.similar(c.word))
		}
	}
}

// similar returns the member that word differs from only in the case of letters, or else all members.
func (s *shape) similar(word string) []string {
	var all []string
	for _, m := range s.members {
		if strings.EqualFold(m.name, word) {
			return []string{m.name}
		}
		all = append(all, m.name)
	}
	return all
}

// member reads the parameters at and below n into v.
func (d *decoder) member(s *shape, c *bounds, n *node, v reflect.Value) {
	if s.pointer {
		p := reflect.New(s.typ)
		v.Set(p)
		v = p.Elem()
	}
	switch s.form {
	case structureForm, unionForm:
		switch {
		case n.given:
			d.value(Fault{Kind: WrongType, Want: "a structure", Hidden: true})
		case s.form == unionForm:
			d.union(s, n, v)
		default:
			d.structure(s, n, v)
		}
	case listForm:
		d.items(s, c, n, v)
	case mapForm:
		d.entries(s, c, n, v)
	default:
		for _, child := range n.children {
			d.unknown(child, []string{n.name})
		}
		if n.given {
			d.say(c, n.value, read(s, c, n.value, v))
		}
	}
}

// say reports what is wrong with a scalar.
func (d *decoder) say(c *bounds, text string, faults []Fault) {
	for _, f := range faults {
		if f.Hidden = c.hidden(); !f.Hidden {
			f.Got = cut(text)
		}
		d.value(f)
	}
}

func (d *decoder) items(s *shape, c *bounds, n *node, v reflect.Value) {
	items, ok := d.numbered(n, memberWord, c, "a list")
	if !ok {
		return
	}
	v.Set(reflect.MakeSlice(s.typ, len(items), len(items)))
	d.length(c, len(items))
	limit := c.items()
	words := s.elem.form == stringForm || s.elem.form == enumForm
	wrong := false
	for i, item := range items {
		if words && item.given && len(item.children) == 0 {
			e := v.Index(i)
			if s.elem.pointer {
				e.Set(reflect.New(s.elem.typ))
				e = e.Elem()
			}
			wrong = len(read(s.elem, limit, item.value, e)) > 0 || wrong
			continue
		}
		d.push(item.word, memberWord)
		d.member(s.elem, limit, item, v.Index(i))
		d.pop(2)
	}
	if !wrong {
		return
	}
	// Of a list of strings the services say once what all items must be.
	f := Fault{Kind: WrongItem, Want: limit.all(s.elem), Hidden: limit.hidden()}
	if !f.Hidden {
		f.Got = shown(items)
	}
	d.value(f)
}

// shown writes a list of strings as messages do.
func shown(items []*node) string {
	var b strings.Builder
	for i, item := range items {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(cut(item.value))
		if b.Len() > maxGot {
			break
		}
	}
	return "[" + cut(b.String()) + "]"
}

func (d *decoder) entries(s *shape, c *bounds, n *node, v reflect.Value) {
	items, ok := d.numbered(n, entryWord, c, "a map")
	if !ok {
		return
	}
	v.Set(reflect.MakeMapWithSize(s.typ, len(items)))
	d.length(c, len(items))
	keys, values := c.keys(), c.items()
	for _, item := range items {
		d.push(item.word, entryWord)
		k := d.part(s.key, keys, item, keyWord)
		e := d.part(s.elem, values, item, valueWord)
		for _, child := range item.children {
			if child.word != keyWord && child.word != valueWord {
				d.unknown(child, []string{keyWord, valueWord})
			}
		}
		if item.given {
			d.value(Fault{Kind: WrongType, Want: "a structure", Hidden: true})
		}
		d.pop(2)
		if v.MapIndex(k).IsValid() {
			d.name(Fault{Kind: Repeated, Path: item.name + "." + keyWord})
		} else {
			v.SetMapIndex(k, e)
		}
	}
}

// part reads the key or value of an entry of a map.
func (d *decoder) part(s *shape, c *bounds, entry *node, word string) reflect.Value {
	v := reflect.New(s.typ).Elem()
	if s.pointer {
		v = reflect.New(reflect.PointerTo(s.typ)).Elem()
	}
	d.push(word)
	if n, given := entry.byWord[word]; given {
		d.member(s, c, n, v)
	} else {
		d.value(Fault{Kind: Missing})
	}
	d.pop(1)
	return v
}

// length holds the number of items of a list or map against its constraint.
func (d *decoder) length(c *bounds, n int) {
	for _, f := range c.length(int64(n)) {
		f.Hidden = true
		d.value(f)
	}
}

// numbered returns the items of a list, or the entries of a map, in their order: what is below the word (member or entry) of n. It returns false
// if n is not that. Items that a fault of numbering is about are left out.
func (d *decoder) numbered(n *node, word string, c *bounds, want string) ([]*node, bool) {
	if n.given && n.value != "" {
		d.value(Fault{Kind: WrongType, Want: want + ", whose parts are named " + n.name + "." + word + ".1", Hidden: true})
		return nil, false
	}
	if n.given && len(n.children) > 0 {
		d.name(Fault{Kind: Repeated, Path: n.name})
		return nil, false
	}
	for _, child := range n.children {
		if child.word != word {
			d.unknown(child, []string{n.name + "." + word})
		} else if child.given {
			d.name(Fault{Kind: UnknownParameter, Path: child.name, Allowed: []string{child.name + ".1"}})
		}
	}
	all := n.byWord[word]
	if all == nil {
		return nil, n.given
	}
	items := make([]*node, 0, len(all.children))
	last, over := 0, false
	for _, item := range all.children {
		i, ok := index(item.word)
		switch {
		case !ok:
			d.name(Fault{Kind: Misnumbered, Path: item.name, Want: "a number without a sign or leading zeros"})
		case i > MaxList:
			over = true
		default:
			last = max(last, i)
			items = append(items, item)
		}
	}
	if over {
		most := int64(MaxList)
		if c != nil {
			most = min(most, c.Maximum)
		}
		d.value(Fault{Kind: TooLong, Want: strconv.FormatInt(most, 10), Hidden: true})
	}
	if last != len(items) {
		missing := 1
		for all.byWord[strconv.Itoa(missing)] != nil {
			missing++
		}
		d.name(Fault{Kind: Misnumbered, Path: all.name, Want: all.name + "." + strconv.Itoa(missing)})
		return items, true
	}
	ordered := make([]*node, len(items))
	for _, item := range items {
		i, _ := index(item.word)
		ordered[i-1] = item
	}
	return ordered, true
}

// index reads the number of an item. What is beyond MaxList is told only as such.
func index(word string) (int, bool) {
	if word == "" || word[0] == '0' || strings.Trim(word, "0123456789") != "" {
		return 0, false
	}
	if len(word) > len(strconv.Itoa(MaxList)) {
		return MaxList + 1, true
	}
	i, err := strconv.Atoi(word)
	return i, err == nil
}

// wrong is the fault of a value that is not of shape s, which is a scalar and no string: every text is one.
func (s *shape) wrong() Fault {
	switch s.form {
	case enumForm:
		return Fault{Kind: NotInEnum, Allowed: s.allowed}
	case integerForm:
		return Fault{Kind: WrongType, Want: "an integer"}
	case boolForm:
		return Fault{Kind: WrongType, Want: "true or false"}
	case timeForm:
		return Fault{Kind: WrongType, Want: "a time like 2006-01-02T15:04:05Z"}
	}
	return Fault{Kind: WrongType, Want: "base64"}
}

// read keeps a scalar in v and returns what is wrong with it.
func read(s *shape, c *bounds, text string, v reflect.Value) []Fault {
	ok := true
	switch s.form {
	case stringForm:
		v.SetString(text)
		return c.text(text)
	case enumForm:
		if ok = slices.Contains(s.allowed, text); ok {
			v.SetString(text)
		}
	case integerForm:
		return readInteger(s, c, text, v)
	case boolForm:
		ok = text == "true" || text == "false"
		v.SetBool(text == "true")
	case timeForm:
		var t time.Time
		if t, ok = readTime(text); ok {
			v.Set(reflect.ValueOf(t))
		}
	default:
		b, err := base64.StdEncoding.Strict().DecodeString(text)
		if ok = err == nil && !strings.ContainsAny(text, "\r\n"); ok {
			v.SetBytes(b)
		}
	}
	if !ok {
		return []Fault{s.wrong()}
	}
	return nil
}

func readInteger(s *shape, c *bounds, text string, v reflect.Value) []Fault {
	digits := strings.TrimPrefix(text, "-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return []Fault{s.wrong()}
	}
	minimum, maximum := c.number(s.typ.Bits())
	n, err := strconv.ParseInt(text, 10, 64) // with an error it is beyond 64 bits, and n the nearest bound
	switch {
	case n < minimum || err != nil && n < 0:
		return []Fault{{Kind: BelowMinimum, Want: strconv.FormatInt(minimum, 10)}}
	case n > maximum || err != nil:
		return []Fault{{Kind: AboveMaximum, Want: strconv.FormatInt(maximum, 10)}}
	}
	v.SetInt(n)
	return nil
}

// lastSecond is the end of the year 9999, beyond which times have no common form.
const lastSecond = 253402300799

// readTime reads a time as ISO 8601 writes it (RFC 3339), or as whole seconds since the epoch.
func readTime(text string) (time.Time, bool) {
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return time.Unix(int64(min(n, lastSecond)), 0).UTC(), n <= lastSecond
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	return t.UTC(), err == nil
}
