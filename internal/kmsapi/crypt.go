package kmsapi

import (
	"context"
	"strconv"

	sdk "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"darkroom/internal/iam"
	"darkroom/internal/jsonapi"
	"darkroom/internal/keys"
	"darkroom/internal/secret"
)

// crypt are the operations that use keys.
func (s *server) crypt() map[string]jsonapi.Operation {
	return map[string]jsonapi.Operation{
		"Encrypt": op(s, func(ctx context.Context, caller *iam.Principal, in *sdk.EncryptInput) ([]iam.Check, error) {
			return s.onKey(ctx, caller, &in.KeyId, keys.Question{Action: "Encrypt", Forms: keys.AliasesToo, Context: in.EncryptionContext, Tokens: in.GrantTokens})
		}, s.encrypt),
		"Decrypt":   op(s, s.checkDecrypt, s.decrypt),
		"ReEncrypt": op(s, s.checkReEncrypt, s.reEncrypt),
		"GenerateDataKey": op(s, func(ctx context.Context, caller *iam.Principal, in *sdk.GenerateDataKeyInput) ([]iam.Check, error) {
			return s.onKey(ctx, caller, &in.KeyId, keys.Question{Action: "GenerateDataKey", Forms: keys.AliasesToo, Context: in.EncryptionContext, Tokens: in.GrantTokens})
		}, s.generateDataKey),
		"GenerateDataKeyWithoutPlaintext": op(s, func(ctx context.Context, caller *iam.Principal, in *sdk.GenerateDataKeyWithoutPlaintextInput) ([]iam.Check, error) {
			return s.onKey(ctx, caller, &in.KeyId, keys.Question{Action: "GenerateDataKeyWithoutPlaintext", Forms: keys.AliasesToo, Context: in.EncryptionContext, Tokens: in.GrantTokens})
		}, s.generateDataKeyWithoutPlaintext),
		"GenerateRandom": op(s, func(context.Context, *iam.Principal, *sdk.GenerateRandomInput) ([]iam.Check, error) {
			return onAll("GenerateRandom"), nil
		}, s.generateRandom),
	}
}

const symmetric = types.EncryptionAlgorithmSpecSymmetricDefault

// algorithm refuses what a symmetric key does not do.
func algorithm(name types.EncryptionAlgorithmSpec) error {
	if name != "" && name != symmetric {
		return &keys.Error{Code: "InvalidKeyUsageException", Status: 400, Message: "Algorithm " + string(name) + " and key spec SYMMETRIC_DEFAULT are incompatible."}
	}
	return nil
}

func recipient(r *types.RecipientInfo) error {
	if r != nil {
		return keys.NotOfferedf("Recipient; there are no Nitro enclaves")
	}
	return nil
}

func modifiers(m []types.DryRunModifierType) error {
	if len(m) > 0 {
		return keys.NotOfferedf("DryRunModifiers")
	}
	return nil
}

// shown is an answer that shows a plaintext, which is overwritten when that is done.
func shown(out any, plain secret.Bytes) jsonapi.Secret {
	return jsonapi.Secret{Output: out, Wipe: func() { clear(plain.Reveal()) }}
}

// first is the first error there is.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *server) encrypt(ctx context.Context, c call, in *sdk.EncryptInput) (any, error) {
	plain := secret.New(in.Plaintext)
	defer clear(in.Plaintext)
	if err := algorithm(in.EncryptionAlgorithm); err != nil {
		return nil, err
	}
	e, err := c.Encrypt(ctx, &keys.EncryptRequest{Key: *in.KeyId, Context: in.EncryptionContext, Plaintext: plain, DryRun: value(in.DryRun)})
	if err != nil {
		return nil, err
	}
	return &sdk.EncryptOutput{KeyId: &e.KeyARN, CiphertextBlob: e.Ciphertext, EncryptionAlgorithm: symmetric}, nil
}

// checkDecrypt asks for the key that the request names or, where it names none, the one that the ciphertext does.
func (s *server) checkDecrypt(ctx context.Context, caller *iam.Principal, in *sdk.DecryptInput) ([]iam.Check, error) {
	q := keys.Question{Action: "Decrypt", Forms: keys.AliasesToo, Context: in.EncryptionContext, Tokens: in.GrantTokens}
	if in.KeyId == nil && len(in.CiphertextBlob) > 0 {
		r := keys.DecryptRequest{Ciphertext: in.CiphertextBlob}
		name, err := r.NameOf()
		if err != nil {
			return nil, err
		}
		named := &name
		return s.onKey(ctx, caller, &named, q) // KeyId stays empty: the request named none
	}
	return s.onKey(ctx, caller, &in.KeyId, q)
}

func (s *server) decrypt(ctx context.Context, c call, in *sdk.DecryptInput) (any, error) {
	if err := first(algorithm(in.EncryptionAlgorithm), recipient(in.Recipient), modifiers(in.DryRunModifiers)); err != nil {
		return nil, err
	}
	if len(in.CiphertextBlob) == 0 {
		return nil, keys.Invalidf("CiphertextBlob must not be empty")
	}
	o, err := c.Decrypt(ctx, &keys.DecryptRequest{Key: value(in.KeyId), Context: in.EncryptionContext, Ciphertext: in.CiphertextBlob, DryRun: value(in.DryRun)})
	if err != nil {
		return nil, err
	}
	return shown(&sdk.DecryptOutput{KeyId: &o.KeyARN, KeyMaterialId: &o.MaterialID, Plaintext: o.Plaintext.Reveal(), EncryptionAlgorithm: symmetric}, o.Plaintext), nil
}

