package worker

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"darkroom/internal/blob"
	"darkroom/internal/blob/plain"
	"darkroom/internal/cenc"
	"darkroom/internal/kms"
	"darkroom/internal/lease"
	"darkroom/internal/secret"
)

// oneLease is the lease.Control of one job.
type oneLease struct{ result chan lease.Result }

func (o *oneLease) Claim(context.Context, string) (*lease.Lease, error) { return nil, lease.ErrLost }

func (o *oneLease) Report(context.Context, *lease.Lease, lease.Progress) (time.Time, error) {
	return time.Now().Add(time.Hour), nil
}

func (o *oneLease) Wait(ctx context.Context, _ *lease.Lease) error {
	<-ctx.Done()
	return ctx.Err()
}

func (o *oneLease) Renew(context.Context, *lease.Lease) (lease.Credentials, error) {
	return lease.Credentials{}, nil
}

func (o *oneLease) Finish(_ context.Context, _ *lease.Lease, r lease.Result) error {
	o.result <- r
	return nil
}

func (o *oneLease) ContentKeys(context.Context, *lease.Lease, int) ([]cenc.Protection, error) {
	return nil, errors.New("no group of these jobs is encrypted")
}

func (o *oneLease) Release(context.Context, *lease.Lease) error { return nil }

// decrypts is a key service.
type decrypts func(ciphertext []byte, encryptionContext map[string]string) (secret.Bytes, error)

func (d decrypts) Decrypt(_ context.Context, keyID string, ciphertext []byte, encryptionContext map[string]string) (secret.Bytes, error) {
	if keyID != "" {
		return secret.Bytes{}, errors.New("the key is named, and may not be known")
	}
	return d(ciphertext, encryptionContext)
}

// sealedJob are the settings of a job with an encrypted input s3://in/NAME.
func sealedJob(name, mode string, encryptedKey, iv []byte) string {
	decryption := ""
	if mode != "" {
		decryption = fmt.Sprintf(`,"decryptionSettings":{"decryptionMode":%q,"encryptedDecryptionKey":%q,"initializationVector":%q}`,
			mode, base64.StdEncoding.EncodeToString(encryptedKey), base64.StdEncoding.EncodeToString(iv))
	}
	return `{"inputs":[{"fileInput":"s3://in/` + name + `"` + decryption + `,"audioSelectors":{"a":{"defaultSelection":"DEFAULT"}}}],"outputGroups":[{
		"outputGroupSettings":{"type":"FILE_GROUP_SETTINGS","fileGroupSettings":{"destination":"s3://out/` + strings.ReplaceAll(name, ".", "_") + `"}},
		"outputs":[{"containerSettings":{"container":"MP4"},"videoDescription":{"codecSettings":{"codec":"H_264","h264Settings":{"rateControlMode":"QVBR","maxBitrate":200000}}},
			"audioDescriptions":[{"codecSettings":{"codec":"AAC","aacSettings":{"bitrate":96000,"codingMode":"CODING_MODE_2_0","sampleRate":48000}}}]}]}]}`
}

// The data key of the tests, and its ciphertext.
var (
	testKey      = []byte("0123456789abcdef0123456789abcdef")
	testVector   = []byte("fedcba9876543210")
	ciphertext   = bytes.Repeat([]byte("C"), 100)
	aFilmsStart  = append([]byte("\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2"), make([]byte, 5000)...)
	errNotCalled = errors.New("the key service must not be asked")
)

func sealGCM(t testing.TB, key, iv, clearText []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCMWithNonceSize(block, len(iv))
	if err != nil {
		t.Fatal(err)
	}
	return aead.Seal(nil, iv, clearText, nil)
}

func sealCTR(t testing.TB, key, iv, clearText []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, len(clearText))
	cipher.NewCTR(block, iv).XORKeyStream(out, clearText)
	return out
}

func sealCBC(t testing.TB, key, iv, clearText []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	pad := aes.BlockSize - len(clearText)%aes.BlockSize
	out := append(bytes.Clone(clearText), bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, out)
	return out
}

