package root

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/secret"
)

const words = "correct horse battery staple"

func TestRewrap(t *testing.T) {
	t.Parallel()
	dir, away := t.TempDir(), t.TempDir()
	key := mustOpen(t, dir, inside(dir))
	was, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	later := was.Wrapped
	move := func(from, to Root, retired bool, left ...string) {
		t.Helper()
		before, err := Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		later = later.Add(time.Hour)
		o := options(dir, to)
		o.Now = func() time.Time { return later }
		moved, err := Rewrap(t.Context(), o, from)
		if err != nil {
			t.Fatalf("to %s: %v", to.Kind(), err)
		}
		want := Moved{Before: before, After: Status{was.Installation, to.Kind(), moved.After.Key, was.Created, later}, Retired: retired}
		if diff := cmp.Diff(want, moved); diff != "" {
			t.Errorf("to %s: %s", to.Kind(), diff)
		}
		if diff := cmp.Diff(append([]string{Name, lockName}, left...), names(t, dir)); diff != "" {
			t.Errorf("to %s: files: %s", to.Kind(), diff)
		}
		if !bytes.Equal(mustOpen(t, dir, to), key) {
			t.Errorf("to %s: another key", to.Kind())
		}
	}
	move(inside(dir), passphrase(words), true)
	mustRefuse(t, dir, inside(dir), "of kind passphrase")
	mustRefuse(t, dir, passphrase(words+"r"), "passphrase is not the one")
	move(passphrase(words), passphrase(words+"r"), false)
	mustRefuse(t, dir, passphrase(words), "passphrase is not the one")
	move(passphrase(words+"r"), inside(away), false)
	mustRefuse(t, dir, inside(dir), "is not there")
	move(inside(away), inside(dir), false, KeyName)
	if _, err := os.Stat(filepath.Join(away, KeyName)); err != nil {
		t.Errorf("a root key elsewhere is its owner's: %v", err)
	}
	move(inside(dir), inside(away), true) // whose key is there already
}

// TestRotate: a key file gets a new key in its place, and nothing opens with the old one.
func TestRotate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key := mustOpen(t, dir, inside(dir))
	path := filepath.Join(dir, KeyName)
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	moved, err := Rewrap(t.Context(), options(dir, inside(dir).Renew()), inside(dir))
	if err != nil || moved.Retired || moved.Before.Key == moved.After.Key {
		t.Fatalf("%+v, %v", moved, err)
	}
	if diff := cmp.Diff([]string{Name, lockName, KeyName}, names(t, dir)); diff != "" {
		t.Errorf("files: %s", diff)
	}
	if !bytes.Equal(mustOpen(t, dir, inside(dir)), key) {
		t.Error("another key")
	}
	write(t, path, old)
	mustRefuse(t, dir, inside(dir), "is not the one")
}

func TestRewrapRefuses(t *testing.T) {
	t.Parallel()
	dir, away := t.TempDir(), t.TempDir()
	if _, err := Rewrap(t.Context(), options(dir, passphrase(words)), inside(dir)); err == nil || !strings.Contains(err.Error(), "start the server") {
		t.Errorf("nothing to move: %v", err)
	}
	key := mustOpen(t, dir, inside(dir))
	before := tree(t, dir)
	for _, tt := range []struct {
		name     string
		from, to Root
		want     string
	}{
		{"the same file", inside(dir), inside(dir), "--rotate"},
		{"from another kind", passphrase(words), inside(away), "of kind file"},
		{"from a key that is not there", inside(t.TempDir()), passphrase(words), "is not there"},
		{"to a short passphrase", inside(dir), passphrase("fourteen bytes"), "at least 15"},
		{"to no passphrase", inside(dir), passphrase(""), "empty"},
		{"to a directory that is not there", inside(dir), NewFile("/nonexistent/darkroom/root.key", rand.Reader), "no such file"},
	} {
		if _, err := Rewrap(t.Context(), options(dir, tt.to), tt.from); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
			t.Errorf("%s: changed:\n%s", tt.name, diff)
		}
	}
	unlock, err := lock(t.Context(), dir, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Rewrap(t.Context(), options(dir, passphrase(words)), inside(dir)); !errors.Is(err, ErrBusy) {
		t.Errorf("two at once: %v", err)
	}
	opened := make(chan error)
	go func() {
		_, err := Open(t.Context(), options(dir, inside(dir)))
		opened <- err
	}()
	unlock()
	if err := <-opened; err != nil {
		t.Errorf("an open that waited: %v", err)
	}
	if !bytes.Equal(mustOpen(t, dir, inside(dir)), key) {
		t.Error("another key")
	}
}

// TestKeptRootKey: a root key in the data directory is removed if it is the one that was retired, and no other.
func TestKeptRootKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mustOpen(t, dir, inside(dir))
	retired := tree(t, dir)[KeyName]
	if _, err := Rewrap(t.Context(), options(dir, passphrase(words)), inside(dir)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, KeyName)
	write(t, path, []byte(retired)) // as a kill before its removal leaves it
	mustOpen(t, dir, passphrase(words))
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the retired key is left: %v", err)
	}
	write(t, path, bytes.Repeat([]byte{3}, secret.KeySize))
	mustOpen(t, dir, passphrase(words))
	if _, err := os.Stat(path); err != nil {
		t.Errorf("another key was removed: %v", err)
	}
}

