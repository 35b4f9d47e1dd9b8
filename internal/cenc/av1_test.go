package cenc

import (
	"bytes"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"darkroom/internal/media"
)

// TestSetFrameRefs states examples of the set frame refs process, worked by hand from 7.8.
func TestSetFrameRefs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		hints      [av1Refs]uint32
		hint       uint32
		last, gold int
		want       [av1RefsPerFrame]int // LAST, LAST2, LAST3, GOLDEN, BWDREF, ALTREF2, ALTREF
	}{
		{"both sides", [av1Refs]uint32{2, 4, 6, 8, 12, 14, 16, 9}, 10, 7, 0, [av1RefsPerFrame]int{7, 3, 2, 0, 4, 5, 6}},
		{"none behind", [av1Refs]uint32{1, 2, 3, 4, 5, 6, 7, 8}, 10, 7, 3, [av1RefsPerFrame]int{7, 6, 5, 3, 4, 2, 1}},
		{"all equal", [av1Refs]uint32{5, 5, 5, 5, 5, 5, 5, 5}, 6, 0, 1, [av1RefsPerFrame]int{0, 7, 6, 1, 5, 4, 3}},
		{"too few before", [av1Refs]uint32{9, 8, 11, 12, 13, 14, 15, 16}, 10, 0, 1, [av1RefsPerFrame]int{0, 1, 1, 1, 2, 3, 7}},
		{"hints that go round", [av1Refs]uint32{122, 124, 126, 0, 4, 6, 8, 1}, 2, 7, 0, [av1RefsPerFrame]int{7, 3, 2, 0, 4, 5, 6}},
	} {
		p := av1Parser{sequence: &av1Sequence{orderHint: true, orderHintBits: 7}}
		for i, hint := range tt.hints {
			p.refs[i].orderHint = hint
		}
		p.frame.orderHint = tt.hint
		p.setFrameRefs(tt.last, tt.gold)
		if p.frame.refs != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, p.frame.refs, tt.want)
		}
	}
	if got := (&av1Sequence{}).relative(3, 9); got != 0 {
		t.Errorf("without order hints frames are %d apart", got)
	}
}

// TestGlobalMotion counts the bits of global_motion_params, worked by hand from 5.9.24 to 5.9.28: each row is what is read, and behind it come bits
// of 0, so that the other references are not global.
func TestGlobalMotion(t *testing.T) {
	t.Parallel()
	const (
		least    = "0000"                    // subexp_more_bits 0, 3 bits
		middle   = "1100000"                 // twice more, 4 bits
		greatest = "11111111111111111111111" // of 12 bits: ten times more, 13 bits
		shortest = "1111111111000000000000"  // ten times more, a rest of 12 bits
		great9   = "11111111111111111"       // of 9 bits: seven times more, 10 bits
		great8   = "111111111111111"         // of 8 bits: six times more, 9 bits
	)
	for _, tt := range []struct {
		name string
		high bool
		read string
	}{
		{"none", false, "0"},
		{"rotation and zoom", false, "11" + least + middle + greatest + shortest},
		{"affine", false, "100" + least + least + middle + greatest + shortest + greatest},
		{"translation of high precision", true, "101" + great9 + great9},
		{"translation", false, "101" + great8 + great8},
		{"translation, the least", false, "101" + least + least},
	} {
		w := bitWriter{}
		for _, c := range tt.read {
			w.u(1, uint32(c-'0'))
		}
		want := w.n + av1RefsPerFrame - 1
		r := bitReader{data: append(w.b, make([]byte, 9)...)}
		skipGlobalMotion(&r, tt.high)
		if got := 8*r.next - int(r.left); got != want || r.failed {
			t.Errorf("%s: %d bits, want %d", tt.name, got, want)
		}
	}
	r := bitReader{data: []byte{0xff}}
	skipGlobalMotion(&r, false)
	if !r.failed {
		t.Error("parameters were read behind the end")
	}
}

// obus splits a temporal unit whose OBUs all have sizes.
func obus(t *testing.T, sample []byte) [][]byte {
	t.Helper()
	var units [][]byte
	for len(sample) > 0 {
		size, n := leb128(sample[1:])
		if sample[0]&6 != 2 || n == 0 {
			t.Fatalf("OBU %x", sample[0])
		}
		end := 1 + n + int(size)
		units = append(units, sample[:end])
		sample = sample[end:]
	}
	return units
}

