package mediaconvert

import (
	"cmp"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
)

// structures returns every structure that the requests and answers of the API reach, by its name in the model.
func structures() map[string]reflect.Type {
	all := make(map[string]reflect.Type)
	var visit func(t reflect.Type)
	visit = func(t reflect.Type) {
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			visit(t.Elem())
		case reflect.Struct:
			name := t.Name()
			if base, ok := strings.CutSuffix(name, "Input"); ok && t.PkgPath() == inputPackage {
				name = base + "Request"
			}
			if _, seen := all[name]; seen || t == timeType {
				return
			}
			all[name] = t
			for i := range t.NumField() {
				if f := t.Field(i); f.IsExported() && f.Name != "ResultMetadata" {
					visit(f.Type)
				}
			}
		}
	}
	for _, op := range operations {
		visit(reflect.TypeOf(op.input()))
	}
	for _, out := range []any{
		sdk.CreateJobOutput{},
		sdk.GetJobsQueryResultsOutput{},
		sdk.CreateJobTemplateOutput{},
		sdk.CreatePresetOutput{},
		sdk.CreateQueueOutput{},
		sdk.DescribeEndpointsOutput{},
		sdk.ListTagsForResourceOutput{},
		sdk.ListVersionsOutput{},
		sdk.ProbeOutput{},
		sdk.PutPolicyOutput{},
	} {
		visit(reflect.TypeOf(out))
	}
	return all
}

// newer are the structures and members of the table that the SDK does not have: its model is older than that of the table. Requests that use
// them are refused as unknown. When the SDK has them, they go from here.
var newer = map[string]bool{
	"CmafEncryptionSettings.ClearLeadSegments": true,
	"CmafImageBasedTrickPlayVariant":           true,
	"DashIsoImageBasedTrickPlayVariant":        true,
	"DurationControl":                          true,
	"HlsImageBasedTrickPlayVariant":            true,
}

// TestLimitTable: every row is about a member that the SDK has, of a type that it can hold for.
func TestLimitTable(t *testing.T) {
	t.Parallel()
	all := structures()
	if !slices.IsSortedFunc(limitTable[:], func(a, b limitRow) int {
		return cmp.Or(cmp.Compare(a.structure, b.structure), cmp.Compare(a.member, b.member))
	}) {
		t.Error("not in the order that it is searched by")
	}
	for _, r := range limitTable {
		owner, ok := all[r.structure]
		if ok == newer[r.structure] {
			t.Errorf("%s: the SDK has the structure: %t", r.structure, ok)
		}
		if !ok {
			continue
		}
		f, ok := owner.FieldByName(r.member)
		if ok == newer[r.structure+"."+r.member] {
			t.Errorf("%s.%s: the SDK has the member: %t", r.structure, r.member, ok)
		}
		if !ok {
			continue
		}
		if r.minimum > r.maximum {
			t.Errorf("%s.%s: nothing is between %d and %d", r.structure, r.member, r.minimum, r.maximum)
		}
		if _, err := regexp.Compile(r.pattern); err != nil {
			t.Errorf("%s.%s: %v", r.structure, r.member, err)
		}
		of := f.Type
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		bounded := r.minimum != noMinimum || r.maximum != noMaximum
		switch form := shapeOf(of).form; {
		case r.pattern != "" && form != stringForm:
			t.Errorf("%s.%s: a pattern for %v", r.structure, r.member, f.Type)
		case bounded && form != stringForm && form != integerForm:
			t.Errorf("%s.%s: bounds for %v, which are not looked at", r.structure, r.member, f.Type)
		case r.place == inPath && (r.pattern != "" || bounded || form != stringForm):
			t.Errorf("%s.%s: limits in a path are not looked at", r.structure, r.member)
		}
	}
}

// TestShapes: every structure of the model has a shape, with both spellings of every member of its body, and the enumerations have words.
func TestShapes(t *testing.T) {
	t.Parallel()
	members := 0
	for name, typ := range structures() {
		s := shapeOf(typ)
		for _, m := range s.place[inBody] {
			members++
			goName := typ.Field(m.field).Name
			if s.byName[m.name].bit != m.bit || s.byName[goName].bit != m.bit || !strings.EqualFold(m.name, goName) {
				t.Errorf("%s.%s: spelled %q", name, goName, m.name)
			}
			of := m.shape
			for of.elem != nil {
				of = of.elem
			}
			if of.form == enumForm && len(of.allowed) == 0 {
				t.Errorf("%s.%s: no words", name, goName)
			}
		}
	}
	if members < 1300 {
		t.Errorf("only %d members were found", members)
	}
}

func TestShapeOfOtherTypesPanics(t *testing.T) {
	t.Parallel()
	for _, v := range []any{struct{ B bool }{}, struct{ C chan int }{}, struct{ M map[int]string }{}, struct{ E kindOfText }{}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%T has a shape", v)
				}
			}()
			shapeOf(reflect.TypeOf(v))
		}()
	}
}

type kindOfText string
