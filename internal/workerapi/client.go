package workerapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"darkroom/internal/cenc"
	"darkroom/internal/job"
	"darkroom/internal/lease"
)

// Client is a lease.Control that calls a control plane. It is safe for concurrent use.
type Client struct {
	transport http.RoundTripper
}

// NewClient makes a client over transport, usually Transport's.
func NewClient(transport http.RoundTripper) *Client { return &Client{transport: transport} }

// base is a formality: the transport leads to one place only.
const base = "http://control"

func (c *Client) post(ctx context.Context, call string, request, answer any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("encode %s: %w", call, err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+Prefix+call, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := c.transport.RoundTrip(r)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("call %s: %w", call, err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", call, err)
	}
	if len(b) > maxBody {
		return fmt.Errorf("the answer of %s is longer than %d bytes", call, maxBody)
	}
	if resp.StatusCode != http.StatusOK {
		var f failure
		if json.Unmarshal(b, &f) == nil && f.Code == codeLost {
			return lease.ErrLost
		}
		return fmt.Errorf("call %s: the control plane answered %d", call, resp.StatusCode)
	}
	if answer == nil {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(answer); err != nil {
		return fmt.Errorf("read the answer of %s: %w", call, err)
	}
	return nil
}

// Hello says what the worker's encoder can do, and returns what the control plane tells each worker.
func (c *Client) Hello(ctx context.Context, worker string, capabilities json.RawMessage) (welcome json.RawMessage, err error) {
	var a helloAnswer
	err = c.post(ctx, callHello, helloRequest{worker, capabilities}, &a)
	return a.Welcome, err
}

// NextProbe implements lease.Prober.
func (c *Client) NextProbe(ctx context.Context, worker string) (*lease.Probe, error) {
	var a probeAnswer
	if err := c.post(ctx, callProbe, claimRequest{worker}, &a); err != nil {
		return nil, err
	}
	if a.Probe == nil {
		return nil, errors.New("the control plane gave no probe")
	}
	a.Probe.Credentials = a.Credentials.unwrap()
	return a.Probe, nil
}

// EndProbe implements lease.Prober.
func (c *Client) EndProbe(ctx context.Context, id string, p lease.Probed) error {
	return c.post(ctx, callProbed, probedRequest{id, p}, nil)
}

// Dialled implements lease.Witness.
func (c *Client) Dialled(ctx context.Context, d lease.Dial) error {
	return c.post(ctx, callDialled, d, nil)
}

// Claim implements lease.Control.
func (c *Client) Claim(ctx context.Context, worker string) (*lease.Lease, error) {
	var a claimAnswer
	if err := c.post(ctx, callClaim, claimRequest{worker}, &a); err != nil {
		return nil, err
	}
	if a.Lease == nil {
		return nil, errors.New("the control plane gave no lease")
	}
	a.Lease.Credentials = a.Credentials.unwrap()
	return a.Lease, nil
}

// Report implements lease.Control.
func (c *Client) Report(ctx context.Context, l *lease.Lease, p lease.Progress) (time.Time, error) {
	var a reportAnswer
	err := c.post(ctx, callReport, reportRequest{name(l), p}, &a)
	return a.Deadline, err
}

// Wait implements lease.Control.
func (c *Client) Wait(ctx context.Context, l *lease.Lease) error {
	return c.post(ctx, callWait, taskRequest{name(l)}, nil)
}

// Renew implements lease.Control.
func (c *Client) Renew(ctx context.Context, l *lease.Lease) (lease.Credentials, error) {
	var a renewAnswer
	if err := c.post(ctx, callRenew, taskRequest{name(l)}, &a); err != nil {
		return lease.Credentials{}, err
	}
	return a.Credentials.unwrap(), nil
}

// ContentKeys implements lease.Control.
func (c *Client) ContentKeys(ctx context.Context, l *lease.Lease, group int) ([]cenc.Protection, error) {
	var a keysAnswer
	if err := c.post(ctx, callKeys, keysRequest{name(l), group}, &a); err != nil {
		return nil, err
	}
	if a.Error != nil {
		return nil, &job.Error{Code: a.Error.Code, Message: a.Error.Message}
	}
	return unwrapKeys(a.Keys)
}

// Attest implements lease.Attester.
func (c *Client) Attest(ctx context.Context, l *lease.Lease, e lease.Evidence) ([]byte, error) {
	var a attestAnswer
	if err := c.post(ctx, callAttest, attestRequest{name(l), e}, &a); err != nil {
		return nil, err
	}
	if a.Error != nil {
		return nil, &job.Error{Code: a.Error.Code, Message: a.Error.Message}
	}
	return a.Statement, nil
}

// Finish implements lease.Control.
func (c *Client) Finish(ctx context.Context, l *lease.Lease, r lease.Result) error {
	return c.post(ctx, callFinish, finishRequest{name(l), r}, nil)
}

// Release implements lease.Control.
func (c *Client) Release(ctx context.Context, l *lease.Lease) error {
	return c.post(ctx, callRelease, taskRequest{name(l)}, nil)
}
