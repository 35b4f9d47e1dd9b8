// Package contentkeys has content keys fetched for jobs, by the control plane: the worker names an output group of its job and gets keys, and sees neither the
// key server nor what proves to it who asks.
//
// What is asked follows from the settings of the job on record. One resource ID is not used by two jobs at the same time. Every question is in the audit trail
// before it is asked, and what became of it before the keys are given; keys are in no record.
package contentkeys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"sync"
	"time"

	"darkroom/internal/arn"
	"darkroom/internal/audit"
	"darkroom/internal/cenc"
	"darkroom/internal/certificate"
	"darkroom/internal/cpix"
	"darkroom/internal/egress"
	"darkroom/internal/job"
	"darkroom/internal/plan"
	"darkroom/internal/speke"
)

// failed is the code of a job that has no content keys (MediaConvert User Guide, "Error codes").
const failed = 1091

// notOffered is the code of what this installation does not do.
const notOffered = 1040

// Asker asks a key server; speke.Client is one.
type Asker interface {
	Keys(ctx context.Context, q speke.Query) ([]cenc.Protection, error)
}

// Options are what a Service works with. Asker is needed.
type Options struct {
	Asker  Asker
	Region string
	// Recipient gives a certificate of an account that content keys are encrypted for, with its key; nil: there are none here.
	Recipient func(ctx context.Context, account, name string) (*certificate.Recipient, error)
	// Credentials are of the role of a job, for one exchange with one key server about one content, and end when done is called; nil: no role signs here. A *job.Error
	// fails the job.
	Credentials func(ctx context.Context, j *job.Job, epoch int64, asked *plan.GroupKeys) (c speke.Credentials, done func(), err error)
	// Running says whether a job is in progress; nil: there are no other jobs.
	Running func(ctx context.Context, account, id string) (bool, error)
	// Audit appends to the audit trail; nil: there is none.
	Audit func(ctx context.Context, r audit.ServiceEvent) error
	// ApprovedOnly refuses what FIPS 140-3 does not approve.
	ApprovedOnly bool
	Now          func() time.Time // nil: the machine's
	Log          *slog.Logger
}

// Service has content keys fetched. It is safe for concurrent use.
type Service struct {
	o Options

	mu   sync.Mutex // guards uses; held for map operations
	uses map[resource]string
}

// resource is a resource ID of an account. Which job uses it stands in Service.uses.
type resource struct{ account, id string }

// maxUses is how many resource IDs are remembered before those of jobs that have ended are forgotten.
const maxUses = 1024

