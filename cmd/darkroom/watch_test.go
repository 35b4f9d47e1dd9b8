package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestPoster: what is said of a time-stamp authority that cannot be reached, or breaks off, names its host and not the rest of its address, which may be what lets somebody in.
func TestPoster(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte("short"))
	}))
	post := poster(server.Client())
	for _, says := range []string{"the connection broke", "it takes no connections"} {
		_, err := post(t.Context(), server.URL+"/s3cret-path?key=s3cret-query", "text/plain", nil, 1000)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), server.Listener.Addr().String()) {
			t.Errorf("%v: want an error that says %q and no secret", err, says)
		}
		server.Close()
	}
}
