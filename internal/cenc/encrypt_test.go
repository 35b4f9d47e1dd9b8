package cenc

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/Eyevinn/mp4ff/mp4"
	"github.com/google/go-cmp/cmp"

	"darkroom/internal/media"
	"darkroom/internal/secret"
)

// Parameter sets and the head of an IDR slice of libx264, main profile and up, 416x240.
var (
	testSPS     = []byte{0x67, 0x64, 0x00, 0x0d, 0xac, 0xd9, 0x41, 0xa1, 0xfb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0x20, 0xf1, 0x42, 0x99, 0x60}
	testPPS     = []byte{0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0}
	testAVC     = media.Track{Kind: media.Video, Codec: media.AVC, SPS: [][]byte{testSPS}, PPS: [][]byte{testPPS}}
	testSlice   = append([]byte{0x65, 0x88, 0x84, 0x00, 0xdf}, bytes.Repeat([]byte{0xaa, 0x55}, 200)...)
	testSound   = media.Track{Kind: media.Audio, Codec: media.AAC}
	sliceHeader = 5 // bytes of testSlice with its NAL unit header
)

func nals(units ...[]byte) []byte {
	var b []byte
	for _, u := range units {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(u))), u...)
	}
	return b
}

// TestUnits states which bytes of AVC and HEVC stay clear; a row for each kind of unit.
func TestUnits(t *testing.T) {
	t.Parallel()
	fill := bytes.Repeat([]byte{0x11}, 40)
	unit := func(head ...byte) []byte { return append(slices.Clip(head), fill...) }
	size := len(testSlice) - sliceHeader
	for _, tt := range []struct {
		name     string
		scheme   Scheme
		clearSEI bool
		sample   []byte
		want     []span
		fails    string
	}{
		{name: "slice, cbcs", scheme: CBCS, sample: nals(testSlice), want: []span{{4 + sliceHeader, 4 + len(testSlice)}}},
		{name: "slice, cenc", scheme: CENC, sample: nals(testSlice), want: []span{{4 + len(testSlice) - size/16*16, 4 + len(testSlice)}}},
		{name: "short slice, cbcs", scheme: CBCS, sample: nals(testSlice[:10]), want: []span{{9, 14}}},
		{name: "short slice, cenc", scheme: CENC, sample: nals(testSlice[:10])},
		{name: "slice that is a header", scheme: CBCS, sample: nals(testSlice[:sliceHeader])},
		{name: "SEI, cenc", scheme: CENC, sample: nals(unit(0x06)), want: []span{{13, 45}}},
		{name: "SEI, cenc, clear", scheme: CENC, clearSEI: true, sample: nals(unit(0x06))},
		{name: "SEI, cbcs", scheme: CBCS, sample: nals(unit(0x06))},
		{name: "parameter sets", scheme: CENC, sample: nals(testSPS, testPPS)},
		{name: "delimiter, ends, filler, extension, prefix, subset", scheme: CENC, sample: nals(unit(9), unit(10), unit(11), unit(12), unit(13), unit(14), unit(15))},
		{name: "two slices", scheme: CBCS, sample: nals(testSlice, testSlice), want: []span{{9, 409}, {418, 818}}},
		{name: "partition A", scheme: CENC, sample: nals(unit(2)), fails: "type 2"},
		{name: "partition B", scheme: CENC, sample: nals(unit(3)), fails: "type 3"},
		{name: "partition C", scheme: CENC, sample: nals(unit(4)), fails: "type 4"},
		{name: "slice extension", scheme: CENC, sample: nals(unit(20)), fails: "type 20"},
		{name: "unspecified", scheme: CENC, sample: nals(unit(24)), fails: "type 24"},
		{name: "type 0", scheme: CENC, sample: nals(unit(0)), fails: "type 0"},
		{name: "no bytes", scheme: CENC, fails: "no bytes"},
		{name: "half of a length", scheme: CENC, sample: []byte{0, 0, 0}, fails: "past the end"},
		{name: "a unit of no bytes", scheme: CENC, sample: []byte{0, 0, 0, 0}, fails: "no bytes"},
		{name: "a unit past the end", scheme: CENC, sample: []byte{0, 0, 0, 9, 6}, fails: "past the end"},
		{name: "a unit of 4 GiB", scheme: CENC, sample: []byte{0xff, 0xff, 0xff, 0xff, 6}, fails: "past the end"},
		{name: "bytes behind the last unit", scheme: CENC, sample: append(nals(testSlice), 0), fails: "past the end"},
		{name: "a cut slice header", scheme: CBCS, sample: nals(testSlice[:3]), fails: "slice header"},
		{name: "a slice of an unknown parameter set", scheme: CBCS, sample: nals([]byte{0x65, 0x88, 0x04, 0x84, 0, 0, 0, 0}), fails: "not known"},
		{name: "broken parameter set", scheme: CBCS, sample: nals([]byte{0x67, 0x64}), fails: "sequence parameter set"},
		{name: "broken picture parameter set", scheme: CBCS, sample: nals([]byte{0x68}), fails: "picture parameter set"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEncryptor(t, &testAVC, tt.scheme)
			e.options.ClearSEI = tt.clearSEI
			out, err := e.Append(nil, tt.sample)
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) || len(out) != 0 || e.Infos().Len() != 0 {
					t.Fatalf("got %x, %v, %d described; want an error that says %q", out, err, e.Infos().Len(), tt.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(e.spans, tt.want) {
				t.Errorf("protected %v, want %v", e.spans, tt.want)
			}
			check(t, e, 0, tt.sample, out)
			if got := decrypt(t, e, 0, out); !bytes.Equal(got, tt.sample) {
				t.Errorf("decrypts to %x", got)
			}
		})
	}
}

