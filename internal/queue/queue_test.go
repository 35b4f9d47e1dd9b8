package queue_test

import (
	"path/filepath"
	"testing"

	"darkroom/internal/queue/queuetest"
	"darkroom/internal/store"
	"darkroom/internal/store/sqlite"
)

func TestQueue(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, func(t *testing.T) store.Store {
		t.Helper()
		s, err := sqlite.Open(filepath.Join(t.TempDir(), "records.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	})
}
