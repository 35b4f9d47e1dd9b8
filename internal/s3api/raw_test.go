package s3api_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"darkroom/internal/blob"
)

// call is a request as it is on the wire.
type call struct {
	method, path string // with the query
	body         string
	header       map[string]string
	id           string // access key; empty is the root's
	host         string
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
	err    refusal
}

type refusal struct {
	XMLName    xml.Name `xml:"Error"`
	Code       string
	Message    string
	BucketName string
	Key        string
	Resource   string
	RequestID  string `xml:"RequestId"`
	HostID     string `xml:"HostId"`
	Region     string
	Size       string `xml:"ActualObjectSize"`
}

// do signs and sends a request.
func (p *peer) do(t testing.TB, c call) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), c.method, p.URL+c.path, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range c.header {
		r.Header.Set(name, value)
	}
	if c.host != "" {
		r.Host = c.host
	}
	if c.id == "" {
		c.id = rootID
	}
	sum := sha256.Sum256([]byte(c.body))
	hash := hex.EncodeToString(sum[:])
	r.Header.Set("X-Amz-Content-Sha256", hash)
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	if err := signer.SignHTTP(context.Background(), aws.Credentials{AccessKeyID: c.id, SecretAccessKey: testSecret}, r, hash, "s3", region, time.Now()); err != nil {
		t.Fatal(err)
	}
	return p.send(t, r)
}

func (p *peer) send(t testing.TB, r *http.Request) answer {
	t.Helper()
	client := *p.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, body: string(body)}
	if a.status >= 400 && len(body) > 0 {
		if err := xml.Unmarshal(body, &a.err); err != nil {
			t.Errorf("%s %s: the refusal is not XML: %v\n%s", r.Method, r.URL, err, body)
		}
	}
	return a
}

func (p *peer) mustPut(t testing.TB, bucket, key, body string) {
	t.Helper()
	_ = p.store.CreateBucket(t.Context(), bucket) // it may be there
	if _, err := p.store.Put(t.Context(), bucket, key, strings.NewReader(body), blob.PutOptions{Size: int64(len(body)), Metadata: blob.Metadata{ContentType: "text/plain"}}); err != nil {
		t.Fatal(err)
	}
}

