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

// LoadRoot reads the root key pair from the credentials file in dir, in the format that the AWS SDKs share, profile default. Without a
// file it makes a new pair from random and writes it, with mode 0600, whole or not at all; created says so. A file that others
// may read, or that has no whole pair, is an error: it is never replaced.
func LoadRoot(dir string, random io.Reader) (root Root, created bool, err error) {
	path := filepath.Join(dir, CredentialsFile)
	root, err = readCredentials(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return root, false, err
	}
	var raw [10 + 30]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return Root{}, false, fmt.Errorf("make the root key: %w", err)
	}
	root = Root{
		AccessKeyID:     "AKIA" + base32.StdEncoding.EncodeToString(raw[:10]),
		SecretAccessKey: secret.New([]byte(base64.StdEncoding.EncodeToString(raw[10:]))),
	}
	text := fmt.Appendf(nil, "[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", root.AccessKeyID, root.SecretAccessKey.Reveal())
	err = createFile(path, text)
	if errors.Is(err, fs.ErrExist) { // another start was faster
		root, err = readCredentials(path)
		return root, false, err
	}
	if err != nil {
		return Root{}, false, err
	}
	return root, true, nil
}

// ReadCredentials reads profile default of a file in the format of the AWS SDKs' shared credentials. It must not be readable by others.
func ReadCredentials(path string) (Root, error) { return readCredentials(path) }

func readCredentials(path string) (Root, error) {
	f, err := os.Open(path)
	if err != nil {
		return Root{}, fmt.Errorf("read credentials: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Root{}, fmt.Errorf("read credentials: %w", err)
	}
	if !info.Mode().IsRegular() {
		return Root{}, fmt.Errorf("read credentials: %s is not a regular file", path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return Root{}, fmt.Errorf("read credentials: %s has mode %04o, others must have no access: chmod 600 it", path, info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, maxCredentialsFile+1))
	if err != nil {
		return Root{}, fmt.Errorf("read credentials: %w", err)
	}
	if len(text) > maxCredentialsFile {
		return Root{}, fmt.Errorf("read credentials: %s is longer than %d bytes", path, maxCredentialsFile)
	}
	root, err := parseCredentials(text)
	if err != nil {
		return Root{}, fmt.Errorf("read credentials: %s: %w", path, err)
	}
	return root, nil
}

// parseCredentials reads the key pair of profile default. Messages do not repeat what a line has: it may be a secret.
func parseCredentials(text []byte) (Root, error) {
	var root Root
	profile := ""
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
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return Root{}, fmt.Errorf("line %d: want 'name = value'", number)
		}
		if profile != "default" {
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
		return Root{}, errors.New("profile [default] needs aws_access_key_id and aws_secret_access_key")
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
