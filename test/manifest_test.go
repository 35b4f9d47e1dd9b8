package test

import (
	"bytes"
	endian "encoding/binary"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// This file reads packages by their manifests, as far as the tests need it, after the specifications. It shares nothing with what writes them.

// stream is what a manifest names as one: the track of a representation, or a multiplex.
type stream struct {
	codecs   string
	init     []byte // of fragmented MP4
	segments []segment
}

type segment struct {
	data []byte
	// method, uri and iv are of EXT-X-KEY; iv is nil where it is not stated.
	method, uri string
	iv          []byte
	number      int // media sequence number
}

// all is the whole stream as it is stored.
func (s *stream) all() []byte {
	b := bytes.Clone(s.init)
	for _, x := range s.segments {
		b = append(b, x.data...)
	}
	return b
}

// attributes reads an attribute list (RFC 8216 4.2).
func attributes(list string) map[string]string {
	out := map[string]string{}
	for _, m := range regexp.MustCompile(`([A-Z0-9-]+)=("[^"]*"|[^",]*)`).FindAllStringSubmatch(list, -1) {
		out[m[1]] = strings.Trim(m[2], `"`)
	}
	return out
}

func lines(dir, name string) ([]string, error) {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	all := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	if all[0] != "#EXTM3U" {
		return nil, fmt.Errorf("%s is no playlist", name)
	}
	return all, nil
}

// readHLS reads the one variant of a multivariant playlist, and the sound that goes with it.
func readHLS(dir, name string) ([]stream, error) {
	all, err := lines(dir, name)
	if err != nil {
		return nil, err
	}
	var out []stream
	sounds := map[string]string{}
	group, codecs := "", ""
	for i, line := range all {
		tag, rest, _ := strings.Cut(line, ":")
		switch tag {
		case "#EXT-X-MEDIA":
			a := attributes(rest)
			if sounds[a["GROUP-ID"]] != "" || a["TYPE"] != "AUDIO" {
				return nil, fmt.Errorf("%s: %s", name, line)
			}
			sounds[a["GROUP-ID"]] = a["URI"]
		case "#EXT-X-STREAM-INF":
			a := attributes(rest)
			if len(out) > 0 {
				return nil, fmt.Errorf("%s names more than one variant", name)
			}
			group, codecs = a["AUDIO"], a["CODECS"]
			s, err := readPlaylist(dir, all[i+1])
			if err != nil {
				return nil, err
			}
			s.codecs = codecs
			out = append(out, *s)
		}
	}
	if group == "" || len(out) == 0 {
		return out, nil
	}
	s, err := readPlaylist(dir, sounds[group])
	if err != nil {
		return nil, err
	}
	out[0].codecs, s.codecs, _ = strings.Cut(codecs, ",")
	return append(out, *s), nil
}

// byteRange reads n[@o] (RFC 8216 4.3.2.2) of a file; next is where a range without an offset begins.
func byteRange(file []byte, text string, next int) ([]byte, int, error) {
	length, offset, ok := strings.Cut(text, "@")
	n, err := strconv.Atoi(length)
	if err != nil {
		return nil, 0, err
	}
	if ok {
		if next, err = strconv.Atoi(offset); err != nil {
			return nil, 0, err
		}
	}
	if next+n > len(file) {
		return nil, 0, fmt.Errorf("%s of %d bytes", text, len(file))
	}
	return file[next : next+n], next + n, nil
}

// readPlaylist reads a media playlist with its segments.
func readPlaylist(dir, name string) (*stream, error) {
	all, err := lines(dir, name)
	if err != nil {
		return nil, err
	}
	s := new(stream)
	var key segment
	span, next, number, ended := "", 0, 0, false
	for _, line := range all {
		tag, rest, _ := strings.Cut(line, ":")
		switch {
		case tag == "#EXT-X-MEDIA-SEQUENCE":
			if number, err = strconv.Atoi(rest); err != nil {
				return nil, err
			}
		case tag == "#EXT-X-MAP":
			a := attributes(rest)
			if s.init, err = os.ReadFile(filepath.Join(dir, a["URI"])); err != nil {
				return nil, err
			}
			if a["BYTERANGE"] != "" {
				if s.init, _, err = byteRange(s.init, a["BYTERANGE"], 0); err != nil {
					return nil, err
				}
			}
		case tag == "#EXT-X-KEY":
			a := attributes(rest)
			key = segment{method: a["METHOD"], uri: a["URI"]}
			if a["IV"] != "" {
				if key.iv, err = hex.DecodeString(strings.TrimPrefix(a["IV"], "0x")); err != nil {
					return nil, err
				}
			}
		case tag == "#EXT-X-BYTERANGE":
			span = rest
		case tag == "#EXT-X-ENDLIST":
			ended = true
		case line != "" && line[0] != '#':
			x := key
			x.number = number
			number++
			if x.data, err = os.ReadFile(filepath.Join(dir, line)); err != nil {
				return nil, err
			}
			if span != "" {
				if x.data, next, err = byteRange(x.data, span, next); err != nil {
					return nil, err
				}
				span = ""
			}
			s.segments = append(s.segments, x)
		}
	}
	if !ended || len(s.segments) == 0 {
		return nil, fmt.Errorf("%s has no end, or nothing", name)
	}
	return s, nil
}

// vectorOf is the vector of a segment: the stated one, or its number (RFC 8216 5.2).
func (x *segment) vectorOf() []byte {
	if x.iv != nil {
		return x.iv
	}
	return endian.BigEndian.AppendUint64(make([]byte, 8), uint64(x.number))
}

type (
	mpdTemplate struct {
		Timescale   int    `xml:"timescale,attr"`
		Duration    int    `xml:"duration,attr"`
		StartNumber int    `xml:"startNumber,attr"`
		Init        string `xml:"initialization,attr"`
		Media       string `xml:"media,attr"`
		Timeline    *struct {
			S []struct {
				T *int `xml:"t,attr"`
				D int  `xml:"d,attr"`
				R int  `xml:"r,attr"`
			}
		} `xml:"SegmentTimeline"`
	}
	mpd struct {
		Period []struct {
			Duration string `xml:"duration,attr"`
			Sets     []struct {
				Type       string       `xml:"contentType,attr"`
				Template   *mpdTemplate `xml:"SegmentTemplate"`
				Protection []struct {
					KID string `xml:"default_KID,attr"`
				} `xml:"ContentProtection"`
				Representations []struct {
					ID        string       `xml:"id,attr"`
					Bandwidth int          `xml:"bandwidth,attr"`
					Codecs    string       `xml:"codecs,attr"`
					Template  *mpdTemplate `xml:"SegmentTemplate"`
				} `xml:"Representation"`
			} `xml:"AdaptationSet"`
		}
	}
)

// readDASH reads the representations of a media presentation description.
func readDASH(dir, name string) ([]stream, error) {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	var m mpd
	if err := xml.Unmarshal(text, &m); err != nil {
		return nil, err
	}
	if len(m.Period) != 1 {
		return nil, fmt.Errorf("%s has %d periods", name, len(m.Period))
	}
	seconds, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimPrefix(m.Period[0].Duration, "PT"), "S"), 64)
	if err != nil {
		return nil, err
	}
	var out []stream
	for _, set := range m.Period[0].Sets {
		for _, r := range set.Representations {
			t := r.Template
			if t == nil {
				t = set.Template
			}
			if t == nil {
				return nil, fmt.Errorf("%s: representation %s has no template", name, r.ID)
			}
			at := func(pattern string, number, time int) string {
				return regexp.MustCompile(`\$(\w*)(%0\d+d)?\$`).ReplaceAllStringFunc(pattern, func(id string) string {
					id, width, _ := strings.Cut(strings.Trim(id, "$"), "%")
					v, ok := map[string]int{"Number": number, "Time": time, "Bandwidth": r.Bandwidth}[id]
					if !ok {
						return r.ID
					}
					if width == "" {
						width = "d"
					}
					return fmt.Sprintf("%"+width, v)
				})
			}
			s := stream{codecs: r.Codecs}
			if s.init, err = os.ReadFile(filepath.Join(dir, at(t.Init, 0, 0))); err != nil {
				return nil, err
			}
			time, number := 0, t.StartNumber
			add := func(d int) error {
				data, err := os.ReadFile(filepath.Join(dir, at(t.Media, number, time)))
				s.segments = append(s.segments, segment{data: data})
				time, number = time+d, number+1
				return err
			}
			if t.Timeline != nil {
				for _, e := range t.Timeline.S {
					if e.T != nil {
						time = *e.T
					}
					for range e.R + 1 {
						if err := add(e.D); err != nil {
							return nil, err
						}
					}
				}
			} else {
				for float64(time) < seconds*float64(t.Timescale) {
					if err := add(t.Duration); err != nil {
						return nil, err
					}
				}
			}
			out = append(out, s)
		}
	}
	return out, nil
}

