// Package caption reads captions and subtitles from files beside a film and writes them for players: SubRip, WebVTT (W3C, WebVTT: The Web Video Text Tracks
// Format), the text of TTML 1 and 2 and of IMSC 1.1 (W3C), and the samples of their tracks in ISO base media files (ISO/IEC 14496-30).
//
// What is kept of a caption is what all of these know: when it is shown, its lines, italic, bold and underlined text, colors, alignment, and roughly where in the picture it
// stands. Fonts, sizes, ruby text, animation, style sheets and images are not kept; captions that are images alone are refused.
//
// Parsers are bounded in everything that their input decides, resolve no entities, and refuse what they cannot read with the line where it stands.
package caption

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The limits of what is read.
const (
	// MaxSize is how many bytes a file may have: an hour of dense captions has about 100 KiB.
	MaxSize = 16 << 20
	maxCues = 200_000
	// maxText is how many bytes of text one cue may have, and maxOverlap how many cues may be shown at one time.
	maxText    = 8 << 10
	maxOverlap = 64
	// maxRepeated is how many bytes of text there may be where each cue counts once for every change of what is shown while it lasts: a track of samples without gaps repeats it so often.
	maxRepeated = 256 << 20
	// maxTime bounds times, so that no sum of them overflows.
	maxTime = 1000 * time.Hour
)

// Format is a format of captions. The zero value is none.
type Format int

// The formats. TTML is what is widely read of Timed Text Markup Language; IMSC is its Text Profile of IMSC 1.1.
const (
	SubRip Format = iota + 1
	WebVTT
	TTML
	IMSC
)

func (f Format) String() string {
	switch f {
	case SubRip:
		return "SubRip"
	case WebVTT:
		return "WebVTT"
	case TTML:
		return "TTML"
	case IMSC:
		return "IMSC"
	}
	return "captions of no format"
}

// Cue is a text that is shown from Start until End, on the timeline on which the film begins at 0.
type Cue struct {
	Start, End time.Duration
	Lines      []Line
	Place      Placement
}

// Line is a line of text.
type Line []Span

// Span is a piece of a line in one style.
type Span struct {
	Text string
	Style
}

// Style is how text looks. The zero value is as the player likes it.
type Style struct {
	Italic, Bold, Underline bool
	Color, Background       Color
}

// Color is an RGB color with its opacity. One without any opacity is not set.
type Color struct{ R, G, B, A uint8 }

// Align is where text stands between the edges of its box: start, center, end, left or right; "" for the default.
type Align string

// Placement is where a cue stands in the picture, in the words of WebVTT 3.4 (cue settings). The zero value leaves it to the player: at the bottom, centered.
type Placement struct {
	// Vertical is rl or lr for text whose lines are columns, growing to the left or right.
	Vertical string
	// Line, where HasLine, is where the box stands across its lines: a percentage of the picture, or a number of lines, negative from the bottom. LineAlign says which edge of the box.
	HasLine, Lines bool
	Line           float64
	LineAlign      Align
	// Position, where HasPosition, is a percentage along the lines. PositionAlign is line-left, center or line-right.
	HasPosition   bool
	Position      float64
	PositionAlign Align
	// Size is a percentage of the picture; 0 for all of it.
	Size float64
	// Align is that of the text in its box.
	Align Align
}

// Parse reads a whole file. What is returned is in the order of time. Cues that would be shown for no time, or have no text, are left out.
func Parse(data []byte, f Format) ([]Cue, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("more than %d bytes", MaxSize)
	}
	text, err := decode(data)
	if err != nil {
		return nil, err
	}
	var cues []Cue
	switch f {
	case SubRip:
		cues, err = parseSubRip(text)
	case WebVTT:
		cues, err = parseWebVTT(text)
	case TTML, IMSC:
		cues, err = parseTTML(text)
	default:
		return nil, errors.New("captions of no format")
	}
	if err != nil {
		return nil, err
	}
	cues = slices.DeleteFunc(cues, func(c Cue) bool { return c.End <= c.Start || c.empty() })
	slices.SortStableFunc(cues, func(a, b Cue) int { return cmp.Compare(a.Start, b.Start) })
	return cues, check(cues)
}

func (c *Cue) empty() bool {
	for _, l := range c.Lines {
		for _, s := range l {
			if strings.TrimSpace(s.Text) != "" {
				return false
			}
		}
	}
	return true
}

