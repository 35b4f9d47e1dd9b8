package s3api_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/blob/blobtest"
	"darkroom/internal/gateway"
)

// sseHeaders are the headers of encryption that an answer has.
func sseHeaders(h http.Header) map[string]string {
	out := map[string]string{}
	for name := range h {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-server-side-encryption") {
			out[strings.TrimPrefix(lower, "x-amz-server-side-encryption")] = h.Get(name)
		}
	}
	return out
}

// ownKey gives the headers of SSE-C for a key of size bytes.
func ownKey(prefix string, seed byte, size int) map[string]string {
	key := bytes.Repeat([]byte{seed}, size)
	sum := md5.Sum(key)
	return map[string]string{
		prefix + "algorithm": "AES256", prefix + "key": base64.StdEncoding.EncodeToString(key), prefix + "key-MD5": base64.StdEncoding.EncodeToString(sum[:]),
	}
}

const (
	customer = "x-amz-server-side-encryption-customer-"
	source   = "x-amz-copy-source-server-side-encryption-customer-"
	sse      = "x-amz-server-side-encryption"
)

// with puts header sets together.
func with(sets ...map[string]string) map[string]string {
	out := map[string]string{}
	for _, s := range sets {
		for name, value := range s {
			out[name] = value
		}
	}
	return out
}

func one(name, value string) map[string]string { return map[string]string{name: value} }

// TestEncryptionHeaders: what is asked for in headers is what answers say, for each operation as S3 has it.
func TestEncryptionHeaders(t *testing.T) {
	t.Parallel()
	p := newPeer(t, nil)
	p.mustPut(t, "films", "clear", "text")
	own := ownKey(customer, 1, 32)
	text := base64.StdEncoding.EncodeToString([]byte(`{"film":"première"}`))
	saysOwn := map[string]string{"-customer-algorithm": "AES256", "-customer-key-md5": own[customer+"key-MD5"]}
	for _, tt := range []struct {
		name           string
		ask            map[string]string
		written, shown map[string]string
	}{
		{"nothing", nil, one("", "AES256"), one("", "AES256")},
		{"SSE-S3", one(sse, "AES256"), one("", "AES256"), one("", "AES256")},
		{"SSE-KMS", one(sse, "aws:kms"), map[string]string{"": "aws:kms", "-aws-kms-key-id": blobtest.DefaultKey}, map[string]string{"": "aws:kms", "-aws-kms-key-id": blobtest.DefaultKey}},
		{
			"SSE-KMS with all", with(one(sse, "aws:kms"), one(sse+"-aws-kms-key-id", blobtest.OtherKey), one(sse+"-context", text), one(sse+"-bucket-key-enabled", "true")),
			map[string]string{"": "aws:kms", "-aws-kms-key-id": blobtest.OtherKey, "-context": text, "-bucket-key-enabled": "true"},
			map[string]string{"": "aws:kms", "-aws-kms-key-id": blobtest.OtherKey, "-bucket-key-enabled": "true"},
		},
		{"SSE-C", own, saysOwn, saysOwn},
	} {
		key := map[string]string{}
		if tt.name == "SSE-C" {
			key = own
		}
		check := func(what string, a answer, want map[string]string) {
			t.Helper()
			if a.status != http.StatusOK {
				t.Errorf("%s: %s: %d %+v", tt.name, what, a.status, a.err)
			}
			if diff := cmp.Diff(want, sseHeaders(a.header)); diff != "" {
				t.Errorf("%s: %s (-want +got): %s", tt.name, what, diff)
			}
		}
		check("put", p.do(t, call{method: "PUT", path: "/films/k", body: "the text", header: tt.ask}), tt.written)
		get := p.do(t, call{method: "GET", path: "/films/k", header: key})
		check("get", get, tt.shown)
		if get.body != "the text" {
			t.Errorf("%s: got %q", tt.name, get.body)
		}
		check("head", p.do(t, call{method: "HEAD", path: "/films/k", header: key}), tt.shown)
		check("copy to", p.do(t, call{method: "PUT", path: "/films/to", header: with(tt.ask, one("x-amz-copy-source", "/films/clear"))}), tt.written)
		if a := p.do(t, call{method: "GET", path: "/films/to", header: key}); a.body != "text" {
			t.Errorf("%s: the copy is %q", tt.name, a.body)
		}
		from := one("x-amz-copy-source", "/films/k")
		if tt.name == "SSE-C" {
			from = with(from, ownKey(source, 1, 32))
		}
		check("copy from", p.do(t, call{method: "PUT", path: "/films/from", header: from}), one("", "AES256"))
		check("copy from, on a condition", p.do(t, call{method: "PUT", path: "/films/from", header: with(from, one("If-Match", "*"))}), one("", "AES256"))
		if a := p.do(t, call{method: "GET", path: "/films/from"}); a.body != "the text" || a.header.Get("ETag") != `"`+fmt.Sprintf("%x", md5.Sum([]byte("the text")))+`"` {
			t.Errorf("%s: the copy is %q %s", tt.name, a.body, a.header.Get("ETag"))
		}
		create := p.do(t, call{method: "POST", path: "/films/up?uploads", header: tt.ask})
		check("create upload", create, tt.written)
		_, rest, _ := strings.Cut(create.body, "<UploadId>")
		id, _, _ := strings.Cut(rest, "<")
		part := p.do(t, call{method: "PUT", path: "/films/up?partNumber=1&uploadId=" + id, body: strings.Repeat("x", 5<<20), header: key})
		check("part", part, tt.shown)
		copied := p.do(t, call{method: "PUT", path: "/films/up?partNumber=2&uploadId=" + id, header: with(key, from)})
		check("part by copy", copied, tt.shown)
		_, rest, _ = strings.Cut(copied.body, "<ETag>")
		etag, _, _ := strings.Cut(strings.NewReplacer("&#34;", "", "&quot;", "").Replace(rest), "<")
		complete := p.do(t, call{
			method: "POST", path: "/films/up?uploadId=" + id, header: key,
			body: `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>` + part.header.Get("ETag") + `</ETag></Part><Part><PartNumber>2</PartNumber><ETag>` + etag + `</ETag></Part></CompleteMultipartUpload>`,
		})
		completed := tt.shown
		if tt.name == "SSE-C" {
			completed = map[string]string{}
		}
		check("complete", complete, completed)
		if a := p.do(t, call{method: "GET", path: "/films/up", header: with(key, one("Range", "bytes=5242879-"))}); a.body != "xthe text" {
			t.Errorf("%s: the end of the upload is %q", tt.name, a.body)
		}
		check("tags", p.do(t, call{method: "GET", path: "/films/up?tagging"}), map[string]string{})
		if a := p.do(t, call{method: "DELETE", path: "/films/up"}); a.status != http.StatusNoContent {
			t.Errorf("%s: delete: %d", tt.name, a.status)
		}
	}
}

