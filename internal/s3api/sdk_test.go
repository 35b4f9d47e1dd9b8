package s3api_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
)

// TestSDK is a day of the SDK's own client: what it sends by default, and what it reads out of our answers.
func TestSDK(t *testing.T) {
	t.Parallel()
	p := newPeer(t, nil)
	c, ctx := p.root(), t.Context()
	b := aws.String("films")
	if _, err := c.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: b, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: region}}); err != nil {
		t.Fatal(err)
	}
	location, err := c.GetBucketLocation(ctx, &awss3.GetBucketLocationInput{Bucket: b})
	if err != nil || string(location.LocationConstraint) != region {
		t.Errorf("location: %v %v", location, err)
	}
	head, err := c.HeadBucket(ctx, &awss3.HeadBucketInput{Bucket: b})
	if err != nil || aws.ToString(head.BucketRegion) != region {
		t.Errorf("head: %v %v", head, err)
	}
	keys := []string{"a b+c/ä&=;%.mp4", "a/../b", "dir/1", "dir/2", "dir/sub/3", "z"}
	for _, key := range keys {
		if _, err := c.PutObject(ctx, &awss3.PutObjectInput{Bucket: b, Key: &key, Body: strings.NewReader("body of " + key), ContentType: aws.String("text/x-test"), Metadata: map[string]string{"made-by": "us"}}); err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		got, err := c.GetObject(ctx, &awss3.GetObjectInput{Bucket: b, Key: &key, ChecksumMode: types.ChecksumModeEnabled})
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		body, err := io.ReadAll(got.Body)
		if err != nil || string(body) != "body of "+key || aws.ToString(got.ContentType) != "text/x-test" || got.Metadata["made-by"] != "us" || got.ChecksumCRC32 == nil {
			t.Errorf("%s: got %q %v %v %v, %v", key, body, aws.ToString(got.ContentType), got.Metadata, aws.ToString(got.ChecksumCRC32), err)
		}
	}
	var listed, prefixes []string
	pages := awss3.NewListObjectsV2Paginator(c, &awss3.ListObjectsV2Input{Bucket: b, MaxKeys: aws.Int32(2), Delimiter: aws.String("/"), EncodingType: types.EncodingTypeUrl})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			listed = append(listed, *o.Key)
		}
		for _, o := range page.CommonPrefixes {
			prefixes = append(prefixes, *o.Prefix)
		}
	}
	if diff := cmp.Diff([][]string{{"z"}, {"a%20b%2Bc/", "a/", "dir/"}}, [][]string{listed, prefixes}); diff != "" {
		t.Errorf("list (-want +got): %s", diff)
	}
	if _, err := c.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: b, Key: aws.String("copy"), CopySource: aws.String("films/a%20b%2Bc/%C3%A4%26%3D%3B%25.mp4")}); err != nil {
		t.Errorf("copy: %v", err)
	}
	deletes := []types.ObjectIdentifier{{Key: aws.String("copy")}, {Key: aws.String("never was")}}
	for _, key := range keys {
		deletes = append(deletes, types.ObjectIdentifier{Key: &key})
	}
	gone, err := c.DeleteObjects(ctx, &awss3.DeleteObjectsInput{Bucket: b, Delete: &types.Delete{Objects: deletes}})
	if err != nil || len(gone.Deleted) != len(deletes) || len(gone.Errors) != 0 {
		t.Errorf("delete: %+v %v", gone, err)
	}
	if _, err := c.DeleteBucket(ctx, &awss3.DeleteBucketInput{Bucket: b}); err != nil {
		t.Errorf("the emptied bucket: %v", err)
	}
	_, err = c.GetObject(ctx, &awss3.GetObjectInput{Bucket: b, Key: aws.String("z")})
	if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != "NoSuchBucket" {
		t.Errorf("after the bucket is gone: %v", err)
	}
}

