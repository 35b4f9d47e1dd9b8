package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"darkroom/internal/config"
	"darkroom/internal/target"
	"darkroom/internal/target/kafka"
	"darkroom/internal/target/webhook"
)

// What the configuration allows is what there is.
func TestTargetWords(t *testing.T) {
	t.Parallel()
	var formats []string
	for _, f := range target.Formats {
		formats = append(formats, string(f))
	}
	if !slices.Equal(formats, config.TargetFormats) {
		t.Errorf("formats %v, the configuration allows %v", formats, config.TargetFormats)
	}
	if !slices.Equal(kafka.Mechanisms, config.SASL) {
		t.Errorf("mechanisms %v, the configuration allows %v", kafka.Mechanisms, config.SASL)
	}
	if !slices.Equal(webhook.Methods, []string{"POST", "PUT", "PATCH"}) || webhook.MaxTimeout.Seconds() != config.MaxTargetTimeout {
		t.Error("the configuration allows other methods or times than a webhook has")
	}
}

// setUp writes a configuration and the files that it names, DIR being where they are.
func setUp(t *testing.T, text string) (dir, name string) {
	t.Helper()
	dir = t.TempDir()
	secret := "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("k"), 32))
	for file, content := range map[string]string{
		"secret": secret, "bad": "s3cret-that-is-none", "empty": "", "text": "s3cret-value", "credentials": "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = s3cret-key\n",
		"config.yaml": strings.ReplaceAll(text, "DIR", dir),
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "open"), []byte(secret), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir, filepath.Join(dir, "config.yaml")
}