func contentMD5(body string) string {
	sum := md5.Sum([]byte(body))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	p := newPeer(t, nil)
	p.mustPut(t, "bucket", "k", "0123456789")
	big := strings.Repeat("x", 3000)
	oneDelete := `<Delete><Object><Key>k</Key></Object></Delete>`
	tests := []struct {
		name   string
		call   call
		status int
		code   string
		say    string // stands in the message
	}{
		{"no such bucket", call{method: "GET", path: "/nobucket/k"}, 404, "NoSuchBucket", ""},
		{"no such key", call{method: "GET", path: "/bucket/no"}, 404, "NoSuchKey", ""},
		{"a bucket name that none can have", call{method: "GET", path: "/a..b/k"}, 404, "NoSuchBucket", ""},
		{"create a bucket with a bad name", call{method: "PUT", path: "/A_B"}, 400, "InvalidBucketName", ""},
		{"create a bucket twice", call{method: "PUT", path: "/bucket"}, 409, "BucketAlreadyOwnedByYou", ""},
		{"create a bucket elsewhere", call{method: "PUT", path: "/other", body: `<CreateBucketConfiguration><LocationConstraint>us-west-2</LocationConstraint></CreateBucketConfiguration>`}, 400, "IllegalLocationConstraintException", "us-west-2"},
		{"create a directory bucket", call{method: "PUT", path: "/other", body: `<CreateBucketConfiguration><Bucket><Type>Directory</Type></Bucket></CreateBucketConfiguration>`}, 501, "NotImplemented", "Bucket"},
		{"create a bucket with rubbish", call{method: "PUT", path: "/other", body: `rubbish`}, 400, "MalformedXML", ""},
		{"delete a bucket with objects", call{method: "DELETE", path: "/bucket"}, 409, "BucketNotEmpty", ""},
		{"key too long", call{method: "PUT", path: "/bucket/" + strings.Repeat("k", 1025)}, 400, "KeyTooLongError", ""},
		{"key with NUL", call{method: "PUT", path: "/bucket/a%00b"}, 400, "InvalidArgument", "NUL"},
		{"key that is not UTF-8", call{method: "PUT", path: "/bucket/%FF"}, 400, "InvalidArgument", "UTF-8"},
		{"bucket with a slash", call{method: "GET", path: "/a%2Fb/k"}, 400, "InvalidBucketName", ""},
		{"method of no operation", call{method: "PATCH", path: "/bucket/k"}, 405, "MethodNotAllowed", ""},
		{"form upload", call{method: "POST", path: "/bucket"}, 405, "MethodNotAllowed", ""},
		{"unknown parameter", call{method: "GET", path: "/bucket/k?surprise=1"}, 501, "NotImplemented", "surprise"},
		{"version", call{method: "GET", path: "/bucket/k?versionId=abc"}, 404, "NoSuchVersion", "versions"},
		{"two subresources", call{method: "GET", path: "/bucket?acl&policy"}, 400, "InvalidArgument", "acl, policy"},
		{"bad Content-MD5", call{method: "PUT", path: "/bucket/k", body: "x", header: map[string]string{"Content-MD5": "rubbish"}}, 400, "InvalidDigest", ""},
		{"wrong Content-MD5", call{method: "PUT", path: "/bucket/k", body: "x", header: map[string]string{"Content-MD5": contentMD5("y")}}, 400, "BadDigest", ""},
		{"bad checksum", call{method: "PUT", path: "/bucket/k", body: "x", header: map[string]string{"x-amz-checksum-crc32": "AAA"}}, 400, "InvalidRequest", "x-amz-checksum-crc32"},
		{"wrong checksum", call{method: "PUT", path: "/bucket/k", body: "x", header: map[string]string{"x-amz-checksum-crc32": "AAAAAA=="}}, 400, "BadDigest", ""},
		{"two checksums", call{method: "PUT", path: "/bucket/k", body: "x", header: map[string]string{"x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-crc32c": "AAAAAA=="}}, 400, "InvalidRequest", "single"},
		{"checksum that is announced and missing", call{method: "PUT", path: "/bucket/k", body: "x", header: map[string]string{"x-amz-sdk-checksum-algorithm": "CRC32"}}, 400, "InvalidRequest", "no corresponding"},
		{"checksum of another algorithm", call{method: "PUT", path: "/bucket/k", body: "x", header: map[string]string{"x-amz-sdk-checksum-algorithm": "SHA1", "x-amz-checksum-crc32": "AAAAAA=="}}, 400, "InvalidRequest", ""},
		{"checksum algorithm that is none", call{method: "PUT", path: "/bucket/k", body: "x", header: map[string]string{"x-amz-sdk-checksum-algorithm": "MD4"}}, 400, "InvalidRequest", ""},
		{"unknown checksum", call{method: "PUT", path: "/bucket/k", body: "x", header: map[string]string{"x-amz-checksum-sha512": "AAAA"}}, 501, "NotImplemented", "x-amz-checksum-sha512"},
		{"ACL", call{method: "PUT", path: "/bucket/k", header: map[string]string{"x-amz-acl": "public-read"}}, 501, "NotImplemented", "x-amz-acl"},
		{"ACL in the query", call{method: "PUT", path: "/bucket/k?x-amz-acl=public-read"}, 501, "NotImplemented", "x-amz-acl"},
		{"grant", call{method: "PUT", path: "/bucket/k", header: map[string]string{"x-amz-grant-read": "id=1"}}, 501, "NotImplemented", "x-amz-grant-read"},
		{"storage class", call{method: "PUT", path: "/bucket/k", header: map[string]string{"x-amz-storage-class": "GLACIER"}}, 501, "NotImplemented", "x-amz-storage-class"},
		{"tags", call{method: "PUT", path: "/bucket/k", header: map[string]string{"x-amz-tagging": "a=b"}}, 501, "NotImplemented", "x-amz-tagging"},
		{"object lock", call{method: "PUT", path: "/bucket/k", header: map[string]string{"x-amz-object-lock-mode": "COMPLIANCE"}}, 501, "NotImplemented", "x-amz-object-lock-mode"},
		{"website redirect", call{method: "PUT", path: "/bucket/k", header: map[string]string{"x-amz-website-redirect-location": "/x"}}, 501, "NotImplemented", "x-amz-website-redirect-location"},
		{"unknown header", call{method: "GET", path: "/bucket/k", header: map[string]string{"x-amz-surprise": "1"}}, 501, "NotImplemented", "x-amz-surprise"},
		{"owner of the bucket", call{method: "GET", path: "/bucket/k", header: map[string]string{"x-amz-expected-bucket-owner": "999999999999"}}, 403, "AccessDenied", ""},
		{"metadata too large", call{method: "PUT", path: "/bucket/k", header: map[string]string{"x-amz-meta-a": big}}, 400, "MetadataTooLarge", ""},
		{"write condition on time", call{method: "PUT", path: "/bucket/k", header: map[string]string{"If-Unmodified-Since": "Thu, 01 Dec 1994 16:00:00 GMT"}}, 501, "NotImplemented", "time"},
		{"write if none like this", call{method: "PUT", path: "/bucket/k", header: map[string]string{"If-None-Match": `"abc"`}}, 501, "NotImplemented", "If-None-Match"},
		{"write if none", call{method: "PUT", path: "/bucket/k", header: map[string]string{"If-None-Match": "*"}}, 412, "PreconditionFailed", ""},
		{"conditional delete", call{method: "DELETE", path: "/bucket/k", header: map[string]string{"If-Match": "*"}}, 501, "NotImplemented", "DeleteObject"},
		{"range beyond", call{method: "GET", path: "/bucket/k", header: map[string]string{"Range": "bytes=10-"}}, 416, "InvalidRange", ""},
		{"range and part", call{method: "GET", path: "/bucket/k?partNumber=1", header: map[string]string{"Range": "bytes=0-1"}}, 400, "InvalidRequest", ""},
		{"part that is none", call{method: "GET", path: "/bucket/k?partNumber=2"}, 416, "InvalidPartNumber", ""},
		{"part number", call{method: "GET", path: "/bucket/k?partNumber=x"}, 400, "InvalidArgument", "Part number"},
		{"override with a line feed", call{method: "GET", path: "/bucket/k?response-content-type=a%0Ab"}, 400, "InvalidArgument", "response-content-type"},
		{"copy from nowhere", call{method: "PUT", path: "/bucket/c", header: map[string]string{"x-amz-copy-source": "/bucket/no"}}, 404, "NoSuchKey", ""},
		{"copy from a bad source", call{method: "PUT", path: "/bucket/c", header: map[string]string{"x-amz-copy-source": "bucket"}}, 400, "InvalidArgument", "Copy Source"},
		{"copy from a source that leads out", call{method: "PUT", path: "/bucket/c", header: map[string]string{"x-amz-copy-source": "../bucket/k"}}, 400, "InvalidArgument", "Copy Source"},
		{"copy of a version", call{method: "PUT", path: "/bucket/c", header: map[string]string{"x-amz-copy-source": "/bucket/k?versionId=1"}}, 501, "NotImplemented", "versions"},
		{"copy onto itself", call{method: "PUT", path: "/bucket/k", header: map[string]string{"x-amz-copy-source": "/bucket/k"}}, 400, "InvalidRequest", "itself"},
		{"copy with a condition that fails", call{method: "PUT", path: "/bucket/c", header: map[string]string{"x-amz-copy-source": "/bucket/k", "x-amz-copy-source-if-none-match": "*"}}, 412, "PreconditionFailed", ""},
		{"copy source of a read", call{method: "GET", path: "/bucket/k", header: map[string]string{"x-amz-copy-source": "/bucket/k"}}, 400, "InvalidArgument", "x-amz-copy-source"},
		{"part of a copy source without one", call{method: "PUT", path: "/bucket/k", header: map[string]string{"x-amz-copy-source-range": "bytes=0-1"}}, 400, "InvalidArgument", "x-amz-copy-source-range"},
		{"deletes without a checksum", call{method: "POST", path: "/bucket?delete", body: oneDelete}, 400, "InvalidRequest", "Content-MD5"},
		{"deletes with a wrong MD5", call{method: "POST", path: "/bucket?delete", body: oneDelete, header: map[string]string{"Content-MD5": contentMD5("x")}}, 400, "BadDigest", ""},
		{"deletes of nothing", deletesCall(`<Delete></Delete>`), 400, "MalformedXML", ""},
		{"deletes of too many", deletesCall(`<Delete>` + strings.Repeat(`<Object><Key>k</Key></Object>`, 1001) + `</Delete>`), 400, "MalformedXML", "1001"},
		{"deletes of a version", deletesCall(`<Delete><Object><Key>k</Key><VersionId>1</VersionId></Object></Delete>`), 501, "NotImplemented", "versions"},
		{"deletes with a condition", deletesCall(`<Delete><Object><Key>k</Key><ETag>1</ETag></Object></Delete>`), 501, "NotImplemented", "ETag"},
		{"deletes of another root", deletesCall(`<Remove><Object><Key>k</Key></Object></Remove>`), 400, "MalformedXML", ""},
		{"deletes with a document type", deletesCall(`<!DOCTYPE Delete [<!ENTITY a "b">]><Delete><Object><Key>k</Key></Object></Delete>`), 400, "MalformedXML", ""},
		{"deletes with two roots", deletesCall(oneDelete + oneDelete), 400, "MalformedXML", ""},
		{"deletes that nest", deletesCall(`<Delete>` + strings.Repeat("<a>", 20) + strings.Repeat("</a>", 20) + `</Delete>`), 400, "MalformedXML", ""},
		{"deletes cut off", deletesCall(`<Delete><Object><Key>k</Key>`), 400, "MalformedXML", ""},
		{"upload that is none", call{method: "PUT", path: "/bucket/k?partNumber=1&uploadId=x", body: "x"}, 404, "NoSuchUpload", ""},
		{"part number 0", call{method: "PUT", path: "/bucket/k?partNumber=0&uploadId=x", body: "x"}, 400, "InvalidArgument", "Part number"},
		{"complete with nothing", call{method: "POST", path: "/bucket/k?uploadId=x"}, 400, "MalformedXML", "empty"},
		{"complete without parts", call{method: "POST", path: "/bucket/k?uploadId=x", body: `<CompleteMultipartUpload/>`}, 400, "MalformedXML", "0 parts"},
		{"checksum type alone", call{method: "POST", path: "/bucket/k?uploads", header: map[string]string{"x-amz-checksum-type": "COMPOSITE"}}, 400, "InvalidArgument", ""},
		{"checksum type that does not go", call{method: "POST", path: "/bucket/k?uploads", header: map[string]string{"x-amz-checksum-type": "FULL_OBJECT", "x-amz-checksum-algorithm": "SHA256"}}, 400, "InvalidArgument", "SHA256"},
		{"list with a bad encoding", call{method: "GET", path: "/bucket?encoding-type=base64"}, 400, "InvalidArgument", "Encoding"},
		{"list with a bad number", call{method: "GET", path: "/bucket?max-keys=-1"}, 400, "InvalidArgument", "max-keys"},
		{"list with a bad token", call{method: "GET", path: "/bucket?list-type=2&continuation-token=zzz"}, 400, "InvalidArgument", "continuation token"},
		{"list buckets with a bad number", call{method: "GET", path: "/?max-buckets=0"}, 400, "InvalidArgument", "max-buckets"},
		{"bucket policy", call{method: "GET", path: "/bucket?policy"}, 404, "NoSuchBucketPolicy", ""},
		{"bucket tags", call{method: "GET", path: "/bucket?tagging"}, 404, "NoSuchTagSet", ""},
		{"configuration of no bucket", call{method: "GET", path: "/nobucket?versioning"}, 404, "NoSuchBucket", ""},
	}
	for _, sub := range []string{"versioning", "policy", "acl", "tagging", "lifecycle", "website", "cors", "object-lock", "replication", "logging", "notification"} {
		tests = append(tests, struct {
			name   string
			call   call
			status int
			code   string
			say    string
		}{"configure " + sub, call{method: "PUT", path: "/bucket?" + sub, body: "<x/>"}, 501, "NotImplemented", "?" + sub})
	}
	for _, tt := range tests {
		a := p.do(t, tt.call)
		if a.status != tt.status || a.err.Code != tt.code || !strings.Contains(a.err.Message, tt.say) {
			t.Errorf("%s: got %d %s %q, want %d %s %q", tt.name, a.status, a.err.Code, a.err.Message, tt.status, tt.code, tt.say)
		}
		if a.err.RequestID == "" || a.err.RequestID != a.header.Get("x-amz-request-id") || a.header.Get("Content-Type") != "application/xml" || a.err.HostID == "" {
			t.Errorf("%s: no request id or another type: %+v %v", tt.name, a.err, a.header)
		}
	}
	if o, err := p.store.Get(t.Context(), "bucket", "k", nil, blob.Conditions{}); err != nil || o.Size != 10 {
		t.Errorf("a refused request changed the object: %v", err)
	} else {
		o.Body.Close()
	}
}

