package config

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSettings(t *testing.T) {
	t.Parallel()
	c, err := Read(strings.NewReader("log_level: debug\negress:\n  allow:\n    - {net: 10.0.0.0/8, ports: [443, 8443], for: [input]}\nroot: {kind: passphrase, passphrase_file: /run/p}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := Default().Settings()
	for k, v := range map[string]string{
		"log_level": "debug", "egress.allow[0].net": "10.0.0.0/8", "egress.allow[0].ports[0]": "443", "egress.allow[0].ports[1]": "8443", "egress.allow[0].for[0]": "input",
		"root.kind": "passphrase", "root.passphrase_file": "/run/p",
	} {
		want[k] = v
	}
	if diff := cmp.Diff(want, c.Settings()); diff != "" {
		t.Error(diff)
	}
	if got := Default().Settings()["drain"]; got != "30s" {
		t.Errorf("drain is %q", got)
	}
	type odd struct {
		Token string            `yaml:"token"`
		File  string            `yaml:"token_file"`
		More  map[string]string `yaml:"more"`
		Own   string
	}
	out := map[string]string{}
	flatten(out, "x", reflect.ValueOf(odd{"hush", "/f", map[string]string{"password": "hush"}, "none"}))
	if diff := cmp.Diff(map[string]string{"x.token": hiddenSetting, "x.token_file": "/f", "x.more.password": hiddenSetting}, out); diff != "" {
		t.Error(diff)
	}
}
