package root

import (
	"bytes"
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"darkroom/internal/secret"
)

var tContext = context.Background()

func TestPassphrase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	asked := []bool{}
	p := NewPassphrase(func(_ context.Context, fresh bool) (secret.Bytes, error) {
		asked = append(asked, fresh)
		return secret.New([]byte(words)), nil
	}, rand.Reader)
	key := mustOpen(t, dir, p)
	if len(asked) != 1 || !asked[0] {
		t.Errorf("asked %v, want one new passphrase", asked)
	}
	held := p.words.Reveal()
	p.Close()
	if !bytes.Equal(held, make([]byte, len(held))) {
		t.Errorf("%q is left", held)
	}
	d, err := readDocument(dir)
	if err != nil || d.Root.Kind != KindPassphrase || d.Root.Key != derivation || d.Root.Iterations != iterations || len(d.Root.Salt) != saltSize {
		t.Fatalf("%+v, %v", d.Root, err)
	}
	asked = nil
	if !bytes.Equal(mustOpen(t, dir, p), key) || len(asked) != 1 || asked[0] {
		t.Errorf("asked %v, want one that is known", asked)
	}
	// What the package says that it does, done by hand.
	rootKey, err := pbkdf2.Key(sha256.New, words, d.Root.Salt, d.Root.Iterations, 32)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := openKey(secret.New(rootKey), KindPassphrase, d.Installation, d.Root.Wrapped); err != nil || !bytes.Equal(got.Reveal(), key) {
		t.Errorf("by hand: %v", err)
	}
}

// TestPassphraseBounds: what a hostile file asks for costs nothing, and does not even ask for the passphrase.
func TestPassphraseBounds(t *testing.T) {
	t.Parallel()
	salt := make([]byte, saltSize)
	for _, tt := range []struct {
		name string
		w    wrapping
		want string
	}{
		{"too many iterations", wrapping{Key: derivation, Salt: salt, Iterations: maxIterations + 1}, "iterations"},
		{"too few iterations", wrapping{Key: derivation, Salt: salt, Iterations: minIterations - 1}, "iterations"},
		{"negative iterations", wrapping{Key: derivation, Salt: salt, Iterations: -1}, "iterations"},
		{"no salt", wrapping{Key: derivation, Iterations: iterations}, "salt"},
		{"a long salt", wrapping{Key: derivation, Salt: make([]byte, saltSize+1), Iterations: iterations}, "salt"},
		{"another derivation", wrapping{Key: "md5", Salt: salt, Iterations: iterations}, "md5"},
	} {
		p := NewPassphrase(func(context.Context, bool) (secret.Bytes, error) {
			t.Errorf("%s: the passphrase is asked for", tt.name)
			return secret.Bytes{}, errors.New("no")
		}, rand.Reader)
		if _, err := p.unwrap(t.Context(), "", tt.w); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestReadSecret(t *testing.T) {
	t.Parallel()
	const limit = 20
	for _, tt := range []struct {
		name, content, want, refusal string
		mode                         os.FileMode
	}{
		{"plain", "secret words", "secret words", "", 0o600},
		{"with a newline", "secret words\n", "secret words", "", 0o400},
		{"with a newline of another world", "secret words\r\n", "secret words", "", 0o440},
		{"of spaces", "  a  ", "  a  ", "", 0o640},
		{"as long as can be", strings.Repeat("x", limit) + "\r\n", strings.Repeat("x", limit), "", 0o600},
		{"too long", strings.Repeat("x", limit+1), "", "more than 20 bytes", 0o600},
		{"much too long", strings.Repeat("x", 1<<20), "", "more than 20 bytes", 0o600},
		{"empty", "", "", "empty", 0o600},
		{"a newline alone", "\n", "", "empty", 0o600},
		{"two lines", "a\nb\n", "", "more than one line", 0o600},
		{"two newlines", "a\n\n", "", "more than one line", 0o600},
		{"zero byte", "a\x00b", "", "more than one line", 0o600},
		{"others may read", "a", "", "0604", 0o604},
		{"a group may write", "a", "", "0620", 0o620},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "secret")
			write(t, path, []byte(tt.content))
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			check := func(got secret.Bytes, err error) {
				t.Helper()
				if string(got.Reveal()) != tt.want || (err == nil) != (tt.refusal == "") || err != nil && !strings.Contains(err.Error(), tt.refusal) {
					t.Errorf("got %q, %v", got.Reveal(), err)
				}
				if err != nil && tt.content != "" && len(tt.content) > 3 && strings.Contains(err.Error(), strings.TrimSpace(tt.content)) {
					t.Errorf("the error shows the secret: %v", err)
				}
			}
			check(readSecret(t.Context(), path, limit))
			link := path + ".link"
			if err := os.Symlink(path, link); err != nil {
				t.Fatal(err)
			}
			got, err := readSecret(t.Context(), link, limit) // as orchestrators lay out files
			if (err == nil) != (tt.refusal == "") || string(got.Reveal()) != tt.want {
				t.Errorf("by a link: %v", err)
			}
			if tt.mode == 0o600 {
				r, w, err := os.Pipe()
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				go func() {
					_, _ = io.WriteString(w, tt.content) // a reader that has enough breaks the pipe
					_ = w.Close()
				}()
				check(readSecret(t.Context(), fmt.Sprintf("/dev/fd/%d", r.Fd()), limit))
				flags, err := unix.FcntlInt(r.Fd(), unix.F_GETFD, 0)
				if err != nil || flags&unix.FD_CLOEXEC == 0 {
					t.Errorf("what this process starts inherits the descriptor: %v", err)
				}
			}
		})
	}
	for _, path := range []string{t.TempDir(), "/dev/zero", filepath.Join(t.TempDir(), "none")} {
		if _, err := readSecret(t.Context(), path, limit); err == nil {
			t.Errorf("%s is taken", path)
		}
	}
}

