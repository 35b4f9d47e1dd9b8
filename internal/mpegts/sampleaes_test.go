package mpegts_test

import (
	"bytes"
	"strings"
	"testing"

	"darkroom/internal/cenc"
	"darkroom/internal/media"
	"darkroom/internal/mpegts"
	"darkroom/internal/mpegts/mpegtstest"
	"darkroom/internal/secret"
)

func encryptedMuxer(t testing.TB, track *media.Track, first []byte) *mpegts.Muxer {
	t.Helper()
	m, err := mpegts.NewMuxer(program(mpegts.Stream{PID: 481, Track: track, Key: testKey(), FirstFrame: first}))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The rules of "MPEG-2 Stream Encryption Format for HTTP Live Streaming" 2.2, at the border of every length: which bytes differ from the clear ones.
func TestEncryptedUnit(t *testing.T) {
	t.Parallel()
	block := func(from int) [2]int { return [2]int{from, from + 16} }
	for _, tt := range []struct {
		name string
		kind byte
		size int
		want [][2]int // encrypted
	}{
		{"one byte", 0x65, 1, nil},
		{"leader alone", 0x65, 32, nil},
		{"one block, which stays clear", 0x65, 48, nil},
		{"one block and a byte", 0x65, 49, [][2]int{block(32)}},
		{"not referred to", 0x01, 49, [][2]int{block(32)}},
		{"nine clear blocks", 0x41, 32 + 160, [][2]int{block(32)}},
		{"an end of one block", 0x41, 32 + 160 + 16, [][2]int{block(32)}},
		{"an end of one block and a byte", 0x41, 32 + 160 + 17, [][2]int{block(32), block(192)}},
		{"three blocks", 0x41, 32 + 2*160 + 17, [][2]int{block(32), block(192), block(352)}},
		{"data partition", 0x42, 1000, nil},
		{"supplemental information", 0x06, 1000, nil},
		{"parameter set", 0x67, 1000, nil},
		{"extension", 0x74, 1000, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			unit := slice(tt.kind, tt.size)
			m := encryptedMuxer(t, avcTrack(0), nil)
			b := appendSample(t, m, m.AppendSegmentStart(nil), 0, media.Sample{Sync: true, Data: nal(slice(0x65, 5))})
			b = appendSample(t, m, b, 0, media.Sample{DecodeTime: 1000, Data: nal(unit)})
			var p mpegtstest.Parser
			parse(t, &p, b)
			got := p.Units[1].Data[len("\x00\x00\x00\x01\x09\xf0\x00\x00\x00\x01"):]
			if len(got) < len(unit) {
				t.Fatalf("%d bytes of %d", len(got), len(unit))
			}
			if len(got) > len(unit) {
				t.Fatal("this key makes a start code here: choose another for the test")
			}
			var encrypted [][2]int
			for i := 0; i < len(unit); i += 16 {
				n := min(16, len(unit)-i)
				if !bytes.Equal(got[i:i+n], unit[i:i+n]) {
					encrypted = append(encrypted, block(i))
				}
			}
			if len(encrypted) != len(tt.want) {
				t.Fatalf("encrypted at %v, want %v", encrypted, tt.want)
			}
			for i := range encrypted {
				if encrypted[i] != tt.want[i] {
					t.Errorf("encrypted at %v, want %v", encrypted, tt.want)
				}
			}
			// The vector begins anew in every unit, so equal units are encrypted alike.
			if tt.want != nil {
				b = appendSample(t, m, m.AppendSegmentStart(nil), 0, media.Sample{DecodeTime: 2000, Sync: true, Data: nal(slice(0x65, 5), unit)})
				parse(t, &p, b)
				if !bytes.HasSuffix(p.Units[2].Data, got) {
					t.Error("the same unit is encrypted differently")
				}
			}
		})
	}
}

// No start code appears in an encrypted unit, whatever it holds, and the literal decryptor has the unit back.
func TestEmulationPrevention(t *testing.T) {
	t.Parallel()
	m := encryptedMuxer(t, avcTrack(0), nil)
	key := testKey()
	b := appendSample(t, m, m.AppendSegmentStart(nil), 0, media.Sample{Sync: true, Data: nal(slice(0x65, 5))})
	var units [][]byte
	seed := uint32(1)
	for i := range 2000 {
		// Bytes of which most are 0 to 3, with the emulation prevention that an encoder puts in.
		unit := []byte{0x41}
		for zeros := 0; len(unit) < 60+i%400; {
			seed = seed*1664525 + 1013904223
			v := "\x00\x00\x00\x00\x01\x02\x03\xff"[seed>>29]
			if zeros == 2 && v <= 3 {
				unit, zeros = append(unit, 3), 0
			}
			if unit = append(unit, v); v == 0 {
				zeros++
			} else {
				zeros = 0
			}
		}
		unit = append(unit, 0x80)
		units = append(units, unit)
		b = appendSample(t, m, b, 0, media.Sample{DecodeTime: int64(i+1) * 1000, Data: nal(unit)})
	}
	var p mpegtstest.Parser
	parse(t, &p, b)
	if len(p.Units) != len(units)+1 {
		t.Fatalf("%d units", len(p.Units))
	}
	longer := 0
	for i, want := range units {
		data := p.Units[i+1].Data
		if kinds := mpegtstest.NALTypes(data); !bytes.Equal(kinds, []byte{9, 1}) {
			t.Fatalf("unit %d: NAL units %v", i, kinds)
		}
		got, err := mpegtstest.Decrypt(mpegtstest.EncryptedAVC, data, key.Value.Reveal(), key.IV)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasSuffix(got, append([]byte{0, 0, 0, 1}, want...)) {
			t.Fatalf("unit %d does not decrypt", i)
		}
		if wrong, _ := mpegtstest.Decrypt(mpegtstest.EncryptedAVC, data, []byte("another key 0123"), key.IV); bytes.Equal(wrong, got) {
			t.Fatalf("unit %d decrypts with another key", i)
		}
		if len(data) > len(got) {
			longer++
		}
	}
	if longer < len(units)/2 {
		t.Errorf("only %d units needed emulation prevention", longer)
	}
}

