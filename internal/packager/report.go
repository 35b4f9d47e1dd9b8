package packager

import (
	"time"

	"darkroom/internal/plan"
)

// Report says what Run wrote.
type Report struct {
	// Outputs are the outputs of the job, in the order of files, captures and groups of segments in the plan, each once.
	Outputs []Output
	// Objects are all objects that were completed, in the order in which that happened.
	Objects []Object
	// Playlists are the manifests written, but for media playlists.
	Playlists []plan.Location
	// Orphans are uploads that were begun and could not be aborted. Empty unless Run failed.
	Orphans []Orphan
	// PeakBytes is the most that samples and parts took of memory at one time.
	PeakBytes int64
}

// Object is an object in the store.
type Object struct {
	Location plan.Location
	Bytes    int64
}

// Orphan is an upload that is still open in the store.
type Orphan struct {
	Location plan.Location
	Err      error // why it could not be aborted
}

// Output says what one output of the job became.
type Output struct {
	Group, Output int // where it stands in the job
	// Duration of the longest track, from presentation time 0.
	Duration time.Duration
	Bytes    int64 // media, without playlists
	// Bitrate is Bytes over Duration, bits per second; 0 when there is no duration.
	Bitrate       int64
	Width, Height int // 0 for sound alone
	// Paths are the objects by which the output is found: the file; the media playlist (the segments when there is none); the last picture.
	Paths []plan.Location
	// Segments or pictures written, 0 for a file.
	Segments int
	// SegmentDurations are the lengths of the segments, in order.
	SegmentDurations []time.Duration
	Tracks           []Track
}

// Track says what an output has of a rendition.
type Track struct {
	Rendition string
	Samples   int64
	Bytes     int64 // of samples, without the container
	// First is the presentation time of the first sample in decode order, Last the greatest of all, End where the last one ends. Negative
	// times are priming.
	First, Last, End time.Duration
}

// add takes in what a package made of an output, of which another package may have made something else.
func (r *Report) add(o *Output) {
	for i := range r.Outputs {
		have := &r.Outputs[i]
		if have.Group != o.Group || have.Output != o.Output {
			continue
		}
		have.Duration = max(have.Duration, o.Duration)
		have.Bytes += o.Bytes
		have.Bitrate = bitrate(have.Bytes, have.Duration)
		if have.Width == 0 {
			have.Width, have.Height = o.Width, o.Height
		}
		have.Paths = append(have.Paths, o.Paths...)
		if len(o.SegmentDurations) > len(have.SegmentDurations) {
			have.Segments, have.SegmentDurations = o.Segments, o.SegmentDurations
		}
		have.Tracks = append(have.Tracks, o.Tracks...)
		return
	}
	r.Outputs = append(r.Outputs, *o)
}
