package audit

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fill gives every member of a structure a value.
func fill(v reflect.Value, n *int) {
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(1_700_000_000, 0).UTC()))
	case v.Type() == reflect.TypeFor[json.RawMessage]():
		v.SetBytes([]byte(fmt.Sprintf(`{"n":%d}`, *n)))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), n)
		fill(v.Index(1), n)
	case v.Kind() == reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		e := reflect.New(v.Type().Elem()).Elem()
		fill(e, n)
		v.SetMapIndex(reflect.ValueOf("key"), e)
	case v.Kind() == reflect.String:
		*n++
		v.SetString(fmt.Sprintf("text %d", *n))
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		*n++
		v.SetInt(int64(*n))
	}
}

// TestEncodedAsTagged: what is written by hand is what encoding/json writes by the tags, for records with all members and with none.
func TestEncodedAsTagged(t *testing.T) {
	t.Parallel()
	var whole Record
	fill(reflect.ValueOf(&whole).Elem(), new(int))
	for name, r := range map[string]*Record{"all": &whole, "none": {}} {
		want, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	broken, err := (&Record{RequestParameters: json.RawMessage(`{"a`), AdditionalEventData: map[string]json.RawMessage{"x": json.RawMessage("]")}}).Encode()
	if err != nil || !json.Valid(broken) {
		t.Errorf("what is no JSON: %s, %v", broken, err)
	}
}
