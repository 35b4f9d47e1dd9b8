package dir

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"darkroom/internal/blob"
	"darkroom/internal/secret"
)

// maxRecord bounds what is read as a record: the largest is that of an object of blob.MaxParts parts.
const maxRecord = 4 << 20

// recordVersion is in every record, so that a later form can be told from this one.
const recordVersion = 1

// fileID names a data file. It is part of what its chunks are bound to.
type fileID [16]byte

func (id fileID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText implements encoding.TextMarshaler.
func (id fileID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *fileID) UnmarshalText(text []byte) error {
	if len(text) != 2*len(id) {
		return errors.New("malformed name of a data file")
	}
	_, err := hex.Decode(id[:], text)
	return err
}

// dataKey is a key inside a record, which is sealed as a whole. Nothing else encodes it.
type dataKey struct{ secret.Bytes }

func (k dataKey) MarshalJSON() ([]byte, error) { return json.Marshal(k.Reveal()) }

func (k *dataKey) UnmarshalJSON(text []byte) error {
	var b []byte
	if err := json.Unmarshal(text, &b); err != nil {
		return err
	}
	k.Bytes = secret.New(b)
	return nil
}

// dataRef is a data file: a run of bytes of an object. Its key is there in one of two forms: as it is, or sealed under the wrapping key of the
// object.
type dataRef struct {
	ID     fileID
	Key    dataKey `json:",omitzero"`
	Sealed []byte  `json:",omitempty"`
	Size   int64   // of what is in it
}

// wipe overwrites the keys of data files that are done with.
func wipe(data []dataRef) {
	for _, d := range data {
		d.Key.Wipe()
	}
}

type bucketRecord struct {
	Version    int
	Name       string
	Created    time.Time
	Encryption *blob.BucketEncryption `json:",omitempty"` // nil for blob.SSES3
}

type objectRecord struct {
	Version  int
	Bucket   string
	Key      string
	Size     int64
	ETag     string
	Modified time.Time
	Metadata blob.Metadata
	Data     []dataRef // in order; none for an empty object
	Parts    []int64   `json:",omitempty"` // sizes of the parts that were uploaded
	Upload   string    `json:",omitempty"` // id of the upload that made it, so that completing twice can be told
	// Encryption says how the keys of Data are sealed; nil for blob.SSES3.
	Encryption *encryption `json:",omitempty"`
}

func (r *objectRecord) info() blob.Info {
	return blob.Info{
		Key: r.Key, Size: r.Size, ETag: r.ETag, LastModified: r.Modified, Metadata: r.Metadata, Parts: r.Parts, Encryption: r.Encryption.info(),
	}
}

type uploadRecord struct {
	Version   int
	Bucket    string
	Key       string
	ID        string
	Initiated time.Time
	Metadata  blob.Metadata // with the checksum that was asked for
	// Encryption is that of all parts and of the object.
	Encryption *encryption `json:",omitempty"`
}

type partRecord struct {
	Version  int
	Number   int
	Size     int64
	Tag      []byte `json:"MD5"` // what the ETag is made of: the MD5, or for an object that is not of blob.SSES3 something random
	Modified time.Time
	Checksum blob.Checksum
	Data     []dataRef
}

func (r *partRecord) part() blob.Part {
	return blob.Part{Number: r.Number, Size: r.Size, ETag: hex.EncodeToString(r.Tag), LastModified: r.Modified, Checksum: r.Checksum}
}

// bucketFile is the file name that stands for a bucket.
func (s *Store) bucketFile(name string) string {
	sum := secret.Name(s.names, "bucket", name)
	return hex.EncodeToString(sum[:])
}

// objectFile is the file name that stands for an object, and the number of its lock.
func (s *Store) objectFile(bucket, key string) (name string, stripe int) {
	sum := secret.Name(s.names, "object", bucket, key)
	return hex.EncodeToString(sum[:]), int(sum[0])
}

// prepareRecord writes a record to a temporary file, sealed for the place that it is to have.
func (s *Store) prepareRecord(place string, record any) (temp string, err error) {
	text, err := json.Marshal(record)
	if err != nil {
		return "", fmt.Errorf("encode record: %w", err)
	}
	sealed, err := s.sealer.Seal([]byte(filepath.ToSlash(place)), text)
	if err != nil {
		return "", err
	}
	return s.writeFile(sealed)
}

// putRecord writes a record to its place.
func (s *Store) putRecord(place string, record any) error {
	temp, err := s.prepareRecord(place, record)
	if err != nil {
		return err
	}
	_, err = moveFile(temp, s.path(place))
	return err
}

// readRecord reads what was sealed for a place. What is not whole is blob.ErrCorrupt; that there is none is fs.ErrNotExist.
func (s *Store) readRecord(place string, record any) error {
	f, err := os.Open(s.path(place))
	if err != nil {
		return err
	}
	defer f.Close()
	sealed, err := io.ReadAll(io.LimitReader(f, maxRecord+1))
	if err != nil {
		return err
	}
	text, err := s.sealer.Open([]byte(filepath.ToSlash(place)), sealed)
	if err == nil {
		err = json.Unmarshal(text, record)
	}
	if err != nil {
		return fmt.Errorf("record %s: %w", place, blob.ErrCorrupt)
	}
	return nil
}
