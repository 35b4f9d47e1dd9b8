package identity

import (
	"context"
	"errors"
	"sync"
	"time"

	"darkroom/internal/totp"
)

// Limits of guessing (RFC 4226 section 7.3). Whoever has the access key of a user could otherwise try codes until one is right.
const (
	// maxWrong is how many codes of a device may be wrong in a row. After each one more, the device rests: no code of it is right.
	maxWrong = 5
	// minRest is the first rest; each is twice as long as the one before, up to maxRest.
	minRest = 30 * time.Second
	maxRest = 15 * time.Minute
	// maxGuessed bounds the devices of which wrong codes are remembered.
	maxGuessed = 4096
)

// maxDrift is how many steps the clock of a device may be off for ResyncMFADevice to find it, each way.
const maxDrift = 20

// ErrWrongCode is returned by VerifyMFA and ResyncMFA for a device that the owner does not have, for a code that is not the device's now or was
// taken before, and while the device rests: which of them it is, is not told.
var ErrWrongCode = errors.New("wrong code of an MFA device")

// guesses counts wrong codes by the ids of devices. It is of this process alone: each replica allows its own.
type guesses struct {
	mu    sync.Mutex // guards wrong; held for map operations and, when it is full, a walk over it
	wrong map[string]guess
}

type guess struct {
	count int
	rest  time.Time // until when the device rests
}

func (g *guesses) resting(id string, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return now.Before(g.wrong[id].rest)
}

func (g *guesses) note(id string, right bool, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if right {
		delete(g.wrong, id)
		return
	}
	if g.wrong == nil {
		g.wrong = make(map[string]guess)
	}
	one, known := g.wrong[id]
	if !known && len(g.wrong) >= maxGuessed {
		for other := range g.wrong { // any
			delete(g.wrong, other)
			break
		}
	}
	one.count++
	if over := one.count - maxWrong; over >= 0 {
		one.rest = now.Add(min(minRest<<min(over, 10), maxRest))
	}
	g.wrong[id] = one
}

// PeekMFA says whether a code is that of an owner's device now, without taking it. owner is the id of a user, or the account for its root. Nothing
// is recorded; a wrong code counts as a guess, as it does in VerifyMFA.
func (d *Directory) PeekMFA(ctx context.Context, account, owner, serial, code string) (bool, error) {
	v, err := d.View(ctx, account)
	if err != nil {
		return false, err
	}
	_, _, ok, err := d.code(v, owner, serial, code)
	return ok, err
}

// VerifyMFA takes a code of an owner's device. A code is taken once, by whichever replica comes first. It returns ErrWrongCode.
func (d *Directory) VerifyMFA(ctx context.Context, account, owner, serial, code string) error {
	var device *Entity
	err := d.Change(ctx, account, func(v *View) error {
		var step int64
		var ok bool
		var err error
		if device, step, ok, err = d.code(v, owner, serial, code); err != nil {
			return err
		}
		if !ok {
			return ErrWrongCode
		}
		v.Edit(device).Step = step
		return nil
	})
	if err == nil {
		d.guesses.note(device.ID, true, d.now())
	}
	return err
}

// code holds a code against a device.
func (d *Directory) code(v *View, owner, serial, code string) (device *Entity, step int64, ok bool, err error) {
	device = v.ByARN(serial)
	now := d.now()
	if device == nil || device.Kind != Device || owner == "" || device.Owner != owner || d.guesses.resting(device.ID, now) {
		return nil, 0, false, nil
	}
	seed, err := d.OpenSeed(v.account, device)
	if err != nil {
		return nil, 0, false, err
	}
	step, ok = totp.Verify(seed, code, now.Add(time.Duration(device.Drift)*totp.Period), device.Step)
	if !ok {
		d.guesses.note(device.ID, false, now)
	}
	return device, step, ok, nil
}

// EnableMFA makes owner, in a change, the owner of a device that proves itself by two codes that follow one another. It returns ErrWrongCode.
func (d *Directory) EnableMFA(v *View, device *Entity, owner, code1, code2 string) error {
	seed, err := d.OpenSeed(v.account, device)
	if err != nil {
		return err
	}
	step, ok := totp.VerifyPair(seed, code1, code2, d.now())
	if !ok || step <= device.Step {
		return ErrWrongCode
	}
	e := v.Edit(device)
	e.Owner, e.Enabled, e.Step, e.Drift = owner, d.now().UTC(), step, 0
	d.guesses.note(e.ID, true, d.now())
	return nil
}

// ResyncMFA finds, in a change, how far the clock of a device is off, by two codes that follow one another and that were not taken before. It
// returns ErrWrongCode.
func (d *Directory) ResyncMFA(v *View, device *Entity, code1, code2 string) error {
	seed, err := d.OpenSeed(v.account, device)
	if err != nil {
		return err
	}
	for distance := range int64(maxDrift + 1) {
		for _, drift := range [...]int64{distance, -distance} { // the nearest first
			step, ok := totp.VerifyPair(seed, code1, code2, d.now().Add(time.Duration(drift)*totp.Period))
			if !ok || step <= device.Step {
				continue
			}
			e := v.Edit(device)
			e.Step, e.Drift = step, drift
			d.guesses.note(e.ID, true, d.now())
			return nil
		}
	}
	return ErrWrongCode
}
