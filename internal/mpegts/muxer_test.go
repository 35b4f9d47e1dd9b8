package mpegts_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/cenc"
	"darkroom/internal/id3"
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
		Streams: []mpegts.Stream{{PID: 481, Track: avcTrack(0)}, {PID: 482, Track: aacTrack(48000, "deu")}, {PID: 483, Track: aacTrack(44100, "")}},
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
		{"no track", func(p *mpegts.Program) { p.Streams[1].Track = nil }, "without a track"},
		{"no timescale", func(p *mpegts.Program) {
			p.Streams[1].Track = &media.Track{Codec: media.AAC, AudioConfig: audio.AudioConfig}
		}, "timescale"},
		{"HEVC without parameter sets", func(p *mpegts.Program) { p.Streams[0].Track = &media.Track{Codec: media.HEVC, Timescale: 1} }, "without a sequence"},
		{"HEVC with half a parameter set", func(p *mpegts.Program) {
			p.Streams[0].Track = &media.Track{Codec: media.HEVC, Timescale: 1, SPS: [][]byte{{0x42, 1, 1, 1, 0x60, 0, 0, 3, 0, 0x90, 0, 0, 3, 0, 0, 3, 0}}}
		}, "too short"},
		{"AC-3 without dac3", func(p *mpegts.Program) { p.Streams[1].Track = &media.Track{Codec: media.AC3, Timescale: 1} }, "dac3"},
		{"E-AC-3 without dec3", func(p *mpegts.Program) { p.Streams[1].Track = &media.Track{Codec: media.EAC3, Timescale: 1} }, "dec3"},
		{"AV1", func(p *mpegts.Program) { p.Streams[0].Track = &media.Track{Codec: media.AV1} }, "AV1"},
		{"metadata on the sound", func(p *mpegts.Program) { p.MetadataPID = 482 }, "used twice"},
		{"clock on the metadata", func(p *mpegts.Program) { p.MetadataPID, p.PCRPID = 500, 500 }, "used twice"},
		{"negative PTS offset", func(p *mpegts.Program) { p.PTSOffset = new(time.Duration); *p.PTSOffset = -1 }, "PTS offset"},
		{"delta of two days", func(p *mpegts.Program) { p.AudioPTSDelta = -48 * time.Hour }, "PTS offset"},
		{"clock every microsecond", func(p *mpegts.Program) { p.MaxPCRInterval = time.Microsecond }, "PCR interval"},
		{"clock every hour", func(p *mpegts.Program) { p.MaxPCRInterval = time.Hour }, "PCR interval"},
		{"AAC without configuration", func(p *mpegts.Program) { p.Streams[1].Track = &media.Track{Codec: media.AAC} }, "too short"},
		{"HE-AAC", func(p *mpegts.Program) {
			p.Streams[1].Track = &media.Track{Codec: media.AAC, Timescale: 48000, AudioConfig: []byte{0x2b, 0x11}}
		}, "object type 5"},
		{"channels in a configuration element", func(p *mpegts.Program) {
			p.Streams[1].Track = &media.Track{Codec: media.AAC, Timescale: 48000, AudioConfig: []byte{0x11, 0x80}}
		}, "channel configuration 0"},
		{"odd frequency", func(p *mpegts.Program) {
			p.Streams[1].Track = &media.Track{Codec: media.AAC, Timescale: 48000, AudioConfig: []byte{0x17, 0x80, 0, 0, 0}}
		}, "sampling frequency"},
		{"too many streams", func(p *mpegts.Program) {
			for i := range 100 {
				p.Streams = append(p.Streams, mpegts.Stream{PID: 600 + i, Track: aacTrack(48000, "eng")})
			}
		}, "more than the 1024 of a section"},
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
	const (
		avc = iota
		aac
		ac3
		eac3
		hevc
	)
	wrong := func(frame []byte, at int, v byte) []byte {
		frame[at] = v
		return frame
	}
	for _, tt := range []struct {
		name   string
		index  int
		sample media.Sample
	}{
		{"empty picture", avc, media.Sample{}},
		{"length beyond the end", avc, media.Sample{Data: []byte{0, 0, 0, 9, 0x65}}},
		{"length 0", avc, media.Sample{Data: []byte{0, 0, 0, 0, 0x65}}},
		{"length 2^32-1", avc, media.Sample{Data: []byte{0xff, 0xff, 0xff, 0xff, 0x65}}},
		{"cut length", avc, media.Sample{Data: []byte{0, 0, 0}}},
		{"delimiter alone", avc, media.Sample{Data: nal([]byte{9, 0xf0})}},
		{"shown before it is decoded", avc, media.Sample{CompositionOffset: -1000, Data: nal(slice(0x65, 4))}},
		{"good unit, then a bad one", avc, media.Sample{Data: append(nal(slice(0x65, 400)), 0, 0, 1)}},
		{"HEVC: half a header", hevc, media.Sample{Data: nal([]byte{0x26})}},
		{"HEVC: delimiter alone", hevc, media.Sample{Data: nal([]byte{0x46, 1, 0x50})}},
		{"HEVC: length beyond the end", hevc, media.Sample{Data: []byte{0, 0, 0, 9, 0x26, 1}}},
		{"empty sound", aac, media.Sample{}},
		{"sound too large", aac, media.Sample{Data: make([]byte, 8185)}},
		{"no AC-3", ac3, media.Sample{}},
		{"AC-3: no sync word", ac3, media.Sample{Data: wrong(ac3Frame(), 1, 0x78)}},
		{"AC-3: half a frame", ac3, media.Sample{Data: ac3Frame()[:127]}},
		{"AC-3: a header", ac3, media.Sample{Data: ac3Frame()[:5]}},
		{"AC-3: something behind", ac3, media.Sample{Data: append(ac3Frame(), 0)}},
		{"AC-3: reserved rate", ac3, media.Sample{Data: wrong(ac3Frame(), 4, 0xc0)}},
		{"AC-3: reserved size", ac3, media.Sample{Data: wrong(ac3Frame(), 4, 38)}},
		{"AC-3: E-AC-3", ac3, media.Sample{Data: eac3Frame()}},
		{"AC-3: bsid 17", ac3, media.Sample{Data: wrong(ac3Frame(), 5, 17<<3)}},
		{"no E-AC-3", eac3, media.Sample{}},
		{"E-AC-3: size beyond the end", eac3, media.Sample{Data: wrong(eac3Frame(), 3, 0x32)}},
		{"E-AC-3: size too small", eac3, media.Sample{Data: wrong(eac3Frame(), 3, 1)}},
		{"E-AC-3: a second frame cut", eac3, media.Sample{Data: append(eac3Frame(), eac3Frame()[:99]...)}},
		{"E-AC-3: more than a PES packet", eac3, media.Sample{Data: bytes.Repeat(eac3Frame(), 656)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, key := range []*cenc.Key{nil, testKey()} {
				tracks := []*media.Track{avcTrack(0), aacTrack(48000, ""), ac3Track(), eac3Track(), hevcTrack()}
				track := tracks[tt.index]
				if track.Codec == media.HEVC {
					key = nil
				}
				m := newMuxer(t, program(mpegts.Stream{PID: 481, Track: track, Key: key, FirstFrame: ac3Frame()}))
				before := m.AppendSegmentStart(nil)
				b, err := m.AppendSample(before, 0, &tt.sample)
				if err == nil {
					t.Error("no error")
				}
				if b = m.AppendFlush(b); len(b) != len(before) {
					t.Errorf("%d bytes were written", len(b)-len(before))
				}
			}
		})
	}
}

