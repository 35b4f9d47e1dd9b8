package validate

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

const systemPlayReady = "9a04f07998404286ab92e65be0885f95"

// quality is a QualityLevel with its StreamIndex.
type quality struct {
	node, index *node
	kind        kind
	bitrate     int64
}

// smooth checks a client manifest of Smooth Streaming. Its media is in the files that the server manifest beside it names; where there is none, chunks are read
// by the addresses that the client manifest makes.
func (c *checker) smooth(ref string, text []byte) {
	root, err := parseXML(text)
	if err != nil {
		c.fail("mss-syntax", ref, "%v", err)
		return
	}
	m := &mpd{checker: c, ref: ref}
	if v := root.or("MajorVersion", ""); v != "2" {
		c.fail("mss-syntax", m.at(root), "MajorVersion=%q", clip(v))
	}
	total := m.number("mss-syntax", root, "Duration", -1)
	if total < 0 {
		c.fail("mss-syntax", m.at(root), "SmoothStreamingMedia without Duration")
	}
	scale := m.number("mss-syntax", root, "TimeScale", 10_000_000)
	if scale <= 0 {
		c.fail("mss-syntax", m.at(root), "TimeScale=%d", scale)
		return
	}
	kid := m.smoothProtection(root)
	server, served := c.serverManifest(ref)
	names := map[string]bool{}
	longest := 0.0
	var streams []*stream
	for _, index := range root.all("StreamIndex") {
		k := kind(strings.ToLower(index.or("Type", "")))
		if k != video && k != audio && k != caption {
			c.fail("mss-syntax", m.at(index), "StreamIndex Type=%q", clip(index.or("Type", "")))
			continue
		}
		name := index.or("Name", string(k))
		if names[name] {
			c.fail("mss-syntax", m.at(index), "two streams are named %q", clip(name))
		}
		names[name] = true
		at := m.number("mss-syntax", index, "TimeScale", scale)
		chunks := m.chunks(index, at)
		levels := index.all("QualityLevel")
		if n := m.number("mss-syntax", index, "QualityLevels", int64(len(levels))); n != int64(len(levels)) {
			c.fail("mss-syntax", m.at(index), "QualityLevels=%d, and there are %d", n, len(levels))
		}
		var set []*stream
		for _, level := range levels {
			q := &quality{node: level, index: index, kind: k, bitrate: m.number("mss-syntax", level, "Bitrate", 0)}
			if q.bitrate <= 0 {
				c.fail("mss-syntax", m.at(level), "QualityLevel without Bitrate")
			}
			c.report.Streams++
			s := &stream{name: name + " at " + strconv.FormatInt(q.bitrate, 10), scale: at}
			if served {
				m.fromFile(s, q, server, chunks)
			} else {
				m.fromChunks(s, q, chunks, kid)
			}
			if len(s.segments) == 0 {
				continue
			}
			m.smoothTimes(s, chunks)
			m.smoothLevel(s, q, kid, served)
			c.continuity(s)
			set = append(set, s)
			if s.whole() {
				last := s.segments[len(s.segments)-1].main()
				longest = max(longest, last.seconds(last.end))
			}
		}
		if k == video {
			c.aligned(m.at(index), set)
		}
		if k != caption {
			streams = append(streams, set...)
		}
	}
	if len(names) == 0 {
		c.fail("mss-syntax", m.at(root), "no StreamIndex")
	}
	c.ends(ref, streams)
	if stated := float64(total) / float64(scale); total >= 0 && longest > 0 && !near(stated, longest, max(0.1, 0.001*longest)) {
		c.fail("mss-duration", m.at(root), "Duration is %.3f s, and the longest stream ends at %.3f s", stated, longest)
	}
}

