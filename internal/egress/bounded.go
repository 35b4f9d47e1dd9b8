package egress

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
)

// Bounded is an HTTP client of an AWS SDK for small requests whose answers have an end. It is safe for concurrent use if Client is.
type Bounded struct {
	Client *http.Client
	Answer int // the most bytes of an answer; what is longer fails when it is read
}

// Do implements the SDK's HTTPClient. The SDK closes the body of a request once an answer has begun, also while the transport looks for the end of that body,
// and the answer breaks off: the transport gets a copy, whose end is known.
func (b Bounded) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	resp, err := b.Client.Do(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &boundedBody{resp.Body, b.Answer, b.Answer}
	return resp, nil
}

type boundedBody struct {
	io.ReadCloser
	most, left int
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the answer is longer than %d bytes", b.most)
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
