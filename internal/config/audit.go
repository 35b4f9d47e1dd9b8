package config

import (
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// Audit is how the audit trail is kept and handed out. The zero value works.
type Audit struct {
	DeliveryPeriod Period `yaml:"delivery_period"` // between deliveries of log files to the buckets of trails; 0: 5m
	DigestPeriod   Period `yaml:"digest_period"`   // between signed digests; 0: 1h
	KeyLife        Period `yaml:"key_life"`        // how long a key signs digests before another is made; 0: 8760h

	Feeds     []Feed    `yaml:"feeds"`     // who else gets every record
	Alerts    []Alert   `yaml:"alerts"`    // rules that alert otherwise than by default
	TimeStamp TimeStamp `yaml:"timestamp"` // of digests, by an authority
	Copies    Copies    `yaml:"copies"`    // of digests, in a second object store
}

// Period is a duration that the file writes as 30s, 5m or 1h.
type Period time.Duration

// MarshalYAML writes a Period as it is read.
func (p Period) MarshalYAML() (any, error) { return time.Duration(p).String(), nil }

// UnmarshalYAML reads a Period.
func (p *Period) UnmarshalYAML(text []byte) error {
	var s string
	err := yaml.Unmarshal(text, &s)
	var d time.Duration
	if err == nil {
		d, err = time.ParseDuration(s)
	}
	if err != nil {
		return &Error{"audit", strings.TrimSpace(string(text)), "durations such as 5m"}
	}
	*p = Period(d)
	return nil
}

// The bounds of the audit trail's periods.
const (
	minPeriod   = time.Second
	maxDelivery = time.Hour
	maxDigest   = 24 * time.Hour
	maxKeyLife  = 10 * 365 * 24 * time.Hour
)

func (a Audit) validate() error {
	for _, x := range []struct {
		key      string
		value    Period
		min, max time.Duration
	}{
		{"audit.delivery_period", a.DeliveryPeriod, minPeriod, maxDelivery},
		{"audit.digest_period", a.DigestPeriod, minPeriod, maxDigest},
		{"audit.key_life", a.KeyLife, maxDigest, maxKeyLife},
	} {
		if d := time.Duration(x.value); d != 0 && (d < x.min || d > x.max) {
			return &Error{x.key, d.String(), "0, or from " + x.min.String() + " to " + x.max.String()}
		}
	}
	return a.validateWatch()
}
