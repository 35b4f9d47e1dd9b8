package main

import (
	"context"
	"crypto/rand"
	"time"

	"darkroom/internal/cloudtrailapi"
	"darkroom/internal/egress"
	"darkroom/internal/iam"
	"darkroom/internal/secret"
	"darkroom/internal/trail"
)

// serviceKey is where a context has the service of our own that acts in it, for nobody else: only this package can put one there.
type serviceKey struct{}

// asCloudTrail is a context in which the service CloudTrail acts for an account: what it does with keys, the policies of the keys must allow it, as with AWS,
// and its connections and uses of keys are recorded as its own.
func asCloudTrail(ctx context.Context, account string) context.Context {
	return context.WithValue(ctx, serviceKey{}, iam.Principal{Type: iam.Service, Name: trail.Invoker, Account: account})
}

// serviceIn is the name of the service that acts in a context.
func serviceIn(ctx context.Context) (string, bool) {
	p, ok := ctx.Value(serviceKey{}).(iam.Principal)
	return p.Name, ok
}

// openTrails opens the trails of the accounts and their API.
func (s *server) openTrails(master secret.Bytes, objects *objects, door *egress.Door) error {
	sealer, err := secret.NewSealer(master, "trail keys", rand.Reader)
	if err != nil {
		return err
	}
	witness, err := s.witness(door, objects)
	if err != nil {
		return err
	}
	a := s.cfg.Audit
	if s.trails, err = trail.New(trail.Options{
		Region: s.cfg.Region, Accounts: accountIDs(s.cfg), Records: s.records, Buckets: objects.store, As: asCloudTrail, Sealer: sealer, Random: rand.Reader, Log: s.log,
		Period: time.Duration(a.DeliveryPeriod), DigestPeriod: time.Duration(a.DigestPeriod), KeyLife: time.Duration(a.KeyLife),
		Anchor: witness,
	}); err != nil {
		return err
	}
	s.cloudtrail, err = cloudtrailapi.New(cloudtrailapi.Options{Trails: s.trails, Records: s.records, Region: s.cfg.Region})
	return err
}