// TestReadSecretFromPipe: a named pipe is waited for, as long as the caller wants to wait.
func TestReadSecretFromPipe(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := readSecret(ctx, path, 100); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody writes: %v", err)
	}
	path += "2" // the reader of before still has the first
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		if err := os.WriteFile(path, []byte(words+"\n"), 0o600); err != nil {
			t.Error(err)
		}
	}()
	if got, err := readSecret(t.Context(), path, 100); err != nil || string(got.Reveal()) != words {
		t.Errorf("got %q, %v", got.Reveal(), err)
	}
}

func TestPassphraseCredential(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "darkroom"), []byte(words))
	if err := os.Chmod(filepath.Join(dir, "darkroom"), 0o440); err != nil { // with an access list, as systemd does
		t.Fatal(err)
	}
	if got, err := PassphraseCredential(dir, "darkroom")(t.Context(), false); err != nil || string(got.Reveal()) != words {
		t.Errorf("got %q, %v", got.Reveal(), err)
	}
	if _, err := PassphraseCredential(dir, "none")(t.Context(), false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("one that is not there: %v", err)
	}
	for _, tt := range [][2]string{{"", "darkroom"}, {".", "darkroom"}, {dir, "../x"}, {dir, ".."}, {dir, "."}, {dir, "a/b"}} {
		if _, err := PassphraseCredential(tt[0], tt[1])(t.Context(), false); err == nil {
			t.Errorf("%q is taken", tt)
		}
	}
}

// terminal opens a pseudo terminal: what a person sits at, and what the program has.
func terminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, program = openTerminal(t)
	t.Cleanup(func() { _, _ = person.Close(), program.Close() })
	return person, program
}

func openTerminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return person, program
}

// abandoned are terminals that a read is still under way at. They stay open: were they closed, the read would end at whatever has their number then.
var abandoned []*os.File

func TestPassphraseTerminal(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, typed string
		fresh       bool
		want        string
		refusal     string
	}{
		{"known", words + "\n", false, words, ""},
		{"new", words + "\n" + words + "\n", true, words, ""},
		{"new, mistyped", words + "\n" + words + "r\n", true, "", "not the same"},
		{"too long", strings.Repeat("x", MaxPassphrase+1) + "\n", false, "", "longer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			person, program := terminal(t)
			prompts, asked := io.Pipe()
			type answer struct {
				words secret.Bytes
				err   error
			}
			done := make(chan answer)
			go func() {
				w, err := PassphraseTerminal(program, asked, "passphrase")(t.Context(), tt.fresh)
				_ = asked.Close()
				done <- answer{w, err}
			}()
			// The person types a line at each prompt, once the echo is off: what is typed before would be seen.
			shown := make(chan string)
			go func() {
				b, _ := io.ReadAll(person) // ends with the terminal
				shown <- string(b)
			}()
			lines := strings.SplitAfter(tt.typed, "\n")
			seen := ""
			for buf := make([]byte, 256); ; {
				n, err := prompts.Read(buf)
				seen += string(buf[:n])
				if strings.HasSuffix(seen, ": ") && len(lines) > 0 && lines[0] != "" {
					silent(t, program)
					if _, err := io.WriteString(person, lines[0]); err != nil {
						t.Fatal(err)
					}
					lines, seen = lines[1:], ""
				}
				if err != nil {
					break
				}
			}
			got := <-done
			if string(got.words.Reveal()) != tt.want || (got.err == nil) != (tt.refusal == "") || got.err != nil && !strings.Contains(got.err.Error(), tt.refusal) {
				t.Errorf("got %q, %v", got.words.Reveal(), got.err)
			}
			if !echoes(t, program) {
				t.Error("the echo is off")
			}
			_ = program.Close()
			_ = person.SetReadDeadline(time.Now())
			_ = person.Close()
			if s := <-shown; strings.Contains(s, "horse") {
				t.Errorf("the terminal shows %q", s)
			}
		})
	}
	t.Run("given up", func(t *testing.T) {
		t.Parallel()
		person, program := openTerminal(t)
		abandoned = append(abandoned, person, program)
		ctx, cancel := context.WithCancel(t.Context())
		prompts, asked := io.Pipe()
		go func() {
			_, _ = io.ReadFull(prompts, make([]byte, len("passphrase: ")))
			silent(t, program)
			cancel()
			_, _ = io.Copy(io.Discard, prompts)
		}()
		if _, err := PassphraseTerminal(program, asked, "passphrase")(ctx, false); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if !echoes(t, program) {
			t.Error("the echo is off")
		}
	})
	t.Run("no terminal", func(t *testing.T) {
		t.Parallel()
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := PassphraseTerminal(f, io.Discard, "passphrase")(t.Context(), false); err == nil || !strings.Contains(err.Error(), "root.passphrase_file") {
			t.Errorf("got %v", err)
		}
	})
}

func echoes(t *testing.T, f *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		t.Error(err)
		return true
	}
	return state.Lflag&unix.ECHO != 0
}

// silent waits until a terminal does not show what is typed, which it tells nobody.
func silent(t *testing.T, f *os.File) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for echoes(t, f) && t.Context().Err() == nil {
		<-tick.C
	}
}
