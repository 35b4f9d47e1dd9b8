package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"darkroom/internal/config"
	"darkroom/internal/iam"
)

// TestUsed: of keys and roles it is remembered when they were used; of sessions, which come and go, it is not. The root's key is warned of once.
func TestUsed(t *testing.T) {
	t.Parallel()
	i := install(t)
	var log strings.Builder
	g := gate{i.people, "us-east-1", slog.New(slog.NewTextHandler(&log, nil)), new(sync.Once)}
	for range 3 {
		g.Used("AKIAUSER", iam.Principal{Type: iam.User, Account: house}, "s3")
		g.Used("ASIAUSER", iam.Principal{Type: iam.User, Account: house}, "s3")
		g.Used("ASIAROLE", iam.Principal{Type: iam.AssumedRole, Account: house, RoleID: "AROA1"}, "s3")
		g.Used("AKIAROOT", iam.Principal{Type: iam.Root, Account: house}, "s3")
	}
	for id, want := range map[string]bool{"AKIAUSER": true, "AROA1": true, "AKIAROOT": true, "ASIAUSER": false, "ASIAROLE": false, "": false} {
		if _, got := i.people.LastUse(id); got != want {
			t.Errorf("%q: remembered %t", id, got)
		}
	}
	if n := strings.Count(log.String(), "access key of an account's root is in use"); n != 1 {
		t.Errorf("warned %d times: %s", n, log.String())
	}
}

// TestGuardRails: a guard rail that cannot be read keeps the server from starting.
func TestGuardRails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good, broken := filepath.Join(dir, "good.json"), filepath.Join(dir, "broken.json")
	for name, text := range map[string]string{good: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, broken: `{"Version":"2012-10-17"}`} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if p, err := readGuardRails([]string{good}); err != nil || len(p) != 1 {
		t.Errorf("got %v %v", p, err)
	}
	if p, err := readGuardRails(nil); err != nil || p != nil {
		t.Errorf("none: got %v %v", p, err)
	}
	for _, files := range [][]string{{broken}, {good, filepath.Join(dir, "gone.json")}, {dir}} {
		if _, err := readGuardRails(files); err == nil {
			t.Errorf("%v was taken", files)
		}
	}
	cfg := config.Default()
	cfg.Data, cfg.Accounts = filepath.Join(dir, "data"), []config.Account{{ID: cfg.Account, GuardRails: []string{broken}}}
	if s, err := open(t.Context(), cfg, slog.New(slog.DiscardHandler)); err == nil {
		s.close()
		t.Error("started with a guard rail that cannot be read")
	}
}
