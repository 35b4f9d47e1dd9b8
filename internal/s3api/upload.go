package s3api

import (
	"encoding/xml"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"darkroom/internal/blob"
)

// upload is the upload that a request names.
func (in *request) upload() blob.Upload {
	return blob.Upload{Bucket: in.bucket, Key: in.key, ID: in.query.Get("uploadId")}
}

func (in *request) partNumber() (int, error) {
	n, err := strconv.ParseUint(in.query.Get("partNumber"), 10, 31)
	if err != nil || n < 1 || n > blob.MaxParts {
		return 0, refuse(InvalidArgument, "Part number must be an integer between 1 and %d, inclusive", blob.MaxParts)
	}
	return int(n), nil
}

type createUploadResult struct {
	XMLName  xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ InitiateMultipartUploadResult"`
	Bucket   string
	Key      text
	UploadID string `xml:"UploadId"`
}

func (s *Service) createUpload(w http.ResponseWriter, in *request) error {
	m, err := in.metadata()
	if err != nil {
		return err
	}
	m.Checksum = blob.Checksum{Algorithm: strings.ToUpper(in.header.Get("x-amz-checksum-algorithm")), Type: in.header.Get("x-amz-checksum-type")}
	storage, err := in.storage()
	if err != nil {
		return err
	}
	u, err := in.store.CreateUpload(in.Context(), in.bucket, in.key, blob.UploadOptions{Metadata: m, Storage: storage})
	if err != nil {
		return err
	}
	in.showWritten(w.Header(), u.Encryption)
	if u.Checksum.Algorithm != "" {
		w.Header().Set("x-amz-checksum-algorithm", u.Checksum.Algorithm)
		w.Header().Set("x-amz-checksum-type", u.Checksum.Type)
	}
	return writeDocument(w, createUploadResult{Bucket: in.bucket, Key: plain(in.key), UploadID: u.ID})
}

func (s *Service) uploadPart(w http.ResponseWriter, in *request) error {
	number, err := in.partNumber()
	if err != nil {
		return err
	}
	o, err := in.putOptions()
	if err != nil {
		return err
	}
	if o.Storage, err = in.partStorage(); err != nil {
		return err
	}
	p, err := in.store.UploadPart(in.Context(), in.upload(), number, in.body(), o)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("ETag", quote(p.ETag))
	in.showEncryption(h, p.Encryption)
	p.Checksum.Type = ""
	showChecksum(h, p.Checksum)
	w.WriteHeader(http.StatusOK)
	return nil
}

type completeDocument struct {
	Parts []struct {
		PartNumber int
		ETag       string
		checksumElements
		Unknown []unknown `xml:",any"`
	} `xml:"Part"`
	Unknown []unknown `xml:",any"`
}

type completeResult struct {
	XMLName  xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CompleteMultipartUploadResult"`
	Location text
	Bucket   string
	Key      text
	ETag     string
	checksumElements
}

func (s *Service) completeUpload(w http.ResponseWriter, in *request) error {
	c, err := in.writeConditions()
	if err != nil {
		return err
	}
	if c.Customer, err = in.customerKey(customerPrefix, true); err != nil {
		return err
	}
	u := in.upload()
	if u.Checksum, err = in.wholeChecksum(); err != nil {
		return err
	}
	var doc completeDocument
	if _, err := readDocument(in.Body, "CompleteMultipartUpload", &doc); err != nil {
		return err
	}
	if err := refuseUnknown(doc.Unknown); err != nil {
		return err
	}
	if len(doc.Parts) == 0 || len(doc.Parts) > blob.MaxParts {
		return refuse(MalformedXML, "The XML you provided was not well-formed or did not validate against our published schema: it lists %d parts, not 1 to %d", len(doc.Parts), blob.MaxParts)
	}
	parts := make([]blob.Part, 0, len(doc.Parts))
	for _, p := range doc.Parts {
		if err := refuseUnknown(p.Unknown); err != nil {
			return err
		}
		checksum, err := p.checksum()
		if err != nil {
			return err
		}
		parts = append(parts, blob.Part{Number: p.PartNumber, ETag: unquote(p.ETag), Checksum: checksum})
	}
	if err := s.checkWhole(in, u, parts); err != nil {
		return err
	}
	info, err := in.store.CompleteUpload(in.Context(), u, parts, c)
	if err != nil {
		return err
	}
	if info.Encryption.Method != blob.SSEC { // as with S3, which was not told the key
		in.showEncryption(w.Header(), info.Encryption)
	}
	return writeDocument(w, completeResult{
		Location: plain("/" + in.bucket + "/" + encodeURL(in.key)), Bucket: in.bucket, Key: plain(in.key), ETag: quote(info.ETag),
		checksumElements: elements(info.Metadata.Checksum),
	})
}

