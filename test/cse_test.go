package test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// mediaConvertContext is the encryption context that the guide demands of a data key.
const mediaConvertContext = "service=mediaconvert.amazonaws.com"

// encrypted are the settings of a short job with decryption settings, and with what is added to them.
func encrypted(input, destination, mode, key, iv string, more ...string) string {
	return strings.Replace(short(input, destination), `"AudioSelectors"`,
		fmt.Sprintf(`"DecryptionSettings": {"DecryptionMode": %q, "EncryptedDecryptionKey": %q, "InitializationVector": %q%s}, "AudioSelectors"`, mode, key, iv, strings.Join(more, "")), 1)
}

// frames are the hashes of the pictures and the sound of a film, decoded.
func frameSums(t *testing.T, path string) string {
	t.Helper()
	return run(t, nil, "ffmpeg", "-v", "error", "-i", path, "-f", "framemd5", "-")
}

// outputFrames are the frames of the one output below a prefix.
func (s *server) outputFrames(prefix string) string {
	s.t.Helper()
	dir := s.download("films", prefix)
	names := slices.Collect(func(yield func(string) bool) {
		for name := range files(s.t, dir) {
			if !yield(name) {
				return
			}
		}
	})
	if len(names) != 1 {
		s.t.Fatalf("%s: %v", prefix, names)
	}
	return frameSums(s.t, filepath.Join(dir, names[0]))
}

// walkThrough is what the guide tells to do ("Implementing client-side encryption"), by the AWS CLI and openssl alone: $1 is the clear film, $2 the
// encrypted one, $3 the cipher of openssl, $4 how many bytes the key has, $5 how many the initialization vector. It prints the encrypted data key and the
// vector in base64, and leaves the key in the file $6.
const walkThrough = `set -eu
hex() { od -An -v -tx1 | tr -d ' \n'; }
key=$(aws kms create-key --description films --query KeyMetadata.Arn --output text)
if [ "$4" = 32 ]; then
	# A data key of KMS's own making ...
	pair=$(aws kms generate-data-key --key-id "$key" --key-spec AES_256 --encryption-context service=mediaconvert.amazonaws.com --query '[Plaintext,CiphertextBlob]' --output text)
	echo "$pair" | cut -f1 | base64 -d > "$6"
	sealed=$(echo "$pair" | cut -f2)
else
	# ... or one of openssl's, which KMS encrypts.
	openssl rand -out "$6" "$4"
	sealed=$(aws kms encrypt --key-id "$key" --plaintext "fileb://$6" --encryption-context '{"service":"mediaconvert.amazonaws.com"}' --query CiphertextBlob --output text)
fi
openssl rand -out "$6.iv" "$5"
openssl enc "-$3" -K "$(hex < "$6")" -iv "$(hex < "$6.iv")" -in "$1" -out "$2"
aws s3 cp --quiet "$2" "s3://films/in/$(basename "$2")"
echo "$sealed $(base64 -w0 < "$6.iv")"
`

