package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"darkroom/internal/uri"
)

// Purposes are what an Allow and a Restrict can be for.
var Purposes = []string{"input", "caption", "image", "font", "lut", "esam", "speke", "oidc", "webhook", "kms", "storage", "anchor", "telemetry"}

// What Config.FIPS asks for, beside nothing.
const (
	FIPSRequire  = "require"  // the program runs on a certified module
	FIPSApproved = "approved" // and what a request asks for that is not approved is refused
)

// Asks are what a write can ask of an object store: encryption by its own keys, encryption by keys of a key service, a storage class, a canned access
// control list.
var Asks = []string{AskSSES3, AskSSEKMS, AskClass, AskACL}

// The values of Asks.
const (
	AskSSES3  = "sse-s3"
	AskSSEKMS = "sse-kms"
	AskClass  = "storage-class"
	AskACL    = "acl"
)

// Limits of values.
const (
	MaxDrain       = time.Hour
	MaxConcurrency = 256
	// MaxAccounts is how many accounts an installation can have beside the main one.
	MaxAccounts = 64
	// MaxGuardRails is how many guard rails an account can have (AWS Organizations, service control policies of an entity).
	MaxGuardRails = 5
	// MaxRate is the largest throttle.rate and throttle.burst.
	MaxRate = 1_000_000
	// MinEgressRate is the smallest egress.rate, in bytes a second: less is given up as too slow.
	MinEgressRate = 64 << 10
	// MaxRetentionDays is a hundred years.
	MaxRetentionDays = 36525
)

