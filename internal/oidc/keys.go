package oidc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Limits of the cache.
const (
	// MaxAge is how long a key set is used. When it is over and the provider does not answer, tokens are refused: a key that the provider has
	// withdrawn does not live on because the provider is down.
	MaxAge = time.Hour
	// RefetchPause is how soon after it was asked a provider is asked again because a key is unknown.
	RefetchPause = time.Minute
	// RetryPause is how soon after it failed a provider without a set in the cache is asked again.
	RetryPause = 10 * time.Second
	// MaxIssuers is how many sets are kept. The one that was longest not used makes room.
	MaxIssuers = 1000
)

// Keys verifies tokens with the keys that providers publish, and keeps these for a while. It is safe for concurrent use.
type Keys struct {
	fetch func(ctx context.Context, url string) ([]byte, error)
	now   func() time.Time

	mu        sync.Mutex // guards providers and their used; held for no call
	providers map[string]*provider
}

// provider is the keys of one issuer.
type provider struct {
	issuer string
	used   time.Time
	turn   chan struct{} // full while the provider is asked; taken before mu

	mu      sync.Mutex // guards what follows; held for no call
	keys    []key
	fetched time.Time // when keys were asked for; zero if there are none
	asked   time.Time // when the provider was asked last, whatever came of it
	failure error     // what came of it, if it failed
}

// NewKeys returns a cache that asks by fetch, which must end by itself after a while, read no more than MaxKeySet bytes or so, and dial nowhere
// that the operator has not allowed: providers decide which address it is given.
func NewKeys(fetch func(ctx context.Context, url string) ([]byte, error), now func() time.Time) *Keys {
	return &Keys{fetch: fetch, now: now, providers: map[string]*provider{}}
}

// Verify says what a token claims, as the function Verify does, with the keys that the issuer publishes now. issuer and audiences are those of a
// provider that is configured: nothing is fetched for a token that is malformed or of another issuer. The errors are those of this package, or
// that of ctx.
func (k *Keys) Verify(ctx context.Context, issuer string, audiences []string, text string) (Claims, error) {
	t, err := parse(text)
	if err != nil {
		return Claims{}, err
	}
	if t.issuer != issuer {
		return Claims{}, invalid("it is of another issuer")
	}
	p := k.provider(issuer)
	keys, fetched, ok := p.fresh(k.now())
	if !ok {
		if keys, fetched, err = k.ask(ctx, p, fetched); err != nil {
			return Claims{}, err
		}
	}
	c, err := t.verify(keys, Expectation{Issuer: issuer, Audiences: audiences, Now: k.now()})
	if !errors.Is(err, ErrKeyUnknown) {
		return c, err
	}
	if keys, _, err = k.ask(ctx, p, fetched); err != nil {
		return Claims{}, err
	}
	return t.verify(keys, Expectation{Issuer: issuer, Audiences: audiences, Now: k.now()})
}

// provider returns the entry of an issuer.
func (k *Keys) provider(issuer string) *provider {
	now := k.now()
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.providers[issuer]
	if p == nil {
		if len(k.providers) >= MaxIssuers {
			var oldest *provider
			for _, other := range k.providers {
				if oldest == nil || other.used.Before(oldest.used) {
					oldest = other
				}
			}
			delete(k.providers, oldest.issuer)
		}
		p = &provider{issuer: issuer, turn: make(chan struct{}, 1)}
		k.providers[issuer] = p
	}
	p.used = now
	return p
}

// fresh returns the keys that are kept, and when they were fetched; false if there are none that may still be used.
func (p *provider) fresh(now time.Time) ([]key, time.Time, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	age := now.Sub(p.fetched)
	return p.keys, p.fetched, !p.fetched.IsZero() && age >= 0 && age < MaxAge
}

// ask returns keys that are newer than those fetched at seen: from the provider, unless somebody else has asked meanwhile, or it was asked too
// short a time ago. One asks, the others wait.
func (k *Keys) ask(ctx context.Context, p *provider, seen time.Time) ([]key, time.Time, error) {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return nil, time.Time{}, context.Cause(ctx)
	}
	now := k.now()
	keys, fetched, ok := p.fresh(now)
	if ok && !fetched.Equal(seen) {
		return keys, fetched, nil
	}
	if err := p.mayAsk(now, ok); err != nil {
		return nil, time.Time{}, err
	}
	// A caller who leaves takes nothing from those who wait, and cannot make the provider be asked again and again.
	keys, err := k.load(context.WithoutCancel(ctx), p.issuer)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failure = err; err != nil {
		return nil, time.Time{}, err
	}
	p.keys, p.fetched = keys, now
	return keys, now, nil
}

// mayAsk says why the provider may not be asked yet: what came of asking last. If it may, it remembers that it is.
func (p *provider) mayAsk(now time.Time, hasKeys bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	pause := RetryPause
	if hasKeys {
		pause = RefetchPause
	}
	since := now.Sub(p.asked)
	switch {
	case p.asked.IsZero(), since < 0, since >= pause:
		p.asked, p.failure = now, fmt.Errorf("%w: it did not answer", ErrUnreachable) // until it is known better
		return nil
	case p.failure != nil:
		return p.failure
	default:
		return ErrKeyUnknown
	}
}

// load fetches the configuration and the keys of an issuer.
func (k *Keys) load(ctx context.Context, issuer string) ([]key, error) {
	address, err := discoveryURL(issuer)
	if err != nil {
		return nil, err
	}
	doc, err := k.fetch(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("%w: fetch the configuration: %w", ErrUnreachable, err)
	}
	if address, err = ParseDiscovery(doc, issuer); err != nil {
		return nil, err
	}
	if doc, err = k.fetch(ctx, address); err != nil {
		return nil, fmt.Errorf("%w: fetch the key set: %w", ErrUnreachable, err)
	}
	return parseKeys(doc)
}
