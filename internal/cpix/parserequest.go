package cpix

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"darkroom/internal/cenc"
	"darkroom/internal/media"
)

// Refusal is why a key server does not answer a request. Its text is what the server says, with status 422; where SPEKE v2.0 has words for it ("SPEKE API v2.0, error
// handling") it is those.
type Refusal struct{ Text string }

func (r *Refusal) Error() string { return r.Text }

// The words that SPEKE v2.0 has. Two are followed by the id that they are about.
const (
	MissingContentID    = "Missing CPIX@contentId"
	MissingVersion      = "Missing CPIX@version"
	UnsupportedVersion  = "Unsupported CPIX@version"
	MissingScheme       = "Missing ContentKey@commonEncryptionScheme for KID" // and the KID
	NonCompliantScheme  = "Non compliant ContentKey@commonEncryptionScheme combination"
	IncompatibleScheme  = "ContentKey@commonEncryptionScheme non compatible with DRMSystem" // and the system id
	UnsupportedSPEKE    = "Unsupported SPEKE version"
	MalformedContract   = "Malformed encryption contract"
	UnsupportedContract = "Requested CPIX encryption contract not supported"
	MissingContract     = "Missing CPIX encryption contract"
)

// Words are all of them.
var Words = []string{
	MissingContentID, MissingVersion, UnsupportedVersion, MissingScheme, NonCompliantScheme, IncompatibleScheme, UnsupportedSPEKE, MalformedContract, UnsupportedContract,
	MissingContract,
}

func refuse(format string, values ...any) error { return &Refusal{fmt.Sprintf(format, values...)} }

