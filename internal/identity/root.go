package identity

import (
	"bufio"
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"darkroom/internal/secret"
)

// CredentialsFile is the name of the file in the data directory that has the root key pair.
const CredentialsFile = "credentials"

// maxCredentialsFile bounds the file that is read.
const maxCredentialsFile = 64 << 10

// Root is the key pair of the account root.
type Root struct {
	AccessKeyID     string
	SecretAccessKey secret.Bytes
}

// defaultProfile is the profile of the main account's root.
const defaultProfile = "default"

// LoadRoot reads the root key pair of the main account from the credentials file in dir, in the format that the AWS SDKs share, profile default.
// Without a file it makes a new pair from random and writes it, with mode 0600, whole or not at all; created says so. A file that others
// may read, or that has no whole pair, is an error: it is never replaced.
func LoadRoot(dir string, random io.Reader) (root Root, created bool, err error) {
	path := filepath.Join(dir, CredentialsFile)
	root, err = ReadCredentials(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return root, false, err
	}
	if root, err = newRoot(random); err != nil {
		return Root{}, false, err
	}
	err = createFile(path, root.text(defaultProfile))
	if errors.Is(err, fs.ErrExist) { // another start was faster
		root, err = ReadCredentials(path)
		return root, false, err
	}
	if err != nil {
		return Root{}, false, err
	}
	return root, true, nil
}

// LoadProfile reads a pair of another profile of the credentials file in dir. If the file has no such profile, it makes a pair from random and adds
// it. Nobody else may change the file at the same time.
func LoadProfile(dir, profile string, random io.Reader) (root Root, created bool, err error) {
	path := filepath.Join(dir, CredentialsFile)
	root, err = readProfile(path, profile)
	if !errors.Is(err, errNoProfile) {
		return root, false, err
	}
	if root, err = newRoot(random); err != nil {
		return Root{}, false, err
	}
	return root, true, AddProfile(dir, profile, root)
}

// AddProfile adds a pair to the credentials file in dir, which must be there. Nobody else may change the file at the same time.
func AddProfile(dir, profile string, pair Root) error {
	path := filepath.Join(dir, CredentialsFile)
	text, err := readFile(path)
	if err != nil {
		return err
	}
	if _, err := parseCredentials(text, profile); !errors.Is(err, errNoProfile) {
		return fmt.Errorf("write credentials: %s has the profile [%s] already", path, profile)
	}
	text = append(bytes.TrimRight(text, "\n"), "\n\n"...)
	f, err := os.CreateTemp(dir, ".credentials-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write credentials: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(append(text, pair.text(profile)...)); err != nil {
		return fmt.Errorf("write credentials: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("write credentials: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write credentials: %w", err)
	}
	return syncDir(dir)
}

func newRoot(random io.Reader) (Root, error) {
	var raw [10 + 30]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return Root{}, fmt.Errorf("make an access key: %w", err)
	}
	return Root{
		AccessKeyID:     longTerm + base32.StdEncoding.EncodeToString(raw[:10]),
		SecretAccessKey: secret.New([]byte(base64.StdEncoding.EncodeToString(raw[10:]))),
	}, nil
}

// text is a pair in the form of the file.
func (r Root) text(profile string) []byte {
	return fmt.Appendf(nil, "[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\n", profile, r.AccessKeyID, r.SecretAccessKey.Reveal())
}

// ReadCredentials reads profile default of a file in the format of the AWS SDKs' shared credentials. It must not be readable by others.
func ReadCredentials(path string) (Root, error) { return readProfile(path, defaultProfile) }

// ReadProfile is ReadCredentials of another profile.
func ReadProfile(path, profile string) (Root, error) { return readProfile(path, profile) }

func readProfile(path, profile string) (Root, error) {
	text, err := readFile(path)
	if err != nil {
		return Root{}, err
	}
	root, err := parseCredentials(text, profile)
	if err != nil {
		return Root{}, fmt.Errorf("read credentials: %s: %w", path, err)
	}
	return root, nil
}

// readFile reads a file of credentials, which only its owner may be able to read.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read credentials: %s is not a regular file", path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("read credentials: %s has mode %04o, others must have no access: chmod 600 it", path, info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, maxCredentialsFile+1))
	if err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	if len(text) > maxCredentialsFile {
		return nil, fmt.Errorf("read credentials: %s is longer than %d bytes", path, maxCredentialsFile)
	}
	return text, nil
}

// errNoProfile says that a file has nothing of a profile.
var errNoProfile = errors.New("there is no such profile")

// parseCredentials reads the key pair of a profile. Messages do not repeat what a line has: it may be a secret.
func parseCredentials(text []byte, wanted string) (Root, error) {
	var root Root
	profile, found := "", false
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxCredentialsFile+1)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' {
			name, ok := strings.CutSuffix(line[1:], "]")
			if !ok {
				return Root{}, fmt.Errorf("line %d: a profile name must end in a bracket", number)
			}
			profile = strings.TrimSpace(name)
			found = found || profile == wanted
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return Root{}, fmt.Errorf("line %d: want 'name = value'", number)
		}
		if profile != wanted {
			continue
		}
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "aws_access_key_id":
			if root.AccessKeyID != "" {
				return Root{}, fmt.Errorf("line %d: aws_access_key_id is given twice", number)
			}
			root.AccessKeyID = value
		case "aws_secret_access_key":
			if root.SecretAccessKey.Len() > 0 {
				return Root{}, fmt.Errorf("line %d: aws_secret_access_key is given twice", number)
			}
			root.SecretAccessKey = secret.New([]byte(value))
		}
	}
	if root.AccessKeyID == "" || root.SecretAccessKey.Len() == 0 {
		missing := error(errNoProfile)
		if found {
			missing = errors.New("it is not whole")
		}
		return Root{}, fmt.Errorf("profile [%s] needs aws_access_key_id and aws_secret_access_key: %w", wanted, missing)
	}
	return root, nil
}

// createFile writes a file that must not exist yet (else fs.ErrExist): to a temporary name, synced, then linked to its own.
func createFile(path string, text []byte) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".credentials-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write credentials: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(text); err != nil {
		return fmt.Errorf("write credentials: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("write credentials: %w", err)
	}
	if err := os.Link(f.Name(), path); err != nil {
		return fmt.Errorf("write credentials: %w", err)
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("write credentials: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("write credentials: %w", err)
	}
	return nil
}