func deletesCall(body string) call {
	return call{method: "POST", path: "/bucket?delete", body: body, header: map[string]string{"Content-MD5": contentMD5(body)}}
}

func TestRefusalSaysWhat(t *testing.T) {
	t.Parallel()
	p := newPeer(t, nil)
	p.mustPut(t, "bucket", "k", "0123456789")
	a := p.do(t, call{method: "GET", path: "/bucket/no%3Csuch%3E%20key"})
	if a.err.BucketName != "bucket" || a.err.Key != "no<such> key" || a.err.Resource != "/bucket/no%3Csuch%3E%20key" {
		t.Errorf("got %+v", a.err)
	}
	a = p.do(t, call{method: "GET", path: "/bucket/k", header: map[string]string{"Range": "bytes=99-"}})
	if a.err.Size != "10" || a.header.Get("Content-Range") != "bytes */10" {
		t.Errorf("got %+v %v", a.err, a.header)
	}
	a = p.do(t, call{method: "HEAD", path: "/bucket/no"})
	if a.status != 404 || a.body != "" {
		t.Errorf("HEAD: %d %q", a.status, a.body)
	}
	etag := `"781e5e245d69b566979b86e28d23f2c7"`
	for _, method := range []string{"GET", "HEAD"} {
		a = p.do(t, call{method: method, path: "/bucket/k", header: map[string]string{"If-None-Match": etag}})
		if a.status != 304 || a.body != "" || a.header.Get("ETag") != etag {
			t.Errorf("%s 304: %d %q %v", method, a.status, a.body, a.header)
		}
	}
}