// TestEncryptionRefusals are S3's own.
func TestEncryptionRefusals(t *testing.T) {
	t.Parallel()
	p := newPeer(t, nil)
	p.mustPut(t, "films", "k", "text")
	own, other := ownKey(customer, 1, 32), ownKey(customer, 2, 32)
	if a := p.do(t, call{method: "PUT", path: "/films/own", body: "text", header: own}); a.status != 200 {
		t.Fatalf("put: %+v", a.err)
	}
	without := func(set map[string]string, name string) map[string]string {
		out := with(set)
		delete(out, name)
		return out
	}
	document := func(rule string) call {
		body := `<ServerSideEncryptionConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` + rule + `</ServerSideEncryptionConfiguration>`
		return call{method: "PUT", path: "/films?encryption", body: body, header: one("Content-MD5", contentMD5(body))}
	}
	rule := func(inner string) string {
		return `<Rule><ApplyServerSideEncryptionByDefault>` + inner + `</ApplyServerSideEncryptionByDefault></Rule>`
	}
	put := func(header map[string]string) call {
		return call{method: "PUT", path: "/films/k", body: "new", header: header}
	}
	get := func(key string, header map[string]string) call {
		return call{method: "GET", path: "/films/" + key, header: header}
	}
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	tests := []struct {
		name   string
		call   call
		status int
		code   string
		say    string
	}{
		{"method", put(one(sse, "AES512")), 400, "InvalidArgument", "The encryption method specified is not supported"},
		{"method in lower case", put(one(sse, "aes256")), 400, "InvalidArgument", "not supported"},
		{"empty method", put(one(sse, "")), 400, "InvalidArgument", "not supported"},
		{"double", put(one(sse, "aws:kms:dsse")), 501, "NotImplemented", "Not offered by this installation: x-amz-server-side-encryption: aws:kms:dsse"},
		{"key id alone", put(one(sse+"-aws-kms-key-id", "k")), 400, "InvalidArgument", "requires HTTP header x-amz-server-side-encryption : aws:kms"},
		{"key id for AES256", put(with(one(sse, "AES256"), one(sse+"-aws-kms-key-id", "k"))), 400, "InvalidArgument", "requires HTTP header"},
		{"context for AES256", put(with(one(sse, "AES256"), one(sse+"-context", encode(`{}`)))), 400, "InvalidArgument", "requires HTTP header"},
		{"context that is no base64", put(with(one(sse, "aws:kms"), one(sse+"-context", "{}"))), 400, "InvalidArgument", "string-string map"},
		{"context that is no map", put(with(one(sse, "aws:kms"), one(sse+"-context", encode(`["a"]`)))), 400, "InvalidArgument", "string-string map"},
		{"context of numbers", put(with(one(sse, "aws:kms"), one(sse+"-context", encode(`{"a":1}`)))), 400, "InvalidArgument", "string-string map"},
		{"context that nests", put(with(one(sse, "aws:kms"), one(sse+"-context", encode(`{"a":{"b":"c"}}`)))), 400, "InvalidArgument", "string-string map"},
		{"context with a name twice", put(with(one(sse, "aws:kms"), one(sse+"-context", encode(`{"a":"b","a":"c"}`)))), 400, "InvalidArgument", "string-string map"},
		{"context that goes on", put(with(one(sse, "aws:kms"), one(sse+"-context", encode(`{} {}`)))), 400, "InvalidArgument", "string-string map"},
		{"context of another object", put(with(one(sse, "aws:kms"), one(sse+"-context", encode(`{"aws:s3:arn":"arn:aws:s3:::films/own"}`)))), 400, "InvalidArgument", "aws:s3:arn"},
		{"bucket key", put(with(one(sse, "aws:kms"), one(sse+"-bucket-key-enabled", "maybe"))), 400, "InvalidArgument", "bucket-key-enabled"},
		{"key that is not there", put(with(one(sse, "aws:kms"), one(sse+"-aws-kms-key-id", "fake-key-id"))), 400, "KMS.NotFoundException", "Invalid keyId 'fake-key-id'"},
		{"both kinds", put(with(own, one(sse, "AES256"))), 400, "InvalidArgument", "incompatible with the encryption method specified"},
		{"SSE-C with a key id", put(with(own, one(sse+"-aws-kms-key-id", "k"))), 400, "InvalidArgument", "incompatible"},
		{"SSE-C algorithm", put(with(own, one(customer+"algorithm", "AES128"))), 400, "InvalidEncryptionAlgorithmError", "Supported value: AES256."},
		{"SSE-C without algorithm", put(without(own, customer+"algorithm")), 400, "InvalidArgument", "must provide a valid encryption algorithm."},
		{"SSE-C without key", put(without(own, customer+"key")), 400, "InvalidArgument", "must provide an appropriate secret key."},
		{"SSE-C without MD5", put(without(own, customer+"key-MD5")), 400, "InvalidArgument", "client calculated MD5"},
		{"SSE-C with another MD5", put(with(own, one(customer+"key-MD5", other[customer+"key-MD5"]))), 400, "InvalidArgument", "The calculated MD5 hash of the key did not match"},
		{"SSE-C with a short key", put(ownKey(customer, 1, 16)), 400, "InvalidArgument", "The secret key was invalid for the specified algorithm."},
		{"SSE-C with no base64", put(with(own, one(customer+"key", "?"))), 400, "InvalidArgument", "The secret key was invalid"},
		{"SSE-C in a URL", call{method: "GET", path: "/films/own?X-Amz-Server-Side-Encryption-Customer-Key=AAAA"}, 400, "InvalidArgument", "header"},
		{"read without its key", get("own", nil), 400, "InvalidRequest", "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object."},
		{"read with another key", get("own", other), 403, "AccessDenied", "must provide the correct secret key."},
		{"read with a short key", get("own", ownKey(customer, 1, 16)), 403, "AccessDenied", "must provide the correct secret key."},
		{"read with a key too many", get("k", own), 400, "InvalidRequest", "The encryption parameters are not applicable to this object."},
		{"read with a method", get("k", one(sse, "AES256")), 400, "InvalidArgument", "not supported for this operation"},
		{"copy without the source's key", call{method: "PUT", path: "/films/c", header: one("x-amz-copy-source", "/films/own")}, 400, "InvalidRequest", "The object was stored using"},
		{"copy with another key of the source", call{method: "PUT", path: "/films/c", header: with(one("x-amz-copy-source", "/films/own"), ownKey(source, 2, 32))}, 403, "AccessDenied", "correct secret key"},
		{"source's key without a copy", put(ownKey(source, 1, 32)), 400, "InvalidArgument", "not supported for this operation"},
		{"part with a method", call{method: "PUT", path: "/films/k?partNumber=1&uploadId=x", body: "x", header: one(sse, "AES256")}, 400, "InvalidArgument", "not supported for this operation"},
		{"delete with a key", call{method: "DELETE", path: "/films/k", header: own}, 400, "InvalidArgument", "not supported for this operation"},
		{"storage class that is none", put(one("x-amz-storage-class", "COLD")), 400, "InvalidStorageClass", "The storage class you specified is not valid"},
		{"canned ACL that is none", put(one("x-amz-acl", "mine")), 400, "InvalidArgument", "canned ACL"},
		{"ACL of a bucket", call{method: "PUT", path: "/public", header: one("x-amz-acl", "public-read")}, 501, "NotImplemented", "x-amz-acl"},
		{"default: no rule", document(""), 400, "MalformedXML", ""},
		{"default: two rules", document(rule("<SSEAlgorithm>AES256</SSEAlgorithm>") + rule("<SSEAlgorithm>AES256</SSEAlgorithm>")), 400, "MalformedXML", ""},
		{"default: method", document(rule("<SSEAlgorithm>AES512</SSEAlgorithm>")), 400, "MalformedXML", ""},
		{"default: double", document(rule("<SSEAlgorithm>aws:kms:dsse</SSEAlgorithm>")), 501, "NotImplemented", "aws:kms:dsse"},
		{"default: key id for AES256", document(rule("<SSEAlgorithm>AES256</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID>")), 400, "InvalidArgument", "a KMSMasterKeyID is not applicable"},
		{"default: blocked SSE-C", document("<Rule><BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes></Rule>"), 501, "NotImplemented", "BlockedEncryptionTypes"},
		{"default: unknown element", document("<Rule><Surprise/></Rule>"), 501, "NotImplemented", "Surprise"},
		{"default: bucket key", document("<Rule><BucketKeyEnabled>perhaps</BucketKeyEnabled></Rule>"), 400, "MalformedXML", ""},
		{"default: no document", call{method: "PUT", path: "/films?encryption"}, 400, "MalformedXML", "empty"},
		{"default: other bytes", call{method: "PUT", path: "/films?encryption", body: "<x/>", header: one("Content-MD5", contentMD5("y"))}, 400, "BadDigest", ""},
		{"default: of no bucket", call{method: "GET", path: "/nobucket?encryption"}, 404, "NoSuchBucket", ""},
	}
	for _, tt := range tests {
		a := p.do(t, tt.call)
		if a.status != tt.status || a.err.Code != tt.code || !strings.Contains(a.err.Message, tt.say) {
			t.Errorf("%s: got %d %s %q, want %d %s %q", tt.name, a.status, a.err.Code, a.err.Message, tt.status, tt.code, tt.say)
		}
		for name := range own {
			if key := tt.call.header[name]; len(key) > 20 && strings.Contains(a.body, key) {
				t.Errorf("%s: the answer has the key", tt.name)
			}
		}
	}
	for header, status := range map[string]int{"": 400, "1": 200, "2": 403} {
		set := map[string]string{}
		if header != "" {
			set = ownKey(customer, header[0]-'0', 32)
		}
		if a := p.do(t, call{method: "HEAD", path: "/films/own", header: set}); a.status != status || a.body != "" {
			t.Errorf("head with key %q: got %d, want %d", header, a.status, status)
		}
	}
	if a := p.do(t, get("k", nil)); a.body != "text" {
		t.Errorf("a refused write changed the object: %q", a.body)
	}
}

