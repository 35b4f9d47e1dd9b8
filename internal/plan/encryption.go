package plan

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/cenc"
	"darkroom/internal/cpix"
	"darkroom/internal/job"
	"darkroom/internal/media"
	"darkroom/internal/secret"
)

func (m Method) String() string {
	switch m {
	case 0:
		return "clear"
	case AES128:
		return "AES-128"
	case SampleAES:
		return "SAMPLE-AES"
	case CBCS:
		return "cbcs"
	case CENC:
		return "cenc"
	case PIFFCTR:
		return "PIFF AES-CTR"
	}
	return "unknown"
}

// The codecs that the segments of each kind of group hold (MediaConvert User Guide, "Supported codecs and containers").
var (
	groupVideo = map[GroupKind][]media.Codec{
		AppleHLS: {media.AVC, media.HEVC}, CMAF: {media.AVC, media.HEVC, media.AV1}, DASH: {media.AVC, media.HEVC, media.AV1}, Smooth: {media.AVC},
	}
	groupAudio = []media.Codec{media.AAC, media.AC3, media.EAC3}
	// groupMethods are how each kind is encrypted. HLS groups are transport streams; HLS with fMP4 is a CMAF group.
	groupMethods = map[GroupKind][]Method{
		AppleHLS: {AES128, SampleAES}, CMAF: {CBCS, CENC}, DASH: {CENC}, Smooth: {PIFFCTR},
	}
)

// Cell says whether a kind of group holds two codecs with an encryption, and if not, why. The zero Method is clear; an empty codec asks nothing. What
// it does not know, it does not allow. Check judges by it, and the table of docs/packaging.md is made of it.
func Cell(kind GroupKind, method Method, video, audio media.Codec) (ok bool, reason string) {
	methods, known := groupMethods[kind]
	switch {
	case !known:
		return false, "there is no such kind of group"
	case video != "" && !slices.Contains(groupVideo[kind], video):
		return false, fmt.Sprintf("a group of kind %s does not hold %s", kind, video)
	case audio != "" && !slices.Contains(groupAudio, audio):
		return false, fmt.Sprintf("a group of kind %s does not hold %s", kind, audio)
	case method == 0:
		return true, ""
	case !slices.Contains(methods, method):
		return false, fmt.Sprintf("a group of kind %s is not encrypted with %s", kind, method)
	case method == SampleAES && video == media.HEVC:
		return false, "SAMPLE-AES in transport streams is specified for AVC, AAC, AC-3 and E-AC-3 alone; a CMAF group encrypts HEVC"
	case kind == DASH && video == media.AV1:
		return false, "AV1 is not encrypted in a DASH ISO group; a CMAF group encrypts it"
	}
	return true, ""
}

// cipher is what the encryption settings of the four kinds of groups have in common.
type cipher struct {
	method             Method
	static             *types.StaticKeyProvider
	request            *KeyRequest
	contract           *types.EncryptionContractConfiguration
	iv                 string // hexadecimal, of a constant vector
	hideIV, sessionKey bool
	clearLead          bool
	clearSEI           bool

	member, provider string // the JSON pointers of the settings and of the key server's, relative to those of the group
}

