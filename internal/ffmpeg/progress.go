package ffmpeg

import (
	"bufio"
	"io"
	"strconv"
	"strings"
	"time"
)

// Progress is one report of a running encoder.
type Progress struct {
	Frames  int64
	OutTime time.Duration // how far the furthest output is
	Speed   float64       // times real time
	End     bool
}

// ReadProgress calls report for every block of key=value lines that -progress writes to r, until r ends. Lines are short; one that is not
// is an error.
func ReadProgress(r io.Reader, report func(Progress)) error {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 4096), 4096)
	var p Progress
	for s.Scan() {
		key, value, _ := strings.Cut(strings.TrimSpace(s.Text()), "=")
		value = strings.TrimSpace(value)
		switch key {
		case "frame":
			p.Frames, _ = strconv.ParseInt(value, 10, 64)
		case "out_time_us":
			if us, err := strconv.ParseInt(value, 10, 64); err == nil && us > 0 {
				p.OutTime = time.Duration(us) * time.Microsecond
			}
		case "speed":
			p.Speed, _ = strconv.ParseFloat(strings.TrimSuffix(value, "x"), 64)
		case "progress":
			p.End = value == "end"
			report(p)
		}
	}
	return s.Err()
}
