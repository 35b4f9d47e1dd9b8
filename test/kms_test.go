package test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// kmsARN is the ARN of something of the key service's in the main account.
func kmsARN(name string) string { return "arn:aws:kms:us-east-1:" + account + ":" + name }

// byKeyPolicy is how AWS ends the text where the policy of a key is silent.
const byKeyPolicy = "because no resource-based policy allows the ACTION action"

// TestKMS goes through the life of a key with the AWS CLI, and kills the server in the middle of it.
func TestKMS(t *testing.T) {
	t.Parallel()
	s := serve(t)
	p, dir := s.admin(), t.TempDir()
	file := func(name string, content []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return "fileb://" + path
	}
	unbase := func(text string) []byte {
		t.Helper()
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		return b
	}
	id := p.aws("kms", "create-key", "--description", "for films", "--tags", "TagKey=team,TagValue=films", "--query", "KeyMetadata.KeyId")
	arn := kmsARN("key/" + id)
	p.aws("kms", "create-alias", "--alias-name", "alias/films", "--target-key-id", id)
	if got := p.aws("kms", "list-aliases", "--query", "Aliases[].[AliasName,TargetKeyId]"); got != "alias/films\t"+id {
		t.Errorf("aliases %q", got)
	}

	// A data key is encrypted for MediaConvert, as its guide has it, and comes back with the same context alone.
	const context = "service=mediaconvert.amazonaws.com"
	dataKey := bytes.Repeat([]byte{7, 0, 255}, 8)
	cipher := file("cipher", unbase(p.aws("kms", "encrypt", "--key-id", "alias/films", "--plaintext", file("plain", dataKey), "--encryption-context", context, "--query", "CiphertextBlob")))
	decrypted := func() {
		t.Helper()
		if got := unbase(p.aws("kms", "decrypt", "--ciphertext-blob", cipher, "--encryption-context", context, "--query", "Plaintext")); !bytes.Equal(got, dataKey) {
			t.Errorf("decrypted %x", got)
		}
	}
	decrypted()
	for _, wrong := range [][]string{
		nil,
		{"--encryption-context", "service=mediaconvert"},
		{"--encryption-context", context + ",more=x"},
		{"--encryption-context", "Service=mediaconvert.amazonaws.com"},
	} {
		p.refused("InvalidCiphertextException", nil, append([]string{"kms", "decrypt", "--ciphertext-blob", cipher}, wrong...)...)
	}

	// What was encrypted before a rotation still opens, after a power cut too. (The CLI of Debian knows no rotate-key-on-demand.)
	p.aws("kms", "enable-key-rotation", "--key-id", id)
	if _, err := kms.NewFromConfig(s.configOf("admin")).RotateKeyOnDemand(t.Context(), &kms.RotateKeyOnDemandInput{KeyId: &id}); err != nil {
		t.Fatal(err)
	}
	decrypted()
	newer := file("newer", unbase(p.aws("kms", "encrypt", "--key-id", arn, "--plaintext", file("plain", dataKey), "--query", "CiphertextBlob")))
	s.kill()
	p = s.admin()
	decrypted()
	if got := unbase(p.aws("kms", "decrypt", "--ciphertext-blob", newer, "--query", "Plaintext")); !bytes.Equal(got, dataKey) {
		t.Errorf("decrypted %x", got)
	}
	if got := p.aws("kms", "describe-key", "--key-id", "alias/films", "--query", "KeyMetadata.[Arn,Description,KeyState]"); got != arn+"\tfor films\tEnabled" {
		t.Errorf("described %q", got)
	}
	if got := p.aws("kms", "get-key-rotation-status", "--key-id", id, "--query", "KeyRotationEnabled"); got != "True" {
		t.Errorf("rotation %q", got)
	}
	if got := p.aws("kms", "list-resource-tags", "--key-id", id, "--query", "Tags[].[TagKey,TagValue]"); got != "team\tfilms" {
		t.Errorf("tags %q", got)
	}

	p.aws("kms", "disable-key", "--key-id", id)
	p.refused("DisabledException", says(arn+" is disabled."), "kms", "decrypt", "--ciphertext-blob", cipher, "--encryption-context", context)
	p.aws("kms", "enable-key", "--key-id", id)
	decrypted()
	p.refused("ValidationException", says("between 7 and 30"), "kms", "schedule-key-deletion", "--key-id", id, "--pending-window-in-days", "6")
	if got := p.aws("kms", "schedule-key-deletion", "--key-id", id, "--pending-window-in-days", "7", "--query", "[KeyState,PendingWindowInDays]"); got != "PendingDeletion\t7" {
		t.Errorf("scheduled %q", got)
	}
	s.kill()
	p = s.admin()
	p.refused("KMSInvalidStateException", says(arn+" is pending deletion."), "kms", "decrypt", "--ciphertext-blob", cipher, "--encryption-context", context)
	p.aws("kms", "cancel-key-deletion", "--key-id", id)
	p.refused("DisabledException", says(arn+" is disabled."), "kms", "decrypt", "--ciphertext-blob", cipher, "--encryption-context", context)
	p.aws("kms", "enable-key", "--key-id", id)
	decrypted()

	// Nothing of the key or of what it encrypted stands in what the server writes.
	log := s.log.String()
	for _, secret := range []string{string(dataKey), base64.StdEncoding.EncodeToString(dataKey)} {
		if strings.Contains(log, secret) {
			t.Error("the log shows a data key")
		}
	}
	if err := filepath.WalkDir(s.data, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			return nil // it ended meanwhile
		}
		if bytes.Contains(content, dataKey) {
			t.Errorf("%s shows a data key", path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// TestKMSPolicies: key policies, IAM policies and grants decide together, as KMS has it, with AWS's own words.
func TestKMSPolicies(t *testing.T) {
	t.Parallel()
	s := serve(t)
	p, dir := s.admin(), t.TempDir()
	id := p.aws("kms", "create-key", "--query", "KeyMetadata.KeyId")
	arn := kmsARN("key/" + id)
	editor := s.user("editor", policy(allow("kms:Decrypt kms:Encrypt kms:DescribeKey", "*")))
	viaS3 := s.user("via", policy(allow("kms:*", "*", `"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}`)))
	inContext := s.user("incontext", policy(allow("kms:Encrypt", "*", `"StringEquals":{"kms:EncryptionContext:service":"mediaconvert.amazonaws.com"}`)))
	nobody := s.user("nobody", "")
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	encrypt := func(more ...string) []string {
		return append([]string{"kms", "encrypt", "--key-id", id, "--plaintext", "fileb://" + plain, "--query", "KeyId"}, more...)
	}

	// The default key policy leaves it to the users' own policies.
	if got := editor.aws(encrypt()...); got != arn {
		t.Errorf("encrypted by %q", got)
	}
	nobody.denied("kms:Encrypt", arn, byNobody, encrypt()...)
	viaS3.denied("kms:Encrypt", arn, byNobody, encrypt()...)
	inContext.denied("kms:Encrypt", arn, byNobody, encrypt()...)
	inContext.aws(encrypt("--encryption-context", "service=mediaconvert.amazonaws.com")...)
	editor.denied("kms:PutKeyPolicy", arn, byNobody, "kms", "put-key-policy", "--key-id", id, "--policy-name", "default", "--policy", "{}")

	// A key policy that names nobody's account leaves everybody else out, whatever their own policies say: those of the administrator too.
	put := func(who *person, document string, more ...string) []string {
		return append([]string{"kms", "put-key-policy", "--key-id", id, "--policy-name", "default", "--policy", document}, more...)
	}
	statement := func(effect, principal, action string) string {
		return `{"Effect":"` + effect + `","Principal":{"AWS":"` + principal + `"},"Action":"` + action + `","Resource":"*"}`
	}
	root := "arn:aws:iam::" + account + ":root"
	p.refused("MalformedPolicyDocumentException", says("The new key policy will not allow you to update the key policy in the future."), put(p, policy(statement("Allow", nobody.arn, "kms:Encrypt")))...)
	p.refused("MalformedPolicyDocumentException", says("invalid principals"), put(p, policy(statement("Allow", root, "kms:*"), statement("Allow", userNamed("ghost"), "kms:*")))...)
	p.aws(put(p, policy(statement("Allow", root, "kms:*"), statement("Deny", p.arn, "kms:Encrypt"), statement("Allow", nobody.arn, "kms:Encrypt")))...)
	p.denied("kms:Encrypt", arn, "with an explicit deny in a resource-based policy", encrypt()...)
	nobody.aws(encrypt()...)
	p.aws(put(p, policy(statement("Allow", nobody.arn, "kms:*")), "--bypass-policy-lockout-safety-check")...)
	nobody.aws(encrypt()...)
	for _, who := range []*person{p, editor, s.root()} {
		who.denied("kms:Encrypt", arn, byKeyPolicy, encrypt()...)
		who.denied("kms:PutKeyPolicy", arn, byKeyPolicy, put(who, policy(statement("Allow", root, "kms:*")))...)
	}
	nobody.aws(put(nobody, policy(statement("Allow", root, "kms:*"), statement("Allow", nobody.arn, "kms:PutKeyPolicy")))...)

	// A grant lets a role decrypt in one context, until it is revoked.
	trusting := trust(`"AWS":"` + p.arn + `"`)
	role := s.role("Transcoder", trusting, "")
	worker := p.assume(role, "reel")
	const context = "service=mediaconvert.amazonaws.com"
	sealed := p.aws("kms", "encrypt", "--key-id", id, "--plaintext", "fileb://"+plain, "--encryption-context", context, "--query", "CiphertextBlob")
	blob, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		t.Fatal(err)
	}
	cipher := filepath.Join(dir, "cipher")
	if err := os.WriteFile(cipher, blob, 0o600); err != nil {
		t.Fatal(err)
	}
	decrypt := []string{"kms", "decrypt", "--ciphertext-blob", "fileb://" + cipher, "--encryption-context", context, "--query", "KeyId"}
	worker.denied("kms:Decrypt", arn, byNobody, decrypt...)
	grant := strings.Fields(p.aws("kms", "create-grant", "--key-id", id, "--grantee-principal", role, "--operations", "Decrypt", "RetireGrant",
		"--constraints", `{"EncryptionContextSubset":{"service":"mediaconvert.amazonaws.com"}}`, "--query", "[GrantId,GrantToken]"))
	if len(grant) != 2 {
		t.Fatalf("create-grant: %d words", len(grant))
	}
	if got := worker.aws(decrypt...); got != arn {
		t.Errorf("decrypted by %q", got)
	}
	worker.aws(append(decrypt, "--grant-tokens", grant[1])...)
	worker.refused("InvalidGrantTokenException", nil, append(decrypt, "--grant-tokens", "x")...)
	worker.denied("kms:Encrypt", arn, byNobody, encrypt("--encryption-context", context)...)
	worker.denied("kms:DescribeKey", arn, byNobody, "kms", "describe-key", "--key-id", id)
	s.kill()
	worker = s.admin().in(t).assume(role, "reel")
	worker.aws(decrypt...)
	if got := s.admin().aws("kms", "list-grants", "--key-id", id, "--query", "Grants[].[GrantId,GranteePrincipal,Operations[0]]"); got != grant[0]+"\t"+role+"\tDecrypt" {
		t.Errorf("grants %q", got)
	}
	worker.aws("kms", "retire-grant", "--grant-token", grant[1])
	worker.denied("kms:Decrypt", arn, byNobody, decrypt...)
	s.admin().refused("NotFoundException", says(grant[0]), "kms", "revoke-grant", "--key-id", id, "--grant-id", grant[0])
}

// TestKMSBySDKs uses keys with boto3, and with the Go SDK page by page.
func TestKMSBySDKs(t *testing.T) {
	t.Parallel()
	python := "/usr/bin/python3" // Debian's, which has Debian's python3-boto3
	if _, _, err := try(t, nil, python, "-c", "import boto3"); err != nil {
		absent(t, "boto3 is not installed")
	}
	s := serve(t)
	run(t, s.env(), python, filepath.Join("python", "keys.py"))

	c, ctx := kms.NewFromConfig(s.configOf("admin")), t.Context()
	for range 3 {
		if _, err := c.CreateKey(ctx, &kms.CreateKeyInput{}); err != nil {
			t.Fatal(err)
		}
	}
	n, limit := 0, int32(2)
	for pages := kms.NewListKeysPaginator(c, &kms.ListKeysInput{Limit: &limit}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		n += len(page.Keys)
	}
	if n != 5 { // boto3 has made two
		t.Errorf("%d keys", n)
	}
	var disabled *types.DisabledException
	name := "alias/boto"
	described, err := c.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &name})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.DisableKey(ctx, &kms.DisableKeyInput{KeyId: described.KeyMetadata.KeyId}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Encrypt(ctx, &kms.EncryptInput{KeyId: &name, Plaintext: []byte("x")}); !errors.As(err, &disabled) {
		t.Errorf("got %v, want the SDK's own DisabledException", err)
	}
}
