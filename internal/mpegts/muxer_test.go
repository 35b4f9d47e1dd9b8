package mpegts_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/media"
	"darkroom/internal/mpegts"
	"darkroom/internal/mpegts/mpegtstest"
)

func avcTrack(mediaTime int64) *media.Track {
	return &media.Track{
		Kind: media.Video, Codec: media.AVC, Timescale: 30000, MediaTime: mediaTime,
		SPS: [][]byte{{0x67, 0x64, 0, 0x1f, 0xac}}, PPS: [][]byte{{0x68, 0xee, 0x3c}},
	}
}

func aacTrack(rate int, language string) *media.Track {
	config := map[int][]byte{48000: {0x11, 0x90}, 44100: {0x12, 0x10}, 8000: {0x15, 0x88}}[rate]
	return &media.Track{Kind: media.Audio, Codec: media.AAC, Timescale: uint32(rate), MediaTime: 1024, AudioConfig: config, Language: language}
}

// nal makes a sample of NAL units with 4-byte lengths.
func nal(units ...[]byte) []byte {
	var b []byte
	for _, u := range units {
		b = binary.BigEndian.AppendUint32(b, uint32(len(u)))
		b = append(b, u...)
	}
	return b
}

// slice is a NAL unit of n bytes that holds no start code.
func slice(kind byte, n int) []byte {
	b := bytes.Repeat([]byte{0x55}, n)
	b[0] = kind
	return b
}

func program(streams ...mpegts.Stream) mpegts.Program {
	return mpegts.Program{TransportStreamID: 7, Number: 3, PMTPID: 480, PCRPID: streams[0].PID, Streams: streams}
}

