package ffmpeg

import (
	"strings"
	"testing"
)

// TestSniffPlaylists: what leads elsewhere has no demuxer.
func TestSniffPlaylists(t *testing.T) {
	t.Parallel()
	for _, head := range []string{
		"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n", "#EXTM3U8\n", "\ufeff#EXTM3U\n", "\n#EXTM3U\n", "ffconcat version 1.0\nfile '/etc/passwd'\n",
		"<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"></MPD>", "<?xml version=\"1.0\"?>", "v=0\no=- 0 0 IN IP4 127.0.0.1\n", "#EXTM3U\n" + strings.Repeat("G", 4096)[:100],
		"[playlist]\nFile1=http://127.0.0.1/\n", "<smil></smil>", "concat:/etc/passwd", "",
	} {
		if got := Sniff([]byte(head)); got != "" {
			t.Errorf("%.40q is read as %s", head, got)
		}
	}
}
