package sqlite

import "sync"

// signal wakes everybody who waits for the next time that something happens. The zero value is ready.
type signal struct {
	mu sync.Mutex // guards c; held for assignments only
	c  chan struct{}
}

func (s *signal) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.c == nil {
		s.c = make(chan struct{})
	}
	return s.c
}

func (s *signal) announce() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.c != nil {
		close(s.c)
		s.c = nil
	}
}
