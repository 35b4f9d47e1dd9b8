package mpegts

import (
	"bytes"
	"errors"
	"testing"
)

// pack is one transport packet.
type pack struct {
	id      uint16
	counter byte
	pcr     int64 // -1 for none
	pes     byte  // stream_id, 0 for a packet in the middle of one
	pts     int64
	dts     int64 // -1 for none
	body    string
	empty   bool // adaptation field alone
}

func (k pack) bytes() []byte {
	p := bytes.Repeat([]byte{0xff}, PacketSize)
	p[0], p[1], p[2], p[3] = syncByte, byte(k.id>>8), byte(k.id), hasPayload|k.counter
	at := packetHeaderSize
	if k.pcr >= 0 || k.empty {
		p[3] |= hasAdaptation
		p[4], p[5] = 7, 0
		if k.pcr >= 0 {
			p[5] = hasPCR
			encodePCR(p[6:], k.pcr)
			p[10], p[11] = p[10]|1, 0x2a // an extension, which stays
		}
		at += 8
		if k.empty {
			p[3] &^= hasPayload
			p[4] = PacketSize - packetHeaderSize - 1
		}
	}
	if k.pes != 0 {
		p[1] |= unitStart
		h := append([]byte{0, 0, 1, k.pes, 0, 0, 0x84, 0x80, 5}, make([]byte, 10)...)
		encodeTimestamp(h[9:], 2, k.pts)
		if k.dts >= 0 {
			h[7], h[8] = 0xc0, 10
			encodeTimestamp(h[9:], 3, k.pts)
			encodeTimestamp(h[14:], 1, k.dts)
		}
		copy(p[at:], append(h[:9+h[8]], k.body...))
	}
	return p
}

func joined(packs ...pack) []byte {
	var b []byte
	for _, k := range packs {
		b = append(b, k.bytes()...)
	}
	return b
}

// part is a segment, and how it is begun.
type part struct {
	discontinuity bool
	shift         int64
	packs         []pack
}

