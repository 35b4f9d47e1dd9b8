package ffmpeg

import (
	"strings"

	"darkroom/internal/job"
)

// failure is what a line that ffmpeg prints means for the job.
type failure struct {
	text    string
	code    int
	message string
}

// cutShort is what the Matroska demuxer prints; it then goes on as if the film ended there, and ffmpeg succeeds.
const cutShort = "File ended prematurely"

// CutShort says whether ffmpeg, though it succeeded, met the end of its input before that input's end. Failure explains it.
func CutShort(stderr string) bool { return strings.Contains(stderr, cutShort) }

// failures are tried in order: the first text found decides.
var failures = []failure{
	{"moov atom not found", 1010, "Input 1 cannot be opened: its index (moov) is missing, as in a file that was cut short. Upload the whole file and submit the job again."},
	{cutShort, 1076, "Input 1 ends in the middle of its media: it was cut short. Upload the whole file and submit the job again."},
	{"partial file", 1076, "Input 1 ends before its index says: it was cut short. Upload the whole file and submit the job again."},
	{"Input/output error", 1076, "Input 1 could not be read to its end. Check that the object is whole and submit the job again."},
	{"Stream ends prematurely", 1076, "Input 1 could not be read to its end. Check that the object is whole and submit the job again."},
	{"Picture size", 1040, "Input 1: the picture is larger than allowed (8192 x 8192 pixels in all), or damaged. Use a smaller picture."},
	{"not on whitelist", 1030, "Input 1 holds a codec or container that is not supported. Convert the input to another codec first."},
	{"Decoder not found", 1030, "Input 1 holds a codec that is not supported. Convert the input to another codec first."},
	{"Decoder (codec", 1030, "Input 1 holds a codec that is not supported. Convert the input to another codec first."},
	{"Cannot allocate memory", 1040, "The job needs more memory than it is allowed. Use smaller pictures or fewer outputs."},
	{"does not contain any stream", 1010, "Input 1 holds no stream that can be read."},
	{"matches no streams", 1020, "Input 1 does not have the streams that the job asks for."},
	{"Changing audio frame properties", 3400, "Input 1: the sound has another sample rate, sample format or number of channels behind a discontinuity, which is not carried out. Make the parts alike."},
	{"channel element", 1092, "Input 1: the audio is damaged. Repair the input and submit the job again."},
	{"corrupt decoded frame", 1076, "Input 1: the video is damaged. Repair the input and submit the job again."},
	{"corrupt input packet", 1076, "Input 1 is damaged. Repair the input and submit the job again."},
	{"Error while decoding stream", 1076, "Input 1 is damaged: a part of it cannot be decoded. Repair the input and submit the job again."},
	{"Error submitting packet to decoder", 1076, "Input 1 is damaged: a part of it cannot be decoded. Repair the input and submit the job again."},
	{"Invalid data found when processing input", 1010, "Input 1 cannot be read: it is damaged, or not the kind of file that it seems to be."},
	{"Error while opening encoder", 1040, "The settings of an output are not supported together, or not with this input. Check level, profile, size, frame rate and bitrate."},
	{"Error initializing output stream", 1040, "The settings of an output are not supported together, or not with this input. Check level, profile, size, frame rate and bitrate."},
}

// Failure explains why ffmpeg or ffprobe failed, from the end of what it printed. Its own words stay out of the message: they may hold
// text of the file.
func Failure(stderr string) *job.Error {
	for _, f := range failures {
		if strings.Contains(stderr, f.text) {
			return &job.Error{Code: f.code, Message: f.message}
		}
	}
	return job.Errorf(1999, "The transcode ended for an unknown reason. Submit the job again; if it fails again, the server's log says more under this job's id.")
}
