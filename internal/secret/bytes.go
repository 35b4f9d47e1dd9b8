// Package secret keeps key material from being shown, and seals it at rest.
package secret

import "log/slog"

// Bytes is key material. It does not print, log or encode; Reveal is the one way to the value, so that every use can be found by
// searching for it. The zero value is no secret at all.
type Bytes struct {
	b []byte
}

const hidden = "[secret]"

// New takes ownership of b.
func New(b []byte) Bytes { return Bytes{b: b} }

// Reveal returns the key material itself; the caller must not change or keep it.
func (s Bytes) Reveal() []byte { return s.b }

// Wipe overwrites the key material with zeros, in all copies of s, which share it. What it was copied to before (a cipher's schedule, a string, a
// buffer that Go moved) is out of its reach.
func (s Bytes) Wipe() { clear(s.b) }

// Len returns the number of bytes.
func (s Bytes) Len() int { return len(s.b) }

func (Bytes) String() string   { return hidden }
func (Bytes) GoString() string { return hidden }

// LogValue implements slog.LogValuer.
func (Bytes) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText implements encoding.TextMarshaler, so that no encoder shows the value by accident.
func (Bytes) MarshalText() ([]byte, error) { return []byte(hidden), nil }
