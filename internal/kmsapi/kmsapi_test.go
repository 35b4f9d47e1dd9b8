package kmsapi_test

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/google/go-cmp/cmp"

	"darkroom/internal/kmsapi"
)

// TestEveryOperation: each operation that the SDK's client knows is carried out, or told not to be, and nothing else is told.
func TestEveryOperation(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	done := b.api.Operations()
	var known []string
	for method := range reflect.TypeFor[*sdk.Client]().Methods() {
		if method.Name == "Options" {
			continue
		}
		known = append(known, method.Name)
		n := 0
		for _, list := range [][]string{done, kmsapi.NotOffered} {
			if slices.Contains(list, method.Name) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s is in %d of the lists of what is carried out and of what is not offered", method.Name, n)
		}
		if !slices.Contains(kmsapi.NotOffered, method.Name) {
			continue
		}
		// A call with an input that the client itself lets through.
		call := reflect.ValueOf(b.root).MethodByName(method.Name)
		in := reflect.New(call.Type().In(1).Elem())
		fill(in.Elem())
		out := call.Call([]reflect.Value{reflect.ValueOf(t.Context()), in})
		err, _ := out[1].Interface().(error)
		refused(t, method.Name, err, "UnsupportedOperationException", "Not offered by this installation: "+method.Name+".")
	}
	for _, name := range slices.Concat(done, kmsapi.NotOffered) {
		if !slices.Contains(known, name) {
			t.Errorf("the SDK knows no operation %s", name)
		}
	}
}

// fill gives each member of an input some value.
func fill(v reflect.Value) {
	for _, f := range reflect.VisibleFields(v.Type()) {
		m := v.FieldByIndex(f.Index)
		switch {
		case !f.IsExported():
		case m.Kind() == reflect.Pointer && m.Type().Elem().Kind() == reflect.String:
			m.Set(reflect.ValueOf(aws.String("x")))
		case m.Kind() == reflect.String:
			m.SetString("x")
		case m.Type() == reflect.TypeFor[[]byte]():
			m.SetBytes([]byte("x"))
		}
	}
}

