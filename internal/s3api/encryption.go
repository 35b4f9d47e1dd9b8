package s3api

import (
	"bytes"
	"crypto/md5" //nolint:gosec // the protocol's check of how a key was sent
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"darkroom/internal/blob"
	"darkroom/internal/gateway"
	"darkroom/internal/secret"
)

// The headers of server-side encryption.
const (
	sseHeader      = "x-amz-server-side-encryption"
	keyIDHeader    = "x-amz-server-side-encryption-aws-kms-key-id"
	contextHeader  = "x-amz-server-side-encryption-context"
	bucketHeader   = "x-amz-server-side-encryption-bucket-key-enabled"
	customerPrefix = "x-amz-server-side-encryption-customer-"
	sourcePrefix   = "x-amz-copy-source-server-side-encryption-customer-"
)

// argument refuses a value as S3 does: with the argument's name beside the message.
func argument(c Code, name, message string) *Error {
	e := refuse(c, "%s", message)
	e.extra = [][2]string{{"ArgumentName", name}}
	return e
}

// has says whether a header is there, be it empty.
func (in *request) has(name string) bool { return len(in.header.Values(name)) > 0 }

// storageClasses are those of S3.
var storageClasses = map[string]bool{
	"STANDARD": true, "REDUCED_REDUNDANCY": true, "STANDARD_IA": true, "ONEZONE_IA": true, "INTELLIGENT_TIERING": true, "GLACIER": true,
	"DEEP_ARCHIVE": true, "OUTPOSTS": true, "GLACIER_IR": true, "SNOW": true, "EXPRESS_ONEZONE": true, "FSX_OPENZFS": true, "FSX_ONTAP": true,
}

// cannedACLs are those of S3 for objects.
var cannedACLs = map[string]bool{
	"private": true, "public-read": true, "public-read-write": true, "authenticated-read": true, "aws-exec-read": true, "bucket-owner-read": true,
	"bucket-owner-full-control": true,
}

// storage reads how a writer wants an object to be kept. What the store cannot do of it, it says itself.
func (in *request) storage() (blob.Storage, error) {
	o := blob.Storage{Class: in.header.Get("x-amz-storage-class"), ACL: in.header.Get("x-amz-acl")}
	switch {
	case in.has("x-amz-storage-class") && !storageClasses[o.Class]:
		return o, refuse(InvalidStorageClass, "The storage class you specified is not valid")
	case in.has("x-amz-acl") && !cannedACLs[o.ACL]:
		return o, argument(InvalidArgument, "x-amz-acl", "The canned ACL you specified is not valid.")
	}
	var err error
	o.Encryption, err = in.encryption()
	return o, err
}

func (in *request) encryption() (e blob.Encryption, err error) {
	if in.named(customerPrefix) {
		if in.has(sseHeader) || in.has(keyIDHeader) || in.has(contextHeader) || in.has(bucketHeader) {
			return e, argument(InvalidArgument, sseHeader, "Server Side Encryption with Customer provided key is incompatible with the encryption method specified")
		}
		e.Method = blob.SSEC
		e.Customer, err = in.customerKey(customerPrefix, true)
		return e, err
	}
	e.Method, e.KeyID = blob.Method(in.header.Get(sseHeader)), in.header.Get(keyIDHeader)
	switch {
	case e.Method == blob.SSEDSSE:
		return e, refuse(NotImplemented, "Not offered by this installation: %s: %s. It can be %s or %s.", sseHeader, blob.SSEDSSE, blob.SSES3, blob.SSEKMS)
	case in.has(sseHeader) && e.Method != blob.SSES3 && e.Method != blob.SSEKMS:
		return e, argument(InvalidArgument, sseHeader, "The encryption method specified is not supported")
	case e.Method != blob.SSEKMS && (in.has(keyIDHeader) || in.has(contextHeader)):
		return e, argument(InvalidArgument, sseHeader, "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms")
	}
	if in.has(contextHeader) {
		if e.Context, err = parseContext(in.header.Get(contextHeader)); err != nil {
			return e, argument(InvalidArgument, contextHeader, "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map")
		}
	}
	if in.has(bucketHeader) {
		on, err := strconv.ParseBool(strings.ToLower(in.header.Get(bucketHeader)))
		if err != nil {
			return e, argument(InvalidArgument, bucketHeader, "The value of "+bucketHeader+" must be true or false.")
		}
		e.BucketKey = &on
	}
	return e, blob.CheckEncryption(e)
}

// maxContextHeader bounds an encryption context as it is sent.
const maxContextHeader = 2 * blob.MaxContext