// chunks lists the chunks of a StreamIndex.
func (m *mpd) chunks(index *node, scale int64) (out []placed) {
	at := int64(0)
	list := index.all("c")
	for i, n := range list {
		if n := m.number("mss-chunk", n, "n", int64(i)); n != int64(i) {
			m.fail("mss-chunk", m.at(list[i]), "c@n=%d of chunk %d", n, i)
		}
		if t := m.number("mss-syntax", n, "t", -1); t >= 0 {
			if i > 0 && t < at {
				m.fail("mss-chunk", m.at(n), "c@t=%d, and the chunk before ends at %d", t, at)
			}
			at = t
		}
		d := m.number("mss-syntax", n, "d", -1)
		if d < 0 && i+1 < len(list) {
			if t := m.number("mss-syntax", list[i+1], "t", -1); t > at {
				d = t - at
			}
		}
		if d <= 0 {
			m.fail("mss-chunk", m.at(n), "c without d")
			return out
		}
		for range min(max(m.number("mss-syntax", n, "r", 1), 1), maxReferences) {
			if len(out) >= maxReferences {
				m.fail("mss-syntax", m.at(n), "more than %d chunks", maxReferences)
				return out
			}
			out = append(out, placed{where: m.at(n), ticks: at, length: d, start: float64(at) / float64(scale), duration: float64(d) / float64(scale)})
			at += d
		}
	}
	if n := m.number("mss-syntax", index, "Chunks", int64(len(out))); n != int64(len(out)) && n != 0 {
		m.fail("mss-chunk", m.at(index), "Chunks=%d, and there are %d", n, len(out))
	}
	return out
}

// smoothServer is a server manifest.
type smoothServer struct {
	ref    string
	tracks []serverTrack
	files  map[string]*fmp4
}

type serverTrack struct {
	node    *node
	kind    kind
	name    string
	bitrate int64
	file    string
	id      uint32
}

// serverManifest reads the server manifest beside a client manifest.
func (c *checker) serverManifest(ref string) (*smoothServer, bool) {
	u, err := url.Parse(ref)
	if err != nil || path.Ext(u.Path) != ".ismc" {
		return nil, false
	}
	abs, err := c.src.Resolve(ref, (&url.URL{Path: strings.TrimSuffix(path.Base(u.Path), "c")}).String())
	if err != nil {
		return nil, false
	}
	text, err := c.text(abs)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false
	}
	if err != nil {
		c.missing(ref, abs, err)
		return nil, false
	}
	root, err := parseXML(text)
	if err != nil {
		c.fail("mss-server", abs, "%v", err)
		return nil, false
	}
	s := &smoothServer{ref: abs, files: map[string]*fmp4{}}
	var walk func(n *node)
	walk = func(n *node) {
		switch n.name.Local {
		case "video", "audio", "textstream":
			t := serverTrack{node: n, kind: kind(strings.TrimSuffix(n.name.Local, "stream"))}
			t.bitrate, _ = strconv.ParseInt(n.or("systemBitrate", ""), 10, 64)
			for _, p := range n.all("param") {
				switch p.or("name", "") {
				case "trackID":
					id, _ := strconv.ParseUint(p.or("value", ""), 10, 32)
					t.id = uint32(id)
				case "trackName":
					t.name = p.or("value", "")
				}
			}
			if file, ok := c.resolve(line(abs, n.line), abs, n.or("src", "")); ok {
				t.file = file
				s.tracks = append(s.tracks, t)
			}
		case "meta":
			if n.or("name", "") == "clientManifestRelativePath" {
				if to, ok := c.resolve(line(abs, n.line), abs, n.or("content", "")); ok && to != ref {
					c.fail("mss-server", line(abs, n.line), "its client manifest is %s", c.src.Name(to))
				}
			}
		}
		for _, x := range n.children {
			walk(x)
		}
	}
	walk(root)
	return s, true
}

