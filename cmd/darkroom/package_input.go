package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"darkroom/internal/media"
	"darkroom/internal/mp4"
)

// packageInput is INPUT of the command line: a file, and which of its tracks.
type packageInput struct {
	text, path string
	kind       media.Kind // 0 for all
	number     int        // of the tracks of the kind, from 1; 0 for not by number
	language   string     // ISO 639-2, "" for not by language
	track      packageTrack
}

// selectors are what may stand behind the colon of an INPUT.
var selectors = map[string]media.Kind{"all": 0, "video": media.Video, "audio": media.Audio}

// parseInput reads FILE[:SELECTOR[=WHICH][,ATTRIBUTE...]]. What is behind the last colon is a selector where it begins with the name of one, and no file has the whole as its
// name.
func parseInput(text string, exists func(string) bool) (packageInput, error) {
	in := packageInput{text: text, path: text}
	cut := strings.LastIndexByte(text, ':')
	if cut < 0 || exists(text) {
		return in, nil
	}
	fields := strings.Split(text[cut+1:], ",")
	name, which, chosen := strings.Cut(fields[0], "=")
	kind, ok := selectors[name]
	if !ok {
		return in, nil
	}
	in.path, in.kind = text[:cut], kind
	switch n, err := strconv.Atoi(which); {
	case !chosen:
	case kind == 0:
		return in, usagef("%s: all is not followed by a number or a language", text)
	case err == nil && n < 1:
		return in, usagef("%s: tracks are counted from 1", text)
	case err == nil:
		in.number = n
	case len(which) < 2:
		return in, usagef("%s: %q is neither a number nor a language", text, which)
	default:
		in.language = media.Language(which)
	}
	for _, field := range fields[1:] {
		if err := in.attribute(field); err != nil {
			return in, err
		}
	}
	return in, nil
}

const inputAttributes = "name=TEXT, language=TAG, stem=NAME, key=LABEL, default, described"

func (in *packageInput) attribute(field string) error {
	name, value, given := strings.Cut(field, "=")
	switch {
	case name == "default" && !given:
		in.track.defaulted = true
	case name == "described" && !given:
		in.track.described = true
	case given && value == "":
		return usagef("%s: %s is empty", in.text, name)
	case name == "name" && given:
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == '"' || r == 0x7f }) {
			return usagef("%s: the name %q has a character that manifests cannot hold", in.text, value)
		}
		in.track.name = value
	case name == "language" && given:
		if len(value) > maxTag || strings.ContainsFunc(value, func(r rune) bool { return !wordRune(r) && r != '-' }) {
			return usagef("%s: %q is not a language tag", in.text, value)
		}
		in.track.language = value
	case name == "stem" && given:
		if len(value) > maxStem || strings.ContainsFunc(value, func(r rune) bool { return !wordRune(r) && !strings.ContainsRune("-_.", r) }) || value[0] == '.' {
			return usagef("%s: the stem %q; allowed: up to %d letters, digits and -_., no dot first", in.text, value, maxStem)
		}
		in.track.stem = value
	case name == "key" && given:
		in.track.label = value
	default:
		return usagef("%s: %q is not known; allowed: %s", in.text, field, inputAttributes)
	}
	return nil
}

const (
	maxTag  = 35 // of a language, RFC 5646 4.4.1
	maxStem = 100
)

func wordRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// packageSource are the files of a package.
type packageSource struct {
	files    map[string]*mp4.File // by path
	opened   []*os.File
	bytes    int64 // of all files
	duration time.Duration
	tracks   []packageTrack
	readers  []*trackReader // of the tracks
	warnings []string
}

func (s *packageSource) Close() {
	for _, f := range s.opened {
		_ = f.Close()
	}
}

