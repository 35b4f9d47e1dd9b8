package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/sbom"
)

const cyclonedxJSON = "cyclonedx-json"

func sbomMain(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("sbom", "[--format cyclonedx-json] [--ffmpeg[=PATH]] [--out FILE]", stderr)
	format := fs.String("format", cyclonedxJSON, "the only one: "+cyclonedxJSON)
	var ffmpeg optional
	fs.Var(&ffmpeg, "ffmpeg", "of ffmpeg in place of darkroom; =`PATH` names another than that on the PATH")
	out := fs.String("out", "", "`FILE` that the bill is written to; empty is standard output")
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	switch {
	case len(rest) > 0:
		return usagef("unexpected argument %q", rest[0])
	case *format != cyclonedxJSON:
		return usagef("--format %q is not offered; offered: %s", *format, cyclonedxJSON)
	}
	o := sbom.Options{Time: time.Now(), Release: release, Serial: audit.NewID()}
	var text []byte
	if ffmpeg.given {
		text, err = ffmpegBill(ctx, ffmpeg.value, o)
	} else {
		text, err = ownBill(o)
	}
	if err != nil {
		return err
	}
	if *out != "" {
		return writeFile(*out, text)
	}
	_, err = stdout.Write(text)
	return err
}

// optional is a flag that may have a value.
type optional struct {
	value string
	given bool
}

func (o *optional) String() string { return o.value }

// IsBoolFlag says that the value may be left out.
func (o *optional) IsBoolFlag() bool { return true }

func (o *optional) Set(s string) error {
	o.given, o.value = true, s
	if s == "true" {
		o.value = "ffmpeg"
	}
	return nil
}

// ownBill is the bill of this very program, with the hash of its file.
func ownBill(o sbom.Options) ([]byte, error) {
	info, err := lookAtBuild()
	if err != nil {
		return nil, err
	}
	path, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the program's file: %w", err)
	}
	if o.SHA256, err = fileHash(path); err != nil {
		return nil, err
	}
	b, err := sbom.Go(info, o)
	if err != nil {
		return nil, err
	}
	return sbom.Encode(b)
}

func ffmpegBill(ctx context.Context, name string, o sbom.Options) ([]byte, error) {
	p, err := lookAtFFmpeg(ctx, name)
	if err != nil {
		return nil, err
	}
	b, err := sbom.FFmpeg(p, o)
	if err != nil {
		return nil, err
	}
	return sbom.Encode(b)
}
