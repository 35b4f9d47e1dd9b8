package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/api"
	"darkroom/internal/audit"
	"darkroom/internal/certificate"
	"darkroom/internal/config"
	"darkroom/internal/egress"
	"darkroom/internal/gateway"
	"darkroom/internal/iamapi"
	"darkroom/internal/identity"
	"darkroom/internal/jsonapi"
	"darkroom/internal/keys"
	"darkroom/internal/kmsapi"
	"darkroom/internal/plan"
	"darkroom/internal/queryapi"
	"darkroom/internal/queue"
	"darkroom/internal/s3api"
	"darkroom/internal/sandbox"
	"darkroom/internal/secret"
	"darkroom/internal/store/sqlite"
	"darkroom/internal/stsapi"
)

// The files of the data directory.
const (
	databaseFile = "darkroom.db"
	objectsDir   = "objects"
	accountsDir  = "accounts" // what accounts beside the main one have of their own
	tlsDir       = "tls"
	endpointFile = "endpoint.json"
)

// endpoint is what env needs to know of a server; it is in the data directory while and after the server runs.
type endpoint struct {
	URL     string `json:"url"`
	Region  string `json:"region"`
	Account string `json:"account"`
	// Authorities is the file in the data directory with the authority of the listener's certificate; empty for our own, systemAuthorities for one that
	// clients know.
	Authorities string `json:"authorities,omitempty"`
}

func serve(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("serve", "--data DIR", stderr)
	cfg, err := config.FromArgs(fs, args)
	var wrong *config.Error
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case errors.As(err, &wrong), err != nil:
		return &usageError{err.Error()}
	}
	// Whatever is made from here on is its owner's alone; so is what is in memory, where the keys are.
	syscall.Umask(0o077)
	if err := sandbox.Guard(true); err != nil {
		return err
	}
	if err := checkFIPS(cfg); err != nil {
		return err
	}
	log := logger(stderr, cfg.Level())
	log.Info("cryptography", "fips", fipsMode())
	if cfg.InsecureHTTP {
		if err := gateway.CheckInsecure(cfg.Listen); err != nil {
			return &usageError{err.Error()}
		}
	}
	s, err := open(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer s.close()
	return s.run(ctx, stdout)
}

// server is the control plane with everything that serve wires together.
type server struct {
	cfg       config.Config
	log       *slog.Logger
	created   time.Time // when the installation was made
	records   *sqlite.Store
	people    *identity.Directory
	keys      *keys.Service
	iam, sts  *queryapi.Service
	kms       *jsonapi.Service
	denials   *explainer
	queue     *queue.Queue
	probes    *queue.Probes
	egress    egress.Options // for the workers
	dials     *dials
	gateway   *gateway.Gateway
	objects   io.Closer
	worker    *localWorker
	strangers audit.Ring

	certificates *certificate.Service
	acm          *jsonapi.Service
	tls          *tls.Config                     // nil for plain HTTP
	shown        atomic.Pointer[tls.Certificate] // what the listener shows, where that is not of our own authority
}

