package keys

import (
	"context"
	"time"
)

// EnableRotation gives a key new material every so many days; 0 stands for a year, or for what it was where the key is rotated already.
func (a *Account) EnableRotation(ctx context.Context, key string, days int) error {
	if days != 0 && (days < minRotationDays || days > maxRotationDays) {
		return Invalidf("RotationPeriodInDays must be between %d and %d (was %d)", minRotationDays, maxRotationDays, days)
	}
	return a.edit(ctx, key, func(v *View, k *Key) error {
		if err := v.usable(k); err != nil {
			return err
		}
		switch {
		case days == 0 && k.RotationDays != 0:
			return nil
		case days == 0:
			days = defaultRotationDays
		}
		if k.RotationDays != days {
			k.RotationDays, k.NextRotation = days, a.s.now().UTC().AddDate(0, 0, days)
		}
		return nil
	})
}

// DisableRotation ends the automatic rotation of a key.
func (a *Account) DisableRotation(ctx context.Context, key string) error {
	return a.edit(ctx, key, func(v *View, k *Key) error {
		k.RotationDays, k.NextRotation = 0, time.Time{}
		return v.usable(k)
	})
}

// Rotate gives a key new material now. What was encrypted before is still decrypted.
func (a *Account) Rotate(ctx context.Context, key string) error {
	return a.edit(ctx, key, func(v *View, k *Key) error {
		if err := v.usable(k); err != nil {
			return err
		}
		asked := 0
		for _, n := range k.Versions {
			if n.OnDemand {
				asked++
			}
		}
		if asked >= MaxOnDemandRotations {
			return exceeded("The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for this key: %s", v.ARN(k))
		}
		return v.addVersion(k, a.s.now().UTC(), true)
	})
}