// size is how many bytes of text a cue has.
func (c *Cue) size() int {
	n := 0
	for _, l := range c.Lines {
		n += len(l)
		for _, s := range l {
			n += len(s.Text)
		}
	}
	return n
}

// check refuses cues, which are in the order of time, that would be repeated too often.
func check(cues []Cue) error {
	if len(cues) > maxCues {
		return fmt.Errorf("more than %d captions", maxCues)
	}
	var active []*Cue
	var repeated int64
	for i, from, until := 0, time.Duration(0), time.Duration(0); ; from = until {
		active = slices.DeleteFunc(active, func(c *Cue) bool { return c.End <= from })
		for i < len(cues) && cues[i].Start <= from {
			active = append(active, &cues[i])
			i++
		}
		if len(active) > maxOverlap {
			return fmt.Errorf("more than %d captions are shown at the same time, at %v", maxOverlap, from)
		}
		until = maxTime * 2
		if i < len(cues) {
			until = cues[i].Start
		}
		for _, c := range active {
			repeated += int64(c.size())
			until = min(until, c.End)
		}
		if repeated > maxRepeated {
			return errors.New("captions that overlap each other too often")
		}
		if i == len(cues) && len(active) == 0 {
			return nil
		}
	}
}

// Shift moves cues in time, and leaves out what would then be shown before time 0, or at or after end where that is greater than 0. The cues given stay as they are.
func Shift(cues []Cue, by, end time.Duration) []Cue {
	var moved []Cue
	for _, c := range cues {
		c.Start, c.End = max(0, c.Start+by), c.End+by
		if end > 0 {
			c.End = min(c.End, end)
		}
		if c.End > c.Start {
			moved = append(moved, c)
		}
	}
	return moved
}

// Plain are the same cues without style and place, which leaves both to the player.
func Plain(cues []Cue) []Cue {
	plain := make([]Cue, len(cues))
	for i, c := range cues {
		plain[i] = Cue{Start: c.Start, End: c.End}
		for _, l := range c.Lines {
			plain[i].Lines = append(plain[i].Lines, Line{{Text: l.text()}})
		}
	}
	return plain
}

func (l Line) text() string {
	var b strings.Builder
	for _, s := range l {
		b.WriteString(s.Text)
	}
	return b.String()
}

// Merge makes one cue of those that are shown at the same times, with the place of the first: some players show one cue at a time alone.
func Merge(cues []Cue) []Cue {
	var merged []Cue
	last := map[[2]time.Duration]int{}
	for _, c := range cues {
		key := [2]time.Duration{c.Start, c.End}
		if i, there := last[key]; there {
			merged[i].Lines = append(slices.Clip(merged[i].Lines), c.Lines...)
			continue
		}
		last[key] = len(merged)
		merged = append(merged, c)
	}
	return merged
}

// Cutter hands out cues piece by piece, in the order of time. It is made by NewCutter, and not safe for use by several goroutines.
type Cutter struct {
	cues   []Cue
	next   int
	active []numbered
}

// numbered is a cue with its place among all, which tells the pieces of one that is cut up.
type numbered struct {
	*Cue
	number int
}

// NewCutter cuts cues, which are in the order of time, as Parse returns them.
func NewCutter(cues []Cue) *Cutter { return &Cutter{cues: cues} }

// until returns the cues that are shown at any time from start until end. start is not before that of an earlier call.
func (c *Cutter) until(start, end time.Duration) []numbered {
	for c.next < len(c.cues) && c.cues[c.next].Start < end {
		c.active = append(c.active, numbered{&c.cues[c.next], c.next})
		c.next++
	}
	c.active = slices.DeleteFunc(c.active, func(n numbered) bool { return n.End <= start })
	shown := len(c.active)
	for shown > 0 && c.active[shown-1].Start >= end {
		shown--
	}
	return c.active[:shown]
}

// AppendFile appends cues as a file of a format. language is RFC 5646, "" when not known; some formats do not say it.
func AppendFile(dst []byte, f Format, cues []Cue, language string) []byte {
	switch f {
	case SubRip:
		return AppendSubRip(dst, cues)
	case WebVTT:
		return AppendWebVTT(dst, cues)
	}
	return AppendTTML(dst, f, cues, language)
}