func TestSignatureRefusals(t *testing.T) {
	t.Parallel()
	p := newPeer(t, nil)
	p.mustPut(t, "bucket", "k", "x")
	send := func(change func(*http.Request)) answer {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, p.URL+"/bucket/new", bytes.NewReader([]byte("body")))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256([]byte("body"))
		hash := hex.EncodeToString(sum[:])
		r.Header.Set("X-Amz-Content-Sha256", hash)
		when, home, id := time.Now(), region, rootID
		if change != nil {
			change(r)
		}
		if v := r.Header.Get("X-Skew"); v != "" {
			d, err := time.ParseDuration(v)
			if err != nil {
				t.Fatal(err)
			}
			when = when.Add(d)
			r.Header.Del("X-Skew")
		}
		if v := r.Header.Get("X-Home"); v != "" {
			home = v
			r.Header.Del("X-Home")
		}
		if v := r.Header.Get("X-Id"); v != "" {
			id = v
			r.Header.Del("X-Id")
		}
		hash = r.Header.Get("X-Amz-Content-Sha256")
		signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
		if err := signer.SignHTTP(context.Background(), aws.Credentials{AccessKeyID: id, SecretAccessKey: testSecret}, r, hash, "s3", home, when); err != nil {
			t.Fatal(err)
		}
		if r.Header.Get("X-Break") != "" {
			r.Header.Set("X-Break", "changed")
		}
		if r.Header.Get("X-Anonymous") != "" {
			r.Header.Del("Authorization")
		}
		return p.send(t, r)
	}
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	other := sha256.Sum256([]byte("other"))
	tests := []struct {
		name   string
		change func(*http.Request)
		status int
		code   string
	}{
		{"good", nil, 200, ""},
		{"changed header", set("X-Break", "signed"), 403, "SignatureDoesNotMatch"},
		{"unknown key", set("X-Id", "AKIANOBODY"), 403, "InvalidAccessKeyId"},
		{"late", set("X-Skew", "-20m"), 403, "RequestTimeTooSkewed"},
		{"early", set("X-Skew", "20m"), 403, "RequestTimeTooSkewed"},
		{"another region", set("X-Home", "us-west-2"), 400, "AuthorizationHeaderMalformed"},
		{"nobody", set("X-Anonymous", "1"), 403, "AccessDenied"},
		{"another body", set("X-Amz-Content-Sha256", hex.EncodeToString(other[:])), 400, "XAmzContentSHA256Mismatch"},
	}
	for _, tt := range tests {
		a := send(tt.change)
		if a.status != tt.status || a.err.Code != tt.code {
			t.Errorf("%s: got %d %s %s, want %d %s", tt.name, a.status, a.err.Code, a.err.Message, tt.status, tt.code)
		}
		if tt.name == "another region" && (a.err.Region != region || a.header.Get("x-amz-bucket-region") != region) {
			t.Errorf("the right region is not said: %+v", a.err)
		}
		if tt.status != 200 {
			continue
		}
		if err := p.store.Delete(t.Context(), "bucket", "new"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.store.Head(t.Context(), "bucket", "new", blob.Conditions{}); err == nil {
		t.Error("a refused body became an object")
	}
}

func TestAuthorization(t *testing.T) {
	t.Parallel()
	p := newPeer(t, nil)
	for _, k := range []string{"shared/a", "own/a", "private/a"} {
		p.mustPut(t, "bucket", k, "x")
	}
	from := func(source string) map[string]string { return map[string]string{"x-amz-copy-source": source} }
	mine := `<Delete><Object><Key>own/a</Key></Object></Delete>`
	others := `<Delete><Object><Key>own/a</Key></Object><Object><Key>private/a</Key></Object></Delete>`
	tests := []struct {
		name   string
		call   call
		status int
	}{
		{"get", call{method: "GET", path: "/bucket/shared/a"}, 200},
		{"head", call{method: "HEAD", path: "/bucket/shared/a"}, 200},
		{"get another", call{method: "GET", path: "/bucket/private/a"}, 403},
		{"get by another spelling", call{method: "GET", path: "/bucket/shared/..%2Fprivate/a"}, 404},
		{"get encoded", call{method: "GET", path: "/bucket/%73hared/a"}, 200},
		{"put", call{method: "PUT", path: "/bucket/own/b", body: "x"}, 200},
		{"put another", call{method: "PUT", path: "/bucket/shared/b", body: "x"}, 403},
		{"create upload", call{method: "POST", path: "/bucket/own/b?uploads"}, 200},
		{"create another upload", call{method: "POST", path: "/bucket/shared/b?uploads"}, 403},
		{"list", call{method: "GET", path: "/bucket"}, 403},
		{"list buckets", call{method: "GET", path: "/"}, 403},
		{"create bucket", call{method: "PUT", path: "/another"}, 403},
		{"delete bucket", call{method: "DELETE", path: "/bucket"}, 403},
		{"location", call{method: "GET", path: "/bucket?location"}, 403},
		{"copy", call{method: "PUT", path: "/bucket/own/c", header: from("bucket/shared/a")}, 200},
		{"copy from another", call{method: "PUT", path: "/bucket/own/c", header: from("bucket/private/a")}, 403},
		{"copy from another, encoded", call{method: "PUT", path: "/bucket/own/c", header: from("bucket/%70rivate/a")}, 403},
		{"copy to another", call{method: "PUT", path: "/bucket/private/c", header: from("bucket/shared/a")}, 403},
		{"copy a part from another", call{method: "PUT", path: "/bucket/own/c?partNumber=1&uploadId=x", header: from("bucket/private/a")}, 403},
		{"deletes with one of another", call{method: "POST", path: "/bucket?delete", body: others, header: map[string]string{"Content-MD5": contentMD5(others)}}, 403},
		{"deletes", call{method: "POST", path: "/bucket?delete", body: mine, header: map[string]string{"Content-MD5": contentMD5(mine)}}, 200},
		{"delete another", call{method: "DELETE", path: "/bucket/shared/a"}, 403},
		{"abort", call{method: "DELETE", path: "/bucket/own/a?uploadId=x"}, 403},
		{"list parts", call{method: "GET", path: "/bucket/own/a?uploadId=x"}, 403},
		{"tags", call{method: "GET", path: "/bucket/shared/a?tagging"}, 403},
	}
	for _, tt := range tests {
		tt.call.id = userID
		a := p.do(t, tt.call)
		if a.status != tt.status || a.status == 403 && tt.call.method != "HEAD" && a.err.Code != "AccessDenied" {
			t.Errorf("%s: got %d %+v, want %d", tt.name, a.status, a.err, tt.status)
		}
	}
	for _, k := range []string{"shared/a", "private/a"} {
		if _, err := p.store.Head(t.Context(), "bucket", k, blob.Conditions{}); err != nil {
			t.Errorf("%s: %v", k, err)
		}
	}
}

func TestDamageIsNoAnswer(t *testing.T) {
	t.Parallel()
	p := newPeer(t, func(s blob.Store) blob.Store { return damaged{s} })
	a := p.do(t, call{method: "GET", path: "/bucket/k"})
	if a.status != 500 || a.err.Code != "InternalError" || !strings.Contains(a.err.Message, "damaged") {
		t.Errorf("got %d %+v", a.status, a.err)
	}
	a = p.do(t, call{method: "PUT", path: "/bucket/k", body: "x"})
	if a.status != 503 || !strings.Contains(a.err.Message, "space") {
		t.Errorf("got %d %+v", a.status, a.err)
	}
	a = p.do(t, call{method: "DELETE", path: "/bucket/k"})
	if a.status != 500 || a.err.Code != "InternalError" || strings.Contains(a.body, "/secret/path") {
		t.Errorf("got %d %+v", a.status, a.err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+"/bucket/later", nil)
	if err != nil {
		t.Fatal(err)
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	if err := signer.SignHTTP(context.Background(), aws.Credentials{AccessKeyID: rootID, SecretAccessKey: testSecret}, r, "UNSIGNED-PAYLOAD", "s3", region, time.Now()); err != nil {
		t.Fatal(err)
	}
	resp, err := p.Client().Do(r)
	if err == nil { // damage that is met on the way cuts the answer off
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	if err == nil {
		t.Error("a damaged object came to its end")
	}
}

// damaged is a store whose objects do not open, whose disk is full and whose deletes fail.
type damaged struct{ blob.Store }

func (d damaged) Get(_ context.Context, _, key string, _ *blob.Range, _ blob.Conditions) (*blob.Object, error) {
	if key == "later" {
		return &blob.Object{
			Info: blob.Info{Size: 100000}, Length: 100000,
			Body: io.NopCloser(io.MultiReader(strings.NewReader(strings.Repeat("x", 50000)), failing{})),
		}, nil
	}
	return nil, fmt.Errorf("object: %w", blob.ErrCorrupt)
}

func (damaged) Put(context.Context, string, string, io.Reader, blob.PutOptions) (blob.Info, error) {
	return blob.Info{}, fmt.Errorf("write: %w", blob.ErrNoSpace)
}

func (damaged) Delete(context.Context, string, string) error {
	return fmt.Errorf("remove /secret/path: input/output error")
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, blob.ErrCorrupt }