func TestMultipart(t *testing.T) {
	t.Parallel()
	p := newPeer(t, nil)
	p.mustPut(t, "films", "other", "x")
	c, ctx := p.root(), t.Context()
	b, k := aws.String("films"), aws.String("big")
	up, err := c.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: b, Key: k, ChecksumAlgorithm: types.ChecksumAlgorithmSha256})
	if err != nil {
		t.Fatal(err)
	}
	var whole []byte
	var parts []types.CompletedPart
	for n := range int32(3) {
		body := bytes.Repeat([]byte{byte('a' + n)}, 5<<20+int(n))
		whole = append(whole, body...)
		o, err := c.UploadPart(ctx, &awss3.UploadPartInput{Bucket: b, Key: k, UploadId: up.UploadId, PartNumber: aws.Int32(n + 1), Body: bytes.NewReader(body), ChecksumAlgorithm: types.ChecksumAlgorithmSha256})
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, types.CompletedPart{PartNumber: aws.Int32(n + 1), ETag: o.ETag, ChecksumSHA256: o.ChecksumSHA256})
	}
	listed, err := c.ListParts(ctx, &awss3.ListPartsInput{Bucket: b, Key: k, UploadId: up.UploadId, MaxParts: aws.Int32(2)})
	if err != nil || len(listed.Parts) != 2 || !aws.ToBool(listed.IsTruncated) || aws.ToInt64(listed.Parts[1].Size) != 5<<20+1 {
		t.Errorf("parts: %+v %v", listed, err)
	}
	uploads, err := c.ListMultipartUploads(ctx, &awss3.ListMultipartUploadsInput{Bucket: b})
	if err != nil || len(uploads.Uploads) != 1 || aws.ToString(uploads.Uploads[0].UploadId) != *up.UploadId {
		t.Errorf("uploads: %+v %v", uploads, err)
	}
	backwards := slices.Clone(parts)
	slices.Reverse(backwards)
	wrong := slices.Clone(parts)
	wrong[1].ETag = parts[0].ETag
	for name, list := range map[string][]types.CompletedPart{"InvalidPartOrder": backwards, "InvalidPart": wrong} {
		_, err := c.CompleteMultipartUpload(ctx, &awss3.CompleteMultipartUploadInput{Bucket: b, Key: k, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: list}})
		if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != name {
			t.Errorf("%s: got %v", name, err)
		}
	}
	done, err := c.CompleteMultipartUpload(ctx, &awss3.CompleteMultipartUploadInput{Bucket: b, Key: k, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
	if err != nil || !strings.HasSuffix(aws.ToString(done.ETag), `-3"`) || !strings.HasSuffix(aws.ToString(done.ChecksumSHA256), "-3") {
		t.Fatalf("complete: %+v %v", done, err)
	}
	got, err := c.GetObject(ctx, &awss3.GetObjectInput{Bucket: b, Key: k})
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(got.Body)
	if err != nil || sha256.Sum256(body) != sha256.Sum256(whole) {
		t.Errorf("got %d bytes, %v", len(body), err)
	}
	part, err := c.GetObject(ctx, &awss3.GetObjectInput{Bucket: b, Key: k, Range: aws.String("bytes=5242878-5242881")})
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(part.Body); err != nil || string(body) != "aabb" {
		t.Errorf("over the seam of two parts: %q, %v", body, err)
	}
}

// TestPresigned: a URL is good for its method, its object and its time.
func TestPresigned(t *testing.T) {
	t.Parallel()
	p := newPeer(t, nil)
	p.mustPut(t, "films", "shared/a", "clear")
	p.mustPut(t, "films", "private/a", "clear")
	b := aws.String("films")
	presign := func(id string) *awss3.PresignClient { return awss3.NewPresignClient(p.client(id)) }
	get, err := presign(userID).PresignGetObject(t.Context(), &awss3.GetObjectInput{Bucket: b, Key: aws.String("shared/a")})
	if err != nil {
		t.Fatal(err)
	}
	denied, err := presign(userID).PresignGetObject(t.Context(), &awss3.GetObjectInput{Bucket: b, Key: aws.String("private/a")})
	if err != nil {
		t.Fatal(err)
	}
	put, err := presign(rootID).PresignPutObject(t.Context(), &awss3.PutObjectInput{Bucket: b, Key: aws.String("new")})
	if err != nil {
		t.Fatal(err)
	}
	short, err := presign(userID).PresignGetObject(t.Context(), &awss3.GetObjectInput{Bucket: b, Key: aws.String("shared/a")}, awss3.WithPresignExpires(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	// The signature's time is a second old at the earliest when the clock has passed it by two.
	time.Sleep(2 * time.Second)
	for _, tt := range []struct {
		name, method, url, body string
		status                  int
		code                    string
	}{
		{"get", http.MethodGet, get.URL, "", 200, ""},
		{"put", http.MethodPut, put.URL, "body", 200, ""},
		{"another method", http.MethodPut, get.URL, "body", 403, "SignatureDoesNotMatch"},
		{"another object", http.MethodGet, strings.Replace(get.URL, "shared/a", "private/a", 1), "", 403, "SignatureDoesNotMatch"},
		{"a longer time", http.MethodGet, strings.Replace(get.URL, "X-Amz-Expires=900", "X-Amz-Expires=9000", 1), "", 403, "SignatureDoesNotMatch"},
		{"one more parameter", http.MethodGet, get.URL + "&response-content-type=text/html", "", 403, "SignatureDoesNotMatch"},
		{"who may not", http.MethodGet, denied.URL, "", 403, "AccessDenied"},
		{"too late", http.MethodGet, short.URL, "", 403, "AccessDenied"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), tt.method, tt.url, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		a := p.send(t, r)
		if a.status != tt.status || a.err.Code != tt.code {
			t.Errorf("%s: got %d %+v, want %d %s", tt.name, a.status, a.err, tt.status, tt.code)
		}
		if tt.name == "get" && a.body != "clear" {
			t.Errorf("get: %q", a.body)
		}
	}
}

// TestTwoWriters: of writers that race for one name with If-None-Match, one wins; without it, the object is one of theirs, whole.
func TestTwoWriters(t *testing.T) {
	t.Parallel()
	p := newPeer(t, nil)
	p.mustPut(t, "films", "other", "x")
	c := p.root()
	results := make(chan error, 8)
	for i := range cap(results) {
		go func() {
			_, err := c.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String("films"), Key: aws.String("one"), Body: strings.NewReader(fmt.Sprint(i)), IfNoneMatch: aws.String("*")})
			results <- err
		}()
	}
	won := 0
	for range cap(results) {
		err := <-results
		if err == nil {
			won++
			continue
		}
		if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != "PreconditionFailed" && api.ErrorCode() != "ConditionalRequestConflict" {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d writers won", won)
	}
}

// TestCopy: in parts, with another checksum, and only if the source is what was looked at.
func TestCopy(t *testing.T) {
	t.Parallel()
	p := newPeer(t, nil)
	body := strings.Repeat("0123456789", 600<<10)
	p.mustPut(t, "films", "from", body)
	c, ctx := p.root(), t.Context()
	b, source := aws.String("films"), aws.String("films/from")
	up, err := c.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: b, Key: aws.String("to")})
	if err != nil {
		t.Fatal(err)
	}
	var parts []types.CompletedPart
	for n, span := range []string{"bytes=0-5242879", "bytes=5242880-6143999"} {
		o, err := c.UploadPartCopy(ctx, &awss3.UploadPartCopyInput{Bucket: b, Key: aws.String("to"), UploadId: up.UploadId, PartNumber: aws.Int32(int32(n + 1)), CopySource: source, CopySourceRange: &span})
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, types.CompletedPart{PartNumber: aws.Int32(int32(n + 1)), ETag: o.CopyPartResult.ETag})
	}
	for _, span := range []string{"bytes=0-6144000", "bytes=5-", "0-5"} {
		_, err := c.UploadPartCopy(ctx, &awss3.UploadPartCopyInput{Bucket: b, Key: aws.String("to"), UploadId: up.UploadId, PartNumber: aws.Int32(3), CopySource: source, CopySourceRange: &span})
		if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != "InvalidArgument" {
			t.Errorf("%s: got %v, want InvalidArgument", span, err)
		}
	}
	if _, err := c.CompleteMultipartUpload(ctx, &awss3.CompleteMultipartUploadInput{Bucket: b, Key: aws.String("to"), UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}}); err != nil {
		t.Fatal(err)
	}
	again, err := c.CopyObject(ctx, &awss3.CopyObjectInput{
		Bucket: b, Key: aws.String("again"), CopySource: aws.String("films/to"), ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
		MetadataDirective: types.MetadataDirectiveReplace, ContentType: aws.String("video/mp4"),
	})
	if err != nil || again.CopyObjectResult.ChecksumSHA256 == nil {
		t.Fatalf("copy with a checksum: %+v %v", again, err)
	}
	got, err := c.GetObject(ctx, &awss3.GetObjectInput{Bucket: b, Key: aws.String("again"), ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		t.Fatal(err)
	}
	read, err := io.ReadAll(got.Body)
	if err != nil || string(read) != body || aws.ToString(got.ContentType) != "video/mp4" {
		t.Errorf("got %d bytes of %s, %v", len(read), aws.ToString(got.ContentType), err)
	}
	part, err := c.GetObject(ctx, &awss3.GetObjectInput{Bucket: b, Key: aws.String("to"), PartNumber: aws.Int32(2)})
	if err != nil {
		t.Fatal(err)
	}
	if read, err := io.ReadAll(part.Body); err != nil || len(read) != 901120 || aws.ToInt32(part.PartsCount) != 2 {
		t.Errorf("part 2: %d bytes of %d parts, %v", len(read), aws.ToInt32(part.PartsCount), err)
	}
}

