package awsquery_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"

	"darkroom/internal/awsquery"
)

const (
	iamNamespace = "https://iam.amazonaws.com/doc/2010-05-08/"
	stsNamespace = "https://sts.amazonaws.com/doc/2011-06-15/"
	requestID    = "01234567-89ab-cdef-0123-456789abcdef"
)

// ignoreSDK leaves out what the structures of the SDK have beside the members of the model.
var ignoreSDK = cmp.FilterPath(func(p cmp.Path) bool {
	f, ok := p.Last().(cmp.StructField)
	return ok && (f.Name() == "ResultMetadata" || f.Name() == "noSmithyDocumentSerde")
}, cmp.Ignore())

// peer is the SDK's own clients before a server that keeps what they ask and answers what it is told.
type peer struct {
	iam *iam.Client
	sts *sts.Client

	body   string // of the last request
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
		if got, want := r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"; got != want {
			t.Errorf("Content-Type: got %s, want %s", got, want)
		}
		p.body = string(body)
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(p.status)
		_, _ = w.Write(p.answer)
	}))
	t.Cleanup(server.Close)
	config := aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL), Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "secret", ""),
		HTTPClient: &wholeClient{http.Client{Transport: &http.Transport{}}},
		Retryer:    func() aws.Retryer { return aws.NopRetryer{} },
	}
	p.iam, p.sts = iam.NewFromConfig(config), sts.NewFromConfig(config)
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
	service, version, namespace, name string

	method reflect.Value
	input  reflect.Type // a structure, like output
	output reflect.Type
}

// operations returns every operation of both clients.
func (p *peer) operations(t *testing.T) []operation {
	t.Helper()
	var all []operation
	for _, c := range []struct {
		service, version, namespace string
		client                      any
		atLeast                     int
	}{{"iam", "2010-05-08", iamNamespace, p.iam, 180}, {"sts", "2011-06-15", stsNamespace, p.sts, 11}} {
		v := reflect.ValueOf(c.client)
		n := 0
		for i := range v.NumMethod() {
			name, m := v.Type().Method(i).Name, v.Method(i)
			if name == "Options" {
				continue
			}
			mt := m.Type()
			if mt.NumIn() != 3 || mt.NumOut() != 2 || mt.In(1).Elem().Name() != name+"Input" || mt.Out(0).Elem().Name() != name+"Output" {
				t.Fatalf("%s.%s is no operation: %v", c.service, name, mt)
			}
			all = append(all, operation{c.service, c.version, c.namespace, name, m, mt.In(1).Elem(), mt.Out(0).Elem()})
			n++
		}
		if n < c.atLeast {
			t.Fatalf("%s: got %d operations, want at least %d", c.service, n, c.atLeast)
		}
	}
	return all
}

// call has the SDK do the operation.
func (o operation) call(input any) (any, error) {
	out := o.method.Call([]reflect.Value{reflect.ValueOf(context.Background()), reflect.ValueOf(input)})
	err, _ := out[1].Interface().(error)
	return out[0].Interface(), err
}

// filler fills structures with values that are within every constraint, a different one each time where there is more than one.
type filler struct {
	words map[reflect.Type]int
	next  int64
	items int // of every list
}

func newFiller(items int) *filler { return &filler{words: make(map[reflect.Type]int), items: items} }

func (f *filler) fill(t *testing.T, v reflect.Value, at string, l awsquery.Limit) {
	t.Helper()
	switch v.Type() {
	case reflect.TypeFor[time.Time]():
		f.next++
		v.Set(reflect.ValueOf(time.Unix(1515368087+f.next*37, 0).UTC()))
		return
	case reflect.TypeFor[middleware.Metadata]():
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(t, v.Elem(), at, l)
	case reflect.Struct:
		for i := range v.NumField() {
			if s := v.Type().Field(i); s.IsExported() {
				f.fill(t, v.Field(i), v.Type().String()+"."+s.Name, awsquery.LimitOf(v.Type(), s.Name))
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte("\x00\xff<blob>"))
			return
		}
		n := min(f.items, int(min(l.Maximum, 1000)))
		if l == (awsquery.Limit{}) {
			n = f.items
		}
		if l.Items != nil {
			l = *l.Items
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			f.fill(t, v.Index(i), at, l)
		}
	case reflect.Interface:
		variants := awsquery.Variants(v.Type())
		variant := variants[f.words[v.Type()]%len(variants)]
		f.words[v.Type()]++
		p := reflect.New(variant)
		name := strings.TrimPrefix(variant.Name(), v.Type().Name()+"Member")
		f.fill(t, p.Elem().FieldByName("Value"), at+"."+name, awsquery.LimitOf(v.Type(), name))
		v.Set(p)
	case reflect.Map:
		var keys, items awsquery.Limit
		if l.Keys != nil {
			keys, items = *l.Keys, *l.Items
		}
		v.Set(reflect.MakeMap(v.Type()))
		for v.Len() < f.items && v.Len() < 2 {
			e := reflect.New(v.Type().Elem()).Elem()
			f.fill(t, e, at, items)
			v.SetMapIndex(reflect.ValueOf(f.text(t, at, keys)).Convert(v.Type().Key()), e)
		}
	case reflect.String:
		if v.Type().PkgPath() == "" {
			v.SetString(f.text(t, at, l))
			return
		}
		words := reflect.Zero(v.Type()).MethodByName("Values").Call(nil)[0]
		v.Set(words.Index(f.words[v.Type()] % words.Len()))
		f.words[v.Type()]++
	case reflect.Int32, reflect.Int64:
		f.next++
		low, high := max(l.Minimum, 1), min(l.Maximum, 1<<30)
		if high <= low {
			high = 1 << 20
		}
		v.SetInt(low + f.next%(high-low+1))
	case reflect.Bool:
		v.SetBool(true)
	default:
		t.Fatalf("%s: %v cannot be filled", at, v.Type())
	}
}
