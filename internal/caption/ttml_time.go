package caption

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// clock is what a document says of its times, TTML 2 section 7.2.
type clock struct {
	frameRate          int64 // frames a second, nominal
	multiplier         float64
	subFrames          int64 // in a frame
	tickRate           int64
	smpte, drop        bool
	cellsWide, cells   int64 // ttp:cellResolution
	widthPx, heightPx  float64
	rateGiven, tickSet bool
}

func newClock() clock {
	return clock{frameRate: 30, multiplier: 1, subFrames: 1, tickRate: 1, cellsWide: 32, cells: 15}
}

// maxRate bounds the rates of frames and ticks.
const maxRate = 1_000_000_000

// parameter reads an attribute of the namespace of parameters.
func (c *clock) parameter(name, value string) error {
	bad := fmt.Errorf("ttp:%s is %q, which cannot be understood", name, shorten(value))
	positive := func(to *int64) error {
		n, ok := number(strings.TrimSpace(value), maxRate)
		if !ok || n == 0 {
			return bad
		}
		*to = n
		return nil
	}
	pair := func() (a, b int64, err error) {
		f := strings.Fields(strings.ReplaceAll(value, ":", " ")) // drafts wrote a colon
		if len(f) != 2 {
			return 0, 0, bad
		}
		a, ok1 := number(f[0], maxRate)
		b, ok2 := number(f[1], maxRate)
		if !ok1 || !ok2 || a == 0 || b == 0 {
			return 0, 0, bad
		}
		return a, b, nil
	}
	switch name {
	case "frameRate":
		c.rateGiven = true
		return positive(&c.frameRate)
	case "subFrameRate":
		return positive(&c.subFrames)
	case "tickRate":
		c.tickSet = true
		return positive(&c.tickRate)
	case "frameRateMultiplier":
		a, b, err := pair()
		if err == nil {
			c.multiplier = float64(a) / float64(b)
		}
		return err
	case "cellResolution":
		a, b, err := pair()
		if err == nil {
			c.cellsWide, c.cells = a, b
		}
		return err
	case "timeBase":
		switch strings.TrimSpace(value) {
		case "media":
		case "smpte":
			c.smpte = true
		default:
			return fmt.Errorf("ttp:timeBase is %q; read are media and smpte", shorten(value))
		}
	case "dropMode":
		switch strings.TrimSpace(value) {
		case "nonDrop":
		case "dropNTSC":
			c.drop = true
		default:
			return fmt.Errorf("ttp:dropMode is %q; read are nonDrop and dropNTSC", shorten(value))
		}
	}
	return nil
}

// settle is called when all parameters are read.
func (c *clock) settle() {
	if !c.tickSet && c.rateGiven {
		c.tickRate = c.frameRate * c.subFrames
	}
}

// errTime is what cannot be read as a time.
var errTime = errors.New("not a time of TTML")

// parse reads a time expression, TTML 2 section 12.3.
func (c *clock) parse(s string) (time.Duration, error) {
	s = strings.TrimSpace(s)
	seconds, err := c.seconds(s)
	if err != nil || !(seconds >= 0 && seconds < maxTime.Seconds()) {
		return 0, fmt.Errorf("%q is %w that can be used, such as 00:00:01.500 or 1.5s", shorten(s), errTime)
	}
	return time.Duration(math.Round(seconds * float64(time.Second))), nil
}

func (c *clock) seconds(s string) (float64, error) {
	if !strings.Contains(s, ":") {
		return c.offset(s)
	}
	parts := strings.Split(s, ":")
	if len(parts) < 3 || len(parts) > 4 {
		return 0, errTime
	}
	h, ok1 := number(parts[0], int64(maxTime/time.Hour))
	m, ok2 := number(parts[1], 59)
	if !ok1 || !ok2 {
		return 0, errTime
	}
	var frames float64
	sec, err := decimalNumber(parts[2])
	if err != nil || sec > 60 {
		return 0, errTime
	}
	whole := h*3600 + m*60 + int64(sec)
	if len(parts) == 4 {
		f, sub, _ := strings.Cut(parts[3], ".")
		n, ok := number(f, c.frameRate)
		if !ok || strings.Contains(parts[2], ".") {
			return 0, errTime
		}
		frames = float64(n)
		if sub != "" {
			n, ok := number(sub, c.subFrames)
			if !ok {
				return 0, errTime
			}
			frames += float64(n) / float64(c.subFrames)
		}
	}
	rate := float64(c.frameRate) * c.multiplier
	if !c.smpte {
		return float64(h*3600+m*60) + sec + frames/rate, nil
	}
	// A count of frames: at 30000/1001 frames a second an hour of it is 3.6 s longer than an hour, unless numbers are left out.
	count := float64(whole*c.frameRate) + frames
	if c.drop {
		minutes := h*60 + m
		count -= float64(2 * (minutes - minutes/10))
	}
	return count / rate, nil
}

// offset reads a number with its unit.
func (c *clock) offset(s string) (float64, error) {
	i := strings.IndexFunc(s, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if i < 1 {
		return 0, errTime
	}
	n, err := decimalNumber(s[:i])
	if err != nil {
		return 0, err
	}
	switch s[i:] {
	case "h":
		return n * 3600, nil
	case "m":
		return n * 60, nil
	case "s":
		return n, nil
	case "ms":
		return n / 1000, nil
	case "f":
		return n / (float64(c.frameRate) * c.multiplier), nil
	case "t":
		return n / float64(c.tickRate), nil
	}
	return 0, errTime
}

// decimalNumber reads digits with a point between them.
func decimalNumber(s string) (float64, error) {
	if s == "" || len(s) > 24 || s[0] == '.' || s[len(s)-1] == '.' || strings.Trim(s, "0123456789.") != "" {
		return 0, errTime
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, errTime
	}
	return n, nil
}
