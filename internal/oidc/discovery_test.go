package oidc

import (
	"errors"
	"strings"
	"testing"
)

func TestParseDiscovery(t *testing.T) {
	t.Parallel()
	doc := func(uri string) string { return `{"issuer":"` + testIssuer + `","jwks_uri":"` + uri + `"}` }
	tests := []struct {
		name, doc string
		want      string // empty is a refusal
	}{
		{"least", doc("https://id.example.com/keys"), "https://id.example.com/keys"},
		{"on another host, with a port and a query", doc("https://keys.example.net:8443/k?v=1"), "https://keys.example.net:8443/k?v=1"},
		{"a usual one", `{"issuer":"` + testIssuer + `","authorization_endpoint":"http://x","jwks_uri":"https://a/b","mtls_endpoint_aliases":{"token_endpoint":"x"},"response_types_supported":["id_token"]}`, "https://a/b"},
		{"empty", "", ""},
		{"HTML", "<html></html>", ""},
		{"a list", "[" + doc("https://a/b") + "]", ""},
		{"and more", doc("https://a/b") + "{}", ""},
		{"no issuer", `{"jwks_uri":"https://a/b"}`, ""},
		{"another issuer", `{"issuer":"https://attacker.example","jwks_uri":"https://a/b"}`, ""},
		{"issuer with a slash", `{"issuer":"` + testIssuer + `/","jwks_uri":"https://a/b"}`, ""},
		{"issuer twice", `{"issuer":"` + testIssuer + `","issuer":"x","jwks_uri":"https://a/b"}`, ""},
		{"jwks_uri twice", `{"issuer":"` + testIssuer + `","jwks_uri":"https://a/b","jwks_uri":"https://a/c"}`, ""},
		{"JWKS_URI", `{"issuer":"` + testIssuer + `","JWKS_URI":"https://a/b"}`, ""},
		{"no jwks_uri", `{"issuer":"` + testIssuer + `"}`, ""},
		{"jwks_uri null", `{"issuer":"` + testIssuer + `","jwks_uri":null}`, ""},
		{"http", doc("http://id.example.com/keys"), ""},
		{"file", doc("file:///etc/passwd"), ""},
		{"opaque", doc("https:id.example.com/keys"), ""},
		{"no scheme", doc("//id.example.com/keys"), ""},
		{"no host", doc("https:///keys"), ""},
		{"a port alone", doc("https://:443/keys"), ""},
		{"credentials", doc("https://user:pass@id.example.com/keys"), ""},
		{"fragment", doc("https://id.example.com/keys#a"), ""},
		{"malformed", doc("https://id.example.com/%zz"), ""},
		{"long", doc("https://id.example.com/" + strings.Repeat("k", MaxURI)), ""},
		{"large", doc("https://a/b") + strings.Repeat(" ", MaxDiscovery), ""},
	}
	for _, tt := range tests {
		got, err := ParseDiscovery([]byte(tt.doc), testIssuer)
		if got != tt.want || (err == nil) != (tt.want != "") || err != nil && !errors.Is(err, ErrUnreachable) {
			t.Errorf("%s: got %q, %v; want %q", tt.name, got, err, tt.want)
		}
	}
	if _, err := ParseDiscovery([]byte(`{"issuer":"","jwks_uri":"https://a/b"}`), ""); err == nil {
		t.Error("no issuer is taken for an issuer")
	}
}

func TestDiscoveryURL(t *testing.T) {
	t.Parallel()
	tests := []struct{ issuer, want string }{
		{"https://id.example.com", "https://id.example.com/.well-known/openid-configuration"},
		{"https://id.example.com/", "https://id.example.com/.well-known/openid-configuration"},
		{"https://id.example.com:8443/realms/a", "https://id.example.com:8443/realms/a/.well-known/openid-configuration"},
		{"http://id.example.com", ""},
		{"id.example.com", ""},
		{"", ""},
		{"https://id.example.com?x=1", ""},
		{"https://id.example.com?", ""},
		{"https://id.example.com#", ""},
		{"https://a@id.example.com", ""},
		{"https://" + strings.Repeat("a", MaxIssuer), ""},
	}
	for _, tt := range tests {
		got, err := discoveryURL(tt.issuer)
		if got != tt.want || (err == nil) != (tt.want != "") || err != nil && !errors.Is(err, ErrUnreachable) {
			t.Errorf("%s: got %q, %v; want %q", tt.issuer, got, err, tt.want)
		}
	}
}