// What the program map says of clear streams, byte by byte.
func TestDescriptors(t *testing.T) {
	t.Parallel()
	german := ac3Track()
	german.Language = "deu"
	for _, tt := range []struct {
		name  string
		track *media.Track
		kind  int
		want  []string
	}{
		{"AVC", avcTrack(0), 0x1b, nil},
		{"HEVC", hevcTrack(), 0x24, []string{"\x05\x04HEVC", "\x38\x0d\x01\x60\x00\x00\x00\x90\x00\x00\x00\x00\x00\x5d\x0f"}},
		{"AAC", aacTrack(48000, ""), 0x0f, nil},
		{"AC-3", german, 0x81, []string{"\x0a\x04deu\x00", "\x05\x04AC-3", "\x6a\x02\x4f\x08"}},
		{"E-AC-3", eac3Track(), 0x87, []string{"\x05\x04EAC3", "\x7a\x02\x40\x10"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pr := program(mpegts.Stream{PID: 481, Track: tt.track})
			pr.MetadataPID = 500
			var p mpegtstest.Parser
			parse(t, &p, newMuxer(t, pr).AppendSegmentStart(nil))
			want := []mpegtstest.Stream{{Type: tt.kind, PID: 481, Language: tt.track.Language}, {Type: 0x15, PID: 500}}
			if diff := cmp.Diff(want, p.Streams); diff != "" {
				t.Errorf("streams (-want +got):\n%s", diff)
			}
			descriptors(t, p.Descriptors[481], tt.want)
			descriptors(t, p.ProgramInfo, []string{"\x25\x0f\xff\xffID3 \xffID3 \x00\x1f\x00\x03"})
			descriptors(t, p.Descriptors[500], []string{"\x26\x0d\xff\xffID3 \xffID3 \x00\x0f"})
		})
	}
}