// wholeChecksum reads the checksum that the whole object must have.
func (in *request) wholeChecksum() (blob.Checksum, error) {
	var out blob.Checksum
	for name, algorithm := range checksumHeaders {
		v := in.header.Get(name)
		if v == "" {
			continue
		}
		if out.Value != "" {
			return out, refuse(InvalidRequest, "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		value, _, _ := strings.Cut(v, "-")
		if err := blob.CheckChecksum(algorithm, value); err != nil {
			return out, refuse(InvalidRequest, "Value for %s header is invalid.", name)
		}
		out = blob.Checksum{Algorithm: algorithm, Value: v}
	}
	out.Type = in.header.Get("x-amz-checksum-type")
	return out, nil
}

// checkWhole compares what the request says of the whole with the parts that are there: x-amz-mp-object-size and x-amz-checksum-type.
func (s *Service) checkWhole(in *request, u blob.Upload, parts []blob.Part) error {
	if v := in.header.Get("x-amz-mp-object-size"); v != "" {
		want, err := strconv.ParseUint(v, 10, 63)
		if err != nil {
			return refuse(InvalidRequest, "Value for x-amz-mp-object-size header is invalid.")
		}
		have, err := in.store.ListParts(in.Context(), u)
		if err != nil {
			return err
		}
		size := int64(0)
		for _, p := range have {
			if slices.ContainsFunc(parts, func(q blob.Part) bool { return q.Number == p.Number }) {
				size += p.Size
			}
		}
		if size != int64(want) {
			return refuse(InvalidRequest, "The provided 'x-amz-mp-object-size' header value %d does not match what was computed: %d", want, size)
		}
	}
	if u.Checksum.Type == "" {
		return nil
	}
	all, err := in.store.ListUploads(in.Context(), in.bucket, in.key)
	if err != nil {
		return err
	}
	for _, other := range all {
		if other.ID == u.ID && other.Checksum.Type != "" && other.Checksum.Type != u.Checksum.Type {
			return refuse(InvalidRequest, "The upload was created using the %s checksum mode. The complete request must use the same checksum mode.", other.Checksum.Type)
		}
	}
	return nil
}

func (s *Service) abortUpload(w http.ResponseWriter, in *request) error {
	if err := in.store.AbortUpload(in.Context(), in.upload()); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

type partsResult struct {
	XMLName              xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListPartsResult"`
	Bucket               string
	Key                  text
	UploadID             string `xml:"UploadId"`
	Initiator, Owner     owner
	StorageClass         string
	PartNumberMarker     int
	NextPartNumberMarker int
	MaxParts             int
	IsTruncated          bool
	ChecksumAlgorithm    string      `xml:",omitempty"`
	ChecksumType         string      `xml:",omitempty"`
	Parts                []partEntry `xml:"Part,omitempty"`
}

type partEntry struct {
	PartNumber   int
	LastModified string
	ETag         string
	Size         int64
	checksumElements
}

func (s *Service) listParts(w http.ResponseWriter, in *request) error {
	limit, err := in.number("max-parts", blob.MaxKeys, blob.MaxKeys)
	if err != nil {
		return err
	}
	marker, err := in.number("part-number-marker", 0, blob.MaxParts)
	if err != nil {
		return err
	}
	parts, err := in.store.ListParts(in.Context(), in.upload())
	if err != nil {
		return err
	}
	out := partsResult{
		Bucket: in.bucket, Key: plain(in.key), UploadID: in.query.Get("uploadId"), Initiator: owner{ID: in.account}, Owner: owner{ID: in.account},
		StorageClass: "STANDARD", PartNumberMarker: marker, MaxParts: limit,
	}
	for _, p := range parts {
		if p.Number <= marker {
			continue
		}
		if len(out.Parts) == limit {
			out.IsTruncated = limit > 0
			break
		}
		p.Checksum.Type = ""
		out.Parts = append(out.Parts, partEntry{
			PartNumber: p.Number, LastModified: stamp(p.LastModified), ETag: quote(p.ETag), Size: p.Size,
			checksumElements: elements(p.Checksum),
		})
		out.NextPartNumberMarker = p.Number
		if out.ChecksumAlgorithm == "" {
			out.ChecksumAlgorithm = p.Checksum.Algorithm
		}
	}
	return writeDocument(w, out)
}

type uploadsResult struct {
	XMLName            xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListMultipartUploadsResult"`
	Bucket             string
	KeyMarker          text
	UploadIDMarker     string `xml:"UploadIdMarker"`
	NextKeyMarker      *text  `xml:",omitempty"`
	NextUploadIDMarker string `xml:"NextUploadIdMarker,omitempty"`
	Prefix             text
	Delimiter          *text  `xml:",omitempty"`
	EncodingType       string `xml:",omitempty"`
	MaxUploads         int
	IsTruncated        bool
	Uploads            []uploadEntry `xml:"Upload,omitempty"`
	CommonPrefixes     []prefixEntry `xml:",omitempty"`
}

type uploadEntry struct {
	Key               text
	UploadID          string `xml:"UploadId"`
	Initiator, Owner  owner
	StorageClass      string
	Initiated         string
	ChecksumAlgorithm string `xml:",omitempty"`
	ChecksumType      string `xml:",omitempty"`
}

func (s *Service) listUploads(w http.ResponseWriter, in *request) error {
	kind, name, err := in.encoder()
	if err != nil {
		return err
	}
	limit, err := in.number("max-uploads", blob.MaxKeys, blob.MaxKeys)
	if err != nil {
		return err
	}
	prefix, delimiter := in.query.Get("prefix"), in.query.Get("delimiter")
	keyMarker, idMarker := in.query.Get("key-marker"), in.query.Get("upload-id-marker")
	all, err := in.store.ListUploads(in.Context(), in.bucket, prefix)
	if err != nil {
		return err
	}
	out := uploadsResult{Bucket: in.bucket, KeyMarker: name(keyMarker), UploadIDMarker: idMarker, Prefix: name(prefix), EncodingType: kind, MaxUploads: limit}
	if delimiter != "" {
		d := name(delimiter)
		out.Delimiter = &d
	}
	lastPrefix, lastKey, lastID, count := "", "", "", 0
	for _, u := range afterMarker(all, keyMarker, idMarker) {
		shared := ""
		if i := strings.Index(u.Key[len(prefix):], delimiter); delimiter != "" && i >= 0 {
			shared = u.Key[:len(prefix)+i+len(delimiter)]
			if shared == lastPrefix || keyMarker != "" && strings.HasPrefix(keyMarker, shared) {
				continue
			}
		}
		if count == limit {
			if out.IsTruncated = limit > 0; out.IsTruncated {
				next := name(lastKey)
				out.NextKeyMarker, out.NextUploadIDMarker = &next, lastID
			}
			break
		}
		count++
		if shared != "" {
			out.CommonPrefixes = append(out.CommonPrefixes, prefixEntry{name(shared)})
			lastPrefix, lastKey, lastID = shared, shared, ""
			continue
		}
		lastKey, lastID = u.Key, u.ID
		out.Uploads = append(out.Uploads, uploadEntry{
			Key: name(u.Key), UploadID: u.ID, Initiator: owner{ID: in.account}, Owner: owner{ID: in.account}, StorageClass: "STANDARD",
			Initiated: stamp(u.Initiated), ChecksumAlgorithm: u.Checksum.Algorithm, ChecksumType: u.Checksum.Type,
		})
	}
	return writeDocument(w, out)
}

// afterMarker leaves out the uploads up to the markers: keys up to the key marker, but of that key itself those behind the upload marker.
func afterMarker(all []blob.Upload, key, id string) []blob.Upload {
	if key == "" {
		return all
	}
	seen := false
	for i, u := range all {
		if u.Key > key || u.Key == key && id != "" && seen {
			return all[i:]
		}
		seen = seen || u.Key == key && u.ID == id
	}
	return nil
}