var (
	regionPattern  = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	accountPattern = regexp.MustCompile(`^[0-9]{12}$`)
	uuidPattern    = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	hostPattern    = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$`)
)

// Error is a value that is not allowed.
type Error struct {
	Key     string // such as egress.allow[0].net
	Value   string
	Allowed string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: %q is not allowed: want %s", e.Key, e.Value, e.Allowed)
}

// Validate says what is wrong with c: nil, or the first *Error.
func (c Config) Validate() error {
	// in the order of the fields, so that the first fault told is the first in the file
	switch {
	case c.Data == "" || strings.Contains(c.Data, "\x00"):
		return &Error{"data", c.Data, "a directory"}
	case !validListen(c.Listen):
		return &Error{"listen", c.Listen, "HOST:PORT, with a port from 0 to 65535"}
	}
	for i, h := range c.Hosts {
		if !validHost(h) {
			return &Error{fmt.Sprintf("hosts[%d]", i), h, "a host name or an IP address"}
		}
	}
	switch {
	case !validRegion(c.Region):
		return &Error{"region", c.Region, "an AWS Region such as us-east-1"}
	case !accountPattern.MatchString(c.Account):
		return &Error{"account", c.Account, "12 digits, in quotes"}
	case !slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel):
		return &Error{"log_level", c.LogLevel, "debug, info, warn or error"}
	case c.InsecureHTTP && !loopbackAddress(c.Listen):
		return &Error{"insecure_http", "true", "false, unless listen is a loopback address such as 127.0.0.1 or ::1"}
	case !slices.Contains([]string{"", FIPSRequire, FIPSApproved}, c.FIPS):
		return &Error{"fips", c.FIPS, "require, approved, or nothing"}
	case c.Drain < 0 || c.Drain > MaxDrain:
		return &Error{"drain", c.Drain.String(), "a duration from 0s to " + MaxDrain.String()}
	case !validProgram(c.FFmpeg):
		return &Error{"ffmpeg", c.FFmpeg, "the path or name of a program"}
	case !validProgram(c.FFprobe):
		return &Error{"ffprobe", c.FFprobe, "the path or name of a program"}
	}
	if err := c.validateTLS(); err != nil {
		return err
	}
	if err := validateAccounts(c.Accounts); err != nil {
		return err
	}
	if err := c.S3.validate(); err != nil {
		return err
	}
	if err := c.Root.validate(); err != nil {
		return err
	}
	for i, a := range c.Egress.Allow {
		if err := a.validate(fmt.Sprintf("egress.allow[%d]", i)); err != nil {
			return err
		}
	}
	for i, r := range c.Egress.Restrict {
		if err := r.validate(fmt.Sprintf("egress.restrict[%d]", i)); err != nil {
			return err
		}
	}
	if n := c.Egress.Rate; n < 0 || n > 0 && n < MinEgressRate {
		return &Error{"egress.rate", strconv.FormatInt(n, 10), fmt.Sprintf("0, or at least %d", MinEgressRate)}
	}
	if err := c.SPEKE.validate(); err != nil {
		return err
	}
	if n := c.RetentionDays; n < 0 || n > MaxRetentionDays {
		return &Error{"retention_days", strconv.Itoa(n), fmt.Sprintf("a number from 0 to %d", MaxRetentionDays)}
	}
	if err := c.Retention.validate(); err != nil {
		return err
	}
	if err := c.Provenance.validate(); err != nil {
		return err
	}
	switch t := c.Throttle; {
	case !(t.Rate >= 0 && t.Rate <= MaxRate): // NaN is neither
		return &Error{"throttle.rate", strconv.FormatFloat(t.Rate, 'g', -1, 64), fmt.Sprintf("a number from 0 to %d", MaxRate)}
	case t.Rate > 0 && (t.Burst < 1 || t.Burst > MaxRate):
		return &Error{"throttle.burst", strconv.Itoa(t.Burst), fmt.Sprintf("a number from 1 to %d", MaxRate)}
	case t.Rate == 0 && t.Burst != 0:
		return &Error{"throttle.burst", strconv.Itoa(t.Burst), "nothing while throttle.rate is not set"}
	}
	if err := c.Audit.validate(); err != nil {
		return err
	}
	if n := c.Worker.Concurrency; n < 0 || n > MaxConcurrency {
		return &Error{"worker.concurrency", strconv.Itoa(n), fmt.Sprintf("a number from 0 to %d", MaxConcurrency)}
	}
	if err := c.Metrics.validate(c.InsecureHTTP); err != nil {
		return err
	}
	if err := c.Traces.validate(); err != nil {
		return err
	}
	if err := c.validateEvents(); err != nil {
		return err
	}
	return c.validateKeyServer()
}

// KeyModes are how content keys are made. Empty is the first.
var KeyModes = []string{"random", "deterministic"}

func (c Config) validateKeyServer() error {
	if c.KeyServerKeys != "" && !slices.Contains(KeyModes, c.KeyServerKeys) {
		return &Error{"keyserver_keys", c.KeyServerKeys, strings.Join(KeyModes, ", ") + ", or nothing"}
	}
	if c.KeyServerURL != "" {
		if err := validateEndpoint("keyserver_url", c.KeyServerURL, "keyserver_credentials_file"); err != nil {
			return err
		}
		if u, err := url.Parse(c.KeyServerURL); err != nil || u.Path != "" { // keys are at the root of their host
			return &Error{"keyserver_url", c.KeyServerURL, "https://HOST[:PORT] without a path"}
		}
	}
	for _, f := range [][2]string{{"keyserver_credentials_file", c.KeyServerCredentialsFile}, {"player_assets", c.PlayerAssets}} {
		if strings.Contains(f[1], "\x00") {
			return &Error{f[0], f[1], "a file"}
		}
	}
	return nil
}

func (c Config) validateTLS() error {
	t := c.TLS
	given := t != TLS{}
	certificates := "arn:aws:acm:" + c.Region + ":" + c.Account + ":certificate/"
	switch {
	case given && c.InsecureHTTP:
		return &Error{"insecure_http", "true", "false, where tls is set"}
	case t.CertificateARN != "" && (t.CertificateFile != "" || t.KeyFile != ""):
		return &Error{"tls.certificate_arn", t.CertificateARN, "nothing where tls.certificate_file is set"}
	case t.CertificateARN != "" && !(strings.HasPrefix(t.CertificateARN, certificates) && uuidPattern.MatchString(t.CertificateARN[len(certificates):])):
		return &Error{"tls.certificate_arn", t.CertificateARN, "the ARN of a certificate of the main account, " + certificates + "UUID"}
	case (t.CertificateFile == "") != (t.KeyFile == ""):
		return &Error{"tls.key_file", t.KeyFile, "a file, together with tls.certificate_file"}
	case strings.Contains(t.CertificateFile, "\x00"):
		return &Error{"tls.certificate_file", t.CertificateFile, "a file"}
	case strings.Contains(t.KeyFile, "\x00"):
		return &Error{"tls.key_file", t.KeyFile, "a file"}
	}
	return nil
}

func validateAccounts(accounts []Account) error {
	if n := len(accounts); n > MaxAccounts {
		return &Error{"accounts", strconv.Itoa(n), fmt.Sprintf("at most %d accounts", MaxAccounts)}
	}
	for i, a := range accounts {
		key := fmt.Sprintf("accounts[%d]", i)
		switch {
		case !accountPattern.MatchString(a.ID):
			return &Error{key + ".id", a.ID, "12 digits, in quotes"}
		case slices.ContainsFunc(accounts[:i], func(o Account) bool { return o.ID == a.ID }):
			return &Error{key + ".id", a.ID, "each account once"}
		case len(a.GuardRails) > MaxGuardRails:
			return &Error{key + ".guard_rails", strconv.Itoa(len(a.GuardRails)), fmt.Sprintf("at most %d files", MaxGuardRails)}
		}
		for j, f := range a.GuardRails {
			if f == "" || strings.Contains(f, "\x00") {
				return &Error{fmt.Sprintf("%s.guard_rails[%d]", key, j), f, "a file"}
			}
		}
	}
	return nil
}

func (s S3) validate() error {
	if s.Endpoint == "" {
		switch {
		case s.Region != "":
			return &Error{"s3.region", s.Region, "nothing while s3.endpoint is not set"}
		case s.PathStyle:
			return &Error{"s3.path_style", "true", "nothing while s3.endpoint is not set"}
		case s.CredentialsFile != "":
			return &Error{"s3.credentials_file", s.CredentialsFile, "nothing while s3.endpoint is not set"}
		case s.AssumeRoles:
			return &Error{"s3.assume_roles", "true", "nothing while s3.endpoint is not set"}
		case s.STSEndpoint != "":
			return &Error{"s3.sts_endpoint", s.STSEndpoint, "nothing while s3.endpoint is not set"}
		case s.Honours != nil:
			return &Error{"s3.honours", strings.Join(s.Honours, ","), "nothing while s3.endpoint is not set"}
		}
		return nil
	}
	if err := validateEndpoint("s3.endpoint", s.Endpoint, "s3.credentials_file"); err != nil {
		return err
	}
	if s.Region != "" && !validRegion(s.Region) {
		return &Error{"s3.region", s.Region, "an AWS Region such as us-east-1"}
	}
	if s.CredentialsFile == "" {
		return &Error{"s3.credentials_file", "", "a file in the AWS shared-credentials format, with s3.endpoint"}
	}
	for i, h := range s.Honours {
		if !slices.Contains(Asks, h) {
			return &Error{fmt.Sprintf("s3.honours[%d]", i), h, "one of " + strings.Join(Asks, ", ")}
		}
	}
	switch {
	case s.STSEndpoint == "":
		return nil
	case !s.AssumeRoles:
		return &Error{"s3.sts_endpoint", s.STSEndpoint, "nothing while s3.assume_roles is not set"}
	}
	return validateEndpoint("s3.sts_endpoint", s.STSEndpoint, "s3.credentials_file")
}

// validateEndpoint judges a URL of a service whose credentials stand in a file, named by the key credentials.
func validateEndpoint(key, value, credentials string) error {
	u, err := url.Parse(value)
	if err != nil {
		return &Error{key, "…", "https://HOST[:PORT]"}
	}
	if u.User != nil {
		return &Error{key, u.Redacted(), "no user and password: they stand in " + credentials}
	}
	if u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http" {
		return &Error{key, value, "https://HOST[:PORT]"}
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		return &Error{key, value, "https://, or http:// on a loopback address"}
	}
	return nil
}

func (a Allow) validate(key string) error {
	p, err := netip.ParsePrefix(a.Net)
	if err != nil || p != p.Masked() {
		return &Error{key + ".net", a.Net, "a network such as 10.1.0.0/16"}
	}
	if len(a.Ports) == 0 {
		return &Error{key + ".ports", "", "at least one port"}
	}
	if err := validatePorts(key, a.Ports); err != nil {
		return err
	}
	return validatePurposes(key, a.For)
}

func (r Restrict) validate(key string) error {
	if len(r.Hosts) == 0 && len(r.Nets) == 0 && len(r.Ports) == 0 {
		return &Error{key, "", "hosts, nets or ports"}
	}
	for i, h := range r.Hosts {
		name, below := strings.CutPrefix(h, "*.")
		if a, err := netip.ParseAddr(name); err == nil && a.Is6() {
			name = "[" + name + "]"
		}
		if host, err := uri.ParseHost(name); err != nil || below && host.Addr.IsValid() {
			return &Error{fmt.Sprintf("%s.hosts[%d]", key, i), h, "a name such as media.example.com, or *.example.com, or an address"}
		}
	}
	for i, n := range r.Nets {
		p, err := netip.ParsePrefix(n)
		if err != nil || p != p.Masked() {
			return &Error{fmt.Sprintf("%s.nets[%d]", key, i), n, "a network such as 10.1.0.0/16"}
		}
	}
	if err := validatePorts(key, r.Ports); err != nil {
		return err
	}
	return validatePurposes(key, r.For)
}

func validatePorts(key string, ports []int) error {
	for _, port := range ports {
		if port < 1 || port > 65535 {
			return &Error{key + ".ports", strconv.Itoa(port), "ports from 1 to 65535"}
		}
	}
	return nil
}

func validatePurposes(key string, purposes []string) error {
	if len(purposes) == 0 {
		return &Error{key + ".for", "", "at least one of " + strings.Join(Purposes, ", ")}
	}
	for _, purpose := range purposes {
		if !slices.Contains(Purposes, purpose) {
			return &Error{key + ".for", purpose, strings.Join(Purposes, ", ")}
		}
	}
	return nil
}

func validListen(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil && (host == "" || validHost(host))
}

func validHost(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil || len(s) <= 253 && hostPattern.MatchString(s)
}

func validRegion(s string) bool { return len(s) <= 64 && regionPattern.MatchString(s) }

func validProgram(s string) bool { return s != "" && s[0] != '-' && !strings.Contains(s, "\x00") }

func loopbackAddress(s string) bool {
	host, _, err := net.SplitHostPort(s)
	return err == nil && loopback(host)
}

// loopback takes addresses alone: a name may come to mean another.
func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
