package test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// throughS3 are conditions that let a key be used by S3 alone.
const throughS3 = `"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}`

// key makes a customer managed key and returns its ARN.
func (p *person) key() string {
	p.t.Helper()
	return p.aws("kms", "create-key", "--query", "KeyMetadata.Arn")
}

// keyID is the id in the ARN of a key.
func keyID(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// head is what S3 says of how an object is encrypted: method, key, bucket key, algorithm of SSE-C.
func (p *person) head(bucket, key string, args ...string) string {
	p.t.Helper()
	out := p.aws(append([]string{"s3api", "head-object", "--bucket", bucket, "--key", key, "--query", "[ServerSideEncryption,SSEKMSKeyId,BucketKeyEnabled,SSECustomerAlgorithm]"}, args...)...)
	return strings.Join(strings.Fields(out), " ")
}

// random writes a file of random bytes.
func random(t *testing.T, size int) (path string, content []byte) {
	t.Helper()
	content = make([]byte, size)
	if _, err := rand.Read(content); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "random")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, content
}

// fetches copies an object down and compares it.
func (p *person) fetches(uri string, want []byte, args ...string) {
	p.t.Helper()
	down := filepath.Join(p.t.TempDir(), "down")
	p.aws(append([]string{"s3", "cp", "--quiet", uri, down}, args...)...)
	if got, err := os.ReadFile(down); err != nil || !bytes.Equal(got, want) {
		p.t.Errorf("%s: %d bytes that differ from the %d put: %v", uri, len(got), len(want), err)
	}
}

