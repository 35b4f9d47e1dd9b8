package s3api

import (
	"encoding/xml"
	"errors"
	"net/http"
	"strings"

	"darkroom/internal/blob"
	"darkroom/internal/iam"
)

type owner struct {
	ID          string
	DisplayName string `xml:",omitempty"`
}

type bucketsResult struct {
	XMLName           xml.Name      `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListAllMyBucketsResult"`
	Owner             owner         `xml:"Owner"`
	Buckets           []bucketEntry `xml:"Buckets>Bucket"`
	ContinuationToken string        `xml:",omitempty"`
	Prefix            string        `xml:",omitempty"`
}

type bucketEntry struct {
	Name         string
	CreationDate string
	BucketRegion string
}

// maxBuckets is the largest page of buckets.
const maxBuckets = 10000

func (s *Service) listBuckets(w http.ResponseWriter, in *request) error {
	limit, err := in.number("max-buckets", maxBuckets, maxBuckets)
	if err != nil {
		return err
	}
	if limit == 0 {
		return refuse(InvalidArgument, "max-buckets must be from 1 to %d", maxBuckets)
	}
	after, err := in.token()
	if err != nil {
		return err
	}
	all, err := in.store.ListBuckets(in.Context())
	if err != nil {
		return err
	}
	out := bucketsResult{Owner: owner{ID: in.account}, Prefix: in.query.Get("prefix")}
	for _, b := range all {
		region := in.query.Get("bucket-region")
		if !strings.HasPrefix(b.Name, out.Prefix) || b.Name <= after || region != "" && region != s.region {
			continue
		}
		if len(out.Buckets) == limit {
			out.ContinuationToken = writeToken(out.Buckets[limit-1].Name)
			break
		}
		out.Buckets = append(out.Buckets, bucketEntry{Name: b.Name, CreationDate: stamp(b.Created), BucketRegion: s.region})
	}
	return writeDocument(w, out)
}

type createConfiguration struct {
	LocationConstraint string
	Unknown            []unknown `xml:",any"`
}

func (s *Service) createBucket(w http.ResponseWriter, in *request) error {
	var want createConfiguration
	if _, err := readDocument(in.Body, "CreateBucketConfiguration", &want); err != nil && !errors.Is(err, errNoDocument) {
		return err
	}
	if err := refuseUnknown(want.Unknown); err != nil {
		return err
	}
	if want.LocationConstraint != "" && want.LocationConstraint != s.region {
		return refuse(IllegalLocationConstraint, "The %s location constraint is incompatible for the region specific endpoint this request was sent to.", clean(want.LocationConstraint))
	}
	if err := in.store.CreateBucket(in.Context(), in.bucket); err != nil {
		return err
	}
	w.Header().Set("Location", "/"+in.bucket)
	w.WriteHeader(http.StatusOK)
	return nil
}

func (s *Service) deleteBucket(w http.ResponseWriter, in *request) error {
	if err := in.store.DeleteBucket(in.Context(), in.bucket); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Service) headBucket(w http.ResponseWriter, in *request) error {
	if _, err := in.store.HeadBucket(in.Context(), in.bucket); err != nil {
		return err
	}
	w.Header().Set("x-amz-bucket-region", s.region)
	w.Header().Set("x-amz-access-point-alias", "false")
	w.WriteHeader(http.StatusOK)
	return nil
}

// configuration is what a question for a subresource of a bucket is answered with, when nothing can be configured.
type configuration struct {
	action string
	// document is the answer; without one it is the refusal with code and message.
	document func(*Service) any
	code     string
	message  string
}

// configurations are the subresources that clients ask for.
var configurations = map[string]configuration{
	"location":    {action: "GetBucketLocation", document: func(s *Service) any { return s.location() }},
	"versioning":  {action: "GetBucketVersioning", document: func(*Service) any { return empty("VersioningConfiguration") }},
	"policy":      {action: "GetBucketPolicy", code: "NoSuchBucketPolicy", message: "The bucket policy does not exist"},
	"tagging":     {action: "GetBucketTagging", code: "NoSuchTagSet", message: "The TagSet does not exist"},
	"lifecycle":   {action: "GetLifecycleConfiguration", code: "NoSuchLifecycleConfiguration", message: "The lifecycle configuration does not exist"},
	"cors":        {action: "GetBucketCORS", code: "NoSuchCORSConfiguration", message: "The CORS configuration does not exist"},
	"website":     {action: "GetBucketWebsite", code: "NoSuchWebsiteConfiguration", message: "The specified bucket does not have a website configuration"},
	"replication": {action: "GetReplicationConfiguration", code: "ReplicationConfigurationNotFoundError", message: "The replication configuration was not found"},
	"object-lock": {action: "GetBucketObjectLockConfiguration", code: "ObjectLockConfigurationNotFoundError", message: "Object Lock configuration does not exist for this bucket"},
	"requestPayment": {action: "GetBucketRequestPayment", document: func(*Service) any {
		return struct {
			XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ RequestPaymentConfiguration"`
			Payer   string
		}{Payer: "BucketOwner"}
	}},
}

// unconfigured is the operation that answers for a subresource, nil for one that is not answered for.
func unconfigured(sub string) *operation {
	c, ok := configurations[sub]
	if !ok {
		return nil
	}
	return &operation{name: c.action, query: []string{sub}, checks: onBucket(c.action), serve: func(s *Service, w http.ResponseWriter, in *request) error {
		if _, err := in.store.HeadBucket(in.Context(), in.bucket); err != nil {
			return err
		}
		if c.document != nil {
			return writeDocument(w, c.document(s))
		}
		return refuse(Code{c.code, http.StatusNotFound}, "%s", c.message)
	}}
}

// empty is a document with nothing but its root.
func empty(root string) any {
	return struct {
		XMLName xml.Name
	}{xml.Name{Space: namespace, Local: root}}
}

// location is the region of a bucket, which for us-east-1 is written as nothing.
func (s *Service) location() any {
	region := s.region
	if region == "us-east-1" {
		region = ""
	}
	return struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ LocationConstraint"`
		Region  string   `xml:",chardata"`
	}{Region: region}
}

// getObjectTagging answers that an object has no tags, which the AWS CLI asks before it copies one in parts.
var getObjectTagging = &operation{
	name: "GetObjectTagging", query: []string{"tagging", "versionId"},
	checks: func(in *request) []iam.Check { return []iam.Check{in.check("GetObjectTagging", in.bucket, in.key)} },
	serve: func(s *Service, w http.ResponseWriter, in *request) error {
		if _, err := in.store.Head(in.Context(), in.bucket, in.key, blob.Conditions{}); err != nil && !errors.Is(err, blob.ErrKeyNeeded) {
			return err
		}
		return writeDocument(w, struct {
			XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ Tagging"`
			TagSet  struct{}
		}{})
	},
}
