package config

import (
	"flag"
	"net/url"
	"strconv"
	"strings"
)

// Metrics are what Prometheus scrapes. The zero value serves none.
type Metrics struct {
	Listen string `yaml:"listen"` // HOST:PORT of a listener of its own; beside loopback with TLS and a token alone; empty: none
	// TLS has the listener show the certificate of the server.
	TLS       bool   `yaml:"tls"`
	TokenFile string `yaml:"token_file"` // what a scraper shows as a bearer token; others must not read it
}

// Traces are what is sent to an OpenTelemetry collector, by OTLP over HTTP. The zero value sends none. Connections are for the purpose telemetry.
type Traces struct {
	Endpoint      string  `yaml:"endpoint"`       // URL; http:// on loopback only; without a path /v1/traces
	Sample        float64 `yaml:"sample"`         // the share of traces that is kept, from 0 to 1
	TokenFile     string  `yaml:"token_file"`     // what the collector is shown as a bearer token; others must not read it
	AcceptParents bool    `yaml:"accept_parents"` // callers say by traceparent which trace a request belongs to
	ObjectNames   bool    `yaml:"object_names"`   // spans name buckets and keys
}

func (m Metrics) validate(insecure bool) error {
	switch {
	case m.Listen == "" && m.TLS:
		return &Error{"metrics.tls", "true", "nothing while metrics.listen is not set"}
	case m.Listen == "" && m.TokenFile != "":
		return &Error{"metrics.token_file", m.TokenFile, "nothing while metrics.listen is not set"}
	case m.Listen == "":
		return nil
	case !validListen(m.Listen):
		return &Error{"metrics.listen", m.Listen, "HOST:PORT, with a port from 0 to 65535"}
	case m.TLS && insecure:
		return &Error{"metrics.tls", "true", "false, where insecure_http is set: there is no certificate"}
	case !loopbackAddress(m.Listen) && !m.TLS:
		return &Error{"metrics.listen", m.Listen, "a loopback address such as 127.0.0.1 or ::1, unless metrics.tls and metrics.token_file are set"}
	case !loopbackAddress(m.Listen) && m.TokenFile == "":
		return &Error{"metrics.token_file", "", "a file, unless metrics.listen is a loopback address"}
	case strings.Contains(m.TokenFile, "\x00"):
		return &Error{"metrics.token_file", m.TokenFile, "a file"}
	}
	return nil
}

func (t Traces) validate() error {
	if t.Endpoint == "" {
		switch {
		case t.Sample != Default().Traces.Sample:
			return &Error{"traces.sample", strconv.FormatFloat(t.Sample, 'g', -1, 64), "nothing while traces.endpoint is not set"}
		case t.TokenFile != "":
			return &Error{"traces.token_file", t.TokenFile, "nothing while traces.endpoint is not set"}
		case t.AcceptParents:
			return &Error{"traces.accept_parents", "true", "nothing while traces.endpoint is not set"}
		case t.ObjectNames:
			return &Error{"traces.object_names", "true", "nothing while traces.endpoint is not set"}
		}
		return nil
	}
	u, err := url.Parse(t.Endpoint)
	switch {
	case err != nil:
		return &Error{"traces.endpoint", "…", "https://HOST[:PORT][/PATH]"}
	case u.User != nil:
		return &Error{"traces.endpoint", u.Redacted(), "no user and password: a token stands in traces.token_file"}
	case u.Hostname() == "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http":
		return &Error{"traces.endpoint", t.Endpoint, "https://HOST[:PORT][/PATH]"}
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return &Error{"traces.endpoint", t.Endpoint, "https://, or http:// on a loopback address"}
	case !(t.Sample >= 0 && t.Sample <= 1): // NaN is neither
		return &Error{"traces.sample", strconv.FormatFloat(t.Sample, 'g', -1, 64), "a number from 0 to 1"}
	case strings.Contains(t.TokenFile, "\x00"):
		return &Error{"traces.token_file", t.TokenFile, "a file"}
	}
	return nil
}

func (c *Config) addObserveFlags(fs *flag.FlagSet) {
	fs.StringVar(&c.Metrics.Listen, "metrics-listen", c.Metrics.Listen, "`HOST:PORT` to serve metrics for Prometheus on; empty is none")
	fs.BoolVar(&c.Metrics.TLS, "metrics-tls", c.Metrics.TLS, "serve metrics over TLS, with the certificate of the server")
	fs.StringVar(&c.Metrics.TokenFile, "metrics-token-file", c.Metrics.TokenFile, "`FILE` with the bearer token of who may read metrics")
	fs.StringVar(&c.Traces.Endpoint, "traces-endpoint", c.Traces.Endpoint, "`URL` of an OpenTelemetry collector to send traces to (OTLP over HTTP); empty is none")
	fs.Float64Var(&c.Traces.Sample, "traces-sample", c.Traces.Sample, "share of traces that is kept, from 0 to 1")
	fs.StringVar(&c.Traces.TokenFile, "traces-token-file", c.Traces.TokenFile, "`FILE` with the bearer token for the collector")
	fs.BoolVar(&c.Traces.AcceptParents, "traces-accept-parents", c.Traces.AcceptParents, "let callers say by traceparent which trace a request belongs to")
	fs.BoolVar(&c.Traces.ObjectNames, "traces-object-names", c.Traces.ObjectNames, "name buckets and keys in traces")
}
