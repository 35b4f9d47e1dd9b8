package identity

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"darkroom/internal/secret"
)

const (
	mfaSeed  = "12345678901234567890"
	phoneARN = "arn:aws:iam::" + account + ":mfa/phone"
)

// codeAt is the code of mfaSeed at a moment (RFC 6238).
func codeAt(now time.Time) string {
	mac := hmac.New(sha1.New, []byte(mfaSeed))
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(now.Unix()/30)))
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[len(sum)-1]&15:])&0x7fffffff%1_000_000)
}

// wrongAt is a code that is not that of a moment, nor of the steps around it.
func wrongAt(now time.Time) string {
	for n := 0; ; n++ {
		code := fmt.Sprintf("%06d", n)
		right := false
		for step := -30; step <= 30; step++ {
			right = right || code == codeAt(now.Add(time.Duration(step)*30*time.Second))
		}
		if !right {
			return code
		}
	}
}

// addDevice makes a device that nobody has.
func addDevice(t *testing.T, d *Directory) {
	t.Helper()
	device := &Entity{Kind: Device, ID: NewID(Device), Name: "phone", Path: "/"}
	if err := d.SealSeed(account, device, secret.New([]byte(mfaSeed))); err != nil {
		t.Fatal(err)
	}
	if err := d.Change(t.Context(), account, func(v *View) error { v.Put(device); return nil }); err != nil {
		t.Fatal(err)
	}
}

// enable gives the device to a user, who proves it at a moment.
func enable(t *testing.T, d *Directory, owner string, now time.Time) error {
	t.Helper()
	return d.Change(t.Context(), account, func(v *View) error {
		return d.EnableMFA(v, v.Get(Device, "phone"), owner, codeAt(now.Add(-30*time.Second)), codeAt(now))
	})
}

func resync(t *testing.T, d *Directory, code1, code2 string) error {
	t.Helper()
	return d.Change(t.Context(), account, func(v *View) error { return d.ResyncMFA(v, v.Get(Device, "phone"), code1, code2) })
}

