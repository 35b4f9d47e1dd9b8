package validate

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
)

// memory is a package that is nowhere but here.
type memory map[string][]byte

func (m memory) Resolve(_, ref string) (string, error) {
	if strings.Contains(ref, "..") {
		return "", errors.New("it leads out")
	}
	return ref, nil
}

func (memory) Name(ref string) string { return ref }

func (m memory) Open(_ context.Context, ref string, offset, length int64) (io.ReadCloser, error) {
	b, ok := m[ref]
	if !ok {
		return nil, fs.ErrNotExist
	}
	if offset > int64(len(b)) || length >= 0 && offset+length > int64(len(b)) {
		return nil, io.ErrUnexpectedEOF
	}
	b = b[offset:]
	if length >= 0 {
		b = b[:length]
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

func fuzzChecker(m memory) *checker {
	return &checker{
		ctx: context.Background(), src: m, count: map[string]int{}, seen: map[Finding]bool{}, segments: map[span]*segment{}, inits: map[span]*initSegment{},
		texts: map[string][]byte{}, moofs: map[span]bool{},
	}
}

// FuzzManifest checks hostile manifests beside media that is good.
func FuzzManifest(f *testing.F) {
	var media []byte
	for _, pack := range []files{transport(f), segmented(f, "cenc", "avc", "aac"), onDemand(f), smooth(f)} {
		for name, b := range pack {
			switch {
			case strings.HasSuffix(name, ".m3u8"), strings.HasSuffix(name, ".mpd"), strings.HasSuffix(name, ".ismc"):
				f.Add(b)
			case name == "v.mp4":
				media = b
			}
		}
	}
	f.Add([]byte("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n#EXT-X-BYTERANGE:9223372036854775807@1\nm\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m := memory{"m": media, "v.mp4": media, "v/init.mp4": media, "v/1.m4s": media, "manifest": text}
		_, _ = Check(t.Context(), m, []string{"manifest"}, Options{})
	})
}

// FuzzFMP4 reads hostile files, as a whole and as a segment.
func FuzzFMP4(f *testing.F) {
	// Small seeds: what is behind the first samples adds nothing.
	seed := func(parts ...[]byte) {
		all := bytes.Join(parts, nil)
		f.Add(all[:min(len(all), 6000)])
	}
	seed(onDemand(f)["v.mp4"])
	for _, scheme := range []string{"cenc", "cbcs"} {
		pack := segmented(f, scheme, "avc", "aac")
		seed(pack["v/init.mp4"], pack["v/1.m4s"])
		seed(pack["a/init.mp4"], pack["a/1.m4s"])
	}
	pack := segmented(f, "cbcs", "av1", "ac3")
	seed(pack["v/init.mp4"], pack["v/1.m4s"])
	seed(pack["a/init.mp4"], pack["a/1.m4s"])
	seed(smooth(f)["x.ismv"])
	f.Fuzz(func(_ *testing.T, b []byte) {
		c := fuzzChecker(nil)
		c.keys = []Key{wholeKey, {ID: testKID, Value: wholeKey.Value}}
		_, _ = c.readFMP4(bytes.NewReader(b), span{"x", 0, -1}, nil, false)
		c.parseInit("x", b)
	})
}

// FuzzTS reads hostile transport streams, packed audio and captions.
func FuzzTS(f *testing.F) {
	f.Add(transport(f)["avc0.ts"][:12*tsPacket])
	p := packed(f)
	f.Add(p["a0.aac"][:1000])
	f.Add(p["t0.vtt"])
	f.Fuzz(func(_ *testing.T, b []byte) {
		c := fuzzChecker(nil)
		c.readTS(bytes.NewReader(b), "x", false)
		c.readPacked(bytes.NewReader(b), "x")
		c.readVTT(bytes.NewReader(b), "x")
		if s := c.readTS(bytes.NewReader(b), "x", false); s.bytes > int64(len(b)) {
			panic("more bytes than there are")
		}
	})
}

// FuzzPlayReady reads hostile PlayReady objects and pssh boxes.
func FuzzPlayReady(f *testing.F) {
	f.Add([]byte("\x0e\x00\x00\x00\x01\x00\x01\x00\x04\x00<\x00a\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if kid, err := playReadyKID(b); err == nil && len(kid) != 32 {
			t.Errorf("key identifier %q", kid)
		}
		_, _ = parsePSSH(b)
	})
}
