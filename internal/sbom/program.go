package sbom

import (
	"bufio"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// Program is an ffmpeg, as far as it and the machine say what it is.
type Program struct {
	Path          string    `json:"path"`
	SHA256        string    `json:"sha256"`
	Version       string    `json:"version"`       // 5.1.9-0+deb12u1
	Compiler      string    `json:"compiler"`      // the line "built with"
	Configuration []string  `json:"configuration"` // the flags of configure
	Libraries     []Library `json:"libraries"`     // libav*, as it reports them
	Needed        []Library `json:"needed"`        // what the executable and libav* are linked to directly, with the packages that have them
	Package       Package   `json:"package"`       // that has the executable; zero where none is known
}

// Library is a library that a program uses.
type Library struct {
	Name    string  `json:"name"`
	Version string  `json:"version,omitempty"`
	Package Package `json:"package,omitzero"`
}

// Package is a package of Debian or of what descends from it.
type Package struct {
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"`
	Arch    string `json:"arch,omitempty"`
	Source  string `json:"source,omitempty"`
}

func (p Package) purl(distribution string) string {
	out := purl("deb", distribution+"/"+p.Name, p.Version)
	if p.Arch != "" {
		out += "?arch=" + p.Arch
	}
	return out
}

// ParseVersion reads what ffmpeg -version prints.
func ParseVersion(text string) (Program, error) {
	var p Program
	lines := strings.Split(strings.ReplaceAll(text, "\r", ""), "\n")
	version, ok := strings.CutPrefix(lines[0], "ffmpeg version ")
	if !ok {
		return p, fmt.Errorf("not an ffmpeg: it says %q", short(lines[0]))
	}
	p.Version, _, _ = strings.Cut(version, " Copyright")
	for _, line := range lines[1:] {
		if c, ok := strings.CutPrefix(line, "built with "); ok {
			p.Compiler = c
			continue
		}
		if c, ok := strings.CutPrefix(strings.TrimSpace(line), "configuration:"); ok {
			p.Configuration = flagsOf(c)
			continue
		}
		// libavutil      57. 28.100 / 57. 28.100: as compiled, and as loaded.
		name, rest, _ := strings.Cut(line, " ")
		if _, loaded, ok := strings.Cut(rest, "/"); ok && strings.HasPrefix(name, "lib") {
			p.Libraries = append(p.Libraries, Library{Name: name, Version: strings.ReplaceAll(strings.TrimSpace(loaded), " ", "")})
		}
	}
	return p, nil
}

// flagsOf splits flags at blanks outside of quotes.
func flagsOf(line string) []string {
	var out []string
	var word strings.Builder
	quote := rune(0)
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote = r
		case quote == 0 && r == ' ':
			if word.Len() > 0 {
				out = append(out, word.String())
				word.Reset()
			}
		default:
			word.WriteRune(r)
		}
	}
	if word.Len() > 0 {
		out = append(out, word.String())
	}
	return out
}