// readSmooth reads the streams of a Smooth Streaming presentation as its server does: the server manifest says which track of which file a stream is, the
// client manifest at which times its fragments begin, and the index of the file where they are (MS-SSTR 2.2.2; PIFF 1.1 5.2).
func readSmooth(dir, name string) ([]stream, error) {
	var server struct {
		Head struct {
			Meta []struct {
				Name    string `xml:"name,attr"`
				Content string `xml:"content,attr"`
			} `xml:"meta"`
		} `xml:"head"`
		Body struct {
			Switch struct {
				Streams []struct {
					XMLName xml.Name
					Src     string `xml:"src,attr"`
					Params  []struct {
						Name  string `xml:"name,attr"`
						Value string `xml:"value,attr"`
					} `xml:"param"`
				} `xml:",any"`
			} `xml:"switch"`
		} `xml:"body"`
	}
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	if err := xml.Unmarshal(text, &server); err != nil {
		return nil, err
	}
	var client struct {
		Streams []struct {
			Type   string `xml:"Type,attr"`
			Name   string `xml:"Name,attr"`
			Levels []struct {
				FourCC string `xml:"FourCC,attr"`
			} `xml:"QualityLevel"`
			C []struct {
				T *uint64 `xml:"t,attr"`
				D uint64  `xml:"d,attr"`
				R int     `xml:"r,attr"`
			} `xml:"c"`
		} `xml:"StreamIndex"`
	}
	if text, err = os.ReadFile(filepath.Join(dir, server.Head.Meta[0].Content)); err != nil {
		return nil, err
	}
	if err := xml.Unmarshal(text, &client); err != nil {
		return nil, err
	}
	var out []stream
	for _, x := range server.Body.Switch.Streams {
		params := map[string]string{}
		for _, p := range x.Params {
			params[p.Name] = p.Value
		}
		id, err := strconv.ParseUint(params["trackID"], 10, 32)
		if err != nil {
			return nil, err
		}
		file, err := os.ReadFile(filepath.Join(dir, x.Src))
		if err != nil {
			return nil, err
		}
		index, err := fragmentIndex(file, uint32(id))
		if err != nil {
			return nil, err
		}
		s := stream{}
		if s.init, err = smoothInit(file); err != nil {
			return nil, err
		}
		for _, c := range client.Streams {
			if c.Name != params["trackName"] && c.Type != x.XMLName.Local {
				continue
			}
			if len(c.Levels) != 1 {
				return nil, fmt.Errorf("%s: stream %s has %d quality levels", name, c.Name, len(c.Levels))
			}
			s.codecs = c.Levels[0].FourCC
			time := uint64(0)
			for _, chunk := range c.C {
				if chunk.T != nil {
					time = *chunk.T
				}
				for range max(chunk.R, 1) {
					data, ok := index[time]
					if !ok {
						return nil, fmt.Errorf("%s: no fragment of track %d at %d", x.Src, id, time)
					}
					s.segments = append(s.segments, segment{data: data})
					time += chunk.D
				}
			}
		}
		if len(s.segments) != len(index) {
			return nil, fmt.Errorf("%s: the manifest names %d fragments of track %d, its index %d", name, len(s.segments), id, len(index))
		}
		out = append(out, s)
	}
	return out, nil
}

