package validate

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
)

// describe compares what an MPD says of a stream with what it is.
func (m *mpd) describe(r *representation, s *stream) {
	at := m.at(r.node)
	for _, f := range s.all() {
		if r.codecs == "" {
			m.fail("dash-codecs", at, "Representation without @codecs")
			break
		}
		if f.codec != "" && !slices.ContainsFunc(strings.Split(r.codecs, ","), func(c string) bool { return sameCodec(strings.TrimSpace(c), f.codec) }) {
			m.fail("dash-codecs", at, "@codecs=%q, and there is %s", clip(r.codecs), f.codec)
		}
		switch f.kind {
		case video:
			if w, h := r.attr("width"), r.attr("height"); w == "" || h == "" {
				m.fail("dash-picture", at, "Representation of a picture without @width and @height")
			} else if w != strconv.Itoa(f.width) || h != strconv.Itoa(f.height) {
				m.fail("dash-picture", at, "@width and @height are %sx%s, and the picture is %dx%d", clip(w), clip(h), f.width, f.height)
			}
			m.frameRate(at, r.attr("frameRate"), s)
		case audio:
			if v := r.attr("audioSamplingRate"); v != "" && v != strconv.Itoa(f.sampleRate) && !strings.HasSuffix(f.codec, ".5") && !strings.HasSuffix(f.codec, ".29") {
				m.fail("dash-audio", at, "@audioSamplingRate=%q, and it is %d", clip(v), f.sampleRate)
			}
			m.channels(r, f)
		}
	}
}

func (m *mpd) frameRate(at, v string, s *stream) {
	if v == "" || s.trick {
		return
	}
	a, b, has := strings.Cut(v, "/")
	n, err1 := strconv.ParseFloat(a, 64)
	d := 1.0
	var err2 error
	if has {
		d, err2 = strconv.ParseFloat(b, 64)
	}
	if err1 != nil || err2 != nil || d <= 0 {
		m.fail("dash-syntax", at, "@frameRate=%q", clip(v))
		return
	}
	if rate := s.frameRate(); rate > 0 && !near(n/d, rate, max(0.02*rate, 0.01)) {
		m.fail("dash-picture", at, "@frameRate=%s, and %.3f frames a second were measured", clip(v), rate)
	}
}

// channels compares AudioChannelConfiguration. Dolby's scheme names speakers by bits (ETSI TS 102 366 I.1.2.1); of that, only their number is compared.
func (m *mpd) channels(r *representation, f *facts) {
	list := append(r.node.all("AudioChannelConfiguration"), r.set.all("AudioChannelConfiguration")...)
	if len(list) == 0 {
		m.fail("dash-audio", m.at(r.node), "sound without AudioChannelConfiguration")
		return
	}
	for _, a := range list {
		v, n := a.or("value", ""), -1
		switch scheme := a.or("schemeIdUri", ""); scheme {
		case "urn:mpeg:dash:23003:3:audio_channel_configuration:2011":
			n, _ = strconv.Atoi(v)
		case "urn:mpeg:mpegB:cicp:ChannelConfiguration":
			if i, err := strconv.Atoi(v); err == nil && i > 0 && i < 21 {
				n = []int{0, 1, 2, 3, 4, 5, 6, 8, 2, 3, 4, 7, 8, 24, 8, 12, 10, 12, 14, 12, 14}[i]
			}
		case "tag:dolby.com,2014:dash:audio_channel_configuration:2011", "urn:dolby:dash:audio_channel_configuration:2011":
			if bits, err := strconv.ParseUint(v, 16, 16); err == nil {
				n = 0
				for i := range 16 {
					if bits>>(15-i)&1 == 1 {
						n++
						if slices.Contains([]int{5, 6, 9, 10, 11, 13}, i) { // pairs of speakers
							n++
						}
					}
				}
			}
		default:
			continue
		}
		if n != f.channels {
			m.fail("dash-audio", m.at(a), "AudioChannelConfiguration says %q, and there are %d channels", clip(v), f.channels)
		}
	}
}

