package s3api

import (
	"crypto/md5" //nolint:gosec // Content-MD5
	"crypto/subtle"
	"encoding/base64"
	"encoding/xml"
	"net/http"

	"darkroom/internal/audit"
	"darkroom/internal/blob"
)

// deletes is the document of DeleteObjects.
type deletes struct {
	Objects []struct {
		Key       string
		VersionID string    `xml:"VersionId"`
		Unknown   []unknown `xml:",any"` // conditions
	} `xml:"Object"`
	Quiet   bool
	Unknown []unknown `xml:",any"`
}

type deletesResult struct {
	XMLName xml.Name       `xml:"http://s3.amazonaws.com/doc/2006-03-01/ DeleteResult"`
	Deleted []deletedEntry `xml:",omitempty"`
	Errors  []deleteError  `xml:"Error,omitempty"`
}

type deletedEntry struct{ Key text }

type deleteError struct {
	Key           text
	Code, Message string
}

// readDeletes reads and verifies the document of DeleteObjects, whose keys are each a check of their own.
func (s *Service) readDeletes(in *request) error {
	sum, err := in.contentMD5()
	if err != nil {
		return err
	}
	checksum, trailer, err := in.checksum()
	if err != nil {
		return err
	}
	if sum == nil && checksum.Algorithm == "" {
		return refuse(InvalidRequest, "Missing required header for this request: Content-MD5 or x-amz-checksum-*")
	}
	in.deletes = new(deletes)
	raw, err := readDocument(in.Body, "Delete", in.deletes)
	if raw != nil {
		if err := verifyDocument(raw, sum, checksum, trailer); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	if err := refuseUnknown(in.deletes.Unknown); err != nil {
		return err
	}
	if n := len(in.deletes.Objects); n == 0 || n > blob.MaxKeys {
		return refuse(MalformedXML, "The XML you provided was not well-formed or did not validate against our published schema: it names %d objects, not 1 to %d", n, blob.MaxKeys)
	}
	for _, o := range in.deletes.Objects {
		if err := blob.CheckKey(o.Key); err != nil {
			return err
		}
		if o.VersionID != "" && o.VersionID != "null" {
			return refuse(NotImplemented, "Not offered by this installation: versions. The only version of an object is null.")
		}
		if err := refuseUnknown(o.Unknown); err != nil {
			return err
		}
	}
	return nil
}

// verifyDocument compares a document with what was said of it.
func verifyDocument(raw, sum []byte, c blob.Checksum, trailer func() string) error {
	have := md5.Sum(raw) //nolint:gosec // see above
	if sum != nil && subtle.ConstantTimeCompare(sum, have[:]) != 1 {
		return blob.ErrBadDigest
	}
	if c.Algorithm == "" {
		return nil
	}
	h, err := blob.NewHash(c.Algorithm)
	if err != nil {
		return err
	}
	h.Write(raw)
	if trailer != nil {
		c.Value = trailer()
	}
	if c.Value != base64.StdEncoding.EncodeToString(h.Sum(nil)) {
		return blob.ErrBadDigest
	}
	return nil
}

func (s *Service) deleteObjects(w http.ResponseWriter, in *request) error {
	if _, err := in.store.HeadBucket(in.Context(), in.bucket); err != nil {
		return err
	}
	var out deletesResult
	gone := 0
	for _, o := range in.deletes.Objects {
		if err := in.store.Delete(in.Context(), in.bucket, o.Key); err != nil {
			if in.Context().Err() != nil {
				return err
			}
			e := explain(err)
			out.Errors = append(out.Errors, deleteError{plain(o.Key), e.Code.Name, e.Message})
			continue
		}
		gone++
		if !in.deletes.Quiet {
			out.Deleted = append(out.Deleted, deletedEntry{plain(o.Key)})
		}
	}
	in.erased(gone)
	return writeDocument(w, out)
}

// erased notes in the record of a request that objects were erased with their keys, where the store does so. Which objects stands in the record anyway.
func (in *request) erased(objects int) {
	p := audit.From(in.Context())
	if s, ok := in.store.(interface{ ErasesKeys() bool }); ok && s.ErasesKeys() && p != nil && objects > 0 {
		p.Annotate("keyMaterialDestroyed", map[string]any{"objects": objects, "unreadable": "the bytes that they had"})
	}
}