// ParseRequest reads what is asked of a key server. version is the header X-Speke-Version, "" for none. The error is a *Refusal. Method and Encrypted are not
// set: they do not stand in a request; see Request.HLSMethod and Request.ToldScheme.
func ParseRequest(text []byte, version string) (*Request, error) {
	r := &Request{Version: V2}
	switch version {
	case "2.0":
	case "", "1.0":
		r.Version = V1
	default:
		return nil, refuse(UnsupportedSPEKE)
	}
	d, err := read(text)
	if err != nil {
		return nil, refuse("%v", err)
	}
	if r.Version == V1 {
		r.ContentID = d.ID
		if r.ContentID == "" {
			return nil, refuse("Missing CPIX@id")
		}
	} else {
		r.ContentID = d.ContentID
		switch {
		case d.ContentID == "":
			return nil, refuse(MissingContentID)
		case d.Version == "":
			return nil, refuse(MissingVersion)
		case d.Version != cpixVersion:
			return nil, refuse(UnsupportedVersion)
		}
	}
	if !identifier(r.ContentID) {
		return nil, refuse("the content id is not 1 to %d printable bytes", maxID)
	}
	for _, step := range []func(*document) error{r.readKeys, r.readDelivery, r.readSystems, r.readPeriods, r.readRules} {
		if err := step(d); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// ToldScheme is the scheme that DRM systems are told. Where the request does not say it, as SPEKE v1.0 does not, it is cbcs where FairPlay is asked for, which knows no
// other, and else cenc: samples are encrypted once, for all systems.
func (r *Request) ToldScheme() cenc.Scheme {
	switch {
	case r.Scheme != 0:
		return r.Scheme
	case slices.ContainsFunc(r.Systems, func(s System) bool { return s.ID == cenc.FairPlay }):
		return cenc.CBCS
	}
	return cenc.CENC
}

// HLSMethod is what EXT-X-KEY says for a system of the request: AES-128 for keys of whole segments, else as the scheme has it.
func (r *Request) HLSMethod(system cenc.UUID) string {
	switch {
	case system == cenc.ClearKeyAES128 || system == cenc.HLSAES128:
		return "AES-128"
	case r.Scheme == cenc.CENC:
		return "SAMPLE-AES-CTR"
	}
	return "SAMPLE-AES"
}

func (r *Request) readKeys(d *document) error {
	list, err := one(d.Keys, "ContentKeyList")
	if err != nil {
		return refuse("%v", err)
	}
	if len(list.Keys) == 0 || len(list.Keys) > maxKeys {
		return refuse("there are %d elements ContentKey, not 1 to %d", len(list.Keys), maxKeys)
	}
	for _, c := range list.Keys {
		id, err := cenc.ParseUUID(c.KID)
		if err != nil {
			return refuse("ContentKey@kid is missing or not a UUID")
		}
		if _, err := r.keyIndex(c.KID); err == nil {
			return refuse("there are two elements ContentKey of KID %s", id)
		}
		k := Key{ID: id}
		if len(c.Data) > 0 {
			return refuse("the ContentKey of KID %s has a key already", id)
		}
		if c.IV != nil {
			if k.IV, err = decode(*c.IV); err != nil || len(k.IV) != cenc.KeySize {
				return refuse("ContentKey@explicitIV of KID %s is not %d bytes in base64", id, cenc.KeySize)
			}
		}
		if err := r.readScheme(c, id); err != nil {
			return err
		}
		r.Keys = append(r.Keys, k)
	}
	return nil
}

// readScheme reads the scheme of a key: a document has one.
func (r *Request) readScheme(c contentKey, kid cenc.UUID) error {
	var scheme cenc.Scheme
	switch c.Scheme {
	case "":
		if r.Version == V2 {
			return refuse("%s %s", MissingScheme, kid)
		}
		return nil
	case cenc.CENC.String():
		scheme = cenc.CENC
	case cenc.CBCS.String():
		scheme = cenc.CBCS
	default:
		return refuse(NonCompliantScheme) // cens and cbc1 are not used by any encryptor that is in use, and by none of ours
	}
	if r.Scheme != 0 && r.Scheme != scheme {
		return refuse(NonCompliantScheme)
	}
	r.Scheme = scheme
	return nil
}

func (r *Request) readDelivery(d *document) error {
	if len(d.Delivery) == 0 {
		return nil
	}
	list, err := one(d.Delivery, "DeliveryDataList")
	if err != nil {
		return refuse("%v", err)
	}
	data, err := one(list.Data, "DeliveryData")
	if err != nil {
		return refuse("%v", err)
	}
	if r.Certificate, err = data.certificate(); err != nil {
		return refuse("%v", err)
	}
	if _, err := recipient(r.Certificate); err != nil {
		return refuse("%v", err)
	}
	if data.ID != "" && !identifier(data.ID) {
		return refuse("DeliveryData@id is not 1 to %d printable bytes", maxID)
	}
	r.DeliveryID = data.ID
	return nil
}

func (r *Request) readSystems(d *document) error {
	list, err := one(d.Systems, "DRMSystemList")
	if err != nil {
		return refuse("%v", err)
	}
	if len(list.Systems) == 0 || len(list.Systems) > maxSystems {
		return refuse("there are %d elements DRMSystem, not 1 to %d", len(list.Systems), maxSystems)
	}
	seen := map[[2]cenc.UUID]bool{}
	for _, s := range list.Systems {
		id, err := cenc.ParseUUID(s.SystemID)
		if err != nil {
			return refuse("DRMSystem@systemId is missing or not a UUID")
		}
		k, err := r.keyIndex(s.KID)
		if err != nil {
			return refuse("DRMSystem@kid is missing or names no ContentKey")
		}
		asked := System{
			ID: id, KeyID: r.Keys[k].ID, PSSH: len(s.PSSH) > 0, ContentProtection: len(s.ContentProtection) > 0,
			HLS: len(s.HLS) > 0, Smooth: len(s.Smooth) > 0,
		}
		if r.Version == V1 {
			asked.HLS, asked.Smooth = len(s.URI) > 0, len(s.ProtectionHeader) > 0
		}
		at := [2]cenc.UUID{asked.ID, asked.KeyID}
		switch {
		case seen[at]:
			return refuse("the DRMSystem %s stands twice for KID %s", asked.ID, asked.KeyID)
		case id == cenc.FairPlay && r.Scheme == cenc.CENC:
			return refuse("%s %s", IncompatibleScheme, id)
		}
		seen[at] = true
		r.Systems = append(r.Systems, asked)
	}
	return nil
}

func (r *Request) readPeriods(d *document) error {
	for _, list := range d.Periods {
		for _, p := range list.Periods {
			if len(r.Periods) >= maxKeys || !identifier(p.ID) || slices.ContainsFunc(r.Periods, func(q Period) bool { return q.ID == p.ID }) {
				return refuse("a ContentKeyPeriod has no id of its own, or there are more than %d", maxKeys)
			}
			for _, v := range []string{p.Index, p.Start, p.End} {
				if v != "" && !identifier(v) {
					return refuse("a ContentKeyPeriod has an attribute that is not printable")
				}
			}
			r.Periods = append(r.Periods, Period(p))
		}
	}
	return nil
}

// readRules reads the encryption contract (SPEKE v2.0, "Encryption contract"). With v1.0 only periods count.
func (r *Request) readRules(d *document) error {
	if len(d.Rules) == 0 {
		if r.Version == V2 {
			return refuse(MissingContract)
		}
		return nil
	}
	if len(d.Rules) != 1 || r.Version == V2 && len(d.Rules[0].Rules) != len(r.Keys) {
		return refuse(MalformedContract)
	}
	tracks, ruled := map[string]bool{}, map[int]bool{}
	for _, rule := range d.Rules[0].Rules {
		i, err := r.keyIndex(rule.KID)
		if err != nil || ruled[i] {
			return refuse(MalformedContract)
		}
		ruled[i] = true
		k := &r.Keys[i]
		for _, p := range rule.Periods {
			if !slices.ContainsFunc(r.Periods, func(q Period) bool { return q.ID == p.ID }) {
				return refuse(MalformedContract)
			}
			k.Periods = append(k.Periods, p.ID)
		}
		if r.Version == V1 {
			continue
		}
		if k.Use, err = readUse(rule); err != nil {
			return err
		}
		if tracks[k.Use.Track] {
			return refuse(MalformedContract)
		}
		tracks[k.Use.Track] = true
	}
	if tracks[All] && len(r.Keys) > 1 {
		return refuse(MalformedContract)
	}
	return nil
}

// readUse reads one rule. A type of several components has a filter for each; the public test suite sends one for SD+HD1, which is taken too.
func readUse(rule usageRule) (Use, error) {
	u := Use{Track: rule.Track}
	if !identifier(u.Track) {
		return u, refuse(MalformedContract)
	}
	if len(rule.Labels) > 0 {
		return u, refuse(UnsupportedContract)
	}
	for _, list := range []struct {
		kind    media.Kind
		filters []trackFilter
	}{{media.Audio, rule.Audio}, {media.Video, rule.Video}} {
		for _, f := range list.filters {
			if f.HDR != nil || f.MinFPS != nil || f.MaxFPS != nil {
				return u, refuse(UnsupportedContract)
			}
			least, most, wrong := f.MinPixels, f.MaxPixels, f.MinChannels != nil || f.MaxChannels != nil
			if list.kind == media.Audio {
				least, most, wrong = f.MinChannels, f.MaxChannels, f.MinPixels != nil || f.MaxPixels != nil
			}
			filter := Filter{Kind: list.kind}
			if wrong || !limit(least, &filter.Min) || !limit(most, &filter.Max) || filter.Max > 0 && filter.Min > filter.Max {
				return u, refuse(MalformedContract)
			}
			u.Filters = append(u.Filters, filter)
		}
	}
	n := len(u.components())
	switch {
	case slices.Contains(u.components(), ""), len(u.Filters) == 0:
		return u, refuse(MalformedContract)
	case u.Track == All:
		if len(u.Filters) != 2 || u.Filters[0] != (Filter{Kind: media.Audio}) || u.Filters[1] != (Filter{Kind: media.Video}) {
			return u, refuse(MalformedContract)
		}
	case len(u.Filters) != n && len(u.Filters) != 1:
		return u, refuse(MalformedContract)
	}
	return u, nil
}

// limit reads a limit of pixels or channels; what is not there does not limit.
func limit(text *string, to *int) bool {
	if text == nil {
		return true
	}
	n, err := strconv.ParseInt(strings.TrimSpace(*text), 10, 32)
	*to = int(n)
	return err == nil && n >= 0
}
