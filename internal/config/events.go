package config

import (
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"darkroom/internal/uri"
)

// The values of EventTarget.Type.
const (
	TargetWebhook = "webhook"
	TargetSQS     = "sqs"
	TargetSNS     = "sns"
	TargetNATS    = "nats"
	TargetKafka   = "kafka"
	TargetFile    = "file"
	TargetCommand = "command"
)

// TargetTypes are what EventTarget.Type can be.
var TargetTypes = []string{TargetWebhook, TargetSQS, TargetSNS, TargetNATS, TargetKafka, TargetFile, TargetCommand}

// The values of EventTarget.Format.
const (
	FormatEventBridge       = "eventbridge"
	FormatCloudEvents       = "cloudevents"
	FormatCloudEventsBinary = "cloudevents-binary"
)

// TargetFormats are what EventTarget.Format can be. Empty is the first.
var TargetFormats = []string{FormatEventBridge, FormatCloudEvents, FormatCloudEventsBinary}

// The values of EventTarget.Auth, beside nothing.
const (
	TargetAuthBasic  = "basic"  // of webhook and nats: user and password_file
	TargetAuthHeader = "header" // of webhook: header and value_file
	TargetAuthToken  = "token"  // of nats: token_file
	TargetAuthCreds  = "creds"  // of nats: creds_file
)

// SASL are the mechanisms of kafka.
var SASL = []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}

// Limits of events.
const (
	MaxTargets          = 256
	MaxTargetServers    = 16
	MaxTargetArgs       = 64
	MaxTargetTimeout    = 60  // seconds; of webhook
	MaxCommandTimeout   = 300 // seconds
	MinFileBytes        = 1<<20 + 1
	MaxFileBytes        = 1 << 40
	MaxFileKeep         = 1000
	MinCommandMemoryMiB = 16
	MaxCommandMemoryMiB = 8 << 10
)

// Events are where events go beyond what rules name by themselves. The zero value is no target.
type Events struct {
	// Targets are what rules name as arn:aws:events:REGION:ACCOUNT:target/NAME.
	Targets []EventTarget `yaml:"targets"`
	// DeadLetterBucket takes the events of the main account that no attempt delivered; empty: none.
	DeadLetterBucket string       `yaml:"dead_letter_bucket"`
	SQS              EventService `yaml:"sqs"`
	SNS              EventService `yaml:"sns"`
}

// EventService is where the queues or topics are that rules name by their ARN. The zero value is no such service.
type EventService struct {
	Endpoint        string   `yaml:"endpoint"`         // URL; http:// on loopback only
	Region          string   `yaml:"region"`           // empty: that of the server
	CredentialsFile string   `yaml:"credentials_file"` // AWS shared-credentials format, profile default; others must not read it
	Accounts        []string `yaml:"accounts"`         // whose rules may send there; none: the main account's
}

// EventTarget is one target. What belongs to another type is refused.
type EventTarget struct {
	Name     string   `yaml:"name"`
	Type     string   `yaml:"type"`     // one of TargetTypes
	Format   string   `yaml:"format"`   // one of TargetFormats; empty: the first
	Accounts []string `yaml:"accounts"` // whose rules may send there; none: the main account's

	URL            string            `yaml:"url"`             // of webhook: https://…; http:// on loopback only
	Method         string            `yaml:"method"`          // of webhook: POST, PUT, PATCH; empty: POST
	Headers        map[string]string `yaml:"headers"`         // of webhook: fields that are sent beside; no secret
	SecretFile     string            `yaml:"secret_file"`     // of webhook: whsec_…, one secret or two on lines of their own
	TimeoutSeconds int               `yaml:"timeout_seconds"` // of webhook and command; 0: the default

	ARN   string `yaml:"arn"`   // of sqs and sns
	Group string `yaml:"group"` // of sqs: the group of all messages of a FIFO queue; empty: one for each job

	Servers []string `yaml:"servers"` // of nats and kafka: HOST:PORT
	Subject string   `yaml:"subject"` // of nats
	Stream  string   `yaml:"stream"`  // of nats: the stream of JetStream that has to keep the messages; empty: core NATS
	Topic   string   `yaml:"topic"`   // of kafka
	TLS     *bool    `yaml:"tls"`     // of nats and kafka; without: true. false on loopback only

	Auth         string `yaml:"auth"`          // of webhook and nats: basic, header, token, creds; empty: none
	User         string `yaml:"user"`          // of auth basic, and of sasl
	PasswordFile string `yaml:"password_file"` // of auth basic, and of sasl; as all files here, others must not read it
	Header       string `yaml:"header"`        // of auth header: its name
	ValueFile    string `yaml:"value_file"`    // of auth header
	TokenFile    string `yaml:"token_file"`    // of auth token
	CredsFile    string `yaml:"creds_file"`    // of auth creds: the credentials file of NATS
	SASL         string `yaml:"sasl"`          // of kafka: one of SASL; empty: none

	Path     string `yaml:"path"`      // of file; of command: the file that its output is appended to
	MaxBytes int64  `yaml:"max_bytes"` // of file, and of command with path
	Keep     int    `yaml:"keep"`      // of file, and of command with path: how many older files

	Program   string   `yaml:"program"`    // of command: absolute path
	Args      []string `yaml:"args"`       // of command
	ReadOnly  []string `yaml:"read_only"`  // of command: more paths that it may read
	MemoryMiB int      `yaml:"memory_mib"` // of command; 0: the default
}