// A program map goes over as many packets as it takes, at every size around their borders.
func TestLongProgramMap(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 80; n++ {
		pr := program(mpegts.Stream{PID: 400, Track: avcTrack(0)})
		pr.PMTInterval = time.Millisecond
		for i := range n {
			language := ""
			if i%3 == 0 {
				language = "eng"
			}
			pr.Streams = append(pr.Streams, mpegts.Stream{PID: 600 + i, Track: aacTrack(48000, language)})
		}
		m := newMuxer(t, pr)
		b := m.AppendSegmentStart(nil)
		for i := range 3 {
			b = appendSample(t, m, b, 0, media.Sample{DecodeTime: int64(i) * 1000, Sync: true, Data: nal(slice(0x65, 10))})
		}
		var p mpegtstest.Parser
		parse(t, &p, b)
		if p.PMTs != 3 || len(p.Streams) != n+1 || p.Streams[n].PID != 599+n || len(p.Units) != 3 {
			t.Fatalf("%d tables of %d streams", p.PMTs, len(p.Streams))
		}
	}
}

func TestHEVC(t *testing.T) {
	t.Parallel()
	track := hevcTrack()
	key := []byte{0x26, 1, 0xaf, 9}
	for _, tt := range []struct {
		name string
		sync bool
		data []byte
		want string
	}{
		{"key frame", true, nal(key), "\x46\x01\x50|vps|sps|pps|key"},
		{"key frame with its own", true, nal([]byte{0x46, 1, 0x10}, track.VPS[0], track.SPS[0], track.PPS[0], key), "\x46\x01\x50|vps|sps|pps|key"},
		{"key frame with one more", true, nal([]byte{0x44, 1, 0xff}, key), "\x46\x01\x50|vps|sps|pps|\x44\x01\xff|key"},
		{"other", false, nal([]byte{2, 1, 0xd0}, []byte{0x4e, 1, 5}), "\x46\x01\x50|\x02\x01\xd0|\x4e\x01\x05"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMuxer(t, program(mpegts.Stream{PID: 481, Track: track}))
			b := appendSample(t, m, m.AppendSegmentStart(nil), 0, media.Sample{Sync: true, Data: nal(key)})
			b = appendSample(t, m, b, 0, media.Sample{DecodeTime: 1000, Sync: tt.sync, Data: tt.data})
			var p mpegtstest.Parser
			parse(t, &p, b)
			want := strings.NewReplacer("|", "\x00\x00\x00\x01", "vps", string(track.VPS[0]), "sps", string(track.SPS[0]), "pps", string(track.PPS[0]), "key", string(key)).
				Replace("|" + tt.want)
			if got := string(p.Units[1].Data); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestSyncframes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		track *media.Track
		data  []byte
	}{
		{"AC-3", ac3Track(), ac3Frame()},
		{"E-AC-3", eac3Track(), eac3Frame()},
		{"E-AC-3 with a dependent substream", eac3Track(), append(eac3Frame(), eac3Frame()...)},
		{"E-AC-3 over AC-3", eac3Track(), append(ac3Frame(), eac3Frame()...)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pr := program(mpegts.Stream{PID: 481, Track: tt.track})
			pr.AudioFramesPerPES = 3
			m := newMuxer(t, pr)
			b := m.AppendSegmentStart(nil)
			for i := range 6 {
				b = appendSample(t, m, b, 0, media.Sample{DecodeTime: int64(i) * 1536, Duration: 1536, Data: tt.data})
			}
			var p mpegtstest.Parser
			parse(t, &p, b)
			if len(p.Units) != 2 || !bytes.Equal(p.Units[1].Data, bytes.Repeat(tt.data, 3)) || p.Units[1].PTS != 900000+3*1536*90/48 {
				t.Errorf("units %v", p.Units)
			}
		})
	}
}