// newCipher reads the encryption settings of a group; nil for none. What makes them invalid is found by (*checker).encryption.
func newCipher(s *types.OutputGroupSettings) *cipher {
	switch {
	case s == nil:
	case s.Type == types.OutputGroupTypeHlsGroupSettings && s.HlsGroupSettings != nil && s.HlsGroupSettings.Encryption != nil:
		e := s.HlsGroupSettings.Encryption
		c := &cipher{
			iv: aws.ToString(e.ConstantInitializationVector), hideIV: e.InitializationVectorInManifest == types.HlsInitializationVectorInManifestExclude,
			sessionKey: e.OfflineEncrypted == types.HlsOfflineEncryptedEnabled, member: "/encryption", provider: "/encryption/spekeKeyProvider",
			method: map[types.HlsEncryptionType]Method{types.HlsEncryptionTypeAes128: AES128, types.HlsEncryptionTypeSampleAes: SampleAES}[e.EncryptionMethod],
		}
		switch e.Type {
		case types.HlsKeyProviderTypeStaticKey:
			c.static = e.StaticKeyProvider
		case types.HlsKeyProviderTypeSpeke:
			c.speke(e.SpekeKeyProvider)
			if c.request != nil {
				c.request.HLSSystems, c.request.DASHSystems = c.request.DASHSystems, nil
			}
		}
		return c
	case s.Type == types.OutputGroupTypeCmafGroupSettings && s.CmafGroupSettings != nil && s.CmafGroupSettings.Encryption != nil:
		e := s.CmafGroupSettings.Encryption
		c := &cipher{
			iv: aws.ToString(e.ConstantInitializationVector), hideIV: e.InitializationVectorInManifest == types.CmafInitializationVectorInManifestExclude,
			clearLead: e.ClearLead == types.HlsClearLeadEnabled, member: "/encryption", provider: "/encryption/spekeKeyProvider",
			method: map[types.CmafEncryptionType]Method{types.CmafEncryptionTypeSampleAes: CBCS, types.CmafEncryptionTypeAesCtr: CENC}[e.EncryptionMethod],
		}
		switch p := e.SpekeKeyProvider; {
		case e.Type == types.CmafKeyProviderTypeStaticKey:
			c.static = e.StaticKeyProvider
		case e.Type == types.CmafKeyProviderTypeSpeke && p != nil:
			c.contract = p.EncryptionContractConfiguration
			c.request = newKeyRequest(p.Url, p.ResourceId, p.CertificateArn, c.contract)
			c.request.HLSSystems, c.request.DASHSystems = slices.Clone(p.HlsSignaledSystemIds), slices.Clone(p.DashSignaledSystemIds)
		}
		return c
	case s.Type == types.OutputGroupTypeDashIsoGroupSettings && s.DashIsoGroupSettings != nil && s.DashIsoGroupSettings.Encryption != nil:
		e := s.DashIsoGroupSettings.Encryption
		c := &cipher{
			method: CENC, clearSEI: e.PlaybackDeviceCompatibility == types.DashIsoPlaybackDeviceCompatibilityUnencryptedSei,
			member: "/encryption", provider: "/encryption/spekeKeyProvider",
		}
		c.speke(e.SpekeKeyProvider)
		return c
	case s.Type == types.OutputGroupTypeMsSmoothGroupSettings && s.MsSmoothGroupSettings != nil && s.MsSmoothGroupSettings.Encryption != nil:
		c := &cipher{method: PIFFCTR, member: "/encryption", provider: "/encryption/spekeKeyProvider"}
		c.speke(s.MsSmoothGroupSettings.Encryption.SpekeKeyProvider)
		return c
	}
	return nil
}

func (c *cipher) speke(p *types.SpekeKeyProvider) {
	if p == nil {
		return
	}
	c.contract = p.EncryptionContractConfiguration
	c.request = newKeyRequest(p.Url, p.ResourceId, p.CertificateArn, c.contract)
	c.request.DASHSystems = slices.Clone(p.SystemIds)
}

func newKeyRequest(url, resource, certificate *string, contract *types.EncryptionContractConfiguration) *KeyRequest {
	r := &KeyRequest{URL: aws.ToString(url), ResourceID: aws.ToString(resource), CertificateARN: aws.ToString(certificate), Version: 1}
	if contract != nil && (contract.SpekeVideoPreset != "" || contract.SpekeAudioPreset != "") {
		r.Version, r.VideoPreset, r.AudioPreset = 2, string(contract.SpekeVideoPreset), string(contract.SpekeAudioPreset)
	}
	return r
}

// uses are the keys of the group.
func (c *cipher) uses() ([]cpix.Use, error) {
	if c.request == nil || c.request.Version < 2 {
		return cpix.Shared(), nil
	}
	return cpix.Contract(c.request.VideoPreset, c.request.AudioPreset)
}

// encryption is what the plan says of it. The settings have passed Check; what did not is an error, never a clear group.
func (c *cipher) encryption() (*ContentEncryption, []cpix.Use, error) {
	uses, err := c.uses()
	switch {
	case err != nil:
		return nil, nil, err
	case c.method == 0:
		return nil, nil, errors.New("no method of encryption")
	case c.static == nil && c.request == nil:
		return nil, nil, errors.New("no source of keys")
	}
	e := &ContentEncryption{
		Method: c.method, HideIV: c.hideIV, SessionKey: c.sessionKey, ClearLead: c.clearLead, ClearSEI: c.clearSEI, SPEKE: c.request,
	}
	if c.iv != "" {
		if e.ConstantIV, err = hex.DecodeString(c.iv); err != nil || len(e.ConstantIV) != cenc.KeySize {
			return nil, nil, errors.New("the initialization vector is not 32 hexadecimal digits")
		}
	}
	for _, u := range uses {
		e.Keys = append(e.Keys, KeyUse{Track: u.Track})
	}
	if c.static != nil {
		e.Static = &StaticSignal{
			URL: aws.ToString(c.static.Url), KeyFormat: aws.ToString(c.static.KeyFormat), KeyFormatVersions: aws.ToString(c.static.KeyFormatVersions),
		}
	}
	return e, uses, nil
}

