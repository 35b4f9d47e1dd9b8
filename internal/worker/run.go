package worker

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"darkroom/internal/blob"
	"darkroom/internal/caption"
	"darkroom/internal/cenc"
	"darkroom/internal/ffmpeg"
	"darkroom/internal/job"
	"darkroom/internal/lease"
	"darkroom/internal/m3u8"
	"darkroom/internal/media"
	"darkroom/internal/origin"
	"darkroom/internal/packager"
	"darkroom/internal/plan"
	"darkroom/internal/sandbox"
)

// Bounds of one job.
const (
	probeDeadline = 2 * time.Minute
	// jobDeadline is how long the service lets a job progress.
	jobDeadline = 48 * time.Hour
	// renewBefore is how long before their expiry credentials are renewed.
	renewBefore = 5 * time.Minute
)

// The share of the whole job, in percent, that each phase ends at.
const (
	probedPercent     = 2
	transcodedPercent = 97
)

// run is one lease at work.
type run struct {
	worker *Worker
	lease  *lease.Lease
	store  blob.Store
	web    http.RoundTripper // to web servers that inputs are on
	// captionWeb goes to web servers that captions are on.
	captionWeb http.RoundTripper
	log        *slog.Logger
	meter      *meter
	// current gives the credentials of the lease.
	current CredentialSource

	mu       sync.Mutex // guards progress and uploads; held for assignments only
	progress lease.Progress
	uploads  map[lease.Upload]struct{}
	reported chan struct{} // asks the heartbeat to report now

	witness *witness // nil for a job that writes no statement of provenance
}

// credentials keeps the credentials of the lease fresh.
func (r *run) credentials(first lease.Credentials) CredentialSource {
	var mu sync.Mutex // held while credentials are renewed, so that they are once
	current := first
	return func(ctx context.Context) (lease.Credentials, error) {
		mu.Lock()
		defer mu.Unlock()
		if current.Expiry.IsZero() || current.Expiry.Sub(r.worker.o.Now()) > renewBefore {
			return current, nil
		}
		fresh, err := r.worker.o.Control.Renew(ctx, r.lease)
		if err != nil {
			return lease.Credentials{}, err
		}
		current = fresh
		return current, nil
	}
}

// set changes the progress and has it reported soon; a change of phase at once.
func (r *run) set(change func(*lease.Progress), now bool) {
	r.mu.Lock()
	change(&r.progress)
	r.mu.Unlock()
	if now {
		select {
		case r.reported <- struct{}{}:
		default:
		}
	}
}

func (r *run) snapshot() lease.Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.progress
	p.Uploads = make([]lease.Upload, 0, len(r.uploads))
	for u := range r.uploads {
		p.Uploads = append(p.Uploads, u)
	}
	p.Measured = r.meter.measured()
	return p
}

// heartbeat extends the lease until ctx ends. It stops the job when the lease is lost, or when nobody could be told for so long that it has run out.
func (r *run) heartbeat(ctx context.Context, stop context.CancelCauseFunc) {
	tick := time.NewTicker(r.worker.o.Heartbeat)
	defer tick.Stop()
	deadline := r.lease.Deadline
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-r.reported:
		}
		said := r.snapshot()
		next, err := r.worker.o.Control.Report(ctx, r.lease, said)
		switch {
		case err == nil:
			deadline = next
			r.meter.told(said.Measured)
			if said.InputDetails != nil { // sent until they were heard
				r.set(func(p *lease.Progress) { p.InputDetails = nil }, false)
			}
		case ctx.Err() != nil:
			return
		case errors.Is(err, lease.ErrLost), r.worker.o.Now().After(deadline):
			stop(lease.ErrLost)
			return
		default:
			r.log.Warn("extend the lease", "err", err)
		}
	}
}

