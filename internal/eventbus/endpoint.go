package eventbus

import (
	"fmt"
	"maps"
	"strings"

	"darkroom/internal/secret"
)

// DeadLetterBucket is the ARN of the endpoint for what no other dead letters take.
const DeadLetterBucket = "dead-letter-bucket"

// Endpoint is what a Sender sends to: something with an ARN, or the web server of an API destination.
type Endpoint struct {
	ARN            string // empty for a Request
	MessageGroupID string // of a FIFO queue
	Request        *Request
}

// Request is what each request to an API destination is like.
type Request struct {
	URL    string
	Method string
	Header map[string]string // no secret
	Type   string            // of the connection: APIKey or Basic
	Key    string            // the header field of the API key, or the user
	Secret secret.Bytes      // the API key, or the password
}

// The keys of the queues of deliveries: of a target of a rule, of a queue of dead letters, and of the bucket of them.
const (
	ofRule   = "rule"
	ofDead   = "dead"
	ofBucket = "bucket"
)

func ruleKey(account, rule, id string) string { return ofRule + "/" + account + "/" + rule + "/" + id }
func deadKey(account, name string) string     { return ofDead + "/" + account + "/" + name }
func bucketKey(account string) string         { return ofBucket + "/" + account }

// openKey takes a key apart: its kind, its account, and the rule and id or the ARN.
func openKey(key string) (kind, account, first, second string) {
	kind, rest, _ := strings.Cut(key, "/")
	account, rest, _ = strings.Cut(rest, "/")
	if kind != ofRule {
		return kind, account, rest, ""
	}
	first, second, _ = strings.Cut(rest, "/")
	return kind, account, first, second
}

// endpoint is where a target is, as the account says at this moment.
func (s *Service) endpoint(v *view, account string, t *Target) (Endpoint, error) {
	d := v.destinationOf(t.ARN)
	if d == nil {
		if strings.Contains(t.ARN, ":api-destination/") {
			return Endpoint{}, fmt.Errorf("API destination %s does not exist", t.ARN)
		}
		return Endpoint{ARN: t.ARN, MessageGroupID: t.MessageGroupID}, nil
	}
	c := v.connections[d.Connection]
	if c == nil {
		return Endpoint{}, fmt.Errorf("connection %s does not exist", d.Connection)
	}
	value, err := s.secret(account, c)
	if err != nil {
		return Endpoint{}, err
	}
	// What the connection says goes before what the target says.
	h := HTTP{Header: map[string]string{}, Query: map[string]string{}}
	if t.HTTP != nil {
		h.Path = t.HTTP.Path
		maps.Copy(h.Header, t.HTTP.Header)
		maps.Copy(h.Query, t.HTTP.Query)
	}
	maps.Copy(h.Header, c.Header)
	maps.Copy(h.Query, c.Query)
	r := &Request{Method: d.Method, Header: h.Header, Type: c.Type, Key: c.Key, Secret: value}
	r.URL, err = d.url(&h)
	return Endpoint{Request: r}, err
}
