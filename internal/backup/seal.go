package backup

import (
	"errors"
	"fmt"
	"io"

	"filippo.io/age"

	"darkroom/internal/secret"
)

// workFactor is the logarithm of scrypt's work for passphrases, age's own default; maxWorkFactor is the most that is done for an archive that somebody gives.
const (
	workFactor    = 18
	maxWorkFactor = 22
)

// minPassphrase is the shortest passphrase, in bytes.
const minPassphrase = 12

// Recipients are who can open an archive. The zero value is nobody, and seals nothing.
type Recipients struct{ all []age.Recipient }

// ForPublicKeys are the recipients in a text with one public key, age1…, a line.
func ForPublicKeys(text io.Reader) (Recipients, error) {
	all, err := age.ParseRecipients(text)
	if err != nil {
		return Recipients{}, fmt.Errorf("read the recipients: %w", err)
	}
	return Recipients{all}, nil
}

// ForPassphrase is whoever knows a passphrase.
func ForPassphrase(passphrase secret.Bytes) (Recipients, error) {
	if passphrase.Len() < minPassphrase {
		return Recipients{}, fmt.Errorf("the passphrase has %d bytes; it must have at least %d", passphrase.Len(), minPassphrase)
	}
	r, err := age.NewScryptRecipient(string(passphrase.Reveal()))
	if err != nil {
		return Recipients{}, err
	}
	r.SetWorkFactor(workFactor)
	return Recipients{[]age.Recipient{r}}, nil
}

// Seal encrypts what is written, for r. Without Close it is not whole.
func (r Recipients) Seal(w io.Writer) (io.WriteCloser, error) {
	if len(r.all) == 0 {
		return nil, errors.New("a backup needs somebody who can open it")
	}
	return age.Encrypt(w, r.all...)
}

// Identities open archives.
type Identities struct{ all []age.Identity }

// FromKeys are the identities in a text with one private key, AGE-SECRET-KEY-1…, a line.
func FromKeys(text io.Reader) (Identities, error) {
	all, err := age.ParseIdentities(text)
	if err != nil {
		return Identities{}, errors.New("the identity file is none of age: it has one AGE-SECRET-KEY-1… a line") // what stands in it is not repeated
	}
	return Identities{all}, nil
}

// FromPassphrase is the identity of who knows a passphrase.
func FromPassphrase(passphrase secret.Bytes) (Identities, error) {
	i, err := age.NewScryptIdentity(string(passphrase.Reveal()))
	if err != nil {
		return Identities{}, err
	}
	i.SetMaxWorkFactor(maxWorkFactor)
	return Identities{[]age.Identity{i}}, nil
}

// ErrNotForUs says that none of the identities opens an archive.
var ErrNotForUs = errors.New("none of the identities, or not the passphrase, opens the backup")

// Open decrypts an archive. What is read is authentic; that nothing is missing is known at io.EOF.
func (i Identities) Open(r io.Reader) (io.Reader, error) {
	out, err := age.Decrypt(r, i.all...)
	var none *age.NoIdentityMatchError
	switch {
	case errors.As(err, &none):
		return nil, ErrNotForUs
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return out, nil
}
