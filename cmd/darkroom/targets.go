package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"time"

	"darkroom/internal/arn"
	"darkroom/internal/config"
	"darkroom/internal/egress"
	"darkroom/internal/identity"
	"darkroom/internal/root"
	"darkroom/internal/sandbox"
	"darkroom/internal/secret"
	"darkroom/internal/target"
	"darkroom/internal/target/aws"
	sandboxed "darkroom/internal/target/command"
	"darkroom/internal/target/file"
	"darkroom/internal/target/kafka"
	"darkroom/internal/target/nats"
	"darkroom/internal/target/webhook"
)

// targetPrefix is what the resource of a configured target's ARN begins with: arn:aws:events:REGION:ACCOUNT:target/NAME.
const targetPrefix = "target/"

// targets are where the configuration lets events go. They are safe for concurrent use.
type targets struct {
	cfg      config.Config
	door     *egress.Door
	sqs, sns *aws.Client // nil without an endpoint
}

// openTargets opens them. Every file is read once, and every target made once, so that what is wrong with it is said at the start; files are read again when they are used, so
// that they can be replaced. Nothing is dialled.
func openTargets(cfg config.Config, door *egress.Door) (*targets, error) {
	t := &targets{cfg: cfg, door: door}
	var err error
	if t.sqs, err = t.service(cfg.Events.SQS); err != nil {
		return nil, fmt.Errorf("events.sqs: %w", err)
	}
	if t.sns, err = t.service(cfg.Events.SNS); err != nil {
		return nil, fmt.Errorf("events.sns: %w", err)
	}
	for i, c := range cfg.Events.Targets {
		err := t.readable(c)
		if err == nil {
			var s target.Sender
			if s, err = t.open(c, ""); err == nil {
				err = s.Close()
			}
		}
		if err != nil {
			return nil, fmt.Errorf("events.targets[%d] (%s): %w", i, c.Name, err)
		}
	}
	return t, nil
}

// Close lets go of connections; senders that are open keep theirs.
func (t *targets) Close() {
	for _, c := range []*aws.Client{t.sqs, t.sns} {
		if c != nil {
			_ = c.Close()
		}
	}
}

// startsPrograms says whether a configuration has targets that are programs.
func startsPrograms(cfg config.Config) bool {
	return slices.ContainsFunc(cfg.Events.Targets, func(t config.EventTarget) bool { return t.Type == config.TargetCommand })
}

// opaque says whether this process can be closed to the debuggers of its own user. One that starts programs in user namespaces cannot, unless it is root.
func opaque(cfg config.Config) bool { return !startsPrograms(cfg) || os.Geteuid() == 0 }

func (t *targets) service(c config.EventService) (*aws.Client, error) {
	if c.Endpoint == "" {
		return nil, nil
	}
	region := c.Region
	if region == "" {
		region = t.cfg.Region
	}
	credentials := func(context.Context) (aws.Credentials, error) {
		who, err := identity.ReadCredentials(c.CredentialsFile)
		return aws.Credentials{AccessKeyID: who.AccessKeyID, SecretAccessKey: who.SecretAccessKey}, err
	}
	if _, err := credentials(context.Background()); err != nil {
		return nil, err
	}
	return aws.New(aws.Options{Endpoint: c.Endpoint, Region: region, Credentials: credentials, Transport: t.transport()})
}

func (t *targets) transport() http.RoundTripper { return t.door.Client(egress.Webhook).Transport }

// find says what an ARN is to an account: a configured target, or the queue or topic of a configured service. The error says why it is nothing, in words that the account may
// read.
func (t *targets) find(account, name string) (config.EventTarget, error) {
	a, err := arn.Parse(name)
	if err != nil {
		return config.EventTarget{}, errors.New("it is no ARN")
	}
	var out config.EventTarget
	var accounts []string
	switch {
	case a.Service == "events" && len(a.Resource) > len(targetPrefix) && a.Resource[:len(targetPrefix)] == targetPrefix:
		i := slices.IndexFunc(t.cfg.Events.Targets, func(c config.EventTarget) bool { return c.Name == a.Resource[len(targetPrefix):] })
		if i < 0 || a.Account != account || a.Region != t.cfg.Region {
			return config.EventTarget{}, errors.New("this installation has no such target")
		}
		out = t.cfg.Events.Targets[i]
		accounts = out.Accounts
	case a.Service == "sqs" && t.sqs != nil:
		if _, err := aws.Queue(name); err != nil {
			return config.EventTarget{}, err
		}
		out, accounts = config.EventTarget{Type: config.TargetSQS, ARN: name}, t.cfg.Events.SQS.Accounts
	case a.Service == "sns" && t.sns != nil:
		if _, err := aws.Topic(name); err != nil {
			return config.EventTarget{}, err
		}
		out, accounts = config.EventTarget{Type: config.TargetSNS, ARN: name}, t.cfg.Events.SNS.Accounts
	default:
		return config.EventTarget{}, fmt.Errorf("this installation sends nothing to %s", a.Service)
	}
	if len(accounts) == 0 {
		accounts = []string{t.cfg.Account}
	}
	if !slices.Contains(accounts, account) {
		return config.EventTarget{}, errors.New("this installation has no such target") // whether it has one for another account is not theirs to know
	}
	return out, nil
}

