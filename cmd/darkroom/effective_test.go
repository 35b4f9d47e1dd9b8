package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/config"
)

// TestEffective: the settings that were written down are read as the same again, where nothing is set and where all kinds of things are.
func TestEffective(t *testing.T) {
	t.Parallel()
	secretFile := filepath.Join(t.TempDir(), "s3")
	if err := os.WriteFile(secretFile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	full := config.Default()
	full.InsecureHTTP, full.RequireSandbox, full.RetentionDays, full.Drain = true, true, 0, 90*time.Second
	full.Hosts = []string{"a.example.com", "10.0.0.1"}
	full.Accounts = []config.Account{{ID: "111111111111"}, {ID: "222222222222", GuardRails: []string{"a: b.json"}}}
	full.Egress = config.Egress{
		Allow:    []config.Allow{{Net: "10.0.0.0/8", Ports: []int{443, 8443}, For: []string{"input"}}},
		Restrict: []config.Restrict{{For: []string{"speke"}, Hosts: []string{"*.example.com"}}},
	}
	full.Audit.DigestPeriod, full.Audit.DeliveryPeriod = config.Period(90*time.Minute), config.Period(time.Second)
	full.Throttle = config.Throttle{Rate: 2.5, Burst: 10}
	full.S3 = config.S3{Endpoint: "https://s3.example.com", CredentialsFile: secretFile}
	for _, tt := range []struct {
		name string
		cfg  config.Config
	}{{"the default", config.Default()}, {"much", full}} {
		tt.cfg.Data = t.TempDir()
		if err := writeEffective(tt.cfg); err != nil {
			t.Fatal(err)
		}
		got, from, err := inspectedConfig("", tt.cfg.Data)
		if err != nil || from != "the last start" {
			t.Errorf("%s: from %q: %v", tt.name, from, err)
			continue
		}
		if diff := cmp.Diff(tt.cfg, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		st, err := os.Stat(filepath.Join(tt.cfg.Data, effectiveFile))
		if err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", tt.name, st.Mode(), err)
		}
	}
	dir := t.TempDir()
	if cfg, _, err := inspectedConfig("", dir); err != nil || cfg.Data != dir || cfg.RetentionDays != 90 {
		t.Errorf("a directory without settings: %+v, %v", cfg, err)
	}
	if err := os.WriteFile(filepath.Join(dir, effectiveFile), []byte("nonsense: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := inspectedConfig("", dir); err == nil {
		t.Error("settings that cannot be read were passed over")
	}
}
