package keyserver

import (
	"context"
	"slices"

	"darkroom/internal/cenc"
	"darkroom/internal/cpix"
	"darkroom/internal/secret"
)

// Answer returns the document that answers a key request: the keys, made where they are not there yet, and what each DRM system that was asked for needs to be told.
// base is the address of the server as players reach it. The document has keys in it; the caller overwrites it when it was sent.
func (s *Service) Answer(ctx context.Context, account string, r *cpix.Request, base string) ([]byte, error) {
	wanted := make([]Want, 0, len(r.Keys))
	for _, k := range r.Keys {
		wanted = append(wanted, Want{k.ID, k.Use.Track})
	}
	for _, asked := range r.Systems { // what cannot be answered makes no keys
		k := cenc.Key{ID: asked.KeyID, Value: secret.New(make([]byte, cenc.KeySize))}
		if _, err := signal(r, asked, k, base); err != nil {
			return nil, err
		}
	}
	keys, err := s.Keys(ctx, account, r.ContentID, wanted)
	if err != nil {
		return nil, err
	}
	answer := cpix.Answer{Request: r}
	defer func() {
		for _, k := range answer.Keys {
			k.Value.Wipe()
		}
	}()
	for i, k := range keys {
		if r.Keys[i].IV != nil {
			k.IV = r.Keys[i].IV
		} else if !wantsIV(r, k.ID) {
			k.IV = nil
		}
		p := cenc.Protection{Key: k}
		answer.Keys = append(answer.Keys, p)
		at := &answer.Keys[len(answer.Keys)-1]
		for _, asked := range r.Systems {
			if asked.KeyID == k.ID {
				one, err := signal(r, asked, k, base)
				if err != nil {
					return nil, err
				}
				at.Signals = append(at.Signals, one)
			}
		}
	}
	return answer.Encode(s.random)
}

// wantsIV says whether a key goes out with a constant initialization vector: where samples are encrypted by cbcs. Whole segments have that of their number. For cenc it
// would be a way to use one vector twice; an encryptor of cbcs that gets none, for SPEKE v1.0 does not say the scheme and there is no FairPlay, takes one of its own,
// which stands in its init segments.
func wantsIV(r *cpix.Request, id cenc.UUID) bool {
	return r.ToldScheme() == cenc.CBCS && slices.ContainsFunc(r.Systems, func(s cpix.System) bool {
		return s.KeyID == id && s.ID != cenc.ClearKeyAES128 && s.ID != cenc.HLSAES128
	})
}