var (
	targetPattern  = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`) // the name of an API destination
	subjectPattern = regexp.MustCompile(`^[^\s.*>$\x00-\x20\x7f][^\s.*>\x00-\x20\x7f]*(\.[^\s.*>\x00-\x20\x7f]+)*$`)
	streamPattern  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)
	topicPattern   = regexp.MustCompile(`^[A-Za-z0-9._-]{1,249}$`)
)

func (c Config) validateEvents() error {
	e := c.Events
	if n := len(e.Targets); n > MaxTargets {
		return &Error{"events.targets", strconv.Itoa(n), fmt.Sprintf("at most %d targets", MaxTargets)}
	}
	for i, t := range e.Targets {
		key := fmt.Sprintf("events.targets[%d]", i)
		if err := c.validateTarget(key, t); err != nil {
			return err
		}
		if slices.ContainsFunc(e.Targets[:i], func(o EventTarget) bool { return o.Name == t.Name }) {
			return &Error{key + ".name", t.Name, "each name once"}
		}
	}
	if b := e.DeadLetterBucket; b != "" && !bucketPattern.MatchString(b) {
		return &Error{"events.dead_letter_bucket", b, "the name of a bucket, 3 to 63 characters"}
	}
	if err := c.validateService("events.sqs", e.SQS); err != nil {
		return err
	}
	return c.validateService("events.sns", e.SNS)
}

func (c Config) validateService(key string, s EventService) error {
	switch {
	case s.Endpoint == "" && s.Region != "":
		return &Error{key + ".region", s.Region, "nothing while " + key + ".endpoint is not set"}
	case s.Endpoint == "" && s.CredentialsFile != "":
		return &Error{key + ".credentials_file", s.CredentialsFile, "nothing while " + key + ".endpoint is not set"}
	case s.Endpoint == "" && s.Accounts != nil:
		return &Error{key + ".accounts", strings.Join(s.Accounts, ","), "nothing while " + key + ".endpoint is not set"}
	case s.Endpoint == "":
		return nil
	}
	if err := validateEndpoint(key+".endpoint", s.Endpoint, key+".credentials_file"); err != nil {
		return err
	}
	switch {
	case s.Region != "" && !validRegion(s.Region):
		return &Error{key + ".region", s.Region, "an AWS Region such as us-east-1"}
	case s.CredentialsFile == "" || strings.Contains(s.CredentialsFile, "\x00"):
		return &Error{key + ".credentials_file", s.CredentialsFile, "a file in the AWS shared-credentials format"}
	}
	return c.validateUsers(key, s.Accounts)
}

// validateUsers judges a list of accounts of the installation.
func (c Config) validateUsers(key string, accounts []string) error {
	for i, a := range accounts {
		if a != c.Account && !slices.ContainsFunc(c.Accounts, func(o Account) bool { return o.ID == a }) {
			return &Error{fmt.Sprintf("%s.accounts[%d]", key, i), a, "an account of the installation"}
		}
	}
	return nil
}

// member is one setting of a target.
type member struct {
	name  string
	value string // as it is shown; empty: not given
	types []string
}

// members are the settings of a target and the types that have them, in their order.
func (t EventTarget) members() []member {
	number := func(n int64) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatInt(n, 10)
	}
	encrypted := ""
	if t.TLS != nil {
		encrypted = strconv.FormatBool(*t.TLS)
	}
	headers := ""
	if t.Headers != nil {
		headers = "…"
	}
	web, cloud, brokers, disk, run := []string{TargetWebhook}, []string{TargetSQS, TargetSNS}, []string{TargetNATS, TargetKafka}, []string{TargetFile, TargetCommand}, []string{TargetCommand}
	return []member{
		{"url", t.URL, web},
		{"method", t.Method, web},
		{"headers", headers, web},
		{"secret_file", t.SecretFile, web},
		{"timeout_seconds", number(int64(t.TimeoutSeconds)), []string{TargetWebhook, TargetCommand}},
		{"arn", t.ARN, cloud},
		{"group", t.Group, []string{TargetSQS}},
		{"servers", strings.Join(t.Servers, ","), brokers},
		{"subject", t.Subject, []string{TargetNATS}},
		{"stream", t.Stream, []string{TargetNATS}},
		{"topic", t.Topic, []string{TargetKafka}},
		{"tls", encrypted, brokers},
		{"auth", t.Auth, []string{TargetWebhook, TargetNATS}},
		{"user", t.User, []string{TargetWebhook, TargetNATS, TargetKafka}},
		{"password_file", t.PasswordFile, []string{TargetWebhook, TargetNATS, TargetKafka}},
		{"header", t.Header, web},
		{"value_file", t.ValueFile, web},
		{"token_file", t.TokenFile, []string{TargetNATS}},
		{"creds_file", t.CredsFile, []string{TargetNATS}},
		{"sasl", t.SASL, []string{TargetKafka}},
		{"path", t.Path, disk},
		{"max_bytes", number(t.MaxBytes), disk},
		{"keep", number(int64(t.Keep)), disk},
		{"program", t.Program, run},
		{"args", strings.Join(t.Args, " "), run},
		{"read_only", strings.Join(t.ReadOnly, ","), run},
		{"memory_mib", number(int64(t.MemoryMiB)), run},
	}
}

func (c Config) validateTarget(key string, t EventTarget) error {
	switch {
	case !targetPattern.MatchString(t.Name):
		return &Error{key + ".name", t.Name, "1 to 64 letters, digits, dots, hyphens and underscores"}
	case !slices.Contains(TargetTypes, t.Type):
		return &Error{key + ".type", t.Type, "one of " + strings.Join(TargetTypes, ", ")}
	case t.Format != "" && !slices.Contains(TargetFormats, t.Format):
		return &Error{key + ".format", t.Format, "one of " + strings.Join(TargetFormats, ", ")}
	case t.Format == FormatCloudEventsBinary && t.Type != TargetWebhook:
		return &Error{key + ".format", t.Format, "eventbridge or cloudevents, unless type is webhook"}
	}
	if err := c.validateUsers(key, t.Accounts); err != nil {
		return err
	}
	for _, m := range t.members() {
		switch {
		case m.value == "":
		case !slices.Contains(m.types, t.Type):
			return &Error{key + "." + m.name, m.value, "nothing while " + key + ".type is not " + strings.Join(m.types, " or ")}
		case strings.HasSuffix(m.name, "_file") && strings.Contains(m.value, "\x00"):
			return &Error{key + "." + m.name, m.value, "a file"}
		}
	}
	switch t.Type {
	case TargetWebhook:
		return t.validateWebhook(key)
	case TargetSQS:
		return validateQueue(key, t, "sqs", c.Events.SQS)
	case TargetSNS:
		return validateQueue(key, t, "sns", c.Events.SNS)
	case TargetNATS, TargetKafka:
		return t.validateBroker(key)
	case TargetFile:
		return t.validateFile(key, true)
	}
	return t.validateCommand(key)
}

func (t EventTarget) validateWebhook(key string) error {
	u, err := uri.Parse(t.URL)
	switch {
	case err != nil:
		return &Error{key + ".url", "…", "https://HOST[:PORT][/PATH], without credentials"} // it may be a secret
	case u.Scheme != "https" && !loopback(u.Hostname()):
		return &Error{key + ".url", u.Scheme + "://" + u.Host + "/…", "https://, or http:// on a loopback address"}
	case t.Method != "" && !slices.Contains([]string{"POST", "PUT", "PATCH"}, t.Method):
		return &Error{key + ".method", t.Method, "POST, PUT or PATCH"}
	case t.TimeoutSeconds < 0 || t.TimeoutSeconds > MaxTargetTimeout:
		return &Error{key + ".timeout_seconds", strconv.Itoa(t.TimeoutSeconds), fmt.Sprintf("a number from 1 to %d, or 0 for the default", MaxTargetTimeout)}
	case t.SecretFile == "" && t.Auth == "":
		return &Error{key + ".secret_file", "", "a file with a secret whsec_…, or " + key + ".auth"}
	}
	return t.validateAuth(key, TargetAuthBasic, TargetAuthHeader)
}

// validateAuth judges how a target is told who sends.
func (t EventTarget) validateAuth(key string, allowed ...string) error {
	if t.Auth != "" && !slices.Contains(allowed, t.Auth) {
		return &Error{key + ".auth", t.Auth, strings.Join(allowed, ", ") + ", or nothing"}
	}
	for _, m := range []struct{ auth, name, value string }{
		{TargetAuthBasic, "user", t.User},
		{TargetAuthBasic, "password_file", t.PasswordFile},
		{TargetAuthHeader, "header", t.Header},
		{TargetAuthHeader, "value_file", t.ValueFile},
		{TargetAuthToken, "token_file", t.TokenFile},
		{TargetAuthCreds, "creds_file", t.CredsFile},
	} {
		switch {
		case m.value != "" && m.auth != t.Auth:
			return &Error{key + "." + m.name, m.value, "nothing while " + key + ".auth is not " + m.auth}
		case m.value == "" && m.auth == t.Auth:
			return &Error{key + "." + m.name, "", "something, with " + key + ".auth " + m.auth}
		}
	}
	switch {
	case !validUser(t.User):
		return &Error{key + ".user", t.User, "a name without a colon"}
	case t.Header != "" && !headerPattern.MatchString(t.Header):
		return &Error{key + ".header", t.Header, "the name of a header such as X-Api-Key"}
	}
	return nil
}

func validUser(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r == ':' || r < ' ' || r == 0x7f })
}

func validateQueue(key string, t EventTarget, service string, s EventService) error {
	parts := strings.SplitN(t.ARN, ":", 6)
	switch {
	case len(parts) != 6 || parts[0] != "arn" || parts[2] != service || !validRegion(parts[3]) || !accountPattern.MatchString(parts[4]) || parts[5] == "":
		return &Error{key + ".arn", t.ARN, "arn:aws:" + service + ":REGION:ACCOUNT:NAME"}
	case t.Group != "" && !strings.HasSuffix(t.ARN, ".fifo"):
		return &Error{key + ".group", t.Group, "nothing for a queue that is not FIFO"}
	case s.Endpoint == "":
		return &Error{"events." + service + ".endpoint", "", "the URL of the service, with a target of type " + service}
	}
	return nil
}

func (t EventTarget) validateBroker(key string) error {
	if n := len(t.Servers); n == 0 || n > MaxTargetServers {
		return &Error{key + ".servers", strconv.Itoa(n), fmt.Sprintf("1 to %d servers, HOST:PORT each", MaxTargetServers)}
	}
	for i, s := range t.Servers {
		at := fmt.Sprintf("%s.servers[%d]", key, i)
		host, port, err := net.SplitHostPort(s)
		if n, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || n == 0 || !validHost(host) {
			return &Error{at, s, "HOST:PORT"}
		}
		if t.TLS != nil && !*t.TLS && !loopback(host) {
			return &Error{key + ".tls", "false", "true, unless all servers have loopback addresses"}
		}
	}
	if t.Type == TargetKafka {
		switch {
		case !topicPattern.MatchString(t.Topic) || t.Topic == "." || t.Topic == "..":
			return &Error{key + ".topic", t.Topic, "1 to 249 letters, digits, dots, hyphens and underscores"}
		case t.SASL != "" && !slices.Contains(SASL, t.SASL):
			return &Error{key + ".sasl", t.SASL, strings.Join(SASL, ", ") + ", or nothing"}
		}
		for _, m := range [][2]string{{"user", t.User}, {"password_file", t.PasswordFile}} {
			switch {
			case m[1] != "" && t.SASL == "":
				return &Error{key + "." + m[0], m[1], "nothing while " + key + ".sasl is not set"}
			case m[1] == "" && t.SASL != "":
				return &Error{key + "." + m[0], "", "something, with " + key + ".sasl"}
			}
		}
		return nil
	}
	switch {
	case len(t.Subject) > 255 || !subjectPattern.MatchString(t.Subject):
		return &Error{key + ".subject", t.Subject, "a subject such as darkroom.events, without wildcards"}
	case t.Stream != "" && !streamPattern.MatchString(t.Stream):
		return &Error{key + ".stream", t.Stream, "the name of a stream"}
	}
	return t.validateAuth(key, TargetAuthBasic, TargetAuthToken, TargetAuthCreds)
}

func (t EventTarget) validateFile(key string, needed bool) error {
	if t.Path == "" && !needed {
		for _, m := range t.members() {
			if (m.name == "max_bytes" || m.name == "keep") && m.value != "" {
				return &Error{key + "." + m.name, m.value, "nothing while " + key + ".path is not set"}
			}
		}
		return nil
	}
	switch {
	case !filepath.IsAbs(t.Path) || filepath.Clean(t.Path) != t.Path || t.Path == "/" || strings.Contains(t.Path, "\x00"):
		return &Error{key + ".path", t.Path, "the absolute path of a file"}
	case t.MaxBytes != 0 && (t.MaxBytes < MinFileBytes || t.MaxBytes > MaxFileBytes):
		return &Error{key + ".max_bytes", strconv.FormatInt(t.MaxBytes, 10), fmt.Sprintf("a number from %d to %d, or 0 for the default", MinFileBytes, MaxFileBytes)}
	case t.Keep < 0 || t.Keep > MaxFileKeep:
		return &Error{key + ".keep", strconv.Itoa(t.Keep), fmt.Sprintf("a number from 1 to %d, or 0 for the default", MaxFileKeep)}
	}
	return nil
}

func (t EventTarget) validateCommand(key string) error {
	switch {
	case !filepath.IsAbs(t.Program) || strings.Contains(t.Program, "\x00"):
		return &Error{key + ".program", t.Program, "the absolute path of a program"}
	case len(t.Args) > MaxTargetArgs:
		return &Error{key + ".args", strconv.Itoa(len(t.Args)), fmt.Sprintf("at most %d arguments", MaxTargetArgs)}
	case slices.ContainsFunc(t.Args, func(a string) bool { return strings.Contains(a, "\x00") }):
		return &Error{key + ".args", strings.Join(t.Args, " "), "arguments without NUL"}
	case len(t.ReadOnly) > MaxTargetArgs:
		return &Error{key + ".read_only", strconv.Itoa(len(t.ReadOnly)), fmt.Sprintf("at most %d paths", MaxTargetArgs)}
	case t.TimeoutSeconds < 0 || t.TimeoutSeconds > MaxCommandTimeout:
		return &Error{key + ".timeout_seconds", strconv.Itoa(t.TimeoutSeconds), fmt.Sprintf("a number from 1 to %d, or 0 for the default", MaxCommandTimeout)}
	case t.MemoryMiB != 0 && (t.MemoryMiB < MinCommandMemoryMiB || t.MemoryMiB > MaxCommandMemoryMiB):
		return &Error{key + ".memory_mib", strconv.Itoa(t.MemoryMiB), fmt.Sprintf("a number from %d to %d, or 0 for the default", MinCommandMemoryMiB, MaxCommandMemoryMiB)}
	}
	for i, p := range t.ReadOnly {
		if !filepath.IsAbs(p) || strings.Contains(p, "\x00") {
			return &Error{fmt.Sprintf("%s.read_only[%d]", key, i), p, "an absolute path"}
		}
	}
	return t.validateFile(key, false)
}
