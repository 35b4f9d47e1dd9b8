// Command darkroom is a file transcoding service that speaks the AWS Elemental MediaConvert API.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"darkroom/internal/sandbox"
)

// The exit codes of every command.
const (
	exitOK       = 0
	exitFailed   = 1 // the job, or what the command does, failed
	exitUsage    = 2 // the command or its input is wrong; nothing was done
	exitCanceled = 130
)

// command is one verb of the program.
type command struct {
	name, summary string
	run           func(ctx context.Context, args []string, stdout, stderr io.Writer) error
	hidden        bool
}

var commands = []command{
	{"serve", "start the service: the API, the object store and a worker", serve, false},
	{"env", "print what a shell needs to reach the service: eval \"$(darkroom env --data DIR)\"", env, false},
	{"run", "carry out one job from a file against local directories", runJob, false},
	{"package", "package finished MP4 files for streaming, without a server: HLS, DASH, CMAF, Smooth", packageMain, false},
	{"lint", "judge a job without a server: what is invalid, not offered, or unwise", lint, false},
	{"policy", "judge, explain or simulate IAM policies without a server", policy, false},
	{"audit", "search, follow and verify the audit trail", auditMain, false},
	{"keys", "say what the installation key is wrapped by, or move it to another root of trust", keysMain, false},
	{"probe", "say what is in a media file", probe, false},
	{"validate", "check a package of HLS, DASH or Smooth Streaming against the specifications", validateMain, false},
	{"keyserver", "serve content keys over SPEKE, Clear Key and HLS, and nothing else; no Widevine, PlayReady or FairPlay licences", keyServer, false},
	{"events", "send a test event to a target of the configuration, list what became of events: events test NAME --config FILE, events deliveries", eventsMain, false},
	{"play", "print the address of a page that plays a package with a short-lived token", play, false},
	{"verify-job", "check the signed statement of how a job came about, and files against it", verifyJob, false},
	{"hold", "put a job, objects or audit records under a legal hold, list holds, release one", holdMain, false},
	{"shred", "destroy objects, or a job with its outputs, for good, with a signed certificate", shred, false},
	{"backup", "back up an installation, running or not, encrypted; or verify a backup", backupMain, false},
	{"restore", "put a backup into a new data directory", restore, false},
	{"doctor", "say what this machine offers and how the installation stands: sandbox, cryptography, ffmpeg, checks", doctor, false},
	{"comply", "report how the installation stands to mpa, soc2, iso27001, pci, hipaa or nist, with signed evidence", complyMain, false},
	{"sbom", "print the bill of materials (CycloneDX) of this program, or with --ffmpeg of ffmpeg", sbomMain, false},
	{"version", "print the version", version, false},
	{"worker", "the worker of serve; serve starts it", workerMain, true},
}

// usageError is a wrong command line; its text is shown with a hint.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// exitError is an error with an exit code of its own.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }

func (e *exitError) Unwrap() error { return e.err }

// errFailed says that the command has already shown why it failed.
var errFailed = errors.New("failed")

func main() {
	if sandbox.IsInit() {
		sandbox.Init()
	}
	if err := sandbox.Guard(false); err != nil { // films and keys do not go into core dumps
		fmt.Fprintf(os.Stderr, "darkroom: %v\n", err)
		os.Exit(exitFailed)
	}
	os.Exit(start(os.Args[1:], os.Stdout, os.Stderr))
}

func start(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		usage(stdout)
		if len(args) == 0 {
			return exitUsage
		}
		return exitOK
	}
	for _, c := range commands {
		if c.name != args[0] {
			continue
		}
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err := c.run(ctx, args[1:], stdout, stderr)
		var wrong *usageError
		switch {
		case err == nil, errors.Is(err, flag.ErrHelp):
			return exitOK
		case errors.Is(err, errFailed):
			return exitFailed
		case errors.As(err, &wrong):
			fmt.Fprintf(stderr, "darkroom %s: %v\n", c.name, err)
			return exitUsage
		case errors.Is(err, context.Canceled):
			return exitCanceled
		}
		fmt.Fprintf(stderr, "darkroom %s: %v\n", c.name, err)
		if own, ok := errors.AsType[*exitError](err); ok {
			return own.code
		}
		return exitFailed
	}
	fmt.Fprintf(stderr, "darkroom: unknown command %q; `darkroom help` lists the commands\n", args[0])
	return exitUsage
}

func usage(w io.Writer) {
	fmt.Fprint(w, "Darkroom transcodes files behind the AWS Elemental MediaConvert API.\n\nusage: darkroom COMMAND [flags]\n\n")
	for _, c := range commands {
		if !c.hidden {
			fmt.Fprintf(w, "  %-10s %s\n", c.name, c.summary)
		}
	}
	fmt.Fprint(w, "\n`darkroom COMMAND --help` lists the flags of a command.\n")
}

// flags makes a flag set that reports errors as usage errors.
func flags(name, args string, stderr io.Writer) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprintf(stderr, "usage: darkroom %s %s\n", name, args)
		fs.PrintDefaults()
	}
	return fs
}

// parse parses flags that may stand before or behind the arguments.
func parse(fs *flag.FlagSet, args []string) ([]string, error) {
	var rest []string
	for {
		if err := fs.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, &usageError{err.Error()}
		}
		if fs.NArg() == 0 {
			return rest, nil
		}
		rest = append(rest, fs.Arg(0))
		args = fs.Args()[1:]
	}
}
