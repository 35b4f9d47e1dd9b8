package root

import (
	"bytes"
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/term"

	"darkroom/internal/secret"
)

// How a passphrase becomes a key: PBKDF2-HMAC-SHA256 (RFC 8018), which Go's certified module has.
const (
	derivation = "pbkdf2-hmac-sha256"
	saltSize   = 32
	// iterations take about half a second of a present machine's core.
	iterations = 2_000_000
	// minIterations is what is taken from a file: OWASP's figure for this function. A file with fewer was tampered with.
	minIterations = 600_000
	// maxIterations bounds what a file can make a start cost: some seconds.
	maxIterations = 20_000_000
)

// Bounds of a passphrase, in bytes.
const (
	// MinPassphrase is the least that wraps (NIST SP 800-63B-4, 3.1.1.2: what is used alone).
	MinPassphrase = 15
	MaxPassphrase = 1024
)

// Passphrase is a root key that is derived from a passphrase.
type Passphrase struct {
	ask        func(ctx context.Context, fresh bool) (secret.Bytes, error)
	random     io.Reader
	iterations int
	words      secret.Bytes // once it was asked for
}

// NewPassphrase returns the root whose passphrase ask gives: it is called once at most, with fresh where the passphrase will be a new one.
func NewPassphrase(ask func(ctx context.Context, fresh bool) (secret.Bytes, error), random io.Reader) *Passphrase {
	return &Passphrase{ask: ask, random: random, iterations: iterations}
}

// Kind implements Root.
func (*Passphrase) Kind() Kind { return KindPassphrase }

// Close implements Root: it wipes the passphrase.
func (p *Passphrase) Close() {
	p.words.Wipe()
	p.words = secret.Bytes{}
}

func (p *Passphrase) settle(wrapping) error { return nil }

func (p *Passphrase) wrap(ctx context.Context, installation string, key secret.Bytes) (wrapping, error) {
	if err := p.have(ctx, true); err != nil {
		return wrapping{}, err
	}
	if p.words.Len() < MinPassphrase {
		return wrapping{}, fmt.Errorf("the passphrase has %d bytes: take one of at least %d", p.words.Len(), MinPassphrase)
	}
	w := wrapping{Kind: KindPassphrase, Key: derivation, Salt: make([]byte, saltSize), Iterations: p.iterations}
	if _, err := io.ReadFull(p.random, w.Salt); err != nil {
		return wrapping{}, fmt.Errorf("make a salt: %w", err)
	}
	rootKey, err := p.derive(w)
	if err != nil {
		return wrapping{}, err
	}
	defer rootKey.Wipe()
	w.Wrapped, err = sealKey(rootKey, KindPassphrase, installation, key, p.random)
	return w, err
}

func (p *Passphrase) unwrap(ctx context.Context, installation string, w wrapping) (secret.Bytes, error) {
	switch {
	case w.Key != derivation:
		return secret.Bytes{}, fmt.Errorf("%s has a key derivation that this program does not know: %q", Name, w.Key)
	case len(w.Salt) != saltSize:
		return secret.Bytes{}, fmt.Errorf("%s has a salt of %d bytes, not %d: restore it from a backup", Name, len(w.Salt), saltSize)
	case w.Iterations < minIterations || w.Iterations > maxIterations:
		return secret.Bytes{}, fmt.Errorf("%s has %d iterations, not %d to %d: restore it from a backup", Name, w.Iterations, minIterations, maxIterations)
	}
	if err := p.have(ctx, false); err != nil {
		return secret.Bytes{}, err
	}
	rootKey, err := p.derive(w)
	if err != nil {
		return secret.Bytes{}, err
	}
	defer rootKey.Wipe()
	key, err := openKey(rootKey, KindPassphrase, installation, w.Wrapped)
	if err != nil {
		return secret.Bytes{}, errors.New("the passphrase is not the one that the installation key is wrapped by: give the right one")
	}
	return key, nil
}

// have asks for the passphrase, once.
func (p *Passphrase) have(ctx context.Context, fresh bool) error {
	if p.words.Len() > 0 {
		return nil
	}
	words, err := p.ask(ctx, fresh)
	if err == nil && words.Len() == 0 {
		err = errors.New("the passphrase is empty")
	}
	if err != nil {
		return fmt.Errorf("ask for the passphrase: %w", err)
	}
	p.words = words
	return nil
}

// derive makes the root key. The standard library takes the passphrase as a string, a copy that cannot be wiped.
func (p *Passphrase) derive(w wrapping) (secret.Bytes, error) {
	key, err := pbkdf2.Key(sha256.New, string(p.words.Reveal()), w.Salt, w.Iterations, secret.KeySize)
	return secret.New(key), err
}

// PassphraseFile asks a file, a pipe or /dev/fd/N for the passphrase.
func PassphraseFile(path string) func(context.Context, bool) (secret.Bytes, error) {
	return func(ctx context.Context, _ bool) (secret.Bytes, error) { return readSecret(ctx, path, MaxPassphrase) }
}

