package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/anchor"
	"darkroom/internal/audit"
	"darkroom/internal/config"
	"darkroom/internal/egress"
	"darkroom/internal/timestamp/timestamptest"
	"darkroom/internal/watch"
)

func TestQueryFlags(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	no := false
	read := func(args ...string) (audit.Query, error) {
		var f queryFlags
		set := flags("audit query", "", new(bytes.Buffer))
		f.add(set)
		if _, err := parse(set, args); err != nil {
			return audit.Query{}, err
		}
		err := f.read(now)
		return f.query, err
	}
	for _, c := range []struct {
		args []string
		want audit.Query
	}{
		{nil, audit.Query{}},
		{[]string{"--action", "CreateJob", "--service", "mediaconvert"}, audit.Query{Name: "CreateJob", Source: "mediaconvert.amazonaws.com"}},
		{[]string{"--action", "s3:GetObject"}, audit.Query{Name: "GetObject", Source: "s3.amazonaws.com"}},
		{[]string{"--service", "kms.amazonaws.com"}, audit.Query{Source: "kms.amazonaws.com"}},
		{[]string{"--since", "1h"}, audit.Query{From: now.Add(-time.Hour)}},
		{[]string{"--since", "7d"}, audit.Query{From: now.AddDate(0, 0, -7)}},
		{[]string{"--from", "2030-01-01", "--to", "2030-01-01"}, audit.Query{From: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2030, 1, 1, 23, 59, 59, 999999000, time.UTC)}},
		{[]string{"--from", "2030-01-01T01:00:00+01:00"}, audit.Query{From: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}},
		{[]string{"--job", "1-a", "--outcome", "denied", "--writes"}, audit.Query{Resource: "1-a", Outcome: audit.Denied, ReadOnly: &no}},
	} {
		got, err := read(c.args...)
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%v: %v (-want +got):\n%s", c.args, err, diff)
		}
	}
	for _, args := range [][]string{
		{"--since", "soon"},
		{"--since", "-1h"},
		{"--since", "9999999d"},
		{"--since", "1h", "--from", "2030-01-01"},
		{"--from", "yesterday"},
		{"--from", "2030-01-02", "--to", "2030-01-01"},
		{"--outcome", "maybe"},
		{"--category", "data"},
		{"--writes", "--reads"},
		{"--limit", "-1"},
		{"--job", "1", "--resource", "2"},
		{"--action", "s3:GetObject", "--service", "kms"},
	} {
		if _, err := read(args...); err == nil {
			t.Errorf("%v is taken", args)
		} else if _, ok := errors.AsType[*usageError](err); !ok {
			t.Errorf("%v: %v", args, err)
		}
	}
	if _, err := newPrinter("xml", new(bytes.Buffer)); err == nil {
		t.Error("a format that is none is taken")
	}
}