// TestKeysAreNotSentInTheClear: a key that somebody may have read on its way is refused.
func TestKeysAreNotSentInTheClear(t *testing.T) {
	t.Parallel()
	p := newPeer(t, nil)
	p.mustPut(t, "films", "k", "text")
	clear := httptest.NewServer(p.gateway.Handler())
	t.Cleanup(clear.Close)
	open := &peer{Server: clear, store: p.store}
	for name, c := range map[string]call{
		"write": {method: "PUT", path: "/films/own", body: "x", header: ownKey(customer, 1, 32)},
		"read":  {method: "GET", path: "/films/k", header: ownKey(customer, 1, 32)},
		"copy":  {method: "PUT", path: "/films/own", header: with(one("x-amz-copy-source", "/films/k"), ownKey(source, 1, 32))},
	} {
		a := open.do(t, c)
		if a.status != 400 || a.err.Code != "InvalidRequest" || !strings.Contains(a.err.Message, "must be made over a secure connection.") {
			t.Errorf("%s: got %d %+v", name, a.status, a.err)
		}
	}
	if a := open.do(t, call{method: "PUT", path: "/films/kms", body: "x", header: one(sse, "aws:kms")}); a.status != 200 {
		t.Errorf("SSE-KMS: got %d %+v", a.status, a.err)
	}
}

