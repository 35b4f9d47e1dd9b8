package plan

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/job"
)

// Encryption is whose keys an output is encrypted with in its store.
type Encryption int

// The encryptions. The zero value leaves it to the store.
const (
	StoreKeys  Encryption = iota + 1 // the store's own
	ServiceKey                       // a key of the key service
)

// Storage is how an output is kept in its store. What it does not say is up to the store.
type Storage struct {
	Encryption Encryption
	// KeyARN is the key of ServiceKey; empty means the one that the key service keeps for the store.
	KeyARN string
	// Context is bound to the use of that key.
	Context map[string]string
	// ACL is a canned access control list in the store's words, such as bucket-owner-read.
	ACL string
	// Class is a storage class other than the usual one.
	Class string
}

// StorageCapabilities is what the store of the outputs can do. The zero value can keep objects, and nothing else.
type StorageCapabilities struct {
	// Encryptions are those that can be asked for.
	Encryptions []Encryption
	// ACLs are the values of cannedAcl that are carried out, or ask for what is done anyway.
	ACLs []types.S3ObjectCannedAcl
	// Classes are the values of storageClass that are carried out besides STANDARD.
	Classes []types.S3StorageClass
	// Region is where the keys of ServiceKey are, empty when that is not known.
	Region string
}

// s3Settings are the settings of a group for its store, nil for none.
func s3Settings(g *types.OutputGroup) *types.S3DestinationSettings {
	var d *types.DestinationSettings
	switch s := g.OutputGroupSettings; {
	case s == nil:
	case s.Type == types.OutputGroupTypeFileGroupSettings && s.FileGroupSettings != nil:
		d = s.FileGroupSettings.DestinationSettings
	case s.Type == types.OutputGroupTypeHlsGroupSettings && s.HlsGroupSettings != nil:
		d = s.HlsGroupSettings.DestinationSettings
	case s.Type == types.OutputGroupTypeCmafGroupSettings && s.CmafGroupSettings != nil:
		d = s.CmafGroupSettings.DestinationSettings
	case s.Type == types.OutputGroupTypeDashIsoGroupSettings && s.DashIsoGroupSettings != nil:
		d = s.DashIsoGroupSettings.DestinationSettings
	case s.Type == types.OutputGroupTypeMsSmoothGroupSettings && s.MsSmoothGroupSettings != nil:
		d = s.MsSmoothGroupSettings.DestinationSettings
	}
	if d == nil {
		return nil
	}
	return d.S3Settings
}

// newStorage reads how the outputs of a group are kept; nil where nothing is asked for.
func newStorage(s *types.S3DestinationSettings) (*Storage, error) {
	if s == nil {
		return nil, nil //nolint:nilnil // nothing is asked for
	}
	var out Storage
	if s.StorageClass != types.S3StorageClassStandard {
		out.Class = string(s.StorageClass)
	}
	if a := s.AccessControl; a != nil {
		out.ACL = strings.ReplaceAll(strings.ToLower(string(a.CannedAcl)), "_", "-")
	}
	if e := s.Encryption; e != nil {
		switch e.EncryptionType {
		case types.S3ServerSideEncryptionTypeServerSideEncryptionS3:
			out.Encryption = StoreKeys
		case types.S3ServerSideEncryptionTypeServerSideEncryptionKms:
			out.Encryption, out.KeyARN = ServiceKey, aws.ToString(e.KmsKeyArn)
			var err error
			if out.Context, err = parseContext(aws.ToString(e.KmsEncryptionContext)); err != nil {
				return nil, err
			}
		}
	}
	if out.Encryption == 0 && out.ACL == "" && out.Class == "" {
		return nil, nil //nolint:nilnil // what is asked for is done anyway
	}
	return &out, nil
}

// maxContext bounds an encryption context, in bytes of base64.
const maxContext = 8 << 10

var errContext = errors.New("is not base64 of a JSON object whose values are strings, each name once")

// parseContext reads an encryption context.
func parseContext(text string) (map[string]string, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // none
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(text) > maxContext {
		return nil, errContext
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errContext
	}
	out := make(map[string]string)
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, errContext
		}
		value, err := d.Token()
		if err != nil {
			return nil, errContext
		}
		key, isName := name.(string)
		text, isText := value.(string)
		if _, twice := out[key]; !isName || !isText || twice || key == "" {
			return nil, errContext
		}
		out[key] = text
	}
	if _, err := d.Token(); err != nil {
		return nil, errContext
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errContext
	}
	return out, nil
}

// storage judges the settings of a group for its store. path is that of the group's settings.
func (c *checker) storage(path string, s *types.S3DestinationSettings) {
	if s == nil {
		return
	}
	path += "/destinationSettings/s3Settings"
	caps := c.caps.Storage
	const store = " is not carried out by the store of the outputs"
	if s.StorageClass != "" && s.StorageClass != types.S3StorageClassStandard && !slices.Contains(caps.Classes, s.StorageClass) {
		c.lack(path+"/storageClass", "%s%s; offered: %s", s.StorageClass, store, list(append([]types.S3StorageClass{types.S3StorageClassStandard}, caps.Classes...)))
	}
	if a := s.AccessControl; a != nil && a.CannedAcl != "" && !slices.Contains(caps.ACLs, a.CannedAcl) {
		c.lack(path+"/accessControl/cannedAcl", "%s%s; offered: %s", a.CannedAcl, store, list(caps.ACLs))
	}
	e := s.Encryption
	if e == nil {
		return
	}
	path += "/encryption"
	key, context := aws.ToString(e.KmsKeyArn), aws.ToString(e.KmsEncryptionContext)
	var kind Encryption // that a key and a context go with one of them alone is a rule of the service
	switch e.EncryptionType {
	case types.S3ServerSideEncryptionTypeServerSideEncryptionS3:
		kind = StoreKeys
	case types.S3ServerSideEncryptionTypeServerSideEncryptionKms:
		kind = ServiceKey
	default:
		return
	}
	if !slices.Contains(caps.Encryptions, kind) {
		c.lack(path+"/encryptionType", "%s%s", e.EncryptionType, store)
	}
	if kind != ServiceKey {
		return
	}
	if _, err := parseContext(context); err != nil {
		c.bad(path+"/kmsEncryptionContext", "%v", err)
	}
	if part := strings.SplitN(key, ":", 5); len(part) == 5 && caps.Region != "" && part[3] != caps.Region {
		c.bad(path+"/kmsKeyArn", "%s is in the region %s; the key of an output is in that of its bucket, %s", key, part[3], caps.Region)
	}
}

// list writes values for a reason.
func list[V ~string](values []V) string {
	if len(values) == 0 {
		return "none"
	}
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = string(v)
	}
	return strings.Join(texts, ", ")
}

// groupStorage reads how the outputs of a group are kept, for a job that runs.
func groupStorage(path string, g *types.OutputGroup) (*Storage, error) {
	s, err := newStorage(s3Settings(g))
	if err != nil {
		return nil, job.Errorf(1040, "%s: destinationSettings: kmsEncryptionContext %v.", path, err)
	}
	return s, nil
}
