// Package file appends events to a file, one JSON value on each line (NDJSON), for a shipper of logs to read. A message is taken when it is on the disk.
//
// How the file is kept is linefile's.
package file

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"

	"darkroom/internal/linefile"
	"darkroom/internal/target"
)

// Bounds.
const (
	// DefaultMaxBytes and DefaultKeep hold where nothing else is asked for: a gigabyte in all.
	DefaultMaxBytes = 64 << 20
	DefaultKeep     = 15
	// MinMaxBytes has room for one message.
	MinMaxBytes = target.MaxBody + 1
	MaxMaxBytes = 1 << 40
	MaxKeep     = 1000
)

// Options say where to.
type Options struct {
	Path     string // absolute; its directory has to be there
	MaxBytes int64  // of one file; 0: DefaultMaxBytes
	// Keep is how many older files there are, Path.1 the youngest; the oldest is removed. 0: DefaultKeep.
	Keep int
}

// Sender appends to one file. It is safe for concurrent use, also by several processes.
type Sender struct {
	file   linefile.File
	closed atomic.Bool
	turn   chan struct{} // holds one token: who has it writes
}

// New returns a sender. Nothing is written yet.
func New(o Options) (*Sender, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.Keep == 0 {
		o.Keep = DefaultKeep
	}
	switch {
	case !filepath.IsAbs(o.Path) || filepath.Clean(o.Path) != o.Path || filepath.Dir(o.Path) == o.Path:
		return nil, errors.New("a file target has an absolute path in its plain form")
	case o.MaxBytes < MinMaxBytes || o.MaxBytes > MaxMaxBytes:
		return nil, fmt.Errorf("a file target has files of %d to %d bytes", MinMaxBytes, MaxMaxBytes)
	case o.Keep < 0 || o.Keep > MaxKeep:
		return nil, fmt.Errorf("a file target keeps at most %d older files", MaxKeep)
	}
	s := &Sender{file: linefile.File{Path: o.Path, MaxBytes: o.MaxBytes, Keep: o.Keep, MaxLine: target.MaxBody}, turn: make(chan struct{}, 1)}
	s.turn <- struct{}{}
	return s, nil
}

// Send implements target.Sender. A body that is no JSON is refused. It does not wait for another process that has the file: that is an error that another attempt mends.
func (s *Sender) Send(ctx context.Context, m target.Message) error {
	if len(m.Body) > target.MaxBody {
		return &target.Refused{Reason: fmt.Sprintf("the message has more than %d bytes", target.MaxBody)}
	}
	var line bytes.Buffer
	if err := json.Compact(&line, m.Body); err != nil { // no line end is left: in JSON there is none inside of strings
		return &target.Refused{Reason: "the message is no JSON, which is what the file has on each line"}
	}
	line.WriteByte('\n')
	select {
	case <-s.turn:
	case <-ctx.Done():
		return fmt.Errorf("event file %s: %w", s.file.Path, ctx.Err())
	}
	defer func() { s.turn <- struct{}{} }()
	if s.closed.Load() {
		return fmt.Errorf("event file %s: it is closed", s.file.Path)
	}
	if err := s.file.Append(line.Bytes()); err != nil {
		return fmt.Errorf("event file %s: %w", s.file.Path, err)
	}
	return nil
}

// Close implements target.Sender. It waits for a message that is being written.
func (s *Sender) Close() error {
	s.closed.Store(true)
	<-s.turn
	s.turn <- struct{}{}
	return nil
}
