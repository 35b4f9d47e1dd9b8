package feed

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"darkroom/internal/linefile"
)

// maxLine is more than a line in any format has: a record twice, and what is around it.
const maxLine = 4 << 20

// File is a Sink that appends to a file of lines and makes every batch durable.
type File struct{ file linefile.File }

// NewFile returns a file of at most most bytes with keep files before it; at least one batch is in each. Its directory is made when it is absent.
func NewFile(path string, most int64, keep int) *File {
	return &File{file: linefile.File{Path: path, MaxBytes: most, Keep: keep, MaxLine: maxLine}}
}

// Send implements Sink. After an error the file ends where it ended before, as far as it can be brought there.
func (f *File) Send(_ context.Context, lines [][]byte) error {
	if err := os.MkdirAll(filepath.Dir(f.file.Path), 0o700); err != nil {
		return fmt.Errorf("make the directory of the file: %w", linefile.Plain(err))
	}
	if err := f.file.Append(bytes.Join(lines, nil)); err != nil {
		return fmt.Errorf("write the file: %w", err)
	}
	return nil
}

// Close implements Sink.
func (f *File) Close() error { return nil }
