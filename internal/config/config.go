// Package config reads the configuration of the server: one strict YAML file, and flags that override it.
//
// Every flag is a key of the file, with underscores for dashes. The empty file works. A key that is unknown, given twice or of the wrong
// kind is an error that names it and its line; a value that is not allowed is an *Error that names the key, the value and what is
// allowed.
package config

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// Config is the configuration of serve. Take it from Default, Read or FromArgs: its zero value lacks the defaults.
type Config struct {
	Data           string        `yaml:"data"`            // directory that everything is kept in
	Listen         string        `yaml:"listen"`          // HOST:PORT
	Hosts          []string      `yaml:"hosts"`           // more names and addresses that clients reach the server by, for its certificate
	Region         string        `yaml:"region"`          // the AWS Region that clients sign for
	Account        string        `yaml:"account"`         // the AWS account id, 12 digits
	LogLevel       string        `yaml:"log_level"`       // debug, info, warn, error
	InsecureHTTP   bool          `yaml:"insecure_http"`   // plain HTTP; on loopback only
	FIPS           string        `yaml:"fips"`            // require: start in a FIPS 140-3 mode only; approved: and refuse what is not approved; empty: as built
	RequireSandbox bool          `yaml:"require_sandbox"` // do not start where a part of the sandbox is missing
	Drain          time.Duration `yaml:"drain"`           // how long a stop waits for what is under way
	FFmpeg         string        `yaml:"ffmpeg"`          // path or name of the program
	FFprobe        string        `yaml:"ffprobe"`         // path or name of the program
	TLS            TLS           `yaml:"tls"`
	Accounts       []Account     `yaml:"accounts"` // accounts beside the main one, and what bounds each
	S3             S3            `yaml:"s3"`
	Root           Root          `yaml:"root"`
	Egress         Egress        `yaml:"egress"`
	SPEKE          SPEKE         `yaml:"speke"`
	Worker         Worker        `yaml:"worker"`
	Audit          Audit         `yaml:"audit"`
	RetentionDays  int           `yaml:"retention_days"` // how long finished jobs are kept; 0: for ever
	Retention      Retention     `yaml:"retention"`
	Provenance     Provenance    `yaml:"provenance"`
	Throttle       Throttle      `yaml:"throttle"`
	Metrics        Metrics       `yaml:"metrics"`
	Traces         Traces        `yaml:"traces"`
	Events         Events        `yaml:"events"`

	KeyServer                bool   `yaml:"keyserver"`                  // the key server and the player's page
	KeyServerKeys            string `yaml:"keyserver_keys"`             // random, deterministic; empty: random
	KeyServerURL             string `yaml:"keyserver_url"`              // https://HOST[:PORT] that players reach the server by, and jobs may too; empty: that of the listener
	KeyServerCredentialsFile string `yaml:"keyserver_credentials_file"` // credentials of encryptors that cannot sign; others must not read it
	PlayerAssets             string `yaml:"player_assets"`              // directory with the builds of hls.js and Shaka Player; empty: player beside the program
}

// Account is an account of the installation. One with the id of the main account only says what bounds that.
type Account struct {
	ID         string   `yaml:"id"`          // 12 digits
	GuardRails []string `yaml:"guard_rails"` // files with service control policies: what none of them allows is denied, to the root too
}

// TLS is the certificate of the listener. The zero value means one of the installation's own authority. It is shown anew as soon as it is imported again, or
// the files are replaced, without a restart.
type TLS struct {
	CertificateARN  string `yaml:"certificate_arn"`  // one that the main account has imported into ACM
	CertificateFile string `yaml:"certificate_file"` // PEM; the certificate, then its chain
	KeyFile         string `yaml:"key_file"`         // PEM; its private key, which not everybody may read
}

// S3 is an external object store that s3:// means instead of the embedded one. The zero value means the embedded one.
type S3 struct {
	Endpoint        string `yaml:"endpoint"`         // URL; http:// on loopback only
	Region          string `yaml:"region"`           // empty: that of the server
	PathStyle       bool   `yaml:"path_style"`       // the bucket in the path, not in the host name
	CredentialsFile string `yaml:"credentials_file"` // AWS shared-credentials format, profile default; others must not read it
	AssumeRoles     bool   `yaml:"assume_roles"`     // role sessions sign with credentials of the same role there, by AssumeRole of its STS
	STSEndpoint     string `yaml:"sts_endpoint"`     // URL, like Endpoint; empty: Endpoint
	// Honours are what of Asks the endpoint does; jobs that ask for anything else are refused when they are submitted. Nil: all of it, as far as is known.
	Honours []string `yaml:"honours"`
}

// Egress is where outgoing connections may go. The zero value opens public addresses for every purpose: ports 80, 443, and those from 1024.
type Egress struct {
	Allow    []Allow    `yaml:"allow"`
	Restrict []Restrict `yaml:"restrict"`
	CAFile   string     `yaml:"ca_file"` // PEM; authorities beside those of the system
	Rate     int64      `yaml:"rate"`    // bytes a second that each connection may take in; 0: no limit
}

// Allow opens private addresses for some purposes, and ports of public ones that are closed.
type Allow struct {
	Net   string   `yaml:"net"`   // CIDR
	Ports []int    `yaml:"ports"` // at least one
	For   []string `yaml:"for"`   // at least one of Purposes
}