// A sample may be changed as soon as it was appended, though its sound waits for companions.
func TestSoundIsCopied(t *testing.T) {
	t.Parallel()
	m := newMuxer(t, program(mpegts.Stream{PID: 481, Track: aacTrack(48000, "")}))
	data := []byte("first")
	b := appendSample(t, m, m.AppendSegmentStart(nil), 0, media.Sample{Data: data})
	copy(data, "wrong")
	var p mpegtstest.Parser
	parse(t, &p, m.AppendFlush(b))
	if got := string(p.Units[0].Data[7:]); got != "first" {
		t.Errorf("got %q", got)
	}
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	pr := program(mpegts.Stream{PID: 481, Track: avcTrack(2000)})
	pr.MetadataPID = 502
	m := newMuxer(t, pr)
	when := time.Date(2024, 2, 29, 23, 59, 58, 123_456_789, time.FixedZone("", 3600))
	var p mpegtstest.Parser
	picture := func(b []byte, n int64) []byte {
		return appendSample(t, m, b, 0, media.Sample{
			DecodeTime: n * 1000, CompositionOffset: 2000, Duration: 1000, Sync: n%30 == 0, Data: nal(slice(0x65, 300)),
		})
	}
	tags := [][]byte{
		id3.Append(nil, id3.UTC(when)), id3.Append(nil, id3.ReleaseTime(when)), id3.Append(nil, id3.AudioDescription(make([]byte, 60_000))),
	}
	n := int64(0)
	for i, tag := range tags {
		b := m.AppendSegmentStart(nil)
		var err error
		if b, err = m.AppendMetadata(b, time.Duration(i)*time.Second, tag); err != nil {
			t.Fatal(err)
		}
		for range 30 {
			b = picture(b, n)
			n++
		}
		before := len(p.PCRs)
		parse(t, &p, b)
		if len(p.PCRs)-before != 30 {
			t.Errorf("%d values of the clock for 30 pictures", len(p.PCRs)-before)
		}
	}
	var got [][]byte
	for _, u := range p.Units {
		if u.PID != 502 {
			continue
		}
		if want := int64(10+len(got)) * 90000; u.PTS != want {
			t.Errorf("metadata at %d, want %d", u.PTS, want)
		}
		got = append(got, u.Data)
	}
	if diff := cmp.Diff(tags, got); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	for _, tt := range []struct {
		name string
		pid  int
		at   time.Duration
		tag  []byte
	}{
		{"no stream", 0, 0, tags[0]},
		{"before the start", 502, -1, tags[0]},
		{"after two years", 502, 2 * 365 * 24 * time.Hour, tags[0]},
		{"no tag", 502, 0, nil},
		{"half a tag", 502, 0, tags[0][:20]},
		{"more than a PES packet", 502, 0, id3.Append(nil, id3.AudioDescription(make([]byte, 65_500)))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pr := program(mpegts.Stream{PID: 481, Track: avcTrack(0)})
			pr.MetadataPID = tt.pid
			if b, err := newMuxer(t, pr).AppendMetadata(nil, tt.at, tt.tag); err == nil || len(b) > 0 {
				t.Errorf("%d bytes, error %v", len(b), err)
			}
		})
	}
}

// The offset moves all times and the clock; the delta the time stamps of sound alone. What would be before 0 wraps.
func TestTiming(t *testing.T) {
	t.Parallel()
	const wrap = int64(1) << 33
	for _, tt := range []struct {
		name         string
		offset       time.Duration
		delta        time.Duration
		video, sound int64 // first PTS
		clock        int64 // first PCR
	}{
		{"two seconds", 2 * time.Second, 0, 180000, 180000, 180000 - 6000 - 63000},
		{"milliseconds", 1234 * time.Millisecond, 100 * time.Millisecond, 111060, 111060 + 9000, 111060 - 69000},
		{"sound earlier", 2 * time.Second, -250 * time.Millisecond, 180000, 180000 - 22500, 180000 - 69000},
		{"sound ten seconds later", 2 * time.Second, 10 * time.Second, 180000, 180000 + 900000, 180000 - 69000},
		{"an hour", time.Hour, 0, 3600 * 90000, 3600 * 90000, 3600*90000 - 69000},
		{"none", 0, 0, 0, 0, wrap - 69000},
		{"sound before 0", 0, -time.Second, 0, wrap - 90000, wrap - 69000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pr := program(mpegts.Stream{PID: 481, Track: avcTrack(2000)}, mpegts.Stream{PID: 482, Track: aacTrack(48000, "")})
			pr.PTSOffset, pr.AudioPTSDelta = &tt.offset, tt.delta
			m := newMuxer(t, pr)
			b := m.AppendSegmentStart(nil)
			for i := range int64(90) {
				b = appendSample(t, m, b, 0, media.Sample{DecodeTime: i * 1000, CompositionOffset: 2000, Duration: 1000, Sync: i == 0, Data: nal(slice(0x65, 300))})
				for s := range int64(2) {
					b = appendSample(t, m, b, 1, media.Sample{DecodeTime: 1024 + (i*2+s)*800, Duration: 800, Data: make([]byte, 50)})
				}
			}
			b = m.AppendFlush(b)
			firstPTS, firstPCR := firsts(b)
			if firstPTS[481] != tt.video || firstPTS[482] != tt.sound || firstPCR != tt.clock {
				t.Errorf("got pictures from %d, sound from %d, clock from %d; want %d, %d, %d", firstPTS[481], firstPTS[482], firstPCR, tt.video, tt.sound, tt.clock)
			}
			if tt.clock < wrap/2 && tt.delta >= 0 { // the reader is strict: nothing before the clock
				var p mpegtstest.Parser
				parse(t, &p, b)
				if p.MaxPCRGap > 9000 {
					t.Errorf("%d ticks without the clock", p.MaxPCRGap)
				}
			}
		})
	}
}

