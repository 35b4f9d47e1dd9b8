package config

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestWatch(t *testing.T) {
	t.Parallel()
	c, err := Read(strings.NewReader(`
audit:
  feeds:
    - {name: siem, format: ecs, url: "https://siem.example.com/in?x=1", token_file: /etc/token}
    - {name: disk, format: ocsf, file: /var/log/darkroom/audit.ndjson, max_bytes: 1048576, keep: 3}
  alerts:
    - {rule: mass-download, count: 5, bytes: 1000, window: 10m, quiet: 2h}
    - {rule: sign-in-without-mfa, on: true}
  timestamp: {url: "http://tsa.example.com", ca_file: /etc/tsa.pem}
  copies: {endpoint: "https://s3.example.com", credentials_file: /etc/keys, bucket: witness, lock_mode: COMPLIANCE, lock_days: 400}
`))
	if err != nil {
		t.Fatal(err)
	}
	if a := c.Audit; len(a.Feeds) != 2 || a.Feeds[1].Keep != 3 || time.Duration(a.Alerts[0].Window) != 10*time.Minute || !a.Alerts[1].On || a.Copies.LockDays != 400 {
		t.Errorf("got %+v", a)
	}
	const feed = "audit: {feeds: [{name: a, format: ecs, "
	for _, c := range []struct{ name, text, key string }{
		{"no name", "audit: {feeds: [{format: ecs, file: /x}]}", "audit.feeds[0].name"},
		{"no format", "audit: {feeds: [{name: a, file: /x}]}", "audit.feeds[0].format"},
		{"a format that is none", "audit: {feeds: [{name: a, format: cef, file: /x}]}", "audit.feeds[0].format"},
		{"no target", "audit: {feeds: [{name: a, format: ecs}]}", "audit.feeds[0]"},
		{"two targets", feed + "file: /x, url: 'https://h'}]}", "audit.feeds[0]"},
		{"a relative file", feed + "file: x}]}", "audit.feeds[0].file"},
		{"a directory", feed + "file: /x/}]}", "audit.feeds[0].file"},
		{"a small file", feed + "file: /x, max_bytes: 5}]}", "audit.feeds[0].max_bytes"},
		{"a token for a file", feed + "file: /x, token_file: /t}]}", "audit.feeds[0].token_file"},
		{"plain http", feed + "url: 'http://siem.example.com'}]}", "audit.feeds[0].url"},
		{"a password", feed + "url: 'https://u:p@siem.example.com'}]}", "audit.feeds[0].url"},
		{"files of an address", feed + "url: 'https://h', keep: 3}]}", "audit.feeds[0]"},
		{"a name twice", "audit: {feeds: [{name: a, format: ecs, file: /x}, {name: a, format: ecs, file: /y}]}", "audit.feeds[1].name"},
		{"a file twice", "audit: {feeds: [{name: a, format: ecs, file: /x}, {name: b, format: ecs, file: //x}]}", "audit.feeds[1].file"},
		{"a rule that is none", "audit: {alerts: [{rule: nonsense}]}", "audit.alerts[0].rule"},
		{"a rule twice", "audit: {alerts: [{rule: root-used}, {rule: root-used}]}", "audit.alerts[1].rule"},
		{"on and off", "audit: {alerts: [{rule: root-used, on: true, off: true}]}", "audit.alerts[0].on"},
		{"bytes of another rule", "audit: {alerts: [{rule: root-used, bytes: 5}]}", "audit.alerts[0].bytes"},
		{"a count of what does not count", "audit: {alerts: [{rule: audit-gap, count: 5}]}", "audit.alerts[0].count"},
		{"a window of what does not count", "audit: {alerts: [{rule: audit-gap, window: 5m}]}", "audit.alerts[0].window"},
		{"a short window", "audit: {alerts: [{rule: root-used, window: 5s}]}", "audit.alerts[0].window"},
		{"a long quiet", "audit: {alerts: [{rule: root-used, quiet: 999h}]}", "audit.alerts[0].quiet"},
		{"no authority", "audit: {timestamp: {url: 'http://tsa'}}", "audit.timestamp.ca_file"},
		{"an authority for nothing", "audit: {timestamp: {ca_file: /x}}", "audit.timestamp.ca_file"},
		{"an odd address", "audit: {timestamp: {url: 'ftp://tsa', ca_file: /x}}", "audit.timestamp.url"},
		{"copies to nowhere", "audit: {copies: {bucket: b}}", "audit.copies.endpoint"},
		{"copies for nobody", "audit: {copies: {endpoint: 'https://s3', bucket: bbb}}", "audit.copies.credentials_file"},
		{"no bucket", "audit: {copies: {endpoint: 'https://s3', credentials_file: /x}}", "audit.copies.bucket"},
		{"a lock without end", "audit: {copies: {endpoint: 'https://s3', credentials_file: /x, bucket: bbb, lock_mode: GOVERNANCE}}", "audit.copies.lock_days"},
		{"days without a lock", "audit: {copies: {endpoint: 'https://s3', credentials_file: /x, bucket: bbb, lock_days: 3}}", "audit.copies.lock_days"},
		{"a lock that is none", "audit: {copies: {endpoint: 'https://s3', credentials_file: /x, bucket: bbb, lock_mode: maybe, lock_days: 3}}", "audit.copies.lock_mode"},
	} {
		_, err := Read(strings.NewReader(c.text))
		if wrong, ok := errors.AsType[*Error](err); !ok || wrong.Key != c.key {
			t.Errorf("%s: got %v, want one of %s", c.name, err, c.key)
		}
	}
}