// GroupKeys is what an output group asks a key server for.
type GroupKeys struct {
	Group  int
	Method Method
	// ConstantIV is the vector that the settings give, which a key server is told and has to keep; nil for none.
	ConstantIV []byte
	KeyRequest
}

// KeyRequests returns what the groups of a job ask key servers for, in their order. The control plane reads it from the settings it has on record: it
// takes no worker's word for what a job may ask. Settings that have not passed Check are an error.
func KeyRequests(s *types.JobSettings) ([]GroupKeys, error) {
	var all []GroupKeys
	for i := range s.OutputGroups {
		c := newCipher(s.OutputGroups[i].OutputGroupSettings)
		if c == nil {
			continue
		}
		e, _, err := c.encryption()
		if err != nil {
			return nil, fmt.Errorf("/outputGroups/%d: encryption: %w", i, err)
		}
		if e.SPEKE != nil {
			all = append(all, GroupKeys{Group: i, Method: e.Method, ConstantIV: e.ConstantIV, KeyRequest: *e.SPEKE})
		}
	}
	return all, nil
}

// errStaticKey tells nothing of the value.
var errStaticKey = errors.New("the static key is not 32 hexadecimal digits")

// StaticKey reads the value of the static key of an output group from the settings of a job. It is read when the job runs and is in no plan. The
// caller owns the key and wipes it. A group that has none is an error.
func StaticKey(s *types.JobSettings, group int) (secret.Bytes, error) {
	if group < 0 || group >= len(s.OutputGroups) {
		return secret.Bytes{}, errors.New("there is no such output group")
	}
	c := newCipher(s.OutputGroups[group].OutputGroupSettings)
	if c == nil || c.static == nil {
		return secret.Bytes{}, errors.New("the output group has no static key")
	}
	value := aws.ToString(c.static.StaticKeyValue)
	key, err := hex.DecodeString(value)
	if err != nil || len(key) != cenc.KeySize {
		return secret.Bytes{}, errStaticKey
	}
	return secret.New(key), nil
}

// encrypt adds the encryption of a group and says which key each of its streams has. tracks are those of the representations, in their order.
func (g *streaming) encrypt(c *cipher, path string) error {
	if c == nil {
		return nil
	}
	e, uses, err := c.encryption()
	if err != nil {
		return job.Errorf(1040, "%s: encryption: %v.", path, err)
	}
	for i := range g.out.Representations {
		r := &g.out.Representations[i]
		if r.Format == Images {
			continue
		}
		key, clear, first := -1, false, true
		each := func(kind media.Kind, w, h, channels int) error {
			k, open := cpix.Match(uses, kind, w, h, channels)
			switch {
			case k < 0 && !open:
				return job.Errorf(1040, "%s: the encryption contract has no key for a %s track of output %d.", path, kind, r.Output)
			case !first && (k != key || open != clear):
				return job.Errorf(1040, "%s: output %d holds a picture and sound in one stream, which has one key; choose the presets SHARED, or put the sound into an output of its own.", path, r.Output)
			}
			key, clear, first = k, open, false
			return nil
		}
		if v := g.video[i]; v != nil {
			if err := each(media.Video, v.Width, v.Height, 0); err != nil {
				return err
			}
		}
		for _, a := range g.audio[i] {
			if err := each(media.Audio, 0, 0, a.Channels); err != nil {
				return err
			}
		}
		r.Key = key
	}
	g.out.Encryption = e
	return nil
}

const (
	fairPlay  = "94ce86fb-07ff-4f43-adb8-93d2fa968ca2"
	playReady = "9a04f079-9840-4286-ab92-e65be0885f95"
)

