package validate

import (
	"bytes"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// playlist is what a playlist of HLS says. It is of either kind, or of neither.
type playlist struct {
	multivariant bool
	segmented    bool
	version      int
	need         int // the version that its tags need
	needed       string
	target       float64
	hasTarget    bool
	kind         string // EXT-X-PLAYLIST-TYPE
	ended        bool
	iframes      bool
	images       bool // EXT-X-IMAGES-ONLY
	sequence     int64
	segments     []hlsSegment
	variants     []hlsVariant
	renditions   []hlsRendition
	sessionKeys  []hlsKey
}

// hlsSegment is a media segment of a playlist.
type hlsSegment struct {
	line          int
	uri           string
	duration      float64
	whole         bool // the duration is an integer
	ranged        bool
	offset, size  int64
	key           []hlsKey
	init          *hlsMap
	discontinuity bool
	date          time.Time
	number        int64
	tiles         tiles
}

// tiles are what EXT-X-TILES says: pictures of one size in rows and columns, each of a duration.
type tiles struct {
	width, height, columns, rows int
	duration                     float64
}

type hlsMap struct {
	line         int
	uri          string
	ranged       bool
	offset, size int64
	key          []hlsKey
}

type hlsKey struct {
	line                          int
	method, uri, format, versions string
	iv                            []byte
}

type hlsVariant struct {
	line                        int
	iframes, images             bool
	uri                         string
	bandwidth, average          int64
	codecs                      []string
	hasCodecs                   bool
	width, height               int
	frameRate                   float64
	audio, video, subtitles, cc string
}

type hlsRendition struct {
	line                               int
	kind, group, name, language, uri   string
	def, autoselect, forced            bool
	channels, characteristic, instream string
}

// media are the playlists that a multivariant playlist names.
func (p *playlist) media() (out []string) {
	for _, v := range p.variants {
		out = append(out, v.uri)
	}
	for _, r := range p.renditions {
		if r.uri != "" {
			out = append(out, r.uri)
		}
	}
	return out
}

// where tags may stand: RFC 8216 4.3.
const (
	inMedia = 1 << iota
	inMultivariant
	once
)

// hlsTags are the tags of RFC 8216 with where they may stand.
var hlsTags = map[string]int{
	"EXT-X-VERSION": inMedia | inMultivariant | once, "EXT-X-INDEPENDENT-SEGMENTS": inMedia | inMultivariant | once, "EXT-X-START": inMedia | inMultivariant | once,
	"EXTINF": inMedia, "EXT-X-BYTERANGE": inMedia, "EXT-X-DISCONTINUITY": inMedia, "EXT-X-KEY": inMedia, "EXT-X-MAP": inMedia,
	"EXT-X-PROGRAM-DATE-TIME": inMedia, "EXT-X-DATERANGE": inMedia, "EXT-X-GAP": inMedia, "EXT-X-BITRATE": inMedia,
	"EXT-X-TARGETDURATION": inMedia | once, "EXT-X-MEDIA-SEQUENCE": inMedia | once, "EXT-X-DISCONTINUITY-SEQUENCE": inMedia | once, "EXT-X-ENDLIST": inMedia | once,
	"EXT-X-PLAYLIST-TYPE": inMedia | once, "EXT-X-I-FRAMES-ONLY": inMedia | once, "EXT-X-ALLOW-CACHE": inMedia | once, "EXT-X-IMAGES-ONLY": inMedia | once, "EXT-X-TILES": inMedia,
	"EXT-X-MEDIA": inMultivariant, "EXT-X-STREAM-INF": inMultivariant, "EXT-X-I-FRAME-STREAM-INF": inMultivariant, "EXT-X-IMAGE-STREAM-INF": inMultivariant,
	"EXT-X-SESSION-DATA": inMultivariant, "EXT-X-SESSION-KEY": inMultivariant, "EXT-X-CONTENT-STEERING": inMultivariant | once,
}

// report says that a line breaks a rule.
type reportLine func(rule string, line int, format string, args ...any)

// playlistReader is the state of parsePlaylist.
type playlistReader struct {
	p       *playlist
	bad     reportLine
	line    int
	seen    map[string]int
	next    hlsSegment
	hasInf  bool
	variant *hlsVariant
	keys    []hlsKey
	keyRun  bool // the line before was an EXT-X-KEY
	init    *hlsMap
	after   map[string]int64 // where the last byte range of a file ended
}

// needs raises the version that the playlist needs.
func (r *playlistReader) needs(v int, why string) {
	if v > r.p.need {
		r.p.need, r.p.needed = v, why
	}
}

// parsePlaylist reads a playlist as far as it can be read.
func parsePlaylist(b []byte, report func(rule string, line int, format string, args ...any)) *playlist {
	r := &playlistReader{p: &playlist{version: 1, need: 1}, bad: report, seen: map[string]int{}, after: map[string]int64{}}
	if bytes.HasPrefix(b, []byte("\xef\xbb\xbf")) {
		r.bad("hls-syntax", 1, "a byte order mark")
		b = b[3:]
	}
	if !utf8.Valid(b) {
		r.bad("hls-syntax", 1, "it is not UTF-8")
	}
	for text := range strings.SplitSeq(string(b), "\n") {
		r.line++
		text = strings.TrimSuffix(text, "\r")
		if r.line == 1 {
			if text != "#EXTM3U" {
				r.bad("hls-syntax", 1, "the first line is not #EXTM3U")
			}
			continue
		}
		switch {
		case text == "":
		case strings.HasPrefix(text, "#EXT"):
			if r.variant != nil {
				r.bad("hls-tag", r.line, "EXT-X-STREAM-INF is not followed by its URI")
				r.variant = nil
			}
			name, value, _ := strings.Cut(text[1:], ":")
			r.tag(name, value)
			r.keyRun = name == "EXT-X-KEY"
		case text[0] == '#':
		default:
			r.uri(text)
		}
		if len(r.p.segments) > maxReferences || len(r.p.variants) > maxReferences {
			r.bad("hls-syntax", r.line, "more than %d references", maxReferences)
			break
		}
	}
	r.end()
	return r.p
}

func (r *playlistReader) end() {
	p := r.p
	if r.variant != nil {
		r.bad("hls-tag", r.variant.line, "EXT-X-STREAM-INF is not followed by its URI")
	}
	if r.hasInf {
		r.bad("hls-tag", r.line, "EXTINF is not followed by a URI")
	}
	if p.multivariant && p.segmented {
		r.bad("hls-tag", 1, "tags of media playlists and of multivariant playlists in one")
	}
	if p.need > p.version {
		r.bad("hls-version", max(r.seen["EXT-X-VERSION"], 1), "version %d, and %s needs %d", p.version, p.needed, p.need)
	}
	if p.segmented {
		if !p.hasTarget {
			r.bad("hls-tag", 1, "EXT-X-TARGETDURATION is missing")
		}
		if p.kind == "VOD" && !p.ended {
			r.bad("hls-end", r.line, "a playlist of type VOD without EXT-X-ENDLIST")
		}
	}
}

func (r *playlistReader) uri(text string) {
	if strings.ContainsAny(text, " \t") {
		r.bad("hls-syntax", r.line, "white space in a URI")
	}
	if r.variant != nil {
		r.variant.uri = text
		r.p.variants = append(r.p.variants, *r.variant)
		r.variant = nil
		return
	}
	r.p.segmented = true
	if !r.hasInf {
		r.bad("hls-tag", r.line, "a segment without EXTINF")
		r.next = hlsSegment{}
		return
	}
	s := r.next
	s.line, s.uri, s.key, s.init, s.number = r.line, text, r.keys, r.init, r.p.sequence+int64(len(r.p.segments))
	if s.ranged {
		if s.offset < 0 {
			at, ok := r.after[text]
			if !ok {
				r.bad("hls-tag", r.line, "EXT-X-BYTERANGE without an offset, and the segment before is not of the same file")
			}
			s.offset = at
		}
		r.after = map[string]int64{text: s.offset + s.size}
	} else {
		clear(r.after)
	}
	r.p.segments = append(r.p.segments, s)
	r.next, r.hasInf = hlsSegment{}, false
}

func (r *playlistReader) tag(name, value string) {
	p := r.p
	place, known := hlsTags[name]
	if !known {
		return
	}
	if place&once != 0 && r.seen[name] > 0 {
		r.bad("hls-tag", r.line, "a second %s", name)
	}
	r.seen[name] = r.line
	switch {
	case place&inMultivariant == 0:
		p.segmented = true
	case place&inMedia == 0:
		p.multivariant = true
	}
	number := func() int64 {
		n, err := strconv.ParseUint(value, 10, 63)
		if err != nil {
			r.bad("hls-syntax", r.line, "%s: %q is no number", name, clip(value))
		}
		return int64(n)
	}
	switch name {
	case "EXT-X-VERSION":
		p.version = int(min(number(), 100))
	case "EXT-X-TARGETDURATION":
		p.target, p.hasTarget = float64(number()), true
	case "EXT-X-MEDIA-SEQUENCE":
		if len(p.segments) > 0 {
			r.bad("hls-tag", r.line, "EXT-X-MEDIA-SEQUENCE behind the first segment")
		}
		p.sequence = number()
	case "EXT-X-PLAYLIST-TYPE":
		if p.kind = value; value != "VOD" && value != "EVENT" {
			r.bad("hls-syntax", r.line, "EXT-X-PLAYLIST-TYPE %q", clip(value))
		}
	case "EXT-X-ENDLIST":
		p.ended = true
	case "EXT-X-I-FRAMES-ONLY":
		p.iframes = true
		r.needs(4, name)
	case "EXT-X-IMAGES-ONLY":
		p.images = true
	case "EXT-X-DISCONTINUITY":
		r.next.discontinuity = true
	case "EXTINF":
		if r.hasInf {
			r.bad("hls-tag", r.line, "a second EXTINF before a URI")
		}
		r.hasInf = true
		d, _, comma := strings.Cut(value, ",")
		if !comma {
			r.bad("hls-syntax", r.line, "EXTINF without a comma")
		}
		r.next.whole = !strings.Contains(d, ".")
		if !r.next.whole {
			r.needs(3, "EXTINF with a fraction")
		}
		if !decimal(d) {
			r.bad("hls-syntax", r.line, "EXTINF: %q is no duration", clip(d))
			return
		}
		r.next.duration, _ = strconv.ParseFloat(d, 64)
	case "EXT-X-BYTERANGE":
		r.needs(4, name)
		r.next.ranged = true
		var ok bool
		if r.next.size, r.next.offset, ok = byteRange(value); !ok {
			r.bad("hls-syntax", r.line, "EXT-X-BYTERANGE %q", clip(value))
		}
	case "EXT-X-PROGRAM-DATE-TIME":
		t, err := time.Parse("2006-01-02T15:04:05.999999999Z07:00", value)
		if err != nil {
			if t, err = time.Parse("2006-01-02T15:04:05.999999999Z0700", value); err != nil {
				r.bad("hls-syntax", r.line, "EXT-X-PROGRAM-DATE-TIME %q", clip(value))
				return
			}
		}
		r.next.date = t
	case "EXT-X-KEY", "EXT-X-SESSION-KEY", "EXT-X-MAP", "EXT-X-MEDIA", "EXT-X-STREAM-INF", "EXT-X-I-FRAME-STREAM-INF", "EXT-X-IMAGE-STREAM-INF", "EXT-X-TILES":
		r.attributes(name, value)
	}
}

// decimal reports whether s is a decimal-floating-point without sign.
func decimal(s string) bool {
	digits := 0
	for _, c := range s {
		if c >= '0' && c <= '9' {
			digits++
		} else if c != '.' {
			return false
		}
	}
	return digits > 0 && strings.Count(s, ".") <= 1 && len(s) < 40
}

// byteRange reads n[@o]; an offset that is not said is -1.
func byteRange(s string) (size, offset int64, ok bool) {
	n, o, has := strings.Cut(s, "@")
	a, err := strconv.ParseUint(n, 10, 62)
	if err != nil {
		return 0, -1, false
	}
	if !has {
		return int64(a), -1, true
	}
	b, err := strconv.ParseUint(o, 10, 62)
	return int64(a), int64(b), err == nil
}

// attribute is a value of an attribute list.
type attribute struct {
	text   string
	quoted bool
}

// attributes reads the tags that have attribute lists.
func (r *playlistReader) attributes(tag, value string) {
	list, ok := attributeList(value)
	if !ok {
		r.bad("hls-syntax", r.line, "%s: a bad attribute list", tag)
	}
	quoted := func(name string) string {
		a, ok := list[name]
		if ok && !a.quoted {
			r.bad("hls-syntax", r.line, "%s: %s is not in quotation marks", tag, name)
		}
		return a.text
	}
	plain := func(name string) string {
		a, ok := list[name]
		if ok && a.quoted {
			r.bad("hls-syntax", r.line, "%s: %s is in quotation marks", tag, name)
		}
		return a.text
	}
	need := func(names ...string) {
		for _, n := range names {
			if list[n].text == "" {
				r.bad("hls-tag", r.line, "%s without %s", tag, n)
			}
		}
	}
	integer := func(name string) int64 {
		t := plain(name)
		if t == "" {
			return 0
		}
		n, err := strconv.ParseUint(t, 10, 63)
		if err != nil {
			r.bad("hls-syntax", r.line, "%s: %s=%s is no number", tag, name, clip(t))
		}
		return int64(n)
	}
	yes := func(name string) bool {
		switch v := plain(name); v {
		case "YES":
			return true
		case "NO", "":
		default:
			r.bad("hls-syntax", r.line, "%s: %s=%s, not YES or NO", tag, name, clip(v))
		}
		return false
	}
	switch tag {
	case "EXT-X-KEY", "EXT-X-SESSION-KEY":
		need("METHOD")
		k := hlsKey{line: r.line, method: plain("METHOD"), uri: quoted("URI"), format: quoted("KEYFORMAT"), versions: quoted("KEYFORMATVERSIONS")}
		r.key(tag, &k, list, plain("IV"))
		if tag == "EXT-X-SESSION-KEY" {
			r.p.sessionKeys = append(r.p.sessionKeys, k)
			return
		}
		if !r.keyRun {
			r.keys = nil
		}
		if k.method != "NONE" {
			r.keys = append(append([]hlsKey(nil), r.keys...), k)
		} else {
			r.keys = nil
		}
	case "EXT-X-MAP":
		need("URI")
		m := &hlsMap{line: r.line, uri: quoted("URI"), key: r.keys}
		if b := quoted("BYTERANGE"); b != "" {
			var ok bool
			if m.size, m.offset, ok = byteRange(b); !ok || m.offset < 0 {
				r.bad("hls-syntax", r.line, "EXT-X-MAP: BYTERANGE %q", clip(b))
			}
			m.ranged = true
		}
		r.init = m
		if r.p.iframes {
			r.needs(5, "EXT-X-MAP of an I-frame playlist")
		} else {
			r.needs(6, "EXT-X-MAP")
		}
	case "EXT-X-MEDIA":
		need("TYPE", "GROUP-ID", "NAME")
		m := hlsRendition{
			line: r.line, kind: plain("TYPE"), group: quoted("GROUP-ID"), name: quoted("NAME"), language: quoted("LANGUAGE"), uri: quoted("URI"),
			def: yes("DEFAULT"), autoselect: yes("AUTOSELECT"), forced: yes("FORCED"), channels: quoted("CHANNELS"), characteristic: quoted("CHARACTERISTICS"), instream: quoted("INSTREAM-ID"),
		}
		switch m.kind {
		case "AUDIO", "VIDEO", "SUBTITLES":
			if m.kind == "SUBTITLES" && m.uri == "" {
				r.bad("hls-tag", r.line, "EXT-X-MEDIA of subtitles without URI")
			}
		case "CLOSED-CAPTIONS":
			need("INSTREAM-ID")
			if m.uri != "" {
				r.bad("hls-tag", r.line, "EXT-X-MEDIA of closed captions with a URI")
			}
		default:
			r.bad("hls-syntax", r.line, "EXT-X-MEDIA: TYPE=%s", clip(m.kind))
		}
		if m.def && list["AUTOSELECT"].text == "NO" {
			r.bad("hls-tag", r.line, "EXT-X-MEDIA with DEFAULT=YES and AUTOSELECT=NO")
		}
		r.p.renditions = append(r.p.renditions, m)
	case "EXT-X-TILES":
		need("RESOLUTION", "LAYOUT", "DURATION")
		t := &r.next.tiles
		var ok1, ok2 bool
		t.width, t.height, ok1 = pair(plain("RESOLUTION"))
		t.columns, t.rows, ok2 = pair(plain("LAYOUT"))
		if d := plain("DURATION"); !ok1 || !ok2 || !decimal(d) {
			r.bad("hls-syntax", r.line, "EXT-X-TILES: %q", clip(value))
		} else {
			t.duration, _ = strconv.ParseFloat(d, 64)
		}
	case "EXT-X-STREAM-INF", "EXT-X-I-FRAME-STREAM-INF", "EXT-X-IMAGE-STREAM-INF":
		need("BANDWIDTH")
		v := hlsVariant{
			line: r.line, iframes: tag == "EXT-X-I-FRAME-STREAM-INF", images: tag == "EXT-X-IMAGE-STREAM-INF", bandwidth: integer("BANDWIDTH"), average: integer("AVERAGE-BANDWIDTH"),
			audio: quoted("AUDIO"), video: quoted("VIDEO"), subtitles: quoted("SUBTITLES"),
		}
		if v.cc = list["CLOSED-CAPTIONS"].text; v.cc != "" && v.cc != "NONE" {
			quoted("CLOSED-CAPTIONS")
		}
		if codecs := quoted("CODECS"); codecs != "" {
			v.hasCodecs = true
			for _, one := range strings.Split(codecs, ",") {
				v.codecs = append(v.codecs, strings.TrimSpace(one))
			}
		}
		if res := plain("RESOLUTION"); res != "" {
			var ok bool
			if v.width, v.height, ok = pair(res); !ok {
				r.bad("hls-syntax", r.line, "RESOLUTION=%s", clip(res))
			}
		}
		if f := plain("FRAME-RATE"); f != "" {
			if !decimal(f) {
				r.bad("hls-syntax", r.line, "FRAME-RATE=%s", clip(f))
			}
			v.frameRate, _ = strconv.ParseFloat(f, 64)
		}
		if v.iframes || v.images {
			need("URI")
			v.uri = quoted("URI")
			r.p.variants = append(r.p.variants, v)
			return
		}
		r.variant = &v
	}
}

// pair reads two numbers with an x between, both greater than 0.
func pair(s string) (a, b int, ok bool) {
	x, y, ok := strings.Cut(s, "x")
	a, err1 := strconv.Atoi(x)
	b, err2 := strconv.Atoi(y)
	return a, b, ok && err1 == nil && err2 == nil && a > 0 && b > 0
}

// key checks an EXT-X-KEY.
func (r *playlistReader) key(tag string, k *hlsKey, list map[string]attribute, iv string) {
	switch k.method {
	case "NONE":
		if len(list) > 1 || tag == "EXT-X-SESSION-KEY" {
			r.bad("hls-key", r.line, "%s: METHOD=NONE with other attributes, or of a session", tag)
		}
		return
	case "AES-128", "SAMPLE-AES", "SAMPLE-AES-CTR":
	default:
		r.bad("hls-key", r.line, "%s: METHOD=%s", tag, clip(k.method))
		return
	}
	if k.method != "AES-128" {
		r.needs(5, "METHOD="+k.method)
	}
	if k.uri == "" {
		r.bad("hls-key", r.line, "%s: METHOD=%s without URI", tag, k.method)
	}
	if _, ok := list["KEYFORMAT"]; ok {
		r.needs(5, "KEYFORMAT")
	}
	if _, ok := list["KEYFORMATVERSIONS"]; ok {
		r.needs(5, "KEYFORMATVERSIONS")
		for _, v := range strings.Split(k.versions, "/") {
			if n, err := strconv.Atoi(v); err != nil || n < 1 {
				r.bad("hls-key", r.line, "%s: KEYFORMATVERSIONS=%q", tag, clip(k.versions))
			}
		}
	}
	if iv == "" {
		return
	}
	r.needs(2, "IV")
	digits, ok := strings.CutPrefix(strings.ToLower(iv), "0x")
	b, err := hex.DecodeString(digits)
	if !ok || err != nil || len(b) != 16 {
		r.bad("hls-key", r.line, "%s: IV=%s is not 128 bits in hexadecimal", tag, clip(iv))
		return
	}
	k.iv = b
}

// attributeList reads an attribute list, RFC 8216 4.2.
func attributeList(s string) (map[string]attribute, bool) {
	out := map[string]attribute{}
	good := true
	for s != "" {
		name, rest, ok := strings.Cut(s, "=")
		if !ok || name == "" || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" {
			return out, false
		}
		var a attribute
		if strings.HasPrefix(rest, `"`) {
			end := strings.IndexByte(rest[1:], '"')
			if end < 0 {
				return out, false
			}
			a, s = attribute{rest[1 : 1+end], true}, rest[2+end:]
		} else {
			end := strings.IndexByte(rest, ',')
			if end < 0 {
				end = len(rest)
			}
			a, s = attribute{rest[:end], false}, rest[end:]
			if a.text == "" || strings.ContainsAny(a.text, "\" ") {
				good = false
			}
		}
		if _, twice := out[name]; twice {
			good = false
		}
		out[name] = a
		if s == "" {
			break
		}
		if s[0] != ',' || len(s) == 1 {
			return out, false
		}
		s = s[1:]
	}
	return out, good
}

// sequenceIV is the vector of a segment for which none is said: its number (RFC 8216 5.2).
func sequenceIV(n int64) []byte {
	iv := make([]byte, 16)
	for i := 15; i >= 8; i-- {
		iv[i] = byte(n)
		n >>= 8
	}
	return iv
}

// close reports whether two numbers differ by no more than d.
func near(a, b, d float64) bool { return math.Abs(a-b) <= d }
