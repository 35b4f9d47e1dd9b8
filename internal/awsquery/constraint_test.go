package awsquery_test

import (
	"reflect"
	"strings"
	"testing"

	"darkroom/internal/awsquery"
)

// TestRequiredAsInTheSDK: the SDK's own validators refuse what the table requires, before it is sent.
func TestRequiredAsInTheSDK(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	for _, o := range p.operations(t) {
		for i := range o.input.NumField() {
			f := o.input.Field(i)
			if !f.IsExported() {
				continue
			}
			in := filled(t, o.input, 1)
			in.Elem().Field(i).SetZero()
			p.answer, _ = awsquery.Encode(o.name, o.namespace, requestID, reflect.New(o.output).Interface())
			_, err := o.call(in.Interface())
			got := err != nil && strings.Contains(err.Error(), "missing required field, "+o.input.Name()+"."+f.Name)
			if want := awsquery.LimitOf(o.input, f.Name).Required; got != want {
				t.Errorf("%s.%s: got %t (%v), want %t", o.input.Name(), f.Name, got, err, want)
			}
		}
	}
}
