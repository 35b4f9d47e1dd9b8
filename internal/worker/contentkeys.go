package worker

import (
	"context"
	"fmt"

	"darkroom/internal/cenc"
	"darkroom/internal/cpix"
	"darkroom/internal/job"
	"darkroom/internal/plan"
)

// staticTrack names the track of a static key where a key identifier is made of it.
const staticTrack = "STATIC"

// contentKeys obtains the content keys of every output group that is encrypted, by the group's number in the job, each list in the order of
// plan.ContentEncryption.Keys. Static keys stand in the settings; all others the control plane fetches. The caller owns the keys and wipes them.
func (r *run) contentKeys(ctx context.Context, p *plan.Plan) (all map[int][]cenc.Protection, err error) {
	all = map[int][]cenc.Protection{}
	defer func() {
		if err != nil {
			wipeKeys(all)
			all = nil
		}
	}()
	for i := range p.Streams {
		g := &p.Streams[i]
		if g.Encryption == nil {
			continue
		}
		var keys []cenc.Protection
		switch {
		case g.Encryption.Static != nil:
			keys, err = r.staticKey(g)
		case g.Encryption.SPEKE != nil:
			keys, err = r.worker.o.Control.ContentKeys(ctx, r.lease, g.Group)
		default:
			err = fmt.Errorf("output group %d is encrypted and has no source of keys", g.Group+1)
		}
		all[g.Group] = keys
		switch {
		case err != nil:
			return all, err
		case len(keys) != len(g.Encryption.Keys) || len(keys) == 0:
			return all, fmt.Errorf("output group %d has %d content keys, and the plan %d", g.Group+1, len(keys), len(g.Encryption.Keys))
		}
		for _, k := range keys {
			if k.ID.IsZero() || k.Value.Len() != cenc.KeySize {
				return all, fmt.Errorf("output group %d has a content key that is none", g.Group+1)
			}
		}
	}
	return all, nil
}

// staticKey reads a static key from the settings. Its identifier follows from where players get it, so that the same key has the same one in every job.
func (r *run) staticKey(g *plan.StreamGroup) ([]cenc.Protection, error) {
	settings, err := plan.ReadSettings(r.lease.Settings)
	if err != nil {
		return nil, err
	}
	value, err := plan.StaticKey(settings, g.Group)
	if err != nil {
		return nil, job.Errorf(1091, "Output group %d has no content key: %v.", g.Group+1, err)
	}
	e := g.Encryption
	return []cenc.Protection{{Key: cenc.Key{ID: cpix.KeyID(e.Static.URL, staticTrack), Value: value, IV: e.ConstantIV}}}, nil
}

// wipeKeys forgets content keys.
func wipeKeys(all map[int][]cenc.Protection) {
	for _, keys := range all {
		for _, k := range keys {
			k.Value.Wipe()
		}
	}
}