func opened(t *testing.T, text string) (*targets, error) {
	t.Helper()
	_, name := setUp(t, text)
	cfg, err := config.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	door, err := ownDoor(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return openTargets(cfg, door)
}

// What cannot be read is said at the start, by the name of the target and the key.
func TestOpenTargets(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, target, want string }{
		{"secret that others can read", "type: webhook, url: 'https://h/', secret_file: DIR/open", "secret_file"},
		{"no secret file", "type: webhook, url: 'https://h/', secret_file: DIR/none", "secret_file"},
		{"empty secret file", "type: webhook, url: 'https://h/', secret_file: DIR/empty", "secret_file"},
		{"secret that is none", "type: webhook, url: 'https://h/', secret_file: DIR/bad", "secret_file"},
		{"no value", "type: webhook, url: 'https://h/', auth: header, header: X-Key, value_file: DIR/none", "value_file"},
		{"empty value", "type: webhook, url: 'https://h/', auth: header, header: X-Key, value_file: DIR/empty", "value_file"},
		{"header of the request itself", "type: webhook, url: 'https://h/', auth: header, header: Content-Length, value_file: DIR/text", "Content-Length"},
		{"fields of the request itself", "type: webhook, url: 'https://h/', secret_file: DIR/secret, headers: {Host: x}", "Host"},
		{"no password", "type: kafka, servers: ['h:1'], topic: t, sasl: PLAIN, user: u, password_file: DIR/none", "password_file"},
		{"no token", "type: nats, servers: ['h:1'], subject: s, auth: token, token_file: DIR/none", "token_file"},
		{"no creds", "type: nats, servers: ['h:1'], subject: s, auth: creds, creds_file: DIR/none", "creds_file"},
		{"good webhook", "type: webhook, url: 'https://h/', secret_file: DIR/secret", ""},
		{"good file", "type: file, path: DIR/events.ndjson", ""},
		{"good kafka", "type: kafka, servers: ['h:1'], topic: t, sasl: PLAIN, user: u, password_file: DIR/text", ""},
		{"good nats", "type: nats, servers: ['h:1'], subject: s, auth: basic, user: u, password_file: DIR/text", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := opened(t, "events: {targets: [{name: mine, "+test.target+"}]}")
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want == "":
			case err == nil || !strings.Contains(err.Error(), "events.targets[0] (mine)") || !strings.Contains(err.Error(), test.want):
				t.Errorf("got %v, want an error that names the target and %s", err, test.want)
			case strings.Contains(err.Error(), "s3cret-"):
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
	t.Run("credentials of a service", func(t *testing.T) {
		t.Parallel()
		if _, err := opened(t, "events: {sqs: {endpoint: 'https://h', credentials_file: DIR/none}}"); err == nil || !strings.Contains(err.Error(), "events.sqs") {
			t.Errorf("got %v", err)
		}
	})
}

// A rule reaches what its account may use, under the account's own ARNs, and learns nothing of what others have.
func TestFindTargets(t *testing.T) {
	t.Parallel()
	const main, other, third = "000000000000", "111122223333", "444455556666"
	all, err := opened(t, `
accounts: [{id: '111122223333'}, {id: '444455556666'}]
events:
  sqs: {endpoint: 'https://sqs.example.com', credentials_file: DIR/credentials, accounts: ['111122223333']}
  targets:
  - {name: ours, type: file, path: DIR/a}
  - {name: shared, type: file, path: DIR/b, format: cloudevents, accounts: ['000000000000', '111122223333']}
`)
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	own := func(account, name string) string { return "arn:aws:events:us-east-1:" + account + ":target/" + name }
	tests := []struct {
		name, account, arn string
		want               bool
	}{
		{"of the main account", main, own(main, "ours"), true},
		{"of another", other, own(other, "ours"), false},
		{"by the ARN of the main account", other, own(main, "ours"), false},
		{"shared", main, own(main, "shared"), true},
		{"shared with another", other, own(other, "shared"), true},
		{"not shared with a third", third, own(third, "shared"), false},
		{"no name", main, own(main, ""), false},
		{"none", main, own(main, "none"), false},
		{"another Region", main, "arn:aws:events:eu-west-1:000000000000:target/ours", false},
		{"queue of an account that may", other, "arn:aws:sqs:us-east-1:111122223333:q", true},
		{"queue of an account that may not", main, "arn:aws:sqs:us-east-1:000000000000:q", false},
		{"queue that is none", other, "arn:aws:sqs:us-east-1:111122223333:q/r", false},
		{"topic without a service", other, "arn:aws:sns:us-east-1:111122223333:t", false},
		{"function", main, "arn:aws:lambda:us-east-1:000000000000:function:f", false},
		{"no ARN", main, "ours", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if err := all.Known(test.account, test.arn); (err == nil) != test.want {
				t.Errorf("Known = %v, want %v", err, test.want)
			}
			s, _, err := all.Open(test.account, test.arn, "")
			var no *target.Refused
			if (err == nil) != test.want || err != nil && !errors.As(err, &no) {
				t.Errorf("Open = %v, want success: %v, or a refusal", err, test.want)
			}
			if err == nil {
				_ = s.Close()
			}
		})
	}
	if _, f, err := all.Open(main, own(main, "shared"), ""); err != nil || f != target.CloudEvents {
		t.Errorf("format %q, %v", f, err)
	}
	hidden, none := all.Known(third, own(third, "shared")), all.Known(third, own(third, "none"))
	if hidden.Error() != none.Error() {
		t.Errorf("%q tells of a target of others; of none it is said %q", hidden, none)
	}
}

// The command sends one event and says what came of it.
func TestEventsTest(t *testing.T) {
	t.Parallel()
	verifier, err := standardwebhooks.NewWebhook("whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("k"), 32)))
	if err != nil {
		t.Fatal(err)
	}
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = verifier.Verify(body, r.Header)
		}
		if err != nil {
			t.Errorf("the receiver: %v", err)
		}
		if strings.HasPrefix(r.URL.Path, "/gone") {
			w.WriteHeader(http.StatusGone)
			return
		}
	}))
	defer hook.Close()
	_, port, err := net.SplitHostPort(hook.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	dir, name := setUp(t, fmt.Sprintf(`
egress: {allow: [{net: 127.0.0.1/32, ports: [%s], for: [webhook]}]}
events:
  targets:
  - {name: hook, type: webhook, url: '%s/s3cret-path', secret_file: DIR/secret}
  - {name: gone, type: webhook, url: '%s/gone/s3cret-path', secret_file: DIR/secret}
  - {name: inside, type: webhook, url: 'https://169.254.169.254/latest', secret_file: DIR/secret}
  - {name: file, type: file, path: DIR/events.ndjson, format: cloudevents}
  - {name: broken, type: webhook, url: 'https://h/', secret_file: DIR/none}
`, port, hook.URL, hook.URL))
	tests := []struct {
		name string
		args []string
		code int
		want string
	}{
		{"taken", []string{"events", "test", "hook", "--config", name}, exitOK, "hook (webhook) took event "},
		{"gone", []string{"events", "test", "gone", "--config", name}, exitFailed, "HTTP status 410"},
		{"an address that is not open", []string{"events", "test", "inside", "--config", name}, exitFailed, "are not allowed for webhook"},
		{"file", []string{"events", "test", "--config", name, "file"}, exitOK, "file (file) took event "},
		{"broken", []string{"events", "test", "broken", "--config", name}, exitFailed, "secret_file"},
		{"no such target", []string{"events", "test", "none", "--config", name}, exitUsage, "it has: hook, gone, inside, file, broken"},
		{"no name", []string{"events", "test", "--config", name}, exitUsage, "one name"},
		{"no configuration", []string{"events", "test", "hook"}, exitUsage, "--config FILE"},
		{"no file", []string{"events", "test", "hook", "--config", filepath.Join(dir, "none.yaml")}, exitUsage, "none.yaml"},
		{"no verb", []string{"events"}, exitUsage, "test"},
		{"another verb", []string{"events", "dance"}, exitUsage, "dance"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := start(test.args, &stdout, &stderr)
			said := stdout.String() + stderr.String()
			if code != test.code || !strings.Contains(said, test.want) {
				t.Errorf("exit %d, want %d; said %q, want %q", code, test.code, said, test.want)
			}
			if strings.Contains(said, "s3cret-") {
				t.Errorf("it shows a secret: %s", said)
			}
		})
	}
	content, err := os.ReadFile(filepath.Join(dir, "events.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(content, []byte("\n")); n != 1 || !bytes.Contains(content, []byte(`"type":"darkroom.test_event"`)) {
		t.Errorf("%d lines: %s", n, content)
	}
}
