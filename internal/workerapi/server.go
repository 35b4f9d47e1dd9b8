package workerapi

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"darkroom/internal/job"
	"darkroom/internal/lease"
)

// Hello is told what a worker's encoder can do, when the worker starts, and returns what the worker is to know.
type Hello func(ctx context.Context, worker string, capabilities json.RawMessage) (welcome json.RawMessage, err error)

// Handler serves control, probes and witness under Prefix, and gives every other path to objects (the gateway's internal handler).
func Handler(control lease.Control, probes lease.Prober, witness lease.Witness, hello Hello, objects http.Handler, log *slog.Logger) http.Handler {
	s := &server{control: control, probes: probes, witness: witness, hello: hello, log: log}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call, ours := strings.CutPrefix(r.URL.EscapedPath(), Prefix)
		if !ours {
			objects.ServeHTTP(w, r)
			return
		}
		if r.Method != http.MethodPost {
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		answer, err := s.call(r.Context(), call, http.MaxBytesReader(w, r.Body, maxBody))
		s.write(w, r, call, answer, err)
	})
}

type server struct {
	control lease.Control
	probes  lease.Prober
	witness lease.Witness
	hello   Hello
	log     *slog.Logger
}

var (
	errUnknownCall = errors.New("unknown call")
	errMalformed   = errors.New("malformed request")
)

func decode[T any](body interface{ Read([]byte) (int, error) }) (T, error) {
	var v T
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		return v, errors.Join(errMalformed, err)
	}
	if d.More() {
		return v, errMalformed
	}
	return v, nil
}

func (s *server) call(ctx context.Context, call string, body interface{ Read([]byte) (int, error) }) (any, error) {
	switch call {
	case callHello:
		r, err := decode[helloRequest](body)
		if err != nil {
			return nil, err
		}
		welcome, err := s.hello(ctx, r.Worker, r.Capabilities)
		return helloAnswer{welcome}, err
	case callProbe:
		r, err := decode[claimRequest](body)
		if err != nil {
			return nil, err
		}
		p, err := s.probes.NextProbe(ctx, r.Worker)
		if err != nil {
			return nil, err
		}
		return probeAnswer{p, wrap(p.Credentials)}, nil
	case callProbed:
		r, err := decode[probedRequest](body)
		if err != nil {
			return nil, err
		}
		return struct{}{}, s.probes.EndProbe(ctx, r.ID, r.Probed)
	case callDialled:
		r, err := decode[lease.Dial](body)
		if err != nil {
			return nil, err
		}
		return struct{}{}, s.witness.Dialled(ctx, r)
	case callClaim:
		r, err := decode[claimRequest](body)
		if err != nil {
			return nil, err
		}
		l, err := s.control.Claim(ctx, r.Worker)
		if err != nil {
			return nil, err
		}
		return claimAnswer{l, wrap(l.Credentials)}, nil
	case callReport:
		r, err := decode[reportRequest](body)
		if err != nil {
			return nil, err
		}
		deadline, err := s.control.Report(ctx, r.Task.lease(), r.Progress)
		return reportAnswer{deadline}, err
	case callKeys:
		r, err := decode[keysRequest](body)
		if err != nil {
			return nil, err
		}
		keys, err := s.control.ContentKeys(ctx, r.Task.lease(), r.Group)
		if failed, ok := errors.AsType[*job.Error](err); ok && !errors.Is(err, lease.ErrLost) {
			s.log.Warn("a job has no content keys", "job", r.Task.JobID, "group", r.Group, "err", failed)
			return keysAnswer{Error: &lease.Failure{Code: failed.Code, Message: failed.Message}}, nil
		}
		if err != nil {
			return nil, err
		}
		return keysAnswer{Keys: wrapKeys(keys)}, nil
	case callAttest:
		r, err := decode[attestRequest](body)
		if err != nil {
			return nil, err
		}
		attester, ok := s.control.(lease.Attester)
		if !ok {
			return nil, errUnknownCall
		}
		statement, err := attester.Attest(ctx, r.Task.lease(), r.Evidence)
		if failed, ok := errors.AsType[*job.Error](err); ok && !errors.Is(err, lease.ErrLost) {
			s.log.Warn("a job has no statement of provenance", "job", r.Task.JobID, "err", failed)
			return attestAnswer{Error: &lease.Failure{Code: failed.Code, Message: failed.Message}}, nil
		}
		return attestAnswer{Statement: statement}, err
	case callFinish:
		r, err := decode[finishRequest](body)
		if err != nil {
			return nil, err
		}
		return struct{}{}, s.control.Finish(ctx, r.Task.lease(), r.Result)
	}
	if call != callWait && call != callRenew && call != callRelease {
		return nil, errUnknownCall
	}
	r, err := decode[taskRequest](body)
	if err != nil {
		return nil, err
	}
	switch call {
	case callWait:
		return struct{}{}, s.control.Wait(ctx, r.Task.lease())
	case callRenew:
		c, err := s.control.Renew(ctx, r.Task.lease())
		return renewAnswer{wrap(c)}, err
	default:
		return struct{}{}, s.control.Release(ctx, r.Task.lease())
	}
}

func (s *server) write(w http.ResponseWriter, r *http.Request, call string, answer any, err error) {
	status := http.StatusOK
	switch {
	case err == nil:
	case r.Context().Err() != nil:
		// The worker gave the call up, or one of the two is ending. To return would answer 200 with nothing in it, which a waiting
		// worker reads as the end of its job: the call is aborted instead. A lease that was claimed for it runs out by itself.
		panic(http.ErrAbortHandler)
	case errors.Is(err, lease.ErrLost):
		status, answer = http.StatusConflict, failure{codeLost}
	case errors.Is(err, errUnknownCall):
		status, answer = http.StatusNotFound, failure{codeInternal}
	case errors.Is(err, errMalformed):
		status, answer = http.StatusBadRequest, failure{codeInternal}
	default:
		s.log.Error("worker call failed", "call", call, "err", err)
		status, answer = http.StatusInternalServerError, failure{codeInternal}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		s.log.Debug("answer a worker", "call", call, "err", err)
	}
	if a, ok := answer.(keysAnswer); ok {
		for _, k := range a.Keys {
			clear(k.Value)
		}
	}
}