func TestSplice(t *testing.T) {
	t.Parallel()
	const wrap = 1 << 33
	frame := func(counter byte, pts int64) pack {
		return pack{id: 256, counter: counter, pcr: pts - 100, pes: 0xe0, pts: pts, dts: pts - 50}
	}
	middle := func(counter byte) pack { return pack{id: 256, counter: counter, pcr: -1} }
	for _, c := range []struct {
		name string
		in   []part
		want []pack
	}{
		{"what goes on is left as it is", []part{{packs: []pack{frame(3, 1000), middle(4)}}, {packs: []pack{frame(5, 2000)}}}, []pack{frame(3, 1000), middle(4), frame(5, 2000)}},
		{"counters at 0 go on", []part{{packs: []pack{frame(3, 1000), middle(4)}}, {packs: []pack{frame(0, 2000), middle(1)}}}, []pack{frame(3, 1000), middle(4), frame(5, 2000), middle(6)}},
		{"a counter that is lost stays lost", []part{{packs: []pack{frame(3, 1000)}}, {packs: []pack{frame(9, 2000)}}}, []pack{frame(3, 1000), frame(9, 2000)}},
		{"a counter lost inside", []part{{packs: []pack{frame(3, 1000), middle(7)}}}, []pack{frame(3, 1000), middle(7)}},
		{
			"behind a discontinuity",
			[]part{{packs: []pack{frame(3, 1000)}}, {true, 500, []pack{frame(9, 2000), middle(10)}}, {false, 500, []pack{frame(11, 3000)}}},
			[]pack{frame(3, 1000), frame(4, 2500), middle(5), frame(6, 3500)},
		},
		{
			"the clock turns",
			[]part{{packs: []pack{frame(3, wrap-1)}}, {true, wrap - 2000, []pack{frame(4, 5000)}}, {true, -6000, []pack{frame(5, 5000)}}},
			[]pack{frame(3, wrap-1), frame(4, 3000), frame(5, wrap-1000)},
		},
		{"the first is behind nothing", []part{{true, 0, []pack{frame(3, 1000)}}}, []pack{frame(3, 1000)}},
		{
			"an adaptation field alone does not count",
			[]part{{packs: []pack{frame(3, 1000)}}, {true, 1, []pack{{id: 256, counter: 8, pcr: 50, empty: true}, frame(9, 2000)}}},
			[]pack{frame(3, 1000), {id: 256, counter: 3, pcr: 51, empty: true}, frame(4, 2001)},
		},
		{"null packets", []part{{packs: []pack{{id: nullPacket, counter: 3, pcr: -1}}}, {true, 1, []pack{{id: nullPacket, counter: 9, pcr: -1}}}}, []pack{{id: nullPacket, counter: 3, pcr: -1}, {id: nullPacket, counter: 9, pcr: -1}}},
		{"metadata may begin later", []part{{packs: []pack{frame(3, 1000)}}, {true, 5, []pack{{id: 300, counter: 1, pcr: -1, pes: 0xbd, pts: 10, dts: -1, body: "ID3"}}}}, []pack{frame(3, 1000), {id: 300, counter: 1, pcr: -1, pes: 0xbd, pts: 15, dts: -1, body: "ID3"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var s Splicer
			var got []byte
			for _, p := range c.in {
				b := joined(p.packs...)
				s.Begin(p.discontinuity, p.shift)
				if err := s.Splice(b); err != nil {
					t.Fatal(err)
				}
				got = append(got, b...)
			}
			if want := joined(c.want...); !bytes.Equal(got, want) {
				for i := 0; i < len(got); i += PacketSize {
					if !bytes.Equal(got[i:i+PacketSize], want[i:i+PacketSize]) {
						t.Errorf("packet %d: got % x, want % x", i/PacketSize, got[i:i+32], want[i:i+32])
					}
				}
			}
		})
	}
}

func TestSpliceRefuses(t *testing.T) {
	t.Parallel()
	video := pack{id: 256, pcr: -1, pes: 0xe0, pts: 1, dts: -1}
	broken := video.bytes()
	broken[0] = '#'
	field := pack{id: 256, pcr: 5}.bytes()
	field[4] = 200
	spread := pack{id: 256, pcr: -1, pes: 0xe0, pts: 1, dts: -1}.bytes()
	spread[packetHeaderSize+8] = 250
	for _, c := range []struct {
		name string
		in   []byte
		want error
	}{
		{"no sync", broken, ErrNotTransport},
		{"half a packet", video.bytes()[:100], ErrNotTransport},
		{"an adaptation field longer than its packet", field, ErrNotTransport},
		{"a header longer than its packet", spread, ErrHeader},
		{"another PID", joined(pack{id: 257, pcr: -1, pes: 0xe0, pts: 1, dts: -1}), ErrStreams},
		{"sound where video was", joined(pack{id: 256, pcr: -1, pes: 0xc0, pts: 1, dts: -1}), ErrStreams},
		{"Dolby on a new PID", joined(pack{id: 258, pcr: -1, pes: 0xbd, pts: 1, dts: -1, body: "\x0b\x77"}), ErrStreams},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var s Splicer
			s.Begin(false, 0)
			if err := s.Splice(video.bytes()); err != nil {
				t.Fatal(err)
			}
			s.Begin(true, 1)
			if err := s.Splice(c.in); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestSpan(t *testing.T) {
	t.Parallel()
	const wrap = 1 << 33
	at := func(id byte, pts int64) pack {
		return pack{id: uint16(id), pcr: -1, pes: id, pts: pts & (wrap - 1), dts: -1}
	}
	for _, c := range []struct {
		name       string
		in         []pack
		start, end int64
		ok         bool
	}{
		{"in the order of decoding", []pack{at(0xe0, 3600), at(0xe0, 10800), at(0xe0, 7200)}, 3600, 14400, true},
		{"pictures before sound", []pack{at(0xc0, 5), at(0xe0, 3600), at(0xe0, 7200)}, 3600, 10800, true},
		{"sound alone", []pack{at(0xc0, 100), at(0xc0, 300)}, 100, 500, true},
		{"one picture", []pack{at(0xe0, 3600)}, 3600, 3677, true},
		{"over the end of the clock", []pack{at(0xe0, wrap-3600), at(0xe0, 0), at(0xe0, 3600)}, wrap - 3600, wrap + 7200, true},
		{"nothing", []pack{{id: 256, pcr: -1}}, 0, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var s Span
			if err := s.Read(joined(c.in...)); err != nil {
				t.Fatal(err)
			}
			start, end, ok := s.Result(77)
			if start != c.start || end != c.end || ok != c.ok {
				t.Errorf("got %d, %d, %v; want %d, %d, %v", start, end, ok, c.start, c.end, c.ok)
			}
		})
	}
}

// FuzzSplice: whatever comes in, nothing but counters and time stamps is changed, and nothing panics.
func FuzzSplice(f *testing.F) {
	f.Add(joined(pack{id: 256, pcr: 90, pes: 0xe0, pts: 1, dts: 1}, pack{id: 256, counter: 1, pcr: -1}), int64(900))
	f.Fuzz(func(t *testing.T, b []byte, shift int64) {
		var s Splicer
		s.Begin(false, 0)
		_ = s.Splice(bytes.Clone(b))
		s.Begin(true, shift)
		got := bytes.Clone(b)
		if s.Splice(got) != nil {
			return
		}
		for i := range got {
			if at := i % PacketSize; at < 3 && got[i] != b[i] || at == 3 && got[i]&0xf0 != b[i]&0xf0 {
				t.Fatalf("byte %d is %x, was %x", i, got[i], b[i])
			}
		}
		var span Span
		_ = span.Read(b)
	})
}

func BenchmarkSplice(b *testing.B) {
	segment := joined(pack{id: 256, pcr: 90, pes: 0xe0, pts: 1, dts: 1}, pack{id: 256, counter: 1, pcr: -1}, pack{id: 256, counter: 2, pcr: -1}, pack{id: 256, counter: 3, pcr: -1})
	segment = bytes.Repeat(segment, 87)
	b.SetBytes(int64(len(segment)))
	var s Splicer
	s.Begin(false, 900)
	for b.Loop() {
		if err := s.Splice(segment); err != nil {
			b.Fatal(err)
		}
	}
}
