package worker

import (
	"context"
	"errors"
	"io"

	"darkroom/internal/cse"
	"darkroom/internal/job"
	"darkroom/internal/kms"
	"darkroom/internal/plan"
	"darkroom/internal/secret"
)

// Keys is a key service as the bearer of a job's credentials sees it. Its errors are those of package kms.
type Keys interface {
	// Decrypt returns the plaintext of a ciphertext that was made with the same encryption context. An empty keyID is the key that the ciphertext names.
	Decrypt(ctx context.Context, keyID string, ciphertext []byte, encryptionContext map[string]string) (secret.Bytes, error)
}

// dataKeyContext is what the data key of an input is bound to (MediaConvert user guide, "Implementing client-side encryption").
var dataKeyContext = map[string]string{"service": "mediaconvert.amazonaws.com"}

// decrypt returns the clear form of an encrypted source, for which it has the data key decrypted. A file that can be authenticated is, as a whole, before
// it returns.
func (r *run) decrypt(ctx context.Context, sealed *source, d *plan.Decryption) (*source, error) {
	key, err := r.dataKey(ctx, sealed.subject, d)
	if err != nil {
		return nil, err
	}
	defer key.Wipe()
	f, err := cse.Open(ctx, sealed, cse.Mode(d.Mode), key, d.IV)
	if err != nil {
		return nil, decryptionError(sealed.subject, err)
	}
	clearSource := *sealed
	clearSource.size = f.Size()
	clearSource.read = func(ctx context.Context, offset, end int64) (io.ReadCloser, error) {
		return f.ReadRange(ctx, offset, end-offset)
	}
	clearSource.doubtful = cse.Mode(d.Mode) != cse.GCM
	clearSource.encrypted = true
	if clearSource.size == 0 {
		return nil, job.Errorf(1010, "%s is empty when it is decrypted.", sealed.subject)
	}
	return &clearSource, nil
}

// dataKey has the data key of a source decrypted as the job's role.
func (r *run) dataKey(ctx context.Context, subject string, d *plan.Decryption) (secret.Bytes, error) {
	switch len(d.EncryptedKey) {
	case 16, 24, 32:
		// No ciphertext of a key service is that short. What may be a key goes nowhere.
		return secret.Bytes{}, job.Errorf(1010, "%s cannot be decrypted: encryptedDecryptionKey has %d bytes, as a data key itself has, and is no ciphertext of a key service. "+
			"If it is the data key, whoever saw the job knows it: encrypt the file anew under another one, and give the ciphertext that KMS Encrypt or GenerateDataKey returns.", subject, len(d.EncryptedKey))
	}
	if r.worker.o.OpenKeys == nil {
		return secret.Bytes{}, job.Errorf(1010, "%s cannot be decrypted: there is no key service here.", subject)
	}
	keys, err := r.worker.o.OpenKeys(r.current)
	if err != nil {
		return secret.Bytes{}, err
	}
	key, err := keys.Decrypt(ctx, "", d.EncryptedKey, dataKeyContext)
	if err != nil {
		return secret.Bytes{}, keyError(subject, err)
	}
	return key, nil
}

// keyError gives the failure to have a data key decrypted its code.
func keyError(subject string, err error) error {
	const context = `with the encryption context {"service":"mediaconvert.amazonaws.com"}`
	e := &job.Error{Code: 1999, Message: subject + " cannot be decrypted: the key service does not answer. Submit the job again; if it fails again, ask the operator.", Err: err}
	switch {
	case errors.Is(err, kms.ErrDenied):
		e.Code = roleTrouble
		e.Message = subject + " cannot be decrypted: the role of the job may not decrypt the data key. Allow it kms:Decrypt on the key, " + context + ", in its policies and in that of the key; then submit the job again."
	case errors.Is(err, kms.ErrNoSuchKey):
		e.Code = 1010
		e.Message = subject + " cannot be decrypted: the key that the data key was encrypted under does not exist. Check encryptedDecryptionKey."
	case errors.Is(err, kms.ErrDisabled):
		e.Code = 1010
		e.Message = subject + " cannot be decrypted: the key that the data key was encrypted under is disabled or pending deletion. Enable it, or cancel its deletion, and submit the job again."
	case errors.Is(err, kms.ErrCiphertext), errors.Is(err, kms.ErrRejected):
		e.Code = 1010
		e.Message = subject + " cannot be decrypted: the key service does not open encryptedDecryptionKey. It must be the ciphertext that KMS Encrypt or GenerateDataKey of this installation returned, " + context + ". To submit the same job again does not help."
	}
	return e
}

// decryptionError gives the failure to open or read a decrypted file its code.
func decryptionError(subject string, err error) error {
	e := &job.Error{Code: 1010, Err: err}
	switch {
	case errors.Is(err, cse.ErrKey):
		e.Message = subject + " cannot be decrypted: the data key does not have 128, 192 or 256 bits. Encrypt the bytes of the key with KMS, not their text in hexadecimal or base64."
	case errors.Is(err, cse.ErrIV), errors.Is(err, cse.ErrMode):
		e.Message = subject + " cannot be decrypted: the mode and the initialization vector do not go together. Allowed: 16 bytes, or 12 with AES_CTR and AES_GCM."
	case errors.Is(err, cse.ErrSize):
		e.Message = subject + " cannot be decrypted: no file of this mode has its size. It was cut short, or it was encrypted in another mode. Check decryptionMode, and upload the whole file."
	case errors.Is(err, cse.ErrPadding):
		e.Message = unrecognised(subject).Message + doubt
	case errors.Is(err, cse.ErrTag):
		e.Message = subject + " cannot be authenticated, and none of it was used: it was altered or cut short, or the data key or the initialization vector is not that which it was encrypted with, or it does not end in the tag of 16 bytes. " +
			"Check the decryption settings, and upload the file again."
	case errors.Is(err, cse.ErrEnforced):
		e.Code = 1040
		e.Message = "Not offered by this installation: " + subject + " is encrypted with AES_GCM under an initialization vector of the caller's, which is not approved by FIPS 140-3, and nothing else is allowed here. Use AES_CTR or AES_CBC."
	case errors.Is(err, cse.ErrChanged):
		e.Code = 1076
		e.Message = subject + " was altered or replaced while it was read. Try again; if it fails again, upload the file anew."
	default:
		return inputError(subject, err)
	}
	return e
}

// doubt is said of what is found wrong with a file whose mode of encryption cannot tell whether it was decrypted rightly.
const doubt = " The file is decrypted as it is read, and its mode of encryption cannot tell whether rightly: the data key, the initialization vector or decryptionMode may not be those " +
	"that it was encrypted with, or it was altered. Check them, and that the file plays before it is encrypted."

// unrecognised is said of a decrypted file that is no container. That its padding is wrong is told in the same words: more would be an oracle.
func unrecognised(subject string) *job.Error {
	return &job.Error{Code: 1010, Message: subject + " is not in a container that is supported when it is decrypted."}
}

// doubted adds the doubt to what is wrong with the content of a file that was decrypted.
func (s *source) doubted(err error) error {
	var e *job.Error
	if !s.doubtful || !errors.As(err, &e) {
		return err
	}
	switch e.Code {
	case 1010, 1020, 1021, 1030, 1075, 1092:
		return &job.Error{Code: e.Code, Message: e.Message + doubt, Err: e.Err}
	}
	return err
}