// New makes a service.
func New(o Options) (*Service, error) {
	if o.Asker == nil {
		return nil, errors.New("content keys need an Asker")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{o: o, uses: map[resource]string{}}, nil
}

// Fetch returns the content keys of an output group of a job, in the order of its encryption contract, for the holder of the lease on a task under an epoch. A
// *job.Error says why the job cannot have them. The caller owns the keys and wipes them.
func (s *Service) Fetch(ctx context.Context, j *job.Job, taskID string, epoch int64, group int) ([]cenc.Protection, error) {
	asked, err := find(j, group)
	if err != nil {
		return nil, err
	}
	if err := s.use(ctx, j, asked); err != nil {
		return nil, err
	}
	q := speke.Query{URL: asked.URL}
	var certificateDER []byte
	if asked.CertificateARN != "" {
		r, err := s.recipient(ctx, j.Account, asked)
		if err != nil {
			return nil, err
		}
		certificateDER, q.Key = r.Certificate.Raw, r.Key
	}
	if q.Request, err = NewRequest(asked, certificateDER); err != nil {
		return nil, job.Errorf(notOffered, "Output group %d: content keys cannot be asked for: %v.", group+1, err)
	}
	var done func()
	if s.o.Credentials != nil {
		var once speke.Credentials
		q.Credentials = func(ctx context.Context) (speke.Credentials, error) { // one session for all attempts, and none where nothing is signed
			if done == nil {
				var err error
				if once, done, err = s.o.Credentials(ctx, j, epoch, asked); err != nil {
					done = nil
					return speke.Credentials{}, err
				}
			}
			return once, nil
		}
	}
	r := s.record(j, q)
	if err := s.audit(ctx, r, audit.Intended, ""); err != nil {
		return nil, err
	}
	ctx = egress.For(ctx, egress.Subject{Account: j.Account, Job: j.ID, Task: taskID, Epoch: epoch})
	keys, err := s.o.Asker.Keys(ctx, q)
	if done != nil {
		done()
	}
	outcome, reason := audit.Granted, ""
	if err != nil {
		outcome, reason = outcomeOf(err)
	}
	// What became of it is written down though whoever asked has given up.
	if aerr := s.audit(context.WithoutCancel(ctx), r, outcome, reason); aerr != nil {
		for _, k := range keys {
			k.Value.Wipe()
		}
		return nil, errors.Join(aerr, err)
	}
	if err != nil {
		return nil, s.failure(ctx, j, group, err)
	}
	return keys, nil
}

// find reads what the settings on record ask for.
func find(j *job.Job, group int) (*plan.GroupKeys, error) {
	settings, err := plan.ReadSettings(j.Settings)
	if err != nil {
		return nil, err
	}
	all, err := plan.KeyRequests(settings)
	if err != nil {
		return nil, job.Errorf(notOffered, "The encryption settings of the job cannot be read: %v.", err)
	}
	for i := range all {
		if all[i].Group == group {
			return &all[i], nil
		}
	}
	return nil, fmt.Errorf("output group %d of the job %s has no key server", group+1, j.ID)
}

// use notes that a job uses a resource ID. One that another running job uses fails the job: which of the two would be the later to write what players find under
// that ID, nobody could say.
func (s *Service) use(ctx context.Context, j *job.Job, asked *plan.GroupKeys) error {
	at := resource{j.Account, asked.ResourceID}
	for {
		s.mu.Lock()
		owner, taken := s.uses[at]
		if !taken || owner == j.ID {
			s.uses[at] = j.ID
			full := len(s.uses) > maxUses
			s.mu.Unlock()
			if full {
				s.forget(ctx)
			}
			return nil
		}
		s.mu.Unlock()
		if s.o.Running != nil {
			running, err := s.o.Running(ctx, j.Account, owner)
			if err != nil {
				return err
			}
			if running {
				return job.Errorf(failed, "Output group %d: the resource ID %s is in use by the job %s, and two jobs do not encrypt under one resource ID at the same time. "+
					"Submit the job again when that one has ended, or give it a resource ID of its own.", asked.Group+1, asked.ResourceID, owner)
			}
		}
		s.mu.Lock()
		if s.uses[at] == owner {
			delete(s.uses, at)
		}
		s.mu.Unlock()
	}
}

// Resume notes which resource IDs the jobs use that were in progress when an earlier process ended. It is called before the first Fetch: else the first of two jobs to
// ask again would have the ID, and not the one that has written with it. Of two, that is the one that was beyond its probing, which has its keys, and else the one that
// began earlier.
func (s *Service) Resume(jobs []*job.Job) {
	jobs = slices.Clone(jobs)
	slices.SortStableFunc(jobs, func(a, b *job.Job) int {
		if keyed := a.Phase != job.Probing; keyed != (b.Phase != job.Probing) {
			if keyed {
				return -1
			}
			return 1
		}
		return a.Started.Compare(b.Started)
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range jobs {
		settings, err := plan.ReadSettings(j.Settings)
		if err != nil {
			continue // it gets no keys either
		}
		asked, err := plan.KeyRequests(settings)
		if err != nil {
			continue
		}
		for _, g := range asked {
			if at := (resource{j.Account, g.ResourceID}); s.uses[at] == "" {
				s.uses[at] = j.ID
			}
		}
	}
}

// forget drops the resource IDs of jobs that have ended.
func (s *Service) forget(ctx context.Context) {
	s.mu.Lock()
	all := make(map[resource]string, len(s.uses))
	for at, owner := range s.uses {
		all[at] = owner
	}
	s.mu.Unlock()
	for at, owner := range all {
		running := false
		if s.o.Running != nil {
			var err error
			if running, err = s.o.Running(ctx, at.account, owner); err != nil {
				return // they stay until the next time
			}
		}
		if running {
			continue
		}
		s.mu.Lock()
		if s.uses[at] == owner {
			delete(s.uses, at)
		}
		s.mu.Unlock()
	}
}

// recipient finds whom content keys are encrypted for.
func (s *Service) recipient(ctx context.Context, account string, asked *plan.GroupKeys) (*certificate.Recipient, error) {
	switch {
	case s.o.ApprovedOnly:
		return nil, job.Errorf(notOffered, "Not offered by this installation: output group %d: SPEKE encrypts content keys by RSA-OAEP with SHA-1, which FIPS 140-3 does not approve, "+
			"and nothing else is allowed here. Leave certificateArn out: TLS protects the keys on their way.", asked.Group+1)
	case s.o.Recipient == nil:
		return nil, job.Errorf(failed, "Output group %d: there are no certificates here: a server has them. Leave certificateArn out.", asked.Group+1)
	}
	r, err := s.o.Recipient(ctx, account, asked.CertificateARN)
	if e, ok := errors.AsType[*certificate.Error](err); ok {
		return nil, &job.Error{Code: failed, Message: fmt.Sprintf("Output group %d: content keys cannot be encrypted: %v Correct that, and submit the job again.", asked.Group+1, e), Err: err}
	}
	return r, err
}

// NewRequest is what the plan asks for in the words of documents.
func NewRequest(g *plan.GroupKeys, certificateDER []byte) (*cpix.Request, error) {
	o := cpix.Options{ContentID: g.ResourceID, Version: g.Version, Uses: cpix.Shared(), IV: g.ConstantIV, Certificate: certificateDER}
	var err error
	if g.Version != cpix.V1 {
		if o.Uses, err = cpix.Contract(g.VideoPreset, g.AudioPreset); err != nil {
			return nil, err
		}
	}
	switch g.Method {
	case plan.AES128:
		// A document of version 2 names one of the schemes of Common Encryption; of those, this is the one of AES-CBC.
		o.Scheme, o.Method = cenc.CBCS, cenc.MethodAES128
	case plan.SampleAES:
		o.Scheme, o.Method = cenc.CBCS, cenc.MethodSampleAES
	case plan.CBCS:
		o.Scheme, o.Method, o.Boxes = cenc.CBCS, cenc.MethodSampleAES, true
	case plan.CENC:
		o.Scheme, o.Method, o.Boxes = cenc.CENC, cenc.MethodSampleAESCTR, true
	case plan.PIFFCTR:
		o.Scheme = cenc.CENC
	default:
		return nil, errors.New("there is no method of encryption")
	}
	wanted := map[cenc.UUID]int{}
	add := func(text string, set func(*cpix.Wanted)) error {
		id, err := cenc.ParseUUID(text)
		if err != nil {
			return err
		}
		i, known := wanted[id]
		if !known {
			i = len(o.Systems)
			wanted[id] = i
			o.Systems = append(o.Systems, cpix.Wanted{ID: id})
		}
		set(&o.Systems[i])
		return nil
	}
	for _, id := range g.DASHSystems {
		if err := add(id, func(w *cpix.Wanted) {
			if g.Method == plan.PIFFCTR {
				w.Smooth = true
			} else {
				w.DASH = true
			}
		}); err != nil {
			return nil, err
		}
	}
	for _, id := range g.HLSSystems {
		if err := add(id, func(w *cpix.Wanted) { w.HLS = true }); err != nil {
			return nil, err
		}
	}
	return cpix.NewRequest(o)
}

// record is the audit record of a question: for which job, of which server, about which keys.
func (s *Service) record(j *job.Job, q speke.Query) audit.ServiceEvent {
	r := audit.ServiceEvent{
		Principal: j.Role, Service: "speke", Action: "CopyProtection",
		Resources: []string{arn.MediaConvert(s.o.Region, j.Account, "jobs/"+j.ID)},
	}
	if u, err := url.Parse(q.URL); err == nil {
		r.Resources = append(r.Resources, "https://"+u.Host) // the path may be a secret of the server's
	}
	for _, k := range q.Request.Keys {
		r.Resources = append(r.Resources, "urn:uuid:"+k.ID.String())
	}
	return r
}

func (s *Service) audit(ctx context.Context, r audit.ServiceEvent, outcome audit.Outcome, reason string) error {
	if s.o.Audit == nil {
		return nil
	}
	r.Time, r.Outcome, r.Reason = s.o.Now().UTC(), outcome, reason
	if err := s.o.Audit(ctx, r); err != nil {
		return fmt.Errorf("write down a request for content keys: %w", err)
	}
	return nil
}

// outcomeOf is what the audit trail says of an error: its kind, never its text.
func outcomeOf(err error) (audit.Outcome, string) {
	e, ok := errors.AsType[*speke.Error](err)
	switch {
	case !ok:
		return audit.Failed, "given up"
	case e.Kind == speke.NotAllowed:
		return audit.Denied, "egress"
	case e.Kind == speke.Denied:
		return audit.Denied, "key server"
	case e.Kind == speke.BadURL:
		return audit.Failed, "url"
	case e.Kind == speke.NoCredentials:
		return audit.Failed, "credentials"
	case e.Kind == speke.Untrusted:
		return audit.Failed, "certificate"
	case e.Kind == speke.Rejected, e.Kind == speke.Redirected:
		return audit.Failed, fmt.Sprintf("status %d", e.Status)
	case e.Kind == speke.BadAnswer:
		return audit.Failed, "answer"
	}
	return audit.Failed, "unavailable"
}

// advice is what can be done about an error.
var advice = map[speke.Kind]string{
	speke.BadURL:        "Correct url of its key provider: an https URL that names a host, holds no credentials, and has a path that is written in the one plain way.",
	speke.NotAllowed:    "Ask the operator to open egress for the purpose speke.",
	speke.NoCredentials: "Ask the operator to check speke.servers in the configuration.",
	speke.Untrusted:     "Check the URL; if it is right, ask the operator to trust the server's authority (egress.ca_file).",
	speke.Unreachable:   "Submit the job again; if it fails again, check the URL, and ask whoever runs the key server.",
	speke.Busy:          "Submit the job again; if it fails again, ask whoever runs the key server.",
	speke.Denied:        "Allow the role of the job execute-api:Invoke there, and name the key server of this installation by the address that it has itself, or ask the operator how this key server is to be told who asks (speke.servers). Then submit the job again.",
	speke.Rejected:      "Check the URL and the encryption settings of the output group. To submit the same job again does not help.",
	speke.Redirected:    "Give the URL that it redirects to.",
	speke.BadAnswer:     "Nothing was encrypted with it. Check the encryption settings, and ask whoever runs the key server.",
}

// failure is how a job fails of an error.
func (s *Service) failure(ctx context.Context, j *job.Job, group int, err error) error {
	if e, ok := errors.AsType[*job.Error](err); ok { // the role cannot be used
		return e
	}
	e, ok := errors.AsType[*speke.Error](err)
	if !ok {
		return err
	}
	s.o.Log.WarnContext(ctx, "content keys were not had", "job", j.ID, "group", group, "err", err, "cause", e.Err)
	return &job.Error{Code: failed, Message: fmt.Sprintf("Output group %d has no content keys: %v. %s", group+1, e, advice[e.Kind]), Err: e.Err}
}
