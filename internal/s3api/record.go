package s3api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"darkroom/internal/audit"
	"darkroom/internal/gateway"
)

// maxShownValue bounds a header or parameter in a record, in bytes.
const maxShownValue = 2048

// parameters are what was asked for, as CloudTrail has it: bucketName, key, Host, the x-amz-* headers and the parameters of the query, by their names as they travel. What is
// a secret is hidden, and what this API does not know is left out.
func (in *request) parameters(op *operation) json.RawMessage {
	out := map[string]string{}
	for name, values := range in.query {
		lower := strings.ToLower(name)
		switch {
		case strings.HasPrefix(lower, "x-amz-"):
			if !signing[lower] { // what is a header in truth is among the headers
				continue
			}
		case slices.Contains(subresources, name), op != nil && slices.Contains(op.query, name):
		default:
			continue
		}
		out[name] = shownValue(lower, values)
	}
	for name, values := range in.header {
		lower := strings.ToLower(name)
		_, known := accepted[lower]
		_, storage := storageHeaders[lower]
		if known || storage || strings.HasPrefix(lower, metaPrefix) {
			out[lower] = shownValue(lower, values)
		}
	}
	if in.bucket != "" {
		out["bucketName"] = in.bucket
	}
	if in.key != "" {
		out["key"] = in.key
	}
	if in.Host != "" {
		out["Host"] = shownValue("host", []string{in.Host})
	}
	return object(out)
}

func shownValue(name string, values []string) string {
	if audit.Secret(name) {
		return audit.Hidden
	}
	v := strings.Join(values, ",")
	if len(v) > maxShownValue {
		v = v[:maxShownValue] + "…"
	}
	return v
}

// object writes texts by their names, in order.
func object(texts map[string]string) json.RawMessage {
	if len(texts) == 0 {
		return nil
	}
	names := make([]string, 0, len(texts))
	for name := range texts {
		names = append(names, name)
	}
	slices.Sort(names)
	out := make([]byte, 0, 256)
	for _, name := range names {
		out = append(out, ',')
		out = append(audit.AppendText(out, name), ':')
		out = audit.AppendText(out, texts[name])
	}
	out[0] = '{'
	return audit.Cut(append(out, '}'), audit.MaxMember)
}

// answered puts the x-amz-* headers of an answer into the record of its request: what a change came to.
func answered(r *http.Request, op *operation, h http.Header) {
	if !audit.HasElements("s3", op.name) {
		return
	}
	out := map[string]string{}
	for name, values := range h {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-") && lower != "x-amz-request-id" && lower != "x-amz-id-2" && !strings.HasPrefix(lower, metaPrefix) {
			out[lower] = shownValue(lower, values)
		}
	}
	gateway.Answered(r.Context(), object(out))
}
