package sigv4

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Names of the query form. They are matched exactly; another spelling of one of them is refused, because it might be a second
// credential to somebody else.
const (
	queryAlgorithm     = "X-Amz-Algorithm"
	queryCredential    = "X-Amz-Credential"
	queryDate          = "X-Amz-Date"
	queryExpires       = "X-Amz-Expires"
	querySignedHeaders = "X-Amz-SignedHeaders"
	querySignature     = "X-Amz-Signature"
	queryToken         = "X-Amz-Security-Token"
	queryHash          = "X-Amz-Content-Sha256"
)

var queryNames = []string{
	queryAlgorithm, queryCredential, queryDate, queryExpires, querySignedHeaders, querySignature, queryToken, queryHash,
}

// versionTwo are the query parameters of Signature Version 2.
var versionTwo = []string{"AWSAccessKeyId", "Signature"}

// Parse reads the credentials of a request. A request must have exactly one source of credentials, the Authorization header or the
// query, and each part of it exactly once. Every error is an *Error.
func Parse(req Request) (*Credential, error) {
	c, presigned, err := parse(req)
	if err != nil {
		err.Presigned = presigned
		return nil, err
	}
	return c, nil
}

func parse(req Request) (*Credential, bool, *Error) {
	header, err := lowerCase(req)
	if err != nil {
		return nil, false, err
	}
	all, err := parseQuery(req.RawQuery)
	if err != nil {
		return nil, false, err
	}
	c := &Credential{request: req, header: header}
	auth := make(map[string]string)
	second := ""
	for _, p := range all {
		if slices.Contains(versionTwo, p.name) {
			second = p.name
		}
		i := slices.IndexFunc(queryNames, func(n string) bool { return strings.EqualFold(n, p.name) })
		if i >= 0 {
			if p.name != queryNames[i] {
				return nil, true, refuse(Incomplete, "Query parameter %s must be spelled %s.", p.name, queryNames[i])
			}
			if _, ok := auth[p.name]; ok {
				return nil, true, refuse(Incomplete, "Query parameter %s is given more than once.", p.name)
			}
			auth[p.name] = p.value
		}
		if p.name != querySignature {
			c.query = append(c.query, p)
		}
	}
	values, hasHeader := header["authorization"]
	hasQuery := false
	for name := range auth {
		hasQuery = hasQuery || name != queryHash
	}
	switch {
	case hasHeader && (hasQuery || second != ""):
		return nil, hasQuery, refuse(Incomplete, "Only one auth mechanism allowed: credentials are in the Authorization header and in the query.")
	case hasQuery && second != "":
		return nil, true, refuse(Incomplete, "Only one auth mechanism allowed: query parameter %s is of another one.", second)
	case hasHeader:
		if len(values) != 1 {
			return nil, false, refuse(Incomplete, "Authorization header is given more than once.")
		}
		return c, false, c.readHeaderForm(values[0], auth)
	case hasQuery:
		return c, true, c.readQueryForm(auth)
	case second != "":
		return nil, true, refuse(Unsupported, textUnsupported)
	}
	return nil, false, refuse(MissingToken, textMissing)
}

// lowerCase returns the headers by lower-case name, with host. One name in two spellings is refused: which of the two a service
// would read is not certain.
func lowerCase(req Request) (map[string][]string, *Error) {
	out := make(map[string][]string, len(req.Header)+1)
	for name, values := range req.Header {
		if len(values) == 0 {
			continue
		}
		low := strings.ToLower(name)
		if _, ok := out[low]; ok || low == "host" {
			return nil, refuse(Incomplete, "Header %s is given in more than one spelling.", low)
		}
		out[low] = values
	}
	out["host"] = []string{req.Host}
	return out, nil
}