// open opens the store under the credentials of the lease and carries out the job.
func (r *run) open(ctx context.Context) (lease.Result, error) {
	var err error
	r.current = r.credentials(r.lease.Credentials)
	// What the policy allows comes with the credentials: at every request, those of now.
	schemes := func(ctx context.Context) ([]string, error) {
		c, err := r.current(ctx)
		return c.Schemes, err
	}
	r.web, r.captionWeb = origin.Allowing(r.worker.o.Web, schemes), origin.Allowing(r.worker.o.CaptionWeb, schemes)
	if r.store, err = r.worker.o.Open(r.current); err != nil {
		return lease.Result{}, err
	}
	if r.lease.Provenance {
		r.witness = newWitness()
		r.store = &watched{r.store, r.witness}
		r.web, r.captionWeb = &watchedWeb{r.web, r.witness}, &watchedWeb{r.captionWeb, r.witness}
	}
	return r.do(ctx)
}

// do carries out the job. An error is a *job.Error, or something unforeseen.
func (r *run) do(ctx context.Context) (lease.Result, error) {
	r.set(func(p *lease.Progress) { p.Phase = job.Probing }, true)
	for _, u := range r.lease.Uploads {
		// What an interrupted attempt left open costs space; that it is gone already is fine.
		if err := r.store.AbortUpload(ctx, blob.Upload{Bucket: u.Bucket, Key: u.Key, ID: u.ID}); err != nil && !errors.Is(err, blob.ErrNoSuchUpload) {
			r.log.Warn("abort an upload of an earlier attempt", "err", err)
		}
	}
	settings, err := plan.ReadSettings(r.lease.Settings)
	if err != nil {
		return lease.Result{}, err
	}
	access, err := plan.NewAccess(settings, r.lease.Started)
	if err != nil {
		return lease.Result{}, job.Errorf(1010, "Input 1: %v.", err)
	}
	src, err := r.source(ctx, access.Inputs[0], r.lease.Credentials.Schemes, "Input 1 ("+access.Inputs[0].Name()+")")
	if err != nil {
		return lease.Result{}, err
	}
	probed := r.meter.begin(lease.StepProbe)
	in, err := r.look(ctx, access.Inputs[0], src, r.lease.Credentials.Schemes, func(h *plan.HLSProbe, muxed bool) ([]int, error) {
		return h.Wanted(settings, muxed)
	})
	probed(err)
	if err != nil {
		return lease.Result{}, src.doubted(err)
	}
	planned := r.meter.begin(lease.StepPlan)
	p, err := plan.New(settings, in.probe, plan.Options{Start: r.lease.Started})
	planned(err)
	if err != nil {
		return lease.Result{}, err
	}
	r.meter.lasts(p.Duration)
	details := inputDetails(src.uri, in.probe)
	r.set(func(p *lease.Progress) {
		p.Phase, p.PhasePercent, p.Percent, p.InputDetails = job.Transcoding, 0, probedPercent, details
	}, true)
	captions, err := measured(r.meter, lease.StepCaptions, len(p.Captions) > 0, func() (map[string][]caption.Cue, error) { return r.captions(ctx, p) })
	if err != nil {
		return lease.Result{}, err
	}
	encrypted := slices.ContainsFunc(p.Streams, func(s plan.StreamGroup) bool { return s.Encryption != nil })
	keys, err := measured(r.meter, lease.StepKeys, encrypted, func() (map[int][]cenc.Protection, error) { return r.contentKeys(ctx, p) })
	if err != nil {
		return lease.Result{}, err
	}
	defer wipeKeys(keys)
	report, err := r.encode(ctx, p, in, keys, captions)
	if err != nil {
		if report != nil {
			r.left(report)
		}
		return lease.Result{}, src.doubted(err)
	}
	if err := complete(p, in, report); err != nil {
		r.left(report)
		return lease.Result{}, src.doubted(err)
	}
	if err := r.attest(ctx, p, access); err != nil {
		r.left(report)
		return lease.Result{}, err
	}
	return results(p, report), nil
}

// left logs what a failed job wrote: segments and pictures stand under their final names as they are made, and its credentials may
// write, not delete.
func (r *run) left(report *packager.Report) {
	for _, o := range report.Objects {
		r.log.Warn("the failed job left an object", "uri", o.Location.URI(), "bytes", o.Bytes)
	}
	for _, o := range report.Orphans {
		r.log.Warn("the failed job left an upload open", "uri", o.Location.URI(), "err", o.Err)
	}
}

