package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"darkroom/internal/cenc"
	"darkroom/internal/plan"
	"darkroom/internal/secret"
)

// methodNames are what users call the ways to encrypt.
var methodNames = map[plan.Method]string{plan.AES128: "aes-128", plan.SampleAES: "sample-aes", plan.CBCS: "cbcs", plan.CENC: "cenc", plan.PIFFCTR: "cenc"}

func listed(methods map[plan.Method]string) string {
	return strings.Join(slices.Sorted(maps.Values(methods)), ", ")
}

// keyFlags are the flags of encryption.
type keyFlags struct {
	encrypt                       []string // [GROUP=]METHOD
	keys, keyFiles                []string
	iv                            string
	keyURL, keyFormat, versions   string
	drm                           string
	licences                      []string // SYSTEM=URL
	contentID, provider           string
	clearLead, hideIV, sessionKey bool
	speke                         spekeFlags

	warnings []string // of files that others may read
}

// groupOf finds a group by its name.
func groupOf(name string) (plan.GroupKind, bool) {
	for kind, n := range groupNames {
		if n == name {
			return kind, true
		}
	}
	return 0, false
}

// methods says how each group is encrypted. What is said of a group goes before what is said of all.
func (f *keyFlags) methods(groups []plan.GroupKind, fmp4 bool) (map[plan.GroupKind]plan.Method, error) {
	out := map[plan.GroupKind]plan.Method{}
	for _, named := range []bool{false, true} {
		for _, text := range f.encrypt {
			group, name, ok := strings.Cut(text, "=")
			if ok != named {
				continue
			}
			if !ok {
				group, name = "", text
			}
			kind, known := groupOf(group)
			switch {
			case ok && !known:
				return nil, usagef("--encrypt %s: %q is no group; allowed: hls, cmaf, dash, mss", text, group)
			case ok && !slices.Contains(groups, kind):
				return nil, usagef("--encrypt %s: --%s is not asked for", text, group)
			}
			for _, g := range groups {
				if ok && g != kind {
					continue
				}
				m, err := methodOf(name, g, fmp4)
				if err != nil {
					return nil, err
				}
				if m == 0 {
					delete(out, g)
				} else {
					out[g] = m
				}
			}
		}
	}
	return out, nil
}

// methodOf reads a method. What is called sample-aes in transport streams is cbcs in fragmented MP4, and what players of HLS are told is the same.
func methodOf(name string, g plan.GroupKind, fmp4 bool) (plan.Method, error) {
	streams := g == plan.AppleHLS && !fmp4
	switch strings.ToLower(name) {
	case "none":
		return 0, nil
	case "aes-128":
		return plan.AES128, nil
	case "sample-aes", "cbcs":
		if streams {
			return plan.SampleAES, nil
		}
		return plan.CBCS, nil
	case "cenc":
		if g == plan.Smooth {
			return plan.PIFFCTR, nil
		}
		return plan.CENC, nil
	}
	return 0, usagef("--encrypt %s: allowed: none, aes-128, sample-aes, cbcs, cenc", name)
}

// maxContentKeyFile bounds a file of keys.
const maxContentKeyFile = 64 << 10

// readKeys reads --key [LABEL=][KID:]FILE and --key-file FILE.
func (f *keyFlags) readKeys() ([]labelledKey, error) {
	var all []labelledKey
	for _, text := range f.keys {
		k, path := labelledKey{}, text
		if label, rest, ok := strings.Cut(text, "="); ok && !strings.ContainsAny(label, "/.:") {
			k.label, path = label, rest
		}
		if kid, rest, ok := strings.Cut(path, ":"); ok {
			var err error
			if k.ID, err = parseKeyID(kid); err != nil {
				return nil, usagef("--key %s: %v", text, err)
			}
			path = rest
		}
		body, err := f.readSmall(path)
		if err != nil {
			return nil, usagef("--key %s: %v", text, err)
		}
		if k.Value, err = parseKey(body); err != nil {
			return nil, usagef("--key %s: the key in %s: %v", text, path, err)
		}
		all = append(all, k)
	}
	for _, path := range f.keyFiles {
		body, err := f.readSmall(path)
		if err != nil {
			return nil, usagef("--key-file: %v", err)
		}
		n := 0
		for line := range bytes.Lines(body) {
			n++
			words := strings.Fields(string(line))
			if len(words) == 0 || strings.HasPrefix(words[0], "#") {
				continue
			}
			k, err := parseKeyLine(words)
			if err != nil {
				return nil, usagef("--key-file %s: line %d: %v", path, n, err)
			}
			all = append(all, k)
		}
		clear(body)
	}
	for i := range all {
		for k := range i {
			if strings.EqualFold(all[k].label, all[i].label) {
				return nil, usagef("two keys are for the same tracks (label %q)", all[i].label)
			}
		}
		if strings.EqualFold(all[i].label, clearLabel) {
			return nil, usagef("no key is labelled %s: tracks with that label stay clear", clearLabel)
		}
	}
	return all, nil
}