func TestHEVCUnits(t *testing.T) {
	t.Parallel()
	for kind := range 64 {
		e := newEncryptor(t, &media.Track{Kind: media.Video, Codec: media.HEVC}, CBCS)
		_, err := e.Append(nil, nals([]byte{byte(kind << 1), 1, 0xff, 0, 0}))
		var want string
		switch {
		case kind <= 9, kind >= 16 && kind <= 21:
			want = "slice segment header: its parameter sets are not known"
		case kind == 33:
			want = "sequence parameter set"
		case kind == 34:
			want = "picture parameter set"
		case kind >= 32 && kind <= 47, kind == 62:
			if err != nil || len(e.spans) != 0 {
				t.Errorf("type %d: %v, %v", kind, e.spans, err)
			}
			continue
		default:
			want = "is not offered"
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("type %d: %v, want an error that says %q", kind, err, want)
		}
	}
	e := newEncryptor(t, &media.Track{Kind: media.Video, Codec: media.HEVC}, CBCS)
	for _, head := range [][]byte{{3, 1}, {2, 9}} {
		if _, err := e.Append(nil, nals(append(head, 0xff))); !errors.Is(err, errHEVCLayers) {
			t.Errorf("a slice of another layer: %v", err)
		}
	}
	if _, err := e.Append(nil, nals([]byte{33<<1 | 1, 1, 0})); err != nil {
		t.Errorf("a parameter set of another layer: %v", err)
	}
	if _, err := e.Append(nil, nals([]byte{2})); err == nil {
		t.Error("a unit of one byte was taken")
	}
	// General_profile_idc 9 and the compatibility with 11 say screen content.
	for _, sps := range [][]byte{
		{0x42, 1, 1, 9, 0, 0, 0, 0}, {0x42, 1, 1, 1, 0x60, 0x10, 0, 0},
	} {
		if _, err := e.Append(nil, nals(append(sps, make([]byte, 40)...))); !errors.Is(err, errHEVCContent) {
			t.Errorf("screen content: %v", err)
		}
	}
}

func TestDropAUD(t *testing.T) {
	t.Parallel()
	aud, sei := []byte{9, 0xf0}, []byte{6, 5, 1, 0, 0x80}
	e := newEncryptor(t, &testAVC, CENC)
	e.options.DropAUD, e.options.ClearSEI = true, true
	want := nals(sei, testSlice)
	out, err := e.Append([]byte("x"), nals(aud, sei, testSlice, aud))
	if err != nil {
		t.Fatal(err)
	}
	check(t, e, 0, want, out[1:])
	if got := decrypt(t, e, 0, out[1:]); !bytes.Equal(got, want) {
		t.Errorf("decrypts to %x", got)
	}
	for name, sample := range map[string][]byte{"delimiters alone": nals(aud, aud), "cut": nals(aud, testSlice)[:40]} {
		if out, err := e.Append([]byte("x"), sample); err == nil || string(out) != "x" {
			t.Errorf("%s: %x, %v", name, out, err)
		}
	}
}

