package egress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"darkroom/internal/uri"
)

// FetchTimeout is how long a Fetch may take, from the name's resolution to the last byte.
const FetchTimeout = 10 * time.Second

// Fetch reads a small document over https: one GET, no redirect, an answer of 200 with at most limit bytes. Where it may dial is what it is
// for that decides, as for every connection; the error of a refused address is a *Refused. What the document is, its caller judges: servers
// label such files as they please. It ends within FetchTimeout.
func (d *Door) Fetch(ctx context.Context, p Purpose, address string, limit int64) ([]byte, error) {
	return d.fetch(ctx, p, address, limit, FetchTimeout)
}

func (d *Door) fetch(ctx context.Context, p Purpose, address string, limit int64, timeout time.Duration) ([]byte, error) {
	u, err := uri.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("fetch: the URL cannot be used: %w", err)
	}
	if u.Scheme != "https" {
		return nil, errors.New("fetch: the URL is not an https one")
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "Darkroom")
	client := d.Client(p)
	defer client.CloseIdleConnections()
	resp, err := client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch from %s: status %d, want 200", u.Host, resp.StatusCode)
	}
	if e := resp.Header.Get("Content-Encoding"); e != "" && e != "identity" { // none was asked for
		return nil, fmt.Errorf("fetch from %s: the answer is encoded", u.Host)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("fetch from %s: %w", u.Host, err)
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("fetch from %s: the answer is larger than %d bytes", u.Host, limit)
	}
	return body, nil
}
