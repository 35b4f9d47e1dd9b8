// Package lifecycleapi is the door by which the commands of an installation reach a running server: legal holds, destruction, backups, and the keys that statements are
// verified by. It speaks AWS JSON 1.1 under the signing name "darkroom", so requests to it are authenticated, authorized and recorded as all others are.
//
// The actions in policies are darkroom:AddHold, ReleaseHold, ListHolds, Shred, CreateBackup, CompleteBackup and ListSigningKeys. What is of the whole installation
// (CreateBackup, CompleteBackup) only principals of the main account may do, whatever policies say.
package lifecycleapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/backup"
	"darkroom/internal/blob"
	"darkroom/internal/gateway"
	"darkroom/internal/hold"
	"darkroom/internal/iam"
	"darkroom/internal/jsonapi"
	"darkroom/internal/lifecycle"
	"darkroom/internal/signer"
)

// Name is the signing name, and Target what stands before the operation in X-Amz-Target.
const (
	Name   = "darkroom"
	Target = "DarkroomLifecycle_20260101"
)

const createBackup = "CreateBackup"

// Options are what the API works with. All are needed.
type Options struct {
	Account string // the main one
	Region  string
	Holds   *lifecycle.Holds
	Shred   func(ctx context.Context, o lifecycle.Order) (lifecycle.Shredded, error)
	Keys    func() []signer.Key
	// Backup writes the backup of what only a running server can read at one moment. It fills in the moment. backup.ErrUnderWay: there is one already.
	Backup func(ctx context.Context, w io.Writer, id string) (backup.End, error)
	Now    func() time.Time
}

// Service is the API.
type Service struct {
	*jsonapi.Service
	o Options
}

// New returns the API.
func New(o Options) (*Service, error) {
	if o.Account == "" || o.Holds == nil || o.Shred == nil || o.Keys == nil || o.Backup == nil || o.Now == nil {
		return nil, errors.New("the lifecycle API needs Account, Holds, Shred, Keys, Backup and Now")
	}
	s := &Service{o: o}
	s.Service = jsonapi.New(jsonapi.API{Name: Name, Target: Target, Admits: s.admits}, map[string]jsonapi.Operation{
		"AddHold":         jsonapi.Op(checkAdd, s.addHold),
		"ReleaseHold":     jsonapi.Op(onAnything[ReleaseHoldInput]("ReleaseHold"), s.releaseHold),
		"ListHolds":       jsonapi.Op(onAnything[ListHoldsInput]("ListHolds"), s.listHolds),
		"Shred":           jsonapi.Op(s.checkShred, s.shred),
		"ListSigningKeys": jsonapi.Op(onAnything[ListSigningKeysInput]("ListSigningKeys"), s.listKeys),
		"CompleteBackup":  jsonapi.Op(onAnything[CompleteBackupInput]("CompleteBackup"), s.completeBackup),
		createBackup:      jsonapi.Op(onAnything[CreateBackupInput](createBackup), func(context.Context, iam.Principal, *CreateBackupInput) (any, error) { return nil, nil }),
	})
	return s, nil
}

// The structures of the operations. Times are RFC 3339.
type (
	AddHoldInput     struct{ On, Target, Reason *string }
	ReleaseHoldInput struct{ HoldId, Reason *string } //nolint:revive // as on the wire
	ListHoldsInput   struct{}
	ShredInput       struct {
		Bucket, Prefix *string // of objects
		JobId          *string //nolint:revive // as on the wire
		Reason         *string
		DryRun         *bool
	}
	ListSigningKeysInput struct{}
	CreateBackupInput    struct{}
	CompleteBackupInput  struct{ BackupId, ManifestSHA256, Recipients *string } //nolint:revive // as on the wire

	// Hold is a hold as answers have it.
	Hold            struct{ HoldId, On, Target, Reason, By, Since *string } //nolint:revive // as on the wire
	HoldOutput      struct{ Hold *Hold }
	ListHoldsOutput struct{ Holds []Hold }
	ShredOutput     struct {
		Certificate *string // the envelope; absent where nothing was destroyed
		Objects     []string
		Bytes       *int64
		Failure     *string // why not all was destroyed
	}
	SigningKey            struct{ KeyId, PublicKey, Since, Until *string } //nolint:revive // as on the wire
	ListSigningKeysOutput struct{ Keys []SigningKey }
)

// admits keeps what is of the whole installation to the main account.
func (s *Service) admits(caller iam.Principal, operation string) error {
	if (operation == createBackup || operation == "CompleteBackup") && caller.Account != s.o.Account {
		return jsonapi.Errorf(http.StatusBadRequest, "AccessDeniedException", "%s is for principals of the main account of the installation, %s.", operation, s.o.Account)
	}
	return nil
}

func onAnything[I any](operation string) func(context.Context, iam.Principal, *I) ([]iam.Check, error) {
	return func(context.Context, iam.Principal, *I) ([]iam.Check, error) {
		return []iam.Check{{Action: Name + ":" + operation, Resource: "*"}}, nil
	}
}