// TestLongClear splits runs of clear bytes at what 16 bits hold.
func TestLongClear(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		clear int // before the slice
		want  []Subsample
	}{
		{"65535", 65535 - 9, []Subsample{{65535, 400}}},
		{"65536", 65536 - 9, []Subsample{{65535, 0}, {1, 400}}},
		{"two and one", 2*65535 + 1 - 9, []Subsample{{65535, 0}, {65535, 0}, {1, 400}}},
	} {
		e := newEncryptor(t, &testAVC, CBCS)
		filler := append([]byte{12}, make([]byte, tt.clear-5)...)
		sample := nals(filler, testSlice)
		out, err := e.Append(nil, sample)
		if err != nil {
			t.Fatal(err)
		}
		check(t, e, 0, sample, out)
		if got := e.Infos().Sample(0).Subsamples; !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestManySubsamples refuses what saiz cannot state.
func TestManySubsamples(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		scheme Scheme
		most   int
	}{{CENC, 40}, {CBCS, 42}} {
		e := newEncryptor(t, &testAVC, tt.scheme)
		units := slices.Repeat([][]byte{testSlice}, tt.most)
		if _, err := e.Append(nil, nals(units...)); err != nil {
			t.Errorf("%v, %d slices: %v", tt.scheme, tt.most, err)
		}
		if _, err := e.Append(nil, nals(append(units, testSlice)...)); err == nil || !strings.Contains(err.Error(), "subsamples") {
			t.Errorf("%v, %d slices: %v", tt.scheme, tt.most+1, err)
		}
		if e.Infos().Len() != 1 {
			t.Fatalf("%v: %d samples described", tt.scheme, e.Infos().Len())
		}
		if n := len(e.Infos().Sample(0).Subsamples); n != tt.most {
			t.Errorf("%v: %d subsamples", tt.scheme, n)
		}
	}
}

// TestPlainly encrypts once more by the letter of the standard, and compares bytes.
func TestPlainly(t *testing.T) {
	t.Parallel()
	block, err := aes.NewCipher(testKey.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	sound := bytes.Repeat([]byte("sound"), 21) // 105 bytes
	ctr, cbc := bytes.Clone(sound), bytes.Clone(sound)
	cipher.NewCTR(block, make([]byte, 16)).XORKeyStream(ctr, ctr)
	cipher.NewCBCEncrypter(block, testIV).CryptBlocks(cbc[:96], cbc[:96])

	picture := nals(testSlice)
	patterned := bytes.Clone(picture)
	cipher.NewCBCEncrypter(block, testIV).CryptBlocks(patterned[9:25], patterned[9:25])
	second := cipher.NewCBCEncrypter(block, patterned[9:25])
	second.CryptBlocks(patterned[169:185], patterned[169:185])
	second.CryptBlocks(patterned[329:345], patterned[329:345])

	for _, tt := range []struct {
		name         string
		track        media.Track
		scheme       Scheme
		sample, want []byte
	}{
		{"sound, cenc", testSound, CENC, sound, ctr},
		{"sound, cbcs", testSound, CBCS, sound, cbc},
		{"sound, cbcs, less than a block", testSound, CBCS, sound[:15], sound[:15]},
		{"picture, cbcs", testAVC, CBCS, picture, patterned},
	} {
		e := newEncryptor(t, &tt.track, tt.scheme)
		got, err := e.Append(nil, tt.sample)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, tt.want) {
			t.Errorf("%s: got\n%x, want\n%x", tt.name, got, tt.want)
		}
	}
}

