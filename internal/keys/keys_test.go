package keys_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"darkroom/internal/iam"
	"darkroom/internal/keys"
	"darkroom/internal/secret"
	"darkroom/internal/store"
	"darkroom/internal/store/sqlite"
)

// TestRoundTrip: what was encrypted comes back with the same context, on this service and on one that was opened anew, and with no other.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, a := t.Context(), b.Account(account)
	k, second := b.key(""), b.key("")
	pairs := map[string]string{"service": "mediaconvert.amazonaws.com", "b": "", "ä": "ö"}
	e := must(a.Encrypt(ctx, &keys.EncryptRequest{Key: k.ID, Context: pairs, Plaintext: bytesOf("the plaintext")}))(t)
	if e.KeyARN != keyARN(k) || len(e.MaterialID) != 64 {
		t.Errorf("encrypted by %+v", e)
	}
	if bytes.Contains(e.Ciphertext, []byte("plaintext")) {
		t.Error("the ciphertext shows the plaintext")
	}
	for _, s := range []*keys.Service{b.Service, b.again(make([]byte, secret.KeySize))} {
		for _, name := range []string{"", k.ID, keyARN(k)} {
			o := must(s.Account(account).Decrypt(ctx, &keys.DecryptRequest{Key: name, Context: pairs, Ciphertext: e.Ciphertext}))(t)
			if string(o.Plaintext.Reveal()) != "the plaintext" || o.KeyARN != e.KeyARN || o.MaterialID != e.MaterialID {
				t.Errorf("%q: decrypted %+v", name, o)
			}
		}
	}
	for name, context := range map[string]map[string]string{
		"none":            nil,
		"one pair less":   {"service": "mediaconvert.amazonaws.com", "b": ""},
		"one pair more":   {"service": "mediaconvert.amazonaws.com", "b": "", "ä": "ö", "c": "d"},
		"another value":   {"service": "mediaconvert.amazonaws.com", "b": "", "ä": "o"},
		"another case":    {"Service": "mediaconvert.amazonaws.com", "b": "", "ä": "ö"},
		"shifted lengths": {"service": "mediaconvert.amazonaws.co", "mb": "", "ä": "ö"},
	} {
		refused(t, name, is(a.Decrypt(ctx, &keys.DecryptRequest{Context: context, Ciphertext: e.Ciphertext})), "InvalidCiphertextException", "")
	}
	refused(t, "another key", is(a.Decrypt(ctx, &keys.DecryptRequest{Key: second.ID, Context: pairs, Ciphertext: e.Ciphertext})), "IncorrectKeyException", "does not identify a CMK")
	refused(t, "another account", is(b.Account(other).Decrypt(ctx, &keys.DecryptRequest{Context: pairs, Ciphertext: e.Ciphertext})), "AccessDeniedException", "The ciphertext refers to")
	for n := range e.Ciphertext {
		flipped := bytes.Clone(e.Ciphertext)
		flipped[n] ^= 1
		if o, err := a.Decrypt(ctx, &keys.DecryptRequest{Context: pairs, Ciphertext: flipped}); err == nil {
			t.Errorf("byte %d flipped: opened %d bytes", n, o.Plaintext.Len())
		}
		if err := is(a.Decrypt(ctx, &keys.DecryptRequest{Context: pairs, Ciphertext: e.Ciphertext[:n]})); err == nil {
			t.Errorf("cut to %d bytes: opened", n)
		}
	}
	refused(t, "longer", is(a.Decrypt(ctx, &keys.DecryptRequest{Context: pairs, Ciphertext: append(bytes.Clone(e.Ciphertext), 0)})), "InvalidCiphertextException", "")
	refused(t, "far too long", is(a.Decrypt(ctx, &keys.DecryptRequest{Context: pairs, Ciphertext: append(bytes.Clone(e.Ciphertext), make([]byte, keys.MaxCiphertext)...)})), "InvalidCiphertextException", "")

	again := must(a.Encrypt(ctx, &keys.EncryptRequest{Key: k.ID, Context: pairs, Plaintext: bytesOf("the plaintext")}))(t)
	if bytes.Equal(again.Ciphertext[21:49], e.Ciphertext[21:49]) {
		t.Error("two ciphertexts have the same salt and nonce")
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, a, k := t.Context(), b.Account(account), b.key("")
	large := bytesOf(strings.Repeat("x", keys.MaxPlaintext))
	e := must(a.Encrypt(ctx, &keys.EncryptRequest{Key: k.ID, Plaintext: large}))(t)
	if o := must(a.Decrypt(ctx, &keys.DecryptRequest{Ciphertext: e.Ciphertext}))(t); o.Plaintext.Len() != keys.MaxPlaintext {
		t.Errorf("%d bytes came back", o.Plaintext.Len())
	}
	long := map[string]string{"k": strings.Repeat("v", keys.MaxContext-1)}
	must(a.Encrypt(ctx, &keys.EncryptRequest{Key: k.ID, Context: long, Plaintext: large}))(t)
	long["l"] = ""
	schedule := func(days int) error {
		_, _, err := a.ScheduleDeletion(ctx, k.ID, days)
		return err
	}
	for name, err := range map[string]error{
		"no plaintext":         is(a.Encrypt(ctx, &keys.EncryptRequest{Key: k.ID})),
		"a long plaintext":     is(a.Encrypt(ctx, &keys.EncryptRequest{Key: k.ID, Plaintext: bytesOf(strings.Repeat("x", keys.MaxPlaintext+1))})),
		"a long context":       is(a.Encrypt(ctx, &keys.EncryptRequest{Key: k.ID, Context: long, Plaintext: large})),
		"a context without":    is(a.Encrypt(ctx, &keys.EncryptRequest{Key: k.ID, Context: map[string]string{"": "x"}, Plaintext: large})),
		"a context of no text": is(a.Encrypt(ctx, &keys.EncryptRequest{Key: k.ID, Context: map[string]string{"x": "\xff"}, Plaintext: large})),
		"no bytes":             is(b.Random(0)),
		"too many bytes":       is(b.Random(keys.MaxDataKey + 1)),
		"a description":        is(0, a.SetDescription(ctx, k.ID, strings.Repeat("x", 8193))),
		"a period":             is(0, a.EnableRotation(ctx, k.ID, 89)),
		"a long period":        is(0, a.EnableRotation(ctx, k.ID, 2561)),
		"few days":             schedule(6),
		"many days":            schedule(31),
	} {
		refused(t, name, err, "ValidationException", "")
	}
	if _, _, err := a.GenerateDataKey(ctx, &keys.DataKeyRequest{Key: k.ID, Size: keys.MaxDataKey + 1}); err == nil {
		t.Error("a data key that is too long was made")
	}
	if n := must(b.Random(keys.MaxDataKey))(t).Len(); n != keys.MaxDataKey {
		t.Errorf("%d random bytes", n)
	}
}