// protection compares ContentProtection with the encryption of the media.
func (m *mpd) protection(r *representation, s *stream) {
	list := append(r.set.all("ContentProtection"), r.node.all("ContentProtection")...)
	at := m.at(r.node)
	var kids, schemes []string
	encrypted := false
	if s.init != nil {
		for _, t := range s.init.tracks {
			for _, e := range t.entries {
				if e.tenc != nil {
					encrypted = true
					kids, schemes = append(kids, e.tenc.id()), append(schemes, e.scheme)
				}
			}
		}
	}
	if encrypted && len(list) == 0 {
		m.fail("encryption-declared", at, "the media is encrypted, and there is no ContentProtection")
		return
	}
	if !encrypted && len(list) > 0 {
		m.fail("encryption-declared", at, "there is a ContentProtection, and the media is clear")
		return
	}
	common := false
	for _, p := range list {
		scheme := strings.ToLower(p.or("schemeIdUri", ""))
		if scheme == "" {
			m.fail("dash-protection", m.at(p), "ContentProtection without @schemeIdUri")
		}
		if scheme == schemeMP4Protection {
			common = true
			if v := p.or("value", ""); !slices.Contains(schemes, v) {
				m.fail("encryption-declared", m.at(p), "ContentProtection@value=%q, and the media is encrypted by %s", clip(v), strings.Join(schemes, ", "))
			}
			kid, ok := "", false
			for _, a := range p.attr {
				if a.Name.Local == "default_KID" {
					kid, ok = strings.ToLower(strings.ReplaceAll(a.Value, "-", "")), true
					if a.Name.Space != nsCENC {
						m.fail("dash-protection", m.at(p), "default_KID is not in the name space %s", nsCENC)
					}
					if len(a.Value) != 36 {
						m.fail("dash-protection", m.at(p), "default_KID=%q is no UUID", clip(a.Value))
					}
				}
			}
			if !ok {
				m.fail("dash-kid", m.at(p), "ContentProtection without cenc:default_KID")
			} else if !slices.Contains(kids, kid) {
				m.fail("dash-kid", m.at(p), "default_KID is %s, and tenc says %s", clip(kid), strings.Join(kids, ", "))
			}
		}
		m.psshElements(p, scheme, kids)
	}
	if encrypted && !common {
		m.fail("dash-protection", at, "no ContentProtection of %s", schemeMP4Protection)
	}
}

// psshElements checks the cenc:pssh of a ContentProtection.
func (m *mpd) psshElements(p *node, scheme string, kids []string) {
	for _, n := range p.all("pssh") {
		b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(n.text))
		if err != nil || n.name.Space != nsCENC {
			m.fail("cenc-pssh", m.at(n), "cenc:pssh is not base64, or is in another name space")
			continue
		}
		list, err := boxes(b)
		if err != nil || len(list) == 0 {
			m.fail("cenc-pssh", m.at(n), "cenc:pssh is no box")
			continue
		}
		for _, x := range list {
			h, err := parsePSSH(x.body)
			if x.kind != "pssh" || err != nil {
				m.fail("cenc-pssh", m.at(n), "cenc:pssh is no pssh box: %v", err)
				continue
			}
			if id := strings.ReplaceAll(strings.TrimPrefix(scheme, "urn:uuid:"), "-", ""); id != h.system && scheme != schemeMP4Protection && scheme != schemeCommonPSSH &&
				(scheme != schemeClearKey || h.system != commonPSSH) {
				m.fail("cenc-pssh", m.at(n), "the pssh is of system %s, and the ContentProtection of %s", h.system, scheme)
			}
			for _, k := range h.kids {
				if !slices.Contains(kids, k) {
					m.warn("cenc-pssh", m.at(n), "the pssh has the key identifier %s, which no track of the representation has", k)
				}
			}
		}
	}
}

// rate checks that a client that receives @bandwidth, and has received minBufferTime of it, has each segment in time, from whichever segment it begins.
func (m *mpd) rate(r *representation, s *stream) {
	if r.bandwidth <= 0 || !s.whole() {
		return
	}
	var worst, sum float64
	for i := range s.segments {
		d, ok := s.measured(i)
		if !ok {
			return
		}
		sum = max(sum, 0) + float64(s.segments[i].segment.bytes)*8 - r.bandwidth*d
		worst = max(worst, sum)
	}
	if allowed := r.bandwidth * m.buffer; worst > allowed*1.01+8 {
		m.fail("dash-bandwidth", m.at(r.node), "@bandwidth=%.0f with @minBufferTime of %g s carries %.0f bits ahead; its segments need %.0f", r.bandwidth, m.buffer, allowed, worst)
	}
}