// input is an input that was looked into.
type input struct {
	subject string
	// files are what its streams are read from, by their numbers in the probe.
	files []sandbox.Source
	probe *plan.Probe
	// inexact is by how much the duration may be wrong.
	inexact time.Duration
}

// wanted says which renditions of sound have to be looked into, where the variant has sound of its own or not.
type wanted func(offered *plan.HLSProbe, muxed bool) ([]int, error)

// look looks into an input: a film, or an HLS package.
func (r *run) look(ctx context.Context, at plan.Input, src *source, schemes []string, want wanted) (*input, error) {
	head, err := src.head(ctx, ffmpeg.SniffLength)
	if err != nil {
		return nil, inputError(src.subject, err)
	}
	switch {
	case m3u8.Is(head) && src.encrypted:
		return nil, job.Errorf(3400, "%s is an HLS playlist, and the decryption settings say nothing of its segments. Submit a single file.", src.subject)
	case m3u8.Is(head):
		return r.lookPackage(ctx, &files{store: r.store, web: r.web, schemes: schemes, input: at}, src, want)
	}
	demuxer := ffmpeg.Sniff(head)
	switch {
	case demuxer == "" && src.doubtful:
		return nil, unrecognised(src.subject)
	case demuxer == "":
		return nil, job.Errorf(1030, "%s is not in a container that is supported. Supported: MP4, MOV, MKV, WebM, MPEG-TS, MPEG-PS, MXF, AVI, FLV, Ogg, WAV, AIFF, FLAC, MP3, AAC, HLS.", src.subject)
	}
	p, err := r.probe(ctx, src, src.subject, demuxer)
	if err != nil {
		return nil, err
	}
	p.Container = ffmpeg.Container(demuxer, head)
	return &input{subject: src.subject, files: []sandbox.Source{src}, probe: p}, nil
}

// lookPackage looks into an HLS package: its variant, and those renditions of sound that are wanted.
func (r *run) lookPackage(ctx context.Context, f *files, src *source, want wanted) (*input, error) {
	p, err := openPresentation(ctx, f, src)
	if err != nil {
		return nil, inputError(src.subject, err)
	}
	in := &input{subject: src.subject, files: []sandbox.Source{p.variant}, inexact: p.inexact}
	if in.probe, err = r.probe(ctx, p.variant, src.subject, p.variant.demuxer); err != nil {
		return nil, err
	}
	in.probe.Duration, in.probe.Size, in.probe.Start = p.duration, 0, in.probe.Start+p.variant.start
	in.probe.HLS = p.offered()
	muxed := slices.ContainsFunc(in.probe.Streams, func(s plan.Stream) bool { return s.Kind == media.Audio })
	chosen, err := want(in.probe.HLS, muxed)
	if err != nil {
		return nil, err
	}
	if len(chosen) > maxRenditions {
		return nil, job.Errorf(1040, "The audio selectors ask for %d audio renditions of the HLS package; allowed: %d.", len(chosen), maxRenditions)
	}
	for _, i := range chosen {
		s, err := p.sound(ctx, i)
		if err != nil {
			return nil, inputError(src.subject, err)
		}
		found, err := r.probe(ctx, s, src.subject, s.demuxer)
		if err != nil {
			return nil, err
		}
		a := &in.probe.HLS.Audio[i]
		a.File, a.Demuxer, a.Start, a.Spliced = len(in.files), s.demuxer, found.Start+s.start, s.spliced
		in.files = append(in.files, s)
		for _, stream := range found.Streams {
			if stream.Kind == media.Audio {
				stream.File = a.File
				if stream.Language == "" || stream.Language == "und" {
					stream.Language = media.Language(a.Language)
				}
				in.probe.Streams = append(in.probe.Streams, stream)
			}
		}
	}
	return in, nil
}

// maxRenditions is how many renditions of sound are read beside a variant.
const maxRenditions = 32

