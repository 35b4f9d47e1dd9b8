package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/audit"
	"darkroom/internal/blob"
	"darkroom/internal/blob/dir"
	"darkroom/internal/blob/s3"
	"darkroom/internal/config"
	"darkroom/internal/egress"
	"darkroom/internal/gateway"
	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/keys"
	"darkroom/internal/lifecycle"
	"darkroom/internal/pki"
	"darkroom/internal/plan"
	"darkroom/internal/secret"
)

// objects are what s3:// means: for each account an embedded encrypted store, or for the main account the external endpoint of the configuration.
type objects struct {
	byAccount map[string]blob.Store
	embedded  []*dir.Store // in the order of the accounts
	roles     *s3.Roles    // of the external endpoint; nil where role sessions have none of their own
}

// openObjects opens the stores of accounts, the main one first. The embedded store of the main account locks the data directory in both cases, so
// that two servers never share it.
func openObjects(cfg config.Config, accounts []string, master secret.Bytes, keys dir.Keys, holds *lifecycle.Holds, door *egress.Door) (*objects, error) {
	o := &objects{byAccount: make(map[string]blob.Store)}
	for i, account := range accounts {
		at := filepath.Join(cfg.Data, objectsDir)
		if i > 0 {
			at = filepath.Join(cfg.Data, accountsDir, account, objectsDir)
			if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
				return nil, errors.Join(fmt.Errorf("make the directory of account %s: %w", account, err), o.Close())
			}
		}
		key := master
		if i > 0 {
			var err error
			if key, err = secret.Derive(master, "objects of account "+account); err != nil {
				return nil, errors.Join(err, o.Close())
			}
		}
		embedded, err := dir.Open(dir.Options{Dir: at, Key: key, Random: rand.Reader, Keys: keys, Holds: holds.Of(account)})
		if err != nil {
			return nil, errors.Join(err, o.Close())
		}
		o.embedded = append(o.embedded, embedded)
		if cfg.S3.Endpoint == "" {
			o.byAccount[account] = embedded
		}
	}
	if cfg.S3.Endpoint != "" {
		external, roles, err := externalStore(cfg, door)
		if err != nil {
			return nil, errors.Join(err, o.Close())
		}
		o.byAccount[cfg.Account], o.roles = lifecycle.NewGuard(external, holds.Of(cfg.Account)), roles
	}
	return o, nil
}

// storeRegion is where the store of outputs is, and with it the keys that it uses.
func storeRegion(cfg config.Config) string {
	if cfg.S3.Endpoint != "" && cfg.S3.Region != "" {
		return cfg.S3.Region
	}
	return cfg.Region
}

// storage is what the store of outputs can do. The embedded one has one class, and one owner who has everything anyway. Of another it is known beforehand
// where the configuration says it; else what it does not do fails the job.
func storage(cfg config.Config) plan.StorageCapabilities {
	s := plan.StorageCapabilities{Region: storeRegion(cfg)}
	if cfg.S3.Endpoint == "" {
		s.Encryptions = []plan.Encryption{plan.StoreKeys, plan.ServiceKey}
		s.ACLs = []types.S3ObjectCannedAcl{types.S3ObjectCannedAclBucketOwnerRead, types.S3ObjectCannedAclBucketOwnerFullControl}
		return s
	}
	honours := func(what string) bool { return cfg.S3.Honours == nil || slices.Contains(cfg.S3.Honours, what) }
	if honours(config.AskSSES3) {
		s.Encryptions = append(s.Encryptions, plan.StoreKeys)
	}
	if honours(config.AskSSEKMS) {
		s.Encryptions = append(s.Encryptions, plan.ServiceKey)
	}
	if honours(config.AskClass) {
		s.Classes = types.S3StorageClass("").Values()
	}
	if honours(config.AskACL) {
		s.ACLs = types.S3ObjectCannedAcl("").Values()
	}
	return s
}

// store returns the store of an account.
func (o *objects) store(account string) (blob.Store, error) {
	if s := o.byAccount[account]; s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("account %s has no object store", account)
}

// forget drops what a role session that has ended had at the external endpoint.
func (o *objects) forget(accessKeyID string) {
	if o.roles != nil {
		o.roles.Forget(accessKeyID)
	}
}

// Close closes the embedded stores.
func (o *objects) Close() error {
	var err error
	for _, c := range o.embedded {
		err = errors.Join(err, c.Close())
	}
	return err
}

