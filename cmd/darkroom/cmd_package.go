package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"darkroom/internal/cenc"
	"darkroom/internal/cpix"
	"darkroom/internal/job"
	"darkroom/internal/lease"
	"darkroom/internal/packager"
	"darkroom/internal/packager/directory"
	"darkroom/internal/plan"
)

const packageHelp = `
INPUT is an MP4 or MOV file, fragmented or not: FILE[:TRACKS[,ATTRIBUTE...]]

  film.mp4                            all pictures and sound
  film.mp4:video                      the pictures; audio: the sound
  film.mp4:audio=2                    the second track of sound
  film.mp4:audio=deu,name=Deutsch     the German sound, called Deutsch by players
  1080p.mp4 720p.mp4:video            two renditions of the picture; their key frames must be at the same times

  ATTRIBUTES: name=TEXT, language=TAG, default, described (sound that describes the picture), stem=NAME (of its files), key=LABEL (of its
  content key; key=clear leaves it clear)

What is made stands in a directory for each group, below --out: hls/master.m3u8, cmaf/master.m3u8 and cmaf/manifest.mpd, dash/manifest.mpd,
mss/manifest.ism; segments in a directory for each track, such as dash/video_1080p/00001.m4s. Segments begin at the first key frame at or behind
each multiple of --segment-length.

ENCRYPTION. --encrypt METHOD for all groups, or GROUP=METHOD for one (hls, cmaf, dash, mss); it may be given again.

  hls in TS                        aes-128, sample-aes
  hls in fMP4, cmaf, dash          cbcs, cenc
  mss                              cenc

A key is 16 bytes in a file, as they are or in hexadecimal, and never an argument:

  --key 00112233-4455-6677-8899-aabbccddeeff:film.key      for all tracks
  --key HD=KID:hd.key --key AUDIO=KID:sound.key            for tracks of a label: SD, HD, UHD1, UHD2, AUDIO, video, audio or what key=LABEL says
  --key film.key                                           aes-128 and sample-aes need no key id
  --key-file FILE                                          lines of KID KEY [LABEL], in hexadecimal
  --speke URL --resource-id ID --drm widevine,playready    from a key server; --config says who asks

EXAMPLES

  darkroom package film.mp4 --out www --dash --hls
  darkroom package 1080p.mp4 720p.mp4:video --out www --cmaf --encrypt cbcs --key KID:film.key --key-url https://keys.example.com/film
  darkroom package film.mp4 --out www --hls --encrypt aes-128 --key film.key --key-url film.key

Exit codes: 0 done, 1 failed, 2 wrong command line or input (nothing was done), 130 canceled.
`

// texts collects a flag that may be given again.
type texts []string

func (t *texts) String() string { return strings.Join(*t, " ") }

func (t *texts) Set(s string) error {
	if s == "" {
		return errors.New("it is empty")
	}
	*t = append(*t, s)
	return nil
}

// packageFlags are the flags of darkroom package.
type packageFlags struct {
	out                      string
	hls, dash, cmaf, mss     bool
	segments                 string
	segment, fragment, final float64
	single, iframes, muxed   bool
	baseURL                  string
	replace, sync, asJSON    bool
	keyFlags
}

// The limits of segment lengths, in seconds.
const (
	minSegment, maxSegment = 0.1, 600
)

