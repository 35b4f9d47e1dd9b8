package sandbox

import (
	"strings"
	"sync"
)

// A tail keeps the last bytes that were written to it.
type tail struct {
	mu sync.Mutex
	// ring holds the last len(ring) bytes; next is where the next one goes. Guarded by mu, held for a copy.
	ring []byte
	next int
	full bool
}

func newTail(size int) *tail { return &tail{ring: make([]byte, size)} }

// Write never fails.
func (t *tail) Write(data []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	written := len(data)
	if len(data) > len(t.ring) {
		data = data[len(data)-len(t.ring):]
		t.full = true
	}
	for len(data) > 0 {
		n := copy(t.ring[t.next:], data)
		data = data[n:]
		if t.next += n; t.next == len(t.ring) {
			t.next, t.full = 0, true
		}
	}
	return written, nil
}

// String returns the bytes as valid UTF-8.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := string(t.ring[:t.next])
	if t.full {
		text = string(t.ring[t.next:]) + text
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// A bounded keeps what is written to it and fails when that grows beyond limit. It has one writer, and is read after it has ended.
type bounded struct {
	data  []byte
	limit int
}

func (b *bounded) Write(data []byte) (int, error) {
	if len(data) > b.limit-len(b.data) {
		return 0, errOutput
	}
	b.data = append(b.data, data...)
	return len(data), nil
}