// TestKeys goes through the life of a key with the SDK's own client.
func TestKeys(t *testing.T) {
	t.Parallel()
	b, ctx := newBench(t), t.Context()
	made := must(b.root.CreateKey(ctx, &sdk.CreateKeyInput{
		Description: aws.String("films"), Tags: []types.Tag{{TagKey: aws.String("team"), TagValue: aws.String("films")}}, KeySpec: types.KeySpecSymmetricDefault,
	}))(t).KeyMetadata
	want := &types.KeyMetadata{
		AWSAccountId: aws.String(account), KeyId: made.KeyId, Arn: aws.String(arn + "key/" + *made.KeyId), CreationDate: made.CreationDate, CurrentKeyMaterialId: made.CurrentKeyMaterialId,
		//lint:ignore SA1019 older clients send and read it
		Description: aws.String("films"), Enabled: true, KeyState: "Enabled", KeyUsage: "ENCRYPT_DECRYPT", KeySpec: "SYMMETRIC_DEFAULT", CustomerMasterKeySpec: "SYMMETRIC_DEFAULT",
		KeyManager: "CUSTOMER", Origin: "AWS_KMS", MultiRegion: aws.Bool(false), EncryptionAlgorithms: []types.EncryptionAlgorithmSpec{"SYMMETRIC_DEFAULT"},
	}
	same := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".noSmithyDocumentSerde" }, cmp.Ignore())
	if diff := cmp.Diff(want, made, same); diff != "" {
		t.Errorf("made (-want +got):\n%s", diff)
	}
	if since := time.Since(*made.CreationDate); since < -time.Second || since > time.Minute {
		t.Errorf("made %v ago", since)
	}
	id := made.KeyId
	described := must(b.root.DescribeKey(ctx, &sdk.DescribeKeyInput{KeyId: made.Arn}))(t).KeyMetadata
	if diff := cmp.Diff(made, described, same); diff != "" {
		t.Errorf("described (-made +got):\n%s", diff)
	}
	must(b.root.CreateAlias(ctx, &sdk.CreateAliasInput{AliasName: aws.String("alias/films"), TargetKeyId: id}))(t)
	pairs := map[string]string{"service": "mediaconvert.amazonaws.com"}
	for _, name := range []string{*id, *made.Arn, "alias/films", arn + "alias/films"} {
		e := must(b.root.Encrypt(ctx, &sdk.EncryptInput{KeyId: &name, Plaintext: []byte("x"), EncryptionContext: pairs}))(t)
		if *e.KeyId != *made.Arn || e.EncryptionAlgorithm != "SYMMETRIC_DEFAULT" {
			t.Errorf("%s: encrypted by %s", name, *e.KeyId)
		}
		d := must(b.root.Decrypt(ctx, &sdk.DecryptInput{KeyId: &name, CiphertextBlob: e.CiphertextBlob, EncryptionContext: pairs}))(t)
		if string(d.Plaintext) != "x" || *d.KeyId != *made.Arn || *d.KeyMaterialId != *made.CurrentKeyMaterialId {
			t.Errorf("%s: decrypted %q by %s", name, d.Plaintext, *d.KeyId)
		}
	}
	g := must(b.root.GenerateDataKey(ctx, &sdk.GenerateDataKeyInput{KeyId: id, KeySpec: "AES_256", EncryptionContext: pairs}))(t)
	d := must(b.root.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: g.CiphertextBlob, EncryptionContext: pairs}))(t)
	if !bytes.Equal(g.Plaintext, d.Plaintext) || len(g.Plaintext) != 32 {
		t.Errorf("a data key of %d bytes came back as another", len(g.Plaintext))
	}
	w := must(b.root.GenerateDataKeyWithoutPlaintext(ctx, &sdk.GenerateDataKeyWithoutPlaintextInput{KeyId: id, KeySpec: "AES_128"}))(t)
	if d := must(b.root.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: w.CiphertextBlob}))(t); len(d.Plaintext) != 16 {
		t.Errorf("an AES_128 key has %d bytes", len(d.Plaintext))
	}
	w = must(b.root.GenerateDataKeyWithoutPlaintext(ctx, &sdk.GenerateDataKeyWithoutPlaintextInput{KeyId: id, NumberOfBytes: aws.Int32(24)}))(t)
	if d := must(b.root.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: w.CiphertextBlob}))(t); bytes.Equal(d.Plaintext, make([]byte, 24)) || len(d.Plaintext) != 24 {
		t.Errorf("a key without plaintext is %x", d.Plaintext)
	}
	second := b.key()
	r := must(b.root.ReEncrypt(ctx, &sdk.ReEncryptInput{CiphertextBlob: g.CiphertextBlob, SourceEncryptionContext: pairs, DestinationKeyId: second}))(t)
	if *r.SourceKeyId != *made.Arn || *r.KeyId != arn+"key/"+*second {
		t.Errorf("re-encrypted from %s to %s", *r.SourceKeyId, *r.KeyId)
	}
	if d := must(b.root.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: r.CiphertextBlob}))(t); !bytes.Equal(d.Plaintext, g.Plaintext) {
		t.Error("re-encrypted to something else")
	}
	if n := len(must(b.root.GenerateRandom(ctx, &sdk.GenerateRandomInput{NumberOfBytes: aws.Int32(100)}))(t).Plaintext); n != 100 {
		t.Errorf("%d random bytes", n)
	}

	// Rotation.
	must(b.root.EnableKeyRotation(ctx, &sdk.EnableKeyRotationInput{KeyId: id, RotationPeriodInDays: aws.Int32(90)}))(t)
	must(b.root.RotateKeyOnDemand(ctx, &sdk.RotateKeyOnDemandInput{KeyId: id}))(t)
	status := must(b.root.GetKeyRotationStatus(ctx, &sdk.GetKeyRotationStatusInput{KeyId: id}))(t)
	if !status.KeyRotationEnabled || *status.RotationPeriodInDays != 90 || time.Until(*status.NextRotationDate) < 89*24*time.Hour {
		t.Errorf("rotation %+v", status)
	}
	rotations := must(b.root.ListKeyRotations(ctx, &sdk.ListKeyRotationsInput{KeyId: id}))(t).Rotations
	all := must(b.root.ListKeyRotations(ctx, &sdk.ListKeyRotationsInput{KeyId: id, IncludeKeyMaterial: "ALL_KEY_MATERIAL"}))(t).Rotations
	if len(rotations) != 1 || len(all) != 2 || rotations[0].RotationType != "ON_DEMAND" || rotations[0].KeyMaterialState != "CURRENT" || all[0].KeyMaterialState != "NON_CURRENT" ||
		all[0].RotationDate != nil || *all[0].KeyMaterialId != *made.CurrentKeyMaterialId {
		t.Errorf("rotations %+v of %+v", rotations, all)
	}
	d = must(b.root.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: g.CiphertextBlob, EncryptionContext: pairs}))(t)
	if *d.KeyMaterialId != *made.CurrentKeyMaterialId {
		t.Error("an old ciphertext was opened by new material")
	}
	must(b.root.DisableKeyRotation(ctx, &sdk.DisableKeyRotationInput{KeyId: id}))(t)
	if must(b.root.GetKeyRotationStatus(ctx, &sdk.GetKeyRotationStatusInput{KeyId: id}))(t).KeyRotationEnabled {
		t.Error("still rotated")
	}

	// Tags and description.
	must(b.root.TagResource(ctx, &sdk.TagResourceInput{KeyId: id, Tags: []types.Tag{{TagKey: aws.String("a"), TagValue: aws.String("")}}}))(t)
	must(b.root.UntagResource(ctx, &sdk.UntagResourceInput{KeyId: id, TagKeys: []string{"team", "none"}}))(t)
	if tags := must(b.root.ListResourceTags(ctx, &sdk.ListResourceTagsInput{KeyId: id}))(t).Tags; len(tags) != 1 || *tags[0].TagKey != "a" || *tags[0].TagValue != "" {
		t.Errorf("tags %+v", tags)
	}
	must(b.root.UpdateKeyDescription(ctx, &sdk.UpdateKeyDescriptionInput{KeyId: id, Description: aws.String("")}))(t)

	// The end.
	must(b.root.DisableKey(ctx, &sdk.DisableKeyInput{KeyId: id}))(t)
	refused(t, "disabled", is(b.root.Encrypt(ctx, &sdk.EncryptInput{KeyId: id, Plaintext: []byte("x")})), "DisabledException", *made.Arn+" is disabled.")
	must(b.root.EnableKey(ctx, &sdk.EnableKeyInput{KeyId: id}))(t)
	scheduled := must(b.root.ScheduleKeyDeletion(ctx, &sdk.ScheduleKeyDeletionInput{KeyId: id}))(t)
	if *scheduled.KeyId != *made.Arn || scheduled.KeyState != "PendingDeletion" || *scheduled.PendingWindowInDays != 30 || time.Until(*scheduled.DeletionDate) < 29*24*time.Hour {
		t.Errorf("scheduled %+v", scheduled)
	}
	refused(t, "pending", is(b.root.Encrypt(ctx, &sdk.EncryptInput{KeyId: id, Plaintext: []byte("x")})), "KMSInvalidStateException", *made.Arn+" is pending deletion.")
	refused(t, "twice", is(b.root.ScheduleKeyDeletion(ctx, &sdk.ScheduleKeyDeletionInput{KeyId: id})), "KMSInvalidStateException", "")
	described = must(b.root.DescribeKey(ctx, &sdk.DescribeKeyInput{KeyId: id}))(t).KeyMetadata
	if described.Enabled || described.KeyState != "PendingDeletion" || !described.DeletionDate.Equal(*scheduled.DeletionDate) || *described.Description != "" {
		t.Errorf("pending: %+v", described)
	}
	must(b.root.CancelKeyDeletion(ctx, &sdk.CancelKeyDeletionInput{KeyId: id}))(t)
	if state := must(b.root.DescribeKey(ctx, &sdk.DescribeKeyInput{KeyId: id}))(t).KeyMetadata.KeyState; state != "Disabled" {
		t.Errorf("brought back as %s", state)
	}
}

