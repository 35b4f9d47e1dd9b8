package identity

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"darkroom/internal/store"
)

// useKind is the kind of the records of when keys were used.
const useKind Kind = "use"

// flushEvery is how often the use of keys is recorded.
const flushEvery = time.Minute

// Use is when an access key or a role was last used, and for what.
type Use struct {
	ID      string // of the access key or the role
	Account string
	Time    time.Time
	Service string
	Region  string
}

// uses remembers the last use of keys. What was used since the last flush is lost with the process; no decision depends on it.
type uses struct {
	mu    sync.Mutex // guards what follows; held for map operations
	last  map[string]Use
	fresh map[string]bool
	wake  chan struct{} // has an entry while fresh has one
}

func (u *uses) init() {
	u.last, u.fresh, u.wake = make(map[string]Use), make(map[string]bool), make(chan struct{}, 1)
}

func (u *uses) load(r store.Entry) {
	var use Use
	if json.Unmarshal(r.Record, &use) != nil {
		return // it is only told to people
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.last[use.ID].Time.Before(use.Time) {
		u.last[use.ID] = use
	}
}

// Used notes that an access key or a role was used.
func (d *Directory) Used(use Use) {
	u := &d.uses
	u.mu.Lock()
	defer u.mu.Unlock()
	u.last[use.ID] = use
	u.fresh[use.ID] = true
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// LastUse returns when an access key or a role was last used; false if it never was.
func (d *Directory) LastUse(id string) (Use, bool) {
	d.uses.mu.Lock()
	defer d.uses.mu.Unlock()
	use, ok := d.uses.last[id]
	return use, ok
}

// Run records the use of keys, each minute in which there was any and once at the end, until ctx ends.
func (d *Directory) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			d.flush(context.WithoutCancel(ctx))
			return nil
		case <-d.uses.wake:
		}
		pause := time.NewTimer(flushEvery)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
		d.flush(context.WithoutCancel(ctx))
	}
}

// flush records what was used since the last time.
func (d *Directory) flush(ctx context.Context) {
	u := &d.uses
	u.mu.Lock()
	records := make(map[string][]store.Entry)
	for id := range u.fresh {
		use := u.last[id]
		text, err := json.Marshal(use)
		if err == nil {
			records[use.Account] = append(records[use.Account], store.Entry{Kind: string(useKind), ID: id, Record: text})
		}
	}
	clear(u.fresh)
	u.mu.Unlock()
	for account, all := range records {
		if err := d.views.Note(ctx, account, all); err != nil {
			d.log.Error("record the use of keys", "err", fmt.Sprint(err))
		}
	}
}
