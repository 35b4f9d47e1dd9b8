package cenc

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/Eyevinn/mp4ff/avc"
	"github.com/Eyevinn/mp4ff/hevc"
	"github.com/Eyevinn/mp4ff/mp4"

	"darkroom/internal/media"
	"darkroom/internal/secret"
)

// encoded is a track that ffmpeg made.
type encoded struct {
	track   media.Track
	samples [][]byte
	path    string
}

// needFFmpeg fails, or skips at the desk, where ffmpeg is missing.
func needFFmpeg(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("ffmpeg is not installed")
		}
		t.Skip("ffmpeg is not installed")
	}
}

// encode makes a short track with the encoder that args name.
func encode(t testing.TB, kind media.Kind, args ...string) encoded {
	t.Helper()
	needFFmpeg(t)
	out := filepath.Join(t.TempDir(), "out.mp4")
	source := []string{"-f", "lavfi", "-i", "testsrc2=s=416x240:r=25:d=1.2,noise=alls=12:allf=t,format=yuv420p"}
	if kind == media.Audio {
		source = []string{"-f", "lavfi", "-i", "sine=d=1.2:r=48000,volume=0.5"}
	}
	command := exec.Command("ffmpeg", append(append(append([]string{"-v", "error", "-nostdin", "-y"}, source...), args...),
		"-movflags", "frag_keyframe+delay_moov+default_base_moof", out)...)
	if message, err := command.CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg %v: %v\n%s", args, err, message)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	e := readMP4(t, b)
	e.path = out
	return e
}

