package blob

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"
)

// The limits of S3 ("Amazon S3 multipart upload limits", "Object key naming").
const (
	MaxKey       = 1024     // bytes of a key
	MaxKeys      = 1000     // keys in a page
	MinPart      = 5 << 20  // bytes of a part that is not the last
	MaxPart      = 5 << 30  // bytes of a part, and of an object that is put at once
	MaxParts     = 10000    // parts of an upload
	MaxObject    = 50 << 40 // bytes of an object
	MaxUserBytes = 2 << 10  // bytes of names and values of user metadata

	maxSystemBytes = 8 << 10 // bytes of one header such as Content-Disposition
)

// CheckBucket says whether a name can be that of a bucket, or returns ErrInvalidBucketName ("General purpose bucket naming rules").
func CheckBucket(name string) error {
	ok := len(name) >= 3 && len(name) <= 63
	for i := 0; ok && i < len(name); i++ {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		inner := i > 0 && i < len(name)-1
		ok = letter || inner && (c == '-' || c == '.' && name[i-1] != '.')
	}
	for _, prefix := range [...]string{"xn--", "sthree-", "amzn-s3-demo-"} {
		ok = ok && !strings.HasPrefix(name, prefix)
	}
	for _, suffix := range [...]string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"} {
		ok = ok && !strings.HasSuffix(name, suffix)
	}
	if _, err := netip.ParseAddr(name); err == nil || !ok {
		return fmt.Errorf("%w: a bucket name has 3 to 63 of a-z, 0-9, - and ., begins and ends with a letter or digit, and is not an address", ErrInvalidBucketName)
	}
	return nil
}

// CheckKey says whether a key can be that of an object: 1 to MaxKey bytes of UTF-8 without NUL. It returns ErrKeyTooLong or
// ErrInvalidArgument.
func CheckKey(key string) error {
	switch {
	case len(key) > MaxKey:
		return fmt.Errorf("%w: a key has at most %d bytes", ErrKeyTooLong, MaxKey)
	case key == "":
		return fmt.Errorf("%w: a key is not empty", ErrInvalidArgument)
	case !utf8.ValidString(key) || strings.Contains(key, "\x00"):
		return fmt.Errorf("%w: a key is UTF-8 without NUL", ErrInvalidArgument)
	}
	return nil
}

// CheckMetadata says whether metadata can be kept: UTF-8 of a bounded size. It returns ErrInvalidArgument or ErrMetadataTooLarge.
func CheckMetadata(m Metadata) error {
	size := 0
	valid := true
	for name, value := range m.User {
		size += len(name) + len(value)
		valid = valid && utf8.ValidString(name) && utf8.ValidString(value)
	}
	for _, value := range [...]string{m.ContentType, m.CacheControl, m.ContentDisposition, m.ContentEncoding, m.ContentLanguage, m.Expires} {
		valid = valid && utf8.ValidString(value)
		if len(value) > maxSystemBytes {
			return fmt.Errorf("%w: a system header has at most %d bytes", ErrMetadataTooLarge, maxSystemBytes)
		}
	}
	if size > MaxUserBytes {
		return fmt.Errorf("%w: user metadata has at most %d bytes", ErrMetadataTooLarge, MaxUserBytes)
	}
	if !valid {
		return fmt.Errorf("%w: metadata is UTF-8", ErrInvalidArgument)
	}
	return nil
}

// Resolve says which bytes of an object of size bytes the range names. ErrInvalidRange says there are none.
func (r *Range) Resolve(size int64) (start, length int64, err error) {
	switch {
	case r == nil:
		return 0, size, nil
	case r.Start < 0:
		length = min(r.Length, size)
		start = size - length
	case r.End < 0:
		start, length = r.Start, size-r.Start
	default:
		start, length = r.Start, min(r.End, size-1)-r.Start+1
	}
	if length <= 0 {
		return 0, 0, ErrInvalidRange
	}
	return start, length, nil
}

// CheckRead evaluates the conditions for a read of an object, in the order of RFC 9110 section 13.2.2. The errors are ErrPreconditionFailed and
// ErrNotModified.
func (c Conditions) CheckRead(i Info) error {
	modified := i.LastModified.Truncate(time.Second) // HTTP dates have whole seconds
	switch {
	case c.IfMatch != "" && !matches(c.IfMatch, i.ETag):
		return ErrPreconditionFailed
	case c.IfMatch == "" && !c.IfUnmodifiedSince.IsZero() && modified.After(c.IfUnmodifiedSince):
		return ErrPreconditionFailed
	case c.IfNoneMatch != "" && matches(c.IfNoneMatch, i.ETag):
		return ErrNotModified
	case c.IfNoneMatch == "" && !c.IfModifiedSince.IsZero() && !modified.After(c.IfModifiedSince):
		return ErrNotModified
	}
	return nil
}

// CheckWrite evaluates the conditions for a write over the object that is there, nil for none. Of the conditions on time S3 knows none here.
// If-Match without an object is ErrNoSuchKey, as S3 has it.
func (c Conditions) CheckWrite(i *Info) error {
	switch {
	case c.IfMatch != "" && i == nil:
		return ErrNoSuchKey
	case c.IfMatch != "" && !matches(c.IfMatch, i.ETag):
		return ErrPreconditionFailed
	case c.IfNoneMatch != "" && i != nil && matches(c.IfNoneMatch, i.ETag):
		return ErrPreconditionFailed
	}
	return nil
}

// matches compares an ETag with a list of them, or *.
func matches(list, etag string) bool {
	for want := range strings.SplitSeq(list, ",") {
		want = strings.TrimPrefix(strings.TrimSpace(want), "W/")
		if want = strings.Trim(want, `"`); want == "*" || want == etag {
			return true
		}
	}
	return false
}
