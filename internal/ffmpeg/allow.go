package ffmpeg

import (
	"slices"
	"strings"
)

// demuxers may read a source; each is one that Sniff returns.
var demuxers = []string{"mov", "matroska", "mpegts", "mpeg", "ogg", "flac", "flv", "mxf", "mp3", "avi", "wav", "aiff", "aac"}

// decoders may decode a source: those of the codecs that the service documents as inputs. The list keeps the rest of the library, where most of
// the faults are found, out of reach of a hostile file.
var decoders = []string{
	"h264", "hevc", "libdav1d", "libaom-av1", "av1", "vp8", "vp9", "libvpx", "libvpx-vp9", "mpeg1video", "mpeg2video", "mpeg4", "msmpeg4v3", "h263", "flv",
	"prores", "dnxhd", "dvvideo", "mjpeg", "rawvideo", "v210", "vc1", "wmv3", "theora", "ffv1", "jpeg2000", "qtrle", "png",
	"aac", "aac_fixed", "aac_latm", "ac3", "ac3_fixed", "eac3", "mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float", "flac", "opus", "libopus", "vorbis", "libvorbis", "alac",
	"pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be", "pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_u8", "pcm_s8",
	"pcm_alaw", "pcm_mulaw", "pcm_bluray", "pcm_dvd", "wmav2",
}

// codecs are the names under which ffprobe reports what decoders decode, where it differs from the decoder's own.
var codecs = map[string]string{"av1": "av1", "vp8": "vp8", "vp9": "vp9", "opus": "opus", "vorbis": "vorbis", "flv1": "flv", "msmpeg4v3": "msmpeg4v3"}

// decodable reports whether a codec, by ffprobe's name, is on the allow-list.
func decodable(codec string) bool {
	if name, ok := codecs[codec]; ok {
		codec = name
	}
	return slices.Contains(decoders, codec)
}

func decoderList() string { return strings.Join(decoders, ",") }

// maxPixels is the largest picture that is decoded: 8K in either direction.
const maxPixels = 8192 * 8192
