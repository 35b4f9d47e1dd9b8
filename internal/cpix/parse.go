package cpix

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"

	"darkroom/internal/cenc"
	"darkroom/internal/secret"
)

// Parse reads the answer to a request and returns the keys in the order of the request, each with a signal for every system in the order in which they were asked for.
//
// Nothing is taken that is not what was asked for: the content, the version, all keys and no others, the scheme, the encryption contract, and of every system what it was
// asked for, well-formed and about that key. key is the private key of the request's certificate, nil without one; its answer is not accepted in the clear, and MACs are
// checked before anything is decrypted. The error says in words what is wrong, and holds nothing secret and at most a few printable words of the document.
func Parse(r *Request, answer []byte, key crypto.Decrypter) ([]cenc.Protection, error) {
	d, err := read(answer)
	if err != nil {
		return nil, err
	}
	if err := r.sameContent(d); err != nil {
		return nil, err
	}
	var o *opener
	if r.Certificate != nil {
		if o, err = newOpener(d, r.Certificate, key); err != nil {
			return nil, err
		}
		defer o.wipe()
	}
	if err := r.sameContract(d); err != nil {
		return nil, err
	}
	keys, err := r.keys(d, o)
	if err == nil {
		err = r.signals(d, keys)
	}
	if err != nil {
		for _, k := range keys {
			k.Value.Wipe()
		}
		return nil, err
	}
	return keys, nil
}

func (r *Request) sameContent(d *document) error {
	id, name := d.ContentID, "CPIX@contentId"
	if r.Version == V1 {
		id, name = d.ID, "CPIX@id"
	} else if d.Version != cpixVersion {
		return fmt.Errorf("CPIX@version is %.20q, not %q", d.Version, cpixVersion)
	}
	if id != r.ContentID {
		return fmt.Errorf("%s is %.80q: it answers for another content", name, id)
	}
	return nil
}

// sameContract checks that each key is still for the tracks that it was asked for.
func (r *Request) sameContract(d *document) error {
	if r.Version == V1 {
		return nil
	}
	list, err := one(d.Rules, "ContentKeyUsageRuleList")
	if err != nil {
		return err
	}
	if len(list.Rules) != len(r.Keys) {
		return fmt.Errorf("the encryption contract has %d rules, not %d", len(list.Rules), len(r.Keys))
	}
	seen := map[cenc.UUID]bool{}
	for _, rule := range list.Rules {
		i, err := r.keyIndex(rule.KID)
		if err != nil {
			return err
		}
		k := r.Keys[i]
		if seen[k.ID] {
			return fmt.Errorf("the encryption contract has two rules for KID %s", k.ID)
		}
		seen[k.ID] = true
		if rule.Track != k.Use.Track {
			return fmt.Errorf("the key of KID %s is for %.40q, not %q", k.ID, rule.Track, k.Use.Track)
		}
	}
	return nil
}

// keyIndex finds a key of the request.
func (r *Request) keyIndex(kid string) (int, error) {
	id, err := cenc.ParseUUID(kid)
	if err != nil {
		return 0, fmt.Errorf("the KID %.60q is not a UUID", kid)
	}
	for i, k := range r.Keys {
		if k.ID == id {
			return i, nil
		}
	}
	return 0, fmt.Errorf("the KID %s was not asked for", id)
}

func (r *Request) keys(d *document, o *opener) ([]cenc.Protection, error) {
	list, err := one(d.Keys, "ContentKeyList")
	if err != nil {
		return nil, err
	}
	keys := make([]cenc.Protection, len(r.Keys))
	for _, c := range list.Keys {
		i, err := r.keyIndex(c.KID)
		if err != nil {
			return keys, err
		}
		id := r.Keys[i].ID
		if !keys[i].ID.IsZero() {
			return keys, fmt.Errorf("there are two keys of KID %s", id)
		}
		if keys[i].Key, err = r.key(r.Keys[i], c, o); err != nil {
			return keys, fmt.Errorf("the key of KID %s: %w", id, err)
		}
	}
	for i, k := range keys {
		if k.ID.IsZero() {
			return keys, fmt.Errorf("there is no key of KID %s", r.Keys[i].ID)
		}
	}
	return keys, nil
}

