package plan

import (
	"fmt"
	"reflect"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/job"
)

// Options are what a plan depends on besides the settings and the source.
type Options struct {
	// Start is the start of the job, for $dt$, $d$ and $t$. It is the same when a job is carried on after an interruption.
	Start time.Time
}

// New plans a job. The settings have passed Check; what the source makes impossible is a *job.Error with MediaConvert's code.
func New(s *types.JobSettings, source *Probe, o Options) (*Plan, error) {
	p, err := newBuilder(s, source, o).build()
	if err != nil {
		return nil, err
	}
	if d := p.duplicates(); len(d) > 0 {
		return nil, job.Errorf(1040, "%s: %s is also written by %s; give each output its own nameModifier", d[0].path, d[0].uri, d[0].other)
	}
	return p, nil
}

type builder struct {
	settings *types.JobSettings
	source   *Probe
	options  Options
	plan     *Plan
	input    Input
	video    *Stream
	rotation int
}

func newBuilder(s *types.JobSettings, source *Probe, o Options) *builder {
	return &builder{settings: s, source: source, options: o, plan: &Plan{Duration: source.Duration}}
}

func (b *builder) build() (*Plan, error) {
	in := &b.settings.Inputs[0]
	var err error
	if b.input, err = ParseInput(aws.ToString(in.FileInput)); err != nil {
		return nil, job.Errorf(1010, "Input 1: %v.", err)
	}
	b.video = b.source.video()
	b.plan.Source = Source{Input: b.input, Video: -1, Files: []SourceFile{b.source.file(0)}}
	if b.video != nil {
		b.rotation = rotation(in.VideoSelector, b.video)
		b.plan.Source.Video = b.video.Index
		b.plan.Source.Width, b.plan.Source.Height = b.video.Width, b.video.Height
		b.plan.Source.FrameRate = b.video.FrameRate
		b.plan.Source.Rotation = b.rotation
	}
	for i := range b.settings.OutputGroups {
		g := &b.settings.OutputGroups[i]
		switch g.OutputGroupSettings.Type {
		case types.OutputGroupTypeFileGroupSettings:
			err = b.fileGroup(i, g)
		default:
			err = b.streamGroup(i, g)
		}
		if err != nil {
			return nil, err
		}
	}
	b.align()
	return b.plan, nil
}

// rendition returns the id of an encoding, adding it to the plan unless an equal one is there.
func (b *builder) rendition(r Rendition) string {
	count := 0
	for i := range b.plan.Renditions {
		have := &b.plan.Renditions[i]
		if r.Video != nil && have.Video != nil {
			if have.Video.share(r.Video) {
				return have.ID
			}
			count++
		}
		if r.Audio != nil && have.Audio != nil {
			if reflect.DeepEqual(*have.Audio, *r.Audio) {
				return have.ID
			}
			count++
		}
		if r.Frames != nil && have.Frames != nil {
			if *have.Frames == *r.Frames {
				return have.ID
			}
			count++
		}
	}
	kind := "v"
	switch {
	case r.Audio != nil:
		kind = "a"
	case r.Frames != nil:
		kind = "f"
	}
	r.ID = fmt.Sprintf("%s%d", kind, count)
	b.plan.Renditions = append(b.plan.Renditions, r)
	return r.ID
}

// share reports whether one encoding can serve both, and then makes v that one: they are equal, or differ only in the length of their segments, and one of the
// lengths is a part of the other, or a part of both is no shorter than a usual group of pictures. Key frames at the segments of the other do it no harm, since
// KeyFrameInterval is the longest distance.
func (v *Video) share(want *Video) bool {
	both, other := *v, *want
	both.SegmentLength = time.Duration(gcd(int64(v.SegmentLength), int64(want.SegmentLength)))
	switch both.SegmentLength {
	case v.SegmentLength, want.SegmentLength:
	default:
		if both.SegmentLength < defaultGOPSeconds*time.Second {
			return false
		}
	}
	other.SegmentLength = both.SegmentLength
	if both != other {
		return false
	}
	*v = both
	return true
}

func (b *builder) variables() variables {
	return variables{start: b.options.Start, inputStem: b.input.stem()}
}

