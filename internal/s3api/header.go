package s3api

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"darkroom/internal/blob"
)

// accepted are the x-amz-* headers that are understood. With a nil list any value is read by an operation; else the values are those that ask for
// what happens anyway.
var accepted = map[string][]string{
	"x-amz-object-ownership":                {"BucketOwnerEnforced"},
	"x-amz-bucket-object-lock-enabled":      {"false"},
	"x-amz-tagging-directive":               {"COPY"}, // there are no tags
	"x-amz-metadata-directive":              {"COPY", "REPLACE"},
	"x-amz-checksum-mode":                   {"ENABLED"},
	"x-amz-checksum-algorithm":              nil,
	"x-amz-checksum-type":                   {blob.FullObject, blob.Composite},
	"x-amz-sdk-checksum-algorithm":          nil,
	"x-amz-checksum-crc32":                  nil,
	"x-amz-checksum-crc32c":                 nil,
	"x-amz-checksum-crc64nvme":              nil,
	"x-amz-checksum-sha1":                   nil,
	"x-amz-checksum-sha256":                 nil,
	"x-amz-copy-source":                     nil,
	"x-amz-copy-source-range":               nil,
	"x-amz-copy-source-if-match":            nil,
	"x-amz-copy-source-if-none-match":       nil,
	"x-amz-copy-source-if-modified-since":   nil,
	"x-amz-copy-source-if-unmodified-since": nil,
	"x-amz-expected-bucket-owner":           nil,
	"x-amz-source-expected-bucket-owner":    nil,
	"x-amz-mp-object-size":                  nil,
}

// storageHeaders are the headers that say how an object is kept, and whether an operation takes them.
var storageHeaders = map[string]func(*operation) bool{
	"x-amz-acl":                  func(op *operation) bool { return op.writes || op == createBucket },
	"x-amz-storage-class":        func(op *operation) bool { return op.writes },
	sseHeader:                    func(op *operation) bool { return op.writes },
	keyIDHeader:                  func(op *operation) bool { return op.writes },
	contextHeader:                func(op *operation) bool { return op.writes },
	bucketHeader:                 func(op *operation) bool { return op.writes },
	customerPrefix + "algorithm": func(op *operation) bool { return op.keyed || op.writes },
	customerPrefix + "key":       func(op *operation) bool { return op.keyed || op.writes },
	customerPrefix + "key-md5":   func(op *operation) bool { return op.keyed || op.writes },
	sourcePrefix + "algorithm":   func(op *operation) bool { return op == copyObject || op == copyPart },
	sourcePrefix + "key":         func(op *operation) bool { return op == copyObject || op == copyPart },
	sourcePrefix + "key-md5":     func(op *operation) bool { return op == copyObject || op == copyPart },
}

const metaPrefix = "x-amz-meta-"

// checkHeaders refuses, by name, every x-amz-* header that would not be honoured.
func (s *Service) checkHeaders(in *request, op *operation) error {
	for name, values := range in.header {
		lower := strings.ToLower(name)
		if !strings.HasPrefix(lower, "x-amz-") || signing[lower] || strings.HasPrefix(lower, metaPrefix) {
			continue
		}
		allowed, known := accepted[lower]
		if taken, isStorage := storageHeaders[lower]; isStorage {
			allowed, known = nil, true
			if !taken(op) {
				return argument(InvalidArgument, lower, lower+" header is not supported for this operation.")
			}
		}
		if op == createBucket && lower == "x-amz-acl" {
			allowed = []string{"private"}
		}
		if !known {
			return refuse(NotImplemented, "Not offered by this installation: the header %s.", clean(lower))
		}
		if len(values) != 1 {
			return refuse(InvalidArgument, "The header %s is given more than once.", lower)
		}
		if allowed != nil && !slices.Contains(allowed, values[0]) {
			return refuse(NotImplemented, "Not offered by this installation: %s: %s. It can be %s.", lower, clean(values[0]), strings.Join(allowed, " or "))
		}
		if strings.HasPrefix(lower, "x-amz-copy-source-") && in.copySource == nil {
			return refuse(InvalidArgument, "%s has no meaning without x-amz-copy-source.", lower)
		}
		if strings.HasSuffix(lower, "expected-bucket-owner") && values[0] != in.account {
			return refuse(AccessDenied, "Access Denied")
		}
	}
	if op == deleteObject && (in.header.Get("If-Match") != "" || in.header.Get("If-None-Match") != "") {
		return refuse(NotImplemented, "Not offered by this installation: conditions with DeleteObject.")
	}
	return nil
}

