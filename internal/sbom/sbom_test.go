package sbom

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "write licences.yaml anew")

// moduleDir is where a module's files are.
func moduleDir(t *testing.T, module string) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Fatalf("go list -m %s: %v", module, err)
	}
	return strings.TrimSpace(string(out))
}

// classify says which licence a text is, by what only that licence says; "" where it is none of those that may be linked.
func classify(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	has := func(s string) bool { return strings.Contains(text, s) }
	switch {
	case has("Apache License") && has("Version 2.0"):
		return "Apache-2.0"
	case has("Mozilla Public License Version 2.0"):
		return "MPL-2.0"
	case has("Permission is hereby granted, free of charge"):
		return "MIT"
	case has("Permission to use, copy, modify, and/or distribute"), has("Permission to use, copy, modify, and distribute"):
		return "ISC"
	case has("Redistribution and use in source and binary forms") && (has("Neither the name") || has("nor the names of") || has("may not be used to endorse")):
		return "BSD-3-Clause"
	case has("Redistribution and use in source and binary forms"):
		return "BSD-2-Clause"
	}
	return ""
}

// TestLicences: the table has every module that the program is linked from, with the licence that its own file states; all of them are permissive.
func TestLicences(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}\t{{.Dir}}{{end}}", "darkroom/cmd/darkroom").Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	slices.Sort(lines)
	var want bytes.Buffer
	fmt.Fprintln(&want, "# The licences of the modules that darkroom is linked from, as SPDX identifiers, read from their licence files. Written by go test ./internal/sbom -run TestLicences -update.")
	for _, line := range slices.Compact(lines) {
		path, dir, ok := strings.Cut(line, "\t")
		if !ok || path == "darkroom" {
			continue
		}
		id := ""
		files, err := filepath.Glob(filepath.Join(dir, "LICEN[SC]E*"))
		if err != nil {
			t.Fatal(err)
		}
		more, err := filepath.Glob(filepath.Join(dir, "COPYING*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range append(files, more...) {
			text, err := os.ReadFile(name)
			if err != nil {
				continue // a directory
			}
			if found := classify(string(text)); found != "" && id == "" {
				id = found
			}
		}
		if id == "" {
			t.Errorf("the licence of %s is none that is known as permissive: look at %s", path, dir)
		}
		fmt.Fprintf(&want, "%s: %s\n", path, id)
	}
	if *update {
		if err := os.WriteFile("licences.yaml", want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want.String(), string(licenceText)); diff != "" {
		t.Errorf("licences.yaml is not current; run go test ./internal/sbom -run TestLicences -update (-want +got):\n%s", diff)
	}
}

// build is the information of a program as the linker writes it; the test's own has the real modules.
func build() *debug.BuildInfo {
	return &debug.BuildInfo{
		GoVersion: "go1.26.8", Path: "darkroom/cmd/darkroom", Main: debug.Module{Path: "darkroom", Version: "(devel)"},
		Deps: []*debug.Module{
			{Path: "github.com/google/go-cmp", Version: "v0.7.0", Sum: "h1:wk8382ETsv4JYUZwIsn6YpYiWiBsYLSJiTsyBybVuN8="},
			{Path: "example.com/old", Version: "v1.0.0", Replace: &debug.Module{Path: "example.com/Fork+x", Version: "v1.0.1", Sum: "h1:wk8382ETsv4JYUZwIsn6YpYiWiBsYLSJiTsyBybVuN8="}},
		},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "-ldflags", Value: "-X a=secret"}, {Key: "CGO_ENABLED", Value: "0"}},
	}
}

var options = Options{Time: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC), Release: "1.2.3", SHA256: strings.Repeat("ab", 32), Serial: "3e671687-395b-41f5-a30f-a58921a69b79"}

