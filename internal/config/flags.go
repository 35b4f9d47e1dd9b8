package config

import (
	"flag"
	"fmt"
	"strings"
	"time"
)

// FromArgs adds the flags of serve to fs, parses args, reads the file that --config names, and lets the flags that were given override it.
// Errors of fs are returned as they are, flag.ErrHelp among them.
func FromArgs(fs *flag.FlagSet, args []string) (Config, error) {
	c := Default()
	file := fs.String("config", "", "YAML `FILE`; flags override it")
	c.addFlags(fs)
	if err := fs.Parse(args); err != nil {
		return Config{}, err
	}
	if fs.NArg() > 0 {
		return Config{}, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if *file != "" {
		merged, err := readFile(*file)
		if err != nil {
			return Config{}, err
		}
		over := flag.NewFlagSet("", flag.ContinueOnError)
		merged.addFlags(over)
		fs.Visit(func(f *flag.Flag) {
			if over.Lookup(f.Name) != nil && f.Name != "hosts" {
				_ = over.Set(f.Name, f.Value.String()) // it was parsed once already
			}
		})
		if len(c.Hosts) > 0 {
			merged.Hosts = c.Hosts
		}
		c = merged
	}
	if err := c.Validate(); err != nil {
		return Config{}, err
	}
	return c, nil
}

// addFlags binds a flag to each key that has one value, with the present value as its default.
func (c *Config) addFlags(fs *flag.FlagSet) {
	fs.StringVar(&c.Data, "data", c.Data, "`DIR` that everything is kept in")
	fs.StringVar(&c.Listen, "listen", c.Listen, "`HOST:PORT` to listen on")
	fs.Func("hosts", "more `NAMES` that clients reach the server by, for its certificate; repeatable", func(s string) error {
		c.Hosts = append(c.Hosts, s)
		return nil
	})
	fs.StringVar(&c.Region, "region", c.Region, "AWS `REGION` that clients sign for")
	fs.StringVar(&c.Account, "account", c.Account, "AWS account `ID`")
	fs.StringVar(&c.LogLevel, "log-level", c.LogLevel, "debug, info, warn or error")
	fs.BoolVar(&c.InsecureHTTP, "insecure-http", c.InsecureHTTP, "plain HTTP instead of TLS; on loopback only")
	fs.StringVar(&c.FIPS, "fips", c.FIPS, "require a FIPS 140-3 mode (require), and refuse what is not approved (approved)")
	fs.BoolVar(&c.RequireSandbox, "require-sandbox", c.RequireSandbox, "do not start where a part of the sandbox is missing")
	fs.DurationVar(&c.Drain, "drain", c.Drain, "how long a stop waits for what is under way")
	fs.StringVar(&c.FFmpeg, "ffmpeg", c.FFmpeg, "`PATH` of ffmpeg")
	fs.StringVar(&c.FFprobe, "ffprobe", c.FFprobe, "`PATH` of ffprobe")
	fs.StringVar(&c.TLS.CertificateARN, "tls-certificate-arn", c.TLS.CertificateARN, "`ARN` of the certificate that the listener shows")
	fs.StringVar(&c.TLS.CertificateFile, "tls-certificate-file", c.TLS.CertificateFile, "PEM `FILE` of the certificate that the listener shows, with its chain")
	fs.StringVar(&c.TLS.KeyFile, "tls-key-file", c.TLS.KeyFile, "PEM `FILE` of its private key")
	fs.StringVar(&c.S3.Endpoint, "s3-endpoint", c.S3.Endpoint, "`URL` of an external object store")
	fs.StringVar(&c.S3.Region, "s3-region", c.S3.Region, "its `REGION`")
	fs.BoolVar(&c.S3.PathStyle, "s3-path-style", c.S3.PathStyle, "put the bucket in the path")
	fs.StringVar(&c.S3.CredentialsFile, "s3-credentials-file", c.S3.CredentialsFile, "`FILE` with its credentials, in the AWS shared-credentials format")
	fs.BoolVar(&c.S3.AssumeRoles, "s3-assume-roles", c.S3.AssumeRoles, "reach it in the job's role, by AssumeRole of its STS")
	fs.StringVar(&c.S3.STSEndpoint, "s3-sts-endpoint", c.S3.STSEndpoint, "`URL` of its STS, if that is another")
	c.Root.addFlags(fs)
	fs.StringVar(&c.Egress.CAFile, "egress-ca-file", c.Egress.CAFile, "PEM `FILE` of more authorities for outgoing connections")
	fs.Int64Var(&c.Egress.Rate, "egress-rate", c.Egress.Rate, "`BYTES` a second that each outgoing connection may take in; 0 is no limit")
	fs.Float64Var(&c.Throttle.Rate, "throttle-rate", c.Throttle.Rate, "requests a second that each account may make; 0 is no limit")
	fs.IntVar(&c.Throttle.Burst, "throttle-burst", c.Throttle.Burst, "requests at once after a rest")
	fs.StringVar(&c.Events.DeadLetterBucket, "events-dead-letter-bucket", c.Events.DeadLetterBucket, "`BUCKET` for events that no attempt delivered")
	c.Events.SQS.addFlags(fs, "events-sqs", "SQS")
	c.Events.SNS.addFlags(fs, "events-sns", "SNS")
	fs.IntVar(&c.RetentionDays, "retention-days", c.RetentionDays, "days that finished jobs are kept; 0 is for ever")
	c.Retention.addFlags(fs)
	fs.BoolVar(&c.KeyServer, "keyserver", c.KeyServer, "serve content keys over SPEKE, and the player's page; this is no licence server of Widevine, PlayReady or FairPlay")
	c.addKeyServerFlags(fs)
	fs.DurationVar((*time.Duration)(&c.Audit.DeliveryPeriod), "audit-delivery-period", time.Duration(c.Audit.DeliveryPeriod), "time between deliveries of log files to the buckets of trails; 0 is 5m")
	fs.DurationVar((*time.Duration)(&c.Audit.DigestPeriod), "audit-digest-period", time.Duration(c.Audit.DigestPeriod), "time between signed digests of trails; 0 is 1h")
	fs.DurationVar((*time.Duration)(&c.Audit.KeyLife), "audit-key-life", time.Duration(c.Audit.KeyLife), "how long a key signs digests before another is made; 0 is 8760h")
	c.addObserveFlags(fs)
	c.Audit.addFlags(fs)
	fs.IntVar(&c.Worker.Concurrency, "worker-concurrency", c.Worker.Concurrency, "jobs at once; 0 lets the machine decide")
}

func (c *Config) addKeyServerFlags(fs *flag.FlagSet) {
	fs.StringVar(&c.KeyServerKeys, "keyserver-keys", c.KeyServerKeys, "how content keys are made: "+strings.Join(KeyModes, ", ")+"; empty is the first")
	fs.StringVar(&c.KeyServerURL, "keyserver-url", c.KeyServerURL, "`URL` that players reach the server by, for keys that playlists name, and by which jobs may ask for keys; empty is that of the listener")
	fs.StringVar(&c.KeyServerCredentialsFile, "keyserver-credentials-file", c.KeyServerCredentialsFile, "`FILE` with bearer tokens and passwords of encryptors that cannot sign")
	fs.StringVar(&c.PlayerAssets, "player-assets", c.PlayerAssets, "`DIR` with the builds of hls.js and Shaka Player; empty is player beside the program")
}

func (r *Root) addFlags(fs *flag.FlagSet) {
	fs.StringVar(&r.Kind, "root-kind", r.Kind, "root of trust: "+strings.Join(RootKinds, ", "))
	fs.StringVar(&r.File, "root-file", r.File, "`FILE` of the root key; empty is root.key in the data directory")
	fs.StringVar(&r.PassphraseFile, "root-passphrase-file", r.PassphraseFile, "`FILE`, pipe or /dev/fd/N with the passphrase")
	fs.StringVar(&r.PassphraseCredential, "root-passphrase-credential", r.PassphraseCredential, "`NAME` of the systemd credential with the passphrase")
	t := &r.Transit
	fs.StringVar(&t.Address, "root-transit-address", t.Address, "`URL` of a Vault or OpenBao")
	fs.StringVar(&t.Namespace, "root-transit-namespace", t.Namespace, "its `NAMESPACE`")
	fs.StringVar(&t.Mount, "root-transit-mount", t.Mount, "`PATH` of its transit engine; empty is transit")
	fs.StringVar(&t.Key, "root-transit-key", t.Key, "`NAME` of the key in it")
	fs.StringVar(&t.TokenFile, "root-transit-token-file", t.TokenFile, "`FILE` with a token")
	fs.StringVar(&t.RoleIDFile, "root-transit-role-id-file", t.RoleIDFile, "`FILE` with the role id of an AppRole, in place of a token")
	fs.StringVar(&t.SecretIDFile, "root-transit-secret-id-file", t.SecretIDFile, "`FILE` with its secret id")
	fs.StringVar(&t.AppRoleMount, "root-transit-approle-mount", t.AppRoleMount, "`PATH` of the AppRole method; empty is approle")
	k := &r.KMS
	fs.StringVar(&k.Key, "root-kms-key", k.Key, "id, ARN or alias of the `KEY` in a key service of AWS's protocol")
	fs.StringVar(&k.Endpoint, "root-kms-endpoint", k.Endpoint, "its `URL`; empty is AWS")
	fs.StringVar(&k.Region, "root-kms-region", k.Region, "its `REGION`")
	fs.StringVar(&k.CredentialsFile, "root-kms-credentials-file", k.CredentialsFile, "`FILE` with its credentials, in the AWS shared-credentials format")
}

func (s *EventService) addFlags(fs *flag.FlagSet, prefix, name string) {
	fs.StringVar(&s.Endpoint, prefix+"-endpoint", s.Endpoint, "`URL` of the "+name+" that rules send events to")
	fs.StringVar(&s.Region, prefix+"-region", s.Region, "its `REGION`")
	fs.StringVar(&s.CredentialsFile, prefix+"-credentials-file", s.CredentialsFile, "`FILE` with its credentials, in the AWS shared-credentials format")
}
