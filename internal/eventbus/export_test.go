package eventbus

// Limiters is how many limiters of API destinations are kept.
func (s *Service) Limiters() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.limiters)
}
