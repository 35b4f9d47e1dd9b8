package sigv4_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"darkroom/internal/secret"
	"darkroom/internal/sigv4"
)

// sdkRequests is how many requests of each form the SDK's signer makes.
const sdkRequests = 3000

var letters = []string{
	"a", "Z", "0", "-", ".", "_", "~", " ", "/", "+", "=", "&", "%", "%2F", "!", "*", "'", "(", ")", ":", "@", "$", ",", "?", "#", "é", "日本", "😀", "\"", "<", "|", "[",
}

func word(r *rand.Rand, most int) string {
	var b strings.Builder
	for range r.IntN(most + 1) {
		b.WriteString(letters[r.IntN(len(letters))])
	}
	return b.String()
}

// generated is one request as a client makes it.
type generated struct {
	http        *http.Request
	service     string
	region      string
	payload     string
	credentials aws.Credentials
	time        time.Time
	sign        []func(*v4.SignerOptions)
}

func generate(r *rand.Rand) generated {
	g := generated{
		service: []string{"mediaconvert", "s3", "sts", "iam"}[r.IntN(4)],
		region:  "eu-central-1",
		time:    testTime.Add(time.Duration(r.IntN(1e6)) * time.Second),
	}
	if (g.service == "sts" || g.service == "iam") && r.IntN(2) == 0 {
		g.region = "us-east-1"
	}
	g.credentials = aws.Credentials{AccessKeyID: "AKID" + fmt.Sprint(r.Uint32()), SecretAccessKey: "secret" + word(r, 20) + "!"}
	if r.IntN(3) == 0 {
		g.credentials.SessionToken = "token/+=" + fmt.Sprint(r.Uint64())
	}
	path := "/"
	for range r.IntN(5) {
		path += url.PathEscape(word(r, 6)) + "/"
	}
	if r.IntN(2) == 0 {
		path = strings.TrimSuffix(path, "/")
	}
	u := &url.URL{Scheme: "https", Host: fmt.Sprintf("host%d.example:%d", r.IntN(9), 1+r.IntN(65535))}
	if err := setPath(u, path); err != nil {
		panic(err)
	}
	q := url.Values{}
	for range r.IntN(5) {
		q.Add(word(r, 4), word(r, 8))
	}
	u.RawQuery = q.Encode()
	g.http = &http.Request{
		Method: []string{"GET", "PUT", "POST", "DELETE", "HEAD"}[r.IntN(5)], URL: u, Header: http.Header{}, ContentLength: int64(r.IntN(2) * r.IntN(1000)),
	}
	h := g.http.Header
	if r.IntN(2) == 0 {
		h.Set("Content-Type", "application/json")
	}
	if r.IntN(3) == 0 {
		h.Set("X-Custom", "  spaces   inside  "+strings.ReplaceAll(word(r, 5), "\n", ""))
	}
	if r.IntN(3) == 0 {
		h["X-Many"] = []string{"one", " two ", "", "one"}
	}
	if r.IntN(2) == 0 {
		h.Set("User-Agent", "aws-sdk")
	}
	h.Set("X-Amzn-Trace-Id", "Root=1")
	g.payload = sha(word(r, 9))
	if g.service == "s3" {
		g.payload = []string{g.payload, sigv4.UnsignedPayload, sigv4.StreamingUnsignedTrailer, sigv4.StreamingSigned, sigv4.StreamingSignedWithTrailer}[r.IntN(5)]
		h.Set("X-Amz-Content-Sha256", g.payload)
		h.Set("X-Amz-Meta-Film", word(r, 3)+"x")
		g.sign = append(g.sign, func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	} else if r.IntN(2) == 0 {
		h.Set("X-Amz-Content-Sha256", g.payload)
	}
	return g
}

func setPath(u *url.URL, raw string) error {
	p, err := url.Parse("https://h" + raw)
	if err != nil {
		return err
	}
	u.Path, u.RawPath = p.Path, p.RawPath
	return nil
}

// received is the request as the server of it would see it.
func received(r *http.Request) sigv4.Request {
	h := r.Header.Clone()
	if r.ContentLength > 0 {
		h.Set("Content-Length", fmt.Sprint(r.ContentLength))
	}
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	return sigv4.Request{Method: r.Method, RawPath: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery, Host: host, Header: h}
}

func (g generated) key() *sigv4.Key {
	return &sigv4.Key{Secret: secret.New([]byte(g.credentials.SecretAccessKey)), Token: secret.New([]byte(g.credentials.SessionToken))}
}

func TestSDKHeaderForm(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	signer := v4.NewSigner()
	for i := range sdkRequests {
		g := generate(random)
		if err := signer.SignHTTP(context.Background(), g.credentials, g.http, g.payload, g.service, g.region, g.time, g.sign...); err != nil {
			t.Fatal(err)
		}
		want := sigv4.Expectation{Region: "eu-central-1", BodyHash: g.payload, Now: g.time.Add(time.Duration(random.IntN(1800)-900) * time.Second)}
		r := received(g.http)
		if _, err := check(r, g.key(), want); err != nil {
			t.Fatalf("request %d: %v\n%+v", i, err, r)
		}
		refuseChanged(t, random, r, g, want)
	}
}

func TestSDKPresigned(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	signer := v4.NewSigner()
	for i := range sdkRequests {
		g := generate(random)
		seconds := 1 + random.IntN(604800)
		g.http.URL.RawQuery += "&X-Amz-Expires=" + fmt.Sprint(seconds)
		if g.service == "s3" && random.IntN(2) == 0 {
			g.payload = sigv4.UnsignedPayload
			g.http.Header.Del("X-Amz-Content-Sha256")
		}
		link, headers, err := signer.PresignHTTP(context.Background(), g.credentials, g.http, g.payload, g.service, g.region, g.time, g.sign...)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		hr := &http.Request{Method: g.http.Method, URL: u, Header: headers, ContentLength: g.http.ContentLength}
		hr.Header.Del("Host")
		hr.Header.Del("Content-Length")
		want := sigv4.Expectation{Region: "eu-central-1", BodyHash: g.payload, Now: g.time.Add(time.Duration(random.IntN(seconds+1)) * time.Second)}
		r := received(hr)
		if _, err := check(r, g.key(), want); err != nil {
			t.Fatalf("request %d: %v\n%+v", i, err, r)
		}
		refuseChanged(t, random, r, g, want)
	}
}

// refuseChanged changes one thing of a good request, and expects a refusal.
func refuseChanged(t *testing.T, random *rand.Rand, r sigv4.Request, g generated, want sigv4.Expectation) {
	t.Helper()
	changed := r
	changed.Header = maps.Clone(r.Header)
	key := g.key()
	what := ""
	switch random.IntN(7) {
	case 0:
		what, changed.Method = "method", r.Method+"X"
	case 1:
		what, changed.RawPath = "path", r.RawPath+"x"
	case 2:
		what, changed.Host = "host", "x"+r.Host
	case 3:
		what, changed.RawQuery = "query", "added=1&"+r.RawQuery
	case 4:
		what, key.Secret = "secret", secret.New([]byte("another"))
	case 5:
		what, key.Token = "token", secret.New([]byte("another"))
	case 6:
		what, changed.Header["X-Amz-Added"] = "added header", []string{"1"}
	}
	if _, err := check(changed, key, want); kindOf(t, err) == 0 {
		t.Fatalf("changed %s: accepted\n%+v", what, changed)
	}
}