// TestAlertRules: the rules of the configuration are those that there are, and each setting that it takes is one that the watch takes.
func TestAlertRules(t *testing.T) {
	t.Parallel()
	var names []string
	for _, r := range watch.Rules {
		names = append(names, string(r))
	}
	if diff := cmp.Diff(names, config.AlertRules); diff != "" {
		t.Errorf("rules (-there +configured):\n%s", diff)
	}
	got := alertSettings([]config.Alert{{Rule: "mass-download", Bytes: 5}, {Rule: "sign-in-without-mfa", On: true}, {Rule: "root-used", Off: true}, {Rule: "egress-refused", Count: 3, Window: config.Period(time.Minute)}})
	want := map[watch.Rule]watch.Setting{
		watch.MassDownload:     {Count: 1000, Bytes: 5, Window: time.Hour, Quiet: time.Hour},
		watch.SignInWithoutMFA: {Count: 1, Window: time.Hour, Quiet: time.Hour},
		watch.RootUsed:         {Off: true, Count: 1, Window: time.Hour, Quiet: time.Hour},
		watch.EgressRefused:    {Count: 3, Window: time.Minute, Quiet: time.Hour},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	var purposes []string
	for _, p := range egress.Purposes {
		purposes = append(purposes, string(p))
	}
	if diff := cmp.Diff(purposes, config.Purposes); diff != "" {
		t.Errorf("purposes (-there +configured):\n%s", diff)
	}
}

// TestStamps: the time stamps of a copy hold; each way to spoil one is a fault.
func TestStamps(t *testing.T) {
	t.Parallel()
	tsa := timestamptest.New(t, timestamptest.Options{})
	server := httptest.NewServer(tsa)
	t.Cleanup(server.Close)
	stamper, err := anchor.NewStamper(server.URL, tsa.Roots, poster(server.Client()), nil)
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, tsa.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	digest := func(n int, end time.Time) (key string, text []byte) {
		return fmt.Sprintf("AWSLogs/1/CloudTrail-Digest/us-east-1/2030/01/02/d%d.json.gz", n), fmt.Appendf(nil, `{"digestEndTime":%q,"n":%d}`, end.UTC().Format(time.RFC3339), n)
	}
	write := func(dir, key string, content []byte, zip bool) {
		path := filepath.Join(dir, key)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if zip {
			w := gzip.NewWriter(&b)
			_, _ = w.Write(content)
			_ = w.Close()
			content = b.Bytes()
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	whole := func() string {
		dir := t.TempDir()
		for n := range 3 {
			key, text := digest(n, time.Now())
			response, _, err := stamper.Stamp(t.Context(), text)
			if err != nil {
				t.Fatal(err)
			}
			write(dir, key, text, true)
			write(dir, anchor.StampKey(key), response, false)
		}
		return dir
	}
	run := func(dir string) (string, error) {
		var out bytes.Buffer
		err := auditStamps(t.Context(), []string{"--dir", dir, "--ca", ca}, &out, &out)
		return out.String(), err
	}
	if out, err := run(whole()); err != nil || !strings.Contains(out, "3 of 3 digests are stamped") {
		t.Errorf("whole: %v\n%s", err, out)
	}
	key, text := digest(1, time.Now())
	for name, c := range map[string]struct {
		spoil func(dir string)
		want  string
	}{
		"a digest changed": {func(dir string) { write(dir, key, append(text, ' '), true) }, "of other bytes"},
		"no digest":        {func(dir string) { write(dir, key, []byte("x"), true) }, "it is no digest"},
		"a digest cut":     {func(dir string) { write(dir, key, []byte("x"), false) }, "cannot be read"},
		"a stamp removed":  {func(dir string) { _ = os.Remove(filepath.Join(dir, anchor.StampKey(key))) }, "has no time stamp"},
		"a stamp of another": {func(dir string) {
			other, _ := digest(2, time.Now())
			b, _ := os.ReadFile(filepath.Join(dir, anchor.StampKey(other)))
			write(dir, anchor.StampKey(key), b, false)
		}, "of other bytes"},
		"a stamp changed": {func(dir string) {
			b, _ := os.ReadFile(filepath.Join(dir, anchor.StampKey(key)))
			b[len(b)-9] ^= 1
			write(dir, anchor.StampKey(key), b, false)
		}, "does not hold"},
		"a digest of the future": {func(dir string) {
			_, text := digest(1, time.Now().Add(time.Hour))
			response, _, err := stamper.Stamp(t.Context(), text)
			if err != nil {
				t.Error(err)
			}
			write(dir, key, text, true)
			write(dir, anchor.StampKey(key), response, false)
		}, "before it can have been made"},
	} {
		dir := whole()
		c.spoil(dir)
		out, err := run(dir)
		if !errors.Is(err, errFailed) || !strings.Contains(out, c.want) || !strings.Contains(out, key) || !strings.Contains(out, "2 of 3") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	foreign := timestamptest.New(t, timestamptest.Options{})
	if err := os.WriteFile(ca, foreign.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := run(whole()); !errors.Is(err, errFailed) || !strings.Contains(out, "not trusted") {
		t.Errorf("by a foreign authority: %v\n%s", err, out)
	}
	if _, err := run(t.TempDir()); err == nil || errors.Is(err, errFailed) {
		t.Errorf("an empty copy: %v", err)
	}
}