// schema compiles the official schema of CycloneDX 1.6, which comes with the official library.
func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	dir := filepath.Join(moduleDir(t, "github.com/CycloneDX/cyclonedx-go"), "schema")
	c := jsonschema.NewCompiler()
	for url, name := range map[string]string{
		"http://cyclonedx.org/schema/bom-1.6.schema.json": "bom-1.6.schema.json", "http://cyclonedx.org/schema/spdx.schema.json": "spdx.schema.json",
		"http://cyclonedx.org/schema/jsf-0.82.schema.json": "jsf-0.82.schemax.json",
	} {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(f)
		_ = f.Close()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AddResource(url, doc); err != nil {
			t.Fatal(err)
		}
	}
	s, err := c.Compile("http://cyclonedx.org/schema/bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, b *cdx.BOM) string {
	t.Helper()
	text, err := Encode(b)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(doc); err != nil {
		t.Errorf("not valid by the schema of CycloneDX 1.6: %v\n%s", err, text)
	}
	return string(text)
}

// TestGo: the bill of a program is valid, has every module with its checksum, and says nothing of the machine that built it.
func TestGo(t *testing.T) {
	t.Parallel()
	s := schema(t)
	b, err := Go(build(), options)
	if err != nil {
		t.Fatal(err)
	}
	text := validate(t, s, b)
	for _, want := range []string{
		`"purl": "pkg:golang/github.com/google/go-cmp@v0.7.0"`, `"purl": "pkg:golang/example.com/Fork+x@v1.0.1"`, `"specVersion": "1.6"`, `"pkg:golang/std@1.26.8"`,
		options.SHA256, `urn:uuid:`, `"abc"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the bill lacks %s:\n%s", want, text)
		}
	}
	if strings.Contains(text, "secret") || strings.Contains(text, "example.com/old") {
		t.Errorf("the bill has what it must not:\n%s", text)
	}
	for _, c := range *b.Components {
		if c.Name != "std" && (c.Hashes == nil || len((*c.Hashes)[0].Value) != 64) {
			t.Errorf("%s has no hash", c.Name)
		}
	}
	own, ok := debug.ReadBuildInfo()
	if !ok {
		t.Fatal("the test has no build information")
	}
	if b, err = Go(own, options); err != nil {
		t.Fatal(err)
	}
	validate(t, s, b)

	for _, tt := range []struct {
		name string
		info *debug.BuildInfo
	}{
		{"nothing", nil},
		{"an empty one", &debug.BuildInfo{}},
		{"a checksum of another kind", &debug.BuildInfo{Path: "x", Deps: []*debug.Module{{Path: "y", Version: "v1.0.0", Sum: "h2:AAAA"}}}},
		{"a checksum that is no base64", &debug.BuildInfo{Path: "x", Deps: []*debug.Module{{Path: "y", Version: "v1.0.0", Sum: "h1:!"}}}},
		{"a short checksum", &debug.BuildInfo{Path: "x", Deps: []*debug.Module{{Path: "y", Version: "v1.0.0", Sum: "h1:AAAA"}}}},
	} {
		if _, err := Go(tt.info, options); err == nil {
			t.Errorf("%s: a bill was made", tt.name)
		}
	}
}

const debian = `ffmpeg version 5.1.9-0+deb12u1 Copyright (c) 2000-2026 the FFmpeg developers
built with gcc 12 (Debian 12.2.0-14+deb12u1)
configuration: --prefix=/usr --enable-gpl --extra-cflags='-O2 -g' --enable-libx264
libavutil      57. 28.100 / 57. 28.100
libavcodec     59. 37.100 / 59. 37.102
`

func TestParseVersion(t *testing.T) {
	t.Parallel()
	got, err := ParseVersion(debian)
	if err != nil {
		t.Fatal(err)
	}
	want := Program{
		Version: "5.1.9-0+deb12u1", Compiler: "gcc 12 (Debian 12.2.0-14+deb12u1)",
		Configuration: []string{"--prefix=/usr", "--enable-gpl", "--extra-cflags=-O2 -g", "--enable-libx264"},
		Libraries:     []Library{{Name: "libavutil", Version: "57.28.100"}, {Name: "libavcodec", Version: "59.37.102"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, text := range []string{"", "ffplay version 5", strings.Repeat("x", 1<<16)} {
		if _, err := ParseVersion(text); err == nil || len(err.Error()) > 200 {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

// TestLook: packages are found by what dpkg's database says, also of libraries that are named without /usr.
func TestLook(t *testing.T) {
	t.Parallel()
	root := fstest.MapFS{
		"usr/bin/ffmpeg":          {Data: []byte("#!/bin/sh\n"), Mode: 0o755},
		dpkgStatus:                {Data: []byte("Package: ffmpeg\nStatus: install ok installed\nArchitecture: amd64\nVersion: 7:5.1.9-0+deb12u1\n\nPackage: libfoo\nArchitecture: amd64\nSource: foo (1)\nVersion: 1\n")},
		dpkgInfo + "/ffmpeg.list": {Data: []byte("/.\n/usr/bin/ffmpeg\n")}, dpkgInfo + "/libfoo:amd64.list": {Data: []byte("/lib/x86_64-linux-gnu/libfoo.so.1\n")},
	}
	p := Program{Path: "/usr/bin/ffmpeg"}
	if err := p.Look(root); err != nil {
		t.Fatal(err)
	}
	if want := (Package{Name: "ffmpeg", Version: "7:5.1.9-0+deb12u1", Arch: "amd64"}); p.Package != want || len(p.Needed) != 0 {
		t.Errorf("got %+v", p)
	}
	all, err := owners(root)
	if err != nil {
		t.Fatal(err)
	}
	if got := owner(all, "usr/lib/x86_64-linux-gnu/libfoo.so.1"); got.Name != "libfoo" || got.Source != "foo (1)" {
		t.Errorf("got %+v", got)
	}
	other := Program{Path: "/usr/bin/ffmpeg"}
	if err := other.Look(fstest.MapFS{"usr/bin/ffmpeg": {Data: []byte("x")}}); err != nil || other.Package.Name != "" {
		t.Errorf("a machine without dpkg: %v, %+v", err, other)
	}
	gone := Program{Path: "/usr/bin/gone"}
	if err := gone.Look(root); err == nil {
		t.Error("a program that is not there was looked at")
	}
}

// TestAffects holds versions against ranges.
func TestAffects(t *testing.T) {
	t.Parallel()
	v := Vulnerability{ID: "X", Ranges: []Range{{"0", "7.1.5"}, {"8.0", "8.0.3"}, {"8.1", "8.1.2"}}, Unless: "--enable-x"}
	for _, tt := range []struct {
		name, version string
		flags         []string
		want          bool
	}{
		{"old", "5.1.9-0+deb12u1", nil, true},
		{"just before", "7.1.4", nil, true},
		{"fixed", "7.1.5", nil, false},
		{"between ranges", "7.2", nil, false},
		{"a tag", "n8.0.2", nil, true},
		{"the next branch, fixed", "8.0.10", nil, false},
		{"a short number", "8.1", nil, true},
		{"newer", "9.0.1", nil, false},
		{"a development build", "N-118000-gabcdef", nil, true},
		{"no number", "git-2026-01-01", nil, true},
		{"an empty version", "", nil, true},
		{"without the code", "5.1", []string{"--enable-y"}, false},
		{"with the code", "5.1", []string{"--enable-x"}, true},
	} {
		if got := v.Affects(Program{Version: tt.version, Configuration: tt.flags}); got != tt.want {
			t.Errorf("%s: %s: got %t, want %t", tt.name, tt.version, got, tt.want)
		}
	}
	if !(Vulnerability{ID: "Y"}).Affects(Program{Version: "99"}) {
		t.Error("a vulnerability without ranges affects every version, until somebody says which")
	}
	if !(Vulnerability{Ranges: []Range{{From: "0"}}}).Affects(Program{Version: "99"}) {
		t.Error("a range without an end has none")
	}
}

// TestTable: the table has what an analysis needs, and what it says cannot be reached is not on the lists of what ffmpeg may use.
func TestTable(t *testing.T) {
	t.Parallel()
	table := Table()
	if _, err := time.Parse(time.DateOnly, table.Date); err != nil || table.Source == "" || table.Controls == "" {
		t.Errorf("date %q, source %q, controls %q", table.Date, table.Source, table.Controls)
	}
	text, err := os.ReadFile("../ffmpeg/allow.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, v := range table.Known {
		if !strings.HasPrefix(v.ID, "CVE-") || v.Title == "" || v.Because == "" || seen[v.ID] || !slices.Contains([]string{"yes", "no", "unknown"}, v.Reach) {
			t.Errorf("%+v", v)
		}
		seen[v.ID] = true
		for _, r := range v.Ranges {
			if release(r.From) == nil || r.Fixed != "" && release(r.Fixed) == nil {
				t.Errorf("%s: range %+v", v.ID, r)
			}
		}
		if v.Reach != "no" {
			continue
		}
		for _, part := range []string{"hls", "rtsp", "dash", "vobsub", "tty", "magicyuv"} {
			if strings.Contains(" "+strings.NewReplacer(",", " ", ".", " ", ";", " ").Replace(v.Because)+" ", " "+part+" ") && bytes.Contains(text, []byte(`"`+part+`"`)) {
				t.Errorf("%s is said not to be reached because %s is not used, and it is", v.ID, part)
			}
		}
	}
}

// TestFFmpeg: the bill of an ffmpeg is valid, and states each vulnerability with its analysis.
func TestFFmpeg(t *testing.T) {
	t.Parallel()
	s := schema(t)
	p, err := ParseVersion(debian)
	if err != nil {
		t.Fatal(err)
	}
	p.Path, p.SHA256 = "/usr/bin/ffmpeg", strings.Repeat("cd", 32)
	p.Package = Package{Name: "ffmpeg", Version: "7:5.1.9-0+deb12u1", Arch: "amd64"}
	p.Needed = []Library{{Name: "libavcodec.so.59", Version: "7:5.1.9-0+deb12u1", Package: Package{Name: "libavcodec59", Version: "7:5.1.9-0+deb12u1", Arch: "amd64"}}, {Name: "libc.so.6"}}
	b, err := FFmpeg(p, options)
	if err != nil {
		t.Fatal(err)
	}
	text := validate(t, s, b)
	for _, want := range []string{
		`"pkg:deb/debian/ffmpeg@7:5.1.9-0%2Bdeb12u1?arch=amd64"`, "GPL-2.0-or-later", "cpe:2.3:a:ffmpeg:ffmpeg:5.1.9:", "sandbox", "CVE-2026-40962", `"exploitable"`,
		`"code_not_reachable"`, `"in_triage"`, "security tracker", "darkroom:vulnerabilities:asof",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the bill lacks %s:\n%s", want, text)
		}
	}
	if n := len(*b.Vulnerabilities); n < 15 {
		t.Errorf("ffmpeg 5.1.9 has %d known vulnerabilities", n)
	}
	newer := Program{Version: "9.0.1", Configuration: []string{"--enable-version3"}}
	if b, err = FFmpeg(newer, options); err != nil {
		t.Fatal(err)
	}
	if text = validate(t, s, b); strings.Contains(text, "CVE-2026-40962") || !strings.Contains(text, "LGPL-3.0-or-later") {
		t.Errorf("the bill of a newer one:\n%s", text)
	}
	if b, err = FFmpeg(Program{Version: "N-1-gabc", Configuration: []string{"--enable-nonfree"}}, options); err != nil {
		t.Fatal(err)
	}
	if text = validate(t, s, b); !strings.Contains(text, "names no release") {
		t.Errorf("the bill of a development build:\n%s", text)
	}
	if _, err := FFmpeg(Program{}, options); err == nil {
		t.Error("a bill of nothing was made")
	}
	var doc map[string]any
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Error(err)
	}
}

func FuzzParseVersion(f *testing.F) {
	f.Add(debian)
	f.Add("ffmpeg version \nconfiguration: '")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParseVersion(text)
		if err != nil {
			return
		}
		for _, v := range Table().Known {
			v.Affects(p)
		}
	})
}
