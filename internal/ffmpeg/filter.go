package ffmpeg

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"darkroom/internal/media"
	"darkroom/internal/plan"
)

// chain is a list of filters; every value in it is a number or a word of this package.
type chain []string

func (c *chain) add(format string, args ...any) { *c = append(*c, fmt.Sprintf(format, args...)) }

func (c chain) String() string { return strings.Join(c, ",") }

// filterGraph decodes once and feeds every rendition. Renditions whose pictures begin with the same work (turning, deinterlacing, frame
// rate) share it.
func filterGraph(p *plan.Plan) string {
	var graph []string
	type branch struct {
		id   string
		tail chain
	}
	var order []string
	shared := map[string][]branch{}
	for i := range p.Renditions {
		r := &p.Renditions[i]
		var head, tail chain
		switch {
		case r.Video != nil:
			head, tail = videoHead(p, &r.Video.Picture), videoTail(r.Video)
		case r.Frames != nil:
			head, tail = framesHead(p, r.Frames), framesTail(r.Frames)
		default:
			graph = append(graph, audioChain(r))
			continue
		}
		key := head.String()
		if _, seen := shared[key]; !seen {
			order = append(order, key)
		}
		shared[key] = append(shared[key], branch{r.ID, tail})
	}
	for n, key := range order {
		branches := shared[key]
		input := "[0:" + strconv.Itoa(p.Source.Video) + "]"
		if len(branches) == 1 {
			graph = append(graph, input+key+","+branches[0].tail.String()+"["+branches[0].id+"]")
			continue
		}
		var labels strings.Builder
		for i := range branches {
			fmt.Fprintf(&labels, "[s%d_%d]", n, i)
		}
		graph = append(graph, fmt.Sprintf("%s%s,split=%d%s", input, key, len(branches), labels.String()))
		for i, b := range branches {
			graph = append(graph, fmt.Sprintf("[s%d_%d]%s[%s]", n, i, b.tail, b.id))
		}
	}
	return strings.Join(graph, ";")
}

// steady gives the filters behind it pictures of one size and format, also where those of a spliced source change.
func steady(c *chain, s *plan.Source) {
	if s.Files[0].Spliced {
		c.add("scale=w=%d:h=%d:flags=bicubic", s.Width, s.Height)
	}
}

func turn(c *chain, degrees int) {
	switch degrees {
	case 90:
		c.add("transpose=clock")
	case 180:
		c.add("hflip")
		c.add("vflip")
	case 270:
		c.add("transpose=cclock")
	}
}

func deinterlace(c *chain, p *plan.Picture) {
	switch {
	case p.DeinterlaceAll:
		c.add("bwdif=mode=send_frame:deint=all")
	case p.Deinterlace:
		c.add("bwdif=mode=send_frame:deint=interlaced")
	}
}

// videoHead ends in a constant frame rate that begins at 0: a source whose picture begins later than its sound shows its first frame
// meanwhile, and nothing moves against the sound.
func videoHead(p *plan.Plan, pic *plan.Picture) chain {
	var c chain
	steady(&c, &p.Source)
	deinterlace(&c, pic)
	turn(&c, p.Source.Rotation)
	c.add("fps=fps=%s:start_time=0", pic.FrameRate)
	return c
}

func videoTail(v *plan.Video) chain {
	var c chain
	geometry(&c, &v.Picture, "")
	if v.IgnoreColor {
		c.add("setparams=color_primaries=unknown:color_trc=unknown:colorspace=unknown")
	}
	c.add("format=%s", pixelFormat(v))
	return c
}

func pixelFormat(v *plan.Video) string {
	f := "yuv" + strconv.Itoa(v.Chroma) + "p"
	if v.BitDepth > 8 {
		f += strconv.Itoa(v.BitDepth) + "le"
	}
	return f
}

