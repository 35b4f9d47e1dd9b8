package s3api

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"darkroom/internal/blob"
)

// getObject answers GetObject and HeadObject.
func (s *Service) getObject(w http.ResponseWriter, in *request) error {
	c, err := in.reading()
	if err != nil {
		return err
	}
	rng := parseRange(in.header.Get("Range"))
	partial := rng != nil
	if in.query.Has("partNumber") {
		if partial {
			return refuse(InvalidRequest, "Cannot specify both Range header and partNumber query parameter")
		}
		if rng, c, err = s.partRange(w, in, c); err != nil {
			return s.noted(w, in, c, err)
		}
		partial = true
	}
	if partial && in.header.Get("If-Range") != "" && !s.sameRange(in, c) {
		rng, partial = nil, false
	}
	object, err := s.open(in, rng, c)
	if err != nil {
		return s.noted(w, in, c, err)
	}
	defer object.Body.Close()
	h := w.Header()
	in.describe(h, object.Info)
	if err := in.override(h); err != nil {
		return err
	}
	if in.header.Get("x-amz-checksum-mode") != "" && object.Length == object.Size {
		showChecksum(h, object.Metadata.Checksum)
	}
	h.Set("Content-Length", strconv.FormatInt(object.Length, 10))
	status := http.StatusOK
	if partial && object.Size > 0 {
		h.Set("Content-Range", contentRange(object.Start, object.Length, object.Size))
		status = http.StatusPartialContent
	}
	w.WriteHeader(status)
	if in.Method == http.MethodHead {
		return nil
	}
	if _, err := io.Copy(w, object.Body); err != nil {
		return fmt.Errorf("send object: %w", err) // the connection is cut, so that nobody takes the rest for the whole
	}
	return nil
}

// open opens an object, for HEAD without its bytes.
func (s *Service) open(in *request, rng *blob.Range, c blob.Conditions) (*blob.Object, error) {
	if in.Method != http.MethodHead {
		return in.store.Get(in.Context(), in.bucket, in.key, rng, c)
	}
	info, err := in.store.Head(in.Context(), in.bucket, in.key, c)
	if err != nil {
		return nil, err
	}
	if sealedSum(info) && in.header.Get("x-amz-checksum-mode") != "" && rng == nil {
		c.IfMatch = info.ETag
		return in.store.Get(in.Context(), in.bucket, in.key, nil, c) // its bytes are not sent
	}
	start, length, err := rng.Resolve(info.Size)
	if err != nil {
		return nil, err
	}
	return &blob.Object{Info: info, Body: http.NoBody, Start: start, Length: length}, nil
}

// noted adds to a refusal of a read what the caller can do with: the tag with 304, the size with 416.
func (s *Service) noted(w http.ResponseWriter, in *request, c blob.Conditions, err error) error {
	if !errors.Is(err, blob.ErrNotModified) && !errors.Is(err, blob.ErrInvalidRange) {
		return err
	}
	info, headErr := in.store.Head(in.Context(), in.bucket, in.key, blob.Conditions{Customer: c.Customer})
	if headErr != nil {
		return err
	}
	if errors.Is(err, blob.ErrNotModified) {
		in.describe(w.Header(), info)
		w.Header().Del("Content-Type")
		return err
	}
	e := explain(err)
	e.header = map[string]string{"Content-Range": fmt.Sprintf("bytes */%d", info.Size)}
	e.extra = [][2]string{{"RangeRequested", in.header.Get("Range")}, {"ActualObjectSize", strconv.FormatInt(info.Size, 10)}}
	return e
}

// sameRange says whether the object is still the one that If-Range names (RFC 9110 section 13.1.5).
func (s *Service) sameRange(in *request, c blob.Conditions) bool {
	info, err := in.store.Head(in.Context(), in.bucket, in.key, blob.Conditions{Customer: c.Customer})
	if err != nil {
		return true // the read says why
	}
	want := in.header.Get("If-Range")
	if t, err := http.ParseTime(want); err == nil {
		return info.LastModified.UTC().Format(http.TimeFormat) == t.UTC().Format(http.TimeFormat)
	}
	return !strings.HasPrefix(want, "W/") && unquote(want) == info.ETag
}

// partRange finds the range of the part that a read asks for, and binds the read to the object whose parts they are.
func (s *Service) partRange(w http.ResponseWriter, in *request, c blob.Conditions) (*blob.Range, blob.Conditions, error) {
	number, err := strconv.ParseUint(in.query.Get("partNumber"), 10, 31)
	if err != nil || number < 1 || number > blob.MaxParts {
		return nil, c, refuse(InvalidArgument, "Part number must be an integer between 1 and %d, inclusive", blob.MaxParts)
	}
	info, err := in.store.Head(in.Context(), in.bucket, in.key, c)
	if err != nil {
		return nil, c, err
	}
	c = blob.Conditions{IfMatch: info.ETag, Customer: c.Customer}
	sizes := info.Parts
	switch {
	case sizes == nil && strings.Contains(info.ETag, "-"):
		return nil, c, refuse(NotImplemented, "Not offered by this installation: partNumber, for the store does not know the parts of an object.")
	case sizes == nil:
		sizes = []int64{info.Size}
	default:
		w.Header().Set("x-amz-mp-parts-count", strconv.Itoa(len(sizes)))
	}
	if int(number) > len(sizes) {
		return nil, c, refuse(InvalidPartNumber, "The requested partnumber is not satisfiable")
	}
	start := int64(0)
	for _, size := range sizes[:number-1] {
		start += size
	}
	if sizes[number-1] == 0 {
		if info.Size == 0 {
			return nil, c, nil
		}
		return nil, c, blob.ErrInvalidRange
	}
	return &blob.Range{Start: start, End: start + sizes[number-1] - 1}, c, nil
}

// putOptions reads what goes with a body.
func (in *request) putOptions() (blob.PutOptions, error) {
	o := blob.PutOptions{Size: in.ContentLength}
	if o.Size < 0 {
		return o, refuse(MissingContentLength, "You must provide the Content-Length HTTP header.")
	}
	if o.Size > blob.MaxPart {
		return o, blob.ErrEntityTooLarge
	}
	var err error
	if o.ContentMD5, err = in.contentMD5(); err != nil {
		return o, err
	}
	o.Metadata.Checksum, o.Trailer, err = in.checksum()
	return o, err
}

// body is the body of a request, whose errors say what went wrong.
func (in *request) body() io.Reader { return bodyReader{in.Body} }

type bodyReader struct{ r io.Reader }

func (b bodyReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && err != io.EOF {
		err = bodyError(err)
	}
	return n, err
}

func (s *Service) putObject(w http.ResponseWriter, in *request) error {
	o, err := in.putOptions()
	if err != nil {
		return err
	}
	checksum := o.Metadata.Checksum
	if o.Metadata, err = in.metadata(); err != nil {
		return err
	}
	o.Metadata.Checksum = checksum
	if o.Conditions, err = in.writeConditions(); err != nil {
		return err
	}
	if o.Storage, err = in.storage(); err != nil {
		return err
	}
	info, err := in.store.Put(in.Context(), in.bucket, in.key, in.body(), o)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("ETag", quote(info.ETag))
	in.showWritten(h, info.Encryption)
	showChecksum(h, info.Metadata.Checksum)
	w.WriteHeader(http.StatusOK)
	return nil
}

func (s *Service) deleteObject(w http.ResponseWriter, in *request) error {
	if err := in.store.Delete(in.Context(), in.bucket, in.key); err != nil {
		return err
	}
	in.erased(1)
	w.WriteHeader(http.StatusNoContent)
	return nil
}
