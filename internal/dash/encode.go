package dash

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"darkroom/internal/cenc"
	"darkroom/internal/media"
)

// Identifiers of profiles.
const (
	profileMain     = "urn:mpeg:dash:profile:isoff-main:2011"
	profileOnDemand = "urn:mpeg:dash:profile:isoff-on-demand:2011"
	profileLive     = "urn:mpeg:dash:profile:isoff-live:2011"
	profileHbbTV    = "urn:hbbtv:dash:profile:isoff-live:2012" // a subset of profileLive
)

var (
	language   = regexp.MustCompile(`^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$`) // xs:language
	identifier = regexp.MustCompile(`^[^\s\x00-\x20\x7f]{1,200}$`)         // StringNoWhitespaceType
	captions   = regexp.MustCompile(`^CC[1-4](=[a-z]{2,3})?(;CC[1-4](=[a-z]{2,3})?)*$`)
)

// Encode returns the text of the description. The error names the representation that cannot be described.
func (m *Manifest) Encode() ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	doc := &xmlMPD{NS: namespace, Type: "static", Profiles: m.profiles(), BaseURL: reference(m.BaseURL)}
	duration := m.duration()
	var segment, subsegment, buffer time.Duration
	for i := range m.Representations {
		r := &m.Representations[i]
		if r.Protection != nil {
			doc.NSCENC, doc.NSMSPR = namespaceCENC, namespaceMSPR
		}
		if r.Segments != nil {
			segment = max(segment, r.Segments.longest())
			if r.Tiles == nil { // an image tells of minutes, and nothing waits for it
				buffer = max(buffer, r.Segments.longest())
			}
		}
		if r.File != nil {
			subsegment = max(subsegment, r.File.longest())
		}
	}
	doc.MediaPresentationDuration = xmlDuration(duration)
	doc.MinBufferTime = xmlDuration(m.MinBufferTime)
	if m.MinBufferTime == 0 {
		doc.MinBufferTime = xmlDuration(max(buffer, subsegment))
	}
	doc.MaxSegmentDuration, doc.MaxSubsegmentDuration = xmlDuration(segment), xmlDuration(subsegment)
	sets := m.sets()
	doc.Period = xmlPeriod{ID: "1", Start: "PT0S", Duration: xmlDuration(duration)}
	for _, s := range sets {
		doc.Period.Sets = append(doc.Period.Sets, s.encode(m, sets, duration))
	}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	e := xml.NewEncoder(&b)
	e.Indent("", "  ")
	if err := e.Encode(doc); err != nil {
		return nil, fmt.Errorf("write MPD: %w", err)
	}
	b.WriteByte('\n')
	if m.HbbTV {
		if err := m.hbbtv(sets, b.Len()); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// profiles lists what the description conforms to; the one asked for first.
func (m *Manifest) profiles() string {
	p := profileMain
	if m.Profile == OnDemand {
		p = profileOnDemand
	}
	if m.HbbTV {
		p += "," + profileLive + "," + profileHbbTV
	}
	return p
}

// duration of the presentation: of the pictures and the sound, to which captions and images are added.
func (m *Manifest) duration() time.Duration {
	if m.Duration > 0 {
		return m.Duration
	}
	var whole, other time.Duration
	for i := range m.Representations {
		r := &m.Representations[i]
		end := time.Duration(0)
		if t := r.times(); t != nil {
			end = t.end()
		}
		if r.Kind == media.Video || r.Kind == media.Audio {
			whole = max(whole, end)
		} else {
			other = max(other, end)
		}
	}
	if whole == 0 {
		return other
	}
	return whole
}

// times are nil for a representation that is not cut.
func (r *Representation) times() *Times {
	switch {
	case r.Segments != nil:
		return &r.Segments.Times
	case r.File != nil:
		return &r.File.Times
	}
	return nil
}

// check refuses what the schema or the profile does not allow.
func (m *Manifest) check() error {
	if len(m.Representations) == 0 {
		return errors.New("an MPD of nothing")
	}
	if m.Duration < 0 || m.MinBufferTime < 0 {
		return errors.New("an MPD with a negative duration")
	}
	seen := map[string]bool{}
	for i := range m.Representations {
		r := &m.Representations[i]
		if err := m.checkRepresentation(r); err != nil {
			return fmt.Errorf("representation %q: %w", r.ID, err)
		}
		if seen[r.ID] {
			return fmt.Errorf("representation %q: there are two of that name", r.ID)
		}
		seen[r.ID] = true
	}
	for i := range m.Representations {
		r := &m.Representations[i]
		if r.TrickModeOf == "" {
			continue
		}
		if !slices.ContainsFunc(m.Representations, func(o Representation) bool { return o.ID == r.TrickModeOf && o.TrickModeOf == "" && o.Kind == r.Kind }) {
			return fmt.Errorf("representation %q: it is the fast forward of %q, which is no stream of its kind in the manifest", r.ID, r.TrickModeOf)
		}
	}
	if m.duration() <= 0 {
		return errors.New("an MPD that lasts no time")
	}
	return nil
}

func (m *Manifest) checkRepresentation(r *Representation) error {
	places := 0
	for _, is := range []bool{r.Segments != nil, r.File != nil, r.URI != ""} {
		if is {
			places++
		}
	}
	switch {
	case !identifier.MatchString(r.ID):
		return errors.New("the name is empty, too long or holds white space")
	case r.Bandwidth <= 0 || r.Bandwidth > math.MaxUint32:
		return fmt.Errorf("a bandwidth of %d bit/s", r.Bandwidth)
	case r.Language != "" && !language.MatchString(r.Language):
		return fmt.Errorf("%q is no language of RFC 5646", r.Language)
	case r.Captions608 != "" && !captions.MatchString(r.Captions608):
		return fmt.Errorf("%q names no captions, such as CC1=eng", r.Captions608)
	case (r.Tiles != nil) != (r.Kind == 0):
		return errors.New("images have tiles, and nothing else has")
	case r.MIMEType == "":
		return errors.New("no MIME type")
	case places != 1:
		return fmt.Errorf("its media are in %d places, want 1", places)
	case m.Profile == OnDemand && r.Segments != nil && r.Tiles == nil:
		return errors.New("the on-demand profile has one file for each representation")
	}
	if t := r.times(); t != nil {
		if err := t.check(); err != nil {
			return err
		}
	}
	if p := r.Protection; p != nil {
		if p.Scheme != cenc.CENC && p.Scheme != cenc.CBCS {
			return errors.New("it is protected by no scheme")
		}
		if p.KeyID.IsZero() {
			return errors.New("it is protected by no key")
		}
		for _, s := range p.Signals {
			if err := wellFormed(s.ContentProtection); err != nil {
				return fmt.Errorf("the ContentProtection of %s: %w", s.System, err)
			}
		}
	}
	return nil
}

// template is what names the segments: the template of a representation, without times.
func (s *Segments) template() *xmlSegmentTemplate {
	t := &xmlSegmentTemplate{Initialization: literal(s.Init), Media: literal(s.Before)}
	switch {
	case s.ByTime:
		t.Media += "$Time"
	default:
		t.StartNumber = &s.First
		t.Media += "$Number"
	}
	if s.Digits > 1 {
		t.Media += "%0" + strconv.Itoa(s.Digits) + "d"
	}
	t.Media += "$" + literal(s.After)
	return t
}

// time adds the times: a timeline, or nothing but a duration. Where they stand over those of the set, no offset is said, too.
func (t *xmlSegmentTemplate) time(times *Times, nominal int64, over bool) {
	t.Timescale = times.Timescale
	if times.Offset != 0 || over {
		t.PresentationTimeOffset = &times.Offset
	}
	if nominal > 0 {
		t.Duration = nominal
		return
	}
	t.Timeline = times.timeline()
}

func (r ByteRange) String() string { return fmt.Sprintf("%d-%d", r.Offset, r.Offset+r.Length-1) }

// literal is text in a template, where a dollar begins an identifier, ISO/IEC 23009-1 5.3.9.4.4.
func literal(uri string) string { return strings.ReplaceAll(reference(uri), "$", "$$") }

// reference percent-encodes what no URI holds (RFC 3986 section 2); what is encoded already stays.
func reference(uri string) string {
	var b strings.Builder
	for i := range len(uri) {
		c := uri[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// protections are the ContentProtection descriptors of a key, ISO/IEC 23001-7 11.2.
func (p *Protection) protections() []xmlContentProtection {
	out := []xmlContentProtection{{Scheme: "urn:mpeg:dash:mp4protection:2011", Value: p.Scheme.String(), DefaultKID: p.KeyID.String()}}
	for _, s := range p.Signals {
		if len(s.ContentProtection) == 0 && len(s.PSSH) == 0 {
			continue // it has to say something elsewhere, such as in HLS
		}
		d := xmlContentProtection{Scheme: "urn:uuid:" + s.System.String(), Inner: string(s.ContentProtection)}
		if d.Inner == "" {
			d.PSSH = base64.StdEncoding.EncodeToString(s.PSSH)
		}
		out = append(out, d)
	}
	return out
}