func (r *Request) key(asked Key, c contentKey, o *opener) (cenc.Key, error) {
	k := cenc.Key{ID: asked.ID}
	if (r.Version == V2 || c.Scheme != "") && c.Scheme != r.Encrypted.String() {
		return k, fmt.Errorf("its commonEncryptionScheme is %.20q, not %s", c.Scheme, r.Encrypted)
	}
	if c.IV != nil {
		var err error
		if k.IV, err = decode(*c.IV); err != nil {
			return k, fmt.Errorf("its explicitIV %w", err)
		}
		if len(k.IV) != cenc.KeySize {
			return k, fmt.Errorf("its explicitIV has %d bytes, not %d", len(k.IV), cenc.KeySize)
		}
	}
	switch {
	case asked.IV == nil:
	case k.IV == nil && r.Version == V1:
		k.IV = asked.IV
	case !bytes.Equal(k.IV, asked.IV):
		return k, errors.New("its explicitIV is not the one that was given")
	}
	s, err := onlySecret(c.Data)
	if err != nil {
		return k, err
	}
	if o != nil {
		k.Value, err = o.open(s)
		return k, err
	}
	if len(s.Encrypted) > 0 {
		return k, errors.New("it came encrypted, though no certificate was given")
	}
	text, err := one(s.Plain, "PlainValue")
	if err != nil {
		return k, err
	}
	value, err := decode(text)
	if err != nil {
		return k, fmt.Errorf("its value %w", err)
	}
	if len(value) != cenc.KeySize {
		clear(value)
		return k, fmt.Errorf("it has %d bytes, not %d", len(value), cenc.KeySize)
	}
	k.Value = secret.New(value)
	return k, nil
}

// signals reads what is said of every system into the keys.
func (r *Request) signals(d *document, keys []cenc.Protection) error {
	list, err := one(d.Systems, "DRMSystemList")
	if err != nil {
		return err
	}
	if len(list.Systems) > maxSystems {
		return fmt.Errorf("there are more than %d elements DRMSystem", maxSystems)
	}
	type about struct{ system, kid cenc.UUID }
	found := map[about]*drmSystem{}
	for i := range list.Systems {
		s := &list.Systems[i]
		k, err := r.keyIndex(s.KID)
		if err != nil {
			return err
		}
		id, err := cenc.ParseUUID(s.SystemID)
		if err != nil {
			return fmt.Errorf("the system id %.60q is not a UUID", s.SystemID)
		}
		at := about{id, r.Keys[k].ID}
		if found[at] != nil {
			return fmt.Errorf("the DRM system %s stands twice for KID %s", named(id), at.kid)
		}
		found[at] = s
	}
	for _, asked := range r.Systems {
		s := found[about{asked.ID, asked.KeyID}]
		if s == nil {
			return fmt.Errorf("the DRM system %s is not there for KID %s", named(asked.ID), asked.KeyID)
		}
		k := &keys[0]
		for i := range keys {
			if keys[i].ID == asked.KeyID {
				k = &keys[i]
			}
		}
		signal, err := r.signal(asked, s, &k.Key)
		if err != nil {
			return fmt.Errorf("the DRM system %s for KID %s: %w", named(asked.ID), asked.KeyID, err)
		}
		k.Signals = append(k.Signals, signal)
	}
	return nil
}

// value is the decoded text of an element that has to be there.
func value(list []string, name string) ([]byte, error) {
	text, err := one(list, name)
	if err != nil {
		return nil, err
	}
	b, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("its %s %w", name, err)
	}
	if len(b) == 0 {
		return nil, fmt.Errorf("its %s is empty", name)
	}
	return b, nil
}

// optional is the decoded text of an element that may be absent or empty.
func optional(list []string, name string) ([]byte, error) {
	if len(list) == 0 || len(list) == 1 && len(bytes.TrimSpace([]byte(list[0]))) == 0 {
		return nil, nil
	}
	return value(list, name)
}

// signal reads what a system was asked for.
func (r *Request) signal(asked System, s *drmSystem, k *cenc.Key) (cenc.Signal, error) {
	g := cenc.Signal{System: asked.ID}
	var err error
	if asked.PSSH {
		if g.PSSH, err = value(s.PSSH, "PSSH"); err != nil {
			return g, err
		}
		if err := r.checkPSSH(g.PSSH, asked.ID, k.ID); err != nil {
			return g, fmt.Errorf("its PSSH %w", err)
		}
	}
	if asked.ContentProtection {
		if g.ContentProtection, err = r.contentProtection(asked, s, g.PSSH); err != nil {
			return g, err
		}
	}
	if asked.HLS {
		if err := r.hls(&g, s, k); err != nil {
			return g, err
		}
	}
	if asked.Smooth {
		list, name := s.Smooth, "SmoothStreamingProtectionHeaderData"
		if r.Version == V1 {
			list, name = s.ProtectionHeader, "ProtectionHeader"
		}
		if g.Smooth, err = value(list, name); err != nil {
			return g, err
		}
		if err := r.checkPlayReady(g.Smooth, k.ID); err != nil {
			return g, fmt.Errorf("its %s %w", name, err)
		}
	}
	return g, nil
}