func short(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

// libraryDirs are where the dynamic linker of Debian looks, below the root of the file system.
var libraryDirs = []string{"usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "lib/aarch64-linux-gnu", "usr/local/lib", "usr/lib", "lib", "usr/lib64", "lib64"}

// Look adds what the file system says of the program: what it is linked to, and which packages of Debian's database have those files. root is the
// root of the file system. A program that is linked statically, or a machine without that database, is no error.
func (p *Program) Look(root fs.FS) error {
	needed, err := imported(root, strings.TrimPrefix(p.Path, "/"))
	if err != nil {
		return fmt.Errorf("read what %s is linked to: %w", p.Path, err)
	}
	files := map[string]string{} // by soname
	for _, name := range needed {
		files[name] = find(root, name)
		if strings.HasPrefix(name, "libav") || strings.HasPrefix(name, "libsw") || strings.HasPrefix(name, "libpostproc") {
			more, err := imported(root, files[name])
			if err != nil {
				return fmt.Errorf("read what %s is linked to: %w", name, err)
			}
			for _, m := range more {
				if _, ok := files[m]; !ok {
					files[m] = find(root, m)
				}
			}
		}
	}
	owners, err := owners(root)
	if err != nil {
		return err
	}
	p.Package = owners[p.Path]
	for name, file := range files {
		l := Library{Name: name}
		if file != "" {
			l.Package = owner(owners, file)
			l.Version = l.Package.Version
		}
		p.Needed = append(p.Needed, l)
	}
	slices.SortFunc(p.Needed, func(a, b Library) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

// owner finds the package of a file, also where /lib is a link to /usr/lib.
func owner(owners map[string]Package, file string) Package {
	for _, name := range []string{"/" + file, "/usr/" + file, "/" + strings.TrimPrefix(file, "usr/")} {
		if p, ok := owners[name]; ok {
			return p
		}
	}
	return Package{}
}

func find(root fs.FS, soname string) string {
	for _, dir := range libraryDirs {
		name := path.Join(dir, soname)
		if st, err := fs.Stat(root, name); err == nil && st.Mode().IsRegular() {
			return name
		}
	}
	return ""
}

// imported returns the sonames that an executable or library asks for. What is no ELF file asks for none.
func imported(root fs.FS, name string) ([]string, error) {
	if name == "" {
		return nil, nil
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	at, ok := f.(io.ReaderAt)
	if !ok {
		return nil, errors.New("the file cannot be read at a place")
	}
	e, err := elf.NewFile(at)
	if err != nil {
		return nil, nil //nolint:nilerr // a script, or another system's: not linked as far as we can see
	}
	return e.ImportedLibraries()
}

const (
	dpkgStatus = "var/lib/dpkg/status"
	dpkgInfo   = "var/lib/dpkg/info"
	// maxLine bounds a line of the package database.
	maxLine = 1 << 20
)

// owners reads which package has which program or library, from dpkg's database.
func owners(root fs.FS) (map[string]Package, error) {
	status, err := fs.ReadFile(root, dpkgStatus)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the package database: %w", err)
	}
	packages := map[string]Package{} // by the name of its list
	for _, p := range parseStatus(status) {
		packages[p.Name], packages[p.Name+":"+p.Arch] = p, p
	}
	lists, err := fs.Glob(root, dpkgInfo+"/*.list")
	if err != nil {
		return nil, err
	}
	out := map[string]Package{}
	for _, list := range lists {
		p, ok := packages[strings.TrimSuffix(path.Base(list), ".list")]
		if !ok {
			continue
		}
		text, err := fs.ReadFile(root, list)
		if err != nil {
			return nil, fmt.Errorf("read the package database: %w", err)
		}
		for line := range bytes.Lines(text) {
			if name := strings.TrimRight(string(line), "\n"); strings.Contains(name, "/bin/") || strings.Contains(name, ".so") {
				out[name] = p
			}
		}
	}
	return out, nil
}

func parseStatus(text []byte) []Package {
	var out []Package
	var p Package
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		line := lines.Text()
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "":
			out, p = append(out, p), Package{}
		case name == "Package":
			p.Name = value
		case name == "Version":
			p.Version = value
		case name == "Architecture":
			p.Arch = value
		case name == "Source":
			p.Source = value
		}
	}
	return append(out, p)
}

// FFmpeg returns the bill of an ffmpeg, with the vulnerabilities that the table knows of its version.
func FFmpeg(p Program, o Options) (*cdx.BOM, error) {
	if p.Version == "" {
		return nil, errors.New("the version of ffmpeg is not known")
	}
	const ref = "ffmpeg"
	b := newBOM(o)
	properties := []cdx.Property{{Name: "darkroom:ffmpeg:compiler", Value: p.Compiler}}
	for _, f := range p.Configuration {
		properties = append(properties, cdx.Property{Name: "darkroom:ffmpeg:configure", Value: f})
	}
	self := cdx.Component{
		BOMRef: ref, Type: cdx.ComponentTypeApplication, Name: "ffmpeg", Version: p.Version, PackageURL: purl("generic", "ffmpeg", p.Version),
		CPE: "cpe:2.3:a:ffmpeg:ffmpeg:" + upstream(p.Version) + ":*:*:*:*:*:*:*", Properties: &properties,
		Licenses: licence(p.licence()),
	}
	if p.Package.Name != "" {
		self.PackageURL = p.Package.purl("debian")
	}
	if p.SHA256 != "" {
		self.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: p.SHA256}}
	}
	b.Metadata.Component = &self
	all, on := []cdx.Component{}, []string{}
	add := func(l Library, what string) {
		c := cdx.Component{BOMRef: what + ":" + l.Name, Type: cdx.ComponentTypeLibrary, Name: l.Name, Version: l.Version, Description: what}
		if l.Package.Name != "" {
			c.PackageURL = l.Package.purl("debian")
		}
		all, on = append(all, c), append(on, c.BOMRef)
	}
	for _, l := range p.Libraries {
		add(l, "reported by ffmpeg")
	}
	for _, l := range p.Needed {
		add(l, "linked")
	}
	b.Components = &all
	b.Dependencies = &[]cdx.Dependency{{Ref: ref, Dependencies: &on}}
	// What libraries of other origin link in their turn is theirs, and not looked at.
	b.Compositions = &[]cdx.Composition{{Aggregate: cdx.CompositionAggregateIncomplete, Assemblies: &[]cdx.BOMReference{ref}}}
	found := []cdx.Vulnerability{}
	for _, v := range Known(p) {
		found = append(found, v.cyclonedx(p, ref))
	}
	b.Vulnerabilities = &found
	b.Properties = &[]cdx.Property{{Name: "darkroom:vulnerabilities:asof", Value: Table().Date}}
	return b, nil
}

// licence is that of the whole, by the flags of configure (ffmpeg, LICENSE.md).
func (p Program) licence() string {
	gpl, three := slices.Contains(p.Configuration, "--enable-gpl"), slices.Contains(p.Configuration, "--enable-version3")
	switch {
	case len(p.Configuration) == 0, slices.Contains(p.Configuration, "--enable-nonfree"):
		return ""
	case gpl && three:
		return "GPL-3.0-or-later"
	case gpl:
		return "GPL-2.0-or-later"
	case three:
		return "LGPL-3.0-or-later"
	}
	return "LGPL-2.1-or-later"
}
