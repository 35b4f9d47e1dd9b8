package sigv4_test

import (
	"fmt"
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"

	"darkroom/internal/secret"
	"darkroom/internal/sigv4"
)

// s3Draft is a GET of s3 with a token, where every header that matters is signed.
func s3Draft(d *draft) {
	d.method, d.path, d.canonicalPath, d.service, d.hash = "GET", "/bucket/key", "/bucket/key", "s3", emptyHash
	d.headers = map[string][]string{
		"X-Amz-Date": {d.amzDate}, "X-Amz-Content-Sha256": {emptyHash}, "X-Amz-Security-Token": {"token"}, "X-Amz-Meta-Film": {"one"}, "Range": {"bytes=0-1"},
	}
	d.signed = []string{"host", "range", "x-amz-content-sha256", "x-amz-date", "x-amz-meta-film", "x-amz-security-token"}
}

func s3Key() *sigv4.Key {
	return &sigv4.Key{Secret: secret.New([]byte(testSecret)), Token: secret.New([]byte("token")), Expiry: testTime.Add(time.Hour)}
}

// TestEachHeader drops, changes, doubles and respells every signed header, in every way a refusal.
func TestEachHeader(t *testing.T) {
	t.Parallel()
	good := goodRequest(s3Draft)
	if _, err := check(good, s3Key(), goodWant()); err != nil {
		t.Fatal(err)
	}
	with := func(name string, values ...string) sigv4.Request {
		r := good
		r.Header = maps.Clone(good.Header)
		delete(r.Header, name)
		if len(values) > 0 {
			r.Header[name] = values
		}
		return r
	}
	for name, values := range good.Header {
		v := values[0]
		respelled := with(name, v)
		respelled.Header[strings.ToLower(name)] = []string{v}
		for what, r := range map[string]sigv4.Request{
			"dropped":   with(name),
			"emptied":   with(name, ""),
			"changed":   with(name, v+"0"),
			"shortened": with(name, v[:len(v)-1]),
			"doubled":   with(name, v, v),
			"joined":    with(name, v+","+v),
			"respelled": respelled,
		} {
			if _, err := check(r, s3Key(), goodWant()); kindOf(t, err) == 0 {
				t.Errorf("%s %s: accepted", name, what)
			}
		}
	}
	for _, name := range []string{"Range", "X-Amz-Meta-Film", "X-Amz-Security-Token", "X-Amz-Date", "X-Amz-Content-Sha256"} {
		// the header is there, the signature is right, but does not cover it
		r := goodRequest(func(d *draft) {
			s3Draft(d)
			var kept []string
			for _, s := range d.signed {
				if s != strings.ToLower(name) {
					kept = append(kept, s)
				}
			}
			d.signed = kept
		})
		want := sigv4.HeadersNotSigned
		if name == "Range" {
			want = 0
		}
		if _, err := check(r, s3Key(), goodWant()); kindOf(t, err) != want {
			t.Errorf("%s not signed: got %v, want %v", name, err, want)
		}
	}
}

// TestEachByteOfAuthorization changes every byte of the Authorization header.
func TestEachByteOfAuthorization(t *testing.T) {
	t.Parallel()
	good := goodRequest(nil)
	value := good.Header["Authorization"][0]
	for i := range len(value) {
		for _, b := range []byte{'0', 'x', '/', ',', ' ', '=', value[i] ^ 1, value[i] ^ 0x20, 0xff} {
			if b == value[i] {
				continue
			}
			changed := value[:i] + string([]byte{b}) + value[i+1:]
			r := good
			r.Header = maps.Clone(good.Header)
			r.Header["Authorization"] = []string{changed}
			c, err := sigv4.Parse(r)
			if err == nil {
				key := testKey()
				if c.AccessKeyID != testKeyID {
					key = nil
				}
				_, err = c.Verify(key, goodWant())
			}
			if kindOf(t, err) == 0 {
				t.Errorf("byte %d as %q: accepted: %s", i, b, changed)
			}
		}
		r := good
		r.Header = maps.Clone(good.Header)
		r.Header["Authorization"] = []string{value[:i] + value[i+1:]}
		if c, err := sigv4.Parse(r); err == nil && c.AccessKeyID == testKeyID {
			if _, err := c.Verify(testKey(), goodWant()); err == nil && value[i] != ' ' {
				t.Errorf("without byte %d: accepted", i)
			}
		}
	}
}