// TestNames: keys are named by their ids and ARNs, and aliases name them where Check has looked them up.
func TestNames(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, a, k := t.Context(), b.Account(account), b.key("")
	ok(t, a.CreateAlias(ctx, "alias/films", k.ID))
	arn := "arn:aws:kms:" + region + ":" + account + ":"
	p := root()
	for _, tt := range []struct {
		name  string
		forms keys.Forms
		want  string // the code of the refusal; none for the key
	}{
		{k.ID, keys.KeysOnly, ""},
		{keyARN(k), keys.KeysOnly, ""},
		{keyARN(k), keys.ARNOnly, ""},
		{k.ID, keys.ARNOnly, "InvalidArnException"},
		{"alias/films", keys.AliasesToo, ""},
		{arn + "alias/films", keys.AliasesToo, ""},
		{"alias/films", keys.KeysOnly, "NotFoundException"},
		{"alias/films", keys.ARNOnly, "InvalidArnException"},
		{arn + "alias/films", keys.KeysOnly, "InvalidArnException"},
		{arn + "alias/films", keys.ARNOnly, "InvalidArnException"},
		{"", keys.AliasesToo, "NotFoundException"},
		{"films", keys.AliasesToo, "NotFoundException"},
		{"alias/", keys.AliasesToo, "NotFoundException"},
		{"alias/a b", keys.AliasesToo, "NotFoundException"},
		{strings.ToUpper(k.ID), keys.AliasesToo, "NotFoundException"},
		{k.ID + " ", keys.AliasesToo, "NotFoundException"},
		{"../" + k.ID, keys.AliasesToo, "NotFoundException"},
		{"mrk-1234abcd12ab34cd56ef1234567890ab", keys.AliasesToo, "NotFoundException"},
		{"arn:aws:kms:eu-west-1:" + account + ":key/" + k.ID, keys.KeysOnly, "NotFoundException"},
		{"arn:aws-cn:kms:" + region + ":" + account + ":key/" + k.ID, keys.KeysOnly, "InvalidArnException"},
		{"arn:aws:kms:" + region + "::key/" + k.ID, keys.KeysOnly, "InvalidArnException"},
		{arn + "grant/" + k.ID, keys.KeysOnly, "InvalidArnException"},
		{"arn:aws:s3:::bucket", keys.KeysOnly, "InvalidArnException"},
		{"arn:", keys.KeysOnly, "InvalidArnException"},
	} {
		name, c, err := b.Check(ctx, &p, &keys.Question{Action: "DescribeKey", Key: tt.name, Forms: tt.forms})
		switch {
		case tt.want != "":
			refused(t, tt.name, err, tt.want, "")
		case err != nil || name != keyARN(k) || c.Resource != name:
			t.Errorf("%s: got %s, %v", tt.name, name, err)
		}
	}
	// An alias that Check has not looked up names nothing: it could name another key by now.
	refused(t, "alias", is(a.Encrypt(ctx, &keys.EncryptRequest{Key: "alias/films", Plaintext: bytesOf("x")})), "NotFoundException", "Alias "+arn+"alias/films is not found.")
	gone := "1234abcd-12ab-34cd-56ef-1234567890ab"
	refused(t, "no key", is(a.Encrypt(ctx, &keys.EncryptRequest{Key: gone, Plaintext: bytesOf("x")})), "NotFoundException", "Key '"+arn+"key/"+gone+"' does not exist")
}

