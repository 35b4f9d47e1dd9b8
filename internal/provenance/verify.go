package provenance

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
)

// The errors of Check.
var (
	// ErrDiffers says that a file is not the one that a statement speaks of.
	ErrDiffers = errors.New("it is not the file that the statement speaks of")
	// ErrNotStated says that a statement has no digest of a file.
	ErrNotStated = errors.New("the statement has no digest of it that is known here")
)

// Check reads a file and says whether it is the one that a statement describes: nil, ErrDiffers, ErrNotStated, or that it could not be read.
func (r *Resource) Check(file io.Reader) error {
	if r.Annotations == nil {
		return ErrNotStated
	}
	var sizes []int64
	want := r.Digest[SHA256]
	if want == "" {
		if want = r.Digest[SHA256Parts]; want == "" {
			return ErrNotStated
		}
		sizes = r.Annotations.PartSizes
	}
	total := int64(0)
	for _, n := range sizes {
		if n < 0 || n > r.Annotations.Size-total {
			return fmt.Errorf("%w: the sizes of its parts are not those of the whole", ErrNotStated)
		}
		total += n
	}
	if sizes != nil && total != r.Annotations.Size {
		return fmt.Errorf("%w: the sizes of its parts are not those of the whole", ErrNotStated)
	}
	whole := sha256.New()
	if sizes == nil {
		sizes = []int64{r.Annotations.Size}
	}
	for _, n := range sizes {
		var part hash.Hash = whole
		if r.Digest[SHA256] == "" {
			part = sha256.New()
		}
		got, err := io.CopyN(part, file, n)
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: it is shorter than %d bytes", ErrDiffers, r.Annotations.Size)
		}
		if err != nil {
			return fmt.Errorf("read %d bytes: %w", got, err)
		}
		if r.Digest[SHA256] == "" {
			whole.Write(part.Sum(nil))
		}
	}
	var more [1]byte
	switch n, err := io.ReadFull(file, more[:]); {
	case n > 0:
		return fmt.Errorf("%w: it is longer than %d bytes", ErrDiffers, r.Annotations.Size)
	case !errors.Is(err, io.EOF):
		return err
	}
	if hex.EncodeToString(whole.Sum(nil)) != want {
		return fmt.Errorf("%w: its bytes are others", ErrDiffers)
	}
	return nil
}
