package awsjson_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"

	"darkroom/internal/awsjson"
	"darkroom/internal/constraint"
)

// ignoreSDK leaves out what the structures of the SDK have beside the members of the model.
var ignoreSDK = cmp.FilterPath(func(p cmp.Path) bool {
	f, ok := p.Last().(cmp.StructField)
	return ok && (f.Name() == "ResultMetadata" || f.Name() == "noSmithyDocumentSerde")
}, cmp.Ignore())

// peer is the SDK's own clients before a server that keeps what they ask and answers what it is told.
type peer struct {
	clients map[string]any

	target string
	body   []byte
	status int
	answer []byte
}

func newPeer(t *testing.T) *peer {
	t.Helper()
	p := &peer{status: http.StatusOK}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if got, want := r.Header.Get("Content-Type"), "application/x-amz-json-1.1"; got != want {
			t.Errorf("Content-Type: got %s, want %s", got, want)
		}
		p.target, p.body = r.Header.Get("X-Amz-Target"), body
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(p.status)
		_, _ = w.Write(p.answer)
	}))
	t.Cleanup(server.Close)
	config := aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL), Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "secret", ""),
		HTTPClient: &wholeClient{http.Client{Transport: &http.Transport{}}},
		Retryer:    func() aws.Retryer { return aws.NopRetryer{} },
	}
	p.clients = map[string]any{"kms": kms.NewFromConfig(config), "acm": acm.NewFromConfig(config)}
	return p
}

// wholeClient reads an answer before the SDK has it. The SDK closes a request's body once it has the head of the answer; where the transport is
// not quite done with that body, it closes the connection, and the rest of a long answer is lost.
type wholeClient struct{ http.Client }

func (c *wholeClient) Do(r *http.Request) (*http.Response, error) {
	answer, err := c.Client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	answer.Body = io.NopCloser(bytes.NewReader(body))
	return answer, err
}

// operation is one operation of a client.
type operation struct {
	service, target string

	method        reflect.Value
	input, output reflect.Type // structures
}

// newer matches the operations that are newer than the models that the table of constraints was made from. They are not offered.
var newer = regexp.MustCompile(`Acme|^(De|En)capsulate$|^(RequestCertificate|ListCertificateDomainValidations)$|^(ListTagsFor|Tag|Untag)Resource$`)

// operations returns every operation of both clients that has no union in it and is not newer than the table.
func (p *peer) operations(t *testing.T) []operation {
	t.Helper()
	var all []operation
	for service, want := range map[string]struct {
		target  string
		atLeast int
	}{"kms": {"TrentService", 52}, "acm": {"CertificateManager", 14}} {
		v := reflect.ValueOf(p.clients[service])
		n := 0
		for i := range v.NumMethod() {
			name, m := v.Type().Method(i).Name, v.Method(i)
			mt := m.Type()
			if name == "Options" || mt.NumIn() != 3 || mt.NumOut() != 2 || newer.MatchString(name) && (service == "acm" || !strings.HasSuffix(name, "Resource")) {
				continue
			}
			o := operation{service, want.target + "." + name, m, mt.In(1).Elem(), mt.Out(0).Elem()}
			if hasUnion(o.input, nil) || hasUnion(o.output, nil) {
				continue
			}
			all = append(all, o)
			n++
		}
		if n < want.atLeast {
			t.Fatalf("%s: got %d operations, want at least %d", service, n, want.atLeast)
		}
	}
	return all
}

func hasUnion(t reflect.Type, above []reflect.Type) bool {
	for _, a := range above {
		if a == t {
			return false
		}
	}
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return hasUnion(t.Elem(), above)
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() || t == reflect.TypeFor[middleware.Metadata]() {
			return false
		}
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() && hasUnion(f.Type, append(above, t)) {
				return true
			}
		}
	}
	return false
}

// call has the SDK do the operation.
func (o operation) call(input any) (any, error) {
	out := o.method.Call([]reflect.Value{reflect.ValueOf(context.Background()), reflect.ValueOf(input)})
	err, _ := out[1].Interface().(error)
	return out[0].Interface(), err
}

// samples are texts of which every constraint of the models takes at least one.
var samples = []string{
	"a<b>&c \"d\" 'e' =+%/é;#?\n\r\t\\ \u2028", "text & more = é;", "alias/a", "arn:aws:acm:us-east-1:111122223333:certificate/12345678-1234-1234-1234-123456789012",
	"111122223333", "us-east-1", "https://example.com", "/a/kms/xks/v1", "com.amazonaws.vpce.us-east-1.vpce-svc-0example", strings.Repeat("0a", 32), "AKIAIOSFODNN7EXAMPLE2", "ABCDEFGHIJKLMNOPQRSTUVWX",
	strings.Repeat("A", 43), "cluster-abcdefghijk", "example.com", "_", "token", strings.Repeat("text ", 40),
}

// filler fills structures with values that are within every constraint, a different one each time where there is more than one.
type filler struct {
	words map[reflect.Type]int
	next  int
	items int // of every list
}