// checkReEncrypt asks for both keys.
func (s *server) checkReEncrypt(ctx context.Context, caller *iam.Principal, in *sdk.ReEncryptInput) ([]iam.Check, error) {
	source := in.SourceKeyId
	if source == nil && len(in.CiphertextBlob) > 0 {
		r := keys.DecryptRequest{Ciphertext: in.CiphertextBlob}
		name, err := r.NameOf()
		if err != nil {
			return nil, err
		}
		source = &name
	}
	from, err := s.onKey(ctx, caller, &source, keys.Question{Action: "ReEncryptFrom", Forms: keys.AliasesToo, Context: in.SourceEncryptionContext, Tokens: in.GrantTokens})
	if err != nil {
		return nil, err
	}
	if in.SourceKeyId != nil {
		in.SourceKeyId = source
	}
	to, err := s.onKey(ctx, caller, &in.DestinationKeyId, keys.Question{Action: "ReEncryptTo", Forms: keys.AliasesToo, Context: in.DestinationEncryptionContext, Tokens: in.GrantTokens})
	if err != nil {
		return nil, err
	}
	both := append(from, to...)
	for i := range both {
		both[i].Context.Set("kms:ReEncryptOnSameKey", strconv.FormatBool(from[0].Resource == to[0].Resource))
	}
	return both, nil
}

func (s *server) reEncrypt(ctx context.Context, c call, in *sdk.ReEncryptInput) (any, error) {
	if err := first(algorithm(in.SourceEncryptionAlgorithm), algorithm(in.DestinationEncryptionAlgorithm), modifiers(in.DryRunModifiers)); err != nil {
		return nil, err
	}
	if len(in.CiphertextBlob) == 0 {
		return nil, keys.Invalidf("CiphertextBlob must not be empty")
	}
	from, to, err := c.ReEncrypt(ctx, &keys.ReEncryptRequest{
		From: keys.DecryptRequest{Key: value(in.SourceKeyId), Context: in.SourceEncryptionContext, Ciphertext: in.CiphertextBlob},
		To:   *in.DestinationKeyId, Context: in.DestinationEncryptionContext, DryRun: value(in.DryRun),
	})
	if err != nil {
		return nil, err
	}
	return &sdk.ReEncryptOutput{
		KeyId: &to.KeyARN, CiphertextBlob: to.Ciphertext, DestinationKeyMaterialId: &to.MaterialID, DestinationEncryptionAlgorithm: symmetric,
		SourceKeyId: &from.KeyARN, SourceKeyMaterialId: &from.MaterialID, SourceEncryptionAlgorithm: symmetric,
	}, nil
}

// sizeOf is the size of a data key, which is said in one of two ways.
func sizeOf(spec types.DataKeySpec, bytes *int32) (int, error) {
	switch {
	case (spec == "") == (bytes == nil):
		return 0, keys.Invalidf("Please specify either number of bytes or key spec.")
	case bytes != nil:
		return int(*bytes), nil
	case spec == types.DataKeySpecAes128:
		return 16, nil
	}
	return 32, nil // the members of the enumeration are two
}

func (s *server) generateDataKey(ctx context.Context, c call, in *sdk.GenerateDataKeyInput) (any, error) {
	if err := recipient(in.Recipient); err != nil {
		return nil, err
	}
	size, err := sizeOf(in.KeySpec, in.NumberOfBytes)
	if err != nil {
		return nil, err
	}
	e, plain, err := c.GenerateDataKey(ctx, &keys.DataKeyRequest{Key: *in.KeyId, Context: in.EncryptionContext, Size: size, DryRun: value(in.DryRun)})
	if err != nil {
		return nil, err
	}
	return shown(&sdk.GenerateDataKeyOutput{KeyId: &e.KeyARN, KeyMaterialId: &e.MaterialID, CiphertextBlob: e.Ciphertext, Plaintext: plain.Reveal()}, plain), nil
}

func (s *server) generateDataKeyWithoutPlaintext(ctx context.Context, c call, in *sdk.GenerateDataKeyWithoutPlaintextInput) (any, error) {
	size, err := sizeOf(in.KeySpec, in.NumberOfBytes)
	if err != nil {
		return nil, err
	}
	e, plain, err := c.GenerateDataKey(ctx, &keys.DataKeyRequest{Key: *in.KeyId, Context: in.EncryptionContext, Size: size, DryRun: value(in.DryRun)})
	if err != nil {
		return nil, err
	}
	clear(plain.Reveal())
	return &sdk.GenerateDataKeyWithoutPlaintextOutput{KeyId: &e.KeyARN, KeyMaterialId: &e.MaterialID, CiphertextBlob: e.Ciphertext}, nil
}

func (s *server) generateRandom(_ context.Context, _ call, in *sdk.GenerateRandomInput) (any, error) {
	if err := recipient(in.Recipient); err != nil {
		return nil, err
	}
	switch {
	case in.CustomKeyStoreId != nil:
		return nil, keys.NotOfferedf("CustomKeyStoreId; key material is kept by the installation itself")
	case in.NumberOfBytes == nil:
		return nil, keys.Invalidf("NumberOfBytes is required")
	}
	plain, err := s.keys.Random(int(*in.NumberOfBytes))
	if err != nil {
		return nil, err
	}
	return shown(&sdk.GenerateRandomOutput{Plaintext: plain.Reveal()}, plain), nil
}