// TestScope signs rightly for a wrong scope.
func TestScope(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		edit func(*draft)
		want sigv4.Kind
	}{
		{"ours", func(*draft) {}, 0},
		{"another region", func(d *draft) { d.region = "us-west-2" }, sigv4.WrongRegion},
		{"region in capitals", func(d *draft) { d.region = "US-EAST-1" }, sigv4.WrongRegion},
		{"no region", func(d *draft) { d.region = "" }, sigv4.Incomplete},
		{"no service", func(d *draft) { d.service = "" }, sigv4.Incomplete},
		{"no key", func(d *draft) { d.keyID = "" }, sigv4.Incomplete},
		{"another day", func(d *draft) { d.amzDate = "20150831T123600Z" }, sigv4.Incomplete},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := check(goodRequest(tt.edit), testKey(), goodWant()); kindOf(t, err) != tt.want {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestGlobalServices(t *testing.T) {
	t.Parallel()
	want := goodWant()
	want.Region = "eu-west-1"
	for service, accepted := range map[string]bool{"iam": true, "sts": true, "mediaconvert": false, "kms": false, "STS": false} {
		_, err := check(goodRequest(func(d *draft) { d.service = service }), testKey(), want)
		if got := kindOf(t, err) == 0; got != accepted {
			t.Errorf("%s signed for us-east-1: got %v", service, err)
		}
		var region string
		if e, ok := err.(*sigv4.Error); ok {
			region = e.Region
		}
		if !accepted && region != "eu-west-1" {
			t.Errorf("%s: the error names region %q", service, region)
		}
		_, err = check(goodRequest(func(d *draft) { d.service, d.region = service, "us-west-2" }), testKey(), want)
		if kindOf(t, err) != sigv4.WrongRegion {
			t.Errorf("%s signed for us-west-2: got %v", service, err)
		}
	}
}

func TestClock(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		now  time.Duration // after the signing
		want sigv4.Kind
		text string
	}{
		{"at once", 0, 0, ""},
		{"at the late edge", 15 * time.Minute, 0, ""},
		{"past the late edge", 15*time.Minute + time.Nanosecond, sigv4.Expired, ""},
		{
			"a second past the late edge", 15*time.Minute + time.Second, sigv4.Expired,
			"Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T125101Z - 15 min.)",
		},
		{"at the early edge", -15 * time.Minute, 0, ""},
		{"before the early edge", -15*time.Minute - time.Nanosecond, sigv4.NotYetCurrent, ""},
		{
			"a second before the early edge", -15*time.Minute - time.Second, sigv4.NotYetCurrent,
			"Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z (20150830T122059Z + 15 min.)",
		},
		{"a year later", 365 * 24 * time.Hour, sigv4.Expired, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := goodWant()
			want.Now = testTime.Add(tt.now).In(time.FixedZone("elsewhere", 7200))
			_, err := check(goodRequest(nil), testKey(), want)
			if kindOf(t, err) != tt.want {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if tt.text != "" && err.(*sigv4.Error).Message != tt.text {
				t.Errorf("got %q, want %q", err.(*sigv4.Error).Message, tt.text)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	header := func(name string, values ...string) func(*sigv4.Request) {
		return func(r *sigv4.Request) { r.Header[name] = values }
	}
	auth := func(from, to string) func(*sigv4.Request) {
		return func(r *sigv4.Request) {
			r.Header["Authorization"] = []string{strings.Replace(r.Header["Authorization"][0], from, to, 1)}
		}
	}
	query := func(q string) func(*sigv4.Request) { return func(r *sigv4.Request) { r.RawQuery = q } }
	many := make([]string, 300)
	for i := range many {
		many[i] = fmt.Sprintf("h%03d", i)
	}
	tests := []struct {
		name string
		edit func(*sigv4.Request)
		want sigv4.Kind
	}{
		{"no credentials", func(r *sigv4.Request) { delete(r.Header, "Authorization") }, sigv4.MissingToken},
		{"no value of credentials", header("Authorization"), sigv4.MissingToken},
		{"empty credentials", header("Authorization", ""), sigv4.MissingToken},
		{"blank credentials", header("Authorization", "  "), sigv4.MissingToken},
		{"two headers of credentials", func(r *sigv4.Request) {
			r.Header["Authorization"] = append(r.Header["Authorization"], r.Header["Authorization"]...)
		}, sigv4.Incomplete},
		{"asymmetric", auth("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), sigv4.Unsupported},
		{"version 2", header("Authorization", "AWS AKID:c2ln"), sigv4.Unsupported},
		{"basic", header("Authorization", "Basic dTpw"), sigv4.Unsupported},
		{"bearer", header("Authorization", "Bearer x"), sigv4.Unsupported},
		{"algorithm alone", header("Authorization", "AWS4-HMAC-SHA256"), sigv4.Incomplete},
		{"algorithm in lower case", auth("AWS4-HMAC", "aws4-hmac"), sigv4.Unsupported},
		{"no credential part", auth("Credential=", "Cred="), sigv4.Incomplete},
		{"empty credential part", header("Authorization", "AWS4-HMAC-SHA256 Credential=, SignedHeaders=host, Signature=00"), sigv4.Incomplete},
		{"no signature part", auth(", Signature=", ", SignedHeaders="), sigv4.Incomplete},
		{"no signature", header("Authorization", "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, SignedHeaders=host"), sigv4.Incomplete},
		{"doubled part", auth("SignedHeaders=", "Credential=x, SignedHeaders="), sigv4.Incomplete},
		{"trailing comma", func(r *sigv4.Request) { r.Header["Authorization"][0] += "," }, sigv4.Incomplete},
		{"four elements", auth("/aws4_request", ""), sigv4.Incomplete},
		{"another terminator", auth("aws4_request", "aws5_request"), sigv4.Incomplete},
		{"short signature", func(r *sigv4.Request) { r.Header["Authorization"][0] = r.Header["Authorization"][0][:200] }, sigv4.Incomplete},
		{"signature in capitals", func(r *sigv4.Request) {
			a, s, _ := strings.Cut(r.Header["Authorization"][0], "Signature=")
			r.Header["Authorization"][0] = a + "Signature=" + strings.ToUpper(s)
		}, sigv4.Incomplete},
		{"signed headers unsorted", auth("content-type;host", "host;content-type"), sigv4.Incomplete},
		{"signed header doubled", auth("host;", "host;host;"), sigv4.Incomplete},
		{"signed header in capitals", auth("content-type;host", "Content-Type;host"), sigv4.Incomplete},
		{"signed header empty", auth("content-type;host", ";host"), sigv4.Incomplete},
		{"signed header absent", auth("content-type;host", "content-type;expect;host"), sigv4.Incomplete},
		{"too many signed headers", auth("content-type;host", strings.Join(many, ";")+";host"), sigv4.Incomplete},
		{"host not signed", auth("host;", ""), sigv4.Incomplete},
		{"Host among the headers", header("Host", "elsewhere"), sigv4.Incomplete},
		{"two dates", header("X-Amz-Date", "20150830T123600Z", "20150830T123600Z"), sigv4.Incomplete},
		{"date in another form", header("X-Amz-Date", "2015-08-30T12:36:00Z"), sigv4.Incomplete},
		{"no date", func(r *sigv4.Request) {
			delete(r.Header, "X-Amz-Date")
			auth(";x-amz-date", "")(r)
		}, sigv4.Incomplete},
		{"two tokens", header("X-Amz-Security-Token", "a", "b"), sigv4.Incomplete},
		{"empty token", header("X-Amz-Security-Token", ""), sigv4.Incomplete},
		{"unsigned token", header("X-Amz-Security-Token", "a"), sigv4.HeadersNotSigned},
		{"two hashes", header("X-Amz-Content-Sha256", "a", "a"), sigv4.Incomplete},
		{"empty hash", header("X-Amz-Content-Sha256", ""), sigv4.Incomplete},
		{"unsigned header", header("X-Amz-Target", "a"), sigv4.HeadersNotSigned},
		{"credentials in the query too", query("X-Amz-Credential=a"), sigv4.Incomplete},
		{"algorithm in the query too", query("X-Amz-Algorithm=AWS4-HMAC-SHA256"), sigv4.Incomplete},
		{"token in the query", query("X-Amz-Security-Token=a"), sigv4.Incomplete},
		{"date in the query", query("X-Amz-Date=20150830T123600Z"), sigv4.Incomplete},
		{"hash in the query", query("X-Amz-Content-Sha256=UNSIGNED-PAYLOAD"), sigv4.Incomplete},
		{"respelled credential in the query", query("x-amz-credential=a"), sigv4.Incomplete},
		{"escaped credential in the query", query("X-Amz%2dCredential=a"), sigv4.Incomplete},
		{"version 2 in the query too", query("AWSAccessKeyId=a&Signature=b&Expires=1"), sigv4.Incomplete},
		{"bad escape in the query", query("a=%zz"), sigv4.Incomplete},
		{"half an escape in the query", query("a=%2"), sigv4.Incomplete},
		{"semicolon in the query", query("a=1;b=2"), sigv4.Incomplete},
		{"changed query", query("a=1&b=2"), sigv4.BadSignature},
		{"doubled query", query("a=1&a=1&b="), sigv4.BadSignature},
		{"changed path", func(r *sigv4.Request) { r.RawPath = "/2017-08-29/Jobs" }, sigv4.BadSignature},
		{"decoded path", func(r *sigv4.Request) { r.RawPath = "/2017-08-29%2Fjobs" }, sigv4.BadSignature},
		{"changed host", func(r *sigv4.Request) { r.Host = "elsewhere:9443" }, sigv4.BadSignature},
		{"changed method", func(r *sigv4.Request) { r.Method = "GET" }, sigv4.BadSignature},
		{"changed content type", header("Content-Type", "text/plain"), sigv4.BadSignature},
		{"unsigned User-Agent", header("User-Agent", "another"), 0},
		{"unsigned header of another kind", header("X-Amzn-Trace-Id", "Root=1"), 0},
		{"header without values", header("X-Amz-Nothing"), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := goodRequest(nil)
			tt.edit(&r)
			if _, err := check(r, testKey(), goodWant()); kindOf(t, err) != tt.want {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestDateHeader(t *testing.T) {
	t.Parallel()
	dated := func(value string, signed bool) sigv4.Request {
		return goodRequest(func(d *draft) {
			delete(d.headers, "X-Amz-Date")
			d.headers["Date"] = []string{value}
			d.signed = []string{"content-type", "host"}
			if signed {
				d.signed = []string{"content-type", "date", "host"}
			}
		})
	}
	for _, tt := range []struct {
		name string
		req  sigv4.Request
		want sigv4.Kind
	}{
		{"HTTP date", dated("Sun, 30 Aug 2015 12:36:00 GMT", true), 0},
		{"basic form", dated("20150830T123600Z", true), 0},
		{"not signed", dated("Sun, 30 Aug 2015 12:36:00 GMT", false), sigv4.HeadersNotSigned},
		{"another zone", dated("Sun, 30 Aug 2015 12:36:00 CET", true), sigv4.Incomplete},
		{"no date", dated("soon", true), sigv4.Incomplete},
	} {
		if _, err := check(tt.req, testKey(), goodWant()); kindOf(t, err) != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	withToken := func(token string) sigv4.Request {
		return goodRequest(func(d *draft) {
			if token != "" {
				d.headers["X-Amz-Security-Token"] = []string{token}
				d.signed = append(d.signed, "x-amz-security-token")
			}
		})
	}
	badSignature := goodRequest(func(d *draft) { d.secret = "guessed" })
	temporary := func(token string, left time.Duration) *sigv4.Key {
		return &sigv4.Key{Secret: secret.New([]byte(testSecret)), Token: secret.New([]byte(token)), Expiry: testTime.Add(left)}
	}
	tests := []struct {
		name string
		req  sigv4.Request
		key  *sigv4.Key
		want sigv4.Kind
	}{
		{"unknown key", goodRequest(nil), nil, sigv4.UnknownKey},
		{"unknown key with a token", withToken("t"), nil, sigv4.UnknownKey},
		{"signed with nothing for nobody", goodRequest(func(d *draft) { d.secret = "" }), &sigv4.Key{}, sigv4.UnknownKey},
		{"signed with the stand-in secret", goodRequest(func(d *draft) { d.secret = "this key belongs to nobody, at all, ever" }), nil, sigv4.UnknownKey},
		{"wrong secret", badSignature, testKey(), sigv4.BadSignature},
		{"wrong secret and expired", badSignature, temporary("", -time.Hour), sigv4.BadSignature},
		{"token for a long-term key", withToken("t"), testKey(), sigv4.InvalidToken},
		{"no token for a temporary key", withToken(""), temporary("t", time.Hour), sigv4.InvalidToken},
		{"another token", withToken("u"), temporary("t", time.Hour), sigv4.InvalidToken},
		{"longer token", withToken("tt"), temporary("t", time.Hour), sigv4.InvalidToken},
		{"ended", withToken("t"), temporary("t", 0), sigv4.ExpiredToken},
		{"a moment left", withToken("t"), temporary("t", time.Nanosecond), 0},
		{"another token of an ended session", withToken("u"), temporary("t", 0), sigv4.InvalidToken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := check(tt.req, tt.key, goodWant()); kindOf(t, err) != tt.want {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestPayloadForms(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, service, header, signedHash, body string
		want                                    sigv4.Kind
	}{
		{"body hashed by us", "mediaconvert", "", sha("body"), sha("body"), 0},
		{"header agrees", "mediaconvert", sha("body"), sha("body"), sha("body"), 0},
		{"header disagrees", "mediaconvert", sha("other"), sha("other"), sha("body"), sigv4.PayloadMismatch},
		{"another body", "mediaconvert", "", sha("body"), sha("other"), sigv4.BadSignature},
		{"unsigned", "mediaconvert", sigv4.UnsignedPayload, sigv4.UnsignedPayload, sha("body"), sigv4.PayloadMismatch},
		{"unsigned without saying so", "mediaconvert", "", sigv4.UnsignedPayload, sha("body"), sigv4.BadSignature},
		{"streaming", "mediaconvert", sigv4.StreamingSigned, sigv4.StreamingSigned, sha("body"), sigv4.PayloadMismatch},
		{"body not read", "mediaconvert", "", "", "", sigv4.PayloadMismatch},
		{"s3 hash", "s3", sha("x"), sha("x"), "", 0},
		{"s3 unsigned", "s3", sigv4.UnsignedPayload, sigv4.UnsignedPayload, "", 0},
		{"s3 unsigned with trailer", "s3", sigv4.StreamingUnsignedTrailer, sigv4.StreamingUnsignedTrailer, "", 0},
		{"s3 streaming", "s3", sigv4.StreamingSigned, sigv4.StreamingSigned, "", 0},
		{"s3 streaming with trailer", "s3", sigv4.StreamingSignedWithTrailer, sigv4.StreamingSignedWithTrailer, "", 0},
		{"s3 asymmetric streaming", "s3", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "", sigv4.Incomplete},
		{"s3 events", "s3", "STREAMING-AWS4-HMAC-SHA256-EVENTS", "STREAMING-AWS4-HMAC-SHA256-EVENTS", "", sigv4.Incomplete},
		{"s3 hash in capitals", "s3", strings.ToUpper(sha("x")), strings.ToUpper(sha("x")), "", sigv4.Incomplete},
		{"s3 nonsense", "s3", "nonsense", "nonsense", "", sigv4.Incomplete},
		{"s3 without", "s3", "", emptyHash, "", sigv4.Incomplete},
		{"s3 hash of another", "s3", sha("x"), sha("y"), "", sigv4.BadSignature},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := goodRequest(func(d *draft) {
				d.service, d.hash = tt.service, tt.signedHash
				if tt.header != "" {
					d.headers["X-Amz-Content-Sha256"] = []string{tt.header}
					d.signed = []string{"content-type", "host", "x-amz-content-sha256", "x-amz-date"}
				}
			})
			if _, err := check(r, testKey(), sigv4.Expectation{Region: "us-east-1", BodyHash: tt.body, Now: testTime}); kindOf(t, err) != tt.want {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// presigned makes a presigned request; edit may change the parameters before they are signed, and after.
func presigned(service string, before, after func(url.Values, *sigv4.Request)) sigv4.Request {
	q := url.Values{
		"X-Amz-Algorithm": {"AWS4-HMAC-SHA256"}, "X-Amz-Credential": {testKeyID + "/20150830/us-east-1/" + service + "/aws4_request"},
		"X-Amz-Date": {"20150830T123600Z"}, "X-Amz-Expires": {"3600"}, "X-Amz-SignedHeaders": {"host"}, "response-content-type": {"text/plain"},
	}
	r := sigv4.Request{Method: "GET", RawPath: "/bucket/key", Host: "h", Header: map[string][]string{}}
	if before != nil {
		before(q, &r)
	}
	hash := sigv4.UnsignedPayload
	if service != "s3" {
		hash = emptyHash
	}
	if h := q.Get("X-Amz-Content-Sha256"); h != "" {
		hash = h
	}
	canonical := "GET\n/bucket/key\n" + strings.ReplaceAll(q.Encode(), "+", "%20") + "\nhost:h\n"
	if h := r.Header["X-Amz-Content-Sha256"]; len(h) > 0 {
		canonical += "x-amz-content-sha256:" + h[0] + "\n"
		hash = h[0]
	}
	canonical += "\n" + q.Get("X-Amz-SignedHeaders") + "\n" + hash
	toSign := "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/" + service + "/aws4_request\n" + sha(canonical)
	q.Set("X-Amz-Signature", fmt.Sprintf("%x", mac(derive(testSecret, "20150830", "us-east-1", service), toSign)))
	if after != nil {
		after(q, &r)
	}
	if r.RawQuery == "" {
		r.RawQuery = q.Encode()
	}
	return r
}

func TestPresigned(t *testing.T) {
	t.Parallel()
	set := func(name, value string) func(url.Values, *sigv4.Request) {
		return func(q url.Values, _ *sigv4.Request) { q.Set(name, value) }
	}
	drop := func(name string) func(url.Values, *sigv4.Request) {
		return func(q url.Values, _ *sigv4.Request) { q.Del(name) }
	}
	header := func(name, value string) func(url.Values, *sigv4.Request) {
		return func(_ url.Values, r *sigv4.Request) { r.Header[name] = []string{value} }
	}
	hashed := func(q url.Values, r *sigv4.Request) {
		q.Set("X-Amz-SignedHeaders", "host;x-amz-content-sha256")
		r.Header["X-Amz-Content-Sha256"] = []string{sha("x")}
	}
	tests := []struct {
		name          string
		service       string
		before, after func(url.Values, *sigv4.Request)
		now           time.Duration
		want          sigv4.Kind
	}{
		{"good", "s3", nil, nil, 0, 0},
		{"good, at its end", "s3", nil, nil, time.Hour, 0},
		{"past its end", "s3", nil, nil, time.Hour + time.Nanosecond, sigv4.RequestExpired},
		{"good, early", "s3", nil, nil, -15 * time.Minute, 0},
		{"too early", "s3", nil, nil, -15*time.Minute - time.Nanosecond, sigv4.NotYetCurrent},
		{"hash in the query", "s3", set("X-Amz-Content-Sha256", sha("x")), nil, 0, 0},
		{"hash in the header", "s3", hashed, nil, 0, 0},
		{"hash in both", "s3", func(q url.Values, r *sigv4.Request) { hashed(q, r); q.Set("X-Amz-Content-Sha256", sha("x")) }, nil, 0, 0},
		{"hashes differ", "s3", func(q url.Values, r *sigv4.Request) { hashed(q, r); q.Set("X-Amz-Content-Sha256", sha("y")) }, nil, 0, sigv4.Incomplete},
		{"hash added", "s3", nil, set("X-Amz-Content-Sha256", sha("x")), 0, sigv4.BadSignature},
		{"hash added in a header", "s3", nil, header("X-Amz-Content-Sha256", sigv4.UnsignedPayload), 0, sigv4.HeadersNotSigned},
		{"seven days", "s3", set("X-Amz-Expires", "604800"), nil, 0, 0},
		{"longer than seven days", "s3", set("X-Amz-Expires", "604801"), nil, 0, sigv4.Incomplete},
		{"no time at all", "s3", set("X-Amz-Expires", "0"), nil, 0, sigv4.Incomplete},
		{"negative time", "s3", set("X-Amz-Expires", "-1"), nil, 0, sigv4.Incomplete},
		{"time with a sign", "s3", set("X-Amz-Expires", "+60"), nil, 0, sigv4.Incomplete},
		{"too large for a number", "s3", set("X-Amz-Expires", "99999999999999999999"), nil, 0, sigv4.Incomplete},
		{"without an end", "s3", drop("X-Amz-Expires"), nil, 0, sigv4.Incomplete},
		{"without an end, another service", "sts", drop("X-Amz-Expires"), nil, 15 * time.Minute, 0},
		{"without an end, another service, late", "sts", drop("X-Amz-Expires"), nil, 15*time.Minute + 1, sigv4.RequestExpired},
		{"lengthened", "s3", nil, set("X-Amz-Expires", "7200"), 0, sigv4.BadSignature},
		{"another response", "s3", nil, set("response-content-type", "text/html"), 0, sigv4.BadSignature},
		{"another parameter", "s3", nil, set("versionId", "1"), 0, sigv4.BadSignature},
		{"parameter dropped", "s3", nil, drop("response-content-type"), 0, sigv4.BadSignature},
		{"no algorithm", "s3", nil, drop("X-Amz-Algorithm"), 0, sigv4.Incomplete},
		{"no credential", "s3", nil, drop("X-Amz-Credential"), 0, sigv4.Incomplete},
		{"no date", "s3", nil, drop("X-Amz-Date"), 0, sigv4.Incomplete},
		{"no signed headers", "s3", nil, drop("X-Amz-SignedHeaders"), 0, sigv4.Incomplete},
		{"no signature", "s3", nil, drop("X-Amz-Signature"), 0, sigv4.Incomplete},
		{"asymmetric", "s3", nil, set("X-Amz-Algorithm", "AWS4-ECDSA-P256-SHA256"), 0, sigv4.Unsupported},
		{"date malformed", "s3", set("X-Amz-Date", "today"), nil, 0, sigv4.Incomplete},
		{"credential malformed", "s3", set("X-Amz-Credential", "a/b"), nil, 0, sigv4.Incomplete},
		{"another day", "s3", set("X-Amz-Date", "20150831T123600Z"), nil, 0, sigv4.Incomplete},
		{"respelled parameter", "s3", set("x-amz-date", "20150830T123600Z"), nil, 0, sigv4.Incomplete},
		{"credentials in the header too", "s3", nil, header("Authorization", "AWS4-HMAC-SHA256 Credential=a"), 0, sigv4.Incomplete},
		{"empty credentials in the header too", "s3", nil, header("Authorization", ""), 0, sigv4.Incomplete},
		{"date in the header too", "s3", nil, header("X-Amz-Date", "20150830T123600Z"), 0, sigv4.Incomplete},
		{"token in the header", "s3", nil, header("X-Amz-Security-Token", "t"), 0, sigv4.Incomplete},
		{"empty token", "s3", set("X-Amz-Security-Token", ""), nil, 0, sigv4.Incomplete},
		{"token that is not the key's", "s3", set("X-Amz-Security-Token", "t"), nil, 0, sigv4.InvalidToken},
		{"version 2 too", "s3", set("AWSAccessKeyId", "a"), nil, 0, sigv4.Incomplete},
		{"unsigned header", "s3", nil, header("X-Amz-Acl", "public-read"), 0, sigv4.HeadersNotSigned},
		{"ordinary header", "s3", nil, header("Content-Type", "text/plain"), 0, 0},
		{"doubled parameter", "s3", nil, func(q url.Values, _ *sigv4.Request) { q.Add("X-Amz-Expires", "3600") }, 0, sigv4.Incomplete},
		{"doubled signature", "s3", nil, func(q url.Values, _ *sigv4.Request) { q.Add("X-Amz-Signature", q.Get("X-Amz-Signature")) }, 0, sigv4.Incomplete},
		{"version 2 alone", "s3", nil, func(_ url.Values, r *sigv4.Request) { r.RawQuery = "AWSAccessKeyId=a&Signature=b&Expires=1" }, 0, sigv4.Unsupported},
		{"hash alone", "s3", nil, func(_ url.Values, r *sigv4.Request) { r.RawQuery = "X-Amz-Content-Sha256=a" }, 0, sigv4.MissingToken},
		{"empty hash", "s3", nil, header("X-Amz-Content-Sha256", ""), 0, sigv4.Incomplete},
		{"another service", "mediaconvert", nil, nil, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := presigned(tt.service, tt.before, tt.after)
			want := sigv4.Expectation{Region: "us-east-1", BodyHash: emptyHash, Now: testTime.Add(tt.now)}
			c, err := sigv4.Parse(r)
			if err == nil {
				if !c.Presigned {
					t.Error("not seen as presigned")
				}
				_, err = c.Verify(testKey(), want)
			}
			if kindOf(t, err) != tt.want {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if e, ok := err.(*sigv4.Error); ok && tt.want != sigv4.MissingToken && !e.Presigned && strings.Contains(r.RawQuery, "X-Amz-Signature=") {
				if _, both := r.Header["Authorization"]; !both {
					t.Errorf("the error does not say that the request is presigned: %v", err)
				}
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	good := goodRequest(nil)
	f.Add(good.Header["Authorization"][0], good.RawPath, good.RawQuery, "20150830T123600Z", emptyHash)
	signed := presigned("s3", nil, nil)
	f.Add("", signed.RawPath, signed.RawQuery, "", "")
	f.Add("AWS4-HMAC-SHA256 Credential=/////, SignedHeaders=;;, Signature==", "/%", "X-Amz-Signature=%", "", "")
	f.Fuzz(func(t *testing.T, auth, path, query, date, hash string) {
		r := sigv4.Request{Method: "GET", RawPath: path, RawQuery: query, Host: "h", Header: map[string][]string{
			"Authorization": {auth}, "X-Amz-Date": {date}, "X-Amz-Content-Sha256": {hash},
		}}
		for _, name := range []string{"Authorization", "X-Amz-Date", "X-Amz-Content-Sha256"} {
			if r.Header[name][0] == "" {
				delete(r.Header, name)
			}
		}
		// Nobody can sign with a secret that is made here.
		key := &sigv4.Key{Secret: secret.New([]byte("unguessable"))}
		if _, err := check(r, key, goodWant()); kindOf(t, err) == 0 {
			t.Fatalf("accepted: %+v", r)
		}
	})
}
