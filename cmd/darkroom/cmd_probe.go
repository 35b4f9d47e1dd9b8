package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"darkroom/internal/blob"
	"darkroom/internal/blob/plain"
	"darkroom/internal/job"
	"darkroom/internal/media"
	"darkroom/internal/plan"
)

func engineVars(fs *flag.FlagSet, f *engineFlags) {
	fs.StringVar(&f.ffmpeg, "ffmpeg", "ffmpeg", "path or name of ffmpeg, 5.1 or newer")
	fs.StringVar(&f.ffprobe, "ffprobe", "ffprobe", "path or name of ffprobe")
	fs.BoolVar(&f.require, "require-sandbox", false, "refuse to start where a part of the sandbox is missing")
}

func probe(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("probe", "FILE|s3://BUCKET/KEY|https://HOST/PATH", stderr)
	asJSON := fs.Bool("json", false, "print JSON")
	data := fs.String("data", "darkroom-data", "for s3://: the data directory of the running server")
	dirs := buckets{}
	fs.Var(dirs, "bucket", "`NAME=DIR`: what s3://NAME/ means, instead of the server's")
	var ef engineFlags
	engineVars(fs, &ef)
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return usagef("one file is needed; got %d", len(rest))
	}
	in, store, err := probeStore(rest[0], dirs, *data)
	if err != nil {
		return err
	}
	e, err := newEngine(ctx, ef)
	if err != nil {
		return err
	}
	found, err := e.worker(nil, store, slog.New(slog.DiscardHandler), time.Hour).Probe(ctx, store, in, inputSchemes)
	var failed *job.Error
	if errors.As(err, &failed) {
		fmt.Fprintf(stderr, "error %d: %s\n", failed.Code, about(rest[0], in, failed.Message))
		return errFailed
	}
	if err != nil {
		return err
	}
	p := found.Probe
	if *asJSON {
		out, err := json.MarshalIndent(p, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintln(stdout, string(out))
		return nil
	}
	if p.HLS != nil { // the size of its segments is not known before they are read
		fmt.Fprintf(stdout, "HLS, %s, %.3f s\n", p.Format, p.Duration.Seconds())
	} else {
		fmt.Fprintf(stdout, "%s, %.3f s, %d bytes\n", p.Format, p.Duration.Seconds(), p.Size)
	}
	for i, s := range p.Streams { // the files of an HLS package count their streams each from 0
		switch s.Kind {
		case media.Video:
			scan := "progressive"
			if s.Interlaced {
				scan = "interlaced"
			}
			fmt.Fprintf(stdout, "  stream %d  video  %s  %dx%d  %s fps  %s", i, s.Codec, s.Width, s.Height, s.FrameRate, scan)
		case media.Audio:
			fmt.Fprintf(stdout, "  stream %d  audio  %s  %d Hz  %d channels", i, s.Codec, s.SampleRate, s.Channels)
		default:
			fmt.Fprintf(stdout, "  stream %d  data  %s", i, s.Codec)
		}
		if s.Language != "" {
			fmt.Fprintf(stdout, "  %s", s.Language)
		}
		fmt.Fprintln(stdout)
	}
	return nil
}

// about says of a file of this machine what is said of it as an object.
func about(name string, in plan.Input, message string) string {
	if strings.Contains(name, "://") {
		return message
	}
	return strings.NewReplacer(in.URI(), name, "Check the bucket and the key.", "Check its path.").Replace(message)
}

// inputSchemes are read by the commands that need no server: who runs them decides.
var inputSchemes = []string{"s3", "http", "https"}

// probeStore finds where a file or an object is.
func probeStore(name string, dirs buckets, data string) (plan.Input, blob.Store, error) {
	for _, scheme := range inputSchemes[1:] { // of web servers
		if strings.HasPrefix(name, scheme+"://") {
			in, err := plan.ParseInput(name)
			if err != nil {
				return in, nil, &usageError{err.Error()}
			}
			return in, nil, nil
		}
	}
	if strings.HasPrefix(name, "s3://") {
		in, err := plan.ParseInput(name)
		if err != nil {
			return in, nil, &usageError{err.Error()}
		}
		if len(dirs) > 0 {
			store, err := plain.Open(dirs)
			return in, store, err
		}
		store, err := serverStore(data)
		return in, store, err
	}
	abs, err := filepath.Abs(name)
	if err != nil {
		return plan.Input{}, nil, err
	}
	store, err := plain.Open(map[string]string{"file": filepath.Dir(abs)})
	if err != nil {
		return plan.Input{}, nil, &usageError{err.Error()}
	}
	return plan.Input{Object: plan.Location{Bucket: "file", Key: filepath.Base(abs)}}, store, nil
}
