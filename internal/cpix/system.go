package cpix

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"darkroom/internal/cenc"
)

// checkPSSH says what is wrong with a box that a key server gave: it has to be one box, of the system, and about the key and the scheme where it says so.
func (r *Request) checkPSSH(box []byte, system, kid cenc.UUID) error {
	p, err := cenc.ParsePSSH(box)
	switch {
	case err != nil:
		return errors.New("is not a pssh box")
	case p.System != system && (system != cenc.ClearKey || p.System != cenc.CommonPSSH): // ClearKey is told by the box that all systems share (DASH-IF IOP)
		return errors.New("is of another DRM system")
	case len(p.KeyIDs) > 0 && !slices.Contains(p.KeyIDs, kid):
		return errors.New("is about other keys")
	case system == cenc.PlayReady:
		return r.checkPlayReady(p.Data, kid)
	case system == cenc.Widevine:
		return r.checkWidevine(p.Data, kid)
	}
	return nil
}

// checkWidevine says what is wrong with the data of a Widevine box. What it says of keys and of the scheme has to be right; it may say nothing, as servers do that
// leave it to the init segment.
func (r *Request) checkWidevine(data []byte, kid cenc.UUID) error {
	about, err := cenc.ParseWidevineHeader(data)
	switch {
	case err != nil:
		return errors.New("has no header of Widevine")
	case len(about.KeyIDs) > 0 && !slices.ContainsFunc(about.KeyIDs, func(id []byte) bool { return bytes.Equal(id, kid[:]) }):
		return errors.New("is about other keys")
	case about.Scheme != 0 && !about.Is(r.Encrypted):
		return r.otherScheme("is")
	}
	return nil
}

// otherScheme is the error of what is told for another scheme: no player that goes by it could play what is written. A server for SPEKE v1.0 is not told the scheme,
// and takes content without FairPlay for cenc.
func (r *Request) otherScheme(what string) error {
	hint := ""
	if r.Version == V1 {
		hint = "; a request of SPEKE v1.0 does not say the scheme, and one of v2.0 does"
	}
	return fmt.Errorf("%s for another scheme than %s, by which samples are encrypted%s", what, r.Encrypted, hint)
}

// checkPlayReady says what is wrong with a PlayReady object: it has to be whole, with a header that is about the key and the scheme.
func (r *Request) checkPlayReady(object []byte, kid cenc.UUID) error {
	h, err := cenc.ParsePlayReadyObject(object)
	if err != nil {
		return errors.New("is not a PlayReady object")
	}
	if !slices.ContainsFunc(h.Keys, func(k cenc.PlayReadyKey) bool { return k.ID == kid }) {
		return errors.New("is a PlayReady object about other keys")
	}
	if h.Scheme != r.Encrypted {
		return r.otherScheme("is a PlayReady object")
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