func packageMain(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("package", "INPUT... --out DIR [--hls] [--dash] [--cmaf] [--mss] [flags]", stderr)
	var f packageFlags
	fs.StringVar(&f.out, "out", "", "`DIR`: where the package is written; it is made where there is none")
	fs.BoolVar(&f.hls, "hls", false, "make an HLS package")
	fs.StringVar(&f.segments, "segments", "ts", "`ts|fmp4`: the segments of HLS")
	fs.BoolVar(&f.muxed, "muxed", false, "HLS in TS: put all sound into the segments of every picture")
	fs.BoolVar(&f.dash, "dash", false, "make a DASH package")
	fs.BoolVar(&f.cmaf, "cmaf", false, "make a CMAF package: one set of segments with an HLS and a DASH manifest")
	fs.BoolVar(&f.mss, "mss", false, "make a Smooth Streaming package")
	fs.Float64Var(&f.segment, "segment-length", 4, "length of a segment in `SECONDS`")
	fs.Float64Var(&f.fragment, "fragment-length", 0, "length of a fragment in a segment of fMP4, in `SECONDS`; 0 for one fragment")
	fs.Float64Var(&f.final, "min-final-length", 0, "`SECONDS`: a shorter last segment is joined to the one before; not in mss")
	fs.BoolVar(&f.single, "single-file", false, "one file for each track, its segments being byte ranges (DASH: the on-demand profile)")
	fs.BoolVar(&f.iframes, "iframes", false, "I-frame playlists in HLS and trick mode representations in DASH")
	fs.StringVar(&f.baseURL, "base-url", "", "`URL` in front of every reference in the manifests")
	fs.BoolVar(&f.replace, "replace", false, "write over a package that is there; its manifests are removed first")
	fs.BoolVar(&f.sync, "sync", false, "have all segments on the disk before a manifest names them, so that a power failure does them no harm")
	fs.BoolVar(&f.asJSON, "json", false, "print the result as JSON, and no progress bar")
	fs.Var((*texts)(&f.encrypt), "encrypt", "`[GROUP=]METHOD`: none, aes-128, sample-aes, cbcs or cenc; may be given again")
	fs.Var((*texts)(&f.keys), "key", "`[LABEL=][KID:]FILE`: a content key; may be given again")
	fs.Var((*texts)(&f.keyFiles), "key-file", "`FILE` of content keys, a line each: KID KEY [LABEL]")
	fs.StringVar(&f.iv, "iv", "", "constant initialization vector, 32 hexadecimal `DIGITS`; without it aes-128 and sample-aes follow the number of the segment, cbcs chooses one")
	fs.BoolVar(&f.hideIV, "hide-iv", false, "leave the vector of --iv out of playlists")
	fs.StringVar(&f.keyURL, "key-url", "", "`URL` by which players of HLS get the key")
	fs.StringVar(&f.keyFormat, "key-format", "", "KEYFORMAT of --key-url")
	fs.StringVar(&f.versions, "key-format-versions", "", "KEYFORMATVERSIONS of --key-url")
	fs.StringVar(&f.drm, "drm", "", "`SYSTEMS` that are told of the keys, with commas: common (the default), widevine, playready, fairplay, clearkey; mss always has playready")
	fs.Var((*texts)(&f.licences), "license-url", "`SYSTEM=URL` of licences, of fairplay skd://...; may be given again")
	fs.StringVar(&f.contentID, "content-id", "", "what Widevine is told the film is called")
	fs.StringVar(&f.provider, "provider", "", "what Widevine is told of who offers it")
	fs.BoolVar(&f.clearLead, "clear-lead", false, "leave the first segment clear; not in mss, nor with sample-aes in TS")
	fs.BoolVar(&f.sessionKey, "session-key", false, "EXT-X-SESSION-KEY in the multivariant playlist")
	fs.StringVar(&f.speke.url, "speke", "", "`URL` of a key server that gives the keys over SPEKE")
	fs.StringVar(&f.speke.resource, "resource-id", "", "`ID` of the film, as the key server knows it")
	fs.IntVar(&f.speke.version, "speke-version", cpix.V2, "`1|2`: the version of SPEKE")
	fs.StringVar(&f.speke.video, "speke-video", sharedPreset, "`PRESET` of the encryption contract for pictures: SHARED, PRESET_VIDEO_1, ...")
	fs.StringVar(&f.speke.audio, "speke-audio", sharedPreset, "`PRESET` of the encryption contract for sound: SHARED, PRESET_AUDIO_1, ...")
	fs.StringVar(&f.speke.config, "config", "", "YAML `FILE` of a server, of which egress and speke count: how key servers are reached and told who asks")
	usage := fs.Usage
	fs.Usage = func() { usage(); fmt.Fprint(stderr, packageHelp) }
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	return f.run(ctx, rest, stdout, stderr)
}

func (f *packageFlags) groups() []plan.GroupKind {
	var all []plan.GroupKind
	for _, g := range []struct {
		kind  plan.GroupKind
		asked bool
	}{{plan.AppleHLS, f.hls}, {plan.CMAF, f.cmaf}, {plan.DASH, f.dash}, {plan.Smooth, f.mss}} {
		if g.asked {
			all = append(all, g.kind)
		}
	}
	return all
}

func seconds(s float64) time.Duration { return time.Duration(math.Round(s * float64(time.Second))) }

