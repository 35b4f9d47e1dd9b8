package gateway

import (
	"net/http"

	"darkroom/internal/audit"
)

// operationPage is how the log calls an answer that everybody may see.
const operationPage = "Page"

// page answers requests for what everybody may see, and reports whether it did. A request with credentials is never one of them: it may be for a bucket of
// that name.
func (g *Gateway) page(plain http.ResponseWriter, r *http.Request) bool {
	if g.pages == nil || r.Method != http.MethodGet && r.Method != http.MethodHead || r.Header.Get("Authorization") != "" || r.URL.RawQuery != "" {
		return false
	}
	h := g.pages(r)
	if h == nil {
		return false
	}
	x := &exchange{id: audit.NewID(), start: g.now(), sourceIP: remoteIP(r), secure: r.TLS != nil, operation: operationPage}
	ctx := g.observer.Began(r.Context(), r, x.exchanged())
	w := newResponse(plain)
	body := newProgressBody(r.Body, w.controller)
	r.Body, r.Trailer = body, nil
	w.Header().Set("x-amzn-RequestId", x.id)
	w.Header().Set("Date", x.start.UTC().Format(http.TimeFormat))
	w.extend()
	defer func() {
		w.finish(body)
		g.logAccess(ctx, r, x, w, body)
	}()
	if !g.outside.take() {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	defer g.outside.give()
	h.ServeHTTP(w, r)
	return true
}