// Known says whether the rules of an account may send to an ARN. Its error is for the account to read.
func (t *targets) Known(account, name string) error {
	_, err := t.find(account, name)
	return err
}

// Open opens what sends to an ARN for an account, and says what format it is sent. group is that of all messages of a FIFO queue; empty is one for each job. Who opens closes.
func (t *targets) Open(account, name, group string) (target.Sender, target.Format, error) {
	c, err := t.find(account, name)
	if err != nil {
		return nil, "", &target.Refused{Reason: err.Error()}
	}
	s, err := t.open(c, group)
	return s, target.Format(c.Format), err
}

// open makes the sender of a target.
func (t *targets) open(c config.EventTarget, group string) (target.Sender, error) {
	if group == "" {
		group = c.Group
	}
	switch c.Type {
	case config.TargetWebhook:
		return t.webhook(c)
	case config.TargetSQS:
		return t.sqs.SQS(c.ARN, group)
	case config.TargetSNS:
		return t.sns.SNS(c.ARN)
	case config.TargetNATS:
		return t.nats(c)
	case config.TargetKafka:
		o := kafka.Options{Brokers: c.Servers, Topic: c.Topic, Dial: t.door.DialContext(egress.Webhook), Mechanism: c.SASL, User: c.User}
		if c.SASL != "" {
			o.Password = secretFile(c.PasswordFile)
		}
		if c.TLS == nil || *c.TLS {
			o.TLS = t.door.TLS()
		}
		return kafka.New(o)
	case config.TargetFile:
		return eventFile(c)
	case config.TargetCommand:
		return t.command(c)
	}
	return nil, fmt.Errorf("type %q is not known", c.Type) // the configuration was validated
}

func (t *targets) webhook(c config.EventTarget) (target.Sender, error) {
	o := webhook.Options{
		URL: c.URL, Method: c.Method, Transport: t.transport(), Header: c.Headers, Timeout: time.Duration(c.TimeoutSeconds) * time.Second, Now: time.Now,
	}
	if c.SecretFile != "" {
		o.Secrets = func() ([]secret.Bytes, error) {
			text, err := root.ReadPrivate(c.SecretFile, maxSecretFile)
			if err != nil {
				return nil, err
			}
			defer text.Wipe()
			return webhook.Secrets(text)
		}
	}
	switch c.Auth {
	case config.TargetAuthBasic:
		o.Credential = webhook.Basic(c.User, secretFile(c.PasswordFile))
	case config.TargetAuthHeader:
		if err := webhook.CheckField(c.Header); err != nil {
			return nil, fmt.Errorf("header %q: %w", c.Header, err)
		}
		o.Credential = webhook.APIKey(c.Header, secretFile(c.ValueFile))
	}
	return webhook.New(o)
}

func (t *targets) nats(c config.EventTarget) (target.Sender, error) {
	o := nats.Options{Servers: c.Servers, Subject: c.Subject, Stream: c.Stream, Dial: t.door.DialContext(egress.Webhook)}
	if c.TLS == nil || *c.TLS {
		o.TLS = t.door.TLS()
	}
	switch c.Auth {
	case config.TargetAuthBasic:
		o.Credentials = nats.Credentials{User: c.User, Password: secretFile(c.PasswordFile)}
	case config.TargetAuthToken:
		o.Credentials = nats.Credentials{Token: secretFile(c.TokenFile)}
	case config.TargetAuthCreds:
		o.Credentials = nats.Credentials{File: secretFile(c.CredsFile)}
	}
	return nats.New(o)
}

func eventFile(c config.EventTarget) (target.Sender, error) {
	return file.New(file.Options{Path: c.Path, MaxBytes: c.MaxBytes, Keep: c.Keep})
}

func (t *targets) command(c config.EventTarget) (target.Sender, error) {
	box, err := sandbox.New(sandbox.Options{Require: t.cfg.RequireSandbox, ReadOnly: c.ReadOnly})
	if err != nil {
		return nil, err
	}
	o := sandboxed.Options{Sandbox: box, Program: c.Program, Args: c.Args, Timeout: time.Duration(c.TimeoutSeconds) * time.Second, Memory: int64(c.MemoryMiB) << 20}
	if c.Path != "" {
		if o.Output, err = eventFile(c); err != nil {
			return nil, err
		}
	}
	return sandboxed.New(o)
}

// readable says whether the files of a target can be read now.
func (t *targets) readable(c config.EventTarget) error {
	if c.SecretFile != "" {
		text, err := root.ReadPrivate(c.SecretFile, maxSecretFile)
		if err != nil {
			return fmt.Errorf("secret_file: %w", err)
		}
		defer text.Wipe()
		if _, err := webhook.Secrets(text); err != nil {
			return fmt.Errorf("secret_file: %w", err)
		}
	}
	for _, f := range []struct{ key, name string }{
		{"password_file", c.PasswordFile}, {"value_file", c.ValueFile}, {"token_file", c.TokenFile}, {"creds_file", c.CredsFile},
	} {
		if f.name == "" {
			continue
		}
		s, err := secretFile(f.name)()
		if err != nil {
			return fmt.Errorf("%s: %w", f.key, err)
		}
		s.Wipe()
	}
	return nil
}