// options checks the flags.
func (f *packageFlags) options() (packageOptions, error) {
	o := packageOptions{
		groups: f.groups(), muxed: f.muxed, segment: seconds(f.segment), fragment: seconds(f.fragment), minimumFinal: seconds(f.final), singleFile: f.single, iframes: f.iframes,
		baseURL: f.baseURL,
	}
	switch {
	case f.out == "":
		return o, usagef("where to? Give --out DIR")
	case len(o.groups) == 0:
		return o, usagef("what to make? Give --hls, --dash, --cmaf or --mss, or several of them")
	case !(f.segment >= minSegment && f.segment <= maxSegment):
		return o, usagef("--segment-length %v: allowed: %v to %v seconds", f.segment, minSegment, maxSegment)
	case !(f.fragment >= 0 && f.fragment < f.segment):
		return o, usagef("--fragment-length %v: allowed: less than the segment length, %v seconds", f.fragment, f.segment)
	case !(f.final >= 0 && f.final < f.segment):
		return o, usagef("--min-final-length %v: allowed: less than the segment length, %v seconds", f.final, f.segment)
	case f.segments != "ts" && f.segments != "fmp4":
		return o, usagef("--segments %s: allowed: ts, fmp4", f.segments)
	case f.segments == "fmp4" && !f.hls:
		return o, usagef("--segments is of --hls")
	case f.muxed && (!f.hls || f.segments == "fmp4"):
		return o, usagef("--muxed is of --hls in transport streams")
	case strings.ContainsFunc(f.baseURL, func(r rune) bool { return r <= ' ' || strings.ContainsRune(`"<>`, r) || r == 0x7f }):
		return o, usagef("--base-url %q has a character that manifests cannot hold", f.baseURL)
	case strings.ContainsFunc(f.keyURL+f.keyFormat+f.versions, func(r rune) bool { return r < ' ' || r == '"' || r == 0x7f }):
		return o, usagef("--key-url, --key-format or --key-format-versions has a character that playlists cannot hold")
	}
	o.fmp4 = f.segments == "fmp4"
	var err error
	o.encryption, err = f.keyFlags.plan(o.groups, o.fmp4)
	return o, err
}

// Memory. Nearly all of it is buffers that are used again, so that there is little to collect, and the collector is not to wait until as much again has come together.
const (
	packageGCPercent = 25
	packageInFlight  = 8 << 20
	packageQueue     = 512 << 10
	packagePart      = 1 << 20
)

func (f *packageFlags) run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return usagef("which file? An INPUT is needed")
	}
	inputs := make([]packageInput, len(args))
	for i, text := range args {
		if inputs[i], err = parseInput(text, isFile); err != nil {
			return err
		}
	}
	source, err := openInputs(inputs)
	if err != nil {
		return err
	}
	defer source.Close()
	o.duration = source.duration
	p, keys, err := packagePlan(source.tracks, o)
	if err != nil {
		return &usageError{err.Error()}
	}
	source.warnings = append(f.warnings, source.warnings...)
	for _, w := range source.warnings {
		fmt.Fprintln(stderr, "warning:", w)
	}
	if f.speke.given() {
		if keys, err = f.speke.fetch(ctx, p); err != nil {
			return err
		}
	}
	sink, err := f.open(p)
	if err != nil {
		return err
	}
	defer func() { _ = sink.Close() }()
	debug.SetGCPercent(packageGCPercent)
	started := time.Now()
	bar := newBar(stderr, !f.asJSON)
	report, err := f.carryOut(ctx, p, keys, source, sink, bar)
	bar.end()
	return f.report(ctx, report, err, source, time.Since(started), stdout, stderr)
}

func isFile(path string) bool {
	st, err := os.Stat(path)
	return err == nil && !st.IsDir()
}

// open makes the directory. One that has a package in it is left as it is, but for --replace: then its manifests go first, so that none names what is half of the old and half of
// the new.
func (f *packageFlags) open(p *plan.Plan) (*directory.Sink, error) {
	if err := os.MkdirAll(f.out, 0o755); err != nil {
		return nil, &usageError{err.Error()}
	}
	sink, err := directory.Open(f.out)
	if err != nil {
		return nil, &usageError{err.Error()}
	}
	for i := range p.Streams {
		g := &p.Streams[i]
		if f.replace {
			for _, loc := range manifestsOf(g) {
				err = errors.Join(err, sink.Remove(loc))
			}
		} else if empty, e := sink.Empty(groupNames[g.Kind]); e != nil {
			err = e
		} else if !empty {
			err = usagef("%s is not empty: choose another --out, or give --replace", filepath.Join(f.out, groupNames[g.Kind]))
		}
		if err != nil {
			_ = sink.Close()
			return nil, err
		}
	}
	return sink, nil
}

// manifestsOf are the manifests of a group, those that players begin with first.
func manifestsOf(g *plan.StreamGroup) []plan.Location {
	var all []plan.Location
	for i := range g.HLS {
		all = append(all, g.HLS[i].Location)
	}
	for i := range g.DASH {
		all = append(all, g.DASH[i].Location)
	}
	for i := range g.Smooth {
		all = append(all, g.Smooth[i].Server, g.Smooth[i].Client)
	}
	for i := range g.Representations {
		r := &g.Representations[i]
		if r.Playlist.Key != "" {
			all = append(all, r.Playlist)
		}
		if r.IFrames != nil && r.IFrames.Playlist.Key != "" {
			all = append(all, r.IFrames.Playlist)
		}
	}
	return all
}