// TestKeyServiceRefuses: who may read the object and not use its key is denied, in S3's words, and learns nothing of the bytes.
func TestKeyServiceRefuses(t *testing.T) {
	t.Parallel()
	p := newPeer(t, nil)
	p.keys.May = func(ctx context.Context, action, key string, c map[string]string) bool {
		return gateway.Caller(ctx).AccessKeyID == rootID && strings.HasPrefix(c["aws:s3:arn"], "arn:aws:s3:::films")
	}
	p.mustPut(t, "films", "clear", "text")
	sum := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte("text")))
	headers := map[string]string{sse: "aws:kms", sse + "-aws-kms-key-id": blobtest.OtherKey, "x-amz-checksum-crc32": base64.StdEncoding.EncodeToString(sum)}
	for _, path := range []string{"/films/shared/k", "/films/own/k"} {
		if a := p.do(t, call{method: "PUT", path: path, body: "text", header: headers}); a.status != 200 {
			t.Fatalf("put: %+v", a.err)
		}
	}
	denied := func(what string, a answer, action string) {
		t.Helper()
		if a.status != 403 || a.err.Code != "AccessDenied" || !strings.Contains(a.err.Message, "is not authorized to perform: "+action+" on resource: ") {
			t.Errorf("%s: got %d %+v", what, a.status, a.err)
		}
	}
	denied("get", p.do(t, call{method: "GET", path: "/films/shared/k", id: userID}), "kms:Decrypt")
	denied("range", p.do(t, call{method: "GET", path: "/films/shared/k", id: userID, header: one("Range", "bytes=0-0")}), "kms:Decrypt")
	denied("put", p.do(t, call{method: "PUT", path: "/films/own/new", id: userID, body: "x", header: one(sse, "aws:kms")}), "kms:GenerateDataKey")
	denied("create upload", p.do(t, call{method: "POST", path: "/films/own/new?uploads", id: userID, header: one(sse, "aws:kms")}), "kms:GenerateDataKey")
	head := p.do(t, call{method: "HEAD", path: "/films/shared/k", id: userID})
	if head.status != 200 || head.header.Get("x-amz-checksum-crc32") != "" {
		t.Errorf("head: %d %v", head.status, head.header)
	}
	if a := p.do(t, call{method: "HEAD", path: "/films/shared/k", id: userID, header: one("x-amz-checksum-mode", "ENABLED")}); a.status != 403 || a.header.Get("X-Darkroom-Key-Error") != "" {
		t.Errorf("head for the checksum: %d %v", a.status, a.header)
	}
	if a := p.do(t, call{method: "HEAD", path: "/films/shared/k", header: one("x-amz-checksum-mode", "ENABLED")}); a.status != 200 || a.header.Get("x-amz-checksum-crc32") != headers["x-amz-checksum-crc32"] {
		t.Errorf("head for the checksum, as who may: %d %v", a.status, a.header)
	}
	inside := httptest.NewServer(p.gateway.InternalHandler())
	t.Cleanup(inside.Close)
	worker := &peer{Server: inside, store: p.store}
	if a := worker.do(t, call{method: "HEAD", path: "/films/shared/k", id: userID, header: one("x-amz-checksum-mode", "ENABLED")}); a.status != 403 || !strings.HasPrefix(a.header.Get("X-Darkroom-Key-Error"), "AccessDenied: ") {
		t.Errorf("head by a worker: %d %v", a.status, a.header)
	}
	p.keys.Enable(blobtest.OtherKey, false)
	if a := p.do(t, call{method: "GET", path: "/films/shared/k"}); a.status != 400 || a.err.Code != "KMS.DisabledException" || !strings.Contains(a.err.Message, blobtest.OtherKey) {
		t.Errorf("a disabled key: %d %+v", a.status, a.err)
	}
}

