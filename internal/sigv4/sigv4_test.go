package sigv4_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/secret"
	"darkroom/internal/sigv4"
)

const (
	testKeyID  = "AKIDEXAMPLE"
	testSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	emptyHash  = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

var testTime = time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)

func testKey() *sigv4.Key { return &sigv4.Key{Secret: secret.New([]byte(testSecret))} }

func sha(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func mac(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// derive is the signing key, written out as in the specification.
func derive(secretKey, date, region, service string) []byte {
	return mac(mac(mac(mac([]byte("AWS4"+secretKey), date), region), service), "aws4_request")
}

// check parses and verifies.
func check(r sigv4.Request, key *sigv4.Key, want sigv4.Expectation) (*sigv4.Signed, error) {
	c, err := sigv4.Parse(r)
	if err != nil {
		return nil, err
	}
	return c.Verify(key, want)
}

func kindOf(t *testing.T, err error) sigv4.Kind {
	t.Helper()
	if err == nil {
		return 0
	}
	var e *sigv4.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %T %v, want *sigv4.Error", err, err)
	}
	if e.Message == "" || strings.Contains(e.Error(), testSecret) {
		t.Errorf("message %q is empty or shows the secret", e.Message)
	}
	return e.Kind
}

// goodRequest is a signed request for mediaconvert, its signature made by hand below.
func goodRequest(edit func(*draft)) sigv4.Request {
	d := draft{
		method: "POST", path: "/2017-08-29/jobs", query: "a=1&b=", host: "mediaconvert.example:9443", service: "mediaconvert",
		region: "us-east-1", amzDate: "20150830T123600Z", secret: testSecret, keyID: testKeyID,
		headers: map[string][]string{"Content-Type": {"application/json"}, "X-Amz-Date": {"20150830T123600Z"}, "User-Agent": {"test"}},
		signed:  []string{"content-type", "host", "x-amz-date"}, hash: sha("body"),
		canonicalPath: "/2017-08-29/jobs", canonicalQuery: "a=1&b=",
	}
	if edit != nil {
		edit(&d)
	}
	return d.sign()
}

// draft is what the literal signer signs: every canonical part is given, none is computed.
type draft struct {
	method, path, query, host, service, region, amzDate, secret, keyID, hash string
	canonicalPath, canonicalQuery                                            string
	headers                                                                  map[string][]string
	signed                                                                   []string
}

func (d draft) scope() string {
	return d.amzDate[:8] + "/" + d.region + "/" + d.service + "/aws4_request"
}

func (d draft) signature() string {
	low := map[string]string{"host": d.host}
	for k, v := range d.headers {
		low[strings.ToLower(k)] = strings.Join(v, ",")
	}
	headers := ""
	for _, n := range d.signed {
		headers += n + ":" + low[n] + "\n"
	}
	canonical := d.method + "\n" + d.canonicalPath + "\n" + d.canonicalQuery + "\n" + headers + "\n" + strings.Join(d.signed, ";") + "\n" + d.hash
	toSign := "AWS4-HMAC-SHA256\n" + d.amzDate + "\n" + d.scope() + "\n" + sha(canonical)
	return hex.EncodeToString(mac(derive(d.secret, d.amzDate[:8], d.region, d.service), toSign))
}

func (d draft) authorization() string {
	return fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s", d.keyID, d.scope(), strings.Join(d.signed, ";"), d.signature())
}

func (d draft) sign() sigv4.Request {
	h := maps.Clone(d.headers)
	h["Authorization"] = []string{d.authorization()}
	return sigv4.Request{Method: d.method, RawPath: d.path, RawQuery: d.query, Host: d.host, Header: h}
}

func goodWant() sigv4.Expectation {
	return sigv4.Expectation{Region: "us-east-1", BodyHash: sha("body"), Now: testTime}
}

// TestPublished verifies the signatures that AWS's documentation prints.
func TestPublished(t *testing.T) {
	t.Parallel()
	const s3Key, s3Secret = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	const s3Credential = "Credential=" + s3Key + "/20130524/us-east-1/s3/aws4_request"
	s3Time := time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name   string
		req    sigv4.Request
		secret string
		now    time.Time
		body   string
	}{
		{
			name: "GET without anything",
			req: sigv4.Request{Method: "GET", RawPath: "/", Host: "example.amazonaws.com", Header: map[string][]string{
				"X-Amz-Date": {"20150830T123600Z"},
				"Authorization": {"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, " +
					"SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
			}},
			secret: testSecret, now: testTime, body: emptyHash,
		},
		{
			name: "IAM ListUsers",
			req: sigv4.Request{Method: "GET", RawPath: "/", RawQuery: "Action=ListUsers&Version=2010-05-08", Host: "iam.amazonaws.com", Header: map[string][]string{
				"X-Amz-Date":   {"20150830T123600Z"},
				"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"},
				"Authorization": {"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, " +
					"SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"},
			}},
			secret: testSecret, now: testTime, body: emptyHash,
		},
		{
			name: "S3 GET with a range",
			req: sigv4.Request{Method: "GET", RawPath: "/test.txt", Host: "examplebucket.s3.amazonaws.com", Header: map[string][]string{
				"Range": {"bytes=0-9"}, "X-Amz-Content-Sha256": {emptyHash}, "X-Amz-Date": {"20130524T000000Z"},
				"Authorization": {"AWS4-HMAC-SHA256 " + s3Credential + ",SignedHeaders=host;range;x-amz-content-sha256;x-amz-date," +
					"Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
			}},
			secret: s3Secret, now: s3Time,
		},
		{
			name: "S3 PUT with a dollar sign in the key",
			req: sigv4.Request{Method: "PUT", RawPath: "/test%24file.text", Host: "examplebucket.s3.amazonaws.com", Header: map[string][]string{
				"Date": {"Fri, 24 May 2013 00:00:00 GMT"}, "X-Amz-Date": {"20130524T000000Z"}, "X-Amz-Storage-Class": {"REDUCED_REDUNDANCY"},
				"X-Amz-Content-Sha256": {"44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"},
				"Authorization": {"AWS4-HMAC-SHA256 " + s3Credential + ",SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class," +
					"Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
			}},
			secret: s3Secret, now: s3Time,
		},
		{
			name: "S3 GET of the life cycle",
			req: sigv4.Request{Method: "GET", RawPath: "/", RawQuery: "lifecycle", Host: "examplebucket.s3.amazonaws.com", Header: map[string][]string{
				"X-Amz-Content-Sha256": {emptyHash}, "X-Amz-Date": {"20130524T000000Z"},
				"Authorization": {"AWS4-HMAC-SHA256 " + s3Credential + ",SignedHeaders=host;x-amz-content-sha256;x-amz-date," +
					"Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
			}},
			secret: s3Secret, now: s3Time,
		},
		{
			name: "S3 list",
			req: sigv4.Request{Method: "GET", RawPath: "/", RawQuery: "max-keys=2&prefix=J", Host: "examplebucket.s3.amazonaws.com", Header: map[string][]string{
				"X-Amz-Content-Sha256": {emptyHash}, "X-Amz-Date": {"20130524T000000Z"},
				"Authorization": {"AWS4-HMAC-SHA256 " + s3Credential + ",SignedHeaders=host;x-amz-content-sha256;x-amz-date," +
					"Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
			}},
			secret: s3Secret, now: s3Time,
		},
		{
			name: "S3 presigned GET",
			req: sigv4.Request{
				Method: "GET", RawPath: "/test.txt", Host: "examplebucket.s3.amazonaws.com",
				RawQuery: "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request" +
					"&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host" +
					"&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
			},
			secret: s3Secret, now: s3Time.Add(23 * time.Hour),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			key := &sigv4.Key{Secret: secret.New([]byte(tt.secret))}
			want := sigv4.Expectation{Region: "us-east-1", BodyHash: tt.body, Now: tt.now}
			if _, err := check(tt.req, key, want); err != nil {
				t.Fatal(err)
			}
			key.Secret = secret.New([]byte(tt.secret + "x"))
			if _, err := check(tt.req, key, want); kindOf(t, err) != sigv4.BadSignature {
				t.Errorf("another secret: got %v, want BadSignature", err)
			}
			tt.req.Method = "DELETE"
			key.Secret = secret.New([]byte(tt.secret))
			if _, err := check(tt.req, key, want); kindOf(t, err) != sigv4.BadSignature {
				t.Errorf("another method: got %v, want BadSignature", err)
			}
		})
	}
}

// TestCanonicalForms gives the canonical parts literally, for wire forms where a verifier can go wrong.
func TestCanonicalForms(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, service, path, canonicalPath, query, canonicalQuery string
	}{
		{"an ARN in the path", "mediaconvert", "/2017-08-29/tags/arn%3Aaws%3Aq%2FDefault", "/2017-08-29/tags/arn%253Aaws%253Aq%252FDefault", "", ""},
		{"an ARN in the path, colons bare", "mediaconvert", "/tags/arn:aws:q%2FD", "/tags/arn%3Aaws%3Aq%252FD", "", ""},
		{"dot segments removed", "mediaconvert", "/a/./b/../c", "/a/c", "", ""},
		{"dot segments left", "mediaconvert", "/a/./b/../c", "/a/./b/../c", "", ""},
		{"dot segments above the root", "mediaconvert", "/../../x", "/x", "", ""},
		{"redundant slashes removed", "mediaconvert", "//a///b/", "/a/b/", "", ""},
		{"dots alone", "mediaconvert", "/./", "/", "", ""},
		{"empty path", "mediaconvert", "", "/", "", ""},
		{"unreserved stay", "mediaconvert", "/A-Za_z.0~9", "/A-Za_z.0~9", "", ""},
		{"S3 encodes once", "s3", "/bucket/a%20b%2Fc%C3%A9", "/bucket/a%20b%2Fc%C3%A9", "", ""},
		{"S3 encodes anew", "s3", "/bucket/a+b!c", "/bucket/a%2Bb%21c", "", ""},
		{"S3 as it is sent", "s3", "/bucket/a+b!c", "/bucket/a+b!c", "", ""},
		{"S3 keeps dot segments", "s3", "/bucket/../x/./y//z", "/bucket/../x/./y//z", "", ""},
		{"S3 with a bad escape", "s3", "/bucket/%zz", "/bucket/%zz", "", ""},
		{"S3 with a short escape", "s3", "/bucket/%2", "/bucket/%2", "", ""},
		{"lower-case escapes", "s3", "/bucket/%c3%a9", "/bucket/%C3%A9", "", ""},
		{"query sorted by name, then value", "mediaconvert", "/", "/", "b=2&a=2&a=1&A=3", "A=3&a=1&a=2&b=2"},
		{"query sorted after encoding", "mediaconvert", "/", "/", "a%20=1&a-=2&a=3", "a=3&a%20=1&a-=2"},
		{"name without value", "mediaconvert", "/", "/", "uploads&x", "uploads=&x="},
		{"empty pairs", "mediaconvert", "/", "/", "&&a=1&&", "a=1"},
		{"empty name", "mediaconvert", "/", "/", "=1", "=1"},
		{"equals in the value", "mediaconvert", "/", "/", "a=b=c", "a=b%3Dc"},
		{"plus is a space", "mediaconvert", "/", "/", "a=b+c&d=e%2Bf", "a=b%20c&d=e%2Bf"},
		{"unicode", "mediaconvert", "/", "/", "%E1%88%B4=bar&x=é", "%E1%88%B4=bar&x=%C3%A9"},
		{"everything reserved", "mediaconvert", "/", "/", "a=%21%2A%27%28%29%3A%40%2F%24%2C", "a=%21%2A%27%28%29%3A%40%2F%24%2C"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := goodRequest(func(d *draft) {
				d.service, d.path, d.canonicalPath, d.query, d.canonicalQuery = tt.service, tt.path, tt.canonicalPath, tt.query, tt.canonicalQuery
				if tt.service == "s3" {
					d.headers["X-Amz-Content-Sha256"], d.signed = []string{d.hash}, []string{"content-type", "host", "x-amz-content-sha256", "x-amz-date"}
				}
			})
			if _, err := check(r, testKey(), goodWant()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCanonicalHeaders(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		values    []string
		canonical string
	}{
		{"spaces around", []string{"  value  "}, "value"},
		{"spaces within", []string{"a   b    c"}, "a b c"},
		{"spaces in quotes", []string{`"a   b   c"`}, `"a b c"`},
		{"several values in order", []string{"z", " a ", "p"}, "z,a,p"},
		{"empty", []string{""}, ""},
		{"unicode", []string{"naïve  é"}, "naïve é"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := goodRequest(func(d *draft) {
				d.headers["My-Header1"] = []string{tt.canonical}
				d.signed = []string{"content-type", "host", "my-header1", "x-amz-date"}
			})
			r.Header["My-Header1"] = tt.values
			if _, err := check(r, testKey(), goodWant()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCredential(t *testing.T) {
	t.Parallel()
	c, err := sigv4.Parse(goodRequest(func(d *draft) { d.keyID = "AKID/WITH/SLASHES" }))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.AccessKeyID, "AKID/WITH/SLASHES"; got != want {
		t.Errorf("AccessKeyID: got %q, want %q", got, want)
	}
	if diff := cmp.Diff(sigv4.Scope{Date: "20150830", Region: "us-east-1", Service: "mediaconvert"}, c.Scope); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if !c.Time.Equal(testTime) || c.Presigned || !slices.Equal(c.SignedHeaders, []string{"content-type", "host", "x-amz-date"}) {
		t.Errorf("got %v %v %v", c.Time, c.Presigned, c.SignedHeaders)
	}
	signed, err := c.Verify(testKey(), goodWant())
	if err != nil || signed.Credential != c {
		t.Errorf("got %v, %v", signed, err)
	}
}

func TestKindString(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for k := sigv4.MissingToken; k <= sigv4.IncompleteBody; k++ {
		s := k.String()
		if s == "" || strings.HasPrefix(s, "Kind(") || seen[s] {
			t.Errorf("kind %d: got %q", k, s)
		}
		seen[s] = true
	}
	for _, k := range []sigv4.Kind{-1, 0, sigv4.IncompleteBody + 1} {
		if want := fmt.Sprintf("Kind(%d)", int(k)); k.String() != want {
			t.Errorf("got %q, want %q", k, want)
		}
	}
}