// parseKeyLine reads KID KEY [LABEL], both hexadecimal.
func parseKeyLine(words []string) (k labelledKey, err error) {
	if len(words) < 2 || len(words) > 3 {
		return k, errors.New("it is not KID KEY [LABEL]")
	}
	if k.ID, err = parseKeyID(words[0]); err != nil {
		return k, err
	}
	if k.Value, err = parseKey([]byte(words[1])); err != nil {
		return k, err
	}
	if len(words) == 3 {
		k.label = words[2]
	}
	return k, nil
}

// parseKeyID reads the identifier of a key: a UUID, with its dashes or without.
func parseKeyID(text string) (cenc.UUID, error) {
	id, err := cenc.ParseUUID(text)
	if err == nil {
		return id, nil
	}
	if b, err := hex.DecodeString(text); err == nil && len(b) == len(id) {
		return cenc.UUID(b), nil
	}
	return id, fmt.Errorf("the key id %q is not 32 hexadecimal digits, with the dashes of a UUID or without", text)
}

// parseKey reads 16 bytes, as they are or in hexadecimal. Errors do not show them.
func parseKey(body []byte) (secret.Bytes, error) {
	if len(body) == cenc.KeySize {
		return secret.New(bytes.Clone(body)), nil
	}
	text := bytes.TrimSpace(body)
	value := make([]byte, hex.DecodedLen(len(text)))
	if _, err := hex.Decode(value, text); err != nil || len(value) != cenc.KeySize {
		return secret.Bytes{}, fmt.Errorf("it is not %d bytes or %d hexadecimal digits", cenc.KeySize, 2*cenc.KeySize)
	}
	return secret.New(value), nil
}

// readSmall reads a file of keys. One that others may read is read all the same, for it may be what a web server gives to players, but it is said.
func (f *keyFlags) readSmall(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	st, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if st.Mode().Perm()&0o077 != 0 {
		f.warnings = append(f.warnings, fmt.Sprintf("%s: others may read this key; chmod 600 keeps it to you", path))
	}
	body, err := io.ReadAll(io.LimitReader(file, maxContentKeyFile+1))
	if err == nil && len(body) > maxContentKeyFile {
		err = fmt.Errorf("%s has more than %d bytes", path, maxContentKeyFile)
	}
	return body, err
}

// signallers tell DRM systems of a key.
var signallers = map[string]func(cenc.Terms) (cenc.Signal, error){
	"common": cenc.SignalCommon, "clearkey": cenc.SignalClearKey, "widevine": cenc.SignalWidevine, "playready": cenc.SignalPlayReady, "fairplay": cenc.SignalFairPlay,
}

func systemNames() string { return strings.Join(slices.Sorted(maps.Keys(signallers)), ", ") }