// TestRefusals are those of members and of what is not offered, in KMS's own names.
func TestRefusals(t *testing.T) {
	t.Parallel()
	b, ctx := newBench(t), t.Context()
	id := b.key()
	create := func(edit func(*sdk.CreateKeyInput)) error {
		in := &sdk.CreateKeyInput{}
		edit(in)
		return is(b.root.CreateKey(ctx, in))
	}
	cipher := must(b.root.Encrypt(ctx, &sdk.EncryptInput{KeyId: id, Plaintext: []byte("x")}))(t).CiphertextBlob
	recipient := &types.RecipientInfo{KeyEncryptionAlgorithm: "RSAES_OAEP_SHA_256", AttestationDocument: []byte("x")}
	grant := func(edit func(*sdk.CreateGrantInput)) error {
		in := &sdk.CreateGrantInput{KeyId: id, GranteePrincipal: aws.String("arn:aws:iam::" + account + ":root"), Operations: []types.GrantOperation{"Decrypt"}}
		edit(in)
		return is(b.root.CreateGrant(ctx, in))
	}
	tags := []types.Tag{{TagKey: aws.String("a"), TagValue: aws.String("")}, {TagKey: aws.String("a"), TagValue: aws.String("b")}}
	for _, tt := range []struct {
		name       string
		err        error
		code, says string
	}{
		{"an asymmetric key", create(func(in *sdk.CreateKeyInput) { in.KeySpec, in.KeyUsage = "RSA_2048", "SIGN_VERIFY" }), "UnsupportedOperationException", "Not offered by this installation: KeySpec RSA_2048"},
		//lint:ignore SA1019 older clients send and read it
		{"its old name", create(func(in *sdk.CreateKeyInput) { in.CustomerMasterKeySpec = "HMAC_256" }), "UnsupportedOperationException", "KeySpec HMAC_256"},
		{"both names", create(func(in *sdk.CreateKeyInput) {
			//lint:ignore SA1019 older clients send and read it
			in.CustomerMasterKeySpec, in.KeySpec = "SYMMETRIC_DEFAULT", "SYMMETRIC_DEFAULT"
		}), "ValidationException", "CustomerMasterKeySpec is deprecated"},
		{"no such key", create(func(in *sdk.CreateKeyInput) { in.KeySpec = "ROT13" }), "ValidationException", "ROT13"},
		{"another use", create(func(in *sdk.CreateKeyInput) { in.KeyUsage = "GENERATE_VERIFY_MAC" }), "ValidationException", "GENERATE_VERIFY_MAC"},
		{"material from elsewhere", create(func(in *sdk.CreateKeyInput) { in.Origin = "EXTERNAL" }), "UnsupportedOperationException", "Origin EXTERNAL"},
		{"a custom key store", create(func(in *sdk.CreateKeyInput) { in.CustomKeyStoreId = aws.String("cks-1") }), "UnsupportedOperationException", "CustomKeyStoreId"},
		{"an external key", create(func(in *sdk.CreateKeyInput) { in.XksKeyId = aws.String("x") }), "UnsupportedOperationException", "XksKeyId"},
		{"many Regions", create(func(in *sdk.CreateKeyInput) { in.MultiRegion = aws.Bool(true) }), "UnsupportedOperationException", "MultiRegion"},
		{"a policy that is none", create(func(in *sdk.CreateKeyInput) { in.Policy = aws.String("{}") }), "MalformedPolicyDocumentException", "Statement"},
		{"a tag twice", create(func(in *sdk.CreateKeyInput) { in.Tags = tags }), "TagException", "Duplicate tag keys"},
		{"a reserved tag", create(func(in *sdk.CreateKeyInput) {
			in.Tags = []types.Tag{{TagKey: aws.String("AWS:x"), TagValue: aws.String("")}}
		}), "TagException", "reserved"},
		{"no key", is(b.root.DescribeKey(ctx, &sdk.DescribeKeyInput{KeyId: aws.String("1234abcd-12ab-34cd-56ef-1234567890ab")})), "NotFoundException", "Key '" + arn + "key/1234abcd-12ab-34cd-56ef-1234567890ab' does not exist"},
		{"no alias", is(b.root.DescribeKey(ctx, &sdk.DescribeKeyInput{KeyId: aws.String("alias/x")})), "NotFoundException", "Alias " + arn + "alias/x is not found."},
		{"no id", is(b.root.DescribeKey(ctx, &sdk.DescribeKeyInput{KeyId: aws.String("x")})), "NotFoundException", "Invalid keyId 'x'"},
		{"an alias for a key", is(b.root.DisableKey(ctx, &sdk.DisableKeyInput{KeyId: aws.String("alias/x")})), "NotFoundException", "Invalid keyId alias/x"},
		{"an enclave", is(b.root.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: cipher, Recipient: recipient})), "UnsupportedOperationException", "Not offered by this installation: Recipient"},
		{"an enclave, data key", is(b.root.GenerateDataKey(ctx, &sdk.GenerateDataKeyInput{KeyId: id, KeySpec: "AES_256", Recipient: recipient})), "UnsupportedOperationException", "Recipient"},
		{"an enclave, random", is(b.root.GenerateRandom(ctx, &sdk.GenerateRandomInput{NumberOfBytes: aws.Int32(1), Recipient: recipient})), "UnsupportedOperationException", "Recipient"},
		{"no number", is(b.root.GenerateRandom(ctx, &sdk.GenerateRandomInput{})), "ValidationException", "NumberOfBytes"},
		{"a key store's randomness", is(b.root.GenerateRandom(ctx, &sdk.GenerateRandomInput{NumberOfBytes: aws.Int32(1), CustomKeyStoreId: aws.String("x")})), "UnsupportedOperationException", "CustomKeyStoreId"},
		{"another algorithm", is(b.root.Encrypt(ctx, &sdk.EncryptInput{KeyId: id, Plaintext: []byte("x"), EncryptionAlgorithm: "RSAES_OAEP_SHA_256"})), "InvalidKeyUsageException", "RSAES_OAEP_SHA_256"},
		{"modifiers", is(b.root.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: cipher, DryRunModifiers: []types.DryRunModifierType{"IGNORE_CIPHERTEXT"}})), "UnsupportedOperationException", "DryRunModifiers"},
		{"another context", is(b.root.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: cipher, EncryptionContext: map[string]string{"a": "b"}})), "InvalidCiphertextException", ""},
		{"no ciphertext", is(b.root.Decrypt(ctx, &sdk.DecryptInput{KeyId: id})), "ValidationException", "CiphertextBlob"},
		{"nothing of ours", is(b.root.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: []byte("x")})), "InvalidCiphertextException", ""},
		{"another key", is(b.root.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: cipher, KeyId: b.key()})), "IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation."},
		{"no size", is(b.root.GenerateDataKey(ctx, &sdk.GenerateDataKeyInput{KeyId: id})), "ValidationException", "Please specify either number of bytes or key spec."},
		{"two sizes", is(b.root.GenerateDataKey(ctx, &sdk.GenerateDataKeyInput{KeyId: id, KeySpec: "AES_256", NumberOfBytes: aws.Int32(32)})), "ValidationException", "Please specify either number of bytes or key spec."},
		{"dry: encrypt", is(b.root.Encrypt(ctx, &sdk.EncryptInput{KeyId: id, Plaintext: []byte("x"), DryRun: aws.Bool(true)})), "DryRunOperationException", "The request would have succeeded, but the DryRun option is set."},
		{"dry: decrypt", is(b.root.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: cipher, DryRun: aws.Bool(true)})), "DryRunOperationException", ""},
		{"dry: data key", is(b.root.GenerateDataKey(ctx, &sdk.GenerateDataKeyInput{KeyId: id, KeySpec: "AES_256", DryRun: aws.Bool(true)})), "DryRunOperationException", ""},
		{"dry: without plaintext", is(b.root.GenerateDataKeyWithoutPlaintext(ctx, &sdk.GenerateDataKeyWithoutPlaintextInput{KeyId: id, KeySpec: "AES_256", DryRun: aws.Bool(true)})), "DryRunOperationException", ""},
		{"dry: re-encrypt", is(b.root.ReEncrypt(ctx, &sdk.ReEncryptInput{CiphertextBlob: cipher, DestinationKeyId: id, DryRun: aws.Bool(true)})), "DryRunOperationException", ""},
		{"dry: grant", grant(func(in *sdk.CreateGrantInput) { in.DryRun = aws.Bool(true) }), "DryRunOperationException", ""},
		{"a service as grantee", grant(func(in *sdk.CreateGrantInput) { in.GranteeServicePrincipal = aws.String("s3.amazonaws.com") }), "UnsupportedOperationException", "GranteeServicePrincipal"},
		{"a service that retires", grant(func(in *sdk.CreateGrantInput) { in.RetiringServicePrincipal = aws.String("s3.amazonaws.com") }), "UnsupportedOperationException", "RetiringServicePrincipal"},
		{"a source", grant(func(in *sdk.CreateGrantInput) {
			in.Constraints = &types.GrantConstraints{SourceArn: aws.String("arn:aws:s3:::films/and/more")}
		}), "UnsupportedOperationException", "Constraints.SourceArn"},
		{"another key's operation", grant(func(in *sdk.CreateGrantInput) { in.Operations = append(in.Operations, "Sign") }), "ValidationException", "Sign"},
		{"a token", is(b.root.DescribeKey(ctx, &sdk.DescribeKeyInput{KeyId: id, GrantTokens: []string{"x"}})), "InvalidGrantTokenException", ""},
		{"no grant", is(b.root.RevokeGrant(ctx, &sdk.RevokeGrantInput{KeyId: id, GrantId: aws.String("x")})), "NotFoundException", "Grant ID x not found"},
		{"no grant in a list", is(b.root.ListGrants(ctx, &sdk.ListGrantsInput{KeyId: id, GrantId: aws.String("x")})), "InvalidGrantIdException", ""},
		{"another policy", is(b.root.GetKeyPolicy(ctx, &sdk.GetKeyPolicyInput{KeyId: id, PolicyName: aws.String("other")})), "NotFoundException", "No such policy exists"},
		{"another policy, put", is(b.root.PutKeyPolicy(ctx, &sdk.PutKeyPolicyInput{KeyId: id, Policy: aws.String("{}"), PolicyName: aws.String("other")})), "NotFoundException", "No such policy exists"},
		{"few days", is(b.root.ScheduleKeyDeletion(ctx, &sdk.ScheduleKeyDeletionInput{KeyId: id, PendingWindowInDays: aws.Int32(6)})), "ValidationException", "between 7 and 30"},
		{"no days", is(b.root.ScheduleKeyDeletion(ctx, &sdk.ScheduleKeyDeletionInput{KeyId: id, PendingWindowInDays: aws.Int32(0)})), "ValidationException", ""},
		{"a marker", is(b.root.ListKeys(ctx, &sdk.ListKeysInput{Marker: aws.String("x")})), "InvalidMarkerException", ""},
		{"a limit", is(b.root.ListAliases(ctx, &sdk.ListAliasesInput{Limit: aws.Int32(101)})), "ValidationException", "between 1 and 100"},
		{"a reserved alias", is(b.root.CreateAlias(ctx, &sdk.CreateAliasInput{AliasName: aws.String("alias/aws/x"), TargetKeyId: id})), "NotAuthorizedException", ""},
		{"an ARN", is(b.root.DisableKey(ctx, &sdk.DisableKeyInput{KeyId: aws.String("arn:aws:s3:::films")})), "InvalidArnException", ""},
	} {
		refused(t, tt.name, tt.err, tt.code, tt.says)
	}
	if keys := must(b.root.ListKeys(ctx, &sdk.ListKeysInput{}))(t).Keys; len(keys) != 2 {
		t.Errorf("%d keys: what was refused made some", len(keys))
	}
}

