package mss

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"

	"darkroom/internal/media"
)

type xmlMedia struct {
	XMLName      struct{}       `xml:"SmoothStreamingMedia"`
	MajorVersion int            `xml:"MajorVersion,attr"`
	MinorVersion int            `xml:"MinorVersion,attr"`
	TimeScale    int64          `xml:"TimeScale,attr"`
	Duration     int64          `xml:"Duration,attr"`
	Streams      []*xmlStream   `xml:"StreamIndex"`
	Protection   *xmlProtection `xml:"Protection"`
}

type xmlStream struct {
	Type          string     `xml:"Type,attr"`
	Subtype       string     `xml:"Subtype,attr,omitempty"`
	Name          string     `xml:"Name,attr"`
	Language      string     `xml:"Language,attr,omitempty"`
	Title         string     `xml:"Title,attr,omitempty"`
	Chunks        int        `xml:"Chunks,attr"`
	QualityLevels int        `xml:"QualityLevels,attr"`
	MaxWidth      int        `xml:"MaxWidth,attr,omitempty"`
	MaxHeight     int        `xml:"MaxHeight,attr,omitempty"`
	DisplayWidth  int        `xml:"DisplayWidth,attr,omitempty"`
	DisplayHeight int        `xml:"DisplayHeight,attr,omitempty"`
	URL           string     `xml:"Url,attr"`
	Levels        []xmlLevel `xml:"QualityLevel"`
	Fragments     []xmlChunk `xml:"c"`
}

type xmlLevel struct {
	Index            int    `xml:"Index,attr"`
	Bitrate          int64  `xml:"Bitrate,attr"`
	FourCC           string `xml:"FourCC,attr"`
	MaxWidth         int    `xml:"MaxWidth,attr,omitempty"`
	MaxHeight        int    `xml:"MaxHeight,attr,omitempty"`
	SamplingRate     int    `xml:"SamplingRate,attr,omitempty"`
	Channels         int    `xml:"Channels,attr,omitempty"`
	BitsPerSample    int    `xml:"BitsPerSample,attr,omitempty"`
	PacketSize       int    `xml:"PacketSize,attr,omitempty"`
	AudioTag         int    `xml:"AudioTag,attr,omitempty"`
	CodecPrivateData string `xml:"CodecPrivateData,attr"`
}

// xmlChunk is a StreamFragment, [MS-SSTR] 2.2.2.6. The first has a time; the others follow from those before.
type xmlChunk struct {
	T *int64 `xml:"t,attr"`
	D int64  `xml:"d,attr"`
}

type xmlProtection struct {
	Header xmlHeader `xml:"ProtectionHeader"`
}

type xmlHeader struct {
	SystemID string `xml:"SystemID,attr"`
	Content  string `xml:",chardata"`
}

type xmlSMIL struct {
	XMLName struct{}   `xml:"http://www.w3.org/2001/SMIL20/Language smil"`
	Meta    xmlMeta    `xml:"head>meta"`
	Tracks  []xmlTrack `xml:"body>switch>track"`
}

type xmlMeta struct {
	Name    string `xml:"name,attr"`
	Content string `xml:"content,attr"`
}

// xmlTrack takes its name, video, audio or textstream, from XMLName.
type xmlTrack struct {
	XMLName  xml.Name
	Src      string     `xml:"src,attr"`
	Bitrate  int64      `xml:"systemBitrate,attr"`
	Language string     `xml:"systemLanguage,attr,omitempty"`
	Params   []xmlParam `xml:"param"`
}

type xmlParam struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
	Type  string `xml:"valuetype,attr"`
}

