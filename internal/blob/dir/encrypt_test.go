package dir

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"darkroom/internal/blob"
	"darkroom/internal/blob/blobtest"
	"darkroom/internal/secret"
)

// openWithKeys opens a store over a key service.
func openWithKeys(t *testing.T, dir string, keys Keys) *Store {
	t.Helper()
	s, err := Open(Options{Dir: dir, Key: testKey(), Random: rand.Reader, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func ownKey(seed byte) *blob.CustomerKey {
	return &blob.CustomerKey{Key: secret.New(bytes.Repeat([]byte{seed}, blob.CustomerKeySize))}
}

// as puts a caller into a context; May of the tests below looks for it.
type as struct{}

func caller(ctx context.Context) string {
	name, _ := ctx.Value(as{}).(string)
	return name
}

func body(t *testing.T, s *Store, key string, c blob.Conditions) (string, error) {
	t.Helper()
	return bodyAs(t.Context(), s, key, c)
}

func bodyAs(ctx context.Context, s *Store, key string, c blob.Conditions) (string, error) {
	o, err := s.Get(ctx, "bucket", key, nil, c)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(o.Body)
	return string(b), errors.Join(err, o.Body.Close())
}

func putAs(t *testing.T, s *Store, key, text string, e blob.Encryption) error {
	t.Helper()
	_, err := s.Put(t.Context(), "bucket", key, strings.NewReader(text), blob.PutOptions{Size: int64(len(text)), Storage: blob.Storage{Encryption: e}})
	return err
}

// TestKeyServiceDecides has a key service that lets a writer and a reader do different things, each with the context that S3 gives.
func TestKeyServiceDecides(t *testing.T) {
	t.Parallel()
	keys := blobtest.NewKeys()
	keys.May = func(ctx context.Context, action, key string, c map[string]string) bool {
		switch caller(ctx) {
		case "writer":
			return action == "kms:GenerateDataKey"
		case "reader":
			return action == "kms:Decrypt" && (c["aws:s3:arn"] == "arn:aws:s3:::bucket/k" && c["film"] == "x" || c["aws:s3:arn"] == "arn:aws:s3:::bucket")
		}
		return false
	}
	s := openWithKeys(t, t.TempDir(), keys)
	ctx := t.Context()
	if err := s.CreateBucket(ctx, "bucket"); err != nil {
		t.Fatal(err)
	}
	writer, reader, stranger := context.WithValue(ctx, as{}, "writer"), context.WithValue(ctx, as{}, "reader"), context.WithValue(ctx, as{}, "stranger")
	e := blob.Encryption{Method: blob.SSEKMS, KeyID: blobtest.OtherKey, Context: map[string]string{"film": "x"}}
	write := func(ctx context.Context, key string, e blob.Encryption) error {
		_, err := s.Put(ctx, "bucket", key, strings.NewReader("text"), blob.PutOptions{Size: 4, Storage: blob.Storage{Encryption: e}})
		return err
	}
	denied := func(what string, err error) {
		t.Helper()
		var k *blob.KeyError
		if !errors.As(err, &k) || k.Code != blob.KeyDenied || !errors.Is(err, blob.ErrAccessDenied) || !strings.Contains(k.Message, "kms:") {
			t.Errorf("%s: got %v, want a denial of the key service", what, err)
		}
	}
	denied("a stranger writes", write(stranger, "k", e))
	denied("a reader writes", write(reader, "k", e))
	if err := write(writer, "k", e); err != nil {
		t.Fatal(err)
	}
	elsewhere := e
	if err := write(writer, "elsewhere", elsewhere); err != nil {
		t.Fatal(err)
	}
	shared := e
	shared.BucketKey = new(true)
	shared.Context = nil
	if err := write(writer, "shared", shared); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		who  context.Context
		key  string
		want string
	}{{reader, "k", "text"}, {reader, "shared", "text"}, {reader, "elsewhere", ""}, {writer, "k", ""}, {stranger, "k", ""}, {stranger, "shared", ""}} {
		got, err := bodyAs(tt.who, s, tt.key, blob.Conditions{})
		if tt.want == "" {
			denied(caller(tt.who)+" reads "+tt.key, err)
		} else if got != tt.want || err != nil {
			t.Errorf("%s reads %s: %q, %v", caller(tt.who), tt.key, got, err)
		}
		// What is no byte of it is told without the key.
		if info, err := s.Head(tt.who, "bucket", tt.key, blob.Conditions{}); err != nil || info.Size != 4 || info.Encryption.KeyID != blobtest.OtherKey {
			t.Errorf("head: %+v, %v", info, err)
		}
	}
	// A copy needs both: to read the source and to write its own key.
	_, err := s.Copy(writer, "bucket", "k", "bucket", "copy", blob.CopyOptions{})
	denied("a writer copies", err)
	_, err = s.Copy(reader, "bucket", "k", "bucket", "copy", blob.CopyOptions{Storage: blob.Storage{Encryption: e}})
	denied("a reader copies to a key", err)
	if _, err := s.Copy(reader, "bucket", "k", "bucket", "copy", blob.CopyOptions{}); err != nil {
		t.Errorf("a reader copies to SSE-S3: %v", err)
	}
	// A part needs the key of its upload, which was made before.
	u, err := s.CreateUpload(writer, "bucket", "k", blob.UploadOptions{Storage: blob.Storage{Encryption: e}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.UploadPart(writer, u, 1, strings.NewReader("x"), blob.PutOptions{Size: 1})
	denied("a writer uploads a part", err)
	p, err := s.UploadPart(reader, u, 1, strings.NewReader("x"), blob.PutOptions{Size: 1})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.CompleteUpload(stranger, u, []blob.Part{p}, blob.Conditions{})
	denied("a stranger completes", err)
	if _, err := s.CompleteUpload(reader, u, []blob.Part{p}, blob.Conditions{}); err != nil {
		t.Errorf("complete: %v", err)
	}
	// A key that is switched off opens nothing, for nobody.
	keys.Enable(blobtest.OtherKey, false)
	var k *blob.KeyError
	if _, err := bodyAs(reader, s, "k", blob.Conditions{}); !errors.As(err, &k) || k.Code != blob.KeyDisabled || errors.Is(err, blob.ErrAccessDenied) {
		t.Errorf("a disabled key: %v", err)
	}
	// A context that contradicts what S3 adds is refused.
	bad := blob.Encryption{Method: blob.SSEKMS, Context: map[string]string{blob.ObjectContext: "arn:aws:s3:::bucket/other"}}
	if err := write(writer, "k", bad); !errors.Is(err, blob.ErrInvalidArgument) {
		t.Errorf("a contradicting context: %v", err)
	}
}

// TestOneCallForEachObject: a key is asked for once for an object, and once for each read.
func TestOneCallForEachObject(t *testing.T) {
	t.Parallel()
	keys := blobtest.NewKeys()
	s := openWithKeys(t, t.TempDir(), keys)
	if err := s.CreateBucket(t.Context(), "bucket"); err != nil {
		t.Fatal(err)
	}
	if err := putAs(t, s, "k", strings.Repeat("x", 1<<20), blob.Encryption{Method: blob.SSEKMS}); err != nil {
		t.Fatal(err)
	}
	if _, err := body(t, s, "k", blob.Conditions{}); err != nil {
		t.Fatal(err)
	}
	if g, d := keys.Calls("kms:GenerateDataKey"), keys.Calls("kms:Decrypt"); g != 1 || d != 1 {
		t.Errorf("%d keys were made and %d opened, want 1 and 1", g, d)
	}
}

// TestWithoutKeyNothingOpens: who has the directory and the master key has no key of an object under SSE-KMS or SSE-C.
func TestWithoutKeyNothingOpens(t *testing.T) {
	t.Parallel()
	dir, keys := t.TempDir(), blobtest.NewKeys()
	s := openWithKeys(t, dir, keys)
	if err := s.CreateBucket(t.Context(), "bucket"); err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("a film in the clear ", 5000)
	own := ownKey(7)
	for key, e := range map[string]blob.Encryption{"kms": {Method: blob.SSEKMS}, "own": {Method: blob.SSEC, Customer: own}, "s3": {}} {
		if err := putAs(t, s, key, text, e); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"kms", "own", "s3"} {
		r, err := s.read(t.Context(), "bucket", key, blob.Conditions{}, false)
		if err != nil {
			t.Fatal(err)
		}
		ref := r.Data[0]
		if key == "s3" { // what the record has opens the data: that is what this test would see
			if ref.Key.Len() != secret.KeySize || len(ref.Sealed) != 0 {
				t.Errorf("%s: the record has no key", key)
			}
			continue
		}
		if ref.Key.Len() != 0 || len(ref.Sealed) <= secret.KeySize {
			t.Errorf("%s: the record has a key", key)
		}
		// The data file opens under nothing that the record has: neither read as it is, nor with any 32 bytes of what is in it.
		if _, err := (*wrapping)(nil).open(ref); !errors.Is(err, blob.ErrCorrupt) {
			t.Errorf("%s: without its wrapping the key opens: %v", key, err)
		}
		for _, part := range [][]byte{ref.Sealed, keysIn(r)} {
			for i := 0; i+secret.KeySize <= len(part); i++ {
				if opens(t, s, ref, part[i:i+secret.KeySize]) {
					t.Errorf("%s: the record has the key at %d", key, i)
				}
			}
		}
	}
	// Neither the customer's key nor its MD5 is anywhere on disk, sealed or not: the records are opened to see.
	r, err := s.read(t.Context(), "bucket", "own", blob.Conditions{}, false)
	if err != nil {
		t.Fatal(err)
	}
	c := r.Encryption.Customer
	for name, b := range map[string][]byte{"MAC": c.MAC, "salt": c.Salt} {
		if bytes.Contains(b, own.Key.Reveal()[:8]) || bytes.Contains(own.Key.Reveal(), b) {
			t.Errorf("the %s tells the key", name)
		}
	}
	if err := putAs(t, s, "twin", text, blob.Encryption{Method: blob.SSEC, Customer: own}); err != nil {
		t.Fatal(err)
	}
	if twin, err := s.read(t.Context(), "bucket", "twin", blob.Conditions{}, false); err != nil || bytes.Equal(twin.Encryption.Customer.MAC, c.MAC) {
		t.Errorf("two objects tell that they have one key: %v", err)
	}
	// Without a key service, and when it has destroyed the key, nothing opens.
	keys.Destroy(blobtest.DefaultKey)
	if _, err := body(t, s, "kms", blob.Conditions{}); err == nil {
		t.Error("an object of a destroyed key opens")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	bare := openStore(t, dir)
	if _, err := body(t, bare, "kms", blob.Conditions{}); !errors.Is(err, blob.ErrNotOffered) {
		t.Errorf("without a key service: %v", err)
	}
	if got, err := body(t, bare, "own", blob.Conditions{Customer: own}); err != nil || got != text {
		t.Errorf("after a new start: %v", err)
	}
	if err := putAs(t, bare, "new", text, blob.Encryption{Method: blob.SSEKMS}); !errors.Is(err, blob.ErrNotOffered) {
		t.Errorf("a write without a key service: %v", err)
	}
	if err := bare.SetBucketEncryption(t.Context(), "bucket", blob.BucketEncryption{Method: blob.SSEKMS}); !errors.Is(err, blob.ErrNotOffered) {
		t.Errorf("a default without a key service: %v", err)
	}
}

// keysIn is all that a record has besides the keys of its data.
func keysIn(r *objectRecord) []byte {
	var out []byte
	if k := r.Encryption.KMS; k != nil {
		out = append(out, k.Sealed...)
	}
	if k := r.Encryption.Customer; k != nil {
		out = append(append(out, k.Salt...), k.MAC...)
	}
	return out
}

// opens says whether a key opens a data file.
func opens(t *testing.T, s *Store, ref dataRef, key []byte) bool {
	t.Helper()
	f, err := os.Open(s.dataPath(ref.ID))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return opensFile(t, f, ref, key)
}

func opensFile(t *testing.T, f *os.File, ref dataRef, key []byte) bool {
	t.Helper()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	r, err := secret.NewStreamReader(f, st.Size(), secret.New(bytes.Clone(key)), ref.ID[:])
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.ReadChunks(nil, 0, 1)
	return err == nil
}

// TestCryptoErase: when an object is deleted or replaced, or an upload aborted, its keys are gone. A data file that somebody kept a copy of
// opens with nothing that is left.
func TestCryptoErase(t *testing.T) {
	t.Parallel()
	for _, e := range []blob.Encryption{{}, {Method: blob.SSEKMS}} {
		for _, how := range []string{"delete", "replace", "abort"} {
			t.Run(string(e.Method)+" "+how, func(t *testing.T) {
				t.Parallel()
				dir, ctx := t.TempDir(), t.Context()
				s := openWithKeys(t, dir, blobtest.NewKeys())
				if err := s.CreateBucket(ctx, "bucket"); err != nil {
					t.Fatal(err)
				}
				text := strings.Repeat("kept by a backup ", 1000)
				erase := func() error { return s.Delete(ctx, "bucket", "k") }
				if how == "abort" {
					u, err := s.CreateUpload(ctx, "bucket", "k", blob.UploadOptions{Storage: blob.Storage{Encryption: e}})
					if err != nil {
						t.Fatal(err)
					}
					if _, err := s.UploadPart(ctx, u, 1, strings.NewReader(text), blob.PutOptions{Size: int64(len(text))}); err != nil {
						t.Fatal(err)
					}
					erase = func() error { return s.AbortUpload(ctx, u) }
				} else if err := putAs(t, s, "k", text, e); err != nil {
					t.Fatal(err)
				}
				if how == "replace" {
					erase = func() error { return putAs(t, s, "k", "new", e) }
				}
				// Somebody has a copy of the data file.
				found, err := filepath.Glob(filepath.Join(dir, dataDir, "*", "*"))
				if err != nil || len(found) != 1 {
					t.Fatalf("data files: %v, %v", found, err)
				}
				content, err := os.ReadFile(found[0])
				if err != nil {
					t.Fatal(err)
				}
				var ref dataRef
				if err := ref.ID.UnmarshalText([]byte(filepath.Base(found[0]))); err != nil {
					t.Fatal(err)
				}
				if err := erase(); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(found[0], content, 0o600); err != nil {
					t.Fatal(err)
				}
				// Every record that is left is opened: none names the file, and none has a key that opens it.
				opened := 0
				err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
					if err != nil || d.IsDir() {
						return err
					}
					place, _ := filepath.Rel(dir, path)
					if strings.HasPrefix(place, dataDir) || place == lockFile {
						return nil
					}
					var r objectRecord
					if err := s.readRecord(place, &r); err != nil {
						return err
					}
					opened++
					for _, d := range r.Data {
						if d.ID == ref.ID || d.Key.Len() > 0 && opens(t, s, ref, d.Key.Reveal()) {
							t.Errorf("%s still opens the file", place)
						}
					}
					return nil
				})
				if err != nil || opened == 0 {
					t.Fatalf("%d records: %v", opened, err)
				}
				// A new start sees a file that nothing names.
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				openStore(t, dir)
				if _, err := os.Stat(found[0]); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("the file stays: %v", err)
				}
			})
		}
	}
}

// TestEncryptionIsBound: the keys of one object do not open another's data, and a record that says it is encrypted otherwise opens nothing.
func TestEncryptionIsBound(t *testing.T) {
	t.Parallel()
	s := openWithKeys(t, t.TempDir(), blobtest.NewKeys())
	ctx := t.Context()
	if err := s.CreateBucket(ctx, "bucket"); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "b"} {
		if err := putAs(t, s, key, "the text of "+key, blob.Encryption{Method: blob.SSEKMS}); err != nil {
			t.Fatal(err)
		}
	}
	if err := putAs(t, s, "own", "the text of own", blob.Encryption{Method: blob.SSEC, Customer: ownKey(1)}); err != nil {
		t.Fatal(err)
	}
	get := func(key string) *objectRecord {
		r, err := s.read(ctx, "bucket", key, blob.Conditions{}, false)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	overwrite := func(r *objectRecord) {
		file, _ := s.objectFile("bucket", r.Key)
		b, err := s.bucket("bucket")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.putRecord(filepath.Join(objectDir, b.file, file), r); err != nil {
			t.Fatal(err)
		}
	}
	a := get("a")
	for name, change := range map[string]func(r *objectRecord){
		"the sealed key of another":   func(r *objectRecord) { r.Encryption = get("b").Encryption },
		"the data of another":         func(r *objectRecord) { r.Data = get("b").Data; r.Size = r.Data[0].Size },
		"another bucket key":          func(r *objectRecord) { r.Encryption.KMS.BucketKey = true },
		"another context":             func(r *objectRecord) { r.Encryption.KMS.Context = map[string]string{"x": "y"} },
		"no encryption":               func(r *objectRecord) { r.Encryption = nil },
		"no kind of encryption":       func(r *objectRecord) { r.Encryption = &encryption{} },
		"both kinds of encryption":    func(r *objectRecord) { r.Encryption.Customer = get("own").Encryption.Customer },
		"a key beside the sealed one": func(r *objectRecord) { r.Data[0].Key = dataKey{secret.New(make([]byte, secret.KeySize))} },
		"a key instead of the sealed one": func(r *objectRecord) {
			r.Data[0] = dataRef{ID: r.Data[0].ID, Key: dataKey{secret.New(make([]byte, secret.KeySize))}, Size: r.Data[0].Size}
		},
	} {
		r := get("a")
		change(r)
		overwrite(r)
		if got, err := body(t, s, "a", blob.Conditions{}); err == nil {
			t.Errorf("%s: got %q", name, got)
		}
		overwrite(a)
		if got, err := body(t, s, "a", blob.Conditions{}); err != nil || got != "the text of a" {
			t.Fatalf("after %s: %q, %v", name, got, err)
		}
	}
	own := get("own")
	own.Encryption.Customer.MAC = make([]byte, len(own.Encryption.Customer.MAC))
	overwrite(own)
	if _, err := body(t, s, "own", blob.Conditions{Customer: ownKey(1)}); !errors.Is(err, blob.ErrWrongKey) {
		t.Errorf("another MAC: %v", err)
	}
}

// TestEncryptionSurvives: defaults and uploads are there after a new start.
func TestEncryptionSurvives(t *testing.T) {
	t.Parallel()
	dir, keys, ctx := t.TempDir(), blobtest.NewKeys(), t.Context()
	s := openWithKeys(t, dir, keys)
	if err := s.CreateBucket(ctx, "bucket"); err != nil {
		t.Fatal(err)
	}
	want := blob.BucketEncryption{Method: blob.SSEKMS, KeyID: blobtest.OtherKey, BucketKey: true}
	if err := s.SetBucketEncryption(ctx, "bucket", want); err != nil {
		t.Fatal(err)
	}
	u, err := s.CreateUpload(ctx, "bucket", "k", blob.UploadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	first, err := s.UploadPart(ctx, u, 1, bytes.NewReader(make([]byte, blob.MinPart)), blob.PutOptions{Size: blob.MinPart})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openWithKeys(t, dir, keys)
	if got, err := s.BucketEncryption(ctx, "bucket"); err != nil || got != want {
		t.Errorf("default: %+v, %v", got, err)
	}
	second, err := s.UploadPart(ctx, u, 2, strings.NewReader("end"), blob.PutOptions{Size: 3})
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.CompleteUpload(ctx, u, []blob.Part{first, second}, blob.Conditions{})
	if err != nil || info.Encryption.KeyID != blobtest.OtherKey || info.Encryption.BucketKey == nil {
		t.Fatalf("complete: %+v, %v", info, err)
	}
	if got, err := body(t, s, "k", blob.Conditions{}); err != nil || len(got) != blob.MinPart+3 {
		t.Errorf("get: %d bytes, %v", len(got), err)
	}
	if _, err := hex.DecodeString(strings.TrimSuffix(info.ETag, "-2")); err != nil {
		t.Errorf("ETag %s", info.ETag)
	}
}

// TestStorageIsRefused: what one directory cannot mean is refused by name.
func TestStorageIsRefused(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir())
	ctx := t.Context()
	if err := s.CreateBucket(ctx, "bucket"); err != nil {
		t.Fatal(err)
	}
	for _, o := range []blob.Storage{{Class: "GLACIER"}, {Class: "STANDARD_IA"}, {ACL: "public-read"}, {ACL: "authenticated-read"}, {ACL: "public-read-write"}, {ACL: "aws-exec-read"}} {
		if _, err := s.Put(ctx, "bucket", "k", strings.NewReader("x"), blob.PutOptions{Size: 1, Storage: o}); !errors.Is(err, blob.ErrNotOffered) || !strings.Contains(err.Error(), o.Class+o.ACL) {
			t.Errorf("put %+v: %v", o, err)
		}
		if _, err := s.CreateUpload(ctx, "bucket", "k", blob.UploadOptions{Storage: o}); !errors.Is(err, blob.ErrNotOffered) {
			t.Errorf("upload %+v: %v", o, err)
		}
	}
	if err := putAs(t, s, "k", "x", blob.Encryption{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Copy(ctx, "bucket", "k", "bucket", "l", blob.CopyOptions{Storage: blob.Storage{ACL: "public-read"}}); !errors.Is(err, blob.ErrNotOffered) {
		t.Errorf("copy: %v", err)
	}
	for _, o := range []blob.Storage{{Class: "STANDARD"}, {ACL: "private"}, {ACL: "bucket-owner-read"}, {ACL: "bucket-owner-full-control"}} {
		if _, err := s.Put(ctx, "bucket", "k", strings.NewReader("x"), blob.PutOptions{Size: 1, Storage: o}); err != nil {
			t.Errorf("put %+v: %v", o, err)
		}
	}
}

// BenchmarkEncryption puts and gets an object of 64 MiB under the store's keys, and under one of a key service.
func BenchmarkEncryption(b *testing.B) {
	const size = 64 << 20
	s, err := Open(Options{Dir: b.TempDir(), Key: testKey(), Random: rand.Reader, Keys: blobtest.NewKeys()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if err := s.CreateBucket(b.Context(), "bucket"); err != nil {
		b.Fatal(err)
	}
	film := make([]byte, size)
	for name, e := range map[string]blob.Encryption{"SSE-S3": {}, "SSE-KMS": {Method: blob.SSEKMS}} {
		b.Run(name+" put", func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				if _, err := s.Put(b.Context(), "bucket", name, bytes.NewReader(film), blob.PutOptions{Size: size, Storage: blob.Storage{Encryption: e}}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+" get", func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				o, err := s.Get(b.Context(), "bucket", name, nil, blob.Conditions{})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, o.Body); err != nil {
					b.Fatal(err)
				}
				o.Body.Close()
			}
		})
	}
}
