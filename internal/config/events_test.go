package config

import (
	"errors"
	"strings"
	"testing"
)

// allTargets is a target of each type with all that it can have.
const allTargets = `
accounts: [{id: '111122223333'}]
events:
  dead_letter_bucket: dead-letters
  sqs: {endpoint: 'http://127.0.0.1:4566', region: eu-central-1, credentials_file: c, accounts: ['000000000000', '111122223333']}
  sns: {endpoint: 'https://sns.eu-central-1.amazonaws.com', credentials_file: c}
  targets:
  - {name: hook, type: webhook, url: 'https://hooks.example.com/a?b=c', method: PUT, headers: {X-Team: dailies}, secret_file: s, timeout_seconds: 30, format: cloudevents-binary, auth: header, header: X-Api-Key, value_file: v}
  - {name: hook.basic, type: webhook, url: 'http://127.0.0.1:8080/', auth: basic, user: u, password_file: p, accounts: ['111122223333']}
  - {name: queue, type: sqs, arn: 'arn:aws:sqs:eu-central-1:000000000000:q.fifo', group: all}
  - {name: topic, type: sns, arn: 'arn:aws:sns:eu-central-1:000000000000:t'}
  - {name: bus, type: nats, servers: ['n1.example.com:4222', '[2001:db8::1]:4222'], subject: darkroom.events, stream: EVENTS, auth: creds, creds_file: c, format: cloudevents}
  - {name: bus2, type: nats, servers: ['127.0.0.1:4222'], subject: a, tls: false, auth: token, token_file: t}
  - {name: log, type: kafka, servers: ['k.example.com:9093'], topic: events, tls: true, sasl: SCRAM-SHA-512, user: u, password_file: p}
  - {name: disk, type: file, path: /var/log/darkroom/events.ndjson, max_bytes: 10000000, keep: 3}
  - {name: filter, type: command, program: /usr/bin/jq, args: ['-c', .detail], read_only: [/etc/filters], timeout_seconds: 5, memory_mib: 64, path: /var/log/darkroom/filtered.ndjson}
`

func TestEvents(t *testing.T) {
	t.Parallel()
	c, err := Read(strings.NewReader(allTargets))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, target := range c.Events.Targets {
		seen[target.Type] = true
	}
	if len(seen) != len(TargetTypes) {
		t.Errorf("targets of types %v, want each of %v", seen, TargetTypes)
	}
}