func TestEncryptedFrame(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		size      int
		encrypted int // bytes
	}{
		{"short", 15, 0},
		{"leader", 16, 0},
		{"leader and a part of a block", 31, 0},
		{"one block", 32, 16},
		{"one block and a rest", 47, 16},
		{"ten blocks", 176, 160},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			frame := bytes.Repeat([]byte{0x55}, tt.size)
			m := encryptedMuxer(t, aacTrack(48000, "eng"), nil)
			b := appendSample(t, m, m.AppendSegmentStart(nil), 0, media.Sample{Data: frame})
			var p mpegtstest.Parser
			parse(t, &p, m.AppendFlush(b))
			got := p.Units[0].Data[7:]
			if !bytes.Equal(got[:min(16, tt.size)], frame[:min(16, tt.size)]) {
				t.Error("the beginning is not clear")
			}
			if end := min(16, tt.size) + tt.encrypted; !bytes.Equal(got[end:], frame[end:]) {
				t.Error("the end is not clear")
			}
			for i := 16; i < 16+tt.encrypted; i += 16 {
				if bytes.Equal(got[i:i+16], frame[i:i+16]) {
					t.Errorf("the block at %d is clear", i)
				}
			}
		})
	}
}

// What the program map says of encrypted streams, byte by byte.
func TestEncryptedProgramMap(t *testing.T) {
	t.Parallel()
	ac3 := ac3Frame()
	for _, tt := range []struct {
		name  string
		track *media.Track
		kind  int
		want  []string
	}{
		{"AVC", avcTrack(0), 0xdb, []string{"\x0f\x04zavc"}},
		{"AAC", aacTrack(48000, ""), 0xcf, []string{"\x0f\x04aacd", "\x05\x0eapadzaac\x00\x00\x01\x02\x11\x90"}},
		{"AAC with language", aacTrack(44100, "fra"), 0xcf, []string{"\x0a\x04fra\x00", "\x0f\x04aacd", "\x05\x0eapadzaac\x00\x00\x01\x02\x12\x10"}},
		{"AC-3", ac3Track(), 0xc1, []string{"\x0f\x04ac3d", "\x05\x16apadzac3\x00\x00\x01\x0a" + string(ac3[:10])}},
		{"E-AC-3", eac3Track(), 0xc2, []string{"\x0f\x04ec3d", "\x05\x11apadzec3\x00\x00\x01\x05\x06\x00\x20\x0f\x00"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var p mpegtstest.Parser
			parse(t, &p, encryptedMuxer(t, tt.track, ac3).AppendSegmentStart(nil))
			if p.Streams[0].Type != tt.kind {
				t.Errorf("stream type %#02x, want %#02x", p.Streams[0].Type, tt.kind)
			}
			descriptors(t, p.Descriptors[481], tt.want)
		})
	}
}

func descriptors(t *testing.T, got [][]byte, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("descriptors %q, want %q", got, want)
	}
	for i := range got {
		if string(got[i]) != want[i] {
			t.Errorf("descriptor %d: %q, want %q", i, got[i], want[i])
		}
	}
}

