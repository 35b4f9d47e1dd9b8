package validate

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// readPacked reads packed audio: an ID3 tag with a time stamp, and frames (RFC 8216 3.4).
func (c *checker) readPacked(r io.Reader, where string) *segment {
	out := &segment{where: where}
	b, err := io.ReadAll(io.LimitReader(r, maxSample+1))
	if err != nil || len(b) > maxSample {
		c.fail("packed-audio", where, "it cannot be read, or is longer than %d bytes", maxSample)
		return out
	}
	out.bytes = int64(len(b))
	stamp, n, setup, err := id3Stamp(b)
	if err != nil {
		c.fail("packed-audio", where, "%v", err)
	}
	frames := b[n:]
	codec := "aac"
	if f, err := parseDolby(frames); err == nil {
		codec = "ac-3"
		if f.enhanced {
			codec = "ec-3"
		}
	}
	count, samples, facts, err := audioFrames(frames, codec)
	if err != nil {
		c.fail("packed-audio", where, "%v", err)
	}
	if facts.sampleRate == 0 {
		return out
	}
	c.report.Samples += int64(count)
	ticks := samples * 90_000 / int64(facts.sampleRate)
	facts.sampleEntry = codec
	out.parts = []*part{{
		facts: &facts, scale: 90_000, decode: stamp, show: stamp, end: stamp + ticks, shown: stamp + ticks, last: ticks / int64(max(count, 1)), longest: ticks / int64(max(count, 1)),
		samples: int64(count), key: true, keys: int64(count), bytes: int64(len(frames)),
	}}
	if setup { // headers stay clear, so frames are counted the same
		out.parts[0].scheme, out.parts[0].protected = "SAMPLE-AES", int64(count)
	}
	return out
}

// id3Stamp reads the time stamp in an ID3 tag, how long the tag is, and whether it has the setup information that frames encrypted by SAMPLE-AES need ("MPEG-2 Stream
// Encryption Format for HTTP Live Streaming" 2.4).
func id3Stamp(b []byte) (stamp int64, size int, setup bool, err error) {
	const unset = -1
	stamp = unset
	synchsafe := func(b []byte) int { return int(b[0])<<21 | int(b[1])<<14 | int(b[2])<<7 | int(b[3]) }
	if len(b) < 10 || string(b[:3]) != "ID3" {
		return 0, 0, false, fmt.Errorf("it does not begin with an ID3 tag")
	}
	size = 10 + synchsafe(b[6:10])
	if size > len(b) {
		return 0, 0, false, fmt.Errorf("its ID3 tag is cut off")
	}
	const owner = "com.apple.streaming.transportStreamTimestamp\x00"
	for f := b[10:size]; len(f) >= 10 && f[0] != 0; {
		n := synchsafe(f[4:8])
		if n > len(f)-10 {
			break
		}
		body := f[10 : 10+n]
		if rest, ok := bytes.CutPrefix(body, []byte(owner)); ok && string(f[:4]) == "PRIV" && len(rest) == 8 {
			v := binary.BigEndian.Uint64(rest)
			if v >= 1<<33 {
				return 0, size, setup, fmt.Errorf("its time stamp has more than 33 bits")
			}
			stamp = int64(v)
		}
		setup = setup || string(f[:4]) == "PRIV" && bytes.HasPrefix(body, []byte("com.apple.streaming.audioDescription\x00"))
		f = f[10+n:]
	}
	if stamp != unset {
		return stamp, size, setup, nil
	}
	return 0, size, setup, fmt.Errorf("its ID3 tag has no time stamp (PRIV %s)", owner[:len(owner)-1])
}

// readVTT reads a segment of WebVTT, with the times that its X-TIMESTAMP-MAP moves.
func (c *checker) readVTT(r io.Reader, where string) *segment {
	out := &segment{where: where}
	b, err := io.ReadAll(io.LimitReader(r, maxManifest+1))
	if err != nil || len(b) > maxManifest {
		c.fail("webvtt", where, "it cannot be read, or is longer than %d bytes", maxManifest)
		return out
	}
	out.bytes = int64(len(b))
	s := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(b, []byte("\ufeff"))))
	s.Buffer(nil, maxManifest)
	line, last := 0, -1.0
	shift := 0.0
	for s.Scan() {
		line++
		l := s.Text()
		if line == 1 {
			if l != "WEBVTT" && !strings.HasPrefix(l, "WEBVTT ") && !strings.HasPrefix(l, "WEBVTT\t") {
				c.fail("webvtt", where, "it does not begin with WEBVTT")
				return out
			}
			continue
		}
		if rest, ok := strings.CutPrefix(l, "X-TIMESTAMP-MAP="); ok {
			var local float64
			var ticks int64
			good := true
			for _, f := range strings.Split(rest, ",") {
				if v, ok := strings.CutPrefix(f, "LOCAL:"); ok {
					local, ok = cueTime(v)
					good = good && ok
				} else if v, ok := strings.CutPrefix(f, "MPEGTS:"); ok {
					var err error
					ticks, err = strconv.ParseInt(v, 10, 64)
					good = good && err == nil
				}
			}
			if !good {
				c.fail("webvtt", where, "line %d: a bad X-TIMESTAMP-MAP", line)
			}
			shift = float64(ticks)/90_000 - local
		}
		before, after, ok := strings.Cut(l, " --> ")
		if !ok {
			continue
		}
		end, _, _ := strings.Cut(after, " ")
		from, ok1 := cueTime(strings.TrimSpace(before))
		to, ok2 := cueTime(strings.TrimSpace(end))
		if !ok1 || !ok2 || to <= from {
			c.fail("webvtt", where, "line %d: %q is no time of a cue", line, clip(l))
			continue
		}
		if from < last {
			c.fail("webvtt", where, "line %d: a cue begins before the one before it", line)
		}
		last = from
		out.cues = append(out.cues, [2]float64{from + shift, to + shift})
	}
	if line == 0 {
		c.fail("webvtt", where, "it is empty")
	}
	return out
}

// cueTime reads hh:mm:ss.ttt, the hours as they are wanted.
func cueTime(s string) (float64, bool) {
	whole, frac, ok := strings.Cut(s, ".")
	parts := strings.Split(whole, ":")
	if !ok || len(frac) != 3 || len(parts) < 2 || len(parts) > 3 {
		return 0, false
	}
	var d time.Duration
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 32)
		if err != nil || len(p) < 2 || i > 0 && (n > 59 || len(p) != 2) && len(parts) == 3 || i == 1 && n > 59 {
			return 0, false
		}
		d = d*60 + time.Duration(n)*time.Second
	}
	ms, err := strconv.ParseUint(frac, 10, 32)
	if err != nil {
		return 0, false
	}
	return (d + time.Duration(ms)*time.Millisecond).Seconds(), true
}