func TestEventsThatAreWrong(t *testing.T) {
	t.Parallel()
	one := func(text string) string { return "events: {targets: [{name: n, " + text + "}]}" }
	web := "type: webhook, url: 'https://h/', secret_file: s"
	bus := "type: nats, servers: ['h:1'], subject: s"
	log := "type: kafka, servers: ['h:1'], topic: t"
	run := "type: command, program: /bin/true"
	at := "events.targets[0]."
	tests := []struct{ text, key, value string }{
		{"events: {targets: [{type: file, path: /a}]}", at + "name", ""},
		{"events: {targets: [{name: 'a b', type: file, path: /a}]}", at + "name", "a b"},
		{"events: {targets: [{name: n, type: file, path: /a}, {name: n, type: file, path: /b}]}", "events.targets[1].name", "n"},
		{one("path: /a"), at + "type", ""},
		{one("type: lambda"), at + "type", "lambda"},
		{one("type: file, path: /a, format: xml"), at + "format", "xml"},
		{one("type: file, path: /a, format: cloudevents-binary"), at + "format", "cloudevents-binary"},
		{one("type: file, path: /a, accounts: ['111122223333']"), at + "accounts[0]", "111122223333"},
		{one("type: file, path: /a, url: 'https://h'"), at + "url", "https://h"},
		{one("type: file, path: /a, secret_file: s"), at + "secret_file", "s"},
		{one("type: webhook, secret_file: s"), at + "url", "…"},
		{one("type: webhook, url: 'https://u:hush@h/', secret_file: s"), at + "url", "…"},
		{one("type: webhook, url: 'http://h/hush', secret_file: s"), at + "url", "http://h/…"},
		{one("type: webhook, url: 'http://localhost/', secret_file: s"), at + "url", "http://localhost/…"},
		{one("type: webhook, url: 'https://h/'"), at + "secret_file", ""},
		{one(web + ", method: GET"), at + "method", "GET"},
		{one(web + ", timeout_seconds: 61"), at + "timeout_seconds", "61"},
		{one(web + ", auth: token"), at + "auth", "token"},
		{one(web + ", auth: basic, user: u"), at + "password_file", ""},
		{one(web + ", auth: basic, user: 'a:b', password_file: p"), at + "user", "a:b"},
		{one(web + ", auth: header, header: 'X Y', value_file: v"), at + "header", "X Y"},
		{one(web + ", value_file: v"), at + "value_file", "v"},
		{one(web + ", token_file: v"), at + "token_file", "v"},
		{one(`type: webhook, url: 'https://h/', secret_file: "a\0b"`), at + "secret_file", "a\x00b"},
		{one("type: sqs, arn: q"), at + "arn", "q"},
		{one("type: sqs, arn: 'arn:aws:sns:us-east-1:000000000000:q'"), at + "arn", "arn:aws:sns:us-east-1:000000000000:q"},
		{one("type: sqs, arn: 'arn:aws:sqs:us-east-1:000000000000:q', group: g"), at + "group", "g"},
		{one("type: sqs, arn: 'arn:aws:sqs:us-east-1:000000000000:q'"), "events.sqs.endpoint", ""},
		{one("type: sns, arn: 'arn:aws:sns:us-east-1:000000000000:q'"), "events.sns.endpoint", ""},
		{one("type: nats, subject: s"), at + "servers", "0"},
		{one("type: nats, servers: [h], subject: s"), at + "servers[0]", "h"},
		{one("type: nats, servers: ['h:0'], subject: s"), at + "servers[0]", "h:0"},
		{one("type: nats, servers: ['nats://h:1'], subject: s"), at + "servers[0]", "nats://h:1"},
		{one("type: nats, servers: ['h:1'], subject: 'a.*'"), at + "subject", "a.*"},
		{one(bus + ", stream: 'a.b'"), at + "stream", "a.b"},
		{one(bus + ", tls: false"), at + "tls", "false"},
		{one(bus + ", auth: header, header: h, value_file: v"), at + "header", "h"},
		{one(bus + ", auth: creds"), at + "creds_file", ""},
		{one(bus + ", topic: t"), at + "topic", "t"},
		{one("type: kafka, servers: ['h:1'], topic: 'a b'"), at + "topic", "a b"},
		{one("type: kafka, servers: ['127.0.0.1:1', 'h:1'], topic: t, tls: false"), at + "tls", "false"},
		{one(log + ", sasl: GSSAPI"), at + "sasl", "GSSAPI"},
		{one(log + ", sasl: PLAIN, user: u"), at + "password_file", ""},
		{one(log + ", user: u"), at + "user", "u"},
		{one(log + ", auth: basic"), at + "auth", "basic"},
		{one("type: file"), at + "path", ""},
		{one("type: file, path: a"), at + "path", "a"},
		{one("type: file, path: /a/../b"), at + "path", "/a/../b"},
		{one("type: file, path: /a, max_bytes: 5"), at + "max_bytes", "5"},
		{one("type: file, path: /a, keep: 1001"), at + "keep", "1001"},
		{one("type: command"), at + "program", ""},
		{one("type: command, program: jq"), at + "program", "jq"},
		{one(run + ", timeout_seconds: 301"), at + "timeout_seconds", "301"},
		{one(run + ", memory_mib: 1"), at + "memory_mib", "1"},
		{one(run + ", read_only: [a]"), at + "read_only[0]", "a"},
		{one(run + ", keep: 1"), at + "keep", "1"},
		{one(run + ", path: a"), at + "path", "a"},
		{"events: {dead_letter_bucket: A}", "events.dead_letter_bucket", "A"},
		{"events: {sqs: {region: us-east-1}}", "events.sqs.region", "us-east-1"},
		{"events: {sqs: {credentials_file: c}}", "events.sqs.credentials_file", "c"},
		{"events: {sns: {accounts: ['000000000000']}}", "events.sns.accounts", "000000000000"},
		{"events: {sns: {endpoint: 'http://h', credentials_file: c}}", "events.sns.endpoint", "http://h"},
		{"events: {sns: {endpoint: 'https://u:hush@h', credentials_file: c}}", "events.sns.endpoint", "https://u:xxxxx@h"},
		{"events: {sqs: {endpoint: 'https://h'}}", "events.sqs.credentials_file", ""},
		{"events: {sqs: {endpoint: 'https://h', credentials_file: c, region: '!'}}", "events.sqs.region", "!"},
		{"events: {sqs: {endpoint: 'https://h', credentials_file: c, accounts: ['1']}}", "events.sqs.accounts[0]", "1"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			_, err := Read(strings.NewReader(tt.text))
			var got *Error
			if !errors.As(err, &got) {
				t.Fatalf("got %v, want an *Error", err)
			}
			if got.Key != tt.key || got.Value != tt.value || got.Allowed == "" {
				t.Errorf("got key %q, value %q, allowed %q, want key %q, value %q", got.Key, got.Value, got.Allowed, tt.key, tt.value)
			}
			if strings.Contains(err.Error(), "hush") {
				t.Errorf("the message shows a secret: %s", err)
			}
		})
	}
	if _, err := Read(strings.NewReader(one("type: file, path: /a, secret: whsec_hush"))); err == nil || !strings.Contains(err.Error(), `"secret"`) {
		t.Errorf("a key that is not known: %v", err)
	}
}
