package keys_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"

	"darkroom/internal/identity"
	"darkroom/internal/keys"
	"darkroom/internal/secret"
	"darkroom/internal/store/sqlite"
)

// small is a key service with one key, for fuzzing and benchmarks.
func small(t testing.TB) (*keys.Service, string) {
	t.Helper()
	records, err := sqlite.Open(filepath.Join(t.TempDir(), "records.db"))
	ok(t, err)
	t.Cleanup(func() { records.Close() })
	people, err := identity.New(identity.Options{Accounts: []identity.Account{{ID: account}}, Store: records, Master: secret.New(make([]byte, secret.KeySize)), Log: slog.New(slog.DiscardHandler)})
	ok(t, err)
	s, err := keys.New(keys.Options{Region: region, Accounts: []string{account}, Store: records, People: people, Master: secret.New(make([]byte, secret.KeySize)), Log: slog.New(slog.DiscardHandler)})
	ok(t, err)
	k, _, err := s.Account(account).Create(context.Background(), &keys.NewKey{By: &keys.Author{Principal: root()}})
	ok(t, err)
	return s, k.ID
}

// FuzzCiphertext: whatever is handed in as a ciphertext, only what was made here opens, to what was put in, and all else is refused by name.
func FuzzCiphertext(f *testing.F) {
	s, id := small(f)
	ctx, a := context.Background(), s.Account(account)
	plain := []byte("what was put in")
	e, err := a.Encrypt(ctx, &keys.EncryptRequest{Key: id, Context: map[string]string{"k": "v"}, Plaintext: secret.New(bytes.Clone(plain))})
	ok(f, err)
	f.Add(e.Ciphertext, "k", "v")
	f.Add(e.Ciphertext[:21], "k", "v")                                                                                       // the head alone
	f.Add(append(bytes.Clone(e.Ciphertext[:17]), append([]byte{0xff, 0xff, 0xff, 0xff}, e.Ciphertext[21:]...)...), "k", "v") // a version that never was
	f.Add(append([]byte{2}, e.Ciphertext[1:]...), "k", "v")                                                                  // another form
	f.Add(e.Ciphertext, "", "")
	f.Add([]byte{}, "k", "v")
	f.Fuzz(func(t *testing.T, blob []byte, key, value string) {
		pairs := map[string]string{key: value}
		r := keys.DecryptRequest{Context: pairs, Ciphertext: blob}
		name, nameErr := r.NameOf()
		o, err := a.Decrypt(ctx, &r)
		var refusal *keys.Error
		switch {
		case err == nil && (!bytes.Equal(o.Plaintext.Reveal(), plain) || !bytes.Equal(blob, e.Ciphertext) || key != "k" || value != "v"):
			t.Fatalf("opened %q from %x with %q=%q", o.Plaintext.Reveal(), blob, key, value)
		case err != nil && !errors.As(err, &refusal):
			t.Fatalf("an error of ours: %v", err)
		case err == nil && (nameErr != nil || name != id):
			t.Fatalf("opened what names %q, %v", name, nameErr)
		}
	})
}

// FuzzName: the name of a key in a request is refused by name, or is one that says the same when it is asked for again.
func FuzzName(f *testing.F) {
	s, id := small(f)
	ctx, p := context.Background(), root()
	for _, seed := range []string{id, "alias/a", "arn:aws:kms:us-east-1:" + account + ":key/" + id, "arn:aws:kms:us-east-1:" + account + ":alias/a", "arn:aws:kms:::", "arn:::::", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		name, c, err := s.Check(ctx, &p, &keys.Question{Action: "DescribeKey", Key: text, Forms: keys.AliasesToo})
		var refusal *keys.Error
		if err != nil {
			if !errors.As(err, &refusal) {
				t.Fatalf("an error of ours: %v", err)
			}
			return
		}
		again, _, err := s.Check(ctx, &p, &keys.Question{Action: "DescribeKey", Key: name, Forms: keys.AliasesToo})
		if err != nil || again != name || c.Resource != name {
			t.Fatalf("%q is %q, which is %q, %v", text, name, again, err)
		}
	})
}

func BenchmarkGenerateDataKey(b *testing.B) {
	s, id := small(b)
	ctx := context.Background()
	call := &keys.Call{Principal: root(), Via: s3}
	pairs := map[string]string{"aws:s3:arn": "arn:aws:s3:::films/a"}
	b.Run("generate", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := s.GenerateDataKey(ctx, call, id, pairs); err != nil {
				b.Fatal(err)
			}
		}
	})
	e, _, err := s.GenerateDataKey(ctx, call, id, pairs)
	ok(b, err)
	b.Run("decrypt", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.Decrypt(ctx, call, e.Ciphertext, pairs); err != nil {
				b.Fatal(err)
			}
		}
	})
}
