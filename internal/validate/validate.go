// Package validate checks finished packages against the specifications that players rely on: HTTP Live Streaming (RFC 8216), MPEG-DASH (ISO/IEC 23009-1,
// DASH-IF IOP) and Smooth Streaming (MS-SSTR), in MPEG-2 transport streams, fragmented MP4 (ISO/IEC 14496-12, CMAF: ISO/IEC 23000-19), packed audio and
// WebVTT, clear or encrypted (ISO/IEC 23001-7).
//
// It reads a manifest and everything that it names, measures it, and says where the two differ. It shares no code with what writes packages: its readers of
// containers and manifests are its own, so that a mistake of a writer is not made twice. What it reads may be hostile: every length and count is bounded.
//
// It decodes no picture. Without keys, encrypted media is checked by what stays clear: containers, times, headers of NAL units, sample maps; whole encrypted
// segments (AES-128) not at all beyond their length. With a key it also checks what comes out; but for SAMPLE-AES in transport streams, whose samples it does not
// open.
package validate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"darkroom/internal/secret"
)

// Limits of what is read.
const (
	maxManifest   = 16 << 20 // bytes of a manifest
	maxMetadata   = 64 << 20 // bytes of one box that is not media
	maxSample     = 64 << 20 // bytes of one sample or PES packet
	maxReferences = 200_000  // segments named by one manifest
	maxFindings   = 1000     // of one rule
	maxFragment   = 200_000  // samples of one fragment; they may take no bytes to name
	maxBoxes      = 2_000_000
	maxIntervals  = 8_000_000 // of initialization vectors that are remembered
)

// Level says how grave a finding is.
type Level string

// The levels.
const (
	Error   Level = "error"   // a specification forbids it, or it says what is not so
	Warning Level = "warning" // allowed, and unwise
	Note    Level = "note"    // what could not be checked, and why
)

// Finding is what is wrong at one place.
type Finding struct {
	Rule  string `json:"rule"` // the identifier of a Rule
	Level Level  `json:"level"`
	Where string `json:"where"` // a file of the package, with a line where it is text
	Text  string `json:"text"`
}

func (f Finding) String() string {
	return fmt.Sprintf("%s: %s: %s [%s]", f.Where, f.Level, f.Text, f.Rule)
}

// KeySize is the size of a content key, in bytes.
const KeySize = 16

// Key opens media. It is found by the key identifier of Common Encryption, or by the URI of EXT-X-KEY.
type Key struct {
	ID    string // 32 hexadecimal digits, lower case; or a URI
	Value secret.Bytes
}

// Options say how to check.
type Options struct {
	Keys []Key
}

// Report is what was found in a package. Findings are in the order in which they were found.
type Report struct {
	Findings  []Finding `json:"findings"`
	Manifests int       `json:"manifests"`
	Streams   int       `json:"streams"` // media playlists, representations and quality levels
	Segments  int       `json:"segments"`
	Samples   int64     `json:"samples"`
	Bytes     int64     `json:"bytes"` // of media that was read
}

// Failed reports whether a rule is broken.
func (r *Report) Failed() bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Level == Error })
}

// checker is the state of one check.
type checker struct {
	ctx    context.Context
	src    Source
	keys   []Key
	report Report
	count  map[string]int // findings of a rule
	seen   map[Finding]bool
	// segments, files and inits were read already; a nil entry could not be.
	segments map[span]*segment
	inits    map[span]*initSegment
	vectors  vectors
	moofs    map[span]bool // fragments whose vectors are known
	texts    map[string][]byte
}

// span is a part of a file; length -1 is all behind the offset.
type span struct {
	ref            string // absolute, as Source.Resolve returns it
	offset, length int64
}

func (s span) String() string {
	if s.offset == 0 && s.length < 0 {
		return s.ref
	}
	return fmt.Sprintf("%s@%d+%d", s.ref, s.offset, s.length)
}

