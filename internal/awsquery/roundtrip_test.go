package awsquery_test

import (
	"encoding/xml"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/awsquery"
)

// samples are texts of which every constraint of the models takes at least one.
var samples = []string{
	"a<b>&c \"d\" 'e' =+%/é;#?\n\r\t", "text & more = é;", "a+b=c,d.e@f-g_h", "/division/team/", "/", "arn:aws:iam::111122223333:role/R", "0123456789abcdef0123456789abcdef0123", "0123456789abcdef0123456789abcdef01234567",
	"AKIAIOSFODNN7EXAMPLE0123", "ABCDEFGHIJKLMNOPQRSTUV0123456789", "123456", "111122223333", "v12", "https://example.com/a?b=c", "o-a1b2c3d4e5/r-f6g7h8/ou-1/", "p-01234567",
	"ES384", "an-alias", "en_US", "string", "RoleManager/Enabled", "RoleManager/Limit", strings.Repeat("<a/> &", 200),
}

func (f *filler) text(t *testing.T, at string, l awsquery.Limit) string {
	t.Helper()
	var fitting []string
	for _, s := range samples {
		if n := int64(len([]rune(s))); (l == awsquery.Limit{} || n >= l.Minimum && n <= l.Maximum) && (l.Pattern == nil || l.Pattern.MatchString(s)) {
			fitting = append(fitting, s)
		}
	}
	if len(fitting) == 0 {
		t.Fatalf("%s: no sample is like %s, of %d to %d characters", at, l.Text, l.Minimum, l.Maximum)
	}
	f.next++
	return fitting[int(f.next)%len(fitting)]
}

// TestEveryInput has the SDK send every operation of both clients, with every member set, with empty lists, and with what is required alone, and
// reads the same from the form.
func TestEveryInput(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	for _, o := range p.operations(t) {
		answer, err := awsquery.Encode(o.name, o.namespace, requestID, reflect.New(o.output).Interface())
		if err != nil {
			t.Fatal(err)
		}
		p.answer = answer
		for name, in := range map[string]reflect.Value{
			"full":     filled(t, o.input, 2),
			"long":     filled(t, o.input, 12),
			"required": required(filled(t, o.input, 1)),
		} {
			t.Run(o.service+"/"+o.name+"/"+name, func(t *testing.T) {
				if _, err := o.call(in.Interface()); err != nil {
					t.Fatal(err)
				}
				form, err := awsquery.Parse(p.body)
				if err != nil {
					t.Fatal(err)
				}
				if form.Action != o.name || form.Version != o.version {
					t.Errorf("got %s of %s, want %s of %s", form.Action, form.Version, o.name, o.version)
				}
				got := reflect.New(o.input).Interface()
				if faults := form.Decode(got); faults != nil {
					t.Fatal(awsquery.Message(faults))
				}
				if diff := cmp.Diff(in.Interface(), got, ignoreSDK); diff != "" {
					t.Errorf("%s\n%s", p.body, diff)
				}
			})
		}
	}
}

// TestEveryInputEmptyLists has the SDK send empty lists: those that may be empty are, and are not nil.
func TestEveryInputEmptyLists(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	seen := 0
	for _, o := range p.operations(t) {
		in := filled(t, o.input, 0)
		lists := 0
		for i := range o.input.NumField() {
			if f := o.input.Field(i); f.Type.Kind() == reflect.Slice {
				lists++
				if awsquery.LimitOf(o.input, f.Name).Minimum > 0 {
					in.Elem().Field(i).SetZero()
				}
			}
		}
		if lists == 0 {
			continue
		}
		seen++
		t.Run(o.service+"/"+o.name, func(t *testing.T) {
			for i := range o.input.NumField() { // the SDK does not send a required list that is nil
				if f := o.input.Field(i); f.Type.Kind() == reflect.Slice && in.Elem().Field(i).IsNil() && awsquery.LimitOf(o.input, f.Name).Required {
					return // a required list may not be empty
				}
			}
			p.answer, _ = awsquery.Encode(o.name, o.namespace, requestID, reflect.New(o.output).Interface())
			if _, err := o.call(in.Interface()); err != nil {
				t.Fatal(err)
			}
			form, err := awsquery.Parse(p.body)
			if err != nil {
				t.Fatal(err)
			}
			got := reflect.New(o.input).Interface()
			if faults := form.Decode(got); faults != nil {
				t.Fatal(awsquery.Message(faults))
			}
			if diff := cmp.Diff(in.Interface(), got, ignoreSDK); diff != "" {
				t.Errorf("%s\n%s", p.body, diff)
			}
		})
	}
	if seen < 20 {
		t.Errorf("got %d operations with lists, want at least 20", seen)
	}
}

// TestEveryOutput answers every operation of both clients, with every member set, with empty lists and maps, and with nothing, and the SDK reads
// the same.
func TestEveryOutput(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	for _, o := range p.operations(t) {
		in := filled(t, o.input, 1).Interface()
		for name, out := range map[string]reflect.Value{
			"full":  filled(t, o.output, 2),
			"empty": filled(t, o.output, 0),
			"zero":  reflect.New(o.output),
		} {
			t.Run(o.service+"/"+o.name+"/"+name, func(t *testing.T) {
				answer, err := awsquery.Encode(o.name, o.namespace, requestID, out.Interface())
				if err != nil {
					t.Fatal(err)
				}
				wellFormed(t, answer)
				p.answer = answer
				got, err := o.call(in)
				if err != nil {
					t.Fatalf("%v\n%s", err, answer)
				}
				if diff := cmp.Diff(out.Interface(), got, ignoreSDK); diff != "" {
					t.Errorf("%s\n%s", answer, diff)
				}
			})
		}
	}
}

func filled(t *testing.T, typ reflect.Type, items int) reflect.Value {
	t.Helper()
	v := reflect.New(typ)
	newFiller(items).fill(t, v.Elem(), typ.Name(), awsquery.Limit{})
	return v
}

// required unsets what an input can do without.
func required(v reflect.Value) reflect.Value {
	for i := range v.Elem().NumField() {
		if f := v.Elem().Type().Field(i); f.IsExported() && !awsquery.LimitOf(v.Elem().Type(), f.Name).Required {
			v.Elem().Field(i).SetZero()
		}
	}
	return v
}

// wellFormed fails if the document is not XML, or its root is not one element.
func wellFormed(t *testing.T, document []byte) {
	t.Helper()
	if err := readXML(document); err != nil {
		t.Fatalf("%v\n%s", err, document)
	}
}

func readXML(document []byte) error {
	d := xml.NewDecoder(strings.NewReader(string(document)))
	depth, roots := 0, 0
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		switch token.(type) {
		case xml.StartElement:
			if depth == 0 {
				roots++
			}
			depth++
		case xml.EndElement:
			depth--
		}
	}
	if roots != 1 {
		return fmt.Errorf("got %d roots, want 1", roots)
	}
	return nil
}