func readMP4(t testing.TB, b []byte) encoded {
	t.Helper()
	f, err := mp4.DecodeFile(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	var e encoded
	stsd := f.Moov.Trak.Mdia.Minf.Stbl.Stsd
	switch {
	case stsd.AvcX != nil:
		e.track = media.Track{Kind: media.Video, Codec: media.AVC, SPS: stsd.AvcX.AvcC.SPSnalus, PPS: stsd.AvcX.AvcC.PPSnalus}
	case stsd.HvcX != nil:
		c := stsd.HvcX.HvcC
		e.track = media.Track{
			Kind: media.Video, Codec: media.HEVC, VPS: c.GetNalusForType(hevc.NALU_VPS), SPS: c.GetNalusForType(hevc.NALU_SPS),
			PPS: c.GetNalusForType(hevc.NALU_PPS),
		}
	case stsd.Av01 != nil:
		var config bytes.Buffer
		if err := stsd.Av01.Av1C.CodecConfRec.Encode(&config); err != nil {
			t.Fatal(err)
		}
		e.track = media.Track{Kind: media.Video, Codec: media.AV1, Config: config.Bytes()}
	case stsd.Mp4a != nil:
		e.track = media.Track{Kind: media.Audio, Codec: media.AAC}
	case stsd.AC3 != nil:
		e.track = media.Track{Kind: media.Audio, Codec: media.AC3}
	case stsd.EC3 != nil:
		e.track = media.Track{Kind: media.Audio, Codec: media.EAC3}
	default:
		t.Fatal("no track that is known")
	}
	for _, s := range f.Segments {
		for _, fragment := range s.Fragments {
			full, err := fragment.GetFullSamples(f.Moov.Mvex.Trex)
			if err != nil {
				t.Fatal(err)
			}
			for _, sample := range full {
				e.samples = append(e.samples, sample.Data)
			}
		}
	}
	if len(e.samples) == 0 {
		t.Fatal("no samples")
	}
	return e
}

var (
	testKey = secret.New([]byte("0123456789abcdef"))
	testIV  = []byte("fedcba9876543210")
	testID  = UUID{0x8b, 0xa9, 0x4a, 0xde, 0x6e, 0xb9, 0x44, 0x9d, 0xb4, 0x4f, 0xa5, 0xbe, 0xef, 0xaf, 0x43, 0xb0}
)

func newEncryptor(t testing.TB, track *media.Track, scheme Scheme) *Encryptor {
	t.Helper()
	o := Options{Scheme: scheme, Key: Key{ID: testID, Value: testKey, IV: testIV}}
	if scheme == CENC {
		ivs, err := NewIVs(bytes.NewReader(make([]byte, 8)))
		if err != nil {
			t.Fatal(err)
		}
		if o.IVs, err = ivs.Track(); err != nil {
			t.Fatal(err)
		}
	}
	e, err := NewEncryptor(track, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// decrypt is mp4ff's decryption of a sample, which mp4ff reads from senc and tenc.
func decrypt(t testing.TB, e *Encryptor, n int, sample []byte) []byte {
	t.Helper()
	out := bytes.Clone(sample)
	info := e.Infos().Sample(n)
	var pattern []mp4.SubSamplePattern
	for _, s := range info.Subsamples {
		pattern = append(pattern, mp4.SubSamplePattern{BytesOfClearData: s.Clear, BytesOfProtectedData: s.Protected})
	}
	var err error
	if e.Track().Scheme == CENC {
		err = mp4.CryptSampleCenc(out, testKey.Reveal(), append(bytes.Clone(info.IV), make([]byte, 8)...), pattern)
	} else {
		tenc := &mp4.TencBox{DefaultCryptByteBlock: e.Track().Crypt, DefaultSkipByteBlock: e.Track().Skip}
		err = mp4.DecryptSampleCbcs(out, testKey.Reveal(), testIV, pattern, tenc)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// peer is another implementation of what finds the head of a slice.
type peer struct {
	avcSPS  map[uint32]*avc.SPS
	avcPPS  map[uint32]*avc.PPS
	hevcSPS map[uint32]*hevc.SPS
	hevcPPS map[uint32]*hevc.PPS
}

func newPeer(t testing.TB, track *media.Track) peer {
	t.Helper()
	p := peer{map[uint32]*avc.SPS{}, map[uint32]*avc.PPS{}, map[uint32]*hevc.SPS{}, map[uint32]*hevc.PPS{}}
	switch track.Codec {
	case media.AVC:
		for _, nal := range track.SPS {
			s, err := avc.ParseSPSNALUnit(nal, true)
			if err != nil {
				t.Fatal(err)
			}
			p.avcSPS[s.ParameterID] = s
		}
		for _, nal := range track.PPS {
			s, err := avc.ParsePPSNALUnit(nal, p.avcSPS)
			if err != nil {
				t.Fatal(err)
			}
			p.avcPPS[s.PicParameterSetID] = s
		}
	case media.HEVC:
		for _, nal := range track.SPS {
			s, err := hevc.ParseSPSNALUnit(nal)
			if err != nil {
				t.Fatal(err)
			}
			p.hevcSPS[uint32(s.SpsID)] = s
		}
		for _, nal := range track.PPS {
			s, err := hevc.ParsePPSNALUnit(nal, p.hevcSPS)
			if err != nil {
				t.Fatal(err)
			}
			p.hevcPPS[s.PicParameterSetID] = s
		}
	}
	return p
}

// spans returns where the bytes behind the heads of slices are, as "start-end" in the sample.
func (p *peer) spans(codec media.Codec, sample []byte) ([]string, error) {
	var spans []string
	for rest := sample; len(rest) > 0; {
		nal, behind, err := cutNAL(rest)
		if err != nil {
			return nil, err
		}
		rest = behind
		head, slice := uint32(0), false
		if codec == media.AVC {
			if slice = avc.IsVideoNaluType(avc.GetNaluType(nal[0])); slice {
				h, err := avc.ParseSliceHeader(nal, p.avcSPS, p.avcPPS)
				if err != nil {
					return nil, err
				}
				head = h.Size
			}
		} else if slice = hevc.IsVideoNaluType(hevc.GetNaluType(nal[0])); slice {
			h, err := hevc.ParseSliceHeader(nal, p.hevcSPS, p.hevcPPS)
			if err != nil {
				return nil, err
			}
			head = h.Size
		}
		if slice {
			end := len(sample) - len(behind)
			spans = append(spans, fmt.Sprintf("%d-%d", end-len(nal)+int(head), end))
		}
	}
	return spans, nil
}

// traced is what ffmpeg's trace_headers says of an OBU with tiles: its offset in the sample and how many bytes stand before the first tile or its
// size.
type traced struct {
	sample, offset, head int
	sizeBytes            int
}

var traceLine = regexp.MustCompile(`^(\d+) +(\S+) +([01]*) = (\d+)$`)

// trace reads the frame headers of a track of AV1 by ffmpeg.
func trace(t *testing.T, path string) []traced {
	t.Helper()
	needFFmpeg(t)
	out, err := exec.Command("ffmpeg", "-hide_banner", "-nostats", "-nostdin", "-i", path, "-c", "copy", "-copyinkf", "-bsf:v", "trace_headers", "-f", "null", "-").CombinedOutput()
	if err != nil {
		t.Fatalf("ffmpeg: %v", err)
	}
	var units []traced
	sample, offset, size, sizeBytes := -1, 0, 0, 1
	bits, lengthBits, extension := 0, 0, 0
	tiles := false
	end := func() {
		if tiles {
			units = append(units, traced{sample, offset, bits / 8, sizeBytes})
		}
		offset += size
		tiles, size, lengthBits, bits = false, 0, 0, 0
	}
	for line := range strings.Lines(string(out)) {
		_, line, ok := strings.Cut(strings.TrimSpace(line), "] ")
		if !ok {
			continue
		}
		if sample >= 0 && strings.HasPrefix(line, "Failed to read unit") {
			return units // a reference too far by its number, which counts for nothing here; ffmpeg goes astray behind it
		}
		switch {
		case strings.HasPrefix(line, "Packet:"):
			if sample >= 0 {
				end()
			}
			sample++
			offset, size = 0, 0
		case sample < 0:
		case line == "OBU header":
			end()
		case line == "Tile Group":
			tiles = true
		default:
			m := traceLine.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			value, _ := strconv.Atoi(m[4])
			at, _ := strconv.Atoi(m[1])
			switch m[2] {
			case "obu_extension_flag":
				extension = value
			case "obu_size":
				size = 1 + extension + lengthBits/8 + value
				continue
			case "tile_size_bytes_minus1":
				sizeBytes = value + 1
			}
			if strings.HasPrefix(m[2], "leb128_byte") {
				lengthBits += 8
			}
			bits = max(bits, at+len(m[3])) // what is worked out has no bits of its own
		}
	}
	end()
	return units
}

// checkTrace compares the tiles that were found in a sample with those that ffmpeg found.
func checkTrace(t *testing.T, n int, spans []span, units []traced) {
	t.Helper()
	for _, u := range units {
		if u.sample != n {
			continue
		}
		want := u.offset + u.head
		if !slices.ContainsFunc(spans, func(s span) bool { return s.start == want || s.start == want+u.sizeBytes }) {
			t.Fatalf("sample %d: protected %v, ffmpeg has tiles at %d", n, spans, want)
		}
	}
}