func open(ctx context.Context, cfg config.Config, log *slog.Logger) (*server, error) {
	s := &server{cfg: cfg, log: log}
	if err := s.open(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *server) open(ctx context.Context) error {
	cfg := s.cfg
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	// The way out is there first: what is needed to read anything else may be behind it.
	var err error
	if s.egress, err = egressOptions(cfg.Egress); err != nil {
		return err
	}
	s.probes = queue.NewProbes()
	s.dials = &dials{region: cfg.Region, probes: s.probes}
	own := s.egress
	own.Record = s.dials.record
	door, err := egress.New(own)
	if err != nil {
		return err
	}
	key, err := openInstallation(ctx, cfg, door, s.log)
	if err != nil {
		return fmt.Errorf("open the installation key: %w", err)
	}
	master := key.Secret
	s.created = key.Created
	// The object store locks the directory: from here on nobody else uses it.
	accounts := accountIDs(cfg)
	ring := &keyring{region: cfg.Region}
	objects, err := openObjects(cfg, accounts, master, ring, door)
	if err != nil {
		return err
	}
	s.objects = objects
	if s.records, err = sqlite.Open(filepath.Join(cfg.Data, databaseFile)); err != nil {
		return fmt.Errorf("open the records: %w", err)
	}
	if s.people, err = openIdentities(cfg, s.records, master, s.log); err != nil {
		return err
	}
	people := s.people
	if s.keys, err = keys.New(keys.Options{
		Region: cfg.Region, Accounts: accounts, Store: s.records, People: people, Master: master, Log: s.log, Used: s.keyUsed,
	}); err != nil {
		return err
	}
	ring.service = s.keys
	creds := &issuer{people: people, ended: objects.forget, region: storeRegion(cfg)}
	s.queue = queue.New(s.records, queue.Options{
		Region: cfg.Region, Credentials: creds, Log: s.log,
		Retention: time.Duration(cfg.RetentionDays) * 24 * time.Hour,
	})
	s.dials.queue = s.queue
	if err := s.dials.open(context.Background(), s.queue.Audit); err != nil {
		return err
	}
	if err := s.queue.Void(context.Background()); err != nil {
		return fmt.Errorf("take back the leases of an earlier run: %w", err)
	}
	if err := s.openCertificates(master); err != nil {
		return err
	}
	tokens, err := secret.Derive(master, "api page tokens")
	if err != nil {
		return err
	}
	s.worker = newLocalWorker(s)
	mediaconvert, err := api.New(api.Options{
		Queue: s.queue, Roles: people, Certificates: s.certificates, Region: cfg.Region, Throttle: api.Throttle(cfg.Throttle), TokenKey: tokens, QueueCreated: s.created,
		Check: func(j *types.JobSettings) ([]plan.Refusal, []plan.Refusal) {
			can := s.worker.capabilities()
			can.Storage = storage(cfg)
			return plan.Check(j, can)
		},
		Engine: func() string { return s.worker.capabilities().Engine },
		Probe:  (&prober{people.Sessions, s.probes, creds.region, creds.Revoke}).probe,
	})
	if err != nil {
		return err
	}
	creds.policy = mediaconvert // before the first worker claims
	s3, err := s3api.New(s3api.Options{Stores: objects.store, Region: cfg.Region})
	if err != nil {
		return err
	}
	if s.iam, err = iamapi.New(iamapi.Options{Directory: people}); err != nil {
		return err
	}
	if s.denials, err = newExplainer(master); err != nil {
		return err
	}
	if s.sts, err = stsapi.New(stsapi.Options{Directory: people, Verify: tokenVerifier(door), Explain: s.denials.open}); err != nil {
		return err
	}
	if s.kms, err = kmsapi.New(kmsapi.Options{Keys: s.keys, Region: cfg.Region}); err != nil {
		return err
	}
	s.gateway, err = gateway.New(gateway.Options{
		Services:   []gateway.Service{mediaconvert, s3, s.iam, s.sts, s.kms, s.acm},
		Default:    "mediaconvert",
		Region:     cfg.Region,
		Identities: gate{people, cfg.Region, s.log, new(sync.Once)},
		Explain:    s.denials.seal,
		Audit:      s.audit,
		Log:        s.log,
		Ready:      s.ready,
	})
	if err != nil {
		return err
	}
	return s.openListener(master)
}

func (s *server) close() {
	if s.records != nil {
		if err := s.records.Close(); err != nil {
			s.log.Error("close the records", "err", err)
		}
	}
	if s.objects != nil {
		if err := s.objects.Close(); err != nil {
			s.log.Error("close the object store", "err", err)
		}
	}
}

// run serves until ctx ends: first no new claims and no new requests, then what runs has the time of --drain.
func (s *server) run(ctx context.Context, stdout io.Writer) error {
	listener, err := net.Listen("tcp", s.cfg.Listen)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	background := make(chan error, 3)
	go func() { background <- s.queue.Run(ctx) }()
	go func() { background <- s.people.Run(ctx) }()
	go func() { background <- s.keys.Run(ctx) }()
	// The worker says what it can do before the first request is answered.
	workerDone := make(chan struct{})
	go func() {
		defer close(workerDone)
		if err := s.worker.run(ctx); err != nil {
			stop(err)
		}
	}()
	select {
	case <-s.worker.ready:
	case <-workerDone:
		_ = listener.Close()
		if ctx.Err() != nil && context.Cause(ctx) != nil {
			return context.Cause(ctx)
		}
		return errors.New("the worker did not start")
	case <-ctx.Done():
	}
	url := "https://" + s.reachable(listener.Addr())
	if s.cfg.InsecureHTTP {
		url = "http://" + listener.Addr().String()
	}
	if err := s.announce(url); err != nil {
		_ = listener.Close()
		return err
	}
	fmt.Fprintf(stdout, "darkroom is listening on %s\n  eval \"$(darkroom env --data %s)\"\n", url, s.cfg.Data)
	s.log.Info("listening", "url", url, "region", s.cfg.Region, "account", s.cfg.Account)
	err = s.gateway.Run(ctx, listener, s.tls, s.cfg.Drain)
	stop(err)
	<-workerDone
	for range cap(background) {
		<-background
	}
	if cause := context.Cause(ctx); err == nil && cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	s.log.Info("stopped", "err", err)
	return err
}

// announce writes the endpoint for env.
func (s *server) announce(url string) error {
	b, err := json.Marshal(endpoint{url, s.cfg.Region, s.cfg.Account, s.authorities()})
	if err != nil {
		return err
	}
	name := filepath.Join(s.cfg.Data, endpointFile)
	if err := os.WriteFile(name+".tmp", b, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".tmp", name)
}

// ready says what does not work.
func (s *server) ready(ctx context.Context) []gateway.Problem {
	var p []gateway.Problem
	if _, err := s.queue.Count(ctx, s.cfg.Account, ""); err != nil {
		s.log.Error("the records do not answer", "err", err)
		p = append(p, gateway.Problem{Name: "records", Message: "the records do not answer"})
	}
	return slices.Concat(p, s.certificateProblems(), s.worker.problems())
}

// workerArgs are the arguments of the worker process; none is a secret.
func (s *server) workerArgs() ([]string, error) {
	ffmpeg, err := program(s.cfg.FFmpeg)
	if err != nil {
		return nil, err
	}
	ffprobe, err := program(s.cfg.FFprobe)
	if err != nil {
		return nil, err
	}
	n := s.cfg.Worker.Concurrency
	if n == 0 {
		// An encoder fills about four processors; one job at a time on less.
		n = max(1, runtime.NumCPU()/4)
	}
	return []string{
		"worker", "--ffmpeg", ffmpeg, "--ffprobe", ffprobe, "--region", s.cfg.Region, "--concurrency", strconv.Itoa(n),
		"--drain", s.cfg.Drain.String(), "--log-level", s.cfg.LogLevel, "--require-sandbox=" + strconv.FormatBool(s.cfg.RequireSandbox),
	}, nil
}

func env(_ context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("env", "--data DIR", stderr)
	data := fs.String("data", config.Default().Data, "data directory of the server")
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usagef("unexpected argument %q", rest[0])
	}
	e, dir, err := readEndpoint(*data)
	if err != nil {
		return err
	}
	fmt.Fprint(stdout, shell(e, dir))
	return nil
}

func readEndpoint(data string) (endpoint, string, error) {
	dir, err := filepath.Abs(data)
	if err != nil {
		return endpoint{}, "", err
	}
	b, err := os.ReadFile(filepath.Join(dir, endpointFile))
	if errors.Is(err, os.ErrNotExist) {
		return endpoint{}, "", fmt.Errorf("no server has run on %s yet: start it with darkroom serve --data %s", data, data)
	}
	if err != nil {
		return endpoint{}, "", err
	}
	var e endpoint
	if err := json.Unmarshal(b, &e); err != nil {
		return endpoint{}, "", fmt.Errorf("read %s: %w", endpointFile, err)
	}
	return e, dir, nil
}
