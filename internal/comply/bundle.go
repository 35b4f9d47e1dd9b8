package comply

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"darkroom/internal/secret"
)

// The files of a bundle beside what it is about.
const (
	// ManifestName is a list of every other file with its SHA-256.
	ManifestName = "manifest.json"
	// SignatureName is a signature of the manifest: a JSON Web Signature with detached content in compact form (RFC 7515, appendix F), by Ed25519 (RFC 8037).
	SignatureName = "manifest.jws"
	// KeyName is the public key that belongs to the signature. It says which key was used, and proves nothing by itself.
	KeyName = "public-keys/evidence.pem"
)

// Bounds of a bundle.
const (
	maxFiles    = 20_000
	maxFile     = 64 << 20
	maxBundle   = 512 << 20
	maxManifest = 8 << 20
	maxName     = 512
)

const manifestType = "darkroom evidence bundle 1"

// File is a file of a bundle. Name is a slash-separated path.
type File struct {
	Name string
	Data []byte
}

// Manifest lists the files of a bundle.
type Manifest struct {
	Type         string    `json:"type"`
	Time         time.Time `json:"time"`
	Framework    string    `json:"framework"`
	Installation string    `json:"installation"`
	Key          string    `json:"key"` // the fingerprint of the key that signs
	Files        []Entry   `json:"files"`
}

// Entry is a file of a manifest.
type Entry struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Key is the key that an installation signs its evidence with: Ed25519, derived from the installation key.
type Key struct{ private ed25519.PrivateKey }

// NewKey derives the key of an installation.
func NewKey(master secret.Bytes) (*Key, error) {
	seed, err := secret.Derive(master, "signing of evidence")
	if err != nil {
		return nil, err
	}
	defer seed.Wipe()
	if seed.Len() != ed25519.SeedSize {
		return nil, errors.New("the derived key has the wrong length")
	}
	return &Key{ed25519.NewKeyFromSeed(seed.Reveal())}, nil
}

// Public is the public half.
func (k *Key) Public() ed25519.PublicKey { return k.private.Public().(ed25519.PublicKey) }

// Wipe overwrites the private half.
func (k *Key) Wipe() { clear(k.private) }

// Fingerprint is the SHA-256 of a public key in its SubjectPublicKeyInfo, in hexadecimal.
func Fingerprint(key ed25519.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:]), nil
}

// EncodeKey writes a public key as PEM.
func EncodeKey(key ed25519.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// DecodeKey reads what EncodeKey wrote, and nothing else.
func DecodeKey(text []byte) (ed25519.PublicKey, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "PUBLIC KEY" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("not one public key in PEM")
	}
	any, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read a public key: %w", err)
	}
	key, ok := any.(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("the public key is none of Ed25519")
	}
	return key, nil
}

// Seal adds manifest, signature and public key to files, and returns all in the order of a bundle: the manifest and its signature first.
func Seal(files []File, r Report, key *Key) ([]File, error) {
	pub := key.Public()
	text, err := EncodeKey(pub)
	if err != nil {
		return nil, err
	}
	files = append(slices.Clone(files), File{KeyName, text})
	m := Manifest{Type: manifestType, Time: r.Time, Framework: r.Framework.ID, Installation: r.Subject.Installation}
	if m.Key, err = Fingerprint(pub); err != nil {
		return nil, err
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	total := 0
	for i, f := range files {
		switch {
		case !validName(f.Name):
			return nil, fmt.Errorf("%q is no name of a file of a bundle", f.Name)
		case i > 0 && files[i-1].Name == f.Name:
			return nil, fmt.Errorf("the bundle has %s twice", f.Name)
		case len(f.Data) > maxFile:
			return nil, fmt.Errorf("%s has %d bytes; a file of a bundle has at most %d", f.Name, len(f.Data), maxFile)
		}
		total += len(f.Data)
		sum := sha256.Sum256(f.Data)
		m.Files = append(m.Files, Entry{f.Name, int64(len(f.Data)), hex.EncodeToString(sum[:])})
	}
	if len(files) > maxFiles || total > maxBundle {
		return nil, fmt.Errorf("the bundle would have %d files and %d bytes; at most %d and %d", len(files), total, maxFiles, maxBundle)
	}
	manifest, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	signature, err := sign(manifest, m.Key, key)
	if err != nil {
		return nil, err
	}
	return append([]File{{ManifestName, manifest}, {SignatureName, signature}}, files...), nil
}

func sign(content []byte, kid string, key *Key) ([]byte, error) {
	o := (&jose.SignerOptions{}).WithHeader("kid", kid).WithType("darkroom-evidence+jws")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: key.private}, o)
	if err != nil {
		return nil, fmt.Errorf("sign the manifest: %w", err)
	}
	s, err := signer.Sign(content)
	if err != nil {
		return nil, fmt.Errorf("sign the manifest: %w", err)
	}
	text, err := s.DetachedCompactSerialize()
	if err != nil {
		return nil, fmt.Errorf("sign the manifest: %w", err)
	}
	return []byte(text + "\n"), nil
}