func (f *packageFlags) carryOut(ctx context.Context, p *plan.Plan, keys map[int][]cenc.Protection, s *packageSource, sink *directory.Sink, b *bar) (*packager.Report, error) {
	tracks := map[string]packager.TrackReader{}
	progress := packageProgress{readers: s.readers, show: b.show}
	for i, r := range s.readers {
		r.moved = progress.moved
		tracks[rendition(i)] = r
	}
	return packager.Run(ctx, p, nil, sink, packager.Options{
		Tracks: tracks, Keys: keys, PartSize: packagePart, QueueLimit: packageQueue, InFlightLimit: packageInFlight,
		Ended: func(context.Context) error {
			for i, r := range s.readers {
				if v := p.Renditions[i].Video; v != nil {
					v.ClosedGOP = !r.open
				}
			}
			if !f.sync {
				return nil
			}
			return syncAll(f.out)
		},
	})
}

// syncAll writes what is in memory of the file system that a directory is on.
func syncAll(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return unix.Syncfs(int(d.Fd()))
}

// packageProgress shows how far the reader has come that is furthest behind.
type packageProgress struct {
	readers []*trackReader
	show    func(lease.Progress)

	mu   sync.Mutex // guards last and show
	last time.Time
}

const phasePackaging job.Phase = "PACKAGING"

func (p *packageProgress) moved() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.Sub(p.last) < barInterval {
		return
	}
	p.last = now
	percent := 100
	for _, r := range p.readers {
		if r.total > 0 {
			percent = min(percent, int(100*r.at.Load()/int64(r.total)))
		} else {
			percent = 0
		}
	}
	p.show(lease.Progress{Phase: phasePackaging, Percent: percent})
}

// packageResult is what --json prints.
type packageResult struct {
	Status    string          `json:"status"`
	Error     string          `json:"error,omitempty"`
	Seconds   float64         `json:"seconds"`
	Bytes     int64           `json:"bytes"`
	Warnings  []string        `json:"warnings,omitempty"`
	Manifests []string        `json:"manifests,omitempty"`
	Outputs   []packageOutput `json:"outputs,omitempty"`
}

type packageOutput struct {
	Path     string  `json:"path"`
	Seconds  float64 `json:"seconds"`
	Segments int     `json:"segments"`
	Bytes    int64   `json:"bytes"`
	Bitrate  int64   `json:"bitrate"`
	Width    int     `json:"width,omitempty"`
	Height   int     `json:"height,omitempty"`
}

func (f *packageFlags) path(loc plan.Location) string {
	return filepath.Join(f.out, filepath.FromSlash(loc.Key))
}

func (f *packageFlags) report(ctx context.Context, r *packager.Report, failed error, s *packageSource, took time.Duration, stdout, stderr io.Writer) error {
	if failed != nil && ctx.Err() != nil {
		fmt.Fprintln(stderr, "canceled")
		return context.Canceled
	}
	out := packageResult{Status: "COMPLETE", Seconds: took.Seconds(), Warnings: s.warnings}
	for _, o := range r.Objects {
		out.Bytes += o.Bytes
	}
	if failed != nil {
		out.Status = "ERROR"
		out.Error = strings.ReplaceAll(failed.Error(), "s3://"+packageBucket+"/", f.out+string(filepath.Separator))
	} else {
		for _, loc := range r.Playlists {
			out.Manifests = append(out.Manifests, f.path(loc))
		}
		for i := range r.Outputs {
			o := &r.Outputs[i]
			d := packageOutput{Seconds: o.Duration.Seconds(), Segments: o.Segments, Bytes: o.Bytes, Bitrate: o.Bitrate, Width: o.Width, Height: o.Height}
			if len(o.Paths) > 0 {
				d.Path = f.path(o.Paths[0])
			}
			out.Outputs = append(out.Outputs, d)
		}
	}
	if f.asJSON {
		text, err := json.MarshalIndent(out, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintln(stdout, string(text))
	}
	switch {
	case failed != nil && f.asJSON:
		return errFailed
	case failed != nil:
		fmt.Fprintf(stderr, "error: %s\n", out.Error)
		for _, o := range r.Orphans {
			fmt.Fprintf(stderr, "left behind: a part of %s: %v\n", f.path(o.Location), o.Err)
		}
		return errFailed
	case f.asJSON:
		return nil
	}
	for _, m := range out.Manifests {
		fmt.Fprintln(stdout, m)
	}
	for _, o := range out.Outputs {
		if slices.Contains(out.Manifests, o.Path) { // of DASH: one manifest for all
			continue
		}
		fmt.Fprintf(stdout, "%s  %.3f s  %d segments  %d kbit/s", o.Path, o.Seconds, o.Segments, o.Bitrate/1000)
		if o.Width > 0 {
			fmt.Fprintf(stdout, "  %dx%d", o.Width, o.Height)
		}
		fmt.Fprintln(stdout)
	}
	fmt.Fprintf(stdout, "complete in %.1f s: %d MB written\n", took.Seconds(), out.Bytes/1_000_000)
	return nil
}