// readHeaderForm reads AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=….
func (c *Credential) readHeaderForm(value string, query map[string]string) *Error {
	if _, ok := query[queryHash]; ok {
		return refuse(Incomplete, "Query parameter %s belongs to presigned requests.", queryHash)
	}
	algorithm, rest, _ := strings.Cut(strings.TrimSpace(value), " ")
	if algorithm == "" {
		return refuse(MissingToken, textMissing)
	}
	if algorithm != Algorithm {
		return refuse(Unsupported, textUnsupported)
	}
	parts := map[string]string{"Credential": "", "SignedHeaders": "", "Signature": ""}
	for part := range strings.SplitSeq(rest, ",") {
		name, v, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok || v == "" {
			return refuse(Incomplete, "Authorization header has a part that is not 'name=value'.")
		}
		old, known := parts[name]
		if !known {
			return refuse(Incomplete, "Authorization header has an unknown part.")
		}
		if old != "" {
			return refuse(Incomplete, "Authorization header has more than one '%s' parameter.", name)
		}
		parts[name] = v
	}
	for _, name := range []string{"Credential", "Signature", "SignedHeaders"} {
		if parts[name] == "" {
			return refuse(Incomplete, "Authorization header requires '%s' parameter.", name)
		}
	}
	for _, name := range []string{"x-amz-date", "x-amz-security-token", "x-amz-decoded-content-length"} {
		if len(c.header[name]) > 1 {
			return refuse(Incomplete, "Header %s is given more than once.", name)
		}
	}
	c.token = first(c.header["x-amz-security-token"])
	if _, ok := c.header["x-amz-security-token"]; ok && c.token == "" {
		return refuse(Incomplete, "Header x-amz-security-token is empty.")
	}
	if err := c.readHash(""); err != nil {
		return err
	}
	if err := c.readHeaderTime(); err != nil {
		return err
	}
	return c.readCommon(parts["Credential"], parts["SignedHeaders"], parts["Signature"])
}

