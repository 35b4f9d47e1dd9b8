package config

import (
	"errors"
	"flag"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// want is Default changed by edit, for what a file should give.
func want(edit func(*Config)) Config {
	c := Default()
	edit(&c)
	return c
}

const full = `
data: /var/lib/darkroom
listen: "[::1]:0"
hosts: [media.example.org, 192.0.2.7]
region: eu-central-1
account: "012345678901"
log_level: debug
insecure_http: true
require_sandbox: true
drain: 1m30s
ffmpeg: /opt/ffmpeg
ffprobe: /opt/ffprobe
accounts:
  - {id: "111122223333", guard_rails: [/etc/darkroom/rail.json]}
  - id: "444455556666"
s3:
  endpoint: https://objects.example.org:8443
  region: us-west-2
  path_style: true
  credentials_file: /etc/darkroom/s3
  assume_roles: true
  sts_endpoint: https://sts.example.org
  honours: [sse-s3, acl]
root:
  kind: transit
  transit:
    address: https://vault.example.org:8200
    namespace: media/
    mount: team/transit
    key: darkroom
    role_id_file: /etc/darkroom/role
    secret_id_file: /etc/darkroom/secret
    approle_mount: machines
egress:
  allow:
    - {net: 10.1.0.0/16, ports: [443, 8443], for: [input, speke]}
    - net: fd00::/8
      ports: [443]
      for: [storage]
  restrict:
    - {for: [input], hosts: [media.example.org, "*.cdn.example.org"], ports: [443]}
    - {for: [speke, webhook], nets: [192.0.2.0/24]}
  ca_file: /etc/darkroom/ca.pem
  rate: 10000000
speke:
  servers:
    - {url: 'https://keys.example.org/speke', auth: sigv4, region: us-west-2, credentials_file: /etc/darkroom/keys}
    - {url: 'https://bearer.example.org', auth: bearer, token_file: /etc/darkroom/token}
    - {url: 'https://basic.example.org:8443', auth: basic, user: packager, password_file: /etc/darkroom/password}
    - {url: 'https://header.example.org', auth: header, header: X-Api-Key, value_file: /etc/darkroom/value}
    - {url: 'https://mtls.example.org', auth: mtls, certificate_file: /etc/darkroom/c.pem, key_file: /etc/darkroom/k.pem}
    - {url: 'https://none.example.org', auth: none}
worker:
  concurrency: 3
retention_days: 7
retention: {audit_days: 500, event_days: 20, upload_days: 10}
provenance: {for: [mastering]}
fips: approved
throttle: {rate: 2.5, burst: 100}
metrics: {listen: "127.0.0.1:9464", token_file: /etc/darkroom/scraper}
traces: {endpoint: "https://collector.example:4318/otlp", sample: 0.25, token_file: /etc/darkroom/collector, accept_parents: true, object_names: true}
keyserver: true
keyserver_keys: deterministic
keyserver_url: https://keys.example.org:8443
keyserver_credentials_file: /etc/darkroom/encryptors
player_assets: /usr/share/darkroom/player
`

func fullConfig() Config {
	return Config{
		Data: "/var/lib/darkroom", Listen: "[::1]:0", Hosts: []string{"media.example.org", "192.0.2.7"},
		Region: "eu-central-1", Account: "012345678901", LogLevel: "debug", InsecureHTTP: true, FIPS: FIPSApproved, RequireSandbox: true,
		Drain: 90 * time.Second, FFmpeg: "/opt/ffmpeg", FFprobe: "/opt/ffprobe",
		RetentionDays: 7, Retention: Retention{AuditDays: 500, EventDays: 20, UploadDays: 10}, Provenance: Provenance{For: []string{"mastering"}}, Throttle: Throttle{Rate: 2.5, Burst: 100},
		Metrics:   Metrics{Listen: "127.0.0.1:9464", TokenFile: "/etc/darkroom/scraper"},
		Traces:    Traces{Endpoint: "https://collector.example:4318/otlp", Sample: 0.25, TokenFile: "/etc/darkroom/collector", AcceptParents: true, ObjectNames: true},
		KeyServer: true, KeyServerKeys: "deterministic", KeyServerURL: "https://keys.example.org:8443", KeyServerCredentialsFile: "/etc/darkroom/encryptors", PlayerAssets: "/usr/share/darkroom/player",
		Accounts: []Account{{ID: "111122223333", GuardRails: []string{"/etc/darkroom/rail.json"}}, {ID: "444455556666"}},
		S3:       S3{Endpoint: "https://objects.example.org:8443", Region: "us-west-2", PathStyle: true, CredentialsFile: "/etc/darkroom/s3", AssumeRoles: true, STSEndpoint: "https://sts.example.org", Honours: []string{"sse-s3", "acl"}},
		Root: Root{Kind: RootTransit, Transit: Transit{
			Address: "https://vault.example.org:8200", Namespace: "media/", Mount: "team/transit", Key: "darkroom",
			RoleIDFile: "/etc/darkroom/role", SecretIDFile: "/etc/darkroom/secret", AppRoleMount: "machines",
		}},
		Egress: Egress{
			Allow: []Allow{
				{Net: "10.1.0.0/16", Ports: []int{443, 8443}, For: []string{"input", "speke"}},
				{Net: "fd00::/8", Ports: []int{443}, For: []string{"storage"}},
			},
			Restrict: []Restrict{
				{For: []string{"input"}, Hosts: []string{"media.example.org", "*.cdn.example.org"}, Ports: []int{443}},
				{For: []string{"speke", "webhook"}, Nets: []string{"192.0.2.0/24"}},
			},
			CAFile: "/etc/darkroom/ca.pem",
			Rate:   10000000,
		},
		SPEKE: SPEKE{Servers: []KeyServer{
			{URL: "https://keys.example.org/speke", Auth: "sigv4", Region: "us-west-2", CredentialsFile: "/etc/darkroom/keys"},
			{URL: "https://bearer.example.org", Auth: "bearer", TokenFile: "/etc/darkroom/token"},
			{URL: "https://basic.example.org:8443", Auth: "basic", User: "packager", PasswordFile: "/etc/darkroom/password"},
			{URL: "https://header.example.org", Auth: "header", Header: "X-Api-Key", ValueFile: "/etc/darkroom/value"},
			{URL: "https://mtls.example.org", Auth: "mtls", CertificateFile: "/etc/darkroom/c.pem", KeyFile: "/etc/darkroom/k.pem"},
			{URL: "https://none.example.org", Auth: "none"},
		}},
		Worker: Worker{Concurrency: 3},
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       Config
	}{
		{"empty", "", Default()},
		{"comment alone", "# nothing yet\n", Default()},
		{"document marker alone", "---\n", Default()},
		{"everything", full, fullConfig()},
		{"one key", "region: eu-west-1\n", want(func(c *Config) { c.Region = "eu-west-1" })},
		{"drain in quotes", `drain: "45s"`, want(func(c *Config) { c.Drain = 45 * time.Second })},
		{"no drain", "drain: 0s", want(func(c *Config) { c.Drain = 0 })},
		{"account without leading zero", "account: 123456789012", want(func(c *Config) { c.Account = "123456789012" })},
		{"empty section", "s3:\n", Default()},
		{
			"a store that does nothing of what it is asked", "s3: {endpoint: 'https://h', credentials_file: c, honours: []}",
			want(func(c *Config) { c.S3 = S3{Endpoint: "https://h", CredentialsFile: "c", Honours: []string{}} }),
		},
		{
			"http store on loopback", "s3: {endpoint: 'http://127.0.0.1:7070', credentials_file: c}",
			want(func(c *Config) { c.S3 = S3{Endpoint: "http://127.0.0.1:7070", CredentialsFile: "c"} }),
		},
		{"root file", "root: {file: /k}", want(func(c *Config) { c.Root = Root{File: "/k"} })},
		{"root by passphrase of the terminal", "root: {kind: passphrase}", want(func(c *Config) { c.Root = Root{Kind: RootPassphrase} })},
		{
			"root by passphrase of a credential", "root: {kind: passphrase, passphrase_credential: darkroom.root}",
			want(func(c *Config) { c.Root = Root{Kind: RootPassphrase, PassphraseCredential: "darkroom.root"} }),
		},
		{
			"root in a key service", "root: {kind: kms, kms: {key: 'arn:aws:kms:eu-west-1:111122223333:key/k-1', endpoint: 'http://[::1]:9443', region: eu-west-1, credentials_file: c}}",
			want(func(c *Config) {
				c.Root = Root{Kind: RootKMS, KMS: KMS{Key: "arn:aws:kms:eu-west-1:111122223333:key/k-1", Endpoint: "http://[::1]:9443", Region: "eu-west-1", CredentialsFile: "c"}}
			}),
		},
		{
			"a certificate of the account", "tls: {certificate_arn: 'arn:aws:acm:us-east-1:000000000000:certificate/01234567-89ab-cdef-0123-456789abcdef'}",
			want(func(c *Config) {
				c.TLS.CertificateARN = "arn:aws:acm:us-east-1:000000000000:certificate/01234567-89ab-cdef-0123-456789abcdef"
			}),
		},
		{"a certificate in files", "tls: {certificate_file: c.pem, key_file: k.pem}", want(func(c *Config) { c.TLS = TLS{CertificateFile: "c.pem", KeyFile: "k.pem"} })},
		{"all interfaces", "listen: ':9443'", want(func(c *Config) { c.Listen = ":9443" })},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := Read(strings.NewReader(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestReadRefusesShape(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       []string // all in the message
	}{
		{"unknown key", "region: eu-west-1\nregoin: eu-west-1\n", []string{"[2:1]", `unknown field "regoin"`}},
		{"unknown key within", "s3:\n  endpont: x\n", []string{"[2:3]", `"endpont"`}},
		{"unknown key in a list", "egress:\n  allow:\n  - {net: 10.0.0.0/8, port: [80]}\n", []string{"[3:", `"port"`}},
		{"doubled key", "region: a\nregion: b\n", []string{"[2:1]", `"region"`}},
		{"wrong case of letters", "Region: a\n", []string{"[1:1]", `"Region"`}},
		{"dash for underscore", "log-level: info\n", []string{`"log-level"`}},
		{"section is a number", "worker: 5\n", []string{"[1:9]"}},
		{"value is a map", "region: {a: b}\n", []string{"[1:9]", "Region"}},
		{"flag is a word", "insecure_http: perhaps\n", []string{"[1:16]"}},
		{"number is a word", "worker: {concurrency: many}\n", []string{"[1:"}},
		{"list at the top", "- region\n", []string{"[1:1]"}},
		{"two documents", "region: a\n---\nregion: b\n", []string{"more than one document"}},
		{"broken", "region: [a\n", []string{"[1:"}},
		{"too long", "# " + strings.Repeat("x", maxFile), []string{"longer than 1048576 bytes"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := Read(strings.NewReader(tt.text))
			if err == nil {
				t.Fatalf("got %+v, want an error", got)
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q lacks %q", err, w)
				}
			}
			if diff := cmp.Diff(Config{}, got); diff != "" {
				t.Errorf("a configuration came with the error:\n%s", diff)
			}
		})
	}
}

func TestReadRefusesValues(t *testing.T) {
	const (
		own   = "arn:aws:acm:us-east-1:000000000000:certificate/01234567-89ab-cdef-0123-456789abcdef"
		other = "arn:aws:acm:us-east-1:111122223333:certificate/01234567-89ab-cdef-0123-456789abcdef"
	)
	t.Parallel()
	const store = "endpoint: 'https://h', credentials_file: c"
	const transit = "address: 'https://h', key: k"
	tests := []struct{ text, key, value string }{
		{"data: ''", "data", ""},
		{`data: "a\0b"`, "data", "a\x00b"},
		{"listen: localhost", "listen", "localhost"},
		{"listen: 'localhost:http'", "listen", "localhost:http"},
		{"listen: '127.0.0.1:65536'", "listen", "127.0.0.1:65536"},
		{"listen: '127.0.0.1:-1'", "listen", "127.0.0.1:-1"},
		{"listen: 'a b:1'", "listen", "a b:1"},
		{"hosts: [good.example, 'bad host']", "hosts[1]", "bad host"},
		{"hosts: ['*.example']", "hosts[0]", "*.example"},
		{"region: US-EAST-1", "region", "US-EAST-1"},
		{"region: us/east", "region", "us/east"},
		{"region: ''", "region", ""},
		{"account: 12", "account", "12"},
		{"account: '00000000000x'", "account", "00000000000x"},
		{"log_level: verbose", "log_level", "verbose"},
		{"fips: on", "fips", "on"},
		{"insecure_http: true\nlisten: '0.0.0.0:80'", "insecure_http", "true"},
		{"insecure_http: true\nlisten: 'localhost:80'", "insecure_http", "true"},
		{"insecure_http: true\nlisten: ':80'", "insecure_http", "true"},
		{"drain: 5", "drain", "5"},
		{"drain: soon", "drain", "soon"},
		{"drain: {a: b}", "drain", "{a: b}"},
		{"drain: -1s", "drain", "-1s"},
		{"drain: 2h", "drain", "2h0m0s"},
		{"ffmpeg: ''", "ffmpeg", ""},
		{"ffmpeg: '-version'", "ffmpeg", "-version"},
		{"ffprobe: ''", "ffprobe", ""},
		{"s3: {region: us-west-2}", "s3.region", "us-west-2"},
		{"s3: {path_style: true}", "s3.path_style", "true"},
		{"s3: {credentials_file: x}", "s3.credentials_file", "x"},
		{"s3: {endpoint: 'https://h'}", "s3.credentials_file", ""},
		{"s3: {assume_roles: true}", "s3.assume_roles", "true"},
		{"s3: {honours: []}", "s3.honours", ""},
		{"s3: {" + store + ", honours: [acl, versions]}", "s3.honours[1]", "versions"},
		{"s3: {sts_endpoint: 'https://h'}", "s3.sts_endpoint", "https://h"},
		{"s3: {" + store + ", sts_endpoint: 'https://h'}", "s3.sts_endpoint", "https://h"},
		{"s3: {" + store + ", assume_roles: true, sts_endpoint: 'https://h/path'}", "s3.sts_endpoint", "https://h/path"},
		{"s3: {" + store + ", assume_roles: true, sts_endpoint: 'http://h'}", "s3.sts_endpoint", "http://h"},
		{"s3: {" + store + ", assume_roles: true, sts_endpoint: 'https://u:hush@h'}", "s3.sts_endpoint", "https://u:xxxxx@h"},
		{"s3: {" + store + ", assume_roles: true, sts_endpoint: 'https://u:hush@h:x'}", "s3.sts_endpoint", "…"},
		{"tls: {certificate_arn: 'arn:aws:acm:us-east-1:000000000000:certificate/x'}", "tls.certificate_arn", "arn:aws:acm:us-east-1:000000000000:certificate/x"},
		{"tls: {certificate_arn: '" + other + "'}", "tls.certificate_arn", other},
		{"{region: eu-west-1, tls: {certificate_arn: '" + own + "'}}", "tls.certificate_arn", own},
		{"tls: {certificate_arn: '" + own + "', certificate_file: c, key_file: k}", "tls.certificate_arn", own},
		{"tls: {certificate_file: c}", "tls.key_file", ""},
		{"tls: {key_file: k}", "tls.key_file", "k"},
		{"tls: {certificate_file: \"c\\0\", key_file: k}", "tls.certificate_file", "c\x00"},
		{"tls: {certificate_file: c, key_file: \"k\\0\"}", "tls.key_file", "k\x00"},
		{"{insecure_http: true, tls: {certificate_arn: '" + own + "'}}", "insecure_http", "true"},
		{"{insecure_http: true, tls: {certificate_file: c, key_file: k}}", "insecure_http", "true"},
		{"accounts: [{id: '1'}]", "accounts[0].id", "1"},
		{"accounts: [{id: '111122223333'}, {id: '111122223333'}]", "accounts[1].id", "111122223333"},
		{"accounts: [{guard_rails: [x]}]", "accounts[0].id", ""},
		{"accounts: [{id: '111122223333', guard_rails: ['']}]", "accounts[0].guard_rails[0]", ""},
		{"accounts: [{id: '111122223333', guard_rails: [a, b, c, d, e, f]}]", "accounts[0].guard_rails", "6"},
		{"s3: {endpoint: 'ftp://h', credentials_file: c}", "s3.endpoint", "ftp://h"},
		{"s3: {endpoint: 'https://', credentials_file: c}", "s3.endpoint", "https://"},
		{"s3: {endpoint: 'https://h/path', credentials_file: c}", "s3.endpoint", "https://h/path"},
		{"s3: {endpoint: 'https://h?q', credentials_file: c}", "s3.endpoint", "https://h?q"},
		{"s3: {endpoint: 'http://store.example', credentials_file: c}", "s3.endpoint", "http://store.example"},
		{"s3: {endpoint: 'http://localhost', credentials_file: c}", "s3.endpoint", "http://localhost"},
		{"s3: {endpoint: 'https://u:hush@h', credentials_file: c}", "s3.endpoint", "https://u:xxxxx@h"},
		{"s3: {endpoint: 'https://u:hush@h:x', credentials_file: c}", "s3.endpoint", "…"},
		{"s3: {" + store + ", region: '!'}", "s3.region", "!"},
		{"egress: {allow: [{net: 10.0.0.0, ports: [1], for: [input]}]}", "egress.allow[0].net", "10.0.0.0"},
		{"egress: {allow: [{net: 10.0.0.1/8, ports: [1], for: [input]}]}", "egress.allow[0].net", "10.0.0.1/8"},
		{"egress: {allow: [{net: 10.0.0.0/8, for: [input]}]}", "egress.allow[0].ports", ""},
		{"egress: {allow: [{net: 10.0.0.0/8, ports: [0], for: [input]}]}", "egress.allow[0].ports", "0"},
		{"egress: {allow: [{net: 10.0.0.0/8, ports: [65536], for: [input]}]}", "egress.allow[0].ports", "65536"},
		{"egress: {allow: [{net: 10.0.0.0/8, ports: [1]}]}", "egress.allow[0].for", ""},
		{"egress: {allow: [{net: 10.0.0.0/8, ports: [1], for: [input, mail]}]}", "egress.allow[0].for", "mail"},
		{"root: {kind: hsm}", "root.kind", "hsm"},
		{`root: {file: "a\0b"}`, "root.file", "a\x00b"},
		{"root: {passphrase_file: f}", "root.passphrase_file", "f"},
		{"root: {passphrase_credential: f}", "root.passphrase_credential", "f"},
		{"root: {kind: file, transit: {key: k}}", "root.transit.key", "k"},
		{"root: {kind: transit, file: f, transit: {" + transit + ", token_file: t}}", "root.file", "f"},
		{"root: {kind: passphrase, kms: {region: r}}", "root.kms.region", "r"},
		{`root: {kind: passphrase, passphrase_file: "a\0b"}`, "root.passphrase_file", "a\x00b"},
		{"root: {kind: passphrase, passphrase_file: f, passphrase_credential: c}", "root.passphrase_credential", "c"},
		{"root: {kind: passphrase, passphrase_credential: ../c}", "root.passphrase_credential", "../c"},
		{"root: {kind: passphrase, passphrase_credential: ..}", "root.passphrase_credential", ".."},
		{"root: {kind: transit}", "root.transit.address", ""},
		{"root: {kind: transit, transit: {address: 'http://vault.example', key: k, token_file: t}}", "root.transit.address", "http://vault.example"},
		{"root: {kind: transit, transit: {address: 'https://u:hush@h', key: k, token_file: t}}", "root.transit.address", "https://u:xxxxx@h"},
		{"root: {kind: transit, transit: {address: 'https://h/v1', key: k, token_file: t}}", "root.transit.address", "https://h/v1"},
		{"root: {kind: transit, transit: {address: 'https://h', token_file: t}}", "root.transit.key", ""},
		{"root: {kind: transit, transit: {address: 'https://h', key: a/../b, token_file: t}}", "root.transit.key", "a/../b"},
		{"root: {kind: transit, transit: {address: 'https://h', key: 'a?b', token_file: t}}", "root.transit.key", "a?b"},
		{"root: {kind: transit, transit: {" + transit + "}}", "root.transit.token_file", ""},
		{"root: {kind: transit, transit: {" + transit + ", token_file: t, mount: ../sys}}", "root.transit.mount", "../sys"},
		{"root: {kind: transit, transit: {" + transit + ", token_file: t, mount: a//b}}", "root.transit.mount", "a//b"},
		{"root: {kind: transit, transit: {" + transit + `, token_file: t, namespace: "a\r\nb"}}`, "root.transit.namespace", "a\r\nb"},
		{"root: {kind: transit, transit: {" + transit + ", token_file: t, role_id_file: r, secret_id_file: s}}", "root.transit.role_id_file", "r"},
		{"root: {kind: transit, transit: {" + transit + ", role_id_file: r}}", "root.transit.secret_id_file", ""},
		{"root: {kind: transit, transit: {" + transit + ", token_file: t, secret_id_file: s}}", "root.transit.secret_id_file", "s"},
		{"root: {kind: transit, transit: {" + transit + ", token_file: t, approle_mount: m}}", "root.transit.approle_mount", "m"},
		{"root: {kind: transit, transit: {" + transit + ", role_id_file: r, secret_id_file: s, approle_mount: 'm?'}}", "root.transit.approle_mount", "m?"},
		{"root: {kind: kms}", "root.kms.key", ""},
		{"root: {kind: kms, kms: {key: 'k k', credentials_file: c}}", "root.kms.key", "k k"},
		{"root: {kind: kms, kms: {key: k}}", "root.kms.credentials_file", ""},
		{"root: {kind: kms, kms: {key: k, credentials_file: c, region: '!'}}", "root.kms.region", "!"},
		{"root: {kind: kms, kms: {key: k, credentials_file: c, endpoint: 'http://h'}}", "root.kms.endpoint", "http://h"},
		{"egress: {restrict: [{for: [input]}]}", "egress.restrict[0]", ""},
		{"egress: {restrict: [{hosts: [a.example]}]}", "egress.restrict[0].for", ""},
		{"egress: {restrict: [{for: [mail], hosts: [a.example]}]}", "egress.restrict[0].for", "mail"},
		{"egress: {restrict: [{for: [input], hosts: ['*']}]}", "egress.restrict[0].hosts[0]", "*"},
		{"egress: {restrict: [{for: [input], hosts: ['127.1']}]}", "egress.restrict[0].hosts[0]", "127.1"},
		{"egress: {restrict: [{for: [input], hosts: [a.example, 'a.*']}]}", "egress.restrict[0].hosts[1]", "a.*"},
		{"egress: {restrict: [{for: [input], hosts: ['https://a.example']}]}", "egress.restrict[0].hosts[0]", "https://a.example"},
		{"egress: {restrict: [{for: [input], hosts: ['*.10.0.0.1']}]}", "egress.restrict[0].hosts[0]", "*.10.0.0.1"},
		{"egress: {restrict: [{for: [input], nets: [10.0.0.1/8]}]}", "egress.restrict[0].nets[0]", "10.0.0.1/8"},
		{"egress: {restrict: [{for: [input], ports: [0]}]}", "egress.restrict[0].ports", "0"},
		{"egress: {rate: -1}", "egress.rate", "-1"},
		{"egress: {rate: 100}", "egress.rate", "100"},
		{"speke: {servers: [{auth: none}]}", "speke.servers[0].url", "…"},
		{"speke: {servers: [{url: 'http://h', auth: none}]}", "speke.servers[0].url", "http://h"},
		{"speke: {servers: [{url: 'https://u:hush@h', auth: none}]}", "speke.servers[0].url", "…"},
		{"speke: {servers: [{url: 'https://h?q', auth: none}]}", "speke.servers[0].url", "https://h?q"},
		{"speke: {servers: [{url: 'https://h'}]}", "speke.servers[0].auth", ""},
		{"speke: {servers: [{url: 'https://h', auth: kerberos}]}", "speke.servers[0].auth", "kerberos"},
		{"speke: {servers: [{url: 'https://h', auth: none}, {url: 'https://h', auth: sigv4}]}", "speke.servers[1].url", "https://h"},
		{"speke: {servers: [{url: 'https://h', auth: none, region: us-east-1}]}", "speke.servers[0].region", "us-east-1"},
		{"speke: {servers: [{url: 'https://h', auth: sigv4, region: '!'}]}", "speke.servers[0].region", "!"},
		{"speke: {servers: [{url: 'https://h', auth: bearer}]}", "speke.servers[0].token_file", ""},
		{"speke: {servers: [{url: 'https://h', auth: sigv4, token_file: t}]}", "speke.servers[0].token_file", "t"},
		{"speke: {servers: [{url: 'https://h', auth: basic, password_file: p}]}", "speke.servers[0].user", ""},
		{"speke: {servers: [{url: 'https://h', auth: basic, user: u}]}", "speke.servers[0].password_file", ""},
		{"speke: {servers: [{url: 'https://h', auth: basic, user: 'a:b', password_file: p}]}", "speke.servers[0].user", "a:b"},
		{"speke: {servers: [{url: 'https://h', auth: header, value_file: v}]}", "speke.servers[0].header", ""},
		{"speke: {servers: [{url: 'https://h', auth: header, header: 'X Y', value_file: v}]}", "speke.servers[0].header", "X Y"},
		{"speke: {servers: [{url: 'https://h', auth: mtls, key_file: k}]}", "speke.servers[0].certificate_file", ""},
		{`speke: {servers: [{url: 'https://h', auth: bearer, token_file: "a\0b"}]}`, "speke.servers[0].token_file", "a\x00b"},
		{"worker: {concurrency: -1}", "worker.concurrency", "-1"},
		{"worker: {concurrency: 257}", "worker.concurrency", "257"},
		{"retention_days: -1", "retention_days", "-1"},
		{"keyserver_keys: sometimes", "keyserver_keys", "sometimes"},
		{"keyserver_url: http://keys.example.org", "keyserver_url", "http://keys.example.org"},
		{"keyserver_url: https://keys.example.org/", "keyserver_url", "https://keys.example.org/"},
		{"keyserver_url: https://keys.example.org/keys", "keyserver_url", "https://keys.example.org/keys"},
		{"keyserver_url: https://u:p@keys.example.org", "keyserver_url", "https://u:xxxxx@keys.example.org"},
		{`player_assets: "a\0b"`, "player_assets", "a\x00b"},
		{"throttle: {rate: -1, burst: 1}", "throttle.rate", "-1"},
		{"throttle: {rate: .nan, burst: 1}", "throttle.rate", "NaN"},
		{"throttle: {rate: 5}", "throttle.burst", "0"},
		{"throttle: {burst: 5}", "throttle.burst", "5"},
		{"metrics: {tls: true}", "metrics.tls", "true"},
		{"metrics: {token_file: t}", "metrics.token_file", "t"},
		{"metrics: {listen: '9464'}", "metrics.listen", "9464"},
		{"metrics: {listen: '0.0.0.0:9464'}", "metrics.listen", "0.0.0.0:9464"},
		{"metrics: {listen: ':9464', token_file: t}", "metrics.listen", ":9464"},
		{"metrics: {listen: 'localhost:9464', token_file: t}", "metrics.listen", "localhost:9464"},
		{"metrics: {listen: '0.0.0.0:9464', tls: true}", "metrics.token_file", ""},
		{"{insecure_http: true, metrics: {listen: '127.0.0.1:9464', tls: true}}", "metrics.tls", "true"},
		{`metrics: {listen: '127.0.0.1:9464', token_file: "a\0b"}`, "metrics.token_file", "a\x00b"},
		{"traces: {sample: 0.5}", "traces.sample", "0.5"},
		{"traces: {token_file: t}", "traces.token_file", "t"},
		{"traces: {accept_parents: true}", "traces.accept_parents", "true"},
		{"traces: {object_names: true}", "traces.object_names", "true"},
		{"traces: {endpoint: 'grpc://h'}", "traces.endpoint", "grpc://h"},
		{"traces: {endpoint: 'https://'}", "traces.endpoint", "https://"},
		{"traces: {endpoint: 'https://h?q'}", "traces.endpoint", "https://h?q"},
		{"traces: {endpoint: 'https://u:hush@h'}", "traces.endpoint", "https://u:xxxxx@h"},
		{"traces: {endpoint: 'https://u:hush@h:x'}", "traces.endpoint", "…"},
		{"traces: {endpoint: 'http://collector.example'}", "traces.endpoint", "http://collector.example"},
		{"traces: {endpoint: 'https://h', sample: 1.5}", "traces.sample", "1.5"},
		{"traces: {endpoint: 'https://h', sample: .nan}", "traces.sample", "NaN"},
		{`traces: {endpoint: 'https://h', token_file: "a\0b"}`, "traces.token_file", "a\x00b"},
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
				t.Errorf("the message shows a password: %s", err)
			}
		})
	}
}

func TestReadFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	got, err := ReadFile(write("full.yaml", full))
	if diff := cmp.Diff(fullConfig(), got); err != nil || diff != "" {
		t.Errorf("%v, -want +got\n%s", err, diff)
	}
	for name, text := range map[string]string{"shape.yaml": "x: 1", "value.yaml": "region: '!'"} {
		if _, err := ReadFile(write(name, text)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v, want an error that names the file", name, err)
		}
	}
	if _, err := ReadFile(filepath.Join(dir, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
}

func fromArgs(args ...string) (Config, error) {
	set := flag.NewFlagSet("serve", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	return FromArgs(set, args)
}

func TestFlagsOverrideFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "darkroom.yaml")
	if err := os.WriteFile(file, []byte(full), 0o600); err != nil {
		t.Fatal(err)
	}
	over := func(edit func(*Config)) Config {
		c := fullConfig()
		edit(&c)
		return c
	}
	tests := []struct {
		name string
		args []string
		want Config
	}{
		{"nothing", nil, Default()},
		{"flags alone", []string{"--data", "d", "--drain", "5s"}, want(func(c *Config) { c.Data, c.Drain = "d", 5*time.Second })},
		{"file alone", []string{"--config", file}, fullConfig()},
		{"flag before the file", []string{"--region", "eu-west-1", "--config", file}, over(func(c *Config) { c.Region = "eu-west-1" })},
		{"flag after the file", []string{"--config", file, "--region", "eu-west-1"}, over(func(c *Config) { c.Region = "eu-west-1" })},
		{
			"back to the default",
			[]string{"--config", file, "--region", "us-east-1", "--require-sandbox=false", "--worker-concurrency=0"},
			over(func(c *Config) { c.Region, c.RequireSandbox, c.Worker.Concurrency = "us-east-1", false, 0 }),
		},
		{
			"hosts replace hosts",
			[]string{"--config", file, "--hosts", "a.example", "--hosts", "b.example"},
			over(func(c *Config) { c.Hosts = []string{"a.example", "b.example"} }),
		},
		{"a bad value in the file is mended", []string{"--config", file, "--s3-region", "eu-west-3"}, over(func(c *Config) { c.S3.Region = "eu-west-3" })},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := fromArgs(tt.args...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestFromArgsRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"unknown flag", []string{"--regoin", "x"}, "-regoin"},
		{"bad duration", []string{"--drain", "5"}, "drain"},
		{"argument", []string{"extra"}, `"extra"`},
		{"absent file", []string{"--config", "/nonexistent/darkroom.yaml"}, "/nonexistent/darkroom.yaml"},
		{"bad value", []string{"--account", "1"}, "account"},
		{"secret in arguments", []string{"--s3-secret-access-key", "x"}, "not defined"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := fromArgs(tt.args...); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
	if _, err := fromArgs("--help"); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("--help: got %v, want flag.ErrHelp", err)
	}
}

// TestEveryFlagIsAKey walks the flags, and sets each one's key in a file.
func TestEveryFlagIsAKey(t *testing.T) {
	t.Parallel()
	keys := make(map[string]bool)
	durations := 0
	var walk func(prefix string, typ reflect.Type)
	walk = func(prefix string, typ reflect.Type) {
		for i := range typ.NumField() {
			f := typ.Field(i)
			name := prefix + strings.ReplaceAll(f.Tag.Get("yaml"), "_", "-")
			if f.Type == reflect.TypeFor[time.Duration]() {
				durations++
			}
			if f.Type.Kind() == reflect.Struct {
				walk(name+"-", f.Type)
				continue
			}
			keys[name] = true
		}
	}
	walk("", reflect.TypeFor[Config]())
	set := flag.NewFlagSet("", flag.ContinueOnError)
	c := Default()
	c.addFlags(set)
	count := 0
	set.VisitAll(func(f *flag.Flag) {
		count++
		if !keys[f.Name] {
			t.Errorf("flag --%s has no key", f.Name)
		}
	})
	if want := len(keys) - 11; count != want { // accounts, audit.feeds, audit.alerts, egress.allow, egress.restrict, the targets of events and the accounts of their services and speke.servers are lists of maps, provenance.for and s3.honours lists where none is not nothing
		t.Errorf("got %d flags for %d keys", count, want)
	}
	if durations != 1 {
		t.Errorf("got %d durations; decodeDrain knows one", durations)
	}
}

func TestLevel(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError} {
		if got := (Config{LogLevel: name}).Level(); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(full)
	f.Add("drain: 5")
	f.Add("a: &a [*a]")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Read(strings.NewReader(text))
		if err == nil {
			if err := c.Validate(); err != nil {
				t.Errorf("accepted and then refused: %v", err)
			}
		}
	})
}