// names are the variables of one output, once its renditions are known.
func (b *builder) names(video *Video, frames *Frames, audio []*Audio, extension string) variables {
	v := b.variables()
	v.extension = extension
	switch {
	case video != nil:
		v.width, v.height, v.frameRate = video.Width, video.Height, video.FrameRate.Float()
		v.videoBitrate = video.Bitrate
		if video.RateControl == QVBR {
			v.videoBitrate = video.MaxBitrate
		}
	case frames != nil:
		v.width, v.height, v.frameRate = frames.Width, frames.Height, frames.FrameRate.Float()
	}
	for _, a := range audio {
		v.audioBitrate += a.Bitrate
	}
	return v
}

func (b *builder) fileGroup(index int, g *types.OutputGroup) error {
	dest, err := resolveDestination(groupDestination(g), b.input, b.variables())
	if err != nil {
		return job.Errorf(1040, "/outputGroups/%d: destination: %v.", index, err)
	}
	if dest.storage, err = groupStorage(fmt.Sprintf("/outputGroups/%d", index), g); err != nil {
		return err
	}
	group := Group{Type: "FILE_GROUP"}
	for i := range g.Outputs {
		o := &g.Outputs[i]
		path := fmt.Sprintf("/outputGroups/%d/outputs/%d", index, i)
		var out Output
		switch {
		case isCaptions(o):
			out, err = b.sidecar(index, i, o, dest, path)
		case videoCodec(o) == types.VideoCodecFrameCapture:
			out, err = b.capture(index, i, o, dest, path)
		default:
			out, err = b.file(index, i, o, dest, path)
		}
		if err != nil {
			return err
		}
		group.Outputs = append(group.Outputs, out)
	}
	b.plan.Groups = append(b.plan.Groups, group)
	return nil
}

func (b *builder) capture(group, index int, o *types.Output, dest destination, path string) (Output, error) {
	frames, err := b.frames(o.VideoDescription, path)
	if err != nil {
		return Output{}, err
	}
	ext := extension(o, "jpg")
	modifier, err := b.names(nil, frames, nil, ext).expand(aws.ToString(o.NameModifier), modifierNames)
	if err != nil {
		return Output{}, job.Errorf(1040, "%s/nameModifier: %v.", path, err)
	}
	id := b.rendition(Rendition{Frames: frames})
	b.plan.Captures = append(b.plan.Captures, Capture{
		Bucket: dest.bucket, Storage: dest.storage, Prefix: dest.key(dest.base + modifier + "."), Extension: "." + ext,
		Rendition: id, Group: group, Output: index,
	})
	return Output{Width: frames.Width, Height: frames.Height, Video: id}, nil
}

func (b *builder) file(group, index int, o *types.Output, dest destination, path string) (Output, error) {
	t, err := b.tracks(o, path, timing{})
	if err != nil {
		return Output{}, err
	}
	ext := extension(o, "mp4")
	modifier, err := b.names(t.video, nil, t.audio, ext).expand(aws.ToString(o.NameModifier), modifierNames)
	if err != nil {
		return Output{}, job.Errorf(1040, "%s/nameModifier: %v.", path, err)
	}
	f := File{
		Location: dest.location(dest.base + modifier + "." + ext),
		Video:    t.videoID, Audio: t.audioIDs, Group: group, Output: index,
	}
	if m := o.ContainerSettings.Mp4Settings; m != nil {
		f.Brand = aws.ToString(m.Mp4MajorBrand)
		f.MoovLast = m.MoovPlacement == types.Mp4MoovPlacementNormal
		f.CompositionToDecode = m.CslgAtom == types.Mp4CslgAtomInclude
	}
	b.plan.Files = append(b.plan.Files, f)
	return t.output(f.URI()), nil
}

// extension is the file name extension of an output, without its dot.
func extension(o *types.Output, usual string) string {
	if e := aws.ToString(o.Extension); e != "" {
		return e
	}
	return usual
}

// tracks are the renditions of one output.
type tracks struct {
	video    *Video
	videoID  string
	audio    []*Audio
	audioIDs []string
	text     bool // captions
}