// readHeaderTime takes the time from x-amz-date or, without it, from a signed Date header.
func (c *Credential) readHeaderTime() *Error {
	if v, ok := c.header["x-amz-date"]; ok {
		t, err := time.Parse(timeFormat, v[0])
		if err != nil {
			return refuse(Incomplete, "Header x-amz-date must be in the form YYYYMMDD'T'HHMMSS'Z'.")
		}
		c.Time = t
		return nil
	}
	v := c.header["date"]
	if len(v) != 1 {
		return refuse(Incomplete, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	for _, layout := range []string{"Mon, 02 Jan 2006 15:04:05 GMT", timeFormat} {
		if t, err := time.Parse(layout, v[0]); err == nil {
			c.Time = t
			return nil
		}
	}
	return refuse(Incomplete, "Header Date must be an HTTP date or in the form YYYYMMDD'T'HHMMSS'Z'.")
}

// readQueryForm reads the parameters of a presigned request.
func (c *Credential) readQueryForm(query map[string]string) *Error {
	c.Presigned = true
	if a, ok := query[queryAlgorithm]; ok && a != Algorithm {
		return refuse(Unsupported, textUnsupported)
	}
	for _, name := range []string{queryAlgorithm, queryCredential, queryDate, querySignedHeaders, querySignature} {
		if query[name] == "" {
			return refuse(Incomplete, "AWS query-string parameters must include '%s'.", name)
		}
	}
	for _, name := range []string{"x-amz-date", "x-amz-security-token"} {
		if _, ok := c.header[name]; ok {
			return refuse(Incomplete, "Header %s must not be given beside the query parameters of a presigned request.", name)
		}
	}
	token, hasToken := query[queryToken]
	if hasToken && token == "" {
		return refuse(Incomplete, "Query parameter %s is empty.", queryToken)
	}
	c.token = token
	t, err := time.Parse(timeFormat, query[queryDate])
	if err != nil {
		return refuse(Incomplete, "%s must be in the form YYYYMMDD'T'HHMMSS'Z'.", queryDate)
	}
	c.Time = t
	if err := c.readHash(query[queryHash]); err != nil {
		return err
	}
	if err := c.readCommon(query[queryCredential], query[querySignedHeaders], query[querySignature]); err != nil {
		return err
	}
	return c.readExpires(query)
}

func (c *Credential) readExpires(query map[string]string) *Error {
	v, ok := query[queryExpires]
	if !ok {
		if c.Scope.Service == serviceS3 {
			return refuse(Incomplete, "AWS query-string parameters must include '%s'.", queryExpires)
		}
		c.Expires = MaxSkew
		return nil
	}
	seconds, err := strconv.ParseUint(v, 10, 32)
	if err != nil || seconds == 0 || time.Duration(seconds)*time.Second > MaxExpires {
		return refuse(Incomplete, "%s must be a whole number of seconds from 1 to %d.", queryExpires, int(MaxExpires/time.Second))
	}
	c.Expires = time.Duration(seconds) * time.Second
	return nil
}

// readHash takes x-amz-content-sha256 from the header, or from the query of a presigned request.
func (c *Credential) readHash(query string) *Error {
	v := c.header["x-amz-content-sha256"]
	if len(v) > 1 {
		return refuse(Incomplete, "Header x-amz-content-sha256 is given more than once.")
	}
	c.sentHash = first(v)
	if query != "" {
		if c.sentHash != "" && c.sentHash != query {
			return refuse(Incomplete, "Header x-amz-content-sha256 and query parameter %s differ.", queryHash)
		}
		c.sentHash = query
	}
	if len(v) == 1 && v[0] == "" {
		return refuse(Incomplete, "Header x-amz-content-sha256 is empty.")
	}
	return nil
}

func (c *Credential) readCommon(credential, signedHeaders, signature string) *Error {
	parts := strings.Split(credential, "/")
	if len(parts) < 5 {
		return refuse(Incomplete, "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term.")
	}
	// An access key id may hold slashes; the last four elements are the scope.
	n := len(parts) - 4
	c.AccessKeyID = strings.Join(parts[:n], "/")
	c.Scope = Scope{Date: parts[n], Region: parts[n+1], Service: parts[n+2]}
	if c.AccessKeyID == "" || c.Scope.Region == "" || c.Scope.Service == "" {
		return refuse(Incomplete, "Credential has an empty element.")
	}
	if parts[n+3] != terminator {
		return refuse(Incomplete, "Credential should be scoped with a valid terminator: '%s'.", terminator)
	}
	if c.Scope.Date != c.Time.Format(dateFormat) {
		return refuse(Incomplete, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.")
	}
	if len(signature) != 64 || !isLowerHex(signature) {
		return refuse(Incomplete, "Signature must be 64 lower-case hexadecimal digits.")
	}
	c.signature = signature
	c.SignedHeaders = strings.Split(signedHeaders, ";")
	return c.checkSignedHeaders()
}

// checkSignedHeaders demands that the list is canonical, that every header in it is there, and that host and whatever changes the
// meaning of the request is in it.
func (c *Credential) checkSignedHeaders() *Error {
	if len(c.SignedHeaders) > maxSignedHeaders {
		return refuse(Incomplete, "SignedHeaders names more than %d headers.", maxSignedHeaders)
	}
	for i, name := range c.SignedHeaders {
		if name == "" || name != strings.ToLower(name) {
			return refuse(Incomplete, "SignedHeaders must be lower-case names between semicolons.")
		}
		if i > 0 && c.SignedHeaders[i-1] >= name {
			return refuse(Incomplete, "SignedHeaders must be sorted, each name once.")
		}
		if _, ok := c.header[name]; !ok {
			return refuse(Incomplete, "SignedHeaders names a header that the request does not have.")
		}
	}
	for name := range c.header {
		must := name == "host" || strings.HasPrefix(name, "x-amz-") ||
			name == "date" && !c.Presigned && c.header["x-amz-date"] == nil
		if _, signed := slices.BinarySearch(c.SignedHeaders, name); must && !signed {
			if name == "host" {
				return refuse(Incomplete, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
			}
			return refuse(HeadersNotSigned, "There were headers present in the request which were not signed: %s.", c.unsigned())
		}
	}
	return nil
}

// unsigned lists the headers that should be signed and are not, in order, so that the message does not depend on a map.
func (c *Credential) unsigned() string {
	var names []string
	for name := range c.header {
		if _, signed := slices.BinarySearch(c.SignedHeaders, name); !signed && (strings.HasPrefix(name, "x-amz-") || name == "date") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func first(v []string) string {
	if len(v) == 0 {
		return ""
	}
	return v[0]
}

func isLowerHex(s string) bool {
	for i := range len(s) {
		if !(s[i] >= '0' && s[i] <= '9' || s[i] >= 'a' && s[i] <= 'f') {
			return false
		}
	}
	return true
}