// TestBucketEncryption sets, gets, uses and deletes a default.
func TestBucketEncryption(t *testing.T) {
	t.Parallel()
	p := newPeer(t, nil)
	p.mustPut(t, "films", "before", "text")
	const want = `<ServerSideEncryptionConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule><ApplyServerSideEncryptionByDefault>%s</ApplyServerSideEncryptionByDefault><BucketKeyEnabled>%t</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>`
	get := func(inner string, bucketKey bool) {
		t.Helper()
		a := p.do(t, call{method: "GET", path: "/films?encryption"})
		if a.status != 200 || !strings.HasSuffix(a.body, fmt.Sprintf(want, inner, bucketKey)) {
			t.Errorf("get: %d %s", a.status, a.body)
		}
	}
	get("<SSEAlgorithm>AES256</SSEAlgorithm>", false)
	kms := "<KMSMasterKeyID>" + blobtest.OtherKey + "</KMSMasterKeyID><SSEAlgorithm>aws:kms</SSEAlgorithm>"
	body := fmt.Sprintf(want, kms, true)
	if a := p.do(t, call{method: "PUT", path: "/films?encryption", body: body}); a.status != 200 || a.body != "" {
		t.Fatalf("put: %d %+v", a.status, a.err)
	}
	get(kms, true)
	all := map[string]string{"": "aws:kms", "-aws-kms-key-id": blobtest.OtherKey, "-bucket-key-enabled": "true"}
	for _, tt := range []struct {
		name string
		ask  map[string]string
		want map[string]string
	}{
		{"nothing", nil, all},
		{"method alone takes the bucket key", one(sse, "aws:kms"), map[string]string{"": "aws:kms", "-aws-kms-key-id": blobtest.DefaultKey, "-bucket-key-enabled": "true"}},
		{"without bucket key", one(sse+"-bucket-key-enabled", "false"), map[string]string{"": "aws:kms", "-aws-kms-key-id": blobtest.OtherKey}},
		{"another method", one(sse, "AES256"), one("", "AES256")},
		{"copy", one("x-amz-copy-source", "/films/before"), all},
	} {
		a := p.do(t, call{method: "PUT", path: "/films/k", body: "", header: tt.ask})
		if diff := cmp.Diff(tt.want, sseHeaders(a.header)); a.status != 200 || diff != "" {
			t.Errorf("%s: %d (-want +got): %s", tt.name, a.status, diff)
		}
	}
	if a := p.do(t, call{method: "GET", path: "/films/before"}); a.header.Get(sse) != "AES256" {
		t.Errorf("an object from before: %v", a.header)
	}
	// A user has no say in it.
	for _, method := range []string{"PUT", "GET", "DELETE"} {
		if a := p.do(t, call{method: method, path: "/films?encryption", id: userID, body: ""}); a.status != 403 {
			t.Errorf("%s by a user: %d", method, a.status)
		}
	}
	get(kms, true)
	for range 2 {
		if a := p.do(t, call{method: "DELETE", path: "/films?encryption"}); a.status != 204 {
			t.Errorf("delete: %d %+v", a.status, a.err)
		}
	}
	get("<SSEAlgorithm>AES256</SSEAlgorithm>", false)
}