// Check reads the manifests and everything that they name. The error is about what could not be read at all: the manifest itself, or ctx.
func Check(ctx context.Context, src Source, manifests []string, o Options) (*Report, error) {
	c := &checker{
		ctx: ctx, src: src, keys: o.Keys, count: map[string]int{}, seen: map[Finding]bool{},
		segments: map[span]*segment{}, inits: map[span]*initSegment{}, texts: map[string][]byte{}, moofs: map[span]bool{},
	}
	c.report.Findings = []Finding{}
	if len(manifests) == 0 {
		return nil, errors.New("no manifest: a playlist of HLS (.m3u8), an MPD (.mpd) or a client manifest of Smooth Streaming (.ismc, Manifest)")
	}
	for _, m := range manifests {
		text, err := c.text(m)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", m, err)
		}
		c.report.Manifests++
		switch kind := kindOf(text); kind {
		case kindHLS:
			c.hls(m, text)
		case kindDASH:
			c.dash(m, text)
		case kindSmooth:
			c.smooth(m, text)
		default:
			return nil, fmt.Errorf("%s is no manifest of HLS, DASH or Smooth Streaming", m)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return &c.report, nil
}

type manifestKind int

const (
	kindHLS manifestKind = iota + 1
	kindDASH
	kindSmooth
)

// kindOf tells manifests apart by their content; 0 for none of them.
func kindOf(text []byte) manifestKind {
	if strings.HasPrefix(string(text[:min(len(text), 7)]), "#EXTM3U") {
		return kindHLS
	}
	switch rootElement(text) {
	case "MPD":
		return kindDASH
	case "SmoothStreamingMedia":
		return kindSmooth
	}
	return 0
}

// add writes a finding down, once.
func (c *checker) add(level Level, rule, where, format string, args ...any) {
	if _, ok := ruleTable[rule]; !ok {
		panic("validate: no rule " + rule) // a programmer's mistake, which every broken package of the tests would show
	}
	f := Finding{Rule: rule, Level: level, Where: c.src.Name(where), Text: fmt.Sprintf(format, args...)}
	if c.seen[f] || c.count[rule] > maxFindings {
		return
	}
	c.count[rule]++
	if c.count[rule] > maxFindings {
		f.Text = "there is more of this; it is not listed"
	}
	c.seen[f] = true
	c.report.Findings = append(c.report.Findings, f)
}

func (c *checker) fail(rule, where, format string, args ...any) {
	c.add(Error, rule, where, format, args...)
}

func (c *checker) warn(rule, where, format string, args ...any) {
	c.add(Warning, rule, where, format, args...)
}

func (c *checker) note(rule, where, format string, args ...any) {
	c.add(Note, rule, where, format, args...)
}

// resolve makes a reference absolute; it fails the rule of references where that cannot be.
func (c *checker) resolve(where, base, ref string) (string, bool) {
	abs, err := c.src.Resolve(base, ref)
	if err != nil {
		c.fail("reference", where, "%q leads nowhere: %v", clip(ref), err)
		return "", false
	}
	return abs, true
}

// missing says of a file that it could not be opened.
func (c *checker) missing(where, ref string, err error) {
	if errors.Is(err, fs.ErrNotExist) {
		c.fail("reference", where, "%s does not exist", c.src.Name(ref))
		return
	}
	c.fail("reference", where, "%s cannot be read: %v", c.src.Name(ref), err)
}

// clip bounds what is repeated of a manifest.
func clip(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// key finds a key.
func (c *checker) key(id string) (secret.Bytes, bool) {
	for _, k := range c.keys {
		if k.ID == id {
			return k.Value, true
		}
	}
	return secret.Bytes{}, false
}

// Rule is something that a package has to keep.
type Rule struct {
	ID     string // stable
	Source string // the specification, with the section
	Text   string // what must be
}

// Rules lists all of them, in the order of their identifiers.
func Rules() []Rule {
	out := make([]Rule, 0, len(ruleTable))
	for id, r := range ruleTable {
		out = append(out, Rule{id, r.source, r.text})
	}
	slices.SortFunc(out, func(a, b Rule) int { return cmp.Compare(a.ID, b.ID) })
	return out
}