// TestOBUs states what is refused and what stays clear. The sample is a sequence header, a frame header and three tile groups of eight tiles.
func TestOBUs(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("testdata/av1/tile-groups.mp4")
	if err != nil {
		t.Fatal(err)
	}
	e := readMP4(t, b)
	units := obus(t, e.samples[0])
	var kinds []byte
	for _, u := range units {
		kinds = append(kinds, u[0]>>3)
	}
	if !slices.Equal(kinds, []byte{obuSequenceHeader, obuFrameHeader, obuTileGroup, obuTileGroup, obuTileGroup}) {
		t.Fatalf("OBUs %v", kinds)
	}
	sequence, header, one, two, three := units[0], units[1], units[2], units[3], units[4]
	join := func(units ...[]byte) []byte { return bytes.Join(units, nil) }
	as := func(kind byte, unit []byte) []byte {
		c := bytes.Clone(unit)
		c[0] = c[0]&0x87 | kind<<3
		return c
	}
	extended := append([]byte{one[0] | 4, 0}, one[1:]...)
	_, n := leb128(three[1:])
	sizeless := append([]byte{three[0] &^ 2}, three[1+n:]...)
	metadata, padding := []byte{0x2a, 2, 1, 0x80}, []byte{0x7a, 1, 0x80}
	for _, tt := range []struct {
		name   string
		sample []byte
		tiles  int
		fails  string
	}{
		{name: "whole", sample: join(sequence, header, one, two, three), tiles: 8},
		{name: "with what stays clear", sample: join([]byte{0x12, 0}, sequence, metadata, header, one, two, three, padding, metadata), tiles: 8},
		{name: "with copies of the header", sample: join(sequence, header, one, as(obuRedundantHeader, header), two, header, three), tiles: 8},
		{name: "with an extension", sample: join(sequence, header, extended, two, three), tiles: 8},
		{name: "the last without a size", sample: join(sequence, header, one, two, sizeless), tiles: 8},
		{name: "the sequence header of the configuration", sample: join(header, one, two, three), tiles: 8},
		{name: "a key frame that is shown again", sample: join(sequence, header, one, two, three, []byte{0x1a, 1, 0x80}), tiles: 8},
		{name: "a sequence header alone", sample: sequence},
		{name: "nothing", fails: "no bytes"},
		{name: "forbidden bit", sample: []byte{0x80}, fails: "OBU header"},
		{name: "no extension", sample: []byte{0x16}, fails: "past the end"},
		{name: "no size", sample: []byte{0x12}, fails: "past the end"},
		{name: "an endless size", sample: append([]byte{0x12}, bytes.Repeat([]byte{0x80}, 9)...), fails: "past the end"},
		{name: "a size past the end", sample: join(sequence, header[:len(header)-1]), fails: "past the end"},
		{name: "a broken sequence header", sample: []byte{0x0a, 1, 0}, fails: "sequence header"},
		{name: "a broken frame header", sample: []byte{0x1a, 1, 0x10}, fails: "frame header"},
		{name: "a frame that is not there is shown", sample: []byte{0x1a, 1, 0x80}, fails: "frame header"},
		{name: "a frame that shows another", sample: []byte{0x32, 1, 0x80}, fails: "frame header"},
		{name: "an empty frame", sample: []byte{0x32, 0}, fails: "frame header"},
		{name: "a frame that shows one that is there", sample: join(sequence, header, one, two, three, []byte{0x32, 1, 0x80}), fails: "frame header"},
		{name: "tiles without a frame", sample: join(sequence, one), fails: "without a frame header"},
		{name: "too many tiles", sample: join(sequence, header, one, two, three, three), fails: "without a frame header"},
		{name: "too few tiles", sample: join(sequence, header, one, two), fails: "without all of its tiles"},
		{name: "tiles out of order", sample: join(sequence, header, two, one, three), fails: "tile group"},
		{name: "tiles twice", sample: join(sequence, header, one, one, three), fails: "tile group"},
		{name: "a delimiter between tiles", sample: join(sequence, header, one, []byte{0x12, 0}, two, three), fails: "without a frame header"},
		{name: "a frame in a frame", sample: join(sequence, header, as(obuFrame, header)), fails: "inside"},
		{name: "an empty tile group", sample: join(sequence, header, []byte{0x22, 0}), fails: "tile group"},
		{name: "a tile group that ends", sample: join(sequence, header, []byte{one[0], 2, one[1+1], 0}), fails: "tile"},
		{name: "a last tile of no bytes", sample: join(sequence, header, one, two, []byte{three[0], 2, three[1+n], three[2+n]}), fails: "tile"},
		{name: "a tile list", sample: join(sequence, []byte{0x42, 1, 0}), fails: "type 8"},
		{name: "a reserved type", sample: join(sequence, []byte{0x4a, 1, 0}), fails: "type 9"},
		{name: "type 0", sample: []byte{0x02, 0}, fails: "type 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, scheme := range []Scheme{CENC, CBCS} {
				e := newEncryptor(t, &e.track, scheme)
				out, err := e.Append(nil, tt.sample)
				if tt.fails != "" {
					if err == nil || !strings.Contains(err.Error(), tt.fails) || len(out) > 0 || e.Infos().Len() > 0 {
						t.Fatalf("got %d bytes, %v; want an error that says %q", len(out), err, tt.fails)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if len(e.spans) != tt.tiles {
					t.Errorf("%d tiles of %d", len(e.spans), tt.tiles)
				}
				check(t, e, 0, tt.sample, out)
				if got := decrypt(t, e, 0, out); !bytes.Equal(got, tt.sample) {
					t.Error("does not decrypt")
				}
			}
		})
	}
	bare := newEncryptor(t, &media.Track{Kind: media.Video, Codec: media.AV1}, CBCS)
	if _, err := bare.Append(nil, join(header, one, two, three)); err == nil || !strings.Contains(err.Error(), "without a sequence header") {
		t.Errorf("a frame without a sequence header: %v", err)
	}
	if _, err := NewEncryptor(&media.Track{Codec: media.AV1, Config: append(make([]byte, 4), e.samples[0]...)}, Options{
		Scheme: CBCS, Key: Key{Value: testKey, IV: testIV},
	}); err == nil {
		t.Error("a configuration with tiles was taken")
	}
}

