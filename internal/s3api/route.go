package s3api

import (
	"net/http"
	"slices"
	"strings"

	"darkroom/internal/iam"
)

// operation is one operation of the API.
type operation struct {
	name string
	// query are the parameters that it takes, besides those that begin with x-.
	query []string
	// prepare reads what the checks need, without any effect; nil for nothing.
	prepare func(*Service, *request) error
	checks  func(*request) []iam.Check
	// writes says that it takes how an object is to be kept, keyed that it takes the key of SSE-C alone.
	writes, keyed bool
	serve         func(*Service, http.ResponseWriter, *request) error
}

// onBucket and onObject are the checks of operations that need one permission.
func onBucket(action string) func(*request) []iam.Check {
	return func(in *request) []iam.Check { return []iam.Check{in.check(action, in.bucket, "")} }
}

func onObject(action string) func(*request) []iam.Check {
	return func(in *request) []iam.Check { return []iam.Check{in.check(action, in.bucket, in.key)} }
}

func onCopy(in *request) []iam.Check {
	return append([]iam.Check{in.check("GetObject", in.copySource.bucket, in.copySource.key)}, onWrite(in)...)
}

// onWrite are the checks of a write, which may say who else is to have the object.
func onWrite(in *request) []iam.Check {
	out := []iam.Check{in.check("PutObject", in.bucket, in.key)}
	if in.has("x-amz-acl") {
		out = append(out, in.check("PutObjectAcl", in.bucket, in.key))
	}
	return out
}

var responseOverrides = []string{
	"response-content-type", "response-content-language", "response-expires", "response-cache-control", "response-content-disposition",
	"response-content-encoding", "partNumber", "versionId",
}

// The operations.
var (
	listBuckets = &operation{
		name: "ListBuckets", query: []string{"max-buckets", "continuation-token", "prefix", "bucket-region"},
		checks: func(*request) []iam.Check { return []iam.Check{{Action: "s3:ListAllMyBuckets", Resource: "*"}} }, serve: (*Service).listBuckets,
	}
	createBucket = &operation{name: "CreateBucket", checks: onBucket("CreateBucket"), serve: (*Service).createBucket}
	deleteBucket = &operation{name: "DeleteBucket", checks: onBucket("DeleteBucket"), serve: (*Service).deleteBucket}
	headBucket   = &operation{name: "HeadBucket", checks: onBucket("ListBucket"), serve: (*Service).headBucket}
	listV1       = &operation{
		name: "ListObjects", query: []string{"prefix", "delimiter", "marker", "max-keys", "encoding-type"},
		checks: onBucket("ListBucket"), serve: (*Service).listV1,
	}
	listV2 = &operation{
		name:   "ListObjectsV2",
		query:  []string{"list-type", "prefix", "delimiter", "start-after", "continuation-token", "max-keys", "encoding-type", "fetch-owner"},
		checks: onBucket("ListBucket"), serve: (*Service).listV2,
	}
	listUploads = &operation{
		name:   "ListMultipartUploads",
		query:  []string{"uploads", "prefix", "delimiter", "key-marker", "upload-id-marker", "max-uploads", "encoding-type"},
		checks: onBucket("ListBucketMultipartUploads"), serve: (*Service).listUploads,
	}
	deleteObjects = &operation{
		name: "DeleteObjects", query: []string{"delete"}, prepare: (*Service).readDeletes,
		checks: func(in *request) []iam.Check {
			out := make([]iam.Check, 0, len(in.deletes.Objects))
			for _, o := range in.deletes.Objects {
				out = append(out, in.check("DeleteObject", in.bucket, o.Key))
			}
			return out
		}, serve: (*Service).deleteObjects,
	}

	getBucketEncryption = &operation{
		name: "GetBucketEncryption", query: []string{"encryption"}, checks: onBucket("GetEncryptionConfiguration"), serve: (*Service).getBucketEncryption,
	}
	putBucketEncryption = &operation{
		name: "PutBucketEncryption", query: []string{"encryption"}, checks: onBucket("PutEncryptionConfiguration"), serve: (*Service).putBucketEncryption,
	}
	deleteBucketEncryption = &operation{
		name: "DeleteBucketEncryption", query: []string{"encryption"}, checks: onBucket("PutEncryptionConfiguration"), serve: (*Service).deleteBucketEncryption,
	}

	getObject    = &operation{name: "GetObject", query: responseOverrides, checks: onObject("GetObject"), keyed: true, serve: (*Service).getObject}
	headObject   = &operation{name: "HeadObject", query: responseOverrides, checks: onObject("GetObject"), keyed: true, serve: (*Service).getObject}
	putObject    = &operation{name: "PutObject", checks: onWrite, writes: true, serve: (*Service).putObject}
	copyObject   = &operation{name: "CopyObject", checks: onCopy, writes: true, serve: (*Service).copyObject}
	deleteObject = &operation{name: "DeleteObject", query: []string{"versionId"}, checks: onObject("DeleteObject"), serve: (*Service).deleteObject}

	createUpload = &operation{name: "CreateMultipartUpload", query: []string{"uploads"}, checks: onWrite, writes: true, serve: (*Service).createUpload}
	uploadPart   = &operation{name: "UploadPart", query: []string{"partNumber", "uploadId"}, checks: onObject("PutObject"), keyed: true, serve: (*Service).uploadPart}
	copyPart     = &operation{name: "UploadPartCopy", query: []string{"partNumber", "uploadId"}, checks: onCopy, keyed: true, serve: (*Service).copyPart}
	complete     = &operation{name: "CompleteMultipartUpload", query: []string{"uploadId"}, checks: onObject("PutObject"), keyed: true, serve: (*Service).completeUpload}
	abortUpload  = &operation{name: "AbortMultipartUpload", query: []string{"uploadId"}, checks: onObject("AbortMultipartUpload"), serve: (*Service).abortUpload}
	listParts    = &operation{
		name: "ListParts", query: []string{"uploadId", "max-parts", "part-number-marker"},
		checks: onObject("ListMultipartUploadParts"), serve: (*Service).listParts,
	}
)

