package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"darkroom/internal/certificate"
	"darkroom/internal/config"
	"darkroom/internal/contentkeys"
	"darkroom/internal/egress"
	"darkroom/internal/executeapi"
	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/job"
	"darkroom/internal/plan"
	"darkroom/internal/root"
	"darkroom/internal/speke"
	"darkroom/internal/store"
)

// maxSecretFile bounds a file with a token, a password or a private key, in bytes.
const maxSecretFile = 64 << 10

// openKeyServers makes the client of key servers of a configuration. Every file is read once, so that what is wrong with it is said at the start; it is read again
// when it is used, so that it can be replaced.
func openKeyServers(cfg config.Config, door *egress.Door) (*speke.Client, error) {
	o := speke.Options{Door: door, Region: cfg.Region}
	for i, k := range cfg.SPEKE.Servers {
		s, err := configuredServer(k)
		if err != nil {
			return nil, fmt.Errorf("speke.servers[%d]: %w", i, err)
		}
		o.Servers = append(o.Servers, s)
	}
	return speke.New(o)
}

func configuredServer(k config.KeyServer) (speke.Server, error) {
	s := speke.Server{URL: k.URL, Region: k.Region, User: k.User, Header: k.Header}
	file := ""
	switch k.Auth {
	case config.AuthSigV4:
		s.Auth = speke.SigV4
		if k.CredentialsFile != "" {
			s.Credentials = func(context.Context) (speke.Credentials, error) {
				who, err := identity.ReadCredentials(k.CredentialsFile)
				if err != nil {
					return speke.Credentials{}, fmt.Errorf("read credentials_file: %w", err)
				}
				return speke.Credentials{AccessKeyID: who.AccessKeyID, SecretAccessKey: who.SecretAccessKey}, nil
			}
			if _, err := s.Credentials(context.Background()); err != nil {
				return s, err
			}
		}
		return s, nil
	case config.AuthNone:
		s.Auth = speke.None
		return s, nil
	case config.AuthMTLS:
		s.Auth = speke.MutualTLS
		s.Certificate = func() (*tls.Certificate, error) { return readIdentity(k.CertificateFile, k.KeyFile) }
		_, err := s.Certificate()
		return s, err
	case config.AuthBearer:
		s.Auth, file = speke.Bearer, k.TokenFile
	case config.AuthBasic:
		s.Auth, file = speke.Basic, k.PasswordFile
	case config.AuthHeader:
		s.Auth, file = speke.Header, k.ValueFile
	default:
		return s, fmt.Errorf("auth %q is not known", k.Auth) // the configuration was validated
	}
	s.Secret = secretFile(file)
	first, err := s.Secret()
	first.Wipe()
	return s, err
}

// readIdentity reads a certificate and its key. The certificate is no secret, and read as strictly.
func readIdentity(certificateFile, keyFile string) (*tls.Certificate, error) {
	key, err := root.ReadPrivate(keyFile, maxSecretFile)
	if err != nil {
		return nil, fmt.Errorf("read key_file: %w", err)
	}
	defer key.Wipe()
	text, err := egress.ReadAuthorities(certificateFile)
	if err != nil {
		return nil, fmt.Errorf("read certificate_file: %w", err)
	}
	c, err := tls.X509KeyPair(text, key.Reveal())
	if err != nil {
		return nil, errors.New("certificate_file and key_file are not a certificate and its key in PEM")
	}
	return &c, nil
}

// keySession is how long the credentials of an exchange with a key server are good for.
const keySession = speke.Deadline + time.Minute

// keyAsker signs requests for content keys as the role of their job.
type keyAsker struct {
	people *identity.Directory
	region string
	own    func(url string) bool // whether an address is that of the key server in the box
}

// credentials are those of a session of the role that may ask key servers about one content, and nothing else. They never reach a worker, and those of the
// worker may ask no key server.
func (k keyAsker) credentials(ctx context.Context, j *job.Job, epoch int64, asked *plan.GroupKeys) (speke.Credentials, func(), error) {
	policy, err := keyPolicy(k.region, j.Account, asked.ResourceID, k.own(asked.URL))
	if err != nil {
		return speke.Credentials{}, nil, err
	}
	c, err := k.people.Sessions.Issue(ctx, j.Account, j.Role, fmt.Sprintf("%s-%d", j.ID, epoch), policy, time.Now().Add(keySession))
	if errors.Is(err, identity.ErrGone) {
		return speke.Credentials{}, nil, job.Errorf(1433, "The role %s does not exist. Submit the job again with an existing role.", j.Role)
	}
	if err != nil {
		return speke.Credentials{}, nil, err
	}
	return speke.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}, func() { k.people.Sessions.Revoke(c.AccessKeyID) }, nil
}

