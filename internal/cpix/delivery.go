package cpix

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha1" // RSA-OAEP as SPEKE has it
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"darkroom/internal/cenc"
	"darkroom/internal/secret"
)

// The algorithms of content key encryption: SPEKE leaves no choice.
const (
	algorithmRSA  = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p" // with SHA-1 in both places
	algorithmAES  = "http://www.w3.org/2001/04/xmlenc#aes256-cbc"
	algorithmHMAC = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha512"
	algorithmSHA1 = "http://www.w3.org/2000/09/xmldsig#sha1"
)

// Sizes of the keys of a document, and of a content key under one: a vector, a block, and a block of padding.
const (
	documentKeySize = 32
	macKeySize      = 64
	sealedKeySize   = 3 * aes.BlockSize
	recipientBits   = 2048 // "SPEKE requires 2048 RSA-based certificates"
)

// recipient is the public key of a certificate that keys are encrypted for.
func recipient(der []byte) (*rsa.PublicKey, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, errors.New("the certificate of DeliveryKey cannot be read")
	}
	k, ok := c.PublicKey.(*rsa.PublicKey)
	if !ok || k.N.BitLen() != recipientBits {
		return nil, fmt.Errorf("the certificate of DeliveryKey is not one of RSA with %d bits", recipientBits)
	}
	return k, nil
}

// sealer encrypts the content keys of one answer.
type sealer struct {
	document, mac []byte
	forDocument   []byte // the document key, encrypted
	forMAC        []byte
	random        io.Reader
}

// newSealer makes the keys of an answer. wipe forgets them.
func newSealer(der []byte, random io.Reader) (*sealer, error) {
	k, err := recipient(der)
	if err != nil {
		return nil, err
	}
	s := &sealer{document: make([]byte, documentKeySize), mac: make([]byte, macKeySize), random: random}
	for _, b := range [][]byte{s.document, s.mac} {
		if _, err := io.ReadFull(random, b); err != nil {
			return nil, fmt.Errorf("make the keys of the answer: %w", err)
		}
	}
	if s.forDocument, err = rsa.EncryptOAEP(sha1.New(), random, k, s.document, nil); err == nil {
		s.forMAC, err = rsa.EncryptOAEP(sha1.New(), random, k, s.mac, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("encrypt the keys of the answer: %w", err)
	}
	return s, nil
}

func (s *sealer) wipe() {
	clear(s.document)
	clear(s.mac)
}

// seal encrypts a content key.
func (s *sealer) seal(key []byte) ([]byte, error) {
	block, err := aes.NewCipher(s.document)
	if err != nil {
		return nil, err
	}
	out := make([]byte, sealedKeySize)
	if _, err := io.ReadFull(s.random, out[:aes.BlockSize]); err != nil {
		return nil, fmt.Errorf("make an initialization vector: %w", err)
	}
	padded := append(bytes.Clone(key), bytes.Repeat([]byte{aes.BlockSize}, aes.BlockSize)...)
	defer clear(padded)
	cipher.NewCBCEncrypter(block, out[:aes.BlockSize]).CryptBlocks(out[aes.BlockSize:], padded)
	return out, nil
}

func macOf(key, value []byte) []byte {
	h := hmac.New(sha512.New, key)
	h.Write(value)
	return h.Sum(nil)
}

// write writes an encrypted value and its MAC.
func (s *sealer) write(w *writer, algorithm string, value []byte) {
	w.open("pskc:EncryptedValue")
	w.empty("enc:EncryptionMethod", "Algorithm", algorithm)
	w.open("enc:CipherData")
	w.text("enc:CipherValue", base64.StdEncoding.EncodeToString(value))
	w.close()
	w.close()
	w.text("pskc:ValueMAC", base64.StdEncoding.EncodeToString(macOf(s.mac, value)))
}

// keys writes the keys of the answer into its DeliveryData.
func (s *sealer) keys(w *writer) {
	w.open("cpix:DocumentKey", "Algorithm", algorithmAES)
	w.open("cpix:Data")
	w.open("pskc:Secret")
	s.write(w, algorithmRSA, s.forDocument)
	w.close()
	w.close()
	w.close()
	w.open("cpix:MACMethod", "Algorithm", algorithmHMAC)
	w.open("cpix:Key")
	s.write(w, algorithmRSA, s.forMAC)
	w.close()
	w.close()
}

// opener decrypts the content keys of one answer.
type opener struct {
	document, mac []byte
}

// newOpener takes the keys of an answer from the DeliveryData that is for our certificate.
func newOpener(d *document, certificate []byte, key crypto.Decrypter) (*opener, error) {
	if key == nil {
		return nil, errors.New("there is no private key for the certificate")
	}
	list, err := one(d.Delivery, "DeliveryDataList")
	if err != nil {
		return nil, err
	}
	var ours *deliveryData
	for i, data := range list.Data {
		same, err := data.isFor(certificate)
		if err != nil {
			return nil, err
		}
		if same && ours != nil {
			return nil, errors.New("two elements DeliveryData are for our certificate")
		}
		if same {
			ours = &list.Data[i]
		}
	}
	if ours == nil {
		return nil, errors.New("no DeliveryData is for our certificate")
	}
	return ours.open(key)
}

func (d *deliveryData) certificate() ([]byte, error) {
	k, err := one(d.Key, "DeliveryKey")
	if err != nil {
		return nil, err
	}
	x, err := one(k.X509, "X509Data")
	if err != nil {
		return nil, err
	}
	text, err := one(x.Certificates, "X509Certificate")
	if err != nil {
		return nil, err
	}
	der, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("X509Certificate %w", err)
	}
	return der, nil
}

