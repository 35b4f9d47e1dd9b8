package id3

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestAppend(t *testing.T) {
	t.Parallel()
	when := time.Date(2023, 5, 5, 3, 44, 4, 200_999_999, time.FixedZone("", 7200))
	for _, tt := range []struct {
		name   string
		frames []Frame
		want   string
	}{
		{"none", nil, "ID3\x04\x00\x00\x00\x00\x00\x00"},
		{
			"time stamp, RFC 8216 3.4",
			[]Frame{Timestamp(0x1_2345_6789)},
			"ID3\x04\x00\x00\x00\x00\x00\x3f" + "PRIV\x00\x00\x00\x35\x00\x00com.apple.streaming.transportStreamTimestamp\x00\x00\x00\x00\x01\x23\x45\x67\x89",
		},
		{
			"time stamp before 0",
			[]Frame{Timestamp(-1)},
			"ID3\x04\x00\x00\x00\x00\x00\x3f" + "PRIV\x00\x00\x00\x35\x00\x00com.apple.streaming.transportStreamTimestamp\x00\x00\x00\x00\x01\xff\xff\xff\xff",
		},
		{
			"UTC",
			[]Frame{UTC(when)},
			"ID3\x04\x00\x00\x00\x00\x00\x4f" + "PRIV\x00\x00\x00\x45\x00\x00com.elementaltechnologies.timestamp.utc\x002023-05-05T01:44:04.200+00:00",
		},
		{"release time", []Frame{ReleaseTime(when)}, "ID3\x04\x00\x00\x00\x00\x00\x1e" + "TDRL\x00\x00\x00\x14\x00\x00\x032023-05-05T01:44:04"},
		{
			"two frames, more than 127 bytes",
			[]Frame{Timestamp(1), AudioDescription(bytes.Repeat([]byte("s"), 100))},
			"ID3\x04\x00\x00\x00\x00\x01\x52" + "PRIV\x00\x00\x00\x35\x00\x00com.apple.streaming.transportStreamTimestamp\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
				"PRIV\x00\x00\x01\x09\x00\x00com.apple.streaming.audioDescription\x00" + strings.Repeat("s", 100),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := Append([]byte("before"), tt.frames...)
			if string(got) != "before"+tt.want {
				t.Errorf("got %q, want %q", got, "before"+tt.want)
			}
			if err := Check(got[len("before"):]); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, tag, want string
	}{
		{"empty tag", "ID3\x04\x00\x00\x00\x00\x00\x00", ""},
		{"version 2.3", "ID3\x03\x00\x00\x00\x00\x00\x02ab", ""},
		{"footer", "ID3\x04\x00\x10\x00\x00\x00\x01a0123456789", ""},
		{"nothing", "", "begins with ID3"},
		{"cut header", "ID3\x04\x00\x00\x00\x00\x00", "begins with ID3"},
		{"something else", "TAG\x04\x00\x00\x00\x00\x00\x00", "begins with ID3"},
		{"no version", "ID3\xff\x00\x00\x00\x00\x00\x00", "no version"},
		{"eight bits", "ID3\x04\x00\x00\x00\x00\x00\x80", "synchsafe"},
		{"cut", "ID3\x04\x00\x00\x00\x00\x00\x02a", "says it has 12 bytes, but has 11"},
		{"something behind", "ID3\x04\x00\x00\x00\x00\x00\x01ab", "says it has 11 bytes, but has 12"},
		{"footer missing", "ID3\x04\x00\x10\x00\x00\x00\x01a", "says it has 21 bytes, but has 11"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := Check([]byte(tt.tag))
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte("ID3\x04\x00\x10\x00\x00\x00\x01a0123456789"))
	f.Add([]byte("ID3\x04\x00\x00\x7f\x7f\x7f\x7f"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if Check(b) == nil && (len(b) < headerSize || !bytes.HasPrefix(b, []byte("ID3"))) {
			t.Errorf("%q passes", b)
		}
	})
}