// Restrict narrows what connections for some purposes may reach, opened by Allow or not: one with a Restrict for its purpose must be admitted by one of
// them. Each admits what all of its members that are given admit.
type Restrict struct {
	For   []string `yaml:"for"`   // at least one of Purposes
	Hosts []string `yaml:"hosts"` // names as they are asked for: media.example.com, or *.example.com for every name below it; or addresses
	Nets  []string `yaml:"nets"`  // CIDR, of the addresses behind the names
	Ports []int    `yaml:"ports"`
}

// SPEKE is how key servers are told who asks. A key server that is not listed is shown a signature with the credentials of the job's role.
type SPEKE struct {
	Servers []KeyServer `yaml:"servers"`
}

// KeyServer is how one key server, or all below a URL, are told who asks.
type KeyServer struct {
	URL             string `yaml:"url"`              // https://HOST[:PORT][/PATH]; what begins with it, at a slash, belongs to it
	Auth            string `yaml:"auth"`             // one of Auths
	Region          string `yaml:"region"`           // of sigv4; empty: that of the server
	CredentialsFile string `yaml:"credentials_file"` // of sigv4: AWS shared-credentials format, profile default; empty: the job's role signs
	TokenFile       string `yaml:"token_file"`       // of bearer; as all files here, others must not read it
	User            string `yaml:"user"`             // of basic
	PasswordFile    string `yaml:"password_file"`    // of basic
	Header          string `yaml:"header"`           // of header: its name
	ValueFile       string `yaml:"value_file"`       // of header
	CertificateFile string `yaml:"certificate_file"` // of mtls, PEM; the certificate, then its chain
	KeyFile         string `yaml:"key_file"`         // of mtls, PEM
}

// Throttle is how many requests to the MediaConvert API each account may make. The zero value throttles nothing.
type Throttle struct {
	Rate  float64 `yaml:"rate"`  // requests a second in the long run; 0: no limit
	Burst int     `yaml:"burst"` // requests at once after a rest
}

// Worker is the local worker.
type Worker struct {
	Concurrency int `yaml:"concurrency"` // jobs at once; 0: as many as the machine is good for
}

// maxFile bounds the configuration file.
const maxFile = 1 << 20

// Default returns the configuration of the empty file.
func Default() Config {
	return Config{
		Data:     "darkroom-data",
		Listen:   "127.0.0.1:9443",
		Region:   "us-east-1",
		Account:  "000000000000",
		LogLevel: "info",
		Drain:    30 * time.Second,
		FFmpeg:   "ffmpeg",
		FFprobe:  "ffprobe",

		RetentionDays: 90,
		Retention:     Retention{AuditDays: 400, EventDays: 30, UploadDays: 7},
		Traces:        Traces{Sample: 1},
	}
}

// Level returns LogLevel for slog.
func (c Config) Level() slog.Level {
	return map[string]slog.Level{"debug": slog.LevelDebug, "warn": slog.LevelWarn, "error": slog.LevelError}[c.LogLevel]
}

// Read reads one YAML document over the defaults, and validates the whole.
func Read(r io.Reader) (Config, error) {
	c := Default()
	if err := decode(r, &c); err != nil {
		return Config{}, err
	}
	return c, c.Validate()
}

// ReadFile is Read of a file.
func ReadFile(path string) (Config, error) {
	c, err := readFile(path)
	if err != nil {
		return Config{}, err
	}
	if err := c.Validate(); err != nil {
		return Config{}, fmt.Errorf("configuration %s: %w", path, err)
	}
	return c, nil
}

func readFile(path string) (Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	defer f.Close()
	c := Default()
	if err := decode(f, &c); err != nil {
		return Config{}, fmt.Errorf("configuration %s: %w", path, err)
	}
	return c, nil
}

func decode(r io.Reader, c *Config) (err error) {
	defer func() {
		// The parser panics on some text that is not YAML; the fuzzer found an anchor before a tag that is not closed.
		if p := recover(); p != nil {
			err = errors.New("the file is not YAML that can be read")
		}
	}()
	limited := &io.LimitedReader{R: r, N: maxFile + 1}
	d := yaml.NewDecoder(limited, yaml.Strict(), yaml.CustomUnmarshaler(decodeDrain))
	var invalid *Error
	err = d.Decode(c)
	switch {
	case limited.N <= 0:
		return fmt.Errorf("the file is longer than %d bytes", maxFile)
	case errors.Is(err, io.EOF): // empty, and the decoder has cleared c
		*c = Default()
		return nil
	case errors.As(err, &invalid):
		return invalid
	case err != nil:
		return errors.New(yaml.FormatError(err, false, true))
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return errors.New("the file has more than one document")
	}
	return nil
}

// decodeDrain reads a duration such as 30s. Drain is the only one that there is, which is how it knows its key.
func decodeDrain(d *time.Duration, text []byte) error {
	var s string
	err := yaml.Unmarshal(text, &s)
	if err == nil {
		*d, err = time.ParseDuration(s)
	}
	if err != nil {
		return &Error{"drain", strings.TrimSpace(string(text)), "a duration such as 30s"}
	}
	return nil
}