func text(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

func checkAdd(context.Context, iam.Principal, *AddHoldInput) ([]iam.Check, error) {
	return []iam.Check{{Action: Name + ":AddHold", Resource: "*"}}, nil
}

// refusal words an error of the engine.
func refusal(err error) error {
	if held, ok := errors.AsType[*blob.HeldError](err); ok {
		return jsonapi.Errorf(http.StatusBadRequest, "AccessDeniedException", "%s", held.Message)
	}
	e, ok := errors.AsType[*lifecycle.Error](err)
	if !ok {
		return err
	}
	codes := map[lifecycle.Fault]string{
		lifecycle.Invalid: "ValidationException", lifecycle.NotFound: "ResourceNotFoundException", lifecycle.Exceeded: "LimitExceededException",
		lifecycle.Held: "AccessDeniedException", lifecycle.Conflict: "ConflictException",
	}
	return jsonapi.Errorf(http.StatusBadRequest, codes[e.Fault], "%s", e.Message)
}

func shown(h hold.Hold) *Hold {
	on, since := string(h.On), h.Since.UTC().Format(time.RFC3339)
	return &Hold{HoldId: &h.ID, On: &on, Target: &h.Target, Reason: &h.Reason, By: &h.By, Since: &since}
}

// note puts into the record of a request what it is about, beside what every record has.
func note(ctx context.Context, name string, value any, resources ...string) {
	p := audit.From(ctx)
	if p == nil {
		return
	}
	p.Annotate(name, value)
	p.Change(func(r *audit.Record) {
		for _, a := range resources {
			r.Resources = append(r.Resources, audit.ResourceOf(a, r.RecipientAccountID))
		}
	})
}

// arnOf is what a hold is on as the records name it; empty for audit records.
func (s *Service) arnOf(h hold.Hold) []string {
	switch h.On {
	case hold.Job:
		return []string{"arn:aws:mediaconvert:" + s.o.Region + ":" + h.Account + ":jobs/" + h.Target}
	case hold.Objects:
		return []string{"arn:aws:s3:::" + h.Target}
	}
	return nil
}

func (s *Service) addHold(ctx context.Context, caller iam.Principal, in *AddHoldInput) (any, error) {
	want := hold.Hold{
		Account: caller.Account, On: hold.Kind(text(in.On)), Target: text(in.Target), Reason: text(in.Reason), By: caller.ARN, Since: s.o.Now().UTC().Truncate(time.Second),
	}
	if err := want.Check(); err == nil { // the record is written with the change
		note(ctx, "hold", map[string]string{"on": string(want.On), "target": want.Target, "reason": want.Reason}, s.arnOf(want)...)
	}
	made, err := s.o.Holds.Add(ctx, want)
	if err != nil {
		return nil, refusal(err)
	}
	note(ctx, "holdId", made.ID)
	return &HoldOutput{shown(made)}, nil
}

func (s *Service) releaseHold(ctx context.Context, caller iam.Principal, in *ReleaseHoldInput) (any, error) {
	if strings.TrimSpace(text(in.Reason)) == "" || len(text(in.Reason)) > hold.MaxReason {
		return nil, jsonapi.Errorf(http.StatusBadRequest, "ValidationException", "Reason: the release of a hold needs one, of at most %d bytes.", hold.MaxReason)
	}
	note(ctx, "hold", map[string]string{"holdId": clip(text(in.HoldId)), "reason": text(in.Reason)})
	gone, err := s.o.Holds.Release(ctx, caller.Account, text(in.HoldId))
	if err != nil {
		return nil, refusal(err)
	}
	note(ctx, "released", map[string]string{"on": string(gone.On), "target": gone.Target}, s.arnOf(gone)...)
	return &HoldOutput{shown(gone)}, nil
}

// clip bounds what a record repeats of a request.
func clip(s string) string { return s[:min(len(s), 100)] }

func (s *Service) listHolds(_ context.Context, caller iam.Principal, _ *ListHoldsInput) (any, error) {
	all, err := s.o.Holds.List(caller.Account)
	if err != nil {
		return nil, err
	}
	out := &ListHoldsOutput{Holds: []Hold{}}
	for _, h := range all {
		out.Holds = append(out.Holds, *shown(h))
	}
	return out, nil
}

// checkShred asks for the destruction of what is named, and for its deletion as S3 does.
func (s *Service) checkShred(_ context.Context, caller iam.Principal, in *ShredInput) ([]iam.Check, error) {
	if in.JobId != nil {
		return []iam.Check{{Action: Name + ":Shred", Resource: "arn:aws:mediaconvert:" + s.o.Region + ":" + caller.Account + ":jobs/" + clip(*in.JobId)}}, nil
	}
	where := "arn:aws:s3:::" + text(in.Bucket) + "/" + text(in.Prefix)
	return []iam.Check{{Action: Name + ":Shred", Resource: where, Owner: caller.Account}, {Action: "s3:DeleteObject", Resource: where, Owner: caller.Account}}, nil
}

func (s *Service) shred(ctx context.Context, caller iam.Principal, in *ShredInput) (any, error) {
	o := lifecycle.Order{
		Account: caller.Account, Place: lifecycle.Place{Bucket: text(in.Bucket), Prefix: text(in.Prefix)}, Job: text(in.JobId), By: caller.ARN,
		RequestID: gateway.RequestID(ctx), Reason: text(in.Reason), DryRun: in.DryRun != nil && *in.DryRun,
	}
	switch {
	case (in.JobId != nil) == (in.Bucket != nil), in.JobId != nil && *in.JobId == "", in.Bucket != nil && *in.Bucket == "", in.Prefix != nil && in.Bucket == nil:
		return nil, jsonapi.Errorf(http.StatusBadRequest, "ValidationException", "Either JobId, or Bucket and Prefix, say what is to be destroyed.")
	case strings.TrimSpace(o.Reason) == "" || len(o.Reason) > hold.MaxReason:
		return nil, jsonapi.Errorf(http.StatusBadRequest, "ValidationException", "Reason: destruction needs one, of at most %d bytes.", hold.MaxReason)
	}
	done, err := s.o.Shred(ctx, o)
	if err != nil {
		return nil, refusal(err)
	}
	out := &ShredOutput{Objects: append([]string{}, done.Objects...), Bytes: &done.Bytes}
	if done.Certificate != nil {
		certificate := string(done.Certificate)
		out.Certificate = &certificate
	}
	if done.Err != nil {
		failure := "Not all could be destroyed."
		if told := refusal(done.Err); told != done.Err {
			failure += " " + told.Error()
		}
		out.Failure = &failure
	}
	return out, nil
}

func (s *Service) listKeys(context.Context, iam.Principal, *ListSigningKeysInput) (any, error) {
	out := &ListSigningKeysOutput{Keys: []SigningKey{}}
	for _, k := range s.o.Keys() {
		since := k.Since.UTC().Format(time.RFC3339)
		shown := SigningKey{KeyId: &k.ID, PublicKey: &k.PEM, Since: &since}
		if !k.Until.IsZero() {
			until := k.Until.UTC().Format(time.RFC3339)
			shown.Until = &until
		}
		out.Keys = append(out.Keys, shown)
	}
	return out, nil
}

// completeBackup records that the one who asked for a backup has it whole.
func (s *Service) completeBackup(ctx context.Context, _ iam.Principal, in *CompleteBackupInput) (any, error) {
	if len(text(in.BackupId)) != backupIDLength || len(text(in.ManifestSHA256)) != 64 || len(text(in.Recipients)) > maxRecipients {
		return nil, jsonapi.Errorf(http.StatusBadRequest, "ValidationException", "BackupId and ManifestSHA256 are those of a backup; Recipients has at most %d bytes.", maxRecipients)
	}
	note(ctx, "backup", map[string]string{"id": text(in.BackupId), "manifestSHA256": text(in.ManifestSHA256), "recipients": text(in.Recipients)})
	return nil, nil
}

const (
	backupIDLength = 36 // of a UUID
	maxRecipients  = 1024
)

// Resolve implements gateway.Service. A backup is an answer without an end that is known, so it is no operation of jsonapi.
func (s *Service) Resolve(r *http.Request) (*gateway.Operation, error) {
	op, err := s.Service.Resolve(r)
	if err != nil {
		return nil, err
	}
	switch op.Name {
	case createBackup:
		check := op.Serve // says what is wrong with the request; its answer is empty
		op.Atomic = false
		op.Serve = func(w http.ResponseWriter, r *http.Request) error {
			if err := check(nowhere{http.Header{}}, r); err != nil {
				return err
			}
			return s.backup(w, r)
		}
	case "Shred":
		op.Atomic = false // objects are no records: what is about to be destroyed has its record before
	}
	return op, nil
}

// nowhere is an answer that nobody reads.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n nowhere) WriteHeader(int)             {}

// BackupID is the header of an answer that says which backup it is.
const BackupID = "X-Darkroom-Backup-Id"

// backup answers with the archive. One that cannot be brought to its end is cut off, which its reader sees.
func (s *Service) backup(w http.ResponseWriter, r *http.Request) error {
	id := audit.NewID()
	w.Header().Set(BackupID, id)
	w.Header().Set("Content-Type", "application/x-tar")
	end, err := s.o.Backup(r.Context(), w, id)
	if errors.Is(err, backup.ErrUnderWay) {
		return jsonapi.Errorf(http.StatusBadRequest, "ConflictException", "A backup is being made already.")
	}
	if err != nil {
		return err
	}
	note(r.Context(), "backup", map[string]any{"id": id, "files": end.Files, "bytes": end.Bytes, "lost": end.Lost, "manifestSHA256": end.Manifest})
	return nil
}
