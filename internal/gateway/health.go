package gateway

import (
	"encoding/json"
	"net/http"
	"strconv"

	"darkroom/internal/audit"
)

// Problem is something that does not work. A warning leaves the service working.
type Problem struct {
	Name    string `json:"name"`
	Message string `json:"message"`
	Warning bool   `json:"warning"`
}

// health answers the two paths that need no signature, and reports whether it did. A request with credentials is never one of them: it may
// be for a bucket of that name.
func (g *Gateway) health(w http.ResponseWriter, r *http.Request) bool {
	path := r.URL.EscapedPath()
	if path != "/healthz" && path != "/readyz" || r.Method != http.MethodGet && r.Method != http.MethodHead ||
		r.Header.Get("Authorization") != "" || r.URL.RawQuery != "" {
		return false
	}
	status := http.StatusOK
	answer := struct {
		Status   string    `json:"status"`
		Problems []Problem `json:"problems,omitempty"`
	}{Status: "ok"}
	if path == "/readyz" {
		answer.Status, answer.Problems = "ready", g.ready(r.Context())
		if g.draining.Load() {
			answer.Problems = append(answer.Problems, Problem{Name: "draining", Message: "The server is shutting down."})
		}
		for _, p := range answer.Problems {
			if !p.Warning {
				status, answer.Status = http.StatusServiceUnavailable, "not ready"
			}
		}
	}
	body, err := json.Marshal(answer)
	if err != nil { // a struct of strings always encodes
		panic(err)
	}
	h := w.Header()
	h.Set("x-amzn-RequestId", audit.NewID())
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)+1))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if r.Method == http.MethodGet {
		_, _ = w.Write(append(body, '\n')) // a probe that has gone needs no answer
	}
	return true
}
