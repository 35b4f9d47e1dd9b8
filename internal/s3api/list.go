package s3api

import (
	"encoding/base64"
	"encoding/xml"
	"net/http"
	"strings"

	"darkroom/internal/blob"
)

type listEntry struct {
	Key               text
	LastModified      string
	ETag              string
	Size              int64
	StorageClass      string
	Owner             *owner   `xml:",omitempty"`
	ChecksumAlgorithm []string `xml:",omitempty"`
}

type prefixEntry struct{ Prefix text }

// listResult is the answer of both versions of ListObjects.
type listResult struct {
	XMLName        xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
	Name           string
	Prefix         text
	Delimiter      *text  `xml:",omitempty"`
	EncodingType   string `xml:",omitempty"`
	MaxKeys        int
	IsTruncated    bool
	Marker         *text         `xml:",omitempty"` // version 1
	NextMarker     *text         `xml:",omitempty"` // version 1
	KeyCount       *int          `xml:",omitempty"` // version 2
	StartAfter     *text         `xml:",omitempty"` // version 2
	Token          string        `xml:"ContinuationToken,omitempty"`
	NextToken      string        `xml:"NextContinuationToken,omitempty"`
	Contents       []listEntry   `xml:",omitempty"`
	CommonPrefixes []prefixEntry `xml:",omitempty"`
}

// encoder gives names the form that encoding-type asks for.
func (in *request) encoder() (kind string, name func(string) text, err error) {
	switch kind = in.query.Get("encoding-type"); kind {
	case "":
		return "", plain, nil
	case "url":
		return kind, func(s string) text { return text{encodeURL(s)} }, nil
	}
	return "", nil, refuse(InvalidArgument, "Invalid Encoding Method specified in Request")
}

func (s *Service) listV1(w http.ResponseWriter, in *request) error {
	marker := in.query.Get("marker")
	out, page, name, err := s.list(in, marker, true)
	if err != nil {
		return err
	}
	m := name(marker)
	out.Marker = &m
	if out.IsTruncated && in.query.Get("delimiter") != "" { // without one it is the last key, as with S3
		next := name(page.Next)
		out.NextMarker = &next
	}
	return writeDocument(w, out)
}

func (s *Service) listV2(w http.ResponseWriter, in *request) error {
	start, err := in.token()
	if err != nil {
		return err
	}
	if !in.query.Has("continuation-token") {
		start = in.query.Get("start-after")
	}
	out, page, name, err := s.list(in, start, in.query.Get("fetch-owner") == "true")
	if err != nil {
		return err
	}
	count := len(page.Objects) + len(page.CommonPrefixes)
	out.KeyCount = &count
	out.Token = in.query.Get("continuation-token")
	if in.query.Has("start-after") {
		after := name(in.query.Get("start-after"))
		out.StartAfter = &after
	}
	if page.Truncated {
		out.NextToken = writeToken(page.Next)
	}
	return writeDocument(w, out)
}

// list reads a page and what both versions say of it.
func (s *Service) list(in *request, start string, owners bool) (*listResult, blob.Listing, func(string) text, error) {
	fail := func(err error) (*listResult, blob.Listing, func(string) text, error) {
		return nil, blob.Listing{}, nil, err
	}
	kind, name, err := in.encoder()
	if err != nil {
		return fail(err)
	}
	limit, err := in.number("max-keys", blob.MaxKeys, blob.MaxKeys)
	if err != nil {
		return fail(err)
	}
	o := blob.ListOptions{Prefix: in.query.Get("prefix"), Delimiter: in.query.Get("delimiter"), StartAfter: start, Max: limit}
	var page blob.Listing
	if limit == 0 {
		_, err = in.store.HeadBucket(in.Context(), in.bucket) // a page of nothing
	} else {
		page, err = in.store.List(in.Context(), in.bucket, o)
	}
	if err != nil {
		return fail(err)
	}
	out := &listResult{Name: in.bucket, Prefix: name(o.Prefix), EncodingType: kind, MaxKeys: limit, IsTruncated: page.Truncated}
	if o.Delimiter != "" {
		d := name(o.Delimiter)
		out.Delimiter = &d
	}
	for _, i := range page.Objects {
		e := listEntry{Key: name(i.Key), LastModified: stamp(i.LastModified), ETag: quote(i.ETag), Size: i.Size, StorageClass: "STANDARD"}
		if i.Class != "" {
			e.StorageClass = i.Class
		}
		if owners {
			e.Owner = &owner{ID: in.account}
		}
		out.Contents = append(out.Contents, e)
	}
	for _, p := range page.CommonPrefixes {
		out.CommonPrefixes = append(out.CommonPrefixes, prefixEntry{name(p)})
	}
	return out, page, name, nil
}

// tokenPrefix is what continuation tokens begin with. A token is a place in a list, and no secret: what it leads to is authorized as any other
// request is.
const tokenPrefix = "1:"

func writeToken(place string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(tokenPrefix + place))
}

// token reads the continuation token of a request, empty without one.
func (in *request) token() (string, error) {
	if !in.query.Has("continuation-token") {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(in.query.Get("continuation-token"))
	place, ok := strings.CutPrefix(string(raw), tokenPrefix)
	if err != nil || !ok || place == "" || len(place) > blob.MaxKey {
		return "", refuse(InvalidArgument, "The continuation token provided is incorrect")
	}
	return place, nil
}