func validName(name string) bool {
	return name != "" && len(name) <= maxName && name == path.Clean(name) && fs.ValidPath(name) && name != "." && !strings.ContainsAny(name, "\\:\x00\n\r") &&
		name != ManifestName && name != SignatureName
}

// Write writes a bundle as a gzip-compressed tar archive (POSIX.1-2001), the same for the same files and time.
func Write(w io.Writer, files []File, at time.Time) error {
	z := gzip.NewWriter(w)
	t := tar.NewWriter(z)
	for _, f := range files {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: f.Name, Size: int64(len(f.Data)), Mode: 0o600, ModTime: at, Format: tar.FormatPAX}
		if err := t.WriteHeader(h); err != nil {
			return fmt.Errorf("write the bundle: %w", err)
		}
		if _, err := t.Write(f.Data); err != nil {
			return fmt.Errorf("write the bundle: %w", err)
		}
	}
	if err := errors.Join(t.Close(), z.Close()); err != nil {
		return fmt.Errorf("write the bundle: %w", err)
	}
	return nil
}

// Verified is a bundle whose signature and files fit.
type Verified struct {
	Manifest
	Public ed25519.PublicKey
	// Trusted says that the key is one that the caller trusts; without that, only that the bundle fits itself is known.
	Trusted bool
}

// source gives the files of a bundle one after the other; io.EOF ends it.
type source func() (name string, size int64, r io.Reader, err error)

// VerifyArchive verifies a bundle that Write wrote. trusted is the fingerprint of the installation's key; empty where nobody knows it. Every fault is an error
// that names the file.
func VerifyArchive(r io.Reader, trusted string) (Verified, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return Verified{}, fmt.Errorf("the bundle is no gzip file: %w", err)
	}
	t := tar.NewReader(z)
	v, err := verify(func() (string, int64, io.Reader, error) {
		h, err := t.Next()
		if err != nil {
			return "", 0, nil, err
		}
		if h.Typeflag != tar.TypeReg {
			return "", 0, nil, fmt.Errorf("%q is no regular file", h.Name)
		}
		return h.Name, h.Size, t, nil
	}, trusted)
	if err != nil {
		return Verified{}, err
	}
	// What stands behind the end of the archive is part of no file, and of no bundle of ours.
	if n, err := io.Copy(io.Discard, io.LimitReader(z, maxFile)); err != nil {
		return Verified{}, fmt.Errorf("the bundle ends badly: %w", err)
	} else if n > 0 {
		return Verified{}, fmt.Errorf("%d bytes stand behind the end of the archive", n)
	}
	return v, nil
}

// VerifyDir verifies a bundle that lies in a directory.
func VerifyDir(dir fs.FS, trusted string) (Verified, error) {
	var names []string
	err := fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return nil
		case !d.Type().IsRegular():
			return fmt.Errorf("%s is no regular file", name)
		case name != ManifestName && name != SignatureName:
			if names = append(names, name); len(names) > maxFiles {
				return fmt.Errorf("the bundle has more than %d files", maxFiles)
			}
		}
		return nil
	})
	if err != nil {
		return Verified{}, err
	}
	names = append([]string{ManifestName, SignatureName}, names...)
	var open fs.File
	v, err := verify(func() (string, int64, io.Reader, error) {
		if open != nil {
			_ = open.Close() // it was only read
			open = nil
		}
		if len(names) == 0 {
			return "", 0, nil, io.EOF
		}
		name := names[0]
		names = names[1:]
		f, err := dir.Open(name)
		if err != nil {
			return "", 0, nil, err
		}
		open = f
		st, err := f.Stat()
		if err != nil {
			return "", 0, nil, err
		}
		return name, st.Size(), f, nil
	}, trusted)
	if open != nil {
		_ = open.Close()
	}
	return v, err
}