func newMuxer(t *testing.T, p mpegts.Program) *mpegts.Muxer {
	t.Helper()
	m, err := mpegts.NewMuxer(p)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func appendSample(t *testing.T, m *mpegts.Muxer, b []byte, index int, s media.Sample) []byte {
	t.Helper()
	b, err := m.AppendSample(b, index, &s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parse(t *testing.T, p *mpegtstest.Parser, b []byte) {
	t.Helper()
	if err := p.Segment(b); err != nil {
		t.Fatal(err)
	}
}

func TestProgram(t *testing.T) {
	t.Parallel()
	m := newMuxer(t, mpegts.Program{
		TransportStreamID: 7, Number: 3, PMTPID: 480, PCRPID: 481,
		Streams: []mpegts.Stream{{481, avcTrack(0)}, {482, aacTrack(48000, "deu")}, {483, aacTrack(44100, "")}},
	})
	var p mpegtstest.Parser
	b := m.AppendSegmentStart(nil)
	b = appendSample(t, m, b, 0, media.Sample{Sync: true, Duration: 1000, Data: nal(slice(0x65, 10))})
	parse(t, &p, b)
	want := []mpegtstest.Stream{{Type: 0x1b, PID: 481}, {Type: 0x0f, PID: 482, Language: "deu"}, {Type: 0x0f, PID: 483}}
	if diff := cmp.Diff(want, p.Streams); diff != "" {
		t.Errorf("streams (-want +got):\n%s", diff)
	}
	if p.TransportStreamID != 7 || p.Program != 3 || p.PCRPID != 481 {
		t.Errorf("got stream %d, program %d, clock %d; want 7, 3, 481", p.TransportStreamID, p.Program, p.PCRPID)
	}
}

// Every size of payload around the borders of packets comes through, whatever the stuffing.
func TestSizes(t *testing.T) {
	t.Parallel()
	m := newMuxer(t, program(mpegts.Stream{PID: 481, Track: avcTrack(2000)}))
	var p mpegtstest.Parser
	b := m.AppendSegmentStart(nil)
	var want [][]byte
	const sizes = 600
	for i := range sizes {
		data := slice(0x41, i+1)
		if i%7 == 0 {
			data[0] = 0x65
		}
		b = appendSample(t, m, b, 0, media.Sample{
			DecodeTime: int64(i) * 1000, CompositionOffset: int32(i % 3 * 1000), Duration: 1000, Sync: i%7 == 0, Data: nal(data),
		})
		want = append(want, data)
	}
	parse(t, &p, b)
	if len(p.Units) != sizes {
		t.Fatalf("got %d units, want %d", len(p.Units), sizes)
	}
	for i, u := range p.Units {
		if !bytes.HasSuffix(u.Data, append([]byte{0, 0, 0, 1}, want[i]...)) {
			t.Fatalf("unit %d: got % x", i, u.Data)
		}
		wantDTS := int64(10*90000 + (i*1000-2000)*3)
		if u.DTS != wantDTS || u.PTS != wantDTS+int64(i%3*3000) || u.RandomAccess != (i%7 == 0) {
			t.Fatalf("unit %d: got PTS %d, DTS %d, random access %v; want DTS %d", i, u.PTS, u.DTS, u.RandomAccess, wantDTS)
		}
	}
}

func TestParameterSets(t *testing.T) {
	t.Parallel()
	track := avcTrack(0)
	other := []byte{0x68, 0xaa, 0xbb}
	for _, tt := range []struct {
		name string
		sync bool
		data []byte
		want []byte // NAL unit types
	}{
		{"key frame", true, nal(slice(0x65, 9)), []byte{9, 7, 8, 5}},
		{"key frame with its own", true, nal([]byte{9, 0x10}, track.SPS[0], track.PPS[0], slice(6, 5), slice(0x65, 9)), []byte{9, 7, 8, 6, 5}},
		{"key frame with one more", true, nal(track.SPS[0], other, slice(0x65, 9)), []byte{9, 7, 8, 8, 5}},
		{"other", false, nal(slice(0x41, 9)), []byte{9, 1}},
		{"other with delimiter", false, nal([]byte{9, 0xf0}, slice(0x41, 9)), []byte{9, 1}},
		{"slices", false, nal(slice(0x41, 9), slice(0x41, 400)), []byte{9, 1, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMuxer(t, program(mpegts.Stream{PID: 481, Track: track}))
			b := m.AppendSegmentStart(nil)
			b = appendSample(t, m, b, 0, media.Sample{Sync: true, Data: nal(slice(0x65, 9))})
			b = appendSample(t, m, b, 0, media.Sample{DecodeTime: 1000, Sync: tt.sync, Data: tt.data})
			var p mpegtstest.Parser
			parse(t, &p, b)
			if got := mpegtstest.NALTypes(p.Units[1].Data); !bytes.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestAudioPES(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name           string
		framesPerPES   int
		frames, size   int
		wantUnits      int
		wantFirstCount int
	}{
		{"default", 0, 10, 100, 3, 4},
		{"one", 1, 10, 100, 10, 1},
		{"more than there are", 20, 10, 100, 1, 10},
		{"too large for one packet", 20, 20, 8000, 3, 8},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pr := program(mpegts.Stream{PID: 482, Track: aacTrack(48000, "")})
			pr.AudioFramesPerPES = tt.framesPerPES
			m := newMuxer(t, pr)
			b := m.AppendSegmentStart(nil)
			for i := range tt.frames {
				b = appendSample(t, m, b, 0, media.Sample{DecodeTime: int64(i) * 1024, Duration: 1024, Sync: true, Data: bytes.Repeat([]byte{byte(i)}, tt.size)})
			}
			b = m.AppendFlush(b)
			var p mpegtstest.Parser
			parse(t, &p, b)
			if len(p.Units) != tt.wantUnits || mpegtstest.Frames(p.Units[0].Data) != tt.wantFirstCount {
				t.Errorf("got %d units, the first of %d frames; want %d of %d", len(p.Units), mpegtstest.Frames(p.Units[0].Data), tt.wantUnits, tt.wantFirstCount)
			}
			total := 0
			for _, u := range p.Units {
				want := int64(900000 + (total-1)*1920)
				if u.PTS != want {
					t.Errorf("a unit at %d, want %d", u.PTS, want)
				}
				total += mpegtstest.Frames(u.Data)
			}
			if total != tt.frames {
				t.Errorf("%d frames, want %d", total, tt.frames)
			}
		})
	}
}

// The clock comes at least every 100 ms, in whatever stream it is carried and however rare pictures are.
func TestClock(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		pcrPID int
		step   int64 // ticks of 1/30000 s between pictures
		audio  int   // sample rate
	}{
		{"25 a second", 481, 1200, 48000},
		{"one in two seconds", 481, 60000, 48000},
		{"on the sound", 482, 1200, 44100},
		{"on slow sound", 482, 1200, 8000},
		{"on its own", 500, 1200, 48000},
		{"on its own, slow", 500, 30000, 8000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pr := program(mpegts.Stream{PID: 481, Track: avcTrack(tt.step)}, mpegts.Stream{PID: 482, Track: aacTrack(tt.audio, "")})
			pr.PCRPID = tt.pcrPID
			m := newMuxer(t, pr)
			var p mpegtstest.Parser
			audio := int64(0)
			for segment := range 3 {
				b := m.AppendSegmentStart(nil)
				for i := range 10 {
					n := int64(segment*10 + i)
					b = appendSample(t, m, b, 0, media.Sample{
						DecodeTime: n * tt.step, CompositionOffset: int32(tt.step), Duration: uint32(tt.step), Sync: i == 0, Data: nal(slice(0x65, 300)),
					})
					for audio*30000 < (n+1)*tt.step*int64(tt.audio) {
						b = appendSample(t, m, b, 1, media.Sample{DecodeTime: audio, Duration: 1024, Sync: true, Data: make([]byte, 50)})
						audio += 1024
					}
				}
				b = m.AppendFlush(b)
				before := len(p.PCRs)
				parse(t, &p, b)
				if len(p.PCRs) == before {
					t.Errorf("segment %d has no clock", segment)
				}
			}
			if limit := int64(9000); p.MaxPCRGap > limit {
				t.Errorf("%d ticks between two values of the clock; at most %d", p.MaxPCRGap, limit)
			}
			if len(p.Units) < 30 {
				t.Errorf("only %d units", len(p.Units))
			}
		})
	}
}

func TestTableIntervals(t *testing.T) {
	t.Parallel()
	pr := program(mpegts.Stream{PID: 481, Track: avcTrack(0)})
	pr.PATInterval, pr.PMTInterval = 100*time.Millisecond, 500*time.Millisecond
	m := newMuxer(t, pr)
	b := m.AppendSegmentStart(nil)
	for i := range 50 { // two seconds
		b = appendSample(t, m, b, 0, media.Sample{DecodeTime: int64(i) * 1200, Duration: 1200, Sync: i == 0, Data: nal(slice(0x65, 10))})
	}
	var p mpegtstest.Parser
	parse(t, &p, b)
	// Pictures come every 40 ms: the first at or after each interval brings the table.
	if p.PATs != 1+16 || p.PMTs != 1+3 {
		t.Errorf("got %d PATs and %d PMTs; want 17 and 4", p.PATs, p.PMTs)
	}
}

// 33 bits of time stamps are full after 26.5 hours; the stream goes on.
func TestWrap(t *testing.T) {
	t.Parallel()
	m := newMuxer(t, program(mpegts.Stream{PID: 481, Track: avcTrack(0)}))
	var p mpegtstest.Parser
	b := m.AppendSegmentStart(nil)
	const wrap = int64(1) << 33
	first := (wrap-900000)/3 - 50*1000 // 50 pictures before it
	for i := range int64(100) {
		b = appendSample(t, m, b, 0, media.Sample{DecodeTime: first + i*1000, CompositionOffset: 2000, Duration: 1000, Sync: i == 0, Data: nal(slice(0x65, 10))})
	}
	parse(t, &p, b)
	for i, u := range p.Units {
		want := (first+int64(i)*1000)*3 + 900000
		if u.DTS != want || u.PTS != want+6000 {
			t.Fatalf("picture %d: got DTS %d, PTS %d; want %d, %d", i, u.DTS, u.PTS, want, want+6000)
		}
	}
	if last := p.Units[99].DTS; last <= wrap {
		t.Errorf("the last picture is at %d, before the wrap", last)
	}
}

func TestLongGap(t *testing.T) {
	t.Parallel()
	m := newMuxer(t, program(mpegts.Stream{PID: 481, Track: avcTrack(0)}))
	b := m.AppendSegmentStart(nil)
	b = appendSample(t, m, b, 0, media.Sample{Sync: true, Data: nal(slice(0x65, 10))})
	b = appendSample(t, m, b, 0, media.Sample{DecodeTime: 30000 * 3600 * 24, Data: nal(slice(0x65, 10))})
	if len(b) > 10*mpegts.PacketSize {
		t.Errorf("%d packets for two pictures a day apart", len(b)/mpegts.PacketSize)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	good := avcTrack(0)
	audio := aacTrack(48000, "")
	for _, tt := range []struct {
		name   string
		change func(*mpegts.Program)
		want   string
	}{
		{"no stream", func(p *mpegts.Program) { p.Streams = nil }, "without a stream"},
		{"PID twice", func(p *mpegts.Program) { p.Streams[1].PID = 481 }, "used twice"},
		{"PMT on a stream", func(p *mpegts.Program) { p.PMTPID = 481 }, "used twice"},
		{"clock on the PMT", func(p *mpegts.Program) { p.PCRPID = 480 }, "used twice"},
		{"reserved PID", func(p *mpegts.Program) { p.PMTPID = 15 }, "out of range"},
		{"null PID", func(p *mpegts.Program) { p.Streams[0].PID = 0x1fff }, "out of range"},
		{"program 0", func(p *mpegts.Program) { p.Number = 0 }, "out of range"},
		{"two videos", func(p *mpegts.Program) { p.Streams[1].Track = good }, "two videos"},
		{"codec", func(p *mpegts.Program) { p.Streams[1].Track = &media.Track{Codec: "Opus"} }, "Opus"},
		{"AAC without configuration", func(p *mpegts.Program) { p.Streams[1].Track = &media.Track{Codec: media.AAC} }, "too short"},
		{"HE-AAC", func(p *mpegts.Program) {
			p.Streams[1].Track = &media.Track{Codec: media.AAC, AudioConfig: []byte{0x2b, 0x11}}
		}, "object type 5"},
		{"channels in a configuration element", func(p *mpegts.Program) {
			p.Streams[1].Track = &media.Track{Codec: media.AAC, AudioConfig: []byte{0x11, 0x80}}
		}, "channel configuration 0"},
		{"odd frequency", func(p *mpegts.Program) {
			p.Streams[1].Track = &media.Track{Codec: media.AAC, AudioConfig: []byte{0x17, 0x80, 0, 0, 0}}
		}, "sampling frequency"},
		{"too many streams", func(p *mpegts.Program) {
			for i := range 30 {
				p.Streams = append(p.Streams, mpegts.Stream{PID: 600 + i, Track: aacTrack(48000, "eng")})
			}
		}, "does not fit"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := program(mpegts.Stream{PID: 481, Track: good}, mpegts.Stream{PID: 482, Track: audio})
			tt.change(&p)
			if _, err := mpegts.NewMuxer(p); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestBadSamples(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		index  int
		sample media.Sample
	}{
		{"empty picture", 0, media.Sample{}},
		{"length beyond the end", 0, media.Sample{Data: []byte{0, 0, 0, 9, 0x65}}},
		{"length 0", 0, media.Sample{Data: []byte{0, 0, 0, 0, 0x65}}},
		{"length 2^32-1", 0, media.Sample{Data: []byte{0xff, 0xff, 0xff, 0xff, 0x65}}},
		{"cut length", 0, media.Sample{Data: []byte{0, 0, 0}}},
		{"delimiter alone", 0, media.Sample{Data: nal([]byte{9, 0xf0})}},
		{"shown before it is decoded", 0, media.Sample{CompositionOffset: -1000, Data: nal(slice(0x65, 4))}},
		{"sound too large", 1, media.Sample{Data: make([]byte, 8185)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMuxer(t, program(mpegts.Stream{PID: 481, Track: avcTrack(0)}, mpegts.Stream{PID: 482, Track: aacTrack(48000, "")}))
			if _, err := m.AppendSample(nil, tt.index, &tt.sample); err == nil {
				t.Error("no error")
			}
		})
	}
}

func BenchmarkVideo(b *testing.B) {
	m, err := mpegts.NewMuxer(program(mpegts.Stream{PID: 481, Track: avcTrack(0)}))
	if err != nil {
		b.Fatal(err)
	}
	data := nal(slice(0x41, 25_000))
	dst := make([]byte, 0, 1<<16)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	n := int64(0)
	for b.Loop() {
		if _, err := m.AppendSample(dst, 0, &media.Sample{DecodeTime: n * 1000, Duration: 1000, Data: data}); err != nil {
			b.Fatal(err)
		}
		n++
	}
}

// Whatever a sample holds, what is written is whole packets, and nothing panics.
func FuzzSample(f *testing.F) {
	f.Add(nal(slice(0x65, 9), slice(0x41, 400)), int64(3000), int32(2000), true)
	f.Add([]byte{0, 0, 0, 1}, int64(-5), int32(-1), false)
	f.Fuzz(func(t *testing.T, data []byte, dts int64, offset int32, sync bool) {
		const limit = 1 << 46 // what readers let through
		dts %= limit
		m, err := mpegts.NewMuxer(program(mpegts.Stream{PID: 481, Track: avcTrack(2002)}, mpegts.Stream{PID: 482, Track: aacTrack(48000, "")}))
		if err != nil {
			t.Fatal(err)
		}
		b := m.AppendSegmentStart(nil)
		for index := range 2 {
			s := media.Sample{DecodeTime: dts, CompositionOffset: offset, Sync: sync, Data: data}
			if next, err := m.AppendSample(b, index, &s); err == nil {
				b = next
			}
		}
		b = m.AppendFlush(b)
		if len(b)%mpegts.PacketSize != 0 {
			t.Fatalf("%d bytes", len(b))
		}
		for i := 0; i < len(b); i += mpegts.PacketSize {
			if b[i] != 0x47 {
				t.Fatalf("packet %d begins with %#02x", i/mpegts.PacketSize, b[i])
			}
		}
	})
}