// subresources are all that S3 knows; a request that names one is about it, and about nothing else.
var subresources = []string{
	"abac", "accelerate", "acl", "analytics", "annotation", "attributes", "cors", "delete", "encryption", "intelligent-tiering", "inventory", "legal-hold", "lifecycle",
	"location", "logging", "metadataConfiguration", "metadataInventoryTable", "metadataJournalTable", "metadataTable", "metrics", "notification",
	"object-lock", "ownershipControls", "policy", "policyStatus", "publicAccessBlock", "renameObject", "replication", "requestPayment", "restore", "retention",
	"select", "session", "tagging", "torrent", "uploads", "versioning", "versions", "website",
}

// route finds the operation of a request.
func route(in *request) (*operation, error) {
	var named []string
	for _, name := range subresources {
		if in.query.Has(name) {
			named = append(named, name)
		}
	}
	if len(named) > 1 {
		return nil, refuse(InvalidArgument, "Conflicting query string parameters: %s", strings.Join(named, ", "))
	}
	source := in.header.Get("X-Amz-Copy-Source")
	if source != "" {
		var err error
		if in.copySource, err = parseSource(source); err != nil {
			return nil, err
		}
	}
	op := find(in, slices.Concat(named, []string{""})[0])
	switch {
	case op == nil && len(named) > 0:
		return nil, refuse(NotImplemented, "Not offered by this installation: %s with ?%s.", clean(in.Method), named[0])
	case op == nil:
		return nil, refuse(MethodNotAllowed, "The specified method is not allowed against this resource.")
	case in.copySource != nil && op != copyObject && op != copyPart:
		return nil, refuse(InvalidArgument, "x-amz-copy-source has no meaning for %s.", op.name)
	}
	return op, nil
}

func find(in *request, sub string) *operation {
	switch {
	case in.bucket == "":
		if in.Method == http.MethodGet && sub == "" {
			return listBuckets
		}
		return nil
	case in.key == "":
		return findBucket(in, sub)
	}
	return findObject(in, sub)
}

func findBucket(in *request, sub string) *operation {
	switch in.Method + " " + sub {
	case "PUT ":
		return createBucket
	case "DELETE ":
		return deleteBucket
	case "HEAD ":
		return headBucket
	case "GET uploads":
		return listUploads
	case "GET encryption":
		return getBucketEncryption
	case "PUT encryption":
		return putBucketEncryption
	case "DELETE encryption":
		return deleteBucketEncryption
	case "POST delete":
		return deleteObjects
	case "GET ":
		if in.query.Get("list-type") == "2" {
			return listV2
		}
		return listV1
	}
	if in.Method == http.MethodGet {
		return unconfigured(sub)
	}
	return nil
}

func findObject(in *request, sub string) *operation {
	part := in.query.Has("uploadId")
	switch in.Method + " " + sub {
	case "POST uploads":
		return createUpload
	case "GET tagging":
		return getObjectTagging
	case "GET ":
		if part {
			return listParts
		}
		return getObject
	case "HEAD ":
		return headObject
	case "PUT ":
		switch {
		case part && in.copySource != nil:
			return copyPart
		case part:
			return uploadPart
		case in.copySource != nil:
			return copyObject
		}
		return putObject
	case "POST ":
		if part {
			return complete
		}
	case "DELETE ":
		if part {
			return abortUpload
		}
		return deleteObject
	}
	return nil
}

// checkQuery refuses parameters that the operation does not take. Those that begin with x- are the caller's own, as with S3, or were taken as
// headers.
func (s *Service) checkQuery(in *request, op *operation) error {
	for name, values := range in.query {
		switch lower := strings.ToLower(name); {
		case strings.HasPrefix(lower, "x-amz-") && strings.HasSuffix(lower, "-customer-key"):
			return argument(InvalidArgument, lower, "A key must be sent in a header: URLs are kept in histories and logs.")
		case strings.HasPrefix(lower, "x-"):
		case !slices.Contains(op.query, name):
			return refuse(NotImplemented, "Not offered by this installation: the query parameter %s with %s.", clean(name), op.name)
		case len(values) != 1:
			return refuse(InvalidArgument, "The query parameter %s is given more than once.", name)
		case name == "versionId" && values[0] != "null":
			return refuse(NoSuchVersion, "Not offered by this installation: versions. The only version of an object is null.")
		}
	}
	return nil
}

// Operations returns the names of all operations of the API, in order.
func Operations() []string {
	all := []*operation{
		listBuckets, createBucket, deleteBucket, headBucket, listV1, listV2, listUploads, deleteObjects, getObject, headObject, putObject, copyObject, deleteObject,
		createUpload, uploadPart, copyPart, complete, abortUpload, listParts, getObjectTagging,
		getBucketEncryption, putBucketEncryption, deleteBucketEncryption,
	}
	var names []string
	for _, op := range all {
		names = append(names, op.name)
	}
	for sub := range configurations {
		names = append(names, unconfigured(sub).name)
	}
	slices.Sort(names)
	return names
}
