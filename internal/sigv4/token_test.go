package sigv4

import (
	"net/http"
	"testing"
)

// TestToken: the token of a request is there before the signature is verified, for whoever looks up the key.
func TestToken(t *testing.T) {
	t.Parallel()
	const scope = "/20300101/us-east-1/sts/aws4_request"
	signature := "0000000000000000000000000000000000000000000000000000000000000000"
	header := http.Header{
		"X-Amz-Date":    {"20300101T000000Z"},
		"Authorization": {"AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE" + scope + ", SignedHeaders=host;x-amz-date, Signature=" + signature},
	}
	r := Request{Method: "POST", RawPath: "/", Host: "h", Header: header}
	c, err := Parse(r)
	if err != nil || c.Token() != "" {
		t.Errorf("got %q, %v", c.Token(), err)
	}
	header.Set("X-Amz-Security-Token", "tok")
	header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE"+scope+", SignedHeaders=host;x-amz-date;x-amz-security-token, Signature="+signature)
	if c, err = Parse(r); err != nil || c.Token() != "tok" {
		t.Errorf("got %q, %v", c.Token(), err)
	}
}