func TestNewEncryptorRefuses(t *testing.T) {
	t.Parallel()
	ivs := &TrackIVs{left: 1}
	good := Options{Scheme: CENC, Key: Key{Value: testKey, IV: testIV}, IVs: ivs}
	for _, tt := range []struct {
		name   string
		track  media.Track
		change func(*Options)
	}{
		{"no scheme", testSound, func(o *Options) { o.Scheme = 0 }},
		{"another scheme", testSound, func(o *Options) { o.Scheme = 3 }},
		{"no key", testSound, func(o *Options) { o.Key.Value = secret.Bytes{} }},
		{"a key of 32 bytes", testSound, func(o *Options) { o.Key.Value = secret.New(make([]byte, 32)) }},
		{"cenc without vectors", testSound, func(o *Options) { o.IVs = nil }},
		{"cbcs without a vector", testSound, func(o *Options) { o.Scheme, o.Key.IV = CBCS, nil }},
		{"cbcs with a vector of 8 bytes", testSound, func(o *Options) { o.Scheme, o.Key.IV = CBCS, testIV[:8] }},
		{"captions", media.Track{Kind: media.Text, Codec: media.WebVTT}, func(*Options) {}},
		{"TTML", media.Track{Kind: media.Text, Codec: media.TTML}, func(*Options) {}},
		{"no codec", media.Track{}, func(*Options) {}},
		{"a broken parameter set", media.Track{Codec: media.AVC, SPS: [][]byte{{0x67}}}, func(*Options) {}},
		{"an empty parameter set", media.Track{Codec: media.HEVC, SPS: [][]byte{{}}}, func(*Options) {}},
		{"a short parameter set", media.Track{Codec: media.HEVC, SPS: [][]byte{{0x42}}}, func(*Options) {}},
		{"a broken sequence header", media.Track{Codec: media.AV1, Config: []byte{0x81, 0, 0, 0, 0x0a, 1, 0}}, func(*Options) {}},
	} {
		o := good
		tt.change(&o)
		if e, err := NewEncryptor(&tt.track, o); err == nil {
			t.Errorf("%s: made %+v", tt.name, e.Track())
		}
	}
}