// firsts are the first PTS of each PID and the first PCR of packets.
func firsts(b []byte) (pts map[int]int64, pcr int64) {
	pts, pcr = map[int]int64{}, -1
	for ; len(b) > 0; b = b[mpegts.PacketSize:] {
		pid := int(b[1]&31)<<8 | int(b[2])
		payload := b[4:mpegts.PacketSize]
		if b[3]&0x20 != 0 {
			if payload[0] > 0 && payload[1]&0x10 != 0 && pcr < 0 {
				pcr = int64(payload[2])<<25 | int64(payload[3])<<17 | int64(payload[4])<<9 | int64(payload[5])<<1 | int64(payload[6]>>7)
			}
			payload = payload[1+payload[0]:]
		}
		if _, seen := pts[pid]; seen || b[1]&0x40 == 0 || !bytes.HasPrefix(payload, []byte{0, 0, 1}) {
			continue
		}
		v := payload[9:14]
		pts[pid] = int64(v[0]>>1&7)<<30 | int64(v[1])<<22 | int64(v[2]>>1)<<15 | int64(v[3])<<7 | int64(v[4]>>1)
	}
	return pts, pcr
}

// The clock is in every PES packet of its PID, or as rare as the interval lets it be.
func TestPCRControl(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		periodic bool
		interval time.Duration
		pcrPID   int
		maxGap   int64
		want     [2]int // of values in 10 s: at least, at most
		alone    bool   // packets of the clock without payload are needed
	}{
		{"every PES packet", false, 0, 481, 9000, [2]int{250, 250}, false},
		{"every PES packet, at least every 20 ms", false, 20 * time.Millisecond, 481, 1800, [2]int{499, 501}, true},
		{"default period", true, 0, 481, 8550, [2]int{125, 125}, false},
		{"100 ms", true, 100 * time.Millisecond, 481, 9000, [2]int{125, 125}, false},
		{"500 ms", true, 500 * time.Millisecond, 481, 45000, [2]int{20, 25}, false},
		{"20 ms", true, 20 * time.Millisecond, 481, 1800, [2]int{499, 501}, true},
		{"in the sound, which comes in packets of 85 ms", true, 200 * time.Millisecond, 482, 18000, [2]int{50, 70}, true},
		{"on its own", true, 200 * time.Millisecond, 500, 18000, [2]int{50, 60}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pr := program(mpegts.Stream{PID: 481, Track: avcTrack(0)}, mpegts.Stream{PID: 482, Track: aacTrack(48000, "")})
			pr.PeriodicPCR, pr.MaxPCRInterval, pr.PCRPID = tt.periodic, tt.interval, tt.pcrPID
			m := newMuxer(t, pr)
			var p mpegtstest.Parser
			sound, alone := int64(0), 0
			for segment := range int64(5) {
				b := m.AppendSegmentStart(nil)
				for i := range int64(50) { // 40 ms each
					n := segment*50 + i
					b = appendSample(t, m, b, 0, media.Sample{DecodeTime: n * 1200, Duration: 1200, Sync: i == 0, Data: nal(slice(0x65, 300))})
					for ; sound*30000 < (n+1)*1200*48000; sound += 1024 {
						b = appendSample(t, m, b, 1, media.Sample{DecodeTime: sound + 1024, Duration: 1024, Data: make([]byte, 50)})
					}
				}
				b = m.AppendFlush(b)
				if _, pcr := firsts(b[:10*mpegts.PacketSize]); pcr < 0 {
					t.Errorf("segment %d does not begin with the clock", segment)
				}
				parse(t, &p, b)
				for i := 0; i < len(b); i += mpegts.PacketSize {
					if b[i+3]&0x30 == 0x20 { // an adaptation field without payload
						alone++
					}
				}
			}
			if p.MaxPCRGap > tt.maxGap {
				t.Errorf("%d ticks without the clock, want at most %d", p.MaxPCRGap, tt.maxGap)
			}
			if n := len(p.PCRs); n < tt.want[0] || n > tt.want[1] {
				t.Errorf("%d values of the clock, want %v", n, tt.want)
			}
			if alone > 0 != tt.alone {
				t.Errorf("%d packets of the clock alone", alone)
			}
		})
	}
}