// smoothInit is what stands before the fragments of a file.
func smoothInit(file []byte) ([]byte, error) {
	all, err := boxes(file)
	if err != nil {
		return nil, err
	}
	n := 0
	for _, x := range all {
		if n += len(x.all); x.kind == "moov" {
			return file[:n], nil
		}
	}
	return nil, errors.New("no moov")
}

// fragmentIndex finds the fragments of a track by their times, by 'tfra' (ISO/IEC 14496-12 8.8.10).
func fragmentIndex(file []byte, id uint32) (map[uint64][]byte, error) {
	all, err := inside(file, "mfra", "tfra")
	if err != nil {
		return nil, err
	}
	for _, x := range all {
		b := x.body
		version := b[0]
		if endian.BigEndian.Uint32(b[4:]) != id {
			continue
		}
		sizes := endian.BigEndian.Uint32(b[8:])
		rest := int(sizes>>4&3) + int(sizes>>2&3) + int(sizes&3) + 3
		count := int(endian.BigEndian.Uint32(b[12:]))
		b = b[16:]
		out := map[uint64][]byte{}
		for range count {
			var time, offset uint64
			if version == 1 {
				time, offset, b = endian.BigEndian.Uint64(b), endian.BigEndian.Uint64(b[8:]), b[16+rest:]
			} else {
				time, offset, b = uint64(endian.BigEndian.Uint32(b)), uint64(endian.BigEndian.Uint32(b[4:])), b[8+rest:]
			}
			if offset >= uint64(len(file)) {
				return nil, fmt.Errorf("a fragment at %d of %d", offset, len(file))
			}
			found, err := boxes(file[offset:])
			if err != nil {
				return nil, err
			}
			if len(found) < 2 || found[0].kind != "moof" || found[1].kind != "mdat" {
				return nil, fmt.Errorf("no fragment at %d", offset)
			}
			out[time] = file[offset : int(offset)+len(found[0].all)+len(found[1].all)]
		}
		return out, nil
	}
	return nil, fmt.Errorf("no index of track %d", id)
}