// withoutSandbox carries out a job that has none: what it would start, ffprobe or ffmpeg, ends it with a panic, which reached reports.
func withoutSandbox(t *testing.T, file []byte, settings string, keys Keys) (failure *lease.Failure, reached bool) {
	t.Helper()
	in, out := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(in, "film.mp4"), file, 0o600); err != nil {
		t.Fatal(err)
	}
	store, err := plain.Open(map[string]string{"in": in, "out": out})
	if err != nil {
		t.Fatal(err)
	}
	control := &oneLease{make(chan lease.Result, 1)}
	o := Options{
		Name: "test", Control: control, Concurrency: 1, Heartbeat: time.Hour, FFmpeg: "/bin/true", FFprobe: "/bin/true",
		Open: func(CredentialSource) (blob.Store, error) { return store, nil },
	}
	if keys != nil {
		o.OpenKeys = func(CredentialSource) (Keys, error) { return keys, nil }
	}
	defer func() { reached = recover() != nil }()
	New(o).Do(t.Context(), &lease.Lease{JobID: "j", Attempt: 1, Settings: json.RawMessage(settings), Started: time.Unix(0, 0), Deadline: time.Now().Add(time.Hour)})
	r := <-control.result
	return r.Error, false
}

// A file that is not what it should be fails its job with a code and a message that helps, before anything is started; and what is right gets as far as
// the sandbox, so that the failures are not for another reason.
func TestEncryptedInputFails(t *testing.T) {
	t.Parallel()
	opens := decrypts(func(got []byte, encryptionContext map[string]string) (secret.Bytes, error) {
		if !bytes.Equal(got, ciphertext) || len(encryptionContext) != 1 || encryptionContext["service"] != "mediaconvert.amazonaws.com" {
			return secret.Bytes{}, fmt.Errorf("decrypt: %w", kms.ErrCiphertext)
		}
		return secret.New(bytes.Clone(testKey)), nil
	})
	says := func(err error) decrypts {
		return func([]byte, map[string]string) (secret.Bytes, error) {
			return secret.Bytes{}, fmt.Errorf("decrypt: %w", err)
		}
	}
	gives := func(key string) decrypts {
		return func([]byte, map[string]string) (secret.Bytes, error) { return secret.New([]byte(key)), nil }
	}
	gcm, ctr, cbc := sealGCM(t, testKey, testVector, aFilmsStart), sealCTR(t, testKey, testVector, aFilmsStart), sealCBC(t, testKey, testVector, aFilmsStart)
	flip := func(b []byte, at int) []byte {
		b = bytes.Clone(b)
		b[at] ^= 1
		return b
	}
	otherVector := flip(testVector, 3)
	otherKey := string(flip(testKey, 3))
	for _, c := range []struct {
		name    string
		file    []byte
		mode    string
		key, iv []byte
		keys    Keys
		code    int    // 0 where the sandbox is reached
		says    string // of the message
	}{
		{"right, GCM", gcm, "AES_GCM", ciphertext, testVector, opens, 0, ""},
		{"right, CTR", ctr, "AES_CTR", ciphertext, testVector, opens, 0, ""},
		{"right, CBC", cbc, "AES_CBC", ciphertext, testVector, opens, 0, ""},
		{"no key service", gcm, "AES_GCM", ciphertext, testVector, nil, 1010, "no key service"},
		{"a key of 128 bits in plaintext", gcm, "AES_GCM", testKey[:16], testVector, says(errNotCalled), 1010, "whoever saw the job knows it"},
		{"a key of 192 bits in plaintext", gcm, "AES_GCM", testKey[:24], testVector, says(errNotCalled), 1010, "whoever saw the job knows it"},
		{"a key of 256 bits in plaintext", gcm, "AES_GCM", testKey, testVector, says(errNotCalled), 1010, "whoever saw the job knows it"},
		{"another ciphertext", gcm, "AES_GCM", flip(ciphertext, 9), testVector, opens, 1010, "encryption context"},
		{"denied", gcm, "AES_GCM", ciphertext, testVector, says(kms.ErrDenied), 1432, "kms:Decrypt"},
		{"no such key", gcm, "AES_GCM", ciphertext, testVector, says(kms.ErrNoSuchKey), 1010, "does not exist"},
		{"disabled", gcm, "AES_GCM", ciphertext, testVector, says(kms.ErrDisabled), 1010, "disabled or pending deletion"},
		{"a refusal of another kind", gcm, "AES_GCM", ciphertext, testVector, says(kms.ErrRejected), 1010, "does not help"},
		{"unreachable", gcm, "AES_GCM", ciphertext, testVector, says(kms.ErrUnreachable), 1999, "Submit the job again"},
		{"a data key of 15 bytes", gcm, "AES_GCM", ciphertext, testVector, gives("fifteen bytes !"), 1010, "128, 192 or 256 bits"},
		{"a data key in hexadecimal", gcm, "AES_GCM", ciphertext, testVector, gives(hex.EncodeToString(testKey)), 1010, "not their text"},
		{"GCM, another key", gcm, "AES_GCM", ciphertext, testVector, gives(otherKey), 1010, "cannot be authenticated"},
		{"GCM, another vector", gcm, "AES_GCM", ciphertext, otherVector, opens, 1010, "cannot be authenticated"},
		{"GCM, first byte altered", flip(gcm, 0), "AES_GCM", ciphertext, testVector, opens, 1010, "none of it was used"},
		{"GCM, last byte altered", flip(gcm, len(gcm)-17), "AES_GCM", ciphertext, testVector, opens, 1010, "none of it was used"},
		{"GCM, tag altered", flip(gcm, len(gcm)-1), "AES_GCM", ciphertext, testVector, opens, 1010, "none of it was used"},
		{"GCM, cut short", gcm[:len(gcm)-1], "AES_GCM", ciphertext, testVector, opens, 1010, "cut short"},
		{"GCM, without its tag", gcm[:len(gcm)-16], "AES_GCM", ciphertext, testVector, opens, 1010, "tag of 16 bytes"},
		{"GCM, too short for a tag", gcm[:9], "AES_GCM", ciphertext, testVector, opens, 1010, "cut short"},
		{"GCM of nothing", sealGCM(t, testKey, testVector, nil), "AES_GCM", ciphertext, testVector, opens, 1010, "empty when it is decrypted"},
		{"a clear file", aFilmsStart, "AES_GCM", ciphertext, testVector, opens, 1010, "cannot be authenticated"},
		{"CTR, another key", ctr, "AES_CTR", ciphertext, testVector, gives(otherKey), 1010, "may not be those"},
		{"CTR, another vector", ctr, "AES_CTR", ciphertext, otherVector, opens, 1010, "may not be those"},
		{"CTR for a file in CBC", cbc, "AES_CTR", ciphertext, testVector, opens, 1010, "decryptionMode"},
		{"CBC, another vector", cbc, "AES_CBC", ciphertext, append([]byte("xxxx"), []byte("yyyyxxxxzzzz")...), opens, 1010, "may not be those"},
		{"CBC, another key", cbc, "AES_CBC", ciphertext, testVector, gives(otherKey), 1010, "may not be those"},
		{"CBC, cut short", cbc[:len(cbc)-3], "AES_CBC", ciphertext, testVector, opens, 1010, "cut short"},
		{"CBC, cut short by a block", cbc[:len(cbc)-16], "AES_CBC", ciphertext, testVector, opens, 1010, "may not be those"},
		{"CBC of nothing", sealCBC(t, testKey, testVector, nil), "AES_CBC", ciphertext, testVector, opens, 1010, "empty when it is decrypted"},
		{"a playlist", sealGCM(t, testKey, testVector, []byte("#EXTM3U\n#EXTINF:4,\nhttp://192.0.2.1/1.ts\n")), "AES_GCM", ciphertext, testVector, opens, 3400, "HLS playlist"},
		{"a playlist after a mark", sealCTR(t, testKey, testVector, []byte("\xef\xbb\xbf#EXTM3U\n")), "AES_CTR", ciphertext, testVector, opens, 3400, "HLS playlist"},
		{"authentic, and no film", sealGCM(t, testKey, testVector, []byte("GIF89a and more")), "AES_GCM", ciphertext, testVector, opens, 1030, "not in a container that is supported"},
		{"nothing", nil, "AES_GCM", ciphertext, testVector, opens, 1010, "is empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			failure, reached := withoutSandbox(t, c.file, sealedJob("film.mp4", c.mode, c.key, c.iv), c.keys)
			if c.code == 0 {
				if !reached {
					t.Errorf("failed before the sandbox: %v", failure)
				}
				return
			}
			if reached || failure == nil {
				t.Fatalf("the sandbox was reached, or no failure: %v", failure)
			}
			if failure.Code != c.code || !strings.Contains(failure.Message, c.says) || !strings.Contains(failure.Message, "Input 1 (s3://in/film.mp4)") {
				t.Errorf("got %d %q, want %d and %q", failure.Code, failure.Message, c.code, c.says)
			}
			if strings.Count(failure.Message, doubt) > 1 {
				t.Errorf("the doubt is told twice: %q", failure.Message)
			}
			for _, hidden := range []string{string(testKey[:16]), hex.EncodeToString(testKey[:16]), base64.StdEncoding.EncodeToString(testKey[:15])} {
				if strings.Contains(failure.Message, hidden) {
					t.Errorf("the message holds the key: %q", failure.Message)
				}
			}
		})
	}
}