// fromFile finds the fragments of a quality level in the file of its track.
func (m *mpd) fromFile(s *stream, q *quality, server *smoothServer, chunks []placed) {
	var t *serverTrack
	for i := range server.tracks {
		x := &server.tracks[i]
		if x.kind == q.kind && x.bitrate == q.bitrate && (x.name == "" || x.name == q.index.or("Name", x.name)) {
			t = x
		}
	}
	if t == nil {
		m.fail("mss-server", m.at(q.node), "the server manifest has no %s of bit rate %d", q.kind, q.bitrate)
		return
	}
	file := server.files[t.file]
	if file == nil {
		f, err := m.src.Open(m.ctx, t.file, 0, -1)
		if err != nil {
			m.missing(line(server.ref, t.node.line), t.file, err)
			return
		}
		defer func() { _ = f.Close() }()
		if file, err = m.readFMP4(f, span{t.file, 0, -1}, nil, false); err != nil || file.init == nil {
			return
		}
		m.keep(span{t.file, 0, -1}, file.out)
		server.files[t.file] = file
	}
	track := file.init.track(t.id)
	if track == nil {
		m.fail("mss-server", line(server.ref, t.node.line), "%s has no track %d", m.src.Name(t.file), t.id)
		return
	}
	s.init = &initSegment{where: file.where, tracks: []*mp4Track{track}, pssh: file.init.pssh}
	for _, f := range file.out.fragments {
		if f.track != t.id {
			continue
		}
		p := *file.out.of(f.track)
		p.decode, p.end, p.show, p.shown, p.key, p.samples = f.decode, f.end, f.show, f.shown, f.sync, f.samples
		i := len(s.segments)
		at := placed{where: m.at(q.index), name: m.src.Name(span{t.file, f.offset, f.size}.String())}
		if i < len(chunks) {
			name := at.name
			at = chunks[i]
			at.name = name
		}
		at.segment = &segment{where: file.where, bytes: f.size, parts: []*part{&p}, tfxd: f.tfxd}
		s.segments = append(s.segments, at)
	}
	if len(s.segments) != len(chunks) {
		m.fail("mss-chunk", m.at(q.index), "%d chunks, and track %d has %d fragments", len(chunks), t.id, len(s.segments))
	}
}

// fromChunks reads chunks by their addresses.
func (m *mpd) fromChunks(s *stream, q *quality, chunks []placed, kid string) {
	pattern := q.index.or("Url", "")
	if !strings.Contains(pattern, "{start time}") && !strings.Contains(pattern, "{start_time}") {
		m.fail("mss-syntax", m.at(q.index), "StreamIndex Url=%q", clip(pattern))
		return
	}
	track := q.track(s.scale, kid)
	s.init = &initSegment{where: m.ref, tracks: []*mp4Track{track}, any: true}
	for _, p := range chunks {
		bitrate, start := strconv.FormatInt(q.bitrate, 10), strconv.FormatInt(p.ticks, 10)
		name := strings.NewReplacer("{bitrate}", bitrate, "{Bitrate}", bitrate, "{start time}", start, "{start_time}", start).Replace(pattern)
		p.name = name
		if abs, ok := m.resolve(p.where, m.ref, name); ok {
			p.segment = m.dashSegment(p.where, span{abs, 0, -1}, s.init)
		}
		s.segments = append(s.segments, p)
	}
}

// track is what a client manifest says of the media: chunks come without an initialization segment.
func (q *quality) track(scale int64, kid string) *mp4Track {
	e := sampleEntry{facts: facts{kind: q.kind}}
	switch strings.ToUpper(q.node.or("FourCC", "")) {
	case "H264", "AVC1", "DAVC":
		e.sampleEntry, e.lengthSize = "avc1", 4
	case "HVC1", "HEV1":
		e.sampleEntry, e.lengthSize = "hvc1", 4
	case "AACL", "AACH":
		e.sampleEntry = "mp4a"
	case "EC-3":
		e.sampleEntry = "ec-3"
	}
	if kid != "" {
		e.scheme, e.tenc = "piff", &tenc{protected: true, ivSize: 8}
		if b, err := hex.DecodeString(kid); err == nil && len(b) == 16 {
			e.tenc.kid = [16]byte(b)
		}
	}
	return &mp4Track{id: 1, timescale: uint32(min(scale, 1<<32-1)), entries: []sampleEntry{e}, description: 1}
}