// encryption judges the encryption of a group. path is that of the group's settings.
func (c *checker) encryption(path string, kind GroupKind, s *types.OutputGroupSettings, outputs []types.Output) {
	e := newCipher(s)
	if e == nil {
		return
	}
	at := path + e.member
	typed := kind == AppleHLS || kind == CMAF
	if e.method == 0 {
		c.missing(at, "encryptionMethod")
		return
	}
	if e.static == nil && e.request == nil {
		if !typed { // that a type has its provider is a rule of the service
			c.missing(at, "spekeKeyProvider")
		}
		return
	}
	c.providers(at, s, e)
	if e.static != nil {
		if _, err := hex.DecodeString(aws.ToString(e.static.StaticKeyValue)); err != nil { // not told: the value is a secret
			c.bad(at+"/staticKeyProvider/staticKeyValue", "is not 32 hexadecimal digits")
		}
		if !printable(aws.ToString(e.static.Url)) || strings.ContainsAny(aws.ToString(e.static.Url), `"<>`) {
			c.bad(at+"/staticKeyProvider/url", "holds a quotation mark, an angle bracket or a control character")
		}
	}
	if e.method == CENC && e.iv != "" {
		c.lack(at+"/constantInitializationVector", "one vector for all samples would let AES_CTR repeat its key stream; it goes with SAMPLE_AES")
	}
	if e.method == SampleAES && e.hideIV && e.iv == "" && s.HlsGroupSettings != nil && aws.ToFloat64(s.HlsGroupSettings.MinFinalSegmentLength) > 0 {
		c.lack(at+"/initializationVectorInManifest", "EXCLUDE leaves the vector to the number of the segment, and minFinalSegmentLength may join the last one to another; "+
			"give a constantInitializationVector, or leave one of the two out")
	}
	if e.method == SampleAES && e.hideIV && e.iv == "" && s.HlsGroupSettings != nil && s.HlsGroupSettings.OutputSelection != types.HlsOutputSelectionSegmentsOnly {
		for i := range outputs {
			if o := newOutputOptions(kind, &outputs[i]); o.iFrames != "" {
				c.lack(at+"/initializationVectorInManifest", "EXCLUDE leaves the vector to the number of the segment, and in the I-frame playlist of output %d key frames have numbers of their own; "+
					"give a constantInitializationVector, or leave one of the two out", i+1)
			}
		}
	}
	if e.request != nil {
		c.keyRequest(path+e.provider, kind, e)
	}
	for i := range outputs {
		c.encryptedOutput(fmt.Sprintf("%s/outputs/%d", strings.TrimSuffix(path, "/outputGroupSettings/"+memberOf(kind)), i), kind, e, &outputs[i])
	}
	if e.clearLead && s.CmafGroupSettings.WriteHlsManifest == types.CmafWriteHLSManifestDisabled {
		c.bad(at+"/clearLead", "ENABLED goes with an HLS manifest: writeHlsManifest must be ENABLED")
	}
}

// providers refuses a second source of keys beside the one of the type.
func (c *checker) providers(at string, s *types.OutputGroupSettings, e *cipher) {
	other := ""
	switch {
	case s.HlsGroupSettings != nil && s.HlsGroupSettings.Encryption != nil:
		h := s.HlsGroupSettings.Encryption
		if e.static != nil && h.SpekeKeyProvider != nil {
			other = "spekeKeyProvider"
		}
		if e.request != nil && h.StaticKeyProvider != nil {
			other = "staticKeyProvider"
		}
	case s.CmafGroupSettings != nil && s.CmafGroupSettings.Encryption != nil:
		h := s.CmafGroupSettings.Encryption
		if e.static != nil && h.SpekeKeyProvider != nil {
			other = "spekeKeyProvider"
		}
		if e.request != nil && h.StaticKeyProvider != nil {
			other = "staticKeyProvider"
		}
	}
	if other != "" {
		c.bad(at+"/"+other, "does not go with the type of key provider that was chosen")
	}
}

