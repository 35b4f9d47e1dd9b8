package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
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
	"darkroom/internal/eventbus"
	"darkroom/internal/gateway"
	"darkroom/internal/iamapi"
	"darkroom/internal/identity"
	"darkroom/internal/jsonapi"
	"darkroom/internal/keys"
	"darkroom/internal/keyserver"
	"darkroom/internal/kmsapi"
	"darkroom/internal/lifecycle"
	"darkroom/internal/plan"
	"darkroom/internal/queryapi"
	"darkroom/internal/queue"
	"darkroom/internal/s3api"
	"darkroom/internal/sandbox"
	"darkroom/internal/secret"
	"darkroom/internal/store/sealed"
	"darkroom/internal/store/sqlite"
	"darkroom/internal/stsapi"
	"darkroom/internal/trail"
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
	return serveFlags(ctx, flags("serve", "--data DIR", stderr), args, stdout, stderr, false)
}

// serveFlags reads the configuration and serves: all of it, or the key server alone with what it stands on.
func serveFlags(ctx context.Context, fs *flag.FlagSet, args []string, stdout, stderr io.Writer, keysAlone bool) error {
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
	if err := sandbox.Guard(opaque(cfg)); err != nil {
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
	cfg.KeyServer = cfg.KeyServer || keysAlone
	s, err := (&server{cfg: cfg, log: log, keysAlone: keysAlone}).opened(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.begin(ctx); err != nil {
		return err
	}
	err = s.run(ctx, stdout)
	return errors.Join(err, s.end(err))
}

// server is the control plane with everything that serve wires together.
type server struct {
	cfg       config.Config
	keysAlone bool // no jobs: the key server, and what it stands on
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
	life
	worker    *localWorker
	strangers audit.Strangers
	watched   observer
	watching  *watching

	contentKeys *keyserver.Service     // nil without the key server
	listening   atomic.Pointer[string] // the URL of the listener

	bus    *eventbus.Service
	events *jsonapi.Service

	trails       *trail.Service
	cloudtrail   *jsonapi.Service
	standing     *standing
	certificates *certificate.Service
	acm          *jsonapi.Service
	tls          *tls.Config                     // nil for plain HTTP
	shown        atomic.Pointer[tls.Certificate] // what the listener shows, where that is not of our own authority
}

func open(ctx context.Context, cfg config.Config, log *slog.Logger) (*server, error) {
	return (&server{cfg: cfg, log: log}).opened(ctx)
}

// opened opens a server, or closes what there is of it.
func (s *server) opened(ctx context.Context) (*server, error) {
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
	if err := s.openObserver(door); err != nil {
		return err
	}
	s.dials.watched = &s.watched
	key, err := openInstallation(ctx, cfg, door, s.log)
	if err != nil {
		return fmt.Errorf("open the installation key: %w", err)
	}
	master := key.Secret
	s.created = key.Created
	// The object store locks the directory: from here on nobody else uses it.
	accounts := accountIDs(cfg)
	ring := &keyring{region: cfg.Region}
	s.holds = new(lifecycle.Holds)
	objects, err := openObjects(cfg, accounts, master, ring, s.holds, door)
	if err != nil {
		return err
	}
	s.objects = objects
	if s.records, err = sqlite.Open(filepath.Join(cfg.Data, databaseFile)); err != nil {
		return fmt.Errorf("open the records: %w", err)
	}
	s.watchRecords()
	if s.people, err = openIdentities(cfg, s.records, master, s.log); err != nil {
		return err
	}
	people := s.people
	if s.keys, err = keys.New(keys.Options{
		Region: cfg.Region, Accounts: accounts, Store: s.records, People: people, Master: master, Log: s.log, Used: s.keyUsed,
		Keep: s.holds.Key, Destroying: s.destroyingKeys,
	}); err != nil {
		return err
	}
	ring.service = s.keys
	creds := &issuer{people: people, ended: objects.forget, region: storeRegion(cfg), record: s.assumed}
	content, err := s.openContentKeys(door)
	if err != nil {
		return err
	}
	settings, err := secret.NewSealer(master, "settings of jobs and job templates", rand.Reader)
	if err != nil {
		return err
	}
	jobs, err := sealed.New(s.records, settings)
	if err != nil {
		return err
	}
	attester, err := s.openSigner(ctx, master)
	if err != nil {
		return err
	}
	s.queue = queue.New(jobs, queue.Options{
		Region: cfg.Region, Credentials: creds, ContentKeys: content, Attester: attester, Log: s.log,
		Observer: &s.watched,
	})
	s.dials.queue = s.queue
	if err := s.dials.open(context.Background(), s.did); err != nil {
		return err
	}
	if n, err := s.records.Settle(context.Background(), time.Now()); err != nil {
		return fmt.Errorf("conclude the audit records of an earlier run: %w", err)
	} else if n > 0 {
		s.log.Warn("an earlier run stopped while requests were carried out; their audit records say so", "records", n)
	}
	if err := s.queue.Void(context.Background()); err != nil {
		return fmt.Errorf("take back the leases of an earlier run: %w", err)
	}
	if err := s.resumeContentKeys(ctx, content, jobs); err != nil {
		return err
	}
	if err := s.openCertificates(master); err != nil {
		return err
	}
	if err := s.openEvents(master, door, objects); err != nil {
		return err
	}
	if err := s.openTrails(master, objects, door); err != nil {
		return err
	}
	s.readAtScrapes()
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
	if err := s.openWatching(door); err != nil {
		return err
	}
	s.watching.emit = s.alert
	if err := s.openLife(ctx, objects, jobs); err != nil {
		return err
	}
	services, fallback := []gateway.Service{
		s3,
		s.iam,
		s.sts,
		s.kms,
		s.acm,
		s.lifecycle,
		s.cloudtrail,
		s.events,
	}, "execute-api"
	if !s.keysAlone {
		mediaconvert, err := s.openJobs(master, creds)
		if err != nil {
			return err
		}
		services, fallback = append(services, mediaconvert), mediaconvert.Name()
	}
	var pages func(*http.Request) http.Handler
	if cfg.KeyServer {
		var more []gateway.Service
		if more, pages, err = s.openKeyServer(master, s3); err != nil {
			return err
		}
		services = append(services, more...)
	}
	s.gateway, err = gateway.New(gateway.Options{
		Services:   services,
		Pages:      pages,
		Default:    fallback,
		Region:     cfg.Region,
		Identities: gate{people, cfg.Region, s.log, new(sync.Once)},
		Explain:    s.denials.seal,
		Trail:      s.records,
		Strangers:  s.stranger,
		Log:        s.log,
		Ready:      s.ready,
		Observer:   s.watched.ofGateway(),
	})
	if err != nil {
		return err
	}
	if s.standing, err = newStanding(s); err != nil {
		return err
	}
	return s.openListener(master)
}

// openJobs opens the API of jobs, and the worker that carries them out.
func (s *server) openJobs(master secret.Bytes, creds *issuer) (*api.Service, error) {
	tokens, err := secret.Derive(master, "api page tokens")
	if err != nil {
		return nil, err
	}
	s.worker = newLocalWorker(s)
	mediaconvert, err := api.New(api.Options{
		Queue: s.queue, Roles: s.people, Certificates: s.certificates, Region: s.cfg.Region, Throttle: api.Throttle(s.cfg.Throttle), TokenKey: tokens, QueueCreated: s.created,
		Check: func(j *types.JobSettings) ([]plan.Refusal, []plan.Refusal) {
			can := s.worker.capabilities()
			can.Storage = storage(s.cfg)
			return plan.Check(j, can)
		},
		Engine: func() string { return s.worker.capabilities().Engine },
		Probe:  (&prober{s.people.Sessions, s.probes, creds.region, creds.Revoke}).probe,
	})
	if err != nil {
		return nil, err
	}
	creds.policy = mediaconvert // before the first worker claims
	return mediaconvert, nil
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
	// What watches goes on until all that it watches has ended.
	watching, unwatch := context.WithCancel(context.WithoutCancel(ctx))
	watched, err := s.observing(watching)
	if err != nil {
		unwatch()
		_ = listener.Close()
		return err
	}
	defer func() {
		unwatch()
		if err := watched(); err != nil {
			s.log.Error("metrics and traces", "err", err)
		}
	}()
	// Each of these ends with ctx, without an error. However this ends, it waits for them: what they work with is closed after it.
	var background sync.WaitGroup
	defer func() {
		stop(nil)
		background.Wait()
	}()
	for _, run := range []func(context.Context) error{
		s.queue.Run,
		s.people.Run,
		s.keys.Run,
		s.retention.Run,
		s.trails.Run,
		s.watching.run,
		s.tellOfStrangers,
		s.bus.Run,
	} {
		background.Go(func() {
			if err := run(ctx); err != nil {
				stop(err)
			}
		})
	}
	// The worker says what it can do before the first request is answered.
	workerDone, workerReady := make(chan struct{}), make(chan struct{})
	if s.worker != nil {
		workerReady = s.worker.ready
		background.Go(func() {
			defer close(workerDone)
			if err := s.worker.run(ctx); err != nil {
				stop(err)
			}
		})
	} else {
		close(workerReady)
	}
	select {
	case <-workerReady:
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
	s.listening.Store(&url)
	if err := s.announce(url); err != nil {
		_ = listener.Close()
		return err
	}
	fmt.Fprintf(stdout, "darkroom is listening on %s\n  eval \"$(darkroom env --data %s)\"\n", url, s.cfg.Data)
	s.log.Info("listening", "url", url, "region", s.cfg.Region, "account", s.cfg.Account)
	s.checkAtStart(ctx)
	err = s.gateway.Run(ctx, listener, s.tls, s.cfg.Drain)
	stop(err)
	background.Wait()
	if cause := context.Cause(ctx); err == nil && cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	s.log.Info("stopped", "err", err)
	return err
}

// announce writes the endpoint for env.
func (s *server) announce(url string) error {
	if err := writeEffective(s.cfg); err != nil {
		return err
	}
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
	p = append(p, s.certificateProblems()...)
	p = append(p, s.standing.problems(ctx)...)
	p = append(p, s.watching.problems()...)
	if s.worker != nil {
		p = append(p, s.worker.problems()...)
	}
	return p
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
