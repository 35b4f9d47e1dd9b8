package keyserver

import (
	"darkroom/internal/cenc"
	"darkroom/internal/cpix"
)

// KeyPath begins the paths at which playlists name keys; the KID follows. Nobody gets one there without a token.
const KeyPath = "/player/keys/"

// provider is who Widevine is told that the content is of.
const provider = "darkroom"

// signal returns what a DRM system that was asked for is told of a key.
func signal(r *cpix.Request, asked cpix.System, key cenc.Key, base string) (cenc.Signal, error) {
	t := cenc.Terms{Scheme: r.ToldScheme(), Key: key, Provider: provider, ContentID: []byte(r.ContentID), KeyURL: base + KeyPath + key.ID.String()}
	var s cenc.Signal
	var err error
	switch asked.ID {
	case cenc.Widevine:
		s, err = cenc.SignalWidevine(t)
	case cenc.PlayReady:
		s, err = cenc.SignalPlayReady(t)
	case cenc.FairPlay:
		t.KeyURL = "skd://" + key.ID.String()
		s, err = cenc.SignalFairPlay(t)
	case cenc.ClearKey:
		s, err = cenc.SignalClearKey(t)
	case cenc.CommonPSSH:
		s, err = cenc.SignalCommon(t)
	case cenc.ClearKeyAES128, cenc.HLSAES128:
		t.Key.IV = nil // the vector is that of the segment, or the encryptor's
		s, err = cenc.SignalAES128(asked.ID, t)
	default:
		return s, refuse(Invalid, "The DRM system %s is not one of those that are signalled here.", asked.ID)
	}
	switch {
	case err != nil:
		return s, refuse(Invalid, "The DRM system %s cannot be signalled: %s.", asked.ID, err)
	case asked.HLS && s.Media == nil:
		return s, refuse(Invalid, "The DRM system %s is not signalled in HLS.", asked.ID)
	case asked.Smooth && len(s.Smooth) == 0:
		return s, refuse(Invalid, "The DRM system %s is not signalled in Smooth Streaming.", asked.ID)
	}
	return s, nil
}