// defaultType is what S3 says of an object whose writer said nothing.
const defaultType = "binary/octet-stream"

// metadata reads what the writer says of an object.
func (in *request) metadata() (blob.Metadata, error) {
	m := blob.Metadata{
		ContentType: in.header.Get("Content-Type"), CacheControl: in.header.Get("Cache-Control"), ContentDisposition: in.header.Get("Content-Disposition"),
		ContentEncoding: in.header.Get("Content-Encoding"), ContentLanguage: in.header.Get("Content-Language"), Expires: in.header.Get("Expires"),
	}
	if m.ContentType == "" {
		m.ContentType = defaultType
	}
	for name, values := range in.header {
		if user, ok := strings.CutPrefix(strings.ToLower(name), metaPrefix); ok {
			if user == "" {
				return m, refuse(InvalidArgument, "A header of user metadata needs a name behind %s.", metaPrefix)
			}
			if m.User == nil {
				m.User = make(map[string]string)
			}
			m.User[user] = strings.Join(values, ",")
		}
	}
	return m, blob.CheckMetadata(m)
}

// checksumHeaders are the headers of additional checksums.
var checksumHeaders = map[string]string{
	"x-amz-checksum-crc32": blob.CRC32, "x-amz-checksum-crc32c": blob.CRC32C, "x-amz-checksum-crc64nvme": blob.CRC64NVME,
	"x-amz-checksum-sha1": blob.SHA1, "x-amz-checksum-sha256": blob.SHA256,
}

func checksumHeader(algorithm string) string { return "x-amz-checksum-" + strings.ToLower(algorithm) }