// TestEncryptionConditions: policies see what a writer asks for.
func TestEncryptionConditions(t *testing.T) {
	t.Parallel()
	p := newPeer(t, nil)
	p.mustPut(t, "films", "k", "text")
	kms := one(sse, "aws:kms")
	for _, tt := range []struct {
		name   string
		header map[string]string
		status int
	}{
		{"nothing", nil, 403},
		{"SSE-S3", one(sse, "AES256"), 403},
		{"SSE-KMS with the default key", kms, 403},
		{"SSE-KMS with another key", with(kms, one(sse+"-aws-kms-key-id", blobtest.DefaultKey)), 403},
		{"SSE-KMS with the key", with(kms, one(sse+"-aws-kms-key-id", blobtest.OtherKey)), 200},
		{"SSE-C", ownKey(customer, 1, 32), 403},
		{"an ACL, which is a permission of its own", with(kms, one(sse+"-aws-kms-key-id", blobtest.OtherKey), one("x-amz-acl", "bucket-owner-full-control")), 403},
	} {
		a := p.do(t, call{method: "PUT", path: "/films/strict/k", body: "x", id: strictID, header: tt.header})
		if a.status != tt.status {
			t.Errorf("%s: got %d %+v, want %d", tt.name, a.status, a.err, tt.status)
		}
		a = p.do(t, call{method: "POST", path: "/films/strict/k?uploads", id: strictID, header: tt.header})
		if a.status != tt.status {
			t.Errorf("%s: create upload: got %d, want %d", tt.name, a.status, tt.status)
		}
	}
}