func (d *deliveryData) isFor(certificate []byte) (bool, error) {
	der, err := d.certificate()
	return bytes.Equal(der, certificate), err
}

// open decrypts the document key and the MAC key. Both are under RSA-OAEP, which tells an altered one by itself; a MAC beside them is checked where there is one.
func (d *deliveryData) open(key crypto.Decrypter) (*opener, error) {
	m, err := one(d.MAC, "MACMethod")
	if err != nil {
		return nil, err
	}
	if m.Algorithm != algorithmHMAC {
		return nil, fmt.Errorf("the MACMethod is %.80q, not %s", m.Algorithm, algorithmHMAC)
	}
	holder, err := one(m.Keys, "Key of MACMethod")
	if err != nil {
		return nil, err
	}
	sealed := holder.encryptedValue
	if len(sealed.Cipher) == 0 {
		if sealed, err = one(holder.Encrypted, "EncryptedValue of MACMethod"); err != nil {
			return nil, err
		}
	} else if len(holder.Encrypted) > 0 {
		return nil, errors.New("the Key of MACMethod has two values")
	}
	o := &opener{}
	macValue, err := sealed.value(algorithmRSA)
	if err != nil {
		return nil, fmt.Errorf("the MAC key: %w", err)
	}
	if o.mac, err = decryptRSA(key, macValue, macKeySize); err != nil {
		return nil, fmt.Errorf("the MAC key: %w", err)
	}
	if err := o.authenticIfSaid(macValue, holder.MAC); err != nil {
		o.wipe()
		return nil, fmt.Errorf("the MAC key: %w", err)
	}
	if o.document, err = o.documentKey(d, key); err != nil {
		o.wipe()
		return nil, fmt.Errorf("the document key: %w", err)
	}
	return o, nil
}

func (o *opener) documentKey(d *deliveryData, key crypto.Decrypter) ([]byte, error) {
	k, err := one(d.DocumentKey, "DocumentKey")
	if err != nil {
		return nil, err
	}
	if k.Algorithm != algorithmAES {
		return nil, fmt.Errorf("its algorithm is %.80q, not %s", k.Algorithm, algorithmAES)
	}
	s, err := onlySecret(k.Data)
	if err != nil {
		return nil, err
	}
	if len(s.Plain) > 0 {
		return nil, errors.New("it is not encrypted")
	}
	sealed, err := one(s.Encrypted, "EncryptedValue")
	if err != nil {
		return nil, err
	}
	value, err := sealed.value(algorithmRSA)
	if err != nil {
		return nil, err
	}
	if err := o.authenticIfSaid(value, s.MAC); err != nil {
		return nil, err
	}
	return decryptRSA(key, value, documentKeySize)
}