// TestClientSideEncryption walks through the guide, and then everywhere it can go wrong.
func TestClientSideEncryption(t *testing.T) {
	t.Parallel()
	need(t, "openssl")
	need(t, "aws")
	dir := t.TempDir()
	site, flags := web(t, http.FileServer(http.Dir(dir)), false)
	s := serve(t, flags...)
	c := clip(t, 2)
	s.upload("films", "in/clear.mp4", c)
	reading := allow("s3:GetObject", "arn:aws:s3:::films/in/*")
	writing := allow("s3:PutObject s3:AbortMultipartUpload", "arn:aws:s3:::films/out/*")
	decrypting := allow("kms:Decrypt", "*", `"StringEquals":{"kms:EncryptionContext:service":"mediaconvert.amazonaws.com"}`)
	films := s.role("Films", trust(toMediaConvert), policy(reading, writing, decrypting))
	submit := func(t *testing.T, role, settings string) string {
		t.Helper()
		out, err := s.mediaconvert().CreateJob(t.Context(), request(t, `{"Role":"`+role+`","Settings":`+settings+`}`))
		if err != nil {
			t.Fatal(err)
		}
		return *out.Job.Id
	}
	s.finish(submit(t, films, short("s3://films/in/clear.mp4", "s3://films/out/clear/")))
	want := s.outputFrames("out/clear/")
	if strings.Count(want, "\n") < 50 {
		t.Fatalf("the clear film has few frames:\n%s", want)
	}
	clearText, err := os.ReadFile(c)
	if err != nil {
		t.Fatal(err)
	}

	// Of each mode: the ciphertext of the data key, the vector, and the key.
	type lock struct {
		sealed, iv string
		key        []byte
	}
	locks := map[string]lock{}
	for _, way := range []struct {
		name, mode, cipher string
		key, iv            int
	}{
		{"ctr256", "AES_CTR", "aes-256-ctr", 32, 16}, {"ctr192short", "AES_CTR", "aes-192-ctr", 24, 12}, {"cbc128", "AES_CBC", "aes-128-cbc", 16, 16},
	} {
		keyFile, sealedFile := filepath.Join(dir, way.name+".key"), filepath.Join(dir, way.name+".mp4")
		out := run(t, nil, "bash", "-c", `eval "$("$0" env --data "$1")"; export AWS_PROFILE=admin; shift; `+walkThrough, binary, s.data, c, sealedFile, way.cipher, fmt.Sprint(way.key), fmt.Sprint(way.iv), keyFile)
		key, err := os.ReadFile(keyFile)
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Fields(out)
		if len(parts) != 2 || len(key) != way.key {
			t.Fatalf("%s: printed %q", way.name, out)
		}
		locks[way.name] = lock{parts[0], parts[1], key}
		in := "s3://films/in/" + way.name + ".mp4"
		s.finish(submit(t, films, encrypted(in, "s3://films/out/"+way.name+"/", way.mode, parts[0], parts[1], `, "KmsKeyRegion": "us-east-1"`)))
		if got := s.outputFrames("out/" + way.name + "/"); got != want {
			t.Errorf("%s: the frames are not those of the clear film", way.name)
		}
	}
	// openssl makes no files in GCM; an SDK does. Here with the data key of another file, from a web server.
	l := locks["ctr256"]
	block, err := aes.NewCipher(l.key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	vector := []byte("twelve bytes")
	short12 := base64.StdEncoding.EncodeToString(vector)
	sealed := gcm.Seal(nil, vector, clearText, nil)
	altered := bytes.Clone(sealed)
	altered[len(altered)/2] ^= 1
	cbc, err := os.ReadFile(filepath.Join(dir, "cbc128.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"gcm.mp4": sealed, "altered.mp4": altered, "cut.mp4": sealed[:len(sealed)-1], "cutcbc.mp4": cbc[:len(cbc)-5]} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		s.upload("films", "in/"+name, path)
	}
	s.finish(submit(t, films, encrypted(site.URL+"/gcm.mp4", "s3://films/out/gcm/", "AES_GCM", l.sealed, short12)))
	if got := s.outputFrames("out/gcm/"); got != want {
		t.Error("GCM from a web server: the frames are not those of the clear film")
	}

	admin := s.admin()
	other := admin.aws("kms", "create-key", "--query", "KeyMetadata.Arn")
	dataKey := func(context string) string {
		t.Helper()
		args := []string{"kms", "generate-data-key", "--key-id", other, "--key-spec", "AES_256", "--query", "CiphertextBlob"}
		if context != "" {
			args = append(args, "--encryption-context", context)
		}
		return admin.aws(args...)
	}
	otherContext, noContext, otherKey := dataKey("service=s3.amazonaws.com"), dataKey(""), dataKey(mediaConvertContext)
	alsoContext := dataKey(mediaConvertContext + ",film=1")
	disabled := admin.aws("kms", "create-key", "--query", "KeyMetadata.Arn")
	underDisabled := admin.aws("kms", "generate-data-key", "--key-id", disabled, "--key-spec", "AES_256", "--encryption-context", mediaConvertContext, "--query", "CiphertextBlob")
	admin.aws("kms", "disable-key", "--key-id", disabled)
	noKeys := s.role("NoKeys", trust(toMediaConvert), policy(reading, writing))
	otherKeys := s.role("OtherKeys", trust(toMediaConvert), policy(reading, writing, allow("kms:Decrypt", other)))
	everything := s.role("Everything", trust(toMediaConvert), policy(allow("*", "*")))
	wrongVector := base64.StdEncoding.EncodeToString([]byte("another of 16 by"))

	for _, tt := range []struct {
		name, role, input, mode, key, iv string
		code                             int32
		says                             string
	}{
		{"no kms:Decrypt", noKeys, "ctr256.mp4", "AES_CTR", l.sealed, l.iv, 1432, "kms:Decrypt"},
		{"kms:Decrypt on another key", otherKeys, "ctr256.mp4", "AES_CTR", l.sealed, l.iv, 1432, "kms:Decrypt"},
		{"plaintext key", everything, "ctr256.mp4", "AES_CTR", base64.StdEncoding.EncodeToString(l.key), l.iv, 1010, "whoever saw the job knows it"},
		{"no ciphertext", everything, "ctr256.mp4", "AES_CTR", base64.StdEncoding.EncodeToString(make([]byte, 200)), l.iv, 1010, "does not open"},
		{"wrong context", everything, "ctr256.mp4", "AES_CTR", otherContext, l.iv, 1010, "encryption context"},
		{"no context", everything, "ctr256.mp4", "AES_CTR", noContext, l.iv, 1010, "encryption context"},
		{"more context", everything, "ctr256.mp4", "AES_CTR", alsoContext, l.iv, 1010, "encryption context"},
		{"disabled key", everything, "ctr256.mp4", "AES_CTR", underDisabled, l.iv, 1010, "disabled or pending deletion"},
		{"wrong key, CTR", everything, "ctr256.mp4", "AES_CTR", otherKey, l.iv, 1010, "may not be those"},
		{"wrong vector, CTR", everything, "ctr256.mp4", "AES_CTR", l.sealed, wrongVector, 1010, "may not be those"},
		{"wrong key, CBC", everything, "cbc128.mp4", "AES_CBC", otherKey, locks["cbc128"].iv, 1010, "may not be those"},
		{"wrong vector, CBC", everything, "cbc128.mp4", "AES_CBC", locks["cbc128"].sealed, wrongVector, 1010, "may not be those"},
		{"cut short, CBC", everything, "cutcbc.mp4", "AES_CBC", locks["cbc128"].sealed, locks["cbc128"].iv, 1010, "cut short"},
		{"wrong key, GCM", everything, "gcm.mp4", "AES_GCM", otherKey, short12, 1010, "cannot be authenticated"},
		{"wrong vector, GCM", everything, "gcm.mp4", "AES_GCM", l.sealed, wrongVector, 1010, "cannot be authenticated"},
		{"altered, GCM", everything, "altered.mp4", "AES_GCM", l.sealed, short12, 1010, "none of it was used"},
		{"cut short, GCM", everything, "cut.mp4", "AES_GCM", l.sealed, short12, 1010, "cut short"},
		{"a clear file", everything, "clear.mp4", "AES_GCM", l.sealed, short12, 1010, "cannot be authenticated"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := s.in(t)
			out := "out/failed-" + strings.ReplaceAll(tt.name, " ", "-") + "/"
			j := s.until(submit(t, tt.role, encrypted("s3://films/in/"+tt.input, "s3://films/"+out, tt.mode, tt.key, tt.iv)), final)
			if code, text := aws.ToInt32(j.ErrorCode), aws.ToString(j.ErrorMessage); j.Status != types.JobStatusError || code != tt.code || !strings.Contains(text, tt.says) {
				t.Errorf("got %s %d %s, want %d %s", j.Status, code, text, tt.code, tt.says)
			}
			if n := len(files(t, s.download("films", out))); n > 0 {
				t.Errorf("%d files were written", n)
			}
		})
	}
	for _, tt := range []struct{ name, settings, says string }{
		{"another region", encrypted("s3://films/in/ctr256.mp4", "s3://films/out/x/", "AES_CTR", l.sealed, l.iv, `, "KmsKeyRegion": "eu-west-1"`), "Not offered by this installation: /inputs/0/decryptionSettings/kmsKeyRegion"},
		{"a playlist", encrypted("s3://films/in/film.m3u8", "s3://films/out/x/", "AES_CTR", l.sealed, l.iv), "Not offered by this installation: /inputs/0/decryptionSettings"},
		{"12 bytes with CBC", encrypted("s3://films/in/cbc128.mp4", "s3://films/out/x/", "AES_CBC", l.sealed, short12), "/inputs/0/decryptionSettings/initializationVector"},
		{"no base64", encrypted("s3://films/in/cbc128.mp4", "s3://films/out/x/", "AES_CBC", "AAAAAAAAAAAAAAAAAAAAAAAAA", l.iv), "/inputs/0/decryptionSettings/encryptedDecryptionKey"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := s.mediaconvert().CreateJob(t.Context(), request(t, `{"Role":"`+films+`","Settings":`+tt.settings+`}`))
			if err == nil || code(err) != "BadRequestException" || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %s", err, tt.says)
			}
		})
	}
	// The jobs had their keys decrypted as sessions of their role, over the worker's own path, and what is written of it holds no key.
	n := 0
	for _, a := range s.accesses() {
		if a.Service == "kms" && a.Internal {
			n++
			if a.Operation != "Decrypt" && a.Status < 400 || !strings.Contains(a.Principal, ":assumed-role/") {
				t.Errorf("%+v", a)
			}
		}
	}
	if n == 0 {
		t.Error("no data key was decrypted over the worker's path")
	}
	log := s.log.String()
	for name, l := range locks {
		for _, form := range []string{string(l.key), hex.EncodeToString(l.key), base64.StdEncoding.EncodeToString(l.key)} {
			// The plaintext key of one case was given in the job itself, whose settings are in no log either.
			if strings.Contains(log, form) {
				t.Errorf("the log holds the key of %s", name)
			}
		}
	}
}
