package cpix

import (
	"errors"
	"slices"

	"darkroom/internal/cenc"
)

// checkPSSH says what is wrong with a box that a key server gave: it has to be one box, of the system, and about the key where it says so.
func checkPSSH(box []byte, system, kid cenc.UUID) error {
	p, err := cenc.ParsePSSH(box)
	switch {
	case err != nil:
		return errors.New("is not a pssh box")
	case p.System != system && (system != cenc.ClearKey || p.System != cenc.CommonPSSH): // ClearKey is told by the box that all systems share (DASH-IF IOP)
		return errors.New("is of another DRM system")
	case len(p.KeyIDs) > 0 && !slices.Contains(p.KeyIDs, kid):
		return errors.New("is about other keys")
	case system == cenc.PlayReady:
		return checkPlayReady(p.Data, kid)
	}
	return nil
}

// checkPlayReady says what is wrong with a PlayReady object: it has to be whole, with a header that is about the key.
func checkPlayReady(object []byte, kid cenc.UUID) error {
	h, err := cenc.ParsePlayReadyObject(object)
	if err != nil {
		return errors.New("is not a PlayReady object")
	}
	if !slices.ContainsFunc(h.Keys, func(k cenc.PlayReadyKey) bool { return k.ID == kid }) {
		return errors.New("is a PlayReady object about other keys")
	}
	return nil
}

// named is a DRM system as people know it.
func named(id cenc.UUID) string {
	if name := cenc.SystemName(id); name != "" {
		return id.String() + " (" + name + ")"
	}
	return id.String()
}