func (t *tracks) output(paths ...string) Output {
	o := Output{Paths: paths, Video: t.videoID}
	if t.video != nil {
		o.Width, o.Height = t.video.Width, t.video.Height
	}
	return o
}

// timing is what a group asks of the key frames of its outputs. The zero value asks nothing.
type timing struct {
	segment   time.Duration // a key frame at every multiple; 0 for none
	fragment  time.Duration // of which a group of pictures must be a whole part, where its length is automatic; 0 for none
	streaming bool          // a segmented group
}

func (b *builder) tracks(o *types.Output, path string, timing timing) (*tracks, error) {
	var t tracks
	if o.VideoDescription != nil {
		v, err := b.encodeVideo(o.VideoDescription, path, timing)
		if err != nil {
			return nil, err
		}
		t.video, t.videoID = v, b.rendition(Rendition{Video: v})
	}
	for i := range o.AudioDescriptions {
		a, err := b.encodeAudio(&o.AudioDescriptions[i], fmt.Sprintf("%s/audioDescriptions/%d", path, i))
		if err != nil {
			return nil, err
		}
		if a == nil {
			if o.VideoDescription == nil {
				return nil, job.Errorf(1021, "Input 1 has no audio, and the output at %s is sound alone. Use an input with audio, or remove the output.", path)
			}
			continue
		}
		t.audio = append(t.audio, a)
		t.audioIDs = append(t.audioIDs, b.rendition(Rendition{Audio: a}))
	}
	return &t, nil
}

// duplicate is an object that two outputs of a job would write.
type duplicate struct {
	path, other, uri string
}

func (p *Plan) duplicates() []duplicate {
	var found []duplicate
	seen := map[string]string{}
	use := func(bucket, key string, group, output int) {
		uri := Location{Bucket: bucket, Key: key}.URI()
		path := fmt.Sprintf("/outputGroups/%d", group)
		if output >= 0 {
			path += fmt.Sprintf("/outputs/%d", output)
		}
		if other, taken := seen[uri]; taken {
			found = append(found, duplicate{path, other, uri})
			return
		}
		seen[uri] = path
	}
	for _, f := range p.Files {
		use(f.Bucket, f.Key, f.Group, f.Output)
	}
	for _, c := range p.Captures {
		use(c.Bucket, c.Prefix+"0000000"+c.Extension, c.Group, c.Output)
	}
	for i := range p.Sidecars {
		s := &p.Sidecars[i]
		use(s.Bucket, s.Key, s.Group, s.Output)
	}
	for i := range p.Streams {
		g := &p.Streams[i]
		at := func(l Location, suffix string, output int) {
			if l.Key != "" {
				use(l.Bucket, l.Key+suffix, g.Group, output)
			}
		}
		for _, m := range g.HLS {
			at(m.Location, "", -1)
		}
		for _, m := range g.DASH {
			at(m.Location, "", -1)
		}
		for _, m := range g.Smooth {
			at(m.Client, "", -1)
			at(m.Server, "", -1)
		}
		files := map[string]bool{}
		for j := range g.Representations {
			r := &g.Representations[j]
			suffix := fmt.Sprintf("%0*d%s", r.Digits, r.First, r.Extension)
			if g.SingleFile && r.Format != Images || r.Format == TextFile {
				suffix = r.Extension
			}
			at(r.Segments, suffix, r.Output)
			at(r.Init, "", r.Output)
			if len(g.HLS) > 0 {
				at(r.Playlist, "", r.Output)
			}
			if f := r.IFrames; f != nil {
				at(f.Playlist, "", r.Output)
				at(f.Init, "", r.Output)
				if suffix := fmt.Sprintf("%0*d%s", r.Digits, r.First, f.Extension); !g.SingleFile {
					at(f.Segments, suffix, r.Output)
				} else {
					at(f.Segments, f.Extension, r.Output)
				}
			}
			// The tracks of one output share a file of Smooth Streaming.
			if file := fmt.Sprint(r.Output) + r.SmoothFile.URI(); !files[file] {
				files[file] = true
				at(r.SmoothFile, "", r.Output)
			}
		}
	}
	return found
}
