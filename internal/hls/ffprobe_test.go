package hls_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"darkroom/internal/cenc"
	"darkroom/internal/hls"
)

// tool runs a program: at a desk without it the test is skipped, in CI it fails.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, &stderr)
	}
	return stdout.String()
}

func put(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func take(t *testing.T, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	pictures = 150 // 6 s of 25
	cuts     = 3   // of 2 s
)

// encode makes three segments of 2 s, TS or fMP4 with its initialization section, named 0.EXT to 2.EXT.
func encode(t *testing.T, kind, extension string) string {
	t.Helper()
	dir := t.TempDir()
	args := []string{
		"-v", "error", "-f", "lavfi", "-i", "testsrc=size=128x72:rate=25:duration=6", "-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-sc_threshold", "0", "-bf", "0",
		"-f", "hls", "-hls_time", "2", "-hls_list_size", "0", "-hls_segment_type", kind, "-hls_segment_filename", filepath.Join(dir, "%d."+extension),
	}
	if kind == "fmp4" {
		args = append(args, "-hls_fmp4_init_filename", "init.mp4")
	}
	tool(t, "ffmpeg", append(args, filepath.Join(dir, "theirs.m3u8"))...)
	return dir
}

// frames counts what ffprobe reads of a playlist.
func frames(t *testing.T, path string) string {
	t.Helper()
	out := tool(t, "ffprobe", "-v", "error", "-allowed_extensions", "ALL", "-protocol_whitelist", "file,crypto,data",
		"-count_packets", "-select_streams", "v:0", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", path)
	first, _, _ := strings.Cut(out, "\n") // the stream is shown again for each program that it is in
	return first
}

// TestFFprobe has another program read what is written: every form of playlist that it knows.
func TestFFprobe(t *testing.T) {
	t.Parallel()
	key := bytes.Repeat([]byte{7}, 16)
	for _, tt := range []struct {
		name, kind, extension string
		want                  int
		make                  func(t *testing.T, dir string, m *hls.Media)
	}{
		{"TS", "mpegts", "ts", pictures, func(*testing.T, string, *hls.Media) {}},
		{"fMP4", "fmp4", "m4s", pictures, func(t *testing.T, dir string, m *hls.Media) {
			for i := range m.Segments {
				m.Segments[i].Map = &hls.Map{URI: "init.mp4"}
			}
		}},
		{"one file", "fmp4", "m4s", pictures, func(t *testing.T, dir string, m *hls.Media) {
			whole := take(t, dir, "init.mp4")
			section := &hls.Map{URI: "whole.mp4", Range: hls.ByteRange{Length: int64(len(whole))}}
			for i := range m.Segments {
				s := &m.Segments[i]
				data := take(t, dir, s.URI)
				s.URI, s.Map, s.Range = "whole.mp4", section, hls.ByteRange{Length: int64(len(data)), Offset: int64(len(whole))}
				whole = append(whole, data...)
			}
			put(t, dir, "whole.mp4", whole)
		}},
		{"AES-128 by number", "mpegts", "ts", pictures, func(t *testing.T, dir string, m *hls.Media) {
			put(t, dir, "key", key)
			for i := range m.Segments {
				s := &m.Segments[i]
				iv := make([]byte, 16)
				binary.BigEndian.PutUint64(iv[8:], uint64(hls.FirstSequence+i))
				put(t, dir, s.URI, seal(t, key, iv, take(t, dir, s.URI)))
				s.Keys = []cenc.HLSKey{{Method: "AES-128", URI: "key"}}
			}
		}},
		{"AES-128 by constant, behind a clear segment", "mpegts", "ts", pictures, func(t *testing.T, dir string, m *hls.Media) {
			put(t, dir, "key", key)
			iv := bytes.Repeat([]byte{9}, 16)
			for i := 1; i < len(m.Segments); i++ {
				s := &m.Segments[i]
				put(t, dir, s.URI, seal(t, key, iv, take(t, dir, s.URI)))
				s.Keys = []cenc.HLSKey{{Method: "AES-128", URI: "key", IV: iv, KeyFormat: "identity", KeyFormatVersions: "1"}}
			}
		}},
		{"I-frames", "mpegts", "ts", cuts, func(t *testing.T, dir string, m *hls.Media) {
			m.IFramesOnly = true
			for i := range m.Segments {
				s := &m.Segments[i]
				s.Range = hls.ByteRange{Length: int64(keyFrame(t, take(t, dir, s.URI)))}
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := encode(t, tt.kind, tt.extension)
			m := &hls.Media{}
			for i := range cuts {
				m.Segments = append(m.Segments, hls.Segment{URI: fmt.Sprintf("%d.%s", i, tt.extension), Duration: 2 * time.Second})
			}
			tt.make(t, dir, m)
			put(t, dir, "ours.m3u8", m.Encode())
			if got := frames(t, filepath.Join(dir, "ours.m3u8")); got != fmt.Sprint(tt.want) {
				t.Errorf("ffprobe reads %s pictures, want %d", got, tt.want)
			}
			all := hls.Multivariant{Variants: []hls.Variant{{URI: "ours.m3u8", Bandwidth: 100_000, Codecs: []string{"avc1.42c00a"}, Width: 128, Height: 72, NoClosedCaptions: true}}}
			put(t, dir, "all.m3u8", all.Encode())
			if got := frames(t, filepath.Join(dir, "all.m3u8")); got != fmt.Sprint(tt.want) {
				t.Errorf("by the multivariant playlist ffprobe reads %s pictures, want %d", got, tt.want)
			}
		})
	}
}

// seal encrypts a whole segment, RFC 8216 4.3.2.4.
func seal(t *testing.T, key, iv, data []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	pad := aes.BlockSize - len(data)%aes.BlockSize
	data = append(data, bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(data, data)
	return data
}

// keyFrame is where the first picture of a transport stream of one elementary stream ends: the second packet that begins a PES packet.
func keyFrame(t *testing.T, ts []byte) int {
	t.Helper()
	begun := 0
	for at := 0; at+188 <= len(ts); at += 188 {
		pid := int(ts[at+1]&0x1f)<<8 | int(ts[at+2])
		if ts[at+1]&0x40 != 0 && pid == 0x100 { // where ffmpeg puts the pictures
			if begun++; begun == 2 {
				return at
			}
		}
	}
	t.Fatal("no second picture")
	return 0
}
