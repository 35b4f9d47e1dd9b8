package plan

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/job"
	"darkroom/internal/media"
)

// timecode counts frames since midnight, SMPTE ST 12-1.
type timecode struct {
	hours, minutes, seconds, frames int64
	drop                            bool
}

// parseTimecode reads HH:MM:SS:FF, or HH:MM:SS;FF for drop frame.
func parseTimecode(s string) (timecode, error) {
	bad := fmt.Errorf("%q is not a timecode; allowed: HH:MM:SS:FF, HH:MM:SS;FF", s)
	if len(s) != 11 || s[2] != ':' || s[5] != ':' || s[8] != ':' && s[8] != ';' {
		return timecode{}, bad
	}
	t := timecode{drop: s[8] == ';'}
	for i, to := range []*int64{&t.hours, &t.minutes, &t.seconds, &t.frames} {
		n, err := strconv.ParseUint(s[3*i:3*i+2], 10, 8)
		if err != nil {
			return timecode{}, bad
		}
		*to = int64(n)
	}
	if t.hours > 24 || t.minutes > 59 || t.seconds > 59 {
		return timecode{}, bad
	}
	return t, nil
}

// count is how many frames have passed since midnight. Drop frame leaves out the first two numbers of a minute, at 60 frames a second four, but for every tenth
// minute.
func (t timecode) count(rate media.Rational) int64 {
	nominal := max(1, (rate.Num+rate.Den/2)/rate.Den)
	minutes := t.hours*60 + t.minutes
	n := (minutes*60+t.seconds)*nominal + t.frames
	if t.drop && nominal%30 == 0 {
		n -= nominal / 15 * (minutes - minutes/10)
	}
	return n
}

// after returns the time of a count of frames.
func after(frames int64, rate media.Rational) time.Duration {
	whole, rest := frames*rate.Den/rate.Num, frames*rate.Den%rate.Num
	return time.Duration(whole)*time.Second + time.Duration(rest)*time.Second/time.Duration(rate.Num)
}

// startTimecode is that of the first picture on the timeline of the outputs.
func (b *builder) startTimecode() (timecode, error) {
	c := b.settings.TimecodeConfig
	if c == nil {
		c = &types.TimecodeConfig{}
	}
	switch c.Source {
	case types.TimecodeSourceZerobased:
		return timecode{}, nil
	case types.TimecodeSourceSpecifiedstart:
		t, err := parseTimecode(aws.ToString(c.Start))
		if err != nil {
			return timecode{}, job.Errorf(1040, "/timecodeConfig/start: %v.", err)
		}
		return t, nil
	}
	// EMBEDDED, which is zero where the source has none.
	t, err := parseTimecode(b.source.Timecode)
	if err != nil {
		return timecode{}, nil //nolint:nilerr // none, or none that can be read
	}
	return t, nil
}

func (b *builder) timelineRate() media.Rational {
	if b.video == nil {
		return assumedFrameRate
	}
	return b.followRate()
}

// begin is the date and time of the first picture: the date that is given, or the day on which the job starts, at the time that the timecode says.
func (b *builder) begin() (time.Time, error) {
	start, err := b.startTimecode()
	if err != nil {
		return time.Time{}, err
	}
	day := b.options.Start.UTC().Truncate(24 * time.Hour)
	if c := b.settings.TimecodeConfig; c != nil && aws.ToString(c.TimestampOffset) != "" {
		if day, err = time.Parse(time.DateOnly, *c.TimestampOffset); err != nil {
			return time.Time{}, job.Errorf(1040, "/timecodeConfig/timestampOffset: %q is not a date; allowed: yyyy-mm-dd.", *c.TimestampOffset)
		}
	}
	rate := b.timelineRate()
	return day.Add(after(start.count(rate), rate)), nil
}

// maxID3 bounds an ID3 tag, in bytes. A tag that is longer would not fit into the PES packet that carries it in a transport stream.
const maxID3 = 60 << 10

// parseID3 reads a tag of ID3 version 2 in base64.
func parseID3(text string) ([]byte, error) {
	if base64.StdEncoding.DecodedLen(len(text)) > maxID3 {
		return nil, fmt.Errorf("the tag is longer than %d bytes", maxID3)
	}
	tag, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		if tag, err = base64.RawStdEncoding.DecodeString(text); err != nil {
			return nil, fmt.Errorf("it is not base64")
		}
	}
	if !bytes.HasPrefix(tag, []byte("ID3")) || len(tag) < 10 {
		return nil, fmt.Errorf("it is not a tag of ID3 version 2")
	}
	// Four times seven bits of size (ID3v2.4.0 section 3.1), without header and footer.
	size := 10
	for i, b := range tag[6:10] {
		if b > 0x7f {
			return nil, fmt.Errorf("its size is not synchsafe")
		}
		size += int(b) << (7 * (3 - i))
	}
	if tag[5]&0x10 != 0 {
		size += 10
	}
	if size != len(tag) {
		return nil, fmt.Errorf("it says that it has %d bytes, and has %d", size, len(tag))
	}
	return tag, nil
}

// metadata plans ID3 tags at given times for the outputs that take them, and time stamps in ID3.
func (s *streaming) metadata() error {
	if !slices.ContainsFunc(s.out.Representations, func(r Representation) bool { return r.PassMetadata }) {
		return nil
	}
	if s.kind == AppleHLS {
		s.out.ID3Frame, s.out.ID3Period = s.id3Frame, s.id3Period
		if s.id3Frame != "" {
			var err error
			if s.out.ID3Begin, err = s.b.begin(); err != nil {
				return err
			}
		}
	}
	t := s.b.settings.TimedMetadataInsertion
	if t == nil {
		return nil
	}
	start, err := s.b.startTimecode()
	if err != nil {
		return err
	}
	rate := s.b.timelineRate()
	for i := range t.Id3Insertions {
		path := fmt.Sprintf("/timedMetadataInsertion/id3Insertions/%d", i)
		tag, err := parseID3(aws.ToString(t.Id3Insertions[i].Id3))
		if err != nil {
			return job.Errorf(1040, "%s/id3: %v.", path, err)
		}
		at, err := parseTimecode(aws.ToString(t.Id3Insertions[i].Timecode))
		if err != nil {
			return job.Errorf(1040, "%s/timecode: %v.", path, err)
		}
		frames := at.count(rate) - start.count(rate)
		if frames < 0 {
			return job.Errorf(1040, "%s/timecode: %s is before the first frame of the outputs.", path, aws.ToString(t.Id3Insertions[i].Timecode))
		}
		s.out.Metadata = append(s.out.Metadata, TimedMetadata{At: after(frames, rate), ID3: tag})
	}
	slices.SortStableFunc(s.out.Metadata, func(a, b TimedMetadata) int { return int((a.At - b.At) / max(1, (a.At-b.At).Abs())) })
	return nil
}

// splitName takes a name apart at the identifiers of DASH that stand for a number or a time.
type splitNames struct {
	before, after string
	number, time  bool
	digits        int
}

const (
	numberOpen, numberClose = "\x03", "\x04" // around the digits of $Number$
	timeMark                = "\x05"
)

func splitName(name string) splitNames {
	if before, after, found := strings.Cut(name, timeMark); found {
		return splitNames{before: before, after: after, time: true}
	}
	before, rest, found := strings.Cut(name, numberOpen)
	if !found {
		return splitNames{before: name}
	}
	digits, after, _ := strings.Cut(rest, numberClose)
	n, _ := strconv.Atoi(digits)
	return splitNames{before: before, after: after, number: true, digits: n}
}
