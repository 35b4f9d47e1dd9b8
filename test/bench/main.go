// Command bench measures a built darkroom against named peers in the same run, and prints a table. `make bench` runs it.
//
// Each peer runs in turn with Darkroom, so that both see the machine as it is; what is printed are medians.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

type bench struct {
	ctx    context.Context
	dir    string
	binary string
	gw     string // versitygw
	shaka  string // shaka-packager
	rounds int
	quick  bool
}

func main() {
	var b bench
	flag.StringVar(&b.binary, "binary", "bin/darkroom", "the darkroom to measure")
	flag.StringVar(&b.gw, "versitygw", "bin/tools/versitygw", "the S3 server to measure against")
	flag.StringVar(&b.shaka, "packager", "test/packager/node_modules/shaka-packager/bin/packager-linux-"+map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH], "the packager to measure against")
	flag.IntVar(&b.rounds, "rounds", 3, "how often each is run")
	flag.BoolVar(&b.quick, "quick", false, "small inputs: to see that the bench works")
	only := flag.String("only", "", "names of measurements, with commas; empty is all")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b.ctx = ctx
	if err := b.run(*only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func (b *bench) run(only string) (err error) {
	if b.binary, err = filepath.Abs(b.binary); err != nil {
		return err
	}
	if b.gw, err = filepath.Abs(b.gw); err != nil {
		return err
	}
	if b.shaka, err = filepath.Abs(b.shaka); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "darkroom-bench-"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(b.dir) }()
	fmt.Printf("%s, %s\n\n| measured | Darkroom | peer | ratio |\n|---|---|---|---|\n", first("nproc")+" cores", first("ffmpeg", "-version"))
	for _, m := range []struct {
		name string
		run  func() error
	}{
		{"ladder", b.ladder},
		{"start", b.start},
		{"createjob", b.createJob},
		{"memory", b.memory},
		{"objects", b.objects},
		{"records", b.records},
		{"decrypt", b.decrypt},
		{"codec", b.codec},
		{"decisions", b.decisions},
		{"entry", b.entry},
		{"kms", b.dataKeys},
		{"audit", b.audit},
		{"package", b.packaging},
		{"trail", b.trail},
		{"verify", b.verify},
		{"events", b.events},
	} {
		if only != "" && !slices.Contains(strings.Split(only, ","), m.name) {
			continue
		}
		if err := m.run(); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

// row prints what was measured.
func row(what, ours, peer, ratio string) {
	fmt.Printf("| %s | %s | %s | %s |\n", what, ours, peer, ratio)
}

func first(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return name + " is missing"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	line, _, _ = strings.Cut(line, " Copyright")
	return line
}

func median(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}

// percentile is the value that p of a hundred are not above.
func percentile(d []time.Duration, p int) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[min(len(d)-1, len(d)*p/100)]
}

// command runs a program to its end.
func (b *bench) command(name string, args ...string) error {
	out, err := exec.CommandContext(b.ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

// film makes a film with picture and sound of the bench's own.
func (b *bench) film(name string, width, height, seconds int) (string, error) {
	path := filepath.Join(b.dir, name)
	return path, b.command("ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", fmt.Sprintf("testsrc2=s=%dx%d:r=30:d=%d", width, height, seconds),
		"-f", "lavfi", "-i", fmt.Sprintf("sine=f=440:r=48000:d=%d", seconds), "-c:v", "libx264", "-preset", "ultrafast", "-g", "60", "-c:a", "aac", "-ac", "2", path)
}