// framesHead takes the first frame, then the first one at or behind each multiple of the interval.
func framesHead(p *plan.Plan, f *plan.Frames) chain {
	var c chain
	steady(&c, &p.Source)
	deinterlace(&c, &f.Picture)
	turn(&c, p.Source.Rotation)
	c.add("select='isnan(prev_selected_t)+gte(t,selected_n*%d/%d)'", f.FrameRate.Den, f.FrameRate.Num)
	return c
}

func framesTail(f *plan.Frames) chain {
	var c chain
	geometry(&c, &f.Picture, ":out_range=full")
	c.add("format=yuvj420p")
	if f.Columns > 1 || f.Rows > 1 {
		c.add("tile=layout=%dx%d:color=black", f.Columns, f.Rows)
	}
	return c
}

// geometry scales, then pads or crops around the middle.
func geometry(c *chain, p *plan.Picture, scaleOptions string) {
	c.add("scale=w=%d:h=%d:flags=%s%s", p.ScaledWidth, p.ScaledHeight, kernel(p.Sharpness), scaleOptions)
	if p.ScaledWidth > p.Width || p.ScaledHeight > p.Height {
		c.add("crop=w=%d:h=%d", min(p.Width, p.ScaledWidth), min(p.Height, p.ScaledHeight))
	}
	if p.ScaledWidth < p.Width || p.ScaledHeight < p.Height {
		c.add("pad=w=%d:h=%d:x=(ow-iw)/2:y=(oh-ih)/2:color=black", p.Width, p.Height)
	}
	sar := p.SampleAspectRatio
	if !sar.Known() {
		sar = media.Rational{Num: 1, Den: 1}
	}
	c.add("setsar=sar=%d/%d:max=65535", sar.Num, sar.Den)
}

// kernel maps sharpness 0 to 100 to scaling kernels, from the softest to the sharpest; 50 is the bicubic that others use too.
func kernel(sharpness int) string {
	switch {
	case sharpness < 17:
		return "gauss+accurate_rnd"
	case sharpness < 42:
		return "bilinear+accurate_rnd"
	case sharpness < 67:
		return "bicubic"
	case sharpness < 84:
		return "spline+accurate_rnd"
	}
	return "lanczos+accurate_rnd"
}

// channelLayouts by number of channels.
var channelLayouts = map[int]string{1: "mono", 2: "stereo", 5: "5.0", 6: "5.1"}

// audioChain begins at 0 like the picture: a gap before the first sound is filled with silence.
func audioChain(r *plan.Rendition) string {
	a := r.Audio
	var inputs strings.Builder
	for _, s := range a.Sources {
		fmt.Fprintf(&inputs, "[%d:%d]", s.File, s.Stream)
	}
	var c chain
	if len(a.Sources) > 1 {
		c.add("amerge=inputs=%d", len(a.Sources))
	}
	c.add("aresample=async=1:first_pts=0")
	if len(a.Sources) > 0 {
		switch ms := a.Sources[0].Offset / time.Millisecond; {
		case ms > 0:
			c.add("adelay=delays=%d:all=1", ms)
		case ms < 0:
			c.add("atrim=start=%s", strconv.FormatFloat(-float64(ms)/1000, 'f', 3, 64))
			c.add("asetpts=PTS-STARTPTS")
		}
	}
	c.add("aformat=sample_rates=%d:channel_layouts=%s", a.SampleRate, channelLayouts[a.Channels])
	if a.DCFilter {
		c.add("highpass=f=3")
	}
	if a.LFEFilter {
		c.add("lowpass=f=120:c=LFE")
	}
	if a.Attenuate {
		lfe := ""
		if a.Channels == 6 {
			lfe = "|LFE=LFE"
		}
		c.add("pan=%s|FL=FL|FR=FR|FC=FC%s|BL=0.7079*BL|BR=0.7079*BR", channelLayouts[a.Channels], lfe)
	}
	return inputs.String() + c.String() + "[" + r.ID + "]"
}