// TestServerSideEncryption works with SSE-S3, SSE-KMS and SSE-C as users of the AWS CLI do, at sizes that are put at once and in parts.
func TestServerSideEncryption(t *testing.T) {
	t.Parallel()
	s := serve(t)
	admin := s.admin()
	admin.aws("s3", "mb", "s3://films")
	key := admin.key()
	admin.aws("kms", "create-alias", "--alias-name", "alias/films", "--target-key-id", keyID(key))

	own, ownKey := random(t, 32)
	s.secret("a key of SSE-C", ownKey)
	s.secret("a key of SSE-C in base64", []byte(base64.StdEncoding.EncodeToString(ownKey)))
	another, _ := random(t, 32)
	withOwn := []string{"--sse-c", "AES256", "--sse-c-key", "fileb://" + own}
	apiOwn := func(file string) []string {
		return []string{"--sse-customer-algorithm", "AES256", "--sse-customer-key", "fileb://" + file}
	}
	s3Key := ""
	for _, size := range []int{100, 9 << 20} {
		up, content := random(t, size)
		for _, tt := range []struct {
			name, want string
			args       []string
			often      bool // at each size, and copied
		}{
			{"s3", "AES256 None None None", []string{"--sse", "AES256"}, false},
			{"kms", "aws:kms " + key + " None None", []string{"--sse", "aws:kms", "--sse-kms-key-id", key}, true},
			{"alias", "aws:kms " + key + " None None", []string{"--sse", "aws:kms", "--sse-kms-key-id", "alias/films"}, false},
			{"own", "None None None AES256", withOwn, true},
		} {
			if size > 8<<20 && !tt.often {
				continue
			}
			uri := fmt.Sprintf("s3://films/%s-%d", tt.name, size)
			admin.aws(append([]string{"s3", "cp", "--quiet", up, uri}, tt.args...)...)
			var read, head []string
			if tt.name == "own" {
				read, head = withOwn, apiOwn(own)
			}
			admin.fetches(uri, content, read...)
			if got := admin.head("films", strings.TrimPrefix(uri, "s3://films/"), head...); got != tt.want {
				t.Errorf("%s: got %s, want %s", uri, got, tt.want)
			}
			if !tt.often {
				continue
			}
			// A copy is encrypted as it says itself.
			from := read
			if tt.name == "own" {
				from = []string{"--sse-c-copy-source", "AES256", "--sse-c-copy-source-key", "fileb://" + own}
			}
			admin.aws(append(append([]string{"s3", "cp", "--quiet", uri, uri + "-copy"}, from...), "--sse", "aws:kms", "--sse-kms-key-id", key)...)
			admin.fetches(uri+"-copy", content)
			if got := admin.head("films", strings.TrimPrefix(uri, "s3://films/")+"-copy"); got != "aws:kms "+key+" None None" {
				t.Errorf("%s, copied: %s", uri, got)
			}
		}
		uri := fmt.Sprintf("s3://films/default-%d", size)
		admin.aws("s3", "cp", "--quiet", up, uri, "--sse", "aws:kms")
		admin.fetches(uri, content)
		s3Key = strings.Fields(admin.head("films", strings.TrimPrefix(uri, "s3://films/")))[1]
	}
	if got := admin.aws("kms", "describe-key", "--key-id", "alias/aws/s3", "--query", "KeyMetadata.[Arn,KeyManager]"); strings.Join(strings.Fields(got), " ") != s3Key+" AWS" {
		t.Errorf("the key of S3: %s, objects have %s", got, s3Key)
	}

	// SSE-C without its key, and with another.
	get := func(key string, args ...string) []string {
		return append([]string{"s3api", "get-object", "--bucket", "films", "--key", key, os.DevNull}, args...)
	}
	admin.refused("InvalidRequest", says("The object was stored using a form of Server Side Encryption"), get("own-100")...)
	admin.refused("AccessDenied", says("must provide the correct secret key"), get("own-100", apiOwn(another)...)...)
	admin.refused("InvalidRequest", says("not applicable"), get("s3-100", apiOwn(own)...)...)
	admin.refused("400", nil, "s3api", "head-object", "--bucket", "films", "--key", "own-100")
	admin.refused("403", nil, append([]string{"s3api", "head-object", "--bucket", "films", "--key", "own-100"}, apiOwn(another)...)...)

	// Bucket default encryption.
	if got := admin.aws("s3api", "get-bucket-encryption", "--bucket", "films", "--query", "ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm"); got != "AES256" {
		t.Errorf("the default of a new bucket: %s", got)
	}
	admin.aws("s3api", "put-bucket-encryption", "--bucket", "films", "--server-side-encryption-configuration",
		`{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"aws:kms","KMSMasterKeyID":"`+key+`"},"BucketKeyEnabled":true}]}`)
	if got := admin.aws("--output", "json", "s3api", "get-bucket-encryption", "--bucket", "films"); !strings.Contains(got, key) || !strings.Contains(got, `"BucketKeyEnabled": true`) {
		t.Errorf("the default: %s", got)
	}
	up, content := random(t, 1000)
	admin.aws("s3", "cp", "--quiet", up, "s3://films/by-default")
	admin.fetches("s3://films/by-default", content)
	if got := admin.head("films", "by-default"); got != "aws:kms "+key+" True None" {
		t.Errorf("by default: %s", got)
	}
	admin.aws("s3", "cp", "--quiet", up, "s3://films/said", "--sse", "AES256")
	if got := admin.head("films", "said"); got != "AES256 None None None" {
		t.Errorf("against the default: %s", got)
	}
	admin.aws("s3api", "delete-bucket-encryption", "--bucket", "films")
	admin.aws("s3", "cp", "--quiet", up, "s3://films/after")
	if got := admin.head("films", "after"); got != "AES256 None None None" {
		t.Errorf("after the default: %s", got)
	}

	// What is not offered is said by name.
	put := func(args ...string) []string {
		return append([]string{"s3api", "put-object", "--bucket", "films", "--key", "no", "--body", up}, args...)
	}
	admin.refused("NotImplemented", says("Not offered by this installation", "x-amz-storage-class", "GLACIER"), put("--storage-class", "GLACIER")...)
	admin.refused("NotImplemented", says("Not offered by this installation", "x-amz-acl", "public-read"), put("--acl", "public-read")...)
	admin.refused("KMS.NotFoundException", nil, put("--server-side-encryption", "aws:kms", "--ssekms-key-id", "1234abcd-12ab-34cd-56ef-1234567890ab")...)
	admin.refused("404", nil, "s3api", "head-object", "--bucket", "films", "--key", "no")
}

