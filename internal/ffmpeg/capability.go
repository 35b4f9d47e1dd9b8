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
var neededFilters = []string{"scale", "pad", "crop", "fps", "split", "format", "setsar", "select", "aresample", "aformat", "amerge", "adelay", "atrim"}

// Capabilities reads what VersionArgs, EncodersArgs and FiltersArgs print. An ffmpeg that is too old is an error.
func Capabilities(version, encoders, filters string) (plan.Capabilities, error) {
	line, _, _ := strings.Cut(version, "\n")
	name, ok := strings.CutPrefix(line, "ffmpeg version ")
	if !ok {
		return plan.Capabilities{}, fmt.Errorf("not an ffmpeg: it says %q", line)
	}
	name, _, _ = strings.Cut(name, " Copyright")
	c := plan.Capabilities{Engine: "ffmpeg " + name}
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
	if offer("libx264") {
		c.Encoders = append(c.Encoders, media.AVC)
	}
	if offer("aac") {
		c.Encoders = append(c.Encoders, media.AAC)
	}
	c.StillPictures = offer("mjpeg")
	if c.Deinterlace = fil["bwdif"] && usable; !fil["bwdif"] {
		c.Missing = append(c.Missing, "filter bwdif")
	}
	return c, nil
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