// name is what may stand in the URL of a fragment unencoded.
var name = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,63}$`)

// Client returns the client manifest, [MS-SSTR] 2.2.2: what players read.
func (p *Presentation) Client() ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	doc := &xmlMedia{MajorVersion: 2, TimeScale: Timescale, Duration: p.Duration}
	for i := range p.Streams {
		s := &p.Streams[i]
		if p.Duration == 0 {
			doc.Duration = max(doc.Duration, s.end())
		}
		doc.Streams = append(doc.Streams, s.encode())
	}
	if pr := p.Protection; pr != nil {
		doc.Protection = &xmlProtection{xmlHeader{strings.ToUpper(pr.System.String()), base64.StdEncoding.EncodeToString(pr.Header)}}
	}
	return p.text(doc)
}

// Server returns the server manifest, by which a server finds the tracks of the presentation in its files. client is the name of the client
// manifest beside it.
func (p *Presentation) Server(client string) ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	if client == "" {
		return nil, errors.New("no client manifest to name")
	}
	doc := &xmlSMIL{Meta: xmlMeta{"clientManifestRelativePath", client}}
	for i := range p.Streams {
		s := &p.Streams[i]
		for k := range s.Levels {
			l := &s.Levels[k]
			if l.File == "" || l.TrackID == 0 {
				return nil, fmt.Errorf("stream %q: level %d is in no file", s.Name, k)
			}
			t := xmlTrack{XMLName: xml.Name{Local: s.Kind.String()}, Src: l.File, Bitrate: l.Bitrate, Language: s.Language, Params: []xmlParam{
				{"trackID", strconv.FormatUint(uint64(l.TrackID), 10), "data"},
				{"trackName", s.Name, "data"},
			}}
			if s.Kind == media.Text {
				t.XMLName.Local = "textstream"
			}
			doc.Tracks = append(doc.Tracks, t)
		}
	}
	return p.text(doc)
}

// text writes a document in the encoding asked for.
func (p *Presentation) text(doc any) ([]byte, error) {
	var b bytes.Buffer
	encoding := "utf-8"
	if p.UTF16 {
		encoding = "utf-16"
	}
	fmt.Fprintf(&b, "<?xml version=\"1.0\" encoding=\"%s\"?>\n", encoding)
	e := xml.NewEncoder(&b)
	e.Indent("", "  ")
	if err := e.Encode(doc); err != nil {
		return nil, fmt.Errorf("write manifest: %w", err)
	}
	b.WriteByte('\n')
	if !p.UTF16 {
		return b.Bytes(), nil
	}
	out := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(b.String())) {
		out = append(out, byte(u), byte(u>>8))
	}
	return out, nil
}

func (s *Stream) encode() *xmlStream {
	x := &xmlStream{
		Type: s.Kind.String(), Name: s.Name, Language: s.Language, Title: s.Title, Chunks: len(s.Durations), QualityLevels: len(s.Levels),
		URL: fmt.Sprintf("QualityLevels({bitrate})/Fragments(%s={start time})", s.Name),
	}
	if s.Kind == media.Text {
		if x.Subtype = s.Subtype; x.Subtype == "" {
			x.Subtype = "CAPT"
		}
	}
	for i := range s.Levels {
		l := &s.Levels[i]
		x.MaxWidth, x.MaxHeight = max(x.MaxWidth, l.Width), max(x.MaxHeight, l.Height)
		x.Levels = append(x.Levels, xmlLevel{
			Index: i, Bitrate: l.Bitrate, FourCC: l.FourCC, MaxWidth: l.Width, MaxHeight: l.Height, SamplingRate: l.SampleRate, Channels: l.Channels,
			BitsPerSample: l.BitsPerSample, PacketSize: l.PacketSize, AudioTag: l.AudioTag, CodecPrivateData: strings.ToUpper(hex.EncodeToString(l.CodecPrivateData)),
		})
	}
	x.DisplayWidth, x.DisplayHeight = s.DisplayWidth, s.DisplayHeight
	if x.DisplayWidth == 0 || x.DisplayHeight == 0 {
		x.DisplayWidth, x.DisplayHeight = x.MaxWidth, x.MaxHeight
	}
	for i, d := range s.Durations {
		c := xmlChunk{D: d}
		if i == 0 {
			c.T = &s.Start
		}
		x.Fragments = append(x.Fragments, c)
	}
	return x
}

func (s *Stream) end() int64 {
	end := s.Start
	for _, d := range s.Durations {
		end += d
	}
	return end
}

// check refuses what players could not address.
func (p *Presentation) check() error {
	if len(p.Streams) == 0 || p.Duration < 0 {
		return errors.New("a presentation of nothing")
	}
	if p.Protection != nil && (p.Protection.System.IsZero() || len(p.Protection.Header) == 0) {
		return errors.New("a protection that says nothing")
	}
	seen := map[string]bool{}
	for i := range p.Streams {
		s := &p.Streams[i]
		if !name.MatchString(s.Name) {
			return fmt.Errorf("stream %q: a name has letters, digits, '_' and '-'", s.Name)
		}
		if seen[s.Name] {
			return fmt.Errorf("stream %q: there are two of that name", s.Name)
		}
		seen[s.Name] = true
		if err := s.check(); err != nil {
			return fmt.Errorf("stream %q: %w", s.Name, err)
		}
	}
	return nil
}

func (s *Stream) check() error {
	if s.Kind != media.Video && s.Kind != media.Audio && s.Kind != media.Text {
		return errors.New("it is of no kind")
	}
	if len(s.Levels) == 0 || len(s.Durations) == 0 {
		return errors.New("no quality levels or no fragments")
	}
	at := s.Start
	if at < 0 {
		return fmt.Errorf("it begins at %d", at)
	}
	for i, d := range s.Durations {
		if d <= 0 {
			return fmt.Errorf("fragment %d lasts %d ticks", i+1, d)
		}
		if at += d; at < 0 {
			return errors.New("the times of its fragments are too great")
		}
	}
	bitrates := map[int64]bool{}
	for _, l := range s.Levels {
		switch {
		case l.Bitrate <= 0 || l.Bitrate > math.MaxUint32:
			return fmt.Errorf("a bit rate of %d bit/s", l.Bitrate)
		case bitrates[l.Bitrate]:
			return fmt.Errorf("two quality levels of %d bit/s: players tell them apart by it", l.Bitrate)
		case l.FourCC == "":
			return fmt.Errorf("the level of %d bit/s has no codec", l.Bitrate)
		}
		bitrates[l.Bitrate] = true
	}
	return nil
}
