package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"darkroom/internal/cenc"
	"darkroom/internal/config"
	"darkroom/internal/contentkeys"
	"darkroom/internal/cpix"
	"darkroom/internal/egress"
	"darkroom/internal/plan"
	"darkroom/internal/speke"
)

// spekeFlags are the flags of keys that come from a key server.
type spekeFlags struct {
	url, resource, config string
	version               int
	video, audio          string // presets of the contract
}

// spekeSystems are the DRM systems that a key server can be asked for.
var spekeSystems = map[string]cenc.UUID{
	"common": cenc.CommonPSSH, "clearkey": cenc.ClearKey, "widevine": cenc.Widevine, "playready": cenc.PlayReady, "fairplay": cenc.FairPlay,
}

// given reports whether keys come from a key server.
func (f *spekeFlags) given() bool { return f.url != "" }

// check refuses what cannot be asked.
func (f *spekeFlags) check(k *keyFlags) error {
	switch {
	case !f.given():
		if f.resource != "" || f.config != "" {
			return usagef("--resource-id and --config are of --speke")
		}
		return nil
	case len(k.keys)+len(k.keyFiles) > 0:
		return usagef("--speke does not go with --key and --key-file: where do the keys come from?")
	case k.keyURL != "" || k.keyFormat != "" || k.versions != "" || len(k.licences) > 0 || k.contentID != "" || k.provider != "":
		return usagef("--speke does not go with --key-url, --key-format, --license-url, --content-id and --provider: the key server says what players are told")
	case f.resource == "":
		return usagef("--speke needs --resource-id, which names the film to the key server")
	case f.version != cpix.V1 && f.version != cpix.V2:
		return usagef("--speke-version %d: allowed: 1, 2", f.version)
	case f.version == cpix.V1 && (f.video != sharedPreset || f.audio != sharedPreset):
		return usagef("version 1 of SPEKE has one key for all tracks: --speke-video and --speke-audio are of version 2")
	}
	return nil
}

// sharedPreset asks for one key for all tracks.
const sharedPreset = "SHARED"

// ask fills in what is asked for a group that is encrypted by a method.
func (f *spekeFlags) ask(g plan.GroupKind, method plan.Method, drm string) (*plan.KeyRequest, []cpix.Use, error) {
	r := &plan.KeyRequest{URL: f.url, ResourceID: f.resource, Version: f.version}
	uses := cpix.Shared()
	if f.version == cpix.V2 {
		r.VideoPreset, r.AudioPreset = f.video, f.audio
		var err error
		if uses, err = cpix.Contract(f.video, f.audio); err != nil {
			return nil, nil, err
		}
	}
	var systems []string
	for name := range strings.SplitSeq(drm, ",") {
		if name = strings.ToLower(strings.TrimSpace(name)); name == "" {
			continue
		}
		if spekeSystems[name].IsZero() {
			return nil, nil, fmt.Errorf("--drm %s is not known; allowed: %s", name, systemNames())
		}
		if !slices.Contains(systems, name) {
			systems = append(systems, name)
		}
	}
	switch {
	case method == plan.AES128:
		r.HLSSystems = []string{cenc.ClearKeyAES128.String()}
		return r, uses, nil
	case method == plan.SampleAES:
		r.HLSSystems = []string{cenc.FairPlay.String()}
		return r, uses, nil
	case g == plan.Smooth:
		systems = []string{"playready"}
	case len(systems) == 0:
		return nil, nil, errors.New("--speke needs --drm: which systems is the key server asked for?")
	}
	for _, name := range systems {
		id := spekeSystems[name].String()
		if g != plan.AppleHLS && name != "fairplay" {
			r.DASHSystems = append(r.DASHSystems, id)
		}
		switch {
		case g != plan.AppleHLS && g != plan.CMAF, name == "common":
		case name == "fairplay" && method == plan.CENC: // which it does not know
		default:
			r.HLSSystems = append(r.HLSSystems, id)
		}
	}
	switch {
	case (g == plan.AppleHLS || g == plan.CMAF) && len(r.HLSSystems) == 0:
		return nil, nil, errors.New("players of HLS must be told of the key: --drm widevine, playready, fairplay or clearkey")
	case g != plan.AppleHLS && len(r.DASHSystems) == 0:
		return nil, nil, errors.New("players of DASH must be told of the key: --drm common, widevine, playready or clearkey")
	}
	return r, uses, nil
}

// fetch asks for the keys of all groups that need them.
func (f *spekeFlags) fetch(ctx context.Context, p *plan.Plan) (map[int][]cenc.Protection, error) {
	client, err := f.client()
	if err != nil {
		return nil, err
	}
	keys := map[int][]cenc.Protection{}
	for i := range p.Streams {
		e := p.Streams[i].Encryption
		if e == nil {
			continue
		}
		r, err := contentkeys.NewRequest(&plan.GroupKeys{Group: i, Method: e.Method, ConstantIV: e.ConstantIV, KeyRequest: *e.SPEKE}, nil)
		if err != nil {
			return nil, &usageError{fmt.Sprintf("--%s: %v", groupNames[p.Streams[i].Kind], err)}
		}
		if keys[i], err = client.Keys(ctx, speke.Query{URL: e.SPEKE.URL, Request: r}); err != nil {
			return nil, fmt.Errorf("keys of --%s: %w", groupNames[p.Streams[i].Kind], err)
		}
	}
	return keys, nil
}

// client asks as the configuration of a server says.
func (f *spekeFlags) client() (*speke.Client, error) {
	cfg := config.Default()
	if f.config != "" {
		var err error
		if cfg, err = config.ReadFile(f.config); err != nil {
			return nil, &usageError{err.Error()}
		}
	}
	o, err := egressOptions(cfg.Egress)
	if err != nil {
		return nil, &usageError{err.Error()}
	}
	door, err := egress.New(o)
	if err != nil {
		return nil, &usageError{err.Error()}
	}
	client, err := openKeyServers(cfg, door)
	if err != nil {
		return nil, &usageError{err.Error()}
	}
	return client, nil
}