func onlySecret(data []keyValues) (secretValue, error) {
	d, err := one(data, "Data")
	if err != nil {
		return secretValue{}, err
	}
	return one(d.Secrets, "Secret")
}

// value is the encrypted value, once its algorithm is the one that has to be.
func (e encryptedValue) value(algorithm string) ([]byte, error) {
	m, err := one(e.Method, "EncryptionMethod")
	if err != nil {
		return nil, err
	}
	if m.Algorithm != algorithm {
		return nil, fmt.Errorf("it is encrypted by %.80q, not %s", m.Algorithm, algorithm)
	}
	for _, digest := range m.Digest {
		if digest.Algorithm != algorithmSHA1 {
			return nil, fmt.Errorf("its digest is %.80q, not %s", digest.Algorithm, algorithmSHA1)
		}
	}
	c, err := one(e.Cipher, "CipherData")
	if err != nil {
		return nil, err
	}
	text, err := one(c.Values, "CipherValue")
	if err != nil {
		return nil, err
	}
	b, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("its CipherValue %w", err)
	}
	return b, nil
}

func decryptRSA(key crypto.Decrypter, value []byte, size int) ([]byte, error) {
	b, err := key.Decrypt(nil, value, &rsa.OAEPOptions{Hash: crypto.SHA1})
	if err != nil {
		return nil, errors.New("it does not open with our private key")
	}
	if len(b) != size {
		clear(b)
		return nil, fmt.Errorf("it has %d bytes, not %d", len(b), size)
	}
	return b, nil
}

// authentic checks the MAC of an encrypted value.
func (o *opener) authentic(value []byte, macs []string) error {
	text, err := one(macs, "ValueMAC")
	if err != nil {
		return err
	}
	mac, err := decode(text)
	if err != nil {
		return fmt.Errorf("its ValueMAC %w", err)
	}
	if !hmac.Equal(mac, macOf(o.mac, value)) {
		return errors.New("its MAC is wrong")
	}
	return nil
}

func (o *opener) authenticIfSaid(value []byte, macs []string) error {
	if len(macs) == 0 {
		return nil
	}
	return o.authentic(value, macs)
}

// open decrypts a content key. Its MAC is checked before anything is decrypted, and a content key is one block, so that nothing is told by padding.
func (o *opener) open(s secretValue) (secret.Bytes, error) {
	if len(s.Plain) > 0 {
		return secret.Bytes{}, errors.New("it came in the clear, though it was asked for encrypted")
	}
	sealed, err := one(s.Encrypted, "EncryptedValue")
	if err != nil {
		return secret.Bytes{}, err
	}
	value, err := sealed.value(algorithmAES)
	if err != nil {
		return secret.Bytes{}, err
	}
	if err := o.authentic(value, s.MAC); err != nil {
		return secret.Bytes{}, err
	}
	if len(value) != sealedKeySize {
		return secret.Bytes{}, fmt.Errorf("its encrypted value has %d bytes, not %d: it is no key of %d bytes", len(value), sealedKeySize, cenc.KeySize)
	}
	block, err := aes.NewCipher(o.document)
	if err != nil {
		return secret.Bytes{}, err
	}
	plain := make([]byte, sealedKeySize-aes.BlockSize)
	cipher.NewCBCDecrypter(block, value[:aes.BlockSize]).CryptBlocks(plain, value[aes.BlockSize:])
	if plain[len(plain)-1] != aes.BlockSize {
		clear(plain)
		return secret.Bytes{}, fmt.Errorf("it is no key of %d bytes", cenc.KeySize)
	}
	clear(plain[cenc.KeySize:])
	return secret.New(plain[:cenc.KeySize:cenc.KeySize]), nil
}

func (o *opener) wipe() {
	clear(o.document)
	clear(o.mac)
}
