package config

import (
	"flag"
	"fmt"
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
	fs.StringVar(&c.S3.Endpoint, "s3-endpoint", c.S3.Endpoint, "`URL` of an external object store")
	fs.StringVar(&c.S3.Region, "s3-region", c.S3.Region, "its `REGION`")
	fs.BoolVar(&c.S3.PathStyle, "s3-path-style", c.S3.PathStyle, "put the bucket in the path")
	fs.StringVar(&c.S3.CredentialsFile, "s3-credentials-file", c.S3.CredentialsFile, "`FILE` with its credentials, in the AWS shared-credentials format")
	fs.BoolVar(&c.S3.AssumeRoles, "s3-assume-roles", c.S3.AssumeRoles, "reach it in the job's role, by AssumeRole of its STS")
	fs.StringVar(&c.S3.STSEndpoint, "s3-sts-endpoint", c.S3.STSEndpoint, "`URL` of its STS, if that is another")
	fs.StringVar(&c.Egress.CAFile, "egress-ca-file", c.Egress.CAFile, "PEM `FILE` of more authorities for outgoing connections")
	fs.Float64Var(&c.Throttle.Rate, "throttle-rate", c.Throttle.Rate, "requests a second that each account may make; 0 is no limit")
	fs.IntVar(&c.Throttle.Burst, "throttle-burst", c.Throttle.Burst, "requests at once after a rest")
	fs.IntVar(&c.RetentionDays, "retention-days", c.RetentionDays, "days that finished jobs are kept; 0 is for ever")
	fs.IntVar(&c.Worker.Concurrency, "worker-concurrency", c.Worker.Concurrency, "jobs at once; 0 lets the machine decide")
}