// PassphraseCredential asks a credential that systemd has laid out in a directory, which it names in $CREDENTIALS_DIRECTORY (systemd.exec(5)).
func PassphraseCredential(dir, name string) func(context.Context, bool) (secret.Bytes, error) {
	return func(ctx context.Context, _ bool) (secret.Bytes, error) {
		if !filepath.IsAbs(dir) {
			return secret.Bytes{}, fmt.Errorf("no systemd credentials: set LoadCredentialEncrypted=%s:… in the unit", name)
		}
		if name != filepath.Base(name) || name == "." || name == ".." {
			return secret.Bytes{}, fmt.Errorf("%q is no name of a credential", name)
		}
		return readSecret(ctx, filepath.Join(dir, name), MaxPassphrase)
	}
}

// PassphraseTerminal asks a person at a terminal, without an echo; for a fresh passphrase twice. what says which passphrase is meant.
func PassphraseTerminal(in *os.File, out io.Writer, what string) func(context.Context, bool) (secret.Bytes, error) {
	return func(ctx context.Context, fresh bool) (secret.Bytes, error) {
		if !term.IsTerminal(int(in.Fd())) {
			return secret.Bytes{}, errors.New("the standard input is no terminal: set root.passphrase_file or root.passphrase_credential")
		}
		words, err := askTerminal(ctx, in, out, what+": ")
		if err != nil || !fresh {
			return words, err
		}
		again, err := askTerminal(ctx, in, out, what+", again: ")
		if err != nil {
			return secret.Bytes{}, err
		}
		defer again.Wipe()
		if !bytes.Equal(words.Reveal(), again.Reveal()) {
			words.Wipe()
			return secret.Bytes{}, errors.New("the two are not the same")
		}
		return words, nil
	}
}

func askTerminal(ctx context.Context, in *os.File, out io.Writer, prompt string) (secret.Bytes, error) {
	fd := int(in.Fd()) // the read below can outlast in
	state, err := term.GetState(fd)
	if err != nil {
		return secret.Bytes{}, err
	}
	fmt.Fprint(out, prompt)
	type answer struct {
		words []byte
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		words, err := term.ReadPassword(fd)
		done <- answer{words, err}
	}()
	defer fmt.Fprintln(out)
	select {
	case <-ctx.Done(): // the read ends with the process
		return secret.Bytes{}, errors.Join(ctx.Err(), term.Restore(fd, state))
	case a := <-done:
		if a.err == nil && len(a.words) > MaxPassphrase {
			clear(a.words)
			a.words, a.err = nil, fmt.Errorf("longer than %d bytes", MaxPassphrase)
		}
		return secret.New(a.words), a.err
	}
}

// readSecret reads a secret of one line from a file, a pipe or /dev/fd/N; the end of the line is not part of it. It waits for the writer of a pipe while
// ctx lasts. A group may read the file, as agents and orchestrators arrange it; the world may not.
func readSecret(ctx context.Context, path string, limit int64) (secret.Bytes, error) {
	type answer struct {
		content []byte
		err     error
	}
	done := make(chan answer, 1)
	go func() {
		content, err := readLine(path, limit)
		done <- answer{content, err}
	}()
	select {
	case <-ctx.Done(): // the read of a pipe that nobody writes to ends with the process
		return secret.Bytes{}, ctx.Err()
	case a := <-done:
		return secret.New(a.content), a.err
	}
}

func readLine(path string, limit int64) ([]byte, error) {
	// What it inherited is for this process alone, not for those that it starts.
	if n, ok := strings.CutPrefix(path, "/dev/fd/"); ok {
		if fd, err := strconv.Atoi(n); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	switch mode := info.Mode(); {
	case !mode.IsRegular() && mode.Type() != os.ModeNamedPipe:
		return nil, fmt.Errorf("%s is neither a regular file nor a pipe", path)
	case mode.Perm()&0o027 != 0:
		return nil, fmt.Errorf("%s has mode %04o, others must have no access: chmod 600 it", path, mode.Perm())
	case !owned(info):
		return nil, fmt.Errorf("%s belongs to another user", path)
	}
	content := make([]byte, 0, limit+3) // the largest line, its end, and one more
	for len(content) < cap(content) {
		n, err := f.Read(content[len(content):cap(content)])
		content = content[:len(content)+n]
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			clear(content)
			return nil, err
		}
	}
	line := content
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
		if n > 1 && line[n-2] == '\r' {
			line = line[:n-2]
		}
	}
	switch {
	case int64(len(line)) > limit:
		clear(content)
		return nil, fmt.Errorf("%s has more than %d bytes", path, limit)
	case len(line) == 0:
		return nil, fmt.Errorf("%s is empty", path)
	case bytes.ContainsAny(line, "\x00\r\n"):
		clear(content)
		return nil, fmt.Errorf("%s has more than one line", path)
	}
	return line, nil
}
