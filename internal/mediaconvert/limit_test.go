package mediaconvert

import (
	"cmp"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/mediaconvert"

	"darkroom/internal/awsjson"
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
			if _, seen := all[name]; seen || t == reflect.TypeFor[time.Time]() {
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
		text, integer := of == reflect.TypeFor[string](), of.Kind() == reflect.Int32 || of.Kind() == reflect.Int64
		switch {
		case r.pattern != "" && !text:
			t.Errorf("%s.%s: a pattern for %v", r.structure, r.member, f.Type)
		case bounded && !text && !integer:
			t.Errorf("%s.%s: bounds for %v, which are not looked at", r.structure, r.member, f.Type)
		case r.place == inPath && (r.pattern != "" || bounded || !text):
			t.Errorf("%s.%s: limits in a path are not looked at", r.structure, r.member)
		}
	}
}

// TestMembers: every structure of the model is known, with both spellings of every member of its body, and the enumerations have words.
func TestMembers(t *testing.T) {
	t.Parallel()
	members := 0
	for name, typ := range structures() {
		for i := range typ.NumField() {
			f := typ.Field(i)
			if !f.IsExported() || f.Name == "ResultMetadata" {
				continue
			}
			inBody := ruleOf(typ, f.Name).Place == awsjson.InBody
			for _, spelling := range []string{f.Name, strings.ToLower(f.Name[:1]) + f.Name[1:]} {
				unknown := false
				for _, fault := range Decode([]byte(`{"`+spelling+`":null}`), reflect.New(typ).Interface()) {
					unknown = unknown || fault.Kind == UnknownMember
				}
				if unknown == inBody {
					t.Errorf("%s.%s: in the body: %t, unknown: %t", name, spelling, inBody, unknown)
				}
			}
			if !inBody {
				continue
			}
			members++
			of := f.Type
			for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice || of.Kind() == reflect.Map {
				of = of.Elem()
			}
			if of.Kind() == reflect.String && of.PkgPath() != "" && reflect.Zero(of).MethodByName("Values").Call(nil)[0].Len() == 0 {
				t.Errorf("%s.%s: no words", name, f.Name)
			}
		}
	}
	if members < 1300 {
		t.Errorf("only %d members were found", members)
	}
}