// checksum reads the additional checksum of a body: in a header, or announced as a trailer, which trailer then gives.
func (in *request) checksum() (c blob.Checksum, trailer func() string, err error) {
	found := 0
	for name, algorithm := range checksumHeaders {
		if v := in.header.Get(name); v != "" {
			found++
			c = blob.Checksum{Algorithm: algorithm, Value: v}
			if err := blob.CheckChecksum(algorithm, v); err != nil {
				return c, nil, refuse(InvalidRequest, "Value for %s header is invalid.", name)
			}
		}
		if _, ok := in.Trailer[http.CanonicalHeaderKey(name)]; ok {
			found++
			c = blob.Checksum{Algorithm: algorithm}
			trailer = func() string { return in.Trailer.Get(name) }
		}
	}
	announced := len(in.Trailer)
	if trailer != nil {
		announced--
	}
	if announced > 0 {
		return c, nil, refuse(NotImplemented, "Not offered by this installation: a trailer other than x-amz-checksum-crc32, -crc32c, -crc64nvme, -sha1 and -sha256.")
	}
	if found > 1 {
		return c, nil, refuse(InvalidRequest, "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
	}
	if said := strings.ToUpper(in.header.Get("x-amz-sdk-checksum-algorithm")); said != "" {
		if _, err := blob.NewHash(said); err != nil {
			return c, nil, refuse(InvalidRequest, "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
		}
		switch {
		case found == 0:
			return c, nil, refuse(InvalidRequest, "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.")
		case said != c.Algorithm:
			return c, nil, refuse(InvalidRequest, "Value for x-amz-sdk-checksum-algorithm header is invalid.")
		}
	}
	return c, trailer, nil
}

// contentMD5 reads Content-MD5.
func (in *request) contentMD5() ([]byte, error) {
	v, ok := in.header["Content-Md5"]
	if !ok {
		return nil, nil
	}
	sum, err := base64.StdEncoding.DecodeString(v[0])
	if err != nil || len(sum) != 16 || len(v) != 1 {
		return nil, refuse(InvalidDigest, "The Content-MD5 you specified is not valid.")
	}
	return sum, nil
}

// conditions reads the preconditions, whose names begin with prefix: empty, or x-amz-copy-source-. Dates that are none are passed over, as RFC
// 9110 has it.
func (in *request) conditions(prefix string) blob.Conditions {
	date := func(name string) time.Time {
		t, err := http.ParseTime(in.header.Get(prefix + name))
		if err != nil {
			return time.Time{}
		}
		return t
	}
	return blob.Conditions{
		IfMatch: unquote(in.header.Get(prefix + "If-Match")), IfNoneMatch: unquote(in.header.Get(prefix + "If-None-Match")),
		IfModifiedSince: date("If-Modified-Since"), IfUnmodifiedSince: date("If-Unmodified-Since"),
	}
}

// writeConditions reads the preconditions of a write, of which S3 knows two.
func (in *request) writeConditions() (blob.Conditions, error) {
	c := in.conditions("")
	if c.IfMatch != "" && c.IfNoneMatch != "" || c.IfNoneMatch != "" && c.IfNoneMatch != "*" {
		return c, refuse(NotImplemented, "A header you provided implies functionality that is not implemented: a write takes If-Match, or If-None-Match: *.")
	}
	if !c.IfModifiedSince.IsZero() || !c.IfUnmodifiedSince.IsZero() {
		return c, refuse(NotImplemented, "A header you provided implies functionality that is not implemented: a write takes no condition on time.")
	}
	return c, nil
}

// parseRange reads a Range header of one range of bytes; nil where it has none, or is to be passed over (RFC 9110 section 14.2).
func parseRange(header string) *blob.Range {
	spec, ok := strings.CutPrefix(header, "bytes=")
	if !ok || strings.Contains(spec, ",") {
		return nil
	}
	first, last, ok := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok {
		return nil
	}
	number := func(s string) int64 {
		n, err := strconv.ParseUint(s, 10, 63)
		if err != nil {
			return -1
		}
		return int64(n)
	}
	start, end := number(first), number(last)
	switch {
	case first == "" && end >= 0:
		return &blob.Range{Start: -1, Length: end}
	case start >= 0 && last == "":
		return &blob.Range{Start: start, End: -1}
	case start >= 0 && end >= start:
		return &blob.Range{Start: start, End: end}
	}
	return nil
}

// number reads a parameter that is a number from 0 to limit; above it, it is the limit. Without one it is other.
func (in *request) number(name string, other, limit int) (int, error) {
	v := in.query.Get(name)
	if v == "" {
		return other, nil
	}
	n, err := strconv.ParseUint(v, 10, 31)
	if err != nil {
		return 0, refuse(InvalidArgument, "Provided %s not an integer or within integer range", name)
	}
	return min(int(n), limit), nil
}

// describe sets the headers of an object.
func (in *request) describe(h http.Header, i blob.Info) {
	h.Set("ETag", quote(i.ETag))
	h.Set("Last-Modified", i.LastModified.UTC().Format(http.TimeFormat))
	h.Set("Accept-Ranges", "bytes")
	h.Set("X-Content-Type-Options", "nosniff") // what somebody stored is not a page of this origin
	h.Set("Content-Security-Policy", "sandbox")
	for name, value := range map[string]string{
		"Content-Type": i.Metadata.ContentType, "Cache-Control": i.Metadata.CacheControl, "Content-Disposition": i.Metadata.ContentDisposition,
		"Content-Encoding": i.Metadata.ContentEncoding, "Content-Language": i.Metadata.ContentLanguage, "Expires": i.Metadata.Expires,
	} {
		if value != "" {
			h.Set(name, value)
		}
	}
	for name, value := range i.Metadata.User {
		h[metaPrefix+name] = []string{value} // in lower case also over HTTP/1.1: clients show the name as it comes
	}
	in.showEncryption(h, i.Encryption)
	if i.Class != "" && i.Class != "STANDARD" {
		h.Set("x-amz-storage-class", i.Class)
	}
}

// showChecksum sets the headers of an additional checksum.
func showChecksum(h http.Header, c blob.Checksum) {
	if c.Value == "" {
		return
	}
	h.Set(checksumHeader(c.Algorithm), c.Value)
	if c.Type != "" {
		h.Set("x-amz-checksum-type", c.Type)
	}
}

// override sets the headers that the query of a GET asks for.
func (in *request) override(h http.Header) error {
	for name, values := range in.query {
		target, ok := strings.CutPrefix(name, "response-")
		if !ok {
			continue
		}
		for _, c := range []byte(values[0]) {
			if c < 0x20 || c == 0x7f {
				return refuse(InvalidArgument, "%s is no value of a header.", name)
			}
		}
		h.Set(target, values[0])
	}
	return nil
}

// contentRange is the Content-Range of a part of an object.
func contentRange(start, length, size int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", start, start+length-1, size)
}
