package awsquery_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/awsquery"
)

// The SDK's reader takes names in any case, other clients do not: that names are spelled right is seen in its source.

// sdkFunctions returns the functions of a file of the SDK's client, and the strings that each writes.
func sdkFunctions(t *testing.T, service, file string) map[string][]string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2/service/"+service).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(strings.TrimSpace(string(dir)), file), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string][]string)
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		name := fn.Name.Name
		if fn.Recv != nil {
			if p, ok := fn.Recv.List[0].Type.(*ast.StarExpr); ok {
				name = p.X.(*ast.Ident).Name + "." + name
			}
		}
		var words []string
		ast.Inspect(fn, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			s, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !slices.Contains([]string{"EqualFold", "Key", "GetElement"}, s.Sel.Name) {
				return true
			}
			if lit, ok := call.Args[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
				text, _ := strconv.Unquote(lit.Value)
				words = append(words, text)
			}
			return true
		})
		all[name] = words
	}
	return all
}

// structures returns the structures that types reach, by name, the first of them under their own names.
func structures(roots ...reflect.Type) map[string]reflect.Type {
	all := make(map[string]reflect.Type)
	var walk func(t reflect.Type)
	walk = func(t reflect.Type) {
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice:
			walk(t.Elem())
		case reflect.Map:
			walk(t.Elem())
		case reflect.Interface:
			all[t.Name()] = t
			for _, v := range awsquery.Variants(t) {
				f, _ := v.FieldByName("Value")
				walk(f.Type)
			}
		case reflect.Struct:
			if !strings.Contains(t.PkgPath(), "/aws-sdk-go-v2/service/") || all[t.Name()] != nil {
				return
			}
			all[t.Name()] = t
			for i := range t.NumField() {
				if f := t.Field(i); f.IsExported() {
					walk(f.Type)
				}
			}
		}
	}
	for _, t := range roots {
		walk(t)
	}
	return all
}

func TestNamesAreSpelledAsInTheSDK(t *testing.T) {
	t.Parallel()
	operations := newPeer(t).operations(t)
	for _, service := range []string{"iam", "sts"} {
		for _, way := range []struct {
			file, document, operation string
			root                      func(operation) reflect.Type
		}{
			{"serializers.go", "awsAwsquery_serializeDocument", "awsAwsquery_serializeOpDocument", func(o operation) reflect.Type { return o.input }},
			{"deserializers.go", "awsAwsquery_deserializeDocument", "awsAwsquery_deserializeOpDocument", func(o operation) reflect.Type { return o.output }},
		} {
			t.Run(service+"/"+way.file, func(t *testing.T) {
				t.Parallel()
				functions := sdkFunctions(t, service, way.file)
				var roots []reflect.Type
				for _, o := range operations {
					if o.service == service {
						roots = append(roots, way.root(o))
					}
				}
				checked := 0
				for name, typ := range structures(roots...) {
					got := awsquery.WireNames(typ)
					want, ok := functions[way.document+name]
					if !ok {
						want, ok = functions[way.operation+name]
					}
					if !ok && len(got) > 0 {
						t.Errorf("%s: the SDK has no function for it", name)
					}
					slices.Sort(got)
					slices.Sort(want)
					if diff := cmp.Diff(want, got); diff != "" && len(got)+len(want) > 0 {
						t.Errorf("%s: %s", name, diff)
					}
					checked += len(got)
				}
				if checked < 20 {
					t.Errorf("got %d members", checked)
				}
			})
		}
	}
}

// TestResultsAreWhereTheSDKLooks compares which operations have a result element with which the SDK asks for. UpdateRole is not among them, but
// other clients ask for its result.
func TestResultsAreWhereTheSDKLooks(t *testing.T) {
	t.Parallel()
	functions := map[string]map[string][]string{"iam": sdkFunctions(t, "iam", "deserializers.go"), "sts": sdkFunctions(t, "sts", "deserializers.go")}
	result := regexp.MustCompile(`<(\w+)Result>`)
	for _, o := range newPeer(t).operations(t) {
		answer, err := awsquery.Encode(o.name, o.namespace, requestID, reflect.New(o.output).Interface())
		if err != nil {
			t.Fatal(err)
		}
		got := result.Match(answer)
		want := slices.Contains(functions[o.service]["awsAwsquery_deserializeOp"+o.name+".HandleDeserialize"], o.name+"Result")
		if got != want && o.name != "UpdateRole" {
			t.Errorf("%s: got %t, want %t", o.name, got, want)
		}
	}
}