// probe has ffprobe look into one file.
func (r *run) probe(ctx context.Context, src sandbox.Source, subject, demuxer string) (*plan.Probe, error) {
	proc, err := r.worker.o.Sandbox.Start(ctx, sandbox.Spec{
		Program: r.worker.o.FFprobe,
		Args:    func(in []string) []string { return ffmpeg.ProbeArgs(in[0], demuxer) },
		Inputs:  []sandbox.Source{counted{newBounded(src, maxProbeRead), &r.meter.read}},
		Stdout:  true,
		Limits:  sandbox.Limits{Deadline: probeDeadline, CPUTime: probeDeadline, StdoutBytes: ffmpeg.MaxProbeOutput},
	})
	if err != nil {
		return nil, &badExit{lease.CauseStart, err}
	}
	exit, err := proc.Wait()
	if err != nil {
		return nil, err
	}
	if !exit.Success() {
		return nil, r.processError(subject, proc, exit)
	}
	p, err := ffmpeg.ParseProbe(exit.Stdout, demuxer)
	if err != nil {
		return nil, &job.Error{Code: 1010, Message: "Input 1 cannot be opened: what it says of itself cannot be read.", Err: err}
	}
	if !slices.ContainsFunc(p.Streams, func(s plan.Stream) bool { return s.Kind == media.Video || s.Kind == media.Audio }) {
		return nil, job.Errorf(1010, "%s holds no video and no audio.", subject)
	}
	return p, nil
}

// processError explains why ffmpeg or ffprobe ended badly: the source's own trouble first, then limits, then what it printed.
func (r *run) processError(subject string, proc *sandbox.Process, exit sandbox.Exit) error {
	r.log.Warn("encoder failed", "code", exit.Code, "signal", exit.Signal.String(), "limit", string(exit.LimitHit), "violation", exit.Violation, "stderr", exit.Stderr)
	if err := proc.InputError(); err != nil && !errors.Is(err, context.Canceled) {
		return inputError(subject, err)
	}
	return &badExit{exited(exit), explained(exit)}
}

// explained is what the job shows of a program that ended badly.
func explained(exit sandbox.Exit) error {
	switch {
	case exit.Violation:
		return job.Errorf(1999, "Input 1 made the decoder do what no decoder does; the job was stopped. Do not submit this input again.")
	case exit.LimitHit == sandbox.LimitMemory:
		return job.Errorf(1040, "The job needs more memory than it is allowed. Use smaller pictures or fewer outputs.")
	case exit.LimitHit == sandbox.LimitCPU, exit.LimitHit == sandbox.LimitDeadline:
		return job.Errorf(1999, "The job took longer than it is allowed. Check that the input ends, or split it.")
	case exit.LimitHit == sandbox.LimitOutput:
		return job.Errorf(1010, "Input 1 cannot be opened: it says more of itself than is allowed.")
	}
	return ffmpeg.Failure(exit.Stderr)
}

// encode runs the one ffmpeg of the job into the packager, and measures both.
func (r *run) encode(ctx context.Context, p *plan.Plan, in *input, keys map[int][]cenc.Protection, captions map[string][]caption.Cue) (*packager.Report, error) {
	transcoding, packaging := r.meter.begin(lease.StepTranscode), r.meter.begin(lease.StepPackage)
	var once sync.Once // the encoder ends first, or is not there
	ended := func(err error) { once.Do(func() { transcoding(err) }) }
	report, err := r.encodeInto(ctx, p, in, keys, captions, ended)
	ended(err)
	packaging(err)
	return report, err
}