// TestAV1Tiles states that under CENC the clear rest of a tile stands before its blocks, and that under CBCS each tile is a subsample, however short.
// (AV1 in ISOBMFF 1.3, section 4.1.)
func TestAV1Tiles(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		scheme Scheme
		tile   span
		want   []span
	}{
		{"cenc", CENC, span{10, 50}, []span{{18, 50}}},
		{"cenc, whole blocks", CENC, span{10, 42}, []span{{10, 42}}},
		{"cenc, short", CENC, span{10, 25}, nil},
		{"cbcs", CBCS, span{10, 50}, []span{{10, 50}}},
		{"cbcs, short", CBCS, span{10, 11}, []span{{10, 11}}},
	} {
		e := newEncryptor(t, &media.Track{Codec: media.AV1}, tt.scheme)
		if got := e.add(nil, tt.tile); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestUnknownReferences holds that frames that never were given do not become references.
func TestUnknownReferences(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"switch-frames", "fixed-resize"} {
		b, err := os.ReadFile("testdata/av1/" + name + ".mp4")
		if err != nil {
			t.Fatal(err)
		}
		e := readMP4(t, b)
		encryptor := newEncryptor(t, &e.track, CBCS)
		if _, err := encryptor.Append(nil, e.samples[1]); err == nil {
			t.Errorf("%s: a frame without the key frame that it refers to was taken", name)
		}
	}
}

// TestNoTile refuses a frame whose tiles end before they begin.
func TestNoTile(t *testing.T) {
	t.Parallel()
	p := av1Parser{seen: true, frame: av1Frame{columns: 1, rows: 1}}
	if spans, err := p.tileGroup(nil, []byte{1, 2}, 2, 2); err == nil {
		t.Errorf("found %v", spans)
	}
}

// TestOrderHintsTold drops a reference whose order hint an error resilient frame contradicts.
func TestOrderHintsTold(t *testing.T) {
	t.Parallel()
	g := &av1Stream{rand: rand.New(rand.NewPCG(9, 9))}
	for n := 0; n < 20; {
		sequence := g.writeSequence()
		if !g.sequence.orderHint {
			continue
		}
		n++
		key, _ := g.writeFrame(true)
		var p av1Parser
		if _, err := p.tiles(nil, append(sequence, key...)); err != nil {
			t.Fatal(err)
		}
		for i := range p.refs {
			p.refs[i].orderHint ^= 1
		}
		var frame []byte
		for saved := g.refs; ; {
			g.refs = saved
			if frame, _ = g.writeFrame(false); g.last.resilient && !g.last.intra {
				break
			}
		}
		if _, err := p.tiles(nil, frame); err == nil {
			t.Fatalf("%x was read with references that are not those it means", frame)
		}
	}
}
