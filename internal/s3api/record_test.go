package s3api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"darkroom/internal/audit"
	"darkroom/internal/audit/audittest"
)

// all are the operations by name.
func all() map[string]*operation {
	out := map[string]*operation{}
	for _, op := range []*operation{
		listBuckets, createBucket, deleteBucket, headBucket, listV1, listV2, listUploads, deleteObjects, getBucketEncryption, putBucketEncryption, deleteBucketEncryption, getObject, headObject,
		putObject, copyObject, deleteObject, createUpload, uploadPart, copyPart, complete, abortUpload, listParts,
	} {
		out[op.name] = op
	}
	return out
}

// TestNoSecretIsShown plants a value into every header and parameter of every operation, of requests and answers, and looks for those that the model calls sensitive in what a record would have.
func TestNoSecretIsShown(t *testing.T) {
	t.Parallel()
	model := audittest.LoadModel(t, "s3")
	secrets, shown := 0, 0
	for name, op := range all() {
		in, ok := model.Operations[name]
		if !ok {
			t.Errorf("the model has no %s", name)
			continue
		}
		header, query := http.Header{}, url.Values{}
		planted, n := map[string]bool{}, 0 // whether it is sensitive
		plant := func(m audittest.Member, in, out string) string {
			n++
			value := fmt.Sprintf("planted-%s-%s-%03d", in, out, n)
			planted[value] = model.Sensitive(m)
			return value
		}
		if in.Input != nil {
			for _, m := range model.Shapes[in.Input.Shape].Members {
				switch m.Location {
				case "header":
					header.Set(m.LocationName, plant(m, "in", "header"))
				case "querystring":
					query.Set(m.LocationName, plant(m, "in", "query"))
				case "headers":
					header.Set(m.LocationName+"name", plant(m, "in", "meta"))
				}
			}
		}
		for _, signed := range []string{"X-Amz-Signature", "X-Amz-Security-Token"} {
			query.Set(signed, "planted-signature")
			planted["planted-signature"] = true
		}
		r := &request{Request: &http.Request{Method: "GET", Host: "localhost", URL: &url.URL{Path: "/b/k"}}, bucket: "b", key: "k", query: query, header: header}
		text := r.parameters(op)
		answer := http.Header{}
		if in.Output != nil {
			for _, m := range model.Shapes[in.Output.Shape].Members {
				if m.Location == "header" {
					answer.Set(m.LocationName, plant(m, "out", "header"))
				}
			}
		}
		p := audit.NewPending(audit.Record{})
		answered((&http.Request{}).WithContext(audit.With(context.Background(), p)), op, answer)
		if !json.Valid(text) {
			t.Fatalf("%s: not JSON: %s", name, text)
		}
		record := p.Record()
		both := append(bytes.Clone(text), record.ResponseElements...)
		for value, sensitive := range planted {
			switch found := bytes.Contains(both, []byte(value)); {
			case sensitive && found:
				t.Errorf("%s: a secret shows: %s", name, both)
			case sensitive:
				secrets++
			case found:
				shown++
			}
		}
	}
	if secrets < 30 || shown < 60 {
		t.Errorf("%d secrets and %d others: the test sees nothing", secrets, shown)
	}
}

// TestParameters: what a record has of a request, and what not.
func TestParameters(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 3*maxShownValue)
	for _, tt := range []struct {
		name, target string
		header       http.Header
		op           *operation
		want         string
	}{
		{"a read", "/b/a%0Ak?response-content-type=text/plain&other=1", nil, getObject, `{"Host":"h","bucketName":"b","key":"a\u000ak","response-content-type":"text/plain"}`},
		{"no operation", "/b?acl&zebra=1", nil, nil, `{"Host":"h","acl":"","bucketName":"b"}`},
		{
			"presigned", "/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=hush&X-Amz-Security-Token=hush&X-Amz-Expires=60&x-amz-acl=private", nil, putObject,
			`{"Host":"h","X-Amz-Algorithm":"AWS4-HMAC-SHA256","X-Amz-Expires":"60","X-Amz-Security-Token":"HIDDEN_DUE_TO_SECURITY_REASONS","X-Amz-Signature":"HIDDEN_DUE_TO_SECURITY_REASONS","bucketName":"b","key":"k","x-amz-acl":"private"}`,
		},
		{
			"a customer's key", "/b/k",
			http.Header{"X-Amz-Server-Side-Encryption-Customer-Algorithm": {"AES256"}, "X-Amz-Server-Side-Encryption-Customer-Key": {"hush"}, "X-Amz-Server-Side-Encryption-Customer-Key-Md5": {"hush"}},
			putObject,
			`{"Host":"h","bucketName":"b","key":"k","x-amz-server-side-encryption-customer-algorithm":"AES256","x-amz-server-side-encryption-customer-key":"HIDDEN_DUE_TO_SECURITY_REASONS","x-amz-server-side-encryption-customer-key-md5":"HIDDEN_DUE_TO_SECURITY_REASONS"}`,
		},
		{"what is not known", "/b/k", http.Header{"X-Amz-New-Secret": {"hush"}, "Cookie": {"hush"}, "Authorization": {"hush"}}, getObject, `{"Host":"h","bucketName":"b","key":"k"}`},
		{"a long value", "/b/k", http.Header{"X-Amz-Meta-A": {long}}, putObject, `{"Host":"h","bucketName":"b","key":"k","x-amz-meta-a":"` + long[:maxShownValue] + `…"}`},
	} {
		if tt.header == nil {
			tt.header = http.Header{}
		}
		u, err := url.Parse("http://h" + tt.target)
		if err != nil {
			t.Fatal(err)
		}
		in, err := (&Service{}).parse(&http.Request{Method: "PUT", Host: "h", URL: u, Header: tt.header})
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if got := string(in.parameters(tt.op)); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}