func newFiller(items int) *filler { return &filler{words: make(map[reflect.Type]int), items: items} }

func (f *filler) text(t *testing.T, at string, c *constraint.Constraint) string {
	t.Helper()
	var fitting []string
	for _, s := range samples {
		if n := int64(len([]rune(s))); c == nil || n >= c.Minimum && n <= c.Maximum && (c.Matches == nil || c.Matches.MatchString(s)) {
			fitting = append(fitting, s)
		}
	}
	if len(fitting) == 0 {
		t.Fatalf("%s: no sample is like %+v", at, c)
	}
	f.next++
	return fitting[f.next%len(fitting)]
}

func (f *filler) fill(t *testing.T, v reflect.Value, at string, c *constraint.Constraint) {
	t.Helper()
	switch v.Type() {
	case reflect.TypeFor[time.Time]():
		f.next++
		v.Set(reflect.ValueOf(time.UnixMilli(1515368087123 + int64(f.next)*37001).UTC()))
		return
	case reflect.TypeFor[middleware.Metadata]():
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(t, v.Elem(), at, c)
	case reflect.Struct:
		for i := range v.NumField() {
			if s := v.Type().Field(i); s.IsExported() {
				of, _ := constraint.Of(v.Type(), s.Name)
				f.fill(t, v.Field(i), v.Type().String()+"."+s.Name, of)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes(bytes.Repeat([]byte("\x00\xff<"), 12)) // no blob of the models is limited to fewer
			return
		}
		n := f.items
		var items *constraint.Constraint
		if c != nil {
			n, items = max(int(min(c.Maximum, int64(n))), int(max(c.Minimum, 0))), c.Items
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			f.fill(t, v.Index(i), at, items)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for v.Len() < f.items && v.Len() < 2 {
			v.SetMapIndex(reflect.ValueOf(f.text(t, at, nil)), reflect.ValueOf(f.text(t, at, nil)))
		}
	case reflect.String:
		if v.Type().PkgPath() == "" {
			v.SetString(f.text(t, at, c))
			return
		}
		words := reflect.Zero(v.Type()).MethodByName("Values").Call(nil)[0]
		v.Set(words.Index(f.words[v.Type()] % words.Len()))
		f.words[v.Type()]++
	case reflect.Int32, reflect.Int64:
		f.next++
		low, high := int64(1), int64(1<<20)
		if c != nil {
			low, high = max(low, c.Minimum), min(high, c.Maximum)
		}
		v.SetInt(low + int64(f.next)%(high-low+1))
	case reflect.Bool:
		v.SetBool(true)
	default:
		t.Fatalf("%s: %v cannot be filled", at, v.Type())
	}
}

func filled(t *testing.T, typ reflect.Type, items int) reflect.Value {
	t.Helper()
	v := reflect.New(typ)
	newFiller(items).fill(t, v.Elem(), typ.Name(), nil)
	return v
}

// TestEveryInput has the SDK send every operation of both clients, with every member set and with what is required alone, and reads the same.
func TestEveryInput(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	for _, o := range p.operations(t) {
		p.answer = []byte("{}")
		for name, in := range map[string]reflect.Value{
			"full":     filled(t, o.input, 2),
			"required": required(filled(t, o.input, 1)),
		} {
			t.Run(o.target+"/"+name, func(t *testing.T) {
				if _, err := o.call(in.Interface()); err != nil {
					t.Fatal(err)
				}
				if p.target != o.target {
					t.Errorf("got %s, want %s", p.target, o.target)
				}
				got := reflect.New(o.input).Interface()
				if faults := awsjson.Decode(p.body, got); faults != nil {
					t.Fatalf("%s\n%s", p.body, awsjson.Message(faults))
				}
				if diff := cmp.Diff(in.Interface(), got, ignoreSDK); diff != "" {
					t.Errorf("%s\n%s", p.body, diff)
				}
			})
		}
	}
}

// required unsets what an input can do without.
func required(v reflect.Value) reflect.Value {
	for i := range v.Elem().NumField() {
		f := v.Elem().Type().Field(i)
		if _, needed := constraint.Of(v.Elem().Type(), f.Name); f.IsExported() && !needed {
			v.Elem().Field(i).SetZero()
		}
	}
	return v
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
			t.Run(o.target+"/"+name, func(t *testing.T) {
				answer, err := awsjson.Encode(out.Interface())
				if err != nil {
					t.Fatal(err)
				}
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

// TestEncodeError: the SDK reads a refusal of every kind of text as what it is.
func TestEncodeError(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	p.status, p.answer = http.StatusBadRequest, awsjson.EncodeError("NotFoundException", "Key 'a\"b\\\n\x01\xff' does not exist")
	for _, o := range p.operations(t) {
		if o.target != "TrentService.DescribeKey" {
			continue
		}
		_, err := o.call(filled(t, o.input, 1).Interface())
		if err == nil || !strings.Contains(err.Error(), "NotFoundException: Key 'a\"b\\\n\x01\ufffd' does not exist") {
			t.Errorf("got %v", err)
		}
	}
}
