package s3api

import (
	"encoding/xml"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"darkroom/internal/blob"
)

// source is the object that x-amz-copy-source names.
type source struct{ bucket, key string }

// parseSource reads [/]BUCKET/KEY[?versionId=ID], where the path is percent-encoded.
func parseSource(header string) (*source, error) {
	path, query, hasQuery := strings.Cut(header, "?")
	if hasQuery && query != "versionId=null" {
		return nil, refuse(NotImplemented, "Not offered by this installation: versions, in x-amz-copy-source. The only version of an object is null.")
	}
	bad := refuse(InvalidArgument, "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
	path, err := url.PathUnescape(strings.TrimPrefix(path, "/"))
	if err != nil {
		return nil, bad
	}
	bucket, key, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !ok || blob.CheckBucket(bucket) != nil || blob.CheckKey(key) != nil {
		return nil, bad
	}
	return &source{bucket, key}, nil
}

type copyResult struct {
	XMLName      xml.Name
	LastModified string
	ETag         string
	checksumElements
}

// checksumElements are the elements that documents have for a checksum.
type checksumElements struct {
	ChecksumCRC32     string `xml:",omitempty"`
	ChecksumCRC32C    string `xml:",omitempty"`
	ChecksumCRC64NVME string `xml:",omitempty"`
	ChecksumSHA1      string `xml:",omitempty"`
	ChecksumSHA256    string `xml:",omitempty"`
	ChecksumType      string `xml:",omitempty"`
}

func (c *checksumElements) field(algorithm string) *string {
	switch algorithm {
	case blob.CRC32:
		return &c.ChecksumCRC32
	case blob.CRC32C:
		return &c.ChecksumCRC32C
	case blob.CRC64NVME:
		return &c.ChecksumCRC64NVME
	case blob.SHA1:
		return &c.ChecksumSHA1
	case blob.SHA256:
		return &c.ChecksumSHA256
	}
	return new(string)
}

func elements(c blob.Checksum) (out checksumElements) {
	if c.Value != "" {
		*out.field(c.Algorithm) = c.Value
		out.ChecksumType = c.Type
	}
	return out
}

// checksum is the one that the elements have; with several it is an error.
func (c checksumElements) checksum() (blob.Checksum, error) {
	var out blob.Checksum
	for _, algorithm := range [...]string{blob.CRC32, blob.CRC32C, blob.CRC64NVME, blob.SHA1, blob.SHA256} {
		if v := *c.field(algorithm); v != "" {
			if out.Value != "" {
				return out, refuse(InvalidRequest, "Multiple checksum Types are not allowed.")
			}
			out.Algorithm, out.Value = algorithm, v
		}
	}
	return out, nil
}

// copiedError turns a condition on the source that says 304 for a read into what it is for a copy.
func copiedError(err error) error {
	if errors.Is(err, blob.ErrNotModified) {
		return blob.ErrPreconditionFailed
	}
	return err
}

func (s *Service) copyObject(w http.ResponseWriter, in *request) error {
	src := in.copySource
	c, err := in.copying()
	if err != nil {
		return err
	}
	storage, err := in.storage()
	if err != nil {
		return err
	}
	write, err := in.writeConditions()
	if err != nil {
		return err
	}
	var meta *blob.Metadata
	if in.header.Get("x-amz-metadata-directive") == "REPLACE" {
		m, err := in.metadata()
		if err != nil {
			return err
		}
		meta = &m
	}
	algorithm := strings.ToUpper(in.header.Get("x-amz-checksum-algorithm"))
	if algorithm != "" {
		if _, err := blob.NewHash(algorithm); err != nil {
			return err
		}
	}
	if src.bucket == in.bucket && src.key == in.key && meta == nil && algorithm == "" && storage.IsZero() {
		return refuse(InvalidRequest, "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
	}
	info, err := in.store.Head(in.Context(), src.bucket, src.key, c)
	if err != nil {
		return copiedError(err)
	}
	if info.Size > blob.MaxPart {
		return refuse(InvalidRequest, "The specified copy source is larger than the maximum allowable size for a copy source: %d", int64(blob.MaxPart))
	}
	c.IfMatch = info.ETag // what was looked at is what is copied
	if have := info.Metadata.Checksum; write == (blob.Conditions{}) && (algorithm == "" || algorithm == have.Algorithm && have.Type == blob.FullObject) {
		info, err = in.store.Copy(in.Context(), src.bucket, src.key, in.bucket, in.key, blob.CopyOptions{Metadata: meta, Conditions: c, Storage: storage})
	} else {
		info, err = s.copyBytes(in, blob.CopyOptions{Metadata: meta, Conditions: c, Storage: storage}, write, algorithm)
	}
	if err != nil {
		return copiedError(err)
	}
	in.showWritten(w.Header(), info.Encryption)
	return writeDocument(w, copyResult{
		XMLName: xml.Name{Space: namespace, Local: "CopyObjectResult"}, LastModified: stamp(info.LastModified), ETag: quote(info.ETag),
		checksumElements: elements(info.Metadata.Checksum),
	})
}

// copyBytes copies by reading and writing: for what a store's own copy does not do.
func (s *Service) copyBytes(in *request, c blob.CopyOptions, write blob.Conditions, algorithm string) (blob.Info, error) {
	object, err := in.store.Get(in.Context(), in.copySource.bucket, in.copySource.key, nil, c.Conditions)
	if err != nil {
		return blob.Info{}, err
	}
	defer object.Body.Close()
	o := blob.PutOptions{Size: object.Size, Conditions: write, Metadata: object.Metadata, Storage: c.Storage}
	if c.Metadata != nil {
		o.Metadata = *c.Metadata
	}
	o.Metadata.Checksum = blob.Checksum{Algorithm: algorithm}
	return in.store.Put(in.Context(), in.bucket, in.key, object.Body, o)
}

func (s *Service) copyPart(w http.ResponseWriter, in *request) error {
	number, err := in.partNumber()
	if err != nil {
		return err
	}
	c, err := in.copying()
	if err != nil {
		return err
	}
	part, err := in.partStorage()
	if err != nil {
		return err
	}
	var rng *blob.Range
	if header := in.header.Get("x-amz-copy-source-range"); header != "" {
		info, err := in.store.Head(in.Context(), in.copySource.bucket, in.copySource.key, c)
		if err != nil {
			return copiedError(err)
		}
		rng = parseRange(header)
		if rng == nil || rng.Start < 0 || rng.End < 0 {
			return refuse(InvalidArgument, "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
		}
		if rng.End >= info.Size {
			return refuse(InvalidArgument, "Range specified is not valid for source object of size: %d", info.Size)
		}
		c.IfMatch = info.ETag
	}
	object, err := in.store.Get(in.Context(), in.copySource.bucket, in.copySource.key, rng, c)
	if err != nil {
		return copiedError(err)
	}
	defer object.Body.Close()
	if object.Length > blob.MaxPart {
		return blob.ErrEntityTooLarge
	}
	p, err := in.store.UploadPart(in.Context(), in.upload(), number, object.Body, blob.PutOptions{Size: object.Length, Storage: part})
	if err != nil {
		return err
	}
	in.showEncryption(w.Header(), p.Encryption)
	return writeDocument(w, copyResult{
		XMLName: xml.Name{Space: namespace, Local: "CopyPartResult"}, LastModified: stamp(p.LastModified), ETag: quote(p.ETag),
		checksumElements: elements(p.Checksum),
	})
}