// TestStates tries what needs a usable key, and what needs one that stays, in each state.
func TestStates(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, a := t.Context(), b.Account(account)
	k, spare := b.key(""), b.key("")
	e := must(a.Encrypt(ctx, &keys.EncryptRequest{Key: k.ID, Plaintext: bytesOf("x")}))(t)
	ok(t, a.CreateAlias(ctx, "alias/spare", spare.ID))
	uses := map[string]func() error{
		"Encrypt": func() error {
			return is(a.Encrypt(ctx, &keys.EncryptRequest{Key: k.ID, Plaintext: bytesOf("x")}))
		},
		"Encrypt, dry": func() error {
			return is(a.Encrypt(ctx, &keys.EncryptRequest{Key: k.ID, Plaintext: bytesOf("x"), DryRun: true}))
		},
		"Decrypt": func() error { return is(a.Decrypt(ctx, &keys.DecryptRequest{Ciphertext: e.Ciphertext})) },
		"GenerateDataKey": func() error {
			_, _, err := a.GenerateDataKey(ctx, &keys.DataKeyRequest{Key: k.ID, Size: 32})
			return err
		},
		"ReEncrypt": func() error {
			_, _, err := a.ReEncrypt(ctx, &keys.ReEncryptRequest{From: keys.DecryptRequest{Ciphertext: e.Ciphertext}, To: spare.ID})
			return err
		},
		"ReEncrypt to it": func() error {
			from := must(a.Encrypt(ctx, &keys.EncryptRequest{Key: spare.ID, Plaintext: bytesOf("x")}))(t)
			_, _, err := a.ReEncrypt(ctx, &keys.ReEncryptRequest{From: keys.DecryptRequest{Ciphertext: from.Ciphertext}, To: k.ID})
			return err
		},
		"CreateGrant": func() error {
			_, _, err := a.CreateGrant(ctx, &keys.GrantRequest{Key: k.ID, Grantee: account, Operations: []string{"Decrypt"}})
			return err
		},
		"EnableKeyRotation":  func() error { return a.EnableRotation(ctx, k.ID, 365) },
		"DisableKeyRotation": func() error { return a.DisableRotation(ctx, k.ID) },
		"RotateKeyOnDemand":  func() error { return a.Rotate(ctx, k.ID) },
	}
	changes := map[string]func() error{
		"CreateAlias":          func() error { return a.CreateAlias(ctx, "alias/"+k.ID, k.ID) },
		"UpdateAlias":          func() error { return a.UpdateAlias(ctx, "alias/spare", k.ID) },
		"TagResource":          func() error { return a.Tag(ctx, k.ID, map[string]string{"a": "b"}) },
		"UntagResource":        func() error { return a.Untag(ctx, k.ID, []string{"a"}) },
		"UpdateKeyDescription": func() error { return a.SetDescription(ctx, k.ID, "x") },
		"EnableKey":            func() error { return a.Enable(ctx, k.ID) },
		"DisableKey":           func() error { return a.Disable(ctx, k.ID) },
		"ScheduleKeyDeletion": func() error {
			_, _, err := a.ScheduleDeletion(ctx, k.ID, 7)
			return err
		},
	}
	refused(t, "cancel", a.CancelDeletion(ctx, k.ID), "KMSInvalidStateException", keyARN(k)+" is not pending deletion.")
	ok(t, a.Disable(ctx, k.ID))
	for name, do := range uses {
		refused(t, name, do(), "DisabledException", keyARN(k)+" is disabled.")
	}
	ok(t, a.Enable(ctx, k.ID))
	for name, do := range uses {
		if name != "Encrypt, dry" {
			if err := do(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	refused(t, "dry", uses["Encrypt, dry"](), "DryRunOperationException", "")
	at, days, err := a.ScheduleDeletion(ctx, k.ID, 0)
	ok(t, err)
	if days != 30 {
		t.Errorf("deleted in %d days", days)
	}
	if want := b.clock().Add(30 * 24 * time.Hour); !at.Equal(want) {
		t.Errorf("deleted at %v, want %v", at, want)
	}
	for _, part := range []map[string]func() error{uses, changes} {
		for name, do := range part {
			refused(t, name, do(), "KMSInvalidStateException", keyARN(k)+" is pending deletion.")
		}
	}
	ok(t, a.PutPolicy(ctx, k.ID, keys.DefaultPolicy(account), &keys.Author{Principal: root()}))
	ok(t, a.CancelDeletion(ctx, k.ID))
	if k, _, _ := a.Describe(ctx, k.ID, keys.KeysOnly); k.State() != keys.Disabled {
		t.Errorf("brought back as %s", k.State())
	}
	for name, do := range changes {
		if name == "CreateAlias" || name == "EnableKey" || name == "DisableKey" {
			if err := do(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestRotation: old ciphertexts open after any number of rotations, new ones are made by the newest material, and a rotation that is due is made once.
func TestRotation(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, a, k := t.Context(), b.Account(account), b.key("")
	var made []keys.Encrypted
	encrypt := func() {
		t.Helper()
		made = append(made, must(a.Encrypt(ctx, &keys.EncryptRequest{Key: k.ID, Plaintext: bytesOf("x")}))(t))
	}
	for range keys.MaxOnDemandRotations {
		encrypt()
		ok(t, a.Rotate(ctx, k.ID))
	}
	encrypt()
	refused(t, "once more", a.Rotate(ctx, k.ID), "LimitExceededException", "No more on-demand rotations can be performed for this key: "+keyARN(k))
	ok(t, a.EnableRotation(ctx, k.ID, 90))
	due := must(b.Due(ctx))(t)
	if want := b.clock().AddDate(0, 0, 90); !due.Equal(want) {
		t.Errorf("due at %v, want %v", due, want)
	}
	b.pass(89 * 24 * time.Hour)
	must(b.Due(ctx))(t)
	encrypt()
	b.pass(200 * 24 * time.Hour) // three times as long as needed
	due = must(b.Due(ctx))(t)
	if want := b.clock().AddDate(0, 0, -289+360); !due.Equal(want) {
		t.Errorf("due again at %v, want %v", due, want)
	}
	encrypt()
	now, _, err := a.Describe(ctx, k.ID, keys.KeysOnly)
	ok(t, err)
	if n := len(now.Versions); n != keys.MaxOnDemandRotations+2 {
		t.Errorf("%d versions", n)
	}
	if made[len(made)-3].MaterialID != made[len(made)-2].MaterialID || made[len(made)-2].MaterialID == made[len(made)-1].MaterialID {
		t.Error("rotated at another time than when it was due")
	}
	fresh := b.again(make([]byte, secret.KeySize)).Account(account)
	for i, e := range made {
		if o := must(fresh.Decrypt(ctx, &keys.DecryptRequest{Ciphertext: e.Ciphertext}))(t); o.MaterialID != e.MaterialID || string(o.Plaintext.Reveal()) != "x" {
			t.Errorf("ciphertext %d opened by %s", i, o.MaterialID)
		}
	}
	// A key that is disabled waits.
	ok(t, a.Disable(ctx, k.ID))
	b.pass(400 * 24 * time.Hour)
	if due := must(b.Due(ctx))(t); !due.IsZero() {
		t.Errorf("a disabled key is due at %v", due)
	}
	ok(t, a.Enable(ctx, k.ID))
	must(b.Due(ctx))(t)
	if now, _, _ = a.Describe(ctx, k.ID, keys.KeysOnly); len(now.Versions) != keys.MaxOnDemandRotations+3 {
		t.Errorf("%d versions after it was enabled", len(now.Versions))
	}
	ok(t, a.DisableRotation(ctx, k.ID))
	if due := must(b.Due(ctx))(t); !due.IsZero() {
		t.Errorf("due at %v without rotation", due)
	}
}

// TestDeletion: a key is gone when its time is over, to everybody at once, and then its records are.
func TestDeletion(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, a, k := t.Context(), b.Account(account), b.key("")
	e := must(a.Encrypt(ctx, &keys.EncryptRequest{Key: k.ID, Plaintext: bytesOf("x")}))(t)
	ok(t, a.CreateAlias(ctx, "alias/films", k.ID))
	if _, _, err := a.CreateGrant(ctx, &keys.GrantRequest{Key: k.ID, Grantee: account, Operations: []string{"Decrypt"}}); err != nil {
		t.Fatal(err)
	}
	at, _, err := a.ScheduleDeletion(ctx, k.ID, 7)
	ok(t, err)
	sealed := bytes.Clone(k.Current().Sealed)
	if due := must(b.Due(ctx))(t); !due.Equal(at) {
		t.Errorf("due at %v, want %v", due, at)
	}
	b.pass(7*24*time.Hour - time.Second)
	must(b.Due(ctx))(t)
	refused(t, "a second before", is(a.Decrypt(ctx, &keys.DecryptRequest{Ciphertext: e.Ciphertext})), "KMSInvalidStateException", "")
	b.pass(time.Second)
	refused(t, "in time, not yet destroyed", is(a.Decrypt(ctx, &keys.DecryptRequest{Ciphertext: e.Ciphertext})), "AccessDeniedException", "does not exist")
	refused(t, "brought back too late", a.CancelDeletion(ctx, k.ID), "NotFoundException", "does not exist")
	if due := must(b.Due(ctx))(t); !due.IsZero() {
		t.Errorf("due at %v with no key left", due)
	}
	entries, _, err := b.records.LoadRegistry(ctx, store.Registry{Name: "keys", Account: account})
	ok(t, err)
	for _, left := range entries {
		if left.Kind != "account" {
			t.Errorf("a %s is left: %s", left.Kind, left.Record)
		}
	}
	// The file has nothing of the material: what was deleted is overwritten.
	ok(t, b.records.Close())
	text := []byte(base64.StdEncoding.EncodeToString(sealed))
	if content := must(os.ReadFile(b.path))(t); bytes.Contains(content, text) || len(content) == 0 {
		t.Error("the sealed material stands in the file still")
	}
	b.records, err = sqlite.Open(b.path)
	ok(t, err)
	defer b.records.Close()
	refused(t, "after a restart", is(b.again(make([]byte, secret.KeySize)).Account(account).Decrypt(ctx, &keys.DecryptRequest{Ciphertext: e.Ciphertext})), "AccessDeniedException", "")
}

// TestRun: what is due is done when a change brings a deadline near, and Run ends with its context.
func TestRun(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	a, k := b.Account(account), b.key("")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- b.Service.Run(ctx) }()
	if _, _, err := a.ScheduleDeletion(ctx, k.ID, 7); err != nil {
		t.Fatal(err)
	}
	b.pass(8 * 24 * time.Hour)
	b.key("") // a change wakes it
	if said := <-b.said; said != "destroyed a key whose time was over" {
		t.Errorf("it said %q", said)
	}
	entries, _, err := b.records.LoadRegistry(ctx, store.Registry{Name: "keys", Account: account})
	ok(t, err)
	if len(entries) != 2 { // the account key and the second key
		t.Errorf("%d records are left", len(entries))
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestSealed: no record shows key material, and none opens at another place, in another account or under another master key.
func TestSealed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, a := t.Context(), b.Account(account)
	first, second := b.key(""), b.key("")
	ok(t, a.Rotate(ctx, first.ID))
	if _, _, err := b.Account(other).Create(ctx, &keys.NewKey{By: &keys.Author{Principal: root(), Bypass: true}}); err != nil {
		t.Fatal(err)
	}
	wrong := make([]byte, secret.KeySize)
	wrong[0] = 1
	if _, err := b.again(wrong).View(ctx, account); err == nil {
		t.Error("opened under another master key")
	}
	r := store.Registry{Name: "keys", Account: account}
	entries, n, err := b.records.LoadRegistry(ctx, r)
	ok(t, err)
	record := func(kind, id string) store.Entry {
		for _, e := range entries {
			if e.Kind == kind && e.ID == id {
				return e
			}
		}
		t.Fatalf("no %s %s", kind, id)
		return store.Entry{}
	}
	sealed := func(e store.Entry) [][]byte { // the sealed values in a record
		var out [][]byte
		for _, part := range strings.Split(string(e.Record), `"Sealed":"`)[1:] {
			out = append(out, []byte(part[:strings.IndexByte(part, '"')]))
		}
		return out
	}
	one, two := record("key", first.ID), record("key", second.ID)
	put := func(name string, e store.Entry) {
		t.Helper()
		n, err = b.records.ChangeRegistry(ctx, r, n, []store.Entry{e}, nil)
		ok(t, err)
		if _, err := b.again(make([]byte, secret.KeySize)).View(ctx, account); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	swapped := one
	swapped.Record = bytes.Replace(one.Record, sealed(one)[0], sealed(two)[0], 1)
	put("material of another key", swapped)
	swapped.Record = bytes.Replace(one.Record, sealed(one)[1], sealed(one)[0], 1)
	put("material of another version", swapped)
	swapped.Record = two.Record
	put("the record of another key", swapped)
	swapped.Record = bytes.Replace(one.Record, []byte(`"Number":2`), []byte(`"Number":1`), 1)
	put("a version twice", swapped)
	n, err = b.records.ChangeRegistry(ctx, r, n, []store.Entry{one}, nil)
	ok(t, err)
	must(b.again(make([]byte, secret.KeySize)).View(ctx, account))(t)
	theirs, _, err := b.records.LoadRegistry(ctx, store.Registry{Name: "keys", Account: other})
	ok(t, err)
	for _, e := range theirs {
		if e.Kind == "account" {
			put("the account key of another account", e)
		}
	}
	put("an unknown kind", store.Entry{Kind: "x", ID: "y", Record: []byte("{}")})
}

// TestTwoServices: what one replica changes, another sees, and changes of both are kept.
func TestTwoServices(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, k := t.Context(), b.key("")
	replica := b.again(make([]byte, secret.KeySize))
	e := must(replica.Account(account).Encrypt(ctx, &keys.EncryptRequest{Key: k.ID, Plaintext: bytesOf("x")}))(t)
	ok(t, b.Account(account).Rotate(ctx, k.ID))
	ok(t, replica.Account(account).Rotate(ctx, k.ID))
	b.pass(time.Second)
	for _, s := range []*keys.Service{b.Service, replica} {
		k, _, err := s.Account(account).Describe(ctx, k.ID, keys.KeysOnly)
		ok(t, err)
		if len(k.Versions) != 3 {
			t.Errorf("%d versions", len(k.Versions))
		}
		must(s.Account(account).Decrypt(ctx, &keys.DecryptRequest{Ciphertext: e.Ciphertext}))(t)
	}
	ok(t, b.Account(account).Disable(ctx, k.ID))
	b.pass(time.Second)
	refused(t, "disabled elsewhere", is(replica.Account(account).Encrypt(ctx, &keys.EncryptRequest{Key: k.ID, Plaintext: bytesOf("x")})), "DisabledException", "")
	ok(t, b.records.Close())
	b.pass(time.Second)
	if err := is(replica.Account(account).Decrypt(ctx, &keys.DecryptRequest{Ciphertext: e.Ciphertext})); err == nil {
		t.Error("decrypted where nobody knows whether the key is still there")
	}
}

// TestServices: a service that acts for a caller is let in by the same policies, through itself alone, and every use is recorded before it has an effect.
func TestServices(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx := t.Context()
	ann, eve := b.user("ann", `{"Effect":"Allow","Action":["kms:GenerateDataKey","kms:Decrypt"],"Resource":"*","Condition":{"StringEquals":{"kms:ViaService":"`+s3+`"}}}`), b.user("eve", "")
	k := b.key("")
	pairs := map[string]string{"aws:s3:arn": "arn:aws:s3:::films/a"}
	e, plain, err := b.GenerateDataKey(ctx, b.call(ann), keyARN(k), pairs)
	ok(t, err)
	o := must(b.Decrypt(ctx, b.call(ann), e.Ciphertext, pairs))(t)
	if !bytes.Equal(o.Plaintext.Reveal(), plain.Reveal()) || plain.Len() != 32 {
		t.Error("another data key came back")
	}
	if len(b.uses) != 2 || b.uses[0].Operation != "GenerateDataKey" || b.uses[1].Operation != "Decrypt" || b.uses[1].KeyARN != keyARN(k) || b.uses[1].Principal.ARN != ann.ARN ||
		b.uses[1].Via != s3 || strings.Join(b.uses[1].Context, " ") != "aws:s3:arn" || !b.uses[1].Time.Equal(b.clock()) {
		t.Errorf("recorded %+v", b.uses)
	}
	if b.may(ann, &keys.Question{Action: "Decrypt", Key: k.ID, Context: pairs}) {
		t.Error("let in without the service")
	}
	direct, elsewhere := b.call(ann), b.call(ann)
	direct.Via, elsewhere.Via = "", "mediaconvert."+region+".amazonaws.com"
	for name, c := range map[string]*keys.Call{"nobody in between": direct, "another service": elsewhere, "another user": b.call(eve), "nobody": b.call(iam.Principal{}), "the root, nobody in between": {Principal: root(), Now: b.clock()}} {
		_, _, err := b.GenerateDataKey(ctx, c, keyARN(k), pairs)
		denied(t, name+", generates", err)
		denied(t, name+", encrypts", is(b.Encrypt(ctx, c, keyARN(k), pairs, bytesOf("x"))))
		denied(t, name+", decrypts", is(b.Decrypt(ctx, c, e.Ciphertext, pairs)))
	}
	stranger := b.call(iam.Principal{Type: iam.Root, Account: other, ARN: "arn:aws:iam::" + other + ":root", UserID: other})
	_, _, err = b.GenerateDataKey(ctx, stranger, keyARN(k), pairs)
	denied(t, "the root of another account", err)
	refused(t, "the root of another account", is(b.Decrypt(ctx, stranger, e.Ciphertext, pairs)), "AccessDeniedException", "The ciphertext refers to")
	b.uses = b.uses[:2]
	refused(t, "no ciphertext", is(b.Decrypt(ctx, b.call(ann), nil, pairs)), "InvalidCiphertextException", "")
	refused(t, "another context", is(b.Decrypt(ctx, b.call(ann), e.Ciphertext, nil)), "InvalidCiphertextException", "")
	if len(b.uses) != 3 {
		t.Errorf("recorded %d uses: those who were denied have none", len(b.uses))
	}
	b.unfit = errors.New("the disk is full")
	_, plain, err = b.GenerateDataKey(ctx, b.call(ann), keyARN(k), pairs)
	if !errors.Is(err, b.unfit) || plain.Len() > 0 {
		t.Errorf("what cannot be recorded: %v", err)
	}
	if o, err := b.Decrypt(ctx, b.call(ann), e.Ciphertext, pairs); !errors.Is(err, b.unfit) || o.Plaintext.Len() > 0 {
		t.Errorf("what cannot be recorded: %v", err)
	}
}

// TestManagedKey: the key that S3 encrypts with where nobody named one is made once, lets all of the account in through S3, and nobody change it.
func TestManagedKey(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx := t.Context()
	eve, admin := b.user("eve", ""), b.user("admin", allowAll)
	made := make([]keys.Encrypted, 8)
	var all sync.WaitGroup
	for i := range made {
		all.Go(func() {
			var err error
			if made[i], _, err = b.GenerateDataKey(ctx, b.call(eve), "", nil); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	v := must(b.View(ctx, account))(t)
	if n := len(v.Keys()); n != 1 || v.Alias("alias/aws/s3") == nil {
		t.Fatalf("%d keys", n)
	}
	k := v.Keys()[0]
	for _, e := range made {
		if e.KeyARN != keyARN(k) {
			t.Errorf("encrypted by %s", e.KeyARN)
		}
		must(b.Decrypt(ctx, b.call(eve), e.Ciphertext, nil))(t)
	}
	for action, want := range map[string]bool{"DescribeKey": true, "GetKeyPolicy": true, "ListGrants": true, "Decrypt": false, "PutKeyPolicy": false, "ScheduleKeyDeletion": false, "DisableKey": false, "TagResource": false, "CreateGrant": false, "EnableKeyRotation": false} {
		for name, p := range map[string]iam.Principal{"admin": admin, "the root": root()} {
			if got := b.may(p, &keys.Question{Action: action, Key: k.ID}); got != want {
				t.Errorf("%s, %s: let in %t", name, action, got)
			}
		}
	}
	elsewhere := b.call(eve)
	elsewhere.Via = "s3.eu-west-1.amazonaws.com"
	_, _, err := b.GenerateDataKey(ctx, elsewhere, "", nil)
	refused(t, "another region", err, "NotFoundException", "")
	elsewhere.Via = "sqs." + region + ".amazonaws.com"
	_, _, err = b.GenerateDataKey(ctx, elsewhere, "", nil)
	refused(t, "another service", err, "NotFoundException", "")
	_, _, err = b.GenerateDataKey(ctx, elsewhere, "alias/aws/s3", nil)
	denied(t, "the key of another service", err)
	// It is rotated every year.
	before := k.Current().ID
	b.pass(366 * 24 * time.Hour)
	must(b.Due(ctx))(t)
	if k, _, _ := b.Account(account).Describe(ctx, k.ID, keys.KeysOnly); k.Current().ID == before {
		t.Error("not rotated in a year")
	}
	refused(t, "an alias of it", b.Account(account).CreateAlias(ctx, "alias/x", k.ID), "NotAuthorizedException", "")
}

// TestManagedKeyOfService: each service that has a managed key encrypts with its own, whose policy can be read.
func TestManagedKeyOfService(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	eve := b.user("eve", "")
	arns := map[string]string{}
	for _, service := range []string{"s3", "mediaconvert", "execute-api"} {
		c := b.call(eve)
		c.Via = service + "." + region + ".amazonaws.com"
		e := must(b.Encrypt(t.Context(), c, "", map[string]string{"a": "b"}, secret.New([]byte("value"))))(t)
		if o := must(b.Decrypt(t.Context(), c, e.Ciphertext, map[string]string{"a": "b"}))(t); string(o.Plaintext.Reveal()) != "value" {
			t.Errorf("%s: another value", service)
		}
		if before, ok := arns[e.KeyARN]; ok {
			t.Errorf("%s has the key of %s", service, before)
		}
		arns[e.KeyARN] = service
		other := b.call(eve)
		other.Via = map[bool]string{true: "mediaconvert", false: "s3"}[service == "s3"] + "." + region + ".amazonaws.com"
		_, err := b.Decrypt(t.Context(), other, e.Ciphertext, map[string]string{"a": "b"})
		denied(t, service+", through another service", err)
	}
	if n := len(must(b.View(t.Context(), account))(t).Keys()); n != len(arns) {
		t.Errorf("%d keys for %d services", n, len(arns))
	}
}