// Whatever a sample holds, what is written is whole packets, nothing panics, and a sample that is refused leaves nothing behind.
func FuzzSample(f *testing.F) {
	f.Add(nal(slice(0x65, 9), slice(0x41, 400)), int64(3000), int32(2000), true)
	f.Add([]byte{0, 0, 0, 1}, int64(-5), int32(-1), false)
	f.Add(ac3Frame(), int64(1)<<45, int32(0), true)
	f.Add(append(eac3Frame(), ac3Frame()...), int64(0), int32(0), true)
	f.Add(nal([]byte{0x26, 1, 0xaf}), int64(0), int32(0), true)
	f.Fuzz(func(t *testing.T, data []byte, dts int64, offset int32, sync bool) {
		const limit = 1 << 46 // what readers let through
		dts %= limit
		for _, key := range []*cenc.Key{nil, testKey()} {
			p := program(
				mpegts.Stream{PID: 481, Track: avcTrack(2002), Key: key}, mpegts.Stream{PID: 482, Track: aacTrack(48000, "")}, mpegts.Stream{PID: 483, Track: ac3Track()},
				mpegts.Stream{PID: 484, Track: eac3Track(), Key: key},
			)
			if key == nil {
				p.Streams[0].Track = hevcTrack()
			}
			p.MetadataPID = 500
			m, err := mpegts.NewMuxer(p)
			if err != nil {
				t.Fatal(err)
			}
			b := m.AppendSegmentStart(nil)
			for index := range p.Streams {
				s := media.Sample{DecodeTime: dts, CompositionOffset: offset, Sync: sync, Data: data}
				next, err := m.AppendSample(b, index, &s)
				if err != nil && len(next) != len(b) {
					t.Fatal("a sample that was refused is written")
				}
				b = next
			}
			if next, err := m.AppendMetadata(b, time.Duration(dts), data); err == nil {
				b = next
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
		}
	})
}

func hevcTrack() *media.Track {
	return &media.Track{
		Kind: media.Video, Codec: media.HEVC, Timescale: 30000,
		VPS: [][]byte{{0x40, 1, 0x0c, 1, 0xff, 0xff}},
		// profile_tier_level 01 60 00 00 00 90 00 00 00 00 00 5d, with emulation prevention
		SPS: [][]byte{{0x42, 1, 1, 0x01, 0x60, 0, 0, 3, 0, 0x90, 0, 0, 3, 0, 0, 3, 0, 0x5d, 0xa0, 2}},
		PPS: [][]byte{{0x44, 1, 0xc1, 0x72}},
	}
}

func ac3Track() *media.Track {
	return &media.Track{Kind: media.Audio, Codec: media.AC3, Timescale: 48000, SampleRate: 48000, Config: []byte{0x10, 0x11, 0x40}}
}

func eac3Track() *media.Track {
	return &media.Track{Kind: media.Audio, Codec: media.EAC3, Timescale: 48000, SampleRate: 48000, Config: []byte{0x06, 0x00, 0x20, 0x0f, 0x00}}
}

// ac3Frame is a syncframe of 48 kHz and 32 kbit/s: 64 words.
func ac3Frame() []byte {
	b := bytes.Repeat([]byte{0x55}, 128)
	copy(b, "\x0b\x77\x12\x34\x00\x40\x43\xe1\x10\x20")
	return b
}

// eac3Frame is a syncframe of 50 words.
func eac3Frame() []byte {
	b := bytes.Repeat([]byte{0xaa}, 100)
	copy(b, "\x0b\x77\x00\x31\x3f\x80")
	return b
}