// smoothTimes compares chunks with fragments.
func (m *mpd) smoothTimes(s *stream, chunks []placed) {
	for i, p := range s.segments {
		if p.segment == nil || i >= len(chunks) || p.main() == nil {
			continue
		}
		now := p.main()
		sample := max(now.seconds(now.longest), 0.001)
		if got := now.seconds(now.decode); !near(got, p.start, 0.0005) {
			m.fail("mss-chunk", p.where, "chunk %d begins at %.4f s, and its fragment at %.4f s", i+1, p.start, got)
		}
		if got := now.seconds(now.end - now.decode); !near(got, p.duration, sample) {
			m.fail("mss-chunk", p.where, "chunk %d lasts %.4f s, and its fragment %.4f s", i+1, p.duration, got)
		}
		if !p.tfxd {
			m.fail("mss-chunk", p.where, "the fragment of chunk %d has no tfxd", i+1)
		}
	}
}

// smoothLevel compares a quality level with the bitstream.
func (m *mpd) smoothLevel(s *stream, q *quality, kid string, served bool) {
	at := m.at(q.node)
	if s.whole() {
		bytes, duration := float64(s.bytes()), s.duration()
		if measured := bytes * 8 / duration; duration > 0 && (float64(q.bitrate) < measured*0.5 || float64(q.bitrate) > measured*4+64_000) {
			m.warn("mss-bitrate", at, "Bitrate=%d, and the measured average is %.0f", q.bitrate, measured)
		}
		if float64(q.bitrate) < bytes*8/duration*0.5 {
			m.fail("mss-bitrate", at, "Bitrate=%d is below half of the measured average, %.0f", q.bitrate, bytes*8/duration)
		}
	}
	private, err := hex.DecodeString(q.node.or("CodecPrivateData", ""))
	if err != nil {
		m.fail("mss-codec", at, "CodecPrivateData is not hexadecimal")
	}
	if !served {
		m.privateAlone(at, q, private)
		return
	}
	e := &s.init.tracks[0].entries[0]
	want := map[string][]string{
		"avc1": {"H264", "AVC1", "DAVC"}, "avc3": {"H264", "AVC1", "DAVC"}, "hvc1": {"HVC1", "HEV1"}, "hev1": {"HEV1", "HVC1"},
		"mp4a": {"AACL", "AACH"}, "ec-3": {"EC-3"}, "ac-3": {"AC-3"}, "stpp": {"TTML", "DFXP"},
	}[e.sampleEntry]
	if got := strings.ToUpper(q.node.or("FourCC", "")); !slices.Contains(want, got) {
		m.fail("mss-codec", at, "FourCC=%q, and there is %s", clip(got), e.sampleEntry)
	}
	switch e.kind {
	case video:
		for _, set := range e.parameters {
			if !bytes.Contains(private, append([]byte{0, 0, 0, 1}, set...)) {
				m.fail("mss-codec", at, "CodecPrivateData lacks a parameter set of the bitstream")
				break
			}
		}
		if w, h := q.node.or("MaxWidth", ""), q.node.or("MaxHeight", ""); w != strconv.Itoa(e.width) || h != strconv.Itoa(e.height) {
			m.fail("mss-picture", at, "MaxWidth and MaxHeight are %sx%s, and the picture is %dx%d", clip(w), clip(h), e.width, e.height)
		}
	case audio:
		if e.sampleEntry == "mp4a" && !bytes.Equal(private, e.config) {
			m.fail("mss-codec", at, "CodecPrivateData is %x, and the AudioSpecificConfig %x", private, e.config)
		}
		if v := q.node.or("SamplingRate", ""); v != strconv.Itoa(e.sampleRate) {
			m.fail("mss-picture", at, "SamplingRate=%q, and it is %d", clip(v), e.sampleRate)
		}
		if v := q.node.or("Channels", ""); v != strconv.Itoa(e.channels) {
			m.fail("mss-picture", at, "Channels=%q, and there are %d", clip(v), e.channels)
		}
	}
	switch {
	case e.tenc != nil && kid == "":
		m.fail("encryption-declared", at, "the media is encrypted, and there is no Protection")
	case e.tenc == nil && kid != "":
		m.fail("encryption-declared", at, "there is a Protection, and the media is clear")
	case e.tenc != nil && e.tenc.id() != kid:
		m.fail("mss-protection", at, "the key identifier of ProtectionHeader is %s, and tenc says %s", kid, e.tenc.id())
	case e.tenc != nil && e.scheme != "piff" && e.scheme != "cenc":
		m.fail("mss-protection", at, "scheme %s; Smooth Streaming has piff", e.scheme)
	}
}

