// Package s3api speaks the Amazon S3 REST API (version 2006-03-01) over a blob.Store: the subset that the AWS CLI and SDKs use for
// buckets, objects and multipart uploads.
//
// What is not offered is refused by name, never ignored: subresources, headers and values that ask for something that would not happen.
// Versions, access control lists, tags, website and replication configuration are not offered; where clients ask whether a bucket has one, the
// answer is that of a bucket that has none.
package s3api

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"

	"darkroom/internal/arn"
	"darkroom/internal/blob"
	"darkroom/internal/gateway"
	"darkroom/internal/iam"
)

// namespace is that of all documents of the API.
const namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// version is that of the API, as records have it.
const version = "2006-03-01"

// Options are what a Service works with. Stores and Region are needed.
type Options struct {
	// Stores returns the store of an account's buckets: the names of buckets are each account's own. An error means that it has none.
	Stores func(account string) (blob.Store, error)
	Region string
	// Domains are host names below which the first label is a bucket (virtual-host style), such as localhost for BUCKET.localhost. Without
	// any, the bucket stands in the path.
	Domains []string
}

// Service is the S3 API. It implements gateway.Service and is safe for concurrent use.
type Service struct {
	stores  func(account string) (blob.Store, error)
	region  string
	domains []string
}

var _ gateway.Service = (*Service)(nil)

// New returns the API over a store.
func New(o Options) (*Service, error) {
	if o.Stores == nil || o.Region == "" {
		return nil, errors.New("the S3 API needs Stores and Region")
	}
	s := &Service{stores: o.Stores, region: o.Region}
	for _, d := range o.Domains {
		s.domains = append(s.domains, "."+strings.ToLower(strings.Trim(d, ".")))
	}
	return s, nil
}

// Name implements gateway.Service.
func (*Service) Name() string { return "s3" }

// request is a request as the operations see it.
type request struct {
	*http.Request
	account     string     // of the caller
	store       blob.Store // of the account
	bucket, key string
	keys        iam.Context // condition keys
	query       url.Values
	header      http.Header // with the x-amz-* that a presigned request has in its query
	copySource  *source     // x-amz-copy-source, nil if there is none
	deletes     *deletes    // of DeleteObjects
}

// Resolve implements gateway.Service.
func (s *Service) Resolve(r *http.Request) (*gateway.Operation, error) {
	in, err := s.parse(r)
	if err != nil {
		return nil, err
	}
	op, err := route(in)
	if err != nil {
		return &gateway.Operation{Version: version, Parameters: func() json.RawMessage { return in.parameters(nil) }}, err
	}
	known := &gateway.Operation{Name: op.name, Version: version, Parameters: func() json.RawMessage { return in.parameters(op) }}
	if err := s.checkQuery(in, op); err != nil {
		return known, err
	}
	if err := s.checkHeaders(in, op); err != nil {
		return known, err
	}
	if op.prepare != nil {
		if err := op.prepare(s, in); err != nil {
			return known, err
		}
	}
	return &gateway.Operation{
		Name: op.name, Version: version, Parameters: known.Parameters, Checks: op.checks(in),
		Serve: func(w http.ResponseWriter, r *http.Request) error {
			in.Request = r
			var err error
			if in.store, err = s.stores(in.account); err != nil {
				return err
			}
			if in.bucket != "" && op.name != "CreateBucket" {
				if err := blob.CheckBucket(in.bucket); err != nil {
					return blob.ErrNoSuchBucket // no bucket can have this name
				}
			}
			if err := op.serve(s, w, in); err != nil {
				return err
			}
			answered(r, op, w.Header())
			return nil
		},
	}, nil
}

// parse splits the raw path: a key may have any byte, encoded or not, and is decoded once.
func (s *Service) parse(r *http.Request) (*request, error) {
	in := &request{Request: r, account: gateway.Caller(r.Context()).Account, header: r.Header}
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), "/")
	if !ok && path != "" {
		return nil, refuse(InvalidURI, "Couldn't parse the specified URI.")
	}
	if bucket := s.hostBucket(r.Host); bucket != "" {
		path = bucket + "/" + path
	}
	rawBucket, rawKey, _ := strings.Cut(path, "/")
	var err error
	if in.bucket, err = url.PathUnescape(rawBucket); err != nil {
		return nil, refuse(InvalidURI, "Couldn't parse the specified URI.")
	}
	if in.key, err = url.PathUnescape(rawKey); err != nil {
		return nil, refuse(InvalidURI, "Couldn't parse the specified URI.")
	}
	if in.query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		return nil, refuse(InvalidURI, "Couldn't parse the query of the specified URI.")
	}
	if strings.ContainsAny(in.bucket, "/*?:\x00") || in.bucket == "" && in.key != "" {
		return nil, refuse(InvalidBucketName, "The specified bucket is not valid.")
	}
	if in.key != "" {
		if err := blob.CheckKey(in.key); err != nil {
			return nil, err
		}
	}
	in.header = withQuery(r.Header, in.query)
	in.keys = conditionKeys(in)
	return in, nil
}

// hostBucket is the bucket in a host name, if there is one.
func (s *Service) hostBucket(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, d := range s.domains {
		if bucket, ok := strings.CutSuffix(host, d); ok && bucket != "" {
			return bucket
		}
	}
	return ""
}

// withQuery adds the x-amz-* parameters of a presigned request that are headers in truth: signers move them there.
func withQuery(h http.Header, query url.Values) http.Header {
	out := h
	for name, values := range query {
		lower := strings.ToLower(name)
		if !strings.HasPrefix(lower, "x-amz-") || signing[lower] {
			continue
		}
		if len(out) == len(h) {
			out = h.Clone()
		}
		out[http.CanonicalHeaderKey(name)] = append(out.Values(name), values...)
	}
	return out
}

// signing are the parameters and headers that belong to the signature and the transfer, and that the gateway has dealt with.
var signing = map[string]bool{
	"x-amz-algorithm": true, "x-amz-credential": true, "x-amz-date": true, "x-amz-expires": true, "x-amz-signedheaders": true,
	"x-amz-signature": true, "x-amz-security-token": true, "x-amz-content-sha256": true, "x-amz-decoded-content-length": true,
	"x-amz-trailer": true, "x-amz-user-agent": true,
}

// conditionKeys are the condition keys of S3 that policies use most.
func conditionKeys(in *request) iam.Context {
	var out iam.Context
	for _, name := range [...]string{"prefix", "delimiter", "max-keys"} {
		if v, ok := in.query[name]; ok && in.key == "" {
			out.Set("s3:"+name, v...)
		}
	}
	for _, name := range [...]string{
		"x-amz-acl", "x-amz-copy-source", "x-amz-metadata-directive", "x-amz-storage-class", sseHeader, keyIDHeader, customerPrefix + "algorithm",
	} {
		out.Set("s3:"+name, in.header.Values(name)...)
	}
	return out
}

// check asks for an action on a bucket or an object of the caller's account: the buckets of another account are not seen from it.
func (in *request) check(action, bucket, key string) iam.Check {
	return iam.Check{Action: "s3:" + action, Resource: arn.Object(bucket, key), Owner: in.account, Context: in.keys}
}