// What cannot be encrypted is refused, never written in the clear.
func TestEncryptionRefused(t *testing.T) {
	t.Parallel()
	good := func() *cenc.Key { return testKey() }
	for _, tt := range []struct {
		name  string
		track *media.Track
		key   *cenc.Key
		first []byte
		want  string
	}{
		{"no key value", avcTrack(0), &cenc.Key{IV: make([]byte, 16)}, nil, "key of 16 bytes"},
		{"long key", avcTrack(0), &cenc.Key{Value: secret.New(make([]byte, 32)), IV: make([]byte, 16)}, nil, "key of 16 bytes, not 32"},
		{"no vector", avcTrack(0), &cenc.Key{Value: secret.New(make([]byte, 16))}, nil, "vector of 16 bytes"},
		{"short vector", aacTrack(48000, ""), &cenc.Key{Value: secret.New(make([]byte, 16)), IV: make([]byte, 8)}, nil, "vector of 16 bytes, not 8"},
		{"HEVC", hevcTrack(), good(), nil, "not defined for HEVC"},
		{"AAC Main", &media.Track{Kind: media.Audio, Codec: media.AAC, Timescale: 48000, AudioConfig: []byte{0x09, 0x90}}, good(), nil, "object type 1"},
		{"AC-3 without a frame", ac3Track(), good(), nil, "first syncframe"},
		{"AC-3 with half a frame", ac3Track(), good(), ac3Frame()[:20], "first syncframe"},
		{"AC-3 with a frame of E-AC-3", ac3Track(), good(), eac3Frame(), "first syncframe"},
		{"a configuration that is too long", &media.Track{
			Kind: media.Audio, Codec: media.EAC3, Timescale: 48000, Config: make([]byte, 244),
		}, good(), nil, "more than SAMPLE-AES can tell"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := mpegts.NewMuxer(program(mpegts.Stream{PID: 481, Track: tt.track, Key: tt.key, FirstFrame: tt.first}))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
			if tt.track.Kind != media.Audio {
				return
			}
			p, err := mpegts.NewPacked(tt.track, tt.key, mpegts.Timing{})
			if err == nil {
				_, err = p.AppendSegmentStart(nil, &media.Sample{Data: tt.first})
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("packed: got %v, want an error with %q", err, tt.want)
			}
		})
	}
	t.Run("a program map of two packets", func(t *testing.T) {
		t.Parallel()
		p := program(mpegts.Stream{PID: 481, Track: avcTrack(0), Key: good()})
		for i := range 10 {
			p.Streams = append(p.Streams, mpegts.Stream{PID: 500 + i, Track: aacTrack(48000, "eng"), Key: good()})
		}
		if _, err := mpegts.NewMuxer(p); err == nil || !strings.Contains(err.Error(), "one packet") {
			t.Errorf("got %v", err)
		}
	})
}

// FuzzEncrypted: whatever units a sample has, either it is refused or the literal decryptor has what the clear stream has.
func FuzzEncrypted(f *testing.F) {
	f.Add(nal(slice(0x65, 9), slice(0x41, 400)), byte(0))
	f.Add(nal(append([]byte{0x65}, make([]byte, 200)...)), byte(0))
	f.Add(bytes.Repeat([]byte{0xaa}, 100), byte(1))
	f.Add([]byte{}, byte(1)) // an ADTS header alone was written
	f.Add(ac3Frame(), byte(2))
	f.Add(append(eac3Frame(), eac3Frame()...), byte(3))
	tracks := []*media.Track{avcTrack(0), aacTrack(48000, ""), ac3Track(), eac3Track()}
	kinds := []int{mpegtstest.EncryptedAVC, mpegtstest.EncryptedADTS, mpegtstest.EncryptedAC3, mpegtstest.EncryptedEAC3}
	f.Fuzz(func(t *testing.T, data []byte, which byte) {
		track, kind := tracks[which&3], kinds[which&3]
		if kind == mpegtstest.EncryptedAVC && !wellFormed(data) {
			data = nal(append([]byte{0x41}, data...))
			if !wellFormed(data) {
				return
			}
		}
		key := testKey()
		mux := func(key *cenc.Key) ([]byte, error) {
			p := program(mpegts.Stream{PID: 481, Track: track, Key: key, FirstFrame: ac3Frame()})
			m, err := mpegts.NewMuxer(p)
			if err != nil {
				t.Fatal(err)
			}
			b, err := m.AppendSample(m.AppendSegmentStart(nil), 0, &media.Sample{Sync: true, Data: bytes.Clone(data)})
			return m.AppendFlush(b), err
		}
		var clear, encrypted mpegtstest.Parser
		want, err := mux(nil)
		got, err2 := mux(key)
		if (err == nil) != (err2 == nil) {
			t.Fatalf("clear: %v; encrypted: %v", err, err2)
		}
		if err != nil {
			return
		}
		if clear.Segment(want) != nil {
			return // what the samples hold is no picture to a strict reader
		}
		if err := encrypted.Segment(got); err != nil {
			t.Fatal(err)
		}
		decrypted, err := mpegtstest.Decrypt(kind, encrypted.Units[0].Data, key.Value.Reveal(), key.IV)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(decrypted, clear.Units[0].Data) {
			t.Fatalf("got % x, want % x", decrypted, clear.Units[0].Data)
		}
	})
}

// wellFormed reports whether NAL units are as an encoder makes them: no start codes in them and no zeros at their ends.
func wellFormed(b []byte) bool {
	for len(b) >= 4 {
		n := int(b[0])<<24 | int(b[1])<<16 | int(b[2])<<8 | int(b[3])
		if n <= 0 || n > len(b)-4 {
			return false
		}
		unit := b[4 : 4+n]
		for i := 0; i+2 < n; i++ {
			if unit[i] == 0 && unit[i+1] == 0 && unit[i+2] < 3 {
				return false
			}
		}
		if unit[n-1] == 0 {
			return false
		}
		b = b[4+n:]
	}
	return len(b) == 0
}