// parseContext reads an encryption context: base64 of a JSON object of strings, each name once.
func parseContext(header string) (map[string]string, error) {
	bad := errors.New("not an encryption context")
	text, err := base64.StdEncoding.Strict().DecodeString(header)
	if err != nil || len(header) > maxContextHeader {
		return nil, bad
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, bad
	}
	out := make(map[string]string)
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, bad
		}
		value, err := d.Token()
		text, ok := value.(string)
		key, isName := name.(string)
		if _, twice := out[key]; err != nil || !ok || !isName || twice || key == "" {
			return nil, bad
		}
		out[key] = text
	}
	if _, err := d.Token(); err != nil {
		return nil, bad
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, bad
	}
	return out, nil
}

// named says whether any header of a key of the caller's is there.
func (in *request) named(prefix string) bool {
	return in.has(prefix+"algorithm") || in.has(prefix+"key") || in.has(prefix+"key-md5")
}

// customerKey reads a key that the caller gives; nil for none. For a write it must have the right size; whether it has for a read, the object knows.
func (in *request) customerKey(prefix string, write bool) (*blob.CustomerKey, error) {
	if !in.named(prefix) {
		return nil, nil //nolint:nilnil // no key is what it says
	}
	const requests = "Requests specifying Server Side Encryption with Customer provided keys must "
	switch {
	case !gateway.Secure(in.Context()):
		return nil, refuse(InvalidRequest, "%s", requests+"be made over a secure connection.")
	case !in.has(prefix + "algorithm"):
		return nil, argument(InvalidArgument, sseHeader, requests+"provide a valid encryption algorithm.")
	case in.header.Get(prefix+"algorithm") != blob.CustomerAlgorithm:
		return nil, argument(InvalidEncryptionAlgorithm, sseHeader, "The Encryption request you specified is not valid. Supported value: AES256.")
	case !in.has(prefix + "key"):
		return nil, argument(InvalidArgument, sseHeader, requests+"provide an appropriate secret key.")
	case !in.has(prefix + "key-md5"):
		return nil, argument(InvalidArgument, sseHeader, requests+"provide the client calculated MD5 of the secret key.")
	}
	invalid := argument(InvalidArgument, sseHeader, "The secret key was invalid for the specified algorithm.")
	key, err := base64.StdEncoding.Strict().DecodeString(in.header.Get(prefix + "key"))
	if err != nil {
		return nil, invalid
	}
	if sum := md5.Sum(key); in.header.Get(prefix+"key-md5") != base64.StdEncoding.EncodeToString(sum[:]) { //nolint:gosec // see above
		return nil, argument(InvalidArgument, sseHeader, "The calculated MD5 hash of the key did not match the hash that was provided.")
	}
	if write && len(key) != blob.CustomerKeySize {
		return nil, invalid
	}
	return &blob.CustomerKey{Key: secret.New(key)}, nil
}

// partStorage reads what a part says of its encryption: the key of SSE-C again.
func (in *request) partStorage() (o blob.Storage, err error) {
	if in.named(customerPrefix) {
		o.Encryption.Method = blob.SSEC
		o.Encryption.Customer, err = in.customerKey(customerPrefix, true)
	}
	return o, err
}

// reading reads the conditions of a read, and the key that it brings.
func (in *request) reading() (c blob.Conditions, err error) {
	c = in.conditions("")
	c.Customer, err = in.customerKey(customerPrefix, false)
	return c, err
}

// copying does so for the source of a copy.
func (in *request) copying() (c blob.Conditions, err error) {
	c = in.conditions("x-amz-copy-source-")
	c.Customer, err = in.customerKey(sourcePrefix, false)
	return c, err
}

// showEncryption says how an object is encrypted, where that is known. The context is told to who wrote it alone.
func (in *request) showEncryption(h http.Header, e blob.Encryption) {
	switch e.Method {
	case "":
	case blob.SSEC:
		h.Set(customerPrefix+"algorithm", blob.CustomerAlgorithm)
		h.Set(customerPrefix+"key-MD5", in.header.Get(customerPrefix+"key-md5")) // that of the key which opened it, or it would not have come to this
	default:
		h.Set(sseHeader, string(e.Method))
	}
	if e.KeyID != "" {
		h.Set(keyIDHeader, e.KeyID)
	}
	if e.BucketKey != nil && *e.BucketKey {
		h.Set(bucketHeader, "true")
	}
}

// showWritten is showEncryption for who wrote the object.
func (in *request) showWritten(h http.Header, e blob.Encryption) {
	in.showEncryption(h, e)
	if e.Method == blob.SSEKMS && in.has(contextHeader) {
		h.Set(contextHeader, in.header.Get(contextHeader))
	}
}

// sealedSum says whether the checksum of an object is told only with its key (HEAD does not need that otherwise).
func sealedSum(i blob.Info) bool {
	return i.Encryption.Method == blob.SSEKMS && i.Metadata.Checksum.Algorithm != "" && i.Metadata.Checksum.Value == ""
}