// TestAuthorization: the gateway is asked with what KMS has in a request, for each operation that has something of its own.
func TestAuthorization(t *testing.T) {
	t.Parallel()
	b, ctx := newBench(t), t.Context()
	id, second := b.key(), b.key()
	when := func(action, operator, key, value string) string {
		return `{"Effect":"Allow","Action":"kms:` + action + `","Resource":"*","Condition":{"` + operator + `":{"` + key + `":` + value + `}}}`
	}
	n := 0
	try := func(name, statement string, want bool, do func(c *sdk.Client) error) {
		t.Helper()
		n++
		err := do(b.user(fmt.Sprintf("u%d", n), statement))
		if !want {
			refused(t, name, err, "AccessDeniedException", "because no identity-based policy allows the kms:")
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	cipher := must(b.root.Encrypt(ctx, &sdk.EncryptInput{KeyId: id, Plaintext: []byte("x")}))(t).CiphertextBlob
	reEncrypt := func(to *string) func(c *sdk.Client) error {
		return func(c *sdk.Client) error {
			return is(c.ReEncrypt(ctx, &sdk.ReEncryptInput{CiphertextBlob: cipher, DestinationKeyId: to}))
		}
	}
	try("ReEncrypt needs both", `{"Effect":"Allow","Action":"kms:ReEncryptFrom","Resource":"*"}`, false, reEncrypt(second))
	try("ReEncrypt needs both", `{"Effect":"Allow","Action":"kms:ReEncryptTo","Resource":"*"}`, false, reEncrypt(second))
	try("ReEncrypt and nothing else", `{"Effect":"Allow","Action":"kms:ReEncrypt*","Resource":"*"}`, true, reEncrypt(second))
	try("on the same key", when("ReEncrypt*", "Bool", "kms:ReEncryptOnSameKey", "true"), false, reEncrypt(second))
	try("on the same key", when("ReEncrypt*", "Bool", "kms:ReEncryptOnSameKey", "true"), true, reEncrypt(id))

	schedule := func(days *int32) func(c *sdk.Client) error {
		return func(c *sdk.Client) error {
			k := b.key()
			return is(c.ScheduleKeyDeletion(ctx, &sdk.ScheduleKeyDeletionInput{KeyId: k, PendingWindowInDays: days}))
		}
	}
	window := when("ScheduleKeyDeletion", "NumericGreaterThanEquals", "kms:ScheduleKeyDeletionPendingWindowInDays", "20")
	try("a short window", window, false, schedule(aws.Int32(7)))
	try("a long window", window, true, schedule(aws.Int32(20)))
	try("no window", window, false, schedule(nil))

	grant := func(in *sdk.CreateGrantInput) func(c *sdk.Client) error {
		in.KeyId = id
		if in.GranteePrincipal == nil {
			in.GranteePrincipal = aws.String("arn:aws:iam::" + account + ":root")
		}
		return func(c *sdk.Client) error { return is(c.CreateGrant(ctx, in)) }
	}
	some := when("CreateGrant", "ForAllValues:StringEquals", "kms:GrantOperations", `["Decrypt","DescribeKey"]`)
	try("grant operations", some, true, grant(&sdk.CreateGrantInput{Operations: []types.GrantOperation{"Decrypt"}}))
	try("other grant operations", some, false, grant(&sdk.CreateGrantInput{Operations: []types.GrantOperation{"Decrypt", "Encrypt"}}))
	try("a constraint type", when("CreateGrant", "StringEquals", "kms:GrantConstraintType", `"EncryptionContextSubset"`), true,
		grant(&sdk.CreateGrantInput{Operations: []types.GrantOperation{"Decrypt"}, Constraints: &types.GrantConstraints{EncryptionContextSubset: map[string]string{"a": "b"}}}))
	try("another constraint type", when("CreateGrant", "StringEquals", "kms:GrantConstraintType", `"EncryptionContextSubset"`), false,
		grant(&sdk.CreateGrantInput{Operations: []types.GrantOperation{"Decrypt"}, Constraints: &types.GrantConstraints{EncryptionContextEquals: map[string]string{"a": "b"}}}))
	try("a grantee", when("CreateGrant", "ArnEquals", "kms:GranteePrincipal", `"`+*userARN("u1")+`"`), true, grant(&sdk.CreateGrantInput{Operations: []types.GrantOperation{"Decrypt"}, GranteePrincipal: userARN("u1")}))
	try("another grantee", when("CreateGrant", "ArnEquals", "kms:GranteePrincipal", `"`+*userARN("u1")+`"`), false, grant(&sdk.CreateGrantInput{Operations: []types.GrantOperation{"Decrypt"}, GranteePrincipal: userARN("u2")}))
	try("for an AWS resource", when("CreateGrant", "Bool", "kms:GrantIsForAWSResource", "true"), false, grant(&sdk.CreateGrantInput{Operations: []types.GrantOperation{"Decrypt"}}))

	tag := []types.Tag{{TagKey: aws.String("team"), TagValue: aws.String("films")}}
	create := func(in *sdk.CreateKeyInput) func(c *sdk.Client) error {
		return func(c *sdk.Client) error { return is(c.CreateKey(ctx, in)) }
	}
	making := `{"Effect":"Allow","Action":"kms:CreateKey","Resource":"*"}`
	try("a key without tags", making, true, create(&sdk.CreateKeyInput{}))
	try("a key with tags", making, false, create(&sdk.CreateKeyInput{Tags: tag}))
	try("a key with tags", making+`,`+when("TagResource", "StringEquals", "aws:RequestTag/team", `"films"`), true, create(&sdk.CreateKeyInput{Tags: tag}))
	try("a key that may lock out", when("CreateKey", "Bool", "kms:BypassPolicyLockoutSafetyCheck", "false"), false, create(&sdk.CreateKeyInput{BypassPolicyLockoutSafetyCheck: true}))
	try("a key spec", when("CreateKey", "StringEquals", "kms:KeySpec", `"RSA_2048"`), false, create(&sdk.CreateKeyInput{}))
	try("a key spec", when("CreateKey", "StringEquals", "kms:KeySpec", `"SYMMETRIC_DEFAULT"`), true, create(&sdk.CreateKeyInput{}))
	period := func(days int32) func(c *sdk.Client) error {
		return func(c *sdk.Client) error {
			return is(c.EnableKeyRotation(ctx, &sdk.EnableKeyRotationInput{KeyId: id, RotationPeriodInDays: &days}))
		}
	}
	try("a long period", when("EnableKeyRotation", "NumericLessThanEquals", "kms:RotationPeriodInDays", "180"), false, period(181))
	try("a short period", when("EnableKeyRotation", "NumericLessThanEquals", "kms:RotationPeriodInDays", "180"), true, period(180))
	untag := func(c *sdk.Client) error {
		return is(c.UntagResource(ctx, &sdk.UntagResourceInput{KeyId: id, TagKeys: []string{"team"}}))
	}
	try("tag keys", when("UntagResource", "ForAllValues:StringEquals", "aws:TagKeys", `["team"]`), true, untag)
	try("other tag keys", when("UntagResource", "ForAllValues:StringEquals", "aws:TagKeys", `["x"]`), false, untag)
	put := func(c *sdk.Client) error {
		return is(c.PutKeyPolicy(ctx, &sdk.PutKeyPolicyInput{KeyId: second, Policy: aws.String(document(delegate)), BypassPolicyLockoutSafetyCheck: true}))
	}
	try("a policy that may lock out", when("PutKeyPolicy", "Bool", "kms:BypassPolicyLockoutSafetyCheck", "false"), false, put)
	retirable := func(c *sdk.Client) error {
		return is(c.ListRetirableGrants(ctx, &sdk.ListRetirableGrantsInput{RetiringPrincipal: userARN("u1")}))
	}
	try("the principal is the resource", `{"Effect":"Allow","Action":"kms:ListRetirableGrants","Resource":"`+*userARN("u1")+`"}`, true, retirable)
	try("the principal is the resource", `{"Effect":"Allow","Action":"kms:ListRetirableGrants","Resource":"`+*userARN("u2")+`"}`, false, retirable)
	refused(t, "another account's principal", is(b.root.ListRetirableGrants(ctx, &sdk.ListRetirableGrantsInput{RetiringPrincipal: aws.String("arn:aws:iam::" + other + ":user/x")})), "AccessDeniedException", "")

	// A key policy that does not name the account leaves even an administrator out, with KMS's own text.
	must(b.root.PutKeyPolicy(ctx, &sdk.PutKeyPolicyInput{KeyId: second, BypassPolicyLockoutSafetyCheck: true, Policy: aws.String(document(`{"Effect":"Allow","Principal":{"AWS":"` + *userARN("u1") + `"},"Action":"kms:Decrypt","Resource":"*"}`))}))(t)
	admin := b.user("admin", allowAll)
	refused(t, "no delegation", is(admin.Encrypt(ctx, &sdk.EncryptInput{KeyId: second, Plaintext: []byte("x")})), "AccessDeniedException",
		"User: "+*userARN("admin")+" is not authorized to perform: kms:Encrypt on resource: "+arn+"key/"+*second+" because no resource-based policy allows the kms:Encrypt action")

	// Another account: its root sees none of this, whether it is there or not.
	stranger := b.as("AKIAOTHER", "secret of AKIAOTHER")
	for _, name := range []string{arn + "key/" + *id, arn + "key/1234abcd-12ab-34cd-56ef-1234567890ab", arn + "alias/none"} {
		refused(t, name, is(stranger.Encrypt(ctx, &sdk.EncryptInput{KeyId: &name, Plaintext: []byte("x")})), "AccessDeniedException", "is not authorized to perform: kms:Encrypt on resource: "+name)
	}
	refused(t, "by its id", is(stranger.Encrypt(ctx, &sdk.EncryptInput{KeyId: id, Plaintext: []byte("x")})), "NotFoundException", strings.Replace(arn, account, other, 1)+"key/"+*id)
	refused(t, "a ciphertext", is(stranger.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: cipher})), "AccessDeniedException", "The ciphertext refers to a customer master key that does not exist")
	if len(must(stranger.ListKeys(ctx, &sdk.ListKeysInput{}))(t).Keys) != 0 {
		t.Error("another account's keys were listed")
	}
}

