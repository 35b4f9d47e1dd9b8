package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// Limits of a Spec.
const (
	maxInputs    = 64
	maxOutputs   = 256
	maxArguments = 16 << 10
	// maxArgumentBytes stays below the kernel's limit on one string (MAX_ARG_STRLEN, 128 KiB).
	maxArgumentBytes = 128<<10 - 1
)

// A Source is an input that the program reads by ranges.
type Source interface {
	// Size is the length in bytes; it does not change. It is -1 for a stream: the program reads it from its beginning and cannot seek in it, and
	// ReadRange is called with offset 0 and length -1 alone.
	Size() int64
	// ReadRange opens the bytes from offset on: length of them, or all to the end if length is -1. The reader is closed as soon as the
	// program loses interest, usually long before its end. It is called from several goroutines at once; calls and reads return when ctx
	// ends or the reader is closed.
	ReadRange(ctx context.Context, offset, length int64) (io.ReadCloser, error)
}

// A Spec is one program to run.
type Spec struct {
	// Program is the absolute path of the executable.
	Program string
	// Args returns the arguments (without the program's own name), given the URL of each input in order. It is called once.
	Args func(inputs []string) []string
	// Inputs are what the program may read; nothing else is reachable.
	Inputs []Source
	// Outputs is the number of pipes that the program writes to: descriptors 3, 4, ... ("pipe:3" and so on for ffmpeg).
	Outputs int
	// Stdin is what the program reads from standard input, to its end; without any it reads nothing.
	Stdin []byte
	// Stdout captures standard output in Exit.Stdout, up to Limits.StdoutBytes; otherwise it is discarded.
	Stdout bool
	// Limits bound the program; the zero value means the defaults.
	Limits Limits
}

func (s Spec) check() error {
	switch {
	case !filepath.IsAbs(s.Program):
		return fmt.Errorf("program %q is not an absolute path", s.Program)
	case s.Args == nil:
		return errors.New("no argument list")
	case len(s.Inputs) > maxInputs:
		return fmt.Errorf("%d inputs, at most %d", len(s.Inputs), maxInputs)
	case s.Outputs < 0 || s.Outputs > maxOutputs:
		return fmt.Errorf("%d outputs, at most %d", s.Outputs, maxOutputs)
	}
	return nil
}

func checkArgs(args []string) error {
	if len(args) > maxArguments {
		return fmt.Errorf("%d arguments, at most %d", len(args), maxArguments)
	}
	for i, arg := range args {
		if len(arg) > maxArgumentBytes {
			return fmt.Errorf("argument %d has %d bytes, at most %d", i, len(arg), maxArgumentBytes)
		}
		if strings.IndexByte(arg, 0) >= 0 {
			return fmt.Errorf("argument %d has a NUL", i)
		}
	}
	return nil
}
