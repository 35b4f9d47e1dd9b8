package config

import (
	"flag"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Feed is a target that gets every record of the audit trail, as it is made: a file or an address.
type Feed struct {
	Name      string `yaml:"name"`       // letters, digits, dashes; how far a feed has come is kept under it
	Format    string `yaml:"format"`     // one of FeedFormats
	File      string `yaml:"file"`       // absolute path; one record a line
	MaxBytes  int64  `yaml:"max_bytes"`  // of file, before it is renamed to FILE.1; 0: DefaultFeedBytes
	Keep      int    `yaml:"keep"`       // how many renamed files are kept; 0: DefaultFeedFiles
	URL       string `yaml:"url"`        // https://…, or http:// on loopback; records are posted as newline-delimited JSON
	TokenFile string `yaml:"token_file"` // of url: a bearer token; others must not read it
}

// FeedFormats are the formats of feeds.
var FeedFormats = []string{"cloudtrail", "ecs", "ocsf"}

// The bounds of feeds.
const (
	MaxFeeds         = 16
	DefaultFeedBytes = 100 << 20
	MinFeedBytes     = 1 << 20
	DefaultFeedFiles = 10
	MaxFeedFiles     = 1000
)

// Alert is the setting of a rule of alerts. What is not given is as by default.
type Alert struct {
	Rule   string `yaml:"rule"` // one of AlertRules
	Off    bool   `yaml:"off"`
	On     bool   `yaml:"on"`     // of a rule that is off by default
	Count  int64  `yaml:"count"`  // how many alert; 0: as by default
	Bytes  int64  `yaml:"bytes"`  // of mass-download: how many bytes alert; 0: as by default
	Window Period `yaml:"window"` // within which they are counted; 0: as by default
	Quiet  Period `yaml:"quiet"`  // how long the same is not told again; 0: as by default
}

// AlertRules are the rules of alerts.
var AlertRules = []string{
	"root-used", "root-key-used", "audit-gap", "digest-late", "delivery-stuck", "clock-back", "mass-download", "principal-denied", "source-denied", "control-disabled",
	"sign-in-without-mfa", "egress-refused",
}

// The bounds of alerts.
const (
	maxAlertCount  = 1 << 40
	minAlertWindow = time.Minute
	maxAlertWindow = 24 * time.Hour
	maxAlertQuiet  = 7 * 24 * time.Hour
)

// TimeStamp is the authority that time stamps digests (RFC 3161). The zero value means none.
type TimeStamp struct {
	URL    string `yaml:"url"`     // http:// or https://: what comes is signed
	CAFile string `yaml:"ca_file"` // PEM; the authorities that its certificate must come from
}

// Copies are copies of digests in a second object store. The zero value means none.
type Copies struct {
	Endpoint        string `yaml:"endpoint"`         // URL; http:// on loopback only
	Region          string `yaml:"region"`           // empty: that of the server
	PathStyle       bool   `yaml:"path_style"`       // the bucket in the path
	CredentialsFile string `yaml:"credentials_file"` // AWS shared-credentials format, profile default; others must not read it
	Bucket          string `yaml:"bucket"`
	Prefix          string `yaml:"prefix"`    // of keys
	LockMode        string `yaml:"lock_mode"` // GOVERNANCE or COMPLIANCE, in a bucket with object lock; empty: none
	LockDays        int    `yaml:"lock_days"` // how long
}

// MaxLockDays is a hundred years.
const MaxLockDays = 36525

var (
	feedPattern   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,31}$`)
	bucketPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
)

func (a *Audit) addFlags(fs *flag.FlagSet) {
	t, c := &a.TimeStamp, &a.Copies
	fs.StringVar(&t.URL, "audit-timestamp-url", t.URL, "`URL` of an authority that time stamps digests (RFC 3161)")
	fs.StringVar(&t.CAFile, "audit-timestamp-ca-file", t.CAFile, "`FILE` with the authorities that are trusted for time stamps, PEM")
	fs.StringVar(&c.Endpoint, "audit-copies-endpoint", c.Endpoint, "`URL` of a second object store that gets copies of digests")
	fs.StringVar(&c.Region, "audit-copies-region", c.Region, "its `REGION`; empty is that of the server")
	fs.BoolVar(&c.PathStyle, "audit-copies-path-style", c.PathStyle, "its bucket in the path, not in the host name")
	fs.StringVar(&c.CredentialsFile, "audit-copies-credentials-file", c.CredentialsFile, "`FILE` with its credentials, in the AWS shared-credentials format")
	fs.StringVar(&c.Bucket, "audit-copies-bucket", c.Bucket, "`NAME` of the bucket")
	fs.StringVar(&c.Prefix, "audit-copies-prefix", c.Prefix, "`PREFIX` of keys in it")
	fs.StringVar(&c.LockMode, "audit-copies-lock-mode", c.LockMode, "GOVERNANCE or COMPLIANCE: lock the copies; empty locks nothing")
	fs.IntVar(&c.LockDays, "audit-copies-lock-days", c.LockDays, "`DAYS` that they are locked")
}

func (a Audit) validateWatch() error {
	if n := len(a.Feeds); n > MaxFeeds {
		return &Error{"audit.feeds", strconv.Itoa(n), fmt.Sprintf("at most %d feeds", MaxFeeds)}
	}
	for i, f := range a.Feeds {
		key := fmt.Sprintf("audit.feeds[%d]", i)
		if err := f.validate(key); err != nil {
			return err
		}
		for _, o := range a.Feeds[:i] {
			if o.Name == f.Name {
				return &Error{key + ".name", f.Name, "each name once"}
			}
			if f.File != "" && filepath.Clean(o.File) == filepath.Clean(f.File) {
				return &Error{key + ".file", f.File, "each file once"}
			}
		}
	}
	for i, r := range a.Alerts {
		key := fmt.Sprintf("audit.alerts[%d]", i)
		if err := r.validate(key); err != nil {
			return err
		}
		if slices.ContainsFunc(a.Alerts[:i], func(o Alert) bool { return o.Rule == r.Rule }) {
			return &Error{key + ".rule", r.Rule, "each rule once"}
		}
	}
	if err := a.TimeStamp.validate(); err != nil {
		return err
	}
	return a.Copies.validate()
}

func (f Feed) validate(key string) error {
	switch {
	case !feedPattern.MatchString(f.Name):
		return &Error{key + ".name", f.Name, "letters, digits and dashes, at most 32"}
	case !slices.Contains(FeedFormats, f.Format):
		return &Error{key + ".format", f.Format, strings.Join(FeedFormats, ", ")}
	case (f.File == "") == (f.URL == ""):
		return &Error{key, f.Name, "either file or url"}
	case f.URL != "":
		if err := validateAddress(key+".url", f.URL, key+".token_file"); err != nil {
			return err
		}
		if f.MaxBytes != 0 || f.Keep != 0 {
			return &Error{key, f.Name, "max_bytes and keep with file alone"}
		}
		if strings.Contains(f.TokenFile, "\x00") {
			return &Error{key + ".token_file", f.TokenFile, "a file"}
		}
		return nil
	case !filepath.IsAbs(f.File) || strings.Contains(f.File, "\x00") || strings.HasSuffix(f.File, "/"):
		return &Error{key + ".file", f.File, "an absolute path of a file"}
	case f.TokenFile != "":
		return &Error{key + ".token_file", f.TokenFile, "nothing while url is not set"}
	case f.MaxBytes != 0 && f.MaxBytes < MinFeedBytes:
		return &Error{key + ".max_bytes", strconv.FormatInt(f.MaxBytes, 10), fmt.Sprintf("0, or at least %d", MinFeedBytes)}
	case f.Keep < 0 || f.Keep > MaxFeedFiles:
		return &Error{key + ".keep", strconv.Itoa(f.Keep), fmt.Sprintf("a number from 0 to %d", MaxFeedFiles)}
	}
	return nil
}

// validateAddress judges a URL that may have a path and a query; its secret stands in a file, named by the key secret.
func validateAddress(key, value, secret string) error {
	u, err := url.Parse(value)
	if err != nil {
		return &Error{key, "…", "https://HOST[:PORT][/PATH]"}
	}
	if u.User != nil {
		return &Error{key, u.Redacted(), "no user and password: a token stands in " + secret}
	}
	if u.Hostname() == "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http" {
		return &Error{key, value, "https://HOST[:PORT][/PATH]"}
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		return &Error{key, value, "https://, or http:// on a loopback address"}
	}
	return nil
}

func (r Alert) validate(key string) error {
	counts := !slices.Contains([]string{"audit-gap", "digest-late", "delivery-stuck", "clock-back"}, r.Rule)
	window, quiet := time.Duration(r.Window), time.Duration(r.Quiet)
	switch {
	case !slices.Contains(AlertRules, r.Rule):
		return &Error{key + ".rule", r.Rule, strings.Join(AlertRules, ", ")}
	case r.Off && r.On:
		return &Error{key + ".on", "true", "false, where off is true"}
	case r.Count < 0 || r.Count > maxAlertCount:
		return &Error{key + ".count", strconv.FormatInt(r.Count, 10), fmt.Sprintf("a number from 0 to %d", maxAlertCount)}
	case !counts && r.Count != 0:
		return &Error{key + ".count", strconv.FormatInt(r.Count, 10), "nothing: this rule does not count"}
	case !counts && r.Window != 0:
		return &Error{key + ".window", window.String(), "nothing: this rule does not count"}
	case r.Bytes < 0 || r.Bytes != 0 && r.Rule != "mass-download":
		return &Error{key + ".bytes", strconv.FormatInt(r.Bytes, 10), "a positive number, of mass-download alone"}
	case window != 0 && (window < minAlertWindow || window > maxAlertWindow):
		return &Error{key + ".window", window.String(), "0, or from " + minAlertWindow.String() + " to " + maxAlertWindow.String()}
	case quiet != 0 && (quiet < minAlertWindow || quiet > maxAlertQuiet):
		return &Error{key + ".quiet", quiet.String(), "0, or from " + minAlertWindow.String() + " to " + maxAlertQuiet.String()}
	}
	return nil
}

func (t TimeStamp) validate() error {
	if t.URL == "" {
		if t.CAFile != "" {
			return &Error{"audit.timestamp.ca_file", t.CAFile, "nothing while audit.timestamp.url is not set"}
		}
		return nil
	}
	u, err := url.Parse(t.URL)
	switch {
	case err != nil:
		return &Error{"audit.timestamp.url", "…", "http:// or https://HOST[:PORT][/PATH]"}
	case u.User != nil:
		return &Error{"audit.timestamp.url", u.Redacted(), "no user and password"}
	case u.Hostname() == "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http":
		return &Error{"audit.timestamp.url", t.URL, "http:// or https://HOST[:PORT][/PATH]"}
	case t.CAFile == "" || strings.Contains(t.CAFile, "\x00"):
		return &Error{"audit.timestamp.ca_file", t.CAFile, "a file with the authorities that are trusted for time stamps"}
	}
	return nil
}

func (c Copies) validate() error {
	if c.Endpoint == "" {
		if c != (Copies{}) {
			return &Error{"audit.copies.endpoint", "", "https://HOST[:PORT], where anything else of audit.copies is set"}
		}
		return nil
	}
	if err := validateEndpoint("audit.copies.endpoint", c.Endpoint, "audit.copies.credentials_file"); err != nil {
		return err
	}
	switch {
	case c.Region != "" && !validRegion(c.Region):
		return &Error{"audit.copies.region", c.Region, "an AWS Region such as us-east-1"}
	case c.CredentialsFile == "" || strings.Contains(c.CredentialsFile, "\x00"):
		return &Error{"audit.copies.credentials_file", c.CredentialsFile, "a file in the AWS shared-credentials format"}
	case !bucketPattern.MatchString(c.Bucket):
		return &Error{"audit.copies.bucket", c.Bucket, "the name of a bucket"}
	case strings.HasPrefix(c.Prefix, "/") || strings.ContainsRune(c.Prefix, 0) || len(c.Prefix) > 200:
		return &Error{"audit.copies.prefix", c.Prefix, "a prefix of keys, at most 200 bytes, without a slash at its beginning"}
	case !slices.Contains([]string{"", "GOVERNANCE", "COMPLIANCE"}, c.LockMode):
		return &Error{"audit.copies.lock_mode", c.LockMode, "GOVERNANCE, COMPLIANCE, or nothing"}
	case c.LockMode != "" && (c.LockDays < 1 || c.LockDays > MaxLockDays):
		return &Error{"audit.copies.lock_days", strconv.Itoa(c.LockDays), fmt.Sprintf("a number from 1 to %d, with audit.copies.lock_mode", MaxLockDays)}
	case c.LockMode == "" && c.LockDays != 0:
		return &Error{"audit.copies.lock_days", strconv.Itoa(c.LockDays), "nothing while audit.copies.lock_mode is not set"}
	}
	return nil
}
