package ffmpeg

import (
	"fmt"
	"strconv"
	"strings"

	"darkroom/internal/media"
	"darkroom/internal/plan"
)

// VersionArgs asks for the version and the build.
func VersionArgs() []string { return []string{"-hide_banner", "-version"} }

// EncodersArgs and FiltersArgs ask for what the build has.
func EncodersArgs() []string { return []string{"-hide_banner", "-encoders"} }

// FiltersArgs asks for the filters of the build.
func FiltersArgs() []string { return []string{"-hide_banner", "-filters"} }

// MinMajor and MinMinor are the oldest version that is known to work.
const (
	MinMajor = 5
	MinMinor = 1
)

// neededFilters are those that every job may use; without one of them nothing can be encoded.
var neededFilters = []string{
	"scale", "pad", "crop", "fps", "split", "format", "setsar", "select", "aresample", "aformat", "amerge", "adelay", "atrim", "asetpts",
	"highpass", "lowpass", "pan", "tile",
}

// codecEncoders are the encoders that are used, by codec.
var codecEncoders = []struct {
	name  string
	codec media.Codec
}{
	{"libx264", media.AVC}, {"aac", media.AAC}, {"libx265", media.HEVC}, {"libsvtav1", media.AV1}, {"ac3", media.AC3}, {"eac3", media.EAC3},
}

// Capabilities reads what VersionArgs, EncodersArgs and FiltersArgs print. An ffmpeg that is too old is an error.
func Capabilities(version, encoders, filters string) (plan.Capabilities, error) {
	line, _, _ := strings.Cut(version, "\n")
	name, ok := strings.CutPrefix(line, "ffmpeg version ")
	if !ok {
		return plan.Capabilities{}, fmt.Errorf("not an ffmpeg: it says %q", line)
	}
	name, _, _ = strings.Cut(name, " Copyright")
	c := plan.Capabilities{Engine: "ffmpeg " + name, EngineBuild: build(version)}
	if major, minor, ok := versionNumber(name); ok && (major < MinMajor || major == MinMajor && minor < MinMinor) {
		return plan.Capabilities{}, fmt.Errorf("ffmpeg %d.%d is too old; needed: %d.%d or newer", major, minor, MinMajor, MinMinor)
	}
	enc, fil := secondColumn(encoders), secondColumn(filters)
	for _, f := range neededFilters {
		if !fil[f] {
			c.Missing = append(c.Missing, "filter "+f)
		}
	}
	usable := len(c.Missing) == 0
	offer := func(encoder string) bool {
		if !enc[encoder] {
			c.Missing = append(c.Missing, "encoder "+encoder)
		}
		return enc[encoder] && usable
	}
	for _, e := range codecEncoders {
		if offer(e.name) {
			c.Encoders = append(c.Encoders, e.codec)
		}
	}
	c.StillPictures = offer("mjpeg")
	if c.Deinterlace = fil["bwdif"] && usable; !fil["bwdif"] {
		c.Missing = append(c.Missing, "filter bwdif")
	}
	return c, nil
}

// build is what VersionArgs prints behind the version: the compiler, the flags of configure, the libraries; on one line, and bounded.
func build(version string) string {
	var lines []string
	for line := range strings.Lines(version) {
		if line = strings.Join(strings.Fields(strings.ToValidUTF8(line, "?")), " "); line != "" {
			lines = append(lines, line)
		}
	}
	text := strings.Join(lines[min(1, len(lines)):], "; ")
	if len(text) > plan.MaxEngineBuild {
		text = strings.ToValidUTF8(text[:plan.MaxEngineBuild-len("…")], "") + "…"
	}
	return text
}

// versionNumber reads 5.1.9-0+deb12u1 or n6.0; a build from a development tree has none.
func versionNumber(s string) (major, minor int, ok bool) {
	s = strings.TrimPrefix(s, "n")
	a, rest, _ := strings.Cut(s, ".")
	b := rest
	if i := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		b = rest[:i]
	}
	major, err := strconv.Atoi(a)
	if err != nil {
		return 0, 0, false
	}
	minor, _ = strconv.Atoi(b)
	return major, minor, true
}

// secondColumn reads the names of a list whose first column is flags.
func secondColumn(list string) map[string]bool {
	names := map[string]bool{}
	for line := range strings.Lines(list) {
		if f := strings.Fields(line); len(f) >= 2 {
			names[f[1]] = true
		}
	}
	return names
}