func (c *checker) keyRequest(at string, kind GroupKind, e *cipher) {
	r := e.request
	if r.URL == "" {
		c.missing(at, "url")
	}
	switch {
	case r.ResourceID == "":
		c.missing(at, "resourceId")
	case !printable(r.ResourceID):
		c.bad(at+"/resourceId", "%q holds a control character", r.ResourceID)
	}
	if c.caps.ApprovedOnly && r.CertificateARN != "" {
		c.lack(at+"/certificateArn", "SPEKE encrypts content keys by RSA-OAEP with SHA-1, which is not approved in FIPS 140-3; offered: content keys that TLS alone protects")
	}
	if e.contract != nil {
		cp := at + "/encryptionContractConfiguration"
		switch {
		case r.VideoPreset == "":
			c.missing(cp, "spekeVideoPreset")
		case r.AudioPreset == "":
			c.missing(cp, "spekeAudioPreset")
		default:
			switch uses, err := cpix.Contract(r.VideoPreset, r.AudioPreset); {
			case err != nil:
				c.bad(cp, "%v", err)
			case kind == Smooth && len(uses) > 1:
				c.bad(cp, "all streams of Smooth Streaming have one key, the presets %s and %s have %d; choose SHARED for both", r.VideoPreset, r.AudioPreset, len(uses))
			}
		}
	}
	systems := func(member string, ids []string, manifest string) {
		seen := map[string]bool{}
		for i, id := range ids {
			p := fmt.Sprintf("%s/%s/%d", at, member, i)
			id = strings.ToLower(id)
			switch {
			case seen[id]:
				c.bad(p, "%s is there twice", id)
			case manifest != "HLS" && id == fairPlay:
				c.bad(p, "FairPlay is signalled in HLS alone")
			case manifest == "Smooth" && id != playReady:
				c.bad(p, "Smooth Streaming signals PlayReady alone, %s", playReady)
			case id == fairPlay && e.method == CENC:
				c.bad(p, "FairPlay needs SAMPLE_AES, not AES_CTR")
			}
			seen[id] = true
		}
	}
	switch kind {
	case AppleHLS:
		systems("systemIds", r.HLSSystems, "HLS")
	case CMAF:
		systems("hlsSignaledSystemIds", r.HLSSystems, "HLS")
		systems("dashSignaledSystemIds", r.DASHSystems, "DASH")
		if len(r.HLSSystems)+len(r.DASHSystems) == 0 {
			c.missing(at, "dashSignaledSystemIds")
		}
		if n := len(r.HLSSystems); n > maxCMAFSystems {
			c.bad(at+"/hlsSignaledSystemIds", "Should have at most %d items", maxCMAFSystems)
		}
		if n := len(r.DASHSystems); n > maxCMAFSystems {
			c.bad(at+"/dashSignaledSystemIds", "Should have at most %d items", maxCMAFSystems)
		}
	case DASH:
		systems("systemIds", r.DASHSystems, "DASH")
	case Smooth:
		systems("systemIds", r.DASHSystems, "Smooth")
	}
}

const maxCMAFSystems = 3

// encryptedOutput judges an output by Cell.
func (c *checker) encryptedOutput(path string, kind GroupKind, e *cipher, o *types.Output) {
	video := codecs[string(videoCodec(o))]
	if o.VideoDescription != nil {
		if ok, reason := Cell(kind, e.method, video, ""); video != "" && !ok {
			c.bad(path+"/videoDescription/codecSettings/codec", "%s", reason)
		}
	}
	for i := range o.AudioDescriptions {
		s := o.AudioDescriptions[i].CodecSettings
		if s == nil {
			continue
		}
		p := fmt.Sprintf("%s/audioDescriptions/%d/codecSettings/codec", path, i)
		audio := codecs[string(s.Codec)]
		if ok, reason := Cell(kind, e.method, "", audio); audio != "" && !ok {
			c.bad(p, "%s", reason)
		}
		if e.clearLead && audio != "" && audio != media.AAC {
			c.bad(p, "clearLead goes with AAC alone")
		}
	}
	if kind == AppleHLS && o.VideoDescription != nil && len(o.AudioDescriptions) > 0 && e.request != nil && e.request.Version == 2 && e.request.VideoPreset != string(types.PresetSpeke20VideoShared) {
		c.bad(path+"/audioDescriptions", "a picture and sound in one transport stream have one key: choose the presets SHARED, or put the sound into an output of its own")
	}
}

// codecs are the codecs of tracks by the names that the API has for them.
var codecs = map[string]media.Codec{
	"H_264": media.AVC, "H_265": media.HEVC, "AV1": media.AV1, "AAC": media.AAC, "AC3": media.AC3, "EAC3": media.EAC3,
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f })
}
