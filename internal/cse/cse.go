// Package cse opens files that were encrypted before they were uploaded (client-side encryption): AES in counter mode, in cipher block chaining mode
// with the padding of PKCS #7 (NIST SP 800-38A, RFC 5652 section 6.3), and in Galois/counter mode with the tag of 16 bytes behind the ciphertext
// (NIST SP 800-38D), under keys of 128, 192 or 256 bits.
//
// A file is read by ranges and its clear bytes are given by ranges; nothing is written anywhere, and what is held does not grow with the file, but for
// the marks of a file in Galois/counter mode, which are at most maxMarks. Such a file is read twice: Open verifies the whole of it, and what is read
// afterwards is held against what was verified. The other modes do not say whether a file was altered, or whether the key is the right one.
package cse

import (
	"bytes"
	"context"
	"crypto/aes"
	"errors"
	"fmt"
	"io"

	"darkroom/internal/secret"
)

// Mode is how a file was encrypted, in the words of the MediaConvert API.
type Mode string

// The modes.
const (
	CTR Mode = "AES_CTR"
	CBC Mode = "AES_CBC"
	GCM Mode = "AES_GCM"
)

// What is wrong with a file, or with what it is opened with. An error of Open or of a read that wraps none of them is the source's.
var (
	// ErrMode says that there is no such mode.
	ErrMode = errors.New("unknown mode")
	// ErrKey says that the key does not have 16, 24 or 32 bytes.
	ErrKey = errors.New("the key has a wrong length")
	// ErrIV says that the initialization vector has a length that the mode does not take.
	ErrIV = errors.New("the initialization vector has a wrong length")
	// ErrSize says that no file of the mode has that size: it was cut short, or is no file of the mode.
	ErrSize = errors.New("no file of this mode has this size")
	// ErrPadding says that a file in CBC mode does not end in padding: a wrong key, or an altered file.
	ErrPadding = errors.New("the file does not end in padding")
	// ErrTag says that a file in GCM mode cannot be authenticated: a wrong key or initialization vector, or a file that was altered or cut short.
	ErrTag = errors.New("the file cannot be authenticated")
	// ErrChanged says that a file in GCM mode is no longer what was authenticated.
	ErrChanged = errors.New("the file is not what was authenticated")
	// ErrEnforced says that this process allows only what FIPS 140-3 approves, which GCM with a given initialization vector is not.
	ErrEnforced = errors.New("the mode is not approved by FIPS 140-3, which is enforced")
)

// Ranged is a file that is read by ranges.
type Ranged interface {
	// Size is the length in bytes; it does not change.
	Size() int64
	// ReadRange opens the bytes from offset on: length of them, or all to the end if length is -1. It is called from several goroutines at once.
	ReadRange(ctx context.Context, offset, length int64) (io.ReadCloser, error)
}

// blockSize is that of AES.
const blockSize = aes.BlockSize

// shortIV is the length of the initialization vector that CTR and GCM take beside one of blockSize.
const shortIV = 12

// File is the clear form of an encrypted file. It is safe for concurrent use.
type File struct {
	size   int64
	reader interface {
		open(ctx context.Context, offset, length int64) (io.ReadCloser, error)
	}
}

var _ Ranged = (*File)(nil)

// Open returns the clear form of src. The key is not needed afterwards: the caller may wipe it. The key schedule that crypto/aes makes of it lives as long as
// the File and cannot be wiped.
//
// An initialization vector of 16 bytes is the first counter block of CTR; one of 12 bytes is followed by a counter of 32 bits that begins at zero, as
// openssl enc completes a short one. The counter has 128 bits. CBC takes 16 bytes alone. With GCM, Open reads the whole file.
func Open(ctx context.Context, src Ranged, mode Mode, key secret.Bytes, iv []byte) (*File, error) {
	if mode != CTR && mode != CBC && mode != GCM {
		return nil, fmt.Errorf("%w: %q", ErrMode, mode)
	}
	switch n := key.Len(); n {
	case 16, 24, 32:
	default:
		return nil, fmt.Errorf("%w: %d bytes; allowed: 16, 24, 32", ErrKey, n)
	}
	switch n := len(iv); {
	case n == blockSize, n == shortIV && mode != CBC:
	default:
		return nil, fmt.Errorf("%w: %d bytes in mode %s", ErrIV, n, mode)
	}
	block, err := aes.NewCipher(key.Reveal())
	if err != nil {
		return nil, err
	}
	switch mode {
	case CBC:
		return openCBC(ctx, src, block, iv)
	case GCM:
		return openGCM(ctx, src, block, iv)
	}
	r := &ctrReader{src: src, block: block}
	copy(r.first[:], iv)
	return &File{src.Size(), r}, nil
}

// Size is the length of the clear file in bytes.
func (f *File) Size() int64 { return f.size }

// ReadRange opens the clear bytes from offset on: length of them, or all to the end if length is -1. A range beyond the end is empty, one across the end
// ends with the file.
func (f *File) ReadRange(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	if offset < 0 || length < -1 {
		return nil, fmt.Errorf("no range: %d bytes from %d", length, offset)
	}
	if offset >= f.size || length == 0 {
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	if length == -1 || length > f.size-offset {
		length = f.size - offset
	}
	return f.reader.open(ctx, offset, length)
}

// readFull reads exactly len(p) bytes of a source that has them: an end before is the source's fault.
func readFull(r io.Reader, p []byte) error {
	if _, err := io.ReadFull(r, p); errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	} else if err != nil {
		return err
	}
	return nil
}