// TestKeysDecide has readers and writers who may do everything with objects, and different things with their keys.
func TestKeysDecide(t *testing.T) {
	t.Parallel()
	s := serve(t)
	admin := s.admin()
	admin.aws("s3", "mb", "s3://films")
	key := admin.key()
	up, content := random(t, 2000)
	admin.aws("s3", "cp", "--quiet", up, "s3://films/k", "--sse", "aws:kms", "--sse-kms-key-id", key)
	admin.aws("s3", "cp", "--quiet", up, "s3://films/usual", "--sse", "aws:kms")

	objects := allow("s3:GetObject s3:PutObject", "arn:aws:s3:::films/*")
	get := []string{"s3api", "get-object", "--bucket", "films", "--key", "k", os.DevNull}
	put := []string{"s3api", "put-object", "--bucket", "films", "--key", "new", "--body", up, "--server-side-encryption", "aws:kms", "--ssekms-key-id", key}

	none := s.user("none", policy(objects))
	none.denied("kms:Decrypt", key, byNobody, get...)
	none.denied("kms:GenerateDataKey", key, byNobody, put...)
	none.refused("404", nil, "s3api", "head-object", "--bucket", "films", "--key", "new")
	none.fetches("s3://films/usual", content) // the key of S3 is for everybody in the account, through S3

	through := s.user("through", policy(objects, allow("kms:Decrypt", key, throughS3)))
	through.fetches("s3://films/k", content)
	through.denied("kms:GenerateDataKey", key, byNobody, put...)
	through.refused("AccessDeniedException", nil, "kms", "decrypt", "--key-id", key, "--ciphertext-blob", "fileb://"+up)

	one := s.user("one", policy(objects, allow("kms:Decrypt", key, `"StringEquals":{"kms:EncryptionContext:aws:s3:arn":"arn:aws:s3:::films/other"}`)))
	one.denied("kms:Decrypt", key, byNobody, get...)

	barred := s.user("barred", policy(allow("*", "*"), deny("kms:Decrypt", "*", throughS3)))
	barred.denied("kms:Decrypt", key, byIdentity, get...)
	barred.aws(put...)

	// The policy of the key has its say, also over who may do everything.
	closed := admin.key()
	admin.aws("s3", "cp", "--quiet", up, "s3://films/closed", "--sse", "aws:kms", "--sse-kms-key-id", closed)
	admin.aws("kms", "put-key-policy", "--key-id", closed, "--policy-name", "default", "--policy",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"`+admin.arn+`"},"Action":"kms:*","Resource":"*"}]}`)
	everything := s.user("everything", policy(allow("*", "*")))
	if _, f := everything.try("s3api", "get-object", "--bucket", "films", "--key", "closed", os.DevNull); f == nil || f.code != "AccessDenied" || !strings.Contains(f.text, "kms:Decrypt") {
		t.Errorf("a key of somebody else: %+v", f)
	}
	admin.fetches("s3://films/closed", content)

	// Keys that do not work.
	admin.aws("kms", "disable-key", "--key-id", key)
	admin.refused("KMS.DisabledException", says(key), get...)
	admin.refused("KMS.DisabledException", says(key), put...)
	admin.aws("kms", "enable-key", "--key-id", key)
	admin.fetches("s3://films/k", content)
	admin.aws("kms", "schedule-key-deletion", "--key-id", key, "--pending-window-in-days", "7")
	admin.refused("KMS.KMSInvalidStateException", says(key), get...)
	admin.aws("s3", "rm", "--quiet", "s3://films/k") // to delete needs no key
}

// stored adds what a group says to the store of its outputs.
func stored(settings, s3Settings string) string {
	const at = `"FileGroupSettings": {`
	return strings.Replace(settings, at, at+`"DestinationSettings":{"S3Settings":{`+s3Settings+`}},`, 1)
}

// kmsOutputs are outputs under a key of the key service, with a context.
func kmsOutputs(key string) string {
	context := base64.StdEncoding.EncodeToString([]byte(`{"film":"clip"}`))
	return `"Encryption":{"EncryptionType":"SERVER_SIDE_ENCRYPTION_KMS","KmsKeyArn":"` + key + `","KmsEncryptionContext":"` + context + `"},"AccessControl":{"CannedAcl":"BUCKET_OWNER_FULL_CONTROL"},"StorageClass":"STANDARD"`
}

// TestEncryptedJobs runs jobs whose inputs and outputs are encrypted under keys, in roles that may use them and in roles that may not.
func TestEncryptedJobs(t *testing.T) {
	t.Parallel()
	s := serve(t)
	admin := s.admin()
	s.upload("films", "in/clear.mp4", clip(t, 1))
	key, other := admin.key(), admin.key()
	admin.aws("s3", "cp", "--quiet", clip(t, 1), "s3://films/in/kms.mp4", "--sse", "aws:kms", "--sse-kms-key-id", key)
	own, _ := random(t, 32)
	admin.aws("s3", "cp", "--quiet", clip(t, 1), "s3://films/in/own.mp4", "--sse-c", "AES256", "--sse-c-key", "fileb://"+own)
	admin.aws("s3", "mb", "s3://vault")
	admin.aws("s3api", "put-bucket-encryption", "--bucket", "vault", "--server-side-encryption-configuration",
		`{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"aws:kms","KMSMasterKeyID":"`+key+`"},"BucketKeyEnabled":true}]}`)

	objects := allow("s3:GetObject s3:PutObject s3:PutObjectAcl s3:AbortMultipartUpload", "arn:aws:s3:::films/* arn:aws:s3:::vault/*")
	full := s.role("Full", trust(toMediaConvert), policy(objects, allow("kms:GenerateDataKey kms:Decrypt", key, throughS3)))
	reads := s.role("Reads", trust(toMediaConvert), policy(objects, allow("kms:Decrypt", key, throughS3)))
	keyless := s.role("Keyless", trust(toMediaConvert), policy(objects))
	const clear, encrypted = "s3://films/in/clear.mp4", "s3://films/in/kms.mp4"
	out := func(name string) string { return "s3://films/out/" + name }
	hls := func(input, destination, s3Settings string) string {
		const at = `"HlsGroupSettings": {`
		return strings.Replace(stored(settings(input, destination), s3Settings), at, at+`"DestinationSettings":{"S3Settings":{`+s3Settings+`}},`, 1)
	}
	cases := []struct {
		name, role, settings string
		code                 int32 // 0: the job completes
		says                 []string
		made, kept           string // an object of the outputs, and how it is encrypted
	}{
		{name: "SSE-KMS", role: full, settings: stored(short(clear, out("kms")), kmsOutputs(key)), made: "films/out/kms.mp4", kept: "aws:kms " + key + " None None"},
		{name: "SSE-KMS in and out", role: full, settings: stored(short(encrypted, out("both")), kmsOutputs(key)), made: "films/out/both.mp4", kept: "aws:kms " + key + " None None"},
		{name: "SSE-KMS for HLS", role: full, settings: hls(clear, out("all"), kmsOutputs(key)), made: "films/out/all/hls/clear_180_00001.ts", kept: "aws:kms " + key + " None None"},
		{name: "the key of S3", role: keyless, settings: stored(short(clear, out("usual")), `"Encryption":{"EncryptionType":"SERVER_SIDE_ENCRYPTION_KMS"}`), made: "films/out/usual.mp4", kept: "aws:kms arn"},
		{name: "SSE-S3", role: keyless, settings: stored(short(clear, out("s3")), `"Encryption":{"EncryptionType":"SERVER_SIDE_ENCRYPTION_S3"}`), made: "films/out/s3.mp4", kept: "AES256 None None None"},
		{name: "by default", role: full, settings: short(clear, "s3://vault/out/x"), made: "vault/out/x.mp4", kept: "aws:kms " + key + " True None"},
		{name: "no key for the output", role: keyless, settings: stored(short(clear, out("no1")), kmsOutputs(key)), code: 1401, says: says("kms:GenerateDataKey", key, "assumed-role/Keyless/")},
		{name: "only to read", role: reads, settings: stored(short(encrypted, out("no2")), kmsOutputs(key)), code: 1401, says: says("kms:GenerateDataKey", key, "assumed-role/Reads/")},
		{name: "another key for the output", role: full, settings: stored(short(clear, out("no3")), kmsOutputs(other)), code: 1401, says: says("kms:GenerateDataKey", other, "assumed-role/Full/")},
		{name: "no key for the input", role: keyless, settings: short(encrypted, out("no4")), code: 1401, says: says("Input 1", "in/kms.mp4", "kms:Decrypt", key, "assumed-role/Keyless/")},
		{name: "no key for the bucket", role: keyless, settings: short(clear, "s3://vault/out/no5"), code: 1401, says: says("kms:GenerateDataKey", key, "assumed-role/Keyless/")},
		{name: "SSE-C in", role: full, settings: short("s3://films/in/own.mp4", out("no6")), code: 1401, says: says("SSE-C")},
	}
	ids := make([]string, len(cases))
	for i, tt := range cases {
		ids[i] = s.submit(`{"Role":"` + tt.role + `","Settings":` + tt.settings + `}`)
	}
	for i, tt := range cases {
		j := s.until(ids[i], final)
		code, message := aws.ToInt32(j.ErrorCode), aws.ToString(j.ErrorMessage)
		if want := map[bool]types.JobStatus{true: types.JobStatusComplete, false: types.JobStatusError}[tt.code == 0]; j.Status != want || code != tt.code {
			t.Errorf("%s: got %s %d %s, want %s %d", tt.name, j.Status, code, message, want, tt.code)
			continue
		}
		for _, part := range tt.says {
			if !strings.Contains(message, part) {
				t.Errorf("%s: got %q, want it to say %q", tt.name, message, part)
			}
		}
		if tt.made != "" {
			bucket, object, _ := strings.Cut(tt.made, "/")
			if got := admin.head(bucket, object); !strings.HasPrefix(got, tt.kept) {
				t.Errorf("%s: got %s, want %s", tt.name, got, tt.kept)
			}
		}
	}
	if n := s.uploads("films") + s.uploads("vault"); n != 0 {
		t.Errorf("%d uploads are open", n)
	}

	// Who may use the key reads the outputs, who may not does not; the context of the job is part of it.
	reader := allow("s3:GetObject", "arn:aws:s3:::films/*")
	film := s.user("film", policy(reader, allow("kms:Decrypt", key, `"StringEquals":{"kms:EncryptionContext:film":"clip"}`)))
	down := filepath.Join(t.TempDir(), "film.mp4")
	film.aws("s3", "cp", "--quiet", "s3://films/out/kms.mp4", down)
	if got := run(t, nil, "ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", down); strings.Fields(got)[0] != "h264" {
		t.Errorf("the output holds %s", got)
	}
	get := []string{"s3api", "get-object", "--bucket", "films", "--key", "out/kms.mp4", os.DevNull}
	s.user("reader", policy(reader)).denied("kms:Decrypt", key, byNobody, get...)
	s.user("series", policy(reader, allow("kms:Decrypt", key, `"StringEquals":{"kms:EncryptionContext:film":"other"}`))).denied("kms:Decrypt", key, byNobody, get...)

	// What the store cannot do is refused at submit, and what nobody can.
	for name, tt := range map[string]struct{ s3Settings, says string }{
		"public":         {`"AccessControl":{"CannedAcl":"PUBLIC_READ"}`, "Not offered by this installation: /outputGroups/0/outputGroupSettings/fileGroupSettings/destinationSettings/s3Settings/accessControl/cannedAcl"},
		"class":          {`"StorageClass":"GLACIER"`, "s3Settings/storageClass: GLACIER is not carried out by the store of the outputs; offered: STANDARD"},
		"context":        {`"Encryption":{"EncryptionType":"SERVER_SIDE_ENCRYPTION_KMS","KmsEncryptionContext":"WyJhIl0="}`, "kmsEncryptionContext"},
		"another region": {kmsOutputs(strings.Replace(key, "us-east-1", "eu-west-1", 1)), "kmsKeyArn"},
	} {
		_, err := s.mediaconvert().CreateJob(t.Context(), request(t, job(stored(short(clear, out("x")), tt.s3Settings))))
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v, want it to say %q", name, err, tt.says)
		}
	}

	// A probe of an encrypted file is the caller's: without the key there is none.
	blind := s.user("blind", policy(allow("mediaconvert:*", "*"), reader))
	sees := s.user("sees", policy(allow("mediaconvert:*", "*"), reader, allow("kms:Decrypt", key, throughS3)))
	probe := []string{"mediaconvert", "probe", "--input-files", "FileUrl=" + encrypted}
	if _, f := blind.try("mediaconvert", "probe", "help"); f == nil { // CLIs that know the operation
		sees.aws(probe...)
		if _, f := blind.try(probe...); f == nil || !strings.Contains(f.text, "kms:Decrypt") {
			t.Errorf("a probe without the key: %+v", f)
		}
	}
}

// TestEncryptedElsewhere has a job's outputs encrypted by another store, which says that it did: another Darkroom, in the roles that it has there.
func TestEncryptedElsewhere(t *testing.T) {
	t.Parallel()
	store := serve(t)
	store.upload("films", "in/clip.mp4", clip(t, 1))
	key := store.admin().key()
	installation := store.user("darkroom", policy(allow("sts:AssumeRole", roleNamed("Job*"))))
	s := serveOver(t, store, installation)
	byInstallation := trust(`"AWS":"` + installation.arn + `"`)
	objects := allow("s3:GetObject s3:PutObject s3:PutObjectAcl s3:AbortMultipartUpload s3:DeleteObject", "arn:aws:s3:::films/*")
	roles := map[string]string{}
	for name, document := range map[string]string{
		"JobFull": policy(objects, allow("kms:GenerateDataKey kms:Decrypt", key, throughS3)), "JobKeyless": policy(objects),
	} {
		store.role(name, byInstallation, document)
		roles[name] = s.role(name, trust(toMediaConvert), policy(allow("*", "*")))
	}
	for _, tt := range []struct {
		name, role, s3Settings string
		code                   int32
		says                   []string
		kept                   string
	}{
		{"kms", "JobFull", kmsOutputs(key), 0, nil, "aws:kms " + key + " None None"},
		{"s3", "JobFull", `"Encryption":{"EncryptionType":"SERVER_SIDE_ENCRYPTION_S3"}`, 0, nil, "AES256 None None None"},
		{"keyless", "JobKeyless", kmsOutputs(key), 1401, says("kms:GenerateDataKey", key, "assumed-role/JobKeyless/"), ""},
		{"class", "JobFull", `"StorageClass":"GLACIER"`, 1091, says("does not keep outputs as the job asks for"), ""},
		{"public", "JobFull", `"AccessControl":{"CannedAcl":"PUBLIC_READ"}`, 1091, says("does not keep outputs as the job asks for"), ""},
	} {
		id := s.submit(`{"Role":"` + roles[tt.role] + `","Settings":` + stored(short("s3://films/in/clip.mp4", "s3://films/out/"+tt.name), tt.s3Settings) + `}`)
		j := s.until(id, final)
		if code, message := aws.ToInt32(j.ErrorCode), aws.ToString(j.ErrorMessage); code != tt.code || (code == 0) != (j.Status == types.JobStatusComplete) {
			t.Errorf("%s: got %s %d %s, want %d", tt.name, j.Status, code, message, tt.code)
		} else {
			for _, part := range tt.says {
				if !strings.Contains(message, part) {
					t.Errorf("%s: got %q, want it to say %q", tt.name, message, part)
				}
			}
		}
		if tt.kept == "" {
			store.admin().refused("404", nil, "s3api", "head-object", "--bucket", "films", "--key", "out/"+tt.name+".mp4")
		} else if got := store.admin().head("films", "out/"+tt.name+".mp4"); got != tt.kept {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.kept)
		}
	}
}