// TestIfRange: a range of an object that has changed since is the whole (RFC 9110 section 13.1.5).
func TestIfRange(t *testing.T) {
	t.Parallel()
	p := newPeer(t, nil)
	p.mustPut(t, "bucket", "k", "0123456789")
	head := p.do(t, call{method: "HEAD", path: "/bucket/k"})
	for value, want := range map[string]string{
		head.header.Get("ETag"): "01", `"other"`: "0123456789", "W/" + head.header.Get("ETag"): "0123456789",
		head.header.Get("Last-Modified"): "01", "Mon, 02 Jan 2006 15:04:05 GMT": "0123456789",
	} {
		a := p.do(t, call{method: "GET", path: "/bucket/k", header: map[string]string{"Range": "bytes=0-1", "If-Range": value}})
		if a.body != want {
			t.Errorf("If-Range %s: got %d %q, want %q", value, a.status, a.body, want)
		}
	}
}

// TestListV1 reads pages by marker, and by the last key where the answer names no marker.
func TestListV1(t *testing.T) {
	t.Parallel()
	p := newPeer(t, nil)
	for _, k := range []string{"a", "b/1", "b/2", "c", "d"} {
		p.mustPut(t, "films", k, "x")
	}
	for delimiter, want := range map[string][]string{"": {"a", "b/1", "b/2", "c", "d"}, "/": {"a", "b/", "c", "d"}} {
		in := &awss3.ListObjectsInput{Bucket: aws.String("films"), MaxKeys: aws.Int32(2), Delimiter: &delimiter}
		var got []string
		for {
			out, err := p.root().ListObjects(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range out.Contents {
				got = append(got, *o.Key)
			}
			for _, o := range out.CommonPrefixes {
				got = append(got, *o.Prefix)
			}
			if !aws.ToBool(out.IsTruncated) {
				break
			}
			in.Marker = out.NextMarker
			if in.Marker == nil {
				in.Marker = &got[len(got)-1]
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("delimiter %q (-want +got): %s", delimiter, diff)
		}
	}
}

// TestQuestions are those that clients ask of a bucket before they use it.
func TestQuestions(t *testing.T) {
	t.Parallel()
	p := newPeer(t, nil)
	p.mustPut(t, "films", "k", "x")
	c, ctx, b := p.root(), t.Context(), aws.String("films")
	enc, err := c.GetBucketEncryption(ctx, &awss3.GetBucketEncryptionInput{Bucket: b})
	if err != nil || enc.ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm != types.ServerSideEncryptionAes256 {
		t.Errorf("encryption: %+v %v", enc, err)
	}
	if v, err := c.GetBucketVersioning(ctx, &awss3.GetBucketVersioningInput{Bucket: b}); err != nil || v.Status != "" {
		t.Errorf("versioning: %+v %v", v, err)
	}
	if tags, err := c.GetObjectTagging(ctx, &awss3.GetObjectTaggingInput{Bucket: b, Key: aws.String("k")}); err != nil || len(tags.TagSet) != 0 {
		t.Errorf("tags: %+v %v", tags, err)
	}
	all, err := c.ListBuckets(ctx, &awss3.ListBucketsInput{})
	if err != nil || len(all.Buckets) != 1 || *all.Buckets[0].Name != "films" {
		t.Errorf("buckets: %+v %v", all, err)
	}
}