// encodeInto is encode; encoded is told how the encoder ended.
func (r *run) encodeInto(ctx context.Context, p *plan.Plan, in *input, keys map[int][]cenc.Protection, captions map[string][]caption.Cue, encoded func(error)) (*packager.Report, error) {
	n := len(p.Renditions)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	read := make([]sandbox.Source, len(p.Source.Files))
	for i, f := range p.Source.Files {
		read[i] = counted{in.files[f.Number], &r.meter.read}
	}
	proc, err := r.worker.o.Sandbox.Start(ctx, sandbox.Spec{
		Program: r.worker.o.FFmpeg,
		Args:    func(urls []string) []string { return ffmpeg.EncodeArgs(p, urls, firstOutput) },
		Inputs:  read,
		Outputs: n + 1,
		Limits:  sandbox.Limits{Deadline: jobDeadline, CPUTime: math.MaxInt32 * time.Second / 8},
	})
	if err != nil {
		return nil, &badExit{lease.CauseStart, err}
	}
	r.log.Info("encoder started", "pid", proc.PID(), "renditions", n)
	readers := make(map[string]io.Reader, n)
	for i := range p.Renditions {
		readers[p.Renditions[i].ID] = proc.Output(i)
	}
	var watching sync.WaitGroup
	watching.Go(func() {
		out := proc.Output(n)
		defer func() { _ = out.Close() }()
		if err := ffmpeg.ReadProgress(out, func(f ffmpeg.Progress) { r.transcoded(p, f) }); err != nil && !errors.Is(err, os.ErrClosed) {
			// An encoder that writes nonsense here is not itself any more.
			cancel(err)
		}
	})
	var ended error
	report, err := packager.Run(ctx, p, readers, &sink{run: r}, packager.Options{
		Now:  r.worker.o.Now,
		Keys: keys, Captions: captions,
		Ended: func(ctx context.Context) error {
			exit, err := proc.Wait()
			switch {
			case err != nil:
				ended = err
			case !exit.Success(), ffmpeg.CutShort(exit.Stderr):
				ended = r.processError(in.subject, proc, exit)
			case proc.InputError() != nil:
				ended = inputError(in.subject, proc.InputError())
			default:
				r.set(func(p *lease.Progress) { p.Phase, p.PhasePercent, p.Percent = job.Uploading, 0, transcodedPercent }, true)
			}
			encoded(ended)
			return ended
		},
	})
	if err != nil && ended == nil && ctx.Err() == nil {
		// The packager gave up first: on the store, or because the encoder's output broke off. Let an encoder that is at its end say why.
		if exit, werr := waitBriefly(proc); werr == nil && !exit.Success() && exit.Signal == 0 {
			ended = r.processError(in.subject, proc, exit)
			encoded(ended)
		}
	}
	proc.Kill()
	_, _ = proc.Wait()
	watching.Wait()
	switch {
	case err == nil:
		return report, nil
	case context.Cause(ctx) != nil:
		return report, context.Cause(ctx)
	case ended != nil:
		return report, ended
	}
	return report, outputError(err)
}

// encoderGrace is how long an encoder whose output broke off is given to end by itself.
const encoderGrace = 2 * time.Second

func waitBriefly(proc *sandbox.Process) (sandbox.Exit, error) {
	timer := time.NewTimer(encoderGrace)
	defer timer.Stop()
	select {
	case <-proc.Done():
	case <-timer.C:
		proc.Kill()
	}
	return proc.Wait()
}

// firstOutput is the descriptor of a program's first pipe in the sandbox.
const firstOutput = 3

// transcoded stores how far the encoder is.
func (r *run) transcoded(p *plan.Plan, f ffmpeg.Progress) {
	percent := 0
	switch {
	case f.End:
		percent = 100
	case p.Duration > 0:
		percent = min(99, int(100*f.OutTime/p.Duration))
	}
	r.set(func(pr *lease.Progress) {
		pr.Frames = max(pr.Frames, f.Frames)
		if pr.Phase == job.Transcoding && percent > pr.PhasePercent {
			pr.PhasePercent = percent
			pr.Percent = probedPercent + percent*(transcodedPercent-probedPercent)/100
		}
	}, true)
}

// A source may be so much shorter than it says, for rounding and for sound that ends before the picture, and no more.
const (
	missingShare = 0.1
	missingTime  = 2 * time.Second
)