func TestIVsOfJob(t *testing.T) {
	t.Parallel()
	// The base is near the end, so that ranges go round.
	ivs, err := NewIVs(bytes.NewReader([]byte{0xff, 0xff, 0xfe, 0, 0, 0, 0, 0}))
	if err != nil {
		t.Fatal(err)
	}
	const tracks, samples = 16, 500
	seen := map[string]bool{}
	var mu sync.Mutex
	var wait sync.WaitGroup
	for range tracks {
		track, err := ivs.Track()
		if err != nil {
			t.Fatal(err)
		}
		e, err := NewEncryptor(&testSound, Options{Scheme: CENC, Key: Key{Value: testKey}, IVs: track})
		if err != nil {
			t.Fatal(err)
		}
		wait.Go(func() {
			var out []byte
			for n := range samples {
				if n%7 == 0 {
					e.Reset()
				}
				if out, err = e.Append(out[:0], []byte("some sound")); err != nil {
					t.Error(err)
					return
				}
				iv := string(e.Infos().Sample(e.Infos().Len() - 1).IV)
				mu.Lock()
				if len(iv) != IVSize || seen[iv] {
					t.Errorf("vector %x comes again", iv)
				}
				seen[iv] = true
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	if len(seen) != tracks*samples {
		t.Errorf("%d vectors of %d samples", len(seen), tracks*samples)
	}
}

func TestIVsEnd(t *testing.T) {
	t.Parallel()
	ivs, err := NewIVs(bytes.NewReader(make([]byte, 8)))
	if err != nil {
		t.Fatal(err)
	}
	var last *TrackIVs
	starts := map[uint64]bool{}
	for range 1000 {
		if last, err = ivs.Track(); err != nil {
			t.Fatal(err)
		}
		if starts[last.next] || last.next%(1<<rangeBits) != 0 || last.left != 1<<rangeBits {
			t.Fatalf("a range from %x of %d", last.next, last.left)
		}
		starts[last.next] = true
	}
	ivs.ranges = maxRanges - 1
	if last, err = ivs.Track(); err != nil || last.next != 1<<64-1<<rangeBits {
		t.Fatalf("the last range: %+v, %v", last, err)
	}
	for range 2 {
		if track, err := ivs.Track(); !errors.Is(err, ErrIVsExhausted) {
			t.Errorf("one range too many: %+v, %v", track, err)
		}
	}
	last.left = 1
	e, err := NewEncryptor(&testSound, Options{Scheme: CENC, Key: Key{Value: testKey}, IVs: last})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Append(nil, []byte("a")); err != nil {
		t.Fatal(err)
	}
	if out, err := e.Append(nil, []byte("b")); !errors.Is(err, ErrIVsExhausted) || len(out) != 0 {
		t.Errorf("one vector too many: %q, %v", out, err)
	}
	if _, err := (&TrackIVs{}).take(); !errors.Is(err, ErrIVsExhausted) {
		t.Errorf("the zero value gave a vector: %v", err)
	}
	if _, err := NewIVs(iotest.ErrReader(io.ErrUnexpectedEOF)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("without randomness: %v", err)
	}
}

func TestSegmentCipher(t *testing.T) {
	t.Parallel()
	block, err := aes.NewCipher(testKey.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	for size := range 70 {
		for _, step := range []int{1, 7, 16, 33} {
			clear := bytes.Repeat([]byte("segment"), 10)[:size]
			c, err := NewSegmentCipher(testKey, SequenceIV(7))
			if err != nil {
				t.Fatal(err)
			}
			var sent, buffer []byte
			for at := 0; at < size; at += step {
				buffer = append(buffer, clear[at:min(at+step, size)]...)
				n := c.Encrypt(buffer)
				if n%16 != 0 || n > len(buffer) || len(buffer)-n > 15 {
					t.Fatalf("%d of %d bytes are encrypted", n, len(buffer))
				}
				if step%2 == 1 { // what is encrypted is sent at once
					sent = append(sent, buffer[:n]...)
					buffer = append(buffer[:0], buffer[n:]...)
					c.Discard(n)
				}
			}
			out := append(sent, c.Final(buffer)...)
			if len(out) != (size/16+1)*16 {
				t.Fatalf("%d bytes of %d", len(out), size)
			}
			cipher.NewCBCDecrypter(block, []byte{15: 7}).CryptBlocks(out, out)
			pad := int(out[len(out)-1])
			if !bytes.Equal(out[:len(out)-pad], clear) || !bytes.Equal(out[size:], bytes.Repeat([]byte{byte(pad)}, pad)) {
				t.Fatalf("%d bytes decrypt to %x", size, out)
			}
		}
	}
	for name, key := range map[string]secret.Bytes{"no key": {}, "a key of 32 bytes": secret.New(make([]byte, 32))} {
		if _, err := NewSegmentCipher(key, testIV); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, err := NewSegmentCipher(testKey, testIV[:8]); err == nil {
		t.Error("a vector of 8 bytes was taken")
	}
	if got, want := SequenceIV(0x0102030405060708), unhex(t, "0000000000000000 0102030405060708"); !bytes.Equal(got, want) {
		t.Errorf("vector %x, want %x", got, want)
	}
	c, err := NewSegmentCipher(testKey, testIV)
	if err != nil {
		t.Fatal(err)
	}
	c.Encrypt(make([]byte, 32))
	for _, n := range []int{-16, 48, 8} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("discarded %d bytes of 32", n)
				}
			}()
			c.Discard(n)
		}()
	}
}

func TestBoxes(t *testing.T) {
	t.Parallel()
	cenc := TrackEncryption{Scheme: CENC, KeyID: testID}
	cbcs := TrackEncryption{Scheme: CBCS, KeyID: testID, Crypt: 1, Skip: 9, ConstantIV: unhex(t, "762531abd5423a4340e9dfae5dc6c43d")}
	sound := TrackEncryption{Scheme: CBCS, KeyID: testID, ConstantIV: testIV}
	for _, tt := range []struct {
		name string
		got  []byte
		want string
	}{
		{ // as shaka-packager 3.4.2 writes it
			"sinf, cenc", AppendSinf(nil, "avc1", cenc),
			"0000005073696e66 0000000c66726d6161766331 000000147363686d0000000063656e6300010000 0000002873636869 0000002074656e6300000000000001088ba94ade6eb9449db44fa5beefaf43b0",
		},
		{ // as shaka-packager 3.4.2 writes it
			"sinf, cbcs", AppendSinf(nil, "avc1", cbcs),
			"0000006173696e66 0000000c66726d6161766331 000000147363686d000000006362637300010000 0000003973636869 0000003174656e6301000000001901008ba94ade6eb9449db44fa5beefaf43b010762531abd5423a4340e9dfae5dc6c43d",
		},
		{
			"sinf, cbcs without a pattern", AppendSinf(nil, "mp4a", sound),
			"0000006173696e66 0000000c66726d616d703461 000000147363686d000000006362637300010000 0000003973636869 0000003174656e6300000000000001008ba94ade6eb9449db44fa5beefaf43b01066656463626139383736353433323130",
		},
		{
			"sinf, PIFF", AppendPIFFSinf([]byte{0xff}, "avc1", cenc)[1:],
			"0000006073696e66 0000000c66726d6161766331 000000147363686d000000007069666600010001 0000003873636869 00000030757569648974dbce7be74c5184f97148f988255400000000000001088ba94ade6eb9449db44fa5beefaf43b0",
		},
		{
			"pssh, PIFF", PSSH{System: PlayReady, KeyIDs: []UUID{testID}, Data: []byte("data")}.AppendPIFF(nil),
			"0000003475756964 d08a4f1810f34a82b6c832d8aba183d3 00000000 9a04f07998404286ab92e65be0885f95 00000004 64617461",
		},
		{"saio", AppendSaio(nil, 0x1bd), "000000147361696f 00000000 00000001 000001bd"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if want := unhex(t, tt.want); !bytes.Equal(tt.got, want) {
				t.Errorf("got  %x\nwant %x", tt.got, want)
			}
		})
	}
	for kind, want := range map[media.Kind]string{media.Video: "encv", media.Audio: "enca", media.Text: "", 0: ""} {
		if got := EncryptedFormat(kind); got != want {
			t.Errorf("%v is %q, want %q", kind, got, want)
		}
	}
}

func TestSampleBoxes(t *testing.T) {
	t.Parallel()
	small, large := nals(testSlice), nals(testSlice, testSlice)
	for _, tt := range []struct {
		name             string
		track            media.Track
		scheme           Scheme
		samples          [][]byte
		empty            bool
		senc, saiz, piff string
	}{
		{
			"sound, cenc", testSound, CENC,
			[][]byte{[]byte("ab"), []byte("cd")},
			false,
			"00000020 73656e63 00000000 00000002 0000000000000000 0000000000000001",
			"00000011 7361697a 00000000 08 00000002",
			"00000030 75756964 a2394f525a9b4f14a2446c427c648df4 00000000 00000002 0000000000000000 0000000000000001",
		},
		{
			"picture, cenc", testAVC, CENC,
			[][]byte{small, large},
			false,
			"00000036 73656e63 00000002 00000002 0000000000000000 0001 0009 00000190 0000000000000001 0002 0009 00000190 0009 00000190",
			"00000013 7361697a 00000000 00 00000002 1016",
			"",
		},
		{
			"picture, cbcs", testAVC, CBCS,
			[][]byte{small, small},
			false,
			"00000020 73656e63 00000002 00000002 0001 0009 00000190 0001 0009 00000190",
			"00000011 7361697a 00000000 08 00000002",
			"",
		},
		{"sound, cbcs", testSound, CBCS, [][]byte{[]byte("ab")}, true, "00000010 73656e63 00000000 00000001", "00000011 7361697a 00000000 00 00000001", ""},
		{"no sample", testAVC, CENC, nil, true, "00000010 73656e63 00000002 00000000", "00000011 7361697a 00000000 00 00000000", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEncryptor(t, &tt.track, tt.scheme)
			for _, s := range tt.samples {
				if _, err := e.Append(nil, s); err != nil {
					t.Fatal(err)
				}
			}
			i := e.Infos()
			if i.Empty() != tt.empty || i.Len() != len(tt.samples) {
				t.Errorf("empty: %v, %d samples", i.Empty(), i.Len())
			}
			senc, saiz := i.AppendSenc(nil), i.AppendSaiz(nil)
			if want := unhex(t, tt.senc); !bytes.Equal(senc, want) {
				t.Errorf("senc %x\nwant %x", senc, want)
			}
			if want := unhex(t, tt.saiz); !bytes.Equal(saiz, want) {
				t.Errorf("saiz %x\nwant %x", saiz, want)
			}
			if want := unhex(t, tt.piff); tt.piff != "" && !bytes.Equal(i.AppendPIFFSenc(nil), want) {
				t.Errorf("PIFF %x\nwant %x", i.AppendPIFFSenc(nil), want)
			}
			if len(AppendSaio(nil, 0)) != SaioSize {
				t.Error("saio is not as long as is said")
			}
			if box, err := mp4.DecodeBox(0, bytes.NewReader(senc)); err != nil || box.Type() != "senc" {
				t.Errorf("mp4ff reads %v, %v", box, err)
			}
			e.Reset()
			if diff := cmp.Diff(0, i.Len()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestAllocations holds the hot path to the one allocation that it has.
func TestAllocations(t *testing.T) {
	for scheme, want := range map[Scheme]float64{CENC: 1, CBCS: 0} {
		e := newEncryptor(t, &testAVC, scheme)
		sample := nals(testSlice, testSlice)
		out := make([]byte, 0, 2*len(sample))
		got := testing.AllocsPerRun(100, func() {
			e.Reset()
			var err error
			if out, err = e.Append(out[:0], sample); err != nil {
				t.Fatal(err)
			}
		})
		if got > want {
			t.Errorf("%v: %v allocations for a sample, want %v", scheme, got, want)
		}
	}
}
