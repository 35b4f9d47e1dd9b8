package identity

import (
	"context"
	"errors"

	"darkroom/internal/totp"
)

// ErrWrongCode is returned by VerifyMFA for a device that the owner does not have, and for a code that is not the device's now or was taken before:
// which of them it is, is not told.
var ErrWrongCode = errors.New("wrong code of a multi-factor device")

// PeekMFA says whether a code is that of an owner's device now, without taking it. owner is the id of a user, or the account for its root.
func (d *Directory) PeekMFA(ctx context.Context, account, owner, serial, code string) (bool, error) {
	v, err := d.View(ctx, account)
	if err != nil {
		return false, err
	}
	_, _, ok, err := d.verifyCode(v, owner, serial, code)
	return ok, err
}

// VerifyMFA takes a code of an owner's device: it is taken once, by whichever replica. It returns ErrWrongCode.
func (d *Directory) VerifyMFA(ctx context.Context, account, owner, serial, code string) error {
	return d.Change(ctx, account, func(v *View) error {
		device, step, ok, err := d.verifyCode(v, owner, serial, code)
		if err != nil {
			return err
		}
		if !ok {
			return ErrWrongCode
		}
		v.Edit(device).Step = step
		return nil
	})
}

func (d *Directory) verifyCode(v *View, owner, serial, code string) (device *Entity, step int64, ok bool, err error) {
	device = v.ByARN(serial)
	if device == nil || device.Kind != Device || device.Owner == "" || device.Owner != owner {
		return nil, 0, false, nil
	}
	seed, err := d.OpenSeed(v.account, device)
	if err != nil {
		return nil, 0, false, err
	}
	step, ok = totp.Verify(seed, code, d.now(), device.Step)
	return device, step, ok, nil
}