// TestGrantsAndPages: grants over the wire, and lists page by page.
func TestGrantsAndPages(t *testing.T) {
	t.Parallel()
	b, ctx := newBench(t), t.Context()
	id := b.key()
	ann := b.user("ann", "")
	cipher := must(b.root.Encrypt(ctx, &sdk.EncryptInput{KeyId: id, Plaintext: []byte("x"), EncryptionContext: map[string]string{"a": "b"}}))(t).CiphertextBlob
	decrypt := func(tokens ...string) error {
		return is(ann.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: cipher, EncryptionContext: map[string]string{"a": "b"}, GrantTokens: tokens}))
	}
	refused(t, "without a grant", decrypt(), "AccessDeniedException", "")
	in := &sdk.CreateGrantInput{
		KeyId: id, GranteePrincipal: userARN("ann"), RetiringPrincipal: userARN("ann"), Name: aws.String("g"), Operations: []types.GrantOperation{"Decrypt"},
		Constraints: &types.GrantConstraints{EncryptionContextSubset: map[string]string{"a": "b"}},
	}
	g := must(b.root.CreateGrant(ctx, in))(t)
	ok(t, decrypt())
	ok(t, decrypt(*g.GrantToken))
	listed := must(b.root.ListGrants(ctx, &sdk.ListGrantsInput{KeyId: id, GranteePrincipal: userARN("ann")}))(t).Grants
	if len(listed) != 1 || *listed[0].GrantId != *g.GrantId || *listed[0].KeyId != arn+"key/"+*id || *listed[0].GranteePrincipal != *userARN("ann") || *listed[0].Name != "g" ||
		listed[0].Constraints.EncryptionContextSubset["a"] != "b" || *listed[0].IssuingAccount != "arn:aws:iam::"+account+":root" || listed[0].Operations[0] != "Decrypt" {
		t.Errorf("listed %+v", listed)
	}
	if n := len(must(b.root.ListGrants(ctx, &sdk.ListGrantsInput{KeyId: id, GranteePrincipal: userARN("bob")}))(t).Grants); n != 0 {
		t.Errorf("%d grants of somebody else", n)
	}
	if n := len(must(b.root.ListRetirableGrants(ctx, &sdk.ListRetirableGrantsInput{RetiringPrincipal: userARN("ann")}))(t).Grants); n != 1 {
		t.Errorf("%d retirable grants", n)
	}
	must(ann.RetireGrant(ctx, &sdk.RetireGrantInput{GrantToken: g.GrantToken}))(t)
	refused(t, "after it was retired", decrypt(), "AccessDeniedException", "")
	g = must(b.root.CreateGrant(ctx, in))(t)
	ok(t, decrypt())
	must(b.root.RevokeGrant(ctx, &sdk.RevokeGrantInput{KeyId: id, GrantId: g.GrantId}))(t)
	refused(t, "after it was revoked", decrypt(), "AccessDeniedException", "")

	want := []string{*id}
	for range 4 {
		want = append(want, *b.key())
	}
	slices.Sort(want)
	for i := range 5 {
		must(b.root.CreateAlias(ctx, &sdk.CreateAliasInput{AliasName: aws.String(fmt.Sprintf("alias/%d", i)), TargetKeyId: id}))(t)
		in.Name = nil
		must(b.root.CreateGrant(ctx, in))(t)
		must(b.root.TagResource(ctx, &sdk.TagResourceInput{KeyId: id, Tags: []types.Tag{{TagKey: aws.String(fmt.Sprint(i)), TagValue: aws.String("")}}}))(t)
	}
	var got []string
	for p := sdk.NewListKeysPaginator(b.root, &sdk.ListKeysInput{Limit: aws.Int32(2)}); p.HasMorePages(); {
		for _, k := range must(p.NextPage(ctx))(t).Keys {
			got = append(got, *k.KeyId)
			if *k.KeyArn != arn+"key/"+*k.KeyId {
				t.Errorf("the ARN %s", *k.KeyArn)
			}
		}
	}
	if !slices.Equal(want, got) {
		t.Errorf("listed %v, want %v", got, want)
	}
	count := func(name string, next func(marker *string) (int, *string, bool, error)) {
		t.Helper()
		var marker *string
		total, pages := 0, 0
		for more := true; more; pages++ {
			n, m, truncated, err := next(marker)
			ok(t, err)
			if truncated != (m != nil) {
				t.Errorf("%s: truncated %t with marker %v", name, truncated, m)
			}
			total, marker, more = total+n, m, truncated
		}
		if total != 5 || pages != 3 {
			t.Errorf("%s: %d items on %d pages", name, total, pages)
		}
	}
	two := aws.Int32(2)
	count("ListAliases", func(m *string) (int, *string, bool, error) {
		out, err := b.root.ListAliases(ctx, &sdk.ListAliasesInput{KeyId: id, Limit: two, Marker: m})
		if err != nil {
			return 0, nil, false, err
		}
		return len(out.Aliases), out.NextMarker, out.Truncated, nil
	})
	count("ListGrants", func(m *string) (int, *string, bool, error) {
		out, err := b.root.ListGrants(ctx, &sdk.ListGrantsInput{KeyId: id, Limit: two, Marker: m})
		if err != nil {
			return 0, nil, false, err
		}
		return len(out.Grants), out.NextMarker, out.Truncated, nil
	})
	count("ListRetirableGrants", func(m *string) (int, *string, bool, error) {
		out, err := b.root.ListRetirableGrants(ctx, &sdk.ListRetirableGrantsInput{RetiringPrincipal: userARN("ann"), Limit: two, Marker: m})
		if err != nil {
			return 0, nil, false, err
		}
		return len(out.Grants), out.NextMarker, out.Truncated, nil
	})
	count("ListResourceTags", func(m *string) (int, *string, bool, error) {
		out, err := b.root.ListResourceTags(ctx, &sdk.ListResourceTagsInput{KeyId: id, Limit: two, Marker: m})
		if err != nil {
			return 0, nil, false, err
		}
		return len(out.Tags), out.NextMarker, out.Truncated, nil
	})
	first := must(b.root.ListAliases(ctx, &sdk.ListAliasesInput{KeyId: id, Limit: two}))(t).NextMarker
	refused(t, "the marker of another list", is(b.root.ListAliases(ctx, &sdk.ListAliasesInput{Limit: two, Marker: first})), "InvalidMarkerException", "")
	aliases := must(b.root.ListAliases(ctx, &sdk.ListAliasesInput{}))(t).Aliases
	if len(aliases) != 5 || *aliases[0].AliasArn != arn+"alias/0" || *aliases[0].TargetKeyId != *id || aliases[0].CreationDate == nil {
		t.Errorf("aliases %+v", aliases)
	}
	if names := must(b.root.ListKeyPolicies(ctx, &sdk.ListKeyPoliciesInput{KeyId: id}))(t).PolicyNames; !slices.Equal(names, []string{"default"}) {
		t.Errorf("policies %v", names)
	}
	policy := must(b.root.GetKeyPolicy(ctx, &sdk.GetKeyPolicyInput{KeyId: id}))(t)
	if *policy.PolicyName != "default" || !strings.Contains(*policy.Policy, "Enable IAM User Permissions") {
		t.Errorf("the policy %s is %s", *policy.PolicyName, *policy.Policy)
	}
}

func BenchmarkGenerateDataKey(b *testing.B) {
	s := newBench(b)
	id := must(s.root.CreateKey(context.Background(), &sdk.CreateKeyInput{}))(b).KeyMetadata.KeyId
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.root.GenerateDataKey(context.Background(), &sdk.GenerateDataKeyInput{KeyId: id, KeySpec: "AES_256"}); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