func verify(next source, trusted string) (Verified, error) {
	content, err := take(next, ManifestName)
	if err != nil {
		return Verified{}, err
	}
	signature, err := take(next, SignatureName)
	if err != nil {
		return Verified{}, err
	}
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	var v Verified
	if err := d.Decode(&v.Manifest); err != nil {
		return Verified{}, fmt.Errorf("%s: %w", ManifestName, err)
	}
	if v.Type != manifestType || len(v.Files) == 0 || len(v.Files) > maxFiles {
		return Verified{}, fmt.Errorf("%s is no manifest of a bundle of evidence", ManifestName)
	}
	want := map[string]Entry{}
	for _, e := range v.Files {
		if _, ok := want[e.Name]; ok || !validName(e.Name) {
			return Verified{}, fmt.Errorf("%s: %q is there twice, or is no name of a file", ManifestName, e.Name)
		}
		want[e.Name] = e
	}
	if trusted != "" && !strings.EqualFold(trusted, v.Key) {
		return Verified{}, fmt.Errorf("the bundle was signed with the key %s, and not with %s", v.Key, trusted)
	}
	var total int64
	for {
		name, size, r, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Verified{}, fmt.Errorf("read the bundle: %w", err)
		}
		e, ok := want[name]
		switch {
		case !ok:
			return Verified{}, fmt.Errorf("%s is in the bundle, and not (or no more) in its manifest", name)
		case size != e.Size:
			return Verified{}, fmt.Errorf("%s was changed: it has %d bytes, and had %d", name, size, e.Size)
		case size > maxFile, total+size > maxBundle:
			return Verified{}, fmt.Errorf("%s is larger than a file of a bundle can be", name)
		}
		total += size
		delete(want, name)
		h := sha256.New()
		var kept bytes.Buffer
		to := io.Writer(h)
		if name == KeyName {
			to = io.MultiWriter(h, &kept)
		}
		if n, err := io.Copy(to, io.LimitReader(r, size)); err != nil || n != size {
			return Verified{}, fmt.Errorf("read %s: it ends after %d of %d bytes: %v", name, n, size, err)
		}
		if hex.EncodeToString(h.Sum(nil)) != e.SHA256 {
			return Verified{}, fmt.Errorf("%s was changed: its SHA-256 is not that of the manifest", name)
		}
		if name == KeyName {
			if v.Public, err = DecodeKey(kept.Bytes()); err != nil {
				return Verified{}, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	for name := range want {
		return Verified{}, fmt.Errorf("%s is missing", name)
	}
	if v.Public == nil {
		return Verified{}, fmt.Errorf("%s is missing", KeyName)
	}
	if is, err := Fingerprint(v.Public); err != nil || is != v.Key {
		return Verified{}, fmt.Errorf("%s is not the key that the manifest names", KeyName)
	}
	s, err := jose.ParseDetached(strings.TrimSpace(string(signature)), content, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		return Verified{}, fmt.Errorf("%s: %w", SignatureName, err)
	}
	if _, err := s.Verify(v.Public); err != nil {
		return Verified{}, fmt.Errorf("the signature of the manifest does not fit: the manifest was changed, or another key signed it")
	}
	v.Trusted = trusted != ""
	return v, nil
}

func take(next source, want string) ([]byte, error) {
	name, size, r, err := next()
	switch {
	case errors.Is(err, io.EOF), err == nil && name != want:
		return nil, fmt.Errorf("the bundle has no %s where it must be", want)
	case err != nil:
		return nil, fmt.Errorf("read the bundle: %w", err)
	case size > maxManifest:
		return nil, fmt.Errorf("%s is larger than %d bytes", want, maxManifest)
	}
	b, err := io.ReadAll(io.LimitReader(r, maxManifest))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", want, err)
	}
	if int64(len(b)) != size {
		return nil, fmt.Errorf("%s ends after %d of %d bytes", want, len(b), size)
	}
	return b, nil
}