// keyPolicy narrows a session to questions about one content. A job names the host that its signed request goes to, and that host can pass the request on to the
// listener here, which takes it for whoever signed it: so a session that does not sign for our own key server may ask that one nothing.
func keyPolicy(region, account, contentID string, own bool) (string, error) {
	apis := "arn:aws:execute-api:" + region + ":" + account + ":"
	ask := statement{
		Sid: "ContentKeys", Effect: "Allow", Action: []string{"execute-api:Invoke"}, Resource: []string{apis + "*"},
		Condition: map[string]map[string][]string{"StringEquals": {"speke:ContentId": {iam.Literal(contentID)}}},
	}
	if !own {
		return document(ask, statement{Sid: "NotOurs", Effect: "Deny", Action: []string{"execute-api:*"}, Resource: []string{apis + executeapi.API + "/*"}})
	}
	ask.Resource = []string{apis + executeapi.API + "/*"}
	return document(ask, statement{
		// Our own key server seals what it keeps by the key service, for its caller.
		Sid: "SealedKeys", Effect: "Allow", Action: []string{"kms:Encrypt", "kms:Decrypt"}, Resource: []string{"*"},
		Condition: map[string]map[string][]string{"StringEquals": {"kms:ViaService": {"execute-api." + region + ".amazonaws.com"}}},
	})
}

// openContentKeys makes what fetches content keys for jobs.
func (s *server) openContentKeys(door *egress.Door) (*contentkeys.Service, error) {
	others, err := openKeyServers(s.cfg, door)
	if err != nil {
		return nil, err
	}
	asker := contentkeys.Asker(others)
	if s.cfg.KeyServer {
		asker = &boxed{s: s, others: others}
	}
	return contentkeys.New(contentkeys.Options{
		Asker: s.watched.ask(asker), Region: s.cfg.Region, Credentials: keyAsker{s.people, s.cfg.Region, s.ownKeyServer}.credentials, Log: s.log, ApprovedOnly: s.cfg.FIPS == config.FIPSApproved,
		Recipient: func(ctx context.Context, account, name string) (*certificate.Recipient, error) {
			return s.certificates.Recipient(ctx, account, name) // there before the first worker claims
		},
		Running: func(ctx context.Context, account, id string) (bool, error) {
			j, err := s.records.Get(ctx, account, id)
			if errors.Is(err, job.ErrNotFound) {
				return false, nil
			}
			return err == nil && j.Status == job.Progressing, err
		},
		Audit: s.did,
	})
}

// resumeContentKeys tells what fetches content keys of the jobs that an earlier run left in progress, before any is claimed again.
func (s *server) resumeContentKeys(ctx context.Context, content *contentkeys.Service, jobs store.Store) error {
	var left []*job.Job
	for _, account := range accountIDs(s.cfg) {
		for after := ""; ; {
			page, err := jobs.List(ctx, job.Query{Account: account, Status: job.Progressing, Ascending: true, After: after, Limit: 100})
			if err != nil {
				return fmt.Errorf("read the jobs that are in progress: %w", err)
			}
			if len(page) == 0 {
				break
			}
			left, after = append(left, page...), page[len(page)-1].ID
		}
	}
	content.Resume(left)
	return nil
}

// localContentKeys makes what fetches content keys for a job without a server: nothing signs, unless the configuration says what does.
func localContentKeys(cfg config.Config, log *slog.Logger) (*contentkeys.Service, error) {
	o, err := egressOptions(cfg.Egress)
	if err != nil {
		return nil, err
	}
	door, err := egress.New(o)
	if err != nil {
		return nil, err
	}
	asker, err := openKeyServers(cfg, door)
	if err != nil {
		return nil, err
	}
	return contentkeys.New(contentkeys.Options{Asker: asker, Region: cfg.Region, Log: log})
}