// TestVerifyMFA: a code is taken once, of the owner's device alone, by whichever replica.
func TestVerifyMFA(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, two := w.replica(nil), w.replica(nil)
	u, _, _ := addUser(t, one, account, "ann", "")
	addDevice(t, one)
	verify := func(d *Directory, owner, serial, code string) error {
		return d.VerifyMFA(t.Context(), account, owner, serial, code)
	}
	// Nobody has it yet: neither does the owner whose id is empty.
	for _, owner := range []string{u.ID, account, ""} {
		if err := verify(one, owner, phoneARN, codeAt(w.clock.time())); !errors.Is(err, ErrWrongCode) {
			t.Errorf("not enabled, owner %q: got %v", owner, err)
		}
	}
	if err := enable(t, one, u.ID, w.clock.time()); err != nil {
		t.Fatal(err)
	}
	if err := verify(one, u.ID, phoneARN, codeAt(w.clock.time())); !errors.Is(err, ErrWrongCode) {
		t.Errorf("a code that enabled the device: got %v", err)
	}
	w.clock.add(30 * time.Second)
	good := codeAt(w.clock.time())
	for name, try := range map[string][3]string{
		"another owner":   {"AIDAOTHER", phoneARN, good},
		"the root":        {account, phoneARN, good},
		"another device":  {u.ID, "arn:aws:iam::" + account + ":mfa/Phone", good},
		"another account": {u.ID, "arn:aws:iam::" + other + ":mfa/phone", good},
		"a user's ARN":    {u.ID, u.ARN(account), good},
		"no device":       {u.ID, "", good},
		"wrong code":      {u.ID, phoneARN, wrongAt(w.clock.time())},
		"no code":         {u.ID, phoneARN, ""},
	} {
		if ok, err := one.PeekMFA(t.Context(), account, try[0], try[1], try[2]); ok || err != nil {
			t.Errorf("%s: peek says %t, %v", name, ok, err)
		}
		if err := verify(one, try[0], try[1], try[2]); !errors.Is(err, ErrWrongCode) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := one.VerifyMFA(t.Context(), other, u.ID, phoneARN, good); !errors.Is(err, ErrWrongCode) {
		t.Errorf("asked in another account: got %v", err)
	}
	if err := one.VerifyMFA(t.Context(), "123", u.ID, phoneARN, good); !errors.Is(err, ErrNoAccount) {
		t.Errorf("asked in no account: got %v", err)
	}
	if _, err := one.PeekMFA(t.Context(), "123", u.ID, phoneARN, good); !errors.Is(err, ErrNoAccount) {
		t.Errorf("asked in no account: got %v", err)
	}
	w.clock.add(time.Minute) // the device has rested
	good = codeAt(w.clock.time())
	for range 2 { // peeking takes nothing
		if ok, err := one.PeekMFA(t.Context(), account, u.ID, phoneARN, good); !ok || err != nil {
			t.Errorf("peek says %t, %v", ok, err)
		}
	}
	var wait sync.WaitGroup
	taken := make(chan error, 8)
	for i := range cap(taken) {
		wait.Go(func() { taken <- verify([]*Directory{one, two}[i%2], u.ID, phoneARN, good) })
	}
	wait.Wait()
	close(taken)
	n := 0
	for err := range taken {
		switch {
		case err == nil:
			n++
		case !errors.Is(err, ErrWrongCode):
			t.Error(err)
		}
	}
	if n != 1 {
		t.Errorf("one code was taken %d times", n)
	}
}

// TestWrongCodes: after some wrong codes a device rests, and no code is right until it has; peeking is no way around.
func TestWrongCodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.replica(nil)
	u, _, _ := addUser(t, d, account, "ann", "")
	addDevice(t, d)
	if err := enable(t, d, u.ID, w.clock.time()); err != nil {
		t.Fatal(err)
	}
	right := func() bool {
		ok, err := d.PeekMFA(t.Context(), account, u.ID, phoneARN, codeAt(w.clock.time()))
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	wrong := func() {
		if ok, err := d.PeekMFA(t.Context(), account, u.ID, phoneARN, wrongAt(w.clock.time())); ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	w.clock.add(time.Minute)
	for range maxWrong - 1 {
		wrong()
	}
	if !right() {
		t.Error("rests too early")
	}
	for rest := minRest; rest < 4*maxRest; rest *= 2 {
		wrong()
		if right() {
			t.Errorf("does not rest after the rest of %v", rest/2)
		}
		w.clock.add(min(rest, maxRest) - time.Second)
		if right() {
			t.Errorf("rests less than %v", min(rest, maxRest))
		}
		w.clock.add(time.Second)
		if !right() {
			t.Errorf("rests longer than %v", min(rest, maxRest))
		}
	}
	// A code that is taken begins anew.
	if err := d.VerifyMFA(t.Context(), account, u.ID, phoneARN, codeAt(w.clock.time())); err != nil {
		t.Fatal(err)
	}
	w.clock.add(time.Minute)
	for range maxWrong - 1 {
		wrong()
	}
	if !right() {
		t.Error("a code that was taken did not begin anew")
	}
}

func TestGuessesAreBounded(t *testing.T) {
	t.Parallel()
	var g guesses
	for i := range maxGuessed + 10 {
		g.note(fmt.Sprint(i), false, time.Unix(0, 0))
	}
	if len(g.wrong) != maxGuessed {
		t.Errorf("%d devices are remembered", len(g.wrong))
	}
}

// TestResyncMFA: the clock of a device may be off, within reach, and no code is good twice.
func TestResyncMFA(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.replica(nil)
	u, _, _ := addUser(t, d, account, "ann", "")
	addDevice(t, d)
	start := w.clock.time()
	if err := enable(t, d, u.ID, start.Add(-2*time.Minute)); !errors.Is(err, ErrWrongCode) {
		t.Errorf("enabled by old codes: got %v", err)
	}
	if err := enable(t, d, u.ID, start); err != nil {
		t.Fatal(err)
	}
	if err := enable(t, d, u.ID, start); !errors.Is(err, ErrWrongCode) {
		t.Errorf("enabled by the same codes again: got %v", err)
	}
	w.clock.add(10 * time.Minute)
	const off = 5 * time.Minute
	shown := func() time.Time { return w.clock.time().Add(off) } // by the device
	if err := d.VerifyMFA(t.Context(), account, u.ID, phoneARN, codeAt(shown())); !errors.Is(err, ErrWrongCode) {
		t.Errorf("before: got %v", err)
	}
	now := shown()
	for name, pair := range map[string][2]time.Time{
		"the same code twice": {now, now},
		"backwards":           {now, now.Add(-30 * time.Second)},
		"too far ahead":       {now.Add(10 * time.Minute), now.Add(10*time.Minute + 30*time.Second)},
		"too far behind":      {now.Add(-20 * time.Minute), now.Add(-20*time.Minute + 30*time.Second)},
		"taken before":        {start.Add(-30 * time.Second), start},
	} {
		if err := resync(t, d, codeAt(pair[0]), codeAt(pair[1])); !errors.Is(err, ErrWrongCode) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := resync(t, d, codeAt(now.Add(-30*time.Second)), codeAt(now)); err != nil {
		t.Fatal(err)
	}
	if err := d.VerifyMFA(t.Context(), account, u.ID, phoneARN, codeAt(now)); !errors.Is(err, ErrWrongCode) {
		t.Errorf("a code that resynced the device: got %v", err)
	}
	if err := resync(t, d, codeAt(now.Add(-30*time.Second)), codeAt(now)); !errors.Is(err, ErrWrongCode) {
		t.Errorf("the same codes again: got %v", err)
	}
	w.clock.add(time.Minute)
	if err := d.VerifyMFA(t.Context(), account, u.ID, phoneARN, codeAt(shown())); err != nil {
		t.Errorf("after: got %v", err)
	}
}

// TestMFASeedMoved: a device whose sealed seed was moved proves nothing.
func TestMFASeedMoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.replica(nil)
	u, _, _ := addUser(t, d, account, "ann", "")
	addDevice(t, d)
	if err := d.Change(t.Context(), account, func(v *View) error {
		old := v.Get(Device, "phone")
		v.Drop(old)
		v.Put(&Entity{Kind: Device, ID: NewID(Device), Name: "phone", Path: "/", Seed: old.Seed, Owner: u.ID})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	now := w.clock.time()
	for name, err := range map[string]error{
		"verify": d.VerifyMFA(t.Context(), account, u.ID, phoneARN, codeAt(now)),
		"enable": enable(t, d, u.ID, now),
		"resync": resync(t, d, codeAt(now.Add(-30*time.Second)), codeAt(now)),
	} {
		if err == nil || errors.Is(err, ErrWrongCode) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestHasRootKey(t *testing.T) {
	t.Parallel()
	d := newWorld(t).replica(func(o *Options) { o.Accounts = append(o.Accounts, Account{ID: "123412341234"}) })
	for id, want := range map[string]bool{account: true, other: true, "123412341234": false, "": false} {
		if got := d.HasRootKey(id); got != want {
			t.Errorf("%q: got %t", id, got)
		}
	}
}