type encryptionDocument struct {
	XMLName xml.Name         `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ServerSideEncryptionConfiguration"`
	Rules   []encryptionRule `xml:"Rule"`
}

type encryptionRule struct {
	Default          *encryptionDefault `xml:"ApplyServerSideEncryptionByDefault"`
	BucketKeyEnabled bool
}

type encryptionDefault struct {
	KeyID     string `xml:"KMSMasterKeyID,omitempty"`
	Algorithm string `xml:"SSEAlgorithm"`
}

// encryptionRequest is the document as it comes, with what it has beyond that.
type encryptionRequest struct {
	Rules []struct {
		Default *struct {
			encryptionDefault
			Unknown []unknown `xml:",any"`
		} `xml:"ApplyServerSideEncryptionByDefault"`
		BucketKeyEnabled string
		Blocked          *struct {
			Types   []string  `xml:"EncryptionType"`
			Unknown []unknown `xml:",any"`
		} `xml:"BlockedEncryptionTypes"`
		Unknown []unknown `xml:",any"`
	} `xml:"Rule"`
	Unknown []unknown `xml:",any"`
}

func (s *Service) getBucketEncryption(w http.ResponseWriter, in *request) error {
	e, err := in.store.BucketEncryption(in.Context(), in.bucket)
	if err != nil {
		return err
	}
	if e.Method == "" { // the store does not say
		return refuse(Code{"ServerSideEncryptionConfigurationNotFoundError", http.StatusNotFound}, "The server side encryption configuration was not found")
	}
	return writeDocument(w, encryptionDocument{Rules: []encryptionRule{{
		Default: &encryptionDefault{KeyID: e.KeyID, Algorithm: string(e.Method)}, BucketKeyEnabled: e.BucketKey,
	}}})
}

func (s *Service) putBucketEncryption(w http.ResponseWriter, in *request) error {
	if _, err := in.store.HeadBucket(in.Context(), in.bucket); err != nil {
		return err
	}
	sum, err := in.contentMD5()
	if err != nil {
		return err
	}
	checksum, trailer, err := in.checksum()
	if err != nil {
		return err
	}
	var doc encryptionRequest
	raw, err := readDocument(in.Body, "ServerSideEncryptionConfiguration", &doc)
	if raw != nil {
		if err := verifyDocument(raw, sum, checksum, trailer); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	e, err := doc.encryption()
	if err != nil {
		return err
	}
	if err := in.store.SetBucketEncryption(in.Context(), in.bucket, e); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// encryption is what the document asks for.
func (d *encryptionRequest) encryption() (e blob.BucketEncryption, err error) {
	malformed := refuse(MalformedXML, "The XML you provided was not well-formed or did not validate against our published schema")
	if err := refuseUnknown(d.Unknown); err != nil {
		return e, err
	}
	if len(d.Rules) != 1 {
		return e, malformed
	}
	rule := d.Rules[0]
	if err := refuseUnknown(rule.Unknown); err != nil {
		return e, err
	}
	e.Method = blob.SSES3
	switch strings.TrimSpace(rule.BucketKeyEnabled) {
	case "true", "1":
		e.BucketKey = true
	case "", "false", "0":
	default:
		return e, malformed
	}
	if b := rule.Blocked; b != nil {
		if err := refuseUnknown(b.Unknown); err != nil {
			return e, err
		}
		for _, t := range b.Types {
			switch t {
			case "NONE":
			case "SSE-C":
				return e, refuse(NotImplemented, "Not offered by this installation: BlockedEncryptionTypes: SSE-C. Deny it by a policy with the condition key s3:x-amz-server-side-encryption-customer-algorithm.")
			default:
				return e, malformed
			}
		}
	}
	if rule.Default == nil {
		return e, nil
	}
	if err := refuseUnknown(rule.Default.Unknown); err != nil {
		return e, err
	}
	e.Method, e.KeyID = blob.Method(rule.Default.Algorithm), rule.Default.KeyID
	switch e.Method {
	case blob.SSES3:
		if e.KeyID != "" {
			return e, argument(InvalidArgument, "ApplyServerSideEncryptionByDefault", "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse")
		}
	case blob.SSEKMS:
	case blob.SSEDSSE:
		return e, refuse(NotImplemented, "Not offered by this installation: SSEAlgorithm: %s. It can be %s or %s.", blob.SSEDSSE, blob.SSES3, blob.SSEKMS)
	default:
		return e, malformed
	}
	return e, blob.CheckBucketEncryption(e)
}

func (s *Service) deleteBucketEncryption(w http.ResponseWriter, in *request) error {
	if err := in.store.SetBucketEncryption(in.Context(), in.bucket, blob.BucketEncryption{}); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
