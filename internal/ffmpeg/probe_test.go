package ffmpeg

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/media"
	"darkroom/internal/plan"
)

func TestParseProbe(t *testing.T) {
	t.Parallel()
	got, err := ParseProbe([]byte(`{"format":{"format_long_name":"QuickTime / MOV","duration":"12.500000","size":"99","bit_rate":"64","tags":{"timecode":"x"}},"streams":[
	 {"index":0,"codec_name":"h264","codec_type":"video","width":1920,"height":1080,"sample_aspect_ratio":"1:1","field_order":"tt","r_frame_rate":"25/1","avg_frame_rate":"249/10","pix_fmt":"yuv422p10le","profile":"High 4:2:2","level":41,"coded_width":1920,"coded_height":1088,"color_space":"bt709","color_primaries":"bt709","color_transfer":"smpte2084","tags":{"language":"ENG","timecode":"01:00:00;02"},
	  "side_data_list":[{"side_data_type":"Display Matrix","rotation":-90}]},
	 {"index":1,"codec_name":"aac","codec_type":"audio","sample_rate":"48000","bits_per_sample":24,"channels":2,"channel_layout":"stereo","tags":{"language":"x; rm"}},
	 {"index":2,"codec_name":"xbin","codec_type":"video","r_frame_rate":"90000/1","avg_frame_rate":"0/0","disposition":{"attached_pic":1}},
	 {"index":3,"codec_type":"data"}]}`), "mov")
	want := &plan.Probe{Demuxer: "mov", Format: "QuickTime / MOV", Duration: 12500 * time.Millisecond, Bitrate: 64, Size: 99, Timecode: "01:00:00;02", Streams: []plan.Stream{
		{Index: 0, Kind: media.Video, Codec: "h264", Decodable: true, Language: "eng", Width: 1920, Height: 1080, SampleAspectRatio: media.Rational{Num: 1, Den: 1}, FrameRate: media.Rational{Num: 25, Den: 1}, Interlaced: true, FieldOrder: "tt", Rotation: 90, PixelFormat: "yuv422p10le", BitDepth: 10, ColorSpace: "bt709", ColorPrimaries: "bt709", ColorTransfer: "smpte2084", Profile: "High 4:2:2", Level: 41, CodedWidth: 1920, CodedHeight: 1088},
		{Index: 1, Kind: media.Audio, Codec: "aac", Decodable: true, SampleRate: 48000, Channels: 2, ChannelLayout: "stereo", BitDepth: 24},
		{Index: 2, Kind: media.Video, Codec: "xbin", Attached: true},
		{Index: 3},
	}}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("err %v, probe (-want +got):\n%s", err, d)
	}
	if _, err := ParseProbe([]byte(`{`), "mov"); err == nil {
		t.Error("broken JSON: want an error")
	}
	many := append([]byte(`{"streams":[{}`), bytes.Repeat([]byte(`,{}`), MaxStreams)...)
	if _, err := ParseProbe(append(many, `]}`...), "mov"); err == nil {
		t.Error("too many streams: want an error")
	}
}

func TestContainer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ demuxer, head, want string }{
		{"mov", "\x00\x00\x00\x20ftypisom", "mp4"},
		{"mov", "\x00\x00\x00\x14ftypqt  ", "quicktime"},
		{"mov", "\x00\x00\x00\x08wide", "quicktime"},
		{"matroska", "\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm", "webm"},
		{"matroska", "\x1a\x45\xdf\xa3\xa3\x42\x86\x81\x01\x42\x82\x88matroska", "matroska"},
		{"wav", "RIFF", "wave"},
		{"mpegts", "G", "mpegts"},
		{"flac", "fLaC", ""},
	} {
		if got := Container(c.demuxer, []byte(c.head)); got != c.want {
			t.Errorf("%s %q: got %q, want %q", c.demuxer, c.head, got, c.want)
		}
	}
}

func TestSniff(t *testing.T) {
	t.Parallel()
	packets := func(size, lead int) []byte {
		b := make([]byte, 20*size+lead)
		for i := lead; i < len(b); i += size {
			b[i] = 0x47
		}
		return b
	}
	for _, c := range []struct {
		name string
		head []byte
		want string
	}{
		{"MP4", []byte("\x00\x00\x00\x20ftypisom"), "mov"},
		{"Matroska and WebM", []byte("\x1a\x45\xdf\xa3rest"), "matroska"},
		{"MPEG-TS", packets(188, 0), "mpegts"},
		{"MPEG-TS that begins inside a packet", packets(188, 77), "mpegts"},
		{"BDAV", packets(192, 4), "mpegts"},
		{"WAV", []byte("RIFF\x00\x00\x00\x00WAVEfmt "), "wav"},
		{"AVI", []byte("RIFF\x00\x00\x00\x00AVI LIST"), "avi"},
		{"AIFF", []byte("FORM\x00\x00\x00\x00AIFFCOMM"), "aiff"},
		{"MP3 with tags", []byte("ID3\x04"), "mp3"},
		{"MP3", []byte{0xff, 0xfb, 0x90}, "mp3"},
		{"ADTS", []byte{0xff, 0xf1, 0x50}, "aac"},
		{"a playlist is none", []byte("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/\n"), ""},
		{"a concatenation script is none", []byte("ffconcat version 1.0\nfile /etc/passwd\n"), ""},
		{"an MPD is none", []byte(`<?xml version="1.0"?><MPD>`), ""},
		{"a session description is none", []byte("v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n"), ""},
		{"text with the sync byte is none", []byte("GGGG"), ""},
		{"a picture is none", []byte("\x89PNG\r\n\x1a\n"), ""},
		{"nothing", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := Sniff(c.head); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func FuzzParseProbe(f *testing.F) {
	f.Add([]byte(`{"format":{"duration":"1e308"},"streams":[{"codec_type":"video","r_frame_rate":"1/0","side_data_list":[{"side_data_type":"Display Matrix","rotation":1e300}]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParseProbe(b, "mov")
		if err != nil {
			return
		}
		for _, s := range p.Streams {
			if r := s.Rotation; r != 0 && r != 90 && r != 180 && r != 270 {
				t.Errorf("rotation %d", r)
			}
			if f := s.FrameRate.Float(); f < 0 || f > maxFrameRate {
				t.Errorf("frame rate %v", f)
			}
		}
		if p.Duration < 0 {
			t.Errorf("duration %v", p.Duration)
		}
	})
}