// contentProtection reads ContentProtectionData. The box in it is the one of PSSH: with SPEKE v2.0 it has to be there. Servers for v1.0 leave the element empty and
// mean the box alone.
func (r *Request) contentProtection(asked System, s *drmSystem, box []byte) ([]byte, error) {
	const name = "ContentProtectionData"
	read, demand := value, true
	if r.Version == V1 {
		read, demand = optional, false
	}
	text, err := read(s.ContentProtection, name)
	if err != nil {
		return nil, err
	}
	if text == nil {
		if box == nil {
			return nil, fmt.Errorf("it has neither %s nor PSSH", name)
		}
		return []byte(`<pssh xmlns="` + nsCENC + `">` + base64.StdEncoding.EncodeToString(box) + `</pssh>`), nil
	}
	f, err := parseFragment(text)
	if err != nil {
		return nil, fmt.Errorf("its %s %w", name, err)
	}
	switch {
	case len(f.pssh) > 1:
		return nil, fmt.Errorf("its %s has %d elements pssh", name, len(f.pssh))
	case len(f.pssh) == 0 && demand && box != nil:
		return nil, fmt.Errorf("its %s has no element pssh", name)
	case len(f.pssh) == 1 && box != nil && !bytes.Equal(f.pssh[0], box):
		return nil, fmt.Errorf("the pssh in its %s is not its PSSH", name)
	case len(f.pssh) == 1:
		if err := r.checkPSSH(f.pssh[0], asked.ID, asked.KeyID); err != nil {
			return nil, fmt.Errorf("the pssh in its %s %w", name, err)
		}
	}
	for _, object := range f.pro {
		if err := r.checkPlayReady(object, asked.KeyID); err != nil {
			return nil, fmt.Errorf("the pro in its %s %w", name, err)
		}
	}
	return f.text, nil
}

// hls reads what playlists say.
func (r *Request) hls(g *cenc.Signal, s *drmSystem, k *cenc.Key) error {
	var err error
	if r.Version == V1 {
		if g.Media, err = hlsV1(s, r.Method); err != nil {
			return err
		}
		master := *g.Media
		g.Master = &master
	} else {
		for _, h := range s.HLS {
			to, tag := &g.Media, mediaTag
			switch h.Playlist {
			case "media":
			case "master":
				to, tag = &g.Master, masterTag
			default:
				return fmt.Errorf("it has HLSSignalingData of the playlist %.20q", h.Playlist)
			}
			if *to != nil {
				return fmt.Errorf("it has HLSSignalingData of the playlist %s twice", h.Playlist)
			}
			line, err := value([]string{h.Text}, "HLSSignalingData")
			if err != nil {
				return err
			}
			if *to, err = parseHLS(tag, line); err != nil {
				return fmt.Errorf("its HLSSignalingData of the playlist %s: %w", h.Playlist, err)
			}
		}
		if g.Media == nil || g.Master == nil {
			return errors.New("it has no HLSSignalingData for both playlists, media and master")
		}
	}
	if m := g.Master; m.URI == g.Media.URI && (m.KeyFormat != g.Media.KeyFormat || m.KeyFormatVersions != g.Media.KeyFormatVersions) {
		return errors.New("its HLSSignalingData says two formats of one key") // RFC 8216 4.3.4.5
	}
	for _, h := range []*cenc.HLSKey{g.Media, g.Master} {
		if h.Method != r.Method {
			return fmt.Errorf("it says METHOD=%.20s, and what is written is %s", h.Method, r.Method)
		}
		switch {
		case h.IV == nil:
		case k.IV == nil:
			k.IV = h.IV
		case !bytes.Equal(k.IV, h.IV):
			return errors.New("it says two initialization vectors")
		}
		if h.KeyID != "" {
			if id, err := hexadecimal(h.KeyID); err != nil || cenc.UUID(id) != k.ID {
				return errors.New("it says the KEYID of another key")
			}
		}
	}
	return nil
}

// hlsV1 reads what SPEKE v1.0 has of EXT-X-KEY. Its format may be absent or empty: then it is identity.
func hlsV1(s *drmSystem, method string) (*cenc.HLSKey, error) {
	uri, err := value(s.URI, "URIExtXKey")
	if err != nil {
		return nil, err
	}
	format, err := optional(s.KeyFormat, "KeyFormat")
	if err != nil {
		return nil, err
	}
	versions, err := optional(s.KeyFormatVersions, "KeyFormatVersions")
	if err != nil {
		return nil, err
	}
	k := &cenc.HLSKey{Method: method}
	for name, v := range map[string]string{"URI": string(uri), "KEYFORMAT": string(format), "KEYFORMATVERSIONS": string(versions)} {
		if v == "" {
			continue
		}
		if err := quotable(v); err != nil {
			return nil, fmt.Errorf("its %s %w", name, err)
		}
		if err := setHLS(k, name, v, true); err != nil {
			return nil, err
		}
	}
	return k, nil
}
