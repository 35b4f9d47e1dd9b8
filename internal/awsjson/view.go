package awsjson

import "reflect"

// View reads a value of the model as it stands on the wire, by the names that members have there, without writing it. The zero View is a value
// that is absent: it has no members and no items. A View is good as long as nobody changes what it shows.
type View struct {
	shape *shape
	value reflect.Value
}

// View shows a structure of the SDK's model; v is a pointer to one, and nil is absent.
func (c *Codec) View(v any) View {
	root := reflect.ValueOf(v).Elem()
	if !root.IsValid() {
		return View{}
	}
	return View{c.shapeOf(root.Type()), root}
}

// view shows a member, item or entry of shape s, absent or not.
func (s *shape) view(v reflect.Value) View {
	if s.absent(v) {
		return View{}
	}
	if s.pointer {
		v = v.Elem()
	}
	return View{s, v}
}

func (v View) is(f form) bool { return v.shape != nil && v.shape.form == f }

// Present says whether the value is there, be it empty.
func (v View) Present() bool { return v.shape != nil }

// Structure says whether the value is there and has members.
func (v View) Structure() bool { return v.is(structureForm) }

// Member is a member of a structure, absent where the value is none or the model has no such member.
func (v View) Member(name string) View {
	if !v.is(structureForm) {
		return View{}
	}
	m, ok := v.shape.byName[name]
	if !ok {
		return View{}
	}
	return m.shape.view(v.value.Field(m.field))
}

// Empty says whether no member of the structure is there.
func (v View) Empty() bool {
	if !v.is(structureForm) {
		return true
	}
	for i := range v.shape.members {
		if m := &v.shape.members[i]; !m.shape.absent(v.value.Field(m.field)) {
			return false
		}
	}
	return true
}

// Text is a string or word, "" where the value is none.
func (v View) Text() string {
	if v.is(stringForm) || v.is(enumForm) {
		return v.value.String()
	}
	return ""
}

// Number is a number, 0 where the value is none.
func (v View) Number() float64 {
	switch {
	case v.is(integerForm):
		return float64(v.value.Int())
	case v.is(floatForm):
		return v.value.Float()
	}
	return 0
}

// Len is how many items a list has.
func (v View) Len() int {
	if v.is(listForm) {
		return v.value.Len()
	}
	return 0
}

// Item is an item of a list; i is below Len.
func (v View) Item(i int) View { return v.shape.elem.view(v.value.Index(i)) }

// Keys are those of a map, in no order.
func (v View) Keys() []string {
	if !v.is(mapForm) {
		return nil
	}
	keys := make([]string, 0, v.value.Len())
	for _, k := range v.value.MapKeys() {
		keys = append(keys, k.String())
	}
	return keys
}

// Entry is an entry of a map.
func (v View) Entry(key string) View {
	if !v.is(mapForm) {
		return View{}
	}
	e := v.value.MapIndex(reflect.ValueOf(key).Convert(v.shape.typ.Key()))
	if !e.IsValid() {
		return View{}
	}
	return v.shape.elem.view(e)
}

// JSON is the value as Encode writes it, "" where it is absent.
func (v View) JSON() string {
	if v.shape == nil {
		return ""
	}
	value := v.value
	if v.shape.pointer {
		value = value.Addr()
	}
	var e encoder
	e.value(v.shape, value)
	return string(e.out)
}