// complete refuses outputs that end long before the source says it does: some containers do not tell that they were cut short.
func complete(p *plan.Plan, in *input, report *packager.Report) error {
	var longest time.Duration
	for _, o := range report.Outputs {
		longest = max(longest, o.Duration)
	}
	encodes := len(p.Files)+len(p.Streams) > 0
	probe := in.probe
	want := probe.Duration - max(missingTime, time.Duration(missingShare*float64(probe.Duration))) - in.inexact
	if encodes && probe.Duration > 0 && longest < want {
		return job.Errorf(1076, "Input 1 ends after %.1f seconds, but says that it lasts %.1f: it was cut short. Upload the whole file and submit the job again.",
			longest.Seconds(), probe.Duration.Seconds())
	}
	if longest == 0 && encodes {
		return job.Errorf(1020, "Input 1 gave no picture and no sound: nothing could be decoded.")
	}
	return nil
}

// failure is what the job shows of an error.
func (r *run) failure(err, cause error) *lease.Failure {
	if errors.Is(cause, errCanceled) {
		return &lease.Failure{Message: "The job was canceled."}
	}
	var e *job.Error
	if !errors.As(err, &e) {
		r.log.Error("job failed for an unforeseen reason", "err", err)
		e = ffmpeg.Failure("")
	} else {
		r.log.Warn("job failed", "code", e.Code, "message", e.Message, "err", e.Err)
	}
	return &lease.Failure{Code: e.Code, Message: e.Message}
}

// keyTrouble says what is wrong with the use of a key, whose message names the key and the role, and what to do.
func keyTrouble(e *blob.KeyError, actions string) string {
	text := strings.TrimSuffix(e.Message, ".") + "."
	switch e.Code {
	case blob.KeyDenied:
		return text + " Allow the role of the job " + actions + " on the key through S3, in the role's policies and in the key's."
	case blob.KeyDisabled:
		return text + " Enable the key and submit the job again."
	case blob.KeyInvalidState:
		return text + " Cancel the deletion of the key, or use another one."
	case blob.KeyUnavailable:
		return text + " Submit the job again."
	}
	return text + " Check the key and submit the job again."
}

// outputError gives a failure to write an output its code.
func outputError(err error) error {
	var known *job.Error
	if errors.As(err, &known) {
		return known
	}
	e := &job.Error{Code: 1999, Message: "The outputs could not be written. Submit the job again; if it fails again, the server's log says more under this job's id.", Err: err}
	var role *blob.RoleError
	var key *blob.KeyError
	switch {
	case errors.As(err, &role):
		e.Code, e.Message = roleTrouble, role.Message
	case errors.As(err, &key):
		e.Code, e.Message = 1401, "An output could not be encrypted. "+keyTrouble(key, "kms:GenerateDataKey and kms:Decrypt")
	case errors.Is(err, blob.ErrNotHonoured):
		e.Code, e.Message = 1091, "The object store did not encrypt an output as the job asks for, so that it was not written. Use a store that does, or leave the encryption to it."
	case errors.Is(err, blob.ErrNotOffered):
		e.Code, e.Message = 1091, "The object store does not keep outputs as the job asks for: encryption, access control or storage class. Use a store that does, or leave the setting out."
	case errors.Is(err, blob.ErrNoSuchBucket):
		e.Code, e.Message = 1404, "The bucket of an output does not exist. Create it, or correct the destination."
	case errors.Is(err, blob.ErrAccessDenied):
		e.Code, e.Message = 1401, "The role of the job may not write an output. Allow it s3:PutObject on the destination."
	case errors.Is(err, blob.ErrNoSpace):
		e.Code, e.Message = 1507, "The store of the outputs is full. Make room and submit the job again."
	case errors.Is(err, blob.ErrKeyTooLong):
		e.Code, e.Message = 1040, "The name of an output is longer than 1,024 bytes. Use a shorter destination or name modifier."
	case errors.Is(err, blob.ErrInvalidArgument):
		e.Code, e.Message = 1040, "The name of an output cannot be that of an object in its bucket. Use another destination or name modifier, without .. or an empty part between slashes."
	case errors.Is(err, packager.ErrDrift):
		e.Code, e.Message = 1040, "The picture and the sound of input 1 are too far apart to be packaged together. Correct the input's time stamps."
	}
	return e
}

func marshal(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic("worker: own structs always encode: " + err.Error())
	}
	return b
}
