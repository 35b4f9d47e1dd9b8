// Package sbom says what the program and the ffmpeg that it drives are made of, as bills of materials in CycloneDX 1.6 (ECMA-424), and what is known
// to be wrong with them.
//
// The bill of the program is made from what the Go linker wrote into it: every module with its version and its checksum of go.sum. That of ffmpeg is
// made from what ffmpeg says of itself, what its executable is linked to, and what the package database of Debian knows of those files.
package sbom

import (
	"bytes"
	_ "embed" // the tables
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/goccy/go-yaml"
)

//go:embed licences.yaml
var licenceText []byte

// licences are the SPDX identifiers of modules, by path.
var licences = sync.OnceValue(func() map[string]string {
	var m map[string]string
	if err := yaml.Unmarshal(licenceText, &m); err != nil {
		panic(err) // it is embedded, and a test reads it
	}
	return m
})

// Options are what a bill is made with.
type Options struct {
	Time    time.Time
	Release string // of the program
	// Serial is a UUID for the bill. Empty: none, so that the same bill has the same bytes.
	Serial string
	// SHA256 is that of the program's file, in hexadecimal; empty where it is not known.
	SHA256 string
}

// Go returns the bill of a program that was built by Go.
func Go(info *debug.BuildInfo, o Options) (*cdx.BOM, error) {
	if info == nil || info.Main.Path == "" && info.Path == "" {
		return nil, errors.New("the program has no build information")
	}
	const ref = "darkroom"
	b := newBOM(o)
	self := cdx.Component{
		BOMRef: ref, Type: cdx.ComponentTypeApplication, Name: "darkroom", Version: o.Release, Properties: buildProperties(info),
		PackageURL: purl("golang", "darkroom", o.Release),
	}
	if o.SHA256 != "" {
		self.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: o.SHA256}}
	}
	b.Metadata.Component = &self
	std := cdx.Component{
		BOMRef: "std", Type: cdx.ComponentTypeLibrary, Name: "std", Version: info.GoVersion, Description: "the Go standard library and runtime",
		PackageURL: purl("golang", "std", strings.TrimPrefix(info.GoVersion, "go")), Licenses: licence("BSD-3-Clause"), Scope: cdx.ScopeRequired,
	}
	all, on := []cdx.Component{std}, []string{std.BOMRef}
	for _, m := range info.Deps {
		c, err := module(m)
		if err != nil {
			return nil, err
		}
		all, on = append(all, c), append(on, c.BOMRef)
	}
	b.Components = &all
	// The linker writes what is linked, not who imports whom: that the list is whole is known, its edges are not.
	b.Dependencies = &[]cdx.Dependency{{Ref: ref, Dependencies: &on}}
	b.Compositions = &[]cdx.Composition{{Aggregate: cdx.CompositionAggregateComplete, Assemblies: &[]cdx.BOMReference{ref}}}
	return b, nil
}

func newBOM(o Options) *cdx.BOM {
	b := cdx.NewBOM()
	b.SpecVersion = cdx.SpecVersion1_6
	b.JSONSchema = "http://cyclonedx.org/schema/bom-1.6.schema.json"
	if o.Serial != "" {
		b.SerialNumber = "urn:uuid:" + o.Serial
	}
	b.Metadata = &cdx.Metadata{
		Timestamp: o.Time.UTC().Format(time.RFC3339),
		Tools:     &cdx.ToolsChoice{Components: &[]cdx.Component{{Type: cdx.ComponentTypeApplication, Name: "darkroom", Version: o.Release}}},
	}
	return b
}

// settings are what of the build's settings a bill tells; paths of the machine that built are not among them.
var settings = []string{"vcs.revision", "vcs.time", "vcs.modified", "GOOS", "GOARCH", "GOAMD64", "GOARM64", "CGO_ENABLED", "GOFIPS140", "-trimpath", "-buildmode", "-compiler"}

func buildProperties(info *debug.BuildInfo) *[]cdx.Property {
	p := []cdx.Property{{Name: "darkroom:go:version", Value: info.GoVersion}}
	for _, s := range info.Settings {
		if slices.Contains(settings, s.Key) {
			p = append(p, cdx.Property{Name: "darkroom:build:" + s.Key, Value: s.Value})
		}
	}
	return &p
}

func module(m *debug.Module) (cdx.Component, error) {
	used := m
	if m.Replace != nil {
		used = m.Replace
	}
	c := cdx.Component{
		BOMRef: purl("golang", used.Path, used.Version), Type: cdx.ComponentTypeLibrary, Name: used.Path, Version: used.Version,
		PackageURL: purl("golang", used.Path, used.Version), Licenses: licence(licences()[used.Path]), Scope: cdx.ScopeRequired,
	}
	if used.Sum != "" {
		// h1: is SHA-256 over the list of the SHA-256 of the module's files (golang.org/x/mod/sumdb/dirhash), no hash of one file.
		raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(used.Sum, "h1:"))
		if err != nil || !strings.HasPrefix(used.Sum, "h1:") || len(raw) != 32 {
			return c, fmt.Errorf("module %s has the checksum %q, which does not begin with h1: as it should", used.Path, used.Sum)
		}
		c.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(raw)}}
		c.Properties = &[]cdx.Property{{Name: "darkroom:go:sum", Value: used.Sum}}
	}
	return c, nil
}

func licence(id string) *cdx.Licenses {
	switch {
	case id == "":
		return nil // nothing is known, and nothing is said
	case strings.ContainsAny(id, " ()"):
		return &cdx.Licenses{{Expression: id}}
	}
	return &cdx.Licenses{{License: &cdx.License{ID: id}}}
}

// purl is the package URL of a package (purl-spec, types golang, deb and generic).
func purl(typ, name, version string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	out := "pkg:" + typ + "/" + strings.Join(parts, "/")
	if version != "" {
		out += "@" + strings.ReplaceAll(url.QueryEscape(version), "%3A", ":")
	}
	return out
}

// Encode writes a bill as indented JSON.
func Encode(b *cdx.BOM) ([]byte, error) {
	var out bytes.Buffer
	if err := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false).EncodeVersion(b, b.SpecVersion); err != nil {
		return nil, fmt.Errorf("write a bill of materials: %w", err)
	}
	return out.Bytes(), nil
}