// openInputs opens the files and chooses their tracks.
func openInputs(inputs []packageInput) (*packageSource, error) {
	s := &packageSource{files: map[string]*mp4.File{}}
	taken := map[string]string{}
	for _, in := range inputs {
		f, err := s.open(in.path)
		if err != nil {
			s.Close()
			return nil, err
		}
		if err := s.choose(in, f, taken); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

func (s *packageSource) open(path string) (*mp4.File, error) {
	name := path
	if abs, err := filepath.Abs(path); err == nil {
		name = abs
	}
	if f := s.files[name]; f != nil {
		return f, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, &usageError{err.Error()}
	}
	s.opened = append(s.opened, file)
	st, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, usagef("%s is not a file that can be read at any place; pipes and devices cannot", path)
	}
	f, err := mp4.Open(file, st.Size())
	if err != nil {
		return nil, usagef("%s: %v", path, err)
	}
	for _, o := range f.Omitted() {
		s.warnings = append(s.warnings, fmt.Sprintf("%s: track %d (%s) is left out: %v", path, o.ID, o.Handler, o.Reason))
	}
	s.files[name] = f
	s.bytes += st.Size()
	s.duration = max(s.duration, f.Duration())
	return f, nil
}

// choose takes the tracks that an input names.
func (s *packageSource) choose(in packageInput, f *mp4.File, taken map[string]string) error {
	numbers := map[media.Kind]int{}
	found := 0
	for i, t := range f.Tracks() {
		numbers[t.Kind]++
		switch {
		case t.Kind != media.Video && t.Kind != media.Audio:
			if in.kind == 0 {
				s.warnings = append(s.warnings, fmt.Sprintf("%s: a track of %v is left out", in.path, t.Kind))
			}
			continue
		case in.kind != 0 && t.Kind != in.kind,
			in.number != 0 && numbers[t.Kind] != in.number,
			in.language != "" && media.Language(t.Language) != in.language:
			continue
		}
		found++
		p := in.track
		p.Track, p.from = t, fmt.Sprintf("%s:%v=%d", in.path, t.Kind, numbers[t.Kind])
		if found > 1 && p.stem != "" {
			return usagef("%s: stem names one track, and several are chosen", in.text)
		}
		if p.language == "" && t.Language != "" && t.Language != "und" {
			p.language = media.Tag(t.Language)
		}
		key := fmt.Sprintf("%p %d", f, i)
		if before, twice := taken[key]; twice {
			return usagef("%s: %s has been chosen by %s", in.text, p.from, before)
		}
		taken[key] = in.text
		s.tracks = append(s.tracks, p)
		s.readers = append(s.readers, &trackReader{r: f.Reader(i), track: t, total: f.Duration()})
	}
	if found == 0 {
		return usagef("%s: no track of it is what is chosen", in.text)
	}
	return nil
}

// trackReader reads a track, tells how far it has come, and looks at the key frames on the way.
type trackReader struct {
	r     *mp4.Reader
	track *media.Track
	total time.Duration // 0 for not known

	at    atomic.Int64 // of total, nanoseconds
	open  bool         // there was a key frame that pictures of before may be shown behind; good when reading has ended
	moved func()
}

// Track implements packager.TrackReader.
func (t *trackReader) Track() (*media.Track, error) { return t.r.Track() }

// Read implements packager.TrackReader.
func (t *trackReader) Read(b *media.Batch) error {
	if err := t.r.Read(b); err != nil {
		if err == io.EOF {
			t.at.Store(int64(t.total))
		}
		return err
	}
	for i := range b.Samples {
		if s := &b.Samples[i]; s.Sync && !t.open && t.track.Kind == media.Video {
			t.open = !closed(t.track.Codec, s.Data)
		}
	}
	last := b.Samples[len(b.Samples)-1].DecodeTime
	t.at.Store(int64(min(t.total, time.Duration(float64(last)/float64(t.track.Timescale)*float64(time.Second)))))
	t.moved()
	return nil
}

// closed reports whether no picture that is shown behind a key frame refers to one before it: of AVC an IDR picture (ISO/IEC 14496-10 7.4.1.2.4), of HEVC too (ISO/IEC 23008-2
// 7.4.2.2), of AV1 a key frame.
func closed(codec media.Codec, sample []byte) bool {
	const lengthSize = 4
	for codec != media.AV1 && len(sample) > lengthSize {
		n := int(sample[0])<<24 | int(sample[1])<<16 | int(sample[2])<<8 | int(sample[3])
		nal := sample[lengthSize:]
		if n < 1 || n > len(nal) {
			return false
		}
		if codec == media.AVC {
			switch nal[0] & 31 {
			case 1, 2, 3, 4:
				return false
			case 5:
				return true
			}
		} else if kind := nal[0] >> 1 & 63; kind < 32 {
			return kind == 19 || kind == 20
		}
		sample = nal[n:]
	}
	return codec == media.AV1
}