// Bad padding and a wrong key whose padding is right by chance are told in the same words: the difference would let a stranger's ciphertext be deciphered.
func TestNoPaddingOracle(t *testing.T) {
	t.Parallel()
	opens := decrypts(func([]byte, map[string]string) (secret.Bytes, error) { return secret.New(bytes.Clone(testKey)), nil })
	padded := sealCBC(t, testKey, testVector, bytes.Repeat([]byte("no film "), 20))
	unpadded := padded[:len(padded)-16]
	settings := sealedJob("film.mp4", "AES_CBC", ciphertext, testVector)
	one, _ := withoutSandbox(t, padded, settings, opens)
	other, _ := withoutSandbox(t, unpadded, settings, opens)
	if one == nil || other == nil || *one != *other {
		t.Errorf("got %v and %v", one, other)
	}
}

// Files that were encrypted by the tools that users have decode to the same film as the clear file, byte for byte of the output.
func TestEncryptedFilms(t *testing.T) {
	t.Parallel()
	ffmpeg, ffprobe := program(t, "ffmpeg"), program(t, "ffprobe")
	openssl := program(t, "openssl")
	dir := t.TempDir()
	alone := filepath.Join(dir, "alone")
	build := exec.Command("go", "build", "-o", alone, "./testdata/alone")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	for _, d := range []string{in, out} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	carryOut := func(t *testing.T, name, mode string, key, iv []byte) *lease.Failure {
		t.Helper()
		request, err := json.Marshal(map[string]any{
			"Buckets": map[string]string{"in": in, "out": out}, "Settings": json.RawMessage(sealedJob(name, mode, ciphertext, iv)), "Key": key, "FFmpeg": ffmpeg, "FFprobe": ffprobe,
		})
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(alone)
		cmd.Stdin = bytes.NewReader(request)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		answer, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v\n%s", err, stderr.String())
		}
		var result lease.Result
		if err := json.Unmarshal(answer, &result); err != nil {
			t.Fatal(err)
		}
		return result.Error
	}
	written := func(t *testing.T, name string) []byte {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(out, strings.ReplaceAll(name, ".", "_")+".mp4"))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	bySSL := func(cipher string) func(t *testing.T, from, to string, key, iv []byte) {
		return func(t *testing.T, from, to string, key, iv []byte) {
			t.Helper()
			if text, err := exec.Command(openssl, "enc", "-"+cipher, "-K", hex.EncodeToString(key), "-iv", hex.EncodeToString(iv), "-in", from, "-out", to).CombinedOutput(); err != nil {
				t.Fatalf("openssl: %v\n%s", err, text)
			}
		}
	}
	byGo := func(t *testing.T, from, to string, key, iv []byte) {
		t.Helper()
		clearText, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, sealGCM(t, key, iv, clearText), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	byPython := func(t *testing.T, from, to string, key, iv []byte) {
		t.Helper()
		const program = `
import sys
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
source, target, key, iv = sys.argv[1:]
with open(source, "rb") as f, open(target, "wb") as g:
    g.write(AESGCM(bytes.fromhex(key)).encrypt(bytes.fromhex(iv), f.read(), None))
`
		python := "/usr/bin/python3" // Debian's, which has Debian's python3-cryptography
		if exec.Command(python, "-c", "import cryptography").Run() != nil {
			absent(t, "the package cryptography of Python")
		}
		if text, err := exec.Command(python, "-c", program, from, to, hex.EncodeToString(key), hex.EncodeToString(iv)).CombinedOutput(); err != nil {
			t.Fatalf("python3: %v\n%s", err, text)
		}
	}
	// The index of an MP4 stands at its end; the size of the film is no whole number of blocks, nor of chunks.
	for _, container := range []string{"mp4", "mkv", "ts"} {
		film := "clear." + container
		make := exec.Command(ffmpeg, "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=2", "-f", "lavfi", "-i", "sine=f=440:r=48000:d=2",
			"-c:v", "libx264", "-preset", "ultrafast", "-qp", "10", "-c:a", "aac", "-ac", "2", filepath.Join(in, film))
		if text, err := make.CombinedOutput(); err != nil {
			t.Fatalf("ffmpeg: %v\n%s", err, text)
		}
		if f := carryOut(t, film, "", nil, nil); f != nil {
			t.Fatalf("the clear film: %v", f)
		}
		want := written(t, film)
		for _, c := range []struct {
			name, mode string
			keySize    int
			iv         []byte
			encrypt    func(t *testing.T, from, to string, key, iv []byte)
		}{
			{"ctr256", "AES_CTR", 32, testVector, bySSL("aes-256-ctr")},
			{"ctr128short", "AES_CTR", 16, testVector[:12], bySSL("aes-128-ctr")},
			{"cbc192", "AES_CBC", 24, testVector, bySSL("aes-192-cbc")},
			{"gcm256", "AES_GCM", 32, testVector[:12], byGo},
			{"gcm128long", "AES_GCM", 16, testVector, byGo},
			{"gcm192python", "AES_GCM", 24, testVector[:12], byPython},
		} {
			t.Run(container+", "+c.name, func(t *testing.T) {
				name := c.name + "." + container
				c.encrypt(t, filepath.Join(in, film), filepath.Join(in, name), testKey[:c.keySize], c.iv)
				if f := carryOut(t, name, c.mode, testKey[:c.keySize], c.iv); f != nil {
					t.Fatal(f.Code, f.Message)
				}
				if got := written(t, name); !bytes.Equal(got, want) || len(got) < 10_000 {
					t.Errorf("the output has %d bytes, that of the clear film %d, and they are not the same", len(got), len(want))
				}
				for _, d := range []string{in, out} {
					names, err := filepath.Glob(filepath.Join(d, ".*"))
					if err != nil || len(names) > 0 {
						t.Errorf("left behind: %v %v", names, err)
					}
				}
			})
		}
	}
	// Altered where only decoding would show it: in GCM nothing comes of it.
	t.Run("GCM, altered in the middle", func(t *testing.T) {
		clearText, err := os.ReadFile(filepath.Join(in, "clear.mp4"))
		if err != nil {
			t.Fatal(err)
		}
		sealed := sealGCM(t, testKey, testVector, clearText)
		sealed[len(sealed)/2] ^= 1
		if err := os.WriteFile(filepath.Join(in, "altered.mp4"), sealed, 0o600); err != nil {
			t.Fatal(err)
		}
		f := carryOut(t, "altered.mp4", "AES_GCM", testKey, testVector)
		if f == nil || f.Code != 1010 || !strings.Contains(f.Message, "cannot be authenticated") {
			t.Errorf("got %v", f)
		}
		if names, err := filepath.Glob(filepath.Join(out, "altered*")); err != nil || len(names) > 0 {
			t.Errorf("written: %v, %v", names, err)
		}
	})
}

// program is where a program is, without symbolic links.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		absent(t, name)
	}
	return path
}

// absent skips at the desk, and fails in CI, where a tool is missing.
func absent(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed", what)
	}
	t.Skipf("%s is not installed", what)
}