// The stories that are killed at each of their points, and what opens the directory after each.
var stories = map[string]struct {
	begin func(t *testing.T, dir, away string) // in this process
	run   func(o Options, dir, away string) error
	opens func(dir, away string) []Root // one of them, always
	ends  func(dir, away string) Root
	left  []string
}{
	"first": {
		begin: func(*testing.T, string, string) {},
		run:   func(o Options, dir, _ string) error { return openWith(o, inside(dir)) },
		opens: func(dir, _ string) []Root { return []Root{inside(dir)} },
		ends:  func(dir, _ string) Root { return inside(dir) },
		left:  []string{Name, lockName, KeyName},
	},
	"adopt": {
		begin: func(t *testing.T, dir, _ string) {
			write(t, filepath.Join(dir, OldName), bytes.Repeat([]byte{42}, secret.KeySize))
		},
		run:   func(o Options, dir, _ string) error { return openWith(o, inside(dir)) },
		opens: func(dir, _ string) []Root { return []Root{inside(dir)} },
		ends:  func(dir, _ string) Root { return inside(dir) },
		left:  []string{Name, lockName, KeyName},
	},
	"move": {
		begin: func(t *testing.T, dir, _ string) { mustOpen(t, dir, inside(dir)) },
		run:   func(o Options, dir, away string) error { return rewrapWith(o, inside(dir), inside(away)) },
		opens: func(dir, away string) []Root { return []Root{inside(dir), inside(away)} },
		ends:  func(_, away string) Root { return inside(away) },
		left:  []string{Name, lockName},
	},
	"rotate": {
		begin: func(t *testing.T, dir, _ string) { mustOpen(t, dir, inside(dir)) },
		run:   func(o Options, dir, _ string) error { return rewrapWith(o, inside(dir), inside(dir).Renew()) },
		opens: func(dir, _ string) []Root { return []Root{inside(dir)} },
		ends:  func(dir, _ string) Root { return inside(dir) },
		left:  []string{Name, lockName, KeyName},
	},
}

// pointed has a root key file tell its points too.
func pointed(o Options, r Root) Root {
	if f, ok := r.(*File); ok && o.at != nil {
		f.at = o.at
	}
	return r
}

func openWith(o Options, r Root) error {
	o.Root = pointed(o, r)
	_, err := Open(tContext, o)
	return err
}

func rewrapWith(o Options, from, to Root) error {
	o.Root = pointed(o, to)
	_, err := Rewrap(tContext, o, pointed(o, from))
	return err
}

const (
	storyVariable = "DARKROOM_TEST_ROOT_STORY"
	killVariable  = "DARKROOM_TEST_ROOT_KILL" // the number of the point
)

// TestStory is what TestKilled runs in a process of its own, which kills itself at a point.
func TestStory(t *testing.T) {
	story, ok := stories[os.Getenv(storyVariable)]
	if !ok {
		return
	}
	at, err := strconv.Atoi(os.Getenv(killVariable))
	if err != nil {
		t.Fatal(err)
	}
	dir, away := os.Getenv("DIR"), os.Getenv("AWAY")
	o := options(dir, nil)
	point := 0
	o.at = func(name string) {
		if point++; point == at {
			fmt.Println("killed:", name)
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	if err := story.run(o, dir, away); err != nil {
		t.Fatal(err)
	}
}

// TestKilled kills the process at every point of every story. The key is there after it, and running the story again ends it as if nothing had been.
func TestKilled(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, story := range stories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var points []string
			for at := 1; ; at++ {
				dir, away := t.TempDir(), t.TempDir()
				story.begin(t, dir, away)
				var want []byte
				switch {
				case name == "adopt":
					want = bytes.Repeat([]byte{42}, secret.KeySize)
				case name != "first":
					want = mustOpen(t, dir, inside(dir))
				}
				cmd := exec.Command(program, "-test.run=^TestStory$", "-test.count=1")
				cmd.Env = append(os.Environ(), storyVariable+"="+name, killVariable+"="+strconv.Itoa(at), "DIR="+dir, "AWAY="+away)
				out, err := cmd.CombinedOutput()
				killed := false
				var exit *exec.ExitError
				if errors.As(err, &exit) {
					killed = exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
				}
				if !killed && err != nil {
					t.Fatalf("point %d: %v\n%s", at, err, out)
				}
				_, point, _ := strings.Cut(strings.TrimSpace(string(out)), "killed: ")
				if killed {
					points = append(points, point)
				}
				opened := false
				for _, r := range story.opens(dir, away) {
					st, err := Read(dir)
					if err == nil && st.Kind != r.Kind() {
						continue
					}
					got, err := Open(t.Context(), options(dir, r))
					if err != nil {
						continue
					}
					opened = true
					if want != nil && !bytes.Equal(got.Secret.Reveal(), want) {
						t.Errorf("killed %s: another key", point)
					}
					want = bytes.Clone(got.Secret.Reveal())
					if name != "move" || r.(*File).path == story.ends(dir, away).(*File).path {
						break
					}
					if err := story.run(options(dir, nil), dir, away); err != nil {
						t.Errorf("killed %s, and again: %v", point, err)
					}
					break
				}
				if !opened {
					t.Fatalf("killed %s: nothing opens: %v", point, names(t, dir))
				}
				if got := mustOpen(t, dir, story.ends(dir, away)); !bytes.Equal(got, want) {
					t.Errorf("killed %s: another key at the end", point)
				}
				if diff := cmp.Diff(story.left, names(t, dir)); diff != "" {
					t.Errorf("killed %s: files: %s", point, diff)
				}
				if got := names(t, away); len(got) > 1 || len(got) == 1 && got[0] != KeyName {
					t.Errorf("killed %s: files elsewhere: %v", point, got)
				}
				if !killed {
					break
				}
			}
			if len(points) < 6 {
				t.Errorf("killed at %d points only: %q", len(points), points)
			}
			t.Logf("killed at %q", points)
		})
	}
}