// plan makes what the groups are encrypted by. keys are their own, or fetched.
func (f *keyFlags) plan(groups []plan.GroupKind, fmp4 bool) (map[plan.GroupKind]*packageEncryption, error) {
	if err := f.speke.check(f); err != nil {
		return nil, err
	}
	methods, err := f.methods(groups, fmp4)
	if err != nil {
		return nil, err
	}
	if len(methods) == 0 {
		if len(f.keys)+len(f.keyFiles) > 0 || f.iv != "" || f.keyURL != "" || f.drm != "" || f.clearLead || f.speke.given() {
			return nil, usagef("keys, and nothing to encrypt: give --encrypt")
		}
		return nil, nil
	}
	keys, err := f.readKeys()
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 && !f.speke.given() {
		return nil, usagef("--encrypt needs a key: give --key, --key-file or --speke")
	}
	var iv []byte
	if f.iv != "" {
		if iv, err = hex.DecodeString(strings.TrimPrefix(f.iv, "0x")); err != nil || len(iv) != cenc.KeySize {
			return nil, usagef("--iv %s: it is not %d hexadecimal digits", f.iv, 2*cenc.KeySize)
		}
	}
	licences, err := f.licenceURLs()
	if err != nil {
		return nil, err
	}
	out := map[plan.GroupKind]*packageEncryption{}
	for g, m := range methods {
		e := &packageEncryption{
			method: m, iv: iv, clearLead: f.clearLead, hideIV: f.hideIV, sessionKey: f.sessionKey, keyURL: f.keyURL, keyFormat: f.keyFormat, keyFormatVersions: f.versions,
		}
		if f.speke.given() {
			if e.request, e.uses, err = f.speke.ask(g, m, f.drm); err != nil {
				return nil, usagef("--%s: %v", groupNames[g], err)
			}
			for _, u := range e.uses {
				e.keys = append(e.keys, labelledKey{label: u.Track})
			}
		}
		for _, k := range keys {
			if err := f.signal(e, g, &k.Protection, licences); err != nil {
				return nil, usagef("--%s: %v", groupNames[g], err)
			}
			e.keys = append(e.keys, k)
		}
		out[g] = e
	}
	return out, nil
}

func (f *keyFlags) licenceURLs() (map[string]string, error) {
	out := map[string]string{}
	for _, text := range f.licences {
		system, url, ok := strings.Cut(text, "=")
		if signallers[system] == nil || !ok || url == "" {
			return nil, usagef("--license-url %s: it is not SYSTEM=URL; systems: %s", text, systemNames())
		}
		out[system] = url
	}
	return out, nil
}

// signal settles what players and DRM systems are told of a key.
func (f *keyFlags) signal(e *packageEncryption, g plan.GroupKind, p *cenc.Protection, licences map[string]string) error {
	hls := g == plan.AppleHLS || g == plan.CMAF
	if e.method == plan.AES128 || e.method == plan.SampleAES {
		if f.keyURL == "" {
			return fmt.Errorf("%s needs --key-url, by which players get the key", methodNames[e.method])
		}
		if f.drm != "" {
			return fmt.Errorf("--drm does not go with %s", methodNames[e.method])
		}
		e.static = true
		return nil
	}
	scheme := cenc.CENC
	if e.method == plan.CBCS {
		scheme = cenc.CBCS
	}
	if p.ID.IsZero() {
		return fmt.Errorf("%s needs the id of its key: --key KID:FILE", methodNames[e.method])
	}
	var systems []string
	for name := range strings.SplitSeq(f.drm, ",") {
		if name = strings.ToLower(strings.TrimSpace(name)); name == "" {
			continue
		}
		if signallers[name] == nil {
			return fmt.Errorf("--drm %s is not known; allowed: %s", name, systemNames())
		}
		systems = append(systems, name)
	}
	if len(systems) == 0 {
		systems = []string{"common"}
	}
	if g == plan.Smooth { // its players know no other
		systems = []string{"playready"}
	}
	told := false
	for _, name := range systems {
		if name == "fairplay" && (!hls || scheme != cenc.CBCS) {
			continue // it is in no MPD, and another system of the list serves those
		}
		s, err := signallers[name](cenc.Terms{
			Scheme: scheme, Key: p.Key, Provider: f.provider, ContentID: []byte(f.contentID), LicenseURL: licences[name], KeyURL: licences[name],
		})
		if err != nil {
			return fmt.Errorf("--drm %s: %w", name, err)
		}
		if name == "clearkey" {
			s.Media, s.Master = nil, nil // players of HLS get the key itself, from --key-url
		}
		told = told || s.Media != nil
		p.Signals = append(p.Signals, s)
	}
	switch {
	case !hls:
	case f.keyURL == "" && !told:
		return errors.New("players of HLS must be told of the key: give --key-url, or --drm widevine, playready or fairplay")
	case f.keyURL != "" && !told:
		e.static = true
		if e.keyFormat == "" {
			e.keyFormat, e.keyFormatVersions = cenc.KeyFormatIdentity, "1"
		}
	case f.keyURL != "":
		return errors.New("--key-url does not go with a DRM system that players of HLS know: what would they be told?")
	}
	return nil
}
