package mpegtstest

import (
	"errors"
	"fmt"
)

// TagFrame is a frame of an ID3 tag.
type TagFrame struct {
	ID   string
	Body string
}

// Tag reads the ID3 tag, of version 2.4.0, that b is ("ID3 tag version 2.4.0 - Main Structure", 3).
func Tag(b []byte) ([]TagFrame, error) {
	frames, rest, err := tag(b)
	if err == nil && len(rest) > 0 {
		err = errors.New("something behind an ID3 tag")
	}
	return frames, err
}

func tag(b []byte) (frames []TagFrame, rest []byte, err error) {
	if len(b) < 10 || string(b[:6]) != "ID3\x04\x00\x00" {
		return nil, nil, errors.New("no ID3 tag of version 2.4.0")
	}
	size, err := synchsafe(b[6:10])
	if err != nil || size > len(b)-10 {
		return nil, nil, fmt.Errorf("an ID3 tag of %d bytes: %w", size, err)
	}
	b, rest = b[10:10+size], b[10+size:]
	for len(b) > 0 {
		if len(b) < 10 || b[8] != 0 || b[9] != 0 {
			return nil, nil, errors.New("a frame header")
		}
		n, err := synchsafe(b[4:8])
		if err != nil || n > len(b)-10 {
			return nil, nil, fmt.Errorf("an ID3 frame of %d bytes: %w", n, err)
		}
		frames = append(frames, TagFrame{string(b[:4]), string(b[10 : 10+n])})
		b = b[10+n:]
	}
	return frames, rest, nil
}

func synchsafe(b []byte) (int, error) {
	n := 0
	for _, v := range b {
		if v > 127 {
			return 0, errors.New("no synchsafe integer")
		}
		n = n<<7 | int(v)
	}
	return n, nil
}

// Packed reads a segment of packed audio: the time stamp of its first sample, its audio setup information ("" for none) and its elementary stream.
func Packed(b []byte) (pts int64, setup string, elementary []byte, err error) {
	frames, rest, err := tag(b)
	if err != nil {
		return 0, "", nil, err
	}
	const (
		timestamp   = "com.apple.streaming.transportStreamTimestamp\x00"
		description = "com.apple.streaming.audioDescription\x00"
	)
	pts = -1
	for _, f := range frames {
		switch {
		case f.ID == "PRIV" && len(f.Body) == len(timestamp)+8 && f.Body[:len(timestamp)] == timestamp && pts < 0:
			pts = 0
			for _, v := range []byte(f.Body[len(timestamp):]) {
				pts = pts<<8 | int64(v)
			}
			if pts < 0 || pts >= 1<<33 {
				return 0, "", nil, errors.New("a time stamp of more than 33 bits")
			}
		case f.ID == "PRIV" && len(f.Body) > len(description) && f.Body[:len(description)] == description && setup == "":
			setup = f.Body[len(description):]
		default:
			return 0, "", nil, fmt.Errorf("an unexpected frame %s", f.ID)
		}
	}
	if pts < 0 {
		return 0, "", nil, errors.New("no time stamp")
	}
	return pts, setup, rest, nil
}