// privateAlone checks CodecPrivateData where there is no initialization segment to compare it with.
func (m *mpd) privateAlone(at string, q *quality, private []byte) {
	switch strings.ToUpper(q.node.or("FourCC", "")) {
	case "H264", "AVC1", "DAVC":
		if units := annexB(private); len(units) < 2 || units[0][0]&31 != 7 {
			m.fail("mss-codec", at, "CodecPrivateData has no SPS and PPS")
		}
	case "AACL":
		a, err := parseAudioConfig(private)
		if err != nil {
			m.fail("mss-codec", at, "CodecPrivateData: %v", err)
		} else if v := q.node.or("SamplingRate", ""); v != strconv.Itoa(a.rate) {
			m.fail("mss-picture", at, "SamplingRate=%q, and CodecPrivateData says %d", clip(v), a.rate)
		}
	case "":
		m.fail("mss-codec", at, "QualityLevel without FourCC")
	}
}

// smoothProtection reads the Protection of a client manifest, and returns its key identifier.
func (m *mpd) smoothProtection(root *node) (kid string) {
	for _, p := range root.all("Protection") {
		for _, h := range p.all("ProtectionHeader") {
			system := strings.ToLower(strings.Trim(strings.ReplaceAll(h.or("SystemID", ""), "-", ""), "{}"))
			b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(h.text))
			if err != nil {
				m.fail("mss-protection", m.at(h), "ProtectionHeader is not base64")
				continue
			}
			if system != systemPlayReady {
				continue
			}
			if kid, err = playReadyKID(b); err != nil {
				m.fail("mss-protection", m.at(h), "PlayReady object: %v", err)
			}
		}
	}
	if root.first("Protection") != nil && kid == "" {
		m.fail("mss-protection", m.at(root), "Protection without a PlayReady object that has a key identifier")
		kid = strings.Repeat("0", 32)
	}
	return kid
}

// playReadyKID reads the key identifier out of a PlayReady object: a header of records in little endian, and XML in UTF-16.
func playReadyKID(b []byte) (string, error) {
	if len(b) < 10 || int(binary.LittleEndian.Uint32(b)) != len(b) {
		return "", errors.New("its length is another one")
	}
	n := int(binary.LittleEndian.Uint16(b[4:]))
	for b = b[6:]; n > 0; n-- {
		if len(b) < 4 {
			return "", errors.New("a record is cut off")
		}
		kind, size := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[2:]))
		if size > len(b)-4 {
			return "", errors.New("a record is cut off")
		}
		body := b[4 : 4+size]
		b = b[4+size:]
		if kind != 1 {
			continue
		}
		units := make([]uint16, 0, size/2)
		for i := 0; i+1 < len(body); i += 2 {
			units = append(units, binary.LittleEndian.Uint16(body[i:]))
		}
		root, err := parseXML([]byte(string(utf16.Decode(units))))
		if err != nil {
			return "", err
		}
		return wrmKID(root)
	}
	return "", errors.New("it has no rights management header")
}

// wrmKID finds the KID of a WRMHEADER 4.0 to 4.3: the text of KID, or its VALUE.
func wrmKID(n *node) (string, error) {
	if n.name.Local == "KID" {
		text := n.or("VALUE", strings.TrimSpace(n.text))
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(b) != 16 {
			return "", errors.New("its KID is not 16 bytes in base64")
		}
		// A GUID: its first three groups are in little endian.
		order := []int{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15}
		out := make([]byte, 16)
		for i, j := range order {
			out[i] = b[j]
		}
		return hex.EncodeToString(out), nil
	}
	for _, c := range n.children {
		if kid, err := wrmKID(c); err == nil || n.name.Local == "KIDS" {
			return kid, err
		}
	}
	return "", errors.New("it has no KID")
}