func externalStore(cfg config.Config, door *egress.Door) (blob.Store, *s3.Roles, error) {
	root, err := identity.ReadCredentials(cfg.S3.CredentialsFile)
	if err != nil {
		return nil, nil, fmt.Errorf("read s3.credentials_file: %w", err)
	}
	region := storeRegion(cfg)
	o := s3.Options{
		Endpoint: cfg.S3.Endpoint, Region: region, PathStyle: cfg.S3.PathStyle, Credentials: staticCredentials(root), Client: door.Client(egress.Storage),
	}
	var roles *s3.Roles
	if cfg.S3.AssumeRoles {
		endpoint := cfg.S3.STSEndpoint
		if endpoint == "" {
			endpoint = cfg.S3.Endpoint
		}
		roles, err = s3.NewRoles(s3.RoleOptions{Endpoint: endpoint, Region: region, Credentials: o.Credentials, Client: door.Client(egress.Storage)})
		if err != nil {
			return nil, nil, err
		}
		o.Credentials = callerCredentials(o.Credentials, roles)
	}
	store, err := s3.New(o)
	return store, roles, err
}

// callerCredentials signs the requests of role sessions as their role, and those of everybody else as the installation. The gateway has authenticated
// and authorized them before.
func callerCredentials(installation func(context.Context) (s3.Credentials, error), roles *s3.Roles) func(context.Context) (s3.Credentials, error) {
	return func(ctx context.Context) (s3.Credentials, error) {
		caller := gateway.Caller(ctx)
		if caller.Type != iam.AssumedRole {
			return installation(ctx)
		}
		session := s3.Session{AccessKeyID: caller.AccessKeyID, RoleARN: caller.RoleARN, Name: caller.ARN[strings.LastIndexByte(caller.ARN, '/')+1:]}
		for _, p := range caller.Session {
			session.Policies = append(session.Policies, forObjects(p.Document())) // nothing is signed for one that cannot be read
		}
		return roles.Credentials(ctx, session)
	}
}

func staticCredentials(root identity.Root) func(context.Context) (s3.Credentials, error) {
	return func(context.Context) (s3.Credentials, error) {
		return s3.Credentials{AccessKeyID: root.AccessKeyID, SecretAccessKey: root.SecretAccessKey}, nil
	}
}

// serverStore reaches the objects of a running server as its account root.
func serverStore(data string) (blob.Store, error) {
	e, abs, err := readEndpoint(data)
	if err != nil {
		return nil, err
	}
	root, err := identity.ReadCredentials(filepath.Join(abs, identity.CredentialsFile))
	if err != nil {
		return nil, err
	}
	door, err := serverDoor(e, abs)
	if err != nil {
		return nil, err
	}
	return s3.New(s3.Options{
		Endpoint: e.URL, Region: e.Region, PathStyle: true, Credentials: staticCredentials(root), Client: door.Client(egress.Storage),
	})
}

// serverDoor leads to a server of this machine and nowhere else that is not public.
func serverDoor(e endpoint, data string) (*egress.Door, error) {
	u, err := url.Parse(e.URL)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", endpointFile, err)
	}
	at, err := netip.ParseAddrPort(u.Host)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", endpointFile, err)
	}
	authority, err := egress.ReadAuthorities(filepath.Join(data, tlsDir, pki.CertificateFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) { // without TLS there is none
		return nil, err
	}
	return egress.New(egress.Options{
		Rules:       []egress.Rule{{Net: netip.PrefixFrom(at.Addr(), at.Addr().BitLen()), Ports: []int{int(at.Port())}, For: []egress.Purpose{egress.Storage}}},
		Authorities: authority,
	})
}

// did writes down what Darkroom did.
func (s *server) did(ctx context.Context, e audit.ServiceEvent) error {
	return s.records.Audit(ctx, e.Record(s.cfg.Region, s.cfg.Account))
}

// keyUsed records that a service is about to use a key for a caller.
func (s *server) keyUsed(ctx context.Context, u keys.Use) error {
	if name, ok := serviceIn(ctx); ok {
		u.Via = name // the service's own use, which no caller asked for
	}
	return s.did(ctx, audit.ServiceEvent{
		Time: u.Time, RequestID: gateway.RequestID(ctx), Principal: u.Principal.ARN, AccessKeyID: u.Principal.AccessKeyID, SourceIP: gateway.SourceIP(ctx),
		UserAgent: u.Via, Service: "kms", Action: u.Operation, Resources: []string{u.KeyARN}, Outcome: audit.Granted,
	})
}
